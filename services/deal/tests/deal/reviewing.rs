//! How it was, in the words of the two.

use crate::support::{Market, offer, timeless};
use serde_json::{Value, json};

async fn ended(market: &Market, offer_id: i64) -> Value {
    let deal = market.reserved(&offer(offer_id)).await;
    let ended = market.write(&deal, "dealEnded").await.expect(200);
    market.service.published().await;
    ended
}

#[tokio::test]
async fn each_reviews_the_other_once() {
    let market = Market::open().await;
    let client = &market.service.client;
    ended(&market, 1).await;
    // A refused one leaves a gap in the ids.
    for (id, author, target, comment) in
        [(1, "buyer1", "seller", json!("친절해요 👍\n또 봬요")), (3, "seller", "buyer1", json!(null))]
    {
        let body = json!({"dealId": "1", "userId": author, "rating": "4", "comment": comment});
        let reply = client.post("/reviews", body.clone()).await;
        assert!(reply.header("location").ends_with(&format!("/reviews/{id}")));
        let mut review = reply.expect(201);
        assert_eq!(client.get(&format!("/reviews/{id}")).await.expect(200), review);
        let fields = review.as_object_mut().unwrap();
        assert!(fields.remove("createDt").is_some() && fields.remove("_links").is_some());
        let mut expected = json!({"reviewId": id, "dealId": 1, "postId": 1, "userId": author, "targetId": target,
            "rating": 4, "comment": comment});
        assert_eq!(review, expected);
        let [event] = market.service.published().await.try_into().expect("one event");
        expected["eventType"] = json!("DealReviewed");
        assert_eq!(timeless(event), expected);

        client.post("/reviews", body).await.expect_problem(409, "already-reviewed");
        assert_eq!(market.service.published_types().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn only_the_two_and_only_after_the_end() {
    let market = Market::open().await;
    let client = &market.service.client;
    let deal = market.reserved(&offer(1)).await;
    let by = |user: &str| json!({"dealId": 1, "userId": user, "rating": 5});
    client.post("/reviews", by("buyer1")).await.expect_problem(409, "deal-not-ended");
    client.post("/reviews", by("stranger")).await.expect_problem(403, "not-a-party");
    market.write(&deal, "dealCanceled").await.expect(200);
    client.post("/reviews", by("seller")).await.expect_problem(409, "deal-not-ended");
    client
        .post("/reviews", json!({"dealId": 99, "userId": "buyer1", "rating": 5}))
        .await
        .expect_problem(404, "deal-not-found");
    let table = [
        (json!({}), 400, &["dealId", "rating", "userId"][..]),
        (json!({"dealId": 1, "userId": "buyer1", "rating": 0}), 422, &["rating"]),
        (json!({"dealId": 1, "userId": "buyer1", "rating": -1}), 422, &["rating"]),
        (json!({"dealId": 1, "userId": "buyer1", "rating": "6"}), 422, &["rating"]),
        (json!({"dealId": 1, "userId": "buyer1", "rating": 4.5}), 422, &["rating"]),
        (json!({"dealId": 1, "userId": "buyer1", "rating": "good"}), 400, &["rating"]),
        (json!({"dealId": 1, "userId": "buyer1", "rating": 5, "comment": "\u{0}"}), 422, &["comment"]),
        (json!({"dealId": 1, "userId": "buyer1", "rating": 9, "comment": " "}), 422, &["comment", "rating"]),
        (
            json!({"dealId": 1, "userId": "buyer1", "rating": 5, "comment": "x".repeat(2001)}),
            422,
            &["comment"],
        ),
    ];
    for (body, status, fields) in table {
        let code = if status == 400 { "malformed-request" } else { "unacceptable-value" };
        let mut named = client.post("/reviews", body.clone()).await.expect_problem(status, code);
        named.sort();
        assert_eq!(named, fields, "{body}");
    }
    assert_eq!(client.get("/reviews").await.expect(200)["_embedded"]["reviews"], json!([]));
}

#[tokio::test]
async fn of_many_at_once_one_is_taken() {
    let market = Market::open().await;
    ended(&market, 1).await;
    let write =
        || market.service.client.post("/reviews", json!({"dealId": 1, "userId": "seller", "rating": 1}));
    let replies = tokio::join!(write(), write(), write(), write());
    let replies = [replies.0, replies.1, replies.2, replies.3];
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1);
    for reply in replies.into_iter().filter(|reply| reply.status != 201) {
        reply.expect_problem(409, "already-reviewed");
    }
    assert_eq!(market.service.published_types().await, ["DealReviewed"]);
}

#[tokio::test]
async fn reviews_are_found_filtered_and_sorted() {
    let market = Market::open().await;
    let client = &market.service.client;
    market.post_says(2, &json!({}));
    ended(&market, 1).await;
    let deal = market.reserved(&offer(2).on(2)).await;
    market.write(&deal, "dealEnded").await.expect(200);
    for (deal, user, rating) in [(1, "buyer1", 5), (1, "seller", 2), (2, "buyer2", 3)] {
        client.post("/reviews", json!({"dealId": deal, "userId": user, "rating": rating})).await.expect(201);
    }
    let table: &[(&str, &[i64])] = &[
        ("", &[1, 2, 3]),
        ("dealId=1", &[1, 2]),
        ("postId=2", &[3]),
        ("userId=seller", &[2]),
        ("targetId=seller", &[1, 3]),
        ("targetId=seller&postId=1", &[1]),
        ("sort=rating", &[2, 3, 1]),
    ];
    for (query, expected) in table {
        let list = client.get(&format!("/reviews?{query}")).await.expect(200);
        let reviews = list["_embedded"]["reviews"].as_array().unwrap();
        let ids: Vec<_> = reviews.iter().map(|review| review["reviewId"].as_i64().unwrap()).collect();
        assert_eq!(ids, *expected, "{query}");
    }
    client.get("/reviews/99").await.expect_problem(404, "not-found");
    assert_eq!(client.get("/reviews?sort=comment").await.expect_problem(400, "malformed-request"), ["sort"]);
}
