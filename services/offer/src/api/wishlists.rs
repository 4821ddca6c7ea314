//! What clients say and hear about wishes.

use super::asking::{Visible, begin_on};
use crate::{domain::wish::Wish, store::wishlists as store};
use axum::extract::State;
use chassis::{
    app::App,
    caller::Caller,
    hal::{self, Resource},
    idempotency::{Answer, Command, CommandBody},
    problem::Problem,
    query::{Filter, ItemId, Listing, Paging, Params},
    wire::{Faults, Id, UserId},
};
use deserr::Deserr;
use serde::Serialize;
use shared_events::WireDate;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

/// A wish, as it is answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Wishlist)]
pub struct WishBody {
    wishlist_id: i64,
    user_id: String,
    post_id: i64,
    #[schema(value_type = String, format = DateTime)]
    create_dt: WireDate,
}

impl From<Wish> for WishBody {
    fn from(wish: Wish) -> Self {
        let Wish { wishlist_id, user_id, post_id, create_dt } = wish;
        Self { wishlist_id, user_id, post_id, create_dt: create_dt.into() }
    }
}

impl Resource for WishBody {
    const NAME: &'static str = "wishlist";
    const COLLECTION: &'static str = "wishlists";
    fn id(&self) -> i64 {
        self.wishlist_id
    }
    fn version(&self) -> Option<i64> {
        Some(VERSION)
    }
}

/// A wish never changes.
const VERSION: i64 = 1;

/// A wish to add.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = camelCase)]
#[schema(rename_all = "camelCase")]
pub struct NewWish {
    /// Who wishes.
    #[deserr(default)]
    user_id: Option<UserId>,
    post_id: Id,
}

impl CommandBody for NewWish {
    const NAMES_ACTOR: bool = true;
}

/// Who acts, where nothing else is said.
#[derive(Debug, Deserr)]
#[deserr(error = Faults, rename_all = camelCase)]
pub struct Acting {
    #[deserr(default)]
    user_id: Option<UserId>,
}

impl CommandBody for Acting {}

/// What a list of wishes can be narrowed to.
#[derive(Debug, Clone, Deserr, IntoParams)]
#[deserr(error = Faults, rename_all = camelCase)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct WishFilter {
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    user_id: Option<UserId>,
    #[param(value_type = Option<i64>)]
    #[deserr(default)]
    post_id: Option<Id>,
}

impl Filter for WishFilter {
    const SORTABLE: &'static [(&'static str, &'static str)] = &[
        ("wishlistId", "wishlist_id"),
        ("userId", "user_id"),
        ("postId", "post_id"),
        ("createDt", "create_dt"),
    ];
    const DEFAULT_ORDER: &'static str = "wishlist_id";
}

/// Wish for a post. Wishing again answers the wish there is.
#[utoipa::path(post, path = "/wishlists", request_body = NewWish,
    responses((status = 201, body = WishBody), (status = 200, body = WishBody)))]
pub async fn add(State(app): State<App>, command: Command<NewWish>) -> Result<Answer, Problem> {
    let user_id = command.author(command.body.user_id.as_ref())?;
    let (mut tx, post) = begin_on(&app, &command, command.body.post_id.0, &user_id, Visible::Public).await?;
    let added = store::add(&mut tx, &user_id, post.post_id, OffsetDateTime::now_utc()).await?;
    let base = &command.caller.base;
    let answer = if added.is_new {
        tx.publish(&added.wish.added());
        hal::created(base, &WishBody::from(added.wish))
    } else {
        hal::item(base, &WishBody::from(added.wish))
    };
    tx.answer(answer).await
}

/// List wishes.
#[utoipa::path(get, path = "/wishlists", params(WishFilter, Paging),
    responses((status = 200, body = [WishBody])))]
pub async fn list(State(app): State<App>, listing: Listing<WishFilter>) -> Result<Answer, Problem> {
    let filter = listing.filter.clone();
    let user_id = listing.caller.actor.whose(filter.user_id.as_ref())?;
    let post_id = filter.post_id.map(|id| id.0);
    let page = store::list(&app.db, user_id, post_id, &listing.paging).await?;
    Ok(listing.answer(&page.map(WishBody::from)))
}

/// Read a wish.
#[utoipa::path(get, path = "/wishlists/{id}", params(("id" = i64, Path)),
    responses((status = 200, body = WishBody)))]
pub async fn read(
    State(app): State<App>,
    ItemId(wishlist_id): ItemId,
    caller: Caller,
) -> Result<Answer, Problem> {
    let wish = store::read(&app.db, wishlist_id).await?;
    let wish = wish.filter(|wish| caller.actor.sees([&wish.user_id])).ok_or_else(unknown)?;
    Ok(hal::item(&caller.base, &WishBody::from(wish)))
}

/// Take a wish back.
#[utoipa::path(delete, path = "/wishlists/{id}", params(("id" = i64, Path), ("userId" = Option<String>, Query)),
    responses((status = 204)))]
pub async fn delete(
    State(app): State<App>,
    ItemId(wishlist_id): ItemId,
    Params(asking): Params<Acting>,
    command: Command<Acting>,
) -> Result<Answer, Problem> {
    let claimed = command.body.user_id.as_ref().or(asking.user_id.as_ref());
    let actor = command.caller.actor.acting(claimed)?;
    let mut tx = app.begin(&command).await?;
    let wish = store::lock(&mut tx, wishlist_id).await?;
    let wish = wish.filter(|wish| command.caller.actor.sees([&wish.user_id])).ok_or_else(unknown)?;
    command.expects(VERSION)?;
    let event = wish.take_back(actor.as_deref())?;
    store::remove(&mut tx, wishlist_id).await?;
    tx.publish(&event);
    tx.answer(hal::no_content()).await
}

fn unknown() -> Problem {
    Problem::not_found("wishlist")
}
