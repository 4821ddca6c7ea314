//! Every offer × every deal × every payment.

use super::*;

const PAYMENTS: [Option<PaymentState>; 7] = [
    None,
    Some(PaymentState::AwaitingDeposit),
    Some(PaymentState::Held),
    Some(PaymentState::Released),
    Some(PaymentState::Refunded),
    Some(PaymentState::Canceled),
    Some(PaymentState::Failed),
];

#[test]
fn every_offer_with_every_payment_and_every_deal() {
    use OrderStatus::*;
    assert_eq!(PAYMENTS[1..].iter().copied().flatten().collect::<Vec<_>>(), PaymentState::ALL);
    // Columns: the payment, none first, in the order of `PaymentState::ALL`.
    #[rustfmt::skip]
    let without_deal = [
        //                           none      awaiting         held      released  refunded  canceled  failed
        (OfferStatus::OfferPlaced,   [Placed,   AwaitingDeposit, Paid,     Paid,     Refunded, Canceled, Canceled]),
        (OfferStatus::OfferAccepted, [Accepted, AwaitingDeposit, Accepted, Accepted, Refunded, Canceled, Canceled]),
        (OfferStatus::OfferRefused,  [Refused,  Refused,         Refused,  Refused,  Refunded, Refused,  Refused]),
        (OfferStatus::OfferCanceled, [Canceled, Canceled,        Canceled, Canceled, Refunded, Canceled, Canceled]),
        (OfferStatus::DealEnded,     [Ended,    Ended,           Ended,    Ended,    Ended,    Ended,    Ended]),
    ];
    // What the offer says does not matter any more.
    #[rustfmt::skip]
    let with_deal = [
        //                            none        awaiting    held        released    refunded  canceled    failed
        (DealStatus::DealReserved,    [Reserved,   Reserved,   Reserved,   Reserved,   Refunded, Reserved,   Reserved]),
        (DealStatus::DeliveryStarted, [Delivering, Delivering, Delivering, Delivering, Refunded, Delivering, Delivering]),
        (DealStatus::CancelRequested, [Delivering, Delivering, Delivering, Delivering, Refunded, Delivering, Delivering]),
        (DealStatus::DealCanceled,    [Canceled,   Canceled,   Canceled,   Canceled,   Refunded, Canceled,   Canceled]),
        (DealStatus::DealEnded,       [Ended,      Ended,      Ended,      Ended,      Ended,    Ended,      Ended]),
    ];
    assert_eq!(without_deal.map(|(offer, _)| offer), OfferStatus::ALL);
    assert_eq!(with_deal.map(|(deal, _)| deal), DealStatus::ALL);
    for (offer, expected) in without_deal {
        assert_eq!(PAYMENTS.map(|payment| order_status(offer, None, payment)), expected, "{offer}");
        for (deal, expected) in with_deal {
            let found = PAYMENTS.map(|payment| order_status(offer, Some(deal), payment));
            assert_eq!(found, expected, "{offer}, {deal}");
        }
    }
}

#[test]
fn the_seeds_words() {
    use OrderStatus::*;
    let (meetup, delivery) = (Some(Fulfilment::Meetup), Some(Fulfilment::Delivery));
    let table = [
        (Placed, "placed", "주문접수", "주문접수"),
        (AwaitingDeposit, "awaitingDeposit", "입금확인대기", "입금확인대기"),
        (Paid, "paid", "입금확인완료", "입금확인완료"),
        (Accepted, "accepted", "수락됨", "수락됨"),
        (Reserved, "reserved", "거래예정", "상품준비완료"),
        (Delivering, "delivering", "배송중", "배송중"),
        (Ended, "ended", "거래완료", "거래완료"),
        (Refused, "refused", "거절됨", "거절됨"),
        (Canceled, "canceled", "주문취소", "주문취소"),
        (Refunded, "refunded", "결제취소", "결제취소"),
    ];
    for (status, word, text, sent) in table {
        assert_eq!(serde_json::to_value(status).unwrap(), word);
        assert_eq!((status.text(None), status.text(meetup), status.text(delivery)), (text, text, sent));
    }
    assert_eq!(words::<OrderStatus>(), serde_json::json!(table.map(|(_, word, ..)| word)));
}

/// Every word that an answer may have, in the order of the enum.
fn words<E: utoipa::PartialSchema>() -> serde_json::Value {
    serde_json::to_value(E::schema()).unwrap()["enum"].clone()
}

#[test]
fn every_step_and_its_words() {
    use OrderStep::*;
    let table = [
        (Placed, "placed", "주문접수"),
        (AwaitingDeposit, "awaitingDeposit", "입금확인대기"),
        (Paid, "paid", "입금확인완료"),
        (Accepted, "accepted", "수락됨"),
        (Reserved, "reserved", "거래예정"),
        (Rescheduled, "rescheduled", "약속변경"),
        (Delivering, "delivering", "배송중"),
        (CancelRequested, "cancelRequested", "취소요청"),
        (CancelDeclined, "cancelDeclined", "취소거절"),
        (Ended, "ended", "거래완료"),
        (Released, "released", "정산완료"),
        (Refused, "refused", "거절됨"),
        (Canceled, "canceled", "주문취소"),
        (PaymentFailed, "paymentFailed", "결제실패"),
        (Refunded, "refunded", "결제취소"),
    ];
    for (step, word, text) in table {
        assert_eq!((serde_json::to_value(step).unwrap(), step.text(None)), (word.into(), text));
    }
    assert_eq!(words::<OrderStep>(), serde_json::json!(table.map(|(_, word, _)| word)));
}

#[test]
fn a_payment_at_every_state_is_a_step_or_told_by_its_offer() {
    use OrderStep::*;
    let steps = PaymentState::ALL.iter().map(|state| OrderStep::of_payment(*state)).collect::<Vec<_>>();
    // In the order of `PaymentState::ALL`; canceled is the offer's 주문취소.
    let expected =
        [Some(AwaitingDeposit), Some(Paid), Some(Released), Some(Refunded), None, Some(PaymentFailed)];
    assert_eq!(steps, expected);
}

#[test]
fn what_is_told_twice_is_one_step() {
    assert_eq!(OrderStep::of_answer(OfferStatus::OfferCanceled, None), Some(OrderStep::Canceled));
    assert_eq!(OrderStep::of_answer(OfferStatus::OfferCanceled, Some("expired")), Some(OrderStep::Canceled));
    assert_eq!(OrderStep::of_answer(OfferStatus::OfferCanceled, Some("deal-canceled")), None);
    assert_eq!(OrderStep::of_cancellation(Some("offer-canceled")), None);
    assert_eq!(OrderStep::of_cancellation(Some("offer-refused")), None);
    assert_eq!(OrderStep::of_cancellation(Some("post-deleted")), Some(OrderStep::Canceled));
    assert_eq!(OrderStep::of_cancellation(None), Some(OrderStep::Canceled));
}
