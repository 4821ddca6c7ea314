use super::*;
use crate::domain::{Newsworthy, Tells};
use serde_json::{Value, json};
use shared_events::{
    CancelDeclined, CancelRequested, DealCanceled, DealEnded, DealRescheduled, DealReserved, DealReviewed,
    DeliveryStarted, MessageSent, OfferAccepted, OfferCanceled, OfferPlaced, OfferRefused, PaymentFailed,
    PaymentHeld, PaymentPlaced, PaymentRefunded, PaymentReleased, PostEdited, StatusUpdated,
};

type Told = Vec<(String, String)>;

/// An event of the walk with some fields changed.
fn event<E: shared_events::Event>(change: &Value) -> E {
    let mut fields = json!({
        "offerId": 3, "dealId": 2, "postId": 1, "userId": "buyer03", "sellerId": "seller01",
        "price": 510_000, "offeredPrice": 510_000, "agreedPrice": 510_000, "qty": 1,
        "offerType": "priceNegotiated", "offerStatus": "offerPlaced", "payMethod": "none",
        "status": "dealReserved", "updateDt": "2024-09-24", "fulfilment": "meetup", "reason": null,
        "messageId": 4, "toUserId": "seller01", "body": "아직 있나요?", "reserveDt": "2024-09-26",
        "meetPlace": "방배역", "address": null, "paymentId": 7, "amount": 510_000, "state": "held", "reviewId": 6,
        "targetId": "seller01", "rating": 5, "comment": null, "goods": "아이폰13", "version": 2,
        "previousPrice": 600_000, "availableQty": 0,
    });
    fields.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    serde_json::from_value(fields).unwrap()
}

/// Who is told what of it.
fn told<E: Tells>(change: Value) -> Told {
    let notices = event::<E>(&change).notices();
    for notice in &notices {
        let kind = serde_json::to_value(notice.kind).unwrap();
        assert_eq!(kind.as_str().unwrap().to_lowercase(), E::TYPE.to_lowercase());
        assert_eq!(notice.post_id, 1);
        // Each notice leads to what it is about, where the event says so.
        let value = serde_json::to_value(event::<E>(&change)).unwrap();
        assert_eq!((notice.offer_id, notice.deal_id), (value["offerId"].as_i64(), value["dealId"].as_i64()));
    }
    let mut people: Vec<_> = notices.iter().map(|notice| &notice.user_id).collect();
    people.dedup();
    assert_eq!(people.len(), notices.len(), "somebody is told twice of {}", E::TYPE);
    notices.into_iter().map(|notice| (notice.user_id, notice.message)).collect()
}

fn check(table: &[(Told, &[(&str, &str)])]) {
    for (told, expected) in table {
        let told: Vec<_> = told.iter().map(|(user, message)| (user.as_str(), message.as_str())).collect();
        assert_eq!(told, *expected);
    }
}

fn because(word: &str) -> Value {
    json!({"reason": word})
}

