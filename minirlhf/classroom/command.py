"""`minirlhf classroom`: open a room and keep it going until Ctrl-C; with --demo, show a whole session by itself."""

import asyncio
import sys
import webbrowser
from dataclasses import dataclass
from time import sleep
from typing import Annotated, Any

import tyro

from minirlhf.classroom import server, session
from minirlhf.classroom.ghosts import haunt
from minirlhf.classroom.leading import done, wait
from minirlhf.classroom.place import Place, hubs_place
from minirlhf.classroom.rooms import KEEP_DAYS, purge
from minirlhf.classroom.session import PORT, Session
from minirlhf.feedback.store import FeedbackStore
from minirlhf.files.messages import counted

GHOSTS = 12
VOTING = 25  # seconds of the demo's first round
REVEALING = 5  # seconds a pair of answers stays
GOODBYE = 10  # seconds in which the phones read that it is over


@dataclass(frozen=True)
class Classroom:
    """Open a room whose phones vote, and whose model changes on the projector; Ctrl-C ends it, and keeps the votes."""

    demo: bool = False
    """a ghost class of simulated people votes along, and the session runs by itself"""
    lan: bool = False
    """let the phones of the local network in; without it, only this machine reaches the room"""
    title: str = "Which reply is better?"
    """what stands above the questions"""
    port: int = PORT
    """where the server listens on this machine"""
    hours: float = 4.0
    """how long the room stays open at most"""
    seats: int = 500
    """how many may join"""
    store: Annotated[str | None, tyro.conf.arg(metavar="STORE")] = None
    """a file or a database's address for the votes, if not your own votes'"""
    address: str = ""
    """what phones open, where a proxy or hub stands before the server: https://hub.example.org"""
    prefix: str = ""
    """what that proxy puts before every path: /services/classroom"""
    keep_days: float = KEEP_DAYS
    """how many days after the room's time its votes, seats and nicknames are deleted"""
    purge: bool = False
    """only delete the rooms of STORE whose days are over; each start does so too"""
    serve: bool = False
    """only the server, as a hub's service, and for as long as the hub runs: notebooks open rooms on it"""
    browser: bool = True
    """open the projector's page in a browser; the links are printed either way"""

    def run(self) -> None:
        if self.purge:
            store = FeedbackStore(self.store)
            print(f"{counted(purge(store), 'room')} deleted in {store.where}, for their days were over.")
            return
        if self.serve:
            store = session.kept_in(FeedbackStore(self.store), self.store)
            address, prefix = (self.address, self.prefix) if self.address or self.prefix else hubs_place()
            return server.run(Place(store, "127.0.0.1", self.port, address, prefix, stays=True))
        room = session.open(
            self.title,
            self.lan,
            self.port,
            self.hours,
            self.seats,
            self.store,
            self.address,
            self.prefix,
            keep_days=self.keep_days,
            another=True,
        )
        print(room, flush=True)
        if not room.local and sys.stdout.isatty():  # nobody types 43 letters on a phone
            print("The panel on your own phone, before anybody looks at this screen:")
            room.panel_qr().terminal(compact=True)
        try:
            if self.browser:
                webbrowser.open(room.screen_link)
            asyncio.run(show(room)) if self.demo else keep(room)
        finally:
            n = len(room.votes())
            room.close()
            print(f"The room is closed. {n} votes are kept in {room.place.store}.")


def keep(room: Session) -> None:
    """Wait until the room is over, and start again what has stopped."""
    print("Lead the room from the teacher's link. To end it, press Ctrl-C here.", flush=True)
    while session.phase_of(room) != "over":
        sleep(2)
        session.resume(room)
    sleep(GOODBYE)


async def show(room: Session) -> None:
    """A whole session by itself: votes, training, before and after, and a second round about the changed model."""
    ghosts = asyncio.create_task(haunt(room.store, room.address, room.code, room.token, GHOSTS))
    await asyncio.to_thread(lead, room)
    ghosts.cancel()


def lead(room: Session) -> None:
    """What a teacher would press, and when."""
    tell(f"{GHOSTS} simulated people join. You may join too: {room.join_link}")
    wait(lambda: done(room, "open"))
    tell("Round 1 is open: they vote.")
    wait(lambda: room.seen()["votes"] >= 4 * GHOSTS, at_least=float(VOTING))
    for step, words in (("close", "The round is closed."), ("train", "The model learns from the votes.")):
        room.do(step)
        tell(words)
    wait(lambda: session.phase_of(room) != "training")
    seen = room.seen()
    if seen["phase"] != "trained":
        raise OSError(f"{(seen['training'] or {}).get('words', 'The training did not work.')}")
    tell(seen["training"]["words"])
    for n in range(seen["reveal"]["total"] + 1):
        room.do("reveal")
        if n < seen["reveal"]["total"]:
            tell_pair(room.seen()["reveal"]["items"][n])
        else:
            tell("What they paid for: " + ", ".join(f"{word} {x:+.2f}" for word, x in room.seen()["weights"]))
        sleep(REVEALING)
    room.do("next")
    tell("Round 2 is open: it asks about the changed model's replies.")
    wait(lambda: room.seen()["votes"] >= GHOSTS, at_least=float(REVEALING))
    room.do("end")
    tell("That was a session.")


def tell(words: str) -> None:
    """A line for whoever watches the terminal."""
    print(words, flush=True)


def tell_pair(item: dict[str, Any]) -> None:
    """One customer answered before and after."""
    tell(f"  {item['prompt']}\n    before: {item['before']}\n    after:  {item['after']}")
