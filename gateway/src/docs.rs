//! The services' documents as one at `/openapi.json`, and a page to read it at `/docs`.
//!
//! The page is Swagger UI, all of whose files are in this program.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use axum::{
    Json, Router,
    body::{self, Body},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use chassis::problem::Problem;
use futures::future::join_all;
use serde_json::{Map, Value, json};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use utoipa_swagger_ui::SwaggerUi;

use crate::{
    config::Config,
    proxy::Proxy,
    routes::ROUTES,
    upstream::{Presence, Upstream},
};

/// For so long the services are not asked again.
const FRESH: Duration = Duration::from_secs(2);
/// A service that is slower has no part in the document.
const PATIENCE: Duration = Duration::from_secs(2);
/// No document is longer, in bytes.
const LONGEST: usize = 4 << 20;

/// Scripts and styles of our own only, and nobody's frame. The page has its icons in its style sheet.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// `/openapi.json` and `/docs`.
pub(crate) fn routes(config: &Config, proxy: &Proxy) -> Router {
    let to = &config.upstreams;
    let parts = [
        ("post", &to.post),
        ("offer", &to.offer),
        ("deal", &to.deal),
        ("mypage", &to.mypage),
        ("notification", &to.notification),
    ];
    let parts = parts.map(|(name, base)| {
        // Not waited for: what was last known of a service that is restarted will do.
        let presence = Presence::new(base, config.connect_timeout, Duration::ZERO);
        let upstream = Upstream::new(base.clone(), Arc::new(presence), 1);
        Part { name, upstream, document: None, away: true }
    });
    let docs = Docs { proxy: proxy.clone(), known: Arc::new(Mutex::new(Known { parts, merged: None })) };
    // No validator: it would be somebody else's, on the internet.
    let config = utoipa_swagger_ui::Config::from("/openapi.json").validator_url("none").use_base_layout();
    Router::from(SwaggerUi::new("/docs").config(config))
        .layer(map_response(async |mut response: Response| {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
            response
        }))
        .route("/openapi.json", get(openapi).with_state(docs))
}

#[derive(Clone)]
struct Docs {
    proxy: Proxy,
    known: Arc<Mutex<Known>>,
}

struct Known {
    parts: [Part; 5],
    merged: Option<(Instant, Arc<Value>)>,
}

/// What is known of a service.
struct Part {
    name: &'static str,
    upstream: Upstream,
    /// As it was when the service was last heard of.
    document: Option<Value>,
    away: bool,
}

/// `GET /openapi.json`: always an answer, with whatever is known.
async fn openapi(State(docs): State<Docs>, request: Request) -> Result<Response, Problem> {
    let base = docs.proxy.public_address(&request)?.base();
    let mut document = (*docs.merged().await).clone();
    document["servers"] = json!([{ "url": base }]);
    Ok(Json(document).into_response())
}

impl Docs {
    async fn merged(&self) -> Arc<Value> {
        // Held while the services are asked: who comes meanwhile waits for the same answers.
        let mut known = self.known.lock().await;
        if let Some((at, merged)) = &known.merged
            && at.elapsed() < FRESH
        {
            return merged.clone();
        }
        let answers =
            join_all(known.parts.iter().map(|part| timeout(PATIENCE, self.ask(&part.upstream)))).await;
        for (part, answer) in known.parts.iter_mut().zip(answers) {
            let document = answer.ok().flatten();
            part.away = document.is_none();
            part.document = document.or(part.document.take());
        }
        let merged = Arc::new(merged(&known.parts));
        known.merged = Some((Instant::now(), merged.clone()));
        merged
    }

    async fn ask(&self, upstream: &Upstream) -> Option<Value> {
        let request = Request::get("/openapi.json").header(header::HOST, upstream.base.authority()?.as_str());
        let response = self.proxy.forward(upstream, None, request.body(Body::empty()).ok()?).await.ok()?;
        if response.status() != StatusCode::OK {
            return None;
        }
        let bytes = body::to_bytes(response.into_body(), LONGEST).await.ok()?;
        serde_json::from_slice(&bytes).ok().filter(|document: &Value| document["paths"].is_object())
    }
}

/// One document of all that there are.
fn merged(parts: &[Part]) -> Value {
    let away: Vec<_> = parts.iter().filter(|part| part.away).map(|part| part.name).collect();
    let mut description =
        "Second-hand goods: posts, offers, deals and what belongs to them. Numbers may arrive as strings; \
        answers are HAL, refusals are problems (RFC 9457) whose `code` is stable."
            .to_owned();
    if !away.is_empty() {
        let names = away.join(", ");
        description += &format!(
            "\n\n**Away at the moment: {names}.** What is said of them is what was last known, if anything."
        );
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Second-hand trading",
            "version": env!("CARGO_PKG_VERSION"),
            "description": description,
            "x-away": away,
        },
        "paths": {},
        "components": {},
    });
    for part in parts {
        if let Some(theirs) = &part.document {
            adopt(&mut document, part.name, theirs);
        }
    }
    document
}

