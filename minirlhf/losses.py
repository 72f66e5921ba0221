"""The losses, each an equation: tensors in, a scalar and a dict of floats out. No model, no config.

Means are over the tokens that count in the whole batch, so a long response weighs more than a short one.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from minirlhf.ops import (
    Logits,
    Mask,
    PerSequence,
    PerToken,
    Scalar,
    Tokens,
    masked_mean,
    masked_sum,
    pairwise_wins,
    predicting_positions,
)

Stats = dict[str, float]
PerPair = Float[Tensor, "N"]  # where the B = 2N rows of a batch are the chosen above and the rejected below


@runtime_checkable
class PolicyGradientLoss(Protocol):
    """REINFORCE's loss: `policy_gradient_loss`, or yours."""

    def __call__(self, log_probs: PerToken, advantages: PerToken, mask: Mask, /) -> tuple[Scalar, Stats]: ...


@runtime_checkable
class PolicyLoss(Protocol):
    """PPO's loss of the policy: `clipped_policy_loss`, or yours."""

    def __call__(
        self, log_probs: PerToken, old_log_probs: PerToken, advantages: PerToken, mask: Mask, clip: float, /
    ) -> tuple[Scalar, Stats]: ...


@runtime_checkable
class ValueLoss(Protocol):
    """PPO's loss of the value model: `clipped_value_loss`, or yours."""

    def __call__(
        self, values: PerToken, old_values: PerToken, returns: PerToken, mask: Mask, clip: float, /
    ) -> tuple[Scalar, Stats]: ...


@runtime_checkable
class DPOLoss(Protocol):
    """DPO's loss of pairs, the chosen in the upper half of the rows: `dpo_loss`, or yours."""

    def __call__(
        self, log_probs: PerToken, ref_log_probs: PerToken, mask: Mask, beta: float, preference: PerPair, /
    ) -> tuple[Scalar, Stats]: ...


# A reward model's: (chosen, rejected, preference); `bradley_terry_loss`, or yours.
PreferenceLoss = Callable[[PerSequence, PerSequence, PerSequence], tuple[Scalar, Stats]]
Aggregate = Callable[[PerToken, Mask], Scalar]  # from a number a token to one number: `masked_mean`, or another


def cross_entropy(log_probs: Float[Tensor, "N K"], labels: Int[Tensor, "N"]) -> tuple[Scalar, Stats]:
    """The mean negative log-likelihood of the right labels, in nats: -1/N Σ log p(label n). (Cox, 1966.)

    `labels` holds the right column for each row. A uniform guess among K labels costs ln K.
    """
    right = log_probs.gather(1, labels.unsqueeze(1)).squeeze(1)
    return -right.mean(), {"accuracy": (log_probs.argmax(dim=1) == labels).float().mean().item()}


def sft_loss(logits: Logits, tokens: Tokens, mask: Mask) -> tuple[Scalar, Stats]:
    """The mean negative log-likelihood of the response's tokens, in nats.

    -1/n Σ log π(token t | tokens before t), over the n tokens where the mask is True: the response and its
    end-of-text, never the prompt, never the padding. An untrained model starts at ln V.
    """
    predictions, targets = logits[predicting_positions(mask)], tokens[:, 1:][mask[:, 1:]]
    loss = F.cross_entropy(predictions, targets, reduction="sum") / max(len(targets), 1)
    with torch.no_grad():
        hits = (predictions.argmax(dim=-1) == targets).sum().item()
    return loss, {"accuracy": hits / max(len(targets), 1)}


def bradley_terry_loss(
    chosen: PerSequence, rejected: PerSequence, preference: PerSequence | None = None, margin: PerSequence | float = 0.0
) -> tuple[Scalar, Stats]:
    """The mean negative log-likelihood of the choices: -log σ(chosen - rejected - margin).

    `preference` is 1 where the choice was clear and ½ for a tie (half a win each). Only differences enter, so
    adding 5 to every score changes nothing. Starts at ln 2 when all scores are equal. (Bradley and Terry, 1952.)
    """
    difference = chosen - rejected - margin
    p = torch.ones_like(difference) if preference is None else preference
    loss = -(p * F.logsigmoid(difference) + (1 - p) * F.logsigmoid(-difference)).mean()
    return loss, {
        "accuracy": pairwise_wins(chosen, rejected).mean().item(),
        "margin": (chosen - rejected).mean().item(),
    }


