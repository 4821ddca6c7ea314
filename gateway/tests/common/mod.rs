//! A gateway on a port of its own, before services that are a few lines each.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its share of this")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::{net::SocketAddr, time::Duration};

use axum::{Json, Router, extract::Request, http::Uri, response::IntoResponse, routing::any};
use chassis::{auth::AuthSettings, server};
use gateway::{Config, Upstreams};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A server that ends with the test, its connections with it.
pub struct Server {
    pub address: SocketAddr,
    pub stop: CancellationToken,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
    _guard: DropGuard,
}

impl Server {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn stopped(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// A service.
pub async fn service(router: Router) -> Server {
    service_at("127.0.0.1:0".parse().unwrap(), router).await
}

/// A service at this address.
pub async fn service_at(address: SocketAddr, router: Router) -> Server {
    let listener = server::bind(&address.ip().to_string(), address.port()).await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let task = tokio::spawn(server::serve(listener, router, stop.clone()));
    Server { address, stop: stop.clone(), task, _guard: stop.drop_guard() }
}

/// A configuration with every route leading to `to`.
pub fn config(to: SocketAddr) -> Config {
    let to: Uri = format!("http://{to}").parse().unwrap();
    let upstreams = Upstreams {
        post: to.clone(),
        offer: to.clone(),
        deal: to.clone(),
        mypage: to.clone(),
        notification: to,
    };
    Config { auth: AuthSettings::open(), ..Config::from_env(upstreams) }
}

/// A gateway so configured.
pub async fn gateway(config: Config) -> Server {
    let listener = server::bind("127.0.0.1", 0).await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let task = tokio::spawn(gateway::run(config, listener, stop.clone()));
    Server { address, stop: stop.clone(), task, _guard: stop.drop_guard() }
}

/// A gateway before this service, configured otherwise.
pub async fn gateway_with(service: &Server, change: impl FnOnce(&mut Config)) -> Server {
    let mut config = config(service.address);
    change(&mut config);
    gateway(config).await
}

/// Answers with what it was asked.
pub async fn echo(request: Request) -> impl IntoResponse {
    let headers: serde_json::Map<_, _> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes()))))
        .collect();
    let (method, uri) = (request.method().to_string(), request.uri().to_string());
    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let answer = json!({ "method": method, "uri": uri, "headers": headers, "length": body.len() });
    ([("connection", "x-hop"), ("x-hop", "1"), ("etag", "\"7\""), ("x-request-id", "theirs")], Json(answer))
}

/// A service that answers with what it was asked, and a gateway before it.
pub async fn echoing() -> (Server, Server) {
    let service = service(Router::new().fallback(any(echo))).await;
    let gateway = gateway(config(service.address)).await;
    (service, gateway)
}

/// A port at which nobody listens.
pub async fn nobody() -> SocketAddr {
    server::bind("127.0.0.1", 0).await.unwrap().local_addr().unwrap()
}

/// Asserts a problem with this status and code.
pub async fn assert_problem(response: Response, status: u16, code: &str) -> Value {
    assert_eq!(response.status().as_u16(), status);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["code"], code);
    body
}

/// The metric whose line begins so.
pub async fn metric(gateway: &Server, name: &str) -> Option<f64> {
    let text = Client::new().get(gateway.url("/metrics")).send().await.unwrap().text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

/// Sends bytes as they are and reads until the other side closes.
pub async fn raw(to: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(request.as_ref()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// Waits until it is so.
pub async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("it should have become so by now");
}