/// Takes over what of a service can be reached through the gateway, and the components that it refers to. One whose
/// name another service has for something else gets the service's name before its own.
fn adopt(document: &mut Value, service: &str, theirs: &Value) {
    let routed = |path: &str| ROUTES.iter().any(|(name, _)| path.split('/').nth(1) == Some(*name));
    let paths = theirs["paths"].as_object().into_iter().flatten();
    let paths: Map<_, _> =
        paths.filter(|(path, _)| routed(path)).map(|(p, item)| (p.clone(), item.clone())).collect();
    let mut paths = Value::Object(paths);

    let mut components = BTreeMap::new();
    let mut wanted = references(&paths);
    while let Some(reference) = wanted.pop_first() {
        let component = theirs.pointer(&reference[1..]).cloned().unwrap_or_default();
        wanted.extend(
            references(&component).into_iter().filter(|to| *to != reference && !components.contains_key(to)),
        );
        components.insert(reference, component);
    }

    let mut names: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let clashes = components.iter().filter(|(reference, component)| {
            let there = document.pointer(&reference[1..]);
            let refers_to_renamed = || references(component).iter().any(|to| names.contains_key(to));
            !names.contains_key(*reference)
                && there.is_some_and(|there| there != *component || refers_to_renamed())
        });
        let clashes: Vec<_> = clashes.map(|(reference, _)| reference.clone()).collect();
        if clashes.is_empty() {
            break;
        }
        for reference in clashes {
            let (kind, name) = reference.rsplit_once('/').unwrap_or_default();
            let own = format!("{kind}/{service}.{name}");
            names.insert(reference, own);
        }
    }

    rename(&mut paths, &names);
    put(document, "/paths", paths);
    for (reference, mut component) in components {
        rename(&mut component, &names);
        let reference = names.get(&reference).unwrap_or(&reference);
        let (kind, name) = reference[1..].rsplit_once('/').unwrap_or_default();
        put(document, kind, json!({ name: component }));
    }
    document["security"] = theirs["security"].clone();
    put(document, "/components/securitySchemes", theirs["components"]["securitySchemes"].clone());
}

/// Adds entries to the object at `pointer`.
fn put(document: &mut Value, pointer: &str, entries: Value) {
    let object = pointer.split('/').skip(1).fold(document, |value, key| &mut value[key]);
    match (object, entries) {
        (Value::Object(object), Value::Object(entries)) => object.extend(entries),
        (object @ Value::Null, entries) => *object = entries,
        _ => {}
    }
}

/// Every `$ref` in a value.
fn references(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str).filter(|to| to.starts_with("#/components/"));
            fields.values().flat_map(references).chain(own.map(str::to_owned)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => BTreeSet::new(),
    }
}

fn rename(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str().filter(|_| key == "$ref").and_then(|to| names.get(to)) {
                    Some(name) => *value = name.clone().into(),
                    None => rename(value, names),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &'static str, document: Option<Value>) -> Part {
        let base = axum::http::Uri::default();
        let presence = Presence::new(&base, Duration::ZERO, Duration::ZERO);
        let upstream = Upstream::new(base, Arc::new(presence), 1);
        Part { name, upstream, away: document.is_none(), document }
    }

    /// A service with one path that refers to `Thing`, which refers to `Inner`.
    fn document(path: &str, inner: &str) -> Value {
        let thing = json!({"$ref": "#/components/schemas/Thing"});
        json!({
            "paths": {path: {"get": {"responses": {"200": thing}}}, "/metrics": {"get": {}}},
            "components": {
                "schemas": {
                    "Thing": {"properties": {"inner": {"$ref": "#/components/schemas/Inner"}}},
                    "Inner": {"type": inner},
                    "Unused": {},
                },
                "securitySchemes": {"bearer": {}},
            },
            "security": [{"bearer": []}],
        })
    }

    #[test]
    fn what_two_services_mean_by_one_name_stays_apart() {
        let merged = merged(&[
            part("post", Some(document("/posts", "string"))),
            part("offer", Some(document("/offers", "string"))),
            part("deal", Some(document("/deals", "integer"))),
            part("mypage", None),
        ]);
        let schemas = merged["components"]["schemas"].as_object().expect("schemas");
        assert_eq!(
            schemas.keys().collect::<BTreeSet<_>>(),
            BTreeSet::from_iter(&[
                "Inner".to_owned(),
                "Thing".to_owned(),
                "deal.Inner".to_owned(),
                "deal.Thing".to_owned(),
            ])
        );
        let thing = |path: &str| merged["paths"][path]["get"]["responses"]["200"]["$ref"].clone();
        assert_eq!(thing("/offers"), "#/components/schemas/Thing");
        // Its own text is the same as the others': what it refers to is not.
        assert_eq!(thing("/deals"), "#/components/schemas/deal.Thing");
        assert_eq!(schemas["deal.Thing"]["properties"]["inner"]["$ref"], "#/components/schemas/deal.Inner");
        assert_eq!(schemas["deal.Inner"]["type"], "integer");
        assert!(merged["paths"].get("/metrics").is_none(), "not to be reached through the gateway");
        assert_eq!(merged["info"]["x-away"], json!(["mypage"]));
        assert!(merged["info"]["description"].as_str().is_some_and(|text| text.contains("mypage")));
        for reference in references(&merged) {
            assert!(merged.pointer(&reference[1..]).is_some(), "{reference}");
        }
    }
}
