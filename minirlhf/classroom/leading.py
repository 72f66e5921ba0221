"""Lead a room in code, a line for each button of the teacher's panel, and something to see wherever one has to wait.

Each of these does what has not been done yet: whoever has pressed the button in the panel already loses nothing, and
a cell that is run twice does nothing twice.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

from tqdm.auto import tqdm

from minirlhf.classroom import rooms
from minirlhf.classroom.rooms import Refused
from minirlhf.classroom.session import Session, log_file, phase_of, resume
from minirlhf.feedback.votes import Vote

LOOK = 0.3  # seconds between two looks at the room
PATIENCE = 300  # seconds without any news after which something must have gone wrong


@dataclass(frozen=True)
class Step:
    """A step of the learner's training, as the projector draws it: how far it is, and its numbers by name."""

    method: str
    number: int
    total: int
    values: Mapping[str, float]


def open_vote(session: Session) -> None:
    """Open the round for votes, as soon as its questions are written; a round that was opened stays as it is."""
    if phase_of(session) == "waiting":
        wait(lambda: done(session, "open"))


def gather(session: Session, each: int = 15) -> list[Vote]:
    """Show how the votes of this round come in until the teacher closes it; the room's votes that count.

    Where only simulated people sit, nobody presses the button: it closes once they gave `each` answers on average.
    """
    with tqdm(desc="votes", unit=" votes") as bar:
        while phase_of(session) in ("voting", "paused"):
            people, answers = _seated(session), _answers(session)
            bar.set_postfix_str(f"{len(people)} in the room", refresh=False)
            bar.update(answers - bar.n)
            if people and set(people) == {"simulated"} and answers >= each * len(people):
                session.do("close")
            sleep(LOOK)
        bar.update(_answers(session) - bar.n)
    return session.votes()


def learn(session: Session, method: str = "PPO") -> Iterator[Step]:
    """Let the learner train on the room's votes, and follow it step by step; what was learned already is told again.

    RuntimeError where the training failed or its process does not come back.
    """
    if phase_of(session) in ("voting", "paused"):
        session.do("close")
    if phase_of(session) == "closed":
        session.do("train", method=method)
    told, news = 0, monotonic()
    while True:
        training, job = phase_of(session) == "training", _job(session)
        if job is None:
            raise RuntimeError("Nobody has voted yet, so there is nothing to learn from. Open the vote first.")
        for number, record in enumerate(job["records"][told:], start=told + 1):
            yield Step(job["method"], number, job["total"], record)
        told, news = len(job["records"]), monotonic() if len(job["records"]) > told else news
        if job["status"] == "failed":
            raise RuntimeError(f"{job['words']} The votes are kept: train again, here or in the panel.")
        if not training:
            return
        if monotonic() - news > PATIENCE:
            raise RuntimeError(f"The learner is silent; its last words are in {log_file('learning')}.")
        resume(session)  # a learner that has died begins again
        sleep(LOOK)


def learned(session: Session) -> dict[str, Any]:
    """What came of the last training, revealed or not; waits for one that is still going on.

    `answers`: the same customers before and after; `weights`: words and what they are worth; `receipts`: for each
    voter how many clear choices, and to how many of those the model leaned before and leans now.
    """
    for _ in learn(session):
        pass
    job = _job(session)
    assert job
    return job["result"]


def reveal(session: Session) -> None:
    """Reveal on the projector all that is not revealed yet, the word bars too."""
    while phase_of(session) in ("trained", "reveal") and done(session, "reveal"):
        pass


def next_round(session: Session) -> None:
    """Open the next round, which asks about the changed model, once there is one."""
    if phase_of(session) in ("trained", "reveal"):
        session.do("next")


def done(session: Session, step: str) -> bool:
    """Whether a step could be taken now."""
    try:
        session.do(step)
    except Refused:
        return False
    return True


def wait(until: Callable[[], bool], at_least: float = 0.0) -> None:
    """Until something holds, and no less than so many seconds; OSError where it never does."""
    began = monotonic()
    while not until() or monotonic() - began < at_least:
        if monotonic() - began > PATIENCE:
            raise OSError(f"Nothing came of it in {PATIENCE} seconds. {log_file('learning')} may say why.")
        sleep(LOOK)


def _seated(session: Session) -> list[str]:
    """Whether each who sits in the room is human or simulated."""
    with session.store.connect("be read") as connection:
        return [row["origin"] for row in rooms.members_of(connection, session.code) if not row["removed"]]


def _answers(session: Session) -> int:
    """How many answers stand in the room's present round."""
    with session.store.connect("be read") as connection:
        room = rooms.find(connection, session.code)
        asked = {row["key"] for row in rooms.asked_in(connection, session.code, room.round)}
        return sum(row["question"] in asked for row in rooms.standing_in(connection, session.code))


def _job(session: Session) -> dict[str, Any] | None:
    with session.store.connect("be read") as connection:
        return rooms.latest_job(connection, rooms.find(connection, session.code))
