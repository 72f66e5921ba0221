"""Over-optimisation: proxy and gold score against √KL, what remedies gain, and the symptoms of a hacked reward."""

from collections.abc import Mapping, Sequence
from itertools import chain
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minirlhf.course.overoptimisation import GaoFit, Run, Snapshot, percentile_interval, t_interval
from minirlhf.course.plots import style
from minirlhf.files.messages import counted

DISTANCE = "√KL from the base model (√nats a reply)"
PROXY, GOLD = "proxy\n(deviations)", "gold score\n(points)"
LEAST_KL, FARTHEST = 0.1, 6.0  # √nats: a figure that grows is harder to read than one with room
MARKERS = {"PPO": "o", "best-of-n": "s"}


def proxy_and_gold(snapshots: Sequence[Snapshot], updates: int | None = None) -> Figure:
    """The proxy and the gold score against √KL while PPO moves away from its start.

    Two panels, because their units differ; the star is the highest gold score so far.
    """
    if not snapshots:
        raise ValueError("There is nothing to draw yet: draw after the first snapshot.")
    figure = style.new_figure(8.2, 5.6)
    above, below = figure.subplots(2, 1, sharex=True)
    style.dress(above, "What the reward model says: the proxy", "", PROXY)
    style.dress(below, "What it is worth: the gold score", DISTANCE, GOLD)
    walk = [s.distance for s in snapshots]
    for ax, name in ((above, "proxy"), (below, "gold")):
        heights = [getattr(s, name) for s in snapshots]
        ax.plot(walk, heights, color=style.colour(name), linewidth=2, marker="o", markersize=4)
        style.level(ax, heights[0], "the base model", style.PALE)
        now = f"now {style.signed(heights[-1], 2)}"
        style.note(ax, now, (walk[-1], heights[-1]), (7, 0), color=style.ink(name), weight="bold", bbox=style.BEHIND)
    style.at_least(above, min(s.proxy for s in snapshots) - 0.3, 5.5)
    style.at_least(below, -1.2, 1.2)
    best = max(snapshots, key=lambda s: s.gold)
    below.plot([best.distance], [best.gold], marker="*", markersize=15, color=style.ink("gold"), linestyle="")
    if best.update:
        words = f"highest: {style.signed(best.gold, 2)}, update {best.update}"
        look = {"color": style.ink("gold"), "ha": "center", "va": "baseline", "bbox": style.BEHIND}
        style.note(below, words, (best.distance, best.gold), (0, 12), **look)
    below.set_xlim(-LEAST_KL, 1.12 * max(FARTHEST, *walk))
    first, last = snapshots[0], snapshots[-1]
    of = f" of {updates}" if updates else ""
    proxy, gold = style.change(first.proxy, last.proxy, 1), style.change(first.gold, last.gold)
    return style.headline(figure, f"Update {last.update}{of}: proxy {proxy}, gold {gold}")


def choice_curves(sizes: Sequence[int], lines: Mapping[str, Sequence[Sequence[float]]], by: str = "") -> Figure:
    """The gold score of best-of-n against n: several lines of one name are drawn thin, one alone thick.

    `by` says whose function made the thick ones.
    """
    figure, ax = style.panel(8.2, 4.4, "n, replies to choose from", "gold score of the one kept (points)")
    looks = {"the first n": ("base", "-"), "all choices of n": ("best-of-n", "-")}
    ends = []
    for name, several in lines.items():
        tone, dashes = looks.get(name, ("gold", ":"))
        alone = {"linewidth": 2.2, "marker": "s", "markersize": 4}
        look: dict[str, Any] = alone if len(several) == 1 else {"linewidth": 0.9, "alpha": 0.8}
        for heights in several:
            ax.plot(sizes, heights, color=style.colour(tone), linestyle=dashes, **look)
        ends.append((float(sizes[-1]), float(np.mean([line[-1] for line in several])), name, style.ink(tone)))
    ax.set_xscale("log", base=2)
    ax.set_xticks(list(sizes), list(map(str, sizes)))
    ax.set_xlim(sizes[0] / 1.1, sizes[-1] * 3.2)
    ax.margins(y=0.15)
    style.name_ends(ax, ends, gap=0.09)
    title = f"By {by}: no luck of the deal left" if by else "What is the best of n worth?"
    pairs = [line[sizes.index(2)] for line in lines.get("the first n", []) if 2 in sizes]
    if pairs and not by:
        low, high = style.signed(min(pairs), 2), style.signed(max(pairs), 2)
        title = f"Best of 2, dealt {counted(len(pairs), 'time')}: {low} to {high}"
    return style.headline(figure, title)


