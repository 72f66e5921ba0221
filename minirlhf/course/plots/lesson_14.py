"""From tiny to real: learning rates of adapters, what PPO's four models hold, shares of a batch, two processes.

rates_plot(read_recorded("lora_rates"), yours)    the score and the KL at five learning rates
memory_bars(memory())                             PPO by copies and by adapters, at three sizes
shares_plot({"mean of means": [(2, 0.01), …]})    how far the gradient is off, by the number of shares
same_curve(one, two)                              a training by one process, and by two
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from minirlhf.course.experiments.lesson_14 import FULL_LR
from minirlhf.course.experiments.together import Trained
from minirlhf.course.plots import style
from minirlhf.course.plots.rows import Row, Rows, by_seed, distinct, mean, select

TONES = {"all numbers": "#444444", "adapters": style.ink("RLHF")}
PARTS = {  # whose bytes, in the order of the bars
    "reference": style.tint("SFT", 0.9),
    "policy": style.tint("RLHF", 0.9),
    "value model": style.tint("best-of-n", 0.9),
    "reward model": style.tint("proxy", 0.9),
}
FARTHEST = 20.0  # nats
UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def rates_plot(rows: Rows, yours: Rows = (), usual: float = FULL_LR) -> Figure:
    """Score and KL after PPO against the learning rate, by all numbers and by adapters; a ring is a run made here.

    The headline compares the two at the `usual` rate of all numbers.

    Rows hold `way`, `lr`, `seed`, `score` and `kl`; so do `yours`, but for the seed.
    """
    figure = style.new_figure(8.0, 4.4)
    left, right = figure.subplots(1, 2)
    for ax, column, title, unit in (
        (left, "score", "How well paid?", "score (deviations)"),
        (right, "kl", "How far?", "KL (nats a reply)"),
    ):
        ends = []
        style.dress(ax, title, "learning rate", unit)
        for way in distinct(rows, "way"):
            end = style.draw_runs(ax, by_seed(select(rows, way=way), "lr", column), TONES[way])
            ends.append((*end, way, TONES[way]))
        for row in yours:
            style.ring(ax, row["lr"], row[column])
        _rates(ax, distinct(rows, "lr"))
        if column == "kl":
            _cut_off(ax, max(rows, key=lambda row: row["kl"]))
        style.name_ends(ax, ends)
    seeds = len(distinct(rows, "seed"))
    ring = "; ring: made here" if yours else ""
    style.caption(figure, f"recorded, {seeds} seeds: a thin line each, thick their mean; simulated votes{ring}")
    paid = {way: mean(select(rows, way=way, lr=usual), "score") for way in distinct(rows, "way")}
    said = ", ".join(f"{way} {style.signed(score, 2)}" for way, score in paid.items())
    return style.headline(figure, f"At the same rate of {usual:g}: {said}")


def _cut_off(ax: Axes, farthest: Row) -> None:
    """A run that was torn away is not to press all others flat: it is named where it leaves the panel."""
    if farthest["kl"] > FARTHEST:
        ax.set_ylim(-0.05 * FARTHEST, FARTHEST)
        words = f"one run at {farthest['lr']:g}: {farthest['kl']:.0f} nats"
        style.note(ax, words, (0.02, FARTHEST), (0, -8), of="row", color=TONES[farthest["way"]])


def _rates(ax: Axes, rates: Sequence[float]) -> None:
    ax.set_xscale("log")
    ax.set_xticks(rates, [f"{rate:g}" for rate in rates])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlim(rates[0] / 1.3, rates[-1] * 4)  # room for the lines' names


def memory_bars(rows: Rows) -> Figure:
    """What PPO's four models hold, a panel a size: a bar for copies, and one for adapters, which share their base."""
    figure = style.new_figure(8.0, 4.6)
    sizes, ways = distinct(rows, "size"), distinct(rows, "way")
    held: dict[str, list[str]] = {}
    for ax, size in zip(figure.subplots(1, len(sizes)), sizes, strict=True):
        totals = [sum(row["bytes"] for row in select(rows, size=size, way=way)) for way in ways]
        scale, unit = next((s, u) for s, u in UNITS if max(totals) >= s)
        held[size] = [f"{total / scale:.1f} {unit}" for total in totals]
        style.dress(ax, size, "", f"held by PPO's models ({unit})")
        for x, way in enumerate(ways):
            _stack(ax, x, select(rows, size=size, way=way), scale)
            style.note(ax, held[size][x], (x, totals[x] / scale), (0, 7), ha="center", weight="bold")
        ax.set_xticks(range(len(ways)), ["copies" if way == "all numbers" else way for way in ways])
        ax.set_xlim(-0.6, len(ways) - 0.4)
        ax.set_ylim(0, 1.12 * max(totals) / scale)
    handles, names = figure.axes[0].get_legend_handles_labels()
    stacked = slice(len(PARTS) - 1, None, -1)  # the last one on top, as in the bar
    close: dict[str, Any] = {"borderpad": 0, "borderaxespad": 0, "handlelength": 0.7, "handletextpad": 0.4}
    look: dict[str, Any] = {"loc": "upper right", "frameon": False, "fontsize": style.SMALL}  # the room beside the bar
    figure.axes[0].legend(handles[stacked], names[stacked], **close, **look)
    style.caption(
        figure,
        "counted on the models' shapes, in float32: 16 bytes for a number that learns, 4 for one that does not; "
        "with adapters the reference is the base of all four",
    )
    copies, adapters = held[sizes[-1]]
    return style.headline(figure, f"{sizes[-1]}: {copies} by copies, {adapters} by adapters")


