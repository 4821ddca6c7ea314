//! Reserving a deal: what it needs, what is refused, what is told.

use crate::support::{Market, PRICE, offer, timeless};
use axum::http::Method;
use serde_json::{Value, json};

fn with(mut body: Value, changes: &Value) -> Value {
    let fields = body.as_object_mut().expect("an object");
    fields.extend(changes.as_object().expect("an object").clone());
    body
}

#[tokio::test]
async fn both_kinds_of_offer_are_reserved_as_the_seeds_write_it() {
    let market = Market::open().await;
    market.post_says(2, &json!({"price": 10_000, "qty": 3}));
    market.post_says(1, &json!({}));
    let at_the_price = offer(1);
    let negotiated = offer(3).on(2).at(510_000).units(2);
    market.hear(&[at_the_price.placed(), negotiated.placed(), negotiated.accepted()]).await;

    let bodies = [
        // `offeredId` is the seeds' slip; a placed offer at the price relies on the post's price.
        (
            json!({"offeredId": "1", "postId": "1", "userId": "buyer1", "price": "600000", "status": "dealReserved",
                "updateDt": "2024-09-24", "reserveDt": "2024-09-30", "meetPlace": "방배역"}),
            json!({"offerId": 1, "postId": 1, "price": PRICE, "qty": 1, "reserveDt": "2024-09-30T00:00:00.000+00:00",
                "meetPlace": "방배역"}),
            json!(PRICE),
        ),
        // Who accepted an offer agreed to its price, whatever the post says now.
        (
            json!({"offerId": 3, "offeredId": 3, "postId": 2, "userId": "buyer3", "qty": "2", "updateDt": "2024-09-24",
                "fulfilment": "delivery", "address": " 방배로 1 "}),
            json!({"offerId": 3, "postId": 2, "price": 510_000, "qty": 2, "reserveDt": null, "meetPlace": null,
                "fulfilment": "delivery", "address": "방배로 1"}),
            Value::Null,
        ),
    ];
    for (number, (body, stored, listed_price)) in (1..).zip(bodies) {
        let reply = market.reserve(body.clone()).await;
        assert!(reply.header("location").ends_with(&format!("/deals/{number}")));
        assert_eq!(reply.header("etag"), "\"1\"");
        let mut deal = reply.expect(201);
        assert_eq!(market.read(&deal).await, deal);
        let fields = deal.as_object_mut().unwrap();
        let created = fields.remove("createDt").expect("the moment it was reserved");
        assert!(fields.remove("_links").is_some());
        let expected = with(
            json!({
                "dealId": number, "userId": body["userId"], "sellerId": "seller", "status": "dealReserved",
                "fulfilment": "meetup", "address": null, "updateDt": "2024-09-24T00:00:00.000+00:00",
                "history": [{"status": "dealReserved", "at": created, "by": null}],
            }),
            &stored,
        );
        assert_eq!(deal, expected);

        let [event] = market.service.published().await.try_into().expect("one event");
        let mut told = with(expected, &json!({"eventType": "DealReserved", "listedPrice": listed_price}));
        told.as_object_mut().unwrap().remove("history");
        assert_eq!(timeless(event), told);
    }
    assert_eq!(market.gateway.asked("/posts"), 2, "every reservation asks whether the post can be had");
    assert_eq!(market.gateway.asked("/offers"), 0, "the copy allows it");
    assert_eq!((market.promised(1).await, market.promised(2).await), (1, 2));
}

