"""The right function, asked about parts: means of means, sums for means, each row or column by itself."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from minirlhf.course.check.evidence import Cases, Outputs
from minirlhf.course.check.tried import Tried


def in_parts(cases: Cases) -> Iterator[str]:
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
        (
            "Only the first row's number comes back, divided by how many there are. A `return` inside the loop?",
            lambda x, n: x[0] / len(x),
        ),
        (
            "The mean is taken before the logarithm: of probabilities, and not of their logarithms. Each has its own "
            "logarithm; average last.",
            lambda x, n: -(-x).exp().mean().log(),
        ),
        ("The mean is taken before the logarithm.", lambda x, n: x.exp().mean().log()),
        ("Each is squared before the mean.", lambda x, n: x.square().mean()),
        ("It is the root of the mean of squares.", lambda x, n: x.square().mean().sqrt()),
        ("It is divided by one less than there are.", lambda x, n: x.sum() / (len(x) - 1)),
        ("It is divided by one more than there are.", lambda x, n: x.sum() / (len(x) + 1)),
    ]
    if scalar and mask:
        yield from _of_tokens(cases, mask)
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


def _of_tokens(cases: Cases, mask: str) -> Iterator[str]:
    """Each token's own number, put together in another way than by a mean."""

    def tokens(tried: Tried) -> Tensor | None:
        given = cases.inputs(tried)
        places = given[mask].nonzero()
        if not 0 < len(places) <= MOST_TOKENS:
            return None
        numbers = []
        for place in places.tolist():
            alone = torch.zeros_like(given[mask])
            alone[tuple(place)] = True
            if (part := cases.run(cases.exercise.solution, {**given, mask: alone})) is None:
                return None
            numbers.append(part[0])
        return torch.stack(numbers)

    known = {id(tried): tokens(tried) for tried in (*cases.all, *cases.fresh)}
    if known[id(cases.first)] is None or sum(x is not None for x in known.values()) < len(cases.all) / 2:
        return
    for words, how in TOKENS:
        for sign in (1, -1):

            def predict(tried: Tried, how: Callable = how, sign: int = sign) -> Outputs | None:
                numbers = known[id(tried)]
                if numbers is None:  # many tokens, or none: nothing can be said
                    return tried.yours.outputs
                return [sign * how(numbers)]

            if cases.fits(predict):
                yield words + (" And its sign is turned round." if sign < 0 else "")


MOST_TOKENS = 40
TOKENS: tuple[tuple[str, Callable[[Tensor], Tensor]], ...] = (
    ("The median of the tokens is taken, where a mean is asked for.", torch.median),
    ("The largest of the tokens is taken, where a mean is asked for.", torch.max),
    ("The smallest of the tokens is taken, where a mean is asked for.", torch.min),
    (
        "The mean is taken before the logarithm. Each token has its own logarithm; average last.",
        lambda x: -(-x).exp().mean().log(),
    ),
    ("Each token's number is squared before the mean.", lambda x: x.square().mean()),
    ("Each token's exp is taken before the mean.", lambda x: x.exp().mean()),
    (
        "The mean of each token's probability is taken, where its logarithm is meant: exp of minus what it costs.",
        lambda x: (-x).exp().mean(),
    ),
    ("The sign of each token's number is lost before the mean.", lambda x: x.abs().mean()),
    ("Only the first token that counts comes in.", lambda x: x[0]),
    ("Only the last token that counts comes in.", lambda x: x[-1]),
)
