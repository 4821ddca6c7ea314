//! A whole marketplace on free ports, over a database of its own, on either bus: local, or Apache Kafka when
//! `KAFKA_BOOTSTRAP_SERVERS` is set.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use chassis::{
    app::App,
    auth::AuthSettings,
    bus::KafkaSettings,
    inbox::Reactions,
    service::Service,
    settings::OwnSettings,
    testing::{self, Client, Reply, eventually},
};
use serde_json::{Value, json};
use sqlx::{
    SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};
use standalone::{Database, Marketplace, Plan, SERVICES};
use std::sync::{
    LazyLock,
    atomic::{AtomicU32, Ordering},
};

/// Kafka, with a topic and groups that no other test has.
pub fn kafka() -> Option<KafkaSettings> {
    let brokers = std::env::var("KAFKA_BOOTSTRAP_SERVERS").ok().filter(|brokers| !brokers.is_empty())?;
    Some(topic_of_our_own(brokers))
}

fn topic_of_our_own(brokers: String) -> KafkaSettings {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    KafkaSettings { topic: name.clone(), group_prefix: format!("{name}-"), ..KafkaSettings::at(brokers) }
}

/// A running marketplace.
pub struct Market {
    pub marketplace: Marketplace,
    /// Speaks to the gateway.
    pub client: Client,
    pub database: PgConnectOptions,
    pub kafka: Option<KafkaSettings>,
}

impl Market {
    pub async fn start() -> Self {
        Self::tuned(|_| {}).await
    }

    /// On a Kafka of its own.
    pub async fn with_kafka(brokers: String) -> Self {
        let kafka = Some(topic_of_our_own(brokers));
        Self::built(testing::database().await, kafka, AuthSettings::open(), |_| {}).await
    }

    /// With other settings of the gateway.
    pub async fn tuned(tune: impl FnOnce(&mut gateway::Config)) -> Self {
        Self::built(testing::database().await, kafka(), AuthSettings::open(), tune).await
    }

    /// Over a PostgreSQL of a test's own.
    pub async fn over(database: PgConnectOptions) -> Self {
        Self::built(database, kafka(), AuthSettings::open(), |_| {}).await
    }

    /// Where people have to prove who they are.
    pub async fn guarded(secret: &str) -> Self {
        Self::built(testing::database().await, kafka(), AuthSettings::hs256(secret), |_| {}).await
    }

    async fn built(
        database: PgConnectOptions,
        kafka: Option<KafkaSettings>,
        auth: AuthSettings,
        tune: impl FnOnce(&mut gateway::Config),
    ) -> Self {
        let plan = Plan {
            host: "127.0.0.1".to_owned(),
            port: 0,
            database: Database::Running(Box::new(database.clone())),
            kafka: kafka.clone(),
            auth,
            database_pool: 10,
            services: SERVICES
                .into_iter()
                .chain([console as fn() -> Service])
                .map(|service| service())
                .collect(),
        };
        let marketplace = Marketplace::start(&plan, tune).await.unwrap_or_else(|error| panic!("{error}"));
        let client = Client::new(format!("http://{}", marketplace.gateway));
        Self { marketplace, client, database, kafka }
    }

    /// Types one of the seeds' httpie commands: every `name=value` is sent as a string.
    pub async fn http(&self, command: &str) -> Reply {
        self.http_as(&self.client, command).await
    }

    /// Types one as somebody who bears a token.
    pub async fn http_as(&self, client: &Client, command: &str) -> Reply {
        let mut words = words(command).into_iter();
        assert_eq!(words.next().as_deref(), Some("http"), "{command}");
        let mut word = words.next().expect("a method or an address");
        let mut method = None;
        if word.chars().all(|c| c.is_ascii_uppercase()) {
            method = Some(word.parse().expect("a method"));
            word = words.next().expect("an address");
        }
        let path = word.strip_prefix("localhost:8088").expect("the gateway's address").to_owned();
        let fields: serde_json::Map<_, _> = words
            .map(|field| {
                let (name, value) = field.split_once('=').expect("name=value");
                (name.to_owned(), json!(value))
            })
            .collect();
        let default = if fields.is_empty() { reqwest::Method::GET } else { reqwest::Method::POST };
        let body = (!fields.is_empty()).then_some(Value::Object(fields));
        client.send(method.unwrap_or(default), &path, &[("host", "localhost:8088")], body).await
    }

    /// Waits until a resource says what it should.
    pub async fn until(&self, path: &str, what: impl Fn(&Value) -> bool) -> Value {
        self.until_as(&self.client, path, what).await
    }

    /// Waits until it says so to somebody who bears a token.
    pub async fn until_as(&self, client: &Client, path: &str, what: impl Fn(&Value) -> bool) -> Value {
        let last = std::sync::Mutex::new(Value::Null);
        eventually(path, async || {
            let reply = client.get(path).await;
            let as_wanted = reply.status.is_success() && what(&reply.body);
            *last.lock().unwrap() = reply.body;
            as_wanted
        })
        .await;
        last.into_inner().unwrap()
    }

