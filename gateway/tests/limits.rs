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

use axum::{
    Router,
    body::Body,
    http::StatusCode,
    routing::{get, post},
};
use chassis::{auth::AuthSettings, wire::UserId};
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
    config.restart_patience = Duration::from_millis(200);
    let gateway = gateway(config).await;
    let begun = Instant::now();
    let response = Client::new().post(gateway.url("/posts")).body("{}").send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    let problem = assert_problem(response, 503, "upstream-unavailable").await;
    assert_eq!(problem["instance"], "/posts");
    // It might have been a restart. It was none, so the next ones are refused at once.
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
    let begun = Instant::now();
    let response = Client::new().get(gateway.url("/posts")).send().await.unwrap();
    assert_problem(response, 503, "upstream-unavailable").await;
    assert!(begun.elapsed() < Duration::from_millis(150), "{:?}", begun.elapsed());
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
async fn a_service_that_hangs_takes_its_own_share_of_the_places() {
    let entered = Arc::new(AtomicUsize::new(0));
    let counter = entered.clone();
    let hanging = async move || {
        counter.fetch_add(1, SeqCst);
        std::future::pending::<()>().await;
    };
    let posts = service(Router::new().fallback(hanging)).await;
    let well = service(Router::new().fallback(async || "well")).await;
    let mut config = config(well.address);
    config.upstreams.post = format!("http://{}", posts.address).parse().unwrap();
    config.max_in_flight_per_service = 2;
    let gateway = gateway(config).await;
    let ask = |path: &str| Client::new().get(gateway.url(path)).send();
    let waiting = [tokio::spawn(ask("/posts")), tokio::spawn(ask("/posts/1"))];
    until(async || entered.load(SeqCst) == 2).await;

    assert_problem(ask("/posts/2").await.unwrap(), 503, "overloaded").await;
    // The check of a post has places of its own, so it reaches the service.
    let check = tokio::spawn(ask("/posts/2/availability"));
    until(async || entered.load(SeqCst) == 3).await;
    for path in ["/offers", "/deals", "/myPages", "/notifications"] {
        assert_eq!(ask(path).await.unwrap().text().await.unwrap(), "well", "{path}");
    }
    waiting.into_iter().chain([check]).for_each(|task| task.abort());
}

