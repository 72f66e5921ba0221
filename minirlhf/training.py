"""What every stage of training shares: its state, one step of an optimiser, and stopping well."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import safetensors.torch
import torch
from torch import Tensor, nn

from minirlhf.data import Prompts, epochs
from minirlhf.files.messages import counted
from minirlhf.model import GPT
from minirlhf.ops import Scalar
from minirlhf.runtime import threads_for

LIMIT = "MINIRLHF_SECONDS"  # the most seconds that one training in a lesson may take; not set: as long as it takes
Record = TypeVar("Record")


@dataclass
class TrainState:
    """All that a run needs, beside its models, to go on bit for bit: pass it in again, or save it."""

    optimizers: Mapping[str, torch.optim.Optimizer]
    generator: torch.Generator
    step: int = 0  # how many have been made
    numbers: dict[str, float] = field(default_factory=dict)  # what changes on the way, such as PPO's β
    kept: dict[str, dict[str, Tensor]] = field(default_factory=dict)  # by the model's name: DPO's best step


def new_state(seed: int, **models: nn.Module) -> TrainState:
    """A fresh state: step 0, its own generator, an Adam for each model (eps 1e-5, the usual value for PPO)."""
    optimizers = {
        name: torch.optim.Adam(model.parameters(), lr=0.0, eps=1e-5, fused=True) for name, model in models.items()
    }
    return TrainState(optimizers, torch.Generator().manual_seed(seed))


def linear_lr(peak: float, step: int, steps: int, warmup: int = 0) -> float:
    """Rise to the peak over `warmup` steps, then fall in a straight line to 0 at the end."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (steps - step) / max(steps - warmup, 1)


