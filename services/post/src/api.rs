//! What clients ask of posts. Their bodies are in [`posts`].

pub mod posts;

use crate::{
    domain::{Content, Post},
    store,
};
use axum::{extract::State, http::Uri};
use chassis::{
    app::App,
    caller::{Actor, Visitor},
    hal,
    idempotency::{Answer, Command},
    problem::Problem,
    query::{ItemId, Listing, Paging, Params},
    wire::{UserId, Word},
};
use posts::{Acting, NewPost, PostBody, PostChange, PostFilter};
use serde::Serialize;
use shared_events::PostStatus;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Write a post.
#[utoipa::path(post, path = "/posts", request_body = NewPost,
    responses((status = 201, body = PostBody)))]
pub async fn write(State(app): State<App>, command: Command<NewPost>) -> Result<Answer, Problem> {
    let seller = command.author(command.body.user_id.as_ref())?;
    let said = command.body.status.map(|word| word.0);
    let create_dt = command.body.create_dt.map_or_else(OffsetDateTime::now_utc, Into::into);
    let mut tx = app.begin(&command).await?;
    let base = command.caller.base;
    let post = store::insert(&mut tx, &seller, &command.body.content(), create_dt).await?;
    post.repeats_status(said)?;
    tx.publish_all(&post.wrote());
    tx.answer(hal::created(&base, &PostBody::from(post))).await
}

/// List posts, newest first.
#[utoipa::path(get, path = "/posts", params(PostFilter, Paging),
    responses((status = 200, body = [PostBody])))]
pub async fn list(State(app): State<App>, listing: Listing<PostFilter>) -> Result<Answer, Problem> {
    let filter = listing.filter.clone();
    let wanted = store::Wanted {
        viewer: listing.caller.actor.viewer(filter.user_id.as_ref()),
        user_id: filter.user_id.map(|user| user.0),
        status: filter.status.map(|word| word.0),
        words: filter.q.map(|line| line.0),
        category: filter.category.map(|line| line.0),
        min_price: filter.min_price.map(|won| won.0),
        max_price: filter.max_price.map(|won| won.0),
        address: filter.address.map(|line| line.0),
        hidden: filter.hidden.map(|flag| flag.0),
    };
    let page = store::list(&app.db, wanted, &listing.paging).await?;
    Ok(listing.answer(&page.map(PostBody::from)))
}

/// Read a post. A hidden one is its seller's only (`?userId=` says who asks where there are no tokens).
#[utoipa::path(get, path = "/posts/{id}", params(("id" = i64, Path), ("userId" = Option<String>, Query)),
    responses((status = 200, body = PostBody)))]
pub async fn read(
    State(app): State<App>,
    ItemId(post_id): ItemId,
    Visitor(caller): Visitor,
    Params(asking): Params<Acting>,
) -> Result<Answer, Problem> {
    let viewer = caller.actor.viewer(asking.user_id.as_ref());
    match store::read(&app.db, post_id).await? {
        Some(post) if !post.content.hidden || viewer.is_none_or(|viewer| viewer == post.user_id) => {
            Ok(hal::item(&caller.base, &PostBody::from(post)))
        }
        _ => Err(unknown()),
    }
}

/// Change fields of a post.
#[utoipa::path(patch, path = "/posts/{id}", params(("id" = i64, Path)), request_body = PostChange,
    responses((status = 200, body = PostBody)))]
pub async fn edit(
    State(app): State<App>,
    ItemId(post_id): ItemId,
    command: Command<PostChange>,
) -> Result<Answer, Problem> {
    let (actor, said) = (command.body.user_id.clone(), command.body.status);
    change(&app, post_id, command, actor, said, PostChange::merge_into).await
}

/// Put another post in its place.
#[utoipa::path(put, path = "/posts/{id}", params(("id" = i64, Path)), request_body = NewPost,
    responses((status = 200, body = PostBody)))]
