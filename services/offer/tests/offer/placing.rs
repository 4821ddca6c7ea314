//! Placing an offer: what is taken, what is refused, what is told.

use crate::{
    gateway::Mood,
    support::{Market, PRICE, at_the_price, negotiated, post_wrote, qty_decreased, status_updated, timeless},
};
use axum::http::Method;
use chassis::testing::eventually;
use serde_json::{Value, json};
use shared_events::PostStatus;

#[tokio::test]
async fn both_kinds_of_offer_are_placed_with_numbers_as_strings() {
    let market = Market::open().await;
    market.post(1).await;
    let bodies = [
        json!({"userId": "buyer1", "price": "600000", "postId": "1", "offerType": "dealOffered"}),
        json!({"userId": "buyer2", "price": "600000", "postId": "1", "offerType": "priceNegotiated",
               "offeredPrice": "500000", "qty": "1", "payMethod": "none", "offerStatus": "offerPlaced"}),
    ];
    for (number, (body, (offered, agreed))) in
        (1..).zip(bodies.into_iter().zip([(Value::Null, 600_000), (json!(500_000), 500_000)]))
    {
        let reply = market.place(body.clone()).await;
        assert!(reply.header("location").ends_with(&format!("/offers/{number}")));
        assert_eq!(reply.header("etag"), "\"1\"");
        let mut offer = reply.expect(201);
        let fields = offer.as_object_mut().unwrap();
        assert!(fields.remove("createDt").is_some() && fields.remove("updateDt").is_some());
        assert!(fields.remove("_links").is_some());
        let expires = fields.remove("expiresDt").unwrap();
        let expected = json!({
            "offerId": number, "postId": 1, "userId": body["userId"], "sellerId": "seller",
            "offerType": body["offerType"], "price": 600_000, "offeredPrice": offered, "agreedPrice": agreed,
            "qty": 1, "payMethod": "none", "offerStatus": "offerPlaced", "paymentState": null,
        });
        assert_eq!(offer, expected);

        let published = market.service.published().await;
        let [event] = published.try_into().expect("one event");
        let told = json!({
            "eventType": "OfferPlaced", "offerId": number, "userId": body["userId"], "price": 600_000,
            "offeredPrice": offered, "postId": 1, "offerStatus": "offerPlaced", "offerType": body["offerType"],
            "sellerId": "seller", "qty": 1, "agreedPrice": agreed, "payMethod": "none", "expiresDt": expires,
        });
        assert_eq!(timeless(event), told);
    }
    assert_eq!(market.gateway.asked("/posts"), 0, "the copy allows it: nobody has to be asked");
}

#[tokio::test]
async fn a_price_that_is_not_repeated_is_the_posts() {
    let market = Market::open().await;
    market.post(1).await;
    let offer = market.placed(1, "buyer").await;
    assert_eq!((&offer["price"], &offer["agreedPrice"]), (&json!(PRICE), &json!(PRICE)));
}

#[tokio::test]
async fn what_the_rules_forbid_is_refused_and_leaves_nothing() {
    let market = Market::open().await;
    for (post_id, changes) in [
        (1, json!({})),
        (2, json!({"hidden": true})),
        (3, json!({"status": "dealReserved", "availableQty": 0})),
        (4, json!({"status": "dealEnded", "availableQty": 0})),
        (5, json!({"qty": 3, "availableQty": 2})),
    ] {
        market.owner_says(post_id, &changes);
    }
    let with = |mut body: Value, field: &str, value: Value| {
        body[field] = value;
        body
    };
    let table = [
        (with(at_the_price(1, "buyer"), "price", json!(599_999)), 409, "price-changed"),
        (at_the_price(1, "seller"), 409, "own-post"),
        (negotiated(1, "seller", 1), 409, "own-post"),
        (at_the_price(2, "buyer"), 404, "post-not-found"),
        (at_the_price(99, "buyer"), 404, "post-not-found"),
        (at_the_price(3, "buyer"), 409, "post-not-available"),
        (negotiated(3, "buyer", 1), 409, "post-not-available"),
        (at_the_price(4, "buyer"), 409, "post-not-available"),
        (with(at_the_price(5, "buyer"), "qty", json!(3)), 409, "not-enough-stock"),
    ];
    for (body, status, code) in table {
        market.place(body).await.expect_problem(status, code);
    }
    assert_eq!(market.count("").await, 0);
    assert_eq!(market.service.published_types().await, Vec::<String>::new());

    // What is left of it can be had, though.
    let offer = market.place(with(at_the_price(5, "buyer"), "qty", json!(2))).await.expect(201);
    assert_eq!(
        (&offer["qty"], &offer["price"], &offer["agreedPrice"]),
        (&json!(2), &json!(PRICE), &json!(PRICE))
    );
}

