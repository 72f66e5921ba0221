"""What is wrong with a learner's numbers, worked out and not looked up.

A candidate says what would come out if one thing were wrong: the right function on changed inputs (a mask turned
round, two arguments swapped), the right numbers changed afterwards (their sign, half of them, one place early), or
the right function asked about each row or each token alone. A candidate becomes a thought only if it gives the
learner's numbers on every case; the simplest one that does is told. It knows no exercise by name, so it serves those
to come as well.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import log
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from minirlhf.course.check.alike import all_same, close, same
from minirlhf.course.check.mutants import of_exercise
from minirlhf.course.check.tried import Tried
from minirlhf.course.exercises import Exercise
from minirlhf.ops import last_true

Inputs = dict[str, Any]
Outputs = list[Tensor]

LONGEST_SEARCH = 1.0  # seconds for thoughts that are made of two
CONSTANTS = (0.0, 1.0, 0.1, 0.2, 0.5, 0.9, 0.95, 0.99, 2.0, -1.0)


@dataclass(frozen=True)
class Change:
    """Something done to inputs or to outputs, and how it is said."""

    words: str
    apply: Callable[[Any], Any]  # Inputs to Inputs, or one Tensor to one Tensor; None where it makes no sense


def diagnose(all_tried: Sequence[Tried], exercise: Exercise) -> str:
    """The one thing, or else the two, that explain the numbers of every case; nothing where none does."""
    cases = _Cases(all_tried, exercise)
    for candidates in (
        _afterwards(cases),
        _beforehand(cases),
        _in_parts(cases),
        _inside(cases),
        _apart_from_ours(cases),
    ):
        for words in candidates:
            return words
    return next(_two_at_once(cases), "")


class _Cases:
    """All that was tried, with the case that was wrong first: most candidates fail there already."""

    def __init__(self, all_tried: Sequence[Tried], exercise: Exercise) -> None:
        self.exercise = exercise
        wrong = [t for t in all_tried if not all_same(t.yours.outputs, t.ours.outputs)]
        right = [t for t in all_tried if t not in wrong]
        self.all = sorted(wrong, key=lambda t: t.case.large) + sorted(right, key=lambda t: t.case.large)
        self.first = self.all[0]
        self.names = exercise.inputs
        self.kept: dict[tuple[str, int], Outputs | None] = {}

    def inputs(self, tried: Tried) -> Inputs:
        return dict(zip(self.names, tried.case.inputs, strict=False))

    def run(self, function: Callable, inputs: Inputs | None) -> Outputs | None:
        """What a function of ours makes of changed inputs; nothing where it cannot take them."""
        if inputs is None:
            return None
        try:
            with torch.no_grad():
                result = function(*(x.clone() if isinstance(x, Tensor) else x for x in inputs.values()))
        except Exception:  # the change makes no sense here
            return None
        if self.exercise.stats and isinstance(result, tuple) and isinstance(result[-1], dict):
            result = result[0]
        several = [*result] if isinstance(result, tuple) else [result]
        return [x.detach() if isinstance(x, Tensor) else torch.tensor(float(x)) for x in several]

    def fits(self, predict: Callable[[Tried], Outputs | None]) -> bool:
        """Does it give the learner's numbers on every case?"""
        for tried in self.all:
            try:
                predicted = predict(tried)
            except Exception:  # it makes no sense for this exercise
                return False
            if not predicted or not all_same(tried.yours.outputs, predicted):
                return False
        return True


# ---- the right numbers, changed afterwards


def _afterwards(cases: _Cases) -> Iterator[str]:
    names = cases.exercise.outputs
    if len(names) > 1:
        yield from _in_another_order(cases)
    wrong = [i for i in range(len(names)) if any(not same(t.yours.outputs[i], t.ours.outputs[i]) for t in cases.all)]
    for change in OUTPUT_CHANGES:

        def predict(tried: Tried, change: Change = change) -> Outputs | None:
            return _changed(tried.ours.outputs, change, wrong)

        if cases.fits(predict):
            yield _told(change.words, names, wrong)
    yield from _by_a_factor(cases, wrong)


def _changed(outputs: Outputs, change: Change, places: Sequence[int]) -> Outputs | None:
    try:
        changed = [change.apply(x) if i in places else x for i, x in enumerate(outputs)]
    except (RuntimeError, IndexError, TypeError):
        return None
    return None if any(x is None for x in changed) else changed


def _told(words: str, names: Sequence[str], wrong: Sequence[int]) -> str:
    whose = "" if len(wrong) == len(names) else f"In the {' and the '.join(names[i] for i in wrong)}: "
    return whose + words


def _in_another_order(cases: _Cases) -> Iterator[str]:
    names = cases.exercise.outputs
    for i in range(len(names)):
        for k in range(i + 1, len(names)):
            order = list(range(len(names)))
            order[i], order[k] = k, i

            def predict(tried: Tried, order: list[int] = order) -> Outputs:
                return [tried.ours.outputs[place] for place in order]

            if cases.fits(predict):
                yield (
                    f"The numbers are right and stand in another order: {names[i]} and {names[k]} have changed places. "
                    f"Return {', '.join(names)}."
                )


def _floating(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor | None]:
    return lambda x: change(x) if x.is_floating_point() else None


def _plane(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor | None]:
    return lambda x: change(x) if x.dim() >= 2 else None


