"""How far people agree, with one another and with themselves, and whether they looked at what they judged.

Raw agreement flatters: two people who nearly always say "first" agree nearly always, and may both be asleep.
κ and α take off what chance alone would give: 1 is full agreement, 0 is what habits alone come to, and below 0
people part more often than by chance. All three are nan where nothing can be said: no item was judged twice, or
everybody said one and the same thing throughout, so that habit and agreement look alike. A 1 would praise people
who press one key; a 0 would blame people who may well agree.

Left out: significance tests, and weights for some disagreements being worse than others, beyond α's levels.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations, pairwise
from json import dumps
from math import isnan, nan
from numbers import Real
from typing import Any

import numpy as np

from minirlhf.feedback.identity import YOU, own_voter
from minirlhf.feedback.votes import Answer, Better, Question, Skip, Tie, Vote
from minirlhf.files.messages import counted
from minirlhf.intervals import wilson_interval

LEVELS = ("nominal", "ordinal", "interval")


def cohen_kappa(a: Sequence[Hashable], b: Sequence[Hashable]) -> float:
    """How far two raters agree beyond chance: κ = (observed - chance) / (1 - chance). (Cohen, 1960.)

    `a` and `b` are their labels for the same items. Chance is how often they would agree if each kept to their own
    habits, each label as often as they gave it, and never looked at an item.
    """
    if len(a) != len(b):
        raise ValueError(f"κ needs two labels for every item; there are {len(a)} and {len(b)}.")
    n, habits_a, habits_b = len(a), Counter(a), Counter(b)
    if not n:
        return nan
    observed = sum(x == y for x, y in zip(a, b, strict=True)) / n
    chance = sum(habits_a[label] * habits_b[label] for label in habits_a) / n**2
    return (observed - chance) / (1 - chance) if chance < 1 else nan


def fleiss_kappa(counts: Sequence[Sequence[int]] | np.ndarray) -> float:
    """κ for more than two raters; `counts[item][label]` says how many chose a label for an item. (Fleiss, 1971.)

    Every item has the same number of raters, not always the same ones. Where some votes are missing, α is for you.
    """
    table = np.asarray(counts, dtype=float)
    raters = np.unique(table.sum(axis=1))
    if len(raters) != 1 or raters[0] < 2:
        raise ValueError(
            f"Fleiss' κ needs the same number of raters, two or more, for every item; these have "
            f"{', '.join(f'{r:.0f}' for r in raters)}. krippendorff_alpha takes tables with gaps."
        )
    m = raters[0]
    observed = ((table**2).sum(axis=1) - m).mean() / (m * (m - 1))  # of all two raters of an item, on average
    chance = ((table.sum(axis=0) / table.sum()) ** 2).sum()
    return float((observed - chance) / (1 - chance)) if chance < 1 else nan


def krippendorff_alpha(ratings: Sequence[Sequence[Any]], level: str = "nominal") -> float:
    """α = 1 - observed / expected disagreement: any number of raters, gaps allowed. (Krippendorff, 2011.)

    Rows are raters, columns are items, None is a missing vote. The level says how far apart two labels are:
    "nominal": the same or not; "ordinal": by how many ratings lie between them; "interval": by their difference.
    """
    if len({len(row) for row in ratings}) > 1:
        raise ValueError(f"Every rater needs a place for every item: {[len(row) for row in ratings]} differ.")
    items = [[label for label in item if label is not None] for item in zip(*ratings, strict=True)]
    items = [item for item in items if len(item) > 1]  # one rater of an item neither agrees nor disagrees
    labels = _in_order({label: None for item in items for label in item}, level)
    if len(labels) < 2:
        return nan
    counts = np.array([[item.count(label) for label in labels] for item in items], dtype=float)
    total = counts.sum(axis=0)
    apart = _squared_distances(labels, total, level)  # 0 between equals, so that they need no taking out below
    observed = (counts.T / (counts.sum(axis=1) - 1)) @ counts
    expected = np.outer(total, total) / (total.sum() - 1)
    return float(1 - (observed * apart).sum() / (expected * apart).sum())


def _in_order(labels: Iterable[Any], level: str) -> list[Any]:
    """The labels, from small to large where that means something."""
    if level not in LEVELS:
        raise ValueError(f"There is no level {level!r}; there are {', '.join(LEVELS)}.")
    labels = list(labels)
    if level == "nominal":
        return labels
    if words := [label for label in labels if not isinstance(label, Real)]:
        raise ValueError(f"Of {words[0]!r} nobody can say how large it is. Give numbers, or take level='nominal'.")
    return sorted(labels)


def _squared_distances(labels: list[Any], total: np.ndarray, level: str) -> np.ndarray:
    """δ²: how far apart two labels are, squared; 0 for the same label."""
    if level == "nominal":
        return 1 - np.eye(len(labels))
    middle_rank = total.cumsum() - total / 2
    at = middle_rank if level == "ordinal" else np.array(labels, dtype=float)
    return (at[:, None] - at[None, :]) ** 2


# ---- on votes


@dataclass(frozen=True)
class Ratings:
    """Labels: a row for each voter, a column for each pair, None for a missing vote."""

    voters: tuple[str, ...]
    pairs: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True)
class Agreement:
    """How far people agree. `pairs` were judged by two or more; `kappa` is there for exactly two voters."""

    voters: int
    pairs: int
    raw: float  # how often two people who judged the same pair said the same
    alpha: float
    kappa: float | None

    def __str__(self) -> str:
        voters = counted(self.voters, "voter")
        if not self.pairs:
            return f"{voters}, no pair in common"
        kappa = "" if self.kappa is None else f", κ {_said(self.kappa)}"
        pairs = counted(self.pairs, "pair")
        return f"{voters}, {pairs} in common: {self.raw:.0%} alike, α {_said(self.alpha)}{kappa}"


@dataclass(frozen=True)
class Share:
    """So many of n, with the interval that holds the true share 95 times in 100 (Wilson's); n may be 0."""

    count: int
    n: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        return self.count / self.n if self.n else nan

    @property
    def excludes_half(self) -> bool:
        """Whether a coin would hardly do this."""
        return not self.low <= 0.5 <= self.high

    def __str__(self) -> str:
        if not self.n:
            return "0 of 0"
        return f"{self.count} of {self.n} ({self.rate:.0%}) [{self.low:.0%}, {self.high:.0%}]"


def as_ratings(votes: Iterable[Vote]) -> Ratings:
    """The votes as a table of labels: "first", "second", "tie", "both bad", or None.

    Which reply is called first is drawn at random, once for all, so that people who saw a pair in different orders
    can agree. Skips are gaps. Of a pair asked again the first answer stands. Attention checks are left out: all agree
    on those.
    """
    labels: dict[tuple[str, str], str] = {}
    for vote in _judged(votes):
        labels.setdefault((vote.voter, vote.question.pair), label_of(vote.question, vote.answer))
    return ratings_of(labels)


def ratings_of(labels: Mapping[tuple[str, str], str]) -> Ratings:
    """What each (voter, pair) was labelled, as a table with gaps."""
    voters = tuple(dict.fromkeys(voter for voter, _ in labels))
    pairs = tuple(dict.fromkeys(pair for _, pair in labels))
    return Ratings(voters, pairs, tuple(tuple(labels.get((v, p)) for p in pairs) for v in voters))


def agreement(votes: Iterable[Vote]) -> Agreement:
    """How far the voters agree on the pairs that two or more of them judged."""
    ratings = as_ratings(votes)
    columns = [[label for label in column if label is not None] for column in zip(*ratings.rows, strict=True)]
    shared = [column for column in columns if len(column) > 1]
    alike = [x == y for column in shared for x, y in combinations(column, 2)]
    kappa = None
    if len(ratings.voters) == 2:
        kappa = cohen_kappa([first for first, _ in shared], [second for _, second in shared])
    raw = sum(alike) / len(alike) if alike else nan
    return Agreement(len(ratings.voters), len(shared), raw, krippendorff_alpha(ratings.rows), kappa)


def self_agreement(votes: Iterable[Vote], voter: str) -> Share:
    """How often somebody who judged a pair again, as a repeat or in another round, gave the same answer again.

    Each answer is compared with the one before it.
    """
    answers: dict[str, dict[str, str]] = {}
    names = (YOU, own_voter()) if voter == YOU else (voter,)
    for vote in _judged(votes):
        if vote.voter in names:
            answers.setdefault(vote.question.pair, {}).setdefault(
                vote.question.key, label_of(vote.question, vote.answer)
            )
    return _share(x == y for given in answers.values() for x, y in pairwise(given.values()))


def left_bias(votes: Iterable[Vote]) -> Share:
    """How many choices fell on the left. Sides are drawn at random, so one who reads both replies comes near ½."""
    return _share(vote.chose_left for vote in votes if vote.chose_left is not None)


def attention(votes: Iterable[Vote]) -> Share:
    """How many attention checks were passed, of those that were answered."""
    return _share(vote.passed for vote in votes if vote.passed is not None)


def _said(coefficient: float) -> str:
    """κ or α in two digits, or that there is nothing to tell one from."""
    return "unknown" if isnan(coefficient) else f"{coefficient:.2f}"


def _judged(votes: Iterable[Vote]) -> list[Vote]:
    """Answered pairs without attention checks, oldest first."""
    judged = [v for v in votes if v.question.mode == "pair" and v.question.purpose != "gold"]
    return sorted((v for v in judged if not isinstance(v.answer, Skip)), key=lambda v: v.time)


def label_of(question: Question, answer: Answer) -> str:
    """The label of an answer to a pair, in words that do not depend on the order of the replies, listed or shown.

    The alphabet would not do to order them: "Hello" stands before "You again?", so everybody who likes good manners
    would keep saying "first", and κ and α take off what looks like a habit.
    """
    if not isinstance(answer, Better):
        return "tie" if isinstance(answer, Tie) else "both bad"
    lots = [sha256(dumps([question.prompt, reply]).encode()).digest() for reply in question.replies]
    return "first" if lots[answer.winner] == min(lots) else "second"


def _share(outcomes: Iterable[bool]) -> Share:
    """How many are True, with Wilson's interval."""
    outcomes = list(outcomes)
    count, n = sum(outcomes), len(outcomes)
    return Share(count, n, *(wilson_interval(count, n) if n else (0.0, 1.0)))
