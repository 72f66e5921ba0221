"""Votes as data sets in exactly TRL's columns, and as files.

    preference   prompt, chosen, rejected      DPO, reward models     (a tie has no row)
    unpaired     prompt, completion, label     KTO
    sft          prompt, completion            SFT

In the standard form, prompt + completion is the text that the model saw, to the letter: a reply begins with its space.
In the conversational form both are messages. Whatever has no column there is in votes.jsonl, from which the very
votes can be read again.
"""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minirlhf.feedback.formats.conversation import to_content, to_messages
from minirlhf.feedback.identity import pseudonym
from minirlhf.feedback.meaning import Preference, demonstrations, judgements, preferences
from minirlhf.feedback.texts import require_whole
from minirlhf.feedback.votes import Vote, vote_to_row
from minirlhf.files.contents import located
from minirlhf.files.messages import counted

if TYPE_CHECKING:
    import datasets

FILES = ("jsonl", "parquet")
STARS = ("judgements", "pairs")
SIDE_TABLE = "votes.jsonl"


def preference_dataset(
    votes: Iterable[Vote], conversational: bool = False, stars: str = "judgements"
) -> "datasets.Dataset":
    """Each choice as prompt, chosen, rejected; with stars="pairs", compared stars too, and a column `margin`."""
    margin = "float64" if stars == "pairs" else None
    # TRL has no column that could say ½.
    rows = [vars(found) for found in _compared(_whole(votes), stars) if found.preference == 1]
    return _dataset(rows, ("prompt", "chosen", "rejected"), conversational, margin=margin)


def unpaired_dataset(
    votes: Iterable[Vote], conversational: bool = False, stars: str = "judgements", choices: bool = False
) -> "datasets.Dataset":
    """Each judgement as prompt, completion, label; with stars="pairs", only of replies that cannot be compared.

    With `choices`, every row of the preference data set comes first, as a yes for the chosen reply and a no for the
    rejected one: that is what TRL's unpair_preference_dataset makes of it.
    """
    votes = _whole(votes)
    chosen = preference_dataset(votes, stars=stars).to_list() if choices else []
    rows = [
        *({"prompt": row["prompt"], "completion": row["chosen"], "label": True} for row in chosen),
        *({"prompt": row["prompt"], "completion": row["rejected"], "label": False} for row in chosen),
        *(vars(found) for found in judgements(votes, every_star=_known(stars) == "judgements")),
    ]
    return _dataset(rows, ("prompt", "completion"), conversational, label="bool")


def sft_dataset(votes: Iterable[Vote], conversational: bool = False) -> "datasets.Dataset":
    """Each corrected and demonstrated text as prompt, completion."""
    return _dataset([vars(found) for found in demonstrations(_whole(votes))], ("prompt", "completion"), conversational)


def _whole(votes: Iterable[Vote]) -> list[Vote]:
    """The votes, of which an older store may hold one with half an emoji, which no file can."""
    return [require_whole(vote) for vote in votes]


def _dataset(
    rows: Sequence[dict[str, Any]], texts: Sequence[str], conversational: bool, **others: str | None
) -> "datasets.Dataset":
    """Rows as a data set with these columns, which it has without a row as well."""
    import datasets  # here and not above: it takes a second to import

    message = [{"role": datasets.Value("string"), "content": datasets.Value("string")}]
    features: dict[str, Any] = dict.fromkeys(texts, message if conversational else datasets.Value("string"))
    features |= {name: datasets.Value(kind) for name, kind in others.items() if kind}
    columns = {name: [row[name] for row in rows] for name in features}
    if conversational:
        for name in texts:
            columns[name] = [_as_messages(name, text) for text in columns[name]]
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def _as_messages(column: str, text: str) -> list[dict[str, str]]:
    return to_messages(text) if column == "prompt" else [{"role": "assistant", "content": to_content(text)}]


def _compared(votes: Iterable[Vote], stars: str) -> list[Preference]:
    """What the votes say about two replies; stars count among them only as pairs."""
    return preferences(vote for vote in votes if _known(stars) == "pairs" or vote.question.mode != "stars")


def _known(stars: str) -> str:
    if stars not in STARS:
        raise ValueError(f"stars={stars!r} is not known; stars can be {' or '.join(STARS)}.")
    return stars