def moved(x: Tensor, by: int, dim: int = -1) -> Tensor:
    """Everything so many places to the right, and nothing (0, False) where that leaves a gap."""
    x = torch.roll(x, by, dims=dim)
    gap = slice(0, by) if by > 0 else slice(x.shape[dim] + by, None)
    index: list[Any] = [slice(None)] * x.dim()
    index[dim] = gap
    x[tuple(index)] = 0
    return x


OUTPUT_CHANGES = (
    Change("The sign is turned round: yours is minus what is asked for.", _floating(lambda x: -x)),
    Change("True and False have changed places.", lambda x: ~x if x.dtype == torch.bool else None),
    Change("Yours is twice ours. Is something counted twice, or is a ½ missing?", lambda x: _times(x, 2)),
    Change("Yours is half of ours. Is there a ½ too much, or a 2 missing?", _floating(lambda x: x / 2)),
    Change("Yours is minus twice ours.", _floating(lambda x: -2 * x)),
    Change("Yours is minus half of ours.", _floating(lambda x: -x / 2)),
    Change("Yours is exp of what is asked for: an exp too much, or a logarithm missing.", _floating(torch.exp)),
    Change("Yours is the logarithm of what is asked for: a logarithm too much.", _floating(torch.log)),
    Change(
        "Yours is the logarithm of what is asked for with its sign turned: the mean was taken before the logarithm, "
        "or a logarithm is too much.",
        _floating(lambda x: (-x).log()),
    ),
    Change(
        "Yours is exp of minus what is asked for: a probability, where minus its logarithm is meant.",
        _floating(lambda x: (-x).exp()),
    ),
    Change("Yours is minus exp of minus what is asked for.", _floating(lambda x: -(-x).exp())),
    Change(
        "Yours is in bits: it was taken with log2. Nats are counted with the natural logarithm, log.",
        _floating(lambda x: x / log(2)),
    ),
    Change("Yours was taken with the logarithm to the base of ten; the natural one is meant.", lambda x: x / log(10)),
    Change("Yours is ours squared: a root is missing, or a square too much.", _floating(torch.square)),
    Change("Yours is the root of ours: a root too much, or a square missing.", _floating(torch.sqrt)),
    Change("Yours is one divided by ours: the fraction stands on its head.", _floating(torch.reciprocal)),
    Change("Yours is one minus what is asked for.", _floating(lambda x: 1 - x)),
    Change("The sign is lost: yours is right where ours is above 0, and never below.", _floating(torch.abs)),
    Change("What is below 0 has become 0: nothing should be cut off.", lambda x: x.clamp(min=0)),
    Change("What is above 0 has become 0: nothing should be cut off.", lambda x: x.clamp(max=0)),
    Change("What is above 1 has become 1: nothing should be cut off.", _floating(lambda x: x.clamp(max=1))),
    Change("It is rounded to whole numbers: give it as it is.", _floating(torch.round)),
    Change("It is rounded to one digit: give it as it is.", _floating(lambda x: x.round(decimals=1))),
    Change("It is rounded to two digits: give it as it is.", _floating(lambda x: x.round(decimals=2))),
    Change("It is rounded to three digits: give it as it is.", _floating(lambda x: x.round(decimals=3))),
    Change("Yours is one too much, everywhere.", lambda x: x + 1 if x.dtype != torch.bool else None),
    Change("Yours is one too little, everywhere.", lambda x: x - 1 if x.dtype != torch.bool else None),
    Change("The right numbers, each one place too early.", _plane(lambda x: moved(x, -1))),
    Change("The right numbers, each one place too late.", _plane(lambda x: moved(x, 1))),
    Change(
        "The right numbers, each one place too early, and what falls out comes in again at the other end "
        "(torch.roll goes round).",
        _plane(lambda x: x.roll(-1, dims=-1)),
    ),
    Change(
        "The right numbers, each one place too late, and what falls out comes in again at the other end "
        "(torch.roll goes round).",
        _plane(lambda x: x.roll(1, dims=-1)),
    ),
    Change(
        "The right numbers in the reverse order along each row: turn them round once more, flip(1).",
        _plane(lambda x: x.flip(-1)),
    ),
    Change("The rows stand in the reverse order.", lambda x: x.flip(0) if x.dim() else None),
    Change("Right, but transposed: rows and columns have changed places.", _plane(lambda x: x.transpose(-1, -2))),
    Change("It is added up along each row once more (cumsum).", _plane(lambda x: x.cumsum(-1))),
    Change("It is sorted: the numbers are right and stand in another order.", lambda x: x.sort().values),
    Change("Every row got the first row's numbers.", lambda x: x[:1].expand_as(x) if x.dim() else None),
    Change("Every row got the last row's numbers.", lambda x: x[-1:].expand_as(x) if x.dim() else None),
    Change("Only the first row is worked out; the others are 0.", lambda x: _first_row_only(x)),
    Change("Only the last row is worked out; the others are 0.", lambda x: _first_row_only(x.flip(0)).flip(0)),
    Change("Its first column is left out: 0 stands there.", _plane(lambda x: _without_column(x, 0))),
    Change("Its last column is left out: 0 stands there.", _plane(lambda x: _without_column(x, -1))),
    Change("A softmax is taken of it once more.", lambda x: x.softmax(-1) if x.dim() else None),
)


def _times(x: Tensor, factor: int) -> Tensor | None:
    return None if x.dtype == torch.bool else x * factor


def _first_row_only(x: Tensor) -> Tensor:
    return torch.cat([x[:1], torch.zeros_like(x[1:])])


def _without_column(x: Tensor, column: int) -> Tensor:
    x = x.clone()
    x[:, column] = 0
    return x


