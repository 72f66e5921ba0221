"""votes.jsonl: one vote a line, with everything about it. What TRL's columns cannot hold is kept here."""

from dataclasses import fields
from datetime import datetime
from typing import Any

from minirlhf.feedback.formats.files import required
from minirlhf.feedback.votes import ANSWERS, Question, Vote, answer_from_row, answer_to_row

# Every column and what stands in it; a list holds texts or numbers, as the second entry says.
COLUMNS: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "pair": (str,),  # the same for the same replies to the same prompt, whoever was asked
    "voter": (str,),
    "origin": (str,),
    "time": (str,),
    "round": (int,),
    "purpose": (str,),
    "mode": (str,),
    "prompt": (str,),
    "replies": (list, str),
    "models": (list, str),
    "checkpoints": (list, str),
    "shown": (list, int),  # positions in `replies`, from left to right
    "choice": (dict,),
}
NULLABLE = ("expected", "response_ms")  # whole numbers, or nothing
PARTS: dict[str, tuple[type, ...]] = {
    "winner": (int,),
    "up": (bool,),
    "stars": (int,),
    "order": (list, int),
    "text": (str,),
}


def vote_to_row(vote: Vote) -> dict[str, Any]:
    """A vote as a row of votes.jsonl."""
    asked = vote.question
    return {
        "id": vote.id,
        "pair": asked.pair,
        "voter": vote.voter,
        "origin": vote.origin,
        "time": vote.time.isoformat(),
        **{name: getattr(asked, name) for name in ("round", "purpose", "expected", "mode", "prompt")},
        **{name: list(getattr(asked, name)) for name in ("replies", "models", "checkpoints")},
        "shown": list(vote.shown),
        "choice": answer_to_row(vote.answer),
        "response_ms": vote.response_ms,
    }


def vote_from_row(row: dict[str, Any]) -> Vote:
    """The vote that `vote_to_row` wrote, equal in everything; ValueError for a row that it cannot have written."""
    for column, kind in COLUMNS.items():
        required(row, column, *kind)
    for column in NULLABLE:
        if row.get(column) is not None:
            required(row, column, int)
    choice = row["choice"]
    if kind := ANSWERS.get(str(choice.get("answer"))):
        for part in fields(kind):
            required(choice, part.name, *PARTS[part.name])
        choice = {name: choice[name] for name in ("answer", *(part.name for part in fields(kind)))}
    asked = Question(
        row["mode"],
        row["prompt"],
        tuple(row["replies"]),
        tuple(row["models"]),
        tuple(row["checkpoints"]),
        row["round"],
        row["purpose"],
        row.get("expected"),
    )
    return Vote(
        asked,
        answer_from_row(choice),
        tuple(row["shown"]),
        row["voter"],
        row["origin"],
        row.get("response_ms"),
        datetime.fromisoformat(row["time"]),
        row["id"],
    )
