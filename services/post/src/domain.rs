//! The rules of a post: who may change it, when, and how the deals move it.

use axum::http::StatusCode;
use chassis::problem::Problem;
use shared_events::{
    LikeCntUpdated, PostDeleted, PostEdited, PostEvent, PostHidden, PostShown, PostStatus, PostUnavailable,
    PostWrote, QtyDecreased, QtyRestored, StatusUpdated, Won,
};
use time::OffsetDateTime;

/// Something for sale.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Post {
    /// Its id.
    pub post_id: i64,
    /// Its seller.
    pub user_id: String,
    /// What the seller says about it.
    #[sqlx(flatten)]
    pub content: Content,
    /// Units promised to somebody.
    pub reserved: i32,
    /// Units sold.
    pub sold: i32,
    /// People who wish for it.
    pub like_cnt: i32,
    /// Gone for good.
    pub deleted: bool,
    /// Counts its changes.
    pub version: i64,
    /// When it was written.
    pub create_dt: OffsetDateTime,
    /// When it was changed last.
    pub update_dt: OffsetDateTime,
}

/// What the seller says, and may say anew.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Content {
    /// What is sold.
    pub goods: String,
    /// Price of one unit, in won.
    pub price: Won,
    /// Where the goods are.
    pub address: Option<String>,
    /// More about them.
    pub description: Option<String>,
    /// The seller's own heading.
    pub category: Option<String>,
    /// URLs of pictures.
    pub photos: Option<Vec<String>>,
    /// Units in all, the sold ones too.
    pub qty: i32,
    /// Only the seller sees it.
    pub hidden: bool,
}

/// Why a post does not change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody else's post.
    #[error("Only the seller of this post may change it.")]
    NotTheSeller,
    /// The client tried to write the status.
    #[error("The status of a post follows its deals; it is {0} now.")]
    StatusFollowsDeal(PostStatus),
    /// A buyer relies on it.
    #[error("Price, quantity, hiding and deletion must wait while a unit of this post is reserved.")]
    UnitsReserved,
    /// All is sold.
    #[error("Everything of this post is sold; it does not change any more.")]
    PostEnded,
    /// Fewer units than are sold already.
    #[error("{0} units are sold already; there cannot be fewer in all.")]
    QtyBelowSold(i32),
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal {
            Refusal::NotTheSeller => (StatusCode::FORBIDDEN, "not-the-seller"),
            Refusal::StatusFollowsDeal(_) => (StatusCode::CONFLICT, "status-follows-deal"),
            Refusal::UnitsReserved => (StatusCode::CONFLICT, "units-reserved"),
            Refusal::PostEnded => (StatusCode::CONFLICT, "post-ended"),
            Refusal::QtyBelowSold(_) => (StatusCode::CONFLICT, "qty-below-sold"),
        };
        Problem::new(status, code, refusal.to_string())
    }
}

/// What became of the units a deal asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum UnitState {
    /// Promised to the deal.
    Reserved,
    /// The deal ended.
    Sold,
    /// The deal was canceled.
    Restored,
    /// They could not be had.
    Refused,
}

/// A deal, as far as a post is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deal {
    /// The deal.
    pub deal_id: i64,
    /// How many units it is about.
    pub qty: i32,
}

impl Post {
    /// Units neither promised nor sold.
    pub fn available_qty(&self) -> i32 {
        self.content.qty - self.reserved - self.sold
    }

    /// Where the post stands: it follows from its units.
    pub fn status(&self) -> PostStatus {
        if self.sold == self.content.qty {
            PostStatus::DealEnded
        } else if self.available_qty() == 0 {
            PostStatus::DealReserved
        } else {
            PostStatus::Created
        }
    }

