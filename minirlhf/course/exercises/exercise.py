"""What an exercise is: a function to write, inputs to try it on, and the ways in which people get it wrong."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from minirlhf.ops import Mask

Wrong = TypeVar("Wrong", bound=Callable[..., Any])


@dataclass(frozen=True)
class Case:
    """One set of inputs, what is special about it, and what must hold there, in words."""

    name: str
    promise: str
    inputs: tuple[Any, ...]
    optional: bool = False  # a learner whose function cannot take these inputs is not asked about them
    large: bool = False  # as large as a training batch: here time is measured


@dataclass(frozen=True)
class Mistake:
    """A wrong version that people write, and the thought that is missing in it."""

    name: str
    wrong: Callable[..., Any]
    hint: str


@dataclass(frozen=True)
class Exercise:
    """A function of the package that the learner writes again; its known mistakes are decorated `@GAE.mistake`."""

    solution: Callable[..., Any]
    outputs: tuple[str, ...]
    cases: Callable[[], list[Case]]  # the last one is the large one
    trains: tuple[str, ...] = ()  # the inputs that must receive the right gradient
    stats: bool = False  # whether a dict of floats follows the outputs, which the learner may leave out
    calls: int = 200  # about how often a lesson's training calls it, which decides what is too slow
    # Turns a version that takes fewer inputs than the package's into one that a stage can call.
    adapt: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None
    # Turns a stage's inputs into such as the cases have, where a stage may give more than a learner was told of.
    tame: Callable[..., tuple[Any, ...]] | None = None
    # The same function in the words of the lesson, where the package's own is written for speed: `check` changes one
    # thing in it at a time to see whether the learner's numbers come out.
    formulas: tuple[Callable[..., Any], ...] = ()
    bounds: tuple[float, float] | None = None  # outside them a learner may cut off what comes out
    mistakes: list[Mistake] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.solution.__name__

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The names of what it is given, in order."""
        return tuple(inspect.signature(self.solution).parameters)

    def mistake(self, wrong: Wrong) -> Wrong:
        """Collect a wrong version of the solution; its name says what is wrong, and its docstring is the hint."""
        hint = " ".join((wrong.__doc__ or "").split())
        self.mistakes.append(Mistake(wrong.__name__.replace("_", " "), wrong, hint))
        return wrong


def rows(length: int, *spans: tuple[int, int]) -> Mask:
    """A mask with a row for each span, True from its first number up to, not including, its second."""
    position = torch.arange(length)
    return torch.stack([(position >= first) & (position < end) for first, end in spans])


def normal(seed: int, *shape: int) -> Tensor:
    """Random numbers that are the same every time; where they are few, with two digits, to be worked by hand."""
    numbers = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return numbers.round(decimals=2) if numbers.numel() <= FEW else numbers


def far_off_the_mask() -> Case:
    """Random numbers where the mask is True, and ten thousand everywhere else."""
    far = torch.where(RAGGED, normal(2, *RAGGED.shape), 10_000.0)
    return Case("large numbers where the mask is False", "What does not count can be anything.", (far, RAGGED))


def on_masks(
    inputs: Callable[[Mask], tuple[Any, ...]], *more: Case, masks: Sequence[tuple[str, str, Tensor]] | None = None
) -> list[Case]:
    """The cases of a per-token function: every mask below, whatever more it needs, and last a training batch.

    `masks` are those that the exercise's text allows: where nothing predicts a row's first token, none is True there.
    """
    small = [
        Case(name, promise, inputs(mask)) for name, promise, mask in masks or (*MASKS, FROM_THE_START, WITH_A_HOLE)
    ]
    return [
        *small,
        *more,
        Case("a batch as large as in training", "It works for every size.", inputs(LARGE), large=True),
    ]


# The prompt stands before the response, padding behind it.
RAGGED = rows(8, (2, 6), (3, 8), (1, 4))
MASKS = (
    ("rows of different lengths", "", RAGGED),
    ("a row whose response is one token long", "One token is a response too.", rows(7, (2, 3), (1, 6))),
    ("a row with no token", "A row where the mask is never True changes nothing.", rows(6, (2, 5), (0, 0), (1, 4))),
    ("a single row", "A batch may have one row.", rows(5, (2, 5))),
)
FROM_THE_START = (
    "rows that count from their first token",
    "The first column counts where the mask is True there.",
    rows(6, (0, 4), (2, 6), (0, 6)),
)
WITH_A_HOLE = (
    "a row with a hole",
    "What counts need not stand in one piece.",
    torch.tensor([[False, True, False, True, True, False], [True, False, False, True, False, True]]),
)
FEW = 200
LARGE = rows(40, *((8 + i % 8, 18 + i % 8 + i % 16) for i in range(64)))
