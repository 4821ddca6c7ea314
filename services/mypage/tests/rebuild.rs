//! The views are made anew from the history: equal to what they were, whatever was done to them, while they are read
//! and written.

mod events;
#[path = "events/random.rs"]
mod random;

use chassis::testing::{TestService, eventually};
use events::event;
use random::history;
use serde_json::{Value, json};
use shared_events::{DealRescheduled, DealReserved, DealReviewed, Envelope, OfferPlaced, PostWrote};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

const TABLES: [&str; 6] =
    ["post_view", "offer_view", "deal_view", "payment_view", "review_view", "order_step"];

/// Every row of every table.
async fn rows(mypage: &TestService) -> Vec<String> {
    let mut all = Vec::new();
    for table in TABLES {
        let sql = format!("select '{table} ' || t::text from {table} t order by t::text");
        let rows: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mypage.prepared.app.db).await.expect("rows");
        assert!(!rows.is_empty(), "{table} is empty");
        all.extend(rows);
    }
    all
}

async fn sql(mypage: &TestService, sql: &'static str) {
    sqlx::raw_sql(sql).execute(&mypage.prepared.app.db).await.expect("SQL");
}

/// Waits for the rebuild that was started, and tells what came of it.
async fn ended(mypage: &TestService) -> Value {
    eventually("the rebuild has ended", || async {
        mypage.client.get("/rebuild").await.expect(200)["state"] != "running"
    })
    .await;
    mypage.client.get("/rebuild").await.expect(200)
}

async fn rebuild(mypage: &TestService) -> Value {
    mypage.client.post("/rebuild", json!({})).await.expect(202);
    ended(mypage).await
}

#[tokio::test]
async fn damaged_views_are_put_right() {
    let mypage = TestService::start(mypage::service()).await;
    mypage.client.get("/rebuild").await.expect_problem(404, "not-found");
    mypage.deliver_envelopes(&history(1, 1500)).await;
    let before = rows(&mypage).await;

    sql(
        &mypage,
        "update post_view set price = 1, goods = null where post_id % 3 = 0;
         delete from offer_view where offer_id % 4 = 0;
         insert into deal_view select deal_id + 1000, post_id, offer_id, user_id, seller_id, status, reserve_dt,
             update_dt, price, fulfilment from deal_view where deal_id % 5 = 0;
         update payment_view set state = 'failed';
         delete from review_view where review_id % 2 = 0;
         update order_step set at = at + interval '1 day' where offer_id % 6 = 0;",
    )
    .await;
    assert_ne!(rows(&mypage).await, before);
    let outcome = rebuild(&mypage).await;
    assert_eq!((&outcome["state"], &outcome["replayed"]), (&json!("done"), &json!(1500)), "{outcome:#}");
    assert!(outcome["removed"].as_i64() > Some(0) && outcome["written"] != outcome["removed"]);
    assert!(rows(&mypage).await == before);

    // Once more there is nothing to be done.
    let outcome = rebuild(&mypage).await;
    assert_eq!((&outcome["removed"], &outcome["written"]), (&json!(0), &json!(0)), "{outcome:#}");
    assert!(rows(&mypage).await == before);

    // What is rebuilt lives on.
    mypage.deliver_envelopes(&history(2, 200)).await;
    assert_eq!(rebuild(&mypage).await["written"], 0);
}

/// Events from before a field was added are read for ever; those that had it all along tell it now.
#[tokio::test]
async fn what_an_older_version_kept_is_shown_by_a_newer_one() {
    let mypage = TestService::start(mypage::service()).await;
    let order = |id| {
        json!({"offerId": id, "dealId": id, "postId": 1, "userId": "buyer01", "agreedPrice": 1,
            "offerStatus": "offerPlaced", "status": "dealReserved", "meetPlace": "방배역"})
    };
    let mut reserved = [1, 2].map(|id| event::<DealReserved>(2, order(id)));
    for event in &mut reserved {
        let mut value: Value = serde_json::from_str(&event.value).unwrap();
        for added in ["listedPrice", "meetPlace", "address"] {
            assert!(value.as_object_mut().unwrap().remove(added).is_some());
        }
        event.value = value.to_string();
    }
    let placed = [1, 2].map(|id| event::<OfferPlaced>(1, order(id)));
    mypage.deliver_envelopes(&[placed, reserved].concat()).await;
    mypage.deliver_envelopes(&[event::<DealRescheduled>(3, order(2))]).await;
    // As it was before there was a column for it.
    sql(&mypage, "update deal_view set meet_place = null").await;
    assert_eq!(rebuild(&mypage).await["written"], 1);
    for (id, status, place) in [(1, "reserved", Value::Null), (2, "reserved", json!("방배역"))] {
        let order = mypage.client.get(&format!("/purchases/{id}")).await.expect(200);
        assert_eq!((&order["orderStatus"], &order["meetPlace"]), (&json!(status), &place));
    }
}

