"""A room from the outside: open it, find it again, ask it for its votes, close it.

    session = classroom.open()          # a server, a learner, and the links
    session.votes()                     # ordinary votes, for every function of the course
    session = classroom.attach()        # after the kernel was started anew

Server and learner are processes of their own and outlive whoever opened them. Where they are is written down in the
learner's own folder, in a file that only its owner may read, for the teacher's link is in it.
"""

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import psutil

from minirlhf import paths
from minirlhf.classroom import paper, rooms, views
from minirlhf.classroom.place import Place, hubs_place
from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import Vote

PORT = 8765
PORT_ELSEWHERE = "MINIRLHF_PORT"  # where many share a machine: 0 for any port that is free
_started: dict[int, subprocess.Popen] = {}  # by this process, which has to take leave of them when they end
STARTS_WITHIN = 60  # seconds, on a machine that does something else
NOTE = "classroom.json"


@dataclass
class Session:
    """One open room: its links, its votes, and what can be done with it."""

    place: Place
    code: str
    token: str
    server: int
    """The server's process."""
    learner: int
    """The learner's process."""

    @property
    def address(self) -> str:
        """Where this machine reaches the server."""
        host = "127.0.0.1" if self.place.host == "0.0.0.0" else self.place.host
        return f"http://{host}:{self.place.port}{self.place.prefix}"

    @property
    def outside(self) -> str:
        """Where phones reach it."""
        return f"{self.place.address or f'http://{self.place.host}:{self.place.port}'}{self.place.prefix}"

    @property
    def join_link(self) -> str:
        """For the phones; the QR code says it."""
        return f"{self.outside}/j/{self.code}"

    @property
    def screen_link(self) -> str:
        """For the projector."""
        return f"{self.outside}/screen/{self.code}"

    @property
    def teacher_link(self) -> str:
        """For you alone: whoever has it leads the room."""
        return f"{self.outside}/teach/{self.code}#{self.token}"

    @property
    def store(self) -> FeedbackStore:
        """Where the votes are."""
        return FeedbackStore(self.place.store)

    def votes(self) -> list[Vote]:
        """The room's votes that count, oldest first."""
        return rooms.votes_of(self.store, self.code)

    def do(self, what: str, **wish: Any) -> None:
        """What the panel does: open, close, train, reveal, next, relearn, pause, resume, lock, unlock, end.

        `do("next", kind="schools")` or `kind="values"` opens another kind of round than an ordinary one; before the
        first round, `do("kind", kind="schools")` chooses it.
        """
        with self.store.connect() as connection:
            rooms.step(connection, self.code, what, wish)

    def tally(self, pair: int, a: int, b: int, tie: int = 0, both_bad: int = 0) -> None:
        """How many hands a pair of this round got on paper, by its number on the sheet; again, and it is corrected."""
        with self.store.connect() as connection:
            asked = rooms.asked_in(connection, self.code, rooms.find(connection, self.code).round)
            if not 1 <= pair <= len(asked):
                raise rooms.Refused(f"There is no pair {pair} on the sheet; it has 1 to {len(asked)}.", 404)
            paper.count_hands(connection, self.code, asked[pair - 1]["key"], (a, b, tie, both_bad))

    def seen(self) -> dict[str, Any]:
        """What the projector shows."""
        found = httpx.get(f"{self.address}/api/{self.code}/screen", trust_env=False, timeout=20)
        return found.raise_for_status().json()

    def alive(self) -> bool:
        """Whether a server answers there that knows this room; another room's, on another store, does not."""
        try:
            return httpx.get(f"{self.address}/api/{self.code}/screen", trust_env=False, timeout=5).is_success
        except httpx.TransportError:
            return False

    def close(self) -> None:
        """End the room and its processes; the votes stay where they are."""
        with self.store.connect() as connection:
            rooms.change(connection, self.code, phase="over")
        for process in (self.server, self.learner):
            _stop(process)
        if (note := note_file()).is_file() and json.loads(note.read_text())["code"] == self.code:
            note.unlink()

    def __str__(self) -> str:
        where = (
            "Only this machine reaches it. For phones, open it on the local network: lan=True, or --lan."
            if self.place.host == "127.0.0.1" and not self.place.address
            else "Everybody on this network reaches it. What is sent is not encrypted; nobody needs a real name."
        )
        return "\n".join(
            [
                f"Phones:     {self.join_link}",
                f"Projector:  {self.screen_link}",
                f"Teacher:    {self.teacher_link}   (for you alone)",
                where,
            ]
        )


