"""What is published is what the documents say: the agreed examples, and every record of a topic.

    records.py                                    the examples in events.jsonl
    records.py --brokers localhost:9092           and all that is on the topic by now
"""

import argparse
import json
import pathlib
import sys

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

ROOT = pathlib.Path(__file__).resolve().parent.parent


def validators():
    """Event type → validator of its value; and the one of the headers."""
    documents = {path.name: json.loads(path.read_text()) for path in (ROOT / "schemas").glob("*.json")}
    registry = Registry().with_resources((name, Resource.from_contents(schema)) for name, schema in documents.items())
    asyncapi = json.loads((ROOT / "asyncapi.json").read_text())
    values = {}
    for event_type, message in asyncapi["components"]["messages"].items():
        schema = documents[pathlib.PurePath(message["payload"]["$ref"]).name]
        Draft202012Validator.check_schema(schema)
        values[event_type] = Draft202012Validator(
            schema, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER
        )
    return values, Draft202012Validator(asyncapi["components"]["schemas"]["headers"])


def faults_of(validator, instance):
    return [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(instance)]


def records(brokers, topic):
    """Everything on the topic up to now."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

    consumer = Consumer(
        {"bootstrap.servers": brokers, "group.id": "nobody", "enable.auto.commit": False, "enable.partition.eof": True}
    )
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    ended = set()
    while len(ended) < len(partitions):
        message = consumer.poll(10)
        if message is None:
            sys.exit("Kafka does not answer")
        if not message.error():
            yield message
        elif message.error().code() == KafkaError._PARTITION_EOF:
            ended.add(message.partition())
        else:
            sys.exit(str(message.error()))
    consumer.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--brokers")
    parser.add_argument("--topic", default="secondhandtrading")
    given = parser.parse_args()

    values, headers = validators()
    found = []
    examples = [json.loads(line) for line in (ROOT / "tests" / "events.jsonl").read_text().splitlines()]
    for example in examples:
        found += [f"{example['eventType']}, the example: {fault}" for fault in faults_of(values[example["eventType"]], example)]
        # A validator that lets everything pass proves nothing.
        for field in values[example["eventType"]].schema["required"]:
            if not faults_of(values[example["eventType"]], {**example, field: []}):
                found.append(f"{example['eventType']}: a list as {field} is let through")
    print(f"{len(examples)} examples")

    seen = {}
    for record in records(given.brokers, given.topic) if given.brokers else []:
        where = f"partition {record.partition()} offset {record.offset()}"
        head = {name: value.decode() for name, value in record.headers() or []}
        value = json.loads(record.value())
        event_type = head.get("type")
        seen[event_type] = seen.get(event_type, 0) + 1
        if event_type not in values:
            found.append(f"{where}: {event_type} is in no document")
            continue
        found += [f"{where}, headers of a {event_type}: {fault}" for fault in faults_of(headers, head)]
        found += [f"{where}, a {event_type}: {fault}" for fault in faults_of(values[event_type], value)]
        if list(value) != list(values[event_type].schema["properties"]):
            found.append(f"{where}, a {event_type}: its fields are {list(value)}")
        if record.key().decode() != str(value.get("postId")):
            found.append(f"{where}, a {event_type}: its key is {record.key()}")
    if given.brokers:
        print(f"{sum(seen.values())} records of {len(seen)} types")

    for fault in found[:20]:
        print(fault, file=sys.stderr)
    sys.exit(1 if found or (given.brokers and not seen) else 0)


if __name__ == "__main__":
    main()
