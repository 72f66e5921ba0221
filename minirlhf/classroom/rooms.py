"""A room, as the database keeps it: who may do what when, and what becomes of a vote.

Nothing is kept in a process: a server that dies takes nothing with it, and two servers on one database are one room.
Every change begins by raising the room's counter, which locks its row until the change is on disk; so changes happen
one after another, and whoever waits for news asks for one small number.

A vote that is changed is an undo and a new vote, as at a card; `standing` says which one counts. An answer that is sent
twice has the id that it had before, and is one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from minirlhf.classroom import clock, schools, tokens, values
from minirlhf.classroom.kinds import KINDS, ORDINARY, SCHOOLS, VALUES, kind_of, trained_on, write_kind
from minirlhf.classroom.tables import (
    EVERYTHING,
    arrivals,
    cards,
    guesses,
    jobs,
    keeping,
    kinds,
    members,
    metadata,
    paper,
    pupils,
    questions,
    rooms,
    standing,
)
from minirlhf.feedback.store import FeedbackStore, event_from_row, events, insert_events, insert_once
from minirlhf.feedback.votes import Answer, Better, Question, Undo, Vote, answer_from_row, answer_to_row, sides
from minirlhf.files.messages import counted

NICKNAME = 24  # letters
KEEP_DAYS = 30.0  # after a room's end, if nobody says otherwise
SAYS = ("Better", "Tie", "BothBad", "Skip")  # what a phone's buttons say
# What the teacher may do when, and what the room does then; a pause ends with the vote that it was made in.
STEPS: dict[str, tuple[tuple[str, ...], str]] = {
    "open": (("waiting", "closed"), "voting"),
    "close": (("voting",), "closed"),
    "train": (("voting", "closed"), "training"),
    "end": (("waiting", "voting", "closed", "training", "trained", "reveal"), "over"),
}
NO_SEAT = "You have no seat in this room any more. Join again."
ERASED = "Every vote of this room has been erased, and the room is over. Nothing is left to delete."
REMOVED = "The teacher has closed your seat in this room. Speak to them if that is a mistake."


class Refused(Exception):
    """What somebody asked for cannot be done; says why, and what to do.

    `status` is HTTP's number for it; `helps` names what a page has to do about it: to offer to join, to ask for a
    card, to forget what was erased.
    """

    def __init__(self, words: str, status: int = 409, helps: str = "") -> None:
        super().__init__(words)
        self.status, self.helps = status, helps


@dataclass(frozen=True)
class Ballot:
    """What a phone sends: an answer in places of its screen, or None to take back the one that stands."""

    voter: str
    question: str
    says: Answer | None
    id: str
    ms: int | None = None
    sheet: tuple[int, ...] | None = None
    """Which reply stood where on a sheet of paper, where there was no screen."""


@dataclass(frozen=True)
class Room:
    """One row of the table of rooms."""

    code: str
    title: str
    secret: str
    teacher: str
    opened: str
    closes: str
    seats: int
    """How many may join; none once everything was erased."""
    seed: int
    phase: str
    paused: bool
    locked: bool
    round: int
    revealed: int
    state: int
    votes: int

    @property
    def over(self) -> bool:
        """Whether it has ended, or its time has."""
        return self.phase == "over" or clock.now() > datetime.fromisoformat(self.closes)

    @property
    def erased(self) -> bool:
        """Whether the teacher has erased every vote and seat; what ends the room afterwards leaves that as it is."""
        return self.seats == 0


def prepare(store: FeedbackStore) -> None:
    """Make the classroom's tables where they are missing."""
    with store.connect("be opened") as connection:
        metadata.create_all(connection, checkfirst=True)


