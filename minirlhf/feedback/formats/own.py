"""votes.jsonl: one vote a line, with everything about it. What TRL's columns cannot hold is kept here."""

from dataclasses import fields
from typing import Any

from minirlhf.feedback.formats.files import required
from minirlhf.feedback.votes import ANSWERS, Vote, vote_from_row

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


def read_vote(row: dict[str, Any]) -> Vote:
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
    return vote_from_row(row | {"choice": choice})
