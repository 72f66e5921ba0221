"""The rows of a file: JSON lines, a JSON list or {"data": […]}, CSV, TSV and Parquet, told apart by what is in it.

A row that cannot be read stands there with the reason, for whoever reads may leave it out; a file of another kind is
refused in one line, which says what it is and what turns it into rows.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minirlhf.files.columns import Row, text
from minirlhf.files.contents import NOT_UTF8, AnyPath, Unreadable, decoded, located, read_bytes
from minirlhf.files.messages import shown
from minirlhf.files.parsing import parse_json
from minirlhf.files.tables import BY_ROWS, find_delimiter, read_parquet, read_table

# What an object with the rows calls them.
LISTS = ("data", "rows", "examples", "train", "records", "items", "instances")
ONE_A_LINE = 'write an object for each row, on a line of its own, such as {"prompt": "…", …}'


def read_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    """All rows of a file, none of them looked into. A table, or one row alone, is known by having some of `columns`."""
    content = read_bytes(path)
    found = read_parquet(path, content) if content.startswith(b"PAR1") else _written(path, content, columns)
    if not found:
        raise Unreadable(path, f"there is no row in it; {ONE_A_LINE}.")
    return found


def _written(path: Path, content: bytes, columns: Sequence[str]) -> list[Row]:
    written = re.sub(r"\Asep=.\r?\n", "\n", decoded(path, content))  # Excel's word to itself
    if not written.strip():
        raise Unreadable(path, f"the file is empty; {ONE_A_LINE}.")
    if written.lstrip()[0] in "[{":
        return _json(path, written, columns)
    if delimiter := find_delimiter(written, columns):
        return read_table(path, written, delimiter, columns)
    rows = _lines(written)
    if any(not row.problem for row in rows) or written.lstrip()[0] == '"':
        return rows
    if re.search(r"\.[ct]sv(\.\w+)?$", path.name.lower()):
        return read_table(path, written, find_delimiter(written, ()) or ",", columns)
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
    if len(lines) > 1 and not _row(*lines[0]).problem:
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
    return [_row(number, line) for number, line in _numbered(written)]


def _numbered(written: str) -> list[tuple[int, str]]:
    """The lines that are not blank. str.splitlines would also cut at U+2028, which a text may hold."""
    return [(n, line) for n, line in enumerate(written.split("\n"), start=1) if line.strip()]


def _items(path: Path, items: list[Any]) -> list[Row]:
    if items and all(isinstance(item, list) for item in items):
        raise Unreadable(path, f"lists in a list, so no column has a name; {BY_ROWS}.")
    return [_object("item", n, item) for n, item in enumerate(items, start=1)]


def _row(number: int, written: str) -> Row:
    try:
        return _object("line", number, parse_json(written, ""))
    except Unreadable as error:
        return Row("line", number, {}, error.problem)


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
