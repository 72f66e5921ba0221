"""A ghost class: simulated people who join and vote as phones do, so that one person alone sees a whole session.

They are called simulated in the list of voters, and their votes are kept as simulated ones. Two thirds of them share a
taste and the rest have others, so that there is something to learn and something to disagree about. Where their phone
shows a secret rule, they follow it.
"""

import asyncio
from collections.abc import Sequence
from random import Random
from threading import Thread
from uuid import uuid4

import httpx

from minirlhf.classroom import rooms
from minirlhf.classroom.schools import BY_WORDS
from minirlhf.classroom.session import Session
from minirlhf.feedback.simulated import PEOPLE, Person
from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import Question, answer_to_row
from minirlhf.files.messages import counted

TASTE = "cheerful"  # what most of them like
IDLE = 4  # times as long as it thinks is how long it waits where there is nothing to answer: others need the processor


def cast(n: int, seed: int = 0) -> list[Person]:
    """n simulated people: two of three alike, the others by turns."""
    most, others = PEOPLE[TASTE], [person for name, person in PEOPLE.items() if name != TASTE]
    return [others[i // 3 % len(others)] if i % 3 == 2 else most for i in range(n)]


def follower(words: str) -> Person:
    """A simulated person who votes by a secret rule, and clicks at random one time in ten."""
    rule = BY_WORDS[words]
    return Person("the obedient one (simulated)", words, {rule.taste: rule.sign}, temperature=0.1, lapse=0.1, tie=0.05)


async def haunt(
    store: FeedbackStore, address: str, code: str, token: str, n: int = 12, pause: float = 1.5, seed: int = 0
) -> None:
    """Let n ghosts vote in a room until it is over; `pause` is how many seconds each thinks, on average."""
    people = cast(n, seed)
    async with asyncio.TaskGroup() as room:
        for i, person in enumerate(people):
            room.create_task(Ghost(store, address, code, person, pause, Random(f"{seed} {i}")).sit(token))


def fill(session: Session, n: int = 12, pause: float = 0.6, seed: int = 0) -> str:
    """Seat n simulated people who vote along until the room is over, unless somebody sits there; says who does.

    They live in a thread of whoever calls, and go with it: the room stays.
    """
    with session.store.connect("be read") as connection:
        here = rooms.seated_in(connection, session.code)
    if here:
        simulated = " (simulated)" if all(row["origin"] == "simulated" for row in here) else ""
        return f"{counted(len(here), 'person', 'people')}{simulated} already in the room, so no seat is filled."
    asked = (session.store, session.address, session.code, session.token, n, pause, seed)
    Thread(target=lambda: asyncio.run(haunt(*asked)), daemon=True, name="ghosts").start()
    return f"{counted(n, 'simulated person', 'simulated people')} sit down and vote as phones do."


class Ghost:
    """One simulated person on one phone."""

    def __init__(
        self, store: FeedbackStore, address: str, code: str, person: Person, pause: float, rng: Random
    ) -> None:
        self.store, self.code, self.person, self.pause, self.rng = store, code, person, pause, rng
        self.phone = httpx.AsyncClient(base_url=f"{address}/api/{code}/", timeout=20, trust_env=False)
        self.questions: dict[str, Question] = {}
        self.voter, self.busy = "", False  # busy: was asked something when it last looked

    async def sit(self, token: str) -> None:
        """Join, and answer what is asked until the room is over."""
        async with self.phone:
            (await self.phone.post("teach/login", json={"token": token})).raise_for_status()
            seat = await self.phone.post("join", json={"nickname": self.person.name, "simulated": True})
            seat.raise_for_status()
            self.voter = seat.json()["voter"]
            while await self.answer_one():
                await asyncio.sleep(self.rng.uniform(0.3, 1.7) * self.pause * (1 if self.busy else IDLE))

    async def answer_one(self) -> bool:
        """Answer one more question, if one is asked; False once the room is over."""
        try:
            seen = (await self.phone.get("me")).json()
        except httpx.TransportError:  # the server starts anew, as a phone would find
            return True
        if "phase" not in seen or seen["phase"] == "over":
            return False
        open = [each["key"] for each in seen["questions"] if each["key"] not in seen["answers"]]
        self.busy = seen["phase"] == "voting" and bool(open)
        if not self.busy:
            return True
        question = await asyncio.to_thread(self.question, open[0], seen["round"])
        person = follower(seen["rule"]) if seen["rule"] else self.person
        answer = answer_to_row(person.answer(question, self.rng))
        says = rooms.says_on_screen(self.voter, question, answer)
        ballot = {"question": open[0], "says": says, "id": uuid4().hex, "ms": 1500}
        await self.phone.post("vote", json=ballot)
        return True

    def question(self, key: str, round: int) -> Question:
        """The whole question, which a simulated person reads as the model sees it."""
        if key not in self.questions:
            with self.store.connect("be read") as connection:
                rows: Sequence[dict] = rooms.asked_in(connection, self.code, round)
            self.questions |= {row["key"]: rooms.question_of(row) for row in rows}
        return self.questions[key]
