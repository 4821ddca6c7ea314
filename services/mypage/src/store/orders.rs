//! What the deal service tells: deals, payments, and the steps of an order.

use super::Done;
use crate::domain::order::OrderStep;
use shared_events::{DealReserved, DealStatus, Fulfilment, PaymentState, WireDate, Won};
use sqlx::PgConnection;
use time::OffsetDateTime;

pub(crate) async fn add_step(
    tx: &mut PgConnection,
    offer_id: i64,
    step: OrderStep,
    at: OffsetDateTime,
) -> Done {
    sqlx::query("insert into order_step (offer_id, step, at) values ($1, $2, $3) on conflict do nothing")
        .bind(offer_id)
        .bind(step)
        .bind(at)
        .execute(tx)
        .await?;
    Ok(())
}

/// Whatever else is known of a deal came after this.
pub(crate) async fn reserve_deal(tx: &mut PgConnection, deal: &DealReserved) -> Done {
    sqlx::query(
        "insert into deal_view
             (deal_id, post_id, offer_id, user_id, seller_id, status, reserve_dt, update_dt, price, fulfilment,
              meet_place, address)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         on conflict (deal_id) do update set
             price = excluded.price, fulfilment = excluded.fulfilment, address = excluded.address",
    )
    .bind(deal.deal_id)
    .bind(deal.post_id)
    .bind(deal.offer_id)
    .bind(&deal.user_id)
    .bind(&deal.seller_id)
    .bind(deal.status.as_str())
    .bind(deal.reserve_dt.map(OffsetDateTime::from))
    .bind(OffsetDateTime::from(deal.update_dt))
    .bind(deal.price)
    .bind(deal.fulfilment.as_str())
    .bind(&deal.meet_place)
    .bind(&deal.address)
    .execute(tx)
    .await?;
    Ok(())
}

/// What every later event of a deal tells.
pub(crate) struct Deal {
    pub(crate) deal_id: i64,
    pub(crate) post_id: i64,
    pub(crate) offer_id: i64,
    pub(crate) user_id: String,
    pub(crate) seller_id: String,
    pub(crate) status: DealStatus,
    pub(crate) update_dt: WireDate,
    /// The day they meet, or that there is none; None where the event does not say.
    pub(crate) reserve_dt: Option<Option<WireDate>>,
    /// The place, in the same way.
    pub(crate) meet_place: Option<Option<String>>,
    pub(crate) price: Option<Won>,
    pub(crate) fulfilment: Option<Fulfilment>,
    /// What it is to the buyer.
    pub(crate) step: Option<OrderStep>,
}

/// An end or a cancellation is final: no other status comes after it.
pub(crate) async fn move_deal(tx: &mut PgConnection, deal: &Deal) -> Done {
    sqlx::query(
        "insert into deal_view
             (deal_id, post_id, offer_id, user_id, seller_id, status, reserve_dt, update_dt, price, fulfilment,
              meet_place)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         on conflict (deal_id) do update set
             status = excluded.status,
             reserve_dt = case when $12 then excluded.reserve_dt else deal_view.reserve_dt end,
             meet_place = case when $13 then excluded.meet_place else deal_view.meet_place end,
             update_dt = excluded.update_dt
         where deal_view.status not in ('dealCanceled', 'dealEnded')",
    )
    .bind(deal.deal_id)
    .bind(deal.post_id)
    .bind(deal.offer_id)
    .bind(&deal.user_id)
    .bind(&deal.seller_id)
    .bind(deal.status.as_str())
    .bind(deal.reserve_dt.flatten().map(OffsetDateTime::from))
    .bind(OffsetDateTime::from(deal.update_dt))
    .bind(deal.price)
    .bind(deal.fulfilment.map(Fulfilment::as_str))
    .bind(deal.meet_place.as_ref().and_then(Option::as_ref))
    .bind(deal.reserve_dt.is_some())
    .bind(deal.meet_place.is_some())
    .execute(tx)
    .await?;
    Ok(())
}

/// What every event of a payment tells.
pub(crate) struct Payment {
    pub(crate) payment_id: i64,
    pub(crate) offer_id: i64,
    pub(crate) user_id: String,
    pub(crate) amount: Won,
    pub(crate) state: PaymentState,
}

/// Money is awaited, then held, then settled. What failed or was given back may be held anew, and be
/// another amount then, and a deposit that comes
/// after it was called off goes to the buyer's wallet.
pub(crate) async fn move_payment(tx: &mut PgConnection, payment: &Payment, now: OffsetDateTime) -> Done {
    sqlx::query(
        "insert into payment_view (payment_id, offer_id, user_id, amount, state, update_dt)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (payment_id) do update set
             amount = excluded.amount, state = excluded.state, update_dt = excluded.update_dt
         where payment_view.state = 'awaitingDeposit'
            or payment_view.state = 'held' and excluded.state <> 'awaitingDeposit'
            or payment_view.state in ('failed', 'refunded') and excluded.state = 'held'
            or payment_view.state = 'canceled' and excluded.state = 'refunded'",
    )
    .bind(payment.payment_id)
    .bind(payment.offer_id)
    .bind(&payment.user_id)
    .bind(payment.amount)
    .bind(payment.state.as_str())
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}
