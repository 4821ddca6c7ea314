//! Passing a request on and its answer back, streaming both ways.

use std::{
    error::Error,
    iter, mem,
    net::SocketAddr,
    ops::ControlFlow::{Break, Continue},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{ConnectInfo, Request},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header,
        uri::{Authority, Parts, PathAndQuery},
    },
    middleware::Next,
    response::Response,
};
use chassis::{
    problem::{self, Problem},
    server::{self, BodyTooSlow, Limits},
    trace::Trace,
};
use futures::{StreamExt, stream};
use http_body_util::LengthLimitError;
use hyper_util::{
    client::legacy::{Client, Error as ClientError, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field::Empty};

use crate::{breaker::Breaker, upstream::Upstream};

/// Idle connections kept to each service. Far more than clients are expected at once: with too few, every burst
/// opens and closes thousands of connections, which costs more than the requests.
const IDLE_CONNECTIONS: usize = 1024;

/// Sooner than the services close an unused connection, so that none is used in the moment it is being closed.
const IDLE_TIMEOUT: Duration = Limits::SERVICE.head.checked_div(2).expect("two is not zero");

/// As much of a body is read before the request takes a place, and is kept in case it has to be sent again.
/// Nearly every body here is shorter.
const READ_AHEAD: usize = 64 << 10;

pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Headers that concern one connection and are not passed on (RFC 9110, 7.6.1), beside those that `Connection`
/// names.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The connections to the services.
#[derive(Debug, Clone)]
pub struct Proxy {
    client: Client<HttpConnector, Body>,
    trust_forwarded: bool,
    shutdown: CancellationToken,
}

/// The address that the client used, for the links in answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicAddress {
    /// `http` or `https`.
    pub proto: HeaderValue,
    /// Host and port.
    pub host: HeaderValue,
}

impl PublicAddress {
    /// `http://localhost:8088`.
    pub fn base(&self) -> String {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        format!("{}://{}", text(&self.proto), text(&self.host))
    }
}

