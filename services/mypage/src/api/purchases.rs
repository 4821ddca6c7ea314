//! What a buyer sees of what they buy: `/purchases`.

use crate::{
    domain::order::{DatedStep, OrderStatus, OrderStep, order_status},
    store,
};
use axum::extract::State;
use chassis::{
    app::App,
    caller::Caller,
    hal::{self, Resource},
    idempotency::Answer,
    problem::Problem,
    query::{Filter, ItemId, Listing, Paging},
    wire::{Faults, Id, UserId},
};
use deserr::Deserr;
use serde::Serialize;
use shared_events::{DealStatus, Fulfilment, OfferStatus, OfferType, PayMethod, PaymentState, WireDate};
use sqlx::types::Json;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

/// An offer with its payment and the deal that came of it, as its buyer sees it: the whole order on one screen.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Purchase)]
pub struct PurchaseBody {
    /// The offer's id.
    id: i64,
    offer_id: i64,
    post_id: i64,
    /// Null for the moment that the post's own event is on its way.
    goods: Option<String>,
    /// The buyer.
    user_id: String,
    seller_id: String,
    offer_type: OfferType,
    /// The post's price of one unit, in won, when the offer was placed.
    price: i64,
    offered_price: Option<i64>,
    agreed_price: i64,
    qty: i32,
    pay_method: PayMethod,
    offer_status: OfferStatus,
    deal_id: Option<i64>,
    deal_status: Option<DealStatus>,
    fulfilment: Option<Fulfilment>,
    payment_state: Option<PaymentState>,
    order_status: OrderStatus,
    /// The seeds' words for it.
    order_status_text: &'static str,
    /// The day they meet.
    #[schema(value_type = Option<String>, format = DateTime)]
    reserve_dt: Option<WireDate>,
    /// Where they meet.
    meet_place: Option<String>,
    /// Where the parcel goes.
    address: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    create_dt: WireDate,
    #[schema(value_type = String, format = DateTime)]
    update_dt: WireDate,
    /// What has happened so far, oldest first.
    steps: Vec<StepBody>,
}

/// One step of an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderStepAt)]
pub struct StepBody {
    status: OrderStep,
    /// The seeds' words for it.
    text: &'static str,
    #[schema(value_type = String, format = DateTime)]
    at: WireDate,
}

impl Resource for PurchaseBody {
    const NAME: &'static str = "purchase";
    const COLLECTION: &'static str = "purchases";
    fn id(&self) -> i64 {
        self.id
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct PurchaseRow {
    offer_id: i64,
    post_id: i64,
    goods: Option<String>,
    user_id: String,
    seller_id: String,
    #[sqlx(try_from = "String")]
    offer_type: OfferType,
    price: i64,
    offered_price: Option<i64>,
    agreed_price: i64,
    qty: i32,
    #[sqlx(try_from = "String")]
    pay_method: PayMethod,
    #[sqlx(try_from = "String")]
    offer_status: OfferStatus,
    deal_id: Option<i64>,
    deal_status: Option<String>,
    fulfilment: Option<String>,
    payment_state: Option<String>,
    steps: Json<Vec<DatedStep>>,
    reserve_dt: Option<OffsetDateTime>,
    meet_place: Option<String>,
    address: Option<String>,
    create_dt: OffsetDateTime,
    update_dt: OffsetDateTime,
}

impl From<PurchaseRow> for PurchaseBody {
    fn from(row: PurchaseRow) -> Self {
        // The tables take no other words than these.
        let deal_status = row.deal_status.and_then(|word| word.parse().ok());
        let fulfilment = row.fulfilment.and_then(|word| word.parse().ok());
        let payment_state = row.payment_state.and_then(|word| word.parse().ok());
        let order_status = order_status(row.offer_status, deal_status, payment_state);
        let Json(mut steps) = row.steps;
        steps.sort_by_key(|step| (step.at, step.status));
        let steps = steps.into_iter().map(|DatedStep { status, at }| StepBody {
            status,
            text: status.text(fulfilment),
            at,
        });
        Self {
            id: row.offer_id,
            offer_id: row.offer_id,
            post_id: row.post_id,
            goods: row.goods,
            user_id: row.user_id,
            seller_id: row.seller_id,
            offer_type: row.offer_type,
            price: row.price,
            offered_price: row.offered_price,
            agreed_price: row.agreed_price,
            qty: row.qty,
            pay_method: row.pay_method,
            offer_status: row.offer_status,
            deal_id: row.deal_id,
            deal_status,
            fulfilment,
            payment_state,
            order_status,
            order_status_text: order_status.text(fulfilment),
            reserve_dt: row.reserve_dt.map(Into::into),
            meet_place: row.meet_place,
            address: row.address,
            create_dt: row.create_dt.into(),
            update_dt: row.update_dt.into(),
            steps: steps.collect(),
        }
    }
}

/// What a list of purchases can be narrowed to.
#[derive(Debug, Clone, Deserr, IntoParams)]
#[deserr(error = Faults, rename_all = camelCase)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct PurchaseFilter {
    /// The buyer.
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    user_id: Option<UserId>,
    #[param(value_type = Option<i64>)]
    #[deserr(default)]
    post_id: Option<Id>,
}

impl Filter for PurchaseFilter {
    const SORTABLE: &'static [(&'static str, &'static str)] = &[
        ("id", "offer_id"),
        ("offerId", "offer_id"),
        ("postId", "post_id"),
        ("goods", "goods"),
        ("userId", "user_id"),
        ("sellerId", "seller_id"),
        ("offerType", "offer_type"),
        ("price", "price"),
        ("offeredPrice", "offered_price"),
        ("agreedPrice", "agreed_price"),
        ("qty", "qty"),
        ("payMethod", "pay_method"),
        ("offerStatus", "offer_status"),
        ("dealId", "deal_id"),
        ("dealStatus", "deal_status"),
        ("paymentState", "payment_state"),
        ("reserveDt", "reserve_dt"),
        ("createDt", "create_dt"),
        ("updateDt", "update_dt"),
    ];
    const DEFAULT_ORDER: &'static str = "create_dt desc, offer_id desc";
}

/// List what a buyer has ordered, newest first.
#[utoipa::path(get, path = "/purchases", params(PurchaseFilter, Paging),
    responses((status = 200, body = [PurchaseBody])))]
pub async fn list(State(app): State<App>, listing: Listing<PurchaseFilter>) -> Result<Answer, Problem> {
    let PurchaseFilter { user_id, post_id } = listing.filter.clone();
    let (user_id, post_id) = (listing.caller.actor.whose(user_id.as_ref())?, post_id.map(|id| id.0));
    let page = store::purchases(&app.db, user_id, post_id, &listing.paging).await?;
    Ok(listing.answer(&page.map(PurchaseBody::from)))
}

/// One order.
#[utoipa::path(get, path = "/purchases/{id}", params(("id" = i64, Path)),
    responses((status = 200, body = PurchaseBody)))]
pub async fn read(
    State(app): State<App>,
    ItemId(offer_id): ItemId,
    caller: Caller,
) -> Result<Answer, Problem> {
    let row = store::purchase(&app.db, offer_id).await?.filter(|row| caller.actor.sees([&row.user_id]));
    let row = row.ok_or_else(|| Problem::not_found("purchase"))?;
    Ok(hal::item(&caller.base, &PurchaseBody::from(row)))
}
