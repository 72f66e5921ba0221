"""The crowd of tests/load.py: Locust's people, each with a seat of its own, as phones come in and vote.

Its own process, because Locust's gevent changes sockets and threads of whoever loads it.
"""

import json
import random
import sys
import time
from socket import IPPROTO_TCP, TCP_NODELAY
from uuid import uuid4

import gevent
from geventhttpclient.connectionpool import ConnectionPool
from locust import FastHttpUser, constant, task
from locust.env import Environment
from locust.exception import StopUser

GIVEN = json.loads(sys.stdin.read())
AT = f"/api/{GIVEN['code']}"
AGAIN = 0.5  # seconds between an answer and the next look
BEGAN = time.monotonic()
sent: list[str] = []


def at_once(self, sock):
    """As browsers do: otherwise the second half of a request waits 40 ms until the first one is acknowledged."""
    sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)


ConnectionPool.after_connect = at_once


class Phone(FastHttpUser):
    """Joins at a moment of its own in the first seconds; then votes once in the same second as all, or at its pace."""

    host = GIVEN["address"]
    wait_time = constant(0)
    connection_timeout = network_timeout = 30.0
    looking = None

    def on_start(self):
        gevent.sleep(random.uniform(0, GIVEN["joining"]))
        self.post("join", {})
        with self.client.get(f"{AT}/me", name="me", catch_response=True) as answer:
            seen = answer.json()
        self.version = seen["version"]
        self.asked = [question["key"] for question in seen["questions"]]

    @task
    def take_part(self):
        if not GIVEN["think"]:
            gevent.sleep(BEGAN + GIVEN["joining"] + 2 + random.random() - time.monotonic())
            self.vote(self.asked[0])
            raise StopUser
        if not self.looking:
            self.looking = gevent.spawn(self.look)
        gevent.sleep(random.uniform(0.5, 1.5) * GIVEN["think"])
        self.vote(random.choice(self.asked))

    def look(self):
        """As a phone does beside all else: ask for news, and be kept waiting for some."""
        while True:
            answer = self.client.get(f"{AT}/me?seen={self.version}&hold", name="look")
            if answer.status_code == 200:  # whatever else is counted as a failure
                self.version = answer.json()["version"]
            gevent.sleep(AGAIN * random.uniform(0.7, 1.3))

    def on_stop(self):
        if self.looking:
            self.looking.kill()

    def vote(self, question):
        id = uuid4().hex
        says = {"answer": "Better", "winner": random.randrange(2)}
        if self.post("vote", {"question": question, "says": says, "id": id}):
            sent.append(id)

    def post(self, path, body):
        with self.client.post(f"{AT}/{path}", json=body, name=path, catch_response=True) as answer:
            kept = answer.status_code == 200
            if not kept:
                answer.failure(f"{answer.status_code} {answer.text[:200] if answer.text else ''}")
        return kept


def main():
    environment = Environment(user_classes=[Phone])
    runner = environment.create_local_runner()
    runner.start(GIVEN["voters"], spawn_rate=GIVEN["voters"])
    if GIVEN["think"]:
        gevent.sleep(GIVEN["joining"] + 60 * GIVEN["minutes"])
    else:
        gevent.sleep(GIVEN["joining"] + 3)
        while runner.user_count:  # each stops when it has voted
            gevent.sleep(0.1)
    runner.stop()
    stats = environment.stats
    vote, join = stats.get("vote", "POST"), stats.get("join", "POST")
    for error in environment.stats.errors.values():
        print(error.to_dict(), file=sys.stderr)
    print(
        json.dumps(
            {
                "requests": stats.total.num_requests,
                "failures": stats.total.num_failures,
                "crowd_cpu": round(time.process_time(), 2),
                "votes_sent": len(sent),
                "join_slowest": join.max_response_time / 1000,
                "vote_median": vote.get_response_time_percentile(0.5) / 1000,
                "vote_p95": vote.get_response_time_percentile(0.95) / 1000,
                "vote_slowest": vote.max_response_time / 1000,
            }
        )
    )


if __name__ == "__main__":
    main()
