//! Events leave with the transaction of their cause, in order, and are not lost.

use crate::{Database, Running, heard, number, tell, waiting_in_outbox};
use chassis::{app::App, bus::LocalBus, service::Prepared, shared_events::Publish, testing::eventually};
use futures::future::join_all;
use sqlx::Connection;

struct Stage {
    database: Database,
    teller: Prepared,
    recorder: App,
    bus: LocalBus,
}

/// A teller whose relay is not yet at work, and a recorder that hears what it tells.
async fn stage() -> Stage {
    let database = Database::new().await;
    let (teller, recorder) = (database.prepare("teller").await, database.prepare("recorder").await);
    let bus = LocalBus::default();
    bus.connect(vec![recorder.consumer]);
    Stage { database, teller, recorder: recorder.app, bus }
}

async fn eventually_heard(recorder: &App, post_id: i64, expected: impl IntoIterator<Item = i64>) {
    let expected: Vec<i64> = expected.into_iter().collect();
    let last = expected.last().copied();
    eventually(&format!("{last:?} of post {post_id}"), async || {
        heard(recorder, post_id).await.last().copied() == last
    })
    .await;
    assert_eq!(heard(recorder, post_id).await, expected);
}

/// Writes an event as a commit does, and leaves the commit to the caller.
async fn write(tx: &mut sqlx::PgConnection, post_id: i64, of: i64) {
    let event = number(post_id, of).envelope(None);
    sqlx::query("insert into outbox (event_id, event_type, post_id, happened_at, value) values ($1, $2, $3, now(), $4)")
        .bind(event.id)
        .bind(event.event_type)
        .bind(post_id)
        .bind(event.value)
        .execute(tx)
        .await
        .expect("the outbox is there");
}

#[tokio::test]
async fn what_is_rolled_back_is_never_told() {
    let Stage { teller, recorder, bus, .. } = stage().await;
    let app = teller.app.clone();
    let teller = Running::start(teller, &bus).await;
    let begun = async |of| {
        let mut tx = app.transaction(None).await.unwrap();
        tx.publish(&number(1, of));
        tx
    };
    for of in 100..200 {
        let rolled_back = begun(of).await;
        // Dropped, as by a handler that fails, or given up in so many words.
        if of % 2 == 0 { drop(rolled_back) } else { rolled_back.rollback().await.unwrap() }
    }
    let mut failing = begun(3).await;
    sqlx::query("select 1 / 0").execute(&mut *failing).await.unwrap_err();
    failing.commit().await.unwrap_err();
    tell(&app, 1, 4).await;
    eventually_heard(&recorder, 1, [4]).await;
    teller.stop().await;
    assert_eq!(waiting_in_outbox(&app).await, 0);
}

#[tokio::test]
async fn events_arrive_in_the_order_in_which_they_were_told() {
    let Stage { teller, recorder, bus, .. } = stage().await;
    let app = teller.app.clone();
    // More than one batch of the relay, all of it from before it starts.
    let mut tx = app.transaction(None).await.unwrap();
    (1..=700).for_each(|of| tx.publish(&number(1, of)));
    tx.commit().await.unwrap();
    let teller = Running::start(teller, &bus).await;
    let told_meanwhile = async |post_id| {
        for of in 1..=30 {
            tell(&app, post_id, of).await;
        }
    };
    join_all([told_meanwhile(2), told_meanwhile(3), told_meanwhile(4)]).await;

    eventually_heard(&recorder, 1, 1..=700).await;
    for post_id in [2, 3, 4] {
        eventually_heard(&recorder, post_id, 1..=30).await;
    }
    eventually("the outbox is empty", async || waiting_in_outbox(&app).await == 0).await;
    teller.stop().await;
}

#[tokio::test]
async fn an_event_whose_transaction_commits_late_is_not_passed_over() {
    let Stage { teller, recorder, bus, .. } = stage().await;
    let app = teller.app.clone();
    let teller = Running::start(teller, &bus).await;
    let mut late = app.db.begin().await.unwrap();
    write(&mut late, 1, 1).await;
    for of in 1..=3 {
        tell(&app, 2, of).await;
    }
    eventually_heard(&recorder, 2, 1..=3).await;
    assert_eq!(heard(&recorder, 1).await, [0; 0]);
    late.commit().await.unwrap();
    eventually_heard(&recorder, 1, [1]).await;
    teller.stop().await;
}

