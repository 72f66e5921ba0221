"""PPO for language models: sample, score, and make what turned out better than expected more probable.

Read from the top: the settings of a run (PPOConfig), what it reports (PPORecord), the loop (train_ppo), and the two
halves of an update: what each token was worth (estimate), and how the models learn it (ppo_update: on each
minibatch a policy_step and a value_step).

Choices: the KL penalty stands in the reward, per token (k1); the score at the last token; returns are taken before
advantages are whitened over the whole batch; policy and value model are separate networks with an Adam each; both
learning rates fall linearly to 0. Left out: reward whitening and clipping, a shared trunk, reference updates.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer

from minirlhf.advantages import AdvantageFn, TokenRewardFn, gae, token_rewards
from minirlhf.data import Prompts
from minirlhf.losses import PolicyLoss, Stats, ValueLoss, clipped_policy_loss, clipped_value_loss
from minirlhf.machine.require import (
    require,
    require_between,
    require_counts,
    require_own_weights,
    require_positive,
    require_room,
)
from minirlhf.machine.shares import agreed
from minirlhf.model import CausalLM, ValueModel, response_log_probs
from minirlhf.ops import PerToken, masked_mean, masked_sum, masked_whiten
from minirlhf.rollout import RewardFn, Rollout, collect
from minirlhf.training import TrainState, linear_lr, new_state, optimizer_step, resumable

KLController = Callable[[float, float, float, int, int], float]  # (beta, kl, target, episodes, horizon) -> beta


@dataclass(frozen=True)
class PPOConfig:
    """The settings of a run. Sizes count responses; both learning rates are Adam's and fall linearly to 0."""

    updates: int = 20  # batches to sample and learn from
    batch_size: int = 128  # responses sampled for each update
    epochs: int = 4  # passes over each batch
    minibatches: int = 2  # optimiser steps in each pass; a divisor of batch_size
    max_new_tokens: int = 40  # the longest response, in tokens
    lr: float = 4e-4  # the policy's learning rate at the start
    value_lr: float = 1e-3  # the value model's learning rate at the start
    beta: float = 0.05  # the KL coefficient: score paid for each nat away from the reference
    kl_target: float | None = None  # nats a response that β is steered towards; None keeps β as it is
    kl_horizon: int = 10_000  # responses in which β can double, or nearly halve, when the KL is far from its target
    gamma: float = 1.0  # the discount of later rewards, 0 to 1; 1 counts all alike
    lam: float = 0.95  # GAE's λ, 0 to 1: 0 trusts the value model, 1 what was really earned
    clip: float = 0.2  # ε of the policy's clip: a ratio outside 1 ± ε gains nothing more
    value_clip: float = 0.2  # how far a value may move from its old one and still gain
    entropy_bonus: float = 0.0  # score paid for each nat of entropy a token
    stop_kl: float | None = None  # ends an update's passes once approx_kl is above it; None makes them all
    missing_eos_score: float = -2.0  # the score of a response without end of text, in deviations of normalised scores
    max_grad_norm: float = 1.0  # gradients are scaled down to this norm
    seed: int = 0  # of the prompts drawn, the tokens sampled and the shuffling

    def __post_init__(self) -> None:
        require_counts(self, "updates", "batch_size", "epochs", "minibatches", "max_new_tokens", "kl_horizon")
        require_positive(self, "lr", "value_lr", "clip", "value_clip", "max_grad_norm")
        require_positive(self, *(name for name in ("kl_target", "stop_kl") if getattr(self, name) is not None))
        require_between(self, 0, 1, "gamma", "lam")
        require_between(self, 0, sys.float_info.max, "beta", "entropy_bonus")
        require(isfinite(self.missing_eos_score), f"PPOConfig.missing_eos_score is {self.missing_eos_score}.")
        require(
            self.batch_size % self.minibatches == 0,
            f"PPOConfig.batch_size ({self.batch_size}) must be a multiple of minibatches ({self.minibatches}).",
        )


