"""A session asks, keeps and shows: every answer once, on disk before it counts, and every error in words."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from uuid import uuid4

import pytest

from minirlhf.feedback import store as store_module
from minirlhf.feedback.card.session import ONE_SIDE, TASKS, Session
from minirlhf.feedback.simulated import CARELESS, FORMAL, PATIENT
from minirlhf.feedback.store import FeedbackStore, StoreError
from minirlhf.feedback.votes import MODES, Better, BothBad, Question, Skip, Stars, Text, Thumb, Tie, answer_to_row

MESSAGE = "My lamp is dead."
PROMPT = f"Customer: {MESSAGE}\nAgent:"
REPLIES = (" Good day. Please turn your lamp off and on.", " Yes? We will look. Bye.", " Sorry! A new lamp comes.")
COUNT = {"pair": 2, "thumbs": 1, "stars": 1, "ranking": 3, "correction": 1, "demonstration": 0}


def ask(mode="pair", n=4, models=()):
    """n questions of a mode; they differ in their round only."""
    return [Question(mode, PROMPT, REPLIES[: COUNT[mode]], models, round=i + 1) for i in range(n)]


@pytest.fixture
def store(tmp_path):
    with closing(FeedbackStore(tmp_path / "votes.db")) as store:
        yield store


@pytest.fixture
def on_disk(store):
    """The votes as another program would read them: through a connection of its own."""

    def read(voter="you"):
        with closing(FeedbackStore(store.path)) as other:
            return other.votes(voter=voter)

    return read


def message(session, answer, ms=5000, id=None):
    """What a screen sends when somebody answers what it shows."""
    question = session.view["question"]
    return {"do": "answer", "says": answer_to_row(answer), "question": question, "ms": ms, "id": id or uuid4().hex}


# Every mode, and what places on a screen mean.


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_shows_its_question_and_can_be_skipped(mode, store, on_disk):
    session = Session(ask(mode, 2), store)
    view = session.view
    assert (view["mode"], view["task"], view["prompt"]) == (mode, TASKS[mode], MESSAGE)
    assert sorted(view["replies"]) == sorted(REPLIES[: COUNT[mode]])
    session.skip()
    assert session.view["answered"] == 1
    assert [vote.answer for vote in on_disk()] == [Skip()]


def test_what_was_clicked_is_what_is_kept_wherever_it_stood(store, on_disk):
    session = Session(ask(n=20), store)
    for n in range(20):
        shown = session.view["replies"]
        session.choose("A" if n % 2 else "B")
        vote = on_disk()[-1]
        assert vote.question.replies[vote.answer.winner] == shown[0 if n % 2 else 1]
        assert [vote.question.replies[place] for place in vote.shown] == shown


def test_a_ranking_is_read_by_the_letters_on_the_screen(store, on_disk):
    session = Session(ask("ranking", 6), store)
    for letters in ("ABC", "ACB", "BAC", "BCA", "CAB", "CBA"):
        shown = session.view["replies"]
        session.rank(letters)
        vote = on_disk()[-1]
        assert [vote.question.replies[i] for i in vote.answer.order] == [shown["ABC".index(x)] for x in letters]


@pytest.mark.parametrize(
    ("mode", "say", "answer"),
    [
        ("pair", lambda s: s.choose("tie"), Tie()),
        ("pair", lambda s: s.choose("Both_bad "), BothBad()),
        ("thumbs", lambda s: s.thumb(False), Thumb(False)),
        ("stars", lambda s: s.rate(4), Stars(4)),
        ("correction", lambda s: s.write("Sorry."), Text("Sorry.")),
        ("demonstration", lambda s: s.write("Hello."), Text("Hello.")),
    ],
)
def test_the_other_answers_are_kept_as_they_were_given(mode, say, answer, store, on_disk):
    session = Session(ask(mode), store)
    assert say(session).answer == answer
    assert [vote.answer for vote in on_disk()] == [answer]
    assert on_disk()[0].origin == "human"


@pytest.mark.parametrize(
    ("mode", "say", "why"),
    [
        ("pair", lambda s: s.choose("left"), "no choice"),
        ("pair", lambda s: s.thumb(True), "does not answer"),
        ("pair", lambda s: s.answer(Better(2)), "no reply 2"),
        ("pair", lambda s: s.answer(Better(-1)), "no reply -1"),
        ("stars", lambda s: s.rate(6), "6 stars"),
        ("ranking", lambda s: s.rank("AB"), "every reply once"),
        ("ranking", lambda s: s.rank("AAB"), "every reply once"),
        ("ranking", lambda s: s.rank("ABX"), "name no reply"),
        ("ranking", lambda s: s.rank(["A", "", "B"]), "name no reply"),
        ("correction", lambda s: s.write(REPLIES[0]), "unchanged"),
        ("correction", lambda s: s.write(REPLIES[0].strip()), "unchanged"),
        ("demonstration", lambda s: s.write(" \n"), "empty"),
    ],
)
def test_an_answer_that_makes_no_sense_says_why_and_is_not_kept(mode, say, why, store, on_disk):
    session = Session(ask(mode), store)
    with pytest.raises(ValueError, match=why):
        say(session)
    assert session.view["answered"] == 0
    assert not on_disk()


def test_a_list_that_cannot_be_asked_is_refused_at_once(store):
    with pytest.raises(ValueError, match="nothing to ask"):
        Session([], store)
    with pytest.raises(ValueError, match="stands in the list twice"):
        Session(ask(n=1) * 2, store)


# The sides.


def test_sides_stay_for_a_voter_and_a_question_and_are_drawn_by_lot_over_many(store):
    questions = ask(n=400)
    mine, again, yours = (Session(questions, store, voter=name) for name in ("you", "you", "me"))
    sides = [mine.shown(question) for question in questions]
    assert sides == [again.shown(question) for question in questions]
    assert sides != [yours.shown(question) for question in questions]
    lefts = sum(side == (0, 1) for side in sides)
    assert abs(lefts - 200) < 4 * 10, "four standard deviations of 400 fair coins"


# On disk first, once, and for good.


def test_a_vote_is_on_disk_before_the_view_counts_it(store, on_disk):
    session = Session(ask(), store)
    at_the_change = []
    session.observe(lambda change: at_the_change.append((change["new"]["answered"], len(on_disk()))), "view")
    for _ in range(3):
        session.choose("A")
    assert at_the_change == [(1, 1), (2, 2), (3, 3)]


def test_a_session_made_again_goes_on_where_the_last_one_stopped(store):
    questions = ask()
    first = Session(questions, store)
    first.choose("A")
    first.skip()
    again = Session(questions, FeedbackStore(store.path))
    assert again.view["answered"] == 2
    assert again.question == first.question
    assert again.votes() == first.votes()
    again.choose("B")
    first.refresh()
    assert first.view["answered"] == 3


def test_other_voters_and_other_questions_do_not_count(store):
    Session(ask(n=3), store, voter="somebody else").choose("A")
    Session([Question("pair", "Another prompt", ("a", "b"))], store).choose("A")
    session = Session(ask(n=3), store)
    assert session.view["answered"] == 0
    assert session.votes() == []


def test_the_same_message_delivered_twice_counts_once(store, on_disk):
    session = Session(ask(), store)
    sent = message(session, Better(0))
    session.receive(sent)
    session.receive(sent)
    assert session.view["answered"] == 1
    assert session.view["error"] == ""
    assert [vote.id for vote in on_disk()] == [sent["id"]]


def test_an_answer_that_was_taken_back_stays_so_when_it_arrives_again(store, on_disk):
    session = Session(ask(models=("base", "tuned")), store)
    sent = message(session, Better(0))
    session.receive(sent)
    session.undo()
    session.receive(sent)
    assert (session.view["answered"], on_disk()) == (0, [])
    assert "was" not in session.view["said"], "who wrote what would be told before the vote"
    assert session.view["heard"] == sent["id"]


def test_an_answer_to_a_question_that_is_no_longer_asked_changes_nothing(store, on_disk):
    session = Session(ask(), store)
    first = message(session, Better(0))
    changed_mind = message(session, Better(1))
    session.receive(first)
    session.receive(changed_mind)
    assert "has an answer already" in session.view["error"], "what was typed elsewhere is not silently dropped"
    assert session.view["answered"] == 1
    assert [vote.id for vote in on_disk()] == [first["id"]]
    never_asked = first | {"question": "0" * 16, "id": uuid4().hex}
    session.receive(never_asked)
    assert "no longer asked" in session.view["error"]
    assert len(on_disk()) == 1


def test_every_message_is_heard_whatever_came_of_it(store):
    """A screen waits for its message to be heard; a second error with the same words must be news as well."""
    session = Session(ask(), store)
    for sent in (
        message(session, Stars(3)),
        message(session, Stars(3)),
        {"do": "undo", "id": "u1"},
        {"do": "take chair", "id": "t1"},
        {"do": "dance", "id": "d1"},
        {"do": "answer", "id": "broken"},
    ):
        session.receive(sent)
        assert session.view["heard"] == sent["id"]


def test_undo_asks_again_on_the_same_sides_and_both_stay_on_record(store):
    session = Session(ask(), store)
    before = session.view
    session.choose("A")
    assert session.view["can_undo"]
    assert session.undo() is not None
    assert {**session.view, "said": ""} == before
    assert [type(event).__name__ for event in store.events()] == ["Vote", "Undo"]
    assert session.undo() is None


def test_the_same_undo_delivered_twice_takes_one_vote_back(store):
    session = Session(ask(), store)
    for _ in range(3):
        session.choose("A")
    for _ in range(2):
        session.receive({"do": "undo", "id": "one wish"})
    assert session.view["answered"] == 2


def test_many_threads_lose_nothing_and_double_nothing(store, on_disk):
    """Eight threads answer what they see; whoever comes too late for a question changes nothing."""
    session = Session(ask(n=40), store)

    def vote_until_done(_):
        while session.view["question"]:
            session.receive(message(session, Better(0)))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(vote_until_done, range(8)))
    assert session.done
    assert session.view["answered"] == 40
    assert len(on_disk()) == 40
    assert len({vote.question.key for vote in on_disk()}) == 40


def test_one_message_from_many_threads_counts_once(store, on_disk):
    session = Session(ask(), store)
    sent = message(session, Better(1))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(session.receive, [sent] * 40))
    assert [vote.id for vote in on_disk()] == [sent["id"]]
    assert session.view["answered"] == 1


# When something goes wrong.


@pytest.fixture
def impatient(tmp_path, monkeypatch):
    """A store that does not wait for others, and another program that may hold its file."""
    monkeypatch.setattr(store_module, "BUSY_SECONDS", 0)
    with (
        closing(FeedbackStore(tmp_path / "held.db")) as store,
        closing(sqlite3.connect(tmp_path / "held.db", isolation_level=None)) as other,
    ):
        yield store, other


@pytest.mark.parametrize("hold", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"], ids=["written", "read"])
def test_a_store_that_does_not_answer_is_shown_and_nothing_is_counted(hold, impatient):
    store, other = impatient
    session = Session(ask(), store)
    session.choose("A")
    other.execute(hold)
    asked = session.view["question"]
    for _ in range(2):
        sent = message(session, Better(0))
        session.receive(sent)
        assert "close that program" in session.view["error"]
        assert session.view["heard"] == sent["id"]
        assert (session.view["question"], session.view["answered"]) == (asked, 1)
    with pytest.raises(StoreError):
        session.choose("A")
    other.execute("ROLLBACK")
    session.receive(message(session, Better(0)))
    assert (session.view["error"], session.view["answered"], len(store)) == ("", 2, 2)


def test_an_error_stays_until_something_succeeds_or_the_card_is_shown_again(store):
    session = Session(ask(), store)
    session.receive(message(session, Thumb(True)))
    assert "was not counted" in session.view["error"]
    session.refresh()
    assert session.view["error"]
    session.receive({"do": "look"})
    assert session.view["error"] == ""


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"do": "dance"}, "cannot do 'dance'"),
        ({}, "cannot do None"),
        ({"do": "answer", "says": {"answer": "Shrug"}, "question": "", "id": "1"}, "Shrug"),
        ({"do": "answer"}, "KeyError: 'says'"),
        ({"do": "answer", "says": {"answer": "Stars"}, "question": "", "id": "1"}, "TypeError"),
        ({"do": "seat", "person": "Napoleon", "n": 3}, "no 'Napoleon' to let vote"),
        ({"do": "seat", "person": PATIENT.name, "n": -1}, "n is -1"),
        ({"do": "seat", "person": PATIENT.name, "n": "3"}, "Type"),
    ],
)
def test_a_message_that_makes_no_sense_is_an_error_in_words(sent, words, store):
    session = Session(ask(), store)
    session.receive(sent)
    assert words in session.view["error"]
    assert (session.view["answered"], session.view["simulated"], len(store)) == (0, "", 0)


def test_all_answered_is_said_and_can_be_undone(store):
    session = Session(ask(n=2), store)
    session.choose("A")
    session.choose("B")
    assert session.done
    assert session.question is None
    assert (session.view["question"], session.view["mode"], session.view["answered"]) == ("", "", 2)
    with pytest.raises(ValueError, match=r"undo\(\)"):
        session.choose("A")
    session.undo()
    assert not session.done


# What the card says besides.


def test_the_models_are_named_after_the_vote_and_only_where_two_are_compared(store):
    session = Session(ask(models=("base", "tuned")), store)
    assert session.view["said"] == ""
    vote = session.choose("A")
    left, right = (vote.question.models[place] for place in vote.shown)
    assert session.view["said"] == f"Last time: A was {left}, B was {right}."
    session.undo()
    assert "base" not in session.view["said"]
    for voter, models, reveal in (("1", ("tuned", "tuned"), True), ("2", (), True), ("3", ("base", "tuned"), False)):
        other = Session(ask(models=models), store, voter=voter, reveal=reveal)
        other.choose("A")
        assert other.view["said"] == ""


def test_time_left_follows_the_pace_of_the_last_answers(store):
    session = Session(ask(n=20), store)
    for n in range(3):
        assert session.view["seconds_left"] is None, "no pace after fewer than three answers"
        session.receive(message(session, Better(n % 2), ms=4000))
    assert session.view["seconds_left"] == 17 * 4
    session.receive(message(session, Better(0), ms=3_600_000))
    assert session.view["seconds_left"] == 16 * 4, "one long pause is no pace"
    for n in range(10):
        session.receive(message(session, Better(n % 2), ms=1000))
    assert session.view["seconds_left"] == 6


def test_a_quick_hand_gets_a_gentle_note_that_goes_away(store):
    session = Session(ask(n=30), store)
    for n in range(5):
        assert session.view["note"] == ""
        session.receive(message(session, Better(n % 2), ms=300))
    assert "You are quick" in session.view["note"]
    for n in range(5):
        session.receive(message(session, Better(n % 2), ms=6000))
    assert session.view["note"] == ""


def test_who_skips_quickly_has_read_nothing_badly(store):
    session = Session(ask(n=10), store)
    for _ in range(8):
        session.receive(message(session, Skip(), ms=200))
    assert session.view["note"] == ""


@pytest.mark.parametrize(("place", "side"), [(0, "left"), (1, "right")])
def test_always_the_same_side_gets_a_gentle_note(place, side, store):
    session = Session(ask(n=20), store)
    for n in range(ONE_SIDE):
        assert session.view["note"] == "", n
        session.receive(message(session, Better(place)))
    assert f"all on the {side}" in session.view["note"]
    session.receive(message(session, Better(1 - place)))
    assert session.view["note"] == ""


def test_notes_are_kept_nowhere(store):
    session = Session(ask(n=20), store)
    for _ in range(ONE_SIDE):
        session.receive(message(session, Better(0), ms=100))
    assert session.view["note"]
    assert Session(session.questions, store).view["note"] == ""
    assert b"quick" not in store.path.read_bytes()


# The chair.


def test_a_simulated_person_votes_under_their_own_name_and_leaves_the_learner_alone(store, on_disk):
    session = Session(ask(n=6), store)
    session.choose("A")
    assert session.let_vote(PATIENT, 4) == 4
    assert (session.chair, session.view["simulated"]) == (PATIENT.name, PATIENT.name)
    assert session.view["answered"] == 4
    assert {vote.origin for vote in on_disk(PATIENT.name)} == {"simulated"}
    assert [vote.origin for vote in on_disk("you")] == ["human"]
    session.take_chair()
    assert (session.chair, session.view["simulated"], session.view["answered"]) == ("you", "", 1)


def test_nobody_votes_or_undoes_in_a_simulated_persons_name(store, on_disk):
    """A click that was under way when the chair changed must not become a simulated person's vote."""
    session = Session(ask(n=6), store)
    own = message(session, Better(0))
    session.let_vote(FORMAL, 2)
    theirs = message(session, Better(0))
    for sent in (own, theirs, {"do": "undo"}):
        session.receive(sent)
        assert "not counted" in session.view["error"]
    with pytest.raises(ValueError, match=r"take_chair\(\)"):
        session.choose("A")
    assert [vote.origin for vote in on_disk(FORMAL.name)] == ["simulated"] * 2
    assert on_disk("you") == []
    assert not session.view["can_undo"]


