use super::*;
use axum::http::HeaderValue;
use jsonwebtoken::{EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};
use std::time::UNIX_EPOCH;

mod rotation;

const SECRET: &str = "a secret of 32 bytes, and then some";

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().cast_signed()
}

/// The claims of a good token, with some of them changed, or left out (null).
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "sub": "me", "iss": "secondhandtrading", "aud": "secondhandtrading", "exp": now() + 60,
    });
    let fields = claims.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        fields.insert(name.clone(), value.clone());
    }
    fields.retain(|_, value| !value.is_null());
    claims
}

fn hs256(secret: &[u8], claims: &Value) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret)).expect("HMAC signs")
}

/// A private key of a provider's, and what it publishes of it.
struct Pair {
    kid: &'static str,
    algorithm: Algorithm,
    private: EncodingKey,
}

impl Pair {
    fn new(kid: &'static str, algorithm: Algorithm) -> Self {
        use aws_lc_rs::{
            encoding::{AsDer, Pkcs8V1Der},
            rand::SystemRandom,
            rsa::{KeyPair, KeySize},
            signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
        };
        let random = SystemRandom::new();
        let private = match algorithm {
            Algorithm::RS256 => {
                let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
                let der: Pkcs8V1Der<'_> = pair.as_der().expect("PKCS #8");
                // The key itself (PKCS #1) is behind a head that says which kind it is.
                EncodingKey::from_rsa_der(&der.as_ref()[26..])
            }
            Algorithm::ES256 => {
                let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
                EncodingKey::from_ec_der(der.expect("a key").as_ref())
            }
            _ => EncodingKey::from_ed_der(Ed25519KeyPair::generate_pkcs8v1(&random).expect("a key").as_ref()),
        };
        Self { kid, algorithm, private }
    }

    fn published(&self) -> Jwk {
        let mut jwk = Jwk::from_encoding_key(&self.private, self.algorithm).expect("its public half");
        jwk.common.key_id = Some(self.kid.to_owned());
        jwk
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_as(Some(self.kid), claims)
    }

    fn sign_as(&self, kid: Option<&str>, claims: &Value) -> String {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.private).expect("it signs")
    }
}

/// The same claims, with a head and a signature that are not theirs.
fn patched(token: &str, head: Option<&str>, signature: Option<&str>) -> String {
    let mut parts: Vec<_> = token.split('.').collect();
    if let Some(head) = head {
        parts[0] = head;
    }
    if let Some(signature) = signature {
        parts[2] = signature;
    }
    parts.join(".")
}

/// `{"alg":"none","typ":"JWT"}`
const HEAD_OF_NONE: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";

fn bearing(value: &str) -> HeaderMap {
    HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(value).expect("visible ASCII"))])
}

/// Who it is, or why not.
async fn asked(verifier: &Verifier, headers: &HeaderMap) -> String {
    let named = match verifier.identify(headers).await {
        Ok(Identity { actor, .. }) => match actor {
            Actor::Claimed => "claimed".to_owned(),
            Actor::Nobody => "nobody".to_owned(),
            Actor::User(user) => format!("user {}", user.0),
            Actor::Admin(user) => format!("admin {}", user.0),
        },
        Err(problem) => problem.code().to_owned(),
    };
    let user = verifier.user_of(headers).map(|user| user.0);
    if verifier.0.waits_for_nobody() {
        assert_eq!(user.as_deref(), named.split_once(' ').map(|(_, name)| name), "user_of says the same");
    }
    named
}

impl Trust {
    fn waits_for_nobody(&self) -> bool {
        !matches!(self, Self::Provider(_))
    }
}

async fn check(verifier: &Verifier, cases: Vec<(&str, String, &str)>) {
    for (what, token, expected) in cases {
        assert_eq!(asked(verifier, &bearing(&format!("Bearer {token}"))).await, expected, "{what}: {token}");
    }
}

fn verifier(settings: &AuthSettings) -> Verifier {
    Verifier::new(settings).expect("these settings are good")
}

