//! Reactions: each event has its effect once, however often it is delivered.

use crate::{
    app::{App, Tx},
    dead_letter,
    store::is_passing,
    trace::{Lasting, Trace},
};
use futures::future::BoxFuture;
use prometheus::IntGaugeVec;
use shared_events::{Envelope, Event, MalformedRecord, WireDate};
use std::time::{Duration, Instant};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field::Empty};
use uuid::Uuid;

/// An event that is at fault is tried this often before it becomes a dead letter, about a second in all.
const ATTEMPTS: u32 = 4;
const BACKOFF: Duration = Duration::from_millis(100);
/// While the database is away there is nothing to be given up.
const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// Why a reaction failed.
#[derive(Debug, thiserror::Error)]
pub enum ReactionError {
    /// The database is away, or refuses.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The event is not what its type says.
    #[error(transparent)]
    Malformed(#[from] MalformedRecord),
    /// The event makes no sense here.
    #[error("{0}")]
    Nonsense(String),
}

/// What a reaction returns.
pub type Reacted = Result<(), ReactionError>;

/// An event as a reaction receives it.
#[derive(Debug, Clone)]
pub struct Received<E> {
    /// Its identity; the same at every delivery.
    pub id: Uuid,
    /// When it happened.
    pub time: WireDate,
    /// The event.
    pub event: E,
}

impl<E: Event> Received<E> {
    /// Opens an envelope.
    ///
    /// # Errors
    /// The value is not the JSON of `E`.
    pub fn open(envelope: &Envelope) -> Result<Self, MalformedRecord> {
        Ok(Self { id: envelope.id, time: envelope.time, event: envelope.parse()? })
    }
}

/// A reaction to events of any type.
pub type React = for<'a> fn(&'a mut Tx, &'a Envelope) -> BoxFuture<'a, Reacted>;

/// A service's table of reactions; written with [`reactions!`](crate::reactions).
#[derive(Clone, Copy)]
pub struct Reactions {
    types: &'static [&'static str],
    react: React,
    record: Option<React>,
    batch_size: usize,
}

impl Reactions {
    #[doc(hidden)]
    pub const fn new(types: &'static [&'static str], react: React) -> Self {
        Self { types, react, record: None, batch_size: 1 }
    }

    /// The names of the events that have a reaction.
    pub const fn types(&self) -> &'static [&'static str] {
        self.types
    }

    /// Lets up to `size` events share a transaction: for views, which lock nothing that a command wants.
    #[must_use]
    pub const fn in_batches_of(self, size: usize) -> Self {
        Self { batch_size: size, ..self }
    }

    /// Lets `record` see each event before its reaction does, in the same transaction: what it keeps is what had
    /// its effect, once and in that order.
    #[must_use]
    pub const fn recorded_by(self, record: React) -> Self {
        Self { record: Some(record), ..self }
    }

    /// The effect of one event, with no regard to the inbox.
    ///
    /// # Errors
    /// Those of the reaction.
    pub async fn react(&self, tx: &mut Tx, event: &Envelope) -> Reacted {
        if let Some(record) = self.record {
            record(tx, event).await?;
        }
        (self.react)(tx, event).await
    }
}

/// The map from consumed event to reaction, readable as a table:
///
/// ```ignore
/// reactions! {
///     DealReserved => reactions::take_units,
///     DealCanceled => reactions::restore_units,
/// }
/// ```
///
/// A reaction is `async fn(&mut Tx, Received<E>) -> Reacted`.
#[macro_export]
macro_rules! reactions {
    ($($event:ty => $reaction:path),+ $(,)?) => {
        $crate::inbox::Reactions::new(
            &[$(<$event as $crate::shared_events::Event>::TYPE),+],
            |tx, envelope| Box::pin(async move {
                match envelope.event_type.as_str() {
                    $(<$event as $crate::shared_events::Event>::TYPE => {
                        $reaction(tx, $crate::inbox::Received::<$event>::open(envelope)?).await
                    })+
                    _ => Ok(()),
                }
            }),
        )
    };
}

/// The reactions of one running service.
#[derive(Clone)]
pub struct Consumer {
    app: App,
    reactions: Reactions,
}

impl Consumer {
    pub(crate) fn new(app: App, reactions: Reactions) -> Self {
        Self { app, reactions }
    }

