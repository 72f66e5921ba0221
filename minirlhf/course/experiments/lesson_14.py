"""Lesson 14, from tiny to real: adapters and their rates, what models hold, shares of a batch, what its text claims.

What a large model would hold is counted on models without numbers (PyTorch's meta device): shapes are all it takes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from minirlhf.course.experiments.claims import Claim
from minirlhf.course.experiments.together import trained_by
from minirlhf.data import Demonstrations
from minirlhf.evaluate import compare, exact_kl
from minirlhf.feedback.asking import write_questions
from minirlhf.feedback.simulated import CHEERFUL, simulate
from minirlhf.feedback.votes import Vote
from minirlhf.losses import sft_loss
from minirlhf.machine.shares import mean_of_shares
from minirlhf.model import CausalLM, fork
from minirlhf.paths import data_folder
from minirlhf.ppo import PPORecord
from minirlhf.real.export import export_gpt2
from minirlhf.real.lora import adapted_share, adapters, with_lora
from minirlhf.real.pretrained import load_pretrained
from minirlhf.recipes.pipeline import CONTEXT, Checkpoints, load_shipped
from minirlhf.recipes.taste import Taste, TasteConfig, learn_taste
from minirlhf.rollout import sample
from minirlhf.worlds import helpdesk

FULL_LR, LORA_LR = 4e-4, 3e-3
RATES = (1e-4, 4e-4, 1e-3, 3e-3, 1e-2)
WAYS = ("all numbers", "adapters")
FROZEN, TRAINED = 4, 16  # bytes a number: itself; with a gradient and Adam's two averages
RANK = 8

MeanFn = Callable[[Tensor, Tensor], Tensor]


def lora_rates(seeds: Sequence[int]) -> list[dict[str, Any]]:
    """PPO on sixty votes of a simulated person at five learning rates, by all of a model's numbers and by adapters."""
    shipped, rows = load_shipped(), []
    for seed in seeds:
        votes = cheerful_votes(shipped, seed)
        for way in WAYS:
            for lr in RATES:
                base = deepcopy(shipped.sft)
                policy = with_lora(base, RANK) if way == "adapters" else deepcopy(base)
                taste = Taste(policy, base, shipped.prompts("train"), shipped.tokenizer)
                rows.append({"way": way, "lr": lr, "seed": seed} | learned(taste, votes, lr, seed))
    return rows


SWEEPS = {"lora_rates": lora_rates}


def cheerful_votes(shipped: Checkpoints, seed: int) -> list[Vote]:
    """Sixty questions of the SFT model, answered by somebody (simulated) who loves exclamation marks."""
    asked = write_questions(shipped.sft, shipped.prompts("train"), shipped.tokenizer, 60, seed=8 + seed)
    return list(simulate(asked, CHEERFUL, seed=seed))


def learned(taste: Taste, votes: Sequence[Vote], lr: float, seed: int) -> dict[str, float]:
    """The score and the KL of the last of PPO's updates."""
    _, *updates = learn_taste(taste, votes, TasteConfig(lr=lr, seed=seed))
    (last,) = (record for record in updates[-1:] if isinstance(record, PPORecord))
    return {"score": last.score, "kl": last.kl}


# ---- three ways to begin an adapter


def begun(reference: CausalLM, up: bool, down: bool) -> CausalLM:
    """A copy of the reference with adapters; B (up) and A (down) are random where asked for, else zero."""
    policy, generator = with_lora(deepcopy(reference), RANK), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in adapters(policy).values():
            for matrix, random in ((layer.down, down), (layer.up, up)):
                matrix.normal_(0, 0.1, generator=generator) if random else matrix.zero_()
    return policy


def before_the_first_step(policy: CausalLM, reference: CausalLM, shipped: Checkpoints) -> dict[str, float]:
    """How far a policy is from its reference, in nats a reply, and the length of its gradient on 32 demonstrations."""
    strangers = shipped.prompts("held_out", first=100).prompts
    said = sample(reference, strangers, 40, torch.Generator().manual_seed(0))
    kl = exact_kl(policy, reference, said.tokens, said.response_mask).mean().item()
    tokens, mask = some_demonstrations(shipped).batch(range(32), policy.trunk.config.pad_id)
    loss, _ = sft_loss(policy(tokens), tokens, mask)
    return {"kl": kl, "gradient": _flat(torch.autograd.grad(loss, _learning(policy))).norm().item()}


# ---- what is held in memory


class Body(nn.Module):
    """A model of `transformers` as `with_lora` wants to find it."""

    def __init__(self, lm: nn.Module) -> None:
        super().__init__()
        self.lm = lm


