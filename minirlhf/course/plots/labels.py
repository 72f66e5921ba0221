"""What lesson 01 shows: pictures with their labels, what a classifier calls them, and what wrong labels do to it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import log
from textwrap import fill, shorten
from typing import Any

import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory
from torch import Tensor

from minirlhf.classify import ClassifierRecord
from minirlhf.course.plots.language import (
    INK,
    MEDIUM,
    PALE,
    SMALL,
    at_least,
    colour,
    drawable,
    dress,
    headline,
    ink,
    level,
    name_ends,
    new_figure,
    tint,
    whole_numbers,
)

Pixels = Float[Tensor, "N 3 H W"]
Probabilities = Float[Tensor, "N K"]
Run = Mapping[str, Any]
TONES = ("SFT", "RLHF", "best-of-n", "DPO")
MARKS = ("o", "s", "^", "D")


def picture_folders(folders: Mapping[str, Pixels], n: int = 10) -> Figure:
    """The first pictures of each folder, a row for each, with the folder's name."""
    figure = new_figure(1.6 + 0.72 * n, 0.7 + 0.78 * len(folders))
    cells = figure.subplots(len(folders), n, squeeze=False)
    for row, (name, pixels) in zip(cells, folders.items(), strict=True):
        for i, ax in enumerate(row):
            if i < len(pixels):
                _picture(ax, pixels[i])
            else:
                ax.axis("off")
        row[0].set_ylabel(
            f"{name}\n{len(pixels)} pictures", rotation=0, ha="right", va="center", fontsize=MEDIUM, color=INK
        )
        row[0].set_xlabel("")
    headline(figure, f"The first {n} pictures of each folder")
    return figure


def picture_guesses(pixels: Pixels, probabilities: Probabilities, names: Sequence[str], truth: str) -> Figure:
    """Pictures of one kind, and below each how probable the classifier finds every label that it knows."""
    figure = new_figure(1.1 + 1.45 * len(pixels), 1.9 + 0.27 * len(names))
    rows = figure.subplots(2, len(pixels), squeeze=False, height_ratios=(1.35, 0.27 * len(names) + 0.2))
    for i, (top, below) in enumerate(zip(*rows, strict=True)):
        _picture(top, pixels[i])
        _bars(below, probabilities[i], names, named=i == 0)
        below.set_xlabel("probability", fontsize=SMALL, color=INK)
    said = Counter(names[k] for k in probabilities.argmax(dim=1).tolist()).most_common()
    counted = ", ".join(f"{name} {count}" for name, count in said)
    headline(figure, f"{len(pixels)} pictures of a {truth}; likeliest label: {counted}")
    return figure


def label_bars(texts: Sequence[str], probabilities: Probabilities, names: Sequence[str]) -> Figure:
    """Texts, and beside each how probable the classifier finds every label that it knows."""
    figure = new_figure(8.6, 0.75 + (0.24 * len(names) + 0.25) * len(texts))
    figure.set_layout_engine("constrained", rect=(0.37, 0, 0.63, 1))  # what was written stands to the left of that
    rows = figure.subplots(len(texts), 1, squeeze=False, sharex=True)[:, 0]
    for ax, text, row in zip(rows, texts, probabilities, strict=True):
        _bars(ax, row, names, named=True)
        written = ax.text(
            0.015,
            0.5,
            drawable(fill(shorten(text, 180, placeholder=" …"), 32)),
            ha="left",
            va="center",
            transform=blended_transform_factory(figure.transFigure, ax.transAxes),
            fontsize=MEDIUM,
            color=INK,
            parse_math=False,
        )
        written.set_in_layout(False)
    rows[-1].set_xlabel("probability", fontsize=SMALL, color=INK)
    top = probabilities.amax(dim=1)
    headline(
        figure,
        f"The likeliest label gets {top.mean():.0%} on average"
        if len(texts) > 1
        else f"{names[int(probabilities[0].argmax())]}: {top[0]:.0%}",
    )
    return figure


