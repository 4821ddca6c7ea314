//! What clients, and the offer service for them, say and hear about payments.

use super::check_availability;
use crate::{
    domain::Availability,
    domain::payment::{Again, Asked, PayStep, Payment, Refusal},
    settings::Settings,
    store::{self, ledger::NotMoved, payments},
};
use axum::extract::State;
use chassis::{
    app::{App, Tx},
    caller::Caller,
    hal::{self, Resource},
    idempotency::{Answer, Command, CommandBody},
    problem::Problem,
    query::{Filter, ItemId, Listing, Paging},
    wire::{Faults, Id, Qty, UserId, Won, Word, agree, same},
};
use deserr::Deserr;
use serde::Serialize;
use shared_events::{PayMethod, PaymentState, WireDate};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

/// The note of what is given back only to be held on other terms.
const REPLACED: &str = "replaced";

/// A payment, as it is answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Payment)]
pub struct PaymentBody {
    payment_id: i64,
    offer_id: i64,
    post_id: i64,
    deal_id: Option<i64>,
    /// Who pays.
    user_id: String,
    /// Who is paid.
    seller_id: String,
    /// The agreed price times the units, in won.
    amount: i64,
    qty: i32,
    pay_method: PayMethod,
    state: PaymentState,
    pay_log: Vec<PayStep>,
    /// A bank transfer that has not come by then is canceled.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_dt: Option<WireDate>,
    #[schema(value_type = String, format = DateTime)]
    create_dt: WireDate,
    #[schema(value_type = String, format = DateTime)]
    update_dt: WireDate,
    #[serde(skip)]
    version: i64,
}

impl From<Payment> for PaymentBody {
    fn from(payment: Payment) -> Self {
        Self {
            payment_id: payment.payment_id,
            offer_id: payment.offer_id,
            post_id: payment.post_id,
            deal_id: payment.deal_id,
            user_id: payment.user_id,
            seller_id: payment.seller_id,
            amount: payment.amount,
            qty: payment.qty,
            pay_method: payment.pay_method,
            state: payment.state,
            pay_log: payment.pay_log.0,
            // A hold's own deadline concerns nobody who pays for an offer that is there.
            expires_dt: payment
                .expires_dt
                .filter(|_| payment.pay_method == PayMethod::BankTransfer)
                .map(Into::into),
            create_dt: payment.create_dt.into(),
            update_dt: payment.update_dt.into(),
            version: payment.version,
        }
    }
}

impl Resource for PaymentBody {
    const NAME: &'static str = "payment";
    const COLLECTION: &'static str = "payments";
    fn id(&self) -> i64 {
        self.payment_id
    }
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// A payment to hold, as the offer service asks for it before it places the offer.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = camelCase, validate = NewPayment::words -> Faults)]
#[schema(rename_all = "camelCase")]
pub struct NewPayment {
    offer_id: Id,
    post_id: Id,
    /// Who pays.
    #[deserr(default)]
    user_id: Option<UserId>,
    /// Who is paid.
    seller_id: UserId,
    amount: Won,
    qty: Qty,
    /// `wallet`: a bank transfer begins by itself when its offer is placed.
    #[schema(value_type = PayMethod)]
    pay_method: Word<PayMethod>,
}

impl CommandBody for NewPayment {
    const NAMES_ACTOR: bool = true;
}

impl NewPayment {
    fn words(self, _: deserr::ValuePointerRef<'_>) -> Result<Self, Faults> {
        match self.pay_method.0 {
            PayMethod::Wallet => Ok(self),
            _ => Err(Faults::unacceptable("payMethod", "must be wallet")),
        }
    }
}

/// What becomes of a bank transfer. Every other field may be repeated, and not changed.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = camelCase)]
#[schema(rename_all = "camelCase")]
pub struct PaymentChange {
    /// `held`: the seller confirms the deposit; `canceled`: the buyer calls it off before that.
    #[schema(value_type = PaymentState)]
    state: Word<PaymentState>,
    /// The buyer, whoever acts.
    #[deserr(default)]
    user_id: Option<UserId>,
    #[deserr(default)]
    offer_id: Option<Id>,
    #[deserr(default)]
    post_id: Option<Id>,
    #[deserr(default)]
    amount: Option<Won>,
}

impl CommandBody for PaymentChange {}

/// What a list of payments can be narrowed to.
#[derive(Debug, Clone, Deserr, IntoParams)]
#[deserr(error = Faults, rename_all = camelCase)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct PaymentFilter {
    #[deserr(default)]
    #[param(value_type = Option<i64>)]
    offer_id: Option<Id>,
    #[deserr(default)]
    #[param(value_type = Option<i64>)]
    post_id: Option<Id>,
    /// Who pays.
    #[deserr(default)]
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    #[deserr(default)]
    #[param(value_type = Option<PaymentState>)]
    state: Option<Word<PaymentState>>,
    /// Also `state`.
    #[deserr(default)]
    #[param(value_type = Option<PaymentState>)]
    status: Option<Word<PaymentState>>,
}

