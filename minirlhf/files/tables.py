"""The rows of tables with names on top: CSV, TSV, and Parquet. What their cells hold is what JSON would hold there."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import dropwhile
from pathlib import Path
from typing import Any

from minirlhf.files.columns import Row
from minirlhf.files.contents import NOT_UTF8, UNDECODED, Unreadable
from minirlhf.files.messages import counted, listed, shown
from minirlhf.files.parsing import parse_json

BY_ROWS = 'write it by rows: in pandas df.to_json("rows.jsonl", orient="records", lines=True)'
MOST_ROWS = 10_000_000  # a Parquet file says the same row so often in a few bytes
PLAIN_NAME = re.compile(r"[\w .:/()-]{0,60}")
LABELS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
NUMBERS = ("preference", "score_chosen", "score_rejected", "margin")
MESSAGES = re.compile(r"""\s*\[\s*\{\s*(['"])(role|content)\1""")


def find_delimiter(written: str, columns: Sequence[str]) -> str | None:
    """What parts the columns of a table, by the names on top, one of `columns` among them; None where it is none."""
    header = re.split("[\r\n]", written.lstrip()[:10_000], maxsplit=1)[0]
    names = {mark: [name.strip() for name in next(csv.reader([header], delimiter=mark))] for mark in "\t,;"}
    if columns:
        names = {mark: given for mark, given in names.items() if all(map(PLAIN_NAME.fullmatch, given))}
        names = {mark: given for mark, given in names.items() if set(columns) & {name.lower() for name in given}}
    return max(names, key=lambda mark: len(names[mark]), default=None)


def read_table(path: Path, written: str, delimiter: str, columns: Sequence[str]) -> list[Row]:
    """The rows below the names on top; in `columns`, cells may hold messages."""
    records = _records(path, written, delimiter)
    (line, header), *rows = dropwhile(lambda record: not "".join(record[1]).strip(), records)
    names = [name.strip() for name in header]
    if UNDECODED.search("".join(names)):
        raise Unreadable(path, NOT_UTF8, f"line {line}")
    _require_once(path, names, f"line {line}")
    if not rows:
        raise Unreadable(path, f"the table has columns ({listed(names)}) and no row; fill in some.")
    return [_record(line, names, cells, columns) for line, cells in rows]


def _records(path: Path, written: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The records of a table that are not blank, each with the line on which it begins."""
    reader, begins = csv.reader(io.StringIO(written, newline=""), delimiter=delimiter, strict=True), 1
    try:
        for cells in reader:
            if cells:
                yield begins, cells
            begins = reader.line_num + 1
    except csv.Error as error:
        problem = f"not valid CSV ({error}); is a quote left open, or not doubled? Fix it there."
        raise Unreadable(path, problem, f"line {begins}") from None


def _require_once(path: Path, names: Sequence[str], place: str = "") -> None:
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise Unreadable(path, f"the column {shown(twice[0])} stands there twice; rename or drop one.", place)


def _record(line: int, names: Sequence[str], cells: Sequence[str], columns: Sequence[str]) -> Row:
    """A row of a table as JSON would have it: only texts are texts there."""
    problem = ""
    if UNDECODED.search("".join(cells)):
        problem = NOT_UTF8
    elif len(cells) != len(names):
        problem = (
            f"{counted(len(cells), 'cell')} under {counted(len(names), 'name')}; put a text that holds the sign "
            'between columns, quotes or lines between double quotes ("…"), or drop the row.'
        )
    if problem:
        return Row("line", line, {}, problem)
    try:
        return Row("line", line, {n: _cell(n, cell, n in columns) for n, cell in zip(names, cells, strict=True)})
    except Unreadable as error:
        return Row("line", line, {}, error.problem)


def _cell(name: str, cell: str, wanted: bool) -> Any:
    if name == "label":
        return LABELS.get(cell.strip().lower(), cell)
    if name in NUMBERS:
        try:
            return float(cell) if cell.strip() else None
        except ValueError:
            return cell
    if not wanted or not (found := MESSAGES.match(cell)):
        return cell
    if found[1] == "'":
        raise Unreadable("", f"'{name}' holds messages as Python prints them; save them as JSON, or {BY_ROWS}.")
    try:
        return parse_json(cell, "")
    except Unreadable as error:
        raise Unreadable("", f"in the messages of '{name}': {error.problem}") from None


def read_parquet(path: Path, content: bytes) -> list[Row]:
    """The rows of a Parquet file; one that Python cannot hold is a bad one among the others."""
    import pyarrow  # here and not above: it takes a while to import, and few files need it
    from pyarrow import parquet

    faults = (pyarrow.ArrowException, OSError, ValueError, ArithmeticError)
    try:
        file = parquet.ParquetFile(io.BytesIO(content))
        _require_once(path, file.schema_arrow.names)
        if file.metadata.num_rows > MOST_ROWS:
            raise Unreadable(path, f"more than {MOST_ROWS:,} rows; split it into several files.")
        table = file.read()
    except Unreadable:
        raise
    except faults as error:
        problem = f"a Parquet file that cannot be read ({_first_line(error)}); write or download it anew."
        raise Unreadable(path, problem) from None

    def row(n: int) -> Row:
        try:
            return Row("row", n + 1, table.slice(n, 1).to_pylist()[0])
        except faults as error:
            problem = f"a value that Python cannot hold ({_first_line(error)}); fix it, or drop the row."
            return Row("row", n + 1, {}, problem)

    try:
        return [Row("row", n, values) for n, values in enumerate(table.to_pylist(), start=1)]
    except faults:  # a time beyond Python's, half a character: slowly, row by row
        return [row(n) for n in range(table.num_rows)]


def _first_line(error: Exception) -> str:
    return shown(str(error).split("\n")[0], 200)
