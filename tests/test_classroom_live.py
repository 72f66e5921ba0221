"""The classroom's processes: killed in a burst, two on one database, and a session that learns."""

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from random import Random
from uuid import uuid4

import httpx
import pytest
from room import ADDRESS, OpenRoom, ballot, serving
from test_store_server import new_address, server  # noqa: F401

from minirlhf import classroom
from minirlhf.classroom import ghosts, leading, learning, rooms, schools, values
from minirlhf.data import Prompts
from minirlhf.evaluate import compare
from minirlhf.feedback.asking import write_questions
from minirlhf.feedback.simulated import TASTES, simulate
from minirlhf.recipes.pipeline import load_shipped
from minirlhf.recipes.taste import Taste

PHONES = 40


class Phone:
    """What a phone does with its votes: each is sent until somebody says that it is kept."""

    def __init__(self, addresses, code):
        self.addresses, self.code, self.kept, self.voter = addresses, code, {}, ""
        self.client = httpx.AsyncClient(trust_env=False, timeout=10)

    async def ask(self, method, path, **more):
        """Ask one server, and where it does not answer the next, as a phone behind a proxy does; again and again."""
        for _ in range(400):
            self.addresses = [*self.addresses[1:], self.addresses[0]]
            try:
                answer = await self.client.request(method, f"{self.addresses[0]}/api/{self.code}/{path}", **more)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code in (429, 503):
                await asyncio.sleep(answer.json().get("retry_after", 0.05))
                continue
            return answer
        raise AssertionError(f"nobody answered {path}")

    async def join(self):
        self.voter = (await self.ask("POST", "join", json={})).json()["voter"]

    async def vote(self, rounds):
        """Answer every question so many times, another way each time."""
        seen = (await self.ask("GET", "me")).json()
        for n in range(rounds):
            for question in seen["questions"]:
                says, id = {"answer": "Better", "winner": n % 2}, uuid4().hex
                sent = {"question": question["key"], "says": says, "id": id}
                assert (await self.ask("POST", "vote", json=sent)).status_code == 200
                self.kept[question["key"]] = id


async def crowd(phones, rounds, meanwhile=None):
    """All join, and then all vote at once; what happens meanwhile is somebody else's."""
    async with asyncio.TaskGroup() as group:
        for phone in phones:
            group.create_task(phone.join())
    async with asyncio.TaskGroup() as group:
        for phone in phones:
            group.create_task(phone.vote(rounds))
        if meanwhile:
            group.create_task(meanwhile())
    for phone in phones:
        await phone.client.aclose()


def require_every_vote(room, phones):
    """What was acknowledged last to each phone stands, once, and nothing else does."""
    acknowledged = {(phone.voter, key): id for phone in phones for key, id in phone.kept.items()}
    assert {(vote.voter, vote.question.key): vote.id for vote in room.votes()} == acknowledged
    assert len(acknowledged) == len(phones) * len(room.questions)
    assert {vote.id for vote in room.store.votes()} == set(acknowledged.values())  # the store alone says the same


def test_a_server_killed_in_a_burst_loses_nothing_and_counts_nothing_twice(tmp_path):
    room = OpenRoom(tmp_path / "votes.db", seats=PHONES)
    with serving(room.store.where) as (process, address):
        phones = [Phone([address], room.code) for _ in range(PHONES)]

        async def kill():
            while len(room.votes()) < 2 * PHONES:  # well into the burst
                await asyncio.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.wait)
            again.append(serving(room.store.where, port=int(address.split(":")[-1])))
            again[0].__enter__()

        again = []
        asyncio.run(crowd(phones, rounds=2, meanwhile=kill))
        again[0].__exit__(None, None, None)
    require_every_vote(room, phones)


@pytest.mark.server
def test_two_servers_on_one_database_are_one_room(new_address):  # noqa: F811
    room = OpenRoom(new_address(), seats=PHONES)
    where = room.store._engine.url.render_as_string(hide_password=False)
    with serving(where) as (_, one), serving(where) as (process, other):
        phones = [Phone([one, other] if i % 2 else [other, one], room.code) for i in range(PHONES)]

        async def kill():
            while len(room.votes()) < 2 * PHONES:
                await asyncio.sleep(0.01)
            process.send_signal(signal.SIGKILL)

        asyncio.run(crowd(phones, rounds=2, meanwhile=kill))
    require_every_vote(room, phones)
    room.store.close()


