//! The rules of a deal: what reserving needs. What becomes of it then is in [`life`], how it was in [`review`].

mod life;
pub mod payment;
pub mod review;

pub use life::Meeting;

use axum::http::StatusCode;
use chassis::problem::Problem;
use serde::{Deserialize, Serialize};
use shared_events::{DealStatus, Fulfilment, OfferStatus, OfferType, PayMethod, PostStatus, WireDate, Won};
use sqlx::types::Json;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// A deal.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Deal {
    /// Its id.
    pub deal_id: i64,
    /// The offer it came from.
    pub offer_id: i64,
    /// The post.
    pub post_id: i64,
    /// The buyer.
    pub user_id: String,
    /// The seller.
    pub seller_id: String,
    /// The agreed price of one unit.
    pub price: Won,
    /// How many units.
    pub qty: i32,
    /// Where it stands.
    #[sqlx(try_from = "String")]
    pub status: DealStatus,
    /// The day they meet.
    pub reserve_dt: Option<OffsetDateTime>,
    /// Where they meet.
    pub meet_place: Option<String>,
    /// How the goods change hands.
    #[sqlx(try_from = "String")]
    pub fulfilment: Fulfilment,
    /// Where a parcel goes.
    pub address: Option<String>,
    /// Its steps so far.
    pub history: Json<Vec<Step>>,
    /// Counts its changes.
    pub version: i64,
    /// When it was reserved.
    pub create_dt: OffsetDateTime,
    /// When it changed last, in the words of whoever changed it.
    pub update_dt: OffsetDateTime,
}

impl Deal {
    /// Whom it concerns: its buyer and its seller.
    pub fn parties(&self) -> [&str; 2] {
        [&self.user_id, &self.seller_id]
    }
}

/// One step in the life of a deal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// What it became.
    pub status: DealStatus,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: WireDate,
    /// Who did it, where that was said; a reason where nobody did.
    pub by: Option<String>,
}

/// An offer as far as it is known here.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct OfferCopy {
    /// The offer.
    pub offer_id: i64,
    /// Its post.
    pub post_id: i64,
    /// The buyer.
    pub user_id: String,
    /// The seller.
    pub seller_id: String,
    /// At the price, or at one of the buyer's own.
    #[sqlx(try_from = "String")]
    pub offer_type: OfferType,
    /// What one unit will cost.
    pub agreed_price: Won,
    /// How many units.
    pub qty: i32,
    /// How the money moves.
    #[sqlx(try_from = "String")]
    pub pay_method: PayMethod,
    /// Where it stands.
    #[sqlx(try_from = "String")]
    pub offer_status: OfferStatus,
    /// No deal on it from then on; None where that was never said.
    pub expires_dt: Option<OffsetDateTime>,
}

impl OfferCopy {
    /// Whom it concerns: its buyer and its seller.
    pub fn parties(&self) -> [&str; 2] {
        [&self.user_id, &self.seller_id]
    }
}

/// What the post service answers to the synchronous status check.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Availability {
    /// The post.
    pub post_id: i64,
    /// Price of one unit.
    pub price: Won,
    /// Units in all.
    pub qty: i32,
    /// Where the post stands.
    pub status: PostStatus,
    /// Only its seller sees it.
    pub hidden: bool,
    /// The post's version that this is said of.
    pub version: i64,
}

/// A deal that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The buyer.
    pub user_id: String,
    /// The post.
    pub post_id: i64,
    /// The price, where it is repeated.
    pub price: Option<Won>,
    /// The units, where they are repeated.
    pub qty: Option<i32>,
}

/// What buyer and seller agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The offer.
    pub offer: OfferCopy,
    /// The post's price this relies on; None when the seller accepted the offer and so agreed to its price.
    pub listed_price: Option<Won>,
}

