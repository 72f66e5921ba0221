"""Lesson 09's figures show the numbers that they are given, and claim what these allow."""

import math

import pytest
from readable import assert_readable

from minirlhf.course.overoptimisation import GaoFit, Snapshot, bootstrap_fits
from minirlhf.course.plots import (
    COLOURS,
    choice_curves,
    gold_by_distance,
    hack_signs,
    proxy_and_gold,
    remedy_dots,
    three_judges,
)
from minirlhf.course.plots.style import said_of

WALK = [
    Snapshot(
        u,
        kl=0.25 * u * u,
        proxy=0.5 * u,
        gold=gold,
        length=13.0 + u,
        distinct=1.0 - 0.1 * u,
        texts=["Hello."] * 4,
        golds=[gold] * 4,
    )
    for u, gold in enumerate([0.2, 0.5, 0.1, -0.6])
]
BON, RL = GaoFit("best-of-n", 0.6, 0.3), GaoFit("PPO", 0.3, 0.3)
RUNS = {
    "PPO": [[(d, scale * RL(d)) for d in (0.0, 1.0, 2.0, 4.0, 5.0)] for scale in (1.0, 1.1, 0.9)],
    "best-of-n": [[(d, scale * BON(d)) for d in (0.0, 0.5, 1.0, 1.8)] for scale in (1.0, 1.1)],
}
FITS = {method: bootstrap_fits(method, runs, draws=30) for method, runs in RUNS.items()}
GAINS = {"a larger β": ([0.3, 0.4, 0.35], [0.3, 0.32, 0.31]), "none": ([0.1, 0.2, 0.1], [-0.5, -1.5, 0.4])}
JUDGES = {"its own reward model": ([0.0, 1.0], [4.0, 5.0]), "the gold score": ([0.0, 2.0], [-1.0, 1.0])}
FIGURES = {
    "walk": lambda: proxy_and_gold(WALK, updates=16),
    "the start of a walk": lambda: proxy_and_gold(WALK[:1]),
    "distance": lambda: gold_by_distance(
        RUNS, FITS, {"PPO": RUNS["PPO"][0], "best-of-n": [(0.0, 0.0), (0.8, 0.4)]}, RUNS, by="your my_score"
    ),
    "distance, bare": lambda: gold_by_distance(RUNS),
    "a live run cut short": lambda: gold_by_distance(RUNS, FITS, {"PPO": [(0.0, 0.0)]}),
    "remedies": lambda: remedy_dots(GAINS, {"none": (0.1, -0.2)}, by="your my_pessimistic"),
    "one seed": lambda: remedy_dots(GAINS),
    "signs": lambda: hack_signs(WALK),
    "one sign": lambda: hack_signs(WALK[:1]),
    "judges": lambda: three_judges(JUDGES, "base", "RLHF"),
    "choices": lambda: choice_curves(
        (1, 2, 4),
        {"the first n": [[0.0, 1.0, 2.0], [0.0, 0.5, 2.5]], "all choices of n": [[0.0, 1.0, 2.0]]},
        by="the package's best_of_n_score",
    ),
    "luck": lambda: choice_curves((1, 2), {"the first n": [[0.0, 0.25], [0.1, 0.75]]}),
}


@pytest.mark.parametrize("name", FIGURES)
def test_it_is_drawn_without_a_warning_and_every_axis_has_a_name(name):
    figure = FIGURES[name]()
    assert figure.get_suptitle()
    for ax in figure.axes:
        hidden = not ax.xaxis.get_tick_params()["labelbottom"] or ax.get_shared_x_axes().get_siblings(ax) != [ax]
        assert ax.get_ylabel() and (ax.get_xlabel() or hidden)
        for line in ax.lines:
            assert all(math.isfinite(float(y)) for y in line.get_ydata())
    assert_readable(figure)


def lines_of(ax, tone):
    return [line for line in ax.lines if line.get_color() == tone]


def test_proxy_and_truth_stand_over_the_same_distance():
    above, below = proxy_and_gold(WALK).axes
    proxy, gold = lines_of(above, COLOURS["proxy"])[0], lines_of(below, COLOURS["gold"])[0]
    assert list(proxy.get_xdata()) == list(gold.get_xdata()) == pytest.approx([0, 0.5, 1, 1.5])
    assert list(proxy.get_ydata()) == pytest.approx([0, 0.5, 1, 1.5])
    assert list(gold.get_ydata()) == pytest.approx([0.2, 0.5, 0.1, -0.6])
    assert "highest: +0.50, update 1" in {text.get_text() for text in below.texts}
    assert above.get_xlim() == below.get_xlim()


def test_the_axis_of_a_walk_stays_still_while_it_grows():
    assert len({tuple(proxy_and_gold(WALK[:n]).axes[0].get_xlim()) for n in (1, 2, 3, 4)}) == 1


def test_every_recorded_seed_is_drawn_and_said_to_be_recorded():
    ax = gold_by_distance(RUNS).axes[0]
    for method, runs in RUNS.items():
        tone = COLOURS["RLHF" if method == "PPO" else method]
        drawn = [list(zip(line.get_xdata(), line.get_ydata(), strict=True)) for line in lines_of(ax, tone)]
        assert drawn == [[pytest.approx(point) for point in run] for run in runs]
    assert any("3 recorded seeds" in text.get_text() for text in ax.texts)


def test_a_peak_is_claimed_only_where_somebody_has_been():
    title = said_of(gold_by_distance(RUNS, FITS))
    assert "PPO at √KL 1.0" in title  # e^(α/β - 1) with α = β
    assert "best-of-n at √KL 1.0" in title  # α / 2β
    rising = {"best-of-n": [GaoFit("best-of-n", 0.5, 0.01)] * 3}
    assert "beyond what was tried" in gold_by_distance({"best-of-n": RUNS["best-of-n"]}, rising).get_suptitle()


def test_the_learner_is_named():
    assert any("your my_score" in text.get_text() for text in FIGURES["distance"]().axes[-1].texts)
    assert any("your my_pessimistic" in text.get_text() for text in FIGURES["remedies"]().axes[0].texts)
    assert "the package's best_of_n_score" in FIGURES["choices"]().get_suptitle()


def test_only_a_remedy_that_is_beyond_doubt_is_praised():
    figure = remedy_dots(GAINS)
    assert figure.get_suptitle().endswith("beyond doubt: a larger β")
    dots = [tuple(dot) for points in figure.axes[0].collections for dot in points.get_offsets()]
    assert sorted(x for x, _ in dots) == sorted(x for best, end in GAINS.values() for x in (*best, *end))
    only = remedy_dots({"none": GAINS["none"]})
    assert only.get_suptitle().endswith("none of them")


def test_each_judge_is_measured_by_its_own_spread():
    figure = three_judges(JUDGES)
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert widths == pytest.approx([4 / 0.5, -1 / 1.0])
    assert figure.get_suptitle() == "Who says it is better now? 1 of 2 judges"


def test_length_and_variety_are_those_of_the_replies():
    left, right = hack_signs(WALK).axes
    assert list(left.lines[0].get_ydata()) == [13, 14, 15, 16]
    assert list(right.lines[0].get_ydata()) == pytest.approx([100, 90, 80, 70])


def test_nothing_to_draw_is_an_error_with_a_remedy():
    with pytest.raises(ValueError, match="after the first"):
        proxy_and_gold([])


def test_luck_is_told_in_numbers():
    assert FIGURES["luck"]().get_suptitle() == "Best of 2, dealt 2 times: +0.25 to +0.75"
