"""Our side of the comparison; as a process of its own it answers every line that it reads with one PPO update."""

import json
import sys
from collections.abc import Iterator
from copy import deepcopy
from time import perf_counter

import torch

from minirlhf.course.bench.machine import THREADS, A, Sizes, Update
from minirlhf.course.bench.partner import answer
from minirlhf.data import Comparisons, Prompts
from minirlhf.model import GPT, CausalLM, GPTConfig, RewardModel, ValueModel
from minirlhf.ops import Mask, PerSequence, Tokens
from minirlhf.ppo import PPOConfig, train_ppo


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


def new_pairs(sizes: Sizes) -> Comparisons:
    """Random pairs of replies of one length to random prompts, as many as one step reads."""
    prompts, n = new_prompts(sizes), sizes.episodes
    generator = torch.Generator().manual_seed(sizes.seed + 1)
    chosen, rejected = torch.randint(sizes.vocabulary, (2, n, sizes.response), generator=generator).tolist()
    return Comparisons(prompts, chosen, rejected, [1.0] * n)


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


def main(sizes: Sizes, updates: int = 1000) -> None:
    """Answer every line that comes in with one update."""
    torch.set_num_threads(THREADS)
    made = our_updates(sizes, updates)
    answer(lambda: next(made)._asdict())


if __name__ == "__main__":
    main(Sizes(**json.loads(sys.argv[1])))
