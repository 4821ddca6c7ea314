//! The gateway: one address for the five services. This file is its whole tower stack; `routes` says what goes where,
//! `proxy` how, and `breaker`, `rate` and `upstream` when not.

pub mod breaker;
pub mod config;
mod docs;
pub mod proxy;
pub mod rate;
pub mod routes;
pub mod security;
pub mod upstream;

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use axum::{
    BoxError, Json, Router,
    error_handling::HandleErrorLayer,
    extract::{Request, State},
    http::{HeaderName, Method, Uri, header},
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodRouter, any, get},
};
use chassis::{
    auth::Verifier,
    health,
    metrics::{self, Metrics},
    problem::{self, Problem},
    request_id::{self, X_REQUEST_ID},
    server::{self, BodyLimit, Limits},
};
use serde_json::{Map, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::{
    ServiceBuilder,
    limit::GlobalConcurrencyLimitLayer,
    load_shed::{LoadShedLayer, error::Overloaded},
    timeout::TimeoutLayer,
};
use tower_http::cors::{Any, CorsLayer};

pub use config::{Config, Upstreams};

use breaker::{Breaker, BreakerMetrics};
use proxy::Proxy;
use rate::RateLimits;
use routes::{GUARDED, ROUTES};
use upstream::{Presence, Upstream};

/// Serves until `shutdown`; the requests in flight are finished first.
pub async fn run(config: Config, listener: TcpListener, shutdown: CancellationToken) -> io::Result<()> {
    let limits = Limits {
        connections: config.max_connections as usize,
        head: config.client_timeout,
        unread: config.client_timeout * 3,
    };
    let verifier = Verifier::new(&config.auth).map_err(io::Error::other)?;
    server::serve_within(limits, listener, router(&config, verifier, shutdown.clone()), shutdown).await
}

fn router(config: &Config, verifier: Verifier, shutdown: CancellationToken) -> Router {
    let metrics = Metrics::new("gateway");
    let proxy = Proxy::new(config.connect_timeout, config.trust_forwarded, shutdown.clone());

    let rates = Arc::new(RateLimits::new(&config.rate, config.trust_forwarded, config.auth.auth, verifier));
    let bodies = BodyLimit { within: config.client_timeout, ..BodyLimit::SERVICE };

    let proxied = ServiceBuilder::new()
        // First, so that who asks too much costs nothing more.
        .layer(from_fn_with_state(rates, rate::limit))
        // Before the limit on requests in flight, so that slow senders take no place in it.
        .layer(from_fn(proxy::receive))
        // What the two layers below say in their own words becomes an answer.
        .layer(HandleErrorLayer::new(rescue))
        // Too many waiting already? Say so at once: a queue would only make everyone late.
        .layer(LoadShedLayer::new())
        // Counts requests until the head of their answer (so a stream that stays open takes no place). One count for all
        // routes: a plain limit would be one for each.
        .layer(GlobalConcurrencyLimitLayer::new(config.max_in_flight as usize))
        // A service that hangs must not keep its clients hanging. Likewise only until the head.
        .layer(TimeoutLayer::new(config.request_timeout));

    let own = Router::new()
        .route("/", get(index).with_state(proxy.clone()))
        .route("/livez", get(async || health::up()))
        .route("/readyz", get(ready).with_state(shutdown.clone()))
        // The seeds' probe path.
        .route("/actuator/health", get(ready).with_state(shutdown))
        .route("/metrics", get(metrics::scrape).with_state(metrics.clone()));

    let everything = ServiceBuilder::new()
        // Outermost, so that every answer has its id and is counted as what the client gets.
        .layer(from_fn_with_state(metrics.clone(), request_id::observe))
        // Whatever answers below, a browser takes it for nothing but what it is.
        .layer(from_fn_with_state(proxy.clone(), security::headers))
        // Any web page may use this API: it has no cookies that a foreign page could ride on.
        .layer(cors())
        // Problems from anywhere below learn the path they are about.
        .layer(from_fn(problem::name_instance))
        // A panic is a 500 for one request, not a broken connection.
        .layer(server::catch_panic())
        // Before a body is read by whoever it is for.
        .layer(from_fn_with_state(bodies, server::limit_body));

    services(config, &proxy, &BreakerMetrics::new(&metrics))
        // Only what is passed on is limited: the gateway's own health and metrics answer in any weather.
        .route_layer(proxied)
        .merge(own)
        .merge(docs::routes(config, &proxy))
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(everything)
}

/// Everything that goes to a service.
fn services(config: &Config, proxy: &Proxy, metrics: &BreakerMetrics) -> Router {
    let mut known = HashMap::new();
    let mut upstream = |base: &Uri| -> Arc<Upstream> {
        let new = || {
            let presence = Presence::new(base, config.connect_timeout, config.restart_patience);
            Arc::new(Upstream::new(base.clone(), Arc::new(presence), config.max_in_flight_per_service))
        };
        known.entry(base.clone()).or_insert_with(new).clone()
    };
    let guarded = GUARDED.iter().fold(Router::new(), |router, call| {
        let breaker = Breaker::new(call.breaker, config.breaker.clone(), metrics.clone());
        let service = upstream((call.upstream)(&config.upstreams));
        // With places of its own: neither do users' requests take those of the services', nor the other way round.
        let own =
            Upstream::new(service.base.clone(), service.presence.clone(), config.max_in_flight_per_service);
        let through = Some((call.method.clone(), own, breaker));
        router.route(call.path, passing(proxy.clone(), service, through))
    });
    ROUTES.iter().fold(guarded, |router, (name, base)| {
        let to = passing(proxy.clone(), upstream(base(&config.upstreams)), None);
        // Everything below the prefix; in so many words, because `{*rest}` alone leaves no place for a `{id}` beside it.
        ["", "/", "/{id}", "/{id}/", "/{id}/{*rest}"]
            .iter()
            .map(|below| format!("/{name}{below}"))
            .filter(|path| GUARDED.iter().all(|call| call.path != path))
            .fold(router, |router, path| router.route(&path, to.clone()))
    })
}

/// Passes every method on; one of them, perhaps, through a breaker and to places of its own.
fn passing(
    proxy: Proxy,
    upstream: Arc<Upstream>,
    guarded: Option<(Method, Upstream, Breaker)>,
) -> MethodRouter {
    let guarded = Arc::new(guarded);
    any(async move |request: Request| match &*guarded {
        Some((method, own, breaker)) if request.method() == *method => {
            proxy.forward(own, Some(breaker), request).await
        }
        _ => proxy.forward(&upstream, None, request).await,
    })
}

/// The answer to what the tower layers refuse.
async fn rescue(error: BoxError) -> Problem {
    if error.is::<Overloaded>() {
        let detail = "Too many requests are being answered at the moment. Please try again.";
        Problem::unavailable("overloaded", detail, 1)
    } else if error.is::<tower::timeout::error::Elapsed>() {
        let detail =
            "The service takes too long to answer; what was asked for may or may not have been done.";
        Problem::unavailable("upstream-timeout", detail, 1)
    } else {
        Problem::internal(&error)
    }
}

fn cors() -> CorsLayer {
    use Method as M;
    let header = HeaderName::from_static;
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([M::GET, M::HEAD, M::POST, M::PUT, M::PATCH, M::DELETE])
        // By name, because `*` would not cover Authorization.
        .allow_headers([
            header::ACCEPT,
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header("idempotency-key"),
            header("last-event-id"),
            header("traceparent"),
            header("tracestate"),
            X_REQUEST_ID,
        ])
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            header("idempotency-replayed"),
            X_REQUEST_ID,
        ])
        .max_age(Duration::from_secs(3600))
}

/// `GET /`: where everything is, by the address that the client used.
async fn index(State(proxy): State<Proxy>, request: Request) -> Result<Response, Problem> {
    let base = proxy.public_address(&request)?.base();
    let mut links = Map::from_iter([("self".to_owned(), json!({ "href": format!("{base}/") }))]);
    links.extend(
        ROUTES.iter().map(|(name, _)| ((*name).to_owned(), json!({ "href": format!("{base}/{name}") }))),
    );
    let hal = [(header::CONTENT_TYPE, "application/hal+json")];
    Ok((hal, Json(json!({ "_links": links }))).into_response())
}

/// Ready until it is told to stop. Only its own state: a service that is down must not take the others' gateway away.
async fn ready(State(shutdown): State<CancellationToken>) -> Result<Response, Problem> {
    if shutdown.is_cancelled() { Err(health::stopping()) } else { Ok(health::up()) }
}
