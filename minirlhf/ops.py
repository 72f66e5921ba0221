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


def before(x: Float[Tensor, "B T *rest"]) -> Float[Tensor, "B T *rest"]:
    """Move what a causal model says one place to the right: from *after token t* to *before token t + 1*.

    A network's output at t was computed from tokens 0 to t, so it speaks about token t + 1. Only this function
    and `_predictions`, its twin for logits, know it. Nothing is known before the first token: zeros stand there.
    """
    return torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1)


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


def token_log_probs(logits: Logits, tokens: Tokens, mask: Mask) -> PerToken:
    """log π(tokens[:, t] | tokens[:, :t]) at every t where the mask is True, and 0 elsewhere.

    Only the rows that count are normalised: with a large vocabulary that is where the time goes.
    """
    predictions, counted = _predictions(logits, mask)
    log_probs = -F.cross_entropy(predictions, tokens[counted], reduction="none")
    return _scatter(log_probs, counted)


def token_log_probs_and_entropy(logits: Logits, tokens: Tokens, mask: Mask) -> tuple[PerToken, PerToken]:
    """`token_log_probs`, and the entropy in nats of the distribution that each token is drawn from."""
    predictions, counted = _predictions(logits, mask)
    log_p = torch.log_softmax(predictions, dim=-1)
    log_probs = log_p.gather(1, tokens[counted].unsqueeze(1)).squeeze(1)
    return _scatter(log_probs, counted), _scatter(-(log_p.exp() * log_p).sum(dim=-1), counted)


def token_kl(logits: Logits, other_logits: Logits, mask: Mask) -> PerToken:
    """KL(p ‖ q) over the whole vocabulary at every token that counts, in nats; p from `logits`, q from the other.

    Exact where `log_probs - ref_log_probs` of the sampled token is an estimate: same expectation, less variance.
    """
    predictions, counted = _predictions(logits, mask)
    other_predictions, _ = _predictions(other_logits, mask)
    log_p, log_q = torch.log_softmax(predictions, dim=-1), torch.log_softmax(other_predictions, dim=-1)
    return _scatter((log_p.exp() * (log_p - log_q)).sum(dim=-1), counted)


def _predictions(logits: Logits, mask: Mask) -> tuple[Float[Tensor, "N V"], Mask]:
    """The N logit vectors that speak about the tokens that count, and where those tokens stand.

    Nothing predicts the first token, so it never counts.
    """
    counted = mask & (torch.arange(mask.shape[1], device=mask.device) > 0)
    return logits[:, :-1][counted[:, 1:]], counted


def _scatter(x: Float[Tensor, "N"], counted: Mask) -> PerToken:
    return torch.zeros_like(counted, dtype=x.dtype).masked_scatter(counted, x)
