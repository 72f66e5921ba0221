"""Reward models: a number for every response, learned from choices between two.

`RewardModel` (model.py) reads the whole exchange with a transformer: it needs thousands of choices, and can see
whether a reply fits its problem. For sixty votes there is `AdditiveReward` (additive.py), which gives every word a
weight that a person can read. Both are trained by the same Bradley-Terry loss, and their scores put on one scale here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from minirlhf.data import Comparisons, Prompts
from minirlhf.losses import PreferenceLoss, bradley_terry_loss
from minirlhf.machine.require import require
from minirlhf.model import CausalLM, RewardModel
from minirlhf.ops import Mask, PerSequence, Tokens
from minirlhf.rollout import sample
from minirlhf.training import StepConfig, TrainState, linear_lr, minibatches, new_state, optimizer_step, resumable


@runtime_checkable
class Scalable(Protocol):
    """A reward model whose scores are scaled by what `normalise` has measured: (raw - mean) / std."""

    mean: Tensor
    std: Tensor

    def __call__(self, tokens: Tokens, response_mask: Mask, /) -> PerSequence: ...


@dataclass(frozen=True)
class RewardConfig(StepConfig):
    """How to learn from comparisons; a row is a pair."""

    steps: int = 150
    batch_size: int = 64
    lr: float = 1e-3


@dataclass(frozen=True)
class RewardRecord:
    """What one step did. metrics.py says what healthy looks like."""

    step: int
    """Its number, from 1."""
    loss: float
    """-log σ(chosen - rejected), mean over the minibatch, in nats."""
    accuracy: float
    """The share of pairs that the scores order as the person did, ties half."""
    margin: float
    """chosen - rejected, mean over the minibatch."""
    chosen_score: float
    """Mean score of the chosen replies."""
    rejected_score: float
    """Mean score of the rejected replies."""
    grad_norm: float
    """Before clipping."""


def train_reward(
    reward_model: RewardModel,
    comparisons: Comparisons,
    config: RewardConfig,
    *,
    loss: PreferenceLoss = bradley_terry_loss,
    state: TrainState | None = None,
) -> Iterator[RewardRecord]:
    """Raise the score of what was chosen above that of what was rejected; one record a step."""
    require(len(comparisons) > 0, "There are no comparisons to learn from.")
    state = state or new_state(config.seed, reward_model=reward_model)
    pad_id = reward_model.trunk.config.pad_id
    with resumable("The reward model", state):
        for rows in minibatches(len(comparisons), config, state):
            tokens, mask, preference = comparisons.batch(rows, pad_id, reward_model.trunk.device)
            chosen, rejected = reward_model(tokens, mask).chunk(2)
            mean, stats = loss(chosen, rejected, preference)
            lr = linear_lr(config.lr, state.step, config.steps, config.warmup)
            batch = {"tokens": tokens, "mask": mask}
            norm = optimizer_step(mean, state.optimizers["reward_model"], lr, config.max_grad_norm, **batch)
            state.step += 1
            yield RewardRecord(
                state.step,
                mean.item(),
                **stats,
                chosen_score=chosen.mean().item(),
                rejected_score=rejected.mean().item(),
                grad_norm=norm,
            )


@torch.no_grad()
def normalise(reward_model: Scalable, tokens: Tokens, response_mask: Mask) -> None:
    """Scale the scores to mean 0 and standard deviation 1 on these responses, which should be the reference's.

    Bradley-Terry fixes scores only up to a constant, and their size depends on how sure the votes were. After
    this, β and the value clip mean the same for every reward model. (Ziegler et al., 2019, section 2.2.)
    """
    require(len(tokens) > 1, "Normalising needs two responses or more.")
    reward_model.mean.zero_()
    reward_model.std.fill_(1.0)
    raw = reward_model(tokens, response_mask)
    reward_model.mean.copy_(raw.mean())
    reward_model.std.copy_(raw.std().clamp(min=1e-6))  # a model that likes all the same stays finite


def normalise_on(
    reward_model: Scalable,
    reference: CausalLM,
    prompts: Prompts,
    seed: int,
    replies: int = 512,
    max_new_tokens: int = 40,
) -> None:
    """`normalise` on what the reference answers to the first so many prompts."""
    generator = torch.Generator().manual_seed(seed)
    samples = sample(reference, prompts.prompts[:replies], max_new_tokens, generator)
    normalise(reward_model, samples.tokens, samples.response_mask)
