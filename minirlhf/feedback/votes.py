"""What a card asks and what a person can answer: the words that store, formats and training share.

A question is six words: what the customer wrote, the replies, who wrote those, and what is wanted. An answer is
one of eight small types; which of them fit a question follows from its mode. Positions are those in
`Question.replies`; which side of the screen a reply stood on is in `Vote.shown` and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from json import dumps
from random import Random
from typing import Any
from uuid import uuid4

from minirlhf.files.messages import counted


@dataclass(frozen=True)
class Better:
    """One of two replies is the better one."""

    winner: int


@dataclass(frozen=True)
class Tie:
    """Neither of two replies is better."""


@dataclass(frozen=True)
class BothBad:
    """Neither of two replies will do."""


@dataclass(frozen=True)
class Thumb:
    """This one reply will do, or will not."""

    up: bool


@dataclass(frozen=True)
class Stars:
    """How good this one reply is, from 1 to 5."""

    stars: int


@dataclass(frozen=True)
class Ranking:
    """All replies, the best first."""

    order: tuple[int, ...]


@dataclass(frozen=True)
class Text:
    """What the reply should have been: a correction of one that is there, or a demonstration where none is."""

    text: str


@dataclass(frozen=True)
class Skip:
    """No answer, on purpose."""


Answer = Better | Tie | BothBad | Thumb | Stars | Ranking | Text | Skip

# How many replies a mode puts before a person, and what they can say (anything can be skipped).
MODES: dict[str, tuple[range, tuple[type, ...]]] = {
    "pair": (range(2, 3), (Better, Tie, BothBad)),
    "thumbs": (range(1, 2), (Thumb,)),
    "stars": (range(1, 2), (Stars,)),
    "ranking": (range(2, 10), (Ranking,)),
    "correction": (range(1, 2), (Text,)),
    "demonstration": (range(0, 1), (Text,)),
}
PURPOSES = ("fresh", "repeat", "gold")
ORIGINS = ("human", "simulated", "imported")
ANSWERS: dict[str, type] = {kind.__name__: kind for kind in (Better, Tie, BothBad, Thumb, Stars, Ranking, Text, Skip)}


@dataclass(frozen=True)
class Question:
    """Something to be judged. `models` and `checkpoints` say who wrote each reply, where that is known.

    purpose: "fresh", "repeat" (asked before, for self-agreement) or "gold" (an attention check: a pair, where
    `expected` is the position of the reply that is plainly better).
    """

    mode: str
    prompt: str
    replies: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = ()
    round: int = 1
    purpose: str = "fresh"
    expected: int | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"There is no mode {self.mode!r}; there are {', '.join(MODES)}.")
        wanted, _ = MODES[self.mode]
        if len(self.replies) not in wanted:
            some = "" if len(wanted) == 1 else f"{wanted.start} to "
            some += counted(wanted.stop - 1, "reply", "replies")
            raise ValueError(f"A question of mode {self.mode!r} takes {some}; this has {len(self.replies)}.")
        for name in ("models", "checkpoints"):
            if len(getattr(self, name)) not in (0, len(self.replies)):
                raise ValueError(f"{name} must name one for each reply, or none: {getattr(self, name)}.")
        if self.purpose not in PURPOSES:
            raise ValueError(f"There is no purpose {self.purpose!r}; there are {', '.join(PURPOSES)}.")
        if (self.expected is not None) != (self.purpose == "gold"):
            raise ValueError("A gold question says which reply is expected; no other question does.")
        if self.purpose == "gold" and self.mode != "pair":
            raise ValueError(f"A gold question is a pair, where one reply is plainly better; not {self.mode!r}.")
        if self.expected is not None and self.expected not in range(len(self.replies)):
            raise ValueError(f"expected is {self.expected}; there are {len(self.replies)} replies.")

    @property
    def pair(self) -> str:
        """The same for the same replies to the same prompt, whoever is asked, whenever, and in which order."""
        return _digest(self.prompt, sorted(self.replies))

    @property
    def key(self) -> str:
        """This very question: a repeat of a pair has the same `pair` and another `key`."""
        return _digest(self.mode, self.prompt, self.replies, self.round, self.purpose)


@dataclass(frozen=True)
class Vote:
    """What somebody answered. `shown` lists the positions as they stood on the screen, from left to right."""

    question: Question
    answer: Answer
    shown: tuple[int, ...]
    voter: str  # a pseudonym
    origin: str = "human"
    response_ms: int | None = None  # from the question's appearance to the answer
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: str = field(default_factory=lambda: uuid4().hex)

    def __post_init__(self) -> None:
        require_fit(self.question, self.answer)
        if sorted(self.shown) != list(range(len(self.question.replies))):
            raise ValueError(f"shown must list every reply once: {self.shown}.")
        if self.origin not in ORIGINS:
            raise ValueError(f"There is no origin {self.origin!r}; there are {', '.join(ORIGINS)}.")
        _require_time_zone(self.time)

    @property
    def chose_left(self) -> bool | None:
        """Whether the reply on the left was chosen; None where no side was."""
        return self.answer.winner == self.shown[0] if isinstance(self.answer, Better) else None

    @property
    def passed(self) -> bool | None:
        """Whether an attention check was passed; None where the question was none, or was skipped."""
        if self.question.purpose != "gold" or isinstance(self.answer, Skip):
            return None
        return self.answer == Better(self.question.expected or 0)


@dataclass(frozen=True)
class Undo:
    """Somebody took a vote back. The vote stays on record, as does this."""

    undoes: str  # the vote's id
    voter: str
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: str = field(default_factory=lambda: uuid4().hex)

    def __post_init__(self) -> None:
        _require_time_zone(self.time)


Event = Vote | Undo


def require_fit(question: Question, answer: Answer) -> None:
    """Say at once that an answer makes no sense for a question."""
    replies, mode = len(question.replies), question.mode
    if isinstance(answer, Skip):
        return
    _, fitting = MODES[mode]
    if not isinstance(answer, fitting):
        names = " or ".join(kind.__name__ for kind in (*fitting, Skip))
        raise ValueError(f"{type(answer).__name__} does not answer a question of mode {mode!r}; {names} does.")
    match answer:
        case Better(winner) if winner not in range(replies):
            raise ValueError(f"There is no reply {winner}; the replies are 0 to {replies - 1}.")
        case Stars(stars) if stars not in range(1, 6):
            raise ValueError(f"{stars} stars were given; 1 to 5 can be.")
        case Ranking(order) if sorted(order) != list(range(replies)):
            raise ValueError(f"A ranking names every reply once, 0 to {replies - 1}; this one is {order}.")
        case Text(text) if not text.strip():
            raise ValueError("The text is empty. Write a reply, or skip.")
        case Text(text) if mode == "correction" and text == question.replies[0]:
            raise ValueError("The reply is unchanged. Change it, or skip.")


def sides(voter: str, question: Question) -> tuple[int, ...]:
    """The lot that says which reply stands where, from left to right: one for each voter and question, for good."""
    order = list(range(len(question.replies)))
    Random(sha256(f"{voter}|{question.key}".encode()).digest()).shuffle(order)
    return tuple(order)


def answer_to_row(answer: Answer) -> dict[str, Any]:
    """An answer as JSON: {"answer": "Better", "winner": 0}."""
    return {"answer": type(answer).__name__} | asdict(answer)


def answer_from_row(row: dict[str, Any]) -> Answer:
    """The answer that `answer_to_row` wrote."""
    fields = dict(row)
    kind = ANSWERS.get(str(fields.pop("answer", None)))
    if kind is None:
        raise ValueError(f'{row} is no answer; "answer" must be one of {", ".join(ANSWERS)}.')
    if kind is Ranking:
        fields["order"] = tuple(fields["order"])
    return kind(**fields)


PLAIN = ("round", "purpose", "expected", "mode", "prompt")  # a question's fields that a row holds as they are
LISTS = ("replies", "models", "checkpoints")  # and those that become lists


def vote_to_row(vote: Vote) -> dict[str, Any]:
    """A vote as a row of plain values, for a file or a database."""
    return {
        "id": vote.id,
        "pair": vote.question.pair,
        "voter": vote.voter,
        "origin": vote.origin,
        "time": vote.time.isoformat(),
        **{name: getattr(vote.question, name) for name in PLAIN},
        **{name: list(getattr(vote.question, name)) for name in LISTS},
        "shown": list(vote.shown),
        "choice": answer_to_row(vote.answer),
        "response_ms": vote.response_ms,
    }


def vote_from_row(row: Mapping[str, Any]) -> Vote:
    """The vote that `vote_to_row` wrote."""
    question: dict[str, Any] = {name: row.get(name) for name in PLAIN} | {name: tuple(row[name]) for name in LISTS}
    return Vote(
        Question(**question),
        answer_from_row(row["choice"]),
        shown=tuple(row["shown"]),
        voter=row["voter"],
        origin=row["origin"],
        response_ms=row.get("response_ms"),
        time=datetime.fromisoformat(row["time"]),
        id=row["id"],
    )


def _require_time_zone(time: datetime) -> None:
    if time.utcoffset() is None:
        raise ValueError("The time of a vote or of an undo must say its time zone; datetime.now(UTC) does.")


def _digest(*parts: Any) -> str:
    return sha256(dumps(parts, ensure_ascii=False).encode()).hexdigest()[:16]
