//! The rules of a payment: from whose pocket into whose, and when.

use axum::http::StatusCode;
use chassis::problem::Problem;
use serde::{Deserialize, Serialize};
use shared_events::{
    DealEvent, PayMethod, PaymentFailed, PaymentHeld, PaymentPlaced, PaymentRefunded, PaymentReleased,
    PaymentState, WireDate, Won,
};
use sqlx::types::Json;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// What a buyer pays for an offer.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Payment {
    /// Its id.
    pub payment_id: i64,
    /// The offer it pays for.
    pub offer_id: i64,
    /// The post.
    pub post_id: i64,
    /// The deal, once there is one.
    pub deal_id: Option<i64>,
    /// Who pays.
    pub user_id: String,
    /// Who is paid.
    pub seller_id: String,
    /// The agreed price times the units.
    pub amount: Won,
    /// The units it pays for.
    pub qty: i32,
    /// How the money moves.
    #[sqlx(try_from = "String")]
    pub pay_method: PayMethod,
    /// Where it stands.
    #[sqlx(try_from = "String")]
    pub state: PaymentState,
    /// Its steps so far.
    pub pay_log: Json<Vec<PayStep>>,
    /// A bank transfer that has not come by then is canceled, and a hold whose offer is not heard of by then given back.
    pub expires_dt: Option<OffsetDateTime>,
    /// Counts its changes.
    pub version: i64,
    /// When it was asked for.
    pub create_dt: OffsetDateTime,
    /// When it changed last.
    pub update_dt: OffsetDateTime,
}

/// One step in the life of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PayStep {
    /// What it became.
    pub state: PaymentState,
    /// How much moved, in won.
    #[schema(value_type = i64)]
    pub amount: Won,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: WireDate,
    /// Why, where that is not plain.
    pub note: Option<String>,
}

/// A payment that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The offer it pays for.
    pub offer_id: i64,
    /// The post.
    pub post_id: i64,
    /// Who pays.
    pub user_id: String,
    /// Who is paid.
    pub seller_id: String,
    /// The agreed price times the units.
    pub amount: Won,
    /// The units it pays for.
    pub qty: i32,
    /// How the money moves.
    pub pay_method: PayMethod,
    /// As [`Payment::expires_dt`].
    pub expires_dt: Option<OffsetDateTime>,
}

/// What to do when a payment is asked for that there is already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Answer it: the money that is asked for is held.
    AsItIs,
    /// Give back what is held, and hold what is asked for.
    Anew,
}

/// Where money is. The sum of all accounts is zero at any instant, and none but the outside is ever below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Account<'a> {
    /// A person's, free to spend.
    User(&'a str),
    /// A person's, held for a payment.
    Escrow(&'a str),
    /// The world of banks.
    External,
}

impl Account<'_> {
    /// Its key in the ledger.
    pub fn key(self) -> String {
        match self {
            Self::User(user) => format!("user/{user}"),
            Self::Escrow(user) => format!("escrow/{user}"),
            Self::External => "external".to_owned(),
        }
    }
}

/// Money going from one account to another: a double entry that cannot but balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Movement<'a> {
    /// Where it goes away.
    pub from: Account<'a>,
    /// Where it arrives.
    pub to: Account<'a>,
    /// How much, in won; above zero.
    pub amount: Won,
}

