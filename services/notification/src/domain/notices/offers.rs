//! What people are told of offers and messages.

use super::{because, priced, shortened};
use crate::domain::{Kind, Notice, Tells};
use shared_events::{
    MessageSent, OfferAccepted, OfferCanceled, OfferPlaced, OfferRefused, OfferType, PayMethod,
};

/// The characters of a message that are told; the rest is read where the message is.
const EXCERPT: usize = 100;

impl Tells for OfferPlaced {
    fn notices(&self) -> Vec<Notice> {
        let (buyer, price) = (&self.user_id, priced(self.agreed_price, self.qty));
        let message = match self.offer_type {
            OfferType::DealOffered => format!("{buyer}님이 {price}에 구매를 신청했습니다."),
            OfferType::PriceNegotiated => format!("{buyer}님이 {price}에 구매를 제안했습니다."),
        };
        vec![Notice {
            user_id: self.seller_id.clone(),
            kind: Kind::OfferPlaced,
            post_id: self.post_id,
            offer_id: Some(self.offer_id),
            deal_id: None,
            message,
        }]
    }
}

/// The answers to an offer carry the same fields: `event => kind: (event) -> who is told what, if anybody`.
macro_rules! offer_answers {
    ($($event:ident => |$it:ident, $price:ident| $told:expr,)+) => {$(
        impl Tells for $event {
            fn notices(&self) -> Vec<Notice> {
                let ($it, $price) = (self, priced(self.agreed_price, self.qty));
                let told: Vec<(&String, String)> = $told;
                let notices = told.into_iter().map(|(user_id, message)| Notice {
                    user_id: user_id.clone(),
                    kind: Kind::$event,
                    post_id: self.post_id,
                    offer_id: Some(self.offer_id),
                    deal_id: None,
                    message,
                });
                notices.collect()
            }
        }
    )+};
}

offer_answers! {
    OfferAccepted => |it, price| match it.reason {
        None => vec![(&it.user_id, format!("{}님이 {price} 제안을 수락했습니다.", it.seller_id))],
        // A deal was reserved on it: DealReserved tells both.
        Some(_) => Vec::new(),
    },
    OfferRefused => |it, price| vec![(&it.user_id, format!("{}님이 {price} 제안을 거절했습니다.", it.seller_id))],
    OfferCanceled => |it, price| match it.reason.as_deref() {
        None => vec![(&it.seller_id, format!("{}님이 {price} 제안을 취소했습니다.", it.user_id))],
        // DealCanceled tells both.
        Some("deal-canceled") => Vec::new(),
        // Nobody has seen it: its money could not be held, which the buyer was answered.
        Some("not-placed") => Vec::new(),
        reason => {
            let because = because(reason);
            let buyer = (&it.user_id, format!("{price} 제안이 취소되었습니다.{because}"));
            // The seller was told to look out for the deposit.
            match (reason, it.pay_method) {
                (Some("payment-over"), PayMethod::BankTransfer) => {
                    let message = format!("{}님의 {price} 제안이 취소되었습니다.{because}", it.user_id);
                    vec![buyer, (&it.seller_id, message)]
                }
                _ => vec![buyer],
            }
        }
    },
}

impl Tells for MessageSent {
    fn notices(&self) -> Vec<Notice> {
        vec![Notice {
            user_id: self.to_user_id.clone(),
            kind: Kind::MessageSent,
            post_id: self.post_id,
            offer_id: self.offer_id,
            deal_id: None,
            message: format!("{}님: {}", self.user_id, shortened(&self.body, EXCERPT)),
        }]
    }
}
