//! The rules of notifications: which event tells whom what, and who may say that they have read it.

pub mod alert;
pub mod meeting;
mod notices;

use axum::http::StatusCode;
use chassis::problem::Problem;
use serde::{Deserialize, Serialize, de::IntoDeserializer};
use std::str::FromStr;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Something a person is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whom it concerns.
    pub user_id: String,
    /// What it is about.
    pub kind: Kind,
    /// The post.
    pub post_id: i64,
    /// The offer.
    pub offer_id: Option<i64>,
    /// The deal.
    pub deal_id: Option<i64>,
    /// A sentence for a person.
    pub message: String,
}

/// An event that tells people something. It is all that is looked at: another publisher's may not be here
/// yet.
pub trait Tells: shared_events::Event {
    /// Who is told what: nobody twice.
    fn notices(&self) -> Vec<Notice>;
}

/// Something about a post that everybody who wishes for it is told, except its seller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// What it is about.
    pub kind: Kind,
    /// The post.
    pub post_id: i64,
    /// Its seller.
    pub seller_id: String,
    /// A sentence for a person.
    pub message: String,
}

/// An event that may be news for those who wish for its post.
pub trait Newsworthy: shared_events::Event {
    /// The news, if it is any.
    fn news(&self) -> Option<News>;
}

/// What a notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "camelCase")]
#[sqlx(type_name = "text", rename_all = "camelCase")]
pub enum Kind {
    /// Somebody wants to buy.
    OfferPlaced,
    /// The seller agreed.
    OfferAccepted,
    /// The seller declined.
    OfferRefused,
    /// The buyer withdrew, or there is nothing left to buy.
    OfferCanceled,
    /// They agreed to meet.
    DealReserved,
    /// Goods and money changed hands.
    DealEnded,
    /// The deal was called off.
    DealCanceled,
    /// Somebody writes.
    MessageSent,
    /// They meet on another day or in another place.
    DealRescheduled,
    /// They meet on the next day, or sooner.
    DealReminder,
    /// The parcel is on its way.
    DeliveryStarted,
    /// The buyer wants to call off a deal whose parcel is on its way.
    CancelRequested,
    /// The seller does not agree to that.
    CancelDeclined,
    /// A bank transfer is to be awaited.
    PaymentPlaced,
    /// The money is held for the seller.
    PaymentHeld,
    /// The money is the seller's.
    PaymentReleased,
    /// The money is the buyer's again.
    PaymentRefunded,
    /// The money did not come.
    PaymentFailed,
    /// The other one said how it was.
    DealReviewed,
    /// A post that one wishes for became cheaper.
    PriceFell,
    /// A post that one wishes for is reserved, free again or sold.
    StatusUpdated,
    /// A new post has a word in it that one waits for.
    KeywordAlert,
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::deserialize(word.into_deserializer())
            .map_err(|error: serde::de::value::Error| error.to_string())
    }
}

/// A notice that was given.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Notification {
    /// Its id.
    pub notification_id: i64,
    /// Its recipient.
    pub user_id: String,
    /// What it is about.
    pub kind: Kind,
    /// The post.
    pub post_id: i64,
    /// The offer.
    pub offer_id: Option<i64>,
    /// The deal.
    pub deal_id: Option<i64>,
    /// A sentence for a person.
    pub message: String,
    /// When what it tells happened.
    pub create_dt: OffsetDateTime,
    /// When it was read.
    pub read_dt: Option<OffsetDateTime>,
    /// Counts its changes.
    pub version: i64,
}

/// Why a notification does not change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody else's notification.
    #[error("Only the person this notification is for may mark it.")]
    NotTheRecipient,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal {
            Refusal::NotTheRecipient => (StatusCode::FORBIDDEN, "not-the-recipient"),
        };
        Self::new(status, code, refusal.to_string())
    }
}

impl Notification {
    /// The recipient has read it, or has not. Saying so again changes nothing. `actor` is None where nobody
    /// says who acts.
    ///
    /// # Errors
    /// Not the recipient.
    pub fn mark(
        &mut self,
        actor: Option<&str>,
        read: Option<bool>,
        now: OffsetDateTime,
    ) -> Result<(), Refusal> {
        if actor.is_some_and(|actor| actor != self.user_id) {
            return Err(Refusal::NotTheRecipient);
        }
        let Some(read) = read.filter(|read| *read != self.read_dt.is_some()) else { return Ok(()) };
        self.read_dt = read.then_some(now);
        self.version += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_on_every_notification() {
        let (earlier, now) = (OffsetDateTime::UNIX_EPOCH, OffsetDateTime::now_utc());
        let unread = |read_dt| Notification {
            notification_id: 1,
            user_id: "buyer01".to_owned(),
            kind: Kind::OfferAccepted,
            post_id: 1,
            offer_id: Some(1),
            deal_id: None,
            message: String::new(),
            create_dt: earlier,
            read_dt,
            version: 1,
        };
        for (before, mark, after, version) in [
            (None, Some(true), Some(now), 2),
            (None, Some(false), None, 1),
            (None, None, None, 1),
            (Some(earlier), Some(true), Some(earlier), 1),
            (Some(earlier), Some(false), None, 2),
            (Some(earlier), None, Some(earlier), 1),
        ] {
            for actor in [None, Some("buyer01")] {
                let mut notification = unread(before);
                assert_eq!(notification.mark(actor, mark, now), Ok(()));
                assert_eq!(
                    (notification.read_dt, notification.version),
                    (after, version),
                    "{before:?} {mark:?}"
                );
            }
            let mut notification = unread(before);
            assert_eq!(notification.mark(Some("seller01"), mark, now), Err(Refusal::NotTheRecipient));
            assert_eq!(notification, unread(before));
        }
    }

    #[test]
    fn a_kind_is_read_as_it_is_written() {
        assert_eq!("dealReserved".parse(), Ok(Kind::DealReserved));
        assert_eq!(serde_json::to_value(Kind::DealReserved).unwrap(), "dealReserved");
        assert!("DealReserved".parse::<Kind>().unwrap_err().contains("offerPlaced"));
    }

    #[test]
    fn every_kind_there_is() {
        let schema = serde_json::to_value(<Kind as utoipa::PartialSchema>::schema()).unwrap();
        let kinds = [
            "offerPlaced",
            "offerAccepted",
            "offerRefused",
            "offerCanceled",
            "dealReserved",
            "dealEnded",
            "dealCanceled",
            "messageSent",
            "dealRescheduled",
            "dealReminder",
            "deliveryStarted",
            "cancelRequested",
            "cancelDeclined",
            "paymentPlaced",
            "paymentHeld",
            "paymentReleased",
            "paymentRefunded",
            "paymentFailed",
            "dealReviewed",
            "priceFell",
            "statusUpdated",
            "keywordAlert",
        ];
        assert_eq!(schema["enum"], serde_json::json!(kinds));
    }
}
