"""SFT or RLHF: win rates and their intervals, what each method cost, and the price of a demonstration in votes.

    interval_ladder(20, wilson_interval)            what 0 to 20 wins of 20 may mean
    win_rates(rows, live)                           every method against the start, on each task
    cost_table(rows)                                data, time and memory of each
    two_verdicts(rows)                              the same replies by the reward model and by the person
    score_by_minutes(rows, demonstration=3)         the same answers, counted in minutes

`rows` are those of a recorded run: lesson 10's `equal_budgets` and `by_answers`.
"""

from collections.abc import Callable, Mapping
from math import sqrt
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minirlhf.course.plots import style
from minirlhf.course.plots.rows import Rows, distinct, mean, select
from minirlhf.evaluate import wilson_interval

Interval = Callable[[float, int], tuple[float, float]]
START = "SFT"
AGAINST = "beats the SFT model (% of customers, ties half)"


def interval_ladder(n: int, interval: Interval = wilson_interval, by: str = "") -> Figure:
    """The 95 % interval of the true share for every count of wins from 0 to n, beside Wald's p ± 1.96 σ."""
    figure, ax = style.panel(9.0, 4.6, f"wins in {n} comparisons", "true share (%)")
    outside = 0
    for wins in range(n + 1):
        rate = wins / n
        half = 1.96 * sqrt(rate * (1 - rate) / n)
        low, high = interval(float(wins), n)
        outside += rate - half < 0 or rate + half > 1
        ax.plot([wins - 0.14] * 2, [100 * low, 100 * high], color=style.ink("SFT"), linewidth=3, solid_capstyle="butt")
        wald = [100 * (rate - half), 100 * (rate + half)]
        ax.plot([wins + 0.18] * 2, wald, color=style.PALE, lw=1.6, ls=(0, (2, 1)), marker="_", markersize=7)
        ax.plot([wins], [100 * rate], "o", color=style.INK, markersize=3.5, zorder=3)
    for edge in (0, 100):
        ax.axhline(edge, color=style.INK, linewidth=1)
    ax.set_xticks(range(0, n + 1, max(1, n // 10)))
    low = interval(float(n), n)[0]
    certain = f"{n} of {n}: the solid bar begins at {100 * low:.0f} %,\nthe dashed one has no width at all"
    style.note(ax, certain, (1, 0), (-8, 30), of="axes", ha="right", va="baseline")
    whose = by or "Wilson's interval"
    key = f"solid: {whose}\ndashed: p ± 1.96 √(p (1 − p) / n), Wald's\ndots: the share counted"
    style.note(ax, key, (0, 1), (8, -30), of="axes", va="top")
    return style.headline(figure, f"Wald's interval leaves 0 to 100 % at {outside} of {n + 1} counts")


def win_rates(
    rows: Rows, live: Rows = (), interval: Interval = wilson_interval, by: str = "", wins: str = "wins"
) -> Figure:
    """How often each method beats the start, a panel for each task; a ring is a run made here.

    `wins` is the column that counts them: "wins" by the person, "wins_by_reward" by the reward model.
    """
    figure, panels = _panels(rows)
    for task, ax in panels.items():
        most = select(rows, task=task)[0]["answers"]
        style.dress(ax, f"Task: {task} (at most {most} human answers)", AGAINST, "", grid="x")
        for height, method in enumerate(distinct(rows, "method")):
            if some := select(rows, task=task, method=method):
                _rate(ax, height, some, interval, wins)
            for row in select(live, task=task, method=method):
                style.ring(ax, 100 * row[wins] / row["n"], height)
        ax.axvline(50, color=style.INK, linewidth=1.2, linestyle=style.DASHED, zorder=1)
        ax.set_xlim(0, 112)
        ax.set_xticks([0, 25, 50, 75, 100])
    _name_methods(panels, rows)
    seeds = len(distinct(rows, "seed"))
    marks = f"recorded, {seeds} seeds: a dot each; bar: all of them, 95 % by {by or 'the package’s wilson_interval'}"
    style.caption(figure, marks + ("; ring: made here" if live else ""))
    judge = "The reward model says" if wins == "wins_by_reward" else "First"
    return style.headline(figure, fill(f"{judge}: " + "; ".join(f"{t}: {_first(rows, t, wins)}" for t in panels), 95))


def _panels(rows: Rows) -> tuple[Figure, dict[str, Axes]]:
    """A panel for each task, with a row for each method."""
    tasks = distinct(rows, "task")
    figure = style.new_figure(8.0, 1.4 + len(tasks) * (0.6 + 0.36 * len(distinct(rows, "method"))))
    axes = figure.subplots(len(tasks), 1, squeeze=False)[:, 0]
    return figure, dict(zip(tasks, axes, strict=True))


def _rate(ax: Axes, height: int, some: Rows, interval: Interval, wins: str) -> None:
    """One method's seeds as dots, and all comparisons together as a bar with its share."""
    method, n, won = some[0]["method"], sum(r["n"] for r in some), float(sum(r[wins] for r in some))
    low, high = interval(won, n)
    bar = {"color": style.colour(_family(method)), "linewidth": 7, "solid_capstyle": "butt", "alpha": 0.55, "zorder": 2}
    ax.plot([100 * low, 100 * high], [height] * 2, **bar)
    dark = style.ink(_family(method))
    ax.scatter([100 * r[wins] / r["n"] for r in some], [height] * len(some), s=16, color=dark, zorder=4)
    bold = {"color": dark, "size": style.MEDIUM, "weight": "bold"}
    style.note(ax, f"{100 * won / n:.0f}", (1, height), (-3, 0), of="row", ha="right", **bold)


def _first(rows: Rows, task: str, wins: str) -> str:
    """The method with the highest share on a task, and that share."""
    shares = shares_of(select(rows, task=task), wins)
    best = max(shares, key=lambda name: shares[name])
    return f"{best} {100 * shares[best]:.0f} %"


def shares_of(rows: Rows, wins: str = "wins") -> dict[str, float]:
    """Each method's share of wins over all its rows."""
    return {
        method: mean(select(rows, method=method), wins) / mean(select(rows, method=method), "n")
        for method in distinct(rows, "method")
    }


def _family(method: str) -> str:
    """Whose colour a method has: what imitates is SFT's, what samples and is scored PPO's, the control is grey."""
    if "random" in method:
        return "base"
    if method.startswith("GRPO"):  # PPO without the value model
        return "PPO"
    return START if method.startswith(START) else method


def _name_methods(panels: Mapping[Any, Axes], rows: Rows) -> None:
    """The methods along the left, in their colours, the first on top."""
    methods = distinct(rows, "method")
    for ax in panels.values():
        style.name_rows(ax, methods, "method")
        for text, method in zip(ax.get_yticklabels(), methods, strict=True):
            text.set_color(style.ink(_family(method)))


COLUMNS: Mapping[str, tuple[str, str]] = {
    "demonstrations": ("demonstrations\nwritten", "{:.0f}"),
    "votes": ("votes\ncast", "{:.0f}"),
    "sampled": ("replies sampled\nin training", "{:.0f}"),
    "seconds": ("seconds of one\ncore to train", "{:.1f}"),
    "parameters": ("million weights\nin memory", "{:.2f}"),
    "milliseconds_an_answer": ("milliseconds\nan answer", "{:.1f}"),
    "kl": ("KL from SFT\n(nats a reply)", "{:.1f}"),
    "gold": ("gold score\n(−3 to 3)", "{:.2f}"),
}
ACROSS = len(COLUMNS) // 2
APART = ("kl", "gold")  # columns in which seeds may lie far apart


def cost_table(rows: Rows, task: str) -> Figure:
    """What each method needed on a task: the mean over seeds, and a dot a seed where those may lie far apart."""
    rows = select(rows, task=task)
    methods = {method: select(rows, method=method) for method in distinct(rows, "method")}
    figure = style.new_figure(8.0, 2.2 + 0.7 * len(methods))
    panels = dict(zip(COLUMNS, figure.subplots(2, ACROSS, sharey="row").flat, strict=True))
    for column, ax in panels.items():
        title, form = COLUMNS[column]
        scale = 1e-6 if column == "parameters" else 1.0
        means = [scale * mean(mine, column) for mine in methods.values()]
        apart = [(row[column], height) for height, mine in enumerate(methods.values()) for row in mine]
        apart = apart if column in APART else []
        reach = max([abs(x) for x in means] + [abs(x) for x, _ in apart]) or 1.0
        style.dress(ax, "", title, "", grid="x")
        ax.grid(visible=False)
        for height, (method, number) in enumerate(zip(methods, means, strict=True)):
            ax.barh(height, max(number, 0.0) / reach, color=style.tint(_family(method), 0.45), height=0.7)
            mark = "≤ " if column == "kl" and method == "best-of-n" else ""
            style.note(ax, mark + (form.format(number) if number else "–"), (0.03, height), size=style.MEDIUM)
        for x, height in apart:
            ax.scatter(x / reach, height + 0.27, s=10, color=style.INK, zorder=3, clip_on=False)
        ax.set_xlim(0, 1.05)
        ax.set_xticks([])
        ax.xaxis.set_label_position("top")
        ax.spines[["bottom", "left"]].set_visible(False)
        ax.tick_params(left=False)
    left = {column: ax for i, (column, ax) in enumerate(panels.items()) if i % ACROSS == 0}
    _name_methods(left, rows)
    seeds = len(distinct(rows, "seed"))
    style.caption(figure, f"recorded, means of {seeds} seeds; dots: each seed; ≤: the bound ln n − (n − 1)/n")
    dearest = max(methods, key=lambda method: mean(methods[method], "seconds"))
    return style.headline(figure, f"Task: {task}. Longest in training: {dearest}")


def two_verdicts(rows: Rows) -> Figure:
    """The same replies by two judges: hollow by the reward model that chose or trained, full by the person."""
    methods = distinct(rows, "method")
    figure, panels = _panels(rows)
    gaps = {}
    hollow = {"markerfacecolor": "white", "markeredgecolor": style.ink("proxy"), "markeredgewidth": 1.8}
    for task, ax in panels.items():
        mine = select(rows, task=task)
        style.dress(ax, f"Task: {task}", AGAINST, "", grid="x")
        truth, claimed = shares_of(mine), shares_of(mine, "wins_by_reward")
        for method, share in truth.items():
            height, tone = methods.index(method), _family(method)
            ends = [100 * share, 100 * claimed[method]]
            ax.plot(ends, [height] * 2, color=style.PALE, linewidth=1.4, zorder=1)
            ax.plot(ends[:1], [height], "D", color=style.colour(tone), markersize=8, zorder=3)
            ax.plot(ends[1:], [height], "o", markersize=9, zorder=2, **hollow)
            gaps[task, method] = ends[1] - ends[0]
        ax.axvline(50, color=style.INK, linewidth=1.2, linestyle=style.DASHED, zorder=0)
        ax.set_xlim(0, 104)
    _name_methods(panels, rows)
    judges = "ring: judged by the votes' reward model, diamond: by the person's own rule"
    style.caption(figure, f"recorded, all seeds together; {judges}")
    (task, method), most = max(gaps.items(), key=lambda item: item[1])
    return style.headline(figure, f"Most flattered by the reward model: {method}, “{task}”, by {most:.0f} in 100")


def score_by_minutes(rows: Rows, demonstration: float | int = 3, best: float = 2.1) -> Figure:
    """The person's score against the minutes that people gave, where a vote takes a tenth of a minute.

    `demonstration` says how many votes can be cast in the time in which one demonstration is written. Rows of the
    start, where there are any, give the level before training.
    """
    figure, ax = style.panel(8.2, 4.6, "minutes of people's time (ten votes a minute)", "the person's score (points)")
    ends = []
    for method in distinct([row for row in rows if row["method"] != START], "method"):
        price = demonstration if method.startswith(START) else 1
        mine, tone = select(rows, method=method), _family(method)
        points = {
            answers: [row["score"] for row in select(mine, answers=answers)]
            for answers in sorted(distinct(mine, "answers"))
        }
        minutes = [answers * price / 10 for answers in points]
        means = [sum(scores) / len(scores) for scores in points.values()]
        marker = "o" if method.startswith(START) else "s"
        ax.plot(minutes, means, color=style.colour(tone), linewidth=2, marker=marker, markersize=7)
        for x, (answers, scores) in zip(minutes, points.items(), strict=True):
            ax.scatter([x] * len(scores), scores, s=14, color=style.ink(tone), alpha=0.6, zorder=3)
            style.note(ax, str(answers), (x, max(scores)), (0, 7), color=style.ink(tone), ha="center", va="baseline")
        ends.append((minutes[-1], means[-1], method, style.ink(tone)))
    ax.axhline(best, color=style.PALE, linewidth=1.2, linestyle=style.DASHED)
    style.note(ax, "the most there is", (0, best), (4, -4), of="row", color=style.PALE, va="top")
    if start := select(rows, method=START):
        style.level(ax, mean(start, "score"), "the SFT model, before", style.ink(START))
    ax.set_xscale("log")
    ticks = (5, 10, 20, 50, 100, 200, 500, 1000)
    ax.set_xticks(ticks, list(map(str, ticks)))
    ax.minorticks_off()
    ax.set_xlim(4, 20_000)  # room for a name behind the dearest demonstrations
    style.name_ends(ax, ends)
    style.caption(figure, "recorded; numbers: human answers; small dots: seeds")
    votes = "vote" if demonstration == 1 else "votes"
    return style.headline(figure, f"If writing one reply takes as long as {demonstration:g} {votes}")
