use super::*;
use crate::{
    dead_letter,
    hal::Resource,
    health,
    wire::{Line, Won},
};
use serde::Serialize;
use std::collections::HashSet;
use utoipa::ToSchema;
use utoipa_axum::routes;

#[derive(Serialize, ToSchema)]
struct Thing {
    id: i64,
    note: Option<String>,
}

impl Resource for Thing {
    const NAME: &'static str = "thing";
    const COLLECTION: &'static str = "things";
    fn id(&self) -> i64 {
        self.id
    }
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "documents")]
struct NewThing {
    price: Won,
    note: Option<Line<200>>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "documents")]
struct ThingChange {
    #[schema(value_type = Option<Line<200>>)]
    note: Option<String>,
}

#[utoipa::path(get, path = "/things", params(("kind" = Option<String>, Query)), responses((status = 200, body = [Thing])))]
async fn list() {}
#[utoipa::path(post, path = "/things", request_body = NewThing, responses((status = 201, body = Thing), (status = 402)))]
async fn make() {}
#[utoipa::path(get, path = "/things/{id}", params(("id" = i64, Path)), responses((status = 200, body = Thing)))]
async fn read() {}
#[utoipa::path(patch, path = "/things/{id}", params(("id" = i64, Path)), request_body = ThingChange,
    responses((status = 200, body = Thing)))]
async fn change() {}
#[utoipa::path(delete, path = "/things/{id}", params(("id" = i64, Path)), responses((status = 204)))]
async fn remove() {}

fn things() -> Value {
    let mut map = OpenApiRouter::new()
        .routes(routes!(list, make))
        .routes(routes!(read, change, remove))
        .merge(dead_letter::routes());
    also_at(&mut map, "/things", "/items");
    document(map.to_openapi(), health::routes().to_openapi())
}

/// The keys of an object, in order.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn parameters_of(operation: &Value) -> Vec<&str> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    all.filter_map(|p| p["name"].as_str().or_else(|| p["$ref"].as_str()?.rsplit('/').next())).collect()
}

#[test]
fn every_operation_says_what_may_come_of_it() {
    let document = things();
    let paths = &document["paths"];
    let (all, one) = (&paths["/things"], &paths["/things/{id}"]);
    for (operation, statuses) in [
        (&all["get"], "200 400 401 403 429 500 503"),
        (&all["post"], "201 400 401 402 403 404 409 413 415 422 429 500 503"),
        (&one["get"], "200 400 401 403 404 429 500 503"),
        (&one["patch"], "200 400 401 403 404 409 412 413 415 422 429 500 503"),
        (&one["delete"], "204 400 401 403 404 409 412 413 415 422 429 500 503"),
        (&paths["/readyz"]["get"], "200 503"),
    ] {
        assert_eq!(keys(&operation["responses"]).join(" "), statuses);
    }
    for (operation, parameters) in [
        (&all["get"], "kind RequestId"),
        (&all["post"], "RequestId IdempotencyKey"),
        (&one["patch"], "id RequestId IdempotencyKey IfMatch"),
        (&paths["/dead-letters/{id}"]["delete"], "id RequestId"),
    ] {
        assert_eq!(parameters_of(operation).join(" "), parameters);
    }
    for (operation, status, headers) in [
        (&all["get"], "200", "X-Request-Id"),
        (&all["post"], "201", "ETag Idempotency-Replayed Location X-Request-Id"),
        (&one["get"], "200", "ETag X-Request-Id"),
        (&one["patch"], "200", "ETag Idempotency-Replayed X-Request-Id"),
        (&one["delete"], "204", "Idempotency-Replayed X-Request-Id"),
    ] {
        assert_eq!(keys(&operation["responses"][status]["headers"]).join(" "), headers);
    }
    assert_eq!(
        (&all["post"]["requestBody"]["required"], &one["patch"]["requestBody"]["required"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        document["components"]["responses"]["Unavailable"]["headers"]["Retry-After"]["$ref"],
        "#/components/headers/Retry-After"
    );
    assert_eq!(paths["/dead-letters"]["get"]["tags"], json!([OPERATIONAL]));
}

#[test]
fn answers_are_hal_with_all_their_fields() {
    let document = things();
    let body = |path: &str| {
        &document["paths"][path]["get"]["responses"]["200"]["content"]["application/hal+json"]["schema"]
    };
    let thing = json!({"$ref": "#/components/schemas/Thing"});
    assert_eq!(body("/things/{id}"), &thing);
    for (path, name) in [("/things", "things"), ("/items", "things"), ("/dead-letters", "dead-letters")] {
        let embedded = &body(path)["properties"]["_embedded"]["properties"];
        assert_eq!(keys(embedded), [name], "{path}");
    }
    assert_eq!(body("/things")["properties"]["_embedded"]["properties"]["things"]["items"], thing);
    let schema = &document["components"]["schemas"]["Thing"];
    assert_eq!(schema["required"], json!(["id", "note", "_links"]));
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    fn references(value: &Value, found: &mut HashSet<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(key, value)| match value.as_str() {
                Some(to) if key == "$ref" => _ = found.insert(to.to_owned()),
                _ => references(value, found),
            }),
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let mut document = things();
    let mut found = HashSet::new();
    references(&document, &mut found);
    assert!(found.contains("#/components/schemas/Won"));
    for reference in found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
    let mut names = HashSet::new();
    each_operation(&mut document, |at, operation| {
        assert!(names.insert(operation["operationId"].to_string()), "{} {}", at.method, at.path);
        let answers = operation["responses"].as_object().into_iter().flat_map(Map::values);
        assert!(
            answers.into_iter().all(|answer| answer["$ref"].is_string() || answer["description"].is_string())
        );
    });
}
