"""Learning a reward from choices: the Bradley-Terry model, held-out accuracy, label order, and the number of votes."""

from collections.abc import Mapping, Sequence
from math import comb, exp, log, log1p
from statistics import fmean
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minirlhf.course.plots import style
from minirlhf.course.plots.rows import Rows, by_seed, distinct, select

# All of them are reward models, so all are blue: the larger the lighter. Random votes are grey.
TONES = {"transformer": style.colour("proxy"), "word weights": "#1F5673", "shuffled votes": style.colour("base")}
INKS = {"transformer": style.ink("proxy"), "word weights": "#1F5673", "shuffled votes": style.ink("base")}
FIELDS = {"accuracy": "usual pairs", "remedy": "remedy alone"}


def two_scores(message: str, replies: Sequence[str], scores: Sequence[float]) -> Figure:
    """Two replies to a message and their scores: the probability that A is chosen (Bradley-Terry), and both losses."""
    lead = scores[0] - scores[1]
    reach = max(6.0, abs(lead))
    figure = style.new_figure(10.0, 4.9)
    grid = figure.add_gridspec(2, 2, height_ratios=(1, 2.3))
    text = figure.add_subplot(grid[0, :])
    text.axis("off")
    question = style.drawable(message.strip().removesuffix("Agent:").strip())
    plain = {"size": style.MEDIUM, "va": "top", "parse_math": False}
    style.note(text, question, (0.0, 1.12), color=style.PALE, **plain)
    for x, name, reply, score in zip((0.0, 0.52), "AB", replies, scores, strict=True):
        words = f"{name}   score {style.signed(score)}"
        style.note(text, words, (x, 0.8), size=style.MEDIUM + 1, weight="bold", va="top")
        style.note(text, fill(style.drawable(reply.strip()), 50), (x, 0.5), **plain)
    xs = np.linspace(-reach, reach, 200)
    chosen, surprise = (figure.add_subplot(grid[1, column]) for column in range(2))
    style.dress(chosen, "How probably is A chosen?", "score of A − score of B", "probability that A is chosen", "both")
    chosen.plot(xs, 1 / (1 + np.exp(-xs)), color=style.colour("proxy"), linewidth=2)
    p = 1 / (1 + exp(-lead))
    _dot(chosen, lead, p)
    behind: dict[str, Any] = {"va": "baseline", "bbox": style.BEHIND}
    style.note(chosen, f"{p:.0%}", (lead, p), (-10, 10), ha="right", **style.BOLD, **behind)
    chosen.set_ylim(-0.03, 1.12)
    chosen.yaxis.set_major_formatter("{x:.0%}")
    style.dress(surprise, "How surprised are we by the choice?", "score of A − score of B", "surprise (nats)", "both")
    for sign, name in ((1, "A"), (-1, "B")):
        line, height = np.log1p(np.exp(-sign * xs)), log1p(exp(-sign * lead))
        surprise.plot(xs, line, color=style.colour("proxy"), linewidth=2, linestyle="-" if sign > 0 else (0, (4, 2)))
        _dot(surprise, lead, height)
        words, end = f"{name} is chosen: {height:.2f}", (-sign * 0.92 * reach, log1p(exp(0.92 * reach)))
        tone, side = style.ink("proxy"), "left" if sign > 0 else "right"
        shift = (8 * sign, 22 if sign > 0 else 6)  # on two lines: side by side they would meet in the middle
        style.note(surprise, words, end, shift, color=tone, weight="bold", ha=side, **behind)
    style.at_least(surprise, -0.2, 1.25 * reach)
    return style.headline(figure, f"A leads by {style.signed(lead)}: chosen {100 * p:.0f} times in 100")


