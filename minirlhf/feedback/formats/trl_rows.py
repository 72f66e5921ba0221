"""Rows in TRL's columns as votes: preference, unpaired preference and SFT, standard or conversational.

Left out: preferences of plain text without a prompt column. Where such a prompt ends can only be guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from minirlhf.feedback.formats.conversation import Message, to_content, to_messages, to_prompt, to_reply
from minirlhf.feedback.votes import Answer, Better, Question, Text, Thumb, Tie, Vote
from minirlhf.files.columns import number, require_different, required, text
from minirlhf.files.messages import listed

SIMULATED = "(simulated)"
SYSTEM = ("keep", "drop")
# For files that do not say when; `read_votes` adds a second for each vote before.
NO_TIME = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Fields:
    """What a file calls things, where its format leaves that open, and whose votes they are, where it is silent."""

    voter: str = "imported"
    prompt: str = "prompt"
    left: str = "answer1"
    right: str = "answer2"
    question: str | None = None
    system: str = "keep"  # or "drop": what becomes of a system message, which no customer wrote

    def __post_init__(self) -> None:
        if self.system not in SYSTEM:
            raise ValueError(f"system={self.system!r} is not known; system can be {' or '.join(SYSTEM)}.")


def preference_votes(row: dict[str, Any], fields: Fields) -> list[Vote]:
    """`prompt`, `chosen`, `rejected`: somebody chose; ½ in `preference`, or equal scores, are a tie."""
    prompt, chosen, rejected = pair(row, fields)
    # The choices that are shipped say in `person` which simulated one made them, and must not turn into people's.
    person = row.get("person")
    voter = text(row, "person") if isinstance(person, str) and SIMULATED in person else fields.voter
    preferred = _preference(row)
    if preferred == 0:
        chosen, rejected = rejected, chosen
    return [choice(prompt, chosen, rejected, voter, tie=preferred == 0.5)]


def _preference(row: dict[str, Any]) -> float:
    """Who won: 1 the chosen one, as where nothing is said, 0 the other one, ½ neither."""
    if row.get("preference") is not None:
        preferred = number(row, "preference")
        if preferred not in (0, 0.5, 1):
            raise ValueError(
                f"'preference' is {preferred:g}, which no vote can say; it is 1 for a choice, 0.5 for a tie, and 0 "
                "where the rejected reply won; fix it, or drop the row."
            )
        return preferred
    chosen, rejected = (row.get(f"score_{name}") for name in ("chosen", "rejected"))
    return 0.5 if chosen is not None and chosen == rejected else 1.0


def unpaired_votes(row: dict[str, Any], fields: Fields) -> list[Vote]:
    """`prompt`, `completion`, `label`: a thumb up or down."""
    prompt, completion = _completion(row, fields)
    question = Question("thumbs", prompt, (completion,))
    return [imported(question, Thumb(required(row, "label", bool)), fields.voter)]


def sft_votes(row: dict[str, Any], fields: Fields) -> list[Vote]:
    """`prompt`, `completion`: a demonstration."""
    prompt, completion = _completion(row, fields)
    return [imported(Question("demonstration", prompt), Text(completion), fields.voter)]


def choice(prompt: str, chosen: str, rejected: str, voter: str, tie: bool = False) -> Vote:
    """A choice of which the file does not say on which side it stood.

    The sides are drawn by lot, the same for the same texts whoever won: were the chosen reply always the first,
    it would look as if somebody had only ever clicked on the left.
    """
    require_different(chosen, rejected)
    replies = sorted((chosen, rejected), key=lambda reply: sha256(f"{prompt}|{reply}".encode()).digest())
    answer = Tie() if tie else Better(replies.index(chosen))
    return imported(Question("pair", prompt, tuple(replies)), answer, voter)


def imported(
    question: Question, answer: Answer, voter: str, time: datetime = NO_TIME, response_ms: int | None = None
) -> Vote:
    """A vote out of a file. `read_votes` gives it an id, when all of the file is read."""
    origin = "simulated" if SIMULATED in voter else "imported"
    shown = tuple(range(len(question.replies)))
    return Vote(question, answer, shown, voter, origin, response_ms, time, id="")


def pair(row: dict[str, Any], fields: Fields) -> tuple[str, str, str]:
    """Prompt, chosen and rejected, each text or messages, whether the prompt has a column or stands in both."""
    if not isinstance(row.get("chosen"), list):
        chosen, rejected = text(row, "chosen"), text(row, "rejected")
        if isinstance(row.get("prompt"), list):
            return _as_prompt(row, fields), to_reply(to_content(chosen)), to_reply(to_content(rejected))
        return text(row, "prompt"), chosen, rejected
    chosen, rejected = messages(row, "chosen"), messages(row, "rejected")
    if isinstance(row.get("prompt"), list) or (isinstance(row.get("prompt"), str) and len(chosen) == 1):
        return _as_prompt(row, fields), _answer(chosen, "chosen"), _answer(rejected, "rejected")
    prompt = chosen[:-1]
    if not prompt or prompt != rejected[:-1]:
        raise ValueError(
            "'chosen' and 'rejected' do not share a prompt: only their last messages may differ; "
            "fix the row, or drop it."
        )
    answers = _answer(chosen[-1:], "chosen"), _answer(rejected[-1:], "rejected")
    return _framed(prompt, fields), *answers


def messages(row: dict[str, Any], column: str) -> list[Message]:
    """A list of messages, each with a role and a text that says something."""
    found = required(row, column, list, dict)
    if not found:
        raise ValueError(f"'{column}' is empty; fill it in, or drop the row.")
    try:
        return [{name: text(message, name) for name in ("role", "content")} for message in found]
    except ValueError as error:
        raise ValueError(f"in a message of '{column}', {error}") from None


def _completion(row: dict[str, Any], fields: Fields) -> tuple[str, str]:
    if isinstance(row.get("completion"), list):
        return _as_prompt(row, fields), _answer(messages(row, "completion"), "completion")
    completion = text(row, "completion")
    if isinstance(row.get("prompt"), list):
        return _as_prompt(row, fields), to_reply(to_content(completion))
    return text(row, "prompt"), completion


def _as_prompt(row: dict[str, Any], fields: Fields) -> str:
    """The prompt of a row whose prompt or replies are messages: a text among messages is one of them."""
    if isinstance(row.get("prompt"), list):
        return _framed(messages(row, "prompt"), fields)
    return _framed(to_messages(text(row, "prompt")), fields)


def _framed(turns: Sequence[Message], fields: Fields) -> str:
    """Messages as a prompt of the help desk, with what the system said or without it."""
    if fields.system == "drop":
        turns = [turn for turn in turns if turn["role"] != "system"]
        if not turns:
            raise ValueError("the prompt holds only what the system said; keep that, or drop the row.")
    return to_prompt(turns)


def _answer(turns: Sequence[Message], column: str) -> str:
    """The one reply in a list of messages."""
    if [turn["role"] for turn in turns] != ["assistant"]:
        roles = listed(turn["role"] for turn in turns)
        raise ValueError(
            f"'{column}' must end in one message of the assistant, after the prompt, and holds: {roles}; "
            "fix the row, or drop it."
        )
    return to_reply(turns[0]["content"])
