//! The bodies and parameters of `/posts`.

use crate::domain::{Content, Post};
use chassis::{
    hal::Resource,
    idempotency::CommandBody,
    query::Filter,
    wire::{Change, Date, Faults, Flag, Line, Prose, Qty, Replace, UserId, Won, Word},
};
use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use serde::Serialize;
use shared_events::{PostStatus, WireDate};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{ArrayBuilder, RefOr, Schema, schema::AnyOfBuilder},
};

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
#[derive(Debug, Clone)]
pub struct Photos(Vec<String>);

impl Photos {
    const MOST: usize = 20;
}

impl PartialSchema for Photos {
    fn schema() -> RefOr<Schema> {
        let list = ArrayBuilder::new().items(Line::<2000>::schema()).max_items(Some(Self::MOST));
        AnyOfBuilder::new().item(list).item(Line::<2000>::schema()).into()
    }
}

impl ToSchema for Photos {}

impl Deserr<Faults> for Photos {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, Faults> {
        let urls: Vec<Line<2000>> = match value {
            value @ Value::Sequence(_) => Vec::deserialize_from_value(value, location)?,
            value => vec![Line::deserialize_from_value(value, location)?],
        };
        if urls.len() > Self::MOST {
            return Err(Faults::unacceptable("photos", format!("must not be more than {}", Self::MOST)));
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
    pub(super) user_id: Option<UserId>,
    goods: Line<200>,
    price: Won,
    #[deserr(default)]
    pub(super) address: Option<Line<200>>,
    #[deserr(default)]
    description: Option<Prose<2000>>,
    #[deserr(default)]
    pub(super) category: Option<Line<100>>,
    #[deserr(default)]
    photos: Option<Photos>,
    #[deserr(default)]
    qty: Option<Qty>,
    #[deserr(default)]
    pub(super) hidden: Option<Flag>,
    /// May be repeated, and not written.
    #[schema(value_type = Option<PostStatus>)]
    #[deserr(default)]
    pub(super) status: Option<Word<PostStatus>>,
    #[deserr(default)]
    pub(super) create_dt: Option<Date>,
}

impl CommandBody for NewPost {
    const NAMES_ACTOR: bool = true;
}

impl NewPost {
    pub(super) fn content(self) -> Content {
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
    pub(super) user_id: Option<UserId>,
    #[deserr(default)]
    #[schema(value_type = Line<200>, required = false)]
    goods: Replace<Line<200>>,
    #[deserr(default)]
    #[schema(value_type = Won, required = false)]
    price: Replace<Won>,
    #[deserr(default)]
    #[schema(value_type = Option<Line<200>>)]
    address: Change<Line<200>>,
    #[deserr(default)]
    #[schema(value_type = Option<Prose<2000>>)]
    description: Change<Prose<2000>>,
    #[deserr(default)]
    #[schema(value_type = Option<Line<100>>)]
    category: Change<Line<100>>,
    #[deserr(default)]
    #[schema(value_type = Option<Photos>)]
    photos: Change<Photos>,
    #[deserr(default)]
    #[schema(value_type = Qty, required = false)]
    qty: Replace<Qty>,
    #[deserr(default)]
    #[schema(value_type = Flag, required = false)]
    hidden: Replace<Flag>,
    /// May be repeated, and not written.
    #[schema(value_type = Option<PostStatus>)]
    #[deserr(default)]
    pub(super) status: Option<Word<PostStatus>>,
}

impl CommandBody for PostChange {}

impl PostChange {
    pub(super) fn merge_into(self, mut content: Content) -> Content {
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
    pub(super) user_id: Option<UserId>,
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
    pub(super) user_id: Option<UserId>,
    #[param(value_type = Option<PostStatus>)]
    #[deserr(default)]
    pub(super) status: Option<Word<PostStatus>>,
    /// Words in goods or description.
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    pub(super) q: Option<Line<200>>,
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    pub(super) category: Option<Line<100>>,
    #[param(value_type = Option<i64>)]
    #[deserr(default)]
    pub(super) min_price: Option<Won>,
    #[param(value_type = Option<i64>)]
    #[deserr(default)]
    pub(super) max_price: Option<Won>,
    /// A part of the address.
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    pub(super) address: Option<Line<200>>,
    #[param(value_type = Option<bool>)]
    #[deserr(default)]
    pub(super) hidden: Option<Flag>,
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
    const PUBLIC: bool = true;
}
