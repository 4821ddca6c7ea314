//! What only a real Kafka can show. `KAFKA_BOOTSTRAP_SERVERS=… cargo test -p standalone -- --include-ignored`

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "kafka/rolling.rs"]
mod rolling;

use chassis::{
    bus::KafkaSettings,
    store,
    testing::{self, Client, eventually},
};
use common::Market;
use rdkafka::{
    ClientConfig, Message,
    consumer::{Consumer, StreamConsumer},
    message::Headers,
};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use std::{
    collections::HashMap,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

/// A broker of this test's own, by `scripts/kafka`; stopped when the test ends.
struct Broker {
    port: String,
    data: PathBuf,
}

impl Broker {
    fn new() -> Self {
        let port = free_port().to_string();
        let data =
            std::env::temp_dir().join(format!("secondhandtrading-kafka-{}-{port}", std::process::id()));
        Self { port, data }
    }

    fn script(&self, command: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/kafka");
        let mut script = Command::new(script);
        // Its pid files too go where the test's data goes.
        script.args([command, "--port", &self.port]).env("XDG_STATE_HOME", self.data.join("state"));
        if command == "start" {
            script.arg("--data").arg(self.data.join("log"));
        }
        assert!(script.status().unwrap().success(), "scripts/kafka {command}");
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.script("stop");
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A record of the topic.
struct Record {
    key: String,
    partition: i32,
    headers: HashMap<String, String>,
    value: Value,
}

/// Reads the topic from its beginning until `count` records are there.
async fn read_topic(brokers: &str, topic: &str, count: usize) -> Vec<Record> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", format!("{topic}-reader"))
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let mut records = Vec::new();
    while records.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(30), consumer.recv()).await;
        let message = next.expect("another record within 30 s").unwrap();
        let headers = message.headers().unwrap().iter();
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        records.push(Record {
            key: text(message.key()),
            partition: message.partition(),
            headers: headers.map(|header| (header.key.to_owned(), text(header.value))).collect(),
            value: serde_json::from_slice(message.payload().unwrap()).unwrap(),
        });
    }
    records
}

#[tokio::test]
#[ignore = "needs KAFKA_BOOTSTRAP_SERVERS"]
async fn records_have_the_post_as_key_and_the_headers_of_the_contract() {
    let market = Market::start().await;
    let kafka = market.kafka.clone().expect("KAFKA_BOOTSTRAP_SERVERS");
    let post_id = market.post("seller01", 10_000, 1).await;
    let offer_id = market.offer("buyer01", post_id).await;
    market.reserve("buyer01", post_id, offer_id).await.expect(201);

    let records = read_topic(&kafka.bootstrap_servers, &kafka.topic, 6).await;
    for record in &records {
        assert_eq!(record.key, post_id.to_string());
        assert_eq!(record.partition, records[0].partition, "all of a post in one partition");
        let header = |name: &str| record.headers.get(name).map(String::as_str).unwrap_or_default();
        assert_eq!(header("type"), record.value["eventType"]);
        assert_eq!(header("ce_type"), record.value["eventType"]);
        assert_eq!((header("contentType"), header("content-type")), ("application/json", "application/json"));
        assert_eq!(header("ce_specversion"), "1.0");
        assert_eq!(header("ce_id").as_bytes()[14], b'7', "a UUID of version 7");
        assert!(header("ce_source").starts_with("/services/"));
        assert!(header("ce_time").ends_with("+00:00"));
        assert_eq!(header("traceparent").len(), 55);
    }
    let types: Vec<_> = records.iter().map(|record| record.value["eventType"].as_str().unwrap()).collect();
    for event_type in
        ["PostWrote", "OfferPlaced", "DealReserved", "OfferAccepted", "QtyDecreased", "StatusUpdated"]
    {
        assert!(types.contains(&event_type), "{types:?}");
    }
    market.stop().await;
}

