//! Deals: units of a post reserved for a buyer, until they are sold or free again.
//!
//! The rules are in [`domain`]; "a deal can only be reserved on an available post" is [`domain::Terms::check`].

pub mod api;
pub mod domain;
mod reactions;
pub mod settings;
mod settling;
mod store;

use api::{payments, reviews, wallets};
use chassis::{app::App, reactions, service::Service, settings::OwnSettings};
use settings::Settings;
use shared_events::{OfferAccepted, OfferCanceled, OfferPlaced, OfferRefused, PostUnavailable};
use utoipa_axum::{router::OpenApiRouter, routes};

/// The service, ready to be run.
pub fn service() -> Service {
    static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();
    Service {
        name: "deal",
        port: 8084,
        migrations: &MIGRATIONS,
        routes: map,
        reactions: reactions! {
            OfferPlaced => reactions::offer_placed,
            OfferAccepted => reactions::offer_accepted,
            OfferRefused => reactions::offer_refused,
            OfferCanceled => reactions::offer_canceled,
            PostUnavailable => reactions::post_unavailable,
        },
        sweep: Some(|app| Box::pin(settling::sweep(app))),
        settings: OwnSettings::of::<Settings>(),
    }
}

fn map() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(api::reserve, api::list))
        .routes(routes!(api::read, api::change))
        .routes(routes!(reviews::write, reviews::list))
        .routes(routes!(reviews::read))
        .routes(routes!(payments::hold, payments::list))
        .routes(routes!(payments::read, payments::change))
        .routes(routes!(wallets::read))
        .routes(routes!(wallets::deposit))
        .routes(routes!(wallets::withdraw))
}
