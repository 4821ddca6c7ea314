//! What a service counts, as Prometheus reads it at `/metrics`. A value, not a global: several services may
//! run in one process.
//!
//! Units are base units, labels are bounded: what a client can choose freely must not become one, or it fills the memory
//! with time series.

use std::time::Duration;

use axum::{
    extract::State,
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use prometheus::{
    Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder, core::Collector,
};
use shared_events::{Envelope, WireDate};
use sqlx::PgPool;
use tokio::time::timeout;

use crate::app::App;

/// Why what makes a metric cannot fail.
const FIXED: &str = "the names and labels of our own metrics are valid";

/// The database has this long to answer a scrape.
const PATIENCE: Duration = Duration::from_secs(1);

/// The metrics of one service; clones count into the same.
#[derive(Debug, Clone)]
pub struct Metrics {
    service: &'static str,
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    in_flight: IntGauge,
}

impl Metrics {
    /// A registry with the requests' rate, errors and durations in it, the process's use of the machine, and what was
    /// built.
    pub fn new(service: &'static str) -> Self {
        let requests = Opts::new("http_requests_total", "Requests answered.");
        let durations =
            HistogramOpts::new("http_request_duration_seconds", "Time until the head of the answer.");
        let in_flight = IntGauge::new("http_requests_in_flight", "Requests whose answer has not begun.");
        let metrics = Self {
            service,
            registry: Registry::new(),
            requests: IntCounterVec::new(requests, &["method", "route", "status"]).expect(FIXED),
            durations: HistogramVec::new(durations, &["method", "route"]).expect(FIXED),
            in_flight: in_flight.expect(FIXED),
        };
        metrics.register(metrics.requests.clone());
        metrics.register(metrics.durations.clone());
        metrics.register(metrics.in_flight.clone());

        let built = IntGaugeVec::new(Opts::new("service_build_info", "What runs."), &["version"]);
        let built = metrics.register(built.expect(FIXED));
        built.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        #[cfg(target_os = "linux")]
        metrics
            .registry
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .expect("every metric is registered once");
        metrics
    }

    /// Whose they are.
    pub fn service(&self) -> &'static str {
        self.service
    }

    /// Where others put what they count.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Adds a collector and hands it back.
    ///
    /// # Panics
    /// When its name is there already: a mistake in the program, seen at its start.
    pub fn register<C: Collector + Clone + 'static>(&self, collector: C) -> C {
        self.registry.register(Box::new(collector.clone())).expect("every metric is registered once");
        collector
    }

    /// Counts a request for as long as it is kept.
    #[must_use]
    pub fn in_flight(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Counts one answered request. `route` is the template (`/posts/{id}`), never the path.
    pub fn answered(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let method = match method.as_str() {
            known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known,
            _ => "other",
        };
        self.requests.with_label_values(&[method, route, status.as_str()]).inc();
        self.durations.with_label_values(&[method, route]).observe(took.as_secs_f64());
    }

    /// Everything counted so far, in Prometheus' text format.
    pub fn render(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_else(|error| format!("# {error}\n"))
    }
}

/// A request, until its answer begins or its client goes.
#[derive(Debug)]
pub struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Handler of `GET /metrics`.
pub async fn scrape(State(metrics): State<Metrics>) -> Response {
    ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], metrics.render()).into_response()
}

/// Handler of a service's `GET /metrics`: looks what is stored first.
pub(crate) async fn scrape_service(State(app): State<App>) -> Response {
    app.stored.look(&app.db).await;
    scrape(State(app.metrics)).await
}

/// What happens to events in one service.
#[derive(Debug)]
pub(crate) struct EventMetrics {
    committed: IntCounterVec,
    pub(crate) published: IntCounter,
    reactions: HistogramVec,
    delays: HistogramVec,
    pub(crate) retries: IntCounter,
    pub(crate) dead_letters: IntCounter,
    /// For Kafka alone: the local bus has no partitions.
    pub(crate) lag: IntGaugeVec,
}

