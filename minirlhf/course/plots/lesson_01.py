"""Classification: labelled pictures, predicted probabilities, learning curves, and the effect of wrong labels."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import log
from textwrap import fill, shorten

from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory
from torch import Tensor

from minirlhf.classify import ClassifierRecord
from minirlhf.course.plots import style
from minirlhf.course.plots.rows import Rows, by_seed, distinct, mean, select

Pixels = Float[Tensor, "N 3 H W"]
Probabilities = Float[Tensor, "N K"]
TONES, HATCHES = ("SFT", "RLHF", "best-of-n", "DPO"), ("", "//", "..", "xx")  # of the models compared
RIGHT = "named rightly (share of kept-back pictures)"


def picture_folders(folders: Mapping[str, Pixels], n: int = 10) -> Figure:
    """The first pictures of each folder, a row for each, with the folder's name."""
    figure = style.new_figure(1.6 + 0.64 * n, 0.7 + 0.7 * len(folders))
    cells = figure.subplots(len(folders), n, squeeze=False)
    for row, (name, pixels) in zip(cells, folders.items(), strict=True):
        for i, ax in enumerate(row):
            if i < len(pixels):
                _picture(ax, pixels[i])
            else:
                ax.axis("off")
        look = {"rotation": 0, "ha": "right", "va": "center", "fontsize": style.MEDIUM, "color": style.INK}
        row[0].set_ylabel(f"{name}\n{len(pixels)} pictures", **look)
        row[0].set_xlabel("")
    return style.headline(figure, f"The first {n} pictures of each folder")


def picture_guesses(pixels: Pixels, probabilities: Probabilities, names: Sequence[str], truth: str) -> Figure:
    """Pictures of one kind, and below each the predicted probability of every label."""
    figure = style.new_figure(1.1 + 1.15 * len(pixels), 1.7 + 0.27 * len(names))
    rows = figure.subplots(2, len(pixels), squeeze=False, height_ratios=(1.35, 0.27 * len(names) + 0.2))
    for i, (top, below) in enumerate(zip(*rows, strict=True)):
        _picture(top, pixels[i])
        _bars(below, probabilities[i], names, named=i == 0)
        below.set_xlabel("probability", fontsize=style.SMALL, color=style.INK)
    guesses = Counter(names[k] for k in probabilities.argmax(dim=1).tolist()).most_common()
    counted = ", ".join(f"{name} {count}" for name, count in guesses)
    return style.headline(figure, f"{len(pixels)} pictures of a {truth}; likeliest label: {counted}")


def label_bars(texts: Sequence[str], probabilities: Probabilities, names: Sequence[str]) -> Figure:
    """Texts, and beside each the predicted probability of every label."""
    figure = style.new_figure(8.0, 0.75 + (0.24 * len(names) + 0.25) * len(texts))
    figure.set_layout_engine("constrained", rect=(0.37, 0, 0.63, 1))  # the texts are to the left of that
    rows = figure.subplots(len(texts), 1, squeeze=False, sharex=True)[:, 0]
    for ax, text, row in zip(rows, texts, probabilities, strict=True):
        _bars(ax, row, names, named=True)
        lines = style.drawable(fill(shorten(text, 180, placeholder=" …"), 32))
        place = blended_transform_factory(figure.transFigure, ax.transAxes)
        written = style.note(ax, lines, (0.015, 0.5), of=place, size=style.MEDIUM, parse_math=False)
        written.set_in_layout(False)
    rows[-1].set_xlabel("probability", fontsize=style.SMALL, color=style.INK)
    top, best = probabilities.max(dim=1)
    alone = f"{names[int(best[0])]}: {top[0]:.0%}"
    several = f"The likeliest label gets {top.mean():.0%} on average"
    return style.headline(figure, alone if len(texts) == 1 else several)


