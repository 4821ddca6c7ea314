//! How a request is followed through the system: its `X-Request-Id` for people, its [`Trace`] for tools, a span that
//! puts both on every log line, and a count of it.

use std::time::{Duration, Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use tracing::{Instrument, Span, field::Empty};
use uuid::Uuid;

use crate::{metrics::Metrics, trace::Trace};

/// `X-Request-Id`: taken from the client or made, handed on, answered and logged.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Probes and scrapes come every few seconds, and nobody looks for their traces.
const UNTRACED: [&str; 4] = ["/livez", "/readyz", "/actuator/health", "/metrics"];

/// An answer slower than this gets a line in the log.
const SLOW: Duration = Duration::from_secs(1);

/// The id of the request, in its extensions (`Extension<RequestId>`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// The client's own if it is fit for headers and logs of any kind, else a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
        let fit = |id: &&str| {
            let ordinary = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&byte);
            (1..=128).contains(&id.len()) && id.bytes().all(ordinary)
        };
        Self(given.filter(fit).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned))
    }
}

/// Middleware, the outermost one: id, trace, span and count of every request (`from_fn_with_state(metrics, observe)`).
///
/// A request that went well leaves no line in the log, which would cost as much as the request; metrics tell of it.
/// One that failed on our side or was slow leaves one.
pub async fn observe(State(metrics): State<Metrics>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let _in_flight = metrics.in_flight();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let id = RequestId::of(request.headers());
    let id_header = HeaderValue::from_str(&id.0).expect("an id is plain ASCII");

    let span = if UNTRACED.contains(&route) {
        Span::none()
    } else {
        tracing::info_span!(
            "request",
            otel.name = %format_args!("{method} {route}"),
            otel.kind = "server",
            otel.status_code = Empty,
            service.name = metrics.service(),
            http.request.method = %method,
            http.route = route,
            http.response.status_code = Empty,
            url.path = request.uri().path(),
            request_id = id.0,
            trace_id = Empty,
        )
    };
    let given = Trace::of_request(request.headers());
    if let Some(parent) = &given {
        parent.adopt(&span);
    }
    let trace = Trace::of_span(&span).or(given).unwrap_or_else(Trace::begin);
    span.record("trace_id", trace.id());

    let headers = request.headers_mut();
    headers.insert(X_REQUEST_ID, id_header.clone());
    trace.put(headers);
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(trace.clone());

    let uri = request.uri().clone();
    let mut response = next.run(request).instrument(span.clone()).await;

    response.headers_mut().insert(X_REQUEST_ID, id_header);
    let (status, took) = (response.status(), start.elapsed());
    metrics.answered(&method, route, status, took);
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    if status.is_server_error() || took > SLOW {
        // With all that finds the rest: by default the span is no part of the log.
        tracing::warn!(
            %method,
            path = uri.path(),
            status = status.as_u16(),
            milliseconds = took.as_millis() as u64,
            request_id = id.0,
            trace_id = trace.id(),
            "failed or slow"
        );
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_bytes(value.as_bytes()).unwrap())])
    }

    #[test]
    fn an_ordinary_request_id_is_kept_and_any_other_replaced() {
        let longest = "x".repeat(128);
        for kept in ["a", "01890a5d-ac96-774b-bcce-b302099a8057", "Root=1-67891233:abc/def+g=", &longest] {
            assert_eq!(RequestId::of(&headers(X_REQUEST_ID, kept)).0, kept);
        }
        for replaced in ["", "two words", "<script>", "\"", "a,b", "한글", &"x".repeat(129)] {
            let id = RequestId::of(&headers(X_REQUEST_ID, replaced)).0;
            assert_eq!(Uuid::parse_str(&id).unwrap().get_version_num(), 7, "for {replaced:?}");
        }
    }
}