@pytest.mark.server
def test_schools_are_of_one_size_where_all_come_at_once_to_two_servers(new_address):  # noqa: F811
    room = OpenRoom(new_address(), seats=PHONES, opens=False)
    room.do("kind", kind="schools")
    room.do("open")
    where = room.store._engine.url.render_as_string(hide_password=False)
    with serving(where) as (_, one), serving(where) as (_, other):
        phones = [Phone([one, other] if i % 2 else [other, one], room.code) for i in range(PHONES)]
        asyncio.run(crowd(phones, rounds=1))
    require_every_vote(room, phones)
    with room.store.connect() as connection:
        school = schools.pupils_of(connection, room.code, 1)
    assert sorted(school) == sorted(phone.voter for phone in phones)
    assert sum(school.values()) == PHONES / 2
    room.store.close()


@pytest.mark.slow
def test_a_session_runs_from_the_first_vote_to_the_second_round(tmp_path, monkeypatch):
    """As the demo does, with the learner's real training; then the kernel is gone, and the room is found again."""
    monkeypatch.setenv("MINIRLHF_LESSONS", str(tmp_path))
    session = classroom.open(port=0, seats=20, store=tmp_path / "votes.db")
    try:

        async def run():
            haunting = asyncio.create_task(
                ghosts.haunt(session.store, session.address, session.code, session.token, n=8, pause=0.2)
            )
            await until(lambda: leading.done(session, "open"))
            await until(lambda: session.seen()["votes"] >= 80)
            session.do("close")
            learned_from = {vote.voter for vote in session.votes()}
            session.do("train", method="DPO")
            await until(lambda: session.seen()["phase"] != "training")
            seen = session.seen()
            assert seen["phase"] == "trained", seen["training"]
            assert len(seen["training"]["records"]) == seen["training"]["total"] > 0
            assert seen["reveal"]["shown"] == 0 and not seen["reveal"]["items"] and seen["weights"] is None
            for n in range(seen["reveal"]["total"] + 1):
                session.do("reveal")
                assert session.seen()["reveal"]["shown"] == min(n + 1, seen["reveal"]["total"])
            shown = session.seen()
            assert shown["weights"] and any(each["before"] != each["after"] for each in shown["reveal"]["items"])
            with session.store.connect("be read") as connection:
                receipts = rooms.latest_job(connection, rooms.find(connection, session.code))["result"]["receipts"]
            assert receipts.keys() == learned_from
            before, after = (sum(row[place] for row in receipts.values()) for place in (1, 2))
            assert after > before  # it learned from exactly these choices
            session.do("next")
            await until(lambda: session.seen()["votes"] >= 16)
            haunting.cancel()

        asyncio.run(run())
        found = classroom.attach()
        assert (found.code, found.server) == (session.code, session.server)
        assert {vote.origin for vote in found.votes()} == {"simulated"}
        assert {vote.question.round for vote in found.votes()} == {1, 2}
        assert {vote.question.models for vote in found.votes()} == {("SFT", "SFT"), ("RLHF", "RLHF")}
    finally:
        session.close()
    assert not session.alive()
    with pytest.raises(FileNotFoundError):
        classroom.attach()


@pytest.mark.slow
def test_two_schools_and_then_values_also_where_the_learner_is_killed(tmp_path, monkeypatch):
    """Ghosts follow the rule that their phone shows; whoever trains is killed half way, and begins anew."""
    monkeypatch.setenv("MINIRLHF_LESSONS", str(tmp_path))
    session = classroom.open(port=0, seats=20, store=tmp_path / "votes.db")

    def read(what, *arguments):
        with session.store.connect("be read") as connection:
            return what(connection, session.code, *arguments)

    try:

        async def run():
            haunting = asyncio.create_task(
                ghosts.haunt(session.store, session.address, session.code, session.token, n=8, pause=0.2)
            )
            await until(lambda: session.seen()["joined"] == 8)
            session.do("kind", kind="schools")
            await until(lambda: leading.done(session, "open"))
            await until(lambda: session.seen()["votes"] >= 100)
            session.do("close")
            school = read(schools.pupils_of, 1)
            assert sorted(school.values()) == [0] * 4 + [1] * 4
            session.do("train")
            await until(lambda: read(rooms.find).phase != "training" or session.seen()["training"]["records"])
            os.kill(session.learner, signal.SIGKILL)
            await until(lambda: classroom.attach().learner != session.learner)
            assert read(schools.pupils_of, 1) == school
            await until(lambda: session.seen()["phase"] != "training")
            seen = session.seen()
            assert seen["phase"] == "trained", seen["training"]
            with session.store.connect("be read") as connection:
                result = rooms.latest_job(connection, rooms.find(connection, session.code))["result"]
            for each in (0, 1):  # either model leans to what its own school chose, further than before
                mine = [row for voter, row in result["receipts"].items() if school[voter] == each]
                assert len(mine) == 4 and sum(after - before for _, before, after in mine) > 0
            for _ in range(len(result["answers"]) + 2):
                session.do("reveal")
            shown = session.seen()["schools"]
            assert any(item["first"] != item["second"] for item in shown["items"])
            assert {model["rule"] for model in shown["models"]} <= schools.BY_WORDS.keys()
            session.do("next", kind="values")
            await until(lambda: session.seen()["votes"] >= 40)
            session.do("close")
            for _ in range(len(values.TRADE_OFFS) + 1):
                session.do("reveal")
            counted = [sum(item["counts"]) for item in session.seen()["values"]["items"]]
            assert sum(counted) == session.seen()["votes"]
            session.do("next")  # about the model from before: nothing has gone into it
            await until(lambda: session.seen()["votes"] >= 8)
            haunting.cancel()

        asyncio.run(run())
        assert {vote.question.models for vote in session.votes() if vote.question.round == 3} == {("SFT", "SFT")}
    finally:
        classroom.attach().close()


