//! What goes through the gateway, and what does not.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::ConnectInfo,
    http::StatusCode,
    routing::{any, get},
};
use common::*;
use futures::StreamExt;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

#[tokio::test]
async fn a_request_goes_through_as_it_came() {
    let (_service, gateway) = echoing().await;
    let path = "/posts/%EB%B0%A9%2F1//x;y=%20/?q=%EC%95%84&empty=&a=b%26c";
    let request = Client::new().patch(gateway.url(path)).header("if-match", "\"3\"").body("four");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["etag"], "\"7\"");
    assert!(!response.headers().contains_key("x-hop"));
    let asked: Value = response.json().await.unwrap();
    assert_eq!((&asked["method"], &asked["uri"]), (&json!("PATCH"), &json!(path)));
    assert_eq!((&asked["headers"]["if-match"], &asked["length"]), (&json!("\"3\""), &json!(4)));

    for path in ["/posts", "/posts/", "/offers/1", "/notices?page=1", "/myPages/1/"] {
        let asked: Value = Client::new().get(gateway.url(path)).send().await.unwrap().json().await.unwrap();
        assert_eq!(asked["uri"], path);
    }
    let head = Client::new().head(gateway.url("/posts/1")).send().await.unwrap();
    assert_eq!((head.status(), &head.headers()["etag"]), (StatusCode::OK, &"\"7\"".parse().unwrap()));
}

