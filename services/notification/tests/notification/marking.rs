//! What was read, one by one and all at once.

use crate::support::{message, told, walk};
use axum::http::Method;
use chassis::testing::TestService;
use serde_json::{Value, json};

#[tokio::test]
async fn a_notification_is_read_and_unread() {
    let notification = TestService::start(notification::service()).await;
    notification.deliver_envelopes(&walk()[..1]).await;
    let list = notification.client.get("/notifications").await.expect(200);
    let path = format!("/notifications/{}", list["_embedded"]["notifications"][0]["notificationId"]);
    let client = &notification.client;
    let mark = async |body: Value| client.patch(&path, body).await;

    mark(json!({"read": true, "userId": "buyer02"})).await.expect_problem(403, "not-the-recipient");
    assert_eq!(mark(json!({})).await.expect(200)["readDt"], Value::Null);
    let read = mark(json!({"read": "true", "userId": "seller01"})).await;
    assert_eq!(read.header("etag"), "\"2\"");
    let read = read.expect(200);
    assert!(read["readDt"].is_string(), "{read:#}");
    assert_eq!(mark(json!({"read": true})).await.expect(200), read);
    assert_eq!(client.get(&path).await.expect(200), read);
    assert_eq!(client.get(&path.replace("notifications", "notices")).await.expect(200), read);
    assert_eq!(told(&notification, "/notifications?read=true").await.len(), 1);
    assert_eq!(told(&notification, "/notifications?read=false").await.len(), 0);

    let stale =
        client.send(Method::PATCH, &path, &[("if-match", "\"1\"")], Some(json!({"read": false}))).await;
    stale.expect_problem(412, "version-changed");
    assert_eq!(mark(json!({"read": false})).await.expect(200)["readDt"], Value::Null);

    let keyed = async || {
        client.send(Method::PATCH, &path, &[("idempotency-key", "k")], Some(json!({"read": true}))).await
    };
    let first = keyed().await;
    let again = keyed().await;
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    assert_eq!(first.expect(200), again.expect(200));
}

#[tokio::test]
async fn what_is_unread_is_counted() {
    let notification = TestService::start(notification::service()).await;
    notification.deliver_envelopes(&walk()).await;
    let client = &notification.client;
    let path = "/notifications/unread-count?userId=seller01";
    let count = client.get(path).await.expect(200);
    let href = format!("{}{path}", client.base());
    assert_eq!(
        count,
        json!({"userId": "seller01", "unread": 4, "_links": {"self": {"href": href}, "unreadCount": {"href": href}}}),
    );
    for (query, user, unread) in [
        ("", Value::Null, 8),
        ("?userId=buyer02", json!("buyer02"), 1),
        ("?userId=nobody", json!("nobody"), 0),
    ] {
        for path in ["/notifications/unread-count", "/notices/unread-count"] {
            let count = client.get(&format!("{path}{query}")).await.expect(200);
            assert_eq!((&count["userId"], &count["unread"]), (&user, &json!(unread)), "{query}");
        }
    }
    let head = client.send(Method::HEAD, path, &[], None).await;
    assert_eq!(head.status.as_u16(), 200);
}

#[tokio::test]
async fn all_are_marked_at_once() {
    let notification = TestService::start(notification::service()).await;
    notification.deliver_envelopes(&walk()).await;
    let client = &notification.client;
    let all = |user: &str| format!("/notifications?userId={user}");
    for (path, body, updated) in [
        (all("seller01"), json!({}), 0),
        (all("seller01"), json!({"read": "true"}), 4),
        (all("seller01"), json!({"read": true}), 0),
        ("/notices".to_owned(), json!({"read": true, "userId": "buyer02"}), 1),
        (all("nobody"), json!({"read": true}), 0),
        (all("seller01"), json!({"read": false, "userId": "seller01"}), 4),
        (all("seller01"), json!({"read": true}), 4),
    ] {
        assert_eq!(client.patch(&path, body.clone()).await.expect(200)["updated"], updated, "{path} {body}");
    }
    assert_eq!(told(&notification, "/notifications?read=false").await.len(), 3);
    // Those that were marked have changed, for whoever has seen them before.
    let first = told(&notification, "/notifications?userId=seller01&read=true").await;
    assert_eq!(first.len(), 4);

    let refused = client.patch(&all("buyer03"), json!({"read": true, "userId": "seller01"})).await;
    refused.expect_problem(403, "not-the-recipient");
    let unnamed = client.patch("/notifications", json!({"read": true})).await;
    assert_eq!(unnamed.expect_problem(400, "malformed-request"), ["userId"]);
    let faults = client.patch(&all("buyer03"), json!({"read": "perhaps"})).await;
    assert_eq!(faults.expect_problem(400, "malformed-request"), ["read"]);
}

#[tokio::test]
async fn marking_all_twice_with_one_key_is_marking_once() {
    let notification = TestService::start(notification::service()).await;
    notification.deliver_envelopes(&walk()).await;
    let mark = async |user: &str| {
        let path = format!("/notifications?userId={user}");
        let key = [("idempotency-key", "k")];
        notification.client.send(Method::PATCH, &path, &key, Some(json!({"read": true}))).await
    };
    let first = mark("seller01").await;
    notification.deliver_envelopes(&[message(9, "seller01", "later")]).await;
    let again = mark("seller01").await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(first.expect(200), again.expect(200));
    assert_eq!(told(&notification, "/notifications?userId=seller01&read=false").await.len(), 1);
    // The same key of somebody else is another.
    assert_eq!(mark("buyer03").await.expect(200)["updated"], 3);
}
