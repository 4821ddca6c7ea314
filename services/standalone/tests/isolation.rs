//! What goes on when a neighbour is down, and the circuit breaker between deal and post.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::IntoResponse,
};
use chassis::testing::{Client, eventually, serve};
use common::Market;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn with_every_other_service_stopped_posts_live_on() {
    let mut market = Market::start().await;
    let post_id = market.post("seller01", 1000, 1).await;
    for service in ["offer", "deal", "mypage", "notification"] {
        market.marketplace.stop_service(service).await;
    }
    let client = &market.client;
    let written = market.post("seller01", 2000, 3).await;
    let edited = json!({"price": "1500", "description": "방배동에서 만나요 🙂"});
    assert_eq!(client.patch(&format!("/posts/{post_id}"), edited).await.expect(200)["price"], 1500);
    assert_eq!(client.get("/posts").await.expect(200)["page"]["totalElements"], 2);
    assert_eq!(client.get(&format!("/posts/{written}")).await.expect(200)["availableQty"], 3);
    let document =
        client.send(Method::GET, "/openapi.json", &[("host", "market.example")], None).await.expect(200);
    assert_eq!(document["servers"], json!([{"url": "http://market.example"}]));
    assert_eq!(document["info"]["x-away"], json!(["offer", "deal", "mypage", "notification"]));
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/posts", "/posts/{id}", "/posts/{id}/availability"]);
    let page = async |path: &str| {
        reqwest::get(format!("http://{}{path}", market.marketplace.gateway)).await.unwrap()
    };
    let policy = page("/docs").await.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    assert!(page("/docs/").await.text().await.unwrap().contains("./swagger-ui-bundle.js"));
    assert!(page("/docs/swagger-initializer.js").await.text().await.unwrap().contains("\"/openapi.json\""));
    // All at once, because each service is waited for as if it were being restarted.
    let away = ["/offers", "/deals", "/myPages", "/purchases", "/notifications"];
    let replies = join_all(away.map(async |path| (path, client.get(path).await))).await;
    for (path, reply) in replies {
        assert!(!reply.header("retry-after").is_empty(), "{path}");
        reply.expect_problem(503, "upstream-unavailable");
    }
    market.stop().await;
}

#[tokio::test]
async fn with_post_stopped_nothing_is_reserved_and_everything_else_works() {
    let mut market = Market::start().await;
    let documented = market.client.get("/openapi.json").await.expect(200)["paths"].clone();
    for (name, _) in gateway::routes::ROUTES {
        assert!(
            documented.as_object().unwrap().keys().any(|path| path.split('/').nth(1) == Some(name)),
            "{name}"
        );
    }
    let post_id = market.post("seller01", 1000, 1).await;
    let offer_id = market.offer("buyer01", post_id).await;
    market.until("/purchases?userId=buyer01", |list| list["page"]["totalElements"] == 1).await;
    market.marketplace.stop_service("post").await;

    for _ in 0..12 {
        let refused = market.reserve("buyer01", post_id, offer_id).await;
        assert!(!refused.header("retry-after").is_empty());
        refused.expect_problem(503, "dependency-unavailable");
    }
    // The breaker is open by now: refused at once.
    let before = Instant::now();
    assert_eq!(market.reserve("buyer01", post_id, offer_id).await.status, 503);
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());

    let client = &market.client;
    assert_eq!(client.get("/deals").await.expect(200)["page"]["totalElements"], 0);
    let answer = json!({"offerStatus": "offerAccepted"});
    client.patch(&format!("/offers/{offer_id}"), answer).await.expect(200);
    // Its copy of the post allows another offer.
    market.offer("buyer02", post_id).await;
    assert_eq!(client.get("/myPages?userId=seller01").await.expect(200)["page"]["totalElements"], 1);
    market.until("/notifications?userId=buyer01", |list| list["page"]["totalElements"] == 1).await;
    // What was last known of it is documented still.
    let document = market.until("/openapi.json", |said| said["info"]["x-away"] == json!(["post"])).await;
    assert_eq!(document["paths"], documented);
    market.stop().await;
}

