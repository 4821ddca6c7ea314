//! What a service counts, as Prometheus reads it at `/metrics`. A value, not a global: several services may
//! run in one process.

use std::time::Duration;

use axum::{
    extract::State,
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder, core::Collector,
};

/// The metrics of one service; clones count into the same.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A registry with the requests' rate, errors and durations in it.
    pub fn new() -> Self {
        let fixed = "the names and labels of our own metrics are valid";
        let requests = Opts::new("http_requests_total", "Requests answered.");
        let requests = IntCounterVec::new(requests, &["method", "route", "status"]).expect(fixed);
        let durations =
            HistogramOpts::new("http_request_duration_seconds", "Time until the head of the answer.");
        let durations = HistogramVec::new(durations, &["method", "route"]).expect(fixed);
        let metrics = Self { registry: Registry::new(), requests, durations };
        metrics.register(metrics.requests.clone());
        metrics.register(metrics.durations.clone());
        metrics
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

    /// Counts one answered request. `route` is the template (`/posts/{id}`), never the path: what a client
    /// can choose freely must not become a label, or it fills the memory with time series. Nor may the method.
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

/// Handler of `GET /metrics`.
pub async fn scrape(State(metrics): State<Metrics>) -> Response {
    ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], metrics.render()).into_response()
}

/// What happens to events in one service.
#[derive(Debug, Clone)]
pub(crate) struct EventMetrics {
    pub(crate) published: IntCounter,
    pub(crate) reactions: IntCounter,
    pub(crate) retries: IntCounter,
    pub(crate) dead_letters: IntCounter,
}

impl EventMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let counter = |name, help| {
            let counter = IntCounter::new(name, help).expect("the names of our own metrics are valid");
            metrics.register(counter)
        };
        Self {
            published: counter("events_published_total", "Events that the bus has taken."),
            reactions: counter("events_reacted_total", "Events whose effect is committed."),
            retries: counter("reaction_retries_total", "Reactions that failed and were tried again."),
            dead_letters: counter("dead_letters_total", "Events that became dead letters."),
        }
    }
}