#[tokio::test]
async fn no_connection_takes_the_live_tables_for_the_fresh_ones() {
    let mypage = TestService::start(mypage::service()).await;
    let all = history(3, 240);
    // More often than there are connections; each has prepared the reactions' statements in between.
    for batch in all.chunks(20) {
        mypage.deliver_envelopes(batch).await;
        sql(&mypage, "update post_view set like_cnt = -1").await;
        assert_eq!(rebuild(&mypage).await["state"], "done");
    }
    let other = TestService::start(mypage::service()).await;
    other.deliver_envelopes(&all).await;
    assert!(rows(&mypage).await == rows(&other).await);
}

#[tokio::test]
async fn it_is_read_and_written_all_the_time() {
    let mypage = TestService::start(mypage::service()).await;
    let (before, meanwhile) = (history(4, 2000), history(5, 800));
    mypage.deliver_envelopes(&before).await;
    // Of somebody of whom nothing else will be heard.
    let known = [
        event::<PostWrote>(0, json!({"postId": 777, "userId": "known", "status": "created"})),
        event::<OfferPlaced>(
            1,
            json!({"offerId": 777, "postId": 777, "userId": "known",
                "agreedPrice": 1, "offerStatus": "offerPlaced"}),
        ),
        event::<DealReviewed>(
            2,
            json!({"reviewId": 777, "dealId": 777, "postId": 777, "userId": "buyer01",
                "targetId": "known", "rating": 5}),
        ),
    ];
    mypage.deliver_envelopes(&known).await;

    let (client, running) = (mypage.client.clone(), AtomicBool::new(true));
    let read = async |path: &str, total: bool| {
        let first = client.get(path).await.expect(200);
        let mut reads = 0;
        while running.load(Relaxed) {
            let now = client.get(path).await.expect(200);
            if total {
                let count = |body: &Value| body["page"]["totalElements"].as_i64();
                assert!(count(&now) >= count(&first), "{path}: {:?}", count(&now));
            } else {
                assert_eq!(now, first);
            }
            reads += 1;
        }
        reads
    };
    let rebuild = async {
        mypage.client.post("/rebuild", json!({})).await.expect(202);
        mypage.client.post("/rebuild", json!({})).await.expect_problem(409, "rebuild-in-progress");
        let outcome = ended(&mypage).await;
        running.store(false, Relaxed);
        outcome
    };
    // Each publisher's events come by themselves, as on either bus, and are committed in any order.
    let write = async |source: &str| {
        let mut during = 0;
        let told: Vec<_> = meanwhile.iter().filter(|event| event.source == source).cloned().collect();
        for batch in told.chunks(3) {
            during += usize::from(running.load(Relaxed));
            mypage.deliver_envelopes(batch).await;
        }
        during
    };
    let (outcome, posts, offers, deals, purchases, page, pages, order, profile) = tokio::join!(
        rebuild,
        write("post"),
        write("offer"),
        write("deal"),
        read("/purchases?size=5", true),
        read("/myPages/777", false),
        read("/myPages?userId=known", false),
        read("/purchases/777", false),
        read("/users/known/profile", false),
    );
    assert_eq!((&outcome["state"], &outcome["written"]), (&json!("done"), &json!(0)), "{outcome:#}");
    assert!(outcome["replayed"].as_i64() > outcome["total"].as_i64(), "{outcome:#}");
    for times in [posts, offers, deals, purchases, page, pages, order, profile] {
        assert!(times > 5, "{times} times");
    }

    let other = TestService::start(mypage::service()).await;
    other.deliver_envelopes(&[&before[..], &known, &meanwhile].concat()).await;
    assert!(rows(&mypage).await == rows(&other).await);
}

