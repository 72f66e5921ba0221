"""One call of a learner's function: whatever it does, what comes out is a Trial.

It gets copies of its inputs, limited time, and nowhere to print but a string. What it raises, and what it
returns in place of what was asked for, is put into words for the person who wrote it.
"""

import inspect
import io
import linecache
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass, field
from numbers import Real
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from minirlhf.course.check.deadline import Deadline, TimeUp
from minirlhf.course.exercises import Case, Exercise

WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


@dataclass
class Trial:
    """What came of one call: outputs and gradients, or the `trouble` that kept them from being compared."""

    outputs: list[Tensor] = field(default_factory=list)
    gradients: list[Tensor] = field(default_factory=list)  # one for each name in exercise.trains
    connected: bool = False  # does any gradient reach the inputs at all?
    changed: tuple[str, ...] = ()  # the inputs that the function wrote into
    printed: str = ""
    seconds: float = 0.0
    trouble: str = ""
    untried: bool = False
    timed_out: bool = False


def attempt(
    answer: Callable, exercise: Exercise, case: Case, seconds: float | None = None, like: Trial | None = None
) -> Trial:
    """Call the function on a case, for at most so many seconds; our own functions need no watching.

    `like` is our own trial, whose outputs say which shapes belong there.
    """
    trial, printed = Trial(), io.StringIO()
    leaves = [_leaf(x, name in exercise.trains) for x, name in zip(case.inputs, exercise.inputs, strict=False)]
    # A copy of each leaf, so that working in place is allowed there too.
    given = [x.clone() if isinstance(x, Tensor) else x for x in leaves]
    started = perf_counter()
    try:
        with redirect_stdout(printed), warnings.catch_warnings(), torch.enable_grad():
            warnings.simplefilter("ignore")
            with Deadline(seconds) if seconds else nullcontext():
                result = answer(*given)
            if result is Ellipsis:
                raise NotImplementedError  # `return ...` is a way to say so
            trial.outputs, trial.trouble = _take(result, exercise, like)
            if not trial.trouble and exercise.trains:
                _differentiate(trial, [x for x in leaves if isinstance(x, Tensor) and x.requires_grad])
            trial.changed = tuple(_written_into(given, case.inputs, exercise.inputs))
    except KeyboardInterrupt:  # the learner's own stop button
        raise
    except TimeUp as stop:
        trial.timed_out = True
        trial.trouble = f"its time ran out {_own_line(stop, answer)}. Does a loop in it never end?"
    except NotImplementedError:
        trial.untried = True
    except BaseException as error:
        what = traceback.format_exception_only(error)[-1].strip()
        trial.trouble = f"it stops {_own_line(error, answer)}: {what}"
    trial.seconds, trial.printed = perf_counter() - started, printed.getvalue()
    return trial


def _leaf(x: Any, needs_gradient: bool) -> Any:
    return x.clone().requires_grad_(needs_gradient) if isinstance(x, Tensor) else x


def _take(result: Any, exercise: Exercise, like: Trial | None) -> tuple[list[Tensor], str]:
    """The outputs, and why they cannot be compared with ours; nothing if they can."""
    if result is None:
        return [], "it returns nothing (None). Is a `return` missing at its end?"
    outputs = _outputs(result, exercise)
    if len(outputs) != len(exercise.outputs):
        wanted = f"{len(exercise.outputs)} tensors are asked for, {' and '.join(exercise.outputs)}"
        return [], f"it returns {_describe(result)}; {wanted}."
    for i, name in enumerate(exercise.outputs):
        ours = None if like is None else like.outputs[i]
        # Where nothing is trained, a plain number is as good as a tensor that holds one.
        number = not exercise.trains and (ours is None or ours.dim() == 0)
        if number and isinstance(outputs[i], Real):
            outputs[i] = torch.tensor(float(outputs[i]))
        if misfit := _misfit(outputs[i], name, ours, "a number" if number else "a tensor"):
            return [], misfit
    return outputs, ""


