"""A room without a model: a store, some questions, and a server that answers here or in a process of its own."""

import json
import subprocess
import sys
from contextlib import contextmanager
from uuid import uuid4

from starlette.testclient import TestClient

from minirlhf.classroom import rooms, schools
from minirlhf.classroom.app import Classroom
from minirlhf.classroom.rooms import Ballot
from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import Better, Question

ADDRESS = "http://127.0.0.1"
HOSTILE = "<img src=x onerror=alert(1)> \u202ereversed\u202c " + "long " * 80


def asked(n=6, round=1):
    """Questions whose replies are told apart by their texts, one of which wants to be markup."""
    prompts = [f"Customer: My hat {i} is too small.\nAgent:" for i in range(n)]
    replies = [(f" We send hat {i}.", HOSTILE if i == n - 1 else f" No {i}.") for i in range(n)]
    return [Question("pair", p, r, ("SFT", "SFT"), round=round) for p, r in zip(prompts, replies, strict=True)]


class OpenRoom:
    """One room on a store, whose first round is open for votes, if nothing else is said."""

    def __init__(self, where, seats=100, questions=None, opens=True, hours=4.0, title="Which is better?"):
        self.store = FeedbackStore(where)
        self.code, self.token = rooms.open_room(self.store, title, hours, seats)
        self.questions = questions or asked()
        self.change(rooms.write_down, round=1, written=self.questions)
        if opens:
            self.do("open")

    def change(self, what, **arguments):
        with self.store.connect() as connection:
            return what(connection, code=self.code, **arguments)

    def do(self, what, **wish):
        self.change(rooms.step, do=what, wish=wish)

    def sit(self, nickname=""):
        return self.change(rooms.join, nickname=nickname)["voter"]

    def cast(self, *ballots):
        return self.change(rooms.count_ballots, ballots=list(ballots))

    def votes(self):
        return rooms.votes_of(self.store, self.code)


def ballot(voter, question, says=None, id=None):
    """An answer of a phone; the first reply on its screen is better, if nothing else is said."""
    return Ballot(voter, question.key, Better(0) if says is None else says, id or uuid4().hex)


def take_back(voter, question, id=None):
    return Ballot(voter, question.key, None, id or uuid4().hex)


TWO_ANSWERS = tuple({"prompt": "My hat?", "first": f"Yes {n}.", "second": f"No {n}."} for n in range(2))
TWO_WEIGHTS = ([["one", 1.0]], [["two", 2.0]])


def two_models(room, round=1, answers=TWO_ANSWERS, weights=TWO_WEIGHTS):
    """As the learner leaves a room with two schools: answers, words and receipts that tell nobody's rule."""
    with room.store.connect() as connection:
        pupils = schools.pupils_of(connection, room.code, round)
    result = {"apart": True, "answers": answers, "weights": weights, "receipts": {each: [6, 2, 5] for each in pupils}}
    room.change(rooms.update_job, round=round, status="done", result=result)
    room.change(rooms.change, phase="trained")


@contextmanager
def served(room, prefix=""):
    """A way to ask for a page of a room: a client for each phone, all on one server, which runs in this process."""
    app = Classroom(room.store, ADDRESS, prefix).app(("127.0.0.1",))
    with TestClient(app, base_url=ADDRESS) as first:

        def phone():
            other = TestClient(app, base_url=ADDRESS)
            other.portal = first.portal  # one loop for all: a server has one
            return other

        yield phone


@contextmanager
def serving(where, port=0, prefix="", first="", stays=False):
    """A server on a store in a process of its own, which does something first: gives the process and its address."""
    command = [sys.executable, "-c", f"{first}\nfrom minirlhf.classroom.server import main; main()"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        process.stdin.write(json.dumps({"store": str(where), "port": port, "prefix": prefix, "stays": stays}) + "\n")
        process.stdin.flush()
        said = json.loads(process.stdout.readline())
        yield process, f"{ADDRESS}:{said['port']}{prefix}"
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
