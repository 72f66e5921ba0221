"""What every stage of training shares: its state, one step of an optimiser, and stopping well."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from minirlhf.data import epochs
from minirlhf.machine.adam import drop_gradients, hand_over, new_adam
from minirlhf.machine.not_finite import NotFiniteError, save_batch
from minirlhf.machine.require import require_between, require_counts, require_positive
from minirlhf.machine.runtime import threads_for
from minirlhf.machine.shares import average_gradients, is_sharded, require_equal_start
from minirlhf.ops import Scalar


@dataclass
class TrainState:
    """All that a run needs, beside its models, to go on bit for bit: pass it in again, or save it."""

    optimizers: Mapping[str, torch.optim.Optimizer]
    generator: torch.Generator
    step: int = 0  # how many have been made
    numbers: dict[str, float] = field(default_factory=dict)  # what changes on the way, such as PPO's β
    kept: dict[str, dict[str, Tensor]] = field(default_factory=dict)  # by the model's name: DPO's best step


def new_state(seed: int, **models: nn.Module) -> TrainState:
    """A fresh state: step 0, its own generator, an Adam for each model."""
    require_equal_start(**models)
    return TrainState(
        {name: new_adam(name, model) for name, model in models.items()}, torch.Generator().manual_seed(seed)
    )


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
        hand_over(optimizer)
        average_gradients(parameters)
        norm: Any = nn.utils.clip_grad_norm_(parameters, max_grad_norm)
        norm = norm.full_tensor() if is_sharded(norm) else norm
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            optimizer.zero_grad()
            raise NotFiniteError(loss.item(), norm.item(), save_batch(batch))
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        optimizer.zero_grad()
    return norm.item()


@contextmanager
def resumable(name: str, state: TrainState, step_name: str = "step") -> Iterator[None]:
    """A run that is stopped early leaves usable models, no pending gradient, and a note on how to go on."""
    try:
        yield
    except (KeyboardInterrupt, FloatingPointError) as stop:
        for optimizer in state.optimizers.values():
            drop_gradients(optimizer)
        stop.add_note(
            f"{name} stopped in {step_name} {state.step + 1}. The models are usable as they are. "
            "To go on, call the same function again with the same models and state=… ."
        )
        raise


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
