"""Votes from every thread: which one a click arrives on differs between versions of ipykernel, and between clicks.

Each version runs in a process of its own, and we speak to it as JupyterLab does: on the main queue, or on a subshell.
What is held here for all of them: a vote is on disk once, the card hears of it, and an error is shown.

    click on                          6.31.0    7.3.0       7.4.0
    the main queue                    main      main        main
    a subshell, the first click       -         subshell    main
    a subshell, later clicks          -         subshell    subshell
    the main queue, after a subshell  -         main        subshell

Version 7.4.0 takes a click to where the card's last answer belonged, wherever the click itself comes from. A card is
made in a cell, so its first click goes to the main thread, and waits there while a cell runs; later clicks do not.
"""

import json
import os
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from kernel_client import running_kernel

from minirlhf.feedback.store import FeedbackStore

pytestmark = pytest.mark.kernels

FETCHED = Path(__file__).resolve().parents[1] / ".kernels"
OLD, VERSIONS = "6.31.0", ["6.31.0", "7.3.0", "7.4.0"]

CARD = """
import json, threading
from minirlhf.feedback.card.widget import FeedbackCard
from minirlhf.feedback.card.session import Session
from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import Question

class Watched(Session):
    '''Notes which thread a message arrives on.'''
    def receive(self, message):
        threads.append(threading.current_thread() is threading.main_thread())
        super().receive(message)

threads = []
session = Watched([Question("pair", f"prompt {{n}}", ("yes", "no")) for n in range({count})], FeedbackStore({path!r}))
card = FeedbackCard.of(session)
print(card.model_id)
print(json.dumps(card.view))
"""

# Blocks, as training does, until somebody opens the other end.
BUSY = """
print("busy")
open({door!r}).read()
print("over")
"""


@pytest.fixture(scope="module", params=VERSIONS)
def kernel(request):
    folder = FETCHED / request.param
    assert (folder / "ready").is_file(), "Other versions of ipykernel are fetched by: make kernels"
    with running_kernel(PYTHONPATH=str(folder)) as kernel:
        kernel.version = request.param
        kernel.subshell = None if kernel.version == OLD else kernel.new_subshell()
        yield kernel


@pytest.fixture
def card(kernel, tmp_path):
    return Card(kernel, tmp_path / "votes.db")


class Card:
    """The half of a card that lives in the browser."""

    def __init__(self, kernel, path, count=12):
        self.kernel, self.path = kernel, path
        self.comm, view = kernel.run(CARD.format(path=str(path), count=count))
        self.view = json.loads(view)

    def click(self, subshell=None, says=None, id=None, question=None):
        """Choose the left reply, or say something else; returns the click's id, and does not wait."""
        id = id or uuid4().hex
        message = {"do": "answer", "says": says or {"answer": "Better", "winner": 0}, "ms": 1500, "id": id}
        message["question"] = question or self.view["question"]
        self.kernel.send(self.comm, message, subshell)
        return id

    def look(self, subshell=None):
        """Ask for what is there now."""
        id = uuid4().hex
        self.kernel.send(self.comm, {"do": "look", "id": id}, subshell)
        self.hear(id)

    def hear(self, id):
        """Wait until the card shows what became of a click; the place of that message among all."""

        def about(message):
            content = message["content"]
            if message["msg_type"] != "comm_msg" or content["comm_id"] != self.comm:
                return False
            return content["data"].get("state", {}).get("view", {}).get("heard") == id

        self.place = self.kernel.hear(about)
        self.view = self.view_at(self.place)
        return self.place

    def view_at(self, place):
        return self.kernel.heard[place]["content"]["data"]["state"]["view"]

    def vote(self, subshell=None):
        """A click, and what came of it."""
        id = self.click(subshell)
        self.hear(id)
        assert not self.view["error"]
        return id

    def stored(self):
        """The ids that another notebook finds in the file, now."""
        with closing(FeedbackStore(self.path)) as store:
            return [vote.id for vote in store.votes()]

    def on_main_thread(self):
        """For each click so far: whether it arrived on the main thread."""
        return json.loads(self.kernel.run("print(json.dumps(threads))")[0])


class Busy:
    """A cell that runs until it is let go."""

    def __init__(self, kernel, folder):
        self.door, self.running = folder / "door", True
        os.mkfifo(self.door)
        self.cell = kernel.start(BUSY.format(door=str(self.door)))
        assert next(kernel.printed(self.cell)) == "busy"

    def let_go(self):
        if self.running:
            self.running = False
            self.door.write_text("go")


@pytest.fixture
def busy(kernel, tmp_path):
    """Starts a cell that runs until it is let go, at the latest when the test is over."""
    started = []

    def start():
        started.append(Busy(kernel, tmp_path))
        return started[-1]

    yield start
    for each in started:
        each.let_go()
        kernel.ended(each.cell)


def test_this_is_the_version_that_it_is_called(kernel):
    (said,) = kernel.run("import ipykernel; print(ipykernel.__version__, ipykernel.__file__)")
    assert said.split()[0] == kernel.version
    assert str(FETCHED / kernel.version) in said


def test_a_click_on_the_main_queue_is_stored_once_and_heard_of(card):
    ids = [card.vote() for _ in range(4)]
    assert card.stored() == ids
    assert card.view["answered"] == 4
    assert card.on_main_thread() == [True] * 4


def test_a_click_on_the_main_queue_waits_for_a_running_cell_and_is_not_lost(card, busy, kernel):
    first = card.vote()
    cell = busy()
    second = card.click()
    assert card.stored() == [first]
    cell.let_go()
    assert card.hear(second) > kernel.ended(cell.cell)
    assert card.stored() == [first, second]
    assert card.on_main_thread() == [True, True]