    /// The events so far, as a console consumer shows them.
    pub async fn lines(&self) -> Vec<String> {
        let options = chassis::store::as_service(self.database.clone(), "console");
        let db = PgPoolOptions::new().max_connections(1).connect_with(options).await.expect("the database");
        let rows: Vec<(String,)> =
            sqlx::query_as("select value from line order by number").fetch_all(&db).await.expect("lines");
        rows.into_iter().map(|(value,)| value).collect()
    }

    /// The events so far.
    pub async fn events(&self) -> Vec<Value> {
        self.lines().await.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Waits for an event of this type with these fields.
    pub async fn event(&self, event_type: &str, fields: Value) -> Value {
        let found = std::sync::Mutex::new(Value::Null);
        eventually(&format!("{event_type} {fields}"), async || {
            let event = self.events().await.into_iter().find(|event| {
                event["eventType"] == event_type
                    && fields.as_object().unwrap().iter().all(|(name, value)| event[name] == *value)
            });
            event.map(|event| *found.lock().unwrap() = event).is_some()
        })
        .await;
        found.into_inner().unwrap()
    }

    /// Writes a post and says its id.
    pub async fn post(&self, seller: &str, price: i64, qty: i32) -> i64 {
        let body = json!({"userId": seller, "goods": "자전거 🚲", "price": price, "qty": qty});
        self.client.post("/posts", body).await.expect(201)["postId"].as_i64().expect("an id")
    }

    /// Makes an offer at the price and says its id.
    pub async fn offer(&self, buyer: &str, post_id: i64) -> i64 {
        let body = json!({"userId": buyer, "postId": post_id, "offerType": "dealOffered"});
        self.post_patiently("/offers", body).await.expect(201)["offerId"].as_i64().expect("an id")
    }

    /// POSTs as a good client does: who is told to come back, because too many came at once, comes back.
    pub async fn post_patiently(&self, path: &str, body: Value) -> Reply {
        let last = std::sync::Mutex::new(None);
        eventually(path, async || {
            let reply = self.client.post(path, body.clone()).await;
            let answered = reply.status != 503;
            *last.lock().unwrap() = Some(reply);
            answered
        })
        .await;
        last.into_inner().unwrap().expect("an answer")
    }

    /// Asks for a deal on an offer, until there is an answer.
    pub async fn reserve_patiently(&self, buyer: &str, post_id: i64, offer_id: i64) -> Reply {
        self.post_patiently("/deals", json!({"userId": buyer, "postId": post_id, "offerId": offer_id})).await
    }

    /// Asks for a deal on an offer.
    pub async fn reserve(&self, buyer: &str, post_id: i64, offer_id: i64) -> Reply {
        self.client.post("/deals", json!({"userId": buyer, "postId": post_id, "offerId": offer_id})).await
    }

    pub async fn stop(self) {
        self.marketplace.stop().await.expect("a clean stop");
    }
}

/// Words of a command line; quotes keep spaces.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in command.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            c => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// A sixth service, that writes down every event it hears.
pub fn console() -> Service {
    static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
        let sql = "create table line (number bigint generated always as identity, value text not null);";
        let migration = Migration::new(1, "line".into(), MigrationType::Simple, sql.into_sql_str(), false);
        Migrator::with_migrations(vec![migration])
    });
    Service {
        name: "console",
        port: 0,
        migrations: &MIGRATIONS,
        routes: utoipa_axum::router::OpenApiRouter::<App>::new,
        reactions: Reactions::new(
            &[
                "PostWrote",
                "PostEdited",
                "PostDeleted",
                "PostHidden",
                "PostShown",
                "StatusUpdated",
                "QtyDecreased",
                "QtyRestored",
                "PostUnavailable",
                "OfferPlaced",
                "OfferAccepted",
                "OfferRefused",
                "OfferCanceled",
                "DealReserved",
                "DealEnded",
                "DealCanceled",
                "LikeCntUpdated",
                "MessageSent",
                "WishlistAdded",
                "WishlistDeleted",
                "DealRescheduled",
                "DeliveryStarted",
                "CancelRequested",
                "CancelDeclined",
                "PaymentPlaced",
                "PaymentHeld",
                "PaymentReleased",
                "PaymentRefunded",
                "PaymentFailed",
                "DealReviewed",
            ],
            |tx, envelope| {
                Box::pin(async move {
                    sqlx::query("insert into line (value) values ($1)")
                        .bind(&envelope.value)
                        .execute(&mut **tx)
                        .await?;
                    Ok(())
                })
            },
        ),
        sweep: None,
        settings: OwnSettings::none(),
    }
}
