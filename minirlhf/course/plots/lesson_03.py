"""Supervised fine-tuning: which tokens the loss counts, ablations, tones of replies, overfitting.

supervision_strip(model, tokens, mask, tokenizer)      shift_arrows(tokens, mask, predicting, tokenizer)
run_panels({"as it should be": {"gold score": 1.5}})   tone_shares({"SFT": replies})
memorising_curve([(5, 0.4, 0.6), …])                   more_steps(read_recorded("sft_steps"))
"""

from collections.abc import Mapping, Sequence
from math import exp

import numpy as np
import torch
from matplotlib.figure import Figure

from minirlhf.course.plots import style
from minirlhf.course.plots.rows import Rows, by_seed, mean, select
from minirlhf.course.plots.strip import TokenStrip, visible
from minirlhf.files.messages import counted
from minirlhf.model import CausalLM
from minirlhf.ops import Mask, Tokens
from minirlhf.tokenizer import Tokenizer
from minirlhf.worlds.helpdesk import TONES, tones_in

PLAIN = "no mark"  # plain and curt talk has no phrases of its own
SHOWN = ("warm", "formal", PLAIN, "salesy", "flowery", "rude")  # from what people like to what they do not


@torch.no_grad()
def supervision_strip(model: CausalLM, tokens: Tokens, mask: Mask, tokenizer: Tokenizer, row: int = 0) -> TokenStrip:
    """One row of a batch, token by token: which tokens are supervised, and the loss of each under this model.

    `tokens` and `mask` are a batch as `Demonstrations.batch` gives it.
    """
    ids, counts = tokens[row].tolist(), mask[row].tolist()
    log_p = torch.log_softmax(model(tokens[row : row + 1])[0], dim=-1)
    pieces = [token_name(i, tokenizer) for i in ids]
    costs: list[float | None] = [None] * len(ids)
    details = []
    for t, supervised in enumerate(counts):
        if supervised:
            costs[t] = -log_p[t - 1, ids[t]].item()
            first = token_name(int(log_p[t - 1].argmax()), tokenizer)
            details.append(_supervised(t, pieces, costs[t] or 0.0, first))
        elif ids[t] == tokenizer.pad_id:
            details.append("padding: fills the row up to the longest one. Not supervised, and never read.")
        else:
            details.append("prompt: the model reads it. Not supervised: nobody asks for it.")
    n = sum(counts)
    title = f"{n} of {len(ids)} tokens {'is' if n == 1 else 'are'} supervised"
    notes = {"cost": "nats: how surprised the model is by this token", "supervised": "✓: the loss counts it"}
    return TokenStrip(pieces, {"supervised": counts, "cost": costs}, details, title, notes)


def _supervised(t: int, pieces: Sequence[str], cost: float, first: str) -> str:
    target = visible(pieces[t])
    return (
        f"response: supervised. It must say “{target}”.\n"
        f"asked: the logits at token {t - 1}, “{visible(pieces[t - 1])}”, one place to the left\n"
        f"its first guess: “{visible(first)}”{', right' if first == pieces[t] else ''}\n"
        f"probability of “{target}”: {exp(-cost):.3f}\n"
        f"cost: −ln {exp(-cost):.3f} = {cost:.2f} nats"
    )


def token_name(i: int, tokenizer: Tokenizer) -> str:
    """A token as text; end of text and padding by their names."""
    special = {tokenizer.eos_id: style.END, tokenizer.pad_id: "⟨pad⟩"}
    return special.get(i) or tokenizer.decode([i])


