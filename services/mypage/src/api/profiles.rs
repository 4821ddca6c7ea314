//! What everybody may know of a person: `/users/{id}/profile`.

use crate::{
    domain::profile::{average_rating, manner_temperature},
    store,
};
use axum::{
    extract::{Path, State},
    http::Uri,
};
use chassis::{
    app::App,
    caller::Visitor,
    hal,
    idempotency::Answer,
    problem::Problem,
    wire::{Faults, Scalar, UserId},
};
use serde::Serialize;
use utoipa::ToSchema;

/// A person, by what others have seen of them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Profile)]
pub struct ProfileBody {
    user_id: String,
    /// Their posts that everybody sees.
    post_cnt: i64,
    /// Deals that ended with them as the seller.
    sold_cnt: i64,
    /// Deals that ended with them as the buyer.
    bought_cnt: i64,
    /// Reviews about them.
    review_cnt: i64,
    /// The mean of those reviews' ratings, to one decimal; 0 where there are none.
    average_rating: f64,
    /// How warm their manners are, in °C: 36.5, and for each review about them −1.0, −0.5, +0.1, +0.3 or +0.5
    /// (ratings of 1 to 5), but never below 0 or above 99.
    manner_temperature: f64,
}

/// Read a person's profile. Everybody has one; a person that nobody has heard of has zeros, and 36.5 °C.
#[utoipa::path(get, path = "/users/{id}/profile", params(("id" = String, Path)),
    responses((status = 200, body = ProfileBody)))]
pub async fn read(
    State(app): State<App>,
    Path(id): Path<String>,
    Visitor(caller): Visitor,
    uri: Uri,
) -> Result<Answer, Problem> {
    let user_id = UserId::from_text(id.trim()).map_err(|wrong| Faults::one("id", wrong).malformed())?.0;
    let counts = store::profile::counts(&app.db, &user_id).await?;
    let mut ratings = [0; 5];
    ratings.iter_mut().zip(counts.ratings).for_each(|(slot, count)| *slot = count);
    let profile = ProfileBody {
        user_id,
        post_cnt: counts.post_cnt,
        sold_cnt: counts.sold_cnt,
        bought_cnt: counts.bought_cnt,
        review_cnt: ratings.iter().sum(),
        average_rating: average_rating(ratings),
        manner_temperature: manner_temperature(ratings),
    };
    Ok(hal::document(&caller.base, "profile", uri.path(), &profile))
}
