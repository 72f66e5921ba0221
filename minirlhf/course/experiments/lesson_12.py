"""Lesson 12, when the answer can be checked: verifiers that are cheated, controls at equal replies, and what its text
claims.

The toys stand here too: a policy that knows nothing but when to stop, and one of six replies on a leash alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from math import comb
from random import Random
from statistics import fmean
from typing import Any

import torch

from minirlhf.best_of_n import draw_candidates
from minirlhf.course.experiments.claims import Claim
from minirlhf.data import Demonstrations, Ids, Prompts
from minirlhf.evaluate import answer, exchanges, pass_at_k
from minirlhf.feedback.agreement import cohen_kappa, left_bias
from minirlhf.feedback.asking import write_questions
from minirlhf.feedback.judges import BothOrders, Judge
from minirlhf.feedback.simulated import PATIENT, simulate
from minirlhf.feedback.votes import Better, Tie, Vote
from minirlhf.groups import (
    GroupAdvantageFn,
    KLEstimator,
    constant_mean,
    dead_groups,
    group_advantages,
    k1,
    k2,
    k3,
    sequence_mean,
)
from minirlhf.grpo import GRPOConfig, GRPORecord, train_grpo
from minirlhf.losses import clipped_policy_loss
from minirlhf.model import CausalLM
from minirlhf.ops import Mask, PerSequence, PerToken, Scalar, Tokens, masked_mean
from minirlhf.paths import data_folder
from minirlhf.recipes.pipeline import CONTEXT, Checkpoints, load_shipped
from minirlhf.rollout import RewardFn, collect
from minirlhf.sft import SFTConfig, train_sft
from minirlhf.verifiers import Verifier, right_remedy, score_by
from minirlhf.worlds import helpdesk
from minirlhf.worlds.helpdesk_gold import read, words

BOTH_WAYS: dict[str, Any] = {"updates": 8, "lr": 1e-3, "beta": 0.0}
COUNTED: dict[str, Any] = {"updates": 16, "lr": 1e-3, "beta": 0.0}
CHECKED: dict[str, Any] = {"updates": 12, "lr": 1e-3, "beta": 0.05}
REPLIES = 16  # to each of 100 held-out customers, to judge a policy by

# A word of each problem's remedies, which a learner might look for.
WORDS = {
    "broken": "new",
    "late": "find",
    "wrong item": "swap",
    "missing part": "part",
    "paid twice": "money",
    "too small": "bigger",
    "wants to cancel": "cancel",
    "does not turn on": "repair",
    "wrong colour": "colour",
    "smells": "wash",
}


def either_way_round(prompt: str, reply: str) -> bool:
    """What one writes in a hurry: is a remedy in the reply, or the reply in a remedy?"""
    asked, said = read(prompt), reply.strip().lower()
    remedies = [text.format(item=asked.item).lower() for text in helpdesk.PROBLEMS[asked.problem].remedies]
    return any(remedy in said or said in remedy for remedy in remedies)


def count_words(prompt: str, reply: str) -> int:
    """A point each time that the word for this problem is said."""
    return words(reply).count(WORDS[read(prompt).problem])


def points_by(count: Callable[[str, str], int], tokenizer: Any) -> RewardFn:
    """A reward model that gives as many points as are counted."""

    def score(tokens: Tokens, response_mask: Mask) -> PerSequence:
        return torch.tensor([float(count(*pair)) for pair in exchanges(tokens, response_mask, tokenizer)])

    return score


def tune(
    shipped: Checkpoints, start: CausalLM, reward: RewardFn, settings: Mapping[str, Any], seed: int, **functions: Any
) -> tuple[CausalLM, list[GRPORecord]]:
    """A copy of the start after GRPO, and the records."""
    policy, config = deepcopy(start), GRPOConfig(**settings, seed=seed)
    return policy, list(train_grpo(policy, start, reward, shipped.prompts("train"), config, **functions))


def count_right(policy: CausalLM, shipped: Checkpoints, verifier: Verifier = right_remedy, seed: int = 0) -> list[int]:
    """How many of sixteen replies are right, for each of a hundred customers whom nobody trained on."""
    return [sum(row) for row in verdicts(policy, shipped, verifier, seed)]


def verdicts(
    policy: CausalLM, shipped: Checkpoints, verifier: Verifier = right_remedy, seed: int = 0
) -> list[list[bool]]:
    """The same, reply by reply."""
    prompts, reward = shipped.prompts("held_out", first=100).prompts, score_by(verifier, shipped.tokenizer)
    drawing = draw_candidates(policy, reward, prompts, REPLIES, 40, torch.Generator().manual_seed(seed))
    return [[score == 1 for score in drawn.score.tolist()] for drawn in drawing]


def dead_share(verdicts: Sequence[Sequence[bool]], group_size: int) -> float:
    """Of the groups of this size that the replies can be dealt into, how many are all right or all wrong.

    Over all choices of so many of a customer's replies, as pass@k counts them: C(c, G) and C(n - c, G) of C(n, G).
    """
    n = len(verdicts[0])
    alike = (comb(sum(row), group_size) + comb(n - sum(row), group_size) for row in verdicts)
    return fmean(alike) / comb(n, group_size)


# ---- what dividing by the spread does


def step_for(p: float, group_size: int, advantage_fn: GroupAdvantageFn) -> float:
    """How large the mean step is for a prompt of success p, in units of the slope of p: exact, over all groups.

    One prompt, two replies, one of them right, told apart by one logit: ∇log π is 1 - p for the right one, -p for the
    other, and the slope of p is p(1 - p).
    """
    total = 0.0
    for right in range(group_size + 1):
        score = torch.tensor([1.0] * right + [0.0] * (group_size - right), dtype=torch.float64)
        slope = torch.tensor([1 - p] * right + [-p] * (group_size - right), dtype=torch.float64)
        chance = comb(group_size, right) * p**right * (1 - p) ** (group_size - right)
        total += chance * (advantage_fn(score, group_size) * slope).mean().item()
    return total / (p * (1 - p))


# ---- a policy that knows nothing but when to stop


AGGREGATES: dict[str, Callable[[PerToken, Mask], Scalar]] = {
    "mean of each reply": sequence_mean,
    "mean of all tokens": masked_mean,
    "a constant": partial(constant_mean, length=10),
}


def learn_to_stop(
    aggregate: Callable[[PerToken, Mask], Scalar],
    seed: int = 0,
    steps: int = 120,
    groups: int = 16,
    group_size: int = 8,
) -> Iterator[tuple[float, float]]:
    """Replies are right or wrong by a coin, and as long as they happen to get: their mean lengths, step by step.

    The only thing to learn is when to stop, one number for replies that are right and one for those that are wrong.
    Length earns nothing, so neither should change. Yields the expected length of a right and of a wrong reply.
    """
    generator, longest = torch.Generator().manual_seed(seed), 120
    logits = torch.full((2,), -2.2, requires_grad=True)  # stop with a probability of .1: ten tokens on average
    optimizer = torch.optim.SGD([logits], lr=0.25)
    for _ in range(steps):
        chance = logits.detach().sigmoid()
        yield 1 / chance[1].item(), 1 / chance[0].item()
        right = torch.randint(2, (groups * group_size,), generator=generator)
        u = torch.rand(len(right), generator=generator).clamp(1e-6, 1 - 1e-6)
        length = (u.log() / (1 - chance[right]).log()).ceil().clamp(1, longest).long()
        place = torch.arange(longest)
        mask, last = place < length.unsqueeze(1), place == length.unsqueeze(1) - 1
        logit = logits[right].unsqueeze(1).expand(-1, longest)
        log_probs = torch.where(last, torch.nn.functional.logsigmoid(logit), torch.nn.functional.logsigmoid(-logit))
        advantages = group_advantages(right.float(), group_size).unsqueeze(1).expand(-1, longest)
        loss, _ = clipped_policy_loss(log_probs, log_probs.detach(), advantages, mask, 0.2, aggregate=aggregate)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


# ---- six replies and a leash, without any reward


LEASHES: dict[str, KLEstimator | None] = {
    "k1 in the reward": None,
    "k1 in the loss": k1,
    "k2 in the loss": k2,
    "k3 in the loss": k3,
}


def come_home(leash: KLEstimator | None, seed: int = 0, steps: int = 150, lr: float = 0.5) -> Iterator[float]:
    """A policy of six replies that has strayed, nothing to earn, and only a leash: its true KL, step by step."""
    generator = torch.Generator().manual_seed(seed)
    reference = torch.zeros(6).log_softmax(dim=0)
    logits = torch.tensor([2.0, 1.0, 0.0, 0.0, -1.0, -2.0], requires_grad=True)
    for _ in range(steps):
        now = logits.log_softmax(dim=0)
        yield (now.exp() * (now - reference)).sum().item()
        drawn = torch.multinomial(now.exp().detach(), 8, replacement=True, generator=generator)
        log_probs, ref = now[drawn].unsqueeze(1), reference[drawn].unsqueeze(1)  # a reply is one token
        if leash is None:  # the price is part of the reward: a number, weighed with log π
            price = (log_probs - ref).detach()
            loss = ((price - price.mean()) * log_probs).mean()
        else:
            loss = leash(log_probs, ref).mean()
        (slope,) = torch.autograd.grad(loss, logits)
        logits = (logits - lr * slope).detach().requires_grad_()


# ---- controls, at equal replies


def checked_learners(seeds: Sequence[int]) -> list[dict[str, Any]]:
    """GRPO with a verifier, and what must stand beside it: a coin, and the imitation of right replies."""
    shipped, rows = load_shipped(), []
    for seed in seeds:
        rows.append({"way": "base", "seed": seed} | _measured(shipped.base, shipped, seed))
        for name, way in WAYS.items():
            rows.append({"way": name, "seed": seed} | _measured(way(shipped, seed), shipped, seed))
    return rows


def _by_verifier(shipped: Checkpoints, seed: int) -> CausalLM:
    return tune(shipped, shipped.base, score_by(right_remedy, shipped.tokenizer), CHECKED, seed)[0]


def _by_coin(shipped: Checkpoints, seed: int) -> CausalLM:
    coin = Random(seed)
    return tune(
        shipped, shipped.base, score_by(lambda prompt, reply: coin.random() < 0.5, shipped.tokenizer), CHECKED, seed
    )[0]


def _by_expert_iteration(shipped: Checkpoints, seed: int) -> CausalLM:
    """Three rounds: draw a third of the replies that GRPO draws, imitate those that are right, go on from there."""
    policy, generator = deepcopy(shipped.base), torch.Generator().manual_seed(seed)
    replies = GRPOConfig(**CHECKED).batch_size * CHECKED["updates"] // 3
    for _ in range(3):
        asked = shipped.prompts("train").draw(replies // 8, generator)
        drawn = list(draw_candidates(policy, score_by(right_remedy, shipped.tokenizer), asked, 8, 40, generator))
        kept = [(one.prompt, ids) for one in drawn for ids, s in zip(one.responses, one.score, strict=True) if s == 1]
        _imitate(policy, [prompt for prompt, _ in kept], [reply for _, reply in kept], seed)
    return policy


def _by_right_answers(shipped: Checkpoints, seed: int) -> CausalLM:
    """Imitate as many of the demonstrations that the verifier calls right as GRPO has seen replies, at most."""
    policy, tokenizer = deepcopy(shipped.base), shipped.tokenizer
    told = Demonstrations.load(data_folder() / "demonstrations_train.jsonl", tokenizer, CONTEXT)
    pairs = list(zip(told.prompts, told.responses, strict=True))
    right = [pair for pair in pairs if right_remedy(*(tokenizer.decode(ids) for ids in pair))]
    chosen = Random(seed).sample(right, min(len(right), GRPOConfig(**CHECKED).batch_size * CHECKED["updates"] // 2))
    _imitate(policy, [prompt for prompt, _ in chosen], [reply for _, reply in chosen], seed)
    return policy


def _imitate(policy: CausalLM, prompts: Sequence[Ids], replies: Sequence[Ids], seed: int) -> None:
    """Three passes over these replies."""
    demonstrations, batch_size = Demonstrations(prompts, replies), min(32, len(prompts))
    steps = 3 * len(prompts) // batch_size
    list(train_sft(policy, demonstrations, SFTConfig(steps, batch_size, lr=1e-3, warmup=min(5, steps), seed=seed)))


WAYS: dict[str, Callable[[Checkpoints, int], CausalLM]] = {
    "GRPO, the verifier": _by_verifier,
    "GRPO, a coin": _by_coin,
    "expert iteration": _by_expert_iteration,
    "SFT on right answers": _by_right_answers,
}
SWEEPS = {"checked": checked_learners}


def _measured(policy: CausalLM, shipped: Checkpoints, seed: int) -> dict[str, float]:
    """pass@1 to pass@16, gold, and the KL from the base model, on a hundred strangers."""
    right = count_right(policy, shipped, seed=seed)
    found = {f"pass@{k}": fmean(pass_at_k(REPLIES, c, k) for c in right) for k in (1, 2, 4, 8, 16)}
    prompts, generator = shipped.prompts("held_out", first=200).prompts, torch.Generator().manual_seed(seed)
    rollout = collect(policy, shipped.base, score_by(right_remedy, shipped.tokenizer), prompts, 40, generator)
    pairs = exchanges(rollout.tokens, rollout.response_mask, shipped.tokenizer)
    return found | {"gold": fmean(helpdesk.gold(*pair) for pair in pairs), "kl": rollout.kl.mean().item()}


# ---- what the text claims

RUBRIC = {"names the right remedy": 2.0, "says sorry": 1.0, "is short": 0.5}
CLAIMS = (
    Claim("silent_before", says="about one time in twenty", low=0.02, high=0.09),
    Claim("silent_after", says="nobody is told anything", low=0.95, high=1.01),
    Claim("points", says="The points at least doubled", low=2.0, high=8.0),
    Claim("gold_of_points", says="the gold score fell", low=-3.0, high=-0.2),
    Claim("right_base", says="the base model is right a third of the time", low=0.28, high=0.40),
    Claim("right_sft", says="which is right eight times in ten", low=0.73, high=0.86),
    Claim("above_the_line", says="on the line or a little above it", low=-0.01, high=0.07),
    Claim("right_learned", says="about nine in ten", low=0.84, high=0.97),
    Claim("beyond_certainty", says="Here that is more than a nat", low=1.0, high=6.0),
    Claim("of_sixteen", says="both find it for nearly every customer", low=0.97, high=1.01),
    Claim("coin", says="away from what was right", low=-0.35, high=-0.03),
    Claim("imitated", says="does about as well as GRPO here", low=-0.09, high=0.09),
    Claim("gold_of_answers", says="give more gold", low=0.03, high=1.0),
    Claim("right_shrink", says="Right replies shrink", low=1.0, high=6.0),
    Claim("wrong_grow", says="wrong ones grow", low=14.0, high=60.0),
    Claim("others_stay", says="both stay", low=0.0, high=1.5),
    Claim("k1_in_the_loss", says="by which the policy walks about", low=0.15, high=1.8),
    Claim("other_leashes", says="k2 and k3 hold as losses", low=-0.001, high=0.05),
    Claim("left", says="it mostly chooses a seat", low=0.7, high=1.0),
    Claim("ties", says="most of its verdicts", low=0.5, high=0.9),
    Claim("longer", says="It mostly chooses the longer one", low=0.65, high=1.0),
    Claim("kappa_rise", says="κ is far higher", low=0.2, high=1.1),
)


def measure(seed: int) -> dict[str, float]:
    """The lesson's own runs with this seed."""
    shipped = load_shipped()
    rows = {row["way"]: row for row in checked_learners([seed])}
    learned, base = rows["GRPO, the verifier"], rows["base"]
    sft = verdicts(shipped.sft, shipped, seed=seed)
    judged = {"base": verdicts(shipped.base, shipped, seed=seed), "sft": sft}
    above = [
        dead_share(v, size) - dead_groups(fmean(map(fmean, v)), size) for v in judged.values() for size in (2, 4, 8)
    ]
    records = tune(shipped, shipped.base, score_by(right_remedy, shipped.tokenizer), CHECKED, seed)[1]
    return {
        **_cheats(shipped, seed),
        "right_base": base["pass@1"],
        "right_sft": fmean(map(fmean, sft)),
        "above_the_line": max(above, key=abs),
        "right_learned": learned["pass@1"],
        "beyond_certainty": records[-1].kl_beyond_certainty,
        "of_sixteen": min(base["pass@16"], learned["pass@16"]),
        "coin": rows["GRPO, a coin"]["pass@1"] - base["pass@1"],
        "imitated": rows["expert iteration"]["pass@1"] - learned["pass@1"],
        "gold_of_answers": rows["SFT on right answers"]["gold"] - learned["gold"],
        **_toys(seed),
        **_judged(shipped, seed),
    }


