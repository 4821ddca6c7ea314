//! What the post service tells.

use crate::{PostStatus, WireDate, Won, envelope::events};
use serde::{Deserialize, Serialize};

events!("post":
    /// One of the post service's events.
    PostEvent {
        PostWrote, PostEdited, PostDeleted, PostHidden, PostShown, StatusUpdated, QtyDecreased, QtyRestored,
        PostUnavailable, LikeCntUpdated,
    }
);

/// A seller put something up for sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PostWrote {
    /// The post.
    pub post_id: i64,
    /// Its seller.
    pub user_id: String,
    /// When it was written.
    pub create_dt: Option<WireDate>,
    /// Price of one unit.
    pub price: Won,
    /// Where the goods are.
    pub address: Option<String>,
    /// URLs of pictures.
    pub photos: Option<Vec<String>>,
    /// Always `created`.
    pub status: PostStatus,
    /// What is sold.
    pub goods: String,
    /// How many units there are.
    pub qty: i32,
    /// The seller's own heading for it.
    pub category: Option<String>,
    /// The post's version after this change.
    pub version: i64,
}

/// The seller changed what the post says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PostEdited {
    /// The post.
    pub post_id: i64,
    /// Its seller.
    pub user_id: String,
    /// Price of one unit, now.
    pub price: Won,
    /// When it was edited.
    pub update_dt: WireDate,
    /// What is sold.
    pub goods: String,
    /// How many units there are.
    pub qty: i32,
    /// Where the goods are.
    pub address: Option<String>,
    /// The seller's own heading for it.
    pub category: Option<String>,
    /// Price of one unit before.
    pub previous_price: Won,
    /// The post's version after this change.
    pub version: i64,
}

/// The seller took the post away for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PostDeleted {
    /// The post.
    pub post_id: i64,
    /// Its seller.
    pub user_id: String,
}

/// The seller hid the post from everybody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PostHidden {
    /// The post.
    pub post_id: i64,
    /// Its seller.
    pub user_id: String,
    /// When it was hidden.
    pub update_dt: WireDate,
    /// The post's version after this change.
    pub version: i64,
}

/// The seller showed a hidden post again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PostShown {
    /// The post.
    pub post_id: i64,
    /// Its seller.
    pub user_id: String,
    /// When it was shown.
    pub update_dt: WireDate,
    /// The post's version after this change.
    pub version: i64,
}

/// The deals moved the post to another status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StatusUpdated {
    /// The post.
    pub post_id: i64,
    /// Its new status.
    pub status: PostStatus,
    /// When it changed.
    pub update_dt: WireDate,
    /// Its seller.
    pub user_id: String,
    /// Units neither promised nor sold.
    pub available_qty: i32,
    /// The post's version after this change.
    pub version: i64,
}

/// A deal took units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct QtyDecreased {
    /// The post.
    pub post_id: i64,
    /// The deal that took them.
    pub deal_id: i64,
    /// How many it took.
    pub qty: i32,
    /// Units neither promised nor sold, now.
    pub available_qty: i32,
}

/// A canceled deal gave its units back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct QtyRestored {
    /// The post.
    pub post_id: i64,
    /// The deal that gave them back.
    pub deal_id: i64,
    /// How many it gave back.
    pub qty: i32,
    /// Units neither promised nor sold, now.
    pub available_qty: i32,
}

/// Compensation: the post cannot honour a deal, which must be canceled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PostUnavailable {
    /// The post.
    pub post_id: i64,
    /// The deal it cannot honour.
    pub deal_id: i64,
    /// A kebab-case word: `post-deleted`, `post-hidden`, `not-enough-stock`, `price-changed`.
    pub reason: String,
}

/// People wish for the post, or no longer do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LikeCntUpdated {
    /// The post.
    pub post_id: i64,
    /// How many wish for it.
    pub like_cnt: i32,
}
