"""A trained reward model: the position of its score, dependence on the prompt, length bias, scale, calibration."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import sqrt

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minirlhf.course.plots import style
from minirlhf.course.plots.lesson_05 import TONES
from minirlhf.evaluate import CalibrationBin
from minirlhf.files.messages import counted


def score_places(pieces: Sequence[str], scores: Sequence[float], place: int, counted: int, whose: str) -> Figure:
    """The head's output at each token of one row, padding included, and the position at which the score is read."""
    figure, ax = style.panel(8.5, 4.0, "tokens, in the order in which they are read", "what the head says here")
    ax.axvspan(counted - 0.5, len(pieces) - 0.5, color=style.tint("base", 0.25), linewidth=0)
    ax.plot(range(len(pieces)), scores, color=style.colour("proxy"), linewidth=1.8, marker="o", markersize=4)
    ax.plot(place, scores[place], "o", color=style.INK, markersize=13, markerfacecolor="none", markeredgewidth=2.5)
    for x, name in ((place, "read here"), (len(pieces) - 1, "the last column")):
        words, look = f"{name}: {style.signed(scores[x], 2)}", {"va": "baseline", "bbox": style.BEHIND} | style.BOLD
        # Above all points, so that no label covers what one has come to see.
        line = {"arrowstyle": "-", "color": style.PALE}
        height, side = (1.12, "center") if x == place else (1.02, "right")
        words_at = {"xytext": (x, height), "textcoords": ax.get_xaxis_transform(), "arrowprops": line}
        ax.annotate(words, (x, scores[x]), ha=side, **words_at, **look)
    look = {"rotation": 60, "ha": "right", "fontsize": style.SMALL, "parse_math": False}
    ax.set_xticks(range(len(pieces)), list(map(_visible, pieces)), **look)
    ax.set_xlim(-0.5, len(pieces) - 0.4)
    ax.margins(y=0.3)
    return style.headline(figure, f"The place is chosen by {whose}; shaded: padding")


def customer_squares(leads: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    """Two replies scored after two prompts: the lead of the first for the customer whom it fits, and for the other."""
    figure = style.new_figure(10.0, 4.9)
    axes = figure.subplots(1, len(leads), squeeze=False)[0]
    shares = []
    for ax, (name, points) in zip(axes, leads.items(), strict=True):
        xs, ys = np.asarray(points, dtype=float).T
        reach = 1.1 * max(np.abs(xs).max(), np.abs(ys).max(), 1e-3)
        right = float(np.mean([(_win(x) + _win(-y)) / 2 for x, y in points]))
        shares.append(f"{name} {right:.0%}")
        fits, other = "lead of A, asked by the customer whom it fits", "lead of A, asked by the other customer"
        style.dress(ax, f"{name}: {right:.0%} right", fits, other, "both")
        ax.fill_between([0, reach], -reach, 0, color=style.NORMAL, linewidth=0)
        style.note(ax, "right for both", (0.97 * reach, -0.97 * reach), color=style.FINE, ha="right", va="baseline")
        ax.plot([-reach, reach], [-reach, reach], color=style.PALE, linestyle=style.DASHED, linewidth=1.2)
        ax.axhline(0, color=style.INK, linewidth=0.8)
        ax.axvline(0, color=style.INK, linewidth=0.8)
        tone = TONES.get(name, style.colour("proxy"))
        ax.scatter(xs, ys, s=22, color=tone, edgecolor="white", linewidth=0.4, zorder=3)
        _explain_dot(ax, float(xs[0]), float(ys[0]), reach)
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach))
    words = "each dot: the same two replies, A and B, to two customers; A is right for one, B for the other"
    style.caption(figure, f"{words}\ndashed: the customer makes no difference")
    return style.headline(figure, "Does the remedy fit this customer?  " + ", ".join(shares))


def _explain_dot(ax: Axes, x: float, y: float, reach: float) -> None:
    """One dot in words: who of the two customers gets the right reply."""
    said = {True: "right", False: "wrong"}
    words = f"this dot: {said[x > 0]} for A's customer,\n{said[y < 0]} for B's"
    ax.plot(x, y, "o", color=style.INK, markersize=9, markerfacecolor="none", zorder=4)
    line = {"arrowstyle": "-", "color": style.INK}
    at = (-0.95 * reach, 0.95 * reach)
    ax.annotate(words, (x, y), at, size=style.SMALL, va="top", arrowprops=line, bbox=style.BEHIND, zorder=5)


