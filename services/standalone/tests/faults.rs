//! What happens around the services: a database that goes or hangs, a bus that delivers again and late, an event that
//! is at fault, a client that asks again elsewhere.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use chassis::{
    postgres::{Durability, Options, Postgres},
    store,
    testing::{self, Client, eventually},
};
use common::Market;
use futures::future::join_all;
use serde_json::{Value, json};
use shared_events::Envelope;
use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgConnectOptions};
use standalone::SERVICES;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// A PostgreSQL of a test's own, to be stopped and stunned.
struct Database {
    data_dir: PathBuf,
    server: Option<Postgres>,
}

impl Database {
    async fn start() -> Self {
        let data_dir = std::env::temp_dir().join(format!("secondhandtrading-faults-{}", std::process::id()));
        let mut database = Self { data_dir, server: None };
        database.go_on().await;
        database
    }

    async fn go_on(&mut self) {
        let options = Options { data_dir: self.data_dir.clone(), durability: Durability::Throwaway };
        self.server = Some(Postgres::start(options).await.unwrap());
    }

    async fn stop(&mut self) {
        self.server.take().unwrap().stop().await.unwrap();
    }

    fn options(&self) -> PgConnectOptions {
        self.server.as_ref().unwrap().url().parse().unwrap()
    }

    /// Sends a signal to every process of the server. They are known by the folder they work in.
    fn signal(&self, signal: &str) {
        let folder = fs::canonicalize(self.data_dir.join("data")).unwrap();
        let works_there = |process: &Path| fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == folder);
        let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        let pids: Vec<_> = processes.filter(|process| works_there(process)).collect();
        assert!(pids.len() > 5, "{pids:?}");
        let pids = pids.iter().map(|process| process.file_name().unwrap());
        assert!(Command::new("kill").arg(signal).args(pids).status().unwrap().success());
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.server.is_some() && self.data_dir.join("data").exists() {
            self.signal("-CONT");
        }
        drop(self.server.take());
        let _ = fs::remove_dir_all(&self.data_dir);
    }
}

/// What it is like for everybody while the database does not answer.
async fn is_held_off(market: &Market, services: &[Client]) {
    let begun = Instant::now();
    let unready = services.iter().map(async |service| {
        eventually("not ready", async || service.get("/readyz").await.status == 503).await;
    });
    join_all(unready).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "unready after {:?}", begun.elapsed());
    for service in services {
        service.get("/livez").await.expect(200);
    }
    market.client.get("/readyz").await.expect(200);

    let post = json!({"userId": "seller01", "goods": "무선마우스", "price": 10_000});
    let begun = Instant::now();
    let (written, read) = tokio::join!(market.client.post("/posts", post), market.client.get("/offers"));
    assert!(begun.elapsed() < Duration::from_secs(3), "answered after {:?}", begun.elapsed());
    for refused in [written, read] {
        assert_eq!(refused.header("retry-after"), "1");
        refused.expect_problem(503, "database-unavailable");
    }
}

#[tokio::test]
async fn a_database_that_goes_or_hangs_holds_users_off_and_nothing_is_lost() {
    let mut database = Database::start().await;
    let market = Market::over(database.options()).await;
    let services: Vec<_> = market
        .marketplace
        .services
        .iter()
        .map(|(_, address)| Client::new(format!("http://{address}")))
        .collect();
    let works = async |posts: usize| {
        market
            .post_patiently("/posts", json!({"userId": "seller01", "goods": "자전거", "price": 1000}))
            .await
            .expect(201);
        market.until("/myPages?userId=seller01", |list| list["page"]["totalElements"] == posts).await;
        for service in &services {
            eventually("ready", async || service.get("/readyz").await.status == 200).await;
        }
    };
    works(1).await;

    database.stop().await;
    is_held_off(&market, &services).await;
    database.go_on().await;
    works(2).await;

    database.signal("-STOP");
    is_held_off(&market, &services).await;
    database.signal("-CONT");
    // What was asked for while it hung may have been done, or not; a second answer to the same question is not.
    let posts = market.until("/posts", |list| list["page"]["totalElements"].as_i64() >= Some(2)).await;
    works(usize::try_from(posts["page"]["totalElements"].as_i64().unwrap()).unwrap() + 1).await;
    market.stop().await;
    database.stop().await;
}

