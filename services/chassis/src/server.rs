//! The HTTP server: listening, stopping, and what every router is wrapped in whatever it serves.
//!
//! It is hyper by hand and not `axum::serve`, because the latter has no time-out for a client that sends
//! its headers drop by drop and keeps a connection for ever.

use std::{any::Any, convert::Infallible, io, net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, StatusCode, header},
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
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;

use crate::problem::Problem;

/// The longest body a service takes, in bytes.
pub const MAX_BODY: usize = 1 << 20;

/// How long a client may take over the head of a request. hyper counts the idle time before it too, so this is
/// also how long an unused connection is kept: a client's pool must forget its connections sooner.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest request line and headers together, in bytes; more is a 431.
const MAX_HEADERS: usize = 32 << 10;

/// How long requests in flight may take to finish once we are told to stop (all of a stop fits into 10 s).
const DRAIN: Duration = Duration::from_secs(8);

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

/// Serves HTTP/1 until `shutdown`, then stops listening, lets the requests in flight finish and drops those that
/// have not after [`DRAIN`]. Every request carries its peer as [`ConnectInfo<SocketAddr>`].
///
/// Dropping the future drops its connections too.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    // Otherwise axum would finish building each route anew for every request.
    let router = router.with_state(());
    let connections = GracefulShutdown::new();
    let dropped = CancellationToken::new();
    let _drop_all_at_the_end = dropped.clone().drop_guard();

    while let Some((stream, peer)) = shutdown.run_until_cancelled(accept(&listener)).await {
        let connection = connections.watch(connection(stream, peer, router.clone()));
        // How a connection ended (reset, timed out, malformed) is its client's business: nothing to log.
        tokio::spawn(dropped.clone().run_until_cancelled_owned(connection));
    }

    drop(listener);
    let open = connections.count();
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
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
) -> http1::Connection<
    TokioIo<TcpStream>,
    impl hyper::service::Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>,
> {
    // Answers are small and written at once: waiting for more to send (Nagle) would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was refused");
    }
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
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

/// Middleware: bodies of at most `limit` bytes (`from_fn_with_state(MAX_BODY, limit_body)`).
///
/// A longer one is read to its end before its 413, within bounds: closing a connection with unread data resets it,
/// and then the client never sees the answer. A body of unknown length ends in a
/// [`LengthLimitError`](http_body_util::LengthLimitError) when it proves too long; axum's extractors make a 413 of it.
pub async fn limit_body(State(limit): State<usize>, request: Request, next: Next) -> Response {
    let length = request.body().size_hint();
    if length.lower() > limit as u64 {
        // Who asked first ("Expect: 100-continue") has sent nothing yet; reading would invite it to.
        if !expects_continue(request.headers()) {
            discard(request.into_body()).await;
        }
        return ([(header::CONNECTION, "close")], payload_too_large()).into_response();
    }
    if length.exact().is_some() {
        return next.run(request).await;
    }
    next.run(request.map(|body| Body::new(Limited::new(discard_beyond(body, limit), limit)))).await
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
