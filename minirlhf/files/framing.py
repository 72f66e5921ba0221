"""What stands around a text when a model reads it: a frame that is asked for, or a note where one is missing."""

import warnings
from typing import Any, Protocol, runtime_checkable

import regex

from minirlhf.files.messages import counted, printable, shown
from minirlhf.files.words import UNSPACED

Rows = list[tuple[str, dict[str, Any]]]  # each with the name of its place

WORD_AFTER_WORD = regex.compile(
    rf"[[\p{{L}}\p{{M}}\p{{N}}.,:;!?…)]--[{UNSPACED}]][[\p{{L}}\p{{N}}]--[{UNSPACED}]]", regex.V1
)
HELP_DESK = "Customer: {prompt}\nAgent: {reply}"
HELP_DESK_ENTRIES = 512


@runtime_checkable
class Pieces(Protocol):
    """A tokenizer, as far as it matters here."""

    vocab_size: int

    def pieces(self, text: str) -> list[str]: ...


def put_in_frame(rows: Rows, replies: tuple[str, ...], frame: str) -> Rows:
    """Each prompt and its replies in a frame such as HELP_DESK; the space before a reply becomes the reply's own.

    Byte-level BPE has that space in the token of the word that follows it.
    """
    before, *after = frame.split("{reply}")
    if after != [""] or before.count("{prompt}") != 1:
        raise ValueError(
            f"frame is {shown(frame)}; it must hold {{prompt}} and end with {{reply}}, such as {HELP_DESK!r}. "
            "Nothing was loaded."
        )
    asks = before.rstrip(" ")
    space = before[len(asks) :]

    def framed(row: dict[str, Any]) -> dict[str, Any]:
        spoken = {name: space + (row[name].lstrip(" ") if space else row[name]) for name in replies}
        return row | {"prompt": asks.replace("{prompt}", row["prompt"])} | spoken

    return [(where, framed(row)) for where, row in rows]


def note_missing_frame(path: object, rows: Rows, replies: tuple[str, ...], tokenizer: Pieces) -> None:
    """Warn where replies run into their prompts, and where the help desk's models are asked outside their frame."""
    joined = [where for where, row in rows if any(runs_together(row["prompt"], row[name]) for name in replies)]
    unframed = [where for where, row in rows if not row["prompt"].rstrip(" ").endswith("\nAgent:")]
    if 2 * len(unframed) > len(rows) and _learned_at_the_help_desk(tokenizer):
        what = (
            "prompts that do not end with 'Agent:' on a line of its own, as all did that the shipped models have read"
        )
        _warn(path, unframed, rows, what, HELP_DESK)
    elif joined:
        what = "replies that follow their prompt without a space, so that a model reads words it has never seen"
        _warn(path, joined, rows, what, "{prompt} {reply}")


def _warn(path: object, found: list[str], rows: Rows, what: str, remedy: str) -> None:
    warnings.warn(
        f"{printable(path)}: {what}, in {len(found)} of {counted(len(rows), 'row')} (the first: "
        f"{found[0].rpartition(', ')[2]}). "
        f"They were loaded as they stand; frame={remedy!r} puts them right.",
        stacklevel=5,  # where the file was loaded
    )


def runs_together(prompt: str, reply: str) -> bool:
    """Whether a reply's first word is read as a part of its prompt's last one."""
    return bool(WORD_AFTER_WORD.fullmatch(prompt[-1:] + reply[:1]))


def _learned_at_the_help_desk(tokenizer: Pieces) -> bool:
    """Whether this is the lessons' own tokenizer: so few entries, and one for each of the two who speak there."""
    return tokenizer.vocab_size == HELP_DESK_ENTRIES and tokenizer.pieces("Customer\nAgent") == [
        "Customer",
        "\n",
        "Agent",
    ]
