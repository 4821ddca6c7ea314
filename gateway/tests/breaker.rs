//! The circuit breaker on the deal service's check of a post.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use axum::{Router, extract::Path, http::StatusCode, routing::get};
use common::*;
use reqwest::{Client, Response};
use tokio::sync::Semaphore;

const STATE: &str = r#"circuit_breaker_state{name="post-availability"}"#;
const CLOSED: Option<f64> = Some(0.0);
const HALF_OPEN: Option<f64> = Some(1.0);
const OPEN: Option<f64> = Some(2.0);

/// A post service that does as the id says, and the gateway before it.
struct World {
    client: Client,
    gateway: Server,
    /// How many calls have reached the service.
    reached: Arc<AtomicUsize>,
    /// One permit lets one `wait` answer.
    gate: Arc<Semaphore>,
    _service: Server,
}

impl World {
    async fn new(slow_after: u64, timeout: u64, open_for: u64) -> Self {
        let (reached, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (counter, waiting) = (reached.clone(), gate.clone());
        let handler = async move |Path(kind): Path<String>| {
            counter.fetch_add(1, SeqCst);
            match kind.as_str() {
                "fail" => return StatusCode::INTERNAL_SERVER_ERROR,
                "unknown" => return StatusCode::NOT_FOUND,
                "wait" => waiting.acquire().await.unwrap().forget(),
                "slow" => tokio::time::sleep(Duration::from_millis(600)).await,
                _ => {}
            }
            StatusCode::OK
        };
        let router = Router::new().route("/posts/{id}/availability", get(handler)).fallback(async || "plain");
        let service = service(router).await;
        let mut config = config(service.address);
        config.breaker.slow_after = Duration::from_millis(slow_after);
        config.breaker.timeout = Duration::from_millis(timeout);
        config.breaker.open_for = Duration::from_millis(open_for);
        let gateway = gateway(config).await;
        Self { client: Client::new(), gateway, reached, gate, _service: service }
    }

    fn request(&self, kind: &str) -> reqwest::RequestBuilder {
        self.client.get(self.gateway.url(&format!("/posts/{kind}/availability")))
    }

    async fn ask(&self, kind: &str) -> Response {
        self.request(kind).send().await.unwrap()
    }

    async fn ask_all(&self, kinds: &[(&str, usize)]) {
        for (kind, times) in kinds {
            for _ in 0..*times {
                self.ask(kind).await;
            }
        }
    }

    async fn state(&self) -> Option<f64> {
        metric(&self.gateway, STATE).await
    }

    async fn count(&self, metric_name: &str, label: &str, value: &str) -> Option<f64> {
        metric(&self.gateway, &format!(r#"{metric_name}{{name="post-availability",{label}="{value}"}}"#))
            .await
    }

    /// Starts calls that wait in the service, once the breaker lets the first of them through.
    async fn start_waiting(&self, count: usize) -> Vec<tokio::task::JoinHandle<reqwest::Result<Response>>> {
        let mut tasks = Vec::new();
        for _ in 0..count {
            let next = self.reached.load(SeqCst) + 1;
            let mut task = tokio::spawn(self.request("wait").send());
            until(async || {
                if task.is_finished() {
                    // Not yet.
                    task = tokio::spawn(self.request("wait").send());
                }
                self.reached.load(SeqCst) == next
            })
            .await;
            tasks.push(task);
        }
        tasks
    }
}

#[tokio::test]
async fn opens_at_the_tenth_call_when_half_failed_and_rejects_at_once() {
    let world = World::new(1000, 2000, 60_000).await;
    world.ask_all(&[("ok", 5), ("fail", 4)]).await;
    assert_eq!(world.state().await, CLOSED);
    world.ask_all(&[("fail", 1)]).await;
    assert_eq!(world.state().await, OPEN);

    let reached = world.reached.load(SeqCst);
    let mut fastest = Duration::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        let response = world.ask("ok").await;
        fastest = fastest.min(start.elapsed());
        let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((50..=60).contains(&seconds), "{seconds}");
        assert_problem(response, 503, "circuit-open").await;
    }
    // The fastest of them, because the machine that runs the tests has other things to do.
    assert!(fastest < Duration::from_millis(5), "{fastest:?}");
    assert_eq!(world.reached.load(SeqCst), reached);
    assert_eq!(world.count("circuit_breaker_calls_total", "outcome", "rejected").await, Some(20.0));
    assert_eq!(world.count("circuit_breaker_calls_total", "outcome", "failure").await, Some(5.0));
    assert_eq!(world.count("circuit_breaker_transitions_total", "to", "open").await, Some(1.0));

    // Plain reads know of no breaker, nor does anything but GET.
    let plain = world.client.get(world.gateway.url("/posts/1")).send().await.unwrap();
    assert_eq!(plain.text().await.unwrap(), "plain");
    let head = world.client.head(world.gateway.url("/posts/1/availability")).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_opens_it() {
    type Calls = &'static [(&'static str, usize)];
    let table: &[(&str, Calls, Option<f64>)] = &[
        ("half of ten have failed", &[("ok", 5), ("fail", 5)], OPEN),
        ("less than half", &[("ok", 6), ("fail", 4)], CLOSED),
        ("nine are too few to tell", &[("fail", 9)], CLOSED),
        ("slow is as bad as failed", &[("ok", 5), ("slow", 3), ("fail", 2)], OPEN),
        ("a 4xx never counts", &[("unknown", 30)], CLOSED),
        ("nor does it hide failures", &[("unknown", 5), ("fail", 5)], OPEN),
        // Nine failures leave the window one by one as new calls come in.
        ("a window of twenty forgets", &[("ok", 10), ("fail", 9), ("ok", 11), ("fail", 9)], CLOSED),
        ("half of the last twenty", &[("ok", 30), ("fail", 10)], OPEN),
    ];
    let rows = table.iter().map(async |(why, calls, expected)| {
        let world = World::new(500, 2000, 60_000).await;
        world.ask_all(calls).await;
        assert_eq!(world.state().await, *expected, "{why}");
    });
    futures::future::join_all(rows).await;
}

#[tokio::test]
async fn the_check_of_a_post_and_payments_have_a_breaker_each() {
    let world = World::new(1000, 2000, 60_000).await;
    world.ask_all(&[("fail", 10)]).await;
    assert_eq!(world.state().await, OPEN);
    let pay = || world.client.post(world.gateway.url("/payments")).body("{}").send();
    assert_eq!(pay().await.unwrap().text().await.unwrap(), "plain");
    let payments = metric(&world.gateway, r#"circuit_breaker_state{name="payments"}"#).await;
    assert_eq!(payments, CLOSED);
}

#[tokio::test]
async fn a_slow_answer_is_delivered_and_counts() {
    let world = World::new(30, 2000, 60_000).await;
    let slow = futures::future::join_all((0..10).map(|_| world.ask("slow"))).await;
    assert!(slow.iter().all(|response| response.status() == StatusCode::OK));
    assert_eq!(world.state().await, OPEN);
    assert_eq!(world.count("circuit_breaker_calls_total", "outcome", "slow").await, Some(10.0));
}

#[tokio::test]
async fn a_hanging_call_is_given_up_and_counts() {
    let world = World::new(20, 30, 60_000).await;
    for _ in 0..10 {
        let response = world.ask("wait").await;
        assert_eq!(response.headers()["retry-after"], "1");
        assert_problem(response, 503, "upstream-timeout").await;
    }
    assert_eq!(world.state().await, OPEN);
    assert_eq!(world.count("circuit_breaker_calls_total", "outcome", "timeout").await, Some(10.0));
}

#[tokio::test]
async fn half_open_lets_three_through_and_three_successes_close() {
    let world = World::new(5000, 10_000, 100).await;
    world.ask_all(&[("fail", 10)]).await;
    assert_eq!(world.state().await, OPEN);
    let probes = world.start_waiting(1).await;
    assert_eq!(world.state().await, HALF_OPEN);
    let before = world.reached.load(SeqCst);
    let mut crowd: Vec<_> = (0..50).map(|_| tokio::spawn(world.request("wait").send())).collect();
    until(async || crowd.iter().filter(|task| task.is_finished()).count() == 48).await;
    until(async || world.reached.load(SeqCst) == before + 2).await;
    let rejected = crowd.extract_if(.., |task| task.is_finished()).collect::<Vec<_>>();
    for task in rejected {
        let response = task.await.unwrap().unwrap();
        assert_eq!(response.headers()["retry-after"], "1");
        assert_problem(response, 503, "circuit-open").await;
    }

    // Two successes are not three.
    world.gate.add_permits(2);
    let succeeded = async || world.count("circuit_breaker_calls_total", "outcome", "success").await;
    until(async || succeeded().await == Some(2.0)).await;
    assert_eq!(world.state().await, HALF_OPEN);
    assert_eq!(world.ask("ok").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    world.gate.add_permits(1);
    until(async || world.state().await == CLOSED).await;
    for task in probes.into_iter().chain(crowd) {
        assert_eq!(task.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    // With a clean record.
    world.ask_all(&[("fail", 8)]).await;
    assert_eq!(world.state().await, CLOSED);
}

#[tokio::test]
async fn a_failed_probe_reopens_and_late_answers_do_not_matter() {
    let world = World::new(5000, 10_000, 100).await;
    let late = world.start_waiting(1).await;
    world.ask_all(&[("fail", 10)]).await;
    assert_eq!(world.state().await, OPEN);

    let probes = world.start_waiting(2).await;
    assert_eq!(world.state().await, HALF_OPEN);
    assert_eq!(world.ask("fail").await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(world.state().await, OPEN);

    // Half-open again: neither the answer to a call from before the opening nor those of the last probes are probes now.
    let current = world.start_waiting(1).await;
    world.gate.add_permits(3);
    for task in late.into_iter().chain(probes) {
        assert_eq!(task.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(world.state().await, HALF_OPEN);
    world.ask_all(&[("ok", 2)]).await;
    assert_eq!(world.state().await, HALF_OPEN);
    world.gate.add_permits(1);
    until(async || world.state().await == CLOSED).await;
    drop(current);
}

#[tokio::test]
async fn a_canceled_probe_makes_room_for_another() {
    let world = World::new(5000, 10_000, 100).await;
    world.ask_all(&[("fail", 10)]).await;
    let probes = world.start_waiting(3).await;
    assert_eq!(world.ask("ok").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    for probe in probes {
        probe.abort();
    }
    let canceled = async || world.count("circuit_breaker_calls_total", "outcome", "canceled").await;
    until(async || canceled().await == Some(3.0)).await;
    assert_eq!(world.state().await, HALF_OPEN);
    world.ask_all(&[("ok", 3)]).await;
    assert_eq!(world.state().await, CLOSED);
}

#[tokio::test]
async fn a_client_that_gives_up_on_a_slow_answer_tells_that_it_was_slow() {
    let world = World::new(20, 10_000, 60_000).await;
    for _ in 0..10 {
        let impatient = world.request("wait").timeout(Duration::from_millis(40));
        assert!(impatient.send().await.unwrap_err().is_timeout());
    }
    until(async || world.state().await == OPEN).await;
}
