//! The life of a deal: who moves it on, when, and what is told.

use super::{Deal, Refusal, Step, payment};
use shared_events::{
    CancelDeclined, CancelRequested, DealCanceled, DealEnded, DealEvent, DealRescheduled, DealReserved,
    DealStatus, DeliveryStarted, Fulfilment, PayMethod, WireDate, Won,
};
use time::OffsetDateTime;

/// When and where they meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meeting {
    /// The day.
    pub reserve_dt: Option<WireDate>,
    /// The place.
    pub meet_place: Option<String>,
}

/// The steps of a deal on its way are told with the same fields.
macro_rules! step {
    ($deal:ident, $event:ident) => {
        $event {
            deal_id: $deal.deal_id,
            post_id: $deal.post_id,
            user_id: $deal.user_id.clone(),
            status: $deal.status,
            update_dt: $deal.update_dt.into(),
            seller_id: $deal.seller_id.clone(),
            offer_id: $deal.offer_id,
            reserve_dt: $deal.reserve_dt.map(Into::into),
            meet_place: $deal.meet_place.clone(),
        }
        .into()
    };
}

impl Deal {
    /// The event of its first day.
    pub fn reserved(&self, listed_price: Option<Won>) -> DealEvent {
        DealReserved {
            deal_id: self.deal_id,
            post_id: self.post_id,
            user_id: self.user_id.clone(),
            status: DealStatus::DealReserved,
            update_dt: self.update_dt.into(),
            price: self.price,
            offer_id: self.offer_id,
            seller_id: self.seller_id.clone(),
            qty: self.qty,
            reserve_dt: self.reserve_dt.map(Into::into),
            fulfilment: self.fulfilment,
            listed_price,
            meet_place: self.meet_place.clone(),
            address: self.address.clone(),
        }
        .into()
    }

