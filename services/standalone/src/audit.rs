//! `standalone audit`: looks at a whole marketplace and says whether it keeps its promises. It changes nothing.
//!
//! Each promise is one [`Check`]; what they prove is in [`money`], [`trade`], [`told`] and [`views`], and, where Kafka
//! is given, in [`topic`]. All of them see the database at one and the same moment: one read-only snapshot.

mod money;
mod replay;
mod told;
mod topic;
mod trade;
mod views;

use chassis::{app::Tx, bus::KafkaSettings};
use sqlx::{
    AssertSqlSafe, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{borrow::Cow, error::Error, fmt, time::Duration};
use tokio::time::{Instant, sleep};
use topic::Topic;

/// Findings that are written out; the rest are counted.
const EXAMPLES: usize = 5;

type Failed = Box<dyn Error + Send + Sync>;

/// What a marketplace promises, and an audit looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// Its name in the report.
    pub name: &'static str,
    /// What holds when nothing is found.
    pub holds: &'static str,
}

/// A promise, and the SQL that finds where it is broken.
#[derive(Debug, Clone)]
struct Check {
    promise: Promise,
    /// It compares what different services know, which agree only when nothing is on its way between them.
    at_rest: bool,
    /// What is looked at, to be counted: everything after `from`.
    of: Cow<'static, str>,
    /// A line of text for each finding.
    finds: Cow<'static, str>,
}

impl Check {
    const fn new(
        name: &'static str,
        holds: &'static str,
        at_rest: bool,
        of: &'static str,
        finds: &'static str,
    ) -> Self {
        Self { promise: Promise { name, holds }, at_rest, of: Cow::Borrowed(of), finds: Cow::Borrowed(finds) }
    }

    async fn run(&self, connection: &mut PgConnection) -> Result<Outcome, sqlx::Error> {
        let count = AssertSqlSafe(format!("select count(*) from {}", self.of));
        let looked_at: i64 = sqlx::query_scalar(count).fetch_one(&mut *connection).await?;
        let finds = AssertSqlSafe(self.finds.to_string());
        let findings = sqlx::query_scalar(finds).fetch_all(connection).await?;
        Ok(Outcome { promise: self.promise, looked_at: Some(looked_at), findings })
    }
}

/// Every promise that an audit looks at, in the order of the report; the last of them only where Kafka is given.
pub fn promises() -> Vec<Promise> {
    let sql = checks().into_iter().map(|check| check.promise);
    sql.chain(replay::MODELS.iter().map(|model| model.promise)).chain(topic::PROMISES).collect()
}

/// Every check that SQL can do.
fn checks() -> Vec<Check> {
    let tables = [money::CHECKS, trade::CHECKS, told::CHECKS, views::CHECKS];
    tables.into_iter().flatten().cloned().chain(told::inboxes()).collect()
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What was checked.
    pub promise: Promise,
    /// How many things were looked at; None where the check was left out, because the system was not at rest.
    pub looked_at: Option<i64>,
    /// What is wrong, each a line.
    pub findings: Vec<String>,
}

impl Outcome {
    fn of(promise: Promise, looked_at: usize, findings: Vec<String>) -> Self {
        Self { promise, looked_at: Some(i64::try_from(looked_at).unwrap_or(i64::MAX)), findings }
    }

    fn left_out(promise: Promise) -> Self {
        Self { promise, looked_at: None, findings: Vec::new() }
    }
}

/// What an audit says.
#[derive(Debug, Default)]
pub struct Report {
    /// Why the system was not at rest in time; None when it was.
    pub unrest: Option<String>,
    /// Check by check.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// The names of the checks that found something.
    pub fn broken(&self) -> Vec<&'static str> {
        self.outcomes
            .iter()
            .filter(|outcome| !outcome.findings.is_empty())
            .map(|outcome| outcome.promise.name)
            .collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unrest {
            None => writeln!(f, "At rest: nothing is on its way between the services.")?,
            Some(why) => writeln!(f, "Not at rest: {why}. What takes rest was left out.")?,
        }
        for Outcome { promise: Promise { name, holds }, looked_at, findings } in &self.outcomes {
            match looked_at {
                None => writeln!(f, "left out   {name}")?,
                Some(count) if findings.is_empty() => writeln!(f, "ok         {name:<34} {count:>8}")?,
                Some(count) => {
                    writeln!(f, "{:<10} {name:<34} {count:>8}", format!("{} WRONG", findings.len()))?;
                    writeln!(f, "             Not so: {holds}")?;
                    for finding in findings.iter().take(EXAMPLES) {
                        writeln!(f, "             {finding}")?;
                    }
                }
            }
        }
        let broken = self.broken().len();
        match (broken, &self.unrest) {
            (0, None) => write!(f, "{} checks, nothing wrong.", self.outcomes.len()),
            (0, Some(_)) => write!(f, "Nothing wrong in what was checked."),
            (broken, _) => write!(f, "{broken} of {} checks found something.", self.outcomes.len()),
        }
    }
}

