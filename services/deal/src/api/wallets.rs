//! Wallets: money that is free to spend, and money that is held.

use crate::{
    domain::payment::{Account, Movement},
    store::ledger::{self, Entry},
};
use axum::{
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
};
use chassis::{
    app::App,
    caller::Caller,
    hal,
    idempotency::{Answer, Command, CommandBody},
    problem::Problem,
    wire::{Faults, Scalar, UserId, Won},
};
use deserr::Deserr;
use serde::Serialize;
use utoipa::ToSchema;

/// A person's wallet. Everybody has one; nobody has to open it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Wallet)]
pub struct WalletBody {
    user_id: String,
    /// Won free to spend.
    balance: i64,
    /// Won held for offers and deals.
    held: i64,
}

/// Money that comes from or goes to a bank.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = camelCase, validate = Amount::some -> Faults)]
#[schema(rename_all = "camelCase")]
pub struct Amount {
    /// Won, above 0.
    amount: Won,
}

impl CommandBody for Amount {}

impl Amount {
    fn some(self, _: deserr::ValuePointerRef<'_>) -> Result<Self, Faults> {
        if self.amount.0 > 0 { Ok(self) } else { Err(Faults::unacceptable("amount", "must be above 0")) }
    }
}

/// Whose wallet it is, as the path says.
pub struct Owner(String);

impl<S: Send + Sync> FromRequestParts<S> for Owner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Ok(Path(user_id)) = Path::<String>::from_request_parts(parts, state).await else {
            return Err(Problem::malformed("The user id in the path is not UTF-8."));
        };
        let user_id = UserId::from_text(user_id.trim());
        user_id.map(|user| Self(user.0)).map_err(|wrong| Faults::one("userId", wrong).malformed().into())
    }
}

/// Another's wallet is nothing to anybody.
fn owned(caller: &Caller, user_id: &str) -> Result<(), Problem> {
    if caller.actor.sees([user_id]) { Ok(()) } else { Err(Problem::not_found("wallet")) }
}

async fn wallet(app: &App, user_id: String) -> Result<WalletBody, Problem> {
    let (balance, held) = ledger::wallet(&mut *app.db.acquire().await?, &user_id).await?;
    Ok(WalletBody { user_id, balance, held })
}

/// Read a wallet.
#[utoipa::path(get, path = "/wallets/{userId}", params(("userId" = String, Path)),
    responses((status = 200, body = WalletBody)))]
pub async fn read(State(app): State<App>, Owner(user_id): Owner, caller: Caller) -> Result<Answer, Problem> {
    owned(&caller, &user_id)?;
    let wallet = wallet(&app, user_id).await?;
    Ok(hal::document(&caller.base, "wallet", &path(&wallet.user_id), &wallet))
}

/// Money arrives, as a payment provider tells.
#[utoipa::path(post, path = "/wallets/{userId}/deposits", params(("userId" = String, Path)), request_body = Amount,
    responses((status = 201, body = WalletBody)))]
pub async fn deposit(
    State(app): State<App>,
    Owner(user_id): Owner,
    command: Command<Amount>,
) -> Result<Answer, Problem> {
    command.caller.actor.operates()?;
    let amount = command.body.amount.0;
    let movement = Movement { from: Account::External, to: Account::User(&user_id), amount };
    transfer(&app, &command, &user_id, movement).await
}

/// Money leaves for a bank.
#[utoipa::path(post, path = "/wallets/{userId}/withdrawals", params(("userId" = String, Path)), request_body = Amount,
    responses((status = 201, body = WalletBody), (status = 402)))]
pub async fn withdraw(
    State(app): State<App>,
    Owner(user_id): Owner,
    command: Command<Amount>,
) -> Result<Answer, Problem> {
    owned(&command.caller, &user_id)?;
    // An admin sees every wallet, and spends from one.
    let actor = command.caller.actor.acting(None)?;
    if actor.is_some_and(|actor| actor != user_id) {
        let detail = "Only the owner of a wallet takes money out of it.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "not-the-owner", detail));
    }
    let amount = command.body.amount.0;
    let movement = Movement { from: Account::User(&user_id), to: Account::External, amount };
    transfer(&app, &command, &user_id, movement).await
}

async fn transfer(
    app: &App,
    command: &Command<Amount>,
    user_id: &str,
    movement: Movement<'_>,
) -> Result<Answer, Problem> {
    let mut tx = app.begin(command).await?;
    ledger::post(&mut tx, &[Entry::of(movement, None)]).await?;
    let (balance, held) = ledger::wallet(&mut tx, user_id).await?;
    let wallet = WalletBody { user_id: user_id.to_owned(), balance, held };
    let (base, path) = (&command.caller.base, path(user_id));
    let answer = hal::document(base, "wallet", &path, &wallet);
    tx.answer(Answer { status: StatusCode::CREATED, location: Some(base.href(&path)), ..answer }).await
}

fn path(user_id: &str) -> String {
    let encoded = percent_encoding::utf8_percent_encode(user_id, percent_encoding::NON_ALPHANUMERIC);
    format!("/wallets/{encoded}")
}