def open_room(
    store: FeedbackStore, title: str, hours: float = 4.0, seats: int = 500, seed: int = 0, keep_days: float = KEEP_DAYS
) -> tuple[str, str]:
    """A new room: its code, and the teacher's token, of which only a digest is kept.

    All of it is deleted `keep_days` after its time is over, when a classroom next looks; see `purge`.
    """
    if not 0 < hours <= 7 * 24 or not 0 < seats <= 5000:
        raise ValueError(f"A room lasts up to a week and has up to 5000 seats; not {hours} hours and {seats} seats.")
    if not 0 <= keep_days <= 3650:
        raise ValueError(f"A room's votes are kept from 0 to 3650 days after it is over; not {keep_days}.")
    prepare(store)
    code, token, now = tokens.new_code(), tokens.new_token(), clock.now()
    room = Room(
        code=code,
        title=title,
        secret=tokens.new_token(),
        teacher=tokens.digest(token),
        opened=now.isoformat(),
        closes=(now + timedelta(hours=hours)).isoformat(),
        seats=seats,
        seed=seed,
        phase="waiting",
        paused=False,
        locked=False,
        round=1,
        revealed=0,
        state=1,
        votes=0,
    )
    with store.connect() as connection:
        connection.execute(rooms.insert(), asdict(room))
        until = now + timedelta(hours=hours, days=keep_days)
        connection.execute(keeping.insert(), {"room": code, "until": until.isoformat(), "asked": 0})
    return code, token


def purge(store: FeedbackStore) -> int:
    """Delete every room whose date has come, with its votes, seats and nicknames; returns how many those were.

    Nothing else is touched: not the votes of other rooms, nor those that were cast in notebooks.
    """
    prepare(store)
    with store.connect() as connection:
        due = sa.select(keeping.c.room).where(keeping.c.until <= clock.now().isoformat())
        codes = list(connection.scalars(due))
        for code in codes:
            delete_room(connection, code)
    return len(codes)


def note_asked(connection: sa.Connection, codes: Iterable[str]) -> None:
    """Note that somebody is there: whoever works for a room ends when nobody is for long."""
    for code in codes:
        connection.execute(insert_once(keeping, connection), {"room": code, "until": None, "asked": 0})
        connection.execute(keeping.update().where(keeping.c.room == code).values(asked=keeping.c.asked + 1))


def asked_for(connection: sa.Connection, code: str) -> int:
    """A number that changes within a minute when somebody asks for a room."""
    return connection.scalar(sa.select(keeping.c.asked).where(keeping.c.room == code)) or 0


def kept_until(connection: sa.Connection, code: str) -> str | None:
    """When all of a room is deleted; None where nobody has said so."""
    return connection.scalar(sa.select(keeping.c.until).where(keeping.c.room == code))


def count_change(connection: sa.Connection, code: str) -> Room:
    """Begin a change that only the screens show; until the transaction ends, nobody else changes the room."""
    connection.execute(rooms.update().where(rooms.c.code == code).values(votes=rooms.c.votes + 1))
    return find(connection, code)


def find(connection: sa.Connection, code: str) -> Room:
    """The room of this code; Refused where there is none."""
    row = connection.execute(sa.select(rooms).where(rooms.c.code == code)).mappings().first()
    if row is None:
        raise Refused("There is no room with this code. Look at the screen again: eight letters, no numbers.", 404)
    return Room(**row)


def change(connection: sa.Connection, code: str, **values: Any) -> Room:
    """Change a room, and let every phone know; until the transaction ends, nobody else changes it."""
    connection.execute(rooms.update().where(rooms.c.code == code).values(state=rooms.c.state + 1, **values))
    return find(connection, code)


# What a phone does.


