"""A sick run beside a healthy one, on one scale: a line where there is a number a step, bars where there are few."""

from collections.abc import Sequence
from math import isfinite, isnan
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minirlhf.course.clinic.symptom import Run, Symptom
from minirlhf.course.plots import style

FEW = 5  # numbers that are bars
WIDE = 300.0  # the largest of all numbers over the usual one, from which on a plain axis shows nothing
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))


def side_by_side(symptom: Symptom, sick: Run, healthy: Run) -> Figure:
    """What the two runs measured, the sick one on the left."""
    figure = style.new_figure(8.0, 3.6)
    panels = list(figure.subplots(1, 2, sharey=True))
    titles = ("what frightens", "for comparison") if symptom.harmless else ("sick", "healthy")
    tones = (style.ink("RLHF"), style.FINE)
    for ax, run, title, tone in zip(panels, (sick, healthy), titles, tones, strict=True):
        steps = max(map(len, run.values())) >= FEW
        style.dress(ax, title, "step" if steps else "", symptom.axis if ax is panels[0] else "")
        ax.set_title(title, loc="left", fontsize=style.MEDIUM, fontweight="bold", color=tone)
        (_lines if steps else _bars)(ax, run, tone)
    _scale(panels, [x for run in (sick, healthy) for values in run.values() for x in values])
    for ax, run, tone in zip(panels, (sick, healthy), tones, strict=True):
        if max(map(len, run.values())) >= FEW:
            _name_lines(ax, run, tone)
        else:
            _name_bars(ax, run, tone)
    return style.headline(figure, symptom.sees)


def in_words(run: Run) -> str:
    """A run's numbers as a sentence would say them: from where to where."""
    return "; ".join(
        f"{name} {number(values[0])}" + (f" → {number(values[-1])}" if len(values) > 1 else "")
        for name, values in run.items()
    )


def number(x: float) -> str:
    """Three digits, and words for what is no number."""
    if isnan(x):
        return "not a number"
    if not isfinite(x):
        return "infinite"
    return f"{x:.3g}".replace("-", "−")


def _finite(values: Sequence[float]) -> list[float]:
    return [x if isfinite(x) else 0.0 for x in values]


def _lines(ax: Axes, run: Run, tone: str) -> None:
    for values, dashes in zip(run.values(), DASHES, strict=False):
        ax.plot(range(1, len(values) + 1), values, color=tone, linewidth=2, linestyle=dashes)
    style.whole_numbers(ax)


def _bars(ax: Axes, run: Run, tone: str) -> None:
    heights = [x for values in run.values() for x in _finite(values)]
    ax.bar(range(len(heights)), heights, color=tone, width=0.6)
    ax.set_xlim(-0.8, max(len(heights), 2) - 0.2)
    ax.axhline(0, color=style.INK, linewidth=1)


def _scale(panels: Sequence[Axes], values: Sequence[float]) -> None:
    """Room above and below, and a logarithmic axis where one number dwarfs the others."""
    sizes = sorted(abs(x) for x in values if isfinite(x))
    usual = sizes[len(sizes) // 2] or 1.0 if sizes else 1.0
    if sizes and sizes[-1] > WIDE * max(usual, 1e-3):
        panels[0].set_yscale("symlog", linthresh=max(usual, 1e-3))
        lowest, highest = (pick(x for x in values if isfinite(x)) for pick in (min, max))
        panels[0].set_ylim(min(3 * lowest, 0.0), 30 * max(highest, usual))
    low, high = panels[0].get_ylim()
    if panels[0].get_yscale() == "linear":
        room = 0.14 * (high - low)
        panels[0].set_ylim(low - (room if low < 0 else 0.0), high + room)


def _name_lines(ax: Axes, run: Run, tone: str) -> None:
    """Each line's name inside, above where it ends, in the order of the ends."""
    if len(run) == 1:
        return
    low, high = ax.get_ylim()
    ends = sorted((_share(ax, values[-1], low, high), name) for name, values in run.items() if isfinite(values[-1]))
    below = -1.0
    for share, name in ends:
        below = max(share + 0.03, below + 0.085)
        style.note(ax, name, (0.99, min(below, 0.97)), of="axes", color=tone, ha="right", bbox=style.BEHIND)


def _share(ax: Axes, y: float, low: float, high: float) -> float:
    """How high a number stands in the panel, from 0 to 1."""
    to_axes = ax.transData + ax.transAxes.inverted()
    return float(to_axes.transform((1.0, y))[1])


def _name_bars(ax: Axes, run: Run, tone: str) -> None:
    place, names = 0, []
    for name, values in run.items():
        for i, x in enumerate(values):
            names.append(_which(name, i, len(values)))
            lift = 4 if not isfinite(x) or x >= 0 else -4
            look: dict[str, Any] = {
                "color": tone,
                "ha": "center",
                "va": "bottom" if lift > 0 else "top",
                "weight": "bold",
            }
            style.note(ax, number(x), (place, x if isfinite(x) else 0.0), (0, lift), **look)
            place += 1
    ax.set_xticks(range(len(names)), [_folded(name) for name in names], fontsize=style.SMALL, parse_math=False)


def _which(name: str, i: int, n: int) -> str:
    """A bar's name: of several under one name the first bears it, and each its number."""
    if n == 1:
        return name
    return f"{name} ({i + 1})" if i == 0 else f"({i + 1})"


def _folded(name: str) -> str:
    """A long name over several lines."""
    words, lines = name.split(" "), [""]
    for word in words:
        if len(lines[-1]) + len(word) > 16 and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
