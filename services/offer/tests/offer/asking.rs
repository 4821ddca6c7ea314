//! A copy may allow, never refuse: before an offer is refused because of the copy of its post, the owner is asked.

use crate::{
    gateway::Mood,
    support::{Market, PRICE, at_the_price, post_wrote, status_updated},
};
use chassis::testing::{TestService, eventually};
use serde_json::json;
use shared_events::{PostDeleted, PostEdited, PostHidden, PostShown, PostStatus, WireDate};

#[tokio::test]
async fn a_post_that_nobody_has_told_of_yet_is_asked_for_once() {
    let market = Market::open().await;
    market.owner_says(1, &json!({}));
    market.placed(1, "buyer1").await;
    assert_eq!(market.gateway.asked("/posts"), 1);
    market.placed(1, "buyer2").await;
    assert_eq!(market.gateway.asked("/posts"), 0, "what was answered is remembered");

    // The event of its first day comes late, and takes nothing back.
    market.owner_says(2, &json!({"price": 5, "version": 4}));
    market.placed(2, "buyer1").await;
    market.service.deliver(&post_wrote(2, 1)).await;
    let offer = market.placed(2, "buyer2").await;
    assert_eq!(offer["price"], 5);
}

#[tokio::test]
async fn a_copy_that_lags_behind_is_corrected_by_the_owner() {
    let market = Market::open().await;
    let (user_id, update_dt) = (String::from("seller"), WireDate::now());
    let cheaper = |post_id| PostEdited {
        post_id,
        user_id: user_id.clone(),
        price: 1000,
        update_dt,
        goods: "마우스".into(),
        qty: 1,
        address: None,
        category: None,
        previous_price: PRICE,
        version: 2,
    };
    for post_id in 1..=5 {
        market.post(post_id).await;
    }
    market.service.deliver(&status_updated(1, PostStatus::DealReserved, 2)).await;
    market.service.deliver(&cheaper(2)).await;
    market.service.deliver(&PostHidden { post_id: 3, user_id: user_id.clone(), update_dt, version: 2 }).await;
    market.service.deliver(&crate::support::qty_decreased(4, 0)).await;
    let seen_price =
        |post_id| json!({"userId": "b", "postId": post_id, "offerType": "dealOffered", "price": PRICE});

    for (post_id, what, code, status) in [
        (1, json!({"version": 2, "status": "dealReserved", "availableQty": 0}), "post-not-available", 409),
        (2, json!({"version": 2, "price": 1000}), "price-changed", 409),
        (3, json!({"version": 2, "hidden": true}), "post-not-found", 404),
        (4, json!({"version": 2, "availableQty": 0}), "not-enough-stock", 409),
    ] {
        // The owner agrees with the copy: refused. It has moved on meanwhile: allowed.
        market.owner_says(post_id, &what);
        market.place(seen_price(post_id)).await.expect_problem(status, code);
        assert_eq!(market.gateway.asked("/posts"), 1, "{what}");
        market.owner_says(post_id, &json!({"version": 3}));
        market.place(seen_price(post_id)).await.expect(201);
        assert_eq!(market.gateway.asked("/posts"), 1, "{what}");
    }

    // The copy knows more than an answer that was overtaken by it.
    market.service.deliver(&status_updated(5, PostStatus::DealReserved, 7)).await;
    market.owner_says(5, &json!({"version": 6}));
    market.place(seen_price(5)).await.expect_problem(409, "post-not-available");
}

#[tokio::test]
async fn without_an_owner_nothing_is_refused_and_nothing_is_stored() {
    let market = Market::open().await;
    market.post(1).await;
    market.gateway.mood(Mood::Refuses(17));
    let reply = market.place(at_the_price(2, "buyer")).await;
    assert_eq!(reply.header("retry-after"), "17");
    reply.expect_problem(503, "dependency-unavailable");
    assert_eq!(market.count("").await, 0);
    assert_eq!(market.service.published_types().await, Vec::<String>::new());

    market.placed(1, "buyer").await;

    let alone = TestService::start(offer::service()).await;
    let reply = alone.client.post("/offers", at_the_price(2, "buyer")).await;
    assert_eq!(reply.header("retry-after"), "1");
    reply.expect_problem(503, "dependency-unavailable");
}

#[tokio::test]
async fn hidden_and_shown_again() {
    let market = Market::open().await;
    market.post(1).await;
    let (user_id, update_dt) = (String::from("seller"), WireDate::now());
    market.service.deliver(&PostHidden { post_id: 1, user_id: user_id.clone(), update_dt, version: 2 }).await;
    market.owner_says(1, &json!({"version": 2, "hidden": true}));
    market.place(at_the_price(1, "buyer")).await.expect_problem(404, "post-not-found");
    market.service.deliver(&PostShown { post_id: 1, user_id, update_dt, version: 3 }).await;
    market.gateway.asked("/posts");
    market.placed(1, "buyer").await;
    assert_eq!(market.gateway.asked("/posts"), 0);
}

/// The answer is on its way while the post ends or goes: what the copy has learnt meanwhile is newer.
#[tokio::test]
async fn an_answer_that_was_overtaken_allows_nothing() {
    let market = Market::open().await;
    for (post_id, deleted) in [(1, false), (2, true)] {
        market.owner_says(post_id, &json!({}));
        market.gateway.mood(Mood::Hangs("/posts"));
        let client = market.service.client.clone();
        let placing =
            tokio::spawn(async move { client.post("/offers", at_the_price(post_id, "buyer")).await });
        eventually("the owner is asked", async || market.gateway.asked("/posts") == 1).await;

        market.post(post_id).await;
        if deleted {
            market.service.deliver(&PostDeleted { post_id, user_id: "seller".into() }).await;
        } else {
            market.service.deliver(&status_updated(post_id, PostStatus::DealEnded, 3)).await;
        }
        market.gateway.mood(Mood::Answers);
        let reply = placing.await.unwrap();
        assert_eq!(reply.status, if deleted { 404 } else { 409 }, "{:#}", reply.body);
        assert_eq!(market.count(&format!("postId={post_id}")).await, 0);
    }
}