#[tokio::test]
async fn a_token_is_good_or_it_is_not() {
    let good = hs256(SECRET.as_bytes(), &claims(json!({})));
    let with = |changes: Value| hs256(SECRET.as_bytes(), &claims(changes));
    let longest = "x".repeat(64);
    let user_longest = format!("user {longest}");
    let cases = vec![
        ("good", good.clone(), "user me"),
        ("no scope of ours", with(json!({"scope": "openid administrator"})), "user me"),
        ("admin among words", with(json!({"scope": "openid admin"})), "admin me"),
        ("admin in a list", with(json!({"scope": ["openid", "admin"]})), "admin me"),
        ("words in a list", with(json!({"scope": ["not admin"]})), "user me"),
        ("one of several audiences", with(json!({"aud": ["x", "secondhandtrading"]})), "user me"),
        ("expired within the leeway", with(json!({"exp": now() - 5})), "user me"),
        ("soon valid, within the leeway", with(json!({"nbf": now() + 5})), "user me"),
        ("the longest sub", with(json!({"sub": longest})), &user_longest),
        ("a sub in other letters", with(json!({"sub": "민지"})), "user 민지"),
        ("expired", with(json!({"exp": now() - 15})), "invalid-token"),
        ("without an end", with(json!({"exp": null})), "invalid-token"),
        ("an end that is no number", with(json!({"exp": "tomorrow"})), "invalid-token"),
        ("not yet valid", with(json!({"nbf": now() + 30})), "invalid-token"),
        ("another's audience", with(json!({"aud": "somewhere-else"})), "invalid-token"),
        ("no audience", with(json!({"aud": null})), "invalid-token"),
        ("another's issuer", with(json!({"iss": "somebody-else"})), "invalid-token"),
        ("no issuer", with(json!({"iss": null})), "invalid-token"),
        ("no sub", with(json!({"sub": null})), "invalid-token"),
        ("an empty sub", with(json!({"sub": ""})), "invalid-token"),
        ("a blank sub", with(json!({"sub": " "})), "invalid-token"),
        ("a sub that trims to another", with(json!({"sub": "me "})), "invalid-token"),
        ("a sub too long", with(json!({"sub": format!("{longest}x")})), "invalid-token"),
        ("a sub that hides something", with(json!({"sub": "m\u{0}e"})), "invalid-token"),
        ("a sub that is no text", with(json!({"sub": 7})), "invalid-token"),
        (
            "another's secret",
            hs256(b"another secret of 32 bytes and more", &claims(json!({}))),
            "invalid-token",
        ),
        ("alg none, unsigned", patched(&good, Some(HEAD_OF_NONE), Some("")), "invalid-token"),
        ("alg none, signed", patched(&good, Some(HEAD_OF_NONE), None), "invalid-token"),
        (
            "another HMAC",
            {
                let key = EncodingKey::from_secret(SECRET.as_bytes());
                encode(&Header::new(Algorithm::HS512), &claims(json!({})), &key).expect("HMAC signs")
            },
            "invalid-token",
        ),
        ("no signature", patched(&good, None, Some("")), "invalid-token"),
        ("changed claims", good.replacen(".ey", ".eyJzdWIiOiJ5b3UifQ", 1), "invalid-token"),
        ("too long", with(json!({"padding": "x".repeat(MAX_TOKEN)})), "invalid-token"),
        ("two parts", "eyJhbGciOiJIUzI1NiJ9.e30".to_owned(), "invalid-token"),
        ("garbage", "gar.ba.ge".to_owned(), "invalid-token"),
        ("nothing", String::new(), "invalid-token"),
    ];
    check(&verifier(&AuthSettings::hs256(SECRET)), cases).await;
}

