//! What clients say and hear about offers.

mod asking;
pub mod messages;
mod paying;
pub mod wishlists;

use crate::{
    domain::{Kind, Offer, Order, Refusal, message::Message},
    settings::Settings,
    store,
};
use asking::ask_post;
use axum::extract::State;
use chassis::{
    app::App,
    caller::Caller,
    hal::{self, Resource},
    idempotency::{Answer, Command, CommandBody},
    problem::Problem,
    query::{Filter, ItemId, Listing, Paging},
    wire::{Faults, Id, Prose, Qty, UserId, Won, Word, agree, same},
};
use deserr::Deserr;
use serde::Serialize;
use shared_events::{OfferStatus, OfferType, PayMethod, WireDate};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

/// An offer, as it is answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Offer)]
pub struct OfferBody {
    offer_id: i64,
    post_id: i64,
    /// The buyer.
    user_id: String,
    seller_id: String,
    offer_type: OfferType,
    /// The post's price of one unit when the offer was placed.
    price: i64,
    offered_price: Option<i64>,
    /// What one unit will cost: the offered price, else the price.
    agreed_price: i64,
    qty: i32,
    pay_method: PayMethod,
    offer_status: OfferStatus,
    /// Where its payment stands, once the deal service has said.
    payment_state: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_dt: Option<WireDate>,
    #[schema(value_type = String, format = DateTime)]
    create_dt: WireDate,
    #[schema(value_type = String, format = DateTime)]
    update_dt: WireDate,
    #[serde(skip)]
    version: i64,
}

impl From<Offer> for OfferBody {
    fn from(offer: Offer) -> Self {
        Self {
            offer_id: offer.offer_id,
            post_id: offer.post_id,
            user_id: offer.user_id,
            seller_id: offer.seller_id,
            offer_type: offer.offer_type,
            price: offer.price,
            offered_price: offer.offered_price,
            agreed_price: offer.agreed_price,
            qty: offer.qty,
            pay_method: offer.pay_method,
            offer_status: offer.offer_status,
            payment_state: offer.payment_state,
            expires_dt: offer.expires_dt.map(Into::into),
            create_dt: offer.create_dt.into(),
            update_dt: offer.update_dt.into(),
            version: offer.version,
        }
    }
}

impl Resource for OfferBody {
    const NAME: &'static str = "offer";
    const COLLECTION: &'static str = "offers";
    fn id(&self) -> i64 {
        self.offer_id
    }
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// An offer to place.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = camelCase, validate = NewOffer::prices -> Faults)]
#[schema(rename_all = "camelCase")]
pub struct NewOffer {
    /// The buyer.
    #[deserr(default)]
    user_id: Option<UserId>,
    post_id: Id,
    #[schema(value_type = OfferType)]
    offer_type: Word<OfferType>,
    /// The post's price as the buyer saw it.
    #[deserr(default)]
    price: Option<Won>,
    /// Required where the price is negotiated.
    #[deserr(default)]
    offered_price: Option<Won>,
    #[deserr(default)]
    qty: Option<Qty>,
    #[schema(value_type = Option<PayMethod>)]
    #[deserr(default)]
    pay_method: Option<Word<PayMethod>>,
    /// May be repeated: `offerPlaced`.
    #[schema(value_type = Option<OfferStatus>)]
    #[deserr(default)]
    offer_status: Option<Word<OfferStatus>>,
}

impl CommandBody for NewOffer {
    const NAMES_ACTOR: bool = true;
    const REQUIRED_IF: &'static [(&'static str, &'static str, &'static str)] =
        &[("offerType", OfferType::PriceNegotiated.as_str(), "offeredPrice")];
}

impl NewOffer {
    /// The rules that concern more than one field.
    fn prices(self, _: deserr::ValuePointerRef<'_>) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        match (self.offer_type.0, self.offered_price) {
            (_, Some(Won(0))) => faults = Faults::unacceptable("offeredPrice", "must be above 0"),
            (OfferType::DealOffered, Some(offered)) if self.price != Some(offered) => {
                let message = "is for a negotiated price; an offer at the price may only repeat it";
                faults = Faults::unacceptable("offeredPrice", message);
            }
            _ => {}
        }
        if self.offer_status.is_some_and(|word| word.0 != OfferStatus::OfferPlaced) {
            let message = "must be offerPlaced when an offer is placed";
            let _ = faults.keep::<()>(Err(Faults::unacceptable("offerStatus", message)));
        }
        faults.or_ok().map(|()| self)
    }

    fn order(&self, user_id: String) -> Order {
        Order {
            user_id,
            kind: match (self.offer_type.0, self.offered_price) {
                (OfferType::PriceNegotiated, Some(price)) => Kind::Negotiated(price.0),
                _ => Kind::AtThePrice,
            },
            seen_price: self.price.map(|won| won.0),
            qty: self.qty.map_or(1, |qty| qty.0),
            pay_method: self.pay_method.map_or(PayMethod::None, |word| word.0),
        }
    }
}

