//! Which service answers what. A new resource is a new line.

use axum::http::Uri;

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
