//! How events get from a relay to the reactions of every service: Kafka, or in-process.

pub(crate) mod kafka;
mod lag;
pub(crate) mod local;

use shared_events::Envelope;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub use kafka::KafkaSettings;
pub use local::LocalBus;

/// Why a batch was not taken. The relay keeps it and tries again.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The broker said no, or is away.
    #[error("Kafka: {0}")]
    Kafka(#[from] rdkafka::error::KafkaError),
    /// The service is stopping.
    #[error("stopped")]
    Stopped,
}

/// Where a relay hands its events to.
#[derive(Clone)]
pub enum Bus {
    /// Apache Kafka.
    Kafka(Arc<kafka::Publisher>),
    /// The reactions of the services in this process.
    Local(LocalBus),
}

impl Bus {
    /// A producer of one service.
    ///
    /// # Errors
    /// The settings make no sense. That Kafka is away is no error.
    pub fn kafka(settings: &KafkaSettings) -> Result<Self, rdkafka::error::KafkaError> {
        Ok(Self::Kafka(Arc::new(kafka::Publisher::new(settings)?)))
    }

    /// What traces call it.
    pub(crate) fn system(&self) -> &'static str {
        match self {
            Self::Kafka(_) => "kafka",
            Self::Local(_) => "local",
        }
    }

    /// Returns when every event of the batch is safe: acknowledged by all replicas of Kafka, or committed by
    /// every service that reacts to it. Events of one post keep their order.
    pub(crate) async fn publish(&self, batch: &[Envelope], stop: &CancellationToken) -> Result<(), BusError> {
        match self {
            Self::Kafka(publisher) => publisher.publish(batch, stop).await,
            Self::Local(bus) => bus.publish(batch, stop).await,
        }
    }
}
