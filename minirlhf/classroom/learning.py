"""The learner as a process: `python -m minirlhf.classroom.learning`, which writes the questions and trains.

It looks at the room's jobs, and writes down how far it is, so that it needs no connection to the server: either may die
and come back. Only it loads torch. Two threads at most, which wait asleep: see runtime.py.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import zip_longest
from time import monotonic, sleep
from typing import Any

from minirlhf.classroom import rooms
from minirlhf.classroom.kinds import SCHOOLS, VALUES, kind_of, trained_on
from minirlhf.classroom.outcome import answers, receipts, top_weights
from minirlhf.classroom.schools import pupils_of
from minirlhf.feedback.store import FeedbackStore, StoreError
from minirlhf.feedback.votes import Vote
from minirlhf.machine import runtime

PAIRS = 24  # questions a round: more than a room answers in five minutes, and few enough that people share them
HIGHEST, LOWEST = 8, 4  # word weights shown
HIGHEST_APART, LOWEST_APART = 5, 3  # and of each of two models, side by side
NOTHING_WHOLE = -1  # in place of a round: a training that failed has left something half learned
LEFT = 3600  # seconds in which nobody asked for the room: its server has gone, and no teacher is there
LOOK = 0.3  # seconds between two looks at the database
CURVES = {"PPO": ("score", "kl"), "DPO": ("margin", "accuracy")}
APART = ("first", "second")  # the names of two models' curves and answers, from the left


class Learner:
    """What one room's votes have made of the model so far."""

    def __init__(self, store: FeedbackStore, code: str) -> None:
        from minirlhf.recipes.pipeline import load_shipped
        from minirlhf.recipes.taste import Taste

        rooms.prepare(store)
        self.store, self.code = store, code
        self.shipped = load_shipped()
        self.taste, self.learned = Taste.shipped(self.shipped), 0  # the last round that has gone into it
        self.asked_for, self.heard = -1, monotonic()  # how often somebody had asked for the room, and when that changed

    def run(self) -> None:
        """Do what there is to do, until the room is over, or nobody has asked for it for an hour."""
        while self.work():
            pass

    def work(self) -> bool:
        """Do the next thing, or wait a moment where there is none; False where there will be none any more."""
        try:
            with self.store.connect("be read") as connection:
                room = rooms.find(connection, self.code)
                job, asked = rooms.latest_job(connection, room), rooms.asked_in(connection, self.code, room.round)
                following = rooms.asked_in(connection, self.code, room.round + 1)
                kind, plan = kind_of(connection, self.code, room.round)
                done, asked_for = trained_on(connection, self.code, done=True), rooms.asked_for(connection, self.code)
        except StoreError:  # a full disk, a database that starts anew: it may come back
            sleep(2)
            return monotonic() - self.heard < LEFT
        if asked_for != self.asked_for:
            self.asked_for, self.heard = asked_for, monotonic()
        if room.over or monotonic() - self.heard > LEFT:
            return False
        if self.learned != max(done, default=0):
            self.catch_up(room, done)
        elif not asked:
            self.ask(room.round, room.seed)
        elif job and job["round"] == room.round and job["status"] in ("asked", "running"):
            if kind == SCHOOLS:
                self.learn_apart(room, job["method"], plan)
            else:
                self.learn(room, job["method"])
        elif kind == VALUES and not following:  # no training writes them on its way
            self.ask(room.round + 1, room.seed)
        else:
            sleep(LOOK)
        return True

    def ask(self, round: int, seed: int) -> None:
        """Write the questions of a round: about what the model says now."""
        from minirlhf.feedback.asking import write_questions

        model, name = (self.taste.policy, "RLHF") if self.learned > 0 else (self.taste.reference, "SFT")
        prompts, tokenizer = self.shipped.prompts("held_out"), self.shipped.tokenizer
        written = write_questions(model, prompts, tokenizer, PAIRS, "pair", name, round, seed + round)
        with self.store.connect() as connection:
            rooms.change(connection, self.code)
            if kind_of(connection, self.code, round)[0] != VALUES:  # the teacher may have chosen meanwhile
                rooms.write_down(connection, self.code, round, written)

    def votes(self, rounds: Container[int]) -> list[Vote]:
        """The votes that were cast in these rounds and count."""
        return [vote for vote in rooms.votes_of(self.store, self.code) if vote.question.round in rounds]

    def catch_up(self, room: rooms.Room, done: Mapping[int, str]) -> None:
        """Make the model anew that there was before this process began, from all votes that went into it, at once."""
        from minirlhf.recipes.taste import Taste

        self.taste, self.learned = Taste.shipped(self.shipped), max(done, default=0)
        votes = self.votes(done)
        try:
            for _ in TRAIN[done[self.learned]](self.taste, votes, room.seed + self.learned) if votes else ():
                pass
        except Exception:  # what was learned cannot be learned again; better the shipped model than none
            self.taste = Taste.shipped(self.shipped)

    def learn(self, room: rooms.Room, method: str) -> None:
        """Train on every vote of the room, and say so on the way; a failure is said too, and the room goes on."""
        from minirlhf.recipes.taste import Taste

        if self.knows_what_is_gone(room):
            self.taste = Taste.shipped(self.shipped)
        before = deepcopy(self.taste.policy)
        with self.store.connect("be read") as connection:
            rounds = trained_on(connection, self.code)
        votes = self.votes(rounds)
        records: list[dict[str, float]] = []
        try:
            for total, words, record in TRAIN[method](self.taste, votes, room.seed + room.round):
                if record:
                    records.append({name: round(record[name], 4) for name in CURVES[method]})
                self.note(room.round, status="running", total=total, words=words, records=records)
            result = {
                "answers": answers(self.shipped, self.taste, {"before": before, "after": self.taste.policy}),
                "weights": top_weights(self.taste, HIGHEST, LOWEST),
                "receipts": receipts(self.shipped, before, self.taste.policy, votes),
                "learned_from": dict(Counter(vote.voter for vote in votes)),
            }
        except Exception as error:
            self.learned = NOTHING_WHOLE
            self.fail(room, error)
            return
        self.learned = room.round
        self.ask(room.round + 1, room.seed)  # while people still talk about this one
        self.finish(room, result)

    def learn_apart(self, room: rooms.Room, method: str, plan: Mapping[str, Any]) -> None:
        """Train two models side by side, each on one school's votes, both from where the room's model stands."""
        with self.store.connect("be read") as connection:
            school = pupils_of(connection, self.code, room.round)
        mine: list[list[Vote]] = [[], []]
        for vote in self.votes([room.round]):
            if vote.voter in school:
                mine[school[vote.voter]].append(vote)
        if self.knows_what_is_gone(room):
            with self.store.connect("be read") as connection:
                done = trained_on(connection, self.code, done=True)
            self.catch_up(room, done)
        tastes, records = [branch(self.taste), branch(self.taste)], []
        sides = (plan["left"], 1 - plan["left"])  # the school of model 1, and of model 2
        one, other = (mine[school] for school in sides)
        # What a reading says of votes could tell a rule, so it is not passed on.
        words = f"Two models from one start: {len(one)} votes for model 1, {len(other)} for model 2."
        try:
            pair = [tastes[school] for school in sides]
            for total, record in train_apart(pair, (one, other), method, room.seed + room.round):
                records += [record] if record else []
                self.note(room.round, status="running", total=total, words=words, records=records)
            models = {name: tastes[school].policy for name, school in zip(APART, sides, strict=True)}
            result = {
                "apart": True,
                "answers": answers(self.shipped, self.taste, models),
                "weights": [top_weights(taste, HIGHEST_APART, LOWEST_APART) for taste in tastes],
                "receipts": {
                    voter: row
                    for taste, votes in zip(tastes, mine, strict=True)
                    for voter, row in receipts(self.shipped, self.taste.policy, taste.policy, votes).items()
                },
                "learned_from": dict(Counter(vote.voter for votes in mine for vote in votes)),
            }
        except Exception as error:
            self.fail(room, error)
            return
        self.ask(room.round + 1, room.seed)  # about the model from before, which is where it was
        self.finish(room, result)

    def finish(self, room: rooms.Room, result: Mapping[str, Any]) -> None:
        """Write down what came of a training, and let the room go on."""
        with self.store.connect() as connection:
            rooms.finish_job(connection, self.code, room.round, result)
        self.turn(room, "trained")

    def fail(self, room: rooms.Room, error: Exception) -> None:
        """Say that a training did not work, and let the room go on."""
        self.note(room.round, status="failed", words=f"The training did not work: {error}")
        self.turn(room, "closed")

    def knows_what_is_gone(self, room: rooms.Room) -> bool:
        """Whether votes were deleted that an earlier round has learned from."""
        with self.store.connect("be read") as connection:
            return rooms.gone_of(rooms.learned_before(connection, room)) > 0

    def note(self, round: int, **values: Any) -> None:
        """Write down how far it is."""
        with self.store.connect() as connection:
            rooms.update_job(connection, self.code, round, **values)

    def turn(self, room: rooms.Room, phase: str) -> None:
        """Let the room go on, unless the teacher has ended it meanwhile."""
        with self.store.connect() as connection:
            now = rooms.change(connection, self.code)
            if now.phase == "training" and now.round == room.round:
                rooms.change(connection, self.code, phase=phase, revealed=0)