def _counts(tried: Tried, cases: _Cases) -> dict[str, float]:
    """What one can divide by: rows, columns, what a mask counts, and the plain numbers that were given."""
    counts: dict[str, float] = {}
    for name, x in cases.inputs(tried).items():
        if isinstance(x, Tensor):
            if x.dim() == 1:
                counts.setdefault(f"len({name}), how many there are", len(x))
            if x.dim() >= 2:
                counts.setdefault("the number of rows", len(x))
                counts.setdefault("the number of columns", x.shape[1])
                counts.setdefault("the number of all places, rows times columns", len(x) * x.shape[1])
                counts.setdefault("rows times (columns - 1)", len(x) * (x.shape[1] - 1))
            if x.dtype == torch.bool:
                counts.setdefault(f"how many `{name}` counts", max(int(x.sum()), 1))
                counts.setdefault(f"the rows in which `{name}` counts anything", max(int(x.any(dim=-1).sum()), 1))
            if x.dim() == 3:
                counts.setdefault("the length of the last axis", x.shape[2])
        elif isinstance(x, Sequence) and not isinstance(x, str):
            counts.setdefault(f"len({name})", len(x))
            counts.setdefault(f"the number of different labels in {name}", len(set(x)))
        elif isinstance(x, int | float) and not isinstance(x, bool):
            counts[f"`{name}`"] = x
    return {name: float(count) for name, count in counts.items()}


def _by_a_factor(cases: _Cases, wrong: Sequence[int]) -> Iterator[str]:
    """Yours is ours times a count, divided by one, or times the quotient of two."""
    if any(not cases.first.ours.outputs[i].is_floating_point() for i in wrong):
        return
    ratio = _ratio(cases.first, wrong)
    if ratio is None:
        return
    names, first = cases.exercise.outputs, _counts(cases.first, cases)
    options: list[tuple[str, Callable[[dict[str, float]], float]]] = []
    for name in first:
        options += [
            (
                f"Yours is ours times {name}: it is still to be divided by that, or is multiplied once too often.",
                lambda c, n=name: c[n],
            ),
            (
                f"Yours is ours divided by {name}: that division is one too much, or a factor is missing.",
                lambda c, n=name: 1 / c[n],
            ),
            (f"Yours is ours times {name}, squared.", lambda c, n=name: c[n] ** 2),
            (f"Yours is ours divided by the root of {name}.", lambda c, n=name: c[n] ** -0.5),
            (f"Yours is ours times the root of {name}.", lambda c, n=name: c[n] ** 0.5),
            (f"It is divided by {name} less one, where {name} itself belongs.", lambda c, n=name: c[n] / (c[n] - 1)),
            (
                f"It is divided by the root of {name} less one, and so is a standard deviation unless told otherwise: "
                "divide by n, not n - 1.",
                lambda c, n=name: ((c[n] - 1) / c[n]) ** 0.5,
            ),
            (f"It is divided by {name} and one more.", lambda c, n=name: c[n] / (c[n] + 1)),
        ]
        options += [
            (f"It is divided by {other}, where {name} belongs.", lambda c, n=name, o=other: c[n] / c[o])
            for other in first
            if other != name
        ]
    for sign in (1, -1):
        for words, factor in options:
            at_first = _number(factor, first)
            if at_first is None or abs(sign * at_first - ratio) > 1e-4 * abs(ratio):
                continue

            def predict(tried: Tried, factor: Callable = factor, sign: int = sign) -> Outputs | None:
                by = _number(factor, _counts(tried, cases))
                if by is None:
                    return None
                return [sign * by * x if i in wrong else x for i, x in enumerate(tried.ours.outputs)]

            if cases.fits(predict):
                yield _told(words + (" And its sign is turned round." if sign < 0 else ""), names, wrong)

    def constant(tried: Tried) -> Outputs:
        return [ratio * x if i in wrong else x for i, x in enumerate(tried.ours.outputs)]

    if len([t for t in cases.all if _ratio(t, wrong) is not None]) > 2 and cases.fits(constant):
        yield _told(
            f"Yours is {ratio:.4g} times ours, on every case: a factor is wrong, and nothing else.", names, wrong
        )


def _number(factor: Callable, counts: dict[str, float]) -> float | None:
    try:
        value = factor(counts)
    except (KeyError, ZeroDivisionError, ValueError):
        return None
    return float(value) if isinstance(value, int | float) else None


def _ratio(tried: Tried, wrong: Sequence[int]) -> float | None:
    """Yours divided by ours, where ours is largest."""
    if not wrong:
        return None
    ours, yours = tried.ours.outputs[wrong[0]], tried.yours.outputs[wrong[0]]
    if not ours.numel() or not torch.isfinite(ours).all() or ours.abs().max() < 1e-6:
        return None
    at = int(ours.abs().argmax())
    ratio = float(yours.flatten()[at] / ours.flatten()[at])
    return ratio if ratio and abs(ratio) < 1e9 else None


