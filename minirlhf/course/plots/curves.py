"""What happened while training: PPO's dashboard, a learning curve, and what each nat of KL bought."""

from collections.abc import Mapping, Sequence
from math import isfinite, sqrt

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minirlhf.course.plots.language import (
    BEHIND,
    PALE,
    SMALL,
    at_least,
    colour,
    draw_runs,
    dress,
    headline,
    ink,
    level,
    name_ends,
    new_figure,
    signed,
    whole_numbers,
    zone,
)
from minirlhf.evaluate import FrontierPoint
from minirlhf.metrics import METRICS, Record
from minirlhf.ppo import PPORecord
from minirlhf.reinforce import ReinforceRecord
from minirlhf.reward import RewardRecord

# What each panel of the dashboard asks; two names share a panel, one above the other.
PANELS = (
    ("Score: does it rise?", "score"),
    ("KL: a slow walk from the reference?", "kl"),
    ("Entropy: falling, but slowly?", "policy_entropy"),
    ("Steps: neither too large nor none?", "clip_fraction", "approx_kl"),
    ("Value model: does it foresee returns?", "explained_variance"),
    ("Replies: length stable, and ended?", "response_length", "ended"),
)
SHORT = {
    "clip_fraction": "clipped",
    "approx_kl": "approx. KL",
    "explained_variance": "explained variance",
    "response_length": "length",
    "ended": "ended",
}

Runs = list[list[tuple[float, float]]]


def training_dashboard(
    records: Sequence[PPORecord] | Sequence[Sequence[PPORecord]],
    gold: Sequence[float] | Sequence[Sequence[float]] | None = None,
    updates: int | None = None,
) -> Figure:
    """Is this PPO run healthy? Six panels over its updates, the normal range of each marked lightly.

    `records` of one run, or of several seeds. `gold`: the true score at each update, where there is one.
    `updates`: how many there will be, so that a live figure stays still.
    """
    runs = _runs(records)
    reached = max(run[-1].update for run in runs)
    figure = new_figure(11.5, 6.6)
    grid = figure.add_gridspec(2, 3)
    for i, (question, *names) in enumerate(PANELS):
        cells = grid[i].subgridspec(len(names), 1)
        for row, name in enumerate(names):
            ax = figure.add_subplot(cells[row])
            last = row == len(names) - 1
            dress(ax, question if row == 0 else "", "update" if last else "", METRICS[PPORecord][name].unit)
            ax.tick_params(labelbottom=last)
            _panel(ax, name, _points(runs, name), _gold(runs, gold) if name == "score" else [])
            if name in SHORT:
                ax.set_ylabel(f"{SHORT[name]}\n({METRICS[PPORecord][name].unit.split(' of ')[0]})")
            ax.set_xlim(0.5, max(updates or 0, reached) + 0.5)
            whole_numbers(ax)
    first, end = ([run[i] for run in runs] for i in (0, -1))
    scores = " → ".join(signed(_mean(at, "score"), 2) for at in (first, end))
    rise = f"score {scores}, " if reached > 1 else ""
    seeds = f" (mean of {len(runs)} runs)" if len(runs) > 1 else ""
    headline(figure, f"PPO, update {reached}: {rise}{_mean(end, 'kl'):.1f} nats from the reference{seeds}")
    return figure


def _panel(ax: Axes, name: str, runs: Runs, gold: Runs) -> None:
    """One number's line, with what is normal for it."""
    tone = colour("proxy" if name == "score" else "RLHF")
    ends = []
    if runs:
        ends.append((*draw_runs(ax, runs, tone), "reward\nmodel", ink("proxy")))
    if gold:
        ends.append((*draw_runs(ax, gold, colour("gold")), "gold", ink("gold")))
    if (normal := METRICS[PPORecord][name].zone) is not None:
        zone(ax, *normal)
    if name == "kl":
        at_least(ax, -0.1, 1.0)
        level(ax, 0.0, "the reference", ink("SFT"))
    if name in ("policy_entropy", "response_length"):  # near 0 is what there is to fear
        ax.set_ylim(bottom=0, top=1.1 * ax.get_ylim()[1])
    if name == "explained_variance":  # a first guess can be arbitrarily bad; that must not hide the rest
        ax.set_ylim(bottom=max(-1.0, min(-0.1, ax.get_ylim()[0])), top=1.05)
    if name == "score" and ends:
        at_least(ax, min(end[1] for end in ends) - 0.5, max(end[1] for end in ends) + 0.1)
        name_ends(ax, ends, gap=0.16)


