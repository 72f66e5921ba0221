"""Supervised fine-tuning: imitate good answers, token by token.

The same stage makes the base model (there everything but a text's first token is the response). What is left
out: packing, which rows this short do not need, and weight decay.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from minirlhf.data import Demonstrations, epochs
from minirlhf.losses import Stats, sft_loss
from minirlhf.model import CausalLM
from minirlhf.ops import Scalar
from minirlhf.training import (
    TrainState,
    linear_lr,
    new_state,
    optimizer_step,
    require,
    require_between,
    require_counts,
    require_positive,
    resumable,
)

SFTLoss = Callable[..., tuple[Scalar, Stats]]


@dataclass(frozen=True)
class SFTConfig:
    """How to imitate. `steps` minibatches of `batch_size` demonstrations, learning rate linear to 0."""

    steps: int = 300
    batch_size: int = 64
    lr: float = 3e-3
    warmup: int = 20
    max_grad_norm: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        require_counts(self, "steps", "batch_size")
        require_positive(self, "lr", "max_grad_norm")
        require_between(self, 0, self.steps, "warmup")


@dataclass(frozen=True)
class SFTRecord:
    """One step. loss in nats a token; accuracy: share of tokens that were the model's first guess."""

    step: int
    loss: float
    accuracy: float
    tokens: int
    grad_norm: float
    lr: float


def train_sft(
    policy: CausalLM,
    demonstrations: Demonstrations,
    config: SFTConfig,
    *,
    loss: SFTLoss = sft_loss,
    state: TrainState | None = None,
) -> Iterator[SFTRecord]:
    """Teach the policy to continue each prompt as its demonstrator did; one record a step."""
    require(len(demonstrations) > 0, "There are no demonstrations to learn from.")
    state = state or new_state(config.seed, policy=policy)
    pad_id = policy.trunk.config.pad_id
    with resumable("SFT", state):
        for rows in islice(epochs(len(demonstrations), config.batch_size, config.seed), state.step, config.steps):
            tokens, mask = demonstrations.batch(rows, pad_id)
            lr = linear_lr(config.lr, state.step, config.steps, config.warmup)
            mean, stats = loss(policy(tokens), tokens, mask)
            norm = optimizer_step(mean, state.optimizers["policy"], lr, config.max_grad_norm, tokens=tokens, mask=mask)
            state.step += 1
            yield SFTRecord(state.step, mean.item(), stats["accuracy"], int(mask.sum()), norm, lr)
