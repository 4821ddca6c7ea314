"""The statistics, against a real marketplace on a real Kafka.

    GATEWAY=http://localhost:8088 KAFKA_BOOTSTRAP_SERVERS=localhost:9092 python3 -m unittest
"""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
import uuid

from confluent_kafka import Producer

HERE = pathlib.Path(__file__).parent
GATEWAY = os.environ["GATEWAY"]
BROKERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
TOPIC = os.environ.get("KAFKA_TOPIC", "secondhandtrading")
WITHIN = 30


def ask(method, path, body):
    request = urllib.request.Request(
        GATEWAY + path, json.dumps(body).encode(), {"content-type": "application/json"}, method=method
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


class PriceStats(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        # A word that nobody else has used.
        self.word = f"자전거{uuid.uuid4().hex}"

    def run_stats(self, store, *arguments):
        command = [sys.executable, HERE / "price_stats.py", "--store", self.folder / store, *arguments]
        if "follow" in arguments:
            command += ["--group", f"{self.word}-{store}"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def output(self, store, *arguments):
        out, err = self.run_stats(store, *arguments).communicate(timeout=60)
        return out, err

    def shown(self, store):
        return json.loads(self.output(store, "show", self.word)[0])[self.word]

    def known(self, store="stats.sqlite"):
        self.output(store, "follow", "--until-caught-up")
        return self.shown(store)

    def eventually(self, expected):
        until = time.monotonic() + WITHIN
        while (known := self.known()) != expected:
            self.assertLess(time.monotonic(), until, f"{known} has not become {expected}")

    def post(self, price, **more):
        return ask("POST", "/posts", {"userId": "seller01", "goods": f"{self.word} 20인치", "price": price, **more})

    def test_what_is_asked_and_what_was_paid(self):
        first, second = self.post(100_000), self.post(200_000, qty=2)
        self.eventually({"posts": 2, "averageAsked": 150_000, "sold": 0, "averagePaid": None})

        ask("PATCH", f"/posts/{first['postId']}", {"price": 120_000})
        self.eventually({"posts": 2, "averageAsked": 160_000, "sold": 0, "averagePaid": None})

        offer = {"userId": "buyer01", "offerType": "priceNegotiated", "offeredPrice": 90_000}
        offer = ask("POST", "/offers", {"postId": first["postId"], **offer})
        ask("PATCH", f"/offers/{offer['offerId']}", {"offerStatus": "offerAccepted"})
        deal = ask("POST", "/deals", {"offerId": offer["offerId"], "postId": first["postId"], "userId": "buyer01"})
        ask("PATCH", f"/deals/{deal['dealId']}", {"status": "dealEnded"})
        self.eventually({"posts": 1, "averageAsked": 200_000, "sold": 1, "averagePaid": 90_000})

        ask("PATCH", f"/posts/{second['postId']}", {"hidden": True})
        self.eventually({"posts": 0, "averageAsked": None, "sold": 1, "averagePaid": 90_000})

    def test_killed_again_and_again_it_counts_each_event_once(self):
        for price in range(10_000, 40_000, 1_000):
            self.post(price)
        for _ in range(5):
            following = self.run_stats("killed.sqlite", "follow")
            try:
                following.wait(timeout=random.uniform(0.5, 1.5))
            except subprocess.TimeoutExpired:
                following.send_signal(signal.SIGKILL)
            following.communicate()
        self.assertTrue(self.shown("killed.sqlite"), "it was never killed at work")
        expected = {"posts": 30, "averageAsked": 24_500, "sold": 0, "averagePaid": None}
        self.eventually(expected)
        self.assertEqual(self.known("killed.sqlite"), expected)

    def test_what_is_no_event_is_passed_over(self):
        producer = Producer({"bootstrap.servers": BROKERS})
        for headers, value in [
            ([("type", b"PostWrote")], b"not JSON"),
            ([("type", b"PostWrote")], b'{"eventType":"PostWrote","postId":0}'),
            ([("type", b"SomethingNew")], b"{}"),
            ([], b""),
        ]:
            producer.produce(TOPIC, key=b"0", value=value, headers=headers)
        producer.flush(10)
        self.post(5_000)
        self.eventually({"posts": 1, "averageAsked": 5_000, "sold": 0, "averagePaid": None})

    def test_it_ends_when_it_is_told_to(self):
        following = self.run_stats("ended.sqlite", "follow")
        self.post(1_000)
        while not self.shown("ended.sqlite") and following.poll() is None:
            time.sleep(0.1)
        following.terminate()
        following.communicate(timeout=30)
        self.assertEqual(following.returncode, 0)


if __name__ == "__main__":
    unittest.main()
