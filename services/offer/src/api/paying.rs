//! Paying: the money for an offer is held before the offer is placed, and no offer is without it.
//!
//! The row is there first, pending and invisible, so that a crash at any moment leaves something that says what has to be
//! given back: whatever was not placed is canceled, by the request itself or by the sweep, and deal refunds it.

use super::{NewOffer, OfferBody};
use crate::{
    domain::{Offer, Reason, Refusal},
    store,
};
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
    user_id: String,
    seller_id: String,
    amount: i64,
    state: PaymentState,
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
        return Err(Refusal::PaymentTooSlow.into());
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

/// A buyer's word to a bank transfer counts until the seller has confirmed the deposit. Deal is asked, since what was
/// heard of it may be old.
pub(super) async fn deposit_is_not_confirmed(
    app: &App,
    caller: &Caller,
    offer: &Offer,
) -> Result<(), Problem> {
    #[derive(Deserialize)]
    struct List {
        #[serde(rename = "_embedded")]
        embedded: Embedded,
    }
    #[derive(Deserialize)]
    struct Embedded {
        payments: Vec<Payment>,
    }
    let path = format!("/payments?offerId={}&state=held", offer.offer_id);
    let held: Option<List> = app.upstream.get(caller, &path).await?;
    match held {
        Some(list) if list.embedded.payments.iter().any(|payment| payment.user_id == offer.user_id) => {
            Err(Refusal::DepositConfirmed.into())
        }
        _ => Ok(()),
    }
}
