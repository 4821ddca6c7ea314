//! Every event goes the same way: the domain says who is told what.

use crate::{domain::Tells, store};
use chassis::{
    app::Tx,
    inbox::{Reacted, Received},
};

pub(crate) async fn tell<E: Tells>(tx: &mut Tx, received: Received<E>) -> Reacted {
    for notice in received.event.notices() {
        store::insert(tx, received.id, &notice, received.time.into()).await?;
    }
    Ok(())
}
