//! Posts: what is for sale, and how many of its units are left.
//!
//! The rules are in [`domain`].

pub mod api;
pub mod domain;
mod reactions;
mod store;

use chassis::{app::App, reactions, service::Service, settings::OwnSettings};
use shared_events::{DealCanceled, DealEnded, DealReserved, WishlistAdded, WishlistDeleted};
use utoipa_axum::{router::OpenApiRouter, routes};

/// The service, ready to be run.
pub fn service() -> Service {
    static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();
    Service {
        name: "post",
        port: 8082,
        migrations: &MIGRATIONS,
        routes: map,
        reactions: reactions! {
            DealReserved => reactions::reserved,
            DealEnded => reactions::ended,
            DealCanceled => reactions::canceled,
            WishlistAdded => reactions::wish_added,
            WishlistDeleted => reactions::wish_deleted,
        },
        sweep: None,
        settings: OwnSettings::none(),
    }
}

fn map() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(api::write, api::list))
        .routes(routes!(api::read, api::edit, api::replace, api::delete))
        .routes(routes!(api::availability))
}
