//! Every state × every command, as tables.

use super::*;
use chassis::problem::Problem;
use shared_events::Publish;
use time::macros::datetime;

pub(super) const NOW: OffsetDateTime = datetime!(2024-09-24 09:00 UTC);
pub(super) const LATER: OffsetDateTime = datetime!(2024-09-25 09:00 UTC);
const WEEK: Duration = Duration::from_hours(168);

pub(super) fn post() -> PostCopy {
    PostCopy {
        post_id: 1,
        seller_id: "seller".into(),
        price: 600_000,
        qty: 3,
        available_qty: 2,
        status: PostStatus::Created,
        hidden: false,
        deleted: false,
        version: 7,
    }
}

fn order() -> Order {
    Order {
        user_id: "buyer".into(),
        kind: Kind::AtThePrice,
        seen_price: None,
        qty: 1,
        pay_method: PayMethod::None,
    }
}

pub(super) fn offer(offer_status: OfferStatus) -> Offer {
    let placed = order().on(&post(), NOW, WEEK).expect("the post allows it");
    Offer { offer_id: 5, offer_status, version: 3, ..placed }
}

fn types(events: &[OfferEvent]) -> Vec<String> {
    events.iter().map(|event| event.envelope(None).event_type).collect()
}

/// The `reason` that the only event carries.
fn reason(events: &[OfferEvent]) -> Option<&str> {
    match events {
        [OfferEvent::OfferAccepted(event)] => event.reason.as_deref(),
        [OfferEvent::OfferCanceled(event)] => event.reason.as_deref(),
        other => panic!("one event with a reason was expected: {other:?}"),
    }
}

#[test]
fn an_order_needs_a_post_that_allows_it() {
    use Refusal::{NotEnoughStock, OwnPost, PostNotAvailable, PriceChanged, UnknownPost};
    let hidden = PostCopy { hidden: true, ..post() };
    let deleted = PostCopy { deleted: true, ..post() };
    let reserved = PostCopy { status: PostStatus::DealReserved, available_qty: 0, ..post() };
    let ended = PostCopy { status: PostStatus::DealEnded, available_qty: 0, ..post() };
    let own = Order { user_id: "seller".into(), ..order() };
    let seen = |price| Order { seen_price: Some(price), ..order() };
    let units = |qty| Order { qty, ..order() };
    let negotiated = Order { kind: Kind::Negotiated(1), ..order() };
    let table = [
        ("as it stands", order(), post(), None),
        ("at another price of the buyer's own", negotiated.clone(), post(), None),
        ("the price as it is", seen(600_000), post(), None),
        ("the last units", units(2), post(), None),
        ("hidden", order(), hidden.clone(), Some(UnknownPost)),
        ("deleted", order(), deleted, Some(UnknownPost)),
        ("deleted after it ended", order(), PostCopy { deleted: true, ..ended.clone() }, Some(UnknownPost)),
        ("one's own", own.clone(), post(), Some(OwnPost)),
        ("one's own, ended", own, ended.clone(), Some(OwnPost)),
        ("reserved", order(), reserved.clone(), Some(PostNotAvailable(PostStatus::DealReserved))),
        ("ended", order(), ended, Some(PostNotAvailable(PostStatus::DealEnded))),
        ("reserved, own price", negotiated, reserved, Some(PostNotAvailable(PostStatus::DealReserved))),
        ("a higher price", seen(600_001), post(), Some(PriceChanged(600_000))),
        ("a lower price", seen(0), post(), Some(PriceChanged(600_000))),
        ("one unit too many", units(3), post(), Some(NotEnoughStock(2))),
        ("hidden, and the price is wrong too", seen(1), hidden, Some(UnknownPost)),
    ];
    for (what, order, post, refusal) in table {
        assert_eq!(order.on(&post, NOW, WEEK).err(), refusal, "{what}");
    }
}

#[test]
fn an_offer_says_what_was_ordered_at_which_price() {
    let at_the_price = order().on(&post(), NOW, WEEK).expect("the post allows it");
    let own_price = Order { kind: Kind::Negotiated(500_000), qty: 2, ..order() };
    let own_price = own_price.on(&post(), NOW, WEEK).expect("the post allows it");

    let prices =
        |offer: &Offer| (offer.offer_type, offer.price, offer.offered_price, offer.agreed_price, offer.qty);
    assert_eq!(prices(&at_the_price), (OfferType::DealOffered, 600_000, None, 600_000, 1));
    assert_eq!(prices(&own_price), (OfferType::PriceNegotiated, 600_000, Some(500_000), 500_000, 2));
    for offer in [at_the_price, own_price] {
        assert_eq!((offer.post_id, &*offer.user_id, &*offer.seller_id), (1, "buyer", "seller"));
        assert_eq!((offer.offer_status, offer.version), (OfferStatus::OfferPlaced, 1));
        assert_eq!((offer.create_dt, offer.update_dt), (NOW, NOW));
    }
}

