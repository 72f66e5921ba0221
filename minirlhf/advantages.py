"""From a score per response to an advantage per token.

The score stands at the last token that counts and the value after it is 0. Other code (TRL, N+) puts it one
place later and keeps a value there; the two agree when gamma = lam = 1.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch

from minirlhf.ops import Mask, PerSequence, PerToken, last_true

SequenceAdvantageFn = Callable[[PerSequence], PerSequence]  # (B,) rewards -> (B,) advantages


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
