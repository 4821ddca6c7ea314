//! `/openapi.json`. A handler says what is its own: path, parameters, body, what it answers when it goes well. What all
//! of them have in common (HAL, problems, ids, keys, versions) is added here, once.

mod components;

use components::{REFUSALS, When, headers, parameters, plumbing_schemas, reference, refusals};
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;
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

/// The document of a service: `api` completed, `probes` as they are.
pub(crate) fn document(api: OpenApi, probes: OpenApi) -> Value {
    let value = |api| serde_json::to_value(api).expect("a document is always JSON");
    let (mut document, mut probes): (Value, Value) = (value(api), value(probes));

    let versioned = versioned(&document["paths"]);
    let mut resources = Vec::new();
    let schemas = document["components"]["schemas"].clone();
    each_operation(&mut document, |at, operation| {
        resources.extend(complete(at, operation, &versioned));
        // A body is an object, and none at all is one without fields.
        if let Some(body) = operation.get_mut("requestBody") {
            let name = name_in(&body["content"]["application/json"]["schema"]).unwrap_or_default();
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

/// Adds what a single operation shares with the others; answers the resources that it answers.
fn complete(at: At<'_>, operation: &mut Value, versioned: &[String]) -> Vec<String> {
    let At { path, method, .. } = at;
    name_and_tag(at, operation);
    let is_command = method != "get" && operation["tags"][0] != OPERATIONAL;
    let is_versioned = is_command && versioned.iter().any(|item| item == path);
    // What is made in a collection is answered as reading it would be.
    let made_in =
        |item: &String| method == "post" && item.rsplit_once('/').is_some_and(|(all, _)| all == path);
    let has_version = versioned.iter().any(|item| item == path || made_in(item));

    let own = operation["parameters"].take();
    let own = own.as_array().into_iter().flatten().cloned().map(plain);
    let shared = [("RequestId", true), ("IdempotencyKey", is_command), ("IfMatch", is_versioned)]
        .into_iter()
        .filter(|s| s.1);
    operation["parameters"] = own.chain(shared.map(|(name, _)| reference("parameters", name))).collect();

    let said = object(&mut operation["responses"]);
    let mut resources = Vec::new();
    for (status, answer) in said.iter_mut().filter(|(status, _)| status.starts_with('2')) {
        describe(status, answer);
        let answered = as_hal(at.collection, answer);
        for (name, applies) in [
            ("X-Request-Id", true),
            ("Location", matches!(status.as_str(), "201" | "202")),
            ("Idempotency-Replayed", is_command),
            ("ETag", has_version && answered.as_ref().is_some_and(|answered| !answered.is_list)),
        ] {
            if applies {
                answer["headers"][name] = reference("headers", name);
            }
        }
        resources.extend(answered.map(|answered| answered.schema));
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
    resources
}

/// What an answer consists of.
struct Answered {
    schema: String,
    is_list: bool,
}

/// Makes the body of an answer HAL; a list, a page of the collection `name`.
fn as_hal(name: &str, answer: &mut Value) -> Option<Answered> {
    let content = answer.get_mut("content")?.as_object_mut()?;
    let schema = content.remove("application/json")?["schema"].take();
    let is_list = schema["items"].is_object();
    let item = if is_list { &schema["items"] } else { &schema };
    let answered = name_in(item).map(|name| Answered { schema: name.to_owned(), is_list });
    let schema = if is_list { collection(name, item) } else { schema };
    content.insert("application/hal+json".to_owned(), json!({ "schema": schema }));
    answered
}

/// The name of the schema that is referred to.
fn name_in(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
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

/// A page of `item`s.
fn collection(name: &str, item: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["_embedded", "_links", "page"],
        "properties": {
            "_embedded": {
                "type": "object",
                "required": [name],
                "properties": {name: {"type": "array", "items": item}},
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
