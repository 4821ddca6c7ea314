//! The bodies of deals, and what a list of them can be narrowed to.

use crate::domain::{Deal, Meeting, OfferCopy, Step, Wish};
use chassis::{
    hal::Resource,
    idempotency::CommandBody,
    problem::Problem,
    query::Filter,
    wire::{Change, Date, Faults, Id, Line, Qty, UserId, Won, Word, agree, same},
};
use deserr::Deserr;
use serde::Serialize;
use shared_events::{DealStatus, Fulfilment, WireDate};
use sqlx::types::Json;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

/// A deal, as it is answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Deal)]
pub struct DealBody {
    deal_id: i64,
    offer_id: i64,
    post_id: i64,
    /// The buyer.
    user_id: String,
    seller_id: String,
    /// The agreed price of one unit.
    price: i64,
    qty: i32,
    status: DealStatus,
    /// The day they meet.
    #[schema(value_type = Option<String>, format = DateTime)]
    reserve_dt: Option<WireDate>,
    meet_place: Option<String>,
    fulfilment: Fulfilment,
    address: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    create_dt: WireDate,
    #[schema(value_type = String, format = DateTime)]
    update_dt: WireDate,
    history: Vec<Step>,
    #[serde(skip)]
    version: i64,
}

impl From<Deal> for DealBody {
    fn from(deal: Deal) -> Self {
        Self {
            deal_id: deal.deal_id,
            offer_id: deal.offer_id,
            post_id: deal.post_id,
            user_id: deal.user_id,
            seller_id: deal.seller_id,
            price: deal.price,
            qty: deal.qty,
            status: deal.status,
            reserve_dt: deal.reserve_dt.map(Into::into),
            meet_place: deal.meet_place,
            fulfilment: deal.fulfilment,
            address: deal.address,
            create_dt: deal.create_dt.into(),
            update_dt: deal.update_dt.into(),
            history: deal.history.0,
            version: deal.version,
        }
    }
}

impl Resource for DealBody {
    const NAME: &'static str = "deal";
    const COLLECTION: &'static str = "deals";
    fn id(&self) -> i64 {
        self.deal_id
    }
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// The seeds' clients say `offeredId` for `offerId`.
const ALIASES: &[(&str, &str)] = &[("offeredId", "offerId")];

/// A deal to reserve.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = camelCase, validate = NewDeal::words -> Faults)]
#[schema(rename_all = "camelCase")]
pub struct NewDeal {
    /// The offer; also `offeredId`.
    pub(super) offer_id: Id,
    post_id: Id,
    /// The buyer, whoever acts.
    user_id: UserId,
    /// The agreed price, where it is repeated.
    #[deserr(default)]
    price: Option<Won>,
    /// The offer's units, where they are repeated.
    #[deserr(default)]
    qty: Option<Qty>,
    /// May be repeated: `dealReserved`.
    #[schema(value_type = Option<DealStatus>)]
    #[deserr(default)]
    status: Option<Word<DealStatus>>,
    /// The day they meet.
    #[deserr(default)]
    reserve_dt: Option<Date>,
    #[deserr(default)]
    meet_place: Option<Line<200>>,
    #[schema(value_type = Option<Fulfilment>)]
    #[deserr(default)]
    fulfilment: Option<Word<Fulfilment>>,
    /// Where a parcel goes; required for a delivery.
    #[deserr(default)]
    address: Option<Line<200>>,
    #[deserr(default)]
    update_dt: Option<Date>,
}

impl CommandBody for NewDeal {
    const ALIASES: &'static [(&'static str, &'static str)] = ALIASES;
    const REQUIRED_IF: &'static [(&'static str, &'static str, &'static str)] =
        &[("fulfilment", Fulfilment::Delivery.as_str(), "address")];
}

impl NewDeal {
    fn words(self, _: deserr::ValuePointerRef<'_>) -> Result<Self, Faults> {
        if self.status.is_some_and(|word| word.0 != DealStatus::DealReserved) {
            return Err(Faults::unacceptable("status", "must be dealReserved when a deal is reserved"));
        }
        Ok(self)
    }

    fn fulfilment(&self) -> Fulfilment {
        self.fulfilment.map_or(Fulfilment::Meetup, |word| word.0)
    }

    pub(super) fn wish(&self) -> Wish {
        Wish {
            user_id: self.user_id.0.clone(),
            post_id: self.post_id.0,
            price: self.price.map(|won| won.0),
            qty: self.qty.map(|qty| qty.0),
        }
    }

    pub(super) fn deal(&self, offer: &OfferCopy, actor: Option<String>) -> Deal {
        let now = OffsetDateTime::now_utc();
        Deal {
            deal_id: 0,
            offer_id: offer.offer_id,
            post_id: offer.post_id,
            user_id: offer.user_id.clone(),
            seller_id: offer.seller_id.clone(),
            price: offer.agreed_price,
            qty: offer.qty,
            status: DealStatus::DealReserved,
            reserve_dt: self.reserve_dt.map(Into::into),
            meet_place: self.meet_place.clone().map(|line| line.0),
            fulfilment: self.fulfilment(),
            address: self.address.clone().map(|line| line.0),
            history: Json(vec![Step { status: DealStatus::DealReserved, at: now.into(), by: actor }]),
            version: 1,
            create_dt: now,
            update_dt: self.update_dt.map_or(now, Into::into),
        }
    }
}

