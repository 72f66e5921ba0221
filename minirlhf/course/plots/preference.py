"""How choices become scores: two scores and their probability, what was kept back, what a reward model cannot see."""

from collections.abc import Mapping, Sequence
from math import comb, exp, log, log1p
from statistics import fmean
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minirlhf.course.plots.language import (
    BEHIND,
    INK,
    MEDIUM,
    PALE,
    SMALL,
    at_least,
    colour,
    draw_runs,
    drawable,
    dress,
    headline,
    ink,
    level,
    name_ends,
    new_figure,
    signed,
    tint,
)

# All of them are reward models, so all are blue: the larger the lighter. A coin's votes are grey.
TONES = {"transformer": colour("proxy"), "word weights": "#1F5673", "shuffled votes": colour("base")}
INKS = {"transformer": ink("proxy"), "word weights": "#1F5673", "shuffled votes": ink("base")}
FIELDS = {"accuracy": "usual pairs", "remedy": "remedy alone"}
Recorded = Sequence[Mapping[str, Any]]


def two_scores(message: str, replies: Sequence[str], scores: Sequence[float]) -> Figure:
    """Two replies to a message, a score each, and what Bradley and Terry make of it: who is chosen, how surprising."""
    lead = scores[0] - scores[1]
    reach = max(6.0, abs(lead))
    figure = new_figure(10.0, 4.9)
    grid = figure.add_gridspec(2, 2, height_ratios=(1, 2.3))
    text = figure.add_subplot(grid[0, :])
    text.axis("off")
    said = drawable(message.strip().removesuffix("Agent:").strip())
    text.text(0.0, 1.12, said, fontsize=MEDIUM, color=PALE, va="top", parse_math=False)
    for x, name, reply, score in zip((0.0, 0.52), "AB", replies, scores, strict=True):
        text.text(
            x, 0.8, f"{name}   score {signed(score)}", fontsize=MEDIUM + 1, fontweight="bold", color=INK, va="top"
        )
        text.text(x, 0.5, fill(drawable(reply.strip()), 50), fontsize=MEDIUM, color=INK, va="top", parse_math=False)
    xs = np.linspace(-reach, reach, 200)
    chosen, surprise = (figure.add_subplot(grid[1, column]) for column in range(2))
    dress(chosen, "How probably is A chosen?", "score of A − score of B", "probability that A is chosen", "both")
    chosen.plot(xs, 1 / (1 + np.exp(-xs)), color=colour("proxy"), linewidth=2)
    _dot(chosen, lead, _sigmoid(lead))
    chosen.annotate(
        f"{_sigmoid(lead):.0%}",
        (lead, _sigmoid(lead)),
        xytext=(-10, 10),
        textcoords="offset points",
        ha="right",
        fontsize=MEDIUM,
        fontweight="bold",
        color=INK,
        bbox=BEHIND,
    )
    chosen.set_ylim(-0.03, 1.12)
    chosen.yaxis.set_major_formatter("{x:.0%}")
    dress(surprise, "How surprised are we by the choice?", "score of A − score of B", "surprise (nats)", "both")
    for sign, name in ((1, "A"), (-1, "B")):
        line, height = np.log1p(np.exp(-sign * xs)), log1p(exp(-sign * lead))
        surprise.plot(xs, line, color=colour("proxy"), linewidth=2, linestyle="-" if sign > 0 else (0, (4, 2)))
        _dot(surprise, lead, height)
        surprise.annotate(
            f"{name} is chosen: {height:.2f}",
            (-sign * 0.92 * reach, log1p(exp(0.92 * reach))),
            xytext=(8 * sign, 8),
            textcoords="offset points",
            ha="left" if sign > 0 else "right",
            fontsize=SMALL,
            fontweight="bold",
            color=ink("proxy"),
            bbox=BEHIND,
        )
    at_least(surprise, -0.2, 1.12 * reach)
    headline(figure, f"A leads by {signed(lead)}: chosen {100 * _sigmoid(lead):.0f} times in 100")
    return figure