#[tokio::test]
async fn the_service_learns_who_asked_and_by_which_address() {
    let (service, gateway) = echoing().await;
    let ask = async |gateway: &Server| -> Value {
        let request = Client::new().get(gateway.url("/posts")).header("host", "shop.example:81");
        let request = request.header("x-forwarded-for", "6.6.6.6").header("x-forwarded-host", "evil");
        let request = request.header("x-forwarded-proto", "https").header("keep-alive", "1");
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["headers"].clone()
    };
    let headers = ask(&gateway).await;
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(headers["x-forwarded-host"], "shop.example:81");
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(headers["host"], service.address.to_string());
    assert_eq!(headers["keep-alive"], Value::Null);

    let trusting = gateway_with(&service, |config| config.trust_forwarded = true).await;
    let headers = ask(&trusting).await;
    assert_eq!(headers["x-forwarded-for"], "6.6.6.6, 127.0.0.1");
    assert_eq!(headers["x-forwarded-host"], "evil");
    assert_eq!(headers["x-forwarded-proto"], "https");

    for bad in [
        "GET /posts HTTP/1.1\r\n",
        "GET /posts HTTP/1.1\r\nHost: a\r\nHost: b\r\n",
        "GET / HTTP/1.1\r\nHost: \"\r\n",
    ] {
        let answer = raw(gateway.address, format!("{bad}Connection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("Host header"), "{answer}");
    }
}

#[tokio::test]
async fn ids_travel_on_and_come_back() {
    let (_service, gateway) = echoing().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = Client::new().get(gateway.url("/posts")).header("x-request-id", "my-id");
    let request = request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    let response = request.send().await.unwrap();
    assert_eq!(response.headers().get_all("x-request-id").iter().collect::<Vec<_>>(), ["my-id"]);
    let asked: Value = response.json().await.unwrap();
    assert_eq!(asked["headers"]["x-request-id"], "my-id");
    assert!(asked["headers"]["traceparent"].as_str().unwrap().starts_with(&format!("00-{trace}-")));

    let response = Client::new().get(gateway.url("/nowhere")).send().await.unwrap();
    let made = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(made.len(), 36);
    assert_problem(response, 404, "no-such-path").await;
}

#[tokio::test]
async fn nothing_but_the_routes_can_be_reached() {
    let (_service, gateway) = echoing().await;
    let hidden = [
        "/dead-letters",
        "//dead-letters",
        "/posts/../dead-letters",
        "/posts/%2e%2e/dead-letters",
        "/postsx",
    ];
    let more = [
        "/posts%2f..%2fdead-letters",
        "/posts/1/..",
        "/./posts",
        "/%70osts",
        "http://post/dead-letters",
        "*",
    ];
    for path in hidden.into_iter().chain(more) {
        let answer =
            raw(gateway.address, format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
                .await;
        assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("no-such-path"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn the_index_lists_the_routes_by_the_address_the_client_used() {
    let gateway = gateway(config(nobody().await)).await;
    let response = Client::new().get(gateway.url("/")).header("host", "shop.example").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/hal+json");
    let index: Value = response.json().await.unwrap();
    assert_eq!(index["_links"]["posts"]["href"], "http://shop.example/posts");
    assert_eq!(index["_links"]["myPages"]["href"], "http://shop.example/myPages");

    for path in ["/livez", "/readyz", "/actuator/health"] {
        let health: Value = Client::new().get(gateway.url(path)).send().await.unwrap().json().await.unwrap();
        assert_eq!(health, json!({ "status": "UP" }));
    }
    let wrong = Client::new().post(gateway.url("/livez")).send().await.unwrap();
    assert!(wrong.headers()["allow"].to_str().unwrap().contains("GET"));
    let problem = assert_problem(wrong, 405, "method-not-allowed").await;
    assert_eq!(problem["instance"], "/livez");
}

#[tokio::test]
async fn web_pages_of_any_origin_may_ask() {
    let (_service, gateway) = echoing().await;
    let preflight = Client::new().request(reqwest::Method::OPTIONS, gateway.url("/offers/1"));
    let preflight =
        preflight.header("origin", "http://page").header("access-control-request-method", "PATCH");
    let response = preflight.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let allowed = |name: &str| response.headers()[name].to_str().unwrap().to_lowercase();
    assert!(allowed("access-control-allow-methods").contains("patch"));
    assert!(allowed("access-control-allow-headers").contains("idempotency-key"));

    let response =
        Client::new().get(gateway.url("/offers")).header("origin", "http://page").send().await.unwrap();
    let exposed = response.headers()["access-control-expose-headers"].to_str().unwrap();
    for name in ["location", "etag", "retry-after", "x-request-id", "idempotency-replayed"] {
        assert!(exposed.contains(name), "{exposed}");
    }
}

#[tokio::test]
async fn an_answer_streams_through_and_may_outlast_the_time_out() {
    let (send, receive) = mpsc::channel::<Bytes>(1);
    let parts = futures::stream::unfold(receive, async |mut parts| {
        Some((Ok::<_, std::io::Error>(parts.recv().await?), parts))
    });
    let body = Arc::new(Mutex::new(Some(Body::from_stream(parts))));
    let service = service(
        Router::new().route("/notifications/stream", get(async move || body.lock().unwrap().take().unwrap())),
    )
    .await;
    let gateway = gateway_with(&service, |config| config.request_timeout = Duration::from_millis(50)).await;

    let mut response = Client::new().get(gateway.url("/notifications/stream")).send().await.unwrap();
    for part in ["first", "second"] {
        // Each part arrives before the next one exists.
        send.send(part.into()).await.unwrap();
        assert_eq!(response.chunk().await.unwrap().unwrap(), part);
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    drop(send);
    assert_eq!(response.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off() {
    let broken = async || {
        let parts = futures::stream::iter([Ok("half"), Err(std::io::Error::other("broken"))]);
        // The first part gets on its way before the second breaks the connection.
        Body::from_stream(parts.then(async |part| {
            tokio::time::sleep(Duration::from_millis(20)).await;
            part
        }))
    };
    let service = service(Router::new().route("/posts", get(broken))).await;
    let gateway = gateway(config(service.address)).await;
    let response = Client::new().get(gateway.url("/posts")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.bytes().await.is_err());
}

#[tokio::test]
async fn a_read_is_repeated_when_its_connection_breaks_and_a_write_is_not() {
    // Breaks every first request after having read it, and answers every second.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = seen.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _head = stream.read(&mut [0; 4096]).await.unwrap();
            if counter.fetch_add(1, SeqCst) % 2 == 1 {
                stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await.unwrap();
            }
        }
    });
    let gateway = gateway(config(address)).await;
    assert_eq!(
        Client::new().get(gateway.url("/posts")).send().await.unwrap().status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(seen.load(SeqCst), 2);
    let write = || Client::new().post(gateway.url("/posts")).body("{}");
    let response = write().send().await.unwrap();
    assert_problem(response, 503, "upstream-unavailable").await;
    assert_eq!(seen.load(SeqCst), 3);
    // But for one that the service knows again by its key.
    assert_eq!(seen.fetch_add(1, SeqCst), 3);
    let response = write().header("idempotency-key", "1").send().await.unwrap();
    assert_eq!((response.status(), seen.load(SeqCst)), (StatusCode::NO_CONTENT, 6));
}

/// Every kind of request, begun while the service is away; and the breaker takes no offence.
#[tokio::test]
async fn a_service_that_is_being_restarted_is_waited_for() {
    let address = nobody().await;
    let mut config = config(address);
    config.breaker.slow_after = Duration::from_millis(200);
    let gateway = gateway(config).await;
    let client = Client::new();
    let reads = (0..20).map(|_| client.get(gateway.url("/posts/1/availability")).send());
    let writes = (0..20).map(|_| client.post(gateway.url("/posts")).body("four").send());
    let answers = futures::future::join_all(reads.chain(writes).map(tokio::spawn).collect::<Vec<_>>());
    let restarted = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        service_at(address, Router::new().fallback(any(echo))).await
    };
    let (_service, answers) = futures::future::join(restarted, answers).await;
    for answer in answers {
        let answer = answer.unwrap().unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let asked: Value = answer.json().await.unwrap();
        assert_eq!(asked["length"], if asked["method"] == "POST" { 4 } else { 0 });
    }
    let failures = r#"circuit_breaker_calls_total{name="post-availability",outcome="failure"}"#;
    assert_eq!(metric(&gateway, failures).await, None);
}

/// Connections that wait to be accepted and such that were used before: none is reset.
#[tokio::test]
async fn a_stop_resets_no_connection() {
    let quick = || Router::new().fallback(async || "well");
    for round in 0..20 {
        let service = service(quick()).await;
        let address = service.address;
        let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut kept = TcpStream::connect(address).await.unwrap();
        kept.write_all(request.as_bytes()).await.unwrap();
        assert!(kept.read(&mut [0; 4096]).await.unwrap() > 0);

        // The test's runtime has one thread: the server does not get to accept these before it is told to stop.
        let waiting: Vec<_> = (0..50)
            .map(|_| {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
                stream.set_nonblocking(true).unwrap();
                TcpStream::from_std(stream).unwrap()
            })
            .collect();
        service.stop.cancel();
        tokio::task::yield_now().await;
        kept.write_all(request.as_bytes()).await.unwrap();
        for mut stream in waiting.into_iter().chain([kept]) {
            let mut answer = String::new();
            let read = stream.read_to_string(&mut answer).await;
            assert!(read.is_ok() && answer.contains("connection: close"), "{round}: {read:?} {answer}");
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("well"), "{answer}");
        }
        service.stopped().await;
    }
}

#[tokio::test]
async fn answers_say_what_they_are_not_to_be_used_for() {
    let leaky = async || ([("server", "x/1"), ("x-powered-by", "y")], "leaky");
    let page = async || [("content-security-policy", "default-src 'self'"), ("cache-control", "max-age=60")];
    let router = Router::new().route("/posts/page", get(page)).fallback(leaky);
    let service = service(router).await;
    let gateway = gateway_with(&service, |config| config.trust_forwarded = true).await;
    let (none, own) = ("default-src 'none'", "default-src 'self'");
    let table = [
        // Path, a token, https; then policy and cache.
        ("/posts/1", false, false, none, "no-cache"),
        ("/posts/1", true, true, none, "no-store"),
        ("/users/seller01/profile", false, true, none, "no-cache"),
        ("/wallets/buyer01", false, false, none, "no-store"),
        ("/postsx", false, false, none, "no-store"),
        ("/", false, true, none, "no-store"),
        ("/livez", false, false, none, "no-store"),
        ("/posts/page", false, false, own, "max-age=60"),
    ];
    for (path, token, https, policy, cache) in table {
        let mut request = Client::new().get(gateway.url(path));
        if token {
            request = request.bearer_auth("x");
        }
        if https {
            request = request.header("x-forwarded-proto", "https");
        }
        let response = request.send().await.unwrap();
        let header = |name: &str| response.headers().get(name).map_or("", |value| value.to_str().unwrap());
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        assert!(header("content-security-policy").starts_with(policy), "{path}");
        assert_eq!(header("cache-control"), cache, "{path} {token}");
        assert_eq!(!header("strict-transport-security").is_empty(), https, "{path}");
        assert_eq!((header("server"), header("x-powered-by")), ("", ""), "{path}");
    }
}

#[tokio::test]
async fn connections_to_a_service_are_kept() {
    let peers = Arc::new(Mutex::new(HashSet::new()));
    let seen = peers.clone();
    let handler = async move |ConnectInfo(peer): ConnectInfo<SocketAddr>| {
        seen.lock().unwrap().insert(peer);
    };
    let service = service(Router::new().fallback(handler)).await;
    let gateway = gateway(config(service.address)).await;
    let client = Client::new();
    let clients = (0..64).map(async |_| {
        for _ in 0..20 {
            assert_eq!(client.get(gateway.url("/posts")).send().await.unwrap().status(), StatusCode::OK);
        }
    });
    futures::future::join_all(clients).await;
    let connections = peers.lock().unwrap().len();
    assert!(connections <= 64 + 8, "{connections} connections for 64 clients");
}