    /// The events of its first day.
    pub fn wrote(&self) -> Vec<PostEvent> {
        let Content { goods, price, address, category, photos, qty, .. } = self.content.clone();
        let wrote = PostWrote {
            post_id: self.post_id,
            user_id: self.user_id.clone(),
            create_dt: Some(self.create_dt.into()),
            price,
            address,
            photos,
            status: PostStatus::Created,
            goods,
            qty,
            category,
            version: self.version,
        };
        let hidden = self.content.hidden.then(|| self.hidden_or_shown());
        [wrote.into()].into_iter().chain(hidden).collect()
    }

    /// The seller says something else. `actor` is None where nobody says who acts.
    ///
    /// # Errors
    /// Not the seller, or the deals forbid it.
    pub fn edit(
        &mut self,
        actor: Option<&str>,
        content: Content,
        now: OffsetDateTime,
    ) -> Result<Vec<PostEvent>, Refusal> {
        self.may_be_changed_by(actor)?;
        if content == self.content {
            return Ok(Vec::new());
        }
        if self.status() == PostStatus::DealEnded {
            return Err(Refusal::PostEnded);
        }
        let binding = (content.price, content.qty, content.hidden)
            != (self.content.price, self.content.qty, self.content.hidden);
        if binding && self.reserved > 0 {
            return Err(Refusal::UnitsReserved);
        }
        if content.qty < self.sold {
            return Err(Refusal::QtyBelowSold(self.sold));
        }

        let before = self.clone();
        self.content = content;
        self.touch(now);
        let mut events = Vec::new();
        if (Content { hidden: before.content.hidden, ..self.content.clone() }) != before.content {
            events.push(self.edited(before.content.price));
        }
        if self.content.hidden != before.content.hidden {
            events.push(self.hidden_or_shown());
        }
        events.extend(self.status_updated_since(before.status()));
        Ok(events)
    }

    /// The seller takes the post away.
    ///
    /// # Errors
    /// Not the seller, or the deals forbid it.
    pub fn delete(&mut self, actor: Option<&str>, now: OffsetDateTime) -> Result<Vec<PostEvent>, Refusal> {
        self.may_be_changed_by(actor)?;
        if self.status() == PostStatus::DealEnded {
            return Err(Refusal::PostEnded);
        }
        if self.reserved > 0 {
            return Err(Refusal::UnitsReserved);
        }
        self.deleted = true;
        self.touch(now);
        Ok(vec![PostDeleted { post_id: self.post_id, user_id: self.user_id.clone() }.into()])
    }

    /// The client may repeat the status, and not write it.
    ///
    /// # Errors
    /// It says another one.
    pub fn repeats_status(&self, said: Option<PostStatus>) -> Result<(), Refusal> {
        match said {
            Some(status) if status != self.status() => Err(Refusal::StatusFollowsDeal(self.status())),
            _ => Ok(()),
        }
    }

    /// A deal was reserved, relying on `listed_price` if any. Returns what becomes of its units; a deal that is
    /// known already changes nothing.
    pub fn reserve(
        &mut self,
        known: Option<UnitState>,
        deal: Deal,
        listed_price: Option<Won>,
        now: OffsetDateTime,
    ) -> (UnitState, Vec<PostEvent>) {
        if let Some(state) = known {
            return (state, Vec::new());
        }
        let reason = if self.deleted {
            "post-deleted"
        } else if self.content.hidden {
            "post-hidden"
        } else if listed_price.is_some_and(|price| price != self.content.price) {
            "price-changed"
        } else if self.available_qty() < deal.qty {
            "not-enough-stock"
        } else {
            return (UnitState::Reserved, self.take(deal, now, |post| post.reserved += deal.qty));
        };
        let unavailable =
            PostUnavailable { post_id: self.post_id, deal_id: deal.deal_id, reason: reason.to_owned() };
        (UnitState::Refused, vec![unavailable.into()])
    }

