//! Which service answers what. A new resource is a new line.

use axum::http::{Method, Uri};

use crate::config::Upstreams;

/// A resource: the first segment of its paths, and the service that has it. Everything below the segment goes
/// there; nothing else of a service (`/dead-letters`, `/metrics`, `/livez`) can be reached from outside.
pub type Route = (&'static str, fn(&Upstreams) -> &Uri);

/// The routes, in the order in which `GET /` lists them.
pub const ROUTES: &[Route] = &[
    ("posts", |to| &to.post),
    ("offers", |to| &to.offer),
    ("messages", |to| &to.offer),
    ("wishlists", |to| &to.offer),
    ("deals", |to| &to.deal),
    ("payments", |to| &to.deal),
    ("wallets", |to| &to.deal),
    ("reviews", |to| &to.deal),
    ("myPages", |to| &to.mypage),
    ("sales", |to| &to.mypage),
    ("purchases", |to| &to.mypage),
    ("users", |to| &to.mypage),
    ("notifications", |to| &to.notification),
    ("notices", |to| &to.notification),
    ("alerts", |to| &to.notification),
];

/// A synchronous call between services, behind a circuit breaker of its own. Plain reads by users have none: they
/// change nothing, and a user who reloads is no herd.
pub struct Guarded {
    /// The breaker's name in the metrics.
    pub breaker: &'static str,
    /// Other methods on the path pass unguarded.
    pub method: Method,
    /// Where.
    pub path: &'static str,
    /// Whose.
    pub upstream: fn(&Upstreams) -> &Uri,
}

/// The guarded calls.
pub const GUARDED: &[Guarded] = &[
    // deal asks before it reserves; offer, before it refuses for what it has heard of a post.
    Guarded {
        breaker: "post-availability",
        method: Method::GET,
        path: "/posts/{id}/availability",
        upstream: |to| &to.post,
    },
    // offer holds the money before it places.
    Guarded { breaker: "payments", method: Method::POST, path: "/payments", upstream: |to| &to.deal },
];
