"""The classroom: what a room said, how its model learned, what came of it, and what trolls would have made of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minirlhf.course.plots import style
from minirlhf.course.plots.table import CARD, CELL, TABLE, changed, message, plain
from minirlhf.evaluate import Replies
from minirlhf.feedback.votes import Better, BothBad, Tie, Vote
from minirlhf.files.messages import counted

if TYPE_CHECKING:  # importing these would bring a server's parts to every figure
    from minirlhf.classroom.leading import Step
    from minirlhf.classroom.trolls import Turn

LETTERS = 104  # of SMALL size, in a line as wide as a notebook
FIRST, BETWEEN, SECOND = "#444444", style.GRID, "white"  # no model's colour: both replies are of the same one
FOLLOWED = {  # a training's number: the question that it answers, its unit, whose colour
    "score": ("Do the replies score higher?", "score (deviations)", "proxy"),
    "kl": ("How far from where it began?", "KL (nats)", "RLHF"),
    "margin": ("Does it lean to the chosen?", "margin (nats)", "DPO"),
    "accuracy": ("How many choices go its way?", "share of the choices", "DPO"),
}


def divided_pairs(votes: Sequence[Vote], n: int = 4) -> Figure:
    """The n pairs on which most voters stand against most others: how many chose which reply, or neither.

    Pairs with two votes or one are drawn only where there are no others.
    """
    from minirlhf.classroom.views import ENOUGH, divided

    asked = {vote.question.key: vote.question for vote in votes}
    counts = {key: [0, 0, 0] for key in asked}  # the first reply, the second, neither
    for vote in votes:
        match vote.answer:
            case Better(winner):
                counts[vote.question.key][winner] += 1
            case Tie() | BothBad():
                counts[vote.question.key][2] += 1
    ranked = sorted((key for key in asked if sum(counts[key])), key=lambda key: -divided(counts[key]))
    shown = sorted(ranked, key=lambda key: sum(counts[key]) < ENOUGH)[:n]
    if not shown:
        raise ValueError("divided_pairs needs a vote on a pair; these hold none.")
    figure = style.new_figure(8.0, 0.7 + 1.25 * len(shown))
    for ax, key in zip(figure.subplots(len(shown), 1, squeeze=False)[:, 0], shown, strict=True):
        question, (first, second, neither) = asked[key], counts[key]
        ax.axis("off")
        total, left = first + second + neither, 0
        for count, face, tone in ((first, FIRST, "white"), (neither, BETWEEN, style.INK), (second, SECOND, style.INK)):
            ax.barh(0, count, left=left, color=face, edgecolor=FIRST, height=0.5)
            if count:
                style.note(ax, f"{count}", (left + count / 2, 0), color=tone, ha="center", va="center_baseline")
            left += count
        ax.set(xlim=(0, total), ylim=(-0.9, 1.25))
        style.note(ax, _line(message(question.prompt)), (0, 1.05), color=style.PALE, parse_math=False)
        words = [_line(plain(reply)) for reply in question.replies]
        style.note(ax, words[0], (0, 0.5), parse_math=False, weight="bold")
        style.note(ax, words[1], (total, -0.55), parse_math=False, weight="bold", ha="right")
    neither = ", in grey: neither" if any(counts[key][2] for key in shown) else ""
    style.caption(figure, f"from the left: voters of the upper reply; from the right: of the lower one{neither}")
    voters, pairs = len({vote.voter for vote in votes}), len(asked)
    title = f"{counted(voters, 'voter')} on {counted(pairs, 'pair')}: where they part"
    return style.headline(figure, title)


def room_training(steps: "Sequence[Step]") -> Figure:
    """A room's training as the projector draws it: each of its numbers, step by step."""
    last = steps[-1]
    figure = style.new_figure(8.0, 3.2, tidy=False)  # fixed margins: nothing moves from one drawing to the next
    panels = figure.subplots(1, len(last.values))
    figure.subplots_adjust(left=0.09, right=0.98, top=0.76, bottom=0.16, wspace=0.24)
    for ax, name in zip(panels, last.values, strict=True):
        title, unit, tone = FOLLOWED[name]
        style.dress(ax, title, "step", unit)
        style.draw_runs(ax, [[(float(step.number), float(step.values[name])) for step in steps]], style.colour(tone))
        style.at_least(ax, 0, 1)
        style.whole_numbers(ax, max(last.total, 2))
    said = ", ".join(f"{name.replace('kl', 'KL')} {value:.2f}".replace("-", "−") for name, value in last.values.items())
    return style.headline(figure, f"{last.method}, step {last.number} of {last.total}: {said}")


