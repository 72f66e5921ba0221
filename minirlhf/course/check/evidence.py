"""All that was tried of an answer, and what a thought has to fit before it is told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from minirlhf.course.check.alike import all_same
from minirlhf.course.check.tried import Tried
from minirlhf.course.exercises import Exercise
from minirlhf.ops import last_true

Inputs = dict[str, Any]
Outputs = list[Tensor]


@dataclass(frozen=True)
class Change:
    """Something done to inputs or to outputs, and how it is said."""

    words: str
    apply: Callable[[Any], Any]  # Inputs to Inputs, or one Tensor to one Tensor; None where it makes no sense
    unused: str = ""  # the argument that it says is never looked at
    mask: bool = False  # whether it is a mask that is changed


class Cases:
    """All that was tried, with the case that was wrong first: most candidates fail there already.

    `fresh` are the same cases with other numbers, so that nothing fits by chance. `unused` says which arguments make
    no difference to what the learner's function gives; it is asked only where a thought would claim that.
    """

    def __init__(
        self,
        all_tried: Sequence[Tried],
        exercise: Exercise,
        fresh: Sequence[Tried] = (),
        unused: Callable[[], set[str]] | None = None,
    ) -> None:
        self.exercise = exercise
        wrong = [t for t in all_tried if not all_same(t.yours.outputs, t.ours.outputs)]
        right = [t for t in all_tried if t not in wrong]
        finite = [t for t in wrong if all(bool(torch.isfinite(x).all()) for x in t.yours.outputs)]
        self.wrong = sorted(wrong, key=lambda t: (t not in finite, t.case.large))
        self.all = self.wrong + sorted(right, key=lambda t: t.case.large)
        self.first = self.all[0]
        self.names = exercise.inputs
        self.fresh = list(fresh)
        self.tells = bool(finite) or len(right) > 2  # nan alone fits everything that is nan
        self.unused = unused

    def never_looks_at(self, name: str) -> bool:
        """Is it so that this argument makes no difference to the learner's numbers? Where we cannot know, it may be."""
        return self.unused is None or name in self.unused()

    def inputs(self, tried: Tried) -> Inputs:
        return dict(zip(self.names, tried.case.inputs, strict=False))

    def run(self, function: Callable, inputs: Inputs | None) -> Outputs | None:
        """What a function of ours makes of changed inputs; nothing where it cannot take them."""
        if inputs is None:
            return None
        try:
            with torch.no_grad():
                result = function(*(x.clone() if isinstance(x, Tensor) else x for x in inputs.values()))
            if self.exercise.stats and isinstance(result, tuple) and isinstance(result[-1], dict):
                result = result[0]
            several = [*result] if isinstance(result, tuple) else [result]
            tensors = [x.detach() if isinstance(x, Tensor) else torch.tensor(float(x)) for x in several]
            return [_of_the_kind(x, ours) for x, ours in zip(tensors, self.first.ours.outputs, strict=True)]
        except Exception:  # the change makes no sense here
            return None

    def fits(self, predict: Callable[[Tried], Outputs | None]) -> bool:
        """Does it give the learner's numbers on every case, and on the fresh ones?"""
        if not self.tells or not all(self._fits_one(predict, tried) for tried in (*self.all, *self.fresh)):
            return False
        if self.exercise.bounds is None:
            return True
        exact = sum(self._fits_one(predict, tried, cut=False) for tried in self.wrong)
        return 2 * exact >= len(self.wrong)  # far outside the bounds all numbers are cut off to the same

    def missed(self, predict: Callable[[Tried], Outputs | None]) -> str | None:
        """The one case that it leaves unexplained, where it explains many others; else nothing."""
        yes_or_no = any(x.dtype == torch.bool and not x.dim() for x in self.first.ours.outputs)
        few = len(self.wrong) < MANY or yes_or_no  # where most are False, what is always False explains most
        if few or not any(self._fits_one(predict, tried) for tried in self.wrong[:2]):
            return None
        missed = [tried.case.name for tried in self.all if not self._fits_one(predict, tried)]
        if len(missed) != 1:
            return None
        fresh = [t for t in self.fresh if not t.case.name.startswith(missed[0])]
        return missed[0] if fresh and all(self._fits_one(predict, tried) for tried in fresh) else None

    def _fits_one(self, predict: Callable[[Tried], Outputs | None], tried: Tried, cut: bool = True) -> bool:
        yours, ours = tried.yours.outputs, tried.ours.outputs
        try:
            predicted = predict(tried)
            predicted = predicted and [_of_the_kind(*x) for x in zip(predicted, ours, strict=True)]
            if not predicted:
                return False
            if cut and self.exercise.bounds is not None:
                yours, predicted, ours = (
                    [x.clamp(*self.exercise.bounds) for x in xs] for xs in (yours, predicted, ours)
                )
            return all_same(yours, predicted) and all(map(_much_nearer, yours, predicted, ours))
        except Exception:  # it makes no sense for this exercise
            return False


MANY = 4  # cases that went wrong, before one may stay unexplained


def _much_nearer(yours: Tensor, predicted: Tensor, ours: Tensor) -> bool:
    """Is what was predicted so near that it is no chance, where yours and ours are near each other as well?"""
    if not yours.is_floating_point() or not torch.isfinite(yours).all():
        return True
    apart, scale = (yours - ours).abs().max(), yours.abs().max().clamp(min=1e-6)
    return bool((yours - predicted).abs().max() <= 0.05 * apart + 2e-6 * scale)


def _of_the_kind(x: Tensor, ours: Tensor) -> Tensor:
    """As many a number as ours is; True is no place, and 0.7 no True."""
    if ours.is_floating_point():
        return x.to(ours.dtype)
    if (x.dtype == torch.bool) != (ours.dtype == torch.bool) or x.is_floating_point():
        raise TypeError(f"{x.dtype} stands where {ours.dtype} belongs")
    return x


def changed_outputs(outputs: Outputs, change: Change, places: Sequence[int]) -> Outputs | None:
    try:
        changed = [change.apply(x) if i in places else x for i, x in enumerate(outputs)]
    except (RuntimeError, IndexError, TypeError):
        return None
    return None if any(x is None for x in changed) else changed


def told(words: str, names: Sequence[str], wrong: Sequence[int]) -> str:
    whose = "" if len(wrong) == len(names) else f"In the {' and the '.join(names[i] for i in wrong)}: "
    return whose + words


def floating(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor | None]:
    return lambda x: change(x) if x.is_floating_point() else None


def plane(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor | None]:
    return lambda x: change(x) if x.dim() >= 2 else None


def moved(x: Tensor, by: int, dim: int = -1) -> Tensor:
    """Everything so many places to the right, and nothing (0, False) where that leaves a gap."""
    x = torch.roll(x, by, dims=dim)
    gap = slice(0, by) if by > 0 else slice(x.shape[dim] + by, None)
    index: list[Any] = [slice(None)] * x.dim()
    index[dim] = gap
    x[tuple(index)] = 0
    return x


def without_column(x: Tensor, column: int) -> Tensor:
    x = x.clone()
    x[:, column] = 0
    return x


def first_place(mask: Tensor) -> Tensor:
    return mask & (mask.cumsum(dim=-1) == 1)


def last_place(mask: Tensor) -> Tensor:
    return torch.arange(mask.shape[-1]) == last_true(mask).unsqueeze(1)


def applied(change: Change, inputs: Inputs) -> Inputs | None:
    try:
        return change.apply(inputs)
    except Exception:  # it makes no sense for these
        return None
