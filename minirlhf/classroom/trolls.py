"""The troll dial: a room's votes once more, with a share of the choices turned round, and what that does.

Trolls here are a lot that is drawn, and no people: a choice that is flipped says the opposite of what somebody meant.
Ties and two bad replies have no opposite and stay. What is judged is never flipped: the weights have to foresee the
choices as they were cast, about customers that they were not fitted on.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from uuid import uuid4

import torch

from minirlhf.feedback.agreement import as_ratings, krippendorff_alpha
from minirlhf.feedback.meaning import Preference, preferences
from minirlhf.feedback.votes import Better, Vote
from minirlhf.ops import pairwise_wins
from minirlhf.recipes.taste import FOLDS, TasteConfig, fit
from minirlhf.tokenizer import Tokenizer

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
MOST = 300  # votes: more of them make the dial slow, and say much the same


@dataclass(frozen=True)
class Turn:
    """One position of the dial, with one lot of flips."""

    share: float
    """Of the choices that are flipped."""
    seed: int
    """Which lot."""
    foreseen: float
    """Of the choices as they were cast, about customers that the weights were not fitted on."""
    alpha: float
    """Krippendorff's α of all votes, flipped ones among them."""

    @property
    def name(self) -> str:
        """What stands beside the dial."""
        return percent(self.share)


def percent(share: float) -> str:
    """A share in words: 10 %."""
    return f"{100 * share:.0f} %"


def flip(votes: Iterable[Vote], share: float | int, seed: int = 0) -> list[Vote]:
    """The same votes, of whose choices this share says the opposite; which, is drawn by lot.

    One seed is one order: what is flipped at 10 % is flipped at 20 % too. A flipped vote is called simulated, for
    nobody cast it. ValueError where the share is none.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"A share of the choices lies from 0 to 1; {share} does not. 10 % is 0.1.")
    votes = list(votes)
    choices = [n for n, vote in enumerate(votes) if isinstance(vote.answer, Better)]
    Random(seed).shuffle(choices)
    turned = set(choices[: round(share * len(choices))])
    return [_opposite(vote) if n in turned else vote for n, vote in enumerate(votes)]


def turn_dial(
    votes: Iterable[Vote], tokenizer: Tokenizer, shares: Sequence[float] = SHARES, seeds: Sequence[int] = range(4)
) -> Iterator[Turn]:
    """Each share with each lot of flips: how well the word weights foresee honest votes, and how far voters agree.

    Of more than 300 votes so many are drawn. ValueError where no vote is a choice.
    """
    votes = list(votes)
    votes = votes if len(votes) <= MOST else Random(0).sample(votes, MOST)
    if not any(isinstance(vote.answer, Better) for vote in votes):
        raise ValueError("No vote here is a choice between two replies, so there is nothing to flip.")
    for share in shares:
        for seed in seeds if share else seeds[:1]:  # nothing flipped is the same for every lot
            flipped = flip(votes, share, seed)
            alpha = krippendorff_alpha(as_ratings(flipped).rows)
            yield Turn(share, seed, foresee(flipped, votes, tokenizer), alpha)


def foresee(learned_from: Iterable[Vote], honest: Iterable[Vote], tokenizer: Tokenizer) -> float:
    """The share of honest choices that word weights order rightly which were fitted on votes about other customers.

    Every customer is kept back once, in five folds; equal scores count half.
    """
    pairs, cast = preferences(learned_from), [one for one in preferences(honest) if one.preference == 1]
    customers, wins = list(dict.fromkeys(one.prompt for one in cast)), []
    for fold in range(FOLDS):
        kept_back = set(customers[fold::FOLDS])
        if asked := [one for one in cast if one.prompt in kept_back]:
            wins += _wins([one for one in pairs if one.prompt not in kept_back], asked, tokenizer)
    return sum(wins) / len(wins)


def _wins(pairs: Sequence[Preference], asked: Sequence[Preference], tokenizer: Tokenizer) -> list[float]:
    """For each choice that is asked 1 where the weights of these pairs say the same, ½ where they say nothing."""
    weights = fit(pairs, tokenizer, None, TasteConfig())
    with torch.no_grad():
        chosen, rejected = (weights.score([getattr(one, side) for one in asked]) for side in ("chosen", "rejected"))
    return pairwise_wins(chosen, rejected).tolist()


def _opposite(vote: Vote) -> Vote:
    """What somebody would have clicked who meant the other reply."""
    assert isinstance(vote.answer, Better)
    return replace(vote, answer=Better(1 - vote.answer.winner), origin="simulated", id=uuid4().hex)
