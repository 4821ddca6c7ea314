//! Every state × every command, as tables.

mod life;
mod payment;
mod review;

use super::*;
use shared_events::{DealEvent, Publish};
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2024-09-24 09:00 UTC);
const LATER: OffsetDateTime = datetime!(2024-09-25 09:00 UTC);
const SAID: OffsetDateTime = datetime!(2024-09-20 00:00 UTC);

fn offer(offer_type: OfferType, offer_status: OfferStatus) -> OfferCopy {
    OfferCopy {
        offer_id: 3,
        post_id: 1,
        user_id: "buyer".into(),
        seller_id: "seller".into(),
        offer_type,
        agreed_price: 510_000,
        qty: 2,
        pay_method: PayMethod::None,
        offer_status,
        expires_dt: Some(LATER),
    }
}

fn wish() -> Wish {
    Wish { user_id: "buyer".into(), post_id: 1, price: None, qty: None }
}

fn deal(status: DealStatus) -> Deal {
    Deal {
        deal_id: 9,
        offer_id: 3,
        post_id: 1,
        user_id: "buyer".into(),
        seller_id: "seller".into(),
        price: 510_000,
        qty: 2,
        status,
        reserve_dt: None,
        meet_place: None,
        fulfilment: Fulfilment::Meetup,
        address: None,
        history: Json(vec![Step { status: DealStatus::DealReserved, at: NOW.into(), by: None }]),
        version: 4,
        create_dt: NOW,
        update_dt: NOW,
    }
}

fn types(events: &[DealEvent]) -> Vec<String> {
    events.iter().map(|event| event.envelope(None).event_type).collect()
}

#[test]
fn every_kind_of_offer_in_every_state() {
    use OfferStatus::*;
    use OfferType::{DealOffered, PriceNegotiated};
    // Ok holds the post's price that the deal relies on.
    let table = [
        (DealOffered, OfferPlaced, Ok(Some(510_000))),
        (DealOffered, OfferAccepted, Ok(None)),
        (DealOffered, OfferRefused, Err(Refusal::OfferNotOpen(OfferRefused))),
        (DealOffered, OfferCanceled, Err(Refusal::OfferNotOpen(OfferCanceled))),
        (DealOffered, DealEnded, Err(Refusal::OfferNotOpen(DealEnded))),
        (PriceNegotiated, OfferPlaced, Err(Refusal::OfferNotAccepted)),
        (PriceNegotiated, OfferAccepted, Ok(None)),
        (PriceNegotiated, OfferRefused, Err(Refusal::OfferNotOpen(OfferRefused))),
        (PriceNegotiated, OfferCanceled, Err(Refusal::OfferNotOpen(OfferCanceled))),
        (PriceNegotiated, DealEnded, Err(Refusal::OfferNotOpen(DealEnded))),
    ];
    assert_eq!(table.len(), OfferType::ALL.len() * OfferStatus::ALL.len());
    for (kind, status, expected) in table {
        let listed_price = |offer| wish().on(offer, NOW).map(|terms| terms.listed_price);
        assert_eq!(listed_price(offer(kind, status)), expected, "{kind} {status}");
        let unsaid = OfferCopy { expires_dt: None, ..offer(kind, status) };
        assert_eq!(listed_price(unsaid), expected, "{kind} {status}");
        let expired = OfferCopy { expires_dt: Some(NOW), ..offer(kind, status) };
        assert_eq!(listed_price(expired), expected.and(Err(Refusal::OfferExpired)), "{kind} {status}");
    }
}

#[test]
fn our_own_stock_knows_what_is_left_for_a_confirmed_deposit() {
    use PostStatus::{Created, DealEnded, DealReserved};
    let table = [
        // status, hidden, units in all, promised, wanted → left for it
        (Created, false, 3, 0, 3, true),
        (Created, false, 3, 2, 1, true),
        (Created, false, 3, 2, 2, false),
        // The post's copy of our deals is late: a cancellation has freed the unit.
        (DealReserved, false, 1, 0, 1, true),
        (DealReserved, false, 1, 1, 1, false),
        (DealEnded, false, 3, 0, 1, false),
        (Created, true, 3, 0, 1, false),
    ];
    for (status, hidden, qty, promised, units, left) in table {
        let post = Availability { post_id: 1, price: 1, qty, status, hidden, version: 1 };
        assert_eq!(Stock { qty, promised }.covers(&post, units), left, "{post:?}, {promised} promised");
    }
}