/// Commands of every service go on while Kafka is away, and everything catches up after.
#[tokio::test]
#[ignore = "needs scripts/kafka"]
async fn kafka_away_refuses_no_command() {
    let broker = Broker::new();
    broker.script("start");
    let market = Market::with_kafka(broker.address()).await;
    let post_id = market.post("seller01", 10_000, 1).await;
    market.until("/myPages?userId=seller01", |list| list["page"]["totalElements"] == 1).await;

    broker.script("stop");
    let begun = Instant::now();
    let mut posts = vec![post_id];
    // Away for a good while, with a whole walk every second. No event is needed for any of it.
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    while begun.elapsed() < Duration::from_secs(12) {
        seconds.tick().await;
        let post_id = market.post("seller01", 10_000, 1).await;
        let offer_id = market.offer("buyer01", post_id).await;
        let accept = json!({"offerStatus": "offerAccepted"});
        market.client.patch(&format!("/offers/{offer_id}"), accept).await.expect(200);
        let deal = market.reserve("buyer01", post_id, offer_id).await.expect(201)["dealId"].clone();
        market.client.patch(&format!("/deals/{deal}"), json!({"status": "dealEnded"})).await.expect(200);
        for path in ["/myPages", "/purchases", "/notifications"] {
            market.client.get(path).await.expect(200);
        }
        posts.push(post_id);
    }
    assert_eq!(market.client.get("/myPages").await.expect(200)["page"]["totalElements"], 1);

    broker.script("start");
    for post_id in &posts[1..] {
        market.until(&format!("/posts/{post_id}"), |post| post["status"] == "dealEnded").await;
    }
    let rows = posts.len();
    market.until("/myPages?userId=seller01", |list| list["page"]["totalElements"] == rows).await;
    market
        .until("/notifications?kind=dealEnded", |list| list["page"]["totalElements"] == 2 * (rows - 1))
        .await;
    market.stop().await;
}

/// One of the programs, running on its own.
struct Program {
    name: &'static str,
    child: Child,
}

impl Program {
    fn command(name: &str, environment: &[(&str, String)]) -> Command {
        // Beside the test's own folder, where `cargo test --workspace` puts them.
        let target = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
        let mut command = Command::new(target.join(name));
        command.env_remove("DATABASE_URL").envs(environment.iter().map(|(name, value)| (*name, value)));
        command
    }

    fn start(name: &'static str, environment: &[(&str, String)]) -> Self {
        let mut command = Self::command(name, environment);
        Self { name, child: command.spawn().unwrap_or_else(|error| panic!("{name}: {error}")) }
    }

    fn signal(&self, signal: &str) {
        assert!(
            Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success()
        );
    }

