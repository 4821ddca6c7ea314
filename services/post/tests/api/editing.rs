use crate::{Deal, iphone, start, with, written};
use axum::http::Method;
use chassis::testing::Reply;
use serde_json::{Value, json};

fn full() -> Value {
    let more = json!({
        "description": "생활기스", "category": "디지털", "photos": ["https://example.com/1.jpg"], "qty": 3,
        "createDt": "2024-09-24",
    });
    with(iphone(), more)
}

#[tokio::test]
async fn a_patch_keeps_what_is_absent_and_clears_what_is_null() {
    let service = start().await;
    written(&service, full()).await;
    let before = service.client.get("/posts/1").await.expect(200);

    let change = json!({"userId": "seller01", "price": "550000", "address": null, "photos": null});
    let reply = service.client.patch("/posts/1", change).await;
    assert_eq!(reply.header("etag"), "\"2\"");
    let after = reply.expect(200);
    let expected = json!({
        "price": 550_000, "address": null, "photos": null, "updateDt": after["updateDt"],
    });
    assert_eq!(after, with(before.clone(), expected));
    assert_ne!(after["updateDt"], before["updateDt"]);
    assert_eq!(service.client.get("/posts/1").await.expect(200), after);

    let told = service.published().await;
    assert_eq!(told.len(), 1);
    let (kind, event) = &told[0];
    assert_eq!(kind, "PostEdited");
    assert_eq!(
        *event,
        json!({
            "eventType": "PostEdited", "timestamp": event["timestamp"],
            "postId": 1, "userId": "seller01", "price": 550_000, "updateDt": after["updateDt"],
            "goods": "아이폰13 공기계",
            "qty": 3, "address": null, "category": "디지털", "previousPrice": 600_000, "version": 2,
        })
    );

    for nothing in [json!({}), json!({"price": 550_000, "status": "created"}), after.clone()] {
        let reply = service.client.patch("/posts/1", nothing).await;
        assert_eq!(reply.header("etag"), "\"2\"");
        assert_eq!(reply.expect(200), after, "a change that changes nothing");
    }
    assert_eq!(service.published_types().await, [""; 0]);

    let all = json!({"goods": null, "price": null, "qty": null, "hidden": null});
    let mut named = service.client.patch("/posts/1", all).await.expect_problem(400, "malformed-request");
    named.sort();
    assert_eq!(named, ["goods", "hidden", "price", "qty"], "required fields cannot be cleared");
}

#[tokio::test]
async fn a_put_replaces_all_that_the_seller_says() {
    let service = start().await;
    written(&service, full()).await;
    let before = service.client.get("/posts/1").await.expect(200);
    let put = async |body| service.client.send(Method::PUT, "/posts/1", &[], Some(body)).await;

    let after = put(json!({"goods": "책상", "price": 1})).await.expect(200);
    let expected = json!({
        "goods": "책상", "price": 1, "qty": 1, "availableQty": 1, "updateDt": after["updateDt"],
        "address": null, "description": null, "category": null, "photos": null,
    });
    assert_eq!(after, with(before, expected), "seller and createDt stay");
    assert_eq!(service.published_types().await, ["PostEdited"]);
    assert_eq!(
        put(json!({"userId": "seller01", "price": 1})).await.expect_problem(400, "malformed-request"),
        ["goods"]
    );
    put(json!({"userId": "other", "goods": "책상", "price": 1})).await.expect_problem(403, "not-the-seller");
}

#[tokio::test]
async fn only_the_seller_changes_a_post() {
    let service = start().await;
    written(&service, iphone()).await;
    let stranger = json!({"userId": "stranger", "price": 1});
    service.client.patch("/posts/1", stranger).await.expect_problem(403, "not-the-seller");
    service.client.delete("/posts/1?userId=stranger").await.expect_problem(403, "not-the-seller");
    let body = Some(json!({"userId": "stranger"}));
    service.client.send(Method::DELETE, "/posts/1", &[], body).await.expect_problem(403, "not-the-seller");
    assert_eq!(service.published_types().await, [""; 0]);
    service.client.delete("/posts/1?userId=seller01").await.expect(204);
}

#[tokio::test]
async fn if_match_refuses_to_change_what_the_client_has_not_seen() {
    let service = start().await;
    written(&service, iphone()).await;
    let send = async |method, etag: &str, body| {
        service.client.send(method, "/posts/1", &[("if-match", etag)], body).await
    };
    let patch = async |etag, price: i64| send(Method::PATCH, etag, Some(json!({"price": price}))).await;
    let put = Some(json!({"goods": "책상", "price": 4}));

    for (etag, price, version) in [("\"1\"", 1, "\"2\""), ("*", 2, "\"3\""), ("\"1\", \"3\"", 3, "\"4\"")] {
        let reply = patch(etag, price).await;
        assert_eq!(reply.header("etag"), version, "If-Match: {etag}");
        reply.expect(200);
    }
    for stale in ["\"1\"", "\"5\"", "W/\"4\"", "4", ""] {
        patch(stale, 9).await.expect_problem(412, "version-changed");
        send(Method::PUT, stale, put.clone()).await.expect_problem(412, "version-changed");
        send(Method::DELETE, stale, None).await.expect_problem(412, "version-changed");
    }
    assert_eq!(service.client.get("/posts/1").await.expect(200)["price"], 3);
    send(Method::PUT, "\"4\"", put).await.expect(200);
    send(Method::DELETE, "\"5\"", None).await.expect(204);
}

