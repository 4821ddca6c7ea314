//! Lists of deals: filters, order, pages.

use crate::support::{Market, offer};
use serde_json::json;

async fn ids(market: &Market, query: &str) -> Vec<i64> {
    let list = market.service.client.get(&format!("/deals?{query}")).await.expect(200);
    let deals = list["_embedded"]["deals"].as_array().expect("a list, even when it is empty");
    deals.iter().map(|deal| deal["dealId"].as_i64().expect("a number")).collect()
}

#[tokio::test]
async fn deals_are_found_filtered_and_sorted() {
    let market = Market::open().await;
    assert_eq!(ids(&market, "").await, Vec::<i64>::new());
    for post_id in [1, 2] {
        market.post_says(post_id, &json!({"qty": 9}));
    }
    let mut deals = Vec::new();
    for (offer_id, post_id, price) in [(11, 1, 30), (12, 1, 10), (13, 2, 20), (14, 2, 10)] {
        let offer = offer(offer_id).on(post_id).at(price);
        market.hear(&[offer.placed(), offer.accepted()]).await;
        deals.push(market.reserve(offer.reservation()).await.expect(201));
    }
    market.write(&deals[1], "dealEnded").await.expect(200);
    market.write(&deals[2], "dealCanceled").await.expect(200);
    let table: &[(&str, &[i64])] = &[
        ("", &[1, 2, 3, 4]),
        ("postId=2", &[3, 4]),
        ("userId=buyer12", &[2]),
        ("userId=seller", &[]),
        ("offerId=13", &[3]),
        ("status=dealReserved", &[1, 4]),
        ("status=dealEnded&postId=2", &[]),
        ("sort=price", &[2, 4, 3, 1]),
        ("sort=price,desc&sort=dealId,desc", &[1, 3, 4, 2]),
        ("sort=status", &[3, 2, 1, 4]),
        ("size=3&page=1&sort=dealId,desc", &[1]),
    ];
    for (query, found) in table {
        assert_eq!(ids(&market, query).await, *found, "{query}");
    }
    let page = market.service.client.get("/deals?size=2&status=dealReserved").await.expect(200);
    assert_eq!(page["page"], json!({"size": 2, "totalElements": 2, "totalPages": 1, "number": 0}));
    assert_eq!(page["_embedded"]["deals"][0], deals[0]);

    for (query, field) in [("sort=history", "sort"), ("status=sold", "status"), ("offerId=x", "offerId")] {
        let reply = market.service.client.get(&format!("/deals?{query}")).await;
        assert_eq!(reply.expect_problem(400, "malformed-request"), [field], "{query}");
    }
}