# Subshells, which version 6 does not have.

with_subshells = pytest.mark.parametrize("kernel", VERSIONS[1:], indirect=True)


@pytest.mark.parametrize("kernel", VERSIONS, indirect=True)
def test_version_7_has_subshells(kernel):
    features = kernel.client.kernel_info(reply=True)["content"].get("supported_features", [])
    assert ("kernel subshells" in features) == (kernel.version != OLD)


@with_subshells
def test_a_click_on_a_subshell_is_stored_once_and_heard_of(card, kernel):
    ids = [card.vote(kernel.subshell) for _ in range(4)]
    assert card.stored() == ids
    assert card.view["answered"] == 4
    assert card.on_main_thread() == [kernel.version == "7.4.0", False, False, False]


@with_subshells
def test_a_click_on_a_subshell_is_on_disk_while_a_cell_still_runs(card, busy, kernel):
    ids = [card.vote(kernel.subshell)]
    cell = busy()
    for _ in range(3):
        ids.append(card.vote(kernel.subshell))
        assert card.stored() == ids
        last = card.place
    cell.let_go()
    assert last < kernel.ended(cell.cell)
    assert card.on_main_thread()[1:] == [False] * 3


@with_subshells
def test_the_very_first_click_while_a_cell_runs_is_not_lost_either(card, busy, kernel):
    """7.4.0 keeps it until the cell has ended, since the card has spoken from the main thread only."""
    cell = busy()
    id = card.click(kernel.subshell)
    if kernel.version == "7.3.0":
        card.hear(id)
        assert card.stored() == [id]
    cell.let_go()
    assert (card.hear(id) < kernel.ended(cell.cell)) == (kernel.version == "7.3.0")
    assert card.stored() == [id]


@with_subshells
def test_a_card_that_looks_once_when_it_is_drawn_answers_the_first_click_at_once(card, busy, kernel):
    """So it speaks from the subshell before anybody clicks."""
    card.look(kernel.subshell)
    cell = busy()
    id = card.vote(kernel.subshell)
    assert card.stored() == [id]
    cell.let_go()
    assert card.place < kernel.ended(cell.cell)


@with_subshells
def test_clicks_that_change_queues_are_all_stored(card, kernel):
    """A second browser tab, or a setting changed: 7.3.0 goes where a click was sent, 7.4.0 where the last one was."""
    sent = [kernel.subshell, None, kernel.subshell, None, None]
    ids = [card.vote(queue) for queue in sent]
    assert card.stored() == ids
    on_main = [queue is None for queue in sent]
    assert card.on_main_thread() == {"7.3.0": on_main, "7.4.0": [True, *on_main[:-1]]}[kernel.version]


@with_subshells
def test_two_tabs_that_answer_one_question_at_once_give_one_vote(card, kernel):
    """One on each queue: on 7.3.0 that is two threads in the same instant."""
    asked = []
    for _ in range(10):
        asked.append(card.view["question"])
        clicks = [card.click(), card.click(kernel.subshell, question=asked[-1])]
        places = [card.hear(id) for id in clicks]
        card.view = card.view_at(max(places))
        assert not card.view["error"]
    with closing(FeedbackStore(card.path)) as store:
        assert [vote.question.key for vote in store.votes()] == asked


# What may go wrong.


def queues(kernel):
    """Where a click may come from: the main queue, and a subshell where there are any."""
    return [None, kernel.subshell] if kernel.subshell else [None]


def test_the_same_click_delivered_twice_is_one_vote(card, kernel):
    for queue in queues(kernel):
        question = card.view["question"]
        id = card.vote(queue)
        card.click(queue, id=id, question=question)  # of which the card shows nothing
        later = card.vote(queue)
        assert card.stored()[-2:] == [id, later]


def test_an_error_is_shown_and_nothing_is_counted(card, kernel):
    """Callbacks' errors vanish otherwise: here the file has become a folder, as root too cannot write to one."""
    for queue in queues(kernel):
        before = card.vote(queue)
        moved = card.path.rename(card.path.with_name("moved.db"))
        card.path.mkdir()
        card.hear(card.click(queue))
        assert card.view["error"].startswith(f"{card.path} could not be ")
        assert "No file can be made there: it is a folder itself" in card.view["error"]
        card.path.rmdir()
        moved.rename(card.path)
        assert card.stored()[-1] == before
        assert card.vote(queue) in card.stored()  # and voting goes on


@pytest.mark.parametrize(
    ("says", "shown"),
    [
        ({"answer": "Stars", "stars": 3}, "Stars does not answer a question of mode 'pair'"),
        ({"answer": "Maybe"}, "is no answer"),
        ({"answer": "Better", "side": 0}, "Something went wrong"),
        ({"answer": "Better", "winner": 7}, "There is no reply 7"),
    ],
)
def test_what_makes_no_sense_is_shown_and_not_counted(card, kernel, says, shown):
    for queue in queues(kernel):
        card.hear(card.click(queue, says=says))
        assert shown in card.view["error"]
        assert card.stored() == []


def test_a_card_made_again_goes_on_where_the_last_one_stopped(card, kernel):
    """The learner runs the cell again, while the first card is still on the screen; both show the same."""
    ids = [card.vote(queue) for queue in queues(kernel)]
    again = Card(kernel, card.path)
    assert again.view["answered"] == len(ids)
    ids += [again.vote(queue) for queue in queues(kernel)]
    card.look(None)
    assert card.view["answered"] == len(ids)
    assert card.view["question"] == again.view["question"]
    assert card.stored() == ids
