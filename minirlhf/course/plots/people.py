"""How people judge: the stars they give, how far two of them agree, and what came of each one's sixty votes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from minirlhf.course.plots.language import (
    GRID,
    INK,
    MEDIUM,
    PALE,
    SMALL,
    caption,
    colour,
    dress,
    headline,
    ink,
    luminance,
    new_figure,
    tint,
)


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
        ax.annotate(
            f"mean {mean:.1f}",
            (mean, most * 1.3),
            xytext=(5, 0),
            textcoords="offset points",
            va="top",
            fontsize=SMALL,
            color=ink("gold"),
        )
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
        ax.text(
            column + 0.5,
            row + 0.5,
            "?" if isnan(kappa) else f"{kappa:.2f}",
            ha="center",
            va="center",
            fontsize=MEDIUM,
            color="white" if luminance(face) < 0.2 else INK,
        )
    for i, name in enumerate(names):  # each name stands where its row and its column meet
        ax.text(i + 0.06, i + 0.5, name, ha="left", va="center", fontsize=MEDIUM, fontweight="bold", color=INK)
    ax.set(xlim=(0, len(names) + 1.2), ylim=(len(names) + 0.5, 0), aspect="equal")
    ax.axis("off")
    ax.text(
        0,
        len(names) + 0.3,
        "name: row to its left, column below; κ = 1: always alike, 0: as by chance",
        fontsize=SMALL,
        color=PALE,
    )
    headline(figure, "Who agrees with whom?")
    return figure


VOTERS: Mapping[str, tuple[str, str, str]] = {  # column: what it says, its unit, whose colour
    "foreseen": ("Did they vote steadily?", "choices foreseen (% of theirs)", "proxy"),
    "pleased": ("Do they like what they got?", "new reply preferred (% of pairs)", "RLHF"),
    "gold": ("Does it still help?", "gold score, after − before (points)", "gold"),
}


def voters_compared(rows: Sequence[Mapping[str, Any]], yours: Mapping[str, Any]) -> Figure:
    """What came of sixty votes: recorded voters, a dot a seed and a line for their mean; a ring is the run made here.

    Rows hold `taste`, `foreseen` and `pleased` (shares) and `gold` (points gained); so does `yours`.
    """
    names = sorted({row["taste"] for row in rows}, key=lambda name: -_mean_of(rows, name, "pleased"))
    figure = new_figure(12.0, 1.9 + 0.36 * (len(names) + 1))
    panels = figure.subplots(1, len(VOTERS), sharey=True)
    for ax, (column, (title, unit, tone)) in zip(panels, VOTERS.items(), strict=True):
        dress(ax, title, unit, "", grid="x")
        scale = 1 if column == "gold" else 100
        for height, name in enumerate(names, start=1):
            dots = [scale * row[column] for row in rows if row["taste"] == name]
            ax.scatter(
                dots, [height] * len(dots), s=30, color=colour(tone), edgecolor=ink(tone), linewidth=0.8, zorder=3
            )
            mean = scale * _mean_of(rows, name, column)
            ax.plot([mean], [height], marker="|", markersize=13, markeredgewidth=2, color=INK, zorder=2)
        ax.plot(
            [scale * yours[column]],
            [0],
            "o",
            markersize=12,
            markerfacecolor="none",
            markeredgecolor=INK,
            markeredgewidth=1.8,
            zorder=4,
        )
        ax.axvline(0 if column == "gold" else 50, color=PALE, linewidth=1.2, linestyle=(0, (5, 3)), zorder=1)
    _name_voters(panels[0], [yours["taste"], *names])
    seeds = len({row["seed"] for row in rows})
    caption(
        figure,
        f"recorded, simulated voters, {seeds} seeds: a dot each, | the mean; ring: made here; "
        "dashed: a coin, no change",
    )
    liked = sum(_mean_of(rows, name, "pleased") > 0.5 for name in names)
    poorer = sum(_mean_of(rows, name, "gold") < 0 for name in names)
    headline(figure, f"Voters who prefer their new model: {liked} of {len(names)}; models that help less: {poorer}")
    return figure


def _mean_of(rows: Sequence[Mapping[str, Any]], taste: str, column: str) -> float:
    values = [row[column] for row in rows if row["taste"] == taste]
    return sum(values) / len(values)


def _name_voters(ax: Axes, names: Sequence[str]) -> None:
    """Who voted, along the left; whoever sits here stands first and is set in bold."""
    ax.set_yticks(range(len(names)), names, fontsize=MEDIUM)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_ylabel("voter", fontsize=SMALL + 0.5, color=INK)
    ax.get_yticklabels()[0].set_fontweight("bold")