def label_curve(records: Sequence[ClassifierRecord], classes: int, title: str = "") -> Figure:
    """A classifier's loss and accuracy over its steps, beside those of a uniform guess: ln K and 1/K."""
    if not records:
        raise ValueError("There are no records to draw yet: draw after the first step.")
    figure = style.new_figure(8.0, 3.6)
    loss, right = figure.subplots(1, 2)
    steps = [record.step for record in records]
    style.dress(loss, "How surprised is it by the labels?", "step", "loss (nats a label)")
    look = {"color": style.colour("SFT"), "linewidth": 1.6, "marker": "o" if len(records) == 1 else None}
    loss.plot(steps, [record.loss for record in records], **look)
    style.at_least(loss, 0.0, 1.1 * log(classes))
    style.level(loss, log(classes), f"ln {classes}: no idea", style.PALE)
    style.dress(right, "How many does it get right?", "step", "right (share of a minibatch)")
    right.plot(steps, [record.accuracy for record in records], **look)
    right.set_ylim(0, 1.05)
    right.yaxis.set_major_formatter("{x:.0%}")
    style.level(right, 1 / classes, f"1 in {classes}: chance", style.PALE)
    for ax in (loss, right):
        style.whole_numbers(ax)
    first, last = records[0].loss, records[-1].loss
    title = title or "learning from labels"
    return style.headline(figure, f"{title[0].upper()}{title[1:]}: loss {first:.2f} → {last:.2f} by step {steps[-1]}")


def taught_and_found(runs: Rows, kind: str = "plane") -> Figure:
    """How many kept-back pictures of a new kind are found, and how many others are still right, by labelled pictures.

    A run has `labelled`, `seed`, and the shares `found` and `others`.
    """
    figure, ax = style.panel(7.5, 4.2, f"labelled {kind}s added (each step adds more)", RIGHT)
    counts = sorted(distinct(runs, "labelled"))
    ends, found = [], []
    for name, field, tone, mark in ((f"{kind}s", "found", "RLHF", "o"), ("the others", "others", "SFT", "s")):
        look = {"color": style.colour(tone), "linewidth": 0.9, "alpha": 0.5, "marker": mark, "markersize": 4}
        for line in by_seed(runs, "labelled", field):
            ax.plot([counts.index(count) for count, _ in line], [share for _, share in line], **look)
        means = [mean(select(runs, labelled=count), field) for count in counts]
        ax.plot(range(len(counts)), means, color=style.colour(tone), linewidth=2.2, marker=mark, markersize=7)
        ends.append((float(len(counts) - 1), means[-1], name, style.ink(tone)))
        found.append(", ".join(f"{share:.0%}" for share in means))
    ax.set_xticks(range(len(counts)), [str(count) for count in counts])
    ax.set_ylim(-0.04, 1.06)
    ax.yaxis.set_major_formatter("{x:.0%}")
    style.name_ends(ax, ends)
    seeds = len(distinct(runs, "seed"))
    title = f"With {', '.join(map(str, counts))} labelled {kind}s it finds {found[0]} (mean of {seeds} runs)"
    return style.headline(figure, title)


def right_by_group(models: Mapping[str, Mapping[str, float]], title: str) -> Figure:
    """Each model's accuracy on each group of pictures: {"model": {"cats": 0.9, "dogs": 0.8}}."""
    groups, each = list(next(iter(models.values()))), len(models) + 0.7
    figure, ax = style.panel(7.8, 1.1 + 0.3 * len(groups) * each, RIGHT, "pictures of", grid="x")
    for i, (name, shares) in enumerate(models.items()):
        look = {"color": style.tint(TONES[i], 0.75), "hatch": HATCHES[i], "edgecolor": "white", "linewidth": 0}
        for row, group in enumerate(groups):
            y, share = row * each + i, shares[group]
            ax.barh(y, share, height=0.86, **look)
            style.note(ax, f"{share:.0%}  {name}", (share, y), (4, 0), color=style.ink(TONES[i]))
    middle = (len(models) - 1) / 2
    ax.set_yticks([row * each + middle for row in range(len(groups))], groups, fontsize=style.MEDIUM)
    ax.set_xlim(0, 1.45)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.invert_yaxis()
    return style.headline(figure, title)


