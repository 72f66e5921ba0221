"""Two schools: half of a room votes by one secret rule, half by another, and two models learn. Which is whose?

Nobody knows a rule but those who vote by it and, once all is shown, everybody. Which school somebody is in is drawn by
lot when the round is chosen, or when they come in later, and written down: a reload changes nothing. Which model stands
on the left is drawn once a round, too. All lots hang on the room's secret, so nobody can work them out.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import sqlalchemy as sa

from minirlhf.classroom.tables import guesses, members, paper, pupils


@dataclass(frozen=True)
class Rule:
    """What a school is told to vote for, and the taste of a simulated person that says the same."""

    says: str
    taste: str
    sign: float


# Opposed rules, of which either school's model comes to keep its own: each was measured with simulated schools.
RULES: dict[str, tuple[Rule, Rule]] = {
    "length": (
        Rule("Vote for the shorter reply.", "shortness", 1.0),
        Rule("Vote for the longer reply.", "shortness", -1.0),
    ),
    "cheer": (
        Rule("Vote for the reply with more exclamation marks and smileys.", "cheerfulness", 1.0),
        Rule("Vote for the reply with fewer exclamation marks and smileys.", "cheerfulness", -1.0),
    ),
    "sorry": (
        Rule("Vote for the reply that says sorry.", "sorrow", 1.0),
        Rule("Vote for the reply that does not say sorry.", "sorrow", -1.0),
    ),
    "hello": (
        Rule("Vote for the reply that begins with a greeting.", "hellos", 1.0),
        Rule("Vote for the reply that begins without a greeting.", "hellos", -1.0),
    ),
    "when": (
        Rule("Vote for the reply that says when: today, now, this week.", "promptness", 1.0),
        Rule("Vote for the reply that does not say when.", "promptness", -1.0),
    ),
}
BY_WORDS = {rule.says: rule for rules in RULES.values() for rule in rules}


def draw(secret: str, round: int) -> dict[str, Any]:
    """A round's lot: the rule of school 0 and of school 1, and which school's model stands on the left.

    No two rules come a second time before all have come.
    """
    names, lot = list(RULES), Random(f"{secret} schools {round}")
    Random(f"{secret} schools").shuffle(names)
    rules = [rule.says for rule in RULES[names[round % len(names)]]]
    lot.shuffle(rules)
    return {"rules": rules, "left": lot.randrange(2)}


def enrol(connection: sa.Connection, code: str, secret: str, round: int) -> None:
    """Put everybody who sits in the room and is in no school of this round into the smaller one, by lot."""
    known = _in_schools(connection, code, round)
    here = connection.scalars(
        sa.select(members.c.voter).where(
            members.c.room == code,
            members.c.removed.is_(False),
            members.c.voter.not_in(sa.select(paper.c.voter).where(paper.c.room == code)),  # hands know no secret
        )
    ).all()
    new, sizes = [voter for voter in sorted(here) if voter not in known], Counter(known[v] for v in here if v in known)
    lot = Random(f"{secret} schools {round} {len(known)} {''.join(new[:1])}")
    lot.shuffle(new)
    rows = []
    for voter in new:
        school = lot.randrange(2) if sizes[0] == sizes[1] else int(sizes[1] < sizes[0])
        sizes[school] += 1
        rows.append({"room": code, "round": round, "voter": voter, "school": school})
    if rows:
        connection.execute(pupils.insert(), rows)


def school_of(connection: sa.Connection, code: str, round: int, voter: str) -> int | None:
    """Which school a voter is in, in this round; None where in none."""
    return _in_schools(connection, code, round, [voter]).get(voter)


def pupils_of(connection: sa.Connection, code: str, round: int) -> dict[str, int]:
    """The school of everybody who is in one, removed or not."""
    return _in_schools(connection, code, round)


def asks(plan: Mapping[str, Any], result: Mapping[str, Any], revealed: int) -> bool:
    """Whether the room is being asked which model is whose, and has not been told yet."""
    return revealed == len(result["answers"]) + 1 and not plan.get("told")


def reveal(
    plan: Mapping[str, Any],
    result: Mapping[str, Any],
    revealed: int,
    people: Sequence[int],
    guessed: Mapping[str, bool],
) -> dict[str, Any]:
    """As much as is revealed: pairs of answers from left and right, then the question, then whose the models are.

    `people` says how many voted in school 0 and in school 1, `guessed` who guessed, and whether they were right. Before
    the last step nothing here tells a rule.
    """
    answers, left = result["answers"], plan["left"]
    solved = revealed >= steps(result)
    models = [
        {"rule": plan["rules"][school], "people": people[school], "weights": result["weights"][school]}
        for school in (left, 1 - left)
    ]
    return {
        "shown": min(revealed, len(answers)),
        "total": len(answers),
        "items": answers[:revealed],
        "ask": revealed > len(answers),
        "guessed": len(guessed),
        "right": sum(guessed.values()) if solved else None,
        "models": models if solved else None,
    }


def steps(result: Mapping[str, Any]) -> int:
    """How often the teacher's key reveals something."""
    return len(result["answers"]) + 2


def number(plan: Mapping[str, Any], school: int) -> int:
    """What a school's model is called on the projector: model 1 stands on the left."""
    return 1 if school == plan["left"] else 2


def guess(connection: sa.Connection, code: str, round: int, voter: str, model: int) -> None:
    """Write down which model a voter takes for their school's; the last guess counts."""
    mine = sa.and_(guesses.c.room == code, guesses.c.round == round, guesses.c.voter == voter)
    connection.execute(guesses.delete().where(mine))
    connection.execute(guesses.insert(), {"room": code, "round": round, "voter": voter, "model": model})


def guesses_of(connection: sa.Connection, code: str, round: int) -> dict[str, int]:
    """Which model each voter takes for their school's, of those who said so and were not removed."""
    query = sa.select(guesses.c.voter, guesses.c.model).where(guesses.c.room == code, guesses.c.round == round)
    gone = sa.select(members.c.voter).where(members.c.room == code, members.c.removed)
    return {row.voter: row.model for row in connection.execute(query.where(guesses.c.voter.not_in(gone)))}


def voted(school_of_voter: Mapping[str, int], voters: Iterable[str]) -> list[int]:
    """How many of these are in school 0, and how many in school 1."""
    counts = Counter(school_of_voter[voter] for voter in set(voters) if voter in school_of_voter)
    return [counts[0], counts[1]]


def _in_schools(
    connection: sa.Connection, code: str, round: int, voters: Iterable[str] | None = None
) -> dict[str, int]:
    query = sa.select(pupils.c.voter, pupils.c.school).where(pupils.c.room == code, pupils.c.round == round)
    if voters is not None:
        query = query.where(pupils.c.voter.in_(list(voters)))
    return {row.voter: row.school for row in connection.execute(query)}
