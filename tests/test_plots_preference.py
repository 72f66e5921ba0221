"""Lesson 05's figures show the numbers that they are given, and count as people count."""

import math
from math import comb

import numpy as np
import pytest
from matplotlib.patches import Rectangle
from readable import assert_readable

from minirlhf.course import plots

ROWS = [
    {"way": way, "votes": votes, "seed": seed, "accuracy": 0.5 + 0.1 * votes / 50 + 0.01 * seed}
    for way in ("word weights", "transformer", "shuffled votes")
    for votes in (5, 50)
    for seed in (0, 1)
]
REMEDY = [
    {"steps": steps, "seed": seed, "remedy": 0.5 + steps / 1000, "accuracy": 0.75}
    for steps in (50, 100)
    for seed in (0, 1)
]
LEADS = [2.0, 0.5, 0.0, -1.0]
RAW = [0.0, 2.0, 4.0]
REPLIES = ["We will swap it for a $5 hat.", "Hi there! 🐟 " + "so sorry " * 12]
FIGURES = {
    "two scores": lambda: plots.two_scores("Customer: Why?", REPLIES, [1.0, -1.0]),
    "two scores, far apart": lambda: plots.two_scores("Customer: Why?", REPLIES, [100.0, 90.0]),
    "kept back": lambda: plots.kept_back_bars(LEADS),
    "kept back, no difference": lambda: plots.kept_back_bars([0.0]),
    "swapped": lambda: plots.swapped_losses(
        {"as voted": [0.69, 0.2], "swapped": [0.69, 0.2]}, {"as voted": 15.0, "swapped": 5.0}, 20
    ),
    "by votes": lambda: plots.accuracy_by_votes(ROWS, (0.86, 0.01), {"now": (50, 0.7)}),
    "remedy": lambda: plots.remedy_by_steps(REMEDY),
    "places": lambda: plots.score_places(["Hi", "\n", "", "pad"], [0.1, 0.2, 0.9, -0.3], 2, 3, "yours"),
    "squares": lambda: plots.customer_squares(
        {"word weights": [(1.0, 1.0), (-2.0, -2.0)], "transformer": [(1.0, -1.0), (-1.0, 1.0)]}
    ),
    "length": lambda: plots.length_lines(
        [3, 4, 9, 12], {"proxy": [1.0, 2.0, 3.0, 4.0], "gold": [1.0, 0.0, 1.0, 0.0]}, [5, 10]
    ),
    "scales": lambda: plots.score_scales({"transformer": (RAW, 2.0, 2.0), "word weights": (RAW, 1.0, 0.5)}),
}


def texts(figure):
    """Everything that is written in a figure."""
    return " | ".join(text.get_text() for ax in figure.axes for text in ax.texts)


@pytest.mark.parametrize("name", FIGURES)
def test_a_stranger_can_read_every_axis(name):
    figure = FIGURES[name]()
    assert figure.get_suptitle()
    for ax in figure.axes:
        assert (ax.get_xlabel() and ax.get_ylabel()) or not ax.axison
        assert all(math.isfinite(end) for end in (*ax.get_xlim(), *ax.get_ylim()))
    assert_readable(figure)


def test_equal_scores_are_a_coin_and_ln_2_wherever_they_stand():
    for both in (0.0, 100.0):
        figure = plots.two_scores("Customer: Why?", REPLIES, [both, both])
        assert "chosen 50 times in 100" in figure.get_suptitle()
        assert texts(figure).count("0.69") == 2


def test_twice_the_reply_that_leads_is_chosen_and_the_other_surprises():
    figure = plots.two_scores("Customer: Why?", REPLIES, [2.0, 0.0])
    assert "A leads by +2.0: chosen 88 times in 100" in figure.get_suptitle()
    assert "A is chosen: 0.13" in texts(figure) and "B is chosen: 2.13" in texts(figure)


def test_a_tie_counts_half_among_what_was_kept_back():
    figure = plots.kept_back_bars(LEADS)
    assert figure.get_suptitle().startswith("2.5 of 4 ordered as chosen")
    bars = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    assert sorted(bar.get_bbox().y1 + bar.get_bbox().y0 for bar in bars) == sorted(LEADS)


def test_twenty_coins_fall_from_six_to_fourteen():
    assert plots.coin_range(20) == (6, 14)


@pytest.mark.parametrize("n", [1, 2, 7, 20, 59, 60, 600])
def test_the_range_holds_95_coins_in_100_and_a_smaller_one_does_not(n):
    low, high = plots.coin_range(n)
    inside = sum(comb(n, k) for k in range(low, high + 1)) / 2**n
    assert low + high == n and inside >= 0.95
    assert n < 3 or inside - 2 * comb(n, low) / 2**n < 0.95


def test_only_the_corner_where_both_customers_are_served_counts_as_right():
    figure = FIGURES["squares"]()
    assert "word weights 50%, transformer 50%" in figure.get_suptitle()
    served = plots.customer_squares({"transformer": [(1.0, -1.0), (0.5, -2.0)]})
    assert "transformer 100%" in served.get_suptitle()


def test_recorded_runs_say_that_they_are_recorded():
    for name in ("by votes", "remedy"):
        assert "recorded runs, 2 seeds" in texts(FIGURES[name]())


def test_the_place_that_is_read_is_named_with_its_score():
    figure = FIGURES["places"]()
    assert "read here: +0.90" in texts(figure) and "the last column: −0.30" in texts(figure)
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == ["Hi", "↵", "⟨end⟩", "pad"]


def test_what_is_normalised_has_mean_0_and_deviation_1():
    left, right = ([np.asarray(line.get_xdata(), dtype=float) for line in ax.lines] for ax in FIGURES["scales"]().axes)
    means = ([x.item() for x in lines if x.size == 1] for lines in (left, right))
    assert next(means) == [2.0, 2.0]
    assert next(means)[0] == pytest.approx(0.0)
