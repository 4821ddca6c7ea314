//! SQL of the ledger: accounts, and movements between them.

use crate::domain::payment::{Account, Movement, Refusal};
use chassis::{inbox::ReactionError, problem::Problem};
use sqlx::PgConnection;

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

/// Moves money, in the caller's transaction. Accounts are locked in the order of their names, so that no two movements
/// wait for each other.
///
/// # Errors
/// There is not enough; the transaction is lost then.
pub(crate) async fn post(
    tx: &mut PgConnection,
    movement: Movement<'_>,
    payment_id: Option<i64>,
) -> Result<(), NotMoved> {
    let Movement { from, to, amount } = movement;
    // Goods may be given away.
    if amount == 0 {
        return Ok(());
    }
    let mut changes = [(from.key(), -amount), (to.key(), amount)];
    changes.sort();
    for (name, change) in &changes {
        sqlx::query("insert into account (name, balance) values ($1, 0) on conflict do nothing")
            .bind(name)
            .execute(&mut *tx)
            .await?;
        sqlx::query("update account set balance = balance + $2 where name = $1")
            .bind(name)
            .bind(change)
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query("insert into movement (debit, credit, amount, payment_id) values ($1, $2, $3, $4)")
        .bind(from.key())
        .bind(to.key())
        .bind(amount)
        .bind(payment_id)
        .execute(tx)
        .await?;
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
