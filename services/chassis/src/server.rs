//! The HTTP server: listening, stopping, and what every router is wrapped in whatever it serves.
//!
//! It is hyper by hand and not `axum::serve`, because the latter has no time-out for a client that sends
//! its headers drop by drop and keeps a connection for ever.

use std::{any::Any, convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::stream;
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    sync::Semaphore,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;

use crate::problem::Problem;

/// What a server bears of the clients that connect to it.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// So many connections at once; more wait unaccepted.
    pub connections: usize,
    /// How long a client may take over the head of a request. hyper counts the idle time before it too, so this is
    /// also how long an unused connection is kept: a client's pool must forget its connections sooner.
    pub head: Duration,
    /// How long a client may leave an answer unread, or unacknowledged because it has vanished.
    pub unread: Duration,
}

impl Limits {
    /// Those of the services, which only the gateway and each other's programs connect to.
    pub const SERVICE: Self =
        Self { connections: 10_000, head: Duration::from_secs(10), unread: Duration::from_secs(30) };
}

/// What is taken of a body.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit {
    /// Its longest, in bytes.
    pub bytes: usize,
    /// How long it may take to arrive, all of it: a time between two parts would let a drip go on for ever.
    pub within: Duration,
}

impl BodyLimit {
    /// That of the services.
    pub const SERVICE: Self = Self { bytes: 1 << 20, within: Duration::from_secs(10) };
}

/// The longest request line and headers together, in bytes; more is a 431.
const MAX_HEADERS: usize = 32 << 10;

/// How long an open connection is kept once we are told to stop, for the request that may be on its way on it.
const PARTING: Duration = Duration::from_millis(300);

/// How long requests in flight may take to finish after that (all of a stop fits into 10 s).
const DRAIN: Duration = Duration::from_secs(7);

/// How much of a body that is too long is read and thrown away, so that its sender comes to read the answer.
const MAX_DISCARDED: usize = 16 << 20;
const MAX_DISCARDING: Duration = Duration::from_secs(5);

/// A port that cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Someone else listens there.
    #[error("port {0} is taken; choose another with --port N (or PORT=N)")]
    Taken(u16),
    /// Anything else, for example an address that is not this machine's.
    #[error("cannot listen on {host}:{port}: {source}")]
    Other {
        /// The host asked for.
        host: String,
        /// The port asked for.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
}

/// Listens on `host:port`; port 0 picks a free one.
pub async fn bind(host: &str, port: u16) -> Result<TcpListener, BindError> {
    TcpListener::bind((host, port)).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken(port),
        _ => BindError::Other { host: host.to_owned(), port, source },
    })
}

/// Cancelled at the first SIGTERM or SIGINT (Ctrl-C).
///
/// # Panics
/// Outside of a tokio runtime.
pub fn shutdown_on_signals() -> CancellationToken {
    let expect = "a signal handler can be installed within a runtime that has I/O";
    let mut terminate = signal(SignalKind::terminate()).expect(expect);
    let mut interrupt = signal(SignalKind::interrupt()).expect(expect);
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        token.cancel();
    });
    shutdown
}

/// In the extensions of a service's requests: cancelled when the service is told to stop. An answer that would never end
/// by itself ends then, or the stop would wait for it.
#[derive(Debug, Clone)]
pub struct Stopping(pub CancellationToken);

/// [`serve_within`] the limits of a service.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    serve_within(Limits::SERVICE, listener, router, shutdown).await
}

/// Serves HTTP/1 until `shutdown`, then stops listening, lets the requests in flight finish and drops those that
/// have not after [`DRAIN`]. Every request carries its peer as [`ConnectInfo<SocketAddr>`].
///
/// Dropping the future drops its connections too.
pub async fn serve_within(
    limits: Limits,
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    // Otherwise axum would finish building each route anew for every request.
    let router = router.with_state(());
    let connections = GracefulShutdown::new();
    let dropped = CancellationToken::new();
    let _drop_all_at_the_end = dropped.clone().drop_guard();
    let places = Arc::new(Semaphore::new(limits.connections));
    let serve = |stream, peer, place| {
        let connection = connection(limits, stream, peer, router.clone(), shutdown.clone());
        let connection = dropped.clone().run_until_cancelled_owned(connections.watch(connection));
        tokio::spawn(async move {
            // How a connection ended (reset, timed out, malformed) is its client's business: nothing to log.
            let _ = connection.await;
            drop(place);
        });
    };

    let next = async || {
        // The place first: whoever is not accepted waits in the kernel, where it costs next to nothing.
        let place = places.clone().acquire_owned().await.ok();
        let (stream, peer) = accept(&listener).await;
        (stream, peer, place)
    };
    while let Some((stream, peer, place)) = shutdown.run_until_cancelled(next()).await {
        serve(stream, peer, place);
    }

    // Closing a listener resets the connections that wait to be accepted, so these are taken first.
    let listener = listener.into_std()?;
    while let Ok((stream, peer)) = listener.accept() {
        stream.set_nonblocking(true)?;
        serve(TcpStream::from_std(stream)?, peer, None);
    }
    drop(listener);
    let open = connections.count();
    // An unused connection stays a little longer, and with its next answer is told that it was its last: closed at
    // once it would reset the request that its client has just written, thinking nothing of it.
    let unused_are_gone = async {
        while connections.count() > 0 {
            sleep(PARTING / 20).await;
        }
    };
    let _ = timeout(PARTING, unused_are_gone).await;
    if timeout(DRAIN, connections.shutdown()).await.is_err() {
        tracing::warn!(open, "some requests did not finish in time; their connections are dropped");
    }
    Ok(())
}

