//! SQL of the payments.

use super::ledger::{self, Entry, NotMoved};
use crate::domain::payment::{Asked, Outcome, Payment};
use chassis::{
    app::Tx,
    hal::Page,
    query::{Paging, Select},
};
use shared_events::PaymentState;
use sqlx::{PgConnection, PgPool, types::Json};
use time::OffsetDateTime;

/// One at a time works on the money of an offer, from here to the end of the transaction: a hold and the end of its offer
/// do not pass each other by.
pub(crate) async fn lock_offer_money(tx: &mut PgConnection, offer_id: i64) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('deal money of offer ' || $1, 0))")
        .bind(offer_id)
        .execute(tx)
        .await?;
    Ok(())
}

pub(crate) async fn close_offer(tx: &mut PgConnection, offer_id: i64) -> Result<(), sqlx::Error> {
    sqlx::query("insert into closed_offer (offer_id) values ($1) on conflict do nothing")
        .bind(offer_id)
        .execute(tx)
        .await?;
    Ok(())
}

pub(crate) async fn is_closed(tx: &mut PgConnection, offer_id: i64) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select exists (select from closed_offer where offer_id = $1)")
        .bind(offer_id)
        .fetch_one(tx)
        .await
}

/// The payer's offer has been heard of.
pub(crate) async fn is_seen(
    tx: &mut PgConnection,
    offer_id: i64,
    user_id: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select exists (select from offer_copy where offer_id = $1 and user_id = $2)")
        .bind(offer_id)
        .bind(user_id)
        .fetch_one(tx)
        .await
}

/// The offer of a hold is heard of: the hold does not run out any more.
pub(crate) async fn claim(tx: &mut PgConnection, offer_id: i64, user_id: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update payment set expires_dt = null where offer_id = $1 and user_id = $2 and pay_method = 'wallet'",
    )
    .bind(offer_id)
    .bind(user_id)
    .execute(tx)
    .await?;
    Ok(())
}

/// Holds whose payer's offer has not been heard of in time; of all offers, or of one whose money is locked.
pub(crate) async fn unclaimed(
    db: &mut PgConnection,
    offer_id: Option<i64>,
    now: OffsetDateTime,
) -> Result<Vec<Payment>, sqlx::Error> {
    sqlx::query_as(
        "select * from payment
         where pay_method = 'wallet' and state = 'held' and expires_dt < $1
           and ($2::bigint is null or offer_id = $2)
           and not exists (select from offer_copy
                           where offer_copy.offer_id = payment.offer_id and offer_copy.user_id = payment.user_id)
         order by offer_id, payment_id limit 100",
    )
    .bind(now)
    .bind(offer_id)
    .fetch_all(db)
    .await
}

pub(crate) async fn insert(
    tx: &mut PgConnection,
    asked: &Asked,
    now: OffsetDateTime,
) -> Result<Payment, sqlx::Error> {
    sqlx::query_as(
        "insert into payment (offer_id, post_id, user_id, seller_id, amount, qty, pay_method, state, expires_dt,
                              create_dt, update_dt)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) returning *",
    )
    .bind(asked.offer_id)
    .bind(asked.post_id)
    .bind(&asked.user_id)
    .bind(&asked.seller_id)
    .bind(asked.amount)
    .bind(asked.qty)
    .bind(asked.pay_method.as_str())
    .bind(PaymentState::AwaitingDeposit.as_str())
    .bind(asked.expires_dt)
    .bind(now)
    .fetch_one(tx)
    .await
}

pub(crate) async fn read(db: &PgPool, payment_id: i64) -> Result<Option<Payment>, sqlx::Error> {
    sqlx::query_as("select * from payment where payment_id = $1").bind(payment_id).fetch_optional(db).await
}

/// The payment, held until the transaction ends.
pub(crate) async fn lock(tx: &mut PgConnection, payment_id: i64) -> Result<Option<Payment>, sqlx::Error> {
    sqlx::query_as("select * from payment where payment_id = $1 for update")
        .bind(payment_id)
        .fetch_optional(tx)
        .await
}

