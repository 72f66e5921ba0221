"""Where votes live: an append-only table of events that every thread and every notebook may write to at once.

Nothing is overwritten: taking a vote back is an event too, so the state after any number of events can be rebuilt.
An event is on disk when `append` returns. Every event has an id of its own, so that writing one twice, or merging
two stores twice, changes nothing.

Left out: updates, deletions, and any cache. A vote is a row, and a few thousand rows are read in milliseconds.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.event import listens_for
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.schema import CreateTable

from minirlhf.feedback.votes import Event, Question, Undo, Vote, answer_from_row, answer_to_row
from minirlhf.workspace import votes_file

SCHEMA = 1
BUSY_SECONDS = 10  # how long to wait while another notebook writes
NETWORK_DISKS = {
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "gpfs", "lustre", "afs", "ceph", "glusterfs", "beegfs",
    "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone", "afpfs", "webdav",
}  # fmt: skip

metadata = sa.MetaData()
about = sa.Table("about", metadata, sa.Column("schema", sa.Integer, primary_key=True))
events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("event", sa.String(8), nullable=False),  # vote or undo
    sa.Column("undoes", sa.String(32)),  # an undo's vote; what follows is empty there
    sa.Column("time", sa.String(32), nullable=False),  # UTC, ISO 8601: sorts as text
    sa.Column("voter", sa.String(200), nullable=False),
    sa.Column("origin", sa.String(16)),
    sa.Column("question", sa.String(16)),
    sa.Column("pair", sa.String(16)),
    sa.Column("mode", sa.String(16)),
    sa.Column("prompt", sa.Text),
    sa.Column("replies", sa.JSON),
    sa.Column("models", sa.JSON),
    sa.Column("checkpoints", sa.JSON),
    sa.Column("round", sa.Integer),
    sa.Column("purpose", sa.String(16)),
    sa.Column("expected", sa.Integer),
    sa.Column("shown", sa.JSON),
    sa.Column("choice", sa.JSON),
    sa.Column("response_ms", sa.Integer),
)


class StoreError(OSError):
    """The store could not do what was asked. The message says what this means for the votes, and what to do."""


class FeedbackStore:
    """The votes of one file, or of one database: `FeedbackStore()`, `FeedbackStore("votes.db")`, `FeedbackStore(url)`.

    A path is an SQLite file, made when it is not there; a URL is SQLAlchemy's ("postgresql+psycopg://…"). Without
    either, the learner's own file. Any thread may call any method. Raises StoreError, with a remedy.
    """

    def __init__(self, where: str | Path | None = None) -> None:
        where = votes_file() if where is None else where
        self.path = None if "://" in str(where) else Path(where).expanduser().absolute()
        self._engine = _open_file(self.path) if self.path else _open_url(str(where))
        with self._connect("be opened") as connection:
            _prepare_tables(connection, self.where)

    @property
    def where(self) -> str:
        """The file, or the database's address without its password, for people to read."""
        return str(self.path or self._engine.url.render_as_string(hide_password=True))

    def append(self, event: Event) -> bool:
        """Put an event on disk; False if it is there already. When this returns, the event survives a crash."""
        return self._insert([_to_row(event)]) == 1

    def undo(self, vote: Vote) -> Undo:
        """Take a vote back. Both the vote and this stay on record."""
        undo = Undo(vote.id, vote.voter)
        self.append(undo)
        return undo

    def events(self, first: int | None = None) -> list[Event]:
        """What happened, oldest first; `first` looks at no more than so many events."""
        chosen = sa.select(events).order_by(events.c.time, events.c.id).limit(first)
        with self._connect("be read") as connection:
            rows = connection.execute(chosen).mappings().all()
        return [_from_row(dict(row)) for row in rows]

    def votes(
        self, voter: str | None = None, round: int | None = None, first: int | None = None
    ) -> list[Vote]:
        """The votes that stand, oldest first: cast and not taken back, of one voter or round if asked.

        With `first`, as things stood after so many events: the time machine.
        """
        happened = self.events(first)
        undone = {event.undoes for event in happened if isinstance(event, Undo)}
        return [
            event
            for event in happened
            if isinstance(event, Vote)
            and event.id not in undone
            and voter in (None, event.voter)
            and round in (None, event.question.round)
        ]

    def __len__(self) -> int:
        """How many votes stand."""
        return len(self.votes())

    def merge(self, other: "FeedbackStore | str | Path") -> int:
        """Take over every event of another store that is not here yet, all or none; returns how many those were."""
        if isinstance(other, FeedbackStore):
            return self._insert(_to_row(event) for event in other.events())
        if "://" not in str(other) and not Path(other).is_file():
            raise StoreError(f"{other} does not exist, so there is nothing to merge. Is its name right?")
        source = FeedbackStore(other)
        try:
            return self.merge(source)
        finally:
            source.close()

    def close(self) -> None:
        """Let go of the file; the store opens it again when it is next used."""
        self._engine.dispose()

    def __repr__(self) -> str:
        return f"FeedbackStore({self.where!r}): {len(self)} votes"

    def _insert(self, rows: Iterable[dict[str, Any]]) -> int:
        """One transaction: all of these rows are on disk afterwards, or none is."""
        with self._connect("be written") as connection:
            count = 0
            for row in rows:
                count += connection.execute(_insert_once(events, connection), row).rowcount
        return count

    @contextmanager
    def _connect(self, doing: str) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise StoreError(_explain(str(error.orig), self.where, doing)) from error
        except SQLAlchemyError as error:
            raise StoreError(f"{self.where} could not {doing}: {error}") from error


