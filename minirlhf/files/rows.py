"""The rows of a file: JSON lines, a JSON list or {"data": […]}, CSV and Parquet, told apart by what is in it."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from minirlhf.files.contents import AnyPath, Unreadable, decoded, located, read_bytes
from minirlhf.files.messages import half_of_a_character, listed, printable, shown
from minirlhf.files.parsing import parse_json

LISTS = (
    "data",
    "rows",
    "examples",
    "train",
    "records",
    "items",
    "instances",
)  # what an object with the rows calls them
AS_RECORDS = 'df.to_json(path, orient="records", lines=True)'


class Row(NamedTuple):
    """One row, and where it stands: line 3 of a file, item 3 of a list, row 3 of a table."""

    unit: str
    number: int
    values: dict[str, Any]

    @property
    def place(self) -> str:
        return f"{self.unit} {self.number}"


def read_rows(path: Path, columns: Sequence[str] = ()) -> list[Row]:
    """All rows of a file, none of them looked into; `columns` are those by which a table is recognised."""
    content = read_bytes(path)
    if content.startswith(b"PAR1"):
        return list(_parquet(path, content))
    text = re.sub(r"\Asep=.\r?\n", "\n", decoded(path, content))  # Excel's word to itself
    if not text.strip():
        raise Unreadable(f"{printable(path)}: the file is empty; it needs one JSON object a line.")
    if text.lstrip()[0] in "[{":
        found = list(_json(path, text, columns))
    elif delimiter := _delimiter(path, text, columns):
        found = list(_csv(path, text, delimiter))
    else:
        found = list(_json_lines(path, text))
    if not found:
        raise Unreadable(f"{printable(path)}: there is no row in it; it needs one JSON object a line.")
    return found


def read_checked(path: AnyPath, columns: Sequence[str]) -> list[Row]:
    """All rows of a file, each of which holds these columns as text."""
    found = located(path)
    if not found.is_file():
        raise FileNotFoundError(
            f"{printable(path)}: no such file. `minirlhf data` writes the texts that the lessons use."
        )
    try:
        rows = read_rows(found, columns)
    except Unreadable as error:
        raise ValueError(f"{error} Nothing was loaded.") from None
    for row in rows:
        if problem := find_missing(row.values, columns):
            raise ValueError(f"{printable(path)}, {row.place}: {problem} Nothing was loaded.")
    return rows


def find_missing(row: dict[str, Any], columns: Sequence[str]) -> str | None:
    """What keeps a row from being used, and the remedy; None if nothing does."""
    for column in columns:
        text = row.get(column)
        if not isinstance(text, str):
            have = listed([name for name, value in row.items() if value is not None])
            return (
                f"the column '{column}' is missing or is not text (the row has: {have}). "
                f"Each row needs {', '.join(columns)}."
            )
        if not text.strip():
            return f"'{column}' is empty; drop the row or fill it in."
        if half_of_a_character(text):
            return f"'{column}' holds half of a character ({shown(text)}); drop the row or fix it."
    return None


def _json(path: Path, text: str, columns: Sequence[str]) -> Iterator[Row]:
    (n, first), *others = _numbered(text)
    if text.lstrip().startswith("["):
        yield from _items(path, parse_json(text, path))
    elif others and (_is_json(path, first) or _is_json(path, others[0][1])):
        yield from _json_lines(path, text)
    else:  # one object, on one line or on many
        found = parse_json(text, path)
        rows = _rows_inside(path, found, columns)
        if others and not rows:
            raise Unreadable(
                f"{printable(path)}: one object over several lines (it has: {listed(list(found))}); "
                "each row needs a line of its own."
            )
        yield from rows or [Row("line", n, found)]


def _json_lines(path: Path, text: str) -> Iterator[Row]:
    for n, line in _numbered(text):
        yield Row("line", n, _checked(path, f"line {n}", parse_json(line, path, n)))


def _numbered(text: str) -> list[tuple[int, str]]:
    """The lines that are not blank. str.splitlines would also cut at U+2028, which a text may hold."""
    return [(n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]


def _is_json(path: Path, line: str) -> bool:
    try:
        parse_json(line, path)
    except Unreadable:
        return False
    return True


def _items(path: Path, items: list[Any]) -> Iterator[Row]:
    if items and all(isinstance(item, list) for item in items):
        raise Unreadable(f"{printable(path)}: lists in a list, so no column has a name; write it with {AS_RECORDS}.")
    for n, item in enumerate(items, start=1):
        yield Row("item", n, _checked(path, f"item {n}", item))


def _rows_inside(path: Path, found: dict[str, Any], columns: Sequence[str]) -> list[Row]:
    """The rows that one object holds in a list, if it does; pandas' other ways to write a table are named."""
    if _by_columns(found):
        raise Unreadable(f"{printable(path)}: a table by columns, as pandas writes it; write it with {AS_RECORDS}.")
    lists = [found[name] for name in LISTS if isinstance(found.get(name), list)]
    if set(columns) & found.keys() or len(lists) != 1 or not all(isinstance(item, dict) for item in lists[0]):
        return []
    return list(_items(path, lists[0]))


