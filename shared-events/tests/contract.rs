//! Every event's JSON, held to a checked-in copy. A change here is a change of the contract: only a nullable field
//! after all others is compatible.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, TestRunner},
};
use serde_json::{Map, Value};
use shared_events::*;

const AT: i64 = 1_727_139_799_825;

fn day(text: &str) -> WireDate {
    text.parse().unwrap()
}

/// What may become of a record's value on the way.
#[derive(Debug, Clone)]
enum Harm {
    Field(Index, Option<Value>),
    Byte(Index, u8),
    Inserted(Index, u8),
    CutOff(Index),
}

impl Harm {
    fn any() -> impl Strategy<Value = Self> {
        let value = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[0-9]{4}-[01][0-9]-[0-3][0-9](T[0-9:.+Z-]{0,12})?".prop_map(Value::from),
            any::<Vec<i32>>().prop_map(Value::from),
        ];
        prop_oneof![
            4 => (any::<Index>(), prop::option::of(value)).prop_map(|(at, value)| Self::Field(at, value)),
            2 => any::<(Index, u8)>().prop_map(|(at, byte)| Self::Byte(at, byte)),
            1 => any::<(Index, u8)>().prop_map(|(at, byte)| Self::Inserted(at, byte)),
            1 => any::<Index>().prop_map(Self::CutOff),
        ]
    }

    fn done_to(self, value: &str) -> Vec<u8> {
        let mut bytes = value.as_bytes().to_vec();
        match self {
            Self::Field(at, new) => {
                let mut fields: Map<String, Value> = serde_json::from_str(value).unwrap();
                let name = fields.keys().nth(at.index(fields.len())).unwrap().clone();
                match new {
                    Some(new) => fields.insert(name, new),
                    None => fields.remove(&name),
                };
                bytes = serde_json::to_vec(&fields).unwrap();
            }
            Self::Byte(at, byte) => bytes[at.index(value.len())] = byte,
            Self::Inserted(at, byte) => bytes.insert(at.index(value.len()), byte),
            Self::CutOff(at) => bytes.truncate(at.index(value.len())),
        }
        bytes
    }
}

/// Whatever becomes of an event on the way, it is read or told as malformed; what is read is an event like any other.
fn withstands_harm<E: Event + std::fmt::Debug + PartialEq>(sent: &Envelope) {
    let headers = sent.headers();
    let received = |harm: Harm| {
        let pairs = headers.iter().map(|(name, text)| (*name, text.as_str()));
        let received = Envelope::from_record(&harm.done_to(&sent.value), pairs, uuid::Uuid::nil()).unwrap();
        prop_assert_eq!((received.id, &received.event_type), (sent.id, &sent.event_type));
        if let Ok(event) = received.parse::<E>() {
            let again = Envelope::at(&event, received.time, None);
            prop_assert_eq!(again.parse::<E>().unwrap(), event);
        }
        Ok(())
    };
    TestRunner::new(Config::with_cases(200))
        .run(&Harm::any(), received)
        .unwrap_or_else(|e| panic!("{}: {e}", E::TYPE));
}

fn line<E: Event + std::fmt::Debug + PartialEq>(event: E) -> String {
    let envelope = Envelope::at(&event, WireDate::from_epoch_millis(AT).unwrap(), None);
    assert_eq!(envelope.parse::<E>().unwrap(), event, "reads back as itself");
    assert_eq!(envelope.post_id, 1);
    withstands_harm::<E>(&envelope);
    envelope.value
}

macro_rules! answer {
    ($name:ident, $status:ident, $reason:expr) => {
        line($name {
            offer_id: 3,
            user_id: "buyer03".into(),
            offered_price: Some(510_000),
            post_id: 1,
            offer_status: OfferStatus::$status,
            seller_id: "seller01".into(),
            qty: 1,
            agreed_price: 510_000,
            pay_method: PayMethod::None,
            reason: $reason,
        })
    };
}

macro_rules! step {
    ($name:ident) => {
        line($name {
            deal_id: 2,
            post_id: 1,
            user_id: "buyer03".into(),
            status: DealStatus::DealReserved,
            update_dt: day("2024-09-24"),
            seller_id: "seller01".into(),
            offer_id: 3,
            reserve_dt: Some(day("2024-09-26")),
            meet_place: Some("방배역 1번 출구".into()),
        })
    };
}

