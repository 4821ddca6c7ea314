//! SQL of the ledger: accounts, and movements between them.

use crate::domain::payment::{Account, Movement, Refusal};
use chassis::{inbox::ReactionError, problem::Problem};
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// Why money did not move; then none has.
#[derive(Debug)]
pub(crate) enum NotMoved {
    /// There is not enough.
    Overdraft,
    /// The database's own reasons.
    Database(sqlx::Error),
}

impl From<sqlx::Error> for NotMoved {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(violation) if violation.constraint() == Some("nobody_owes") => {
                Self::Overdraft
            }
            _ => Self::Database(error),
        }
    }
}

impl From<NotMoved> for Problem {
    fn from(error: NotMoved) -> Self {
        match error {
            NotMoved::Overdraft => Refusal::InsufficientFunds.into(),
            NotMoved::Database(error) => error.into(),
        }
    }
}

impl From<NotMoved> for ReactionError {
    fn from(error: NotMoved) -> Self {
        match error {
            NotMoved::Overdraft => Self::Nonsense(Refusal::InsufficientFunds.to_string()),
            NotMoved::Database(error) => Self::Database(error),
        }
    }
}

/// A movement as it is written down.
pub(crate) struct Entry {
    debit: String,
    credit: String,
    amount: i64,
    payment_id: Option<i64>,
}

impl Entry {
    pub(crate) fn of(movement: Movement<'_>, payment_id: Option<i64>) -> Self {
        let Movement { from, to, amount } = movement;
        Self { debit: from.key(), credit: to.key(), amount, payment_id }
    }
}

/// Moves money, in the caller's transaction: all that moves in it, since the accounts are locked here in the order of their
/// names, so that no two transactions wait for each other.
///
/// # Errors
/// There is not enough; the transaction is lost then.
pub(crate) async fn post(tx: &mut PgConnection, entries: &[Entry]) -> Result<(), NotMoved> {
    let mut changes = BTreeMap::<&str, i64>::new();
    // Goods may be given away.
    for entry in entries.iter().filter(|entry| entry.amount > 0) {
        *changes.entry(&entry.debit).or_default() -= entry.amount;
        *changes.entry(&entry.credit).or_default() += entry.amount;
    }
    if changes.is_empty() {
        return Ok(());
    }
    let (names, changes): (Vec<_>, Vec<_>) = changes.into_iter().unzip();
    sqlx::query(
        "insert into account (name, balance) select name, 0 from unnest($1::text[]) name order by name
         on conflict do nothing",
    )
    .bind(&names)
    .execute(&mut *tx)
    .await?;
    sqlx::query("select from account where name = any($1) order by name for no key update")
        .bind(&names)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "update account set balance = balance + change from unnest($1::text[], $2::bigint[]) as it (account, change)
         where name = account",
    )
    .bind(&names)
    .bind(&changes)
    .execute(&mut *tx)
    .await?;
    for entry in entries.iter().filter(|entry| entry.amount > 0) {
        sqlx::query("insert into movement (debit, credit, amount, payment_id) values ($1, $2, $3, $4)")
            .bind(&entry.debit)
            .bind(&entry.credit)
            .bind(entry.amount)
            .bind(entry.payment_id)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

/// What a person has free, and what is held; of an account that never was, zero.
pub(crate) async fn wallet(connection: &mut PgConnection, user_id: &str) -> Result<(i64, i64), sqlx::Error> {
    sqlx::query_as(
        "select coalesce((select balance from account where name = $1), 0),
                coalesce((select balance from account where name = $2), 0)",
    )
    .bind(Account::User(user_id).key())
    .bind(Account::Escrow(user_id).key())
    .fetch_one(connection)
    .await
}
