"""The whole line, stage by stage: texts → base model → SFT → votes → reward model → PPO.

The demo and the shipped checkpoints are both made here, so that what a learner opens is what the demo shows.
"""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import TypeVar

import torch
from tqdm.auto import tqdm

from minirlhf.checkpoint import load, load_policy, save
from minirlhf.data import Comparisons, Demonstrations, Prompts
from minirlhf.feedback.asking import drafts
from minirlhf.feedback.simulated import PATIENT, Person, SimulatedChoice, vote
from minirlhf.jsonl import read_jsonl
from minirlhf.machine.runtime import pin_threads
from minirlhf.machine.shares import process
from minirlhf.model import GPT, CausalLM, GPTConfig, RewardModel, ValueModel
from minirlhf.paths import data_folder
from minirlhf.ppo import PPOConfig, PPORecord, train_ppo
from minirlhf.reward import RewardConfig, RewardRecord, normalise_on, train_reward
from minirlhf.sft import SFTConfig, SFTRecord, train_sft
from minirlhf.tokenizer import Tokenizer

CONTEXT = 64
MAX_NEW_TOKENS = 40
BASE = SFTConfig(steps=1600, batch_size=64, lr=4e-3, warmup=50)
Record = TypeVar("Record")


@dataclass(frozen=True)
class Recipe:
    """How the stages after the base model are trained.

    PPO's β is high here: a reward model this small sees manners before it sees whether the remedy fits, and
    at β = 0.05 one seed in three bought its manners with wrong remedies (win rate 69 % instead of 80 %).
    """

    sft: SFTConfig = SFTConfig()
    """Stage 1: how demonstrations are imitated."""
    votes: int = 9600
    """Simulated choices between two replies of the SFT model."""
    reward: RewardConfig = RewardConfig()
    """Stage 2: how the reward model learns from those choices."""
    ppo: PPOConfig = PPOConfig(beta=0.2)
    """Stage 3: how the policy moves towards the reward model's score."""

    def seeded(self, seed: int) -> "Recipe":
        """The same recipe with another seed in every stage."""
        stages = {name: replace(getattr(self, name), seed=seed) for name in ("sft", "reward", "ppo")}
        return replace(self, **stages)


@dataclass(frozen=True)
class Checkpoints:
    """What data/checkpoints holds: the three states of one model, and the reward model that led to the last."""

    tokenizer: Tokenizer
    base: CausalLM
    sft: CausalLM
    reward_model: RewardModel
    rlhf: CausalLM

    @property
    def models(self) -> dict[str, CausalLM]:
        """The three language models under the names that the lessons and figures use."""
        return {"base": self.base, "SFT": self.sft, "RLHF": self.rlhf}

    def prompts(self, split: str = "held_out", first: int | None = None) -> Prompts:
        """The shipped customers; `split` is "train" or "held_out"."""
        prompts = Prompts.load(data_folder() / f"prompts_{split}.jsonl", self.tokenizer, CONTEXT)
        return Prompts(prompts.prompts[:first])


@dataclass
class PipelineResult:
    """The models of one run, and what each stage reported on the way."""

    base: CausalLM
    sft: CausalLM
    reward_model: RewardModel
    rlhf: CausalLM
    votes: list[SimulatedChoice]
    sft_records: list[SFTRecord] = field(default_factory=list)
    reward_records: list[RewardRecord] = field(default_factory=list)
    ppo_records: list[PPORecord] = field(default_factory=list)


def build_checkpoints(data: Path, recipe: Recipe | None = None) -> None:
    """Train tokenizer, base, SFT, reward model and PPO anew from the texts, and ship them in data/checkpoints."""
    pin_threads()
    texts = [row["text"] for _, row in read_jsonl(data / "base.jsonl", ("text",))]
    rows = read_jsonl(data / "demonstrations_train.jsonl", ("prompt", "completion"))
    tokenizer = Tokenizer.train(texts + [row["prompt"] + row["completion"] for _, row in rows])

    torch.manual_seed(0)  # the initial weights; every stage has a generator of its own
    base = CausalLM(GPT(GPTConfig(tokenizer.vocab_size, CONTEXT, eos_id=tokenizer.eos_id)))
    documents = Demonstrations.load_texts(data / "base.jsonl", tokenizer, CONTEXT)
    watch(train_sft(base, documents, BASE), BASE.steps, "base", "loss")

    tuned = tune(base, tokenizer, data, recipe or Recipe())
    models = {"base": base, "sft": tuned.sft, "reward_model": tuned.reward_model, "rlhf": tuned.rlhf}
    for name, model in models.items():
        save(data / "checkpoints" / name, model, tokenizer)


def load_shipped() -> Checkpoints:
    """Open the models of data/checkpoints."""
    folder = data_folder() / "checkpoints"
    base, tokenizer = load_policy(folder / "base")
    reward_model, _ = load(folder / "reward_model")
    if not isinstance(reward_model, RewardModel):
        raise ValueError(f"{folder / 'reward_model'}: holds a {type(reward_model).__name__}, not a RewardModel.")
    return Checkpoints(tokenizer, base, load_policy(folder / "sft")[0], reward_model, load_policy(folder / "rlhf")[0])


def tune(base: CausalLM, tokenizer: Tokenizer, data: Path, recipe: Recipe, person: Person = PATIENT) -> PipelineResult:
    """From a base model to one that people (here: a simulated one) have tuned; shows a bar for every stage."""
    demonstrations = Demonstrations.load(data / "demonstrations_train.jsonl", tokenizer, CONTEXT)
    prompts = Prompts.load(data / "prompts_train.jsonl", tokenizer, CONTEXT)

    sft = deepcopy(base)
    sft_records = watch(train_sft(sft, demonstrations, recipe.sft), recipe.sft.steps, "SFT", "loss")

    votes = ask(sft, prompts, tokenizer, person, recipe.votes, recipe.reward.seed)
    comparisons = Comparisons.of(votes, tokenizer, CONTEXT)
    reward_model = RewardModel(deepcopy(sft.trunk))
    reward_stage = train_reward(reward_model, comparisons, recipe.reward)
    reward_records = watch(reward_stage, recipe.reward.steps, "reward model", "accuracy")
    normalise_on(reward_model, sft, prompts, recipe.reward.seed)

    rlhf, value_model = deepcopy(sft), ValueModel(deepcopy(reward_model.trunk))
    ppo_stage = train_ppo(rlhf, sft, reward_model, value_model, prompts, recipe.ppo)
    ppo_records = watch(ppo_stage, recipe.ppo.updates, "PPO", "score")
    return PipelineResult(base, sft, reward_model, rlhf, votes, sft_records, reward_records, ppo_records)


def ask(
    policy: CausalLM, prompts: Prompts, tokenizer: Tokenizer, person: Person, n: int, seed: int
) -> list[SimulatedChoice]:
    """Let a simulated person choose n times between two replies of the policy."""
    drafted = islice(drafts([policy, policy], prompts, tokenizer, seed, MAX_NEW_TOKENS), n)
    return vote([(prompt, first, second) for prompt, (first, second) in drafted], person, Random(seed))


def watch(records: Iterable[Record], total: int, name: str, shown: str) -> list[Record]:
    """Run a stage to its end behind a progress bar that shows one of its numbers."""
    kept = []
    with tqdm(records, total=total, desc=f"{name:>12}", disable=process() != 0) as bar:
        for record in bar:
            kept.append(record)
            bar.set_postfix_str(f"{shown} {getattr(record, shown):.2f}", refresh=False)
    return kept
