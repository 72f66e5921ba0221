"""A room from the outside: open it, find it again, ask it for its votes, close it.

    session = classroom.open()          # a server, a learner, and the links; called again, the room that is open
    session.votes()                     # ordinary votes, for every function of the course
    session = classroom.attach()        # after the kernel was started anew

Server and learner are processes of their own and outlive whoever opened them. Where the open rooms are is written down
in the learner's own folder, in a file that only its owner may read, for the teachers' links are in it.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import segno

from minirlhf import paths
from minirlhf.classroom import paper, rooms, tokens, views
from minirlhf.classroom.place import Place, hubs_place
from minirlhf.feedback.store import FeedbackStore, StoreError
from minirlhf.feedback.votes import Vote
from minirlhf.files.messages import counted, listed, shown

if TYPE_CHECKING:
    from IPython.display import SVG

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
    again: bool = False
    """Whether it was open already, and has been found."""

    @property
    def address(self) -> str:
        """Where this machine reaches the server."""
        host = "127.0.0.1" if self.place.host == "0.0.0.0" else self.place.host
        return f"http://{host}:{self.place.port}{self.place.prefix}"

    @property
    def outside(self) -> str:
        """Where phones reach it."""
        return f"{self.place.called}{self.place.prefix}"

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

    @property
    def local(self) -> bool:
        """Whether only this machine reaches it."""
        return self.place.host == "127.0.0.1" and not self.place.address

    def panel_code(self) -> "SVG":
        """The teacher's link as a picture for your own phone; whoever else photographs it leads the room.

        ValueError where no phone reaches the room.
        """
        if self.local:
            raise ValueError("No phone reaches this room, so none can open its panel. Open it with lan=True.")
        from IPython.display import SVG

        drawn = BytesIO()
        self.panel_qr().save(drawn, kind="svg", scale=4, border=4, light="#fff")
        return SVG(drawn.getvalue())

    def panel_qr(self) -> segno.QRCode:
        """The teacher's link, to be drawn in whatever way."""
        return segno.make_qr(self.teacher_link)

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
        """End the room and its processes; the votes stay where they are, and so does another room that is open."""
        self._close_noted_in(note_file())

    def _close_noted_in(self, note: Path) -> None:
        try:
            with self.store.connect() as connection:
                rooms.change(connection, self.code, phase="over")
        finally:
            others = [each for each in _noted(note) if each.code != self.code]
            _stop(self.learner)
            # A server answers for all rooms of its store.
            if not any(each.server == self.server and _is_open(each) for each in others):
                _stop(self.server)
            _write(note, others)

    def __str__(self) -> str:
        where = "Everybody on this network reaches it. What is sent is not encrypted; nobody needs a real name."
        if self.local:
            where = "Only this machine reaches it. For phones, open it on the local network: lan=True, or --lan."
        elif self.place.called.startswith("http://127.0.0.1"):
            where = "This machine is on no network, so no phone reaches it yet. Connect it, and open the room again."
        found = f"It was open already: {self.inside()} open(another=True) opens an empty one." if self.again else ""
        return "\n".join(
            [
                f"Phones:     {self.join_link}",
                f"Projector:  {self.screen_link}",
                f"Teacher:    {self.teacher_link}   (for you alone)",
                where,
                *([found] if found else []),
            ]
        )

    def inside(self) -> str:
        """Who sits in it and what it does, in a sentence."""
        with self.store.connect("be read") as connection:
            room = rooms.find(connection, self.code)
            people = [member["origin"] for member in rooms.seated_in(connection, self.code)]
            votes = len(rooms.standing_in(connection, self.code))
        simulated = people.count("simulated")
        ghosts = f" ({simulated} simulated)" if simulated else ""
        doing = rooms.SAID[views.phase(room)]
        return (
            f"{counted(len(people), 'person', 'people')}{ghosts}, {counted(votes, 'vote')}; "
            f"in round {room.round} it is {doing}."
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
    another: bool = False,
) -> Session:
    """Open a room and start what serves it; the links are in the Session.

    Only this machine reaches it unless `lan` is given; `address` and `prefix` are a proxy's or hub's, and not needed
    where a hub is configured for it. `store` is where the votes go, a file or a database's address: your own votes', if
    not said. `keep_days` after the room's time its votes, seats and nicknames are deleted. The port is 8765, or what
    MINIRLHF_PORT says, if not said. OSError where nothing can listen there.

    Where your room is open already, on the same store, it is this one that you get, with all who sit in it: a cell may
    be run twice. It is served anew where `lan` or an address is another one than before. `another` opens a second one.
    """
    port = int(os.environ.get(PORT_ELSEWHERE) or PORT) if port is None else port
    where = FeedbackStore(store)
    rooms.purge(where)
    if not (lan or address or prefix):
        address, prefix = hubs_place()
    kept = kept_in(where, store)
    open_here = [each for each in _still_open(note_file()) if each.place.store == kept]
    port = port or (open_here[-1].place.port if open_here else 0)
    if lan and not address:
        port = port or free_port()  # phones are told before anything listens there
        address = f"http://{lan_address()}:{port}"
    place = Place(kept, "0.0.0.0" if lan else "127.0.0.1", port, address, prefix)
    if open_here and not another:
        session = open_here[-1]
        with where.connect() as connection:
            rooms.change(connection, session.code, title=title, seats=seats)
    else:
        code, token = rooms.open_room(where, title, hours, seats, seed, keep_days)
        session = Session(place, code, token, 0, 0)
    _serve(session, place, open_here)
    return session