def length_lines(words: Sequence[int], scores: Mapping[str, Sequence[float]], edges: Sequence[int]) -> Figure:
    """The mean score of replies of each length, in standard deviations, by the reward model and by the gold score."""
    figure, ax = style.panel(8.5, 4.4, "words in the reply", "mean score (deviations of all replies)")
    which, ends = np.digitize(words, edges), []
    names = [f"≤{edges[0] - 1}", *(f"{a} to {b - 1}" for a, b in pairwise(edges)), f"≥{edges[-1]}"]
    for name, given in scores.items():
        values = np.asarray(given, dtype=float)
        values = (values - values.mean()) / max(float(values.std()), 1e-6)
        groups = [(b, values[which == b]) for b in range(len(names)) if (which == b).sum() > 1]
        xs, means = [b for b, _ in groups], [float(group.mean()) for _, group in groups]
        halves = [1.96 * float(group.std(ddof=1)) / sqrt(len(group)) for _, group in groups]
        ax.errorbar(xs, means, yerr=halves, color=style.colour(name), linewidth=2, marker="o", capsize=3)
        r = float(np.corrcoef(words, values)[0, 1])
        ends.append((float(xs[-1]), means[-1], f"{name}\nr = {style.signed(r, 2)}", style.ink(name)))
    counts = np.bincount(which, minlength=len(names))
    ax.set_xticks(
        range(len(names)),
        [f"{name}\n{counted(n, 'reply', 'replies')}" for name, n in zip(names, counts.tolist(), strict=True)],
    )
    ax.axhline(0, color=style.PALE, linewidth=1)
    style.name_ends(ax, ends, gap=0.14)
    return style.headline(figure, "Does a longer reply score higher?  Bars: 95 % intervals")


def score_scales(scores: Mapping[str, tuple[Sequence[float], float, float]]) -> Figure:
    """Every model's scores of the same replies as learned, and normalised to mean 0 and standard deviation 1."""
    figure = style.new_figure(10.0, 1.6 + 0.75 * len(scores))
    for column, title in enumerate(("As learned", "Normalised: mean 0, deviation 1")):
        ax = style.dress(figure.add_subplot(1, 2, column + 1), title, "score of a reply", "reward model", "x")
        for row, (name, (raw, mean, std)) in enumerate(scores.items()):
            values = np.asarray(raw, dtype=float)
            values = (values - mean) / std if column else values
            jitter = np.random.default_rng(0).uniform(-0.2, 0.2, len(values))
            ax.scatter(values, row + jitter, s=8, color=TONES.get(name, style.colour("proxy")), alpha=0.4, linewidth=0)
            middle, spread = values.mean(), values.std()
            ax.plot([middle - spread, middle + spread], [row, row], color=style.INK, linewidth=2.5)
            ax.plot(middle, row, "D", color=style.INK, markersize=6)
        style.name_rows(ax, list(scores))
        ax.set_ylim(len(scores) - 0.5, -0.5)
    stds = [std for _, _, std in scores.values()]
    times = f"{max(stds) / min(stds):.1f} times"
    return style.headline(figure, f"One point is worth {times} as much in one model as in another")


def calibration_plot(bins: Sequence[CalibrationBin]) -> Figure:
    """Calibration: observed accuracy against predicted probability; a calibrated model is on the dashed line."""
    figure, ax = style.panel(5.6, 5.2, "how sure the reward model is", "how often it is right", grid="both")
    ax.plot([0.5, 1], [0.5, 1], color=style.PALE, linestyle=style.DASHED, linewidth=1.2)
    key = "dashed: exactly as right as it is sure\nbars: 95 % intervals"
    style.note(ax, key, (0.98, 0.03), of="axes", color=style.PALE, ha="right", va="baseline")
    for b in bins:
        half = 1.96 * sqrt(b.observed * (1 - b.observed) / b.count)
        ax.errorbar(b.predicted, b.observed, yerr=half, color=style.colour("proxy"), linewidth=2, capsize=4, zorder=2)
        ax.plot(b.predicted, b.observed, "o", color=style.ink("proxy"), markersize=7, zorder=3)
        # On the side of the dot where the dashed line is not.
        under = b.observed < b.predicted
        shift, side = ((9, -12), "left") if under and b.predicted < 0.9 else ((-9, 6), "right")
        look = {"color": style.ink("proxy"), "ha": side, "va": "baseline", "annotation_clip": False}
        look |= {"bbox": style.BEHIND}
        style.note(ax, counted(b.count, "pair"), (b.predicted, b.observed), shift, **look)
    low = min([0.5, *(b.observed for b in bins)])
    ax.set(xlim=(0.44, 1.02), ylim=(low - 0.05, 1.03))
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.yaxis.set_major_formatter("{x:.0%}")
    return style.headline(figure, "Is it as right as it is sure?")


def _visible(piece: str) -> str:
    """A piece's text on an axis; what ends a text has none."""
    return style.drawable(piece.strip() or ("↵" if "\n" in piece else style.END))


def _win(lead: float) -> float:
    return 1.0 if lead > 0 else 0.5 if lead == 0 else 0.0
