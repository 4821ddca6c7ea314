//! The offer service through its router, over a real PostgreSQL.

mod answering;
mod asking;
mod gateway;
mod listing;
mod placing;
mod races;
mod reacting;
mod support;
