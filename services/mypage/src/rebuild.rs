//! Makes the views anew from the history, beside the live ones, while those are read and written.
//!
//! All of it is one transaction: the fresh tables are its own, what comes meanwhile is caught up with, and its commit
//! is the swap. Whatever ends it before that, the live tables are as they were. Readers never wait. Reactions wait at
//! its end, while the last events are replayed and the tables are compared.
//!
//! Two events of one publisher about one post are recorded one after the other; others may be recorded in another
//! order than that of their effects, and the views end the same in any.
//!
//! What it costs: 400 bytes of disk an event, its index included (measured; a test holds it below 600), for good; one
//! more insert a reaction; and while a rebuild runs, one connection, temporary tables as large as the live ones, and
//! a vacuum of this database that has to wait. The comparison at the end took 4 µs a row, and 35 µs a row that was
//! wrong, with a million rows.

use crate::{
    REACTIONS,
    store::{history, rebuild},
};
use chassis::{
    app::{App, Tx},
    inbox::{Reacted, ReactionError},
};
use shared_events::Envelope;
use sqlx::PgPool;

/// Events that are read at a time, and the most that shall be left to do while reactions wait.
const PAGE: i64 = 1000;
/// Rounds of catching up before the rest is done while reactions wait, should events come as fast as they are
/// replayed.
const ROUNDS: usize = 10;

/// Keeps an event, in the transaction of its effect.
pub(crate) async fn record(tx: &mut Tx, event: &Envelope) -> Reacted {
    Ok(history::append(tx, event).await?)
}

/// A rebuild that has the right to run.
pub(crate) struct Rebuild {
    app: App,
    /// Becomes the fresh tables.
    tx: Tx,
    id: i64,
    /// The last event that is in the fresh tables.
    last: i64,
    /// Events in the fresh tables.
    replayed: i64,
}

impl Rebuild {
    /// None while another one runs.
    pub(crate) async fn begin(app: &App) -> Result<Option<Self>, sqlx::Error> {
        let mut tx = app.transaction(None).await?;
        if !rebuild::claim(&mut tx).await? {
            return Ok(None);
        }
        let total = history::len(&mut tx).await?;
        let id = rebuild::start(&app.db, total).await?;
        Ok(Some(Self { app: app.clone(), tx, id, last: 0, replayed: 0 }))
    }

    /// To the end. What came of it is in the log of rebuilds.
    pub(crate) async fn run(mut self) -> Result<(), sqlx::Error> {
        match self.replay_and_swap().await {
            Ok(()) => self.tx.commit().await,
            Err(error) => {
                // Before the right to run is given back: until then it has not ended.
                rebuild::fail(&self.app.db, self.id, &error.to_string()).await?;
                self.tx.rollback().await
            }
        }
    }

    async fn replay_and_swap(&mut self) -> Reacted {
        rebuild::shadow(&mut self.tx).await?;
        for _ in 0..ROUNDS {
            let upto = last_event(&self.app.db).await?;
            if self.replay(upto).await? <= PAGE {
                break;
            }
        }
        let upto = history::hold(&mut self.tx).await?;
        self.replay(upto).await?;
        let (removed, written) = rebuild::swap(&mut self.tx).await?;
        Ok(rebuild::finish(&mut self.tx, self.id, self.replayed, removed, written).await?)
    }

    /// Replays up to an event, that one included; tells how many there were.
    async fn replay(&mut self, upto: i64) -> Result<i64, ReactionError> {
        let before = self.replayed;
        loop {
            let events = history::between(&mut self.tx, self.last, upto, PAGE).await?;
            if events.is_empty() {
                return Ok(self.replayed - before);
            }
            for (id, event) in &events {
                REACTIONS.react(&mut self.tx, event).await?;
                self.last = *id;
                self.replayed += 1;
            }
            rebuild::advance(&self.app.db, self.id, self.replayed).await?;
        }
    }
}

/// The last event, once all before it are committed. Reactions wait only for those that are under way.
async fn last_event(db: &PgPool) -> Result<i64, sqlx::Error> {
    let mut tx = db.begin().await?;
    let last = history::hold(&mut tx).await?;
    tx.rollback().await?;
    Ok(last)
}
