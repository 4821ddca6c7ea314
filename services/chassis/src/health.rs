//! Probes: `/livez` is the process, `/readyz` says that its database answers and that it is not stopping.
//! That Kafka is away does not make a service unready: its outbox takes the events.

use crate::{
    app::App,
    metrics,
    openapi::OPERATIONAL,
    problem::{Problem, ProblemBody},
    server::Stopping,
};
use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse, Response},
};
use std::{process::ExitCode, time::Duration};
use tokio::time::timeout;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The database has this long to answer a probe.
const PATIENCE: Duration = Duration::from_secs(1);

/// What probes are answered with, as the seeds' `/actuator/health` does.
pub fn up() -> Response {
    Json(Health { status: "UP" }).into_response()
}

/// What readiness is answered with from the moment a process is told to stop.
pub fn stopping() -> Problem {
    Problem::unavailable("stopping", "It is stopping.", 1)
}

/// Asks the program that listens on `port` of this machine whether it is ready; says so by the exit code. It is the health
/// check of an image that has neither shell nor curl.
pub async fn ask(port: u16) -> ExitCode {
    let client = reqwest::Client::builder().no_proxy().timeout(2 * PATIENCE).build();
    let asked =
        async { client?.get(format!("http://127.0.0.1:{port}/readyz")).send().await?.error_for_status() };
    match asked.await {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What a probe is answered.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Health {
    /// `UP`.
    status: &'static str,
}

/// The process is there.
#[utoipa::path(get, path = "/livez", tag = OPERATIONAL, responses((status = 200, body = Health)))]
async fn livez() -> Response {
    up()
}

/// The service can answer: its database does.
#[utoipa::path(get, path = "/readyz", tag = OPERATIONAL, responses(
    (status = 200, body = Health),
    (status = 503, content_type = "application/problem+json", body = ProblemBody)))]
async fn readyz(
    State(app): State<App>,
    Extension(Stopping(stopping)): Extension<Stopping>,
) -> Result<Response, Problem> {
    if stopping.is_cancelled() {
        return Err(self::stopping());
    }
    // Migrations have run before the first request is taken.
    match timeout(PATIENCE, sqlx::query("select 1").execute(&app.db)).await {
        Ok(Ok(_)) => Ok(up()),
        _ => Err(Problem::unavailable("database-unavailable", "The database does not answer.", 1)),
    }
}

/// The same under the seeds' name.
#[utoipa::path(get, path = "/actuator/health", tag = OPERATIONAL, responses(
    (status = 200, body = Health),
    (status = 503, content_type = "application/problem+json", body = ProblemBody)))]
async fn health(app: State<App>, stopping: Extension<Stopping>) -> Result<Response, Problem> {
    readyz(app, stopping).await
}

/// What it has counted, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = OPERATIONAL, responses((status = 200, content_type = "text/plain", body = String)))]
async fn metrics(State(app): State<App>) -> Response {
    metrics::scrape_service(State(app)).await
}

/// The routes of the probes of a service.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(livez))
        .routes(routes!(readyz))
        .routes(routes!(health))
        .routes(routes!(metrics))
}
