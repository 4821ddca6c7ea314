//! The deals move the posts, and the wishes are counted.

use crate::{
    domain::{Deal, Post, UnitState},
    store,
};
use chassis::{
    app::Tx,
    inbox::{Reacted, ReactionError, Received},
};
use shared_events::{DealCanceled, DealEnded, DealReserved, PostEvent, WishlistAdded, WishlistDeleted};

pub(crate) async fn reserved(tx: &mut Tx, received: Received<DealReserved>) -> Reacted {
    let DealReserved { post_id, deal_id, qty, listed_price, .. } = received.event;
    let now = received.time.into();
    react(tx, post_id, Deal { deal_id, qty }, |post, known, deal| {
        post.reserve(known, deal, listed_price, now)
    })
    .await
}

pub(crate) async fn ended(tx: &mut Tx, received: Received<DealEnded>) -> Reacted {
    let DealEnded { post_id, deal_id, qty, .. } = received.event;
    let now = received.time.into();
    react(tx, post_id, Deal { deal_id, qty }, |post, known, deal| post.end(known, deal, now)).await
}

pub(crate) async fn canceled(tx: &mut Tx, received: Received<DealCanceled>) -> Reacted {
    let DealCanceled { post_id, deal_id, qty, .. } = received.event;
    let now = received.time.into();
    react(tx, post_id, Deal { deal_id, qty }, |post, known, deal| post.restore(known, deal, now)).await
}

pub(crate) async fn wish_added(tx: &mut Tx, received: Received<WishlistAdded>) -> Reacted {
    let WishlistAdded { post_id, wishlist_id, .. } = received.event;
    wish(tx, post_id, wishlist_id, false).await
}

pub(crate) async fn wish_deleted(tx: &mut Tx, received: Received<WishlistDeleted>) -> Reacted {
    let WishlistDeleted { post_id, wishlist_id, .. } = received.event;
    wish(tx, post_id, wishlist_id, true).await
}

async fn wish(tx: &mut Tx, post_id: i64, wishlist_id: i64, gone: bool) -> Reacted {
    let Some(mut post) = store::lock(tx, post_id).await? else {
        return Err(ReactionError::Nonsense(format!("a wish for post {post_id}, which never was")));
    };
    store::save_wish(tx, post_id, wishlist_id, gone).await?;
    let like_cnt = store::count_wishes(tx, post_id).await?;
    tx.publish_all(&post.liked_by(like_cnt));
    Ok(())
}

/// Loads post and units, asks the domain, saves both and what is to be told.
async fn react(
    tx: &mut Tx,
    post_id: i64,
    deal: Deal,
    decide: impl FnOnce(&mut Post, Option<UnitState>, Deal) -> (UnitState, Vec<PostEvent>),
) -> Reacted {
    let Some(mut post) = store::lock(tx, post_id).await? else {
        return Err(ReactionError::Nonsense(format!(
            "deal {} is about post {post_id}, which never was",
            deal.deal_id
        )));
    };
    let known = store::unit_state(tx, deal.deal_id).await?;
    let version = post.version;
    let (state, events) = decide(&mut post, known, deal);
    if Some(state) != known {
        store::save_unit(tx, post_id, deal, state).await?;
    }
    if post.version != version {
        store::save(tx, &post).await?;
    }
    tx.publish_all(&events);
    Ok(())
}
