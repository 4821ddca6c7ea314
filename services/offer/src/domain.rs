//! The rules of an offer: when it can be placed, who answers it and how, and how posts, deals and time end it.

pub mod message;
mod refusal;
pub mod wish;

pub use refusal::Refusal;

use chassis::wire::MAX_WON;
use shared_events::{
    OfferAccepted, OfferCanceled, OfferEvent, OfferPlaced, OfferRefused, OfferStatus, OfferType, PayMethod,
    PaymentState, PostStatus, Won,
};
use std::time::Duration;
use time::OffsetDateTime;

/// A post as far as it is known here.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PostCopy {
    /// The post.
    pub post_id: i64,
    /// Its seller.
    pub seller_id: String,
    /// Price of one unit.
    pub price: Won,
    /// Units in all.
    pub qty: i32,
    /// Units neither promised nor sold.
    pub available_qty: i32,
    /// Where it stands.
    #[sqlx(try_from = "String")]
    pub status: PostStatus,
    /// Only its seller sees it.
    pub hidden: bool,
    /// Gone for good.
    pub deleted: bool,
    /// The post's version that this is a copy of.
    pub version: i64,
}

/// What a buyer asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The buyer.
    pub user_id: String,
    /// At the price, or at one of the buyer's own.
    pub kind: Kind,
    /// The post's price as the buyer saw it.
    pub seen_price: Option<Won>,
    /// How many units.
    pub qty: i32,
    /// How the money moves.
    pub pay_method: PayMethod,
}

/// An offer's type, and its price where it has one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// At the seller's price.
    AtThePrice,
    /// At this price of one unit.
    Negotiated(Won),
}

/// An offer.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Offer {
    /// Its id.
    pub offer_id: i64,
    /// The post.
    pub post_id: i64,
    /// The buyer.
    pub user_id: String,
    /// The seller.
    pub seller_id: String,
    /// At the price, or at one of the buyer's own.
    #[sqlx(try_from = "String")]
    pub offer_type: OfferType,
    /// The post's price when it was placed.
    pub price: Won,
    /// The buyer's own price.
    pub offered_price: Option<Won>,
    /// What one unit will cost.
    pub agreed_price: Won,
    /// How many units.
    pub qty: i32,
    /// How the money moves.
    #[sqlx(try_from = "String")]
    pub pay_method: PayMethod,
    /// Where it stands.
    #[sqlx(try_from = "String")]
    pub offer_status: OfferStatus,
    /// When it lapses.
    pub expires_dt: Option<OffsetDateTime>,
    /// The deal that was reserved on it.
    pub deal_id: Option<i64>,
    /// It is being paid for: nobody sees it until the money is held.
    pub pending: bool,
    /// Where its payment stands, as the deal service says.
    pub payment_state: Option<String>,
    /// Counts its changes.
    pub version: i64,
    /// When it was placed.
    pub create_dt: OffsetDateTime,
    /// When it changed last.
    pub update_dt: OffsetDateTime,
}

