"""Figures say what they show, in the course's colours, without touching anything global."""

import math
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from threading import Thread

import matplotlib
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from readable import assert_readable

from minirlhf.course import plots
from minirlhf.course.plots import (
    COLOURS,
    STAGES,
    agreement_matrix,
    before_after_table,
    calibration_plot,
    learning_curve,
    pipeline_map,
    score_strips,
    star_bars,
    style,
    training_dashboard,
    voters_compared,
    word_bars,
)
from minirlhf.course.plots.style import contrast, dimmed, drawable, ink, luminance
from minirlhf.course.plots.table import changed
from minirlhf.course.plots.table_figure import measure, wrap
from minirlhf.evaluate import CalibrationBin, Replies
from minirlhf.ppo import PPORecord
from minirlhf.reward import RewardRecord
from minirlhf.sft import SFTRecord


def ppo(updates, shift=0.0):
    """Made-up records of a run that goes well."""
    blank = PPORecord(**{field.name: field.type(0) for field in fields(PPORecord)})
    return [
        replace(
            blank,
            update=u,
            score=0.1 * u + shift,
            kl=0.5 * (u - 1) + shift,
            policy_entropy=1.5 - 0.03 * u,
            clip_fraction=0.1,
            approx_kl=0.01,
            explained_variance=0.6 + shift,
            response_length=18.0,
            ended=0.97,
        )
        for u in range(1, updates + 1)
    ]


def sft(steps):
    return [SFTRecord(i, 1 + 5 / i, 0.5, 900, 1.0, 1e-3) for i in range(1, steps + 1)]


def reward(steps):
    return [RewardRecord(i, 0.69, 0.5 + 0.3 * i / steps, 0.1, 0.1, 0.0, 1.0) for i in range(1, steps + 1)]


PROMPTS = ["Customer: My cat <b>is</b> sad.\nAgent:", "Customer: Where is my $5 kite?\nAgent:"]
NASTY = '<img src=x onerror=alert(1)> $x^2 \x1b[31m "q" & 🐟'
COLUMNS = {
    "base": Replies(["Go and cry.", ""], [-1.0, 0.0]),
    "SFT": Replies(["Go and buy a kite. " + "Aa" * 300, "It comes."], [0.5, 1.0]),
    "RLHF": Replies([NASTY, "It comes today."], [2.0, 3.0]),
}
BINS = [CalibrationBin(0.6, 0.55, 40), CalibrationBin(1.0, 1.0, 1)]
FIGURES = {
    "dashboard": lambda: training_dashboard(ppo(20), gold=[0.05 * u for u in range(20)], updates=30),
    "one record": lambda: training_dashboard(ppo(1)),
    "three seeds": lambda: training_dashboard([ppo(20), ppo(12, 0.1), ppo(1, 0.2)]),
    "SFT": lambda: learning_curve(sft(100), levels={"ln V": math.log(512)}),
    "SFT, one step": lambda: learning_curve(sft(1)),
    "reward, seeds": lambda: learning_curve([reward(60), reward(60)], "accuracy", {"a coin": 0.5}),
    "PPO, any field": lambda: learning_curve(ppo(5), "ratio"),
    "strips": lambda: score_strips(COLUMNS),
    "one reply": lambda: score_strips({"SFT": Replies(["Yes."], [1.0])}),
    "words": lambda: word_bars({"sorry": 1.2, "$5": -0.4, "🐟": -0.9, "(length)": 0.1}),
    "no words": lambda: word_bars({}),
    "calibration": lambda: calibration_plot(BINS),
    "stars": lambda: star_bars({"strict (simulated)": [1, 1, 2], "generous (simulated)": [5]}),
}


KAPPAS = {("Ada", "Bo"): 1.0, ("Ada", "Cy"): -0.25, ("Bo", "Cy"): math.nan}


