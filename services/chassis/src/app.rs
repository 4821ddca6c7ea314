//! What a service's handlers share, and the one transaction in which a command or a reaction happens.

use crate::{
    auth::Verifier,
    idempotency::{self, Answer, Command, Key},
    metrics::{EventMetrics, Metrics, StoreMetrics},
    outbox,
    problem::Problem,
    store::outcome_unknown,
    trace::{Lasting, Trace},
    upstream::Upstream,
};
use axum::{extract::FromRef, http::Extensions};
use shared_events::{Envelope, Publish};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};
use tokio::sync::Notify;
use tracing::{Instrument, Span};

/// A running service, as its handlers and reactions see it. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The service's name: its schema, consumer group and event source.
    pub name: &'static str,
    /// Its own schema, and no other.
    pub db: PgPool,
    /// The other services, through the gateway.
    pub upstream: Upstream,
    /// Who its callers are.
    pub auth: Verifier,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    pub(crate) settings: Arc<Extensions>,
    pub(crate) events: Arc<EventMetrics>,
    pub(crate) stored: StoreMetrics,
    pub(crate) outbox: Arc<Notify>,
}

impl FromRef<App> for Verifier {
    fn from_ref(app: &App) -> Self {
        app.auth.clone()
    }
}

impl App {
    /// What the service was told: the `T` of its [`OwnSettings`](crate::settings::OwnSettings).
    pub fn settings<T: Send + Sync + 'static>(&self) -> &T {
        settings(&self.settings)
    }

    /// Opens the transaction of a command.
    ///
    /// # Errors
    /// 409 while a request with the same `Idempotency-Key` is in flight, 503 when the database is away.
    pub async fn begin<T>(&self, command: &Command<T>) -> Result<Tx, Problem> {
        let mut tx = self.transaction(command.caller.trace.clone()).await?;
        if let Some(key) = &command.key {
            idempotency::claim(&mut tx, self.name, key).await?;
            tx.key = Some(key.clone());
        }
        Ok(tx)
    }

    /// Opens the second transaction of a command that had to ask another service after its first. What the first has
    /// written stands already, so that a request with the same `Idempotency-Key` does not hold this one off.
    ///
    /// # Errors
    /// 503 when the database is away.
    pub async fn resume<T>(&self, command: &Command<T>) -> Result<Tx, Problem> {
        let tx = self.transaction(command.caller.trace.clone()).await?;
        Ok(Tx { key: command.key.clone(), ..tx })
    }

    /// Opens a transaction that answers nobody: a reaction's or a sweeper's. Within a trace it leaves a span, from which
    /// its events follow.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn transaction(&self, trace: Option<Trace>) -> Result<Tx, sqlx::Error> {
        // A sweeper's, every second and nearly always in vain, is not worth a trace.
        let span = trace.as_ref().map_or_else(Span::none, |_| {
            tracing::info_span!(
                "transaction",
                otel.kind = "client",
                service.name = self.name,
                db.system.name = "postgresql",
                db.namespace = self.name,
                committed = tracing::field::Empty,
            )
        });
        Ok(Tx {
            inner: self.db.begin().instrument(span.clone()).await?,
            outbox: self.outbox.clone(),
            counts: self.events.clone(),
            settings: self.settings.clone(),
            events: Vec::new(),
            trace: Trace::of_span(&span).or(trace),
            span: Lasting(span),
            key: None,
        })
    }
}

fn settings<T: Send + Sync + 'static>(settings: &Extensions) -> &T {
    settings.get().expect("a service asks for the settings that it has declared")
}

/// A transaction that carries its events: they are written when it commits, and not at all when it does not.
pub struct Tx {
    inner: Transaction<'static, Postgres>,
    outbox: Arc<Notify>,
    counts: Arc<EventMetrics>,
    settings: Arc<Extensions>,
    events: Vec<Envelope>,
    trace: Option<Trace>,
    span: Lasting,
    key: Option<Key>,
}

impl Tx {
    /// A transaction of no service: for a tool that replays reactions. It has no settings, and nobody relays what it
    /// publishes.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn detached(db: &PgPool) -> Result<Self, sqlx::Error> {
        Ok(Self {
            inner: db.begin().await?,
            outbox: Arc::default(),
            counts: Arc::new(EventMetrics::new(&Metrics::new("nobody"))),
            settings: Arc::default(),
            events: Vec::new(),
            trace: None,
            span: Lasting(Span::none()),
            key: None,
        })
    }

    /// What the service was told, as [`App::settings`] has it.
    pub fn settings<T: Send + Sync + 'static>(&self) -> &T {
        settings(&self.settings)
    }

    /// Will be published if and only if this transaction commits.
    pub fn publish(&mut self, event: &impl Publish) {
        let mut event = event.envelope(None);
        if let Some(trace) = &self.trace {
            trace.tag(&mut event);
        }
        self.events.push(event);
    }

    /// All of them, in order.
    pub fn publish_all<'e, E: Publish + 'e>(&mut self, events: impl IntoIterator<Item = &'e E>) {
        events.into_iter().for_each(|event| self.publish(event));
    }

    /// Commits the state, its events and, for a request with an `Idempotency-Key`, the answer.
    ///
    /// # Errors
    /// Those of the database: nothing has happened, unless its answer says that it may have.
    pub async fn answer(mut self, answer: Answer) -> Result<Answer, Problem> {
        if let Some(key) = self.key.take() {
            idempotency::store(&mut self.inner, &key, &answer).await?;
        }
        outbox::append(&mut self.inner, &self.events).await?;
        self.end().await.map_err(outcome_unknown)?;
        Ok(answer)
    }

    /// Commits the state and its events, and wakes the relay.
    ///
    /// # Errors
    /// Those of the database. When the connection was lost over the commit, it may have happened: whoever tries again has
    /// to find out.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        outbox::append(&mut self.inner, &self.events).await?;
        self.end().await
    }

    async fn end(self) -> Result<(), sqlx::Error> {
        self.inner.commit().await?;
        self.span.record("committed", true);
        if !self.events.is_empty() {
            self.outbox.notify_one();
        }
        self.counts.committed(&self.events);
        Ok(())
    }

    /// Gives everything up. Dropping a transaction does so too, and only later.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn rollback(self) -> Result<(), sqlx::Error> {
        self.inner.rollback().await
    }

    /// What is published from here on belongs to this trace.
    pub(crate) fn follow(&mut self, trace: Option<Trace>) {
        self.trace = trace;
    }
}

impl Deref for Tx {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.inner
    }
}
