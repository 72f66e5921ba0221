"""SFT or RLHF: who wins and how sure that is, what it cost, and what a demonstration may cost before votes pay.

    interval_ladder(20, wilson_interval)            what 0 to 20 wins of 20 may mean
    win_rates(rows, live)                           every contestant against the start, on each task
    cost_table(rows)                                what each of them needed
    two_verdicts(rows)                              the same replies by the reward model and by the person
    score_by_minutes(rows, demonstration=3)         the same answers, counted in minutes

`rows` are those of a recorded run: lesson 10's `equal_budgets` and `by_answers`.
"""

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minirlhf.course.plots.language import (
    INK,
    MEDIUM,
    PALE,
    SMALL,
    caption,
    colour,
    dress,
    headline,
    ink,
    level,
    name_ends,
    new_figure,
    tint,
)
from minirlhf.evaluate import wilson_interval

Row = Mapping[str, Any]
Interval = Callable[[float, int], tuple[float, float]]
START = "SFT"
AGAINST = "beats the SFT model (% of customers, ties half)"


def interval_ladder(n: int, interval: Interval = wilson_interval, by: str = "") -> Figure:
    """From where to where the true share may lie, for every count of wins from 0 to n; beside it Wald's p ± 1.96 σ."""
    figure = new_figure(9.0, 4.6)
    ax = dress(figure.add_subplot(), "", f"wins in {n} comparisons", "true share (%)")
    outside = 0
    for wins in range(n + 1):
        rate = wins / n
        half = 1.96 * sqrt(rate * (1 - rate) / n)
        low, high = interval(float(wins), n)
        outside += rate - half < 0 or rate + half > 1
        ax.plot([wins - 0.14] * 2, [100 * low, 100 * high], color=ink("SFT"), linewidth=3, solid_capstyle="butt")
        ax.plot(
            [wins + 0.18] * 2,
            [100 * (rate - half), 100 * (rate + half)],
            color=PALE,
            linewidth=1.6,
            linestyle=(0, (2, 1)),
            marker="_",
            markersize=7,
        )
        ax.plot([wins], [100 * rate], "o", color=INK, markersize=3.5, zorder=3)
    for edge in (0, 100):
        ax.axhline(edge, color=INK, linewidth=1)
    ax.set_xticks(range(0, n + 1, max(1, n // 10)))
    low = interval(float(n), n)[0]
    ax.annotate(
        f"{n} of {n}: the solid bar begins at {100 * low:.0f} %,\nthe dashed one has no width at all",
        (1, 0),
        xycoords="axes fraction",
        xytext=(-8, 30),
        textcoords="offset points",
        ha="right",
        fontsize=SMALL,
        color=INK,
    )
    solid = f"solid: {by}" if by else "solid: Wilson's interval"
    ax.annotate(
        f"{solid}\ndashed: p ± 1.96 √(p (1 − p) / n), Wald's\ndots: the share counted",
        (0, 1),
        xycoords="axes fraction",
        xytext=(8, -30),
        textcoords="offset points",
        va="top",
        fontsize=SMALL,
        color=INK,
    )
    headline(figure, f"Wald's interval leaves 0 to 100 % at {outside} of {n + 1} counts")
    return figure


def win_rates(
    rows: Sequence[Row],
    live: Sequence[Row] = (),
    interval: Interval = wilson_interval,
    by: str = "",
    wins: str = "wins",
) -> Figure:
    """How often each contestant beats the start, a panel for each task; a ring is a run made here.

    `wins` is the column that counts them: "wins" by the person, "wins_by_reward" by the reward model.
    """
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figure = new_figure(5.6 * len(tasks) + 1.6, 1.9 + 0.46 * len(methods))
    panels = figure.subplots(1, len(tasks), sharey=True, squeeze=False)[0]
    for ax, task in zip(panels, tasks, strict=True):
        mine = [row for row in rows if row["task"] == task]
        dress(ax, f"Task: {task} (at most {mine[0]['answers']} human answers)", AGAINST, "", grid="x")
        for height, method in enumerate(methods):
            some = [row for row in mine if row["method"] == method]
            if some:
                _rate(ax, height, some, interval, wins)
            for row in live:
                if row["task"] == task and row["method"] == method:
                    ax.plot(
                        [100 * row[wins] / row["n"]],
                        [height],
                        "o",
                        markersize=12,
                        markerfacecolor="none",
                        markeredgecolor=INK,
                        markeredgewidth=1.6,
                        zorder=5,
                    )
        ax.axvline(50, color=INK, linewidth=1.2, linestyle=(0, (5, 3)), zorder=1)
        ax.set_xlim(0, 112)
        ax.set_xticks([0, 25, 50, 75, 100])
    _method_names(panels[0], methods)
    seeds = len({row["seed"] for row in rows})
    marks = f"recorded, {seeds} seeds: a dot each; bar: all of them, 95 % by {by or 'the package’s wilson_interval'}"
    caption(figure, marks + ("; ring: made here" if live else ""))
    judge = "The reward model says" if wins == "wins_by_reward" else "First"
    headline(figure, fill(f"{judge}: " + "; ".join(f"{t}: {_first(rows, t, wins)}" for t in tasks), 95))
    return figure


def _rate(ax: Axes, height: int, some: Sequence[Row], interval: Interval, wins: str) -> None:
    """One method's seeds as dots, and all comparisons together as a bar with its share."""
    method, n, won = some[0]["method"], sum(r["n"] for r in some), float(sum(r[wins] for r in some))
    low, high = interval(won, n)
    ax.plot(
        [100 * low, 100 * high],
        [height] * 2,
        color=colour(_family(method)),
        linewidth=7,
        solid_capstyle="butt",
        alpha=0.55,
        zorder=2,
    )
    ax.scatter([100 * r[wins] / r["n"] for r in some], [height] * len(some), s=16, color=ink(_family(method)), zorder=4)
    ax.annotate(
        f"{100 * won / n:.0f}",
        (1, height),
        xycoords=("axes fraction", "data"),
        xytext=(-3, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize=MEDIUM,
        fontweight="bold",
        color=ink(_family(method)),
    )


def _first(rows: Sequence[Row], task: str, wins: str) -> str:
    """Who stands highest on a task, with its share."""
    shares = shares_of([row for row in rows if row["task"] == task], wins)
    best = max(shares, key=lambda name: shares[name])
    return f"{best} {100 * shares[best]:.0f} %"


def shares_of(rows: Sequence[Row], wins: str = "wins") -> dict[str, float]:
    """Each method's share of wins over all its rows."""
    methods = dict.fromkeys(row["method"] for row in rows)
    return {
        m: sum(r[wins] for r in rows if r["method"] == m) / sum(r["n"] for r in rows if r["method"] == m)
        for m in methods
    }


def _family(method: str) -> str:
    """Whose colour a method has: everything that imitates is SFT's, the control is grey."""
    if "random" in method:
        return "base"
    return START if method.startswith(START) else method


def _method_names(ax: Axes, methods: Sequence[str]) -> None:
    """The contestants along the left, in their colours, first at the top."""
    ax.set_yticks(range(len(methods)), methods, fontsize=MEDIUM)
    for text, method in zip(ax.get_yticklabels(), methods, strict=True):
        text.set_color(ink(_family(method)))
    ax.set_ylim(len(methods) - 0.4, -0.6)
    ax.set_ylabel("method", fontsize=SMALL + 0.5, color=INK)


COLUMNS: Mapping[str, tuple[str, str]] = {
    "demonstrations": ("demonstrations\nwritten", "{:.0f}"),
    "votes": ("votes\ncast", "{:.0f}"),
    "sampled": ("replies sampled\nin training", "{:.0f}"),
    "seconds": ("seconds of one\ncore to train", "{:.1f}"),
    "parameters": ("million numbers\nin memory", "{:.2f}"),
    "milliseconds_an_answer": ("milliseconds\nan answer", "{:.1f}"),
    "kl": ("KL from SFT\n(nats a reply)", "{:.1f}"),
    "gold": ("gold score\n(−3 to 3)", "{:.2f}"),
}
APART = ("kl", "gold")  # columns in which seeds may lie far apart


def cost_table(rows: Sequence[Row], task: str) -> Figure:
    """What each contestant needed on a task: the mean over seeds, and a dot a seed where those may lie far apart."""
    mine = [row for row in rows if row["task"] == task]
    methods = list(dict.fromkeys(row["method"] for row in mine))
    figure = new_figure(12.6, 1.9 + 0.42 * len(methods))
    panels = figure.subplots(1, len(COLUMNS), sharey=True)
    for ax, (column, (title, form)) in zip(panels, COLUMNS.items(), strict=True):
        scale = 1e-6 if column == "parameters" else 1.0
        means = [scale * _mean(mine, method, column) for method in methods]
        apart = [row for row in mine if column in APART]
        reach = max([abs(x) for x in means] + [abs(row[column]) for row in apart]) or 1.0
        dress(ax, "", title, "", grid="x")
        ax.grid(visible=False)
        for height, (method, mean) in enumerate(zip(methods, means, strict=True)):
            ax.barh(height, max(mean, 0.0) / reach, color=tint(_family(method), 0.45), height=0.7)
            mark = "≤ " if column == "kl" and method == "best-of-n" else ""
            ax.annotate(
                mark + (form.format(mean) if mean else "–"), (0.03, height), va="center", fontsize=MEDIUM, color=INK
            )
        ax.scatter(
            [row[column] / reach for row in apart],
            [methods.index(row["method"]) + 0.27 for row in apart],
            s=10,
            color=INK,
            zorder=3,
            clip_on=False,
        )
        ax.set_xlim(0, 1.05)
        ax.set_xticks([])
        ax.xaxis.set_label_position("top")
        ax.spines[["bottom", "left"]].set_visible(False)
        ax.tick_params(left=False)
    _method_names(panels[0], methods)
    seeds = len({row["seed"] for row in mine})
    caption(figure, f"recorded, means of {seeds} seeds; dots: each seed; ≤: the bound ln n − (n − 1)/n")
    dearest = max(methods, key=lambda method: _mean(mine, method, "seconds"))
    headline(figure, f"Task: {task}. Longest in training: {dearest}")
    return figure


def _mean(rows: Sequence[Row], method: str, column: str) -> float:
    values = [float(row[column]) for row in rows if row["method"] == method]
    return sum(values) / len(values)


def two_verdicts(rows: Sequence[Row]) -> Figure:
    """The same replies by two judges: hollow by the reward model that chose or trained, full by the person."""
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figure = new_figure(5.6 * len(tasks) + 1.6, 1.9 + 0.46 * len(methods))
    panels = figure.subplots(1, len(tasks), sharey=True, squeeze=False)[0]
    gaps = {}
    for ax, task in zip(panels, tasks, strict=True):
        mine = [row for row in rows if row["task"] == task]
        dress(ax, f"Task: {task}", AGAINST, "", grid="x")
        truth, claimed = shares_of(mine), shares_of(mine, "wins_by_reward")
        for method, share in truth.items():
            height, tone = methods.index(method), _family(method)
            ends = [100 * share, 100 * claimed[method]]
            ax.plot(ends, [height] * 2, color=PALE, linewidth=1.4, zorder=1)
            ax.plot(ends[:1], [height], "D", color=colour(tone), markersize=8, zorder=3)
            ax.plot(
                ends[1:],
                [height],
                "o",
                markerfacecolor="white",
                markeredgecolor=ink("proxy"),
                markersize=9,
                markeredgewidth=1.8,
                zorder=2,
            )
            gaps[task, method] = ends[1] - ends[0]
        ax.axvline(50, color=INK, linewidth=1.2, linestyle=(0, (5, 3)), zorder=0)
        ax.set_xlim(0, 104)
    _method_names(panels[0], methods)
    caption(
        figure,
        "recorded, all seeds together; ring: judged by the votes' reward model, diamond: by the person's own rule",
    )
    task, method = max(gaps, key=lambda key: gaps[key])
    headline(figure, f"Most flattered by the reward model: {method}, “{task}”, by {gaps[task, method]:.0f} in 100")
    return figure


def score_by_minutes(rows: Sequence[Row], demonstration: float | int = 3, best: float = 2.1) -> Figure:
    """The person's score against the minutes that people gave, where a vote takes a tenth of a minute.

    `demonstration` says how many votes can be cast in the time in which one demonstration is written. Rows of the
    start, where there are any, are the level from which everybody set out.
    """
    figure = new_figure(8.2, 4.6)
    ax = dress(figure.add_subplot(), "", "minutes of people's time (ten votes a minute)", "the person's score (points)")
    ends = []
    for method in dict.fromkeys(row["method"] for row in rows if row["method"] != START):
        price = demonstration if method.startswith(START) else 1
        mine, tone = [row for row in rows if row["method"] == method], _family(method)
        points = {
            answers: [row["score"] for row in mine if row["answers"] == answers]
            for answers in sorted({row["answers"] for row in mine})
        }
        minutes = [answers * price / 10 for answers in points]
        means = [sum(scores) / len(scores) for scores in points.values()]
        marker = "o" if method.startswith(START) else "s"
        ax.plot(minutes, means, color=colour(tone), linewidth=2, marker=marker, markersize=7)
        for x, scores in zip(minutes, points.values(), strict=True):
            ax.scatter([x] * len(scores), scores, s=14, color=ink(tone), alpha=0.6, zorder=3)
        for x, (answers, scores) in zip(minutes, points.items(), strict=True):
            ax.annotate(
                str(answers),
                (x, max(scores)),
                xytext=(0, 7),
                textcoords="offset points",
                ha="center",
                fontsize=SMALL,
                color=ink(tone),
            )
        ends.append((minutes[-1], means[-1], f"{method}", ink(tone)))
    ax.axhline(best, color=PALE, linewidth=1.2, linestyle=(0, (5, 3)))
    ax.annotate(
        "the most there is",
        (0, best),
        xycoords=("axes fraction", "data"),
        xytext=(4, -4),
        textcoords="offset points",
        va="top",
        fontsize=SMALL,
        color=PALE,
    )
    if any(row["method"] == START for row in rows):
        level(ax, _mean(rows, START, "score"), "the SFT model, before", ink(START))
    ax.set_xscale("log")
    ax.set_xticks([5, 10, 20, 50, 100, 200, 500, 1000], ["5", "10", "20", "50", "100", "200", "500", "1000"])
    ax.minorticks_off()
    ax.set_xlim(4, 20_000)  # room for a name behind the dearest demonstrations
    name_ends(ax, ends)
    caption(figure, "recorded; numbers: human answers; small dots: seeds")
    headline(figure, f"If writing one reply takes as long as {demonstration:g} vote{'s' * (demonstration != 1)}")
    return figure
