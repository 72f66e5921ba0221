"""PPO's runs beside one another, and who takes part in one.

four_models()                                    policy, reference, reward model, value model
symptoms({"healthy": records, "A": records})     broken runs, each beside the healthy one
leash_plot(read_recorded("leash"), {"live": …})  what each β buys: score, gold score, KL
leash_progress(records, target=4.0)              a β that follows the KL
"""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from minirlhf.course.plots.language import (
    INK,
    PALE,
    at_least,
    caption,
    colour,
    draw_runs,
    dress,
    headline,
    ink,
    level,
    name_ends,
    new_figure,
    tint,
    whole_numbers,
)
from minirlhf.metrics import METRICS
from minirlhf.ppo import PPORecord

# name: middle (x, y), whose colour, what it says, and whether PPO changes it
MODELS = {
    "policy": (2.0, 2.6, "PPO", "writes the reply,\none token at a time", True),
    "reference": (7.2, 4.4, "SFT", "how probable was each\ntoken before tuning?", False),
    "reward model": (7.2, 2.6, "proxy", "how good is the\nwhole reply?", False),
    "value model": (7.2, 0.8, "gold", "what was to be expected\nbefore each token?", True),
}
SYMPTOMS = {  # field: (what a row asks, on a logarithmic axis?)
    "score": ("score", False),
    "kl": ("KL\n(nats a reply)", False),
    "clip_fraction": ("clipped\n(share of tokens)", False),
    "value_loss": ("value loss\n(score², log)", True),
    "ended": ("ended\n(share of replies)", False),
}


def four_models() -> Figure:
    """Who takes part in PPO: four models, of which two learn, and what each of them tells the others."""
    figure = new_figure(11.5, 5.2, tidy=False)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, 11.5), ylim=(0, 5.2))
    ax.set_axis_off()
    ax.text(0.2, 4.85, "Four models, two of them learn", fontsize=15, fontweight="bold", color=INK)
    ax.text(0.2, 4.55, "Full: PPO changes it. Dashed: frozen, it never changes.", fontsize=10, color=PALE)
    for name, (x, y, of, says, learns) in MODELS.items():
        ax.add_patch(
            FancyBboxPatch(
                (x - 1.15, y - 0.6),
                2.3,
                1.2,
                boxstyle="round,pad=0,rounding_size=0.14",
                linewidth=2.5 if learns else 1.6,
                facecolor=tint(of, 0.3 if learns else 0.1),
                edgecolor=ink(of),
                linestyle="-" if learns else (0, (4, 2)),
            )
        )
        ax.text(x, y + 0.28, name, ha="center", va="center", fontsize=12, fontweight="bold", color=INK)
        ax.text(x, y - 0.2, says, ha="center", va="center", fontsize=10, color=INK, linespacing=1.2)
    _arrow(ax, (3.15, 2.8), (6.05, 4.3))
    _arrow(ax, (3.15, 2.6), (6.05, 2.6))
    _arrow(ax, (3.15, 2.4), (6.05, 0.9))
    ax.text(
        4.6,
        2.68,
        "the reply",
        ha="center",
        va="bottom",
        fontsize=10,
        color=INK,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )
    gives = {
        "reference": "a penalty for each token:\n−β · log-ratio",
        "reward model": "one score, paid at\nthe last token",
        "value model": "a guess for each token:\nthe advantage is what\ncame better than it",
    }
    for name, text in gives.items():
        y = MODELS[name][1]
        _arrow(ax, (8.35, y), (8.85, y))
        ax.text(8.95, y, text, ha="left", va="center", fontsize=10, color=ink(MODELS[name][2]))
    # What all three said comes back to the two who learn.
    for name in gives:
        ax.plot([11.15, 11.3], [MODELS[name][1]] * 2, color=PALE, linewidth=1.6)
    ax.plot([11.3, 11.3, 2.0], [MODELS["reference"][1], 0.06, 0.06], color=PALE, linewidth=1.6)
    _arrow(ax, (7.2, 0.06), (7.2, 0.22))
    _arrow(ax, (2.0, 0.06), (2.0, 1.95))
    ax.text(
        2.15,
        1.05,
        "what came out better than\nexpected becomes likelier,\nwhat came out worse, less",
        va="center",
        fontsize=10,
        color=ink("PPO"),
    )
    return figure


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=14, linewidth=1.6, color=PALE, shrinkA=2, shrinkB=2
        )
    )