def branch(taste: Any) -> Any:
    """A taste that goes on from where this one stands, and leaves it there."""
    other = type(taste)(deepcopy(taste.policy), taste.reference, taste.prompts, taste.tokenizer)
    other.value_model = deepcopy(taste.value_model)
    return other


Progress = Iterator[tuple[int, str, dict[str, float] | None]]  # how many records there will be, words, a record


def by_ppo(taste: Any, votes: Sequence[Vote], seed: int) -> Progress:
    """A reward model that adds up words, and PPO."""
    from minirlhf.recipes.taste import Reading, TasteConfig, learn_taste

    words, total = "", 0
    for record in learn_taste(taste, votes, TasteConfig(seed=seed)):
        if isinstance(record, Reading):
            words, total = str(record), record.updates
            yield total, words, None
        else:
            yield total, words, {"score": record.score, "kl": record.kl}


def by_dpo(taste: Any, votes: Sequence[Vote], seed: int) -> Progress:
    """The votes train the policy themselves; the word weights are only read off, and pay for nothing."""
    from minirlhf.dpo import DPORecord
    from minirlhf.recipes.direct import DirectConfig, DirectReading, learn_directly
    from minirlhf.recipes.taste import TasteConfig, weigh_votes

    taste.reward_model, reading = weigh_votes(votes, taste.tokenizer, None, TasteConfig(seed=seed))
    words, total = str(reading), 0
    for record in learn_directly(taste, votes, DirectConfig(seed=seed)):
        if isinstance(record, DirectReading):
            total = record.dpo_steps
            yield total, words, None
        elif isinstance(record, DPORecord):
            yield total, words, {"margin": record.margin, "accuracy": record.accuracy}


TRAIN = {"PPO": by_ppo, "DPO": by_dpo}


def train_apart(
    tastes: Sequence[Any], votes: Sequence[Sequence[Vote]], method: str, seed: int
) -> Iterator[tuple[int, dict[str, float]]]:
    """Train two tastes side by side, each on votes of its own: how many records there will be, and one of both."""
    for both in zip_longest(*(TRAIN[method](*each, seed) for each in zip(tastes, votes, strict=True))):
        said = [step[2] if step else None for step in both]  # one that has ended earlier says no more
        name, records = CURVES[method][0], zip(APART, said, strict=True)
        yield max(step[0] for step in both if step), {side: round(one[name], 4) for side, one in records if one}


def yield_to_the_server() -> None:
    """Take what the server leaves: it needs a core for moments only, and then a whole room waits for it."""
    if hasattr(os, "nice"):  # Windows has none
        os.nice(10)


def main() -> None:
    """Read from standard input which store and room, and learn until it is over."""
    asked = json.loads(sys.stdin.readline())
    runtime.set_wait_policy()
    runtime.pin_threads()
    yield_to_the_server()
    Learner(FeedbackStore(asked["store"]), asked["code"]).run()


if __name__ == "__main__":
    main()
