"""Sampling from a policy, and what one batch of it leaves behind.

Pure sampling at temperature 1 unless asked otherwise: PPO needs the probabilities that the tokens were really
drawn with, so there is no top-k and no top-p here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from minirlhf.data import Ids, collate
from minirlhf.model import Cache, CausalLM, response_log_probs
from minirlhf.ops import Mask, PerSequence, PerToken, Tokens, last_true, masked_sum

RewardFn = Callable[[Tokens, Mask], PerSequence]


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
    """What the policy did in one batch: its responses, their log-probabilities and the reference's, their score."""

    tokens: Tokens
    response_mask: Mask
    log_probs: PerToken
    ref_log_probs: PerToken
    score: PerSequence
    ended: Bool[Tensor, "B"]  # True where the response came to its end of text

    @property
    def kl(self) -> PerSequence:
        """Nats from the reference to the policy in each response: Σ log π - log π_ref, an estimate (k1)."""
        return masked_sum(self.log_probs - self.ref_log_probs, self.response_mask)

    def at(self, rows: Tensor) -> "Rollout":
        """These rows of the batch."""
        return Rollout(*(getattr(self, field.name)[rows] for field in fields(self)))

    def means(self, beta: float) -> dict[str, float]:
        """What every record reports of a batch, by its names: sums over a response, means over the batch."""
        score, kl = self.score.mean().item(), self.kl.mean().item()
        return {
            "score": score,
            "kl": kl,
            "rlhf_reward": score - beta * kl,
            "response_length": self.response_mask.sum(dim=1).float().mean().item(),
            "ended": self.ended.float().mean().item(),
        }


def sample(
    model: CausalLM, prompts: Sequence[Ids], max_new_tokens: int, generator: torch.Generator, temperature: float = 1.0
) -> Samples:
    """Let the model answer each prompt, until its end of text or for `max_new_tokens` tokens.

    Prompts may differ in length: while a shorter row already speaks, a longer one is still being read. Rows that
    have ended leave the batch once they are half of it, so a few long answers do not keep the rest waiting.
    """
    if not prompts or not all(prompts):
        raise ValueError("There is nothing to answer: give at least one prompt, each with at least one token.")
    if max_new_tokens < 1 or not temperature > 0:
        raise ValueError(f"max_new_tokens ({max_new_tokens}) must be 1 or more, temperature ({temperature}) above 0.")
    pad_id, eos_id = model.trunk.config.pad_id, model.trunk.config.eos_id
    tokens, unsaid = collate(prompts, [[pad_id] * max_new_tokens] * len(prompts), pad_id)
    log_probs, start = torch.zeros(tokens.shape), unsaid.long().argmax(dim=1)
    with torch.inference_mode():  # a tenth quicker than no_grad: nobody will ask these tensors for gradients
        # The rows still in the batch, what they have read and said, where they begin to speak, who is not done.
        rows, text, said = torch.arange(len(prompts)), tokens.clone(), log_probs.clone()
        begin, alive = start.clone(), torch.ones(len(prompts), dtype=torch.bool)
        cache, read, first_begin, last_begin = Cache(), 0, int(start.min()), int(start.max())
        last = torch.zeros(len(prompts), first_begin, dtype=torch.bool)
        last[:, -1] = True  # of what is read at once, only the last token's logits are of interest
        for t in range(first_begin, tokens.shape[1]):
            logits = model(text[:, read:t], cache, last if t == first_begin else None)
            drawn, drawn_log_probs = draw(logits.view(len(rows), -1), generator, temperature)
            if t < last_begin:  # a prompt is still being read: what stands in it goes before what was drawn
                speaks = begin <= t
                drawn, drawn_log_probs = torch.where(speaks, drawn, text[:, t]), drawn_log_probs * speaks
            text[:, t], said[:, t], read = drawn, drawn_log_probs, t
            alive &= t + 1 < begin + max_new_tokens
            if eos_id is not None:
                alive &= (drawn != eos_id) | (t < begin)
            left = int(alive.sum())
            if 2 * left <= len(rows):
                tokens[rows], log_probs[rows] = text, said
                if not left:
                    break
                rows, text, said, begin = rows[alive], text[alive], said[alive], begin[alive]
                cache.keep(alive)
                alive = alive[alive]
    return _cut(tokens, log_probs, start, start + max_new_tokens, eos_id, pad_id)


def _cut(tokens: Tokens, log_probs: PerToken, start: Tensor, end: Tensor, eos_id: int | None, pad_id: int) -> Samples:
    """Cut each response behind its first end of text: rows speak on while they wait for the others."""
    position = torch.arange(tokens.shape[1])
    if eos_id is not None:
        ends = (tokens == eos_id) & (start.unsqueeze(1) <= position)
        end = torch.where(ends.any(dim=1), ends.long().argmax(dim=1) + 1, end).minimum(end)
    until = position < end.unsqueeze(1)
    mask, width = until & (start.unsqueeze(1) <= position), int(end.max())
    tokens, log_probs = torch.where(until, tokens, pad_id), torch.where(mask, log_probs, 0.0)
    return Samples(tokens[:, :width], mask[:, :width], log_probs[:, :width])


def draw(
    logits: Float[Tensor, "B V"], generator: torch.Generator, temperature: float = 1.0
) -> tuple[Int[Tensor, "B"], Float[Tensor, "B"]]:
    """One token a row, drawn from softmax(logits / temperature), and its log-probability."""
    probabilities = (logits if temperature == 1 else logits / temperature).softmax(dim=-1)
    drawn = inverse_cdf_sample(probabilities, torch.rand(len(logits), generator=generator))
    return drawn, probabilities.gather(1, drawn.unsqueeze(1)).log().squeeze(1)


def inverse_cdf_sample(probabilities: Float[Tensor, "B V"], u: Float[Tensor, "B"]) -> Int[Tensor, "B"]:
    """In each row the first token at which the running sum of the probabilities passes u, with u from 0 up to 1.

    Inverse transform sampling (Devroye, 1986, III.2): a token owns a stretch of the line from 0 to 1 that is as long
    as it is probable. One random number a row instead of one a vocabulary entry.
    """
    cumulative = probabilities.cumsum(dim=-1)
    reached = u.unsqueeze(1) * cumulative[:, -1:]  # rounding may let the last sum stop a hair below 1
    drawn = torch.searchsorted(cumulative, reached, right=True).clamp(max=probabilities.shape[1] - 1)
    return drawn.squeeze(1)


@torch.no_grad()
def collect(
    policy: CausalLM,
    reference: CausalLM,
    reward_model: RewardFn,
    prompts: Sequence[Ids],
    max_new_tokens: int,
    generator: torch.Generator,
    missing_eos_score: float = 0.0,
) -> Rollout:
    """Let the policy answer, and have reference and reward model look at the answers.

    A response that never ends is not scored: `missing_eos_score` stands in, since the score is read at the end.
    """
    samples = sample(policy, prompts, max_new_tokens, generator)
    tokens, mask = samples.tokens, samples.response_mask
    ref_log_probs, _ = response_log_probs(reference, tokens, mask)
    score = reward_model(tokens, mask)
    ended = torch.ones(len(tokens), dtype=torch.bool)
    if (eos_id := policy.trunk.config.eos_id) is not None:
        ended = tokens[torch.arange(len(tokens)), last_true(mask)] == eos_id
        score = torch.where(ended, score, missing_eos_score)
    return Rollout(tokens, mask, samples.log_probs, ref_log_probs, score, ended)
