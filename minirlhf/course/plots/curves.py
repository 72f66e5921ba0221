"""Training curves: PPO's dashboard, and one metric of any stage over its steps."""

from collections.abc import Mapping, Sequence
from math import isfinite
from statistics import fmean

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minirlhf.course.plots import style
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
    figure = style.new_figure(8.0, 8.6)
    grid = figure.add_gridspec(3, 2)
    for i, (question, *names) in enumerate(PANELS):
        cells = grid[i].subgridspec(len(names), 1)
        for row, name in enumerate(names):
            ax = figure.add_subplot(cells[row])
            last = row == len(names) - 1
            style.dress(ax, question if row == 0 else "", "update" if last else "", METRICS[PPORecord][name].unit)
            ax.tick_params(labelbottom=last)
            _panel(ax, name, _points(runs, name), _gold(runs, gold) if name == "score" else [])
            if name in SHORT:
                ax.set_ylabel(f"{SHORT[name]}\n({METRICS[PPORecord][name].unit.split(' of ')[0]})")
            style.whole_numbers(ax, max(updates or 0, reached))
    first, last = (fmean(run[i].score for run in runs) for i in (0, -1))
    rise = f"score {style.change(first, last)}, " if reached > 1 else ""
    kl, seeds = fmean(run[-1].kl for run in runs), f" (mean of {len(runs)} runs)" if len(runs) > 1 else ""
    return style.headline(figure, f"PPO, update {reached}: {rise}{style.nats(kl)} from the reference{seeds}")


def _panel(ax: Axes, name: str, runs: Runs, gold: Runs) -> None:
    """One number's line, with what is normal for it."""
    tone = style.colour("proxy" if name == "score" else "RLHF")
    ends = []
    if runs:
        ends.append((*style.draw_runs(ax, runs, tone), "reward\nmodel", style.ink("proxy")))
    if gold:
        ends.append((*style.draw_runs(ax, gold, style.colour("gold")), "gold", style.ink("gold")))
    if (normal := METRICS[PPORecord][name].zone) is not None:
        style.zone(ax, *normal)
    if name == "kl":
        style.at_least(ax, -0.1, 1.0)
        style.level(ax, 0.0, "the reference", style.ink("SFT"))
    if name in ("policy_entropy", "response_length"):  # near 0 is what there is to fear
        ax.set_ylim(bottom=0, top=1.1 * ax.get_ylim()[1])
    if name == "explained_variance":  # a first guess can be arbitrarily bad; that must not hide the rest
        ax.set_ylim(bottom=max(-1.0, min(-0.1, ax.get_ylim()[0])), top=1.05)
    if name == "score" and ends:
        style.at_least(ax, min(end[1] for end in ends) - 0.5, max(end[1] for end in ends) + 0.1)
        style.name_ends(ax, ends, gap=0.16)


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
    called = field.replace("_", " ")
    unit = f" ({metric.unit})" if metric.unit not in ("", called) else ""
    figure, ax = style.panel(7.5, 4.2, next(iter(METRICS[kind])), called + unit)
    points = _points(runs, field)
    window = max(1, max(map(len, points), default=0) // 25)
    if window > 1 and len(points) == 1:
        ax.plot(*zip(*points[0], strict=True), color=style.colour(stage), linewidth=0.8, alpha=0.35)
    ends = []
    if points:
        x, y = style.draw_runs(ax, [_smooth(run, window) for run in points], style.colour(stage))
        ends.append((x, y, f"{y:.2f}", style.ink(stage)))
    for text, height in (levels or {}).items():
        style.level(ax, height, text, style.PALE)
    ax.margins(x=0.02)
    style.whole_numbers(ax)
    style.name_ends(ax, ends)
    if window > 1:
        ax.set_xlabel(f"{ax.get_xlabel()} (thick line: mean of {window})")
    return style.headline(figure, title or f"{called.capitalize()}: {metric.healthy.split(';')[0]}")


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


def _smooth(run: list[tuple[float, float]], window: int) -> list[tuple[float, float]]:
    """Each point's mean with those around it: fewer at the start, where much happens, and at the end."""
    values, rows = np.array([y for _, y in run]), range(len(run))
    reaches = [min(window // 2, i) for i in rows]
    return [
        (run[i][0], float(values[i - reach : i + reach + 1].mean())) for i, reach in zip(rows, reaches, strict=True)
    ]
