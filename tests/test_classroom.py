"""The classroom's rooms and routes: no vote lost, none twice, nobody where they should not be."""

import json
import re
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import count
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from room import ADDRESS, HOSTILE, OpenRoom, asked, ballot, served, take_back, two_models
from sqlalchemy.event import listen, remove

from minirlhf.classroom import app, guard, kinds, paper, rooms, schools, tables, tokens, values, views
from minirlhf.classroom.place import ON_A_HUB, Place, hubs_place
from minirlhf.classroom.rooms import Refused
from minirlhf.feedback.meaning import ENOUGH_TO_LEARN
from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import Better, BothBad, Skip, Stars, Tie, sides
from minirlhf.paths import data_folder
from minirlhf.recipes.pipeline import CONTEXT
from minirlhf.tokenizer import Tokenizer
from minirlhf.worlds import helpdesk


@pytest.fixture
def room(tmp_path):
    return OpenRoom(tmp_path / "votes.db")


def stands(room):
    """What counts of everybody's votes, as (voter, question) and the answer."""
    return {(vote.voter, vote.question.key): vote.answer for vote in room.votes()}


# What becomes of a vote.


def test_a_vote_means_the_reply_that_stood_there(room):
    for voter in [room.sit() for _ in range(6)]:
        question = room.questions[0]
        room.cast(ballot(voter, question, Better(1)))
        assert stands(room)[voter, question.key] == Better(sides(voter, question)[1])


def test_an_answer_that_is_sent_twice_is_one(room):
    voter = room.sit()
    sent = ballot(voter, room.questions[0])
    assert room.cast(sent, sent) == [None, None] and room.cast(sent) == [None]
    assert len(room.votes()) == 1 == len(room.store.events())


def test_another_answer_takes_the_place_of_the_first_and_both_stay_on_record(room):
    voter, question = room.sit(), room.questions[0]
    room.cast(ballot(voter, question, Better(0)), ballot(voter, question, Tie()))
    room.cast(ballot(voter, question, BothBad()))
    assert stands(room) == {(voter, question.key): BothBad()}
    assert [vote.answer for vote in room.store.votes()] == [BothBad()]  # the store alone says the same
    assert len(room.store.events()) == 5  # three votes, two taken back


def test_an_old_answer_that_comes_late_changes_nothing(room):
    voter, question = room.sit(), room.questions[0]
    first = ballot(voter, question, Better(0))
    room.cast(first, ballot(voter, question, Tie()))
    assert room.cast(first) == [None]
    assert stands(room) == {(voter, question.key): Tie()}


SAID = st.sampled_from([Better(0), Better(1), Tie(), BothBad(), Skip(), None])


@given(said=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), SAID, st.booleans()), max_size=24), data=st.data())
def test_what_stands_is_what_was_said_last_however_it_came(said, data, tmp_path_factory):
    """In one transaction or many, with answers sent again at any time."""
    room = OpenRoom(tmp_path_factory.mktemp("room") / "votes.db", questions=asked(3))
    voters = [room.sit() for _ in range(3)]
    expected, sent = {}, []
    for who, which, says, again in said:
        voter, question = voters[who], room.questions[which]
        new = take_back(voter, question) if says is None else ballot(voter, question, says)
        sent += [new, new] if again else [new]
        expected[voter, question.key] = says
    while sent:
        n = data.draw(st.integers(1, len(sent)))
        assert room.cast(*sent[:n]) == [None] * n
        sent = sent[n:]
    meant = {
        (voter, key): Better(sides(voter, next(q for q in room.questions if q.key == key))[says.winner])
        if isinstance(says, Better)
        else says
        for (voter, key), says in expected.items()
        if says is not None
    }
    assert stands(room) == meant
    assert {(v.voter, v.question.key): v.answer for v in room.store.votes()} == meant
    room.store.close()


def test_nothing_is_counted_that_is_not_asked(room):
    voter, question = room.sit(), room.questions[0]

    def why(*ballots):
        return [refused.status for refused in room.cast(*ballots)]

    other = asked(1, round=2)[0]
    assert why(ballot(voter, other), ballot("person-nobody", question)) == [409, 403]
    assert why(ballot(voter, question, Stars(3)), ballot(voter, question, Better(2))) == [400, 400]
    mine = ballot(room.sit(), question)
    room.cast(mine)
    assert why(ballot(voter, question, id=mine.id)) == [400]  # somebody else's mark
    room.do("hide", question=question.key)
    assert why(ballot(voter, question)) == [409]
    room.do("pause")
    assert why(ballot(voter, room.questions[1])) == [503]  # a phone keeps it, and sends it later
    room.do("resume")
    room.do("remove", voter=voter)
    assert why(ballot(voter, room.questions[1])) == [403]
    room.do("close")
    assert why(ballot(mine.voter, room.questions[1])) == [409]
    assert not room.votes()  # the one vote there was is about the pair that was hidden


def test_somebody_removed_counts_no_more_and_cannot_come_back(room):
    voter, stays = room.sit(), room.sit()
    room.cast(ballot(voter, room.questions[0]), ballot(stays, room.questions[0]))
    room.do("remove", voter=voter)
    assert [vote.voter for vote in room.votes()] == [stays]
    with pytest.raises(Refused) as refused:
        room.change(rooms.join, nickname="again", voter=voter)
    assert refused.value.status == 403


def test_whoever_forgets_leaves_nothing(room):
    voter, other = room.sit("Ada"), room.sit()
    room.cast(
        ballot(voter, room.questions[0]), ballot(voter, room.questions[0], Tie()), ballot(other, room.questions[0])
    )
    room.change(rooms.forget, voters=[voter])
    assert {event.voter for event in room.store.events()} == {other}
    with room.store.connect("be read") as connection:
        assert [member["voter"] for member in rooms.members_of(connection, room.code)] == [other]
    room.do("erase")
    assert not room.store.events() and not room.votes()


def test_two_rooms_of_one_store_do_not_meet(tmp_path):
    one, other = OpenRoom(tmp_path / "votes.db"), OpenRoom(tmp_path / "votes.db")
    voter = one.sit()
    one.cast(ballot(voter, one.questions[0]))
    assert other.cast(ballot(voter, other.questions[0]))[0].status == 403
    assert len(one.votes()) == 1 and not other.votes()
    other.do("erase")
    assert len(one.votes()) == 1