# Files.


@dataclass(frozen=True)
class Exported:
    """What `export` wrote, how many rows of each, and in `notes` what it did not write, and why."""

    paths: tuple[Path, ...]
    rows: dict[str, int]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        counts = [(path, self.rows[path.stem]) for path in self.paths]
        wrote = [f"{path}: {counted(n, 'row')}" for path, n in counts]
        return "\n".join([*wrote, *self.notes])


def export(
    votes: Iterable[Vote],
    folder: str | Path,
    formats: str | Sequence[str] = ("jsonl",),
    conversational: bool = False,
    stars: str = "judgements",
    anonymous: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write the three data sets and votes.jsonl into a folder; an empty one is not written, and the notes say so.

    With `anonymous`, people become p-3f9a2c81d0 and the like, each always the same; simulated people keep their names,
    because they are called simulated wherever they appear. Files that are there already are left alone, with an error,
    unless `overwrite` is given.
    """
    folder, votes = located(folder), _whole(votes)
    formats = (formats,) if isinstance(formats, str) else formats
    if unknown := set(formats) - set(FILES):
        raise ValueError(f"There is no format {', '.join(sorted(unknown))}; there are {', '.join(FILES)}.")
    if anonymous:
        votes = _anonymous(votes)
    sets = {
        "preference": preference_dataset(votes, conversational, stars),
        "unpaired": unpaired_dataset(votes, conversational, stars),
        "sft": sft_dataset(votes, conversational),
    }
    # Also of the sets that are empty now: an older file beside new ones would be taken for one of them.
    old = [folder / f"{name}.{kind}" for name in sets for kind in FILES]
    old = [path for path in (*old, folder / SIDE_TABLE) if path.exists()]
    if old and not overwrite:
        raise FileExistsError(
            f"{old[0]} is there already, and nothing was written. Give another folder, or overwrite=True to replace "
            f"what an earlier export has left there ({', '.join(path.name for path in old)})."
        )
    contents = {
        folder / f"{name}.{kind}": _content(found, kind)
        for name, found in sets.items()
        for kind in formats
        if len(found)
    }
    if votes:
        contents[folder / SIDE_TABLE] = _lines(map(vote_to_row, votes))
    _replace(folder, old, contents)
    rows = {name: len(found) for name, found in sets.items()} | {"votes": len(votes)}
    return Exported(tuple(contents), rows, _notes(votes, rows, stars))


def _anonymous(votes: Sequence[Vote]) -> list[Vote]:
    """The votes under pseudonyms, the same in every file."""
    return [v if v.origin == "simulated" else replace(v, voter=pseudonym(v.voter)) for v in votes]


def _content(found: "datasets.Dataset", kind: str) -> bytes:
    if kind == "jsonl":
        return _lines(found.to_list())
    from io import BytesIO

    import datasets

    datasets.disable_progress_bars()  # a bar for a tenth of a second is only noise
    buffer = BytesIO()
    found.to_parquet(buffer)
    return buffer.getvalue()


def _lines(rows: Iterable[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _replace(folder: Path, old: Sequence[Path], contents: dict[Path, bytes]) -> None:
    """Every file is whole before the first old one goes."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in contents.items():
        path.with_name(path.name + ".part").write_bytes(content)
    for path in old:
        path.unlink()
    for path in contents:
        os.replace(path.with_name(path.name + ".part"), path)


def _notes(votes: Sequence[Vote], rows: dict[str, int], stars: str) -> tuple[str, ...]:
    """What a reader of the files would look for and not find."""
    reasons = {
        "preference": "no vote chose between two replies",
        "unpaired": "no vote judged a reply by itself",
        "sft": "nobody wrote a text",
        "votes": "there is no vote",
    }
    notes = [f"{name} was not written: {why}." for name, why in reasons.items() if not rows[name]]
    if ties := sum(found.preference != 1 for found in _compared(votes, stars)):
        notes.append(f"Only {SIDE_TABLE} holds {counted(ties, 'tie')}: preference has no row that could say ½.")
    if checks := sum(vote.question.purpose == "gold" for vote in votes):
        notes.append(f"Only {SIDE_TABLE} holds {counted(checks, 'attention check')}: they say nothing about taste.")
    return tuple(notes)
