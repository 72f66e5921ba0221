"""The runs that are too many for a lesson: each is made by one function, and kept in data/recorded for the figures.

A lesson's sweeps stand in its module: `SWEEPS = {"over_optimisation": over_optimisation}`, each a function of
the seeds that returns rows, its docstring's first line saying what they are about. `LEAST_SEEDS` says which of them
need how many at least.
"""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from minirlhf.course.experiments.bands import lesson_modules
from minirlhf.course.experiments.runs import side_by_side_of_each
from minirlhf.course.recorded import write_recorded

Sweep = Callable[[Sequence[int]], Sequence[Mapping[str, Any]]]


def sweeps() -> dict[str, Sweep]:
    """All sweeps of all lessons, by the name of the file that they fill."""
    lessons = lesson_modules().values()
    return {name: sweep for lesson in lessons for name, sweep in getattr(lesson, "SWEEPS", {}).items()}


def record_sweeps(
    names: Iterable[str] = (), seeds: Sequence[int] = (0, 1, 2), folder: Path | None = None, processes: int = 1
) -> list[Path]:
    """Run these sweeps (or all) and keep their rows, in the order of their seeds; returns the files written."""
    every = sweeps()
    chosen = list(names) or list(every)
    if unknown := set(chosen) - set(every):
        raise ValueError(f"No sweep is called {sorted(unknown)}; there are {', '.join(every) or 'none'}.")
    least = {name: n for lesson in lesson_modules().values() for name, n in getattr(lesson, "LEAST_SEEDS", {}).items()}
    wanted = {name: sorted({*seeds, *range(least.get(name, 0))}) for name in chosen}
    jobs, paths = {name: [(name, seed) for seed in wanted[name]] for name in chosen}, []
    for name, found in side_by_side_of_each(_run, jobs, processes):
        about = (inspect.getdoc(every[name]) or name).splitlines()[0]
        rows = distinct_rows(row for some in found for row in some)
        paths.append(write_recorded(name, rows, about=about, made_by=f"minirlhf sweeps {name}", folder=folder))
    return paths


def distinct_rows(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Each row once: what depends on no seed is found with each of them."""
    return list({json.dumps(row, sort_keys=True): row for row in rows}.values())


def _run(job: tuple[str, int]) -> Sequence[Mapping[str, Any]]:
    name, seed = job
    return sweeps()[name]([seed])
