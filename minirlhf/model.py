"""A small GPT, and the four things built on a trunk: a language model, a value model, a reward model, a classifier.

Pre-LayerNorm blocks, learned positions, tied embedding, as in GPT-2 (a test loads the same weights into both).
Different from it for speed on two cores: two heads, ReLU, and attention written out, which at 40 tokens is
faster than the fused kernel. No dropout anywhere: PPO compares probabilities that were computed twice.

Shapes: B rows, T tokens, C channels, V vocabulary, H heads of D = C / H channels each.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from minirlhf.machine.runtime import threads_for
from minirlhf.machine.shares import in_shares
from minirlhf.ops import (
    Mask,
    PerSequence,
    PerToken,
    Tokens,
    last_true,
    log_probs_and_entropy,
    masked_sum,
    predicting_positions,
    to_positions,
    token_kl,
)

Hidden = Float[Tensor, "B T C"] | Float[Tensor, "N C"]
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class GPTConfig:
    """The sizes of a model, and the two tokens that are no text: `eos_id` ends a response, `pad_id` fills a row."""

    vocab_size: int = 512  # tokens that can be sampled, end of text among them
    context: int = 64
    layers: int = 3
    heads: int = 2
    channels: int = 96
    eos_id: int | None = None  # None: nothing ends a response before `max_new_tokens`

    def __post_init__(self) -> None:
        for name in ("vocab_size", "context", "layers", "heads", "channels"):
            if getattr(self, name) < 1:
                raise ValueError(f"GPTConfig.{name} is {getattr(self, name)}; it must be 1 or more.")
        if self.channels % self.heads:
            raise ValueError(f"GPTConfig.channels ({self.channels}) must be a multiple of heads ({self.heads}).")

    @property
    def pad_id(self) -> int:
        """The one id beyond the vocabulary: it has an embedding and no logit, so it is never sampled."""
        return self.vocab_size


@dataclass
class Cache:
    """Keys and values of the tokens read so far, a (2, B, H, context, D) tensor for each layer."""

    layers: list[Tensor] = field(default_factory=list)
    length: int = 0

    def extend(self, layer: int, keys_values: Float[Tensor, "2 B H T D"], context: int) -> Tensor:
        """Write the new keys and values of a layer behind the old ones, and return all of them."""
        if layer == len(self.layers):
            _, B, H, _, D = keys_values.shape
            self.layers.append(keys_values.new_empty(2, B, H, context, D))
        end = self.length + keys_values.shape[3]
        self.layers[layer][..., self.length : end, :] = keys_values
        return self.layers[layer][..., :end, :]

    def keep(self, rows: Tensor) -> None:
        """Drop all rows of the batch but these."""
        self.layers = [layer[:, rows] for layer in self.layers]


class Block(nn.Module):
    """Attention to what came before, then two linear layers, each added to the stream."""

    causal: Tensor

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        C = config.channels
        self.layer, self.heads, self.context = layer, config.heads, config.context
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(C), nn.LayerNorm(C)
        self.query_key_value = nn.Linear(C, 3 * C, bias=False)
        self.attention_out = nn.Linear(C, C, bias=False)
        self.expand, self.contract = nn.Linear(C, 4 * C, bias=False), nn.Linear(4 * C, C, bias=False)
        future = torch.full((config.context, config.context), float("-inf")).triu(1)
        self.register_buffer("causal", future, persistent=False)

    def forward(self, x: Float[Tensor, "B T C"], cache: Cache | None = None, at: Mask | None = None) -> Hidden:
        x = x + self.attention_out(self.attend(self.attention_norm(x), cache))
        if at is not None:  # keep only the positions asked for
            x = x[at]  # (N, C)
        return x + self.contract(F.relu(self.expand(self.feed_forward_norm(x))))

    def attend(self, x: Float[Tensor, "B T C"], cache: Cache | None) -> Float[Tensor, "B T C"]:
        B, T, C = x.shape
        H, D = self.heads, C // self.heads
        qkv = self.query_key_value(x).view(B, T, 3, H, D).permute(2, 0, 3, 1, 4)  # (3, B, H, T, D)
        if cache is None:
            q, k, v = qkv.reshape(3, B * H, T, D)  # each (B·H, T, D)
        else:
            q = qkv[0].reshape(B * H, T, D)  # (B·H, T, D)
            k, v = cache.extend(self.layer, qkv[1:], self.context).flatten(1, 2)  # each (B·H, S, D), S = all so far
        mixed = attention(q, k, v, self.causal)  # (B·H, T, D)
        return mixed.view(B, H, T, D).transpose(1, 2).reshape(B, T, C)  # (B, T, C)


def attention(
    q: Float[Tensor, "N T D"], k: Float[Tensor, "N S D"], v: Float[Tensor, "N S D"], causal: Float[Tensor, "L L"]
) -> Float[Tensor, "N T D"]:
    """softmax(q kᵀ / √D) v; the T queries are the last of the S places, and none sees a key to its right."""
    T, S, scale = q.shape[1], k.shape[1], q.shape[2] ** -0.5
    if T == 1:  # the last place may look at everything: there is nothing to hide
        scores = torch.bmm(q, k.transpose(1, 2)) * scale  # (N, 1, S)
    else:
        scores = torch.baddbmm(causal[S - T : S, :S], q, k.transpose(1, 2), alpha=scale)  # (N, T, S)
    return scores.softmax(dim=-1) @ v  # (N, T, D)


class Trunk(nn.Module):
    """The seam: all that this package asks of a model's body. GPT is one; real/ has those that people download.

    Sampling, scores, losses and stages stand on these four and on nothing else. A trunk is causal: what stands to the
    right of a token changes nothing about it, so rows are padded there and no attention mask is needed.
    """

    config: (
        Any  # its vocab_size, context (the most tokens of a row), channels, eos_id, and pad_id, at which no mask looks
    )
    rows_at_once: int | None = None  # the most rows read in one pass, where memory is short; None reads all
    small = False  # whether a step of one token is done before a second thread is awake

    def forward(self, tokens: Tokens, cache: Any = None, at: Mask | None = None) -> Hidden:
        """What it makes of each token and all before it: (B, T, C), or (N, C) at the N places asked for, row by row.

        With a cache, only new tokens are given.
        """
        raise NotImplementedError

    def cache(self) -> Any:
        """An empty memory for `forward`; its `keep` drops rows of the batch."""
        raise NotImplementedError

    def unembed(self, hidden: Hidden) -> Tensor:
        """Logits (…, V) over the tokens that can be sampled, in float32 or better: 8 bits are too few to draw from."""
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        """Where it is, and where every tensor that it is given has to be."""
        return next(self.parameters()).device

    def head(self, outputs: int = 1) -> "Head":
        """A head for it that starts at zero: where the trunk is, in float32 or better."""
        weight = next(self.parameters())
        return zero_head(self.config.channels, outputs).to(
            weight.device, torch.promote_types(weight.dtype, torch.float)
        )


class GPT(Trunk):
    """The small one, trained here."""

    config: GPTConfig
    small = True

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size + 1, config.channels)
        self.position_embedding = nn.Embedding(config.context, config.channels)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.final_norm = nn.LayerNorm(config.channels)
        self.apply(_initialise)
        for name, weight in self.named_parameters():
            if name.endswith(("attention_out.weight", "contract.weight")):
                nn.init.normal_(weight, std=0.02 / (2 * config.layers) ** 0.5)  # the stream keeps its scale

    def cache(self) -> Cache:
        return Cache()

    def unembed(self, hidden: Hidden) -> Tensor:
        return F.linear(hidden, self.token_embedding.weight[: self.config.vocab_size])  # all rows but padding's

    def forward(self, tokens: Tokens, cache: Cache | None = None, at: Mask | None = None) -> Hidden:
        read = 0 if cache is None else cache.length
        end = read + tokens.shape[1]
        if end > self.config.context:
            raise ValueError(
                f"A row has {end} tokens, this model reads at most {self.config.context} (its context). "
                "Shorten the text, ask for fewer new tokens, or build a model with a longer context."
            )
        with threads_for(tokens.numel()):
            x = self.token_embedding(tokens) + self.position_embedding.weight[read:end]  # (B, T, C)
            *blocks, last = self.blocks
            for block in blocks:
                x = block(x, cache)  # (B, T, C)
            x = last(x, cache, at)  # (B, T, C) or (N, C)
            if cache is not None:
                cache.length = end
            return self.final_norm(x)


class CausalLM(nn.Module):
    """A language model: logits[:, t] speak about token t + 1, given tokens 0 to t.

    With `at`, only the logits of those N places are computed: (N, V).
    """

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, tokens: Tokens, cache: Any = None, at: Mask | None = None) -> Tensor:
        return self.trunk.unembed(self.trunk(tokens, cache, at))


def response_log_probs(policy: CausalLM, tokens: Tokens, response_mask: Mask) -> tuple[PerToken, PerToken]:
    """log π of each response token, and the entropy of what it was drawn from, in nats; both 0 off the response."""

    def read(tokens: Tokens, mask: Mask) -> tuple[PerToken, PerToken]:
        return log_probs_and_entropy(policy(tokens, at=predicting_positions(mask)), tokens, mask)

    return in_shares(read, tokens, response_mask, at_once=policy.trunk.rows_at_once)


def response_kl(policy: CausalLM, reference: CausalLM, tokens: Tokens, response_mask: Mask) -> PerSequence:
    """KL(policy ‖ reference) along each response, in nats: exact over the vocabulary at every prefix."""

    def read(tokens: Tokens, mask: Mask) -> PerSequence:
        return masked_sum(token_kl(policy(tokens), reference(tokens), mask), mask)

    return in_shares(read, tokens, response_mask, at_once=policy.trunk.rows_at_once)


class ValueModel(nn.Module):
    """What a response will earn from here on: values[:, t] is the value *before* token t, and 0 off the response."""

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = trunk.head()

    def forward(self, tokens: Tokens, response_mask: Mask) -> PerToken:
        return in_shares(self.read, tokens, response_mask, at_once=self.trunk.rows_at_once)

    def read(self, tokens: Tokens, response_mask: Mask) -> PerToken:
        hidden = self.trunk(tokens, at=predicting_positions(response_mask))  # (N, C)
        return to_positions(self.head(hidden).squeeze(-1), response_mask)


class RewardModel(nn.Module):
    """One number a response, read where its last token stands, and scaled by what `normalise` has measured."""

    mean: Tensor
    std: Tensor

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = trunk.head()
        self.register_buffer("mean", torch.zeros_like(self.head.bias[0]))
        self.register_buffer("std", torch.ones_like(self.head.bias[0]))

    def forward(self, tokens: Tokens, response_mask: Mask) -> PerSequence:
        return in_shares(self.read, tokens, response_mask, at_once=self.trunk.rows_at_once)

    def read(self, tokens: Tokens, response_mask: Mask) -> PerSequence:
        position = torch.arange(tokens.shape[1], device=tokens.device)
        last = last_true(response_mask).clamp(min=0).unsqueeze(1)
        raw = self.head(self.trunk(tokens, at=position == last)).squeeze(-1)
        return (raw - self.mean) / self.std


class Classifier(nn.Module):
    """One logit for every label, (B, K), read where a text's last token stands; the mask is True on the text."""

    def __init__(self, trunk: Trunk, classes: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = trunk.head(classes)

    def forward(self, tokens: Tokens, mask: Mask) -> Float[Tensor, "B K"]:
        position = torch.arange(tokens.shape[1], device=tokens.device)
        return self.head(self.trunk(tokens, at=position == last_true(mask).unsqueeze(1)))


class Head(nn.Linear):
    """A linear layer that computes in its own precision, whatever its trunk's."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.to(self.weight.dtype))


def zero_head(channels: int, outputs: int = 1) -> Head:
    """A head that starts at zero: Bradley-Terry starts at ln 2, K labels at ln K, values at the returns' variance."""
    head = Head(channels, outputs)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head


def fork(model: M) -> M:
    """A copy that learns by itself: what is frozen is shared with the model, what is trained is its own.

    A tiny model has nothing frozen, so this is `copy.deepcopy`; of one with LoRA it copies the adapter alone.
    """
    return deepcopy(model, {id(numbers): numbers for numbers in model.parameters() if not numbers.requires_grad})


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
