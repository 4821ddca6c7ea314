//! Probes: `/livez` is the process, `/readyz` says that its database answers and that it is not stopping.
//! That Kafka is away does not make a service unready: its outbox takes the events.

use crate::{app::App, problem::Problem};
use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use std::{process::ExitCode, time::Duration};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The database has this long to answer a probe.
const PATIENCE: Duration = Duration::from_secs(1);

/// What probes are answered with, as the seeds' `/actuator/health` does.
pub fn up() -> Response {
    Json(json!({"status": "UP"})).into_response()
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

/// The routes of the probes of a service.
pub(crate) fn routes(shutdown: CancellationToken) -> Router<App> {
    let ready = get(|State(app): State<App>| async move {
        if shutdown.is_cancelled() {
            return Err(stopping());
        }
        // Migrations have run before the first request is taken.
        match timeout(PATIENCE, sqlx::query("select 1").execute(&app.db)).await {
            Ok(Ok(_)) => Ok(up()),
            _ => Err(Problem::unavailable("database-unavailable", "The database does not answer.", 1)),
        }
    });
    Router::new()
        .route("/livez", get(|| async { up() }))
        .route("/readyz", ready.clone())
        .route("/actuator/health", ready)
}
