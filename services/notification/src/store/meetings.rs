//! Meetings, and of which of them people are to be reminded.

use crate::domain::meeting::Meeting;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

/// Keeps what deal said of it at that time. What is over stays so, and an older day does not come back.
pub(crate) async fn keep(
    tx: &mut PgConnection,
    meeting: &Meeting,
    said_at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into meeting (deal_id, buyer, seller, post_id, offer_id, reserve_dt, meet_place, live, said_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (deal_id) do update
         set reserve_dt = excluded.reserve_dt, meet_place = excluded.meet_place, said_at = excluded.said_at,
             live = meeting.live and excluded.live
         where not excluded.live or meeting.said_at <= excluded.said_at",
    )
    .bind(meeting.deal_id)
    .bind(&meeting.buyer)
    .bind(&meeting.seller)
    .bind(meeting.post_id)
    .bind(meeting.offer_id)
    .bind(meeting.reserve_dt)
    .bind(&meeting.meet_place)
    .bind(meeting.live)
    .bind(said_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// Whether there is anything to be reminded of, which is seldom: finding that out takes no turn.
pub(crate) async fn any_due(
    db: &PgPool,
    from: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "select exists (select from meeting
                        where live and reminded_for is distinct from reserve_dt and reserve_dt between $1 and $2)",
    )
    .bind(from)
    .bind(until)
    .fetch_one(db)
    .await
}

/// Takes the next meetings between the two moments of which nobody was reminded: they are nobody else's from now
/// on, if the transaction commits.
pub(crate) async fn take_due(
    tx: &mut PgConnection,
    from: OffsetDateTime,
    until: OffsetDateTime,
    most: i64,
) -> Result<Vec<Meeting>, sqlx::Error> {
    sqlx::query_as(
        "with due as materialized (
             select deal_id from meeting
             where live and reminded_for is distinct from reserve_dt and reserve_dt between $1 and $2
             order by reserve_dt limit $3 for update skip locked
         )
         update meeting set reminded_for = reserve_dt from due where meeting.deal_id = due.deal_id
         returning meeting.*",
    )
    .bind(from)
    .bind(until)
    .bind(most)
    .fetch_all(tx)
    .await
}
