"""The rows of a file: JSON lines, a JSON list or {"data": […]}, CSV, TSV and Parquet, told apart by what is in it.

A row that cannot be read stands there with the reason, for whoever reads may leave it out; a file of another kind is
refused in one line, which says what it is and what turns it into rows.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import dropwhile
from pathlib import Path
from typing import Any, NamedTuple

from minirlhf.files.columns import text
from minirlhf.files.contents import NOT_UTF8, UNDECODED, AnyPath, Unreadable, decoded, located, read_bytes
from minirlhf.files.messages import counted, listed, shown
from minirlhf.files.parsing import parse_json

# What an object with the rows calls them.
LISTS = ("data", "rows", "examples", "train", "records", "items", "instances")
ONE_A_LINE = 'write an object for each row, on a line of its own, such as {"prompt": "…", …}'
BY_ROWS = 'write it by rows: in pandas df.to_json("rows.jsonl", orient="records", lines=True)'
MOST_ROWS = 10_000_000  # a Parquet file says the same row so often in a few bytes


class Row(NamedTuple):
    """One row, and where it stands: line 3 of a file, item 3 of a list, row 3 of a table; or why there is none."""

    unit: str
    number: int
    values: dict[str, Any]
    problem: str = ""

    @property
    def place(self) -> str:
        return f"{self.unit} {self.number}"


def read_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    """All rows of a file, none of them looked into. A table, or one row alone, is known by having some of `columns`."""
    content = read_bytes(path)
    found = _parquet(path, content) if content.startswith(b"PAR1") else _written(path, content, columns)
    if not found:
        raise Unreadable(path, f"there is no row in it; {ONE_A_LINE}.")
    return found


def _written(path: Path, content: bytes, columns: Sequence[str]) -> list[Row]:
    written = re.sub(r"\Asep=.\r?\n", "\n", decoded(path, content))  # Excel's word to itself
    if not written.strip():
        raise Unreadable(path, f"the file is empty; {ONE_A_LINE}.")
    if written.lstrip()[0] in "[{":
        return _json(path, written, columns)
    if delimiter := _delimiter(written, columns):
        return _table(path, written, delimiter, columns)
    rows = _lines(written)
    if any(not row.problem for row in rows) or written.lstrip()[0] == '"':
        return rows
    if re.search(r"\.[ct]sv(\.\w+)?$", path.name.lower()):
        return _table(path, written, _delimiter(written, ()) or ",", columns)
    if rows[0].problem == NOT_UTF8:
        raise Unreadable(path, NOT_UTF8, rows[0].place)
    begins = shown(written.lstrip().split("\n", 1)[0])
    raise Unreadable(path, f"neither JSON, CSV nor Parquet, or damaged: it begins with {begins}; {ONE_A_LINE}.")


def read_checked(path: AnyPath, columns: Sequence[str]) -> list[Row]:
    """All rows of a file, each of which holds these columns as text; the first bad one refuses it."""
    found = located(path)
    try:
        rows = read_rows(found, columns)
        for row in rows:
            _require(found, row, columns)
    except Unreadable as error:
        raise ValueError(f"{error} Nothing was loaded.") from None
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error} `minirlhf data` writes the texts that the lessons use.") from None
    return rows


def _require(path: Path, row: Row, columns: Sequence[str]) -> None:
    if row.problem:
        raise Unreadable(path, row.problem, row.place)
    try:
        for column in columns:
            text(row.values, column)
    except ValueError as error:
        raise Unreadable(path, f"{error} Each row needs {', '.join(columns)}.", row.place) from None


# JSON.


def _json(path: Path, written: str, columns: Sequence[str]) -> list[Row]:
    """JSON lines where the first line is a value by itself; else one value, unless only damage makes it seem so."""
    lines = _numbered(written)
    if len(lines) > 1 and not _row("line", *lines[0]).problem:
        return _lines(written)
    try:
        found = parse_json(written, path)
    except Unreadable:
        rows = _lines(written)
        sound = sum(not row.problem for row in rows)
        if sound and (written.lstrip()[0] == "{" or 2 * sound >= len(rows)):
            return rows
        raise
    if isinstance(found, list):
        return _items(path, found)
    if _by_columns(found):
        raise Unreadable(path, f"a table that is not written row by row; {BY_ROWS}.")
    inside = [found[name] for name in LISTS if isinstance(found.get(name), list)]
    if len(inside) == 1 and not set(columns) & found.keys() and (not inside[0] or _any(dict, inside[0])):
        return _items(path, inside[0])
    return [Row("line", lines[0][0], found)]


def _lines(written: str) -> list[Row]:
    return [_row("line", number, line) for number, line in _numbered(written)]


def _numbered(written: str) -> list[tuple[int, str]]:
    """The lines that are not blank. str.splitlines would also cut at U+2028, which a text may hold."""
    return [(n, line) for n, line in enumerate(written.split("\n"), start=1) if line.strip()]


def _items(path: Path, items: list[Any]) -> list[Row]:
    if items and all(isinstance(item, list) for item in items):
        raise Unreadable(path, f"lists in a list, so no column has a name; {BY_ROWS}.")
    return [_object("item", n, item) for n, item in enumerate(items, start=1)]


def _row(unit: str, number: int, written: str) -> Row:
    try:
        return _object(unit, number, parse_json(written, ""))
    except Unreadable as error:
        return Row(unit, number, {}, error.problem)


def _object(unit: str, number: int, found: Any) -> Row:
    if isinstance(found, dict):
        return Row(unit, number, found)
    problem = f'a row must be a JSON object like {{"prompt": …}}, and is {shown(found)}; fix it, or drop the row.'
    return Row(unit, number, {}, problem)


def _by_columns(found: dict[str, Any]) -> bool:
    """Whether an object is a table the other way round: {"prompt": {"0": …}}, {"prompt": ["…"]}, or in parts."""
    values = list(found.values())
    if {"columns", "data"} <= found.keys():
        return True
    if values and all(isinstance(value, dict) for value in values):
        return len({tuple(value) for value in values}) == 1 or all(name.isdigit() for name in found)
    lists = [value for value in values if isinstance(value, list)]
    alike = len({len(value) for value in lists}) == 1 and not any(_any(dict, value) for value in lists)
    return bool(lists) and len(lists) == len(values) and alike and any(lists)


def _any(kind: type, items: Sequence[Any]) -> bool:
    return any(isinstance(item, kind) for item in items)


# Tables.

PLAIN_NAME = re.compile(r"[\w .:/()-]{0,60}")
LABELS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
NUMBERS = ("preference", "score_chosen", "score_rejected", "margin")
MESSAGES = re.compile(r"""\s*\[\s*\{\s*(['"])(role|content)\1""")


def _delimiter(written: str, columns: Sequence[str]) -> str | None:
    """What parts the columns of a table, by the names on top, one of `columns` among them; None where it is none."""
    header = re.split("[\r\n]", written.lstrip()[:10_000], maxsplit=1)[0]
    names = {mark: [name.strip() for name in next(csv.reader([header], delimiter=mark))] for mark in "\t,;"}
    if columns:
        names = {mark: given for mark, given in names.items() if all(map(PLAIN_NAME.fullmatch, given))}
        names = {mark: given for mark, given in names.items() if set(columns) & {name.lower() for name in given}}
    return max(names, key=lambda mark: len(names[mark]), default=None)


def _table(path: Path, written: str, delimiter: str, columns: Sequence[str]) -> list[Row]:
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


# Parquet.


def _parquet(path: Path, content: bytes) -> list[Row]:
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
