"""Policy gradients: a bandit's probabilities, the variance of gradients, the clip, and credit assignment."""

from collections.abc import Callable, Mapping, Sequence
from textwrap import fill, shorten

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from minirlhf.bandit import BanditRecord
from minirlhf.course.plots import style
from minirlhf.files.messages import counted
from minirlhf.losses import clipped_policy_loss
from minirlhf.metrics import METRICS
from minirlhf.reinforce import ReinforceRecord

TONES = ("base", "RLHF", "SFT")  # of the things compared, in the order in which they are given
LETTERS = 34  # of a reply, beside its line
RATIOS = np.linspace(0.4, 1.8, 71)


def bandit_tries(replies: Sequence[str], drawn: Tensor, rewards: Tensor) -> Figure:
    """What was paid for each reply in a few tries: a dot for each, numbered in the order of the tries."""
    figure, ax = style.panel(8.5, 1.3 + 0.42 * len(replies), "reward of one try", "reply", grid="x")
    before = [0] * len(replies)
    for n, (row, paid) in enumerate(zip(drawn.tolist(), rewards.tolist(), strict=True), start=1):
        y = row + (-0.24, 0.24, -0.08, 0.08)[before[row] % 4]  # so that equal rewards do not hide one another
        before[row] += 1
        ax.plot(paid, y, "o", color=style.tint("proxy", 0.55), markeredgecolor=style.ink("proxy"), markersize=14)
        style.note(ax, str(n), (paid, y), ha="center")
    ax.axvline(0, color=style.PALE, linewidth=1)
    style.name_rows(ax, list(map(_short, replies)))
    ax.margins(x=0.1)
    tries = f"{len(drawn)} tries and their rewards" if len(drawn) > 1 else "1 try and its reward"
    title = f"{tries}; the number in a circle says which try it was (1: the first)"
    return style.headline(figure, title)


def bandit_progress(records: Sequence[BanditRecord], steps: int | None = None) -> Figure:
    """How probable each reply is after every step, and what the batches were paid; `steps`: how many there will be."""
    figure = style.new_figure(8.0, 6.4, tidy=False)  # fixed margins: nothing moves from one drawing to the next
    margins = {"left": 0.09, "right": 0.66, "top": 0.88, "bottom": 0.09, "hspace": 0.42}
    chances, paid = figure.subplots(2, 1, height_ratios=(1.6, 1), gridspec_kw=margins)
    style.dress(chances, "What does it say?", "step", "probability of the reply")
    style.dress(paid, "What is it paid?", "step", "reward, mean of the batch")
    last = records[-1]
    end = max(steps or 0, last.step)
    ranked = sorted(last.chances, key=lambda reply: last.chances[reply])
    # Of the others, the one that once stood highest.
    rival = max(ranked[:-1], key=lambda reply: max(r.chances[reply] for r in records))
    tones = dict.fromkeys(ranked, "base") | {rival: "SFT", ranked[-1]: "RLHF"}
    for reply in ranked:
        line = [r.chances[reply] for r in records]
        width = 1.5 if tones[reply] == "base" else 2.5
        chances.plot([r.step for r in records], line, color=style.colour(tones[reply]), linewidth=width)
    chances.set_ylim(0, 1)
    style.draw_runs(paid, [[(float(r.step), r.reward) for r in records]], style.colour("proxy"))
    for ax in (chances, paid):
        style.whole_numbers(ax, end)
    # Names are at the right end from the start, however much has been drawn.
    ends = [(end + 0.5, last.chances[reply], _short(reply), style.ink(tones[reply])) for reply in ranked]
    style.name_ends(chances, ends, gap=0.068)
    return style.headline(figure, f"Step {last.step}: “{_short(ranked[-1])}” has {last.chances[ranked[-1]]:.0%}")


def bandit_runs(runs: Mapping[str, Sequence[Sequence[BanditRecord]]], reply: str) -> Figure:
    """How probable one reply becomes, a line for each seed, side by side for each way to learn."""
    figure = style.new_figure(0.8 + 2.4 * len(runs), 4.1)
    panels = figure.subplots(1, len(runs), sharey=True, squeeze=False)[0]
    counted = []
    for i, (ax, (name, seeds)) in enumerate(zip(panels, runs.items(), strict=True)):
        won = sum(run[-1].chances[reply] > 0.5 for run in seeds)
        counted.append(f"{won} of {len(seeds)}")
        style.dress(
            ax, f"{fill(name, 22)}\n{counted[-1]} end above ½", "step", "" if i else "probability of the best reply"
        )
        tone = style.colour(TONES[i % len(TONES)])
        for run in seeds:
            ax.plot([r.step for r in run], [r.chances[reply] for r in run], color=tone, linewidth=1.3, alpha=0.7)
        ax.axhline(0.5, color=style.INK, linewidth=1.2, linestyle=style.DASHED, zorder=1)
        ax.set_ylim(0, 1.02)
        style.whole_numbers(ax)
    return style.headline(figure, "How many seeds find the best reply? " + " · ".join(counted))


