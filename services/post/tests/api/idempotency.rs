//! A request sent again with its `Idempotency-Key` is answered again, and has no second effect.

use crate::{Deal, iphone, start, with, written};
use axum::http::Method;
use chassis::{
    store,
    testing::{Client, Reply, TestService, eventually, serve},
};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use std::time::Duration;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

async fn send(client: &Client, method: Method, path: &str, key: &str, body: Value) -> Reply {
    client.send(method, path, &[("idempotency-key", key)], Some(body)).await
}

async fn post(client: &Client, key: &str, body: Value) -> Reply {
    send(client, Method::POST, "/posts", key, body).await
}

async fn count(service: &TestService) -> i64 {
    let list = service.client.get("/posts").await.expect(200);
    list["page"]["totalElements"].as_i64().expect("a number")
}

fn is_replayed(reply: &Reply) -> bool {
    reply.header("idempotency-replayed") == "true"
}

#[tokio::test]
async fn an_answer_is_given_again_with_one_effect_and_one_event() {
    let service = start().await;
    let first = post(&service.client, "k1", iphone()).await;
    assert!(!is_replayed(&first));
    for _ in 0..3 {
        let again = post(&service.client, "k1", iphone()).await;
        assert!(is_replayed(&again));
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        for header in ["location", "etag", "content-type", "content-length"] {
            assert_eq!(again.header(header), first.header(header), "{header}");
        }
    }
    first.expect(201);
    assert_eq!(count(&service).await, 1);
    assert_eq!(service.published_types().await, ["PostWrote"]);

    let change = || send(&service.client, Method::PATCH, "/posts/1", "k1", json!({"price": 1}));
    let (first, again) = (change().await, change().await);
    assert_eq!((is_replayed(&first), is_replayed(&again)), (false, true));
    assert_eq!((again.header("etag"), &again.body), (first.header("etag"), &first.body));
    assert_eq!(service.published_types().await, ["PostEdited"]);
}

#[tokio::test]
async fn a_key_used_with_another_body_is_refused() {
    let service = start().await;
    post(&service.client, "k", iphone()).await.expect(201);
    let other = post(&service.client, "k", with(iphone(), json!({"price": 1}))).await;
    other.expect_problem(422, "idempotency-key-reused");
    assert_eq!(count(&service).await, 1);
    assert!(is_replayed(&post(&service.client, "k", iphone()).await), "the first answer is kept");
}

#[tokio::test]
async fn of_twenty_at_once_one_has_the_effect() {
    let service = start().await;
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let client = service.client.clone();
        requests.spawn(async move { post(&client, "k", iphone()).await });
    }
    let mut written = Vec::new();
    for reply in requests.join_all().await {
        if reply.status == 201 {
            written.push(reply.body["postId"].clone());
        } else {
            reply.expect_problem(409, "idempotency-key-in-flight");
        }
    }
    written.dedup();
    assert_eq!(written.len(), 1, "one post");
    assert_eq!(count(&service).await, 1);
    assert_eq!(service.published_types().await, ["PostWrote"]);
    assert!(is_replayed(&post(&service.client, "k", iphone()).await));
}

#[tokio::test]
async fn a_key_in_flight_is_a_409_until_the_answer_is_there() {
    let service = start().await;
    written(&service, iphone()).await;
    // Somebody else holds the post, so that the first request has to wait.
    let mut administrator = PgConnection::connect_with(&service.database).await.unwrap();
    let mut holder = administrator.begin().await.unwrap();
    sqlx::query("select from post.post for update").execute(&mut *holder).await.unwrap();
    let client = service.client.clone();
    let change = || json!({"price": 1});
    let first =
        tokio::spawn(async move { send(&client, Method::PATCH, "/posts/1", "k", json!({"price": 1})).await });
    let db = &service.prepared.app.db;
    eventually("the first request waits for the post", async || {
        let waiting = "select exists (select from pg_locks join pg_stat_activity using (pid)
                       where datname = current_database() and not granted)";
        sqlx::query_scalar(waiting).fetch_one(db).await.unwrap()
    })
    .await;

    let second = send(&service.client, Method::PATCH, "/posts/1", "k", change());
    let second = timeout(Duration::from_secs(10), second).await.expect("it does not wait");
    second.expect_problem(409, "idempotency-key-in-flight");
    holder.rollback().await.unwrap();
    let first = first.await.unwrap();
    let third = send(&service.client, Method::PATCH, "/posts/1", "k", change()).await;
    assert!(is_replayed(&third));
    assert_eq!(third.expect(200), first.expect(200));
    assert_eq!(service.published_types().await, ["PostEdited"]);
}

