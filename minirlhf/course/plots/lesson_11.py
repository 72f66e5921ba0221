"""Without a reward model: an optimum that is known, two walks to it, the chosen that falls, and where the mass went."""

from collections.abc import Mapping, Sequence
from math import log
from textwrap import shorten
from typing import TYPE_CHECKING

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from minirlhf.course.plots import style
from minirlhf.course.plots.replies import largest
from minirlhf.course.plots.rows import Row, Rows, by_seed, distinct, mean, select
from minirlhf.dpo import DPORecord
from minirlhf.kto import KTORecord

if TYPE_CHECKING:  # importing it would bring a database to every lesson
    from minirlhf.recipes.direct import DirectRecord

LETTERS = 44  # of a reply, beside its row
TONES = {"DPO": "DPO", "REINFORCE, with the leash": "RLHF"}
LN2 = log(2)
RAREST = 1e-7  # a reply that is less probable than that is drawn there


def optimum_bars(replies: Sequence[str], ref_probs: Tensor, optimum: Tensor, rewards: Tensor, beta: float) -> Figure:
    """A few replies: what the reference says (dashed) and what the best policy on this leash says."""
    figure, ax = style.panel(8.0, 1.5 + 0.62 * len(replies), "share of all replies (%)", "reply", grid="x")
    for row, (before, after) in enumerate(zip(ref_probs.tolist(), optimum.tolist(), strict=True)):
        ax.barh(row, 100 * after, height=0.56, color=style.colour("DPO"))
        look = {"fill": False, "edgecolor": style.ink("SFT"), "linestyle": style.DASHED, "linewidth": 1.8}
        ax.barh(row, 100 * before, height=0.74, **look)
        words = f"{before:.0%} → {after:.0%}"
        style.note(ax, words, (100 * max(before, after), row), (6, 0), color=style.ink("DPO"), **style.BOLD)
    names = [f"{_short(reply)}\nreward {reward:g}" for reply, reward in zip(replies, rewards.tolist(), strict=True)]
    style.name_rows(ax, names)
    ax.set_xlim(0, 122)
    ax.set_xticks([0, 25, 50, 75, 100])
    style.caption(figure, "dashed: the reference; purple: the best policy")
    paid, kl = (optimum @ rewards).item(), _kl(optimum, ref_probs)
    return style.headline(figure, f"β = {beta:g}: {paid:.2f} of reward, {kl:.2f} nats from the reference")


def _kl(probs: Tensor, ref_probs: Tensor) -> float:
    return torch.where(probs > 0, probs * (probs / ref_probs).log(), 0.0).sum().item()


def two_walks(replies: Sequence[str], optimum: Tensor, walks: Mapping[str, Sequence[Tensor]]) -> Figure:
    """Each reply's probability over the steps, a panel for each, and where the exact optimum is."""
    figure = style.new_figure(8.0, 4.0)
    panels = figure.subplots(1, len(replies), sharey=True)
    for i, (ax, reply) in enumerate(zip(panels, replies, strict=True)):
        style.dress(ax, _short(reply, 26), "step", "" if i else "probability of the reply")
        for name, walk in walks.items():
            tone = TONES.get(name, name)
            line = [probs[i].item() for probs in walk]
            dashes = "-" if name == "DPO" else (0, (4, 1))
            ax.plot(range(len(line)), line, color=style.colour(tone), linewidth=2.2, linestyle=dashes)
        goal = optimum[i].item()
        ax.axhline(goal, color=style.INK, linewidth=1.2, linestyle=style.DASHED, zorder=1)
        words = f"the optimum: {goal:.1%}"
        high = goal > 0.5
        at, va, shift = (0.98, goal), "top" if high else "bottom", (0, -4 if high else 4)
        style.note(ax, words, at, shift, of="row", ha="right", va=va, bbox=style.BEHIND)
        ax.set_ylim(-0.03, 1.03)
    heights = iter((0.62, 0.5))
    for name in walks:
        tone = style.ink(TONES.get(name, name))
        words = name.replace(", ", ",\n")
        style.note(panels[1], words, (0.98, next(heights)), of="axes", color=tone, ha="right", va="top", weight="bold")
    style.caption(
        figure, "solid: DPO, from choices alone; broken: REINFORCE, from draws and rewards; thin: the optimum"
    )
    ends = "; ".join(f"{name} {0.5 * (walk[-1] - optimum).abs().sum():.1%}" for name, walk in walks.items())
    return style.headline(figure, f"How far from the optimum at the end? {ends}")