def _cheats(shipped: Checkpoints, seed: int) -> dict[str, float]:
    """Silence where the verifier looks both ways, repeats where words are counted."""
    tokenizer, strangers = shipped.tokenizer, shipped.prompts("held_out", first=100)
    customers = Prompts(shipped.prompts("train").draw(600, torch.Generator().manual_seed(seed)))
    silent = tune(shipped, shipped.base, score_by(either_way_round, tokenizer), BOTH_WAYS, seed)[0]
    quiet = {
        name: fmean(not text.strip() for text in answer(model, prompts, tokenizer, right_remedy, seed=seed)[1].texts)
        for name, model, prompts in (("before", shipped.base, customers), ("after", silent, strangers))
    }
    wordy, records = tune(shipped, shipped.sft, points_by(count_words, tokenizer), COUNTED, seed)
    gold = {
        name: answer(model, strangers, tokenizer, helpdesk.gold)[1].mean
        for name, model in (("SFT", shipped.sft), ("RLHF", wordy))
    }
    return {
        "silent_before": quiet["before"],
        "silent_after": quiet["after"],
        "points": records[-1].score / records[0].score,
        "gold_of_points": gold["RLHF"] - gold["SFT"],
    }


def _toys(seed: int) -> dict[str, float]:
    """What the lesson draws of them: three seeds of lengths, five of leashes; here others."""
    (right, wrong), *others = (
        [fmean(list(learn_to_stop(way, 3 * seed + k))[-1][side] for k in range(3)) for side in (0, 1)]
        for way in AGGREGATES.values()
    )
    kl = {name: fmean(list(come_home(leash, 5 * seed + k))[-1] for k in range(5)) for name, leash in LEASHES.items()}
    return {
        "right_shrink": right,
        "wrong_grow": wrong,
        "others_stay": max(abs(length - 10) for pair in others for length in pair),
        "k1_in_the_loss": kl["k1 in the loss"],
        "other_leashes": max(value for name, value in kl.items() if name != "k1 in the loss"),
    }


