//! Commands: a body read whole, an `If-Match`, and an `Idempotency-Key` whose answer is stored with the effect.

use crate::{
    app::App,
    caller::{Actor, Caller},
    problem::Problem,
    server,
    wire::{self, Faults, Line, Scalar, UserId, Wrong},
};
use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, uri::PathAndQuery},
    response::{IntoResponse, Response},
};
use deserr::Deserr;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use sqlx::{FromRow, PgConnection, PgPool};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// How long an answer is kept, in hours. The contract promises 24.
pub(crate) const KEPT_HOURS: i32 = 48;

/// An answer in a form that can be stored and given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// `Location`, for what was made.
    pub location: Option<String>,
    /// `ETag`: the resource's version.
    pub etag: Option<i64>,
    /// The HAL body.
    pub body: Option<String>,
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body.map_or_else(Body::empty, Body::from)).into_response();
        let headers = response.headers_mut();
        if self.status != StatusCode::NO_CONTENT {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/hal+json"));
        }
        if let Some(location) = self.location.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(header::LOCATION, location);
        }
        if let Some(version) = self.etag.and_then(|v| HeaderValue::from_str(&format!("\"{v}\"")).ok()) {
            headers.insert(header::ETAG, version);
        }
        response
    }
}

/// A key, within the scope of who uses it for what.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    scope: String,
    key: String,
    body_hash: Vec<u8>,
}

/// What a body must be able to do besides being read.
pub trait CommandBody: Deserr<Faults> + Send {
    /// Other names that clients use for a field.
    const ALIASES: &'static [(&'static str, &'static str)] = &[];

    /// A POST's `userId` says who acts, so that it must be there where no token says so.
    const NAMES_ACTOR: bool = false;

    /// (field, its value, another field that it makes required).
    const REQUIRED_IF: &'static [(&'static str, &'static str, &'static str)] = &[];
}

/// A request that changes something. A key that was seen before never reaches the handler: its stored answer
/// is given again.
pub struct Command<T> {
    /// Who asks.
    pub caller: Caller,
    /// What is asked for.
    pub body: T,
    if_match: Option<String>,
    pub(crate) key: Option<Key>,
}

impl<T> Command<T> {
    /// The person who acts, of a body that [names one](CommandBody::NAMES_ACTOR).
    ///
    /// # Errors
    /// Nobody says who acts, or somebody else does.
    pub fn author(&self, claimed: Option<&UserId>) -> Result<String, Problem> {
        self.caller.actor.acting(claimed)?.ok_or_else(|| Faults::missing("userId").into())
    }

    /// What a request is told whose twin, with the same `Idempotency-Key`, has done the work meanwhile.
    pub fn in_flight(&self) -> Option<Problem> {
        self.key.as_ref().map(|_| in_flight())
    }

    /// Refuses a change of a version other than the one the client has seen.
    ///
    /// # Errors
    /// 412 when `If-Match` names neither `version` nor `*`.
    pub fn expects(&self, version: i64) -> Result<(), Problem> {
        let Some(expected) = &self.if_match else { return Ok(()) };
        let current = format!("\"{version}\"");
        // A weak tag never matches here (RFC 9110, 13.1.1).
        if expected.split(',').map(str::trim).any(|tag| tag == "*" || tag == current) {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "version-changed",
            format!("If-Match says {expected}, but the current version is {current}."),
        ))
    }
}

impl<T: CommandBody> FromRequest<App> for Command<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, app).await.map_err(Problem::into_response)?;
        let bytes = read(body).await.map_err(Problem::into_response)?;
        let fields = fields(&parts.headers, &bytes).map_err(Problem::into_response)?;

        let if_match = header_text(&parts.headers, &header::IF_MATCH).map_err(Problem::into_response)?;
        let key = match header_text(&parts.headers, &KEY).map_err(Problem::into_response)? {
            None => None,
            Some(key) => {
                let key = Line::<255>::from_text(key.trim()).map_err(|wrong| {
                    Problem::from(Faults::one("Idempotency-Key", wrong).malformed()).into_response()
                })?;
                let actor = match &caller.actor {
                    Actor::User(user) | Actor::Admin(user) => format!("token {}", user.0),
                    Actor::Claimed | Actor::Nobody => {
                        fields.get("userId").map(ToString::to_string).unwrap_or_default()
                    }
                };
                // With the query: it too may say whom a command is about.
                let path = parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
                let scope = format!("{actor} {} {path}", parts.method);
                Some(Key {
                    // Digested, because a client may make it longer than an index takes (2.7 kB).
                    scope: format!("{:x}", Sha256::digest(scope)),
                    key: key.0,
                    body_hash: Sha256::digest(&bytes).to_vec(),
                })
            }
        };
        if let Some(key) = &key
            && let Some(answer) = stored(&app.db, key).await.map_err(Problem::into_response)?
        {
            return Err(([(REPLAYED, "true")], answer).into_response());
        }

        let mut faults = Faults::default();
        let missing = |name: &str| fields.get(name).is_none_or(Value::is_null);
        let must_say_who = T::NAMES_ACTOR && parts.method == Method::POST && caller.actor == Actor::Claimed;
        if must_say_who && missing("userId") {
            faults = faults.and(Faults::missing("userId"));
        }
        for (field, value, required) in T::REQUIRED_IF {
            if fields.get(*field).is_some_and(|said| said == value) && missing(required) {
                faults = faults.and(Faults::missing(required));
            }
        }
        match faults.keep(read_fields(fields)) {
            Some(body) if faults.is_empty() => Ok(Self { caller, body, if_match, key }),
            _ => Err(Problem::from(faults).into_response()),
        }
    }
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    Bytes::from_request(Request::new(body), &()).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => server::payload_too_large(),
        _ => Problem::malformed("The body ended too soon."),
    })
}

