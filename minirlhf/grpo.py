"""Group relative policy optimisation: several replies to each prompt, and each is measured against the others.

PPO's clip and PPO's leash, without the value model: the other replies of the group say what was to be expected. With a
verifier for a reward model (verifiers.py) this is RL with verifiable rewards; with a learned one it works the same.

Choices: leave-one-out and no division by the spread (`group_advantages`); the mean over all tokens of a minibatch; the
KL of a whole reply in its reward (k1), and in the loss only where `kl_in_loss` is given. Shao et al. (2024) use
`standardised_advantages`, `sequence_mean` and `k3`. Left out: drawing again where a group agrees, a penalty on length,
another clip upwards than downwards.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite, log

import torch

from minirlhf.data import Prompts
from minirlhf.groups import GroupAdvantageFn, KLEstimator, frac_reward_zero_std, group_advantages
from minirlhf.losses import Aggregate, Stats, clipped_policy_loss
from minirlhf.machine.require import (
    require,
    require_between,
    require_counts,
    require_own_weights,
    require_positive,
    require_room,
)
from minirlhf.model import CausalLM, response_log_probs
from minirlhf.ops import Mask, PerSequence, PerToken, Scalar, masked_mean
from minirlhf.rollout import RewardFn, Rollout, collect
from minirlhf.training import TrainState, linear_lr, new_state, optimizer_step, resumable

# (log_probs, old_log_probs, advantages, mask, clip, aggregate): `clipped_policy_loss`, or yours.
GroupLoss = Callable[[PerToken, PerToken, PerToken, Mask, float, Aggregate], tuple[Scalar, Stats]]


@dataclass(frozen=True)
class GRPOConfig:
    """The settings of a run. Each update samples `prompts` times `group_size` replies."""

    updates: int = 12  # batches to sample and learn from
    prompts: int = 16  # prompts drawn for each update
    group_size: int = 8  # replies to each of them
    epochs: int = 2  # passes over each batch
    minibatches: int = 2  # optimiser steps in each pass; a divisor of prompts times group_size
    max_new_tokens: int = 40  # the longest reply, in tokens
    lr: float = 4e-4  # Adam's learning rate at the start; it falls linearly to 0
    beta: float = 0.02  # the KL coefficient: score paid for each nat away from the reference
    clip: float = 0.2  # ε of the clip: a ratio outside 1 ± ε gains nothing more
    missing_eos_score: float = 0.0  # the score of a reply without end of text; a normalised reward model wants about -2
    max_grad_norm: float = 1.0  # gradients are scaled down to this norm
    seed: int = 0  # of the prompts drawn, the tokens sampled and the shuffling

    def __post_init__(self) -> None:
        require_counts(self, "updates", "prompts", "group_size", "epochs", "minibatches", "max_new_tokens")
        require_positive(self, "lr", "clip", "max_grad_norm")
        require_between(self, 0, sys.float_info.max, "beta")
        require(isfinite(self.missing_eos_score), f"GRPOConfig.missing_eos_score is {self.missing_eos_score}.")
        require(
            self.group_size > 1,
            "GRPOConfig.group_size is 1; it must be 2 or more: a reply is compared with others to the same prompt.",
        )
        require(
            self.batch_size % self.minibatches == 0,
            f"GRPOConfig.minibatches ({self.minibatches}) must divide prompts times group_size ({self.batch_size}).",
        )

    @property
    def batch_size(self) -> int:
        """Replies sampled for each update."""
        return self.prompts * self.group_size


@dataclass(frozen=True)
class GRPORecord:
    """What one update did. metrics.py says what healthy looks like, and TRL's name for each."""

    update: int  # its number, from 1
    score: float  # what the verifier or reward model gave, mean over the batch
    pass_at_1: float  # the share of replies with full marks: a score of 1 or more
    frac_reward_zero_std: float  # the share of groups in which all scores are equal, so that they teach nothing
    kl: float  # nats from the reference, summed over a reply; mean over the batch, an estimate (k1)
    rlhf_reward: float  # the objective: score - β · kl
    kl_of_certainty: float  # -ln p, with p the share of full marks at update 1: what it costs always to be right
    kl_beyond_certainty: float  # kl + ln p: above 0, nats have bought something that nobody checks
    response_length: float  # tokens a reply, end of text included
    length_right: float  # the same of replies with full marks; 0 where there are none
    length_wrong: float  # the same of the others; 0 where there are none
    ended: float  # the share of replies that reached their end of text
    policy_loss: float  # mean over the minibatches; near 0 whatever is learned
    policy_entropy: float  # the exact entropy of each token's distribution, in nats
    approx_kl: float  # ½ (log ratio)² a token: how far the passes have moved the policy from where it sampled
    clip_fraction: float  # the share of tokens whose gradient the clip has cut to 0
    outside_clip: float  # the share of tokens whose ratio left 1 ± ε, in either direction
    ratio: float  # π / π_old a token, mean over all minibatches
    ratio_variance: float  # its variance
    first_ratio: float  # the ratio on the first minibatch, before any step: 1, or something is wrong
    grad_norm: float  # before clipping; 0 where every group agrees
    lr: float  # the learning rate of this update


