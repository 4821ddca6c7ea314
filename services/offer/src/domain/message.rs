//! The rules of a message: buyer and seller of a post write to each other, and nobody else.

use super::{Offer, PostCopy};
use axum::http::StatusCode;
use chassis::{problem::Problem, wire::Faults};
use shared_events::{MessageSent, OfferEvent, OfferStatus};
use time::OffsetDateTime;

/// What somebody wrote to somebody about a post.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Message {
    /// Its id.
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
    /// Counts its changes.
    pub version: i64,
    /// When it was written.
    pub create_dt: OffsetDateTime,
    /// When it was read.
    pub read_dt: Option<OffsetDateTime>,
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Who writes.
    pub user_id: String,
    /// To whom, if it is said: a buyer can only mean the seller.
    pub to_user_id: Option<String>,
    /// About which offer.
    pub offer_id: Option<i64>,
    /// What.
    pub body: String,
}

/// Why a message is not sent, or not marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The seller has many buyers.
    #[error("The seller has to say to whom.")]
    ToWhom,
    /// Neither a buyer to the seller, nor the seller to somebody who wrote or made an offer.
    #[error("Messages about a post go between its seller and a buyer who has written or made an offer.")]
    NotInThisThread,
    /// Another post's, or another buyer's.
    #[error("This offer is not one of this buyer on this post.")]
    OfferNotInThisThread,
    /// Somebody else's to read.
    #[error("Only the recipient of this message may mark it.")]
    NotTheRecipient,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal {
            Refusal::ToWhom => return Faults::missing("toUserId").into(),
            Refusal::NotInThisThread => (StatusCode::CONFLICT, "not-in-this-thread"),
            Refusal::OfferNotInThisThread => (StatusCode::CONFLICT, "offer-not-in-this-thread"),
            Refusal::NotTheRecipient => (StatusCode::FORBIDDEN, "not-the-recipient"),
        };
        Problem::new(status, code, refusal.to_string())
    }
}

impl Letter {
    /// The buyer in whose thread this is, the other end being the seller.
    ///
    /// # Errors
    /// It is in nobody's thread, or nobody can tell in whose.
    pub fn buyer(&self, post: &PostCopy) -> Result<&str, Refusal> {
        let from_seller = self.user_id == post.seller_id;
        match self.to_user_id.as_deref() {
            None if from_seller => Err(Refusal::ToWhom),
            Some(to) if from_seller && to != post.seller_id => Ok(to),
            None => Ok(&self.user_id),
            Some(to) if !from_seller && to == post.seller_id => Ok(&self.user_id),
            Some(_) => Err(Refusal::NotInThisThread),
        }
    }

    /// The message, if the post's seller and this buyer may write to each other. `buyer_is_known` when the buyer
    /// has written about the post, or made an offer on it; `offer` is what `offer_id` stands for.
    ///
    /// # Errors
    /// They may not.
    pub fn on(
        self,
        post: &PostCopy,
        buyer_is_known: bool,
        offer: Option<&Offer>,
        now: OffsetDateTime,
    ) -> Result<Message, Refusal> {
        let buyer = self.buyer(post)?;
        let from_seller = self.user_id == post.seller_id;
        if from_seller && !buyer_is_known {
            return Err(Refusal::NotInThisThread);
        }
        let fits = offer.is_some_and(|offer| offer.post_id == post.post_id && offer.user_id == buyer);
        if self.offer_id.is_some() && !fits {
            return Err(Refusal::OfferNotInThisThread);
        }
        let to_user_id = if from_seller { buyer } else { &post.seller_id }.to_owned();
        Ok(Message {
            message_id: 0,
            post_id: post.post_id,
            user_id: self.user_id,
            to_user_id,
            offer_id: self.offer_id,
            body: self.body,
            version: 1,
            create_dt: now,
            read_dt: None,
        })
    }
}

impl Message {
    /// Whom it concerns: who wrote it, and to whom.
    pub fn parties(&self) -> [&str; 2] {
        [&self.user_id, &self.to_user_id]
    }

    /// What is written beside the answer that `offer` was just given, by whoever gave it.
    pub fn with_answer(offer: &Offer, body: String, now: OffsetDateTime) -> Self {
        let (buyer, seller) = (offer.user_id.clone(), offer.seller_id.clone());
        let (user_id, to_user_id) = match offer.offer_status {
            OfferStatus::OfferCanceled => (buyer, seller),
            _ => (seller, buyer),
        };
        Self {
            message_id: 0,
            post_id: offer.post_id,
            user_id,
            to_user_id,
            offer_id: Some(offer.offer_id),
            body,
            version: 1,
            create_dt: now,
            read_dt: None,
        }
    }

    /// It is on its way.
    pub fn sent(&self) -> OfferEvent {
        MessageSent {
            message_id: self.message_id,
            post_id: self.post_id,
            user_id: self.user_id.clone(),
            to_user_id: self.to_user_id.clone(),
            offer_id: self.offer_id,
            body: self.body.clone(),
        }
        .into()
    }

    /// It was read, or shall look as if it was not. `actor` is None where nobody says who acts.
    ///
    /// # Errors
    /// Not by the recipient.
    pub fn mark(&mut self, actor: Option<&str>, read: bool, now: OffsetDateTime) -> Result<(), Refusal> {
        if actor.is_some_and(|actor| actor != self.to_user_id) {
            return Err(Refusal::NotTheRecipient);
        }
        if read != self.read_dt.is_some() {
            self.read_dt = read.then_some(now);
            self.version += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
