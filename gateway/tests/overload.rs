//! Several times as much as the gateway is allowed to pass on, for a while; prints what docs/RELIABILITY.md says of it.
//! `cargo test -p gateway --test overload -- --ignored --nocapture`

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use axum::Router;
use common::*;
use reqwest::Client;
use tokio::net::TcpStream;

/// 16 at once, 200 ms each: 80 answers per second are what there is to have, and little work for the machine.
const PLACES: u32 = 16;
const WORK: Duration = Duration::from_millis(200);
const CAPACITY: u32 = 80;

/// The gateway as a process of its own, so that its memory is its own.
struct Process {
    child: Child,
    base: String,
}

impl Process {
    fn start(service: &Server) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
        for name in ["POST_URL", "OFFER_URL", "DEAL_URL", "MYPAGE_URL", "NOTIFICATION_URL"] {
            command.env(name, service.url(""));
        }
        command
            .env("MAX_IN_FLIGHT", PLACES.to_string())
            .env("RUST_LOG", "error")
            .env("AUTH", "open")
            .args(["--port", "0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let base = line.trim().strip_prefix("gateway: ").unwrap().to_owned();
        Self { child, base }
    }

    /// Resident memory in MiB.
    fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came of a load.
struct Outcome {
    accepted: Vec<Duration>,
    shed: Vec<Duration>,
}

impl Outcome {
    fn percentile(times: &mut [Duration], percent: usize) -> Duration {
        times.sort_unstable();
        times.get((times.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
    }

    fn print(&mut self, phase: &str, memory: f64) {
        let (accepted, shed) = (self.accepted.len(), self.shed.len());
        let [a50, a99] = [50, 99].map(|percent| Self::percentile(&mut self.accepted, percent));
        let s99 = Self::percentile(&mut self.shed, 99);
        println!(
            "{phase}: {accepted} accepted, p50 {a50:.1?}, p99 {a99:.1?}; {shed} shed, p99 {s99:.1?}; {memory:.1} MiB"
        );
    }
}

/// So many requests per second, each on time whatever became of those before it: real clients do not wait for each other.
async fn load(client: &Client, base: &str, per_second: u32, length: Duration) -> Outcome {
    let begun = Instant::now();
    let mut tasks = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1) / per_second);
    while begun.elapsed() < length {
        tick.tick().await;
        let request = match tasks.len() % 4 {
            0 => client.post(format!("{base}/offers")).body("{}"),
            _ => client.get(format!("{base}/posts")),
        };
        tasks.push(tokio::spawn(async move {
            let start = Instant::now();
            let response = request.send().await.unwrap();
            let (status, headers) = (response.status(), response.headers().clone());
            response.bytes().await.unwrap();
            assert!(status == 200 || (status == 503 && headers.contains_key("retry-after")), "{status}");
            (status == 200, start.elapsed())
        }));
    }
    let mut outcome = Outcome { accepted: Vec::new(), shed: Vec::new() };
    for task in tasks {
        let (accepted, took) = task.await.unwrap();
        if accepted { &mut outcome.accepted } else { &mut outcome.shed }.push(took);
    }
    outcome
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures for half a minute"]
async fn overload_is_shed_and_what_is_accepted_stays_quick() {
    let service = service(Router::new().fallback(async || tokio::time::sleep(WORK).await)).await;
    let gateway = Process::start(&service);
    let client = Client::builder().pool_idle_timeout(Duration::from_secs(5)).build().unwrap();
    let seconds = Duration::from_secs;

    let mut memory = HashMap::new();
    let mut phases = Vec::new();
    for (phase, per_second, length) in [
        ("calm", CAPACITY / 2, seconds(5)),
        ("overload x5", CAPACITY * 5, seconds(10)),
        ("overload x5 again", CAPACITY * 5, seconds(10)),
        ("calm again", CAPACITY / 2, seconds(5)),
    ] {
        let mut outcome = load(&client, &gateway.base, per_second, length).await;
        memory.insert(phase, gateway.memory());
        outcome.print(phase, memory[phase]);
        phases.push((phase, outcome));
    }

    for (phase, outcome) in &mut phases {
        let p99 = Outcome::percentile(&mut outcome.accepted, 99);
        assert!(p99 < WORK * 5, "{phase}: {p99:?}");
        match phase.starts_with("calm") {
            true => assert!(outcome.shed.is_empty(), "{phase}: {} shed", outcome.shed.len()),
            // It goes on working at its capacity.
            false => {
                assert!(outcome.accepted.len() as u32 > CAPACITY * 10 * 8 / 10, "{}", outcome.accepted.len());
                assert!(!outcome.shed.is_empty());
            }
        }
    }
    // What one such time has taken is enough for the next.
    let growth = memory["overload x5 again"] - memory["overload x5"];
    assert!(growth < 16.0, "{growth:.1} MiB more");

    // Thousands that connect and say nothing.
    let silent = (0..2000).map(|_| TcpStream::connect(gateway.base.strip_prefix("http://").unwrap()));
    let silent: Vec<_> = futures::future::join_all(silent).await.into_iter().map(Result::unwrap).collect();
    let mut beside = load(&client, &gateway.base, CAPACITY / 2, seconds(3)).await;
    beside.print(&format!("beside {} silent connections", silent.len()), gateway.memory());
    assert!(beside.shed.is_empty() && Outcome::percentile(&mut beside.accepted, 99) < WORK * 5);
}
