"""The measurements: ours and theirs take turns, so that whatever else the machine does disturbs both.

The first turn of each is not counted. Ours has the same number of parameters and episodes as theirs; the
prompts are random, no token ends a response, and a network of the policy's size gives the scores.
"""

import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from functools import partial
from time import perf_counter

import torch
from tqdm import trange

from minirlhf.course.bench.machine import A, Sizes, cost_of, import_seconds, matmul_rate, seconds
from minirlhf.course.bench.row import Row, quotients
from minirlhf.course.bench.trl_ppo import Update, trl_updates
from minirlhf.data import Demonstrations, Prompts
from minirlhf.feedback.asking import write_questions
from minirlhf.feedback.simulated import CHEERFUL, simulate
from minirlhf.model import GPT, CausalLM, GPTConfig, RewardModel, ValueModel
from minirlhf.ops import Mask, PerSequence, Tokens
from minirlhf.pipeline import load_shipped
from minirlhf.ppo import PPOConfig, train_ppo
from minirlhf.rollout import sample
from minirlhf.sft import SFTConfig, train_sft
from minirlhf.taste import Taste, TasteConfig, learn_taste

EQUAL = Sizes()
YARDSTICK = Sizes(
    width=64, layers=2, heads=2, vocabulary=15, prompt=4, response=12, episodes=64, minibatches=4, count_a=True
)


def turns(rounds: int, what: str) -> Iterator[int]:
    """The rounds' numbers, with a progress bar that leaves no trace."""
    return iter(trange(rounds, desc=what, leave=False))


def new_policy(sizes: Sizes) -> CausalLM:
    """Our language model of these sizes, untrained."""
    torch.manual_seed(sizes.seed)
    context = sizes.prompt + sizes.response
    config = GPTConfig(sizes.vocabulary, context, layers=sizes.layers, channels=sizes.width)
    return CausalLM(GPT(config))


def new_prompts(sizes: Sizes, batches: int = 1) -> list[list[int]]:
    """Random prompts, all of one length."""
    generator = torch.Generator().manual_seed(sizes.seed)
    shape = (batches * sizes.episodes, sizes.prompt)
    return torch.randint(sizes.vocabulary, shape, generator=generator).tolist()


def our_updates(sizes: Sizes, updates: int) -> Iterator[Update]:
    """Each next() is one PPO update of ours, timed as TRL's are."""
    policy = new_policy(sizes)
    reward_model = count_a if sizes.count_a else RewardModel(deepcopy(policy.trunk))
    config = PPOConfig(
        updates=updates,
        batch_size=sizes.episodes,
        epochs=sizes.epochs,
        minibatches=sizes.minibatches,
        max_new_tokens=sizes.response,
        lr=sizes.learning_rate,
        value_clip=2.0 if sizes.count_a else 0.2,  # 0.2 is for normalised scores; these run from 0 to 12
        seed=sizes.seed,
    )
    value_model, prompts = ValueModel(deepcopy(policy.trunk)), Prompts(new_prompts(sizes, batches=4))
    records = train_ppo(policy, deepcopy(policy), reward_model, value_model, prompts, config)
    for _ in range(updates):
        start = perf_counter()
        record = next(records)
        yield Update(perf_counter() - start, record.score)


def count_a(tokens: Tokens, response_mask: Mask) -> PerSequence:
    """The yardstick's score: how often the token A stands in the response."""
    return ((tokens == A) & response_mask).sum(dim=1).float()


def ppo(rounds: int = 9) -> Iterator[Row]:
    """One update: sampling, reference, scores, values and all optimiser steps."""
    both = zip(trl_updates(EQUAL, rounds + 1), our_updates(EQUAL, rounds + 1), strict=True)
    next(both)
    theirs, ours, least = [], [], []
    for _ in turns(rounds, "PPO"):
        their_update, our_update = next(both)
        theirs.append(their_update.seconds)
        ours.append(our_update.seconds)
        least.append(EQUAL.ppo_flop / matmul_rate())
    yield Row("PPO update, against TRL 1.12.0", "s", ours, theirs, quotients(theirs, ours), hold=3.0, aim=4.0)
    what = "PPO update, against its matrix products"
    yield Row(what, "s", ours, least, quotients(ours, least), hold=2.5, aim=1.5)


def yardstick(seeds: int = 3, score: float = 7.0, updates: int = 25) -> Iterator[Row]:
    """From the start to a mean of 7 A in 12 tokens: how quick an update is, and how much it learns."""
    theirs, ours = [], []
    for seed in turns(seeds, "yardstick"):
        sizes = replace(YARDSTICK, seed=seed)
        theirs.append(time_to(score, trl_updates(sizes, updates)))
        ours.append(time_to(score, our_updates(sizes, updates)))
    what = "yardstick's score of 7, against TRL"
    yield Row(what, "s", ours, theirs, quotients(theirs, ours), hold=3.0, aim=4.0)


