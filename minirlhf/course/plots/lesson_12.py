"""When the answer can be checked: verifiers and their truth, groups, dead groups, steps, lengths, leashes, judges.

paid_and_right(records, right)                          what a verifier pays, and what is truly right
group_squares(rollout, 8)                               group beside group: which agree, which are divided
group_card(rollout, advantages, tokenizer, 8, group=2)  one prompt's replies, and what leave-one-out makes of them
group_microscope(rollout, advantages, …, row=3)         one reply, token by token, without a value model
dead_curve({"base": verdicts}, group_size=8)            p^G + (1-p)^G, and what was measured
step_sizes({"leave-one-out": f}, group_size=8)          how large a step each way takes on easy and hard prompts
stop_lengths({"a constant": pairs})                     what each mean does to right and to wrong replies
leash_walks({"k1 in the loss": walks})                  who comes home
pass_at_k_curves({"base": counts}, 16)                  right at the first try, and at one of k
checked_ways(read_recorded("checked"))                  GRPO beside its controls
judge_seats({"as it is": share})                        which side a judge chooses
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp
from statistics import fmean
from textwrap import shorten

import numpy as np
import torch
from matplotlib.figure import Figure

from minirlhf.course.experiments.lesson_12 import dead_share, step_for
from minirlhf.course.plots import style
from minirlhf.course.plots.lesson_07_microscope import UNSPOKEN, pieces_of
from minirlhf.course.plots.rows import Rows, distinct, select
from minirlhf.course.plots.strip import TokenStrip
from minirlhf.evaluate import pass_at_k
from minirlhf.feedback.agreement import Share
from minirlhf.groups import GroupAdvantageFn, dead_groups
from minirlhf.grpo import GRPOConfig, GRPORecord
from minirlhf.losses import clipped_policy_loss
from minirlhf.model import CausalLM, response_log_probs
from minirlhf.ops import PerSequence
from minirlhf.rollout import Rollout
from minirlhf.tokenizer import Tokenizer

GOOD, BAD, SILENT = "best-of-n", "RLHF", "base"  # colours of right, of wrong, and of what teaches nothing
CHANCES = np.linspace(0.01, 0.99, 99)
NOTES = {
    "advantage": "A: this reply's reward less the mean of the other replies of its group; the same for all its tokens",
    "log-ratio": "log π − log π_ref when it was sampled, in nats; the reply's KL is their sum",
    "ratio − 1": "ρ − 1, ρ = π now / π when sampled: how much more probable this token has become",
    "clipped": "where ρ left the clip's range as far as the advantage asks for: no more push",
    "loss": "the larger of −A·ρ and −A·clip(ρ); the policy loss is their mean",
}


def paid_and_right(
    records: Sequence[GRPORecord], true: Sequence[float], updates: int | None = None, truth: str = "truly right"
) -> Figure:
    """What the verifier pays at each update, and what is true, which nobody trains on; `truth`: what it is called."""
    figure, ax = style.panel(8.0, 4.0, "update", "a reply, on average")
    steps = [float(record.update) for record in records]
    ends = []
    for name, line, tone in (("paid", [record.score for record in records], "proxy"), (truth, true, "gold")):
        x, y = style.draw_runs(ax, [list(zip(steps, line, strict=False))], style.colour(tone))
        ends.append((x, y, f"{name}\n{style.signed(y, 2)}", style.ink(tone)))
    style.at_least(ax, -0.03, 1.05)
    style.whole_numbers(ax, max(updates or 0, records[-1].update))
    style.name_ends(ax, ends, gap=0.15)
    paid, right = (style.signed(end[1], 2) for end in ends)
    return style.headline(figure, f"Update {records[-1].update}: paid {paid}, {truth} {right}")


def group_squares(rollout: Rollout, group_size: int) -> Figure:
    """Group beside group, a square for each reply: right, wrong, and grey where all of a group agree."""
    groups = (rollout.score >= 1).view(-1, group_size).tolist()
    figure, ax = style.panel(8.0, 1.5 + 0.26 * len(groups), "reply of the group", "prompt (a group)")
    dead = 0
    for y, group in enumerate(groups):
        agree = len(set(group)) == 1
        dead += agree
        for x, right in enumerate(sorted(group, reverse=True)):
            tone = style.tint(SILENT, 0.35) if agree else style.colour(GOOD if right else BAD)
            ax.plot(x, y, "s", color=tone, markersize=13)
            ink = style.INK if agree else "white"
            style.note(ax, "✓" if right else "✗", (x, y), ha="center", color=ink, size=style.SMALL)
        words = "all agree: no push" if agree else f"{sum(group)} of {group_size} right"
        style.note(ax, words, (group_size - 0.3, y), color=style.PALE if agree else style.INK)
    ax.set(xlim=(-0.6, group_size + 2.2), ylim=(len(groups) - 0.4, -0.6))
    ax.set_xticks(range(group_size), [str(x + 1) for x in range(group_size)])
    ax.set_yticks(range(len(groups)), [str(y) for y in range(len(groups))])
    ax.grid(visible=False)
    return style.headline(figure, f"{dead} of {len(groups)} groups agree, and teach nothing")


def group_card(
    rollout: Rollout, advantages: PerSequence, tokenizer: Tokenizer, group_size: int, group: int = 0, by: str = ""
) -> Figure:
    """One prompt's group: each reply, its reward, the mean of the others, and the advantage that is left."""
    rows = range(group * group_size, (group + 1) * group_size)
    score = [rollout.score[row].item() for row in rows]
    figure, ax = style.panel(8.0, 1.9 + 0.4 * group_size, "", "", grid="x")
    first = rows[0]
    prompt = tokenizer.decode(rollout.tokens[first][: int(rollout.response_mask[first].nonzero()[0])].tolist())
    for y, row in enumerate(rows):
        text = tokenizer.decode(rollout.tokens[row][rollout.response_mask[row]].tolist()).strip() or "(nothing)"
        mine, others = advantages[row].item(), (sum(score) - score[y]) / (group_size - 1)
        ax.barh(y, mine, 0.55, color=style.colour(GOOD if mine > 0 else BAD))
        style.note(ax, style.drawable(shorten(text, 60, placeholder="…")), (-5.6, y), parse_math=False)
        style.note(ax, f"{score[y]:.0f} − {others:.2f} = {style.signed(mine, 2)}", (2.6, y), ha="right")
    ax.axvline(0, color=style.INK, linewidth=1)
    ax.set(xlim=(-5.7, 2.65), ylim=(group_size - 0.4, -1.4))
    ax.set_yticks([])
    ax.set_xticks([-1, 0, 1])
    ax.spines[["left", "bottom"]].set_visible(False)
    style.note(ax, "reply", (-5.6, -1), weight="bold")
    style.note(ax, "advantage", (0, -1), weight="bold", ha="center")
    style.note(ax, "reward − others", (2.6, -1), weight="bold", ha="right")
    asked = prompt.split("\n")[0].removeprefix("Customer: ")
    style.caption(figure, f"advantages by {by}" if by else "reward less the mean reward of the other replies")
    return style.headline(figure, f"“{asked}” {sum(x >= 1 for x in score)} of {group_size} right")