def _by_columns(found: dict[str, Any]) -> bool:
    """Whether an object is a table the other way round: {"prompt": {"0": …}}, {"prompt": ["…"]}, or in parts."""
    if {"columns", "data"} <= found.keys():
        return True
    values = list(found.values())
    texts = [isinstance(v, list) and all(isinstance(item, str) for item in v) for v in values]
    numbered = [isinstance(v, dict) and bool(v) and all(name.isdigit() for name in v) for v in values]
    by_row = bool(found) and all(name.isdigit() for name in found) and all(isinstance(v, dict) for v in values)
    return by_row or (bool(found) and (all(texts) or all(numbered)))


def _checked(path: Path, place: str, row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise Unreadable(
            f'{printable(path)}, {place}: a row must be a JSON object like {{"prompt": …}}; fix or drop it.'
        )
    return row


def _delimiter(path: Path, text: str, columns: Sequence[str]) -> str | None:
    """What separates the columns of a CSV file, if it is one: its first line says what they are."""
    header = text.lstrip().split("\n", 1)[0]
    names = {mark: [name.strip().strip('"') for name in header.split(mark)] for mark in ",;\t"}
    fitting = [mark for mark, found in names.items() if columns and set(columns) <= set(found)]
    if not fitting and path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv")):
        fitting = sorted(names, key=lambda mark: -len(names[mark]))
    return fitting[0] if fitting else None


def _csv(path: Path, text: str, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header, begins = None, 1
    try:
        for values in reader:
            place, begins = begins, reader.line_num + 1
            if not values:
                continue
            if header is None:
                header = [name.strip() for name in values]
                if twice := [name for name in header if header.count(name) > 1]:
                    raise Unreadable(
                        f"{printable(path)}, line {place}: two columns are called {listed(twice[:1])}; rename one."
                    )
            elif len(values) != len(header):
                raise Unreadable(
                    f"{printable(path)}, line {place}: {len(values)} values for {len(header)} columns; "
                    'put a text with commas, quotes or lines in it between double quotes ("…").'
                )
            else:
                yield Row("line", place, dict(zip(header, values, strict=True)))
    except csv.Error as error:
        raise Unreadable(f"{printable(path)}, line {begins}: not valid CSV ({error}); fix or drop the row.") from None


def _parquet(path: Path, content: bytes) -> Iterator[Row]:
    import pyarrow  # here and not above: it takes a while to import, and few files need it
    from pyarrow import parquet

    try:
        rows = parquet.read_table(io.BytesIO(content)).to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise Unreadable(
            f"{printable(path)}: a Parquet file that cannot be read ({shown(str(error), 200)}); write it anew."
        ) from None
    for n, row in enumerate(rows, start=1):
        yield Row("row", n, row)
