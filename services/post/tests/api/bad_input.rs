//! Whatever a client sends, it is told what is wrong with it; never is it our own fault.

use crate::{iphone, start, with, written};
use axum::http::Method;
use chassis::testing::TestService;
use serde_json::{Value, json};

const MALFORMED: (u16, &str) = (400, "malformed-request");
const UNACCEPTABLE: (u16, &str) = (422, "unacceptable-value");

fn field(name: &str, value: Value) -> Value {
    json!({name: value})
}

async fn nothing_has_happened(service: &TestService, posts: i64) {
    let list = service.client.get("/posts").await.expect(200);
    assert_eq!(list["page"]["totalElements"], posts);
    assert_eq!(service.published_types().await, [""; 0]);
}

#[tokio::test]
async fn every_faulty_field_of_a_post_is_named() {
    let service = start().await;
    for (name, value, (status, code)) in [
        ("price", json!("price"), MALFORMED),
        ("price", json!(""), MALFORMED),
        ("price", json!("NaN"), MALFORMED),
        ("price", json!(true), MALFORMED),
        ("price", json!([600_000]), MALFORMED),
        ("price", json!({"won": 600_000}), MALFORMED),
        ("price", Value::Null, MALFORMED),
        ("price", json!(-1), UNACCEPTABLE),
        ("price", json!("-1"), UNACCEPTABLE),
        ("price", json!(1.5), UNACCEPTABLE),
        ("price", json!("1.5"), UNACCEPTABLE),
        ("price", json!(1_000_000_000_001_i64), UNACCEPTABLE),
        ("price", json!(u64::MAX), UNACCEPTABLE),
        ("price", json!(1e300), UNACCEPTABLE),
        ("price", json!("9".repeat(300)), UNACCEPTABLE),
        ("goods", Value::Null, MALFORMED),
        ("goods", json!(13), MALFORMED),
        ("goods", json!(["아이폰"]), MALFORMED),
        ("goods", json!(""), UNACCEPTABLE),
        ("goods", json!(" \t\n"), UNACCEPTABLE),
        ("goods", json!("아이폰\u{0}13"), UNACCEPTABLE),
        ("goods", json!("두\n줄"), UNACCEPTABLE),
        ("goods", json!("가".repeat(201)), UNACCEPTABLE),
        ("address", json!("\u{0}"), UNACCEPTABLE),
        ("address", json!("가".repeat(201)), UNACCEPTABLE),
        ("description", json!("a\u{0}b"), UNACCEPTABLE),
        ("description", json!("가".repeat(2001)), UNACCEPTABLE),
        ("category", json!("가".repeat(101)), UNACCEPTABLE),
        ("userId", json!("a\u{0}"), UNACCEPTABLE),
        ("userId", json!(" "), UNACCEPTABLE),
        ("userId", json!("u".repeat(65)), UNACCEPTABLE),
        ("userId", json!({"name": "seller01"}), MALFORMED),
        ("qty", json!(0), UNACCEPTABLE),
        ("qty", json!(-1), UNACCEPTABLE),
        ("qty", json!(1_000_001), UNACCEPTABLE),
        ("qty", json!("many"), MALFORMED),
        ("hidden", json!("maybe"), MALFORMED),
        ("hidden", json!(1), MALFORMED),
        ("photos", json!(vec!["https://example.com/1.jpg"; 21]), UNACCEPTABLE),
        ("photos", json!({}), MALFORMED),
        ("status", json!("sold"), MALFORMED),
        ("status", json!(1), MALFORMED),
        ("createDt", json!("2024-13-01"), MALFORMED),
        ("createDt", json!("2024-02-30"), MALFORMED),
        ("createDt", json!("yesterday"), MALFORMED),
        ("createDt", json!("2024-09-24T10:00:00"), MALFORMED),
        ("createDt", json!("-0001-01-01"), MALFORMED),
        ("createDt", json!("9999-12-31T23:59:59-01:00"), MALFORMED),
        ("createDt", json!(u64::MAX), MALFORMED),
        ("createDt", json!(true), MALFORMED),
    ] {
        let case = format!("{name}={value:.50}");
        let reply = service.client.post("/posts", with(iphone(), field(name, value))).await;
        assert_eq!(reply.clone().status.as_u16(), status, "{case}: {:#}", reply.body);
        assert_eq!(reply.expect_problem(status, code), [name], "{case}");
    }
    let photos = json!({"photos": ["https://example.com/1.jpg", null, "\u{0}"]});
    let named =
        service.client.post("/posts", with(iphone(), photos)).await.expect_problem(400, "malformed-request");
    assert_eq!(named, ["photos[1]", "photos[2]"]);
    nothing_has_happened(&service, 0).await;
}