@pytest.mark.parametrize("name", FIGURES)
def test_a_stranger_can_read_every_axis(name):
    figure = FIGURES[name]()
    assert figure.get_suptitle()
    for ax in figure.axes:
        hidden = not ax.xaxis.get_tick_params()["labelbottom"]  # the lower of two stacked panels has the label
        assert ax.get_ylabel() and (ax.get_xlabel() or hidden)
        assert all(math.isfinite(end) for end in (*ax.get_xlim(), *ax.get_ylim()))
        for line in ax.lines:
            assert all(math.isfinite(float(y)) for y in line.get_ydata())


@pytest.mark.parametrize("name", [*FIGURES, "agreement", "table", "map", *STAGES])
def test_every_figure_is_drawn_without_a_warning(name):
    drawn = {
        "agreement": lambda: agreement_matrix(KAPPAS),
        "table": lambda: before_after_table(PROMPTS, COLUMNS).figure(),
        "map": pipeline_map,
    }
    figure = (FIGURES | drawn).get(name, lambda: pipeline_map(name))()
    assert_readable(figure)


def test_the_same_thing_has_the_same_colour():
    assert len(set(COLOURS.values())) == len(COLOURS)
    strips = {
        to_hex(dots.get_facecolor()[0]).upper()
        for dots in score_strips(COLUMNS).axes[0].collections
        if dots.get_offsets().shape[0] == 2
    }
    assert strips == {COLOURS[name] for name in COLUMNS}
    html = before_after_table(PROMPTS, COLUMNS)._repr_html_()
    assert all(COLOURS[name] in html for name in COLUMNS)
    score, kl, *_ = training_dashboard(ppo(3), gold=[0.0, 0.1, 0.2]).axes
    assert [line.get_color() for line in score.lines] == [COLOURS["proxy"], COLOURS["gold"]]
    assert kl.lines[0].get_color() == COLOURS["RLHF"]


def test_names_can_be_read_on_paper_and_where_a_dark_theme_dims_it():
    assert (luminance("#000000"), luminance("#FFFFFF")) == (0, pytest.approx(1))
    assert luminance("#0000FF") == pytest.approx(0.0722)  # WCAG 2's own weights
    assert contrast("#000000", "#FFFFFF") == contrast("#FFFFFF", "#000000") == pytest.approx(21)
    for tone in (style.INK, style.PALE, *map(ink, [*COLOURS, "a new model"])):
        assert contrast(tone, "#FFFFFF") >= contrast(dimmed(tone), dimmed("#FFFFFF")) >= 4.5


def test_figures_strips_and_the_books_pictures_are_dimmed_alike():
    course = Path(style.__file__).parents[1]
    sheets = [style.LIGHT, *((course / name).read_text() for name in ("plots/strip.css", "book/book.css"))]
    assert {share for sheet in sheets for share in re.findall(r"brightness\(([\d.]+)\)", sheet)} == {f"{style.DIM}"}
    assert all("brightness" in sheet for sheet in sheets)


def test_seeds_are_all_drawn_with_a_band():
    kl = training_dashboard([ppo(5), ppo(5, 0.4), ppo(5, 0.2)]).axes[1]
    assert len(kl.collections) == 1  # the band
    mean = next(line for line in kl.lines if line.get_linewidth() == 2)
    assert list(mean.get_ydata()) == pytest.approx([0.2, 0.7, 1.2, 1.7, 2.2])


def test_a_title_claims_only_what_the_intervals_allow():
    low, high = Replies(["", ""], [0.0, 0.2]), Replies(["", ""], [1.0, 1.2])
    assert "better" in score_strips({"SFT": low, "RLHF": high}).get_suptitle()
    unsure = Replies(["", ""], [0.0, 0.4])
    assert "better" not in score_strips({"SFT": low, "RLHF": unsure}).get_suptitle()
    assert "better" not in score_strips({"SFT": high, "RLHF": low}).get_suptitle()


