//! What people are told of deals and reviews.

use super::{appointment, aside, because, moment, priced};
use crate::domain::{Kind, Notice, Tells};
use shared_events::{
    CancelDeclined, CancelRequested, DealCanceled, DealEnded, DealRescheduled, DealReserved, DealReviewed,
    DeliveryStarted,
};

/// What happens to a deal concerns both: `event => (event) -> what became of it, and more of it for the buyer and
/// for the seller`.
macro_rules! deals {
    ($($event:ident => |$it:ident| $became:expr,)+) => {$(
        impl Tells for $event {
            fn notices(&self) -> Vec<Notice> {
                let $it = self;
                let (became, [for_buyer, for_seller]): (&str, [String; 2]) = $became;
                let both = [
                    (&self.user_id, &self.seller_id, for_buyer),
                    (&self.seller_id, &self.user_id, for_seller),
                ];
                let notices = both.map(|(user_id, other, more)| Notice {
                    user_id: user_id.clone(),
                    kind: Kind::$event,
                    post_id: self.post_id,
                    offer_id: Some(self.offer_id),
                    deal_id: Some(self.deal_id),
                    message: format!(
                        "{other}님과의 {} 거래가 {became}되었습니다.{more}",
                        priced(self.price, self.qty),
                    ),
                });
                notices.into()
            }
        }
    )+};
}

deals! {
    DealReserved => |it| {
        let (day, parcel) = (it.reserve_dt.map(moment), it.address.as_ref().map(|to| format!("배송지: {to}")));
        let meeting = [day.as_deref(), it.meet_place.as_deref()].into_iter().flatten();
        // The buyer knows the address.
        ("예약", [aside(meeting.clone()), aside(meeting.chain(parcel.as_deref()))])
    },
    DealEnded => |_it| ("완료", [String::new(), String::new()]),
    DealCanceled => |it| {
        let why = because(it.reason.as_deref());
        ("취소", [why.clone(), why])
    },
}

/// The steps of a deal on its way: `event => (event) -> who is told what`.
macro_rules! steps {
    ($($event:ident => |$it:ident| $told:expr,)+) => {$(
        impl Tells for $event {
            fn notices(&self) -> Vec<Notice> {
                let $it = self;
                let told = $told;
                let notices = told.into_iter().map(|(user_id, message): (&String, String)| Notice {
                    user_id: user_id.clone(),
                    kind: Kind::$event,
                    post_id: self.post_id,
                    offer_id: Some(self.offer_id),
                    deal_id: Some(self.deal_id),
                    message,
                });
                notices.collect()
            }
        }
    )+};
}

steps! {
    DealRescheduled => |it| {
        let when = appointment(it.reserve_dt, it.meet_place.as_deref());
        [(&it.user_id, &it.seller_id), (&it.seller_id, &it.user_id)]
            .map(|(user, other)| (user, format!("{other}님과의 거래 약속이 바뀌었습니다: {when}")))
    },
    DeliveryStarted => |it| [(&it.user_id, format!("{}님이 상품을 보냈습니다.", it.seller_id))],
    CancelRequested => |it| [(&it.seller_id, format!("{}님이 배송 중인 거래의 취소를 요청했습니다.", it.user_id))],
    CancelDeclined => |it| [(&it.user_id, format!("{}님이 거래 취소를 거절했습니다.", it.seller_id))],
}

impl Tells for DealReviewed {
    fn notices(&self) -> Vec<Notice> {
        vec![Notice {
            user_id: self.target_id.clone(),
            kind: Kind::DealReviewed,
            post_id: self.post_id,
            offer_id: None,
            deal_id: Some(self.deal_id),
            message: format!("{}님이 별점 {}점의 후기를 남겼습니다.", self.user_id, self.rating),
        }]
    }
}