/// Why a payment does not change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The wallet does not hold as much.
    #[error("There is not enough money in this wallet.")]
    InsufficientFunds,
    /// The offer is over.
    #[error("This offer is over; nothing can be paid for it any more.")]
    OfferClosed,
    /// It is repeated with other terms.
    #[error("This offer is being paid with other terms already.")]
    PaymentDiffers,
    /// Only a bank transfer is confirmed or called off by hand.
    #[error("This payment cannot become {to}: it is {from}.")]
    WrongState {
        /// Where it stands.
        from: PaymentState,
        /// What was asked for.
        to: PaymentState,
    },
    /// The buyer's word comes too late.
    #[error("The seller has confirmed the deposit; only the seller can call it off now.")]
    DepositConfirmed,
    /// Somebody else's to do.
    #[error("Only the {0} of this payment may do this.")]
    NotYours(&'static str),
    /// The deal waits for the money.
    #[error("This offer is not paid yet.")]
    PaymentNotHeld,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal {
            Refusal::InsufficientFunds => (StatusCode::PAYMENT_REQUIRED, "insufficient-funds"),
            Refusal::OfferClosed => (StatusCode::CONFLICT, "offer-not-open"),
            Refusal::PaymentDiffers => (StatusCode::CONFLICT, "payment-differs"),
            Refusal::WrongState { .. } => (StatusCode::CONFLICT, "payment-not-open"),
            Refusal::DepositConfirmed => (StatusCode::CONFLICT, "deposit-confirmed"),
            Refusal::NotYours("seller") => (StatusCode::FORBIDDEN, "not-the-seller"),
            Refusal::NotYours(_) => (StatusCode::FORBIDDEN, "not-the-buyer"),
            Refusal::PaymentNotHeld => (StatusCode::CONFLICT, "payment-not-held"),
        };
        Problem::new(status, code, refusal.to_string())
    }
}

/// What a command did: the money that moves and what is told.
pub type Outcome<'a> = (Option<Movement<'a>>, Vec<DealEvent>);

impl Payment {
    /// Whom it concerns: who pays, and who is paid.
    pub fn parties(&self) -> [&str; 2] {
        [&self.user_id, &self.seller_id]
    }

    /// The same payer asks for the same offer again. Anybody can ask for an offer that is not there yet: so nothing that
    /// happened before it was seen keeps its buyer from paying for it.
    ///
    /// # Errors
    /// Its offer has been seen, and is paid on other terms or over.
    pub fn ask_again(&self, asked: &Asked, offer_seen: bool) -> Result<Again, Refusal> {
        // Where only the goods are others, no money has to move. Nor must a refund be told then: the offer knows its
        // payment by payer, payee and amount, and would take it for its own.
        let same_money = (self.amount, self.pay_method, &self.seller_id)
            == (asked.amount, asked.pay_method, &asked.seller_id);
        let same_goods = (self.post_id, self.qty) == (asked.post_id, asked.qty);
        match self.state {
            PaymentState::Held if same_money && (same_goods || !offer_seen) => Ok(Again::AsItIs),
            PaymentState::Held | PaymentState::Refunded if !offer_seen => Ok(Again::Anew),
            PaymentState::Held => Err(Refusal::PaymentDiffers),
            PaymentState::Failed => Ok(Again::Anew),
            _ => Err(Refusal::OfferClosed),
        }
    }

    /// Takes the terms on which it is asked for again.
    pub fn change_terms(&mut self, asked: &Asked) {
        self.post_id = asked.post_id;
        self.seller_id.clone_from(&asked.seller_id);
        self.amount = asked.amount;
        self.qty = asked.qty;
        self.pay_method = asked.pay_method;
        self.expires_dt = asked.expires_dt;
        self.version += 1;
    }

