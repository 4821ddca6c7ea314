//! The deal service through its router, over a real PostgreSQL.

mod asking;
mod changing;
mod delivering;
#[path = "../../../offer/tests/offer/gateway.rs"]
mod gateway;
mod listing;
mod money;
mod money_holding;
mod money_property;
mod money_races;
mod money_transfers;
mod money_wallets;
mod options;
mod races;
mod reacting;
mod rescheduling;
mod reserving;
mod reviewing;
mod support;
