//! How many people wish for a post: the size of a set, whatever comes twice, late or at once.

use chassis::{
    shared_events::{Envelope, Publish, WishlistAdded, WishlistDeleted},
    testing::TestService,
};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::JoinSet;

fn added(wishlist_id: i64, post_id: i64) -> Envelope {
    WishlistAdded { wishlist_id, user_id: format!("wisher{wishlist_id}"), post_id }.envelope(None)
}

fn deleted(wishlist_id: i64, post_id: i64) -> Envelope {
    WishlistDeleted { wishlist_id, user_id: format!("wisher{wishlist_id}"), post_id }.envelope(None)
}

/// The service with one post in it.
async fn with_a_post() -> TestService {
    let service = TestService::start(post::service()).await;
    let body = json!({"userId": "seller01", "goods": "아이폰13 공기계", "price": 600_000});
    service.client.post("/posts", body).await.expect(201);
    service.published().await;
    service
}

async fn read(service: &TestService) -> Value {
    service.client.get("/posts/1").await.expect(200)
}

/// The counts that were told.
async fn told(service: &TestService) -> Vec<i64> {
    let published = service.published().await;
    let counts = published.iter().map(|(kind, event)| {
        assert_eq!((&**kind, &event["postId"]), ("LikeCntUpdated", &json!(1)));
        event["likeCnt"].as_i64().expect("a number")
    });
    counts.collect()
}

#[tokio::test]
async fn wishes_come_and_go_and_each_event_counts_once() {
    let service = with_a_post().await;
    let table = [
        (added(1, 1), 1, vec![1]),
        (added(2, 1), 2, vec![2]),
        (deleted(1, 1), 1, vec![1]),
        // The same person anew is another wish.
        (added(3, 1), 2, vec![2]),
        (deleted(2, 1), 1, vec![1]),
        (deleted(3, 1), 0, vec![0]),
    ];
    for (event, like_cnt, counts) in &table {
        service.deliver_envelopes(&[event.clone(), event.clone()]).await;
        assert_eq!(
            (read(&service).await["likeCnt"].as_i64(), told(&service).await),
            (Some(*like_cnt), counts.clone())
        );
    }
    // All of it once more, as records of their own: a wish that has ended stays so.
    let again: Vec<_> =
        [added(1, 1), added(2, 1), deleted(1, 1), added(3, 1), deleted(2, 1), deleted(3, 1)].into();
    service.deliver_envelopes(&again).await;
    assert_eq!(read(&service).await["likeCnt"], 0);
    assert!(told(&service).await.is_empty());
}

#[tokio::test]
async fn the_end_of_a_wish_that_was_never_seen_takes_nothing_away() {
    let service = with_a_post().await;
    service.deliver_envelopes(&[deleted(5, 1)]).await;
    assert_eq!(read(&service).await["likeCnt"], 0);
    service.deliver_envelopes(&[added(6, 1), added(5, 1)]).await;
    assert_eq!(read(&service).await["likeCnt"], 1, "its beginning comes late, and counts no more");
    assert_eq!(told(&service).await, [1]);

    service.deliver_envelopes(&[added(7, 99)]).await;
    let letters = service.client.get("/dead-letters").await.expect(200);
    assert_eq!(letters["page"]["totalElements"], 1, "a wish for a post that never was: {letters:#}");
}

#[tokio::test]
async fn a_seller_who_edits_does_not_stumble_over_those_who_like_it() {
    let service = with_a_post().await;
    let (before, tag) =
        (read(&service).await, service.client.get("/posts/1").await.header("etag").to_owned());
    service.deliver_envelopes(&[added(1, 1)]).await;
    let reply = service.client.get("/posts/1").await;
    assert_eq!(reply.header("etag"), tag);
    assert_eq!(reply.expect(200)["updateDt"], before["updateDt"]);

    let if_match = [("if-match", tag.as_str())];
    let edit = Some(json!({"price": 550_000}));
    let edited =
        service.client.send(axum::http::Method::PATCH, "/posts/1", &if_match, edit).await.expect(200);
    assert_eq!((&edited["price"], &edited["likeCnt"]), (&json!(550_000), &json!(1)));
    let body = json!({"goods": "다른 것", "price": 1, "likeCnt": 99});
    let replaced =
        service.client.send(axum::http::Method::PUT, "/posts/1", &[], Some(body)).await.expect(200);
    assert_eq!(replaced["likeCnt"], 1, "it is counted, not written");
    service.client.delete("/posts/1").await.expect(204);
    service.published().await;
    service.deliver_envelopes(&[deleted(1, 1)]).await;
    assert_eq!(told(&service).await, [0], "the tombstone counts on");
}

/// Fifty wishers at once, every event twice at the same time, while the seller edits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_counted_twice_at_once() {
    let service = Arc::new(with_a_post().await);
    let mut working = JoinSet::new();
    for wish in 1..=50 {
        // Every fifth of them thinks better of it.
        let events =
            if wish % 5 == 0 { vec![added(wish, 1), deleted(wish, 1)] } else { vec![added(wish, 1)] };
        for _ in 0..2 {
            let (service, events) = (service.clone(), events.clone());
            working.spawn(async move { service.deliver_envelopes(&events).await });
        }
    }
    for price in 1..=20 {
        let service = service.clone();
        working.spawn(async move {
            service.client.patch("/posts/1", json!({"price": price})).await.expect(200);
        });
    }
    working.join_all().await;
    assert_eq!(read(&service).await["likeCnt"], 40);
    let published = service.published().await;
    let last = published.iter().rev().find(|(kind, _)| kind == "LikeCntUpdated").expect("they were counted");
    assert_eq!(last.1["likeCnt"], 40, "the last that is told is what is");
    for (kind, event) in published {
        assert!(
            kind != "LikeCntUpdated"
                || event["likeCnt"].as_i64().is_some_and(|count| (0..=50).contains(&count))
        );
    }
}
