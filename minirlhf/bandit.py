"""REINFORCE on a bandit: a policy is one number for each of a handful of replies, and all can be worked out exactly."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minirlhf.advantages import SequenceAdvantageFn, leave_one_out
from minirlhf.losses import PolicyGradientLoss, policy_gradient_loss
from minirlhf.ops import PerSequence


@dataclass(frozen=True)
class Bandit:
    """A handful of replies, each with a mean reward; drawing one earns that mean plus noise of deviation `noise`."""

    worth: Mapping[str, float]
    noise: float = 1.0

    @property
    def replies(self) -> list[str]:
        return list(self.worth)

    @property
    def best(self) -> str:
        """The reply that is worth most."""
        return max(self.worth, key=lambda reply: self.worth[reply])

    def pay(self, drawn: Int[Tensor, "B"], generator: torch.Generator) -> PerSequence:
        """The reward of each reply drawn, noise included."""
        means = torch.tensor(list(self.worth.values()))
        return means[drawn] + self.noise * torch.randn(len(drawn), generator=generator)

    def plus(self, extra: float | int) -> "Bandit":
        """The same replies, every mean raised by the same amount: no differences change."""
        return Bandit({reply: mean + extra for reply, mean in self.worth.items()}, self.noise)


@dataclass(frozen=True)
class BanditRecord:
    """One step: each reply's probability when the batch was drawn, and the batch's mean reward."""

    step: int
    chances: Mapping[str, float]
    reward: float


def bandit_gradient(
    logits: Float[Tensor, "K"],
    drawn: Int[Tensor, "B"],
    advantages: PerSequence,
    loss: PolicyGradientLoss = policy_gradient_loss,
) -> Float[Tensor, "K"]:
    """The direction in which to move each logit, from replies drawn from softmax(logits) and their advantages.

    Uphill: minus the gradient of the loss. A reply is one token here.
    """
    logits = logits.detach().requires_grad_()
    log_probs = torch.log_softmax(logits, dim=0)[drawn].unsqueeze(1)
    mean, _ = loss(log_probs, advantages.unsqueeze(1), torch.ones_like(log_probs, dtype=torch.bool))
    (gradient,) = torch.autograd.grad(mean, logits)
    return -gradient


def train_bandit(
    bandit: Bandit,
    *,
    steps: int = 100,
    batch_size: int = 8,
    lr: float = 0.5,
    seed: int = 0,
    advantage_fn: SequenceAdvantageFn = leave_one_out,
    loss: PolicyGradientLoss = policy_gradient_loss,
) -> Iterator[BanditRecord]:
    """Start from equal probabilities; each step draws a batch, earns its rewards and takes one gradient step."""
    generator, logits = torch.Generator().manual_seed(seed), torch.zeros(len(bandit.worth))
    for step in range(1, steps + 1):
        chances = logits.softmax(dim=0)
        drawn = torch.multinomial(chances, batch_size, replacement=True, generator=generator)
        rewards = bandit.pay(drawn, generator)
        logits = logits + lr * bandit_gradient(logits, drawn, advantage_fn(rewards), loss)
        yield BanditRecord(step, dict(zip(bandit.worth, chances.tolist(), strict=True)), rewards.mean().item())


def exact_optimum(ref_probs: Float[Tensor, "K"], rewards: Float[Tensor, "K"], beta: float) -> Float[Tensor, "K"]:
    """What PPO and DPO both aim at: π* = π_ref · exp(r/β) / Z, the most reward less β times the KL from π_ref.

    With few replies it can be written down: no training, no votes. (Rafailov et al., 2023, eq. 4.)
    """
    return (ref_probs.log() + rewards / beta).softmax(dim=0)