#[tokio::test]
async fn an_event_under_way_is_waited_for() {
    let mypage = TestService::start(mypage::service()).await;
    let wrote = |id| event::<PostWrote>(id, json!({"postId": id, "status": "created"}));
    // A reaction that has its number, and is slower than the next one.
    let mut reaction = mypage.prepared.app.db.begin().await.expect("a transaction");
    sqlx::query(
        "insert into history (event_id, event_type, source, post_id, happened_at, value)
         values (gen_random_uuid(), 'PostWrote', 'post', 1, now(), $1)",
    )
    .bind(wrote(1).value)
    .execute(&mut *reaction)
    .await
    .unwrap();
    mypage.deliver_envelopes(&[wrote(2)]).await;
    mypage.client.post("/rebuild", json!({})).await.expect(202);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(mypage.client.get("/rebuild").await.expect(200)["state"], "running");
    reaction.commit().await.unwrap();
    let outcome = ended(&mypage).await;
    assert_eq!((&outcome["replayed"], &outcome["written"]), (&json!(2), &json!(1)), "{outcome:#}");
    mypage.client.get("/myPages/1").await.expect(200);
}

#[tokio::test]
async fn what_does_not_reach_its_end_changes_nothing() {
    let mypage = TestService::start(mypage::service()).await;
    mypage.deliver_envelopes(&history(6, 1500)).await;
    sql(&mypage, "update post_view set price = 1").await;
    let before = rows(&mypage).await;

    // The connection is lost.
    mypage.client.post("/rebuild", json!({})).await.expect(202);
    let mut administrator = PgConnection::connect_with(&mypage.database).await.unwrap();
    let terminated: Vec<bool> = sqlx::query_scalar(
        "select pg_terminate_backend(pid) from pg_locks join pg_database d on d.oid = database
         where locktype = 'advisory' and d.datname = current_database()",
    )
    .fetch_all(&mut administrator)
    .await
    .unwrap();
    assert_eq!(terminated, [true]);
    // "interrupted" for as long as it takes to write down why.
    eventually("it is told", async || mypage.client.get("/rebuild").await.body["state"] == "failed").await;
    assert!(rows(&mypage).await == before);

    // An event that is no longer understood.
    sql(
        &mypage,
        "insert into history (event_id, event_type, source, post_id, happened_at, value)
         values (gen_random_uuid(), 'PostWrote', 'post', 1, now(), '{}')",
    )
    .await;
    let outcome = rebuild(&mypage).await;
    assert_eq!(outcome["state"], "failed");
    assert!(outcome["error"].as_str().unwrap().contains("PostWrote"), "{outcome:#}");
    assert!(rows(&mypage).await == before);

    // The process was killed.
    sql(&mypage, "delete from history where value = '{}'; insert into rebuild (total) values (7)").await;
    assert_eq!(mypage.client.get("/rebuild").await.expect(200)["state"], "interrupted");
    assert_eq!(rebuild(&mypage).await["state"], "done");
    assert!(rows(&mypage).await != before);
}

#[tokio::test]
async fn each_event_that_has_its_effect_is_kept_once() {
    let mypage = TestService::start(mypage::service()).await;
    let mut all = history(7, 1000);
    all[0].traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned());
    let malformed = Envelope { value: "{}".to_owned(), ..history(8, 1).remove(0) };
    mypage.deliver_envelopes(&[&all[..300], std::slice::from_ref(&malformed)].concat()).await;
    mypage.deliver_envelopes(&all).await;
    mypage.deliver_envelopes(&all[500..]).await;
    // Still at fault: neither kept nor forgotten.
    mypage.client.post("/dead-letters/1/replay", json!({})).await.expect_problem(409, "still-at-fault");

    type Kept = (sqlx::types::Uuid, String, String, i64, time::OffsetDateTime, Option<String>, String);
    let db = &mypage.prepared.app.db;
    let kept: Vec<Kept> = sqlx::query_as(
        "select event_id, event_type, source, post_id, happened_at, traceparent, value from history order by id",
    )
    .fetch_all(db)
    .await
    .unwrap();
    let expected: Vec<Kept> = all
        .into_iter()
        .map(|e| (e.id, e.event_type, e.source, e.post_id, e.time.into(), e.traceparent, e.value))
        .collect();
    assert!(kept == expected, "{} events", kept.len());

    // What `src/rebuild.rs` says that it costs.
    let bytes: i64 = sqlx::query_scalar("select pg_total_relation_size('history') / count(*) from history")
        .fetch_one(db)
        .await
        .unwrap();
    println!("{bytes} bytes an event");
    assert!((300..600).contains(&bytes), "{bytes} bytes an event");
}
