//! All SQL of the notification service.

use crate::domain::{Kind, Notice, Notification};
use chassis::{
    hal::Page,
    query::{Paging, Select},
};
use sqlx::{PgConnection, PgPool, types::Uuid};
use time::OffsetDateTime;

/// Tells a person of an event, unless that was done.
pub(crate) async fn insert(
    tx: &mut PgConnection,
    event_id: Uuid,
    notice: &Notice,
    create_dt: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into notification (event_id, user_id, kind, post_id, offer_id, deal_id, message, create_dt)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict on constraint one_of_each_event do nothing",
    )
    .bind(event_id)
    .bind(&notice.user_id)
    .bind(notice.kind)
    .bind(notice.post_id)
    .bind(notice.offer_id)
    .bind(notice.deal_id)
    .bind(&notice.message)
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
