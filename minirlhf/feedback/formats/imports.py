"""Votes out of files: which format a file has, and what its rows say.

A file is checked whole before anything is returned, and one bad row refuses it, unless bad rows are to be left out.
Ids follow from what a vote says, so reading a file twice, or reading it again when it has grown, brings nothing twice
into a store.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from json import dumps
from pathlib import Path
from typing import Any
from warnings import warn

from minirlhf.feedback.formats.conversation import ASSISTANT
from minirlhf.feedback.formats.foreign import (
    argilla_votes,
    hh_rlhf_votes,
    is_ranking,
    label_studio_votes,
    ultrafeedback_votes,
)
from minirlhf.feedback.formats.own import read_vote
from minirlhf.feedback.formats.trl_rows import NO_TIME, Fields, preference_votes, sft_votes, unpaired_votes
from minirlhf.feedback.texts import require_whole
from minirlhf.feedback.votes import Vote, answer_to_row
from minirlhf.files.contents import Unreadable, located
from minirlhf.files.framing import runs_together
from minirlhf.files.messages import counted, half_of_a_character, listed, printable, shown
from minirlhf.files.rows import Row, read_rows

COLUMNS = ("prompt", "chosen", "rejected", "completion", "annotations", "choice")  # votes have at least one of them
ON_BAD_ROWS = ("refuse", "skip")
SPACED = "write the space before each reply, or write the rows as messages, which get one"
NAMED = 100  # places, or runs of them, in one message; how many there are is always said


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


def _is_scored(sample: dict[str, Any]) -> bool:
    # Two texts with scores are a preference like any other.
    columns = ("chosen", "rejected", "score_chosen", "score_rejected")
    return _has(*columns)(sample) and isinstance(sample["chosen"], list)


# In the order in which they are tried: what asks for more columns comes before what asks for fewer.
FORMATS = {
    "votes": Format(
        "votes.jsonl of this package: id, pair, voter, prompt, replies, shown, choice, …",
        _has("replies", "shown", "choice"),
        lambda row, _: [require_whole(read_vote(row))],
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
        "UltraFeedback, binarized: prompt, chosen, rejected as messages, score_chosen, score_rejected",
        _is_scored,
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


@dataclass(frozen=True)
class LeftOut:
    """A row that was not imported: where it stands, and why."""

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclass(frozen=True)
class Imported:
    """The votes of a file, what of it was left out, and in `notes` what else is to be known about them."""

    path: Path
    votes: list[Vote]
    rows: int
    left_out: tuple[LeftOut, ...]
    repeated: tuple[str, ...]  # where rows stand that say again, under the same id, what another has said
    notes: tuple[str, ...]

    def __str__(self) -> str:
        counts = f"{self.path}: {counted(len(self.votes), 'vote')} out of {counted(self.rows, 'row')}"
        left = [f"{len(self.left_out):,} left out:", *(f"  {each}" for each in self.left_out)] if self.left_out else []
        again = [f"The same votes stand again, and count once, in {_places(self.repeated)}."] if self.repeated else []
        return printable("\n".join([counts, *left, *again, *self.notes]))


def read_votes(
    path: str | Path,
    format: str | None = None,
    *,
    on_bad_rows: str = "refuse",
    voter: str = "imported",
    system: str = "keep",
    prompt: str = "prompt",
    left: str = "answer1",
    right: str = "answer2",
    question: str | None = None,
) -> list[Vote]:
    """The votes of a file, in any format of FORMATS; it is detected where it is not said. ValueError with a remedy.

    One bad row refuses the file; with on_bad_rows="skip" the others are read, and a warning names each that was left
    out (`import_votes` returns them). `voter` is the pseudonym where a file names nobody: give each class its own.
    With system="drop", what a system message says is no part of the prompt. The others are a file's own names for the
    prompt (Label Studio, Argilla), the two replies (Label Studio) and the ranking (Argilla, if it has two).
    """
    found = import_votes(path, format, on_bad_rows, Fields(voter, prompt, left, right, question, system))
    if found.left_out or found.repeated or any(SPACED in note for note in found.notes):
        warn(str(found), stacklevel=2)
    return found.votes


def import_votes(
    path: str | Path, format: str | None = None, on_bad_rows: str = "refuse", fields: Fields | None = None
) -> Imported:
    """What `read_votes` reads, with each row that was left out and why."""
    path, fields = located(path), fields or Fields()
    if format is not None and format not in FORMATS:
        raise refused(path, f"there is no format {shown(format)}; there are {', '.join(FORMATS)}.")
    if on_bad_rows not in ON_BAD_ROWS:
        raise refused(path, f"on_bad_rows={on_bad_rows!r} is not known; it can be {' or '.join(ON_BAD_ROWS)}.")
    if half_of_a_character(fields.voter):
        raise refused(path, f"voter={shown(fields.voter)} holds half of a character; write it anew.")
    rows = _rows(path)
    unreadable = [LeftOut(row.place, row.problem) for row in rows if row.problem]
    try:
        read = FORMATS[format or _detected(path, rows)].votes
    except ValueError:
        if unreadable and on_bad_rows == "refuse":  # without them the columns might be known
            raise _refusal(path, unreadable, len(rows)) from None
        raise
    places: list[str] = []
    votes: list[Vote] = []
    wrong = unreadable
    for row in (row for row in rows if not row.problem):
        try:
            found = read(row.values, fields)
        except ValueError as error:
            wrong.append(LeftOut(row.place, printable(str(error))))
        else:
            votes += found
            places += [row.place] * len(found)
    first, repeated, doubles = _once(_identified(votes), places)
    votes = [vote for vote, _ in first]
    order = {row.place: n for n, row in enumerate(rows)}
    wrong = sorted([*wrong, *doubles], key=lambda each: order[each.place])
    if wrong and (on_bad_rows == "refuse" or not votes):
        raise _refusal(path, wrong, len(rows))
    if not votes:
        raise refused(path, "nobody has voted in it, or not submitted what they said; is it the right file?")
    return Imported(path, votes, len(rows), tuple(wrong), tuple(repeated), tuple(_manners(first)))


def detect_format(path: str | Path) -> str:
    """The name of a file's format, by its columns; ValueError that lists what is known, where it is none of them."""
    path = located(path)
    return _detected(path, _rows(path))


