"""Files as rows, each with its place in the file: JSON lines, a JSON list, Parquet, CSV and TSV, also gzipped.

They are told apart by what is in the file, not by its name. A row that cannot be read stands there as the error that
says why, so that whoever reads may leave it out; a file of another kind is refused in one line that says what it is.
"""

import csv
import json
import lzma
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

from minirlhf.feedback.texts import listed, shown
from minirlhf.files.contents import LARGEST, PACKED
from minirlhf.files.messages import printable

NOTHING = "Nothing was imported."
DEEPEST = 64  # brackets in brackets: votes need five, and parsers die of a hundred thousand

Place = str
Rows = list[tuple[Place, dict[str, Any] | ValueError]]

ARROW = "an Arrow file; write it as JSON lines: datasets.Dataset.from_file(path).to_json('votes.jsonl')"
UTF16 = "text, but not UTF-8 (it is UTF-16); save the file as UTF-8"

UNKNOWN = (
    "neither JSON, CSV nor Parquet, or one that is damaged at its start; write a row for each vote, such as "
    '{"prompt": "…", "chosen": "…", "rejected": "…"}'
)

# How a file begins that holds no rows, what it is, and how to get at the votes in it.
OTHER_KINDS = {
    b"PK\x03\x04": "a zip archive; unpack it, and name the file inside",
    b"version https://git-lfs": "a Git LFS pointer and not the file itself; fetch that with `git lfs pull`",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save it as CSV (UTF-8) with the names of the columns on top",
    b"SQLite format 3\x00": "a store of votes, or another database; give a store to FeedbackStore(path)",
    b"ARROW1": ARROW,
    b"\xff\xff\xff\xff": ARROW,
    b"\x28\xb5\x2f\xfd": "compressed with Zstandard; unpack it, or compress it with gzip",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive; unpack it, and name the file inside",
    b"%PDF": "a PDF; name the file that it was made from",
    b"\xff\xfe": UTF16,
    b"\xfe\xff": UTF16,
}
WORKBOOK = "an Excel workbook; save it as CSV (UTF-8) with the names of the columns on top"
WEB_PAGE = "a web page and not the file that it shows; download the file itself (“raw” or “download” on most pages)"
BY_COLUMNS = (
    "a table that is not written row by row; write it by rows: in pandas "
    'df.to_json("votes.jsonl", orient="records", lines=True), in datasets dataset.to_json("votes.jsonl")'
)


def refused(path: Path, what: str, place: Place = "") -> ValueError:
    """The error for a file: where, what, what to do, and that nothing was imported; always printable."""
    return ValueError(printable(f"{path}{', ' if place else ''}{place}: {what} {NOTHING}"))


def read_rows(path: Path) -> Rows:
    """The rows of a file, each with its place in words ("line 3"). Raises ValueError, with a remedy."""
    content = _unpacked(path, _content(path))
    if kind := _other_kind(content):
        raise refused(path, f"this is {kind}.")
    if content.startswith(b"PAR1"):
        rows = list(_parquet_rows(path, content))
    elif content.lstrip()[:1] in (b"[", b"{"):
        rows = _json_rows(path, content)
    else:
        table = _table_rows(path, content)
        rows = table or _line_rows(content)
        if (
            rows
            and not table
            and not content.lstrip().startswith(b'"')
            and all(isinstance(row, ValueError) for _, row in rows)
        ):
            first = content.lstrip().split(b"\n", 1)[0].decode(errors="backslashreplace")
            raise refused(path, f"this is {UNKNOWN}; it begins with {shown(first)}.")
    if not rows:
        raise refused(path, "the file is empty; fill it with a row for each vote.")
    return rows


