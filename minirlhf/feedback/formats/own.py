"""votes.jsonl: one vote a line, with everything about it. What TRL's columns cannot hold is kept here."""

from dataclasses import fields
from typing import Any

from minirlhf.feedback.votes import ANSWERS, MODES, ORIGINS, PURPOSES, Vote, vote_from_row
from minirlhf.files.columns import moment, required
from minirlhf.files.messages import shown

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
ONE_OF = {"origin": ORIGINS, "purpose": PURPOSES, "mode": tuple(MODES)}
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
    for column, known in ONE_OF.items():
        _known(column, row[column], known)
    moment(row, "time")
    choice = row["choice"]
    kind = ANSWERS[_known("answer", choice.get("answer"), tuple(ANSWERS))]
    for part in fields(kind):
        required(choice, part.name, *PARTS[part.name])
    choice = {name: choice[name] for name in ("answer", *(part.name for part in fields(kind)))}
    try:
        return vote_from_row(row | {"choice": choice})
    except ValueError as error:
        raise ValueError(f"{error} Fix the row, or drop it.") from None


def _known(column: str, value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"'{column}' must be one of {', '.join(known)}, and is {shown(value)}; fix or drop the row.")
    return value