macro_rules! payment {
    ($name:ident, $state:ident, $deal_id:expr) => {
        line($name {
            payment_id: 7,
            offer_id: 3,
            post_id: 1,
            user_id: "buyer03".into(),
            amount: 510_000,
            pay_method: PayMethod::Wallet,
            state: PaymentState::$state,
            seller_id: "seller01".into(),
            deal_id: $deal_id,
        })
    };
}

#[test]
fn every_event_is_what_was_agreed() {
    let (updated, seller) = (day("2024-09-25"), || "seller01".to_owned());
    let lines = [
        line(PostWrote {
            post_id: 1,
            user_id: seller(),
            create_dt: Some(day("2024-09-24")),
            price: 600_000,
            address: Some("방배동".into()),
            photos: None,
            status: PostStatus::Created,
            goods: "아이폰13 공기계".into(),
            qty: 1,
            category: None,
            version: 1,
        }),
        line(PostEdited {
            post_id: 1,
            user_id: seller(),
            price: 550_000,
            update_dt: updated,
            goods: "아이폰13 공기계".into(),
            qty: 1,
            address: None,
            category: Some("휴대폰".into()),
            previous_price: 600_000,
            version: 2,
        }),
        line(PostDeleted { post_id: 1, user_id: seller() }),
        line(PostHidden { post_id: 1, user_id: seller(), update_dt: updated, version: 3 }),
        line(PostShown { post_id: 1, user_id: seller(), update_dt: updated, version: 4 }),
        line(StatusUpdated {
            post_id: 1,
            status: PostStatus::DealReserved,
            update_dt: updated,
            user_id: seller(),
            available_qty: 0,
            version: 5,
        }),
        line(QtyDecreased { post_id: 1, deal_id: 2, qty: 1, available_qty: 0 }),
        line(QtyRestored { post_id: 1, deal_id: 2, qty: 1, available_qty: 1 }),
        line(PostUnavailable { post_id: 1, deal_id: 2, reason: "post-deleted".into() }),
        line(OfferPlaced {
            offer_id: 3,
            user_id: "buyer03".into(),
            price: 600_000,
            offered_price: Some(510_000),
            post_id: 1,
            offer_status: OfferStatus::OfferPlaced,
            offer_type: OfferType::PriceNegotiated,
            seller_id: seller(),
            qty: 1,
            agreed_price: 510_000,
            pay_method: PayMethod::None,
            expires_dt: None,
        }),
        answer!(OfferAccepted, OfferAccepted, None),
        answer!(OfferRefused, OfferRefused, None),
        answer!(OfferCanceled, OfferCanceled, Some("post-ended".into())),
        line(DealReserved {
            deal_id: 2,
            post_id: 1,
            user_id: "buyer03".into(),
            status: DealStatus::DealReserved,
            update_dt: day("2024-09-24"),
            price: 510_000,
            offer_id: 3,
            seller_id: seller(),
            qty: 1,
            reserve_dt: Some(updated),
            fulfilment: Fulfilment::Meetup,
            listed_price: None,
            meet_place: Some("방배역 1번 출구".into()),
            address: None,
        }),
        line(DealEnded {
            deal_id: 2,
            post_id: 1,
            user_id: "buyer03".into(),
            status: DealStatus::DealEnded,
            update_dt: updated,
            price: 510_000,
            offer_id: 3,
            seller_id: seller(),
            qty: 1,
            reserve_dt: None,
            fulfilment: Fulfilment::Meetup,
        }),
        line(DealCanceled {
            deal_id: 2,
            post_id: 1,
            user_id: "buyer03".into(),
            status: DealStatus::DealCanceled,
            update_dt: updated,
            offer_id: 3,
            seller_id: seller(),
            price: 510_000,
            qty: 1,
            reason: Some("offer-canceled".into()),
        }),
        line(MessageSent {
            message_id: 4,
            post_id: 1,
            user_id: "buyer03".into(),
            to_user_id: seller(),
            offer_id: None,
            body: "아직 있나요?".into(),
        }),
        line(WishlistAdded { wishlist_id: 5, user_id: "buyer03".into(), post_id: 1 }),
        line(WishlistDeleted { wishlist_id: 5, user_id: "buyer03".into(), post_id: 1 }),
        line(LikeCntUpdated { post_id: 1, like_cnt: 1 }),
        step!(DealRescheduled),
        step!(DeliveryStarted),
        step!(CancelRequested),
        step!(CancelDeclined),
        payment!(PaymentPlaced, AwaitingDeposit, None),
        payment!(PaymentHeld, Held, None),
        payment!(PaymentReleased, Released, Some(2)),
        payment!(PaymentRefunded, Refunded, Some(2)),
        payment!(PaymentFailed, Failed, None),
        line(DealReviewed {
            review_id: 6,
            deal_id: 2,
            post_id: 1,
            user_id: "buyer03".into(),
            target_id: seller(),
            rating: 5,
            comment: Some("친절해요".into()),
        }),
    ];
    let agreed = include_str!("events.jsonl");
    for (line, agreed) in lines.iter().zip(agreed.lines()) {
        assert_eq!(line, agreed);
    }
    assert_eq!(lines.len(), agreed.lines().count(), "every event has a line in events.jsonl: {lines:#?}");
}

