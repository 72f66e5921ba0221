"""One call of a learner's function: whatever it does, what comes out is a Trial.

It gets copies of its inputs, limited time, and nowhere to print but a string. What it raises, and what it
returns in place of what was asked for, is put into words for the person who wrote it.
"""

import dis
import functools
import inspect
import io
import linecache
import sysconfig
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import permutations
from numbers import Real
from pathlib import Path
from time import perf_counter
from types import CodeType, TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from minirlhf.course.check.alike import same
from minirlhf.course.check.deadline import Deadline, TimeUp
from minirlhf.course.exercises import Case, Exercise
from minirlhf.files.messages import counted

TOO_MANY_LINES = 200  # more printed lines than this are what takes the time
NOT_THE_LEARNERS = tuple(
    {str(Path(__file__).resolve().parents[2]), str(Path(torch.__file__).parent)}
    | {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
)
WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


@dataclass
class Trial:
    """What came of one call: outputs and gradients, or the `trouble` that kept them from being compared."""

    outputs: list[Tensor] = field(default_factory=list)
    gradients: list[Tensor] = field(default_factory=list)  # one for each name in exercise.trains
    connected: bool = False  # does any gradient reach the inputs at all?
    changed: tuple[str, ...] = ()  # the inputs that the function wrote into
    printed: str = ""
    lines_printed: int = 0
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
    trial, printed = Trial(), _FirstOfIt()
    leaves = [_leaf(x, name in exercise.trains) for x, name in zip(case.inputs, exercise.inputs, strict=False)]
    # A copy of each leaf, so that working in place is allowed there too.
    given = [x.clone() if isinstance(x, Tensor) else x for x in leaves]
    started = perf_counter()
    try:
        with redirect_stdout(printed), redirect_stderr(printed), warnings.catch_warnings(), torch.enable_grad():
            warnings.simplefilter("ignore")
            with Deadline(seconds) if seconds else nullcontext():
                result = answer(*given)
            if result is Ellipsis:
                trial.untried = True  # `return ...` is a way to say so
            elif seconds and perf_counter() - started > 2 * seconds:  # inside one call, where no trace looks
                trial.timed_out, trial.trouble = True, f"it took {perf_counter() - started:.0f} s."
            else:
                _take_in(trial, result, exercise, case, like, leaves)
            trial.changed = tuple(_written_into(given, case.inputs, exercise.inputs))
    except KeyboardInterrupt:  # the learner's own stop button
        raise
    except TimeUp as stop:
        trial.timed_out = True
        trial.trouble = f"its time ran out {_own_line(stop, answer)}. Does a loop in it never end?"
        if printed.lines > TOO_MANY_LINES:
            trial.trouble += f" It printed {printed.lines:,} lines, and that alone takes long: print less."
    except BaseException as error:
        if isinstance(error, NotImplementedError) and _raised_by_hand(error, answer):
            trial.untried = True
        else:
            what = traceback.format_exception_only(error)[-1].strip()
            trial.trouble = f"it stops {_own_line(error, answer)}: {what}" + _remedy(error)
    trial.seconds, trial.printed, trial.lines_printed = perf_counter() - started, printed.text, printed.lines
    return trial


class _FirstOfIt(io.TextIOBase):
    """Keeps the first lines of what is printed, and counts the rest."""

    def __init__(self) -> None:
        self.text, self.lines = "", 0

    def writable(self) -> bool:
        return True

    def write(self, text: Any) -> int:
        self.lines += str(text).count("\n")
        if len(self.text) < 4000:
            self.text += str(text)[:4000]
        return len(text)


def _take_in(trial: Trial, result: Any, exercise: Exercise, case: Case, like: Trial | None, leaves: Sequence) -> None:
    trial.outputs, trial.trouble = _take(result, exercise, like)
    if not trial.trouble and exercise.trains:
        _differentiate(trial, [x for x in leaves if isinstance(x, Tensor) and x.requires_grad])


def _leaf(x: Any, needs_gradient: bool) -> Any:
    return x.clone().requires_grad_(needs_gradient) if isinstance(x, Tensor) else deepcopy(x)


def _remedy(error: BaseException) -> str:
    """A word on the errors that everybody meets once."""
    said = str(error) if isinstance(error, NameError | MemoryError | SystemExit) else ""
    if isinstance(error, NameError) and (name := getattr(error, "name", "")) in IMPORTS:
        return f". `{IMPORTS[name]}` brings it in"
    if isinstance(error, MemoryError):
        return "It asks for more memory than there is. Does a loop in it never end?"
    if isinstance(error, SystemExit):
        return f" (exit, quit and sys.exit end a program; a function ends with `return`){said and '.'}"
    return ""


IMPORTS = {
    "math": "import math",
    "F": "import torch.nn.functional as F",
    "torch": "import torch",
    "np": "import numpy as np",
    "numpy": "import numpy",
    "sqrt": "from math import sqrt",
    "log": "from math import log",
    "comb": "from math import comb",
    "Counter": "from collections import Counter",
    "masked_mean": "from minirlhf import masked_mean",
    "last_true": "from minirlhf import last_true",
}


def _take(result: Any, exercise: Exercise, like: Trial | None) -> tuple[list[Tensor], str]:
    """The outputs, and why they cannot be compared with ours; nothing if they can."""
    if result is None:
        return [], "it returns nothing (None). Is a `return` missing at its end?"
    outputs = [_as_tensor(x, exercise) for x in _outputs(result, exercise)]
    if len(outputs) != len(exercise.outputs):
        n = len(exercise.outputs)
        are = "is" if n == 1 else "are"
        wanted = f"{counted(n, 'tensor')} {are} asked for, {' and '.join(exercise.outputs)}"
        return [], f"it returns {_describe(result)}; {wanted}."
    if like is not None and (order := _another_order(outputs, like.outputs)):
        names = exercise.outputs
        return [], (
            f"the right numbers come back in another order: {', '.join(names[i] for i in order)}. "
            f"Return {', '.join(names)}."
        )
    for i, name in enumerate(exercise.outputs):
        ours = None if like is None else like.outputs[i]
        # Where nothing is trained, a plain number is as good as a tensor that holds one.
        number = not exercise.trains and (ours is None or ours.dim() == 0)
        if number and isinstance(outputs[i], Real):
            outputs[i] = torch.tensor(float(outputs[i]))
        outputs[i] = _in_shape(outputs[i], ours)
        if misfit := _misfit(outputs[i], name, ours, "a number" if number else "a tensor"):
            return [], misfit
    return outputs, ""


def _another_order(outputs: Sequence[Any], ours: Sequence[Tensor]) -> tuple[int, ...]:
    """In which order they came back, if that is all that is wrong and their kinds show it."""
    if len(ours) < 2 or not all(isinstance(x, Tensor) for x in outputs):
        return ()
    if all(x.is_floating_point() == y.is_floating_point() for x, y in zip(outputs, ours, strict=True)):
        return ()
    for order in permutations(range(len(ours))):
        if all(same(x, ours[i]) for x, i in zip(outputs, order, strict=True)):
            return order
    return ()


def _outputs(result: Any, exercise: Exercise) -> list[Any]:
    """What came back, as a list. Of (loss, stats) only the loss: with and without stats are both welcome."""
    several = isinstance(result, tuple | list)
    if exercise.stats and several and len(result) == 2 and isinstance(result[1], dict):
        return [result[0]]
    return [*result] if several and len(exercise.outputs) > 1 else [result]


def _as_tensor(x: Any, exercise: Exercise) -> Any:
    """An array, or a row of plain numbers, is as good as a tensor where nothing is trained."""
    if exercise.trains:
        return x
    if isinstance(x, np.ndarray | np.generic) and np.asarray(x).dtype.kind in "fiub":
        return torch.from_numpy(np.array(x))  # a copy, for it may be read-only or run backwards
    if isinstance(x, list | tuple) and len(x) > 0 and all(map(_is_a_number, x)):
        return torch.tensor([n.item() if isinstance(n, Tensor) else n for n in x])
    return x


def _is_a_number(x: Any) -> bool:
    return x.dim() == 0 if isinstance(x, Tensor) else isinstance(x, Real)


def _in_shape(output: Any, ours: Tensor | None) -> Any:
    """One number with an axis or two round it is still one number."""
    if ours is not None and isinstance(output, Tensor) and ours.dim() == 0 and output.numel() == 1:
        return output.reshape(())
    return output


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
    if output.dim() == ours.dim() + 1 and output.numel() == ours.numel():
        return f"{words} There is an axis of length 1 too many: squeeze it, or leave out keepdim=True."
    if output.dim() == 2 and output.shape == ours.shape[::-1]:
        return f"{words} Rows and columns have changed places."
    if output.dim() == ours.dim() == 1 and len(ours) > 1:
        return f"{words} One number a row: dim=1 runs along a row, dim=0 down the batch."
    if output.dim() == 0:
        return f"{words} It is one number: it was added up or averaged over everything."
    if output.dim() < ours.dim():
        return f"{words} An axis is gone: something was added up, averaged or picked along it."
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
    return [name for name, x, y in pairs if (_unlike(x, y) if isinstance(y, Tensor) else x != y)]


def _unlike(x: Tensor, y: Tensor) -> bool:
    return x.shape != y.shape or not torch.allclose(x.detach(), y, rtol=0.0, atol=0.0, equal_nan=True)


def _describe(result: Any) -> str:
    if isinstance(result, Tensor):
        return f"one tensor of shape {tuple(result.shape)}"
    if isinstance(result, tuple) and hasattr(result, "indices"):  # what torch.max(x, dim=1) gives
        return "a pair, the values and where they stand (.values is the first of them)"
    size = f" of {len(result)}" if isinstance(result, tuple | list) else ""
    kind = type(result).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}{size}"


