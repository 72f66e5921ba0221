"""Lesson 07, PPO for language models: its bugs, its leash over several β, and what its text claims.

`BUGS` are mistakes that people have really made in PPO for language models, as the keywords of train_ppo that cause
them. They stand here and not in the lesson, where their names would give them away.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from statistics import fmean
from typing import Any

import torch

from minirlhf.advantages import gae
from minirlhf.course.exercises.lesson_07 import pays_for_leaving_the_reference, pays_the_score_at_every_token
from minirlhf.course.experiments.claims import Claim
from minirlhf.evaluate import compare, exchanges, win_rate
from minirlhf.losses import Stats, clipped_policy_loss
from minirlhf.model import CausalLM, Trunk, ValueModel
from minirlhf.ops import Mask, PerSequence, PerToken, Scalar, Tokens
from minirlhf.ppo import PPOConfig, PPORecord, train_ppo
from minirlhf.recipes.pipeline import Checkpoints, load_shipped
from minirlhf.rollout import RewardFn, collect
from minirlhf.tokenizer import Tokenizer
from minirlhf.worlds import helpdesk

STOPS: dict[str, Any] = {"updates": 8, "batch_size": 64, "beta": 0.0, "lr": 1e-3}
HELP_DESK: dict[str, Any] = {"updates": 12, "batch_size": 96, "beta": 0.2}
ZOO: dict[str, Any] = {"updates": 8, "batch_size": 64, "beta": 0.2, "lr": 6e-4}
ADAPTED: dict[str, Any] = {"updates": 12, "batch_size": 64, "beta": 0.5, "kl_target": 2.0, "kl_horizon": 80, "lr": 6e-4}
BETAS = (0.0, 0.02, 0.05, 0.2, 0.5)


def compares_with_itself(
    log_probs: PerToken, old_log_probs: PerToken, advantages: PerToken, mask: Mask, clip: float
) -> tuple[Scalar, Stats]:
    """The old log-probabilities are taken anew at every step, so the ratio is always 1 and nothing is ever clipped."""
    return clipped_policy_loss(log_probs, log_probs.detach(), advantages, mask, clip)


def learns_rewards_for_returns(
    rewards: PerToken, values: PerToken, mask: Mask, gamma: float = 1.0, lam: float = 0.95
) -> tuple[PerToken, PerToken]:
    """The value model is shown what this token earned, in place of all that was earned from here on."""
    advantages, _ = gae(rewards, values, mask, gamma, lam)
    return advantages, rewards


BUGS: dict[str, dict[str, Any]] = {
    "A": {"policy_loss": compares_with_itself},
    "B": {"token_reward_fn": pays_for_leaving_the_reference},
    "C": {"token_reward_fn": pays_the_score_at_every_token},
    "D": {"advantage_fn": learns_rewards_for_returns},
}


def gold_of(tokens: Tokens, response_mask: Mask, tokenizer: Tokenizer) -> float:
    """The mean gold score of a batch of replies: what the help desk's published rule thinks of them."""
    return fmean(helpdesk.gold(*pair) for pair in exchanges(tokens, response_mask, tokenizer))


def leash(seeds: Sequence[int]) -> list[dict[str, Any]]:
    """The help desk's PPO at five strengths of the leash: score, gold score and KL of its replies to 300 strangers."""
    shipped, rows = load_shipped(), []
    for beta in BETAS:
        for seed in seeds:
            policy, _ = _tuned(shipped, seed, HELP_DESK | {"beta": beta})
            rows.append({"beta": beta, "seed": seed} | held_out_means(policy, shipped))
    return rows


def held_out_means(policy: CausalLM, shipped: Checkpoints) -> dict[str, float]:
    """Over 300 held-out customers: the reward model's score, the gold score, the KL in nats a reply."""
    held_out, generator = shipped.prompts("held_out", first=300).prompts, torch.Generator().manual_seed(0)
    rollout = collect(policy, shipped.sft, shipped.reward_model, held_out, 40, generator, -2.0)
    kl = (rollout.log_probs - rollout.ref_log_probs).sum(dim=1)
    return {
        "score": rollout.score.mean().item(),
        "gold": gold_of(rollout.tokens, rollout.response_mask, shipped.tokenizer),
        "kl": kl.mean().item(),
    }


