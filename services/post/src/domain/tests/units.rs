//! Whatever happens in whatever order, no unit is promised twice.

use super::*;
use proptest::prelude::*;

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