def test_the_room_goes_its_way_and_no_other(room):
    for early in ("open", "reveal", "next"):
        with pytest.raises(Refused):
            room.do(early)
    with pytest.raises(Refused, match="Nobody has voted"):
        room.do("train")
    room.cast(ballot(room.sit(), room.questions[0]))
    with pytest.raises(Refused):
        room.do("train", method="SGD")
    room.do("train", method="DPO")
    with pytest.raises(Refused):
        room.do("open")
    for wrong in ("hide", "remove"):
        with pytest.raises(Refused) as refused:
            room.do(wrong, question="none", voter="nobody")
        assert refused.value.status == 404
    with pytest.raises(Refused):
        room.do("dance")


def test_a_training_that_failed_is_said_to_the_teacher_until_there_is_another(room):
    room.cast(ballot(room.sit(), room.questions[0]))
    room.do("train")
    room.change(rooms.update_job, round=1, status="failed", words="It did not work: no room on the disk.")
    room.change(rooms.change, phase="closed")
    assert room.change(views.teacher)["training"]["words"] == "It did not work: no room on the disk."
    room.do("train")
    assert room.change(views.teacher)["training"]["status"] == "asked"


def test_a_room_is_full_or_locked_for_newcomers_alone(tmp_path):
    room = OpenRoom(tmp_path / "votes.db", seats=2)
    first, _ = room.sit("Ada"), room.sit()
    with pytest.raises(Refused, match="seats"):
        room.sit()
    room.do("lock")
    assert room.change(rooms.join, nickname="Ada L.", voter=first) == {"voter": first, "nickname": "Ada L."}


def test_the_projector_counts_what_stands_and_shows_what_divides(room):
    voters = [room.sit() for _ in range(4)]
    torn, agreed, seldom = room.questions[:3]
    for i, voter in enumerate(voters):
        first = sides(voter, torn).index(i % 2)
        room.cast(ballot(voter, torn, Better(first)), ballot(voter, agreed, Better(sides(voter, agreed).index(0))))
    room.cast(ballot(voters[0], seldom))
    seen = room.change(views.screen)
    assert (seen["joined"], seen["voted"], seen["votes"]) == (4, 4, 9)
    assert [(pair["key"], pair["counts"]) for pair in seen["pairs"]] == [
        (torn.key, [2, 2, 0, 0]),
        (agreed.key, [4, 0, 0, 0]),
    ]
    assert -1 <= seen["alpha"] < 1


# Who is here.


def members(room):
    """The teacher's list, as the panel shows it."""
    return [member for member in room.change(views.teacher)["members"] if not member["removed"]]


def test_whoever_sits_there_keeps_their_place_and_their_name_whoever_comes_and_goes(room):
    voters = [room.sit(name) for name in ("Kim", "", "kim", "", "Kim (2)", "Voter 4", "Kim")]
    names = ["Kim", "Voter 2", "kim (2)", "Voter 4", "Kim (2) (2)", "Voter 4 (2)", "Kim (3)"]
    assert [(each["voter"], each["name"]) for each in members(room)] == list(zip(voters, names, strict=True))
    room.change(paper.count_hands, question=room.questions[0].key, counts=[3, 0, 0, 0])  # nobody in the list
    voters += [room.sit()]
    names += ["Voter 8"]
    room.do("remove", voter=voters.pop(0))
    names.pop(0)
    assert [(each["voter"], each["name"]) for each in members(room)] == list(zip(voters, names, strict=True))
    room.change(rooms.forget, voters=[voters.pop(0)])
    names.pop(0)
    assert [(each["voter"], each["name"]) for each in members(room)] == list(zip(voters, names, strict=True))


def test_whoever_is_silent_or_never_chooses_is_seen_long_before_it_is_odd(tmp_path):
    room = OpenRoom(tmp_path / "votes.db", questions=asked(views.MANY), opens=False)
    silent, unsure, chooses = (room.sit() for _ in range(3))

    def marks(voter):
        return next((each["note"], each["suspect"]) for each in members(room) if each["voter"] == voter)

    assert marks(silent) == (None, None)
    room.do("open")
    assert marks(silent) == (None, None), "nobody has answered, so nobody is late"
    room.cast(*[ballot(chooses, question) for question in room.questions[:6]])
    assert "no answer" in marks(silent)[0]
    room.cast(*[ballot(unsure, question, Tie()) for question in room.questions[:6]])
    assert "no choice" in marks(unsure)[0] and marks(chooses) == (None, None)
    room.do("close")
    assert "no answer" in marks(silent)[0]
    room.do("open")
    room.cast(*[ballot(unsure, question, BothBad()) for question in room.questions[6:]])
    note, suspect = marks(unsure)
    assert note is None and "never chose" in suspect
    room.cast(ballot(silent, room.questions[0]))
    assert marks(silent) == (None, None)


# Before a training.


def test_few_choices_are_said_before_a_training_is_asked_for(tmp_path):
    room = OpenRoom(tmp_path / "votes.db", questions=asked(ENOUGH_TO_LEARN + 1))
    voter = room.sit()
    *most, last, tied = room.questions
    room.cast(*[ballot(voter, question) for question in most], ballot(voter, tied, Tie()))
    assert not room.change(views.teacher)["few"], "it may still be many"
    room.do("close")
    few = room.change(views.teacher)["few"]
    assert f"{ENOUGH_TO_LEARN - 1} choices" in few and f" {ENOUGH_TO_LEARN} " in few
    room.do("open")
    room.cast(ballot(voter, last))
    room.do("close")
    assert not room.change(views.teacher)["few"]
    room.do("hide", question=last.key)
    assert room.change(views.teacher)["few"], "what is hidden is not learned from"


def test_few_choices_of_either_school_are_said_before_two_models_learn(tmp_path):
    room, voters = schooled(tmp_path / "votes.db", before=2, questions=asked(ENOUGH_TO_LEARN))
    one, other = voters
    room.cast(*[ballot(one, question) for question in room.questions], ballot(other, room.questions[0]))
    room.do("close")
    few = room.change(views.teacher)["few"]
    assert re.search(r"\b(20 choices and the other 1|1 choice and the other 20);", few)
    assert not any(rule in few for rule in schools.BY_WORDS)
    room.do("open")
    room.cast(*[ballot(other, question) for question in room.questions])
    room.do("close")
    assert not room.change(views.teacher)["few"]


