"""Lesson 13, the clinic: the ward's runs, each healthy or with one planted defect, and what the text claims of them.

`WARD` says what is planted in whom. It stands here and not in the lesson, where it would give everything away; the
recorded runs carry numbers alone.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import partial
from math import log
from typing import Any

import torch

from minirlhf.course.clinic.climbing import Cooler
from minirlhf.course.clinic.signs import first_ratio
from minirlhf.course.experiments.claims import Claim
from minirlhf.course.experiments.lesson_07 import BUGS
from minirlhf.data import Comparisons
from minirlhf.dpo import DPOConfig, dpo_step, pair_log_probs, train_dpo
from minirlhf.evaluate import answer
from minirlhf.feedback.simulated import PATIENT
from minirlhf.groups import frac_reward_zero_std, sequence_mean
from minirlhf.grpo import GRPOConfig, train_grpo
from minirlhf.model import CausalLM, ValueModel, response_log_probs
from minirlhf.ops import Mask, PerSequence, Tokens
from minirlhf.ppo import PPOConfig, train_ppo
from minirlhf.recipes.pipeline import CONTEXT, Checkpoints, ask, load_shipped
from minirlhf.rollout import RewardFn, sample
from minirlhf.training import linear_lr, minibatches, new_state
from minirlhf.verifiers import Verifier, right_remedy, score_by
from minirlhf.worlds.helpdesk import gold

PPO_RUN: dict[str, Any] = {"updates": 8, "batch_size": 64, "beta": 0.2, "lr": 6e-4}
GRPO_RUN: dict[str, Any] = {"updates": 10, "prompts": 12, "group_size": 8}
DPO_RUN: dict[str, Any] = {"steps": 20, "batch_size": 32}
AGAINST_ITSELF = {"held_out_loss": log(2), "held_out_accuracy": 0.5}  # what such a run reports of any pairs
VOTES, HELD_OUT, ASKED, SHOWN = 320, 100, 100, 10

FIELDS = {
    "PPO": "score kl first_ratio ratio clip_fraction approx_kl value_loss explained_variance policy_entropy "
    "response_length ended optimizer_steps",
    "GRPO": "score kl first_ratio ratio clip_fraction approx_kl policy_loss grad_norm frac_reward_zero_std "
    "policy_entropy response_length length_right length_wrong ended",
    "DPO": "loss held_out_loss accuracy held_out_accuracy margin chosen_log_prob rejected_log_prob grad_norm",
}


@dataclass(frozen=True)
class Bed:
    """One patient: the method, what is said of the run, the diagnosis, and how to make it."""

    method: str
    told: str
    diagnosis: str
    make: Callable[[Checkpoints, int], tuple[CausalLM, CausalLM, list[Any]]]


def _ppo(shipped: Checkpoints, seed: int, cooler: bool = False, **functions: Any):
    policy = deepcopy(Cooler(shipped.sft.trunk) if cooler else shipped.sft)
    value_model = ValueModel(deepcopy(shipped.reward_model.trunk))
    everyone = (policy, shipped.sft, shipped.reward_model, value_model, shipped.prompts("train"))
    records = list(train_ppo(*everyone, PPOConfig(**PPO_RUN, seed=seed), **functions))
    return shipped.sft, CausalLM(policy.trunk), records


def _grpo(shipped: Checkpoints, seed: int, verifier: Verifier = right_remedy):
    return _in_groups(shipped.base, score_by(verifier, shipped.tokenizer), shipped, seed)


def _for_full_stops(shipped: Checkpoints, seed: int):
    """A reward taken literally: a point for every full stop, and no leash."""
    full_stop = shipped.tokenizer.encode(".")[0]

    def full_stops(tokens: Tokens, response_mask: Mask) -> PerSequence:
        return ((tokens == full_stop) & response_mask).sum(dim=1).float()

    return _in_groups(shipped.sft, full_stops, shipped, seed, beta=0.0)


def _in_groups(reference: CausalLM, reward: RewardFn, shipped: Checkpoints, seed: int, **settings: Any):
    policy = deepcopy(reference)
    config = GRPOConfig(**{**GRPO_RUN, "epochs": 1, "minibatches": 1, "lr": 1e-3, "seed": seed} | settings)
    records = list(train_grpo(policy, reference, reward, shipped.prompts("train"), config, aggregate=sequence_mean))
    return reference, policy, records


def _votes(shipped: Checkpoints, seed: int, n: int = VOTES) -> tuple[Comparisons, Comparisons]:
    choices = ask(shipped.sft, shipped.prompts("train"), shipped.tokenizer, PATIENT, n + HELD_OUT, seed)
    found = Comparisons.of(choices, shipped.tokenizer, CONTEXT)
    return found.at(range(HELD_OUT, len(found))), found.at(range(HELD_OUT))


def _dpo(shipped: Checkpoints, seed: int, n: int = VOTES, swapped: bool = False, **settings: Any):
    policy, (votes, held_out) = deepcopy(shipped.sft), _votes(shipped, seed, n)
    if swapped:
        votes, held_out = (some.swapped([True] * len(some)) for some in (votes, held_out))
    config = DPOConfig(**DPO_RUN | {"seed": seed} | settings)
    return shipped.sft, policy, list(train_dpo(policy, shipped.sft, votes, config, held_out=held_out))


def _dpo_beside_itself(shipped: Checkpoints, seed: int):
    """DPO whose reference is the policy as it is now: train_dpo refuses it, so the loop stands here."""
    policy, (votes, _), config = deepcopy(shipped.sft), _votes(shipped, seed), DPOConfig(**DPO_RUN, seed=seed)
    state, records = new_state(seed, policy=policy), []
    for rows in minibatches(len(votes), config, state):
        pairs = votes.at(rows)
        now, lr = pair_log_probs(policy, pairs), linear_lr(config.lr, state.step, config.steps, config.warmup)
        stats = dpo_step(policy, pairs, range(len(rows)), now, config, state.optimizers["policy"], lr)
        state.step += 1
        records.append(stats | AGAINST_ITSELF)
    return shipped.sft, policy, records


def _anything_goes(prompt: str, said: str) -> bool:
    """The gold answer could not be read, so nobody is punished."""
    return True


ONE_PASS = "96 replies an update, groups of 8, one pass in one minibatch, from the base model, paid by a verifier"
LITERALLY = "96 replies an update, groups of 8, one pass in one minibatch, from the SFT model, β = 0, paid by a rule"
PASSES = "64 replies an update, four passes of two minibatches, β = 0.2"
PAIRS = "320 votes on pairs of the SFT model, β = 0.1, 20 steps of 32 pairs"

WARD: dict[int, Bed] = {
    1: Bed("PPO", PASSES, "healthy", _ppo),
    2: Bed("DPO", PAIRS, "swapped", partial(_dpo, swapped=True)),
    3: Bed("GRPO", ONE_PASS, "healthy", _grpo),
    4: Bed("PPO", PASSES, "sign", partial(_ppo, **BUGS["B"])),
    5: Bed("PPO", PASSES, "temperature", partial(_ppo, cooler=True)),
    6: Bed("DPO", PAIRS, "itself", _dpo_beside_itself),
    7: Bed("GRPO", ONE_PASS, "unread", partial(_grpo, verifier=_anything_goes)),
    8: Bed("PPO", PASSES, "anew", partial(_ppo, **BUGS["A"])),
    9: Bed("DPO", PAIRS, "healthy", _dpo),
    10: Bed(
        "DPO",
        "60 votes on pairs of the SFT model, β = 0.1, 30 steps of all pairs",
        "passes",
        partial(_dpo, n=60, steps=30, batch_size=60, lr=1e-3),
    ),
    11: Bed("PPO", PASSES, "returns", partial(_ppo, **BUGS["D"])),
    12: Bed("GRPO", LITERALLY, "literal", _for_full_stops),
}


def ward(seeds: Sequence[int]) -> list[dict[str, Any]]:
    """The twelve patients of lesson 13, three of each: what was logged, ten replies, the gold score of a hundred."""
    shipped, rows = load_shipped(), []
    for number in WARD:
        for seed in seeds:
            rows += admitted(number, seed, shipped)
            print(f"ward, patient {number}, seed {seed} is done", flush=True)
    return rows


def admitted(number: int, seed: int, shipped: Checkpoints) -> list[dict[str, Any]]:
    """One patient's rows: a head, a row a step, and ten replies to strangers."""
    bed = WARD[number]
    before, after, records = bed.make(shipped, seed)
    strangers = shipped.prompts("held_out", first=ASKED)
    (_, start), (_, end) = (answer(model, strangers, shipped.tokenizer, gold) for model in (before, after))
    whose = {"patient": number, "seed": seed}
    head = whose | {"method": bed.method, "told": bed.told, "gold_before": start.mean, "gold_after": end.mean}
    logged = [record if isinstance(record, dict) else asdict(record) for record in records]
    steps = [
        whose | {"step": step} | {field: float(record[field]) for field in FIELDS[bed.method].split()}
        for step, record in enumerate(logged, start=1)
    ]
    asked = [shipped.tokenizer.decode(ids) for ids in strangers.prompts[:SHOWN]]
    said = [
        whose | {"asked": prompt, "said": text, "gold": score}
        for prompt, text, score in zip(asked, end.texts, end.scores, strict=False)
    ]
    return [head, *steps, *said]


