"""No vote is kept or written that holds half a character."""

from typing import TypeVar

from minirlhf.feedback.votes import Event, Undo, Vote
from minirlhf.files.messages import MOST, half_of_a_character, shown

Kept = TypeVar("Kept", bound=Event)


def require_whole(event: Kept) -> Kept:
    """The same vote, or a ValueError: it holds half a character, which neither a file nor a tokenizer can say."""
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
    return event


def _around_half(text: str) -> str:
    """The words about the first half of a character, which may stand far behind in a text."""
    at = next(n for n, letter in enumerate(text) if half_of_a_character(letter))
    return text[max(at - MOST // 2, 0) :]