def kept_back_bars(leads: Sequence[float]) -> Figure:
    """The lead of the chosen reply in each held-out choice, and the binomial distribution of a coin."""
    n, right = len(leads), sum((lead > 0) + 0.5 * (lead == 0) for lead in leads)
    low, high = coin_range(n)
    figure = style.new_figure(10.0, 3.9)
    bars, coin = figure.subplots(1, 2, width_ratios=(1.9, 1))
    difference = "score of chosen − score of rejected"
    style.dress(bars, "Each bar is a choice that was kept back", "choices, sorted", difference)
    for x, lead in enumerate(sorted(leads, reverse=True)):
        face, hatch = (style.colour("proxy"), None) if lead > 0 else ("white", "////")
        bars.bar(x, lead, color=face, edgecolor=style.ink("proxy"), hatch=hatch, width=0.75)
    bars.axhline(0, color=style.INK, linewidth=1)
    bars.set_xticks([])
    reach = 1.25 * max(map(abs, leads), default=0.0) or 1.0
    bars.set_ylim(-reach, reach)
    words = "above 0: ordered as chosen"
    style.note(bars, words, (0.99, 0.97), of="axes", color=style.ink("proxy"), ha="right", va="top")
    style.note(bars, "below 0, hatched: the other way round", (0.01, 0.03), of="axes", va="baseline")
    style.dress(coin, "What a coin gets", "choices foreseen", "probability")
    chances = [comb(n, k) / 2**n for k in range(n + 1)]
    shades = [style.colour("base") if low <= k <= high else style.tint("base", 0.35) for k in range(n + 1)]
    coin.bar(range(n + 1), chances, color=shades, width=0.85)
    coin.axvline(right, color=style.ink("proxy"), linewidth=2.5)
    shift, side = (4, "left") if right < 0.7 * n else (-4, "right")
    look = {"color": style.ink("proxy"), "ha": side, "va": "top", "bbox": style.BEHIND} | style.BOLD
    style.note(coin, f"here: {right:g}", (right, max(chances) * 1.16), (shift, 0), **look)
    coin.set(xlim=(-0.5, n + 0.5), ylim=(0, max(chances) * 1.2))
    return style.headline(figure, f"{right:g} of {n} ordered as chosen; a coin gets {low} to {high}, 95 times in 100")


def coin_range(n: int) -> tuple[int, int]:
    """The smallest range of counts around n/2, both ends included, that holds 95 % of n fair coin tosses."""
    low, high = (n + 1) // 2, n // 2
    while sum(comb(n, k) for k in range(low, high + 1)) / 2**n < 0.95:
        low, high = max(low - 1, 0), min(high + 1, n)
    return low, high


def swapped_losses(losses: Mapping[str, Sequence[float]], foreseen: Mapping[str, float], n: int) -> Figure:
    """The same votes learned twice, once with chosen and rejected swapped: losses, and held-out choices foreseen."""
    figure = style.new_figure(10.0, 3.7)
    curve, counts = figure.subplots(1, 2, width_ratios=(1.5, 1))
    style.dress(curve, "The loss while it learned", "steps of the fit", "loss (nats a choice)")
    looks = (("-", 5.0, style.colour("proxy")), ((0, (3, 2)), 2.0, style.colour("RLHF")))
    for (name, line), (dash, width, tone) in zip(losses.items(), looks, strict=True):
        curve.plot(range(1, len(line) + 1), line, linestyle=dash, linewidth=width, color=tone, label=name)
    style.level(curve, log(2), "ln 2: knows nothing", style.PALE)
    curve.set_ylim(bottom=0)
    curve.legend(frameon=False, fontsize=style.MEDIUM, loc="upper center", bbox_to_anchor=(0.6, 0.85))
    style.dress(counts, f"Foreseen, of the {n} kept back", "choices", "", "x")
    for row, (found, tone) in enumerate(zip(foreseen.values(), ("proxy", "RLHF"), strict=True)):
        hatch = None if row == 0 else "////"
        counts.barh(row, found, color=style.colour(tone), hatch=hatch, edgecolor="white", height=0.6)
        style.note(counts, f"{found:g}", (found, row), (4, 0), size=style.MEDIUM)
    counts.axvline(n / 2, color=style.INK, linestyle=style.DASHED, linewidth=1.2)
    style.note(counts, "a coin", (n / 2, -0.46), (3, 0), va="baseline")
    style.name_rows(counts, list(foreseen), "labels")
    counts.set_xlim(0, n * 1.05)
    first, second = (line[-1] for line in losses.values())
    return style.headline(figure, f"The losses end at {first:.2f} and {second:.2f}; what was learned is the opposite")