def sizes() -> Iterator[tuple[str, nn.Module]]:
    """This course's model, and two that people use: their shapes, without their numbers."""
    from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

    yield "this course's model", load_shipped().sft
    smol: dict[str, Any] = {"hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9}
    smol |= {"num_key_value_heads": 3, "intermediate_size": 1536, "vocab_size": 49_152}
    qwen: dict[str, Any] = {"hidden_size": 896, "num_hidden_layers": 24, "num_attention_heads": 14}
    qwen |= {"num_key_value_heads": 2, "intermediate_size": 4864, "vocab_size": 151_936}
    with torch.device("meta"):
        for name, config in (
            ("SmolLM2-135M", LlamaConfig(**smol, tie_word_embeddings=True)),
            ("Qwen2.5-0.5B", Qwen2Config(**qwen, tie_word_embeddings=True)),
        ):
            yield name, Body(AutoModelForCausalLM.from_config(config))


def held(models: Mapping[str, nn.Module]) -> dict[str, int]:
    """Bytes that each model adds to those before it, in float32: what several share is held once."""
    seen: set[nn.Parameter] = set()
    found = {}
    for name, model in models.items():
        new = set(model.parameters()) - seen
        found[name] = sum(p.numel() * (TRAINED if p.requires_grad else FROZEN) for p in new)
        seen |= new
    return found


def ppo_models(model: nn.Module, way: str) -> dict[str, nn.Module]:
    """PPO's four models, by copies or by adapters. (Their heads, a row of numbers each, are left out.)"""
    reference = deepcopy(model)
    if way == "adapters":
        policy, reward = with_lora(reference, RANK), with_lora(reference, RANK)
    else:
        policy, reward = deepcopy(reference), deepcopy(reference)
    value = fork(reward)
    for fixed in (reference, reward):
        fixed.requires_grad_(False)
    return {"reference": reference, "policy": policy, "value model": value, "reward model": reward}


def memory() -> list[dict[str, Any]]:
    """What PPO's models hold at three sizes, a row a model."""
    return [
        {"size": size, "way": way, "model": name, "bytes": held_here}
        for size, model in sizes()
        for way in WAYS
        for name, held_here in held(ppo_models(model, way)).items()
    ]


# ---- a batch in shares


def some_demonstrations(shipped: Checkpoints) -> Demonstrations:
    """The shipped demonstrations."""
    return Demonstrations.load(data_folder() / "demonstrations_train.jsonl", shipped.tokenizer, CONTEXT)


def mean_of_means(means: Tensor, counts: Tensor) -> Tensor:
    """What one does who has not asked how many tokens each share has."""
    return means.mean()


def gradients_apart(
    shipped: Checkpoints, ways: Mapping[str, MeanFn], shares: Sequence[int], seed: int = 0, rows: int = 64
) -> dict[str, list[tuple[int, float]]]:
    """How far the gradient of so many shares is from that of the whole batch, relative to its length, by each way."""
    drawn = torch.randperm(1000, generator=torch.Generator().manual_seed(seed))[:rows].tolist()
    tokens, mask = some_demonstrations(shipped).batch(drawn, shipped.base.trunk.config.pad_id)
    model, weights = shipped.base, list(shipped.base.parameters())
    whole = _flat(torch.autograd.grad(sft_loss(model(tokens), tokens, mask)[0], weights))
    found: dict[str, list[tuple[int, float]]] = {name: [] for name in ways}
    for n in shares:
        parts = list(zip(tokens.chunk(n), mask.chunk(n), strict=True))
        means = torch.stack([sft_loss(model(part), part, counted)[0] for part, counted in parts])
        counts = torch.tensor([int(counted.sum()) for _, counted in parts])
        for name, mean in ways.items():
            put_together = _flat(torch.autograd.grad(mean(means, counts), weights, retain_graph=True))
            found[name].append((n, ((put_together - whole).norm() / whole.norm()).item()))
    return found


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([x.flatten() for x in tensors])


def _learning(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


# ---- what the text claims

CLAIMS = (
    Claim("same_replies", says="All hundred replies are the same", low=99.5, high=100.5),
    Claim("share", says="9 in 100 of the model's numbers", low=0.08, high=0.095),
    Claim("same_score", says="reach the same score", low=-0.5, high=0.5),
    Claim("same_kl", says="about as far from the reference", low=-2.5, high=2.5),
    Claim("left_behind", says="about four tenths of the way", low=0.2, high=0.6),
    Claim("both_zero", says="no gradient at all, ever", low=-1e-9, high=1e-9),
    Claim("both_random", says="nats away before the first step", low=1.0, high=1000.0),
    Claim("means_apart", says="several percent off", low=0.02, high=0.3),
    Claim("shares_apart", says="to the sixth digit", low=-1e-9, high=1e-5),
    Claim("processes_apart", says="less than a hundred-thousandth apart", low=-1e-12, high=1e-5),
)


def measure(seed: int) -> dict[str, float]:
    """The lesson's own runs with this seed."""
    shipped = load_shipped()
    customers, strangers = shipped.prompts("train"), shipped.prompts("held_out", first=100)
    with TemporaryDirectory() as folder:
        export_gpt2(folder, shipped.sft, shipped.tokenizer)
        opened, tokenizer = load_pretrained(folder, device="cpu")
    said = compare({"ours": shipped.sft, "theirs": opened}, strangers, tokenizer, helpdesk.gold, seed=seed)
    votes = cheerful_votes(shipped, seed)
    full = learned(Taste.shipped(shipped), votes, FULL_LR, seed)
    by_adapters = {
        lr: learned(Taste(with_lora(opened, RANK), opened, customers, tokenizer), votes, lr, seed)
        for lr in (FULL_LR, LORA_LR)
    }
    first = {
        name: before_the_first_step(begun(shipped.sft, **how), shipped.sft, shipped)
        for name, how in (("zero", {"up": False, "down": False}), ("random", {"up": True, "down": True}))
    }
    trained, every = adapted_share(with_lora(opened, RANK))
    apart = gradients_apart(shipped, {"means": mean_of_means, "shares": mean_of_shares}, [8], seed)
    one, two = trained_by(1, seed), trained_by(2, seed)
    return {
        "same_replies": 0.0 + sum(map(str.__eq__, said["ours"].texts, said["theirs"].texts)),
        "share": trained / every,
        "same_score": by_adapters[LORA_LR]["score"] - full["score"],
        "same_kl": by_adapters[LORA_LR]["kl"] - full["kl"],
        "left_behind": by_adapters[FULL_LR]["score"] / full["score"],
        "both_zero": first["zero"]["gradient"],
        "both_random": first["random"]["kl"],
        "means_apart": apart["means"][0][1],
        "shares_apart": apart["shares"][0][1],
        "processes_apart": one.apart(two),
    }
