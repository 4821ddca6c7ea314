//! Both are reminded of a meeting on the day before it.

use crate::support::{event, message, told};
use chassis::testing::TestService;
use futures::future::join_all;
use notification::service;
use serde_json::{Value, json};
use shared_events::{
    DealCanceled, DealEnded, DealRescheduled, DealReserved, DeliveryStarted, Envelope, WireDate,
};
use time::{Duration, OffsetDateTime};
use tokio_util::sync::CancellationToken;

/// So many hours from now.
fn hours(hours: i64) -> WireDate {
    (OffsetDateTime::now_utc() + Duration::hours(hours)).into()
}

fn reserved(deal: i64, on: Option<WireDate>) -> Envelope {
    event::<DealReserved>(1, json!({"dealId": deal, "reserveDt": on}))
}

fn rescheduled(second: i64, deal: i64, on: Option<WireDate>, place: &str) -> Envelope {
    event::<DealRescheduled>(second, json!({"dealId": deal, "reserveDt": on, "meetPlace": place}))
}

/// What every replica does every second.
async fn sweep(notification: &TestService) {
    let sweep = service().sweep.expect("meetings come near");
    sweep(&notification.prepared.app).await.expect("the database answers");
}

async fn reminders(notification: &TestService) -> Vec<Value> {
    let path = "/notifications?kind=dealReminder&sort=notificationId&size=1000";
    let body = notification.client.get(path).await.expect(200);
    body["_embedded"]["notifications"].as_array().expect("a list").clone()
}

/// How many reminders there are after a sweep.
async fn swept(notification: &TestService) -> usize {
    sweep(notification).await;
    reminders(notification).await.len()
}

#[tokio::test]
async fn both_are_reminded_once_of_day_and_place() {
    let notification = TestService::start(service()).await;
    let tomorrow = hours(23);
    notification
        .deliver_envelopes(&[
            reserved(2, Some(hours(400))),
            rescheduled(2, 2, Some(tomorrow), "방배역"),
            message(3, "buyer01", "다른 알림"),
        ])
        .await;
    assert_eq!(reminders(&notification).await, Vec::<Value>::new());
    sweep(&notification).await;
    let found = reminders(&notification).await;
    let changed = told(&notification, "/notifications?kind=dealRescheduled&sort=notificationId").await;
    let expected: Vec<_> = changed.iter().map(|text| text.replace("바뀌었습니다", "다가왔습니다")).collect();
    let list = "/notifications?kind=dealReminder&sort=notificationId";
    assert_eq!(told(&notification, list).await, expected);
    assert!(
        expected[0].starts_with("buyer03: seller01님과의 거래 약속이 다가왔습니다: ")
            && expected[0].ends_with(", 방배역"),
        "{expected:?}",
    );
    for row in &found {
        assert_eq!((&row["postId"], &row["offerId"], &row["dealId"]), (&json!(1), &json!(3), &json!(2)));
        assert_eq!(row["readDt"], Value::Null);
    }
    assert_eq!(swept(&notification).await, 2);

    let at_once = json!({"dealId": 3, "reserveDt": tomorrow, "meetPlace": "서초역"});
    notification.deliver_envelopes(&[event::<DealReserved>(4, at_once)]).await;
    assert_eq!(swept(&notification).await, 4);
    let told = told(&notification, list).await;
    assert_eq!(told[2..], expected.iter().map(|text| text.replace("방배역", "서초역")).collect::<Vec<_>>());
}

