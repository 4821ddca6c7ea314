//! The seeds' walk, literally as their READMEs type it, through the gateway.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
mod observing;

use chassis::testing::eventually;
use common::Market;
use serde_json::{Value, json};

#[tokio::test]
async fn the_seeds_walk() {
    let market = Market::start().await;

    let post = market
        .http(r#"http localhost:8088/posts userId="seller01" createDt="2024-09-24" goods="아이폰13 공기계" price=600000 address="방배동""#)
        .await;
    assert_eq!(post.header("location"), "http://localhost:8088/posts/1");
    assert_eq!(post.header("content-type"), "application/hal+json");
    let post = post.expect(201);
    assert_eq!(post["price"], 600_000);
    assert_eq!(post["status"], "created");
    assert_eq!(post["createDt"], "2024-09-24T00:00:00.000+00:00");
    assert_eq!(post["_links"]["self"]["href"], "http://localhost:8088/posts/1");
    let post = market
        .http(r#"http localhost:8088/posts userId="seller02" createDt="2024-09-24" goods="무선마우스" price=10000 address="서초동""#)
        .await;
    assert_eq!(post.header("location"), "http://localhost:8088/posts/2");
    post.expect(201);
    let wrote = market.event("PostWrote", json!({"postId": 1})).await;
    assert_eq!(wrote["createDt"], "2024-09-24T00:00:00.000+00:00");
    assert_eq!((&wrote["photos"], &wrote["status"]), (&Value::Null, &json!("created")));
    assert_eq!((&wrote["goods"], &wrote["address"]), (&json!("아이폰13 공기계"), &json!("방배동")));
    market.event("PostWrote", json!({"postId": 2, "userId": "seller02", "price": 10_000})).await;

    for (command, id) in [
        (r#"http localhost:8088/offers userId="buyer01" price=10000 postId=2 offerType="dealOffered""#, 1),
        (
            r#"http localhost:8088/offers userId="buyer02" price=600000 postId=1 offerType="priceNegotiated" offeredPrice=500000"#,
            2,
        ),
        (
            r#"http localhost:8088/offers userId="buyer03" price=600000 postId=1 offerType="priceNegotiated" offeredPrice=510000"#,
            3,
        ),
    ] {
        assert_eq!(market.http(command).await.expect(201)["offerId"], id);
        market.event("OfferPlaced", json!({"offerId": id})).await;
    }
    market.until("/notifications?userId=seller01", |list| list["page"]["totalElements"] == 2).await;
    market.until("/notifications?userId=seller02", |list| list["page"]["totalElements"] == 1).await;

    let accepted = market
        .http(r#"http PATCH localhost:8088/offers/3 userId="buyer03" postId=1 offerStatus="offerAccepted" offeredPrice=510000"#)
        .await;
    assert_eq!(accepted.expect(200)["offerStatus"], "offerAccepted");
    market.event("OfferAccepted", json!({"offerId": 3, "userId": "buyer03", "offeredPrice": 510_000})).await;
    market.until("/notifications?userId=buyer03", |list| list["page"]["totalElements"] == 1).await;

    let deal = market
        .http(r#"http localhost:8088/deals offerId=1 postId=2 userId="buyer01" price=10000 status="dealReserved" updateDt="2024-09-24""#)
        .await;
    assert_eq!(deal.expect(201)["dealId"], 1);
    let deal = market
        .http(r#"http localhost:8088/deals offerId=3 postId=1 userId="buyer03" price=510000 status="dealReserved" updateDt="2024-09-24""#)
        .await;
    assert_eq!(deal.expect(201)["dealId"], 2);
    market.event("DealReserved", json!({"dealId": 1, "postId": 2, "offerId": 1, "price": 10_000})).await;
    market.event("DealReserved", json!({"dealId": 2, "updateDt": "2024-09-24T00:00:00.000+00:00"})).await;
    for post_id in [1, 2] {
        market.until(&format!("/posts/{post_id}"), |post| post["status"] == "dealReserved").await;
        // A second deal on either post.
        let buyer = ["", "buyer03", "buyer01"][post_id];
        let offer_id = [0, 3, 1][post_id];
        let second = market.reserve(buyer, post_id as i64, offer_id).await;
        assert_eq!(second.status, 409, "{:#}", second.body);
    }

    let ended = market
        .http(r#"http PATCH localhost:8088/deals/2 offeredId=3 postId=1 userId="buyer03" price=510000 status="dealEnded" updateDt="2024-09-25""#)
        .await;
    assert_eq!(ended.expect(200)["status"], "dealEnded");
    market.event("DealEnded", json!({"dealId": 2, "updateDt": "2024-09-25T00:00:00.000+00:00"})).await;

    // And then, without another request:
    market.until("/posts/1", |post| post["status"] == "dealEnded").await;
    market.until("/offers/3", |offer| offer["offerStatus"] == "dealEnded").await;
    market.until("/offers/2", |offer| offer["offerStatus"] == "offerCanceled").await;
    market
        .event("OfferCanceled", json!({"offerId": 2, "userId": "buyer02", "offerStatus": "offerCanceled"}))
        .await;
    market.until("/notifications?userId=buyer02", |list| list["page"]["totalElements"] == 1).await;
    let late = json!({"userId": "buyer04", "postId": 1, "offerType": "dealOffered"});
    market.client.post("/offers", late).await.expect_problem(409, "post-not-available");
    assert_eq!(market.reserve("buyer02", 1, 2).await.status, 409);
    market
        .until("/myPages?userId=seller01", |list| {
            let row = &list["_embedded"]["myPages"][0];
            row["postId"] == 1
                && row["status"] == "dealEnded"
                && row["price"] == 510_000
                && row["updateDt"] == "2024-09-25T00:00:00.000+00:00"
        })
        .await;
    market
        .until("/purchases?userId=buyer02", |list| {
            list["_embedded"]["purchases"][0]["orderStatus"] == "canceled"
        })
        .await;

    let canceled = market.http(r#"http PATCH localhost:8088/deals/1 status="dealCanceled""#).await;
    assert_eq!(canceled.expect(200)["status"], "dealCanceled");
    market.until("/posts/2", |post| post["status"] == "created").await;
    let again = json!({"userId": "buyer05", "postId": 2, "offerType": "dealOffered"});
    market.client.post("/offers", again).await.expect(201);

    market.stop().await;
}

/// "An accept and a reserve right after each other, or an offer right after its post, never fail for lack of an event."
#[tokio::test]
async fn nobody_waits_for_an_event() {
    let market = Market::start().await;
    for round in 0..20 {
        let (seller, buyer) = (format!("판매자{round}"), format!("구매자{round}"));
        let post_id = market.post(&seller, 5000, 1).await;
        let body =
            json!({"userId": buyer, "postId": post_id, "offerType": "priceNegotiated", "offeredPrice": 4000});
        let offer_id = market.client.post("/offers", body).await.expect(201)["offerId"].as_i64().unwrap();
        let accept = json!({"offerStatus": "offerAccepted"});
        market.client.patch(&format!("/offers/{offer_id}"), accept).await.expect(200);
        let deal = market.reserve(&buyer, post_id, offer_id).await.expect(201);
        assert_eq!(deal["price"], 4000);
    }
    eventually("every post is reserved", async || {
        market.client.get("/posts?status=dealReserved").await.body["page"]["totalElements"] == 20
    })
    .await;
    market.stop().await;
}

#[tokio::test]
async fn an_event_line_is_the_seeds_byte_for_byte() {
    let market = Market::start().await;
    market
        .http(r#"http localhost:8088/posts userId="seller01" createDt="2024-09-24" goods="아이폰13 공기계" price=600000 address="방배동""#)
        .await
        .expect(201);
    market.event("PostWrote", json!({"postId": 1})).await;
    let line = market.lines().await.remove(0);
    let (before, after) = line.split_once(r#""timestamp":"#).unwrap();
    assert_eq!(before, r#"{"eventType":"PostWrote","#);
    let (timestamp, rest) = after.split_once(',').unwrap();
    assert_eq!(timestamp.len(), 13, "milliseconds: {timestamp}");
    let seed = r#""postId":1,"userId":"seller01","createDt":"2024-09-24T00:00:00.000+00:00","price":600000,"address":"방배동","photos":null,"status":"created","goods":"아이폰13 공기계","#;
    assert!(rest.starts_with(seed), "{rest}");
    market.stop().await;
}

/// The README shows the commands that the walk above types.
#[test]
fn the_readme_shows_this_walk() {
    let (readme, walk) = (include_str!("../../../README.md"), include_str!("walk.rs"));
    let shown: Vec<_> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| {
            line.starts_with("http ") && (line.contains("userId=\"") || line.contains("status=\""))
        })
        .collect();
    assert!(shown.len() >= 10, "{shown:#?}");
    for command in shown {
        assert!(walk.contains(command), "{command}");
    }
}