def refused(path: Path, what: str, place: str = "") -> ValueError:
    """The error for a file: where, what, what to do, and that nothing was imported; always printable."""
    return ValueError(f"{Unreadable(path, what, place)} Nothing was imported.")


def _rows(path: Path) -> list[Row]:
    try:
        rows = read_rows(path, COLUMNS)
    except (Unreadable, FileNotFoundError) as error:
        kind = ValueError if isinstance(error, Unreadable) else FileNotFoundError
        raise kind(f"{error} Nothing was imported.") from None
    if all(row.problem for row in rows):
        raise _refusal(path, [LeftOut(row.place, row.problem) for row in rows], len(rows))
    return rows


def _detected(path: Path, rows: list[Row]) -> str:
    sample: dict[str, Any] = {}  # of every column a value that is not empty, if there is one
    for row in rows:
        sample |= {name: value for name, value in row.values.items() if not sample.get(name)}
    for name, known in FORMATS.items():
        if known.fits(sample):
            return name
    columns = "\n".join(f"  {name}: {known.columns}" for name, known in FORMATS.items())
    error = refused(
        path,
        f"the columns {listed(sample) if sample else '(none)'} fit no format that is known here. Rename them to "
        "fit one of these, and give its name as format=… where two would fit.",
    )
    raise ValueError(f"{error}\n{columns}")


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


def _once(votes: Sequence[Vote], places: Sequence[str]) -> tuple[list[tuple[Vote, str]], list[str], list[LeftOut]]:
    """Each vote once, with its place: a row that stands there again is said, one that takes another's id is bad."""
    first: dict[str, tuple[Vote, str]] = {}
    again: list[str] = []
    wrong: list[LeftOut] = []
    for vote, place in zip(votes, places, strict=True):
        known, where = first.setdefault(vote.id, (vote, place))
        if known == vote and where != place:
            again.append(place)
        elif known != vote:
            reason = f"its id {shown(vote.id)} is that of {where}, which says something else; give it one of its own"
            wrong.append(LeftOut(place, f"{reason}, or drop the row."))
    return list(first.values()), again, wrong


def _manners(votes: Sequence[tuple[Vote, str]]) -> list[str]:
    """What a model of the help desk would stumble over, though the votes are sound."""
    foreign = sum(not vote.question.prompt.endswith("\nAgent:") for vote, _ in votes)
    joined = [
        place
        for vote, place in votes
        if vote.origin == "imported" and any(runs_together(vote.question.prompt, reply) for reply in _said(vote))
    ]
    notes = []
    if foreign:
        notes.append(
            f"{counted(foreign, 'prompt')} of {len(votes):,} without the help desk's frame (“Customer: …”, then "
            "“Agent:”), the only one that its models have read; a tokenizer and models of your own read any."
        )
    if joined:
        notes.append(
            f"In {counted(len(joined), 'vote')} of {len(votes):,} (the first: {joined[0]}) a reply follows its prompt "
            f"without a space, so that a model reads words it has never seen; {SPACED}."
        )
    return notes


def _said(vote: Vote) -> tuple[str, ...]:
    return vote.question.replies or (getattr(vote.answer, "text", ""),)


def _refusal(path: Path, wrong: Sequence[LeftOut], rows: int) -> ValueError:
    """The error that names every bad row, those of one kind together."""
    first, *others = wrong
    kinds: dict[str, list[str]] = {}
    for each in others:
        kinds.setdefault(each.reason, []).append(each.place)
    more = [f"{_places(places)}: {reason}" for reason, places in kinds.items()]
    if len(more) > NAMED:
        rest = sum(len(places) for places in list(kinds.values())[NAMED:])
        more = [*more[:NAMED], f"and {counted(rest, 'bad row')} of other kinds, which on_bad_rows='skip' would name."]
    good = rows - len({each.place for each in wrong})
    bad = [f"{len(wrong):,} of {rows:,} rows are bad."] if others else []
    offer = [f"on_bad_rows='skip' imports the other {counted(good, 'row')}."] if good else []
    lines = [first.reason, *more, " ".join([*bad, *offer])]
    return refused(path, ("\n  " if others else " ").join(filter(None, lines)), first.place)


def _places(places: Sequence[str]) -> str:
    """Where rows stand, runs of them as one: "line 3, lines 5 to 9"."""
    runs: list[tuple[str, int, int]] = []
    for place in places:
        name, number = place.rsplit(" ", 1)
        if runs and (name, int(number) - 1) == (runs[-1][0], runs[-1][2]):
            runs[-1] = (name, runs[-1][1], int(number))
        else:
            runs.append((name, int(number), int(number)))
    said = [f"{name} {start}" if start == end else f"{name}s {start} to {end}" for name, start, end in runs[:NAMED]]
    more = [f"and others ({len(places):,} in all)"] if len(runs) > NAMED else []
    return ", ".join([*said, *more])
