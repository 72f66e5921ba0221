"""A live figure stays in its place, keeps up without holding anything up, and ends on the last state."""

import os
import re
from dataclasses import fields, replace
from itertools import islice
from time import perf_counter

import matplotlib.pyplot as plt
import nbformat
import pytest
from matplotlib.figure import Figure
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from readable import assert_readable

from minirlhf.course.plots import LivePlot, live, taste_progress, training_dashboard, word_shift
from minirlhf.ppo import PPORecord
from minirlhf.recipes.taste import Reading

WEIGHTS = {"sorry": 1.2, "$5": 0.4, ":)": 0.3, "pneumonoultramicroscopic": 0.2, "🐟": -0.9, "(ten more words)": -1.0}
READING = Reading(60, 5, 55, 54, 41, WEIGHTS, (), 12)


def ppo(updates):
    blank = PPORecord(**{field.name: field.type(0) for field in fields(PPORecord)})
    return [replace(blank, update=u, score=0.2 * u - 0.2, kl=0.4 * (u - 1)) for u in range(1, updates + 1)]


class Counting:
    """Draws next to nothing, and counts how often."""

    def __init__(self, takes=0.0):
        self.drawn, self.takes = [], takes

    def __call__(self, records):
        until = perf_counter() + self.takes
        while perf_counter() < until:
            pass
        self.drawn.append(len(records))
        figure = Figure((1, 1))
        figure.suptitle(f"{len(records)} records")
        return figure


def slowly(n, seconds):
    for i in range(n):
        until = perf_counter() + seconds
        while perf_counter() < until:
            pass
        yield i


# ---- when it draws


def test_the_first_record_is_drawn_at_once_and_the_last_state_stays():
    draw = Counting()
    board = LivePlot(draw)
    assert list(board.watch(iter(range(50)))) == [*range(50)] == board.records
    assert draw.drawn[0] == 1 and draw.drawn[-1] == 50
    assert board.figure.get_suptitle() == "50 records"


def test_quick_records_are_drawn_a_few_times_a_second():
    draw, start = Counting(), perf_counter()
    for _ in LivePlot(draw).watch(slowly(1000, 0.001)):
        pass
    assert 3 <= len(draw.drawn) <= 2 + (perf_counter() - start) / live.SOONEST


def test_a_slow_drawing_never_takes_more_than_its_share():
    draw = Counting(takes=0.2)
    start = perf_counter()
    for _ in LivePlot(draw).watch(slowly(100, 0.02)):
        pass
    assert len(draw.drawn) <= 2 + (perf_counter() - start) / (0.2 * (1 + live.SHARE))


def test_what_was_drawn_already_is_not_drawn_again():
    draw = Counting()
    with LivePlot(draw) as board:
        board.add("the only one")
    assert draw.drawn == [1]
    with LivePlot(draw) as board:
        pass
    assert draw.drawn == [1] and board.figure is None


def test_stopping_early_draws_what_there_was():
    draw = Counting()
    for record in LivePlot(draw).watch(iter(range(50))):
        if record == 20:
            break
    assert draw.drawn[-1] == 21


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interruption_gets_through_and_the_last_state_stays(error):
    def interrupted():
        yield from range(7)
        raise error("stop")

    watching, with_block = Counting(), Counting()
    with pytest.raises(error, match="stop"):
        list(LivePlot(watching).watch(interrupted()))
    with pytest.raises(error, match="stop"), LivePlot(with_block) as board:
        for record in interrupted():
            board.add(record)
    assert watching.drawn[-1] == with_block.drawn[-1] == 7


def test_a_board_that_is_used_again_starts_over():
    board = LivePlot(Counting())
    for run in (5, 3):
        assert list(board.watch(iter(range(run)))) == board.records
        assert board.figure.get_suptitle() == f"{run} records"


def test_records_are_handed_on_one_by_one():
    """Whoever watches holds the model as it is after each record, and no later."""
    done = []

    def training():
        for step in range(5):
            done.append(step)
            yield step

    for record in LivePlot(Counting()).watch(training()):
        assert done[-1] == record


def test_no_other_figure_is_touched():
    with plt.rc_context():
        own = plt.figure()
        for _ in LivePlot().watch([READING, *ppo(3)]):
            assert plt.gcf() is own and plt.get_fignums() == [own.number]
        plt.close(own)


# ---- what it draws


@pytest.mark.parametrize("so_far", [1, 2, 13])
def test_the_figure_of_a_taste_says_where_it_stands(so_far, tmp_path):
    figure = taste_progress([READING, *ppo(12)][:so_far])
    assert ("training begins" if so_far == 1 else f"update {so_far - 1} of 12") in figure.get_suptitle()
    words, score, kl = figure.axes
    assert [label.get_text() for label in words.get_yticklabels()] == [
        "(ten more words)",
        "�",
        "pneumonoultrami…",
        ":)",
        "$5",
        "sorry",
    ]
    assert score.get_xlim() == kl.get_xlim() == (0.5, 12.5)
    assert_readable(figure)