def join(
    connection: sa.Connection, code: str, nickname: str, voter: str | None = None, origin: str = "human"
) -> dict[str, str]:
    """Take a seat, or keep the one that is there; Refused where the door is locked or the room is full."""
    room = count_change(connection, code)
    nickname = " ".join("".join(letter for letter in nickname if letter.isprintable()).split())[:NICKNAME]
    here = sa.and_(members.c.room == code, members.c.voter == voter)
    mine = voter and connection.execute(sa.select(members).where(here)).mappings().first()
    if mine and mine["removed"]:
        raise Refused(REMOVED, 403)
    if mine and voter:
        connection.execute(members.update().where(here).values(nickname=nickname))
        return {"voter": voter, "nickname": nickname}
    if room.erased:
        raise Refused(ERASED, helps="erased")
    if room.over:
        raise Refused("This room has ended. Nobody can join it any more.")
    if room.locked:
        raise Refused("The door is locked: nobody new can join now. Ask the teacher to unlock it.")
    if seats_taken(connection, code) >= room.seats:
        raise Refused(f"All {room.seats} seats of this room are taken. Ask the teacher.")
    voter = seat(connection, code, nickname, origin)
    last = connection.scalar(sa.select(sa.func.max(arrivals.c.number)).where(arrivals.c.room == code)) or 0
    connection.execute(arrivals.insert(), {"room": code, "voter": voter, "number": last + 1})
    if room.phase != "waiting":
        _enrol(connection, room)
    return {"voter": voter, "nickname": nickname}


def seats_taken(connection: sa.Connection, code: str) -> int:
    """How many sit in a room, those included whom the teacher has removed, and hands on paper."""
    return connection.scalar(sa.select(sa.func.count()).select_from(members).where(members.c.room == code)) or 0


def seat(connection: sa.Connection, code: str, nickname: str, origin: str = "human") -> str:
    """A new seat, and nothing else: whether there is one to be had, whoever calls this has asked."""
    voter = tokens.new_voter()
    row = {"room": code, "voter": voter, "nickname": nickname, "origin": origin, "removed": False}
    connection.execute(members.insert(), row)
    return voter


def require_seat(connection: sa.Connection, room: Room, voter: str) -> dict[str, Any]:
    """A voter's row among the members; Refused where they have no seat, or no longer."""
    mine = next(iter(members_of(connection, room.code, voter)), None)
    if why := _why_no_seat(room, mine):
        raise why
    assert mine
    return mine


def count_ballots(connection: sa.Connection, code: str, ballots: Sequence[Ballot]) -> list[Refused | None]:
    """Count answers, in the order in which they came; for each what it was refused for, or None.

    Many at once cost little more than one: a whole room may press its buttons in the same second.
    """
    room, voters = count_change(connection, code), {ballot.voter for ballot in ballots}
    seats = _by(connection, members, code, "voter", members.c.voter.in_(voters))
    asked = _by(connection, questions, code, "key", questions.c.key.in_({ballot.question for ballot in ballots}))
    stands = {
        (row["voter"], row["question"]): row
        for row in connection.execute(
            sa.select(standing).where(standing.c.room == code, standing.c.voter.in_(voters))
        ).mappings()
    }
    known = _owners(connection, {ballot.id for ballot in ballots})
    happened: list[Vote | Undo] = []
    changed: dict[tuple[str, str], dict[str, Any] | None] = {}
    outcomes: list[Refused | None] = []
    for ballot in ballots:
        place = (ballot.voter, ballot.question)
        if ballot.id in known:  # sent again, for its receipt was lost on the way
            mine = known[ballot.id] == ballot.voter
            outcomes.append(None if mine else Refused("This answer has the mark of another one. Give it again.", 400))
            continue
        why = _why_not(room, seats.get(ballot.voter), asked.get(ballot.question), ballot)
        outcomes.append(why)
        if why:
            continue
        known[ballot.id] = ballot.voter
        earlier = changed[place] if place in changed else stands.get(place)
        if ballot.says is None:
            if earlier:
                happened.append(Undo(earlier["vote"], ballot.voter, clock.now(), ballot.id))
            changed[place] = None
            continue
        vote = _vote(question_of(asked[ballot.question]), seats[ballot.voter]["origin"], ballot)
        if earlier:
            happened.append(Undo(earlier["vote"], ballot.voter, time=vote.time))
        happened.append(vote)
        says = answer_to_row(vote.answer)
        changed[place] = {
            "room": code,
            "voter": ballot.voter,
            "question": ballot.question,
            "vote": vote.id,
            "says": says,
        }
    insert_events(connection, happened)
    _stand(connection, code, changed)
    return outcomes


