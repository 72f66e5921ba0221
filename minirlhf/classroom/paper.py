"""Paper, where no phone reaches the room: hands are counted, and each hand is a voter.

A sheet shows everybody the same order, so A is a question's first reply, as it is on the projector. Which hand was
whose nobody knows: that "paper 7" said A to one pair and B to the next is by lot, and means nothing.
"""

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from minirlhf.classroom.kinds import SCHOOLS, VALUES, kind_of
from minirlhf.classroom.rooms import Ballot, Refused, Room, count_ballots, count_change, forget, seat, seats_taken
from minirlhf.classroom.tables import paper, standing
from minirlhf.feedback.votes import Answer, Better, BothBad, Tie, answer_from_row
from minirlhf.files.messages import counted

ANSWERS: tuple[Answer, ...] = (Better(0), Better(1), Tie(), BothBad())  # what hands are counted for
SHEET = (0, 1)  # the replies, from the left


def count_hands(connection: sa.Connection, code: str, question: str, counts: Sequence[Any]) -> None:
    """So many hands for A, B, a tie, both bad; counted before, it is corrected, and no hand is counted twice.

    Refused where the room has fewer seats, or where no hands are counted or the question is not asked now.
    """
    if len(counts) != len(ANSWERS) or any(type(n) is not int or n < 0 for n in counts):
        raise Refused("A pair on paper has four numbers: hands for A, for B, for a tie, for both bad.", 400)
    room = count_change(connection, code)
    if why := why_not_now(room, kind_of(connection, code, room.round)[0]):
        raise Refused(why)
    hands = hands_of(connection, code)
    new, free = max(0, sum(counts) - len(hands)), room.seats - seats_taken(connection, code)
    if new > free:
        most = counted(len(hands) + free, "hand")
        raise Refused(f"{sum(counts)} hands are more than there are seats: {most} at most. Was it typed right?")
    hands += [_seat(connection, code, len(hands) + 1 + i) for i in range(new)]
    rows = [row for row in standing_hands(connection, code) if row["question"] == question]
    ballots = _changes(question, hands, {row["voter"]: answer_from_row(row["says"]) for row in rows}, counts)
    if refused := next(filter(None, count_ballots(connection, code, ballots)), None):
        raise refused
    voted = {row["voter"] for row in standing_hands(connection, code)}
    if idle := [voter for voter in hands if voter not in voted]:  # a number was typed wrong
        forget(connection, code, idle)


def why_not_now(room: Room, kind: str) -> str:
    """Why no hands are counted in this state of a room, and when they are; nothing where they are.

    Whoever holds sheets in their hands closes the vote first and counts then: until the round is learned from or shown.
    """
    if room.over:
        return "The room is over, so no hands are counted any more."
    if kind == SCHOOLS:
        return "Each school has a secret rule, which phones tell; hands on paper know none. They can vote next round."
    if room.phase == "waiting":
        return "Hands are counted as soon as the vote is open, and after it is closed until the training begins."
    if room.phase not in ("voting", "closed"):
        done = "shown" if kind == VALUES else "learned from"
        return f"This round has been {done}, so no hands are counted in it any more. In the next one they are again."
    return ""


def hands_of(connection: sa.Connection, code: str) -> list[str]:
    """The voters who are hands on paper."""
    query = sa.select(paper.c.voter).where(paper.c.room == code).order_by(paper.c.number)
    return list(connection.scalars(query))


def standing_hands(connection: sa.Connection, code: str) -> list[dict[str, Any]]:
    """The rows of what stands that was counted on paper."""
    hands = sa.select(paper.c.voter).where(paper.c.room == code)
    query = sa.select(standing).where(standing.c.room == code, standing.c.voter.in_(hands))
    return [dict(row) for row in connection.execute(query).mappings()]


def _seat(connection: sa.Connection, code: str, number: int) -> str:
    voter = seat(connection, code, f"paper {number}")
    connection.execute(paper.insert(), {"room": code, "voter": voter, "number": number})
    return voter


def _changes(question: str, hands: Sequence[str], stands: dict[str, Answer], counts: Sequence[int]) -> list[Ballot]:
    """What the first hands have to say so that the counts come out; those that are right already are left alone."""
    left = Counter(dict(zip(ANSWERS, counts, strict=True)))
    wrong = []
    for voter in hands[: sum(counts)]:
        if (answer := stands.get(voter)) and left[answer] > 0:
            left[answer] -= 1
        else:
            wrong.append(voter)
    answers: list[Answer | None] = list(left.elements())
    Random(question).shuffle(answers)
    over = [voter for voter in hands[sum(counts) :] if voter in stands]  # taken back
    said = zip([*wrong, *over], answers + [None] * len(over), strict=True)
    return [Ballot(voter, question, answer, uuid4().hex, sheet=SHEET) for voter, answer in said]