def test_a_simulated_person_goes_on_where_they_stopped_and_says_the_same_again(tmp_path):
    answers = []
    for name, portions in (("one", [6]), ("two", [2, 4]), ("three", [2, None])):
        session = Session(ask(n=6), FeedbackStore(tmp_path / f"{name}.db"))
        for portion in portions:
            session.let_vote(CARELESS, portion)
        assert session.let_vote(CARELESS) == 0, "they have answered everything"
        answers.append([vote.answer for vote in session.votes()])
    assert answers[0] == answers[1] == answers[2]


def test_unless_respects_what_the_learner_has_voted(store):
    session = Session(ask(n=6), store)
    session.choose("A")
    session.choose("B")
    session.skip()
    assert session.let_vote(PATIENT, unless=2) == 0
    assert (session.chair, session.view["answered"]) == ("you", 3)
    assert session.let_vote(PATIENT, unless=3) == 6, "a skip is no vote"
    assert session.chair == PATIENT.name
    session.take_chair()
    assert len(session.votes()) == 3


def test_who_cannot_write_skips_and_says_so(store):
    session = Session([*ask("stars", 2), *ask("demonstration", 1)], store)
    session.let_vote(PATIENT)
    assert session.view["said"].endswith("2 questions and skipped 1 question that asked for a text.")


def test_who_cannot_judge_a_prompt_leaves_everything_as_it_was(store):
    session = Session([*ask(n=2), Question("pair", "What is love?", ("A word.", "A song."))], store)
    with pytest.raises(ValueError, match="What is love"):
        session.let_vote(PATIENT)
    assert (session.chair, len(store)) == ("you", 0)


def test_a_screen_shows_the_message_without_the_frame_that_the_model_sees(tmp_path):
    def shown(prompt):
        question = Question("thumbs", prompt, (" No.",))
        return Session([question], FeedbackStore(tmp_path / "votes.db"), voter=prompt).view["prompt"]

    assert shown("Customer: My hat is late.\nAgent:") == "My hat is late."
    assert shown("Where is my hat?") == "Where is my hat?"
    two_turns = "Customer: Hi.\nAgent: Hello.\nCustomer: My hat is late.\nAgent:"
    assert shown(two_turns) == two_turns