def source_file(answer: Callable) -> str:
    """The file or the cell in which the learner's function is written."""
    code = _code(answer)
    return code.co_filename if code is not None else ""


def _code(answer: Any) -> CodeType | None:
    answer = inspect.unwrap(answer)
    while isinstance(answer, functools.partial):
        answer = inspect.unwrap(answer.func)
    called = answer if hasattr(answer, "__code__") else vars(type(answer)).get("__call__")
    code = getattr(called, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _own_frames(error: BaseException, answer: Callable) -> list[TracebackType]:
    """Where the error passed through text of the learner's: their function's file, or else whatever is not ours."""
    steps, step = [], error.__traceback__
    while step is not None:
        steps.append(step)
        step = step.tb_next
    home = source_file(answer)
    own = [s for s in steps if s.tb_frame.f_code.co_filename == home]
    return own or [s for s in steps if not s.tb_frame.f_code.co_filename.startswith((*NOT_THE_LEARNERS, "<__array"))]


def _own_line(error: BaseException, answer: Callable) -> str:
    """Where in the learner's own text it happened: the deepest frame that stands in their cell or file."""
    if not (frames := _own_frames(error, answer)):
        return "as soon as it is called"
    name, number = frames[-1].tb_frame.f_code.co_filename, frames[-1].tb_lineno
    return line_of(name, number)


def line_of(name: str, number: int) -> str:
    text = linecache.getline(name, number).strip()
    return f"in line {number}" + (f", `{text}`" if text else "")


def _raised_by_hand(error: BaseException, answer: Callable) -> bool:
    """Did the learner's own text raise it, as a stub does? Torch raises NotImplementedError of its own."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    if step is None or step.tb_frame.f_code.co_filename != source_file(answer):
        return False
    at = {i.offset: i.opname for i in dis.get_instructions(step.tb_frame.f_code)}.get(step.tb_lasti, "")
    return at == "RAISE_VARARGS"
