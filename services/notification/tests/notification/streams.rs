//! Listening, over real HTTP.

use crate::support::{Ear, Heard, event, message, told};
use axum::http::Method;
use chassis::{
    bus::{Bus, LocalBus},
    server,
    testing::{Client, TestService, database, eventually},
};
use serde_json::json;
use shared_events::DealReserved;
use std::time::Duration;
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

const OF_BUYER: &str = "/notifications/stream?userId=buyer01";

fn messages(heard: &[Heard]) -> Vec<&str> {
    heard.iter().map(Heard::message).collect()
}

#[tokio::test]
async fn notifications_come_as_they_are_told() {
    let notification = TestService::start(notification::service()).await;
    notification.deliver_envelopes(&[message(1, "buyer01", "before")]).await;
    let mut own = Ear::open(&notification.client, OF_BUYER, None).await;
    let mut everything = Ear::open(&notification.client, "/notices/stream", None).await;
    assert_eq!(own.last, Some(1), "who comes back before having heard anything starts here");

    let told_at = Instant::now();
    notification
        .deliver_envelopes(&[
            message(2, "buyer02", "not mine"),
            message(3, "buyer01", "one"),
            event::<DealReserved>(4, json!({"userId": "buyer01"})),
        ])
        .await;
    let heard = own.hear(2).await;
    assert!(told_at.elapsed() < Duration::from_secs(1), "{:?}", told_at.elapsed());
    assert_eq!(heard[0].message(), "buyer03님: one");
    // What is heard is what is read.
    for Heard { id, data } in &heard {
        assert_eq!(*data, notification.client.get(&format!("/notifications/{id}")).await.expect(200));
    }
    own.hears_nothing_for(500).await;
    assert_eq!(everything.hear(4).await.len(), 4);
}

#[tokio::test]
async fn who_comes_back_has_missed_nothing() {
    let notification = TestService::start(notification::service()).await;
    let client = &notification.client;
    let before_anything = Ear::open(client, OF_BUYER, None).await.last;
    for second in 1..=5 {
        notification.deliver_envelopes(&[message(second, "buyer01", &second.to_string())]).await;
    }
    let mut ear = Ear::open(client, OF_BUYER, before_anything).await;
    let all = ear.hear(5).await;
    // The header is newer than the address, and either may be had.
    let mut ear = Ear::open(client, &format!("{OF_BUYER}&lastEventId=1"), Some(all[2].id)).await;
    assert_eq!(ear.hear(2).await, all[3..]);
    let mut ear = Ear::open(client, &format!("{OF_BUYER}&lastEventId={}", all[3].id), None).await;
    assert_eq!(ear.hear(1).await, all[4..]);
    // From the future, as it were: another database's.
    let mut ear = Ear::open(client, OF_BUYER, Some(1_000_000)).await;
    notification.deliver_envelopes(&[message(6, "buyer01", "6")]).await;
    assert_eq!(ear.hear(1).await[0].message(), "buyer03님: 6");
    // More than one page of them.
    let many: Vec<_> = (0..1200).map(|n| message(7, "buyer02", &n.to_string())).collect();
    notification.deliver_envelopes(&many).await;
    let mut ear = Ear::open(client, "/notifications/stream?userId=buyer02", Some(0)).await;
    let expected: Vec<_> = (0..1200).map(|n| format!("buyer03님: {n}")).collect();
    assert_eq!(messages(&ear.hear(1200).await), expected);
}

/// Ids are given out before they commit: this is the row with the lower one, which commits last.
#[tokio::test]
async fn what_commits_late_is_not_passed_over() {
    let notification = TestService::start(notification::service()).await;
    let (db, client) = (&notification.prepared.app.db, &notification.client);
    let mut ear = Ear::open(client, OF_BUYER, None).await;
    let mut early = db.begin().await.unwrap();
    let low: i64 = sqlx::query_scalar(
        "insert into notification (event_id, user_id, kind, post_id, message, create_dt)
         values (gen_random_uuid(), 'buyer01', 'messageSent', 1, 'low', now()) returning notification_id",
    )
    .fetch_one(&mut *early)
    .await
    .unwrap();
    // Nor does it hold the others up for ever, should it never end.
    let patience: String =
        sqlx::query_scalar("select current_setting('idle_in_transaction_session_timeout')")
            .fetch_one(&mut *early)
            .await
            .unwrap();
    assert_eq!(patience, "10s");
    let late_event = [message(1, "buyer01", "high")];
    let late = notification.deliver_envelopes(&late_event);
    let commit = async {
        ear.hears_nothing_for(700).await;
        early.commit().await.unwrap();
    };
    tokio::join!(late, commit);
    let heard = ear.hear(2).await;
    assert_eq!((messages(&heard), heard[0].id), (vec!["low", "buyer03님: high"], low));
    // The same for whoever was away meanwhile.
    assert_eq!(Ear::open(client, OF_BUYER, Some(0)).await.hear(2).await, heard);
}