#[test]
fn every_event_of_an_offer_tells_whom_it_concerns() {
    check(&[
        (told::<OfferPlaced>(json!({})), &[("seller01", "buyer03님이 510,000원에 구매를 제안했습니다.")]),
        (
            told::<OfferPlaced>(json!({"offerType": "dealOffered", "qty": 2})),
            &[("seller01", "buyer03님이 510,000원(2개)에 구매를 신청했습니다.")],
        ),
        (told::<OfferAccepted>(json!({})), &[("buyer03", "seller01님이 510,000원 제안을 수락했습니다.")]),
        (told::<OfferAccepted>(because("deal-reserved")), &[]),
        (told::<OfferRefused>(json!({})), &[("buyer03", "seller01님이 510,000원 제안을 거절했습니다.")]),
        (told::<OfferCanceled>(json!({})), &[("seller01", "buyer03님이 510,000원 제안을 취소했습니다.")]),
        (told::<OfferCanceled>(because("deal-canceled")), &[]),
        (told::<OfferCanceled>(because("not-placed")), &[]),
        (
            told::<OfferCanceled>(because("payment-over")),
            &[("buyer03", "510,000원 제안이 취소되었습니다. (결제 취소)")],
        ),
        (
            told::<OfferCanceled>(json!({"reason": "payment-over", "payMethod": "bankTransfer"})),
            &[
                ("buyer03", "510,000원 제안이 취소되었습니다. (결제 취소)"),
                ("seller01", "buyer03님의 510,000원 제안이 취소되었습니다. (결제 취소)"),
            ],
        ),
        (
            told::<OfferCanceled>(because("expired")),
            &[("buyer03", "510,000원 제안이 취소되었습니다. (기간 만료)")],
        ),
        (
            told::<OfferCanceled>(because("post-ended")),
            &[("buyer03", "510,000원 제안이 취소되었습니다. (판매 완료)")],
        ),
        (
            told::<OfferCanceled>(because("of-a-later-year")),
            &[("buyer03", "510,000원 제안이 취소되었습니다. (of-a-later-year)")],
        ),
        (told::<MessageSent>(json!({})), &[("seller01", "buyer03님: 아직 있나요?")]),
        (
            told::<MessageSent>(
                json!({"toUserId": "buyer03", "userId": "seller01", "offerId": null, "body": " 네,\n 있어요. "}),
            ),
            &[("buyer03", "seller01님: 네, 있어요.")],
        ),
    ]);
}

