"""Lesson 11: three replies whose optimum is known, and sixty votes that train a policy with nothing in between."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from math import log
from typing import Any

import torch
from torch import Tensor

from minirlhf.advantages import leave_one_out
from minirlhf.bandit import bandit_gradient, exact_optimum
from minirlhf.course.experiments.claims import Claim
from minirlhf.course.plots.replies import largest
from minirlhf.data import Comparisons, collate
from minirlhf.dpo import DPOConfig, train_dpo
from minirlhf.evaluate import answer, exact_kl, win_rate
from minirlhf.feedback.asking import write_questions
from minirlhf.feedback.meaning import Preference, preferences
from minirlhf.feedback.simulated import CHEERFUL, PATIENT, Person, simulate
from minirlhf.feedback.votes import Better, Vote
from minirlhf.losses import DPOLoss, PerPair, Stats, dpo_loss
from minirlhf.model import CausalLM, response_log_probs
from minirlhf.ops import Mask, PerToken, Scalar, masked_sum
from minirlhf.recipes.direct import DirectConfig, implied_weights, learn_directly
from minirlhf.recipes.pipeline import CONTEXT, MAX_NEW_TOKENS, Checkpoints, load_shipped
from minirlhf.recipes.taste import Taste, TasteConfig, learn_taste
from minirlhf.rollout import sample
from minirlhf.tokenizer import Tokenizer

Preferred = PerPair | None  # 1 for a choice, ½ for a tie

# ---- three replies

REPLIES = ("Please wait.", "We will repair it.", "We will send a new one.")
REFERENCE = torch.tensor([0.6, 0.3, 0.1])
REWARDS = torch.tensor([0.0, 1.0, 2.0])
BETA = 0.3
FASTEST = 0.15  # Adam's first learning rate; it falls to 0


def chances_of_choices(ref_probs: Tensor, rewards: Tensor) -> Tensor:
    """How often reply i is chosen over reply j, as a share of all votes: both drawn from the reference, both different,
    and the choice as Bradley and Terry have it."""
    asked = ref_probs.outer(ref_probs).fill_diagonal_(0.0) * torch.sigmoid(rewards.unsqueeze(1) - rewards)
    return asked / asked.sum()


def walk_by_votes(beta: float = BETA, steps: int = 150, loss: DPOLoss = dpo_loss) -> Iterator[Tensor]:
    """The three probabilities after every step of DPO, on all votes there can be; the reference first."""
    logits, shares = REFERENCE.log().requires_grad_(), chances_of_choices(REFERENCE, REWARDS)
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    adam, seen, mask = torch.optim.Adam([logits]), torch.ones(1), torch.ones(2, 1, dtype=torch.bool)
    for step in range(steps + 1):
        log_probs = logits.log_softmax(dim=0)
        yield log_probs.detach().exp()
        adam.param_groups[0]["lr"] = FASTEST * (1 - step / steps)
        adam.zero_grad()
        for pair in pairs:
            rows = torch.tensor(pair).unsqueeze(1)  # a reply is one token: (2, 1)
            mean, _ = loss(log_probs[rows], REFERENCE.log()[rows], mask, beta, seen)
            (shares[pair] * mean).backward(retain_graph=True)
        adam.step()


def walk_by_reward(beta: float = BETA, steps: int = 150, batch_size: int = 64, seed: int = 0) -> Iterator[Tensor]:
    """The three probabilities after every step of REINFORCE on PPO's reward, r - β (log π - log π_ref)."""
    logits, generator = REFERENCE.log().requires_grad_(), torch.Generator().manual_seed(seed)
    adam = torch.optim.Adam([logits])
    for step in range(steps + 1):
        log_probs = logits.detach().log_softmax(dim=0)
        yield log_probs.exp()
        adam.param_groups[0]["lr"] = FASTEST * (1 - step / steps)
        drawn = torch.multinomial(log_probs.exp(), batch_size, replacement=True, generator=generator)
        paid = REWARDS[drawn] - beta * (log_probs - REFERENCE.log())[drawn]
        logits.grad = -bandit_gradient(logits, drawn, leave_one_out(paid))
        adam.step()


def chosen_and_rejected(probs: Tensor) -> tuple[float, float]:
    """How far the log-probability has moved from the reference: the chosen's over all votes, and the rejected's."""
    shares, moved = chances_of_choices(REFERENCE, REWARDS), (probs / REFERENCE).log()
    return (shares.sum(dim=1) @ moved).item(), (shares.sum(dim=0) @ moved).item()


def distance(probs: Tensor, others: Tensor) -> float:
    """Total variation: the share of replies that would have to change for one policy to become the other."""
    return 0.5 * (probs - others).abs().sum().item()


# ---- sixty votes


