"""What each page shows of a room, as plain values: the phone's, the projector's, the teacher's."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isnan
from random import Random
from typing import Any

import sqlalchemy as sa

from minirlhf.classroom import cards, paper, schools, values
from minirlhf.classroom.kinds import ORDINARY, SCHOOLS, VALUES, kind_of, trained_on
from minirlhf.classroom.rooms import (
    Room,
    asked_in,
    every_question,
    find,
    gone_of,
    hasty_in,
    kept_until,
    latest_job,
    members_of,
    own_job,
    question_of,
    require_seat,
    says_on_screen,
    seated_in,
    shows_values,
    standing_in,
)
from minirlhf.feedback.agreement import krippendorff_alpha, label_of, ratings_of
from minirlhf.feedback.formats.conversation import to_messages
from minirlhf.feedback.meaning import ENOUGH_TO_LEARN
from minirlhf.feedback.votes import Question, Skip, answer_from_row, sides
from minirlhf.files.messages import counted

MOST_DIVIDED = 5  # pairs on the projector
ENOUGH = 3  # votes, before a pair is said to divide anybody
SOME = 4  # votes, before it is worth a word that nothing was chosen in them
MANY = 12  # votes, before it is odd that somebody never chose, or always the same side
HASTY = 1000  # milliseconds in which nobody reads two replies
COUNTED = ("Better 0", "Better 1", "Tie", "BothBad")


def phone(connection: sa.Connection, code: str, voter: str) -> dict[str, Any]:
    """What one voter's phone shows. The questions come in an order of their own for each, so that all get answers."""
    room = find(connection, code)
    rows = [row for row in asked_in(connection, code, room.round) if not row["hidden"]]
    asked = {row["key"]: question_of(row) for row in rows}
    keys = list(asked)
    Random(f"{code} {room.round} {voter}").shuffle(keys)
    mine = {row["question"]: row for row in standing_in(connection, code, voter) if row["question"] in asked}
    seat = require_seat(connection, room, voter)
    kind, plan = kind_of(connection, code, room.round)
    job = latest_job(connection, room)
    school = schools.school_of(connection, code, room.round, voter) if kind == SCHOOLS else None
    return {
        "version": str(room.state),
        "title": room.title,
        "round": room.round,
        "kind": kind,
        "rule": "" if school is None else rule(room, plan, school),
        "guess": None if school is None else guess(connection, room, plan, voter, job),
        "phase": phase(room),
        "shows": shows(connection, room, job),
        "nickname": seat["nickname"],
        "kept_until": kept_until(connection, code),
        "questions": [_on_phone(voter, asked[key], key) for key in keys] if room.phase != "waiting" else [],
        "answers": {
            key: {"id": row["vote"], "says": says_on_screen(voter, asked[key], row["says"])}
            for key, row in mine.items()
        },
        "receipt": receipt(connection, room, voter, job),
    }


def phase(room: Room) -> str:
    """What a room does, in one word of the pages."""
    if room.over:
        return "over"
    return "paused" if room.paused and room.phase == "voting" else room.phase


def shows(connection: sa.Connection, room: Room, job: dict[str, Any] | None) -> str:
    """What of a reveal the projector shows, in a word; nothing where it reveals nothing."""
    if room.phase != "reveal":
        return ""
    if shows_values(connection, room):
        pairs = sum(not row["hidden"] for row in asked_in(connection, room.code, room.round))
        return "trade-offs" if room.revealed <= pairs else "all"
    kind, plan = kind_of(connection, room.code, room.round)
    result = own_result(room, job) or {"answers": []}
    one_by_one = room.revealed <= len(result["answers"])
    if kind == SCHOOLS:
        return "models" if one_by_one else "ask" if schools.asks(plan, result, room.revealed) else "whose"
    return "pairs" if one_by_one else "words"


def rule(room: Room, plan: dict[str, Any], school: int) -> str:
    """The secret rule of a school, from when the round has begun until everybody knows."""
    return "" if room.phase == "waiting" or plan.get("told") else plan["rules"][school]


def guess(
    connection: sa.Connection, room: Room, plan: dict[str, Any], voter: str, job: dict[str, Any] | None
) -> int | None:
    """Which model this voter takes for their school's, 0 where they have not said; None where nobody asks."""
    own = own_result(room, job)
    if room.phase != "reveal" or own is None or not schools.asks(plan, own, room.revealed):
        return None
    return schools.guesses_of(connection, room.code, room.round).get(voter, 0)


