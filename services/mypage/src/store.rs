//! All SQL of the mypage service: upserts, and reads of the views.

pub(crate) mod history;
pub(crate) mod orders;
pub(crate) mod profile;
pub(crate) mod rebuild;

use crate::api::{purchases::PurchaseRow, sales::MyPageBody};
use chassis::{
    hal::Page,
    query::{Paging, Select},
};
use shared_events::{
    LikeCntUpdated, OfferPlaced, OfferStatus, PayMethod, PostDeleted, PostEdited, PostStatus, PostWrote,
    StatusUpdated, Won,
};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

type Done = Result<(), sqlx::Error>;

pub(crate) async fn write_post(tx: &mut PgConnection, post: &PostWrote, create_dt: OffsetDateTime) -> Done {
    sqlx::query(
        "insert into post_view (post_id, user_id, goods, price, status, create_dt, update_dt)
         values ($1, $2, $3, $4, $5, $6, $6)
         on conflict (post_id) do update set
             user_id = excluded.user_id,
             create_dt = excluded.create_dt,
             goods = coalesce(post_view.goods, excluded.goods),
             price = coalesce(post_view.price, excluded.price),
             status = coalesce(post_view.status, excluded.status),
             update_dt = coalesce(post_view.update_dt, excluded.update_dt)",
    )
    .bind(post.post_id)
    .bind(&post.user_id)
    .bind(&post.goods)
    .bind(post.price)
    .bind(post.status.as_str())
    .bind(create_dt)
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn edit_post(tx: &mut PgConnection, post: &PostEdited) -> Done {
    sqlx::query(
        "insert into post_view (post_id, user_id, goods, price, update_dt) values ($1, $2, $3, $4, $5)
         on conflict (post_id) do update set
             goods = excluded.goods, price = excluded.price, update_dt = excluded.update_dt",
    )
    .bind(post.post_id)
    .bind(&post.user_id)
    .bind(&post.goods)
    .bind(post.price)
    .bind(OffsetDateTime::from(post.update_dt))
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn hide_post(
    tx: &mut PgConnection,
    post_id: i64,
    user_id: &str,
    hidden: bool,
    update_dt: OffsetDateTime,
) -> Done {
    sqlx::query(
        "insert into post_view (post_id, user_id, hidden, update_dt) values ($1, $2, $3, $4)
         on conflict (post_id) do update set hidden = excluded.hidden, update_dt = excluded.update_dt",
    )
    .bind(post_id)
    .bind(user_id)
    .bind(hidden)
    .bind(update_dt)
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn delete_post(tx: &mut PgConnection, post: &PostDeleted) -> Done {
    sqlx::query(
        "insert into post_view (post_id, user_id, deleted) values ($1, $2, true)
         on conflict (post_id) do update set deleted = true",
    )
    .bind(post.post_id)
    .bind(&post.user_id)
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn update_status(tx: &mut PgConnection, post: &StatusUpdated) -> Done {
    sqlx::query(
        "insert into post_view (post_id, user_id, status, update_dt) values ($1, $2, $3, $4)
         on conflict (post_id) do update set status = excluded.status, update_dt = excluded.update_dt",
    )
    .bind(post.post_id)
    .bind(&post.user_id)
    .bind(post.status.as_str())
    .bind(OffsetDateTime::from(post.update_dt))
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn count_likes(tx: &mut PgConnection, post: &LikeCntUpdated) -> Done {
    sqlx::query(
        "insert into post_view (post_id, like_cnt) values ($1, $2)
         on conflict (post_id) do update set like_cnt = excluded.like_cnt",
    )
    .bind(post.post_id)
    .bind(post.like_cnt)
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn place_offer(tx: &mut PgConnection, offer: &OfferPlaced, now: OffsetDateTime) -> Done {
    sqlx::query(
        "insert into offer_view (offer_id, post_id, user_id, seller_id, offered_price, agreed_price, qty,
                                 pay_method, status, offer_type, price, create_dt, update_dt)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
         on conflict (offer_id) do update set
             offer_type = excluded.offer_type, price = excluded.price, create_dt = excluded.create_dt",
    )
    .bind(offer.offer_id)
    .bind(offer.post_id)
    .bind(&offer.user_id)
    .bind(&offer.seller_id)
    .bind(offer.offered_price)
    .bind(offer.agreed_price)
    .bind(offer.qty)
    .bind(offer.pay_method.as_str())
    .bind(offer.offer_status.as_str())
    .bind(offer.offer_type.as_str())
    .bind(offer.price)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// What every answer to an offer tells.
pub(crate) struct Offer {
    pub(crate) offer_id: i64,
    pub(crate) post_id: i64,
    pub(crate) user_id: String,
    pub(crate) seller_id: String,
    pub(crate) offered_price: Option<Won>,
    pub(crate) agreed_price: Won,
    pub(crate) qty: i32,
    pub(crate) pay_method: PayMethod,
    pub(crate) status: OfferStatus,
    pub(crate) reason: Option<String>,
}

/// A refusal or a cancellation is final: no other answer comes after it.
pub(crate) async fn answer_offer(tx: &mut PgConnection, offer: &Offer, now: OffsetDateTime) -> Done {
    sqlx::query(
        "insert into offer_view (offer_id, post_id, user_id, seller_id, offered_price, agreed_price, qty,
                                 pay_method, status, update_dt)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (offer_id) do update set status = excluded.status, update_dt = excluded.update_dt
         where offer_view.status in ('offerPlaced', 'offerAccepted')",
    )
    .bind(offer.offer_id)
    .bind(offer.post_id)
    .bind(&offer.user_id)
    .bind(&offer.seller_id)
    .bind(offer.offered_price)
    .bind(offer.agreed_price)
    .bind(offer.qty)
    .bind(offer.pay_method.as_str())
    .bind(offer.status.as_str())
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// `viewer` is who looks: hidden posts are their seller's only. None sees all.
pub(crate) async fn my_pages(
    db: &PgPool,
    user_id: Option<String>,
    post_id: Option<i64>,
    status: Option<PostStatus>,
    viewer: Option<String>,
    paging: &Paging,
) -> Result<Page<MyPageBody>, sqlx::Error> {
    Select::from("my_page")
        .and("(not hidden or user_id = ?)", viewer)
        .and("user_id = ?", user_id)
        .and("post_id = ?", post_id)
        .and("status = ?", status.map(PostStatus::as_str))
        .page(db, paging)
        .await
}

pub(crate) async fn my_page(
    db: &PgPool,
    post_id: i64,
    viewer: Option<String>,
) -> Result<Option<MyPageBody>, sqlx::Error> {
    sqlx::query_as("select * from my_page where post_id = $1 and ($2 is null or not hidden or user_id = $2)")
        .bind(post_id)
        .bind(viewer)
        .fetch_optional(db)
        .await
}

pub(crate) async fn purchases(
    db: &PgPool,
    user_id: Option<String>,
    post_id: Option<i64>,
    paging: &Paging,
) -> Result<Page<PurchaseRow>, sqlx::Error> {
    Select::from("purchase").and("user_id = ?", user_id).and("post_id = ?", post_id).page(db, paging).await
}

pub(crate) async fn purchase(db: &PgPool, offer_id: i64) -> Result<Option<PurchaseRow>, sqlx::Error> {
    sqlx::query_as("select * from purchase where offer_id = $1").bind(offer_id).fetch_optional(db).await
}
