"""What is gained by optimising a proxy, measured by the truth: where a policy stands, and Gao et al.'s two curves.

    for snapshot in track(train_ppo(...), policy, ...):       proxy, gold and KL while PPO runs
    fits = bootstrap_fits("PPO", runs)                        one curve for each bootstrap draw of the seeds
    peak, low, high = percentile_interval([fit.peak for fit in fits])

Gao, Schulman and Hilton (2023) found that the gold score gained at a distance d = √KL from the start follows
d (α - β d) for best-of-n and d (α - β ln d) for reinforcement learning. The gold score is that of a world whose truth
is known; nobody has it for people.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, inf, log, sqrt
from typing import Any

import torch

from minirlhf.best_of_n import Candidates, Pool
from minirlhf.data import Prompts
from minirlhf.evaluate import Judge, answer, exact_kl
from minirlhf.model import CausalLM
from minirlhf.rollout import RewardFn
from minirlhf.tokenizer import Tokenizer

Run = Sequence[tuple[float, float]]  # (d, gold gained since the start), all along one run
BENDS: dict[str, Callable[[float], float]] = {"best-of-n": lambda d: d, "PPO": log}
# Student's t: so many standard errors to each side hold the mean 95 times in 100, for 1, 2, … degrees of freedom.
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


@dataclass(frozen=True)
class Snapshot:
    """Where a policy stands after `update` updates: nats a reply from its start, what proxy and truth say, its words.

    `distinct`: how many different replies there are among `texts`, as a share; `length`: tokens a reply.
    """

    update: int
    kl: float
    proxy: float
    gold: float
    length: float
    distinct: float
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
    """Have the policy answer these prompts, and see what it is worth to the proxy and in truth."""
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
    """While a training goes on, where its policy stands: before the first update, then after every so many.

    Looking does not change the run: the training has random numbers of its own.
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
    """A curve for each of many draws, with replacement, of whole runs: how far the fit depends on the seeds.

    Runs are drawn and not points, because the points of one run share its votes and its luck.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(runs), (draws, len(runs)), generator=generator).tolist()
    return [fit_gao(method, [point for i in rows for point in runs[i]]) for rows in chosen]


def percentile_interval(values: Sequence[float | int]) -> tuple[float, float, float]:
    """The median of bootstrap values, and the ends of the middle 95 in 100."""
    ordered = sorted(values)
    last = len(ordered) - 1
    median, low, high = (float(ordered[round(share * last)]) for share in (0.5, 0.025, 0.975))
    return median, low, high


def t_interval(values: Sequence[float | int]) -> tuple[float, float, float]:
    """The mean over a few seeds with Student's 95 % interval: (mean, low, high)."""
    n = len(values)
    if not 2 <= n <= len(STUDENT) + 1:
        raise ValueError(f"An interval over seeds needs 2 to {len(STUDENT) + 1} values, not {n}.")
    mean = sum(values) / n
    error = sqrt(sum((v - mean) ** 2 for v in values) / (n - 1) / n)
    return mean, mean - STUDENT[n - 2] * error, mean + STUDENT[n - 2] * error


def which_is_better(one: str, other: str, leads: Sequence[float | int]) -> str:
    """The name of the one that leads, where the interval of its leads over the seeds leaves out 0."""
    _, low, high = t_interval(leads)
    return one if low > 0 else other if high < 0 else "cannot be told"


def score_pool(rows: Sequence[Candidates], tokenizer: Tokenizer, judge: Judge) -> tuple[Pool, Pool]:
    """What the proxy gave every candidate, and what the judge gives it: two tables of prompts by replies."""
    asked = [tokenizer.decode(row.prompt) for row in rows]
    truth = [
        [judge(prompt, tokenizer.decode(ids).strip()) for ids in row.responses]
        for prompt, row in zip(asked, rows, strict=True)
    ]
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
    """The run as far as it had come before it was farther than d from its start for the first time."""
    past = next((i for i, (distance, _) in enumerate(run) if distance > d), len(run))
    return run[: max(past, 1)]


def interpolate_gain(run: Run, d: float | int) -> float:
    """What a run had gained at this distance: on the straight line between its two neighbours, by distance."""
    points = sorted(run)
    for (d0, g0), (d1, g1) in pairwise(points):
        if d0 <= d <= d1:
            return g0 if d0 == d1 else g0 + (g1 - g0) * (d - d0) / (d1 - d0)
    raise ValueError(f"This run goes from {points[0][0]:.2f} to {points[-1][0]:.2f}; {d:.2f} is outside.")