def receipt(connection: sa.Connection, room: Room, voter: str, job: dict[str, Any] | None) -> dict[str, str] | None:
    """What became of this voter's own votes, from when a model has learned from this round until the next one."""
    found = (own_result(room, job) or {}).get("receipts", {}).get(voter)
    if not found or room.phase not in ("trained", "reveal"):
        return None
    choices, before, after = found
    whose, told = "the model", ""
    kind, plan = kind_of(connection, room.code, room.round)
    earlier = kind != SCHOOLS and any(round < room.round for round in trained_on(connection, room.code))
    if kind == SCHOOLS:
        whose = "your school's model"
        school = schools.school_of(connection, room.code, room.round, voter)
        if school is not None and plan.get("told"):
            own, guessed = schools.number(plan, school), schools.guesses_of(connection, room.code, room.round)
            said = {None: "", own: " You guessed it."}.get(guessed.get(voter), " You guessed the other one.")
            told = f" It was model {own}.{said}"
    return {
        "sentence": f"Of your {counted(choices, 'choice')} {'up to' if earlier else 'in'} round {room.round}, {whose} "
        f"leaned towards {before} before it learned, and towards {after} now.{told}"
    }


def screen(connection: sa.Connection, code: str) -> dict[str, Any]:
    """What everybody may see."""
    room = find(connection, code)
    rows = asked_in(connection, code, room.round)
    votes = [row for row in standing_in(connection, code) if row["question"] in {each["key"] for each in rows}]
    counts = tally(votes)
    shown = [row for row in rows if not row["hidden"] and sum(counts.get(row["key"], [0])) >= ENOUGH]
    kind, _ = kind_of(connection, code, room.round)
    job = latest_job(connection, room)
    return {
        "version": f"{room.state}.{room.votes}",
        "title": room.title,
        "code": code,
        "phase": phase(room),
        "locked": room.locked,
        "erased": room.erased,
        "round": room.round,
        "kind": kind,
        "joined": len(seated_in(connection, code)),
        "voted": len({row["voter"] for row in votes}),
        "votes": len(votes),
        "alpha": alpha(votes, {row["key"]: question_of(row) for row in rows}),
        "enough": ENOUGH,
        "pairs": [
            _on_screen(row, counts)
            for row in sorted(shown, key=lambda row: -divided(counts[row["key"]]))[:MOST_DIVIDED]
            if kind == ORDINARY  # bars would tell a rule, and lead whoever weighs two values
        ],
        **learned(room, own_job(room, job)),
        **apart(connection, room, votes, own_result(room, job)),
        **chosen(connection, room, rows, counts),
    }


def teacher(connection: sa.Connection, code: str) -> dict[str, Any]:
    """The projector's, and what is only for whoever leads the room."""
    room, seen = find(connection, code), screen(connection, code)
    rows = asked_in(connection, code, room.round)
    votes = standing_in(connection, code)
    counts, cast = tally(votes), Counter(row["voter"] for row in votes)
    job = latest_job(connection, room)
    asked, hasty = every_question(connection, code), hasty_in(connection, code, HASTY)
    by_voter: dict[str, list[dict[str, Any]]] = {}
    for row in votes:
        by_voter.setdefault(row["voter"], []).append(row)
    given = Counter(row["voter"] for row in votes if row["question"] in {each["key"] for each in rows})
    hands, on_paper = set(paper.hands_of(connection, code)), tally(paper.standing_hands(connection, code))
    here = [member for member in members_of(connection, code) if member["voter"] not in hands]
    return seen | {
        "paused": room.paused,
        "seats": room.seats,
        "closes": room.closes,
        "about": about_round(connection, room, votes),
        "few": few(connection, room, votes),
        "kept_until": kept_until(connection, code),
        "gone": gone_of(job),
        "relearns": gone_of(own_job(room, job)) > 0 and room.phase in ("trained", "reveal"),
        "questions": [
            _on_screen(row, counts) | {"hidden": row["hidden"], "paper": on_paper.get(row["key"])} for row in rows
        ],
        "hands": len(hands),
        "no_hands": paper.why_not_now(room, seen["kind"]),
        "cards": cards.used_and_made(connection, code),
        "members": [
            {
                "voter": member["voter"],
                "nickname": member["nickname"],
                "name": name,
                "simulated": member["origin"] == "simulated",
                "votes": cast[member["voter"]],
                "removed": member["removed"],
                "note": note(room, by_voter.get(member["voter"], []), given[member["voter"]], given.total()),
                "suspect": suspect(by_voter.get(member["voter"], []), asked, *hasty.get(member["voter"], (0, 0))),
            }
            for member, name in zip(here, names(here), strict=True)
        ],
    }


