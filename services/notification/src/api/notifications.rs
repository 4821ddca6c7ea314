//! What people hear, and that they have read it.

use crate::{
    domain::{Kind, Notification, Refusal},
    store,
};
use axum::{extract::State, http::Uri};
use chassis::{
    app::App,
    caller::Caller,
    hal::{self, Resource},
    idempotency::{Answer, Command, CommandBody},
    problem::Problem,
    query::{Filter, ItemId, Listing, Paging, Params},
    wire::{Faults, Flag, Id, Replace, UserId, Word},
};
use deserr::Deserr;
use serde::Serialize;
use shared_events::WireDate;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

/// A notification, as it is answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Notification)]
pub struct NotificationBody {
    notification_id: i64,
    /// The recipient.
    user_id: String,
    kind: Kind,
    post_id: i64,
    offer_id: Option<i64>,
    deal_id: Option<i64>,
    message: String,
    #[schema(value_type = String, format = DateTime)]
    create_dt: WireDate,
    /// Null until it is read.
    #[schema(value_type = Option<String>, format = DateTime)]
    read_dt: Option<WireDate>,
    #[serde(skip)]
    version: i64,
}

impl From<Notification> for NotificationBody {
    fn from(notification: Notification) -> Self {
        Self {
            notification_id: notification.notification_id,
            user_id: notification.user_id,
            kind: notification.kind,
            post_id: notification.post_id,
            offer_id: notification.offer_id,
            deal_id: notification.deal_id,
            message: notification.message,
            create_dt: notification.create_dt.into(),
            read_dt: notification.read_dt.map(Into::into),
            version: notification.version,
        }
    }
}

impl Resource for NotificationBody {
    const NAME: &'static str = "notification";
    const COLLECTION: &'static str = "notifications";
    fn id(&self) -> i64 {
        self.notification_id
    }
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// Fields of a notification to change.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = camelCase)]
#[schema(rename_all = "camelCase")]
pub struct NotificationChange {
    /// Who acts.
    #[deserr(default)]
    user_id: Option<UserId>,
    #[deserr(default)]
    #[schema(value_type = Flag, required = false)]
    read: Replace<Flag>,
}

impl CommandBody for NotificationChange {}

/// What a list of notifications can be narrowed to.
#[derive(Debug, Clone, Deserr, IntoParams)]
#[deserr(error = Faults, rename_all = camelCase)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct NotificationFilter {
    /// The recipient.
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    user_id: Option<UserId>,
    #[param(value_type = Option<i64>)]
    #[deserr(default)]
    post_id: Option<Id>,
    #[param(value_type = Option<Kind>)]
    #[deserr(default)]
    kind: Option<Word<Kind>>,
    /// The read ones, or the unread.
    #[param(value_type = Option<bool>)]
    #[deserr(default)]
    read: Option<Flag>,
}

impl Filter for NotificationFilter {
    const SORTABLE: &'static [(&'static str, &'static str)] = &[
        ("notificationId", "notification_id"),
        ("userId", "user_id"),
        ("kind", "kind"),
        ("postId", "post_id"),
        ("offerId", "offer_id"),
        ("dealId", "deal_id"),
        ("createDt", "create_dt"),
        ("readDt", "read_dt"),
    ];
    const DEFAULT_ORDER: &'static str = "create_dt desc, notification_id desc";
}

/// List notifications, newest first. `/notices` is another name for it.
#[utoipa::path(get, path = "/notifications", params(NotificationFilter, Paging),
    responses((status = 200, body = [NotificationBody])))]
pub async fn list(State(app): State<App>, listing: Listing<NotificationFilter>) -> Result<Answer, Problem> {
    let filter = listing.filter.clone();
    let wanted = store::Wanted {
        user_id: listing.caller.actor.whose(filter.user_id.as_ref())?,
        post_id: filter.post_id.map(|id| id.0),
        kind: filter.kind.map(|word| word.0),
        read: filter.read.map(|flag| flag.0),
    };
    let page = store::list(&app.db, wanted, &listing.paging).await?;
    Ok(listing.answer(&page.map(NotificationBody::from)))
}