def guess(connection: sa.Connection, code: str, voter: str, model: Any) -> None:
    """Which of two models a voter takes for their own school's; Refused where nobody asks."""
    room = count_change(connection, code)
    require_seat(connection, room, voter)
    kind, plan = kind_of(connection, code, room.round)
    job = latest_job(connection, room)
    asked = kind == SCHOOLS and job is not None and job["result"] and schools.asks(plan, job["result"], room.revealed)
    if not asked or room.phase != "reveal" or schools.school_of(connection, code, room.round, voter) is None:
        raise Refused("Nobody asks which model is whose just now. Look up at the screen.")
    if type(model) is not int or model not in (1, 2):
        raise Refused("There are model 1 and model 2. Load the page again.", 400)
    schools.guess(connection, code, room.round, voter, model)


def forget(connection: sa.Connection, code: str, voters: Iterable[str]) -> None:
    """Delete these voters' seats and every vote they cast, taken back or not."""
    gone = list(voters)
    count_change(connection, code)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete=ON")  # written over, where it would only be marked as free
    for row in connection.execute(sa.select(jobs).where(jobs.c.room == code)).mappings().all():
        if row["result"] and (result := _without(row["result"], gone)) != row["result"]:
            connection.execute(jobs.update().where(_same_job(code, row["round"])).values(result=result))
    for table in (standing, members, pupils, guesses, paper, arrivals):
        connection.execute(table.delete().where(table.c.room == code, table.c.voter.in_(gone)))
    connection.execute(events.delete().where(events.c.voter.in_(gone)))
    connection.execute(cards.update().where(cards.c.room == code, cards.c.voter.in_(gone)).values(voter=None))


def _without(result: Mapping[str, Any], voters: Iterable[str]) -> dict[str, Any]:
    """What came of a training, where it no longer says anything of these voters but how many votes are gone."""
    gone, learned_from = set(voters), result.get("learned_from", {})
    rest = {
        name: {voter: value for voter, value in result.get(name, {}).items() if voter not in gone}
        for name in ("receipts", "learned_from")
    }
    lost = sum(n for voter, n in learned_from.items() if voter in gone)
    return {**result, **rest, "gone": result.get("gone", 0) + lost}


# What the teacher does.


def step(connection: sa.Connection, code: str, do: str, wish: Mapping[str, Any]) -> None:
    """One thing that the teacher's panel asks for; Refused where it makes no sense now."""
    room = change(connection, code)
    match do:
        case "pause" | "resume":
            change(connection, code, paused=do == "pause")
        case "lock" | "unlock":
            change(connection, code, locked=do == "lock")
        case "hide" | "show":
            _require_one(
                connection.execute(
                    questions.update()
                    .where(questions.c.room == code, questions.c.key == str(wish.get("question")))
                    .values(hidden=do == "hide")
                ),
                "question",
            )
        case "remove":
            voter = str(wish.get("voter"))
            seat = sa.and_(members.c.room == code, members.c.voter == voter)
            _require_one(connection.execute(members.update().where(seat).values(removed=True)), "voter")
            change(connection, code, votes=rooms.c.votes + 1)
        case "reveal":
            _reveal(connection, room)
        case "back":
            if room.phase != "reveal" or room.revealed < 2:
                raise Refused("There is nothing shown before this.")
            change(connection, code, revealed=room.revealed - 1)
        case "kind":
            if room.phase != "waiting":
                raise Refused("This round has begun already. Choose what the next one is for when it is opened.")
            _choose_kind(connection, room, wish.get("kind"))
        case "relearn":
            job = own_job(room, latest_job(connection, room))
            if room.phase not in ("trained", "reveal") or not job or not gone_of(job):
                raise Refused("The model knows no vote that is gone, so there is nothing to learn again.")
            _ask_to_train(connection, room, job["method"])
            change(connection, code, phase="training", revealed=0)
        case "next":
            _next_round(connection, room, wish.get("kind") or ORDINARY)
        case "erase":
            seats = connection.scalars(sa.select(members.c.voter).where(members.c.room == code)).all()
            forget(connection, code, seats)
            for table in (questions, jobs, kinds, pupils, guesses, cards):
                connection.execute(table.delete().where(table.c.room == code))
            change(connection, code, phase="over", seats=0)
        case _ if do in STEPS:
            before, after = STEPS[do]
            if do == "train" and shows_values(connection, room):  # or not at all: what was chosen can be seen without
                before = (*before, "reveal")
            if room.phase not in before:
                raise Refused(f"This room is {SAID[room.phase]}; {do!r} comes after it was {_or(before)}.")
            if do == "open" and not _asked(connection, room):
                raise Refused("The questions are still being written. Try again in a few seconds.")
            if do == "open":
                _enrol(connection, room)
            if do == "train":
                _ask_to_train(connection, room, str(wish.get("method") or ""))
            change(connection, code, phase=after, paused=False)
        case _:
            raise Refused(f"There is no {do!r} to do. Load the panel again, to bring it up to date.", 400)


