//! What time alone brings about: the day before a meeting.

use crate::{domain::meeting::AHEAD, store};
use chassis::{app::App, problem::Problem};
use time::OffsetDateTime;

/// Meetings reminded of in one transaction.
const BATCH: i64 = 100;

/// Reminds both of each meeting that is near.
pub(crate) async fn remind(app: &App) -> Result<(), Problem> {
    loop {
        let now = OffsetDateTime::now_utc();
        if !store::meetings::any_due(&app.db, now, now + AHEAD).await? {
            return Ok(());
        }
        let mut tx = app.transaction(None).await?;
        let meetings = store::meetings::take_due(&mut tx, now, now + AHEAD, BATCH).await?;
        for meeting in &meetings {
            if let Some(reminder) = meeting.reminder() {
                store::insert(&mut tx, reminder.id, &reminder.notices, now).await?;
            }
        }
        tx.commit().await?;
        if meetings.is_empty() {
            // Others hold them.
            return Ok(());
        }
    }
}
