"""REINFORCE: sample, score, and raise the probability of what did better than the others. One batch, one step.

Twice: on a bandit, where a policy is one number for each of a handful of replies and everything can be worked out
exactly, and as a stage that tunes a language model (train_reinforce). PPO is this, and several steps a batch.

Choices: the reward of a whole reply is its score minus β times its KL (k1), and every token of the reply gets the same
advantage: that reward minus the mean of the others in the batch (RLOO: Ahmadian et al., 2024, section 3). Left out: a
value model, discounting, whitening.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minirlhf.data import Prompts
from minirlhf.losses import policy_gradient_loss
from minirlhf.model import CausalLM
from minirlhf.ops import PerSequence, log_probs_and_entropy, masked_sum, predictors
from minirlhf.rollout import Reward, Rollout, collect
from minirlhf.training import (
    TrainState,
    descend,
    linear_lr,
    require,
    require_between,
    require_counts,
    require_own_weights,
    require_positive,
    stage,
    start,
)

Advantages = Callable[[PerSequence], PerSequence]


def leave_one_out(rewards: PerSequence) -> PerSequence:
    """How much better was each than the others of its batch: its reward minus the mean of theirs.

    The others know nothing of this one, so as a baseline they change no expectation (Kool et al., 2019).
    """
    others = (rewards.sum() - rewards) / max(len(rewards) - 1, 1)
    return rewards - others


# ---- a handful of replies


@dataclass(frozen=True)
class Bandit:
    """A handful of replies, each worth something on average; whoever says one is paid that, give or take `noise`."""

    worth: Mapping[str, float]
    noise: float = 1.0

    @property
    def replies(self) -> list[str]:
        return list(self.worth)

    @property
    def best(self) -> str:
        """The reply that is worth most."""
        return max(self.worth, key=lambda reply: self.worth[reply])

    def pay(self, said: Int[Tensor, "B"], generator: torch.Generator) -> PerSequence:
        """What was paid for each reply said, noise included."""
        means = torch.tensor(list(self.worth.values()))
        return means[said] + self.noise * torch.randn(len(said), generator=generator)

    def plus(self, extra: float | int) -> "Bandit":
        """The same replies, each worth so much more: nothing is better or worse than before."""
        return Bandit({reply: mean + extra for reply, mean in self.worth.items()}, self.noise)


@dataclass(frozen=True)
class BanditRecord:
    """One step: how probable each reply was when the batch was drawn, and what that batch was paid on average."""

    step: int
    chances: Mapping[str, float]
    reward: float


def bandit_gradient(
    logits: Float[Tensor, "K"],
    said: Int[Tensor, "B"],
    advantages: PerSequence,
    loss: Callable = policy_gradient_loss,
) -> Float[Tensor, "K"]:
    """Which way to move each reply's logit, from replies drawn from softmax(logits) and their advantages.

    The direction uphill: minus the gradient of the loss. A reply is one token here.
    """
    logits = logits.detach().requires_grad_()
    log_probs = torch.log_softmax(logits, dim=0)[said].unsqueeze(1)
    mean, _ = loss(log_probs, advantages.unsqueeze(1), torch.ones_like(log_probs, dtype=torch.bool))
    (gradient,) = torch.autograd.grad(mean, logits)
    return -gradient


def train_bandit(
    bandit: Bandit,
    *,
    steps: int = 100,
    batch_size: int = 8,
    lr: float = 0.5,
    seed: int = 0,
    advantages: Advantages = leave_one_out,
    loss: Callable = policy_gradient_loss,
) -> Iterator[BanditRecord]:
    """Start with all replies equally likely; draw a batch, look at what was paid, take one step uphill."""
    generator, logits = torch.Generator().manual_seed(seed), torch.zeros(len(bandit.worth))
    for step in range(1, steps + 1):
        chances = logits.softmax(dim=0)
        said = torch.multinomial(chances, batch_size, replacement=True, generator=generator)
        rewards = bandit.pay(said, generator)
        logits = logits + lr * bandit_gradient(logits, said, advantages(rewards), loss)
        yield BanditRecord(
            step, dict(zip(bandit.worth, chances.tolist(), strict=True)), rewards.mean().item()
        )


# ---- a language model


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
        require(
            isfinite(self.missing_eos_score),
            f"ReinforceConfig.missing_eos_score is {self.missing_eos_score}.",
        )
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
    surprise: float
    response_length: float
    ended: float
    policy_loss: float
    grad_norm: float
    lr: float


def train_reinforce(
    policy: CausalLM,
    reference: CausalLM,
    reward_model: Reward,
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
    state = state or start(config.seed, policy=policy)
    with stage("REINFORCE", state, "update"):
        while state.step < config.updates:
            chosen = torch.randint(len(prompts), (config.batch_size,), generator=state.generator).tolist()
            asked = [prompts.prompts[i] for i in chosen]
            rollout = collect(
                policy, reference, reward_model, asked, config.max_new_tokens, state.generator, eos_id,
                config.missing_eos_score,
            )  # fmt: skip
            lr = linear_lr(config.lr, state.step, config.updates)
            step = improve(policy, rollout, config, lr, state.optimizers["policy"], loss, advantages)
            state.step += 1
            yield ReinforceRecord(state.step, **_means(rollout, config.beta), **step, lr=lr)


def improve(
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
    log_probs, _ = log_probs_and_entropy(policy(tokens, where=predictors(mask)), tokens, mask)
    mean, stats = loss(log_probs, advantage.unsqueeze(1).expand_as(log_probs), mask)
    norm = descend(mean, optimizer, lr, config.max_grad_norm, tokens=tokens, mask=mask, advantage=advantage)
    return {"policy_loss": mean.item(), "surprise": stats["surprise"], "grad_norm": norm}


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