def test_what_is_not_a_number_is_left_out():
    broken = [replace(record, explained_variance=math.nan) for record in ppo(3)]
    assert all(math.isfinite(y) for ax in training_dashboard(broken).axes for y in ax.get_ylim())


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match="after the first step"):
        training_dashboard([])
    with pytest.raises(ValueError, match="one gold score for every record"):
        training_dashboard(ppo(3), gold=[1.0])
    with pytest.raises(ValueError, match="reward model"):
        pipeline_map("rewards")
    with pytest.raises(ValueError, match="'SFT' has 1 reply"):
        before_after_table(PROMPTS, {"SFT": Replies(["Yes."], [1.0])})


def test_what_a_model_wrote_is_only_ever_text():
    table = before_after_table(PROMPTS, COLUMNS)
    html = table._repr_html_()
    assert "<img" not in html and "&lt;img" in html and "My cat &lt;b&gt;is" in html
    assert "\x1b" not in html + str(table)
    assert "(nothing)" in str(table)


def test_the_table_compares_neighbours():
    table = before_after_table(PROMPTS, COLUMNS, rows=1)
    assert {name: (before, won.wins) for name, (before, won) in table.win_rates.items()} == {
        "SFT": ("base", 2),
        "RLHF": ("SFT", 2),
    }
    assert "beats SFT 100%" in str(table) and "beats SFT 100%" in table._repr_html_()
    assert "Where is my" not in str(table)  # one row was asked for
    assert repr(table) == str(table)


def test_bold_is_what_was_not_said_before():
    assert changed("I am so sorry .", "I am not sorry !") == [
        ("I", False),
        ("am", False),
        ("not", True),
        ("sorry", False),
        ("!", True),
    ]


TEXT = ["We", "will", "send", "a", "new", "kettle", "this", "week", "."]


def test_lines_fit_their_column_and_lose_no_word():
    words = [(word, bool(i % 2)) for i, word in enumerate(TEXT)]
    lines = wrap(words, 1.0)
    assert [word for line in lines for word in line] == words
    assert all(measure(" ".join(word for word, _ in line), True) < 1.15 for line in lines)
    assert measure(wrap([("A" * 200, False)], 1.0)[0][0][0], False) <= 1.0


def test_letters_that_the_font_has_not_are_marked():
    assert drawable("a fish 🐟 ☺") == "a fish � ☺"


def test_the_readers_settings_change_nothing():
    with matplotlib.rc_context({"text.color": "white", "axes.facecolor": "black", "figure.facecolor": "black"}):
        ax = training_dashboard(ppo(2)).axes[0]
    assert to_hex(ax.get_facecolor()) == "#ffffff" == to_hex(ax.figure.get_facecolor())
    assert to_hex(ax.yaxis.label.get_color()) == to_hex(ax.get_xticklabels()[0].get_color()) == "#222222"


def test_a_thread_may_draw():
    drawn = []
    thread = Thread(target=lambda: drawn.append(training_dashboard(ppo(2))))
    thread.start()
    thread.join()
    assert isinstance(drawn[0], Figure)


def test_a_notebook_shows_a_figure_and_pyplot_is_never_imported():
    script = """
import sys
from IPython.core.interactiveshell import InteractiveShell
from minirlhf import plots
shell = InteractiveShell.instance()
shown, _ = shell.display_formatter.format(plots.pipeline_map("PPO"))
assert "image/png" in shown and 'alt="How people tune a language model' in shown["text/html"], shown.keys()
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize("width", [5.0, 9.0, 20.0])
def test_letters_are_legible_where_a_notebook_is_700_pixels_wide(width):
    """However wide a figure would like to be, and whatever its headline and caption say: 8 pixels at least."""
    for tidy in (True, False):
        figure = style.new_figure(width, 3.0, tidy)
        ax = style.dress(figure.add_subplot(), "a title", "step", "loss")
        style.level(ax, 0.5, "a level")
        style.headline(figure, "A headline that goes on and on, " * (3 if tidy else 2))
        style.caption(figure, "and a caption that goes on for even longer than that, " * 3)
        figure.canvas.draw()
        whole = figure.get_window_extent()
        shown = min(1.0, 700 / whole.width)
        for text in figure.findobj(Text):
            if text.get_text() and text.get_visible():
                assert text.get_size() * figure.dpi / 72 * shown >= 8
                assert text.get_window_extent().x1 <= whole.x1 + 1, text.get_text()


def test_a_headline_breaks_nowhere_between_two_numbers():
    for words in range(1, 12):
        text = "so and " * words + "50 % → 62 % → 70 % of all"
        figure = style.headline(style.new_figure(4.0, 3.0), text)
        said = figure.get_suptitle()
        assert said.replace("\n", " ") == text and "\n→" not in said and "→\n" not in said


def test_every_figure_is_listed_and_can_be_fetched():
    assert {"learning_curve", "microscope", "LivePlot"} <= set(dir(plots))
    for name in dir(plots):
        assert getattr(plots, name).__doc__ or name.isupper(), name
    with pytest.raises(AttributeError, match="dir"):
        plots.no_such_figure  # noqa: B018
    assert callable(plots.explore) and callable(plots.microscope)  # no file has a figure's name


def test_a_lesson_waits_for_no_library_that_its_figures_do_not_need():
    script = """
