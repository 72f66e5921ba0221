"""The store keeps every vote: under many threads and processes, on full and foreign disks, in people's hands.

What is promised of a file is promised of a database server too: tests/test_store_server.py holds one to the same
class. What happens to a process that is killed is in tests/test_store_crash.py.
"""

import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import permutations
from pathlib import Path
from random import Random
from threading import Barrier

import pytest
import sqlalchemy as sa

from minirlhf.feedback import store as module
from minirlhf.feedback.formats import export
from minirlhf.feedback.store import FeedbackStore, StoreError
from minirlhf.feedback.votes import Better, BothBad, Question, Ranking, Skip, Stars, Text, Thumb, Tie, Undo, Vote

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def vote(number, answer=None, **fields):
    """Vote number so and so; later numbers were cast later."""
    asked = fields.pop("question", Question("pair", f"prompt {number}", ("yes", "no"), round=1 + number % 3))
    time = fields.pop("time", NOON + timedelta(seconds=number))
    shown = fields.pop("shown", tuple(range(len(asked.replies))))
    return Vote(asked, answer or Better(number % 2), shown, fields.pop("voter", "you"), time=time, **fields)


@pytest.fixture
def new_address(tmp_path):
    """Where no store has been yet."""
    numbers = iter(range(100))
    return lambda: tmp_path / f"votes{next(numbers)}.db"


@pytest.fixture
def open_store():
    """Opens stores, and closes them in the end."""
    opened = []

    def open_one(address):
        opened.append(FeedbackStore(address))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@pytest.fixture
def address(new_address):
    return new_address()


@pytest.fixture
def store(address, open_store):
    return open_store(address)


@pytest.fixture
def mixed(new_address, open_store):
    """Three classes' stores, with an undo in each and one vote that two of them hold."""
    shared = vote(50, voter="guest")
    classes = [open_store(new_address()) for _ in range(3)]
    for place, each in enumerate(classes):
        for number in range(place, 60, 3):
            each.append(vote(number, voter=f"class {place}"))
        each.undo(each.votes()[4])
    classes[0].append(shared)
    classes[2].append(shared)
    return classes


IDS = ["-", "0", "9", "A", "Z", "_", "a", "a-0", "a0", "a9", "aA", "z", "ä"]  # as their bytes sort

TEXTS = {
    "emoji": "👍🏽 👩‍👩‍👧 🇺🇳",
    "right to left": "שלום עליכם، مرحبا",
    "combining": "e\u0301 é ﬁ ",  # not the same text twice, and none may become the other
    "signs": "\"'`\\;--%s :x {y} <b>&amp;</b>\t\r\n\u2028\u200b\ufeff\x01\x7f",
    "long": "wort " * 40_000,
    "null": "NULL",
    "empty": "",
}


