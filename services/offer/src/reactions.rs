//! Posts are copied; deals and the end of a post move the offers.

use crate::{
    domain::{Offer, PostCopy, Reason, losers_can_go},
    store,
};
use chassis::{
    app::Tx,
    inbox::{Reacted, ReactionError, Received},
};
use shared_events::{
    DealCanceled, DealEnded, DealReserved, OfferEvent, PaymentFailed, PaymentHeld, PaymentPlaced,
    PaymentRefunded, PaymentReleased, PaymentState, PostDeleted, PostEdited, PostHidden, PostShown,
    PostWrote, QtyDecreased, QtyRestored, StatusUpdated,
};
use time::OffsetDateTime;

pub(crate) async fn post_wrote(tx: &mut Tx, received: Received<PostWrote>) -> Reacted {
    let event = received.event;
    let copy = PostCopy {
        post_id: event.post_id,
        seller_id: event.user_id,
        price: event.price,
        qty: event.qty,
        available_qty: event.qty,
        status: event.status,
        // A post that is born hidden says so in a PostHidden of the same version.
        hidden: false,
        deleted: false,
        version: event.version,
    };
    Ok(store::learn_post(tx, &copy).await?)
}

pub(crate) async fn post_edited(tx: &mut Tx, received: Received<PostEdited>) -> Reacted {
    let event = received.event;
    learn(tx, event.post_id, Some(event.version), |copy| {
        copy.price = event.price;
        copy.available_qty += event.qty - copy.qty;
        copy.qty = event.qty;
    })
    .await
}

pub(crate) async fn post_hidden(tx: &mut Tx, received: Received<PostHidden>) -> Reacted {
    learn(tx, received.event.post_id, Some(received.event.version), |copy| copy.hidden = true).await
}

pub(crate) async fn post_shown(tx: &mut Tx, received: Received<PostShown>) -> Reacted {
    learn(tx, received.event.post_id, Some(received.event.version), |copy| copy.hidden = false).await
}

pub(crate) async fn qty_decreased(tx: &mut Tx, received: Received<QtyDecreased>) -> Reacted {
    learn(tx, received.event.post_id, None, |copy| copy.available_qty = received.event.available_qty).await
}

pub(crate) async fn qty_restored(tx: &mut Tx, received: Received<QtyRestored>) -> Reacted {
    learn(tx, received.event.post_id, None, |copy| copy.available_qty = received.event.available_qty).await
}

pub(crate) async fn status_updated(tx: &mut Tx, received: Received<StatusUpdated>) -> Reacted {
    let event = received.event;
    learn(tx, event.post_id, Some(event.version), |copy| {
        copy.status = event.status;
        copy.available_qty = event.available_qty;
    })
    .await?;
    let post = store::lock_post(tx, event.post_id).await?;
    let_losers_go(tx, post, received.time.into()).await
}

pub(crate) async fn post_deleted(tx: &mut Tx, received: Received<PostDeleted>) -> Reacted {
    let post_id = received.event.post_id;
    learn(tx, post_id, None, |copy| copy.deleted = true).await?;
    cancel_open(tx, post_id, Reason::PostDeleted, received.time.into()).await
}

pub(crate) async fn deal_reserved(tx: &mut Tx, received: Received<DealReserved>) -> Reacted {
    let (event, now) = (received.event, received.time.into());
    let mut offer = own(tx, event.post_id, event.offer_id).await?.1;
    let events = offer.reserved(event.deal_id, now);
    save(tx, &offer, &events).await
}

pub(crate) async fn deal_canceled(tx: &mut Tx, received: Received<DealCanceled>) -> Reacted {
    let (event, now) = (received.event, received.time.into());
    let mut offer = own(tx, event.post_id, event.offer_id).await?.1;
    let events = offer.lapse(Reason::DealCanceled, now);
    save(tx, &offer, &events).await
}

pub(crate) async fn deal_ended(tx: &mut Tx, received: Received<DealEnded>) -> Reacted {
    let (event, now) = (received.event, received.time.into());
    let (post, mut offer) = own(tx, event.post_id, event.offer_id).await?;
    offer.won(now);
    save(tx, &offer, &[]).await?;
    let_losers_go(tx, post, now).await
}

/// Shows where the payment stands; the offer is over where its money is.
macro_rules! payment_reactions {
    ($($name:ident: $event:ty;)+) => {$(
        pub(crate) async fn $name(tx: &mut Tx, received: Received<$event>) -> Reacted {
            let event = received.event;
            // None: it was never placed, or is being paid for by the request that made it.
            match store::lock(tx, event.offer_id).await? {
                Some(offer) if offer.is_paid_by(&event.user_id, &event.seller_id, event.amount) => {
                    payment_became(tx, offer, event.state, received.time.into()).await
                }
                _ => Ok(()),
            }
        }
    )+};
}

payment_reactions! {
    payment_placed: PaymentPlaced;
    payment_held: PaymentHeld;
    payment_released: PaymentReleased;
    payment_refunded: PaymentRefunded;
    payment_failed: PaymentFailed;
}

async fn payment_became(tx: &mut Tx, mut offer: Offer, state: PaymentState, now: OffsetDateTime) -> Reacted {
    offer.payment_state = Some(state.as_str().to_owned());
    let events = match state {
        PaymentState::Refunded | PaymentState::Canceled => offer.lapse(Reason::PaymentOver, now),
        _ => Vec::new(),
    };
    save(tx, &offer, &events).await
}

/// Changes the copy of a post, unless a newer one is known.
async fn learn(
    tx: &mut Tx,
    post_id: i64,
    version: Option<i64>,
    change: impl FnOnce(&mut PostCopy),
) -> Reacted {
    let Some(mut copy) = store::lock_post(tx, post_id).await? else {
        return Err(ReactionError::Nonsense(format!("post {post_id} changed, and was never written")));
    };
    if version.is_none_or(|version| version >= copy.version) {
        change(&mut copy);
        copy.version = version.unwrap_or(copy.version);
        store::learn_post(tx, &copy).await?;
    }
    Ok(())
}

/// An offer and its post, both held; post first, as everywhere.
async fn own(tx: &mut Tx, post_id: i64, offer_id: i64) -> Result<(Option<PostCopy>, Offer), ReactionError> {
    let post = store::lock_post(tx, post_id).await?;
    match store::lock(tx, offer_id).await? {
        Some(offer) => Ok((post, offer)),
        None => Err(ReactionError::Nonsense(format!("a deal on offer {offer_id}, which never was"))),
    }
}

async fn save(tx: &mut Tx, offer: &Offer, events: &[OfferEvent]) -> Reacted {
    store::save(tx, offer).await?;
    tx.publish_all(events);
    Ok(())
}

async fn let_losers_go(tx: &mut Tx, post: Option<PostCopy>, now: OffsetDateTime) -> Reacted {
    let Some(post) = post else { return Ok(()) };
    if losers_can_go(&post, store::units_won(tx, post.post_id).await?) {
        cancel_open(tx, post.post_id, Reason::PostEnded, now).await?;
    }
    Ok(())
}

async fn cancel_open(tx: &mut Tx, post_id: i64, reason: Reason, now: OffsetDateTime) -> Reacted {
    for mut offer in store::lock_open(tx, post_id).await? {
        let events = offer.lapse(reason, now);
        save(tx, &offer, &events).await?;
    }
    Ok(())
}
