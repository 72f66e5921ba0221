"""The same customers, answered by one model after another: the before/after table.

It shows itself in a notebook (HTML), in a terminal (`print`), and as a picture (`.figure()`). What a model
wrote is only ever text: escaped in HTML, no mathematics in the picture, no control characters anywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from html import escape
from itertools import pairwise
from shutil import get_terminal_size
from textwrap import fill

from matplotlib.figure import Figure

from minirlhf.course.plots import style
from minirlhf.course.plots.table_figure import Row, Words, draw
from minirlhf.evaluate import Replies, WinRate, win_rate
from minirlhf.files.messages import counted

CARD = f"background:#fff;color:{style.INK};"  # paper in JupyterLab's dark theme too
TABLE = "border-collapse:collapse;table-layout:auto;width:100%;font-size:13px;line-height:1.35;"
CELL = CARD + "text-align:left;vertical-align:top;padding:6px 10px;border-top:1px solid #ddd;"


@dataclass(frozen=True, repr=False)
class BeforeAfter:
    """What customers wrote, what each model replied, how many of them to show, and whose the scores are."""

    prompts: Sequence[str]
    columns: Mapping[str, Replies]
    rows: int = 8
    scores: str = "gold scores"

    @property
    def win_rates(self) -> dict[str, tuple[str, WinRate]]:
        """For every model but the first, the one before it and how often it answered better."""
        return {
            name: (before, win_rate(self.columns[name].scores, self.columns[before].scores))
            for before, name in pairwise(self.columns)
        }

    def shown(self) -> list[Row]:
        """Per customer the message, and per model the reply as (word, is it new?) with its score."""
        table = []
        for row, prompt in enumerate(self.prompts[: self.rows]):
            replies = [plain(column.texts[row]) for column in self.columns.values()]
            words = [changed(before, after) for before, after in pairwise([replies[0], *replies])]
            scores = [column.scores[row] for column in self.columns.values()]
            table.append((message(prompt), list(zip(words, scores, strict=True))))
        return table

    def summary(self) -> dict[str, list[str]]:
        """Under every model: its mean score, and how often it beats the one before."""
        lines = {name: [f"mean {style.signed(column.mean, 2)}"] for name, column in self.columns.items()}
        for name, (before, rate) in self.win_rates.items():
            lines[name].append(f"beats {before} {rate}")
        return lines

    @property
    def caption(self) -> str:
        shown, n = min(self.rows, len(self.prompts)), len(self.prompts)
        return (
            f"The first {shown} of {counted(n, 'customer')}, not picked. Bold: not said by the model to the left. "
            f"Numbers: {self.scores}. Brackets: 95 % intervals; ties count half."
        )

    @property
    def everyone(self) -> str:
        return f"all {counted(len(self.prompts), 'customer')}" if len(self.prompts) > 1 else "the only customer"

    def figure(self) -> Figure:
        """The table as a picture, for a README or a slide."""
        return draw(self.shown(), self.summary(), f"{self.everyone}", self.caption)

    def _repr_html_(self) -> str:
        head = "".join(
            f'<th scope="col" style="{CELL}border-top:4px solid {style.colour(name)};color:{style.ink(name)};'
            f'font-size:15px">{escape(name)}</th>'
            for name in self.columns
        )
        body = "".join(
            f'<tr><th scope="row" style="{CELL}font-weight:normal;color:#555">{escape(prompt)}</th>'
            + "".join(f'<td style="{CELL}">{_html(words, score)}</td>' for words, score in replies)
            + "</tr>"
            for prompt, replies in self.shown()
        )
        foot = "".join(
            f'<td style="{CELL}background:{style.tint(name)}"><b>{"<br>".join(map(escape, lines))}</b></td>'
            for name, lines in self.summary().items()
        )
        return style.sheet(
            f"{CARD}padding:10px;overflow-x:auto",
            f'<table style="{CARD}{TABLE}">'
            f'<caption style="{CARD}caption-side:bottom;text-align:left;padding-top:8px">'
            f"{escape(self.caption)}</caption>"
            f'<thead><tr><th scope="col" style="{CELL}border-top-color:#fff">customer</th>{head}</tr></thead>'
            f"<tbody>{body}</tbody>"
            f'<tfoot><tr><th scope="row" style="{CELL}">all {len(self.prompts)}</th>{foot}</tr></tfoot>'
            "</table>",
        )

    def __str__(self) -> str:
        width = min(max(get_terminal_size().columns, 60), 110)
        name_width = max(map(len, self.columns))
        blocks = []
        for prompt, replies in self.shown():
            lines = [fill(prompt, width)]
            for name, (words, score) in zip(self.columns, replies, strict=True):
                start = f"  {name:>{name_width}} {style.signed(score):>4}  "
                reply = " ".join(word for word, _ in words)
                lines.append(fill(reply, width, initial_indent=start, subsequent_indent=" " * len(start)))
            blocks.append("\n".join(lines))
        sums = "\n".join(f"  {name:>{name_width}}  {', '.join(lines)}" for name, lines in self.summary().items())
        return "\n\n".join([*blocks, f"{self.everyone.capitalize()}, {self.scores}:\n{sums}"])

    __repr__ = __str__


def before_after_table(
    prompts: Sequence[str], columns: Mapping[str, Replies], rows: int = 8, scores: str = "gold scores"
) -> BeforeAfter:
    """The models' replies to the same customers side by side, with what they scored, and win rates below."""
    for name, replies in columns.items():
        if not len(prompts) == len(replies.texts) == len(replies.scores):
            raise ValueError(
                f"before_after_table: {name!r} has {counted(len(replies.texts), 'reply', 'replies')} and "
                f"{counted(len(replies.scores), 'score')} for {counted(len(prompts), 'prompt')}; "
                "every prompt needs one of each."
            )
    if not columns or not prompts:
        raise ValueError("before_after_table needs at least one prompt and one model's replies.")
    return BeforeAfter(prompts, columns, rows, scores)


def message(prompt: str) -> str:
    """What the customer wrote, without the frame that the model sees around it."""
    return plain(prompt.removesuffix("\nAgent:").removeprefix("Customer: "))


def plain(text: str) -> str:
    """One line of printable characters; others become �, and an empty text (nothing)."""
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else "�" for c in line) or "(nothing)"


def changed(before: str, after: str) -> Words:
    """The words of `after`, and whether each is new against `before`."""
    old, new = before.split(), after.split()
    same = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    kept = {block.b + i for block in same for i in range(block.size)}
    return [(word, i not in kept) for i, word in enumerate(new)]


def _html(words: Words, score: float) -> str:
    """A reply with its new words in bold, and its score."""
    reply = " ".join(f"<b>{escape(word)}</b>" if new else escape(word) for word, new in words)
    return (
        f'{reply} <span style="color:{style.ink("gold")};white-space:nowrap;float:right">{style.signed(score)}</span>'
    )
