"""The same promises on a database server: a PostgreSQL of our own, started for these tests and gone after them.

Debian keeps its programs in /usr/lib/postgresql; a server refuses to run as root, so root starts it as somebody else.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import psycopg
import pytest
import test_store
from test_store import SECRET, everything_said, vote

from minirlhf.feedback import store as module
from minirlhf.feedback.store import FeedbackStore, StoreError
from minirlhf.feedback.votes import Question, Text

pytestmark = pytest.mark.server

# What does not depend on where the votes live.
open_store, address, store, mixed = (test_store.open_store, test_store.address, test_store.store, test_store.mixed)


def programs():
    """The folder of the newest PostgreSQL here."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    if anywhere := shutil.which("initdb"):
        return Path(anywhere).resolve().parent
    pytest.fail("These tests start a PostgreSQL server of their own: apt-get install postgresql")


class Server:
    """A cluster in a folder of its own, on a free port of this machine, with one password."""

    def __init__(self, folder):
        self.folder = folder
        if os.geteuid() == 0:
            names = {user.pw_name for user in pwd.getpwall()}
            self.user = {"user": "postgres" if "postgres" in names else "nobody", "extra_groups": []}
            shutil.chown(folder, self.user["user"])
        else:
            self.user = {}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (folder / "password").write_text(SECRET)
        # Sorted as in a dictionary, as servers usually do it: a store must not rely on that.
        locale = ("-E", "UTF8", "--locale=C", "--locale-provider=icu", "--icu-locale=en")
        secret = ("-A", "scram-sha-256", "-U", "teacher", "--pwfile", folder / "password")
        self.call("initdb", *locale, *secret)
        self.start()

    def call(self, program, *arguments):
        """Run one of PostgreSQL's programs on the cluster."""
        command = [programs() / program, "-D", self.folder / "data", *arguments]
        # Into a file, since a server that goes on would keep a pipe open.
        with open(self.folder / "log", "a") as log:
            done = subprocess.run(command, cwd="/", stdout=log, stderr=log, **self.user)
        assert done.returncode == 0, (self.folder / "log").read_text()

    def start(self):
        where = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self.call("pg_ctl", "start", "-w", "-o", where)

    def stop(self, mode="fast"):
        self.call("pg_ctl", "stop", "-w", "-m", mode)

    def url(self, database="postgres", password=SECRET):
        return f"postgresql+psycopg://teacher:{password}@127.0.0.1:{self.port}/{database}"

    def ask(self, sql):
        """Ask the server directly, as its owner."""
        url = self.url().replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as connection:
            answer = connection.execute(sql)
            return answer.fetchall() if answer.description else None


@pytest.fixture(scope="module")
def server():
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    server = Server(folder)
    yield server
    server.stop("immediate")
    shutil.rmtree(folder)


databases = iter(range(10_000))


@pytest.fixture
def new_address(server):
    """Where no store has been yet: a new database."""

    def make():
        name = f"class{next(databases)}"
        server.ask(f"CREATE DATABASE {name}")
        return server.url(name)

    return make


class TestOnAServer(test_store.Promises):
    pass


def test_it_really_is_a_server(store, server):
    """What the tests above have been about."""
    assert store.path is None
    store.append(vote(1))
    (version,) = server.ask("SHOW server_version")[0]
    assert int(version.split(".")[0]) >= 15
    assert server.ask("SELECT 'a' < 'B'") == [(True,)]  # by their bytes it would be the other way round
    name = store.where.rsplit("/", 1)[1]
    assert (name,) in server.ask("SELECT datname FROM pg_database")


# Between a file and a server.


def test_votes_move_from_files_to_a_server_and_back(mixed, tmp_path, open_store):
    """What a teacher does: collect on the server, take a copy home; events, their order and the undos survive."""
    server, before = mixed[0], len(mixed[0].events())
    home = open_store(tmp_path / "home.db")
    home.append(vote(500, voter="home", time=server.events()[3].time))
    taken = home.events()
    for each in mixed:
        home.merge(each)
    assert {event.id for each in mixed for event in each.events()} < {event.id for event in home.events()}
    assert server.merge(tmp_path / "home.db") == len(home.events()) - before
    assert server.events() == home.events()
    assert server.votes() == home.votes()
    assert server.merge(home) == home.merge(server) == 0
    assert taken[0] in server.votes(voter="home")
    for n in (0, 1, 7, 40, len(home.events())):
        assert server.votes(first=n) == home.votes(first=n)


def test_a_file_merges_a_server_by_its_address(store, address, tmp_path, open_store):
    store.append(vote(1))
    assert open_store(tmp_path / "home.db").merge(address) == 1


def test_a_merge_that_the_server_refuses_half_way_leaves_nothing(store, tmp_path, open_store):
    """PostgreSQL keeps no NUL in a text, and a file does."""
    home = open_store(tmp_path / "home.db")
    for number in range(5):
        home.append(vote(number))
    nul = vote(5, question=Question("pair", "Hello\0?", ("yes", "no")))
    home.append(nul)
    home.append(vote(6))
    assert nul in home.votes()
    with pytest.raises(StoreError, match=r"Nothing was counted. A text holds half a character, or none"):
        store.merge(home)
    assert store.events() == []


def test_a_nul_in_a_reply_or_an_answer_is_kept(store):
    """A model may write one; what is kept as JSON can say it."""
    cast = vote(1, question=Question("pair", "Hello?", ("yes\0", "no")))
    written = vote(2, Text("\0"), question=Question("demonstration", "Hello?"))
    store.append(cast)
    store.append(written)
    assert store.votes() == [cast, written]


