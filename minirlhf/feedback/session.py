"""One person in front of a list of questions: what is asked next, what was said, what to show. No screen in here.

The card, its plain twin and a headless run all drive a Session; it alone writes to the store. Every answer is on
disk before `view` counts it, and a Session made again on the same store goes on where the last one stopped.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256
from random import Random
from statistics import median
from threading import RLock
from typing import Any

from traitlets import Bool, Dict, HasTraits

from minirlhf.feedback.simulated import PEOPLE, Person
from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import (
    Answer,
    Better,
    BothBad,
    Question,
    Ranking,
    Skip,
    Stars,
    Text,
    Thumb,
    Tie,
    Vote,
    answer_from_row,
)

LETTERS = "ABCDEFGHI"
RECENT = 10  # how many answers the pace and the notes look back on
TOO_FAST_MS = 900
ALL_LEFT = 8  # by lot, so many lefts in a row happen once in 256

PRIVATE = "(Only you see this, and nobody keeps it.)"


class Session(HasTraits):
    """Questions, the store that keeps the answers, and who sits in the chair: the learner or a simulated person.

    `view` is all that a screen shows, in words: every screen that watches it stays up to date. Any thread may call.
    """

    view = Dict()
    reveal = Bool(True)  # whether to say which model wrote what, after each vote

    def __init__(
        self,
        questions: Iterable[Question],
        store: FeedbackStore | None = None,
        voter: str = "you",
        title: str = "Which reply is better?",
        reveal: bool = True,
    ) -> None:
        super().__init__(reveal=reveal)
        self.questions, self.store = list(questions), store if store is not None else FeedbackStore()
        self.voter, self.title = voter, title
        self._person: Person | None = None
        self._lock, self._said, self._failed = RLock(), "", ""
        self._sitting: list[Vote] = []  # what was answered since this object was made: for the pace
        if not self.questions:
            raise ValueError("There is nothing to ask: give at least one question.")
        if len({question.key for question in self.questions}) < len(self.questions):
            raise ValueError(
                "A question stands in the list twice. To ask again on purpose, give the second one "
                "purpose='repeat' or another round."
            )
        self.refresh()

    # What is asked, and what was said.

    @property
    def chair(self) -> str:
        """The pseudonym of whoever votes now."""
        return self._person.name if self._person else self.voter

    def votes(self) -> list[Vote]:
        """The standing votes of the chair on these questions, oldest first; skips are among them."""
        asked = {question.key for question in self.questions}
        return [vote for vote in self.store.votes(voter=self.chair) if vote.question.key in asked]

    @property
    def question(self) -> Question | None:
        """What is asked now; None when all is answered."""
        return self._pending(self.votes())[0] if self._pending(self.votes()) else None

    @property
    def done(self) -> bool:
        return self.question is None

    def _pending(self, votes: Sequence[Vote]) -> list[Question]:
        answered = {vote.question.key for vote in votes}
        return [question for question in self.questions if question.key not in answered]

    def shown(self, question: Question) -> tuple[int, ...]:
        """The replies' positions from left to right: by lot, but the same lot whenever this voter is asked this."""
        order = list(range(len(question.replies)))
        lot = sha256(f"{self.chair}|{question.key}".encode()).digest()
        Random(lot).shuffle(order)
        return tuple(order)

    # What a person can do.

    def choose(self, which: str) -> Vote:
        """Answer a pair: "A" (the left one), "B", "tie" or "both bad"."""
        sides: dict[str, Answer] = {"a": Better(0), "b": Better(1), "tie": Tie(), "both bad": BothBad()}
        answer = sides.get(which.strip().lower().replace("_", " "))
        if answer is None:
            raise ValueError(f"{which!r} is no choice; there are A, B, tie and both bad. To pass, skip().")
        return self.answer(answer)

    def thumb(self, up: bool) -> Vote:
        """Answer thumbs: will this reply do?"""
        return self.answer(Thumb(up))

    def rate(self, stars: int) -> Vote:
        """Answer stars: 1 to 5."""
        return self.answer(Stars(stars))

    def rank(self, letters: Iterable[str]) -> Vote:
        """Answer a ranking, the best first: "CAB"."""
        return self.answer(Ranking(tuple(LETTERS.find(letter.upper()) for letter in letters)))

    def write(self, text: str) -> Vote:
        """Answer a correction or a demonstration: what the reply should have been."""
        return self.answer(Text(text))

    def skip(self) -> Vote:
        """Leave this question, on purpose."""
        return self.answer(Skip())

    def answer(self, answer: Answer, response_ms: int | None = None, key: str = "", id: str = "") -> Vote:
        """Answer what is asked, in positions as shown. The vote is on disk when this returns, or it raises.

        `key` says which question the answer was meant for: an answer to one that is no longer asked (a double
        click) changes nothing. `id` makes the same answer, delivered twice, one vote.
        """
        with self._lock:
            votes = self.votes()
            pending = self._pending(votes)
            if key and (not pending or pending[0].key != key):
                self.refresh()
                if earlier := next((vote for vote in votes if vote.question.key == key), None):
                    return earlier
                raise ValueError("That question is no longer asked; here is the one that is.")
            if not pending:
                raise ValueError("All questions are answered. undo() takes the last answer back.")
            vote = self._vote(pending[0], answer, response_ms, id)
            self.store.append(vote)
            self._sitting.append(vote)
            self._said, self._failed = self._revealed(vote), ""
            self.refresh()
            return vote

    def undo(self) -> Vote | None:
        """Take the chair's last answer back and ask again; None where there is nothing to take back."""
        with self._lock:
            votes = self.votes()
            if not votes:
                return None
            self.store.undo(votes[-1])
            self._sitting = [vote for vote in self._sitting if vote.id != votes[-1].id]
            self._said, self._failed = "Taken back. Here it is again.", ""
            self.refresh()
            return votes[-1]

    def let_vote(self, person: Person, n: int | None = None, unless: int | None = None, seed: int = 0) -> int:
        """Seat a simulated person, who answers the next n questions (all, if not said); returns how many.

        Their votes are kept under their own name, as simulated; the learner's stay untouched. With `unless`,
        nothing happens where the learner has cast so many votes already: so that Run All works, and respects them.
        """
        with self._lock:
            if unless is not None:
                self.take_chair()
                if len([vote for vote in self.votes() if not isinstance(vote.answer, Skip)]) >= unless:
                    return 0
            self._person, self._sitting = person, []
            pending = self._pending(self.votes())[:n]
            for question in pending:
                rng = Random(sha256(f"{seed}|{person.name}|{question.key}".encode()).digest())
                shown = self.shown(question)
                self.store.append(
                    Vote(question, person.answer(question, rng), shown, self.chair, "simulated")
                )
            self._said, self._failed = f"{person.name} has answered {len(pending)} questions.", ""
            self.refresh()
            return len(pending)

    def take_chair(self) -> None:
        """Send the simulated person away; the learner goes on where they were."""
        with self._lock:
            self._person, self._said = None, ""
            self.refresh()

    # What a screen says, and what it shows.

    def receive(self, message: dict[str, Any]) -> None:
        """What a screen reports: an answer, an undo, or a change of the chair. An error is shown, never lost."""
        try:
            match message.get("do"):
                case "answer":
                    answer = answer_from_row(message["says"])
                    self.answer(answer, message.get("ms"), message["question"], message["id"])
                case "undo":
                    self.undo()
                case "seat":
                    person = next(p for p in PEOPLE.values() if p.name == message["person"])
                    self.let_vote(person, message.get("n"))
                case "take chair":
                    self.take_chair()
                case other:
                    raise ValueError(
                        f"This card cannot do {other!r}. Run its cell again, to bring it up to date."
                    )
        except Exception as error:  # a callback's error would vanish: the person who clicked must see it
            with self._lock:
                self._failed = f"This was not counted. {error}"
                self.refresh()

    def refresh(self) -> None:
        """Look at the store again, and show what is there."""
        with self._lock:
            votes = self.votes()
            pending = self._pending(votes)
            asked = pending[0] if pending else None
            self.view = {
                "title": self.title,
                "mode": asked.mode if asked else "",
                "question": asked.key if asked else "",
                "prompt": asked.prompt if asked else "",
                "replies": [asked.replies[i] for i in self.shown(asked)] if asked else [],
                "answered": len(self.questions) - len(pending),
                "total": len(self.questions),
                "seconds_left": self._seconds_left(len(pending)),
                "can_undo": bool(votes),
                "said": self._said,
                "note": self._note(),
                "error": self._failed,
                "simulated": self._person.name if self._person else "",
                "people": [person.name for person in PEOPLE.values()],
                "saved_in": self.store.where,
            }

    def _vote(self, question: Question, answer: Answer, response_ms: int | None, id: str) -> Vote:
        """The answer as a vote: what was meant by a place on the screen, in positions of the question."""
        shown = self.shown(question)
        match answer:
            case Better(winner) if winner in range(len(shown)):
                answer = Better(shown[winner])
            case Ranking(order) if all(place in range(len(shown)) for place in order):
                answer = Ranking(tuple(shown[place] for place in order))
        vote = Vote(question, answer, shown, self.chair, "human", response_ms)
        return replace(vote, id=id) if id else vote

    def _revealed(self, vote: Vote) -> str:
        """Who wrote what, once the vote is cast."""
        models = vote.question.models
        if not self.reveal or len(set(models)) < 2:
            return ""
        return "Last time: " + ", ".join(
            f"{letter} was {models[place]}" for letter, place in zip(LETTERS, vote.shown, strict=False)
        )

    def _seconds_left(self, remaining: int) -> int | None:
        """How long the rest will take at the pace of the last answers; None before there is a pace."""
        recent = [vote.response_ms for vote in self._sitting[-RECENT:] if vote.response_ms]
        return round(remaining * median(recent) / 1000) if len(recent) >= 3 else None

    def _note(self) -> str:
        """A gentle word on how the last answers were given. Only the card shows it, and nobody keeps it."""
        recent = self._sitting[-RECENT:]
        times = [vote.response_ms for vote in recent if vote.response_ms is not None]
        if len(times) >= 5 and median(times[-5:]) < TOO_FAST_MS:
            return f"You are quick: less than a second each. Votes that were read teach more. {PRIVATE}"
        sides = [vote.chose_left for vote in self._sitting if vote.chose_left is not None][-ALL_LEFT:]
        if len(sides) == ALL_LEFT and all(sides):
            return f"Your last {ALL_LEFT} choices were all on the left; the sides are drawn by lot. {PRIVATE}"
        return ""
