//! Each event writes what it carries; nothing is looked up, so that no other event has to be here first.

use crate::store::{self, Deal, Offer};
use chassis::{
    app::Tx,
    inbox::{Reacted, Received},
};
use shared_events::{
    DealCanceled, DealEnded, DealReserved, OfferAccepted, OfferCanceled, OfferPlaced, OfferRefused,
    PostDeleted, PostEdited, PostHidden, PostShown, PostWrote, StatusUpdated,
};

pub(crate) async fn post_wrote(tx: &mut Tx, received: Received<PostWrote>) -> Reacted {
    let create_dt = received.event.create_dt.unwrap_or(received.time);
    Ok(store::write_post(tx, &received.event, create_dt.into()).await?)
}

pub(crate) async fn post_edited(tx: &mut Tx, received: Received<PostEdited>) -> Reacted {
    Ok(store::edit_post(tx, &received.event).await?)
}

pub(crate) async fn post_hidden(tx: &mut Tx, received: Received<PostHidden>) -> Reacted {
    let PostHidden { post_id, user_id, update_dt, .. } = received.event;
    Ok(store::hide_post(tx, post_id, &user_id, true, update_dt.into()).await?)
}

pub(crate) async fn post_shown(tx: &mut Tx, received: Received<PostShown>) -> Reacted {
    let PostShown { post_id, user_id, update_dt, .. } = received.event;
    Ok(store::hide_post(tx, post_id, &user_id, false, update_dt.into()).await?)
}

pub(crate) async fn post_deleted(tx: &mut Tx, received: Received<PostDeleted>) -> Reacted {
    Ok(store::delete_post(tx, &received.event).await?)
}

pub(crate) async fn status_updated(tx: &mut Tx, received: Received<StatusUpdated>) -> Reacted {
    Ok(store::update_status(tx, &received.event).await?)
}

pub(crate) async fn offer_placed(tx: &mut Tx, received: Received<OfferPlaced>) -> Reacted {
    Ok(store::place_offer(tx, &received.event, received.time.into()).await?)
}

/// The seller's and the buyer's answers carry the same fields.
pub(crate) async fn offer_answered<E: Into<Offer>>(tx: &mut Tx, received: Received<E>) -> Reacted {
    Ok(store::answer_offer(tx, &received.event.into(), received.time.into()).await?)
}

pub(crate) async fn deal_moved<E: Into<Deal>>(tx: &mut Tx, received: Received<E>) -> Reacted {
    Ok(store::move_deal(tx, &received.event.into()).await?)
}

macro_rules! offers {
    ($($event:ident),+) => {$(
        impl From<$event> for Offer {
            fn from(event: $event) -> Self {
                Self {
                    offer_id: event.offer_id,
                    post_id: event.post_id,
                    user_id: event.user_id,
                    seller_id: event.seller_id,
                    offered_price: event.offered_price,
                    agreed_price: event.agreed_price,
                    qty: event.qty,
                    pay_method: event.pay_method,
                    status: event.offer_status,
                }
            }
        }
    )+};
}
offers!(OfferAccepted, OfferRefused, OfferCanceled);

macro_rules! deals {
    ($($event:ident => $reserve_dt:expr),+ $(,)?) => {$(
        impl From<$event> for Deal {
            fn from(event: $event) -> Self {
                let reserve_dt: fn(&$event) -> _ = $reserve_dt;
                Self {
                    deal_id: event.deal_id,
                    post_id: event.post_id,
                    offer_id: event.offer_id,
                    price: event.price,
                    status: event.status,
                    reserve_dt: reserve_dt(&event),
                    update_dt: event.update_dt,
                }
            }
        }
    )+};
}
deals! {
    DealReserved => |event| event.reserve_dt,
    DealEnded => |event| event.reserve_dt,
    // A canceled deal keeps the day it was reserved for.
    DealCanceled => |_| None,
}
