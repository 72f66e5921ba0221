"""From a score per response to an advantage per token.

The score stands at the last token that counts and the value after it is 0. Other code (TRL, N+) puts it one
place later and keeps a value there; the two agree when gamma = lam = 1.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch

from minirlhf.ops import Mask, PerSequence, PerToken, last_true

SequenceAdvantageFn = Callable[[PerSequence], PerSequence]  # (B,) rewards -> (B,) advantages
GroupAdvantageFn = Callable[[PerSequence, int], PerSequence]  # (B,) scores, replies to a prompt -> (B,) advantages


@runtime_checkable
class TokenRewardFn(Protocol):
    """From a score a response to a reward a token: `token_rewards`, or yours."""

    def __call__(
        self, score: PerSequence, log_probs: PerToken, ref_log_probs: PerToken, mask: Mask, beta: float, /
    ) -> PerToken: ...


@runtime_checkable
class AdvantageFn(Protocol):
    """From rewards and values to (advantages, returns): `gae`, or yours."""

    def __call__(
        self, rewards: PerToken, values: PerToken, mask: Mask, gamma: float, lam: float, /
    ) -> tuple[PerToken, PerToken]: ...


def token_rewards(
    score: PerSequence, log_probs: PerToken, ref_log_probs: PerToken, mask: Mask, beta: float
) -> PerToken:
    """Every token pays for leaving the reference, and the last one that counts earns the score.

    r_t = -β (log π(t) - log π_ref(t)), plus the score at the end (Ziegler et al., 2019, section 2).
    A row with no token that counts earns nothing.
    """
    rewards = torch.where(mask, -beta * (log_probs - ref_log_probs), 0.0)
    position = torch.arange(mask.shape[1], device=mask.device)
    is_last = position == last_true(mask).unsqueeze(1)
    return torch.where(is_last, rewards + score.unsqueeze(1), rewards)


def gae(
    rewards: PerToken, values: PerToken, mask: Mask, gamma: float = 1.0, lam: float = 0.95
) -> tuple[PerToken, PerToken]:
    """How much better than expected each token turned out, and what the value should have been.

    δ_t = r_t + γ V_{t+1} - V_t,  A_t = δ_t + γλ A_{t+1},  R_t = A_t + V_t (Schulman et al., 2016, eq. 16).
    Returns (advantages, returns), both 0 where the mask is False; nothing is whitened yet.
    """
    values = torch.where(mask, values, 0.0)
    next_values = torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], dim=1)
    deltas = torch.where(mask, rewards + gamma * next_values - values, 0.0)
    advantages, running = torch.zeros_like(deltas), torch.zeros_like(deltas[:, 0])
    for t in reversed(range(deltas.shape[1])):
        running = torch.where(mask[:, t], deltas[:, t] + gamma * lam * running, 0.0)
        advantages[:, t] = running
    return advantages, torch.where(mask, advantages + values, 0.0)


def leave_one_out(rewards: PerSequence) -> PerSequence:
    """Each reward minus the mean of the others of its batch.

    The others are independent of this one, so as a baseline they change no expectation (Kool et al., 2019).
    """
    others = (rewards.sum() - rewards) / max(len(rewards) - 1, 1)
    return rewards - others


def group_advantages(score: PerSequence, group_size: int) -> PerSequence:
    """Each reply's score minus the mean score of the other replies to the same prompt.

    Rows of one prompt stand together, `group_size` of them. Leave-one-out (Kool et al., 2019; RLOO: Ahmadian et al.,
    2024): unbiased, whatever the size. A group in which all scores are equal teaches nothing: exactly 0.
    """
    groups = score.view(-1, group_size)
    apart = groups - groups[:, :1]  # only differences count, and equal scores shall leave no rounding behind
    return (groups.shape[1] * apart - apart.sum(dim=1, keepdim=True)).flatten() / max(group_size - 1, 1)


def centred_advantages(score: PerSequence, group_size: int) -> PerSequence:
    """Each reply's score minus its group's mean, its own share in it: (G - 1)/G of `group_advantages`.

    Dr. GRPO's (Liu et al., 2025).
    """
    return group_advantages(score, group_size) * ((group_size - 1) / group_size)


def standardised_advantages(score: PerSequence, group_size: int) -> PerSequence:
    """The same, divided by the group's standard deviation, 1e-4 added. GRPO's (Shao et al., 2024, section 4.1.2).

    A group that agrees nearly, because its prompt is easy or hard, comes to count as much as one that is divided.
    """
    spread = score.view(-1, group_size).std(dim=1, keepdim=True).expand(-1, group_size).flatten()
    return centred_advantages(score, group_size) / (spread + 1e-4)