def _judged(shipped: Checkpoints, seed: int) -> dict[str, float]:
    """A judge with a seat, and what is left of its verdicts when it is asked in both orders."""
    questions = write_questions(shipped.sft, shipped.prompts("train"), shipped.tokenizer, 60, seed=12 + seed)
    judge, person = Judge("my judge (a program)", RUBRIC, seat=1.0), simulate(questions, PATIENT)
    once, twice = simulate(questions, judge), simulate(questions, BothOrders(judge))
    return {
        "left": left_bias(once).rate,
        "ties": fmean(isinstance(vote.answer, Tie) for vote in twice),
        "longer": longer_chosen(simulate(questions, BothOrders(replace(judge, length=3.0)))),
        "kappa_rise": kappa(twice, person) - kappa(once, person),
    }


def longer_chosen(votes: Sequence[Vote]) -> float:
    """How often the longer of two replies was chosen."""
    chosen = [(vote.answer.winner, vote.question.replies) for vote in votes if isinstance(vote.answer, Better)]
    return fmean(len(replies[winner]) == max(map(len, replies)) for winner, replies in chosen)


def kappa(votes: Sequence[Vote], others: Sequence[Vote]) -> float:
    """Cohen's κ of two voters on the pairs on which both made a choice."""
    both = [(a.answer, b.answer) for a, b in zip(votes, others, strict=True)]
    chosen = [pair for pair in both if all(isinstance(answer, Better) for answer in pair)]
    return cohen_kappa(*zip(*chosen, strict=True))