def _apart_from_ours(cases: _Cases) -> Iterator[str]:
    """What stands between yours and ours is one of the inputs, or the same number everywhere."""
    names = cases.exercise.outputs
    for i in range(len(names)):
        if not cases.first.ours.outputs[i].is_floating_point():
            continue
        if not all(same(t.yours.outputs[k], t.ours.outputs[k]) for t in cases.all for k in range(len(names)) if k != i):
            continue
        for words, amount in _amounts(cases):
            for sign, how in ((1, "too much"), (-1, "missing")):

                def predict(tried: Tried, amount: Callable = amount, sign: int = sign, i: int = i) -> Outputs | None:
                    added = amount(tried)
                    if added is None:
                        return None
                    outputs = list(tried.ours.outputs)
                    try:
                        outputs[i] = outputs[i] + sign * added
                    except RuntimeError:
                        return None
                    return outputs

                if cases.fits(predict):
                    yield _told(f"It is right but for one term: {words} is {how}.", names, [i])
    values = [x for t in cases.all for x in t.yours.outputs]
    alike = all(x.numel() and bool((x == x.flatten()[0]).all()) for x in values)
    if alike and len({float(x.flatten()[0]) for x in values}) == 1 and len(cases.all) > 1:
        yield f"It gives {_short(values[0].flatten()[0])} on every case, whatever it was given."


def _amounts(cases: _Cases) -> Iterator[tuple[str, Callable[[Tried], Any]]]:
    inputs = cases.inputs(cases.first)
    tensors = [n for n, x in inputs.items() if isinstance(x, Tensor) and x.is_floating_point()]
    numbers = [n for n, x in inputs.items() if isinstance(x, int | float)]
    mask = next((n for n, x in inputs.items() if isinstance(x, Tensor) and x.dtype == torch.bool), None)
    for name in tensors + numbers:
        yield f"`{name}`", lambda t, n=name: cases.inputs(t).get(n)
        for by in numbers:
            if by != name:
                yield f"`{by}` times `{name}`", lambda t, n=name, b=by: cases.inputs(t)[n] * cases.inputs(t)[b]
        if name in tensors:
            yield f"the mean of `{name}`", lambda t, n=name: cases.inputs(t)[n].mean()
            if mask:
                yield (
                    f"`{name}`, where `{mask}` counts,",
                    lambda t, n=name: torch.where(cases.inputs(t)[mask], cases.inputs(t)[n], 0.0),
                )


# ---- the right function, on changed inputs


def _beforehand(cases: _Cases) -> Iterator[str]:
    for change in _input_changes(cases):

        def predict(tried: Tried, change: Change = change) -> Outputs | None:
            return cases.run(cases.exercise.solution, _applied(change, cases.inputs(tried)))

        if cases.fits(predict):
            yield change.words


def _applied(change: Change, inputs: Inputs) -> Inputs | None:
    try:
        return change.apply(inputs)
    except Exception:  # it makes no sense for these
        return None


def _input_changes(cases: _Cases) -> Iterator[Change]:
    inputs = cases.inputs(cases.first)
    for name, x in inputs.items():
        if isinstance(x, Tensor):
            kind = (
                MASK_CHANGES
                if x.dtype == torch.bool
                else PLAIN_CHANGES + (FLOAT_CHANGES if x.is_floating_point() else WHOLE_CHANGES)
            )
            for words, change in kind:
                yield Change(words.format(f"`{name}`"), lambda given, n=name, c=change: _with(given, n, c(given[n])))
        elif isinstance(x, str):
            continue
        elif isinstance(x, Sequence):
            for words, change in LIST_CHANGES:
                yield Change(words.format(f"`{name}`"), lambda given, n=name, c=change: _with(given, n, c(given[n])))
        elif isinstance(x, int | float):
            yield from _number_changes(name, x, cases)
    yield from _between_arguments(inputs)
    yield from _all_tensors(inputs)


def _with(inputs: Inputs, name: str, value: Any) -> Inputs | None:
    return None if value is None else {**inputs, name: value}


def _first_place(mask: Tensor) -> Tensor:
    return mask & (mask.cumsum(dim=-1) == 1)


def _last_place(mask: Tensor) -> Tensor:
    return torch.arange(mask.shape[-1]) == last_true(mask).unsqueeze(1)


MASK_CHANGES: tuple[tuple[str, Callable[[Tensor], Any]], ...] = (
    ("The mask is not used: this comes out when {} is True everywhere.", torch.ones_like),
    ("The mask is read the wrong way round: {} is True where a token counts.", lambda m: ~m),
    ("{} is used one place too early: it is shifted to the left, and should not be.", lambda m: moved(m, -1)),
    ("{} is used one place too late: it is shifted to the right, and should not be.", lambda m: moved(m, 1)),
    ("The first column of {} is left out, and tokens may count there too.", lambda m: _without_column(m, 0)),
    ("The last column of {} is left out, and tokens may count there too.", lambda m: _without_column(m, -1)),
    ("The first token that counts is left out in each row of {}.", lambda m: m & ~_first_place(m)),
    ("The last token that counts is left out in each row of {}.", lambda m: m & ~_last_place(m)),
    ("Only the first token that counts is used in each row of {}.", _first_place),
    ("Only the last token that counts is used in each row of {}.", _last_place),
    ("The token after the last one that counts is used as well: {} goes one too far.", lambda m: m | moved(m, 1)),
    (
        "The token before the first one that counts is used as well: {} begins one too early.",
        lambda m: m | moved(m, -1),
    ),
    (
        "Everything before the response counts here too: the part before the first True of {} has to stay out.",
        lambda m: m.flip(-1).cumsum(-1).flip(-1) > 0,
    ),
    (
        "Everything after the response counts here too: the padding, where {} is False again.",
        lambda m: m.cumsum(-1) > 0,
    ),
    ("The whole batch uses the first row of {}. Each row has its own.", lambda m: m[:1].expand_as(m)),
    ("{} is all False in its effect: nothing counts.", torch.zeros_like),
)

