"""Leading a room in code: each step does what is not done yet, trolls are drawn by lot, and nothing is left running."""

import socket
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from passes import execute
from readable import assert_readable
from room import OpenRoom, asked, ballot

from minirlhf import classroom, data_folder, plots
from minirlhf.classroom import ghosts, leading, rooms, trolls
from minirlhf.classroom.leading import Step
from minirlhf.classroom.place import Place
from minirlhf.classroom.session import Session, close_left_in, lan_address
from minirlhf.course.book.execute import run
from minirlhf.evaluate import Replies
from minirlhf.feedback.agreement import as_ratings, krippendorff_alpha
from minirlhf.feedback.votes import Better, BothBad, Question, Tie, Vote
from minirlhf.tokenizer import Tokenizer

RESULT = {
    "answers": [{"prompt": f"My hat {n} is <b>blue</b>.", "before": "We call.", "after": "We call you!"} for n in "ab"],
    "weights": [["hat", 0.5], ["no", -0.25]],
    "receipts": {"one": [4, 1, 3], "other": [4, 3, 2], "third": [4, 1, 3], "silent": [0, 0, 0]},
}
RECORDS = [{"score": 0.25 * n, "kl": 0.5 * n} for n in range(4)]


class Led(OpenRoom):
    """A room as a notebook sees it, without a server and without a learner: what they would write, a test writes."""

    def __init__(self, where):
        super().__init__(where)
        self.session = Session(Place(str(self.store.path)), self.code, self.token, 0, 0)

    def room(self):
        with self.store.connect("be read") as connection:
            return rooms.find(connection, self.code)

    def phase(self):
        return self.room().phase

    def sit(self, nickname="", origin="human"):
        return self.change(rooms.join, nickname=nickname, origin=origin)["voter"]

    def has_learned(self, status="done", words=""):
        """What the learner writes down at the end."""
        self.do("train", method="PPO")
        told = {"total": len(RECORDS), "records": RECORDS, "words": words, "result": RESULT}
        self.change(rooms.update_job, round=1, status=status, **told)
        self.change(rooms.change, phase="trained" if status == "done" else "closed")


@pytest.fixture
def led(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIRLHF_LESSONS", str(tmp_path))
    return Led(tmp_path / "votes.db")


# ---- leading


def test_a_round_that_is_open_stays_open(led):
    leading.open_vote(led.session)
    assert led.phase() == "voting"


def test_where_only_simulated_people_sit_the_round_closes_by_itself(led):
    for _ in range(2):
        led.cast(*(ballot(led.sit(origin="simulated"), question) for question in led.questions[:2]))
    votes = leading.gather(led.session, each=1)
    assert led.phase() == "closed" and votes == led.votes() and len(votes) == 4


def test_where_a_person_sits_it_waits_for_the_teacher(led):
    led.cast(ballot(led.sit(origin="simulated"), led.questions[0]), ballot(led.sit(), led.questions[0]))
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(leading.gather, led.session, 1)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=2 * leading.LOOK)
        assert led.phase() == "voting"
        led.do("close")
        assert len(waiting.result(timeout=20)) == 2


def test_what_was_learned_is_told_again_and_nothing_is_learned_twice(led):
    led.cast(ballot(led.sit(), led.questions[0]))
    led.has_learned()
    told = list(leading.learn(led.session))
    assert told == [Step("PPO", n, len(RECORDS), record) for n, record in enumerate(RECORDS, start=1)]
    assert list(leading.learn(led.session)) == told and led.phase() == "trained"
    assert leading.learned(led.session) == RESULT


def test_a_training_that_failed_says_why_and_what_to_do(led):
    led.cast(ballot(led.sit(), led.questions[0]))
    led.has_learned("failed", "No memory was left.")
    led.change(rooms.change, phase="training")  # as it is until the learner has let go of it
    with pytest.raises(RuntimeError, match=r"No memory was left.*train again"):
        list(leading.learn(led.session))


def test_nobody_voted_and_that_is_said(led):
    with pytest.raises(rooms.Refused, match="Nobody has voted"):
        list(leading.learn(led.session))


def test_a_ghost_class_is_shown_all_that_is_left_and_then_the_next_round_opens_once(led):
    led.cast(ballot(led.sit(origin="simulated"), led.questions[0]))
    led.has_learned()
    led.do("reveal")
    leading.reveal(led.session)
    leading.reveal(led.session)
    assert led.room().revealed == len(RESULT["answers"]) + 1
    leading.next_round(led.session)
    assert led.room().round == 2 and led.phase() == "voting"