#[tokio::test]
async fn a_malformed_offer_is_told_all_its_faults() {
    let market = Market::open().await;
    market.post(1).await;
    let good = negotiated(1, "buyer", 500_000);
    let table = [
        (json!({"offerType": "x"}), 400, &["offerType"][..]),
        (json!({"offerType": null}), 400, &["offerType"]),
        (json!({"offeredPrice": null}), 400, &["offeredPrice"]),
        (json!({"offeredPrice": 0}), 422, &["offeredPrice"]),
        (json!({"offeredPrice": -1}), 422, &["offeredPrice"]),
        (json!({"offeredPrice": "many"}), 400, &["offeredPrice"]),
        (json!({"offeredPrice": 1_000_000_000_001_i64}), 422, &["offeredPrice"]),
        (json!({"price": "price"}), 400, &["price"]),
        (json!({"price": 1.5}), 422, &["price"]),
        (json!({"postId": "abc"}), 400, &["postId"]),
        (json!({"postId": null}), 400, &["postId"]),
        (json!({"postId": 0}), 422, &["postId"]),
        (json!({"userId": null}), 400, &["userId"]),
        (json!({"userId": "  "}), 422, &["userId"]),
        (json!({"userId": "a\u{0}b"}), 422, &["userId"]),
        (json!({"userId": "a".repeat(65)}), 422, &["userId"]),
        (json!({"qty": 0}), 422, &["qty"]),
        (json!({"payMethod": "gold"}), 400, &["payMethod"]),
        (json!({"offerStatus": "offerAccepted"}), 422, &["offerStatus"]),
        // An offer at the price has no other.
        (json!({"offerType": "dealOffered", "offeredPrice": 5}), 422, &["offeredPrice"]),
        (json!({"price": "x", "qty": -1, "userId": null}), 400, &["price", "qty", "userId"]),
        (json!({"offeredPrice": 0, "offerStatus": "offerCanceled"}), 422, &["offerStatus", "offeredPrice"]),
        // What one field makes required is told with the rest.
        (json!({"offeredPrice": null, "price": "x"}), 400, &["offeredPrice", "price"]),
    ];
    for (changes, status, fields) in table {
        let mut body = good.clone();
        for (field, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => body.as_object_mut().unwrap().remove(field),
                value => body.as_object_mut().unwrap().insert(field.clone(), value.clone()),
            };
        }
        let code = if status == 400 { "malformed-request" } else { "unacceptable-value" };
        let mut named = market.place(body).await.expect_problem(status, code);
        named.sort();
        assert_eq!(named, fields, "{changes}");
    }
    assert_eq!(market.count("").await, 0);
}

#[tokio::test]
async fn an_offer_at_the_price_may_repeat_it() {
    let market = Market::open().await;
    market.post(1).await;
    let body = json!({"userId": "b", "postId": 1, "offerType": "dealOffered", "price": PRICE, "offeredPrice": PRICE});
    let offer = market.place(body).await.expect(201);
    assert_eq!((&offer["offeredPrice"], &offer["agreedPrice"]), (&Value::Null, &json!(PRICE)));
}

