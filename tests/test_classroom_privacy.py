"""What the classroom's page for a school says it keeps, and for how long: each sentence that a test can hold."""

import re
from collections import Counter
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from room import OpenRoom, asked, ballot, served

from minirlhf.classroom import clock, command, learning, paper, rooms, schools, tables, views
from minirlhf.classroom.rooms import Refused
from minirlhf.feedback.formats.imports import read_votes
from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import Better, Tie, Vote

WHERE, WITH, AS = "203.0.113.77", "Telephone/1.0 (of somebody)", "Countess Ada"


@pytest.fixture
def room(tmp_path):
    return OpenRoom(tmp_path / "votes.db")


def everything(store):
    """All that a database holds, as one text."""
    with store.connect("be read") as connection:
        names = sa.inspect(connection).get_table_names()
        return "\n".join(str(connection.exec_driver_sql(f'SELECT * FROM "{name}"').all()) for name in names)


def trained(room, receipts=None):
    """As the learner leaves a room: it has learned from every vote that counts."""
    learned_from = dict(Counter(vote.voter for vote in room.votes()))
    answers = [{"prompt": "Hat?", "before": "No.", "after": "Yes."}]
    result = {"answers": answers, "weights": [], "receipts": receipts or {}, "learned_from": learned_from}
    room.change(rooms.finish_job, round=room.change(rooms.find).round, result=result)
    room.change(rooms.change, phase="trained")


def results(room):
    with room.store.connect("be read") as connection:
        query = sa.select(tables.jobs.c.result).where(tables.jobs.c.room == room.code)
        return list(connection.scalars(query.order_by(tables.jobs.c.round)))


# What is stored.


def test_neither_addresses_nor_devices_are_stored(room):
    headers = {"user-agent": WITH, "x-forwarded-for": WHERE, "forwarded": f"for={WHERE}", "referer": f"http://{WHERE}/"}
    with served(room) as phone:
        at, client = f"/api/{room.code}", phone()
        client.headers |= headers
        client.post(f"{at}/join", json={"nickname": AS})
        key = client.get(f"{at}/me").json()["questions"][0]["key"]
        vote = {"question": key, "says": {"answer": "Tie"}, "id": "0" * 32, "ms": 4321}
        assert client.post(f"{at}/vote", json=vote).is_success
    stored = everything(room.store)
    assert AS in stored and "4321" in stored  # it was looked at
    assert not re.search(f"{re.escape(WHERE)}|Telephone|testclient", stored)


def test_a_phone_gets_one_cookie_for_a_week(room):
    with served(room, prefix="/vote") as phone:
        client = phone()
        joined = client.post(f"/vote/api/{room.code}/join", json={})
        assert list(client.cookies) == [f"seat-{room.code}"]
        assert f"Max-Age={7 * 24 * 3600};" in joined.headers["set-cookie"]
        page = client.get("/vote/privacy")
        assert "for 7 days" in page.text and f"{rooms.KEEP_DAYS:g} days" in page.text
        assert "{{" not in page.text and "<script" not in page.text
        assert "/vote/privacy" in client.get(f"/vote/j/{room.code}").text


def test_nobody_but_the_teacher_sees_names_and_not_whose_answer_is_whose(room):
    voter = room.sit(AS)
    room.cast(ballot(voter, room.questions[0], Tie()))
    assert AS not in str(room.change(views.screen)) and voter not in str(room.change(views.screen))
    (member,) = room.change(views.teacher)["members"]
    seen = {"voter": voter, "nickname": AS, "name": AS, "simulated": False, "votes": 1, "removed": False}
    assert member == seen | {"note": None, "suspect": None}


# What is deleted, and when.


def test_what_is_forgotten_is_not_left_in_the_file_either(room):
    voter, other = room.sit(AS), room.sit("Owl")
    for question in room.questions:
        room.cast(ballot(voter, question), ballot(voter, question, Tie()), ballot(other, question))
    room.do("train")
    trained(room, {voter: [6, 2, 5], other: [6, 2, 5]})
    assert AS.encode() in room.store.path.read_bytes()
    room.change(rooms.forget, voters=[voter])
    left = room.store.path.read_bytes()
    assert AS.encode() not in left and voter.encode() not in left and other.encode() in left
    room.do("erase")
    left = room.store.path.read_bytes()
    assert b"Owl" not in left and other.encode() not in left and not room.store.events()


