//! The rules of a wish: anybody for any post they can see, once, and only theirs to take back.

use super::PostCopy;
use axum::http::StatusCode;
use chassis::problem::Problem;
use shared_events::{OfferEvent, WishlistAdded, WishlistDeleted};
use time::OffsetDateTime;

/// Somebody wishes for a post.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Wish {
    /// Its id.
    pub wishlist_id: i64,
    /// Who wishes.
    pub user_id: String,
    /// For what. Whatever becomes of the post, the wish stays until it is taken back.
    pub post_id: i64,
    /// Since when.
    pub create_dt: OffsetDateTime,
}

/// Why a wish is not taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody else's wish.
    #[error("Only the person whose wish this is may take it back.")]
    NotTheOwner,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Problem::new(StatusCode::FORBIDDEN, "not-the-owner", refusal.to_string())
    }
}

impl Wish {
    /// It is new.
    pub fn added(&self) -> OfferEvent {
        let Self { wishlist_id, post_id, .. } = *self;
        WishlistAdded { wishlist_id, user_id: self.user_id.clone(), post_id }.into()
    }

    /// It is taken back. `actor` is None where nobody says who acts.
    ///
    /// # Errors
    /// Not by its owner.
    pub fn take_back(&self, actor: Option<&str>) -> Result<OfferEvent, Refusal> {
        if actor.is_some_and(|actor| actor != self.user_id) {
            return Err(Refusal::NotTheOwner);
        }
        let Self { wishlist_id, post_id, .. } = *self;
        Ok(WishlistDeleted { wishlist_id, user_id: self.user_id.clone(), post_id }.into())
    }
}

impl PostCopy {
    /// It is there, and not hidden from this person.
    pub fn visible_to(&self, user_id: &str) -> bool {
        !self.deleted && (!self.hidden || self.seller_id == user_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tests::post;
    use time::macros::datetime;

    #[test]
    fn a_wish_is_taken_back_by_its_owner_or_by_nobody_in_particular() {
        let create_dt = datetime!(2024-09-24 09:00 UTC);
        let wish = Wish { wishlist_id: 3, user_id: "wisher".into(), post_id: 1, create_dt };
        assert!(wish.take_back(None).is_ok());
        assert!(wish.take_back(Some("wisher")).is_ok());
        assert_eq!(wish.take_back(Some("seller")), Err(Refusal::NotTheOwner));
        let problem = Problem::from(Refusal::NotTheOwner);
        assert_eq!((problem.status().as_u16(), problem.code()), (403, "not-the-owner"));
    }

    #[test]
    fn a_hidden_post_is_its_sellers_and_a_deleted_one_nobodys() {
        for (hidden, deleted, stranger, seller) in [
            (false, false, true, true),
            (true, false, false, true),
            (false, true, false, false),
            (true, true, false, false),
        ] {
            let post = PostCopy { hidden, deleted, ..post() };
            assert_eq!((post.visible_to("stranger"), post.visible_to("seller")), (stranger, seller));
        }
    }
}