/// Reads a body's fields under their own names.
fn read_fields<T: CommandBody>(mut fields: Map<String, Value>) -> Result<T, Faults> {
    for (alias, name) in T::ALIASES {
        if let Some(value) = fields.remove(*alias) {
            match fields.get(*name) {
                Some(other) if *other != value => {
                    let wrong = Wrong::Unacceptable(format!("says something else than {name}"));
                    return Err(Faults::one(*alias, wrong));
                }
                _ => fields.insert((*name).to_owned(), value),
            };
        }
    }
    wire::read(fields)
}

fn header_text(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Problem> {
    match headers.get(name).map(HeaderValue::to_str) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text.to_owned())),
        Some(Err(_)) => Err(Problem::malformed(format!("The header {name} must be visible ASCII."))),
    }
}

/// A body is a JSON object; none at all is one without fields.
fn fields(headers: &HeaderMap, bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    let content_type = header_text(headers, &header::CONTENT_TYPE)?.unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json =
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    if !is_json {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "The body must be application/json.",
        ));
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Problem::malformed("The body must be a JSON object.")),
        Err(error) => Err(Problem::malformed(format!("The body is not JSON: {error}."))),
    }
}

#[derive(FromRow)]
struct StoredAnswer {
    body_hash: Vec<u8>,
    status: i16,
    location: Option<String>,
    etag: Option<i64>,
    body: Option<String>,
}

async fn stored(db: &PgPool, key: &Key) -> Result<Option<Answer>, Problem> {
    let stored: Option<StoredAnswer> = sqlx::query_as(
        "select body_hash, status, location, etag, body from idempotency where scope = $1 and key = $2",
    )
    .bind(&key.scope)
    .bind(&key.key)
    .fetch_optional(db)
    .await?;
    let Some(stored) = stored else { return Ok(None) };
    if stored.body_hash != key.body_hash {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency-key-reused",
            "This Idempotency-Key was used before, with another body.",
        ));
    }
    let status = u16::try_from(stored.status).ok().and_then(|code| StatusCode::from_u16(code).ok());
    Ok(Some(Answer {
        status: status.unwrap_or(StatusCode::OK),
        location: stored.location,
        etag: stored.etag,
        body: stored.body,
    }))
}

fn in_flight() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "idempotency-key-in-flight",
        "A request with this Idempotency-Key is being worked on; ask again for its answer.",
    )
}

/// Makes the transaction the only one that works on `key`, on any replica, until it ends.
pub(crate) async fn claim(tx: &mut PgConnection, service: &str, key: &Key) -> Result<(), Problem> {
    let name = format!("idempotency {service} {} {}", key.scope, key.key);
    let alone: bool = sqlx::query_scalar("select pg_try_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(name)
        .fetch_one(&mut *tx)
        .await?;
    if !alone {
        return Err(in_flight());
    }
    // It may have been answered between the first look and now.
    let answered: bool =
        sqlx::query_scalar("select exists (select from idempotency where scope = $1 and key = $2)")
            .bind(&key.scope)
            .bind(&key.key)
            .fetch_one(tx)
            .await?;
    if answered { Err(in_flight()) } else { Ok(()) }
}

/// Stores the answer in the effect's own transaction.
pub(crate) async fn store(tx: &mut PgConnection, key: &Key, answer: &Answer) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into idempotency (scope, key, body_hash, status, location, etag, body)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict do nothing",
    )
    .bind(&key.scope)
    .bind(&key.key)
    .bind(&key.body_hash)
    .bind(i16::try_from(answer.status.as_u16()).unwrap_or(200))
    .bind(&answer.location)
    .bind(answer.etag)
    .bind(&answer.body)
    .execute(tx)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