impl Filter for PaymentFilter {
    const SORTABLE: &'static [(&'static str, &'static str)] = &[
        ("paymentId", "payment_id"),
        ("offerId", "offer_id"),
        ("amount", "amount"),
        ("state", "state"),
        ("createDt", "create_dt"),
        ("updateDt", "update_dt"),
    ];
    const DEFAULT_ORDER: &'static str = "payment_id";
}

/// Hold the money for an offer. Asked for again with the same terms, it answers the payment there is; with others, it holds
/// it on those, as long as the offer has not been heard of.
#[utoipa::path(post, path = "/payments", request_body = NewPayment,
    responses((status = 201, body = PaymentBody), (status = 200, body = PaymentBody),
              (status = 402)))]
pub async fn hold(State(app): State<App>, command: Command<NewPayment>) -> Result<Answer, Problem> {
    let payer = command.author(command.body.user_id.as_ref())?;
    let (body, now) = (&command.body, OffsetDateTime::now_utc());
    let asked = Asked {
        offer_id: body.offer_id.0,
        post_id: body.post_id.0,
        user_id: payer,
        seller_id: body.seller_id.0.clone(),
        amount: body.amount.0,
        qty: body.qty.0,
        pay_method: body.pay_method.0,
        expires_dt: Some(now + app.settings::<Settings>().hold_within),
    };
    let mut tx = app.begin(&command).await?;
    payments::lock_offer_money(&mut tx, asked.offer_id).await?;
    let offer_seen = payments::is_seen(&mut tx, asked.offer_id, &asked.user_id).await?;
    let known = payments::lock_of_offer(&mut tx, asked.offer_id).await?;
    let known = known.into_iter().find(|payment| payment.user_id == asked.user_id);
    let again = known.as_ref().map(|payment| payment.ask_again(&asked, offer_seen)).transpose()?;
    if again == Some(Again::AsItIs) {
        let Some(mut payment) = known else { unreachable!("what is there is asked for again") };
        if !offer_seen {
            // Whoever asks is about to place the offer: from now on, it has the whole time to be heard of.
            payment.change_terms(&asked);
            payments::save(&mut tx, &payment).await?;
        }
        return tx.answer(hal::item(&command.caller.base, &PaymentBody::from(payment))).await;
    }
    if payments::is_closed(&mut tx, asked.offer_id).await? {
        return Err(Refusal::OfferClosed.into());
    }
    match begin(&mut tx, known, &asked, now).await {
        Ok(payment) => tx.answer(hal::created(&command.caller.base, &PaymentBody::from(payment))).await,
        Err(NotMoved::Overdraft) => {
            // The attempt is kept, in a transaction of its own: the first one is gone with the overdraft.
            tx.rollback().await?;
            note_failure(&app, &command, &asked, now).await?;
            Err(Refusal::InsufficientFunds.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Holds the money: for the first time, or anew.
async fn begin(
    tx: &mut Tx,
    known: Option<Payment>,
    asked: &Asked,
    now: OffsetDateTime,
) -> Result<Payment, NotMoved> {
    let mut payment = match known {
        None => payments::insert(tx, asked, now).await?,
        Some(mut payment) => {
            // On the terms that it was held on: should an offer have been placed on those, it has no money any more.
            payments::settle(tx, &mut payment, |payment| payment.refund(REPLACED, now)).await?;
            payment.change_terms(asked);
            payment
        }
    };
    payments::settle(tx, &mut payment, |payment| payment.begin(now)).await?;
    Ok(payment)
}

async fn note_failure(
    app: &App,
    command: &Command<NewPayment>,
    asked: &Asked,
    now: OffsetDateTime,
) -> Result<(), Problem> {
    let mut tx = app.transaction(command.caller.trace.clone()).await?;
    payments::lock_offer_money(&mut tx, asked.offer_id).await?;
    let payments = payments::lock_of_offer(&mut tx, asked.offer_id).await?;
    if payments.iter().any(|payment| payment.user_id == asked.user_id) {
        return Ok(());
    }
    let mut payment = payments::insert(&mut tx, asked, now).await?;
    payments::settle(&mut tx, &mut payment, |payment| (None, payment.fail(now))).await?;
    Ok(tx.commit().await?)
}

/// List payments.
#[utoipa::path(get, path = "/payments", params(PaymentFilter, Paging),
    responses((status = 200, body = [PaymentBody])))]
pub async fn list(State(app): State<App>, listing: Listing<PaymentFilter>) -> Result<Answer, Problem> {
    let filter = listing.filter.clone();
    let wanted = payments::Wanted {
        offer_id: filter.offer_id.map(|id| id.0),
        post_id: filter.post_id.map(|id| id.0),
        party: listing.caller.actor.whose(filter.user_id.as_ref())?,
        user_id: filter.user_id.map(|user| user.0),
        state: filter.state.map(|word| word.0),
        status: filter.status.map(|word| word.0),
    };
    let page = payments::list(&app.db, wanted, &listing.paging).await?;
    Ok(listing.answer(&page.map(PaymentBody::from)))
}

/// Read a payment.
#[utoipa::path(get, path = "/payments/{id}", params(("id" = i64, Path)),
    responses((status = 200, body = PaymentBody)))]