def time_to(score: float, run: Iterator[Update]) -> float:
    """The seconds of the updates that it took to sample a batch this good; infinite where none was."""
    total = 0.0
    for update in run:
        total += update.seconds
        if update.score >= score:
            return total
    return float("inf")


def sampling(rounds: int = 9) -> Iterator[Row]:
    """A batch of responses, against `generate` of transformers with a GPT-2 of the same size."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=EQUAL.vocabulary,
        n_positions=EQUAL.prompt + EQUAL.response,
        n_embd=EQUAL.width,
        n_layer=EQUAL.layers,
        n_head=EQUAL.heads,
        bos_token_id=None,
        eos_token_id=None,
    )
    gpt2, policy, prompts = GPT2LMHeadModel(config).eval(), new_policy(EQUAL), new_prompts(EQUAL)
    tokens, generator = torch.tensor(prompts), torch.Generator().manual_seed(0)
    generate = partial(
        gpt2.generate,  # pyright: ignore[reportAttributeAccessIssue]
        tokens,
        attention_mask=torch.ones_like(tokens),
        max_new_tokens=EQUAL.response,
        do_sample=True,
        top_k=0,
        pad_token_id=0,
    )
    drawn = EQUAL.episodes * EQUAL.response
    theirs, ours = [], []
    for _ in turns(rounds + 1, "sampling"):
        theirs.append(drawn / seconds(generate))
        ours.append(drawn / seconds(lambda: sample(policy, prompts, EQUAL.response, generator)))
    theirs, ours = theirs[1:], ours[1:]
    what = "sampling, against transformers' generate"
    yield Row(what, "tokens/s", ours, theirs, quotients(ours, theirs), hold=4.0, aim=8.0)


def sft(rounds: int = 50) -> Iterator[Row]:
    """One step of imitation."""
    sizes = Sizes(episodes=64)
    responses = torch.randint(sizes.vocabulary, (sizes.episodes, sizes.response)).tolist()
    demonstrations = Demonstrations(new_prompts(sizes), responses)
    config = SFTConfig(steps=rounds + 1, batch_size=sizes.episodes)
    steps = train_sft(new_policy(sizes), demonstrations, config)
    next(steps)
    ours, least = [], []
    for _ in turns(rounds, "SFT"):
        least.append(sizes.training_flop / matmul_rate(5))
        ours.append(seconds(lambda: next(steps)))
    what = "SFT step, against its matrix products"
    yield Row(what, "s", ours, least, quotients(ours, least), hold=2.5, aim=1.5)


def votes(rounds: int = 3) -> Iterator[Row]:
    """From sixty choices of a simulated person to a model that answers as that person likes."""
    shipped, times = load_shipped(), []
    customers, held_out = shipped.prompts("train"), shipped.prompts("held_out", first=200)
    for seed in turns(rounds, "votes"):
        asked = write_questions(shipped.sft, customers, shipped.tokenizer, 60, seed=seed)
        choices, taste = simulate(asked, CHEERFUL, seed), Taste.shipped(shipped)
        start = perf_counter()  # only now: casting the votes is the learner's own time
        for _ in learn_taste(taste, choices, TasteConfig(seed=seed)):
            pass
        seconds = perf_counter() - start
        before, after = taste.answers(held_out).values()
        times.append(seconds if after.mean - before.mean >= 1 else float("inf"))  # in deviations of the old replies
    yield Row("60 votes to changed replies", "s", times, (), times, hold=20.0, aim=8.0)


def demo(rounds: int = 1) -> Iterator[Row]:
    """The whole course, headless: how long it takes and the most memory it holds."""
    costs = [cost_of(sys.executable, "-m", "minirlhf.cli", "demo") for _ in turns(rounds, "demo")]
    walls, peaks = [cost.seconds for cost in costs], [cost.peak_bytes / 1e9 for cost in costs]
    yield Row("demo, wall time", "s", walls, (), walls, hold=90.0, aim=45.0)
    yield Row("demo, peak memory", "GB", peaks, (), peaks, hold=1.2, aim=0.8)


def imports(rounds: int = 5) -> Iterator[Row]:
    """`import minirlhf`, beyond `import torch`."""
    times = [import_seconds("minirlhf") for _ in turns(rounds, "import")]
    yield Row("import minirlhf, beyond torch", "s", times, (), times, hold=0.3, aim=0.1)