@dataclass(frozen=True)
class Told:
    """What GRPO works out for one token, and its arithmetic in words."""

    log_prob: float
    ref_log_prob: float
    now: float
    advantage: float
    ratio: float
    clipped: bool
    loss: float

    def arithmetic(self, clip: float, score: float, others: float) -> str:
        a, near = self, min(max(self.ratio, 1 - clip), 1 + clip)
        lines = (
            f"probability: {exp(a.log_prob):.3f} when sampled, {exp(a.ref_log_prob):.3f} for the reference, "
            f"{exp(a.now):.3f} for the policy now",
            f"advantage A = reward − mean of the other replies = {_out(score)} − {_out(others)} = {_out(a.advantage)}",
            f"ratio ρ = exp(log π_now − log π) = {_out(a.ratio)}",
            f"loss = max(−A · ρ, −A · clip(ρ, {1 - clip:g}, {1 + clip:g})) = max({_out(-a.advantage * a.ratio)}, "
            f"{_out(-a.advantage * near)}) = {_out(a.loss)}",
            "its group agrees: nothing pushes this token"
            if a.advantage == 0
            else "clipped: ρ is past the clip on the side that A asks for, so this token's own push has ended"
            if a.clipped
            else f"not clipped: the loss pushes this token {'up' if a.advantage > 0 else 'down'}",
        )
        return "\n".join(lines)