def approval_loss(score: PerSequence, label: Bool[Tensor, "B"], threshold: Scalar | float) -> tuple[Scalar, Stats]:
    """The mean negative log-likelihood of the thumbs: -log σ(±(score - threshold)), + for up and - for down.

    Logistic regression (Cox, 1958). The threshold is learned with the scores: where most replies were fine it sinks,
    and "most were fine" does not become a weight on every word. Starts at ln 2 when every score is the threshold.
    Its relative `kto_loss` (kto.py) puts such a loss on a policy's log-ratios instead.
    """
    lead = torch.where(label, score - threshold, threshold - score)
    return -F.logsigmoid(lead).mean(), {
        "accuracy": pairwise_wins(lead, torch.zeros_like(lead)).mean().item(),
        "margin": lead.mean().item(),
    }


def implicit_reward(log_probs: PerToken, ref_log_probs: PerToken, mask: Mask, beta: float) -> PerSequence:
    """The reward for which a policy would be the optimum: β Σ (log π - log π_ref), over the response and its end.

    A sum and no mean, since a response is as probable as all its tokens together. The β log Z of the prompt is left
    out: it is the same for every response to it. (Rafailov et al., 2023, eq. 5.)
    """
    return beta * masked_sum(log_probs - ref_log_probs, mask)


def dpo_loss(
    log_probs: PerToken, ref_log_probs: PerToken, mask: Mask, beta: float, preference: PerPair | None = None
) -> tuple[Scalar, Stats]:
    """Bradley-Terry's loss where the score of a response is its implicit reward. (Rafailov et al., 2023, eq. 7.)

    Rows are pairs as `Comparisons.batch` gives them: the chosen in the upper half, the rejected below. `preference` is
    1 for a choice and ½ for a tie. Starts at ln 2, since a policy that is its reference rewards nothing.
    """
    chosen, rejected = implicit_reward(log_probs, ref_log_probs, mask, beta).chunk(2)
    return bradley_terry_loss(chosen, rejected, preference)


def policy_gradient_loss(log_probs: PerToken, advantages: PerToken, mask: Mask) -> tuple[Scalar, Stats]:
    """Make what turned out better than expected more probable, and the rest less.

    -1/n Σ A · log π(token), over the n tokens where the mask is True (REINFORCE: Williams, 1992). No gradient flows
    through the advantages. The loss itself measures nothing; only its gradient matters.
    """
    loss = -masked_mean(advantages.detach() * log_probs, mask)
    with torch.no_grad():
        nll = -masked_mean(log_probs, mask).item()
    return loss, {"nll": nll}


def clipped_policy_loss(
    log_probs: PerToken,
    old_log_probs: PerToken,
    advantages: PerToken,
    mask: Mask,
    clip: float,
    aggregate: Aggregate = masked_mean,
) -> tuple[Scalar, Stats]:
    """Make what turned out better than expected more probable, but in small steps.

    mean of max(-A·ρ, -A·clamp(ρ, 1 - ε, 1 + ε)) with ρ = π(token) / π_old(token) (Schulman et al., 2017, eq. 7,
    as a loss). Once ρ has left the range in the direction that A asks for, the token's gradient is exactly zero.
    The mean is over all tokens that count; GRPO (lesson 12) tries other ways to `aggregate`.
    """
    log_ratio = torch.where(mask, log_probs - old_log_probs, 0.0)
    ratio, advantages = log_ratio.exp(), torch.where(mask, advantages, 0.0)
    free, clipped = -advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)
    loss = aggregate(torch.maximum(free, clipped), mask)
    clip_fraction = masked_mean((clipped > free).float(), mask).item()
    return loss, {"clip_fraction": clip_fraction} | ratio_stats(log_ratio, mask, clip)


@torch.no_grad()
def ratio_stats(log_ratio: PerToken, mask: Mask, clip: float) -> Stats:
    """How far a policy has moved from the one that sampled, from log(π / π_old); metrics.py explains each number."""
    ratio = log_ratio.exp()
    mean = masked_mean(ratio, mask)
    stats = {
        "outside_clip": masked_mean(((ratio - 1).abs() > clip).float(), mask),
        "approx_kl": masked_mean(0.5 * log_ratio.square(), mask),
        "ratio": mean,
        "ratio_variance": masked_mean((ratio - mean).square(), mask),
    }
    return {name: value.item() for name, value in stats.items()}


def clipped_value_loss(
    values: PerToken, old_values: PerToken, returns: PerToken, mask: Mask, clip: float
) -> tuple[Scalar, Stats]:
    """Half the squared distance to the returns, where a value gains nothing by moving further than `clip`.

    ½ mean of max((V - R)², (clamp(V, V_old ± ε) - R)²).
    """
    values, old_values, returns = (torch.where(mask, x, 0.0) for x in (values, old_values, returns))
    near = old_values + (values - old_values).clamp(-clip, clip)
    free, clipped = (values - returns).square(), (near - returns).square()
    loss = 0.5 * masked_mean(torch.maximum(free, clipped), mask)
    return loss, {"clip_fraction": masked_mean((clipped > free).float(), mask).item()}