impl EventMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let counter = |name, help| metrics.register(IntCounter::new(name, help).expect(FIXED));
        let histogram = |name, help, buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            metrics.register(HistogramVec::new(options, &["event"]).expect(FIXED))
        };
        let committed = Opts::new("events_committed_total", "Events committed with what they tell, by type.");
        let lag =
            Opts::new("kafka_consumer_lag_events", "Events of a partition that wait for their reaction.");
        Self {
            committed: metrics.register(IntCounterVec::new(committed, &["event"]).expect(FIXED)),
            published: counter("events_published_total", "Events that the bus has taken."),
            reactions: histogram(
                "reaction_duration_seconds",
                "Time of the transaction in which an event had its effect.",
                prometheus::DEFAULT_BUCKETS,
            ),
            delays: histogram(
                "reaction_delay_seconds",
                "Time from an event until it had its effect.",
                &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0],
            ),
            retries: counter("reaction_retries_total", "Reactions that failed and were tried again."),
            dead_letters: counter("dead_letters_total", "Events that became dead letters."),
            lag: metrics.register(IntGaugeVec::new(lag, &["partition"]).expect(FIXED)),
        }
    }

    pub(crate) fn committed(&self, events: &[Envelope]) {
        for event in events {
            self.committed.with_label_values(&[&event.event_type]).inc();
        }
    }

    pub(crate) fn reacted(&self, events: &[&Envelope], took: Duration) {
        let now = WireDate::now().epoch_millis();
        for event in events {
            let label = [&event.event_type];
            self.reactions.with_label_values(&label).observe(took.as_secs_f64());
            let milliseconds = (now - event.time.epoch_millis()).max(0);
            self.delays.with_label_values(&label).observe(milliseconds as f64 / 1000.0);
        }
    }
}

/// What waits in the database of one service, and the connections to it. Looked at when somebody scrapes: exact, and
/// free when nobody does.
#[derive(Debug, Clone)]
pub(crate) struct StoreMetrics {
    up: IntGauge,
    waiting: Gauge,
    oldest: Gauge,
    dead_letters: Gauge,
    connections: IntGaugeVec,
}

impl StoreMetrics {
    pub(crate) fn new(metrics: &Metrics, pool_size: u32) -> Self {
        let gauge = |name, help| metrics.register(Gauge::new(name, help).expect(FIXED));
        let up = IntGauge::new("database_up", "Whether the database has answered this scrape in a second.");
        let connections = Opts::new("database_pool_connections", "Connections to the database.");
        let max = IntGauge::new("database_pool_connections_limit", "As many are opened, and no more.");
        metrics.register(max.expect(FIXED)).set(pool_size.into());
        Self {
            up: metrics.register(up.expect(FIXED)),
            waiting: gauge("outbox_events_waiting", "Events that the bus has not taken yet, up to 100000."),
            oldest: gauge("outbox_oldest_event_age_seconds", "Age of the oldest of them, 0 without any."),
            dead_letters: gauge("dead_letters_waiting", "Dead letters to be looked at, up to 100000."),
            connections: metrics.register(IntGaugeVec::new(connections, &["state"]).expect(FIXED)),
        }
    }

    async fn look(&self, db: &PgPool) {
        // Before the question, which takes a connection itself.
        let idle = i64::try_from(db.num_idle()).unwrap_or(i64::MAX);
        self.connections.with_label_values(&["idle"]).set(idle);
        self.connections.with_label_values(&["in_use"]).set((i64::from(db.size()) - idle).max(0));

        // Bounded, because a count reads every row.
        let question = sqlx::query_as(
            "select (select count(*) from (select from outbox limit 100000) as waiting)::float8,
                    greatest((select extract(epoch from clock_timestamp() - happened_at)
                              from outbox order by id limit 1), 0)::float8,
                    (select count(*) from (select from dead_letter limit 100000) as dead)::float8",
        );
        let answer = timeout(PATIENCE, question.fetch_one(db)).await;
        self.up.set(matches!(answer, Ok(Ok(_))).into());
        // What is not known is no number: an old one would look like the truth.
        let (waiting, oldest, dead): (f64, f64, f64) =
            answer.ok().and_then(Result::ok).unwrap_or((f64::NAN, f64::NAN, f64::NAN));
        self.waiting.set(waiting);
        self.oldest.set(oldest);
        self.dead_letters.set(dead);
    }
}