# Paper.


HANDS = st.lists(st.integers(0, 3), min_size=4, max_size=4)


def on_paper(room, question):
    """How many votes stand on a question, in the order in which a sheet names the answers."""
    cast = [vote.answer for vote in room.votes() if vote.question.key == question.key]
    return [cast.count(answer) for answer in (Better(0), Better(1), Tie(), BothBad())]


@given(typed=st.lists(st.tuples(st.integers(0, 2), HANDS), max_size=6))
def test_hands_on_paper_are_votes_and_typed_again_they_are_corrected(typed, tmp_path_factory):
    room = OpenRoom(tmp_path_factory.mktemp("paper") / "votes.db", questions=asked(3))
    counts = {question.key: [0, 0, 0, 0] for question in room.questions}
    for which, hands in typed:
        counts[room.questions[which].key] = hands
        room.change(paper.count_hands, question=room.questions[which].key, counts=hands)
    assert [on_paper(room, question) for question in room.questions] == list(counts.values())
    assert all(vote.origin == "human" and vote.shown == (0, 1) for vote in room.votes())
    assert len({(vote.voter, vote.question.key) for vote in room.votes()}) == len(room.votes())
    assert {vote.id for vote in room.store.votes()} == {
        vote.id for vote in room.votes()
    }  # the store alone says the same
    assert room.change(views.screen)["joined"] == max(map(sum, counts.values()))  # who was typed in error has left
    room.store.close()


def test_a_correction_leaves_alone_what_was_right(room):
    question = room.questions[0].key
    room.change(paper.count_hands, question=question, counts=[5, 3, 1, 0])
    before = {vote.id for vote in room.votes()}
    room.change(paper.count_hands, question=question, counts=[5, 4, 0, 0])
    assert len(before & {vote.id for vote in room.votes()}) == 8


def test_paper_is_counted_while_it_can_be_and_up_to_the_seats(tmp_path):
    room = OpenRoom(tmp_path / "votes.db", seats=10)
    first, second = room.questions[:2]
    room.sit()

    def count(question, *counts):
        room.change(paper.count_hands, question=question.key, counts=counts)

    with pytest.raises(Refused, match="9 hands"):
        count(first, 5, 5, 0, 0)
    assert not room.votes() and room.change(views.screen)["joined"] == 1
    count(first, 5, 4, 0, 0)
    for wrong in ([1, 2, 3], [1, 2, 3, -1], [1, 2, 3, 0.5], [True, 0, 0, 0], ["1", 0, 0, 0]):
        with pytest.raises(Refused) as refused:
            count(second, *wrong)
        assert refused.value.status == 400
    room.do("lock")
    room.do("close")
    count(first, 4, 5, 0, 0)  # sheets are counted when they have been collected
    with pytest.raises(Refused):
        count(asked(1, round=2)[0], 1, 0, 0, 0)
    room.do("train")
    with pytest.raises(Refused):
        count(first, 9, 0, 0, 0)
    assert on_paper(room, first) == [4, 5, 0, 0]


def test_hands_that_are_counted_after_the_close_are_learned_from_and_the_panel_says_until_when(tmp_path):
    room = OpenRoom(tmp_path / "votes.db", opens=False)
    key = room.questions[0].key

    def why_not():
        """What the panel says, which is what a count is refused with."""
        told = room.change(views.teacher)["no_hands"]
        try:
            room.change(paper.count_hands, question=key, counts=[4, 3, 0, 0])
        except Refused as refused:
            assert told and str(refused) == told
        else:
            assert not told
        return told

    assert "open" in why_not()
    for do in ("open", "pause", "resume", "close"):
        room.do(do)
        assert not why_not(), do
    room.do("train")
    assert len(room.votes()) == 7 and "next" in why_not()
    room.change(rooms.update_job, round=1, status="failed")
    room.change(rooms.change, phase="closed")
    assert not why_not(), "it has not been learned from"
    room.change(rooms.change, phase="trained")
    assert "next" in why_not()
    room.change(rooms.write_down, round=2, written=asked(round=2))
    room.do("next", kind="schools")
    assert "rule" in why_not()
    room.do("end")
    assert "over" in why_not()


def test_a_room_is_led_by_paper_alone(room):
    """As the panel does; a pupil's phone cannot."""
    with served(room) as phone:
        at, teacher, pupil = f"/api/{room.code}/teach", phone(), phone()
        teacher.post(f"{at}/login", json={"token": room.token})
        pupil.post(f"/api/{room.code}/join", json={})
        typed = {"question": room.questions[0].key, "counts": [12, 9, 2, 1]}
        assert pupil.post(f"{at}/tally", json=typed).status_code == 403
        assert teacher.post(f"{at}/tally", json=typed).json() == {"ok": True}
        assert teacher.post(f"{at}/tally", json={"question": "?", "counts": [1, 0, 0, 0]}).status_code == 409
        assert teacher.post(f"{at}/tally", json={"counts": {"a": 1}}).status_code == 400
        seen = teacher.get(at).json()
        assert (seen["hands"], seen["questions"][0]["paper"]) == (24, [12, 9, 2, 1])
        assert [member["votes"] for member in seen["members"]] == [0]  # hands are nobody whom one could remove
        assert seen["pairs"][0]["counts"] == [12, 9, 2, 1] and seen["voted"] == 24
        for step in ("close", "train"):
            assert teacher.post(f"{at}/do", json={"do": step}).json() == {"ok": True}
    room.do("erase")
    assert not room.store.events()


def test_every_phone_is_asked_everything_in_an_order_of_its_own(room):
    orders = set()
    for voter in [room.sit() for _ in range(5)]:
        seen = room.change(views.phone, voter=voter)
        keys = [each["key"] for each in seen["questions"]]
        assert sorted(keys) == sorted(question.key for question in room.questions)
        orders.add(tuple(keys))
    assert len(orders) > 1


# What passes on the network.


