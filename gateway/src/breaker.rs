//! A circuit breaker: failsafe's state machine, with a window, probes and metrics of our own.
//!
//! failsafe's own `futures::CircuitBreaker::call` lets everyone through while half-open and closes at the first success,
//! and a late answer to a call from before the opening counts as a probe's. So its state machine is driven by hand here:
//! every decision is made under one lock, and a call's outcome counts only in the phase in which the call began.

use std::{
    collections::VecDeque,
    ops::ControlFlow,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{http::StatusCode, response::Response};
use chassis::{metrics::Metrics, problem::Problem, wire::duration};
use clap::Args;
use failsafe::{FailurePolicy, Instrument, StateMachine};
use prometheus::{IntCounterVec, IntGaugeVec, Opts};

/// The window is this many calls; before [`ENOUGH`] of them nothing is decided.
const WINDOW: usize = 20;
const ENOUGH: usize = 10;

/// So many calls are let through while half-open, and all of them must succeed.
const PROBES: u32 = 3;

const CLOSED: u8 = 0;
const HALF_OPEN: u8 = 1;
const OPEN: u8 = 2;

/// How patient the breakers are.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// An answer slower than this is delivered, but counts as a failure.
    #[arg(long = "breaker-slow-after", env = "BREAKER_SLOW_AFTER", default_value = "1s", value_parser = duration)]
    pub slow_after: Duration,
    /// An answer slower than this is not waited for.
    #[arg(long = "breaker-timeout", env = "BREAKER_TIMEOUT", default_value = "2s", value_parser = duration)]
    pub timeout: Duration,
    /// How long a breaker stays open before it lets probes through.
    #[arg(long = "breaker-open-for", env = "BREAKER_OPEN_FOR", default_value = "5s", value_parser = duration)]
    pub open_for: Duration,
}

/// What all breakers of a process count into.
#[derive(Clone)]
pub struct BreakerMetrics {
    state: IntGaugeVec,
    transitions: IntCounterVec,
    calls: IntCounterVec,
}

impl BreakerMetrics {
    /// Registers them; once for each [`Metrics`].
    pub fn new(metrics: &Metrics) -> Self {
        let fixed = "the names and labels of our own metrics are valid";
        // It is the next call, not the clock, that makes an open breaker half-open: until then it shows as open.
        let state = Opts::new("circuit_breaker_state", "0 closed, 1 half-open, 2 open.");
        let transitions = Opts::new("circuit_breaker_transitions_total", "Changes of state.");
        let calls = Opts::new("circuit_breaker_calls_total", "Calls, by how they ended.");
        Self {
            state: metrics.register(IntGaugeVec::new(state, &["name"]).expect(fixed)),
            transitions: metrics.register(IntCounterVec::new(transitions, &["name", "to"]).expect(fixed)),
            calls: metrics.register(IntCounterVec::new(calls, &["name", "outcome"]).expect(fixed)),
        }
    }
}

/// A breaker, named after what it protects.
pub struct Breaker {
    name: &'static str,
    settings: Settings,
    metrics: BreakerMetrics,
    state: Arc<AtomicU8>,
    gate: Mutex<Gate>,
}

/// What is decided upon under the lock.
struct Gate {
    machine: StateMachine<LastCalls, Watch>,
    /// The state as of the last look, and how often it has changed: a call belongs to the phase it began in.
    seen: u8,
    phase: u64,
    /// When the breaker stops being open.
    until: Instant,
    /// Probes of this phase that are under way or have succeeded.
    probes: u32,
    succeeded: u32,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(name: &'static str, settings: Settings, metrics: BreakerMetrics) -> Self {
        let state = Arc::new(AtomicU8::new(CLOSED));
        let watch = Watch { name, state: state.clone(), metrics: metrics.clone() };
        for word in ["closed", "half-open", "open"] {
            // There from the start, or the first change would not show as an increase.
            metrics.transitions.with_label_values(&[name, word]);
        }
        let policy = LastCalls { failed: VecDeque::with_capacity(WINDOW), open_for: settings.open_for };
        let gate = Gate {
            machine: StateMachine::new(policy, watch),
            seen: CLOSED,
            phase: 0,
            until: Instant::now(),
            probes: 0,
            succeeded: 0,
        };
        Self { name, settings, metrics, state, gate: Mutex::new(gate) }
    }

    /// Makes the call, if it may be made. An answer of 500 or above, one that takes longer than `slow_after` and none
    /// within `timeout` are failures. A 4xx is an answer like any other: the service is well. A call that could not be
    /// made and will be tried again (`Continue`) is none.
    ///
    /// # Errors
    /// 503 `circuit-open` at once while the breaker holds calls off, 503 `upstream-timeout`, or the call's own.
    pub async fn call<Again>(
        &self,
        call: impl Future<Output = ControlFlow<Result<Response, Problem>, Again>>,
    ) -> ControlFlow<Result<Response, Problem>, Again> {
        let mut permit = match self.admit() {
            Ok(permit) => permit,
            Err(rejected) => return ControlFlow::Break(Err(rejected)),
        };
        // The time-out is in here because a call that is given up outside of it teaches the breaker nothing.
        let answer = tokio::time::timeout(self.settings.timeout, call).await.unwrap_or_else(|_| {
            permit.timed_out = true;
            ControlFlow::Break(Err(Problem::unavailable(
                "upstream-timeout",
                "The service takes too long to answer. Please try again.",
                1,
            )))
        });
        if let ControlFlow::Break(answer) = &answer {
            permit.finish(answer.as_ref().map_or_else(Problem::status, Response::status));
        }
        answer
    }

