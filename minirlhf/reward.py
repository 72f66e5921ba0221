"""Reward models: a number for every response, learned from choices between two.

Two kinds, for two sizes of data. `AdditiveReward` gives every word a weight: it learns from sixty votes, and a
person can read it. `RewardModel` (model.py) reads the whole exchange with a transformer: it needs thousands, and
can see whether a reply fits its problem. Both are trained by the same Bradley-Terry loss.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn

from minirlhf.data import Comparisons, Judgements, epochs
from minirlhf.losses import Stats, approval_loss, bradley_terry_loss
from minirlhf.model import RewardModel
from minirlhf.ops import Mask, PerSequence, Scalar, Tokens
from minirlhf.tokenizer import Tokenizer
from minirlhf.training import (
    TrainState,
    linear_lr,
    new_state,
    optimizer_step,
    require,
    require_between,
    require_counts,
    require_positive,
    resumable,
)

PreferenceLoss = Callable[..., tuple[Scalar, Stats]]
THRESHOLD_RIDGE = 0.001  # far weaker than the words': whoever likes everything has a low threshold, and no taste


@dataclass(frozen=True)
class RewardConfig:
    """How to learn from comparisons. `steps` minibatches of `batch_size` pairs, learning rate linear to 0."""

    steps: int = 150
    batch_size: int = 64
    lr: float = 1e-3
    warmup: int = 20
    max_grad_norm: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        require_counts(self, "steps", "batch_size")
        require_positive(self, "lr", "max_grad_norm")
        require_between(self, 0, self.steps, "warmup")


@dataclass(frozen=True)
class RewardRecord:
    """One step. accuracy: share of pairs ordered as the person did, ties half; margin: chosen - rejected."""

    step: int
    loss: float
    accuracy: float
    margin: float
    chosen_score: float
    rejected_score: float
    grad_norm: float


def train_reward(
    reward_model: RewardModel,
    comparisons: Comparisons,
    config: RewardConfig,
    *,
    loss: PreferenceLoss = bradley_terry_loss,
    state: TrainState | None = None,
) -> Iterator[RewardRecord]:
    """Raise the score of what was chosen above that of what was rejected; one record a step."""
    require(len(comparisons) > 0, "There are no comparisons to learn from.")
    state = state or new_state(config.seed, reward_model=reward_model)
    pad_id = reward_model.trunk.config.pad_id
    with resumable("The reward model", state):
        for rows in islice(epochs(len(comparisons), config.batch_size, config.seed), state.step, config.steps):
            tokens, mask, preference = comparisons.batch(rows, pad_id)
            chosen, rejected = reward_model(tokens, mask).chunk(2)
            mean, stats = loss(chosen, rejected, preference)
            lr = linear_lr(config.lr, state.step, config.steps, config.warmup)
            batch = {"tokens": tokens, "mask": mask}
            norm = optimizer_step(mean, state.optimizers["reward_model"], lr, config.max_grad_norm, **batch)
            state.step += 1
            yield RewardRecord(
                state.step,
                mean.item(),
                **stats,
                chosen_score=chosen.mean().item(),
                rejected_score=rejected.mean().item(),
                grad_norm=norm,
            )


class AdditiveReward(nn.Module):
    """The sum of a weight for every word of a response, and one for its length. It never looks at the prompt.

    Words are whole words, smileys and punctuation of the decoded text, in lower case; words that were never
    voted on weigh nothing. `weights[-1]` belongs to the length, in tens of words. `threshold` is the score, before
    it is normalised, from which on a reply will do.
    """

    mean: Tensor
    std: Tensor
    threshold: Tensor

    def __init__(self, words: Sequence[str], tokenizer: Tokenizer, count_length: bool = True) -> None:
        super().__init__()
        self.words, self.tokenizer, self.count_length = list(words), tokenizer, count_length
        self._column = {word: i for i, word in enumerate(words)}
        self.weights = nn.Parameter(torch.zeros(len(words) + 1))
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("std", torch.ones(()))
        self.register_buffer("threshold", torch.zeros(()))

    def forward(self, tokens: Tokens, response_mask: Mask) -> PerSequence:
        texts = [self.tokenizer.decode(row[mask].tolist()) for row, mask in zip(tokens, response_mask, strict=True)]
        return self.score(texts)

    def score(self, texts: Sequence[str]) -> PerSequence:
        """The score of each text, in the units that `normalise` has set."""
        return (self.features(texts) @ self.weights - self.mean) / self.std

    def features(self, texts: Sequence[str]) -> Tensor:
        """How often each known word stands in each text, and last its length in tens of words: (B, words + 1)."""
        counts = torch.zeros(len(texts), len(self.words) + 1)
        for row, text in zip(counts, texts, strict=True):
            words = split_words(text)
            for word, n in Counter(words).items():
                if word in self._column:
                    row[self._column[word]] = n
            row[-1] = len(words) / 10 if self.count_length else 0.0
        return counts

    def word_weights(self) -> dict[str, float]:
        """What each word is worth, highest first, before the scores are normalised."""
        weights = dict(zip([*self.words, "(ten more words)"], self.weights.tolist(), strict=True))
        return dict(sorted(weights.items(), key=lambda item: -item[1]))


def split_words(text: str) -> list[str]:
    """The whole words, smileys and punctuation marks of a text, in lower case."""
    return re.findall(r"[:;]-?[()D]|[\w']+|[^\w\s]", text.lower())


def fit_additive(
    comparisons: Comparisons,
    tokenizer: Tokenizer,
    *,
    judgements: Judgements | None = None,
    ridge: float = 0.5,
    count_length: bool = True,
    loss: PreferenceLoss = bradley_terry_loss,
) -> AdditiveReward:
    """The word weights that explain choices and thumbs best, kept small: Σ losses + ridge/2 · |w|², solved at once.

    The ridge is a belief held before any vote: no word matters. It also keeps the answer finite when a few votes
    can be explained perfectly. Without votes every weight is 0.
    """
    judged = judgements or Judgements([], [], [])
    texts = [
        tokenizer.decode(ids) for side in (comparisons.chosen, comparisons.rejected, judged.responses) for ids in side
    ]
    words = sorted({word for text in texts for word in split_words(text)})
    model = AdditiveReward(words, tokenizer, count_length)
    if not texts:
        return model
    features, pairs = model.features(texts), len(comparisons)
    preference, label = torch.tensor(comparisons.preference), torch.tensor(judged.labels, dtype=torch.bool)
    threshold = torch.zeros((), requires_grad=True)
    learned = [model.weights, threshold] if len(judged) else [model.weights]
    solver = torch.optim.LBFGS(learned, max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        scores = features @ model.weights
        objective = 0.5 * ridge * model.weights.square().sum()
        if pairs:
            objective = objective + pairs * loss(*scores[: 2 * pairs].chunk(2), preference)[0]
        if len(judged):
            surprise, _ = approval_loss(scores[2 * pairs :], label, threshold)
            objective = objective + len(judged) * surprise + 0.5 * THRESHOLD_RIDGE * threshold.square()
        objective.backward()
        return objective

    solver.step(closure)
    solver.zero_grad()
    model.threshold.copy_(threshold.detach())
    return model


@torch.no_grad()
def normalise(reward_model: RewardModel | AdditiveReward, tokens: Tokens, response_mask: Mask) -> None:
    """Scale the scores to mean 0 and standard deviation 1 on these responses, which should be the reference's.

    Bradley-Terry fixes scores only up to a constant, and their size depends on how sure the votes were. After
    this, β and the value clip mean the same for every reward model. (Ziegler et al., 2019, section 2.2.)
    """
    require(len(tokens) > 1, "Normalising needs two responses or more.")
    reward_model.mean.zero_()
    reward_model.std.fill_(1.0)
    raw = reward_model(tokens, response_mask)
    reward_model.mean.copy_(raw.mean())
    reward_model.std.copy_(raw.std().clamp(min=1e-6))  # a model that likes all the same stays finite
