//! SQL of the reviews.

use crate::domain::review::{Refusal, Review};
use chassis::{
    hal::Page,
    problem::Problem,
    query::{Paging, Select},
    store::OnConstraint,
};
use sqlx::{PgConnection, PgPool};

pub(crate) async fn insert(tx: &mut PgConnection, review: &Review) -> Result<Review, Problem> {
    sqlx::query_as(
        "insert into review (deal_id, post_id, user_id, target_id, rating, comment, create_dt)
         values ($1, $2, $3, $4, $5, $6, $7) returning *",
    )
    .bind(review.deal_id)
    .bind(review.post_id)
    .bind(&review.user_id)
    .bind(&review.target_id)
    .bind(review.rating)
    .bind(&review.comment)
    .bind(review.create_dt)
    .fetch_one(tx)
    .await
    .on_constraint("one_review_per_deal_and_author", Refusal::AlreadyReviewed)
}

pub(crate) async fn read(db: &PgPool, review_id: i64) -> Result<Option<Review>, sqlx::Error> {
    sqlx::query_as("select * from review where review_id = $1").bind(review_id).fetch_optional(db).await
}

/// What a list is narrowed to.
pub(crate) struct Wanted {
    pub(crate) deal_id: Option<i64>,
    pub(crate) post_id: Option<i64>,
    pub(crate) user_id: Option<String>,
    pub(crate) target_id: Option<String>,
}

pub(crate) async fn list(db: &PgPool, wanted: Wanted, paging: &Paging) -> Result<Page<Review>, sqlx::Error> {
    Select::from("review")
        .and("deal_id = ?", wanted.deal_id)
        .and("post_id = ?", wanted.post_id)
        .and("user_id = ?", wanted.user_id)
        .and("target_id = ?", wanted.target_id)
        .page(db, paging)
        .await
}