def test_rooms_whose_date_has_come_are_deleted_and_nothing_else(tmp_path):
    store = FeedbackStore(tmp_path / "votes.db")
    own = Vote(asked(1)[0], Better(0), (0, 1), "person-" + "0" * 32)
    store.append(own)
    due, stays, undated = (OpenRoom(store.path) for _ in range(3))
    kept = {own.id}
    for room in (due, stays, undated):
        sent = ballot(room.sit(AS), room.questions[0])
        room.cast(sent, ballot(room.sit(), room.questions[1]), ballot(sent.voter, room.questions[0], Tie()))
        kept |= {vote.id for vote in room.votes()} if room is not due else set()
    past = {due: clock.now() - timedelta(seconds=1), stays: clock.now() + timedelta(days=1), undated: None}
    for room, until in past.items():
        with store.connect() as connection:
            row = tables.keeping.update().where(tables.keeping.c.room == room.code)
            connection.execute(row.values(until=until and until.isoformat()))
    assert rooms.purge(store) == 1 and rooms.purge(store) == 0
    assert {vote.id for vote in store.votes()} == kept
    assert due.code not in everything(store)
    assert len(stays.votes()) == len(undated.votes()) == 2


def test_a_room_says_its_date_and_keeps_it(tmp_path, capsys):
    store = FeedbackStore(tmp_path / "votes.db")
    code, _ = rooms.open_room(store, "Hats", hours=2.0)
    with store.connect("be read") as connection:
        until = datetime.fromisoformat(rooms.kept_until(connection, code) or "")
        opened = datetime.fromisoformat(rooms.find(connection, code).opened)
    assert until - opened == timedelta(hours=2, days=rooms.KEEP_DAYS)
    for days in (-1.0, float("nan"), 10_000.0):
        with pytest.raises(ValueError, match="3650"):
            rooms.open_room(store, "Hats", keep_days=days)
    rooms.open_room(store, "Gone at once", hours=1e-9, keep_days=0.0)
    command.Classroom(purge=True, store=str(store.path)).run()
    assert "1 room" in capsys.readouterr().out and code in everything(store)


def test_a_database_of_an_earlier_version_goes_on(tmp_path):
    room = OpenRoom(tmp_path / "votes.db")
    voter = room.sit()
    with room.store.connect() as connection:
        tables.metadata.drop_all(connection, [tables.keeping, tables.paper])
    with served(room) as phone:  # a server of today
        teacher = phone()
        teacher.post(f"/api/{room.code}/teach/login", json={"token": room.token})
        assert room.cast(ballot(voter, room.questions[0])) == [None]
        seen = teacher.get(f"/api/{room.code}/teach").json()
        assert (seen["votes"], seen["kept_until"], seen["hands"]) == (1, None, 0)
    with room.store.connect() as connection:
        rooms.note_asked(connection, [room.code])
        assert rooms.asked_for(connection, room.code) == 1
    assert rooms.purge(room.store) == 0 and len(room.votes()) == 1


# What a model has learned from that is gone.


def test_the_panel_knows_what_the_model_knows_and_is_gone(room):
    voters = [room.sit() for _ in range(3)]
    room.cast(*[ballot(voter, question) for voter in voters for question in room.questions[:2]])
    room.do("train")
    trained(room, {voter: [2, 0, 1] for voter in voters})
    with pytest.raises(Refused):
        room.do("relearn")
    room.change(rooms.forget, voters=voters[:1])
    room.change(rooms.forget, voters=voters[:1])  # sent twice
    assert room.change(views.teacher)["gone"] == 2 and room.change(views.teacher)["relearns"]
    (result,) = results(room)
    assert result["receipts"].keys() == set(voters[1:]) and voters[0] not in str(result)
    room.do("relearn")
    assert room.change(views.teacher)["phase"] == "training" and not room.change(views.teacher)["gone"]
    trained(room)
    assert not room.change(views.teacher)["gone"]


