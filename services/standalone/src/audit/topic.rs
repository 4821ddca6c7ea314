//! The Kafka topic: every event is in it, each was heard, and it is in order.

use super::{Failed, Outcome, Promise};
use crate::SERVICES;
use chassis::bus::KafkaSettings;
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::Headers,
};
use shared_events::Envelope;
use sqlx::{AssertSqlSafe, PgConnection, types::Uuid};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};
use tokio::task::spawn_blocking;

/// Kafka's own patience is minutes.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Next offset by partition.
type Offsets = BTreeMap<i32, i64>;

fn consumer(settings: &KafkaSettings, group: &str) -> Result<BaseConsumer, rdkafka::error::KafkaError> {
    ClientConfig::new()
        .set("bootstrap.servers", &settings.bootstrap_servers)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("log_level", "3")
        .create()
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Result<Vec<i32>, Failed> {
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT)?;
    Ok(metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions())
        .map(|partition| partition.id())
        .collect())
}

/// Where the topic ends now. A partition that nothing was ever written to ends at 0.
fn ends(consumer: &BaseConsumer, topic: &str) -> Result<Offsets, Failed> {
    let end = |partition| Ok((partition, consumer.fetch_watermarks(topic, partition, TIMEOUT)?.1));
    partitions(consumer, topic)?.into_iter().map(end).collect()
}

/// How far each service has read.
pub(super) async fn positions(settings: &KafkaSettings) -> Result<Vec<(&'static str, Offsets)>, Failed> {
    let settings = settings.clone();
    spawn_blocking(move || {
        let mut positions = Vec::new();
        for service in SERVICES {
            let name = service().name;
            let consumer = consumer(&settings, &format!("{}{name}", settings.group_prefix))?;
            let mut wanted = TopicPartitionList::new();
            for partition in partitions(&consumer, &settings.topic)? {
                wanted.add_partition(&settings.topic, partition);
            }
            let committed = consumer.committed_offsets(wanted, TIMEOUT)?;
            let offsets = committed.elements().into_iter().map(|element| {
                let Offset::Offset(offset) = element.offset() else { return (element.partition(), 0) };
                (element.partition(), offset)
            });
            positions.push((name, offsets.collect()));
        }
        Ok(positions)
    })
    .await?
}

