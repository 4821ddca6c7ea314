//! What the deal service tells.

use crate::{DealStatus, Fulfilment, WireDate, Won, envelope::events};
use serde::{Deserialize, Serialize};

events!("deal":
    /// One of the deal service's events.
    DealEvent { DealReserved, DealEnded, DealCanceled }
);

/// Buyer and seller agreed to meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// Goods and money changed hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
