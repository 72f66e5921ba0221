"""JSON from anybody, parsed so that the worst it can do is to be refused, with the place and the remedy."""

import json
import re
from itertools import accumulate
from pathlib import Path
from typing import Any

from minirlhf.files.contents import NOT_UTF8, UNDECODED, Unreadable, located, read_text
from minirlhf.files.messages import shown

DEEPEST = 100  # lists in lists: nobody's rows come near, and no parser that follows them runs out of stack
MOST_DIGITS = 1000  # Python itself reads whole numbers of 4,300, and takes long
STEP = {"[": 1, "{": 1, "]": -1, "}": -1}
# Texts, and everything else that opens and closes nothing.
FLAT = re.compile(r'"(?:[^"\\]++|\\.)*+"|[^\]\[{}"]++|"', re.DOTALL)


class _Refused(ValueError):
    pass


def parse_json(text: str, path: object, line: int = 1) -> Any:
    """What a JSON text says, which begins on this line of a file; an Unreadable says where it says nothing."""
    try:
        if found := UNDECODED.search(text):
            line += text.count("\n", 0, found.start())
            problem = NOT_UTF8
        elif depth(text) > DEEPEST:
            problem = "nested too deeply; fix or drop it."
        else:
            return json.loads(text, object_pairs_hook=_each_once, parse_int=_whole_number)
    except json.JSONDecodeError as error:
        line += error.lineno - 1
        problem = f"not valid JSON ({error.msg}, column {error.colno}); {_hint(text, error)}fix or drop the line."
    except _Refused as error:
        problem = str(error)
    except RecursionError:
        problem = "nested too deeply; fix or drop it."
    raise Unreadable(path, problem, f"line {line}")


def read_json(path: Path | str) -> Any:
    """What a file of one JSON value says."""
    found = located(path)
    return parse_json(read_text(found), found)


def depth(text: str) -> int:
    """How deep the brackets of a JSON text go, whether it is valid or not; counted without going down."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return 0  # shallow enough, and most are
    return max(accumulate(STEP[bracket] for bracket in FLAT.sub("", text)), default=0)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Refused(f"{shown(twice)} stands twice in one object; keep one of them.")
    return found


def _whole_number(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise _Refused(f"a number of {len(digits):,} digits; write it as text, or drop the line.")
    return int(digits)


def _hint(text: str, error: json.JSONDecodeError) -> str:
    """What people mean who write this."""
    if re.match(r"[\s\[{]+'", text):
        return "JSON has double quotes, and json.dumps writes them; "
    return "give each object a line of its own, or put a list around all; " if error.msg == "Extra data" else ""