def learning_curve(
    records: Sequence[Record] | Sequence[Sequence[Record]],
    field: str = "loss",
    levels: Mapping[str, float] | None = None,
    title: str | None = None,
) -> Figure:
    """One number over training, smoothed, with lines to measure it by: `levels={"ln 2, a coin": log(2)}`."""
    runs = _runs(records)
    kind = type(runs[0][0])
    metric = METRICS[kind][field]
    stage = {PPORecord: "RLHF", ReinforceRecord: "RLHF", RewardRecord: "proxy"}.get(kind, "SFT")
    figure = new_figure(7.5, 4.2)
    called = field.replace("_", " ")
    unit = f" ({metric.unit})" if metric.unit not in ("", called) else ""
    ax = dress(figure.add_subplot(), "", next(iter(METRICS[kind])), called + unit)
    points = _points(runs, field)
    window = max(1, max(map(len, points), default=0) // 25)
    if window > 1 and len(points) == 1:
        ax.plot(*zip(*points[0], strict=True), color=colour(stage), linewidth=0.8, alpha=0.35)
    ends = []
    if points:
        x, y = draw_runs(ax, [_smooth(run, window) for run in points], colour(stage))
        ends.append((x, y, f"{y:.2f}", ink(stage)))
    for text, height in (levels or {}).items():
        level(ax, height, text, PALE)
    ax.margins(x=0.02)
    whole_numbers(ax)
    name_ends(ax, ends)
    if window > 1:
        ax.set_xlabel(f"{ax.get_xlabel()} (thick line: mean of {window})")
    headline(figure, title or f"{called.capitalize()}: {metric.healthy.split(';')[0]}")
    return figure


def frontier_plot(points: Mapping[str, Sequence[FrontierPoint]]) -> Figure:
    """What moving away from the reference bought: score against √KL, a line for every way of moving."""
    figure = new_figure(7.5, 4.6)
    ax = dress(figure.add_subplot(), "", "√KL from the reference (√nats a reply)", "gold score")
    for name, reached in points.items():
        line = sorted((sqrt(max(point.kl, 0.0)), point.score) for point in reached)
        ax.plot(*zip(*line, strict=True), color=colour(name), linewidth=2, marker="o", markersize=5)
        ax.annotate(
            name,
            line[-1],
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=SMALL + 1,
            fontweight="bold",
            color=ink(name),
            bbox=BEHIND,
        )
    ax.margins(y=0.12)
    ax.set_xlim(left=0)
    headline(figure, "What does each step away from the reference buy?")
    return figure


def _runs(records: Sequence) -> list[list]:
    """One run or several, as several."""
    several = bool(records) and isinstance(records[0], Sequence)
    runs = [list(run) for run in (records if several else [records]) if run]
    if not runs:
        raise ValueError("There are no records to draw yet: draw after the first step.")
    return runs


def _points(runs: list[list], name: str) -> Runs:
    """(x, y) for every record with a number to show; what is not finite is left out."""
    lines = [[(float(next(iter(vars(r).values()))), float(getattr(r, name))) for r in run] for run in runs]
    return [line for run in lines if (line := [point for point in run if isfinite(point[1])])]


def _gold(runs: list[list[PPORecord]], gold: Sequence | None) -> Runs:
    """Gold scores beside the updates that they belong to."""
    if gold is None or not len(gold):
        return []
    scores = [list(run) for run in gold] if isinstance(gold[0], Sequence) else [list(gold)]
    if [len(run) for run in scores] != [len(run) for run in runs]:
        raise ValueError("training_dashboard: give one gold score for every record, run by run.")
    return [
        [(float(record.update), float(score)) for record, score in zip(run, given, strict=True)]
        for run, given in zip(runs, scores, strict=True)
    ]


def _mean(records: list[PPORecord], name: str) -> float:
    return sum(getattr(record, name) for record in records) / len(records)


def _smooth(run: list[tuple[float, float]], window: int) -> list[tuple[float, float]]:
    """Each point's mean with those around it: fewer at the start, where much happens, and at the end."""
    smoothed = []
    for i, (x, _) in enumerate(run):
        reach = min(window // 2, i)
        near = run[i - reach : i + reach + 1]
        smoothed.append((x, sum(y for _, y in near) / len(near)))
    return smoothed
