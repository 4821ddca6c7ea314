//! An identity provider that changes its keys, and goes away and comes back.

use super::*;
use crate::server;
use axum::{Json, Router, response::IntoResponse, routing::get};
use futures::future::join_all;
use jsonwebtoken::jwk::JwkSet;
use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// What the provider answers; nothing while it is down.
#[derive(Clone, Default)]
struct Desk {
    keys: Arc<Mutex<Option<JwkSet>>>,
    questions: Arc<AtomicUsize>,
}

impl Desk {
    fn publishes(&self, pairs: &[&Pair]) {
        let keys = pairs.iter().map(|pair| pair.published()).collect();
        *self.keys.lock().expect("nobody panics") = Some(JwkSet { keys });
    }

    fn goes_down(&self) {
        *self.keys.lock().expect("nobody panics") = None;
    }

    fn questions(&self) -> usize {
        self.questions.load(Ordering::Relaxed)
    }

    async fn open(&self, pace: Duration) -> (Verifier, DropGuard) {
        let desk = self.clone();
        let answer = get(async move || {
            desk.questions.fetch_add(1, Ordering::Relaxed);
            match desk.keys.lock().expect("nobody panics").clone() {
                Some(keys) => Json(keys).into_response(),
                None => StatusCode::BAD_GATEWAY.into_response(),
            }
        });
        let listener = server::bind("127.0.0.1", 0).await.expect("a free port");
        let url = format!("http://{}/keys", listener.local_addr().expect("it listens"));
        let closing = CancellationToken::new();
        tokio::spawn(server::serve(listener, Router::new().route("/keys", answer), closing.clone()));
        let settings =
            AuthSettings { auth: AuthMode::Jwt, auth_jwks_url: Some(url.clone()), ..AuthSettings::open() };
        let provider = Provider::paced(url.parse().expect("a URL"), &settings, pace).expect("good settings");
        (Verifier(Arc::new(Trust::Provider(provider))), closing.drop_guard())
    }
}

#[tokio::test]
async fn each_key_is_good_for_its_own_algorithm() {
    let pairs = [
        Pair::new("rsa", Algorithm::RS256),
        Pair::new("ec", Algorithm::ES256),
        Pair::new("ed", Algorithm::EdDSA),
    ];
    let [rsa, ec, ed] = &pairs;
    let desk = Desk::default();
    desk.publishes(&[rsa, ec, ed]);
    let (verifier, _open) = desk.open(Duration::ZERO).await;
    let good = claims(json!({}));
    let public = serde_json::to_value(rsa.published()).expect("JSON");
    // What everybody can read must not do as a secret.
    let with_public_key = |bytes: &[u8]| {
        let header = Header { kid: Some("rsa".to_owned()), ..Header::new(Algorithm::HS256) };
        encode(&header, &good, &EncodingKey::from_secret(bytes)).expect("HMAC signs")
    };
    let stranger = Pair::new("rsa", Algorithm::RS256);
    let cases = vec![
        ("RS256", rsa.sign(&good), "user me"),
        ("ES256", ec.sign(&good), "user me"),
        ("EdDSA", ed.sign(&good), "user me"),
        ("an admin", ec.sign(&claims(json!({"scope": "admin"}))), "admin me"),
        ("expired", ec.sign(&claims(json!({"exp": now() - 15}))), "invalid-token"),
        ("another's audience", ec.sign(&claims(json!({"aud": "x"}))), "invalid-token"),
        ("another key of that id", stranger.sign(&good), "invalid-token"),
        ("another one's id", rsa.sign_as(Some("ec"), &good), "invalid-token"),
        ("an unknown id", rsa.sign_as(Some("who?"), &good), "invalid-token"),
        ("no id, where there are several keys", rsa.sign_as(None, &good), "invalid-token"),
        ("HS256 with the public key", with_public_key(public["n"].to_string().as_bytes()), "invalid-token"),
        ("HS256 with all that is published", with_public_key(public.to_string().as_bytes()), "invalid-token"),
        ("alg none", patched(&rsa.sign(&good), Some(HEAD_OF_NONE), Some("")), "invalid-token"),
        ("HS256 without an id", hs256(SECRET.as_bytes(), &good), "invalid-token"),
        ("garbage", "gar.ba.ge".to_owned(), "invalid-token"),
    ];
    check(&verifier, cases).await;

    desk.publishes(&[ed]);
    let (verifier, _open) = desk.open(Duration::ZERO).await;
    let without_id = ed.sign_as(None, &good);
    assert_eq!(asked(&verifier, &bearing(&format!("Bearer {without_id}"))).await, "user me", "the only key");
}

