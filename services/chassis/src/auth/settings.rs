//! What a program is told of identity, and the tokens it mints for development.

use super::{ADMIN, LEEWAY};
use crate::wire::UserId;
use clap::ValueEnum;
use jsonwebtoken::{Algorithm, EncodingKey, Header, Validation, encode};
use reqwest::Url;
use std::{
    fmt,
    time::{Duration, SystemTime},
};

/// A key shorter than the digest is easier to guess than the digest (RFC 7518, 3.2).
const MIN_SECRET: usize = 32;

/// Whether anybody has to prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuthMode {
    /// Whom a request names is believed.
    Open,
    /// A bearer token says who acts.
    Jwt,
}

/// Who is believed, and by which key.
#[derive(Debug, Clone, clap::Args)]
pub struct AuthSettings {
    /// Whether a bearer token has to prove who acts.
    #[arg(long, env = "AUTH", value_enum, default_value_t = AuthMode::Jwt)]
    pub auth: AuthMode,
    /// Where the identity provider publishes its keys (a JWK set; RS256, ES256 or EdDSA).
    #[arg(long, env = "AUTH_JWKS_URL", value_name = "URL")]
    pub auth_jwks_url: Option<String>,
    /// Instead of a provider: a secret of 32 bytes or more that tokens are signed with (HS256).
    #[arg(long, env = "AUTH_HS256_SECRET", hide_env_values = true, value_name = "SECRET")]
    pub auth_hs256_secret: Option<Secret>,
    /// The `iss` that tokens must have.
    #[arg(long, env = "AUTH_ISSUER", default_value = "secondhandtrading")]
    pub auth_issuer: String,
    /// The `aud` that tokens must have, or have among others.
    #[arg(long, env = "AUTH_AUDIENCE", default_value = "secondhandtrading")]
    pub auth_audience: String,
}

/// A secret that no log shows. Its length is checked later, since clap shows the values it refuses.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self(secret.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Settings that nobody can be identified by.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// None was given.
    #[error(
        "AUTH=jwt needs a key: set AUTH_JWKS_URL or AUTH_HS256_SECRET (or AUTH=open, to believe whom a request names)"
    )]
    NoKey,
    /// It would not be clear which one counts.
    #[error("AUTH_JWKS_URL and AUTH_HS256_SECRET are both set; keep one of them")]
    TwoKeys,
    /// Easy to guess.
    #[error("AUTH_HS256_SECRET must be of {MIN_SECRET} bytes at least")]
    WeakSecret,
    /// Nobody can be asked there.
    #[error("AUTH_JWKS_URL must be an http:// or https:// address")]
    BadUrl,
    /// There is no asking over TLS here.
    #[error("AUTH_JWKS_URL: {0}")]
    Client(#[from] reqwest::Error),
    /// Tokens are the provider's to make.
    #[error("tokens are minted with AUTH_HS256_SECRET only")]
    NothingToMintWith,
}

/// The key that counts.
pub(super) enum Key<'a> {
    None,
    Secret(&'a Secret),
    Provider(Url),
}

impl AuthSettings {
    /// Everybody is believed.
    pub fn open() -> Self {
        Self {
            auth: AuthMode::Open,
            auth_jwks_url: None,
            auth_hs256_secret: None,
            auth_issuer: "secondhandtrading".to_owned(),
            auth_audience: "secondhandtrading".to_owned(),
        }
    }

    /// Whoever signs with `secret` is believed.
    pub fn hs256(secret: impl Into<Secret>) -> Self {
        Self { auth: AuthMode::Jwt, auth_hs256_secret: Some(secret.into()), ..Self::open() }
    }

    /// No key at all is given; an empty variable counts as none.
    pub fn lacks_key(&self) -> bool {
        self.secret().is_none() && self.provider().is_none()
    }

    fn secret(&self) -> Option<&Secret> {
        self.auth_hs256_secret.as_ref().filter(|secret| !secret.0.is_empty())
    }

    fn provider(&self) -> Option<&str> {
        self.auth_jwks_url.as_deref().filter(|url| !url.is_empty())
    }

    pub(super) fn key(&self) -> Result<Key<'_>, AuthError> {
        if self.auth == AuthMode::Open {
            return Ok(Key::None);
        }
        match (self.provider(), self.secret()) {
            (None, None) => Err(AuthError::NoKey),
            (Some(_), Some(_)) => Err(AuthError::TwoKeys),
            (None, Some(secret)) if secret.0.len() < MIN_SECRET => Err(AuthError::WeakSecret),
            (None, Some(secret)) => Ok(Key::Secret(secret)),
            (Some(url), None) => match Url::parse(url) {
                Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Key::Provider(url)),
                _ => Err(AuthError::BadUrl),
            },
        }
    }

    /// What is demanded of a token that is signed by `algorithm`.
    pub(super) fn demands(&self, algorithm: Algorithm) -> Validation {
        let mut demands = Validation::new(algorithm);
        demands.leeway = LEEWAY;
        demands.validate_nbf = true;
        demands.set_issuer(&[&self.auth_issuer]);
        demands.set_audience(&[&self.auth_audience]);
        demands.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        demands
    }

    /// Mints a token that says its bearer is `user`, for `ttl` from now.
    ///
    /// # Errors
    /// There is no secret to sign it with, or too weak a one.
    pub fn mint(&self, user: &UserId, admin: bool, ttl: Duration) -> Result<String, AuthError> {
        #[derive(serde::Serialize)]
        struct Token<'a> {
            sub: &'a str,
            iss: &'a str,
            aud: &'a str,
            iat: u64,
            exp: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            scope: Option<&'a str>,
        }
        let secret = self.secret().ok_or(AuthError::NothingToMintWith)?;
        if secret.0.len() < MIN_SECRET {
            return Err(AuthError::WeakSecret);
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let token = Token {
            sub: &user.0,
            iss: &self.auth_issuer,
            aud: &self.auth_audience,
            iat: now.as_secs(),
            exp: now.saturating_add(ttl).as_secs(),
            scope: admin.then_some(ADMIN),
        };
        let key = EncodingKey::from_secret(secret.as_bytes());
        Ok(encode(&Header::new(Algorithm::HS256), &token, &key).expect("HMAC signs any claims"))
    }
}
