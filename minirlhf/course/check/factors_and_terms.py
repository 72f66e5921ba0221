"""The right numbers times a count, or less a term: wrong denominators, and what was left out of a sum."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from minirlhf.course.check.alike import same
from minirlhf.course.check.evidence import Cases, Outputs, told
from minirlhf.course.check.tried import Tried


def _counts(tried: Tried, cases: Cases) -> dict[str, float]:
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


def by_a_factor(cases: Cases, wrong: Sequence[int]) -> Iterator[str]:
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
                yield told(words + (" And its sign is turned round." if sign < 0 else ""), names, wrong)

    def constant(tried: Tried) -> Outputs:
        return [ratio * x if i in wrong else x for i, x in enumerate(tried.ours.outputs)]

    if len([t for t in cases.all if _ratio(t, wrong) is not None]) > 2 and cases.fits(constant):
        yield told(
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


def apart_from_ours(cases: Cases) -> Iterator[str]:
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
                    yield told(f"It is right but for one term: {words} is {how}.", names, [i])
    values = [x for t in cases.all for x in t.yours.outputs]
    alike = all(x.numel() and bool((x == x.flatten()[0]).all()) for x in values)
    if alike and len({float(x.flatten()[0]) for x in values}) == 1 and len(cases.all) > 1:
        yield f"It gives {short(values[0].flatten()[0])} on every case, whatever it was given."


def _amounts(cases: Cases) -> Iterator[tuple[str, Callable[[Tried], Any]]]:
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


def short(x: Tensor) -> str:
    return str(bool(x)) if x.dtype == torch.bool else f"{float(x) + 0.0:.4g}"
