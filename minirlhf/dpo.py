"""Direct preference optimisation: the votes train the policy itself, with no reward model and no sampling.

PPO's optimum for a reward r and a leash β is π* ∝ π_ref · exp(r/β). Read backwards, a policy *is* a reward model: its
implicit reward is β log(π/π_ref). So fit that reward to the choices, as a reward model is fitted, and the policy that
comes out is the optimum already (Rafailov et al., 2023).

Choices: sums over the response and its end; the reference is asked once, before the first step; ties count half each
way; the learning rate falls linearly to 0. Left out: a length penalty, an SFT term, sampling new pairs on the way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from minirlhf.data import Comparisons, collate
from minirlhf.losses import DPOLoss, Stats, dpo_loss, implicit_reward
from minirlhf.machine.require import require, require_counts, require_own_weights, require_positive
from minirlhf.machine.shares import agreed
from minirlhf.model import CausalLM, response_log_probs
from minirlhf.ops import Mask, PerToken, masked_sum
from minirlhf.training import StepConfig, TrainState, linear_lr, minibatches, new_state, optimizer_step, resumable

AT_ONCE = 256  # pairs that the reference reads in one go


@dataclass(frozen=True)
class DPOConfig(StepConfig):
    """How to learn from comparisons; a row is a pair."""

    steps: int = 20
    batch_size: int = 64
    lr: float = 3e-4
    warmup: int = 5
    beta: float = 0.1
    """How dear it is to leave the reference: PPO's β, where PPO's scores are the raw ones of Bradley and Terry."""
    patience: int | None = None
    """Steps without a better held-out loss after which the best policy comes back and the run ends; None runs on."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "beta")
        require_counts(self, *(["patience"] if self.patience is not None else []))


@dataclass(frozen=True)
class DPORecord:
    """What one step did. metrics.py says what healthy looks like, and TRL's name for each."""

    step: int
    """Its number, from 1."""
    loss: float
    """-log σ(chosen - rejected) of the implicit rewards, mean over the minibatch, in nats."""
    accuracy: float
    """The share of pairs that the implicit rewards order as the person did, ties half."""
    margin: float
    """The chosen's implicit reward minus the rejected's, mean over the minibatch."""
    chosen_reward: float
    """Mean implicit reward of the chosen replies."""
    rejected_reward: float
    """Mean implicit reward of the rejected replies."""
    chosen_log_prob: float
    """log π of a whole chosen reply, mean over the minibatch."""
    rejected_log_prob: float
    """log π of a whole rejected reply, mean over the minibatch."""
    grad_norm: float
    """Before clipping."""
    lr: float
    """The learning rate of this step."""
    held_out_loss: float | None = None
    """The same loss after this step, on pairs that nothing was learned from."""
    held_out_accuracy: float | None = None
    """How many of those are ordered as the person did, ties half."""


def train_dpo(
    policy: CausalLM,
    reference: CausalLM,
    comparisons: Comparisons,
    config: DPOConfig,
    *,
    held_out: Comparisons | None = None,
    loss: DPOLoss = dpo_loss,
    state: TrainState | None = None,
) -> Iterator[DPORecord]:
    """Make what was chosen more probable beside what was rejected, near the reference; one record a step."""
    state = ready_to_train(policy, reference, comparisons, held_out, config, state)
    ref_log_probs = pair_log_probs(reference, comparisons)
    watched = None if held_out is None else (held_out, pair_log_probs(reference, held_out))
    best, patience = Best(policy, state), config.patience
    if patience is not None and best.is_long_ago(patience):
        return
    with resumable("DPO", state):
        for rows in minibatches(len(comparisons), config, state):
            lr = linear_lr(config.lr, state.step, config.steps, config.warmup)
            stats = dpo_step(policy, comparisons, rows, ref_log_probs, config, state.optimizers["policy"], lr, loss)
            seen = {} if watched is None else held_out_stats(policy, *watched, config.beta)
            state.step += 1
            if patience is not None:
                best.note(agreed(seen["held_out_loss"]), patience)
            yield DPORecord(state.step, **stats, **seen)
            if patience is not None and best.is_long_ago(patience):
                return


def ready_to_train(
    policy: CausalLM,
    reference: CausalLM,
    comparisons: Comparisons,
    held_out: Comparisons | None,
    config: DPOConfig,
    state: TrainState | None,
) -> TrainState:
    """The state to start from, or the one to go on from; what cannot work is refused before anything is learned."""
    require(len(comparisons) > 0, "There are no comparisons to learn from.")
    require(
        held_out is None or len(held_out) > 0, "There are no held-out comparisons; leave held_out away, or fill it."
    )
    require(
        config.patience is None or held_out is not None,
        f"DPOConfig.patience is {config.patience}: stopping on a held-out loss needs held_out=… comparisons.",
    )
    require_own_weights(policy=policy, reference=reference)
    return state or new_state(config.seed, policy=policy)


