//! A word that somebody waits for in new posts.

use super::{Kind, Notice, notices::won};
use axum::http::StatusCode;
use chassis::problem::Problem;
use shared_events::PostWrote;
use time::OffsetDateTime;

/// Its owner is told of each post whose goods contain the keyword, in small letters or capitals. Only of
/// others' posts, and of those written after the alert was made.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Alert {
    /// Its id.
    pub alert_id: i64,
    /// Who is told.
    pub user_id: String,
    /// As it was typed.
    pub keyword: String,
    /// When it was made.
    pub create_dt: OffsetDateTime,
}

/// Why an alert is not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody else's alert.
    #[error("Only the person who made this alert may remove it.")]
    NotTheOwner,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal {
            Refusal::NotTheOwner => (StatusCode::FORBIDDEN, "not-the-owner"),
        };
        Self::new(status, code, refusal.to_string())
    }
}

impl Alert {
    /// What its owner is told of a post that it matches.
    pub fn notice(&self, post: &PostWrote) -> Notice {
        Notice {
            user_id: self.user_id.clone(),
            kind: Kind::KeywordAlert,
            post_id: post.post_id,
            offer_id: None,
            deal_id: None,
            message: format!("'{}' 알림: {} {}", self.keyword, post.goods, won(post.price)),
        }
    }

    /// The owner needs it no more. `actor` is None where nobody says who acts.
    ///
    /// # Errors
    /// Not the owner.
    pub fn remove(&self, actor: Option<&str>) -> Result<(), Refusal> {
        if actor.is_some_and(|actor| actor != self.user_id) { Err(Refusal::NotTheOwner) } else { Ok(()) }
    }
}
