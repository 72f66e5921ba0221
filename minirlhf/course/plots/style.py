"""The one visual language of the course: which colour a model or a score has, and how axes, lines and notes look.

Colours are Okabe and Ito's, which people tell apart whatever colours they see. Nothing comes from the
reader's matplotlib settings: a figure is dark on white paper, and in a dark notebook the light on that paper is lower.
Figures are made without pyplot, so nothing global is touched and a thread may draw.
"""

import struct
import sys
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO
from textwrap import fill
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Transform

COLOURS = {
    "base": "#7F7F7F",
    "SFT": "#0072B2",
    "best-of-n": "#009E73",
    "RLHF": "#D55E00",  # made by PPO
    "DPO": "#CC79A7",
    "proxy": "#56B4E9",  # the reward model, and its score
    "gold": "#E69F00",  # what people truly want
    "people": "#F0E442",
}
INK, PALE, GRID, NORMAL, FINE = "#222222", "#707070", "#EBEBEB", "#E6F2EC", "#3B7A57"
SMALL, MEDIUM, LARGE = 9.0, 10.5, 13.0  # points
WIDEST = 8.0  # inches: on a laptop a notebook shows 700 pixels of 800, and SMALL is still as high as a book's print
BOLD_LETTER, LETTER = 0.59, 0.54  # how wide one is on average, in its height
BEHIND = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1}  # keeps text readable over lines
END = "⟨end⟩"  # how the end of a text is shown
BOLD: dict[str, Any] = {"size": MEDIUM, "weight": "bold"}  # for a note that is to be read first
DASHED = (0, (5, 3))
DIM = (
    0.86  # how much light is left on the paper in a dark theme: calm beside a black page, and every colour stays itself
)
PAPER = "minirlhf-paper"  # the class of all that is dark on white
LIGHT = (  # in each output, for it may be the only one; an output that is not trusted loses it, and stays white
    f"<style>.{PAPER} {{ border-radius: 8px }}"
    f' :is([data-jp-theme-light="false"], .vscode-dark) .{PAPER} {{ filter: brightness({DIM}) }}'
    f" .{PAPER} .{PAPER} {{ filter: none !important }}</style>"
)
Grid = Literal["x", "y", "both"]
Point = tuple[float | int, float | int]
Of = Literal["data", "axes", "row", "column"]
COORDINATES: dict[Of, Any] = {
    "data": "data",
    "axes": "axes fraction",
    "row": ("axes fraction", "data"),
    "column": ("data", "axes fraction"),
}


def colour(name: str) -> str:
    """The colour that a model or a score has in every figure; dark grey for what has none."""
    return COLOURS.get({"PPO": "RLHF", "reward model": "proxy"}.get(name, name), "#444444")


def ink(name: str) -> str:
    """The same hue, as dark as it must be to be read on paper, dimmed or not: a contrast of 4.5, as WCAG asks."""
    shades = (_mixed(colour(name), "#000000", share / 20) for share in range(20))
    return next(shade for shade in shades if contrast(dimmed(shade), dimmed("#FFFFFF")) >= 4.5)


def dimmed(tone: str) -> str:
    """A colour as a dark theme shows it; contrasts are never greater there than on white."""
    return _mixed("#000000", tone, DIM)


