"""A server that a teacher opens in front of a class: who reaches it, stuffs it, holds it up, and what it is made of."""

import ast
import asyncio
import json
import re
import socket
from functools import partial
from urllib.parse import unquote
from uuid import uuid4

import psutil
import pytest
import segno
import sqlalchemy as sa
from room import ADDRESS, OpenRoom, asked, ballot, served, serving
from sqlalchemy.exc import IntegrityError

from minirlhf.classroom import app, cards, rooms, session, tables, tokens, views
from minirlhf.classroom.desk import Desk
from minirlhf.classroom.place import Place
from minirlhf.classroom.rooms import Ballot, Refused
from minirlhf.course.imports import package_modules, syntax_tree
from minirlhf.feedback.agreement import agreement
from minirlhf.feedback.store import StoreError
from minirlhf.feedback.votes import Better, BothBad, Tie, sides

MANY = views.MANY


@pytest.fixture
def room(tmp_path):
    return OpenRoom(tmp_path / "votes.db")


# Who reaches it.


def test_it_listens_where_it_was_told_and_nowhere_else(room):
    with serving(room.store.where) as (process, address):
        listening = [each for each in psutil.Process(process.pid).net_connections("inet") if each.status == "LISTEN"]
        assert [each.laddr for each in listening] == [("127.0.0.1", int(address.rsplit(":")[-1]))]


def test_the_local_network_is_asked_for_and_named():
    alone = session.Session(Place("votes.db"), "CODE", "token", 0, 0)
    network = session.Session(Place("votes.db", "0.0.0.0", 8765, "http://192.168.0.7:8765"), "CODE", "token", 0, 0)
    assert alone.place.host == "127.0.0.1" and "192.168.0.7" not in alone.place.hosts
    assert alone.join_link.startswith(ADDRESS) and network.join_link.startswith("http://192.168.0.7:8765/")
    assert "not encrypted" in str(network) and "--lan" in str(alone)
    assert set(network.place.hosts) == {"127.0.0.1", "localhost", "[::1]", "0.0.0.0", "192.168.0.7"}


def test_a_code_can_be_typed_and_not_guessed_and_a_token_is_kept_nowhere(room):
    codes = {tokens.new_code() for _ in range(200)}
    assert len(codes) == 200 and all(re.fullmatch(r"[A-HJKMNP-TV-Z]{8}", code) for code in codes)
    assert len({tokens.new_token() for _ in range(200)}) == 200 and len(tokens.new_token()) * 6 >= 128
    assert room.token.encode() not in room.store.path.read_bytes()
    with served(room) as phone:
        drawn = phone().get(f"/qr/{room.code}.svg").content
    meant = segno.make(f"{ADDRESS}/j/{room.code}", micro=False).svg_data_uri(scale=8, border=4, light="#fff")
    shapes = re.findall(rb' d="([^"]+)"', drawn)  # the code says this link, and so no token
    assert shapes and all(shape.decode() in unquote(meant) for shape in shapes)


def test_a_code_is_worth_nothing_when_the_room_is_over(tmp_path):
    ended, late = OpenRoom(tmp_path / "votes.db"), OpenRoom(tmp_path / "votes.db", hours=1e-6)
    ended.do("end")
    for room in (ended, late):
        with pytest.raises(Refused, match="ended"):
            room.sit()
        with pytest.raises(Refused):
            room.do("open")


# Vote stuffing.


def test_the_database_itself_lets_nobody_vote_twice(room):
    voter, question = room.sit(), room.questions[0]
    room.cast(ballot(voter, question))
    row = {"room": room.code, "voter": voter, "question": question.key, "vote": "another", "says": {"answer": "Tie"}}
    with pytest.raises(StoreError) as refused, room.store.connect() as connection:
        connection.execute(tables.standing.insert(), row)
    assert isinstance(refused.value.__cause__, IntegrityError)
    assert len(room.votes()) == 1


def test_a_voter_weighs_as_much_as_there_are_questions_however_often_they_vote(room):
    voter = room.sit()
    for n in range(30):
        room.cast(*[ballot(voter, question, Better(n % 2)) for question in room.questions])
    assert len(room.votes()) == len(room.questions)
    assert sum(map(sum, (pair["counts"] for pair in room.change(views.teacher)["questions"]))) == len(room.questions)


