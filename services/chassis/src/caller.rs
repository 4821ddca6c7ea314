//! Who is calling, what they may do and see, and where the answer's links shall point.

use crate::{
    auth::{Identity, Verifier, admin_required, token_required},
    hal::Base,
    problem::Problem,
    request_id::X_REQUEST_ID,
    trace::Trace,
    wire::UserId,
};
use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use std::{
    future::Future,
    time::{Duration, SystemTime},
};

/// Who acts. [`Verifier::identify`](crate::auth::Verifier::identify) is the one place that decides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// `AUTH=open`: nobody has proved who they are, so whom the request names is believed.
    Claimed,
    /// There is no token.
    Nobody,
    /// A token says so.
    User(UserId),
    /// A token with the scope `admin`: sees everything and operates, and acts as nobody but itself.
    Admin(UserId),
}

impl Actor {
    /// The person who acts, where the request may name them (`claimed`). None only where nobody has to say who acts.
    ///
    /// # Errors
    /// 401 without a token; 403 if the request names another than the token.
    pub fn acting(&self, claimed: Option<&UserId>) -> Result<Option<String>, Problem> {
        match self {
            Self::Claimed => Ok(claimed.map(|user| user.0.clone())),
            Self::Nobody => Err(token_required()),
            Self::User(user) | Self::Admin(user) => match claimed {
                Some(claimed) if claimed != user => Err(not_the_token_user()),
                _ => Ok(Some(user.0.clone())),
            },
        }
    }

    /// Whose things a list shows, where somebody's are asked for, or nobody's in particular; None for everybody's.
    ///
    /// # Errors
    /// 401 without a token; 403 if they are somebody else's.
    pub fn whose(&self, asked: Option<&UserId>) -> Result<Option<String>, Problem> {
        match self {
            Self::Claimed | Self::Admin(_) => Ok(asked.map(|user| user.0.clone())),
            Self::Nobody | Self::User(_) => self.acting(asked),
        }
    }

    /// Whether something that concerns only its `parties` may be seen, or is nothing to this actor.
    pub fn sees<const N: usize>(&self, parties: [&str; N]) -> bool {
        match self {
            Self::Claimed | Self::Admin(_) => true,
            Self::Nobody => false,
            Self::User(user) => parties.contains(&user.0.as_str()),
        }
    }

    /// Who looks at what may be hidden from all but its owner; None for somebody who sees even that. `claimed` is who
    /// looks where there are no tokens.
    pub fn viewer(&self, claimed: Option<&UserId>) -> Option<String> {
        match self {
            // Nobody's id is empty.
            Self::Claimed => Some(claimed.map(|user| user.0.clone()).unwrap_or_default()),
            Self::Nobody => Some(String::new()),
            Self::User(user) => Some(user.0.clone()),
            Self::Admin(_) => None,
        }
    }

    /// Lets those pass who run the marketplace.
    ///
    /// # Errors
    /// 401 without a token; 403 without the scope `admin`.
    pub fn operates(&self) -> Result<(), Problem> {
        match self {
            Self::Claimed | Self::Admin(_) => Ok(()),
            Self::Nobody => Err(token_required()),
            Self::User(_) => Err(admin_required()),
        }
    }
}

fn not_the_token_user() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "user-mismatch",
        "The userId must be the one of the token, or be left out.",
    )
}

/// What a handler may want to know of a request besides its body. Where there are tokens, a handler that takes this
/// is for people who have one; see [`Visitor`] and [`Operator`].
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who acts.
    pub actor: Actor,
    /// When that ends.
    expires: Option<SystemTime>,
    /// Where the client believes us to be.
    pub base: Base,
    /// Its trace, which the events that this request causes belong to.
    pub trace: Option<Trace>,
    /// Headers that synchronous calls on the caller's behalf carry on.
    pub(crate) onward: HeaderMap,
}

impl Caller {
    /// Ends when the caller's token does.
    pub fn expired(&self) -> impl Future<Output = ()> + Send + use<> {
        let expires = self.expires;
        async move {
            match expires {
                Some(at) => {
                    let left = at.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
                    tokio::time::sleep(left).await;
                }
                None => std::future::pending().await,
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn test() -> Self {
        let headers = HeaderMap::new();
        Self { actor: Actor::Claimed, expires: None, base: Base::of(&headers), trace: None, onward: headers }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Verifier: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Visitor::from_request_parts(parts, state).await? {
            Visitor(Self { actor: Actor::Nobody, .. }) => Err(token_required()),
            Visitor(caller) => Ok(caller),
        }
    }
}

/// A caller who need not be anybody, of what is public.
#[derive(Debug, Clone)]
pub struct Visitor(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for Visitor
where
    Verifier: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Identity { actor, expires } = Verifier::from_ref(state).identify(&parts.headers).await?;
        // `request_id::observe` has put its own in place by now.
        let onward: HeaderMap = [header::AUTHORIZATION, X_REQUEST_ID]
            .into_iter()
            .filter_map(|name| parts.headers.get(&name).cloned().map(|value| (name, value)))
            .map(|(name, mut value)| {
                value.set_sensitive(name == header::AUTHORIZATION);
                (name, value)
            })
            .collect();
        let trace = parts.extensions.get().cloned();
        Ok(Self(Caller { actor, expires, base: Base::of(&parts.headers), trace, onward }))
    }
}

/// A caller who runs the marketplace.
#[derive(Debug, Clone)]
pub struct Operator(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for Operator
where
    Verifier: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        caller.actor.operates()?;
        Ok(Self(caller))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each actor gets who says nothing, says who they are, and says to be another.
    #[test]
    fn who_acts_and_whose_things_are_listed() {
        let (me, other) = (UserId("me".into()), UserId("other".into()));
        let code = |result: Result<Option<String>, Problem>| match result {
            Ok(user) => user.unwrap_or("anybody".to_owned()),
            Err(problem) => problem.code().to_owned(),
        };
        for (actor, acting, whose) in [
            (Actor::Claimed, ["anybody", "me", "other"], ["anybody", "me", "other"]),
            (Actor::Nobody, ["token-required"; 3], ["token-required"; 3]),
            (Actor::User(me.clone()), ["me", "me", "user-mismatch"], ["me", "me", "user-mismatch"]),
            (Actor::Admin(me.clone()), ["me", "me", "user-mismatch"], ["anybody", "me", "other"]),
        ] {
            let said = [None, Some(&me), Some(&other)];
            assert_eq!(said.map(|said| code(actor.acting(said))), acting, "{actor:?}");
            assert_eq!(said.map(|said| code(actor.whose(said))), whose, "{actor:?}");
        }
    }

    #[test]
    fn who_sees_what_and_who_operates() {
        let me = UserId("me".into());
        for (actor, own, others, hidden_from, operates) in [
            (Actor::Claimed, true, true, Some("claimed"), "yes"),
            (Actor::Nobody, false, false, Some(""), "token-required"),
            (Actor::User(me.clone()), true, false, Some("me"), "insufficient-scope"),
            (Actor::Admin(me.clone()), true, true, None, "yes"),
        ] {
            assert_eq!((actor.sees(["you", "me"]), actor.sees(["you"])), (own, others), "{actor:?}");
            let viewer = actor.viewer(Some(&UserId("claimed".into())));
            assert_eq!(viewer.as_deref(), hidden_from, "{actor:?}");
            assert_eq!(actor.operates().map_or_else(|problem| problem.code(), |()| "yes"), operates);
        }
    }
}
