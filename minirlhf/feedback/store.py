"""Where votes live: an append-only table of events that every thread and every notebook may write to at once.

Nothing is overwritten: taking a vote back is an event too, so the state after any number of events can be rebuilt.
An event is on disk when `append` returns. Every event has an id of its own, so that writing one twice, or merging
two stores twice, changes nothing.

People handle files, also while a notebook has them open: the file alone, copied or sent, holds every vote; and
where it was deleted, moved or replaced, the next vote goes into the file that bears the name now.

Left out: updates, deletions, and any cache: a thousand rows are read in 20 milliseconds. SQLite's write-ahead log
too: it keeps the latest votes in a second file, which people leave behind when they copy the first, and which spoils
another one that takes its place; and it needs shared memory, which no network disk has.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from errno import errorcode
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.event import listens_for
from sqlalchemy.exc import SQLAlchemyError, StatementError
from sqlalchemy.schema import CreateTable

from minirlhf.feedback.formats.exports import SIDE_TABLE
from minirlhf.feedback.formats.imports import read_votes
from minirlhf.feedback.formats.own import read_vote
from minirlhf.feedback.identity import YOU, identity_of, own_voter
from minirlhf.feedback.texts import require_whole
from minirlhf.feedback.votes import Event, Undo, Vote, vote_to_row
from minirlhf.files.columns import moment, required
from minirlhf.files.messages import counted, printable
from minirlhf.paths import VOTES_ELSEWHERE, votes_file

SCHEMA = 1
BUSY_SECONDS = 10  # how long to wait while another notebook writes, or for a server to answer

# Sorted by its bytes in every database, so that the same events stand in the same order everywhere.
ByBytes = sa.String().with_variant(sa.String(collation="C"), "postgresql")

metadata = sa.MetaData()
about = sa.Table("about", metadata, sa.Column("schema", sa.Integer, primary_key=True))
events = sa.Table(
    "events",
    metadata,
    sa.Column("id", ByBytes, primary_key=True),
    sa.Column("event", sa.String, nullable=False),  # vote or undo
    sa.Column("undoes", sa.String),  # an undo's vote; what follows is empty there
    sa.Column("time", ByBytes, nullable=False),  # UTC, ISO 8601: sorts as text
    sa.Column("voter", sa.String, nullable=False),
    sa.Column("origin", sa.String),
    sa.Column("question", sa.String),
    sa.Column("pair", sa.String),
    sa.Column("mode", sa.String),
    sa.Column("prompt", sa.Text),
    sa.Column("replies", sa.JSON),
    sa.Column("models", sa.JSON),
    sa.Column("checkpoints", sa.JSON),
    sa.Column("round", sa.Integer),
    sa.Column("purpose", sa.String),
    sa.Column("expected", sa.Integer),
    sa.Column("shown", sa.JSON),
    sa.Column("choice", sa.JSON),
    sa.Column("response_ms", sa.BigInteger),  # a tab may stay open for a month
)

# Whose the votes are that an earlier minirlhf wrote as "you"; made when somebody says so.
former = sa.Table("former_you", metadata, sa.Column("one", sa.Integer, primary_key=True), sa.Column("voter", sa.String))


class StoreError(OSError):
    """The store could not do what was asked. The message says what this means for the votes, and what to do."""


class FeedbackStore:
    """The votes of one file, or of one database: `FeedbackStore()`, `FeedbackStore("votes.db")`, `FeedbackStore(url)`.

    A path is an SQLite file, made when it is not there; a URL is SQLAlchemy's ("postgresql+psycopg://…"). Without
    either, the learner's own file. Any thread may call any method. Raises StoreError, with a remedy.
    """

    def __init__(self, where: str | Path | None = None) -> None:
        url = _read_url(votes_file() if where is None else where)
        self.path = Path(url.database or "") if url.get_backend_name() == "sqlite" else None
        # For people to read, so without the password, which may stand among the options too.
        self.where = str(self.path or url.set(query={}).render_as_string(hide_password=True))
        self._engine = _make_engine(url)
        self._opened: tuple[int, int] | None = None  # which file was opened, since a name may pass to another
        self._former: str | None = None  # whose the votes of "you" are, where the store cannot keep it
        self._open()

    def append(self, event: Event) -> bool:
        """Put an event on disk; False if it is there already. When this returns, the event survives a crash."""
        return self.extend([event]) == 1

    def extend(self, events: Iterable[Event]) -> int:
        """Put many events on disk at once, all or none; returns how many were not there yet."""
        events = list(events)
        for event in events:
            self._require_whole(event)
        return self._insert(map(_to_row, events))

    def undo(self, vote: Vote) -> Undo:
        """Take a vote back. Both the vote and this stay on record."""
        undo = Undo(vote.id, vote.voter)
        self.append(undo)
        return undo

    def events(self, first: int | None = None) -> list[Event]:
        """What happened, oldest first; `first` looks at no more than so many events."""
        return self._read(sa.select(events).limit(first))

    def votes(self, voter: str | None = None, round: int | None = None, first: int | None = None) -> list[Vote]:
        """The votes that stand, oldest first: cast and not taken back, of one voter or round if asked.

        With `first`, as things stood after so many events: the time machine. The voter "you" is whoever sits here.
        """
        whose = (YOU, own_voter()) if voter == YOU else (voter,)
        query = sa.select(events)
        if first is not None:
            query = query.limit(first)
        elif voter is not None:  # a card asks at every click, and others may have voted thousands of times
            query = query.where(events.c.voter.in_({*whose, YOU}) | (events.c.event == "undo"))
        read = self._read(query)
        undone = {event.undoes for event in read if isinstance(event, Undo)}
        return [
            event
            for event in read
            if isinstance(event, Vote)
            and event.id not in undone
            and (voter is None or event.voter in whose)
            and round in (None, event.question.round)
        ]

    def __len__(self) -> int:
        """How many votes stand."""
        return len(self.votes())

    def __bool__(self) -> bool:
        """A store without votes is a store all the same: `store or FeedbackStore()` must not pick another one."""
        return True

    def take_over(self, voter: str) -> None:
        """Say that the votes which an earlier minirlhf wrote as "you" are this voter's; the first who says so is right.

        So they go on counting for the one learner of an old file, and in one that many share for nobody twice.
        """
        with self.connect("be read") as connection:
            old = connection.execute(sa.select(events.c.id).where(events.c.voter == YOU).limit(1)).scalar()
            if old is None or self._whose(connection):
                return
        try:
            with self.connect("be written") as connection:
                connection.execute(CreateTable(former, if_not_exists=True))
                connection.execute(insert_once(former, connection), {"one": 1, "voter": voter})
        except StoreError:  # a file that may only be read
            self._former = voter

    def merge(self, other: "FeedbackStore | str | Path", voter: str | None = None) -> int:
        """Take over what is not here yet, all or none: of a store, of an export's folder, or of any file of votes.

        Returns how many events those were. Files are read as `read_votes` reads them: a ValueError names each bad row.
        `voter` says who "you" is in votes of an earlier minirlhf; else they stay one person, apart from those of every
        other file.
        """
        if isinstance(other, FeedbackStore):  # what it has acknowledged is not judged again
            return self._insert(map(_to_row, named(other.events(), voter)))
        if "://" not in str(other):
            path = Path(os.path.expanduser(other))
            if path.is_dir():
                path = path / SIDE_TABLE
            if not path.is_file():
                raise StoreError(printable(f"{path} does not exist, so there is nothing to merge. Is its name right?"))
            if not is_store(path):
                return self.extend(named(read_votes(path), voter))
            other = path
        source = FeedbackStore(other)
        try:
            return self.merge(source, voter)
        finally:
            source.close()

    def close(self) -> None:
        """Let go of the file; the store opens it again when it is next used."""
        self._engine.dispose()

    def __repr__(self) -> str:
        return f"FeedbackStore({self.where!r}): {counted(len(self), 'vote')}"

    def _require_whole(self, event: Event) -> None:
        try:
            require_whole(event)
        except ValueError as error:
            raise StoreError(f"{self.where} could not be written. Nothing was counted. {error}") from None

    def _read(self, query: sa.Select) -> list[Event]:
        with self.connect("be read") as connection:
            rows = connection.execute(query.order_by(events.c.time, events.c.id)).mappings().all()
            you = self._whose(connection) if any(row["voter"] == YOU for row in rows) else None
            names = {YOU: you or YOU}
            # In here, so that nonsense is named as damage.
            return [event_from_row({**row, "voter": names.get(row["voter"], row["voter"])}) for row in rows]

    def _whose(self, connection: sa.Connection) -> str | None:
        """Whose the votes of "you" are; None where nobody has said so."""
        if sa.inspect(connection).has_table(former.name):
            return connection.execute(sa.select(former.c.voter)).scalar()
        return self._former

    def _insert(self, rows: Iterable[dict[str, Any]]) -> int:
        """One transaction: all of these rows are on disk afterwards, or none is."""
        with self.connect("be written") as connection:
            return _insert_rows(connection, list(rows))

    def _open(self, doing: str = "be opened") -> None:
        """Make the file and the tables where they are missing, and remember which file it is."""
        self.close()  # an earlier file of this name
        with _explained(doing, self.where):
            if self.path:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with self._engine.begin() as connection:
                    _prepare_tables(connection, self.where)
                self._opened = _identity(self.path)
            except BaseException:
                self.close()
                raise

    @contextmanager
    def connect(self, doing: str = "be written") -> Iterator[sa.Connection]:
        """One transaction on this store, for tables that stand beside its own: all of it happens, or nothing."""
        if _identity(self.path) != self._opened:
            self._open(doing)
        with _explained(doing, self.where), self._engine.begin() as connection:
            yield connection


def named(found: Sequence[Event], voter: str | None = None) -> list[Event]:
    """The same events, where "you" is somebody: `voter`, or a person known by their first vote alone."""
    mark = next((event.id for event in found if event.voter == YOU), "")
    somebody = own_voter() if voter == YOU else voter or identity_of(mark)
    return [replace(event, voter=somebody) if event.voter == YOU else event for event in found]


def insert_events(connection: sa.Connection, found: Iterable[Event]) -> int:
    """Put events among others of one transaction of a store; returns how many were not there yet."""
    return _insert_rows(connection, list(map(_to_row, found)))


def _insert_rows(connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> int:
    count = 0
    for event in ("vote", "undo"):  # by themselves, for what an undo does not have is empty and not null
        if batch := [row for row in rows if row["event"] == event]:
            count += connection.execute(insert_once(events, connection), batch).rowcount
    return count


def insert_once(table: sa.Table, connection: sa.Connection) -> Any:
    """An INSERT that does nothing where the primary key is there already."""
    insert = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[connection.dialect.name]
    # Without the option, psycopg's count of the rows that were taken does not get through to us.
    return insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)


def _read_url(where: str | Path) -> sa.URL:
    """What the user names, as an address that SQLAlchemy opens; an error shows no password."""
    if "://" not in str(where):
        return sa.URL.create("sqlite", database=str(Path(os.path.expanduser(where)).absolute()))
    kind = str(where).split("://")[0]
    try:
        url = sa.make_url(str(where))
        backend = url.get_backend_name()
        url.get_dialect()
    except (SQLAlchemyError, ImportError, ValueError):
        backend, url = "", sa.URL.create("")
    if backend == "sqlite" and url.database not in (None, "", ":memory:"):
        return _read_url(Path(url.database))
    if backend != "postgresql" or "@" in (url.host or ""):
        raise StoreError(
            f"What stands behind {kind}:// is no address of a database that can keep votes. A path makes an SQLite "
            "file; PostgreSQL is postgresql+psycopg://user:password@host/database (in a password, @ is %40 and / "
            "is %2F), and needs `pip install 'psycopg[binary]'`."
        )
    return url


def _make_engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        wait = {"connect_timeout": BUSY_SECONDS} if url.get_driver_name().startswith("psycopg") else {}
        try:
            return sa.create_engine(url, pool_pre_ping=True, connect_args=wait)
        except ModuleNotFoundError as missing:
            raise StoreError(
                f"{missing.name} is missing, without which no vote reaches a database server. Install it: "
                "pip install 'psycopg[binary]'"
            ) from None
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=EXTRA")  # a vote survives a power cut, as does its folder's entry
        connection.execute("PRAGMA fullfsync=ON")  # on a Mac, through the disk's own memory too

    return engine


def is_store(path: Path) -> bool:
    """Whether a file is an SQLite file, as an empty one is too."""
    try:
        with path.open("rb") as file:
            return file.read(16) in (b"", b"SQLite format 3\x00")
    except OSError:
        return False


def _identity(path: Path | None) -> tuple[int, int] | None:
    """Which file bears a name now; None where there is none."""
    try:
        found = os.stat(path) if path else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None


def _prepare_tables(connection: sa.Connection, where: str) -> None:
    """Make the tables where they are missing; refuse what a newer minirlhf, or another program, has built.

    Two notebooks may open one new file in the same instant, so nothing here minds being done twice.
    """
    in_file = connection.dialect.name == "sqlite"
    if not in_file:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(SCHEMA)))  # held until this is committed
    names = sa.inspect(connection).get_table_names()
    found = connection.execute(sa.select(sa.func.max(about.c.schema))).scalar() if "about" in names else None
    if found is not None and found > SCHEMA:
        raise StoreError(
            f"{where} was written by a newer minirlhf (its schema is {found}, this one knows {SCHEMA}). "
            "Nothing was changed. Update with `git pull` and `make lessons`, or use another file."
        )
    if in_file and names and "about" not in names:
        raise StoreError(
            f"{where} belongs to another program; it holds {', '.join(names)}. Nothing was changed. Give another path."
        )
    if in_file:
        connection.exec_driver_sql("PRAGMA journal_mode=DELETE")  # should another program have changed it
    for table in (about, events):
        if table.name not in names:
            connection.execute(CreateTable(table, if_not_exists=True))
    if found is None:
        connection.execute(insert_once(about, connection), {"schema": SCHEMA})


@contextmanager
def _explained(doing: str, where: str) -> Iterator[None]:
    """An error in here says what went wrong with a store, what it means for the votes, and what to do."""
    try:
        yield
    except StoreError:
        raise
    except (SQLAlchemyError, OSError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
        cause = error.orig if isinstance(error, StatementError) and error.orig else error
        sign = _sign(cause)
        remedy = next((REMEDIES[signs] for signs in REMEDIES if sign.startswith(tuple(signs.split()))), OTHERWISE)
        lost = "Nothing was counted. " if doing == "be written" else ""
        what = " ".join(str(cause).split())[:300]
        raise StoreError(printable(f"{where} could not {doing} ({what}). {lost}{remedy}")) from error


def _sign(error: BaseException) -> str:
    """The name that SQLite, PostgreSQL, the system or Python gives to an error: wordings change, names stay."""
    named = [getattr(error, name, None) for name in ("sqlite_errorname", "sqlstate")]
    named += [errorcode.get(getattr(error, "errno", None) or 0)]
    return next(filter(None, named), f"{type(error).__module__}.{type(error).__name__}")


REMEDIES = {
    "SQLITE_FULL ENOSPC EDQUOT 53100": "The disk is full: free some space, then vote again.",
    # Where a disk knows no locks, as many network disks do not, SQLite waits for a lock that never comes.
    "SQLITE_BUSY SQLITE_LOCKED SQLITE_PROTOCOL SQLITE_IOERR_LOCK SQLITE_IOERR_UNLOCK SQLITE_IOERR_RDLOCK "
    "SQLITE_IOERR_CHECKRESERVEDLOCK SQLITE_NOLFS ENOLCK 55P03": "Another program holds it: close that program, then "
    "vote again. Or is it on a network disk? Many of those know no locks: keep the votes on a disk of this machine, "
    f"FeedbackStore(path), or name the file in {VOTES_ELSEWHERE}.",
    "SQLITE_IOERR": "The disk is full, or does not answer: free some space or look at the disk, then vote again.",
    "SQLITE_READONLY SQLITE_PERM EACCES EPERM EROFS 42501": "The file or its folder may not be written to: "
    "make it yours, or copy the file to a folder of yours.",
    "SQLITE_CANTOPEN ENOTDIR EEXIST EISDIR": "No file can be made there: it is a folder itself, or its folder is "
    "none or not yours. Give another path.",
    "SQLITE_NOTADB SQLITE_CORRUPT json builtins.ValueError builtins.TypeError builtins.KeyError "
    "builtins.RecursionError builtins.OverflowError sqlite3": "It is no SQLite file, or a "
    "damaged one: keep it, and give another path for what comes now.",
    "builtins.Unicode psycopg.DataError": "A text holds half a character, or none: write it anew.",
    "psycopg 08 28 3D 57P": "Does the database server run, and are address, user and password right?",
}
OTHERWISE = "Try again; if it stays so, give another path."


def _to_row(event: Event) -> dict[str, Any]:
    time = _timestamp(event.time)
    if isinstance(event, Undo):
        return {"id": event.id, "voter": event.voter, "event": "undo", "undoes": event.undoes, "time": time}
    return vote_to_row(event) | {"event": "vote", "question": event.question.key, "time": time}


def event_from_row(row: dict[str, Any]) -> Event:
    """An event as it was written; ValueError where somebody has changed it into one that cannot be."""
    if row["event"] == "undo":
        undoes, voter = required(row, "undoes", str), required(row, "voter", str)
        return Undo(undoes, voter, moment(row, "time"), row["id"])
    return read_vote(row)


def _timestamp(time: datetime) -> str:
    """UTC to the microsecond, always as many characters, so that times sort as texts."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")
