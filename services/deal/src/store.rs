//! All SQL of the deal service.

pub(crate) mod ledger;
pub(crate) mod payments;
pub(crate) mod reviews;

use crate::domain::{Availability, Deal, OfferCopy, Refusal, Stock};
use chassis::{
    hal::Page,
    problem::Problem,
    query::{Paging, Select},
    store::OnConstraint,
};
use shared_events::{DealStatus, OfferStatus};
use sqlx::{PgConnection, PgExecutor, PgPool};

/// Writes a new deal. Before its units are promised: cancellations take deal and stock in this order too.
pub(crate) async fn insert(tx: &mut PgConnection, deal: &Deal) -> Result<Deal, Problem> {
    sqlx::query_as(
        "insert into deal (offer_id, post_id, user_id, seller_id, price, qty, status, reserve_dt, meet_place,
                           fulfilment, address, history, create_dt, update_dt)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) returning *",
    )
    .bind(deal.offer_id)
    .bind(deal.post_id)
    .bind(&deal.user_id)
    .bind(&deal.seller_id)
    .bind(deal.price)
    .bind(deal.qty)
    .bind(deal.status.as_str())
    .bind(deal.reserve_dt)
    .bind(&deal.meet_place)
    .bind(deal.fulfilment.as_str())
    .bind(&deal.address)
    .bind(&deal.history)
    .bind(deal.create_dt)
    .bind(deal.update_dt)
    .fetch_one(tx)
    .await
    .on_constraint("one_deal_per_offer", Refusal::OfferAlreadyReserved)
}

pub(crate) async fn read(db: impl PgExecutor<'_>, deal_id: i64) -> Result<Option<Deal>, sqlx::Error> {
    sqlx::query_as("select * from deal where deal_id = $1").bind(deal_id).fetch_optional(db).await
}

/// The deal, held until the transaction ends.
pub(crate) async fn lock(tx: &mut PgConnection, deal_id: i64) -> Result<Option<Deal>, sqlx::Error> {
    sqlx::query_as("select * from deal where deal_id = $1 for update").bind(deal_id).fetch_optional(tx).await
}

/// The live deal of an offer, held until the transaction ends.
pub(crate) async fn lock_of_offer(tx: &mut PgConnection, offer_id: i64) -> Result<Option<Deal>, sqlx::Error> {
    sqlx::query_as("select * from deal where offer_id = $1 and status <> 'dealCanceled' for update")
        .bind(offer_id)
        .fetch_optional(tx)
        .await
}

/// Saves what became of a deal; the units of one that has just been canceled are free again.
pub(crate) async fn save(tx: &mut PgConnection, deal: &Deal) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update deal set status = $2, history = $3, version = $4, update_dt = $5, reserve_dt = $6, meet_place = $7
         where deal_id = $1",
    )
    .bind(deal.deal_id)
    .bind(deal.status.as_str())
    .bind(&deal.history)
    .bind(deal.version)
    .bind(deal.update_dt)
    .bind(deal.reserve_dt)
    .bind(&deal.meet_place)
    .execute(&mut *tx)
    .await?;
    if deal.status == DealStatus::DealCanceled {
        sqlx::query("update stock set promised = promised - $2 where post_id = $1")
            .bind(deal.post_id)
            .bind(deal.qty)
            .execute(tx)
            .await?;
    }
    Ok(())
}

/// What a list is narrowed to.
pub(crate) struct Wanted {
    pub(crate) post_id: Option<i64>,
    /// Buyer or seller.
    pub(crate) party: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) offer_id: Option<i64>,
    pub(crate) status: Option<DealStatus>,
}

pub(crate) async fn list(db: &PgPool, wanted: Wanted, paging: &Paging) -> Result<Page<Deal>, sqlx::Error> {
    Select::from("deal")
        .and("post_id = ?", wanted.post_id)
        .and("? in (user_id, seller_id)", wanted.party)
        .and("user_id = ?", wanted.user_id)
        .and("offer_id = ?", wanted.offer_id)
        .and("status = ?", wanted.status.map(DealStatus::as_str))
        .page(db, paging)
        .await
}