# The server goes away and comes back.


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_goes_away_is_said_and_when_it_is_back_the_store_goes_on(server, store, mode):
    """Immediate is the server's kill -9. What it acknowledged before is there."""
    votes = [vote(number) for number in range(3)]
    store.append(votes[0])
    server.stop(mode)
    try:
        for doing, call in (("be written", lambda: store.append(votes[1])), ("be read", store.votes)):
            with pytest.raises(StoreError, match=f"(?s){doing} .*Does the database server run") as caught:
                call()
            assert SECRET not in everything_said(caught.value)
            assert ("Nothing was counted" in str(caught.value)) == (doing == "be written")
    finally:
        server.start()
    assert store.votes() == votes[:1]
    assert store.append(votes[1])
    assert store.append(votes[2])
    assert store.votes() == votes


def test_every_connection_of_a_busy_store_survives_a_restart(server, store):
    """Not only the first one that notices: all threads had one."""
    workers = 8
    ready = Barrier(workers)

    def work(number):
        ready.wait()
        return store.append(vote(number))

    with ThreadPoolExecutor(workers) as pool:
        assert all(pool.map(work, range(workers)))
        server.stop("immediate")
        server.start()
        assert all(pool.map(work, range(workers, 2 * workers)))
    assert len(store) == 2 * workers


def test_a_connection_cut_in_the_middle_of_a_merge_leaves_nothing(server, store, tmp_path, open_store):
    """The server ends the connection while the transaction waits for another one's lock."""
    home = open_store(tmp_path / "home.db")
    for number in range(20):
        home.append(vote(number))
    url = server.url(store.where.rsplit("/", 1)[1]).replace("+psycopg", "")
    last = home.events()[-1].id
    with psycopg.connect(url) as other, ThreadPoolExecutor(1) as pool:
        other.execute(
            "INSERT INTO events (id, event, time, voter) VALUES (%s, 'undo', '', '')", (last,)
        )  # not committed: who brings the same id must wait
        merging = pool.submit(store.merge, home)
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT%'"
        while not (found := server.ask(waiting)):
            assert not merging.done()
        server.ask(f"SELECT pg_terminate_backend({found[0][0]})")
        with pytest.raises(StoreError, match=r"(?s)be written .*Nothing was counted. Does the database server run"):
            merging.result()
        other.rollback()
    assert store.events() == []
    assert store.merge(home) == 20


# What cannot be opened is said.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"password": "guessed"}, "password authentication failed"),
        ({"database": "nowhere"}, 'database "nowhere" does not exist'),
    ],
)
def test_what_the_server_refuses_is_said_without_the_password(server, change, message):
    with pytest.raises(StoreError, match=f"{message}.*\\).*are address, user and password right") as caught:
        FeedbackStore(server.url(**change))
    said = everything_said(caught.value)
    assert SECRET not in said
    assert "guessed" not in said
    assert f"teacher:***@127.0.0.1:{server.port}" in str(caught.value)


def test_a_server_that_does_not_answer_is_given_up(monkeypatch):
    """A port where somebody listens and says nothing, as behind a firewall."""
    monkeypatch.setattr(module, "BUSY_SECONDS", 2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        with pytest.raises(StoreError, match=r"could not be opened \(.*timeout.*\).*Does the database server"):
            FeedbackStore(f"postgresql+psycopg://teacher:{SECRET}@127.0.0.1:{port}/votes")


def test_a_newer_schema_is_refused_and_left_alone(store, address, server):
    store.append(vote(1))
    url = address.replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE about SET schema = 2")
    with pytest.raises(StoreError, match=r"written by a newer minirlhf .its schema is 2.*Nothing was changed"):
        FeedbackStore(address)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT schema FROM about").fetchall() == [(2,)]


def test_a_database_may_hold_other_tables(server, new_address, open_store):
    """On a server that is usual; a file with somebody else's tables is somebody else's."""
    address = new_address()
    with psycopg.connect(address.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE places (url text)")
    store = open_store(address)
    assert store.append(vote(1))


def test_who_may_only_read_reads_and_is_told_that_they_cannot_vote(store, address, server, open_store):
    store.append(vote(1))
    with psycopg.connect(address.replace("+psycopg", "")) as connection:
        connection.execute(f"CREATE ROLE guest LOGIN PASSWORD '{SECRET}'")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest")
    guest = open_store(address.replace("teacher:", "guest:"))
    assert len(guest) == 1
    with pytest.raises(StoreError, match=r"permission denied.*Nothing was counted.*may not be written to"):
        guest.append(vote(2))


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_the_server_is_found_by_its_socket_too(server, open_store, new_address, driver):
    name = new_address().rsplit("/", 1)[1]
    store = open_store(f"{driver}://teacher:{SECRET}@/{name}?host={server.folder}&port={server.port}")
    assert store.append(vote(1))
    assert store.where == f"{driver}://teacher:***@/{name}"
    assert SECRET not in repr(store)


def test_a_store_of_many_threads_asks_for_few_connections(server, store, address):
    """A server has a hundred for everybody; a class of fifty threads must not take them all."""
    with ThreadPoolExecutor(50) as pool, closing(store):
        assert all(pool.map(lambda number: store.append(vote(number)), range(200)))
        name = address.rsplit("/", 1)[1]
        counted = server.ask(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'")
    assert counted[0][0] <= 15
