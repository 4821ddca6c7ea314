//! SQL of the wishes.

use crate::domain::wish::Wish;
use chassis::{
    hal::Page,
    query::{Paging, Select},
};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

/// A wish that was added, or was there before.
#[derive(sqlx::FromRow)]
pub(crate) struct Added {
    #[sqlx(flatten)]
    pub(crate) wish: Wish,
    pub(crate) is_new: bool,
}

/// Adds a wish, unless it is there: however many do so at once, one of them is the first.
pub(crate) async fn add(
    tx: &mut PgConnection,
    user_id: &str,
    post_id: i64,
    now: OffsetDateTime,
) -> Result<Added, sqlx::Error> {
    // The update changes nothing and answers the row there is, held against being taken back meanwhile ("do
    // nothing" would answer none). PostgreSQL puts xmax 0 on a row that was just inserted.
    sqlx::query_as(
        "insert into wishlist (user_id, post_id, create_dt) values ($1, $2, $3)
         on conflict on constraint one_wish_per_user_and_post do update set user_id = excluded.user_id
         returning *, (xmax = 0) as is_new",
    )
    .bind(user_id)
    .bind(post_id)
    .bind(now)
    .fetch_one(tx)
    .await
}

pub(crate) async fn read(db: &PgPool, wishlist_id: i64) -> Result<Option<Wish>, sqlx::Error> {
    sqlx::query_as("select * from wishlist where wishlist_id = $1").bind(wishlist_id).fetch_optional(db).await
}

/// The wish, held until the transaction ends.
pub(crate) async fn lock(tx: &mut PgConnection, wishlist_id: i64) -> Result<Option<Wish>, sqlx::Error> {
    sqlx::query_as("select * from wishlist where wishlist_id = $1 for update")
        .bind(wishlist_id)
        .fetch_optional(tx)
        .await
}

pub(crate) async fn remove(tx: &mut PgConnection, wishlist_id: i64) -> Result<(), sqlx::Error> {
    sqlx::query("delete from wishlist where wishlist_id = $1").bind(wishlist_id).execute(tx).await?;
    Ok(())
}

pub(crate) async fn list(
    db: &PgPool,
    user_id: Option<String>,
    post_id: Option<i64>,
    paging: &Paging,
) -> Result<Page<Wish>, sqlx::Error> {
    Select::from("wishlist").and("user_id = ?", user_id).and("post_id = ?", post_id).page(db, paging).await
}
