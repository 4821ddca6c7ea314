//! A service as the gateway sees it: where it is, how many may wait for it, and whether it is being restarted.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::http::Uri;
use chassis::problem::Problem;
use tokio::{
    net::TcpStream,
    sync::{Semaphore, SemaphorePermit},
    time::{sleep, timeout},
};

/// How often a service that is away is asked whether it is back: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));

/// An absence that nobody has come upon for so long may have ended in between.
const FORGOTTEN: Duration = Duration::from_secs(10);

/// A service, or one call to it that has places of its own.
pub struct Upstream {
    /// `http://host:port`.
    pub base: Uri,
    /// Whether it can be connected to.
    pub presence: Arc<Presence>,
    places: Semaphore,
}

impl Upstream {
    /// At most `places` requests wait for it at once. That is the bulkhead: a service that hangs takes no more than
    /// its own share of all that may be in flight.
    pub fn new(base: Uri, presence: Arc<Presence>, places: u32) -> Self {
        Self { base, presence, places: Semaphore::new(places as usize) }
    }

    /// A place, until it is dropped.
    ///
    /// # Errors
    /// 503 `overloaded`.
    pub fn place(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.places.try_acquire().map_err(|_| {
            let detail = "Too many requests wait for this service at the moment. Please try again.";
            Problem::unavailable("overloaded", detail, 1)
        })
    }
}

/// Whether a service can be connected to. One that cannot is most likely being restarted: for a while its requests wait,
/// and after that they fail at once until it is back.
pub struct Presence {
    authority: String,
    connect_timeout: Duration,
    patience: Duration,
    away: AtomicBool,
    absence: Mutex<Option<Absence>>,
    asking: tokio::sync::Mutex<()>,
}

/// From the first to the last refusal so far.
#[derive(Clone, Copy)]
struct Absence {
    begun: Instant,
    last: Instant,
}

impl Presence {
    /// Of a service that is presumed there, and waited for `patience` when it is not.
    pub fn new(base: &Uri, connect_timeout: Duration, patience: Duration) -> Self {
        let host = base.host().unwrap_or_default();
        let authority = format!("{host}:{}", base.port_u16().unwrap_or(80));
        let (away, absence, asking) = Default::default();
        Self { authority, connect_timeout, patience, away, absence, asking }
    }

    /// Waits until a service that has just gone away listens again, or has been away for too long.
    pub async fn awaited(&self) {
        if !self.away.load(Ordering::Relaxed) {
            return;
        }
        // One asks for all.
        let _asking = self.asking.lock().await;
        let mut pause = PAUSES.0;
        while self.is_restarting() {
            if let Ok(Ok(_)) = timeout(self.connect_timeout, TcpStream::connect(&self.authority)).await {
                self.answered();
                return;
            }
            self.refused();
            sleep(pause).await;
            pause = PAUSES.1.min(pause * 2);
        }
    }

    /// It has taken a request.
    pub fn answered(&self) {
        if self.away.load(Ordering::Relaxed) {
            *self.lock() = None;
            self.away.store(false, Ordering::Relaxed);
        }
    }

    /// It could not be connected to. Says whether it is worth waiting for.
    pub fn refused(&self) -> bool {
        let now = Instant::now();
        let mut absence = self.lock();
        let begun = match *absence {
            Some(Absence { begun, last }) if now.duration_since(last) < FORGOTTEN => begun,
            _ => now,
        };
        *absence = Some(Absence { begun, last: now });
        self.away.store(true, Ordering::Relaxed);
        now.duration_since(begun) < self.patience
    }

    fn is_restarting(&self) -> bool {
        self.lock().is_some_and(|absence| absence.begun.elapsed() < self.patience)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Absence>> {
        // Nothing in there panics.
        self.absence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
