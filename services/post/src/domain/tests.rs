use super::*;
use Outcome::{Events, Refused};
use proptest::prelude::*;

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

const LISTED: Won = 600_000;

fn deal(qty: i32) -> Deal {
    Deal { deal_id: 5, qty }
}

#[test]
fn a_deal_gets_its_units_where_there_are_any() {
    use UnitState::{Refused, Reserved};
    // For one unit, for two, for all three, for one at another price.
    let table = [
        ((1, LISTED), &[OnSale, SomeReserved, PartlySold][..], (Reserved, "QtyDecreased")),
        ((1, LISTED), &[AllReserved, RestReserved, Ended], (Refused, "PostUnavailable(not-enough-stock)")),
        ((1, LISTED), &[Hidden], (Refused, "PostUnavailable(post-hidden)")),
        ((1, LISTED), &[Deleted], (Refused, "PostUnavailable(post-deleted)")),
        ((2, LISTED), &[OnSale], (Reserved, "QtyDecreased")),
        ((2, LISTED), &[SomeReserved, PartlySold], (Reserved, "QtyDecreased StatusUpdated(dealReserved)")),
        ((2, LISTED), &[AllReserved, RestReserved, Ended], (Refused, "PostUnavailable(not-enough-stock)")),
        ((2, LISTED), &[Hidden], (Refused, "PostUnavailable(post-hidden)")),
        ((2, LISTED), &[Deleted], (Refused, "PostUnavailable(post-deleted)")),
        ((3, LISTED), &[OnSale], (Reserved, "QtyDecreased StatusUpdated(dealReserved)")),
        (
            (3, LISTED),
            &[SomeReserved, PartlySold, AllReserved, RestReserved, Ended],
            (Refused, "PostUnavailable(not-enough-stock)"),
        ),
        ((3, LISTED), &[Hidden], (Refused, "PostUnavailable(post-hidden)")),
        ((3, LISTED), &[Deleted], (Refused, "PostUnavailable(post-deleted)")),
        (
            (1, LISTED - 1),
            &[OnSale, SomeReserved, AllReserved, PartlySold, RestReserved, Ended],
            (Refused, "PostUnavailable(price-changed)"),
        ),
        ((1, LISTED - 1), &[Hidden], (Refused, "PostUnavailable(post-hidden)")),
        ((1, LISTED - 1), &[Deleted], (Refused, "PostUnavailable(post-deleted)")),
    ];
    for state in STATES {
        for (qty, price) in [(1, LISTED), (2, LISTED), (3, LISTED), (1, LISTED - 1)] {
            let mut post = post(state);
            let (became, events) = post.reserve(None, deal(qty), Some(price), later());
            let case = format!("{qty} units of {state:?} at {price}");
            assert_eq!((became, told(&events).as_str()), *only_row(&table, (qty, price), state), "{case}");
        }
    }
    let (became, _) = post(OnSale).reserve(None, deal(1), None, later());
    assert_eq!(became, Reserved, "a deal whose price the seller agreed to relies on no listed price");
}

#[test]
fn what_the_end_of_a_deal_does() {
    use UnitState::{Refused, Reserved, Restored, Sold};
    let everywhere = &STATES[..];
    let with_units = &[OnSale, SomeReserved, PartlySold, Hidden, Deleted][..];
    let without = &[AllReserved, RestReserved, Ended][..];
    let table = [
        (Some(Reserved), everywhere, (Sold, "")),
        (Some(Sold), everywhere, (Sold, "")),
        (Some(Restored), everywhere, (Restored, "")),
        // It happened out in the world, whatever had been answered before.
        (Some(Refused), with_units, (Sold, "QtyDecreased")),
        (Some(Refused), without, (Refused, "")),
        (None, with_units, (Sold, "QtyDecreased")),
        (None, without, (Refused, "")),
    ];
    for_every_known_deal_of_one_unit(&table, |post, known, deal| post.end(known, deal, later()));

    let mut all_reserved = post(AllReserved);
    let (became, events) = all_reserved.end(Some(Reserved), deal(3), later());
    assert_eq!((became, told(&events).as_str()), (Sold, "StatusUpdated(dealEnded)"));
}