PLAIN_CHANGES: tuple[tuple[str, Callable[[Tensor], Any]], ...] = (
    ("{} is not used: this comes out when it is 0 everywhere.", torch.zeros_like),
    ("{} is not used: this comes out when it is 1 everywhere.", torch.ones_like),
    ("{} is read one place too late: shifted to the left along each row.", _plane(lambda x: moved(x, -1, 1))),
    ("{} is read one place too early: shifted to the right along each row.", _plane(lambda x: moved(x, 1, 1))),
    ("{} is shifted by one with torch.roll, which goes round.", _plane(lambda x: x.roll(-1, 1))),
    ("{} is shifted by one with torch.roll, which goes round.", _plane(lambda x: x.roll(1, 1))),
    ("{} is read from right to left: its columns are reversed.", _plane(lambda x: x.flip(1))),
    ("The rows of {} are read from last to first.", lambda x: x.flip(0) if x.dim() else None),
    (
        "{} is transposed: rows and columns have changed places.",
        lambda x: x.transpose(0, 1) if x.dim() >= 2 and x.shape[0] == x.shape[1] else None,
    ),
    ("The first row of {} is used for all rows. Each row has its own.", lambda x: x[:1].expand_as(x)),
    ("The last row of {} is used for all rows. Each row has its own.", lambda x: x[-1:].expand_as(x)),
    ("The first column of {} is used for all columns.", _plane(lambda x: x[:, :1].expand_as(x))),
    ("{} is sorted first. Each number keeps its place here: do not sort.", lambda x: x.sort(dim=-1).values),
    (
        "{} is sorted first, from large to small. Each number keeps its place here: do not sort.",
        lambda x: x.sort(dim=-1, descending=True).values,
    ),
    ("{} is added up along each row first (cumsum), once too often.", _plane(lambda x: x.cumsum(1))),
    ("Twice {} is used.", lambda x: x * 2),
)

FLOAT_CHANGES: tuple[tuple[str, Callable[[Tensor], Any]], ...] = (
    ("The sign of {} is turned round.", torch.neg),
    ("{} is used after an exp: take it as it is.", torch.exp),
    ("A logarithm of {} is taken: take it as it is.", torch.log),
    ("{} is cut off at 0: only what is above 0 is used. Its sign matters.", lambda x: x.clamp(min=0)),
    ("{} is cut off at 0: only what is below 0 is used. Its sign matters.", lambda x: x.clamp(max=0)),
    ("The sign of {} is lost (abs). It matters.", torch.abs),
    ("Only the sign of {} is used, not how large it is.", torch.sign),
    ("{} is squared first.", torch.square),
    ("The root of {} is taken first.", torch.sqrt),
    ("Half of {} is used.", lambda x: x / 2),
    ("A sigmoid of {} is taken first, once too often.", torch.sigmoid),
    ("A tanh of {} is taken first.", torch.tanh),
    ("A softmax of {} is taken along its last axis, once too often.", lambda x: x.softmax(-1)),
    ("A softmax of {} is taken along dim 0, down the batch: rows are dim 0.", lambda x: x.softmax(0)),
    (
        "A log_softmax of {} is taken along dim 0, down the batch: the numbers of one place are along its last axis.",
        lambda x: x.log_softmax(0),
    ),
    (
        "A log_softmax of {} is taken along dim 1; the numbers of one place are along its last axis.",
        lambda x: x.log_softmax(1) if x.dim() == 3 else None,
    ),
    ("A softmax of {} is taken along dim 1, once too often.", lambda x: x.softmax(1) if x.dim() == 3 else None),
    ("The mean of {} is taken off first: take it as it is.", lambda x: x - x.mean()),
    ("The mean of each row of {} is taken off first.", lambda x: x - x.mean(-1, keepdim=True)),
    (
        "The mean of {} stands for all its numbers: take each by itself, and the mean last.",
        lambda x: x.mean().expand_as(x),
    ),
    ("The mean of each row of {} stands for all its numbers.", _plane(lambda x: x.mean(-1, keepdim=True).expand_as(x))),
    ("The sum of {} stands for each of its numbers.", lambda x: x.sum().expand_as(x)),
    ("The largest number of {} stands for all.", lambda x: x.max().expand_as(x)),
    ("{} is whitened first: take it as it is.", lambda x: (x - x.mean()) / x.std(correction=0)),
    ("{} is divided by its sum first.", lambda x: x / x.sum(-1, keepdim=True)),
    ("{} is rounded first.", torch.round),
)

WHOLE_CHANGES: tuple[tuple[str, Callable[[Tensor], Any]], ...] = (
    ("One is added to {}.", lambda x: x + 1),
    ("One is taken off {}.", lambda x: x - 1),
    ("The first number of {} is used for all.", lambda x: x.flatten()[0].expand_as(x)),
    ("{} is turned round: 0 is read as 1, and 1 as 0.", lambda x: torch.where(x < 2, 1 - x, x)),
)

LIST_CHANGES: tuple[tuple[str, Callable[[Sequence], Any]], ...] = (
    ("The first of {} is left out.", lambda x: x[1:]),
    ("The last of {} is left out.", lambda x: x[:-1]),
    ("{} is read from its end.", lambda x: x[::-1]),
    ("{} is sorted first: the two lists go together place by place, so do not sort.", sorted),
    ("The first of {} stands for all of it.", lambda x: [x[0]] * len(x)),
)


