//! The events of different publishers may arrive in any order: the views come to the same end.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use chassis::{
    service::Service,
    testing::{Client, TestService},
};
use common::Market;
use serde_json::{Value, json};
use shared_events::Envelope;
use uuid::Uuid;

/// What people see, without what depends on when it was looked at.
async fn views(mypage: &Client, notification: &Client) -> Vec<Value> {
    let mut seen = Vec::new();
    for (client, path, list) in [
        (mypage, "/myPages?sort=id", "myPages"),
        (mypage, "/purchases?sort=id", "purchases"),
        (notification, "/notifications?size=1000", "notifications"),
    ] {
        let mut body = client.get(path).await.expect(200);
        let mut rows = body["_embedded"][list].take();
        for row in rows.as_array_mut().unwrap() {
            let row = row.as_object_mut().unwrap();
            for volatile in ["_links", "notificationId"] {
                row.remove(volatile);
            }
        }
        rows.as_array_mut().unwrap().sort_by_key(ToString::to_string);
        seen.push(rows);
    }
    seen
}

/// Takes the next event of a random publisher each time: order holds per publisher, and not between them.
fn shuffled(events: &[Envelope], mut seed: u64) -> Vec<Envelope> {
    let mut queues: Vec<Vec<Envelope>> = ["post", "offer", "deal"]
        .map(|source| events.iter().rev().filter(|event| event.source == source).cloned().collect())
        .into();
    let mut order = Vec::new();
    while queues.iter().any(|queue| !queue.is_empty()) {
        // A plain linear congruential generator: repeatable is all it has to be.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let pick = usize::try_from(seed >> 33).unwrap() % queues.len();
        order.extend(queues[pick].pop());
    }
    order
}

#[tokio::test]
async fn shuffled_between_publishers_the_views_end_the_same() {
    let market = Market::start().await;
    let client = &market.client;
    let negotiate = async |buyer: &str, post_id: i64, price: i64| {
        let body = json!({"userId": buyer, "postId": post_id, "offerType": "priceNegotiated", "offeredPrice": price});
        client.post("/offers", body).await.expect(201)["offerId"].as_i64().unwrap()
    };
    // One sold, one canceled and sold to another, one deleted, one of several units, one refused.
    let sold = market.post("seller01", 600_000, 1).await;
    let (loser, winner) =
        (negotiate("buyer02", sold, 500_000).await, negotiate("buyer03", sold, 510_000).await);
    client.patch(&format!("/offers/{winner}"), json!({"offerStatus": "offerAccepted"})).await.expect(200);
    let deal = market.reserve("buyer03", sold, winner).await.expect(201)["dealId"].clone();
    client.patch(&format!("/deals/{deal}"), json!({"status": "dealEnded"})).await.expect(200);
    market.until(&format!("/offers/{loser}"), |offer| offer["offerStatus"] == "offerCanceled").await;

    let twice = market.post("seller02", 10_000, 1).await;
    let first = market.offer("buyer01", twice).await;
    let deal = market.reserve("buyer01", twice, first).await.expect(201)["dealId"].clone();
    client.patch(&format!("/deals/{deal}"), json!({"status": "dealCanceled"})).await.expect(200);
    market.until(&format!("/offers/{first}"), |offer| offer["offerStatus"] == "offerCanceled").await;
    market.until(&format!("/posts/{twice}"), |post| post["status"] == "created").await;
    let second = market.offer("buyer04", twice).await;
    market.reserve("buyer04", twice, second).await.expect(201);

    let deleted = market.post("seller03", 1, 1).await;
    let open = market.offer("buyer01", deleted).await;
    client.delete(&format!("/posts/{deleted}")).await.expect(204);
    market.until(&format!("/offers/{open}"), |offer| offer["offerStatus"] == "offerCanceled").await;

    let several = market.post("seller04", 700, 3).await;
    let one = market.offer("buyer05", several).await;
    market.reserve("buyer05", several, one).await.expect(201);
    let refused = market.offer("buyer06", several).await;
    client.patch(&format!("/offers/{refused}"), json!({"offerStatus": "offerRefused"})).await.expect(200);
    market.event("OfferRefused", json!({"offerId": refused})).await;
    market.event("StatusUpdated", json!({"postId": twice, "status": "dealReserved"})).await;
    market.event("QtyDecreased", json!({"postId": several})).await;

    let events: Vec<Envelope> = market
        .lines()
        .await
        .into_iter()
        .map(|line| {
            let source = source_of(&serde_json::from_str::<Value>(&line).unwrap()["eventType"]);
            let headers = [("ce_source", source)];
            Envelope::from_record(line.as_bytes(), headers.into_iter(), Uuid::now_v7()).unwrap()
        })
        .collect();
    assert!(events.len() > 25, "{}", events.len());
    market.stop().await;

    let mut ends = Vec::new();
    for seed in 0..12 {
        let (mypage, notification) = (start(mypage::service).await, start(notification::service).await);
        let mut order = shuffled(&events, seed);
        if seed > 6 {
            // And every event twice.
            order = order.iter().flat_map(|event| [event.clone(), event.clone()]).collect();
        }
        mypage.deliver_envelopes(&order).await;
        notification.deliver_envelopes(&order).await;
        ends.push(views(&mypage.client, &notification.client).await);
    }
    assert_eq!(ends[0][0].as_array().unwrap().len(), 3, "posts that are not deleted: {:#}", ends[0][0]);
    for end in &ends[1..] {
        assert_eq!(end, &ends[0]);
    }
}

fn source_of(event_type: &Value) -> &'static str {
    match event_type.as_str().unwrap() {
        offer if offer.starts_with("Offer") => "offer",
        deal if deal.starts_with("Deal") => "deal",
        _ => "post",
    }
}

async fn start(service: fn() -> Service) -> TestService {
    TestService::start(service()).await
}