def train_grpo(
    policy: CausalLM,
    reference: CausalLM,
    reward_model: RewardFn,
    prompts: Prompts,
    config: GRPOConfig,
    *,
    advantage_fn: GroupAdvantageFn = group_advantages,
    policy_loss: GroupLoss = clipped_policy_loss,
    aggregate: Aggregate = masked_mean,
    kl_in_loss: KLEstimator | None = None,
    state: TrainState | None = None,
) -> Iterator[GRPORecord]:
    """Make replies that did better than others to the same prompt more probable; one record an update."""
    state = ready_to_train(policy, reference, prompts, config, state)
    require_room(prompts, config.max_new_tokens, reward_model=reward_model)
    actors = policy, reference, reward_model
    with resumable("GRPO", state, "update"):
        while state.step < config.updates:
            asked = prompts.draw(config.prompts, state.generator)
            batch = [prompt for prompt in asked for _ in range(config.group_size)]
            rollout = collect(*actors, batch, config.max_new_tokens, state.generator, config.missing_eos_score)
            # The penalty is part of the reward: a number, with no gradient of its own. That suffices (E ∇log π = 0).
            reward = rollout.score if kl_in_loss else rollout.score - config.beta * rollout.kl
            advantages = advantage_fn(reward, config.group_size)
            steps = grpo_update(policy, rollout, advantages, config, state, policy_loss, aggregate, kl_in_loss)
            state.numbers.setdefault("start", share_right(rollout.score, len(batch)))
            record = summarise(rollout, steps, config, state)
            state.step += 1
            yield record


def ready_to_train(
    policy: CausalLM, reference: CausalLM, prompts: Prompts, config: GRPOConfig, state: TrainState | None
) -> TrainState:
    """The state to start from, or the one to go on from; what cannot work is refused before anything is sampled."""
    require(len(prompts) > 0, "There are no prompts to answer.")
    require_own_weights(policy=policy, reference=reference)
    require_room(prompts, config.max_new_tokens, policy=policy, reference=reference)
    return state or new_state(config.seed, policy=policy)


def grpo_update(
    policy: CausalLM,
    rollout: Rollout,
    advantages: PerSequence,
    config: GRPOConfig,
    state: TrainState,
    policy_loss: GroupLoss = clipped_policy_loss,
    aggregate: Aggregate = masked_mean,
    kl_in_loss: KLEstimator | None = None,
) -> list[Stats]:
    """Several passes over one batch, in shuffled minibatches; every token of a reply gets its reply's advantage."""
    lr, optimizer = linear_lr(config.lr, state.step, config.updates), state.optimizers["policy"]
    steps: list[Stats] = []
    for _ in range(config.epochs):
        order = torch.randperm(len(rollout.tokens), generator=state.generator)
        for rows in order.chunk(config.minibatches):
            minibatch = rollout.at(rows)
            tokens, mask = minibatch.tokens, minibatch.response_mask
            log_probs, entropies = response_log_probs(policy, tokens, mask)
            token_advantages = advantages[rows].unsqueeze(1).expand_as(log_probs)  # (n,) -> (n, T)
            loss, stats = policy_loss(log_probs, minibatch.log_probs, token_advantages, mask, config.clip, aggregate)
            stats |= {"policy_loss": loss.item(), "policy_entropy": masked_mean(entropies.detach(), mask).item()}
            if kl_in_loss is not None:
                loss = loss + config.beta * aggregate(kl_in_loss(log_probs, minibatch.ref_log_probs), mask)
            norm = optimizer_step(loss, optimizer, lr, config.max_grad_norm, tokens=tokens, advantages=token_advantages)
            steps.append(stats | {"grad_norm": norm, "lr": lr})
    return steps


def share_right(score: PerSequence, n: int) -> float:
    """The share of full marks, and where there are none half of one, so that its logarithm is finite."""
    return max((score >= 1).sum().item(), 0.5) / n


def summarise(rollout: Rollout, steps: list[Stats], config: GRPOConfig, state: TrainState) -> GRPORecord:
    """Means over the batch for the rollout, and over the minibatches for the losses."""
    means, right = rollout.means(config.beta), rollout.score >= 1
    lengths = rollout.response_mask.sum(dim=1).float()
    length_right, length_wrong = (lengths[side].sum().item() / max(int(side.sum()), 1) for side in (right, ~right))
    certainty = -log(state.numbers["start"])
    return GRPORecord(
        update=state.step + 1,
        pass_at_1=right.float().mean().item(),
        frac_reward_zero_std=frac_reward_zero_std(rollout.score, config.group_size).item(),
        kl_of_certainty=certainty,
        kl_beyond_certainty=means["kl"] - certainty,
        length_right=length_right,
        length_wrong=length_wrong,
        first_ratio=steps[0]["ratio"],
        **means,
        **{name: sum(step[name] for step in steps) / len(steps) for name in steps[0]},
    )