    /// It has just been asked for: a wallet pays at once, a bank transfer is waited for.
    pub fn begin(&mut self, now: OffsetDateTime) -> Outcome<'_> {
        match self.pay_method {
            PayMethod::BankTransfer => {
                let events = self.step(PaymentState::AwaitingDeposit, 0, None, now);
                (None, events)
            }
            PayMethod::Wallet | PayMethod::None => {
                let events = self.step(PaymentState::Held, self.amount, None, now);
                (Some(self.moving(Account::User(&self.user_id), Account::Escrow(&self.user_id))), events)
            }
        }
    }

    /// There was not enough money.
    pub fn fail(&mut self, now: OffsetDateTime) -> Vec<DealEvent> {
        self.step(PaymentState::Failed, 0, Some("insufficient-funds"), now)
    }

    /// The seller saw the deposit. Where there are `no_units` left, or it is not waited for any more, the buyer gets it
    /// into the wallet instead.
    ///
    /// # Errors
    /// Not the seller, or the deposit has been confirmed before and has gone its way.
    pub fn confirm(
        &mut self,
        actor: Option<&str>,
        no_units: bool,
        now: OffsetDateTime,
    ) -> Result<Outcome<'_>, Refusal> {
        if actor.is_some_and(|actor| actor != self.seller_id) {
            return Err(Refusal::NotYours("seller"));
        }
        match self.state {
            PaymentState::Held => Ok((None, Vec::new())),
            from @ (PaymentState::AwaitingDeposit | PaymentState::Canceled)
                if no_units || from == PaymentState::Canceled =>
            {
                let note = if from == PaymentState::Canceled { "came-too-late" } else { "no-units-left" };
                let events = self.step(PaymentState::Refunded, self.amount, Some(note), now);
                Ok((Some(self.moving(Account::External, Account::User(&self.user_id))), events))
            }
            PaymentState::AwaitingDeposit => {
                let events = self.step(PaymentState::Held, self.amount, None, now);
                Ok((Some(self.moving(Account::External, Account::Escrow(&self.user_id))), events))
            }
            from => Err(Refusal::WrongState { from, to: PaymentState::Held }),
        }
    }

    /// The buyer calls a bank transfer off.
    ///
    /// # Errors
    /// Not the buyer, or the deposit is confirmed.
    pub fn call_off(&mut self, actor: Option<&str>, now: OffsetDateTime) -> Result<Vec<DealEvent>, Refusal> {
        if actor.is_some_and(|actor| actor != self.user_id) {
            return Err(Refusal::NotYours("buyer"));
        }
        match self.state {
            PaymentState::Canceled => Ok(Vec::new()),
            PaymentState::AwaitingDeposit => Ok(self.step(PaymentState::Canceled, 0, Some("buyer"), now)),
            PaymentState::Held => Err(Refusal::DepositConfirmed),
            from => Err(Refusal::WrongState { from, to: PaymentState::Canceled }),
        }
    }

    /// The deal ended: the seller is paid. Otherwise nothing happens.
    pub fn release(&mut self, now: OffsetDateTime) -> Outcome<'_> {
        if self.state != PaymentState::Held {
            return (None, Vec::new());
        }
        let events = self.step(PaymentState::Released, self.amount, None, now);
        (Some(self.moving(Account::Escrow(&self.user_id), Account::User(&self.seller_id))), events)
    }

    /// The offer or its deal is off: what is held is the buyer's again, and what is awaited is not any more.
    pub fn refund(&mut self, reason: &str, now: OffsetDateTime) -> Outcome<'_> {
        match self.state {
            PaymentState::Held => {
                let events = self.step(PaymentState::Refunded, self.amount, Some(reason), now);
                (Some(self.moving(Account::Escrow(&self.user_id), Account::User(&self.user_id))), events)
            }
            PaymentState::AwaitingDeposit => (None, self.step(PaymentState::Canceled, 0, Some(reason), now)),
            _ => (None, Vec::new()),
        }
    }

    fn moving<'a>(&'a self, from: Account<'a>, to: Account<'a>) -> Movement<'a> {
        Movement { from, to, amount: self.amount }
    }

    fn step(
        &mut self,
        state: PaymentState,
        amount: Won,
        note: Option<&str>,
        now: OffsetDateTime,
    ) -> Vec<DealEvent> {
        self.state = state;
        self.version += 1;
        self.update_dt = now;
        self.pay_log.push(PayStep { state, amount, at: now.into(), note: note.map(str::to_owned) });
        macro_rules! event {
            ($name:ident) => {
                vec![
                    $name {
                        payment_id: self.payment_id,
                        offer_id: self.offer_id,
                        post_id: self.post_id,
                        user_id: self.user_id.clone(),
                        amount: self.amount,
                        pay_method: self.pay_method,
                        state,
                        seller_id: self.seller_id.clone(),
                        deal_id: self.deal_id,
                    }
                    .into(),
                ]
            };
        }
        match state {
            PaymentState::AwaitingDeposit => event!(PaymentPlaced),
            PaymentState::Held => event!(PaymentHeld),
            PaymentState::Released => event!(PaymentReleased),
            PaymentState::Refunded => event!(PaymentRefunded),
            PaymentState::Failed | PaymentState::Canceled => event!(PaymentFailed),
        }
    }
}
