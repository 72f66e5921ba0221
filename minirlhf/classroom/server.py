"""The server as a process: `python -m minirlhf.classroom.server`, started by session.py and never by hand.

It loads no torch and takes one core. It ends when it is told to, when its rooms' time is over, or when nobody has
asked it for anything for an hour: a teacher who closes the laptop must not leave a door open.
"""

import asyncio
import json
import signal
import socket
import sys
from dataclasses import replace

import sqlalchemy as sa
import uvicorn

from minirlhf.classroom import clock, rooms, tables
from minirlhf.classroom.app import Classroom
from minirlhf.classroom.place import Place
from minirlhf.feedback.store import FeedbackStore, StoreError

LOOK, MINUTE, HOUR = 5, 60, 3600  # seconds
IDLE = HOUR  # without a request
LINGER = 60  # seconds in which phones may still read that it is over
MOST_AT_ONCE = 3000  # connections
BACKLOG = 1024


async def serve(place: Place, listening: socket.socket) -> None:
    """Serve until told to stop, or, unless it stays, until nobody is there any more."""
    place = replace(place, port=listening.getsockname()[1])
    classroom = Classroom(FeedbackStore(place.store), place.called, place.prefix)
    config = uvicorn.Config(
        classroom.app(place.hosts),
        log_config=None,  # a line for each request would keep addresses, and who asked for what
        access_log=False,
        server_header=False,
        date_header=False,
        limit_concurrency=MOST_AT_ONCE,
        backlog=BACKLOG,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=16_384,
    )
    server = uvicorn.Server(config)
    watch = asyncio.create_task(keep_watch(server, classroom, place.stays))
    print(json.dumps({"port": place.port}), flush=True)
    await server.serve(sockets=[listening])
    watch.cancel()


async def keep_watch(server: uvicorn.Server, classroom: Classroom, stays: bool = False) -> None:
    """Delete what is due, note for which rooms somebody is there, and end the server when nobody is, unless it stays.

    It is left once every room is over, or when nobody has asked for anything for so long.
    """
    loop = asyncio.get_running_loop()
    classroom.asked_at = last_open = noted = purged = loop.time()
    while not server.should_exit:
        await asyncio.sleep(LOOK)
        now = loop.time()
        try:
            if await classroom.read(any_open):
                last_open = now
            if now - noted > MINUTE:
                noted = now
                await classroom.note_asked()
            if now - purged > HOUR:
                purged = now
                await asyncio.to_thread(rooms.purge, classroom.store)
        except StoreError:  # a full disk, a database that starts anew: whoever votes is told, and it may come back
            last_open = now
        server.should_exit |= not stays and (now - classroom.asked_at > IDLE or now - last_open > LINGER)


def any_open(connection: sa.Connection) -> bool:
    """Whether a room of this database is still open, by its time and by its teacher."""
    now = clock.now().isoformat()
    room = tables.rooms.c
    query = sa.select(room.code).where(room.phase != "over", room.closes > now)
    return connection.scalar(query.limit(1)) is not None


def main() -> None:
    """Read a Place from standard input, and serve there."""
    run(Place(**json.loads(sys.stdin.readline())))


def run(place: Place) -> None:
    """Listen, say on standard output where, and serve; a word of why, and 1, where nothing can listen there."""
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    # With TCP named, asyncio sends each part of an answer at once; else the second one waits 40 ms for a receipt.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((place.host, place.port))
        listening.listen(BACKLOG)  # before the port is told: whoever comes at once waits, and is not turned away
    except OSError as error:
        print(json.dumps({"error": f"Nothing can listen at {place.host}:{place.port} ({error.strerror})."}), flush=True)
        sys.exit(1)
    raise_open_files()
    if hasattr(signal, "SIGHUP"):  # the terminal, or the kernel, that started it may go
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asyncio.run(serve(place, listening))


def raise_open_files() -> None:
    """As many connections as the system grants: a thousand files is the usual limit, and a hall needs more."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else max(soft, 8192), hard))


if __name__ == "__main__":
    main()