SAID = {
    "waiting": "waiting to begin",
    "voting": "voting",
    "paused": "paused",
    "closed": "closed for votes",
    "training": "training",
    "trained": "ready to reveal",
    "reveal": "revealing",
    "over": "over",
}
METHODS = ("PPO", "DPO")


def _choose_kind(connection: sa.Connection, room: Room, kind: Any) -> None:
    """Say what the room's round is for, before anybody has voted in it."""
    if kind not in KINDS:
        raise Refused(f"There is no kind of round {kind!r}; there are {', '.join(KINDS)}.", 400)
    earlier, _ = kind_of(connection, room.code, room.round)
    plan = schools.draw(room.secret, room.round) if kind == SCHOOLS else {}
    write_kind(connection, room.code, room.round, kind, plan)
    if kind == VALUES:
        write_down(connection, room.code, room.round, values.questions(room.round))
    elif earlier == VALUES:  # the learner writes others
        connection.execute(questions.delete().where(questions.c.room == room.code, questions.c.round == room.round))


def _enrol(connection: sa.Connection, room: Room) -> None:
    """Where this round has two schools, see that everybody is in one."""
    if kind_of(connection, room.code, room.round)[0] == SCHOOLS:
        schools.enrol(connection, room.code, room.secret, room.round)


def shows_values(connection: sa.Connection, room: Room) -> bool:
    """Whether what this round reveals is what the room has chosen, and not what a model has made of it."""
    job = own_job(room, latest_job(connection, room))
    trained = job is not None and job["status"] == "done"
    return kind_of(connection, room.code, room.round)[0] == VALUES and not trained


def _ask_to_train(connection: sa.Connection, room: Room, method: str) -> None:
    kind, _ = kind_of(connection, room.code, room.round)
    method = method or ("DPO" if kind == SCHOOLS else "PPO")
    if kind == SCHOOLS and 0 in _voted_by_school(connection, room):
        raise Refused("One of the schools has not voted yet, so its model has nothing to learn from. Open the vote.")
    if method not in METHODS:
        raise Refused(f"There is no method {method!r}; there are {' and '.join(METHODS)}.", 400)
    if not connection.scalar(sa.select(standing.c.vote).where(standing.c.room == room.code).limit(1)):
        raise Refused("Nobody has voted yet, so there is nothing to learn from. Open the round first.")
    row = {"room": room.code, "round": room.round, "method": method, "status": "asked", "total": 0, "records": []}
    connection.execute(jobs.delete().where(jobs.c.room == room.code, jobs.c.round == room.round))
    connection.execute(jobs.insert(), row | {"words": "", "result": None})


def _voted_by_school(connection: sa.Connection, room: Room) -> list[int]:
    asked = {row["key"] for row in asked_in(connection, room.code, room.round) if not row["hidden"]}
    voters = [row["voter"] for row in standing_in(connection, room.code) if row["question"] in asked]
    return schools.voted(schools.pupils_of(connection, room.code, room.round), voters)


