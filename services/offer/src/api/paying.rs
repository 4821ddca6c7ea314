//! Paying: the money for an offer is held before the offer is placed, and no offer is without it.
//!
//! The row is there first, pending and invisible, so that a crash at any moment leaves something that says what has to be
//! given back: whatever was not placed is canceled, by the request itself or by the sweep, and deal refunds it.

use super::{NewOffer, OfferBody};
use crate::{
    domain::{Offer, Reason, Refusal},
    store,
};
use axum::http::StatusCode;
use chassis::{
    app::App,
    caller::Caller,
    hal,
    idempotency::{Answer, Command},
    problem::Problem,
};
use serde::{Deserialize, Serialize};
use shared_events::{PayMethod, PaymentState};
use time::OffsetDateTime;

/// What deal is asked to hold.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Hold<'a> {
    offer_id: i64,
    post_id: i64,
    user_id: &'a str,
    seller_id: &'a str,
    amount: i64,
    qty: i32,
    pay_method: PayMethod,
}

/// A payment as the deal service answers it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payment {
    payment_id: i64,
    seller_id: String,
    amount: i64,
    state: PaymentState,
}

/// What deal is asked to call off.
#[derive(Serialize)]
struct CallOff {
    state: PaymentState,
}

#[derive(Deserialize)]
struct List {
    #[serde(rename = "_embedded")]
    embedded: Embedded,
}

#[derive(Deserialize)]
struct Embedded {
    payments: Vec<Payment>,
}

/// Pays for a pending offer and places it, or gives it up.
pub(super) async fn place_paid(
    app: &App,
    command: &Command<NewOffer>,
    offer: Offer,
) -> Result<Answer, Problem> {
    let held = hold(app, &command.caller, &offer).await;
    let now = OffsetDateTime::now_utc();
    let mut tx = app.resume(command).await?;
    let Some(mut offer) = store::lock_pending(&mut tx, offer.offer_id).await? else {
        tx.rollback().await?;
        let placed =
            store::read(&app.db, offer.offer_id).await?.is_some_and(|offer| offer.offer_status.is_open());
        // By the same request, sent twice; or not at all, by the sweep.
        let refusal = if placed { Refusal::AlreadyOpen } else { Refusal::PaymentTooSlow };
        return Err(command.in_flight().filter(|_| placed).unwrap_or(refusal.into()));
    };
    match held {
        Ok(()) => {
            let placed = offer.paid(now);
            store::save(&mut tx, &offer).await?;
            tx.publish(&placed);
            tx.answer(hal::created(&command.caller.base, &OfferBody::from(offer))).await
        }
        Err(problem) => {
            let events = offer.lapse(Reason::PaymentOver, now);
            store::save(&mut tx, &offer).await?;
            tx.publish_all(&events);
            tx.commit().await?;
            Err(problem)
        }
    }
}

/// Through the gateway's circuit breaker; asked again for the same offer, it holds once.
async fn hold(app: &App, caller: &Caller, offer: &Offer) -> Result<(), Problem> {
    let hold = Hold {
        offer_id: offer.offer_id,
        post_id: offer.post_id,
        user_id: &offer.user_id,
        seller_id: &offer.seller_id,
        amount: offer.agreed_price * i64::from(offer.qty),
        qty: offer.qty,
        pay_method: offer.pay_method,
    };
    match app.upstream.post::<Payment>(caller, "/payments", &hold).await? {
        Ok(payment) => {
            let as_asked = payment.state == PaymentState::Held
                && (payment.amount, payment.seller_id.as_str()) == (hold.amount, hold.seller_id);
            if as_asked { Ok(()) } else { Err(Refusal::PaymentRefused.into()) }
        }
        Err(status) if status.as_u16() == 402 => Err(Refusal::InsufficientFunds.into()),
        Err(_) => Err(Refusal::PaymentRefused.into()),
    }
}

/// Calls the bank transfer of an offer off, before its buyer withdraws it. Deal decides, in one transaction, whether this or
/// the seller's confirmation came first. A transfer that deal has not begun yet is none that could be confirmed; begun and
/// confirmed before the cancellation is heard of there, it is refunded then. True: it is this call that called it off.
pub(super) async fn call_transfer_off(app: &App, caller: &Caller, offer: &Offer) -> Result<bool, Problem> {
    let buyer = percent_encoding::utf8_percent_encode(&offer.user_id, percent_encoding::NON_ALPHANUMERIC);
    let path = format!("/payments?offerId={}&userId={buyer}", offer.offer_id);
    let list: Option<List> = app.upstream.get(caller, &path).await?;
    let Some(payment) = list.and_then(|list| list.embedded.payments.into_iter().next()) else {
        return Ok(false);
    };
    match payment.state {
        PaymentState::Held => Err(Refusal::DepositConfirmed.into()),
        PaymentState::AwaitingDeposit => {
            let path = format!("/payments/{}", payment.payment_id);
            let call_off = CallOff { state: PaymentState::Canceled };
            match app.upstream.patch::<Payment>(caller, &path, &call_off).await? {
                // In the meantime it was confirmed, or its deposit is in the wallet by now.
                Err(StatusCode::CONFLICT) => Err(Refusal::DepositConfirmed.into()),
                Err(_) => Err(Refusal::PaymentRefused.into()),
                Ok(_) => Ok(true),
            }
        }
        _ => Ok(false),
    }
}
