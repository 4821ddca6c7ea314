//! The views made anew, for operators: on the service's own port, never through the gateway.

use crate::{rebuild::Rebuild, store};
use axum::{
    Extension,
    extract::State,
    http::{StatusCode, Uri},
};
use chassis::{
    app::App,
    caller::{Caller, Operator},
    hal,
    idempotency::Answer,
    openapi::OPERATIONAL,
    problem::Problem,
    server::Stopping,
};
use serde::Serialize;
use shared_events::WireDate;
use utoipa::ToSchema;

/// A rebuild: how far it is, and what came of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Rebuild)]
struct RebuildBody {
    /// `running`, `done`, `failed` (see `error`), or `interrupted`: the service ended before it did. Only what is
    /// done has changed anything.
    state: String,
    #[schema(value_type = String, format = DateTime)]
    started_at: WireDate,
    /// Events in the history when it started.
    total: i64,
    replayed: i64,
    /// Rows that were wrong, or should not have been there.
    removed: Option<i64>,
    /// Rows that took their place, or were missing.
    written: Option<i64>,
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<WireDate>,
    error: Option<String>,
}

/// Starts one: 202, or 409 `rebuild-in-progress`. It takes a while, so `GET /rebuild` tells what becomes of it.
#[utoipa::path(post, path = "/rebuild", tag = OPERATIONAL, responses((status = 202, body = RebuildBody)))]
pub(crate) async fn start(
    State(app): State<App>,
    Extension(Stopping(stopping)): Extension<Stopping>,
    Operator(caller): Operator,
    uri: Uri,
) -> Result<Answer, Problem> {
    let rebuild = Rebuild::begin(&app).await?.ok_or_else(|| {
        Problem::new(StatusCode::CONFLICT, "rebuild-in-progress", "The views are being rebuilt already.")
    })?;
    // On its own: a client that goes away does not end it, a service that is told to stop does.
    tokio::spawn(async move {
        if let Some(Err(error)) = stopping.run_until_cancelled(rebuild.run()).await {
            // Logs it; there is nobody to be answered any more.
            let _ = Problem::from(error);
        }
    });
    let answer = latest(&app, &caller, &uri).await?;
    Ok(Answer { status: StatusCode::ACCEPTED, location: Some(caller.base.href(uri.path())), ..answer })
}

/// The latest rebuild; 404 where there was none.
#[utoipa::path(get, path = "/rebuild", tag = OPERATIONAL, responses((status = 200, body = RebuildBody)))]
pub(crate) async fn read(
    State(app): State<App>,
    Operator(caller): Operator,
    uri: Uri,
) -> Result<Answer, Problem> {
    latest(&app, &caller, &uri).await
}

async fn latest(app: &App, caller: &Caller, uri: &Uri) -> Result<Answer, Problem> {
    let latest = store::rebuild::latest(&app.db).await?.ok_or_else(|| Problem::not_found("rebuild"))?;
    let body = RebuildBody {
        state: latest.state,
        started_at: latest.started_at.into(),
        total: latest.total,
        replayed: latest.replayed,
        removed: latest.removed,
        written: latest.written,
        finished_at: latest.finished_at.map(Into::into),
        error: latest.error,
    };
    Ok(hal::document(&caller.base, "rebuild", uri.path(), &body))
}
