//! Where an order stands: the offer and the deal that came of it, as one word.

use serde::Serialize;
use shared_events::{DealStatus, OfferStatus};
use utoipa::ToSchema;

/// Where an order stands. Payments and deliveries will add their words here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum OrderStatus {
    /// The seller has not answered yet.
    Placed,
    /// The seller agreed.
    Accepted,
    /// They will meet.
    Reserved,
    /// Goods and money changed hands.
    Ended,
    /// The seller declined.
    Refused,
    /// Called off, or there is nothing left to buy.
    Canceled,
}

impl OrderStatus {
    /// The seeds' words for it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Placed => "주문접수",
            Self::Accepted => "수락됨",
            Self::Reserved => "거래예정",
            Self::Ended => "거래완료",
            Self::Refused => "거절됨",
            Self::Canceled => "주문취소",
        }
    }
}

/// The deal dominates, once there is one: it is what the two of them agreed on last.
pub const fn order_status(offer: OfferStatus, deal: Option<DealStatus>) -> OrderStatus {
    match (deal, offer) {
        (Some(DealStatus::DealReserved), _) => OrderStatus::Reserved,
        (Some(DealStatus::DealEnded), _) => OrderStatus::Ended,
        (Some(DealStatus::DealCanceled), _) => OrderStatus::Canceled,
        (None, OfferStatus::OfferPlaced) => OrderStatus::Placed,
        (None, OfferStatus::OfferAccepted) => OrderStatus::Accepted,
        (None, OfferStatus::OfferRefused) => OrderStatus::Refused,
        (None, OfferStatus::OfferCanceled) => OrderStatus::Canceled,
        (None, OfferStatus::DealEnded) => OrderStatus::Ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offer_with_every_deal() {
        use DealStatus::{DealCanceled, DealEnded, DealReserved};
        use OrderStatus::{Accepted, Canceled, Ended, Placed, Refused, Reserved};
        let deals = [None, Some(DealReserved), Some(DealEnded), Some(DealCanceled)];
        let table = [
            (OfferStatus::OfferPlaced, [Placed, Reserved, Ended, Canceled]),
            (OfferStatus::OfferAccepted, [Accepted, Reserved, Ended, Canceled]),
            (OfferStatus::OfferRefused, [Refused, Reserved, Ended, Canceled]),
            (OfferStatus::OfferCanceled, [Canceled, Reserved, Ended, Canceled]),
            (OfferStatus::DealEnded, [Ended, Reserved, Ended, Canceled]),
        ];
        assert_eq!(table.map(|(offer, _)| offer), OfferStatus::ALL);
        assert_eq!(deals.len(), DealStatus::ALL.len() + 1);
        for (offer, expected) in table {
            assert_eq!(deals.map(|deal| order_status(offer, deal)), expected, "{offer}");
        }
    }
}
