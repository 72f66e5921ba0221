"""The figures of lesson 01 show the numbers that they are given."""

import math

import pytest
import torch
from readable import assert_readable

from minirlhf.classify import ClassifierRecord
from minirlhf.course.plots import (
    different_answers,
    label_bars,
    label_curve,
    picture_folders,
    picture_guesses,
    right_by_group,
    taught_and_found,
    wrong_labels,
)
from minirlhf.course.plots.style import said_of

PIXELS = torch.rand(4, 3, 24, 24, generator=torch.Generator().manual_seed(0))
SAID = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]])
RECORDS = [ClassifierRecord(n, math.log(3) / n, 1 - 0.5 / n, 1.0, 1e-3) for n in range(1, 30)]
RUNS = [
    {"labelled": n, "seed": seed, "found": found + 0.02 * seed, "others": 0.9}
    for n, found in ((0, 0.0), (5, 0.5), (20, 0.9))
    for seed in (0, 1)
]
NOISY = [
    {"pictures": 150, "wrong": wrong, "seed": seed, "taught": 1 - wrong / 2, "kept_back": 0.9 - wrong}
    for wrong in (0.0, 0.2, 0.4)
    for seed in (0, 1)
]
MANY = [{**run, "pictures": 1200, "kept_back": 0.97} for run in NOISY]
GROUPS = {"by lot": {"cats": 0.9, "dogs": 0.8}, "with a system": {"cats": 0.1, "dogs": 0.75}}
FIGURES = {
    "folders": lambda: picture_folders({"train/cat": PIXELS, "train/dog": PIXELS[:2]}, n=3),
    "guesses": lambda: picture_guesses(PIXELS, SAID, ("cat", "dog"), "plane"),
    "texts": lambda: label_bars(["Hello <b>there</b> $5.", "Why? 🐟"], SAID[:2], ("glad", "sad")),
    "one text": lambda: label_bars(["Hello."], SAID[:1], ("glad", "sad")),
    "curve": lambda: label_curve(RECORDS, 3, "the package's cross_entropy"),
    "one step": lambda: label_curve(RECORDS[:1], 3),
    "planes": lambda: taught_and_found(RUNS),
    "groups": lambda: right_by_group(GROUPS, "20 labels wrong"),
    "wrong": lambda: wrong_labels(NOISY, MANY),
    "wrong, live only": lambda: wrong_labels(NOISY),
    "answers": lambda: different_answers({"pictures": ["cat", "dog", "cat"], "replies": ["a", "b", "c"]}),
}


def written(figure):
    """Everything that stands in a figure's axes."""
    return " ".join(text.get_text() for ax in figure.axes for text in ax.texts)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_without_a_warning(name):
    figure = FIGURES[name]()
    assert figure.get_suptitle()
    assert_readable(figure, least=2000)


@pytest.mark.parametrize("name", ["curve", "planes", "groups", "wrong", "answers"])
def test_every_axis_says_what_it_counts(name):
    figure = FIGURES[name]()
    assert all(ax.get_xlabel() for ax in figure.axes)
    assert figure.axes[0].get_ylabel()


def test_guesses_show_each_probability_and_count_the_likeliest():
    figure = FIGURES["guesses"]()
    assert "cat 3, dog 1" in figure.get_suptitle()
    for probability in SAID.flatten().tolist():
        assert f"{probability:.0%}" in written(figure)
    bars = [bar.get_width() for ax in figure.axes for bar in ax.patches]
    assert bars == pytest.approx(SAID.flatten().tolist())


def test_pictures_are_shown_as_they_are():
    images = [ax.images[0].get_array() for ax in FIGURES["folders"]().axes if ax.images]
    assert len(images) == 5  # three of one folder, both of the other
    assert torch.equal(torch.as_tensor(images[0]), PIXELS[0].permute(1, 2, 0))


def test_the_curve_is_measured_by_ln_k():
    loss, right = FIGURES["curve"]().axes
    assert list(loss.lines[0].get_ydata()) == [record.loss for record in RECORDS]
    assert list(right.lines[0].get_ydata()) == [record.accuracy for record in RECORDS]
    assert loss.lines[1].get_ydata()[0] == pytest.approx(math.log(3))
    with pytest.raises(ValueError, match="after the first step"):
        label_curve([], 3)


def test_planes_are_drawn_run_by_run_with_their_mean():
    figure = FIGURES["planes"]()
    lines = figure.axes[0].lines
    assert list(lines[0].get_ydata()) == pytest.approx([0.0, 0.5, 0.9])
    assert list(lines[2].get_ydata()) == pytest.approx([0.01, 0.51, 0.91])
    assert "0, 5, 20 labelled planes it finds 1%, 51%, 91% (mean of 2 runs)" in figure.get_suptitle()


def test_groups_are_named_and_counted():
    figure = FIGURES["groups"]()
    assert sorted(bar.get_width() for bar in figure.axes[0].patches) == [0.1, 0.75, 0.8, 0.9]
    assert "10%  with a system" in written(figure)


def test_recorded_runs_say_so():
    live, recorded = FIGURES["wrong"]().axes
    assert "recorded" in recorded.get_title(loc="left") and "recorded" not in live.get_title(loc="left")
    assert "150 pictures → 70% right, 1,200 pictures → 97% right" in said_of(FIGURES["wrong"]())


def test_different_answers_are_counted():
    assert "2 in 3" in written(FIGURES["answers"]()) and "3 in 3" in written(FIGURES["answers"]())
