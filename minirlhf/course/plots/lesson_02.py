"""A language model: its tokens, their log-probabilities, what it predicts next, sampling, and learning curves.

piece_strip(tokenizer, text)                     surprise_strip(model, tokenizer, text)
shift_map(pieces, [(": ", 0.99), …])             end_to_end(pieces, probabilities, [0.3, 0.7])
next_pieces(pieces, probabilities, samples)      loss_curves({"base": records}, levels={"ln 512": log(512)})
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, cycle, groupby
from math import exp
from textwrap import wrap

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from minirlhf.course.plots import style
from minirlhf.course.plots.strip import TokenStrip, visible
from minirlhf.files.messages import counted
from minirlhf.model import CausalLM
from minirlhf.ops import Mask, PerToken, Tokens, token_log_probs
from minirlhf.sft import SFTRecord
from minirlhf.tokenizer import Tokenizer

LogProbs = Callable[[torch.Tensor, Tokens, Mask], PerToken]

LIKELIEST = 5  # how many guesses are listed for a token
ROOM = 60  # of a box, in letters times their points
DRAWN = 0.001  # a stretch any shorter is not seen
WIDE = 0.035  # a stretch of the line from 0 to 1 that has room for its name
TONES = ("SFT", "RLHF", "best-of-n", "DPO")
LINES = ("-", (0, (6, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1, 2)))  # lines can be told apart without colours too


def spelled(tokenizer: Tokenizer, ids: Sequence[int]) -> list[str]:
    """The pieces as they can be shown; where a piece is one byte of a longer letter, that byte as F0, 9F, ….

    Bytes that make no letter stay a �.
    """
    pieces = [style.END if i == tokenizer.eos_id else tokenizer.decode([i]) for i in ids]
    shown: list[str] = []
    for broken, group in groupby(range(len(ids)), lambda at: "�" in pieces[at]):
        places = list(group)
        letters = tokenizer.decode([ids[at] for at in places])
        named = broken and "�" not in letters and len(letters.encode()) == len(places)
        shown += [f"{byte:02X}" for byte in letters.encode()] if named else [visible(pieces[at]) for at in places]
    return shown


def piece_strip(tokenizer: Tokenizer, text: str) -> TokenStrip:
    """A text cut into the pieces that a model reads, coloured by how many bytes of the text each of them holds."""
    ids = tokenizer.encode(text)
    pieces = spelled(tokenizer, ids)
    plain = [tokenizer.decode([i]) for i in ids]
    sizes = [1 if "�" in piece else len(piece.encode()) for piece in plain]
    details = [
        f"piece number {i} of the {tokenizer.vocab_size} that the model knows, {counted(size, 'byte')}"
        + (": a part of one letter" if "�" in piece else "")
        for i, piece, size in zip(ids, plain, sizes, strict=True)
    ]
    size = len(text.encode())
    title = f"{counted(size, 'byte')} of text {'is' if size == 1 else 'are'} {counted(len(ids), 'piece')}"
    return TokenStrip(pieces, {"bytes in a piece": sizes}, details, title)


@torch.no_grad()
def surprise_strip(
    model: CausalLM, tokenizer: Tokenizer, text: str, log_probs: LogProbs = token_log_probs, title: str = ""
) -> TokenStrip:
    """A text token by token: the negative log-probability of each, in nats, and the likeliest ones in its place.

    `log_probs(logits, tokens, mask)` computes it from the model's logits; the end of text is the last token.
    """
    ids = [*tokenizer.encode(text), tokenizer.eos_id]
    tokens = torch.tensor([ids])
    mask = torch.ones_like(tokens, dtype=torch.bool)
    mask[:, 0] = False
    logits = model(tokens)
    found = log_probs(logits, tokens, mask)[0].tolist()
    pieces, expected = spelled(tokenizer, ids), logits[0].softmax(dim=-1)
    surprises = [None, *(abs(log_p) for log_p in found[1:])]  # abs: a minus before 0.00 looks odd
    details = ["Nothing stands before the first piece, so nothing predicted it."]
    for t in range(1, len(ids)):
        guesses = (f"{percent(p):>9}  {piece}" for piece, p in _likeliest(tokenizer, expected[t - 1]))
        details.append(
            f"surprise {surprises[t]:.2f} nats = −ln {exp(found[t]):.3g}\n"
            "having read what stands to the left, the model expected\n" + "\n".join(guesses)
        )
    title = title or "How surprised was the model by each piece?"
    return TokenStrip(pieces, {"surprise (nats)": surprises}, details, title)


def _likeliest(tokenizer: Tokenizer, probabilities: torch.Tensor) -> list[tuple[str, float]]:
    top = probabilities.topk(LIKELIEST)
    return [(spelled(tokenizer, [i])[0], p) for i, p in zip(top.indices.tolist(), top.values.tolist(), strict=True)]


def shift_map(pieces: Sequence[str], guesses: Sequence[tuple[str, float]]) -> Figure:
    """Which token the logits at each position predict: an arrow from the likeliest one to the token after it.

    `guesses[t]` is the likeliest next token after tokens 0 to t, and its probability.
    """
    if len(pieces) != len(guesses):
        given = f"{counted(len(pieces), 'piece')} and {counted(len(guesses), 'guess', 'guesses')}"
        raise ValueError(f"shift_map: {given}; give one guess a piece.")
    n = len(pieces)
    hits = [t + 1 < n and pieces[t + 1] == guess for t, (guess, _) in enumerate(guesses)]
    figure = style.new_figure(0.6 * n + 1.4, 3.4, tidy=False)
    ax = figure.add_axes((0.01, 0.02, 0.98, 0.84))
    ax.set(xlim=(-2.3, n + 0.1), ylim=(-0.75, 2.75))
    ax.axis("off")
    for t, (piece, (guess, p)) in enumerate(zip(pieces, guesses, strict=True)):
        style.note(ax, f"t = {t}", (t, 2.55), color=style.PALE, ha="center")
        _box(ax, t, 2.0, piece, style.tint("SFT", 0.12))
        _box(ax, t, 0.0, guess, style.tint("best-of-n", 0.35) if hits[t] else "white")
        style.note(ax, f"{percent(p)}{' ✓' * hits[t]}", (t, -0.42), ha="center")
        end = (t + 0.88, 1.7) if t + 1 < n else (t + 0.5, 1.0)
        arrow = FancyArrowPatch((t, 0.33), end, arrowstyle="-|>", mutation_scale=11, linewidth=1.3)
        arrow.set(color=style.ink("best-of-n") if hits[t] else style.PALE, linestyle="-" if hits[t] else (0, (4, 2)))
        ax.add_patch(arrow)
    style.note(ax, "?", (n - 0.45, 1.08), color=style.PALE, size=style.MEDIUM)
    for y, words in ((2.0, "what it has read\ntokens[:, t]"), (0.0, "what it expects next\nlogits[:, t]")):
        style.note(ax, words, (-0.6, y), ha="right")
    return style.headline(figure, f"Each guess is about the next piece: {sum(hits)} of {n - 1} came true (✓)")


def _box(ax: Axes, x: float | int, y: float, piece: str, face: str) -> None:
    """A piece in a box."""
    corner = (x - 0.4, y - 0.2)
    ax.add_patch(FancyBboxPatch(corner, 0.8, 0.4, "round,pad=0.04", facecolor=face, edgecolor="#888888"))
    words = style.drawable(visible(piece))
    size = min(style.MEDIUM, ROOM / max(len(words), 1))
    style.note(ax, words, (x, y), size=size, ha="center", parse_math=False)


def end_to_end(pieces: Sequence[str], probabilities: Sequence[float], us: Sequence[float]) -> Figure:
    """The probabilities laid end to end from 0 to 1, in the order of the pieces, and where each u falls."""
    ends = list(accumulate(probabilities))
    hit = [next(i for i, end in enumerate(ends) if end > u * ends[-1]) for u in us]
    figure, ax = style.panel(8.0, 2.9, "running sum of the probabilities", "", grid="x")
    drawn = [i for i, p in enumerate(probabilities) if p >= DRAWN or i in hit]
    for row, i in enumerate(drawn):
        p, middle = probabilities[i], ends[i] - probabilities[i] / 2
        face = style.tint("proxy", 0.7) if i in hit else ("#F4F4F4", "#DDDDDD")[row % 2]
        ax.bar(middle, 0.8, width=p, bottom=-0.4, color=face, edgecolor="white", linewidth=0.6)
        if p >= WIDE or i in hit:
            name, rotation = style.drawable(visible(pieces[i])), 90 if p < 0.09 else 0
            style.note(ax, name, (middle, 0), ha="center", rotation=rotation, parse_math=False)
    look = {"ha": "center", "fontsize": style.SMALL, "color": style.ink("RLHF")}
    for u in us:
        needle = {"arrowstyle": "-|>", "color": style.ink("RLHF")}
        ax.annotate(f"u = {u:.2f}", (u * ends[-1], 0.4), (u * ends[-1], 0.85), arrowprops=needle, **look)
    ax.set(xlim=(0, max(ends[-1], 1.0)), ylim=(-0.45, 1.05), yticks=[])
    ax.spines["left"].set_visible(False)
    fallen = ", ".join(f"{u:.2f} → {visible(pieces[i])}" for u, i in zip(us, hit, strict=True))
    return style.headline(figure, style.drawable(f"u picks the piece on whose stretch it falls: {fallen}"))


def next_pieces(
    pieces: Sequence[str], probabilities: Sequence[float], samples: Sequence[str] = (), title: str = "", n: int = 10
) -> Figure:
    """The n likeliest next tokens as bars on a scale from 0 to 1, and beside them texts sampled that way."""
    ranked = sorted(zip(probabilities, pieces, strict=True), reverse=True)
    shown, rest = ranked[:n], sum((p for p, _ in ranked[n:]), 0.0)
    figure = style.new_figure(8.0, 6.4, tidy=False)  # fixed margins: nothing jumps when a slider moves
    ax = style.dress(figure.add_axes((0.12, 0.49, 0.84, 0.4)), "What may come next", "probability", "", grid="x")
    ax.barh(range(len(shown)), [p for p, _ in shown], color=style.colour("base"), height=0.7)
    names = [style.drawable(visible(piece)) for _, piece in shown]
    ax.set_yticks(range(len(shown)), names, fontsize=style.MEDIUM, parse_math=False)
    for row, (p, _) in enumerate(shown):
        style.note(ax, percent(p), (p, row), (4, 0))
    ax.invert_yaxis()
    ax.set(xlim=(0, 1.12), xticks=[0, 0.25, 0.5, 0.75, 1], xlabel=f"probability (all others together: {percent(rest)})")
    words = figure.add_axes((0.03, 0.01, 0.95, 0.37))
    words.set(xlim=(0, 1), ylim=(0, 1))
    words.axis("off")
    style.note(words, "What it says then", (0, 0.97), size=style.MEDIUM, weight="bold")
    for row, text in enumerate(samples):
        block = "\n".join(line for part in text.strip().split("\n") for line in wrap(_seen(part), 84))
        height = 0.86 - 0.9 * row / len(samples)
        style.note(words, block, (0, height), size=style.MEDIUM - 0.5, va="top", parse_math=False)
    return style.headline(figure, title or f"{names[0]} is likeliest, with {percent(shown[0][0])}")


def _seen(text: str) -> str:
    """The text with a � for what cannot be shown: at a high temperature a model samples bytes that are no letters."""
    return style.drawable("".join(c if c.isprintable() else "�" for c in text))


def loss_curves(
    runs: Mapping[str, Sequence[SFTRecord]], levels: Mapping[str, float] | None = None, steps: int | None = None
) -> Figure:
    """The loss of several runs on one axis, with lines to compare them to.

    `steps`: how many there will be, so that a live figure stays still.
    """
    runs, levels = {name: run for name, run in runs.items() if run}, levels or {}
    if not runs:
        raise ValueError("There are no records to draw yet: draw after the first step.")
    figure = style.new_figure(8.0, 4.4, tidy=False)
    ax = style.dress(figure.add_axes((0.09, 0.12, 0.71, 0.78)), "", "step", "loss (nats a piece)")
    ends = []
    for (name, run), dashes, tone in zip(runs.items(), cycle(LINES), cycle(TONES)):
        xs, ys = [float(record.step) for record in run], [record.loss for record in run]
        ax.plot(xs, ys, color=style.ink(tone), linewidth=1.8, linestyle=dashes, marker="o" if len(run) == 1 else None)
        ends.append((xs[-1], ys[-1], f"{name} {ys[-1]:.2f}", style.ink(tone)))
    top = 1.05 * max(ax.dataLim.y1, *levels.values(), 0)
    ax.set(xlim=(0, max(steps or 0, *(x for x, *_ in ends))), ylim=(0, top))
    for text, height in levels.items():
        style.level(ax, height, text, style.PALE)
        if height < 0.3 * top:  # a curve comes down to such a line from above
            ax.texts[-1].set(position=(-2, -3), verticalalignment="top")
    style.whole_numbers(ax)
    style.name_ends(ax, ends, gap=0.075)
    for text in ax.texts:
        text.set_bbox(style.BEHIND)
    first = next(iter(runs.values()))
    fall = f"from {first[0].loss:.2f} at step 1 to {first[-1].loss:.2f} at step {first[-1].step}"
    lasts = ", ".join(f"{name} {run[-1].loss:.2f}" for name, run in runs.items())
    return style.headline(figure, f"The loss, {fall}" if len(runs) == 1 else f"The last loss: {lasts}")


def percent(p: float) -> str:
    """A probability in per cent; small ones with a digit more."""
    if p >= 0.0995 or p == 0:
        return f"{p:.0%}"
    return f"{p:.1%}" if p >= 0.00095 else "< 0.1%"