SWEEPS = {"leash": leash}

CLAIMS = (
    Claim("full_stops", says="more full stops than anybody would write", low=3.5, high=30.0),
    Claim("gold_rise", says="Score and gold rise together", low=0.2, high=1.5),
    Claim("kl", says="a few nats away", low=1.5, high=4.5),
    Claim("kl_adapted", says="the two swing about the target", low=1.3, high=3.1),
    Claim("win_rate", says="between 60 and 90 in 100", low=0.6, high=0.9),
    Claim("bugs_that_rise", says="In all four the score rises", low=3.5, high=4.5),
    Claim("clip_fraction_of_a", says="it is <b>exactly 0</b>", low=-1e-12, high=1e-12),
    Claim("value_loss_of_c", says="more than a hundred times too high", low=100.0, high=1000.0),
    Claim("value_loss_of_d", says="several times too <b>small</b>", low=0.02, high=0.4),
)


def measure(seed: int) -> dict[str, float]:
    """The lesson's own runs with this seed; a bug's number is compared with the healthy run's."""
    shipped = load_shipped()
    stops = _chase_full_stops(shipped, seed)
    policy, records = _tuned(shipped, seed, HELP_DESK)
    held_out = shipped.prompts("held_out", first=200)
    answers = compare({"SFT": shipped.sft, "RLHF": policy}, held_out, shipped.tokenizer, judge=helpdesk.gold)
    runs = {name: _tuned(shipped, seed, ZOO, **bug)[1] for name, bug in ({"healthy": {}} | BUGS).items()}
    _, adapted = _tuned(shipped, seed, ADAPTED)
    first_loss = {name: run[0].value_loss for name, run in runs.items()}
    return {
        "full_stops": stops[-1].score,
        "gold_rise": answers["RLHF"].mean - answers["SFT"].mean,
        "kl": records[-1].kl,
        "kl_adapted": sum(record.kl for record in adapted[-6:]) / 6,
        "win_rate": win_rate(answers["RLHF"].scores, answers["SFT"].scores).rate,
        "bugs_that_rise": 0.0 + sum(max(r.score for r in runs[name]) > runs[name][0].score + 0.3 for name in BUGS),
        "clip_fraction_of_a": max(record.clip_fraction for record in runs["A"]),
        "value_loss_of_c": first_loss["C"] / first_loss["healthy"],
        "value_loss_of_d": first_loss["D"] / first_loss["healthy"],
    }


def _chase_full_stops(shipped: Checkpoints, seed: int) -> list[PPORecord]:
    """The joke of the lesson's beginning: one point for every full stop, and no leash."""
    full_stop = shipped.tokenizer.encode(".")[0]

    def full_stops(tokens: Tokens, response_mask: Mask) -> PerSequence:
        return ((tokens == full_stop) & response_mask).sum(dim=1).float()

    return _run(shipped, seed, STOPS, full_stops, shipped.sft.trunk)[1]


def _tuned(
    shipped: Checkpoints, seed: int, settings: Mapping[str, Any], **functions: Any
) -> tuple[CausalLM, list[PPORecord]]:
    """One of the lesson's runs against the reward model."""
    return _run(shipped, seed, settings, shipped.reward_model, shipped.reward_model.trunk, **functions)


def _run(
    shipped: Checkpoints, seed: int, settings: Mapping[str, Any], reward: RewardFn, trunk: Trunk, **functions: Any
) -> tuple[CausalLM, list[PPORecord]]:
    """A copy of the SFT model after PPO, and the records; the value model starts from this trunk."""
    policy, value_model, config = deepcopy(shipped.sft), ValueModel(deepcopy(trunk)), PPOConfig(**settings, seed=seed)
    records = train_ppo(policy, shipped.sft, reward, value_model, shipped.prompts("train"), config, **functions)
    return policy, list(records)
