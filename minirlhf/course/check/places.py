"""Where an answer is wrong, in which places or which cases: something to begin with where no thought fits."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from minirlhf.course.check.alike import all_same, close
from minirlhf.course.check.evidence import Cases, Inputs, first_place, last_place
from minirlhf.course.check.tried import Tried
from minirlhf.course.exercises import Exercise


def where_wrong(all_tried: Sequence[Tried], exercise: Exercise) -> str:
    """Which places, or which cases, are wrong: something to begin with where no thought fits."""
    cases = Cases(all_tried, exercise)
    wrong = [t for t in cases.all if not all_same(t.yours.outputs, t.ours.outputs)]
    said = next(_places(cases, wrong), "")
    if any(not torch.isfinite(x).all() for t in wrong for x in t.yours.outputs if x.is_floating_point()):
        said += " A nan comes of 0/0, inf - inf or the logarithm of something below 0, an inf of a division by 0."
    right = [t.case.name for t in cases.all if t not in wrong]
    if not said and right:
        said = f"It is right on {_listed(right)}, so look at what is different here."
    return said.strip()


def _places(cases: Cases, wrong: Sequence[Tried]) -> Iterator[str]:
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


def _patterns(cases: Cases) -> Iterator[tuple[str, Callable[[Inputs], Tensor | None]]]:
    first = cases.inputs(cases.first)
    shape = cases.first.ours.outputs[0].shape
    mask = next((n for n, x in first.items() if isinstance(x, Tensor) and x.dtype == torch.bool), None)
    if mask:
        if len(shape) == 1:
            yield f"in rows where `{mask}` is True nowhere", lambda g: ~g[mask].any(dim=1)
            yield f"in rows where `{mask}` is True more than once", lambda g: g[mask].sum(dim=1) > 1
        else:
            yield "in rows with no token that counts", lambda g: ~g[mask].any(dim=1, keepdim=True).expand_as(g[mask])
            yield "at the last token that counts of each row", lambda g: last_place(g[mask])
            yield "at the first token that counts of each row", lambda g: first_place(g[mask])
            yield f"where `{mask}` is False", lambda g: ~g[mask]
            yield (
                "before the last token that counts of each row: it starts well and goes wrong with the first step",
                lambda g: g[mask] & ~last_place(g[mask]),
            )
            yield (
                "after the first token that counts of each row: it starts well and goes wrong with the first step",
                lambda g: g[mask] & ~first_place(g[mask]),
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


def _width(given: Inputs, cases: Cases) -> int:
    tried = next(t for t in cases.all if cases.inputs(t).keys() == given.keys() and _is(cases.inputs(t), given))
    return tried.ours.outputs[0].shape[-1]


def _is(one: Inputs, other: Inputs) -> bool:
    return all(x is y for x, y in zip(one.values(), other.values(), strict=True))


def _rows_after_the_first(given: Inputs, cases: Cases) -> Tensor:
    rows = next(len(x) for x in given.values() if isinstance(x, Tensor) and x.dim() > 1)
    return (torch.arange(rows) > 0).unsqueeze(1).expand(rows, _width(given, cases))


def _listed(names: Iterable[str]) -> str:
    return "; ".join(names)