impl Proxy {
    /// A pool without connections yet.
    pub fn new(connect_timeout: Duration, trust_forwarded: bool, shutdown: CancellationToken) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(connect_timeout));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(connector);
        Self { client, trust_forwarded, shutdown }
    }

    /// Passes the request on to the service, its path and query as they came; through the breaker, if there is one.
    ///
    /// A request that could not be sent, because its pooled connection had just been closed or because the service is
    /// being restarted, is sent again. One that broke after it was sent is repeated, once, only if that does no harm:
    /// another may have been carried out.
    ///
    /// # Errors
    /// 503 `upstream-unavailable` if the service cannot be reached, 503 of the breaker, 4xx if the request is at fault.
    pub async fn forward(
        &self,
        to: &Upstream,
        breaker: Option<&Breaker>,
        mut request: Request,
    ) -> Result<Response, Problem> {
        let _place = to.place()?;
        let path = request.uri().path_and_query().filter(|path| !has_dot_segment(path.path()));
        let target = match join(&to.base, path) {
            Some(target) => target,
            None => return Err(problem::no_such_path().await),
        };
        self.set_headers(&mut request)?;
        *request.uri_mut() = target;
        *request.version_mut() = Version::HTTP_11;

        let span = span(&request);
        if let Some(trace) = Trace::of_span(&span) {
            trace.put(request.headers_mut());
        }
        let answer = self.send(to, breaker, request).instrument(span.clone()).await;
        match &answer {
            Ok(response) => span.record("http.response.status_code", response.status().as_u16()),
            Err(_) => span.record("otel.status_code", "ERROR"),
        };
        answer
    }

    async fn send(
        &self,
        to: &Upstream,
        breaker: Option<&Breaker>,
        mut request: Request,
    ) -> Result<Response, Problem> {
        let mut may_repeat = harmless_twice(&request);
        loop {
            // Before the breaker: a restart that is waited for is neither slow nor a failure.
            to.presence.awaited().await;
            let copy = copy(&request);
            let sent = async {
                let error = match self.client.request(request).await {
                    Ok(response) => return Break(Ok(back(response, &self.shutdown))),
                    Err(error) => error,
                };
                let again = match error.is_connect() {
                    true => to.presence.refused(),
                    false => mem::take(&mut may_repeat),
                };
                match copy.filter(|_| again) {
                    Some(copy) => Continue(copy),
                    None => Break(Err(refused(&error))),
                }
            };
            let answer = match breaker {
                Some(breaker) => breaker.call(sent).await,
                None => sent.await,
            };
            match answer {
                Continue(again) => request = again,
                Break(answer) => {
                    if answer.is_ok() {
                        to.presence.answered();
                    }
                    return answer;
                }
            }
        }
    }

    /// The address that the client used.
    ///
    /// # Errors
    /// 400 unless there is exactly one valid host.
    pub fn public_address(&self, request: &Request) -> Result<PublicAddress, Problem> {
        let headers = request.headers();
        let proto = self.scheme(headers);
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = match (request.uri().authority(), hosts.next(), hosts.next()) {
            // A request line with a whole URL in it overrides the Host header (RFC 9112, 3.2.2).
            (Some(authority), _, _) => HeaderValue::from_str(authority.as_str()).ok(),
            (None, Some(host), None) => Some(host.clone()),
            _ => None,
        };
        let host = self.forwarded(headers, &FORWARDED_HOST).or(host);
        match host.filter(|host| Authority::try_from(host.as_bytes()).is_ok()) {
            Some(host) => Ok(PublicAddress { proto, host }),
            None => Err(Problem::malformed("A request needs one valid Host header.")),
        }
    }

    /// `http` or `https`: how the client came.
    pub fn scheme(&self, headers: &HeaderMap) -> HeaderValue {
        self.forwarded(headers, &FORWARDED_PROTO).unwrap_or(HeaderValue::from_static("http"))
    }

    fn forwarded(&self, headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
        headers.get(name).filter(|_| self.trust_forwarded).cloned()
    }

    fn set_headers(&self, request: &mut Request) -> Result<(), Problem> {
        let address = self.public_address(request)?;
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_string());
        let headers = request.headers_mut();
        remove_hop_by_hop(headers);
        // The client's wish has been fulfilled by our own server; the service's would be the second "100 Continue".
        headers.remove(header::EXPECT);
        // The client fills in the service's own.
        headers.remove(header::HOST);
        if !self.trust_forwarded {
            headers.remove(FORWARDED_FOR);
            headers.remove(header::FORWARDED);
        }
        if let Some(peer) = peer {
            let before = headers.get(FORWARDED_FOR).and_then(|value| value.to_str().ok());
            let chain = before.map_or_else(|| peer.clone(), |before| format!("{before}, {peer}"));
            headers.insert(FORWARDED_FOR, HeaderValue::try_from(chain).expect("addresses are plain ASCII"));
        }
        headers.insert(FORWARDED_HOST, address.host);
        headers.insert(FORWARDED_PROTO, address.proto);
        Ok(())
    }
}

/// The span of waiting for a service's answer.
fn span(request: &Request) -> Span {
    tracing::info_span!(
        "proxy",
        otel.name = %request.method(),
        otel.kind = "client",
        otel.status_code = Empty,
        service.name = "gateway",
        http.request.method = %request.method(),
        http.response.status_code = Empty,
        server.address = request.uri().host(),
        server.port = request.uri().port_u16(),
        url.full = %request.uri(),
    )
}

/// The upstream's URL with the client's path.
fn join(upstream: &Uri, path: Option<&PathAndQuery>) -> Option<Uri> {
    let mut parts = Parts::default();
    parts.scheme = upstream.scheme().cloned();
    parts.authority = upstream.authority().cloned();
    parts.path_and_query = Some(path?.clone());
    Uri::from_parts(parts).ok()
}

