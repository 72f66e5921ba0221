"""Figures of policy gradients show the numbers that they are given, and claim only what is in them."""

import math

import pytest
import torch
from matplotlib.colors import to_hex
from readable import assert_readable

from minirlhf.bandit import BanditRecord
from minirlhf.course.plots import (
    COLOURS,
    bandit_progress,
    bandit_runs,
    bandit_tries,
    clip_view,
    credit_bars,
    gradient_spread,
    lambda_spread,
    reinforce_progress,
    reuse_plot,
)
from minirlhf.losses import clipped_policy_loss
from minirlhf.reinforce import ReinforceRecord


def bandit(step, refund):
    return BanditRecord(step, {"We refund $5.": refund, "Please wait 🐟": 1 - refund}, 2 * refund)


def reinforce(update):
    return ReinforceRecord(update, 0.5 * update, 0.1 * (update - 1), 0.4 * update, 0.5, 18.0, 1.0, 0.0, 0.3, 1e-3)


WON, LOST = [bandit(1, 0.5), bandit(2, 0.9)], [bandit(1, 0.5), bandit(2, 0.1)]
MOVED = {"REINFORCE": [torch.zeros(50), torch.full((50,), 1.0)], "clip 0.2": [torch.zeros(50), torch.full((50,), 0.2)]}
PIECES, VALUES, ADVANTAGES = (["Hi", " $5", " 🐟."], torch.tensor([0.5, 1.0, 0.2]), torch.tensor([0.5, -0.8, 1.8]))
FIGURES = {
    "tries": lambda: bandit_tries(list(WON[0].chances), torch.tensor([0, 0, 1]), torch.tensor([1.0, 2.0, -1.0])),
    "bandit": lambda: bandit_progress(WON, steps=5),
    "bandit, one step": lambda: bandit_progress(WON[:1]),
    "runs": lambda: bandit_runs({"as paid": [WON, LOST], "minus the mean": [WON, WON]}, "We refund $5."),
    "spread": lambda: gradient_spread({"as paid": [-1.0, 0.5, 3.0, 4.0], "minus": [0.9, 1.1]}, 1.0),
    "reinforce": lambda: reinforce_progress([reinforce(1), reinforce(2)], updates=4),
    "reinforce, one update": lambda: reinforce_progress([reinforce(1)]),
    "clip, better": lambda: clip_view(torch.tensor([0.0, 0.5, -0.5, 3.0]), 1, 0.2),
    "clip, worse": lambda: clip_view(torch.tensor([0.0, 0.5, -0.5, 3.0]), -1, 0.2),
    "clip, no such token": lambda: clip_view(torch.empty(0), -1, 0.2),
    "reuse": lambda: reuse_plot(MOVED),
    "reuse, cut short": lambda: reuse_plot({name: steps[:1] for name, steps in MOVED.items()}),
    "credit": lambda: credit_bars(PIECES, VALUES, ADVANTAGES, 2.0, 0.0),
    "lambda": lambda: lambda_spread({0.0: [0.5, 0.5], 1.0: [-1.0, 2.0]}),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_stranger_can_read_every_axis(name):
    figure = FIGURES[name]()
    assert figure.get_suptitle()
    for ax in figure.axes:
        hidden = not ax.xaxis.get_tick_params()["labelbottom"] or ax.get_shared_x_axes().get_siblings(ax) != [ax]
        beside = ax.get_shared_y_axes().get_siblings(ax) != [ax]
        assert (ax.get_ylabel() or beside) and (ax.get_xlabel() or hidden)
        assert all(math.isfinite(end) for end in (*ax.get_xlim(), *ax.get_ylim()))


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.filterwarnings("error")
def test_every_figure_is_drawn_without_a_warning(name):
    assert_readable(FIGURES[name]())


def test_tries_stand_in_the_row_of_their_reply_numbered_as_they_came():
    ax = FIGURES["tries"]().axes[0]
    dots = [(line.get_xdata()[0], round(line.get_ydata()[0])) for line in ax.lines if line.get_marker() == "o"]
    assert dots == [(1.0, 0), (2.0, 0), (-1.0, 1)]
    assert [text.get_text() for text in ax.texts] == ["1", "2", "3"]


def test_a_bandit_shows_its_chances_and_what_it_was_paid():
    chances, paid = bandit_progress(WON).axes
    assert sorted(list(line.get_ydata()) for line in chances.lines) == [[0.5, pytest.approx(0.1)], [0.5, 0.9]]
    assert list(paid.lines[0].get_ydata()) == [1.0, 1.8]
    assert "90%" in bandit_progress(WON).get_suptitle()


def test_runs_are_counted_and_not_claimed():
    figure = FIGURES["runs"]()
    assert "1 of 2 · 2 of 2" in figure.get_suptitle()
    assert [ax.get_title(loc="left").splitlines()[1] for ax in figure.axes] == [
        "1 of 2 end above ½",
        "2 of 2 end above ½",
    ]
    assert [
        len([line for line in ax.lines if len(line.get_ydata()) == 2 and list(line.get_xdata()) == [1, 2]])
        for ax in figure.axes
    ] == [2, 2]


def test_a_spread_says_how_many_point_the_wrong_way():
    first, second = FIGURES["spread"]().axes
    assert any("25% point the wrong way" in text.get_text() for text in first.texts)
    assert any("0% point" in text.get_text() and "± 0.10" in text.get_text() for text in second.texts)
    assert sum(bar.get_height() for bar in first.patches) == 4
    assert first.get_xlim() == second.get_xlim()


def test_the_clips_curves_are_asked_of_the_loss_itself():
    asked = []

    def mine(*args):
        asked.append(args)
        return clipped_policy_loss(*args)

    curves, tokens = clip_view(torch.tensor([0.0, 0.5, -0.5]), 1, 0.2, mine).axes
    assert asked and all(args[-1] == 0.2 for args in asked)
    objective, slope = (
        dict(zip(line.get_xdata().round(2), line.get_ydata(), strict=True)) for line in curves.lines[:2]
    )
    assert (objective[1.0], objective[0.6], objective[1.6]) == pytest.approx((1.0, 0.6, 1.2), abs=1e-5)
    assert (slope[0.6], slope[1.0], slope[1.6]) == pytest.approx((1.0, 1.0, 0.0), abs=1e-5)
    assert any(text.get_text().startswith("33%") for text in tokens.texts)  # e^0.5 is 1.65, beyond the range


def test_a_bad_token_is_held_on_the_other_side():
    tokens = clip_view(torch.tensor([0.0, 0.5, -0.5, -0.6]), -1, 0.2).axes[1]
    assert any(text.get_text().startswith("50%") for text in tokens.texts)


def test_how_far_is_half_the_squared_log_ratio():
    moved, stand = reuse_plot(MOVED).axes
    assert [list(line.get_ydata()) for line in moved.lines] == [[0.0, 0.5], [0.0, pytest.approx(0.02)]]
    assert [text.get_text() for text in stand.get_yticklabels()] == list(MOVED)
    assert "REINFORCE: 0.5 · clip 0.2: 0.02" in reuse_plot(MOVED).get_suptitle()


def test_credit_stands_above_its_token_in_the_colour_of_its_sign():
    expected, credit = FIGURES["credit"]().axes
    assert [bar.get_height() for bar in credit.patches] == pytest.approx([0.5, -0.8, 1.8])
    good, bad, _ = (to_hex(bar.get_facecolor()).upper() for bar in credit.patches)
    assert (good, bad) == (COLOURS["best-of-n"], COLOURS["RLHF"])
    assert list(expected.lines[0].get_ydata()) == pytest.approx([0.5, 1.0, 0.2, 2.0])
    assert [text.get_text() for text in credit.get_xticklabels()] == ["Hi", " $5", " �."]


def test_lambda_shows_spread_and_distance_from_the_last_mean():
    texts = [text.get_text() for text in FIGURES["lambda"]().axes[0].texts]
    assert "off by 0.00\n± 0.00" in texts  # both means are 0.5
    assert "off by 0.00\n± 1.50" in texts


def test_reinforce_says_where_it_began_and_where_it_is():
    assert "+0.50 → +1.00" in FIGURES["reinforce"]().get_suptitle()
    score, kl = FIGURES["reinforce"]().axes
    assert list(score.lines[0].get_ydata()) == [0.5, 1.0]
    assert list(kl.lines[0].get_ydata()) == pytest.approx([0.0, 0.1])