def test_with_people_in_the_room_every_cell_waits_for_the_panel(led):
    """A cell that is run too early takes no vote from anybody, and shows no pair before its time."""
    led.change(rooms.change, phase="waiting")
    led.sit()
    with ThreadPoolExecutor() as pool:

        def waits(what, *presses):
            waiting, before = pool.submit(what), led.room()
            with pytest.raises(TimeoutError):
                waiting.result(timeout=2 * leading.LOOK)
            assert led.room() == before
            for press in presses:
                press()
            return waiting.result(timeout=20)

        waits(lambda: leading.open_vote(led.session), lambda: led.do("open"))
        led.cast(ballot(led.sit(), led.questions[0]))
        steps = waits(lambda: list(leading.learn(led.session)), lambda: led.do("close"), led.has_learned)
        assert len(steps) == len(RECORDS)
        waits(lambda: leading.reveal(led.session), lambda: led.do("reveal"))
        assert led.room().revealed == 1
        waits(lambda: leading.next_round(led.session), lambda: led.do("next"))


def test_no_ghost_sits_down_where_somebody_sits(led):
    led.sit("Ada")
    assert "1 person " in ghosts.fill(led.session)
    assert [row["origin"] for row in led.change(rooms.members_of)] == ["human"]


# ---- trolls


def vote(question, winner, voter):
    return Vote(question, winner if not isinstance(winner, int) else Better(winner), (0, 1), voter)


def unanimous(voters=40, pairs=30):
    """All choose the reply that says "please", which stands first as often as second."""
    questions = [
        Question("pair", f"Customer: My hat {n} is late.\nAgent:", tuple(f" {w} wait {n}." for w in order))
        for n in range(pairs)
        for order in [("please", "now") if n % 2 else ("now", "please")]
    ]
    return [
        vote(q, int(not q.replies[0].startswith(" please")), f"voter {v}") for v in range(voters) for q in questions
    ]


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.load(data_folder() / "checkpoints" / "sft" / "tokenizer.json")


def opposed(votes, flipped):
    return [
        n
        for n, (old, new) in enumerate(zip(votes, flipped, strict=True))
        if old.answer != new.answer and (old.answer.winner, new.answer.winner) in ((0, 1), (1, 0))
    ]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_so_many_choices_are_flipped_as_were_asked_for_and_nothing_else_is_touched(share):
    question = asked(1)[0]
    votes = [vote(question, answer, f"{n}") for n, answer in enumerate([0, 1] * 20 + [Tie(), BothBad()])]
    flipped = trolls.flip(votes, share, seed=3)
    assert len(opposed(votes, flipped)) == round(40 * share)
    kept = [n for n in range(len(votes)) if n not in opposed(votes, flipped)]
    assert [flipped[n] for n in kept] == [votes[n] for n in kept]
    for n in opposed(votes, flipped):
        assert flipped[n].origin == "simulated" and flipped[n].id != votes[n].id and flipped[n].voter == votes[n].voter


def test_what_is_flipped_at_a_small_share_is_flipped_at_a_larger_one_and_another_lot_is_another():
    votes = unanimous(4)
    few, many, other = (set(opposed(votes, trolls.flip(votes, *how))) for how in ((0.1, 1), (0.3, 1), (0.1, 2)))
    assert few < many and few != other and len(few) == len(other)


@pytest.mark.parametrize("share", [-0.1, 1.5, 10])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match="0 to 1"):
        trolls.flip(unanimous(1), share)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5])
def test_agreement_falls_with_the_square_of_what_is_left_unflipped(share):
    """Two votes agree where both or neither is flipped: of an α of 1, (1 − 2f)² is left."""
    flipped = trolls.flip(unanimous(), share)
    assert krippendorff_alpha(as_ratings(flipped).rows) == pytest.approx((1 - 2 * share) ** 2, abs=0.06)


