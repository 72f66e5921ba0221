"""Pictures of supervised fine-tuning: where it attaches, and what imitation gives, keeps and cannot change.

supervision_strip(model, tokens, mask, tokenizer)    shift_arrows(tokens, mask, asked, tokenizer)
run_panels({"as it should be": {"gold score": 1.5}})   tone_shares({"SFT": replies})
memorising_curve([(5, 0.4, 0.6), …])   more_steps(read_recorded("sft_steps"))
"""

from collections.abc import Mapping, Sequence
from math import exp, sqrt

import torch
from matplotlib.figure import Figure

from minirlhf.course.plots.language import (
    BEHIND,
    END,
    GRID,
    INK,
    MEDIUM,
    PALE,
    SMALL,
    colour,
    draw_runs,
    drawable,
    dress,
    headline,
    ink,
    level,
    name_ends,
    new_figure,
    signed,
    tint,
    whole_numbers,
)
from minirlhf.course.plots.strip import TokenStrip, visible
from minirlhf.model import CausalLM
from minirlhf.ops import Mask, Tokens
from minirlhf.tokenizer import Tokenizer
from minirlhf.worlds.helpdesk import TONES, tones_in

PLAIN = "no mark"  # plain and curt talk has no phrases of its own
SHOWN = ("warm", "formal", PLAIN, "salesy", "flowery", "rude")  # from what people like to what they do not


@torch.no_grad()
def supervision_strip(model: CausalLM, tokens: Tokens, mask: Mask, tokenizer: Tokenizer, row: int = 0) -> TokenStrip:
    """One row of a batch, token by token: which tokens are supervised, and what each of them costs this model.

    `tokens` and `mask` are a batch as `Demonstrations.batch` gives it.
    """
    ids, counts = tokens[row].tolist(), mask[row].tolist()
    log_p = torch.log_softmax(model(tokens[row : row + 1])[0], dim=-1)
    pieces = [token_name(i, tokenizer) for i in ids]
    costs: list[float | None] = [None] * len(ids)
    details = []
    for t, counted in enumerate(counts):
        if counted:
            costs[t] = -log_p[t - 1, ids[t]].item()
            first = token_name(int(log_p[t - 1].argmax()), tokenizer)
            details.append(_supervised(t, pieces, costs[t] or 0.0, first))
        elif ids[t] == tokenizer.pad_id:
            details.append("padding: fills the row up to the longest one. Not supervised, and never read.")
        else:
            details.append("prompt: the model reads it. Not supervised: nobody asks for it.")
    n = sum(counts)
    title = f"{n} of {len(ids)} tokens are supervised"
    notes = {"cost": "nats: how surprised the model is by this token", "supervised": "✓: the loss counts it"}
    return TokenStrip(pieces, {"supervised": counts, "cost": costs}, details, title, notes)


def _supervised(t: int, pieces: Sequence[str], cost: float, first: str) -> str:
    said = visible(pieces[t])
    return (
        f"response: supervised. It must say “{said}”.\n"
        f"asked: the logits at token {t - 1}, “{visible(pieces[t - 1])}”, one place to the left\n"
        f"its first guess: “{visible(first)}”{', right' if first == pieces[t] else ''}\n"
        f"probability of “{said}”: {exp(-cost):.3f}\n"
        f"cost: −ln {exp(-cost):.3f} = {cost:.2f} nats"
    )


def token_name(i: int, tokenizer: Tokenizer) -> str:
    """A token as a reader wants to see it: end of text and padding have names."""
    special = {tokenizer.eos_id: END, tokenizer.pad_id: "⟨pad⟩"}
    return special.get(i) or tokenizer.decode([i])


