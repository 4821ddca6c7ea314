//! What every document has: the refusals, the headers, the parameters, and the schemas of HAL and of problems.

use crate::problem::ProblemBody;
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

/// When an operation may be refused so.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Always,
    /// It names something, in its path or in its body.
    Naming,
    /// It changes something.
    Command,
    /// It changes something that has a version.
    Versioned,
    /// It says so itself.
    Said,
}

/// Status, name and meaning of every refusal.
pub(super) const REFUSALS: [(u16, &str, When, &str); 13] = [
    (
        400,
        "Malformed",
        When::Always,
        "It cannot be read, or something is missing; `errors` names every field at fault.",
    ),
    (401, "Unauthenticated", When::Always, "The token is missing or not valid (never where `AUTH=open`)."),
    (402, "InsufficientFunds", When::Said, "There is not enough money for it."),
    (403, "Forbidden", When::Always, "It is somebody else's to do or to see."),
    (404, "NotFound", When::Naming, "There is no such thing, or the asker may not know of it."),
    (409, "Conflict", When::Command, "A rule or a state forbids it; `code` says which."),
    (412, "VersionChanged", When::Versioned, "`If-Match` names another version than the current one."),
    (413, "PayloadTooLarge", When::Command, "The body is too large."),
    (415, "UnsupportedMediaType", When::Command, "The body is not JSON."),
    (
        422,
        "Unacceptable",
        When::Command,
        "It can be read and not be accepted; `errors` names every field at fault.",
    ),
    (429, "TooManyRequests", When::Always, "Too many requests from here; come back later."),
    (500, "InternalError", When::Always, "Our own fault. It has been logged."),
    (503, "Unavailable", When::Always, "Something it depends on holds it off; come back later."),
];

pub(super) fn plumbing_schemas() -> Map<String, Value> {
    let links = |properties: Value| {
        json!({
            "type": "object",
            "required": ["self"],
            "properties": properties,
            "additionalProperties": reference("schemas", "Link"),
        })
    };
    let link = || reference("schemas", "Link");
    let count = || json!({"type": "integer", "format": "int64", "minimum": 0});
    let mut schemas = Map::from_iter([
        (
            "Link".to_owned(),
            json!({"type": "object", "required": ["href"], "properties": {"href": {"type": "string"}}}),
        ),
        ("Links".to_owned(), links(json!({"self": link()}))),
        (
            "PageLinks".to_owned(),
            links(json!({"first": link(), "prev": link(), "self": link(), "next": link(), "last": link()})),
        ),
        (
            "Page".to_owned(),
            json!({
                "type": "object",
                "required": ["size", "totalElements", "totalPages", "number"],
                "properties": {
                    "size": {"type": "integer", "format": "int64", "minimum": 1, "maximum": 1000},
                    "totalElements": count(), "totalPages": count(), "number": count(),
                },
            }),
        ),
    ]);
    let mut problem = vec![("Problem".to_owned(), ProblemBody::schema())];
    ProblemBody::schemas(&mut problem);
    let value = |schema| serde_json::to_value(schema).expect("a schema is always JSON");
    schemas.extend(problem.into_iter().map(|(name, schema)| (name, value(schema))));
    schemas
}

pub(super) fn refusals() -> Value {
    let refusals = REFUSALS.map(|(status, name, _, description)| {
        let mut headers = json!({"X-Request-Id": reference("headers", "X-Request-Id")});
        if matches!(status, 429 | 503) {
            headers["Retry-After"] = reference("headers", "Retry-After");
        }
        let schema = json!({"schema": reference("schemas", "Problem")});
        let content = json!({ "application/problem+json": schema });
        (name.to_owned(), json!({"description": description, "headers": headers, "content": content}))
    });
    Map::from_iter(refusals).into()
}

pub(super) fn headers() -> Value {
    json!({
        "X-Request-Id": {
            "description": "The request's own, or one that was made for it. The log has it too.",
            "required": true,
            "schema": {"type": "string", "minLength": 1, "maxLength": 128},
        },
        "ETag": {
            "description": "The version, for `If-Match`.",
            "required": true,
            "schema": {"type": "string", "pattern": "^\"[0-9]+\"$"},
        },
        "Location": {
            "description": "Where it is.",
            "required": true,
            "schema": {"type": "string"},
        },
        "Retry-After": {
            "description": "Seconds to wait.",
            "required": true,
            "schema": {"type": "integer", "minimum": 0},
        },
        "Idempotency-Replayed": {
            "description": "The answer to an earlier request with this `Idempotency-Key`, given again.",
            "schema": {"type": "string", "enum": ["true"]},
        },
    })
}

pub(super) fn parameters() -> Value {
    let header = |name: &str, description: &str, schema: Value| json!({"name": name, "in": "header", "required": false, "description": description, "schema": schema});
    json!({
        "RequestId": header(
            "X-Request-Id",
            "Follows the request through answers, logs and other services. Anything unfit for that is replaced.",
            json!({"type": "string"}),
        ),
        "IdempotencyKey": header(
            "Idempotency-Key",
            "Repeated with the same body, the request has its effect once, and the same answer for a day at least.",
            json!({"type": "string", "maxLength": 255, "pattern": "^[ -~]*[!-~][ -~]*$"}),
        ),
        "IfMatch": header(
            "If-Match",
            "The `ETag` that the client has seen, or `*`: refuses to change any other version.",
            json!({"type": "string"}),
        ),
    })
}

pub(super) fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}