def shift_arrows(
    tokens: Tokens, mask: Mask, predicting: Mask, tokenizer: Tokenizer, by: str = "", row: int = 0
) -> Figure:
    """One row of a batch, and above each position whose logits count the token that they predict.

    `mask` is True where a token counts, `predicting` where the next one does, as `predicting_positions` finds it;
    `by` says whose function that was.
    """
    n = min(int((tokens[row] != tokenizer.pad_id).sum()) + 2, tokens.shape[1])  # two tokens of padding will do
    pieces = [style.drawable(visible(token_name(i, tokenizer))) for i in tokens[row, : n + 1].tolist()] + ["nothing"]
    figure = style.new_figure(8.0, 3.4)
    ax = figure.add_subplot()
    upright = {"size": style.SMALL, "ha": "center", "rotation": 90, "parse_math": False}
    for t, piece in enumerate(pieces[:n]):
        face = style.tint("SFT", 0.3) if mask[row, t] else style.GRID
        box = {"facecolor": face, "edgecolor": "none", "boxstyle": "round,pad=0.15"}
        style.note(ax, piece, (t, 0), bbox=box, **upright)
        if t % 5 == 0:
            style.note(ax, str(t), (t, -0.85), color=style.PALE, ha="center", va="baseline")
        if predicting[row, t]:
            right = bool(mask[row, t + 1 : t + 2].any())
            tone = style.ink("SFT" if right else "RLHF")
            ax.annotate("", (t, 1.1), (t, 0.5), arrowprops={"arrowstyle": "->", "color": tone, "lw": 1.8})
            ax.plot([t + 0.12, t + 0.88], [1.05, 0.5], color=style.PALE, linewidth=1, linestyle=":")
            style.note(ax, pieces[t + 1], (t, 1.5), color=tone, weight="bold", **upright)
    ax.set(xlim=(-5.2, n - 0.4), ylim=(-1.0, 2.1))
    for height, text in ((0, "reads"), (1.5, "must say")):
        style.note(ax, text, (-0.9, height), size=style.MEDIUM, weight="bold", ha="right")
    ax.axis("off")
    who = f", found by {by}" if by else ""
    places, supervised = int(predicting[row].sum()), int(mask[row].sum())
    speak = f"{places} places speak" if places != 1 else "1 place speaks"
    return style.headline(figure, f"{speak} about {counted(supervised, 'supervised token')}{who}")


