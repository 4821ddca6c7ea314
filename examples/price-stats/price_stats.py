#!/usr/bin/env python3
"""What things cost in the neighbourhood: average prices per keyword, from the marketplace's events.

    price_stats.py follow                  reads the topic, for as long as it runs
    price_stats.py follow --until-caught-up
    price_stats.py show [KEYWORD]          what is known so far

A keyword is a word of a post's goods. What sellers ask (of posts that are up) and what buyers paid (deals that ended) are
told apart. Everything is kept in one SQLite file, the place in the topic with it: an event and the fact that it was
read are committed together, so a crash neither loses nor doubles one, whatever Kafka believes we have read.
"""

import argparse
import json
import os
import signal
import sqlite3
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

SCHEMA = """
create table if not exists place (partition integer primary key, next integer not null);
create table if not exists post (post_id integer primary key, goods text not null, price integer, up integer not null);
create table if not exists sale (deal_id integer primary key, post_id integer not null, price integer not null, qty integer not null);
"""


def open_store(path):
    store = sqlite3.connect(path, isolation_level=None)
    store.executescript(SCHEMA)
    return store


# One function for each event that matters here. Events of one publisher and post come in order; a deal's may come before
# its post's, so no table waits for another.


def post_is(store, event):
    """PostWrote and PostEdited say all there is to know of a post."""
    store.execute(
        "insert into post values (:postId, :goods, :price, 1)"
        " on conflict (post_id) do update set goods = excluded.goods, price = excluded.price",
        event,
    )


def post_is_up(up):
    return lambda store, event: store.execute("update post set up = ? where post_id = ?", (up, event["postId"]))


def status_updated(store, event):
    if event["status"] == "dealEnded":
        post_is_up(False)(store, event)


def deal_ended(store, event):
    store.execute("insert or ignore into sale values (:dealId, :postId, :price, :qty)", event)


REACTIONS = {
    "PostWrote": post_is,
    "PostEdited": post_is,
    "PostShown": post_is_up(True),
    "PostHidden": post_is_up(False),
    "PostDeleted": post_is_up(False),
    "StatusUpdated": status_updated,
    "DealEnded": deal_ended,
}


def react(store, message):
    """One transaction: the effect of a record, and that it was read."""
    headers = dict(message.headers() or [])
    event_type = headers.get("type", b"").decode()
    store.execute("begin immediate")
    try:
        # Types we do not know are none of our business, today's and tomorrow's.
        if event_type in REACTIONS:
            try:
                REACTIONS[event_type](store, json.loads(message.value()))
            except (ValueError, KeyError, sqlite3.ProgrammingError, sqlite3.IntegrityError) as fault:
                place = f"partition {message.partition()} offset {message.offset()}"
                print(f"passed over: a {event_type} at {place} is none: {fault!r}", file=sys.stderr)
        store.execute(
            "insert into place values (?, ?) on conflict (partition) do update set next = excluded.next",
            (message.partition(), message.offset() + 1),
        )
    except BaseException:
        store.execute("rollback")
        raise
    store.execute("commit")


def assign_where_we_were(store):
    def assign(consumer, partitions):
        places = dict(store.execute("select partition, next from place"))
        consumer.assign(
            [TopicPartition(p.topic, p.partition, places.get(p.partition, OFFSET_BEGINNING)) for p in partitions]
        )

    return assign


def follow(store, brokers, topic, group, until_caught_up):
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            # A group of its own: it sees every event, and nothing changes for anybody else.
            "group.id": group,
            # There is one of us, which gets its partitions back at once after a crash.
            "group.instance.id": group,
            "auto.offset.reset": "earliest",
            # What is committed is for those who watch the lag; we go by our own store.
            "enable.auto.commit": True,
            "enable.partition.eof": True,
        }
    )
    consumer.subscribe([topic], on_assign=assign_where_we_were(store))
    at_end = set()
    try:
        while True:
            message = consumer.poll(1.0)
            if message is None:
                continue
            if message.error():
                if message.error().code() == KafkaError._PARTITION_EOF:
                    at_end.add(message.partition())
                    if until_caught_up and len(at_end) == len(consumer.assignment()):
                        return
                elif not message.error().retriable() and message.error().fatal():
                    raise KafkaException(message.error())
                else:
                    print(f"waiting: {message.error().str()}", file=sys.stderr)
                continue
            at_end.discard(message.partition())
            react(store, message)
    finally:
        consumer.close()


def statistics(store):
    """keyword → posts that are up, what they ask, units sold, what was paid; averages in whole won."""
    found = {}

    def line(word):
        return found.setdefault(word, {"posts": 0, "asked": 0, "sold": 0, "paid": 0})

    for goods, price in store.execute("select goods, price from post where up and price is not null"):
        for word in set(goods.split()):
            line(word)["posts"] += 1
            line(word)["asked"] += price
    for goods, price, qty in store.execute("select goods, sale.price, qty from sale join post using (post_id)"):
        for word in set(goods.split()):
            line(word)["sold"] += qty
            line(word)["paid"] += price * qty
    return {
        word: {
            "posts": sums["posts"],
            "averageAsked": round(sums["asked"] / sums["posts"]) if sums["posts"] else None,
            "sold": sums["sold"],
            "averagePaid": round(sums["paid"] / sums["sold"]) if sums["sold"] else None,
        }
        for word, sums in sorted(found.items())
    }


def main():
    parser = argparse.ArgumentParser(description="Average prices per keyword, from the marketplace's events.")
    parser.add_argument("--store", default=os.environ.get("PRICE_STATS_STORE", "price-stats.sqlite"))
    commands = parser.add_subparsers(dest="command", required=True)
    following = commands.add_parser("follow", help="read the topic")
    following.add_argument("--brokers", default=os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092"))
    following.add_argument("--topic", default=os.environ.get("KAFKA_TOPIC", "secondhandtrading"))
    following.add_argument("--group", default="price-stats", help="consumer group; one for each store")
    following.add_argument("--until-caught-up", action="store_true", help="stop when there is nothing more to read")
    showing = commands.add_parser("show", help="what is known so far, as JSON")
    showing.add_argument("keyword", nargs="?")
    given = parser.parse_args()

    store = open_store(given.store)
    if given.command == "follow":
        # `docker stop` and Ctrl-C end alike: the group is left, the file is whole.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            follow(store, given.brokers, given.topic, given.group, given.until_caught_up)
        except KeyboardInterrupt:
            pass
    else:
        known = statistics(store)
        if given.keyword:
            known = {given.keyword: known.get(given.keyword)}
        print(json.dumps(known, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