/// Why a deal is not reserved, or does not change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such post.
    #[error("There is no such post.")]
    UnknownPost,
    /// No such offer.
    #[error("There is no such offer.")]
    UnknownOffer,
    /// Another buyer's or another post's.
    #[error("Offer {0} is not an offer of this buyer on this post.")]
    OfferMismatch(i64),
    /// The seller has not agreed to the buyer's price.
    #[error("The seller has not accepted this offer yet.")]
    OfferNotAccepted,
    /// It is over.
    #[error("This offer cannot be reserved any more: it is {0}.")]
    OfferNotOpen(OfferStatus),
    /// Its time is over, even where its own service has not canceled it yet.
    #[error("This offer cannot be reserved any more: its time is over.")]
    OfferExpired,
    /// It has, or had, its deal: the offer of a canceled one is canceled too.
    #[error("There is, or was, a deal on this offer already.")]
    OfferAlreadyReserved,
    /// Another price or number of units than in the offer.
    #[error("The offer says {0}.")]
    TermsDiffer(String),
    /// Reserved, sold or hidden.
    #[error("This post is not for sale any more.")]
    PostNotAvailable,
    /// The offer was at the price, and that is another one now.
    #[error("The price of this post is {0} won now.")]
    PriceChanged(Won),
    /// Some units are there, and too few.
    #[error("Only {0} left of this post.")]
    NotEnoughStock(i32),
    /// Neither buyer nor seller.
    #[error("Only the buyer and the seller of this deal may do this.")]
    NotAParty,
    /// The other one's to do; the seller's or the buyer's, as it says.
    #[error("Only the {0} of this deal may do this.")]
    NotYours(&'static str),
    /// They meet; nothing is sent.
    #[error("This deal is a meetup; nothing is delivered.")]
    NotADelivery,
    /// Asked to cancel before there is anything to ask for.
    #[error("Nothing is on its way yet: write dealCanceled to cancel this deal.")]
    NotOnItsWay,
    /// It is on its way, so that it takes both to cancel.
    #[error(
        "The parcel is on its way: the buyer asks to cancel by writing cancelRequested, and the seller agrees."
    )]
    CancelNeedsConsent,
    /// The day and the place stand.
    #[error("Day and place cannot change any more: this deal is {0}.")]
    NotReserved(DealStatus),
    /// Its payment forbids it.
    #[error(transparent)]
    Payment(#[from] payment::Refusal),
    /// It is over.
    #[error("This deal cannot become {to}: it is {from}.")]
    WrongState {
        /// Where it stands.
        from: DealStatus,
        /// What was asked for.
        to: DealStatus,
    },
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal {
            Refusal::Payment(refusal) => return refusal.into(),
            Refusal::UnknownPost => (StatusCode::NOT_FOUND, "post-not-found"),
            Refusal::UnknownOffer => (StatusCode::NOT_FOUND, "offer-not-found"),
            Refusal::OfferMismatch(_) => (StatusCode::CONFLICT, "offer-mismatch"),
            Refusal::OfferNotAccepted => (StatusCode::CONFLICT, "offer-not-accepted"),
            Refusal::OfferNotOpen(_) | Refusal::OfferExpired => (StatusCode::CONFLICT, "offer-not-open"),
            Refusal::OfferAlreadyReserved => (StatusCode::CONFLICT, "offer-already-reserved"),
            Refusal::TermsDiffer(_) => (StatusCode::CONFLICT, "terms-differ"),
            Refusal::PostNotAvailable => (StatusCode::CONFLICT, "post-not-available"),
            Refusal::PriceChanged(_) => (StatusCode::CONFLICT, "price-changed"),
            Refusal::NotEnoughStock(_) => (StatusCode::CONFLICT, "not-enough-stock"),
            Refusal::NotAParty => (StatusCode::FORBIDDEN, "not-a-party"),
            Refusal::NotYours("seller") => (StatusCode::FORBIDDEN, "not-the-seller"),
            Refusal::NotYours(_) => (StatusCode::FORBIDDEN, "not-the-buyer"),
            Refusal::NotADelivery => (StatusCode::CONFLICT, "not-a-delivery"),
            Refusal::NotOnItsWay => (StatusCode::CONFLICT, "not-on-its-way"),
            Refusal::CancelNeedsConsent => (StatusCode::CONFLICT, "cancel-needs-consent"),
            Refusal::NotReserved(_) | Refusal::WrongState { .. } => (StatusCode::CONFLICT, "deal-not-open"),
        };
        Problem::new(status, code, refusal.to_string())
    }
}

impl Wish {
    /// The terms of the offer, if it may be reserved.
    ///
    /// # Errors
    /// It is another's, not open, or says something else.
    pub fn on(&self, offer: OfferCopy, now: OffsetDateTime) -> Result<Terms, Refusal> {
        if (&offer.user_id, offer.post_id) != (&self.user_id, self.post_id) {
            return Err(Refusal::OfferMismatch(offer.offer_id));
        }
        let listed_price = match (offer.offer_status, offer.offer_type) {
            (OfferStatus::OfferAccepted, _) => None,
            // At the seller's own price there is nothing left to agree on.
            (OfferStatus::OfferPlaced, OfferType::DealOffered) => Some(offer.agreed_price),
            (OfferStatus::OfferPlaced, OfferType::PriceNegotiated) => return Err(Refusal::OfferNotAccepted),
            (status, _) => return Err(Refusal::OfferNotOpen(status)),
        };
        if offer.expires_dt.is_some_and(|expires| expires <= now) {
            return Err(Refusal::OfferExpired);
        }
        if self.price.is_some_and(|price| price != offer.agreed_price) {
            return Err(Refusal::TermsDiffer(format!("{} won", offer.agreed_price)));
        }
        if self.qty.is_some_and(|qty| qty != offer.qty) {
            return Err(Refusal::TermsDiffer(format!("{} units", offer.qty)));
        }
        Ok(Terms { offer, listed_price })
    }
}

impl Terms {
    /// A deal can only be reserved on an available post.
    ///
    /// `dealReserved` is no refusal here: that status is the post's copy of our own deals, and the `stock` row knows
    /// better which units a cancellation has freed meanwhile.
    ///
    /// # Errors
    /// The post says that it cannot be had.
    pub fn check(&self, post: &Availability) -> Result<(), Refusal> {
        if post.hidden || post.status == PostStatus::DealEnded {
            return Err(Refusal::PostNotAvailable);
        }
        if self.listed_price.is_some_and(|price| price != post.price) {
            return Err(Refusal::PriceChanged(post.price));
        }
        if self.offer.qty > post.qty {
            return Err(Refusal::NotEnoughStock(post.qty));
        }
        Ok(())
    }
}

/// The `stock` row of a post: the last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Stock {
    /// Units in all.
    pub qty: i32,
    /// Units promised to deals that are not canceled.
    pub promised: i32,
}

impl Stock {
    /// There are `units` left of `post`, and it is for sale.
    pub fn covers(self, post: &Availability, units: i32) -> bool {
        !post.hidden && post.status != PostStatus::DealEnded && self.promise(units).is_ok()
    }

    /// # Errors
    /// Fewer than `units` are left.
    pub fn promise(self, units: i32) -> Result<(), Refusal> {
        match self.qty - self.promised {
            left if left >= units => Ok(()),
            0 => Err(Refusal::PostNotAvailable),
            left => Err(Refusal::NotEnoughStock(left)),
        }
    }
}

#[cfg(test)]
mod tests;
