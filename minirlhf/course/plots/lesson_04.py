"""Human judgements: the stars that people give, and the agreement of any two of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isnan

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from minirlhf.course.plots import style


def star_bars(given: Mapping[str, Sequence[int]]) -> Figure:
    """How often each person gave one star, two stars, … five: a row of bars for each, with their mean."""
    figure = style.new_figure(7.0, 0.6 + 1.35 * len(given))
    rows = figure.subplots(len(given), 1, sharex=True, squeeze=False)[:, 0]
    most = max(Counter(stars).most_common(1)[0][1] for stars in given.values())
    for ax, (name, stars) in zip(rows, given.items(), strict=True):
        last = ax is rows[-1]
        style.dress(ax, name, "stars" if last else "", "replies")
        counts = Counter(stars)
        ax.bar(range(1, 6), [counts[s] for s in range(1, 6)], color=style.colour("people"), width=0.75)
        mean = sum(stars) / len(stars)
        ax.axvline(mean, color=style.ink("gold"), linewidth=2)
        style.note(ax, f"mean {mean:.1f}", (mean, most * 1.3), (5, 0), color=style.ink("gold"), va="top")
        ax.set(ylim=(0, most * 1.35), xlim=(0.4, 5.9))
        ax.tick_params(labelbottom=last)
    return style.headline(figure, "What is a star worth? It depends on who gives it")


def agreement_matrix(kappas: Mapping[tuple[str, str], float]) -> Figure:
    """Cohen's κ of any two people, a square for each pair; darker is more."""
    names = list(dict.fromkeys(name for pair in kappas for name in pair))
    figure = style.new_figure(1.6 + 0.9 * len(names), 1.2 + 0.8 * len(names))
    ax = figure.add_subplot()
    for (one, other), kappa in kappas.items():
        row, column = sorted((names.index(one), names.index(other)), reverse=True)
        face = style.GRID if isnan(kappa) else style.tint("SFT", max(0.06, min(kappa, 1.0)))
        ax.add_patch(Rectangle((column, row), 1, 1, facecolor=face, edgecolor="white", linewidth=3))
        number = "?" if isnan(kappa) else f"{kappa:.2f}".replace("-", "−")
        tone = "white" if style.luminance(face) < 0.2 else style.INK
        style.note(ax, number, (column + 0.5, row + 0.5), color=tone, size=style.MEDIUM, ha="center")
    for i, name in enumerate(names):
        if i:  # the first has no row, the last no column: nobody is compared with themselves
            style.note(ax, name, (-0.1, i + 0.5), ha="right", **style.BOLD)
        if i < len(names) - 1:
            style.note(ax, name, (i + 0.5, len(names) + 0.1), ha="center", va="top", **style.BOLD)
    ax.set(xlim=(-1.2, len(names) - 1), ylim=(len(names) + 0.9, 0.9), aspect="equal")
    ax.axis("off")
    key = "κ = 1: always alike, 0: as by chance"
    style.note(ax, key, (-1.2, len(names) + 0.75), color=style.PALE, va="baseline")
    return style.headline(figure, "Who agrees with whom?")
