//! What the gateway bears, and what it says when it does not.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use axum::{Router, http::StatusCode, routing::post};
use common::*;
use reqwest::Client;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, Semaphore},
};

#[tokio::test]
async fn a_body_too_large_is_read_so_that_its_413_is() {
    let (service, gateway) = echoing().await;
    let megabyte = vec![b'x'; 1 << 20];
    let response = Client::new().post(gateway.url("/posts")).body(megabyte).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);

    // Written whole before a byte of the answer is read, as simple clients do.
    let head = "POST /posts HTTP/1.1\r\nHost: a\r\nContent-Length: 5242880\r\n\r\n";
    let request = [head.as_bytes(), &vec![b'x'; 5 << 20]].concat();
    let answer = raw(gateway.address, request).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("connection: close") && answer.contains("payload-too-large"), "{answer}");

    // The same without a length.
    let head = "POST /posts HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = [b"10000\r\n", vec![b'x'; 1 << 16].as_slice(), b"\r\n"].concat();
    let request = [head.as_bytes(), &chunk.repeat(80), b"0\r\n\r\n"].concat();
    let answer = raw(gateway.address, request).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("payload-too-large"), "{answer}");

    // Who asks first is told without having sent anything.
    let head = "POST /posts HTTP/1.1\r\nHost: a\r\nContent-Length: 5242880\r\nExpect: 100-continue\r\n\r\n";
    let answer = raw(gateway.address, head).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    drop(service);
}

#[tokio::test]
async fn an_endless_body_comes_to_an_end() {
    let (_service, gateway) = echoing().await;
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let writing = tokio::spawn(async move {
        let head = "POST /posts HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        writer.write_all(head.as_bytes()).await?;
        let chunk = [b"10000\r\n", vec![b'x'; 1 << 16].as_slice(), b"\r\n"].concat();
        let mut sent = 0;
        while writer.write_all(&chunk).await.is_ok() {
            sent += chunk.len();
        }
        Ok::<_, std::io::Error>(sent)
    });
    let mut answer = Vec::new();
    let _reset_or_not = reader.read_to_end(&mut answer).await;
    drop(reader);
    let sent = writing.await.unwrap().unwrap();
    assert!(sent < 40 << 20, "{sent}");
}

#[tokio::test]
async fn a_chunked_body_within_the_limit_passes() {
    let (_service, gateway) = echoing().await;
    let head = "POST /posts HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = raw(gateway.address, format!("{head}5\r\nhello\r\n0\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"length\":5"), "{answer}");
}

#[tokio::test]
async fn headers_have_a_limit() {
    let (_service, gateway) = echoing().await;
    let long = "x".repeat(40_000);
    let answer = raw(gateway.address, format!("GET /posts HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn a_service_that_is_down_is_a_503_and_the_others_work() {
    let (service, _) = echoing().await;
    let mut config = config(service.address);
    config.upstreams.post = format!("http://{}", nobody().await).parse().unwrap();
    let gateway = gateway(config).await;
    let response = Client::new().post(gateway.url("/posts")).body("{}").send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    let problem = assert_problem(response, 503, "upstream-unavailable").await;
    assert_eq!(problem["instance"], "/posts");
    assert_eq!(Client::new().get(gateway.url("/offers")).send().await.unwrap().status(), StatusCode::OK);
    let down = r#"http_requests_total{method="POST",route="/posts",status="503"}"#;
    assert_eq!(metric(&gateway, down).await, Some(1.0));
}

#[tokio::test]
async fn a_service_that_hangs_is_a_503() {
    let service = service(Router::new().fallback(async || std::future::pending::<()>().await)).await;
    let gateway = gateway_with(&service, |config| config.request_timeout = Duration::from_millis(50)).await;
    let response = Client::new().get(gateway.url("/deals")).send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    assert_problem(response, 503, "upstream-timeout").await;
}

#[tokio::test]
async fn too_many_at_once_are_told_to_come_back_and_health_answers_still() {
    let (entered, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let handler = {
        let (entered, gate) = (entered.clone(), gate.clone());
        async move || {
            entered.fetch_add(1, SeqCst);
            gate.acquire().await.unwrap().forget();
        }
    };
    let service = service(Router::new().fallback(handler)).await;
    let gateway = gateway_with(&service, |config| config.max_in_flight = 3).await;
    let ask = |path: &str| tokio::spawn(Client::new().get(gateway.url(path)).send());
    // Over several routes: the limit is one for all.
    let waiting = [ask("/posts"), ask("/offers"), ask("/deals/1")];
    until(async || entered.load(SeqCst) == 3).await;

    let response = ask("/sales").await.unwrap().unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    assert_problem(response, 503, "overloaded").await;
    assert_eq!(ask("/livez").await.unwrap().unwrap().status(), StatusCode::OK);

    gate.add_permits(4);
    for task in waiting {
        assert_eq!(task.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(ask("/sales").await.unwrap().unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_stop_finishes_what_was_begun() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (entered, release) = (entered.clone(), release.clone());
        post(async move || {
            entered.notify_one();
            release.notified().await;
            "done"
        })
    };
    let service = service(Router::new().route("/posts", handler)).await;
    let gateway = gateway(config(service.address)).await;
    let address = gateway.address;
    // A keep-alive connection that nothing was sent on must not hold the stop up.
    let _idle = TcpStream::connect(address).await.unwrap();
    let request = tokio::spawn(Client::new().post(gateway.url("/posts")).send());
    entered.notified().await;
    let start = Instant::now();
    let stopped = tokio::spawn(gateway.stopped());
    until(async || TcpStream::connect(address).await.is_err()).await;
    release.notify_one();
    assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "done");
    stopped.await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(2));
}
