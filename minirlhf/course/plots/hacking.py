"""A proxy and the truth: both against the distance from the start, the remedies, and how one might notice."""

from collections.abc import Mapping, Sequence
from math import sqrt
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minirlhf.course.overoptimisation import GaoFit, Run, Snapshot, percentile_interval, t_interval
from minirlhf.course.plots.language import (
    BEHIND,
    INK,
    MEDIUM,
    PALE,
    SMALL,
    at_least,
    caption,
    colour,
    dress,
    headline,
    ink,
    level,
    name_ends,
    new_figure,
    signed,
    whole_numbers,
)

DISTANCE = "√KL from the base model (√nats a reply)"
PROXY, GOLD = "proxy\n(deviations)", "gold score\n(points)"
LEAST_KL, FARTHEST = 0.1, 6.0  # √nats: a figure that grows is harder to read than one with room
MARKERS = {"PPO": "o", "best-of-n": "s"}


def proxy_and_gold(standings: Sequence[Snapshot], updates: int | None = None) -> Figure:
    """What the reward model says and what is true, on one axis of √KL, as PPO walks away from its start.

    Two panels, because their units differ; the star is the highest gold score so far.
    """
    if not standings:
        raise ValueError("There is no standing to draw yet: draw after the first.")
    figure = new_figure(8.2, 5.6)
    above, below = figure.subplots(2, 1, sharex=True)
    dress(above, "What the reward model says: the proxy", "", PROXY)
    dress(below, "What it is worth: the gold score", DISTANCE, GOLD)
    walk = [s.distance for s in standings]
    for ax, name in ((above, "proxy"), (below, "gold")):
        heights = [getattr(s, name) for s in standings]
        ax.plot(walk, heights, color=colour(name), linewidth=2, marker="o", markersize=4)
        level(ax, heights[0], "the base model", PALE)
        now = f"now {signed(heights[-1], 2)}"
        ax.annotate(
            now,
            (walk[-1], heights[-1]),
            xytext=(7, 0),
            va="center",
            textcoords="offset points",
            fontsize=SMALL,
            fontweight="bold",
            color=ink(name),
            bbox=BEHIND,
        )
    at_least(above, min(s.proxy for s in standings) - 0.3, 5.5)
    at_least(below, -1.2, 1.2)
    best = max(standings, key=lambda s: s.gold)
    below.plot([best.distance], [best.gold], marker="*", markersize=15, color=ink("gold"), linestyle="")
    if best.update:
        below.annotate(
            f"highest: {signed(best.gold, 2)}, update {best.update}",
            (best.distance, best.gold),
            xytext=(0, 12),
            textcoords="offset points",
            ha="center",
            fontsize=SMALL,
            color=ink("gold"),
            bbox=BEHIND,
        )
    below.set_xlim(-LEAST_KL, 1.12 * max(FARTHEST, *walk))
    first, last = standings[0], standings[-1]
    of = f" of {updates}" if updates else ""
    headline(
        figure,
        f"Update {last.update}{of}: proxy {signed(first.proxy, 1)} → {signed(last.proxy, 1)}, "
        f"gold {signed(first.gold, 2)} → {signed(last.gold, 2)}",
    )
    return figure


