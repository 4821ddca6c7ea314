//! Wishes and the news of posts, and where they meet.
//!
//! Each of these begins by writing a wish or news, and so takes the turn: what follows sees all that others
//! did.

use crate::domain::News;
use sqlx::{PgConnection, types::Uuid};
use time::OffsetDateTime;

/// Keeps the news and tells those who wished for the post at that time.
pub(crate) async fn report(
    tx: &mut PgConnection,
    event_id: Uuid,
    news: &News,
    happened_at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into post_news (event_id, post_id, seller_id, kind, message, happened_at)
         values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
    )
    .bind(event_id)
    .bind(news.post_id)
    .bind(&news.seller_id)
    .bind(news.kind)
    .bind(&news.message)
    .bind(happened_at)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "insert into notification (event_id, user_id, kind, post_id, message, create_dt)
         select event_id, user_id, kind, post_id, message, happened_at from wisher_told where event_id = $1
         on conflict on constraint one_of_each_event do nothing",
    )
    .bind(event_id)
    .execute(tx)
    .await?;
    Ok(())
}

/// Keeps the wish and tells of it what has happened since.
pub(crate) async fn add(
    tx: &mut PgConnection,
    wishlist_id: i64,
    user_id: &str,
    post_id: i64,
    added_at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into wish (wishlist_id, user_id, post_id, added_at) values ($1, $2, $3, $4)
         on conflict (wishlist_id) do update set added_at = excluded.added_at",
    )
    .bind(wishlist_id)
    .bind(user_id)
    .bind(post_id)
    .bind(added_at)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "insert into notification (event_id, user_id, kind, post_id, message, create_dt)
         select event_id, user_id, kind, post_id, message, happened_at from wisher_told where wishlist_id = $1
         order by happened_at
         on conflict on constraint one_of_each_event do nothing",
    )
    .bind(wishlist_id)
    .execute(tx)
    .await?;
    Ok(())
}

/// Ends the wish and takes back what happened only afterwards.
pub(crate) async fn end(
    tx: &mut PgConnection,
    wishlist_id: i64,
    user_id: &str,
    post_id: i64,
    deleted_at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into wish (wishlist_id, user_id, post_id, deleted_at) values ($1, $2, $3, $4)
         on conflict (wishlist_id) do update set deleted_at = excluded.deleted_at",
    )
    .bind(wishlist_id)
    .bind(user_id)
    .bind(post_id)
    .bind(deleted_at)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "delete from notification told using post_news news
         where news.post_id = $1 and told.event_id = news.event_id and told.user_id = $2
           and not exists (select from wisher_told as due
                           where due.event_id = told.event_id and due.user_id = told.user_id)",
    )
    .bind(post_id)
    .bind(user_id)
    .execute(tx)
    .await?;
    Ok(())
}