/// Read a notification. That alone does not mark it as read.
#[utoipa::path(get, path = "/notifications/{id}", params(("id" = i64, Path)),
    responses((status = 200, body = NotificationBody)))]
pub async fn read(
    State(app): State<App>,
    ItemId(notification_id): ItemId,
    caller: Caller,
) -> Result<Answer, Problem> {
    let notification = store::read(&app.db, notification_id).await?;
    let notification = notification.filter(|it| caller.actor.sees([&it.user_id])).ok_or_else(unknown)?;
    Ok(hal::item(&caller.base, &NotificationBody::from(notification)))
}

/// Mark a notification as read, or as unread.
#[utoipa::path(patch, path = "/notifications/{id}", params(("id" = i64, Path)), request_body = NotificationChange,
    responses((status = 200, body = NotificationBody)))]
pub async fn change(
    State(app): State<App>,
    ItemId(notification_id): ItemId,
    command: Command<NotificationChange>,
) -> Result<Answer, Problem> {
    let actor = command.caller.actor.acting(command.body.user_id.as_ref())?;
    let mut tx = app.begin(&command).await?;
    let known = store::lock(&mut tx, notification_id).await?;
    let known = known.filter(|it| command.caller.actor.sees([&it.user_id]));
    let mut notification = known.ok_or_else(unknown)?;
    command.expects(notification.version)?;
    let version = notification.version;
    let read = command.body.read.0.map(|flag| flag.0);
    notification.mark(actor.as_deref(), read, OffsetDateTime::now_utc())?;
    if notification.version != version {
        store::save(&mut tx, &notification).await?;
    }
    tx.answer(hal::item(&command.caller.base, &NotificationBody::from(notification))).await
}

/// Whose notifications.
#[derive(Debug, Deserr, IntoParams)]
#[deserr(error = Faults, rename_all = camelCase)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct Whose {
    /// The recipient.
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    user_id: Option<UserId>,
}

/// How much there is to read.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnreadCount {
    /// The recipient; null for everybody's.
    user_id: Option<String>,
    unread: i64,
}

/// Count what a person has not read yet.
#[utoipa::path(get, path = "/notifications/unread-count", params(Whose),
    responses((status = 200, body = UnreadCount)))]
pub async fn unread_count(
    State(app): State<App>,
    Params(whose): Params<Whose>,
    uri: Uri,
    caller: Caller,
) -> Result<Answer, Problem> {
    let user_id = caller.actor.whose(whose.user_id.as_ref())?;
    let unread = store::unread(&app.db, user_id.as_deref()).await?;
    Ok(hal::document(&caller.base, "unreadCount", &asked(&uri), &UnreadCount { user_id, unread }))
}

/// What was marked.
#[derive(Debug, Serialize, ToSchema)]
pub struct Marked {
    /// How many notifications changed.
    updated: u64,
}

/// Mark all notifications of a person as read, or as unread: the `userId` of the query, else of the body.
#[utoipa::path(patch, path = "/notifications", params(Whose), request_body = NotificationChange,
    responses((status = 200, body = Marked)))]
pub async fn change_all(
    State(app): State<App>,
    Params(whose): Params<Whose>,
    uri: Uri,
    command: Command<NotificationChange>,
) -> Result<Answer, Problem> {
    let actor = command.caller.actor.acting(command.body.user_id.as_ref())?;
    let named = whose.user_id.as_ref().map(|user| user.0.clone());
    let recipient = named.or(actor.clone()).ok_or_else(|| Faults::missing("userId"))?;
    if actor.is_some_and(|actor| actor != recipient) {
        return Err(Refusal::NotTheRecipient.into());
    }
    let mut tx = app.begin(&command).await?;
    let updated = match command.body.read.0 {
        Some(Flag(read)) => store::mark_all(&mut tx, &recipient, read.then(OffsetDateTime::now_utc)).await?,
        None => 0,
    };
    tx.answer(hal::document(&command.caller.base, "notifications", &asked(&uri), &Marked { updated })).await
}

/// The path and the query that were asked for.
fn asked(uri: &Uri) -> String {
    uri.path_and_query().map_or_else(String::new, ToString::to_string)
}

fn unknown() -> Problem {
    Problem::not_found("notification")
}
