//! Every payment × every command by everyone: what it becomes, what moves, and what is told.

use super::*;
use crate::domain::payment::{Account, Again, Asked, Movement, Outcome, Payment, Refusal};
use shared_events::{DealEvent, PaymentState, Publish};

const BUYER: Account<'_> = Account::User("buyer");
const ESCROW: Account<'_> = Account::Escrow("buyer");
const SELLER: Account<'_> = Account::User("seller");
const BANK: Account<'_> = Account::External;

fn payment(pay_method: PayMethod, state: PaymentState) -> Payment {
    Payment {
        payment_id: 5,
        offer_id: 3,
        post_id: 1,
        deal_id: Some(9),
        user_id: "buyer".into(),
        seller_id: "seller".into(),
        amount: 1_020_000,
        qty: 2,
        pay_method,
        state,
        pay_log: Json(Vec::new()),
        expires_dt: None,
        version: 4,
        create_dt: NOW,
        update_dt: NOW,
    }
}

/// What a command makes of a payment.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    /// Nothing, and that is right.
    Same,
    /// The new state, the money that goes from one account to another, and the event.
    To(PaymentState, Option<(Account<'static>, Account<'static>)>, &'static str),
    /// Refused.
    No(Refusal),
}
use Cell::{No, Same, To};

/// Lets `payment` take a step and holds what came of it to `cell`.
#[track_caller]
fn check(
    mut payment: Payment,
    cell: &Cell,
    what: &str,
    step: impl FnOnce(&mut Payment) -> Result<Outcome<'_>, Refusal>,
) {
    let before = payment.clone();
    let what = format!("{what} of {} by {}", before.state, before.pay_method);
    let outcome = step(&mut payment).map(|(movement, events)| {
        let moved = movement.map(|Movement { from, to, amount }| (from.key(), to.key(), amount));
        (moved, events)
    });
    match (cell, outcome) {
        (Same, Ok((None, events))) => assert_eq!((events, payment), (Vec::new(), before), "{what}"),
        (No(refusal), Err(refused)) => assert_eq!((&refused, payment), (refusal, before), "{what}"),
        (To(state, movement, event), Ok((moved, events))) => {
            assert_eq!(payment.state, *state, "{what}");
            assert_eq!((payment.version, payment.update_dt), (before.version + 1, LATER), "{what}");
            assert_eq!(moved, movement.map(|(from, to)| (from.key(), to.key(), before.amount)), "{what}");
            let [step] = payment.pay_log.as_slice() else { panic!("one step: {what}") };
            let money = matches!(state, PaymentState::Held) || movement.is_some();
            let amount = if money { before.amount } else { 0 };
            assert_eq!((step.state, step.amount, step.at), (*state, amount, LATER.into()), "{what}");
            assert_eq!(types(&events), [*event], "{what}");
            told(&events[0], *state, &what);
        }
        (cell, outcome) => panic!("{what}: {outcome:?} instead of {cell:?}"),
    }
}

fn told(event: &DealEvent, state: PaymentState, what: &str) {
    let json: serde_json::Value = serde_json::from_str(&event.envelope(None).value).expect("JSON");
    for (field, value) in [("offerId", 3), ("paymentId", 5), ("dealId", 9), ("amount", 1_020_000)] {
        assert_eq!(json[field], value, "{field}, {what}");
    }
    assert_eq!((&json["state"], &json["sellerId"]), (&state.as_str().into(), &"seller".into()), "{what}");
}

#[test]
fn a_wallet_pays_at_once_and_a_transfer_is_waited_for() {
    use PaymentState::{AwaitingDeposit, Failed, Held};
    let table = [
        (PayMethod::Wallet, To(Held, Some((BUYER, ESCROW)), "PaymentHeld")),
        (PayMethod::BankTransfer, To(AwaitingDeposit, None, "PaymentPlaced")),
    ];
    for (method, begun) in table {
        let new = payment(method, AwaitingDeposit);
        check(new.clone(), &begun, "begin", |payment| Ok(payment.begin(LATER)));
        check(new, &To(Failed, None, "PaymentFailed"), "fail", |payment| Ok((None, payment.fail(LATER))));
    }
}

