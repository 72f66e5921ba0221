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
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from minirlhf.lessons.deadline import Deadline, TimeUp
from minirlhf.lessons.exercises import Case, Exercise


@dataclass
class Trial:
    """What came of one call. Either `trouble` says why nothing can be compared, or outputs and gradients are there."""

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
    answer: Callable, exercise: Exercise, case: Case, seconds: float, like: Trial | None = None
) -> Trial:
    """Call the function on a case. `like` is our own trial, whose outputs say which shapes belong there."""
    trial, printed = Trial(), io.StringIO()
    leaves = [
        _leaf(x, name in exercise.trains) for x, name in zip(case.inputs, exercise.inputs, strict=False)
    ]
    # A copy of each leaf, so that working in place is allowed there too.
    given = [x.clone() if isinstance(x, Tensor) else x for x in leaves]
    started = perf_counter()
    try:
        with redirect_stdout(printed), warnings.catch_warnings(), torch.enable_grad():
            warnings.simplefilter("ignore")
            with Deadline(seconds):
                result = answer(*given)
            _receive(result, trial, exercise, like)
            if not trial.trouble and exercise.trains:
                _differentiate(trial, [x for x in leaves if isinstance(x, Tensor) and x.requires_grad])
            trial.changed = tuple(_written_into(given, case.inputs, exercise.inputs))
    except KeyboardInterrupt:  # the learner's own stop button
        raise
    except TimeUp as stop:
        trial.timed_out = True
        trial.trouble = f"It was {stop}, {_own_line(stop, answer)}. Does a loop in it never end?"
    except NotImplementedError:
        trial.untried = True
    except BaseException as error:
        what = traceback.format_exception_only(error)[-1].strip()
        trial.trouble = f"It stops {_own_line(error, answer)}: {what}"
    trial.seconds, trial.printed = perf_counter() - started, printed.getvalue()
    return trial


def _leaf(x: Any, needs_gradient: bool) -> Any:
    return x.clone().requires_grad_(needs_gradient) if isinstance(x, Tensor) else x


def _receive(result: Any, trial: Trial, exercise: Exercise, like: Trial | None) -> None:
    """Take apart what came back, or say what is wrong with it."""
    if result is Ellipsis:
        trial.untried = True
        return
    if result is None:
        trial.trouble = "It returns nothing (None). Is a `return` missing at its end?"
        return
    if (
        exercise.stats
        and isinstance(result, tuple | list)
        and len(result) == 2
        and isinstance(result[1], dict)
    ):
        result = result[0]  # (loss, stats) and the loss alone are both welcome
    results = result if len(exercise.outputs) > 1 else [result]
    if not isinstance(results, tuple | list) or len(results) != len(exercise.outputs):
        wanted = " and ".join(exercise.outputs)
        trial.trouble = (
            f"It returns {_describe(result)}; {len(exercise.outputs)} tensors are asked for, {wanted}."
        )
        return
    for i, (output, name) in enumerate(zip(results, exercise.outputs, strict=True)):
        trial.trouble = trial.trouble or _misfit(output, name, None if like is None else like.outputs[i])
    trial.outputs = list(results)


def _misfit(output: Any, name: str, ours: Tensor | None) -> str:
    """Why this cannot be compared with ours; nothing if it can."""
    if not isinstance(output, Tensor):
        number = (
            " A number carries no gradient: leave out .item() and float()."
            if isinstance(output, float | int)
            else ""
        )
        return f"Its {name} is {_describe(output)}; a tensor is asked for.{number}"
    if not output.is_floating_point():
        return f"Its {name} holds {output.dtype}; floating-point numbers are asked for."
    if ours is None or output.shape == ours.shape:
        return ""
    words = f"Its {name} has the shape {tuple(output.shape)}; {tuple(ours.shape)} is asked for."
    if ours.dim() == 0:
        return f"{words} That is one number: the mean over the whole batch is still to be taken."
    if output.shape == (ours.shape[0], ours.shape[-1] - 1):
        return f"{words} One column is missing: the first token keeps its place, with a 0 in it."
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
    size = f" of {len(result)}" if isinstance(result, tuple | list) else ""
    return f"a {type(result).__name__}{size}"


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