impl Order {
    /// What the offer will say, if the post allows it. It stays open for `open_for`.
    ///
    /// # Errors
    /// The post does not allow it.
    pub fn on(&self, post: &PostCopy, now: OffsetDateTime, open_for: Duration) -> Result<Offer, Refusal> {
        if post.deleted || post.hidden {
            return Err(Refusal::UnknownPost);
        }
        if post.seller_id == self.user_id {
            return Err(Refusal::OwnPost);
        }
        if post.status != PostStatus::Created {
            return Err(Refusal::PostNotAvailable(post.status));
        }
        if self.seen_price.is_some_and(|price| price != post.price) {
            return Err(Refusal::PriceChanged(post.price));
        }
        if self.qty > post.available_qty {
            return Err(Refusal::NotEnoughStock(post.available_qty));
        }
        let price = match self.kind {
            Kind::AtThePrice => post.price,
            Kind::Negotiated(price) => price,
        };
        if price.saturating_mul(self.qty.into()) > MAX_WON {
            return Err(Refusal::AmountTooLarge);
        }
        let (offer_type, offered_price) = match self.kind {
            Kind::AtThePrice => (OfferType::DealOffered, None),
            Kind::Negotiated(price) => (OfferType::PriceNegotiated, Some(price)),
        };
        Ok(Offer {
            offer_id: 0,
            post_id: post.post_id,
            user_id: self.user_id.clone(),
            seller_id: post.seller_id.clone(),
            offer_type,
            price: post.price,
            offered_price,
            agreed_price: offered_price.unwrap_or(post.price),
            qty: self.qty,
            pay_method: self.pay_method,
            offer_status: OfferStatus::OfferPlaced,
            expires_dt: Some(now + open_for),
            deal_id: None,
            pending: self.pay_method == PayMethod::Wallet,
            payment_state: None,
            version: 1,
            create_dt: now,
            update_dt: now,
        })
    }
}

/// Why an offer ends without its buyer or seller; the `reason` of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Everything is sold.
    PostEnded,
    /// The seller took the post away.
    PostDeleted,
    /// Its deal was called off.
    DealCanceled,
    /// Its time is over.
    Expired,
    /// The money went back to the buyer, or did not come.
    PaymentOver,
}

impl Reason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::PostEnded => "post-ended",
            Self::PostDeleted => "post-deleted",
            Self::DealCanceled => "deal-canceled",
            Self::Expired => "expired",
            Self::PaymentOver => "payment-over",
        }
    }
}

impl Offer {
    /// It asks for the same: what one buyer wants of one post, at which price, and how it is paid.
    pub fn has_the_terms_of(&self, other: &Self) -> bool {
        let terms = |offer: &Self| {
            (
                offer.post_id,
                offer.user_id.clone(),
                offer.offer_type,
                offer.price,
                offer.agreed_price,
                offer.qty,
                offer.pay_method,
            )
        };
        terms(self) == terms(other)
    }

    /// Whom it concerns: its buyer and its seller.
    pub fn parties(&self) -> [&str; 2] {
        [&self.user_id, &self.seller_id]
    }

    /// The event of its first day.
    pub fn placed(&self) -> OfferEvent {
        OfferPlaced {
            offer_id: self.offer_id,
            user_id: self.user_id.clone(),
            price: self.price,
            offered_price: self.offered_price,
            post_id: self.post_id,
            offer_status: OfferStatus::OfferPlaced,
            offer_type: self.offer_type,
            seller_id: self.seller_id.clone(),
            qty: self.qty,
            agreed_price: self.agreed_price,
            pay_method: self.pay_method,
            expires_dt: self.expires_dt.map(Into::into),
        }
        .into()
    }

    /// Buyer or seller writes a status. Writing the one it has changes nothing. `actor` is None where nobody says
    /// who acts: then the command tells.
    ///
    /// # Errors
    /// It is not theirs to write, or comes too late.
    pub fn answer(
        &mut self,
        to: OfferStatus,
        actor: Option<&str>,
        now: OffsetDateTime,
    ) -> Result<Vec<OfferEvent>, Refusal> {
        use OfferStatus::{OfferAccepted, OfferCanceled, OfferPlaced, OfferRefused};
        let (role, person) = match to {
            OfferAccepted | OfferRefused => ("seller", &self.seller_id),
            OfferCanceled => ("buyer", &self.user_id),
            same if same == self.offer_status => return Ok(Vec::new()),
            other => return Err(Refusal::NotACommand(other)),
        };
        if actor.is_some_and(|actor| actor != person) {
            return Err(Refusal::NotYours(role));
        }
        match (self.offer_status, to) {
            (from, to) if from == to => Ok(Vec::new()),
            (OfferPlaced, OfferAccepted) if self.expired(now) => Err(Refusal::Expired),
            (OfferPlaced, to) | (OfferAccepted, to @ OfferCanceled) => Ok(self.become_(to, None, now)),
            // The buyer cannot, once the deposit is confirmed. What is reserved is called off at the deal.
            (OfferAccepted, OfferRefused)
                if self.pay_method == PayMethod::BankTransfer && self.deal_id.is_none() =>
            {
                Ok(self.become_(to, None, now))
            }
            (from, to) => Err(Refusal::WrongState { from, to }),
        }
    }