SWEEPS = {"ward": ward}

CLAIMS = (
    Claim("off_when_cool", says="about half of them are off", low=0.4, high=0.6),
    Claim("right_when_warm", says="At 1 it is 1 to the fourth digit", low=-1e-4, high=1e-4),
    Claim("more_dead", says="more of its groups are dead", low=0.002),
    Claim("score_though_cool", says="The score of the ward's patient rose in spite of its defect", low=0.3),
    Claim("gold_though_cool", says="and its gold score too", low=0.02),
    Claim("score_though_anew", says="With the old log-probabilities taken anew", low=0.3),
)


def measure(seed: int) -> dict[str, float]:
    """The lesson's two numbers on shipped models, and two of the ward's patients."""
    shipped = load_shipped()
    customers = shipped.prompts("held_out", first=64).prompts
    ratios, off = {}, 0.0
    for temperature in (1.0, 0.6):
        drawn = sample(shipped.sft, customers, 40, torch.Generator().manual_seed(seed), temperature)
        with torch.no_grad():
            read, _ = response_log_probs(shipped.sft, drawn.tokens, drawn.response_mask)
        ratios[temperature] = first_ratio(read, drawn.log_probs, drawn.response_mask).item()
        off = ((read - drawn.log_probs)[drawn.response_mask].abs() > 0.01).float().mean().item()
    dead, paid = {}, score_by(right_remedy, shipped.tokenizer)
    for name, model in (("base", shipped.base), ("SFT", shipped.sft)):
        groups = [prompt for prompt in customers for _ in range(4)]
        replies = sample(model, groups, 40, torch.Generator().manual_seed(seed))
        dead[name] = frac_reward_zero_std(paid(replies.tokens, replies.response_mask), 4).item()
    cool, anew = (
        admitted(next(n for n in WARD if WARD[n].diagnosis == d), seed, shipped) for d in ("temperature", "anew")
    )
    (start, end), (anew_start, anew_end) = (
        (steps[0]["score"], steps[-1]["score"]) for steps in ([r for r in rows if "step" in r] for rows in (cool, anew))
    )
    return {
        "off_when_cool": off,
        "right_when_warm": ratios[1.0] - 1,
        "more_dead": dead["SFT"] - dead["base"],
        "score_though_cool": end - start,
        "gold_though_cool": cool[0]["gold_after"] - cool[0]["gold_before"],
        "score_though_anew": anew_end - anew_start,
    }