def _content(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise refused(path, "this is a folder; name one of the files in it.")
        if not path.is_file():
            raise FileNotFoundError(printable(f"{path}: no such file; is its name right? {NOTHING}"))
        if path.stat().st_size > LARGEST:
            raise refused(path, "it holds more than a gigabyte; split it.")
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise refused(path, f"the file cannot be read ({error.strerror}); is it yours, is its name right?") from None


def _unpacked(path: Path, content: bytes) -> bytes:
    if unpack := next((opened for mark, opened in PACKED.items() if content.startswith(mark)), None):
        try:
            with unpack(BytesIO(content)) as packed:
                content = packed.read(LARGEST + 1)
        except (OSError, EOFError, zlib.error, lzma.LZMAError):
            raise refused(path, "the packed file is damaged or cut off; download or copy it again.") from None
        if len(content) > LARGEST:
            raise refused(path, "unpacked it holds more than a gigabyte; split it.")
    return content.removeprefix(b"\xef\xbb\xbf")  # Windows likes to begin a file with a mark, which says nothing


def _other_kind(content: bytes) -> str | None:
    """What a file is that holds no rows; None where it may hold some."""
    start = content[:2000]
    if start.startswith(b"PK\x03\x04") and b"xl/" in content:
        return WORKBOOK
    for mark, kind in OTHER_KINDS.items():
        if start.startswith(mark):
            return kind
    if re.match(rb"\s*<(!doctype|html|head|\?xml|!--)", start, re.I):
        return WEB_PAGE
    if b"\x00" in start and not start.startswith(b"PAR1"):
        return "not UTF-8, nor Parquet, nor anything else that can be read here; save it as JSON lines, UTF-8"
    return None


# JSON.


def _json_rows(path: Path, content: bytes) -> Rows:
    """One list with everything in it, as Label Studio writes it, or an object a line, or one over many lines."""
    if content.lstrip().startswith(b"["):
        return _items(_whole(path, content))
    rows = _line_rows(content)
    if len(rows) == 1 or isinstance(rows[0][1], ValueError):
        try:
            found = _parsed(content)
        except ValueError:
            if all(isinstance(row, ValueError) for _, row in rows) and len(rows) > 1:
                _whole(path, content)  # says where
            return rows
        if isinstance(found, dict) and isinstance(found.get("data"), list) and "annotations" not in found:
            if not found["data"] or any(isinstance(item, dict) for item in found["data"]):
                return _items(found["data"])
            raise refused(path, f"this is {BY_COLUMNS}.")
        if isinstance(found, dict) and _by_columns(found):
            raise refused(path, f"this is {BY_COLUMNS}.")
        return [("line 1", _row(found))]
    return rows


def _line_rows(content: bytes) -> Rows:
    # Not splitlines, which would also cut at U+2028, and that may stand inside a text.
    lines = enumerate(content.split(b"\n"), start=1)
    return [(f"line {number}", _line(line)) for number, line in lines if line.strip()]


def _line(line: bytes) -> dict[str, Any] | ValueError:
    try:
        return _row(_parsed(line))
    except json.JSONDecodeError as error:
        hint = "JSON has double quotes, json.dumps writes it; " if line.lstrip().startswith(b"{'") else ""
        return ValueError(f"not valid JSON ({error.msg}, column {error.colno}); {hint}fix it, or drop the row.")
    except ValueError as error:
        return ValueError(f"{error}; fix it, or drop the row.")


def _items(items: Sequence[Any]) -> Rows:
    return [(f"item {number}", _row(item)) for number, item in enumerate(items, start=1)]


def _row(found: Any) -> dict[str, Any] | ValueError:
    if isinstance(found, dict):
        return found
    return ValueError(f'a row must be an object like {{"prompt": …}}, and is {shown(found)}; fix it, or drop the row.')


def _whole(path: Path, content: bytes) -> Any:
    """A file that is one JSON value: a fault in it is one of the whole file."""
    try:
        return _parsed(content)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}"
        hint = "give each object a line of its own, or put a list around all" if error.msg == "Extra data" else ""
        what = f"not valid JSON ({error.msg}, column {error.colno}); {hint or 'fix it there'}."
        raise refused(path, what, place) from None
    except UnicodeDecodeError as error:
        place = f"line {content[: error.start].count(10) + 1}"
        raise refused(path, f"{_not_utf8(error)}.", place) from None
    except ValueError as error:
        raise refused(path, f"{error}; fix it.", "line 1") from None


def _parsed(content: bytes) -> Any:
    """JSON that any parser takes: not too deep, no number of a thousand digits, no name twice in an object."""
    if too_deep(content):
        raise ValueError("nested too deeply to be votes")
    try:
        written = content.decode()
    except UnicodeDecodeError as error:
        if b"\n" in content:
            raise
        raise ValueError(_not_utf8(error)) from None
    return json.loads(written, object_pairs_hook=_object, parse_int=_whole_number)


def _not_utf8(error: UnicodeDecodeError) -> str:
    return f"not UTF-8; save the file as UTF-8 (byte {error.object[error.start]:#04x} is none)"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        name, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"{shown(name)} stands there twice in one object")
    return found


def _whole_number(digits: str) -> int:
    if len(digits) > 1000:
        raise ValueError(f"a number of {len(digits):,} digits is too long")
    return int(digits)


BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]', re.DOTALL)


def too_deep(content: bytes, limit: int = DEEPEST) -> bool:
    """Whether brackets stand in brackets more often than a parser that calls itself can bear."""
    if content.count(b"[") + content.count(b"{") <= limit:
        return False
    depth = 0
    for found in BRACKETS.finditer(content):
        sign = found[0]
        depth += 1 if sign in (b"[", b"{") else -1 if sign in (b"]", b"}") else 0
        if depth > limit:
            return True
    return False


