"""LoRA: a model learns through a small product of two matrices beside each of its large ones, which stay as they are.

    policy = with_lora(reference)              # the reference is the model as it was: all frozen numbers are shared

A weight W of (out, in) learns as W + α/r · B A, with A of (r, in) and B of (out, r): r (in + out) numbers instead of
in · out. A is random and B is zero, so the first step begins where the model stands. (Hu et al., 2021, section 4.1.)

There is no switch to turn an adapter off, and no second copy: whoever needs the model without it has that model. Left
out: dropout, adapters for embeddings, another scale than α/r.
"""

from collections.abc import Callable, Container
from copy import deepcopy
from typing import TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from minirlhf.model import fork

M = TypeVar("M", bound=nn.Module)
LinearFn = Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]


def lora_linear(
    x: Float[Tensor, "*n I"],
    weight: Float[Tensor, "O I"],
    down: Float[Tensor, "r I"],
    up: Float[Tensor, "O r"],
    scale: float,
) -> Float[Tensor, "*n O"]:
    """x Wᵀ + scale · (x Aᵀ) Bᵀ, with A = down and B = up: two thin products, and never the whole of B A."""
    return F.linear(x, weight) + scale * F.linear(F.linear(x, down), up)


class LoRA(nn.Module):
    """A linear layer with an adapter beside it; only the adapter learns. GPT-2's `Conv1D` is one, stored transposed."""

    def __init__(self, inner: nn.Module, rank: int, alpha: float, linear: LinearFn = lora_linear) -> None:
        super().__init__()
        self.inner, self.scale, self.linear = inner, alpha / rank, linear
        weight = linear_weight(inner)
        out, into = weight.shape
        dtype = torch.promote_types(weight.dtype, torch.float32)
        self.down = nn.Parameter(torch.empty(rank, into, dtype=dtype, device=weight.device))
        self.up = nn.Parameter(torch.zeros(out, rank, dtype=dtype, device=weight.device))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)

    def forward(self, x: Tensor) -> Tensor:
        down, up = self.down.to(x.dtype), self.up.to(x.dtype)  # kept in float32 beside a base of 16 bits
        y = self.linear(x, linear_weight(self.inner), down, up, self.scale)
        bias = self.inner._parameters.get("bias")
        return y if bias is None else y + bias

    def merge(self) -> nn.Module:
        """The linear layer itself, moved by what was learned."""
        with torch.no_grad():
            weight = linear_weight(self.inner)
            weight += (self.scale * self.up @ self.down).to(weight.dtype)
        return self.inner


def linear_weight(layer: nn.Module) -> Tensor:
    """The weight of a linear layer as (out, in), whichever way round it is stored."""
    weight = layer.get_parameter("weight")
    return weight if isinstance(layer, nn.Linear) else weight.T


def with_lora(
    model: M, rank: int = 8, alpha: float = 16.0, only: Container[str] | None = None, linear: LinearFn = lora_linear
) -> M:
    """A model that learns by adapters in all linear layers of its body; the one that is given is frozen, and shared.

    Heads are no part of the body: they learn in full. What a model had learned before is in what is frozen.
    `only` names the layers that shall have one, as they are called in the model of `transformers`; `linear` computes
    an adapted layer.
    """
    if not (isinstance(rank, int) and rank >= 1 and 0 < alpha < float("inf")):
        raise ValueError(f"rank is {rank} and alpha {alpha}: give a whole rank from 1 up, and an alpha above 0.")
    if adapters(model) or from_peft(model):
        raise ValueError("This model has LoRA already; `fork` copies it with its adapter, `merged` makes it one again.")
    body = getattr(model, "trunk", model)
    body.requires_grad_(False)
    learner = fork(model)
    body = getattr(learner, "trunk", learner)
    for name, layer in list(body.named_modules()):
        wanted = only is None or name.removeprefix("lm.") in only
        if wanted and is_linear(layer) and layer is not output_layer(body):
            body.set_submodule(name, LoRA(layer, rank, alpha, linear))
    return learner


def merged(model: M) -> M:
    """A model of its own without adapters that computes the same: each product is added to its weight."""
    if from_peft(model):
        raise ValueError("PEFT has put an adapter in; its own `merge_and_unload` takes it out again.")
    whole = deepcopy(model)  # also of what is frozen: the reference is not to move
    for name, layer in adapters(whole).items():
        whole.set_submodule(name, layer.merge())
    return whole.requires_grad_(True)


def adapters(model: nn.Module) -> dict[str, LoRA]:
    """The adapted layers of a model, by their names in it."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, LoRA)}


def from_peft(model: nn.Module) -> bool:
    """Whether PEFT has put adapters into a model."""
    return any(hasattr(layer, "lora_A") for layer in model.modules())


def adapted_share(model: nn.Module) -> tuple[int, int]:
    """(numbers that learn, all numbers) of a model."""
    counts = [(p.numel() if p.requires_grad else 0, p.numel()) for p in model.parameters()]
    return sum(trained for trained, _ in counts), sum(every for _, every in counts)


def is_linear(layer: nn.Module) -> bool:
    """Whether a layer multiplies by a matrix: nn.Linear, or the Conv1D of GPT-2 in `transformers`."""
    return isinstance(layer, nn.Linear) or type(layer).__name__ == "Conv1D"


def output_layer(body: nn.Module) -> nn.Module | None:
    """The layer that makes logits, where it is part of the body; it is often the embedding, and stays as it is."""
    lm = getattr(body, "lm", None)
    return None if lm is None else lm.get_output_embeddings()
