//! How a request is followed through the system: its `X-Request-Id` for people, its W3C `traceparent` for tools,
//! a span that puts both on every log line, and a count of it.

use std::time::{Duration, Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use tracing::Instrument;
use uuid::Uuid;

use crate::metrics::Metrics;

/// `X-Request-Id`: taken from the client or made, handed on, answered and logged.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// `traceparent` of W3C Trace Context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// An answer slower than this gets a line in the log.
const SLOW: Duration = Duration::from_secs(1);

/// The id of the request, in its extensions (`Extension<RequestId>`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

/// Where the request stands in its trace, in its extensions (`Extension<Trace>`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The header's value for whatever is sent on behalf of the request: requests and events.
    pub traceparent: String,
}

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

impl Trace {
    /// A step further in the client's trace, or the first step of a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
        // The last half of a version 7 UUID is random, which is what makes a span's id.
        let span = || Uuid::now_v7().as_u64_pair().1;
        let traceparent = match given.and_then(trace_and_flags) {
            Some((trace_id, flags)) => format!("00-{trace_id}-{:016x}-{flags}", span()),
            None => format!("00-{}-{:016x}-01", Uuid::now_v7().simple(), span()),
        };
        Self { traceparent }
    }

    /// The id that all of a trace share.
    pub fn trace_id(&self) -> &str {
        self.traceparent.get(3..35).unwrap_or_default()
    }
}

/// The trace id and the flags of a `traceparent`, if it is a valid one. Later versions may be longer, and are read as
/// if they were the first, as the specification asks.
fn trace_and_flags(traceparent: &str) -> Option<(&str, &str)> {
    let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let some_bit = |text: &str| text.bytes().any(|byte| byte != b'0');
    let mut parts = traceparent.splitn(5, '-');
    let (version, trace_id, span_id) = (parts.next()?, parts.next()?, parts.next()?);
    let flags = parts.next()?;
    let valid = [(version, 2), (trace_id, 32), (span_id, 16), (flags, 2)]
        .iter()
        .all(|(part, length)| part.len() == *length && hex(part))
        && version != "ff"
        && (version != "00" || parts.next().is_none())
        && some_bit(trace_id)
        && some_bit(span_id);
    valid.then_some((trace_id, flags))
}

/// Middleware, the outermost one: id, trace, span and count of every request (`from_fn_with_state(metrics, observe)`).
///
/// A request that went well leaves no line in the log, which would cost as much as the request; metrics tell of it.
/// One that failed on our side or was slow leaves one.
pub async fn observe(State(metrics): State<Metrics>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let id = RequestId::of(request.headers());
    let trace = Trace::of(request.headers());
    let id_header = HeaderValue::from_str(&id.0).expect("an id is plain ASCII");
    let span = tracing::info_span!(
        "request", %method, path = request.uri().path(), request_id = id.0, trace_id = trace.trace_id(),
    );

    let headers = request.headers_mut();
    headers.insert(X_REQUEST_ID, id_header.clone());
    let parent = HeaderValue::from_str(&trace.traceparent).expect("a traceparent is plain ASCII");
    let given = headers.insert(TRACEPARENT, parent);
    if !given.is_some_and(|given| given.to_str().is_ok_and(|given| given.contains(trace.trace_id()))) {
        // It belongs to a trace that is not this one.
        headers.remove(TRACESTATE);
    }
    request.extensions_mut().insert(id);
    request.extensions_mut().insert(trace);

    let mut response = next.run(request).instrument(span.clone()).await;

    response.headers_mut().insert(X_REQUEST_ID, id_header);
    let (status, took) = (response.status(), start.elapsed());
    metrics.answered(&method, route.as_ref().map_or("none", MatchedPath::as_str), status, took);
    if status.is_server_error() || took > SLOW {
        let milliseconds = took.as_millis() as u64;
        span.in_scope(|| tracing::warn!(status = status.as_u16(), milliseconds, "failed or slow"));
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

    #[test]
    fn a_valid_traceparent_is_continued_with_a_span_of_its_own() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for given in [format!("00-{id}-00f067aa0ba902b7-00"), format!("cc-{id}-00f067aa0ba902b7-00-later")] {
            let trace = Trace::of(&headers(TRACEPARENT, &given));
            assert_eq!(trace.trace_id(), id);
            assert!(trace.traceparent.starts_with("00-") && trace.traceparent.ends_with("-00"));
            assert!(!trace.traceparent.contains("00f067aa0ba902b7"));
        }
    }

    #[test]
    fn an_invalid_traceparent_starts_a_new_trace() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for given in [
            String::new(),
            format!("00-{id}-00f067aa0ba902b7"),
            format!("00-{id}-00f067aa0ba902b7-01-more"),
            format!("ff-{id}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{id}-0000000000000000-01"),
        ] {
            let trace = Trace::of(&headers(TRACEPARENT, &given));
            assert_ne!(trace.trace_id(), id);
            assert!(trace_and_flags(&trace.traceparent).is_some(), "{}", trace.traceparent);
        }
    }
}
