//! The keys of an identity provider: fetched when they are first needed, again when a token names one that is not
//! known, and now and then because a key may be withdrawn.

use super::{AuthError, AuthSettings, Key};
use axum::http::StatusCode;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};
use reqwest::{Client, Url};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// What a provider may sign with: the public-key algorithms that every provider has.
pub(super) const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// Between two questions to the provider at least, whatever tokens come.
const PACE: Duration = Duration::from_secs(5);

/// A withdrawn key is forgotten after this.
const STALE: Duration = Duration::from_secs(300);

/// How long the provider may take; requests with a new key wait for it.
const TIMEOUT: Duration = Duration::from_secs(2);

/// An identity provider, and what is known of its keys.
#[derive(Debug, Clone)]
pub(super) struct Provider(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    url: Url,
    http: Client,
    settings: AuthSettings,
    pace: Duration,
    known: RwLock<Known>,
    /// Held by whoever asks the provider; the others wait for the same answer.
    turn: Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct Known {
    keys: Arc<Vec<(Option<String>, Arc<Key>)>>,
    /// When the provider was asked last.
    asked: Option<Instant>,
    /// When it answered last.
    answered: Option<Instant>,
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyError {
    /// The provider has no such key.
    Unknown,
    /// The provider does not say.
    Away,
}

impl Provider {
    pub(super) fn new(url: Url, settings: &AuthSettings) -> Result<Self, AuthError> {
        Self::paced(url, settings, PACE)
    }

    pub(super) fn paced(url: Url, settings: &AuthSettings, pace: Duration) -> Result<Self, AuthError> {
        let mut http = Client::builder().timeout(TIMEOUT);
        if url.scheme() == "http" {
            // Then the machine needs no certificates, and none are loaded.
            http = http.tls_certs_only([]);
        }
        Ok(Self(Arc::new(Inner {
            url,
            http: http.build()?,
            settings: settings.clone(),
            pace,
            known: RwLock::default(),
            turn: Mutex::default(),
        })))
    }

    /// The key of this id; the provider is asked where it is not known.
    pub(super) async fn key(&self, kid: Option<String>) -> Result<Arc<Key>, KeyError> {
        if let Some(key) = self.known_key(kid.as_deref()) {
            return Ok(key);
        }
        self.ask().await;
        let known = self.known();
        match known.find(kid.as_deref()) {
            Some(key) => Ok(key),
            None if known.answered.is_some() && known.answered >= known.asked => Err(KeyError::Unknown),
            None => Err(KeyError::Away),
        }
    }

    /// The key of this id if it is known; otherwise the provider is asked for the next time.
    pub(super) fn key_now(&self, kid: Option<String>) -> Option<Arc<Key>> {
        let key = self.known_key(kid.as_deref());
        if key.is_none() {
            self.ask_in_the_background();
        }
        key
    }

    fn known_key(&self, kid: Option<&str>) -> Option<Arc<Key>> {
        let known = self.known();
        let key = known.find(kid)?;
        if known.answered.is_none_or(|answered| answered.elapsed() > STALE) {
            self.ask_in_the_background();
        }
        Some(key)
    }

    fn known(&self) -> Known {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ask_in_the_background(&self) {
        // Most of those who would ask can see from here that it is not the time.
        if !self.may_ask() {
            return;
        }
        let provider = self.clone();
        tokio::spawn(async move { provider.ask().await });
    }

    fn may_ask(&self) -> bool {
        self.known().asked.is_none_or(|asked| asked.elapsed() >= self.0.pace)
    }

    /// Asks the provider, unless it was asked just now, by us or by somebody we waited for. What was known stays when
    /// it does not answer.
    async fn ask(&self) {
        let _turn = self.0.turn.lock().await;
        if !self.may_ask() {
            return;
        }
        let known = self.known();
        let was_there = known.answered >= known.asked;
        self.update(|known| known.asked = Some(Instant::now()));
        match self.fetch().await {
            Ok(keys) => self.update(|known| {
                known.keys = Arc::new(keys);
                known.answered = Some(Instant::now());
            }),
            // Once for each time that it goes away.
            Err(error) if was_there => {
                tracing::warn!(url = %self.0.url, error, "the identity provider's keys are not to be had");
            }
            Err(_) => {}
        }
    }

    fn update(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.0.known.write().unwrap_or_else(PoisonError::into_inner));
    }

    async fn fetch(&self) -> Result<Vec<(Option<String>, Arc<Key>)>, String> {
        let response = self.0.http.get(self.0.url.clone()).send().await.map_err(|error| error.to_string())?;
        if response.status() != StatusCode::OK {
            return Err(format!("it answers {}", response.status()));
        }
        let set: JwkSet = response.json().await.map_err(|error| error.to_string())?;
        let keys: Vec<_> = set.keys.iter().filter_map(|jwk| self.key_of(jwk)).collect();
        // A provider without keys has lost them; what it signed before is valid until it says otherwise.
        if keys.is_empty() { Err("it has no key that could be used".to_owned()) } else { Ok(keys) }
    }

    /// A key for signatures of a kind that we take, with its algorithm pinned.
    fn key_of(&self, jwk: &Jwk) -> Option<(Option<String>, Arc<Key>)> {
        let by_kind = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(params) if params.curve == EllipticCurve::P256 => {
                Algorithm::ES256
            }
            AlgorithmParameters::OctetKeyPair(params) if params.curve == EllipticCurve::Ed25519 => {
                Algorithm::EdDSA
            }
            _ => return None,
        };
        let for_it =
            jwk.common.key_algorithm.is_none_or(|said| Algorithm::try_from(said).ok() == Some(by_kind));
        let signs = jwk.common.public_key_use.as_ref().is_none_or(|said| *said == PublicKeyUse::Signature);
        if !(for_it && signs) {
            return None;
        }
        let decoding = DecodingKey::from_jwk(jwk).ok()?;
        let key = Key { decoding, validation: self.0.settings.demands(by_kind) };
        Some((jwk.common.key_id.clone(), Arc::new(key)))
    }
}

impl Known {
    /// The key of this id. A token that names none can only mean the only one there is.
    fn find(&self, kid: Option<&str>) -> Option<Arc<Key>> {
        match kid {
            Some(kid) => self.keys.iter().find(|(id, _)| id.as_deref() == Some(kid)),
            None => self.keys.first().filter(|_| self.keys.len() == 1),
        }
        .map(|(_, key)| key.clone())
    }
}
