"""Lesson 10's figures show the numbers that they are given, and name whose interval draws them."""

import math

import pytest
from readable import assert_readable

from minirlhf.course.plots import COLOURS, cost_table, interval_ladder, score_by_minutes, two_verdicts, win_rates
from minirlhf.course.plots.lesson_10 import shares_of
from minirlhf.evaluate import wilson_interval

METHODS = {"SFT": 0.5, "SFT, best answers": 0.7, "SFT, random answers": 0.52, "best-of-n": 0.75, "PPO": 0.9}


def a_row(task, method, seed, **changes):
    share = METHODS[method]
    return {
        "task": task,
        "method": method,
        "seed": seed,
        "answers": 60,
        "demonstrations": 0,
        "votes": 60,
        "n": 200,
        "wins": 200 * share + seed,
        "wins_by_reward": 200 * min(share + 0.1, 1),
        "score": share,
        "gold": 1.0 - share,
        "seconds": 10 * share,
        "parameters": 388_512,
        "sampled": 1152,
        "milliseconds_an_answer": 2.0,
        "kl": 1.5,
    } | changes


ROWS = [a_row(task, m, seed) for task in ("settle it", "be sorry") for m in METHODS for seed in (-1, 0, 1)]


def words(figure):
    """Everything that is written in a figure."""
    figure.draw_without_rendering()
    own = [text.get_text() for text in figure.texts]
    for extra in (figure._suptitle, figure._supxlabel):
        own += [extra.get_text()] if extra else []
    inside = [text for ax in figure.axes for text in ax.findobj(match=lambda a: hasattr(a, "get_text"))]
    return "\n".join([*own, *(text.get_text() for text in inside)])


@pytest.mark.parametrize(
    "draw",
    [
        lambda: interval_ladder(20),
        lambda: win_rates(ROWS, ROWS[-1:]),
        lambda: win_rates(ROWS, wins="wins_by_reward"),
        lambda: cost_table(ROWS, "be sorry"),
        lambda: two_verdicts(ROWS),
        lambda: score_by_minutes(ROWS, 3),
    ],
)
@pytest.mark.filterwarnings("error")
def test_every_figure_is_drawn_without_a_warning_and_has_a_headline_and_labels(draw):
    figure = draw()
    assert_readable(figure)
    assert figure.get_suptitle()
    assert all(ax.get_xlabel() for ax in figure.axes) and figure.axes[0].get_ylabel()


def test_every_bar_is_the_interval_that_was_asked_for():
    calls = []

    def interval(wins, n):
        calls.append((wins, n))
        return 0.2, 0.3

    ax, other = win_rates(ROWS, interval=interval).axes
    bars = [line.get_xdata() for line in ax.lines if line.get_linewidth() == 7]
    assert [list(bar) for bar in bars] == [[20, 30]] * len(METHODS)
    assert calls[: len(METHODS)] == [(600 * share, 600) for share in METHODS.values()]
    assert len(other.lines) == len(ax.lines)


def test_every_seed_is_a_dot_and_todays_run_a_ring():
    live = [a_row("be sorry", "PPO", 7, wins=100)]
    settle, sorry = win_rates(ROWS, live).axes
    dots = [point[0] for points in settle.collections for point in points.get_offsets()]
    shares = [100 * row["wins"] / row["n"] for row in ROWS if row["task"] == "settle it"]
    assert sorted(dots) == pytest.approx(sorted(shares))
    rings = [[float(x) for x in line.get_xdata()] for line in sorry.lines if line.get_marker() == "o"]
    assert rings == [[50.0]]
    assert not [line for line in settle.lines if line.get_marker() == "o"]


def test_the_captions_name_the_interval_and_say_what_was_recorded():
    written = words(win_rates(ROWS, ROWS[-1:], wilson_interval, by="your my_wilson_interval"))
    assert "your my_wilson_interval" in written and "recorded" in written and "made here" in written
    assert "your my_wilson_interval" in words(interval_ladder(20, by="your my_wilson_interval"))
    for figure in (cost_table(ROWS, "be sorry"), two_verdicts(ROWS), score_by_minutes(ROWS)):
        assert "recorded" in words(figure)


def test_walds_interval_has_no_width_where_all_were_won_and_wilsons_has():
    ax = interval_ladder(20).axes[0]
    solid, dashed = ([line.get_ydata() for line in ax.lines if line.get_linewidth() == w] for w in (3, 1.6))
    assert dashed[-1][0] == dashed[-1][1] == 100
    assert list(solid[-1]) == pytest.approx([100 * end for end in wilson_interval(20, 20)])
    assert all(0 <= low < high <= 100 for low, high in solid)
    assert min(low for low, _ in dashed) < 0 and max(high for _, high in dashed) > 100


def test_the_costs_are_means_and_a_bound_is_marked():
    panels = {ax.get_xlabel(): [text.get_text() for text in ax.texts] for ax in cost_table(ROWS, "be sorry").axes}
    assert panels["seconds of one\ncore to train"] == [f"{10 * share:.1f}" for share in METHODS.values()]
    assert panels["million weights\nin memory"] == ["0.39"] * len(METHODS)
    assert panels["demonstrations\nwritten"] == ["–"] * len(METHODS)
    assert panels["KL from SFT\n(nats a reply)"] == ["≤ 1.5" if m == "best-of-n" else "1.5" for m in METHODS]


def test_a_headline_names_who_was_flattered_most():
    rows = [dict(row) for row in ROWS]
    for row in rows:
        if row["method"] == "PPO" and row["task"] == "settle it":
            row["wins"] = 60
    assert "PPO, “settle it”, by 70 in 100" in two_verdicts(rows).get_suptitle()


def test_a_dearer_demonstration_moves_only_those_who_wrote_to_the_right():
    cheap, dear = (score_by_minutes(ROWS, price).axes[0] for price in (1, 10))

    def ends(ax, tone):
        return [line.get_xdata()[-1] for line in ax.lines if line.get_color() == COLOURS[tone]]

    assert ends(cheap, "RLHF") == ends(dear, "RLHF") == [6.0]
    assert all(math.isclose(10 * a, b) for a, b in zip(ends(cheap, "SFT"), ends(dear, "SFT"), strict=True))


def test_shares_are_pooled_over_seeds():
    assert shares_of([r for r in ROWS if r["task"] == "be sorry"]) == pytest.approx(METHODS)
