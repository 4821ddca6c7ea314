//! The deal service through its router, over a real PostgreSQL.

mod asking;
mod changing;
mod delivering;
#[path = "../../../offer/tests/offer/gateway.rs"]
mod gateway;
mod listing;
mod races;
mod reacting;
mod rescheduling;
mod reserving;
mod reviewing;
mod support;