@torch.no_grad()
def pair_log_probs(model: CausalLM, comparisons: Comparisons) -> Float[Tensor, "2 N T"]:
    """log π of every chosen and every rejected response's tokens, each at its place; 0 elsewhere."""
    pad_id, device, n = model.trunk.config.pad_id, model.trunk.device, len(comparisons)
    prompts, sides = comparisons.prompts, (comparisons.chosen, comparisons.rejected)
    width = max((len(p) + len(r) for responses in sides for p, r in zip(prompts, responses, strict=True)), default=0)
    found = torch.zeros(2, n, width, device=device)
    for first in range(0, n, AT_ONCE):
        rows = range(first, min(first + AT_ONCE, n))
        for side, responses in zip(found, sides, strict=True):
            tokens, mask = collate([prompts[i] for i in rows], [responses[i] for i in rows], pad_id, device)
            side[first : first + len(rows), : tokens.shape[1]] = response_log_probs(model, tokens, mask)[0]
    return found


def dpo_step(
    policy: CausalLM,
    comparisons: Comparisons,
    rows: Sequence[int],
    ref_log_probs: Float[Tensor, "2 N T"],
    config: DPOConfig,
    optimizer: torch.optim.Optimizer,
    lr: float,
    loss: DPOLoss = dpo_loss,
) -> Stats:
    """One step on a minibatch: the policy's implicit reward of the chosen rises above that of the rejected."""
    tokens, mask, preference = comparisons.batch(rows, policy.trunk.config.pad_id, policy.trunk.device)
    ref = ref_log_probs[:, rows, : tokens.shape[1]].flatten(end_dim=1)  # (2, n, T) -> (2n, T)
    log_probs, _ = response_log_probs(policy, tokens, mask)
    mean, stats = loss(log_probs, ref, mask, config.beta, preference)
    norm = optimizer_step(mean, optimizer, lr, config.max_grad_norm, tokens=tokens, mask=mask)
    return stats | pair_stats(log_probs, ref, mask, config.beta) | {"loss": mean.item(), "grad_norm": norm, "lr": lr}


@torch.no_grad()
def pair_stats(log_probs: PerToken, ref_log_probs: PerToken, mask: Mask, beta: float) -> Stats:
    """What both replies of a pair are worth to the policy, and how probable they are, on average."""
    chosen, rejected = implicit_reward(log_probs, ref_log_probs, mask, beta).chunk(2)
    chosen_log_prob, rejected_log_prob = masked_sum(log_probs, mask).chunk(2)
    return {
        "chosen_reward": chosen.mean().item(),
        "rejected_reward": rejected.mean().item(),
        "chosen_log_prob": chosen_log_prob.mean().item(),
        "rejected_log_prob": rejected_log_prob.mean().item(),
    }


@torch.no_grad()
def held_out_stats(
    policy: CausalLM, held_out: Comparisons, ref_log_probs: Float[Tensor, "2 N T"], beta: float
) -> Stats:
    """The loss and the accuracy on pairs that nothing is learned from."""
    _, mask, preference = held_out.batch(range(len(held_out)), policy.trunk.config.pad_id, policy.trunk.device)
    log_probs, ref = (x.flatten(end_dim=1) for x in (pair_log_probs(policy, held_out), ref_log_probs))
    loss, stats = dpo_loss(log_probs, ref, mask, beta, preference)
    return {"held_out_loss": loss.item(), "held_out_accuracy": stats["accuracy"]}


class Best:
    """The policy as it was when its held-out loss was lowest; the state holds it, so a resumed run knows it too."""

    def __init__(self, policy: CausalLM, state: TrainState) -> None:
        self.policy, self.state = policy, state

    def is_long_ago(self, patience: int) -> bool:
        """Whether no step has been better for so many."""
        return self.state.numbers.get("steps_since_best", 0) >= patience

    def note(self, loss: float, patience: int) -> None:
        """Take note of this step's loss; once the best is so many steps ago, bring it back."""
        numbers, kept = self.state.numbers, self.state.kept
        if loss < numbers.get("best_loss", float("inf")):
            numbers |= {"best_loss": loss, "steps_since_best": 0}
            # Each tensor on its own: a file takes none that share their memory.
            frozen = {name for name, weights in self.policy.named_parameters() if not weights.requires_grad}
            weights = {name: x for name, x in self.policy.state_dict().items() if name not in frozen}
            kept["policy"] = {name: x.detach().clone() for name, x in weights.items()}
            return
        numbers["steps_since_best"] = numbers.get("steps_since_best", 0) + 1
        if self.is_long_ago(patience) and "policy" in kept:
            self.policy.load_state_dict(kept["policy"], strict=False)  # what is frozen never left
