"""Lesson 09: sixty votes, hardly a leash, and what the proxy's climb is truly worth."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import sqrt
from statistics import fmean
from typing import Any

import torch

from minirlhf.additive import AdditiveReward, fit_additive
from minirlhf.best_of_n import best_of_n_kl, best_of_n_score, draw_candidates
from minirlhf.course.experiments.claims import Claim
from minirlhf.course.overoptimisation import Run, Snapshot, interpolate_gain, recorded_runs, score_pool, track, truncate
from minirlhf.data import Comparisons, Prompts
from minirlhf.ensemble import Ensemble, resample
from minirlhf.evaluate import exchanges
from minirlhf.feedback.simulated import PATIENT
from minirlhf.model import ValueModel
from minirlhf.ppo import PPOConfig, train_ppo
from minirlhf.recipes.pipeline import CONTEXT, MAX_NEW_TOKENS, Checkpoints, ask, load_shipped
from minirlhf.reward import normalise
from minirlhf.rollout import RewardFn, Samples, sample
from minirlhf.worlds.helpdesk import gold, gold_parts

UPDATES, BATCH, LOOSE, TIGHT, VOTES, MANY = 16, 96, 0.02, 0.3, 60, 600
POOL, ASKED = 64, 100
SIZES = (1, 2, 4, 8, 16, 32, 64)


@dataclass
class Bench:
    """One seed's people: the votes that they cast on the base model's replies, and whom its models answer."""

    shipped: Checkpoints
    votes: Comparisons
    customers: Prompts
    held_out: Prompts
    replies: Samples  # the base model's, on which all scores are scaled
    seed: int

    @classmethod
    def of(cls, seed: int, votes: int = MANY) -> "Bench":
        shipped = load_shipped()
        customers = shipped.prompts("train")
        choices = ask(shipped.base, customers, shipped.tokenizer, PATIENT, votes, seed)
        comparisons = Comparisons.of(choices, shipped.tokenizer, CONTEXT)
        generator = torch.Generator().manual_seed(seed)
        replies = sample(shipped.base, customers.prompts[:256], MAX_NEW_TOKENS, generator)
        return cls(shipped, comparisons, customers, shipped.prompts("held_out", first=ASKED), replies, seed)

    def reward(self, votes: Comparisons) -> AdditiveReward:
        """A reward model from these votes, on the scale of the base model's replies."""
        model = fit_additive(votes, self.shipped.tokenizer, ridge=1.0)
        normalise(model, self.replies.tokens, self.replies.response_mask)
        return model

    def ppo(self, reward_model: RewardFn, beta: float = LOOSE, every: int = 1) -> Iterator[Snapshot]:
        """Let PPO climb, and look on."""
        base, tokenizer = self.shipped.base, self.shipped.tokenizer
        policy, value_model = deepcopy(base), ValueModel(deepcopy(base.trunk))
        config = PPOConfig(updates=UPDATES, batch_size=BATCH, max_new_tokens=MAX_NEW_TOKENS, beta=beta, seed=self.seed)
        records = train_ppo(policy, base, reward_model, value_model, self.customers, config)
        return track(records, policy, base, reward_model, self.held_out, tokenizer, gold, every)

    def pool(self, reward_model: RewardFn) -> tuple[torch.Tensor, torch.Tensor]:
        """Many replies to each held-out customer: what the proxy gives them, and what they are worth."""
        base, tokenizer = self.shipped.base, self.shipped.tokenizer
        generator = torch.Generator().manual_seed(self.seed)
        drawn = draw_candidates(base, reward_model, self.held_out.prompts, POOL, MAX_NEW_TOKENS, generator)
        return score_pool(list(drawn), tokenizer, gold)


def over_optimisation(seeds: Sequence[int]) -> list[dict[str, Any]]:
    """PPO with hardly a leash, and best-of-n, on the same 60 votes: proxy and gold score against KL."""
    rows = []
    for seed in seeds:
        bench = Bench.of(seed, VOTES)
        proxy_model = bench.reward(bench.votes)
        rows += [row("PPO", seed, snapshot) for snapshot in bench.ppo(proxy_model)]
        proxy, truth = bench.pool(proxy_model)
        for n in SIZES:
            rows.append(
                {
                    "method": "best-of-n",
                    "seed": seed,
                    "n": n,
                    "kl": best_of_n_kl(n),
                    "proxy": best_of_n_score(proxy, proxy, n).item(),
                    "gold": best_of_n_score(proxy, truth, n).item(),
                }
            )
        print(f"over_optimisation, seed {seed} is done", flush=True)
    return rows


