"""What a lesson says in words, and the band that the number behind it must keep to.

    CLAIMS = (Claim("held_out_accuracy", says="about 70 in 100", low=0.66, high=0.76),)

The words stand in the lesson's text to the letter. `minirlhf bands` measures every claim over three seeds; the gate
holds the kept values to their bands, and measures one seed anew.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from math import inf
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

from minirlhf.course.recorded import read_recorded, write_recorded

BANDS = "bands"
SEEDS = (0, 1, 2)

Measure = Callable[[int], Mapping[str, float]]


@dataclass(frozen=True)
class Claim:
    """`says` is what the lesson's text says; the number called `name` must lie from `low` to `high` for every seed."""

    name: str
    says: str
    low: float | int = -inf
    high: float | int = inf

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.low, self.high) == (-inf, inf):
            raise ValueError(f"Claim {self.name!r}: from {self.low} to {self.high} is no band.")

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Experiment:
    """A lesson's claims, and how to measure them with a seed: a number for each claim's name."""

    lesson: str
    claims: Sequence[Claim]
    measure: Measure

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
    """Every lesson's experiment, by its number: minirlhf/course/experiments/lesson_05.py is that of lesson 05."""
    return {n: Experiment(n, lesson.CLAIMS, lesson.measure) for n, lesson in lesson_modules().items()}


def lesson_modules() -> dict[str, ModuleType]:
    """The modules of this package that belong to a lesson, by its number."""
    package = import_module("minirlhf.course.experiments")
    names = [module.name for module in iter_modules(package.__path__) if module.name.startswith("lesson_")]
    return {name.removeprefix("lesson_"): import_module(f"minirlhf.course.experiments.{name}") for name in names}


def measure_bands(lessons: Iterable[str] = (), seeds: Sequence[int] = SEEDS, folder: Path | None = None) -> list[str]:
    """Measure these lessons (or all) and keep what was found; returns a line for every claim outside its band."""
    every = experiments()
    chosen = list(lessons) or list(every)
    if unknown := set(chosen) - set(every):
        raise ValueError(f"No experiment for lesson {sorted(unknown)}; there are {', '.join(every)}.")
    kept = {(row["lesson"], row["claim"], row["seed"]): row for row in _kept(folder) if row["lesson"] in every}
    outside = []
    for number in chosen:
        kept = {key: row for key, row in kept.items() if key[0] != number}
        for seed in seeds:
            measured = every[number].run(seed)
            for claim in every[number].claims:
                value = measured[claim.name]
                kept[number, claim.name, seed] = {"lesson": number, "claim": claim.name, "seed": seed, "value": value}
                print(f"{number} {claim.name}, seed {seed}: {value:.4g}  ({claim.low:g} to {claim.high:g})")
                if not claim.holds(value):
                    outside.append(f"lesson {number}, {claim.name}, seed {seed}: {value:.4g}, not {claim}")
    write_recorded(
        BANDS,
        [kept[key] for key in sorted(kept)],
        folder=folder,
        made_by="minirlhf bands",
        about="What the lessons' texts claim, measured by each lesson's own experiment with three seeds.",
    )
    return outside


def _kept(folder: Path | None) -> list[dict]:
    try:
        return read_recorded(BANDS, folder)
    except FileNotFoundError:
        return []
