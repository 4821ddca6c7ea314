//! The plumbing that the five services and the gateway share: a file per word, and nothing of the marketplace.
//!
//! A service is a [`service::Service`]: routes, reactions and migrations. A command enters through
//! [`idempotency::Command`], happens in one [`app::Tx`], and leaves as an [`idempotency::Answer`]; its events go
//! through [`outbox`], [`bus`] and [`inbox`] to the reactions of the others.

pub mod app;
pub mod auth;
pub mod bus;
pub mod caller;
pub mod dead_letter;
pub mod hal;
pub mod health;
pub mod idempotency;
pub mod inbox;
pub mod metrics;
pub mod openapi;
mod outbox;
pub mod postgres;
pub mod problem;
pub mod query;
pub mod request_id;
pub mod server;
pub mod service;
pub mod settings;
pub mod store;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod trace;
pub mod upstream;
pub mod wire;

pub use service::main;
#[doc(hidden)]
pub use shared_events;