def row(method: str, seed: int, snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot as a row of a recorded run."""
    measured = {name: getattr(snapshot, name) for name in ("update", "kl", "proxy", "gold", "length", "distinct")}
    return {"method": method, "seed": seed} | measured


def remedies(seeds: Sequence[int]) -> list[dict[str, Any]]:
    """One remedy at a time against the hack of `over_optimisation`, and two controls: gold score against KL."""
    rows = []
    for seed in seeds:
        bench = Bench.of(seed)
        for name, (reward_model, beta) in arms(bench).items():
            rows += [row(name, seed, snapshot) for snapshot in bench.ppo(reward_model, beta, every=2)]
            print(f"remedies, seed {seed}: {name} is done", flush=True)
    return rows


def arms(bench: Bench) -> Mapping[str, tuple[RewardFn, float]]:
    """What each arm rewards, and its β. The hack itself, sixty votes and a β of 0.02, is the sweep above."""
    few, tokenizer = bench.votes.take(VOTES), bench.shipped.tokenizer
    coin = torch.rand(VOTES, generator=torch.Generator().manual_seed(bench.seed)) >= 0.5

    def truth(tokens: torch.Tensor, response_mask: torch.Tensor) -> torch.Tensor:
        return torch.tensor([gold(*pair) for pair in exchanges(tokens, response_mask, tokenizer)])

    committee = Ensemble([bench.reward(resample(few, seed)) for seed in range(8)], caution=1.0)
    return {
        "a larger β: 0.3": (bench.reward(few), TIGHT),
        "ten times the votes": (bench.reward(bench.votes), LOOSE),
        "an ensemble of eight": (committee, LOOSE),
        "control: votes by coin": (bench.reward(few.swapped(coin.tolist())), LOOSE),
        "control: the truth itself": (truth, LOOSE),
    }


def gains_of_remedies(
    hack: Sequence[Mapping[str, Any]], tried: Sequence[Mapping[str, Any]]
) -> dict[str, tuple[list[float], list[float]]]:
    """What each remedy gained in gold at its best moment, and at the end: a number for each recorded seed."""
    seeds = {row["seed"] for row in tried}
    loose = recorded_runs([row for row in hack if row["seed"] in seeds], "PPO")
    runs: dict[str, list[Run]] = {"sixty votes, β = 0.02": loose}
    runs["stopped at 4 nats"] = [truncate(run, 2.0) for run in loose]  # √4 is 2
    for row in tried:
        runs.setdefault(row["method"], recorded_runs(tried, row["method"]))
    best = {name: [max(gold for _, gold in run) for run in several] for name, several in runs.items()}
    return {name: (best[name], [run[-1][1] for run in several]) for name, several in runs.items()}


SWEEPS = {"over_optimisation": over_optimisation, "remedies": remedies}
LEAST_SEEDS = {"over_optimisation": 4}  # fewer leave Student's interval very wide

CLAIMS = (
    Claim("proxy_gain", says="climbs by more than three deviations", low=3.0),
    Claim("best_gold_gain", says="stays near where it began, or rises for a while", low=0.0, high=0.9),
    Claim("gold_lost", says="from some update on it falls", low=0.15),
    Claim("remedy_lost", says="is less often the right thing", low=0.1),
    Claim("repetition_gained", says="*repetition*, which was hardly there before", low=0.0),
    Claim("longer", says="The replies grow longer", low=3.0),
    Claim("answers_shared", says="customers may come to share their answers", low=-0.25),
    Claim("best_of_64_gain", says="Best-of-n rises", low=0.1, high=1.0),
    Claim("gain_on_a_tight_leash", says="The larger β ends above the base model in every seed", low=0.02),
    Claim("lead_of_best_of_64", says="stands above PPO at the same distance", low=0.0),
)


def measure(seed: int) -> dict[str, float]:
    """The lesson's own hack and its own pool, as `over_optimisation` records them."""
    bench = Bench.of(seed, VOTES)
    proxy_model = bench.reward(bench.votes)
    walk = list(bench.ppo(proxy_model))
    proxy, truth = bench.pool(proxy_model)
    first, last = walk[0], walk[-1]
    *_, leashed = bench.ppo(proxy_model, TIGHT, every=UPDATES)
    gained = (best_of_n_score(proxy, truth, POOL) - best_of_n_score(proxy, truth, 1)).item()
    ppo = [(snapshot.distance, snapshot.gold - first.gold) for snapshot in walk]
    return {
        "proxy_gain": last.proxy - first.proxy,
        "best_gold_gain": max(gain for _, gain in ppo),
        "gold_lost": max(snapshot.gold for snapshot in walk) - last.gold,
        "remedy_lost": part(bench, first, "remedy") - part(bench, last, "remedy"),
        "repetition_gained": part(bench, first, "repetition") - part(bench, last, "repetition"),
        "longer": last.length - first.length,
        "answers_shared": first.distinct - last.distinct,
        "best_of_64_gain": gained,
        "gain_on_a_tight_leash": leashed.gold - first.gold,
        "lead_of_best_of_64": gained - interpolate_gain(ppo, sqrt(best_of_n_kl(POOL))),
    }


def part(bench: Bench, snapshot: Snapshot, name: str) -> float:
    """One part of the gold score, the mean over the replies to the held-out customers."""
    prompt_texts = map(bench.shipped.tokenizer.decode, bench.held_out.prompts)
    return fmean(gold_parts(*pair)[name] for pair in zip(prompt_texts, snapshot.texts, strict=True))
