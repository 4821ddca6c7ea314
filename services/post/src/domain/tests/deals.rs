//! How the deals move a post.

use super::*;

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
