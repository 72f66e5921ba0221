"""Follow a room in code, with something to see wherever one has to wait.

With people in the room, each of these waits until the teacher has pressed the button in the panel: a cell that is run
too early takes no vote from anybody. Where only simulated people sit, who press nothing, it presses for them. What was
done already is not done again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
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
    """Until the round is open for votes; its questions are written first."""
    follow(session, "Open the vote", ("waiting",), lambda: done(session, "open") if _seated(session) else None)


def gather(session: Session, each: int = 15) -> list[Vote]:
    """Show how the votes of this round come in until the teacher closes it; the room's votes that count.

    Where only simulated people sit, nobody presses the button: it closes once they gave `each` answers on average.
    """
    with tqdm(desc="votes", unit=" votes") as bar:
        while phase_of(session) in ("voting", "paused"):
            people, answers = _seated(session), _answers(session)
            bar.set_postfix_str(f"{len(people)} in the room", refresh=False)
            bar.update(answers - bar.n)
            if people and not any_person(session) and answers >= each * len(people):
                session.do("close")
            sleep(LOOK)
        bar.update(_answers(session) - bar.n)
    return session.votes()


def learn(session: Session, method: str = "PPO") -> Iterator[Step]:
    """Follow the training on the room's votes step by step; what was learned already is told again.

    `method` is for a ghost class; people's teacher chooses it in the panel. RuntimeError where the training failed or
    its process does not come back.
    """

    def press() -> None:
        if phase_of(session) == "closed":
            session.do("train", method=method)
        else:
            session.do("close")

    follow(session, "Train now", ("voting", "paused", "closed"), press)
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
    """Until the projector has shown the first pair of answers; a ghost class is shown all of them, and the bars."""
    follow(session, "Show the first pair", ("trained",), lambda: done(session, "reveal"))
    while phase_of(session) == "reveal" and not any_person(session) and done(session, "reveal"):
        pass


def next_round(session: Session) -> None:
    """Until the next round is open, which asks about the changed model."""
    follow(session, "Open round", ("trained", "reveal"), lambda: session.do("next"))


def follow(session: Session, button: str, phases: Sequence[str], press: Callable[[], object]) -> None:
    """Until the teacher has pressed this button in the panel, as long as the room is in one of these phases.

    Where no person sits, `press` does what the button does.
    """
    said = False
    while phase_of(session) in phases:
        if not any_person(session):
            press()
        elif not said:
            print(f"Waiting for *{button}* in the teacher's panel.", flush=True)
            said = True
        sleep(LOOK)


def any_person(session: Session) -> bool:
    """Whether anybody sits in the room who is not simulated."""
    return "human" in _seated(session)


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
        return [member["origin"] for member in rooms.seated_in(connection, session.code)]


def _answers(session: Session) -> int:
    """How many answers stand in the room's present round."""
    with session.store.connect("be read") as connection:
        room = rooms.find(connection, session.code)
        asked = {row["key"] for row in rooms.asked_in(connection, session.code, room.round)}
        return sum(row["question"] in asked for row in rooms.standing_in(connection, session.code))


def _job(session: Session) -> dict[str, Any] | None:
    with session.store.connect("be read") as connection:
        return rooms.latest_job(connection, rooms.find(connection, session.code))