def test_the_dial_judges_by_honest_votes_on_other_customers(tokenizer):
    found = list(trolls.turn_dial(unanimous(4), tokenizer, (0.0, 0.2, 1.0), range(2)))
    assert [(turn.share, turn.seed) for turn in found] == [(0.0, 0), (0.2, 0), (0.2, 1), (1.0, 0), (1.0, 1)]
    honest, *some, _, all_lie = found
    assert honest.foreseen == honest.alpha == 1  # "please" says all, whoever asks
    assert all(turn.foreseen > 0.9 and turn.alpha < 0.6 for turn in some)  # outvoted: the weights stand, α does not
    assert all_lie.foreseen == 0 and all_lie.alpha == 1  # who agree in a lie agree


def test_a_dial_without_a_choice_says_so(tokenizer):
    with pytest.raises(ValueError, match="nothing to flip"):
        list(trolls.turn_dial([vote(asked(1)[0], Tie(), "one")], tokenizer))


# ---- figures


TURNS = [trolls.Turn(share, seed, 0.6 - share / 5, 0.2 - share / 3) for share in (0.0, 0.2) for seed in range(3)]
SAID = {name: Replies(["We <b>call</b> $5.", ""], [float(n), n + 1.0]) for n, name in enumerate(("SFT", "0 %", "20 %"))}
FIGURES = {
    "training": lambda: plots.room_training([Step("PPO", n + 1, 9, record) for n, record in enumerate(RECORDS)]),
    "one step": lambda: plots.room_training([Step("DPO", 1, 12, {"margin": -0.5, "accuracy": 0.4})]),
    "pairs": lambda: plots.divided_pairs(unanimous(3, 2)),
    "receipts": lambda: plots.receipt_dots(RESULT["receipts"]),
    "dial": lambda: plots.troll_dial(TURNS, ["Customer: My hat.\nAgent:", "Customer: Why?\nAgent:"], SAID, "20 %", 2),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_without_a_warning_and_says_what_it_is(name):
    figure = FIGURES[name]()
    assert figure.get_suptitle()
    for ax in figure.axes:
        assert not ax.axison or (ax.get_xlabel() and ax.get_ylabel())
    assert_readable(figure)


def test_the_pairs_that_divide_most_come_first():
    questions = asked(3)
    split = [(0, 0, 1, 1), (0, 0, 0, 1), (0, 0, 0, 0)]
    votes = [vote(q, n, f"{i}") for q, each in zip(reversed(questions), split, strict=True) for i, n in enumerate(each)]
    shown = [ax.texts[-3].get_text() for ax in plots.divided_pairs(votes, 2).axes]
    assert ["hat 2" in shown[0], "hat 1" in shown[1]] == [True, True]


def test_whoever_made_no_choice_has_no_dot():
    assert "2 of 3 voters, and away from 1" in plots.receipt_dots(RESULT["receipts"]).get_suptitle().replace("\n", " ")
    with pytest.raises(ValueError, match="hold none"):
        plots.receipt_dots({"silent": [0, 0, 0]})


def test_before_and_after_are_only_ever_text():
    table = plots.room_answers(RESULT["answers"])
    html = table._repr_html_()
    assert "<b>you!</b>" in html and "&lt;b&gt;blue" in html and "<b>blue" not in html
    assert "We call you!" in str(table)
    with pytest.raises(ValueError, match="There is none"):
        plots.room_answers([])


# ---- nothing is left running


BREAKS = """
from minirlhf import classroom
session = classroom.open(store="room.db")
print(session.server, session.learner)
raise ValueError("in the middle")
"""


def left(folder):
    """What a room's processes are, while they are there."""
    return [p for p in psutil.process_iter(["cmdline", "environ"]) if started_in(p.info, folder)]


def started_in(info, folder):
    told = " ".join(info["cmdline"] or [])
    return "minirlhf.classroom" in told and (info["environ"] or {}).get("MINIRLHF_LESSONS", "").startswith(str(folder))


def broken_notebook(folder):
    path = folder / "broken.ipynb"
    notebook = new_notebook(cells=[new_code_cell(BREAKS)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    return path


@pytest.mark.slow
def test_a_notebook_that_breaks_leaves_no_process(tmp_path, monkeypatch):
    """Neither where the book runs it nor where a test does, though a room is meant to outlive its kernel."""
    path = broken_notebook(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ValueError, match="cell 1 of 1 failed") as failed:
        run(path)
    assert "in the middle" in failed.value.__notes__[0] and not left(tmp_path)
    monkeypatch.setenv("MINIRLHF_LESSONS", str(tmp_path))
    monkeypatch.setenv("MINIRLHF_PORT", "0")
    with pytest.raises(Exception, match="in the middle"):
        execute(nbformat.read(path, as_version=4), tmp_path)
    assert not left(tmp_path) and not (tmp_path / "classroom.json").exists()


def test_the_check_above_sees_a_room_that_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIRLHF_LESSONS", str(tmp_path))
    session = classroom.open(store=tmp_path / "room.db", port=0)
    assert Counter(" ".join(p.info["cmdline"]).rpartition(".")[2] for p in left(tmp_path)) == {
        "server": 1,
        "learning": 1,
    }
    close_left_in(tmp_path)
    assert not left(tmp_path) and not session.alive()
    close_left_in(tmp_path)  # nothing there, and nothing happens


def test_a_number_that_is_somebody_elses_by_now_is_left_alone(led):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        Session(led.session.place, led.code, led.token, other.pid, other.pid).close()
        assert other.poll() is None
        other.stdin.close()


def test_where_many_share_a_machine_the_port_is_named_by_a_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIRLHF_LESSONS", str(tmp_path))
    monkeypatch.setenv("MINIRLHF_PORT", "0")
    session = classroom.open(store=tmp_path / "room.db")
    try:
        assert session.place.port > 1024 and session.alive()
    finally:
        session.close()
    assert not Path(tmp_path / "classroom.json").exists()


# ---- opening twice


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIRLHF_LESSONS", str(tmp_path))
    yield tmp_path
    close_left_in(tmp_path)
    assert not left(tmp_path)


def is_let_in(session):
    """Whether others reach the session's port; 127.0.0.2 stands for them, also where there is no network."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.2", session.place.port)) == 0


def test_a_cell_that_is_run_twice_opens_one_room(own_folder):
    first = classroom.open("Which?", store=own_folder / "room.db", port=0)
    first_words, again = str(first), classroom.open("Which of them?", store=own_folder / "room.db", port=0)
    assert (again.code, again.server, again.learner) == (first.code, first.server, first.learner)
    assert again.seen()["title"] == "Which of them?" and "open already" in str(again) and "already" not in first_words
    assert (classroom.attach().code, str(classroom.attach())) == (first.code, str(again))


def test_a_room_is_reached_as_it_was_asked_for_last(own_folder):
    """A rehearsal for this laptop alone, and then the class: the printed links lead where they say."""
    rehearsal = classroom.open(store=own_folder / "room.db", port=0)
    assert not is_let_in(rehearsal) and rehearsal.local
    live = classroom.open(store=own_folder / "room.db", port=0, lan=True)
    assert live.code == rehearsal.code and is_let_in(live) and not live.local
    assert httpx.get(live.join_link, trust_env=False).is_success
    assert ("on no network" in str(live)) == (lan_address() == "127.0.0.1")
    assert live.join_link in str(live) and b"<svg" in live.panel_code().data.encode()
    back = classroom.open(store=own_folder / "room.db", port=0)
    assert not is_let_in(back) and back.alive()
    with pytest.raises(ValueError, match="lan=True"):
        back.panel_code()


def test_a_second_room_stands_beside_the_first_and_outlives_it(own_folder):
    first, second = (classroom.open(store=own_folder / "room.db", port=0, another=True) for _ in range(2))
    assert first.code != second.code and first.server == second.server != 0
    assert classroom.attach().code == second.code and classroom.attach(first.code.lower()).code == first.code
    with pytest.raises(FileNotFoundError, match=second.code):
        classroom.attach("NOROOM")
    first.close()
    assert second.alive() and classroom.attach().code == second.code
    second.close()
    assert not left(own_folder)
    with pytest.raises(FileNotFoundError, match="No room is open"):
        classroom.attach()


def test_a_room_whose_time_is_over_is_not_found_again(own_folder):
    first = classroom.open(store=own_folder / "room.db", port=0)
    first.do("end")
    second = classroom.open(store=own_folder / "room.db", port=first.place.port)
    assert second.code != first.code and second.server == first.server


def test_a_server_of_somebody_elses_is_not_taken_for_ones_own(own_folder):
    """On the same votes, but under another address: the links would lead nowhere."""
    first = classroom.open(store=own_folder / "room.db", port=0)
    note = own_folder / "classroom.json"
    kept = note.read_text()
    note.unlink()
    with pytest.raises(OSError, match="started elsewhere"):
        classroom.open(store=own_folder / "room.db", port=first.place.port, address="http://10.0.0.7")
    note.write_text(kept)
