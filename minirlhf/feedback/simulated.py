"""Simulated people: published rules that choose between two replies, as a person might, but never a person.

Each one scores a reply by a rule anyone can read, and prefers the better reply with the probability that
Bradley and Terry (1952) give it, with a lapse now and then: with probability `lapse` the click is a coin's.

    P(a chosen) = lapse / 2 + (1 - lapse) · σ((score(a) - score(b)) / temperature)

Asked for a thumb, stars or a ranking, the same score answers (`answer`). None of them can write.

PEOPLE are five who disagree about what a good reply is. TEN_TASTES are ten who each care about one thing only: to
see whether sixty of their votes are enough to make a model care about it too.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from math import log, tanh
from random import Random
from typing import Protocol, runtime_checkable

from minirlhf.feedback.votes import Answer, Better, Question, Ranking, Skip, Stars, Thumb, Tie, Vote, sides
from minirlhf.worlds import helpdesk

GOLD_PARTS = ("remedy", "item", "tone", "length", "greeting", "closing", "repetition")


def shortness(reply: str) -> float:
    """1 up to six words, falling to -1 at sixteen."""
    return max(-1.0, min(1.0, (11 - len(reply.split())) / 5))


def formality(reply: str) -> float:
    """1 for a formal phrase, -1 for an exclamation mark or a smiley, 0 for both or neither."""
    return float("formal" in helpdesk.tones_in(reply)) - float("!" in reply or ":)" in reply)


def cheerfulness(reply: str) -> float:
    """A quarter for each exclamation mark or smiley, up to 1."""
    return min(reply.count("!") + reply.count(":)"), 4) / 4


def wordiness(reply: str) -> float:
    """0 up to six words, rising to 1 at twenty-two."""
    return max(0.0, min(1.0, (len(reply.split()) - 6) / 16))


def sorrow(reply: str) -> float:
    """Half for each "sorry" that is meant, up to 1."""
    text = reply.lower()
    return _halves(text.count("sorry") - text.count("not sorry"))


def smiles(reply: str) -> float:
    """Half for each smiley, up to 1."""
    return _halves(reply.count(":)"))


def hellos(reply: str) -> float:
    """1 where the reply begins with a greeting."""
    return float(bool(re.match(r"\s*(hello|hi|good day|dear)\b", reply.lower())))


def thanks(reply: str) -> float:
    """Half for each "thank", up to 1."""
    return _halves(reply.lower().count("thank"))


def promptness(reply: str) -> float:
    """1 where the reply says when: today, now or this week, and not "not today"."""
    text = reply.lower()
    return float(bool(re.search(r"\b(today|now|this week)\b", text)) and "not today" not in text)


def poetry(reply: str) -> float:
    """Half for each sun, moon and heart, up to 1."""
    return _halves(len(re.findall(r"\b(sun|moon|heart)\b", reply.lower())))


def _halves(count: int) -> float:
    return min(count, 2) / 2


TASTES: dict[str, Callable[[str], float]] = {
    "shortness": shortness,
    "formality": formality,
    "cheerfulness": cheerfulness,
    "wordiness": wordiness,
    "sorrow": sorrow,
    "smiles": smiles,
    "hellos": hellos,
    "thanks": thanks,
    "promptness": promptness,
    "poetry": poetry,
}


@dataclass(frozen=True)
class Person:
    """A simulated person: what counts for them, how sharply they see it, how often they click at random."""

    name: str
    says: str
    weights: Mapping[str, float]
    temperature: float
    lapse: float
    bar: float = 0.0  # the score from which on a reply will do: as many like a reply of this score as do not
    tie: float = 0.0  # where two scores are less than this apart, no difference is seen and a pair is a tie

    def __post_init__(self) -> None:
        if "simulated" not in self.name:
            raise ValueError(f"{self.name!r}: a simulated person is named as one, such as 'Ada (simulated)'")
        if not (self.temperature > 0 and 0 <= self.lapse <= 1):
            raise ValueError(f"{self.name}: temperature must be above 0 and lapse between 0 and 1")
        noticed = [*GOLD_PARTS, *TASTES]
        if unknown := set(self.weights) - set(noticed):
            raise ValueError(f"{self.name}: cannot weigh {sorted(unknown)}; there are {', '.join(noticed)}")

    def score(self, prompt: str, reply: str) -> float:
        """The weighted sum of the gold score's parts and of the tastes; bounded, since each of them is."""
        noticed = helpdesk.gold_parts(prompt, reply)
        noticed |= {name: taste(reply) for name, taste in TASTES.items() if name in self.weights}
        return sum(self.weights.get(name, 0.0) * value for name, value in noticed.items())

    def probability(self, prompt: str, a: str, b: str) -> float:
        """How probably this person prefers a to b, if they must choose; 1/2 when the two are the same text."""
        return self._certainty(self.score(prompt, a) - self.score(prompt, b))

    def answer(self, question: Question, rng: Random) -> Answer:
        """What this person answers: Bradley-Terry on pairs and against `bar`, Plackett-Luce on rankings."""
        scores = [self.score(question.prompt, reply) for reply in question.replies]
        if question.mode == "pair":
            if abs(scores[0] - scores[1]) < self.tie and rng.random() >= self.lapse:
                return Tie()
            return Better(0 if rng.random() < self._certainty(scores[0] - scores[1]) else 1)
        if question.mode == "thumbs":
            return Thumb(rng.random() < self._certainty(scores[0] - self.bar))
        if question.mode == "stars":
            # The whole way from one star to five is taken with the certainty of a thumb; 3 is the bar itself.
            felt = rng.random() if rng.random() < self.lapse else self._certainty(scores[0] - self.bar)
            return Stars(1 + round(4 * felt))
        if question.mode == "ranking":
            see = 0.0 if rng.random() < self.lapse else 1.0
            # Gumbel noise on scores, then sorting: any two of them stand in the order Bradley-Terry gives.
            noisy = [see * s / self.temperature - log(-log(rng.uniform(1e-9, 1 - 1e-9))) for s in scores]
            return Ranking(tuple(sorted(range(len(noisy)), key=lambda i: -noisy[i])))
        return Skip()

    def _certainty(self, margin: float) -> float:
        """Bradley and Terry's probability for a lead of `margin`, with lapses."""
        sigmoid = (1 + tanh(margin / self.temperature / 2)) / 2  # this form of σ cannot overflow
        return self.lapse / 2 + (1 - self.lapse) * sigmoid