@torch.no_grad()
def group_microscope(
    rollout: Rollout, advantages: PerSequence, policy: CausalLM, config: GRPOConfig, tokenizer: Tokenizer, row: int = 0
) -> TokenStrip:
    """One reply of one group under the microscope: what is left of PPO's arithmetic without a value model."""
    mask, here = rollout.response_mask, slice(row, row + 1)
    tokens, old = rollout.tokens[here], rollout.log_probs[here]
    now, _ = response_log_probs(policy, tokens, mask[here])
    places, size = mask[row].nonzero().flatten().tolist(), config.group_size
    group = rollout.score[row // size * size : (row // size + 1) * size]
    score, advantage = rollout.score[row].item(), advantages[row].item()
    others = (group.sum().item() - score) / (size - 1)
    length = places[-1] + 1
    shades: dict[str, list[float | bool | None]] = {name: [None] * length for name in NOTES}
    details = [UNSPOKEN] * length
    for number, t in enumerate(places, start=1):
        alone = torch.zeros_like(mask[here])
        alone[0, t] = True
        every = torch.full_like(now, advantage)
        loss, stats = clipped_policy_loss(now, old, every, alone, config.clip)
        ref = rollout.ref_log_probs[row, t].item()
        told = Told(
            old[0, t].item(), ref, now[0, t].item(), advantage, stats["ratio"], stats["clip_fraction"] == 1, loss.item()
        )
        numbers = (advantage, told.log_prob - ref, told.ratio - 1, told.clipped, told.loss)
        for name, x in zip(NOTES, numbers, strict=True):
            shades[name][t] = x if isinstance(x, bool) else round(x, 5) + 0.0
        words = told.arithmetic(config.clip, score, others)
        details[t] = f"the reply's token {number} of {len(places)}\n{words}"
    title = f"Reply {row % size} of group {row // size}, reward {score:.0f}, advantage {style.signed(advantage, 2)}"
    return TokenStrip(pieces_of(rollout, tokenizer, row)[:length], shades, details, title, NOTES)


def dead_curve(
    measured: Mapping[str, Sequence[Sequence[bool]]],
    group_size: int,
    formula: Callable[[float, int], float] = dead_groups,
    by: str = "",
) -> Figure:
    """How many groups agree, by the share p that is right: the formula's line, and dots of what models really said.

    `measured`: for each model a row of verdicts for every prompt.
    """
    figure, ax = style.panel(8.0, 4.2, "p, the share of replies that are right", "share of groups in which all agree")
    for size in (2, 4, 8, 16):
        line = [formula(float(p), size) for p in CHANCES]
        chosen = size == group_size
        tone, width = (style.INK, 2.4) if chosen else ("#BBBBBB", 1.0)
        ax.plot(CHANCES, line, color=tone, linewidth=width, zorder=3 if chosen else 1)
        ink = tone if chosen else style.PALE
        style.note(ax, f"G = {size}", (0.1, formula(0.1, size)), ha="center", color=ink, bbox=style.BEHIND)
    dots = []
    for name, verdicts in measured.items():
        p, dead = fmean(map(fmean, verdicts)), dead_share(verdicts, group_size)
        ax.plot(p, dead, "o", color=style.colour(name), markersize=11, markeredgecolor="white", zorder=4)
        style.note(
            ax, f"{name}: {dead:.0%}", (p, dead), (9, 6), color=style.ink(name), weight="bold", bbox=style.BEHIND
        )
        dots.append(f"{name} {dead:.0%}")
    ax.set(xlim=(0, 1.08), ylim=(-0.02, 1.05))
    title = f"G = {group_size}: groups that teach nothing: {', '.join(dots)}"
    if by:
        style.caption(figure, f"the lines: {by}")
    return style.headline(figure, title)


def step_sizes(ways: Mapping[str, GroupAdvantageFn], group_size: int) -> Figure:
    """How large a step each way takes, on average, for a prompt of success p, in units of the slope of p."""
    figure, ax = style.panel(8.0, 4.2, "p, the share of replies that are right (hard … easy)", "weight of the prompt")
    ends = []
    for (name, way), tone in zip(ways.items(), (BAD, GOOD, SILENT), strict=False):
        line = [step_for(float(p), group_size, way) for p in CHANCES]
        ax.plot(CHANCES, line, color=style.colour(tone), linewidth=2.4)
        ends.append((1.0, line[-1], f"{name}\n{line[49]:.2f} in the middle", style.ink(tone)))
    style.at_least(ax, 0.0, 2.8)
    ax.set_xlim(0, 1)
    style.name_ends(ax, ends, gap=0.15)
    edges = {name: step_for(0.05, group_size, way) / step_for(0.5, group_size, way) for name, way in ways.items()}
    said = ", ".join(f"{name} {x:.2f}" for name, x in edges.items())
    return style.headline(figure, f"G = {group_size}: the weight of p = .05 over that of p = ½: {said}")


def stop_lengths(runs: Mapping[str, Sequence[Sequence[tuple[float, float]]]]) -> Figure:
    """How long right and wrong replies become, where length earns nothing: a panel for each mean, a line a seed."""
    figure = style.new_figure(8.0, 3.9)
    panels = figure.subplots(1, len(runs), sharey=True, squeeze=False)[0]
    for i, (ax, (name, seeds)) in enumerate(zip(panels, runs.items(), strict=True)):
        style.dress(ax, name, "step", "" if i else "expected length (tokens)")
        ends = []
        for side, what, tone in ((0, "right", GOOD), (1, "wrong", BAD)):
            lines = [[(float(n), pair[side]) for n, pair in enumerate(run)] for run in seeds]
            x, y = style.draw_runs(ax, lines, style.colour(tone))
            ends.append((x, y, f"{what} {y:.0f}", style.ink(tone)))
        ax.axhline(10, color=style.PALE, linewidth=1, linestyle=style.DASHED)
        style.at_least(ax, 0.0, 20.0)
        style.name_ends(ax, ends, gap=0.08)
    style.caption(figure, "dashed: where all begin; thin: a seed each. Whether a reply is right is a coin's throw.")
    right, wrong = (fmean(run[-1][side] for run in next(iter(runs.values()))) for side in (0, 1))
    name = next(iter(runs))
    return style.headline(figure, f"By the {name}, right replies end at {right:.0f} tokens, wrong ones at {wrong:.0f}")


def leash_walks(runs: Mapping[str, Sequence[Sequence[float]]]) -> Figure:
    """The true KL of a policy that has strayed, with no reward and one leash each: who comes home?"""
    figure = style.new_figure(8.0, 3.7)
    panels = figure.subplots(1, len(runs), sharey=True, squeeze=False)[0]
    ended = {}
    for i, (ax, (name, seeds)) in enumerate(zip(panels, runs.items(), strict=True)):
        ended[name] = fmean(run[-1] for run in seeds)
        title = name.replace(" in ", "\nin ") + f":\n{ended[name]:.2f} at the end"
        style.dress(ax, title, "step", "" if i else "KL (nats a reply)")
        tone = BAD if name == "k1 in the loss" else "SFT"
        lines = [[(float(n), y) for n, y in enumerate(run)] for run in seeds]
        style.draw_runs(ax, lines, style.colour(tone))
    panels[0].set_ylim(-0.02, max(1.0, 1.05 * max(y for seeds in runs.values() for run in seeds for y in run)))
    style.caption(figure, "thin: a seed each; thick: their mean. The KL is exact, over all six replies.")
    far = max(ended, key=lambda name: ended[name])
    return style.headline(figure, f"A leash and nothing to earn: all come home but “{far}”")


def pass_at_k_curves(
    counts: Mapping[str, Sequence[int]], n: int, formula: Callable[[int, int, int], float] = pass_at_k, by: str = ""
) -> Figure:
    """How often at least one of k replies is right, of n that were drawn to each prompt, so many of them right."""
    figure, ax = style.panel(8.0, 4.0, "k, how many replies one may try", "share of customers (pass@k)")
    tries, ends, said = [1, 2, 4, 8, 16], [], []
    for name, right in counts.items():
        line = [fmean(formula(n, c, k) for c in right) for k in tries]
        ax.plot(range(len(tries)), line, color=style.colour(name), linewidth=2.2, marker="o")
        ends.append((float(len(tries) - 1), line[-1], name, style.ink(name)))
        said.append(f"{name} {line[0]:.2f} → {line[-1]:.2f}")
    ax.set_xticks(range(len(tries)), [str(k) for k in tries])
    style.at_least(ax, 0.0, 1.03)
    style.name_ends(ax, ends, gap=0.08)
    if by:
        style.caption(figure, f"by {by}")
    return style.headline(figure, f"pass@1 → pass@16: {', '.join(said)}")


def checked_ways(rows: Rows, live: Mapping[str, float] | None = None) -> Figure:
    """Recorded ways to learn from a verifier, and their controls: right at the first try, and the gold score."""
    figure = style.new_figure(8.0, 4.2)
    panels = figure.subplots(1, 2, sharey=True)
    names = distinct(rows, "way")
    for ax, field, title, unit in (
        (panels[0], "pass@1", "Right at the first try", "share of replies"),
        (panels[1], "gold", "And the gold score?", "points"),
    ):
        style.dress(ax, title, unit, "", grid="x")
        for y, name in enumerate(names):
            tone = style.colour("base" if name == "base" else "RLHF" if "GRPO" in name else "SFT")
            xs = [row[field] for row in select(rows, way=name)]
            ax.plot(xs, [y] * len(xs), "o", color=tone, markersize=9, alpha=0.75)
            style.note(ax, f"{fmean(xs):.2f}".replace("-", "−"), (max(xs), y), (12, 0))
        if live:
            ax.plot(live[field], names.index(str(live["way"])), "*", color=style.INK, markersize=13, zorder=5)
        ax.margins(x=0.2)
    style.name_rows(panels[0], names)
    key = f"recorded, {len(distinct(rows, 'seed'))} seeds: a dot each; the number is their mean" + (
        "; star: your run" if live else ""
    )
    style.caption(figure, key)
    said = "; ".join(f"{name} {fmean(row['pass@1'] for row in select(rows, way=name)):.2f}" for name in names)
    return style.headline(figure, f"Right at the first try: {said}")


def judge_seats(shares: Mapping[str, Share], ties: Mapping[str, int] | None = None) -> Figure:
    """How often a judge chooses the reply on the left, with 95 % intervals: one that reads comes near a half."""
    figure, ax = style.panel(8.0, 1.6 + 0.6 * len(shares), "share of choices that fell on the left", "", grid="x")
    for y, (name, share) in enumerate(shares.items()):
        tone = style.colour("RLHF" if share.excludes_half else "best-of-n")
        ax.plot([share.low, share.high], [y, y], color=tone, linewidth=3)
        ax.plot(share.rate, y, "o", color=tone, markersize=10)
        words = f"{share.count} of {share.n}" + (f", ties: {ties[name]}" if ties else "")
        style.note(ax, words, (1.02, y))
    ax.axvline(0.5, color=style.INK, linewidth=1.2, linestyle=style.DASHED, zorder=1)
    style.name_rows(ax, list(shares))
    ax.set_xlim(0, 1.35)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    said = "; ".join(f"{name}, {share.count} of {share.n}" for name, share in shares.items())
    return style.headline(figure, f"Chosen on the left: {said}")


def _out(x: float) -> str:
    return f"{x:.3f}".replace("-0.000", "0.000").replace("-", "−")
