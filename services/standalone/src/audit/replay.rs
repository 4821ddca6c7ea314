//! Read models made again from the events, in temporary tables that only the auditor has, and compared with the
//! live ones. What the services' own reactions make of mypage's history is what should be there.

use super::{Failed, Outcome, Promise};
use chassis::{app::Tx, service::Service};
use shared_events::Envelope;
use sqlx::{AssertSqlSafe, FromRow, PgPool, types::Uuid};
use time::OffsetDateTime;

/// Events that are read at a time.
const PAGE: i64 = 1000;

/// What can be made again.
pub(super) struct Model {
    pub(super) promise: Promise,
    service: fn() -> Service,
    /// What the reactions write; temporary here.
    tables: &'static [&'static str],
    /// What is compared: a table, its columns, and which of its rows.
    compared: &'static [(&'static str, &'static str, &'static str)],
}

pub(super) const MODELS: [Model; 2] = [
    Model {
        promise: Promise {
            name: "views-are-rebuilt-the-same",
            holds: "mypage's views are what its reactions make of the events again.",
        },
        service: mypage::service,
        tables: &[
            "post_view",
            "offer_view",
            "deal_view",
            "payment_view",
            "review_view",
            "order_step",
            "history",
        ],
        compared: &[
            ("post_view", "*", "true"),
            ("offer_view", "*", "true"),
            ("deal_view", "*", "true"),
            ("payment_view", "*", "true"),
            ("review_view", "*", "true"),
            ("order_step", "*", "true"),
        ],
    },
    Model {
        promise: Promise {
            name: "notices-are-rebuilt-the-same",
            holds: "People were notified of what the reactions to the events say again: each person once of each event.",
        },
        service: notification::service,
        tables: &["notification", "wish", "post_news", "meeting"],
        compared: &[(
            "notification",
            "event_id, user_id, kind, post_id, offer_id, deal_id, message, create_dt",
            // The history has neither messages nor wishes, and alerts may be gone since; no event is a reminder.
            "kind not in ('messageSent', 'priceFell', 'statusUpdated', 'keywordAlert', 'dealReminder')",
        )],
    },
];

/// Makes the temporary tables, which come before those of any search path.
pub(super) async fn prepare(db: &PgPool) -> Result<(), sqlx::Error> {
    for model in &MODELS {
        let schema = (model.service)().name;
        for table in model.tables {
            // Reactions call constraints by their names, which a copy does not keep.
            let sql = format!(
                "create temp table {table} (like {schema}.{table} including all);
                 do $$ declare it record; begin
                     for it in select live.conname as live, fresh.conname as fresh
                               from pg_constraint as live join pg_constraint as fresh using (contype)
                               where live.conrelid = '{schema}.{table}'::regclass
                                 and fresh.conrelid = 'pg_temp.{table}'::regclass
                                 and pg_get_constraintdef(live.oid) = pg_get_constraintdef(fresh.oid)
                                 and live.conname <> fresh.conname
                     loop execute format('alter table pg_temp.{table} rename constraint %I to %I', it.fresh, it.live);
                     end loop;
                 end $$"
            );
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(db).await?;
        }
    }
    Ok(())
}

#[derive(FromRow)]
struct Row {
    id: i64,
    event_id: Uuid,
    event_type: String,
    source: String,
    post_id: i64,
    happened_at: OffsetDateTime,
    value: String,
}

impl Model {
    /// Replays the history, and compares.
    pub(super) async fn replay(&self, tx: &mut Tx) -> Result<Outcome, Failed> {
        let Service { name: schema, reactions, .. } = (self.service)();
        sqlx::raw_sql(AssertSqlSafe(format!("set local search_path = {schema}"))).execute(&mut **tx).await?;
        let (mut last, mut replayed) = (0, 0);
        loop {
            let rows: Vec<Row> = sqlx::query_as(
                "select id, event_id, event_type, source, post_id, happened_at, value from mypage.history
                 where id > $1 order by id limit $2",
            )
            .bind(last)
            .bind(PAGE)
            .fetch_all(&mut **tx)
            .await?;
            let Some(newest) = rows.last() else { break };
            last = newest.id;
            replayed += rows.len();
            for row in rows {
                reactions.react(tx, &row.into()).await?;
            }
        }
        let mut findings = Vec::new();
        for (table, columns, rows) in self.compared {
            let sql = format!(
                "with live as (select {columns} from {schema}.{table} where {rows}),
                      fresh as (select {columns} from pg_temp.{table} where {rows})
                 select format('%s, live: %s', '{table}', live) from (select * from live except all select * from fresh) as live
                 union all
                 select format('%s, made again: %s', '{table}', fresh) from (select * from fresh except all select * from live) as fresh"
            );
            findings.extend(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut **tx).await?);
        }
        Ok(Outcome::of(self.promise, replayed, findings))
    }
}

impl From<Row> for Envelope {
    fn from(row: Row) -> Self {
        Self {
            id: row.event_id,
            event_type: row.event_type,
            source: row.source,
            time: row.happened_at.into(),
            post_id: row.post_id,
            traceparent: None,
            tracestate: None,
            value: row.value,
        }
    }
}
