"""JSON from anybody, parsed so that the worst it can do is to be refused, with the place and the remedy."""

import json
import re
from itertools import accumulate
from pathlib import Path
from typing import Any

from minirlhf.files.contents import Unreadable, located, read_text
from minirlhf.files.messages import printable, shown

DEEPEST = 100  # lists in lists: nobody's rows come near, and no parser that follows them runs out of stack
STEP = {"[": 1, "{": 1, "]": -1, "}": -1}
# Texts, and everything else that opens and closes nothing.
FLAT = re.compile(r'"(?:[^"\\]++|\\.)*+"|[^\]\[{}"]++|"', re.DOTALL)


class _Twice(ValueError):
    pass


def parse_json(text: str, path: object, line: int = 1) -> Any:
    """What a JSON text says, which begins on this line of a file; an Unreadable says where it says nothing."""
    try:
        if depth(text) > DEEPEST:
            problem = "nested too deeply; fix or drop it."
        else:
            return json.loads(text, object_pairs_hook=_each_once)
    except json.JSONDecodeError as error:
        line += error.lineno - 1
        problem = f"not valid JSON ({error.msg}, column {error.colno}): fix or drop the line."
    except _Twice as error:
        problem = f"{error} stands twice in one object; keep one of them."
    except RecursionError:
        problem = "nested too deeply; fix or drop it."
    except ValueError:  # Python reads whole numbers of up to 4,300 digits
        problem = "a number has thousands of digits; write it as text, or drop the line."
    raise Unreadable(f"{printable(path)}, line {line}: {problem}")


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
        raise _Twice(shown(next(name for name in names if names.count(name) > 1)))
    return found
