//! What clients say and hear about deals.

use crate::{
    domain::{Availability, Deal, OfferCopy, Refusal, Step, Terms, Wish},
    store,
};
use axum::extract::State;
use chassis::{
    app::{App, Tx},
    caller::Caller,
    hal::{self, Resource},
    idempotency::{Answer, Command, CommandBody},
    problem::{Problem, ProblemBody},
    query::{Filter, ItemId, Listing, Paging},
    wire::{Date, Faults, Id, Line, Qty, UserId, Won, Word, agree, same},
};
use deserr::Deserr;
use serde::{Deserialize, Serialize};
use shared_events::{DealStatus, Fulfilment, OfferStatus, OfferType, WireDate};
use sqlx::types::Json;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

/// A deal, as it is answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Deal)]
pub struct DealBody {
    deal_id: i64,
    offer_id: i64,
    post_id: i64,
    /// The buyer.
    user_id: String,
    seller_id: String,
    /// The agreed price of one unit.
    price: i64,
    qty: i32,
    status: DealStatus,
    /// The day they meet.
    #[schema(value_type = Option<String>, format = DateTime)]
    reserve_dt: Option<WireDate>,
    meet_place: Option<String>,
    fulfilment: Fulfilment,
    address: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    create_dt: WireDate,
    #[schema(value_type = String, format = DateTime)]
    update_dt: WireDate,
    history: Vec<Step>,
    #[serde(skip)]
    version: i64,
}

impl From<Deal> for DealBody {
    fn from(deal: Deal) -> Self {
        Self {
            deal_id: deal.deal_id,
            offer_id: deal.offer_id,
            post_id: deal.post_id,
            user_id: deal.user_id,
            seller_id: deal.seller_id,
            price: deal.price,
            qty: deal.qty,
            status: deal.status,
            reserve_dt: deal.reserve_dt.map(Into::into),
            meet_place: deal.meet_place,
            fulfilment: deal.fulfilment,
            address: deal.address,
            create_dt: deal.create_dt.into(),
            update_dt: deal.update_dt.into(),
            history: deal.history.0,
            version: deal.version,
        }
    }
}

impl Resource for DealBody {
    const NAME: &'static str = "deal";
    const COLLECTION: &'static str = "deals";
    fn id(&self) -> i64 {
        self.deal_id
    }
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// The seeds' clients say `offeredId` for `offerId`.
const ALIASES: &[(&str, &str)] = &[("offeredId", "offerId")];

/// A deal to reserve.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = camelCase, validate = NewDeal::words -> Faults)]
#[schema(rename_all = "camelCase")]
pub struct NewDeal {
    /// The offer; also `offeredId`.
    offer_id: Id,
    post_id: Id,
    /// The buyer, whoever acts.
    user_id: UserId,
    /// The agreed price, where it is repeated.
    #[deserr(default)]
    price: Option<Won>,
    /// The offer's units, where they are repeated.
    #[deserr(default)]
    qty: Option<Qty>,
    /// May be repeated: `dealReserved`.
    #[schema(value_type = Option<DealStatus>)]
    #[deserr(default)]
    status: Option<Word<DealStatus>>,
    /// The day they meet.
    #[deserr(default)]
    reserve_dt: Option<Date>,
    #[deserr(default)]
    meet_place: Option<Line<200>>,
    #[schema(value_type = Option<Fulfilment>)]
    #[deserr(default)]
    fulfilment: Option<Word<Fulfilment>>,
    #[deserr(default)]
    address: Option<Line<200>>,
    #[deserr(default)]
    update_dt: Option<Date>,
}

impl CommandBody for NewDeal {
    const ALIASES: &'static [(&'static str, &'static str)] = ALIASES;
}

impl NewDeal {
    fn words(self, _: deserr::ValuePointerRef<'_>) -> Result<Self, Faults> {
        if self.status.is_some_and(|word| word.0 != DealStatus::DealReserved) {
            return Err(Faults::unacceptable("status", "must be dealReserved when a deal is reserved"));
        }
        if self.fulfilment.is_some_and(|word| word.0 != Fulfilment::Meetup) {
            return Err(Faults::unacceptable("fulfilment", "must be meetup for now"));
        }
        Ok(self)
    }

    fn wish(&self) -> Wish {
        Wish {
            user_id: self.user_id.0.clone(),
            post_id: self.post_id.0,
            price: self.price.map(|won| won.0),
            qty: self.qty.map(|qty| qty.0),
        }
    }