/// Whether a segment is `.` or `..`, plain or encoded. Whoever stands between here and the service might resolve it, and so
/// leave the prefix that the route was chosen by. No client means it: they resolve such segments themselves.
fn has_dot_segment(path: &str) -> bool {
    path.split(['/', '\\']).any(|segment| {
        // "%2e%2e" is the longest of them; nearly all segments are told by their first character.
        (segment.starts_with('.') || segment.starts_with('%'))
            && segment.len() <= 6
            && matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
    })
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if let Some(named) = headers.get(header::CONNECTION).cloned() {
        for name in named.to_str().unwrap_or_default().split(',') {
            headers.remove(name.trim());
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// A body that was short enough to be read whole, in the extensions of its request.
#[derive(Clone)]
struct Received(Bytes);

/// Layer: reads a short body whole before the request goes on, and the beginning of a long one, so that a slow sender
/// takes nobody's place.
pub async fn receive(request: Request, next: Next) -> Result<Response, Problem> {
    if request.body().is_end_stream() {
        return Ok(next.run(request).await);
    }
    let (mut parts, body) = request.into_parts();
    let mut body = body.into_data_stream();
    let (mut read, mut length) = (Vec::new(), 0);
    while length <= READ_AHEAD {
        match body.next().await {
            Some(Ok(bytes)) => {
                length += bytes.len();
                read.push(bytes);
            }
            Some(Err(error)) => return Err(unreadable(&error)),
            None => {
                let whole = match <[Bytes; 1]>::try_from(read) {
                    Ok([whole]) => whole,
                    Err(read) => read.concat().into(),
                };
                parts.extensions.insert(Received(whole.clone()));
                return Ok(next.run(Request::from_parts(parts, whole.into())).await);
            }
        }
    }
    let body = Body::from_stream(stream::iter(read).map(Ok).chain(body));
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// Why a body could not be read to its end.
fn unreadable(error: &axum::Error) -> Problem {
    at_fault(error).unwrap_or_else(|| Problem::malformed("The body broke off."))
}

/// The 4xx for what a client did wrong, if an error comes of that.
fn at_fault(error: &(dyn Error + 'static)) -> Option<Problem> {
    iter::successors(Some(error), |cause| Error::source(*cause)).find_map(|cause| match cause {
        cause if cause.is::<LengthLimitError>() => Some(server::payload_too_large()),
        cause if cause.is::<BodyTooSlow>() => Some(server::body_too_slow()),
        _ => None,
    })
}

/// Whether a request may be carried out twice: it reads, or the service knows it by its key and repeats its answer.
fn harmless_twice(request: &Request) -> bool {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    reads || request.headers().contains_key(IDEMPOTENCY_KEY)
}

/// The same request once more, if all of it is at hand.
fn copy(request: &Request) -> Option<Request> {
    let received = request.extensions().get::<Received>();
    let body = received.map(|received| Body::from(received.0.clone()));
    let mut again = Request::new(body.or_else(|| request.body().is_end_stream().then(Body::empty))?);
    again.method_mut().clone_from(request.method());
    again.uri_mut().clone_from(request.uri());
    again.headers_mut().clone_from(request.headers());
    if let Some(received) = received {
        again.extensions_mut().insert(received.clone());
    }
    Some(again)
}

/// The service's answer as ours.
fn back(response: axum::http::Response<hyper::body::Incoming>, shutdown: &CancellationToken) -> Response {
    let mut response = response.map(Body::new);
    remove_hop_by_hop(response.headers_mut());
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
        // Such an answer has no end of its own, and would hold up ours.
        let stopped = shutdown.clone().cancelled_owned();
        return response.map(|body| Body::from_stream(body.into_data_stream().take_until(stopped)));
    }
    response
}

/// Why there is no answer.
fn refused(error: &ClientError) -> Problem {
    let detail = match error.is_connect() {
        true => "The service is not available at the moment. Please try again.",
        false => {
            "The service broke off; what was asked for may or may not have been done. Please look before trying again."
        }
    };
    at_fault(error).unwrap_or_else(|| {
        tracing::warn!(%error, cause = error.source(), "the service did not answer");
        Problem::unavailable("upstream-unavailable", detail, 1)
    })
}

#[cfg(test)]
mod tests;
