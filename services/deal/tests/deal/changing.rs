//! Ending and canceling a deal.

use crate::support::{Market, PRICE, offer, timeless};
use axum::http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn the_seeds_way_of_ending_and_canceling() {
    let market = Market::open().await;
    market.post_says(1, &json!({"qty": 2}));
    let table = [
        ("dealEnded", "DealEnded", json!({"reserveDt": null, "fulfilment": "meetup"}), 1),
        ("dealCanceled", "DealCanceled", json!({"reason": null}), 1),
    ];
    for (offer_id, (status, event, own, promised)) in (1..).zip(table) {
        let deal = market.reserved(&offer(offer_id)).await;
        let buyer = format!("buyer{offer_id}");
        market.service.published().await;
        let body = json!({"offeredId": offer_id, "postId": "1", "userId": buyer, "price": "600000", "status": status,
                          "updateDt": "2024-09-25"});
        let reply = market.patch(&deal, body.clone()).await;
        assert_eq!(reply.header("etag"), "\"2\"");
        let changed = reply.expect(200);
        let mut expected = deal.clone();
        expected["status"] = json!(status);
        expected["updateDt"] = json!("2024-09-25T00:00:00.000+00:00");
        let at = changed["history"][1]["at"].clone();
        assert_ne!(
            at, expected["updateDt"],
            "the history tells when it was done, not when it was said to be"
        );
        expected["history"].as_array_mut().unwrap().push(json!({"status": status, "at": at, "by": buyer}));
        assert_eq!(changed, expected);
        assert_eq!(market.read(&deal).await, expected);

        let [published] = market.service.published().await.try_into().expect("one event");
        let mut told = json!({
            "eventType": event, "dealId": deal["dealId"], "postId": 1, "userId": buyer, "status": status,
            "updateDt": "2024-09-25T00:00:00.000+00:00", "price": PRICE, "offerId": offer_id, "sellerId": "seller",
            "qty": 1,
        });
        told.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        assert_eq!(timeless(published), told);

        // The same once more changes nothing, and tells nobody.
        let repeated = market.patch(&deal, body).await;
        assert_eq!(repeated.header("etag"), "\"2\"");
        assert_eq!(repeated.expect(200), expected);
        assert_eq!(market.service.published_types().await, Vec::<String>::new());
        assert_eq!(
            market.promised(1).await,
            promised,
            "an ended deal keeps its unit, a canceled one gives it back"
        );
    }
}

#[tokio::test]
async fn without_a_date_it_happened_now() {
    let market = Market::open().await;
    let deal = market.reserved(&offer(1)).await;
    assert_eq!(deal["createDt"], deal["updateDt"]);
    let ended = market.write(&deal, "dealEnded").await.expect(200);
    assert_eq!(ended["updateDt"], ended["history"][1]["at"]);
    assert_eq!(ended["history"][1]["by"], Value::Null);
    assert_eq!(ended["createDt"], deal["createDt"]);
}

#[tokio::test]
async fn a_change_that_comes_too_late_is_refused() {
    let market = Market::open().await;
    market.post_says(1, &json!({"qty": 2}));
    for (offer_id, (end, other)) in (1..).zip([("dealEnded", "dealCanceled"), ("dealCanceled", "dealEnded")])
    {
        let deal = market.reserved(&offer(offer_id)).await;
        market.write(&deal, end).await.expect(200);
        let promised = market.promised(1).await;
        for written in [other, "dealReserved"] {
            market.write(&deal, written).await.expect_problem(409, "deal-not-open");
        }
        assert_eq!(market.read(&deal).await["status"], end);
        assert_eq!(market.promised(1).await, promised);
    }
}

#[tokio::test]
async fn only_the_two_of_them_may() {
    let market = Market::open().await;
    market.post_says(1, &json!({"qty": 9}));
    let table = [
        (json!({"userId": "stranger"}), 403),
        (json!({"userId": "stranger", "price": 1}), 403),
        (json!({"userId": "seller"}), 200),
        (json!({}), 200),
    ];
    for (offer_id, (body, code)) in (1..).zip(table) {
        let deal = market.reserved(&offer(offer_id)).await;
        for status in [None, Some("dealReserved"), Some("dealCanceled")] {
            let mut body = body.clone();
            if let Some(status) = status {
                body["status"] = json!(status);
            }
            let reply = market.patch(&deal, body).await;
            if code == 403 {
                reply.expect_problem(403, "not-a-party");
            } else {
                reply.expect(200);
            }
        }
        let end = if code == 403 { "dealReserved" } else { "dealCanceled" };
        assert_eq!(market.read(&deal).await["status"], end);
    }
    let canceled = market.service.client.get("/deals/3").await.expect(200);
    assert_eq!(canceled["history"][1]["by"], "seller");
}