#[tokio::test]
async fn what_the_rules_forbid_is_refused_and_promises_nothing() {
    let market = Market::open().await;
    for (post_id, changes) in [
        (2, json!({"hidden": true})),
        (3, json!({"status": "dealEnded", "availableQty": 0})),
        (4, json!({"price": 599_999})),
        (5, json!({"qty": 2})),
    ] {
        market.post_says(post_id, &changes);
    }
    // Offer n is on post n, but for the last three; the owner knows no more than the copy.
    let mut offers: Vec<_> = (1..=4).map(|n| offer(n).on(n)).collect();
    offers.extend([offer(5).on(5).units(3), offer(6).on(99), offer(7).at(5), offer(8).at(5), offer(9)]);
    for offer in &offers {
        market.hear(&[offer.placed()]).await;
        market.owner_says(offer, shared_events::OfferStatus::OfferPlaced);
    }
    market.hear(&[offers[7].refused(), offers[8].canceled()]).await;
    market.owner_says(&offers[7], shared_events::OfferStatus::OfferRefused);
    market.owner_says(&offers[8], shared_events::OfferStatus::OfferCanceled);
    let reserving = |offer_id: usize| offers[offer_id - 1].reservation();
    let table = [
        (with(reserving(1), &json!({"userId": "another"})), 409, "offer-mismatch"),
        (with(reserving(1), &json!({"userId": "seller"})), 409, "offer-mismatch"),
        (with(reserving(1), &json!({"postId": 4})), 409, "offer-mismatch"),
        (with(reserving(1), &json!({"price": 510_000})), 409, "terms-differ"),
        (with(reserving(1), &json!({"qty": 2})), 409, "terms-differ"),
        (with(reserving(1), &json!({"offerId": 999})), 404, "offer-not-found"),
        (reserving(2), 409, "post-not-available"),
        (reserving(3), 409, "post-not-available"),
        (reserving(4), 409, "price-changed"),
        (reserving(5), 409, "not-enough-stock"),
        (reserving(6), 404, "post-not-found"),
        (reserving(7), 409, "offer-not-accepted"),
        (reserving(8), 409, "offer-not-open"),
        (reserving(9), 409, "offer-not-open"),
    ];
    for (body, status, code) in table {
        market.reserve(body).await.expect_problem(status, code);
    }
    assert_eq!(market.count("").await, 0);
    assert_eq!(market.service.published_types().await, Vec::<String>::new());
    for post_id in 1..=5 {
        assert_eq!(market.promised(post_id).await, 0);
    }
}

#[tokio::test]
async fn a_malformed_reservation_is_told_all_its_faults() {
    let market = Market::open().await;
    market.hear(&[offer(1).placed()]).await;
    let table = [
        (json!({"offerId": null}), 400, &["offerId"][..]),
        (json!({"offeredId": 2}), 422, &["offeredId"]),
        (json!({"postId": "abc"}), 400, &["postId"]),
        (json!({"userId": null}), 400, &["userId"]),
        (json!({"price": "price"}), 400, &["price"]),
        (json!({"price": -1}), 422, &["price"]),
        (json!({"qty": 0}), 422, &["qty"]),
        (json!({"status": "dealEnded"}), 422, &["status"]),
        (json!({"status": "x"}), 400, &["status"]),
        (json!({"updateDt": "2024-13-01"}), 400, &["updateDt"]),
        (json!({"reserveDt": "soon"}), 400, &["reserveDt"]),
        (json!({"meetPlace": " "}), 422, &["meetPlace"]),
        (json!({"fulfilment": "pigeon"}), 400, &["fulfilment"]),
        (json!({"fulfilment": "delivery"}), 400, &["address"]),
        (json!({"fulfilment": "delivery", "address": null}), 400, &["address"]),
        (json!({"fulfilment": "delivery", "address": " "}), 422, &["address"]),
        (json!({"fulfilment": "delivery", "status": "dealEnded"}), 400, &["address", "status"]),
        (json!({"price": "x", "qty": 0, "postId": null}), 400, &["postId", "price", "qty"]),
    ];
    for (changes, status, fields) in table {
        let mut body = with(offer(1).reservation(), &changes);
        body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let code = if status == 400 { "malformed-request" } else { "unacceptable-value" };
        let mut named = market.reserve(body).await.expect_problem(status, code);
        named.sort();
        assert_eq!(named, fields, "{changes}");
    }
    assert_eq!(market.gateway.asked(""), 0, "nobody is asked about nonsense");
    market.reserve(offer(1).reservation()).await.expect(201);
}

