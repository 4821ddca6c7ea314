//! SQL of the messages.

use crate::domain::message::Message;
use chassis::{
    hal::Page,
    query::{Paging, Select},
};
use sqlx::{PgConnection, PgPool};

pub(crate) async fn insert(tx: &mut PgConnection, message: &Message) -> Result<Message, sqlx::Error> {
    sqlx::query_as(
        "insert into message (post_id, user_id, to_user_id, offer_id, body, create_dt)
         values ($1, $2, $3, $4, $5, $6) returning *",
    )
    .bind(message.post_id)
    .bind(&message.user_id)
    .bind(&message.to_user_id)
    .bind(message.offer_id)
    .bind(&message.body)
    .bind(message.create_dt)
    .fetch_one(tx)
    .await
}

/// This person has something to do with the post already: an offer on it, or a message about it.
pub(crate) async fn knows(tx: &mut PgConnection, post_id: i64, user_id: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "select exists (select from offer where post_id = $1 and user_id = $2 and not pending)
             or exists (select from message where post_id = $1 and user_id = $2)",
    )
    .bind(post_id)
    .bind(user_id)
    .fetch_one(tx)
    .await
}

pub(crate) async fn read(db: &PgPool, message_id: i64) -> Result<Option<Message>, sqlx::Error> {
    sqlx::query_as("select * from message where message_id = $1").bind(message_id).fetch_optional(db).await
}

/// The message, held until the transaction ends.
pub(crate) async fn lock(tx: &mut PgConnection, message_id: i64) -> Result<Option<Message>, sqlx::Error> {
    sqlx::query_as("select * from message where message_id = $1 for update")
        .bind(message_id)
        .fetch_optional(tx)
        .await
}

pub(crate) async fn save(tx: &mut PgConnection, message: &Message) -> Result<(), sqlx::Error> {
    sqlx::query("update message set read_dt = $2, version = $3 where message_id = $1")
        .bind(message.message_id)
        .bind(message.read_dt)
        .bind(message.version)
        .execute(tx)
        .await?;
    Ok(())
}

/// What a list is narrowed to.
pub(crate) struct Wanted {
    pub(crate) post_id: Option<i64>,
    pub(crate) user_id: Option<String>,
    pub(crate) with_user_id: Option<String>,
    pub(crate) to_user_id: Option<String>,
    pub(crate) offer_id: Option<i64>,
    pub(crate) unread: Option<bool>,
}

pub(crate) async fn list(db: &PgPool, wanted: Wanted, paging: &Paging) -> Result<Page<Message>, sqlx::Error> {
    const EITHER_END: &str = "? in (user_id, to_user_id)";
    Select::from("message")
        .and("post_id = ?", wanted.post_id)
        .and(EITHER_END, wanted.user_id)
        .and(EITHER_END, wanted.with_user_id)
        .and("to_user_id = ?", wanted.to_user_id)
        .and("offer_id = ?", wanted.offer_id)
        .and("(read_dt is null) = ?", wanted.unread)
        .page(db, paging)
        .await
}
