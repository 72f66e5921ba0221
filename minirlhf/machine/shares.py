"""Rows of a batch, each process its share and each forward pass its piece; what comes out is what the whole gives.

    log_probs = in_shares(read, tokens, mask, at_once=8)    # (B, T), from 8 rows at a time, on every process the same

A loss is not taken to pieces (but for SFT's: see there). Rows are read in shares, and what was found is put together
before the loss looks at it: so a mean is a mean over the whole batch, and no count has to be carried about. Only the
gradient is divided, and `average_gradients` puts it together where an optimiser steps. Every process draws the same
random numbers and decides the same. (Means of means, which wrappers around a model take, are another gradient as soon
as rows differ in length.)

Alone and without a limit each of these functions gives back what it was given. Several machines are PyTorch's
business: `torchrun` starts the processes, `torch.distributed` joins them. One piece at a time is read again on the way
back (`torch.utils.checkpoint`), so a batch needs the memory of one piece, and a third more time.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from minirlhf.machine.digest import tensor_digest

Found = TypeVar("Found")  # a tensor of (B, …), or several


def process() -> int:
    """This process's number among those that train together, from 0; 0 when alone."""
    return dist.get_rank() if dist.is_initialized() else 0


def processes() -> int:
    """How many processes train together; 1 when alone."""
    return dist.get_world_size() if dist.is_initialized() else 1


def in_shares(function: Callable[..., Found], *rows: Tensor, at_once: int | None = None) -> Found:
    """What the function finds in these rows, computed in shares: here, a share; in one go, at most `at_once` rows.

    It may look at no row's neighbours: (B, …) tensors in, one or several of (B, …) out, and gradients flow back.
    """
    if processes() == 1:
        return in_pieces(function, *rows, at_once=at_once)
    shares = [x.tensor_split(processes())[process()] for x in rows]
    idle = not len(shares[0])  # fewer rows than processes: what is found in somebody else's row is dropped
    found = in_pieces(function, *([x[:1] for x in rows] if idle else shares), at_once=at_once)
    wholes = [whole(x[:0] if idle else x) for x in ([found] if isinstance(found, Tensor) else found)]
    together: Any = wholes[0] if isinstance(found, Tensor) else tuple(wholes)
    return together


def in_pieces(function: Callable[..., Any], *rows: Tensor, at_once: int | None) -> Any:
    """The same on this process alone."""
    if at_once is None or len(rows[0]) <= at_once:
        return function(*rows)
    pieces = zip(*(x.split(at_once) for x in rows), strict=True)
    if torch.is_grad_enabled():
        found = [checkpoint(function, *piece, use_reentrant=False, preserve_rng_state=False) for piece in pieces]
    else:
        found = [function(*piece) for piece in pieces]
    if isinstance(found[0], Tensor):
        return torch.cat(found)
    return tuple(torch.cat(parts) for parts in zip(*found, strict=True))


def whole(share: Tensor) -> Tensor:
    """The shares of all processes, in their order, on each of them; a gradient flows back into one's own."""
    return _Whole.apply(share, [int(n) for n in gathered(torch.tensor([len(share)], device=share.device))])


class _Whole(torch.autograd.Function):
    @staticmethod
    def forward(ctx, share, sizes):
        ctx.own = slice(sum(sizes[: process()]), sum(sizes[: process() + 1]))
        padded = share.new_zeros(max(sizes), *share.shape[1:])
        padded[: len(share)] = share
        return torch.cat([part[:n] for part, n in zip(gathered(padded), sizes, strict=True)])

    @staticmethod
    def backward(ctx, *gradients):
        # Each process has the whole loss and a part of its gradient; times their number, their average is the whole.
        return processes() * gradients[0][ctx.own], None


def gathered(tensor: Tensor) -> list[Tensor]:
    """This tensor of every process; they have one shape."""
    found = [torch.empty_like(tensor) for _ in range(processes())]
    dist.all_gather(found, tensor.contiguous())
    return found


def mean_of_shares(means: Float[Tensor, "S"], counts: Float[Tensor, "S"] | Int[Tensor, "S"]) -> Float[Tensor, ""]:
    """The mean over all tokens, from each share's own mean and how many tokens it has.

    A mean of the means is another number, and its gradient another direction, as soon as shares differ in length.
    """
    return (counts.to(means.dtype) / counts.sum().clamp(min=1) * means).sum()


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """The mean of all processes' gradients, on each of them; what none has a gradient for is left without.

    Where PyTorch's `fully_shard` has cut a model, it has averaged already.
    """
    if processes() == 1:
        return
    alike: dict[tuple[torch.device, torch.dtype], list[nn.Parameter]] = {}
    for parameter in (one for one in parameters if not is_sharded(one)):
        alike.setdefault((parameter.device, parameter.dtype), []).append(parameter)
    for (device, dtype), group in alike.items():
        given = torch.tensor([float(p.grad is not None) for p in group], dtype=dtype, device=device)
        parts = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in group]
        together = torch.cat([given, *parts])  # one message, not one for each of a hundred tensors
        dist.all_reduce(together)
        have, *sums = together.split([len(group), *(p.numel() for p in group)])
        for parameter, somewhere, gradient in zip(group, have.tolist(), sums, strict=True):
            parameter.grad = (gradient / processes()).view_as(parameter) if somewhere else None


def is_sharded(tensor: Tensor) -> bool:
    """Whether each process holds a part of it only (a DTensor)."""
    return hasattr(tensor, "full_tensor")


def agreed(value: float | bool) -> float:
    """The first process's number on all of them: for what a clock or a last digit decides."""
    if processes() == 1:
        return float(value)
    said = torch.tensor([float(value)], dtype=torch.float64, device="cpu")
    dist.broadcast(said, src=0)
    return said.item()


def require_equal_start(**models: nn.Module) -> None:
    """Processes that train one model begin with the same weights."""
    if processes() == 1:
        return
    for name, model in models.items():
        held = [(key, tensor) for key, tensor in model.state_dict().items() if not is_sharded(tensor)]
        mine = int.from_bytes(tensor_digest(held)[:7])
        found = [int(n) for n in gathered(torch.tensor([mine], device="cpu"))]
        if other := next((n for n, weights in enumerate(found) if weights != found[0]), None):
            raise ValueError(
                f"{name} begins with other weights on process {other} than on process 0, so they would not train one "
                "model. Load it from the same folder on each, or make it after torch.manual_seed with one number."
            )