def learned(room: Room, job: dict[str, Any] | None) -> dict[str, Any]:
    """How far a training is, and as much of what came of it as the teacher has revealed."""
    if job is None:
        return {"training": None, "reveal": None, "weights": None}
    training = {name: job[name] for name in ("method", "status", "total", "records", "words")}
    result, after = job["result"], room.phase in ("trained", "reveal")
    if not result or not after:
        under_way = room.phase == "training" or job["status"] == "failed"
        return {"training": training if under_way else None, "reveal": None, "weights": None}
    if result.get("apart"):  # two models, which are revealed in another way
        return {"training": training, "reveal": None, "weights": None}
    answers = result["answers"]
    reveal = {"shown": min(room.revealed, len(answers)), "total": len(answers), "items": answers[: room.revealed]}
    all_of_it = room.revealed > len(answers)
    return {"training": training, "reveal": reveal, "weights": result["weights"] if all_of_it else None}


def own_result(room: Room, job: dict[str, Any] | None) -> dict[str, Any] | None:
    """What came of what was learned in this very round."""
    own = own_job(room, job)
    return own["result"] if own else None


def apart(
    connection: sa.Connection, room: Room, votes: list[dict[str, Any]], result: dict[str, Any] | None
) -> dict[str, Any]:
    """Of two schools, as much as is revealed: nothing while their models learn."""
    kind, plan = kind_of(connection, room.code, room.round)
    if kind != SCHOOLS or room.phase not in ("trained", "reveal") or not result:
        return {"schools": None}
    pupils = schools.pupils_of(connection, room.code, room.round)
    people = schools.voted(pupils, (row["voter"] for row in votes))
    right = {
        voter: model == schools.number(plan, pupils[voter])
        for voter, model in schools.guesses_of(connection, room.code, room.round).items()
        if voter in pupils
    }
    return {"schools": schools.reveal(plan, result, room.revealed, people, right)}


def chosen(
    connection: sa.Connection, room: Room, rows: list[dict[str, Any]], counts: dict[str, list[int]]
) -> dict[str, Any]:
    """Of a values round, as many trade-offs as are revealed, and what the room made of them."""
    if room.phase not in ("closed", "reveal") or not shows_values(connection, room):
        return {"values": None}
    asked = [question_of(row) for row in rows if not row["hidden"]]
    return {"values": values.reveal(asked, counts, room.revealed, lambda prompt: _read(prompt)[0])}


def about_round(connection: sa.Connection, room: Room, votes: list[dict[str, Any]]) -> str:
    """What the teacher should know of a round that is no ordinary one, in a sentence or two."""
    kind, _ = kind_of(connection, room.code, room.round)
    if kind == SCHOOLS:
        asked = {row["key"] for row in asked_in(connection, room.code, room.round)}
        pupils = schools.pupils_of(connection, room.code, room.round)
        first, second = schools.voted(pupils, (row["voter"] for row in votes if row["question"] in asked))
        return (
            f"Two schools: {first} and {second} have voted, by rules that only their phones show. Both models are put "
            "away afterwards: the next round asks about the model from before, which never learns from these votes."
        )
    if kind == VALUES:
        return (
            "Each pair sets one value against another; the phones do not say which. No model learns from these votes, "
            "unless you train on them."
        )
    return ""


def few(connection: sa.Connection, room: Room, votes: list[dict[str, Any]]) -> str:
    """What to know before a training is asked for, where this round has few choices; nothing where it has enough."""
    kind, _ = kind_of(connection, room.code, room.round)
    if room.phase != "closed" and not (room.phase == "reveal" and shows_values(connection, room)):
        return ""
    luck = "with fewer, what a model learns is mostly luck."
    voters = _choosers(connection, room.code, [room.round], votes)
    if kind == SCHOOLS:
        pupils = schools.pupils_of(connection, room.code, room.round)
        cast = Counter(pupils[voter] for voter in voters if voter in pupils)
        if min(cast[0], cast[1]) >= ENOUGH_TO_LEARN:
            return ""
        both = f"One school has made {counted(cast[0], 'choice')} and the other {cast[1]}"
        return f"{both}; about {ENOUGH_TO_LEARN} of each are advised: {luck}"
    if len(voters) >= ENOUGH_TO_LEARN:
        return ""
    are = "is" if len(voters) == 1 else "are"
    there = f"There {are} {counted(len(voters), 'choice')} to learn from in this round"
    said = f"{there}; about {ENOUGH_TO_LEARN} are advised: {luck}"
    before = [round for round in trained_on(connection, room.code, done=True) if round < room.round]
    if earlier := len(_choosers(connection, room.code, before, votes)):
        said += f" (It learns from {earlier} of earlier rounds, too.)"
    return f"{said} Hands counted on paper can be typed in first, below." if room.phase == "closed" else said