def _by_columns(found: dict[str, Any]) -> bool:
    """Whether an object is a table, column by column or under an index, as pandas writes one unless told otherwise."""
    values = list(found.values())
    if values and all(isinstance(value, dict) for value in values):
        return len({tuple(value) for value in values}) == 1
    if {"columns", "data"} <= set(found):
        return True
    lists = [value for value in values if isinstance(value, list)]
    return (
        len(lists) == len(values) > 1
        and len({len(value) for value in lists}) == 1
        and not any(isinstance(item, dict) for value in lists for item in value)
    )


# Tables.

PLAIN_NAME = re.compile(r"[\w .:/()-]{0,60}")
LABELS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
NUMBERS = ("preference", "score_chosen", "score_rejected", "margin")


def _table_rows(path: Path, content: bytes) -> Rows | None:
    """The rows of a table with names on top; None where the first line is none of names."""
    try:
        written = content.decode()
    except UnicodeDecodeError as error:
        if not _delimiter(path, content[: error.start].decode()):
            return None
        place = f"line {content[: error.start].count(10) + 1}"
        raise refused(path, f"{_not_utf8(error)}; Excel calls that “CSV UTF-8”.", place) from None
    if not (delimiter := _delimiter(path, written)):
        return None
    reader = csv.reader(StringIO(written, newline=""), delimiter=delimiter, strict=True)
    rows: Rows = []
    number = 1
    try:
        names = [name.strip() for name in next(reader)]
        if len(set(names)) < len(names):
            twice, _ = Counter(names).most_common(1)[0]
            raise refused(path, f"the column {shown(twice)} stands there twice; rename or drop one.", "line 1")
        number = reader.line_num + 1
        for cells in reader:
            if cells:
                rows.append((f"line {number}", _cells(names, cells)))
            number = reader.line_num + 1
    except csv.Error as error:
        what = f"not valid CSV ({error}); is a quote left open, or not doubled? Fix it there."
        raise refused(path, what, f"line {number}") from None
    if not rows:
        raise refused(path, f"the table has columns ({listed(names)}) and no row; fill in a row for each vote.")
    return rows


def _delimiter(path: Path, written: str) -> str | None:
    """What parts the columns of a table, by the names on top; None where there are none."""
    first = written.split("\n", 1)[0].rstrip("\r")
    for delimiter in "\t,;":
        try:
            names = next(csv.reader([first], delimiter=delimiter), [])
        except csv.Error:
            continue
        known = {"chosen", "completion"} & {name.strip().lower() for name in names}
        if len(names) > 1 and all(map(PLAIN_NAME.fullmatch, names)) and (known or path.suffix in (".csv", ".tsv")):
            return delimiter
    return None


def _cells(names: Sequence[str], cells: Sequence[str]) -> dict[str, Any] | ValueError:
    if len(cells) != len(names):
        return ValueError(
            f"{len(cells)} cells stand under {len(names)} names; quote a text that holds the sign between the "
            "columns, or drop the row."
        )
    row: dict[str, Any] = dict(zip(names, cells, strict=True))
    for name, cell in row.items():
        if name == "label":
            row[name] = LABELS.get(cell.strip().lower(), cell)
        elif name in NUMBERS:
            row[name] = _number(cell)
        elif re.match(r"\s*\[\s*\{\s*'(role|content)'", cell):
            return ValueError(
                f"'{name}' holds messages as Python prints them; save the rows as JSON lines or Parquet instead "
                '(pandas: df.to_json("votes.jsonl", orient="records", lines=True)).'
            )
        elif re.match(r'\s*\[\s*\{\s*"(role|content)"', cell):
            try:
                row[name] = _parsed(cell.encode())
            except ValueError as error:
                return ValueError(f"'{name}' holds messages that are not valid JSON ({error}); fix or drop the row.")
    return row


def _number(cell: str) -> Any:
    try:
        return float(cell) if cell.strip() else None
    except ValueError:
        return cell


# Parquet.


def _parquet_rows(path: Path, content: bytes) -> Iterator[tuple[Place, Any]]:
    import pyarrow  # here and not above, because it takes a while to import, and few files need it
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(BytesIO(content))
        names = file.schema_arrow.names
        twice = [name for name, times in Counter(names).items() if times > 1]
        rows = [] if twice else file.read().to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError, ArithmeticError) as error:
        why = str(error).split("\n")[0][:200]
        raise refused(path, f"not a Parquet file that can be read ({why}); write or download it again.") from None
    if twice:
        raise refused(path, f"the column {shown(twice[0])} stands there twice; rename or drop one.")
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", row