def sixty_votes(shipped: Checkpoints, person: Person, seed: int, mode: str = "pair", n: int = 60) -> list[Vote]:
    """A simulated person's votes on replies of the SFT model; seed 0 asks what lesson 08 asks."""
    asked = write_questions(shipped.sft, shipped.prompts("train"), shipped.tokenizer, n, mode, seed=8 + 100 * seed)
    return simulate(asked, person, seed=seed)


@torch.no_grad()
def moved_replies(
    before: CausalLM, after: CausalLM, tokenizer: Tokenizer, pair: Preference, draws: int = 96, seed: int = 0
) -> list[dict[str, Any]]:
    """What one customer may be told, and how probable each reply was and is: first those whose share changed most.

    The replies are the two that were voted on, and what both models say to this customer in so many draws each.
    """
    prompt, generator = tokenizer.encode(pair.prompt), torch.Generator().manual_seed(seed)
    kinds: dict[str, str] = {}
    for model in (before, after):
        for ids in sample(model, [prompt] * draws, MAX_NEW_TOKENS, generator).responses():
            kinds[tokenizer.decode(ids)] = "drawn"
    kinds |= {pair.chosen: "chosen", pair.rejected: "rejected"}
    responses = [[*tokenizer.encode(text), tokenizer.eos_id][: CONTEXT - len(prompt)] for text in kinds]
    tokens, mask = collate([prompt] * len(responses), responses, tokenizer.pad_id)
    old, new = (
        masked_sum(response_log_probs(model, tokens, mask)[0], mask).exp().tolist() for model in (before, after)
    )
    rows = [
        {"reply": text.strip(), "kind": kind, "before": then, "after": now}
        for (text, kind), then, now in zip(kinds.items(), old, new, strict=True)
    ]
    return sorted(rows, key=lambda row: -abs(row["after"] - row["before"]))


# ---- broken on purpose


def without_reference(
    log_probs: PerToken, ref_log_probs: PerToken, mask: Mask, beta: float, preference: Preferred = None
) -> tuple[Scalar, Stats]:
    """DPO's loss that compares the policy with nothing."""
    return dpo_loss(log_probs, torch.zeros_like(ref_log_probs), mask, beta, preference)


def mean_for_sum(
    log_probs: PerToken, ref_log_probs: PerToken, mask: Mask, beta: float, preference: Preferred = None
) -> tuple[Scalar, Stats]:
    """DPO's loss where a reply counts by its average token."""
    length = mask.sum(dim=1, keepdim=True)
    return dpo_loss(log_probs / length, ref_log_probs / length, mask, beta, preference)


# ---- how many steps sixty votes bear

FRESH = 100  # choices of the same person about other customers, that nothing is learned from
VOTERS = (CHEERFUL, PATIENT)


def dpo_steps(seeds: Sequence[int]) -> list[dict[str, Any]]:
    """DPO step by step on sixty votes of two simulated people: the loss on them, and on choices it never saw."""
    shipped, rows = load_shipped(), []
    for person in VOTERS:
        for seed in seeds:
            fresh = clear(shipped, sixty_votes(shipped, person, 50 + seed, n=FRESH))
            learned = clear(shipped, sixty_votes(shipped, person, seed))
            policy = deepcopy(shipped.sft)
            for record in train_dpo(policy, shipped.sft, learned, DPOConfig(steps=40, seed=seed), held_out=fresh):
                rows.append(
                    {
                        "voter": person.name,
                        "seed": seed,
                        "step": record.step,
                        "loss": record.loss,
                        "held_out_loss": record.held_out_loss,
                        "chosen": record.chosen_log_prob,
                        "rejected": record.rejected_log_prob,
                    }
                )
            print(f"dpo_steps: {person.name}, seed {seed} is done", flush=True)
    return rows


def clear(shipped: Checkpoints, votes: Sequence[Vote]) -> Comparisons:
    """The votes as pairs to learn from, ties left out."""
    choices = [one for one in preferences(votes) if one.preference == 1]
    return Comparisons.of(choices, shipped.tokenizer, CONTEXT)


def own_rule(shipped: Checkpoints, policy: CausalLM, person: Person, customers: int = 100) -> dict[str, float]:
    """What a simulated person's own rule gives the policy's replies to strangers, how many please, how far it is."""
    strangers = shipped.prompts("held_out", first=customers)
    samples, after = answer(policy, strangers, shipped.tokenizer, person.score, MAX_NEW_TOKENS)
    _, before = answer(shipped.sft, strangers, shipped.tokenizer, person.score, MAX_NEW_TOKENS)
    return {
        "score": after.mean,
        "pleased": win_rate(after.scores, before.scores).rate,
        "kl": exact_kl(policy, shipped.sft, samples.tokens, samples.response_mask).mean().item(),
    }


SWEEPS = {"dpo_steps": dpo_steps}

