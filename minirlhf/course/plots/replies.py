"""Replies: their scores, the words that an additive reward model pays for, and how often each is said."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain, pairwise
from math import sqrt

import numpy as np
from matplotlib.figure import Figure

from minirlhf.course.plots import style
from minirlhf.evaluate import Replies
from minirlhf.tokenizer import split_words


def score_strips(columns: Mapping[str, Replies]) -> Figure:
    """Every reply's gold score, a row for each model: dots, their spread, the mean and its 95 % interval."""
    figure, ax = style.panel(8.5, 1.2 + 0.95 * len(columns), "gold score of a reply", "model", grid="x")
    rng = np.random.default_rng(0)  # moves a dot only up and down within its row
    every = [score for replies in columns.values() for score in replies.scores]
    ends = []
    bins = np.linspace(min(every) - 0.3, max(every) + 0.3, 30)
    for row, (name, replies) in enumerate(columns.items()):
        scores = np.asarray(replies.scores, dtype=float)
        counts, edges = np.histogram(scores, bins=bins)
        spread = np.convolve(counts, [0.25, 0.5, 0.25], "same")
        spread /= spread.max()
        centres = (edges[:-1] + edges[1:]) / 2
        ax.fill_between(centres, row - 0.12, row - 0.12 - 0.55 * spread, color=style.tint(name, 0.35), linewidth=0)
        heights = row + rng.uniform(0.0, 0.22, len(scores))
        ax.scatter(scores, heights, s=9, color=style.colour(name), alpha=0.4, linewidth=0)
        mean, half = replies.mean, _half_interval(scores)
        ends.append((mean - half, mean + half))
        ax.errorbar(mean, row - 0.12, xerr=half, fmt="D", color=style.ink(name), markersize=7, capsize=4)
        words = f"mean {mean:+.2f} ± {half:.2f}"
        style.note(ax, words, (1, row), (8, 0), of="row", color=style.ink(name), **style.BOLD)
    ax.set_yticks(range(len(columns)), list(columns), fontsize=style.MEDIUM + 1, fontweight="bold")
    for text, name in zip(ax.get_yticklabels(), columns, strict=True):
        text.set_color(style.ink(name))
    ax.invert_yaxis()
    clear = len(ends) > 1 and all(below < above for (_, below), (above, _) in pairwise(ends))
    title = "Each stage answers better than the one before" if clear else "How good are the replies?"
    return style.headline(figure, title)


def word_bars(weights: Mapping[str, float], n: int = 12) -> Figure:
    """The n largest weights of an additive reward model."""
    shown = largest(weights, n)
    unit = "weight (score for each time the word is said)"
    figure, ax = style.panel(7.0, 1.2 + 0.3 * max(len(shown), 1), unit, "word", grid="x")
    ax.barh(range(len(shown)), list(shown.values()), color=style.colour("proxy"), height=0.7)
    for row, (word, weight) in enumerate(shown.items()):
        side, before, after = (-1, "left", "right") if weight < 0 else (1, "right", "left")
        look = {"size": style.MEDIUM, "ha": before, "parse_math": False}
        style.note(ax, style.drawable(word), (0, row), (-5 * side, 0), **look)
        style.note(ax, f"{weight:+.2f}", (weight, row), (4 * side, 0), color=style.ink("proxy"), ha=after)
    ax.axvline(0, color=style.INK, linewidth=1)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    reach = max(map(abs, shown.values()), default=1.0) or 1.0
    ax.set_xlim(-1.3 * reach, 1.3 * reach)
    return style.headline(figure, "The words this reward model likes, and those it does not")


def largest(weights: Mapping[str, float], n: int) -> dict[str, float]:
    """The n weights farthest from 0, from the lowest to the highest; a quarter of either sign, where there are any.

    Somebody who likes few words punishes every word more than they like any, and still likes some.
    """
    ranked = sorted(weights, key=lambda name: -abs(weights[name]))
    some = [name for sign in (1, -1) for name in [name for name in ranked if sign * weights[name] > 0][: n // 4]]
    names = [*some, *(name for name in ranked if name not in some)][:n]
    return {name: weights[name] for name in sorted(names, key=lambda name: weights[name])}


def word_shift(
    weights: Mapping[str, float],
    before: Sequence[str],
    after: Sequence[str],
    n: int = 12,
    names: tuple[str, str] = ("SFT", "RLHF"),
) -> Figure:
    """The n words of the largest weights, the best paid on top, and in how many of 100 replies each is, then and now.

    `names` are the models that replied: their names in the figure, and their colours.
    """
    if not before or not after:
        raise ValueError("word_shift needs replies from before and from after.")
    old, new = (_shares(texts) for texts in (before, after))
    used = {
        word: weight for word, weight in weights.items() if word in old.keys() | new.keys()
    }  # the length is no word
    shown = largest(used, n)
    height, unit = 1.7 + 0.3 * max(len(shown), 1), "said in so many of 100 replies"
    figure, ax = style.panel(7.5, height, unit, "word, and its weight", grid="x")
    kept = 0
    for row, (word, weight) in enumerate(shown.items()):
        start, end = 100 * old.get(word, 0.0), 100 * new.get(word, 0.0)
        kept += (end > start) if weight > 0 else (end < start)
        ax.plot([start, end], [row, row], color=style.PALE, linewidth=1.5, zorder=1)
        ax.plot(start, row, "o", color=style.colour(names[0]), markersize=7, zorder=2)
        ax.plot(end, row, "o", color=style.colour(names[1]), markersize=7, zorder=3)
        if row == len(shown) - 1:
            ends = sorted(zip((start, end), names, strict=True))
            sides = ("right", "left") if ends[1][0] - ends[0][0] < 12 else ("center", "center")
            for (x, name), side in zip(ends, sides, strict=True):
                style.note(ax, name, (x, row), (0, 8), color=style.ink(name), weight="bold", ha=side, va="baseline")
    labels = [f"{style.drawable(word)}  {style.signed(weight)}" for word, weight in shown.items()]
    ax.set_yticks(range(len(shown)), labels, fontsize=style.MEDIUM, color=style.INK, parse_math=False)
    ax.set(xlim=(-4, 104), ylim=(-0.7, len(shown) - 0.1))
    return style.headline(figure, f"{kept} of the {len(shown)} heaviest words went where their weight said")


def _shares(texts: Sequence[str]) -> dict[str, float]:
    """The share of the texts in which each word occurs."""
    counts = Counter(chain.from_iterable(set(split_words(text)) for text in texts))
    return {word: count / len(texts) for word, count in counts.items()}


def _half_interval(scores: np.ndarray) -> float:
    """Half the 95 % interval of a mean; 0 for a single score, which says nothing about its spread."""
    return 1.96 * float(scores.std(ddof=1)) / sqrt(len(scores)) if len(scores) > 1 else 0.0
