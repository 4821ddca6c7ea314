//! Who is told what: notifications, made of events.
//!
//! Which event tells whom is in [`domain`].

pub mod api;
pub mod domain;
mod reactions;
mod store;

use axum::routing::get;
use chassis::{app::App, reactions, service::Service};
use shared_events::{
    DealCanceled, DealEnded, DealReserved, OfferAccepted, OfferCanceled, OfferPlaced, OfferRefused,
};
use utoipa_axum::{router::OpenApiRouter, routes};

/// The service, ready to be run.
pub fn service() -> Service {
    static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();
    Service {
        name: "notification",
        port: 8086,
        migrations: &MIGRATIONS,
        routes: map,
        reactions: reactions! {
            OfferPlaced => reactions::tell,
            OfferAccepted => reactions::tell,
            OfferRefused => reactions::tell,
            OfferCanceled => reactions::tell,
            DealReserved => reactions::tell,
            DealEnded => reactions::tell,
            DealCanceled => reactions::tell,
        }
        .in_batches_of(100),
    }
}

fn map() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(api::list))
        .routes(routes!(api::read, api::change))
        // Another seed's name for the same.
        .route("/notices", get(api::list))
        .route("/notices/{id}", get(api::read).patch(api::change))
}
