"""Who votes is somebody: the same one tomorrow, another one for everybody else, and never a name."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from minirlhf import paths
from minirlhf.feedback.agreement import agreement, self_agreement
from minirlhf.feedback.asking import whose
from minirlhf.feedback.card.session import Session
from minirlhf.feedback.formats import export, read_votes
from minirlhf.feedback.identity import YOU, called, own_voter, people, pseudonym, sit_down
from minirlhf.feedback.simulated import CHEERFUL, PATIENT
from minirlhf.feedback.store import FeedbackStore, StoreError
from minirlhf.feedback.votes import Better, Question, Tie, Undo, Vote

THINGS = ("hat", "lamp", "kettle", "chair", "phone", "drum")
QUESTIONS = [Question("pair", f"Customer: My {thing} is late.\nAgent:", (" It comes.", " No.")) for thing in THINGS]


@pytest.fixture
def learner(tmp_path, monkeypatch):
    """From now on this learner sits at the computer."""

    def sit(name):
        monkeypatch.setenv("MINIRLHF_VOTER", str(tmp_path / "people" / name))
        return own_voter()

    sit("anna")
    return sit


@pytest.fixture
def open_store(tmp_path):
    opened = []

    def open_one(name="votes.db"):
        opened.append(FeedbackStore(tmp_path / name))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


def old_votes(store, n=4):
    """What an earlier minirlhf wrote, which called everybody you."""
    for question in QUESTIONS[:n]:
        store.append(Vote(question, Better(0), (0, 1), YOU))
    return store


def vote_all(store, **more):
    session = Session(QUESTIONS, store, **more)
    while not session.done:
        session.choose("A")
    return session


# Made once.


def test_an_identity_is_made_once_and_is_the_same_in_another_process(learner):
    code = "from minirlhf.feedback.identity import own_voter; print(own_voter())"
    mine = own_voter()
    assert mine == own_voter() == subprocess.check_output([sys.executable, "-c", code], text=True).strip()
    assert learner("bob") != mine
    assert learner("anna") == mine


def test_many_notebooks_that_start_at_once_are_one_learner(learner):
    learner_file = paths.voter_file()
    learner_file.unlink()
    with ThreadPoolExecutor(16) as threads:
        assert len(set(threads.map(lambda _: own_voter(), range(64)))) == 1
    assert [path.name for path in learner_file.parent.iterdir()] == [learner_file.name], "nothing is left lying about"


def test_without_a_variable_it_is_in_the_users_own_folder_and_not_among_the_lessons(monkeypatch):
    monkeypatch.delenv("MINIRLHF_VOTER")
    assert paths.voter_file().is_absolute()
    assert paths.REPOSITORY not in paths.voter_file().parents


def test_where_it_cannot_be_written_it_lasts_as_long_as_python_and_says_so(tmp_path, monkeypatch):
    (tmp_path / "a file").write_text("no folder")
    monkeypatch.setenv("MINIRLHF_VOTER", str(tmp_path / "a file" / "voter"))
    with pytest.warns(UserWarning, match="MINIRLHF_VOTER"):
        voter = own_voter()
    assert own_voter() == voter
    with pytest.warns(UserWarning, match="MINIRLHF_VOTER"):
        other = sit_down()
    assert own_voter() == other != voter


def test_a_file_of_something_else_is_left_as_it_is_and_named(tmp_path, monkeypatch):
    other = tmp_path / "votes.db"
    other.write_bytes(b"SQLite format 3\0 and more")
    monkeypatch.setenv("MINIRLHF_VOTER", str(other))
    for ask in (own_voter, sit_down):
        with pytest.raises(ValueError, match=r"votes\.db.*MINIRLHF_VOTER"):
            ask()
    assert other.read_bytes() == b"SQLite format 3\0 and more"
    monkeypatch.setenv("MINIRLHF_VOTER", str(tmp_path))
    with pytest.raises(ValueError, match="folder"):
        own_voter()


def test_an_empty_file_is_filled(tmp_path, monkeypatch):
    (tmp_path / "voter").touch()  # a disk was full
    monkeypatch.setenv("MINIRLHF_VOTER", str(tmp_path / "voter"))
    assert own_voter() == own_voter()


def test_a_new_person_sits_down_and_the_first_one_comes_back(learner):
    first = own_voter()
    second = sit_down()
    assert own_voter() == second != first
    assert people() == (first, second)
    sit_down(first)
    assert (own_voter(), people()) == (first, (first, second))
    with pytest.raises(ValueError, match="sit_down"):
        sit_down("Napoleon")


# Kept apart.


def test_the_second_learner_on_a_shared_store_begins_at_nought(learner, open_store):
    store = open_store()
    vote_all(store)
    learner("bob")
    session = Session(QUESTIONS, store)
    assert (session.view["answered"], session.view["can_undo"], session.votes()) == (0, False, [])
    session.choose("A")
    assert session.undo() and session.undo() is None
    learner("anna")
    assert Session(QUESTIONS, store).done


def test_files_of_two_learners_are_two_voters_once_they_are_pooled(learner, open_store, tmp_path):
    for name in ("anna", "bob"):
        learner(name)
        vote_all(open_store(f"{name}.db"))
    pooled = open_store("class.db")
    for _ in range(2):
        pooled.merge(tmp_path / "anna.db")
        pooled.merge(tmp_path / "bob.db")
    found = agreement(pooled.votes())
    assert (found.voters, found.pairs) == (2, len(QUESTIONS))


def test_a_store_never_holds_what_the_card_calls_people(learner, open_store):
    store = open_store()
    session = vote_all(store)
    assert session.chair == YOU
    assert YOU not in {vote.voter for vote in store.votes()}
    assert len(store.votes(voter=YOU)) == len(QUESTIONS), "and yet they are yours"


def test_somebody_else_at_the_same_computer(learner, open_store):
    session = vote_all(open_store())
    anna = session.view["voter"]
    session.receive({"do": "seat person"})
    assert (session.view["answered"], session.view["error"], session.view["others"]) == (0, "", [anna])
    assert session.view["voter"] != anna
    session.choose("A")
    session.receive({"do": "seat person", "who": anna})
    assert (session.view["answered"], session.view["voter"]) == (len(QUESTIONS), anna)
    session.receive({"do": "seat person", "who": "p-0000000000"})
    assert session.view["error"] and session.view["voter"] == anna


def test_a_card_with_a_name_is_for_that_name(learner, open_store):
    session = Session(QUESTIONS, open_store(), voter="Ada")
    session.receive({"do": "seat person"})
    assert "Ada" in session.view["error"]
    assert (session.chair, session.view["voter"], session.view["others"]) == ("Ada", "", [])


# Old files.


def test_the_learners_own_old_votes_are_still_theirs(learner, open_store):
    store = old_votes(open_store())
    session = Session(QUESTIONS, store)
    assert session.view["answered"] == 4
    session.undo()
    session.choose("A")
    session.choose("A")
    assert session.view["answered"] == 5
    assert {vote.voter for vote in store.votes()} == {own_voter()}, "old votes and new ones are one person's"
    assert len(store.votes(voter=YOU)) == 5
    assert Session(QUESTIONS, open_store()).view["answered"] == 5


def test_old_votes_on_a_shared_store_are_nobody_elses(learner, open_store):
    store = old_votes(open_store())
    assert Session(QUESTIONS, store).view["answered"] == 4
    learner("bob")
    assert Session(QUESTIONS, open_store()).view["answered"] == 0
    learner("anna")
    assert Session(QUESTIONS, open_store()).view["answered"] == 4


def test_an_old_file_that_nobody_claims_is_read_as_it_is(learner, open_store):
    store = old_votes(open_store())
    store.append(Undo(store.votes()[0].id, YOU))
    assert {event.voter for event in store.events()} == {YOU}
    assert len(store.votes(voter=YOU)) == 3


def test_two_old_files_stay_two_people(learner, open_store, tmp_path):
    for name in ("anna.db", "bob.db"):
        old_votes(open_store(name))
    pooled = open_store("class.db")
    for name in ("anna.db", "bob.db", "anna.db"):
        pooled.merge(tmp_path / name)
    found = agreement(pooled.votes())
    assert (found.voters, found.pairs) == (2, 4)
    assert Session(QUESTIONS, pooled).view["answered"] == 0, "and neither is whoever pools them"


def test_a_teacher_may_say_whose_an_old_file_is(learner, open_store, tmp_path):
    old_votes(open_store("old.db"))
    pooled = open_store("class.db")
    pooled.merge(tmp_path / "old.db", voter="Anna")
    assert {vote.voter for vote in pooled.votes()} == {"Anna"}
    mine = open_store("mine.db")
    mine.merge(tmp_path / "old.db", voter=YOU)
    assert {vote.voter for vote in mine.votes()} == {own_voter()}


# What the course exports, it takes.


def test_merge_takes_a_folder_and_a_file_that_the_course_exports(learner, open_store, tmp_path):
    votes = vote_all(open_store("anna.db")).votes()
    export(votes, tmp_path / "handed in")
    for where in (tmp_path / "handed in", tmp_path / "handed in" / "votes.jsonl"):
        pooled = open_store(f"{where.name}.db")
        assert pooled.merge(str(where)) == len(votes)
        assert pooled.merge(where) == 0
        assert pooled.votes() == votes


def test_old_exports_of_two_people_stay_apart(open_store, tmp_path):
    pooled = open_store("class.db")
    for name in ("anna", "bob"):
        export(old_votes(open_store(f"{name}.db")).votes(), tmp_path / name)
        pooled.merge(tmp_path / name)
    assert agreement(pooled.votes()).voters == 2


def test_what_is_no_export_is_refused_with_its_place(open_store, tmp_path):
    store, bad = open_store(), tmp_path / "bad.jsonl"
    bad.write_text('{"prompt": "Hi"}\n')
    with pytest.raises(ValueError, match=r"bad\.jsonl: the columns prompt"):
        store.merge(bad)
    with pytest.raises(StoreError, match=r"votes\.jsonl does not exist"):
        store.merge(tmp_path)
    assert len(store) == 0


# Pseudonyms.


def test_pseudonyms_stay_differ_and_say_nothing(learner, tmp_path):
    anna, bob = learner("anna"), learner("bob")
    names = [anna, bob, "Anna", "Bob", "anna"]
    found = [pseudonym(name) for name in names]
    assert len(set(found)) == len(names)
    assert found == [pseudonym(name) for name in names]
    assert pseudonym(YOU) == pseudonym(bob)
    learner("carl")
    assert [pseudonym(anna), pseudonym(bob)] == found[:2], "whoever exports"
    assert pseudonym("Anna") != found[2], "a list of the class is no key: each computer has a secret of its own"


def test_anonymous_exports_of_two_people_have_two_pseudonyms_for_good(learner, open_store, tmp_path):
    written = {}
    for name in ("anna", "bob"):
        voter = learner(name)
        votes = vote_all(open_store(f"{name}.db")).votes()
        for time in ("first", "second"):
            export(votes, tmp_path / name / time, anonymous=True)
            text = (tmp_path / name / time / "votes.jsonl").read_text("utf-8")
            assert voter not in text
            written.setdefault(name, set()).update(json.loads(line)["voter"] for line in text.splitlines())
    assert len(written["anna"]) == len(written["bob"]) == 1
    assert written["anna"] != written["bob"]


def test_simulated_people_stay_simulated_in_an_anonymous_export(open_store, learner, tmp_path):
    session = Session(QUESTIONS, open_store())
    session.let_vote(PATIENT)
    export(session.votes(), tmp_path / "out", anonymous=True)
    assert {vote.voter for vote in read_votes(tmp_path / "out" / "votes.jsonl")} == {PATIENT.name}


# What is said.


def test_you_is_only_ever_said(learner):
    mine, other = own_voter(), learner("bob")
    learner("anna")
    assert (called(mine), called(YOU), called("Ada")) == (YOU, YOU, "Ada")
    assert called(other) == pseudonym(other)


def test_one_of_a_thing_is_one(learner, open_store):
    session = Session(QUESTIONS, open_store())
    session.choose("A")
    assert "1 voter," in str(agreement(session.votes()))
    assert whose(session.votes()).startswith("1 vote by you")
    pair = [Vote(QUESTIONS[0], answer, (0, 1), name) for name, answer in (("Ada", Better(0)), ("Bob", Tie()))]
    assert "1 pair in common" in str(agreement(pair)) and "nan" not in str(agreement(pair))


def test_too_few_votes_are_asked_for_and_whose_they_are_is_said(learner, open_store):
    session = Session(QUESTIONS, open_store())
    assert "Vote in the card" in whose(session.votes())
    session.skip()
    session.choose("A")
    assert "Vote on in the card" in whose(session.votes(), enough=2)
    session.let_vote(CHEERFUL)
    assert CHEERFUL.name in whose(session.votes(), enough=60) and "Vote" not in whose(session.votes(), enough=60)


def test_ones_own_repeats_are_found_under_you(learner, open_store):
    again = [QUESTIONS[0], Question(**{**vars(QUESTIONS[0]), "purpose": "repeat"})]
    with closing(open_store()) as store:
        session = Session(again, store)
        session.choose("A")
        session.choose("B")
        assert self_agreement(session.votes(), YOU).n == self_agreement(session.votes(), own_voter()).n == 1