#[tokio::test]
async fn a_hidden_post_is_its_sellers_only() {
    let service = start().await;
    written(&service, iphone()).await;
    let seen = async |query: &str| -> Reply { service.client.get(&format!("/posts/1{query}")).await };
    let listed = async |query: &str| {
        let list = service.client.get(&format!("/posts{query}")).await.expect(200);
        list["page"]["totalElements"].as_i64().expect("a number")
    };

    let hidden = service.client.patch("/posts/1", json!({"userId": "seller01", "hidden": true})).await;
    assert_eq!(hidden.expect(200)["hidden"], true);
    seen("").await.expect_problem(404, "not-found");
    seen("?userId=stranger").await.expect_problem(404, "not-found");
    assert_eq!(seen("?userId=seller01").await.expect(200)["hidden"], true);
    for (query, count) in [("", 0), ("?q=아이폰", 0), ("?userId=stranger", 0), ("?userId=seller01", 1)] {
        assert_eq!(listed(query).await, count, "{query:?}");
    }
    // The deals ask by way of the availability, which says it.
    let availability = service.client.get("/posts/1/availability").await.expect(200);
    assert_eq!(availability["hidden"], true);

    service.client.patch("/posts/1", json!({"hidden": "false"})).await.expect(200);
    seen("").await.expect(200);
    assert_eq!(listed("").await, 1);
    assert_eq!(service.published_types().await, ["PostHidden", "PostShown"]);
}

#[tokio::test]
async fn a_deleted_post_is_gone() {
    let service = start().await;
    written(&service, iphone()).await;
    let reply = service.client.delete("/posts/1").await;
    assert_eq!((reply.header("content-type"), reply.header("etag")), ("", ""));
    assert_eq!(reply.expect(204), Value::Null);
    let told = service.published().await;
    let event = json!({
        "eventType": "PostDeleted", "timestamp": told[0].1["timestamp"], "postId": 1, "userId": "seller01",
    });
    assert_eq!(told, [("PostDeleted".to_owned(), event)]);

    for (method, path, body) in [
        (Method::GET, "/posts/1?userId=seller01", None),
        (Method::GET, "/posts/1/availability", None),
        (Method::PATCH, "/posts/1", Some(json!({"price": 1}))),
        (Method::PUT, "/posts/1", Some(iphone())),
        (Method::DELETE, "/posts/1", None),
    ] {
        service.client.send(method, path, &[], body).await.expect_problem(404, "not-found");
    }
    let list = service.client.get("/posts?userId=seller01").await.expect(200);
    assert_eq!(list["_embedded"]["posts"], json!([]));
    assert_eq!(service.published_types().await, [""; 0]);
    assert_eq!(written(&service, iphone()).await, 2, "its id is not given again");
}

#[tokio::test]
async fn what_a_buyer_relies_on_waits_while_a_unit_is_reserved() {
    let service = start().await;
    written(&service, with(iphone(), json!({"qty": 2}))).await;
    let deal = Deal { id: 7, post: 1, qty: 1 };
    let refused = async |code| {
        let client = &service.client;
        for change in [json!({"price": 1}), json!({"qty": 9}), json!({"hidden": true})] {
            client.patch("/posts/1", change).await.expect_problem(409, code);
        }
        client.delete("/posts/1").await.expect_problem(409, code);
    };
    service.deliver(&deal.reserved()).await;
    refused("units-reserved").await;
    service.client.patch("/posts/1", json!({"description": "아직 팔아요"})).await.expect(200);

    service.deliver(&deal.ended()).await;
    service.client.patch("/posts/1", json!({"qty": 3})).await.expect(200);
    service.deliver(&Deal { id: 8, post: 1, qty: 2 }.ended()).await;
    refused("post-ended").await;
    service.client.patch("/posts/1", json!({"goods": "책상"})).await.expect_problem(409, "post-ended");
}

#[tokio::test]
async fn nobody_writes_the_status() {
    let service = start().await;
    written(&service, iphone()).await;
    let ended = with(iphone(), json!({"status": "dealEnded"}));
    service.client.post("/posts", ended).await.expect_problem(409, "status-follows-deal");
    for status in ["dealReserved", "dealEnded"] {
        let change = json!({"status": status, "price": 1});
        service.client.patch("/posts/1", change).await.expect_problem(409, "status-follows-deal");
        let whole = Some(with(iphone(), json!({"status": status})));
        let put = service.client.send(Method::PUT, "/posts/1", &[], whole).await;
        put.expect_problem(409, "status-follows-deal");
    }
    let list = service.client.get("/posts").await.expect(200);
    assert_eq!(list["page"]["totalElements"], 1);
    assert_eq!(list["_embedded"]["posts"][0]["price"], 600_000);
    assert_eq!(service.published_types().await, [""; 0]);

    service.deliver(&Deal { id: 1, post: 1, qty: 1 }.reserved()).await;
    service.client.patch("/posts/1", json!({"status": "dealReserved"})).await.expect(200);
    service
        .client
        .patch("/posts/1", json!({"status": "created"}))
        .await
        .expect_problem(409, "status-follows-deal");
}
