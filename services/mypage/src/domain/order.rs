//! Where an order stands: the offer, its payment and the deal that came of it, as one word and as dated steps.

use serde::{Deserialize, Serialize};
use shared_events::{DealStatus, Fulfilment, OfferStatus, PaymentState, WireDate};
use utoipa::ToSchema;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum OrderStatus {
    /// The seller has not answered yet.
    Placed,
    /// A bank transfer is expected.
    AwaitingDeposit,
    /// The money is held.
    Paid,
    /// The seller agreed.
    Accepted,
    /// They will meet, or the parcel is being packed.
    Reserved,
    /// The parcel is on its way.
    Delivering,
    /// Goods and money changed hands.
    Ended,
    /// The seller declined.
    Refused,
    /// Called off, or there is nothing left to buy.
    Canceled,
    /// Called off, and the money is the buyer's again.
    Refunded,
}

impl OrderStatus {
    /// The seeds' words for it. What is reserved is met for, or sent.
    pub const fn text(self, fulfilment: Option<Fulfilment>) -> &'static str {
        let step = match self {
            Self::Placed => OrderStep::Placed,
            Self::AwaitingDeposit => OrderStep::AwaitingDeposit,
            Self::Paid => OrderStep::Paid,
            Self::Accepted => OrderStep::Accepted,
            Self::Reserved => OrderStep::Reserved,
            Self::Delivering => OrderStep::Delivering,
            Self::Ended => OrderStep::Ended,
            Self::Refused => OrderStep::Refused,
            Self::Canceled => OrderStep::Canceled,
            Self::Refunded => OrderStep::Refunded,
        };
        step.text(fulfilment)
    }
}

/// An end is final. A refund comes before whatever has not heard of it yet. The deal dominates the offer, once
/// there is one: it is what the two of them agreed on last. An open offer waits for its money first, then for the
/// seller.
pub const fn order_status(
    offer: OfferStatus,
    deal: Option<DealStatus>,
    payment: Option<PaymentState>,
) -> OrderStatus {
    match (deal, offer, payment) {
        (Some(DealStatus::DealEnded), _, _) | (None, OfferStatus::DealEnded, _) => OrderStatus::Ended,
        (_, _, Some(PaymentState::Refunded)) => OrderStatus::Refunded,
        (Some(DealStatus::DealReserved), _, _) => OrderStatus::Reserved,
        (Some(DealStatus::DeliveryStarted | DealStatus::CancelRequested), _, _) => OrderStatus::Delivering,
        (Some(DealStatus::DealCanceled), _, _) | (None, OfferStatus::OfferCanceled, _) => {
            OrderStatus::Canceled
        }
        (None, OfferStatus::OfferRefused, _) => OrderStatus::Refused,
        (None, _, Some(PaymentState::AwaitingDeposit)) => OrderStatus::AwaitingDeposit,
        (None, _, Some(PaymentState::Canceled | PaymentState::Failed)) => OrderStatus::Canceled,
        (None, OfferStatus::OfferAccepted, _) => OrderStatus::Accepted,
        (None, OfferStatus::OfferPlaced, Some(PaymentState::Held | PaymentState::Released)) => {
            OrderStatus::Paid
        }
        (None, OfferStatus::OfferPlaced, None) => OrderStatus::Placed,
    }
}

/// Something that happened to an order, in the order of a life.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type, ToSchema,
)]
#[serde(rename_all = "camelCase")]
#[sqlx(type_name = "text", rename_all = "camelCase")]
pub enum OrderStep {
    /// The offer was placed.
    Placed,
    /// A bank transfer is expected.
    AwaitingDeposit,
    /// The money is held.
    Paid,
    /// The seller agreed to the offer.
    Accepted,
    /// The deal was reserved.
    Reserved,
    /// Another day or place to meet.
    Rescheduled,
    /// The parcel was sent.
    Delivering,
    /// The buyer asked to call it off all the same.
    CancelRequested,
    /// The seller did not agree to that.
    CancelDeclined,
    /// Goods and money changed hands.
    Ended,
    /// The money is the seller's.
    Released,
    /// The seller declined the offer.
    Refused,
    /// The offer or the deal was called off.
    Canceled,
    /// There was not enough money.
    PaymentFailed,
    /// The money is the buyer's again.
    Refunded,
}

impl OrderStep {
    /// The seeds' words for it.
    pub const fn text(self, fulfilment: Option<Fulfilment>) -> &'static str {
        match self {
            Self::Placed => "주문접수",
            Self::AwaitingDeposit => "입금확인대기",
            Self::Paid => "입금확인완료",
            Self::Accepted => "수락됨",
            Self::Reserved if matches!(fulfilment, Some(Fulfilment::Delivery)) => "상품준비완료",
            Self::Reserved => "거래예정",
            Self::Rescheduled => "약속변경",
            Self::Delivering => "배송중",
            Self::CancelRequested => "취소요청",
            Self::CancelDeclined => "취소거절",
            Self::Ended => "거래완료",
            Self::Released => "정산완료",
            Self::Refused => "거절됨",
            Self::Canceled => "주문취소",
            Self::PaymentFailed => "결제실패",
            Self::Refunded => "결제취소",
        }
    }

    /// What an answer to an offer is to its buyer; nothing where the deal has told it already.
    pub fn of_answer(status: OfferStatus, reason: Option<&str>) -> Option<Self> {
        match status {
            OfferStatus::OfferPlaced => Some(Self::Placed),
            OfferStatus::OfferAccepted => Some(Self::Accepted),
            OfferStatus::OfferRefused => Some(Self::Refused),
            OfferStatus::OfferCanceled if reason == Some("deal-canceled") => None,
            OfferStatus::OfferCanceled => Some(Self::Canceled),
            OfferStatus::DealEnded => None,
        }
    }

    /// What the cancellation of a deal is to its buyer; nothing where the offer has told it already.
    pub fn of_cancellation(reason: Option<&str>) -> Option<Self> {
        match reason {
            Some("offer-canceled" | "offer-refused") => None,
            _ => Some(Self::Canceled),
        }
    }

    /// What became of the money; nothing where its offer tells it. A transfer that is awaited no more and its offer
    /// end each other, whichever is first: the offer's end is the step.
    pub const fn of_payment(state: PaymentState) -> Option<Self> {
        match state {
            PaymentState::AwaitingDeposit => Some(Self::AwaitingDeposit),
            PaymentState::Held => Some(Self::Paid),
            PaymentState::Released => Some(Self::Released),
            PaymentState::Refunded => Some(Self::Refunded),
            PaymentState::Canceled => None,
            PaymentState::Failed => Some(Self::PaymentFailed),
        }
    }
}

/// A step with its date, as the view keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct DatedStep {
    /// What happened.
    pub status: OrderStep,
    /// When.
    pub at: WireDate,
}

#[cfg(test)]
mod tests;
