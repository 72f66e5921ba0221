"""What goes wrong in a lecture hall, in real processes: a full disk, a set clock, a proxy, a kernel that is gone."""

import json
import resource
import signal
import subprocess
import sys
from collections import defaultdict
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import monotonic, sleep
from uuid import uuid4

import httpx
import psutil
import pytest
from playwright.sync_api import expect
from room import ADDRESS, OpenRoom, asked, serving
from test_classroom_pages import Visitors, counts, press, sent

from minirlhf import classroom
from minirlhf.classroom import leading, rooms

needs_limits = pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process")


@contextmanager
def no_room_left(process, room):
    """A disk that is full for one process: its files may not grow any more."""
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    full = room.store.path.stat().st_size
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (full, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)


class Pupil:
    """One phone, without a screen; its votes are all about one question and take turns."""

    def __init__(self, address, room):
        self.at, self.n = f"{address}/api/{room.code}", 0
        self.cookies = self.ask("POST", "join", {}).cookies
        self.keys = [question["key"] for question in self.ask("GET", "me").json()["questions"]]

    cookies = None

    def ask(self, method, path, body=None):
        return httpx.request(method, f"{self.at}/{path}", json=body, cookies=self.cookies, trust_env=False, timeout=20)

    def vote(self, id=""):
        self.n += 1
        says = {"answer": "Better", "winner": self.n % 2}
        sent = {"question": self.keys[self.n % len(self.keys)], "says": says, "id": id or uuid4().hex}
        return sent["id"], self.ask("POST", "vote", sent)


# The disk is full.


@needs_limits
def test_a_full_disk_takes_nothing_it_acknowledges_and_goes_on_when_there_is_room(tmp_path):
    room = OpenRoom(tmp_path / "votes.db")
    with serving(room.store.where) as (process, address):
        pupils = [Pupil(address, room) for _ in range(4)]
        acknowledged, refused = set(), []
        with no_room_left(process, room):
            while len(refused) < 20:
                for pupil in pupils:
                    id, answer = pupil.vote()
                    if answer.is_success:
                        acknowledged.add(id)
                    elif answer.status_code != 429:
                        refused.append(id)
                        assert answer.status_code == 503 and "disk" in answer.json()["error"]
                        assert str(room.store.path) not in answer.text
            kept = {event.id for event in room.store.events()}
            assert acknowledged <= kept and not kept & set(refused)
        for pupil in pupils:
            id, answer = pupil.vote(refused.pop())
            while answer.status_code == 429:
                id, answer = pupil.vote(id)
            assert answer.is_success and id in {vote.id for vote in room.votes()}
        assert process.poll() is None


@needs_limits
@pytest.mark.browser
def test_a_full_disk_is_said_on_the_phone_and_on_the_panel(chromium, tmp_path):
    room = OpenRoom(tmp_path / "votes.db", questions=asked(40))
    with serving(room.store.where) as (process, address):
        visitors = Visitors(chromium, address)
        phone, panel = visitors.phone(room), visitors.visit("teach", room)
        expect(panel.locator("#next")).to_contain_text("Close")
        with no_room_left(process, room):
            waiting = phone.locator("#waiting").filter(has_text="disk")
            for _ in room.questions:  # what is left of the last page takes some
                press(phone, "Tie")
                phone.wait_for_timeout(50)
                if waiting.is_visible():
                    break
            expect(waiting).to_be_visible()
            expect(panel.locator("#unkept")).to_contain_text("disk")
            pressed = int(phone.locator(".minirlhf-card .mc-top").inner_text().split(" of ")[0].split()[-1])
            assert len(room.votes()) < pressed
        with sent(phone, "vote"):
            pass
        expect(phone.locator("#waiting")).to_be_hidden()
        expect(panel.locator("#unkept")).to_be_hidden()
        assert len(room.votes()) == pressed
        for context in visitors.contexts:
            context.close()
    assert not visitors.wrong


# The clock is set.

# Whoever asks for the time in this process, a library too, is told another one: as much later as the file says.
SET_CLOCK = """
import datetime, pathlib, time
real, ticking, shift = datetime.datetime, time.time, pathlib.Path({!r})
class Shifted(real):
    @classmethod
    def now(cls, tz=None):
        return real.now(tz) + datetime.timedelta(seconds=float(shift.read_text()))
datetime.datetime, time.time = Shifted, lambda: ticking() + float(shift.read_text())
"""


