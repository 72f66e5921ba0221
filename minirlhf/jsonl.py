"""Files of texts as rows, checked whole: an error names the file, the line and the remedy, and nothing is half loaded.

JSON lines are what the lessons use; a JSON list, CSV and Parquet with the same columns are read as well.
"""

from collections.abc import Sequence
from typing import Any

from minirlhf.files.contents import AnyPath, Unreadable, located
from minirlhf.files.messages import printable
from minirlhf.files.rows import Row, find_missing
from minirlhf.files.rows import read_rows as read_unchecked

NOTHING = "Nothing was loaded."


def read_jsonl(path: AnyPath, columns: Sequence[str]) -> list[tuple[int, dict[str, Any]]]:
    """The rows of a file with their line numbers, every one checked to hold these columns as text."""
    return [(row.number, row.values) for row in _checked(path, columns)]


def read_rows(path: AnyPath, columns: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """The same rows, each with the name of its place, as errors give it: "texts.jsonl, line 3"."""
    return [(f"{printable(path)}, {row.place}", row.values) for row in _checked(path, columns)]


def _checked(path: AnyPath, columns: Sequence[str]) -> list[Row]:
    found = located(path)
    if not found.is_file():
        raise FileNotFoundError(
            f"{printable(path)}: no such file. `minirlhf data` writes the texts that the lessons use."
        )
    try:
        rows = read_unchecked(found, columns)
    except Unreadable as error:
        raise ValueError(f"{error} {NOTHING}") from None
    for row in rows:
        if problem := find_missing(row.values, columns):
            raise ValueError(f"{printable(path)}, {row.place}: {problem} {NOTHING}")
    return rows
