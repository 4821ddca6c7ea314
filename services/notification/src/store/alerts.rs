//! Alerts.

use crate::domain::alert::Alert;
use chassis::{
    hal::Page,
    query::{Paging, Select},
};
use shared_events::PostWrote;
use sqlx::{FromRow, PgConnection, PgPool};
use time::OffsetDateTime;

/// An alert that was asked for.
#[derive(FromRow)]
pub(crate) struct Kept {
    #[sqlx(flatten)]
    pub(crate) alert: Alert,
    /// It was not there before.
    pub(crate) made: bool,
}

/// Makes the alert, unless its owner has one of that keyword.
pub(crate) async fn keep(
    tx: &mut PgConnection,
    user_id: &str,
    keyword: &str,
    create_dt: OffsetDateTime,
) -> Result<Kept, sqlx::Error> {
    // An update that changes nothing, because that answers the row that is there; only a new one has no xmax.
    sqlx::query_as(
        "insert into alert (user_id, keyword, create_dt) values ($1, $2, $3)
         on conflict on constraint one_alert_of_each_keyword do update set keyword = alert.keyword
         returning alert_id, user_id, keyword, create_dt, xmax = 0 as made",
    )
    .bind(user_id)
    .bind(keyword)
    .bind(create_dt)
    .fetch_one(tx)
    .await
}

pub(crate) async fn read(db: &PgPool, alert_id: i64) -> Result<Option<Alert>, sqlx::Error> {
    sqlx::query_as("select alert_id, user_id, keyword, create_dt from alert where alert_id = $1")
        .bind(alert_id)
        .fetch_optional(db)
        .await
}

/// The alert, held until the transaction ends.
pub(crate) async fn lock(tx: &mut PgConnection, alert_id: i64) -> Result<Option<Alert>, sqlx::Error> {
    sqlx::query_as("select alert_id, user_id, keyword, create_dt from alert where alert_id = $1 for update")
        .bind(alert_id)
        .fetch_optional(tx)
        .await
}

pub(crate) async fn delete(tx: &mut PgConnection, alert_id: i64) -> Result<(), sqlx::Error> {
    sqlx::query("delete from alert where alert_id = $1").bind(alert_id).execute(tx).await?;
    Ok(())
}

pub(crate) async fn list(
    db: &PgPool,
    user_id: Option<String>,
    paging: &Paging,
) -> Result<Page<Alert>, sqlx::Error> {
    Select::from("alert").and("user_id = ?", user_id).page(db, paging).await
}

/// The alerts that a post written at `time` sets off: the oldest of each owner.
///
/// It looks at every alert there is, some 40 ms for a hundred thousand of them, once for each new post and
/// before its turn.
pub(crate) async fn matching(
    tx: &mut PgConnection,
    post: &PostWrote,
    time: OffsetDateTime,
) -> Result<Vec<Alert>, sqlx::Error> {
    sqlx::query_as(
        "select distinct on (user_id) alert_id, user_id, keyword, create_dt from alert
         where strpos(lower(normalize($1, nfc)), folded) > 0 and user_id <> $2 and create_dt <= $3
         order by user_id, alert_id",
    )
    .bind(&post.goods)
    .bind(&post.user_id)
    .bind(time)
    .fetch_all(tx)
    .await
}
