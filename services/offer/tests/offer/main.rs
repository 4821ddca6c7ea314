//! The offer service through its router, over a real PostgreSQL.

mod answering;
mod asking;
mod expiring;
mod gateway;
mod listing;
mod messaging;
mod placing;
mod races;
mod reacting;
mod support;
mod wishing;