/// The units of a post, brought up to date from the check's answer (an older one is ignored). Not held: it is read before
/// the accounts, which are taken before the stock, and only [`promise`] takes units.
pub(crate) async fn stock(tx: &mut PgConnection, post: &Availability) -> Result<Stock, sqlx::Error> {
    let stock = sqlx::query_as(
        "select case when $3 > version then $2 else qty end as qty, promised from stock where post_id = $1",
    )
    .bind(post.post_id)
    .bind(post.qty)
    .bind(post.version)
    .fetch_optional(tx)
    .await?;
    Ok(stock.unwrap_or(Stock { qty: post.qty, promised: 0 }))
}

/// Promises units of a post, brought up to date from the check's answer (an older one is ignored). The row stays
/// locked until the transaction ends: of all who want the last unit, one gets it.
pub(crate) async fn promise(tx: &mut PgConnection, post: &Availability, units: i32) -> Result<(), Problem> {
    let stock: Stock = sqlx::query_as(
        "insert into stock (post_id, qty, version) values ($1, $2, $3)
         on conflict (post_id) do update
             set qty = case when excluded.version > stock.version then excluded.qty else stock.qty end,
                 version = greatest(excluded.version, stock.version)
         returning qty, promised",
    )
    .bind(post.post_id)
    .bind(post.qty)
    .bind(post.version)
    .fetch_one(&mut *tx)
    .await
    // The seller now has fewer units than are promised already.
    .on_constraint("promised_units_exist", Refusal::PostNotAvailable)?;
    stock.promise(units)?;
    sqlx::query("update stock set promised = promised + $2 where post_id = $1")
        .bind(post.post_id)
        .bind(units)
        .execute(tx)
        .await
        .on_constraint("promised_units_exist", Refusal::PostNotAvailable)?;
    Ok(())
}

/// The copy of an offer, kept from changing until the transaction ends: a reservation and the withdrawal of its offer
/// do not pass each other by.
pub(crate) async fn hold_offer(
    tx: &mut PgConnection,
    offer_id: i64,
) -> Result<Option<OfferCopy>, sqlx::Error> {
    sqlx::query_as("select * from offer_copy where offer_id = $1 for share")
        .bind(offer_id)
        .fetch_optional(tx)
        .await
}

/// One at a time learns something of an offer, from here to the end of the transaction: before there is a row to lock, its
/// beginning (asked for by a reservation) and its end (heard of) would not see each other.
async fn lock_news_of_offer(tx: &mut PgConnection, offer_id: i64) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('deal news of offer ' || $1, 0))")
        .bind(offer_id)
        .execute(tx)
        .await?;
    Ok(())
}

/// Takes note of an offer. One that is known to be over does not open again: not by what was said of it before, and not
/// where its end was heard of first (a dead letter that is replayed comes after what followed it).
pub(crate) async fn learn_offer(tx: &mut PgConnection, offer: &OfferCopy) -> Result<(), sqlx::Error> {
    lock_news_of_offer(tx, offer.offer_id).await?;
    sqlx::query(
        "insert into offer_copy
         (offer_id, post_id, user_id, seller_id, offer_type, agreed_price, qty, pay_method, offer_status,
          expires_dt)
         values ($1, $2, $3, $4, $5, $6, $7, $8,
                 case when exists (select from closed_offer where offer_id = $1) then 'offerCanceled' else $9 end, $10)
         on conflict (offer_id) do update set offer_status = $9, expires_dt = excluded.expires_dt
             where offer_copy.offer_status = 'offerPlaced'
                or offer_copy.offer_status = 'offerAccepted' and $9 <> 'offerPlaced'",
    )
    .bind(offer.offer_id)
    .bind(offer.post_id)
    .bind(&offer.user_id)
    .bind(&offer.seller_id)
    .bind(offer.offer_type.as_str())
    .bind(offer.agreed_price)
    .bind(offer.qty)
    .bind(offer.pay_method.as_str())
    .bind(offer.offer_status.as_str())
    .bind(offer.expires_dt)
    .execute(tx)
    .await?;
    Ok(())
}

/// The offer was answered.
pub(crate) async fn offer_became(
    tx: &mut PgConnection,
    offer_id: i64,
    status: OfferStatus,
) -> Result<(), sqlx::Error> {
    lock_news_of_offer(tx, offer_id).await?;
    sqlx::query(
        "update offer_copy set offer_status = $2
         where offer_id = $1 and offer_status in ('offerPlaced', 'offerAccepted')",
    )
    .bind(offer_id)
    .bind(status.as_str())
    .execute(tx)
    .await?;
    Ok(())
}
