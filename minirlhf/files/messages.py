"""What an error may show of somebody's file: always printable, and never the whole of it."""

from collections.abc import Iterable
from itertools import accumulate

MOST = 60  # characters of a text: enough to find it again
LISTED = 300  # characters of names after one another


def shown(value: object, most: int = MOST) -> str:
    """The beginning of a value as Python writes it: on one line, and half a character as its code."""
    if isinstance(value, str):
        return repr(value[:most]) + ("…" if len(value) > most else "")
    written = repr(value) if not isinstance(value, int) or abs(value) < 10**most else f"a number above 10^{most}"
    return printable(written if len(written) <= most else written[: most - 1] + "…")


def listed(names: Iterable[str]) -> str:
    """Names, such as a file's columns, after one another; and how many more there are than a message can hold."""
    said = [name if name.isprintable() and len(name) <= MOST else shown(name) for name in names]
    first = sum(length <= LISTED for length in accumulate(len(name) + 2 for name in said)) or 1
    more = [f"and {len(said) - first:,} more"] if len(said) > first else []
    return ", ".join([*said[:first], *more]) or "nothing"


def counted(n: int, what: str, more: str = "") -> str:
    """So many of something: "0 votes", "1 vote", "2,304 votes"; `more` is the word for several that is no `what`s."""
    return f"{n:,} {what if n == 1 else more or what + 's'}"


def shortened(text: str, most: int = MOST) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def printable(text: object) -> str:
    """The same text, with half characters as their codes: such a text cannot be printed or saved."""
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def half_of_a_character(text: str) -> bool:
    """Whether a text holds one of the two halves in which JSON writes an emoji, without the other."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)
