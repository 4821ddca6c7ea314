//! A meeting of buyer and seller, of which both are reminded on the day before.

use super::{Kind, Notice, notices::appointment};
use shared_events::{DealCanceled, DealEnded, DealRescheduled, DealReserved, DeliveryStarted};
use sqlx::types::Uuid;
use time::{Duration, OffsetDateTime};

/// How long before it both are reminded. A day without a time is midnight UTC, 9 o'clock in Korea, and so the
/// reminder comes on the morning of the day before.
pub const AHEAD: Duration = Duration::DAY;

/// What is known of a meeting.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Meeting {
    /// The deal they meet for.
    pub deal_id: i64,
    /// Who buys.
    pub buyer: String,
    /// Who sells.
    pub seller: String,
    /// The post.
    pub post_id: i64,
    /// The offer.
    pub offer_id: i64,
    /// When they meet, once they have said so.
    pub reserve_dt: Option<OffsetDateTime>,
    /// Where they meet, once they have said so.
    pub meet_place: Option<String>,
    /// They are still to meet.
    pub live: bool,
}

/// What both are told on the day before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reminder {
    /// In place of an event's id: the same for the same deal and day, so that nobody is told twice.
    pub id: Uuid,
    /// One for each of the two.
    pub notices: [Notice; 2],
}

impl Meeting {
    /// The reminder of it; none of a meeting that will not be, or on an unknown day.
    pub fn reminder(&self) -> Option<Reminder> {
        let reserve_dt = self.reserve_dt.filter(|_| self.live)?;
        let when = appointment(Some(reserve_dt.into()), self.meet_place.as_deref());
        let both = [(&self.buyer, &self.seller), (&self.seller, &self.buyer)];
        let notices = both.map(|(user_id, other)| Notice {
            user_id: user_id.clone(),
            kind: Kind::DealReminder,
            post_id: self.post_id,
            offer_id: Some(self.offer_id),
            deal_id: Some(self.deal_id),
            message: format!("{other}님과의 거래 약속이 다가왔습니다: {when}"),
        });
        Some(Reminder { id: reminder_id(self.deal_id, reserve_dt), notices })
    }
}

/// A UUID of version 8, which no event has: 48 bits of milliseconds and 64 of the deal, both whole.
fn reminder_id(deal_id: i64, reserve_dt: OffsetDateTime) -> Uuid {
    const VERSION: u128 = 8 << 76;
    const VARIANT: u128 = 0b10 << 62;
    let millis = (reserve_dt.unix_timestamp_nanos() / 1_000_000).cast_unsigned() & ((1 << 48) - 1);
    let deal = u128::from(deal_id.cast_unsigned());
    let (high, low) = (deal >> 62, deal & ((1 << 62) - 1));
    Uuid::from_u128(millis << 80 | VERSION | high << 64 | VARIANT | low)
}

/// An event that says when the two of a deal meet, or that they will not.
pub trait Meets: shared_events::Event {
    /// What is known from it.
    fn meeting(&self) -> Meeting;
}

/// `event => (event) -> when, where, whether they are still to meet`.
macro_rules! meetings {
    ($($event:ident => |$it:ident| $known:expr,)+) => {$(
        impl Meets for $event {
            fn meeting(&self) -> Meeting {
                let $it = self;
                let (reserve_dt, meet_place, live) = $known;
                Meeting {
                    deal_id: $it.deal_id,
                    buyer: $it.user_id.clone(),
                    seller: $it.seller_id.clone(),
                    post_id: $it.post_id,
                    offer_id: $it.offer_id,
                    reserve_dt,
                    meet_place,
                    live,
                }
            }
        }
    )+};
}

meetings! {
    DealReserved => |it| (it.reserve_dt.map(Into::into), it.meet_place.clone(), true),
    DealRescheduled => |it| (it.reserve_dt.map(Into::into), it.meet_place.clone(), true),
    DeliveryStarted => |_it| (None, None, false),
    DealEnded => |_it| (None, None, false),
    DealCanceled => |_it| (None, None, false),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use time::macros::datetime;

    fn meeting(reserve_dt: Option<OffsetDateTime>, meet_place: Option<&str>, live: bool) -> Meeting {
        Meeting {
            deal_id: 2,
            buyer: "buyer03".to_owned(),
            seller: "seller01".to_owned(),
            post_id: 1,
            offer_id: 3,
            reserve_dt,
            meet_place: meet_place.map(str::to_owned),
            live,
        }
    }

    #[test]
    fn both_are_reminded_of_a_meeting_that_will_be() {
        let day = Some(datetime!(2024-09-26 0:00 UTC));
        let hour = Some(datetime!(2024-09-26 10:30 UTC));
        for (meeting, expected) in [
            (meeting(day, Some("방배역"), true), Some("9월 26일, 방배역")),
            (meeting(hour, Some("방배역"), true), Some("9월 26일 19:30, 방배역")),
            (meeting(day, None, true), Some("9월 26일")),
            (meeting(None, Some("방배역"), true), None),
            (meeting(day, Some("방배역"), false), None),
        ] {
            let told = meeting.reminder().map(|reminder| {
                reminder.notices.map(|notice| {
                    assert_eq!(notice.kind, Kind::DealReminder);
                    let about = (notice.post_id, notice.offer_id, notice.deal_id);
                    assert_eq!(about, (1, Some(3), Some(2)));
                    (notice.user_id, notice.message)
                })
            });
            let told_to = |user: &str, other: &str, when: &str| {
                (user.to_owned(), format!("{other}님과의 거래 약속이 다가왔습니다: {when}"))
            };
            let expected = expected
                .map(|when| [told_to("buyer03", "seller01", when), told_to("seller01", "buyer03", when)]);
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn each_deal_and_moment_has_a_reminder_of_its_own() {
        let deals = [1, 2, 1 << 32, 1 << 61, 1 << 62, i64::MAX];
        let moments = [
            datetime!(2024-09-26 0:00 UTC),
            datetime!(2024-09-26 0:00:00.001 UTC),
            datetime!(9999-12-31 23:59:59.999 UTC),
        ];
        let ids: HashSet<_> = deals
            .iter()
            .flat_map(|deal| moments.map(|moment| reminder_id(*deal, moment)))
            .inspect(|id| assert_eq!((id.get_version_num(), id.get_variant() as u8), (8, 1), "{id}"))
            .collect();
        assert_eq!(ids.len(), deals.len() * moments.len());
        assert_eq!(reminder_id(2, moments[0]).to_string(), "01922ba0-a000-8000-8000-000000000002");
    }
}