def _number_changes(name: str, x: float | int, cases: _Cases) -> Iterator[Change]:
    def changed(words: str, change: Callable[[Any], Any]) -> Change:
        return Change(words, lambda given: _with(given, name, change(given[name])))

    kind = type(x)
    parameter_values = {cases.inputs(t)[name] for t in cases.all if name in cases.inputs(t)}
    for value in dict.fromkeys([*CONSTANTS, *sorted(parameter_values)]):
        if kind(value) == value:
            yield changed(
                f"`{name}` is not used: this comes out when it is always {value:.4g}. Write `{name}` there.",
                lambda _, v=value: kind(v),
            )
    yield changed(f"The sign of `{name}` is turned round.", lambda v: -v)
    yield changed(f"Twice `{name}` is used.", lambda v: 2 * v)
    yield changed(f"`{name}` and one more is used.", lambda v: v + 1)
    yield changed(f"`{name}` less one is used.", lambda v: v - 1)
    if kind is float:
        yield changed(f"Half of `{name}` is used.", lambda v: v / 2)
        yield changed(f"`{name}` is squared, or multiplied twice.", lambda v: v * v)
        yield changed(f"The root of `{name}` is used.", lambda v: v**0.5)
        yield changed(
            f"It is divided by `{name}`, where it should be multiplied, or the other way round.", lambda v: 1 / v
        )
        yield changed(f"1 - `{name}` is used where `{name}` belongs.", lambda v: 1 - v)
        yield changed(f"1 + `{name}` is used where `{name}` belongs.", lambda v: 1 + v)
        yield changed(f"An exp of `{name}` is used.", lambda v: float(torch.tensor(v).exp()))


def _between_arguments(inputs: Inputs) -> Iterator[Change]:
    def kind(x: Any) -> Any:
        return (x.shape, x.dtype) if isinstance(x, Tensor) else (float if isinstance(x, int | float) else type(x))

    names = [name for name, x in inputs.items() if x is not None]
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            if kind(inputs[one]) != kind(inputs[other]):
                continue
            yield Change(
                f"`{one}` and `{other}` have changed places.",
                lambda given, a=one, b=other: {**given, a: given[b], b: given[a]},
            )
            yield Change(
                f"`{one}` stands where `{other}` belongs as well.", lambda given, a=one, b=other: {**given, b: given[a]}
            )
            yield Change(
                f"`{other}` stands where `{one}` belongs as well.", lambda given, a=one, b=other: {**given, a: given[b]}
            )
            yield Change(
                f"`{one}` and `{other}` are thrown together, where each has its own.",
                lambda given, a=one, b=other: (
                    {**given, a: [*given[a], *given[b]], b: [*given[b], *given[a]]}
                    if isinstance(given[a], list | tuple)
                    else None
                ),
            )
            yield Change(
                f"`{one}` is multiplied by `{other}`, and taken for `{one}`.",
                lambda given, a=one, b=other: {**given, a: given[a] * given[b]},
            )


def _all_tensors(inputs: Inputs) -> Iterator[Change]:
    """Changes to everything that has rows and columns at once."""

    def each(change: Callable[[Tensor], Tensor], least: int) -> Callable[[Inputs], Inputs | None]:
        def apply(given: Inputs) -> Inputs | None:
            return {n: change(x) if isinstance(x, Tensor) and x.dim() >= least else x for n, x in given.items()}

        return apply

    yield Change("The first row is left out: everything begins at row 1.", each(lambda x: x[1:], 1))
    yield Change("The last row is left out.", each(lambda x: x[:-1], 1))
    yield Change("Only the first row is looked at. A batch has many.", each(lambda x: x[:1], 1))
    yield Change("Only the last row is looked at. A batch has many.", each(lambda x: x[-1:], 1))
    yield Change("The first column is left out: everything begins at column 1.", each(lambda x: x[:, 1:], 2))
    yield Change("The last column is left out.", each(lambda x: x[:, :-1], 2))
    yield Change(
        "Rows and columns have changed places: dim 0 is the batch, dim 1 is along a row.",
        each(lambda x: x.transpose(0, 1), 2),
    )
    yield Change(
        "The whole batch is treated as one long row: each row is a text of its own.",
        each(lambda x: x.reshape(1, -1, *x.shape[2:]), 2),
    )
    mask = next((n for n, x in inputs.items() if isinstance(x, Tensor) and x.dtype == torch.bool), None)
    if mask is not None:

        def zeros_counted(given: Inputs) -> Inputs:
            m = given[mask]
            return {
                n: torch.ones_like(m)
                if n == mask
                else torch.where(m, x, 0.0)
                if isinstance(x, Tensor) and x.is_floating_point() and x.shape == m.shape
                else x
                for n, x in given.items()
            }

        yield Change(
            f"What does not count is set to 0, and the zeros are counted all the same. Divide by how many "
            f"`{mask}` counts.",
            zeros_counted,
        )
        for name, x in inputs.items():
            if isinstance(x, Tensor) and x.is_floating_point() and x.dim() >= 2:
                yield Change(
                    f"`{name}` is set to 0 where `{mask}` is False.",
                    lambda given, n=name: _with(given, n, torch.where(given[mask], given[n], 0.0)),
                )


# ---- the right function, asked about parts


