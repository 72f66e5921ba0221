"""Lesson 10: two tasks, ten ways to get there, the same number of human answers for each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from time import process_time
from typing import Any

import torch
from torch import nn

from minirlhf.course.experiments.claims import Claim
from minirlhf.course.experiments.contest import ASKED, BATCH, BETA, DEFINITE, TASKS, TASTE, UPDATES, Contest, Entry, N
from minirlhf.data import Demonstrations
from minirlhf.dpo import DPOConfig, train_dpo
from minirlhf.grpo import GRPOConfig, train_grpo
from minirlhf.machine.pace import time_limited
from minirlhf.model import CausalLM
from minirlhf.paths import data_folder
from minirlhf.recipes.pipeline import CONTEXT, MAX_NEW_TOKENS
from minirlhf.sft import SFTConfig, train_sft
from minirlhf.verifiers import score_by
from minirlhf.worlds.helpdesk import gold_parts

EPOCHS = 6
GROUPS = GRPOConfig(updates=UPDATES, prompts=BATCH // N, group_size=N, max_new_tokens=MAX_NEW_TOKENS)
LADDER = (60, 200)


def entries(contest: Contest, only: Sequence[str] = ()) -> Iterator[Entry]:
    """The contestants one after another, each with what it took; `only` names some of them."""
    ways = {name: way for name, way in WAYS.items() if name not in UNCHECKED.get(contest.task.name, ())}
    yield from (way(contest, name) for name, way in ways.items() if not only or name in only)


def imitate(start: CausalLM, demonstrations: Demonstrations, seed: int = 0) -> CausalLM:
    """A copy of the start that has read these demonstrations six times."""
    policy, batch_size = deepcopy(start), min(32, len(demonstrations))
    steps = EPOCHS * len(demonstrations) // batch_size
    config = SFTConfig(steps=steps, batch_size=batch_size, lr=1e-3, warmup=min(5, steps), seed=seed)
    list(time_limited(train_sft(policy, demonstrations, config)))
    return policy


def _as_it_is(contest: Contest, name: str) -> Entry:
    policy = contest.shipped.models[name]
    return Entry(name, policy, parameters=size(policy))


def _demonstrated(contest: Contest, name: str) -> Entry:
    begun = process_time()
    policy = imitate(contest.shipped.sft, contest.demonstrations, contest.seed)
    return Entry(name, policy, demonstrations=contest.answers, seconds=process_time() - begun, parameters=size(policy))


def _filtered(contest: Contest, name: str) -> Entry:
    """Imitate those of the old demonstrations that the votes' reward model likes best."""
    reward_model, begun = contest.reward_model, process_time()
    policy = imitate(contest.shipped.sft, liked(contest), contest.seed)
    seconds = contest.reward_seconds + process_time() - begun
    return Entry(name, policy, votes=contest.answers, seconds=seconds, parameters=size(policy, reward_model))


def liked(contest: Contest) -> Demonstrations:
    """The best of the demonstrations that everybody started from, by the votes' reward model."""
    tokenizer, reward_model, scores = contest.shipped.tokenizer, contest.reward_model, []
    old = Demonstrations.load(data_folder() / "demonstrations_train.jsonl", tokenizer, CONTEXT)
    for first in range(0, len(old), 500):
        tokens, mask = old.batch(range(first, min(first + 500, len(old))), tokenizer.pad_id)
        with torch.no_grad():
            scores += reward_model(tokens, mask).tolist()
    best = sorted(range(len(old)), key=lambda i: -scores[i])[:ASKED]
    return old.at(best)


def _best_answers(contest: Contest, name: str) -> Entry:
    """Draw N replies for each customer, keep the best, imitate those."""
    reward_model, begun = contest.reward_model, process_time()
    drawn = contest.draw()
    kept = Demonstrations([c.prompt for c in drawn], [c.best for c in drawn])
    policy = imitate(contest.shipped.sft, kept, contest.seed)
    seconds = contest.reward_seconds + process_time() - begun
    return Entry(
        name, policy, votes=contest.answers, seconds=seconds, parameters=size(policy, reward_model), sampled=ASKED * N
    )


def _random_answers(contest: Contest, name: str) -> Entry:
    """The control: as many replies drawn and imitated, kept by lot."""
    begun, drawn = process_time(), contest.draw()
    kept = Demonstrations([c.prompt for c in drawn], [c.responses[0] for c in drawn])
    policy = imitate(contest.shipped.sft, kept, contest.seed)
    return Entry(name, policy, seconds=process_time() - begun, parameters=size(policy), sampled=ASKED * N)


