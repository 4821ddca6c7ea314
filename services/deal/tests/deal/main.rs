//! The deal service through its router, over a real PostgreSQL.

mod asking;
mod changing;
#[path = "../../../offer/tests/offer/gateway.rs"]
mod gateway;
mod listing;
mod races;
mod reacting;
mod reserving;
mod support;
