//! Goods that are sent: under way, asked back, received.

use crate::support::{Market, Offer, offer, post_unavailable, timeless};
use serde_json::{Value, json};

/// A deal whose goods are to be sent.
async fn ordered(market: &Market, offer: &Offer) -> Value {
    market.hear(&[offer.placed()]).await;
    let mut body = offer.reservation();
    body["fulfilment"] = json!("delivery");
    body["address"] = json!("방배동 1-2");
    let deal = market.reserve(body).await.expect(201);
    assert_eq!((&deal["fulfilment"], &deal["address"]), (&json!("delivery"), &json!("방배동 1-2")));
    deal
}

async fn by(market: &Market, deal: &Value, user: &str, status: &str) -> chassis::testing::Reply {
    market.patch(deal, json!({"status": status, "userId": user})).await
}

#[tokio::test]
async fn sent_asked_back_declined_and_received() {
    let market = Market::open().await;
    let deal = ordered(&market, &offer(1)).await;
    let events = market.service.published().await;
    assert_eq!(events[0].1["fulfilment"], "delivery");

    by(&market, &deal, "buyer1", "cancelRequested").await.expect_problem(409, "not-on-its-way");
    by(&market, &deal, "buyer1", "deliveryStarted").await.expect_problem(403, "not-the-seller");
    let sent = by(&market, &deal, "seller", "deliveryStarted").await.expect(200);
    let [event] = market.service.published().await.try_into().expect("one event");
    assert_eq!(
        timeless(event),
        json!({
            "eventType": "DeliveryStarted", "dealId": 1, "postId": 1, "userId": "buyer1", "status": "deliveryStarted",
            "updateDt": sent["updateDt"], "sellerId": "seller", "offerId": 1, "reserveDt": null, "meetPlace": null,
        })
    );

    for user in ["buyer1", "seller"] {
        let reply = by(&market, &deal, user, "dealCanceled").await;
        assert!(reply.body["detail"].as_str().is_some_and(|detail| detail.contains("cancelRequested")));
        reply.expect_problem(409, "cancel-needs-consent");
    }
    by(&market, &deal, "seller", "cancelRequested").await.expect_problem(403, "not-the-buyer");
    by(&market, &deal, "seller", "dealEnded").await.expect_problem(403, "not-the-buyer");
    assert_eq!(market.read(&deal).await, sent);

    by(&market, &deal, "buyer1", "cancelRequested").await.expect(200);
    by(&market, &deal, "buyer1", "cancelRequested").await.expect(200);
    by(&market, &deal, "buyer1", "dealCanceled").await.expect_problem(409, "cancel-needs-consent");
    by(&market, &deal, "buyer1", "deliveryStarted").await.expect_problem(403, "not-the-seller");
    by(&market, &deal, "seller", "deliveryStarted").await.expect(200);
    let ended = by(&market, &deal, "buyer1", "dealEnded").await.expect(200);
    let steps: Vec<_> =
        ended["history"].as_array().unwrap().iter().map(|step| step["status"].clone()).collect();
    assert_eq!(steps, ["dealReserved", "deliveryStarted", "cancelRequested", "deliveryStarted", "dealEnded"]);
    assert_eq!(market.service.published_types().await, ["CancelRequested", "CancelDeclined", "DealEnded"]);
    assert_eq!(market.promised(1).await, 1);
}

#[tokio::test]
async fn a_seller_who_agrees_gets_the_units_back() {
    let market = Market::open().await;
    // Where nobody says who acts, whichever may.
    let deal = ordered(&market, &offer(1)).await;
    for status in ["deliveryStarted", "cancelRequested", "dealCanceled", "dealCanceled"] {
        market.write(&deal, status).await.expect(200);
    }
    assert_eq!(
        market.service.published_types().await,
        ["DealReserved", "DeliveryStarted", "CancelRequested", "DealCanceled"]
    );
    assert_eq!(market.promised(1).await, 0);
    ordered(&market, &offer(2)).await;
}

#[tokio::test]
async fn what_is_not_sent_yet_is_ended_or_canceled_by_either() {
    let market = Market::open().await;
    market.post_says(1, &json!({"qty": 9}));
    for (offer_id, status) in [(1, "dealEnded"), (2, "dealCanceled")] {
        let deal = ordered(&market, &offer(offer_id)).await;
        by(&market, &deal, "seller", status).await.expect(200);
    }
    let meetup = market.reserved(&offer(3)).await;
    by(&market, &meetup, "seller", "deliveryStarted").await.expect_problem(409, "not-a-delivery");
}

#[tokio::test]
async fn compensation_comes_too_late_for_what_is_on_its_way() {
    let market = Market::open().await;
    let deal = ordered(&market, &offer(1)).await;
    for status in ["deliveryStarted", "cancelRequested"] {
        let before = market.write(&deal, status).await.expect(200);
        market.service.published().await;
        market.hear(&[offer(1).canceled(), post_unavailable(&deal, "post-deleted")]).await;
        assert_eq!(market.read(&deal).await, before);
        assert_eq!(market.service.published_types().await, Vec::<String>::new());
        assert_eq!(market.promised(1).await, 1);
    }
    market.assert_no_dead_letters().await;
}
