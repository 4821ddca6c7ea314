//! What clients say and hear about messages.

use super::asking::{Visible, begin_on};
use crate::{
    domain::message::{Letter, Message},
    store::{self, messages},
};
use axum::extract::State;
use chassis::{
    app::App,
    caller::Caller,
    hal::{self, Resource},
    idempotency::{Answer, Command, CommandBody},
    problem::Problem,
    query::{Filter, ItemId, Listing, Paging},
    wire::{Faults, Flag, Id, Prose, Replace, UserId},
};
use deserr::Deserr;
use serde::Serialize;
use shared_events::WireDate;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

/// A message, as it is answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Message)]
pub struct MessageBody {
    message_id: i64,
    post_id: i64,
    /// Who wrote it.
    user_id: String,
    to_user_id: String,
    offer_id: Option<i64>,
    body: String,
    #[schema(value_type = String, format = DateTime)]
    create_dt: WireDate,
    /// Null while it is unread.
    #[schema(value_type = Option<String>, format = DateTime)]
    read_dt: Option<WireDate>,
    #[serde(skip)]
    version: i64,
}

impl From<Message> for MessageBody {
    fn from(message: Message) -> Self {
        Self {
            message_id: message.message_id,
            post_id: message.post_id,
            user_id: message.user_id,
            to_user_id: message.to_user_id,
            offer_id: message.offer_id,
            body: message.body,
            create_dt: message.create_dt.into(),
            read_dt: message.read_dt.map(Into::into),
            version: message.version,
        }
    }
}

impl Resource for MessageBody {
    const NAME: &'static str = "message";
    const COLLECTION: &'static str = "messages";
    fn id(&self) -> i64 {
        self.message_id
    }
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// A message to send.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = camelCase)]
#[schema(rename_all = "camelCase")]
pub struct NewMessage {
    /// Who writes: the seller, or anybody else as a buyer.
    #[deserr(default)]
    user_id: Option<UserId>,
    post_id: Id,
    /// The seller, unless the seller writes, who has to say to whom.
    #[deserr(default)]
    to_user_id: Option<UserId>,
    /// An offer of the buyer's on this post.
    #[deserr(default)]
    offer_id: Option<Id>,
    body: Prose<2000>,
}

impl CommandBody for NewMessage {
    const NAMES_ACTOR: bool = true;
}

/// Fields of a message to change.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = camelCase)]
#[schema(rename_all = "camelCase")]
pub struct MessageChange {
    /// Who acts: the recipient.
    #[deserr(default)]
    user_id: Option<UserId>,
    #[deserr(default)]
    #[schema(value_type = Flag, required = false)]
    read: Replace<Flag>,
}

impl CommandBody for MessageChange {}

/// What a list of messages can be narrowed to.
#[derive(Debug, Clone, Deserr, IntoParams)]
#[deserr(error = Faults, rename_all = camelCase)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct MessageFilter {
    #[param(value_type = Option<i64>)]
    #[deserr(default)]
    post_id: Option<Id>,
    /// Who wrote or received it. With `postId` of a buyer: the whole thread.
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    user_id: Option<UserId>,
    /// The person at the other end.
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    with_user_id: Option<UserId>,
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    to_user_id: Option<UserId>,
    #[param(value_type = Option<i64>)]
    #[deserr(default)]
    offer_id: Option<Id>,
    /// The unread ones, or the read.
    #[param(value_type = Option<bool>)]
    #[deserr(default)]
    unread: Option<Flag>,
}

impl Filter for MessageFilter {
    const SORTABLE: &'static [(&'static str, &'static str)] = &[
        ("messageId", "message_id"),
        ("postId", "post_id"),
        ("userId", "user_id"),
        ("toUserId", "to_user_id"),
        ("offerId", "offer_id"),
        ("createDt", "create_dt"),
        ("readDt", "read_dt"),
    ];
    const DEFAULT_ORDER: &'static str = "create_dt, message_id";
}

