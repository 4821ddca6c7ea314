//! W3C Trace Context: how a request is followed through services, outbox and bus to the last reaction.
//!
//! Spans carry it where an exporter is configured ([`telemetry`](crate::telemetry)): each makes the context of what
//! comes after it. Without one there are no spans, and the context is handed on as it came.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::TraceContextExt,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use shared_events::Envelope;
use std::ops::Deref;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use uuid::Uuid;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The longest `tracestate` that is handed on; the specification asks for as much at least.
const MAX_STATE: usize = 512;

/// A place in a trace: what a request or an event is the child of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    traceparent: String,
    tracestate: Option<String>,
}

impl Trace {
    /// Its first step, when nobody has begun one. No span is recorded of it, and its flags say so.
    pub fn begin() -> Self {
        // The last half of a version 7 UUID is random, which is what makes a span's id.
        let (trace_id, span_id) = (Uuid::now_v7().simple(), Uuid::now_v7().as_u64_pair().1);
        Self { traceparent: format!("00-{trace_id}-{span_id:016x}-00"), tracestate: None }
    }

    /// The trace that a request belongs to, unless its header is not a valid one.
    pub fn of_request(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        Self::read(text(TRACEPARENT), text(TRACESTATE))
    }

    /// The trace that an event belongs to.
    pub fn of_event(event: &Envelope) -> Option<Self> {
        Self::read(event.traceparent.as_deref(), event.tracestate.as_deref())
    }

    /// The place of a span in its trace; none where spans are not exported.
    pub fn of_span(span: &Span) -> Option<Self> {
        if span.is_disabled() {
            return None;
        }
        let context = span.context();
        if !context.span().span_context().is_valid() {
            return None;
        }
        let mut trace = Self { traceparent: String::new(), tracestate: None };
        TraceContextPropagator::new().inject_context(&context, &mut trace);
        Some(trace)
    }

    fn read(traceparent: Option<&str>, tracestate: Option<&str>) -> Option<Self> {
        let traceparent = traceparent.filter(|text| is_valid(text))?.to_owned();
        let tracestate = tracestate.filter(|text| (1..=MAX_STATE).contains(&text.len()));
        Some(Self { traceparent, tracestate: tracestate.map(str::to_owned) })
    }

    /// The id that all of a trace share.
    pub fn id(&self) -> &str {
        self.traceparent.get(3..35).unwrap_or_default()
    }

    /// Makes a request a child of this, and of nothing else.
    pub fn put(&self, headers: &mut HeaderMap) {
        for (name, value) in [(TRACEPARENT, Some(&self.traceparent)), (TRACESTATE, self.tracestate.as_ref())]
        {
            match value.and_then(|value| HeaderValue::from_str(value).ok()) {
                Some(value) => headers.insert(name, value),
                None => headers.remove(name),
            };
        }
    }

    /// Makes an event a child of this.
    pub(crate) fn tag(&self, event: &mut Envelope) {
        event.traceparent = Some(self.traceparent.clone());
        event.tracestate.clone_from(&self.tracestate);
    }

    /// Makes a new span a child of this, whatever span it was made in.
    pub fn adopt(&self, span: &Span) {
        if !span.is_disabled() {
            // Fails where there is no exporter, and nothing to be a child then.
            let _ =
                span.set_parent(TraceContextPropagator::new().extract_with_context(&Context::new(), self));
        }
    }
}

/// A span that lasts until this is dropped: for the exporter it ends when it was last left, which is too soon for one
/// that is entered now and then.
#[derive(Debug)]
pub(crate) struct Lasting(pub(crate) Span);

impl Deref for Lasting {
    type Target = Span;
    fn deref(&self) -> &Span {
        &self.0
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        self.0.in_scope(|| ());
    }
}

impl Extractor for Trace {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => Some(&self.traceparent),
            "tracestate" => self.tracestate.as_deref(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

impl Injector for Trace {
    fn set(&mut self, key: &str, value: String) {
        match key {
            "traceparent" => self.traceparent = value,
            "tracestate" => self.tracestate = Some(value).filter(|state| !state.is_empty()),
            _ => {}
        }
    }
}

/// Whether this is a `traceparent`: stricter than the propagator, which takes ids that are too short. Later versions may
/// be longer, and are read as if they were the first, as the specification asks.
fn is_valid(traceparent: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let some_bit = |text: &str| text.bytes().any(|byte| byte != b'0');
    let parts: Vec<_> = traceparent.splitn(5, '-').collect();
    let [version, trace_id, span_id, flags, ref more @ ..] = parts[..] else { return false };
    [(version, 2), (trace_id, 32), (span_id, 16), (flags, 2)]
        .iter()
        .all(|(part, length)| part.len() == *length && hex(part))
        && version != "ff"
        && (version != "00" || more.is_empty())
        && some_bit(trace_id)
        && some_bit(span_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn given(traceparent: &str) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_bytes(text.as_bytes()).unwrap();
        HeaderMap::from_iter([(TRACEPARENT, value(traceparent)), (TRACESTATE, value("vendor=1"))])
    }

    #[test]
    fn a_valid_trace_is_handed_on_as_it_came() {
        for traceparent in
            [format!("00-{ID}-00f067aa0ba902b7-00"), format!("cc-{ID}-00f067aa0ba902b7-00-later")]
        {
            let trace = Trace::of_request(&given(&traceparent)).unwrap();
            assert_eq!(trace.id(), ID);
            let mut headers = HeaderMap::new();
            trace.put(&mut headers);
            assert_eq!(headers, given(&traceparent));
        }
    }

    #[test]
    fn an_invalid_one_is_none_and_its_state_goes_with_it() {
        for traceparent in [
            String::new(),
            format!("00-{ID}-00f067aa0ba902b7"),
            format!("00-{ID}-00f067aa0ba902b7-01-more"),
            format!("ff-{ID}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", ID.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{ID}-0000000000000000-01"),
            "00-4b-b7-01".to_owned(),
        ] {
            assert_eq!(Trace::of_request(&given(&traceparent)), None, "{traceparent}");
            let mut headers = given(&traceparent);
            let trace = Trace::begin();
            trace.put(&mut headers);
            assert_eq!(headers.get(TRACESTATE), None);
            assert_eq!(Trace::of_request(&headers), Some(trace), "a new one is valid");
        }
    }
}