def shift_arrows(tokens: Tokens, mask: Mask, asked: Mask, tokenizer: Tokenizer, by: str = "", row: int = 0) -> Figure:
    """Who is asked for what: one row of a batch as it is read, and above it what the logits there must say.

    `mask` is True where a token counts, `asked` where a model is asked for the next one, as `predicting_positions`
    finds it; `by` says who wrote that.
    """
    n = min(int((tokens[row] != tokenizer.pad_id).sum()) + 2, tokens.shape[1])  # two tokens of padding will do
    pieces = [drawable(visible(token_name(i, tokenizer))) for i in tokens[row, : n + 1].tolist()] + ["nothing"]
    figure = new_figure(11.0, 3.2)
    ax = figure.add_subplot()
    for t, piece in enumerate(pieces[:n]):
        face = tint("SFT", 0.3) if mask[row, t] else GRID
        ax.text(
            t,
            0,
            piece,
            ha="center",
            va="center",
            fontsize=MEDIUM,
            color=INK,
            rotation=60,
            parse_math=False,
            bbox={"facecolor": face, "edgecolor": "none", "boxstyle": "round,pad=0.25"},
        )
        ax.text(t, -0.75, str(t), ha="center", fontsize=SMALL, color=PALE)
        if asked[row, t]:
            right = bool(mask[row, t + 1 : t + 2].any())
            tone = ink("SFT" if right else "RLHF")
            ax.annotate("", (t, 1.1), (t, 0.5), arrowprops={"arrowstyle": "->", "color": tone, "lw": 1.8})
            ax.plot([t + 0.12, t + 0.88], [1.05, 0.5], color=PALE, linewidth=1, linestyle=":")
            ax.text(
                t,
                1.5,
                pieces[t + 1],
                ha="center",
                va="center",
                fontsize=MEDIUM,
                rotation=60,
                parse_math=False,
                color=tone,
                fontweight="bold",
            )
    ax.set(xlim=(-2.4, n - 0.4), ylim=(-0.9, 2.1))
    for height, text in ((0, "reads"), (1.5, "must say")):
        ax.text(-0.9, height, text, ha="right", va="center", fontsize=MEDIUM, fontweight="bold", color=INK)
    ax.axis("off")
    who = f", found by {by}" if by else ""
    headline(figure, f"{int(asked[row].sum())} places speak about {int(mask[row].sum())} supervised tokens{who}")
    return figure