#[test]
fn headers_are_cloudevents_and_the_seeds() {
    let event = PostDeleted { post_id: 1, user_id: "seller01".into() };
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned();
    let envelope = Envelope::at(&event, WireDate::from_epoch_millis(AT).unwrap(), Some(trace.clone()));
    let id = envelope.id.to_string();
    let expected = [
        ("type", "PostDeleted"),
        ("contentType", "application/json"),
        ("content-type", "application/json"),
        ("ce_specversion", "1.0"),
        ("ce_id", id.as_str()),
        ("ce_source", "/services/post"),
        ("ce_type", "PostDeleted"),
        ("ce_time", "2024-09-24T01:03:19.825+00:00"),
        ("traceparent", trace.as_str()),
    ];
    let headers = envelope.headers();
    assert_eq!(headers.iter().map(|(name, text)| (*name, text.as_str())).collect::<Vec<_>>(), expected);

    let pairs = headers.iter().map(|(name, text)| (*name, text.as_str()));
    let received = Envelope::from_record(envelope.value.as_bytes(), pairs, uuid::Uuid::nil()).unwrap();
    assert_eq!(received, envelope);
}

#[test]
fn a_record_of_another_make_is_known_by_its_value_and_place() {
    let value = br#"{"eventType":"PostDeleted","timestamp":1727139799825,"postId":"1","userId":"seller01"}"#;
    let place = uuid::Uuid::from_u128(7);
    let received = Envelope::from_record(value, std::iter::empty(), place).unwrap();
    assert_eq!((received.id, received.event_type.as_str()), (place, "PostDeleted"));
    assert!(received.parse::<PostDeleted>().is_err(), "a known type that does not parse is told as such");
    assert!(Envelope::from_record(b"{}", std::iter::empty(), place).is_err(), "no type at all");
    assert!(Envelope::from_record(b"\xff", [("type", "PostDeleted")].into_iter(), place).is_ok());
}

proptest! {
    #[test]
    fn no_record_makes_it_panic_and_what_is_read_can_be_stored(
        value in prop_oneof![any::<Vec<u8>>(), "\\{(\"(eventType|timestamp|postId)\":(1|-1|\"x\"|null|9e99|\\[\\]|\"\\\\u0000\"),?){0,3}\\}".prop_map(String::into_bytes)],
        headers in prop::collection::vec(("type|ce_id|ce_source|traceparent|ce_time|x", prop_oneof![any::<String>(), "[\\x00-\\x7f]{0,9}"]), 0..6),
    ) {
        let pairs = headers.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        match Envelope::from_record(&value, pairs, uuid::Uuid::nil()) {
            Ok(read) => {
                let texts = [read.event_type, read.source, read.traceparent.unwrap_or_default(), read.value];
                prop_assert!(texts.iter().all(|text| !text.contains('\0')), "{texts:?}");
            }
            Err(_) => prop_assert!(headers.iter().all(|(name, _)| name != "type")),
        }
    }
}
