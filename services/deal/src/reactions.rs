//! Offers are copied; an offer withdrawn or a post that cannot be had cancels the deal.

use crate::{
    domain::{Deal, OfferCopy},
    store,
};
use chassis::{
    app::Tx,
    inbox::{Reacted, Received},
};
use shared_events::{OfferAccepted, OfferCanceled, OfferPlaced, OfferRefused, PostUnavailable, WireDate};

pub(crate) async fn offer_placed(tx: &mut Tx, received: Received<OfferPlaced>) -> Reacted {
    let event = received.event;
    let copy = OfferCopy {
        offer_id: event.offer_id,
        post_id: event.post_id,
        user_id: event.user_id,
        seller_id: event.seller_id,
        offer_type: event.offer_type,
        agreed_price: event.agreed_price,
        qty: event.qty,
        offer_status: event.offer_status,
    };
    Ok(store::learn_offer(tx, &copy).await?)
}

pub(crate) async fn offer_accepted(tx: &mut Tx, received: Received<OfferAccepted>) -> Reacted {
    Ok(store::offer_became(tx, received.event.offer_id, received.event.offer_status).await?)
}

pub(crate) async fn offer_refused(tx: &mut Tx, received: Received<OfferRefused>) -> Reacted {
    let OfferRefused { offer_id, offer_status, .. } = received.event;
    store::offer_became(tx, offer_id, offer_status).await?;
    let deal = store::lock_of_offer(tx, offer_id).await?;
    give_up(tx, deal, "offer-refused", received.time).await
}

pub(crate) async fn offer_canceled(tx: &mut Tx, received: Received<OfferCanceled>) -> Reacted {
    let OfferCanceled { offer_id, offer_status, .. } = received.event;
    store::offer_became(tx, offer_id, offer_status).await?;
    let deal = store::lock_of_offer(tx, offer_id).await?;
    give_up(tx, deal, "offer-canceled", received.time).await
}

pub(crate) async fn post_unavailable(tx: &mut Tx, received: Received<PostUnavailable>) -> Reacted {
    let PostUnavailable { deal_id, reason, .. } = received.event;
    let deal = store::lock(tx, deal_id).await?;
    give_up(tx, deal, &reason, received.time).await
}

async fn give_up(tx: &mut Tx, deal: Option<Deal>, reason: &str, at: WireDate) -> Reacted {
    let Some(mut deal) = deal else { return Ok(()) };
    let events = deal.give_up(reason, at.into());
    if events.is_empty() {
        // They met before we knew: what happened stands.
        tracing::warn!(deal = deal.deal_id, status = %deal.status, reason, "comes too late for this deal");
        return Ok(());
    }
    store::save(tx, &deal).await?;
    tx.publish_all(&events);
    Ok(())
}
