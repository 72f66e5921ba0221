"""The number that a clinician asks for first, from tensors that every run has at hand."""

from minirlhf.ops import Mask, PerToken, Scalar, masked_mean


def first_ratio(log_probs: PerToken, old_log_probs: PerToken, mask: Mask) -> Scalar:
    """How probable a token is now beside what it was drawn with, π / π_old, the mean over the tokens that count.

    On an update's first minibatch, before any step, it is 1; anything else says that sampling and training disagree.
    """
    return masked_mean((log_probs - old_log_probs).exp(), mask)