def _outputs(result: Any, exercise: Exercise) -> list[Any]:
    """What came back, as a list. Of (loss, stats) only the loss: with and without stats are both welcome."""
    several = isinstance(result, tuple | list)
    if exercise.stats and several and len(result) == 2 and isinstance(result[1], dict):
        return [result[0]]
    return [*result] if several and len(exercise.outputs) > 1 else [result]


def _misfit(output: Any, name: str, ours: Tensor | None, wanted: str) -> str:
    """Why this cannot be compared with ours; nothing if it can."""
    whole = ours is not None and not ours.is_floating_point()
    if isinstance(output, float | int) and not whole:
        return f"its {name} is {_describe(output)}, which carries no gradient. Leave out .item() and float()."
    if not isinstance(output, Tensor):
        return f"its {name} is {_describe(output)}; {wanted} is asked for."
    kind, right_kind = "floating-point numbers", ours is None or output.is_floating_point()
    if whole:
        kind, right_kind = "whole numbers", output.dtype in WHOLE
    if ours is not None and ours.dtype == torch.bool:
        kind, right_kind = "True and False", output.dtype == torch.bool
    if not right_kind or output.layout is not torch.strided or output.is_meta:
        return f"its {name} holds {output.dtype}; an ordinary tensor of {kind} is asked for."
    if ours is None or output.shape == ours.shape:
        return ""
    words = f"its {name} has the shape {tuple(output.shape)}; {tuple(ours.shape)} is asked for."
    if ours.dim() == 0:
        return f"{words} That is one number: the mean over the whole batch is still to be taken."
    if output.shape == (ours.shape[0], ours.shape[-1] - 1):
        with_what = "" if ours.dtype == torch.bool else ": the first token keeps its place, with a 0 in it"
        return f"{words} One column is missing{with_what}."
    return words


def _differentiate(trial: Trial, leaves: Sequence[Tensor]) -> None:
    """The gradient of a fixed mixture of all outputs with respect to each leaf; 0 where none arrives."""
    mixture = sum((_weights(output) * output).sum() for output in trial.outputs)
    arrived: Sequence[Tensor | None] = [None] * len(leaves)
    if isinstance(mixture, Tensor) and mixture.requires_grad:
        arrived = torch.autograd.grad(mixture, leaves, allow_unused=True)
    trial.connected = any(g is not None for g in arrived)
    trial.gradients = [torch.zeros_like(x) if g is None else g for g, x in zip(arrived, leaves, strict=True)]
    trial.outputs = [output.detach() for output in trial.outputs]


def _weights(output: Tensor) -> Tensor:
    """Different weights for different elements, so that two gradients cannot cancel."""
    return torch.arange(1, output.numel() + 1).remainder(7).add(1).view(output.shape)


def _written_into(given: Sequence[Any], before: Sequence[Any], names: Sequence[str]) -> list[str]:
    pairs = zip(names, given, before, strict=False)
    return [name for name, x, y in pairs if isinstance(x, Tensor) and not torch.equal(x.detach(), y)]


def _describe(result: Any) -> str:
    if isinstance(result, Tensor):
        return f"one tensor of shape {tuple(result.shape)}"
    if isinstance(result, tuple) and hasattr(result, "indices"):  # what torch.max(x, dim=1) gives
        return "a pair, the values and where they stand (.values is the first of them)"
    size = f" of {len(result)}" if isinstance(result, tuple | list) else ""
    kind = type(result).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}{size}"


def _own_line(error: BaseException, answer: Callable) -> str:
    """Where in the learner's own text it happened: the deepest frame that stands in their cell or file."""
    home = getattr(inspect.unwrap(answer), "__code__", None)
    frames = [
        (frame.f_code.co_filename, number)
        for frame, number in traceback.walk_tb(error.__traceback__)
        if home is not None and frame.f_code.co_filename == home.co_filename
    ]
    if not frames:
        return "before its first line"
    name, number = frames[-1]
    text = linecache.getline(name, number).strip()
    return f"in line {number}" + (f", `{text}`" if text else "")