def choice_curves(sizes: Sequence[int], lines: Mapping[str, Sequence[Sequence[float]]], by: str = "") -> Figure:
    """What the best of n is worth, for growing n: several lines of one name are drawn thin, one alone thick.

    `by` says whose function made the thick ones.
    """
    figure = new_figure(8.2, 4.4)
    ax = dress(figure.add_subplot(), "", "n, replies to choose from", "gold score of the one kept (points)")
    styles = {"the first n": ("base", "-"), "all choices of n": ("best-of-n", "-")}
    ends = []
    for name, several in lines.items():
        tone, dashes = styles.get(name, ("gold", ":"))
        for heights in several:
            thin = len(several) > 1
            ax.plot(
                sizes,
                heights,
                color=colour(tone),
                linestyle=dashes,
                linewidth=0.9 if thin else 2.2,
                marker=None if thin else "s",
                markersize=4,
                alpha=0.8 if thin else 1.0,
            )
        ends.append((float(sizes[-1]), sum(line[-1] for line in several) / len(several), name, ink(tone)))
    ax.set_xscale("log", base=2)
    ax.set_xticks(list(sizes), list(map(str, sizes)))
    ax.set_xlim(sizes[0] / 1.1, sizes[-1] * 3.2)
    ax.margins(y=0.15)
    name_ends(ax, ends, gap=0.09)
    spread = [line[sizes.index(2)] for line in lines.get("the first n", []) if 2 in sizes]
    apart = (
        f"Best of 2, dealt {len(spread)} times: {signed(min(spread), 2)} to {signed(max(spread), 2)}" if spread else ""
    )
    headline(figure, f"By {by}: no luck of the deal left" if by else apart or "What is the best of n worth?")
    return figure


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
    figure = new_figure(9.0, 7.2 if proxies else 5.2)
    if proxies:
        above, ax = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.9))
        dress(above, "What the reward model says", "", "proxy gained\n(deviations)")
        for method, runs in proxies.items():
            _thin(above, runs, method)
            above.annotate(
                method,
                max(runs[0]),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontsize=SMALL,
                fontweight="bold",
                color=ink(method),
            )
    else:
        ax = figure.add_subplot()
    dress(
        ax, "What it is worth" if proxies else "", f"{DISTANCE}; for best-of-n its upper bound", "gold gained (points)"
    )
    ends = []
    for method, runs in recorded.items():
        _thin(ax, runs, method)
        if fits:
            far = max(d for run in runs for d, _ in run)
            y = _band(ax, fits[method], far, colour(method))
            ends.append((far, y, f"{method}, fitted", ink(method)))
    for method, run in (live or {}).items():
        points = sorted(run)
        ax.plot(*zip(*points, strict=True), color=ink(method), linewidth=2.4, marker=MARKERS[method], markersize=6)
        lift = (-8, 34) if method == "best-of-n" else (4, 12)  # best-of-n is short, and its curve's name stands there
        ax.annotate(
            f"live: {method}",
            points[len(points) // 2],
            xytext=lift,
            textcoords="offset points",
            ha="left",
            fontsize=SMALL,
            fontweight="bold",
            color=ink(method),
            bbox=BEHIND,
        )
    level(ax, 0.0, "worth what the base model is worth", PALE)
    at_least(ax, -1.8, 1.0)
    farthest = max((d for run in [*_all(recorded), *(live or {}).values()] for d, _ in run), default=FARTHEST)
    ax.set_xlim(-LEAST_KL, 1.22 * max(FARTHEST, farthest))
    name_ends(ax, ends, gap=0.07)
    seeds = max((len(runs) for runs in recorded.values()), default=0)
    drawn = f"thin: {seeds} recorded seeds" + ("; bands: 95 % over seeds" if fits else "")
    placed = f"; live best-of-n by {by}" if by else ""
    ax.annotate(
        f"{drawn}{placed}",
        (0, 0),
        xycoords="axes fraction",
        xytext=(6, 6),
        textcoords="offset points",
        fontsize=SMALL,
        color=PALE,
    )
    headline(figure, _peaks(fits, recorded) if fits else "What does optimising the proxy gain in truth?")
    return figure


def _thin(ax: Axes, runs: Sequence[Run], method: str) -> None:
    """Recorded runs, in the order in which they were walked."""
    for run in runs:
        ax.plot(
            *zip(*run, strict=True),
            color=colour(method),
            linewidth=0.9,
            alpha=0.5,
            marker=MARKERS[method],
            markersize=3,
        )


def _all(runs: Mapping[str, Sequence[Run]]) -> list[Run]:
    return [run for several in runs.values() for run in several]


def _band(ax: Axes, fits: Sequence[GaoFit], far: float, tone: str) -> float:
    """The middle 95 in 100 of the curves, and their median; returns where that ends."""
    grid = [far * i / 60 for i in range(61)]
    middle = [percentile_interval([fit(d) for fit in fits]) for d in grid]
    median, low, high = zip(*middle, strict=True)
    ax.fill_between(grid, low, high, color=tone, alpha=0.18, linewidth=0)
    ax.plot(grid, median, color=tone, linewidth=2.2, linestyle=(0, (4, 2)))
    return median[-1]


def _peaks(fits: Mapping[str, Sequence[GaoFit]], recorded: Mapping[str, Sequence[Run]]) -> str:
    """Where each method's curve turns over, with the interval of that; no more than the runs went to see."""
    peaks = []
    for method, curves in fits.items():
        far = max(d for run in recorded[method] for d, _ in run)
        median, low, high = percentile_interval([curve.peak for curve in curves])
        upper = f"{high:.1f}" if high <= far else "…"
        where = f"{median:.1f} [{low:.1f}, {upper}]" if median <= far else "beyond what was tried"
        peaks.append(f"{method} {where}")
    return "Where the fitted curve turns over, in √KL: " + ", ".join(peaks)


def remedy_dots(
    gains: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    live: Mapping[str, tuple[float, float]] | None = None,
    by: str = "",
) -> Figure:
    """What each remedy gained in truth: at its best moment (hollow) and at the end (full), over the recorded seeds.

    A dot for a seed, a line for the mean's 95 % interval; a star for a run made here. `gains`: name to (best, end).
    """
    names, live = list(gains), live or {}
    figure = new_figure(9.2, 1.6 + 0.62 * len(names))
    ax = dress(figure.add_subplot(), "", "gold gained since the base model (points)", "", grid="x")
    for row, name in enumerate(names):
        tone = colour("gold")
        for values, shift, filled in ((gains[name][0], -0.17, False), (gains[name][1], 0.17, True)):
            face = tone if filled else "white"
            heights = [row + shift] * len(values)
            ax.scatter(values, heights, s=36, facecolor=face, edgecolor=ink("gold"), linewidth=1.2, zorder=3)
            if len(values) > 1:
                mean, low, high = t_interval(values)
                ax.plot([low, high], [row + shift] * 2, color=INK, linewidth=1.4, zorder=2)
                ax.plot([mean], [row + shift], marker="|", markersize=11, color=INK, zorder=4)
        if name in live:
            for value, shift in zip(live[name], (-0.17, 0.17), strict=True):
                ax.plot([value], [row + shift], marker="*", markersize=15, color=ink("RLHF"), zorder=5)
    ax.axvline(0, color=PALE, linewidth=1.2, linestyle=(0, (5, 3)))
    ax.set_yticks(range(len(names)), names, fontsize=MEDIUM)
    ax.set_ylim(len(names) - 0.45, -0.55)
    ax.set_ylabel("remedy", fontsize=SMALL + 0.5, color=INK)
    star = f"; star: made here{f' with {by}' if by else ''}" if live else ""
    ax.annotate(
        f"recorded seeds; hollow: best moment, full: the end\nlines: 95 % intervals of the mean{star}",
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 5),
        textcoords="offset points",
        fontsize=SMALL,
        color=PALE,
    )
    sure = [name for name in names if len(gains[name][1]) > 1 and t_interval(gains[name][1])[1] > 0]
    headline(figure, fill(f"Ends above the base model beyond doubt: {', '.join(sure) or 'none of them'}", 72))
    return figure


