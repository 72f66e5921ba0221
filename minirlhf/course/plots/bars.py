"""How scores are spread, what words weigh, and whether a reward model is as right as it is sure."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import sqrt

import numpy as np
from matplotlib.figure import Figure

from minirlhf.course.plots.language import (
    INK,
    MEDIUM,
    PALE,
    SMALL,
    colour,
    drawable,
    dress,
    headline,
    ink,
    new_figure,
    tint,
)
from minirlhf.evaluate import CalibrationBin, Replies


def score_strips(columns: Mapping[str, Replies]) -> Figure:
    """Every reply's gold score, a row for each model: dots, their spread, the mean and its 95 % interval."""
    figure = new_figure(8.5, 1.2 + 0.95 * len(columns))
    ax = dress(figure.add_subplot(), "", "gold score of a reply", "", grid="x")
    rng = np.random.default_rng(0)  # only for where a dot stands within its row
    every = [score for replies in columns.values() for score in replies.scores]
    ends = []
    bins = np.linspace(min(every) - 0.3, max(every) + 0.3, 30)
    for row, (name, replies) in enumerate(columns.items()):
        scores = np.asarray(replies.scores, dtype=float)
        counts, edges = np.histogram(scores, bins=bins)
        spread = np.convolve(counts, [0.25, 0.5, 0.25], "same")
        spread /= spread.max()
        centres = (edges[:-1] + edges[1:]) / 2
        ax.fill_between(centres, row - 0.12, row - 0.12 - 0.55 * spread, color=tint(name, 0.35), linewidth=0)
        heights = row + rng.uniform(0.0, 0.22, len(scores))
        ax.scatter(scores, heights, s=9, color=colour(name), alpha=0.4, linewidth=0)
        mean, half = replies.mean, _half_interval(scores)
        ends.append((mean - half, mean + half))
        ax.errorbar(mean, row - 0.12, xerr=half, fmt="D", color=ink(name), markersize=7, capsize=4)
        ax.annotate(
            f"mean {mean:+.2f} ± {half:.2f}",
            (1, row),
            xycoords=("axes fraction", "data"),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=MEDIUM,
            fontweight="bold",
            color=ink(name),
        )
    ax.set_yticks(range(len(columns)), list(columns), fontsize=MEDIUM + 1, fontweight="bold")
    for text, name in zip(ax.get_yticklabels(), columns, strict=True):
        text.set_color(ink(name))
    ax.invert_yaxis()
    ax.set_ylabel("model", fontsize=SMALL + 0.5, color=INK)
    clear = len(ends) > 1 and all(below < above for (_, below), (above, _) in pairwise(ends))
    headline(figure, "Each stage answers better than the one before" if clear else "How good are the replies?")
    return figure


def word_bars(weights: Mapping[str, float], n: int = 12) -> Figure:
    """What an additive reward model pays for a word, and what it takes away: its n largest weights."""
    largest = sorted(weights.items(), key=lambda item: abs(item[1]))[-n:]
    shown = sorted(largest, key=lambda item: item[1])
    figure = new_figure(7.0, 1.2 + 0.3 * max(len(shown), 1))
    ax = dress(figure.add_subplot(), "", "weight (score for each time the word is said)", "word", grid="x")
    ax.barh(range(len(shown)), [weight for _, weight in shown], color=colour("proxy"), height=0.7)
    for row, (word, weight) in enumerate(shown):
        side = -1 if weight < 0 else 1
        ax.annotate(
            drawable(word),
            (0, row),
            xytext=(-5 * side, 0),
            textcoords="offset points",
            parse_math=False,
            ha="right" if side > 0 else "left",
            va="center",
            fontsize=MEDIUM,
            color=INK,
        )
        ax.annotate(
            f"{weight:+.2f}",
            (weight, row),
            xytext=(4 * side, 0),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            va="center",
            fontsize=SMALL,
            color=ink("proxy"),
        )
    ax.axvline(0, color=INK, linewidth=1)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    reach = max((abs(weight) for _, weight in shown), default=1.0) or 1.0
    ax.set_xlim(-1.3 * reach, 1.3 * reach)
    headline(figure, "The words this reward model likes, and those it does not")
    return figure


def calibration_plot(bins: Sequence[CalibrationBin]) -> Figure:
    """When the reward model says 80 %, is it right 80 times in 100? Dots on the dashed line say yes."""
    figure = new_figure(5.6, 5.2)
    ax = dress(figure.add_subplot(), "", "how sure the reward model is", "how often it is right", grid="both")
    ax.plot([0.5, 1], [0.5, 1], color=PALE, linestyle=(0, (5, 3)), linewidth=1.2)
    ax.text(
        0.98,
        0.03,
        "dashed: exactly as right as it is sure\nbars: 95 % intervals",
        ha="right",
        transform=ax.transAxes,
        fontsize=SMALL,
        color=PALE,
    )
    for b in bins:
        half = 1.96 * sqrt(b.observed * (1 - b.observed) / b.count)
        ax.errorbar(b.predicted, b.observed, yerr=half, color=colour("proxy"), linewidth=2, capsize=4, zorder=2)
        ax.plot(b.predicted, b.observed, "o", color=ink("proxy"), markersize=7, zorder=3)
        ax.annotate(
            f"{b.count} pairs",
            (b.predicted, b.observed),
            textcoords="offset points",
            xytext=(-8, 4) if b.predicted > 0.9 else (8, -10),
            ha="right" if b.predicted > 0.9 else "left",
            fontsize=SMALL,
            color=ink("proxy"),
            annotation_clip=False,
        )
    low = min([0.5, *(b.observed for b in bins)])
    ax.set(xlim=(0.48, 1.02), ylim=(low - 0.05, 1.03))
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.yaxis.set_major_formatter("{x:.0%}")
    headline(figure, "Is it as right as it is sure?")
    return figure


def _half_interval(scores: np.ndarray) -> float:
    """Half the 95 % interval of a mean; 0 for a single score, which says nothing about its spread."""
    return 1.96 * float(scores.std(ddof=1)) / sqrt(len(scores)) if len(scores) > 1 else 0.0
