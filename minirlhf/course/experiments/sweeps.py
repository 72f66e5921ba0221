"""The runs that are too many for a lesson: each is made by one function, and kept in data/recorded for the figures.

A lesson's sweeps stand in its module: `SWEEPS = {"over_optimisation": over_optimisation}`, each a function of
the seeds that returns rows, its docstring's first line saying what they are about.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from minirlhf.course.experiments.bands import lesson_modules
from minirlhf.course.recorded import write_recorded

Sweep = Callable[[Sequence[int]], Sequence[Mapping[str, Any]]]


def sweeps() -> dict[str, Sweep]:
    """All sweeps of all lessons, by the name of the file that they fill."""
    lessons = lesson_modules().values()
    return {name: sweep for lesson in lessons for name, sweep in getattr(lesson, "SWEEPS", {}).items()}


def record_sweeps(
    names: Iterable[str] = (), seeds: Sequence[int] = (0, 1, 2), folder: Path | None = None
) -> list[Path]:
    """Run these sweeps (or all) and keep their rows; returns the files written."""
    every = sweeps()
    chosen = list(names) or list(every)
    if unknown := set(chosen) - set(every):
        raise ValueError(f"No sweep is called {sorted(unknown)}; there are {', '.join(every) or 'none'}.")
    paths = []
    for name in chosen:
        about = (inspect.getdoc(every[name]) or name).splitlines()[0]
        rows = every[name](seeds)
        paths.append(write_recorded(name, rows, about=about, made_by=f"minirlhf sweeps {name}", folder=folder))
    return paths