def optimizer_step(
    loss: Scalar, optimizer: torch.optim.Optimizer, lr: float, max_grad_norm: float = 1.0, **batch: Tensor
) -> float:
    """One step down the gradient, clipped to a norm; returns the norm before clipping. Leaves no gradient behind.

    A loss or gradient that is not finite stops the run before the model changes, and saves the batch for a look.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    with threads_for(max((numbers.numel() for numbers in batch.values()), default=0)):
        loss.backward()
        norm = nn.utils.clip_grad_norm_(parameters, max_grad_norm)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            optimizer.zero_grad()
            raise NotFiniteError(loss.item(), norm.item(), save_batch(batch))
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        optimizer.zero_grad()
    return norm.item()


class NotFiniteError(FloatingPointError):
    """A loss or its gradient became NaN or infinite; the model that it belongs to is as it was before this step."""

    def __init__(self, loss: float, norm: float, path: Path) -> None:
        super().__init__(
            f"The loss is {loss} and its gradient's norm {norm}, so training stopped before taking that step. "
            f"The batch is in {path}. Look there for extreme values; a lower learning rate is the usual remedy."
        )


def save_batch(batch: dict[str, Tensor]) -> Path:
    """Save a batch for inspection: under runs/, or in a temporary folder if that cannot be written."""
    folder = Path("runs/not_finite")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    with tempfile.NamedTemporaryFile(
        prefix="batch-", suffix=".safetensors", dir=folder if writable else None, delete=False
    ) as file:
        path = Path(file.name)
    safetensors.torch.save_file({name: tensor.detach().contiguous() for name, tensor in batch.items()}, path)
    return path


@contextmanager
def resumable(name: str, state: TrainState, step_name: str = "step") -> Iterator[None]:
    """A run that is stopped early leaves usable models, no pending gradient, and a note on how to go on."""
    try:
        yield
    except (KeyboardInterrupt, FloatingPointError) as stop:
        for optimizer in state.optimizers.values():
            optimizer.zero_grad()
        stop.add_note(
            f"{name} stopped in {step_name} {state.step + 1}. The models are usable as they are. "
            "To go on, call the same function again with the same models and state=… ."
        )
        raise


def require(condition: bool, what: str) -> None:
    """Raise a ValueError where a setting makes no sense."""
    if not condition:
        raise ValueError(what)


def require_counts(config: object, *names: str) -> None:
    """Fields that count something: whole numbers, 1 or more."""
    for name in names:
        value = getattr(config, name)
        whole = isinstance(value, int) and value >= 1
        require(whole, f"{type(config).__name__}.{name} is {value}; it must be a whole number, 1 or more.")


def require_positive(config: object, *names: str) -> None:
    """Fields that are rates and sizes: above 0, and finite."""
    for name in names:
        value = getattr(config, name)
        require(0 < value < float("inf"), f"{type(config).__name__}.{name} is {value}; it must be above 0 and finite.")


def require_between(config: object, low: float | int, high: float | int, *names: str) -> None:
    """Fields with a range, its ends included."""
    for name in names:
        value = getattr(config, name)
        require(low <= value <= high, f"{type(config).__name__}.{name} is {value}; it must be from {low} to {high}.")


def require_own_weights(**models: nn.Module) -> None:
    """Models that must not move together must not share a tensor: each is a deepcopy of where it came from."""
    owner: dict[int, str] = {}
    for name, model in models.items():
        for parameter in model.parameters():
            # The memory, and not where in it a tensor begins: a view or a slice is moved with the whole.
            other = owner.setdefault(parameter.untyped_storage().data_ptr(), name)
            require(
                other == name, f"{name} shares its weights with {other}; give it a copy (copy.deepcopy) of its own."
            )


def require_room(prompts: Prompts, max_new_tokens: int, **models: object) -> None:
    """Every prompt and its longest reply fit what each model reads; asked before anything is sampled."""
    n, length = max(enumerate(map(len, prompts.prompts), start=1), key=lambda prompt: prompt[1], default=(0, 0))
    for name, model in models.items():
        if isinstance(trunk := getattr(model, "trunk", None), GPT):
            context = trunk.config.context
            require(
                length + max_new_tokens <= context,
                f"Prompt {n} of {len(prompts)} has {counted(length, 'token')}, and with {max_new_tokens} new "
                f"(max_new_tokens) that is more than {name} reads, which is {context} (its context). Leave out prompts "
                f"above {counted(max(context - max_new_tokens, 0), 'token')}, set max_new_tokens to "
                f"{max(context - length, 0)} or less, or build the models with a longer context.",
            )


def time_limited(records: Iterable[Record]) -> Iterator[Record]:
    """The same records, for no longer than the environment variable MINIRLHF_SECONDS allows, but at least one.

    So a slow laptop can run every lesson, each training cut short: stopping a stage early leaves usable models.
    """
    limit, began = seconds_allowed(), perf_counter()
    for record in records:
        yield record
        if perf_counter() - began > limit:
            return


def seconds_allowed() -> float:
    """What MINIRLHF_SECONDS says; infinite where it says nothing."""
    given = os.environ.get(LIMIT, "").strip()
    try:
        limit = float(given) if given else float("inf")
    except ValueError:
        limit = 0.0
    require(limit > 0, f"{LIMIT} is {given!r}; it must be a number of seconds above 0, or not be set.")
    return limit


@dataclass(frozen=True)
class StepConfig:
    """What SFT, the reward model and the classifier share: minibatches, and a learning rate that falls to 0."""

    steps: int
    """Minibatches to learn from, one optimiser step each."""
    batch_size: int
    """Rows in a minibatch."""
    lr: float
    """Adam's learning rate at its peak; it falls linearly to 0."""
    warmup: int = 20
    """Steps in which the learning rate rises to its peak."""
    max_grad_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    seed: int = 0
    """Of the order of the rows."""

    def __post_init__(self) -> None:
        require_counts(self, "steps", "batch_size")
        require_positive(self, "lr", "max_grad_norm")
        require_between(self, 0, self.steps, "warmup")


def minibatches(n: int, config: StepConfig, state: TrainState) -> Iterator[list[int]]:
    """The row numbers of each step that is still to be made, out of n rows."""
    return islice(epochs(n, config.batch_size, config.seed), state.step, config.steps)