def chosen_may_fall(moved: Sequence[tuple[float, float]], at_optimum: tuple[float, float]) -> Figure:
    """Over the steps of DPO: how far the log-probability of the chosen and of the rejected has moved, and will."""
    figure, ax = style.panel(8.0, 4.0, "step", "log-probability since the start (nats)")
    ends = []
    for side, (name, tone) in enumerate((("chosen", "DPO"), ("rejected", "base"))):
        line = [pair[side] for pair in moved]
        ax.plot(range(len(line)), line, color=style.colour(tone), linewidth=2.5)
        ends.append((float(len(line) - 1), line[-1], f"{name}\n{style.signed(line[-1], 2)}", style.ink(tone)))
        ax.axhline(at_optimum[side], color=style.ink(tone), linewidth=1.2, linestyle=style.DASHED, zorder=1)
        words = f"{name}, at the optimum: {style.signed(at_optimum[side], 2)}"
        style.note(ax, words, (0.5, at_optimum[side]), (0, 3), of="row", color=style.ink(tone), va="bottom")
    ax.axhline(0, color=style.INK, linewidth=1)
    ax.margins(x=0.02)
    style.at_least(ax, 1.15 * min(at_optimum), 0.5)
    style.name_ends(ax, ends, gap=0.14)
    fell = "has fallen" if at_optimum[0] < 0 else "has risen"
    return style.headline(figure, f"At the true optimum the chosen {fell}: {style.signed(at_optimum[0], 2)} nats")


def direct_progress(records: "Sequence[DirectRecord]") -> Figure:
    """What `learn_directly` yields: how probable chosen and rejected are, and the loss beside that of a coin."""
    steps = [record for record in records if isinstance(record, DPORecord | KTORecord)]
    figure = style.new_figure(8.0, 4.0, tidy=False)  # fixed margins: nothing moves from one drawing to the next
    margins = {"left": 0.09, "right": 0.87, "top": 0.8, "bottom": 0.13, "wspace": 0.5}
    moved, loss = figure.subplots(1, 2, gridspec_kw=margins)
    thumbs = bool(steps) and isinstance(steps[-1], KTORecord)
    steps = [record for record in steps if isinstance(record, KTORecord) == thumbs]
    style.dress(
        moved, "Which replies gain?", "step", "implicit reward (mean)" if thumbs else "log-prob. of a reply (nats)"
    )
    style.dress(loss, "Does it explain the votes?", "step", "loss" if thumbs else "loss (nats a pair)")
    most = _announced(records, thumbs)
    for ax in (moved, loss):
        style.whole_numbers(ax, most)
    start = 0.5 if thumbs else LN2
    loss.set_ylim(0.0, max([1.15 * start, *(1.1 * record.loss for record in steps), *_held_out(steps)]))
    style.level(loss, start, "½: knows nothing" if thumbs else "ln 2: knows nothing", style.PALE)
    if steps:
        _two_sides(moved, steps, most)
        _losses(loss, steps, most)
    return style.headline(figure, _so_far(steps, most))


def _announced(records: "Sequence[DirectRecord]", thumbs: bool) -> int:
    """How many steps there will be."""
    readings = [record for record in records if not isinstance(record, DPORecord | KTORecord)]
    promised = [reading.kto_steps if thumbs else reading.dpo_steps for reading in readings]
    return max([1, *promised, *(record.step for record in records if isinstance(record, DPORecord | KTORecord))])


def _two_sides(ax: Axes, steps: Sequence[DPORecord | KTORecord], most: int) -> None:
    ends = []
    sides = (("chosen_log_prob", "chosen"), ("rejected_log_prob", "rejected"))
    if isinstance(steps[0], KTORecord):
        sides = (("up_reward", "thumb up"), ("down_reward", "thumb down"))
    for (field, name), tone in zip(sides, ("DPO", "base"), strict=True):
        _, y = style.draw_runs(ax, [_line(steps, field)], style.colour(tone))
        ends.append((most + 0.5, y, name, style.ink(tone)))
    style.name_ends(ax, ends)


def _losses(ax: Axes, steps: Sequence[DPORecord | KTORecord], most: int) -> None:
    _, y = style.draw_runs(ax, [_line(steps, "loss")], style.colour("DPO"))
    ends = [(most + 0.5, y, "learned\nfrom", style.ink("DPO"))]
    if held := [r for r in steps if isinstance(r, DPORecord) and r.held_out_loss is not None]:
        _, y = style.draw_runs(ax, [_line(held, "held_out_loss")], style.colour("gold"))
        ends.append((most + 0.5, y, "kept\nback", style.ink("gold")))
    style.name_ends(ax, ends, gap=0.15)


def _held_out(steps: Sequence[DPORecord | KTORecord]) -> list[float]:
    return [1.1 * r.held_out_loss for r in steps if isinstance(r, DPORecord) and r.held_out_loss is not None]


def _line(steps: Sequence, field: str) -> list[tuple[float, float]]:
    return [(float(record.step), float(getattr(record, field))) for record in steps]