def label_curve(records: Sequence[ClassifierRecord], classes: int, title: str = "") -> Figure:
    """A classifier learning: its surprise at the right labels, from ln K on, and how many labels it gets right."""
    if not records:
        raise ValueError("There are no records to draw yet: draw after the first step.")
    figure = new_figure(9.0, 3.6)
    loss, right = figure.subplots(1, 2)
    steps = [record.step for record in records]
    dress(loss, "How surprised is it by the labels?", "step", "loss (nats a label)")
    loss.plot(
        steps,
        [record.loss for record in records],
        color=colour("SFT"),
        linewidth=1.6,
        marker="o" if len(records) == 1 else None,
    )
    at_least(loss, 0.0, 1.1 * log(classes))
    level(loss, log(classes), f"ln {classes}: no idea", PALE)
    dress(right, "How many does it get right?", "step", "right (share of a minibatch)")
    right.plot(
        steps,
        [record.accuracy for record in records],
        color=colour("SFT"),
        linewidth=1.6,
        marker="o" if len(records) == 1 else None,
    )
    right.set_ylim(0, 1.05)
    right.yaxis.set_major_formatter("{x:.0%}")
    level(right, 1 / classes, f"1 in {classes}: chance", PALE)
    for ax in (loss, right):
        whole_numbers(ax)
    first, last = records[0].loss, records[-1].loss
    title = title or "learning from labels"
    headline(figure, f"{title[0].upper()}{title[1:]}: loss {first:.2f} → {last:.2f} by step {steps[-1]}")
    return figure


def taught_and_found(runs: Sequence[Run], kind: str = "plane") -> Figure:
    """How many kept-back pictures of a new kind are found, and how many others are still right, by labelled pictures.

    A run has `labelled`, `seed`, and the shares `found` and `others`.
    """
    figure = new_figure(7.5, 4.2)
    counts = sorted({run["labelled"] for run in runs})
    ax = dress(figure.add_subplot(), "", f"labelled {kind}s added", "named rightly (share of kept-back pictures)")
    ends, said = [], []
    for name, field, tone, mark in ((f"{kind}s", "found", "RLHF", "o"), ("the others", "others", "SFT", "s")):
        for seed in sorted({run["seed"] for run in runs}):
            line = sorted((counts.index(run["labelled"]), run[field]) for run in runs if run["seed"] == seed)
            ax.plot(*zip(*line, strict=True), color=colour(tone), linewidth=0.9, alpha=0.5, marker=mark, markersize=4)
        means = [_mean(run[field] for run in runs if run["labelled"] == count) for count in counts]
        ax.plot(range(len(counts)), means, color=colour(tone), linewidth=2.2, marker=mark, markersize=7)
        ends.append((float(len(counts) - 1), means[-1], name, ink(tone)))
        said.append(", ".join(f"{mean:.0%}" for mean in means))
    ax.set_xticks(range(len(counts)), [str(count) for count in counts])
    ax.set_ylim(-0.04, 1.06)
    ax.yaxis.set_major_formatter("{x:.0%}")
    name_ends(ax, ends)
    seeds = len({run["seed"] for run in runs})
    headline(figure, f"With {', '.join(map(str, counts))} labelled {kind}s it finds {said[0]} (mean of {seeds} runs)")
    return figure


def right_by_group(models: Mapping[str, Mapping[str, float]], title: str) -> Figure:
    """How many pictures of each group are named rightly, by each model: {"model": {"cats": 0.9, "dogs": 0.8}}."""
    groups = list(next(iter(models.values())))
    figure = new_figure(7.8, 1.1 + 0.3 * len(groups) * (len(models) + 0.7))
    ax = dress(figure.add_subplot(), "", "named rightly (share of kept-back pictures)", "", grid="x")
    for i, (name, shares) in enumerate(models.items()):
        for row, group in enumerate(groups):
            at, share = row * (len(models) + 0.7) + i, shares[group]
            ax.barh(
                at,
                share,
                height=0.86,
                color=tint(TONES[i], 0.75),
                hatch=("", "//", "..", "xx")[i],
                edgecolor="white",
                linewidth=0,
            )
            ax.annotate(
                f"{share:.0%}  {name}",
                (share, at),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=SMALL,
                color=ink(TONES[i]),
            )
    middle = (len(models) - 1) / 2
    ax.set_yticks([row * (len(models) + 0.7) + middle for row in range(len(groups))], groups, fontsize=MEDIUM)
    ax.set_ylabel("pictures of", fontsize=SMALL + 0.5, color=INK)
    ax.set_xlim(0, 1.45)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.invert_yaxis()
    headline(figure, title)
    return figure