    fn admit(&self) -> Result<Permit<'_>, Problem> {
        let mut gate = self.lock();
        let permitted = gate.machine.is_call_permitted();
        self.look(&mut gate);
        if !permitted || (gate.seen == HALF_OPEN && gate.probes == PROBES) {
            self.count("rejected");
            let left = gate.until.saturating_duration_since(Instant::now());
            let seconds = left.as_millis().div_ceil(1000).clamp(1, 86_400) as u32;
            let detail =
                "A service that this needs is not well; it is given time to recover. Please try again later.";
            return Err(Problem::unavailable("circuit-open", detail, seconds));
        }
        if gate.seen == HALF_OPEN {
            gate.probes += 1;
        }
        Ok(Permit { breaker: self, phase: gate.phase, start: Instant::now(), timed_out: false, done: false })
    }

    /// Takes notice of a change of state. Called under the lock after whatever may have changed it.
    fn look(&self, gate: &mut Gate) {
        let state = self.state.load(Ordering::Relaxed);
        if state != gate.seen {
            gate.seen = state;
            gate.phase += 1;
            (gate.probes, gate.succeeded) = (0, 0);
            if state == OPEN {
                gate.until = Instant::now() + self.settings.open_for;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Gate> {
        // Nothing in there panics; and if it did, its numbers would still be sound.
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, outcome: &str) {
        self.metrics.calls.with_label_values(&[self.name, outcome]).inc();
    }
}

/// Leave to make one call. Dropped without [`finish`](Permit::finish), the call was given up by its client, or not
/// made.
struct Permit<'a> {
    breaker: &'a Breaker,
    phase: u64,
    start: Instant,
    timed_out: bool,
    done: bool,
}

impl Permit<'_> {
    fn finish(mut self, status: StatusCode) {
        self.done = true;
        let slow = self.start.elapsed() > self.breaker.settings.slow_after;
        let outcome = match status.is_server_error() {
            _ if self.timed_out => "timeout",
            true => "failure",
            false if slow => "slow",
            false => "success",
        };
        self.record(outcome, Some(outcome == "success"));
    }

    /// `well`: how the call went, if that is known.
    fn record(&self, outcome: &str, well: Option<bool>) {
        self.breaker.count(outcome);
        let mut gate = self.breaker.lock();
        if gate.phase != self.phase {
            return;
        }
        match (well, gate.seen) {
            (Some(false), _) => gate.machine.on_error(),
            (Some(true), HALF_OPEN) => {
                gate.succeeded += 1;
                // The machine closes at the first success it is told of, so it is told when all probes are back.
                if gate.succeeded == PROBES {
                    gate.machine.on_success();
                }
            }
            (Some(true), _) => gate.machine.on_success(),
            // Another may probe in its place.
            (None, HALF_OPEN) => gate.probes -= 1,
            (None, _) => {}
        }
        self.breaker.look(&mut gate);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.done {
            // A client that has lost patience with a slow answer still tells that it was slow.
            let slow = self.start.elapsed() > self.breaker.settings.slow_after;
            self.record("canceled", slow.then_some(false));
        }
    }
}

/// failsafe's question "is it dead?": yes if half of the last calls have failed. failsafe asks it at failures only, so it
/// is always a failure that opens a breaker.
struct LastCalls {
    failed: VecDeque<bool>,
    open_for: Duration,
}

impl LastCalls {
    fn push(&mut self, failed: bool) {
        if self.failed.len() == WINDOW {
            self.failed.pop_front();
        }
        self.failed.push_back(failed);
    }
}

impl FailurePolicy for LastCalls {
    fn record_success(&mut self) {
        self.push(false);
    }

    fn mark_dead_on_failure(&mut self) -> Option<Duration> {
        self.push(true);
        let failed = self.failed.iter().filter(|failed| **failed).count();
        (self.failed.len() >= ENOUGH && failed * 2 >= self.failed.len()).then_some(self.open_for)
    }

    fn revived(&mut self) {
        self.failed.clear();
    }
}

/// Notes failsafe's changes of state, for us and for the metrics.
struct Watch {
    name: &'static str,
    state: Arc<AtomicU8>,
    metrics: BreakerMetrics,
}

impl Watch {
    fn is_now(&self, state: u8, word: &str) {
        self.metrics.state.with_label_values(&[self.name]).set(state.into());
        // A new machine announces that it is closed: no change.
        if self.state.swap(state, Ordering::Relaxed) != state {
            self.metrics.transitions.with_label_values(&[self.name, word]).inc();
            tracing::warn!(breaker = self.name, state = word, "circuit breaker changed");
        }
    }
}

impl Instrument for Watch {
    fn on_call_rejected(&self) {}

    fn on_open(&self) {
        self.is_now(OPEN, "open");
    }

    fn on_half_open(&self) {
        self.is_now(HALF_OPEN, "half-open");
    }

    fn on_closed(&self) {
        self.is_now(CLOSED, "closed");
    }
}
