//! Lists of offers: filters, order, pages.

use crate::support::{Market, negotiated};
use serde_json::{Value, json};

async fn ids(market: &Market, query: &str) -> Vec<i64> {
    let list = market.service.client.get(&format!("/offers?{query}")).await.expect(200);
    let offers = list["_embedded"]["offers"].as_array().expect("a list, even when it is empty");
    offers.iter().map(|offer| offer["offerId"].as_i64().expect("a number")).collect()
}

#[tokio::test]
async fn offers_are_found_filtered_and_sorted() {
    let market = Market::open().await;
    assert_eq!(ids(&market, "").await, Vec::<i64>::new());
    market.post(1).await;
    market.post(2).await;
    for (post_id, buyer, price) in [(1, "kim", 30), (1, "lee", 10), (2, "kim", 20), (2, "lee", 10)] {
        market.place(negotiated(post_id, buyer, price)).await.expect(201);
    }
    market.answer(&json!({"offerId": 2}), "offerAccepted").await.expect(200);
    let table: &[(&str, &[i64])] = &[
        ("", &[1, 2, 3, 4]),
        ("postId=1", &[1, 2]),
        ("userId=kim", &[1, 3]),
        ("postId=2&userId=lee", &[4]),
        ("offerStatus=offerPlaced", &[1, 3, 4]),
        ("offerStatus=offerAccepted&userId=lee", &[2]),
        ("postId=3", &[]),
        ("userId=' or true --", &[]),
        ("sort=offerId,desc", &[4, 3, 2, 1]),
        ("sort=offeredPrice", &[2, 4, 3, 1]),
        ("sort=offeredPrice,desc&sort=postId,desc", &[1, 3, 4, 2]),
        ("sort=userId,desc", &[2, 4, 1, 3]),
        ("sort=offerStatus", &[2, 1, 3, 4]),
        ("size=2&page=1&sort=offerId,desc", &[2, 1]),
        ("size=2&page=9", &[]),
        ("userId=", &[1, 2, 3, 4]),
    ];
    for (query, found) in table {
        assert_eq!(ids(&market, query).await, *found, "{query}");
    }

    let page = market.service.client.get("/offers?size=3&userId=kim").await.expect(200);
    assert_eq!(page["page"], json!({"size": 3, "totalElements": 2, "totalPages": 1, "number": 0}));
    let mut own = page["_embedded"]["offers"][0].clone();
    assert_eq!(own, market.service.client.get("/offers/1").await.expect(200));
    let href = own["_links"]["self"]["href"].take();
    assert_eq!(href, Value::from(format!("{}/offers/1", market.service.client.base())));
}

#[tokio::test]
async fn a_list_that_makes_no_sense_says_why() {
    let market = Market::open().await;
    for (query, field) in [
        ("sort=nonsense", "sort"),
        ("sort=offerId,sideways", "sort"),
        ("offerStatus=x", "offerStatus"),
        ("postId=abc", "postId"),
        ("size=-1", "size"),
        ("page=x", "page"),
    ] {
        let reply = market.service.client.get(&format!("/offers?{query}")).await;
        assert_eq!(reply.expect_problem(400, "malformed-request"), [field], "{query}");
    }
}