def _reveal(connection: sa.Connection, room: Room) -> None:
    kind, plan = kind_of(connection, room.code, room.round)
    if shows_values(connection, room):
        if room.phase not in ("closed", "reveal"):
            raise Refused("The room still chooses: close the vote first.")
        total = values.steps([row for row in asked_in(connection, room.code, room.round) if not row["hidden"]])
    else:
        job = latest_job(connection, room)
        if room.phase not in ("trained", "reveal") or not job or not job["result"]:
            raise Refused("There is nothing to reveal yet: train first, and wait until it is done.")
        total = schools.steps(job["result"]) if kind == SCHOOLS else len(job["result"]["answers"]) + 1
    if room.revealed >= total:
        raise Refused("All of it is revealed. The next round comes next.")
    if kind == SCHOOLS and room.revealed + 1 == total:  # whoever is asked again, after a step back, knows it already
        write_kind(connection, room.code, room.round, kind, plan | {"told": True})
    change(connection, room.code, phase="reveal", revealed=room.revealed + 1)


def _next_round(connection: sa.Connection, room: Room, kind: Any) -> None:
    before = ("closed", "trained", "reveal") if shows_values(connection, room) else ("trained", "reveal")
    if room.phase not in before:
        raise Refused("The next round asks about the changed model: train first, and wait until it is done.")
    room = change(connection, room.code, phase="voting", paused=False, round=room.round + 1, revealed=0)
    if kind != ORDINARY:
        _choose_kind(connection, room, kind)
        _enrol(connection, room)


# What is there.


def asked_in(connection: sa.Connection, code: str, round: int) -> list[dict[str, Any]]:
    """The rows of a round's questions, in their order."""
    query = sa.select(questions).where(questions.c.room == code, questions.c.round == round)
    return [dict(row) for row in connection.execute(query.order_by(questions.c.place)).mappings()]


def every_question(connection: sa.Connection, code: str) -> dict[str, Question]:
    """All that was asked in a room, in every round, by key."""
    rows = connection.execute(sa.select(questions).where(questions.c.room == code)).mappings()
    return {row["key"]: question_of(dict(row)) for row in rows}


def hasty_in(connection: sa.Connection, code: str, ms: int) -> dict[str, tuple[int, int]]:
    """For each voter, how many standing votes say how long they took, and how many took less than `ms`."""
    took = events.c.response_ms
    query = sa.select(standing.c.voter, sa.func.count(took), sa.func.sum(sa.case((took < ms, 1), else_=0)))
    query = query.join(events, standing.c.vote == events.c.id).where(standing.c.room == code, took.is_not(None))
    return {voter: (n, hasty) for voter, n, hasty in connection.execute(query.group_by(standing.c.voter))}


def write_down(connection: sa.Connection, code: str, round: int, written: Sequence[Question]) -> None:
    """Keep the questions of a round; what was written for it before is written over."""
    connection.execute(questions.delete().where(questions.c.room == code, questions.c.round == round))
    rows = [
        {"room": code, "key": one.key, "round": round, "place": place, "question": asdict(one), "hidden": False}
        for place, one in enumerate(written)
    ]
    connection.execute(questions.insert(), rows)
    change(connection, code)


def members_of(connection: sa.Connection, code: str, voter: str | None = None) -> list[dict[str, Any]]:
    """The rows of all who joined, in the order in which they did, or of one of them.

    Each with its `number` in that order, which nobody else gets while they stay; None for hands on paper.
    """
    came = sa.and_(members.c.room == arrivals.c.room, members.c.voter == arrivals.c.voter)
    query = sa.select(members, arrivals.c.number).outerjoin(arrivals, came).where(members.c.room == code)
    if voter is not None:
        query = query.where(members.c.voter == voter)
    query = query.order_by(sa.func.coalesce(arrivals.c.number, 0), members.c.voter)
    return [dict(row) for row in connection.execute(query).mappings()]


