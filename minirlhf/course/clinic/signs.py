"""The two numbers that a clinician asks for first, from tensors that every run has at hand."""

from minirlhf.ops import Mask, PerSequence, PerToken, Scalar, masked_mean


def first_ratio(log_probs: PerToken, old_log_probs: PerToken, mask: Mask) -> Scalar:
    """How probable a token is now beside what it was drawn with, π / π_old, the mean over the tokens that count.

    On an update's first minibatch, before any step, it is 1; anything else says that sampling and training disagree.
    """
    return masked_mean((log_probs - old_log_probs).exp(), mask)


def frac_reward_zero_std(score: PerSequence, group_size: int) -> Scalar:
    """The share of groups in which all replies got the same score, so that nothing is learned from them.

    Rows of one prompt stand together, `group_size` of them. The name is TRL's.
    """
    groups = score.view(-1, group_size)
    return (groups == groups[:, :1]).all(dim=1).float().mean()
