"""Files of texts as rows, checked whole: an error names the file, the line and the remedy, and nothing is half loaded.

JSON lines are what the lessons use; a JSON list, CSV and Parquet with the same columns are read as well.
"""

from collections.abc import Sequence
from typing import Any

from minirlhf.files.contents import AnyPath
from minirlhf.files.messages import printable
from minirlhf.files.rows import read_checked


def read_jsonl(path: AnyPath, columns: Sequence[str]) -> list[tuple[int, dict[str, Any]]]:
    """The rows of a file with their line numbers, every one checked to hold these columns as text."""
    return [(row.number, row.values) for row in read_checked(path, columns)]


def read_rows(path: AnyPath, columns: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """The same rows, each with the name of its place, as errors give it: "texts.jsonl, line 3"."""
    return [(f"{printable(path)}, {row.place}", row.values) for row in read_checked(path, columns)]