    /// Tells it to stop and waits: within ten seconds, with exit code 0.
    fn stop(mut self) {
        let begun = Instant::now();
        self.signal("-TERM");
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{}", self.name);
        assert!(begun.elapsed() < Duration::from_secs(10), "{}: {:?}", self.name, begun.elapsed());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every service and the gateway as a process of its own, configured by its environment.
struct Cluster {
    kafka: KafkaSettings,
    database: PgConnectOptions,
    ports: HashMap<&'static str, u16>,
    programs: Vec<Program>,
}

impl Cluster {
    async fn start() -> Self {
        let kafka = common::kafka().expect("KAFKA_BOOTSTRAP_SERVERS");
        let services = ["post", "offer", "deal", "mypage", "notification"];
        let ports = services.into_iter().chain(["gateway"]).map(|name| (name, free_port())).collect();
        let mut cluster = Self { kafka, database: testing::database().await, ports, programs: Vec::new() };
        for name in services {
            let program = cluster.replica(name, cluster.ports[name]);
            cluster.programs.push(program);
        }
        let upstreams = services.map(|name| (format!("{}_URL", name.to_uppercase()), cluster.address(name)));
        let mut environment =
            vec![("PORT", cluster.ports["gateway"].to_string()), ("AUTH", "open".to_owned())];
        environment.extend(upstreams.iter().map(|(name, address)| (name.as_str(), address.clone())));
        cluster.programs.push(Program::start("gateway", &environment));
        for port in cluster.ports.values() {
            is_ready(*port).await;
        }
        cluster
    }

    fn address(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}", self.ports[name])
    }

    /// One more process of a service.
    fn replica(&self, name: &'static str, port: u16) -> Program {
        let environment = [
            ("PORT", port.to_string()),
            ("AUTH", "open".to_owned()),
            ("DATABASE_ADMIN_URL", self.database.to_url_lossy().to_string()),
            ("DATABASE_URL", self.database.clone().username(name).to_url_lossy().to_string()),
            ("KAFKA_BOOTSTRAP_SERVERS", self.kafka.bootstrap_servers.clone()),
            ("KAFKA_TOPIC", self.kafka.topic.clone()),
            ("KAFKA_GROUP_PREFIX", self.kafka.group_prefix.clone()),
            ("GATEWAY_URL", self.address("gateway")),
        ];
        Program::start(name, &environment)
    }

    fn program(&self, name: &str) -> &Program {
        self.programs.iter().find(|program| program.name == name).unwrap()
    }

    /// The gateway first, as an operator would.
    fn stop(self) {
        self.programs.into_iter().rev().for_each(Program::stop);
    }
}

async fn is_ready(port: u16) {
    eventually(&format!("{port} is ready"), async || {
        reqwest::get(format!("http://127.0.0.1:{port}/readyz")).await.is_ok_and(|reply| reply.status() == 200)
    })
    .await;
}

#[tokio::test]
#[ignore = "needs KAFKA_BOOTSTRAP_SERVERS and the programs"]
async fn six_processes_are_a_marketplace() {
    let cluster = Cluster::start().await;
    let market = Client::new(cluster.address("gateway"));
    let post = json!({"userId": "seller01", "goods": "무선마우스", "price": "10000"});
    let post_id = market.post("/posts", post).await.expect(201)["postId"].clone();
    let offer = json!({"userId": "buyer01", "postId": post_id, "offerType": "dealOffered"});
    let offer_id = market.post("/offers", offer).await.expect(201)["offerId"].clone();
    let deal = json!({"userId": "buyer01", "postId": post_id, "offerId": offer_id});
    let deal_id = market.post("/deals", deal).await.expect(201)["dealId"].clone();
    market.patch(&format!("/deals/{deal_id}"), json!({"status": "dealEnded"})).await.expect(200);
    eventually("the purchase has ended", async || {
        let list = market.get("/purchases?userId=buyer01").await.body;
        list["_embedded"]["purchases"][0]["orderStatus"] == "ended"
    })
    .await;
    cluster.stop();
}

/// How long the leading relay stands still.
const STUNNED: Duration = Duration::from_secs(30);

/// Two replicas of everything that matters: the leading relay is stunned for half a minute, a transaction holds a low
/// outbox id open as long, consumers are killed in the middle, and at last the leader is. Order and number of the events
/// are what was written, and their effects are there once.
#[tokio::test]
#[ignore = "needs KAFKA_BOOTSTRAP_SERVERS and the programs"]
async fn stunned_relays_slow_transactions_and_killed_consumers_lose_and_double_nothing() {
    let mut cluster = Cluster::start().await;
    let first = Client::new(cluster.address("post"));
    let market = Client::new(cluster.address("gateway"));
    let post = json!({"userId": "seller01", "goods": "자전거", "price": 1});
    let mut written = vec![first.post("/posts", post.clone()).await.expect(201)["postId"].as_i64().unwrap()];
    let rows =
        async |path: &str| market.get(path).await.body["page"]["totalElements"].as_u64().unwrap_or_default();
    // Published, so the first replica leads. The second finds the lock taken.
    eventually("the first event", async || rows("/myPages").await == 1).await;
    let ports = [free_port(), free_port(), free_port()];
    let names = ["post", "mypage", "notification"];
    let mut replicas: Vec<_> =
        names.into_iter().zip(ports).map(|(name, port)| Some(cluster.replica(name, port))).collect();
    for port in ports {
        is_ready(port).await;
    }
    let second = Client::new(format!("http://127.0.0.1:{}", ports[0]));

    // A transaction that has taken its outbox id, and takes its time.
    let options = store::as_service(cluster.database.clone(), "post");
    let mut slow = PgConnection::connect_with(&options).await.unwrap();
    let slow_event =
        json!({"eventType": "LikeCntUpdated", "timestamp": 0, "postId": written[0], "likeCnt": 7});
    sqlx::raw_sql("begin").execute(&mut slow).await.unwrap();
    sqlx::query(
        "insert into outbox (event_id, event_type, post_id, happened_at, value)
         values (gen_random_uuid(), 'LikeCntUpdated', $1, now(), $2)",
    )
    .bind(written[0])
    .bind(slow_event.to_string())
    .execute(&mut slow)
    .await
    .unwrap();

    cluster.program("post").signal("-STOP");
    let begun = Instant::now();
    let mut killed = 0;
    while begun.elapsed() < STUNNED {
        let post_id = second.post("/posts", post.clone()).await.expect(201)["postId"].as_i64().unwrap();
        for price in 2..=5 {
            second.patch(&format!("/posts/{post_id}"), json!({"price": price})).await.expect(200);
        }
        written.push(post_id);
        tokio::time::sleep(Duration::from_millis(100)).await;
        // Again and again one of two consumers goes without a word, and another comes.
        if begun.elapsed() > STUNNED * (killed + 1) / 4 {
            for (index, (name, port)) in names.into_iter().zip(ports).enumerate().skip(1) {
                drop(replicas[index].take());
                replicas[index] = Some(cluster.replica(name, port));
            }
            killed += 1;
        }
    }
    assert!(killed >= 3);
    cluster.program("post").signal("-CONT");
    // What waited goes out now, to consumers one of which is killed over it.
    eventually("some of it", async || rows("/myPages").await > 1).await;
    drop(replicas[1].take());
    sqlx::raw_sql("commit").execute(&mut slow).await.unwrap();
    eventually("all of it", async || rows("/myPages").await == written.len() as u64).await;

    // Now the leader goes for good, and the second replica takes over.
    let leader = cluster.programs.iter().position(|program| program.name == "post").unwrap();
    drop(cluster.programs.remove(leader));
    written.push(second.post("/posts", post).await.expect(201)["postId"].as_i64().unwrap());
    eventually("the second one leads", async || rows("/myPages").await == written.len() as u64).await;

    let edits = written.len() - 2;
    let records =
        read_topic(&cluster.kafka.bootstrap_servers, &cluster.kafka.topic, written.len() + 4 * edits + 1)
            .await;
    for post_id in &written {
        // An event may be told twice (its first time is what counts), and never out of its order.
        let mut told = Vec::new();
        for record in records.iter().filter(|record| record.value["postId"] == *post_id) {
            let event = (record.headers["ce_id"].clone(), record.value["version"].as_i64());
            if !told.contains(&event) {
                told.push(event);
            }
        }
        let versions: Vec<_> = told.iter().filter_map(|(_, version)| *version).collect();
        let last = if [written.first(), written.last()].contains(&Some(post_id)) { 1 } else { 5 };
        assert_eq!(versions, (1..=last).collect::<Vec<_>>(), "post {post_id}");
    }
    assert!(records.iter().any(|record| record.value == slow_event), "the slow transaction's event");
    let prices = market.get("/myPages?size=1000").await.body["_embedded"]["myPages"].clone();
    let dear = prices.as_array().unwrap().iter().filter(|row| row["price"] == 5).count();
    assert_eq!(dear, edits);
    replicas.into_iter().flatten().for_each(Program::stop);
    cluster.stop();
}

/// Safe unless told otherwise: without a key that tokens are verified with, none of the programs serves anybody.
#[test]
#[ignore = "needs the programs"]
fn a_program_without_a_key_refuses_to_start() {
    for name in ["gateway", "post", "offer", "deal", "mypage", "notification"] {
        let environment = [
            ("DATABASE_URL", "postgres://nobody@127.0.0.1:9/nothing".to_owned()),
            ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9".to_owned()),
        ];
        let output = Program::command(name, &environment).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("AUTH_JWKS_URL") && said.contains("AUTH=open"), "{name}: {said}");
        assert_eq!(output.status.code(), Some(1), "{name}");
    }
}
