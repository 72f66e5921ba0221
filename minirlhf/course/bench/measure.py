"""The measurements: ours and theirs take turns, so that whatever else the machine does disturbs both.

The first turn of each is not counted. Ours has the same number of parameters and episodes as theirs; the
prompts are random, no token ends a response, and a network of the policy's size gives the scores.

Each side has its threads wait as its users do: ours as `minirlhf` sets it for this machine, which on few cores costs
it something; theirs spin, in processes of their own, which is quickest for whoever is alone.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import replace
from importlib.metadata import version
from time import perf_counter

import torch
from tqdm import trange

from minirlhf.course.bench.machine import THREADS, Sizes, Update, cost_of, import_seconds, matmul_rate, seconds
from minirlhf.course.bench.ours import count_a, new_pairs, new_policy, new_prompts, our_updates
from minirlhf.course.bench.partner import Once, at_work, partner, spinning
from minirlhf.course.bench.row import Row, quotients
from minirlhf.course.bench.trl_now import GROUP, trl
from minirlhf.course.bench.trl_ppo import trl_updates
from minirlhf.course.book.execute import run
from minirlhf.data import Demonstrations, Prompts
from minirlhf.dpo import DPOConfig, train_dpo
from minirlhf.feedback.asking import write_questions
from minirlhf.feedback.simulated import CHEERFUL, simulate
from minirlhf.grpo import GRPOConfig, train_grpo
from minirlhf.machine.runtime import usable_cpus
from minirlhf.paths import notebooks_folder
from minirlhf.recipes.pipeline import load_shipped
from minirlhf.recipes.taste import Taste, TasteConfig, learn_taste
from minirlhf.rollout import sample
from minirlhf.sft import SFTConfig, train_sft

EQUAL = Sizes()
YARDSTICK = Sizes(
    width=64, layers=2, heads=2, vocabulary=15, prompt=4, response=12, episodes=64, minibatches=4, count_a=True
)


def turns(rounds: int, what: str) -> Iterator[int]:
    """The rounds' numbers, with a progress bar that leaves no trace."""
    return iter(trange(rounds, desc=what, leave=False))


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


def company(rounds: int = 3) -> Iterator[Row]:
    """One update alone, against one whose threads spin while they wait; and beside rivals, against its fair share.

    A rival is a process of its own that makes the same updates. What is shared is the quickest update that there is
    alone, ours or the one that spins: so what sleeping costs an update is no excuse for it beside a rival.
    """
    ours, spins = our_updates(EQUAL, 3 * rounds + 1), []
    beside: dict[int, list[float]] = {0: [], 1: [], 3: []}
    with ExitStack() as stack:
        twin, *rivals = (
            stack.enter_context(partner("minirlhf.course.bench.ours", EQUAL.as_json(), environment=environment))
            for environment in (spinning(), *[os.environ] * max(beside))
        )
        for first in (lambda: next(ours), twin, *rivals):
            first()
        for _ in turns(rounds, "company"):
            spins.append(twin()["seconds"])
            for number, times in beside.items():
                with at_work(rivals[:number]):
                    times.append(next(ours).seconds)
    what = "PPO update alone, against one that spins"
    yield Row(what, "s", beside[0], spins, quotients(beside[0], spins), hold=1.1, aim=1.0)
    for number, name in ((1, "one rival"), (3, "three rivals")):
        fair = [fair_share(min(alone), 1 + number, usable_cpus()) for alone in zip(beside[0], spins, strict=True)]
        what = f"PPO beside {name}, against its share"
        yield Row(what, "s", beside[number], fair, quotients(beside[number], fair), hold=1.15, aim=1.0)


def fair_share(alone: float, processes: int, cpus: float) -> float:
    """How long what takes `alone` may take where as many processes share the cores evenly, each with two threads."""
    return alone * max(1.0, processes * min(THREADS, cpus) / cpus)


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
    policy, prompts, generator = new_policy(EQUAL), new_prompts(EQUAL), torch.Generator().manual_seed(0)
    drawn = EQUAL.episodes * EQUAL.response
    theirs, ours = [], []
    with partner("minirlhf.course.bench.generate", EQUAL.as_json(), environment=spinning()) as generate:
        for _ in turns(rounds + 1, "sampling"):
            theirs.append(drawn / generate()["seconds"])
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


def dpo(rounds: int = 9) -> Iterator[Row]:
    """One step on 64 pairs, the reference's log-probabilities at hand."""
    sizes, policy = Sizes(episodes=64), new_policy(Sizes())
    config = DPOConfig(steps=rounds + 1, batch_size=sizes.episodes, lr=sizes.learning_rate, warmup=0)
    steps = train_dpo(policy, deepcopy(policy), new_pairs(sizes), config)
    with trl("dpo", sizes, rounds + 1) as their_step:
        yield _against_trl("DPO step", their_step, lambda: next(steps), rounds)


def grpo(rounds: int = 5) -> Iterator[Row]:
    """One update: sampling, reference, scores and two passes in two steps each."""
    sizes, policy = replace(EQUAL, epochs=2, count_a=True), new_policy(EQUAL)
    config = GRPOConfig(
        updates=rounds + 1,
        prompts=sizes.episodes // GROUP,
        group_size=GROUP,
        epochs=sizes.epochs,
        minibatches=sizes.minibatches,
        max_new_tokens=sizes.response,
        lr=sizes.learning_rate,
    )
    updates = train_grpo(policy, deepcopy(policy), count_a, Prompts(new_prompts(sizes, batches=4)), config)
    with trl("grpo", sizes, rounds + 1) as their_update:
        yield _against_trl("GRPO update", their_update, lambda: next(updates), rounds)


def _against_trl(what: str, their_turn: Once, our_turn: Callable[[], object], rounds: int) -> Row:
    """Turn by turn, the first of each not counted."""
    theirs, ours = [], []
    for _ in turns(rounds + 1, what):
        theirs.append(their_turn()["seconds"])
        ours.append(seconds(our_turn))
    theirs, ours = theirs[1:], ours[1:]
    return Row(f"{what}, against TRL {version('trl')}", "s", ours, theirs, quotients(theirs, ours), hold=3.0, aim=5.0)


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
    costs = [cost_of(sys.executable, "-m", "minirlhf.course.cli", "demo") for _ in turns(rounds, "demo")]
    walls, peaks = [cost.seconds for cost in costs], [cost.peak_bytes / 1e9 for cost in costs]
    yield Row("demo, wall time", "s", walls, (), walls, hold=90.0, aim=45.0)
    yield Row("demo, peak memory", "GB", peaks, (), peaks, hold=1.2, aim=0.8)


def lessons() -> Iterator[Row]:
    """Every lesson from top to bottom, as somebody sees it who presses Run All before they have solved anything."""
    for path in sorted(notebooks_folder().glob("[0-9]*.ipynb")):
        took = [seconds(lambda path=path: run(path))]
        yield Row(f"lesson {path.stem[:2]}, Run All", "s", took, (), took, hold=180.0, aim=90.0)


def imports(rounds: int = 5) -> Iterator[Row]:
    """What an import takes beyond `import torch`."""
    for module, hold, aim in (("minirlhf", 0.3, 0.1), ("minirlhf.course.plots", 0.6, 0.4)):
        times = [import_seconds(module) for _ in turns(rounds, "import")]
        yield Row(f"import {module}, beyond torch", "s", times, (), times, hold, aim)
