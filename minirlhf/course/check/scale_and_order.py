"""The right numbers, changed afterwards: their sign, their scale, their order, their place."""

from collections.abc import Iterator
from math import log

import torch
from torch import Tensor

from minirlhf.course.check.alike import same
from minirlhf.course.check.evidence import (
    Cases,
    Change,
    Outputs,
    changed_outputs,
    floating,
    moved,
    plane,
    told,
    without_column,
)
from minirlhf.course.check.factors_and_terms import by_a_factor
from minirlhf.course.check.tried import Tried


def afterwards(cases: Cases) -> Iterator[str]:
    names = cases.exercise.outputs
    if len(names) > 1:
        yield from _in_another_order(cases)
    wrong = [i for i in range(len(names)) if any(not same(t.yours.outputs[i], t.ours.outputs[i]) for t in cases.all)]
    for change in OUTPUT_CHANGES:

        def predict(tried: Tried, change: Change = change) -> Outputs | None:
            return changed_outputs(tried.ours.outputs, change, wrong)

        if cases.fits(predict):
            yield told(change.words, names, wrong)
    yield from by_a_factor(cases, wrong)
    yield from _over_the_mask(cases, wrong)


def _over_the_mask(cases: Cases, wrong: list[int]) -> Iterator[str]:
    """Shifted and scaled over what counts, once more than was asked for."""
    mask = next(
        (n for n, x in cases.inputs(cases.first).items() if isinstance(x, Tensor) and x.dtype == torch.bool), ""
    )
    if not mask or not all(x.is_floating_point() and x.dim() == 2 for x in cases.first.ours.outputs):
        return

    def summed(tried: Tried) -> Outputs | None:
        counts = cases.inputs(tried)[mask]
        sums = [torch.where(counts, x.cumsum(-1), 0.0) for x in tried.ours.outputs]
        return [sums[i] if i in wrong else x for i, x in enumerate(tried.ours.outputs)]

    if cases.fits(summed):
        yield told("It is added up along each row (cumsum): give each by itself.", cases.exercise.outputs, wrong)
    for words, spread in (("The mean over what counts is taken off", False), ("It is whitened over what counts", True)):

        def predict(tried: Tried, spread: bool = spread) -> Outputs | None:
            counts = cases.inputs(tried)[mask]
            changed = []
            for i, x in enumerate(tried.ours.outputs):
                centred = x - x[counts].mean()
                by = (x[counts].std(correction=0) + 1e-8) if spread else 1.0
                changed.append(torch.where(counts, centred / by, 0.0) if i in wrong else x)
            return changed

        if cases.fits(predict):
            yield told(f"{words}: give it as it is.", cases.exercise.outputs, wrong)


def _in_another_order(cases: Cases) -> Iterator[str]:
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