#[test]
fn what_the_canceling_of_a_deal_does() {
    use UnitState::{Refused, Reserved, Restored, Sold};
    let everywhere = &STATES[..];
    let all_taken = &[AllReserved, RestReserved][..];
    let some_left = &[OnSale, SomeReserved, PartlySold, Ended, Hidden, Deleted][..];
    let table = [
        (Some(Reserved), all_taken, (Restored, "QtyRestored StatusUpdated(created)")),
        (Some(Reserved), some_left, (Restored, "QtyRestored")),
        (Some(Sold), everywhere, (Sold, "")),
        (Some(Restored), everywhere, (Restored, "")),
        (Some(Refused), everywhere, (Refused, "")),
        // The reservation, should it still arrive, will find the deal over.
        (None, everywhere, (Restored, "")),
    ];
    for_every_known_deal_of_one_unit(&table, |post, known, deal| post.restore(known, deal, later()));
}

type Reaction = fn(&mut Post, Option<UnitState>, Deal) -> (UnitState, Vec<PostEvent>);
type Row<'t> = (Option<UnitState>, &'t [State], (UnitState, &'t str));

fn for_every_known_deal_of_one_unit(table: &[Row<'_>], react: Reaction) {
    for state in STATES {
        for known in UNIT_STATES.map(Some).into_iter().chain([None]) {
            let mut post = post(state);
            if known == Some(UnitState::Reserved) && post.reserved == 0 {
                continue; // A deal that holds units is one of those reserved.
            }
            let (became, events) = react(&mut post, known, deal(1));
            assert_eq!(
                (became, told(&events).as_str()),
                *only_row(table, known, state),
                "a deal that is {known:?}, on {state:?}"
            );
            let settled = post.clone();
            let (again, events) = react(&mut post, Some(became), deal(1));
            assert_eq!((again, events, post), (became, vec![], settled), "the second time changes nothing");
        }
    }
}

#[test]
fn a_deal_that_is_known_is_not_reserved_again() {
    for state in STATES {
        for known in UNIT_STATES {
            let before = post(state);
            let mut after = before.clone();
            assert_eq!(after.reserve(Some(known), deal(1), Some(LISTED), later()), (known, vec![]));
            assert_eq!(after, before);
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Say(Command),
    Qty(i32),
    Reserve(usize),
    End(usize),
    Cancel(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        prop::sample::select(&Command::ALL[..6]).prop_map(Step::Say),
        (1..6).prop_map(Step::Qty),
        (0..4usize).prop_map(Step::Reserve),
        (0..4usize).prop_map(Step::End),
        (0..4usize).prop_map(Step::Cancel),
    ]
}

proptest! {
    /// Four deals of one to four units and the seller, in any order, with events lost, late or repeated.
    #[test]
    fn units_are_never_promised_twice(steps in prop::collection::vec(step(), 1..40)) {
        let mut post = post(OnSale);
        let mut known: [Option<UnitState>; 4] = [None; 4];
        let units = |of: usize| Deal { deal_id: of as i64, qty: of as i32 + 1 };
        let mut status = post.status();
        for step in steps {
            let version = post.version;
            let events = match step {
                Step::Say(command) => command.give(&mut post, None).unwrap_or_default(),
                Step::Qty(qty) => {
                    let content = Content { qty, ..post.content.clone() };
                    post.edit(None, content, later()).unwrap_or_default()
                }
                Step::Reserve(of) => settle(&mut known[of], |known| post.reserve(known, units(of), None, later())),
                Step::End(of) => settle(&mut known[of], |known| post.end(known, units(of), later())),
                Step::Cancel(of) => settle(&mut known[of], |known| post.restore(known, units(of), later())),
            };
            let held_by = |state| {
                (0..4).filter(|of| known[*of] == Some(state)).map(|of| units(of).qty).sum::<i32>()
            };
            prop_assert_eq!(post.reserved, held_by(UnitState::Reserved));
            prop_assert_eq!(post.sold, held_by(UnitState::Sold));
            prop_assert!(post.available_qty() >= 0);
            prop_assert!(post.reserved + post.sold <= post.content.qty);

            for event in &events {
                if let PostEvent::StatusUpdated(updated) = event {
                    prop_assert_ne!(updated.status, status, "a status is told when it changes");
                    prop_assert_eq!(updated.available_qty, post.available_qty());
                    status = updated.status;
                }
            }
            prop_assert_eq!(post.status(), status, "a status that changes is told");
            let refused = events.iter().any(|event| matches!(event, PostEvent::PostUnavailable(_)));
            prop_assert!(events.is_empty() || refused || post.version == version + 1);
        }
    }
}

fn settle(
    known: &mut Option<UnitState>,
    react: impl FnOnce(Option<UnitState>) -> (UnitState, Vec<PostEvent>),
) -> Vec<PostEvent> {
    let (state, events) = react(*known);
    *known = Some(state);
    events
}
