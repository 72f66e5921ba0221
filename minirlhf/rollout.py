"""Sampling from a policy, and what one batch of it leaves behind.

Pure sampling at temperature 1 unless asked otherwise: PPO needs the probabilities that the tokens were really
drawn with, so there is no top-k and no top-p here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minirlhf.data import Ids, collate
from minirlhf.model import Cache, CausalLM
from minirlhf.ops import Mask, PerSequence, PerToken, Tokens, last_true, log_probs_and_entropy, predictors

Reward = Callable[[Tokens, Mask], PerSequence]


@dataclass(frozen=True)
class Samples:
    """Prompts with a sampled response each; log_probs are those that the tokens were drawn with."""

    tokens: Tokens
    response_mask: Mask
    log_probs: PerToken

    def responses(self) -> list[Ids]:
        """The ids of each row's response."""
        return [row[mask].tolist() for row, mask in zip(self.tokens, self.response_mask, strict=True)]


@dataclass(frozen=True)
class Rollout:
    """What the policy did in one batch: what it said, how probable that was to it and to the reference, its score."""

    tokens: Tokens
    response_mask: Mask
    log_probs: PerToken
    ref_log_probs: PerToken
    score: PerSequence
    ended: Tensor  # (B,) True where the response came to its end of text


@torch.no_grad()
def sample(
    model: CausalLM,
    prompts: Sequence[Ids],
    max_new_tokens: int,
    generator: torch.Generator,
    eos_id: int | None = None,
    temperature: float = 1.0,
) -> Samples:
    """Let the model answer each prompt, until its end of text or for `max_new_tokens` tokens.

    Prompts may differ in length: while a shorter row already speaks, a longer one is still being read. Rows that
    have ended leave the batch once they are half of it, so a few long answers do not keep the rest waiting.
    """
    pad_id = model.trunk.config.vocab_size
    tokens, _ = collate(prompts, [[pad_id] * max_new_tokens] * len(prompts), pad_id)
    start = torch.tensor([len(p) for p in prompts])
    log_probs = torch.zeros(tokens.shape)
    end = start + max_new_tokens
    rows, cache, read = torch.arange(len(prompts)), Cache(), 0
    for t in range(int(start.min()), tokens.shape[1]):
        logits = model(tokens[rows, read:t], cache)[:, -1]
        drawn, drawn_log_probs = draw(logits, generator, temperature)
        speaks = (start[rows] <= t) & (t < end[rows])
        tokens[rows, t] = torch.where(speaks, drawn, tokens[rows, t])
        log_probs[rows, t] = torch.where(speaks, drawn_log_probs, 0.0)
        if eos_id is not None:
            end[rows] = torch.where(speaks & (drawn == eos_id), t + 1, end[rows])
        read = t
        alive = t + 1 < end[rows]
        if not alive.any():
            break
        if 2 * int(alive.sum()) <= len(rows):
            cache.keep(alive.nonzero().squeeze(1))
            rows = rows[alive]
    position = torch.arange(tokens.shape[1])
    response_mask = (start.unsqueeze(1) <= position) & (position < end.unsqueeze(1))
    width = int(end.max())
    return Samples(tokens[:, :width], response_mask[:, :width], log_probs[:, :width])


def draw(
    logits: Float[Tensor, "B V"], generator: torch.Generator, temperature: float = 1.0
) -> tuple[Int[Tensor, "B"], Float[Tensor, "B"]]:
    """One token a row, drawn from softmax(logits / temperature), and its log-probability.

    By inverting the cumulative distribution: one random number a row instead of one a vocabulary entry.
    """
    probabilities = (logits / temperature).softmax(dim=-1)
    cumulative = probabilities.cumsum(dim=-1)
    u = torch.rand(len(logits), 1, generator=generator) * cumulative[:, -1:]
    drawn = torch.searchsorted(cumulative, u, right=True).clamp(max=logits.shape[1] - 1)
    return drawn.squeeze(1), probabilities.gather(1, drawn).log().squeeze(1)


@torch.no_grad()
def collect(
    policy: CausalLM,
    reference: CausalLM,
    reward_model: Reward,
    prompts: Sequence[Ids],
    max_new_tokens: int,
    generator: torch.Generator,
    eos_id: int | None = None,
    missing_eos_score: float = 0.0,
) -> Rollout:
    """Let the policy answer, and have reference and reward model look at the answers.

    A response that never ends is not scored: `missing_eos_score` stands in, since the score is read at the end.
    """
    samples = sample(policy, prompts, max_new_tokens, generator, eos_id)
    tokens, mask = samples.tokens, samples.response_mask
    ref_log_probs, _ = log_probs_and_entropy(reference(tokens, where=predictors(mask)), tokens, mask)
    score = reward_model(tokens, mask)
    ended = torch.ones(len(tokens), dtype=torch.bool)
    if eos_id is not None:
        ended = tokens[torch.arange(len(tokens)), last_true(mask)] == eos_id
        score = torch.where(ended, score, missing_eos_score)
    return Rollout(tokens, mask, samples.log_probs, ref_log_probs, score, ended)
