//! How far a consumer is behind, as librdkafka's own statistics tell it.

use prometheus::IntGaugeVec;
use rdkafka::{ClientContext, Statistics, consumer::ConsumerContext, statistics::Partition};

/// How often librdkafka tells, in milliseconds: as a setting wants it.
pub(super) const EVERY: &str = "5000";

/// Notes the lag of the partitions that this consumer has at the moment.
pub(super) struct Lag(pub(super) IntGaugeVec);

impl ClientContext for Lag {
    fn stats(&self, statistics: Statistics) {
        let partitions = statistics.topics.values().flat_map(|topic| topic.partitions.values());
        // Number −1 stands for records that have no partition yet.
        for partition in partitions.filter(|partition| partition.partition >= 0) {
            let label = partition.partition.to_string();
            match lag(partition) {
                Some(lag) => self.0.with_label_values(&[label]).set(lag),
                // Another replica has it, and tells. Fails when it was never here.
                None => drop(self.0.remove_label_values(&[label])),
            }
        }
    }
}

impl ConsumerContext for Lag {}

/// Events that wait for their reaction, in a partition that is being read.
///
/// Not librdkafka's `consumer_lag`, which knows nothing until the first commit: a consumer that fails at the very first
/// event would seem to be up to date.
fn lag(partition: &Partition) -> Option<i64> {
    let end = partition.ls_offset;
    let reached = [partition.stored_offset, partition.committed_offset, partition.lo_offset];
    let reached = reached.into_iter().find(|offset| *offset >= 0)?;
    (partition.fetch_state == "active" && end >= 0).then(|| (end - reached).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_reaction_yet_is_the_lag() {
        let partition =
            |fetch_state: &str, stored_offset, committed_offset, lo_offset, ls_offset| Partition {
                fetch_state: fetch_state.to_owned(),
                stored_offset,
                committed_offset,
                lo_offset,
                ls_offset,
                ..Partition::default()
            };
        const NONE: i64 = -1001;
        for (partition, expected) in [
            (partition("active", 7, 5, 0, 10), Some(3)),
            (partition("active", NONE, 5, 0, 10), Some(5)),
            (partition("active", NONE, NONE, 2, 10), Some(8)),
            (partition("active", 10, 10, 0, 10), Some(0)),
            (partition("active", 10, 10, 0, NONE), None),
            (partition("none", 7, 5, 0, 10), None),
        ] {
            assert_eq!(lag(&partition), expected, "{partition:?}");
        }
    }
}
