"""A crowd at the classroom: how long votes take and what they cost, while a model trains on the other core.

    python tests/load.py                              # 500 join in ten seconds and vote within one
    python tests/load.py --voters 30 --think 10 --minutes 1   # a class that votes at its own pace
    python tests/load.py --voters 500 --think 10 --minutes 5  # a hall, for five minutes
    python tests/load.py --train …                    # the same while PPO trains, and what that costs PPO: the same
                                                      # updates are made once more afterwards, alone

The crowd is Locust's, in a process of its own; the server is the classroom's; its questions are hats (tests/room.py).
"""

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from math import isnan, nan
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import psutil
import tyro

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))

from room import OpenRoom, asked, serving

CROWD = Path(__file__).with_name("crowd.py")
JOINING = 10.0  # seconds in which all come in
MOST_COMPARED = 60  # updates of PPO
TRAINING = """
import json, time
from minirlhf.machine import runtime
runtime.set_wait_policy()
from minirlhf.classroom.learning import yield_to_the_server
from minirlhf.feedback.asking import write_questions
from minirlhf.feedback.simulated import PEOPLE, simulate
from minirlhf.recipes.taste import Taste, TasteConfig, learn_taste
runtime.pin_threads()
yield_to_the_server()
taste = Taste.shipped()
votes = simulate(write_questions(taste.policy, taste.prompts, taste.tokenizer, 60), PEOPLE["cheerful"])
run = learn_taste(taste, votes, TasteConfig(updates=100_000))
next(run)
while True:
    began = time.monotonic()
    next(run)
    print(json.dumps(time.monotonic() - began), flush=True)
"""


@dataclass(frozen=True)
class Load:
    """A crowd votes in one room on a server of its own."""

    voters: int = 500
    """how many people join"""
    think: float = 0.0
    """seconds between two votes of one person; 0: all vote once, within one second, and that is all"""
    minutes: float = 1.0
    """how long a crowd that thinks goes on"""
    train: bool = False
    """whether PPO trains beside it; the same updates are made once more afterwards, alone"""


@dataclass(frozen=True)
class Found:
    """What came of it."""

    requests: int
    failures: int
    votes_sent: int
    """Acknowledged by the server."""
    votes_kept: int
    """Distinct (voter, question, vote) events in the database."""
    join_slowest: float  # seconds, as all of these
    vote_median: float
    vote_p95: float
    vote_slowest: float
    crowd_cpu: float
    """Seconds of the processor that the crowd itself took: in a hall it has a processor of its own in every pocket."""
    server_cpu: float
    """Seconds of the processor that the server took from the first to the last request."""
    server_growth: float
    """MB that the server's memory grew after the first fifth of the time."""
    training_slower: float | None
    """By which share an update of PPO takes longer beside the crowd than alone."""


def measure(load: Load) -> Found:
    """Let a crowd in, and count."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        room = OpenRoom(Path(folder) / "votes.db", seats=load.voters, questions=asked(24))
        process, address = stack.enter_context(serving(room.store.where))
        updates = stack.enter_context(training_already()) if load.train else []
        server = psutil.Process(process.pid)
        memory = stack.enter_context(watched(server))
        before = sum(server.cpu_times()[:2])
        said = json.loads(crowd(address, room.code, load))
        cpu, beside = sum(server.cpu_times()[:2]) - before, list(updates)
        kept = {vote.id for vote in room.store.votes()}
    first = memory[: max(1, len(memory) // 5)]
    return Found(
        **said,
        votes_kept=len(kept),
        server_cpu=round(cpu, 2),
        server_growth=round((max(memory) - max(first)) / 2**20, 1) if memory else 0.0,
        training_slower=slower(beside) if load.train else None,
    )


def crowd(address: str, code: str, load: Load) -> str:
    """Locust's process, which says what it found as its last line."""
    asked_for = {"address": address, "code": code, "joining": JOINING, **asdict(load)}
    done = subprocess.run(
        [sys.executable, CROWD], input=json.dumps(asked_for), capture_output=True, text=True, env=os.environ.copy()
    )
    if done.returncode:
        raise RuntimeError(f"The crowd broke down.\n{done.stderr[-2000:]}")
    return done.stdout.splitlines()[-1]


@contextmanager
def training_already():
    """PPO that has begun before anybody comes; what its updates took until then, nobody asks."""
    with training() as updates:
        wait(lambda: len(updates) >= 3)
        updates[:] = [nan] * len(updates)
        yield updates


def slower(beside):
    """By which share these updates took longer than the same ones alone: a seed decides all but the time."""
    beside = beside[:MOST_COMPARED]
    with training() as alone:
        wait(lambda: len(alone) > len(beside))
    both = [(one, other) for one, other in zip(beside, alone, strict=False) if not isnan(one)]
    return round(sum(one for one, _ in both) / sum(other for _, other in both) - 1, 3)


@contextmanager
def training():
    """PPO in a process of its own; a list that grows by the seconds that each update took."""
    updates: list[float] = []
    process = subprocess.Popen([sys.executable, "-c", TRAINING], stdout=subprocess.PIPE, text=True)

    def read():
        assert process.stdout
        with process.stdout as lines:
            for line in lines:
                updates.append(json.loads(line))

    reader = Thread(target=read, daemon=True)
    reader.start()
    try:
        yield updates
    finally:
        process.kill()
        process.wait()
        reader.join()


@contextmanager
def watched(process):
    """A list that grows by the process's memory, once a second."""
    memory: list[int] = []
    enough = Event()

    def look():
        while not enough.wait(1.0):
            memory.append(process.memory_info().rss)

    watcher = Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield memory
    finally:
        enough.set()
        watcher.join()


def wait(until, patience=120.0):
    """Until something holds."""
    ends = time.monotonic() + patience
    while not until():
        if time.monotonic() > ends:
            raise TimeoutError("PPO did not begin to train.")
        time.sleep(0.1)


if __name__ == "__main__":
    for name, value in asdict(measure(tyro.cli(Load))).items():
        print(f"{name:16} {value}")
