"""How good is it, and how sure are we? Win rates with intervals, exact KL, a reward model's accuracy and calibration.

Ties count half everywhere, so a model that knows nothing stands at one half and not at zero.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import torch

from minirlhf.data import Comparisons, Prompts
from minirlhf.model import CausalLM
from minirlhf.ops import Mask, PerSequence, Tokens, masked_sum, pairwise_wins, token_kl
from minirlhf.rollout import RewardFn, Samples, sample
from minirlhf.tokenizer import Tokenizer

Judge = Callable[[str, str], float]  # (prompt, reply) -> how good it is


@dataclass(frozen=True)
class WinRate:
    """How often the first of two was better, ties half, with the interval that holds it 95 times in 100."""

    rate: float
    low: float
    high: float
    wins: int
    ties: int
    losses: int

    def __str__(self) -> str:
        return f"{self.rate:.0%} [{self.low:.0%}, {self.high:.0%}]"


@dataclass(frozen=True)
class Replies:
    """One model's replies to the prompts of a comparison, and what the judge gave each."""

    texts: list[str]
    scores: list[float]

    @property
    def mean(self) -> float:
        return sum(self.scores) / len(self.scores)


@dataclass(frozen=True)
class FrontierPoint:
    """How far a policy has moved from its reference (KL in nats a response), and what it is worth there."""

    kl: float
    score: float


@dataclass(frozen=True)
class CalibrationBin:
    """Pairs about which a reward model was about this sure: what it predicted, what happened, how many they were."""

    predicted: float
    observed: float
    count: int


def compare(
    models: Mapping[str, CausalLM],
    prompts: Prompts,
    tokenizer: Tokenizer,
    judge: Judge,
    max_new_tokens: int = 40,
    seed: int = 0,
) -> dict[str, Replies]:
    """Have every model answer the same prompts once, and the same judge read all the answers."""
    compared = {}
    for name, model in models.items():
        generator = torch.Generator().manual_seed(seed)
        samples = sample(model, prompts.prompts, max_new_tokens, generator)
        compared[name] = _read(samples, prompts, tokenizer, judge)
    return compared


def win_rate(scores: Sequence[float], other_scores: Sequence[float]) -> WinRate:
    """How often `scores` beat `other_scores`, pair by pair, with Wilson's 95 % interval."""
    pairs = list(zip(scores, other_scores, strict=True))
    if not pairs:
        raise ValueError("A win rate needs at least one pair of scores.")
    wins, ties, n = sum(a > b for a, b in pairs), sum(a == b for a, b in pairs), len(pairs)
    low, high = wilson_interval(wins + ties / 2, n)
    return WinRate((wins + ties / 2) / n, low, high, wins, ties, n - wins - ties)


def wilson_interval(wins: float | int, n: int) -> tuple[float, float]:
    """From where to where the true share may lie, after so many wins (a tie is half a one) in n comparisons.

    (p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n), z = 1.96 for 95 % (Wilson, 1927). Unlike p ± z √(p(1 - p)/n)
    it never leaves 0 to 1, and twenty wins of twenty do not make it certain.
    """
    z, rate = 1.96, wins / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(centre - half, 0.0), min(centre + half, 1.0)


@torch.no_grad()
def exact_kl(policy: CausalLM, reference: CausalLM, tokens: Tokens, response_mask: Mask) -> PerSequence:
    """KL(policy ‖ reference) along each response, in nats: exact over the vocabulary at every prefix it went through.

    In expectation over responses sampled from the policy this is the KL of whole responses, with less variance
    than the sum of log-ratios.
    """
    return masked_sum(token_kl(policy(tokens), reference(tokens), response_mask), response_mask)


def frontier_point(
    policy: CausalLM,
    reference: CausalLM,
    prompts: Prompts,
    tokenizer: Tokenizer,
    judge: Judge,
    max_new_tokens: int = 40,
    seed: int = 0,
) -> FrontierPoint:
    """Where a policy stands between staying the same and scoring high."""
    generator = torch.Generator().manual_seed(seed)
    samples = sample(policy, prompts.prompts, max_new_tokens, generator)
    kl = exact_kl(policy, reference, samples.tokens, samples.response_mask).mean().item()
    return FrontierPoint(kl, _read(samples, prompts, tokenizer, judge).mean)


def frontier(points: Sequence[FrontierPoint]) -> list[FrontierPoint]:
    """The points that no other beats in both: the best score that each KL can buy, nearest first."""
    best: list[FrontierPoint] = []
    for point in sorted(points, key=lambda p: (p.kl, -p.score)):
        if not best or point.score > best[-1].score:
            best.append(point)
    return best


@torch.no_grad()
def score_pairs(
    reward_model: RewardFn, comparisons: Comparisons, pad_id: int, batch_size: int = 256
) -> tuple[PerSequence, PerSequence]:
    """The scores of all chosen and all rejected responses."""
    chosen, rejected = [], []
    for start in range(0, len(comparisons), batch_size):
        rows = range(start, min(start + batch_size, len(comparisons)))
        tokens, mask, _ = comparisons.batch(rows, pad_id)
        one, other = reward_model(tokens, mask).chunk(2)
        chosen.append(one)
        rejected.append(other)
    return torch.cat(chosen), torch.cat(rejected)


def pair_accuracy(chosen: PerSequence, rejected: PerSequence) -> float:
    """The share of pairs that the scores order as the person did; equal scores count half."""
    return pairwise_wins(chosen, rejected).mean().item()


def accuracy_ceiling(probabilities: Sequence[float]) -> tuple[float, float]:
    """The best accuracy that anyone can have against noisy votes, E[max(p, 1 - p)], and its standard error.

    `probabilities` are the voters' own, of the choices that they made; only simulated people can publish them.
    The error is that of counting hits in this many coin throws, which even the best guess cannot escape.
    """
    best = [max(p, 1 - p) for p in probabilities]
    n = len(best)
    return sum(best) / n, sqrt(sum(p * (1 - p) for p in best)) / n


def calibration(difference: PerSequence, bins: int = 5) -> list[CalibrationBin]:
    """When the model says 80 %, is it right 80 times in 100? `difference` is chosen - rejected, *not* normalised.

    Every pair is looked at from the side that the model prefers, so predictions run from ½ to 1.
    """
    predicted = torch.sigmoid(difference.abs())
    right = pairwise_wins(difference, torch.zeros_like(difference))
    which = ((predicted - 0.5) * 2 * bins).long().clamp(0, bins - 1)
    return [
        CalibrationBin(predicted[which == b].mean().item(), right[which == b].mean().item(), int((which == b).sum()))
        for b in range(bins)
        if (which == b).any()
    ]


def exchanges(tokens: Tokens, response_mask: Mask, tokenizer: Tokenizer) -> list[tuple[str, str]]:
    """Rows of prompt and response as the two texts: (what was asked, what was said)."""
    starts = response_mask.long().argmax(dim=1).tolist()
    return [
        (tokenizer.decode(row[:start].tolist()), tokenizer.decode(row[mask].tolist()))
        for row, mask, start in zip(tokens, response_mask, starts, strict=True)
    ]


def _read(samples: Samples, prompts: Prompts, tokenizer: Tokenizer, judge: Judge) -> Replies:
    """What was said, as text, and what the judge gives it."""
    texts = [tokenizer.decode(ids).strip() for ids in samples.responses()]
    asked = [tokenizer.decode(ids) for ids in prompts.prompts]
    return Replies(texts, [judge(prompt, text) for prompt, text in zip(asked, texts, strict=True)])