/// What writing a status does to an offer, when the right person does it.
#[derive(Clone, Copy, PartialEq)]
enum Writing {
    /// It becomes that, and one event tells.
    Done,
    /// It is that already.
    Same,
    /// Too late.
    Late,
    /// Not a command, whoever writes it.
    Follows,
}

#[test]
fn every_written_status_on_every_status_by_everyone() {
    use OfferStatus::*;
    use Writing::*;
    // Rows: from. Columns: to, in the order of `OfferStatus::ALL`.
    #[rustfmt::skip]
    let table = [
        //               placed   accepted refused canceled ended
        (OfferPlaced,   [Same,    Done,    Done,   Done,    Follows]),
        (OfferAccepted, [Follows, Same,    Late,   Done,    Follows]),
        (OfferRefused,  [Follows, Late,    Same,   Late,    Follows]),
        (OfferCanceled, [Follows, Late,    Late,   Same,    Follows]),
        (DealEnded,     [Follows, Late,    Late,   Late,    Same]),
    ];
    assert_eq!(table.len(), OfferStatus::ALL.len());
    for (pay_method, deal_id) in PayMethod::ALL.iter().flat_map(|&method| [(method, None), (method, Some(9))])
    {
        for (from, to, writing) in table.iter().flat_map(|(from, columns)| {
            OfferStatus::ALL.iter().zip(columns).map(|(to, writing)| (*from, *to, *writing))
        }) {
            // Once the deposit is confirmed, it is the seller who calls it off.
            let calls_off = (from, to) == (OfferAccepted, OfferRefused);
            let transfer = pay_method == PayMethod::BankTransfer && deal_id.is_none();
            let writing = if calls_off && transfer { Done } else { writing };
            // Whose answer it is; the words that are nobody's answer are the same for all.
            let role = match to {
                OfferAccepted | OfferRefused => Some("seller"),
                OfferCanceled => Some("buyer"),
                OfferPlaced | DealEnded => None,
            };
            for actor in [None, Some("seller"), Some("buyer"), Some("stranger")] {
                let case = format!("{from} → {to} by {actor:?}, {pay_method}, deal {deal_id:?}");
                let mut offer = Offer { pay_method, deal_id, ..offer(from) };
                let before = offer.clone();
                let result = offer.answer(to, actor, LATER);
                if let (Some(role), Some(actor)) = (role, actor)
                    && role != actor
                {
                    assert_eq!(result, Err(Refusal::NotYours(role)), "{case}");
                    assert_eq!(offer, before, "{case}");
                    continue;
                }
                match writing {
                    Done => {
                        let events = result.unwrap_or_else(|refusal| panic!("{case}: {refusal}"));
                        let name = to.as_str().replacen('o', "O", 1);
                        assert_eq!(types(&events), [name], "{case}");
                        let after = Offer { offer_status: to, version: 4, update_dt: LATER, ..before };
                        assert_eq!(offer, after, "{case}");
                    }
                    Same => assert_eq!((result, &offer), (Ok(Vec::new()), &before), "{case}"),
                    Late => {
                        assert_eq!(
                            (result, &offer),
                            (Err(Refusal::WrongState { from, to }), &before),
                            "{case}"
                        );
                    }
                    Follows => {
                        assert_eq!((result, &offer), (Err(Refusal::NotACommand(to)), &before), "{case}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_people_answer_has_no_reason_but_theirs() {
    let mut by_seller = offer(OfferStatus::OfferPlaced);
    let accepted = by_seller.answer(OfferStatus::OfferAccepted, None, LATER).expect("it was placed");
    let canceled = by_seller.answer(OfferStatus::OfferCanceled, None, LATER).expect("it was accepted");
    assert_eq!((reason(&accepted), reason(&canceled)), (None, None));
}

#[test]
fn a_reserved_deal_answers_an_offer_that_still_waited() {
    for &from in OfferStatus::ALL {
        let mut offer = offer(from);
        let before = offer.clone();
        let events = offer.reserved(9, LATER);
        if from == OfferStatus::OfferPlaced {
            assert_eq!(reason(&events), Some("deal-reserved"));
            assert_eq!((offer.offer_status, offer.version), (OfferStatus::OfferAccepted, 4));
        } else {
            let after = Offer { deal_id: Some(9), ..before };
            assert_eq!((types(&events), &offer), (Vec::new(), &after), "{from}");
        }
    }
}

#[test]
fn nobody_accepts_an_offer_whose_time_is_over() {
    use OfferStatus::{OfferAccepted, OfferCanceled, OfferPlaced, OfferRefused};
    let end = NOW + WEEK;
    let (before, after) = (end - Duration::from_millis(1), end + WEEK);
    let table = [
        (OfferPlaced, OfferAccepted, before, None),
        (OfferPlaced, OfferAccepted, end, Some(Refusal::Expired)),
        (OfferPlaced, OfferAccepted, after, Some(Refusal::Expired)),
        // To say no is never too late, and what is accepted already may be said again.
        (OfferPlaced, OfferRefused, after, None),
        (OfferPlaced, OfferCanceled, after, None),
        (OfferAccepted, OfferAccepted, after, None),
        (OfferAccepted, OfferCanceled, after, None),
    ];
    for (from, to, now, refusal) in table {
        let result = offer(from).answer(to, None, now);
        assert_eq!(result.err(), refusal, "{from} → {to} at {now}");
    }
    let mut reserved = offer(OfferPlaced);
    reserved.reserved(9, NOW);
    reserved.offer_status = OfferPlaced;
    assert!(reserved.answer(OfferAccepted, None, after).is_ok(), "its deal was in time");
    let mut endless = Offer { expires_dt: None, ..offer(OfferPlaced) };
    assert!(endless.answer(OfferAccepted, None, after).is_ok());
}

#[test]
fn the_offer_of_an_ended_deal_won_whatever_it_was() {
    for &from in OfferStatus::ALL {
        let mut offer = offer(from);
        offer.won(LATER);
        assert_eq!(offer.offer_status, OfferStatus::DealEnded, "{from}");
        let again = offer.clone();
        offer.won(LATER + WEEK);
        assert_eq!(offer, again, "won twice is won once: {from}");
    }
}

#[test]
fn a_payment_is_the_offers_own_or_somebody_elses() {
    let offer = Offer { qty: 2, ..offer(OfferStatus::OfferPlaced) };
    let table = [
        ("buyer", "seller", 1_200_000, true),
        ("stranger", "seller", 1_200_000, false),
        ("buyer", "accomplice", 1_200_000, false),
        ("buyer", "seller", 600_000, false),
    ];
    for (payer, payee, amount, own) in table {
        assert_eq!(offer.is_paid_by(payer, payee, amount), own, "{payer} → {payee}: {amount}");
    }
}

#[test]
fn open_offers_lapse_and_others_stay() {
    let reasons = [
        (Reason::PostEnded, "post-ended"),
        (Reason::PostDeleted, "post-deleted"),
        (Reason::DealCanceled, "deal-canceled"),
        (Reason::Expired, "expired"),
    ];
    for &from in OfferStatus::ALL {
        for (why, word) in reasons {
            let mut offer = offer(from);
            let before = offer.clone();
            let events = offer.lapse(why, LATER);
            if matches!(from, OfferStatus::OfferPlaced | OfferStatus::OfferAccepted) {
                assert_eq!((types(&events), reason(&events)), (vec!["OfferCanceled".into()], Some(word)));
                assert_eq!((offer.offer_status, offer.update_dt), (OfferStatus::OfferCanceled, LATER));
            } else {
                assert_eq!((types(&events), &offer), (Vec::new(), &before), "{from} {word}");
            }
        }
    }
}

#[test]
fn losers_go_when_the_post_has_ended_and_all_its_units_are_won() {
    use PostStatus::{Created, DealEnded, DealReserved};
    let table = [
        (Created, 3, false),
        (DealReserved, 3, false),
        (DealEnded, 0, false),
        (DealEnded, 2, false),
        (DealEnded, 3, true),
        // Units of a deal that the post had refused, and that was ended before anybody knew.
        (DealEnded, 4, true),
    ];
    for (status, won, go) in table {
        assert_eq!(losers_can_go(&PostCopy { status, ..post() }, won), go, "{status}, {won} of 3 won");
    }
}

#[test]
fn every_refusal_has_its_status_and_code() {
    use OfferStatus::OfferAccepted;
    let table = [
        (Refusal::UnknownPost, 404, "post-not-found"),
        (Refusal::OwnPost, 409, "own-post"),
        (Refusal::PostNotAvailable(PostStatus::DealReserved), 409, "post-not-available"),
        (Refusal::NotEnoughStock(1), 409, "not-enough-stock"),
        (Refusal::PriceChanged(1), 409, "price-changed"),
        (Refusal::AlreadyOpen, 409, "offer-already-open"),
        (Refusal::NotACommand(OfferAccepted), 409, "status-follows-deal"),
        (Refusal::NotYours("seller"), 403, "not-the-seller"),
        (Refusal::NotYours("buyer"), 403, "not-the-buyer"),
        (Refusal::Expired, 409, "offer-not-open"),
        (Refusal::WrongState { from: OfferAccepted, to: OfferAccepted }, 409, "offer-not-open"),
    ];
    for (refusal, status, code) in table {
        let problem = Problem::from(refusal.clone());
        assert_eq!((problem.status().as_u16(), problem.code()), (status, code), "{refusal:?}");
    }
}
