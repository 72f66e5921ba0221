"""A reward model for sixty votes: a weight for every word, which a person can read.

It learns from choices and thumbs alike, by the losses of the large reward model, and is solved at once. What it
cannot see is whether a reply fits its problem: it never looks at the prompt.
"""

from collections import Counter
from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from minirlhf.data import Comparisons, Judgements
from minirlhf.losses import PreferenceLoss, approval_loss, bradley_terry_loss
from minirlhf.ops import Mask, PerSequence, Scalar, Tokens
from minirlhf.tokenizer import Tokenizer, split_words

# Far weaker than the words': who likes everything has a low threshold, and no weight on every word.
THRESHOLD_RIDGE = 0.001


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
        return self.by_word(self.weights)

    def by_word(self, columns: Tensor) -> dict[str, float]:
        """A number for each column of `features`, by its name, highest first."""
        named = dict(zip([*self.words, "(ten more words)"], columns.tolist(), strict=True))
        return dict(sorted(named.items(), key=lambda item: -item[1]))


def fit_additive(
    comparisons: Comparisons,
    tokenizer: Tokenizer,
    *,
    judgements: Judgements | None = None,
    ridge: float = 0.5,
    count_length: bool = True,
    loss: PreferenceLoss = bradley_terry_loss,
) -> AdditiveReward:
    """The word weights that explain choices and thumbs best, kept small; `objective` is solved at once.

    The ridge is a belief held before any vote: no word matters. It also keeps the answer finite when a few votes
    can be explained perfectly. Without votes every weight is 0.
    """
    thumbs = judgements or Judgements([], [], [])
    responses = [*comparisons.chosen, *comparisons.rejected, *thumbs.responses]
    texts = [tokenizer.decode(ids) for ids in responses]
    model = AdditiveReward(sorted({word for text in texts for word in split_words(text)}), tokenizer, count_length)
    if not texts:
        return model
    features, threshold = model.features(texts), torch.zeros((), requires_grad=True)
    preference, label = torch.tensor(comparisons.preference), torch.tensor(thumbs.labels, dtype=torch.bool)
    learned = [model.weights, threshold] if len(thumbs) else [model.weights]
    solver = torch.optim.LBFGS(learned, max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Scalar:
        solver.zero_grad()
        total = objective(features, model.weights, threshold, preference, label, ridge, loss)
        total.backward()
        return total

    solver.step(closure)
    solver.zero_grad()
    model.threshold.copy_(threshold.detach())
    return model


def objective(
    features: Tensor,
    weights: Tensor,
    threshold: Scalar,
    preference: PerSequence,
    label: Bool[Tensor, "N"],
    ridge: float | int,
    loss: PreferenceLoss = bradley_terry_loss,
) -> Scalar:
    """Σ losses + ridge/2 · |w|². Rows of `features`: the chosen, then the rejected, then what got a thumb."""
    pairs, thumbs = len(preference), len(label)
    chosen, rejected, judged = (features @ weights).split([pairs, pairs, thumbs])
    total = 0.5 * ridge * weights.square().sum()
    if pairs:
        total = total + pairs * loss(chosen, rejected, preference)[0]
    if thumbs:
        nll, _ = approval_loss(judged, label, threshold)
        total = total + thumbs * nll + 0.5 * THRESHOLD_RIDGE * threshold.square()
    return total
