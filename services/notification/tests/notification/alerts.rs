//! Words that people wait for.

use crate::support::{event_at, told};
use axum::http::Method;
use chassis::testing::TestService;
use serde_json::{Value, json};
use shared_events::{Envelope, PostWrote, WireDate};

/// A post that is written after so many seconds from now.
fn post(seconds: i64, post_id: i64, seller: &str, goods: &str) -> Envelope {
    let then = WireDate::from_epoch_millis(WireDate::now().epoch_millis() + seconds * 1000).expect("soon");
    let fields =
        json!({"postId": post_id, "userId": seller, "goods": goods, "status": "created", "price": 600_000});
    event_at::<PostWrote>(then, fields)
}

#[tokio::test]
async fn alerts_are_made_listed_and_removed() {
    let notification = TestService::start(notification::service()).await;
    let client = &notification.client;
    let wanted = json!({"userId": "buyer01", "keyword": " 아이폰 "});
    let made = client.post("/alerts", wanted.clone()).await;
    assert_eq!(made.header("location"), format!("{}/alerts/1", client.base()));
    let made = made.expect(201);
    assert_eq!((&made["alertId"], &made["keyword"]), (&json!(1), &json!("아이폰")));
    assert_eq!(client.post("/alerts", wanted).await.expect(200), made);
    let read = client.get("/alerts/1").await;
    assert_eq!((read.header("etag"), &read.body), ("\"1\"", &made));

    client.post("/alerts", json!({"userId": "buyer01", "keyword": "iPad"})).await.expect(201);
    let again = client.post("/alerts", json!({"userId": "buyer01", "keyword": "IPAD"})).await.expect(200);
    assert_eq!(again["keyword"], "iPad");
    client.post("/alerts", json!({"userId": "buyer02", "keyword": "iPad"})).await.expect(201);
    let list = async |query: &str| -> Vec<Value> {
        let body = client.get(&format!("/alerts?{query}")).await.expect(200);
        body["_embedded"]["alerts"].as_array().expect("a list").clone()
    };
    assert_eq!(list("").await.len(), 3);
    let own = list("userId=buyer01&sort=alertId").await;
    assert_eq!((own.len(), &own[0]), (2, &made));
    assert_eq!(list("userId=nobody").await.len(), 0);

    client.delete("/alerts/1?userId=buyer02").await.expect_problem(403, "not-the-owner");
    let headers = [("if-match", "\"2\"")];
    let changed = client.send(Method::DELETE, "/alerts/1?userId=buyer01", &headers, None).await;
    changed.expect_problem(412, "version-changed");
    let headers = [("if-match", read.header("etag"))];
    client.send(Method::DELETE, "/alerts/1?userId=buyer01", &headers, None).await.expect(204);
    client.delete("/alerts/1").await.expect_problem(404, "not-found");
    client.get("/alerts/1").await.expect_problem(404, "not-found");
    assert_eq!(list("userId=buyer01").await.len(), 1);
}

#[tokio::test]
async fn what_is_no_alert_is_refused() {
    let notification = TestService::start(notification::service()).await;
    let client = &notification.client;
    for (body, status, code, faults) in [
        (json!({}), 400, "malformed-request", &["userId", "keyword"][..]),
        (json!({"userId": "buyer01", "keyword": null}), 400, "malformed-request", &["keyword"]),
        (json!({"userId": "buyer01", "keyword": "  "}), 422, "unacceptable-value", &["keyword"]),
        (json!({"userId": "buyer01", "keyword": "x".repeat(101)}), 422, "unacceptable-value", &["keyword"]),
        (json!({"userId": "buyer01", "keyword": "a\u{0}b"}), 422, "unacceptable-value", &["keyword"]),
    ] {
        assert_eq!(client.post("/alerts", body.clone()).await.expect_problem(status, code), faults, "{body}");
    }
    // The longest there is in every way.
    let longest = json!({"userId": "𝅘𝅥𝅮".repeat(16), "keyword": "\u{1d160}".repeat(100)});
    client.post("/alerts", longest).await.expect(201);
    client.patch("/alerts/1", json!({})).await.expect_problem(405, "method-not-allowed");
}

#[tokio::test]
async fn one_key_makes_one_alert_and_many_at_once_make_one_too() {
    let notification = TestService::start(notification::service()).await;
    let make = async |key: &'static str| {
        let body = json!({"userId": "buyer01", "keyword": "아이폰"});
        let headers = [("idempotency-key", key)];
        notification.client.send(Method::POST, "/alerts", &headers, Some(body)).await
    };
    let (a, b, c, d) = tokio::join!(make("1"), make("2"), make("3"), make("4"));
    let mut statuses: Vec<_> = [&a, &b, &c, &d].iter().map(|reply| reply.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 201]);
    let again = make("1").await;
    assert_eq!((again.header("idempotency-replayed"), &again.body), ("true", &a.body));
}

#[tokio::test]
async fn a_new_post_tells_those_who_wait_for_a_word_in_it() {
    let notification = TestService::start(notification::service()).await;
    let alerts = [
        ("buyer01", "아이폰"),
        ("buyer01", "공기계"),
        ("buyer02", "iphone 13"),
        // As some keyboards send it: ㅇㅏㅇㅣㅍㅗㄴ, in parts.
        ("buyer03", "\u{110b}\u{1161}\u{110b}\u{1175}\u{1111}\u{1169}\u{11ab}"),
        ("buyer04", "%"),
        ("seller01", "아이폰"),
    ];
    for (user, keyword) in alerts {
        notification.client.post("/alerts", json!({"userId": user, "keyword": keyword})).await.expect(201);
    }
    notification
        .deliver_envelopes(&[
            post(1, 1, "seller01", "아이폰13 공기계"),
            post(2, 2, "seller02", "New IPHONE 13"),
            post(3, 3, "seller02", "갤럭시"),
            // Written before anybody waited; it only comes late.
            post(-60, 4, "seller02", "아이폰 100%"),
            post(5, 5, "seller02", "100%"),
        ])
        .await;
    let mut first = told(&notification, "/notifications?postId=1").await;
    first.sort();
    assert_eq!(
        first,
        [
            "buyer01: '아이폰' 알림: 아이폰13 공기계 600,000원",
            "buyer03: '\u{110b}\u{1161}\u{110b}\u{1175}\u{1111}\u{1169}\u{11ab}' 알림: 아이폰13 공기계 600,000원",
        ],
    );
    for (post, expected) in [
        (2, &["buyer02: 'iphone 13' 알림: New IPHONE 13 600,000원"][..]),
        (3, &[]),
        (4, &[]),
        (5, &["buyer04: '%' 알림: 100% 600,000원"]),
    ] {
        let path = format!("/notifications?postId={post}&kind=keywordAlert");
        assert_eq!(told(&notification, &path).await, expected, "post {post}");
    }
}
