//! Offers: what buyers would pay, and what sellers say to it; the messages between them; wishes.
//!
//! The rules are in [`domain`].

pub mod api;
pub mod domain;
mod reactions;
pub mod settings;
mod store;
mod sweep;

use api::{messages, wishlists};
use chassis::{app::App, reactions, service::Service, settings::OwnSettings};
use settings::Settings;
use shared_events::{
    DealCanceled, DealEnded, DealReserved, PaymentFailed, PaymentHeld, PaymentPlaced, PaymentRefunded,
    PaymentReleased, PostDeleted, PostEdited, PostHidden, PostShown, PostWrote, QtyDecreased, QtyRestored,
    StatusUpdated,
};
use utoipa_axum::{router::OpenApiRouter, routes};

/// The service, ready to be run.
pub fn service() -> Service {
    static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();
    Service {
        name: "offer",
        port: 8083,
        migrations: &MIGRATIONS,
        routes: map,
        reactions: reactions! {
            PostWrote => reactions::post_wrote,
            PostEdited => reactions::post_edited,
            PostHidden => reactions::post_hidden,
            PostShown => reactions::post_shown,
            PostDeleted => reactions::post_deleted,
            StatusUpdated => reactions::status_updated,
            QtyDecreased => reactions::qty_decreased,
            QtyRestored => reactions::qty_restored,
            DealReserved => reactions::deal_reserved,
            DealEnded => reactions::deal_ended,
            DealCanceled => reactions::deal_canceled,
            PaymentPlaced => reactions::payment_placed,
            PaymentHeld => reactions::payment_held,
            PaymentReleased => reactions::payment_released,
            PaymentRefunded => reactions::payment_refunded,
            PaymentFailed => reactions::payment_failed,
        },
        sweep: Some(|app| Box::pin(sweep::sweep(app))),
        settings: OwnSettings::of::<Settings>(),
    }
}

fn map() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(api::place, api::list))
        .routes(routes!(api::read, api::answer))
        .routes(routes!(messages::send, messages::list))
        .routes(routes!(messages::read, messages::mark))
        .routes(routes!(wishlists::add, wishlists::list))
        .routes(routes!(wishlists::read, wishlists::delete))
}