def test_a_clock_that_is_set_closes_no_room_and_loses_no_vote(tmp_path):
    room, shift = OpenRoom(tmp_path / "votes.db"), tmp_path / "shift"
    shift.write_text("0")
    with serving(room.store.where, first=SET_CLOCK.format(str(shift))) as (_, address):
        pupil, acknowledged = Pupil(address, room), []
        for hours in (0, 48, -48, 24 * 365, 0):
            shift.write_text(str(hours * 3600))
            id, answer = pupil.vote()
            assert answer.is_success, hours
            acknowledged.append(id)
        assert [vote.id for vote in room.votes()] == acknowledged  # and in the order in which they were cast


@pytest.mark.parametrize("hours", [-48, 48])
def test_a_room_is_over_when_its_time_is_whatever_the_clock_says(tmp_path, hours):
    room, shift = OpenRoom(tmp_path / "votes.db", hours=4 / 3600), tmp_path / "shift"
    began = monotonic()
    shift.write_text("0")
    with serving(room.store.where, first=SET_CLOCK.format(str(shift))) as (_, address):
        pupil = Pupil(address, room)
        shift.write_text(str(hours * 3600))
        answer = pupil.vote()[1]
        assert answer.is_success or monotonic() - began > 3
        while answer.status_code in (200, 429) and monotonic() - began < 60:
            answer = pupil.vote()[1]
        assert answer.status_code == 409 and monotonic() - began > 3


# Phones that sleep, and what stands between them and the room.


@pytest.mark.browser
def test_a_phone_that_slept_for_an_hour_goes_on_where_the_room_is(chromium, tmp_path):
    room = OpenRoom(tmp_path / "votes.db")
    with serving(room.store.where) as (_, address):
        visitors = Visitors(chromium, address)
        context = visitors.context()
        context.clock.install()
        phone = visitors.phone(room, context=context)
        with sent(phone, "vote"):
            press(phone, "Tie")
        counts(phone, "1 of 6")
        context.set_offline(True)  # the last vote before the pocket does not get through
        press(phone, "Both bad")
        counts(phone, "2 of 6")
        phone.evaluate(
            "() => { window.asleep = fetch; window.fetch = () => new Promise(() => {}); }"
        )  # nothing in it moves
        room.do("close")
        room.do("train")
        room.change(rooms.finish_job, round=1, result={"answers": [], "weights": [], "receipts": {}})
        room.change(rooms.change, phase="trained")
        room.change(rooms.write_down, round=2, written=asked(5, round=2))
        room.do("next")
        phone.evaluate("() => { window.fetch = window.asleep; }")
        context.set_offline(False)
        context.clock.fast_forward("01:00:00")
        phone.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        counts(phone, "0 of 5")
        expect(phone.locator(".minirlhf-card")).to_contain_text("not counted")  # for its round is over
        assert len(room.votes()) == 1
        with sent(phone, "vote"):
            press(phone, "Tie")
        assert len(room.votes()) == 2
        for context in visitors.contexts:
            context.close()
    assert not visitors.wrong


class Buffering(BaseHTTPRequestHandler):
    """A proxy that passes an answer on when it has all of it, which of a stream of events is never."""

    protocol_version = "HTTP/1.1"

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        upstream = HTTPConnection("127.0.0.1", self.server.upstream)
        self.server.asked[self.path.rsplit("/")[-1]] += 1
        try:
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            whole = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            self.send_header("content-length", str(len(whole)))
            self.end_headers()
            self.wfile.write(whole)
        except (OSError, HTTPException):  # the server is gone, or the browser
            self.close_connection = True
        finally:
            upstream.close()

    do_GET = do_POST = pass_on

    def log_message(self, *_):
        pass


@contextmanager
def buffering(address):
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Buffering)
    proxy.daemon_threads, proxy.block_on_close = True, False  # some wait for the end of a stream
    proxy.upstream, proxy.asked = int(address.rsplit(":")[-1]), defaultdict(int)
    Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield f"{ADDRESS}:{proxy.server_port}", proxy.asked
    finally:
        proxy.shutdown()
        proxy.server_close()