/// Audits the marketplace in a database, reached as its administrator; with Kafka, the topic too. Waits at most `patience`
/// for the system to come to rest.
///
/// # Errors
/// The database or Kafka does not answer, or there is no marketplace in it.
pub async fn audit(
    administrator: &PgConnectOptions,
    kafka: Option<&KafkaSettings>,
    patience: Duration,
) -> Result<Report, Failed> {
    let auditor = Auditor::connect(administrator).await?;
    let deadline = Instant::now() + patience;
    let (mut tx, ends, unrest) = loop {
        let mut tx = auditor.begin().await?;
        sqlx::query("set transaction isolation level repeatable read, read only").execute(&mut *tx).await?;
        // Positions, snapshot, ends, in this order: who was at the end then has heard all that the snapshot has told.
        let positions = match kafka {
            Some(settings) => Some((settings, topic::positions(settings).await?)),
            None => None,
        };
        let mut unrest = unsettled(&mut tx).await?;
        let mut ends = None;
        if let (None, Some((settings, positions))) = (&unrest, positions) {
            let (now, late) = topic::behind(settings, positions).await?;
            (ends, unrest) = (Some((settings, now)), late);
        }
        if unrest.is_none() || Instant::now() > deadline {
            break (tx, ends, unrest);
        }
        tx.rollback().await?;
        sleep(Duration::from_millis(200)).await;
    };
    let mut outcomes = auditor.examine(&mut tx, unrest.is_none()).await?;
    match ends {
        Some((settings, ends)) if unrest.is_none() => {
            let heard = topic::Heard::read(&mut tx).await?;
            outcomes.extend(topic::checks(&Topic::read(settings, ends).await?, &heard));
        }
        _ if kafka.is_some() => outcomes.extend(topic::PROMISES.map(Outcome::left_out)),
        _ => {}
    }
    tx.rollback().await?;
    Ok(Report { unrest, outcomes })
}

/// A connection for auditing.
pub struct Auditor {
    db: PgPool,
}

impl Auditor {
    /// # Errors
    /// The database does not answer, or there is no marketplace in it.
    pub async fn connect(administrator: &PgConnectOptions) -> Result<Self, sqlx::Error> {
        // One connection, and always the same: it has the temporary tables that read models are made again in. They are
        // made here, since who may only read cannot make even those.
        let pool = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        // Compiling a query takes longer than any of these takes to run.
        let options = administrator.clone().application_name("audit").options([("jit", "off")]);
        let db = pool.connect_with(options).await?;
        replay::prepare(&db).await?;
        Ok(Self { db })
    }

    /// # Errors
    /// Those of the database.
    pub async fn begin(&self) -> Result<Tx, sqlx::Error> {
        Tx::detached(&self.db).await
    }

    /// Every check, of what the transaction sees. `rest` says that nothing is on its way between the services.
    ///
    /// # Errors
    /// Those of the database, or an event that cannot be reacted to.
    pub async fn examine(&self, tx: &mut Tx, rest: bool) -> Result<Vec<Outcome>, Failed> {
        let mut outcomes = Vec::new();
        for check in checks() {
            outcomes.push(if check.at_rest && !rest {
                Outcome::left_out(check.promise)
            } else {
                check.run(tx).await?
            });
        }
        for model in &replay::MODELS {
            outcomes.push(if rest { model.replay(tx).await? } else { Outcome::left_out(model.promise) });
        }
        Ok(outcomes)
    }
}

/// What is on its way, as far as the database knows; None when nothing is.
async fn unsettled(connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    let events = crate::SERVICES.map(|service| format!("select count(*) from {}.outbox", service().name));
    let sql = format!(
        "select (select sum(count) from ({}) as outbox)::bigint,
                (select count(*) from offer.offer where pending and offer_status = 'offerPlaced')",
        events.join(" union all ")
    );
    let (events, offers): (i64, i64) = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(connection).await?;
    Ok(match (events, offers) {
        (0, 0) => None,
        (0, offers) => Some(format!("{offers} offers are being paid for")),
        (events, _) => Some(format!("{events} events wait in the outboxes")),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_documentation_says_what_each_check_proves() {
        let documentation = include_str!("../../../docs/RELIABILITY.md");
        let rows = super::promises().into_iter().map(|it| format!("| `{}` | {} |\n", it.name, it.holds));
        let table: String = rows.collect();
        assert!(documentation.contains(&table), "docs/RELIABILITY.md should have\n{table}");
    }
}