class Promises:
    """What holds wherever the votes live."""

    def test_an_empty_store_is_empty_and_true(self, store):
        assert store.votes() == store.events() == []
        assert len(store) == 0
        assert (store or None) is store  # `store or another` must not lose the votes to another

    def test_what_was_put_in_comes_out(self, store):
        questions = {
            "pair": Question("pair", "Hello?", ("yes", "no"), ("base", "sft"), ("a1", "b2"), 7, "repeat"),
            "gold": Question("pair", "Hello?", ("yes", "no"), purpose="gold", expected=1),
            "thumbs": Question("thumbs", "Hello?", ("yes",), ("base",)),
            "ranking": Question("ranking", "Hello?", ("a", "b", "c"), checkpoints=("x", "y", "z")),
            "write": Question("demonstration", "Hello?"),
        }
        votes = [
            vote(0, Better(1), question=questions["pair"], shown=(1, 0), response_ms=1234, origin="simulated"),
            vote(1, Tie(), question=questions["gold"], voter="Ada (simulated)", origin="imported"),
            vote(2, BothBad(), question=questions["pair"], response_ms=0),
            vote(3, Thumb(False), question=questions["thumbs"]),
            vote(4, Stars(5), question=Question("stars", "Hello?", ("yes",))),
            vote(5, Ranking((2, 0, 1)), question=questions["ranking"], shown=(1, 2, 0)),
            vote(6, Text("better"), question=Question("correction", "Hello?", ("yes",))),
            vote(7, Text("best"), question=questions["write"], response_ms=40 * 24 * 3600 * 1000),
            vote(8, Skip(), question=questions["write"]),
        ]
        assert [store.append(each) for each in votes] == [True] * 9
        assert store.events() == store.votes() == votes
        assert len(store) == 9

    def test_the_same_event_twice_is_one(self, store):
        cast = vote(1)
        assert store.append(cast)
        assert not store.append(cast)
        assert not store.append(replace(cast, answer=Tie()))  # an id is an event's for ever
        assert store.votes() == [cast]
        undo = store.undo(cast)
        assert not store.append(undo)
        assert store.events() == [cast, undo]

    def test_taking_back_stays_on_record(self, store):
        first, second = vote(1), vote(2)
        store.append(first)
        store.append(second)
        undo = store.undo(first)
        assert undo.undoes == first.id
        assert undo.voter == first.voter
        assert store.votes() == [second]
        assert store.events() == [first, second, undo]
        store.undo(first)  # twice is once
        assert store.votes() == [second]
        assert len(store.events()) == 4

    def test_votes_are_asked_for_by_voter_and_round(self, store):
        votes = [vote(n, voter=voter) for n, voter in enumerate(["ann", "bob", "ann", "bob", "ann", "you"])]
        for each in votes:
            store.append(each)
        assert store.votes(voter="ann") == [votes[0], votes[2], votes[4]]
        assert store.votes(round=2) == [votes[1], votes[4]]
        assert store.votes(voter="ann", round=2) == [votes[4]]
        assert store.votes(voter="nobody") == []
        store.append(Undo(votes[2].id, "the teacher"))  # whoever takes a vote back
        assert store.votes(voter="ann") == [votes[0], votes[4]]
        assert store.votes(voter="ann", first=3) == [votes[0], votes[2]]

    @pytest.mark.parametrize("seed", range(3))
    def test_the_time_machine_shows_what_stood_after_every_event(self, store, seed):
        """Replayed by hand: votes and undos in a random order, some of them undoing the same vote again."""
        rng = Random(seed)
        cast, standing, after = [], [], [[]]
        for number in range(40):
            if cast and rng.random() < 0.4:
                taken = rng.choice(cast)
                store.append(Undo(taken.id, "you", NOON + timedelta(seconds=number)))
                standing = [each for each in standing if each != taken]
            else:
                cast.append(vote(number))
                store.append(cast[-1])
                standing = [*standing, cast[-1]]
            after.append(standing)
        assert [store.votes(first=n) for n in range(41)] == after
        assert [len(store.events(first=n)) for n in range(41)] == list(range(41))
        assert store.votes(first=1000) == store.votes() == standing

    def test_order_is_that_of_the_times_not_of_arrival_nor_of_zones(self, store):
        """An hour later by the clock on the wall may be earlier."""
        india, peru = timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-5))
        late = vote(3, time=datetime(2026, 3, 2, 8, tzinfo=peru))  # 13:00 UTC
        middle = vote(2, time=datetime(2026, 3, 2, 12, 0, 0, 1, tzinfo=UTC))
        early = vote(1, time=datetime(2026, 3, 2, 17, 30, tzinfo=india))  # 12:00 UTC
        for each in (late, early, middle):
            store.append(each)
        assert store.votes() == [early, middle, late]

    def test_events_of_one_instant_stand_in_the_order_of_their_ids(self, store):
        for id in Random(0).sample(IDS, len(IDS)):
            store.append(vote(1, id=id))
        assert [each.id for each in store.votes()] == IDS

    @pytest.mark.parametrize("name", TEXTS)
    def test_any_text_comes_back_as_it_was(self, store, name):
        text = TEXTS[name]
        asked = Question("pair", text, (text, text + "."), (text, "b"), (text, "c"))
        cast = vote(1, question=asked, voter=text or "you")
        written = vote(2, Text(text + "!"), question=Question("demonstration", text))
        store.append(cast)
        store.append(written)
        assert store.votes() == [cast, written]
        assert store.votes(voter=text or "you") == ([cast] if text else [cast, written])

    @pytest.mark.parametrize(
        "broken",
        [
            vote(1, Text("thanks \ud83d"), question=Question("demonstration", "Hello?"), id="v7"),
            vote(1, question=Question("pair", "Hello?", ("yes", "no \udc4d")), id="v7"),
            vote(1, question=Question("pair", "\ud83dHello?", ("yes", "no")), id="v7"),
            vote(1, voter="Ann \ud83d", id="v7"),
            Undo("v\ud83d", "you", NOON, "v7"),
        ],
    )
    def test_half_an_emoji_is_refused_at_the_door(self, store, broken):
        """Browsers send one where a text was cut to length; neither a file nor a tokenizer can say it."""
        for call in (store.append, lambda event: store.extend([vote(0), event])):
            with pytest.raises(StoreError, match=r"Nothing was counted. The (vote|undo) 'v7' of .*half") as refused:
                call(broken)
            str(refused.value).encode()  # can be printed
        assert store.events() == []

    def test_many_events_at_once_are_all_there_or_none(self, store):
        votes = [vote(n) for n in range(9)]
        store.append(votes[3])
        assert store.extend(votes) == 8
        assert store.extend(votes) == store.extend([]) == 0
        assert store.extend(Undo(each.id, "you", NOON) for each in votes[:2]) == 2
        assert store.votes() == votes[2:]

    def test_two_notebooks_see_each_others_votes_at_once(self, address, open_store):
        mine, yours = open_store(address), open_store(address)
        votes = [vote(n) for n in range(20)]
        for number, each in enumerate(votes):
            writer, reader = (mine, yours) if number % 2 else (yours, mine)
            writer.append(each)
            assert reader.votes()[-1] == each
        yours.undo(votes[-1])
        assert mine.votes() == votes[:-1]

    def test_a_closed_store_opens_again_when_it_is_used(self, store):
        store.append(vote(1))
        store.close()
        store.close()
        store.append(vote(2))
        store.close()
        assert len(store) == 2

    def test_repr_says_where_and_how_many(self, store):
        for number, count in enumerate(("0 votes", "1 vote", "2 votes")):
            assert repr(store) == f"FeedbackStore({store.where!r}): {count}"
            store.append(vote(number))

    # Merging.

    def test_merging_takes_over_what_is_missing_and_twice_changes_nothing(self, new_address, open_store):
        mine, other = open_store(new_address()), open_store(new_address())
        both, theirs = vote(1), vote(0, voter="them")
        mine.append(both)
        other.append(both)
        other.append(theirs)
        undo = other.undo(theirs)
        assert mine.merge(other) == 2
        assert mine.events() == [theirs, both, undo]
        assert mine.merge(other) == 0
        assert mine.events() == [theirs, both, undo]
        assert other.events() == [theirs, both, undo]  # whom one takes from keeps it all

    def test_three_classes_give_the_same_votes_in_any_order(self, mixed, new_address, open_store):
        everything = sorted(
            {event.id: event for each in mixed for event in each.events()}.values(),
            key=lambda event: (event.time, event.id),
        )
        for order in permutations(mixed):
            merged = open_store(new_address())
            taken = [merged.merge(each) for each in order]
            assert sum(taken) == len(everything) == len(merged.events())
            assert merged.events() == everything
            assert len(merged) == 61 - 3

    def test_a_store_merged_into_itself_stays_as_it_is(self, store, address, open_store):
        for number in range(5):
            store.append(vote(number))
        store.undo(store.votes()[2])
        before = store.events()
        assert store.merge(store) == 0
        assert store.merge(open_store(address)) == 0
        assert store.events() == before

    def test_an_undo_in_another_store_counts_once_they_are_merged(self, new_address, open_store):
        """Whichever comes first: the vote, or that it was taken back."""
        cast = vote(1)
        home, school = open_store(new_address()), open_store(new_address())
        home.append(cast)
        school.undo(cast)
        assert home.votes() == [cast]
        for first, second in ((home, school), (school, home)):
            merged = open_store(new_address())
            merged.merge(first)
            merged.merge(second)
            assert merged.votes() == []
            assert len(merged.events()) == 2

    # Many at once.

    def test_threads_lose_nothing(self, store):
        """Each of them votes, takes back, reads and repeats itself."""
        workers, each = 50, 4
        ready = Barrier(workers)

        def work(worker):
            ready.wait()
            votes = [vote(worker * each + i, voter=f"voter {worker}") for i in range(each)]
            for cast in votes:
                assert store.append(cast)
                assert not store.append(cast)
                assert store.votes(voter=cast.voter)[-1] == cast
            store.undo(votes[0])
            return votes

        with ThreadPoolExecutor(workers) as pool:
            cast = [vote for votes in pool.map(work, range(workers)) for vote in votes]
        assert len(store.events()) == workers * (each + 1)
        undone = cast[::each]
        assert Counter(vote.id for vote in store.votes()) == Counter(v.id for v in cast if v not in undone)

    def test_threads_may_open_one_new_store_in_the_same_instant(self, address, open_store):
        workers = 12
        ready = Barrier(workers)

        def work(number):
            ready.wait()
            opened = open_store(address)
            return opened.append(vote(number))

        with ThreadPoolExecutor(workers) as pool:
            assert list(pool.map(work, range(workers))) == [True] * workers
        assert len(open_store(address)) == workers


