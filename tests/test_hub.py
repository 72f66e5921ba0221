"""A real JupyterHub, set up as the recipe says: learners, their votes in one database, and the classroom behind it."""

import json
import os
import re
import socket
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from types import SimpleNamespace
from uuid import uuid4

import httpx
import psutil
import psycopg
import pytest
import websocket
from playwright.sync_api import expect
from test_classroom_pages import Visitors, press, sent
from test_store_server import SECRET, server  # noqa: F401

from minirlhf import paths
from minirlhf.classroom import rooms
from minirlhf.course.copies import FIRST_LESSON
from minirlhf.feedback.store import FeedbackStore

pytestmark = [pytest.mark.slow, pytest.mark.server, pytest.mark.browser]

ROOT = Path(__file__).resolve().parents[1]
RECIPE = (ROOT / "notebooks" / "teaching" / "hub.md").read_text(encoding="utf-8")
PROXY = next(ROOT.glob(".hub/*/node_modules/.bin/configurable-http-proxy"), None)
PATIENCE = 120  # seconds that a loaded machine may take for what takes ten
PASSWORDS = {"learner": "for everybody in the class", "teacher": "for nobody but who teaches, so a long one"}

# What the recipe leaves to The Littlest JupyterHub: who may log in, and as whom they work.
BENEATH = """
c.JupyterHub.bind_url = "http://127.0.0.1:{hub}"
c.JupyterHub.hub_port = {inside}
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = {passwords[learner]!r}
c.SharedPasswordAuthenticator.admin_password = {passwords[teacher]!r}
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {{"teacher"}}
c.JupyterHub.spawner_class = "simple"  # a home for each, and one system user for all, so nobody need be root
c.SimpleLocalProcessSpawner.home_dir_template = "{homes}/{{username}}"
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 0}}  # whoever asks for a server waits where it is told
c.LocalProcessSpawner.interrupt_timeout = 5
c.Spawner.http_timeout = c.Spawner.start_timeout = {patience}
"""