/// Where the topic ends now, and who has not read so far; None when everybody has. Asked after the positions, so that
/// those who were at the end then had heard all that was told before.
pub(super) async fn behind(
    settings: &KafkaSettings,
    positions: Vec<(&'static str, Offsets)>,
) -> Result<(Offsets, Option<String>), Failed> {
    let settings = settings.clone();
    let ends = spawn_blocking(move || ends(&consumer(&settings, "audit")?, &settings.topic)).await??;
    let lag = |offsets: &Offsets| {
        let behind = |(partition, end): (&i32, &i64)| end - offsets.get(partition).copied().unwrap_or(0);
        ends.iter().map(behind).sum::<i64>()
    };
    let late = positions.iter().map(|(name, offsets)| (name, lag(offsets))).filter(|(_, lag)| *lag != 0);
    let late: Vec<_> = late.map(|(name, lag)| format!("{name} is {lag} events behind")).collect();
    Ok((ends, (!late.is_empty()).then(|| late.join(", "))))
}

/// One record of the topic.
#[derive(Debug, Clone)]
pub(super) struct Record {
    event: Envelope,
    key: String,
    partition: i32,
}

/// All records, in the order of each partition.
#[derive(Debug, Default)]
pub(super) struct Topic {
    records: Vec<Record>,
    /// Records that are no events.
    foreign: Vec<String>,
}

impl Topic {
    /// Reads the topic from its beginning up to those ends.
    pub(super) async fn read(settings: &KafkaSettings, ends: Offsets) -> Result<Self, Failed> {
        let settings = settings.clone();
        spawn_blocking(move || Self::read_blocking(&settings, &ends)).await?
    }

    fn read_blocking(settings: &KafkaSettings, ends: &Offsets) -> Result<Self, Failed> {
        let consumer = consumer(settings, "audit")?;
        let mut assignment = TopicPartitionList::new();
        for partition in ends.keys() {
            assignment.add_partition_offset(&settings.topic, *partition, Offset::Beginning)?;
        }
        consumer.assign(&assignment)?;
        let mut unread: HashSet<_> =
            ends.iter().filter(|(_, end)| **end > 0).map(|(partition, _)| *partition).collect();
        let mut topic = Self::default();
        while !unread.is_empty() {
            let message = consumer.poll(TIMEOUT).ok_or("the topic could not be read to its end")??;
            let (partition, offset) = (message.partition(), message.offset());
            let end = ends.get(&partition).copied().unwrap_or_default();
            if offset + 1 >= end {
                unread.remove(&partition);
            }
            if offset >= end {
                continue;
            }
            let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
            let pairs = headers.filter_map(|header| Some((header.key, str::from_utf8(header.value?).ok()?)));
            match Envelope::from_record(message.payload().unwrap_or_default(), pairs, Uuid::nil()) {
                Ok(event) if !event.id.is_nil() => {
                    let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
                    topic.records.push(Record { event, key, partition });
                }
                _ => topic.foreign.push(format!("partition {partition}, offset {offset}: no event of ours")),
            }
        }
        Ok(topic)
    }
}

/// What the services say they have heard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// By service: the types it reacts to, and its inbox.
    inboxes: Vec<(&'static str, &'static [&'static str], HashSet<Uuid>)>,
    /// mypage's history: what each event said.
    history: HashMap<Uuid, String>,
}

impl Heard {
    pub(super) async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let mut heard = Self::default();
        for service in SERVICES {
            let service = service();
            let sql = AssertSqlSafe(format!("select event_id from {}.inbox", service.name));
            let inbox: Vec<Uuid> = sqlx::query_scalar(sql).fetch_all(&mut *connection).await?;
            heard.inboxes.push((service.name, service.reactions.types(), inbox.into_iter().collect()));
        }
        let history: Vec<_> =
            sqlx::query_as("select event_id, value from mypage.history").fetch_all(connection).await?;
        heard.history = history.into_iter().collect();
        Ok(heard)
    }
}

/// The checks of the topic.
pub(super) const PROMISES: [Promise; 5] = [
    Promise { name: "topic-has-only-events", holds: "Nothing but events is in the topic." },
    Promise {
        name: "topic-has-every-event",
        holds: "Each event that had an effect is in the topic, and says there what it said to mypage.",
    },
    Promise {
        name: "topic-was-heard-once",
        holds: "Each service has had in its inbox, once, what the topic has for it, and nothing else.",
    },
    Promise {
        name: "topic-is-keyed-by-post",
        holds: "Each event has its post as its key, and all of a post are in one partition.",
    },
    Promise {
        name: "topic-is-in-order",
        holds: "A publisher's events of one thing stand in the topic in the order in which they happened.",
    },
];

/// The findings of each.
pub(super) fn checks(topic: &Topic, heard: &Heard) -> Vec<Outcome> {
    let mut first = HashMap::new();
    for (place, record) in topic.records.iter().enumerate() {
        first.entry(record.event.id).or_insert((place, record));
    }
    let mut missing = Vec::new();
    for (id, value) in &heard.history {
        match first.get(id) {
            None => missing.push(format!("event {id} had its effect and is not in the topic: {value}")),
            Some((_, record)) if record.event.value != *value => {
                missing.push(format!(
                    "event {id} says {} in the topic, {value} in the history",
                    record.event.value
                ));
            }
            Some(_) => {}
        }
    }
    let mut unheard = Vec::new();
    for (service, types, inbox) in &heard.inboxes {
        let due = |record: &Record| types.contains(&record.event.event_type.as_str());
        let told: HashSet<_> =
            first.iter().filter(|(_, (_, record))| due(record)).map(|(id, _)| *id).collect();
        unheard.extend(told.difference(inbox).map(|id| format!("{service} has not heard event {id}")));
        unheard.extend(
            inbox
                .difference(&told)
                .map(|id| format!("{service} heard event {id}, which is not in the topic")),
        );
    }
    let mut homes = HashMap::new();
    let mut astray = Vec::new();
    let (mut latest, mut disorder) = (HashMap::new(), Vec::new());
    let mut events: Vec<_> = first.values().collect();
    events.sort_unstable_by_key(|(place, _)| *place);
    for (_, record) in events {
        let (event, home) = (&record.event, homes.entry(&record.key).or_insert(record.partition));
        if record.key != event.post_id.to_string() || *home != record.partition {
            astray.push(format!(
                "event {} of post {}: key {}, partition {}",
                event.id, event.post_id, record.key, record.partition
            ));
        }
        let before = latest.insert(aggregate(event), event.time.epoch_millis());
        if before.is_some_and(|before| before > event.time.epoch_millis()) {
            disorder.push(format!(
                "{} {} of {} comes after a later one of {:?}",
                event.event_type,
                event.id,
                event.time,
                aggregate(event)
            ));
        }
    }
    let (records, events) = (topic.records.len(), first.len());
    let looked_at = [records, heard.history.len(), events, records, events];
    let findings = [topic.foreign.clone(), missing, unheard, astray, disorder];
    let outcomes = PROMISES.into_iter().zip(looked_at).zip(findings);
    outcomes.map(|((promise, looked_at), findings)| Outcome::of(promise, looked_at, findings)).collect()
}

/// What an event is of, to its publisher: things of one kind have an order each.
fn aggregate(event: &Envelope) -> (String, &'static str, i64) {
    let value: serde_json::Value = serde_json::from_str(&event.value).unwrap_or_default();
    let own: &[&str] = match event.source.as_str() {
        "post" => &[],
        "offer" => &["offerId", "wishlistId", "messageId"],
        _ => &["paymentId", "reviewId", "dealId"],
    };
    // A message that goes with an answer names the offer too, and is none of its steps.
    let own = if event.event_type == "MessageSent" { &["messageId"] } else { own };
    let found = own.iter().find_map(|field| Some((*field, value[*field].as_i64()?)));
    let (field, id) = found.unwrap_or(("postId", event.post_id));
    (event.source.clone(), field, id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_events::WireDate;

    /// Three events of post 7, as they should be: written, wished for, its wish counted.
    fn sound() -> (Topic, Heard) {
        let record = |number: u128, event_type: &str, source: &str, value: &str| Record {
            event: Envelope {
                id: Uuid::from_u128(number),
                event_type: event_type.to_owned(),
                source: source.to_owned(),
                time: WireDate::from_epoch_millis(i64::try_from(number).unwrap()).unwrap(),
                post_id: 7,
                traceparent: None,
                tracestate: None,
                value: value.to_owned(),
            },
            key: "7".to_owned(),
            partition: 3,
        };
        let records = vec![
            record(1, "PostWrote", "post", "{}"),
            record(2, "WishlistAdded", "offer", r#"{"wishlistId": 1}"#),
            record(3, "LikeCntUpdated", "post", "{}"),
            // At least once.
            record(1, "PostWrote", "post", "{}"),
        ];
        let ids = |numbers: &[u128]| numbers.iter().map(|number| Uuid::from_u128(*number)).collect();
        let heard = Heard {
            inboxes: vec![
                ("mypage", &["PostWrote", "LikeCntUpdated"], ids(&[1, 3])),
                ("post", &["WishlistAdded"], ids(&[2])),
            ],
            history: [1, 3].map(|number| (Uuid::from_u128(number), "{}".to_owned())).into(),
        };
        (Topic { records, foreign: Vec::new() }, heard)
    }

    #[test]
    fn each_fault_is_found_by_its_check_alone() {
        type Fault = fn(&mut Topic, &mut Heard);
        let faults: [(&[&str], Fault); 10] = [
            (&[], |_, _| {}),
            (&["topic-has-only-events"], |topic, _| topic.foreign.push("?".to_owned())),
            (&["topic-has-every-event"], |topic, _| topic.records[2].event.value = "{ }".to_owned()),
            (&["topic-has-every-event", "topic-was-heard-once"], |topic, _| drop(topic.records.remove(2))),
            (&["topic-was-heard-once"], |topic, _| drop(topic.records.remove(1))),
            (&["topic-was-heard-once"], |_, heard| heard.inboxes[1].2.clear()),
            (&["topic-is-keyed-by-post"], |topic, _| topic.records[1].key = "8".to_owned()),
            (&["topic-is-keyed-by-post"], |topic, _| topic.records[2].partition = 4),
            (&["topic-is-in-order"], |topic, _| {
                topic.records[2].event.time = WireDate::from_epoch_millis(0).unwrap()
            }),
            // Of another publisher there is no order.
            (&[], |topic, _| topic.records[1].event.time = WireDate::from_epoch_millis(0).unwrap()),
        ];
        for (number, (expected, plant)) in faults.into_iter().enumerate() {
            let (mut topic, mut heard) = sound();
            plant(&mut topic, &mut heard);
            let found = checks(&topic, &heard).into_iter().filter(|outcome| !outcome.findings.is_empty());
            assert_eq!(
                found.map(|outcome| outcome.promise.name).collect::<Vec<_>>(),
                expected,
                "fault {number}"
            );
        }
    }
}