def _in_parts(cases: _Cases) -> Iterator[str]:
    """The whole is put together of parts the wrong way: means of means, sums for means, each row by itself."""
    solution, first = cases.exercise.solution, cases.inputs(cases.first)
    batch = next((len(x) for x in first.values() if isinstance(x, Tensor) and x.dim()), None)
    if batch is None:
        return
    mask = next((n for n, x in first.items() if isinstance(x, Tensor) and x.dtype == torch.bool), None)
    scalar = all(x.dim() == 0 for x in cases.first.ours.outputs)

    def rows(tried: Tried, dim: int = 0) -> list[Outputs] | None:
        given = cases.inputs(tried)
        size = next(x.shape[dim] for x in given.values() if isinstance(x, Tensor) and x.dim() > dim)
        if size > 128:
            return None
        parts = []
        for i in range(size):
            cut = {n: x.narrow(dim, i, 1) if isinstance(x, Tensor) and x.dim() > dim else x for n, x in given.items()}
            if (part := cases.run(solution, cut)) is None:
                return None
            parts.append(part)
        return parts

    def together(how: Callable[[Tensor, Tensor], Tensor], dim: int = 0) -> Callable[[Tried], Outputs | None]:
        def predict(tried: Tried) -> Outputs | None:
            if dim and not all(x.dim() >= 2 for x in cases.inputs(tried).values() if isinstance(x, Tensor)):
                return None
            parts = rows(tried, dim)
            if parts is None:
                return None
            given = cases.inputs(tried)
            counted = given[mask].sum(dim=1 - dim) if mask else torch.ones(len(parts))
            return [how(torch.stack(list(x)), counted) for x in zip(*parts, strict=True)]

        return predict

    per = "rows" if mask else "examples"
    ways: list[tuple[str, Callable[[Tensor, Tensor], Tensor]]] = [
        (
            f"This is the mean of the {per}' means. Every token weighs the same: sum over the batch, divide once.",
            lambda x, n: x.mean(),
        ),
        (
            "This is the mean of the rows' means, empty rows left out. Every token weighs the "
            "same: sum over the whole batch, divide once.",
            lambda x, n: x[n > 0].mean(),
        ),
        (f"This is the sum over the {per}; the mean is asked for: divide by how many there are.", lambda x, n: x.sum()),
        (
            "This is the sum over everything that counts; a mean is asked for: divide by how many count.",
            lambda x, n: (x * n).sum(),
        ),
        (
            "Each row is added up and the rows are averaged, so a long row weighs more. It is one mean over all that "
            "counts.",
            lambda x, n: (x * n).sum() / len(x),
        ),
        (
            "Each row is added up and the rows that are not empty are averaged. It is one mean over all that counts.",
            lambda x, n: (x * n).sum() / (n > 0).sum().clamp(min=1),
        ),
        ("The largest of the rows is taken, where a mean is asked for.", lambda x, n: x.max()),
        ("The smallest of the rows is taken, where a mean is asked for.", lambda x, n: x.min()),
        ("The median is taken, where a mean is asked for.", lambda x, n: x.median()),
        ("Only the first row's number comes back. A `return` inside the loop?", lambda x, n: x[0]),
        ("Only the last row's number comes back. Is it overwritten in a loop?", lambda x, n: x[-1]),
        ("It is divided by one less than there are.", lambda x, n: x.sum() / (len(x) - 1)),
        ("It is divided by one more than there are.", lambda x, n: x.sum() / (len(x) + 1)),
    ]
    if scalar:
        for words, how in ways:
            for sign in (1, -1):
                if cases.fits(together(lambda x, n, how=how, sign=sign: sign * how(x, n))):
                    yield words + (" And its sign is turned round." if sign < 0 else "")
        if mask:
            for words, how in ways[:2]:
                if cases.fits(together(how, dim=1)):
                    yield words.replace("rows", "columns")
        return
    if all(x.dim() >= 1 for x in cases.first.ours.outputs):
        pieces = [("Each row is worked out by itself, where the whole batch belongs together.", 0)]
        pieces += [("Each column is worked out by itself: dim 0 runs down the batch, dim 1 along a row.", 1)]
        for words, dim in pieces:

            def predict(tried: Tried, dim: int = dim) -> Outputs | None:
                parts = rows(tried, dim)
                if parts is None:
                    return None
                try:
                    return [torch.cat(x, dim=dim) for x in zip(*parts, strict=True)]
                except (RuntimeError, IndexError):
                    return None

            if cases.fits(predict):
                yield words


# ---- the right function, with one thing in it changed


def _inside(cases: _Cases) -> Iterator[str]:
    for words, changed in of_exercise(cases.exercise):

        def predict(tried: Tried, changed: Callable = changed) -> Outputs | None:
            return cases.run(changed, cases.inputs(tried))

        if cases.fits(predict):
            yield words


# ---- two at once


def _two_at_once(cases: _Cases) -> Iterator[str]:
    """A known mistake, or a change of the inputs, and one thing more. Whole numbers are too few to tell them apart."""
    if not all(x.is_floating_point() for x in cases.first.ours.outputs):
        return
    end = perf_counter() + LONGEST_SEARCH
    solution = cases.exercise.solution
    changes = list(_input_changes(cases))
    wrong = list(range(len(cases.exercise.outputs)))
    halves: list[tuple[str, Callable, Change | None]] = [(m.hint, m.wrong, None) for m in cases.exercise.mistakes]
    halves += [(change.words, solution, change) for change in changes]
    mine = cases.first.yours.outputs

    def run(function: Callable, tried: Tried, *befores: Change | None) -> Outputs | None:
        inputs: Inputs | None = cases.inputs(tried)
        for before in befores:
            if before is not None and inputs is not None:
                inputs = _applied(before, inputs)
        return cases.run(function, inputs)

    for words, function, before in halves:
        if perf_counter() > end:
            return
        half = run(function, cases.first, before)
        if half is None or not all(map(lambda x, y: x.shape == y.shape, half, mine)):
            continue
        for after in OUTPUT_CHANGES[:20]:
            changed = _changed(half, after, wrong)
            if changed is None or not all_same(mine, changed):
                continue

            def predict(tried: Tried, f: Callable = function, b: Change | None = before, a: Change = after) -> Any:
                outputs = run(f, tried, b)
                return outputs and _changed(outputs, a, wrong)

            if cases.fits(predict):
                yield f"Two things at once. {words} And then: {after.words}"
    for words, function, before in halves:
        half = run(function, cases.first, before)
        if half is not None and all_same(half, cases.first.ours.outputs) and not cases.exercise.mistakes:
            continue
        for second in changes:
            if perf_counter() > end:
                return
            if second is before:
                continue
            changed = run(function, cases.first, before, second)
            if changed is None or not all_same(mine, changed):
                continue

            def both(tried: Tried, f: Callable = function, b: Change | None = before, s: Change = second) -> Any:
                return run(f, tried, b, s)

            if cases.fits(both):
                yield f"Two things at once. {words} And: {second.words}"


