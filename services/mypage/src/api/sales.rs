//! What a seller sees of what they sell: `/myPages`, and the same as `/sales`.

use crate::store;
use axum::extract::State;
use chassis::{
    app::App,
    caller::Caller,
    hal::{self, Resource},
    idempotency::Answer,
    problem::Problem,
    query::{Filter, ItemId, Listing, Paging, Params},
    wire::{Faults, Id, UserId, Word},
};
use deserr::Deserr;
use serde::Serialize;
use shared_events::{PostStatus, WireDate};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

/// A post as its seller sees it: the seeds' view.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
#[schema(as = MyPage)]
pub struct MyPageBody {
    /// The post's id.
    #[sqlx(rename = "post_id")]
    id: i64,
    #[sqlx(rename = "post_id")]
    post_id: i64,
    /// The seller.
    user_id: String,
    #[sqlx(try_from = "String")]
    status: PostStatus,
    #[sqlx(try_from = "OffsetDateTime")]
    #[schema(value_type = String, format = DateTime)]
    create_dt: WireDate,
    /// The deal's while the post is reserved or ended.
    #[sqlx(try_from = "OffsetDateTime")]
    #[schema(value_type = String, format = DateTime)]
    update_dt: WireDate,
    /// Won for one unit; the deal's while the post is reserved or ended.
    price: i64,
    goods: String,
    /// Offers ever placed, the refused and canceled ones too.
    offer_cnt: i64,
    /// The highest price of the offers that are open or won.
    best_offer: Option<i64>,
    like_cnt: i32,
}

impl Resource for MyPageBody {
    const NAME: &'static str = "myPage";
    const COLLECTION: &'static str = "myPages";
    fn id(&self) -> i64 {
        self.id
    }
}

/// The same under another name.
#[derive(Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(as = Sale)]
pub struct SaleBody(MyPageBody);

impl From<MyPageBody> for SaleBody {
    fn from(page: MyPageBody) -> Self {
        Self(page)
    }
}

impl Resource for SaleBody {
    const NAME: &'static str = "sale";
    const COLLECTION: &'static str = "sales";
    fn id(&self) -> i64 {
        self.0.id
    }
}

/// What a list of sales can be narrowed to.
#[derive(Debug, Clone, Deserr, IntoParams)]
#[deserr(error = Faults, rename_all = camelCase)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct MyPageFilter {
    /// The seller; a seller's own list shows the hidden posts too.
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    user_id: Option<UserId>,
    #[param(value_type = Option<i64>)]
    #[deserr(default)]
    post_id: Option<Id>,
    #[param(value_type = Option<PostStatus>)]
    #[deserr(default)]
    status: Option<Word<PostStatus>>,
}

impl Filter for MyPageFilter {
    const SORTABLE: &'static [(&'static str, &'static str)] = &[
        ("id", "post_id"),
        ("postId", "post_id"),
        ("userId", "user_id"),
        ("status", "status"),
        ("createDt", "create_dt"),
        ("updateDt", "update_dt"),
        ("price", "price"),
        ("goods", "goods"),
        ("offerCnt", "offer_cnt"),
        ("bestOffer", "best_offer"),
        ("likeCnt", "like_cnt"),
    ];
    const DEFAULT_ORDER: &'static str = "create_dt desc, post_id desc";
}

/// Who looks, where nothing else is said.
#[derive(Debug, Deserr)]
#[deserr(error = Faults, rename_all = camelCase)]
pub struct Looking {
    #[deserr(default)]
    user_id: Option<UserId>,
}

/// List what a seller sells, newest first.
#[utoipa::path(get, path = "/myPages", params(MyPageFilter, Paging),
    responses((status = 200, body = [MyPageBody])))]
pub async fn my_pages(app: State<App>, listing: Listing<MyPageFilter>) -> Result<Answer, Problem> {
    list_posts::<MyPageBody>(app, listing).await
}

/// The same list under another name.
#[utoipa::path(get, path = "/sales", params(MyPageFilter, Paging),
    responses((status = 200, body = [SaleBody])))]
pub async fn sales(app: State<App>, listing: Listing<MyPageFilter>) -> Result<Answer, Problem> {
    list_posts::<SaleBody>(app, listing).await
}

async fn list_posts<R: Resource + From<MyPageBody>>(
    State(app): State<App>,
    listing: Listing<MyPageFilter>,
) -> Result<Answer, Problem> {
    let MyPageFilter { user_id, post_id, status } = listing.filter.clone();
    let viewer = listing.caller.actor.viewer(user_id.as_ref());
    let (user_id, post_id) = (listing.caller.actor.whose(user_id.as_ref())?, post_id.map(|id| id.0));
    let status = status.map(|word| word.0);
    let page = store::my_pages(&app.db, user_id, post_id, status, viewer, &listing.paging).await?;
    Ok(listing.answer(&page.map(R::from)))
}

/// One post as its seller sees it. A hidden one is its seller's only (`?userId=` says who asks where there are
/// no tokens).
#[utoipa::path(get, path = "/myPages/{id}", params(("id" = i64, Path), ("userId" = Option<String>, Query)),
    responses((status = 200, body = MyPageBody)))]
pub async fn my_page(
    app: State<App>,
    id: ItemId,
    caller: Caller,
    looking: Params<Looking>,
) -> Result<Answer, Problem> {
    read_post::<MyPageBody>(app, id, caller, looking).await
}

/// The same post under another name.
#[utoipa::path(get, path = "/sales/{id}", params(("id" = i64, Path), ("userId" = Option<String>, Query)),
    responses((status = 200, body = SaleBody)))]
pub async fn sale(
    app: State<App>,
    id: ItemId,
    caller: Caller,
    looking: Params<Looking>,
) -> Result<Answer, Problem> {
    read_post::<SaleBody>(app, id, caller, looking).await
}

async fn read_post<R: Resource + From<MyPageBody>>(
    State(app): State<App>,
    ItemId(post_id): ItemId,
    caller: Caller,
    Params(looking): Params<Looking>,
) -> Result<Answer, Problem> {
    let viewer = caller.actor.viewer(looking.user_id.as_ref());
    let page = store::my_page(&app.db, post_id, viewer).await?;
    let page = page.filter(|page| caller.actor.sees([&page.user_id]));
    page.map(|page| hal::item(&caller.base, &R::from(page))).ok_or_else(|| Problem::not_found(R::NAME))
}
