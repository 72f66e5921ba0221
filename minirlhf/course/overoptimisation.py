"""Proxy and gold score while a proxy is optimised, and the two curves that Gao et al. fit to them.

    for snapshot in track(train_ppo(...), policy, ...):               proxy, gold and KL while PPO runs
    fits = bootstrap_fits("PPO", runs)                                one curve for each bootstrap draw of the seeds
    peak, low, high = percentile_interval([fit.peak for fit in fits])

Gao, Schulman and Hilton (2023) found that the gold score gained at a distance d = √KL from the start follows
d (α - β d) for best-of-n and d (α - β ln d) for reinforcement learning. The gold score is that of a world whose truth
is known; nobody has it for people.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch

from minirlhf.best_of_n import Candidates, Pool
from minirlhf.data import Prompts
from minirlhf.evaluate import Judge, answer, exact_kl
from minirlhf.model import CausalLM
from minirlhf.rollout import RewardFn
from minirlhf.tokenizer import Tokenizer

Run = Sequence[tuple[float, float]]  # (d, gold gained since the start), all along one run
BENDS: dict[str, Callable[[float], float]] = {"best-of-n": lambda d: d, "PPO": log}
# The 97.5 % quantile of Student's t for 1, 2, … degrees of freedom; scipy, which has it, is not installed.
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


@dataclass(frozen=True)
class Snapshot:
    """A policy's replies after `update` updates, and what was measured on them."""

    update: int
    kl: float  # from the reference, in nats a reply
    proxy: float
    gold: float
    length: float  # tokens a reply
    distinct: float  # the share of different replies
    texts: Sequence[str]
    golds: Sequence[float]

    @property
    def distance(self) -> float:
        """√KL, in √nats; an estimate a hair below 0 counts as 0."""
        return sqrt(max(self.kl, 0.0))


def measure_policy(
    policy: CausalLM,
    reference: CausalLM,
    reward_model: RewardFn,
    prompts: Prompts,
    tokenizer: Tokenizer,
    judge: Judge,
    update: int = 0,
    max_new_tokens: int = 40,
    seed: int = 0,
) -> Snapshot:
    """Sample a reply to each prompt, and measure KL, proxy and gold score."""
    samples, replies = answer(policy, prompts, tokenizer, judge, max_new_tokens, seed)
    tokens, mask = samples.tokens, samples.response_mask
    with torch.no_grad():
        proxy = reward_model(tokens, mask).mean().item()
    return Snapshot(
        update=update,
        kl=exact_kl(policy, reference, tokens, mask).mean().item(),
        proxy=proxy,
        gold=replies.mean,
        length=mask.sum(dim=1).float().mean().item(),
        distinct=len(set(replies.texts)) / len(replies.texts),
        texts=replies.texts,
        golds=replies.scores,
    )


def track(
    records: Iterable,
    policy: CausalLM,
    reference: CausalLM,
    reward_model: RewardFn,
    prompts: Prompts,
    tokenizer: Tokenizer,
    judge: Judge,
    every: int = 1,
) -> Iterator[Snapshot]:
    """Snapshots of the policy while it is trained: before the first update, then after every so many.

    Measuring does not change the run: each has a generator of its own.
    """
    yield measure_policy(policy, reference, reward_model, prompts, tokenizer, judge)
    for update, _ in enumerate(records, start=1):
        if update % every == 0:
            yield measure_policy(policy, reference, reward_model, prompts, tokenizer, judge, update)


@dataclass(frozen=True)
class GaoFit:
    """The gold score gained at a distance d = √KL: d (α - β d) for best-of-n, d (α - β ln d) for PPO."""

    method: str
    alpha: float
    beta: float

    def __call__(self, d: float | int) -> float:
        return d * (self.alpha - self.beta * BENDS[self.method](d)) if d > 0 else 0.0

    @property
    def peak(self) -> float:
        """The distance at which most is gained: α / 2β, or e^(α/β - 1); infinite where the curve never turns over."""
        if self.beta <= 0:
            return inf if self.alpha > 0 or self.beta < 0 else 0.0
        if self.method == "best-of-n":
            return max(self.alpha / (2 * self.beta), 0.0)
        return exp(min(self.alpha / self.beta - 1, 700.0))