    /// Its time is over, even where no sweep has come by yet. A reserved deal keeps it.
    fn expired(&self, now: OffsetDateTime) -> bool {
        self.deal_id.is_none() && self.expires_dt.is_some_and(|expires| expires <= now)
    }

    /// Its deal was reserved: that answers an offer which still waited, and it does not expire any more.
    pub fn reserved(&mut self, deal_id: i64, now: OffsetDateTime) -> Vec<OfferEvent> {
        self.deal_id = Some(deal_id);
        if self.offer_status != OfferStatus::OfferPlaced {
            return Vec::new();
        }
        self.become_(OfferStatus::OfferAccepted, Some("deal-reserved"), now)
    }

    /// Its deal was made: it won, whatever it was.
    pub fn won(&mut self, now: OffsetDateTime) {
        if self.offer_status != OfferStatus::DealEnded {
            let _ = self.become_(OfferStatus::DealEnded, None, now);
        }
    }

    /// There is nothing left to buy.
    pub fn lapse(&mut self, reason: Reason, now: OffsetDateTime) -> Vec<OfferEvent> {
        if !self.offer_status.is_open() {
            return Vec::new();
        }
        // One that nobody has seen concerns nobody but the deal service, which holds no money for it from now on.
        let reason = if self.pending { "not-placed" } else { reason.as_str() };
        self.become_(OfferStatus::OfferCanceled, Some(reason), now)
    }

    /// It is the payment of this offer, and not one that somebody else has begun for its number, or on other terms.
    pub fn is_paid_by(&self, payer: &str, payee: &str, amount: Won) -> bool {
        (payer, payee) == (&self.user_id, &self.seller_id)
            && amount == self.agreed_price * Won::from(self.qty)
    }

    /// The money is held: now it is an offer.
    pub fn paid(&mut self, now: OffsetDateTime) -> OfferEvent {
        self.pending = false;
        self.payment_state = Some(PaymentState::Held.as_str().to_owned());
        self.version += 1;
        self.update_dt = now;
        self.placed()
    }

    fn become_(&mut self, status: OfferStatus, reason: Option<&str>, now: OffsetDateTime) -> Vec<OfferEvent> {
        self.offer_status = status;
        self.version += 1;
        self.update_dt = now;
        macro_rules! event {
            ($name:ident) => {
                vec![
                    $name {
                        offer_id: self.offer_id,
                        user_id: self.user_id.clone(),
                        offered_price: self.offered_price,
                        post_id: self.post_id,
                        offer_status: status,
                        seller_id: self.seller_id.clone(),
                        qty: self.qty,
                        agreed_price: self.agreed_price,
                        pay_method: self.pay_method,
                        reason: reason.map(str::to_owned),
                    }
                    .into(),
                ]
            };
        }
        match status {
            OfferStatus::OfferAccepted => event!(OfferAccepted),
            OfferStatus::OfferRefused => event!(OfferRefused),
            OfferStatus::OfferCanceled => event!(OfferCanceled),
            // The deal tells of its end itself.
            OfferStatus::OfferPlaced | OfferStatus::DealEnded => Vec::new(),
        }
    }
}

/// The offers that did not win can go: the post says that it ended, and the deals that ended account for all of its
/// units. Both are needed, since either may be heard of first, and until then any open offer may be the winner.
pub fn losers_can_go(post: &PostCopy, units_won: i64) -> bool {
    post.status == PostStatus::DealEnded && units_won >= i64::from(post.qty)
}

#[cfg(test)]
mod tests;