def test_a_phone_joins_votes_and_finds_its_place_again(room):
    with served(room) as phone:
        at, client = f"/api/{room.code}", phone()
        assert client.get(f"{at}/me").status_code == 403 and client.get(f"{at}/me").json()["join"]
        joined = client.post(f"{at}/join", json={"nickname": " Ada\u0000  Lovelace of the Analytical Engine"})
        assert joined.json()["nickname"] == "Ada Lovelace of the Analytical"[:24]
        seen = client.get(f"{at}/me").json()
        assert seen["nickname"] == joined.json()["nickname"]
        question = seen["questions"][0]
        vote = {"question": question["key"], "says": {"answer": "Better", "winner": 1}, "id": uuid4().hex, "ms": 800}
        assert [client.post(f"{at}/vote", json=vote).status_code for _ in range(2)] == [200, 200]
        assert client.get(f"{at}/me").json()["answers"][question["key"]]["says"] == vote["says"]
        assert client.get(f"{at}/me?seen={seen['version']}").json() == {"version": seen["version"], "same": True}
        again = client.post(f"{at}/join", json={"nickname": ""}).json()
        assert again["voter"] == joined.json()["voter"]
        client.post(f"{at}/undo", json={"question": question["key"], "id": uuid4().hex})
        assert not room.votes()
        assert client.post(f"{at}/forget", json={}).status_code == 200
        assert client.get(f"{at}/me").status_code == 403


def test_whoever_waits_for_news_is_told_when_there_is_some(room):
    """And costs nothing until then: five hundred phones that ask every few seconds take a part of a core."""
    with served(room) as phone:
        at, client, other = f"/api/{room.code}", phone(), phone()
        client.post(f"{at}/join", json={"nickname": ""})
        seen = client.get(f"{at}/me").json()
        with ThreadPoolExecutor() as threads:
            told = threads.submit(client.get, f"{at}/me?seen={seen['version']}&hold")
            assert other.post(f"{at}/join", json={"nickname": ""}).is_success, "nobody else waits for that"
            assert not wait([told], timeout=1.0).done
            room.do("close")
            found = told.result(timeout=5).json()
        assert found["phase"] == "closed" and found["version"] != seen["version"]


def test_whoever_waits_in_vain_is_told_so(room, monkeypatch):
    monkeypatch.setattr(app, "HOLD", 0.6)
    with served(room) as phone:
        at, client = f"/api/{room.code}", phone()
        client.post(f"{at}/join", json={"nickname": ""})
        seen = client.get(f"{at}/me").json()["version"]
        for _ in range(2):
            assert client.get(f"{at}/me?seen={seen}&hold").json() == {"version": seen, "same": True}
        assert client.get(f"{at}/me?seen=0&hold").json()["version"] == seen, "what is old news is told at once"


def test_a_seat_has_a_few_questions_held_and_the_rest_answered(room, monkeypatch):
    """Or one phone, with a few lines of code, would take the connections of a whole hall."""
    monkeypatch.setattr(app, "HOLD", 2.0)
    with served(room) as phone:
        at, client, other = f"/api/{room.code}", phone(), phone()
        for each in (client, other):
            each.post(f"{at}/join", json={"nickname": ""})
        seen = client.get(f"{at}/me").json()["version"]
        look = f"{at}/me?seen={seen}&hold"
        with ThreadPoolExecutor(3 * app.MOST_HELD) as threads:
            asked = [threads.submit(client.get, look) for _ in range(2 * app.MOST_HELD)]
            answered, held = wait(asked, timeout=1.2)
            assert len(answered) == len(held) == app.MOST_HELD
            assert not wait([threads.submit(other.get, look)], timeout=0.3).done, "one seat costs no other its place"
            wait(held)
        assert all(each.result().json() == {"version": seen, "same": True} for each in asked)
        with ThreadPoolExecutor(1) as threads:
            assert not wait([threads.submit(client.get, look)], timeout=0.3).done, "what is answered is held no more"


def test_a_code_is_read_as_it_was_meant(room):
    with served(room) as phone:
        typed = f" {room.code[:4].lower()}-{room.code[4:]}"
        assert phone().get(f"/api/{typed}/screen").json()["code"] == room.code


def test_only_the_teachers_link_teaches(room):
    with served(room) as phone:
        at, pupil, teacher = f"/api/{room.code}/teach", phone(), phone()
        pupil.post(f"/api/{room.code}/join", json={})
        assert pupil.post(f"{at}/login", json={"token": room.code}).status_code == 403
        forged = [f"teacher {room.code}.{'0' * 64}", f"teacher {room.code}", pupil.cookies[f"seat-{room.code}"], ""]
        for cookie in forged:
            pupil.cookies.set(f"teach-{room.code}", cookie)
            for get in (at, f"{at}/export", f"{at}/events"):
                assert pupil.get(get).status_code == 403
            assert pupil.post(f"{at}/do", json={"do": "close"}).status_code == 403
            assert pupil.post(f"/api/{room.code}/join", json={"simulated": True}).status_code == 403
        assert teacher.post(f"{at}/login", json={"token": room.token}).status_code == 200
        assert teacher.post(f"{at}/do", json={"do": "close"}).json() == {"ok": True}
        assert teacher.get(at).json()["phase"] == "closed"


def test_a_seat_is_nobody_elses(room):
    with served(room) as phone:
        at, one, other = f"/api/{room.code}", phone(), phone()
        voter = one.post(f"{at}/join", json={}).json()["voter"]
        other.cookies.set(f"seat-{room.code}", f"{voter}.{tokens.digest(voter)}")
        assert other.get(f"{at}/me").status_code == 403
        assert other.post(f"{at}/join", json={}).json()["voter"] != voter
        cookie = one.post(f"{at}/join", json={}).headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie and room.token not in cookie
        behind_tls = phone().post(f"{at}/join", json={}, headers={"x-forwarded-proto": "https"})
        assert "Secure" in behind_tls.headers["set-cookie"]


def test_pages_may_run_nothing_that_is_not_ours(room):
    with served(room, prefix="/hub/room") as phone:
        pages = ["/", "/j/X", f"/screen/{room.code}", "/teach/X", "/static/card.js", f"/qr/{room.code}.svg", "/nowhere"]
        for path in pages:
            answer = phone().get(f"/hub/room{path}")
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            if answer.headers["content-type"].startswith("text/html"):
                assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|https?://", answer.text)
                assert "{{" not in answer.text and "/hub/room/static/" in answer.text


