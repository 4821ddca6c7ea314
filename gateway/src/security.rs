//! The headers that tell a browser what an answer of this API is not to be used for.

use axum::{
    extract::{Request, State},
    http::{
        HeaderName, HeaderValue, Method,
        header::{
            AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, SERVER,
            STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware::Next,
    response::Response,
};

use crate::proxy::Proxy;

/// When a header belongs on an answer. One that is there already stays: a page such as `/docs` has a policy of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum On {
    /// Every answer.
    All,
    /// What the client came for by https.
    Https,
    /// What everybody may read.
    Public,
    /// What is for the one who asked, and what changes something.
    Personal,
}

const HEADERS: [(HeaderName, On, HeaderValue); 6] = [
    // JSON is not to be taken for a page or a script, whatever a user has written into it.
    (X_CONTENT_TYPE_OPTIONS, On::All, HeaderValue::from_static("nosniff")),
    // Opened in a browser an answer loads, runs, frames and submits nothing.
    (
        CONTENT_SECURITY_POLICY,
        On::All,
        HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ),
    // Paths name users.
    (REFERRER_POLICY, On::All, HeaderValue::from_static("no-referrer")),
    // A year, as is usual. No word on subdomains: they are not ours to bind.
    (STRICT_TRANSPORT_SECURITY, On::Https, HeaderValue::from_static("max-age=31536000")),
    // A cache may keep it, and asks with its ETag before it uses it.
    (CACHE_CONTROL, On::Public, HeaderValue::from_static("no-cache")),
    (CACHE_CONTROL, On::Personal, HeaderValue::from_static("no-store")),
];

/// What anybody may read (CONTRACT, 6). A token makes it personal: a seller sees what others do not.
const PUBLIC: [&str; 3] = ["/posts", "/reviews", "/users"];

/// What a program is and which version is nobody's business but ours.
const LEAKS: [HeaderName; 2] = [SERVER, HeaderName::from_static("x-powered-by")];

/// Layer: the table above on every answer.
pub async fn headers(State(proxy): State<Proxy>, request: Request, next: Next) -> Response {
    let https = proxy.scheme(request.headers()) == "https";
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request.uri().path();
    let known = PUBLIC
        .iter()
        .any(|public| path.strip_prefix(public).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    let public = known && reads && !request.headers().contains_key(AUTHORIZATION);

    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for leak in &LEAKS {
        headers.remove(leak);
    }
    for (name, on, value) in &HEADERS {
        let belongs = match on {
            On::All => true,
            On::Https => https,
            On::Public => public,
            On::Personal => !public,
        };
        if belongs {
            headers.entry(name).or_insert_with(|| value.clone());
        }
    }
    response
}
