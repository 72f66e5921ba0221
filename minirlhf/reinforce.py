"""REINFORCE: sample, score, and raise the probability of what did better than the others. One batch, one step.

PPO is this, and several steps a batch. bandit.py does it where everything can be worked out exactly.

Choices: the reward of a whole reply is its score minus β times its KL (k1), and every token of the reply gets the same
advantage: that reward minus the mean of the others in the batch (RLOO: Ahmadian et al., 2024, section 3). Left out: a
value model, discounting, whitening.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite

import torch

from minirlhf.advantages import Advantages, leave_one_out
from minirlhf.data import Prompts
from minirlhf.losses import policy_gradient_loss
from minirlhf.model import CausalLM
from minirlhf.ops import log_probs_and_entropy, masked_sum, predicting_positions
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
class ReinforceConfig:
    """What a run is told. Each update samples `batch_size` replies and takes one step; lr is Adam's, linear to 0."""

    updates: int = 60
    batch_size: int = 96
    max_new_tokens: int = 40
    lr: float = 1e-3
    beta: float = 0.05
    missing_eos_score: float = -2.0  # of normalised scores: two deviations below the reference's mean
    max_grad_norm: float = 1.0
    seed: int = 0

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

    update: int
    score: float
    kl: float
    rlhf_reward: float
    nll: float
    response_length: float
    ended: float
    policy_loss: float
    grad_norm: float
    lr: float


def train_reinforce(
    policy: CausalLM,
    reference: CausalLM,
    reward_model: RewardFn,
    prompts: Prompts,
    config: ReinforceConfig,
    *,
    eos_id: int | None,
    loss: Callable = policy_gradient_loss,
    advantages: Advantages = leave_one_out,
    state: TrainState | None = None,
) -> Iterator[ReinforceRecord]:
    """Make replies that beat the others of their batch more probable, less what they cost in KL; a record an update."""
    require(len(prompts) > 0, "There are no prompts to answer.")
    require_own_weights(policy=policy, reference=reference)
    state = state or new_state(config.seed, policy=policy)
    with resumable("REINFORCE", state, "update"):
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
            lr = linear_lr(config.lr, state.step, config.updates)
            step = reinforce_update(policy, rollout, config, lr, state.optimizers["policy"], loss, advantages)
            state.step += 1
            yield ReinforceRecord(state.step, **_means(rollout, config.beta), **step, lr=lr)


def reinforce_update(
    policy: CausalLM,
    rollout: Rollout,
    config: ReinforceConfig,
    lr: float,
    optimizer: torch.optim.Optimizer,
    loss: Callable = policy_gradient_loss,
    advantages: Advantages = leave_one_out,
) -> dict[str, float]:
    """One step on one batch. It cannot be repeated: after it, these are no longer replies of this policy."""
    tokens, mask = rollout.tokens, rollout.response_mask
    # The penalty is part of the reward: a number, with no gradient of its own. That suffices (E ∇log π = 0).
    penalty = config.beta * masked_sum(rollout.log_probs - rollout.ref_log_probs, mask)
    advantage = advantages(rollout.score - penalty)
    log_probs, _ = log_probs_and_entropy(policy(tokens, at=predicting_positions(mask)), tokens, mask)
    mean, stats = loss(log_probs, advantage.unsqueeze(1).expand_as(log_probs), mask)
    norm = optimizer_step(mean, optimizer, lr, config.max_grad_norm, tokens=tokens, mask=mask, advantage=advantage)
    return {"policy_loss": mean.item(), "nll": stats["nll"], "grad_norm": norm}


def _means(rollout: Rollout, beta: float) -> dict[str, float]:
    """Means over the batch; the KL is summed over a reply."""
    mask = rollout.response_mask
    score = rollout.score.mean().item()
    kl = masked_sum(rollout.log_probs - rollout.ref_log_probs, mask).mean().item()
    return {
        "score": score,
        "kl": kl,
        "rlhf_reward": score - beta * kl,
        "response_length": mask.sum(dim=1).float().mean().item(),
        "ended": rollout.ended.float().mean().item(),
    }
