"""Models and data so small that a run of any stage takes a moment: eleven tokens, of which 0 ends a text.

The one thing that can be good here is the token 1: `count_ones` pays for it, and `votes` prefers it.
"""

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from minirlhf.data import Comparisons, Demonstrations, Ids, Prompts
from minirlhf.dpo import DPOConfig, DPORecord, train_dpo
from minirlhf.grpo import GRPOConfig, GRPORecord, train_grpo
from minirlhf.model import GPT, CausalLM, GPTConfig, ValueModel
from minirlhf.ops import Mask, PerSequence, Tokens
from minirlhf.ppo import PPOConfig, PPORecord, train_ppo
from minirlhf.rollout import RewardFn

EOS, V = 0, 11
PAD = V
PROMPTS: list[Ids] = [[5], [6, 7], [8, 9, 10]]
SIZES = GPTConfig(vocab_size=V, context=24, layers=1, heads=1, channels=16, eos_id=EOS)
M = TypeVar("M", bound=nn.Module)


def generator(seed: int = 0) -> torch.Generator:
    """Random numbers of one's own: nobody else's change."""
    return torch.Generator().manual_seed(seed)


def trunk(seed: int = 0, config: GPTConfig = SIZES) -> GPT:
    """A fresh trunk of these sizes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GPT(config)


def lively(model: M, seed: int = 0, size: float = 0.1) -> M:
    """The same model with every weight moved at random: a fresh one finds all tokens equally likely."""
    numbers = generator(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(size * torch.randn(parameter.shape, generator=numbers))
    return model


def talker(seed: int = 0, config: GPTConfig = SIZES, size: float = 0.1) -> CausalLM:
    """A language model with opinions."""
    return lively(CausalLM(trunk(seed, config)), seed, size)


def count_ones(tokens: Tokens, response_mask: Mask) -> PerSequence:
    """How often a reply says 1."""
    return ((tokens == 1) & response_mask).sum(dim=1).float()


def ends(tokens: Tokens, response_mask: Mask) -> Tensor:
    """Whether a reply comes to its end, (B,) of True and False."""
    return ((tokens == EOS) & response_mask).any(dim=1)


def votes(n: int = 48, seed: int = 0, better: Callable[[Ids], float] | None = None) -> Comparisons:
    """Pairs of random replies of two to six tokens and an end; the one with more 1s is chosen, or the `better` one."""
    worth, numbers = better or (lambda ids: float(ids.count(1))), generator(seed)
    prompts, chosen, rejected = [], [], []
    while len(prompts) < n:
        one, other = (_reply(numbers) for _ in range(2))
        if worth(one) != worth(other):
            best, worst = sorted((one, other), key=worth, reverse=True)
            prompts.append(PROMPTS[len(prompts) % len(PROMPTS)])
            chosen.append(best)
            rejected.append(worst)
    return Comparisons(prompts, chosen, rejected, [1.0] * n)


def _reply(numbers: torch.Generator) -> Ids:
    length = int(torch.randint(2, 7, (), generator=numbers))
    words = torch.randint(1, 5, (length,), generator=numbers).tolist()
    return [*words, EOS]


def demonstrations(n: int = 32, seed: int = 0) -> Demonstrations:
    """Random replies to imitate, each with its end."""
    numbers = generator(seed)
    return Demonstrations([PROMPTS[i % len(PROMPTS)] for i in range(n)], [_reply(numbers) for _ in range(n)])


def ppo(
    policy: CausalLM | None = None, reference: CausalLM | None = None, reward: RewardFn = count_ones, **settings: Any
) -> list[PPORecord]:
    """A run of PPO; `settings` are those of PPOConfig, and train_ppo's own functions."""
    policy = policy or talker()
    reference = reference or deepcopy(policy)
    config = {"updates": 6, "batch_size": 24, "epochs": 3, "max_new_tokens": 6, "lr": 5e-3, "value_lr": 1e-2}
    config |= {name: settings.pop(name) for name in list(settings) if name in PPOConfig.__dataclass_fields__}
    value_model = ValueModel(deepcopy(reference.trunk))
    return list(train_ppo(policy, reference, reward, value_model, Prompts(PROMPTS), PPOConfig(**config), **settings))


def grpo(policy: CausalLM | None = None, reward: RewardFn = count_ones, **settings: Any) -> list[GRPORecord]:
    """A run of GRPO; `settings` are those of GRPOConfig, and train_grpo's own functions."""
    policy = policy or talker()
    config = {"updates": 6, "prompts": 6, "group_size": 4, "max_new_tokens": 6, "lr": 5e-3, "beta": 0.0}
    config |= {name: settings.pop(name) for name in list(settings) if name in GRPOConfig.__dataclass_fields__}
    return list(train_grpo(policy, deepcopy(policy), reward, Prompts(PROMPTS), GRPOConfig(**config), **settings))


def dpo(comparisons: Comparisons | None = None, policy: CausalLM | None = None, **settings: Any) -> list[DPORecord]:
    """A run of DPO; `settings` are those of DPOConfig, and train_dpo's own arguments."""
    policy = policy or talker()
    reference = settings.pop("reference", None) or deepcopy(policy)
    config = {"steps": 20, "batch_size": 48, "lr": 5e-3, "warmup": 0}
    config |= {name: settings.pop(name) for name in list(settings) if name in DPOConfig.__dataclass_fields__}
    return list(train_dpo(policy, reference, comparisons or votes(), DPOConfig(**config), **settings))


def series(records: Iterable[Any], *fields: str) -> dict[str, list[float]]:
    """These fields of records, each over the run."""
    kept = list(records)
    return {field: [float(getattr(record, field)) for record in kept] for field in fields}


def numbers(x: Tensor) -> list[float]:
    """A tensor's entries, one after the other."""
    return [float(number) for number in x.detach().flatten()]
