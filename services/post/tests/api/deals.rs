use crate::{Deal, LISTED, iphone, start, with, written};
use chassis::{
    shared_events::{Envelope, Publish},
    testing::TestService,
};
use futures::future::join_all;
use serde_json::{Value, json};

async fn availability(service: &TestService) -> Value {
    let mut answer = service.client.get("/posts/1/availability").await.expect(200);
    let links = answer.as_object_mut().and_then(|fields| fields.remove("_links"));
    assert!(links.is_some_and(|links| links["self"]["href"].is_string()));
    answer
}

#[tokio::test]
async fn the_deals_move_the_post_once_each_however_often_they_are_told() {
    let service = start().await;
    written(&service, with(iphone(), json!({"qty": 2}))).await;
    let (first, second, third) =
        (Deal { id: 1, post: 1, qty: 1 }, Deal { id: 2, post: 1, qty: 1 }, Deal { id: 3, post: 1, qty: 1 });
    let steps = [
        (first.reserved().envelope(None), "created", 1, &["QtyDecreased"][..]),
        (second.reserved().envelope(None), "dealReserved", 0, &["QtyDecreased", "StatusUpdated"]),
        (first.canceled().envelope(None), "created", 1, &["QtyRestored", "StatusUpdated"]),
        (third.reserved().envelope(None), "dealReserved", 0, &["QtyDecreased", "StatusUpdated"]),
        (second.ended().envelope(None), "dealReserved", 0, &[]),
        (third.ended().envelope(None), "dealEnded", 0, &["StatusUpdated"]),
    ];
    for (event, status, available, told) in steps {
        // The same record once more, and the same fact in a record of its own.
        let resent = Envelope { id: first.reserved().envelope(None).id, ..event.clone() };
        service.deliver_envelopes(&[event.clone(), event.clone(), resent]).await;
        let post = service.client.get("/posts/1").await.expect(200);
        assert_eq!(
            (&post["status"], &post["availableQty"]),
            (&json!(status), &json!(available)),
            "{event:?}"
        );
        assert_eq!(service.published_types().await, told, "{event:?}");
        let list = service.client.get(&format!("/posts?status={status}")).await.expect(200);
        assert_eq!(list["page"]["totalElements"], 1, "the list knows the status too");
    }
}

#[tokio::test]
async fn the_last_unit_says_what_the_walk_of_the_seeds_shows() {
    let service = start().await;
    written(&service, iphone()).await;
    let deal = Deal { id: 4, post: 1, qty: 1 };
    service.deliver(&deal.reserved()).await;
    let told = service.published().await;
    let post = service.client.get("/posts/1").await;
    assert_eq!(post.header("etag"), "\"2\"");
    let post = post.expect(200);
    assert_eq!(
        told.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(),
        ["QtyDecreased", "StatusUpdated"]
    );
    assert_eq!(
        told[0].1,
        json!({
            "eventType": "QtyDecreased", "timestamp": told[0].1["timestamp"],
            "postId": 1, "dealId": 4, "qty": 1, "availableQty": 0,
        })
    );
    assert_eq!(
        told[1].1,
        json!({
            "eventType": "StatusUpdated", "timestamp": told[1].1["timestamp"],
            "postId": 1, "status": "dealReserved", "updateDt": post["updateDt"],
            "userId": "seller01", "availableQty": 0, "version": 2,
        })
    );
}