def blocks(language):
    """The recipe's blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", RECIPE, re.M | re.S)


def free_ports(n):
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Class:
    """The hub, its database, and where its people live."""

    def __init__(self, folder, database):
        self.folder, self.database = folder, database
        self.hub, self.inside, self.api, self.room = free_ports(4)
        self.address = f"http://127.0.0.1:{self.hub}"

    def url(self, role):
        return self.database.url("class").replace("teacher:", f"{role}:")

    def sql(self, commands, where):
        with psycopg.connect(self.database.url(where).replace("+psycopg", ""), autocommit=True) as connection:
            for command in commands.split(";"):
                if command.strip():
                    connection.execute(command)

    def configuration(self):
        """The recipe's, with this machine's names in place of those that it asks to be replaced."""
        (recipe,) = blocks("python")
        ours = {
            "ADDRESS": repr(self.address),
            "COMMAND": repr(str(Path(sys.executable).with_name("minirlhf"))),
            "VOTES": repr(self.url("{role}")),
            "SERVICE_PORT": repr(self.room),
            "SERVICE_USER": repr(""),  # whoever runs the hub: these tests make no system users
        }
        for name, value in ours.items():
            recipe, n = re.subn(rf"^{name} = .+", lambda _, line=f"{name} = {value}": line, recipe, flags=re.M)
            assert n == 1, f"the recipe names {name} once"
        homes = self.folder / "homes"
        here = {"homes": homes, "proxy": PROXY, "passwords": PASSWORDS, "patience": PATIENCE}
        return BENEATH.format(hub=self.hub, inside=self.inside, api=self.api, **here) + recipe

    def wait_for(self, what):
        """Until something holds; what the hub said where it never does."""
        deadline = monotonic() + PATIENCE
        while not what():
            assert self.process.poll() is None and monotonic() < deadline, self.said.read_text()
            sleep(0.05)


@pytest.fixture(scope="module")
def hub(tmp_path_factory, server):  # noqa: F811
    """A hub that runs; it and all that it started is gone afterwards."""
    if PROXY is None:
        pytest.fail("A hub needs its proxy: `make hub` fetches it.")
    hub = Class(tmp_path_factory.mktemp("hub"), server)
    roles, rights = blocks("sql")
    hub.sql(roles, "postgres")
    hub.sql("".join(f"ALTER ROLE {role} PASSWORD '{SECRET}';" for role in ("classroom", "learner")), "postgres")
    (hub.folder / "jupyterhub_config.py").write_text(hub.configuration())
    said = hub.folder / "said.txt"
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("MINIRLHF_", "OMP_"))}
    with said.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "--JupyterHub.log_level=WARN"],
            cwd=hub.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=mine | {"CONFIGPROXY_AUTH_TOKEN": uuid4().hex},
        )
    hub.process, hub.said = process, said
    try:
        hub.wait_for(lambda: answers(f"{hub.address}/services/classroom/healthz"))
        hub.sql(rights, "class")
        yield hub
    finally:
        ours = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        try:
            process.wait(timeout=30)
        finally:
            _, left = psutil.wait_procs(ours, timeout=10)
            for each in [*left, process]:
                with suppress(psutil.NoSuchProcess):
                    each.kill()


def answers(address):
    try:
        return httpx.get(address, trust_env=False, timeout=5).is_success
    except httpx.TransportError:
        return False


def runs(pid):
    """Whether a process is there, and has not ended."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Person:
    """Somebody who logs in on the hub's page and has a server there."""

    def __init__(self, hub, name):
        self.hub, self.name = hub, name
        self.client = httpx.Client(base_url=hub.address, follow_redirects=True, trust_env=False, timeout=PATIENCE)
        page = self.client.get("/hub/login")
        said = {"username": name, "password": PASSWORDS["teacher" if name == "teacher" else "learner"]}
        token = {"_xsrf": re.search(r'name="_xsrf" value="([^"]+)"', page.text)[1]}
        assert name in self.client.post("/hub/login", params=token, data=said | token).text
        self.home = hub.folder / "homes" / name

    def close(self):
        self.client.close()

    def start(self):
        """What a browser does: asks for the server, and waits on the page that tells how far it is."""
        page = self.client.get(f"/hub/spawn/{self.name}")
        while "/hub/spawn-pending/" in str(page.url):
            with self.client.stream("GET", f"/hub/api/users/{self.name}/server/progress") as told:
                for line in told.iter_lines():
                    assert '"failed": true' not in line, line
            page = self.client.get(f"/user/{self.name}/")
        # A program that asks for the person does so with a token of theirs.
        self.client.headers["Authorization"] = f"token {self.token()}"
        self.first_page = page

    def token(self):
        xsrf = {"_xsrf": self.client.cookies.get("_xsrf", path="/hub/")}
        answer = self.client.post(f"/hub/api/users/{self.name}/tokens", params=xsrf, json={"note": "a test"})
        return answer.raise_for_status().json()["token"]

    def ask(self, method, path, **more):
        return self.client.request(method, f"/user/{self.name}/api/{path}", **more).raise_for_status().json()

    def lessons(self):
        return {each["name"] for each in self.ask("GET", "contents/my_lessons")["content"]}

    @contextmanager
    def lesson(self, number):
        """One of their copies, opened: its code cells, and a kernel that runs what it is given."""
        (name,) = [name for name in self.lessons() if name.startswith(number)]
        path = f"my_lessons/{name}"
        written = self.ask("GET", f"contents/{path}")["content"]["cells"]
        cells = [cell["source"] for cell in written if cell["cell_type"] == "code"]
        opened = {"path": path, "name": name, "type": "notebook", "kernel": {"name": "python3"}}
        kernel = self.ask("POST", "sessions", json=opened)["kernel"]["id"]
        where = f"{self.hub.address.replace('http', 'ws', 1)}/user/{self.name}/api/kernels/{kernel}/channels"
        mine = {"Authorization": self.client.headers["Authorization"]}
        with closing(websocket.create_connection(where, timeout=PATIENCE, header=mine)) as channel:
            yield cells, lambda code: run(channel, code)


def run(channel, code):
    """Run a cell to its end; what it printed."""
    id, printed, waits_for = uuid4().hex, "", {"idle", "execute_reply"}
    header = {"msg_id": id, "msg_type": "execute_request", "username": "", "session": id, "version": "5.3"}
    asked = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    channel.send(
        json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": asked, "channel": "shell"})
    )
    while waits_for:
        message = json.loads(channel.recv())
        if message["parent_header"].get("msg_id") != id:
            continue
        content = message["content"]
        assert message["msg_type"] != "error", "\n".join(content["traceback"])
        printed += content["text"] if message["msg_type"] == "stream" else ""
        waits_for -= {content.get("execution_state"), message["msg_type"]}
    return printed


@pytest.fixture(scope="module")
def people(hub):
    """Two learners and a teacher, who have logged in and whose servers run."""
    with ExitStack() as stack:
        people = [stack.enter_context(closing(Person(hub, name))) for name in ("ada", "bob", "teacher")]
        with ThreadPoolExecutor(len(people)) as pool:
            list(pool.map(Person.start, people))
        yield people


SOLVED = """
from minirlhf import masked_mean

def my_masked_mean(x, mask):
    return masked_mean(x, mask)

check(my_masked_mean)
"""


def test_each_has_lessons_and_progress_of_their_own(people):
    ada, bob, _ = people
    for person in (ada, bob):
        assert person.first_page.url.path == f"/user/{person.name}/lab/tree/my_lessons/{FIRST_LESSON}"
        assert person.lessons() >= {path.name for path in paths.notebooks_folder().glob("[01]*.ipynb")}
    first = f"contents/my_lessons/{FIRST_LESSON}"
    changed, before = ada.ask("GET", first), bob.ask("GET", first)["content"]
    changed["content"]["cells"][0]["source"] = "mine"
    ada.ask("PUT", first, json={"type": "notebook", "content": changed["content"]})
    assert bob.ask("GET", first)["content"] == before
    with ada.lesson("00") as (cells, run):
        run(cells[0])
        run(SOLVED)
    done = [person.home / "my_lessons" / ".progress.json" for person in (ada, bob)]
    assert json.loads(done[0].read_text())["done"] == ["masked_mean"] and not done[1].exists()
    status = {
        person.client.get(f"/user/{other.name}/api/contents").status_code for person, other in ((ada, bob), (bob, ada))
    }
    assert status == {403}