    /// Buyer or seller writes a status. Writing the one it has changes nothing. `actor` is None where nobody says
    /// who acts: then whichever may.
    ///
    /// # Errors
    /// It is not theirs to write, or comes too early or too late.
    pub fn become_(
        &mut self,
        to: DealStatus,
        actor: Option<&str>,
        said_dt: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Result<Vec<DealEvent>, Refusal> {
        use DealStatus::{
            CancelRequested as Asked, DealCanceled as Canceled, DealEnded as Ended, DealReserved as Reserved,
            DeliveryStarted as OnItsWay,
        };
        self.is_party(actor)?;
        let from = self.status;
        match (from, to) {
            (from, to) if from == to => return Ok(Vec::new()),
            (Reserved, Ended | Canceled) => {}
            (Reserved, OnItsWay) if self.fulfilment == Fulfilment::Meetup => {
                return Err(Refusal::NotADelivery);
            }
            (Reserved, OnItsWay) => self.is_seller(actor)?,
            (Reserved, Asked) => return Err(Refusal::NotOnItsWay),
            // Receipt is the buyer's to confirm, and a cancellation the buyer's to ask for.
            (OnItsWay, Ended | Asked) => self.is_buyer(actor)?,
            (OnItsWay, Canceled) => return Err(Refusal::CancelNeedsConsent),
            (Asked, Canceled) if actor == Some(&self.user_id) => return Err(Refusal::CancelNeedsConsent),
            // The seller agrees, or declines.
            (Asked, Canceled | OnItsWay) => self.is_seller(actor)?,
            (from, to) => return Err(Refusal::WrongState { from, to }),
        }
        self.step(to, actor, said_dt.unwrap_or(now), now);
        let event = match to {
            Ended => self.ended(),
            Canceled => self.canceled(None),
            Asked => step!(self, CancelRequested),
            _ if from == Asked => step!(self, CancelDeclined),
            _ => step!(self, DeliveryStarted),
        };
        Ok(vec![event])
    }

    /// With money held for the seller, it is the buyer who says that it has been earned; and the seller who calls a
    /// confirmed bank transfer off.
    ///
    /// # Errors
    /// Somebody else does so.
    pub fn may_become(
        &self,
        to: DealStatus,
        actor: Option<&str>,
        paid: Option<PayMethod>,
    ) -> Result<(), Refusal> {
        let by_buyer = actor == Some(&self.user_id);
        match (self.status, to, paid) {
            (_, DealStatus::DealEnded, Some(_)) => self.is_buyer(actor),
            (DealStatus::DealReserved, DealStatus::DealCanceled, Some(PayMethod::BankTransfer))
                if by_buyer =>
            {
                Err(payment::Refusal::DepositConfirmed.into())
            }
            _ => Ok(()),
        }
    }

    /// Either of the two names another day or place. The same once more changes nothing.
    ///
    /// # Errors
    /// It is another's deal, or they do not wait for that day any more.
    pub fn reschedule(
        &mut self,
        meeting: Meeting,
        actor: Option<&str>,
        said_dt: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Result<Vec<DealEvent>, Refusal> {
        self.is_party(actor)?;
        if meeting == self.meeting() {
            return Ok(Vec::new());
        }
        if self.status != DealStatus::DealReserved {
            return Err(Refusal::NotReserved(self.status));
        }
        self.reserve_dt = meeting.reserve_dt.map(Into::into);
        self.meet_place = meeting.meet_place;
        self.version += 1;
        self.update_dt = said_dt.unwrap_or(now);
        Ok(vec![step!(self, DealRescheduled)])
    }

    /// When and where they meet, as agreed so far.
    pub fn meeting(&self) -> Meeting {
        Meeting { reserve_dt: self.reserve_dt.map(Into::into), meet_place: self.meet_place.clone() }
    }

    /// Compensation: the offer was withdrawn or the post cannot be had. Comes too late for a deal that is on its way
    /// or over.
    pub fn give_up(&mut self, reason: &str, now: OffsetDateTime) -> Vec<DealEvent> {
        if self.status != DealStatus::DealReserved {
            return Vec::new();
        }
        self.step(DealStatus::DealCanceled, Some(reason), now, now);
        vec![self.canceled(Some(reason))]
    }

    /// # Errors
    /// Neither buyer nor seller.
    pub fn is_party(&self, actor: Option<&str>) -> Result<(), Refusal> {
        let party = |actor| actor == self.user_id || actor == self.seller_id;
        if actor.is_none_or(party) { Ok(()) } else { Err(Refusal::NotAParty) }
    }

    fn is_seller(&self, actor: Option<&str>) -> Result<(), Refusal> {
        if actor.is_none_or(|actor| actor == self.seller_id) {
            Ok(())
        } else {
            Err(Refusal::NotYours("seller"))
        }
    }

    fn is_buyer(&self, actor: Option<&str>) -> Result<(), Refusal> {
        if actor.is_none_or(|actor| actor == self.user_id) { Ok(()) } else { Err(Refusal::NotYours("buyer")) }
    }

    fn step(&mut self, to: DealStatus, by: Option<&str>, update_dt: OffsetDateTime, now: OffsetDateTime) {
        self.status = to;
        self.version += 1;
        self.update_dt = update_dt;
        self.history.push(Step { status: to, at: now.into(), by: by.map(str::to_owned) });
    }

    fn ended(&self) -> DealEvent {
        DealEnded {
            deal_id: self.deal_id,
            post_id: self.post_id,
            user_id: self.user_id.clone(),
            status: DealStatus::DealEnded,
            update_dt: self.update_dt.into(),
            price: self.price,
            offer_id: self.offer_id,
            seller_id: self.seller_id.clone(),
            qty: self.qty,
            reserve_dt: self.reserve_dt.map(Into::into),
            fulfilment: self.fulfilment,
        }
        .into()
    }

    fn canceled(&self, reason: Option<&str>) -> DealEvent {
        DealCanceled {
            deal_id: self.deal_id,
            post_id: self.post_id,
            user_id: self.user_id.clone(),
            status: DealStatus::DealCanceled,
            update_dt: self.update_dt.into(),
            offer_id: self.offer_id,
            seller_id: self.seller_id.clone(),
            price: self.price,
            qty: self.qty,
            reason: reason.map(str::to_owned),
        }
        .into()
    }
}