/// Write to the seller of a post or, as the seller, to a buyer who wrote or made an offer.
#[utoipa::path(post, path = "/messages", request_body = NewMessage,
    responses((status = 201, body = MessageBody)))]
pub async fn send(State(app): State<App>, command: Command<NewMessage>) -> Result<Answer, Problem> {
    let NewMessage { user_id, post_id, to_user_id, offer_id, body } = &command.body;
    let letter = Letter {
        user_id: command.author(user_id.as_ref())?,
        to_user_id: to_user_id.as_ref().map(|user| user.0.clone()),
        offer_id: offer_id.map(|id| id.0),
        body: body.0.clone(),
    };
    let (mut tx, post) = begin_on(&app, &command, post_id.0, &letter.user_id, Visible::ToParties).await?;
    let buyer_is_known = messages::knows(&mut tx, post.post_id, letter.buyer(&post)?).await?;
    let offer = match letter.offer_id {
        Some(offer_id) => store::lock(&mut tx, offer_id).await?,
        None => None,
    };
    let message = letter.on(&post, buyer_is_known, offer.as_ref(), OffsetDateTime::now_utc())?;
    let message = messages::insert(&mut tx, &message).await?;
    tx.publish(&message.sent());
    tx.answer(hal::created(&command.caller.base, &MessageBody::from(message))).await
}

/// List messages, newest last.
#[utoipa::path(get, path = "/messages", params(MessageFilter, Paging),
    responses((status = 200, body = [MessageBody])))]
pub async fn list(State(app): State<App>, listing: Listing<MessageFilter>) -> Result<Answer, Problem> {
    let filter = listing.filter.clone();
    let wanted = messages::Wanted {
        post_id: filter.post_id.map(|id| id.0),
        user_id: listing.caller.actor.whose(filter.user_id.as_ref())?,
        with_user_id: filter.with_user_id.map(|user| user.0),
        to_user_id: filter.to_user_id.map(|user| user.0),
        offer_id: filter.offer_id.map(|id| id.0),
        unread: filter.unread.map(|flag| flag.0),
    };
    let page = messages::list(&app.db, wanted, &listing.paging).await?;
    Ok(listing.answer(&page.map(MessageBody::from)))
}

/// Read a message. That alone does not mark it as read.
#[utoipa::path(get, path = "/messages/{id}", params(("id" = i64, Path)),
    responses((status = 200, body = MessageBody)))]
pub async fn read(
    State(app): State<App>,
    ItemId(message_id): ItemId,
    caller: Caller,
) -> Result<Answer, Problem> {
    let message = messages::read(&app.db, message_id).await?;
    let message = message.filter(|message| caller.actor.sees(message.parties())).ok_or_else(unknown)?;
    Ok(hal::item(&caller.base, &MessageBody::from(message)))
}

/// Mark a message as read, or as unread.
#[utoipa::path(patch, path = "/messages/{id}", params(("id" = i64, Path)), request_body = MessageChange,
    responses((status = 200, body = MessageBody)))]
pub async fn mark(
    State(app): State<App>,
    ItemId(message_id): ItemId,
    command: Command<MessageChange>,
) -> Result<Answer, Problem> {
    let actor = command.caller.actor.acting(command.body.user_id.as_ref())?;
    let mut tx = app.begin(&command).await?;
    let known = messages::lock(&mut tx, message_id).await?;
    let known = known.filter(|message| command.caller.actor.sees(message.parties()));
    let mut message = known.ok_or_else(unknown)?;
    command.expects(message.version)?;
    if let Some(Flag(read)) = command.body.read.0 {
        message.mark(actor.as_deref(), read, OffsetDateTime::now_utc())?;
        messages::save(&mut tx, &message).await?;
    }
    tx.answer(hal::item(&command.caller.base, &MessageBody::from(message))).await
}

fn unknown() -> Problem {
    Problem::not_found("message")
}