def _stack(ax: Axes, x: int, rows: Rows, scale: float) -> None:
    bottom = 0.0
    for row in sorted(rows, key=lambda row: list(PARTS).index(row["model"])):
        height = row["bytes"] / scale
        ax.bar(x, height, 0.7, bottom, color=PARTS[row["model"]], label=row["model"], edgecolor="white", linewidth=0.8)
        bottom += height


def shares_plot(found: Mapping[str, Sequence[tuple[int, float]]]) -> Figure:
    """How far the gradient is from that of the whole batch, by the number of shares; a line for each way."""
    figure, ax = style.panel(8.0, 4.0, "shares of one batch of 64 rows", "off (% of the gradient's length)")
    ends = []
    for (name, points), tone in zip(found.items(), (TONES["adapters"], style.ink("best-of-n")), strict=False):
        line = [(float(shares), 100 * off) for shares, off in points]
        ax.plot(*zip(*line, strict=True), color=tone, linewidth=2, marker="o", markersize=5)
        ends.append((*line[-1], name, tone))
    ax.set_xscale("log", base=2)
    shares = [n for n, _ in next(iter(found.values()))]
    ax.set_xticks(shares, [str(n) for n in shares])
    ax.set_xlim(shares[0] / 1.2, shares[-1] * 3.2)
    style.at_least(ax, -2, 10)
    style.name_ends(ax, ends)
    worst = {name: 100 * max(off for _, off in points) for name, points in found.items()}
    said = "; ".join(f"{name}: {off:.0f} %" if off >= 1 else f"{name}: {off:.5f} %" for name, off in worst.items())
    return style.headline(figure, f"At worst off by: {said}")


def same_curve(one: Trained, two: Trained) -> Figure:
    """SFT's loss and PPO's score of the same training, by one process (line) and by two (dots)."""
    figure = style.new_figure(8.0, 4.0)
    left, right = figure.subplots(1, 2)
    for ax, title, xlabel, ylabel, column in (
        (left, "SFT", "step", "loss (nats)", "losses"),
        (right, "then PPO", "update", "score (deviations)", "scores"),
    ):
        style.dress(ax, title, xlabel, ylabel)
        for run, look in ((one, {"color": TONES["all numbers"], "linewidth": 2.5}), (two, DOTS)):
            line = getattr(run, column)
            ax.plot(range(1, len(line) + 1), line, **look)
        style.whole_numbers(ax, len(one.losses if column == "losses" else one.scores))
    took = f"one process {one.seconds:.0f} s, two {two.seconds:.0f} s, their start included"
    style.caption(figure, f"line: one process; dots: two of them; {took}")
    return style.headline(figure, f"No weight differs by more than {one.apart(two):.0e}")


DOTS = {"color": style.ink("RLHF"), "linestyle": "", "marker": "o", "markersize": 6}
