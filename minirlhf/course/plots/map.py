"""The map of the course: what becomes what, and what people give at each step."""

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from minirlhf.course.plots import style

WIDTH, HEIGHT = 1.56, 1.05  # of a box, in inches
ACROSS = 11.0  # of the map, so wide that letters of 10 points are as high as those of other figures
LETTERS = 10


@dataclass(frozen=True)
class Box:
    """A place on the map: where its middle is, whose colour it has, and what it says."""

    x: float
    y: float
    of: str
    says: str
    dashed: bool = False


STAGES = {
    "texts": Box(0.85, 2.9, "people", "people wrote them,\nfor other reasons"),
    "base": Box(3.2, 2.9, "base", "continues any text"),
    "SFT": Box(5.5, 2.9, "SFT", "answers, like an\naverage agent"),
    "PPO": Box(7.85, 2.9, "PPO", "answers, is scored,\nimproves a little"),
    "RLHF": Box(10.1, 2.9, "RLHF", "answers as\npeople like"),
    "demonstrations": Box(3.2, 0.8, "people", "people write\ngood answers"),
    "votes": Box(5.5, 0.8, "people", "people choose\none of two"),
    "reward model": Box(7.85, 0.8, "proxy", "a number for\nany answer"),
    "DPO": Box(10.1, 0.8, "DPO", "answers as\npeople like"),
    "reference": Box(7.85, 5.0, "SFT", "the SFT model,\nfrozen", dashed=True),
}
TITLES = {
    "base": "base model",
    "SFT": "SFT model",
    "RLHF": "RLHF model",
    "DPO": "DPO model",
    "demonstrations": "demonstrations",
}


def pipeline_map(active: str | None = None) -> Figure:
    """From texts to a model that people have tuned; `active`, a name in STAGES, is where you are."""
    if active is not None and active not in STAGES:
        raise ValueError(f"pipeline_map: there is no stage {active!r}; choose from {', '.join(STAGES)}.")
    figure = style.new_figure(ACROSS, 6.25, tidy=False)
    figure.set_size_inches(ACROSS, 6.25)
    figure.set_label("How people tune a language model: the map of the course")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, ACROSS), ylim=(-0.35, 5.9))
    ax.set_axis_off()
    style.note(ax, "How people tune a language model", (0.15, 5.4), size=16, weight="bold", va="baseline")
    key = "Yellow: what people supply. Dashed: the leash.\nIn lesson 12 a program takes the reward model's place."
    style.note(ax, key, (0.15, 5.25), color=style.PALE, size=LETTERS, va="top", linespacing=1.3)
    for name, box in STAGES.items():
        _draw(ax, TITLES.get(name, name), box, name == active)
    _arrow(ax, "texts", "base", "predict the\nnext token")
    _arrow(ax, "base", "SFT", "starts as\na copy")
    _arrow(ax, "SFT", "PPO", "starts as\na copy")
    _arrow(ax, "PPO", "RLHF", "")
    _arrow(ax, "demonstrations", "SFT", "imitate")
    _arrow(ax, "SFT", "votes", "two answers\nto each customer")
    _arrow(ax, "votes", "reward model", "learn what\nis chosen")
    _arrow(ax, "reward model", "PPO", "a score for\neach answer")
    _detour(ax, "votes", "DPO", "DPO: the choices train a copy of the SFT model themselves")
    _arrow(ax, "SFT", "reference", "a copy that\nnever changes", dashed=True)
    _arrow(ax, "reference", "PPO", "the leash: KL, a price\nfor straying from it", dashed=True, tip="-")
    return figure


def _draw(ax: Axes, title: str, box: Box, active: bool) -> None:
    """A box in its model's colour: pale, or full where you are."""
    shape = FancyBboxPatch(
        (box.x - WIDTH / 2, box.y - HEIGHT / 2),
        WIDTH,
        HEIGHT,
        boxstyle="round,pad=0,rounding_size=0.14",
        facecolor=style.ink(box.of) if active else style.tint(box.of, 0.3 if box.of == "people" else 0.14),
        edgecolor=style.ink(box.of),
        linewidth=3 if active else 1.6,
        linestyle=(0, (4, 2)) if box.dashed else "-",
    )
    ax.add_patch(shape)
    text = "white" if active else style.INK
    size = LETTERS + 2 - (len(title) > 12)  # a long one would touch the edges
    style.note(ax, title, (box.x, box.y + 0.22), color=text, size=size, weight="bold", ha="center")
    style.note(ax, box.says, (box.x, box.y - 0.17), color=text, size=LETTERS, ha="center", linespacing=1.2)
    if active:
        corner = (box.x - WIDTH / 2, box.y + HEIGHT / 2 + 0.08)
        look: dict[str, Any] = {"color": style.ink(box.of), "size": LETTERS, "va": "baseline", "bbox": style.BEHIND}
        style.note(ax, "you are here", corner, **look)  # the leash passes behind it


def _detour(ax: Axes, start: str, end: str, says: str) -> None:
    """An arrow from below one box to below another, under what stands between them."""
    one, other = STAGES[start], STAGES[end]
    bottom, low, colour = one.y - HEIGHT / 2, one.y - HEIGHT / 2 - 0.28, style.ink(other.of)
    ax.plot([one.x, one.x, other.x], [bottom, low, low], color=colour, linewidth=1.6)
    arrow = FancyArrowPatch(
        (other.x, low),
        (other.x, bottom),
        arrowstyle="-|>",
        mutation_scale=14,
        shrinkA=0,
        shrinkB=2,
        color=colour,
        lw=1.6,
    )
    ax.add_patch(arrow)
    style.note(ax, says, ((one.x + other.x) / 2, low - 0.06), color=colour, size=LETTERS, ha="center", va="top")


def _arrow(ax: Axes, start: str, end: str, says: str, dashed: bool = False, tip: str = "-|>") -> None:
    """A line from box to box, and what happens on the way: level, upright, aslant, or round a corner."""
    one, other = STAGES[start], STAGES[end]
    side = HEIGHT / 2 if other.y > one.y else -HEIGHT / 2
    bend = "arc3"
    if one.y == other.y:
        points = (one.x + WIDTH / 2, one.y), (other.x - WIDTH / 2, other.y)
        x, y, ha, va = (points[0][0] + points[1][0]) / 2, one.y + 0.07, "center", "bottom"
    elif one.x == other.x:
        points = (one.x, one.y + side), (other.x, other.y - side)
        x, y, ha, va = one.x + 0.1, (one.y + other.y) / 2, "left", "center"
    elif dashed:
        points, bend = (((one.x, one.y + side), (other.x - WIDTH / 2, other.y)), "angle,angleA=90,angleB=0,rad=12")
        x, y, ha, va = one.x + 0.25, other.y + 0.07, "left", "bottom"
    else:
        points = (one.x + 0.5, one.y + side), (other.x - 0.5, other.y - side)
        x, y, ha, va = (one.x + other.x) / 2 - 0.2, (one.y + other.y) / 2, "right", "center"
    line, text, dashes = (style.ink("SFT"), style.ink("SFT"), (0, (4, 2))) if dashed else (style.PALE, style.INK, "-")
    arrow = FancyArrowPatch(*points, arrowstyle=tip, mutation_scale=15, connectionstyle=bend)
    arrow.set(linewidth=1.8, color=line, linestyle=dashes)
    ax.add_patch(arrow)
    style.note(ax, says, (x, y), color=text, size=LETTERS - 0.8, ha=ha, va=va, linespacing=1.15)
