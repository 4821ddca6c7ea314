//! Apache Kafka: an idempotent producer behind the relay, a consumer group per service in front of the inbox.

use super::{
    BusError,
    lag::{self, Lag},
};
use crate::inbox::Consumer;
use futures::future::{FutureExt, try_join_all};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{CommitMode, Consumer as _, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Header, Headers, OwnedHeaders},
    producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer},
};
use shared_events::{Envelope, TOPIC};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::OnceCell, time::sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Twelve partitions: as many consumers of a service can share the work, and it cannot be changed later
/// without breaking the order of a post's events.
const PARTITIONS: i32 = 12;
const RETRY: Duration = Duration::from_secs(1);

/// Where Kafka is and what we call things there.
#[derive(Debug, Clone, clap::Args)]
pub struct KafkaSettings {
    /// Kafka brokers, host:port, separated by commas.
    #[arg(long = "kafka", env = "KAFKA_BOOTSTRAP_SERVERS", value_name = "BROKERS")]
    pub bootstrap_servers: String,
    /// The topic of all events; created when it is absent.
    #[arg(long, env = "KAFKA_TOPIC", default_value = TOPIC)]
    pub topic: String,
    /// Put before the service's name to make the consumer group.
    #[arg(long, env = "KAFKA_GROUP_PREFIX", default_value = "")]
    pub group_prefix: String,
}

impl KafkaSettings {
    /// The names the contract gives, at these brokers.
    pub fn at(bootstrap_servers: String) -> Self {
        Self { bootstrap_servers, topic: TOPIC.to_owned(), group_prefix: String::new() }
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("reconnect.backoff.ms", "100")
            .set("reconnect.backoff.max.ms", "2000")
            // Said once by us, in our own log, instead of by every broker thread on stderr.
            .set("log_level", "3");
        config
    }

    /// Creates the topic unless it is there.
    async fn ensure_topic(&self) -> Result<(), KafkaError> {
        let admin: AdminClient<DefaultClientContext> = self.client().create()?;
        let topic =
            NewTopic::new(&self.topic, PARTITIONS, TopicReplication::Fixed(-1)).set("retention.ms", "-1");
        let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(5)));
        for result in admin.create_topics([&topic], &options).await? {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(KafkaError::AdminOp(code)),
            }
        }
        Ok(())
    }

    /// Waits for Kafka and the topic; false when the service stopped first.
    async fn topic_is_there(&self, stop: &CancellationToken) -> bool {
        let mut told = false;
        loop {
            let attempt = tokio::select! {
                attempt = self.ensure_topic() => attempt,
                () = stop.cancelled() => return false,
            };
            match attempt {
                Ok(()) => return true,
                Err(error) if !told => {
                    tracing::warn!(%error, "Kafka is away; commands go on, events wait in the outbox");
                    told = true;
                }
                Err(_) => {}
            }
            tokio::select! {
                () = sleep(RETRY) => {}
                () = stop.cancelled() => return false,
            }
        }
    }
}

/// The producer of one service.
pub struct Publisher {
    /// Made anew after a fatal error, of which an idempotent producer knows a few.
    producer: Mutex<FutureProducer>,
    settings: KafkaSettings,
    topic_exists: OnceCell<()>,
}

impl Publisher {
    /// # Errors
    /// The settings make no sense. That Kafka is away is no error.
    pub fn new(settings: &KafkaSettings) -> Result<Self, KafkaError> {
        Ok(Self {
            producer: Mutex::new(producer(settings)?),
            settings: settings.clone(),
            topic_exists: OnceCell::new(),
        })
    }

    pub(super) async fn publish(&self, batch: &[Envelope], stop: &CancellationToken) -> Result<(), BusError> {
        self.topic_exists
            .get_or_try_init(|| async {
                if self.settings.topic_is_there(stop).await { Ok(()) } else { Err(BusError::Stopped) }
            })
            .await?;
        let producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let published = self.send(&producer, batch, stop).await;
        if published.is_err() && producer.client().fatal_error().is_some() {
            *self.producer.lock().unwrap_or_else(PoisonError::into_inner) = self::producer(&self.settings)?;
        }
        published
    }

    async fn send(
        &self,
        producer: &FutureProducer,
        batch: &[Envelope],
        stop: &CancellationToken,
    ) -> Result<(), BusError> {
        let mut deliveries = Vec::with_capacity(batch.len());
        for envelope in batch {
            deliveries.push(enqueue(producer, &self.settings.topic, envelope).await?);
        }
        let acknowledged = try_join_all(deliveries.into_iter().map(|delivery| async {
            match delivery.await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err((error, _))) => Err(BusError::Kafka(error)),
                // The producer was dropped with the record in it.
                Err(_) => Err(BusError::Stopped),
            }
        }));
        tokio::select! {
            result = acknowledged => result.map(drop),
            () = stop.cancelled() => Err(BusError::Stopped),
        }
    }
}

fn producer(settings: &KafkaSettings) -> Result<FutureProducer, KafkaError> {
    settings
        .client()
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // Never gives a record up: one that expired would be sent again after its successors.
        .set("message.timeout.ms", "0")
        .set("linger.ms", "1")
        .set("compression.type", "lz4")
        // As Java clients do it, so that other teams' producers agree on the partition of a key.
        .set("partitioner", "murmur2_random")
        .create()
}

