"""The figure of the page on one's own data: how long its texts are, in the pieces of two tokenizers."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from minirlhf.course.plots import style


def text_lengths(lengths: Mapping[str, Sequence[int]], contexts: Mapping[str, int]) -> Figure:
    """How many texts have which length, a panel for each tokenizer, with the context of the model that goes with it."""
    figure = style.new_figure(9.0, 1.2 + 1.7 * len(lengths))
    axes = figure.subplots(len(lengths), 1, sharex=True, squeeze=False)[:, 0]
    longest = max(max(map(max, lengths.values())), *contexts.values())
    width = max(1, longest // 40)
    fits = []
    for ax, (name, found) in zip(axes, lengths.items(), strict=True):
        context = contexts[name]
        inside = sum(length <= context for length in found) / len(found)
        fits.append(f"{inside:.0%} with {name}")
        style.dress(ax, name, "", "texts")
        bins = [n * width for n in range(longest // width + 2)]
        ax.hist(found, bins=bins, color=style.colour("base"))
        ax.axvline(context, color=style.INK, linewidth=1.5, linestyle=style.DASHED)
        style.at_least(ax, 0, 1.2 * ax.get_ylim()[1])  # room for the words, above every bar
        style.note(ax, f"its model reads {context}", (context, ax.get_ylim()[1]), (-5, 0), ha="right", va="top")
    axes[-1].set_xlabel("length of prompt and reply, in pieces")
    return style.headline(figure, "Texts that fit: " + ", ".join(fits))
