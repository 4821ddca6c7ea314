//! Who is told what: notifications, made of events.
//!
//! Which event tells whom is in [`domain`].

pub mod api;
pub mod domain;
mod feed;
mod reactions;
mod store;
mod sweep;

use api::{alerts, notifications, stream};
use axum::{Extension, routing::get};
use chassis::{app::App, openapi, reactions, service::Service, settings::OwnSettings};
use feed::Feed;
use shared_events::{
    CancelDeclined, CancelRequested, DealCanceled, DealEnded, DealRescheduled, DealReserved, DealReviewed,
    DeliveryStarted, MessageSent, OfferAccepted, OfferCanceled, OfferPlaced, OfferRefused, PaymentFailed,
    PaymentHeld, PaymentPlaced, PaymentRefunded, PaymentReleased, PostEdited, PostWrote, StatusUpdated,
    WishlistAdded, WishlistDeleted,
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
            MessageSent => reactions::tell,
            DealReserved => reactions::tell_and_keep,
            DealEnded => reactions::tell_and_keep,
            DealCanceled => reactions::tell_and_keep,
            DealRescheduled => reactions::tell_and_keep,
            DeliveryStarted => reactions::tell_and_keep,
            CancelRequested => reactions::tell,
            CancelDeclined => reactions::tell,
            DealReviewed => reactions::tell,
            PaymentPlaced => reactions::tell,
            PaymentHeld => reactions::tell,
            PaymentReleased => reactions::tell,
            PaymentRefunded => reactions::tell,
            PaymentFailed => reactions::tell,
            PostEdited => reactions::tell_wishers,
            StatusUpdated => reactions::tell_wishers,
            WishlistAdded => reactions::wish,
            WishlistDeleted => reactions::no_wish,
            PostWrote => reactions::new_post,
        }
        .in_batches_of(100),
        sweep: Some(|app| Box::pin(sweep::remind(app))),
        settings: OwnSettings::none(),
    }
}

fn map() -> OpenApiRouter<App> {
    let mut map = OpenApiRouter::new()
        .routes(routes!(notifications::list, notifications::change_all))
        .routes(routes!(notifications::unread_count))
        .routes(routes!(stream::listen))
        .routes(routes!(notifications::read, notifications::change))
        .routes(routes!(alerts::list, alerts::make))
        .routes(routes!(alerts::read, alerts::remove))
        // Another seed's name for the same.
        .route("/notices", get(notifications::list).patch(notifications::change_all))
        .route("/notices/unread-count", get(notifications::unread_count))
        .route("/notices/stream", get(stream::listen))
        .route("/notices/{id}", get(notifications::read).patch(notifications::change))
        .layer(Extension(Feed::default()));
    openapi::also_at(&mut map, "/notifications", "/notices");
    map
}