def attach(code: str = "") -> Session:
    """The room that was opened last on this machine, or the one of this code; what has stopped of it is started again.

    FileNotFoundError where none is open.
    """
    found = _still_open(note_file())
    if not found:
        raise FileNotFoundError("No room is open here. classroom.open() opens one.")
    if code and (named := [each for each in found if each.code == tokens.clean_code(code)]) != found:
        if not named:
            raise FileNotFoundError(f"No room {shown(code)} is open here; there is {listed([r.code for r in found])}.")
        found = named
    resume(found[-1])
    return found[-1]


def resume(session: Session) -> None:
    """Start again what has stopped of a room."""
    if not session.alive() or not _runs(session.learner):
        _start(session)


def close_left_in(folder: Path) -> None:
    """End the room that a notebook, run by a program and not by somebody, has left open in its learner's folder.

    Whoever runs one and waits for its end calls this, whatever the end was: nobody comes back to that room.
    """
    for session in _noted(folder / NOTE):
        session._close_noted_in(folder / NOTE)


def _noted(note: Path) -> list[Session]:
    """The rooms that a note says are open, the last one opened last; none where there is no note that can be read."""
    try:
        found = json.loads(note.read_text())
        return [Session(**each | {"place": Place(**each["place"]), "again": True}) for each in found]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _still_open(note: Path) -> list[Session]:
    """Those whose time is not over, and whose database still knows them."""
    return [session for session in _noted(note) if _is_open(session)]


def _is_open(session: Session) -> bool:
    try:
        return phase_of(session) != "over"
    except (rooms.Refused, StoreError):
        return False


def _is_left(session: Session) -> bool:
    """Whether it is open, or over and a process of it still says so to the phones."""
    return _is_open(session) or _runs(session.server) or _runs(session.learner)


def _write(note: Path, sessions: Sequence[Session]) -> None:
    """Note which rooms are open; no note where none is."""
    if not sessions:
        return note.unlink(missing_ok=True)
    note.touch(mode=0o600)
    note.write_text(json.dumps([asdict(each) for each in sessions]))


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


def free_port() -> int:
    """A port at which nothing listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def lan_address() -> str:
    """This machine's address on the local network; 127.0.0.1 where it is on none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent: it only asks which way a packet would go
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"


def _serve(session: Session, place: Place, beside: Sequence[Session]) -> None:
    """Let a room be served at this place; a server that answers for it elsewhere, or under other names, is ended."""
    for other in beside:
        if other.place != place and (other.code == session.code or other.place.port == place.port):
            _stop(other.server)
    session.place = place
    _start(session)


def _start(session: Session) -> None:
    """Start what does not run, and write down where it is."""
    others = [each for each in _noted(note_file()) if each.code != session.code and _is_left(each)]
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
    elif not _runs(session.server):  # another room's, or a hub's
        session.server = next((each.server for each in others if each.place == session.place), 0)
        _require_called(session)
    if not _runs(session.learner):
        session.learner = _process("learning", {"store": session.place.store, "code": session.code})[0].pid
    _write(note_file(), [*others, session])


def _require_called(session: Session) -> None:
    """OSError where the server that answers knows itself under another address: its links would lead nowhere."""
    said = httpx.get(f"{session.address}/healthz", trust_env=False, timeout=5).json().get("address")
    if said != session.place.called:
        raise OSError(
            f"Port {session.place.port} has a server that was started elsewhere, as {said}, and not as "
            f"{session.place.called}. Close the room there, or give port=… ."
        )


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