OUTPUT_CHANGES = (
    Change("The sign is turned round: yours is minus what is asked for.", floating(lambda x: -x)),
    Change("True and False have changed places.", lambda x: ~x if x.dtype == torch.bool else None),
    Change("Yours is twice ours. Is something counted twice, or is a ½ missing?", lambda x: _times(x, 2)),
    Change("Yours is half of ours. Is there a ½ too much, or a 2 missing?", floating(lambda x: x / 2)),
    Change("Yours is minus twice ours.", floating(lambda x: -2 * x)),
    Change("Yours is minus half of ours.", floating(lambda x: -x / 2)),
    Change("Yours is exp of what is asked for: an exp too much, or a logarithm missing.", floating(torch.exp)),
    Change("Yours is the logarithm of what is asked for: a logarithm too much.", floating(torch.log)),
    Change(
        "Yours is the logarithm of what is asked for with its sign turned: the mean was taken before the logarithm, "
        "or a logarithm is too much.",
        floating(lambda x: (-x).log()),
    ),
    Change(
        "Yours is exp of minus what is asked for: a probability, where minus its logarithm is meant.",
        floating(lambda x: (-x).exp()),
    ),
    Change("Yours is minus exp of minus what is asked for.", floating(lambda x: -(-x).exp())),
    Change(
        "Yours is in bits: it was taken with log2. Nats are counted with the natural logarithm, log.",
        floating(lambda x: x / log(2)),
    ),
    Change("Yours was taken with the logarithm to the base of ten; the natural one is meant.", lambda x: x / log(10)),
    Change("Yours is ours squared: a root is missing, or a square too much.", floating(torch.square)),
    Change("Yours is the root of ours: a root too much, or a square missing.", floating(torch.sqrt)),
    Change("Yours is one divided by ours: the fraction stands on its head.", floating(torch.reciprocal)),
    Change("Yours is one minus what is asked for.", floating(lambda x: 1 - x)),
    Change("The sign is lost: yours is right where ours is above 0, and never below.", floating(torch.abs)),
    Change("What is below 0 has become 0: nothing should be cut off.", lambda x: x.clamp(min=0)),
    Change("What is above 0 has become 0: nothing should be cut off.", lambda x: x.clamp(max=0)),
    Change("What is above 1 has become 1: nothing should be cut off.", floating(lambda x: x.clamp(max=1))),
    Change("It is rounded to whole numbers: give it as it is.", floating(torch.round)),
    Change("It is rounded to one digit: give it as it is.", floating(lambda x: x.round(decimals=1))),
    Change("It is rounded to two digits: give it as it is.", floating(lambda x: x.round(decimals=2))),
    Change("It is rounded to three digits: give it as it is.", floating(lambda x: x.round(decimals=3))),
    Change("Yours is one too much, everywhere.", lambda x: x + 1 if x.dtype != torch.bool else None),
    Change("Yours is one too little, everywhere.", lambda x: x - 1 if x.dtype != torch.bool else None),
    Change("The right numbers, each one place too early.", plane(lambda x: moved(x, -1))),
    Change("The right numbers, each one place too late.", plane(lambda x: moved(x, 1))),
    Change(
        "The right numbers, each one place too early, and what falls out comes in again at the other end "
        "(torch.roll goes round).",
        plane(lambda x: x.roll(-1, dims=-1)),
    ),
    Change(
        "The right numbers, each one place too late, and what falls out comes in again at the other end "
        "(torch.roll goes round).",
        plane(lambda x: x.roll(1, dims=-1)),
    ),
    Change(
        "The right numbers in the reverse order along each row: turn them round once more, flip(1).",
        plane(lambda x: x.flip(-1)),
    ),
    Change("The rows stand in the reverse order.", lambda x: x.flip(0) if x.dim() else None),
    Change("Right, but transposed: rows and columns have changed places.", plane(lambda x: x.transpose(-1, -2))),
    Change("It is added up along each row once more (cumsum).", plane(lambda x: x.cumsum(-1))),
    Change("It is sorted: the numbers are right and stand in another order.", lambda x: x.sort().values),
    Change("Every row got the first row's numbers.", lambda x: x[:1].expand_as(x) if x.dim() else None),
    Change("Every row got the last row's numbers.", lambda x: x[-1:].expand_as(x) if x.dim() else None),
    Change("Only the first row is worked out; the others are 0.", lambda x: _first_row_only(x)),
    Change("Only the last row is worked out; the others are 0.", lambda x: _first_row_only(x.flip(0)).flip(0)),
    Change("Its first column is left out: 0 stands there.", plane(lambda x: without_column(x, 0))),
    Change("Its last column is left out: 0 stands there.", plane(lambda x: without_column(x, -1))),
    Change("A softmax is taken of it once more.", lambda x: x.softmax(-1) if x.dim() else None),
)


def _times(x: Tensor, factor: int) -> Tensor | None:
    return None if x.dtype == torch.bool else x * factor


def _first_row_only(x: Tensor) -> Tensor:
    return torch.cat([x[:1], torch.zeros_like(x[1:])])
