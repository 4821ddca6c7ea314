//! Every state × every command.

mod deals;
mod units;

use super::*;
use Outcome::{Events, Refused};

/// Every state a post of three units can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    OnSale,
    SomeReserved,
    AllReserved,
    PartlySold,
    RestReserved,
    Ended,
    Hidden,
    Deleted,
}
use State::{AllReserved, Deleted, Ended, Hidden, OnSale, PartlySold, RestReserved, SomeReserved};

const STATES: [State; 8] =
    [OnSale, SomeReserved, AllReserved, PartlySold, RestReserved, Ended, Hidden, Deleted];
/// A deleted post is gone before its seller could say anything: the API answers 404.
const SEEN_BY_THE_SELLER: [State; 7] =
    [OnSale, SomeReserved, AllReserved, PartlySold, RestReserved, Ended, Hidden];
const UNIT_STATES: [UnitState; 4] =
    [UnitState::Reserved, UnitState::Sold, UnitState::Restored, UnitState::Refused];

fn post(state: State) -> Post {
    let (reserved, sold) = match state {
        OnSale | Hidden | Deleted => (0, 0),
        SomeReserved => (1, 0),
        AllReserved => (3, 0),
        PartlySold => (0, 1),
        RestReserved => (2, 1),
        Ended => (0, 3),
    };
    Post {
        post_id: 1,
        user_id: "seller01".to_owned(),
        content: Content {
            goods: "아이폰13 공기계".to_owned(),
            price: 600_000,
            address: None,
            description: None,
            category: None,
            photos: None,
            qty: 3,
            hidden: state == Hidden,
        },
        reserved,
        sold,
        like_cnt: 0,
        deleted: state == Deleted,
        version: 7,
        create_dt: OffsetDateTime::UNIX_EPOCH,
        update_dt: OffsetDateTime::UNIX_EPOCH,
    }
}

fn later() -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + time::Duration::DAY
}

/// What a command comes to, in words short enough for a table.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Events(String),
    Refused(&'static str),
}