    fn deal(&self, offer: &OfferCopy, actor: Option<String>) -> Deal {
        let now = OffsetDateTime::now_utc();
        Deal {
            deal_id: 0,
            offer_id: offer.offer_id,
            post_id: offer.post_id,
            user_id: offer.user_id.clone(),
            seller_id: offer.seller_id.clone(),
            price: offer.agreed_price,
            qty: offer.qty,
            status: DealStatus::DealReserved,
            reserve_dt: self.reserve_dt.map(Into::into),
            meet_place: self.meet_place.clone().map(|line| line.0),
            fulfilment: self.fulfilment.map_or(Fulfilment::Meetup, |word| word.0),
            address: self.address.clone().map(|line| line.0),
            history: Json(vec![Step { status: DealStatus::DealReserved, at: now.into(), by: actor }]),
            version: 1,
            create_dt: now,
            update_dt: self.update_dt.map_or(now, Into::into),
        }
    }
}

/// A change of a deal. Every other field may be repeated, and not changed.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = camelCase)]
#[schema(rename_all = "camelCase")]
pub struct DealChange {
    /// `dealEnded` or `dealCanceled`.
    #[schema(value_type = Option<DealStatus>)]
    #[deserr(default)]
    status: Option<Word<DealStatus>>,
    /// Who acts: the buyer or the seller. Absent: whichever may.
    #[deserr(default)]
    user_id: Option<UserId>,
    /// When it happened, if not now.
    #[deserr(default)]
    update_dt: Option<Date>,
    /// Also `offeredId`.
    #[deserr(default)]
    offer_id: Option<Id>,
    #[deserr(default)]
    post_id: Option<Id>,
    #[deserr(default)]
    seller_id: Option<UserId>,
    #[deserr(default)]
    price: Option<Won>,
    #[deserr(default)]
    qty: Option<Qty>,
}

impl CommandBody for DealChange {
    const ALIASES: &'static [(&'static str, &'static str)] = ALIASES;
}

impl DealChange {
    fn agrees_with(&self, deal: &Deal) -> Result<(), Problem> {
        agree(&[
            ("offerId", same(self.offer_id.map(|id| id.0), &deal.offer_id)),
            ("postId", same(self.post_id.map(|id| id.0), &deal.post_id)),
            ("sellerId", same(self.seller_id.as_ref().map(|user| &user.0), &&deal.seller_id)),
            ("price", same(self.price.map(|won| won.0), &deal.price)),
            ("qty", same(self.qty.map(|qty| qty.0), &deal.qty)),
        ])
    }
}

/// What a list of deals can be narrowed to.
#[derive(Debug, Clone, Deserr, IntoParams)]
#[deserr(error = Faults, rename_all = camelCase)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct DealFilter {
    #[param(value_type = Option<i64>)]
    #[deserr(default)]
    post_id: Option<Id>,
    /// The buyer.
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    user_id: Option<UserId>,
    #[param(value_type = Option<i64>)]
    #[deserr(default)]
    offer_id: Option<Id>,
    #[param(value_type = Option<DealStatus>)]
    #[deserr(default)]
    status: Option<Word<DealStatus>>,
}

impl Filter for DealFilter {
    const SORTABLE: &'static [(&'static str, &'static str)] = &[
        ("dealId", "deal_id"),
        ("offerId", "offer_id"),
        ("postId", "post_id"),
        ("userId", "user_id"),
        ("sellerId", "seller_id"),
        ("price", "price"),
        ("qty", "qty"),
        ("status", "status"),
        ("reserveDt", "reserve_dt"),
        ("createDt", "create_dt"),
        ("updateDt", "update_dt"),
    ];
    const DEFAULT_ORDER: &'static str = "deal_id";
}

/// An offer as the offer service answers it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfferAnswer {
    post_id: i64,
    user_id: String,
    seller_id: String,
    offer_type: OfferType,
    agreed_price: i64,
    qty: i32,
    offer_status: OfferStatus,
}

/// The synchronous status check, through the gateway's circuit breaker. No answer: nothing is reserved.
async fn check_availability(app: &App, caller: &Caller, post_id: i64) -> Result<Availability, Problem> {
    let answer = app.upstream.get(caller, &format!("/posts/{post_id}/availability")).await?;
    Ok(answer.ok_or(Refusal::UnknownPost)?)
}

/// Asks the owner of the offer. A copy may allow, never refuse: whoever would refuse asks once, and decides on the
/// answer.
async fn ask_offer(app: &App, caller: &Caller, offer_id: i64) -> Result<OfferCopy, Problem> {
    let answer: Option<OfferAnswer> = app.upstream.get(caller, &format!("/offers/{offer_id}")).await?;
    let offer = answer.ok_or(Refusal::UnknownOffer)?;
    Ok(OfferCopy {
        offer_id,
        post_id: offer.post_id,
        user_id: offer.user_id,
        seller_id: offer.seller_id,
        offer_type: offer.offer_type,
        agreed_price: offer.agreed_price,
        qty: offer.qty,
        offer_status: offer.offer_status,
    })
}