@dataclass(frozen=True, repr=False)
class RoomAnswers:
    """What the model said to some customers before a room's votes, and what it says after them."""

    answers: Sequence[Mapping[str, str]]

    @property
    def caption(self) -> str:
        return (
            "Chosen among those whom it answers otherwise than before. The same random numbers both times. "
            "Bold: not said before."
        )

    def _repr_html_(self) -> str:
        names = {"before": "SFT", "after": "RLHF"}
        head = "".join(
            f'<th scope="col" style="{CELL}border-top:4px solid {style.colour(model)};color:{style.ink(model)};'
            f'font-size:15px">{name}</th>'
            for name, model in names.items()
        )
        body = "".join(
            f'<tr><th scope="row" style="{CELL}font-weight:normal;color:#555">{escape(plain(row["prompt"]))}</th>'
            f'<td style="{CELL}">{escape(plain(row["before"]))}</td><td style="{CELL}">{_bold(row)}</td></tr>'
            for row in self.answers
        )
        return style.sheet(
            f"{CARD}padding:10px;overflow-x:auto",
            f'<table style="{CARD}{TABLE}"><caption style="{CARD}caption-side:bottom;text-align:left;padding-top:8px">'
            f'{escape(self.caption)}</caption><thead><tr><th scope="col" style="{CELL}border-top-color:#fff">'
            f"customer</th>{head}</tr></thead><tbody>{body}</tbody></table>",
        )

    def __str__(self) -> str:
        rows = (
            f"{plain(row['prompt'])}\n  before  {plain(row['before'])}\n  after   {plain(row['after'])}"
            for row in self.answers
        )
        return "\n\n".join([*rows, self.caption])

    __repr__ = __str__


def room_answers(answers: Sequence[Mapping[str, str]]) -> RoomAnswers:
    """The same customers before and after a room's votes, side by side: rows of `prompt`, `before` and `after`."""
    if not answers:
        raise ValueError("room_answers needs a row for each customer: prompt, before, after. There is none.")
    return RoomAnswers(answers)


def receipt_dots(receipts: Mapping[str, Sequence[int]]) -> Figure:
    """A dot for each voter, without a name: the share of their choices to which the model leaned before, and now.

    A receipt is (clear choices, leaned to before, leans to now).
    """
    shares = [(100 * before / n, 100 * after / n) for n, before, after in receipts.values() if n]
    if not shares:
        raise ValueError("receipt_dots needs a voter who chose between two replies; these receipts hold none.")
    figure, ax = style.panel(5.6, 4.4, "own choices it leaned to before (%)", "and now (%)", grid="both")
    ax.plot([0, 100], [0, 100], color=style.PALE, linewidth=1.2, linestyle=style.DASHED, zorder=1)
    style.note(ax, "no change", (99, 99), (-4, -10), color=style.PALE, ha="right", va="top", rotation=0)
    for dot, many in Counter(shares).items():
        look = {"s": 50 * many**0.5, "color": style.colour("RLHF"), "edgecolor": style.ink("RLHF"), "alpha": 0.8}
        ax.scatter(*dot, zorder=3, **look)
        if many > 1:
            style.note(ax, f"{many}", dot, (8, -8), color=style.ink("RLHF"))
    ax.set(xlim=(-3, 103), ylim=(-3, 103), aspect="equal")
    style.note(ax, "heard", (3, 97), color=style.FINE, va="top", **style.BOLD)
    style.note(ax, "outvoted", (97, 3), color=style.FINE, ha="right", va="bottom", **style.BOLD)
    style.caption(figure, "a dot: a voter; a number beside it: so many at this place")
    heard, out = (sum(sign * (after - before) > 0 for before, after in shares) for sign in (1, -1))
    title = f"The model moved towards {heard} of {counted(len(shares), 'voter')}, and away from {out}"
    return style.headline(figure, title)