def contrast(one: str, other: str) -> float:
    """How far apart two colours are in brightness, from 1 to 21, as WCAG 2 defines it."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(tone: str) -> float:
    """How bright a colour looks, from 0 (black) to 1 (white), as WCAG 2 defines it."""
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(tone))
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def tint(name: str, strength: float = 0.15) -> str:
    """The same hue, light enough to write on."""
    return _mixed("#FFFFFF", colour(name), strength)


def _mixed(one: str, other: str, share: float) -> str:
    red, green, blue = ((1 - share) * a + share * b for a, b in zip(to_rgb(one), to_rgb(other), strict=True))
    return to_hex((red, green, blue))


def new_figure(width: float, height: float, tidy: bool = True) -> Figure:
    """A white figure of this size in inches, or as wide as a notebook shows it in full; tidy: with room for labels."""
    _tell_jupyter()
    engine = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08) if tidy else None
    return Figure(figsize=(min(width, WIDEST), height), layout=engine, facecolor="white")


def _tell_jupyter() -> None:
    """Jupyter learns how to show a Figure when pyplot is imported; we do without, so we tell it ourselves."""
    if "IPython" not in sys.modules:
        return
    from IPython.core.getipython import get_ipython

    bundles = getattr(getattr(get_ipython(), "display_formatter", None), "mimebundle_formatter", None)
    if bundles is not None and Figure not in bundles.type_printers:
        bundles.for_type(Figure, as_output)


def as_output(figure: Figure, tight: bool = True) -> tuple[dict[str, str], dict[str, Any]]:
    """A figure as a notebook's output: data and metadata, with its title for whoever does not see it.

    JupyterLab shows the HTML, because it leaves out what a bare picture says of itself; whoever binds a book or keeps
    figures finds the picture, and the words in its metadata.
    """
    png = drawn(figure, bbox_inches="tight" if tight else None)
    alt = {"alt": said_of(figure)}
    return {"text/html": picture(png, alt["alt"]), "image/png": b64encode(png).decode()}, {"image/png": alt}


def drawn(figure: Figure, **how: Any) -> bytes:
    """The figure as a PNG."""
    png = BytesIO()
    figure.savefig(png, format="png", **how)
    return png.getvalue()


def sheet(look: str, content: str, role: str = "") -> str:
    """HTML on a sheet of paper of this look, in CSS."""
    said = f' role="{role}"' if role else ""
    return f'{LIGHT}<div class="{PAPER}"{said} style="{look}">{content}</div>'


def picture(png: bytes, alt: str) -> str:
    """A PNG as HTML, never wider than the page. With its size known beforehand nothing jumps while it is read."""
    width, height = struct.unpack(">II", png[16:24])
    return (
        f'{LIGHT}<img class="{PAPER}" width="{width}" height="{height}" '
        f'style="display:block;max-width:100%;height:auto" decoding="sync" '
        f'alt="{escape(alt)}" src="data:image/png;base64,{b64encode(png).decode()}">'
    )


def said_of(figure: Figure) -> str:
    """What a figure says in one sentence: its headline, or the label of one that writes its title elsewhere."""
    return " ".join(str(figure.get_suptitle() or figure.get_label() or "a figure").split())


def panel(width: float, height: float, xlabel: str = "", ylabel: str = "", grid: Grid = "y") -> tuple[Figure, Axes]:
    """A figure of a single panel, which needs no title of its own."""
    figure = new_figure(width, height)
    return figure, dress(figure.add_subplot(), "", xlabel, ylabel, grid)


def dress(ax: Axes, title: str = "", xlabel: str = "", ylabel: str = "", grid: Grid = "y") -> Axes:
    """Axes as all of ours are: a title that says what to see, labels, two spines, a faint grid."""
    ax.set_facecolor("white")
    ax.set_title(title, loc="left", fontsize=MEDIUM, fontweight="bold", color=INK)
    ax.set_xlabel(xlabel, fontsize=SMALL + 0.5, color=INK)
    ax.set_ylabel(ylabel, fontsize=SMALL + 0.5, color=INK)
    ax.tick_params(colors=INK, labelsize=SMALL, length=3)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color("#999999")
    ax.set_axisbelow(True)
    ax.grid(visible=False)
    ax.grid(visible=True, axis=grid, color=GRID, linewidth=0.8)
    return ax


def headline(figure: Figure, text: str) -> Figure:
    """The figure with its one sentence, above everything: over two lines, or smaller where the margins are fixed."""
    letters = 72 * 0.98 * figure.get_figwidth() / BOLD_LETTER  # for letters of one point
    size = LARGE
    if figure.get_layout_engine() is not None:
        text = _wrapped(text, letters / LARGE)
    else:
        size = max(SMALL, min(LARGE, letters / max(map(len, text.split("\n")))))
    figure.suptitle(text, x=0.01, ha="left", fontsize=size, fontweight="bold", color=INK)
    return figure


def _wrapped(text: str, letters: float) -> str:
    """The text in lines of so many letters at most; what goes from one number to another stays together."""
    joined = text.replace(" → ", "\u00a0→\u00a0")
    return "\n".join(fill(line, int(letters)) for line in joined.split("\n")).replace("\u00a0", " ")


def caption(figure: Figure, text: str) -> None:
    """Whose runs these are, and what the marks mean, below everything."""
    text = _wrapped(text, 72 * 0.98 * figure.get_figwidth() / SMALL / LETTER)
    figure.supxlabel(text, x=0.01, ha="left", fontsize=SMALL, color=PALE)


def name_rows(ax: Axes, names: Sequence[str], label: str = "", size: float = MEDIUM) -> None:
    """What each row is about, along the left, the first on top; `label`: what they all are."""
    ax.set_yticks(range(len(names)), names, fontsize=size, parse_math=False)
    ax.set_ylim(len(names) - 0.4, -0.6)
    if label:
        ax.set_ylabel(label, fontsize=SMALL + 0.5, color=INK)


def ring(ax: Axes, x: float, y: float | int, width: float = 1.6) -> None:
    """A run that was made here, among recorded ones."""
    look = {"markersize": 12, "markerfacecolor": "none", "markeredgecolor": INK, "markeredgewidth": width, "zorder": 5}
    ax.plot([x], [y], "o", **look)


def whole_numbers(ax: Axes, last: int | None = None) -> None:
    """Updates and steps are counted: no update 2.5. `last`: how far they will go, so that a live figure stays still."""
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    if last is not None:
        ax.set_xlim(0.5, last + 0.5)


def note(
    ax: Axes, text: str, at: Point, shift: Point | None = None, of: Of | Transform = "data", **look: Any
) -> Annotation:
    """Words at a place in the axes, or `shift` points from it, small and dark unless `look` says otherwise.

    `of`: what the place is counted in. "axes": from 0 to 1 along both sides; "row": x from 0 to 1, y as the data;
    "column": the other way round; or a transform of matplotlib's.
    """
    where = COORDINATES[of] if isinstance(of, str) else of
    place = {"annotation_clip": False} if shift is None else {"xytext": shift, "textcoords": "offset points"}
    return ax.annotate(text, at, xycoords=where, **place, **{"color": INK, "size": SMALL, "va": "center"} | look)


def zone(ax: Axes, low: float, high: float) -> None:
    """Mark the normal range lightly, and make room to see all of it."""
    ax.axhspan(low, high, color=NORMAL, zorder=0, linewidth=0)
    at_least(ax, low - 0.08 * (high - low), high + 0.08 * (high - low))
    note(ax, "normal", (1, (low + high) / 2), (3, 0), of="row", color=FINE, rotation=270)


def at_least(ax: Axes, low: float | int, high: float | int) -> None:
    """Let the vertical axis reach from `low` to `high`, or further where the data do."""
    bottom, top = ax.get_ylim()
    ax.set_ylim(min(bottom, low), max(top, high))


def level(ax: Axes, height: float, text: str, tone: str = INK) -> None:
    """A dashed line that everything is measured by, with its name on it."""
    ax.axhline(height, color=tone, linewidth=1.2, linestyle=DASHED, zorder=1)
    note(ax, text, (1, height), (-2, 3), of="row", color=tone, ha="right", va="bottom", bbox=BEHIND)


def signed(score: float, digits: int = 1) -> str:
    """A score with its sign, and a minus as wide as a plus; 0 has none."""
    return f"{score:+.{digits}f}".replace("-", "−") if round(score, digits) else f"{0:.{digits}f}"


def nats(kl: float) -> str:
    """A measured distance; one that is 0 but for rounding has no sign."""
    return f"{round(kl, 1) + 0.0:.1f}".replace("-", "−") + " nats"


def change(first: float, last: float, digits: int = 2) -> str:
    """From which score to which."""
    return f"{signed(first, digits)} → {signed(last, digits)}"


def drawable(text: str, bold: bool = False) -> str:
    """The text with a � for what the font cannot draw: it comes with matplotlib, and has few emoji."""
    font = get_font(findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")))
    return "".join(c if c == "\n" or font.get_char_index(ord(c)) else "�" for c in text)


def name_ends(ax: Axes, ends: Iterable[tuple[float, float, str, str]], gap: float = 0.1) -> None:
    """Write each line's name at its last point (x, y, text, colour), moved apart where they would overlap."""
    bottom, top = ax.get_ylim()
    ends = sorted(ends, key=lambda end: end[1])
    heights: list[float] = []
    for _, y, _, _ in ends:
        heights.append(max((y - bottom) / (top - bottom), heights[-1] + gap if heights else 0.0))
    limit = 1 - gap / 2
    for i in reversed(range(len(heights))):
        heights[i] = min(heights[i], limit)
        limit = heights[i] - gap
    for (x, _, text, tone), height in zip(ends, heights, strict=True):
        note(ax, text, (x, height), (6, 0), of="column", color=tone, weight="bold", annotation_clip=False)


def draw_runs(ax: Axes, runs: Sequence[Sequence[tuple[float, float]]], tone: str) -> tuple[float, float]:
    """One line; over several seeds all lines, their mean and a light band. Returns where the mean ends."""
    at: dict[float, list[float]] = {}
    for run in runs:
        for x, y in run:
            at.setdefault(x, []).append(y)
        if len(runs) > 1:
            ax.plot(*zip(*run, strict=True), color=tone, linewidth=0.8, alpha=0.45)
    xs = sorted(at)
    means = [sum(at[x]) / len(at[x]) for x in xs]
    if len(runs) > 1:
        lows, highs = [min(at[x]) for x in xs], [max(at[x]) for x in xs]
        ax.fill_between(xs, lows, highs, color=tone, alpha=0.15, linewidth=0)
    ax.plot(xs, means, color=tone, linewidth=2, marker="o" if len(xs) == 1 else None)
    return xs[-1], means[-1]
