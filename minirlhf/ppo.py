"""PPO for language models: sample, score, and make what turned out better than expected more probable.

Read from the top: what a run is told (PPOConfig), what it reports (PPORecord), the loop (train_ppo), and the two
halves of an update: what each token was worth (estimate), and how the models learn it (improve).

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

from minirlhf.advantages import gae, token_rewards
from minirlhf.data import Prompts
from minirlhf.losses import clipped_policy_loss, clipped_value_loss
from minirlhf.model import CausalLM, ValueModel
from minirlhf.ops import PerToken, log_probs_and_entropy, masked_mean, masked_sum, masked_whiten, predicting_positions
from minirlhf.rollout import RewardFn, Rollout, collect
from minirlhf.training import (
    TrainState,
    linear_lr,
    new_state,
    optimizer_step,
    require,
    require_between,
    require_counts,
    require_own_weights,
    require_positive,
    resumable,
)


@dataclass(frozen=True)
class PPOConfig:
    """What a run is told. Sizes count responses; rates are Adam's, at the start; KL is in nats a response."""

    updates: int = 20
    batch_size: int = 128
    epochs: int = 4
    minibatches: int = 2
    max_new_tokens: int = 40
    lr: float = 4e-4
    value_lr: float = 1e-3
    beta: float = 0.05
    kl_target: float | None = None  # None: β stays; else β is moved so that the KL comes to stand here
    kl_horizon: int = 10_000  # how many responses β takes to double, or nearly halve, when the KL is far off
    gamma: float = 1.0
    lam: float = 0.95
    clip: float = 0.2
    value_clip: float = 0.2
    entropy_bonus: float = 0.0
    stop_kl: float | None = None  # ends an update's epochs once the policy has moved this far (approx_kl)
    missing_eos_score: float = -2.0  # of normalised scores: two deviations below the reference's mean
    max_grad_norm: float = 1.0
    seed: int = 0

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
    """What one update did. metrics.py says what each number means, what healthy looks like, and TRL's name for it."""

    update: int
    score: float
    kl: float
    non_score_reward: float
    rlhf_reward: float
    beta: float
    entropy: float
    response_length: float
    ended: float
    policy_loss: float
    value_loss: float
    policy_entropy: float
    approx_kl: float
    clip_fraction: float
    outside_clip: float
    ratio: float
    ratio_variance: float
    first_ratio: float
    value_clip_fraction: float
    explained_variance: float
    policy_grad_norm: float
    value_grad_norm: float
    lr: float
    optimizer_steps: int


class Estimate(NamedTuple):
    """What every token was worth: the value model's guess before, and what PPO makes of it. All 0 off the response."""

    values: PerToken
    advantages: PerToken
    returns: PerToken