def _choosers(connection: sa.Connection, code: str, rounds: Sequence[int], votes: list[dict[str, Any]]) -> list[str]:
    """Who has preferred one reply to the other in these rounds, as often as they did."""
    asked = {row["key"] for round in rounds for row in asked_in(connection, code, round) if not row["hidden"]}
    return [row["voter"] for row in votes if row["question"] in asked and row["says"]["answer"] == "Better"]


def names(seats: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the panel calls each of these, who are in the order in which they joined; no two alike."""
    taken: Counter[str] = Counter()
    found = []
    for place, seat in enumerate(seats, start=1):
        # Only seats of a room that is older than the numbers have none.
        called = alone = seat["nickname"] or f"Voter {seat['number'] or place}"
        while taken[called.casefold()]:
            taken[alone.casefold()] += 1
            called = f"{alone} ({taken[alone.casefold()]})"
        taken[called.casefold()] = 1
        found.append(called)
    return found


def tally(votes: list[dict[str, Any]]) -> dict[str, list[int]]:
    """How often each answer was given to each question: the first reply, the second, a tie, both bad."""
    counts: dict[str, list[int]] = {}
    for row in votes:
        if (label := _label(row["says"])) in COUNTED:
            counts.setdefault(row["question"], [0] * len(COUNTED))[COUNTED.index(label)] += 1
    return counts


def divided(counts: list[int]) -> float:
    """How far a pair divides a room: 1 where as many chose the one as the other, 0 where all agree."""
    first, second = counts[:2]
    return 2 * min(first, second) / max(1, sum(counts))


def alpha(votes: list[dict[str, Any]], asked: Mapping[str, Question]) -> float | None:
    """Krippendorff's α of the room's answers; None where no two people answered the same question."""
    # Of each question once: a hall has thousands of votes on two dozen.
    labels = {key: {answer: label_of(question, answer) for answer in paper.ANSWERS} for key, question in asked.items()}
    pairs = {key: question.pair for key, question in asked.items()}
    given = [(row, answer_from_row(row["says"])) for row in votes]
    found = {
        (row["voter"], pairs[row["question"]]): labels[row["question"]][answer]
        for row, answer in given
        if not isinstance(answer, Skip)
    }
    value = krippendorff_alpha(ratings_of(found).rows) if len({voter for voter, _ in found}) > 1 else float("nan")
    return None if isnan(value) else round(value, 3)


def suspect(votes: list[dict[str, Any]], asked: Mapping[str, Question], timed: int, hasty: int) -> str | None:
    """Why a teacher may want to look at one voter's votes; None where there is no reason to.

    Of `timed` votes it is known how long they took, and `hasty` took less than anybody needs to read.
    """
    chosen = [row for row in votes if row["says"]["answer"] == "Better" and row["question"] in asked]
    if len(votes) >= MANY and not chosen:
        return "never chose either reply"
    if timed >= MANY and 2 * hasty > timed:
        return f"answered within {HASTY / 1000:g} second more often than not"
    if len(chosen) >= MANY:
        places = (sides(row["voter"], asked[row["question"]]).index(row["says"]["winner"]) for row in chosen)
        first = next(places)
        if all(place == first for place in places):  # which ends at the first other one, for nearly everybody
            return f"always chose {'AB'[first]}, whichever reply stood there"
    return None


def note(room: Room, votes: list[dict[str, Any]], given: int, by_all: int) -> str | None:
    """What is worth a word of one voter long before it is odd: no answer in this round, or no choice so far."""
    if by_all and not given:
        return "no answer yet" if room.phase == "voting" else "no answer in this round"
    chose = any(row["says"]["answer"] == "Better" for row in votes)
    return "no choice yet" if SOME <= len(votes) < MANY and not chose else None


def _label(says: dict[str, Any]) -> str:
    return f"Better {says['winner']}" if says["answer"] == "Better" else says["answer"]


def _on_phone(voter: str, question: Question, key: str) -> dict[str, Any]:
    prompt, by = _read(question.prompt)
    return {
        "key": key,
        "prompt": prompt,
        "asked_by": by,
        "replies": [question.replies[place].strip() for place in sides(voter, question)],
    }


def _on_screen(row: dict[str, Any], counts: dict[str, list[int]]) -> dict[str, Any]:
    question = question_of(row)
    return {
        "key": row["key"],
        "prompt": _read(question.prompt)[0],
        "replies": [reply.strip() for reply in question.replies],
        "counts": counts.get(row["key"], [0] * len(COUNTED)),
    }


def _read(prompt: str) -> tuple[str, str]:
    """What a person reads of a prompt, and who says it."""
    messages = to_messages(prompt)
    if len(messages) == 1 and messages[0]["content"] != prompt:
        return messages[0]["content"].strip(), "Customer"
    return prompt.strip(), "Prompt"
