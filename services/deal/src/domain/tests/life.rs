//! Every deal × every written status × everyone.

use super::*;

/// What happens when a status is written, and who may write it.
#[derive(Debug, Clone)]
enum Cell {
    /// It is that already.
    Same,
    /// Either of the two may; this is told.
    Either(&'static str),
    /// The buyer's to write.
    Buyer(&'static str),
    /// The seller's to write.
    Seller(&'static str),
    /// The seller's to write; the buyer has asked for it, and waits.
    Agree(&'static str),
    /// Nobody may.
    No(Refusal),
    /// Nobody may: that way does not lead anywhere.
    Late,
}

impl Cell {
    fn expected(self, from: DealStatus, to: DealStatus, actor: Option<&str>) -> Result<Vec<String>, Refusal> {
        let told = |event: &str| Ok(vec![event.to_owned()]);
        match (self, actor) {
            (_, Some("stranger")) => Err(Refusal::NotAParty),
            (Self::Same, _) => Ok(Vec::new()),
            (Self::Buyer(_), Some("seller")) => Err(Refusal::NotYours("buyer")),
            (Self::Seller(_), Some("buyer")) => Err(Refusal::NotYours("seller")),
            (Self::Agree(_), Some("buyer")) => Err(Refusal::CancelNeedsConsent),
            (Self::Either(event) | Self::Buyer(event) | Self::Seller(event) | Self::Agree(event), _) => {
                told(event)
            }
            (Self::No(refusal), _) => Err(refusal),
            (Self::Late, _) => Err(Refusal::WrongState { from, to }),
        }
    }
}

fn deal_by(fulfilment: Fulfilment, status: DealStatus) -> Deal {
    Deal { fulfilment, ..deal(status) }
}

#[test]
fn every_written_status_on_every_status_by_everyone() {
    use Cell::*;
    use DealStatus::*;
    for &fulfilment in Fulfilment::ALL {
        let start = match fulfilment {
            Fulfilment::Meetup => No(Refusal::NotADelivery),
            Fulfilment::Delivery => Seller("DeliveryStarted"),
        };
        // Rows: from. Columns: to, in the order of `DealStatus::ALL`.
        #[rustfmt::skip]
        let table = [
            //                 reserved started                    requested                  canceled                         ended
            (DealReserved,    [Same,    start,                     No(Refusal::NotOnItsWay),  Either("DealCanceled"),          Either("DealEnded")]),
            (DeliveryStarted, [Late,    Same,                      Buyer("CancelRequested"),  No(Refusal::CancelNeedsConsent), Buyer("DealEnded")]),
            (CancelRequested, [Late,    Seller("CancelDeclined"),  Same,                      Agree("DealCanceled"),           Late]),
            (DealCanceled,    [Late,    Late,                      Late,                      Same,                            Late]),
            (DealEnded,       [Late,    Late,                      Late,                      Late,                            Same]),
        ];
        assert_eq!(table.each_ref().map(|(from, _)| *from), DealStatus::ALL);
        for (from, columns) in table {
            for (&to, cell) in DealStatus::ALL.iter().zip(columns) {
                for actor in [None, Some("buyer"), Some("seller"), Some("stranger")] {
                    for said in [None, Some(SAID)] {
                        writes(fulfilment, from, to, actor, said, cell.clone());
                    }
                }
            }
        }
    }
}

fn writes(
    fulfilment: Fulfilment,
    from: DealStatus,
    to: DealStatus,
    actor: Option<&str>,
    said: Option<OffsetDateTime>,
    cell: Cell,
) {
    let case = format!("{fulfilment}: {from} → {to} by {actor:?}");
    let mut deal = deal_by(fulfilment, from);
    let mut expected = deal.clone();
    let result = deal.become_(to, actor, said, LATER);
    let expected_result = cell.expected(from, to, actor);
    if matches!(&expected_result, Ok(told) if !told.is_empty()) {
        expected.status = to;
        expected.version = 5;
        expected.update_dt = said.unwrap_or(LATER);
        expected.history.push(Step { status: to, at: LATER.into(), by: actor.map(Into::into) });
    }
    assert_eq!(result.map(|events| types(&events)), expected_result, "{case}");
    assert_eq!(deal, expected, "{case}");
}

#[test]
fn money_says_who_ends_a_deal_and_who_calls_it_off() {
    use PayMethod::{BankTransfer, Wallet};
    let buyer_only = Err(Refusal::NotYours("buyer"));
    let confirmed = Err(Refusal::Payment(crate::domain::payment::Refusal::DepositConfirmed));
    for &from in DealStatus::ALL {
        for &to in DealStatus::ALL {
            for paid in [None, Some(Wallet), Some(BankTransfer)] {
                for actor in [None, Some("buyer"), Some("seller")] {
                    let expected = match (to, paid, actor) {
                        (DealStatus::DealEnded, Some(_), Some("seller")) => buyer_only.clone(),
                        // On its way, the buyer asks, and the seller consents.
                        (DealStatus::DealCanceled, Some(BankTransfer), Some("buyer"))
                            if from == DealStatus::DealReserved =>
                        {
                            confirmed.clone()
                        }
                        _ => Ok(()),
                    };
                    let case = format!("{from} → {to} by {actor:?}, paid by {paid:?}");
                    assert_eq!(deal(from).may_become(to, actor, paid), expected, "{case}");
                }
            }
        }
    }
}

#[test]
fn a_meeting_is_moved_while_it_is_ahead() {
    let on = |day: OffsetDateTime, place: &str| Meeting {
        reserve_dt: Some(day.into()),
        meet_place: Some(place.to_owned()),
    };
    for &status in DealStatus::ALL {
        let mut deal = deal(status);
        let before = deal.clone();
        let nowhere = Meeting { reserve_dt: None, meet_place: None };
        assert_eq!(deal.reschedule(nowhere.clone(), Some("seller"), None, LATER), Ok(Vec::new()), "{status}");
        assert_eq!(deal.reschedule(nowhere.clone(), Some("stranger"), None, LATER), Err(Refusal::NotAParty));
        assert_eq!(deal, before);

        let meeting = on(LATER, "방배역");
        let result = deal.reschedule(meeting.clone(), Some("buyer"), Some(SAID), LATER);
        if status != DealStatus::DealReserved {
            assert_eq!(result, Err(Refusal::NotReserved(status)));
            assert_eq!(deal, before);
            continue;
        }
        let expected = Deal {
            reserve_dt: Some(LATER),
            meet_place: Some("방배역".to_owned()),
            version: 5,
            update_dt: SAID,
            ..before
        };
        assert_eq!(deal, expected);
        let [DealEvent::DealRescheduled(event)] = &result.unwrap()[..] else { panic!("one event") };
        assert_eq!((event.status, event.reserve_dt), (DealStatus::DealReserved, Some(LATER.into())));
        assert_eq!(deal.reschedule(meeting, None, None, LATER), Ok(Vec::new()), "the same once more");
        assert_eq!(deal.reschedule(nowhere, None, None, LATER).map(|events| events.len()), Ok(1));
        assert_eq!((deal.reserve_dt, deal.meet_place), (None, None));
    }
}

#[test]
fn compensation_cancels_what_is_still_reserved_and_comes_too_late_for_the_rest() {
    for &from in DealStatus::ALL {
        let mut deal = deal(from);
        let before = deal.clone();
        let events = deal.give_up("post-deleted", LATER);
        if from == DealStatus::DealReserved {
            let [DealEvent::DealCanceled(event)] = &events[..] else { panic!("{events:?}") };
            assert_eq!(event.reason.as_deref(), Some("post-deleted"));
            assert_eq!((deal.status, deal.version, deal.update_dt), (DealStatus::DealCanceled, 5, LATER));
            let step =
                Step { status: DealStatus::DealCanceled, at: LATER.into(), by: Some("post-deleted".into()) };
            assert_eq!(deal.history.last(), Some(&step));
        } else {
            assert_eq!((types(&events), &deal), (Vec::new(), &before), "{from}");
        }
    }
}