#[tokio::test]
async fn keys_rotate_and_an_outage_forgets_none() {
    let (old, new) = (Pair::new("old", Algorithm::EdDSA), Pair::new("new", Algorithm::EdDSA));
    let good = claims(json!({}));
    let [by_old, by_new] = [&old, &new].map(|pair| bearing(&format!("Bearer {}", pair.sign(&good))));
    let desk = Desk::default();
    let (verifier, _open) = desk.open(Duration::ZERO).await;

    // Down at the start: whoever bears a token is told to come back, whoever has none is served.
    assert_eq!(asked(&verifier, &by_old).await, "keys-unavailable");
    assert_eq!(asked(&verifier, &HeaderMap::new()).await, "nobody");
    assert_eq!(asked(&verifier, &bearing("Bearer gar.ba.ge")).await, "invalid-token", "that is plain to see");

    desk.publishes(&[&old]);
    assert_eq!(asked(&verifier, &by_old).await, "user me");
    assert_eq!(asked(&verifier, &by_new).await, "invalid-token");
    desk.publishes(&[&new, &old]);
    assert_eq!(asked(&verifier, &by_new).await, "user me");

    desk.goes_down();
    let unknown = bearing(&format!("Bearer {}", new.sign_as(Some("newer"), &good)));
    assert_eq!(asked(&verifier, &unknown).await, "keys-unavailable", "it may be good");
    let before = desk.questions();
    assert_eq!(
        (asked(&verifier, &by_old).await.as_str(), asked(&verifier, &by_new).await.as_str()),
        ("user me", "user me")
    );
    assert_eq!(desk.questions(), before, "nobody is asked for what is known");

    // Back, with one key withdrawn.
    desk.publishes(&[&new]);
    assert_eq!(asked(&verifier, &unknown).await, "invalid-token");
    assert_eq!(asked(&verifier, &by_old).await, "invalid-token", "withdrawn");
    assert_eq!(asked(&verifier, &by_new).await, "user me");
}

#[tokio::test]
async fn bad_tokens_do_not_hammer_the_provider() {
    let pair = Pair::new("good", Algorithm::EdDSA);
    let desk = Desk::default();
    desk.publishes(&[&pair]);
    let (verifier, _open) = desk.open(Duration::from_secs(3600)).await;
    let good = bearing(&format!("Bearer {}", pair.sign(&claims(json!({})))));
    assert_eq!(join_all((0..50).map(|_| asked(&verifier, &good))).await, vec!["user me"; 50]);
    assert_eq!(desk.questions(), 1, "one flight for all");
    for number in 0..50 {
        let token = pair.sign_as(Some(&number.to_string()), &claims(json!({})));
        assert_eq!(asked(&verifier, &bearing(&format!("Bearer {token}"))).await, "invalid-token");
    }
    assert_eq!(desk.questions(), 1);
    assert_eq!(verifier.user_of(&good), Some(UserId("me".to_owned())), "known by now");
}

#[tokio::test]
async fn who_never_waits_gets_the_keys_in_the_background() {
    let pair = Pair::new("good", Algorithm::EdDSA);
    let desk = Desk::default();
    desk.publishes(&[&pair]);
    let (verifier, _open) = desk.open(Duration::from_secs(3600)).await;
    let good = bearing(&format!("Bearer {}", pair.sign(&claims(json!({})))));
    assert_eq!(verifier.user_of(&good), None);
    tokio::time::timeout(Duration::from_secs(10), async {
        while verifier.user_of(&good).is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the keys come");
    assert_eq!(desk.questions(), 1);
}