def _insert_once(table: sa.Table, connection: sa.Connection) -> Any:
    """An INSERT that does nothing where the primary key is there already."""
    insert = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[connection.dialect.name]
    return insert(table).on_conflict_do_nothing()


def _open_file(path: Path) -> sa.Engine:
    """An engine on an SQLite file, safe against a crash at any moment."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(_explain(str(error), str(path), "be opened")) from error
    # A write-ahead log lets readers read while somebody writes; it needs shared memory, which no network disk has.
    journal = "DELETE" if on_network_disk(path) else "WAL"
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_SECONDS}
    )

    @listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        connection.execute(f"PRAGMA journal_mode={journal}")
        connection.execute("PRAGMA synchronous=FULL")

    return engine


def _open_url(url: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            return _open_file(Path(parsed.database))
        engine = sa.create_engine(parsed, pool_pre_ping=True)
    except (SQLAlchemyError, ImportError) as error:
        raise StoreError(
            f"{url!r} is no database that can be opened here: {error}. A path makes an SQLite file; PostgreSQL is "
            "postgresql+psycopg://user:password@host/database, and needs `pip install 'psycopg[binary]'`."
        ) from error
    if engine.dialect.name not in ("sqlite", "postgresql"):
        raise StoreError(
            f"{engine.dialect.name} databases were never tried here; use SQLite (a path) or PostgreSQL."
        )
    return engine


def on_network_disk(path: Path, mounts: str | None = None) -> bool:
    """Whether a path lies on a disk that other computers write to, as far as the system tells (on Linux it does).

    `mounts` is the text of /proc/self/mounts.
    """
    if sys.platform == "win32":
        return str(path).startswith("\\\\")
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False
    fields = [line.split() for line in mounts.splitlines()]
    kinds = {PurePosixPath(f[1].replace("\\040", " ")): f[2] for f in fields if len(f) > 2}
    real = PurePosixPath(os.path.realpath(path))
    nearest = next((folder for folder in (real, *real.parents) if folder in kinds), None)
    return nearest is not None and kinds[nearest] in NETWORK_DISKS


def _prepare_tables(connection: sa.Connection, where: str) -> None:
    """Make the tables where they are missing; refuse what a newer minirlhf has built in another way.

    Two notebooks may open one new file in the same instant, so nothing here minds being done twice.
    """
    connection.execute(CreateTable(about, if_not_exists=True))
    found = connection.execute(sa.select(sa.func.max(about.c.schema))).scalar()
    if found is not None and found > SCHEMA:
        raise StoreError(
            f"{where} was written by a newer minirlhf (its schema is {found}, this one knows {SCHEMA}). "
            "Nothing was changed. Update with `git pull` and `make lessons`, or use another file."
        )
    connection.execute(CreateTable(events, if_not_exists=True))
    if found is None:
        connection.execute(_insert_once(about, connection), {"schema": SCHEMA})


def _explain(what: str, where: str, doing: str) -> str:
    """What went wrong with a store, what it means for the votes, and what to do."""
    remedy = next((remedy for sign, remedy in REMEDIES.items() if sign in what.lower()), OTHERWISE)
    lost = "Nothing was counted and nothing is damaged. " if doing == "be written" else ""
    return f"{where} could not {doing} ({what.strip()}). {lost}{remedy}"


REMEDIES = {
    "full": "The disk is full: free some space, then vote again.",
    "disk i/o": "The disk is full, or does not answer: free some space or look at the disk, then vote again.",
    "readonly": "The file or its folder may not be written to: make it yours, or give another path.",
    "read-only": "The file or its folder may not be written to: make it yours, or give another path.",
    "permission": "The file or its folder may not be written to: make it yours, or give another path.",
    "unable to open": "The folder may not be written to, or is not there: make it yours, or give another path.",
    "locked": f"Another program has held it for {BUSY_SECONDS} seconds: close that program, then vote again.",
    "not a database": "It is no SQLite file, or a damaged one: keep it, and give another path.",
    "malformed": "The file is damaged: keep it, give another path, and merge what is readable from a copy.",
    "connection": "Does the database server run, and are address, user and password right?",
}
OTHERWISE = "Try again; if it stays so, give another path."


def _to_row(event: Event) -> dict[str, Any]:
    row: dict[str, Any] = {"id": event.id, "voter": event.voter, "time": _timestamp(event.time)}
    if isinstance(event, Undo):
        return row | {"event": "undo", "undoes": event.undoes}
    asked = event.question
    return row | {
        "event": "vote",
        "origin": event.origin,
        "question": asked.key,
        "pair": asked.pair,
        **{name: getattr(asked, name) for name in ("mode", "prompt", "round", "purpose", "expected")},
        **{name: list(getattr(asked, name)) for name in ("replies", "models", "checkpoints")},
        "shown": list(event.shown),
        "choice": answer_to_row(event.answer),
        "response_ms": event.response_ms,
    }


def _from_row(row: dict[str, Any]) -> Event:
    time = datetime.fromisoformat(row["time"])
    if row["event"] == "undo":
        return Undo(row["undoes"], row["voter"], time, row["id"])
    asked = Question(
        row["mode"],
        row["prompt"],
        tuple(row["replies"]),
        tuple(row["models"]),
        tuple(row["checkpoints"]),
        row["round"],
        row["purpose"],
        row["expected"],
    )
    return Vote(
        asked,
        answer_from_row(row["choice"]),
        tuple(row["shown"]),
        row["voter"],
        row["origin"],
        row["response_ms"],
        time,
        row["id"],
    )


def _timestamp(time: datetime) -> str:
    """UTC to the microsecond, always as many characters, so that times sort as texts."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")
