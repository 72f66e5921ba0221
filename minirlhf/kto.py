"""Kahneman-Tversky optimisation: thumbs train the policy itself, with no reward model and no sampling.

DPO (dpo.py) asks that a chosen reply beat a rejected one. A thumb has no partner: its reply has to beat the distance
that the policy has gone on average (Ethayarajh et al., 2024). Choices and what is left out: as in DPO; ups and downs
weigh the same in all, and the distance is exact, since a small vocabulary can be summed over.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from minirlhf.data import Judgements, collate
from minirlhf.losses import Stats, implicit_reward
from minirlhf.machine.require import require, require_own_weights, require_positive
from minirlhf.model import CausalLM, response_kl, response_log_probs
from minirlhf.ops import Mask, PerSequence, PerToken, Scalar, Tokens, pairwise_wins
from minirlhf.training import StepConfig, TrainState, linear_lr, minibatches, new_state, optimizer_step, resumable


def kto_loss(
    log_probs: PerToken,
    ref_log_probs: PerToken,
    mask: Mask,
    beta: float,
    label: Bool[Tensor, "B"],
    kl: Scalar,
    weight: PerSequence | float = 1.0,
) -> tuple[Scalar, Stats]:
    """Learning from thumbs: the mean of 1 - σ(±(implicit reward - β·KL)), + for up and - for down.

    `kl` is how far the policy has gone from the reference, in nats a response: an up must be worth more than that. No
    gradient flows through it. `weight` evens out ups and downs. Starts at ½. (Ethayarajh et al., 2024, eq. 7.)
    """
    reward = implicit_reward(log_probs, ref_log_probs, mask, beta)
    lead = torch.where(label, reward - beta * kl.detach(), beta * kl.detach() - reward)
    return (weight * (1 - torch.sigmoid(lead))).mean(), {
        "accuracy": pairwise_wins(lead, torch.zeros_like(lead)).mean().item(),
        "margin": lead.mean().item(),
    }


@dataclass(frozen=True)
class KTOConfig(StepConfig):
    """How to learn from thumbs; a row is one reply with its thumb."""

    steps: int = 20
    batch_size: int = 64
    lr: float = 3e-4
    warmup: int = 5
    beta: float = 0.1
    """How dear it is to leave the reference."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "beta")


@dataclass(frozen=True)
class KTORecord:
    """What one step did. metrics.py says what healthy looks like, and TRL's name for each."""

    step: int
    """Its number, from 1."""
    loss: float
    """1 - σ(±(implicit reward - β·KL)), mean over the minibatch, ups and downs evened out."""
    accuracy: float
    """The share of replies that stand on their thumb's side of β·KL, ties half."""
    up_reward: float
    """Mean implicit reward of the replies with a thumb up; 0 where the minibatch has none."""
    down_reward: float
    """Mean implicit reward of the replies with a thumb down; 0 where the minibatch has none."""
    kl: float
    """Nats from the reference along these replies, exact over the vocabulary; mean over the minibatch."""
    grad_norm: float
    """Before clipping."""
    lr: float
    """The learning rate of this step."""


def train_kto(
    policy: CausalLM, reference: CausalLM, judgements: Judgements, config: KTOConfig, *, state: TrainState | None = None
) -> Iterator[KTORecord]:
    """Make what got a thumb up more probable and what got one down less, near the reference; one record a step.

    Ups and downs weigh the same in all, however many there were of each.
    """
    require(len(judgements) > 0, "There are no judgements to learn from.")
    require_own_weights(policy=policy, reference=reference)
    state, device = state or new_state(config.seed, policy=policy), policy.trunk.device
    labels = torch.tensor(judgements.labels, device=device)
    n, ups = len(labels), int(labels.sum())
    weight = torch.where(labels, n / max(2 * ups, 1), n / max(2 * (n - ups), 1))
    with resumable("KTO", state):
        for rows in minibatches(n, config, state):
            prompts, responses = ([column[i] for i in rows] for column in (judgements.prompts, judgements.responses))
            tokens, mask = collate(prompts, responses, policy.trunk.config.pad_id, device)
            log_probs, _ = response_log_probs(policy, tokens, mask)
            ref_log_probs, kl = reference_and_distance(policy, reference, tokens, mask)
            label, lr = labels[rows], linear_lr(config.lr, state.step, config.steps, config.warmup)
            mean, stats = kto_loss(log_probs, ref_log_probs, mask, config.beta, label, kl, weight[rows])
            norm = optimizer_step(mean, state.optimizers["policy"], lr, config.max_grad_norm, tokens=tokens, mask=mask)
            state.step += 1
            reward = implicit_reward(log_probs.detach(), ref_log_probs, mask, config.beta)
            up, down = (reward[side].sum().item() / max(int(side.sum()), 1) for side in (label, ~label))
            yield KTORecord(state.step, mean.item(), stats["accuracy"], up, down, kl.item(), norm, lr)


@torch.no_grad()
def reference_and_distance(
    policy: CausalLM, reference: CausalLM, tokens: Tokens, mask: Mask
) -> tuple[PerToken, Scalar]:
    """The reference's log-probabilities, and how far the policy is from it along these responses, in nats.

    Other code estimates that distance from mismatched pairs and clamps it at 0. A small vocabulary can be summed over.
    """
    ref_log_probs, _ = response_log_probs(reference, tokens, mask)
    return ref_log_probs, response_kl(policy, reference, tokens, mask).mean()