NO_PUSH = 1e-5  # a reply that was not drawn, and whose batch was average, is pushed by rounding only


def gradient_spread(gradients: Mapping[str, Sequence[float]], expected: float) -> Figure:
    """One number of the gradient over many batches, a row for each way to compute it, and what it is on average."""
    figure = style.new_figure(8.5, 0.9 + 1.6 * len(gradients))
    rows = figure.subplots(len(gradients), 1, sharex=True, squeeze=False)[:, 0]
    every = np.concatenate([np.asarray(x, dtype=float) for x in gradients.values()])
    width = (every.max() - every.min()) / 60 or 1.0  # a bar is centred on 0: no push, neither up nor down
    bins = [width * (k + 0.5) for k in range(int(every.min() / width) - 2, int(every.max() / width) + 2)]
    for i, (ax, (name, found)) in enumerate(zip(rows, gradients.items(), strict=True)):
        last, tone = ax is rows[-1], TONES[i % len(TONES)]
        style.dress(ax, name, "push on the best reply, from one batch" if last else "", "batches")
        ax.hist(np.asarray(found), bins=bins, color=style.colour(tone))
        ax.axvline(0, color=style.PALE, linewidth=1)
        ax.axvline(expected, color=style.INK, linewidth=1.8, linestyle=(0, (4, 2)))
        pushes = np.asarray(found, dtype=float)
        wrong, none = float(np.mean(pushes < -NO_PUSH)), float(np.mean(np.abs(pushes) <= NO_PUSH))
        words = f"spread ± {np.std(pushes):.2f}\n{wrong:.0%} point the wrong way"
        words += f"\n{none:.0%} do not push" if none else ""
        style.note(ax, words, (0.99, 0.93), of="axes", color=style.ink(tone), size=style.MEDIUM, ha="right", va="top")
    style.note(rows[0], "what it is on average", (expected, 1), (4, -3), of="column", va="top", bbox=style.BEHIND)
    return style.headline(figure, "The same direction on average. How often on a single batch?")


def reinforce_progress(records: Sequence[ReinforceRecord], updates: int | None = None) -> Figure:
    """REINFORCE on a language model: its score, and its KL from the reference."""
    figure = style.new_figure(10.0, 3.7, tidy=False)
    margins = {"left": 0.08, "right": 0.985, "top": 0.8, "bottom": 0.15, "wspace": 0.26}
    score, kl = figure.subplots(1, 2, gridspec_kw=margins)
    for ax, name, question, tone, usual in (
        (score, "score", "Do the replies score higher?", "proxy", 3.0),
        (kl, "kl", "How far from the reference?", "RLHF", 5.0),
    ):
        style.dress(ax, question, "update", METRICS[ReinforceRecord][name].unit)
        style.draw_runs(ax, [[(float(r.update), float(getattr(r, name))) for r in records]], style.colour(tone))
        style.at_least(ax, -0.05 * usual, usual)
        style.whole_numbers(ax, max(updates or 0, records[-1].update))
    style.level(kl, 0.0, "the reference", style.ink("SFT"))
    first, last = records[0], records[-1]
    rise = f"score {style.signed(first.score, 2)} → {style.signed(last.score, 2)}, " if len(records) > 1 else ""
    return style.headline(figure, f"REINFORCE, update {last.update}: {rise}{style.nats(last.kl)} from the reference")