async fn enqueue(
    producer: &FutureProducer,
    topic: &str,
    envelope: &Envelope,
) -> Result<DeliveryFuture, BusError> {
    let key = envelope.post_id.to_string();
    let headers = envelope.headers().into_iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(&value) })
    });
    let mut record = FutureRecord::to(topic)
        .key(&key)
        .payload(&envelope.value)
        .timestamp(envelope.time.epoch_millis())
        .headers(headers);
    loop {
        match producer.send_result(record) {
            Ok(delivery) => return Ok(delivery),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                sleep(Duration::from_millis(10)).await;
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

/// Feeds a service's reactions from the topic until `stop`, then leaves the group.
pub(crate) async fn consume(consumer: Consumer, settings: KafkaSettings, stop: CancellationToken) {
    if !settings.topic_is_there(&stop).await {
        return;
    }
    while !stop.is_cancelled() {
        if let Err(error) = consume_until_error(&consumer, &settings, &stop).await {
            tracing::warn!(service = consumer.service(), %error, "Kafka consumer starts anew");
            tokio::select! {
                () = sleep(RETRY) => {}
                () = stop.cancelled() => {}
            }
        }
    }
}

async fn consume_until_error(
    consumer: &Consumer,
    settings: &KafkaSettings,
    stop: &CancellationToken,
) -> Result<(), KafkaError> {
    let stream: StreamConsumer<Lag> = settings
        .client()
        .set("group.id", format!("{}{}", settings.group_prefix, consumer.service()))
        .set("auto.offset.reset", "earliest")
        // Offsets are stored by hand after the database has committed, and committed in the background.
        .set("enable.auto.commit", "true")
        .set("auto.commit.interval.ms", "1000")
        .set("enable.auto.offset.store", "false")
        .set("fetch.wait.max.ms", "50")
        .set("session.timeout.ms", "10000")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("statistics.interval.ms", lag::EVERY)
        .create_with_context(Lag(consumer.lag()))?;
    stream.subscribe(&[&settings.topic])?;
    let result = loop {
        let first = tokio::select! {
            message = stream.recv() => message,
            () = stop.cancelled() => break Ok(()),
        };
        let first = match first {
            Ok(message) => message,
            // A broker that is away is reported here, and comes back by itself.
            Err(error) if is_passing(&error) => continue,
            Err(error) => break Err(error),
        };
        let mut messages = vec![first];
        while messages.len() < consumer.batch_size()
            && let Some(Ok(next)) = stream.recv().now_or_never()
        {
            messages.push(next);
        }
        let batch: Vec<_> = messages.iter().filter_map(envelope).collect();
        if !consumer.deliver(&batch, stop).await {
            break Ok(());
        }
        store_offsets(&stream, &messages);
    };
    // What is stored and not yet committed; a redelivery would only cost time.
    if let Err(error) = stream.commit_consumer_state(CommitMode::Sync)
        && !matches!(error, KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset))
    {
        tracing::debug!(%error, "offsets were not committed");
    }
    stream.unsubscribe();
    result
}

fn is_passing(error: &KafkaError) -> bool {
    !matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::Fatal | RDKafkaErrorCode::PollExceeded))
}

fn store_offsets(stream: &StreamConsumer<Lag>, messages: &[BorrowedMessage<'_>]) {
    let Some(topic) = messages.first().map(BorrowedMessage::topic) else { return };
    let offsets = next_offsets(topic, messages.iter().map(|message| (message.partition(), message.offset())));
    // Fails for a partition that was taken away meanwhile; the inbox knows what its next owner meets again.
    if let Err(error) = stream.store_offsets(&offsets) {
        tracing::debug!(%error, "offsets were not stored");
    }
}

/// Where to go on after these (partition, offset), which are in order. Each partition stands in the list once: of several
/// entries librdkafka takes the last, and rdkafka gives only the first an offset.
fn next_offsets(topic: &str, read: impl Iterator<Item = (i32, i64)>) -> TopicPartitionList {
    let next = read.map(|(partition, offset)| ((topic.to_owned(), partition), Offset::Offset(offset + 1)));
    TopicPartitionList::from_topic_map(&next.collect()).unwrap_or_else(|error| {
        tracing::debug!(%error, "offset out of range");
        TopicPartitionList::new()
    })
}

/// The event in a record; what is none of ours is logged and passed over.
fn envelope(message: &BorrowedMessage<'_>) -> Option<Envelope> {
    let headers = message.headers();
    let pairs = headers
        .into_iter()
        .flat_map(|headers| headers.iter())
        .filter_map(|header| Some((header.key, std::str::from_utf8(header.value?).ok()?)));
    // A record of a producer that gives no ce_id is known by its place.
    let partition = u64::from(message.partition().unsigned_abs());
    let place = Uuid::from_u64_pair(partition, message.offset().unsigned_abs());
    match Envelope::from_record(message.payload().unwrap_or_default(), pairs, place) {
        Ok(envelope) => Some(envelope),
        Err(error) => {
            tracing::warn!(%error, partition, offset = message.offset(), "a record that is no event");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_followed_by_the_next_offset_of_each_partition() {
        let read = [(0, 7), (3, 1), (0, 8), (0, 9), (3, 2)];
        let offsets = next_offsets("topic", read.into_iter());
        let mut next: Vec<_> =
            offsets.elements().iter().map(|element| (element.partition(), element.offset())).collect();
        next.sort_unstable_by_key(|(partition, _)| *partition);
        assert_eq!(next, [(0, Offset::Offset(10)), (3, Offset::Offset(3))]);
    }
}