def test_the_figure_stays_where_it_is_while_it_grows():
    boxes = [[ax.get_position().bounds for ax in taste_progress([READING, *ppo(n)]).axes] for n in (0, 5, 12)]
    assert boxes[0] == boxes[1] == boxes[2]


def test_where_nothing_is_to_be_learned_the_figure_says_so():
    nothing = Reading(3, 3, 0, 0, 0, {}, ("Every pair is a tie.",), 0)
    assert "nothing to learn" in taste_progress([nothing]).get_suptitle()


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match="from its first record"):
        taste_progress(ppo(2))
    with pytest.raises(ValueError, match="before and from after"):
        word_shift(WEIGHTS, [], ["Sorry."])


def test_a_word_shift_counts_the_words_that_went_where_they_were_paid_to_go():
    weights = {"sorry": 1.0, "hi": 0.5, "(ten more words)": 0.4, "unsaid": 0.3, "bye": -0.7, "no": -0.8}
    figure = word_shift(weights, ["Bye.", "No. Bye."], ["Sorry sorry. No.", "Sorry. No.", "Hi. Sorry.", "No."])
    assert figure.get_suptitle() == "3 of the 4 heaviest words went where their weight said"  # "no" did not
    ax = figure.axes[0]
    assert [label.get_text().split()[0] for label in ax.get_yticklabels()] == ["no", "bye", "hi", "sorry"]
    ends = [line.get_xdata().tolist() for line in ax.lines if len(line.get_xdata()) == 2]
    assert ends == [[50, 75], [100, 0], [0, 25], [0, 75]]  # a word said twice in a reply is in it once
    assert_readable(figure)


# ---- where it draws

CELL = """
from fields_of_ppo import ppo
from minirlhf.course.plots import LivePlot, live, training_dashboard
from functools import partial
live.SOONEST = live.SHARE = 0  # every record is drawn, however slow the machine
board = LivePlot(partial(training_dashboard, updates=4))
for record in board.watch(ppo(4)):
    pass
"""


FIELDS_OF_PPO = """
from dataclasses import fields, replace
from minirlhf.ppo import PPORecord
def ppo(n):
    blank = PPORecord(**{f.name: f.type(0) for f in fields(PPORecord)})
    return [replace(blank, update=u, score=0.2 * u, kl=0.4 * u) for u in range(1, n + 1)]
"""


def test_a_headless_notebook_keeps_one_figure_and_it_is_the_last(tmp_path):
    (tmp_path / "fields_of_ppo.py").write_text(FIELDS_OF_PPO)
    notebook = nbformat.v4.new_notebook()
    after = "import sys\n'matplotlib.pyplot' in sys.modules, len(board.records)"
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in (CELL, "print('between')", after)]
    updates = []
    client = NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}, kernel_name="python3"
    )
    whole = client.process_message

    def counted(message, cell, index):
        updates.append(message["msg_type"])
        return whole(message, cell, index)

    client.process_message = counted
    client.execute(env=os.environ)
    shown, between, last = (cell.outputs for cell in notebook.cells)
    assert [output.output_type for output in shown] == ["display_data"]  # one figure, and no bar beside it
    assert "PPO, update 4" in shown[0].metadata["image/png"]["alt"]
    assert re.search(r'<img [^>]*alt="PPO, update 4', shown[0].data["text/html"])
    assert updates.count("update_display_data") >= 2
    assert between[0].text == "between\n" and last[0].data["text/plain"] == "(False, 4)"


STOPPED = """
from fields_of_ppo import ppo
from minirlhf.course.plots import LivePlot, training_dashboard

def run():
    yield from ppo(2)
    stop = KeyboardInterrupt()
    stop.add_note("PPO stopped in update 3.")
    raise stop

for record in LivePlot(training_dashboard).watch(run()):
    pass
"""


def test_the_stop_button_is_answered_by_the_stages_sentence_alone(tmp_path):
    (tmp_path / "fields_of_ppo.py").write_text(FIELDS_OF_PPO)
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(STOPPED), nbformat.v4.new_code_cell("print('went on')")]
    )
    where = {"metadata": {"path": str(tmp_path)}}
    with pytest.raises(CellExecutionError):  # the cell has not done what it should: nothing after it is run
        NotebookClient(notebook, timeout=120, resources=where, kernel_name="python3").execute(env=os.environ)
    figure, *told = notebook.cells[0].outputs
    assert "image/png" in figure.data and not notebook.cells[1].outputs
    assert [output.text for output in told] == ["Stopped. PPO stopped in update 3.\n"]


def test_in_a_terminal_nothing_is_shown_but_a_bar(capsys):
    for _ in islice(LivePlot(training_dashboard).watch(ppo(3)), 3):
        pass
    out, err = capsys.readouterr()
    assert out == "" and "training" in err