def kept_back_bars(leads: Sequence[float]) -> Figure:
    """How far the chosen reply leads in each choice that was kept back, and what a coin would have foreseen."""
    n, right = len(leads), sum((lead > 0) + 0.5 * (lead == 0) for lead in leads)
    low, high = coin_range(n)
    figure = new_figure(10.0, 3.9)
    bars, coin = figure.subplots(1, 2, width_ratios=(1.9, 1))
    dress(bars, "Each bar is a choice that was kept back", "choices, sorted", "score of chosen − score of rejected")
    ordered = sorted(leads, reverse=True)
    for x, lead in enumerate(ordered):
        right_here = lead > 0
        bars.bar(
            x,
            lead,
            color=colour("proxy") if right_here else "white",
            edgecolor=ink("proxy"),
            hatch=None if right_here else "////",
            width=0.75,
        )
    bars.axhline(0, color=INK, linewidth=1)
    bars.set_xticks([])
    reach = 1.25 * max(map(abs, leads), default=0.0) or 1.0
    bars.set_ylim(-reach, reach)
    bars.text(
        0.99,
        0.97,
        "above 0: ordered as chosen",
        ha="right",
        va="top",
        transform=bars.transAxes,
        fontsize=SMALL,
        color=ink("proxy"),
    )
    bars.text(0.01, 0.03, "below 0, hatched: the other way round", transform=bars.transAxes, fontsize=SMALL, color=INK)
    dress(coin, "What a coin gets", "choices foreseen", "probability")
    chances = [comb(n, k) / 2**n for k in range(n + 1)]
    shades = [colour("base") if low <= k <= high else tint("base", 0.35) for k in range(n + 1)]
    coin.bar(range(n + 1), chances, color=shades, width=0.85)
    coin.axvline(right, color=ink("proxy"), linewidth=2.5)
    coin.annotate(
        f"here: {right:g}",
        (right, max(chances) * 1.16),
        xytext=(4 if right < 0.7 * n else -4, 0),
        textcoords="offset points",
        va="top",
        ha="left" if right < 0.7 * n else "right",
        fontsize=MEDIUM,
        fontweight="bold",
        color=ink("proxy"),
        bbox=BEHIND,
    )
    coin.set(xlim=(-0.5, n + 0.5), ylim=(0, max(chances) * 1.2))
    headline(figure, f"{right:g} of {n} ordered as chosen; 95 coins in 100 get {low} to {high}")
    return figure


def coin_range(n: int) -> tuple[int, int]:
    """Between which counts, both included, at least 95 coins in 100 fall: the smallest such range around n/2."""
    reach, inside = 0, 0.0
    while True:
        low, high = (n + 1) // 2 - reach, n // 2 + reach
        inside = sum(comb(n, k) for k in range(max(low, 0), min(high, n) + 1)) / 2**n
        if inside >= 0.95:
            return max(low, 0), min(high, n)
        reach += 1


def swapped_losses(losses: Mapping[str, Sequence[float]], foreseen: Mapping[str, float], n: int) -> Figure:
    """The same votes learned twice, once with chosen and rejected exchanged: the losses, and what each foresees."""
    figure = new_figure(10.0, 3.7)
    curve, counts = figure.subplots(1, 2, width_ratios=(1.5, 1))
    dress(curve, "The loss while it learned", "steps of the fit", "loss (nats a choice)")
    looks = (("-", 5.0, colour("proxy")), ((0, (3, 2)), 2.0, colour("RLHF")))
    for (name, line), (dash, width, tone) in zip(losses.items(), looks, strict=True):
        curve.plot(range(1, len(line) + 1), line, linestyle=dash, linewidth=width, color=tone, label=name)
    level(curve, log(2), "ln 2: knows nothing", PALE)
    curve.set_ylim(bottom=0)
    curve.legend(frameon=False, fontsize=MEDIUM, loc="upper center", bbox_to_anchor=(0.6, 0.85))
    dress(counts, f"Foreseen, of the {n} kept back", "choices", "", "x")
    for row, (found, tone) in enumerate(zip(foreseen.values(), ("proxy", "RLHF"), strict=True)):
        counts.barh(row, found, color=colour(tone), hatch=None if row == 0 else "////", edgecolor="white", height=0.6)
        counts.annotate(
            f"{found:g}",
            (found, row),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=MEDIUM,
            color=INK,
        )
    counts.axvline(n / 2, color=INK, linestyle=(0, (5, 3)), linewidth=1.2)
    counts.annotate("a coin", (n / 2, -0.46), xytext=(3, 0), textcoords="offset points", fontsize=SMALL, color=INK)
    counts.set_yticks(range(len(foreseen)), list(foreseen), fontsize=MEDIUM)
    counts.set(xlim=(0, n * 1.05), ylim=(len(foreseen) - 0.4, -0.6))
    counts.set_ylabel("labels", fontsize=SMALL + 0.5, color=INK)
    first, second = (line[-1] for line in losses.values())
    headline(figure, f"The losses end at {first:.2f} and {second:.2f}; what was learned is the opposite")
    return figure