def wrong_labels(runs: Rows, recorded: Rows = ()) -> Figure:
    """Random label noise: agreement with the noisy labels, and with the true ones on kept-back pictures.

    A run has `wrong` (the share), `pictures`, `seed`, and the shares `taught` and `kept_back`. Runs that were made
    before get a panel of their own, which says so.
    """
    panels = [(runs, ""), *([(recorded, " (recorded)")] if recorded else [])]
    figure = style.new_figure(max(5.0, 4.0 * len(panels)), 4.3)
    for ax, (shown, how) in zip(figure.subplots(1, len(panels), squeeze=False, sharey=True)[0], panels, strict=True):
        title = f"{shown[0]['pictures']:,} labelled pictures{how}"
        style.dress(ax, title, "wrong labels (share)", "" if how else "share of pictures")
        shares = sorted(distinct(shown, "wrong"))
        ends = []
        for name, field, tone, mark in (
            ("agrees with\nits labels", "taught", "base", "s"),
            ("right, on\nnew pictures", "kept_back", "SFT", "o"),
        ):
            for run in shown:
                ax.plot(run["wrong"], run[field], mark, color=style.colour(tone), markersize=4, alpha=0.5)
            means = [mean(select(shown, wrong=share), field) for share in shares]
            ax.plot(shares, means, color=style.colour(tone), linewidth=2)
            ends.append((shares[-1], means[-1], name, style.ink(tone)))
        ax.plot(shares, [1 - share for share in shares], color=style.PALE, linewidth=1.2, linestyle=style.DASHED)
        ax.set_ylim(0.3, 1.04)
        ax.yaxis.set_major_formatter("{x:.0%}")
        ax.xaxis.set_major_formatter("{x:.0%}")
        style.name_ends(ax, ends, gap=0.13)
        key = "dashed: how many labels are right\ndots: single runs; lines: means"
        style.note(ax, key, (0.03, 0.03), of="axes", color=style.PALE, va="baseline")
    fifths = [(shown[0]["pictures"], mean(select(shown, wrong=0.2), "kept_back")) for shown, _ in panels]
    results = ", ".join(f"{pictures:,} pictures → {share:.0%} right" for pictures, share in fifths)
    return style.headline(figure, f"A fifth of the labels wrong: {results}")


def different_answers(collections: Mapping[str, Sequence[str]]) -> Figure:
    """How many different answers people gave, for each task."""
    figure, ax = style.panel(7.8, 1.1 + 0.62 * len(collections), "different answers (logarithmic)", "task", grid="x")
    counts = [len(set(answers)) for answers in collections.values()]
    for row, (different, answers) in enumerate(zip(counts, collections.values(), strict=True)):
        ax.barh(row, different, color=style.colour("SFT"), height=0.6)
        style.note(ax, f"{different:,} in {len(answers):,}", (different, row), (5, 0), size=style.MEDIUM)
    ax.set_yticks(range(len(collections)), list(collections), fontsize=style.MEDIUM)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.set_xlim(1, 12 * max(counts))
    ax.invert_yaxis()
    name, answers = list(collections.items())[-1]
    return style.headline(figure, f"Is there one right answer? {counts[-1]:,} different {name} in {len(answers):,}")


def _picture(ax: Axes, pixels: Float[Tensor, "3 H W"]) -> None:
    ax.imshow(pixels.permute(1, 2, 0).numpy(), interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)


def _bars(ax: Axes, probabilities: Float[Tensor, "K"], names: Sequence[str], named: bool) -> None:
    """A bar for each label, the likeliest one dark, with its probability beside it."""
    style.dress(ax, "", "", "", grid="x")
    best = int(probabilities.argmax())
    for k, p in enumerate(probabilities.tolist()):
        ax.barh(k, p, color=style.colour("SFT") if k == best else style.tint("SFT", 0.35), height=0.76)
        style.note(ax, f"{p:.0%}", (p, k), (3, 0), weight="bold" if k == best else "normal")
    style.name_rows(ax, list(names) if named else [""] * len(names), size=style.SMALL)
    ax.set(xlim=(0, 1.32), xticks=[0, 0.5, 1])
    ax.xaxis.set_major_formatter("{x:.0%}")