def accuracy_by_votes(
    rows: Rows, ceiling: tuple[float, float], here: Mapping[str, tuple[int, float]] | None = None
) -> Figure:
    """Recorded: held-out accuracy against the number of votes, over seeds, below the ceiling that noise sets."""
    unit = "votes to learn from (each step to the right multiplies)"
    figure, ax = style.panel(8.5, 4.8, unit, "held-out choices foreseen")
    ends = []
    for way in distinct(rows, "way"):
        runs = by_seed(select(rows, way=way), "votes", "accuracy")
        ends.append((*style.draw_runs(ax, runs, TONES[way]), way, INKS[way]))
    best, error = ceiling
    ax.axhspan(best - 1.96 * error, best + 1.96 * error, color=style.tint("gold", 0.3), linewidth=0)
    style.level(ax, best, "the ceiling: this person's own noise", style.ink("gold"))
    style.level(ax, 0.5, "a coin", style.PALE)
    for name, (votes, right) in (here or {}).items():
        ax.plot(votes, right, "D", color=style.INK, markersize=8, zorder=4)
        look = {"ha": "right", "va": "baseline", "bbox": style.BEHIND} | style.BOLD
        style.note(ax, name, (votes, right), (-9, 9), **look)
    ax.set_xscale("log")
    style.at_least(ax, 0.4, 0.92)
    shown = [5, 20, 100, 500, 2000]
    ax.set_xticks(shown, [f"{n:,}" for n in shown])
    ax.minorticks_off()
    ax.yaxis.set_major_formatter("{x:.0%}")
    style.name_ends(ax, ends, gap=0.07)
    _recorded(ax, rows)
    return style.headline(figure, "How many votes does it take?")


def remedy_by_steps(rows: Rows) -> Figure:
    """Recorded: a transformer's accuracy on pairs that differ only in the remedy, over its training steps."""
    figure, ax = style.panel(8.5, 4.4, "training steps (64 votes each, 4,000 in all)", "pairs ordered rightly")
    ends, lines = [], {field: by_seed(rows, "steps", field) for field in FIELDS}
    for field, tone in zip(FIELDS, ("proxy", "gold"), strict=True):
        ends.append((*style.draw_runs(ax, lines[field], style.colour(tone)), FIELDS[field], style.ink(tone)))
    style.level(ax, 0.5, "word weights on the remedy alone: exactly half", INKS["word weights"])
    style.at_least(ax, 0.42, 0.9)
    ax.yaxis.set_major_formatter("{x:.0%}")
    style.name_ends(ax, ends, gap=0.07)
    _recorded(ax, rows)
    starts, finishes = ({f: fmean(run[i][1] for run in lines[f]) for f in FIELDS} for i in (0, -1))
    moved = (f"{FIELDS[f]} {starts[f]:.0%} → {finishes[f]:.0%}" for f in ("remedy", "accuracy"))
    return style.headline(figure, "From the first look to the last: " + ", ".join(moved))


def _dot(ax: Axes, x: float, y: float) -> None:
    """A point that can be seen on any line."""
    ax.plot(x, y, "o", color=style.colour("people"), markeredgecolor=style.INK, markersize=10, zorder=4)


def _recorded(ax: Axes, rows: Rows) -> None:
    """Say that these runs were made before."""
    seeds = len(distinct(rows, "seed"))
    words = f"recorded runs, {seeds} seed{'s' * (seeds > 1)}: thin; thick: their mean"
    style.note(ax, words, (0.01, 0.98), of="axes", color=style.PALE, va="top")