def _so_far(steps: Sequence[DPORecord | KTORecord], most: int) -> str:
    """The figure's one sentence."""
    if not steps:
        return "Nothing to learn from yet: a direction takes choices, or thumbs of both kinds"
    last = steps[-1]
    if isinstance(last, KTORecord):
        return f"KTO, step {last.step} of {most}: loss {last.loss:.2f}, {style.nats(last.kl)} from the reference"
    first = steps[0]
    words = (
        style.signed(getattr(last, name) - getattr(first, name)) for name in ("chosen_log_prob", "rejected_log_prob")
    )
    return f"DPO, step {last.step} of {most}: chosen {next(words)} nats, rejected {next(words)}"


def mass_moved(rows: Rows, customer: str, n: int = 10) -> Figure:
    """One customer's replies by name: how probable each was and is, those first whose share grew most.

    Rows hold `reply`, `kind` ("chosen", "rejected" or "drawn"), `before` and `after`; the two voted on are kept.
    """
    voted = [row for row in rows if row["kind"] != "drawn"]
    drawn = [row for row in rows if row["kind"] == "drawn"]
    shown = sorted([*voted, *drawn[: n - len(voted)]], key=lambda row: row["before"] - row["after"])
    figure, ax = style.panel(
        8.0, 1.9 + 0.42 * len(shown), "probability of exactly this reply (log scale)", "", grid="x"
    )
    ax.set_xscale("log")
    for y, row in enumerate(shown):
        tone = "DPO" if row["after"] > row["before"] else "base"
        arrow = {"arrowstyle": "-|>", "color": style.colour(tone), "linewidth": 2.2, "shrinkA": 0, "shrinkB": 0}
        start, end = (max(row[when], RAREST) for when in ("before", "after"))
        ax.annotate("", (end, y), (start, y), arrowprops=arrow)
        ax.plot([start, end], [y, y], alpha=0)  # so that the axis knows of them
        ax.plot(start, y, "o", color=style.ink(tone), markersize=4)
    names = [_short(row["reply"]) + ("" if row["kind"] == "drawn" else f"  ← {row['kind']}") for row in shown]
    style.name_rows(ax, names, size=style.SMALL)
    for text, row in zip(ax.get_yticklabels(), shown, strict=True):
        text.set_fontweight("normal" if row["kind"] == "drawn" else "bold")
    gained = [row for row in rows if row["after"] > row["before"]]
    rare = "; at the left end: once in ten million or less" if any(row["after"] < RAREST for row in shown) else ""
    to = shorten(customer.removeprefix("Customer: ").removesuffix("Agent:"), 60, placeholder="…")
    style.caption(figure, f"To the customer: {to} · dot: before, arrow: now{rare}")
    got = sum(row["after"] - row["before"] for row in gained if row["kind"] == "drawn")
    change = next((row["after"] - row["before"] for row in voted if row["kind"] == "chosen"), 0.0)
    says = (
        f"{style.signed(100 * change, 2)} points to the chosen, {style.signed(100 * got, 0)} to replies nobody voted on"
    )
    return style.headline(figure, f"Where the mass went: {says}")


def implied_bars(weights: Mapping[str, float], implied: Mapping[str, float], n: int = 14) -> Figure:
    """The largest word weights of the votes' reward model, and over them what the policy's implicit reward pays."""
    shown = largest(weights, n)
    words = [word for word in weights if word in implied]
    one, other = (torch.tensor([found[word] for word in words]) for found in (weights, implied))
    scale = (one.norm() / other.norm().clamp(min=1e-9)).item()
    unit = "weight (log-odds for each time the word is said)"
    figure, ax = style.panel(8.0, 1.7 + 0.3 * max(len(shown), 1), unit, "word", grid="x")
    agree = 0
    for row, (word, weight) in enumerate(shown.items()):
        dot = scale * implied.get(word, 0.0)
        agree += dot * weight > 0
        ax.barh(row, weight, color=style.colour("proxy"), height=0.7)
        ax.plot([0, dot], [row, row], color=style.colour("DPO"), linewidth=2, zorder=3)
        ax.plot(dot, row, "o", color=style.colour("DPO"), markeredgecolor=style.ink("DPO"), markersize=8, zorder=4)
    ax.set_yticks(range(len(shown)), list(map(style.drawable, shown)), fontsize=style.MEDIUM, parse_math=False)
    ax.axvline(0, color=style.INK, linewidth=1)
    key = f"blue bar: the reward model's weight; purple: DPO's implicit reward, × {scale:.1f} to the same spread"
    style.caption(figure, key)
    return style.headline(figure, f"{agree} of the {len(shown)} largest weights have the same sign in both")


