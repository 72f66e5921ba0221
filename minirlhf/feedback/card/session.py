"""One person in front of a list of questions: what is asked next, what was said, what to show. No screen in here.

The card, its plain twin and a headless run all drive a Session; it alone writes to the store. Every answer is on
disk before `view` counts it, and a Session made again on the same store goes on where the last one stopped.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import median
from threading import RLock
from typing import Any

from traitlets import Bool, Dict, HasTraits

from minirlhf.feedback.formats.conversation import to_messages
from minirlhf.feedback.identity import YOU, own_voter, people, pseudonym, sit_down
from minirlhf.feedback.simulated import PEOPLE, Person, simulate
from minirlhf.feedback.store import FeedbackStore, StoreError
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
    Undo,
    Vote,
    answer_from_row,
    sides,
)
from minirlhf.files.messages import counted

LETTERS = "ABCDEFGHI"
TITLE = "Your feedback"
TASKS = {
    "pair": "Which reply is better?",
    "thumbs": "Will this reply do?",
    "stars": "How good is this reply?",
    "ranking": "Put the replies in order, the best first.",
    "correction": "Make this reply better.",
    "demonstration": "Write the reply yourself.",
}

RECENT = 10  # how many answers the pace and the notes look back on
TOO_FAST_MS = 900
ONE_SIDE = 8  # by chance, so many on one side in a row happen once in 128

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
        voter: str = YOU,
        title: str = TITLE,
        reveal: bool = True,
    ) -> None:
        super().__init__(reveal=reveal)
        self.questions, self.store = list(questions), store if store is not None else FeedbackStore()
        self.title, self._named = title, voter != YOU  # a name that was given stays; "you" is whoever sits here
        self.voter = voter if self._named else own_voter()
        if not self._named:
            self.store.take_over(self.voter)
        self._person: Person | None = None
        self._lock, self._said, self._failed, self._heard = RLock(), "", "", ""
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
        """What the card calls whoever votes now: you, or a name."""
        return self._seated if self._person or self._named else YOU

    @property
    def _seated(self) -> str:
        """Who votes now, as the store knows them."""
        return self._person.name if self._person else self.voter

    def votes(self) -> list[Vote]:
        """The standing votes of the chair on these questions, oldest first; skips are among them."""
        return self._votes(self._seated)

    @property
    def question(self) -> Question | None:
        """What is asked now; None when all is answered."""
        return next(iter(self._pending(self.votes())), None)

    @property
    def done(self) -> bool:
        return self.question is None

    def _votes(self, voter: str) -> list[Vote]:
        keys = {question.key for question in self.questions}
        return [vote for vote in self.store.votes(voter=voter) if vote.question.key in keys]

    def _pending(self, votes: Sequence[Vote]) -> list[Question]:
        answered = {vote.question.key for vote in votes}
        return [question for question in self.questions if question.key not in answered]

    def shown(self, question: Question) -> tuple[int, ...]:
        """The replies' positions from left to right: at random, but the same whenever this voter is asked this."""
        return sides(self._seated, question)

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
        named = [letter.strip().upper() for letter in letters]
        if unknown := [letter for letter in named if letter not in [*LETTERS]]:
            raise ValueError(f"{unknown} name no reply. Name each letter once, the best first, such as 'CAB'.")
        return self.answer(Ranking(tuple(LETTERS.index(letter) for letter in named)))

    def write(self, text: str) -> Vote:
        """Answer a correction or a demonstration: what the reply should have been."""
        return self.answer(Text(text))

    def skip(self) -> Vote:
        """Leave this question, on purpose."""
        return self.answer(Skip())

    def answer(self, answer: Answer, response_ms: int | None = None, key: str = "", id: str = "") -> Vote:
        """Answer what is asked, in positions as shown. The vote is on disk when this returns, or it raises.

        `key` says which question the answer was meant for: to one that is no longer asked, no answer is taken.
        `id` makes the same answer, delivered twice, one vote; taken back, it stays so.
        """
        with self._lock:
            votes = self._votes(self.voter)
            pending = self._pending(votes)
            if key and (not pending or pending[0].key != key):
                self.refresh()
                earlier = next((vote for vote in votes if vote.question.key == key), None)
                if earlier and earlier.id == id:
                    return earlier
                why = "has an answer already, perhaps from another card" if earlier else "is no longer asked"
                raise ValueError(f"That question {why}. Here is what is asked now.")
            self._require_own_chair()
            if not pending:
                raise ValueError("All questions are answered. undo() takes the last answer back.")
            vote = self._vote(pending[0], answer, response_ms, id)
            if self.store.append(vote):
                self._sitting.append(vote)
                self._said, self._failed = self._revealed(vote), ""
            self.refresh()
            return vote

    def undo(self, id: str = "") -> Vote | None:
        """Take the last answer back and ask again; None where there is nothing to take back.

        `id` makes the same wish, delivered twice, one.
        """
        with self._lock:
            self._require_own_chair()
            votes = self.votes()
            if not votes:
                return None
            undo = Undo(votes[-1].id, self.voter)
            if not self.store.append(replace(undo, id=id) if id else undo):
                return None
            self._sitting = [vote for vote in self._sitting if vote.id != votes[-1].id]
            self._said, self._failed = "Taken back. Here it is again.", ""
            self.refresh()
            return votes[-1]

    def let_vote(self, person: Person, n: int | None = None, unless: int | None = None, seed: int = 0) -> int:
        """Seat a simulated person, who answers the next n questions (all, if not said); returns how many.

        Their votes are kept under their own name, as simulated; the learner's stay untouched. With `unless`,
        nothing happens where the learner has cast so many votes already: so that Run All works, and respects them.
        """
        if n is not None and n < 0:
            raise ValueError(f"n is {n}; it says how many questions {person.name} shall answer.")
        with self._lock:
            own = [vote for vote in self._votes(self.voter) if not isinstance(vote.answer, Skip)]
            if unless is not None and len(own) >= unless:
                self.take_chair()
                return 0
            # All answers before the first is kept: whoever cannot judge a prompt leaves everything as it was.
            pending = self._pending(self._votes(person.name))[:n]
            votes = simulate(pending, person, seed)
            for vote in votes:
                self.store.append(vote)
            self._person, self._sitting = person, []
            skipped = sum(isinstance(vote.answer, Skip) for vote in votes)
            self._said = f"{_sentence(person.name)} has answered {counted(len(votes) - skipped, 'question')}" + (
                f" and skipped {counted(skipped, 'question')} that asked for a text." if skipped else "."
            )
            self._failed = ""
            self.refresh()
            return len(votes)

    def take_chair(self) -> None:
        """Send the simulated person away; the learner goes on where they were."""
        with self._lock:
            self._person, self._said, self._failed = None, "", ""
            self.refresh()

    def seat_person(self, voter: str | None = None) -> None:
        """Let somebody else use this computer: a new person, or one of `identity.people()` who was here before.

        Everybody's votes stay where they are, and are asked for again by whom they belong to.
        """
        with self._lock:
            if self._named:
                raise ValueError(
                    f"This card was made for {self.voter!r}. Make another with FeedbackCard(…, voter=…), or without."
                )
            self.voter, self._person, self._sitting = sit_down(voter), None, []
            self._said, self._failed = f"Hello. You vote as {pseudonym(self.voter)}, which is no name.", ""
            self.refresh()

    def _require_own_chair(self) -> None:
        if self._person:
            raise ValueError(
                f"{_sentence(self._person.name)} sits in the chair, and nobody else votes there. Take the chair back "
                "first: take_chair()."
            )

    # What a screen says, and what it shows.

    def receive(self, message: dict[str, Any]) -> None:
        """What a screen reports: an answer, an undo, or a change of the chair. An error is shown, never lost.

        `view["heard"]` is then the message's id, whatever came of it: the screen need not wait any longer.
        """
        with self._lock:
            self._heard = str(message.get("id", ""))
            try:
                self._do(message)
                if self.view["heard"] != self._heard:  # nothing came of it, which is news too
                    self.refresh()
            except Exception as error:  # a callback's error would vanish: the person who clicked must see it
                # No refresh: nothing changed, and a store that does not answer must not be waited for twice.
                self._failed = _told(error)
                self.view = self.view | {"error": self._failed, "heard": self._heard}

    def _do(self, message: dict[str, Any]) -> None:
        match message.get("do"):
            case "answer":
                answer = answer_from_row(message["says"])
                self.answer(answer, message.get("ms"), message["question"], message["id"])
            case "undo":
                self.undo(message.get("id", ""))
            case "seat":
                person = next((p for p in PEOPLE.values() if p.name == message["person"]), None)
                if person is None:
                    raise ValueError(f"There is no {message['person']!r} to let vote.")
                self.let_vote(person, message.get("n"))
            case "take chair":
                self.take_chair()
            case "seat person":
                known = {pseudonym(voter): voter for voter in people()}
                self.seat_person(known[message["who"]] if message.get("who") else None)
            case "look":
                self._failed = ""
                self.refresh()
            case other:
                raise ValueError(f"This card cannot do {other!r}. Run its cell again, to bring it up to date.")

    def refresh(self) -> None:
        """Look at the store again, and show what is there."""
        with self._lock:
            votes = self.votes()
            pending = self._pending(votes)
            question = pending[0] if pending else None
            self.view = {
                "title": self.title,
                "task": TASKS[question.mode] if question else "",
                "mode": question.mode if question else "",
                "question": question.key if question else "",
                "prompt": _as_read(question.prompt) if question else "",
                "asked_by": "Customer" if question and _as_read(question.prompt) != question.prompt else "Prompt",
                "replies": [question.replies[i] for i in self.shown(question)] if question else [],
                "answered": len(self.questions) - len(pending),
                "total": len(self.questions),
                "seconds_left": self._seconds_left(len(pending)),
                "can_undo": bool(votes) and self._person is None,
                "said": self._said,
                "note": self._note(),
                "error": self._failed,
                "heard": self._heard,
                "simulated": self._person.name if self._person else "",
                "banner": f"{_sentence(self._person.name)} sits in the chair" if self._person else "",
                "people": [person.name for person in PEOPLE.values()],
                "voter": "" if self._named else pseudonym(self.voter),
                "others": [] if self._named else [pseudonym(one) for one in people() if one != self.voter],
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
            case Text(text) if any(text.strip() == reply.strip() for reply in question.replies):
                # A screen leaves out the blank before a reply, and without it the reply is still unchanged.
                answer = Text(question.replies[0])
        vote = Vote(question, answer, shown, self.voter, "human", response_ms)
        return replace(vote, id=id) if id else vote

    def _revealed(self, vote: Vote) -> str:
        """Who wrote what, once the vote is cast."""
        models = vote.question.models
        if not self.reveal or len(set(models)) < 2:
            return ""
        who = (f"{letter} was {models[place]}" for letter, place in zip(LETTERS, vote.shown, strict=False))
        return f"Last time: {', '.join(who)}."

    def _seconds_left(self, remaining: int) -> int | None:
        """How long the rest will take at the pace of the last answers; None before there is a pace."""
        recent = [vote.response_ms for vote in self._sitting[-RECENT:] if vote.response_ms]
        return round(remaining * median(recent) / 1000) if len(recent) >= 3 else None

    def _note(self) -> str:
        """A gentle word on how the last answers were given. Only the card shows it, and nobody keeps it."""
        read = [vote for vote in self._sitting if not isinstance(vote.answer, Skip)]
        times = [vote.response_ms for vote in read[-RECENT:] if vote.response_ms is not None]
        if len(times) >= 5 and median(times[-5:]) < TOO_FAST_MS:
            return f"You are quick: less than a second each. Votes that were read teach more. {PRIVATE}"
        sides = [vote.chose_left for vote in read if vote.chose_left is not None][-ONE_SIDE:]
        if len(sides) == ONE_SIDE and len(set(sides)) == 1:
            side = "left" if sides[0] else "right"
            return f"Your last {ONE_SIDE} choices were all on the {side}; the sides are drawn at random. {PRIVATE}"
        return ""


def _as_read(prompt: str) -> str:
    """What a person needs to read of a prompt: a lone message without the frame that the model sees around it."""
    messages = to_messages(prompt)
    return messages[0]["content"] if len(messages) == 1 else prompt


def _sentence(words: str) -> str:
    """The same words as the beginning of a sentence."""
    return words[:1].upper() + words[1:]


def _told(error: Exception) -> str:
    """An error in words for whoever clicked: what became of the vote, and what to do."""
    if isinstance(error, StoreError):  # says so itself
        return str(error)
    if isinstance(error, ValueError):
        return f"This was not counted. {error}"
    return (
        f"Something went wrong ({type(error).__name__}: {error}). Run the card's cell again: "
        "it shows what is counted, and that is kept."
    )
