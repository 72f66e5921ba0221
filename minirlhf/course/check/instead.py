"""What a learner's numbers are, where they are none of ours: an input, or something simple made of one or two."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from minirlhf.course.check.evidence import Cases, Inputs, Outputs, first_place, last_place, moved
from minirlhf.course.check.tried import Tried

Made = tuple[str, Callable[[Inputs], Any]]


def something_else(cases: Cases) -> Iterator[str]:
    """Each output that is wrong, named for what it is."""
    names = cases.exercise.outputs
    if len(names) > 1:
        return
    inputs = cases.inputs(cases.first)
    for words, make in _simple(inputs):
        for sign, minus in ((1, ""), (-1, "minus ")):

            def predict(tried: Tried, make: Callable = make, sign: int = sign) -> Outputs | None:
                made = make(cases.inputs(tried))
                if made is None:
                    return None
                made = made if isinstance(made, Tensor) else torch.tensor(float(made))
                return [made if sign > 0 else -made]

            if (sign > 0 or cases.first.ours.outputs[0].dtype != torch.bool) and cases.fits(predict):
                yield f"Yours is {minus}{words}, and something else is asked for."


def _simple(inputs: Inputs) -> Iterator[Made]:
    mask = next((n for n, x in inputs.items() if isinstance(x, Tensor) and x.dtype == torch.bool), None)
    if mask is not None:
        for words, change in MASKS:
            yield words.format(f"`{mask}`"), lambda g, c=change: c(g[mask])
    plain = [n for n, x in inputs.items() if isinstance(x, Tensor) and x.is_floating_point()]
    for name in plain:
        yield f"`{name}` as it was given", lambda g, n=name: g[n]
        for words, reduce in REDUCED:
            yield f"{words} `{name}`", lambda g, n=name, r=reduce: r(g[n])
            if mask is not None and inputs[name].shape == inputs[mask].shape:
                yield f"{words} `{name}` where `{mask}` is True", lambda g, n=name, r=reduce: r(g[n][g[mask]])
    for one in plain:
        for other in plain:
            if one == other or inputs[one].shape != inputs[other].shape:
                continue
            for words, join in JOINED:
                said = words.format(f"`{one}`", f"`{other}`")
                yield f"{said}, number by number", lambda g, a=one, b=other, j=join: j(g[a], g[b])
                yield f"the mean of {said}", lambda g, a=one, b=other, j=join: j(g[a], g[b]).mean()
                yield f"the sum of {said}", lambda g, a=one, b=other, j=join: j(g[a], g[b]).sum()
                if mask is not None and inputs[one].shape == inputs[mask].shape:
                    yield (
                        f"the mean of {said} where `{mask}` is True",
                        lambda g, a=one, b=other, j=join: j(g[a], g[b])[g[mask]].mean(),
                    )
    numbers = [n for n, x in inputs.items() if isinstance(x, int | float)]
    for one in numbers:
        yield f"`{one}` itself", lambda g, n=one: g[n]
        for other in numbers:
            if one != other:
                yield f"`{one}` divided by `{other}`", lambda g, a=one, b=other: g[a] / g[b]
                yield f"`{one}` times `{other}`", lambda g, a=one, b=other: g[a] * g[b]
                yield f"`{one}` less `{other}`", lambda g, a=one, b=other: g[a] - g[b]
    lists = [n for n, x in inputs.items() if isinstance(x, Sequence) and not isinstance(x, str)]
    for name in lists:
        yield f"the length of `{name}`", lambda g, n=name: len(g[n])
        yield f"the number of different labels in `{name}`", lambda g, n=name: len(set(g[n]))


def _places(mask: Tensor) -> Tensor:
    return torch.arange(mask.shape[1]).expand_as(mask)


def _left(mask: Tensor) -> Tensor:
    return moved(mask, -1)


MASKS: tuple[tuple[str, Callable[[Tensor], Any]], ...] = (
    ("{} as it was given", lambda m: m),
    ("{} turned round, True for False", lambda m: ~m),
    ("{} with its columns reversed", lambda m: m.flip(1)),
    ("{} moved two places to the left", lambda m: moved(m, -2)),
    ("{} moved two places to the right", lambda m: moved(m, 2)),
    ("{} without its first column", lambda m: torch.cat([m[:, :1] & False, m[:, 1:]], dim=1)),
    ("{} without its last column", lambda m: torch.cat([m[:, :-1], m[:, :1] & False], dim=1)),
    ("{} without the first True of each row", lambda m: m & ~first_place(m)),
    ("{} without the last True of each row", lambda m: m & ~last_place(m)),
    ("the first True of each row in {}", first_place),
    ("the last True of each row in {}", last_place),
    ("{0} together with {0} moved one place to the left", lambda m: m | _left(m)),
    ("where {0} and {0} moved one place to the left are both True", lambda m: m & _left(m)),
    ("where {} begins or ends: where the next place is another one", lambda m: m ^ _left(m)),
    ("only the place right before the first True of each row in {}", lambda m: _left(m) & ~m),
    ("everything before the last True of each row in {}", lambda m: _left(m).flip(1).cumsum(1).flip(1) > 0),
    ("everything before the first True of each row in {}", lambda m: m.cumsum(1) == 0),
    ("everything from the first True of each row in {} on", lambda m: m.cumsum(1) > 0),
    ("True everywhere", torch.ones_like),
    ("False everywhere", torch.zeros_like),
    ("how many are True in each row of {}", lambda m: m.sum(1)),
    ("how many are True in each row of {}, less one", lambda m: m.sum(1) - 1),
    ("how many are True in each row of {}, and -1 where there is none", lambda m: torch.where(m.any(1), m.sum(1), -1)),
    ("where the first False of each row in {} stands, less one", lambda m: (~m).int().argmax(1) - 1),
    ("how many are False in each row of {}", lambda m: (~m).sum(1)),
    ("where the first True of each row in {} stands", lambda m: m.int().argmax(1)),
    ("where the first False of each row in {} stands", lambda m: (~m).int().argmax(1)),
    ("where the last True stands in each row of {} if it is read from the right", lambda m: m.flip(1).int().argmax(1)),
    (
        "where the last True stands in each row of {} if it is read from the right, and -1 where there is none",
        lambda m: torch.where(m.any(1), m.flip(1).int().argmax(1), -1),
    ),
    ("the places of all True in a row of {}, added up", lambda m: (_places(m) * m).sum(1)),
    ("the place of the last column, whatever {} says", lambda m: torch.full((len(m),), m.shape[1] - 1)),
    ("the number of columns, whatever {} says", lambda m: torch.full((len(m),), m.shape[1])),
)

REDUCED: tuple[tuple[str, Callable[[Tensor], Tensor]], ...] = (
    ("the mean of", torch.mean),
    ("the sum of", torch.sum),
    ("the largest of", torch.max),
    ("the smallest of", torch.min),
    ("the median of", torch.median),
    ("the standard deviation of", lambda x: x.std(correction=0)),
    ("the mean square of", lambda x: x.square().mean()),
    ("the mean along dim 0 of", lambda x: x.mean(0)),
    ("the sum along dim 0 of", lambda x: x.sum(0)),
    ("the largest along dim 0 of", lambda x: x.amax(0)),
    ("the smallest along dim 0 of", lambda x: x.amin(0)),
    ("the place of the largest in each row of", lambda x: x.argmax(-1)),
    ("the place of the smallest in each row of", lambda x: x.argmin(-1)),
    ("the running sum along each row of", lambda x: x.cumsum(-1)),
)

JOINED: tuple[tuple[str, Callable[[Tensor, Tensor], Tensor]], ...] = (
    ("{} less {}", lambda a, b: a - b),
    ("{} times {}", lambda a, b: a * b),
    ("{} divided by {}", lambda a, b: a / b),
    ("{} and {} together", lambda a, b: a + b),
    ("how often {} is above {}", lambda a, b: (a > b).float()),
    ("the square of {} less {}", lambda a, b: (a - b).square()),
    ("the distance of {} and {}", lambda a, b: (a - b).abs()),
)