def _best_of_n(contest: Contest, name: str) -> Entry:
    policy, reward_model = contest.shipped.sft, contest.reward_model
    return Entry(
        name,
        policy,
        chooses=True,
        votes=contest.answers,
        seconds=contest.reward_seconds,
        parameters=size(policy, reward_model),
    )


def _ppo(contest: Contest, name: str) -> Entry:
    learned, begun, policy = contest.learn(), process_time(), deepcopy(contest.shipped.sft)
    list(time_limited(contest.ppo(policy)))
    return ppo_entry(contest, policy, learned + process_time() - begun)


def ppo_entry(contest: Contest, policy: CausalLM, seconds: float) -> Entry:
    """A policy that PPO has trained, as a contestant: beside it stood a reference, a value model, a reward model."""
    models = (policy, contest.shipped.sft, contest.shipped.sft, contest.reward_model)
    return Entry(
        "PPO", policy, votes=contest.answers, seconds=seconds, parameters=size(*models), sampled=UPDATES * BATCH
    )


def _dpo(contest: Contest, name: str) -> Entry:
    """The votes train the policy itself. One in five is kept back, to say when to stop."""
    begun, policy, start = process_time(), deepcopy(contest.shipped.sft), contest.shipped.sft
    rows = range(len(contest.votes))
    kept_back, learned = contest.votes.at(rows[::5]), contest.votes.at([i for i in rows if i % 5])
    config = DPOConfig(steps=60, patience=10, seed=contest.seed)
    list(time_limited(train_dpo(policy, start, learned, config, held_out=kept_back)))
    return Entry(name, policy, votes=contest.answers, seconds=process_time() - begun, parameters=size(policy, start))


def _grpo(contest: Contest, name: str) -> Entry:
    """PPO's reward model, PPO's number of replies, and no value model: eight replies to each customer."""
    learned, begun, policy, start = contest.learn(), process_time(), deepcopy(contest.shipped.sft), contest.shipped.sft
    config = replace(GROUPS, beta=BETA, missing_eos_score=-2.0, seed=contest.seed)
    list(time_limited(train_grpo(policy, start, contest.reward_model, contest.customers, config)))
    seconds, models = learned + process_time() - begun, (policy, start, contest.reward_model)
    sampled = UPDATES * BATCH
    return Entry(name, policy, votes=contest.answers, seconds=seconds, parameters=size(*models), sampled=sampled)


def _verified(contest: Contest, name: str) -> Entry:
    """The same where a program says whether a customer's matter is settled, and nobody is asked."""
    begun, policy, start = process_time(), deepcopy(contest.shipped.sft), contest.shipped.sft
    verifier = score_by(settles, contest.shipped.tokenizer)
    list(time_limited(train_grpo(policy, start, verifier, contest.customers, replace(GROUPS, seed=contest.seed))))
    seconds = process_time() - begun
    return Entry(name, policy, seconds=seconds, parameters=size(policy, start), sampled=UPDATES * BATCH)


def settles(prompt: str, reply: str) -> bool:
    """The right remedy for the right thing, with a greeting and a closing: whether a program finds all four."""
    parts = gold_parts(prompt, reply)
    return all(parts[part] > 0 for part in ("remedy", "item", "greeting", "closing"))


WAYS: Mapping[str, Callable[[Contest, str], Entry]] = {
    "base": _as_it_is,
    "SFT": _as_it_is,
    "SFT, more demonstrations": _demonstrated,
    "SFT, best old demonstrations": _filtered,
    "SFT, random answers": _random_answers,
    "SFT, best answers": _best_answers,
    "best-of-n": _best_of_n,
    "PPO": _ppo,
    "DPO": _dpo,
    "GRPO": _grpo,
    "GRPO, verifier": _verified,
}
UNCHECKED = {TASTE.name: ("GRPO, verifier",)}  # nobody can write down what sorry enough is


def size(*models: nn.Module) -> int:
    """How many numbers these models hold."""
    return sum(parameter.numel() for model in models for parameter in model.parameters())


# ---- recorded runs


def row(contest: Contest, entry: Entry) -> dict[str, Any]:
    """A contestant's result and its costs, as a row of a recorded run."""
    costs = ("demonstrations", "votes", "seconds", "parameters", "sampled")
    head = {"task": contest.task.name, "method": entry.name, "seed": contest.seed, "answers": contest.answers}
    return head | {name: getattr(entry, name) for name in costs} | contest.judge(entry)


