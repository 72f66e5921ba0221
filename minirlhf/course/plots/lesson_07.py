"""PPO for language models: its four models, rewards and values of one reply, broken runs, and the KL penalty.

    four_models()                                                  policy, reference, reward model, value model
    pay_slip(rollout, rewards, tokenizer, row=3)                   penalties, and the score at the end
    expectations(rollout, rewards, estimates, tokenizer, row=3)    the value before each token, and the advantage
    symptoms({"healthy": records, "A": records})                   broken runs, each beside the healthy one
    leash_plot(read_recorded("leash"), {"beta": …})                score, gold score and KL for each β
    leash_progress(records, target=4.0)                            an adaptive β

`row` says which reply of the batch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from minirlhf.course.plots import style
from minirlhf.course.plots.lesson_07_microscope import pieces_of
from minirlhf.course.plots.rows import Row, Rows, by_seed, distinct, mean, select
from minirlhf.course.plots.strip import visible
from minirlhf.metrics import METRICS
from minirlhf.ops import PerToken
from minirlhf.ppo import Estimate, PPORecord
from minirlhf.rollout import Rollout
from minirlhf.tokenizer import Tokenizer

# name: middle (x, y), whose colour, what it says, and whether PPO changes it
MODELS = {
    "policy": (2.0, 2.6, "PPO", "writes the reply,\none token at a time", True),
    "reference": (7.2, 4.4, "SFT", "how probable was each\ntoken before tuning?", False),
    "reward model": (7.2, 2.6, "proxy", "how good is the\nwhole reply?", False),
    "value model": (7.2, 0.8, "gold", "what was to be expected\nbefore each token?", True),
}
SYMPTOMS = {  # field: (a row's label, on a logarithmic axis?)
    "score": ("score", False),
    "kl": ("KL\n(nats a reply)", False),
    "clip_fraction": ("clipped\n(share of tokens)", False),
    "value_loss": ("value loss\n(score², log)", True),
    "ended": ("ended\n(share of replies)", False),
}


def four_models() -> Figure:
    """The four models of PPO, of which two are trained, and what each passes to the others."""
    figure = style.new_figure(11.5, 5.2, tidy=False)
    figure.set_size_inches(11.5, 5.2)  # its letters are of 10 points and more
    figure.set_label("Four models, two of them learn")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, 11.5), ylim=(0, 5.2))
    ax.set_axis_off()
    style.note(ax, "Four models, two of them learn", (0.2, 4.85), size=15, weight="bold", va="baseline")
    key = "Full: PPO changes it. Dashed: frozen, it never changes."
    style.note(ax, key, (0.2, 4.55), color=style.PALE, size=10, va="baseline")
    for name, (x, y, of, says, learns) in MODELS.items():
        box = FancyBboxPatch((x - 1.15, y - 0.6), 2.3, 1.2, "round,pad=0,rounding_size=0.14", edgecolor=style.ink(of))
        box.set(linewidth=2.5 if learns else 1.6, linestyle="-" if learns else (0, (4, 2)))
        box.set_facecolor(style.tint(of, 0.3 if learns else 0.1))
        ax.add_patch(box)
        style.note(ax, name, (x, y + 0.28), size=12, weight="bold", ha="center")
        style.note(ax, says, (x, y - 0.2), size=10, ha="center", linespacing=1.2)
    _arrow(ax, (3.15, 2.8), (6.05, 4.3))
    _arrow(ax, (3.15, 2.6), (6.05, 2.6))
    _arrow(ax, (3.15, 2.4), (6.05, 0.9))
    white = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    style.note(ax, "the reply", (4.6, 2.68), size=10, ha="center", va="bottom", bbox=white)
    gives = {
        "reference": "a penalty for each token:\n−β · log-ratio",
        "reward model": "one score, paid at\nthe last token",
        "value model": "a guess for each token:\nthe advantage is what\ncame better than it",
    }
    for name, text in gives.items():
        y = MODELS[name][1]
        _arrow(ax, (8.35, y), (8.85, y))
        style.note(ax, text, (8.95, y), color=style.ink(MODELS[name][2]), size=10)
    # All three outputs go back to the two models that are trained.
    for name in gives:
        ax.plot([11.15, 11.3], [MODELS[name][1]] * 2, color=style.PALE, linewidth=1.6)
    ax.plot([11.3, 11.3, 2.0], [MODELS["reference"][1], 0.06, 0.06], color=style.PALE, linewidth=1.6)
    _arrow(ax, (7.2, 0.06), (7.2, 0.22))
    _arrow(ax, (2.0, 0.06), (2.0, 1.95))
    words = "what came out better than\nexpected becomes likelier,\nwhat came out worse, less"
    style.note(ax, words, (2.15, 1.05), color=style.ink("PPO"), size=10)
    return figure


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=14, linewidth=1.6, color=style.PALE))


def pay_slip(rollout: Rollout, rewards: PerToken, tokenizer: Tokenizer, row: int = 0, by: str = "") -> Figure:
    """The reward of each token of a reply: the KL penalty, and the score at the end. `by`: whose rewards."""
    mask = rollout.response_mask[row]
    paid, score = rewards[row][mask].tolist(), rollout.score[row].item()
    penalties = [*paid[:-1], paid[-1] - score]
    figure, ax = style.panel(max(6.5, 1.5 + 0.42 * len(paid)), 4.2, "token of the reply", "reward (units of the score)")
    ax.bar(range(len(paid)), penalties, color=style.colour("SFT"), width=0.7)
    base = max(penalties[-1], 0.0) if score > 0 else min(penalties[-1], 0.0)
    ax.bar(len(paid) - 1, score, bottom=base, color=style.colour("proxy"), width=0.7, hatch="//", edgecolor="white")
    ax.axhline(0, color=style.INK, linewidth=1)
    style.at_least(ax, min(base + score, 0) - 0.3, max(base + score, 0) + 0.25)
    earned, fines, total = (style.signed(x, 2) for x in (score, sum(penalties), sum(paid)))
    bold, (lift, side) = {"size": style.SMALL + 1, "weight": "bold"}, (6, "bottom") if score > 0 else (-6, "top")
    end, tone = (len(paid) - 1, base + score), style.ink("proxy")
    style.note(ax, f"score {earned}", end, (-6, lift), color=tone, ha="right", va=side, **bold)
    style.note(ax, f"penalties {fines} in all", (0.01, 0.97), of="axes", color=style.ink("SFT"), va="top", **bold)
    _token_axis(ax, _reply(rollout, tokenizer, row))
    title = f"Score {earned}, penalties {fines}: this reply earns {total}"
    return style.headline(figure, title + (f"\n({by})" if by else ""))


def expectations(
    rollout: Rollout, rewards: PerToken, estimates: Estimate, tokenizer: Tokenizer, row: int = 0
) -> Figure:
    """The value before each token, the rewards still to come, and the advantages before whitening."""
    mask = rollout.response_mask[row]
    values, returns = estimates.values[row][mask].tolist(), estimates.returns[row][mask].tolist()
    advantages = [r - v for r, v in zip(returns, values, strict=True)]
    still = rewards[row][mask].flip(0).cumsum(0).flip(0).tolist()  # the undiscounted return from this token on
    figure = style.new_figure(8.0, 5.4)
    above, below = figure.subplots(2, 1, sharex=True)
    style.dress(above, "Expected from here on (value)", "", "score units")
    above.plot(values, color=style.colour("RLHF"), linewidth=2, marker="o", markersize=4)
    above.step(range(len(still)), still, where="mid", color=style.ink("proxy"), linewidth=1.4, linestyle=style.DASHED)
    style.at_least(above, min(0.0, *still) - 0.2, max(0.0, *still) + 0.35)
    look = {"color": style.ink("proxy"), "ha": "right", "va": "baseline"}
    style.note(above, "dashed: what was still to be earned", (1, 1), (-2, 4), of="axes", **look)
    style.dress(below, "Better or worse than expected (advantage)", "token of the reply", "score units")
    for bar in below.bar(range(len(values)), advantages, color=style.colour("SFT"), width=0.7):
        if bar.get_height() < 0:
            bar.set_color(style.colour("RLHF"))
    below.axhline(0, color=style.INK, linewidth=1)
    above.tick_params(labelbottom=False)
    _token_axis(below, _reply(rollout, tokenizer, row))
    first, earned = style.signed(values[0], 2), style.signed(still[0], 2)
    return style.headline(figure, f"Expected {first} before the first word, earned {earned}")


def _reply(rollout: Rollout, tokenizer: Tokenizer, row: int) -> list[str]:
    """The tokens of a reply, as labels below an axis."""
    pieces = pieces_of(rollout, tokenizer, row)
    return [style.drawable(visible(pieces[t])) for t in rollout.response_mask[row].nonzero().flatten().tolist()]


def _token_axis(ax: Axes, pieces: Sequence[str]) -> None:
    turned: dict[str, Any] = (
        {"rotation": 90} if len(pieces) > 14 else {"rotation": 60, "ha": "right", "rotation_mode": "anchor"}
    )
    ax.set_xticks(range(len(pieces)), pieces, parse_math=False, **turned)
    ax.set_xlim(-0.7, len(pieces) - 0.3)


def symptoms(runs: Mapping[str, Sequence[PPORecord]], updates: int = 0) -> Figure:
    """A column for each run but the first, a row for each number; the first, healthy one is dashed in all of them."""
    healthy, *names = runs
    figure = style.new_figure(1.2 + 1.7 * len(names), 8.4)
    grid = figure.subplots(len(SYMPTOMS), len(names), sharex=True, sharey="row", squeeze=False)
    last = max([updates, 2, *(record.update for records in runs.values() for record in records)])
    for i, (field, (label, logarithmic)) in enumerate(SYMPTOMS.items()):
        for k, name in enumerate(names):
            bottom = i == len(SYMPTOMS) - 1
            ax = style.dress(grid[i, k], name if i == 0 else "", "update" if bottom else "", label if k == 0 else "")
            looks = ((style.PALE, 1.4, "--"), (style.colour("RLHF"), 2.2, "-"))
            for run, (tone, width, dashes) in zip((runs[healthy], runs[name]), looks, strict=True):
                ys, dot = [getattr(record, field) for record in run], "." if len(run) == 1 else ""
                ax.plot([r.update for r in run], ys, color=tone, linewidth=width, linestyle=dashes, marker=dot)
            if logarithmic:
                ax.set_yscale("log")
            style.whole_numbers(ax, last)
        if not logarithmic:  # all of a row share their axis
            style.at_least(grid[i, 0], 0.0, {"score": 1.0, "kl": 5.0, "clip_fraction": 0.2, "ended": 1.1}[field])
    return style.headline(figure, f"What is broken in {', '.join(names)}? (dashed: {healthy})")


def leash_plot(rows: Rows, live: Row | None = None, start: float | None = None) -> Figure:
    """Score, gold score and KL of recorded runs against β; `live`: the run of this notebook, a star.

    A row: beta, seed, score, gold, kl. `start`: the gold score before any tuning.
    """
    betas = sorted({row["beta"] for row in rows} | ({live["beta"]} if live else set()))
    figure = style.new_figure(8.0, 4.4)
    worth, distance = figure.subplots(1, 2)
    style.dress(worth, "What is it worth?", "β (score a nat)", "score of a reply")
    style.dress(distance, "How far did it go?", "β (score a nat)", "KL (nats a reply)")
    ends = []
    for ax, name, tone in ((worth, "score", "proxy"), (worth, "gold", "gold"), (distance, "kl", "RLHF")):
        runs = [[(float(betas.index(beta)), y) for beta, y in run] for run in by_seed(rows, "beta", name)]
        x, y = style.draw_runs(ax, runs, style.colour(tone))
        if ax is worth:
            ends.append((x, y, {"score": "reward\nmodel", "gold": "gold"}[name], style.ink(tone)))
        if live:
            star = {"color": style.ink(tone), "markersize": 15, "markeredgecolor": "white"}
            ax.plot(betas.index(live["beta"]), live[name], "*", **star)
    style.at_least(distance, 0.0, 1.0)
    if start is not None:
        style.level(worth, start, "gold before tuning", style.ink("gold"))
    for ax in (worth, distance):
        ax.set_xticks(range(len(betas)), [f"{beta:g}" for beta in betas])
        ax.set_xlim(-0.3, len(betas) - 0.5)
    style.name_ends(worth, ends, gap=0.16)
    units = "Gold and reward model's score: each in its own unit"
    style.caption(figure, f"thin: a seed each; band: lowest to highest. {units}")
    key = f"recorded, {len(distinct(rows, 'seed'))} seeds" + ("; star: your run" if live else "")
    best = max(distinct(rows, "beta"), key=lambda beta: mean(select(rows, beta=beta), "gold"))
    return style.headline(figure, f"Gold is highest at β = {best:g} ({key})")


def leash_progress(records: Sequence[PPORecord], target: float, by: str = "", updates: int = 0) -> Figure:
    """An adaptive β, and the KL that it moves towards its target. `by`: whose rule it is."""
    figure = style.new_figure(10.5, 3.9)
    distance, strength = figure.subplots(1, 2)
    steps = [record.update for record in records]
    for ax, name, label, title in (
        (distance, "kl", "KL", "How far from the reference?"),
        (strength, "beta", "β", "How strong is the leash?"),
    ):
        style.dress(ax, title, "update", f"{label} ({METRICS[PPORecord][name].unit})")
        ax.plot(steps, [getattr(r, name) for r in records], color=style.colour("RLHF"), linewidth=2, marker=".")
        style.whole_numbers(ax, max([updates, 2, *steps]))
    style.at_least(distance, 0.0, 1.2 * target)
    style.level(distance, target, f"target {target:g}", style.ink("SFT"))
    style.at_least(strength, 0.0, 1.15 * max(r.beta for r in records))
    first, last = records[0], records[-1]
    title = f"β {first.beta:.2g} → {last.beta:.2g}, KL {last.kl:.1f} (target {target:g})"
    return style.headline(figure, title + (f", by {by}" if by else ""))
