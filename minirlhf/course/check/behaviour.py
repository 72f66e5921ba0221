"""Experiments with a learner's function: what its numbers depend on, and how it does on fresh ones.

What is found here is a fact about the function, whatever its formula is.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from minirlhf.course.check.alike import all_same, same
from minirlhf.course.check.trial import Trial, attempt
from minirlhf.course.check.tried import Tried
from minirlhf.course.exercises import Case, Exercise

LONGEST_TRIAL = 0.3  # seconds for one more call of the learner's function
MOST_CASES = 4  # of the small ones that are varied


class Behaviour:
    """The learner's function and the cases that it got through, for experiments."""

    def __init__(self, answer: Callable, exercise: Exercise, all_tried: Sequence[Tried]) -> None:
        self.answer, self.exercise = answer, exercise
        quick = [t for t in all_tried if not t.case.large and t.yours.seconds < LONGEST_TRIAL and not t.yours.trouble]
        self.cases = sorted(quick, key=lambda t: all_same(t.yours.outputs, t.ours.outputs))[:MOST_CASES]
        self.kept: set[str] | None = None

    def both(self, case: Case, inputs: tuple[Any, ...]) -> tuple[Trial, Trial] | None:
        """Ours and the learner's on other inputs; nothing where one of them cannot take these."""
        other = Case(case.name, case.promise, inputs)
        ours = attempt(self.exercise.solution, self.exercise, other)
        if ours.trouble:
            return None
        yours = attempt(self.answer, self.exercise, other, LONGEST_TRIAL, like=ours)
        return None if yours.trouble or yours.untried else (ours, yours)

    def fresh(self) -> Iterator[Tried]:
        """The same cases with other numbers in them."""
        for tried in self.cases:
            inputs = tuple(varied(tried.case.inputs))
            found = self.both(tried.case, inputs)
            if found is not None:
                yield Tried(Case(f"{tried.case.name}, with other numbers", "", inputs), *found)

    def unused(self) -> set[str]:
        """The arguments that make a difference to our numbers and none to the learner's."""
        if self.kept is None:
            names = self.exercise.inputs[: len(self.cases[0].case.inputs)] if self.cases else ()
            self.kept = {name for i, name in enumerate(names) if self._makes_no_difference(i)}
        return self.kept

    def _makes_no_difference(self, place: int) -> bool:
        ours_moved = False
        for tried in self.cases:
            before = tried.case.inputs
            if place >= len(before):
                continue
            for other in others(before[place]):
                found = self.both(tried.case, (*before[:place], other, *before[place + 1 :]))
                if found is None:
                    continue
                ours, yours = found
                if not all_same(yours.outputs, tried.yours.outputs) or not _is_finite(yours.outputs):
                    return False
                ours_moved = ours_moved or not all_same(ours.outputs, tried.ours.outputs)
        return ours_moved

    def facts(self) -> Iterator[str]:
        """What is true of the learner's function, and not of ours."""
        unused = [f"`{name}`" for name in self.exercise.inputs if name in self.unused()]
        if unused:
            yield f"Your numbers do not change with {' nor with '.join(unused)}, and they should."
        elif self._reads_off_the_mask():
            yield "Your numbers change with what stands where `mask` is False. Only what counts may matter."
        rows = self._rows()
        if rows:
            yield rows

    def _reads_off_the_mask(self) -> bool:
        names = self.exercise.inputs
        if "mask" not in names:
            return False
        for tried in self.cases:
            mask = tried.case.inputs[names.index("mask")]
            inputs = tuple(
                torch.where(mask, x, x + 3.0) if _is_float(x) and x.shape == mask.shape else x
                for x in tried.case.inputs
            )
            found = self.both(tried.case, inputs)
            if found is None or not all_same(found[0].outputs, tried.ours.outputs):
                continue
            for now, before in zip(found[1].outputs, tried.yours.outputs, strict=True):
                whole = now.shape != mask.shape
                if not same(now, before) if whole else not same(now[mask], before[mask]):
                    return True
        return False

    def _rows(self) -> str:
        """Does a row change with what stands in another one, where ours does not; or the other way round?"""
        apart, together = [], []
        for tried in self.cases:
            inputs, outputs = tried.case.inputs, tried.ours.outputs
            rows = {len(x) for x in inputs if isinstance(x, Tensor) and x.dim()}
            of_rows = all(x.dim() and {len(x)} == rows for x in outputs)
            if len(rows) != 1 or rows == {1} or not of_rows or not any(map(_is_float, inputs)):
                continue
            for change in (lambda x: -3 * x - 2, lambda x: x + 10):
                moved = (torch.cat([change(x[:1]), x[1:]]) if _is_float(x) and x.dim() else x for x in inputs)
                if (found := self.both(tried.case, tuple(moved))) is None:
                    continue
                ours, yours = (
                    all(same(now[1:], then[1:]) for now, then in zip(one.outputs, before.outputs, strict=True))
                    for one, before in zip(found, (tried.ours, tried.yours), strict=True)
                )
                apart.append(yours and not ours)
                together.append(ours and not yours)
        if any(together):
            return "Your other rows change with the numbers of row 0: each row is to be worked out by itself."
        if apart and all(apart):
            return "Your rows know nothing of each other, and the whole batch belongs together here."
        return ""


def _is_finite(outputs: Sequence[Tensor]) -> bool:
    return all(bool(torch.isfinite(x).all()) for x in outputs)


def _is_float(x: Any) -> bool:
    return isinstance(x, Tensor) and x.is_floating_point()


def varied(inputs: Sequence[Any]) -> Iterator[Any]:
    """Other inputs of the same kind, as lawful as these: what adds up to one goes on doing so."""
    mask = next((x for x in inputs if isinstance(x, Tensor) and x.dtype == torch.bool), None)
    floats = any(_is_float(x) or isinstance(x, float) for x in inputs)
    tensors = any(isinstance(x, Tensor) for x in inputs)
    for i, x in enumerate(inputs):
        if _is_float(x) and mask is not None and x.shape == mask.shape:
            by = torch.linspace(0.6, 1.4, x.shape[1]).roll(i)
            yield x * by
        elif _is_float(x) and x.dim():
            yield x.roll(i + 1, -1)
        elif isinstance(x, float):
            yield x * 0.9
        elif isinstance(x, Tensor) and not floats:
            yield x.roll(1, -1) if x.dtype == torch.bool else x.roll(1, 0) if i else x
        elif isinstance(x, int) and not floats and not tensors:
            yield x + 1
        elif isinstance(x, list) and i:
            yield [*x[1:], *x[:1]]
        else:
            yield x


def others(x: Any) -> Iterator[Any]:
    """Values that an argument might have had as well, some of them far away."""
    if isinstance(x, Tensor) and x.dtype == torch.bool:
        yield x.roll(1, 0) & ~x.roll(1, -1)
        yield x & (x.cumsum(-1) > 1)
        yield ~x
    elif isinstance(x, Tensor) and x.is_floating_point():
        yield 0.5 * x + 0.3
        yield x.flip(-1) if x.dim() else x - 1
        yield 3 * x - 0.2
        yield x * 0.0
    elif isinstance(x, Tensor):
        yield (x + 1) % (int(x.max()) + 1)
        yield x.flip(0)
    elif isinstance(x, float):
        yield from (0.6 * x + 0.01, 1.1 * x, 1.5 * x, 5.0 * x)
    elif isinstance(x, int):
        yield from (x + 1, 2 * x + 3)
    elif isinstance(x, list | tuple):
        yield x[::-1]
        yield [x[0]] * len(x)
        yield [*x[1:], *x[:1]]
