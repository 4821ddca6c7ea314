use crate::{iphone, start, with, written};
use axum::http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_post_is_written_read_and_told_about() {
    let service = start().await;
    let sent = json!({
        "userId": " seller01 ", "goods": "아이폰13 공기계 📱", "price": "600000", "qty": "2",
        "address": "방배동", "description": "생활기스 조금\n직거래만", "category": "디지털",
        "photos": ["https://example.com/1.jpg", "https://example.com/2.jpg"],
        "status": "created", "createDt": "2024-09-24", "unheardOf": [1], "_links": {"self": {"href": "x"}},
    });
    let reply = service.client.post("/posts", sent).await;
    let href = format!("{}/posts/1", service.client.base());
    assert_eq!(reply.header("location"), href);
    assert_eq!(reply.header("etag"), "\"1\"");
    assert_eq!(reply.header("content-type"), "application/hal+json");
    let written = reply.expect(201);
    let expected = json!({
        "postId": 1, "userId": "seller01", "goods": "아이폰13 공기계 📱", "price": 600_000, "qty": 2,
        "availableQty": 2, "likeCnt": 0,
        "address": "방배동", "description": "생활기스 조금\n직거래만", "category": "디지털",
        "photos": ["https://example.com/1.jpg", "https://example.com/2.jpg"],
        "status": "created", "hidden": false,
        "createDt": "2024-09-24T00:00:00.000+00:00", "updateDt": "2024-09-24T00:00:00.000+00:00",
        "_links": {"self": {"href": href}, "post": {"href": href}},
    });
    assert_eq!(written, expected);

    let read = service.client.get("/posts/1").await;
    assert_eq!(read.header("etag"), "\"1\"");
    assert_eq!(read.header("content-type"), "application/hal+json");
    assert_eq!(read.clone().expect(200), expected);

    let head = service.client.send(Method::HEAD, "/posts/1", &[], None).await;
    for header in ["etag", "content-type", "content-length"] {
        assert_eq!(head.header(header), read.header(header), "{header} of HEAD");
    }
    assert_eq!(head.expect(200), Value::Null);

    let told = service.published().await;
    assert_eq!(told.len(), 1);
    let (kind, event) = &told[0];
    assert_eq!(kind, "PostWrote");
    assert_eq!(
        *event,
        json!({
            "eventType": "PostWrote", "timestamp": event["timestamp"],
            "postId": 1, "userId": "seller01", "createDt": "2024-09-24T00:00:00.000+00:00", "price": 600_000,
            "address": "방배동", "photos": ["https://example.com/1.jpg", "https://example.com/2.jpg"],
            "status": "created", "goods": "아이폰13 공기계 📱",
            "qty": 2, "category": "디지털", "version": 1,
        })
    );
}

#[tokio::test]
async fn what_is_left_out_or_null_has_its_default() {
    let service = start().await;
    let least = json!({"userId": "seller01", "goods": "책상", "price": 0});
    let nulls = json!({"address": null, "photos": null, "qty": null, "hidden": null, "createDt": null});
    for body in [least.clone(), with(least, nulls)] {
        let post = service.client.post("/posts", body).await.expect(201);
        for field in ["address", "description", "category", "photos"] {
            assert_eq!(post[field], Value::Null, "{field}");
        }
        assert_eq!((&post["qty"], &post["hidden"], &post["price"]), (&json!(1), &json!(false), &json!(0)));
        let now = post["createDt"].as_str().unwrap();
        assert!(now.starts_with("20") && now.ends_with("+00:00"), "{now}");
    }
    assert_eq!(service.published_types().await, ["PostWrote", "PostWrote"]);
}

#[tokio::test]
async fn values_are_read_in_every_form_that_clients_send() {
    let service = start().await;
    for (field, sent, answered) in [
        ("price", json!("600000"), json!(600_000)),
        ("price", json!(600_000.0), json!(600_000)),
        ("price", json!(6e5), json!(600_000)),
        ("price", json!(" 0 "), json!(0)),
        ("price", json!(1_000_000_000_000_i64), json!(1_000_000_000_000_i64)),
        ("qty", json!("1000000"), json!(1_000_000)),
        ("hidden", json!("false"), json!(false)),
        ("photos", json!("https://example.com/1.jpg"), json!(["https://example.com/1.jpg"])),
        ("photos", json!([]), json!([])),
        ("goods", json!("가".repeat(200)), json!("가".repeat(200))),
        ("goods", json!("  책상\t"), json!("책상")),
        ("description", json!("💺".repeat(2000)), json!("💺".repeat(2000))),
        ("userId", json!(42), json!("42")),
        ("createDt", json!("2024-09-24T09:30:00+09:00"), json!("2024-09-24T00:30:00.000+00:00")),
        ("createDt", json!("2024-09-24T00:00:00Z"), json!("2024-09-24T00:00:00.000+00:00")),
        ("createDt", json!(1_727_139_799_825_i64), json!("2024-09-24T01:03:19.825+00:00")),
        ("createDt", json!("1727139799825"), json!("2024-09-24T01:03:19.825+00:00")),
        ("createDt", json!("0000-01-01"), json!("0000-01-01T00:00:00.000+00:00")),
        ("createDt", json!("9999-12-31T23:59:59.999Z"), json!("9999-12-31T23:59:59.999+00:00")),
    ] {
        let post =
            service.client.post("/posts", with(iphone(), json!({field: sent.clone()}))).await.expect(201);
        assert_eq!(post[field], answered, "{field} sent as {sent}");
        let read = service.client.get(&format!("/posts/{}", post["postId"])).await.expect(200);
        assert_eq!(read, post);
    }
}

#[tokio::test]
async fn links_point_where_the_client_is() {
    let service = start().await;
    written(&service, iphone()).await;
    for (headers, origin) in [
        (
            &[("x-forwarded-host", "market.example:8443"), ("x-forwarded-proto", "https")][..],
            "https://market.example:8443",
        ),
        (&[("x-forwarded-host", "market.example, inner:8088")], "http://market.example"),
        (&[("host", "localhost:8082")], "http://localhost:8082"),
    ] {
        let href = format!("{origin}/posts/1");
        let post = service.client.send(Method::GET, "/posts/1", headers, None).await.expect(200);
        assert_eq!(post["_links"]["self"]["href"], href);
        let list =
            service.client.send(Method::GET, "/posts?q=아이폰&sort=postId", headers, None).await.expect(200);
        assert_eq!(list["_embedded"]["posts"][0]["_links"]["post"]["href"], href);
        let own = list["_links"]["self"]["href"].as_str().unwrap();
        assert!(own.starts_with(&format!("{origin}/posts?q=")), "{own}");
        let reply = service.client.send(Method::POST, "/posts", headers, Some(iphone())).await;
        assert!(reply.header("location").starts_with(&format!("{origin}/posts/")));
    }
}

#[tokio::test]
async fn a_post_may_be_hidden_from_the_first() {
    let service = start().await;
    let post = service.client.post("/posts", with(iphone(), json!({"hidden": true}))).await.expect(201);
    assert_eq!(post["hidden"], true);
    assert_eq!(service.published_types().await, ["PostWrote", "PostHidden"]);
    service.client.get("/posts/1").await.expect_problem(404, "not-found");
}
