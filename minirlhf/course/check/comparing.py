"""Yours beside ours: where two trials part, what was given there, and which thought is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from minirlhf.course.check.alike import all_same, close, same
from minirlhf.course.check.behaviour import Behaviour
from minirlhf.course.check.diagnoses import diagnose
from minirlhf.course.check.places import where_wrong
from minirlhf.course.check.trial import Trial, attempt
from minirlhf.course.check.tried import Tried
from minirlhf.course.exercises import Case, Exercise, Mistake

WINDOW = 8  # how many numbers of a row are shown
MOST_PRINTED = 400  # numbers of one input that are printed; what has more is described
NO_GRADIENT = (
    "The value is right, and no gradient comes through it, so it would train nothing. "
    "Look for .item(), .detach(), torch.tensor(…) or torch.no_grad()."
)
OFF_THE_MASK = "It is right where tokens count. Where the mask is False, 0 has to stand."
WRONG_GRADIENT = (
    "The value is right and its gradient is not. Is a part of it detached, or made anew from plain numbers?"
)
UNKNOWN = "No mistake that we know gives these numbers."
BY_HAND = "Work it by hand with these inputs, and print what stands on the way:"


@dataclass(frozen=True)
class Difference:
    """The first place where two tensors part."""

    what: str
    is_gradient: bool
    yours: Tensor
    ours: Tensor

    @property
    def index(self) -> tuple[int, ...]:
        return tuple((~close(self.yours, self.ours)).nonzero()[0].tolist())

    def __str__(self) -> str:
        place = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        yours, ours = pair(self.yours[self.index], self.ours[self.index])
        words = f"{self.what}{place}: yours {yours}, ours {ours}."
        if self.ours.dim() != 2 or self.is_gradient:
            if 1 <= self.ours.dim() <= 2 and self.ours.numel() > 1:
                row = self.index[:-1]
                return f"{words} All of it:" + self.strips(self.yours[row], self.ours[row])
            return words
        behind = f", from column {self.start}" if self.start else ""
        row = self.index[0]
        return f"{words} Row {row}{behind}:" + self.strips(self.yours[row], self.ours[row])

    @property
    def start(self) -> int:
        """The first column that is shown of the row."""
        return max(0, self.index[-1] - WINDOW + 1)

    def strips(self, yours: Tensor, ours: Tensor) -> str:
        """The same stretch of both, under one another."""
        columns = [pair(y, o) for y, o in zip(yours, ours, strict=True)][self.start : self.start + WINDOW]
        return "".join(
            f"\n    {name:<5} " + " ".join(f"{column[i]:>9}" for column in columns)
            for i, name in enumerate(("yours", "ours"))
        )


def given(case: Case, exercise: Exercise) -> str:
    """What the function was given, to be pasted into a cell; tensors with too many numbers are described."""
    lines = []
    for name, x in zip(exercise.inputs, case.inputs, strict=False):
        if isinstance(x, Tensor) and x.numel() > MOST_PRINTED:
            lines.append(f"# {name}: a tensor of shape {tuple(x.shape)}, too many numbers to print")
        elif isinstance(x, list | tuple) and len(x) > MOST_PRINTED:
            lines.append(f"# {name}: {len(x)} of them, the first are {x[:4]}")
        else:
            lines.append(f"{name} = {pasted(x)}")
    return "".join(f"\n    {line}" for line in lines)


def pasted(x: Any) -> str:
    """Python that makes this value again, four digits of each number."""
    if isinstance(x, Tensor):
        return f"torch.tensor({_nested(x)})"
    if isinstance(x, float):
        return f"{x + 0.0:.6g}" if x != int(x) else f"{x + 0.0:.1f}"
    return repr(x)


def _nested(x: Tensor) -> str:
    if x.dim():
        return f"[{', '.join(_nested(part) for part in x)}]"
    if not x.is_floating_point():
        return str(x.item())
    value = float(f"{x.item():.4g}") + 0.0
    return f"{value:g}" if value != int(value) else f"{value:.1f}"


def pair(yours: Tensor, ours: Tensor) -> tuple[str, str]:
    """Both numbers, with as many digits as it takes to see that they differ; never "-0"."""
    if ours.dtype == torch.bool or yours.dtype == torch.bool:
        return str(bool(yours)), str(bool(ours))
    if not ours.is_floating_point():
        return str(int(yours)), str(int(ours))
    for digits in (4, 6, 8):
        texts = (_digits(yours, digits), _digits(ours, digits))
        if texts[0] != texts[1] or bool(close(yours, ours)):
            break
    return texts


def _digits(x: Tensor, digits: int) -> str:
    text = f"{float(x):.{digits}g}"
    return "0" if text == "-0" else text


def difference(tried: Tried, exercise: Exercise) -> Difference | None:
    """The first output that is wrong or, where all are right, the first gradient."""
    ours, yours = tried.ours, tried.yours
    for name, mine, theirs in zip(exercise.outputs, ours.outputs, yours.outputs, strict=True):
        if not same(theirs, mine):
            return Difference(name, False, theirs, mine)
    for name, mine, theirs in zip(exercise.trains, ours.gradients, yours.gradients, strict=True):
        if not same(theirs, mine):
            return Difference(f"gradient of {name}", True, theirs, mine)
    return None


def explain(
    all_tried: Sequence[Tried], wrong: Tried, found: Difference, exercise: Exercise, behaviour: Behaviour
) -> tuple[str, str]:
    """The thought that is missing, and the name of the mistake if it is a known one."""
    known, unexplained = _recognise(all_tried, wrong, found, exercise)
    if known is not None and not unexplained:
        return known.hint, known.name
    if found.is_gradient:
        if known is not None:
            return known.hint, known.name
        return _about_the_gradient(all_tried, wrong, exercise), ""
    if _right_on_the_mask(all_tried, exercise):
        return OFF_THE_MASK, ""
    if words := diagnose(all_tried, exercise, behaviour):
        return words, ""
    if part := _recognise_one_output(all_tried, found, exercise):
        return f"{part.hint} (That explains the {found.what}; something else is not right yet either.)", part.name
    if known is not None:
        return f"{known.hint} (That explains all but {unexplained}.)", known.name
    return " ".join([UNKNOWN, *behaviour.facts(), where_wrong(all_tried, exercise)]).strip(), ""


def _right_on_the_mask(all_tried: Sequence[Tried], exercise: Exercise) -> bool:
    """Is it right on every case where the mask is True, and wrong only elsewhere?"""
    for tried in all_tried:
        mask = dict(zip(exercise.inputs, tried.case.inputs, strict=False)).get("mask")
        if mask is None:
            return False
        for yours, ours in zip(tried.yours.outputs, tried.ours.outputs, strict=True):
            if ours.shape != mask.shape or not ours.is_floating_point() or not same(yours[mask], ours[mask]):
                return False
    return True


def _about_the_gradient(all_tried: Sequence[Tried], wrong: Tried, exercise: Exercise) -> str:
    if not wrong.yours.connected:
        return NO_GRADIENT
    ratios = []
    for tried in all_tried:
        for name, yours, ours in zip(exercise.trains, tried.yours.gradients, tried.ours.gradients, strict=True):
            if not bool(ours.any()):
                if bool(yours.any()):
                    return f"The value is right, and a gradient reaches `{name}`, where none belongs: {name}.detach()."
                continue
            if not bool(yours.any()):
                return (
                    f"The value is right, and no gradient reaches `{name}`. Look for .detach(), .item() or "
                    f"torch.no_grad() around it."
                )
            at = int(ours.abs().argmax())
            ratios.append((yours, ours, float(yours.flatten()[at] / ours.flatten()[at])))
    factor = ratios[0][2] if ratios else 1.0
    if ratios and abs(factor - 1) > 1e-3 and all(same(yours, factor * ours) for yours, ours, _ in ratios):
        return f"The value is right, and the gradient is {factor:.4g} times ours everywhere."
    return WRONG_GRADIENT


def _recognise(
    all_tried: Sequence[Tried], wrong: Tried, found: Difference, exercise: Exercise
) -> tuple[Mistake | None, str]:
    """The mistake that gives the same numbers on every case, and the one case that it leaves unexplained, if any.

    A case may stay unexplained only where it is an edge: two people who make the same mistake may still treat an
    empty row differently. Whole numbers coincide too easily for that.
    """
    small = sorted((t for t in all_tried if not t.case.large or t is wrong), key=lambda t: t is not wrong)

    @cache
    def known(mistake: int, case: int) -> Trial:
        return attempt(exercise.mistakes[mistake].wrong, exercise, small[case].case)

    # To the last number before what is cut off at the bounds: there, different mistakes look alike.
    for m, mistake in enumerate(exercise.mistakes):
        if all(_agree(tried, known(m, c), found, None) for c, tried in enumerate(small)):
            return mistake, ""
    almost: tuple[Mistake | None, str] = None, ""
    for m, mistake in enumerate(exercise.mistakes):
        missed = [tried for c, tried in enumerate(small) if not _agree(tried, known(m, c), found, exercise.bounds)]
        if not missed:
            return mistake, ""
        numbers = wrong.ours.outputs[0].is_floating_point()
        if almost[0] is None and len(missed) == 1 and len(small) >= 4 and wrong not in missed and numbers:
            if not any(torch.isfinite(x).all() for x in missed[0].yours.outputs):
                return mistake, ""  # 0/0 where nothing counts
            almost = mistake, missed[0].case.name
    return almost


def _recognise_one_output(all_tried: Sequence[Tried], found: Difference, exercise: Exercise) -> Mistake | None:
    """Of several results the first that is wrong: the mistake that gives it on every case, whatever the others are."""
    if len(exercise.outputs) < 2:
        return None
    at = exercise.outputs.index(found.what)
    for mistake in exercise.mistakes:
        known = [attempt(mistake.wrong, exercise, tried.case) for tried in all_tried]
        if not any(trial.trouble for trial in known) and all(
            same(tried.yours.outputs[at], trial.outputs[at]) for tried, trial in zip(all_tried, known, strict=True)
        ):
            return mistake
    return None


def _agree(tried: Tried, known: Trial, found: Difference, bounds: tuple[float, float] | None) -> bool:
    if known.trouble:
        return False
    if found.is_gradient:
        return all_same(tried.yours.gradients, known.gradients)
    if bounds is not None:
        low, high = bounds
        one_side = [known.outputs[0].clamp(min=low), *known.outputs[1:-1], known.outputs[-1].clamp(max=high)]
        both = [x.clamp(low, high) for x in known.outputs]
        if any(all_same(tried.yours.outputs, cut) for cut in (one_side, both)):
            return True
    return all_same(tried.yours.outputs, known.outputs)
