"""GRPO's equations: what a group says of each reply, how tokens are averaged, and what distance costs.

Where implementations differ they differ in these three, so each choice is a function of its own. grpo.py uses them.
"""

from collections.abc import Callable

import torch

from minirlhf.ops import Mask, PerSequence, PerToken, Scalar, masked_sum

GroupAdvantageFn = Callable[[PerSequence, int], PerSequence]  # (B,) scores, replies to a prompt -> (B,) advantages
KLEstimator = Callable[[PerToken, PerToken], PerToken]  # (log_probs, ref_log_probs) -> what each token costs


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


def dead_groups(p: float, group_size: int) -> float:
    """The share of groups in which all replies are right or all are wrong: p^G + (1-p)^G. They teach nothing."""
    if not 0 <= p <= 1 or group_size < 1:
        raise ValueError(f"p is {p}, a probability from 0 to 1; group_size is {group_size}, 1 or more.")
    return p**group_size + (1 - p) ** group_size


def frac_reward_zero_std(score: PerSequence, group_size: int) -> Scalar:
    """The share of groups in which all replies got the same score, so that nothing is learned from them.

    Rows of one prompt stand together, `group_size` of them. The name is TRL's.
    """
    groups = score.view(-1, group_size)
    return (groups == groups[:, :1]).all(dim=1).float().mean()


def sequence_mean(x: PerToken, mask: Mask) -> Scalar:
    """The mean over the rows of each row's own mean: a token of a short response weighs more than one of a long."""
    return (masked_sum(x, mask) / mask.sum(dim=1).clamp(min=1)).mean()


def constant_mean(x: PerToken, mask: Mask, length: int) -> Scalar:
    """The sum over all tokens that count, divided by B times one fixed length: every token weighs the same, always."""
    return masked_sum(x, mask).mean() / length


def k1(log_probs: PerToken, ref_log_probs: PerToken) -> PerToken:
    """log π - log π_ref: right on average as a number, and as a loss no leash at all, for E ∇log π = 0."""
    return log_probs - ref_log_probs


def k2(log_probs: PerToken, ref_log_probs: PerToken) -> PerToken:
    """Half the squared log-ratio: a biased number, and the right gradient of KL(π ‖ π_ref). (Schulman, 2020.)"""
    return 0.5 * (log_probs - ref_log_probs).square()


def k3(log_probs: PerToken, ref_log_probs: PerToken) -> PerToken:
    """π_ref/π - 1 - log(π_ref/π): never negative, right on average, and its gradient is that of KL(π_ref ‖ π).

    The choice of GRPO's authors (Shao et al., 2024, eq. 4; Schulman, 2020, for the name).
    """
    log_ratio = ref_log_probs - log_probs
    return torch.expm1(log_ratio) - log_ratio
