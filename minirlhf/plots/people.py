"""How people judge: the stars that each of them gives, and how far any two of them agree."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isnan

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from minirlhf.plots.language import (
    GRID,
    INK,
    MEDIUM,
    PALE,
    SMALL,
    colour,
    dress,
    headline,
    ink,
    luminance,
    new_figure,
    tint,
)  # fmt: skip


def star_bars(given: Mapping[str, Sequence[int]]) -> Figure:
    """How often each person gave one star, two stars, … five: a row of bars for each, with their mean."""
    figure = new_figure(7.0, 0.6 + 1.35 * len(given))
    rows = figure.subplots(len(given), 1, sharex=True, squeeze=False)[:, 0]
    most = max(Counter(stars).most_common(1)[0][1] for stars in given.values())
    for ax, (name, stars) in zip(rows, given.items(), strict=True):
        last = ax is rows[-1]
        dress(ax, name, "stars" if last else "", "replies")
        counts = Counter(stars)
        ax.bar(range(1, 6), [counts[s] for s in range(1, 6)], color=colour("people"), width=0.75)
        mean = sum(stars) / len(stars)
        ax.axvline(mean, color=ink("gold"), linewidth=2)
        ax.annotate(f"mean {mean:.1f}", (mean, most * 1.3), xytext=(5, 0), textcoords="offset points",
                    va="top", fontsize=SMALL, color=ink("gold"))  # fmt: skip
        ax.set(ylim=(0, most * 1.35), xlim=(0.4, 5.9))
        ax.tick_params(labelbottom=last)
    headline(figure, "What is a star worth? It depends on who gives it")
    return figure


def agreement_matrix(kappas: Mapping[tuple[str, str], float]) -> Figure:
    """How far any two people agree: Cohen's κ in a square for each two of them; darker is more."""
    names = list(dict.fromkeys(name for pair in kappas for name in pair))
    figure = new_figure(2.6 + 0.85 * len(names), 1.5 + 0.85 * len(names))
    ax = figure.add_subplot()
    for (one, other), kappa in kappas.items():
        row, column = sorted((names.index(one), names.index(other)), reverse=True)
        face = GRID if isnan(kappa) else tint("SFT", max(0.06, min(kappa, 1.0)))
        ax.add_patch(Rectangle((column, row), 1, 1, facecolor=face, edgecolor="white", linewidth=3))
        ax.text(column + 0.5, row + 0.5, "?" if isnan(kappa) else f"{kappa:.2f}", ha="center", va="center",
                fontsize=MEDIUM, color="white" if luminance(face) < 0.2 else INK)  # fmt: skip
    for i, name in enumerate(names):  # each name stands where its row and its column meet
        ax.text(
            i + 0.06, i + 0.5, name, ha="left", va="center", fontsize=MEDIUM, fontweight="bold", color=INK
        )
    ax.set(xlim=(0, len(names) + 1.2), ylim=(len(names) + 0.5, 0), aspect="equal")
    ax.axis("off")
    ax.text(0, len(names) + 0.3, "κ = 1: always alike; 0: as two people with these habits would by chance",
            fontsize=SMALL, color=PALE)  # fmt: skip
    headline(figure, "Who agrees with whom?")
    return figure
