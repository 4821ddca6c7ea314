//! Who is calling, and where the answer's links shall point.

use crate::{hal::Base, problem::Problem, request_id::X_REQUEST_ID, trace::Trace, wire::UserId};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};

/// Who acts. Tokens will add `User(UserId)` and `Admin` here, and [`Actor::of`] is the one place that reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// `AUTH=open`: nobody has proved who they are, so whom the request names is believed.
    Claimed,
}

impl Actor {
    fn of(_headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self::Claimed)
    }

    /// The person who acts, where `claimed` is whom the request names.
    pub fn acting(&self, claimed: Option<&UserId>) -> Option<String> {
        match self {
            Self::Claimed => claimed.map(|user| user.0.clone()),
        }
    }
}

/// What a handler may want to know of a request besides its body.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who acts.
    pub actor: Actor,
    /// Where the client believes us to be.
    pub base: Base,
    /// Its trace, which the events that this request causes belong to.
    pub trace: Option<Trace>,
    /// Headers that synchronous calls on the caller's behalf carry on.
    pub(crate) onward: HeaderMap,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // `request_id::observe` has put its own in place by now.
        let onward: HeaderMap = [header::AUTHORIZATION, X_REQUEST_ID]
            .into_iter()
            .filter_map(|name| parts.headers.get(&name).cloned().map(|value| (name, value)))
            .collect();
        let trace = parts.extensions.get().cloned();
        Ok(Self { actor: Actor::of(&parts.headers)?, base: Base::of(&parts.headers), trace, onward })
    }
}