@pytest.mark.slow
@pytest.mark.parametrize("name", schools.RULES)
def test_a_schools_model_comes_to_keep_its_schools_rule(name):
    """Twelve simulated people in each school answer sixteen pairs each, by the quick method."""
    shipped = load_shipped()
    start = Taste.shipped(shipped)
    written = write_questions(shipped.sft, shipped.prompts("held_out"), shipped.tokenizer, 24, seed=1)
    votes = []
    for rule in schools.RULES[name]:
        class_of = [replace(ghosts.follower(rule.says), name=f"{n} (simulated)") for n in range(12)]
        votes.append([vote for each in class_of for vote in simulate(Random(each.name).sample(written, 16), each)])
    pair = [learning.branch(start), learning.branch(start)]
    steps = list(learning.train_apart(pair, votes, "DPO", seed=1))
    assert [len(record) for _, record in steps] == [0] + [2] * steps[0][0]
    prompts = Prompts(shipped.prompts("held_out").prompts[:96])
    models = {"before": shipped.sft, "first": pair[0].policy, "second": pair[1].policy}
    said = compare(models, prompts, shipped.tokenizer, lambda _, reply: TASTES[schools.RULES[name][0].taste](reply))
    (one, other), keeps = schools.RULES[name], {model: replies.mean for model, replies in said.items()}
    assert (
        one.sign * keeps["first"] > one.sign * keeps["before"] > one.sign * keeps["second"] and one.sign != other.sign
    )
    assert not [key for key, kept in start.policy.state_dict().items() if not kept.equal(shipped.sft.state_dict()[key])]


@pytest.mark.slow
def test_a_learner_that_begins_anew_has_the_model_that_was_there(tmp_path):
    room = OpenRoom(tmp_path / "votes.db", opens=False)
    learner = learning.Learner(room.store, room.code)
    room.do("kind", kind="values")  # whose pairs can be learned from like any others
    room.do("open")
    with room.store.connect() as connection:
        written = [rooms.question_of(row) for row in rooms.asked_in(connection, room.code, 1)]
    for _ in range(3):
        voter = room.sit()
        room.cast(*[ballot(voter, question) for question in written])
    room.do("train", method="DPO")
    while room.change(rooms.find).phase == "training":
        learner.work()
    assert room.change(rooms.find).phase == "trained"
    anew = learning.Learner(room.store, room.code)
    anew.work()
    shipped, there = anew.shipped.sft.state_dict(), learner.taste.policy.state_dict()
    for name, weight in anew.taste.policy.state_dict().items():
        assert weight.allclose(there[name], atol=1e-5)
    assert any(not weight.equal(shipped[name]) for name, weight in there.items())


async def until(holds):
    """Wait for something that happens in another process; the test's own time limit ends it where it never does."""
    while not await asyncio.to_thread(holds):
        await asyncio.sleep(0.1)


def test_the_server_brings_no_torch(tmp_path):
    """It is to answer phones on one core while the other one trains."""
    heavy = {"torch", "datasets", "matplotlib", "ipywidgets"}
    code = f"import sys, minirlhf.classroom.server; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_port_that_is_taken_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIRLHF_LESSONS", str(tmp_path))
    room = OpenRoom(tmp_path / "votes.db")
    with serving(room.store.where) as (_, address), pytest.raises(OSError, match=r"attach\(\)") as refused:
        classroom.open(port=int(address.split(":")[-1]), store=tmp_path / "other.db")
    assert ADDRESS.split("//")[1] in str(refused.value)


def test_a_ghost_class_disagrees_and_is_called_simulated():
    people = ghosts.cast(9)
    assert len({person.name for person in people}) > 2 and all("simulated" in person.name for person in people)