/// An answer to an offer. Every other field may be repeated, and not changed.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = camelCase, validate = OfferAnswer::message_goes_with_it -> Faults)]
#[schema(rename_all = "camelCase")]
pub struct OfferAnswer {
    /// `offerAccepted` or `offerRefused` (the seller), `offerCanceled` (the buyer).
    #[schema(value_type = Option<OfferStatus>)]
    #[deserr(default)]
    offer_status: Option<Word<OfferStatus>>,
    /// Goes to the other one along with the answer: "I would trade with you."
    #[deserr(default)]
    message: Option<Prose<2000>>,
    /// The buyer, whoever acts.
    #[deserr(default)]
    user_id: Option<UserId>,
    #[deserr(default)]
    seller_id: Option<UserId>,
    #[deserr(default)]
    post_id: Option<Id>,
    #[schema(value_type = Option<OfferType>)]
    #[deserr(default)]
    offer_type: Option<Word<OfferType>>,
    #[deserr(default)]
    price: Option<Won>,
    #[deserr(default)]
    offered_price: Option<Won>,
    #[deserr(default)]
    agreed_price: Option<Won>,
    #[deserr(default)]
    qty: Option<Qty>,
    #[schema(value_type = Option<PayMethod>)]
    #[deserr(default)]
    pay_method: Option<Word<PayMethod>>,
}

impl CommandBody for OfferAnswer {}

impl OfferAnswer {
    fn message_goes_with_it(self, _: deserr::ValuePointerRef<'_>) -> Result<Self, Faults> {
        match (&self.message, self.offer_status) {
            (Some(_), None) => Err(Faults::missing("offerStatus")),
            _ => Ok(self),
        }
    }

    fn agrees_with(&self, offer: &Offer) -> Result<(), Problem> {
        agree(&[
            ("userId", same(self.user_id.as_ref().map(|user| &user.0), &&offer.user_id)),
            ("sellerId", same(self.seller_id.as_ref().map(|user| &user.0), &&offer.seller_id)),
            ("postId", same(self.post_id.map(|id| id.0), &offer.post_id)),
            ("offerType", same(self.offer_type.map(|word| word.0), &offer.offer_type)),
            ("price", same(self.price.map(|won| won.0), &offer.price)),
            ("offeredPrice", same(self.offered_price.map(|won| Some(won.0)), &offer.offered_price)),
            ("agreedPrice", same(self.agreed_price.map(|won| won.0), &offer.agreed_price)),
            ("qty", same(self.qty.map(|qty| qty.0), &offer.qty)),
            ("payMethod", same(self.pay_method.map(|word| word.0), &offer.pay_method)),
        ])
    }
}

/// What a list of offers can be narrowed to.
#[derive(Debug, Clone, Deserr, IntoParams)]
#[deserr(error = Faults, rename_all = camelCase)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct OfferFilter {
    #[param(value_type = Option<i64>)]
    #[deserr(default)]
    post_id: Option<Id>,
    /// The buyer.
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    user_id: Option<UserId>,
    #[param(value_type = Option<OfferStatus>)]
    #[deserr(default)]
    offer_status: Option<Word<OfferStatus>>,
}

impl Filter for OfferFilter {
    const SORTABLE: &'static [(&'static str, &'static str)] = &[
        ("offerId", "offer_id"),
        ("postId", "post_id"),
        ("userId", "user_id"),
        ("price", "price"),
        ("offeredPrice", "offered_price"),
        ("agreedPrice", "agreed_price"),
        ("qty", "qty"),
        ("offerStatus", "offer_status"),
        ("createDt", "create_dt"),
        ("updateDt", "update_dt"),
    ];
    const DEFAULT_ORDER: &'static str = "offer_id";
}

/// Place an offer.
#[utoipa::path(post, path = "/offers", request_body = NewOffer,
    responses((status = 201, body = OfferBody), (status = 402)))]
