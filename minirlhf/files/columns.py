"""A row of a file, and the questions that every reader asks of it: is a column there, is it what it must be.

An error says what is wrong and what to do; the place, and what was not done, is said by whoever reads the file.
"""

from datetime import UTC, datetime
from math import isfinite
from typing import Any, NamedTuple

from minirlhf.files.messages import half_of_a_character, listed, shown

LARGEST = 2**63 - 1  # that a database can hold

KINDS = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    float: "a number",
    list: "a list",
    dict: "an object",
}


class Row(NamedTuple):
    """One row, and where it stands: line 3 of a file, item 3 of a list, row 3 of a table; or why there is none."""

    unit: str
    number: int
    values: dict[str, Any]
    problem: str = ""

    @property
    def place(self) -> str:
        return f"{self.unit} {self.number}"


def required(row: dict[str, Any], column: str, kind: type, inside: type | None = None) -> Any:
    """What stands in a column, if it is of this kind (and a list of that kind inside); otherwise ValueError."""
    value = row.get(column)
    if type(value) is kind and kind in (str, dict, bool):  # most are; a store asks this of every vote it reads
        return value
    if value is None:
        have = listed(name for name, other in row.items() if other is not None)
        raise ValueError(f"'{column}' is missing (there is: {have}); fill it in, or drop the row.")
    if not _is(value, kind) or (inside and not all(_is(item, inside) for item in value)):
        wanted = KINDS[kind] + (f" in which each item is {KINDS[inside]}" if inside else "")
        raise ValueError(f"'{column}' must be {wanted}, and is {shown(value)}; fix it, or drop the row.")
    for found in value if isinstance(value, list) else (value,):
        if isinstance(found, int) and abs(found) > LARGEST:
            raise ValueError(f"'{column}' is {shown(found)}, too large to be kept; fix it, or drop the row.")
    return value


def text(row: dict[str, Any], column: str) -> str:
    """A text that says something."""
    found = required(row, column, str)
    if not found.strip():
        raise ValueError(f"'{column}' is empty; fill it in, or drop the row.")
    if half_of_a_character(found):
        raise ValueError(f"'{column}' holds half of a character, {shown(found)}; fix it, or drop the row.")
    return found


def number(row: dict[str, Any], column: str) -> float:
    """A number that is one: NaN and infinity are not."""
    found = float(required(row, column, float))
    if not isfinite(found):
        raise ValueError(f"'{column}' is {found}, which is no number; fix it, or drop the row.")
    return found


def moment(row: dict[str, Any], column: str) -> datetime:
    """A time in ISO 8601, with its zone where it has one."""
    written = required(row, column, str)
    try:
        time = datetime.fromisoformat(written)
        (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)  # a database keeps it so
    except (ValueError, OverflowError):
        raise ValueError(
            f"'{column}' is no time in ISO 8601 such as 2026-01-31T12:00:00+00:00: {shown(written)}; "
            "fix it, or drop the row."
        ) from None
    return time


def require_different(chosen: str, rejected: str, names: str = "'chosen' and 'rejected'") -> None:
    """Between two equal replies nobody can choose."""
    if chosen == rejected:
        raise ValueError(f"{names} are the same text, so nothing was chosen; fix one, or drop the row.")


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
