//! Who hears what, and how it is listed.

use crate::support::{event, told, walk};
use axum::http::Method;
use chassis::testing::TestService;
use serde_json::{Value, json};
use shared_events::{DealCanceled, OfferPlaced};

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
