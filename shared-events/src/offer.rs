//! What the offer service tells.

use crate::{OfferStatus, OfferType, PayMethod, WireDate, Won, envelope::events};
use serde::{Deserialize, Serialize};

events!("offer":
    /// One of the offer service's events.
    OfferEvent {
        OfferPlaced, OfferAccepted, OfferRefused, OfferCanceled, MessageSent, WishlistAdded, WishlistDeleted,
    }
);

/// A buyer wants to buy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OfferPlaced {
    /// The offer.
    pub offer_id: i64,
    /// The buyer.
    pub user_id: String,
    /// The post's price of one unit.
    pub price: Won,
    /// The buyer's own price of one unit.
    pub offered_price: Option<Won>,
    /// The post.
    pub post_id: i64,
    /// Always `offerPlaced`.
    pub offer_status: OfferStatus,
    /// At the price, or at a price of the buyer's own.
    pub offer_type: OfferType,
    /// The seller.
    pub seller_id: String,
    /// How many units.
    pub qty: i32,
    /// What one unit will cost: the offered price, else the price.
    pub agreed_price: Won,
    /// How the money moves.
    pub pay_method: PayMethod,
    /// When the offer lapses.
    pub expires_dt: Option<WireDate>,
}

/// The three answers to an offer carry the same fields.
macro_rules! offer_answers {
    ($($(#[$meta:meta])* $name:ident,)+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// The offer.
            pub offer_id: i64,
            /// The buyer.
            pub user_id: String,
            /// The buyer's own price of one unit.
            pub offered_price: Option<Won>,
            /// The post.
            pub post_id: i64,
            /// Its new status.
            pub offer_status: OfferStatus,
            /// The seller.
            pub seller_id: String,
            /// How many units.
            pub qty: i32,
            /// What one unit costs.
            pub agreed_price: Won,
            /// How the money moves.
            pub pay_method: PayMethod,
            /// Null when the person whose answer it is gave it; else a kebab-case word that says what did.
            pub reason: Option<String>,
        }
    )+};
}

offer_answers! {
    /// The seller agreed.
    OfferAccepted,
    /// The seller declined.
    OfferRefused,
    /// The buyer withdrew, or there is nothing left to buy.
    OfferCanceled,
}

/// Buyer and seller write to each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MessageSent {
    /// The message.
    pub message_id: i64,
    /// The post it is about.
    pub post_id: i64,
    /// Who wrote it.
    pub user_id: String,
    /// Who shall read it.
    pub to_user_id: String,
    /// The offer it is about.
    pub offer_id: Option<i64>,
    /// What it says.
    pub body: String,
}

/// Wishes come and go with the same fields.
macro_rules! wishes {
    ($($(#[$meta:meta])* $name:ident,)+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// The wish.
            pub wishlist_id: i64,
            /// Who wishes.
            pub user_id: String,
            /// For what.
            pub post_id: i64,
        }
    )+};
}

wishes! {
    /// Somebody put a post on the list of wishes.
    WishlistAdded,
    /// Somebody took it off.
    WishlistDeleted,
}