pub async fn place(State(app): State<App>, command: Command<NewOffer>) -> Result<Answer, Problem> {
    let order = command.body.order(command.author(command.body.user_id.as_ref())?);
    let (post_id, now) = (command.body.post_id.0, OffsetDateTime::now_utc());
    let open_for = app.settings::<Settings>().offer_expires_after;
    let mut asked = None;
    loop {
        let mut tx = app.begin(&command).await?;
        if let Some(post) = &asked {
            store::learn_post(&mut tx, post).await?;
        }
        let known = store::hold_post(&mut tx, post_id).await?;
        match known.ok_or(Refusal::UnknownPost).and_then(|post| order.on(&post, now, open_for)) {
            Ok(offer) => {
                if offer.pending {
                    // A request that broke off in the paying has left its offer behind: asked for again, it goes on.
                    let begun = store::pending_of(&mut tx, post_id, &offer.user_id).await?;
                    let offer = match begun.filter(|begun| begun.has_the_terms_of(&offer)) {
                        Some(begun) => begun,
                        None => store::insert(&mut tx, &offer).await?,
                    };
                    tx.commit().await?;
                    return paying::place_paid(&app, &command, offer).await;
                }
                let offer = store::insert(&mut tx, &offer).await?;
                tx.publish(&offer.placed());
                return tx.answer(hal::created(&command.caller.base, &OfferBody::from(offer))).await;
            }
            Err(refusal) if asked.is_some() => return Err(refusal.into()),
            Err(_) => {
                tx.rollback().await?;
                asked = Some(ask_post(&app, &command.caller, post_id).await?);
            }
        }
    }
}

/// List offers.
#[utoipa::path(get, path = "/offers", params(OfferFilter, Paging),
    responses((status = 200, body = [OfferBody])))]
pub async fn list(State(app): State<App>, listing: Listing<OfferFilter>) -> Result<Answer, Problem> {
    let filter = listing.filter.clone();
    let wanted = store::Wanted {
        post_id: filter.post_id.map(|id| id.0),
        party: listing.caller.actor.whose(filter.user_id.as_ref())?,
        user_id: filter.user_id.map(|user| user.0),
        offer_status: filter.offer_status.map(|word| word.0),
    };
    let page = store::list(&app.db, wanted, &listing.paging).await?;
    Ok(listing.answer(&page.map(OfferBody::from)))
}

/// Read an offer.
#[utoipa::path(get, path = "/offers/{id}", params(("id" = i64, Path)),
    responses((status = 200, body = OfferBody)))]
pub async fn read(
    State(app): State<App>,
    ItemId(offer_id): ItemId,
    caller: Caller,
) -> Result<Answer, Problem> {
    let offer = store::read(&app.db, offer_id).await?.filter(|offer| caller.actor.sees(offer.parties()));
    let offer = offer.ok_or_else(|| Problem::not_found("offer"))?;
    Ok(hal::item(&caller.base, &OfferBody::from(offer)))
}

/// Accept, refuse or withdraw an offer.
#[utoipa::path(patch, path = "/offers/{id}", params(("id" = i64, Path)), request_body = OfferAnswer,
    responses((status = 200, body = OfferBody)))]
pub async fn answer(
    State(app): State<App>,
    ItemId(offer_id): ItemId,
    command: Command<OfferAnswer>,
) -> Result<Answer, Problem> {
    // The body's userId is the buyer, as data: it never says who acts.
    let actor = command.caller.actor.acting(None)?;
    let sees = |offer: &Offer| command.caller.actor.sees(offer.parties());
    let mut called_off = false;
    if command.body.offer_status.is_some_and(|word| word.0 == OfferStatus::OfferCanceled)
        && let Some(offer) = store::read(&app.db, offer_id).await?.filter(sees)
        && offer.pay_method == PayMethod::BankTransfer
        && offer.offer_status.is_open()
    {
        // Who may not withdraw it calls no payment off either.
        command.expects(offer.version)?;
        command.body.agrees_with(&offer)?;
        offer.clone().answer(OfferStatus::OfferCanceled, actor.as_deref(), OffsetDateTime::now_utc())?;
        called_off = paying::call_transfer_off(&app, &command.caller, &offer).await?;
    }
    let mut tx = app.begin(&command).await?;
    let known = store::lock(&mut tx, offer_id).await?.filter(sees);
    let mut offer = known.ok_or_else(|| Problem::not_found("offer"))?;
    // Deal may have told of the transfer that this request called off, and the offer be over by that: the command has
    // taken effect, on the version that was expected.
    let own_echo = called_off && offer.offer_status == OfferStatus::OfferCanceled;
    if !called_off {
        command.expects(offer.version)?;
    }
    command.body.agrees_with(&offer)?;
    if let Some(Word(status)) = command.body.offer_status {
        let now = OffsetDateTime::now_utc();
        let events = offer.answer(status, actor.as_deref(), now)?;
        store::save(&mut tx, &offer).await?;
        tx.publish_all(&events);
        // Said once, however often the answer is repeated.
        if let (Some(Prose(text)), false) = (&command.body.message, events.is_empty() && !own_echo) {
            let message = Message::with_answer(&offer, text.clone(), now);
            let message = store::messages::insert(&mut tx, &message).await?;
            tx.publish(&message.sent());
        }
    }
    tx.answer(hal::item(&command.caller.base, &OfferBody::from(offer))).await
}
