//! A service from its parts: what `main` of each of them does, and what `standalone` does five times.

use crate::{
    app::App,
    auth::{AuthMode, AuthSettings, Verifier},
    bus::{Bus, KafkaSettings, kafka},
    dead_letter, health,
    idempotency::KEPT_HOURS,
    inbox::{Consumer, Reactions},
    metrics::{EventMetrics, Metrics, StoreMetrics},
    openapi, outbox,
    problem::{Problem, method_not_allowed, name_instance, no_such_path},
    request_id, server,
    settings::OwnSettings,
    store,
    telemetry::LogSettings,
    upstream::Upstream,
};
use axum::{Extension, Json, Router, middleware, routing::get};
use clap::{CommandFactory, FromArgMatches, Parser};
use futures::future::BoxFuture;
use sqlx::{migrate::Migrator, postgres::PgConnectOptions};
use std::{error::Error, process::ExitCode, sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinSet, time};
use tokio_util::sync::CancellationToken;
use utoipa::openapi::{Info, OpenApi, Paths};
use utoipa_axum::router::OpenApiRouter;

/// What makes a service: everything else is plumbing.
#[derive(Clone)]
pub struct Service {
    /// Its name: role, schema, consumer group, event source.
    pub name: &'static str,
    /// The port it listens on unless told otherwise.
    pub port: u16,
    /// Its own tables.
    pub migrations: &'static Migrator,
    /// Path → handler.
    pub routes: fn() -> OpenApiRouter<App>,
    /// Consumed event → reaction.
    pub reactions: Reactions,
    /// What time alone brings about, such as an offer that expires.
    pub sweep: Option<Sweep>,
    /// Its own options.
    pub settings: OwnSettings,
}

/// Does what is due. Every replica runs it every second, so it takes its rows with `for update skip locked`.
pub type Sweep = for<'a> fn(&'a App) -> BoxFuture<'a, Result<(), Problem>>;

/// How often a service looks for what is due.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How a service on its own is configured.
#[derive(Debug, Parser)]
struct Settings {
    /// Address to listen on.
    #[arg(long, env = "HOST", default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 picks a free one.
    #[arg(long, env = "PORT")]
    port: Option<u16>,
    /// PostgreSQL, as the service's own role.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: PgConnectOptions,
    /// PostgreSQL as an administrator: creates the service's role and schema first, when they are absent.
    #[arg(long, env = "DATABASE_ADMIN_URL", hide_env_values = true)]
    database_admin_url: Option<PgConnectOptions>,
    /// Connections to PostgreSQL. More than 16 only add latency.
    #[arg(long, env = "DATABASE_POOL", default_value_t = 10)]
    database_pool: u32,
    #[command(flatten)]
    kafka: KafkaSettings,
    /// The gateway, through which other services are asked.
    #[arg(long, env = "GATEWAY_URL", default_value = "http://localhost:8088")]
    gateway_url: String,
    #[command(flatten)]
    auth: AuthSettings,
    #[command(flatten)]
    log: LogSettings,
    /// Only ask the one that runs already, on this port, whether it is ready; the exit code is the answer.
    #[arg(long)]
    health: bool,
}

/// The whole `main` of a service.
pub fn main(service: fn() -> Service) -> ExitCode {
    let service = service();
    let mut command = service.augment(Settings::command().name(service.name));
    command = command.mut_arg("port", |port| port.default_value(service.port.to_string()));
    let matches = command.get_matches();
    let settings = Settings::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let service = service.told(&matches).unwrap_or_else(|error| error.exit());
    let name = service.name;
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(async {
            if settings.health {
                return health::ask(settings.port.unwrap_or(service.port)).await;
            }
            let telemetry = settings.log.start();
            let ended = alone(service, settings).await;
            telemetry.stop().await;
            match ended {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("{name}: {error}");
                    ExitCode::FAILURE
                }
            }
        }),
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn alone(service: Service, settings: Settings) -> Result<(), Box<dyn Error>> {
    let verifier = Verifier::new(&settings.auth)?;
    let (name, shutdown) = (service.name, server::shutdown_on_signals());
    let listener = server::bind(&settings.host, settings.port.unwrap_or(service.port)).await?;
    let prepare = async {
        if let Some(administrator) = &settings.database_admin_url {
            store::provision(administrator, name).await?;
        }
        service.prepare(settings.database_url, settings.database_pool, &settings.gateway_url, verifier).await
    };
    let prepared = match shutdown.run_until_cancelled(prepare).await {
        Some(prepared) => prepared?,
        None => return Ok(()),
    };
    let bus = Bus::kafka(&settings.kafka)?;
    let identity = match settings.auth.auth {
        AuthMode::Open => "AUTH=open: whom a request names is believed",
        AuthMode::Jwt => "AUTH=jwt",
    };
    eprintln!("{name} listens on http://{} ({identity})", listener.local_addr()?);
    prepared.run(listener, bus, Some(settings.kafka), shutdown).await;
    Ok(())
}