#[tokio::test]
async fn a_repeated_field_must_say_what_is_stored() {
    let market = Market::open().await;
    let deal = market.reserved(&offer(1)).await;
    let disagreeing = [
        ("dealId", json!(2)),
        ("offerId", json!(2)),
        ("postId", json!("2")),
        ("sellerId", json!("another")),
        ("price", json!(PRICE - 1)),
        ("qty", json!(2)),
        ("fulfilment", json!("delivery")),
        ("address", json!("방배동 1")),
        // Who moves a deal on does not reschedule it as well.
        ("reserveDt", json!("2024-09-30")),
        ("meetPlace", json!("방배역")),
    ];
    let mut all = json!({"status": "dealEnded"});
    for (field, value) in &disagreeing {
        let body = json!({"status": "dealEnded", *field: value});
        assert_eq!(market.patch(&deal, body).await.expect_problem(409, "fields-disagree"), [*field]);
        all[*field] = value.clone();
    }
    let every: Vec<_> = disagreeing.iter().map(|(field, _)| *field).collect();
    assert_eq!(market.patch(&deal, all).await.expect_problem(409, "fields-disagree"), every);
    assert_eq!(market.read(&deal).await, deal);

    // The whole deal as it was answered, but for the status.
    let mut whole = deal.clone();
    whole["status"] = json!("dealEnded");
    assert_eq!(market.patch(&deal, whole).await.expect(200)["status"], "dealEnded");
}

#[tokio::test]
async fn a_change_of_nothing_or_with_nonsense() {
    let market = Market::open().await;
    let deal = market.reserved(&offer(1)).await;
    let client = &market.service.client;
    for (path, status, code) in [
        ("/deals/999", 404, "not-found"),
        ("/deals/9223372036854775808", 404, "not-found"),
        ("/deals/abc", 400, "malformed-request"),
    ] {
        client.patch(path, json!({"status": "dealEnded"})).await.expect_problem(status, code);
        client.get(path).await.expect_problem(status, code);
    }
    for (body, field) in [
        (json!({"status": "sold"}), "status"),
        (json!({"updateDt": "2024-13-01"}), "updateDt"),
        (json!({"price": "much"}), "price"),
    ] {
        assert_eq!(market.patch(&deal, body).await.expect_problem(400, "malformed-request"), [field]);
    }
    for method in [Method::PUT, Method::DELETE] {
        client.send(method, "/deals/1", &[], None).await.expect_problem(405, "method-not-allowed");
    }
    assert_eq!(market.patch(&deal, json!({})).await.expect(200), deal);
}

#[tokio::test]
async fn only_the_version_that_was_seen_is_changed() {
    let market = Market::open().await;
    let deal = market.reserved(&offer(1)).await;
    let client = &market.service.client;
    let head = client.send(Method::HEAD, "/deals/1", &[], None).await;
    assert_eq!((head.header("etag"), &head.body), ("\"1\"", &Value::Null));
    let patch = async |tag: &str, status: &str| {
        let body = Some(json!({"status": status}));
        client.send(Method::PATCH, "/deals/1", &[("if-match", tag)], body).await
    };
    patch("\"2\"", "dealCanceled").await.expect_problem(412, "version-changed");
    assert_eq!(market.read(&deal).await, deal);
    patch("\"1\"", "dealCanceled").await.expect(200);
    patch("\"1\"", "dealCanceled").await.expect_problem(412, "version-changed");
    patch("\"2\"", "dealCanceled").await.expect(200);
}

#[tokio::test]
async fn the_same_key_cancels_once() {
    let market = Market::open().await;
    let deal = market.reserved(&offer(1)).await;
    let cancel = async || {
        let body = Some(json!({"status": "dealCanceled"}));
        market.service.client.send(Method::PATCH, "/deals/1", &[("idempotency-key", "k")], body).await
    };
    let first = cancel().await.expect(200);
    let second = cancel().await;
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(second.expect(200), first);
    assert_eq!(market.promised(1).await, 0);
    assert_eq!(market.read(&deal).await, first);
}