/// What is paid for an offer, by its buyer and by whoever else believes to, held until the transaction ends.
pub(crate) async fn lock_of_offer(tx: &mut PgConnection, offer_id: i64) -> Result<Vec<Payment>, sqlx::Error> {
    sqlx::query_as("select * from payment where offer_id = $1 order by payment_id for update")
        .bind(offer_id)
        .fetch_all(tx)
        .await
}

/// Bank transfers that have not come in time, held until the transaction ends; those that somebody works on are left.
pub(crate) async fn lock_overdue(
    tx: &mut PgConnection,
    now: OffsetDateTime,
) -> Result<Vec<Payment>, sqlx::Error> {
    sqlx::query_as(
        "select * from payment where state = 'awaitingDeposit' and expires_dt < $1
         order by payment_id limit 100 for update skip locked",
    )
    .bind(now)
    .fetch_all(tx)
    .await
}

pub(crate) async fn save(tx: &mut PgConnection, payment: &Payment) -> Result<(), sqlx::Error> {
    let Json(pay_log) = &payment.pay_log;
    sqlx::query(
        "update payment set state = $2, deal_id = $3, pay_log = $4, version = $5, update_dt = $6, post_id = $7,
                            seller_id = $8, amount = $9, qty = $10, pay_method = $11, expires_dt = $12
         where payment_id = $1",
    )
    .bind(payment.payment_id)
    .bind(payment.state.as_str())
    .bind(payment.deal_id)
    .bind(Json(pay_log))
    .bind(payment.version)
    .bind(payment.update_dt)
    .bind(payment.post_id)
    .bind(&payment.seller_id)
    .bind(payment.amount)
    .bind(payment.qty)
    .bind(payment.pay_method.as_str())
    .bind(payment.expires_dt)
    .execute(tx)
    .await?;
    Ok(())
}

/// Lets a payment take a step, moves the money, saves and tells.
///
/// # Errors
/// There is not enough; the transaction is lost then.
pub(crate) async fn settle(
    tx: &mut Tx,
    payment: &mut Payment,
    step: impl FnOnce(&mut Payment) -> Outcome<'_>,
) -> Result<(), NotMoved> {
    let payment_id = payment.payment_id;
    let (movement, events) = step(payment);
    let entry = movement.map(|movement| Entry::of(movement, Some(payment_id)));
    ledger::post(tx, entry.as_slice()).await?;
    if !events.is_empty() {
        save(tx, payment).await?;
        tx.publish_all(&events);
    }
    Ok(())
}

/// Lets several payments take a step each. Their money moves at once, so that two who do this do not wait for each other.
///
/// # Errors
/// There is not enough; the transaction is lost then.
pub(crate) async fn settle_all(
    tx: &mut Tx,
    payments: Vec<Payment>,
    step: impl Fn(&mut Payment) -> Outcome<'_>,
) -> Result<(), NotMoved> {
    let mut entries = Vec::new();
    for mut payment in payments {
        let payment_id = payment.payment_id;
        let (movement, events) = step(&mut payment);
        entries.extend(movement.map(|movement| Entry::of(movement, Some(payment_id))));
        if !events.is_empty() {
            save(tx, &payment).await?;
            tx.publish_all(&events);
        }
    }
    ledger::post(tx, &entries).await
}

/// What a list is narrowed to.
pub(crate) struct Wanted {
    pub(crate) offer_id: Option<i64>,
    pub(crate) post_id: Option<i64>,
    /// Buyer or seller.
    pub(crate) party: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) state: Option<PaymentState>,
    pub(crate) status: Option<PaymentState>,
}

pub(crate) async fn list(db: &PgPool, wanted: Wanted, paging: &Paging) -> Result<Page<Payment>, sqlx::Error> {
    Select::from("payment")
        .and("offer_id = ?", wanted.offer_id)
        .and("post_id = ?", wanted.post_id)
        .and("? in (user_id, seller_id)", wanted.party)
        .and("user_id = ?", wanted.user_id)
        .and("state = ?", wanted.state.map(PaymentState::as_str))
        .and("state = ?", wanted.status.map(PaymentState::as_str))
        .page(db, paging)
        .await
}