pub async fn read(
    State(app): State<App>,
    ItemId(payment_id): ItemId,
    caller: Caller,
) -> Result<Answer, Problem> {
    let payment = payments::read(&app.db, payment_id).await?;
    let payment = payment.filter(|payment| caller.actor.sees(payment.parties()));
    let payment = payment.ok_or_else(|| Problem::not_found("payment"))?;
    Ok(hal::item(&caller.base, &PaymentBody::from(payment)))
}

/// Confirm a deposit, or call a bank transfer off.
#[utoipa::path(patch, path = "/payments/{id}", params(("id" = i64, Path)), request_body = PaymentChange,
    responses((status = 200, body = PaymentBody)))]
pub async fn change(
    State(app): State<App>,
    ItemId(payment_id): ItemId,
    command: Command<PaymentChange>,
) -> Result<Answer, Problem> {
    let (body, now) = (&command.body, OffsetDateTime::now_utc());
    let actor = command.caller.actor.acting(None)?;
    let known = payments::read(&app.db, payment_id).await?;
    let known = known.filter(|payment| command.caller.actor.sees(payment.parties()));
    let known = known.ok_or_else(|| Problem::not_found("payment"))?;
    // Asked before the transaction: the units are the post service's to know.
    let confirms = body.state.0 == PaymentState::Held && known.state == PaymentState::AwaitingDeposit;
    if confirms {
        // Who may not confirm need not know whether the post service is there.
        known.clone().confirm(actor.as_deref(), false, now)?;
    }
    let post = if confirms { availability_if_any(&app, &command.caller, known.post_id).await? } else { None };

    let mut tx = app.begin(&command).await?;
    payments::lock_offer_money(&mut tx, known.offer_id).await?;
    let mut payment =
        payments::lock(&mut tx, payment_id).await?.ok_or_else(|| Problem::not_found("payment"))?;
    command.expects(payment.version)?;
    agree(&[
        ("userId", same(body.user_id.as_ref().map(|user| &user.0), &&payment.user_id)),
        ("offerId", same(body.offer_id.map(|id| id.0), &payment.offer_id)),
        ("postId", same(body.post_id.map(|id| id.0), &payment.post_id)),
        ("amount", same(body.amount.map(|won| won.0), &payment.amount)),
    ])?;
    match body.state.0 {
        PaymentState::Held => {
            let no_units = confirms
                && match &post {
                    Some(post) => !store::stock(&mut tx, post).await?.covers(post, payment.qty),
                    None => true,
                };
            // A refusal is told before anything moves.
            payment.clone().confirm(actor.as_deref(), no_units, now)?;
            payments::settle(&mut tx, &mut payment, |payment| {
                payment.confirm(actor.as_deref(), no_units, now).unwrap_or_default()
            })
            .await?;
        }
        PaymentState::Canceled => {
            let events = payment.call_off(actor.as_deref(), now)?;
            payments::settle(&mut tx, &mut payment, |_| (None, events)).await?;
        }
        to if to == payment.state => {}
        to => return Err(Refusal::WrongState { from: payment.state, to }.into()),
    }
    tx.answer(hal::item(&command.caller.base, &PaymentBody::from(payment))).await
}

/// What the post service says of a post; None where there is no such post any more.
async fn availability_if_any(
    app: &App,
    caller: &Caller,
    post_id: i64,
) -> Result<Option<Availability>, Problem> {
    match check_availability(app, caller, post_id).await {
        Ok(post) => Ok(Some(post)),
        Err(problem) if problem.status() == axum::http::StatusCode::NOT_FOUND => Ok(None),
        Err(problem) => Err(problem),
    }
}
