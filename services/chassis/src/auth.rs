//! Who a request's bearer token says is calling (CONTRACT, identity). Every service verifies for itself.
//!
//! A key is good for one algorithm, which is never the token's to choose: `HS256` for the shared secret, else what
//! the identity provider says of each of its keys.

mod provider;
mod settings;

pub use settings::{AuthError, AuthMode, AuthSettings, Secret};

use crate::{
    caller::Actor,
    problem::Problem,
    wire::{Scalar, UserId},
};
use axum::http::{HeaderMap, StatusCode, header};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, errors::ErrorKind};
use provider::{KeyError, Provider};
use serde::Deserialize;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// How far clocks may be apart, in seconds.
const LEEWAY: u64 = 10;

/// Tokens of identity providers are 1 to 2 kB; nobody needs a longer one here.
const MAX_TOKEN: usize = 8 << 10;

/// The scope that sees everything, and operates.
const ADMIN: &str = "admin";

/// Verifies bearer tokens. Clones share what they know of the identity provider's keys.
#[derive(Debug, Clone)]
pub struct Verifier(Arc<Trust>);

/// Whom we believe.
#[derive(Debug)]
enum Trust {
    /// Everybody.
    Anyone,
    /// Whoever knows the secret.
    Secret(Box<Key>),
    /// An identity provider.
    Provider(Provider),
}

/// Who calls, and until when that is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who acts.
    pub actor: Actor,
    /// When the token is not accepted any more.
    pub expires: Option<SystemTime>,
}

/// A key with everything that is demanded of a token signed with it.
#[derive(Debug)]
struct Key {
    decoding: DecodingKey,
    validation: Validation,
}

/// What is read of a token, besides what [`Key::validation`] demands of it.
#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    /// OAuth's string of words; some providers make it an array.
    #[serde(default)]
    scope: Option<Scope>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Scope {
    Words(String),
    List(Vec<String>),
}

impl Verifier {
    /// Believes whom a request names (`AUTH=open`).
    pub fn open() -> Self {
        Self(Arc::new(Trust::Anyone))
    }

    /// As the settings say. The identity provider is asked when the first token comes.
    ///
    /// # Errors
    /// The settings lack a key, or have one too many or too weak.
    pub fn new(settings: &AuthSettings) -> Result<Self, AuthError> {
        let trust = match settings.key()? {
            settings::Key::None => Trust::Anyone,
            settings::Key::Secret(secret) => Trust::Secret(Box::new(Key {
                decoding: DecodingKey::from_secret(secret.as_bytes()),
                validation: settings.demands(Algorithm::HS256),
            })),
            settings::Key::Provider(url) => Trust::Provider(Provider::new(url, settings)?),
        };
        Ok(Self(Arc::new(trust)))
    }

    /// Who calls.
    ///
    /// # Errors
    /// 401 for a token that is not valid here, 503 while the identity provider's keys are not to be had.
    pub async fn identify(&self, headers: &HeaderMap) -> Result<Identity, Problem> {
        let nobody = Identity { actor: Actor::Nobody, expires: None };
        match &*self.0 {
            Trust::Anyone => Ok(Identity { actor: Actor::Claimed, ..nobody }),
            Trust::Secret(key) => bearer(headers)?.map_or(Ok(nobody), |token| key.verify(token)),
            Trust::Provider(provider) => {
                let Some(token) = bearer(headers)? else { return Ok(nobody) };
                match provider.key(signer(token)?).await {
                    Ok(key) => key.verify(token),
                    Err(KeyError::Unknown) => Err(invalid_token(NOT_VALID)),
                    Err(KeyError::Away) => Err(Problem::unavailable(
                        "keys-unavailable",
                        "The identity provider does not answer, so that tokens cannot be verified.",
                        1,
                    )),
                }
            }
        }
    }

    /// The user of a valid token, judged by what is known already: never waits for the identity provider, whose
    /// keys are fetched in the background where they are missing. For what only needs to tell users apart.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn user_of(&self, headers: &HeaderMap) -> Option<UserId> {
        let token = bearer(headers).ok()??;
        let identity = match &*self.0 {
            Trust::Anyone => return None,
            Trust::Secret(key) => key.verify(token),
            Trust::Provider(provider) => provider.key_now(signer(token).ok()?)?.verify(token),
        };
        match identity.ok()?.actor {
            Actor::User(user) | Actor::Admin(user) => Some(user),
            Actor::Claimed | Actor::Nobody => None,
        }
    }
}

impl Key {
    fn verify(&self, token: &str) -> Result<Identity, Problem> {
        let claims = decode::<Claims>(token, &self.decoding, &self.validation)
            .map_err(|error| {
                invalid_token(match error.kind() {
                    ErrorKind::ExpiredSignature => "The token has expired.",
                    ErrorKind::ImmatureSignature => "The token is not valid yet.",
                    ErrorKind::InvalidAudience | ErrorKind::InvalidIssuer => {
                        "The token was issued by or for somebody else."
                    }
                    _ => NOT_VALID,
                })
            })?
            .claims;
        // Not trimmed, as names in a body are: "seller01 " must not become somebody else.
        let user = UserId::from_text(&claims.sub).ok().filter(|user| user.0.trim() == user.0);
        let user = user.ok_or_else(|| invalid_token("The token's sub is no user id."))?;
        let admin = match &claims.scope {
            Some(Scope::Words(words)) => words.split_ascii_whitespace().any(|word| word == ADMIN),
            Some(Scope::List(list)) => list.iter().any(|word| word == ADMIN),
            None => false,
        };
        // Far in the future is as good as never.
        let expires = Duration::try_from_secs_f64(claims.exp).ok();
        let expires = expires.and_then(|after| SystemTime::UNIX_EPOCH.checked_add(after));
        Ok(Identity {
            actor: if admin { Actor::Admin(user) } else { Actor::User(user) },
            expires: expires.and_then(|at| at.checked_add(Duration::from_secs(LEEWAY))),
        })
    }
}

/// The token of a request, if there is one.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let token = match (value.to_str().ok().and_then(|text| text.split_once(' ')), given.next()) {
        (Some((scheme, token)), None) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => return Err(invalid_token("The Authorization header is not one bearer token.")),
    };
    if token.len() > MAX_TOKEN {
        return Err(invalid_token("The token is too long."));
    }
    Ok(Some(token))
}

/// The id of the key that a token says it was signed with. Only tokens that an identity provider might have signed
/// get that far.
fn signer(token: &str) -> Result<Option<String>, Problem> {
    match decode_header(token) {
        Ok(header) if provider::ALGORITHMS.contains(&header.alg) => Ok(header.kid),
        _ => Err(invalid_token(NOT_VALID)),
    }
}

const NOT_VALID: &str = "The token is not valid.";

/// 401: there is a token, and it is not valid. The bearer may ask for another one (RFC 6750, 3.1).
pub(crate) fn invalid_token(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "invalid-token", detail)
        .with_challenge(r#"Bearer error="invalid_token""#)
}

/// 401: this is for people we know.
pub(crate) fn token_required() -> Problem {
    let detail = "This needs a token: Authorization: Bearer …";
    Problem::new(StatusCode::UNAUTHORIZED, "token-required", detail).with_challenge("Bearer")
}

/// 403: this is for those who run the marketplace.
pub(crate) fn admin_required() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "insufficient-scope", "This needs a token with the scope admin.")
        .with_challenge(r#"Bearer error="insufficient_scope", scope="admin""#)
}

#[cfg(test)]
mod tests;
