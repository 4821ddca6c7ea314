//! Who may write to whom, as tables.

use super::*;
use crate::domain::tests::{LATER, NOW, offer, post};

fn letter(from: &str, to: Option<&str>) -> Letter {
    let to_user_id = to.map(str::to_owned);
    Letter { user_id: from.into(), to_user_id, offer_id: None, body: "안녕하세요?".into() }
}

#[test]
fn buyer_and_seller_write_to_each_other_and_nobody_else() {
    use Refusal::{NotInThisThread, ToWhom};
    // from, to, the buyer has written or made an offer → who receives it
    let table = [
        ("buyer", None, false, Ok("seller")),
        ("buyer", None, true, Ok("seller")),
        ("buyer", Some("seller"), false, Ok("seller")),
        ("buyer", Some("other"), true, Err(NotInThisThread)),
        ("buyer", Some("buyer"), true, Err(NotInThisThread)),
        ("seller", None, true, Err(ToWhom)),
        ("seller", Some("seller"), true, Err(NotInThisThread)),
        ("seller", Some("buyer"), true, Ok("buyer")),
        ("seller", Some("buyer"), false, Err(NotInThisThread)),
    ];
    for (from, to, known, outcome) in table {
        let message = letter(from, to).on(&post(), known, None, NOW);
        let receiver = message.as_ref().map(|message| &*message.to_user_id).map_err(|refusal| *refusal);
        assert_eq!(receiver, outcome, "{from} to {to:?}, known: {known}");
    }
}

#[test]
fn a_message_about_an_offer_is_about_this_buyers_on_this_post() {
    let ours = offer(OfferStatus::OfferPlaced);
    let elsewhere = Offer { post_id: 2, ..ours.clone() };
    let others = Offer { user_id: "other".into(), ..ours.clone() };
    let wrong = Some(Refusal::OfferNotInThisThread);
    for (offer, refusal) in
        [(Some(&ours), None), (Some(&elsewhere), wrong), (Some(&others), wrong), (None, wrong)]
    {
        for (from, to) in [("buyer", None), ("seller", Some("buyer"))] {
            let letter = Letter { offer_id: Some(5), ..letter(from, to) };
            let message = letter.on(&post(), true, offer, NOW);
            assert_eq!(message.as_ref().err().copied(), refusal, "{from}, {offer:?}");
            assert!(message.is_err() || message.is_ok_and(|message| message.offer_id == Some(5)));
        }
    }
}

#[test]
fn an_answer_is_accompanied_by_words_of_whoever_gives_it() {
    use OfferStatus::{OfferAccepted, OfferCanceled, OfferRefused};
    for (status, from, to) in [
        (OfferAccepted, "seller", "buyer"),
        (OfferRefused, "seller", "buyer"),
        (OfferCanceled, "buyer", "seller"),
    ] {
        let message = Message::with_answer(&offer(status), "거래해요".into(), NOW);
        assert_eq!(
            (&*message.user_id, &*message.to_user_id, message.offer_id),
            (from, to, Some(5)),
            "{status}"
        );
    }
}

#[test]
fn only_the_recipient_marks_a_message_and_the_first_mark_stays() {
    let unread = letter("buyer", None).on(&post(), false, None, NOW).expect("a buyer may write");
    for stranger in ["buyer", "other"] {
        assert_eq!(unread.clone().mark(Some(stranger), true, LATER), Err(Refusal::NotTheRecipient));
    }
    for actor in [None, Some("seller")] {
        let mut message = unread.clone();
        assert_eq!(message.mark(actor, false, LATER), Ok(()));
        assert_eq!(message, unread, "it is unread already");
        assert_eq!(message.mark(actor, true, NOW), Ok(()));
        assert_eq!(message.mark(actor, true, LATER), Ok(()));
        assert_eq!((message.read_dt, message.version), (Some(NOW), 2));
        assert_eq!(message.mark(actor, false, LATER), Ok(()));
        assert_eq!((message.read_dt, message.version), (None, 3));
    }
}

#[test]
fn every_refusal_has_its_status_and_code() {
    for (refusal, status, code) in [
        (Refusal::ToWhom, 400, "malformed-request"),
        (Refusal::NotInThisThread, 409, "not-in-this-thread"),
        (Refusal::OfferNotInThisThread, 409, "offer-not-in-this-thread"),
        (Refusal::NotTheRecipient, 403, "not-the-recipient"),
    ] {
        let problem = Problem::from(refusal);
        assert_eq!((problem.status().as_u16(), problem.code()), (status, code), "{refusal:?}");
    }
}