CLAIMS = (
    Claim("dpo_from_optimum", says="both end within a few percent of the optimum", high=0.05),
    Claim("reinforce_from_optimum", says="both end within a few percent of the optimum", high=0.05),
    Claim("chosen_at_optimum", says="the chosen has fallen by .9 nats", low=-0.95, high=-0.85),
    Claim("first_loss", says="At the first step it is ln 2, as it has to be", low=0.6931, high=0.6932),
    Claim("rejected_falls", says="the rejected falls by several nats", low=-20, high=-2),
    Claim("pleased_by_dpo", says="about as many better as worse, or a few more", low=0.44, high=1.0),
    Claim("pleased_by_ppo", says="most like PPO's better", low=0.55, high=1.0),
    Claim("ppo_ahead", says="PPO pleases more of them", low=0.05),
    Claim("kl_of_dpo", says="DPO has gone about a nat", low=0.5, high=2.0),
    Claim("kl_of_ppo", says="PPO five to eight", low=4, high=9.5),
    Claim("words_agree", says="most of the largest bars have the same sign in both", low=7),
    Claim("no_reference_off_ln2", says="is the only one that does not begin at ln 2", low=0.0001),
    Claim("last_loss", says="The healthy loss is well below ln 2 by then", high=0.58),
    Claim("last_loss_of_means", says="the loss hardly leaves ln 2", low=0.62, high=0.7),
    Claim("kl_of_means", says="and the policy moves all the same", low=0.2),
    Claim("kl_of_fast", says="several times as far away as the healthy one", low=5),
    Claim("swapped_liked", says="fewer than half of the strangers like what they get", low=0.0, high=0.5),
    Claim("pleased_by_thumbs", says="Thumbs do it too", low=0.5, high=1.0),
)


def measure(seed: int) -> dict[str, float]:
    """The lesson's three replies, and its sixty votes, with votes and training of this seed."""
    goal = exact_optimum(REFERENCE, REWARDS, BETA)
    (*_, by_votes), (*_, by_reward) = walk_by_votes(), walk_by_reward(seed=seed)
    shipped = load_shipped()
    votes, policies, runs, found = sixty_votes(shipped, CHEERFUL, seed), {}, {}, {}
    swapped = [turned(vote) for vote in votes]
    for name, cast, config, loss in (
        ("DPO", votes, DirectConfig(seed=seed), dpo_loss),
        ("no reference", votes, DirectConfig(seed=seed), without_reference),
        ("mean", votes, DirectConfig(seed=seed), mean_for_sum),
        ("swapped", swapped, DirectConfig(seed=seed), dpo_loss),
        ("fast", votes, DirectConfig(lr=9e-4, seed=seed), dpo_loss),
        ("KTO", sixty_votes(shipped, CHEERFUL, seed, "thumbs"), DirectConfig(seed=seed), dpo_loss),
    ):
        taste = Taste.shipped(shipped)
        _, *runs[name] = learn_directly(taste, cast, config, loss=loss)
        found[name] = own_rule(shipped, taste.policy, CHEERFUL)
        policies[name] = taste.policy
    taste = Taste.shipped(shipped)
    list(learn_taste(taste, votes, TasteConfig(seed=seed)))
    found["PPO"] = own_rule(shipped, taste.policy, CHEERFUL)
    words, implied = taste.reward_model.word_weights(), implied_weights(taste, policies["DPO"], 0.1)
    dpo = runs["DPO"]
    return {
        "dpo_from_optimum": distance(by_votes, goal),
        "reinforce_from_optimum": distance(by_reward, goal),
        "chosen_at_optimum": chosen_and_rejected(goal)[0],
        "first_loss": dpo[0].loss,
        "rejected_falls": dpo[-1].rejected_log_prob - dpo[0].rejected_log_prob,
        "pleased_by_dpo": found["DPO"]["pleased"],
        "pleased_by_ppo": found["PPO"]["pleased"],
        "ppo_ahead": found["PPO"]["pleased"] - found["DPO"]["pleased"],
        "kl_of_dpo": found["DPO"]["kl"],
        "kl_of_ppo": found["PPO"]["kl"],
        "words_agree": float(sum(implied[word] * weight > 0 for word, weight in largest(words, 14).items())),
        "no_reference_off_ln2": abs(runs["no reference"][0].loss - log(2)),
        "last_loss": dpo[-1].loss,
        "last_loss_of_means": runs["mean"][-1].loss,
        "kl_of_means": found["mean"]["kl"],
        "kl_of_fast": found["fast"]["kl"],
        "swapped_liked": found["swapped"]["pleased"],
        "pleased_by_thumbs": found["KTO"]["pleased"],
    }


def turned(vote: Vote) -> Vote:
    """The vote with its winner and its loser exchanged."""
    return replace(vote, answer=Better(1 - vote.answer.winner)) if isinstance(vote.answer, Better) else vote
