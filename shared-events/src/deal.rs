//! What the deal service tells.

use crate::{DealStatus, Fulfilment, PayMethod, PaymentState, WireDate, Won, envelope::events};
use serde::{Deserialize, Serialize};

events!("deal":
    /// One of the deal service's events.
    DealEvent {
        DealReserved, DealEnded, DealCanceled, DealRescheduled, DeliveryStarted, CancelRequested, CancelDeclined,
        PaymentPlaced, PaymentHeld, PaymentReleased, PaymentRefunded, PaymentFailed, DealReviewed,
    }
);

/// Buyer and seller agreed to meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DealReserved {
    /// The deal.
    pub deal_id: i64,
    /// The post.
    pub post_id: i64,
    /// The buyer.
    pub user_id: String,
    /// Always `dealReserved`.
    pub status: DealStatus,
    /// When it was reserved.
    pub update_dt: WireDate,
    /// The agreed price of one unit.
    pub price: Won,
    /// The offer it came from.
    pub offer_id: i64,
    /// The seller.
    pub seller_id: String,
    /// How many units.
    pub qty: i32,
    /// The day they meet.
    pub reserve_dt: Option<WireDate>,
    /// How the goods change hands.
    pub fulfilment: Fulfilment,
    /// The post's price this deal relies on; null when the seller accepted the offer and so agreed to its price.
    pub listed_price: Option<Won>,
    /// Where they meet, as far as they have agreed on it.
    pub meet_place: Option<String>,
    /// Where a parcel goes. For the two of them alone: nobody else may be shown it.
    pub address: Option<String>,
}

/// Goods and money changed hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DealEnded {
    /// The deal.
    pub deal_id: i64,
    /// The post.
    pub post_id: i64,
    /// The buyer.
    pub user_id: String,
    /// Always `dealEnded`.
    pub status: DealStatus,
    /// When it ended.
    pub update_dt: WireDate,
    /// The agreed price of one unit.
    pub price: Won,
    /// The offer it came from.
    pub offer_id: i64,
    /// The seller.
    pub seller_id: String,
    /// How many units.
    pub qty: i32,
    /// The day they meet.
    pub reserve_dt: Option<WireDate>,
    /// How the goods change hands.
    pub fulfilment: Fulfilment,
}

/// The deal was called off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DealCanceled {
    /// The deal.
    pub deal_id: i64,
    /// The post.
    pub post_id: i64,
    /// The buyer.
    pub user_id: String,
    /// Always `dealCanceled`.
    pub status: DealStatus,
    /// When it was canceled.
    pub update_dt: WireDate,
    /// The offer it came from.
    pub offer_id: i64,
    /// The seller.
    pub seller_id: String,
    /// The agreed price of one unit.
    pub price: Won,
    /// How many units.
    pub qty: i32,
    /// Null when one of the two called it off; else a kebab-case word that says what did.
    pub reason: Option<String>,
}

/// The steps of a deal on its way carry the same fields.
macro_rules! steps {
    ($($(#[$meta:meta])* $name:ident,)+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// The deal.
            pub deal_id: i64,
            /// The post.
            pub post_id: i64,
            /// The buyer.
            pub user_id: String,
            /// Where the deal stands now.
            pub status: DealStatus,
            /// When it happened.
            pub update_dt: WireDate,
            /// The seller.
            pub seller_id: String,
            /// The offer it came from.
            pub offer_id: i64,
            /// The day they meet.
            pub reserve_dt: Option<WireDate>,
            /// Where they meet.
            pub meet_place: Option<String>,
        }
    )+};
}

steps! {
    /// They meet on another day or in another place.
    DealRescheduled,
    /// The parcel is on its way.
    DeliveryStarted,
    /// The buyer asks to call off a deal whose parcel is on its way.
    CancelRequested,
    /// The seller does not agree to that.
    CancelDeclined,
}

/// The states of a payment are told with the same fields.
macro_rules! payments {
    ($($(#[$meta:meta])* $name:ident,)+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// The payment.
            pub payment_id: i64,
            /// The offer it pays for.
            pub offer_id: i64,
            /// The post.
            pub post_id: i64,
            /// Who pays.
            pub user_id: String,
            /// How much: the agreed price times the units.
            pub amount: Won,
            /// How the money moves.
            pub pay_method: PayMethod,
            /// Where it stands now.
            pub state: PaymentState,
            /// Who is paid.
            pub seller_id: String,
            /// The deal, once there is one.
            pub deal_id: Option<i64>,
        }
    )+};
}

payments! {
    /// A bank transfer is expected.
    PaymentPlaced,
    /// The money is held for the seller.
    PaymentHeld,
    /// The money is the seller's.
    PaymentReleased,
    /// The money is the buyer's again.
    PaymentRefunded,
    /// There was not enough money, or it did not come.
    PaymentFailed,
}

/// One of the two says how it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DealReviewed {
    /// The review.
    pub review_id: i64,
    /// The deal.
    pub deal_id: i64,
    /// The post.
    pub post_id: i64,
    /// Who wrote it.
    pub user_id: String,
    /// Whom it is about.
    pub target_id: String,
    /// From 1 to 5.
    pub rating: i32,
    /// In words.
    pub comment: Option<String>,
}
