//! All SQL of the notification service.

pub(crate) mod alerts;
pub(crate) mod meetings;
pub(crate) mod wishes;

use crate::domain::{Kind, Notice, Notification};
use chassis::{
    hal::Page,
    query::{Paging, Select},
};
use sqlx::{PgConnection, PgPool, QueryBuilder, types::Uuid};
use time::OffsetDateTime;

/// Tells people of an event, unless that was done.
pub(crate) async fn insert(
    tx: &mut PgConnection,
    event_id: Uuid,
    notices: &[Notice],
    create_dt: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    if notices.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into notification (event_id, user_id, kind, post_id, offer_id, deal_id, message, create_dt)
         select $1, told.*, $8
         from unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[]) as told
         on conflict on constraint one_of_each_event do nothing",
    )
    .bind(event_id)
    .bind(notices.iter().map(|notice| notice.user_id.as_str()).collect::<Vec<_>>())
    .bind(notices.iter().map(|notice| notice.kind).collect::<Vec<_>>())
    .bind(notices.iter().map(|notice| notice.post_id).collect::<Vec<_>>())
    .bind(notices.iter().map(|notice| notice.offer_id).collect::<Vec<_>>())
    .bind(notices.iter().map(|notice| notice.deal_id).collect::<Vec<_>>())
    .bind(notices.iter().map(|notice| notice.message.as_str()).collect::<Vec<_>>())
    .bind(create_dt)
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn read(db: &PgPool, notification_id: i64) -> Result<Option<Notification>, sqlx::Error> {
    sqlx::query_as("select * from notification where notification_id = $1")
        .bind(notification_id)
        .fetch_optional(db)
        .await
}

/// The notification, held until the transaction ends.
pub(crate) async fn lock(
    tx: &mut PgConnection,
    notification_id: i64,
) -> Result<Option<Notification>, sqlx::Error> {
    sqlx::query_as("select * from notification where notification_id = $1 for update")
        .bind(notification_id)
        .fetch_optional(tx)
        .await
}

pub(crate) async fn save(tx: &mut PgConnection, notification: &Notification) -> Result<(), sqlx::Error> {
    sqlx::query("update notification set read_dt = $2, version = $3 where notification_id = $1")
        .bind(notification.notification_id)
        .bind(notification.read_dt)
        .bind(notification.version)
        .execute(tx)
        .await?;
    Ok(())
}

/// Marks all of a person's notifications as read, or as unread; how many were not.
pub(crate) async fn mark_all(
    tx: &mut PgConnection,
    user_id: &str,
    read_dt: Option<OffsetDateTime>,
) -> Result<u64, sqlx::Error> {
    let marked = sqlx::query(
        "update notification set read_dt = $2, version = version + 1
         where user_id = $1 and (read_dt is null) = ($2 is not null)",
    )
    .bind(user_id)
    .bind(read_dt)
    .execute(tx)
    .await?;
    Ok(marked.rows_affected())
}

/// How many a person has not read; without a person, how many nobody has.
pub(crate) async fn unread(db: &PgPool, user_id: Option<&str>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "select count(*) from notification where read_dt is null and ($1::text is null or user_id = $1)",
    )
    .bind(user_id)
    .fetch_one(db)
    .await
}

/// The highest id there is.
pub(crate) async fn newest(db: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select coalesce(max(notification_id), 0) from notification").fetch_one(db).await
}

/// The next `limit` of a person's (or of everybody's) after an id. None that was there is ever missed: ids
/// become visible in order, see `take_turn` in the migrations.
pub(crate) async fn after(
    db: &PgPool,
    user_id: Option<&str>,
    last: i64,
    limit: i64,
) -> Result<Vec<Notification>, sqlx::Error> {
    let mut query = QueryBuilder::new("select * from notification where notification_id > ");
    query.push_bind(last);
    if let Some(user_id) = user_id {
        query.push(" and user_id = ").push_bind(user_id);
    }
    query.push(" order by notification_id limit ").push_bind(limit);
    query.build_query_as().fetch_all(db).await
}

/// What a list is narrowed to.
pub(crate) struct Wanted {
    pub(crate) user_id: Option<String>,
    pub(crate) post_id: Option<i64>,
    pub(crate) kind: Option<Kind>,
    pub(crate) read: Option<bool>,
}

pub(crate) async fn list(
    db: &PgPool,
    wanted: Wanted,
    paging: &Paging,
) -> Result<Page<Notification>, sqlx::Error> {
    Select::from("notification")
        .and("user_id = ?", wanted.user_id)
        .and("post_id = ?", wanted.post_id)
        .and("kind = ?", wanted.kind)
        .and("(read_dt is not null) = ?", wanted.read)
        .page(db, paging)
        .await
}
