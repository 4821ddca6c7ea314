//! What clients say and hear about posts.

use crate::{
    domain::{Content, Post},
    store,
};
use axum::extract::State;
use chassis::{
    app::App,
    caller::Caller,
    hal::{self, Resource},
    idempotency::{Answer, Command, CommandBody},
    problem::{Problem, ProblemBody},
    query::{Filter, ItemId, Listing, Paging, Params},
    wire::{Change, Date, Faults, Flag, Line, Prose, Qty, Replace, UserId, Won, Word},
};
use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use serde::Serialize;
use shared_events::{PostStatus, WireDate};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

/// A post, as it is answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Post)]
pub struct PostBody {
    post_id: i64,
    /// The seller.
    user_id: String,
    goods: String,
    /// Won for one unit.
    price: i64,
    address: Option<String>,
    description: Option<String>,
    category: Option<String>,
    photos: Option<Vec<String>>,
    qty: i32,
    available_qty: i32,
    like_cnt: i32,
    status: PostStatus,
    hidden: bool,
    #[schema(value_type = String, format = DateTime)]
    create_dt: WireDate,
    #[schema(value_type = String, format = DateTime)]
    update_dt: WireDate,
    #[serde(skip)]
    version: i64,
}

impl From<Post> for PostBody {
    fn from(post: Post) -> Self {
        let (available_qty, status) = (post.available_qty(), post.status());
        let Content { goods, price, address, description, category, photos, qty, hidden } = post.content;
        Self {
            post_id: post.post_id,
            user_id: post.user_id,
            goods,
            price,
            address,
            description,
            category,
            photos,
            qty,
            available_qty,
            like_cnt: post.like_cnt,
            status,
            hidden,
            create_dt: post.create_dt.into(),
            update_dt: post.update_dt.into(),
            version: post.version,
        }
    }
}

impl Resource for PostBody {
    const NAME: &'static str = "post";
    const COLLECTION: &'static str = "posts";
    fn id(&self) -> i64 {
        self.post_id
    }
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// URLs of pictures: a list, or a single one.
#[derive(Debug, Clone, ToSchema)]
pub struct Photos(Vec<String>);

impl Deserr<Faults> for Photos {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, Faults> {
        const MOST: usize = 20;
        let urls: Vec<Line<2000>> = match value {
            value @ Value::Sequence(_) => Vec::deserialize_from_value(value, location)?,
            value => vec![Line::deserialize_from_value(value, location)?],
        };
        if urls.len() > MOST {
            return Err(Faults::unacceptable("photos", format!("must not be more than {MOST}")));
        }
        Ok(Self(urls.into_iter().map(|url| url.0).collect()))
    }
}

/// A post to write, or to put in the place of another.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = camelCase)]
#[schema(rename_all = "camelCase")]
pub struct NewPost {
    /// The seller. A PUT may leave it out.
    #[deserr(default)]
    user_id: Option<UserId>,
    goods: Line<200>,
    price: Won,
    #[deserr(default)]
    address: Option<Line<200>>,
    #[deserr(default)]
    description: Option<Prose<2000>>,
    #[deserr(default)]
    category: Option<Line<100>>,
    #[deserr(default)]
    photos: Option<Photos>,
    #[deserr(default)]
    qty: Option<Qty>,
    #[deserr(default)]
    hidden: Option<Flag>,
    /// May be repeated, and not written.
    #[schema(value_type = Option<PostStatus>)]
    #[deserr(default)]
    status: Option<Word<PostStatus>>,
    #[deserr(default)]
    create_dt: Option<Date>,
}

impl CommandBody for NewPost {
    const NAMES_ACTOR: bool = true;
}

impl NewPost {
    fn content(self) -> Content {
        Content {
            goods: self.goods.0,
            price: self.price.0,
            address: self.address.map(|line| line.0),
            description: self.description.map(|prose| prose.0),
            category: self.category.map(|line| line.0),
            photos: self.photos.map(|photos| photos.0),
            qty: self.qty.map_or(1, |qty| qty.0),
            hidden: self.hidden.is_some_and(|flag| flag.0),
        }
    }
}

/// Fields of a post to change: absent is kept, null is cleared.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = camelCase)]
#[schema(rename_all = "camelCase")]
pub struct PostChange {
    /// Who acts.
    #[deserr(default)]
    user_id: Option<UserId>,
    #[deserr(default)]
    #[schema(value_type = Option<String>)]
    goods: Replace<Line<200>>,
    #[deserr(default)]
    #[schema(value_type = Option<i64>)]
    price: Replace<Won>,
    #[deserr(default)]
    #[schema(value_type = Option<String>)]
    address: Change<Line<200>>,
    #[deserr(default)]
    #[schema(value_type = Option<String>)]
    description: Change<Prose<2000>>,
    #[deserr(default)]
    #[schema(value_type = Option<String>)]
    category: Change<Line<100>>,
    #[deserr(default)]
    #[schema(value_type = Option<Vec<String>>)]
    photos: Change<Photos>,
    #[deserr(default)]
    #[schema(value_type = Option<i32>)]
    qty: Replace<Qty>,
    #[deserr(default)]
    #[schema(value_type = Option<bool>)]
    hidden: Replace<Flag>,
    /// May be repeated, and not written.
    #[schema(value_type = Option<PostStatus>)]
    #[deserr(default)]
    status: Option<Word<PostStatus>>,
}

impl CommandBody for PostChange {}

impl PostChange {
    fn merge_into(self, mut content: Content) -> Content {
        content.goods = self.goods.0.map_or(content.goods, |line| line.0);
        content.price = self.price.0.map_or(content.price, |won| won.0);
        self.address.apply(&mut content.address, |line| line.0);
        self.description.apply(&mut content.description, |prose| prose.0);
        self.category.apply(&mut content.category, |line| line.0);
        self.photos.apply(&mut content.photos, |photos| photos.0);
        content.qty = self.qty.0.map_or(content.qty, |qty| qty.0);
        content.hidden = self.hidden.0.map_or(content.hidden, |flag| flag.0);
        content
    }
}

/// Who acts, where nothing else is said.
#[derive(Debug, Deserr)]
#[deserr(error = Faults, rename_all = camelCase)]
pub struct Acting {
    #[deserr(default)]
    user_id: Option<UserId>,
}

impl CommandBody for Acting {}

/// What a list of posts can be narrowed to.
#[derive(Debug, Clone, Deserr, IntoParams)]
#[deserr(error = Faults, rename_all = camelCase)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct PostFilter {
    /// The seller; a seller's own list shows the hidden ones too.
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    user_id: Option<UserId>,
    #[param(value_type = Option<PostStatus>)]
    #[deserr(default)]
    status: Option<Word<PostStatus>>,
    /// Words in goods or description.
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    q: Option<Line<200>>,
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    category: Option<Line<100>>,
    #[param(value_type = Option<i64>)]
    #[deserr(default)]
    min_price: Option<Won>,
    #[param(value_type = Option<i64>)]
    #[deserr(default)]
    max_price: Option<Won>,
    /// A part of the address.
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    address: Option<Line<200>>,
    #[param(value_type = Option<bool>)]
    #[deserr(default)]
    hidden: Option<Flag>,
}

