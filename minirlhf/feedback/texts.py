"""Texts of strangers as our errors show them: always printable, never longer than sixty characters."""

from collections.abc import Iterable
from typing import Any

from minirlhf.feedback.votes import Event, Undo, Vote
from minirlhf.files.messages import half_of_a_character

SHOWN = 60
NAMED = 12


def shown(value: Any) -> str:
    """A value as Python writes it, cut where a line ends; half a character becomes its number."""
    written = repr(value[:SHOWN]) if isinstance(value, str) else repr(value)[:SHOWN]
    whole = len(value) <= SHOWN if isinstance(value, str) else len(written) < SHOWN
    return written if whole else written + "…"


def listed(names: Iterable[Any]) -> str:
    """Names, such as a file's columns, and how many more there are."""
    names = list(names)
    first = [name if str(name).isprintable() and len(str(name)) <= SHOWN else shown(name) for name in names[:NAMED]]
    more = [f"and {len(names) - NAMED:,} more"] if len(names) > NAMED else []
    return ", ".join([*map(str, first), *more])


def require_whole(event: Event) -> None:
    """Say which vote holds half a character, which neither a file nor a tokenizer can say."""
    said = vars(event) | (vars(event.question) | vars(event.answer) if isinstance(event, Vote) else {})
    for column, value in said.items():
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and half_of_a_character(text):
                about = "" if isinstance(event, Undo) else f" on {shown(event.question.prompt)}"
                kind = "undo" if isinstance(event, Undo) else "vote"
                raise ValueError(
                    f"The {kind} {shown(event.id)} of {shown(event.voter)}{about} holds half of a character in "
                    f"'{column}': {shown(_around_half(text))}. Write that anew (a text cut in the middle of an emoji "
                    "ends so); if the vote is kept already, take it back with store.undo(vote)."
                )


def _around_half(text: str) -> str:
    """The words about the first half of a character, which may stand far behind in a text."""
    at = next(n for n, letter in enumerate(text) if half_of_a_character(letter))
    return text[max(at - SHOWN // 2, 0) :]
