//! The crash suite: real programs, PostgreSQL and Kafka, killed with `kill -9` at random moments while people trade.
//! Afterwards the auditor looks at all of it, and every promise that was made to a client is held against the API.
//!
//! `cargo build --workspace`, then `cargo test -p standalone --test crash -- --ignored --nocapture`; longer with
//! `CRASH_KILLS=500`, the same again with `CRASH_SEED` (its choices, that is: time makes its own). See
//! docs/RELIABILITY.md.

#![allow(unreachable_pub, clippy::unwrap_used, reason = "a test fails by panicking")]

mod auditing;
mod clients;
#[path = "../common/mod.rs"]
mod common;
mod machines;
mod promises;

use chassis::bus::KafkaSettings;
use clients::Client;
use machines::{Machines, Target};
use promises::Promises;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use standalone::audit;
use std::{
    collections::BTreeMap,
    str::FromStr,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio_util::sync::CancellationToken;

/// How long the whole may take to come to rest: an offer whose request was killed is given up after a minute.
const REST: Duration = Duration::from_secs(240);

fn setting<T: FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs scripts/kafka and the programs"]
async fn killed_at_random_it_keeps_every_promise() {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let seed: u64 = setting("CRASH_SEED", u64::try_from(clock).unwrap());
    let kills: u32 = setting("CRASH_KILLS", 20);
    let minutes: u64 = setting("CRASH_MINUTES", 60);
    let clients: u64 = setting("CRASH_CLIENTS", 6);
    // Between two kills, in milliseconds, at most.
    let pause: u64 = setting("CRASH_PAUSE", 2000);
    println!("CRASH_SEED={seed}");

    let mut random = SmallRng::seed_from_u64(seed);
    let mut machines = Machines::start().await;
    let market = Arc::new(Mutex::new(Promises::default()));
    let stop = CancellationToken::new();
    let trading: Vec<_> = (0..clients)
        .map(|number| {
            let client = Client::new(number, seed, machines.address("gateway"), market.clone());
            tokio::spawn(client.trade(stop.clone()))
        })
        .collect();

    let begun = Instant::now();
    let mut killed = BTreeMap::<Target, u32>::new();
    for _ in 0..kills {
        if begun.elapsed() > Duration::from_secs(60 * minutes) {
            break;
        }
        let target = Target::any(&mut random);
        let dead = Duration::from_millis(random.random_range(0..1500));
        machines.kill(target, dead).await;
        *killed.entry(target).or_default() += 1;
        let sofar = killed.values().sum::<u32>();
        if sofar.is_multiple_of(50) {
            let confirmed = market.lock().unwrap().confirmed;
            println!("{sofar} kills in {:.0?}, {confirmed} commands confirmed", begun.elapsed());
        }
        machines.sleep(Duration::from_millis(random.random_range(0..pause))).await;
    }
    let stormed = begun.elapsed();

    machines.ready().await;
    stop.cancel();
    for client in trading {
        client.await.unwrap();
    }
    let resting = Instant::now();
    let kafka = KafkaSettings::at(machines.kafka());
    let report = audit::audit(machines.database(), Some(&kafka), REST).await.unwrap();
    let rested = resting.elapsed();
    let promises = std::mem::take(&mut *market.lock().unwrap());
    let broken = promises::broken(&promises, &machines).await;

    println!("\nkilled, in {stormed:.0?}:");
    for (target, count) in &killed {
        println!("  {count:>5}  {target}");
    }
    println!("  {:>5}  in all", killed.values().sum::<u32>());
    println!(
        "{} commands confirmed, {} requests repeated, {} paid offers left unclear; answers:",
        promises.confirmed, promises.repeated, promises.unclear_offers
    );
    for (answer, count) in &promises.answers {
        println!("  {count:>5}  {answer}");
    }
    println!("came to rest and was audited in {rested:.1?}\n{report}");

    let mut findings = machines.findings.clone();
    findings.extend(machines.panics());
    findings.extend(promises.findings);
    findings.extend(broken);
    findings.extend(report.unrest.clone());
    findings.extend(report.broken().into_iter().map(str::to_owned));
    if !findings.is_empty() {
        println!("logs: {}", machines.keep_logs().display());
    }
    assert!(findings.is_empty(), "CRASH_SEED={seed}: {findings:#?}");
}