def symptoms(runs: Mapping[str, Sequence[PPORecord]], updates: int = 0) -> Figure:
    """A column for each run but the first, a row for each number; the first, healthy one is dashed in all of them."""
    healthy, *names = runs
    figure = new_figure(1.4 + 2.5 * len(names), 7.8)
    grid = figure.subplots(len(SYMPTOMS), len(names), sharex=True, sharey="row", squeeze=False)
    last = max([updates, 2, *(record.update for records in runs.values() for record in records)])
    for i, (field, (asks, logarithmic)) in enumerate(SYMPTOMS.items()):
        for k, name in enumerate(names):
            bottom = i == len(SYMPTOMS) - 1
            ax = dress(grid[i, k], name if i == 0 else "", "update" if bottom else "", asks if k == 0 else "")
            _line(ax, runs[healthy], field, PALE, dashed=True)
            _line(ax, runs[name], field, colour("RLHF"))
            if logarithmic:
                ax.set_yscale("log")
            ax.set_xlim(0.5, last + 0.5)
            whole_numbers(ax)
        if not logarithmic:  # all of a row share their axis
            at_least(grid[i, 0], 0.0, {"score": 1.0, "kl": 5.0, "clip_fraction": 0.2, "ended": 1.1}[field])
    headline(figure, f"What is broken in {', '.join(names)}? (dashed: {healthy})")
    return figure


def _line(ax: Axes, records: Sequence[PPORecord], field: str, tone: str, dashed: bool = False) -> None:
    """A run's number over its updates; a dot while there is only one."""
    ax.plot(
        [record.update for record in records],
        [getattr(record, field) for record in records],
        color=tone,
        linewidth=1.4 if dashed else 2.2,
        linestyle="--" if dashed else "-",
        marker="." if len(records) == 1 else "",
    )


def leash_plot(
    rows: Sequence[Mapping[str, float]], live: Mapping[str, float] | None = None, start: float | None = None
) -> Figure:
    """What each β came to in recorded runs: score, gold score and KL; `live`: the run of this notebook, a star.

    A row: beta, seed, score, gold, kl. `start`: the gold score before any tuning.
    """
    betas = sorted({row["beta"] for row in rows} | ({live["beta"]} if live else set()))
    figure = new_figure(11.0, 4.4)
    worth, distance = figure.subplots(1, 2)
    dress(worth, "What is it worth?", "β (score a nat)", "score of a reply")
    dress(distance, "How far did it go?", "β (score a nat)", "KL (nats a reply)")
    ends = []
    for ax, name, tone in ((worth, "score", "proxy"), (worth, "gold", "gold"), (distance, "kl", "RLHF")):
        runs = [
            [(float(betas.index(row["beta"])), row[name]) for row in rows if row["seed"] == seed]
            for seed in sorted({row["seed"] for row in rows})
        ]
        x, y = draw_runs(ax, runs, colour(tone))
        if ax is worth:
            ends.append((x, y, {"score": "reward\nmodel", "gold": "gold"}[name], ink(tone)))
        if live:
            ax.plot(betas.index(live["beta"]), live[name], "*", color=ink(tone), markersize=15, markeredgecolor="white")
    at_least(distance, 0.0, 1.0)
    if start is not None:
        level(worth, start, "gold before tuning", ink("gold"))
    for ax in (worth, distance):
        ax.set_xticks(range(len(betas)), [f"{beta:g}" for beta in betas])
        ax.set_xlim(-0.3, len(betas) - 0.5)
    name_ends(worth, ends, gap=0.16)
    caption(figure, "thin: a seed each; band: lowest to highest. Gold and reward model's score: each in its own unit")
    seeds = len({row["seed"] for row in rows})
    star = "; star: your run" if live else ""
    gold = {beta: [row["gold"] for row in rows if row["beta"] == beta] for beta in {row["beta"] for row in rows}}
    best = max(gold, key=lambda beta: sum(gold[beta]) / len(gold[beta]))
    headline(figure, f"Gold is highest at β = {best:g} (recorded, {seeds} seeds{star})")
    return figure


def leash_progress(records: Sequence[PPORecord], target: float, by: str = "", updates: int = 0) -> Figure:
    """A β that is moved until the KL comes to stand at its target. `by`: whose rule moves it."""
    figure = new_figure(10.5, 3.9)
    distance, strength = figure.subplots(1, 2)
    steps = [record.update for record in records]
    for ax, name, title in (
        (distance, "kl", "How far from the reference?"),
        (strength, "beta", "How strong is the leash?"),
    ):
        dress(ax, title, "update", f"{'KL' if name == 'kl' else 'β'} ({METRICS[PPORecord][name].unit})")
        ax.plot(steps, [getattr(r, name) for r in records], color=colour("RLHF"), linewidth=2, marker=".")
        ax.set_xlim(0.5, max([updates, 2, *steps]) + 0.5)
        whole_numbers(ax)
    at_least(distance, 0.0, 1.2 * target)
    level(distance, target, f"target {target:g}", ink("SFT"))
    at_least(strength, 0.0, 1.15 * max(r.beta for r in records))
    first, last = records[0], records[-1]
    headline(
        figure,
        f"β {first.beta:.2g} → {last.beta:.2g}, KL {last.kl:.1f} (target {target:g})" + (f", by {by}" if by else ""),
    )
    return figure