def clip_view(
    log_ratios: Tensor, advantage: float | int, clip: float | int, loss: Callable = clipped_policy_loss
) -> Figure:
    """The objective of one token and its slope, for every ratio it may have, above a histogram of a batch's tokens.

    `log_ratios`: (N,) of tokens whose advantage has this sign. The curves come from `loss` itself.
    """
    objective, slope = _objective(loss, advantage, clip)
    ratio = log_ratios.detach().exp().clamp(RATIOS[0], RATIOS[-1]).numpy()
    held = np.interp(ratio, RATIOS, np.abs(slope)) < 1e-3
    figure = style.new_figure(9.0, 5.6)
    curves, tokens = figure.subplots(2, 1, sharex=True, height_ratios=(1.35, 1))
    kind = "better" if advantage > 0 else "worse"
    above = f"A token that turned out {kind} than expected (A = {style.signed(float(advantage), 0)})"
    below = f"Where the tokens of one batch stand ({len(ratio)} with this sign)"
    rho = "ratio ρ: how much more probable the token is than when it was said"
    style.dress(curves, above, "", "objective, and its slope")
    style.dress(tokens, below, rho, "tokens (log scale)")
    curves.plot(RATIOS, objective, color=style.colour("RLHF"), linewidth=2.5)
    curves.step(RATIOS, slope, where="mid", color=style.colour("SFT"), linewidth=2, linestyle=(0, (5, 2)))
    ends = [
        (RATIOS[-1], objective[-1], "objective", style.ink("RLHF")),
        (RATIOS[-1], slope[-1] + 0.15, "its slope:\nthe push", style.ink("SFT")),
    ]
    style.name_ends(curves, ends, gap=0.17)
    tones = [style.colour("RLHF"), style.colour("base")]
    tokens.hist([ratio[~held], ratio[held]], bins=list(RATIOS), stacked=True, color=tones)
    tokens.set_yscale("symlog", linthresh=10)
    share = held.mean() if len(held) else 0.0
    words = f"{share:.0%} are held: no push (grey)"
    style.note(tokens, words, (0.99, 0.95), of="axes", size=style.MEDIUM, ha="right", va="top")
    for ax in (curves, tokens):
        ax.axvspan(1 - clip, 1 + clip, color=style.tint("best-of-n", 0.15), zorder=0, linewidth=0)
        ax.axvline(1, color=style.PALE, linewidth=1)
    curves.axhline(0, color=style.PALE, linewidth=1)
    style.note(curves, f" 1 ± {clip:g}", (1, 0.97), of="column", va="top", bbox=style.BEHIND)
    tokens.set_ylim(top=6 * tokens.get_ylim()[1])  # room for words
    style.at_least(curves, min(-0.1, *slope), max(0.1, *slope))
    style.note(tokens, "outermost bars: and beyond", (0.01, 0.95), of="axes", color=style.PALE, va="top")
    side = "right" if advantage > 0 else "left"
    return style.headline(figure, f"ε = {clip:g}: no push is left on the {side} of the green range")


def _objective(loss: Callable, advantage: float | int, clip: float | int) -> tuple[np.ndarray, np.ndarray]:
    """The objective, −loss, and its slope in ρ, for a single token at each of the ratios."""
    objective, slope = np.empty(len(RATIOS)), np.empty(len(RATIOS))
    old, mask = torch.zeros(1, 1), torch.ones(1, 1, dtype=torch.bool)
    for i, ratio in enumerate(RATIOS):
        log_prob = torch.full((1, 1), float(np.log(ratio)), requires_grad=True)
        cost, _ = loss(log_prob, old, torch.full((1, 1), float(advantage)), mask, clip)
        (gradient,) = torch.autograd.grad(cost, log_prob)
        objective[i], slope[i] = -cost.item(), -gradient.item() / ratio  # ∂/∂ρ = ∂/∂(log ρ) / ρ
    return objective, slope


def reuse_plot(runs: Mapping[str, Sequence[Tensor]]) -> Figure:
    """Several epochs on one batch: how far each algorithm has moved, and the ratios at the end.

    For each way, the log-ratios (N,) of the batch's tokens before the first step and after each.
    """
    figure = style.new_figure(10.5, 4.0)
    moved, spread = figure.subplots(1, 2, width_ratios=(1.1, 1))
    style.dress(moved, "How far has it moved?", "steps on the same batch", "approximate KL (nats a token)")
    style.dress(spread, "Where do the ratios stand at the end?", "ratio ρ", "", grid="x")
    ends = []
    for row, (name, steps) in enumerate(runs.items()):
        tone = TONES[row % len(TONES)]
        far = [0.5 * x.square().mean().item() for x in steps]
        x, y = style.draw_runs(moved, [[(float(n), y) for n, y in enumerate(far)]], style.colour(tone))
        ends.append((x, y, name, style.ink(tone)))
        low, quarter, median, other, high = np.quantile(steps[-1].exp().numpy(), (0.01, 0.25, 0.5, 0.75, 0.99))
        spread.plot([low, high], [row, row], color=style.colour(tone), linewidth=2)
        spread.plot([quarter, other], [row, row], color=style.colour(tone), linewidth=9, solid_capstyle="butt")
        spread.plot(median, row, "|", color=style.INK, markersize=15, markeredgewidth=2)
    style.name_ends(moved, ends, gap=0.12)
    style.whole_numbers(moved)
    spread.axvline(1, color=style.PALE, linewidth=1)
    style.name_rows(spread, list(runs), "way to learn")
    style.caption(figure, "approximate KL: half the mean square of log ρ; right: 98 tokens in 100, thick: half of them")
    distances = " · ".join(f"{name}: {y:.2g}" for _, y, name, _ in ends)
    taken = max(map(len, runs.values())) - 1
    return style.headline(figure, f"How far in {counted(taken, 'step')}? {distances} nats a token")


