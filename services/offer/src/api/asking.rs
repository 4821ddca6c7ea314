//! The post that something is about: as it is known here, else as its owner answers.

use crate::{
    domain::{PostCopy, Refusal},
    store,
};
use chassis::{
    app::{App, Tx},
    caller::Caller,
    idempotency::Command,
    problem::Problem,
};
use serde::Deserialize;
use shared_events::PostStatus;

/// A post as the post service answers it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostAnswer {
    user_id: String,
    price: i64,
    qty: i32,
    available_qty: i32,
    status: PostStatus,
    hidden: bool,
    version: i64,
}

/// Asks the owner of the post. A copy may allow, never refuse: whoever would refuse asks once, and decides on the
/// answer.
pub(super) async fn ask_post(app: &App, caller: &Caller, post_id: i64) -> Result<PostCopy, Problem> {
    let answer: Option<PostAnswer> =
        app.upstream.get(caller, &format!("/posts/{post_id}/availability")).await?;
    let post = answer.ok_or(Refusal::UnknownPost)?;
    Ok(PostCopy {
        post_id,
        seller_id: post.user_id,
        price: post.price,
        qty: post.qty,
        available_qty: post.available_qty,
        status: post.status,
        hidden: post.hidden,
        deleted: false,
        version: post.version,
    })
}

/// Who may do something about a hidden or deleted post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visible {
    /// Only its seller, while it is there.
    Public,
    /// Also whoever wrote about it or made an offer on it.
    ToParties,
}

/// Opens the command's transaction on a post that the person may know of: as it is known here, else as its owner
/// says.
pub(super) async fn begin_on<T>(
    app: &App,
    command: &Command<T>,
    post_id: i64,
    user_id: &str,
    visible: Visible,
) -> Result<(Tx, PostCopy), Problem> {
    let mut asked = None;
    loop {
        let mut tx = app.begin(command).await?;
        if let Some(post) = &asked {
            store::learn_post(&mut tx, post).await?;
        }
        if let Some(post) = store::hold_post(&mut tx, post_id).await? {
            let party = visible == Visible::ToParties
                && (post.seller_id == user_id || store::messages::knows(&mut tx, post_id, user_id).await?);
            if party || post.visible_to(user_id) {
                return Ok((tx, post));
            }
        }
        tx.rollback().await?;
        if asked.is_some() {
            return Err(Refusal::UnknownPost.into());
        }
        asked = Some(ask_post(app, &command.caller, post_id).await?);
    }
}
