"""What an error may show of somebody's file: always printable, and never the whole of it."""

MOST = 60  # characters of a text: enough to find it again


def shown(value: object, most: int = MOST) -> str:
    """The beginning of a value as Python writes it: on one line, and half a character as its code."""
    if isinstance(value, str):
        return repr(value[:most]) + ("…" if len(value) > most else "")
    written = repr(value) if not isinstance(value, int) or abs(value) < 10**most else f"a number above 10^{most}"
    return printable(written if len(written) <= most else written[: most - 1] + "…")


def listed(names: list[str]) -> str:
    """Some names after one another, as many as a message can hold."""
    return printable(shortened(", ".join(names) or "nothing"))


def shortened(text: str, most: int = MOST) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def printable(text: object) -> str:
    """The same text, with half characters as their codes: such a text cannot be printed or saved."""
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def half_of_a_character(text: str) -> bool:
    """Whether a text holds one of the two halves in which JSON writes an emoji, without the other."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)
