"""The claims of all lessons, and of the whole line, measured: what was found, with which seed, and from what.

Every row of data/recorded/bands.json has the digest of what its number rests on: code, data, versions of packages.
While that is as it was, the number is too, and nobody measures it again; the tests hold it to its band. Where it has
changed, `minirlhf bands` measures all seeds anew and `make test-all` one. MINIRLHF_MEASURE=all, which is what
`make test-all ALL=1` sets, measures everything, whatever the digests say.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

from minirlhf.course.experiments.claims import Claim
from minirlhf.course.experiments.digest import digests
from minirlhf.course.experiments.runs import side_by_side_of_each
from minirlhf.course.recorded import read_recorded, write_recorded

BANDS = "bands"
SEEDS = (0, 1, 2)
WHOLE_LINE = "pipeline"
MEASURE = "MINIRLHF_MEASURE"  # set this environment variable to "all" to trust no number that was kept

Measure = Callable[[int], Mapping[str, float]]


@dataclass(frozen=True)
class Experiment:
    """A lesson's claims, and how to measure them with a seed: a number for each claim's name."""

    lesson: str
    claims: Sequence[Claim]
    measure: Measure
    module: str

    def run(self, seed: int) -> dict[str, float]:
        """The claims' numbers with this seed; an error where the experiment measures something else."""
        measured = {name: float(value) for name, value in self.measure(seed).items()}
        if measured.keys() != {claim.name for claim in self.claims}:
            raise ValueError(
                f"Lesson {self.lesson} claims {sorted(claim.name for claim in self.claims)} "
                f"and measures {sorted(measured)}."
            )
        return measured


def experiments() -> dict[str, Experiment]:
    """Every lesson's experiment, by its number, and that of the whole line."""
    modules = lesson_modules() | {WHOLE_LINE: import_module("minirlhf.course.experiments.pipeline")}
    return {n: Experiment(n, module.CLAIMS, module.measure, module.__name__) for n, module in modules.items()}


def lesson_modules() -> dict[str, ModuleType]:
    """The modules of this package that belong to a lesson, by its number: lesson_05.py is that of lesson 05."""
    package = import_module("minirlhf.course.experiments")
    names = [module.name for module in iter_modules(package.__path__) if module.name.startswith("lesson_")]
    return {name.removeprefix("lesson_"): import_module(f"minirlhf.course.experiments.{name}") for name in names}


def changed_experiments(folder: Path | None = None) -> list[str]:
    """Those whose numbers on record rest on other code, data or packages than are here now, or that have none."""
    now = _digests()
    if os.environ.get(MEASURE) == "all":
        return list(now)
    on_record: dict[str, set[str]] = {number: set() for number in now}
    for row in _kept(folder):
        on_record.setdefault(row["lesson"], set()).add(row.get("digest", ""))
    return [number for number, digest in now.items() if on_record[number] != {digest}]


def measure_bands(
    lessons: Iterable[str] = (), seeds: Sequence[int] = SEEDS, folder: Path | None = None, processes: int = 1
) -> list[str]:
    """Measure these lessons, or those that have changed, and keep what was found; returns a line for every claim
    outside its band. What a lesson gave is kept as soon as it and those before it are done."""
    every, now = experiments(), _digests()
    chosen = list(lessons) or changed_experiments(folder)
    if unknown := set(chosen) - set(every):
        raise ValueError(f"No experiment for lesson {sorted(unknown)}; there are {', '.join(every)}.")
    jobs, outside = {number: [(number, seed) for seed in seeds] for number in chosen}, []
    for number, found in side_by_side_of_each(_run, jobs, processes):
        rows = []
        for seed, measured in zip(seeds, found, strict=True):
            for claim in every[number].claims:
                value = measured[claim.name]
                row = {"lesson": number, "claim": claim.name, "seed": seed, "value": value, "digest": now[number]}
                rows.append(row)
                print(f"{number} {claim.name}, seed {seed}: {value:.4g}  ({claim.low:g} to {claim.high:g})", flush=True)
                if not claim.holds(value):
                    outside.append(f"lesson {number}, {claim.name}, seed {seed}: {value:.4g}, not {claim}")
        others = [row for row in _kept(folder) if row["lesson"] in every and row["lesson"] != number]
        write_recorded(
            BANDS,
            sorted([*others, *rows], key=lambda row: (row["lesson"], row["claim"], row["seed"])),
            folder=folder,
            made_by="minirlhf bands",
            about="What the lessons' texts claim, measured by each lesson's own experiment with three seeds.",
        )
    return outside


def _run(job: tuple[str, int]) -> dict[str, float]:
    number, seed = job
    return experiments()[number].run(seed)


def _digests() -> dict[str, str]:
    """Every experiment's digest, by its lesson."""
    every = experiments()
    found = digests(experiment.module for experiment in every.values())
    return {number: found[experiment.module] for number, experiment in every.items()}


def _kept(folder: Path | None) -> list[dict]:
    try:
        return read_recorded(BANDS, folder)
    except FileNotFoundError:
        return []