@pytest.mark.parametrize(
    ("said", "address", "prefix"),
    [
        ("https://hub.example.org/services/classroom", "https://hub.example.org", "/services/classroom"),
        ("http://127.0.0.1:8000/base/services/classroom/", "http://127.0.0.1:8000", "/base/services/classroom"),
        ("https://hub.example.org/", "https://hub.example.org", ""),
        ("", "", ""),
    ],
)
def test_a_hub_says_once_where_its_classroom_is(monkeypatch, said, address, prefix):
    monkeypatch.setenv(ON_A_HUB, said)
    assert hubs_place() == (address, prefix)
    place = Place("votes.db", address=address, prefix=prefix)
    assert {host for host in place.hosts if "example" in host} == ({"hub.example.org"} if "example" in said else set())


def test_no_file_is_served_but_those_on_the_list(room):
    with served(room) as phone:
        for name in (
            "rooms.py",
            "..%2frooms.py",
            "%2e%2e/app.py",
            "../../../etc/passwd",
            "classroom.json",
            "phone.html",
        ):
            assert phone().get(f"/static/{name}").status_code == 404
        for path in ("/docs", "/openapi.json", "/api", f"/api/{room.code}", "/metrics", "/debug"):
            assert phone().get(path).status_code == 404


def test_another_page_in_the_same_browser_votes_for_nobody(room):
    with served(room) as phone:
        at, client = f"/api/{room.code}", phone()
        foreign = [
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"content-type": "text/plain"},
            {"content-type": "application/x-www-form-urlencoded"},
            {"host": "evil.example"},
        ]
        for headers in foreign:
            answer = client.post(f"{at}/join", content=b"{}", headers={"content-type": "application/json"} | headers)
            assert answer.status_code in (400, 403, 415), headers
            assert "access-control-allow-origin" not in answer.headers
        for headers in ({"sec-fetch-site": "same-origin"}, {"origin": ADDRESS}, {}):
            assert client.post(f"{at}/join", json={}, headers=headers).status_code == 200


@pytest.fixture
def no_time_passes(monkeypatch):
    """So that an allowance fills up again no sooner on a slow machine."""
    monkeypatch.setattr(guard, "monotonic", lambda: 0.0)


def test_guessing_codes_tires_and_a_class_behind_one_address_does_not(room, no_time_passes):
    with served(room) as phone:
        stranger = phone()
        tried = [stranger.get(f"/api/{tokens.new_code()}/screen").status_code for _ in range(100)]
        assert tried[0] == 404 and tried[-1] == 429
        assert [phone().post(f"/api/{room.code}/join", json={}).status_code for _ in range(60)] == [200] * 60


def test_nobody_votes_faster_than_a_hand(room, no_time_passes):
    with served(room) as phone:
        at, client = f"/api/{room.code}", phone()
        client.post(f"{at}/join", json={})
        key = client.get(f"{at}/me").json()["questions"][0]["key"]
        said = [
            client.post(f"{at}/vote", json={"question": key, "says": {"answer": "Tie"}, "id": uuid4().hex})
            for _ in range(80)
        ]
        assert said[0].status_code == 200 and said[-1].status_code == 429 and said[-1].json()["retry_after"] > 0
        other = phone()
        other.post(f"{at}/join", json={})
        assert other.post(f"{at}/vote", json={"question": key, "says": {"answer": "Tie"}, "id": uuid4().hex}).is_success


POSTS = ("join", "vote", "undo", "guess", "forget", "teach/login", "teach/do", "teach/tally", "teach/cards")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        *("nickname", "question", "says", "id", "ms", "token", "do", "voter"),
        *("method", "simulated", "kind", "counts", "n", "card", "model"),
    ]
)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    room = OpenRoom(tmp_path_factory.mktemp("fuzz") / "votes.db", seats=5000)
    with served(room) as phone:
        client = phone()
        client.post(f"/api/{room.code}/join", json={})
        client.post(f"/api/{room.code}/teach/login", json={"token": room.token})
        yield room, client


@given(path=st.sampled_from(POSTS), body=st.dictionaries(FIELDS, JSON, max_size=4) | JSON | st.binary(max_size=40))
def test_whatever_is_sent_is_answered_in_words(fuzzed, path, body):
    room, client = fuzzed
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post(f"/api/{room.code}/{path}", content=content, headers={"content-type": "application/json"})
    assert answer.status_code < 500 or answer.status_code == 503
    assert isinstance(answer.json(), dict) and (answer.is_success or answer.json()["error"].strip())


def test_what_is_too_long_is_not_read(room):
    with served(room) as phone:
        for content in (b"[" * 100_000, b'{"nickname": "' + b"a" * 5000 + b'"}'):
            answer = phone().post(
                f"/api/{room.code}/join", content=content, headers={"content-type": "application/json"}
            )
            assert answer.status_code == 413


def test_an_export_names_nobody_and_is_read_as_votes(room, tmp_path):
    from minirlhf.feedback.formats.imports import read_votes

    voter = room.sit("Ada")
    room.cast(ballot(voter, room.questions[-1]))
    with served(room) as phone:
        teacher = phone()
        teacher.post(f"/api/{room.code}/teach/login", json={"token": room.token})
        text = teacher.get(f"/api/{room.code}/teach/export").text
    assert voter not in text and "Ada" not in text
    (tmp_path / "votes.jsonl").write_text(text, encoding="utf-8")
    assert [vote.answer for vote in read_votes(tmp_path / "votes.jsonl")] == [vote.answer for vote in room.votes()]


def test_a_full_disk_is_said_and_nothing_is_acknowledged(room, monkeypatch):
    """The phone keeps what was not acknowledged, and sends it again."""
    monkeypatch.setattr(guard, "monotonic", count().__next__)  # a second passes between two votes
    with room.store.connect("be read") as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    with served(room) as phone:
        at, client = f"/api/{room.code}", phone()
        client.post(f"{at}/join", json={})
        key = client.get(f"{at}/me").json()["questions"][0]["key"]
        vote = {"question": key, "says": {"answer": "Tie"}}

        def full(connection, _):
            connection.execute(f"PRAGMA max_page_count={pages}")  # SQLite's own way to have no room left

        listen(room.store._engine, "connect", full)
        room.store.close()
        acknowledged = []
        while (answer := client.post(f"{at}/vote", json=vote | {"id": uuid4().hex})).status_code == 200:
            acknowledged.append(len(room.store.events()))
            assert len(acknowledged) < 400
        assert answer.status_code == 503 and "disk" in answer.json()["error"].lower()
        assert str(room.store.where) not in answer.text
        remove(room.store._engine, "connect", full)
        room.store.close()
        assert len(room.store.events()) == (acknowledged or [0])[-1]  # what was refused left nothing behind
        assert client.post(f"{at}/vote", json=vote | {"id": uuid4().hex}).status_code == 200