import sys
from minirlhf import plots
plots.learning_curve, plots.training_dashboard, plots.score_strips, plots.before_after_table, plots.LivePlot
plots.pipeline_map("PPO")
heavy = {"sqlalchemy", "ipywidgets", "anywidget", "datasets", "pandas", "IPython"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_stars_are_counted_for_each_person_on_one_scale():
    strict, generous = star_bars({"strict": [1, 1, 2], "generous": [5, 4]}).axes
    assert [bar.get_height() for bar in strict.patches] == [2, 1, 0, 0, 0]
    assert [bar.get_height() for bar in generous.patches] == [0, 0, 0, 1, 1]
    assert strict.get_ylim() == generous.get_ylim()
    assert strict.texts[0].get_text() == "mean 1.3"


def a_voter(taste, seed, foreseen, pleased, gold):
    return {"taste": taste, "seed": seed, "foreseen": foreseen, "pleased": pleased, "gold": gold}


def test_a_voter_stands_in_one_row_of_every_panel_and_who_sits_here_stands_first():
    rows = [a_voter("by coin", s, 0.5, 0.5, -0.1 - s) for s in (0, 1)]
    rows += [a_voter("soon", s, 0.8 + s / 10, 0.9, 0.2) for s in (0, 1)]
    figure = voters_compared(rows, a_voter("the stand-in's model", 0, 0.7, 0.6, -0.5))
    assert_readable(figure)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "the stand-in's model",
        "soon",
        "by coin",
    ]
    foreseen, pleased, gold = figure.axes
    assert [float(x) for x in foreseen.collections[0].get_offsets()[:, 0]] == [80, 90]
    assert [ax.lines[-2].get_xydata().tolist() for ax in (foreseen, pleased, gold)] == [
        [[70, 0]],
        [[60, 0]],
        [[-0.5, 0]],
    ]
    assert figure.get_suptitle() == "Voters who prefer their new model: 1 of 2; models that help less: 1"
    assert all(ax.get_xlabel() and ax.get_title(loc="left") for ax in figure.axes)


def test_agreement_stands_where_two_people_meet_and_darker_is_more():
    ax = agreement_matrix(KAPPAS).axes[0]
    said = {text.get_position(): text.get_text() for text in ax.texts}
    assert (said[0.5, 1.5], said[0.5, 2.5], said[1.5, 2.5]) == ("1.00", "−0.25", "?")
    alike, apart, unknown = ax.patches
    assert luminance(to_hex(alike.get_facecolor())) < luminance(to_hex(apart.get_facecolor()))
    assert to_hex(unknown.get_facecolor()) not in (to_hex(apart.get_facecolor()), "#ffffff")


def test_a_table_says_whose_scores_it_shows():
    mine = before_after_table(PROMPTS, COLUMNS, scores="what your votes pay")
    assert all("what your votes pay" in shown for shown in (str(mine), mine._repr_html_()))
    assert "gold" not in str(mine) + mine._repr_html_()