def open(
    title: str = "Which reply is better?",
    lan: bool = False,
    port: int | None = None,
    hours: float = 4.0,
    seats: int = 500,
    store: str | Path | None = None,
    address: str = "",
    prefix: str = "",
    seed: int = 0,
    keep_days: float = rooms.KEEP_DAYS,
) -> Session:
    """Open a room and start what serves it; the links are in the Session.

    Only this machine reaches it unless `lan` is given; `address` and `prefix` are a proxy's or hub's, and not needed
    where a hub is configured for it. `store` is where the votes go, a file or a database's address: your own votes', if
    not said. `keep_days` after the room's time its votes, seats and nicknames are deleted. The port is 8765, or what
    MINIRLHF_PORT says, if not said. OSError where nothing can listen there.
    """
    port = int(os.environ.get(PORT_ELSEWHERE) or PORT) if port is None else port
    where = FeedbackStore(store)
    rooms.purge(where)
    kept = kept_in(where, store)
    if not (lan or address or prefix):
        address, prefix = hubs_place()
    host = "0.0.0.0" if lan else "127.0.0.1"
    if lan and not address:
        address = f"http://{lan_address()}:{port}"
    code, token = rooms.open_room(where, title, hours, seats, seed, keep_days)
    session = Session(Place(kept, host, port, address, prefix), code, token, 0, 0)
    _start(session)
    return session


def attach() -> Session:
    """The room that was opened last on this machine; what has stopped of it meanwhile is started again.

    FileNotFoundError where none is open.
    """
    try:
        session = _noted(note_file())
    except (OSError, ValueError):
        raise FileNotFoundError("No room is open here. classroom.open() opens one.") from None
    resume(session)
    return session


def resume(session: Session) -> None:
    """Start again what has stopped of a room."""
    if not session.alive() or not _runs(session.learner):
        _start(session)


def close_left_in(folder: Path) -> None:
    """End the room that a notebook, run by a program and not by somebody, has left open in its learner's folder.

    Whoever runs one and waits for its end calls this, whatever the end was: nobody comes back to that room.
    """
    note = folder / NOTE
    if note.is_file():
        _noted(note).close()
        note.unlink(missing_ok=True)


def _noted(note: Path) -> Session:
    """The room that a note says is open."""
    found = json.loads(note.read_text())
    return Session(**found | {"place": Place(**found["place"])})


def kept_in(where: FeedbackStore, store: str | Path | None) -> str:
    """What another process opens the same store by; unlike `where.where`, with a password if there is one."""
    return str(where.path) if where.path else str(store or paths.votes_file())


def phase_of(session: Session) -> str:
    """What the room does, in one word, also where its server does not answer."""
    with session.store.connect("be read") as connection:
        return views.phase(rooms.find(connection, session.code))


def note_file() -> Path:
    """Where it is written down which room is open."""
    return paths.lessons_folder() / NOTE


def lan_address() -> str:
    """This machine's address on the local network; 127.0.0.1 where it is on none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent: it only asks which way a packet would go
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"


def _start(session: Session) -> None:
    """Start what does not run, and write down where it is."""
    if not session.alive():
        process, said = _process("server", asdict(session.place), talks=True)
        if "error" in said:
            raise OSError(f"{said['error']} Is a room open there already? classroom.attach() finds it; or give port=….")
        session.server = process.pid
        session.place = Place(**asdict(session.place) | {"port": said["port"]})
        deadline = monotonic() + STARTS_WITHIN
        while not session.alive():
            if process.poll() is not None or monotonic() > deadline:
                raise OSError(f"The server did not start; its last words are in {log_file('server')}.")
            sleep(0.05)
    if not _runs(session.learner):
        session.learner = _process("learning", {"store": session.place.store, "code": session.code})[0].pid
    note = note_file()
    note.touch(mode=0o600)
    note.write_text(json.dumps(asdict(session)))


def log_file(name: str) -> Path:
    """Where a process's complaints go; no link and no vote is among them."""
    return paths.lessons_folder() / f"classroom-{name}.log"


def _process(name: str, asked: dict[str, Any], talks: bool = False) -> tuple[subprocess.Popen, dict[str, Any]]:
    """A process that outlives this one, which was told what it is to do, and what it says first."""
    threads = {"OMP_NUM_THREADS": "1"} if name == "server" else {}
    with log_file(name).open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", f"minirlhf.classroom.{name}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if talks else subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
            env=os.environ | threads,
            text=True,
        )
    _started[process.pid] = process
    assert process.stdin
    process.stdin.write(json.dumps(asked) + "\n")
    process.stdin.close()
    said = ""
    if process.stdout:
        with process.stdout as pipe:
            said = pipe.readline()
    if talks and not said:
        raise OSError(f"The {name} did not start; its last words are in {log_file(name)}.")
    return process, json.loads(said or "{}")


def _runs(process: int) -> bool:
    """Whether a classroom's process has this number still: once it has ended, somebody else's may."""
    try:
        found = psutil.Process(process) if process else None
        return found is not None and any("minirlhf.classroom" in word for word in found.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # a zombie has no command line, or is none of ours
        return False


def _stop(process: int) -> None:
    if _runs(process):
        running = psutil.Process(process)
        running.terminate()
        psutil.wait_procs([running], timeout=10)
    if ours := _started.pop(process, None):
        ours.wait()