def accuracy_by_votes(
    rows: Recorded, ceiling: tuple[float, float], here: Mapping[str, tuple[int, float]] | None = None
) -> Figure:
    """Recorded: the share of held-out choices foreseen after so many votes, over seeds, below what noise allows."""
    figure = new_figure(8.5, 4.8)
    ax = dress(
        figure.add_subplot(), "", "votes to learn from (each step to the right multiplies)", "held-out choices foreseen"
    )
    ends = []
    for way in dict.fromkeys(row["way"] for row in rows):
        runs = _seeds(rows, "votes", "accuracy", way)
        ends.append((*draw_runs(ax, runs, TONES[way]), f"{way}", INKS[way]))
    best, error = ceiling
    ax.axhspan(best - 1.96 * error, best + 1.96 * error, color=tint("gold", 0.3), linewidth=0)
    level(ax, best, "the ceiling: this person's own noise", ink("gold"))
    level(ax, 0.5, "a coin", PALE)
    for name, (votes, right) in (here or {}).items():
        ax.plot(votes, right, "D", color=INK, markersize=8, zorder=4)
        ax.annotate(
            name,
            (votes, right),
            xytext=(-9, 9),
            textcoords="offset points",
            ha="right",
            fontsize=MEDIUM,
            fontweight="bold",
            color=INK,
            bbox=BEHIND,
        )
    ax.set_xscale("log")
    at_least(ax, 0.4, 0.92)
    shown = [5, 20, 100, 500, 2000]
    ax.set_xticks(shown, [f"{n:,}" for n in shown])
    ax.minorticks_off()
    ax.yaxis.set_major_formatter("{x:.0%}")
    name_ends(ax, ends, gap=0.07)
    _recorded(figure, ax, rows)
    headline(figure, "How many votes does it take?")
    return figure


def remedy_by_steps(rows: Recorded) -> Figure:
    """Recorded: how often the right remedy scores higher while a transformer learns, beside its usual accuracy."""
    figure = new_figure(8.5, 4.4)
    ax = dress(figure.add_subplot(), "", "training steps (64 votes each, 4,000 in all)", "pairs ordered rightly")
    ends = []
    for field, tone in zip(FIELDS, ("proxy", "gold"), strict=True):
        ends.append((*draw_runs(ax, _seeds(rows, "steps", field), colour(tone)), FIELDS[field], ink(tone)))
    level(ax, 0.5, "word weights on the remedy alone: exactly half", INKS["word weights"])
    at_least(ax, 0.42, 0.9)
    ax.yaxis.set_major_formatter("{x:.0%}")
    name_ends(ax, ends, gap=0.07)
    _recorded(figure, ax, rows)
    starts, finishes = ({f: fmean(run[i][1] for run in _seeds(rows, "steps", f)) for f in FIELDS} for i in (0, -1))
    moved = (f"{FIELDS[f]} {starts[f]:.0%} → {finishes[f]:.0%}" for f in ("remedy", "accuracy"))
    headline(figure, "From the first look to the last: " + ", ".join(moved))
    return figure


def _dot(ax: Axes, x: float, y: float) -> None:
    """A point that can be seen on any line."""
    ax.plot(x, y, "o", color=colour("people"), markeredgecolor=INK, markersize=10, zorder=4)


def _seeds(rows: Recorded, x: str, y: str, way: str | None = None) -> list[list[tuple[float, float]]]:
    """A line for every seed."""
    mine = [row for row in rows if way is None or row["way"] == way]
    return [
        sorted((float(row[x]), float(row[y])) for row in mine if row["seed"] == seed)
        for seed in dict.fromkeys(row["seed"] for row in mine)
    ]


def _recorded(figure: Figure, ax: Axes, rows: Recorded) -> None:
    """Say that these runs were made before."""
    seeds = len({row["seed"] for row in rows})
    ax.text(
        0.01,
        0.98,
        f"recorded runs, {seeds} seed{'s' * (seeds > 1)}: thin; thick: their mean",
        transform=ax.transAxes,
        va="top",
        fontsize=SMALL,
        color=PALE,
    )


def _sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))
