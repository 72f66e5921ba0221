"""Whether a model took its reward model at its word: how often it says each word, before and after."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from minirlhf.course.plots.language import (
    INK,
    MEDIUM,
    PALE,
    SMALL,
    colour,
    drawable,
    dress,
    headline,
    ink,
    new_figure,
    signed,
)
from minirlhf.tokenizer import split_words


def word_shift(
    weights: Mapping[str, float],
    before: Sequence[str],
    after: Sequence[str],
    n: int = 12,
    names: tuple[str, str] = ("SFT", "RLHF"),
) -> Figure:
    """The n words that weigh most, the best paid on top, and in how many of 100 replies each is said, then and now.

    `names` are the models that said them: their names in the figure, and their colours.
    """
    if not before or not after:
        raise ValueError("word_shift needs replies from before and from after.")
    old, new = (_shares(texts) for texts in (before, after))
    said = [word for word in weights if word in old.keys() | new.keys()]  # the length is no word
    largest = sorted(said, key=lambda word: abs(weights[word]))[-n:]
    shown = sorted(largest, key=lambda word: weights[word])
    figure = new_figure(7.5, 1.7 + 0.3 * max(len(shown), 1))
    ax = dress(figure.add_subplot(), "", "said in so many of 100 replies", "word, and its weight", grid="x")
    kept = 0
    for row, word in enumerate(shown):
        start, end = 100 * old.get(word, 0.0), 100 * new.get(word, 0.0)
        kept += (end > start) if weights[word] > 0 else (end < start)
        ax.plot([start, end], [row, row], color=PALE, linewidth=1.5, zorder=1)
        ax.plot(start, row, "o", color=colour(names[0]), markersize=7, zorder=2)
        ax.plot(end, row, "o", color=colour(names[1]), markersize=7, zorder=3)
        if row == len(shown) - 1:
            ends = sorted(zip((start, end), names, strict=True))
            sides = ("right", "left") if ends[1][0] - ends[0][0] < 12 else ("center", "center")
            for (x, name), side in zip(ends, sides, strict=True):
                ax.annotate(
                    name,
                    (x, row),
                    xytext=(0, 8),
                    textcoords="offset points",
                    ha=side,
                    fontsize=SMALL,
                    fontweight="bold",
                    color=ink(name),
                )
    labels = [f"{drawable(word)}  {signed(weights[word])}" for word in shown]
    ax.set_yticks(range(len(shown)), labels, fontsize=MEDIUM, color=INK, parse_math=False)
    ax.set(xlim=(-4, 104), ylim=(-0.7, len(shown) - 0.1))
    headline(figure, f"{kept} of the {len(shown)} heaviest words went where their weight said")
    return figure


def _shares(texts: Sequence[str]) -> dict[str, float]:
    """In which share of the texts each word is said."""
    words = [set(split_words(text)) for text in texts]
    return {word: sum(word in said for said in words) / len(words) for word in set().union(*words)}