pub async fn replace(
    State(app): State<App>,
    ItemId(post_id): ItemId,
    command: Command<NewPost>,
) -> Result<Answer, Problem> {
    let (actor, said) = (command.body.user_id.clone(), command.body.status);
    change(&app, post_id, command, actor, said, |body, _| body.content()).await
}

async fn change<T>(
    app: &App,
    post_id: i64,
    command: Command<T>,
    actor: Option<UserId>,
    said: Option<Word<PostStatus>>,
    content: impl FnOnce(T, Content) -> Content,
) -> Result<Answer, Problem> {
    let actor = command.caller.actor.acting(actor.as_ref())?;
    let mut tx = app.begin(&command).await?;
    let mut post = visible(store::lock(&mut tx, post_id).await?, &command.caller.actor, actor.as_deref())?;
    command.expects(post.version)?;
    let base = command.caller.base;
    let content = content(command.body, post.content.clone());
    let version = post.version;
    let events = post.edit(actor.as_deref(), content, OffsetDateTime::now_utc())?;
    post.repeats_status(said.map(|word| word.0))?;
    if post.version != version {
        store::save(&mut tx, &post).await?;
    }
    tx.publish_all(&events);
    tx.answer(hal::item(&base, &PostBody::from(post))).await
}

/// Take a post away for good.
#[utoipa::path(delete, path = "/posts/{id}", params(("id" = i64, Path), ("userId" = Option<String>, Query)),
    responses((status = 204)))]
pub async fn delete(
    State(app): State<App>,
    ItemId(post_id): ItemId,
    Params(asking): Params<Acting>,
    command: Command<Acting>,
) -> Result<Answer, Problem> {
    let claimed = command.body.user_id.as_ref().or(asking.user_id.as_ref());
    let actor = command.caller.actor.acting(claimed)?;
    let mut tx = app.begin(&command).await?;
    let mut post = visible(store::lock(&mut tx, post_id).await?, &command.caller.actor, actor.as_deref())?;
    command.expects(post.version)?;
    let events = post.delete(actor.as_deref(), OffsetDateTime::now_utc())?;
    store::save(&mut tx, &post).await?;
    tx.publish_all(&events);
    tx.answer(hal::no_content()).await
}

/// What deal must know before it reserves: the synchronous status check.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Availability {
    post_id: i64,
    /// The seller.
    user_id: String,
    price: i64,
    /// Units in all, the reserved and the sold ones too.
    qty: i32,
    available_qty: i32,
    status: PostStatus,
    hidden: bool,
    version: i64,
}

/// Ask whether a post can be had. Through the gateway's circuit breaker.
#[utoipa::path(get, path = "/posts/{id}/availability", params(("id" = i64, Path)),
    responses((status = 200, body = Availability)))]
pub async fn availability(
    State(app): State<App>,
    ItemId(post_id): ItemId,
    Visitor(caller): Visitor,
    uri: Uri,
) -> Result<Answer, Problem> {
    let post = existing(store::read(&app.db, post_id).await?)?;
    let availability = Availability {
        post_id,
        available_qty: post.available_qty(),
        status: post.status(),
        user_id: post.user_id,
        price: post.content.price,
        qty: post.content.qty,
        hidden: post.content.hidden,
        version: post.version,
    };
    Ok(hal::document(&caller.base, "availability", uri.path(), &availability))
}

fn existing(post: Option<Post>) -> Result<Post, Problem> {
    post.filter(|post| !post.deleted).ok_or_else(unknown)
}

/// A hidden post is nothing to somebody who is, or says to be, another than its seller.
fn visible(post: Option<Post>, who: &Actor, actor: Option<&str>) -> Result<Post, Problem> {
    let sees_all = matches!(who, Actor::Admin(_));
    let stranger = |post: &Post| !sees_all && actor.is_some_and(|actor| actor != post.user_id);
    existing(post.filter(|post| !(post.content.hidden && stranger(post))))
}

fn unknown() -> Problem {
    Problem::not_found("post")
}
