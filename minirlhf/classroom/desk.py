"""The desk at which a server's changes are written down: many that wait at once are one transaction.

A disk takes some milliseconds to promise that something stays. Five hundred who vote in one second would wait for one
another in a row; here whoever comes while the disk is busy is written down with all the others that came meanwhile.
Nobody is answered before it is on disk.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa

from minirlhf.classroom.rooms import Ballot, count_ballots
from minirlhf.feedback.store import FeedbackStore, StoreError

Change = Callable[[sa.Connection], Any]
AT_ONCE = 256  # in one transaction


class Desk:
    """One writer for a server: `await change(...)` and `await cast(...)` return when it is on disk."""

    def __init__(self, store: FeedbackStore) -> None:
        self.store = store
        self.waiting: asyncio.Queue[tuple[Change | tuple[str, Ballot], asyncio.Future]] = asyncio.Queue()
        self.clerk: asyncio.Task | None = None
        self.trouble = ""  # why the last change could not be kept; nothing, where it was

    async def change(self, change: Change) -> Any:
        """What the change returns, once it is on disk; raises what it raises, and then nothing was changed."""
        return await self._wait(change)

    async def cast(self, code: str, ballot: Ballot) -> None:
        """Count one answer; Refused where it cannot be, StoreError where the disk does not take it."""
        await self._wait((code, ballot))

    async def _wait(self, what: Any) -> Any:
        if self.clerk is None:
            self.clerk = asyncio.create_task(self._write())
        done = asyncio.get_running_loop().create_future()
        self.waiting.put_nowait((what, done))
        return await done

    async def _write(self) -> None:
        while True:
            batch = [await self.waiting.get()]
            while not self.waiting.empty() and len(batch) < AT_ONCE:
                batch.append(self.waiting.get_nowait())
            casts: dict[str, list[tuple[Ballot, asyncio.Future]]] = {}
            for what, done in batch:
                if isinstance(what, tuple):
                    casts.setdefault(what[0], []).append((what[1], done))
                    continue
                await self._count(casts)  # who voted before a door was closed has voted in time
                await self._settle([done], lambda connection, change=what: [change(connection)])
            await self._count(casts)

    async def _count(self, casts: dict[str, list[tuple[Ballot, asyncio.Future]]]) -> None:
        """Count what has come so far, each room's in one transaction."""
        for code, some in casts.items():
            ballots = [ballot for ballot, _ in some]
            await self._settle([done for _, done in some], partial(count_ballots, code=code, ballots=ballots))
        casts.clear()

    async def _settle(self, waiting: list[asyncio.Future], change: Callable[[sa.Connection], list[Any]]) -> None:
        try:
            outcomes = await asyncio.to_thread(self._in_one_transaction, change)
            self.trouble = ""
        except Exception as error:  # each of them must hear of it, and the desk stays open
            outcomes = [error] * len(waiting)
            if isinstance(error, StoreError):
                self.trouble = str(error)
        for done, outcome in zip(waiting, outcomes, strict=True):
            if done.cancelled():
                continue
            if isinstance(outcome, Exception):
                done.set_exception(outcome)
            else:
                done.set_result(outcome)

    def _in_one_transaction(self, change: Callable[[sa.Connection], list[Any]]) -> list[Any]:
        with self.store.connect() as connection:
            return change(connection)
