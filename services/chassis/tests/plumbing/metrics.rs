//! What `/metrics` says of the events and the database.

use crate::{
    inbox::{recorder, refuse},
    number, tell,
};
use chassis::testing::TestService;

/// The value of a series, by its name and labels as they are shown.
async fn value(service: &TestService, series: &str) -> Option<f64> {
    let shown = service.client.get("/metrics").await.expect(200);
    let shown = shown.as_str().expect("text");
    shown.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn events_are_counted_where_they_are() {
    let service = recorder().await;
    let app = &service.prepared.app;
    assert_eq!(value(&service, "outbox_events_waiting").await, Some(0.0));
    assert_eq!(value(&service, "outbox_oldest_event_age_seconds").await, Some(0.0));

    tell(app, 1, 1).await;
    tell(app, 1, 2).await;
    let mut given_up = app.transaction(None).await.unwrap();
    given_up.publish(&number(1, 3));
    given_up.rollback().await.unwrap();
    assert_eq!(value(&service, "outbox_events_waiting").await, Some(2.0));
    assert!(value(&service, "outbox_oldest_event_age_seconds").await > Some(0.0));
    let committed = r#"events_committed_total{event="QtyDecreased"}"#;
    assert_eq!(value(&service, committed).await, Some(2.0), "not the one that was given up");

    service.deliver(&number(1, 1)).await;
    for histogram in ["reaction_duration_seconds_count", "reaction_delay_seconds_count"] {
        let reacted = format!("{histogram}{{event=\"QtyDecreased\"}}");
        assert_eq!(value(&service, &reacted).await, Some(1.0), "{reacted}");
    }

    refuse(&service, 7).await;
    service.deliver(&number(1, 7)).await;
    assert_eq!(value(&service, "dead_letters_waiting").await, Some(1.0));
    service.client.delete("/dead-letters/1").await.expect(204);
    assert_eq!(value(&service, "dead_letters_waiting").await, Some(0.0), "it was looked at");
    assert_eq!(value(&service, "dead_letters_total").await, Some(1.0), "it has been");
}

#[tokio::test]
async fn a_database_that_is_away_leaves_no_old_numbers() {
    let service = recorder().await;
    let app = &service.prepared.app;
    assert_eq!(value(&service, "database_up").await, Some(1.0));
    assert_eq!(value(&service, "database_pool_connections_limit").await, Some(10.0));

    let held = [app.db.acquire().await.unwrap(), app.db.acquire().await.unwrap()];
    assert_eq!(value(&service, r#"database_pool_connections{state="in_use"}"#).await, Some(2.0));
    drop(held);

    app.db.close().await;
    assert_eq!(value(&service, "database_up").await, Some(0.0));
    assert!(value(&service, "outbox_events_waiting").await.unwrap().is_nan());
    assert!(value(&service, "dead_letters_waiting").await.unwrap().is_nan());
}