def seated_in(connection: sa.Connection, code: str) -> list[dict[str, Any]]:
    """The rows of all who sit in a room: its members but for those whom the teacher has removed."""
    return [member for member in members_of(connection, code) if not member["removed"]]


def standing_in(connection: sa.Connection, code: str, voter: str | None = None) -> list[dict[str, Any]]:
    """The rows of what stands: of everybody who was not removed, or of one voter."""
    query = sa.select(standing).where(standing.c.room == code)
    if voter is not None:
        query = query.where(standing.c.voter == voter)
    gone = sa.select(members.c.voter).where(members.c.room == code, members.c.removed)
    return [dict(row) for row in connection.execute(query.where(standing.c.voter.not_in(gone))).mappings()]


def votes_of(store: FeedbackStore, code: str) -> list[Vote]:
    """The room's votes that count, oldest first, as every function of the course takes them."""
    with store.connect("be read") as connection:
        gone = sa.select(members.c.voter).where(members.c.room == code, members.c.removed)
        hidden = sa.select(questions.c.key).where(questions.c.room == code, questions.c.hidden)
        query = sa.select(events).join(standing, standing.c.vote == events.c.id).where(standing.c.room == code)
        query = query.where(standing.c.voter.not_in(gone), standing.c.question.not_in(hidden))
        rows = connection.execute(query.order_by(events.c.time, events.c.id)).mappings().all()
        found = [event_from_row(dict(row)) for row in rows]
    return [vote for vote in found if isinstance(vote, Vote)]


def latest_job(connection: sa.Connection, room: Room) -> dict[str, Any] | None:
    """What was last asked to be learned, up to the room's round."""
    query = sa.select(jobs).where(jobs.c.room == room.code, jobs.c.round <= room.round)
    row = connection.execute(query.order_by(jobs.c.round.desc()).limit(1)).mappings().first()
    return dict(row) if row else None


def own_job(room: Room, job: dict[str, Any] | None) -> dict[str, Any] | None:
    """What is or was learned in this very round; None where nothing is."""
    return job if job and job["round"] == room.round else None


def learned_before(connection: sa.Connection, room: Room) -> dict[str, Any] | None:
    """The last training of an earlier round that has gone into the room's one model."""
    earlier = [round for round in trained_on(connection, room.code, done=True) if round < room.round]
    row = connection.execute(sa.select(jobs).where(_same_job(room.code, max(earlier, default=0)))).mappings().first()
    return dict(row) if row else None


def gone_of(job: Mapping[str, Any] | None) -> int:
    """How many votes a training has learned from that were deleted since."""
    return ((job and job["result"]) or {}).get("gone", 0)


def finish_job(connection: sa.Connection, code: str, round: int, result: Mapping[str, Any]) -> None:
    """Note what came of a training; whoever has left meanwhile is not in it."""
    count_change(connection, code)
    here = {row["voter"] for row in members_of(connection, code)}
    result = _without(result, result.get("learned_from", {}).keys() - here)
    update_job(connection, code, round, status="done", result=result)


def _same_job(code: str, round: int) -> sa.ColumnElement[bool]:
    return sa.and_(jobs.c.room == code, jobs.c.round == round)


def update_job(connection: sa.Connection, code: str, round: int, **values: Any) -> None:
    """Note how far a training is."""
    connection.execute(jobs.update().where(_same_job(code, round)).values(**values))
    change(connection, code)


def delete_room(connection: sa.Connection, code: str) -> None:
    """Delete a room with all its votes, as if it had never been."""
    forget(connection, code, connection.scalars(sa.select(members.c.voter).where(members.c.room == code)).all())
    for table in EVERYTHING[1:]:
        connection.execute(table.delete().where(table.c.room == code))
    connection.execute(rooms.delete().where(rooms.c.code == code))


def _asked(connection: sa.Connection, room: Room) -> bool:
    query = sa.select(questions.c.key).where(questions.c.room == room.code, questions.c.round == room.round)
    return connection.scalar(query.limit(1)) is not None