def adapt_beta(beta: float, kl: float, target: float, episodes: int, horizon: int) -> float:
    """Pull the leash tighter when the KL is above its target, looser when below; at most 20 % of the error counts.

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
    eos_id: int | None,
    policy_loss: Callable = clipped_policy_loss,
    value_loss: Callable = clipped_value_loss,
    advantages: Callable = gae,
    rewards: Callable = token_rewards,
    kl_controller: Callable = adapt_beta,
    state: TrainState | None = None,
) -> Iterator[PPORecord]:
    """Move the policy towards what the reward model likes, on a leash of KL to the reference; a record an update."""
    require(len(prompts) > 0, "There are no prompts to answer.")
    require_own_weights(policy=policy, reference=reference, value_model=value_model)
    state = state or new_state(config.seed, policy=policy, value_model=value_model)
    beta = state.numbers.setdefault("beta", config.beta)
    with resumable("PPO", state, "update"):
        while state.step < config.updates:
            chosen = torch.randint(len(prompts), (config.batch_size,), generator=state.generator).tolist()
            asked = [prompts.prompts[i] for i in chosen]
            rollout = collect(
                policy,
                reference,
                reward_model,
                asked,
                config.max_new_tokens,
                state.generator,
                eos_id,
                config.missing_eos_score,
            )
            estimates = estimate(rollout, value_model, beta, config, advantages, rewards)
            losses = ppo_update(policy, value_model, rollout, estimates, config, state, policy_loss, value_loss)
            record = _record(rollout, estimates, losses, beta, state.step + 1)
            if config.kl_target is not None:
                beta = float(kl_controller(beta, record.kl, config.kl_target, config.batch_size, config.kl_horizon))
            state.numbers["beta"], state.step = beta, state.step + 1
            yield record


@torch.no_grad()
def estimate(
    rollout: Rollout,
    value_model: ValueModel,
    beta: float,
    config: PPOConfig,
    advantages: Callable = gae,
    rewards: Callable = token_rewards,
) -> Estimate:
    """How much better than expected was each token? Computed once a batch; nothing here carries a gradient."""
    mask = rollout.response_mask
    values = value_model(rollout.tokens, mask)
    earned = rewards(rollout.score, rollout.log_probs, rollout.ref_log_probs, mask, beta)
    raw_advantages, returns = advantages(earned, values, mask, config.gamma, config.lam)
    # Scale-free steps: the learning rate need not follow the reward. Returns were taken before, in real units.
    return Estimate(values, masked_whiten(raw_advantages, mask), returns)


def ppo_update(
    policy: CausalLM,
    value_model: ValueModel,
    rollout: Rollout,
    estimates: Estimate,
    config: PPOConfig,
    state: TrainState,
    policy_loss: Callable = clipped_policy_loss,
    value_loss: Callable = clipped_value_loss,
) -> list[dict[str, float]]:
    """Several passes over one batch, in shuffled minibatches; the clip keeps the policy near where it sampled."""
    lr, value_lr = (linear_lr(peak, state.step, config.updates) for peak in (config.lr, config.value_lr))
    steps: list[dict[str, float]] = []
    for _ in range(config.epochs):
        order = torch.randperm(len(rollout.tokens), generator=state.generator)
        for rows in order.chunk(config.minibatches):
            tokens, mask = rollout.tokens[rows], rollout.response_mask[rows]
            old_log_probs, old_values = rollout.log_probs[rows], estimates.values[rows]
            advantages, returns = estimates.advantages[rows], estimates.returns[rows]
            batch = {"tokens": tokens, "mask": mask, "advantages": advantages}

            predictions = policy(tokens, at=predicting_positions(mask))
            log_probs, entropies = log_probs_and_entropy(predictions, tokens, mask)
            loss, stats = policy_loss(log_probs, old_log_probs, advantages, mask, config.clip)
            entropy = masked_mean(entropies, mask)
            total = loss - config.entropy_bonus * entropy if config.entropy_bonus else loss
            norm = optimizer_step(total, state.optimizers["policy"], lr, config.max_grad_norm, **batch)

            values = value_model(tokens, mask)
            error, value_stats = value_loss(values, old_values, returns, mask, config.value_clip)
            value_norm = optimizer_step(error, state.optimizers["value_model"], value_lr, config.max_grad_norm, **batch)
            policy_step = {"policy_loss": loss.item(), "policy_entropy": entropy.item(), "policy_grad_norm": norm}
            value_step = {"value_loss": error.item(), "value_grad_norm": value_norm}
            value_step["value_clip_fraction"] = value_stats["clip_fraction"]
            steps.append(stats | policy_step | value_step | {"lr": lr})
        if config.stop_kl is not None and steps[-1]["approx_kl"] > config.stop_kl:
            break
    return steps


def _record(
    rollout: Rollout, estimates: Estimate, steps: list[dict[str, float]], beta: float, update: int
) -> PPORecord:
    """Sums over a response and means over the batch for the rollout; means over the minibatches for the losses."""
    mask = rollout.response_mask
    score = rollout.score.mean().item()
    kl = masked_sum(rollout.log_probs - rollout.ref_log_probs, mask).mean().item()
    residual, returns = (estimates.returns - estimates.values)[mask], estimates.returns[mask]
    spread = returns.var(correction=0).clamp(min=1e-8)  # so that a single token is no 0/0
    unexplained = residual.var(correction=0) / spread
    means = {name: sum(step[name] for step in steps) / len(steps) for name in steps[0]}
    return PPORecord(
        update=update,
        score=score,
        kl=kl,
        non_score_reward=-beta * kl,
        rlhf_reward=score - beta * kl,
        beta=beta,
        entropy=-masked_sum(rollout.log_probs, mask).mean().item(),
        response_length=mask.sum(dim=1).float().mean().item(),
        ended=rollout.ended.float().mean().item(),
        first_ratio=steps[0]["ratio"],
        explained_variance=1 - unexplained.item(),
        optimizer_steps=len(steps),
        **means,
    )
