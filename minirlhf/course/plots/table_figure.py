"""The before/after table as a picture, set like a page, because matplotlib has no bold inside a text.

Letters are drawn as outlines: then they are as wide as measured at every resolution.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby
from operator import itemgetter

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.textpath import TextToPath
from matplotlib.transforms import Affine2D

from minirlhf.course.plots import style

SIZE, LINE, GAP = 10.5, 0.2, 0.14  # points; a line's height and the space between rows, in inches
PROMPT, REPLY, SCORE, MARGIN = 2.2, 2.75, 0.45, 0.2  # widths, in inches

Words = list[tuple[str, bool]]  # and whether each is new
Row = tuple[str, list[tuple[Words, float]]]  # a prompt; every model's reply and its score


def draw(table: Sequence[Row], summary: Mapping[str, Sequence[str]], everyone: str, caption: str) -> Figure:
    """Measure and wrap everything first; then the figure's height is known, and it is drawn from the top."""
    rows = [
        (wrap([(word, False) for word in prompt.split()], PROMPT), [(wrap(reply, REPLY), s) for reply, s in replies])
        for prompt, replies in table
    ]
    heights = [LINE * max(len(prompt), *(len(lines) for lines, _ in replies)) + GAP for prompt, replies in rows]
    below = LINE * max(map(len, summary.values())) + 2 * GAP
    left = [MARGIN + PROMPT + 0.25 + i * (REPLY + SCORE + 0.25) for i in range(len(summary))]
    page = Page(left[-1] + REPLY + SCORE + MARGIN, 0.75 + sum(heights) + below + 0.45)

    page.put(MARGIN, 0.3, [("customer", True)], style.PALE, SIZE + 1)
    for x, name in zip(left, summary, strict=True):
        page.bar(x - 0.08, 0.08, REPLY + SCORE + 0.1, 0.07, style.colour(name))
        page.put(x, 0.3, [(name, True)], style.ink(name), SIZE + 3)
    y = 0.62
    for (prompt, replies), height in zip(rows, heights, strict=True):
        page.bar(MARGIN, y, page.width - 2 * MARGIN, 0.012, style.GRID)
        for i, line in enumerate(prompt):
            page.put(MARGIN, y + 0.1 + i * LINE, line, "#555555")
        for x, (lines, score) in zip(left, replies, strict=True):
            for i, line in enumerate(lines):
                page.put(x, y + 0.1 + i * LINE, line, style.INK)
            page.put(
                x + REPLY + SCORE - 0.02, y + 0.1, [(style.signed(score), False)], style.ink("gold"), align="right"
            )
        y += height
    y += 0.05
    page.put(MARGIN, y + GAP, [(everyone, False)], "#555555")
    for x, (name, lines) in zip(left, summary.items(), strict=True):
        page.bar(x - 0.08, y, REPLY + SCORE + 0.1, below - 0.02, style.tint(name))
        for i, line in enumerate(lines):
            page.put(x, y + GAP + i * LINE, [(line, True)], style.INK)
    page.put(MARGIN, y + below + 0.12, [(caption, False)], style.PALE, SIZE - 1)
    return page.figure


class Page:
    """A white sheet on which things are placed in inches from the left and from the top."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = style.new_figure(width, height, tidy=False)
        self.figure.set_size_inches(width, height)  # a page for a README or a slide, and not for a notebook

    def put(self, x: float, y: float, words: Words, tone: str, size: float = SIZE, align: str = "left") -> None:
        """One line of words, bold where they are new."""
        if align == "right":
            x -= sum(measure(word, bold, size) for word, bold in words)
        for bold, run in groupby(words, key=itemgetter(1)):
            text = " ".join(word for word, _ in run)
            vertices, codes = TextToPath().get_text_path(_font(bold), style.drawable(text, bold), ismath=False)
            if len(codes):
                place = Affine2D().scale(size / 72 / TextToPath.FONT_SCALE).translate(x, self.height - y - size / 80)
                letters = PathPatch(Path(vertices, codes), transform=place + self.figure.dpi_scale_trans)
                letters.set(facecolor=tone, linewidth=0)
                self.figure.add_artist(letters)
            x += measure(text + " ", bold, size)

    def bar(self, x: float, y: float, width: float, height: float, tone: str) -> None:
        """A filled box, behind the text."""
        corner = (x, self.height - y - height)
        self.figure.add_artist(
            Rectangle(corner, width, height, transform=self.figure.dpi_scale_trans, color=tone, linewidth=0, zorder=0)
        )


def wrap(words: Words, width: float) -> list[Words]:
    """Words set into lines of at most this width in inches; a word that is longer still is cut to fit."""
    lines: list[Words] = [[]]
    used = 0.0
    for word, bold in words:
        while len(word) > 2 and (wide := measure(word, bold)) > width:
            word = word[: min(int(len(word) * width / wide), len(word) - 2)] + "…"
        if lines[-1] and used + measure(word, bold) > width:
            lines.append([])
            used = 0.0
        lines[-1].append((word, bold))
        used += measure(word + " ", bold)
    return lines


@cache
def measure(text: str, bold: bool, size: float = SIZE) -> float:
    """How wide a text will be, in inches."""
    width, _, _ = TextToPath().get_text_width_height_descent(style.drawable(text, bold), _font(bold), ismath=False)
    return width / _font(bold).get_size_in_points() * size / 72


def _font(bold: bool) -> FontProperties:
    return FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal", size=10)