impl Filter for PostFilter {
    const SORTABLE: &'static [(&'static str, &'static str)] = &[
        ("postId", "post_id"),
        ("userId", "user_id"),
        ("goods", "goods"),
        ("price", "price"),
        ("qty", "qty"),
        ("likeCnt", "like_cnt"),
        ("status", "status"),
        ("createDt", "create_dt"),
        ("updateDt", "update_dt"),
    ];
    const DEFAULT_ORDER: &'static str = "create_dt desc, post_id desc";
}

/// Write a post.
#[utoipa::path(post, path = "/posts", request_body = NewPost,
    responses((status = 201, body = PostBody), (status = "4XX", body = ProblemBody)))]
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
    responses((status = 200, body = [PostBody]), (status = "4XX", body = ProblemBody)))]
pub async fn list(State(app): State<App>, listing: Listing<PostFilter>) -> Result<Answer, Problem> {
    let filter = listing.filter.clone();
    let wanted = store::Wanted {
        viewer: listing.caller.actor.acting(filter.user_id.as_ref()),
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
    responses((status = 200, body = PostBody), (status = "4XX", body = ProblemBody)))]
pub async fn read(
    State(app): State<App>,
    ItemId(post_id): ItemId,
    caller: Caller,
    Params(asking): Params<Acting>,
) -> Result<Answer, Problem> {
    let viewer = caller.actor.acting(asking.user_id.as_ref());
    match store::read(&app.db, post_id).await? {
        Some(post) if !post.content.hidden || viewer.as_ref() == Some(&post.user_id) => {
            Ok(hal::item(&caller.base, &PostBody::from(post)))
        }
        _ => Err(unknown()),
    }
}

/// Change fields of a post.
#[utoipa::path(patch, path = "/posts/{id}", params(("id" = i64, Path)), request_body = PostChange,
    responses((status = 200, body = PostBody), (status = "4XX", body = ProblemBody)))]
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
    responses((status = 200, body = PostBody), (status = "4XX", body = ProblemBody)))]
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
    let actor = command.caller.actor.acting(actor.as_ref());
    let mut tx = app.begin(&command).await?;
    let mut post = existing(store::lock(&mut tx, post_id).await?)?;
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
    responses((status = 204), (status = "4XX", body = ProblemBody)))]
pub async fn delete(
    State(app): State<App>,
    ItemId(post_id): ItemId,
    Params(asking): Params<Acting>,
    command: Command<Acting>,
) -> Result<Answer, Problem> {
    let claimed = command.body.user_id.as_ref().or(asking.user_id.as_ref());
    let actor = command.caller.actor.acting(claimed);
    let mut tx = app.begin(&command).await?;
    let mut post = existing(store::lock(&mut tx, post_id).await?)?;
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
    responses((status = 200, body = Availability), (status = "4XX", body = ProblemBody)))]
pub async fn availability(
    State(app): State<App>,
    ItemId(post_id): ItemId,
    _: Caller,
) -> Result<axum::Json<Availability>, Problem> {
    let post = existing(store::read(&app.db, post_id).await?)?;
    Ok(axum::Json(Availability {
        post_id,
        available_qty: post.available_qty(),
        status: post.status(),
        user_id: post.user_id,
        price: post.content.price,
        qty: post.content.qty,
        hidden: post.content.hidden,
        version: post.version,
    }))
}

fn existing(post: Option<Post>) -> Result<Post, Problem> {
    post.filter(|post| !post.deleted).ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::not_found("post")
}
