//! Each event writes what it carries; nothing is looked up, so that no other event has to be here first.

use crate::{
    domain::order::OrderStep,
    store::{
        self, Offer,
        orders::{self, Deal, Payment},
        profile,
    },
};
use chassis::{
    app::Tx,
    inbox::{Reacted, Received},
};
use shared_events::{
    CancelDeclined, CancelRequested, DealCanceled, DealEnded, DealRescheduled, DealReserved, DealReviewed,
    DeliveryStarted, LikeCntUpdated, OfferAccepted, OfferCanceled, OfferPlaced, OfferRefused, PaymentFailed,
    PaymentHeld, PaymentPlaced, PaymentRefunded, PaymentReleased, PostDeleted, PostEdited, PostHidden,
    PostShown, PostWrote, StatusUpdated,
};
use time::OffsetDateTime;

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

pub(crate) async fn likes_counted(tx: &mut Tx, received: Received<LikeCntUpdated>) -> Reacted {
    Ok(store::count_likes(tx, &received.event).await?)
}

pub(crate) async fn offer_placed(tx: &mut Tx, received: Received<OfferPlaced>) -> Reacted {
    let (offer, now) = (received.event, received.time.into());
    store::place_offer(tx, &offer, now).await?;
    Ok(orders::add_step(tx, offer.offer_id, OrderStep::Placed, now).await?)
}

/// The seller's and the buyer's answers carry the same fields.
pub(crate) async fn offer_answered<E: Into<Offer>>(tx: &mut Tx, received: Received<E>) -> Reacted {
    let (offer, now) = (received.event.into(), received.time.into());
    store::answer_offer(tx, &offer, now).await?;
    step_on(tx, offer.offer_id, OrderStep::of_answer(offer.status, offer.reason.as_deref()), now).await
}

pub(crate) async fn deal_reserved(tx: &mut Tx, received: Received<DealReserved>) -> Reacted {
    let deal = received.event;
    orders::reserve_deal(tx, &deal).await?;
    Ok(orders::add_step(tx, deal.offer_id, OrderStep::Reserved, received.time.into()).await?)
}

pub(crate) async fn deal_moved<E: Into<Deal>>(tx: &mut Tx, received: Received<E>) -> Reacted {
    let deal = received.event.into();
    orders::move_deal(tx, &deal).await?;
    step_on(tx, deal.offer_id, deal.step, received.time.into()).await
}

pub(crate) async fn payment_moved<E: Into<Payment>>(tx: &mut Tx, received: Received<E>) -> Reacted {
    let (payment, now) = (received.event.into(), received.time.into());
    orders::move_payment(tx, &payment, now).await?;
    step_on(tx, payment.offer_id, OrderStep::of_payment(payment.state), now).await
}

/// Some events are no step of their own.
async fn step_on(tx: &mut Tx, offer_id: i64, step: Option<OrderStep>, at: OffsetDateTime) -> Reacted {
    match step {
        Some(step) => Ok(orders::add_step(tx, offer_id, step, at).await?),
        None => Ok(()),
    }
}

pub(crate) async fn deal_reviewed(tx: &mut Tx, received: Received<DealReviewed>) -> Reacted {
    Ok(profile::add_review(tx, &received.event, received.time.into()).await?)
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
                    reason: event.reason,
                }
            }
        }
    )+};
}
offers!(OfferAccepted, OfferRefused, OfferCanceled);

/// The fields that all of them carry, and those that differ.
macro_rules! deals {
    ($($event:ident => |$it:ident| { $($own:ident: $value:expr),+ $(,)? })+) => {$(
        impl From<$event> for Deal {
            fn from($it: $event) -> Self {
                Self {
                    $($own: $value,)+
                    deal_id: $it.deal_id,
                    post_id: $it.post_id,
                    offer_id: $it.offer_id,
                    user_id: $it.user_id,
                    seller_id: $it.seller_id,
                    status: $it.status,
                    update_dt: $it.update_dt,
                }
            }
        }
    )+};
}
deals! {
    DealEnded => |event| {
        reserve_dt: Some(event.reserve_dt), meet_place: None, price: Some(event.price),
        fulfilment: Some(event.fulfilment), step: Some(OrderStep::Ended),
    }
    // A canceled deal keeps the day it was reserved for.
    DealCanceled => |event| {
        reserve_dt: None, meet_place: None, price: Some(event.price), fulfilment: None,
        step: OrderStep::of_cancellation(event.reason.as_deref()),
    }
}

/// The steps on the way tell of day and place, and of nothing else.
macro_rules! steps {
    ($($event:ident => $step:ident),+) => {
        deals! {$(
            $event => |event| {
                reserve_dt: Some(event.reserve_dt), meet_place: Some(event.meet_place), price: None,
                fulfilment: None, step: Some(OrderStep::$step),
            }
        )+}
    };
}
steps! {
    DealRescheduled => Rescheduled,
    DeliveryStarted => Delivering,
    CancelRequested => CancelRequested,
    CancelDeclined => CancelDeclined
}

macro_rules! payments {
    ($($event:ident),+) => {$(
        impl From<$event> for Payment {
            fn from(event: $event) -> Self {
                Self {
                    payment_id: event.payment_id,
                    offer_id: event.offer_id,
                    user_id: event.user_id,
                    amount: event.amount,
                    state: event.state,
                }
            }
        }
    )+};
}
payments!(PaymentPlaced, PaymentHeld, PaymentReleased, PaymentRefunded, PaymentFailed);
