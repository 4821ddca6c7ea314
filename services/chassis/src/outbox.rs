//! Events are written in the transaction of their cause, and handed to the bus by one relay a service.

use crate::{app::App, bus::Bus, trace::Trace};
use shared_events::Envelope;
use sqlx::{Connection, FromRow, PgConnection};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Span, field::Empty};
use uuid::Uuid;

/// Rows handed to the bus in one transaction.
const BATCH: i64 = 500;
/// How often the relay looks without having been woken: a fallback for a wake-up that was lost in a crash, and
/// the way in which another replica's events are found.
const POLL: Duration = Duration::from_millis(500);
/// How long a relay without the lock, or without a database, waits before it tries again.
const RETRY: Duration = Duration::from_millis(500);
/// How long the last batch may take when the service stops.
const FLUSH: Duration = Duration::from_secs(3);

/// Writes events in the caller's transaction. Called last, while the aggregate's row is still locked, so that
/// the ids of one aggregate's events are in the order in which they commit.
pub(crate) async fn append(tx: &mut PgConnection, events: &[Envelope]) -> Result<(), sqlx::Error> {
    if events.is_empty() {
        return Ok(());
    }
    let column = |of: fn(&Envelope) -> String| events.iter().map(of).collect::<Vec<_>>();
    sqlx::query(
        "insert into outbox (event_id, event_type, post_id, happened_at, traceparent, tracestate, value)
         select * from unnest($1::uuid[], $2::text[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[],
                              $7::text[])",
    )
    .bind(events.iter().map(|e| e.id).collect::<Vec<_>>())
    .bind(column(|e| e.event_type.clone()))
    .bind(events.iter().map(|e| e.post_id).collect::<Vec<_>>())
    .bind(events.iter().map(|e| OffsetDateTime::from(e.time)).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.traceparent.clone()).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.tracestate.clone()).collect::<Vec<_>>())
    .bind(column(|e| e.value.clone()))
    .execute(tx)
    .await?;
    Ok(())
}

#[derive(FromRow)]
struct Row {
    id: i64,
    event_id: Uuid,
    event_type: String,
    post_id: i64,
    happened_at: OffsetDateTime,
    traceparent: Option<String>,
    tracestate: Option<String>,
    value: String,
}

/// Relays until `stop`, then once more what is left.
///
/// One replica of a service leads at a time, by an advisory lock on the very connection that takes the rows:
/// when the connection dies, lock and transaction go together, so no two relays ever hold the same rows.
pub(crate) async fn relay(app: App, bus: Bus, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match lead(&app, &bus, &stop).await {
            Ok(()) => {}
            Err(error) => tracing::warn!(service = app.name, %error, "relay: database is away"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(RETRY) => {}
        }
    }
}

/// Takes the lock and drains; returns when the service stops or another replica leads.
async fn lead(app: &App, bus: &Bus, stop: &CancellationToken) -> Result<(), sqlx::Error> {
    // A connection of its own: it stays open for the life of the process, which is not what a pool is for.
    let mut connection = PgConnection::connect_with(&app.db.connect_options()).await?;
    let leads: bool = sqlx::query_scalar("select pg_try_advisory_lock(hashtextextended($1, 0))")
        .bind(format!("outbox {}", app.name))
        .fetch_one(&mut connection)
        .await?;
    if !leads {
        return connection.close().await;
    }
    loop {
        // Registered before the rows are read: a commit in between is not missed.
        let woken = app.outbox.notified();
        let drained = drain(app, &mut connection, bus, stop).await?;
        if stop.is_cancelled() {
            let last = CancellationToken::new();
            match timeout(FLUSH, drain(app, &mut connection, bus, &last)).await {
                Ok(result) => result.map(drop)?,
                // The rows are still there, and are published at the next start.
                Err(_) => tracing::warn!(service = app.name, "relay: stopped before all was published"),
            }
            return connection.close().await;
        }
        if !drained {
            sleep(RETRY).await;
            continue;
        }
        tokio::select! {
            () = woken => {}
            () = sleep(POLL) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Hands over all rows there are; false when the bus would not take them.
///
/// The oldest rows, never "those after the last id": ids are given out before they commit.
async fn drain(
    app: &App,
    connection: &mut PgConnection,
    bus: &Bus,
    stop: &CancellationToken,
) -> Result<bool, sqlx::Error> {
    loop {
        let mut tx = connection.begin().await?;
        let mut rows: Vec<Row> = sqlx::query_as(
            "delete from outbox where id in (select id from outbox order by id limit $1)
             returning id, event_id, event_type, post_id, happened_at, traceparent, tracestate, value",
        )
        .bind(BATCH)
        .fetch_all(&mut *tx)
        .await?;
        if rows.is_empty() {
            tx.rollback().await?;
            return Ok(true);
        }
        rows.sort_unstable_by_key(|row| row.id);
        let mut batch: Vec<_> = rows.into_iter().map(|row| row.envelope(app.name)).collect();
        let spans: Vec<_> = batch.iter_mut().map(|event| sending(event, bus.system())).collect();
        // A crash, an error or a stop before the commit gives the rows back.
        if let Err(error) = bus.publish(&batch, stop).await {
            tx.rollback().await?;
            for span in &spans {
                span.record("otel.status_code", "ERROR");
            }
            if !stop.is_cancelled() {
                tracing::warn!(service = app.name, %error, "relay: the bus did not take the events");
            }
            return Ok(false);
        }
        tx.commit().await?;
        app.events.published.inc_by(batch.len() as u64);
    }
}

/// The span of handing an event over: what reacts to it becomes its child. It ends when the event is safe.
fn sending(event: &mut Envelope, system: &str) -> Span {
    let span = tracing::info_span!(
        parent: None,
        "send",
        otel.name = %format_args!("send {}", event.event_type),
        otel.kind = "producer",
        otel.status_code = Empty,
        service.name = event.source,
        messaging.system = system,
        messaging.operation.type = "send",
        messaging.destination.name = shared_events::TOPIC,
        messaging.message.id = %event.id,
        cloudevents.event_type = event.event_type,
        post_id = event.post_id,
    );
    if let Some(cause) = Trace::of_event(event) {
        cause.adopt(&span);
    }
    if let Some(trace) = Trace::of_span(&span) {
        trace.tag(event);
    }
    span
}

impl Row {
    fn envelope(self, source: &str) -> Envelope {
        Envelope {
            id: self.event_id,
            event_type: self.event_type,
            source: source.to_owned(),
            time: self.happened_at.into(),
            post_id: self.post_id,
            traceparent: self.traceparent,
            tracestate: self.tracestate,
            value: self.value,
        }
    }
}