/// A change of a deal. Every other field may be repeated, and not changed.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = camelCase)]
#[schema(rename_all = "camelCase")]
pub struct DealChange {
    /// `dealEnded` or `dealCanceled`; of a delivery also `deliveryStarted` (the seller, who declines with it, too,
    /// when the buyer asks to cancel) and `cancelRequested` (the buyer).
    #[schema(value_type = Option<DealStatus>)]
    #[deserr(default)]
    pub(super) status: Option<Word<DealStatus>>,
    /// Another day to meet, while the deal is reserved and its status is not changed.
    #[schema(value_type = Option<Date>)]
    #[deserr(default)]
    reserve_dt: Change<Date>,
    /// Another place to meet, likewise.
    #[schema(value_type = Option<Line<200>>)]
    #[deserr(default)]
    meet_place: Change<Line<200>>,
    /// Who acts: the buyer or the seller. Absent: whichever may.
    #[deserr(default)]
    pub(super) user_id: Option<UserId>,
    /// When it happened, if not now.
    #[deserr(default)]
    pub(super) update_dt: Option<Date>,
    #[deserr(default)]
    deal_id: Option<Id>,
    /// Also `offeredId`.
    #[deserr(default)]
    offer_id: Option<Id>,
    #[deserr(default)]
    post_id: Option<Id>,
    #[deserr(default)]
    seller_id: Option<UserId>,
    #[deserr(default)]
    price: Option<Won>,
    #[deserr(default)]
    qty: Option<Qty>,
    #[schema(value_type = Option<Fulfilment>)]
    #[deserr(default)]
    fulfilment: Option<Word<Fulfilment>>,
    #[schema(value_type = Option<Line<200>>)]
    #[deserr(default)]
    address: Change<Line<200>>,
}

impl CommandBody for DealChange {
    const ALIASES: &'static [(&'static str, &'static str)] = ALIASES;
}

impl DealChange {
    /// The status to write, unless it is the one that the deal has.
    pub(super) fn new_status(&self, deal: &Deal) -> Option<DealStatus> {
        self.status.map(|word| word.0).filter(|status| *status != deal.status)
    }

    /// When and where they would meet.
    pub(super) fn meeting(&self, deal: &Deal) -> Meeting {
        let mut meeting = deal.meeting();
        self.reserve_dt.apply(&mut meeting.reserve_dt, |date| date.0);
        self.meet_place.clone().apply(&mut meeting.meet_place, |line| line.0);
        meeting
    }

    pub(super) fn agrees_with(&self, deal: &Deal) -> Result<(), Problem> {
        let (said, stored) = (self.meeting(deal), deal.meeting());
        // Who moves a deal on does not reschedule it as well.
        let moves_on = self.new_status(deal).is_some();
        let mut address = deal.address.clone();
        self.address.clone().apply(&mut address, |line| line.0);
        agree(&[
            ("dealId", same(self.deal_id.map(|id| id.0), &deal.deal_id)),
            ("offerId", same(self.offer_id.map(|id| id.0), &deal.offer_id)),
            ("postId", same(self.post_id.map(|id| id.0), &deal.post_id)),
            ("sellerId", same(self.seller_id.as_ref().map(|user| &user.0), &&deal.seller_id)),
            ("price", same(self.price.map(|won| won.0), &deal.price)),
            ("qty", same(self.qty.map(|qty| qty.0), &deal.qty)),
            ("fulfilment", same(self.fulfilment.map(|word| word.0), &deal.fulfilment)),
            ("address", address == deal.address),
            ("reserveDt", !moves_on || said.reserve_dt == stored.reserve_dt),
            ("meetPlace", !moves_on || said.meet_place == stored.meet_place),
        ])
    }
}

/// What a list of deals can be narrowed to.
#[derive(Debug, Clone, Deserr, IntoParams)]
#[deserr(error = Faults, rename_all = camelCase)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct DealFilter {
    #[param(value_type = Option<i64>)]
    #[deserr(default)]
    pub(super) post_id: Option<Id>,
    /// The buyer.
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    pub(super) user_id: Option<UserId>,
    #[param(value_type = Option<i64>)]
    #[deserr(default)]
    pub(super) offer_id: Option<Id>,
    #[param(value_type = Option<DealStatus>)]
    #[deserr(default)]
    pub(super) status: Option<Word<DealStatus>>,
}

impl Filter for DealFilter {
    const SORTABLE: &'static [(&'static str, &'static str)] = &[
        ("dealId", "deal_id"),
        ("offerId", "offer_id"),
        ("postId", "post_id"),
        ("userId", "user_id"),
        ("sellerId", "seller_id"),
        ("price", "price"),
        ("qty", "qty"),
        ("status", "status"),
        ("reserveDt", "reserve_dt"),
        ("createDt", "create_dt"),
        ("updateDt", "update_dt"),
    ];
    const DEFAULT_ORDER: &'static str = "deal_id";
}
