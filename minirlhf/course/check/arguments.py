"""The right function on changed inputs: a mask turned round or shifted, a constant for an argument, two swapped."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from minirlhf.course.check.evidence import (
    Cases,
    Change,
    Inputs,
    Outputs,
    applied,
    first_place,
    last_place,
    moved,
    plane,
    without_column,
)
from minirlhf.course.check.tried import Tried

CONSTANTS = (0.0, 1.0, 0.1, 0.2, 0.5, 0.9, 0.95, 0.99, 2.0, 3.0, 4.0, -1.0)


def beforehand(cases: Cases) -> Iterator[str]:
    for change in input_changes(cases):

        def predict(tried: Tried, change: Change = change) -> Outputs | None:
            return cases.run(cases.exercise.solution, applied(change, cases.inputs(tried)))

        if cases.fits(predict) and (not change.unused or cases.never_looks_at(change.unused)):
            yield change.words


def input_changes(cases: Cases) -> Iterator[Change]:
    inputs = cases.inputs(cases.first)
    for name, x in inputs.items():
        if isinstance(x, Tensor):
            kind = (
                MASK_CHANGES
                if x.dtype == torch.bool
                else PLAIN_CHANGES + (FLOAT_CHANGES if x.is_floating_point() else WHOLE_CHANGES)
            )
            for words, change in kind:
                yield Change(
                    words.format(f"`{name}`"),
                    lambda given, n=name, c=change: _with(given, n, c(given[n])),
                    unused=name if "not used" in words else "",
                    mask=x.dtype == torch.bool,
                )
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


MASK_CHANGES: tuple[tuple[str, Callable[[Tensor], Any]], ...] = (
    ("The mask is not used: this comes out when {} is True everywhere.", torch.ones_like),
    ("The mask is read the wrong way round: {} is True where a token counts.", lambda m: ~m),
    ("{} is used one place too early: it is shifted to the left, and should not be.", lambda m: moved(m, -1)),
    ("{} is used one place too late: it is shifted to the right, and should not be.", lambda m: moved(m, 1)),
    ("The first column of {} is left out, and tokens may count there too.", lambda m: without_column(m, 0)),
    ("The last column of {} is left out, and tokens may count there too.", lambda m: without_column(m, -1)),
    ("The first token that counts is left out in each row of {}.", lambda m: m & ~first_place(m)),
    ("The last token that counts is left out in each row of {}.", lambda m: m & ~last_place(m)),
    ("Only the first token that counts is used in each row of {}.", first_place),
    ("Only the last token that counts is used in each row of {}.", last_place),
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
    ("{} is read one place too late: shifted to the left along each row.", plane(lambda x: moved(x, -1, 1))),
    ("{} is read one place too early: shifted to the right along each row.", plane(lambda x: moved(x, 1, 1))),
    ("{} is shifted by one with torch.roll, which goes round.", plane(lambda x: x.roll(-1, 1))),
    ("{} is shifted by one with torch.roll, which goes round.", plane(lambda x: x.roll(1, 1))),
    ("{} is read from right to left: its columns are reversed.", plane(lambda x: x.flip(1))),
    ("The rows of {} are read from last to first.", lambda x: x.flip(0) if x.dim() else None),
    (
        "{} is transposed: rows and columns have changed places.",
        lambda x: x.transpose(0, 1) if x.dim() >= 2 and x.shape[0] == x.shape[1] else None,
    ),
    ("The first row of {} is used for all rows. Each row has its own.", lambda x: x[:1].expand_as(x)),
    ("The last row of {} is used for all rows. Each row has its own.", lambda x: x[-1:].expand_as(x)),
    ("The first column of {} is used for all columns.", plane(lambda x: x[:, :1].expand_as(x))),
    ("{} is sorted first. Each number keeps its place here: do not sort.", lambda x: x.sort(dim=-1).values),
    (
        "{} is sorted first, from large to small. Each number keeps its place here: do not sort.",
        lambda x: x.sort(dim=-1, descending=True).values,
    ),
    ("{} is added up along each row first (cumsum), once too often.", plane(lambda x: x.cumsum(1))),
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
    ("The mean of each row of {} stands for all its numbers.", plane(lambda x: x.mean(-1, keepdim=True).expand_as(x))),
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


def _number_changes(name: str, x: float | int, cases: Cases) -> Iterator[Change]:
    def changed(words: str, change: Callable[[Any], Any]) -> Change:
        return Change(words, lambda given: _with(given, name, change(given[name])))

    kind = type(x)
    usual = {v for t in cases.all if (v := cases.inputs(t).get(name)) is not None and abs(v) <= 1}
    for value in dict.fromkeys([*CONSTANTS, *sorted(usual)]):
        if kind(value) == value:
            yield Change(
                f"`{name}` is not used: this comes out when it is always {value:.4g}. Write `{name}` there.",
                lambda given, v=value: _with(given, name, kind(v)),
                unused=name,
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


def _whitened(x: Tensor, mask: Tensor) -> Tensor:
    seen = x[mask]
    return (x - seen.mean()) / (seen.std(correction=0) + 1e-8)


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
    """Changes to all inputs of a kind at once."""
    if all(isinstance(x, list) for x in inputs.values()):
        yield Change(
            "Both lists are sorted first: they go together place by place, so do not sort.",
            lambda given: {n: sorted(x) for n, x in given.items()},
        )

    def each(change: Callable[[Tensor], Tensor], least: int) -> Callable[[Inputs], Inputs | None]:
        def apply(given: Inputs) -> Inputs | None:
            return {n: change(x) if isinstance(x, Tensor) and x.dim() >= least else x for n, x in given.items()}

        return apply

    yield Change("The first row is left out: everything begins at row 1.", each(lambda x: x[1:], 1))
    yield Change("The last row is left out.", each(lambda x: x[:-1], 1))
    yield Change("Only the first row is looked at. A batch has many.", each(lambda x: x[:1], 1))
    for k in (2, 3, 4):
        yield Change(f"Only the first {k} rows are looked at. A batch has any number.", each(lambda x, k=k: x[:k], 1))
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
                    f"The mean of `{name}` over what counts is taken off first: take it as it is.",
                    lambda given, n=name: _with(given, n, given[n] - given[n][given[mask]].mean()),
                )
                yield Change(
                    f"`{name}` is whitened over what counts first: take it as it is.",
                    lambda given, n=name: _with(given, n, _whitened(given[n], given[mask])),
                )
                yield Change(
                    f"`{name}` is set to 0 where `{mask}` is False.",
                    lambda given, n=name: _with(given, n, torch.where(given[mask], given[n], 0.0)),
                )