#[test]
fn every_event_of_a_deal_tells_whom_it_concerns() {
    check(&[
        (
            told::<DealReserved>(json!({})),
            &[
                ("buyer03", "seller01님과의 510,000원 거래가 예약되었습니다. (9월 26일, 방배역)"),
                ("seller01", "buyer03님과의 510,000원 거래가 예약되었습니다. (9월 26일, 방배역)"),
            ],
        ),
        (
            told::<DealReserved>(json!({"reserveDt": null, "meetPlace": null})),
            &[
                ("buyer03", "seller01님과의 510,000원 거래가 예약되었습니다."),
                ("seller01", "buyer03님과의 510,000원 거래가 예약되었습니다."),
            ],
        ),
        (
            told::<DealReserved>(
                json!({"fulfilment": "delivery", "address": "방배로 1", "reserveDt": null, "meetPlace": null}),
            ),
            &[
                ("buyer03", "seller01님과의 510,000원 거래가 예약되었습니다."),
                ("seller01", "buyer03님과의 510,000원 거래가 예약되었습니다. (배송지: 방배로 1)"),
            ],
        ),
        (
            told::<DealEnded>(json!({})),
            &[
                ("buyer03", "seller01님과의 510,000원 거래가 완료되었습니다."),
                ("seller01", "buyer03님과의 510,000원 거래가 완료되었습니다."),
            ],
        ),
        (
            told::<DealCanceled>(json!({})),
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
        (
            told::<DealRescheduled>(json!({})),
            &[
                ("buyer03", "seller01님과의 거래 약속이 바뀌었습니다: 9월 26일, 방배역"),
                ("seller01", "buyer03님과의 거래 약속이 바뀌었습니다: 9월 26일, 방배역"),
            ],
        ),
        (
            told::<DealRescheduled>(json!({"reserveDt": null, "meetPlace": null})),
            &[
                ("buyer03", "seller01님과의 거래 약속이 바뀌었습니다: 미정"),
                ("seller01", "buyer03님과의 거래 약속이 바뀌었습니다: 미정"),
            ],
        ),
        (told::<DeliveryStarted>(json!({})), &[("buyer03", "seller01님이 상품을 보냈습니다.")]),
        (
            told::<CancelRequested>(json!({})),
            &[("seller01", "buyer03님이 배송 중인 거래의 취소를 요청했습니다.")],
        ),
        (told::<CancelDeclined>(json!({})), &[("buyer03", "seller01님이 거래 취소를 거절했습니다.")]),
        (told::<DealReviewed>(json!({})), &[("seller01", "buyer03님이 별점 5점의 후기를 남겼습니다.")]),
        (
            told::<DealReviewed>(json!({"userId": "seller01", "targetId": "buyer03", "rating": 1})),
            &[("buyer03", "seller01님이 별점 1점의 후기를 남겼습니다.")],
        ),
    ]);
}

#[test]
fn every_event_of_a_payment_tells_whom_it_concerns() {
    let wallet = || json!({"payMethod": "wallet", "dealId": null});
    let bank = || json!({"payMethod": "bankTransfer"});
    check(&[
        (
            told::<PaymentPlaced>(bank()),
            &[("seller01", "buyer03님이 510,000원을 계좌이체로 보냅니다. 입금되면 확인해 주세요.")],
        ),
        (
            told::<PaymentHeld>(wallet()),
            &[("seller01", "buyer03님의 510,000원을 맡아 두었습니다. 거래가 끝나면 드립니다.")],
        ),
        (
            told::<PaymentHeld>(bank()),
            &[
                ("buyer03", "510,000원 입금이 확인되었습니다."),
                ("seller01", "buyer03님의 510,000원을 맡아 두었습니다. 거래가 끝나면 드립니다."),
            ],
        ),
        (
            told::<PaymentReleased>(wallet()),
            &[("seller01", "buyer03님과의 거래 대금 510,000원을 받았습니다.")],
        ),
        (told::<PaymentRefunded>(bank()), &[("buyer03", "510,000원이 지갑으로 환불되었습니다.")]),
        (
            told::<PaymentFailed>(json!({"state": "failed"})),
            &[("buyer03", "510,000원을 결제하지 못했습니다.")],
        ),
        (
            told::<PaymentFailed>(json!({"state": "canceled"})),
            &[("buyer03", "510,000원 입금 대기가 취소되었습니다.")],
        ),
    ]);
}

#[test]
fn every_event_of_a_post_is_news_or_not() {
    fn news<E: Newsworthy>(change: Value) -> Option<String> {
        event::<E>(&change).news().map(|news| {
            assert_eq!((news.post_id, news.seller_id.as_str()), (1, "buyer03"));
            format!("{:?}: {}", news.kind, news.message)
        })
    }
    let fell = "PriceFell: 찜한 상품의 가격이 600,000원에서 510,000원으로 내렸습니다: 아이폰13";
    for (news, expected) in [
        (news::<PostEdited>(json!({})), Some(fell)),
        (news::<PostEdited>(json!({"price": 600_000})), None),
        (news::<PostEdited>(json!({"price": 600_001})), None),
        (news::<StatusUpdated>(json!({})), Some("StatusUpdated: 찜한 상품이 예약되었습니다.")),
        (
            news::<StatusUpdated>(json!({"status": "created"})),
            Some("StatusUpdated: 찜한 상품이 다시 판매 중입니다."),
        ),
        (
            news::<StatusUpdated>(json!({"status": "dealEnded"})),
            Some("StatusUpdated: 찜한 상품이 판매되었습니다."),
        ),
    ] {
        assert_eq!(news.as_deref(), expected);
    }
}

#[test]
fn won_are_grouped_by_thousands() {
    for (amount, text) in
        [(0, "0원"), (999, "999원"), (1000, "1,000원"), (1_000_000_000_000, "1,000,000,000,000원")]
    {
        assert_eq!(won(amount), text);
    }
}

#[test]
fn a_moment_is_a_korean_day() {
    for (date, text) in [
        ("2024-09-26", "9월 26일"),
        ("2024-09-26T08:30:00+09:00", "9월 26일 08:30"),
        ("2024-12-31T20:00:00Z", "1월 1일 05:00"),
    ] {
        assert_eq!(moment(date.parse().unwrap()), text);
    }
}

#[test]
fn a_long_text_is_shortened_between_characters() {
    assert_eq!(shortened("가나다", 3), "가나다");
    assert_eq!(shortened("가나다라", 3), "가나다…");
}