#[tokio::test]
async fn one_deal_on_an_offer_and_one_on_a_unit() {
    let market = Market::open().await;
    market.post_says(2, &json!({"qty": 3}));
    market.reserved(&offer(1)).await;
    market.reserve(offer(1).reservation()).await.expect_problem(409, "offer-already-reserved");
    // For good: what cancels the offer of a canceled deal would cancel its second deal too.
    let again = market.reserved(&offer(6).on(2)).await;
    market.write(&again, "dealCanceled").await.expect(200);
    let problem = market.reserve(offer(6).on(2).reservation()).await;
    assert_eq!(problem.body["detail"], "There is, or was, a deal on this offer already.");
    problem.expect_problem(409, "offer-already-reserved");
    // The post has not heard of it yet, and still says that it can be had.
    market.hear(&[offer(2).placed()]).await;
    market.reserve(offer(2).reservation()).await.expect_problem(409, "post-not-available");
    assert_eq!(market.promised(1).await, 1);

    market.reserved(&offer(3).on(2).units(2)).await;
    let too_many = offer(4).on(2).units(2);
    market.hear(&[too_many.placed()]).await;
    let problem = market.reserve(too_many.reservation()).await;
    assert_eq!(problem.body["detail"], "Only 1 left of this post.");
    problem.expect_problem(409, "not-enough-stock");
    market.reserved(&offer(5).on(2)).await;
    market.reserve(too_many.reservation()).await.expect_problem(409, "post-not-available");
    assert_eq!(market.promised(2).await, 3);
}

/// The post's version tells which of two answers is newer; they may arrive the other way round.
#[tokio::test]
async fn an_older_answer_about_the_units_is_ignored_and_a_newer_taken() {
    let market = Market::open().await;
    for offer_id in 1..=6 {
        market.hear(&[offer(offer_id).placed()]).await;
    }
    let reserve = async |offer_id: i64, version: i64, qty: i64| {
        market.post_says(1, &json!({"version": version, "qty": qty}));
        market.reserve(offer(offer_id).reservation()).await
    };
    reserve(1, 5, 2).await.expect(201);
    reserve(2, 4, 9).await.expect(201);
    reserve(3, 4, 9).await.expect_problem(409, "post-not-available");
    reserve(3, 5, 9).await.expect_problem(409, "post-not-available");
    reserve(3, 6, 3).await.expect(201);
    // The seller has fewer than are promised already.
    reserve(4, 7, 2).await.expect_problem(409, "post-not-available");
    assert_eq!(market.promised(1).await, 3);
    reserve(4, 8, 4).await.expect(201);
    assert_eq!(market.promised(1).await, 4);
}

#[tokio::test]
async fn a_post_that_has_not_heard_of_a_cancellation_is_no_obstacle() {
    let market = Market::open().await;
    let deal = market.reserved(&offer(1)).await;
    market.post_says(1, &json!({"version": 2, "status": "dealReserved", "availableQty": 0}));
    market.hear(&[offer(2).placed()]).await;
    market.reserve(offer(2).reservation()).await.expect_problem(409, "post-not-available");
    market.write(&deal, "dealCanceled").await.expect(200);
    assert_eq!(market.promised(1).await, 0);
    market.reserve(offer(2).reservation()).await.expect(201);
    assert_eq!(market.promised(1).await, 1);
}

#[tokio::test]
async fn a_reservation_is_replayed_even_when_the_post_is_gone() {
    let market = Market::open().await;
    let key = [("idempotency-key", "k1")];
    let send = async |body: Value| market.service.client.send(Method::POST, "/deals", &key, Some(body)).await;
    // A refusal is not an answer to be kept.
    send(offer(1).reservation()).await.expect_problem(404, "offer-not-found");
    market.hear(&[offer(1).placed(), offer(2).placed()]).await;
    let first = send(offer(1).reservation()).await;
    assert_eq!(first.header("idempotency-replayed"), "");
    let first = first.expect(201);

    market.post_says(1, &json!({"status": "dealEnded", "availableQty": 0, "hidden": true, "version": 2}));
    market.gateway.asked("");
    let again = send(offer(1).reservation()).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert!(again.header("location").ends_with("/deals/1"));
    assert_eq!(again.expect(201), first);
    assert_eq!(market.gateway.asked(""), 0);
    send(with(offer(1).reservation(), &json!({"price": PRICE})))
        .await
        .expect_problem(422, "idempotency-key-reused");
    assert_eq!(market.service.published_types().await, ["DealReserved"]);
    // Without the key it is a second deal.
    market.reserve(offer(2).reservation()).await.expect_problem(409, "post-not-available");
}
