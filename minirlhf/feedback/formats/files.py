"""Files as rows, each with its place in the file, and the questions that every reader asks of a row.

JSON lines, a JSON list and Parquet are told apart by what is in the file, not by its name.
"""

import json
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

NOTHING = "Nothing was imported."

KINDS = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    float: "a number",
    list: "a list",
    dict: "an object",
}


def read_rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The rows of a file, each with its place in words ("line 3"). Raises ValueError, with a remedy."""
    if path.is_dir():
        raise ValueError(f"{path}: this is a folder; name one of the files in it. {NOTHING}")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; is its name right? {NOTHING}")
    content = path.read_bytes()
    if path.suffix == ".parquet" or content.startswith(b"PAR1"):
        rows = _parquet_rows(path)
    else:
        rows = _json_rows(path, _decoded(path, content))
    found = [(place, _checked(path, place, row)) for place, row in rows]
    if not found:
        raise ValueError(f"{path}: the file is empty; it needs a row for each vote. {NOTHING}")
    return found


def _decoded(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")  # Windows likes to begin a file with a mark, which says nothing
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(f"{path}, line {line}: not UTF-8; save the file as UTF-8. {NOTHING}") from None


def _json_rows(path: Path, content: str) -> Iterator[tuple[str, Any]]:
    if content.lstrip().startswith("["):  # one list with everything in it, as Label Studio writes it
        for number, item in enumerate(_parsed(path, content, 1), start=1):
            yield f"item {number}", item
        return
    # Not str.splitlines, which would also cut at U+2028, and that may stand inside a text.
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            yield f"line {number}", _parsed(path, line, number)


def _parsed(path: Path, content: str, line: int) -> Any:
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}, line {line + error.lineno - 1}: not valid JSON ({error.msg}, column {error.colno}); "
            f"fix it, or drop the row. {NOTHING}"
        ) from None
    except RecursionError:
        raise ValueError(f"{path}, line {line}: nested too deeply to be votes; drop the row. {NOTHING}") from None


def _parquet_rows(path: Path) -> Iterator[tuple[str, Any]]:
    import pyarrow  # here and not above, because it takes a while to import, and few files need it
    from pyarrow import parquet

    try:
        rows = parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError, OSError) as error:
        raise ValueError(f"{path}: not a Parquet file that can be read ({error}). {NOTHING}") from None
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", row


def _checked(path: Path, place: str, row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise ValueError(f'{path}, {place}: a row must be an object like {{"prompt": …}}. {NOTHING}')
    return row


# What every reader asks of a row. The place, and that nothing was imported, is said by whoever calls the reader.


def required(row: dict[str, Any], column: str, kind: type, inside: type | None = None) -> Any:
    """What stands in a column, if it is of this kind (and a list of that kind inside); otherwise ValueError."""
    value = row.get(column)
    if value is None:
        have = ", ".join(name for name, other in row.items() if other is not None) or "nothing"
        raise ValueError(f"'{column}' is missing (there is: {have}); fill it in, or drop the row.")
    if not _is(value, kind) or (inside and not all(_is(item, inside) for item in value)):
        wanted = KINDS[kind] + (f" in which each item is {KINDS[inside]}" if inside else "")
        raise ValueError(f"'{column}' must be {wanted}, and is {_shown(value)}; fix it, or drop the row.")
    for text in (value, *value) if isinstance(value, list) else (value,):
        if isinstance(text, str) and any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ValueError(f"'{column}' holds half of a character, {_shown(text)}; fix it, or drop the row.")
    return value


def text(row: dict[str, Any], column: str) -> str:
    """A text that says something."""
    found = required(row, column, str)
    if not found.strip():
        raise ValueError(f"'{column}' is empty; fill it in, or drop the row.")
    return found


def number(row: dict[str, Any], column: str) -> float:
    """A number that is one: NaN and infinity are not."""
    found = float(required(row, column, float))
    if not isfinite(found):
        raise ValueError(f"'{column}' is {found}, which is no number; fix it, or drop the row.")
    return found


def require_different(chosen: str, rejected: str, names: str = "'chosen' and 'rejected'") -> None:
    """Between two equal replies nobody can choose."""
    if chosen == rejected:
        raise ValueError(f"{names} are the same text, so nothing was chosen; fix one, or drop the row.")


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else shown[:39] + "…"
