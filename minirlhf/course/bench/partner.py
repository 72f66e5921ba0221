"""Processes beside the bench: one that takes turns with this one, and rivals that want its cores.

Other people's code, and the spinning twin of ours, run as somebody has them who never heard of minirlhf: what waits
spins, which is quickest for one process alone. What is called ours runs as `minirlhf` starts it (machine/runtime.py).
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Event
from typing import IO, Any

from minirlhf.course.bench.machine import THREADS
from minirlhf.machine.runtime import WAITING

Once = Callable[[], dict[str, Any]]


def spinning() -> dict[str, str]:
    """The environment without what minirlhf says about threads that wait."""
    return {name: value for name, value in os.environ.items() if name != WAITING}


@contextmanager
def partner(
    module: str, *arguments: str, environment: Mapping[str, str] = os.environ, log: IO[str] | None = None
) -> Iterator[Once]:
    """A module that runs in a process of its own; each call lets it work once and returns what it says about that.

    However this ends, the process does: Ctrl-C does not reach it, but it is killed; and should this process be killed,
    it finds its input closed.
    """
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        bufsize=1,
        env={**environment, "OMP_NUM_THREADS": str(THREADS)},
        process_group=0,
    ) as process:
        asks, says = process.stdin, process.stdout
        assert asks and says

        def once() -> dict[str, Any]:
            answer = ""
            with suppress(BrokenPipeError):  # it may stop before it is asked or after
                asks.write("next\n")
                answer = says.readline()
            if not answer:
                where = f"in {log.name}" if log else "above"
                raise ChildProcessError(f"{module} stopped before its last turn; the reason stands {where}.")
            return json.loads(answer)

        try:
            yield once
        finally:
            process.kill()
            with suppress(BrokenPipeError):  # what it was not told any more
                asks.close()


def answer(work: Once) -> None:
    """The partner's half: work once for every line that comes in, and say it in a line of JSON."""
    for _ in sys.stdin:
        print(json.dumps(work()), flush=True)


@contextmanager
def at_work(rivals: Sequence[Once]) -> Iterator[None]:
    """While this lasts, each of these partners works without a pause; it ends when they have done what they are at."""
    over = Event()

    def work(once: Once) -> None:
        while not over.is_set():
            once()

    with ThreadPoolExecutor() as pool:
        working = [pool.submit(work, rival) for rival in rivals]
        try:
            yield
        finally:
            over.set()
    for each in working:
        each.result()  # a rival that failed was none
