"""A task, its people, and who takes part: what lesson 10's ways to learn from people all have in common.

Everybody starts from the shipped SFT model. Who imitates gets demonstrations, who optimises gets votes on pairs of the
start's replies; who samples in training samples equally many replies. The person's own rule, without noise, judges.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from time import process_time
from typing import Any

import torch

from minirlhf.additive import AdditiveReward, fit_additive
from minirlhf.best_of_n import Candidates, best_of_n_kl, draw_candidates
from minirlhf.data import Comparisons, Demonstrations, Ids, Prompts, collate
from minirlhf.evaluate import Judge, exact_kl
from minirlhf.feedback.simulated import TEN_TASTES, Person
from minirlhf.machine.pace import time_limited
from minirlhf.model import CausalLM, RewardModel, ValueModel
from minirlhf.ppo import PPOConfig, PPORecord, train_ppo
from minirlhf.recipes.pipeline import CONTEXT, MAX_NEW_TOKENS, Checkpoints, ask, load_shipped
from minirlhf.reward import RewardConfig, normalise_on, train_reward
from minirlhf.rollout import sample
from minirlhf.worlds import helpdesk
from minirlhf.worlds.helpdesk import DEMONSTRATOR, Manner

N, UPDATES, BATCH, BETA = 8, 12, 96, 0.1
ASKED = UPDATES * BATCH // N  # customers with N replies each: as many replies as PPO samples

BY_THE_BOOK = Manner(
    some_remedy=1.0,
    right_remedy=1.0,
    right_item=1.0,
    greeting=1.0,
    apology=0.0,
    timing=0.0,
    closing=1.0,
    tones={"formal": 1.0},
)
SETTLED = Person(
    "the one who wants it settled (simulated)",
    "wants the right remedy for the right thing, a greeting and a closing",
    {"remedy": 1.0, "item": 1.0, "greeting": 1.0, "closing": 1.0},
    temperature=0.25,
    lapse=0.06,
)


@dataclass(frozen=True)
class Task:
    """Whom to please, how those write who demonstrate, and how many human answers there are."""

    name: str
    person: Person
    manner: Manner
    answers: int
    reads_the_question: bool  # whether the votes are enough for a reward model that does


DEFINITE = Task("settle it", SETTLED, BY_THE_BOOK, 600, reads_the_question=True)
TASTE = Task("be sorry", TEN_TASTES["sorry"], DEMONSTRATOR, 60, reads_the_question=False)
TASKS = (DEFINITE, TASTE)


@dataclass(frozen=True)
class Entry:
    """One contestant: how it answers, and what it took until it could."""

    name: str
    policy: CausalLM
    chooses: bool = False  # whether it draws N replies for each customer, and keeps the best
    demonstrations: int = 0
    votes: int = 0
    seconds: float = 0.0  # of one core, until it can answer; the reward model's among them where one is needed
    parameters: int = 0  # how many numbers its models hold, all that are in memory at once
    sampled: int = 0


@dataclass
class Contest:
    """A task with one seed's people. Each contestant is trained when it is asked for."""

    task: Task
    shipped: Checkpoints
    seed: int
    answers: int  # human answers for each
    votes: Comparisons = field(init=False)
    demonstrations: Demonstrations = field(init=False)
    reward_seconds: float = 0.0

    def __post_init__(self) -> None:
        shipped, seed = self.shipped, self.seed
        choices = ask(shipped.sft, self.customers, shipped.tokenizer, self.task.person, self.answers, seed)
        self.votes = Comparisons.of(choices, shipped.tokenizer, CONTEXT)
        self.demonstrations = written(self.task.manner, self.answers, shipped, seed)

    @classmethod
    def of(cls, task: Task, seed: int, answers: int | None = None) -> "Contest":
        return cls(task, load_shipped(), seed, answers or task.answers)

    @cached_property
    def customers(self) -> Prompts:
        return self.shipped.prompts("train")

    @cached_property
    def held_out(self) -> Prompts:
        return self.shipped.prompts("held_out")

    @cached_property
    def reward_model(self) -> RewardModel | AdditiveReward:
        """What the votes teach: a transformer where it has to read the question, else a weight for each word."""
        begun = process_time()
        model = self._reading() if self.task.reads_the_question else self._weighing()
        self.reward_seconds = process_time() - begun
        return model

    def learn(self) -> float:
        """Train the reward model if that is still to do; returns the seconds of one core that it took."""
        _ = self.reward_model
        return self.reward_seconds

    def _reading(self) -> RewardModel:
        shipped = self.shipped
        model = RewardModel(deepcopy(shipped.sft.trunk))
        # Read three times: more often, and it learns so few votes by heart.
        steps = 3 * len(self.votes) // 32
        config = RewardConfig(steps=steps, batch_size=32, warmup=min(5, steps), seed=self.seed)
        list(time_limited(train_reward(model, self.votes, config)))
        normalise_on(model, shipped.sft, self.customers, self.seed)
        return model

    def _weighing(self) -> AdditiveReward:
        shipped = self.shipped
        model = fit_additive(self.votes, shipped.tokenizer, ridge=1.0)
        normalise_on(model, shipped.sft, self.customers, self.seed, replies=256)
        return model

    def draw(self) -> list[Candidates]:
        """N replies of the start to each of some customers."""
        generator = torch.Generator().manual_seed(self.seed)
        prompts = self.customers.prompts[:ASKED]
        return list(draw_candidates(self.shipped.sft, self.reward_model, prompts, N, MAX_NEW_TOKENS, generator))

    def ppo(self, policy: CausalLM) -> Iterator[PPORecord]:
        """PPO on the votes' reward model, with as many replies as everybody."""
        shipped = self.shipped
        config = PPOConfig(updates=UPDATES, batch_size=BATCH, max_new_tokens=MAX_NEW_TOKENS, beta=BETA, seed=self.seed)
        value_model = ValueModel(deepcopy(shipped.sft.trunk))
        return train_ppo(policy, shipped.sft, self.reward_model, value_model, self.customers, config)

    def judge(self, entry: Entry) -> dict[str, Any]:
        """Have a contestant answer all held-out customers, and count; `wins` against the start, ties half."""
        reference = self._replies(Entry("SFT", self.shipped.sft), 1000 + self.seed)
        begun = process_time()
        replies = self._replies(entry, self.seed)
        took = process_time() - begun
        scores, n = self._scores(replies, self.task.person.score), len(replies)
        return {
            "n": n,
            "wins": half_wins(scores, self._scores(reference, self.task.person.score)),
            "wins_by_reward": half_wins(self._rewards(replies), self._rewards(reference)),
            "score": sum(scores) / n,
            "gold": sum(self._scores(replies, helpdesk.gold)) / n,
            "kl": best_of_n_kl(N) if entry.chooses else self._kl(entry),
            "milliseconds_an_answer": 1000 * took / n,
        }

    def texts(self, entry: Entry) -> list[str]:
        """What a contestant answers to the held-out customers."""
        return [self.shipped.tokenizer.decode(ids).strip() for ids in self._replies(entry, self.seed)]

    def _replies(self, entry: Entry, seed: int) -> list[Ids]:
        generator = torch.Generator().manual_seed(seed)
        prompts = self.held_out.prompts
        if not entry.chooses:
            return sample(entry.policy, prompts, MAX_NEW_TOKENS, generator).responses()
        drawn = draw_candidates(entry.policy, self.reward_model, prompts, N, MAX_NEW_TOKENS, generator)
        return [candidates.best for candidates in drawn]

    def _scores(self, replies: Sequence[Ids], judge: Judge) -> list[float]:
        decode = self.shipped.tokenizer.decode
        pairs = zip(self.held_out.prompts, replies, strict=True)
        return [judge(decode(prompt), decode(reply).strip()) for prompt, reply in pairs]

    def _rewards(self, replies: Sequence[Ids]) -> list[float]:
        reward_model = self.reward_model  # may have to be trained first, and that needs gradients
        tokens, mask = collate(self.held_out.prompts, replies, self.shipped.tokenizer.pad_id)
        with torch.no_grad():
            return reward_model(tokens, mask).tolist()

    def _kl(self, entry: Entry) -> float:
        generator = torch.Generator().manual_seed(self.seed)
        samples = sample(entry.policy, self.held_out.prompts, MAX_NEW_TOKENS, generator)
        return exact_kl(entry.policy, self.shipped.sft, samples.tokens, samples.response_mask).mean().item()


def written(manner: Manner, n: int, shipped: Checkpoints, seed: int) -> Demonstrations:
    """What simulated agents of this manner write to n new customers."""
    rng, prompts, responses = Random(f"lesson 10, {seed}"), [], []
    for _ in range(n):
        request = helpdesk.request(rng)
        prompts.append(shipped.tokenizer.encode(request.prompt))
        responses.append([*shipped.tokenizer.encode(helpdesk.reply(request, rng, manner)), shipped.tokenizer.eos_id])
    return Demonstrations(prompts, responses)


def half_wins(scores: Sequence[float], others: Sequence[float]) -> float:
    """How many pairs the first wins, a tie being half a win."""
    return sum(0.5 * (a >= b - 1e-9) + 0.5 * (a > b + 1e-9) for a, b in zip(scores, others, strict=True))
