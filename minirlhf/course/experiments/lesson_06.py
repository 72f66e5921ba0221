"""Lesson 06, measured: what a baseline is good for, how fast REINFORCE learns, what the clip holds, what λ trades."""

from collections.abc import Callable, Iterator
from copy import deepcopy

import torch
from torch import Tensor

from minirlhf.advantages import gae, leave_one_out, token_rewards
from minirlhf.bandit import Bandit, bandit_gradient, train_bandit
from minirlhf.course.experiments.claims import Claim
from minirlhf.losses import Stats, clipped_policy_loss, policy_gradient_loss
from minirlhf.model import CausalLM, ValueModel, response_log_probs
from minirlhf.ops import PerSequence, PerToken, Scalar
from minirlhf.ppo import PPOConfig, train_ppo
from minirlhf.recipes.pipeline import Checkpoints, load_shipped
from minirlhf.reinforce import ReinforceConfig, train_reinforce
from minirlhf.rollout import Rollout, collect, sample
from minirlhf.training import new_state, optimizer_step
from minirlhf.worlds import helpdesk

LossNow = Callable[[PerToken], tuple[Scalar, Stats]]  # of the log-probabilities that a policy has now
MESSAGE = "Customer: My kettle is broken.\nAgent:"
LINES = (
    "Hi! We will send a new kettle :)",
    "We will send a new desk.",
    "I am so sorry!",
    "A new kettle? Buy two!",
    "You broke it.",
    "We will wash your kettle.",
)

CLAIMS = (
    Claim("wrong_way_without", says="more than half of the batches point the wrong way", low=0.5, high=0.7),
    Claim("found_with", says="all twelve find it", low=12, high=12.5),
    Claim("found_without", says="about half of the seeds fail", low=4, high=8),
    Claim("score_after", says="more than two exclamation marks", low=2.0, high=3.0),
    Claim("free_over_clipped", says="less than half as far", low=2.0),
    Claim("reinforce_over_free", says="runs away", low=1.5),
    Claim("less_spread", says="clearly less at .95", low=0.1),
)


def as_paid(rewards: PerSequence) -> PerSequence:
    """No baseline: the advantage is the reward."""
    return rewards


def true_slope(logits: Tensor, worth: Tensor) -> Tensor:
    """How the expected reward of a bandit's policy rises with each of its logits, by calculus, without a sample."""
    logits = logits.detach().requires_grad_()
    (slope,) = torch.autograd.grad((logits.softmax(dim=0) * worth).sum(), logits)
    return slope


def measure(seed: int) -> dict[str, float]:
    """The lesson's experiments with another seed."""
    shipped = load_shipped()
    batch, generator = _batch(shipped, seed)
    return {
        **_bandit(seed),
        "score_after": _cheered(shipped, seed),
        **_one_batch(shipped, batch),
        "less_spread": _less_spread(shipped, batch, generator, seed),
    }


def _bandit(seed: int) -> dict[str, float]:
    """How often a single batch points the wrong way, and how many of twelve runs find the best reply."""
    richer = Bandit({line: helpdesk.gold(MESSAGE, " " + line) for line in LINES}).plus(10)
    generator, even, found = torch.Generator().manual_seed(seed), torch.zeros(len(LINES)), {}
    batches = [torch.randint(len(LINES), (8,), generator=generator) for _ in range(800)]
    pushes = [bandit_gradient(even, drawn, richer.pay(drawn, generator))[0].item() for drawn in batches]
    found["wrong_way_without"] = sum(push < 0 for push in pushes) / len(pushes)
    for name, advantages in (("without", as_paid), ("with", leave_one_out)):
        runs = (
            list(train_bandit(richer, steps=60, lr=0.3, seed=12 * seed + k, advantage_fn=advantages)) for k in range(12)
        )
        found[f"found_{name}"] = float(sum(run[-1].chances[richer.best] > 0.5 for run in runs))
    return found


