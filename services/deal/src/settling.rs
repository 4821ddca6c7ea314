//! What becomes of payments as their deal moves on, or as time passes.

use crate::{
    domain::{
        Deal,
        payment::{Payment, Refusal},
    },
    store::{ledger::NotMoved, payments},
};
use chassis::{
    app::{App, Tx},
    problem::Problem,
};
use shared_events::{DealStatus, PaymentState};
use time::OffsetDateTime;

/// What is paid for the offer of a deal, held until the transaction ends. Taken after the deal and before its units, as everywhere.
pub(crate) async fn lock_of(tx: &mut Tx, deal: &Deal) -> Result<Vec<Payment>, sqlx::Error> {
    payments::lock_offer_money(tx, deal.offer_id).await?;
    payments::lock_of_offer(tx, deal.offer_id).await
}

/// A deal on an offer that is to be paid needs the money held; from now on the payment is the deal's.
pub(crate) async fn claim(tx: &mut Tx, deal: &Deal) -> Result<(), Problem> {
    let mut payments = lock_of(tx, deal).await?.into_iter();
    let Some(mut payment) = payments.find(|payment| pays_for(payment, deal)) else {
        return Err(Refusal::PaymentNotHeld.into());
    };
    payment.deal_id = Some(deal.deal_id);
    payment.version += 1;
    Ok(payments::save(tx, &payment).await?)
}

/// Anyone may have money held for an offer; what counts is all of it, for the seller of the deal.
fn pays_for(payment: &Payment, deal: &Deal) -> bool {
    payment.state == PaymentState::Held
        && (&payment.user_id, &payment.seller_id) == (&deal.user_id, &deal.seller_id)
        && payment.amount == deal.price * i64::from(deal.qty)
}

/// The money follows the deal: the seller's when it ends, the buyer's when it is canceled. What was held for the offer
/// and is not the deal's own goes back either way, and no more is held.
pub(crate) async fn settle_with(
    tx: &mut Tx,
    payments: Vec<Payment>,
    deal: &Deal,
    now: OffsetDateTime,
) -> Result<(), NotMoved> {
    if !matches!(deal.status, DealStatus::DealEnded | DealStatus::DealCanceled) {
        return Ok(());
    }
    payments::close_offer(tx, deal.offer_id).await?;
    let ended = deal.status == DealStatus::DealEnded;
    payments::settle_all(tx, payments, |payment| {
        let earned = ended && payment.deal_id == Some(deal.deal_id);
        if earned { payment.release(now) } else { payment.refund("deal-over", now) }
    })
    .await
}

/// Both of the below. Run every second by each replica; each payment is settled by one of them.
pub(crate) async fn sweep(app: &App) -> Result<(), Problem> {
    cancel_overdue(app).await?;
    give_back_unclaimed(app).await
}

/// Gives back what is held for offers that have not been heard of in time. The offer is not closed by that: whoever comes
/// to have its number can still pay for it.
async fn give_back_unclaimed(app: &App) -> Result<(), Problem> {
    let now = OffsetDateTime::now_utc();
    let mut offers: Vec<i64> = payments::unclaimed(&mut *app.db.acquire().await?, None, now)
        .await?
        .iter()
        .map(|payment| payment.offer_id)
        .collect();
    offers.dedup();
    for offer_id in offers {
        let mut tx = app.transaction(None).await?;
        payments::lock_offer_money(&mut tx, offer_id).await?;
        let unclaimed = payments::unclaimed(&mut tx, Some(offer_id), now).await?;
        payments::settle_all(&mut tx, unclaimed, |payment| payment.refund("offer-not-seen", now)).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Cancels bank transfers that have not come in time.
async fn cancel_overdue(app: &App) -> Result<(), Problem> {
    let now = OffsetDateTime::now_utc();
    let mut tx = app.transaction(None).await?;
    let overdue = payments::lock_overdue(&mut tx, now).await?;
    payments::settle_all(&mut tx, overdue, |payment| payment.refund("not-in-time", now)).await?;
    Ok(tx.commit().await?)
}
