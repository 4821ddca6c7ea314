//! What clients say and hear about reviews.

use crate::{
    domain::review::{Refusal, Review},
    store::{self, reviews},
};
use axum::extract::State;
use chassis::{
    app::App,
    caller::Visitor,
    hal::{self, Resource},
    idempotency::{Answer, Command, CommandBody},
    problem::Problem,
    query::{Filter, ItemId, Listing, Paging},
    wire::{Faults, Id, Natural, Prose, UserId},
};
use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use serde::Serialize;
use shared_events::WireDate;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

/// A review, as it is answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Review)]
pub struct ReviewBody {
    review_id: i64,
    deal_id: i64,
    post_id: i64,
    /// Who wrote it.
    user_id: String,
    /// Whom it is about: the other party of the deal.
    target_id: String,
    /// From 1 to 5.
    rating: i32,
    comment: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    create_dt: WireDate,
}

impl From<Review> for ReviewBody {
    fn from(review: Review) -> Self {
        Self {
            review_id: review.review_id,
            deal_id: review.deal_id,
            post_id: review.post_id,
            user_id: review.user_id,
            target_id: review.target_id,
            rating: review.rating,
            comment: review.comment,
            create_dt: review.create_dt.into(),
        }
    }
}

impl Resource for ReviewBody {
    const NAME: &'static str = "review";
    const COLLECTION: &'static str = "reviews";
    fn id(&self) -> i64 {
        self.review_id
    }
}

/// From 1 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(minimum = 1, maximum = 5)]
pub struct Rating(i32);

impl Deserr<Faults> for Rating {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, Faults> {
        let wrong = || Faults::unacceptable("rating", "must be between 1 and 5");
        if matches!(value, Value::NegativeInteger(_)) {
            return Err(wrong());
        }
        let Natural(number) = Natural::deserialize_from_value(value, location)?;
        let rating = i32::try_from(number).ok().filter(|rating| (1..=5).contains(rating));
        rating.map(Self).ok_or_else(wrong)
    }
}

/// A review to write, once the deal has ended.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = camelCase)]
#[schema(rename_all = "camelCase")]
pub struct NewReview {
    deal_id: Id,
    /// Who writes it: the buyer or the seller. Required where no token says who acts.
    #[deserr(default)]
    user_id: Option<UserId>,
    rating: Rating,
    #[deserr(default)]
    comment: Option<Prose<2000>>,
}

impl CommandBody for NewReview {
    const NAMES_ACTOR: bool = true;
}

/// What a list of reviews can be narrowed to.
#[derive(Debug, Clone, Deserr, IntoParams)]
#[deserr(error = Faults, rename_all = camelCase)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ReviewFilter {
    #[param(value_type = Option<i64>)]
    #[deserr(default)]
    deal_id: Option<Id>,
    #[param(value_type = Option<i64>)]
    #[deserr(default)]
    post_id: Option<Id>,
    /// Who wrote it.
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    user_id: Option<UserId>,
    /// Whom it is about.
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    target_id: Option<UserId>,
}

impl Filter for ReviewFilter {
    const SORTABLE: &'static [(&'static str, &'static str)] = &[
        ("reviewId", "review_id"),
        ("dealId", "deal_id"),
        ("postId", "post_id"),
        ("userId", "user_id"),
        ("targetId", "target_id"),
        ("rating", "rating"),
        ("createDt", "create_dt"),
    ];
    const DEFAULT_ORDER: &'static str = "review_id";
    const PUBLIC: bool = true;
}

/// Review an ended deal: the buyer the seller, and the seller the buyer, once each.
#[utoipa::path(post, path = "/reviews", request_body = NewReview,
    responses((status = 201, body = ReviewBody)))]
pub async fn write(State(app): State<App>, command: Command<NewReview>) -> Result<Answer, Problem> {
    let body = &command.body;
    let author = command.author(body.user_id.as_ref())?;
    let comment = body.comment.clone().map(|prose| prose.0);
    let mut tx = app.begin(&command).await?;
    // An end is final: nothing needs to be locked.
    let deal = store::read(&mut *tx, body.deal_id.0).await?;
    let deal = deal.filter(|deal| command.caller.actor.sees(deal.parties())).ok_or(Refusal::UnknownDeal)?;
    let review = Review::of(&deal, author, body.rating.0, comment, OffsetDateTime::now_utc())?;
    let review = reviews::insert(&mut tx, &review).await?;
    tx.publish(&review.written());
    tx.answer(hal::created(&command.caller.base, &ReviewBody::from(review))).await
}

/// List reviews.
#[utoipa::path(get, path = "/reviews", params(ReviewFilter, Paging),
    responses((status = 200, body = [ReviewBody])))]
pub async fn list(State(app): State<App>, listing: Listing<ReviewFilter>) -> Result<Answer, Problem> {
    let filter = listing.filter.clone();
    let wanted = reviews::Wanted {
        deal_id: filter.deal_id.map(|id| id.0),
        post_id: filter.post_id.map(|id| id.0),
        user_id: filter.user_id.map(|user| user.0),
        target_id: filter.target_id.map(|user| user.0),
    };
    let page = reviews::list(&app.db, wanted, &listing.paging).await?;
    Ok(listing.answer(&page.map(ReviewBody::from)))
}

/// Read a review.
#[utoipa::path(get, path = "/reviews/{id}", params(("id" = i64, Path)),
    responses((status = 200, body = ReviewBody)))]
pub async fn read(
    State(app): State<App>,
    ItemId(review_id): ItemId,
    Visitor(caller): Visitor,
) -> Result<Answer, Problem> {
    let review = reviews::read(&app.db, review_id).await?.ok_or_else(|| Problem::not_found("review"))?;
    Ok(hal::item(&caller.base, &ReviewBody::from(review)))
}