fn told(events: &[PostEvent]) -> String {
    let word = |event: &PostEvent| match event {
        PostEvent::StatusUpdated(updated) => format!("StatusUpdated({})", updated.status),
        PostEvent::PostUnavailable(unavailable) => format!("PostUnavailable({})", unavailable.reason),
        other => shared_events::Publish::envelope(other, None).event_type,
    };
    events.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn outcome(result: Result<Vec<PostEvent>, Refusal>) -> Outcome {
    match result {
        Ok(events) => Events(told(&events)),
        Err(refusal) => Refused(Problem::from(refusal).code()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    SayTheSame,
    EditText,
    EditPrice,
    MoreUnits,
    OneUnit,
    HideOrShow,
    Delete,
}

impl Command {
    const ALL: [Self; 7] = [
        Self::SayTheSame,
        Self::EditText,
        Self::EditPrice,
        Self::MoreUnits,
        Self::OneUnit,
        Self::HideOrShow,
        Self::Delete,
    ];

    fn give(self, post: &mut Post, actor: Option<&str>) -> Result<Vec<PostEvent>, Refusal> {
        let mut content = post.content.clone();
        match self {
            Self::SayTheSame => {}
            Self::EditText => content.description = Some("생활기스 조금".to_owned()),
            Self::EditPrice => content.price -= 50_000,
            Self::MoreUnits => content.qty += 1,
            Self::OneUnit => content.qty = 1,
            Self::HideOrShow => content.hidden = !content.hidden,
            Self::Delete => return post.delete(actor, later()),
        }
        post.edit(actor, content, later())
    }
}

/// The rows that speak of `case`; a table without gaps and contradictions has one.
fn only_row<'t, K: PartialEq, R>(table: &'t [(K, &[State], R)], case: K, state: State) -> &'t R {
    let mut rows = table.iter().filter(|(key, states, _)| *key == case && states.contains(&state));
    let row = rows.next().unwrap_or_else(|| panic!("no row for {state:?}"));
    assert!(rows.next().is_none(), "two rows for {state:?}");
    &row.2
}

#[test]
fn what_the_seller_may_say_in_every_state() {
    use Command::*;
    let unreserved = &[OnSale, PartlySold, Hidden][..];
    let reserved = &[SomeReserved, AllReserved, RestReserved][..];
    let events = |names: &str| Events(names.to_owned());
    let table = [
        (SayTheSame, &SEEN_BY_THE_SELLER[..], events("")),
        (EditText, unreserved, events("PostEdited")),
        (EditText, reserved, events("PostEdited")),
        (EditText, &[Ended], Refused("post-ended")),
        (EditPrice, unreserved, events("PostEdited")),
        (EditPrice, reserved, Refused("units-reserved")),
        (EditPrice, &[Ended], Refused("post-ended")),
        (MoreUnits, unreserved, events("PostEdited")),
        (MoreUnits, reserved, Refused("units-reserved")),
        (MoreUnits, &[Ended], Refused("post-ended")),
        (OneUnit, &[OnSale, Hidden], events("PostEdited")),
        (OneUnit, &[PartlySold], events("PostEdited StatusUpdated(dealEnded)")),
        (OneUnit, reserved, Refused("units-reserved")),
        (OneUnit, &[Ended], Refused("post-ended")),
        (HideOrShow, &[OnSale, PartlySold], events("PostHidden")),
        (HideOrShow, &[Hidden], events("PostShown")),
        (HideOrShow, reserved, Refused("units-reserved")),
        (HideOrShow, &[Ended], Refused("post-ended")),
        (Delete, unreserved, events("PostDeleted")),
        (Delete, reserved, Refused("units-reserved")),
        (Delete, &[Ended], Refused("post-ended")),
    ];
    for state in SEEN_BY_THE_SELLER {
        for command in Command::ALL {
            let expected = only_row(&table, command, state);
            // In open mode nobody has to say who acts; who does not is believed to be the seller.
            for actor in [Some("seller01"), None] {
                let before = post(state);
                let mut after = before.clone();
                let result = command.give(&mut after, actor);
                let changed = result.as_ref().is_ok_and(|events| !events.is_empty());
                assert_eq!(outcome(result), *expected, "{command:?} on {state:?} by {actor:?}");
                if changed {
                    assert_eq!((after.version, after.update_dt), (before.version + 1, later()));
                } else {
                    assert_eq!(after, before, "{command:?} on {state:?} changes nothing");
                }
            }
        }
    }
}

#[test]
fn a_stranger_may_say_nothing_in_any_state() {
    for state in SEEN_BY_THE_SELLER {
        for command in Command::ALL {
            let mut post = post(state);
            assert_eq!(command.give(&mut post, Some("stranger")), Err(Refusal::NotTheSeller));
        }
    }
}

#[test]
fn an_edit_of_everything_tells_everything_in_order() {
    let mut post = post(PartlySold);
    let content = Content { price: 1, qty: 1, hidden: true, ..post.content.clone() };
    let events = post.edit(None, content, later()).unwrap();
    assert_eq!(told(&events), "PostEdited PostHidden StatusUpdated(dealEnded)");
    let PostEvent::PostEdited(edited) = &events[0] else { panic!("{events:?}") };
    assert_eq!((edited.price, edited.previous_price, edited.version), (1, 600_000, 8));
}

#[test]
fn there_cannot_be_fewer_units_than_are_sold() {
    let mut post = Post { sold: 2, ..post(OnSale) };
    let content = Content { qty: 1, ..post.content.clone() };
    assert_eq!(post.edit(None, content, later()), Err(Refusal::QtyBelowSold(2)));
}

#[test]
fn the_status_follows_the_units_and_may_only_be_repeated() {
    use PostStatus::{Created, DealEnded, DealReserved};
    for (state, status) in [
        (OnSale, Created),
        (SomeReserved, Created),
        (AllReserved, DealReserved),
        (PartlySold, Created),
        (RestReserved, DealReserved),
        (Ended, DealEnded),
        (Hidden, Created),
        (Deleted, Created),
    ] {
        let post = post(state);
        assert_eq!(post.status(), status, "{state:?}");
        assert_eq!(post.repeats_status(None), Ok(()));
        for &said in PostStatus::ALL {
            let expected = if said == status { Ok(()) } else { Err(Refusal::StatusFollowsDeal(status)) };
            assert_eq!(post.repeats_status(Some(said)), expected, "{said} said of {state:?}");
        }
    }
}