/// A service with its database open and migrated, ready to run.
pub struct Prepared {
    service: Service,
    /// What its handlers share.
    pub app: App,
    /// Its reactions.
    pub consumer: Consumer,
}

impl Service {
    /// Opens the database and brings the schema up to date.
    ///
    /// # Errors
    /// The database cannot be reached, a migration failed, or the environment sets its own options to nonsense.
    pub async fn prepare(
        self,
        database: PgConnectOptions,
        pool_size: u32,
        gateway_url: &str,
        auth: Verifier,
    ) -> Result<Prepared, Box<dyn Error>> {
        let settings = Arc::new(self.own_settings()?);
        let db = store::open(database, self.name, pool_size, self.migrations).await?;
        let metrics = Metrics::new(self.name);
        let app = App {
            name: self.name,
            db,
            upstream: Upstream::new(self.name, gateway_url)?,
            auth,
            settings,
            events: Arc::new(EventMetrics::new(&metrics)),
            stored: StoreMetrics::new(&metrics, pool_size),
            metrics,
            outbox: Arc::default(),
        };
        let consumer = Consumer::new(app.clone(), self.reactions);
        Ok(Prepared { service: self, app, consumer })
    }
}

impl Prepared {
    /// Everything the service answers.
    pub fn router(&self, shutdown: CancellationToken) -> Router {
        let info = Info::new(self.service.name, env!("CARGO_PKG_VERSION"));
        let api = OpenApiRouter::with_openapi(OpenApi::new(info, Paths::new()))
            .merge((self.service.routes)())
            .merge(dead_letter::routes());
        let (routes, api) = api.split_for_parts();
        let (probes, probes_api) = health::routes().split_for_parts();
        let document = openapi::document(api, probes_api);
        routes
            .merge(probes)
            .route("/openapi.json", get(async move || Json(document)))
            .method_not_allowed_fallback(method_not_allowed)
            .fallback(no_such_path)
            .with_state(self.app.clone())
            .layer(Extension(self.consumer.clone()))
            .layer(Extension(server::Stopping(shutdown)))
            .layer(middleware::from_fn_with_state(server::BodyLimit::SERVICE, server::limit_body))
            .layer(middleware::from_fn(name_instance))
            .layer(server::catch_panic())
            .layer(middleware::from_fn_with_state(self.app.metrics.clone(), request_id::observe))
    }

    /// Serves, relays and reacts until `shutdown`, then finishes: requests first, then what they published.
    /// With `consume`, reactions are fed from Kafka; otherwise the local bus feeds them.
    pub async fn run(
        self,
        listener: TcpListener,
        bus: Bus,
        consume: Option<KafkaSettings>,
        shutdown: CancellationToken,
    ) {
        let router = self.router(shutdown.clone());
        let requests_done = CancellationToken::new();
        let mut workers = JoinSet::new();
        workers.spawn(outbox::relay(self.app.clone(), bus, requests_done.clone()));
        workers.spawn(tidy(self.app.clone(), requests_done.clone()));
        if let Some(sweep) = self.service.sweep {
            workers.spawn(keep_sweeping(self.app.clone(), sweep, shutdown.clone()));
        }
        if let Some(kafka_settings) = consume {
            workers.spawn(kafka::consume(self.consumer, kafka_settings, requests_done.clone()));
        }
        if let Err(error) = server::serve(listener, router, shutdown).await {
            tracing::error!(service = self.service.name, %error, "the server ended");
        }
        requests_done.cancel();
        workers.join_all().await;
    }
}

/// Forgets answers that nobody may ask for again.
async fn tidy(app: App, stop: CancellationToken) {
    let mut hourly = time::interval(Duration::from_secs(3600));
    while stop.run_until_cancelled(hourly.tick()).await.is_some() {
        let old =
            sqlx::query("delete from idempotency where created_at < now() - make_interval(hours => $1)");
        if let Err(error) = old.bind(KEPT_HOURS).execute(&app.db).await {
            tracing::warn!(service = app.name, %error, "old answers were not forgotten");
        }
    }
}

/// Sweeps until the service stops. What fails is due still, and is tried again; a row of failures is logged once.
async fn keep_sweeping(app: App, sweep: Sweep, stop: CancellationToken) {
    let mut due = time::interval(SWEEP_EVERY);
    due.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let mut failing = false;
    while stop.run_until_cancelled(due.tick()).await.is_some() {
        // Not cut short by `stop`: a sweep's transaction is small, and its calls have time-outs.
        match sweep(&app).await {
            Ok(()) => failing = false,
            Err(problem) if !failing => {
                failing = true;
                tracing::warn!(service = app.name, code = problem.code(), "sweep failed; it is tried again");
            }
            Err(_) => {}
        }
    }
}
