"""How good is it, and how sure are we? Win rates with intervals, exact KL, a reward model's accuracy and calibration.

Ties count half everywhere, so a model that knows nothing stands at one half and not at zero.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import comb, sqrt

import torch

from minirlhf.data import Comparisons, Prompts
from minirlhf.intervals import wilson_interval
from minirlhf.model import CausalLM, response_kl
from minirlhf.ops import Mask, PerSequence, Tokens, pairwise_wins
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
    return {name: answer(model, prompts, tokenizer, judge, max_new_tokens, seed)[1] for name, model in models.items()}


def answer(
    policy: CausalLM, prompts: Prompts, tokenizer: Tokenizer, judge: Judge, max_new_tokens: int = 40, seed: int = 0
) -> tuple[Samples, Replies]:
    """Have a policy answer each prompt once, and a judge read the replies.

    The same seed gives every policy the same random numbers, so what differs is the policy's.
    """
    generator = torch.Generator().manual_seed(seed)
    samples = sample(policy, prompts.prompts, max_new_tokens, generator)
    texts = [tokenizer.decode(ids).strip() for ids in samples.responses()]
    questions = [tokenizer.decode(ids) for ids in prompts.prompts]
    scores = [float(judge(*exchange)) for exchange in zip(questions, texts, strict=True)]  # a verifier's bool too
    return samples, Replies(texts, scores)


def pass_at_k(n: int, right: int, k: int) -> float:
    """The probability that one of k replies is right, judged from n of which so many were: 1 - C(n-c, k)/C(n, k).

    Unbiased, where 1 - (1 - c/n)^k is too low. (Chen et al., 2021, section 2.1.)
    """
    whole = all(hasattr(number, "__index__") for number in (n, right, k))
    if not whole or not 0 <= right <= n or not 1 <= k <= n:
        raise ValueError(
            f"pass@{k} of {n} replies, {right} of them right: whole numbers are needed, 1 to {n} for k and 0 to {n} "
            "right ones. Draw more replies to ask about a larger k."
        )
    return 1 - comb(n - right, k) / comb(n, k)


def win_rate(scores: Sequence[float], other_scores: Sequence[float]) -> WinRate:
    """How often `scores` beat `other_scores`, pair by pair, with Wilson's 95 % interval."""
    pairs = list(zip(scores, other_scores, strict=True))
    if not pairs:
        raise ValueError("A win rate needs at least one pair of scores.")
    wins, ties, n = sum(a > b for a, b in pairs), sum(a == b for a, b in pairs), len(pairs)
    low, high = wilson_interval(wins + ties / 2, n)
    return WinRate((wins + ties / 2) / n, low, high, wins, ties, n - wins - ties)


@torch.no_grad()
def exact_kl(policy: CausalLM, reference: CausalLM, tokens: Tokens, response_mask: Mask) -> PerSequence:
    """KL(policy ‖ reference) along each response, in nats: exact over the vocabulary at every prefix it went through.

    In expectation over responses sampled from the policy this is the KL of whole responses, with less variance
    than the sum of log-ratios.
    """
    return response_kl(policy, reference, tokens, response_mask)


@torch.no_grad()
def score_pairs(
    reward_model: RewardFn, comparisons: Comparisons, pad_id: int, batch_size: int = 256
) -> tuple[PerSequence, PerSequence]:
    """The scores of all chosen and all rejected responses."""
    scores, device = [], getattr(getattr(reward_model, "trunk", None), "device", None)
    for start in range(0, len(comparisons), batch_size):
        tokens, mask, _ = comparisons.batch(range(start, min(start + batch_size, len(comparisons))), pad_id, device)
        scores.append(reward_model(tokens, mask).chunk(2))
    chosen, rejected = (torch.cat(side) for side in zip(*scores, strict=True))
    return chosen, rejected


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
    """Rows of prompt and response as two texts each: (prompt, reply)."""
    starts = response_mask.long().argmax(dim=1).tolist()
    return [
        (tokenizer.decode(row[:start].tolist()), tokenizer.decode(row[mask].tolist()))
        for row, mask, start in zip(tokens, response_mask, starts, strict=True)
    ]
