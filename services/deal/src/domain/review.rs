//! The rules of a review: who may say how it was, of whom, and when.

use super::Deal;
use axum::http::StatusCode;
use chassis::problem::Problem;
use shared_events::{DealEvent, DealReviewed, DealStatus};
use time::OffsetDateTime;

/// What one of the two says of the other, after the deal.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Review {
    /// Its id.
    pub review_id: i64,
    /// The deal it is about.
    pub deal_id: i64,
    /// The post of that deal.
    pub post_id: i64,
    /// Who wrote it.
    pub user_id: String,
    /// Whom it is about.
    pub target_id: String,
    /// From 1 to 5.
    pub rating: i32,
    /// In words.
    pub comment: Option<String>,
    /// When it was written.
    pub create_dt: OffsetDateTime,
}

/// Why a review is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such deal.
    #[error("There is no such deal.")]
    UnknownDeal,
    /// Neither buyer nor seller.
    #[error("Only the buyer and the seller of this deal may review it.")]
    NotAParty,
    /// They are not done.
    #[error("A deal can be reviewed once it has ended: this one is {0}.")]
    DealNotEnded(DealStatus),
    /// Once each.
    #[error("You have reviewed this deal already.")]
    AlreadyReviewed,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal {
            Refusal::UnknownDeal => (StatusCode::NOT_FOUND, "deal-not-found"),
            Refusal::NotAParty => (StatusCode::FORBIDDEN, "not-a-party"),
            Refusal::DealNotEnded(_) => (StatusCode::CONFLICT, "deal-not-ended"),
            Refusal::AlreadyReviewed => (StatusCode::CONFLICT, "already-reviewed"),
        };
        Problem::new(status, code, refusal.to_string())
    }
}

impl Review {
    /// One of the two writes about the other.
    ///
    /// # Errors
    /// The author is neither, or the deal has not ended.
    pub fn of(
        deal: &Deal,
        author: String,
        rating: i32,
        comment: Option<String>,
        now: OffsetDateTime,
    ) -> Result<Self, Refusal> {
        let target_id = if author == deal.user_id {
            &deal.seller_id
        } else if author == deal.seller_id {
            &deal.user_id
        } else {
            return Err(Refusal::NotAParty);
        };
        if deal.status != DealStatus::DealEnded {
            return Err(Refusal::DealNotEnded(deal.status));
        }
        Ok(Self {
            review_id: 0,
            deal_id: deal.deal_id,
            post_id: deal.post_id,
            user_id: author,
            target_id: target_id.clone(),
            rating,
            comment,
            create_dt: now,
        })
    }

    /// What is told of it.
    pub fn written(&self) -> DealEvent {
        DealReviewed {
            review_id: self.review_id,
            deal_id: self.deal_id,
            post_id: self.post_id,
            user_id: self.user_id.clone(),
            target_id: self.target_id.clone(),
            rating: self.rating,
            comment: self.comment.clone(),
        }
        .into()
    }
}
