//! Each event has its effect once; one that is at fault becomes a dead letter, and the rest moves on.

use crate::{heard, number, service};
use chassis::{
    inbox::Reactions,
    shared_events::{Envelope, Publish, WireDate},
    testing::TestService,
};
use futures::future::join_all;
use serde_json::{Value, json};

pub(crate) async fn recorder() -> TestService {
    TestService::start(service("recorder")).await
}

fn malformed(post_id: i64) -> Envelope {
    Envelope { value: r#"{"postId":"one"}"#.to_owned(), ..number(post_id, 0).envelope(None) }
}

pub(crate) async fn refuse(service: &TestService, number: i64) {
    let refuse = sqlx::query("insert into refused values ($1)").bind(number);
    refuse.execute(&service.prepared.app.db).await.expect("the table is there");
}

async fn dead_letters(service: &TestService, query: &str) -> Vec<Value> {
    let list = service.client.get(&format!("/dead-letters{query}")).await.expect(200);
    list["_embedded"]["dead-letters"].as_array().expect("always there").clone()
}

#[tokio::test]
async fn an_event_delivered_again_has_no_second_effect() {
    let service = recorder().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let event = number(1, 1).envelope(Some(trace.to_owned()));
    for batch in [vec![event.clone()], vec![event.clone()], vec![event.clone(); 3]] {
        service.deliver_envelopes(&batch).await;
    }
    let batch = [event];
    join_all((0..8).map(|_| service.deliver_envelopes(&batch))).await;

    assert_eq!(heard(&service.prepared.app, 1).await, [1]);
    let traces: Vec<Option<String>> = sqlx::query_scalar("select traceparent from outbox")
        .fetch_all(&service.prepared.app.db)
        .await
        .unwrap();
    assert_eq!(traces, [Some(trace.to_owned())], "what an event causes is of its trace");
    assert_eq!(service.published_types().await, ["QtyRestored"]);
    assert!(dead_letters(&service, "").await.is_empty());
}

#[tokio::test]
async fn events_of_no_interest_leave_no_trace() {
    let service = recorder().await;
    let unheard_of = Envelope { event_type: "PostBumped".to_owned(), ..number(1, 1).envelope(None) };
    service.deliver_envelopes(&[unheard_of]).await;
    let inbox: i64 =
        sqlx::query_scalar("select count(*) from inbox").fetch_one(&service.prepared.app.db).await.unwrap();
    assert_eq!(inbox, 0);
    assert!(dead_letters(&service, "").await.is_empty());
}

#[tokio::test]
async fn a_malformed_event_is_buried_and_the_rest_moves_on() {
    for batch_size in [1, 10] {
        let one_by_one = service("recorder");
        let reactions: Reactions = one_by_one.reactions.in_batches_of(batch_size);
        let service = TestService::start(chassis::service::Service { reactions, ..one_by_one }).await;
        let event = |of| number(1, of).envelope(None);
        let bad = malformed(1);
        service.deliver_envelopes(&[event(1), bad.clone(), event(2), event(3)]).await;
        service.deliver_envelopes(&[bad.clone(), event(4)]).await;

        assert_eq!(heard(&service.prepared.app, 1).await, [1, 2, 3, 4], "in batches of {batch_size}");
        let letters = dead_letters(&service, "").await;
        assert_eq!(letters.len(), 1, "it is buried once");
        let letter = &letters[0];
        assert!(letter["error"].as_str().unwrap().starts_with("QtyDecreased: "), "{letter}");
        assert!(letter["failedAt"].as_str().unwrap().parse::<WireDate>().is_ok());
        for (field, expected) in [
            ("eventId", json!(bad.id)),
            ("eventType", json!("QtyDecreased")),
            ("source", json!("post")),
            ("postId", json!(1)),
            ("happenedAt", json!(bad.time)),
            ("value", json!(bad.value)),
        ] {
            assert_eq!(letter[field], expected, "{field}");
        }
    }
}

#[tokio::test]
async fn a_dead_letter_is_replayed_once_its_cause_is_gone() {
    let service = recorder().await;
    refuse(&service, 13).await;
    service.deliver_envelopes(&[12, 13, 14].map(|of| number(1, of).envelope(None))).await;
    assert_eq!(heard(&service.prepared.app, 1).await, [12, 14], "a failed reaction has no effect at all");
    assert_eq!(service.published_types().await, ["QtyRestored", "QtyRestored"]);
    let letters = dead_letters(&service, "").await;
    assert_eq!(letters[0]["error"], "13 makes no sense");

    let replay = format!("/dead-letters/{}/replay", letters[0]["id"]);
    service.client.post(&replay, Value::Null).await.expect_problem(409, "still-at-fault");
    assert_eq!(dead_letters(&service, "").await, letters, "it is still there");

    sqlx::query("delete from refused").execute(&service.prepared.app.db).await.unwrap();
    let replays = join_all((0..5).map(|_| service.client.post(&replay, Value::Null))).await;
    let mut statuses: Vec<_> = replays.iter().map(|reply| reply.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 404, 404, 404, 404]);
    assert_eq!(heard(&service.prepared.app, 1).await, [12, 14, 13]);
    assert_eq!(service.published_types().await, ["QtyRestored"]);
    assert!(dead_letters(&service, "").await.is_empty());
}

#[tokio::test]
async fn dead_letters_are_listed_and_discarded() {
    let service = recorder().await;
    let other = Envelope { event_type: "QtyDecreased".to_owned(), ..malformed(2) };
    service.deliver_envelopes(&[malformed(1), other]).await;
    let posts = |letters: Vec<Value>| letters.iter().map(|l| l["postId"].as_i64()).collect::<Vec<_>>();
    assert_eq!(posts(dead_letters(&service, "").await), [Some(2), Some(1)], "newest first");
    assert_eq!(posts(dead_letters(&service, "?sort=id&size=1").await), [Some(1)]);
    assert_eq!(posts(dead_letters(&service, "?eventType=QtyDecreased").await).len(), 2);
    assert_eq!(posts(dead_letters(&service, "?eventType=QtyRestored").await), []);

    let discarded = dead_letters(&service, "?sort=id").await[0]["id"].clone();
    let path = format!("/dead-letters/{discarded}");
    assert_eq!(service.client.delete(&path).await.expect(204), Value::Null);
    service.client.delete(&path).await.expect_problem(404, "not-found");
    service.client.post(&format!("{path}/replay"), Value::Null).await.expect_problem(404, "not-found");
    service.client.delete("/dead-letters/abc").await.expect_problem(400, "malformed-request");
    service.client.get("/dead-letters?sort=error").await.expect_problem(400, "malformed-request");
    assert_eq!(posts(dead_letters(&service, "").await), [Some(2)]);
}
