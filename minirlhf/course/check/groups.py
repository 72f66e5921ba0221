"""Rows that belong together in groups of a given size: dealt out otherwise than they stand."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from minirlhf.course.check.evidence import Cases, Outputs
from minirlhf.course.check.tried import Tried

Dealt = tuple[Tensor, int]  # the rows in another order, and how many make a group


def in_groups(cases: Cases) -> Iterator[str]:
    """What comes out if other rows make a group: for every exercise with one number a row and a whole number."""
    inputs = cases.inputs(cases.first)
    rows = [name for name, x in inputs.items() if isinstance(x, Tensor)]
    sizes = [name for name, x in inputs.items() if isinstance(x, int) and not isinstance(x, bool)]
    if len(rows) != 1 or len(sizes) != 1 or inputs[rows[0]].dim() != 1:
        return
    for words, deal in DEALT:

        def predict(tried: Tried, deal: Callable[[Tensor, int], Dealt] = deal) -> Outputs | None:
            given = cases.inputs(tried)
            x, size = given[rows[0]], given[sizes[0]]
            order, other = deal(torch.arange(len(x)), size)
            outputs = cases.run(cases.exercise.solution, {rows[0]: x[order], sizes[0]: other})
            if outputs is None or any(y.dim() and len(y) != len(x) for y in outputs):
                return outputs
            back = order.argsort()
            return [y[back] if y.dim() else y for y in outputs]

        if cases.fits(predict):
            yield words.format(rows[0], sizes[0])


DEALT: tuple[tuple[str, Callable[[Tensor, int], Dealt]], ...] = (
    (
        "The rows are dealt out in turn, one to each group, then the next to each: view({1}, -1) makes a group of each "
        "column. Rows of one group stand together: `{0}.view(-1, {1})`.",
        lambda order, size: (order.view(size, -1).t().flatten(), size),
    ),
    (
        "There are `{1}` groups here, and `{1}` is how many rows a group has: `{0}.view(-1, {1})` has a row per group.",
        lambda order, size: (order, len(order) // size),
    ),
    (
        "It runs down the columns: over the first rows of all groups, then the second. Along a group it is dim=1.",
        lambda order, size: (order.view(-1, size).t().flatten(), len(order) // size),
    ),
    (
        "The whole batch is taken for one group. A group has `{1}` rows: `{0}.view(-1, {1})`.",
        lambda order, size: (order, len(order)),
    ),
    ("Only the first group is looked at. A batch has many.", lambda order, size: (order[:size], size)),
    ("Only the last group is looked at. A batch has many.", lambda order, size: (order[-size:], size)),
)
