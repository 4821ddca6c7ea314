//! What people hear, over real PostgreSQL, through the router.

use axum::http::Method;
use chassis::testing::TestService;
use serde_json::{Value, json};
use shared_events::{
    DealCanceled, DealEnded, DealReserved, Envelope, Event, OfferAccepted, OfferCanceled, OfferPlaced,
    WireDate,
};

/// An event of second `second`: what every one of its kind has, and the fields given.
fn event<E: Event>(second: i64, fields: Value) -> Envelope {
    let at = WireDate::from_epoch_millis(1_727_136_000_000 + second * 1000).unwrap();
    let mut all = json!({
        "postId": 1, "sellerId": "seller01", "userId": "buyer03", "offerId": 3, "dealId": 2, "price": 510_000,
        "offeredPrice": 510_000, "agreedPrice": 510_000, "qty": 1, "offerType": "priceNegotiated",
        "offerStatus": "offerPlaced", "payMethod": "none", "expiresDt": null, "reason": null,
        "status": "dealReserved", "updateDt": at, "reserveDt": null, "fulfilment": "meetup", "listedPrice": null,
    });
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let event: E = serde_json::from_value(all).unwrap();
    Envelope::at(&event, at, None)
}

/// The seeds' walk of post 1.
fn walk() -> Vec<Envelope> {
    let loser = |reason: Option<&str>| json!({"offerId": 2, "userId": "buyer02", "offeredPrice": 500_000, "agreedPrice": 500_000, "reason": reason});
    vec![
        event::<OfferPlaced>(1, loser(None)),
        event::<OfferPlaced>(2, json!({})),
        event::<OfferAccepted>(3, json!({})),
        event::<DealReserved>(4, json!({})),
        event::<DealEnded>(5, json!({"status": "dealEnded"})),
        event::<OfferCanceled>(6, loser(Some("post-ended"))),
    ]
}

async fn told(notification: &TestService, query: &str) -> Vec<String> {
    let body = notification.client.get(query).await.expect(200);
    let rows = body["_embedded"]["notifications"].as_array().unwrap().clone();
    rows.iter().map(|row| format!("{}: {}", row["userId"], row["message"]).replace('"', "")).collect()
}

#[tokio::test]
async fn everybody_concerned_is_told_once() {
    let notification = TestService::start(notification::service()).await;
    // In two batches that overlap, and every event twice in each.
    for batch in [&walk()[..4], &walk()[4..]] {
        let twice: Vec<_> = batch.iter().flat_map(|event| [event.clone(), event.clone()]).collect();
        notification.deliver_envelopes(&twice).await;
        notification.deliver_envelopes(&twice).await;
    }
    assert_eq!(
        told(&notification, "/notifications").await,
        [
            "buyer02: 500,000원 제안이 취소되었습니다. (판매 완료)",
            "seller01: buyer03님과의 510,000원 거래가 완료되었습니다.",
            "buyer03: seller01님과의 510,000원 거래가 완료되었습니다.",
            "seller01: buyer03님과의 510,000원 거래가 예약되었습니다.",
            "buyer03: seller01님과의 510,000원 거래가 예약되었습니다.",
            "buyer03: seller01님이 510,000원 제안을 수락했습니다.",
            "seller01: buyer03님이 510,000원에 구매를 제안했습니다.",
            "seller01: buyer02님이 500,000원에 구매를 제안했습니다.",
        ],
    );
    assert_eq!(notification.client.get("/dead-letters").await.expect(200)["page"]["totalElements"], 0);
}

#[tokio::test]
async fn one_event_is_told_once_even_where_it_was_forgotten() {
    let notification = TestService::start(notification::service()).await;
    let canceled = event::<DealCanceled>(1, json!({"reason": "post-deleted", "userId": "구매자 🐈"}));
    notification.deliver_envelopes(std::slice::from_ref(&canceled)).await;
    sqlx::query("delete from inbox").execute(&notification.prepared.app.db).await.unwrap();
    notification.deliver_envelopes(&[canceled]).await;
    assert_eq!(
        told(&notification, "/notices?sort=notificationId").await,
        [
            "구매자 🐈: seller01님과의 510,000원 거래가 취소되었습니다. (판매글 삭제)",
            "seller01: 구매자 🐈님과의 510,000원 거래가 취소되었습니다. (판매글 삭제)",
        ],
    );
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_paged() {
    let notification = TestService::start(notification::service()).await;
    notification.deliver_envelopes(&walk()).await;
    notification.deliver_envelopes(&[event::<OfferPlaced>(7, json!({"postId": 2}))]).await;
    for (query, count) in [
        ("", 9),
        ("userId=buyer02", 1),
        ("userId=nobody", 0),
        ("postId=2", 1),
        ("kind=dealEnded", 2),
        ("kind=offerPlaced&userId=seller01&postId=1", 2),
        ("read=true", 0),
        ("read=false", 9),
        ("size=4&page=2", 1),
        ("page=5", 0),
    ] {
        for path in ["/notifications", "/notices"] {
            let found = told(&notification, &format!("{path}?{query}")).await;
            assert_eq!(found.len(), count, "{path}?{query}");
        }
    }
    let first = notification.client.get("/notices?size=1&sort=createDt").await.expect(200);
    let row = &first["_embedded"]["notifications"][0];
    let base = notification.client.base();
    let href = format!("{base}/notifications/{}", row["notificationId"]);
    assert_eq!(
        *row,
        json!({
            "notificationId": row["notificationId"], "userId": "seller01", "kind": "offerPlaced", "postId": 1,
            "offerId": 2, "dealId": null, "message": "buyer02님이 500,000원에 구매를 제안했습니다.",
            "createDt": "2024-09-24T00:00:01.000+00:00", "readDt": null,
            "_links": {"self": {"href": href}, "notification": {"href": href}},
        }),
    );
    assert_eq!(first["page"], json!({"size": 1, "totalElements": 9, "totalPages": 9, "number": 0}));
    let next = format!("{base}/notices?sort=createDt&page=1&size=1");
    assert_eq!(first["_links"]["next"]["href"], next);
}

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
async fn heads_and_what_is_refused() {
    let notification = TestService::start(notification::service()).await;
    notification.deliver_envelopes(&walk()).await;
    let client = &notification.client;
    for path in ["/notifications", "/notices"] {
        for found in [path.to_owned(), format!("{path}/1")] {
            let head = client.send(Method::HEAD, &found, &[], None).await;
            assert_eq!((head.status.as_u16(), &head.body), (200, &Value::Null), "{found}");
        }
        for id in ["99", "9223372036854775808"] {
            client.get(&format!("{path}/{id}")).await.expect_problem(404, "not-found");
            client
                .patch(&format!("{path}/{id}"), json!({"read": true}))
                .await
                .expect_problem(404, "not-found");
        }
        client.get(&format!("{path}/abc")).await.expect_problem(400, "malformed-request");
        let faults = client.get(&format!("{path}?sort=nonsense&kind=x&read=perhaps&size=x")).await;
        let mut faults = faults.expect_problem(400, "malformed-request");
        faults.sort();
        assert_eq!(faults, ["kind", "read", "size", "sort"]);
        let faults = client.patch(&format!("{path}/1"), json!({"read": "perhaps"})).await;
        assert_eq!(faults.expect_problem(400, "malformed-request"), ["read"]);
        client.delete(&format!("{path}/1")).await.expect_problem(405, "method-not-allowed");
    }
}
