//! What a person sells and buys, on one screen: read models, made of events alone.
//!
//! The views are in `migrations/`; where an order stands is in [`domain::order`], how warm a person's manners are in
//! [`domain::profile`]. Every event is kept, so that the views can be made anew: [`rebuild`].

pub mod api;
pub mod domain;
mod reactions;
pub mod rebuild;
mod store;

use chassis::{app::App, inbox::Reactions, reactions, service::Service, settings::OwnSettings};
use shared_events::{
    CancelDeclined, CancelRequested, DealCanceled, DealEnded, DealRescheduled, DealReserved, DealReviewed,
    DeliveryStarted, LikeCntUpdated, OfferAccepted, OfferCanceled, OfferPlaced, OfferRefused, PaymentFailed,
    PaymentHeld, PaymentPlaced, PaymentRefunded, PaymentReleased, PostDeleted, PostEdited, PostHidden,
    PostShown, PostWrote, StatusUpdated,
};
use utoipa_axum::{router::OpenApiRouter, routes};

/// What each event writes. A rebuild replays the history through the same table.
const REACTIONS: Reactions = reactions! {
    PostWrote => reactions::post_wrote,
    PostEdited => reactions::post_edited,
    PostHidden => reactions::post_hidden,
    PostShown => reactions::post_shown,
    PostDeleted => reactions::post_deleted,
    StatusUpdated => reactions::status_updated,
    LikeCntUpdated => reactions::likes_counted,
    OfferPlaced => reactions::offer_placed,
    OfferAccepted => reactions::offer_answered,
    OfferRefused => reactions::offer_answered,
    OfferCanceled => reactions::offer_answered,
    DealReserved => reactions::deal_reserved,
    DealRescheduled => reactions::deal_moved,
    DeliveryStarted => reactions::deal_moved,
    CancelRequested => reactions::deal_moved,
    CancelDeclined => reactions::deal_moved,
    DealCanceled => reactions::deal_moved,
    DealEnded => reactions::deal_moved,
    PaymentPlaced => reactions::payment_moved,
    PaymentHeld => reactions::payment_moved,
    PaymentReleased => reactions::payment_moved,
    PaymentRefunded => reactions::payment_moved,
    PaymentFailed => reactions::payment_moved,
    DealReviewed => reactions::deal_reviewed,
}
.in_batches_of(100);

/// The service, ready to be run.
pub fn service() -> Service {
    static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();
    Service {
        name: "mypage",
        port: 8085,
        migrations: &MIGRATIONS,
        routes: map,
        reactions: REACTIONS.recorded_by(|tx, event| Box::pin(rebuild::record(tx, event))),
        sweep: None,
        settings: OwnSettings::none(),
    }
}

fn map() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(api::sales::my_pages))
        .routes(routes!(api::sales::my_page))
        .routes(routes!(api::sales::sales))
        .routes(routes!(api::sales::sale))
        .routes(routes!(api::purchases::list))
        .routes(routes!(api::purchases::read))
        .routes(routes!(api::profiles::read))
        .routes(routes!(api::rebuild::read, api::rebuild::start))
}