def troll_dial(
    turns: "Sequence[Turn]", customers: Sequence[str], said: Mapping[str, Replies], flipped: str, customer: int = 1
) -> Figure:
    """What becomes of a room's votes where this share of the choices is flipped, and what its model says to somebody.

    `said` holds the replies of the model "SFT", and of one model for each share, by its `Turn.name`: "0 %", "10 %".
    They are scored by what the honest votes pay. `customer` counts from 1.
    """
    at = next(turn.share for turn in turns if turn.name == flipped)
    figure = style.new_figure(8.0, 5.2)
    grid = figure.add_gridspec(2, 3, height_ratios=(1.6, 1))
    names = {"Honest choices foreseen": "%", "Agreement of the votes": "α", "Worth to the room": "score"}
    foreseen, alpha, pay = (figure.add_subplot(grid[0, place]) for place in range(3))
    for ax, (name, unit) in zip((foreseen, alpha, pay), names.items(), strict=True):
        style.dress(ax, name, "choices flipped (%)", unit)
        ax.axvline(100 * at, color=style.INK, linewidth=7, alpha=0.12, zorder=0)
    share, agreed = (_dots(*each, turns, at) for each in ((foreseen, "foreseen", "proxy"), (alpha, "alpha", "agree")))
    names_and_shares = {turn.name: 100 * turn.share for turn in turns}
    points = [(x, said[name].mean) for name, x in names_and_shares.items() if name in said]
    style.draw_runs(pay, [points], style.colour("RLHF"))
    pay.scatter(*zip(*points, strict=True), s=24, color=style.ink("RLHF"), zorder=3)
    _floor(foreseen, 50, "a coin", style.PALE, 70)
    _floor(alpha, 0, "chance", style.PALE, 0.3)
    _floor(pay, said["SFT"].mean, "SFT", style.ink("SFT"), 1.0)
    text = figure.add_subplot(grid[1, :])
    text.axis("off")
    row = customer - 1
    lines = [("customer", message(customers[row]), style.PALE), ("SFT", said["SFT"].texts[row], style.ink("SFT"))]
    lines += [(f"{name} flipped", said[name].texts[row], style.ink("RLHF")) for name in dict.fromkeys(("0 %", flipped))]
    for place, (who, words, tone) in enumerate(lines):
        look: dict[str, Any] = {"of": "axes", "va": "top", "parse_math": False, "size": style.MEDIUM}
        style.note(text, who, (0.0, 1 - 0.26 * place), color=tone, weight="bold", **look)
        style.note(text, _line(plain(words), 84), (0.16, 1 - 0.26 * place), **look)
    seeds = len({turn.seed for turn in turns})
    style.caption(figure, f"left, middle: {seeds} lots of flips, a dot each; the line: their mean. Right: a model each")
    worth, alike = style.signed(said[flipped].mean, 2), style.signed(agreed, 2).removeprefix("+")
    return style.headline(figure, f"{flipped} flipped: {share:.0f} % foreseen, α {alike}, a model worth {worth}")


def _dots(ax: Axes, name: str, tone: str, turns: "Sequence[Turn]", at: float) -> float:
    """A dot for each lot of flips, and a line for their means; the mean at the dial's place."""
    scale, found = 100.0 if name == "foreseen" else 1.0, {}
    for turn in turns:
        found.setdefault(100 * turn.share, []).append(scale * getattr(turn, name))
    dots = [(share, value) for share, values in found.items() for value in values]
    ax.scatter(*zip(*dots, strict=True), s=16, color=style.colour(tone), alpha=0.7, zorder=2)
    means = {share: sum(values) / len(values) for share, values in found.items()}
    ax.plot(list(means), list(means.values()), color=style.ink(tone), linewidth=2, zorder=3)
    return means[100 * at]


def _floor(ax: Axes, height: float | int, name: str, tone: str, top: float | int) -> None:
    """The level below which nothing was learned, named at the left, where what is drawn stands higher."""
    ax.axhline(height, color=tone, linewidth=1.2, linestyle=style.DASHED, zorder=1)
    low, high = ax.get_ylim()
    style.at_least(ax, min(low, height - 0.2 * (high - low)), top)
    style.note(ax, name, (0.02, height), (0, -4), of="row", color=tone, va="top")


def _line(text: str, letters: int = LETTERS) -> str:
    """A text in one line, cut where it would leave the page."""
    return style.drawable(shorten(text, letters, placeholder=" …"))


def _bold(row: Mapping[str, str]) -> str:
    words = changed(plain(row["before"]), plain(row["after"]))
    return " ".join(f"<b>{escape(word)}</b>" if new else escape(word) for word, new in words)