def test_hostile_text_is_data(room):
    voter = room.sit(HOSTILE)
    seen = room.change(views.teacher)
    assert len(seen["members"][0]["nickname"]) <= rooms.NICKNAME and seen["members"][0]["voter"] == voter
    assert HOSTILE.strip() in {reply for question in seen["questions"] for reply in question["replies"]}


# What is revealed.


def trained(room, voter="", round=1):
    """As the learner leaves a room: two pairs of answers, words, and a receipt."""
    room.cast(ballot(voter or room.sit(), room.questions[0]))
    room.do("train")
    answers = [{"prompt": f"My hat {n}?", "before": "No.", "after": "Yes."} for n in range(2)]
    result = {"answers": answers, "weights": [["yes", 1.0]], "receipts": {voter: [6, 2, 5]}}
    room.change(rooms.update_job, round=round, status="done", result=result)
    room.change(rooms.change, phase="trained")


def test_the_teacher_goes_back_as_far_as_the_first_pair_and_forth_again(room):
    trained(room)

    def shown():
        seen = room.change(views.screen)
        return seen["reveal"]["shown"], seen["weights"] is not None

    with pytest.raises(Refused):
        room.do("back")
    ways = [("reveal", (1, False)), ("reveal", (2, False)), ("reveal", (2, True))]
    ways += [("back", (2, False)), ("back", (1, False)), ("reveal", (2, False)), ("back", (1, False))]
    for do, then in ways:
        room.do(do)
        assert shown() == then
    with pytest.raises(Refused):
        room.do("back")
    assert shown() == (1, False) and room.change(rooms.find).phase == "reveal"


def test_a_phone_says_what_the_screen_shows_and_its_receipt_is_of_this_round(room):
    voter = room.sit()

    def phone():
        seen = room.change(views.phone, voter=voter)
        return seen["shows"], (seen["receipt"] or {}).get("sentence", "")

    trained(room, voter)
    assert phone()[0] == "" and "round 1" in phone()[1]
    for do, shows in [("reveal", "pairs"), ("reveal", "pairs"), ("reveal", "words"), ("back", "pairs")]:
        room.do(do)
        assert phone()[0] == shows and "6 choices" in phone()[1]
    room.change(rooms.write_down, round=2, written=asked(round=2))
    room.do("next")
    for do in ("pause", "resume", "close"):
        assert phone() == ("", "")
        room.do(do)
    assert phone() == ("", ""), "it is an earlier round's"
    room.questions = asked(round=2)
    room.do("open")
    trained(room, voter, round=2)
    assert "up to round 2" in phone()[1]


def test_a_pause_ends_with_the_vote_that_it_was_made_in(room):
    room.do("pause")
    room.do("close")
    room.do("open")
    assert room.change(views.screen)["phase"] == "voting"


# All is erased.


def test_where_all_was_erased_everybody_is_told_so(room):
    """Also after whoever opened the room has closed it."""
    with served(room) as phone:
        at, here, late, teacher = f"/api/{room.code}", phone(), phone(), phone()
        here.post(f"{at}/join", json={})
        key = here.get(f"{at}/me").json()["questions"][0]["key"]
        assert not late.get(f"{at}/screen").json()["erased"]
        teacher.post(f"{at}/teach/login", json={"token": room.token})
        assert teacher.post(f"{at}/teach/do", json={"do": "erase"}).is_success
        room.change(rooms.change, phase="over")
        assert late.get(f"{at}/screen").json()["erased"]
        vote = {"question": key, "says": {"answer": "Tie"}, "id": uuid4().hex}
        told = [
            here.get(f"{at}/me"),
            here.post(f"{at}/vote", json=vote),
            here.post(f"{at}/join", json={}),
            late.post(f"{at}/join", json={}),
        ]
    for answer in told:
        assert not answer.is_success and "erased" in answer.json()["error"]
        assert answer.json()["erased"] and "join" not in answer.json()
    assert not room.store.events()


# Two schools.


def told(room, voter):
    """The rule that a phone shows."""
    return room.change(views.phone, voter=voter)["rule"]


def schooled(where, before=0, **more):
    """A room whose first round has two schools, with so many who were there when it opened."""
    room = OpenRoom(where, opens=False, **more)
    voters = [room.sit() for _ in range(before)]
    room.do("kind", kind="schools")
    room.do("open")
    return room, voters


@pytest.fixture(scope="module")
def waiting(tmp_path_factory):
    """A store for rooms that wait to begin."""
    return FeedbackStore(tmp_path_factory.mktemp("schools") / "votes.db")


@given(before=st.integers(0, 9), later=st.integers(0, 9), data=st.data())
def test_schools_are_as_large_as_each_other_and_nobody_changes(waiting, before, later, data):
    """Whoever comes late joins the smaller one, also after somebody was removed or has left."""
    code, _ = rooms.open_room(waiting, "Schools", seats=20)
    with waiting.connect() as connection:  # one transaction for all: it is promised to the disk once

        def sit(voter=None):
            return rooms.join(connection, code, "", voter)["voter"]

        def school(voter):
            return schools.school_of(connection, code, 1, voter)

        def sizes():
            there = [school(voter) for voter in voters]
            assert None not in there
            return sorted([there.count(0), there.count(1)])

        voters = [sit() for _ in range(before)]
        rooms.write_down(connection, code, 1, asked(1))
        for do in ("kind", "open"):
            rooms.step(connection, code, do, {"kind": "schools"})
        assert sizes()[1] - sizes()[0] <= 1
        for voter in data.draw(st.lists(st.sampled_from(voters), unique=True)) if voters else ():
            if data.draw(st.booleans()):
                rooms.forget(connection, code, [voter])
            else:
                rooms.step(connection, code, "remove", {"voter": voter})
            voters.remove(voter)
        assigned = {voter: school(voter) for voter in voters}
        for _ in range(later):
            small, large = sizes()
            voters.append(sit())
            assert sizes() == sorted([small + 1, large])
        for do in ("close", "open"):
            rooms.step(connection, code, do, {})
        assert {sit(voter): school(voter) for voter in assigned} == assigned


