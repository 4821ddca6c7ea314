//! Compensation: an offer that is withdrawn or a post that cannot be had cancels the deal, unless it has ended.

use crate::support::{Market, Offer, PRICE, offer, post_unavailable, timeless};
use serde_json::{Value, json};
use shared_events::Envelope;

/// An event that takes the ground from under a deal, and the reason that the deal then gives.
type Blow = (fn(&Offer, &Value) -> Envelope, &'static str);

const BLOWS: [Blow; 4] = [
    (|offer, _| offer.canceled(), "offer-canceled"),
    (|offer, _| offer.refused(), "offer-refused"),
    (|_, deal| post_unavailable(deal, "post-deleted"), "post-deleted"),
    (|_, deal| post_unavailable(deal, "price-changed"), "price-changed"),
];

#[tokio::test]
async fn a_deal_that_is_still_reserved_is_canceled() {
    let market = Market::open().await;
    for (offer_id, (blow, reason)) in (1..).zip(BLOWS) {
        let offer = offer(offer_id);
        let deal = market.reserved(&offer).await;
        assert_eq!(market.promised(1).await, 1);
        market.service.published().await;
        let event = blow(&offer, &deal);
        let at = event.time;
        market.hear(std::slice::from_ref(&event)).await;

        let canceled = market.read(&deal).await;
        assert_eq!(canceled["status"], "dealCanceled");
        assert_eq!(canceled["history"][1], json!({"status": "dealCanceled", "at": at, "by": reason}));
        assert_eq!(market.promised(1).await, 0, "its unit is free again");
        let [published] = market.service.published().await.try_into().expect("one event");
        let told = json!({
            "eventType": "DealCanceled", "dealId": deal["dealId"], "postId": 1, "userId": offer.buyer,
            "status": "dealCanceled", "updateDt": at, "offerId": offer_id, "sellerId": "seller", "price": PRICE,
            "qty": 1, "reason": reason,
        });
        assert_eq!(timeless(published), told);
        // People's own late answer to it.
        market.write(&deal, "dealEnded").await.expect_problem(409, "deal-not-open");
    }
    market.assert_no_dead_letters().await;
}

#[tokio::test]
async fn it_comes_too_late_for_a_deal_that_is_over() {
    let market = Market::open().await;
    market.post_says(1, &json!({"qty": 4}));
    for (end, promised_in_all) in [("dealCanceled", 0), ("dealEnded", 4)] {
        for (number, (blow, reason)) in (1..).zip(BLOWS) {
            let offer = offer(number + if end == "dealEnded" { 100 } else { 0 });
            let deal = market.reserved(&offer).await;
            let over = market.write(&deal, end).await.expect(200);
            market.service.published().await;
            market.hear(&[blow(&offer, &deal)]).await;
            assert_eq!(market.read(&deal).await, over, "{reason}");
            assert_eq!(market.service.published_types().await, Vec::<String>::new(), "{reason}");
        }
        assert_eq!(market.promised(1).await, promised_in_all);
    }
    market.assert_no_dead_letters().await;
}

#[tokio::test]
async fn two_blows_are_one_cancellation() {
    let market = Market::open().await;
    let deal = market.reserved(&offer(1)).await;
    market.service.published().await;
    market.hear(&[post_unavailable(&deal, "post-hidden"), offer(1).canceled()]).await;
    assert_eq!(market.service.published_types().await, ["DealCanceled"]);
    assert_eq!(market.promised(1).await, 0);
    assert_eq!(market.read(&deal).await["history"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn an_answer_to_an_offer_without_a_deal_changes_the_copy_only() {
    let market = Market::open().await;
    market.hear(&[offer(1).placed(), offer(1).canceled(), offer(2).placed(), offer(2).refused()]).await;
    let never = json!({"postId": 1, "dealId": 77});
    market.hear(&[offer(3).accepted(), offer(4).canceled(), post_unavailable(&never, "post-deleted")]).await;
    for offer_id in [1, 2] {
        // Asked, the owner would answer what was true before.
        market.owner_says(&offer(offer_id), shared_events::OfferStatus::OfferAccepted);
        market.reserve(offer(offer_id).reservation()).await.expect_problem(409, "offer-not-open");
    }
    assert_eq!(market.service.published_types().await, Vec::<String>::new());
    market.assert_no_dead_letters().await;
}

/// As where a dead letter is replayed after what followed it.
#[tokio::test]
async fn an_offer_that_is_heard_of_after_its_end_does_not_open_again() {
    let market = Market::open().await;
    for (offer_id, end) in (1..).zip([Offer::canceled, Offer::refused]) {
        let offer = offer(offer_id);
        market.hear(&[end(&offer), offer.placed(), offer.accepted()]).await;
        // Asked, the owner would answer what was true before.
        market.owner_says(&offer, shared_events::OfferStatus::OfferAccepted);
        market.reserve(offer.reservation()).await.expect_problem(409, "offer-not-open");
    }
    assert_eq!(market.service.published_types().await, Vec::<String>::new());
    market.assert_no_dead_letters().await;
}

#[tokio::test]
async fn an_offer_of_several_units_gives_all_of_them_back() {
    let market = Market::open().await;
    market.post_says(1, &json!({"qty": 5}));
    let big = offer(1).units(3);
    market.reserved(&big).await;
    market.reserved(&offer(2).units(2)).await;
    assert_eq!(market.promised(1).await, 5);
    market.hear(&[big.canceled()]).await;
    assert_eq!(market.promised(1).await, 2);
    market.reserved(&offer(3).units(3)).await;
    assert_eq!(market.promised(1).await, 5);
}