#[tokio::test]
async fn nothing_is_missed_or_heard_twice_while_it_storms() {
    const WRITERS: usize = 5;
    const EACH: usize = 100;
    let notification = TestService::start(notification::service()).await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let consumer = notification.prepared.consumer.clone();
        writers.spawn(async move {
            for n in 0..EACH {
                let mut batch = vec![message(1, "buyer01", &format!("{writer} {n}"))];
                // Transactions of different lengths.
                batch.extend((0..(n * 7 + writer) % 4).map(|_| message(1, "buyer02", "")));
                assert!(consumer.deliver(&batch, &CancellationToken::new()).await);
            }
        });
    }
    let mut heard: Vec<Heard> = Vec::new();
    let mut last = Some(0);
    let mut connections = 0;
    while heard.len() < WRITERS * EACH {
        let mut ear = Ear::open(&notification.client, OF_BUYER, last).await;
        connections += 1;
        let patience = 1 + heard.len() % 13;
        heard.extend(ear.hear(patience.min(WRITERS * EACH - heard.len())).await);
        last = ear.last;
    }
    writers.join_all().await;
    assert!(connections > 50, "{connections}");
    assert!(heard.is_sorted_by_key(|heard| heard.id), "in order, and so none twice");
    let mut found: Vec<_> = messages(&heard).into_iter().map(str::to_owned).collect();
    let mut expected: Vec<_> =
        (0..WRITERS).flat_map(|w| (0..EACH).map(move |n| format!("buyer03님: {w} {n}"))).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn two_hundred_listen() {
    let notification = TestService::start(notification::service()).await;
    let mut ears = Vec::new();
    for n in 0..200 {
        let path = format!("/notifications/stream?userId=buyer{}", n % 20);
        ears.push(Ear::open(&notification.client, &path, None).await);
    }
    let events: Vec<_> = (0..20).map(|n| message(1, &format!("buyer{n}"), "hello")).collect();
    let told_at = Instant::now();
    notification.deliver_envelopes(&events).await;
    for (n, ear) in ears.iter_mut().enumerate() {
        let heard = ear.hear(1).await;
        assert_eq!(heard[0].data["userId"], format!("buyer{}", n % 20));
    }
    assert!(told_at.elapsed() < Duration::from_secs(2), "{:?}", told_at.elapsed());
    // Other requests are not held up, and nothing is left of those who leave.
    drop(ears);
    assert_eq!(told(&notification, "/notifications").await.len(), 20);
    let db = &notification.prepared.app.db;
    eventually("all connections are back", || async { db.num_idle() == db.size() as usize }).await;
    let mut ear = Ear::open(&notification.client, OF_BUYER, None).await;
    notification.deliver_envelopes(&[message(2, "buyer01", "again")]).await;
    assert_eq!(ear.hear(1).await[0].message(), "buyer03님: again");
}

#[tokio::test]
async fn streams_end_when_the_service_stops() {
    let database = database().await;
    chassis::store::provision(&database, "notification").await.unwrap();
    let options = chassis::store::as_service(database, "notification");
    let prepared = notification::service()
        .prepare(options, 10, "http://127.0.0.1:9", chassis::auth::Verifier::open())
        .await
        .unwrap();
    let listener = server::bind("127.0.0.1", 0).await.unwrap();
    let client = Client::new(format!("http://{}", listener.local_addr().unwrap()));
    let shutdown = CancellationToken::new();
    let running =
        tokio::spawn(prepared.run(listener, Bus::Local(LocalBus::default()), None, shutdown.clone()));
    let mut ears = Vec::new();
    for _ in 0..10 {
        ears.push(Ear::open(&client, OF_BUYER, None).await);
    }
    let told_at = Instant::now();
    shutdown.cancel();
    for ear in &mut ears {
        assert_eq!(ear.next().await, None);
    }
    running.await.unwrap();
    assert!(told_at.elapsed() < Duration::from_secs(1), "{:?}", told_at.elapsed());
}

#[tokio::test]
async fn what_is_no_stream_is_refused() {
    let notification = TestService::start(notification::service()).await;
    let client = &notification.client;
    let head = client.send(Method::HEAD, OF_BUYER, &[], None).await;
    assert_eq!((head.status.as_u16(), head.header("content-type")), (200, "text/event-stream"));
    let stale = client.send(Method::GET, OF_BUYER, &[("last-event-id", "yesterday")], None).await;
    assert_eq!(stale.expect_problem(400, "malformed-request"), ["Last-Event-ID"]);
    let stale = client.get("/notifications/stream?lastEventId=-1").await;
    assert_eq!(stale.expect_problem(400, "malformed-request"), ["lastEventId"]);
    client.patch("/notices/stream", json!({})).await.expect_problem(405, "method-not-allowed");
}
