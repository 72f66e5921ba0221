"""Masks, the one shift, and the arithmetic of log-probabilities.

The whole package keeps one index: everything about token t stands at t, in (B, T) tensors that hold the
prompt and the response. A mask is True where a token counts. Rows are padded on the right.

What is left out: an attention mask. With causal attention a token never sees what stands to its right, so
padding on the right cannot change anything before it.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

Tokens = Int[Tensor, "B T"]
Mask = Bool[Tensor, "B T"]
PerToken = Float[Tensor, "B T"]
PerSequence = Float[Tensor, "B"]
Logits = Float[Tensor, "B T V"]
Scalar = Float[Tensor, ""]


def predicting_positions(mask: Mask) -> Mask:
    """The positions whose logits predict the tokens that count: one to the left of each.

    The logits at t are about token t + 1. This function is the only place that knows it.
    """
    return torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)


def to_positions(x: Float[Tensor, "N"], mask: Mask) -> PerToken:
    """Put N numbers, one for each token that counts, at their (B, T) positions; 0 elsewhere.

    Nothing predicts a row's first token, so it never counts.
    """
    counted = torch.cat([torch.zeros_like(mask[:, :1]), mask[:, 1:]], dim=1)
    return torch.zeros_like(mask, dtype=x.dtype).masked_scatter(counted, x)


def last_true(mask: Mask) -> Int[Tensor, "B"]:
    """The index of each row's last True; -1 where a row has none."""
    positions = torch.arange(mask.shape[1], device=mask.device)
    return torch.where(mask, positions, -1).amax(dim=1)


def masked_sum(x: PerToken, mask: Mask) -> PerSequence:
    """The sum of each row over the tokens that count."""
    return torch.where(mask, x, 0.0).sum(dim=1)


def masked_mean(x: PerToken, mask: Mask) -> Scalar:
    """The mean over all tokens of the batch that count; 0 where none does."""
    return torch.where(mask, x, 0.0).sum() / mask.sum().clamp(min=1)


def masked_whiten(x: PerToken, mask: Mask) -> PerToken:
    """Shift and scale x to mean 0 and standard deviation 1 over the tokens that count; 0 elsewhere.

    The variance is the biased one, with 1e-8 under the root, so that a single token gives 0 and not 0/0.
    """
    centred = x - masked_mean(x, mask)
    variance = masked_mean(centred.square(), mask)
    return torch.where(mask, centred * torch.rsqrt(variance + 1e-8), 0.0)


def pairwise_wins(scores: Float[Tensor, "*n"], others: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """1 where the first score is higher, 0 where it is lower, ½ for a tie."""
    return (scores > others).float() + 0.5 * (scores == others).float()


def token_log_probs(logits: Logits, tokens: Tokens, mask: Mask) -> PerToken:
    """log π(tokens[:, t] | tokens[:, :t]) at every t where the mask is True, and 0 elsewhere.

    Only the rows that count are normalised: with a large vocabulary that is where the time goes.
    """
    targets = tokens[:, 1:][mask[:, 1:]]
    return to_positions(-F.cross_entropy(logits[predicting_positions(mask)], targets, reduction="none"), mask)


def log_probs_and_entropy(predictions: Float[Tensor, "N V"], tokens: Tokens, mask: Mask) -> tuple[PerToken, PerToken]:
    """`token_log_probs`, and the entropy in nats of what each token was drawn from, from logits already selected.

    `predictions` are the logits at `predicting_positions(mask)`: a training step computes no others.
    """
    log_p = torch.log_softmax(predictions, dim=-1)
    log_probs = log_p.gather(1, tokens[:, 1:][mask[:, 1:]].unsqueeze(1)).squeeze(1)
    return to_positions(log_probs, mask), to_positions(-(log_p.exp() * log_p).sum(dim=-1), mask)


def token_kl(logits: Logits, other_logits: Logits, mask: Mask) -> PerToken:
    """KL(p ‖ q) over the whole vocabulary at every token that counts, in nats; p from `logits`, q from the other.

    Exact where `log_probs - ref_log_probs` of the sampled token is an estimate: same expectation, less variance.
    """
    log_p, log_q = (torch.log_softmax(x[predicting_positions(mask)], dim=-1) for x in (logits, other_logits))
    return to_positions((log_p.exp() * (log_p - log_q)).sum(dim=-1), mask)
