//! What a process tells of itself: its log, and, where a collector is configured, its traces.

use async_trait::async_trait;
use futures::future::join_all;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, RetryPolicy, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{SdkTracer, SdkTracerProvider, SpanData, SpanExporter},
};
use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::{runtime::Handle, sync::Mutex};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

/// How long a stopping process waits for the last spans to be taken.
const FLUSH: Duration = Duration::from_secs(1);

/// The attribute by which a span says whose it is: several services may share a process, and its one exporter.
const SERVICE: &str = "service.name";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// For people.
    Pretty,
}

/// What is logged and traced, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct LogSettings {
    /// What is logged: a level, or directives such as `info,deal=debug`.
    #[arg(long = "log", env = "RUST_LOG", default_value = "warn", value_name = "FILTER")]
    filter: String,
    /// How it is logged.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Pretty)]
    log_format: LogFormat,
    /// An OpenTelemetry collector, such as http://localhost:4318, that takes traces over OTLP/HTTP; without it none are
    /// made. The other standard variables, such as `OTEL_TRACES_SAMPLER`, are heeded too.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
}

/// What has to be stopped for the last of the traces to be told.
#[must_use]
#[derive(Debug, Default)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

impl LogSettings {
    /// Starts logging to stderr, and tracing. A second call in a process changes nothing.
    ///
    /// # Panics
    /// Outside of a tokio runtime, when there is a collector.
    pub fn start(&self) -> Telemetry {
        let filter = EnvFilter::try_new(&self.filter).unwrap_or_else(|error| {
            eprintln!("RUST_LOG: {error}; logging warnings");
            EnvFilter::new("warn")
        });
        let provider = self.otlp_endpoint.as_deref().filter(|url| !url.is_empty()).and_then(|url| {
            provider(url).inspect_err(|error| eprintln!("OTEL_EXPORTER_OTLP_ENDPOINT: {error}")).ok()
        });
        let lines = fmt::layer().with_writer(std::io::stderr);
        let lines = match self.log_format {
            LogFormat::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
            LogFormat::Pretty => lines.with_target(false).with_filter(filter).boxed(),
        };
        let mut layers = vec![lines];
        layers.extend(provider.as_ref().map(|provider| spans(provider.tracer(env!("CARGO_PKG_NAME")))));
        // Fails only when something logs already, which is as good.
        let _ = tracing_subscriber::registry().with(layers).try_init();
        Telemetry { provider }
    }
}

impl Telemetry {
    /// Hands the last spans over, unless that takes longer than a second: they are not worth more.
    pub async fn stop(self) {
        if let Some(provider) = self.provider {
            // Its own thread sends; this one only waits for it.
            let _ = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH)).await;
        }
    }
}

/// Spans of our own, whatever is logged. What happened meanwhile becomes an event of the span: the statements, which sqlx
/// tells at debug level with their time, and warnings.
fn spans(tracer: SdkTracer) -> Box<dyn Layer<Registry> + Send + Sync> {
    let ours = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_targets([("chassis", LevelFilter::INFO), ("gateway", LevelFilter::INFO)])
        .with_target("sqlx::query", LevelFilter::DEBUG);
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        // Nothing here looks for OpenTelemetry's own current context; the current span is enough.
        .with_context_activation(false)
        .with_filter(ours)
        .boxed()
}

/// Sampling, limits, batching and the resource's attributes are the SDK's, by its environment variables.
fn provider(url: &str) -> Result<SdkTracerProvider, Box<dyn std::error::Error>> {
    let client = Client {
        http: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?,
        runtime: Handle::current(),
    };
    let exporter = ByService {
        endpoint: format!("{}/v1/traces", url.trim_end_matches('/')),
        client,
        exporters: Mutex::default(),
        failing: AtomicBool::new(false),
    };
    // A mistake in the URL is told at the start.
    exporter.build("check")?;
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).build())
}

/// An OTLP exporter for each service of the process: OTLP knows the service as the sender's name, not as a span's.
#[derive(Debug)]
struct ByService {
    endpoint: String,
    client: Client,
    exporters: Mutex<HashMap<String, opentelemetry_otlp::SpanExporter>>,
    failing: AtomicBool,
}

impl ByService {
    fn build(&self, service: &str) -> Result<opentelemetry_otlp::SpanExporter, ExporterBuildError> {
        let mut exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_endpoint(&self.endpoint)
            .with_http_client(self.client.clone())
            // A retry sleeps on the one thread that exports, and loses later spans for the sake of older ones.
            .with_retry_policy(RetryPolicy::disabled())
            .build()?;
        // OTEL_SERVICE_NAME names the whole process.
        let resource = Resource::builder();
        let resource = match std::env::var("OTEL_SERVICE_NAME") {
            Ok(name) if !name.is_empty() => resource,
            _ => resource.with_service_name(service.to_owned()),
        };
        exporter.set_resource(&resource.build());
        Ok(exporter)
    }
}

impl SpanExporter for ByService {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut services: HashMap<String, Vec<SpanData>> = HashMap::new();
        for mut span in batch {
            let named = span.attributes.iter().position(|attribute| attribute.key.as_str() == SERVICE);
            let service = named.map(|at| span.attributes.swap_remove(at).value.to_string());
            services.entry(service.unwrap_or_default()).or_default().push(span);
        }
        let mut exporters = self.exporters.lock().await;
        for service in services.keys() {
            if !exporters.contains_key(service) {
                let built = self.build(service);
                let built = built.map_err(|error| OTelSdkError::InternalFailure(error.to_string()))?;
                exporters.insert(service.clone(), built);
            }
        }
        let sent = join_all(services.into_iter().map(|(name, spans)| exporters[&name].export(spans))).await;
        // What is not taken is lost, and nobody waits for it. One line tells of a row of failures.
        match sent.into_iter().find_map(Result::err) {
            None => self.failing.store(false, Ordering::Relaxed),
            Some(error) if !self.failing.swap(true, Ordering::Relaxed) => {
                tracing::warn!(%error, endpoint = self.endpoint, "traces are not taken, and are dropped");
            }
            Some(_) => {}
        }
        Ok(())
    }
}

/// The HTTP client that is here already. The SDK's exporting thread is none of tokio's, and it is that which this client
/// needs; opentelemetry-http's own would bring a second, blocking one with a runtime of its own.
#[derive(Debug, Clone)]
struct Client {
    http: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let http = self.http.clone();
        let sent = self.runtime.spawn(async move {
            let mut response = http.execute(request).await?;
            let mut answer = Response::builder().status(response.status());
            if let Some(headers) = answer.headers_mut() {
                *headers = std::mem::take(response.headers_mut());
            }
            Ok::<_, reqwest::Error>((answer, response.bytes().await?))
        });
        let (answer, body) = sent.await??;
        Ok(answer.body(body)?)
    }
}
