"""REINFORCE: sample, score, and raise the probability of what did better than the others. One batch, one step.

PPO is this, and several steps a batch. bandit.py does it where everything can be worked out exactly.

Choices: the reward of a whole reply is its score minus β times its KL (k1), and every token of the reply gets the same
advantage: that reward minus the mean of the others in the batch (RLOO: Ahmadian et al., 2024, section 3). Left out: a
value model, discounting, whitening.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

import torch

from minirlhf.advantages import SequenceAdvantageFn, leave_one_out
from minirlhf.data import Prompts
from minirlhf.losses import PolicyGradientLoss, Stats, policy_gradient_loss
from minirlhf.machine.require import (
    require,
    require_between,
    require_counts,
    require_own_weights,
    require_positive,
    require_room,
)
from minirlhf.model import CausalLM, response_log_probs
from minirlhf.rollout import RewardFn, Rollout, collect
from minirlhf.training import TrainState, linear_lr, new_state, optimizer_step, resumable


@dataclass(frozen=True)
class ReinforceConfig:
    """The settings of a run. Each update samples `batch_size` responses and takes one step."""

    updates: int = 60  # batches to sample; each is learned from once
    batch_size: int = 96  # responses sampled for each update
    max_new_tokens: int = 40  # the longest response, in tokens
    lr: float = 1e-3  # Adam's learning rate at the start; it falls linearly to 0
    beta: float = 0.05  # the KL coefficient: score paid for each nat away from the reference
    missing_eos_score: float = -2.0  # the score of a response without end of text, in deviations of normalised scores
    max_grad_norm: float = 1.0  # gradients are scaled down to this norm
    seed: int = 0  # of the prompts drawn and the tokens sampled

    def __post_init__(self) -> None:
        require_counts(self, "updates", "batch_size", "max_new_tokens")
        require_positive(self, "lr", "max_grad_norm")
        require_between(self, 0, sys.float_info.max, "beta")
        require(isfinite(self.missing_eos_score), f"ReinforceConfig.missing_eos_score is {self.missing_eos_score}.")
        require(
            self.batch_size > 1,
            "ReinforceConfig.batch_size is 1; it must be 2 or more: a reply is compared with the others.",
        )


@dataclass(frozen=True)
class ReinforceRecord:
    """What one update did. metrics.py says what each number means, and what healthy looks like."""

    update: int  # its number, from 1
    score: float  # the reward model's score, mean over the batch
    kl: float  # nats from the reference, summed over a response; mean over the batch, an estimate (k1)
    rlhf_reward: float  # the objective: score - β · kl
    nll: float  # -log π a token, in nats, before the step
    response_length: float  # tokens a response, end of text included
    ended: float  # the share of responses that reached their end of text
    policy_loss: float  # its size means nothing
    grad_norm: float  # before clipping
    lr: float  # the learning rate of this update


def train_reinforce(
    policy: CausalLM,
    reference: CausalLM,
    reward_model: RewardFn,
    prompts: Prompts,
    config: ReinforceConfig,
    *,
    loss: PolicyGradientLoss = policy_gradient_loss,
    advantage_fn: SequenceAdvantageFn = leave_one_out,
    state: TrainState | None = None,
) -> Iterator[ReinforceRecord]:
    """Make replies that beat the others of their batch more probable, less what they cost in KL; a record an update."""
    require(len(prompts) > 0, "There are no prompts to answer.")
    require_own_weights(policy=policy, reference=reference)
    require_room(prompts, config.max_new_tokens, policy=policy, reference=reference, reward_model=reward_model)
    state = state or new_state(config.seed, policy=policy)
    actors = policy, reference, reward_model
    with resumable("REINFORCE", state, "update"):
        while state.step < config.updates:
            batch = prompts.draw(config.batch_size, state.generator)
            rollout = collect(*actors, batch, config.max_new_tokens, state.generator, config.missing_eos_score)
            lr = linear_lr(config.lr, state.step, config.updates)
            step = reinforce_update(policy, rollout, config, lr, state.optimizers["policy"], loss, advantage_fn)
            state.step += 1
            yield ReinforceRecord(state.step, **rollout.means(config.beta), **step, lr=lr)


def reinforce_update(
    policy: CausalLM,
    rollout: Rollout,
    config: ReinforceConfig,
    lr: float,
    optimizer: torch.optim.Optimizer,
    loss: PolicyGradientLoss = policy_gradient_loss,
    advantage_fn: SequenceAdvantageFn = leave_one_out,
) -> Stats:
    """One step on one batch. It cannot be repeated: after it, these are no longer replies of this policy."""
    tokens, mask = rollout.tokens, rollout.response_mask
    # The penalty is part of the reward: a number, with no gradient of its own. That suffices (E ∇log π = 0).
    advantages = advantage_fn(rollout.score - config.beta * rollout.kl)
    log_probs, _ = response_log_probs(policy, tokens, mask)
    mean, stats = loss(log_probs, advantages.unsqueeze(1).expand_as(log_probs), mask)
    norm = optimizer_step(mean, optimizer, lr, config.max_grad_norm, tokens=tokens, mask=mask, advantages=advantages)
    return {"policy_loss": mean.item(), "nll": stats["nll"], "grad_norm": norm}
