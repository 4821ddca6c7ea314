//! The contract between the services: every event, its envelope, the wire date and the words of the states.
//!
//! Types only, no I/O. One file per publishing service; [`Envelope`] turns an event into the record that
//! travels on the topic [`TOPIC`] and back.

#[cfg(feature = "openapi")]
pub mod asyncapi;
mod date;
mod deal;
mod envelope;
mod offer;
mod post;
mod words;

pub use date::{MalformedDate, WireDate};
pub use deal::*;
pub use envelope::{Envelope, Event, MalformedRecord, Publish};
pub use offer::*;
pub use post::*;
pub use words::*;

/// The one topic. Records are keyed by post id, so that all that happens to a post stays in one partition.
pub const TOPIC: &str = "secondhandtrading";

/// An amount in whole won.
pub type Won = i64;