def wrong_labels(runs: Sequence[Run], recorded: Sequence[Run] = ()) -> Figure:
    """What labels wrong at random do: agreement with the labels taught, and with the truth, on kept-back pictures.

    A run has `wrong` (the share), `pictures`, `seed`, and the shares `taught` and `kept_back`. Runs that were made
    before get a panel of their own, which says so.
    """
    panels = [(runs, ""), *([(recorded, " (recorded)")] if recorded else [])]
    figure = new_figure(5.0 * len(panels), 4.3)
    for ax, (shown, how) in zip(figure.subplots(1, len(panels), squeeze=False, sharey=True)[0], panels, strict=True):
        dress(
            ax,
            f"{shown[0]['pictures']:,} labelled pictures{how}",
            "wrong labels (share)",
            "" if how else "share of pictures",
        )
        shares = sorted({run["wrong"] for run in shown})
        ends = []
        for name, field, tone, mark in (
            ("agrees with\nits labels", "taught", "base", "s"),
            ("right, on\nnew pictures", "kept_back", "SFT", "o"),
        ):
            for run in shown:
                ax.plot(run["wrong"], run[field], mark, color=colour(tone), markersize=4, alpha=0.5)
            means = [_mean(run[field] for run in shown if run["wrong"] == share) for share in shares]
            ax.plot(shares, means, color=colour(tone), linewidth=2)
            ends.append((shares[-1], means[-1], name, ink(tone)))
        ax.plot(shares, [1 - share for share in shares], color=PALE, linewidth=1.2, linestyle=(0, (5, 3)))
        ax.set_ylim(0.3, 1.04)
        ax.yaxis.set_major_formatter("{x:.0%}")
        ax.xaxis.set_major_formatter("{x:.0%}")
        name_ends(ax, ends, gap=0.13)
        ax.text(
            0.03,
            0.03,
            "dashed: how many labels are right\ndots: single runs; lines: means",
            transform=ax.transAxes,
            fontsize=SMALL,
            color=PALE,
        )
    fifths = [(shown[0]["pictures"], _mean(r["kept_back"] for r in shown if r["wrong"] == 0.2)) for shown, _ in panels]
    said = ", ".join(f"{pictures:,} pictures → {share:.0%} right" for pictures, share in fifths)
    headline(figure, f"A fifth of the labels wrong: {said}")
    return figure


def different_answers(collections: Mapping[str, Sequence[str]]) -> Figure:
    """How many different answers people gave, for each task."""
    figure = new_figure(7.8, 1.1 + 0.62 * len(collections))
    ax = dress(figure.add_subplot(), "", "different answers (logarithmic)", "task", grid="x")
    for row, answers in enumerate(collections.values()):
        different = len(set(answers))
        ax.barh(row, different, color=colour("SFT"), height=0.6)
        ax.annotate(
            f"{different:,} in {len(answers):,}",
            (different, row),
            xytext=(5, 0),
            fontsize=MEDIUM,
            textcoords="offset points",
            va="center",
            color=INK,
        )
    ax.set_yticks(range(len(collections)), list(collections), fontsize=MEDIUM)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.set_xlim(1, 12 * max(len(set(answers)) for answers in collections.values()))
    ax.invert_yaxis()
    name, answers = list(collections.items())[-1]
    headline(figure, f"Is there one right answer? {len(set(answers)):,} different {name} in {len(answers):,}")
    return figure


def _picture(ax: Axes, pixels: Float[Tensor, "3 H W"]) -> None:
    ax.imshow(pixels.permute(1, 2, 0).numpy(), interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)


def _bars(ax: Axes, probabilities: Float[Tensor, "K"], names: Sequence[str], named: bool) -> None:
    """A bar for each label, the likeliest one dark, with its probability beside it."""
    dress(ax, "", "", "", grid="x")
    best = int(probabilities.argmax())
    for k, p in enumerate(probabilities.tolist()):
        ax.barh(k, p, color=colour("SFT") if k == best else tint("SFT", 0.35), height=0.76)
        ax.annotate(
            f"{p:.0%}",
            (p, k),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            fontweight="bold" if k == best else "normal",
            color=INK,
        )
    ax.set_yticks(range(len(names)), list(names) if named else [""] * len(names), fontsize=SMALL)
    ax.set(xlim=(0, 1.32), xticks=[0, 0.5, 1], ylim=(len(names) - 0.4, -0.6))
    ax.xaxis.set_major_formatter("{x:.0%}")


def _mean(numbers: Any) -> float:
    found = torch.tensor(list(numbers), dtype=torch.float64)
    return float(found.mean())