@dataclass(frozen=True)
class PPORecord:
    """What one update did. metrics.py says what healthy looks like, and TRL's name for each."""

    update: int  # its number, from 1
    score: float  # the reward model's score, mean over the batch
    kl: float  # nats from the reference, summed over a response; mean over the batch, an estimate (k1)
    non_score_reward: float  # what the KL cost: -β · kl
    rlhf_reward: float  # the objective: score - β · kl
    beta: float  # the KL coefficient of this update
    entropy: float  # -log π of a whole response as sampled, in nats
    response_length: float  # tokens a response, end of text included
    ended: float  # the share of responses that reached their end of text
    policy_loss: float  # mean over the minibatches; its size means nothing
    value_loss: float  # half the squared error of the values, in score²
    policy_entropy: float  # the exact entropy of each token's distribution, in nats
    approx_kl: float  # ½ (log ratio)² a token: how far the passes have moved the policy from where it sampled
    clip_fraction: float  # the share of tokens whose gradient the clip has cut to 0
    outside_clip: float  # the share of tokens whose ratio left 1 ± ε, in either direction
    ratio: float  # π / π_old a token, mean over all minibatches
    ratio_variance: float  # its variance
    first_ratio: float  # the ratio on the first minibatch, before any step: 1, or something is wrong
    value_clip_fraction: float  # the share of values that the value clip holds
    explained_variance: float  # how much of the returns the value model foresaw: 1 all, 0 nothing
    policy_grad_norm: float  # before clipping
    value_grad_norm: float  # before clipping
    lr: float  # the policy's learning rate in this update
    optimizer_steps: int  # fewer than epochs · minibatches where stop_kl ended the passes


class Estimate(NamedTuple):
    """What every token was worth: the value model's guess before, and what PPO makes of it. All 0 off the response."""

    values: PerToken
    advantages: PerToken
    returns: PerToken

    def at(self, rows: Tensor) -> "Estimate":
        """These rows of the batch."""
        return Estimate(*(x[rows] for x in self))


def adapt_beta(beta: float, kl: float, target: float, episodes: int, horizon: int) -> float:
    """Raise β when the KL is above its target, lower it when below; at most 20 % of the error counts.

    β ← β (1 + clip(KL / target - 1, ±0.2) · episodes / horizon) (Ziegler et al., 2019, section 2.2).
    """
    error = min(max(kl / target - 1, -0.2), 0.2)
    return beta * (1 + error * episodes / horizon)


def train_ppo(
    policy: CausalLM,
    reference: CausalLM,
    reward_model: RewardFn,
    value_model: ValueModel,
    prompts: Prompts,
    config: PPOConfig,
    *,
    policy_loss: PolicyLoss = clipped_policy_loss,
    value_loss: ValueLoss = clipped_value_loss,
    advantage_fn: AdvantageFn = gae,
    token_reward_fn: TokenRewardFn = token_rewards,
    kl_controller: KLController = adapt_beta,
    state: TrainState | None = None,
) -> Iterator[PPORecord]:
    """Move the policy towards a higher score, near the reference; one record an update."""
    state = ready_to_train(policy, reference, value_model, prompts, config, state)
    require_room(prompts, config.max_new_tokens, reward_model=reward_model)
    actors = policy, reference, reward_model
    with resumable("PPO", state, "update"):
        while state.step < config.updates:
            beta = state.numbers["beta"]
            batch = prompts.draw(config.batch_size, state.generator)
            rollout = collect(*actors, batch, config.max_new_tokens, state.generator, config.missing_eos_score)
            estimates = estimate(rollout, value_model, beta, config, advantage_fn, token_reward_fn)
            steps = ppo_update(policy, value_model, rollout, estimates, config, state, policy_loss, value_loss)
            record = summarise(rollout, estimates, steps, beta, state.step + 1)
            if config.kl_target is not None:
                beta = kl_controller(beta, record.kl, config.kl_target, config.batch_size, config.kl_horizon)
            state.numbers["beta"], state.step = float(beta), state.step + 1
            yield record


def ready_to_train(
    policy: CausalLM,
    reference: CausalLM,
    value_model: ValueModel,
    prompts: Prompts,
    config: PPOConfig,
    state: TrainState | None,
) -> TrainState:
    """The state to start from, or the one to go on from; what cannot work is refused before anything is sampled."""
    require(len(prompts) > 0, "There are no prompts to answer.")
    require_own_weights(policy=policy, reference=reference, value_model=value_model)
    require_room(prompts, config.max_new_tokens, policy=policy, reference=reference, value_model=value_model)
    state = state or new_state(config.seed, policy=policy, value_model=value_model)
    state.numbers.setdefault("beta", config.beta)
    return state