def test_a_rule_is_drawn_by_lot_and_the_rules_of_a_round_are_opposed():
    drawn = [schools.draw(tokens.new_token(), round=1) for _ in range(200)]
    pairs = {frozenset(rule.says for rule in pair) for pair in schools.RULES.values()}
    assert {frozenset(plan["rules"]) for plan in drawn} == pairs
    assert {(plan["rules"][0], plan["left"]) for plan in drawn} == {
        (rule, left) for rule in schools.BY_WORDS for left in (0, 1)
    }
    secret = tokens.new_token()
    in_turn = [frozenset(schools.draw(secret, round)["rules"]) for round in range(len(pairs))]
    assert set(in_turn) == pairs  # none comes again before all have come
    for one, other in schools.RULES.values():
        assert (one.taste, one.sign) == (other.taste, -other.sign)


def test_a_rule_is_told_to_its_own_school_and_to_nobody_else_until_all_is_shown(tmp_path):
    room, voters = schooled(tmp_path / "votes.db", before=6)
    rules = {told(room, voter) for voter in voters}
    assert len(rules) == 2 and rules <= schools.BY_WORDS.keys()
    with served(room) as phone:
        at, teacher, phones = f"/api/{room.code}", phone(), [phone() for _ in range(6)]
        teacher.post(f"{at}/teach/login", json={"token": room.token})
        for each in phones:
            each.post(f"{at}/join", json={})

        def look():
            """What everybody sees; who of the phones knows which rule."""
            shared = [teacher.get(f"{at}/{path}").text for path in ("screen", "teach", "teach/export")]
            mine = [each.get(f"{at}/me").text for each in phones]
            return "".join(shared), [{rule for rule in rules if rule in text} for text in mine]

        first = look()[1]
        assert sorted(map(len, first)) == [1] * 6 and set.union(*first) == rules
        for each in phones:
            seen = each.get(f"{at}/me").json()
            says = {"answer": "Better", "winner": 0}
            vote = {"question": seen["questions"][0]["key"], "says": says, "id": uuid4().hex}
            assert each.post(f"{at}/vote", json=vote).is_success
        for do in ("pause", "resume", "close", "train"):
            room.do(do)
            shared, mine = look()
            assert not any(rule in shared for rule in rules) and mine == first, do
        two_models(room)
        for _ in range(3):
            room.do("reveal")
            shared, mine = look()
            assert not any(rule in shared for rule in rules) and mine == first
            assert not re.search(r"was model [12]", "".join(each.get(f"{at}/me").text for each in phones))
        room.do("reveal")
        shown = teacher.get(f"{at}/screen").json()["schools"]["models"]
        assert {model["rule"] for model in shown} == rules and sum(model["people"] for model in shown) == 6
        for each, known in zip(phones, first, strict=True):  # and each phone says which model was its own
            number = int(re.search(r"was model ([12])", each.get(f"{at}/me").text)[1])
            assert {shown[number - 1]["rule"]} == known


def test_a_guess_counts_while_it_is_asked_and_is_right_for_one_school_alone(tmp_path):
    room, voters = schooled(tmp_path / "votes.db", before=4)

    def guess(voter, model):
        """What a guess is refused with; None where it is not."""
        try:
            room.change(rooms.guess, voter=voter, model=model)
        except Refused as refused:
            return refused.status

    room.cast(*[ballot(voter, room.questions[0]) for voter in voters])
    for do in ("close", "train"):
        assert guess(voters[0], 1) == 409
        room.do(do)
    two_models(room)
    for _ in range(3):
        assert guess(voters[0], 1) == 409 and room.change(views.phone, voter=voters[0])["guess"] is None
        assert room.change(views.phone, voter=voters[0])["shows"] in ("", "models")
        room.do("reveal")
    assert room.change(views.phone, voter=voters[0])["shows"] == "ask"
    assert [guess(voters[0], wrong) for wrong in (0, 3, None, "1", True, [1])] == [400] * 6
    assert guess("person-nobody", 1) == 403
    state = room.change(rooms.find).state
    assert [guess(voter, 2) for voter in voters] == [guess(voter, 1) for voter in voters] == [None] * 4
    assert room.change(rooms.find).state == state  # no other phone has anything to learn from it
    assert {room.change(views.phone, voter=voter)["guess"] for voter in voters} == {1}
    seen = room.change(views.screen)["schools"]
    assert (seen["guessed"], seen["right"], seen["models"]) == (4, None, None)
    room.do("remove", voter=voters[3])
    room.change(rooms.forget, voters=voters[2:3])
    room.do("reveal")
    assert guess(voters[0], 2) == 409
    room.do("back")  # the question is on the screen once more, and everybody knows the answer
    assert guess(voters[0], 2) == 409 and room.change(views.phone, voter=voters[0])["guess"] is None
    assert room.change(views.screen)["schools"]["models"] is None
    assert room.change(views.phone, voter=voters[0])["shows"] == "whose"
    room.do("reveal")
    seen = room.change(views.screen)["schools"]
    of_model_1 = [
        voter for voter in voters[:2] if "was model 1" in room.change(views.phone, voter=voter)["receipt"]["sentence"]
    ]
    assert (seen["guessed"], seen["right"]) == (2, len(of_model_1))


def test_each_school_must_have_voted_before_two_models_learn(tmp_path):
    room, voters = schooled(tmp_path / "votes.db", before=2)
    room.cast(ballot(voters[0], room.questions[0]))
    with pytest.raises(Refused, match="school"):
        room.do("train")
    room.cast(ballot(voters[1], room.questions[0]))
    room.do("train")
    with room.store.connect() as connection:
        assert rooms.latest_job(connection, rooms.find(connection, room.code))["method"] == "DPO"


def test_votes_under_a_secret_rule_never_go_into_the_rooms_own_model(tmp_path):
    room, voters = schooled(tmp_path / "votes.db", before=2)
    room.cast(*[ballot(voter, room.questions[0]) for voter in voters])
    room.do("train")
    two_models(room)
    room.change(rooms.write_down, round=2, written=asked(round=2))
    room.do("next")
    room.do("train", method="PPO")
    with room.store.connect() as connection:
        assert kinds.trained_on(connection, room.code) == {2: "PPO"}
        assert kinds.trained_on(connection, room.code, done=True) == {}