def held_out_turn(rows: Rows, live: Sequence[DPORecord] = ()) -> Figure:
    """DPO step by step on sixty votes, a panel for each voter: the loss on them, and on choices that it never saw."""
    voters = distinct(rows, "voter")
    figure = style.new_figure(8.0, 4.4)
    panels = figure.subplots(1, len(voters), sharey=True, squeeze=False)[0]
    turns = []
    for i, (ax, voter) in enumerate(zip(panels, voters, strict=True)):
        mine = select(rows, voter=voter)
        style.dress(ax, voter.replace(" (", "\n("), "step", "" if i else "loss (nats a pair)")
        ends = []
        for field, name, tone in (("loss", "learned\nfrom", "DPO"), ("held_out_loss", "unseen", "gold")):
            end = style.draw_runs(ax, by_seed(mine, "step", field), style.colour(tone))
            ends.append((*end, name, style.ink(tone)))
        turns.append(_lowest(mine))
        ax.axvline(turns[-1], color=style.ink("gold"), linewidth=1.2, linestyle=(0, (1, 2)))
        words = f"lowest\nat {turns[-1]}"
        style.note(ax, words, (turns[-1], 0.03), (4, 0), of="column", color=style.ink("gold"), va="bottom")
        if live and i == 0:
            held_back = [record for record in live if record.held_out_loss is not None]
            for field, some in (("loss", live), ("held_out_loss", held_back)):
                if points := _line(some, field):
                    ax.plot(*zip(*points, strict=True), color=style.INK, linewidth=1.6, linestyle=(0, (3, 1.5)))
        style.at_least(ax, 0.0, 1.0)
        style.whole_numbers(ax)
        ax.axhline(LN2, color=style.PALE, linewidth=1.2, linestyle=style.DASHED, zorder=1)
        style.note(ax, "ln 2", (0.6, LN2), (0, -4), of="row", color=style.PALE, va="top")
        style.name_ends(ax, ends, gap=0.14)
    whose = f"recorded, sixty votes each, {len(distinct(rows, 'seed'))} seeds: thin lines, thick their mean"
    style.caption(figure, whose + ("; black dashes: made here" if live else ""))
    words = "; ".join(f"{voter.split(' (')[0]}: step {turn}" for voter, turn in zip(voters, turns, strict=True))
    return style.headline(figure, f"Where is the loss on unseen choices lowest? {words}")


def _lowest(rows: Rows) -> int:
    """The step at which the mean held-out loss of all seeds is lowest."""
    return min(distinct(rows, "step"), key=lambda step: mean(select(rows, step=step), "held_out_loss"))


def broken_runs(runs: Mapping[str, Sequence[DPORecord]], found: Mapping[str, Row]) -> Figure:
    """Runs of DPO, most of them broken: the loss of each, and what chosen and rejected do.

    `found` holds for each run what is said of it below: `kl` and `liked`, the share of strangers pleased.
    """
    figure = style.new_figure(8.0, 4.6)
    panels = figure.subplots(2, len(runs), sharex=True, sharey="row", height_ratios=(1, 1.3))
    for i, (name, records) in enumerate(runs.items()):
        tone = "DPO" if i == 0 else "base"
        loss, moved = panels[0][i], panels[1][i]
        style.dress(loss, name.replace(", ", ",\n"), "", "" if i else "loss (nats)")
        style.dress(moved, "", "step", "" if i else "log-prob. since\nthe start (nats)")
        style.draw_runs(loss, [_line(records, "loss")], style.colour(tone))
        loss.axhline(LN2, color=style.PALE, linewidth=1.2, linestyle=style.DASHED, zorder=1)
        for field, look in (("chosen_log_prob", "-"), ("rejected_log_prob", (0, (3, 1.5)))):
            line = [getattr(r, field) - getattr(records[0], field) for r in records]
            moved.plot([r.step for r in records], line, color=style.ink(tone), linewidth=2, linestyle=look)
        moved.axhline(0, color=style.PALE, linewidth=1)
        style.whole_numbers(moved)
        words = f"KL {found[name]['kl']:.1f}\nliked {found[name]['liked']:.0%}"
        style.note(moved, words, (0.04, 0.03), of="axes", va="bottom", bbox=style.BEHIND)
    liked = "liked: strangers whose new reply the votes' reward model prefers"
    style.caption(figure, f"dashed above: ln 2; below, solid: chosen, dashes: rejected; {liked}, ties half")
    starts = ", ".join(f"{name} {records[0].loss:.2f}" for name, records in runs.items())
    return style.headline(figure, f"The loss at step 1: {starts}".replace("\n", " "))


def _short(reply: str, letters: int = LETTERS) -> str:
    return style.drawable(shorten(reply, letters, placeholder="…")) or "(nothing)"