@torch.no_grad()
def estimate(
    rollout: Rollout,
    value_model: ValueModel,
    beta: float,
    config: PPOConfig,
    advantage_fn: AdvantageFn = gae,
    token_reward_fn: TokenRewardFn = token_rewards,
) -> Estimate:
    """How much better than expected was each token? Computed once a batch; nothing here carries a gradient."""
    mask = rollout.response_mask
    values = value_model(rollout.tokens, mask)
    rewards = token_reward_fn(rollout.score, rollout.log_probs, rollout.ref_log_probs, mask, beta)
    advantages, returns = advantage_fn(rewards, values, mask, config.gamma, config.lam)
    # Scale-free steps: the learning rate need not follow the reward. Returns were taken before, in real units.
    return Estimate(values, masked_whiten(advantages, mask), returns)


def ppo_update(
    policy: CausalLM,
    value_model: ValueModel,
    rollout: Rollout,
    estimates: Estimate,
    config: PPOConfig,
    state: TrainState,
    policy_loss: PolicyLoss = clipped_policy_loss,
    value_loss: ValueLoss = clipped_value_loss,
) -> list[Stats]:
    """Several passes over one batch, in shuffled minibatches; the clip keeps the policy near where it sampled."""
    lr, value_lr = (linear_lr(peak, state.step, config.updates) for peak in (config.lr, config.value_lr))
    policy_optimizer, value_optimizer = state.optimizers["policy"], state.optimizers["value_model"]
    steps: list[Stats] = []
    for _ in range(config.epochs):
        order = torch.randperm(len(rollout.tokens), generator=state.generator)
        for rows in order.chunk(config.minibatches):
            minibatch, targets = rollout.at(rows), estimates.at(rows)
            policy_stats = policy_step(policy, minibatch, targets, config, policy_optimizer, lr, policy_loss)
            value_stats = value_step(value_model, minibatch, targets, config, value_optimizer, value_lr, value_loss)
            steps.append(policy_stats | value_stats)
        if config.stop_kl is not None and agreed(steps[-1]["approx_kl"]) > config.stop_kl:
            break
    return steps


def policy_step(
    policy: CausalLM,
    minibatch: Rollout,
    targets: Estimate,
    config: PPOConfig,
    optimizer: Optimizer,
    lr: float,
    policy_loss: PolicyLoss = clipped_policy_loss,
) -> Stats:
    """One step on a minibatch: tokens that were better than expected become more probable, within the clip."""
    tokens, mask, advantages = minibatch.tokens, minibatch.response_mask, targets.advantages
    log_probs, entropies = response_log_probs(policy, tokens, mask)
    loss, stats = policy_loss(log_probs, minibatch.log_probs, advantages, mask, config.clip)
    entropy = masked_mean(entropies, mask)
    total = loss - config.entropy_bonus * entropy if config.entropy_bonus else loss
    norm = optimizer_step(total, optimizer, lr, config.max_grad_norm, tokens=tokens, mask=mask, advantages=advantages)
    return stats | {"policy_loss": loss.item(), "policy_entropy": entropy.item(), "policy_grad_norm": norm, "lr": lr}


def value_step(
    value_model: ValueModel,
    minibatch: Rollout,
    targets: Estimate,
    config: PPOConfig,
    optimizer: Optimizer,
    lr: float,
    value_loss: ValueLoss = clipped_value_loss,
) -> Stats:
    """One step on a minibatch: the value before each token moves towards the return that followed."""
    tokens, mask, returns = minibatch.tokens, minibatch.response_mask, targets.returns
    values = value_model(tokens, mask)
    loss, stats = value_loss(values, targets.values, returns, mask, config.value_clip)
    norm = optimizer_step(loss, optimizer, lr, config.max_grad_norm, tokens=tokens, mask=mask, returns=returns)
    return {"value_loss": loss.item(), "value_grad_norm": norm, "value_clip_fraction": stats["clip_fraction"]}


def summarise(rollout: Rollout, estimates: Estimate, steps: list[Stats], beta: float, update: int) -> PPORecord:
    """Sums over a response and means over the batch for the rollout; means over the minibatches for the losses."""
    mask = rollout.response_mask
    means = rollout.means(beta)
    residual, returns = (estimates.returns - estimates.values)[mask], estimates.returns[mask]
    spread = returns.var(correction=0).clamp(min=1e-8)  # so that a single token is no 0/0
    unexplained = residual.var(correction=0) / spread
    return PPORecord(
        update=update,
        beta=beta,
        non_score_reward=-beta * means["kl"],
        entropy=-masked_sum(rollout.log_probs, mask).mean().item(),
        first_ratio=steps[0]["ratio"],
        explained_variance=1 - unexplained.item(),
        optimizer_steps=len(steps),
        **means,
        **{name: sum(step[name] for step in steps) / len(steps) for name in steps[0]},
    )