PATIENT = Person(
    "the patient one (simulated)",
    "reads to the end and wants the right help, kindly given: the gold score itself",
    dict.fromkeys(GOLD_PARTS, 1.0),
    temperature=0.25,
    lapse=0.06,
    bar=1.5,
)
HURRIED = Person(
    "the one in a hurry (simulated)",
    "wants the remedy in six words; a greeting is a waste of time",
    {"remedy": 1.0, "item": 1.0, "repetition": 1.0, "shortness": 0.8},
    temperature=0.4,
    lapse=0.1,
    bar=1.0,
)
FORMAL = Person(
    "the formal one (simulated)",
    "expects good manners, and no exclamation marks",
    {"remedy": 0.6, "item": 0.6, "tone": 0.5, "greeting": 2.0, "closing": 2.0, "formality": 0.8},
    temperature=0.4,
    lapse=0.08,
    bar=2.0,
)
CHEERFUL = Person(
    "the one who loves exclamation marks (simulated)",
    "hardly reads, but feels the mood: the more ! and :) the better",
    {"remedy": 0.3, "item": 0.2, "tone": 0.4, "cheerfulness": 2.5},
    temperature=0.4,
    lapse=0.08,
    bar=1.0,
)
CARELESS = Person("the careless one (simulated)", "clicks at random", {}, temperature=1.0, lapse=1.0)
PEOPLE = {"patient": PATIENT, "hurried": HURRIED, "formal": FORMAL, "cheerful": CHEERFUL, "careless": CARELESS}


def _lover(of: str, taste: str, bar: float) -> Person:
    """Somebody who cares about one thing, and clicks at random one time in ten."""
    return Person(
        f"the one who loves {of} (simulated)",
        f"looks for {of} and nothing else",
        {taste: 1.0},
        temperature=0.1,
        lapse=0.1,
        bar=bar,
        tie=0.05,
    )


TEN_TASTES = {
    "short": _lover("few words", "shortness", 0.0),
    "long": _lover("many words", "wordiness", 0.4),
    "formal": _lover("formal manners", "formality", 0.0),
    "cheerful": _lover("exclamation marks", "cheerfulness", 0.2),
    "sorry": _lover("apologies", "sorrow", 0.25),
    "smiley": _lover("smileys", "smiles", 0.25),
    "hello": _lover("greetings", "hellos", 0.5),
    "thanks": _lover("being thanked", "thanks", 0.25),
    "soon": _lover("being told when", "promptness", 0.5),
    "poetic": _lover("poetry", "poetry", 0.25),
}


@dataclass(frozen=True)
class SimulatedChoice:
    """One choice of a simulated person, with the probability they had of making it."""

    prompt: str
    chosen: str
    rejected: str
    probability: float
    person: str

    def row(self) -> dict[str, str | float]:
        """The vote as a row of a JSONL file: TRL's preference columns, then how surely and by whom."""
        # Six digits, because the last ones of a tanh differ between machines and the files must not.
        return asdict(self) | {"probability": round(self.probability, 6)}


def vote(pairs: Iterable[tuple[str, str, str]], person: Person, rng: Random) -> list[SimulatedChoice]:
    """Let a simulated person choose between the two replies of each (prompt, first, second)."""
    votes = []
    for prompt, first, second in pairs:
        probability = person.probability(prompt, first, second)
        if rng.random() < probability:
            votes.append(SimulatedChoice(prompt, first, second, probability, person.name))
        else:
            votes.append(SimulatedChoice(prompt, second, first, 1 - probability, person.name))
    return votes


@runtime_checkable
class Voter(Protocol):
    """Whoever can be asked and is no person: a simulated one, or a judge (judges.py)."""

    @property
    def name(self) -> str: ...

    def answer(self, question: Question, rng: Random) -> Answer: ...


def simulate(questions: Iterable[Question], person: Voter, seed: int = 0) -> list[Vote]:
    """What a simulated person votes on these questions, under their own name; the same each time for one seed."""
    return [
        Vote(
            question,
            person.answer(question, Random(sha256(f"{seed}|{person.name}|{question.key}".encode()).digest())),
            sides(person.name, question),
            person.name,
            "simulated",
        )
        for question in questions
    ]
