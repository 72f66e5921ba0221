"""One figure that draws itself anew while something trains, in its place, and stays when that has ended.

    for record in LivePlot().watch(learn_taste(taste, store)):
        ...

    with LivePlot(training_dashboard) as board:
        for record in train_ppo(...):
            board.add(record)

In a notebook the figure is below the cell and is updated there; a saved or headless run keeps the last one.
Elsewhere nothing is shown but a bar, and the figure is `board.figure`. No pyplot, so no other figure is touched.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from minirlhf.course.plots import style
from minirlhf.course.plots.replies import largest
from minirlhf.files.messages import counted
from minirlhf.machine.pace import time_limited
from minirlhf.metrics import METRICS
from minirlhf.ppo import PPORecord

if TYPE_CHECKING:  # importing it would bring a database to every lesson
    from minirlhf.recipes.taste import Reading, TasteRecord

Record = TypeVar("Record")

SOONEST = 0.3  # seconds between two drawings
SHARE = 4  # and so many times what a drawing takes, so that drawing is never more than a fifth of the time
WORDS, LONGEST = 10, 16  # how many there is room for, and of how many letters


def taste_progress(records: "Sequence[TasteRecord]") -> Figure:
    """What `learn_taste` yields: the weights of the words, and the policy's score and KL."""
    reading = next((record for record in records if not isinstance(record, PPORecord)), None)
    if reading is None:
        raise ValueError("taste_progress draws what learn_taste yields, from its first record, a Reading, on.")
    updates = [record for record in records if isinstance(record, PPORecord)]
    figure = style.new_figure(11.0, 4.4, tidy=False)  # fixed margins: nothing moves from one drawing to the next
    margins = {"left": 0.15, "right": 0.985, "top": 0.83, "bottom": 0.12, "wspace": 0.2, "hspace": 0.28}
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 1.15), **margins)
    _words(figure.add_subplot(grid[:, 0]), reading)
    score, kl = (figure.add_subplot(grid[row, 1]) for row in range(2))
    style.dress(score, "Do the replies score higher?", "", METRICS[PPORecord]["score"].unit)
    style.dress(kl, "How far from the reference?", "update", f"KL ({METRICS[PPORecord]['kl'].unit})")
    score.tick_params(labelbottom=False)
    for ax, name, tone, usual in ((score, "score", "proxy", 2.5), (kl, "kl", "RLHF", 5.0)):
        if updates:
            style.draw_runs(ax, [[(float(r.update), float(getattr(r, name))) for r in updates]], style.colour(tone))
        style.at_least(ax, -0.1 * usual, usual)
        style.whole_numbers(ax, max(reading.updates, 1))
    style.level(score, 0.0, "the reference's mean", style.ink("SFT"))
    style.level(kl, 0.0, "the reference", style.ink("SFT"))
    return style.headline(figure, _so_far(reading, updates))


class LivePlot:
    """A figure that follows a list of records: `draw` makes it from those so far, as often as there is time for."""

    def __init__(self, draw: Callable[[list], Figure] = taste_progress) -> None:
        self.draw = draw
        self._start()

    def _start(self) -> None:
        """An empty board: what is drawn next gets a place of its own."""
        self.records: list[Any] = []
        self.figure: Figure | None = None
        self._shown: Any = None  # the place in the notebook
        self._drawn, self._next = 0, 0.0  # how many records the figure shows, and when it may be drawn again

    def watch(self, records: Iterable[Record]) -> Iterator[Record]:
        """The same records, each of them drawn before it is handed on if there is time for it, and all at the end.

        No longer than MINIRLHF_SECONDS allows: see `time_limited`.
        """
        _say_stop_in_a_sentence()
        with self, tqdm(disable=_kernel() is not None, desc="training") as bar:
            for record in time_limited(records):
                self.add(record)
                bar.update()
                yield record

    def add(self, record: Any) -> None:
        """One more record."""
        self.records.append(record)
        if perf_counter() >= self._next:
            self._redraw()

    def __enter__(self) -> "LivePlot":
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn < len(self.records):  # whatever ended it, the last state is what stays
            self._redraw()

    def _redraw(self) -> None:
        start = perf_counter()
        self.figure, self._drawn = self.draw(self.records), len(self.records)
        if _kernel() is not None:
            self._show(self.figure)
        end = perf_counter()
        self._next = end + max(SOONEST, SHARE * (end - start))

    def _show(self, figure: Figure) -> None:
        """Put the figure in the place of the one before it."""
        from IPython.display import display

        data, metadata = style.as_output(figure, tight=False)
        if self._shown is None:
            self._shown = display(data, metadata=metadata, raw=True, display_id=True)
        else:
            self._shown.update(data, metadata=metadata, raw=True)


def _kernel() -> Any:
    """The notebook's kernel, where there is one: a terminal has no place in which to show a figure."""
    if "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    return getattr(get_ipython(), "kernel", None)


def _say_stop_in_a_sentence() -> None:
    """Have the stop button answered by what a stage says of it, without the page of code that it was in.

    The cell counts as stopped all the same, so *Run All* goes no further.
    """
    if (kernel := _kernel()) is not None:
        kernel.shell.set_custom_exc((KeyboardInterrupt,), _stopped)


def _stopped(shell: Any, kind: type, stop: BaseException, trace: Any, tb_offset: int | None = None) -> None:
    """What IPython calls: the notes of whoever was stopped, or the usual page where nobody left one."""
    if notes := getattr(stop, "__notes__", None):
        print("Stopped.", *notes)
    else:
        shell.showtraceback((kind, stop, trace), tb_offset=tb_offset)


def _so_far(reading: "Reading", updates: Sequence[PPORecord]) -> str:
    """The figure's one sentence."""
    votes = counted(reading.votes, "vote")
    if not reading.updates:
        return f"{votes}: no word is worth more than another, so there is nothing to learn"
    if not updates:
        return f"{votes}: {reading.explained} of {counted(reading.choices, 'choice')} explained, training begins"
    last = updates[-1]
    return (
        f"{votes}, update {last.update} of {reading.updates}: "
        f"score {style.signed(last.score, 2)}, {style.nats(last.kl)} from the reference"
    )


def _words(ax: Axes, reading: "Reading") -> None:
    """The largest weights, the highest on top."""
    shown = largest(reading.weights, WORDS)
    style.dress(ax, "What the votes pay for", "weight (score for each time the word is said)", "word", grid="x")
    ax.barh(range(len(shown)), list(shown.values()), color=style.colour("proxy"), height=0.7)
    names = [word if len(word) <= LONGEST else word[: LONGEST - 1] + "…" for word in shown]
    ax.set_yticks(range(len(shown)), list(map(style.drawable, names)), fontsize=style.MEDIUM, parse_math=False)
    ax.axvline(0, color=style.INK, linewidth=1)