#[tokio::test]
async fn one_replica_leads_and_another_takes_over() {
    let Stage { database, teller: first, recorder, bus } = stage().await;
    let second = database.prepare("teller").await;
    let (app1, app2) = (first.app.clone(), second.app.clone());
    let first = Running::start(first, &bus).await;
    tell(&app1, 1, 1).await;
    eventually_heard(&recorder, 1, [1]).await;
    let second = Running::start(second, &bus).await;
    for of in 2..=21 {
        tell(if of % 2 == 0 { &app1 } else { &app2 }, 1, of).await;
        assert!(database.leaders().await == 1, "one leads, whoever tells");
    }
    eventually_heard(&recorder, 1, 1..=21).await;

    first.stop().await;
    tell(&app2, 1, 22).await;
    eventually_heard(&recorder, 1, 1..=22).await;
    assert_eq!(database.leaders().await, 1);
    second.stop().await;
    assert_eq!((database.leaders().await, waiting_in_outbox(&app2).await), (0, 0));
}

#[tokio::test]
async fn a_relay_that_dies_before_its_commit_tells_again_and_nothing_happens_twice() {
    let Stage { database, teller, recorder, bus } = stage().await;
    let app = teller.app.clone();
    let teller = Running::start(teller, &bus).await;
    tell(&app, 1, 1).await;
    eventually_heard(&recorder, 1, [1]).await;

    // The recorder is held up in the midst of the next event, and meanwhile the relay loses its connection.
    let mut administrator = database.connect().await;
    let mut holder = administrator.begin().await.unwrap();
    sqlx::query("lock table recorder.heard").execute(&mut *holder).await.unwrap();
    tell(&app, 1, 2).await;
    eventually("the recorder waits", async || {
        database
            .ask("select count(*) from pg_locks where relation = 'recorder.heard'::regclass and not granted")
            .await
            > 0
    })
    .await;
    database.kill_leaders().await;
    holder.rollback().await.unwrap();

    tell(&app, 1, 3).await;
    eventually_heard(&recorder, 1, [1, 2, 3]).await;
    eventually("the outbox is empty", async || waiting_in_outbox(&app).await == 0).await;
    teller.stop().await;
    assert_eq!(heard(&recorder, 1).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_service_that_stops_tells_first_what_is_left() {
    let Stage { teller, recorder, bus, .. } = stage().await;
    let app = teller.app.clone();
    let teller = Running::start(teller, &bus).await;
    tell(&app, 1, 1).await;
    eventually_heard(&recorder, 1, [1]).await;
    // Written without waking the relay, so that it is the stop that makes it look.
    let mut tx = app.db.begin().await.unwrap();
    for of in 2..=50 {
        write(&mut tx, 1, of).await;
    }
    tx.commit().await.unwrap();
    teller.stop().await;
    assert_eq!(heard(&recorder, 1).await, (1..=50).collect::<Vec<_>>());
    assert_eq!(waiting_in_outbox(&app).await, 0);
}

#[tokio::test]
async fn a_service_that_stops_while_an_event_fails_still_tells_the_rest() {
    let Stage { teller, recorder, bus, .. } = stage().await;
    let app = teller.app.clone();
    let teller = Running::start(teller, &bus).await;
    sqlx::query("insert into refused values (2)").execute(&recorder.db).await.unwrap();
    for of in 1..=3 {
        tell(&app, 1, of).await;
    }
    teller.stop().await;
    assert_eq!(heard(&recorder, 1).await, [1, 3]);
    let buried: i64 =
        sqlx::query_scalar("select count(*) from dead_letter").fetch_one(&recorder.db).await.unwrap();
    assert_eq!((buried, waiting_in_outbox(&app).await), (1, 0));
}