def gold_by_distance(
    recorded: Mapping[str, Sequence[Run]],
    fits: Mapping[str, Sequence[GaoFit]] | None = None,
    live: Mapping[str, Run] | None = None,
    proxies: Mapping[str, Sequence[Run]] | None = None,
    by: str = "",
) -> Figure:
    """The gold score gained against √KL: recorded seeds thin, Gao's curves as bands, live runs thick on top.

    `proxies`: what the same recorded runs gained by the proxy, for a panel above. `by` says whose function placed the
    live best-of-n.
    """
    figure = style.new_figure(9.0, 7.2 if proxies else 5.2)
    if proxies:
        above, ax = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.9))
        style.dress(above, "What the reward model says", "", "proxy gained\n(deviations)")
        for method, runs in proxies.items():
            _thin(above, runs, method)
            style.note(above, method, max(runs[0]), (6, 0), color=style.ink(method), weight="bold")
    else:
        ax = figure.add_subplot()
    title, bound = "What it is worth" if proxies else "", f"{DISTANCE}; for best-of-n its upper bound"
    style.dress(ax, title, bound, "gold gained (points)")
    ends = []
    for method, runs in recorded.items():
        _thin(ax, runs, method)
        if fits:
            far = max(map(_farthest, runs))
            y = _band(ax, fits[method], far, style.colour(method))
            ends.append((far, y, f"{method}, fitted", style.ink(method)))
    for method, run in (live or {}).items():
        points, tone = sorted(run), style.ink(method)
        ax.plot(*zip(*points, strict=True), color=tone, linewidth=2.4, marker=MARKERS[method], markersize=6)
        lift = (-8, 34) if method == "best-of-n" else (4, 12)  # best-of-n is short, and its curve's name is there
        look = {"color": tone, "weight": "bold", "va": "baseline", "bbox": style.BEHIND}
        style.note(ax, f"live: {method}", points[len(points) // 2], lift, **look)
    style.level(ax, 0.0, "worth what the base model is worth", style.PALE)
    style.at_least(ax, -1.8, 1.0)
    runs = [*chain(*recorded.values()), *(live or {}).values()]
    ax.set_xlim(-LEAST_KL, 1.22 * max(FARTHEST, *map(_farthest, runs)))
    style.name_ends(ax, ends, gap=0.07)
    seeds = max((len(runs) for runs in recorded.values()), default=0)
    drawn = f"thin: {seeds} recorded seeds" + ("; bands: 95 % over seeds" if fits else "")
    placed = f"; live best-of-n by {by}" if by else ""
    style.note(ax, f"{drawn}{placed}", (0, 0), (6, 6), of="axes", color=style.PALE, va="baseline")
    return style.headline(figure, _peaks(fits, recorded) if fits else "What does optimising the proxy gain in truth?")


def _thin(ax: Axes, runs: Sequence[Run], method: str) -> None:
    """Recorded runs, update after update."""
    look = {"color": style.colour(method), "linewidth": 0.9, "alpha": 0.5, "marker": MARKERS[method], "markersize": 3}
    for run in runs:
        ax.plot(*zip(*run, strict=True), **look)


def _farthest(run: Run) -> float:
    return max(distance for distance, _ in run)


def _band(ax: Axes, fits: Sequence[GaoFit], far: float, tone: str) -> float:
    """The pointwise 95 % interval of the curves, and their median; returns where that ends."""
    grid = [far * i / 60 for i in range(61)]
    middle = [percentile_interval([fit(d) for fit in fits]) for d in grid]
    median, low, high = zip(*middle, strict=True)
    ax.fill_between(grid, low, high, color=tone, alpha=0.18, linewidth=0)
    ax.plot(grid, median, color=tone, linewidth=2.2, linestyle=(0, (4, 2)))
    return median[-1]


def _peaks(fits: Mapping[str, Sequence[GaoFit]], recorded: Mapping[str, Sequence[Run]]) -> str:
    """The distance of each method's highest point and its interval, as far as the runs went."""
    peaks = []
    for method, curves in fits.items():
        far = max(map(_farthest, recorded[method]))
        median, low, high = percentile_interval([curve.peak for curve in curves])
        upper = f"{high:.1f}" if high <= far else "…"
        where = f"at √KL {median:.1f} [{low:.1f}, {upper}]" if median <= far else "beyond what was tried"
        peaks.append(f"{method} {where}")
    return "The fitted curves are highest: " + ", ".join(peaks)


def remedy_dots(
    gains: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    live: Mapping[str, tuple[float, float]] | None = None,
    by: str = "",
) -> Figure:
    """The gold score that each remedy gained: at its best moment (hollow) and at the end (full), over recorded seeds.

    A dot for a seed, a line for the mean's 95 % interval; a star for a run made here. `gains`: name to (best, end).
    """
    names, live = list(gains), live or {}
    figure, ax = style.panel(9.2, 1.6 + 0.62 * len(names), "gold gained since the base model (points)", "", grid="x")
    for row, name in enumerate(names):
        tone = style.colour("gold")
        for values, shift, filled in ((gains[name][0], -0.17, False), (gains[name][1], 0.17, True)):
            face = tone if filled else "white"
            heights = [row + shift] * len(values)
            ax.scatter(values, heights, s=36, facecolor=face, edgecolor=style.ink("gold"), linewidth=1.2, zorder=3)
            if len(values) > 1:
                mean, low, high = t_interval(values)
                ax.plot([low, high], [row + shift] * 2, color=style.INK, linewidth=1.4, zorder=2)
                ax.plot([mean], [row + shift], marker="|", markersize=11, color=style.INK, zorder=4)
        if name in live:
            for value, shift in zip(live[name], (-0.17, 0.17), strict=True):
                ax.plot([value], [row + shift], marker="*", markersize=15, color=style.ink("RLHF"), zorder=5)
    ax.axvline(0, color=style.PALE, linewidth=1.2, linestyle=style.DASHED)
    style.name_rows(ax, names, "remedy")
    ax.set_ylim(len(names) - 0.45, -0.55)
    star = f"; star: made here{f' with {by}' if by else ''}" if live else ""
    key = f"recorded seeds; hollow: best moment, full: the end\nlines: 95 % intervals of the mean{star}"
    style.note(ax, key, (0, 1), (0, 5), of="axes", color=style.PALE, va="baseline")
    sure = [name for name in names if len(gains[name][1]) > 1 and t_interval(gains[name][1])[1] > 0]
    plain = [name.removeprefix("control: ").replace(": ", " = ") for name in sure]
    title = f"Ends above the base model beyond doubt: {', '.join(plain) or 'none of them'}"
    return style.headline(figure, fill(title, 72))


def hack_signs(snapshots: Sequence[Snapshot]) -> Figure:
    """Symptoms in the replies while the proxy rises: their length, and how many of them differ."""
    figure = style.new_figure(9.0, 3.4)
    left, right = figure.subplots(1, 2)
    updates = [s.update for s in snapshots]
    style.dress(left, "Longer and longer?", "update", "tokens a reply")
    style.dress(right, "All the same?", "update", "different replies (% of all)")
    lengths, different = [s.length for s in snapshots], [100 * s.distinct for s in snapshots]
    look: dict[str, Any] = {"color": style.ink("RLHF"), "weight": "bold", "ha": "center", "va": "baseline"}
    for ax, heights, top in ((left, lengths, 42.0), (right, different, 105.0)):
        ax.plot(updates, heights, color=style.colour("RLHF"), linewidth=2, marker="o", markersize=4)
        ax.set_ylim(0, top)
        style.whole_numbers(ax)
        for i in (0, -1):
            style.note(ax, f"{heights[i]:.0f}", (updates[i], heights[i]), (0, -14), **look)
    title = f"{lengths[0]:.0f} → {lengths[-1]:.0f} tokens a reply, {different[0]:.0f} → {different[-1]:.0f} % of them"
    return style.headline(figure, f"{title} different")


def three_judges(
    scores: Mapping[str, tuple[Sequence[float], Sequence[float]]], before: str = "before", after: str = "after"
) -> Figure:
    """How much the mean score of several judges rises, each in standard deviations of its own scores before.

    `scores`: judge to (what it gave before, what it gave after), reply by reply.
    """
    unit = f"rise from {before} to {after} (that judge's own deviations)"
    figure, ax = style.panel(8.6, 1.5 + 0.75 * len(scores), unit, "judge", grid="x")
    rises = {}
    for row, (judge, (old, new)) in enumerate(scores.items()):
        gaps = (np.asarray(new) - old) / (np.std(old) or 1.0)
        rises[judge] = rise = float(gaps.mean())
        error = 1.96 * float(gaps.std()) / len(gaps) ** 0.5
        tone, bar = "gold" if "gold" in judge or "truth" in judge else "proxy", {"ecolor": style.INK, "elinewidth": 1.4}
        ax.barh(row, rise, color=style.colour(tone), height=0.6, xerr=error, error_kw=bar)
        look = {"color": style.ink(tone), "size": style.MEDIUM, "weight": "bold"}
        style.note(ax, style.signed(rise, 1), (max(rise + error, 0.0), row), (6, 0), **look)
    ax.axvline(0, color=style.INK, linewidth=1)
    ax.set_yticks(range(len(scores)), list(scores), fontsize=style.MEDIUM)
    ax.invert_yaxis()
    ax.margins(x=0.16)
    style.caption(figure, "black: 95 % intervals")
    up = [judge for judge, rise in rises.items() if rise > 0]
    return style.headline(figure, f"Who says it is better now? {len(up)} of {len(scores)} judges")