    pub(crate) fn service(&self) -> &'static str {
        self.app.name
    }

    pub(crate) fn lag(&self) -> IntGaugeVec {
        self.app.events.lag.clone()
    }

    pub(crate) fn batch_size(&self) -> usize {
        self.reactions.batch_size
    }

    /// Returns when the effect of every event is committed, or the event is a dead letter; false when `stop`
    /// came first. Events keep their order.
    pub async fn deliver(&self, events: &[Envelope], stop: &CancellationToken) -> bool {
        let ours: Vec<_> =
            events.iter().filter(|event| self.reactions.types.contains(&event.event_type.as_str())).collect();
        for batch in ours.chunks(self.reactions.batch_size) {
            // Together first; when one of them fails, each on its own, so that it does not hold the others.
            if batch.len() > 1 && self.react(batch).await.is_ok() {
                continue;
            }
            for event in batch {
                if !self.deliver_one(event, stop).await {
                    return false;
                }
            }
        }
        true
    }

    async fn deliver_one(&self, event: &Envelope, stop: &CancellationToken) -> bool {
        let (mut attempts, mut backoff) = (0, BACKOFF);
        loop {
            let error = match self.react(&[event]).await {
                Ok(()) => return true,
                Err(error) => error,
            };
            self.app.events.retries.inc();
            if !matches!(&error, ReactionError::Database(error) if is_passing(error)) {
                attempts += 1;
                if attempts >= ATTEMPTS || matches!(error, ReactionError::Malformed(_)) {
                    match dead_letter::bury(&self.app, event, &error).await {
                        Ok(()) => return true,
                        Err(error) => {
                            tracing::warn!(service = self.app.name, %error, "dead letter not stored")
                        }
                    }
                }
            }
            tracing::debug!(service = self.app.name, event = %event.id, %error, "reaction is tried again");
            tokio::select! {
                () = sleep(backoff) => backoff = (backoff * 2).min(MAX_BACKOFF),
                () = stop.cancelled() => return false,
            }
        }
    }

    /// Reacts to events that share a transaction, and tells how it went.
    async fn react(&self, events: &[&Envelope]) -> Reacted {
        let begun = Instant::now();
        let spans: Vec<_> = events.iter().map(|event| self.span(event)).collect();
        let reacted = self.transact(events, &spans).await;
        match &reacted {
            Ok(()) => self.app.events.reacted(events, begun.elapsed()),
            Err(error) => spans.iter().for_each(|span| {
                span.record("otel.status_code", "ERROR");
                span.record("otel.status_description", tracing::field::display(error));
            }),
        }
        reacted
    }

    /// One transaction: the inbox rows, the effects and the events they cause.
    async fn transact(&self, events: &[&Envelope], spans: &[Lasting]) -> Reacted {
        let mut tx = self.app.transaction(None).await?;
        for (event, span) in events.iter().zip(spans) {
            let effect = async {
                if first_time(&mut tx, event.id).await? {
                    self.take_effect(&mut tx, event, span).await?;
                }
                Ok::<_, ReactionError>(())
            };
            effect.instrument(span.0.clone()).await?;
        }
        Ok(tx.commit().await?)
    }

    /// What the event causes from here on is of its trace.
    async fn take_effect(&self, tx: &mut Tx, event: &Envelope, span: &Span) -> Reacted {
        tx.follow(Trace::of_span(span).or_else(|| Trace::of_event(event)));
        self.reactions.react(tx, event).await
    }

    /// The span of one attempt at an event, the child of its publication. It ends when the transaction does.
    fn span(&self, event: &Envelope) -> Lasting {
        let span = tracing::info_span!(
            parent: None,
            "process",
            otel.name = %format_args!("process {}", event.event_type),
            otel.kind = "consumer",
            otel.status_code = Empty,
            otel.status_description = Empty,
            service.name = self.app.name,
            messaging.operation.type = "process",
            messaging.destination.name = shared_events::TOPIC,
            messaging.consumer.group.name = self.app.name,
            messaging.message.id = %event.id,
            cloudevents.event_type = event.event_type,
            post_id = event.post_id,
        );
        if let Some(cause) = Trace::of_event(event) {
            cause.adopt(&span);
        }
        Lasting(span)
    }

    /// Lets a dead letter have its effect, once: true unless it was replayed or discarded meanwhile.
    pub(crate) async fn replay(&self, id: i64) -> Result<bool, ReactionError> {
        let mut tx = self.app.transaction(None).await?;
        let Some(event) = dead_letter::exhume(&mut tx, id).await? else { return Ok(false) };
        let span = self.span(&event);
        self.take_effect(&mut tx, &event, &span).instrument(span.0.clone()).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Writes the inbox row; false when it is there.
pub(crate) async fn first_time(tx: &mut Tx, event_id: Uuid) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query("insert into inbox (event_id) values ($1) on conflict do nothing")
        .bind(event_id)
        .execute(&mut **tx)
        .await?;
    Ok(inserted.rows_affected() == 1)
}
