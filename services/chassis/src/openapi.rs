//! `/openapi.json`. A handler says what is its own: path, parameters, body, what it answers when it goes well. What all
//! of them have in common (HAL, problems, ids, keys, versions) is added here, once.

use crate::problem::ProblemBody;
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema, openapi::OpenApi};
use utoipa_axum::router::OpenApiRouter;

/// The tag of what is for operators: on a service's own port, never through the gateway.
pub const OPERATIONAL: &str = "operational";

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Lets what stands at `path` and below be read in the document at `other`, too, where a router has it as well.
pub fn also_at<S>(router: &mut OpenApiRouter<S>, path: &str, other: &str)
where
    S: Clone + Send + Sync + 'static,
{
    let paths = &mut router.get_openapi_mut().paths.paths;
    let others: Vec<_> = paths
        .iter()
        .filter_map(|(at, item)| Some((format!("{other}{}", at.strip_prefix(path)?), item.clone())))
        .map(|(at, mut item)| {
            let same = (SAME_AS.to_owned(), path.into());
            item.extensions.get_or_insert_default().extend([same]);
            (at, item)
        })
        .collect();
    paths.extend(others);
}

/// Extension of a path item: the collection that it is another name of.
const SAME_AS: &str = "x-same-as";

/// When an operation may be refused so.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
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
const REFUSALS: [(u16, &str, When, &str); 13] = [
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

/// The document of a service: `api` completed, `probes` as they are.
///
/// # Panics
/// When a schema or an operation id stands in it twice: a mistake in the program, seen at its start.
pub(crate) fn document(api: OpenApi, probes: OpenApi) -> Value {
    let value = |api| serde_json::to_value(api).expect("a document is always JSON");
    let (mut document, mut probes): (Value, Value) = (value(api), value(probes));

    let versioned = versioned(&document["paths"]);
    let mut resources = Vec::new();
    let schemas = document["components"]["schemas"].clone();
    each_operation(&mut document, |at, operation| {
        complete(at, operation, &versioned, &mut resources);
        // A body is an object, and none at all is one without fields.
        if let Some(body) = operation.get_mut("requestBody") {
            let schema = body.pointer("/content/application~1json/schema/$ref").and_then(Value::as_str);
            let name = schema.and_then(|to| to.rsplit('/').next()).unwrap_or_default();
            body["required"] = schemas[name]["required"].is_array().into();
        }
    });
    each_operation(&mut probes, |at, operation| {
        name_and_tag(at, operation);
        for (status, answer) in object(&mut operation["responses"]) {
            describe(status, answer);
            answer["headers"]["X-Request-Id"] = reference("headers", "X-Request-Id");
        }
    });
    object(&mut document["paths"]).append(object(&mut probes["paths"]));

    let schemas = object(&mut document["components"]["schemas"]);
    schemas.append(object(&mut probes["components"]["schemas"]));
    for name in resources {
        link(&mut schemas[&name]);
    }
    schemas.append(&mut plumbing_schemas());
    document["components"]["responses"] = refusals();
    document["components"]["headers"] = headers();
    document["components"]["parameters"] = parameters();
    document["components"]["securitySchemes"] =
        json!({"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}});
    // The empty alternative is `AUTH=open`, and what everybody may read.
    document["security"] = json!([{"bearer": []}, {}]);
    document
}

/// What a single operation shares with the others.
fn complete(at: At<'_>, operation: &mut Value, versioned: &[String], resources: &mut Vec<String>) {
    let At { path, method, collection: name } = at;
    name_and_tag(at, operation);
    let operational = operation["tags"][0] == OPERATIONAL;
    let is_command = method != "get" && !operational;
    let is_versioned = is_command && versioned.iter().any(|item| item == path);

    let own = operation["parameters"].take();
    let mut all: Vec<_> = own.as_array().into_iter().flatten().cloned().map(plain).collect();
    all.push(reference("parameters", "RequestId"));
    if is_command {
        all.push(reference("parameters", "IdempotencyKey"));
    }
    if is_versioned {
        all.push(reference("parameters", "IfMatch"));
    }
    operation["parameters"] = all.into();

    let said = object(&mut operation["responses"]);
    for (status, answer) in said.iter_mut().filter(|(status, _)| status.starts_with('2')) {
        describe(status, answer);
        answer["headers"]["X-Request-Id"] = reference("headers", "X-Request-Id");
        if matches!(status.as_str(), "201" | "202") {
            answer["headers"]["Location"] = reference("headers", "Location");
        }
        if is_command {
            answer["headers"]["Idempotency-Replayed"] = reference("headers", "Idempotency-Replayed");
        }
        let Some(body) = answer
            .get_mut("content")
            .and_then(Value::as_object_mut)
            .and_then(|content| content.remove("application/json"))
        else {
            continue;
        };
        let items = body["schema"]["items"]["$ref"].as_str().map(str::to_owned);
        let schema = match &items {
            Some(item) => collection(name, item),
            None => body["schema"].clone(),
        };
        let resource =
            items.as_deref().or(body["schema"]["$ref"].as_str()).and_then(|to| to.rsplit('/').next());
        resources.extend(resource.map(str::to_owned));
        answer["content"]["application/hal+json"] = json!({ "schema": schema });
        let item_of =
            |item: &String| item == path || item.rsplit_once('/').is_some_and(|(all, _)| all == path);
        if items.is_none() && method != "patch" && versioned.iter().any(item_of) || is_versioned {
            answer["headers"]["ETag"] = reference("headers", "ETag");
        }
    }

    said.retain(|status, _| status.starts_with('2') || status == "402");
    for (status, name, when, _) in REFUSALS {
        let applies = match when {
            When::Always => true,
            When::Naming => path.contains('{') || method != "get",
            When::Command => method != "get",
            When::Versioned => is_versioned,
            When::Said => said.contains_key(&status.to_string()),
        };
        if applies {
            said.insert(status.to_string(), reference("responses", name));
        }
    }
}

/// No answer may be without a description.
fn describe(status: &str, answer: &mut Value) {
    if answer["description"].as_str().is_none_or(str::is_empty) {
        answer["description"] = match status {
            "201" => "It is made.",
            "202" => "It has begun.",
            "204" => "It is done.",
            "503" => "Not at the moment.",
            _ => "Here it is.",
        }
        .into();
    }
}

/// `getPosts`, `patchPostsId`: unique, as method and path are.
fn name_and_tag(At { path, method, .. }: At<'_>, operation: &mut Value) {
    let words = path.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let name: String = words.map(capitalized).collect();
    operation["operationId"] = format!("{method}{name}").into();
    if operation["tags"][0] != OPERATIONAL {
        operation["tags"] = json!([path.split('/').nth(1)]);
    }
}

fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
    first.to_uppercase() + rest
}

/// `/posts/{id}`: what can be changed or taken away has a version.
fn versioned(paths: &Value) -> Vec<String> {
    let item = |path: &str| path.matches('/').count() == 2 && path.ends_with('}');
    let changes = |operations: &Value| ["put", "patch", "delete"].iter().any(|m| operations.get(m).is_some());
    let paths = paths.as_object().into_iter().flatten();
    let mine =
        paths.filter(|(path, operations)| item(path) && changes(operations) && !is_operational(operations));
    mine.map(|(path, _)| path.clone()).collect()
}

fn is_operational(operations: &Value) -> bool {
    METHODS.iter().any(|method| operations[method]["tags"][0] == OPERATIONAL)
}

/// A query has no null: a parameter that may be absent is one that is not required. Ids begin at 1.
fn plain(mut parameter: Value) -> Value {
    let schema = parameter["schema"].take();
    let (kinds, forms) = (schema["type"].as_array(), schema["oneOf"].as_array());
    let some = |kind: &&Value| !matches!(kind.as_str().or(kind["type"].as_str()), Some("null"));
    let only = |kinds: &Vec<Value>| kinds.iter().find(some).cloned().unwrap_or_default();
    let mut plain = forms.map_or_else(|| schema.clone(), only);
    if let Some(kinds) = kinds {
        plain["type"] = only(kinds);
    }
    if parameter["in"] == "path" && plain["type"] == "integer" {
        plain["minimum"] = 1.into();
    }
    parameter["schema"] = plain;
    parameter
}

/// A page of what `item` refers to.
fn collection(name: &str, item: &str) -> Value {
    json!({
        "type": "object",
        "required": ["_embedded", "_links", "page"],
        "properties": {
            "_embedded": {
                "type": "object",
                "required": [name],
                "properties": {name: {"type": "array", "items": {"$ref": item}}},
            },
            "_links": reference("schemas", "PageLinks"),
            "page": reference("schemas", "Page"),
        },
    })
}

/// A resource has links, and all its fields: what is not known is null.
fn link(schema: &mut Value) {
    // One that is another under a second name has its links.
    let Some(fields) = schema["properties"].as_object_mut() else { return };
    fields.insert("_links".to_owned(), reference("schemas", "Links"));
    let all: Vec<_> = fields.keys().cloned().collect();
    schema["required"] = all.into();
}

fn plumbing_schemas() -> Map<String, Value> {
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

fn refusals() -> Value {
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

fn headers() -> Value {
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

fn parameters() -> Value {
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

fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

/// Where an operation is.
#[derive(Clone, Copy)]
struct At<'a> {
    path: &'a str,
    method: &'a str,
    /// The collection's name in `_embedded`.
    collection: &'a str,
}

fn each_operation(document: &mut Value, mut f: impl FnMut(At<'_>, &mut Value)) {
    for (path, operations) in object(&mut document["paths"]) {
        let same_as = operations[SAME_AS].as_str().map(str::to_owned);
        let collection = same_as.as_deref().unwrap_or(path).split('/').nth(1).unwrap_or_default().to_owned();
        for (method, operation) in object(operations) {
            if METHODS.contains(&method.as_str()) {
                f(At { path, method, collection: &collection }, operation);
            }
        }
    }
}

/// The object there; an empty one is put where none is.
fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("it is one now")
}

#[cfg(test)]
mod tests;
