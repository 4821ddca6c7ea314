//! Why an offer is not placed, or does not change.

use axum::http::StatusCode;
use chassis::{problem::Problem, wire::MAX_WON};
use shared_events::{OfferStatus, PostStatus, Won};

/// Why an offer is not placed, or does not change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such post, or none the buyer may see.
    #[error("There is no such post.")]
    UnknownPost,
    /// The seller wants to buy.
    #[error("One cannot make an offer on one's own post.")]
    OwnPost,
    /// Reserved or sold.
    #[error("This post is not for sale: its status is {0}.")]
    PostNotAvailable(PostStatus),
    /// Some units are there, and too few.
    #[error("Only {0} units of this post are left.")]
    NotEnoughStock(i32),
    /// The buyer saw another price.
    #[error("The price of this post is {0} won now.")]
    PriceChanged(Won),
    /// Nobody has as much.
    #[error("An offer is worth {MAX_WON} won at most, all units together.")]
    AmountTooLarge,
    /// The wallet does not hold as much.
    #[error("There is not enough money in this wallet.")]
    InsufficientFunds,
    /// The money could not be held on these terms.
    #[error("The payment was refused.")]
    PaymentRefused,
    /// It took longer than an offer may be in the paying.
    #[error("Paying took too long; nothing was placed, and the money is the buyer's.")]
    PaymentTooSlow,
    /// The buyer's word comes too late.
    #[error("The seller has confirmed the deposit; only the seller can call this off now.")]
    DepositConfirmed,
    /// One is enough.
    #[error("There is an open offer of this buyer on this post already.")]
    AlreadyOpen,
    /// The status is not a command.
    #[error("The status of an offer becomes {0} by itself; it is not written.")]
    NotACommand(OfferStatus),
    /// Somebody else's answer.
    #[error("Only the {0} of this offer may do this.")]
    NotYours(&'static str),
    /// Nobody answered in time.
    #[error("This offer has expired.")]
    Expired,
    /// It was answered otherwise.
    #[error("This offer cannot become {to}: it is {from}.")]
    WrongState {
        /// Where it stands.
        from: OfferStatus,
        /// What was asked for.
        to: OfferStatus,
    },
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal {
            Refusal::UnknownPost => (StatusCode::NOT_FOUND, "post-not-found"),
            Refusal::OwnPost => (StatusCode::CONFLICT, "own-post"),
            Refusal::PostNotAvailable(_) => (StatusCode::CONFLICT, "post-not-available"),
            Refusal::NotEnoughStock(_) => (StatusCode::CONFLICT, "not-enough-stock"),
            Refusal::PriceChanged(_) => (StatusCode::CONFLICT, "price-changed"),
            Refusal::AmountTooLarge => (StatusCode::CONFLICT, "amount-too-large"),
            Refusal::InsufficientFunds => (StatusCode::PAYMENT_REQUIRED, "insufficient-funds"),
            Refusal::PaymentRefused => (StatusCode::CONFLICT, "payment-refused"),
            Refusal::PaymentTooSlow => (StatusCode::CONFLICT, "payment-too-slow"),
            Refusal::DepositConfirmed => (StatusCode::CONFLICT, "deposit-confirmed"),
            Refusal::AlreadyOpen => (StatusCode::CONFLICT, "offer-already-open"),
            Refusal::NotACommand(_) => (StatusCode::CONFLICT, "status-follows-deal"),
            Refusal::NotYours("seller") => (StatusCode::FORBIDDEN, "not-the-seller"),
            Refusal::NotYours(_) => (StatusCode::FORBIDDEN, "not-the-buyer"),
            Refusal::Expired | Refusal::WrongState { .. } => (StatusCode::CONFLICT, "offer-not-open"),
        };
        Problem::new(status, code, refusal.to_string())
    }
}
