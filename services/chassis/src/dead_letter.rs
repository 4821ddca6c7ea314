//! Events that could not be reacted to: kept with their error, to be looked at, replayed or discarded.
//! On the service's own port only, never through the gateway.

use crate::{
    app::{App, Tx},
    caller::Operator,
    hal::{self, Resource},
    idempotency::Answer,
    inbox::{Consumer, ReactionError, first_time},
    openapi::OPERATIONAL,
    problem::Problem,
    query::{Filter, ItemId, Listing, Paging, Select},
    wire::{Faults, Line},
};
use axum::{Extension, extract::State, http::StatusCode};
use deserr::Deserr;
use serde::Serialize;
use shared_events::{Envelope, WireDate};
use sqlx::FromRow;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

/// Stores an event that is at fault. Its inbox row goes with it: redelivery does not try it again.
pub(crate) async fn bury(app: &App, event: &Envelope, error: &ReactionError) -> Result<(), sqlx::Error> {
    let mut tx = app.transaction(None).await?;
    if first_time(&mut tx, event.id).await? {
        sqlx::query(
            "insert into dead_letter
             (event_id, event_type, source, post_id, happened_at, traceparent, tracestate, value, error)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(event.id)
        .bind(&event.event_type)
        .bind(&event.source)
        .bind(event.post_id)
        .bind(OffsetDateTime::from(event.time))
        .bind(&event.traceparent)
        .bind(&event.tracestate)
        .bind(&event.value)
        .bind(error.to_string())
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    app.events.dead_letters.inc();
    tracing::error!(
        service = app.name, event = %event.id, event_type = event.event_type, %error, "dead letter"
    );
    Ok(())
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
    tracestate: Option<String>,
    value: String,
    error: String,
    failed_at: OffsetDateTime,
}

/// Takes a dead letter out, in the transaction that replays it.
pub(crate) async fn exhume(tx: &mut Tx, id: i64) -> Result<Option<Envelope>, sqlx::Error> {
    let row: Option<Row> = sqlx::query_as("delete from dead_letter where id = $1 returning *")
        .bind(id)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.map(|row| Envelope {
        id: row.event_id,
        event_type: row.event_type,
        source: row.source,
        time: row.happened_at.into(),
        post_id: row.post_id,
        traceparent: row.traceparent,
        tracestate: row.tracestate,
        value: row.value,
    }))
}

/// An event that could not be reacted to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DeadLetter {
    id: i64,
    #[schema(value_type = String)]
    event_id: Uuid,
    event_type: String,
    source: String,
    post_id: i64,
    #[schema(value_type = String, format = DateTime)]
    happened_at: WireDate,
    #[schema(value_type = String, format = DateTime)]
    failed_at: WireDate,
    error: String,
    /// The event's JSON, byte for byte.
    value: String,
}

impl From<Row> for DeadLetter {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            event_id: row.event_id,
            event_type: row.event_type,
            source: row.source,
            post_id: row.post_id,
            happened_at: row.happened_at.into(),
            failed_at: row.failed_at.into(),
            error: row.error,
            value: row.value,
        }
    }
}

impl Resource for DeadLetter {
    const NAME: &'static str = "deadLetter";
    const COLLECTION: &'static str = "dead-letters";
    fn id(&self) -> i64 {
        self.id
    }
}

#[derive(Deserr, IntoParams)]
#[deserr(error = Faults, rename_all = camelCase)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct DeadLetters {
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    event_type: Option<Line<64>>,
}

impl Filter for DeadLetters {
    const SORTABLE: &'static [(&'static str, &'static str)] = &[("id", "id"), ("eventType", "event_type")];
    const DEFAULT_ORDER: &'static str = "id desc";
}

/// The routes, for a service's own port.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(discard)).routes(routes!(replay))
}

/// List dead letters, newest first.
#[utoipa::path(get, path = "/dead-letters", tag = OPERATIONAL, params(DeadLetters, Paging),
    responses((status = 200, body = [DeadLetter])))]
async fn list(State(app): State<App>, _: Operator, listing: Listing<DeadLetters>) -> Result<Answer, Problem> {
    let page = Select::from("dead_letter")
        .and("event_type = ?", listing.filter.event_type.as_ref().map(|line| line.0.clone()))
        .page::<Row>(&app.db, &listing.paging)
        .await?;
    Ok(listing.answer(&page.map(DeadLetter::from)))
}

/// Discard a dead letter: its event has no effect here.
#[utoipa::path(delete, path = "/dead-letters/{id}", tag = OPERATIONAL, params(("id" = i64, Path)),
    responses((status = 204)))]
async fn discard(State(app): State<App>, _: Operator, ItemId(id): ItemId) -> Result<Answer, Problem> {
    let gone = sqlx::query("delete from dead_letter where id = $1").bind(id).execute(&app.db).await?;
    if gone.rows_affected() == 0 { Err(Problem::not_found("dead letter")) } else { Ok(hal::no_content()) }
}

/// Try a dead letter again; when it goes well, it is one no more.
#[utoipa::path(post, path = "/dead-letters/{id}/replay", tag = OPERATIONAL, params(("id" = i64, Path)),
    responses((status = 204)))]
async fn replay(
    Extension(consumer): Extension<Consumer>,
    _: Operator,
    ItemId(id): ItemId,
) -> Result<Answer, Problem> {
    match consumer.replay(id).await {
        Ok(true) => Ok(hal::no_content()),
        Ok(false) => Err(Problem::not_found("dead letter")),
        Err(error) => Err(Problem::new(
            StatusCode::CONFLICT,
            "still-at-fault",
            format!("The event fails again, and stays a dead letter: {error}."),
        )),
    }
}
