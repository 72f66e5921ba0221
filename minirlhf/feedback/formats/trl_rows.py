"""Rows in TRL's columns as votes: preference, unpaired preference and SFT, standard or conversational.

Left out: preferences of plain text without a prompt column. Where such a prompt ends can only be guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from minirlhf.feedback.formats.conversation import Message, to_prompt, to_reply
from minirlhf.feedback.formats.files import require_different, required, text
from minirlhf.feedback.votes import Answer, Better, Question, Text, Thumb, Tie, Vote

SIMULATED = "(simulated)"
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


def preference_votes(row: dict[str, Any], fields: Fields) -> list[Vote]:
    """`prompt`, `chosen`, `rejected`: somebody chose."""
    if isinstance(row.get("chosen"), list):
        prompt, chosen, rejected = conversational_pair(row)
    else:
        prompt, chosen, rejected = (text(row, column) for column in ("prompt", "chosen", "rejected"))
    # The choices that are shipped say in `person` which simulated one made them, and must not turn into people's.
    person = str(row.get("person"))
    return [choice(prompt, chosen, rejected, person if SIMULATED in person else fields.voter)]


def unpaired_votes(row: dict[str, Any], fields: Fields) -> list[Vote]:
    """`prompt`, `completion`, `label`: a thumb up or down."""
    prompt, completion = _completion(row)
    question = Question("thumbs", prompt, (completion,))
    return [imported(question, Thumb(required(row, "label", bool)), fields.voter)]


def sft_votes(row: dict[str, Any], fields: Fields) -> list[Vote]:
    """`prompt`, `completion`: a demonstration."""
    prompt, completion = _completion(row)
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


def conversational_pair(row: dict[str, Any]) -> tuple[str, str, str]:
    """Prompt, chosen and rejected out of messages, whether the prompt has a column or stands in both."""
    chosen, rejected = messages(row, "chosen"), messages(row, "rejected")
    if isinstance(row.get("prompt"), list):
        prompt = messages(row, "prompt")
    else:
        prompt = chosen[:-1]
        if not prompt or prompt != rejected[:-1]:
            raise ValueError(
                "'chosen' and 'rejected' do not share a prompt: only their last messages may differ; "
                "fix the row, or drop it."
            )
        chosen, rejected = chosen[-1:], rejected[-1:]
    return to_prompt(prompt), _answer(chosen, "chosen"), _answer(rejected, "rejected")


def messages(row: dict[str, Any], column: str) -> list[Message]:
    """A list of messages, each with a role and a text that says something."""
    found = required(row, column, list, dict)
    if not found:
        raise ValueError(f"'{column}' is empty; fill it in, or drop the row.")
    try:
        return [{name: text(message, name) for name in ("role", "content")} for message in found]
    except ValueError as error:
        raise ValueError(f"in a message of '{column}', {error}") from None


def _completion(row: dict[str, Any]) -> tuple[str, str]:
    if isinstance(row.get("prompt"), list):
        return to_prompt(messages(row, "prompt")), _answer(messages(row, "completion"), "completion")
    return text(row, "prompt"), text(row, "completion")


def _answer(turns: Sequence[Message], column: str) -> str:
    """The one reply in a list of messages."""
    if [turn["role"] for turn in turns] != ["assistant"]:
        roles = ", ".join(turn["role"] for turn in turns)
        raise ValueError(
            f"'{column}' must end in one message of the assistant, after the prompt, and holds: {roles}; "
            "fix the row, or drop it."
        )
    return to_reply(turns[0]["content"])