def run_panels(measured: Mapping[str, Mapping[str, float | int]], control: str = "", title: str = "") -> Figure:
    """Several runs side by side: a row for each run, a panel for each number that was measured, units in its name.

    The control, the first run where none is named, is drawn in colour; a dashed line carries its number to the others.
    """
    runs, names = list(measured), list(next(iter(measured.values())))
    control = control or runs[0]
    figure = new_figure(2.2 + 2.3 * len(names), 1.3 + 0.45 * len(runs))
    axes = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for ax, name in zip(axes, names, strict=True):
        values = [measured[run][name] for run in runs]
        low, high = min(0.0, *values), max(0.0, *values)
        dress(ax, "", name, "trained on" if ax is axes[0] else "", grid="x")
        tones = [colour("SFT") if run == control else "#8C8C8C" for run in runs]
        ax.barh(range(len(runs)), values, color=tones, height=0.6)
        ax.axvline(measured[control][name], color=ink("SFT"), linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        for row, value in enumerate(values):
            ax.annotate(
                _short(value, max(high, -low)),
                (max(value, 0.0), row),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=SMALL,
                color=INK,
                bbox=BEHIND,
            )
        ax.axvline(0, color=INK, linewidth=1)
        ax.set_xlim(low - 0.05 * (high - low), high + 0.32 * (high - low or 1.0))
        ax.set_yticks(range(len(runs)), runs, fontsize=MEDIUM)
        ax.xaxis.get_major_locator().set_params(nbins=3)
        ax.tick_params(axis="y", length=0)
    axes[0].invert_yaxis()
    headline(figure, title or "The same data, steps and seed; one thing differs")
    return figure


def _short(value: float | int, largest: float | int) -> str:
    return f"{value:.0f}" if largest >= 10 else signed(value, 2).removeprefix("+")


def tone_shares(replies: Mapping[str, Sequence[str]]) -> Figure:
    """In how many of 100 replies each tone is struck: a dot for each model, bars are 95 % intervals."""
    figure = new_figure(7.5, 1.6 + 0.55 * len(SHOWN))
    ax = dress(figure.add_subplot(), "", "of 100 replies", "tone", grid="x")
    shares = {name: [_share(tone, texts) for tone in SHOWN] for name, texts in replies.items()}
    markers = "Dosv^"
    for k, (name, texts) in enumerate(replies.items()):
        offset = 0.22 * (k - (len(replies) - 1) / 2)
        half = [1.96 * sqrt(p * (1 - p) / len(texts)) for p in shares[name]]
        ax.errorbar(
            [100 * p for p in shares[name]],
            [row + offset for row in range(len(SHOWN))],
            xerr=[100 * h for h in half],
            fmt=markers[k % 5],
            color=ink(name),
            markersize=7,
            capsize=3,
            linewidth=1.5,
            label=name,
        )
    ax.set_yticks(range(len(SHOWN)), SHOWN, fontsize=MEDIUM)
    ax.invert_yaxis()
    ax.set_xlim(left=0)
    ax.legend(loc="lower right", fontsize=MEDIUM, frameon=False)
    rude = ", ".join(f"{name} {100 * row[-1]:.0f}" for name, row in shares.items())
    headline(figure, f"Rude in 100 replies: {rude}")
    return figure


def _share(tone: str, texts: Sequence[str]) -> float:
    marks = [tones_in(text) for text in texts]
    return sum(not found if tone == PLAIN else tone in found for found in marks) / len(texts)


def memorising_curve(points: Sequence[tuple[int, float, float]], level_at: float | None = None) -> Figure:
    """Loss on what is learned from and on what is not: (step, training loss, held-out loss) in nats a token.

    `level_at`: the held-out loss before the first step.
    """
    figure = new_figure(7.5, 4.2)
    ax = dress(figure.add_subplot(), "", "step", "loss (nats a token)")
    learned, unseen = ([(point[0], point[k]) for point in points] for k in (1, 2))
    lines = {"learned from": (learned, "SFT"), "held out": (unseen, "RLHF")}
    ends = []
    for (name, (line, tone)), style in zip(lines.items(), ("-", (0, (4, 1.5))), strict=True):
        ax.plot(*zip(*line, strict=True), color=colour(tone), linewidth=2, linestyle=style, marker="o", markersize=3)
        ends.append((*map(float, line[-1]), f"{name} {line[-1][1]:.2f}", ink(tone)))
    if level_at is not None:
        level(ax, level_at, "held out, before the first step", PALE)
    ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    ax.margins(x=0.02)
    whole_numbers(ax)
    name_ends(ax, ends)
    _, first, last = points[-1]
    headline(figure, f"Learned from: {first:.2f} nats a token; never seen: {last:.2f}")
    return figure


def more_steps(rows: Sequence[Mapping[str, float | int]]) -> Figure:
    """Recorded: what more steps of imitation change, over seeds; dashed lines say where the demonstrators stand.

    Each row has `steps`, `seed`, and a number for each of MEASURED; the demonstrators' row has `steps` 0.
    """
    figure = new_figure(12.0, 3.6)
    own = next(row for row in rows if row["steps"] == 0)
    runs = [row for row in rows if row["steps"] > 0]
    steps, seeds = (sorted({row[name] for row in runs}) for name in ("steps", "seed"))
    for ax, (name, unit) in zip(figure.subplots(1, len(MEASURED)), MEASURED.items(), strict=True):
        dress(ax, name.replace("_", " "), "steps", unit)
        lines = [sorted((float(r["steps"]), float(r[name])) for r in runs if r["seed"] == seed) for seed in seeds]
        draw_runs(ax, lines, colour("SFT"))
        for line in lines:
            ax.plot(*zip(*line, strict=True), "o", color=colour("SFT"), markersize=4)
        ax.set_xscale("log")
        ax.set_xticks(steps, [f"{s:.0f}" for s in steps])
        ax.minorticks_off()
        if name in own:
            ax.set_ylim(0, 1.35 * max(own[name], *(y for line in lines for _, y in line)))
            level(ax, own[name], "the demonstrators", ink("gold"))
    last = [row for row in runs if row["steps"] == max(steps)]
    mean = sum(row["rude"] for row in last) / len(last)
    headline(figure, f"After {max(steps):.0f} steps: rude in {mean:.0f} of 100 (recorded, {len(last)} seeds)")
    return figure


MEASURED = {
    "gold": "score of a reply",
    "right_remedy": "of 100 replies",
    "rude": "of 100 replies",
    "held_out": "loss (nats a token)",
}
assert set(SHOWN) - {PLAIN} <= set(TONES)
