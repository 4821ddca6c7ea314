//! Which event tells whom what.

use super::{Kind, Notice, Tells};
use shared_events::{
    DealCanceled, DealEnded, DealReserved, OfferAccepted, OfferCanceled, OfferPlaced, OfferRefused,
    OfferType, Won,
};

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
                let told: Option<(&String, String)> = $told;
                let notice = told.map(|(user_id, message)| Notice {
                    user_id: user_id.clone(),
                    kind: Kind::$event,
                    post_id: self.post_id,
                    offer_id: Some(self.offer_id),
                    deal_id: None,
                    message,
                });
                notice.into_iter().collect()
            }
        }
    )+};
}

offer_answers! {
    OfferAccepted => |it, price| match it.reason {
        None => Some((&it.user_id, format!("{}님이 {price} 제안을 수락했습니다.", it.seller_id))),
        // A deal was reserved on it: DealReserved tells both.
        Some(_) => None,
    },
    OfferRefused => |it, price| Some((&it.user_id, format!("{}님이 {price} 제안을 거절했습니다.", it.seller_id))),
    OfferCanceled => |it, price| match it.reason.as_deref() {
        None => Some((&it.seller_id, format!("{}님이 {price} 제안을 취소했습니다.", it.user_id))),
        // DealCanceled tells both.
        Some("deal-canceled") => None,
        reason => Some((&it.user_id, format!("{price} 제안이 취소되었습니다.{}", because(reason)))),
    },
}

/// What happens to a deal concerns both: `event => (event) -> what became of it, and why`.
macro_rules! deals {
    ($($event:ident => |$it:ident| $became:expr,)+) => {$(
        impl Tells for $event {
            fn notices(&self) -> Vec<Notice> {
                let $it = self;
                let (became, reason): (&str, Option<&str>) = $became;
                let both = [(&self.user_id, &self.seller_id), (&self.seller_id, &self.user_id)];
                let notices = both.map(|(user_id, other)| Notice {
                    user_id: user_id.clone(),
                    kind: Kind::$event,
                    post_id: self.post_id,
                    offer_id: Some(self.offer_id),
                    deal_id: Some(self.deal_id),
                    message: format!(
                        "{other}님과의 {} 거래가 {became}되었습니다.{}",
                        priced(self.price, self.qty),
                        because(reason),
                    ),
                });
                notices.into()
            }
        }
    )+};
}

deals! {
    DealReserved => |_it| ("예약", None),
    DealEnded => |_it| ("완료", None),
    DealCanceled => |it| ("취소", it.reason.as_deref()),
}

/// `510,000원`, and how many where it is more than one.
fn priced(each: Won, qty: i32) -> String {
    let digits = each.to_string();
    let mut price = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            price.push(',');
        }
        price.push(digit);
    }
    if qty == 1 { format!("{price}원") } else { format!("{price}원({qty}개)") }
}

/// ` (판매 완료)`; a word that has no translation yet stands for itself.
fn because(reason: Option<&str>) -> String {
    let Some(word) = reason else { return String::new() };
    let text = match word {
        "post-ended" => "판매 완료",
        "post-deleted" => "판매글 삭제",
        "post-hidden" => "판매글 숨김",
        "not-enough-stock" => "수량 부족",
        "price-changed" => "가격 변경",
        "offer-canceled" => "제안 취소",
        "offer-refused" => "제안 거절",
        other => other,
    };
    format!(" ({text})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// An event of the walk with some fields changed, and who is told what.
    fn told<E: Tells>(change: Value) -> Vec<(String, String)> {
        let mut fields = json!({
            "offerId": 3, "dealId": 2, "postId": 1, "userId": "buyer03", "sellerId": "seller01",
            "price": 510_000, "offeredPrice": 510_000, "agreedPrice": 510_000, "qty": 1,
            "offerType": "priceNegotiated", "offerStatus": "offerPlaced", "payMethod": "none",
            "status": "dealReserved", "updateDt": "2024-09-24", "fulfilment": "meetup", "reason": null,
        });
        fields.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let event: E = serde_json::from_value(fields).unwrap();
        let notices = event.notices();
        for notice in &notices {
            assert_eq!(
                serde_json::to_value(notice.kind).unwrap().as_str().unwrap().to_lowercase(),
                E::TYPE.to_lowercase()
            );
            assert_eq!((notice.post_id, notice.offer_id), (1, Some(3)));
            assert_eq!(notice.deal_id, E::TYPE.starts_with("Deal").then_some(2));
        }
        notices.into_iter().map(|notice| (notice.user_id, notice.message)).collect()
    }

    #[test]
    fn every_event_tells_whom_it_concerns() {
        let because = |word: &str| json!({"reason": word});
        let nothing = || json!({});
        type Row = (Vec<(String, String)>, &'static [(&'static str, &'static str)]);
        let table: [Row; 13] = [
            (told::<OfferPlaced>(nothing()), &[("seller01", "buyer03님이 510,000원에 구매를 제안했습니다.")]),
            (
                told::<OfferPlaced>(json!({"offerType": "dealOffered", "qty": 2})),
                &[("seller01", "buyer03님이 510,000원(2개)에 구매를 신청했습니다.")],
            ),
            (told::<OfferAccepted>(nothing()), &[("buyer03", "seller01님이 510,000원 제안을 수락했습니다.")]),
            (told::<OfferAccepted>(because("deal-reserved")), &[]),
            (told::<OfferRefused>(nothing()), &[("buyer03", "seller01님이 510,000원 제안을 거절했습니다.")]),
            (told::<OfferCanceled>(nothing()), &[("seller01", "buyer03님이 510,000원 제안을 취소했습니다.")]),
            (told::<OfferCanceled>(because("deal-canceled")), &[]),
            (
                told::<OfferCanceled>(because("post-ended")),
                &[("buyer03", "510,000원 제안이 취소되었습니다. (판매 완료)")],
            ),
            (
                told::<OfferCanceled>(because("of-a-later-year")),
                &[("buyer03", "510,000원 제안이 취소되었습니다. (of-a-later-year)")],
            ),
            (
                told::<DealReserved>(nothing()),
                &[
                    ("buyer03", "seller01님과의 510,000원 거래가 예약되었습니다."),
                    ("seller01", "buyer03님과의 510,000원 거래가 예약되었습니다."),
                ],
            ),
            (
                told::<DealEnded>(nothing()),
                &[
                    ("buyer03", "seller01님과의 510,000원 거래가 완료되었습니다."),
                    ("seller01", "buyer03님과의 510,000원 거래가 완료되었습니다."),
                ],
            ),
            (
                told::<DealCanceled>(nothing()),
                &[
                    ("buyer03", "seller01님과의 510,000원 거래가 취소되었습니다."),
                    ("seller01", "buyer03님과의 510,000원 거래가 취소되었습니다."),
                ],
            ),
            (
                told::<DealCanceled>(because("post-deleted")),
                &[
                    ("buyer03", "seller01님과의 510,000원 거래가 취소되었습니다. (판매글 삭제)"),
                    ("seller01", "buyer03님과의 510,000원 거래가 취소되었습니다. (판매글 삭제)"),
                ],
            ),
        ];
        for (told, expected) in table {
            let told: Vec<_> = told.iter().map(|(user, message)| (user.as_str(), message.as_str())).collect();
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn won_are_grouped_by_thousands() {
        for (won, text) in
            [(0, "0원"), (999, "999원"), (1000, "1,000원"), (1_000_000_000_000, "1,000,000,000,000원")]
        {
            assert_eq!(priced(won, 1), text);
        }
    }
}