def test_who_was_in_which_school_goes_with_the_votes(tmp_path):
    room, voters = schooled(tmp_path / "votes.db", before=4)
    room.change(rooms.forget, voters=voters[:1])
    with room.store.connect() as connection:
        assert sorted(schools.pupils_of(connection, room.code, 1)) == sorted(voters[1:])
    room.do("erase")
    with room.store.connect() as connection:
        assert not schools.pupils_of(connection, room.code, 1)
        assert kinds.kind_of(connection, room.code, 1)[0] == "ordinary"


# What a room values.


def test_no_phone_says_what_value_a_reply_stands_for(tmp_path):
    room = OpenRoom(tmp_path / "votes.db")
    room.change(rooms.change, phase="trained")
    room.do("next", kind="values")
    with served(room) as phone:
        client = phone()
        client.post(f"/api/{room.code}/join", json={})
        text = client.get(f"/api/{room.code}/me").text
        seen = client.get(f"/api/{room.code}/me").json()
    assert len(seen["questions"]) == len(values.TRADE_OFFS)
    for each in values.TRADE_OFFS:
        assert not any(json.dumps(value)[1:-1] in text for value in (*each.values, *each.chosen))


def test_what_is_written_for_a_value_can_be_read_asked_and_learned_from():
    tokenizer = Tokenizer.load(data_folder() / "checkpoints" / "sft" / "tokenizer.json")
    assert 10 <= len(values.TRADE_OFFS) == len(values.BY_PAIR)
    for question in values.questions(1):
        assert helpdesk.read(question.prompt).text in question.prompt
        for reply in question.replies:
            assert len(tokenizer.encode(question.prompt + reply)) < CONTEXT
    for each in values.TRADE_OFFS:
        said = " ".join(each.replies).lower()
        assert not any(value.lower() in said for value in each.values)
        assert len({*each.replies}) == len({*each.values}) == len({*each.chosen}) == 2


COUNTS = st.tuples(*[st.integers(0, 40)] * 4)


@given(counts=COUNTS)
def test_a_room_is_said_to_choose_what_most_of_it_chose_or_to_be_torn(counts):
    first, second, tie, bad = counts
    (each, *_) = values.TRADE_OFFS
    chosen = values.chose(counts)
    mirrored = values.chose((second, first, tie, bad))
    assert mirrored == (None if chosen is None else 1 - chosen)
    assert chosen is None or counts[chosen] > counts[1 - chosen]
    assert (values.verdict(each, counts) in each.chosen) == (chosen is not None)
    if sum(counts) < values.HANDFUL:
        assert chosen is None and ("few" in values.verdict(each, counts)) == any(counts)
    elif abs(first - second) >= 2 and min(first, second) == 0:
        assert chosen == int(second > first)


def test_trade_offs_are_shown_one_by_one_with_what_was_counted_and_train_nobody(room):
    room.change(rooms.change, phase="trained")
    room.do("next", kind="values")
    with room.store.connect() as connection:
        written = [rooms.question_of(row) for row in rooms.asked_in(connection, room.code, 2)]
    voters = [room.sit() for _ in range(5)]
    for i, voter in enumerate(voters):
        for question in written:
            first = sides(voter, question).index(0)
            room.cast(ballot(voter, question, Tie() if i == 4 else Better(first if i else 1 - first)))
    hidden = written[3]
    room.do("hide", question=hidden.key)
    assert room.change(views.screen)["values"] is None and not room.change(views.screen)["pairs"]
    with pytest.raises(Refused):
        room.do("reveal")
    room.do("close")
    shown = [each for each in values.TRADE_OFFS if each.question(2).key != hidden.key]
    for n in range(len(shown) + 2):
        seen = room.change(views.screen)["values"]
        assert [each["values"] for each in seen["items"]] == [each.values for each in shown[:n]]
        assert (seen["shown"], seen["all"]) == (min(n, len(shown)), n > len(shown))
        on_phone = "" if n == 0 else "trade-offs" if n <= len(shown) else "all"
        assert room.change(views.phone, voter=voters[0])["shows"] == on_phone
        if n <= len(shown):
            room.do("reveal")
    assert {tuple(each["counts"]) for each in seen["items"]} == {(3, 1, 1, 0)}
    assert [each["sentence"] for each in seen["items"]] == [each.chosen[0] for each in shown]
    with pytest.raises(Refused):
        room.do("reveal")
    with room.store.connect() as connection:
        assert not kinds.trained_on(connection, room.code)
    room.do("train", method="DPO")  # unless the teacher wants it
    with room.store.connect() as connection:
        assert kinds.trained_on(connection, room.code) == {2: "DPO"}


def test_a_values_round_needs_no_training_before_the_next_one(room):
    room.change(rooms.change, phase="trained")
    room.do("next", kind="values")
    with pytest.raises(Refused):
        room.do("next")
    room.do("close")
    room.do("next", kind="schools")
    assert room.change(views.phone, voter=room.sit())["rule"]


def test_a_kind_is_chosen_before_a_round_opens_and_can_be_taken_back(tmp_path):
    room = OpenRoom(tmp_path / "votes.db", opens=False)
    for kind in ("exam", None, ["schools"], {}):
        with pytest.raises(Refused):
            room.do("kind", kind=kind)
    room.do("kind", kind="values")
    with room.store.connect() as connection:
        assert len(rooms.asked_in(connection, room.code, 1)) == len(values.TRADE_OFFS)
    room.do("kind", kind="ordinary")
    with pytest.raises(Refused):  # the learner has to write the others first
        room.do("open")
    room.change(rooms.write_down, round=1, written=room.questions)
    room.do("kind", kind="schools")
    room.do("open")
    assert told(room, room.sit())
    with pytest.raises(Refused):
        room.do("kind", kind="ordinary")


def test_a_room_that_was_opened_before_there_were_kinds_goes_on(room):
    voter = room.sit()
    room.cast(ballot(voter, room.questions[0]))
    with room.store.connect() as connection:
        for table in (tables.kinds, tables.pupils):
            table.drop(connection)
    with served(room) as phone:  # a server that starts anew finds them missing, and makes them
        teacher = phone()
        teacher.post(f"/api/{room.code}/teach/login", json={"token": room.token})
        seen = teacher.get(f"/api/{room.code}/teach").json()
        assert (seen["kind"], seen["votes"]) == ("ordinary", 1)
    room.change(rooms.change, phase="trained")
    room.do("next", kind="schools")
    assert told(room, voter) and len(room.votes()) == 1