#[test]
fn every_command_on_every_state_by_everyone() {
    use PaymentState::*;
    let late = |from, to| No(Refusal::WrongState { from, to });
    let deposited = To(Held, Some((BANK, ESCROW)), "PaymentHeld");
    let into_wallet = To(Refunded, Some((BANK, BUYER)), "PaymentRefunded");
    let paid_out = To(Released, Some((ESCROW, SELLER)), "PaymentReleased");
    let paid_back = To(Refunded, Some((ESCROW, BUYER)), "PaymentRefunded");
    let called_off = To(Canceled, None, "PaymentFailed");
    #[rustfmt::skip]
    let table = [
        // state           confirmed             without units         called off                     released  refunded
        (AwaitingDeposit, [deposited,            into_wallet.clone(),  called_off.clone(),            Same,     called_off]),
        (Held,            [Same,                 Same,                 No(Refusal::DepositConfirmed), paid_out, paid_back]),
        (Released,        [late(Released, Held), late(Released, Held), late(Released, Canceled),      Same,     Same]),
        (Refunded,        [late(Refunded, Held), late(Refunded, Held), late(Refunded, Canceled),      Same,     Same]),
        // Too late is not in vain: the money is there.
        (Canceled,        [into_wallet.clone(),  into_wallet,          Same,                          Same,     Same]),
        (Failed,          [late(Failed, Held),   late(Failed, Held),   late(Failed, Canceled),        Same,     Same]),
    ];
    assert_eq!(table.len(), PaymentState::ALL.len());
    for (state, [confirmed, without_units, called_off, released, refunded]) in table {
        let payment = payment(PayMethod::BankTransfer, state);
        for actor in [None, Some("seller"), Some("buyer"), Some("stranger")] {
            let only = |party: &'static str, cell: &Cell| match actor {
                Some(actor) if actor != party => No(Refusal::NotYours(party)),
                _ => cell.clone(),
            };
            for (no_units, cell) in [(false, &confirmed), (true, &without_units)] {
                let what = format!("confirm (no units: {no_units}) by {actor:?}");
                check(payment.clone(), &only("seller", cell), &what, |it| it.confirm(actor, no_units, LATER));
            }
            let what = format!("call off by {actor:?}");
            check(payment.clone(), &only("buyer", &called_off), &what, |it| {
                Ok((None, it.call_off(actor, LATER)?))
            });
        }
        check(payment.clone(), &released, "release", |it| Ok(it.release(LATER)));
        check(payment, &refunded, "refund", |it| Ok(it.refund("offer-canceled", LATER)));
    }
}

#[test]
fn a_payment_is_asked_for_again() {
    use Again::{Anew, AsItIs};
    use PaymentState::*;
    use Refusal::{OfferClosed, PaymentDiffers};
    #[rustfmt::skip]
    let table = [
        // state           as before, offer unseen / seen        other goods, the same money            other money
        (AwaitingDeposit, [Err(OfferClosed), Err(OfferClosed)], [Err(OfferClosed), Err(OfferClosed)], [Err(OfferClosed), Err(OfferClosed)]),
        (Held,            [Ok(AsItIs), Ok(AsItIs)],             [Ok(AsItIs), Err(PaymentDiffers)],    [Ok(Anew), Err(PaymentDiffers)]),
        (Released,        [Err(OfferClosed), Err(OfferClosed)], [Err(OfferClosed), Err(OfferClosed)], [Err(OfferClosed), Err(OfferClosed)]),
        // Given back because nobody had heard of the offer.
        (Refunded,        [Ok(Anew), Err(OfferClosed)],         [Ok(Anew), Err(OfferClosed)],         [Ok(Anew), Err(OfferClosed)]),
        (Canceled,        [Err(OfferClosed), Err(OfferClosed)], [Err(OfferClosed), Err(OfferClosed)], [Err(OfferClosed), Err(OfferClosed)]),
        (Failed,          [Ok(Anew), Ok(Anew)],                 [Ok(Anew), Ok(Anew)],                 [Ok(Anew), Ok(Anew)]),
    ];
    assert_eq!(table.len(), PaymentState::ALL.len());
    for (state, as_before, other_goods, other_money) in table {
        let payment = payment(PayMethod::Wallet, state);
        let same = Asked {
            offer_id: payment.offer_id,
            post_id: payment.post_id,
            user_id: payment.user_id.clone(),
            seller_id: payment.seller_id.clone(),
            amount: payment.amount,
            qty: payment.qty,
            pay_method: payment.pay_method,
            expires_dt: Some(LATER),
        };
        let other = [
            (Asked { post_id: 2, ..same.clone() }, &other_goods),
            (Asked { qty: 1, ..same.clone() }, &other_goods),
            (Asked { seller_id: "accomplice".into(), ..same.clone() }, &other_money),
            (Asked { amount: 1, ..same.clone() }, &other_money),
        ];
        for (offer_seen, index) in [(false, 0), (true, 1)] {
            assert_eq!(payment.ask_again(&same, offer_seen), as_before[index], "{state}, seen: {offer_seen}");
            for (other, otherwise) in &other {
                let case = format!("{state}, seen: {offer_seen}, {other:?}");
                assert_eq!(payment.ask_again(other, offer_seen), otherwise[index], "{case}");
                let mut anew = payment.clone();
                anew.change_terms(other);
                assert_eq!(anew.ask_again(other, offer_seen), as_before[index], "{case}");
            }
        }
    }
}

#[test]
fn each_refusal_has_a_code_of_its_own() {
    use PaymentState::{Canceled, Released};
    let table = [
        (Refusal::InsufficientFunds, 402, "insufficient-funds"),
        (Refusal::OfferClosed, 409, "offer-not-open"),
        (Refusal::PaymentDiffers, 409, "payment-differs"),
        (Refusal::WrongState { from: Released, to: Canceled }, 409, "payment-not-open"),
        (Refusal::DepositConfirmed, 409, "deposit-confirmed"),
        (Refusal::NotYours("seller"), 403, "not-the-seller"),
        (Refusal::NotYours("buyer"), 403, "not-the-buyer"),
        (Refusal::PaymentNotHeld, 409, "payment-not-held"),
    ];
    for (refusal, status, code) in table {
        let problem = Problem::from(refusal);
        assert_eq!((problem.status().as_u16(), problem.code()), (status, code));
    }
}
