//! Helpers for tests: a throw-away PostgreSQL, a database each, a running service, a client that reads like prose.

use crate::{
    auth::Verifier,
    postgres::{Durability, Options, Postgres},
    server,
    service::{Prepared, Service},
    store,
};
use axum::Router;
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::Value;
use shared_events::{Envelope, Publish};
use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgConnectOptions};
use std::{
    future::Future,
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A server for all tests of this process: of `DATABASE_URL` (an administrator's), or one of our own that ends with us.
fn administrator() -> &'static PgConnectOptions {
    struct Server {
        options: PgConnectOptions,
        _remover: Option<Child>,
    }
    static SERVER: OnceLock<Server> = OnceLock::new();
    &SERVER
        .get_or_init(|| match std::env::var("DATABASE_URL") {
            Ok(url) => Server { options: url.parse().expect("DATABASE_URL"), _remover: None },
            Err(_) => {
                let data_dir =
                    std::env::temp_dir().join(format!("secondhandtrading-test-{}", std::process::id()));
                // Its standard input closes when this process ends, however it ends.
                let remover = Command::new("sh")
                    .args(["-c", r#"read -r _; until rm -rf "$1" 2>/dev/null; do sleep 0.2; done"#, "sh"])
                    .arg(&data_dir)
                    .stdin(Stdio::piped())
                    .spawn()
                    .expect("sh is everywhere");
                let (send, receive) = mpsc::channel();
                // A runtime of its own: that of the first test ends with the first test.
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                    runtime.expect("a runtime").block_on(async {
                        let options = Options { data_dir, durability: Durability::Throwaway };
                        let server = Postgres::start(options).await.unwrap_or_else(|error| panic!("{error}"));
                        let _ = send.send(server.url().to_owned());
                        std::future::pending::<()>().await;
                    });
                });
                let url = receive.recv().expect("PostgreSQL starts");
                Server { options: url.parse().expect("its own address"), _remover: Some(remover) }
            }
        })
        .options
}

/// A new, empty database, as its administrator.
pub async fn database() -> PgConnectOptions {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut connection = PgConnection::connect_with(administrator()).await.expect("PostgreSQL answers");
    sqlx::raw_sql(AssertSqlSafe(format!("create database {name}")))
        .execute(&mut connection)
        .await
        .expect("an administrator may create databases");
    administrator().clone().database(&name)
}

/// One service over a database of its own, listening, without relay or bus.
pub struct TestService {
    /// The service.
    pub prepared: Prepared,
    /// Speaks to it over HTTP.
    pub client: Client,
    /// Its database, as an administrator.
    pub database: PgConnectOptions,
    _server: DropGuard,
}

impl TestService {
    /// Starts a service that has no neighbours.
    pub async fn start(service: Service) -> Self {
        // Port 9 (discard) refuses: whoever asks a neighbour learns that it is away.
        Self::behind(service, "http://127.0.0.1:9").await
    }

    /// Starts a service whose neighbours are behind `gateway_url`.
    pub async fn behind(service: Service, gateway_url: &str) -> Self {
        let database = database().await;
        store::provision(&database, service.name).await.expect("role and schema");
        let options = store::as_service(database.clone(), service.name);
        let prepared =
            service.prepare(options, 10, gateway_url, Verifier::open()).await.expect("migrations run");
        let shutdown = CancellationToken::new();
        let client = serve(prepared.router(shutdown.clone()), shutdown.clone()).await;
        Self { prepared, client, database, _server: shutdown.drop_guard() }
    }

    /// Delivers an event to the reactions, as a bus would.
    pub async fn deliver(&self, event: &impl Publish) {
        self.deliver_envelopes(&[event.envelope(None)]).await;
    }

    /// Delivers several, in order.
    pub async fn deliver_envelopes(&self, envelopes: &[Envelope]) {
        assert!(self.prepared.consumer.deliver(envelopes, &CancellationToken::new()).await);
    }

    /// Takes what waits in the outbox, in order: type and JSON.
    pub async fn published(&self) -> Vec<(String, Value)> {
        let rows: Vec<(i64, String, String)> =
            sqlx::query_as("delete from outbox returning id, event_type, value")
                .fetch_all(&self.prepared.app.db)
                .await
                .expect("the outbox is there");
        let mut rows = rows;
        rows.sort();
        rows.into_iter().map(|(_, kind, value)| (kind, serde_json::from_str(&value).expect("JSON"))).collect()
    }

    /// The types of what waits in the outbox, in order.
    pub async fn published_types(&self) -> Vec<String> {
        self.published().await.into_iter().map(|(kind, _)| kind).collect()
    }
}

/// Serves a router on a free port until `shutdown`.
pub async fn serve(router: Router, shutdown: CancellationToken) -> Client {
    let listener = server::bind("127.0.0.1", 0).await.expect("a free port");
    let client = Client::new(format!("http://{}", listener.local_addr().expect("it listens")));
    tokio::spawn(server::serve(listener, router, shutdown));
    client
}

/// Waits until `condition` holds, and fails with `what` after 30 seconds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < deadline, "not in 30 seconds: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// An HTTP client for tests.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The JSON, or null where there is none.
    pub body: Value,
}

impl Client {
    /// Speaks to `http://host:port`.
    pub fn new(base: impl Into<String>) -> Self {
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("an HTTP client");
        Self { http, base: base.into(), token: None }
    }

    /// Where it speaks to.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The same, bearing a token.
    #[must_use]
    pub fn bearing(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], None).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, &[], Some(body)).await
    }

    /// POST with a JSON body to somebody who may be gone: the body of a 2xx, or nothing.
    pub async fn try_post(&self, path: &str, body: Value) -> Option<Value> {
        let response = self.http.post(format!("{}{path}", self.base)).json(&body).send().await.ok()?;
        response.error_for_status().ok()?.json().await.ok()
    }

    /// PATCH with a JSON body.
    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PATCH, path, &[], Some(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, &[], None).await
    }

    /// Any request with a JSON body.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Reply {
        let request = self.http.request(method, format!("{}{path}", self.base));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        self.execute(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
            .await
    }

    /// A request with any bytes for a body.
    pub async fn send_bytes(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> Reply {
        let request = self.http.request(method, format!("{}{path}", self.base));
        self.execute(request.header("content-type", content_type).body(body)).await
    }

    async fn execute(&self, mut request: reqwest::RequestBuilder) -> Reply {
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("no answer: {error:?}"));
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.expect("the body arrives");
        let body = match serde_json::from_slice(&bytes) {
            Ok(body) => body,
            Err(_) => Value::String(String::from_utf8_lossy(&bytes).into_owned()),
        };
        Reply { status, headers, body: if bytes.is_empty() { Value::Null } else { body } }
    }
}

impl Reply {
    /// Fails the test unless the status is this one; hands the body on.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        self.body
    }

    /// Fails the test unless this is a problem with this status and code; hands the names of the faulty fields on.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Vec<String> {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json", "{:#}", self.body);
        assert_eq!(self.body["code"], code, "{:#}", self.body);
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["message"], self.body["detail"]);
        let errors = self.body["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["field"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// A header as text, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