#[tokio::test]
async fn only_meetings_that_are_near_and_will_be() {
    let on = Some(hours(23));
    let at_once = Some(hours(1));
    let deal = || json!({"dealId": 2});
    let ends = [
        event::<DealCanceled>(2, deal()),
        event::<DealEnded>(2, deal()),
        event::<DeliveryStarted>(2, deal()),
    ];
    let mut cases = vec![
        ("tomorrow", vec![reserved(2, on)], 2),
        ("today", vec![reserved(2, at_once)], 2),
        ("past", vec![reserved(2, Some(hours(-1)))], 0),
        ("far", vec![reserved(2, Some(hours(25)))], 0),
        ("no day", vec![reserved(2, None)], 0),
        ("put off", vec![reserved(2, on), rescheduled(2, 2, Some(hours(99)), "방배역")], 0),
        ("left open", vec![reserved(2, on), rescheduled(2, 2, None, "방배역")], 0),
        ("its beginning is a dead letter", vec![rescheduled(2, 2, on, "방배역")], 2),
        ("a dead letter", vec![rescheduled(2, 2, Some(hours(99)), "방배역"), reserved(2, on)], 0),
    ];
    for end in ends {
        cases.push(("over", vec![reserved(2, on), end.clone()], 0));
        cases.push(("over before it began", vec![end.clone(), reserved(2, on)], 0));
        cases.push((
            "put off, then over",
            vec![reserved(2, on), rescheduled(2, 2, on, "역"), end.clone()],
            0,
        ));
        // The clocks of deal's replicas differ: what is over is over.
        cases.push(("over by a slow clock", vec![rescheduled(3, 2, on, "역"), end], 0));
    }
    let notification = TestService::start(service()).await;
    for (name, events, count) in cases {
        for table in ["meeting", "notification", "inbox"] {
            let delete = sqlx::AssertSqlSafe(format!("delete from {table}"));
            sqlx::query(delete).execute(&notification.prepared.app.db).await.unwrap();
        }
        notification.deliver_envelopes(&events).await;
        assert_eq!(swept(&notification).await, count, "{name}: {:?}", events.last().unwrap().event_type);
    }
    assert_eq!(notification.client.get("/dead-letters").await.expect(200)["page"]["totalElements"], 0);
}

#[tokio::test]
async fn another_day_is_another_reminder() {
    let notification = TestService::start(service()).await;
    let (first, second) = (Some(hours(20)), Some(hours(22)));
    for (n, (event, count)) in [
        (reserved(2, first), 2),
        // Another place only.
        (rescheduled(2, 2, first, "방배역"), 2),
        (rescheduled(3, 2, Some(hours(99)), "방배역"), 2),
        (rescheduled(4, 2, second, "방배역"), 4),
        // Of that day they know.
        (rescheduled(5, 2, first, "방배역"), 4),
        (reserved(3, first), 6),
        (event::<DealCanceled>(6, json!({"dealId": 2})), 6),
    ]
    .into_iter()
    .enumerate()
    {
        notification.deliver_envelopes(&[event]).await;
        assert_eq!(swept(&notification).await, count, "after event {n}");
        assert_eq!(swept(&notification).await, count, "after event {n}, once more");
    }
}

/// Nobody is told twice even where it was forgotten that they were told.
#[tokio::test]
async fn a_reminder_that_was_forgotten_is_the_same_one() {
    let notification = TestService::start(service()).await;
    notification.deliver_envelopes(&[reserved(2, Some(hours(23)))]).await;
    assert_eq!(swept(&notification).await, 2);
    sqlx::query("update meeting set reminded_for = null")
        .execute(&notification.prepared.app.db)
        .await
        .unwrap();
    assert_eq!(swept(&notification).await, 2);
}

/// More than a batch, several replicas at once, and events of the same deals meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replicas_sweep_side_by_side() {
    const DEALS: i64 = 350;
    let notification = TestService::start(service()).await;
    let day = Some(hours(23));
    let deals: Vec<_> = (1..=DEALS).map(|deal| reserved(deal, day)).collect();
    notification.deliver_envelopes(&deals).await;
    // The same day in another place: it locks the rows that are swept.
    let moved: Vec<_> = (1..=DEALS).rev().map(|deal| rescheduled(2, deal, day, "방배역")).collect();
    let reacting = notification.prepared.consumer.clone();
    let reacting = tokio::spawn(async move { reacting.deliver(&moved, &CancellationToken::new()).await });
    let sweeps = (0..4).map(|_| {
        let app = notification.prepared.app.clone();
        tokio::spawn(async move {
            for _ in 0..3 {
                service().sweep.expect("meetings come near")(&app).await.expect("no deadlock");
            }
        })
    });
    for swept in join_all(sweeps).await {
        swept.unwrap();
    }
    assert!(reacting.await.unwrap());
    sweep(&notification).await;
    let mut found: Vec<_> = reminders(&notification).await;
    let each = |row: &Value| (row["dealId"].as_i64(), row["userId"].as_str().map(str::to_owned));
    found.sort_by_key(each);
    found.dedup_by_key(|row| each(row));
    assert_eq!(found.len() as i64, 2 * DEALS);
    assert_eq!(
        notification.client.get("/notifications?kind=dealReminder").await.expect(200)["page"]["totalElements"],
        2 * DEALS
    );
}