@pytest.mark.browser
def test_behind_a_proxy_that_buffers_screen_and_panel_follow(chromium, tmp_path):
    room = OpenRoom(tmp_path / "votes.db")
    with serving(room.store.where) as (_, upstream), buffering(upstream) as (address, asked_of):
        visitors = Visitors(chromium, address)
        screen, panel, phone = visitors.visit("screen", room), visitors.visit("teach", room), visitors.phone(room)
        with sent(phone, "vote"):
            press(phone, "Tie")
        expect(screen.locator("#voted")).to_have_text("1")
        expect(panel.locator("#phase")).to_contain_text("1 voted")
        expect(screen.locator("#trouble")).to_be_hidden()
        press(panel, panel.locator("#next").inner_text())
        expect(screen.locator("body")).to_have_attribute("data-phase", "closed")
        assert asked_of["events"] and asked_of["screen"] > 1  # the stream was tried, and asking did it
        for context in visitors.contexts:
            context.close()
    assert not visitors.wrong


# Processes that are gone.

OPENS = """
import time
from minirlhf import classroom
session = classroom.open(port=0, store={!r})
print(session.code, flush=True)
time.sleep(600)
"""


@pytest.mark.slow
def test_the_kernel_that_opened_a_room_is_killed_and_the_room_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIRLHF_LESSONS", str(tmp_path))
    command = [sys.executable, "-c", OPENS.format(str(tmp_path / "votes.db"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as kernel:
        code = kernel.stdout.readline().strip()
        kernel.send_signal(signal.SIGKILL)
    (note,) = json.loads((tmp_path / "classroom.json").read_text())
    session = classroom.attach()
    try:
        assert (session.code, session.server, session.learner) == (code, note["server"], note["learner"])
        assert session.alive() and runs(session.learner)
        with httpx.Client(base_url=f"{session.address}/api/{code}/", trust_env=False, timeout=20) as phone:
            assert phone.post("join", json={}).is_success
            until(lambda: leading.done(session, "open"))  # the learner, too, has gone on
            question = phone.get("me").json()["questions"][0]["key"]
            sent = {"question": question, "says": {"answer": "Tie"}, "id": uuid4().hex}
            assert phone.post("vote", json=sent).is_success
        assert [vote.id for vote in session.votes()] == [sent["id"]]
        logs = "".join(path.read_text() for path in tmp_path.glob("classroom-*.log"))
        assert session.token not in logs and code not in logs
        assert (tmp_path / "classroom.json").stat().st_mode & 0o077 == 0
    finally:
        session.close()
    assert not runs(session.server) and not runs(session.learner)


@pytest.mark.slow
def test_a_learner_whom_nobody_asks_ends_by_itself(tmp_path):
    """Its server is gone, as where somebody closed the lid; its hour is short here, for a test cannot wait."""
    room = OpenRoom(tmp_path / "votes.db")
    code = "from minirlhf.classroom import learning; learning.LEFT = 4; learning.main()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, text=True) as learner:
        learner.stdin.write(json.dumps({"store": room.store.where, "code": room.code}) + "\n")
        learner.stdin.close()
        began = monotonic()
        while monotonic() - began < 10:  # somebody is there, as a server writes down once a minute
            with room.store.connect() as connection:
                rooms.note_asked(connection, [room.code])
            assert learner.poll() is None
        assert learner.wait(timeout=60) == 0


@pytest.mark.parametrize("stays", [False, True], ids=["a notebook's", "a hub's"])
def test_a_server_writes_down_that_somebody_is_there_and_deletes_what_is_due(tmp_path, stays):
    room = OpenRoom(tmp_path / "votes.db")
    due = OpenRoom(tmp_path / "votes.db")
    hurry = "from minirlhf.classroom import server; server.LOOK = server.MINUTE = server.HOUR = 0.2"
    hurry += "; server.IDLE = 0.3" if stays else ""  # after which another one would be gone
    with serving(room.store.where, first=hurry, stays=stays) as (process, address):
        Pupil(address, room)
        until(lambda: room.change(rooms.asked_for))
        assert not due.change(rooms.asked_for)
        with room.store.connect() as connection:
            keeping = rooms.keeping
            connection.execute(keeping.update().where(keeping.c.room == due.code).values(until="2020-01-01"))
        until(lambda: not left(due))
        assert process.poll() is None and left(room)


def until(holds):
    """Wait for something that happens in another process; the test's own time limit ends it where it never does."""
    while not holds():
        sleep(0.05)


def runs(process):
    """Whether a process is there, and has not ended: whose parent was killed waits for somebody to take leave of it."""
    return psutil.pid_exists(process) and psutil.Process(process).status() != psutil.STATUS_ZOMBIE


def left(room):
    try:
        return room.change(rooms.find)
    except rooms.Refused:
        return None
