//! Offers are copied; an offer withdrawn or a post that cannot be had cancels the deal.

use crate::{
    domain::{Deal, OfferCopy, payment::Asked},
    settings::Settings,
    settling::{lock_of, settle_with},
    store::{self, payments},
};
use chassis::{
    app::Tx,
    inbox::{Reacted, Received},
};
use shared_events::{
    DealStatus, OfferAccepted, OfferCanceled, OfferPlaced, OfferRefused, PayMethod, PostUnavailable, WireDate,
};
use time::OffsetDateTime;

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
        pay_method: event.pay_method,
        offer_status: event.offer_status,
        expires_dt: event.expires_dt.map(Into::into),
    };
    store::learn_offer(tx, &copy).await?;
    match copy.pay_method {
        // A wallet has paid by now; a bank transfer begins.
        PayMethod::Wallet => Ok(payments::claim(tx, copy.offer_id, &copy.user_id).await?),
        PayMethod::BankTransfer => await_deposit(tx, &copy, received.time.into()).await,
        PayMethod::None => Ok(()),
    }
}

/// Orders are taken while nobody can pay: the transfer is waited for from here on.
async fn await_deposit(tx: &mut Tx, offer: &OfferCopy, now: OffsetDateTime) -> Reacted {
    payments::lock_offer_money(tx, offer.offer_id).await?;
    let payments = payments::lock_of_offer(tx, offer.offer_id).await?;
    let begun = payments.iter().any(|payment| payment.user_id == offer.user_id);
    if begun || payments::is_closed(tx, offer.offer_id).await? {
        return Ok(());
    }
    let asked = Asked {
        offer_id: offer.offer_id,
        post_id: offer.post_id,
        user_id: offer.user_id.clone(),
        seller_id: offer.seller_id.clone(),
        amount: offer.agreed_price * i64::from(offer.qty),
        qty: offer.qty,
        pay_method: offer.pay_method,
        expires_dt: Some(now + tx.settings::<Settings>().deposit_within),
    };
    let mut payment = payments::insert(tx, &asked, now).await?;
    Ok(payments::settle(tx, &mut payment, |payment| payment.begin(now)).await?)
}

pub(crate) async fn offer_accepted(tx: &mut Tx, received: Received<OfferAccepted>) -> Reacted {
    Ok(store::offer_became(tx, received.event.offer_id, received.event.offer_status).await?)
}

pub(crate) async fn offer_refused(tx: &mut Tx, received: Received<OfferRefused>) -> Reacted {
    let OfferRefused { offer_id, offer_status, .. } = received.event;
    store::offer_became(tx, offer_id, offer_status).await?;
    close(tx, offer_id, "offer-refused", received.time).await
}

pub(crate) async fn offer_canceled(tx: &mut Tx, received: Received<OfferCanceled>) -> Reacted {
    let OfferCanceled { offer_id, offer_status, .. } = received.event;
    store::offer_became(tx, offer_id, offer_status).await?;
    close(tx, offer_id, "offer-canceled", received.time).await
}

/// The offer is over: so is its deal, unless that has gone further already, and the money is the buyer's again.
async fn close(tx: &mut Tx, offer_id: i64, reason: &str, at: WireDate) -> Reacted {
    let deal = store::lock_of_offer(tx, offer_id).await?;
    let goes_on = deal.as_ref().is_some_and(|deal| deal.status != DealStatus::DealReserved);
    give_up(tx, deal, reason, at).await?;
    payments::lock_offer_money(tx, offer_id).await?;
    payments::close_offer(tx, offer_id).await?;
    if !goes_on {
        let payments = payments::lock_of_offer(tx, offer_id).await?;
        payments::settle_all(tx, payments, |payment| payment.refund(reason, at.into())).await?;
    }
    Ok(())
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
    let payments = lock_of(tx, &deal).await?;
    // The deal is told of before its money, as where people cancel it.
    tx.publish_all(&events);
    settle_with(tx, payments, &deal, at.into()).await?;
    Ok(store::save(tx, &deal).await?)
}