def fit_gao(method: str, points: Run) -> GaoFit:
    """The α and β that come nearest to these (d, gold gained), by least squares; what stands at d = 0 is known."""
    away = [(d, gain) for d, gain in points if d > 0]
    if len({d for d, _ in away}) < 2:
        raise ValueError("Gao's curves need at least two different distances above 0.")
    columns = torch.tensor([[d, -d * BENDS[method](d)] for d, _ in away], dtype=torch.float64)
    gains = torch.tensor([[gain] for _, gain in away], dtype=torch.float64)
    alpha, beta = torch.linalg.lstsq(columns, gains).solution.flatten().tolist()
    return GaoFit(method, alpha, beta)


def bootstrap_fits(method: str, runs: Sequence[Run], draws: int = 400, seed: int = 0) -> list[GaoFit]:
    """The bootstrap over seeds: a curve for each of many draws, with replacement, of whole runs.

    Runs are drawn and not points, because the points of one run share its votes and its luck.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(runs), (draws, len(runs)), generator=generator).tolist()
    return [fit_gao(method, [point for i in rows for point in runs[i]]) for rows in chosen]


def percentile_interval(values: Sequence[float | int]) -> tuple[float, float, float]:
    """The median of bootstrap values, and the ends of the middle 95 in 100."""
    shares = torch.tensor([0.5, 0.025, 0.975], dtype=torch.float64)
    # The nearest value and no mean of two: a curve that never turns over has its peak at infinity.
    median, low, high = torch.tensor(values, dtype=torch.float64).quantile(shares, interpolation="nearest").tolist()
    return median, low, high


def t_interval(values: Sequence[float | int]) -> tuple[float, float, float]:
    """Student's 95 % interval for the mean over a few seeds: (mean, low, high)."""
    n = len(values)
    if not 2 <= n <= len(STUDENT) + 1:
        raise ValueError(f"An interval over seeds needs 2 to {len(STUDENT) + 1} values, not {n}.")
    mean, half = fmean(values), STUDENT[n - 2] * stdev(values) / sqrt(n)
    return mean, mean - half, mean + half


def which_is_better(one: str, other: str, leads: Sequence[float | int]) -> str:
    """The better one's name, where the 95 % interval of `one`'s leads over the seeds excludes 0."""
    _, low, high = t_interval(leads)
    return one if low > 0 else other if high < 0 else "cannot be told"


def score_pool(rows: Sequence[Candidates], tokenizer: Tokenizer, judge: Judge) -> tuple[Pool, Pool]:
    """What the proxy gave every candidate, and what the judge gives it: two tables of prompts by replies."""
    truth = []
    for row in rows:
        prompt = tokenizer.decode(row.prompt)
        truth.append([judge(prompt, tokenizer.decode(ids).strip()) for ids in row.responses])
    return torch.stack([row.score for row in rows]), torch.tensor(truth)


def recorded_runs(rows: Sequence[Mapping[str, Any]], method: str, column: str = "gold") -> list[Run]:
    """The recorded runs of a method, one for each seed, as (√KL, what was gained since the start), in order of time.

    `column` says of what: "gold" or "proxy".
    """
    mine = [row for row in rows if row["method"] == method]
    runs = []
    for seed in sorted({row["seed"] for row in mine}):
        run = [row for row in mine if row["seed"] == seed]
        runs.append([(sqrt(max(row["kl"], 0.0)), row[column] - run[0][column]) for row in run])
    return runs


def truncate(run: Run, d: float | int) -> Run:
    """The run up to the first point that is farther than d from its start."""
    past = next((i for i, (distance, _) in enumerate(run) if distance > d), len(run))
    return run[: max(past, 1)]


def interpolate_gain(run: Run, d: float | int) -> float:
    """The gain of a run at this distance, linear between its two neighbours by distance."""
    distances, gains = zip(*sorted(run), strict=True)
    if not distances[0] <= d <= distances[-1]:
        raise ValueError(f"This run goes from {distances[0]:.2f} to {distances[-1]:.2f}; {d:.2f} is outside.")
    return float(np.interp(d, distances, gains))