def run_panels(measured: Mapping[str, Mapping[str, float | int]], control: str = "", title: str = "") -> Figure:
    """Several runs side by side: a row for each run, a panel for each number that was measured, units in its name.

    The control, the first run where none is named, is drawn in colour; a dashed line carries its number to the others.
    """
    runs, names = list(measured), list(next(iter(measured.values())))
    control = control or runs[0]
    across = 2 if len(names) == 4 else 3
    rows = -(-len(names) // across)
    figure = style.new_figure(8.0, 0.6 + rows * (0.75 + 0.36 * len(runs)))
    grid = figure.subplots(rows, min(across, len(names)), sharey=True, squeeze=False)
    for ax in list(grid.flat)[len(names) :]:
        ax.set_axis_off()
    for ax, name in zip(list(grid.flat)[: len(names)], names, strict=True):
        values = [measured[run][name] for run in runs]
        low, high = min(0.0, *values), max(0.0, *values)
        style.dress(ax, "", name, "trained on" if ax in grid[:, 0] else "", grid="x")
        tones = [style.colour("SFT") if run == control else "#8C8C8C" for run in runs]
        ax.barh(range(len(runs)), values, color=tones, height=0.6)
        ax.axvline(measured[control][name], color=style.ink("SFT"), linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        for row, value in enumerate(values):
            style.note(ax, _short(value, max(high, -low)), (1, row), (-2, 0), of="row", ha="right")
        ax.axvline(0, color=style.INK, linewidth=1)
        ax.set_xlim(low - 0.05 * (high - low), high + 0.32 * (high - low or 1.0))
        ax.set_yticks(range(len(runs)), runs, fontsize=style.MEDIUM)
        ax.xaxis.get_major_locator().set_params(nbins=3)
        ax.tick_params(axis="y", length=0)
    grid[0, 0].invert_yaxis()
    return style.headline(figure, title or "The same data, steps and seed; one thing differs")


def _short(value: float | int, largest: float | int) -> str:
    return f"{value:.0f}" if largest >= 10 else style.signed(value, 2).removeprefix("+")


def tone_shares(replies: Mapping[str, Sequence[str]]) -> Figure:
    """The share of replies with each tone: a dot for each model, bars are 95 % intervals."""
    figure, ax = style.panel(7.5, 1.5 + 0.4 * len(SHOWN), "of 100 replies", "tone", grid="x")
    shares = {name: np.array([_share(tone, texts) for tone in SHOWN]) for name, texts in replies.items()}
    for k, (name, p) in enumerate(shares.items()):
        rows = np.arange(len(SHOWN)) + 0.22 * (k - (len(replies) - 1) / 2)
        half = 1.96 * np.sqrt(p * (1 - p) / len(replies[name]))
        look = {"fmt": "Dosv^"[k % 5], "color": style.ink(name), "markersize": 7, "capsize": 3, "linewidth": 1.5}
        ax.errorbar(100 * p, rows, xerr=100 * half, label=name, **look)
    ax.set_yticks(range(len(SHOWN)), SHOWN, fontsize=style.MEDIUM)
    ax.invert_yaxis()
    ax.set_xlim(left=0)
    ax.legend(loc="lower right", fontsize=style.MEDIUM, frameon=False)
    rude = ", ".join(f"{name} {100 * row[-1]:.0f}" for name, row in shares.items())
    return style.headline(figure, f"Rude in 100 replies: {rude}")


def _share(tone: str, texts: Sequence[str]) -> float:
    marks = [tones_in(text) for text in texts]
    return sum(not found if tone == PLAIN else tone in found for found in marks) / len(texts)


def memorising_curve(points: Sequence[tuple[int, float, float]], level_at: float | None = None) -> Figure:
    """Training loss and held-out loss: points are (step, training loss, held-out loss) in nats a token.

    `level_at`: the held-out loss before the first step.
    """
    figure, ax = style.panel(7.5, 4.2, "step", "loss (nats a token)")
    learned, unseen = ([(point[0], point[k]) for point in points] for k in (1, 2))
    lines = {"learned from": (learned, "SFT"), "held out": (unseen, "RLHF")}
    ends = []
    for (name, (line, tone)), dashes in zip(lines.items(), ("-", (0, (4, 1.5))), strict=True):
        look = {"color": style.colour(tone), "linewidth": 2, "linestyle": dashes, "marker": "o", "markersize": 3}
        ax.plot(*zip(*line, strict=True), **look)
        ends.append((*map(float, line[-1]), f"{name} {line[-1][1]:.2f}", style.ink(tone)))
    if level_at is not None:
        style.level(ax, level_at, "held out, before the first step", style.PALE)
    ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    ax.margins(x=0.02)
    style.whole_numbers(ax)
    style.name_ends(ax, ends)
    _, first, last = points[-1]
    return style.headline(figure, f"Learned from: {first:.2f} nats a token; never seen: {last:.2f}")


def more_steps(rows: Rows) -> Figure:
    """Recorded: metrics against the number of SFT steps, over seeds; dashed lines are those of the demonstrators.

    Each row has `steps`, `seed`, and a number for each of MEASURED; the demonstrators' row has `steps` 0.
    """
    figure = style.new_figure(8.0, 5.6)
    (own,), runs = select(rows, steps=0), [row for row in rows if row["steps"] > 0]
    steps = sorted({row["steps"] for row in runs})
    for ax, (name, unit) in zip(figure.subplots(2, 2).flat, MEASURED.items(), strict=True):
        style.dress(ax, name.replace("_", " "), "steps", unit)
        lines = by_seed(runs, "steps", name)
        style.draw_runs(ax, lines, style.colour("SFT"))
        for line in lines:
            ax.plot(*zip(*line, strict=True), "o", color=style.colour("SFT"), markersize=4)
        ax.set_xscale("log")
        ax.set_xticks(steps, [f"{s:.0f}" for s in steps])
        ax.minorticks_off()
        if name in own:
            ax.set_ylim(0, 1.35 * max(own[name], *(y for line in lines for _, y in line)))
            style.level(ax, own[name], "the demonstrators", style.ink("gold"))
    last = select(runs, steps=max(steps))
    rude, seeds = mean(last, "rude"), len(last)
    return style.headline(figure, f"After {max(steps):.0f} steps: rude in {rude:.0f} of 100 (recorded, {seeds} seeds)")


MEASURED = {
    "gold": "score of a reply",
    "right_remedy": "of 100 replies",
    "rude": "of 100 replies",
    "held_out": "loss (nats a token)",
}
assert set(SHOWN) - {PLAIN} <= set(TONES)