def say(room, voter, answers, ms=None):
    """Answer the first questions of a room, in places of the voter's screen."""
    cast = [Ballot(voter, q.key, says, uuid4().hex, ms) for q, says in zip(room.questions, answers, strict=False)]
    assert room.cast(*cast) == [None] * len(cast)


def test_a_teacher_is_told_of_whoever_does_not_read(tmp_path):
    """One side of the screen, whichever reply stood there; no reply at all; quicker than anybody reads."""
    room = OpenRoom(tmp_path / "votes.db", questions=asked(2 * MANY))
    people = {name: room.sit(name) for name in ("left", "neither", "hasty", "reads", "few", "same reply", "once slow")}
    turns = [Better(n % 2) for n in range(2 * MANY)]
    say(room, people["left"], [Better(0)] * MANY, 4000)
    say(room, people["neither"], [Tie(), BothBad()] * MANY, 4000)
    say(room, people["hasty"], turns, 300)
    say(room, people["reads"], turns, 4000)
    say(room, people["few"], [Better(0)] * (MANY - 1), 200)
    first = [Better(sides(people["same reply"], question).index(0)) for question in room.questions]
    say(room, people["same reply"], first, 4000)  # an order that the screen does not show is no habit
    say(room, people["once slow"], turns[:MANY], 60_000)
    say(room, people["once slow"], turns[: MANY // 2], 100)  # half of them: a fast hand, perhaps
    found = {member["nickname"]: member["suspect"] for member in room.change(views.teacher)["members"]}
    assert {name for name, why in found.items() if why} == {"left", "neither", "hasty"}
    assert len({found[name] for name in ("left", "neither", "hasty")}) == 3 and "A" in found["left"]


def test_a_seat_card_lets_one_in_once_and_nobody_joins_without(room):
    early = room.sit()

    def join(card="", voter=None, origin="human"):
        return room.change(cards.join, nickname="", voter=voter, origin=origin, card=card)["voter"]

    def why(card=""):
        with pytest.raises(Refused) as refused:
            join(card)
        return refused.value.helps

    first, second, _ = room.change(cards.make, n=3)
    seated = room.change(views.screen)["joined"]
    assert [why(card) for card in ("", "no such card", first[:-1])] == ["card"] * 3
    assert room.change(views.screen)["joined"] == seated  # a seat that was refused is nobody's
    voter = join(f"{first[:4].lower()}-{first[4:]}")
    assert why(first) == "card" and join(voter=voter) == voter and join(voter=early) == early
    assert join(origin="simulated")
    assert room.change(views.teacher)["cards"] == (1, 3)
    assert first.encode() not in room.store.path.read_bytes()
    room.change(rooms.forget, voters=[voter])  # whose votes are gone may come again
    voter = join(first)
    room.do("remove", voter=voter)
    assert why(first) == "card"
    assert len(room.change(cards.make, n=1)) == 1 and why(second) == "card"
    room.change(cards.make, n=0)
    assert join() and room.change(views.teacher)["cards"] == (0, 0)
    with pytest.raises(Refused, match="100 seats"):
        room.change(cards.make, n=101)


def test_cards_are_made_by_the_teacher_and_guessed_by_nobody(room):
    with served(room) as phone:
        at, teacher, pupil = f"/api/{room.code}", phone(), phone()
        teacher.post(f"{at}/teach/login", json={"token": room.token})
        assert pupil.post(f"{at}/teach/cards", json={"n": 1}).status_code == 403
        for wrong in ({}, {"n": "3"}, {"n": True}, {"n": -1}):
            assert teacher.post(f"{at}/teach/cards", json=wrong).status_code == 400
        (card,) = teacher.post(f"{at}/teach/cards", json={"n": 1}).json()["cards"]
        assert pupil.post(f"{at}/join", json={}).json()["card"] is True
        assert pupil.post(f"{at}/join", json={"card": card}).status_code == 200
        tries = (phone().post(f"{at}/join", json={"card": tokens.new_code()}).status_code for _ in range(1000))
        assert next(tries) == 403 and 429 in tries


def test_the_screen_measures_agreement_as_a_notebook_does(room):
    voters = [room.sit() for _ in range(5)]
    room.cast(
        *[
            ballot(voter, question, [Better(0), Better(1), Tie(), BothBad()][(i * i + n) % 4])
            for i, voter in enumerate(voters)
            for n, question in enumerate(room.questions[: 3 + i % 3])
        ]
    )
    alpha = room.change(views.screen)["alpha"]
    assert alpha == pytest.approx(agreement(room.votes()).alpha, abs=5e-4) and alpha != 0


def test_votes_and_changes_are_written_down_in_the_order_in_which_they_came(room):
    """In one instant: a vote, the close, and a vote that came too late."""
    voter, late = room.sit(), room.sit()

    async def rush():
        desk = Desk(room.store)
        return await asyncio.gather(
            desk.cast(room.code, ballot(voter, room.questions[0])),
            desk.change(partial(rooms.step, code=room.code, do="close", wish={})),
            desk.cast(room.code, ballot(late, room.questions[0])),
            return_exceptions=True,
        )

    before, closed, after = asyncio.run(rush())
    assert before is None and closed is None and isinstance(after, Refused)
    assert [vote.voter for vote in room.votes()] == [voter]


# Holding it up.


def test_screens_have_a_most_and_the_teacher_is_not_among_them(room, monkeypatch):
    monkeypatch.setattr(app, "MOST_STREAMS", 0)
    with served(room) as phone:
        client = phone()
        assert client.get(f"/api/{room.code}/screen/events").status_code == 503
        assert client.get(f"/api/{room.code}/screen").status_code == 200  # which is what the page asks then


def test_a_body_that_never_comes_is_not_waited_for(room):
    first = "from minirlhf.classroom import guard; guard.SLOWEST = 0.5"
    with serving(room.store.where, first=first) as (_, address):
        port = int(address.rsplit(":")[-1])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as slow:
            lines = ["POST /api/X/join HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Type: application/json"]
            slow.sendall("\r\n".join([*lines, "Content-Length: 40", "", '{"nickname": ']).encode())
            assert slow.recv(100).startswith(b"HTTP/1.1 408 ")


def test_a_server_ends_when_its_rooms_are_over_or_nobody_asks(tmp_path):
    hurry = "from minirlhf.classroom import server; server.LOOK, server.LINGER, server.IDLE = 0.1, 0.3, {}"
    ended, left = OpenRoom(tmp_path / "ended.db"), OpenRoom(tmp_path / "left.db")
    ended.do("end")
    for room, idle in ((ended, 3600), (left, 1)):
        with serving(room.store.where, first=hurry.format(idle)) as (process, _):
            assert process.wait(timeout=30) == 0


# What it is made of.


def classroom_nodes():
    for name, path in package_modules().items():
        if name.startswith("minirlhf.classroom"):
            for node in ast.walk(syntax_tree(path)):
                yield f"{name}, line {getattr(node, 'lineno', '?')}", node


def test_no_statement_is_put_together_from_texts():
    """SQL is written by SQLAlchemy, with placeholders; what is written by hand is one constant."""
    raw = ("text", "exec_driver_sql", "literal_column", "TextClause")
    calls = [
        (where, node)
        for where, node in classroom_nodes()
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in raw
    ]
    assert calls and not [where for where, node in calls if not isinstance(node.args[0], ast.Constant)]


def test_no_table_is_written_that_a_spreadsheet_would_run():
    """Exports are JSON lines; a file of cells would need those that begin with = + - @ defused."""
    named = {
        getattr(node, "attr", getattr(node, "id", "")) for _, node in classroom_nodes() if isinstance(node, ast.expr)
    }
    assert named and not named & {"csv", "writer", "DictWriter", "to_csv", "to_excel"}


def test_hostile_words_in_an_address_are_words(room):
    hostile = ["' OR 1=1 --", '"; DROP TABLE class_rooms; --', "%00", "\u202e", "A" * 3000, "..%2f..%2f"]
    with served(room) as phone:
        client = phone()
        client.post(f"/api/{room.code}/join", json={})
        for words in hostile:
            assert client.get(f"/api/{words}/screen").status_code in (404, 429)
            vote = {"question": words, "says": {"answer": "Tie"}, "id": uuid4().hex}
            assert client.post(f"/api/{room.code}/vote", json=vote).status_code == 409
        assert client.get(f"/api/{room.code}/screen").json()["joined"] == 1
    assert json.dumps(room.change(views.screen)) and sa.inspect(room.store._engine).has_table("class_rooms")
