"""What a round is for: an ordinary one, two schools, or a values reveal. The teacher chooses before it opens."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from minirlhf.classroom.tables import jobs, kinds

ORDINARY, SCHOOLS, VALUES = "ordinary", "schools", "values"
KINDS = (ORDINARY, SCHOOLS, VALUES)


def kind_of(connection: sa.Connection, code: str, round: int) -> tuple[str, dict[str, Any]]:
    """A round's kind, and what was drawn for it by lot; one of which nothing is written down is ordinary."""
    query = sa.select(kinds.c.kind, kinds.c.plan).where(kinds.c.room == code, kinds.c.round == round)
    row = connection.execute(query).first()
    return (row.kind, dict(row.plan)) if row else (ORDINARY, {})


def write_kind(connection: sa.Connection, code: str, round: int, kind: str, plan: Mapping[str, Any]) -> None:
    """Write down what a round is for."""
    connection.execute(kinds.delete().where(kinds.c.room == code, kinds.c.round == round))
    connection.execute(kinds.insert(), {"room": code, "round": round, "kind": kind, "plan": dict(plan)})


def trained_on(connection: sa.Connection, code: str, done: bool = False) -> dict[int, str]:
    """The rounds whose votes go into the room's one model, each with its method; `done`: that have gone into it.

    Votes under a secret rule are nobody's taste, and a values round counts only where the teacher trained on it.
    """
    apart = sa.select(kinds.c.round).where(kinds.c.room == code, kinds.c.kind == SCHOOLS)
    query = sa.select(jobs.c.round, jobs.c.method).where(jobs.c.room == code, jobs.c.round.not_in(apart))
    if done:
        query = query.where(jobs.c.status == "done")
    return {row.round: row.method for row in connection.execute(query.order_by(jobs.c.round))}
