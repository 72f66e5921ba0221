"""kill -9 at any moment: what was acknowledged is there, once, and voting goes on.

The process that dies prints the id of each vote when `append` has returned; what it printed is what a learner
has seen to be counted.
"""

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random
from time import perf_counter

import pytest
from kernel_client import running_kernel

from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import Better, Question, Vote

# Forks a child for each line it reads: an import each would take longer than all the rest.
VOTING = """
import os, sys
from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import Better, Question, Undo, Vote

def say(line):
    os.write(1, f"{line}\\n".encode())  # whole, as print may not be: parent and child speak at once

def work(kind, path, source):
    store = FeedbackStore(path)
    say("ready")
    if kind == "merge":
        store.merge(source)
    for number in range(10**9):
        cast = Vote(Question("pair", f"prompt {number}", ("yes", "no")), Better(0), (0, 1), "you")
        store.append(cast)
        say(cast.id)
        if number % 3 == 2:
            say(store.undo(cast).id)

FeedbackStore(sys.argv[1]).close()  # loads what is loaded at the first use
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        work(*line.split())
    say(f"pid {pid}")
    os.waitpid(pid, 0)
    say("dead")
"""


@pytest.fixture(scope="module")
def voting(tmp_path_factory):
    command = [sys.executable, "-c", VOTING, str(tmp_path_factory.mktemp("voting") / "votes.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()


def killed(voting, kind, path, source, lines, seconds):
    """Let a process work, kill it when it has said so many lines and a moment later; what it acknowledged in all."""
    voting.stdin.write(f"{kind} {path} {source}\n")
    voting.stdin.flush()
    said, pid = [], 0
    while not pid or len(said) < lines:
        line = voting.stdout.readline().strip()
        assert line not in ("", "dead"), "it died before it was killed: what it says is on stderr"
        if line.startswith("pid"):
            pid = int(line.split()[1])
        else:
            said.append(line)
    began = perf_counter()
    while perf_counter() < began + seconds:  # not a sleep, which is never as short as this
        pass
    os.kill(pid, signal.SIGKILL)
    while "dead" not in said:
        said.append(voting.stdout.readline().strip())
    return [line for line in said if line not in ("ready", "dead")]


def state_of(path):
    """The ids of all events once the next notebook has opened it, and the database's own opinion of itself."""
    FeedbackStore(path).close()
    with closing(sqlite3.connect(path)) as connection:
        (opinion,) = connection.execute("PRAGMA integrity_check").fetchone()
        return Counter(id for (id,) in connection.execute("SELECT id FROM events")), opinion


@pytest.mark.slow
def test_a_process_killed_a_hundred_times_keeps_every_vote_it_acknowledged(voting, tmp_path):
    rng, path = Random(0), tmp_path / "votes.db"
    acknowledged, amid = [], 0
    for kill in range(1, 101):
        acknowledged += killed(voting, "vote", path, path, rng.randrange(1, 13), rng.uniform(0, 0.004))
        amid += Path(f"{path}-journal").exists()
        ids, opinion = state_of(path)
        assert opinion == "ok"
        assert set(ids.values()) == {1}
        assert set(acknowledged) <= set(ids)
        assert len(ids) <= len(acknowledged) + kill  # on disk, and dead before it could be said
    assert len(acknowledged) == len(set(acknowledged)) > 500
    with closing(FeedbackStore(path)) as store:
        assert Counter(event.id for event in store.events()) == ids  # every one can be read, too
    assert amid > 10, "most of these deaths shall be in the middle of writing"


def test_a_file_killed_while_it_is_made_can_be_opened(voting, tmp_path):
    rng = Random(0)
    for number in range(20):
        path = tmp_path / f"{number}.db"
        acknowledged = killed(voting, "vote", path, path, 0, rng.uniform(0, 0.03))
        ids, opinion = state_of(path)
        assert opinion == "ok"
        assert set(acknowledged) <= set(ids)


def test_a_merge_that_is_killed_takes_all_or_nothing(voting, tmp_path):
    rng, source = Random(0), tmp_path / "source.db"
    with closing(FeedbackStore(source)) as store:
        for number in range(150):
            store.append(Vote(Question("pair", f"{number}", ("a", "b")), Better(0), (0, 1), "class"))
    taken = Counter()
    for number in range(20):
        path = tmp_path / f"{number}.db"
        killed(voting, "merge", path, source, 1, rng.uniform(0, 0.04))
        with closing(FeedbackStore(path)) as store:
            taken[len(store.votes(voter="class"))] += 1
            assert store.merge(source) in (0, 150)
            assert len(store.votes(voter="class")) == 150
        assert state_of(path)[1] == "ok"
    assert set(taken) <= {0, 150}
    assert taken[0] > 2, "some of these deaths shall come before the end"


CELL = """
from minirlhf.feedback.card.session import Session
from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import Question
questions = [Question("pair", f"prompt {{n}}", ("yes", "no")) for n in range(400)]
session = Session(questions, FeedbackStore({path!r}))
print("answered", session.view["answered"], flush=True)
while not session.done:
    print(session.choose("AB"[session.view["answered"] % 2]).id, flush=True)
"""


@pytest.mark.slow
def test_a_kernel_killed_while_a_learner_votes_has_kept_every_vote(tmp_path):
    """The notebook's own process, five times; each time the next one goes on where it stopped."""
    rng, path = Random(1), tmp_path / "votes.db"
    acknowledged = []
    for kill in range(1, 6):
        with running_kernel() as kernel:
            cell = kernel.start(CELL.format(path=str(path)))
            lines = kernel.printed(cell)
            answered = int(next(lines).removeprefix("answered "))
            assert len(acknowledged) <= answered <= len(acknowledged) + kill - 1
            said = [next(lines) for _ in range(rng.randrange(5, 40))]
            os.kill(kernel.pid, signal.SIGKILL)
            said += "".join(
                message["content"]["text"] for message in kernel.last_words() if message["msg_type"] == "stream"
            ).split()
            acknowledged += dict.fromkeys(word for word in said if len(word) == 32)  # once each
        ids, opinion = state_of(path)
        assert opinion == "ok"
        assert set(ids.values()) == {1}
        assert set(acknowledged) <= set(ids)
        assert len(ids) <= len(acknowledged) + kill
    assert len(set(acknowledged)) == len(acknowledged) > 50
