//! Every event that had an effect here, as it came.

use super::Done;
use shared_events::Envelope;
use sqlx::{FromRow, PgConnection, types::Uuid};
use time::OffsetDateTime;

pub(crate) async fn append(tx: &mut PgConnection, event: &Envelope) -> Done {
    sqlx::query(
        "insert into history (event_id, event_type, source, post_id, happened_at, traceparent, value)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(event.id)
    .bind(&event.event_type)
    .bind(&event.source)
    .bind(event.post_id)
    .bind(OffsetDateTime::from(event.time))
    .bind(&event.traceparent)
    .bind(&event.value)
    .execute(tx)
    .await?;
    Ok(())
}

/// Holds every reaction up until the transaction ends, and tells the id of the last event. Each event up to it is
/// committed, and each later one will have a higher id.
///
/// A reaction's first write is to the history, and waits here before it has touched a view. Without the lock a
/// lower id could be committed after a higher one has been read.
pub(crate) async fn hold(tx: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query("lock table history in share mode").execute(&mut *tx).await?;
    sqlx::query_scalar("select coalesce(max(id), 0) from history").fetch_one(tx).await
}

/// How many events there are.
pub(crate) async fn len(tx: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select count(*) from history").fetch_one(tx).await
}

/// The next events after one and up to another, each with its id.
pub(crate) async fn between(
    tx: &mut PgConnection,
    after: i64,
    upto: i64,
    limit: i64,
) -> Result<Vec<(i64, Envelope)>, sqlx::Error> {
    let rows: Vec<Row> =
        sqlx::query_as("select * from history where id > $1 and id <= $2 order by id limit $3")
            .bind(after)
            .bind(upto)
            .bind(limit)
            .fetch_all(tx)
            .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.into())).collect())
}

#[derive(FromRow)]
struct Row {
    id: i64,
    event_id: Uuid,
    event_type: String,
    source: String,
    post_id: i64,
    happened_at: OffsetDateTime,
    traceparent: Option<String>,
    value: String,
}

impl From<Row> for Envelope {
    fn from(row: Row) -> Self {
        Self {
            id: row.event_id,
            event_type: row.event_type,
            source: row.source,
            time: row.happened_at.into(),
            post_id: row.post_id,
            traceparent: row.traceparent,
            tracestate: None,
            value: row.value,
        }
    }
}
