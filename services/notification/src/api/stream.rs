//! Notifications as they come, as server-sent events.

use super::notifications::NotificationBody;
use crate::feed::{Feed, Listener};
use axum::{
    Extension,
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use chassis::{
    app::App,
    caller::Caller,
    hal::{self, Base},
    problem::Problem,
    query::Params,
    server::Stopping,
    wire::{Faults, Natural, Scalar, UserId},
};
use deserr::Deserr;
use futures::{StreamExt, stream};
use std::{convert::Infallible, time::Duration};
use utoipa::IntoParams;

/// How often something is sent to a quiet stream, so that nobody on the way takes it for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How soon a client shall come back when its stream has ended, for example because we were restarted.
const RETRY: Duration = Duration::from_secs(1);

/// What is listened to, and from where on.
#[derive(Debug, Deserr, IntoParams)]
#[deserr(error = Faults, rename_all = camelCase)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct Tuning {
    /// The recipient; without one, everybody's are heard.
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    user_id: Option<UserId>,
    /// The last notification that was heard, for clients that cannot send `Last-Event-ID`.
    #[param(value_type = Option<i64>)]
    #[deserr(default)]
    last_event_id: Option<Natural>,
}

/// Listen to notifications. Each is an event `notification` whose `data` is what reading it answers and whose
/// `id` is its own; whoever comes back with that as `Last-Event-ID` misses nothing. Without one, it starts
/// with the next.
#[utoipa::path(get, path = "/notifications/stream",
    params(Tuning, ("Last-Event-ID" = Option<i64>, Header, description = "The last notification that was heard.")),
    responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(crate) async fn listen(
    State(app): State<App>,
    Extension(feed): Extension<Feed>,
    Extension(Stopping(stopping)): Extension<Stopping>,
    caller: Caller,
    Params(tuning): Params<Tuning>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // A browser that comes back asks for the same address as before: its header is the newer of the two.
    let last = last_event_id(&headers)?.or(tuning.last_event_id).map(|id| id.0);
    let user_id = caller.actor.whose(tuning.user_id.as_ref())?;
    let listener = feed.listen(&app.db, user_id, last).await?;

    // An id without data is no event, but a client remembers it: it can come back before it has heard
    // anything.
    let beginning = Event::default().id(listener.last().to_string()).retry(RETRY);
    let beginning = stream::iter([Ok::<_, Infallible>(beginning)]);
    let expired = caller.expired();
    let news = stream::unfold((listener, caller.base), |(mut listener, base)| async move {
        let event = next(&mut listener, &base).await?;
        Some((Ok(event), (listener, base)))
    });
    // Open streams are not waited for when the service stops, and do not outlive the token that opened them.
    let ended = async move {
        tokio::select! {
            () = stopping.cancelled_owned() => {}
            () = expired => {}
        }
    };
    let events = beginning.chain(news.take_until(Box::pin(ended)));
    let sse = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("heartbeat"));
    // Asks an nginx on the way not to collect events until there are many.
    Ok(([("x-accel-buffering", "no")], sse).into_response())
}

async fn next(listener: &mut Listener, base: &Base) -> Option<Event> {
    let notification = listener.next().await?;
    let id = notification.notification_id.to_string();
    let body = hal::item(base, &NotificationBody::from(notification)).body.unwrap_or_default();
    Some(Event::default().id(id).event("notification").data(body))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<Natural>, Problem> {
    let Some(value) = headers.get("last-event-id").filter(|value| !value.is_empty()) else { return Ok(None) };
    Natural::from_text(value.to_str().unwrap_or_default().trim())
        .map(Some)
        .map_err(|wrong| Faults::one("Last-Event-ID", wrong).malformed().into())
}
