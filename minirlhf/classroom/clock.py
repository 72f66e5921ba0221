"""What time it is in a room, also when somebody sets the computer's clock.

A laptop corrects its clock when it finds a network, by hours where its battery was flat. A room that is open for four
hours must neither close at that moment nor stay open for a year. So each process looks at the computer's clock once,
when it starts, and from then on counts the seconds that pass, those asleep too.
"""

import time
from datetime import UTC, datetime, timedelta


def _passed() -> float:
    """Seconds since some moment, on a clock that nobody sets."""
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):  # Linux counts its sleep in the first, a Mac in the second
        if hasattr(time, name):
            return time.clock_gettime(getattr(time, name))
    return time.monotonic()


_began = (datetime.now(UTC), _passed())


def now() -> datetime:
    """The time, in UTC."""
    return _began[0] + timedelta(seconds=_passed() - _began[1])