#[tokio::test]
async fn all_faults_are_told_at_once() {
    let service = start().await;
    for (body, (status, code), faults) in [
        (json!({}), MALFORMED, &["goods", "price", "userId"][..]),
        (json!({"userId": "seller01"}), MALFORMED, &["goods", "price"]),
        (json!({"goods": "책상", "price": 1}), MALFORMED, &["userId"]),
        (json!({"userId": null, "goods": "책상", "price": -1}), MALFORMED, &["price", "userId"]),
        (
            json!({"userId": "s", "goods": "\u{0}", "price": -1, "qty": 0}),
            UNACCEPTABLE,
            &["goods", "price", "qty"],
        ),
        (
            json!({"userId": "s", "goods": " ", "price": "much", "createDt": "2024-13-01", "status": "new"}),
            MALFORMED,
            &["createDt", "goods", "price", "status"],
        ),
    ] {
        let reply = service.client.post("/posts", body).await;
        for error in reply.body["errors"].as_array().into_iter().flatten() {
            let (name, message) = (error["field"].as_str().unwrap(), error["message"].as_str().unwrap());
            let detail = reply.body["detail"].as_str().unwrap();
            assert!(detail.contains(&format!("{name} {message}")), "{detail}");
        }
        let mut named = reply.expect_problem(status, code);
        named.sort();
        assert_eq!(named, faults);
    }
    let reply = service.client.post("/posts", json!({"userId": "s", "goods": "책상"})).await;
    assert_eq!(
        reply.body,
        json!({
            "type": "urn:problem:malformed-request", "title": "Bad Request", "status": 400, "code": "malformed-request",
            "detail": "price is required.", "message": "price is required.", "instance": "/posts",
            "errors": [{"field": "price", "message": "is required"}],
        })
    );
    nothing_has_happened(&service, 0).await;
}

#[tokio::test]
async fn a_patch_is_held_to_the_same() {
    let service = start().await;
    written(&service, iphone()).await;
    for (body, (status, code), faults) in [
        (json!({"price": "price"}), MALFORMED, &["price"][..]),
        (json!({"price": -1, "goods": "\u{0}"}), UNACCEPTABLE, &["goods", "price"]),
        (json!({"price": null, "qty": 0, "address": ""}), MALFORMED, &["address", "price", "qty"]),
        (json!({"photos": ["", "a"]}), UNACCEPTABLE, &["photos[0]"]),
        (json!({"userId": "u".repeat(65)}), UNACCEPTABLE, &["userId"]),
        (json!({"status": "sold"}), MALFORMED, &["status"]),
    ] {
        let mut named = service.client.patch("/posts/1", body).await.expect_problem(status, code);
        named.sort();
        assert_eq!(named, faults);
    }
    nothing_has_happened(&service, 1).await;
}

#[tokio::test]
async fn a_body_must_be_a_json_object_of_bearable_size() {
    let service = start().await;
    let json = iphone().to_string();
    let deep = "[".repeat(100_000);
    let megabytes = |count: usize| format!(r#"{{"goods":"{}"}}"#, "x".repeat(count << 20));
    for (content_type, body, status, code) in [
        ("application/json", b"{\"goods\":".to_vec(), 400, "malformed-request"),
        ("application/json", b"goods=iPhone".to_vec(), 400, "malformed-request"),
        ("application/json", b"{} {}".to_vec(), 400, "malformed-request"),
        ("application/json", b"{\"goods\":\"\xff\xfe\"}".to_vec(), 400, "malformed-request"),
        ("application/json", b"{\"goods\":\"\\ud800\"}".to_vec(), 400, "malformed-request"),
        ("application/json", b"{\"goods\":\"\0\"}".to_vec(), 400, "malformed-request"),
        ("application/json", b"[]".to_vec(), 400, "malformed-request"),
        ("application/json", b"null".to_vec(), 400, "malformed-request"),
        ("application/json", b"\"post\"".to_vec(), 400, "malformed-request"),
        ("application/json", b"\0".to_vec(), 400, "malformed-request"),
        ("application/json", deep.into_bytes(), 400, "malformed-request"),
        ("application/json", Vec::new(), 400, "malformed-request"),
        ("text/plain", json.clone().into_bytes(), 415, "unsupported-media-type"),
        ("application/x-www-form-urlencoded", b"goods=a".to_vec(), 415, "unsupported-media-type"),
        ("application/jsonp", json.clone().into_bytes(), 415, "unsupported-media-type"),
        ("", json.clone().into_bytes(), 415, "unsupported-media-type"),
        ("application/json", megabytes(2).into_bytes(), 413, "payload-too-large"),
        ("application/json", megabytes(5).into_bytes(), 413, "payload-too-large"),
    ] {
        let start = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
        let reply = service.client.send_bytes(Method::POST, "/posts", content_type, body).await;
        assert_eq!(reply.status.as_u16(), status, "{content_type} {start}: {:#}", reply.body);
        reply.expect_problem(status, code);
    }
    nothing_has_happened(&service, 0).await;
    for content_type in ["application/json; charset=utf-8", "APPLICATION/JSON", "application/hal+json"] {
        service.client.send_bytes(Method::POST, "/posts", content_type, json.clone()).await.expect(201);
    }
}
