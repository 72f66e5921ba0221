"""Supervised fine-tuning: imitate good answers, token by token.

The same stage makes the base model (there everything but a text's first token is the response). What is left
out: packing, which rows this short do not need, and weight decay.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from minirlhf.data import Demonstrations
from minirlhf.losses import Logits, Stats, sft_loss
from minirlhf.machine.require import require
from minirlhf.machine.shares import in_shares, mean_of_shares
from minirlhf.model import CausalLM
from minirlhf.ops import Mask, Scalar, Tokens
from minirlhf.training import StepConfig, TrainState, linear_lr, minibatches, new_state, optimizer_step, resumable

SFTLoss = Callable[[Logits, Tokens, Mask], tuple[Scalar, Stats]]


@dataclass(frozen=True)
class SFTConfig(StepConfig):
    """How to imitate; a row is a demonstration."""

    steps: int = 300
    batch_size: int = 64
    lr: float = 3e-3


@dataclass(frozen=True)
class SFTRecord:
    """What one step did. metrics.py says what healthy looks like."""

    step: int
    """Its number, from 1."""
    loss: float
    """-log π of a response token, mean over the minibatch, in nats."""
    accuracy: float
    """The share of response tokens that were the model's first guess."""
    tokens: int
    """Response tokens in the minibatch."""
    grad_norm: float
    """Before clipping."""
    lr: float
    """The learning rate of this step."""


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
        for rows in minibatches(len(demonstrations), config, state):
            tokens, mask = demonstrations.batch(rows, pad_id, policy.trunk.device)
            lr = linear_lr(config.lr, state.step, config.steps, config.warmup)
            mean, stats = loss_in_shares(policy, tokens, mask, loss)
            norm = optimizer_step(mean, state.optimizers["policy"], lr, config.max_grad_norm, tokens=tokens, mask=mask)
            state.step += 1
            yield SFTRecord(state.step, mean.item(), stats["accuracy"], int(mask.sum()), norm, lr)


def loss_in_shares(policy: CausalLM, tokens: Tokens, mask: Mask, loss: SFTLoss) -> tuple[Scalar, Stats]:
    """The loss on all rows, read in shares; each counts by its response tokens.

    Other stages put log-probabilities together and leave the loss whole. This one wants logits, which a large
    vocabulary makes too many; so one of yours has to be a mean over response tokens, where rows are read in shares.
    """

    def read(tokens: Tokens, mask: Mask) -> tuple[Tensor, Tensor, Tensor]:  # (1,) each
        mean, stats = loss(policy(tokens), tokens, mask)
        return mean.view(1), mean.new_tensor([stats["accuracy"]]), mask[:, 1:].sum().view(1)

    means, accuracies, counts = in_shares(read, tokens, mask, at_once=policy.trunk.rows_at_once)
    return mean_of_shares(means, counts), {"accuracy": mean_of_shares(accuracies, counts).item()}
