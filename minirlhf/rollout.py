"""Sampling from a policy, and what one batch of it leaves behind.

Pure sampling at temperature 1 unless asked otherwise: PPO needs the probabilities that the tokens were really
drawn with, so there is no top-k and no top-p here.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from minirlhf.data import Ids, collate
from minirlhf.machine.runtime import one_thread
from minirlhf.machine.shares import in_shares
from minirlhf.model import CausalLM, response_log_probs
from minirlhf.ops import Mask, PerSequence, PerToken, Tokens, last_true, masked_sum

RewardFn = Callable[[Tokens, Mask], PerSequence]
WRITTEN = 8  # rows for each one that could be learned from: beside that a row's keys and values are little to hold


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

    Prompts may differ in length. Lesson 02 has the same in ten lines (`speak`): one length, no cache, no ending.
    """
    if not prompts or not all(prompts):
        raise ValueError("There is nothing to answer: give at least one prompt, each with at least one token.")
    if max_new_tokens < 1 or not temperature > 0:
        raise ValueError(f"max_new_tokens ({max_new_tokens}) must be 1 or more, temperature ({temperature}) above 0.")
    pad_id, device = model.trunk.config.pad_id, model.trunk.device
    tokens, mask = collate(prompts, [[pad_id] * max_new_tokens] * len(prompts), pad_id, device)
    # A number for each place of each row, drawn on the CPU: what a row says depends on no neighbour and no device.
    drawn = torch.rand(len(prompts), max_new_tokens, generator=generator).to(device)
    numbers = torch.zeros(tokens.shape, device=device).masked_scatter(mask, drawn)
    write = partial(write_responses, model, temperature=temperature)
    at_once = model.trunk.rows_at_once and WRITTEN * model.trunk.rows_at_once
    with torch.inference_mode():  # a tenth quicker than no_grad
        tokens, log_probs = in_shares(write, tokens, mask, numbers, at_once=at_once)
    return cut_at_the_end(tokens, log_probs, mask, model.trunk.config.eos_id, pad_id)


def write_responses(
    model: CausalLM, tokens: Tokens, response_mask: Mask, numbers: PerToken, temperature: float
) -> tuple[Tokens, PerToken]:
    """Fill in the responses, a column at a time; a row may run on after its end of text. (tokens, log_probs)

    `numbers` are random, from 0 up to 1: the one at t draws token t.

    While one row's response is being written, a longer prompt is still being read. Rows that have ended leave the
    batch once they are half of it, so a few long responses do not keep the rest waiting.
    """
    rows, cache = torch.arange(len(tokens), device=tokens.device), model.trunk.cache()  # those still being written
    eos_id, first = model.trunk.config.eos_id, int(response_mask.any(dim=0).long().argmax())
    logits = read(model, tokens[:, :first], cache)
    log_probs = logits.new_zeros(tokens.shape)
    active_tokens, active_log_probs, is_response = tokens.clone(), log_probs.clone(), response_mask
    unfinished = torch.ones_like(rows, dtype=torch.bool)
    with one_thread() if model.trunk.small else nullcontext():  # tiny products: a second thread is waited for, not used
        for t in range(first, tokens.shape[1]):
            drawn, drawn_log_probs = draw(logits, numbers[rows, t], temperature)
            active_tokens[:, t] = torch.where(is_response[:, t], drawn, active_tokens[:, t])
            active_log_probs[:, t] = drawn_log_probs * is_response[:, t]
            unfinished &= is_response[:, t + 1 :].any(dim=1)
            if eos_id is not None:
                unfinished &= (drawn != eos_id) | ~is_response[:, t]
            if 2 * int(unfinished.sum()) <= len(rows):
                tokens[rows], log_probs[rows] = active_tokens, active_log_probs
                rows, is_response = rows[unfinished], is_response[unfinished]
                active_tokens, active_log_probs = active_tokens[unfinished], active_log_probs[unfinished]
                cache.keep(unfinished)
                unfinished = unfinished[unfinished]
            if not len(rows):
                return tokens, log_probs
            logits = read(model, active_tokens[:, t : t + 1], cache)
    raise AssertionError("every response ends at its last token")


def read(model: CausalLM, new_tokens: Tokens, cache: Any) -> Float[Tensor, "B V"]:
    """The logits of the token that comes next; only the last of the new tokens speaks about it."""
    last = None
    if new_tokens.shape[1] > 1:
        last = torch.zeros_like(new_tokens, dtype=torch.bool)
        last[:, -1] = True
    return model(new_tokens, cache, last).view(len(new_tokens), -1)


def cut_at_the_end(
    tokens: Tokens, log_probs: PerToken, response_mask: Mask, eos_id: int | None, pad_id: int
) -> Samples:
    """Cut each response after its first end of text, and the batch to its longest row."""
    if eos_id is not None:
        ends = (tokens == eos_id) & response_mask
        response_mask = response_mask & (ends.cumsum(dim=1) - ends.long() == 0)  # no end stands before this token
    width = int(last_true(response_mask).max()) + 1
    start = response_mask.long().argmax(dim=1, keepdim=True)
    prompt_mask = torch.arange(tokens.shape[1], device=tokens.device) < start
    tokens = torch.where(prompt_mask | response_mask, tokens, pad_id)
    log_probs = torch.where(response_mask, log_probs, 0.0)
    return Samples(tokens[:, :width], response_mask[:, :width], log_probs[:, :width])


def draw(
    logits: Float[Tensor, "B V"], numbers: Float[Tensor, "B"], temperature: float = 1.0
) -> tuple[Int[Tensor, "B"], Float[Tensor, "B"]]:
    """One token a row, drawn by its number from softmax(logits / temperature), and its log-probability."""
    probabilities = (logits if temperature == 1 else logits / temperature).softmax(dim=-1)
    drawn = inverse_cdf_sample(probabilities, numbers)
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
    score = reward_model(tokens, mask).to(tokens.device)  # one that reads texts has none of its own
    ended = torch.ones_like(mask[:, 0])
    if (eos_id := policy.trunk.config.eos_id) is not None:
        ended = tokens.gather(1, last_true(mask).unsqueeze(1)).squeeze(1) == eos_id
        score = torch.where(ended, score, missing_eos_score)
    return Rollout(tokens, mask, samples.log_probs, ref_log_probs, score, ended)