/// The next connection. A failure to accept is either that connection's own (it is gone already) or a lack of file
/// descriptors, which passes: neither may end the server, and the latter must not make it spin.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) => {
            }
            Err(error) => {
                tracing::error!(%error, "cannot accept connections; trying again");
                sleep(Duration::from_millis(250)).await;
            }
        }
    }
}

/// One connection of HTTP/1 with keep-alive.
fn connection(
    limits: Limits,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    shutdown: CancellationToken,
) -> http1::Connection<
    TokioIo<TcpStream>,
    impl hyper::service::Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>,
> {
    // Answers are small and written at once: waiting for more to send (Nagle) would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was refused");
    }
    // hyper has no time-out for a client that does not read, and the kernel's own for one that has vanished is 15 minutes.
    if let Err(error) = SockRef::from(&stream).set_tcp_user_timeout(Some(limits.unread)) {
        tracing::debug!(%error, "TCP_USER_TIMEOUT was refused");
    }
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = router.clone().oneshot(request);
        let shutdown = shutdown.clone();
        async move {
            let mut response = answer.await?;
            if shutdown.is_cancelled() {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response)
        }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_header_size(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service)
}

/// Layer: a panic in a handler is our own fault (a 500), and costs its request only.
pub fn catch_panic() -> CatchPanicLayer<fn(Box<dyn Any + Send>) -> Response> {
    CatchPanicLayer::custom(answer_panic)
}

fn answer_panic(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Problem::internal(&format_args!("panic: {}", text.unwrap_or("(no message)"))).into_response()
}

/// 413: the body is longer than what is taken here.
pub fn payload_too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large", "The body is too large.")
}

/// A body that did not arrive in the time it had.
#[derive(Debug, thiserror::Error)]
#[error("the body took too long to arrive")]
pub struct BodyTooSlow;

/// 408: the body did not arrive in time.
pub fn body_too_slow() -> Problem {
    let detail = "The body took too long to arrive. Please try again.";
    Problem::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", detail)
}

/// Middleware: bodies within a limit (`from_fn_with_state(BodyLimit::SERVICE, limit_body)`).
///
/// A longer one is read to its end before its 413, within bounds: closing a connection with unread data resets it,
/// and then the client never sees the answer. A body of unknown length ends in a
/// [`LengthLimitError`](http_body_util::LengthLimitError) when it proves too long; axum's extractors make a 413 of it.
/// One that is too slow ends in a [`BodyTooSlow`].
pub async fn limit_body(State(limit): State<BodyLimit>, request: Request, next: Next) -> Response {
    let length = request.body().size_hint();
    if length.lower() > limit.bytes as u64 {
        // Who asked first ("Expect: 100-continue") has sent nothing yet; reading would invite it to.
        if !expects_continue(request.headers()) {
            discard(request.into_body()).await;
        }
        return ([(header::CONNECTION, "close")], payload_too_large()).into_response();
    }
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let deadline = Instant::now() + limit.within;
    let request = request.map(|body| match length.exact() {
        Some(_) => until(deadline, body),
        None => Body::new(Limited::new(discard_beyond(until(deadline, body), limit.bytes), limit.bytes)),
    });
    next.run(request).await
}

/// The same body; but what has not arrived by `deadline` is not waited for.
fn until(deadline: Instant, body: Body) -> Body {
    let frames = stream::try_unfold(body, move |mut body| async move {
        let frame = timeout_at(deadline, body.frame()).await.map_err(|_| axum::Error::new(BodyTooSlow))?;
        Ok::<_, axum::Error>(frame.transpose()?.map(|frame| (frame, body)))
    });
    Body::new(StreamBody::new(frames))
}

fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// The same body; but before the frame that goes beyond `limit` is handed on, all that follows is discarded.
fn discard_beyond(body: Body, limit: usize) -> Body {
    let frames = stream::try_unfold((body, limit), |(mut body, left)| async move {
        let Some(frame) = body.frame().await.transpose()? else { return Ok(None) };
        let length = frame.data_ref().map_or(0, |data| data.len());
        let Some(left) = left.checked_sub(length) else {
            discard(body).await;
            return Ok(Some((frame, (Body::empty(), 0))));
        };
        Ok::<_, axum::Error>(Some((frame, (body, left))))
    });
    Body::new(StreamBody::new(frames))
}

/// Reads a body and throws it away, up to a bound of size and time.
async fn discard(mut body: Body) {
    let reading = async {
        let mut length = 0;
        while let Some(Ok(frame)) = body.frame().await
            && length <= MAX_DISCARDED
        {
            length += frame.data_ref().map_or(0, |data| data.len());
        }
    };
    // Out of time is as good as done: the answer goes out and the connection is closed.
    let _ = timeout(MAX_DISCARDING, reading).await;
}
