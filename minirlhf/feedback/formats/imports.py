"""Votes out of files: which format a file has, and what its rows say.

A file is checked whole before anything is returned. Ids follow from what a vote says, so reading a file twice, or
reading it again when it has grown, brings nothing twice into a store.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from json import dumps
from pathlib import Path
from typing import Any

from minirlhf.feedback.formats.files import NOTHING, read_rows
from minirlhf.feedback.formats.foreign import (
    ASSISTANT,
    argilla_votes,
    hh_rlhf_votes,
    is_ranking,
    label_studio_votes,
    ultrafeedback_votes,
)
from minirlhf.feedback.formats.own import read_vote
from minirlhf.feedback.formats.trl_rows import NO_TIME, Fields, preference_votes, sft_votes, unpaired_votes
from minirlhf.feedback.votes import Vote, answer_to_row

Rows = Sequence[tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class Format:
    """A kind of file: its columns in words, how to know it by them, and how to read a row of it."""

    columns: str
    fits: Callable[[dict[str, Any]], bool]
    votes: Callable[[dict[str, Any], Fields], list[Vote]]


def _has(*columns: str) -> Callable[[dict[str, Any]], bool]:
    return lambda sample: set(columns) <= set(sample)


def _is_transcript(sample: dict[str, Any]) -> bool:
    return _has("chosen", "rejected")(sample) and "prompt" not in sample and ASSISTANT in str(sample["chosen"])


def _is_preference(sample: dict[str, Any]) -> bool:
    # Without a prompt column, only messages say where the prompt ends.
    return _has("chosen", "rejected")(sample) and ("prompt" in sample or isinstance(sample["chosen"], list))


# In the order in which they are tried: what asks for more columns comes before what asks for fewer.
FORMATS = {
    "votes": Format(
        "votes.jsonl of this package: id, pair, voter, prompt, replies, shown, choice, …",
        _has("replies", "shown", "choice"),
        lambda row, _: [read_vote(row)],
    ),
    "label-studio": Format(
        "JSON export of Label Studio with a <Pairwise> tag: data, annotations",
        _has("data", "annotations"),
        label_studio_votes,
    ),
    "argilla": Format(
        "Argilla 1.x with a ranking question: prompt, the replies, and the responses with user_id, value, status",
        lambda sample: any(map(is_ranking, sample.values())),
        argilla_votes,
    ),
    "ultrafeedback": Format(
        "UltraFeedback, binarized: prompt, chosen, rejected, score_chosen, score_rejected",
        _has("chosen", "rejected", "score_chosen", "score_rejected"),
        ultrafeedback_votes,
    ),
    "hh-rlhf": Format(
        "Anthropic's hh-rlhf: chosen, rejected, both whole transcripts with 'Assistant:'", _is_transcript, hh_rlhf_votes
    ),
    "preference": Format("TRL's preference: prompt, chosen, rejected", _is_preference, preference_votes),
    "unpaired": Format(
        "TRL's unpaired preference: prompt, completion, label", _has("prompt", "completion", "label"), unpaired_votes
    ),
    "sft": Format("TRL's prompt-completion: prompt, completion", _has("prompt", "completion"), sft_votes),
}


def read_votes(
    path: str | Path,
    format: str | None = None,
    *,
    voter: str = "imported",
    prompt: str = "prompt",
    left: str = "answer1",
    right: str = "answer2",
    question: str | None = None,
) -> list[Vote]:
    """The votes of a file, in any format of FORMATS; it is detected where it is not said. ValueError with a remedy.

    `voter` is the pseudonym where a file names nobody: give each class its own. The others are a file's own names
    for the prompt (Label Studio, Argilla), the two replies (Label Studio) and the ranking (Argilla, if it has two).
    """
    path = Path(path)
    if format is not None and format not in FORMATS:
        raise ValueError(f"There is no format {format!r}; there are {', '.join(FORMATS)}. {NOTHING}")
    rows = read_rows(path)
    read = FORMATS[format or _detected(path, rows)].votes
    fields = Fields(voter, prompt, left, right, question)
    votes: list[Vote] = []
    wrong: list[tuple[str, str]] = []
    for place, row in rows:
        try:
            votes += read(row, fields)
        except ValueError as error:
            wrong.append((place, str(error)))
    if wrong:
        (place, what), *others = wrong
        more = f" As unusable: {_listed([place for place, _ in others])}." if others else ""
        raise ValueError(f"{path}, {place}: {what}{more} {NOTHING}")
    if not votes:
        raise ValueError(f"{path}: nobody has voted in it, or not submitted what they said. {NOTHING}")
    return _identified(votes)


def detect_format(path: str | Path) -> str:
    """The name of a file's format, by its columns; ValueError that lists what is known, where it is none of them."""
    return _detected(Path(path), read_rows(Path(path)))


def _detected(path: Path, rows: Rows) -> str:
    sample: dict[str, Any] = {}  # of every column a value that is not empty, if there is one
    for _, row in rows:
        sample |= {name: value for name, value in row.items() if not sample.get(name)}
    for name, known in FORMATS.items():
        if known.fits(sample):
            return name
    columns = "\n".join(f"  {name}: {known.columns}" for name, known in FORMATS.items())
    raise ValueError(
        f"{path}: the columns {', '.join(sample) or '(none)'} fit no format that is known here. Rename them to "
        f"fit one of these, and give its name as format=… where two would fit. {NOTHING}\n{columns}"
    )


def _identified(votes: Sequence[Vote]) -> list[Vote]:
    """The votes with ids, and with times where the file has none: one second for each, so that their order stays."""
    seen: Counter[str] = Counter()
    found = []
    for n, vote in enumerate(votes):
        if not vote.id:
            own = "" if vote.time == NO_TIME else vote.time.isoformat()
            content = dumps([vote.question.key, vote.question.replies, answer_to_row(vote.answer), vote.voter, own])
            seen[content] += 1  # the same content twice is two votes
            digest = sha256(f"{content}|{seen[content]}".encode()).hexdigest()[:32]
            time = vote.time if own else NO_TIME + timedelta(seconds=n)
            vote = replace(vote, id=digest, time=time)
        found.append(vote)
    return found


def _listed(places: Sequence[str]) -> str:
    """The first of many places, and how many there are."""
    first = ", ".join(places[:5])
    return first if len(places) <= 5 else f"{first} and {len(places) - 5} more"
