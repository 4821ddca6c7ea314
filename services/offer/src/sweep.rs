//! What time alone does to offers.

use crate::{domain::Reason, store};
use chassis::{app::App, problem::Problem};
use std::time::Duration;
use time::OffsetDateTime;

/// Offers canceled in one transaction.
const BATCH: i64 = 100;

/// Longer than any request takes: an offer that is in the paying for so long has lost its request.
const PAYING: Duration = Duration::from_secs(60);

/// How long after its time an offer is canceled. Deal reserves none whose time is over; of one that it reserved in the last
/// moment we hear later, and until then the offer is kept. More than any delivery takes while all services run.
const GRACE: Duration = Duration::from_secs(60);

/// Both of the below.
pub(crate) async fn sweep(app: &App) -> Result<(), Problem> {
    expire(app).await?;
    give_up_stale(app).await
}

/// Gives up the offers whose request ended before their payment was known: deal refunds what it holds for them.
async fn give_up_stale(app: &App) -> Result<(), Problem> {
    let now = OffsetDateTime::now_utc();
    let mut tx = app.transaction(None).await?;
    for mut offer in store::lock_stale(&mut tx, now - PAYING, BATCH).await? {
        let events = offer.lapse(Reason::PaymentOver, now);
        store::save(&mut tx, &offer).await?;
        tx.publish_all(&events);
    }
    Ok(tx.commit().await?)
}

/// Cancels the open offers whose time has been over for [`GRACE`]. One that somebody else holds is left for the next sweep.
async fn expire(app: &App) -> Result<(), Problem> {
    loop {
        let now = OffsetDateTime::now_utc();
        let mut tx = app.transaction(None).await?;
        let offers = store::lock_expired(&mut tx, now - GRACE, BATCH).await?;
        if offers.is_empty() {
            return Ok(());
        }
        for mut offer in offers {
            let events = offer.lapse(Reason::Expired, now);
            store::save(&mut tx, &offer).await?;
            tx.publish_all(&events);
        }
        tx.commit().await?;
    }
}