def test_whoever_leaves_while_the_model_learns_is_not_in_what_came_of_it(room):
    stays, leaves = room.sit(), room.sit()
    room.cast(ballot(stays, room.questions[0]), ballot(leaves, room.questions[0]))
    room.do("train")
    result = {"answers": [], "weights": [], "receipts": {leaves: [1, 0, 1]}, "learned_from": {stays: 1, leaves: 1}}
    room.change(rooms.forget, voters=[leaves])
    room.change(rooms.finish_job, round=1, result=result)
    assert leaves not in str(results(room)) and results(room)[0]["gone"] == 1


@pytest.mark.slow
def test_learned_again_it_is_as_if_they_had_never_voted(tmp_path, one_thread):
    """Another learner, which has never seen their votes, makes the same of the rest; in the next round too."""
    room = OpenRoom(tmp_path / "votes.db", questions=asked(8)[:-1])
    stays, leaves = room.sit(), room.sit()
    for i, question in enumerate(room.questions):
        room.cast(ballot(stays, question, Better(i % 2)), ballot(leaves, question, Better(0)))

    def learn(learner, again="train"):
        room.do(again, method="DPO")
        while room.change(views.teacher)["phase"] == "training":
            learner.work()
        assert room.change(views.teacher)["phase"] == "trained"
        return results(room)[-1]

    one = learning.Learner(room.store, room.code)
    with_all = learn(one)
    room.change(rooms.forget, voters=[leaves])
    room.do("reveal")
    without = learn(one, "relearn")
    assert without["learned_from"] == {stays: 7} and with_all["learned_from"] == {stays: 7, leaves: 7}
    assert without["weights"] != with_all["weights"]
    room.change(rooms.change, phase="voting")
    assert learn(learning.Learner(room.store, room.code)) == without

    room.change(rooms.change, phase="voting")
    back = room.sit()
    room.cast(*[ballot(back, question) for question in room.questions])
    learn(one)
    room.do("next")
    room.change(rooms.forget, voters=[back])
    assert room.change(views.teacher)["gone"] == 7
    again = learn(one)  # the second round: nobody has voted in it, and it begins anew
    assert again["gone"] == 0 and again["weights"] == without["weights"]


def test_only_a_round_that_was_trained_is_learned_again(room):
    """A values round is revealed without a training; what the model knows from before waits for the next one."""
    leaves, stays = room.sit(), room.sit()
    room.cast(ballot(leaves, room.questions[0]), ballot(stays, room.questions[0]))
    room.do("train")
    trained(room)
    room.do("next", kind="values")
    room.change(rooms.change, phase="reveal")
    room.change(rooms.forget, voters=[leaves])
    seen = room.change(views.teacher)
    assert seen["gone"] == 1 and not seen["relearns"]
    with pytest.raises(Refused):
        room.do("relearn")


def test_hands_on_paper_are_in_no_school_and_count_in_no_round_of_secrets(room):
    room.change(paper.count_hands, question=room.questions[0].key, counts=[4, 3, 0, 0])
    voter = room.sit()
    room.cast(ballot(voter, room.questions[0]))
    room.do("train")
    trained(room)
    room.change(rooms.write_down, round=2, written=asked(2, round=2))
    room.do("next", kind="schools")
    with room.store.connect("be read") as connection:
        assert schools.pupils_of(connection, room.code, 2).keys() == {voter}
    with pytest.raises(Refused, match="phone"):
        room.change(paper.count_hands, question=asked(1, round=2)[0].key, counts=[1, 0, 0, 0])
    room.change(rooms.forget, voters=[voter])
    assert voter not in everything(room.store)


# What an export holds.


def test_an_export_has_ids_only_when_asked(room, tmp_path):
    voter = room.sit(AS)
    room.cast(ballot(voter, room.questions[0]))
    with served(room) as phone:
        at, teacher, pupil = f"/api/{room.code}/teach/export", phone(), phone()
        assert pupil.get(f"{at}?voters=ids").status_code == 403
        teacher.post(f"/api/{room.code}/teach/login", json={"token": room.token})
        for query in ("", "?voters=", "?voters=names", "?ids=yes"):
            assert voter not in teacher.get(at + query).text
        text = teacher.get(f"{at}?voters=ids").text
    assert voter in text and AS not in text
    (tmp_path / "votes.jsonl").write_text(text, encoding="utf-8")
    assert read_votes(tmp_path / "votes.jsonl") == room.votes()
