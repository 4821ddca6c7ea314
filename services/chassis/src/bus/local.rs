//! The bus of `standalone`: no broker; an event leaves the outbox when every service here has committed it.

use super::BusError;
use crate::inbox::Consumer;
use futures::future::join_all;
use shared_events::Envelope;
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;

/// The reactions of every service in this process.
#[derive(Clone, Default)]
pub struct LocalBus {
    // Set once all services are prepared; a relay starts only after that.
    consumers: Arc<OnceLock<Vec<Consumer>>>,
}

impl LocalBus {
    /// Connects the services. Further calls change nothing.
    pub fn connect(&self, consumers: Vec<Consumer>) {
        let _ = self.consumers.set(consumers);
    }

    pub(super) async fn publish(&self, batch: &[Envelope], stop: &CancellationToken) -> Result<(), BusError> {
        let consumers = self.consumers.get().map_or(&[][..], Vec::as_slice);
        let delivered = join_all(consumers.iter().map(|consumer| consumer.deliver(batch, stop))).await;
        if delivered.into_iter().all(|done| done) { Ok(()) } else { Err(BusError::Stopped) }
    }
}
