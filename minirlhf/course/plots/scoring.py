"""What a trained reward model does: where its score stands, whom it hears, how it takes to length, in which units."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import sqrt

import numpy as np
from matplotlib.figure import Figure

from minirlhf.course.plots.language import (
    BEHIND,
    END,
    INK,
    MEDIUM,
    NORMAL,
    PALE,
    SMALL,
    caption,
    colour,
    drawable,
    dress,
    headline,
    ink,
    name_ends,
    new_figure,
    signed,
    tint,
)
from minirlhf.course.plots.preference import TONES


def score_places(pieces: Sequence[str], scores: Sequence[float], place: int, counted: int, whose: str) -> Figure:
    """What the head says after each token of one row, padding included, and the place at which the score is read."""
    figure = new_figure(10.5, 3.6)
    ax = dress(figure.add_subplot(), "", "tokens, in the order in which they are read", "what the head says here")
    ax.axvspan(counted - 0.5, len(pieces) - 0.5, color=tint("base", 0.25), linewidth=0)
    ax.plot(range(len(pieces)), scores, color=colour("proxy"), linewidth=1.8, marker="o", markersize=4)
    ax.plot(place, scores[place], "o", color=INK, markersize=13, markerfacecolor="none", markeredgewidth=2.5)
    for x, name in ((place, "read here"), (len(pieces) - 1, "the last column")):
        here = x == place
        ax.annotate(
            f"{name}: {signed(scores[x], 2)}",
            (x, scores[x]),
            xytext=(0, 14 if here else 34),
            textcoords="offset points",
            ha="center" if here else "right",
            fontsize=MEDIUM,
            fontweight="bold",
            color=INK,
            bbox=BEHIND,
            arrowprops=None if here else {"arrowstyle": "-", "color": PALE},
        )
    ax.set_xticks(
        range(len(pieces)), [_visible(p) for p in pieces], rotation=60, ha="right", fontsize=SMALL, parse_math=False
    )
    ax.set_xlim(-0.5, len(pieces) - 0.4)
    ax.margins(y=0.3)
    headline(figure, f"The place is chosen by {whose}; shaded: padding")
    return figure


def customer_squares(leads: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    """Two replies, judged before two customers: how far the first leads for the one it fits, and for the other."""
    figure = new_figure(10.0, 4.9)
    axes = figure.subplots(1, len(leads), squeeze=False)[0]
    said = []
    for ax, (name, points) in zip(axes, leads.items(), strict=True):
        xs, ys = np.asarray(points, dtype=float).T
        reach = 1.1 * max(np.abs(xs).max(), np.abs(ys).max(), 1e-3)
        right = float(np.mean([(_win(x) + _win(-y)) / 2 for x, y in points]))
        said.append(f"{name} {right:.0%}")
        dress(
            ax,
            f"{name}: {right:.0%} right",
            "lead of A, asked by the customer whom it fits",
            "lead of A, asked by the other customer",
            "both",
        )
        ax.fill_between([0, reach], -reach, 0, color=NORMAL, linewidth=0)
        ax.text(0.97 * reach, -0.97 * reach, "right for both", ha="right", fontsize=SMALL, color="#3B7A57")
        ax.plot([-reach, reach], [-reach, reach], color=PALE, linestyle=(0, (5, 3)), linewidth=1.2)
        ax.text(
            -0.95 * reach,
            0.93 * reach,
            "dashed: the customer makes no difference",
            fontsize=SMALL,
            color=PALE,
            va="top",
        )
        ax.axhline(0, color=INK, linewidth=0.8)
        ax.axvline(0, color=INK, linewidth=0.8)
        ax.scatter(xs, ys, s=22, color=TONES.get(name, colour("proxy")), edgecolor="white", linewidth=0.4, zorder=3)
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach))
    caption(figure, "a dot: two customers and the same two replies; A is right for one of them, B for the other")
    headline(figure, "Does the remedy fit this customer?  " + ", ".join(said))
    return figure


def length_lines(words: Sequence[int], scores: Mapping[str, Sequence[float]], edges: Sequence[int]) -> Figure:
    """How high replies of each length are scored, in deviations, by the reward model and by the truth."""
    figure = new_figure(8.5, 4.4)
    ax = dress(figure.add_subplot(), "", "words in the reply", "mean score (deviations of all replies)")
    which, ends = np.digitize(words, edges), []
    names = [f"≤{edges[0] - 1}", *(f"{a} to {b - 1}" for a, b in pairwise(edges)), f"≥{edges[-1]}"]
    for name, given in scores.items():
        values = np.asarray(given, dtype=float)
        values = (values - values.mean()) / max(float(values.std()), 1e-6)
        groups = [(b, values[which == b]) for b in range(len(names)) if (which == b).sum() > 1]
        xs, means = [b for b, _ in groups], [float(group.mean()) for _, group in groups]
        halves = [1.96 * float(group.std(ddof=1)) / sqrt(len(group)) for _, group in groups]
        ax.errorbar(xs, means, yerr=halves, color=colour(name), linewidth=2, marker="o", capsize=3)
        r = float(np.corrcoef(words, values)[0, 1])
        ends.append((float(xs[-1]), means[-1], f"{name}\nr = {signed(r, 2)}", ink(name)))
    counts = np.bincount(which, minlength=len(names))
    ax.set_xticks(range(len(names)), [f"{name}\n{n} replies" for name, n in zip(names, counts, strict=True)])
    ax.axhline(0, color=PALE, linewidth=1)
    name_ends(ax, ends, gap=0.14)
    headline(figure, "Does a longer reply score higher?  Bars: 95 % intervals")
    return figure


def score_scales(scores: Mapping[str, tuple[Sequence[float], float, float]]) -> Figure:
    """Every model's scores of the same replies as learned, and the same with mean 0 and deviation 1."""
    figure = new_figure(10.0, 1.6 + 0.75 * len(scores))
    for column, title in enumerate(("As learned", "Normalised: mean 0, deviation 1")):
        ax = dress(figure.add_subplot(1, 2, column + 1), title, "score of a reply", "reward model", "x")
        for row, (name, (raw, mean, std)) in enumerate(scores.items()):
            values = np.asarray(raw, dtype=float)
            values = (values - mean) / std if column else values
            jitter = np.random.default_rng(0).uniform(-0.2, 0.2, len(values))
            ax.scatter(values, row + jitter, s=8, color=TONES.get(name, colour("proxy")), alpha=0.4, linewidth=0)
            ax.plot([values.mean() - values.std(), values.mean() + values.std()], [row, row], color=INK, linewidth=2.5)
            ax.plot(values.mean(), row, "D", color=INK, markersize=6)
        ax.set_yticks(range(len(scores)), list(scores), fontsize=MEDIUM)
        ax.set_ylim(len(scores) - 0.5, -0.5)
    stds = [std for _, _, std in scores.values()]
    headline(figure, f"One point is worth {max(stds) / min(stds):.1f} times as much in one model as in another")
    return figure


def _visible(piece: str) -> str:
    """A piece's text on an axis; what ends a text has none."""
    return drawable(piece.strip() or ("↵" if "\n" in piece else END))


def _win(lead: float) -> float:
    return 1.0 if lead > 0 else 0.5 if lead == 0 else 0.0