    /// A deal ended: its units are sold. That happened out in the world, so it is taken note of even where the
    /// units had been refused, as long as there are any.
    pub fn end(
        &mut self,
        known: Option<UnitState>,
        deal: Deal,
        now: OffsetDateTime,
    ) -> (UnitState, Vec<PostEvent>) {
        match known {
            Some(UnitState::Reserved) => {
                let before = self.status();
                self.reserved -= deal.qty;
                self.sold += deal.qty;
                self.touch(now);
                (UnitState::Sold, self.status_updated_since(before))
            }
            None | Some(UnitState::Refused) if self.available_qty() >= deal.qty => {
                (UnitState::Sold, self.take(deal, now, |post| post.sold += deal.qty))
            }
            known => (known.unwrap_or(UnitState::Refused), Vec::new()),
        }
    }

    /// A deal was canceled: its units are for sale again.
    pub fn restore(
        &mut self,
        known: Option<UnitState>,
        deal: Deal,
        now: OffsetDateTime,
    ) -> (UnitState, Vec<PostEvent>) {
        if known != Some(UnitState::Reserved) {
            return (known.unwrap_or(UnitState::Restored), Vec::new());
        }
        let before = self.status();
        self.reserved -= deal.qty;
        self.touch(now);
        let restored = QtyRestored {
            post_id: self.post_id,
            deal_id: deal.deal_id,
            qty: deal.qty,
            available_qty: self.available_qty(),
        };
        let events = [restored.into()].into_iter().chain(self.status_updated_since(before)).collect();
        (UnitState::Restored, events)
    }

    /// So many people wish for it now. That is no change of the post itself: its version and date stay, so that a
    /// seller who edits (`If-Match`) does not stumble over those who like it.
    pub fn liked_by(&mut self, like_cnt: i32) -> Vec<PostEvent> {
        if like_cnt == self.like_cnt {
            return Vec::new();
        }
        self.like_cnt = like_cnt;
        vec![LikeCntUpdated { post_id: self.post_id, like_cnt }.into()]
    }

    fn take(&mut self, deal: Deal, now: OffsetDateTime, count: impl FnOnce(&mut Self)) -> Vec<PostEvent> {
        let before = self.status();
        count(self);
        self.touch(now);
        let decreased = QtyDecreased {
            post_id: self.post_id,
            deal_id: deal.deal_id,
            qty: deal.qty,
            available_qty: self.available_qty(),
        };
        [decreased.into()].into_iter().chain(self.status_updated_since(before)).collect()
    }

    fn may_be_changed_by(&self, actor: Option<&str>) -> Result<(), Refusal> {
        if actor.is_some_and(|actor| actor != self.user_id) { Err(Refusal::NotTheSeller) } else { Ok(()) }
    }

    fn touch(&mut self, now: OffsetDateTime) {
        self.version += 1;
        self.update_dt = now;
    }

    fn status_updated_since(&self, before: PostStatus) -> Vec<PostEvent> {
        if self.status() == before {
            return Vec::new();
        }
        let updated = StatusUpdated {
            post_id: self.post_id,
            status: self.status(),
            update_dt: self.update_dt.into(),
            user_id: self.user_id.clone(),
            available_qty: self.available_qty(),
            version: self.version,
        };
        vec![updated.into()]
    }

    fn edited(&self, previous_price: Won) -> PostEvent {
        let Content { goods, price, address, category, qty, .. } = self.content.clone();
        PostEdited {
            post_id: self.post_id,
            user_id: self.user_id.clone(),
            price,
            update_dt: self.update_dt.into(),
            goods,
            qty,
            address,
            category,
            previous_price,
            version: self.version,
        }
        .into()
    }

    fn hidden_or_shown(&self) -> PostEvent {
        let (post_id, user_id) = (self.post_id, self.user_id.clone());
        let (update_dt, version) = (self.update_dt.into(), self.version);
        if self.content.hidden {
            PostHidden { post_id, user_id, update_dt, version }.into()
        } else {
            PostShown { post_id, user_id, update_dt, version }.into()
        }
    }
}

#[cfg(test)]
mod tests;
