//! What the gateway can be told, by flags or by environment variables.

use std::time::Duration;

use axum::http::Uri;
use chassis::{auth::AuthSettings, telemetry::LogSettings, wire::duration};
use clap::{Args, Parser};

use crate::{breaker, rate};

/// The gateway: one address for the five services.
#[derive(Debug, Clone, Parser)]
#[command(name = "gateway", version)]
pub struct Config {
    /// The address to listen on.
    #[arg(long, env, default_value = "127.0.0.1")]
    pub host: String,
    /// The port to listen on; 0 picks a free one.
    #[arg(long, env, default_value_t = 8088)]
    pub port: u16,
    /// Where the services are.
    #[command(flatten)]
    pub upstreams: Upstreams,
    /// How many requests may wait for an answer at once; more are told to come back (503).
    #[arg(long, env, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_in_flight: u32,
    /// How many of them may wait for the same service, so that one that hangs does not take the places of the others'.
    #[arg(long, env, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_in_flight_per_service: u32,
    /// How many connections may be open; more wait until one is closed. Each takes a file descriptor, and its request
    /// another one.
    #[arg(long, env, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: u32,
    /// How long a client may take over the head of a request, and again over its body; how long an unused connection is
    /// kept, and three times as long an answer that is not read.
    #[arg(long, env, default_value = "10s", value_parser = duration)]
    pub client_timeout: Duration,
    /// How long a service may take to begin its answer; the body may take as long as it wants.
    #[arg(long, env, default_value = "10s", value_parser = duration)]
    pub request_timeout: Duration,
    /// How long a connection to a service may take.
    #[arg(long, env, default_value = "1s", value_parser = duration)]
    pub connect_timeout: Duration,
    /// How long a service that cannot be connected to is waited for: as long as its restart takes. After that its requests
    /// fail at once, until it is back.
    #[arg(long, env, default_value = "3s", value_parser = duration)]
    pub restart_patience: Duration,
    /// Believe the X-Forwarded-* headers of whoever connects. Only behind an ingress that sets them itself: by
    /// default the gateway is the edge, and overwrites what a client claims there.
    #[arg(long, env)]
    pub trust_forwarded: bool,
    /// How much one address and one user may ask.
    #[command(flatten)]
    pub rate: rate::RateSettings,
    /// The circuit breakers.
    #[command(flatten)]
    pub breaker: breaker::Settings,
    /// Who callers are.
    #[command(flatten)]
    pub auth: AuthSettings,
    /// The log.
    #[command(flatten)]
    pub log: LogSettings,
    /// Only ask the one that runs already, on this port, whether it is ready; the exit code is the answer.
    #[arg(long)]
    pub health: bool,
}

/// The base URLs of the services: `http://host:port`, nothing after it.
#[derive(Debug, Clone, Args)]
pub struct Upstreams {
    /// Where the post service is.
    #[arg(long = "post-url", env = "POST_URL", default_value = "http://localhost:8082", value_parser = base_url)]
    pub post: Uri,
    /// Where the offer service is.
    #[arg(long = "offer-url", env = "OFFER_URL", default_value = "http://localhost:8083", value_parser = base_url)]
    pub offer: Uri,
    /// Where the deal service is.
    #[arg(long = "deal-url", env = "DEAL_URL", default_value = "http://localhost:8084", value_parser = base_url)]
    pub deal: Uri,
    /// Where the mypage service is.
    #[arg(long = "mypage-url", env = "MYPAGE_URL", default_value = "http://localhost:8085", value_parser = base_url)]
    pub mypage: Uri,
    /// Where the notification service is.
    #[arg(
        long = "notification-url",
        env = "NOTIFICATION_URL",
        default_value = "http://localhost:8086",
        value_parser = base_url
    )]
    pub notification: Uri,
}

impl Config {
    /// For a gateway inside of another process: no flags, the environment and the defaults.
    pub fn from_env(upstreams: Upstreams) -> Self {
        Self { upstreams, ..Self::parse_from(["gateway"]) }
    }
}

/// A base URL as [`Upstreams`] wants it.
pub fn base_url(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
    let plain = uri.scheme_str() == Some("http") && uri.authority().is_some();
    // A path would decide where a request goes; here its own path does, and nothing else.
    if plain && uri.path() == "/" && uri.query().is_none() {
        Ok(uri)
    } else {
        Err("expected http://host:port, nothing after it".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_scheme_host_and_port() {
        for good in ["http://localhost:8082", "http://post/", "http://[::1]:80"] {
            assert!(base_url(good).is_ok(), "{good}");
        }
        for bad in ["localhost:8082", "/posts", "https://post", "http://post/api", "http://post/?q", ""] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }
}