def credit_bars(
    pieces: Sequence[str], values: Tensor, advantages: Tensor, score: float | int, lam: float | int
) -> Figure:
    """One reply, token by token: the value before each token, and its advantage."""
    n = len(pieces)
    width = min(max(7.5, 1.6 + 0.42 * n), style.WIDEST)
    figure = style.new_figure(width, 5.2)
    expected, credit = figure.subplots(2, 1, sharex=True)
    style.dress(expected, "What was expected before each token, and what came at the end", "", "value (score)")
    style.dress(credit, f"Credit for each token (λ = {lam:g})", "token", "advantage")
    expected.step(range(n + 1), [*values.tolist(), float(score)], where="mid", color=style.colour("base"), linewidth=2)
    expected.plot(n, score, "*", color=style.ink("proxy"), markersize=14)
    words = f"score {style.signed(float(score))}"
    style.note(expected, words, (n, score), (11, 0), color=style.ink("proxy"), weight="bold")
    expected.margins(y=0.3)
    earned = advantages.tolist()
    credit.bar(range(n), earned, width=0.75, color=[style.colour("best-of-n" if a > 0 else "RLHF") for a in earned])
    credit.axhline(0, color=style.INK, linewidth=1)
    names = list(map(style.drawable, pieces))
    credit.set_xticks(
        range(n), names, rotation=90 if n > 14 else 60, ha="center" if n > 14 else "right", parse_math=False
    )
    credit.set_xlim(-0.6, n + (n + 1) / (width - 2.1))  # an inch for the score
    reach = 1.1 * max(1.0, max(map(abs, earned)))
    credit.set_ylim(-reach, reach)
    most = max(range(n), key=lambda t: abs(earned[t]))
    kind = "credit" if earned[most] > 0 else "blame"
    heaviest = f"“{style.drawable(pieces[most].strip())}”, {style.signed(earned[most], 2)}"
    return style.headline(figure, f"λ = {lam:g}: most {kind} for {heaviest}")


def lambda_spread(estimates: Mapping[float, Sequence[float]]) -> Figure:
    """One token's advantage, estimated from many ways to go on after it: a column for each λ, its mean and spread."""
    figure, ax = style.panel(8.5, 4.4, "λ", "advantage of one and the same token")
    rng = np.random.default_rng(0)  # moves a dot only sideways within its column
    spreads, means = [], []
    for column, found in enumerate(estimates.values()):
        x = column + rng.uniform(-0.28, 0.28, len(found))
        ax.scatter(x, found, s=8, color=style.colour("base"), alpha=0.45, linewidth=0)
        spreads.append(float(np.std(found)))
        means.append(float(np.mean(found)))
        ax.errorbar(column, means[-1], yerr=spreads[-1], fmt="D", color=style.ink("RLHF"), markersize=8, capsize=5)
    truth = means[-1]
    ax.axhline(truth, color=style.ink("gold"), linewidth=1.2, linestyle=style.DASHED, zorder=1)
    look = {"color": style.ink("gold"), "va": "bottom", "bbox": style.BEHIND}
    style.note(ax, "mean at λ = 1", (0.01, truth), (0, 3), of="row", **look)
    ax.axhline(0, color=style.PALE, linewidth=0.8)
    top = ax.get_ylim()[1]
    for column, (mean, spread) in enumerate(zip(means, spreads, strict=True)):
        words = f"off by {style.signed(mean - truth, 2)}\n± {spread:.2f}"
        style.note(ax, words, (column, top), color=style.ink("RLHF"), ha="center", va="bottom")
    ax.set_ylim(top=top + 0.12 * (top - ax.get_ylim()[0]))
    ax.set_xticks(range(len(estimates)), [f"{lam:g}" for lam in estimates], fontsize=style.MEDIUM)
    style.caption(figure, "a dot: one way to go on; diamond: their mean; bar: ± one standard deviation")
    title = f"The same token: ± {spreads[0]:.2f} at the smallest λ, ± {spreads[-1]:.2f} at the largest"
    return style.headline(figure, title)


def _short(reply: str) -> str:
    return style.drawable(shorten(reply, LETTERS, placeholder="…"))
