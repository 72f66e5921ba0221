"""Independent runs side by side: one on each core, with one thread, so that the numbers are the same on any number."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

from minirlhf.machine.runtime import THREADS, WAITING

Job = TypeVar("Job")
Found = TypeVar("Found")


def side_by_side(run: Callable[[Job], Found], jobs: Sequence[Job], processes: int) -> Iterator[Found]:
    """What each job finds, in their order, as soon as it and all before it are done.

    `run` is a function of a module, for other processes import it there. Stopping ends what has not begun.
    """
    if processes == 1:
        yield from map(run, jobs)
        return
    with _one_thread_each(), ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        try:
            yield from pool.map(run, jobs)
        finally:
            pool.shutdown(cancel_futures=True)


def side_by_side_of_each(
    run: Callable[[Job], Found], jobs: Mapping[str, Sequence[Job]], processes: int
) -> Iterator[tuple[str, list[Found]]]:
    """The same for jobs that belong together: each name, and what all its jobs found."""
    found = side_by_side(run, [job for some in jobs.values() for job in some], processes)
    for name, some in jobs.items():
        yield name, [next(found) for _ in some]


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """What is started inside has one thread, and lets it sleep: both are read when torch is loaded there."""
    before = {name: os.environ.get(name) for name in (THREADS, WAITING)}
    os.environ |= {THREADS: "1", WAITING: "PASSIVE"}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
