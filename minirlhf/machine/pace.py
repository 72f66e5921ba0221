"""How long a training may take: what the environment says, and the first process's clock decides."""

import os
from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import TypeVar

from minirlhf.machine.shares import agreed

LIMIT = "MINIRLHF_SECONDS"  # the most seconds that one training in a lesson may take; not set: as long as it takes
Record = TypeVar("Record")


def time_limited(records: Iterable[Record]) -> Iterator[Record]:
    """The same records, for no longer than the environment variable MINIRLHF_SECONDS allows, but at least one.

    So a slow laptop can run every lesson, each training cut short: stopping a stage early leaves usable models.
    """
    limit, began = seconds_allowed(), perf_counter()
    for record in records:
        yield record
        if agreed(perf_counter() - began > limit):
            return


def seconds_allowed() -> float:
    """What MINIRLHF_SECONDS says; infinite where it says nothing."""
    given = os.environ.get(LIMIT, "").strip()
    try:
        limit = float(given) if given else float("inf")
    except ValueError:
        limit = 0.0
    if not limit > 0:
        raise ValueError(f"{LIMIT} is {given!r}; it must be a number of seconds above 0, or not be set.")
    return limit