#[tokio::test]
async fn slow_clients_are_let_go() {
    let (service, _) = echoing().await;
    let gateway = gateway_with(&service, |config| {
        config.client_timeout = Duration::from_millis(300);
        config.max_in_flight = 1;
    })
    .await;
    let post = "POST /posts HTTP/1.1\r\nHost: a\r\n";
    let table = [
        ("says nothing", String::new(), ""),
        ("drips its headers", "GET /posts HTTP/1.1\r\nHost: a\r\n".to_owned(), ""),
        ("stops in its body", format!("{post}Content-Length: 9\r\n\r\nfour"), "HTTP/1.1 408 "),
        (
            "stops between chunks",
            format!("{post}Transfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n"),
            "HTTP/1.1 408 ",
        ),
    ];
    let begun = Instant::now();
    let dripping = table.into_iter().map(async |(who, sent, expected)| {
        let stream = TcpStream::connect(gateway.address).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        writer.write_all(sent.as_bytes()).await.unwrap();
        // A drop now and then gains it no time.
        let drip = if expected.is_empty() && !sent.is_empty() { "X" } else { "" };
        let dripping = tokio::spawn(async move {
            while writer.write_all(drip.as_bytes()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let mut answer = Vec::new();
        let _reset_or_not = reader.read_to_end(&mut answer).await;
        dripping.abort();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with(expected) && answer.is_empty() == expected.is_empty(), "{who}: {answer}");
    });
    // None of them takes the one place meanwhile.
    let patient = async {
        let ask = || Client::new().post(gateway.url("/posts")).body("{}").send();
        while begun.elapsed() < Duration::from_millis(250) {
            assert_eq!(ask().await.unwrap().status(), StatusCode::OK);
        }
    };
    futures::future::join(futures::future::join_all(dripping), patient).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn who_does_not_read_its_answer_is_let_go() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let endless = async move || {
        Body::from_stream(futures::stream::repeat_with(move || {
            counter.fetch_add(1 << 16, SeqCst);
            Ok::<_, std::io::Error>(vec![0u8; 1 << 16])
        }))
    };
    // Held by the handler, and so gone when nobody wants its answer any more.
    let service = service(Router::new().route("/posts", get(endless))).await;
    let held = Arc::downgrade(&sent);
    drop(sent);
    let gateway = gateway_with(&service, |config| config.client_timeout = Duration::from_millis(200)).await;
    let mut deaf = TcpStream::connect(gateway.address).await.unwrap();
    deaf.write_all(b"GET /posts HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    until(async || held.upgrade().is_some_and(|sent| sent.load(SeqCst) > 0)).await;
    // What the handler's route holds is one; each answer under way holds another.
    until(async || held.strong_count() == 1).await;
    let bytes = held.upgrade().map_or(0, |sent| sent.load(SeqCst));
    assert!(bytes < 32 << 20, "{bytes} bytes for a client that reads none");
    drop(deaf);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let (service, _) = echoing().await;
    let gateway = gateway_with(&service, |config| config.max_connections = 2).await;
    let held = [
        TcpStream::connect(gateway.address).await.unwrap(),
        TcpStream::connect(gateway.address).await.unwrap(),
    ];
    let request = "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let third = tokio::spawn(raw(gateway.address, request));
    // Not a proof that it would wait for ever, but it is not answered at once.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!third.is_finished());
    drop(held);
    assert!(third.await.unwrap().starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let (service, _) = echoing().await;
    let limited = async |trust: bool| {
        gateway_with(&service, |config| {
            config.rate.per_address = Some("1:3".parse().unwrap());
            config.rate.exempt.clear();
            config.trust_forwarded = trust;
        })
        .await
    };
    let gateway = limited(false).await;
    let ask = |gateway: &Server, from: &str| {
        Client::new().get(gateway.url("/posts")).header("x-forwarded-for", from.to_owned()).send()
    };
    for number in 0..3 {
        // What it claims to be matters to nobody.
        assert_eq!(ask(&gateway, &format!("9.9.9.{number}")).await.unwrap().status(), StatusCode::OK);
    }
    let refused = ask(&gateway, "9.9.9.9").await.unwrap();
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_problem(refused, 429, "too-many-requests").await;
    // A probe is no guest.
    let health = Client::new().get(gateway.url("/readyz")).send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
    // As told: a token a second.
    tokio::time::sleep(Duration::from_millis(1050)).await;
    assert_eq!(ask(&gateway, "").await.unwrap().status(), StatusCode::OK);

    // Behind an ingress it is the last address that counts, and without any it is a service that asks.
    let gateway = limited(true).await;
    for (from, expected) in
        [("6.6.6.6, 1.1.1.1", [200, 200, 200, 429]), ("1.1.1.1, 6.6.6.6", [200, 200, 200, 429])]
    {
        for expected in expected {
            assert_eq!(ask(&gateway, from).await.unwrap().status(), expected, "{from}");
        }
    }
    for _ in 0..10 {
        let response = Client::new().get(gateway.url("/posts")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_user_has_a_limit_of_its_own_when_a_token_proves_who_it_is() {
    let (service, _) = echoing().await;
    let auth = AuthSettings::hs256("a secret of thirty-two bytes or so");
    let gateway = gateway_with(&service, |config| {
        config.auth = auth.clone();
        config.rate.per_user = Some("1:3".parse().unwrap());
    })
    .await;
    let token = |user: &str| auth.mint(&UserId(user.to_owned()), false, Duration::from_secs(60)).unwrap();
    let forged = AuthSettings::hs256("another secret of thirty-two bytes")
        .mint(&UserId("buyer01".to_owned()), false, Duration::from_secs(60))
        .unwrap();
    let table = [
        (token("buyer01"), [200, 200, 200, 429]),
        (token("buyer02"), [200, 200, 200, 429]),
        // It is the service that refuses it, and the one whose name is on it does not pay for that.
        (forged, [200; 4]),
    ];
    for (token, expected) in table {
        for expected in expected {
            let response = Client::new().get(gateway.url("/deals")).bearer_auth(&token).send().await.unwrap();
            assert_eq!(response.status(), expected);
        }
    }
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