#[tokio::test]
async fn availability_tells_a_deal_all_it_needs() {
    let service = start().await;
    written(&service, with(iphone(), json!({"qty": 2}))).await;
    let expected = json!({
        "postId": 1, "userId": "seller01", "price": 600_000, "qty": 2, "availableQty": 2,
        "status": "created", "hidden": false, "version": 1,
    });
    assert_eq!(availability(&service).await, expected);
    service.deliver(&Deal { id: 1, post: 1, qty: 2 }.reserved()).await;
    let reserved = json!({"availableQty": 0, "status": "dealReserved", "version": 2});
    assert_eq!(availability(&service).await, with(expected, reserved));
    service.client.get("/posts/2/availability").await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn a_deal_that_cannot_be_honoured_is_told_so() {
    let service = start().await;
    for _ in 0..4 {
        written(&service, iphone()).await;
    }
    service.client.delete("/posts/1").await.expect(204);
    service.client.patch("/posts/2", json!({"hidden": true})).await.expect(200);
    service.client.patch("/posts/3", json!({"price": 1})).await.expect(200);
    service.published().await;
    for (post, qty, listed, reason) in [
        (1, 1, Some(LISTED), "post-deleted"),
        (2, 1, Some(LISTED), "post-hidden"),
        (3, 1, Some(LISTED), "price-changed"),
        (4, 2, Some(LISTED), "not-enough-stock"),
        (4, 2, None, "not-enough-stock"),
    ] {
        let deal = Deal { id: post * 10 + i64::from(listed.is_none()), post, qty };
        service.deliver(&deal.reserved_at(listed)).await;
        let told = service.published().await;
        let event = json!({
            "eventType": "PostUnavailable", "timestamp": told[0].1["timestamp"],
            "postId": post, "dealId": deal.id, "reason": reason,
        });
        assert_eq!(told, [("PostUnavailable".to_owned(), event)]);
        // Told again, by a record of its own; then it is called off.
        service.deliver(&deal.reserved_at(listed)).await;
        service.deliver(&deal.canceled()).await;
        assert_eq!(service.published_types().await, [""; 0], "deal {}", deal.id);
    }
    service.deliver(&Deal { id: 50, post: 3, qty: 1 }.reserved_at(None)).await;
    assert_eq!(
        service.published_types().await,
        ["QtyDecreased", "StatusUpdated"],
        "an agreed price is agreed"
    );
}

#[tokio::test]
async fn a_cancel_that_overtakes_its_reservation_leaves_the_units_alone() {
    let service = start().await;
    written(&service, iphone()).await;
    let deal = Deal { id: 1, post: 1, qty: 1 };
    service.deliver(&deal.canceled()).await;
    service.deliver(&deal.reserved()).await;
    assert_eq!(service.published_types().await, [""; 0]);
    assert_eq!(availability(&service).await["availableQty"], 1);
}

#[tokio::test]
async fn two_hundred_deals_at_once_get_no_more_units_than_there_are() {
    let service = start().await;
    written(&service, with(iphone(), json!({"qty": 3}))).await;
    let deals: Vec<_> = (1..=200).map(|id| Deal { id, post: 1, qty: 1 }.reserved()).collect();
    join_all(deals.iter().map(|event| service.deliver(event))).await;
    let told = service.published_types().await;
    let count = |kind| told.iter().filter(|told| *told == kind).count();
    assert_eq!([count("QtyDecreased"), count("StatusUpdated"), count("PostUnavailable")], [3, 1, 197]);
}

#[tokio::test]
async fn an_event_about_no_post_waits_as_a_dead_letter_until_there_is_one() {
    let service = start().await;
    service.deliver(&Deal { id: 1, post: 1, qty: 1 }.reserved()).await;
    let letters = service.client.get("/dead-letters").await.expect(200);
    let letter = &letters["_embedded"]["dead-letters"][0];
    assert_eq!((&letter["eventType"], &letter["postId"]), (&json!("DealReserved"), &json!(1)));
    assert_eq!(letter["error"], "deal 1 is about post 1, which never was");
    let replay = format!("/dead-letters/{}/replay", letter["id"]);
    service.client.post(&replay, json!({})).await.expect_problem(409, "still-at-fault");

    written(&service, iphone()).await;
    service.client.post(&replay, json!({})).await.expect(204);
    assert_eq!(service.published_types().await, ["QtyDecreased", "StatusUpdated"]);
    service.client.post(&replay, json!({})).await.expect_problem(404, "not-found");
    assert_eq!(availability(&service).await["availableQty"], 0);
}