def _by(connection: sa.Connection, table: sa.Table, code: str, name: str, where: Any) -> dict[str, Mapping[str, Any]]:
    rows = connection.execute(sa.select(table).where(table.c.room == code, where)).mappings()
    return {row[name]: dict(row) for row in rows}


def _owners(connection: sa.Connection, ids: set[str]) -> dict[str, str]:
    """Whose the events are that have these ids already."""
    rows = connection.execute(sa.select(events.c.id, events.c.voter).where(events.c.id.in_(ids)))
    return {row.id: row.voter for row in rows}


def _why_no_seat(room: Room, seat: Mapping[str, Any] | None) -> Refused | None:
    if seat is None:
        return Refused(ERASED, 403, helps="erased") if room.erased else Refused(NO_SEAT, 403, helps="join")
    return Refused(REMOVED, 403) if seat["removed"] else None


def _why_not(room: Room, seat: Any, asked: Any, ballot: Ballot) -> Refused | None:
    """Why an answer cannot be counted; None where it can."""
    if why := _why_no_seat(room, seat):
        return why
    if asked is None or asked["hidden"] or asked["round"] != room.round:
        return Refused("That question is no longer asked. Here is what is asked now.")
    # What is on paper is counted after the room has put down its pencils.
    if room.over or room.phase not in (("voting", "closed") if ballot.sheet else ("voting",)):
        return Refused("This round is closed, so the answer was not counted. Look up at the screen.")
    if room.paused and not ballot.sheet:
        return Refused("The teacher has paused the room. Your answer waits on your phone.", 503)
    says, places = ballot.says, range(len(asked["question"]["replies"]))
    if says is not None and (
        type(says).__name__ not in SAYS or (isinstance(says, Better) and says.winner not in places)
    ):
        return Refused(f"{says} does not answer this question. Load the page again.", 400)
    return None


def _vote(question: Question, origin: str, ballot: Ballot) -> Vote:
    """A ballot as a vote: what was meant by a place on the phone, in positions of the question."""
    shown, answer = ballot.sheet or sides(ballot.voter, question), ballot.says
    assert answer is not None
    if isinstance(answer, Better):
        answer = Better(shown[answer.winner])
    return Vote(question, answer, shown, ballot.voter, origin, ballot.ms, clock.now(), ballot.id)


def _stand(connection: sa.Connection, code: str, changed: Mapping[tuple[str, str], dict[str, Any] | None]) -> None:
    """Write down what stands now on each (voter, question), or that nothing does."""
    if now := [row for row in changed.values() if row]:
        insert = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[connection.dialect.name](standing)
        new = {name: insert.excluded[name] for name in ("vote", "says")}
        connection.execute(insert.on_conflict_do_update(index_elements=["room", "voter", "question"], set_=new), now)
    for voter, question in [place for place, row in changed.items() if row is None]:
        connection.execute(
            standing.delete().where(standing.c.room == code, standing.c.voter == voter, standing.c.question == question)
        )


def _tuples(row: Mapping[str, Any]) -> dict[str, Any]:
    """A question's fields as JSON gives them back, with tuples where it has lists."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}


def question_of(row: Mapping[str, Any]) -> Question:
    """The question that a row of the table holds."""
    return Question(**_tuples(row["question"]))


def says_on_screen(voter: str, question: Question, says: Mapping[str, Any]) -> dict[str, Any]:
    """What stands, in places of this voter's screen."""
    answer = answer_from_row(dict(says))
    if isinstance(answer, Better):
        answer = Better(sides(voter, question).index(answer.winner))
    return answer_to_row(answer)


def _require_one(result: sa.CursorResult, what: str) -> None:
    if result.rowcount != 1:
        raise Refused(f"There is no such {what} in this room: {counted(result.rowcount, what)} found.", 404)


def _or(words: Sequence[str]) -> str:
    return " or ".join(SAID[word] for word in words)