#[tokio::test]
async fn a_request_bears_one_token_or_none() {
    let verifier = verifier(&AuthSettings::hs256(SECRET));
    let good = hs256(SECRET.as_bytes(), &claims(json!({})));
    assert_eq!(asked(&verifier, &HeaderMap::new()).await, "nobody");
    for (header, expected) in [
        (format!("bearer {good}"), "user me"),
        (format!("BEARER  {good}"), "user me"),
        (good.clone(), "invalid-token"),
        (format!("Basic {good}"), "invalid-token"),
        (format!("Bearer {good}, Bearer {good}"), "invalid-token"),
        ("Bearer".to_owned(), "invalid-token"),
    ] {
        assert_eq!(asked(&verifier, &bearing(&header)).await, expected, "{header}");
    }
    let mut twice = bearing(&format!("Bearer {good}"));
    twice.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
    assert_eq!(asked(&verifier, &twice).await, "invalid-token");
    assert_eq!(asked(&Verifier::open(), &twice).await, "claimed", "nobody looks at it");
}

#[test]
fn a_refusal_says_how_to_do_better() {
    use axum::response::IntoResponse;
    for (problem, status, challenge) in [
        (token_required(), 401, "Bearer"),
        (invalid_token("?"), 401, "Bearer error=\"invalid_token\""),
        (admin_required(), 403, "Bearer error=\"insufficient_scope\", scope=\"admin\""),
    ] {
        let response = problem.into_response();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], challenge);
    }
}

#[tokio::test]
async fn a_minted_token_is_good_until_its_end() {
    let settings = AuthSettings {
        auth_issuer: "us".into(),
        auth_audience: "them".into(),
        ..AuthSettings::hs256(SECRET)
    };
    let verifier = verifier(&settings);
    let me = UserId("me".to_owned());
    let mint =
        |admin, seconds| settings.mint(&me, admin, Duration::from_secs(seconds)).expect("there is a secret");
    let headers = bearing(&format!("Bearer {}", mint(false, 60)));
    let identity = verifier.identify(&headers).await.expect("it is good");
    assert_eq!(identity.actor, Actor::User(me.clone()));
    let left = identity.expires.expect("an end").duration_since(SystemTime::now()).expect("in the future");
    assert!((60..=70).contains(&(left.as_secs() + 1)), "with the leeway: {left:?}");
    assert_eq!(asked(&verifier, &bearing(&format!("Bearer {}", mint(true, 60)))).await, "admin me");
    let elsewhere = super::Verifier::new(&AuthSettings::hs256(SECRET)).expect("good settings");
    assert_eq!(asked(&elsewhere, &headers).await, "invalid-token", "issued by us for them");
}

#[test]
fn settings_without_one_good_key_are_refused() {
    let jwt = AuthSettings { auth: AuthMode::Jwt, ..AuthSettings::open() };
    let provider = |url: &str| AuthSettings { auth_jwks_url: Some(url.to_owned()), ..jwt.clone() };
    for (settings, expected) in [
        (AuthSettings::open(), ""),
        (AuthSettings::hs256("x".repeat(32).as_str()), ""),
        (provider("http://127.0.0.1:9/keys"), ""),
        (jwt.clone(), "needs a key"),
        (AuthSettings::hs256(""), "needs a key"),
        (provider(""), "needs a key"),
        (AuthSettings::hs256("x".repeat(31).as_str()), "32 bytes"),
        (provider("127.0.0.1/keys"), "http"),
        (provider("file:///keys"), "http"),
        (AuthSettings { auth_hs256_secret: Some(SECRET.into()), ..provider("http://[::1]/") }, "both"),
    ] {
        let said = Verifier::new(&settings).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{settings:?}: {said}");
        assert!(!format!("{settings:?}").contains("xxx"), "a log does not show the secret");
    }
}

#[test]
fn help_and_complaints_do_not_show_the_secret() {
    use clap::{Args, Command};
    let command = || AuthSettings::augment_args(Command::new("it")).no_binary_name(true);
    // As if the environment said so: its value is what help would show.
    let command = || command().mut_arg("auth_hs256_secret", |secret| secret.env("PATH"));
    let path = std::env::var("PATH").expect("there is one");
    let help = command().render_long_help().to_string();
    assert!(help.contains("PATH") && !help.contains(&path), "{help}");
    let complaint = command().try_get_matches_from(["--auth", "no"]).expect_err("no such mode").to_string();
    assert!(!complaint.contains(&path), "{complaint}");
}
