//! Events become notifications: the domain says who is told what.

use crate::{
    domain::{Newsworthy, Tells, meeting::Meets},
    store,
};
use chassis::{
    app::Tx,
    inbox::{Reacted, Received},
};
use shared_events::{PostWrote, WishlistAdded, WishlistDeleted};

/// Tells those whom the event names.
pub(crate) async fn tell<E: Tells>(tx: &mut Tx, received: Received<E>) -> Reacted {
    store::insert(tx, received.id, &received.event.notices(), received.time.into()).await?;
    Ok(())
}

/// The same, and keeps when they meet.
pub(crate) async fn tell_and_keep<E: Tells + Meets>(tx: &mut Tx, received: Received<E>) -> Reacted {
    store::meetings::keep(tx, &received.event.meeting(), received.time.into()).await?;
    tell(tx, received).await
}

// Wishes are offer's, news are post's, and there is no order between the two. So both are kept, and whichever
// comes second finds the first: a wish that comes late hears what has happened since it was made, and where
// the end of a wish comes late, what was told after it is taken back.

/// Tells those who wish for the post.
pub(crate) async fn tell_wishers<E: Newsworthy>(tx: &mut Tx, received: Received<E>) -> Reacted {
    if let Some(news) = received.event.news() {
        store::wishes::report(tx, received.id, &news, received.time.into()).await?;
    }
    Ok(())
}

/// Somebody is to be told of the post from now on.
pub(crate) async fn wish(tx: &mut Tx, received: Received<WishlistAdded>) -> Reacted {
    let WishlistAdded { wishlist_id, user_id, post_id } = received.event;
    store::wishes::add(tx, wishlist_id, &user_id, post_id, received.time.into()).await?;
    Ok(())
}

/// Somebody is not.
pub(crate) async fn no_wish(tx: &mut Tx, received: Received<WishlistDeleted>) -> Reacted {
    let WishlistDeleted { wishlist_id, user_id, post_id } = received.event;
    store::wishes::end(tx, wishlist_id, &user_id, post_id, received.time.into()).await?;
    Ok(())
}

/// Tells those who wait for a word in it.
pub(crate) async fn new_post(tx: &mut Tx, received: Received<PostWrote>) -> Reacted {
    let (post, time) = (received.event, received.time.into());
    let alerts = store::alerts::matching(tx, &post, time).await?;
    let notices: Vec<_> = alerts.iter().map(|alert| alert.notice(&post)).collect();
    store::insert(tx, received.id, &notices, time).await?;
    Ok(())
}