#[tokio::test]
async fn one_open_offer_per_buyer_and_post() {
    let market = Market::open().await;
    market.post(1).await;
    market.post(2).await;
    let first = market.placed(1, "buyer").await;
    for again in [at_the_price(1, "buyer"), negotiated(1, "buyer", 1)] {
        market.place(again).await.expect_problem(409, "offer-already-open");
    }
    assert_eq!(market.gateway.asked("/posts"), 0, "one's own rule needs no owner");
    market.placed(2, "buyer").await;
    market.placed(1, "another").await;

    market.answer(&first, "offerAccepted").await.expect(200);
    market.place(at_the_price(1, "buyer")).await.expect_problem(409, "offer-already-open");
    market.answer(&first, "offerCanceled").await.expect(200);
    let second = market.placed(1, "buyer").await;
    market.answer(&second, "offerRefused").await.expect(200);
    market.placed(1, "buyer").await;
}

#[tokio::test]
async fn the_same_key_places_one_offer() {
    let market = Market::open().await;
    market.post(1).await;
    let send = async |body: Value| {
        market.service.client.send(Method::POST, "/offers", &[("idempotency-key", "k1")], Some(body)).await
    };
    let first = send(at_the_price(1, "buyer")).await.expect(201);
    // Nothing can be offered on this post any more; the answer is the first one's all the same.
    market.service.deliver(&status_updated(1, PostStatus::DealEnded, 2)).await;
    let second = send(at_the_price(1, "buyer")).await;
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(second.expect(201), first);
    send(negotiated(1, "buyer", 5)).await.expect_problem(422, "idempotency-key-reused");
    assert_eq!(market.service.published_types().await, ["OfferPlaced"]);
}

#[tokio::test]
async fn a_copy_that_knows_of_free_units_allows_them() {
    let market = Market::open().await;
    market.service.deliver(&post_wrote(1, 3)).await;
    market.service.deliver(&qty_decreased(1, 2)).await;
    market.owner_says(1, &json!({"qty": 3, "availableQty": 2, "version": 2}));
    let mut body = at_the_price(1, "buyer");
    body["qty"] = json!(2);
    market.place(body.clone()).await.expect(201);
    assert_eq!(market.gateway.asked("/posts"), 0);

    body["userId"] = json!("another");
    body["qty"] = json!(3);
    market.place(body).await.expect_problem(409, "not-enough-stock");
    assert_eq!(market.gateway.asked("/posts"), 1);
}

/// The first answer never comes; the offer is placed by whoever asks again, and once.
#[tokio::test]
async fn a_paid_offer_whose_request_broke_off_is_asked_for_again() {
    let market = Market::open().await;
    market.post(1).await;
    let body = json!({"userId": "buyer", "postId": 1, "offerType": "dealOffered", "payMethod": "wallet"});
    let ask = async || {
        let key = [("idempotency-key", "once")];
        market.service.client.send(Method::POST, "/offers", &key, Some(body.clone())).await
    };
    let held = json!({"paymentId": 1, "sellerId": "seller", "amount": PRICE, "state": "held"});
    market.gateway.tell("/payments", held);
    market.gateway.mood(Mood::Hangs("/payments"));
    tokio::select! {
        _ = ask() => panic!("deal does not answer"),
        () = eventually("deal is asked", async || market.gateway.asked("/payments") > 0) => {}
    }
    // On other terms it is another offer, of which there can be one.
    let other = json!({"userId": "buyer", "postId": 1, "offerType": "dealOffered"});
    market.place(other).await.expect_problem(409, "offer-already-open");

    market.gateway.mood(Mood::Answers);
    let placed = ask().await.expect(201);
    let again = ask().await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.expect(201), placed);
    assert_eq!(market.service.published_types().await, ["OfferPlaced"]);
    assert_eq!(market.count("postId=1").await, 1);
}

/// Too many requests of this user's: the payment is not refused for it, the buyer is to come back.
#[tokio::test]
async fn a_payment_that_is_asked_for_too_often_is_not_a_refusal() {
    let market = Market::open().await;
    market.post(1).await;
    let body = json!({"userId": "buyer", "postId": 1, "offerType": "dealOffered", "payMethod": "wallet"});
    market.gateway.mood(Mood::Limits(7));
    let later = market.place(body).await;
    assert_eq!(later.header("retry-after"), "7");
    later.expect_problem(503, "dependency-unavailable");
    market.gateway.mood(Mood::Answers);
    market.placed(1, "buyer").await;
}