/// A post service that accepts connections and never answers: the worst of neighbours.
#[tokio::test]
async fn a_hanging_post_service_holds_up_nobody_but_who_needs_it() {
    let mut market = Market::start().await;
    let post_id = market.post("seller01", 1000, 1).await;
    let offer_id = market.offer("buyer01", post_id).await;
    market.until("/purchases?userId=buyer01", |list| list["page"]["totalElements"] == 1).await;
    let (_, post) = market.marketplace.services[0];
    market.marketplace.stop_service("post").await;
    // On the same port. What is accepted stays open, unread.
    let hanging = TcpListener::bind(post).await.unwrap();
    let held = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok(connection) = hanging.accept().await {
            held.push(connection);
        }
    });

    // Ten times as many as deal has connections to its database, all waiting for the check; and as many plain reads, which
    // no breaker cuts short.
    let wait = |path: &'static str, body: Value| {
        let client = market.client.clone();
        tokio::spawn(async move {
            match body {
                Value::Null => client.get(path).await,
                body => client.post(path, body).await,
            }
        })
    };
    let reserve = json!({"userId": "buyer01", "postId": post_id, "offerId": offer_id});
    let reserving: Vec<_> = (0..100).map(|_| wait("/deals", reserve.clone())).collect();
    let reading: Vec<_> = (0..100).map(|_| wait("/posts", Value::Null)).collect();
    let begun = Instant::now();
    // Everybody else is served meanwhile, deal itself and its wallets too.
    let mut slowest = Duration::ZERO;
    while begun.elapsed() < Duration::from_secs(1) {
        for path in ["/deals", "/offers", "/myPages", "/notifications", "/wallets/buyer01"] {
            let before = Instant::now();
            market.client.get(path).await.expect(200);
            slowest = slowest.max(before.elapsed());
        }
        let before = Instant::now();
        market.client.post("/wallets/buyer01/deposits", json!({"amount": 1})).await.expect(201);
        slowest = slowest.max(before.elapsed());
    }
    assert!(reserving.iter().all(|task| !task.is_finished()), "they wait for post all that time");
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    for refused in join_all(reserving).await {
        let refused = refused.unwrap();
        assert!(!refused.header("retry-after").is_empty());
        refused.expect_problem(503, "dependency-unavailable");
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "the check's time-out: {:?}", begun.elapsed());
    // The breaker is open now: the next one does not wait at all.
    let before = Instant::now();
    market.reserve("buyer01", post_id, offer_id).await.expect_problem(503, "dependency-unavailable");
    assert!(before.elapsed() < Duration::from_millis(500), "{:?}", before.elapsed());
    assert_eq!(market.client.get("/deals").await.expect(200)["page"]["totalElements"], 0);
    reading.into_iter().for_each(|task| task.abort());
    held.abort();
    market.stop().await;
}

/// Something between gateway and post that can be told to fail.
#[derive(Clone)]
struct Toll {
    to: Client,
    failing: Arc<AtomicBool>,
}

async fn pass(State(toll): State<Toll>, request: Request) -> axum::response::Response {
    if toll.failing.load(Ordering::Relaxed) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let reply = toll.to.get(&path).await;
    (reply.status, Body::from(reply.body.to_string())).into_response()
}

#[tokio::test]
async fn the_breaker_opens_and_closes() {
    let failing = Arc::new(AtomicBool::new(false));
    let market_for_post = Market::start().await;
    let (_, post) = market_for_post.marketplace.services[0];
    let toll = Toll { to: Client::new(format!("http://{post}")), failing: failing.clone() };
    let done = CancellationToken::new();
    let toll = serve(Router::new().fallback(pass).with_state(toll), done.clone()).await;

    // A second marketplace asks the first one's posts, with a toll in between and a breaker in a hurry.
    let market = Market::tuned(|config| {
        config.upstreams.post = toll.base().parse().unwrap();
        config.breaker.open_for = Duration::from_secs(1);
    })
    .await;
    let post_id = market_for_post.post("seller01", 1000, 1).await;
    let check = format!("/posts/{post_id}/availability");
    let state = async || {
        let metrics = market.client.get("/metrics").await.body;
        let gauge = r#"circuit_breaker_state{name="post-availability"}"#;
        let line = metrics.as_str().unwrap().lines().find(|line| line.starts_with(gauge));
        line.and_then(|line| line.split(' ').next_back()).unwrap().to_owned()
    };

    market.client.get(&check).await.expect(200);
    assert_eq!(state().await, "0", "closed");
    failing.store(true, Ordering::Relaxed);
    for _ in 0..20 {
        market.client.get(&check).await;
    }
    assert_eq!(state().await, "2", "open");
    let reply = market.client.get(&check).await;
    assert!(!reply.header("retry-after").is_empty());
    reply.expect_problem(503, "circuit-open");
    // A plain read is not held off by it.
    assert_eq!(market.client.get(&format!("/posts/{post_id}")).await.status, 500);

    failing.store(false, Ordering::Relaxed);
    eventually("three probes have closed it", async || {
        market.client.get(&check).await;
        state().await == "0"
    })
    .await;
    market.client.get(&check).await.expect(200);
    market.stop().await;
    market_for_post.stop().await;
    done.cancel();
}
