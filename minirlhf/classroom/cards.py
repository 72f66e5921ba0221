"""Seat cards, for a room in which nobody shall vote with two hands: each has letters of its own, and lets one in, once.

Without cards, whoever has the room's code may join as often as they have browsers. Cards are printed by the teacher
and given to people one by one; then only those get in. Only their digests are kept.
"""

import sqlalchemy as sa

from minirlhf.classroom import rooms, tokens
from minirlhf.classroom.rooms import Refused, count_change
from minirlhf.classroom.tables import cards

MISSING = "This room has seat cards. Scan the code on yours, or type its letters."
USED = "This card is not one of this room's, or somebody has come in with it already. Ask the teacher for another one."


def make(connection: sa.Connection, code: str, n: int) -> list[str]:
    """n new cards, in place of those with which nobody came in yet; with 0, the room needs no cards any more."""
    room = count_change(connection, code)
    if not 0 <= n <= room.seats:
        raise Refused(f"This room has {room.seats} seats, so it has up to as many cards; not {n}.", 400)
    mine = cards.c.room == code
    connection.execute(cards.delete().where(mine, cards.c.voter.is_(None) if n else sa.true()))
    made = [tokens.new_code() for _ in range(n)]
    if made:
        connection.execute(
            cards.insert(), [{"room": code, "card": tokens.digest(card), "voter": None} for card in made]
        )
    return made


def join(
    connection: sa.Connection, code: str, nickname: str, voter: str | None, origin: str, card: str
) -> dict[str, str]:
    """As `rooms.join`; where the room has cards, whoever is new needs one that nobody has used."""
    taken = rooms.join(connection, code, nickname, voter, origin)
    if taken["voter"] == voter or origin != "human" or not any(used_and_made(connection, code)):
        return taken
    if not card:
        raise Refused(MISSING, 403, helps="card")
    this = sa.and_(cards.c.room == code, cards.c.card == tokens.digest(tokens.clean_code(card)))
    unused = cards.update().where(this, cards.c.voter.is_(None))
    if connection.execute(unused.values(voter=taken["voter"])).rowcount != 1:
        raise Refused(USED, 403, helps="card")
    return taken


def used_and_made(connection: sa.Connection, code: str) -> tuple[int, int]:
    """With how many cards somebody has come in, and how many there are."""
    query = sa.select(sa.func.count(cards.c.voter), sa.func.count()).where(cards.c.room == code)
    used, made = connection.execute(query).one()
    return used, made