#[test]
fn a_wish_must_say_what_the_offer_says() {
    let mismatch = Some(Refusal::OfferMismatch(3));
    let table = [
        (wish(), None),
        (Wish { price: Some(510_000), qty: Some(2), ..wish() }, None),
        (Wish { user_id: "another".into(), ..wish() }, mismatch.clone()),
        (Wish { user_id: "seller".into(), ..wish() }, mismatch.clone()),
        (Wish { post_id: 2, price: Some(1), ..wish() }, mismatch),
        (Wish { price: Some(509_999), ..wish() }, Some(Refusal::TermsDiffer("510000 won".into()))),
        (Wish { price: Some(0), ..wish() }, Some(Refusal::TermsDiffer("510000 won".into()))),
        (Wish { qty: Some(1), ..wish() }, Some(Refusal::TermsDiffer("2 units".into()))),
    ];
    for (wish, refusal) in table {
        let offer = offer(OfferType::DealOffered, OfferStatus::OfferPlaced);
        assert_eq!(wish.on(offer, NOW).err(), refusal, "{wish:?}");
    }
}

#[test]
fn a_deal_can_only_be_reserved_on_an_available_post() {
    use PostStatus::{Created, DealEnded, DealReserved};
    use Refusal::{NotEnoughStock, PostNotAvailable, PriceChanged};
    // The offer is about two units; `listed` is the price it relies on.
    let table = [
        // status, hidden, price, qty, listed → refusal
        (Created, false, 510_000, 2, Some(510_000), None),
        (Created, false, 510_000, 2, None, None),
        // The `stock` row knows better which units are free.
        (DealReserved, false, 510_000, 2, Some(510_000), None),
        (DealEnded, false, 510_000, 2, Some(510_000), Some(PostNotAvailable)),
        (DealEnded, false, 510_000, 2, None, Some(PostNotAvailable)),
        (Created, true, 510_000, 2, Some(510_000), Some(PostNotAvailable)),
        (DealReserved, true, 510_000, 2, None, Some(PostNotAvailable)),
        (DealEnded, true, 510_000, 2, None, Some(PostNotAvailable)),
        // Who accepted the offer agreed to its price.
        (Created, false, 600_000, 2, None, None),
        (Created, false, 600_000, 2, Some(510_000), Some(PriceChanged(600_000))),
        (DealReserved, false, 1, 2, Some(510_000), Some(PriceChanged(1))),
        (Created, false, 510_000, 1, Some(510_000), Some(NotEnoughStock(1))),
        (Created, false, 510_000, 9, None, None),
    ];
    for (status, hidden, price, qty, listed_price, refusal) in table {
        let offer = offer(OfferType::DealOffered, OfferStatus::OfferPlaced);
        let terms = Terms { offer, listed_price };
        let post = Availability { post_id: 1, price, qty, status, hidden, version: 1 };
        assert_eq!(terms.check(&post).err(), refusal, "{post:?}, {listed_price:?}");
    }
}

#[test]
fn no_more_units_are_promised_than_there_are() {
    use Refusal::{NotEnoughStock, PostNotAvailable};
    let table = [
        // qty, promised, asked for → refusal
        (1, 0, 1, None),
        (1, 1, 1, Some(PostNotAvailable)),
        (3, 1, 2, None),
        (3, 2, 2, Some(NotEnoughStock(1))),
        (3, 3, 2, Some(PostNotAvailable)),
        (3, 0, 4, Some(NotEnoughStock(3))),
    ];
    for (qty, promised, units, refusal) in table {
        assert_eq!(
            Stock { qty, promised }.promise(units).err(),
            refusal,
            "{units} of {qty}, {promised} promised"
        );
    }
}

#[test]
fn every_refusal_has_its_status_and_code() {
    let (from, to) = (DealStatus::DealEnded, DealStatus::DealCanceled);
    let table = [
        (Refusal::UnknownPost, 404, "post-not-found"),
        (Refusal::UnknownOffer, 404, "offer-not-found"),
        (Refusal::OfferMismatch(1), 409, "offer-mismatch"),
        (Refusal::OfferNotAccepted, 409, "offer-not-accepted"),
        (Refusal::OfferNotOpen(OfferStatus::OfferRefused), 409, "offer-not-open"),
        (Refusal::OfferExpired, 409, "offer-not-open"),
        (Refusal::OfferAlreadyReserved, 409, "offer-already-reserved"),
        (Refusal::TermsDiffer("1 won".into()), 409, "terms-differ"),
        (Refusal::PostNotAvailable, 409, "post-not-available"),
        (Refusal::PriceChanged(1), 409, "price-changed"),
        (Refusal::NotEnoughStock(1), 409, "not-enough-stock"),
        (Refusal::NotAParty, 403, "not-a-party"),
        (Refusal::NotYours("seller"), 403, "not-the-seller"),
        (Refusal::NotYours("buyer"), 403, "not-the-buyer"),
        (Refusal::NotADelivery, 409, "not-a-delivery"),
        (Refusal::NotOnItsWay, 409, "not-on-its-way"),
        (Refusal::CancelNeedsConsent, 409, "cancel-needs-consent"),
        (Refusal::NotReserved(from), 409, "deal-not-open"),
        (Refusal::WrongState { from, to }, 409, "deal-not-open"),
    ];
    for (refusal, status, code) in table {
        let problem = Problem::from(refusal.clone());
        assert_eq!((problem.status().as_u16(), problem.code()), (status, code), "{refusal:?}");
    }
}