class TestInAFile(Promises):
    pass


CHILD = """
import sys
from datetime import UTC, datetime, timedelta
from minirlhf.feedback.store import FeedbackStore, StoreError
from minirlhf.feedback.votes import Better, Question, Vote
def vote(number, voter="child"):
    asked = Question("pair", f"prompt {number} " + "and so on " * 100, ("yes", "no"))
    return Vote(asked, Better(0), (0, 1), voter)
def say(*words):
    print(*words, flush=True)
"""


def start_child(code, *arguments):
    """A process of its own that talks by lines."""
    return subprocess.Popen(
        [sys.executable, "-c", CHILD + code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run_child(code, *arguments):
    """What a process of its own says."""
    with start_child(code, *arguments) as child:
        said, _ = child.communicate(timeout=60)
    assert child.returncode == 0, said
    return said.splitlines()


def integrity(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]


def test_processes_may_open_and_fill_one_new_file_at_once(tmp_path):
    code = """
say("ready")
for line in sys.stdin:
    round, name = line.split()
    store = FeedbackStore(name)
    ids = []
    for i in range(5):
        ids.append(vote(i, voter=name).id)
        store.append(Vote(Question("pair", f"{i}", ("a", "b")), Better(0), (0, 1), "child", id=ids[-1]))
    store.close()
    say(*ids)
"""
    children = [start_child(code) for _ in range(4)]
    assert [child.stdout.readline() for child in children] == ["ready\n"] * 4
    for round in range(8):
        path = tmp_path / f"{round}.db"
        for child in children:
            child.stdin.write(f"{round} {path}\n")
        for child in children:  # all of them at once
            child.stdin.flush()
        acknowledged = [id for child in children for id in child.stdout.readline().split()]
        assert len(acknowledged) == 20
        with closing(FeedbackStore(path)) as store:
            assert Counter(vote.id for vote in store.votes()) == Counter(acknowledged)
        assert integrity(path) == "ok"
    for child in children:
        child.communicate()
        assert child.returncode == 0


FORKED = """
import os
store = FeedbackStore(sys.argv[1])
store.append(vote(0))
def fill():
    for number in range(10):
        store.append(vote(number))
        len(store)
children = []
for _ in range(3):
    children.append(os.fork())
    if not children[-1]:
        fill()
        os._exit(0)
fill()
say([os.waitpid(child, 0)[1] for child in children], len(store))
"""


def test_a_process_that_forks_may_vote_on_with_its_children(address):
    """Data loaders fork, with everything that is open."""
    assert run_child(FORKED, address) == ["[0, 0, 0] 41"]
    assert integrity(address) == "ok"


# Files in people's hands.


def test_the_file_alone_holds_every_vote_while_notebooks_have_it_open(address, open_store, tmp_path):
    """Sent to the teacher as it lies there, without what SQLite may keep beside it."""
    mine, yours = open_store(address), open_store(address)
    for number in range(30):
        (mine if number % 2 else yours).append(vote(number))
        if number % 10 == 9:
            assert len(yours) == len(mine) == number + 1
            copy = Path(shutil.copy(address, tmp_path / f"copy after {number}.db"))
            assert len(open_store(copy)) == number + 1


def test_after_the_file_was_deleted_votes_go_into_a_new_one(address, open_store):
    """To start over, people delete the file while notebooks have it open."""
    mine, yours = open_store(address), open_store(address)
    votes = [vote(n) for n in range(3)]
    mine.append(votes[0])
    assert yours.votes() == votes[:1]
    address.unlink()
    assert mine.append(votes[1])
    assert yours.append(votes[2])
    assert mine.votes() == yours.votes() == votes[1:]
    mine.close()
    yours.close()
    assert len(open_store(address)) == 2
    assert integrity(address) == "ok"


def test_after_the_file_was_moved_or_replaced_votes_go_where_its_name_is(address, open_store, tmp_path):
    store, other = open_store(address), open_store(tmp_path / "other.db")
    store.append(vote(1))
    moved = Path(shutil.move(address, tmp_path / "moved.db"))
    store.append(vote(2))
    assert [vote.question.prompt for vote in store.votes()] == ["prompt 2"]
    other.append(vote(3))
    other.close()
    os.replace(tmp_path / "other.db", address)
    store.append(vote(4))
    assert [vote.question.prompt for vote in store.votes()] == ["prompt 3", "prompt 4"]
    store.close()
    assert [vote.question.prompt for vote in open_store(moved).votes()] == ["prompt 1"]
    assert integrity(address) == integrity(moved) == "ok"


def test_after_the_folder_was_deleted_it_is_made_again(tmp_path, open_store):
    store = open_store(tmp_path / "a" / "b" / "votes.db")
    store.append(vote(1))
    shutil.rmtree(tmp_path / "a")
    store.append(vote(2))
    assert len(open_store(tmp_path / "a" / "b" / "votes.db")) == 1


def test_a_relative_path_stays_where_it_was_when_the_notebook_changes_folders(tmp_path, monkeypatch, open_store):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    stores = [open_store("votes.db"), open_store("sqlite:///votes.db")]
    monkeypatch.chdir(tmp_path / "there")
    for number, store in enumerate(stores):
        store.append(vote(number))
        store.close()
        assert len(store) == number + 1
        assert store.path == tmp_path / "here" / "votes.db"
    assert not list((tmp_path / "there").iterdir())


@pytest.mark.parametrize("name", ["my votes.db", "голоса 👍.db", "100%?#&.db", "a;b'c\".db", ":memory:"])
def test_a_file_may_be_called_anything(tmp_path, monkeypatch, open_store, name):
    monkeypatch.chdir(tmp_path)
    open_store(name).append(vote(1))
    assert name in os.listdir(tmp_path)
    assert len(open_store(tmp_path / name)) == 1


def test_without_a_name_it_is_the_learners_own_file(tmp_path, monkeypatch, open_store):
    monkeypatch.setenv("MINIRLHF_VOTES", str(tmp_path / "elsewhere.db"))
    assert open_store(None).path == tmp_path / "elsewhere.db"
    assert (tmp_path / "elsewhere.db").is_file()


def test_a_tilde_is_the_learners_home(tmp_path, monkeypatch, open_store):
    monkeypatch.setenv("HOME", str(tmp_path))
    open_store("~/votes.db").append(vote(1))
    other = open_store(tmp_path / "other.db")
    assert other.merge("~/votes.db") == 1


def test_half_an_emoji_that_an_older_store_holds_is_still_read_and_merged(store, open_store, tmp_path):
    """It was acknowledged once. Only what leaves the store as a file is refused, by name, and can be taken back."""
    kept = vote(1, Text("thanks"), question=Question("demonstration", "Hello?"))
    store.append(kept)
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute(r"""UPDATE events SET choice = '{"answer": "Text", "text": "thanks \ud83d"}'""")
    (read,) = store.votes()
    assert read == replace(kept, answer=Text("thanks \ud83d"))
    other = open_store(tmp_path / "other.db")
    assert other.merge(store) == 1
    with pytest.raises(ValueError, match=f"vote '{kept.id}' of .* on 'Hello.' holds half"):
        export(other.votes(), tmp_path / "files")
    other.undo(read)
    export(other.votes(), tmp_path / "files")


@pytest.mark.parametrize("what", ["votes.jsonl", "folder", "gzip", "text", "store", "empty file"])
def test_whatever_the_course_hands_around_can_be_merged(store, open_store, tmp_path, what):
    cast = [vote(n, voter="Ann") for n in range(5)]
    export(cast, tmp_path / "files", ("jsonl", "parquet"))
    source = {"votes.jsonl": tmp_path / "files" / "votes.jsonl", "folder": tmp_path / "files"}.get(what)
    if what == "gzip":
        source = tmp_path / "votes.jsonl.gz"
        source.write_bytes(gzip.compress((tmp_path / "files" / "votes.jsonl").read_bytes()))
    elif what == "text":
        source = str(tmp_path / "files" / "votes.jsonl")
    elif what in ("store", "empty file"):
        source = tmp_path / "class.db"
        if what == "store":
            open_store(source).extend(cast)
        else:
            source.touch()
            cast = []
    assert store.merge(source) == len(cast)
    assert store.merge(source) == 0
    assert store.votes() == cast


def test_a_merge_of_a_bad_file_takes_nothing_and_says_which_line(store, tmp_path):
    export([vote(n) for n in range(5)], tmp_path / "files")
    path = tmp_path / "files" / "votes.jsonl"
    path.write_text(path.read_text("utf-8").replace("prompt 3", "prompt \\ud83d"), "utf-8")
    with pytest.raises(ValueError, match=r"votes\.jsonl, line 4: The vote .*half"):
        store.merge(path)
    assert store.events() == []
    with pytest.raises(StoreError, match="nothing to merge"):
        store.merge(tmp_path)  # a folder, but none of an export


def test_thousands_of_votes_are_imported_in_a_moment(store):
    """One transaction, and not one for each of them: that took a minute on a laptop's disk."""
    votes = [vote(n) for n in range(2304)]
    statements = []
    sa.event.listen(store._engine, "commit", lambda _: statements.append("commit"))
    assert store.extend(votes) == 2304
    assert statements == ["commit"]


def test_merging_a_file_that_is_not_there_makes_none(store, tmp_path):
    with pytest.raises(StoreError, match=r"class\.db does not exist, so there is nothing to merge"):
        store.merge(tmp_path / "class.db")
    assert not (tmp_path / "class.db").exists()


def test_a_merge_that_fails_half_way_leaves_nothing(mixed, open_store, new_address):
    """The database refuses the last event but two, as a full disk might."""
    target, source = open_store(new_address()), mixed[0]
    target.append(vote(1000))
    refused = source.events()[-3].id
    with closing(sqlite3.connect(target.path)) as connection:
        connection.execute(
            f"CREATE TRIGGER refuse BEFORE INSERT ON events WHEN NEW.id = '{refused}' "
            "BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        )
    with pytest.raises(StoreError, match=r"could not be written \(not this one\). Nothing was counted"):
        target.merge(source)
    assert len(target.events()) == 1
    with closing(sqlite3.connect(target.path)) as connection:
        connection.execute("DROP TRIGGER refuse")
    assert target.merge(source) == len(source.events())


# What cannot be opened or written is said, and left as it is.


def files(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("folder", "could not be opened .*No file can be made there: it is a folder itself"),
        ("inside a file", "could not be opened .*its folder is none or not yours. Give another path"),
        ("text", "is no SQLite file, or a damaged one: keep it, and give another path"),
        ("foreign", "belongs to another program; it holds places. Nothing was changed"),
        ("newer", "was written by a newer minirlhf .its schema is 2, this one knows 1.*Nothing was changed"),
        ("newer log", "was written by a newer minirlhf .its schema is 2, this one knows 1.*Nothing was changed"),
    ],
)
def test_what_is_no_store_is_refused_and_stays_as_it_is(tmp_path, kind, message):
    path = tmp_path / "folder" / "votes.db"
    path.parent.mkdir()
    if kind == "folder":
        path.mkdir()
    elif kind == "inside a file":
        path.write_text("no folder")
        path = path / "votes.db"
    elif kind == "text":
        path.write_text("Dear diary, today I voted.\n" * 100)
    else:
        tables = {"foreign": ["places (url)"]}.get(kind, ["about (schema)", "choices (everything, different)"])
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(f"PRAGMA journal_mode={'WAL' if kind == 'newer log' else 'DELETE'}")
            for table in tables:
                connection.execute(f"CREATE TABLE {table}")
            if kind != "foreign":
                connection.execute("INSERT INTO about VALUES (2)")
    before = files(tmp_path)
    with pytest.raises(StoreError, match=message):
        FeedbackStore(path)
    assert files(tmp_path) == before


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The bytes of a store of forty votes."""
    path = tmp_path_factory.mktemp("sound") / "votes.db"
    with closing(FeedbackStore(path)) as store:
        for number in range(40):
            store.append(vote(number, question=Question("pair", "é" * 99, ("yes", str(number)))))
    return path.read_bytes()


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_file_is_an_error_in_words_or_no_error_at_all(sound, address, open_store, seed):
    """Never a traceback of another kind, and never a crash: whatever bytes there are."""
    rng, content = Random(seed), bytearray(sound)
    for _ in range(rng.choice([1, 10, 100])):
        start = rng.randrange(len(content))
        length = rng.choice([1, 16, 512])
        content[start : start + length] = rng.choice([rng.randbytes(length), bytes(length)])
    address.write_bytes(content[: rng.choice([len(content), len(content), rng.randrange(len(content))])])
    try:
        damaged = open_store(address)
        damaged.events()
        damaged.append(vote(99))
    except StoreError as error:
        assert str(address) in str(error)
        assert "give another path" in str(error) or "Nothing was changed" in str(error)


def test_an_event_that_cannot_be_read_is_named_as_damage(store):
    store.append(vote(1))
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("""UPDATE events SET choice = '{"answer": "Maybe"}'""")
    with pytest.raises(StoreError, match=r"could not be read .*Maybe.*keep it"):
        store.votes()


ORDINARY = """
import os, pathlib
FeedbackStore(sys.argv[2]).append(vote(0))  # loads what is loaded late, before the right to read it is given up
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    (pathlib.Path(sys.argv[1]).parent / "probe").touch()
    say("may write here")
except OSError:
    say("may not write here")
try:
    store = FeedbackStore(sys.argv[1])
    say("opened", len(store))
    store.append(vote(1))
    say("stored")
except StoreError as error:
    say(error)
"""


@pytest.fixture
def reachable(tmp_path_factory):
    """A folder that an ordinary user can reach: pytest's own are closed to all but their owner."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    for inner in folder.iterdir():
        inner.chmod(0o755)
    shutil.rmtree(folder)


def test_a_read_only_folder_is_said(reachable, tmp_path):
    folder = reachable / "shared"
    folder.mkdir(mode=0o555)
    folder.chmod(0o555)
    probe, said = run_child(ORDINARY, folder / "votes.db", tmp_path / "warm.db")
    assert probe == "may not write here"
    assert said.startswith(f"{folder / 'votes.db'} could not be opened (unable to open database file)")
    assert "its folder is none or not yours. Give another path." in said
    _, said = run_child(ORDINARY, folder / "deeper" / "votes.db", tmp_path / "warm.db")
    assert "Permission denied" in said
    assert "may not be written to: make it yours, or copy the file to a folder of yours." in said
    assert not list(folder.iterdir())


def test_a_read_only_file_can_be_read_and_says_that_it_cannot_be_written(reachable, tmp_path):
    path = reachable / "votes.db"
    with closing(FeedbackStore(path)) as store:
        store.append(vote(1))
    reachable.chmod(0o777)
    path.chmod(0o444)
    probe, opened, said = run_child(ORDINARY, path, tmp_path / "warm.db")
    assert (probe, opened) == ("may write here", "opened 1")
    assert said.startswith(f"{path} could not be written (attempt to write a readonly database). Nothing was ")
    assert "make it yours, or copy the file to a folder of yours." in said


def test_while_another_program_holds_the_file_a_vote_is_refused_and_then_taken(store, monkeypatch, open_store):
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.05)
    impatient = open_store(store.path)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        held = vote(1)
        with pytest.raises(StoreError, match=r"Nothing was counted. Another program holds it: close that") as refused:
            impatient.append(held)
        # A network disk without locks looks just like that.
        assert "network disk" in str(refused.value) and "MINIRLHF_VOTES" in str(refused.value)
        assert impatient.votes() == []  # reading goes on
        other.execute("ROLLBACK")
        other.execute("BEGIN EXCLUSIVE")
        for doing, call in (("be read", impatient.votes), ("be opened", lambda: FeedbackStore(store.path))):
            with pytest.raises(StoreError, match=f"could not {doing} .*Another program holds it"):
                call()
        other.execute("ROLLBACK")
    assert impatient.append(held)
    assert store.votes() == [held]


def test_a_vote_waits_for_another_program_to_finish(store):
    """It says nothing and loses nothing: most programs are done in a moment."""
    with closing(sqlite3.connect(store.path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(store.append, vote(1))
            other.execute("COMMIT")
            assert waiting.result() is True


FULL = """
import resource
path, limit = sys.argv[1], int(sys.argv[2])
store = FeedbackStore(path)
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
for number in range(2000):
    cast = vote(number)
    try:
        store.append(cast)
        say(cast.id)
    except StoreError as error:
        say("refused", error)
        break
say("standing", len(store))
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
say("again", store.append(cast))
say(cast.id)
"""


@pytest.mark.parametrize("limit", [70_000, 100_001, 131_072, 200_000])
def test_a_full_disk_loses_nothing_that_was_acknowledged(address, open_store, limit):
    """No file may grow beyond a limit, as on a full disk; then there is room again."""
    *before, refused, standing, again, last = run_child(FULL, address, limit)
    assert len(before) > 10
    assert refused.startswith(f"refused {address} could not be written (")
    assert "Nothing was counted. The disk is full" in refused
    assert "free some space" in refused
    assert standing == f"standing {len(before)}"
    assert again == "again True"
    assert [vote.id for vote in open_store(address).votes()] == [*before, last]
    assert integrity(address) == "ok"


MERGE_FULL = """
import resource
path, other, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = FeedbackStore(path)
store.append(vote(1))
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
try:
    store.merge(other)
except StoreError as error:
    say(error)
say(len(store))
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
say(store.merge(other), len(store))
"""


def test_a_merge_onto_a_full_disk_takes_all_or_nothing(new_address, open_store):
    target, source = new_address(), open_store(new_address())
    for number in range(60):
        source.append(vote(number))
    refused, standing, again = run_child(MERGE_FULL, target, source.path, 20_000)
    assert "Nothing was counted. The disk is full" in refused
    assert (standing, again) == ("1", "60 61")
    assert integrity(target) == "ok"


# No write-ahead log: not for a new file, nor for one that another program gave one.


def beside(path):
    return sorted(each.name for each in path.parent.iterdir() if each.name.startswith(path.name))


def test_there_is_one_file_and_never_a_log_beside_it(address, open_store):
    """So a network disk, which has no shared memory for a log, is a disk like any other."""
    stores = [open_store(address), open_store(address)]
    for number in range(6):
        stores[number % 2].append(vote(number))
        assert len(stores[0]) == number + 1
        assert beside(address) == [address.name]


def test_a_log_that_another_program_began_is_ended_and_its_votes_stay(address, open_store):
    first = open_store(address)
    first.append(vote(1))
    first.close()
    with closing(sqlite3.connect(address)) as other:
        assert other.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",)
        with other:
            other.execute("UPDATE events SET prompt = 'seen elsewhere'")
    store = open_store(address)
    store.append(vote(2))
    assert [vote.question.prompt for vote in store.votes()] == ["seen elsewhere", "prompt 2"]
    assert beside(address) == [address.name]


# Addresses and passwords.

SECRET = "correct-horse"


def everything_said(error):
    """The error's text and that of all errors it came from, as a traceback prints them."""
    said = []
    while error is not None:
        said += [str(error), repr(error)]
        error = error.__cause__ or error.__context__
    return "\n".join(said)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://ann:{SECRET}@127.0.0.1:1/votes",
        f"postgresql://ann:{SECRET}@127.0.0.1:1/votes",
        f"postgresql+psycopg://ann@127.0.0.1:1/votes?password={SECRET}",
        f"postgresql+psycopg://ann:{SECRET}@127.0.0.1:port/votes",
        f"postgresql+psycopg://ann:x@{SECRET}@127.0.0.1/votes",
        f"postgresql+psycopg://ann:{SECRET}",
        f"postgresql+nothing://ann:{SECRET}@127.0.0.1/votes",
        f"mysql://ann:{SECRET}@127.0.0.1/votes",
        f"nonsense://ann:{SECRET}@127.0.0.1/votes",
        f"://ann:{SECRET}@127.0.0.1/votes",
    ],
)
def test_no_error_shows_a_password(url):
    with pytest.raises(StoreError, match=r"is no address of a database|Does the database server run") as caught:
        FeedbackStore(url)
    assert SECRET not in everything_said(caught.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_store_in_memory_is_none(url):
    """It would forget every vote, and each thread would have another one."""
    with pytest.raises(StoreError, match=r"can keep votes. A path makes an SQLite file"):
        FeedbackStore(url)


# What it costs.


def test_importing_the_store_loads_no_model_and_no_screen():
    heavy = "torch matplotlib datasets ipywidgets anywidget numpy transformers"
    code = f"import minirlhf.feedback.store, sys; print([m for m in '{heavy}'.split() if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_rows_are_plain_enough_for_any_sqlite_browser(store):
    """A vote can be read without this package: the table is the export of last resort."""
    store.append(vote(1, Better(1)))
    with closing(sqlite3.connect(store.path)) as connection:
        connection.row_factory = sqlite3.Row
        row = dict(connection.execute("SELECT * FROM events").fetchone())
    assert (row["event"], row["voter"], row["mode"], row["prompt"]) == ("vote", "you", "pair", "prompt 1")
    assert json.loads(row["replies"]) == ["yes", "no"]
    assert json.loads(row["choice"]) == {"answer": "Better", "winner": 1}
    assert row["time"] == "2026-03-02T12:00:01.000000+00:00"


def test_a_server_without_its_driver_is_one_sentence_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"psycopg is missing.*pip install"):
        FeedbackStore("postgresql+psycopg://somebody@localhost/votes")
