//! A marketplace where anything may happen.

use crate::events::event;
use serde_json::json;
use shared_events::{
    DealEnded, DealReserved, DealReviewed, Envelope, LikeCntUpdated, OfferAccepted, OfferCanceled,
    OfferPlaced, PaymentHeld, PaymentRefunded, PostDeleted, PostEdited, PostHidden, PostWrote, StatusUpdated,
};

/// Pseudo-random numbers, the same at every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> i64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end).cast_signed()
    }

    /// Something that happened in that second. No event has to be there before another.
    fn happens(&mut self, second: i64) -> Envelope {
        let id = 1 + self.below(200);
        let post = json!({"postId": id, "userId": format!("seller{:02}", id % 7), "likeCnt": self.below(9),
            "price": self.below(1_000_000), "status": if id % 2 == 0 { "created" } else { "dealReserved" }});
        let offer = |status| {
            json!({"offerId": id, "postId": id % 50, "userId": format!("buyer{:02}", id % 5), "agreedPrice": id,
                "offerStatus": status})
        };
        let deal = |status| {
            json!({"dealId": id, "postId": id % 50, "offerId": id, "userId": format!("buyer{:02}", id % 5),
                "status": status, "reserveDt": "2024-09-30", "meetPlace": format!("{id}번 출구")})
        };
        let payment = |state| {
            json!({"paymentId": id, "offerId": id, "postId": id % 50, "userId": "buyer01", "amount": id,
                "payMethod": "wallet", "state": state})
        };
        match self.below(15) {
            0..3 => event::<PostWrote>(second, post),
            3 => event::<PostEdited>(second, post),
            4 => event::<StatusUpdated>(second, post),
            5 => event::<LikeCntUpdated>(second, post),
            6 => event::<PostHidden>(second, post),
            7 if id % 20 == 0 => event::<PostDeleted>(second, post),
            8 => event::<OfferAccepted>(second, offer("offerAccepted")),
            9 => event::<OfferCanceled>(second, offer("offerCanceled")),
            10 => event::<DealReserved>(second, deal("dealReserved")),
            11 => event::<DealEnded>(second, deal("dealEnded")),
            12 => event::<PaymentHeld>(second, payment("held")),
            13 => event::<PaymentRefunded>(second, payment("refunded")),
            14 => event::<DealReviewed>(
                second,
                json!({"reviewId": id, "dealId": id, "postId": id, "userId": "buyer01",
                    "targetId": format!("seller{:02}", id % 7), "rating": 1 + id % 5}),
            ),
            _ => event::<OfferPlaced>(second, offer("offerPlaced")),
        }
    }
}

/// That many of them, one a second.
pub(crate) fn history(seed: u64, length: i64) -> Vec<Envelope> {
    let mut random = Random(seed);
    (0..length).map(|second| random.happens(second)).collect()
}
