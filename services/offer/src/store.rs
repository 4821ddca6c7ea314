//! All SQL of the offer service.

pub(crate) mod messages;
pub(crate) mod wishlists;

use crate::domain::{Offer, PostCopy, Refusal};
use chassis::{
    hal::Page,
    problem::Problem,
    query::{Paging, Select},
    store::OnConstraint,
};
use shared_events::OfferStatus;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

pub(crate) async fn insert(tx: &mut PgConnection, offer: &Offer) -> Result<Offer, Problem> {
    sqlx::query_as(
        "insert into offer (post_id, user_id, seller_id, offer_type, price, offered_price, agreed_price, qty,
                            pay_method, offer_status, expires_dt, create_dt, update_dt, pending)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13) returning *",
    )
    .bind(offer.post_id)
    .bind(&offer.user_id)
    .bind(&offer.seller_id)
    .bind(offer.offer_type.as_str())
    .bind(offer.price)
    .bind(offer.offered_price)
    .bind(offer.agreed_price)
    .bind(offer.qty)
    .bind(offer.pay_method.as_str())
    .bind(offer.offer_status.as_str())
    .bind(offer.expires_dt)
    .bind(offer.create_dt)
    .bind(offer.pending)
    .fetch_one(tx)
    .await
    .on_constraint("one_open_offer_per_buyer_and_post", Refusal::AlreadyOpen)
}

pub(crate) async fn read(db: &PgPool, offer_id: i64) -> Result<Option<Offer>, sqlx::Error> {
    sqlx::query_as("select * from offer where offer_id = $1 and not pending")
        .bind(offer_id)
        .fetch_optional(db)
        .await
}

/// An offer that is being paid for, held until the transaction ends.
pub(crate) async fn lock_pending(tx: &mut PgConnection, offer_id: i64) -> Result<Option<Offer>, sqlx::Error> {
    sqlx::query_as(
        "select * from offer where offer_id = $1 and pending and offer_status = 'offerPlaced' for update",
    )
    .bind(offer_id)
    .fetch_optional(tx)
    .await
}

/// The offer on this post that the buyer is paying for.
pub(crate) async fn pending_of(
    tx: &mut PgConnection,
    post_id: i64,
    user_id: &str,
) -> Result<Option<Offer>, sqlx::Error> {
    sqlx::query_as(
        "select * from offer where post_id = $1 and user_id = $2 and pending and offer_status = 'offerPlaced'",
    )
    .bind(post_id)
    .bind(user_id)
    .fetch_optional(tx)
    .await
}

/// Offers that have been in the paying for too long, held until the transaction ends.
pub(crate) async fn lock_stale(
    tx: &mut PgConnection,
    since: OffsetDateTime,
    most: i64,
) -> Result<Vec<Offer>, sqlx::Error> {
    sqlx::query_as(
        "select * from offer where pending and offer_status = 'offerPlaced' and create_dt < $1
         order by create_dt limit $2 for update skip locked",
    )
    .bind(since)
    .bind(most)
    .fetch_all(tx)
    .await
}

/// The offer, held until the transaction ends.
pub(crate) async fn lock(tx: &mut PgConnection, offer_id: i64) -> Result<Option<Offer>, sqlx::Error> {
    sqlx::query_as("select * from offer where offer_id = $1 and not pending for update")
        .bind(offer_id)
        .fetch_optional(tx)
        .await
}

/// The open offers of a post, held until the transaction ends.
pub(crate) async fn lock_open(tx: &mut PgConnection, post_id: i64) -> Result<Vec<Offer>, sqlx::Error> {
    sqlx::query_as(
        "select * from offer where post_id = $1 and offer_status in ('offerPlaced', 'offerAccepted')
         order by offer_id for update",
    )
    .bind(post_id)
    .fetch_all(tx)
    .await
}

/// Open offers whose time was over by then, held until the transaction ends; of several replicas each gets others.
pub(crate) async fn lock_expired(
    tx: &mut PgConnection,
    by: OffsetDateTime,
    most: i64,
) -> Result<Vec<Offer>, sqlx::Error> {
    sqlx::query_as(
        "select * from offer
         where expires_dt <= $1 and not pending and offer_status in ('offerPlaced', 'offerAccepted') and deal_id is null
         order by expires_dt limit $2 for update skip locked",
    )
    .bind(by)
    .bind(most)
    .fetch_all(tx)
    .await
}

pub(crate) async fn save(tx: &mut PgConnection, offer: &Offer) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update offer set offer_status = $2, deal_id = $3, version = $4, update_dt = $5, pending = $6,
                          payment_state = $7
         where offer_id = $1",
    )
    .bind(offer.offer_id)
    .bind(offer.offer_status.as_str())
    .bind(offer.deal_id)
    .bind(offer.version)
    .bind(offer.update_dt)
    .bind(offer.pending)
    .bind(&offer.payment_state)
    .execute(tx)
    .await?;
    Ok(())
}

/// What a list is narrowed to.
pub(crate) struct Wanted {
    pub(crate) post_id: Option<i64>,
    /// Buyer or seller.
    pub(crate) party: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) offer_status: Option<OfferStatus>,
}

pub(crate) async fn list(db: &PgPool, wanted: Wanted, paging: &Paging) -> Result<Page<Offer>, sqlx::Error> {
    Select::from("offer")
        .and("pending = ?", Some(false))
        .and("post_id = ?", wanted.post_id)
        .and("? in (user_id, seller_id)", wanted.party)
        .and("user_id = ?", wanted.user_id)
        .and("offer_status = ?", wanted.offer_status.map(OfferStatus::as_str))
        .page(db, paging)
        .await
}

/// Units of a post whose deals have ended.
pub(crate) async fn units_won(tx: &mut PgConnection, post_id: i64) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "select coalesce(sum(qty), 0) from offer where post_id = $1 and offer_status = 'dealEnded'",
    )
    .bind(post_id)
    .fetch_one(tx)
    .await
}

/// The copy of a post, kept from changing until the transaction ends: an offer that is being placed and the end of
/// its post do not pass each other by.
pub(crate) async fn hold_post(tx: &mut PgConnection, post_id: i64) -> Result<Option<PostCopy>, sqlx::Error> {
    sqlx::query_as("select * from post_copy where post_id = $1 for share")
        .bind(post_id)
        .fetch_optional(tx)
        .await
}

/// The copy of a post, held alone until the transaction ends. Taken before any of its offers.
pub(crate) async fn lock_post(tx: &mut PgConnection, post_id: i64) -> Result<Option<PostCopy>, sqlx::Error> {
    sqlx::query_as("select * from post_copy where post_id = $1 for update")
        .bind(post_id)
        .fetch_optional(tx)
        .await
}

/// Takes note of a post, unless something newer is known.
pub(crate) async fn learn_post(tx: &mut PgConnection, post: &PostCopy) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into post_copy (post_id, seller_id, price, qty, available_qty, status, hidden, deleted, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (post_id) do update
             set seller_id = excluded.seller_id, price = excluded.price, qty = excluded.qty,
                 available_qty = excluded.available_qty, status = excluded.status, hidden = excluded.hidden,
                 deleted = excluded.deleted, version = excluded.version
             where post_copy.version <= excluded.version and not post_copy.deleted",
    )
    .bind(post.post_id)
    .bind(&post.seller_id)
    .bind(post.price)
    .bind(post.qty)
    .bind(post.available_qty)
    .bind(post.status.as_str())
    .bind(post.hidden)
    .bind(post.deleted)
    .bind(post.version)
    .execute(tx)
    .await?;
    Ok(())
}
