"""Yours beside ours: where two trials part, and which known mistake gives the same numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from minirlhf.course.check.trial import Trial, attempt
from minirlhf.course.exercises import Case, Exercise, Mistake

WINDOW = 8  # how many numbers of a row are shown
NO_GRADIENT = (
    "The value is right, and no gradient comes through it, so it would train nothing. "
    "Look for .item(), .detach(), torch.tensor(…) or torch.no_grad()."
)
OFF_THE_MASK = "It is right where tokens count. Where the mask is False, 0 has to stand."
WRONG_GRADIENT = (
    "The value is right and its gradient is not. Is a part of it detached, or made anew from plain numbers?"
)
UNKNOWN = "These numbers come from no mistake that we know. Work the row by hand, and print what stands on the way."


@dataclass(frozen=True)
class Tried:
    """A case, what the package's function made of it, and what the learner's did."""

    case: Case
    ours: Trial
    yours: Trial


@dataclass(frozen=True)
class Difference:
    """The first place where two tensors part."""

    what: str
    is_gradient: bool
    yours: Tensor
    ours: Tensor

    @property
    def index(self) -> tuple[int, ...]:
        return tuple((~_close(self.yours, self.ours)).nonzero()[0].tolist())

    def __str__(self) -> str:
        place = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        yours, ours = _number(self.yours[self.index]), _number(self.ours[self.index])
        words = f"{self.what}{place}: yours {yours}, ours {ours}."
        if self.ours.dim() != 2 or self.is_gradient:
            return words
        behind = f", from column {self.start}" if self.start else ""
        return f"{words} Row {self.index[0]}{behind}:" + self.strips({"yours": self.yours, "ours": self.ours})

    @property
    def start(self) -> int:
        """The first column that is shown of the row."""
        return max(0, self.index[1] - WINDOW + 1)

    def strips(self, tensors: Mapping[str, Tensor]) -> str:
        """The same stretch of the same row of several tensors, a line each, under one another."""
        width = max(map(len, tensors))
        cut = {name: x[self.index[0], self.start : self.start + WINDOW] for name, x in tensors.items()}
        return "".join(
            f"\n    {name:<{width}} " + " ".join(f"{_number(x):>9}" for x in row) for name, row in cut.items()
        )

    def given(self, case: Case, exercise: Exercise) -> str:
        """What the function was given there, so that the row can be worked by hand; nothing where that is no row."""
        if self.ours.dim() != 2 or self.is_gradient:
            return ""
        inputs = dict(zip(exercise.inputs, case.inputs, strict=False))
        alike = {n: x for n, x in inputs.items() if isinstance(x, Tensor) and x.shape == self.ours.shape}
        plain = [f"{n} = {x}" for n, x in inputs.items() if isinstance(x, int | float)]
        words = f" It was given {', '.join(plain)} and" if plain else " It was given"
        return f"{words}:{self.strips(alike)}" if alike else ""


def difference(tried: Tried, exercise: Exercise) -> Difference | None:
    """The first output that is wrong or, where all are right, the first gradient."""
    ours, yours = tried.ours, tried.yours
    for name, mine, theirs in zip(exercise.outputs, ours.outputs, yours.outputs, strict=True):
        if not _same(theirs, mine):
            return Difference(name, False, theirs, mine)
    for name, mine, theirs in zip(exercise.trains, ours.gradients, yours.gradients, strict=True):
        if not _same(theirs, mine):
            return Difference(f"gradient of {name}", True, theirs, mine)
    return None


def explain(all_tried: Sequence[Tried], wrong: Tried, found: Difference, exercise: Exercise) -> tuple[str, str]:
    """The thought that is missing, and the name of the mistake if it is a known one."""
    known = _recognise(all_tried, wrong, found, exercise)
    if known is not None:
        return known.hint, known.name
    if found.is_gradient:
        return (WRONG_GRADIENT if wrong.yours.connected else NO_GRADIENT), ""
    mask = dict(zip(exercise.inputs, wrong.case.inputs, strict=False)).get("mask")
    if mask is not None and found.ours.shape == mask.shape:
        pairs = zip(wrong.yours.outputs, wrong.ours.outputs, strict=True)
        if all(_same(yours[mask], ours[mask]) for yours, ours in pairs):
            return OFF_THE_MASK, ""
    return UNKNOWN, ""


def _recognise(all_tried: Sequence[Tried], wrong: Tried, found: Difference, exercise: Exercise) -> Mistake | None:
    """The mistake that gives the same numbers on this case, and on most of the others as well.

    Most, not all: two people who make the same mistake may still treat an empty row differently.
    """
    small = [tried for tried in all_tried if not tried.case.large or tried is wrong]
    best, most = None, 2 / 3 * len(small)
    for mistake in exercise.mistakes:
        agreed = {t.case.name for t in small if _agree(t, attempt(mistake.wrong, exercise, t.case), found)}
        if wrong.case.name in agreed and len(agreed) >= most:
            best, most = mistake, len(agreed) + 1  # another one has to explain more
    return best


def _agree(tried: Tried, known: Trial, found: Difference) -> bool:
    if found.is_gradient:
        pairs = zip(tried.yours.gradients, known.gradients, strict=False)
    else:
        pairs = zip(tried.yours.outputs, known.outputs, strict=False)
    return not known.trouble and all(_same(yours, theirs) for yours, theirs in pairs)


def _same(yours: Tensor, ours: Tensor) -> bool:
    return yours.shape == ours.shape and bool(_close(yours, ours).all())


def _close(yours: Tensor, ours: Tensor) -> Tensor:
    """Equal up to the rounding of float32: four digits of each number, and five of the largest."""
    if not ours.is_floating_point():
        return yours.to(ours) == ours
    finite = ours[torch.isfinite(ours)].abs()
    largest = max(1.0, finite.max().item()) if finite.numel() else 1.0
    return torch.isclose(yours.to(ours), ours, rtol=1e-4, atol=1e-5 * largest, equal_nan=True)


def _number(x: Tensor) -> str:
    return str(x.item()) if x.dtype == torch.bool else f"{x.item():.4g}"