/// Reserve a deal on an offer.
#[utoipa::path(post, path = "/deals", request_body = NewDeal,
    responses((status = 201, body = DealBody), (status = "4XX", body = ProblemBody),
              (status = 503, body = ProblemBody)))]
pub async fn reserve(State(app): State<App>, command: Command<NewDeal>) -> Result<Answer, Problem> {
    let wish = command.body.wish();
    let post = check_availability(&app, &command.caller, wish.post_id).await?;
    let offer_id = command.body.offer_id.0;
    let mut asked = None;
    loop {
        let mut tx = app.begin(&command).await?;
        if let Some(offer) = &asked {
            store::learn_offer(&mut tx, offer).await?;
        }
        let known = store::hold_offer(&mut tx, offer_id).await?;
        match known.ok_or(Refusal::UnknownOffer).and_then(|offer| wish.on(offer)) {
            Ok(terms) => return reserve_on(tx, &command, &terms, &post).await,
            Err(refusal) if asked.is_some() => return Err(refusal.into()),
            Err(_) => {
                tx.rollback().await?;
                asked = Some(ask_offer(&app, &command.caller, offer_id).await?);
            }
        }
    }
}

async fn reserve_on(
    mut tx: Tx,
    command: &Command<NewDeal>,
    terms: &Terms,
    post: &Availability,
) -> Result<Answer, Problem> {
    terms.check(post)?;
    // The body's userId is the buyer, as data: it never says who acts.
    let actor = command.caller.actor.acting(None);
    let deal = command.body.deal(&terms.offer, actor.clone());
    deal.is_party(actor.as_deref())?;
    let deal = store::insert(&mut tx, &deal).await?;
    store::promise(&mut tx, post, deal.qty).await?;
    tx.publish(&deal.reserved(terms.listed_price));
    tx.answer(hal::created(&command.caller.base, &DealBody::from(deal))).await
}

/// List deals.
#[utoipa::path(get, path = "/deals", params(DealFilter, Paging),
    responses((status = 200, body = [DealBody]), (status = "4XX", body = ProblemBody)))]
pub async fn list(State(app): State<App>, listing: Listing<DealFilter>) -> Result<Answer, Problem> {
    let filter = listing.filter.clone();
    let wanted = store::Wanted {
        post_id: filter.post_id.map(|id| id.0),
        user_id: filter.user_id.map(|user| user.0),
        offer_id: filter.offer_id.map(|id| id.0),
        status: filter.status.map(|word| word.0),
    };
    let page = store::list(&app.db, wanted, &listing.paging).await?;
    Ok(listing.answer(&page.map(DealBody::from)))
}

/// Read a deal.
#[utoipa::path(get, path = "/deals/{id}", params(("id" = i64, Path)),
    responses((status = 200, body = DealBody), (status = "4XX", body = ProblemBody)))]
pub async fn read(
    State(app): State<App>,
    ItemId(deal_id): ItemId,
    caller: Caller,
) -> Result<Answer, Problem> {
    let deal = store::read(&app.db, deal_id).await?.ok_or_else(|| Problem::not_found("deal"))?;
    Ok(hal::item(&caller.base, &DealBody::from(deal)))
}

/// End or cancel a deal.
#[utoipa::path(patch, path = "/deals/{id}", params(("id" = i64, Path)), request_body = DealChange,
    responses((status = 200, body = DealBody), (status = "4XX", body = ProblemBody)))]
pub async fn change(
    State(app): State<App>,
    ItemId(deal_id): ItemId,
    command: Command<DealChange>,
) -> Result<Answer, Problem> {
    let body = &command.body;
    let actor = command.caller.actor.acting(body.user_id.as_ref());
    let mut tx = app.begin(&command).await?;
    let mut deal = store::lock(&mut tx, deal_id).await?.ok_or_else(|| Problem::not_found("deal"))?;
    command.expects(deal.version)?;
    deal.is_party(actor.as_deref())?;
    body.agrees_with(&deal)?;
    if let Some(Word(status)) = body.status {
        let said_dt = body.update_dt.map(Into::into);
        let events = deal.become_(status, actor.as_deref(), said_dt, OffsetDateTime::now_utc())?;
        if !events.is_empty() {
            store::save(&mut tx, &deal).await?;
            tx.publish_all(&events);
        }
    }
    tx.answer(hal::item(&command.caller.base, &DealBody::from(deal))).await
}
