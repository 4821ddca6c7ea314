//! How an event travels: the seeds' flat JSON as the value, CloudEvents in binary mode as the headers.

use crate::WireDate;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::fmt;
use uuid::Uuid;

/// Something that happened, as one service tells the others.
pub trait Event: Serialize + DeserializeOwned {
    /// The name on the wire.
    const TYPE: &'static str;
    /// The service that publishes it.
    const SOURCE: &'static str;
    /// The post it is about: the record's key.
    fn post_id(&self) -> i64;
}

/// What can be put into an outbox: one event, or one of a service's events.
pub trait Publish {
    /// The event, wrapped to travel, as part of the given W3C trace.
    fn envelope(&self, traceparent: Option<String>) -> Envelope;
}

impl<E: Event> Publish for E {
    fn envelope(&self, traceparent: Option<String>) -> Envelope {
        Envelope::at(self, WireDate::now(), traceparent)
    }
}

/// Names the events of a service, their publisher, and the enum of them all. Every event is about one post.
macro_rules! events {
    ($source:literal: $(#[$meta:meta])* $all:ident { $($name:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each holds the event of its name, which says what it is")]
        pub enum $all { $($name($name),)+ }

        impl $all {
            /// The service that publishes them.
            pub const SOURCE: &'static str = $source;
            /// Their names on the wire.
            pub const TYPES: &'static [&'static str] = &[$(<$name as $crate::Event>::TYPE),+];
        }

        impl $crate::Publish for $all {
            fn envelope(&self, traceparent: Option<String>) -> $crate::Envelope {
                match self { $(Self::$name(event) => event.envelope(traceparent),)+ }
            }
        }

        #[cfg(feature = "openapi")]
        impl $all {
            /// Each of them, for the document of all events.
            pub(crate) fn described() -> Vec<$crate::asyncapi::Described> {
                vec![$($crate::asyncapi::Described::of::<$name>()),+]
            }
        }

        $(
            impl $crate::Event for $name {
                const TYPE: &'static str = stringify!($name);
                const SOURCE: &'static str = $source;
                fn post_id(&self) -> i64 {
                    self.post_id
                }
            }

            impl From<$name> for $all {
                fn from(event: $name) -> Self {
                    Self::$name(event)
                }
            }
        )+
    };
}
pub(crate) use events;

/// One record of the topic, as written to an outbox, sent, and received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// UUIDv7; a record delivered twice keeps it.
    pub id: Uuid,
    /// [`Event::TYPE`].
    pub event_type: String,
    /// The publishing service's name.
    pub source: String,
    /// When it happened.
    pub time: WireDate,
    /// The post it is about.
    pub post_id: i64,
    /// W3C trace context of what caused it.
    pub traceparent: Option<String>,
    /// What the tracing tools add to that.
    pub tracestate: Option<String>,
    /// The JSON, byte for byte as it is published.
    pub value: String,
}

/// A record that is no event of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedRecord(String);

impl fmt::Display for MalformedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MalformedRecord {}

/// The two fields that stand before an event's own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Flat<'a, E> {
    event_type: &'a str,
    timestamp: i64,
    #[serde(flatten)]
    event: &'a E,
}

impl Envelope {
    /// Wraps an event that happened at `time`.
    pub fn at<E: Event>(event: &E, time: WireDate, traceparent: Option<String>) -> Self {
        let flat = Flat { event_type: E::TYPE, timestamp: time.epoch_millis(), event };
        Self {
            id: Uuid::now_v7(),
            event_type: E::TYPE.to_owned(),
            source: E::SOURCE.to_owned(),
            time,
            post_id: event.post_id(),
            traceparent,
            tracestate: None,
            value: serde_json::to_string(&flat).expect("events are plain structs, always JSON"),
        }
    }

    /// The event itself.
    ///
    /// # Errors
    /// The value is not this event's JSON.
    pub fn parse<E: Event>(&self) -> Result<E, MalformedRecord> {
        serde_json::from_str(&self.value)
            .map_err(|error| MalformedRecord(format!("{}: {error}", self.event_type)))
    }

    /// The record's headers: `type` for the seeds' filters, CloudEvents for everybody else.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("type", self.event_type.clone()),
            ("contentType", "application/json".to_owned()),
            ("content-type", "application/json".to_owned()),
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", self.id.to_string()),
            ("ce_source", format!("/services/{}", self.source)),
            ("ce_type", self.event_type.clone()),
            ("ce_time", self.time.to_string()),
        ];
        let trace = [("traceparent", &self.traceparent), ("tracestate", &self.tracestate)];
        headers.extend(trace.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        headers
    }

    /// Reads a record back. Where a header is missing (a producer of another make), `fallback_id` and the
    /// value's own `eventType` and `timestamp` stand in. The value itself is looked at by [`Self::parse`].
    ///
    /// # Errors
    /// Neither a header nor the value says what type of event it is.
    pub fn from_record<'a>(
        value: &[u8],
        headers: impl Iterator<Item = (&'a str, &'a str)>,
        fallback_id: Uuid,
    ) -> Result<Self, MalformedRecord> {
        let common: Value = serde_json::from_slice(value).unwrap_or_default();

        let mut id = fallback_id;
        let (mut event_type, mut source) = (None, String::new());
        let (mut traceparent, mut tracestate) = (None, None);
        for (name, text) in headers {
            match name {
                "type" => event_type = Some(storable(text)),
                "ce_id" => id = text.parse().unwrap_or(fallback_id),
                "ce_source" => source = storable(text.trim_start_matches("/services/")),
                "traceparent" => traceparent = Some(storable(text)),
                "tracestate" => tracestate = Some(storable(text)),
                _ => {}
            }
        }
        let event_type = event_type
            .or_else(|| common["eventType"].as_str().map(storable))
            .ok_or_else(|| MalformedRecord("neither a type header nor an eventType".to_owned()))?;
        Ok(Self {
            id,
            event_type,
            source,
            time: serde_json::from_value(common["timestamp"].clone()).unwrap_or_else(|_| WireDate::now()),
            post_id: common["postId"].as_i64().unwrap_or_default(),
            traceparent,
            tracestate,
            value: storable(&String::from_utf8_lossy(value)),
        })
    }
}

/// PostgreSQL takes no NUL, not even in a dead letter: the record would be tried for ever.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