/// Every table of every service, but what the plumbing itself keeps.
async fn state(database: &PgConnectOptions) -> BTreeMap<String, Vec<String>> {
    let mut connection = PgConnection::connect_with(database).await.unwrap();
    let tables: Vec<(String, String)> = sqlx::query_as(
        "select schemaname, tablename from pg_tables
         where schemaname in ('post', 'offer', 'deal', 'mypage', 'notification') and tablename not like '%migrations'
           and tablename not in ('inbox', 'idempotency')",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert!(tables.len() > 20, "{tables:?}");
    let mut state = BTreeMap::new();
    for (schema, table) in tables {
        let rows = format!("select t::text from {schema}.{table} t order by 1");
        let rows = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_all(&mut connection).await.unwrap();
        state.insert(format!("{schema}.{table}"), rows);
    }
    state
}

/// The events so far, as they came to mypage, which keeps them.
async fn history(database: &PgConnectOptions) -> Vec<Envelope> {
    let options = store::as_service(database.clone(), "mypage");
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    let rows: Vec<(uuid::Uuid, String, String)> =
        sqlx::query_as("select event_id, source, value from history order by id")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    rows.into_iter()
        .map(|(id, source, value)| {
            let headers = [("ce_source", source.as_str())];
            Envelope::from_record(value.as_bytes(), headers.into_iter(), id).unwrap()
        })
        .collect()
}

#[tokio::test]
async fn every_event_three_times_and_late_changes_nothing() {
    let market = Market::start().await;
    let gateway = market.client.base().to_owned();
    let posts = standalone::demo::fill(&gateway, &market.marketplace.auth).await.unwrap();
    assert!(posts >= 30, "{posts}");
    // Demo data are written as fast as they are answered; let the last event have its effects.
    let last = market.post("the-last", 1, 1).await;
    market.client.delete(&format!("/posts/{last}")).await.expect(204);
    market.event("PostDeleted", json!({"postId": last})).await;
    let rest = async || {
        let before = state(&market.database).await;
        let idle =
            ["post", "offer", "deal"].iter().all(|service| before[&format!("{service}.outbox")].is_empty());
        tokio::time::sleep(Duration::from_millis(300)).await;
        idle && state(&market.database).await == before
    };
    eventually("the system is at rest", rest).await;

    let (before, events) = (state(&market.database).await, history(&market.database).await);
    assert!(events.len() > 150, "{}", events.len());
    for service in SERVICES {
        let name = service().name;
        let again = service()
            .prepare(
                store::as_service(market.database.clone(), name),
                4,
                &gateway,
                chassis::auth::Verifier::open(),
            )
            .await
            .unwrap()
            .consumer;
        let backwards: Vec<_> = events.iter().rev().cloned().collect();
        for late in [&events, &backwards] {
            assert!(again.deliver(late, &CancellationToken::new()).await);
        }
    }
    let after = state(&market.database).await;
    for (table, rows) in before {
        assert_eq!(after[&table], rows, "{table}");
    }
    market.stop().await;
}

#[tokio::test]
async fn a_poisonous_event_is_put_aside_and_the_rest_flows() {
    let market = Market::start().await;
    let (poisoned, other) = (market.post("seller01", 1000, 5).await, market.post("seller02", 1000, 5).await);
    market.until("/myPages", |list| list["page"]["totalElements"] == 2).await;

    // As a fault of the publisher would write it.
    let options = store::as_service(market.database.clone(), "post");
    let mut outbox = PgConnection::connect_with(&options).await.unwrap();
    sqlx::query(
        "insert into outbox (event_id, event_type, post_id, happened_at, value)
         values (gen_random_uuid(), 'StatusUpdated', $1, now(), $2)",
    )
    .bind(poisoned)
    .bind(json!({"eventType": "StatusUpdated", "postId": poisoned, "status": "no such status"}).to_string())
    .execute(&mut outbox)
    .await
    .unwrap();
    let begun = Instant::now();

    // Later events of the same post and of another, while it is there.
    for post_id in [poisoned, other] {
        market.client.patch(&format!("/posts/{post_id}"), json!({"price": 2000})).await.expect(200);
        market.event("PostEdited", json!({"postId": post_id})).await;
    }
    market
        .until("/myPages?sort=id", |list| {
            list["_embedded"]["myPages"].as_array().unwrap().iter().all(|row| row["price"] == 2000)
        })
        .await;

    let mut buried = Vec::new();
    for (name, address) in &market.marketplace.services {
        let service = Client::new(format!("http://{address}"));
        // Who does not react to it does not mind.
        if ["offer", "mypage", "notification"].contains(name) {
            eventually(name, async || service.get("/dead-letters").await.body["page"]["totalElements"] == 1)
                .await;
            let letter =
                service.get("/dead-letters").await.expect(200)["_embedded"]["dead-letters"][0].clone();
            assert_eq!(letter["eventType"], "StatusUpdated");
            assert!(letter["error"].as_str().unwrap().contains("no such status"), "{letter}");
            buried.push((service, letter["id"].clone()));
        }
    }
    assert_eq!(buried.len(), 3);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    market.client.get("/dead-letters").await.expect(404);

    for (service, id) in buried {
        service
            .post(&format!("/dead-letters/{id}/replay"), Value::Null)
            .await
            .expect_problem(409, "still-at-fault");
        service.delete(&format!("/dead-letters/{id}")).await.expect(204);
        service.delete(&format!("/dead-letters/{id}")).await.expect(404);
        assert_eq!(service.get("/dead-letters").await.expect(200)["page"]["totalElements"], 0);
    }
    market.stop().await;
}

#[tokio::test]
async fn an_idempotency_key_holds_across_replicas_and_restarts() {
    let market = Market::start().await;
    market.client.post("/wallets/buyer01/deposits", json!({"amount": 10_000})).await.expect(201);
    let post_id = market.post("seller01", 1000, 5).await;

    // Another replica of the offer service, over the same database.
    let replica = async || {
        let options = store::as_service(market.database.clone(), "offer");
        let prepared = offer::service()
            .prepare(options, 10, market.client.base(), chassis::auth::Verifier::open())
            .await
            .unwrap();
        let stop = CancellationToken::new();
        (testing::serve(prepared.router(stop.clone()), stop.clone()).await, stop.drop_guard())
    };
    // Paid from the wallet: two transactions and a call to another service under one key.
    let body =
        json!({"userId": "buyer01", "postId": post_id, "offerType": "dealOffered", "payMethod": "wallet"});
    let ask = |client: &Client| {
        let (client, body) = (client.clone(), body.clone());
        async move {
            client.send(reqwest::Method::POST, "/offers", &[("idempotency-key", "once")], Some(body)).await
        }
    };
    let (second, _running) = replica().await;
    let asked = (0..100).map(|n| ask(if n % 2 == 0 { &market.client } else { &second })).collect::<Vec<_>>();
    let replies = join_all(asked).await;
    let answered = |status: u16| replies.iter().filter(|reply| reply.status == status).count();
    assert!(answered(201) >= 1);
    assert_eq!(answered(201) + answered(409) + answered(503), 100, "201, in flight, or come back");

    // A restart is a new replica that remembers nothing but what the database does.
    let (third, _running) = replica().await;
    let again = ask(&third).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(
        again.expect(201)["offerId"],
        replies.iter().find(|reply| reply.status == 201).unwrap().body["offerId"]
    );
    assert_eq!(market.client.get("/offers").await.expect(200)["page"]["totalElements"], 1);
    assert_eq!(market.client.get("/wallets/buyer01").await.expect(200)["held"], 1000);
    market.stop().await;
}