def equal_budgets(seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Every contestant on both tasks, each with the same number of human answers: win rates against SFT, and costs."""
    rows = []
    for task in TASKS:
        for seed in seeds:
            contest = Contest.of(task, seed)
            for entry in entries(contest):
                rows.append(row(contest, entry))
                print(f"equal_budgets, {task.name}, seed {seed}: {entry.name} is done", flush=True)
    return rows


def by_answers(seeds: Sequence[int]) -> list[dict[str, Any]]:
    """The definite task with fewer human answers than in `equal_budgets`: demonstrations imitated, or votes for PPO."""
    rows = []
    for answers in LADDER:
        for seed in seeds:
            contest = Contest.of(DEFINITE, seed, answers)
            for entry in entries(contest, only=("SFT, more demonstrations", "PPO")):
                rows.append(row(contest, entry))
            print(f"by_answers, {answers} answers, seed {seed} is done", flush=True)
    return rows


SWEEPS = {"equal_budgets": equal_budgets, "by_answers": by_answers}


# ---- what the text claims

CLAIMS = (
    Claim("demonstrations_settle", says="about nine in ten customers", low=0.84, high=0.94),
    Claim("ppo_settle", says="six or seven in ten", low=0.54, high=0.78),
    Claim("sixty_ahead", says="Sixty demonstrations score higher than six hundred votes", low=0.0),
    Claim("demonstrations_sorry", says="stay near a half", low=0.4, high=0.63),
    Claim("best_answers_over_control", says="well above their control", low=0.1),
    Claim("best_of_n_sorry", says="two thirds to four fifths", low=0.62, high=0.86),
    Claim("ppo_sorry", says="roughly 80 to 95 in 100", low=0.74, high=0.97),
    Claim("apologies", says="anywhere from one to two per reply", low=0.93, high=2.0),
    Claim("help_kept", says="keep the help as good as it was", low=-0.35),
    Claim("grpo_settle", says="between a half and three quarters on the left", low=0.46, high=0.79),
    Claim("grpo_sorry", says="eight or nine in ten on the right", low=0.7, high=0.95),
    Claim("dpo_settle", says="half to two thirds on the left", low=0.46, high=0.74),
    Claim("verified_settle", says="about eight in ten without any human answer", low=0.7, high=0.88),
    Claim("flattery", says="by 20 to 30 in 100", low=0.1, high=0.4),
)
MEASURED: Mapping[str, Sequence[str]] = {
    DEFINITE.name: ("SFT, more demonstrations", "PPO", "DPO", "GRPO", "GRPO, verifier"),
    TASTE.name: (
        "SFT",
        "SFT, more demonstrations",
        "SFT, random answers",
        "SFT, best answers",
        "best-of-n",
        "PPO",
        "GRPO",
    ),
}


def claimed(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The claims' numbers of one seed, from its rows; those of `by_answers` are told by their number of answers."""
    full = {task.name: task.answers for task in TASKS}
    found = {(one["task"], one["method"]): one for one in rows if one["answers"] == full[one["task"]]}
    sixty = next(one for one in rows if one["task"] == DEFINITE.name and one["answers"] == LADDER[0])
    share = {key: one["wins"] / one["n"] for key, one in found.items()}
    settle, sorry = DEFINITE.name, TASTE.name
    flattered = found[settle, "PPO"]
    return {
        "demonstrations_settle": share[settle, "SFT, more demonstrations"],
        "ppo_settle": share[settle, "PPO"],
        "sixty_ahead": sixty["score"] - flattered["score"],
        "demonstrations_sorry": share[sorry, "SFT, more demonstrations"],
        "best_answers_over_control": share[sorry, "SFT, best answers"] - share[sorry, "SFT, random answers"],
        "best_of_n_sorry": share[sorry, "best-of-n"],
        "ppo_sorry": share[sorry, "PPO"],
        "apologies": 2 * found[sorry, "PPO"]["score"],
        "help_kept": found[sorry, "SFT, best answers"]["gold"] - found[sorry, "SFT"]["gold"],
        "grpo_settle": share[settle, "GRPO"],
        "grpo_sorry": share[sorry, "GRPO"],
        "dpo_settle": share[settle, "DPO"],
        "verified_settle": share[settle, "GRPO, verifier"],
        "flattery": (flattered["wins_by_reward"] - flattered["wins"]) / flattered["n"],
    }


def measure(seed: int) -> dict[str, float]:
    """The lesson's contest with this seed, as `equal_budgets` and `by_answers` record it."""
    few = Contest.of(DEFINITE, seed, LADDER[0])
    rows = [row(few, entry) for entry in entries(few, only=("SFT, more demonstrations",))]
    for task in TASKS:
        contest = Contest.of(task, seed)
        rows += [row(contest, entry) for entry in entries(contest, only=MEASURED[task.name])]
    return claimed(rows)
