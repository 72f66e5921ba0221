"""The learner as a process: `python -m minirlhf.classroom.learning`, which writes the questions and trains.

It looks at the room's jobs, and writes down how far it is, so that it needs no connection to the server: either may die
and come back. Only it loads torch. Two threads at most, which wait asleep: see runtime.py.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from copy import deepcopy
from time import monotonic, sleep
from typing import Any

from minirlhf import runtime
from minirlhf.classroom import rooms
from minirlhf.feedback.meaning import preferences
from minirlhf.feedback.store import FeedbackStore, StoreError
from minirlhf.feedback.votes import Vote

PAIRS = 24  # questions a round: more than a room answers in five minutes, and few enough that people share them
REVEALED = 6  # customers answered before and after
CANDIDATES = 48  # among which those are
HIGHEST, LOWEST = 8, 4  # word weights shown
NOTHING_WHOLE = -1  # in place of a round: a training that failed has left something half learned
LEFT = 3600  # seconds in which nobody asked for the room: its server has gone, and no teacher is there
LOOK = 0.3  # seconds between two looks at the database
CURVES = {"PPO": ("score", "kl"), "DPO": ("margin", "accuracy")}


class Learner:
    """What one room's votes have made of the model so far."""

    def __init__(self, store: FeedbackStore, code: str) -> None:
        from minirlhf.recipes.pipeline import load_shipped
        from minirlhf.recipes.taste import Taste

        self.store, self.code = store, code
        self.shipped = load_shipped()
        self.taste, self.learned = Taste.shipped(self.shipped), 0  # how many rounds have gone into it

    def run(self) -> None:
        """Do what there is to do, until the room is over, or nobody has asked for it for an hour."""
        asked, since = -1, monotonic()
        while monotonic() - since < LEFT:
            try:
                with self.store.connect("be read") as connection:
                    room = rooms.find(connection, self.code)
                    job, written = rooms.latest_job(connection, room), rooms.asked_in(connection, self.code, room.round)
                    now = rooms.asked_for(connection, self.code)
            except StoreError:  # a full disk, a database that starts anew: it may come back
                sleep(2)
                continue
            if room.over:
                return
            if now != asked:
                asked, since = now, monotonic()
            if not written:
                self.ask(room.round, room.seed)
            elif job and job["round"] == room.round and job["status"] in ("asked", "running"):
                self.learn(room, job["method"])
            else:
                sleep(LOOK)

    def ask(self, round: int, seed: int) -> None:
        """Write the questions of a round: about what the model says now."""
        from minirlhf.feedback.asking import write_questions

        model, name = (self.taste.policy, "RLHF") if self.learned > 0 else (self.taste.reference, "SFT")
        prompts, tokenizer = self.shipped.prompts("held_out"), self.shipped.tokenizer
        written = write_questions(model, prompts, tokenizer, PAIRS, "pair", name, round, seed + round)
        with self.store.connect() as connection:
            rooms.write_down(connection, self.code, round, written)

    def learn(self, room: rooms.Room, method: str) -> None:
        """Train on every vote of the room, and say so on the way; a failure is said too, and the room goes on."""
        from minirlhf.recipes.taste import Taste

        # It was started anew, or knows votes that are gone: all rounds go into a new one at once.
        if self.learned != room.round - 1 or self.knows_what_is_gone(room):
            self.taste, self.learned = Taste.shipped(self.shipped), 0
        before = deepcopy(self.taste.policy)
        votes = rooms.votes_of(self.store, self.code)
        records: list[dict[str, float]] = []
        try:
            for total, words, record in TRAIN[method](self.taste, votes, room.seed + room.round):
                if record:
                    records.append({name: round(record[name], 4) for name in CURVES[method]})
                self.note(room.round, status="running", total=total, words=words, records=records)
            result = self.result(before, votes)
        except Exception as error:
            self.learned = NOTHING_WHOLE
            self.note(room.round, status="failed", words=f"The training did not work: {error}")
            self.turn(room, "closed")
            return
        self.learned = room.round
        self.ask(room.round + 1, room.seed)  # while people still talk about this one
        with self.store.connect() as connection:
            rooms.finish_job(connection, self.code, room.round, result)
        self.turn(room, "trained")

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

    def result(self, before: Any, votes: Sequence[Vote]) -> dict[str, Any]:
        """What the screens reveal: the same customers before and after, what was paid for, and each voter's receipt."""
        weights = [[word, round(worth, 3)] for word, worth in self.taste.reward_model.word_weights().items()]
        return {
            "answers": self.answers(before),
            "weights": [each for each in weights[:HIGHEST] if each[1] > 0]
            + [each for each in weights[-LOWEST:] if each[1] < 0],
            "receipts": self.receipts(before, votes),
            "learned_from": dict(Counter(vote.voter for vote in votes)),
        }

    def answers(self, before: Any) -> list[dict[str, str]]:
        """Some customers whom the model answers otherwise than before, or any where there are none."""
        from minirlhf.data import Prompts
        from minirlhf.evaluate import compare
        from minirlhf.feedback.formats.conversation import to_messages

        prompts, tokenizer = Prompts(self.shipped.prompts("held_out").prompts[:CANDIDATES]), self.shipped.tokenizer
        models = {"before": before, "after": self.taste.policy}
        said = compare(models, prompts, tokenizer, self.taste.judge)
        found = [
            {"prompt": to_messages(tokenizer.decode(ids))[0]["content"].strip(), "before": old, "after": new}
            for ids, old, new in zip(prompts.prompts, said["before"].texts, said["after"].texts, strict=True)
        ]
        return sorted(found, key=lambda each: each["before"] == each["after"])[:REVEALED]

    def receipts(self, before: Any, votes: Sequence[Vote]) -> dict[str, list[int]]:
        """For each voter: how many clear choices, and to how many of them the model leaned before and leans now.

        It leans to the reply that it would rather say itself: whose tokens together are more probable.
        """
        from minirlhf.data import Comparisons
        from minirlhf.dpo import pair_log_probs
        from minirlhf.recipes.pipeline import CONTEXT

        whose = {vote.id: vote.voter for vote in votes}
        clear = [one for one in preferences(votes) if one.preference == 1]
        if not clear:
            return {}
        pairs = Comparisons.of(clear, self.shipped.tokenizer, CONTEXT)
        found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        leans = []
        for model in (before, self.taste.policy):
            chosen, rejected = pair_log_probs(model, pairs).sum(dim=2)
            leans.append((chosen > rejected).tolist())
        for one, old, new in zip(clear, *leans, strict=True):
            row = found[whose[one.votes[0]]]
            for place, counts in enumerate((True, old, new)):
                row[place] += counts
        return dict(found)


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


def main() -> None:
    """Read from standard input which store and room, and learn until it is over."""
    asked = json.loads(sys.stdin.readline())
    runtime.set_wait_policy()
    runtime.pin_threads()
    Learner(FeedbackStore(asked["store"]), asked["code"]).run()


if __name__ == "__main__":
    main()
