//! What clients ask of deals. Their bodies are in [`deals`].

pub mod deals;
pub mod payments;
pub mod reviews;
pub mod wallets;

use crate::{
    domain::{Availability, OfferCopy, Refusal, Terms},
    settling, store,
};
use axum::extract::State;
use chassis::{
    app::{App, Tx},
    caller::Caller,
    hal,
    idempotency::{Answer, Command},
    problem::Problem,
    query::{ItemId, Listing, Paging},
};
use deals::{DealBody, DealChange, DealFilter, NewDeal};
use serde::Deserialize;
use shared_events::{OfferStatus, OfferType, PayMethod, WireDate};
use time::OffsetDateTime;

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
    pay_method: PayMethod,
    offer_status: OfferStatus,
    expires_dt: Option<WireDate>,
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
        pay_method: offer.pay_method,
        offer_status: offer.offer_status,
        expires_dt: offer.expires_dt.map(Into::into),
    })
}

/// Reserve a deal on an offer.
#[utoipa::path(post, path = "/deals", request_body = NewDeal,
    responses((status = 201, body = DealBody)))]
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
        let known = known.filter(|offer| command.caller.actor.sees(offer.parties()));
        match known.ok_or(Refusal::UnknownOffer).and_then(|offer| wish.on(offer, OffsetDateTime::now_utc())) {
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
    let actor = command.caller.actor.acting(None)?;
    let deal = command.body.deal(&terms.offer, actor.clone());
    deal.is_party(actor.as_deref())?;
    let deal = store::insert(&mut tx, &deal).await?;
    if terms.offer.pay_method != PayMethod::None {
        settling::claim(&mut tx, &deal).await?;
    }
    store::promise(&mut tx, post, deal.qty).await?;
    tx.publish(&deal.reserved(terms.listed_price));
    tx.answer(hal::created(&command.caller.base, &DealBody::from(deal))).await
}

/// List deals.
#[utoipa::path(get, path = "/deals", params(DealFilter, Paging),
    responses((status = 200, body = [DealBody])))]
pub async fn list(State(app): State<App>, listing: Listing<DealFilter>) -> Result<Answer, Problem> {
    let filter = listing.filter.clone();
    let wanted = store::Wanted {
        post_id: filter.post_id.map(|id| id.0),
        party: listing.caller.actor.whose(filter.user_id.as_ref())?,
        user_id: filter.user_id.map(|user| user.0),
        offer_id: filter.offer_id.map(|id| id.0),
        status: filter.status.map(|word| word.0),
    };
    let page = store::list(&app.db, wanted, &listing.paging).await?;
    Ok(listing.answer(&page.map(DealBody::from)))
}

/// Read a deal.
#[utoipa::path(get, path = "/deals/{id}", params(("id" = i64, Path)),
    responses((status = 200, body = DealBody)))]
pub async fn read(
    State(app): State<App>,
    ItemId(deal_id): ItemId,
    caller: Caller,
) -> Result<Answer, Problem> {
    let deal = store::read(&app.db, deal_id).await?.filter(|deal| caller.actor.sees(deal.parties()));
    let deal = deal.ok_or_else(|| Problem::not_found("deal"))?;
    Ok(hal::item(&caller.base, &DealBody::from(deal)))
}

/// Move a deal on, or reschedule it.
#[utoipa::path(patch, path = "/deals/{id}", params(("id" = i64, Path)), request_body = DealChange,
    responses((status = 200, body = DealBody)))]
pub async fn change(
    State(app): State<App>,
    ItemId(deal_id): ItemId,
    command: Command<DealChange>,
) -> Result<Answer, Problem> {
    let body = &command.body;
    let actor = command.caller.actor.acting(body.user_id.as_ref())?;
    let mut tx = app.begin(&command).await?;
    let known = store::lock(&mut tx, deal_id).await?;
    let known = known.filter(|deal| command.caller.actor.sees(deal.parties()));
    let mut deal = known.ok_or_else(|| Problem::not_found("deal"))?;
    command.expects(deal.version)?;
    deal.is_party(actor.as_deref())?;
    body.agrees_with(&deal)?;
    let (said_dt, now) = (body.update_dt.map(Into::into), OffsetDateTime::now_utc());
    let events = match body.new_status(&deal) {
        Some(status) => {
            let payments = settling::lock_of(&mut tx, &deal).await?;
            let own = payments.iter().find(|payment| payment.deal_id == Some(deal_id));
            let paid = own.map(|payment| payment.pay_method);
            deal.may_become(status, actor.as_deref(), paid)?;
            let events = deal.become_(status, actor.as_deref(), said_dt, now)?;
            // Before what becomes of the money: to those who hear of a refund first, its offer is over because of that.
            tx.publish_all(&events);
            settling::settle_with(&mut tx, payments, &deal, now).await?;
            events
        }
        None => {
            let events = deal.reschedule(body.meeting(&deal), actor.as_deref(), said_dt, now)?;
            tx.publish_all(&events);
            events
        }
    };
    if !events.is_empty() {
        store::save(&mut tx, &deal).await?;
    }
    tx.answer(hal::item(&command.caller.base, &DealBody::from(deal))).await
}