def hack_signs(standings: Sequence[Snapshot]) -> Figure:
    """What the replies themselves show while the proxy climbs: their length, and how many of them differ."""
    figure = new_figure(9.0, 3.4)
    left, right = figure.subplots(1, 2)
    updates = [s.update for s in standings]
    dress(left, "Longer and longer?", "update", "tokens a reply")
    dress(right, "All the same?", "update", "different replies (% of all)")
    for ax, heights, top in (
        (left, [s.length for s in standings], 42.0),
        (right, [100 * s.distinct for s in standings], 105.0),
    ):
        ax.plot(updates, heights, color=colour("RLHF"), linewidth=2, marker="o", markersize=4)
        ax.set_ylim(0, top)
        whole_numbers(ax)
        for i in (0, -1):
            ax.annotate(
                f"{heights[i]:.0f}",
                (updates[i], heights[i]),
                xytext=(0, -14),
                ha="center",
                textcoords="offset points",
                fontsize=SMALL,
                fontweight="bold",
                color=ink("RLHF"),
            )
    first, last = standings[0], standings[-1]
    headline(
        figure,
        f"{first.length:.0f} → {last.length:.0f} tokens a reply, "
        f"{100 * first.distinct:.0f} → {100 * last.distinct:.0f} % of them different",
    )
    return figure


def three_judges(
    scores: Mapping[str, tuple[Sequence[float], Sequence[float]]], before: str = "before", after: str = "after"
) -> Figure:
    """The same replies before and after by several judges: each judge's rise, in deviations of its own scores before.

    `scores`: judge to (what it gave before, what it gave after), reply by reply.
    """
    figure = new_figure(8.6, 1.5 + 0.75 * len(scores))
    ax = dress(
        figure.add_subplot(), "", f"rise from {before} to {after} (that judge's own deviations)", "judge", grid="x"
    )
    rises = {}
    for row, (judge, (old, new)) in enumerate(scores.items()):
        mean = sum(old) / len(old)
        spread = sqrt(sum((x - mean) ** 2 for x in old) / len(old)) or 1.0
        gaps = [(b - a) / spread for a, b in zip(old, new, strict=True)]
        rises[judge] = rise = sum(gaps) / len(gaps)
        error = 1.96 * sqrt(sum((g - rise) ** 2 for g in gaps) / len(gaps)) / sqrt(len(gaps))
        tone = "gold" if "gold" in judge or "truth" in judge else "proxy"
        ax.barh(row, rise, color=colour(tone), height=0.6, xerr=error, error_kw={"ecolor": INK, "elinewidth": 1.4})
        ax.annotate(
            signed(rise, 1),
            (max(rise + error, 0.0), row),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=MEDIUM,
            fontweight="bold",
            color=ink(tone),
        )
    ax.axvline(0, color=INK, linewidth=1)
    ax.set_yticks(range(len(scores)), list(scores), fontsize=MEDIUM)
    ax.invert_yaxis()
    ax.margins(x=0.16)
    caption(figure, "black: 95 % intervals")
    up = [judge for judge, rise in rises.items() if rise > 0]
    headline(figure, f"Who says it is better now? {len(up)} of {len(scores)} judges")
    return figure