def _cheered(shipped: Checkpoints, seed: int) -> float:
    """REINFORCE on up to three exclamation marks: the score of the last update."""

    def cheer(tokens: Tensor, response_mask: Tensor) -> PerSequence:
        rows = zip(tokens, response_mask, strict=True)
        texts = [shipped.tokenizer.decode(row[mask].tolist()) for row, mask in rows]
        return torch.tensor([min(text.count("!"), 3) for text in texts]).float()

    config = ReinforceConfig(updates=20, seed=seed)
    *_, last = train_reinforce(deepcopy(shipped.sft), shipped.sft, cheer, shipped.prompts("train"), config)
    return last.score


def _batch(shipped: Checkpoints, seed: int) -> tuple[Rollout, torch.Generator]:
    """128 replies of the SFT model, scored."""
    generator, customers = torch.Generator().manual_seed(seed), shipped.prompts("train")
    prompts = [customers.prompts[i] for i in torch.randint(len(customers), (128,), generator=generator).tolist()]
    return collect(shipped.sft, shipped.sft, shipped.reward_model, prompts, 40, generator), generator


def again_and_again(policy: CausalLM, batch: Rollout, loss: LossNow, steps: int = 8) -> Iterator[Tensor]:
    """A copy of the policy takes several steps on one batch; before each and after the last, each token's log-ratio."""
    learner, mask = deepcopy(policy), batch.response_mask
    adam = new_state(0, policy=learner).optimizers["policy"]
    for step in range(steps + 1):
        log_probs, _ = response_log_probs(learner, batch.tokens, mask)
        yield (log_probs.detach() - batch.log_probs)[mask]
        if step < steps:
            optimizer_step(loss(log_probs)[0], adam, lr=1e-3)


def _one_batch(shipped: Checkpoints, batch: Rollout) -> dict[str, float]:
    """How much further one batch carries the policy without the clip, and without the ratio."""
    mask, old = batch.response_mask, batch.log_probs
    advantages = leave_one_out(batch.score).unsqueeze(1).expand_as(mask)
    losses: dict[str, LossNow] = {
        "REINFORCE": lambda now: policy_gradient_loss(now, advantages, mask),
        "free": lambda now: clipped_policy_loss(now, old, advantages, mask, 1e6),
        "clipped": lambda now: clipped_policy_loss(now, old, advantages, mask, 0.2),
    }
    far = {}
    for name, loss in losses.items():
        *_, last = again_and_again(shipped.sft, batch, loss)
        far[name] = last.square().mean().item()
    return {"free_over_clipped": far["free"] / far["clipped"], "reinforce_over_free": far["REINFORCE"] / far["free"]}


def _less_spread(shipped: Checkpoints, batch: Rollout, generator: torch.Generator, seed: int) -> float:
    """By how much λ = .95 narrows the spread of one token's advantage, of that at λ = 1."""
    value_model, still = ValueModel(deepcopy(shipped.reward_model.trunk)), deepcopy(shipped.sft)
    config = PPOConfig(updates=6, lr=1e-9, beta=0.0, lam=1.0, value_clip=9.0, seed=seed)
    list(train_ppo(still, shipped.sft, shipped.reward_model, value_model, shipped.prompts("train"), config))
    mask = batch.response_mask
    row = int(torch.where(mask.sum(dim=1) >= 8, batch.score, torch.inf).argmin())
    with torch.no_grad():
        values = value_model(batch.tokens, mask)
    rewards = token_rewards(batch.score, batch.log_probs, batch.ref_log_probs, mask, beta=0.0)
    here = mask[row]
    first, length = int(here.nonzero()[0]), int(here.sum())
    surprises, _ = gae(rewards, values, mask, 1.0, 0.0)
    token = first + int(surprises[row][here][: length // 2].argmin())
    begun = batch.tokens[row][: token + 1].tolist()
    again = sample(shipped.sft, [begun] * 200, 40 - (token + 1 - first), generator)
    whole = again.response_mask.clone()
    whole[:, first : token + 1] = True
    with torch.no_grad():
        guessed, score = value_model(again.tokens, whole), shipped.reward_model(again.tokens, whole)
    nothing = torch.zeros_like(guessed)
    rewards = token_rewards(score, nothing, nothing, whole, beta=0.0)
    spread = {lam: gae(rewards, guessed, whole, 1.0, lam)[0][:, token].std().item() for lam in (0.95, 1.0)}
    return 1 - spread[0.95] / spread[1.0]