VOTE = """
import os, torch
from minirlhf.feedback.identity import own_voter
for choice in {choices}:
    card.choose(choice)
print(own_voter(), len(card.votes()), torch.get_num_threads())
print(os.environ["OMP_NUM_THREADS"], os.environ["OMP_WAIT_POLICY"])
"""


def test_both_vote_in_a_lesson_into_one_database_each_as_themselves(hub, people):
    """And where the cores are everybody's, each of their kernels takes one, and sleeps while it waits."""

    def vote(person, choices):
        with person.lesson("04") as (cells, run):
            (card,) = [cell for cell in cells if "card = FeedbackCard(" in cell]
            run(card)
            return run(VOTE.format(choices=choices)).split()

    choices = (["A", "tie", "B"], ["both bad", "A"])
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(vote, people, choices))
    assert [each[1:] for each in said] == [["3", "1", "1", "PASSIVE"], ["2", "1", "1", "PASSIVE"]]
    with closing(FeedbackStore(hub.url("classroom"))) as store:
        assert Counter(vote.voter for vote in store.votes()) == {said[0][0]: 3, said[1][0]: 2}


@pytest.mark.parametrize(
    "command",
    ["DELETE FROM events", "UPDATE events SET voter = 'me'", "SELECT secret FROM class_rooms", "DROP TABLE events"],
)
def test_a_learner_adds_votes_and_can_neither_change_any_nor_become_the_teacher(hub, command):
    where = hub.url("learner").replace("+psycopg", "")
    with psycopg.connect(where) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(command)


OPEN = """
from minirlhf import classroom
room = classroom.open(port={port})
print(room.code, room.token, room.server, room.learner)
print(room)
"""


def test_the_classroom_is_a_service_of_the_hub(hub, people, chromium):
    """Opened in a teacher's notebook; phones, screen and panel by the hub's address, and no phone needs an account."""
    teacher = people[-1]
    with teacher.lesson("00") as (_, run):
        said = run(OPEN.format(port=hub.room))
    code, token, own_server, learner = said.split()[:4]
    assert own_server == "0", "the hub's own server takes the room"
    room = SimpleNamespace(code=code, token=token)
    assert all(f"{hub.address}/services/classroom/{kind}/{code}" in said for kind in ("j", "screen", "teach"))
    with visiting(chromium, f"{hub.address}/services/classroom") as visitors, stream_of(visitors.address, code) as news:
        panel, screen = visitors.visit("teach", room), visitors.visit("screen", room)
        panel.locator("#questions li").first.wait_for(timeout=1000 * PATIENCE)  # the model has to write them first
        press(panel, "Open the vote")
        phones = [visitors.phone(room, name) for name in ("Owl", "Fox")]
        for phone in phones:
            with sent(phone, "vote"):
                press(phone, "A is better")
        while next(news)["votes"] < len(phones):
            pass
        expect(screen.get_by_role("definition")).to_have_text(["2", "2"])  # have joined, and voted
        # What a hub does with a server that nobody has used for a while.
        teacher.client.delete("/hub/api/users/teacher/server").raise_for_status()
        with sent(phones[0], "vote"):
            press(phones[0], "Tie")
        with closing(FeedbackStore(hub.url("classroom"))) as store:
            assert len(rooms.votes_of(store, code)) == 3
            with store.connect() as connection:
                rooms.step(connection, code, "end", {})
    hub.wait_for(lambda: not runs(int(learner)))  # which outlives the notebook, and not the room


@contextmanager
def visiting(chromium, address):
    """Browsers in which no script has failed at the end, and from which nothing went elsewhere."""
    visitors = Visitors(chromium, address)
    yield visitors
    for context in visitors.contexts:
        context.close()
    assert not visitors.wrong


@contextmanager
def stream_of(address, code):
    """What the projector is told, as it is told it."""
    with httpx.stream("GET", f"{address}/api/{code}/screen/events", trust_env=False, timeout=PATIENCE) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        yield (json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: "))


@pytest.mark.parametrize("header", [{"Origin": "http://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_page_of_somebody_elses_may_not_join_through_the_hub(hub, header):
    """The hub's own pages are of the same origin; others are not."""
    here = {"Origin": hub.address}
    join = f"{hub.address}/services/classroom/api/NOSUCHROOM/join"
    assert httpx.post(join, json={}, headers=here, trust_env=False).status_code == 404
    assert httpx.post(join, json={}, headers=here | header, trust_env=False).status_code == 403
