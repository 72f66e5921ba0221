"""Adam for the numbers of a model that are trained, in float32 whatever the model keeps them in."""

import torch
from torch import Tensor, nn


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
    masters = [_master(weight) for weight in weights]
    optimizer = torch.optim.Adam(masters, lr=0.0, eps=1e-5, fused=True)
    short = [(weight, master) for weight, master in zip(weights, masters, strict=True) if weight is not master]
    if short:
        optimizer.register_step_post_hook(lambda *_: _copy_back(short))
    return optimizer


def _master(weight: nn.Parameter) -> nn.Parameter:
    """The weight itself; one of 16 bits gets a copy of 32, to which its gradients go."""
    if weight.dtype not in (torch.bfloat16, torch.float16):
        return weight
    master = nn.Parameter(weight.detach().float())

    def hand_over(weight: Tensor) -> None:
        assert weight.grad is not None
        master.grad = weight.grad.float() if master.grad is None else master.grad + weight.grad
        weight.grad = None

    weight.register_post_accumulate_grad_hook(hand_over)
    return master


@torch.no_grad()
def _copy_back(pairs: list[tuple[nn.Parameter, nn.Parameter]]) -> None:
    for weight, master in pairs:
        weight.copy_(master)
