//! New notifications as they come: one reader of the table in a process, however many listen.
//!
//! The reader looks a few times a second, and so finds what other replicas have stored as soon as what was
//! stored here. It hands everything to all listeners; only who comes back, or falls behind, reads the table
//! alone. That "after the last id" misses nothing is the work of `take_turn` in the migrations.

use crate::{domain::Notification, store};
use sqlx::PgPool;
use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{
    sync::{
        Mutex,
        broadcast::{self, error::RecvError},
    },
    time,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How often the reader looks, while somebody listens.
const PERIOD: Duration = Duration::from_millis(200);
/// Rows read at once.
const PAGE: i64 = 500;
/// How far behind a listener may be before it has to read for itself.
const BACKLOG: usize = 1024;

/// Where listeners come to. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Feed(Arc<Mutex<Weak<Reader>>>);

/// Reads until its last listener lets go of it.
struct Reader {
    news: broadcast::Sender<Arc<Notification>>,
    _stops_with_it: DropGuard,
}

impl Feed {
    /// Listens to a person's notifications, or to everybody's: those after `last`, else those that are yet to
    /// come.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn listen(
        &self,
        db: &PgPool,
        user_id: Option<String>,
        last: Option<i64>,
    ) -> Result<Listener, sqlx::Error> {
        let reader = self.reader(db).await?;
        // First this, then whatever is read from the table: what is stored in between comes by both ways, and
        // by its id is known to be the same.
        let news = reader.news.subscribe();
        let newest = store::newest(db).await?;
        Ok(Listener {
            db: db.clone(),
            user_id,
            // An id from the future, of another database perhaps, would be deaf until ids get there.
            last: last.map_or(newest, |last| last.min(newest)),
            behind: last.is_some(),
            waiting: VecDeque::new(),
            news,
            _reader: reader,
        })
    }

    async fn reader(&self, db: &PgPool) -> Result<Arc<Reader>, sqlx::Error> {
        let mut current = self.0.lock().await;
        if let Some(reader) = current.upgrade() {
            return Ok(reader);
        }
        let (news, stop) = (broadcast::Sender::new(BACKLOG), CancellationToken::new());
        // Known before the first listener reads the table, so that nothing falls between the two.
        let last = store::newest(db).await?;
        tokio::spawn(read(db.clone(), last, news.clone(), stop.clone()));
        let reader = Arc::new(Reader { news, _stops_with_it: stop.drop_guard() });
        *current = Arc::downgrade(&reader);
        Ok(reader)
    }
}

async fn read(
    db: PgPool,
    mut last: i64,
    news: broadcast::Sender<Arc<Notification>>,
    stop: CancellationToken,
) {
    let mut period = time::interval(PERIOD);
    period.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(period.tick()).await.is_some() {
        match store::after(&db, None, last, PAGE).await {
            Ok(found) => {
                if found.len() as i64 == PAGE {
                    // There is more.
                    period.reset_immediately();
                }
                for notification in found {
                    last = notification.notification_id;
                    // In vain when the last listener has just left.
                    let _ = news.send(Arc::new(notification));
                }
            }
            Err(error) => tracing::debug!(%error, "notifications are not read; trying again"),
        }
    }
}

/// One listener. Dropping it is all it takes to leave.
pub(crate) struct Listener {
    db: PgPool,
    user_id: Option<String>,
    last: i64,
    /// There may be something between `last` and the next that the reader hands on.
    behind: bool,
    waiting: VecDeque<Notification>,
    news: broadcast::Receiver<Arc<Notification>>,
    _reader: Arc<Reader>,
}

impl Listener {
    /// The id of the last notification that was heard, or that was there before.
    pub(crate) fn last(&self) -> i64 {
        self.last
    }

    /// The next notification; None when the table cannot be read. Whoever comes back then has missed nothing.
    pub(crate) async fn next(&mut self) -> Option<Notification> {
        loop {
            if let Some(next) = self.waiting.pop_front() {
                self.last = next.notification_id;
                return Some(next);
            }
            if self.behind {
                let found = store::after(&self.db, self.user_id.as_deref(), self.last, PAGE).await;
                self.waiting =
                    found.inspect_err(|error| tracing::warn!(%error, "a stream ends")).ok()?.into();
                self.behind = self.waiting.len() as i64 == PAGE;
                continue;
            }
            match self.news.recv().await {
                Ok(news) if news.notification_id > self.last && self.concerns(&news) => {
                    self.waiting.push_back((*news).clone());
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn concerns(&self, notification: &Notification) -> bool {
        self.user_id.as_ref().is_none_or(|user_id| *user_id == notification.user_id)
    }
}
