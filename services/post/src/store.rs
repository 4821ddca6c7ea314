//! All SQL of the post service.

use crate::domain::{Content, Deal, Post, UnitState};
use chassis::{
    hal::Page,
    query::{Paging, Select, containing},
};
use shared_events::PostStatus;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

pub(crate) async fn insert(
    tx: &mut PgConnection,
    user_id: &str,
    content: &Content,
    create_dt: OffsetDateTime,
) -> Result<Post, sqlx::Error> {
    sqlx::query_as(
        "insert into post (user_id, goods, price, address, description, category, photos, qty, hidden,
                           status, create_dt, update_dt)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'created', $10, $10) returning *",
    )
    .bind(user_id)
    .bind(&content.goods)
    .bind(content.price)
    .bind(&content.address)
    .bind(&content.description)
    .bind(&content.category)
    .bind(&content.photos)
    .bind(content.qty)
    .bind(content.hidden)
    .bind(create_dt)
    .fetch_one(tx)
    .await
}

pub(crate) async fn read(db: &PgPool, post_id: i64) -> Result<Option<Post>, sqlx::Error> {
    sqlx::query_as("select * from post where post_id = $1 and not deleted")
        .bind(post_id)
        .fetch_optional(db)
        .await
}

/// The post, held until the transaction ends; a deleted one too.
pub(crate) async fn lock(tx: &mut PgConnection, post_id: i64) -> Result<Option<Post>, sqlx::Error> {
    sqlx::query_as("select * from post where post_id = $1 for update").bind(post_id).fetch_optional(tx).await
}

pub(crate) async fn save(tx: &mut PgConnection, post: &Post) -> Result<(), sqlx::Error> {
    let Content { goods, price, address, description, category, photos, qty, hidden } = &post.content;
    sqlx::query(
        "update post set goods = $2, price = $3, address = $4, description = $5, category = $6, photos = $7,
                         qty = $8, hidden = $9, reserved = $10, sold = $11, status = $12, deleted = $13,
                         version = $14, update_dt = $15
         where post_id = $1",
    )
    .bind(post.post_id)
    .bind(goods)
    .bind(price)
    .bind(address)
    .bind(description)
    .bind(category)
    .bind(photos)
    .bind(qty)
    .bind(hidden)
    .bind(post.reserved)
    .bind(post.sold)
    .bind(post.status().as_str())
    .bind(post.deleted)
    .bind(post.version)
    .bind(post.update_dt)
    .execute(tx)
    .await?;
    Ok(())
}

/// What a list is narrowed to.
pub(crate) struct Wanted {
    pub(crate) user_id: Option<String>,
    pub(crate) status: Option<PostStatus>,
    pub(crate) words: Option<String>,
    pub(crate) category: Option<String>,
    pub(crate) min_price: Option<i64>,
    pub(crate) max_price: Option<i64>,
    pub(crate) address: Option<String>,
    pub(crate) hidden: Option<bool>,
    /// Who looks: hidden posts are their seller's only. None sees all.
    pub(crate) viewer: Option<String>,
}

pub(crate) async fn list(db: &PgPool, wanted: Wanted, paging: &Paging) -> Result<Page<Post>, sqlx::Error> {
    Select::from("post")
        .and("deleted = ?", Some(false))
        .and("(not hidden or user_id = ?)", wanted.viewer)
        .and("user_id = ?", wanted.user_id)
        .and("status = ?", wanted.status.map(PostStatus::as_str))
        .and("searchable ilike ?", wanted.words.as_deref().map(containing))
        .and("category = ?", wanted.category)
        .and("price >= ?", wanted.min_price)
        .and("price <= ?", wanted.max_price)
        .and("address ilike ?", wanted.address.as_deref().map(containing))
        .and("hidden = ?", wanted.hidden)
        .page(db, paging)
        .await
}

/// What became of the units of a deal, if it is known.
pub(crate) async fn unit_state(
    tx: &mut PgConnection,
    deal_id: i64,
) -> Result<Option<UnitState>, sqlx::Error> {
    sqlx::query_scalar("select state from unit where deal_id = $1").bind(deal_id).fetch_optional(tx).await
}

pub(crate) async fn save_unit(
    tx: &mut PgConnection,
    post_id: i64,
    deal: Deal,
    state: UnitState,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into unit (deal_id, post_id, qty, state) values ($1, $2, $3, $4)
         on conflict (deal_id) do update set state = excluded.state",
    )
    .bind(deal.deal_id)
    .bind(post_id)
    .bind(deal.qty)
    .bind(state)
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes note of a wish, or of its end. A wish that has ended stays so, in whichever order it is told.
pub(crate) async fn save_wish(
    tx: &mut PgConnection,
    post_id: i64,
    wishlist_id: i64,
    gone: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into wish (wishlist_id, post_id, gone) values ($1, $2, $3)
         on conflict (wishlist_id) do update set gone = wish.gone or excluded.gone",
    )
    .bind(wishlist_id)
    .bind(post_id)
    .bind(gone)
    .execute(tx)
    .await?;
    Ok(())
}

/// Counts the wishes for a post, whose row is held: nobody else counts meanwhile.
pub(crate) async fn count_wishes(tx: &mut PgConnection, post_id: i64) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar(
        "update post set like_cnt = (select count(*) from wish where wish.post_id = $1 and not gone)
         where post_id = $1 returning like_cnt",
    )
    .bind(post_id)
    .fetch_one(tx)
    .await
}
