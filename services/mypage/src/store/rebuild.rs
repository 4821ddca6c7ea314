//! Fresh tables beside the live ones, the swap, and the log of rebuilds.

use super::Done;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, PgPool};
use time::OffsetDateTime;

/// What the reactions write, each with the column that leads its primary key.
const TABLES: [(&str, &str); 6] = [
    ("post_view", "post_id"),
    ("offer_view", "offer_id"),
    ("deal_view", "deal_id"),
    ("payment_view", "payment_id"),
    ("review_view", "review_id"),
    ("order_step", "offer_id"),
];

/// Takes the right to rebuild until the transaction ends; false while another has it, in whatever replica.
pub(crate) async fn claim(tx: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select pg_try_advisory_xact_lock(hashtextextended('mypage rebuild', 0))")
        .fetch_one(tx)
        .await
}

/// Lets this transaction, and it alone, read and write empty tables in the place of the live ones: temporary tables
/// come first in the search path. They vanish when it ends, however it ends.
pub(crate) async fn shadow(tx: &mut PgConnection) -> Done {
    for (table, _) in TABLES {
        let sql = format!("create temp table {table} (like mypage.{table} including all) on commit drop");
        sqlx::query(AssertSqlSafe(sql)).persistent(false).execute(&mut *tx).await?;
    }
    // What this connection has prepared before means the live tables still.
    sqlx::query("discard plans").execute(tx).await?;
    Ok(())
}

/// Makes the live tables equal to the fresh ones; tells how many rows were removed and how many written.
///
/// Only what differs is touched, and only as rows: a reader sees all of the old until the commit, then all of the
/// new, and waits for nothing. Renaming tables would lock readers out, and could end one of them in a deadlock.
pub(crate) async fn swap(tx: &mut PgConnection) -> Result<(u64, u64), sqlx::Error> {
    let (mut removed, mut written) = (0, 0);
    for (table, key) in TABLES {
        for sql in [
            // Nobody else analyzes a temporary table.
            format!("analyze pg_temp.{table}"),
            // Compared as whole rows: there two nulls are equal.
            format!(
                "delete from mypage.{table} as live where not exists
                 (select from pg_temp.{table} as fresh where fresh.{key} = live.{key} and fresh = live)"
            ),
        ] {
            let done = sqlx::query(AssertSqlSafe(sql)).persistent(false).execute(&mut *tx).await?;
            removed += done.rows_affected();
        }
        let sql = format!("insert into mypage.{table} select * from pg_temp.{table} on conflict do nothing");
        let done = sqlx::query(AssertSqlSafe(sql)).persistent(false).execute(&mut *tx).await?;
        written += done.rows_affected();
    }
    Ok((removed, written))
}

/// Notes the start; tells the rebuild's id.
pub(crate) async fn start(db: &PgPool, total: i64) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("insert into rebuild (total) values ($1) returning id").bind(total).fetch_one(db).await
}

pub(crate) async fn advance(db: &PgPool, id: i64, replayed: i64) -> Done {
    sqlx::query("update rebuild set replayed = $2 where id = $1").bind(id).bind(replayed).execute(db).await?;
    Ok(())
}

pub(crate) async fn finish(
    tx: &mut PgConnection,
    id: i64,
    replayed: i64,
    removed: u64,
    written: u64,
) -> Done {
    sqlx::query(
        "update rebuild
         set finished_at = clock_timestamp(), replayed = $2, removed = $3, written = $4 where id = $1",
    )
    .bind(id)
    .bind(replayed)
    .bind(removed.cast_signed())
    .bind(written.cast_signed())
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn fail(db: &PgPool, id: i64, error: &str) -> Done {
    sqlx::query("update rebuild set finished_at = now(), error = $2 where id = $1")
        .bind(id)
        .bind(error)
        .execute(db)
        .await?;
    Ok(())
}

/// One line of the log.
#[derive(FromRow)]
pub(crate) struct Rebuild {
    pub(crate) state: String,
    pub(crate) started_at: OffsetDateTime,
    pub(crate) total: i64,
    pub(crate) replayed: i64,
    pub(crate) removed: Option<i64>,
    pub(crate) written: Option<i64>,
    pub(crate) finished_at: Option<OffsetDateTime>,
    pub(crate) error: Option<String>,
}

/// The latest, if there ever was one. It runs as long as it has the right to.
pub(crate) async fn latest(db: &PgPool) -> Result<Option<Rebuild>, sqlx::Error> {
    sqlx::query_as(
        "select *,
                case when error is not null then 'failed'
                     when finished_at is not null then 'done'
                     when pg_try_advisory_xact_lock_shared(hashtextextended('mypage rebuild', 0))
                         then 'interrupted'
                     else 'running' end as state
         from (select * from rebuild order by id desc limit 1) as latest",
    )
    .fetch_optional(db)
    .await
}