# ---- where it is wrong


def where_wrong(all_tried: Sequence[Tried], exercise: Exercise) -> str:
    """Which places, or which cases, are wrong: something to begin with where no thought fits."""
    cases = _Cases(all_tried, exercise)
    wrong = [t for t in cases.all if not all_same(t.yours.outputs, t.ours.outputs)]
    said = next(_places(cases, wrong), "")
    if any(not torch.isfinite(x).all() for t in wrong for x in t.yours.outputs if x.is_floating_point()):
        said += " A nan comes of 0/0, inf - inf or the logarithm of something below 0, an inf of a division by 0."
    right = [t.case.name for t in cases.all if t not in wrong]
    if not said and right:
        said = f"It is right on {_listed(right)}, so look at what is different here."
    return said.strip()


def _places(cases: _Cases, wrong: Sequence[Tried]) -> Iterator[str]:
    if any(x.dim() == 0 for t in wrong for x in t.ours.outputs):
        return
    for words, pattern in _patterns(cases):
        holds = True
        for tried in wrong:
            try:
                where = pattern(cases.inputs(tried))
            except Exception:
                where = None
            if where is None:
                holds = False
                break
            for yours, ours in zip(tried.yours.outputs, tried.ours.outputs, strict=True):
                apart = ~close(yours, ours)
                if where.dim() < apart.dim():
                    where = where.unsqueeze(1)
                try:
                    holds = holds and not bool((apart & ~where.expand_as(apart)).any())
                except RuntimeError:
                    holds = False
            if not holds:
                break
        if holds:
            yield f"It is right everywhere but {words}."


def _patterns(cases: _Cases) -> Iterator[tuple[str, Callable[[Inputs], Tensor | None]]]:
    first = cases.inputs(cases.first)
    shape = cases.first.ours.outputs[0].shape
    mask = next((n for n, x in first.items() if isinstance(x, Tensor) and x.dtype == torch.bool), None)
    if mask:
        if len(shape) == 1:
            yield f"in rows where `{mask}` is True nowhere", lambda g: ~g[mask].any(dim=1)
            yield f"in rows where `{mask}` is True more than once", lambda g: g[mask].sum(dim=1) > 1
        else:
            yield "in rows with no token that counts", lambda g: ~g[mask].any(dim=1, keepdim=True).expand_as(g[mask])
            yield "at the last token that counts of each row", lambda g: _last_place(g[mask])
            yield "at the first token that counts of each row", lambda g: _first_place(g[mask])
            yield f"where `{mask}` is False", lambda g: ~g[mask]
            yield (
                "before the last token that counts of each row: it starts well and goes wrong with the first step",
                lambda g: g[mask] & ~_last_place(g[mask]),
            )
            yield (
                "after the first token that counts of each row: it starts well and goes wrong with the first step",
                lambda g: g[mask] & ~_first_place(g[mask]),
            )
            yield f"where `{mask}` is True", lambda g: g[mask]
    for name, x in first.items():
        if isinstance(x, Tensor) and x.shape == shape[:1] and not x.is_floating_point() and x.dtype != torch.bool:
            for value in sorted({int(v) for t in cases.all for v in cases.inputs(t)[name].flatten()}):
                yield f"where `{name}` is {value}", lambda g, n=name, v=value: g[n] == v
    if len(shape) >= 1:
        places = "column" if len(shape) > 1 else "place"
        yield f"in {places} 0", lambda g: torch.arange(_width(g, cases)) == 0
        yield f"in the last {places}", lambda g: torch.arange(_width(g, cases)) == _width(g, cases) - 1
    if len(shape) > 1:
        yield "in the rows after the first: row 0 is right", lambda g: _rows_after_the_first(g, cases)


def _width(given: Inputs, cases: _Cases) -> int:
    tried = next(t for t in cases.all if cases.inputs(t).keys() == given.keys() and _is(cases.inputs(t), given))
    return tried.ours.outputs[0].shape[-1]


def _is(one: Inputs, other: Inputs) -> bool:
    return all(x is y for x, y in zip(one.values(), other.values(), strict=True))


def _rows_after_the_first(given: Inputs, cases: _Cases) -> Tensor:
    rows = next(len(x) for x in given.values() if isinstance(x, Tensor) and x.dim() > 1)
    return (torch.arange(rows) > 0).unsqueeze(1).expand(rows, _width(given, cases))


def _listed(names: Iterable[str]) -> str:
    return "; ".join(names)


def _short(x: Tensor) -> str:
    return str(bool(x)) if x.dtype == torch.bool else f"{float(x) + 0.0:.4g}"
