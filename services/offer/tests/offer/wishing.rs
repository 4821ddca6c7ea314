//! Wishes: added once, taken back by whoever has them.

use crate::support::{Market, timeless};
use axum::http::Method;
use chassis::testing::Reply;
use serde_json::{Value, json};
use shared_events::{PostDeleted, PostHidden, WireDate};
use std::{collections::HashMap, sync::Arc};
use tokio::task::JoinSet;

async fn wish(market: &Market, user: &str, post_id: i64) -> Reply {
    market.service.client.post("/wishlists", json!({"userId": user, "postId": post_id})).await
}

async fn wishes(market: &Market, query: &str) -> i64 {
    let list = market.service.client.get(&format!("/wishlists?{query}")).await.expect(200);
    list["page"]["totalElements"].as_i64().expect("a number")
}

#[tokio::test]
async fn a_wish_is_added_listed_and_taken_back() {
    let market = Market::open().await;
    let client = &market.service.client;
    market.post(1).await;
    market.post(2).await;

    let reply = wish(&market, "wisher", 1).await;
    assert!(reply.header("location").ends_with("/wishlists/1"));
    let first = reply.expect(201);
    assert_eq!(
        (&first["wishlistId"], &first["userId"], &first["postId"]),
        (&json!(1), &json!("wisher"), &json!(1))
    );
    let again = wish(&market, "wisher", 1).await;
    assert_eq!(again.header("location"), "");
    assert_eq!(again.expect(200), first, "a repeat answers the wish there is");
    assert_eq!(client.get("/wishlists/1").await.expect(200), first);
    wish(&market, "wisher", 2).await.expect(201);
    wish(&market, "other", 1).await.expect(201);
    // One's own post is a post like another.
    wish(&market, "seller", 1).await.expect(201);
    assert_eq!(wishes(&market, "userId=wisher").await, 2);
    assert_eq!(wishes(&market, "postId=1").await, 3);
    assert_eq!(wishes(&market, "postId=1&userId=wisher").await, 1);

    let published = market.service.published().await;
    assert_eq!(published.len(), 4, "a repeat tells nothing");
    let told = json!({"eventType": "WishlistAdded", "wishlistId": 1, "userId": "wisher", "postId": 1});
    assert_eq!(timeless(published.into_iter().next().unwrap()), told);

    client.delete("/wishlists/1?userId=other").await.expect_problem(403, "not-the-owner");
    client
        .send(Method::DELETE, "/wishlists/1", &[], Some(json!({"userId": "other"})))
        .await
        .expect_problem(403, "not-the-owner");
    assert!(market.service.published().await.is_empty());
    client.delete("/wishlists/1?userId=wisher").await.expect(204);
    client.delete("/wishlists/1?userId=wisher").await.expect_problem(404, "not-found");
    client.get("/wishlists/1").await.expect_problem(404, "not-found");
    let [event] = market.service.published().await.try_into().expect("one event");
    let told = json!({"eventType": "WishlistDeleted", "wishlistId": 1, "userId": "wisher", "postId": 1});
    assert_eq!(timeless(event), told);
    let anew = wish(&market, "wisher", 1).await.expect(201);
    assert_ne!(anew["wishlistId"], first["wishlistId"]);
}

#[tokio::test]
async fn what_is_hidden_gone_or_was_never_there_is_404() {
    let market = Market::open().await;
    for post_id in 1..=3 {
        market.post(post_id).await;
    }
    let (user_id, update_dt) = (String::from("seller"), WireDate::now());
    market.service.deliver(&PostHidden { post_id: 1, user_id: user_id.clone(), update_dt, version: 2 }).await;
    market.service.deliver(&PostDeleted { post_id: 2, user_id: user_id.clone() }).await;
    market.service.deliver(&PostHidden { post_id: 3, user_id, update_dt, version: 2 }).await;
    market.owner_says(1, &json!({"hidden": true, "version": 2}));
    // The copy lags behind: the owner shows it again.
    market.owner_says(3, &json!({"version": 3}));
    // Nobody has told of this one yet.
    market.owner_says(4, &json!({"status": "dealEnded"}));

    for post_id in [1, 2, 9] {
        wish(&market, "wisher", post_id).await.expect_problem(404, "post-not-found");
    }
    wish(&market, "seller", 1).await.expect(201);
    wish(&market, "wisher", 3).await.expect(201);
    wish(&market, "wisher", 4).await.expect(201);
}

#[tokio::test]
async fn odd_wishes() {
    let market = Market::open().await;
    let post = async |body: Value| market.service.client.post("/wishlists", body).await;
    assert_eq!(post(json!({})).await.expect_problem(400, "malformed-request").len(), 2);
    post(json!({"userId": "w", "postId": "x"})).await.expect_problem(400, "malformed-request");
    post(json!({"userId": " ", "postId": 1})).await.expect_problem(422, "unacceptable-value");
}

/// The same wisher twenty times at once, fifty wishers at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_wish_a_person_however_many_at_once() {
    let market = Arc::new(Market::open().await);
    market.owner_says(1, &json!({}));
    let mut adding = JoinSet::new();
    for number in 0..70 {
        let market = market.clone();
        let wisher = if number < 20 { "eager".to_owned() } else { format!("wisher{number}") };
        adding.spawn(async move { (wish(&market, &wisher, 1).await.status.as_u16(), wisher) });
    }
    let replies = adding.join_all().await;
    let count = |code, eager| replies.iter().filter(|(c, who)| (*c, who == "eager") == (code, eager)).count();
    assert_eq!((count(201, true), count(200, true)), (1, 19));
    assert_eq!(count(201, false), 50);
    assert_eq!(wishes(&market, "postId=1").await, 51);
    assert_eq!(market.service.published_types().await, vec!["WishlistAdded"; 51]);
}

/// On and off, by several at once: told in order, each end is told of after its beginning.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wish_that_flaps_is_told_in_order() {
    let market = Arc::new(Market::open().await);
    market.post(1).await;
    let mut flapping = JoinSet::new();
    for _ in 0..6 {
        let market = market.clone();
        flapping.spawn(async move {
            for _ in 0..10 {
                let reply = wish(&market, "flapper", 1).await;
                assert!([200, 201].contains(&reply.status.as_u16()), "{:#}", reply.body);
                let path = format!("/wishlists/{}?userId=flapper", reply.body["wishlistId"]);
                let gone = market.service.client.delete(&path).await;
                assert!([204, 404].contains(&gone.status.as_u16()), "{:#}", gone.body);
            }
        });
    }
    flapping.join_all().await;
    let mut states: HashMap<i64, &str> = HashMap::new();
    let mut there = 0;
    for (kind, event) in market.service.published().await {
        let id = event["wishlistId"].as_i64().expect("a number");
        if kind == "WishlistAdded" {
            assert_eq!(states.insert(id, "added"), None);
            there += 1;
        } else {
            assert_eq!(states.insert(id, "gone"), Some("added"));
            there -= 1;
        }
        assert!((0..=1).contains(&there), "one wish at a time");
    }
    assert_eq!(wishes(&market, "userId=flapper").await, there);
}
