//! The log of a process: structured, with the request's and the trace's id on every line.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// For people.
    Pretty,
}

/// What is logged, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct LogSettings {
    /// What is logged: a level, or directives such as `info,deal=debug`.
    #[arg(long = "log", env = "RUST_LOG", default_value = "warn", value_name = "FILTER")]
    filter: String,
    /// How it is logged.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Pretty)]
    log_format: LogFormat,
}

impl LogSettings {
    /// Starts logging to stderr. A second call in a process changes nothing.
    pub fn start(&self) {
        let filter = EnvFilter::try_new(&self.filter).unwrap_or_else(|error| {
            eprintln!("RUST_LOG: {error}; logging warnings");
            EnvFilter::new("warn")
        });
        let registry = tracing_subscriber::registry().with(filter);
        let layer = fmt::layer().with_writer(std::io::stderr);
        // Fails only when something logs already, which is as good.
        let _ = match self.log_format {
            LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
            LogFormat::Pretty => registry.with(layer.with_target(false)).try_init(),
        };
    }
}
