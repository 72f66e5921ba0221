"""Adam for the numbers of a model that are trained, in float32 whatever the model keeps them in."""

from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.optim import Optimizer

# Of each optimiser the weights of 16 bits, and for each its master of 32.
MASTERS: WeakKeyDictionary[Optimizer, list[tuple[nn.Parameter, nn.Parameter]]] = WeakKeyDictionary()


def new_adam(name: str, model: nn.Module) -> torch.optim.Adam:
    """An Adam (eps 1e-5, the usual value for PPO) for what is not frozen in a model; its rate is set at each step.

    Where a weight is kept in 16 bits it learns through a copy in 32, its master: a step of 1e-5 would be rounded away,
    since the next number after 1 is 1.008 in bfloat16. (Micikevicius et al., 2018, section 3.1.)
    """
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not weights:
        raise ValueError(
            f"{name} has nothing to learn with: all its numbers are frozen. Put LoRA in (real.with_lora), or thaw it "
            "with requires_grad_(True)."
        )
    if any(isinstance(module, nn.Dropout) and module.p > 0 for module in model.modules()):
        raise ValueError(
            f"{name} has dropout, so it would say something else each time it reads the same text, and no ratio of "
            "probabilities would mean anything. Set it to 0 (lora_dropout=0, where PEFT put it in)."
        )
    masters = [_master(weight) for weight in weights]
    optimizer = torch.optim.Adam(masters, lr=0.0, eps=1e-5, fused=True)
    pairs = [(weight, master) for weight, master in zip(weights, masters, strict=True) if weight is not master]
    if pairs:
        MASTERS[optimizer] = pairs
        optimizer.register_step_post_hook(lambda *_: _copy_back(pairs))
    return optimizer


@torch.no_grad()
def hand_over(optimizer: Optimizer) -> None:
    """Give each master its weight's gradient, and the weight itself where somebody has set that anew."""
    for weight, master in MASTERS.get(optimizer, ()):
        master.grad = None if weight.grad is None else weight.grad.float()
        weight.grad = None
        if not torch.equal(master.to(weight.dtype), weight):
            master.copy_(weight)


def drop_gradients(optimizer: Optimizer) -> None:
    """Leave no gradient behind, on weights or masters."""
    optimizer.zero_grad()
    for weight, _ in MASTERS.get(optimizer, ()):
        weight.grad = None


def _master(weight: nn.Parameter) -> nn.Parameter:
    """The weight itself; one of 16 bits gets a copy of 32."""
    short = weight.dtype in (torch.bfloat16, torch.float16)
    return nn.Parameter(weight.detach().float()) if short else weight


@torch.no_grad()
def _copy_back(pairs: list[tuple[nn.Parameter, nn.Parameter]]) -> None:
    for weight, master in pairs:
        weight.copy_(master)