#[tokio::test]
async fn a_key_is_its_users_own_and_of_one_path() {
    let service = start().await;
    for seller in ["seller01", "seller02"] {
        let reply = post(&service.client, "k", with(iphone(), json!({"userId": seller}))).await;
        assert!(!is_replayed(&reply));
        assert_eq!(reply.expect(201)["userId"], seller);
    }
    for path in ["/posts/1", "/posts/2"] {
        let reply = send(&service.client, Method::PATCH, path, "k", json!({"price": 1})).await;
        assert!(!is_replayed(&reply));
        reply.expect(200);
    }
    assert_eq!(service.published_types().await, ["PostWrote", "PostWrote", "PostEdited", "PostEdited"]);
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let service = start().await;
    let incomplete = json!({"userId": "seller01", "goods": "책상"});
    post(&service.client, "k", incomplete).await.expect_problem(400, "malformed-request");
    let reply = post(&service.client, "k", iphone()).await;
    assert!(!is_replayed(&reply));
    reply.expect(201);

    let deal = Deal { id: 1, post: 1, qty: 1 };
    let cheaper = || send(&service.client, Method::PATCH, "/posts/1", "k", json!({"price": 1}));
    service.deliver(&deal.reserved()).await;
    cheaper().await.expect_problem(409, "units-reserved");
    service.deliver(&deal.canceled()).await;
    let reply = cheaper().await;
    assert!(!is_replayed(&reply));
    assert_eq!(reply.expect(200)["price"], 1);
}

#[tokio::test]
async fn an_answer_survives_the_service_and_holds_for_its_replicas() {
    let service = start().await;
    let first = post(&service.client, "k", iphone()).await.expect(201);
    let options = store::as_service(service.database.clone(), "post");
    let replica = post::service()
        .prepare(options, 2, "http://127.0.0.1:9", chassis::auth::Verifier::open())
        .await
        .unwrap();
    let shutdown = CancellationToken::new();
    let _stop = shutdown.clone().drop_guard();
    let client = serve(replica.router(shutdown.clone()), shutdown.clone()).await;
    let again = post(&client, "k", iphone()).await;
    assert!(is_replayed(&again));
    assert_eq!(again.expect(201), first);
    assert_eq!(count(&service).await, 1);
}

#[tokio::test]
async fn keys_that_are_none() {
    let service = start().await;
    for key in ["", " ", &"k".repeat(256), "a\tb"] {
        let named = post(&service.client, key, iphone()).await.expect_problem(400, "malformed-request");
        assert_eq!(named, ["Idempotency-Key"], "{key:?}");
    }
    assert_eq!(count(&service).await, 0);
    for key in ["k", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", &"k".repeat(255)] {
        post(&service.client, key, iphone()).await.expect(201);
    }
}

/// PostgreSQL indexes no more than 2.7 kB, and compresses before it counts: hence blanks in no order.
#[tokio::test]
async fn a_user_id_that_is_long_until_it_is_trimmed_is_no_trouble() {
    let service = start().await;
    let mut state = 1_u64;
    let mut blank = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        [' ', '\t', '\u{3000}', '\u{2003}', '\u{2004}', '\u{2005}', '\n', '\u{a0}'][(state >> 61) as usize]
    };
    let blanks: String = (0..50_000).map(|_| blank()).collect();
    let body = with(iphone(), json!({"userId": format!("seller01{blanks}")}));
    assert_eq!(post(&service.client, "k", body).await.expect(201)["userId"], "seller01");
}

/// The connection is lost over the commit: whoever asked is not told that nothing has happened, and can ask again.
#[tokio::test]
async fn an_answer_lost_over_the_commit_is_not_denied() {
    let service = start().await;
    let mut administrator = PgConnection::connect_with(&service.database).await.unwrap();
    sqlx::raw_sql(
        "create function hang_up() returns trigger language plpgsql security definer as
           $$ begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$;
         create constraint trigger hangs_up after insert on post.post deferrable initially deferred
           for each row execute function hang_up()",
    )
    .execute(&mut administrator)
    .await
    .unwrap();
    post(&service.client, "k", iphone()).await.expect_problem(503, "outcome-unknown");
    sqlx::raw_sql("drop trigger hangs_up on post.post").execute(&mut administrator).await.unwrap();
    post(&service.client, "k", iphone()).await.expect(201);
    assert_eq!(count(&service).await, 1);
}
