"""The help desk: customers write what happened to an order, agents answer in a sentence or two.

    Customer: Oh no! My kettle is broken.
    Agent: Hi there! I am so sorry! We will send a new kettle today! Take care :)

This file speaks; helpdesk_words holds what can be said and helpdesk_gold judges it. A reply is put together
from an optional greeting, an apology, a remedy with an optional timing, and a closing, all in one tone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from random import Random

from minirlhf.worlds.helpdesk_gold import GOLD_HIGH, GOLD_LOW, Request, gold, gold_parts, read, tones_in
from minirlhf.worlds.helpdesk_words import COLOURS, DETAILS, ITEMS, OPENERS, PROBLEMS, TONES

__all__ = [
    "BASE",
    "CAREFUL",
    "DEMONSTRATOR",
    "GOLD_HIGH",
    "GOLD_LOW",
    "ITEMS",
    "PROBLEMS",
    "TONES",
    "Manner",
    "Request",
    "count_exchanges",
    "document",
    "gold",
    "gold_parts",
    "read",
    "reply",
    "request",
    "tones_in",
]

# What may stand before and after a message.
_FRAMES = (("", ""), *((opener, "") for opener in OPENERS), *(("", detail) for detail in DETAILS))


@dataclass(frozen=True)
class Manner:
    """How an agent works: the probability of each good habit, and how often each tone is struck."""

    some_remedy: float  # otherwise a shrug
    right_remedy: float  # of those that are given
    right_item: float
    greeting: float
    apology: float
    timing: float
    closing: float
    tones: Mapping[str, float]

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "tones" and not 0 <= value <= 1:
                raise ValueError(f"Manner: {name} is a probability, so it lies between 0 and 1, not {value}")
        if unknown := set(self.tones) - set(TONES):
            raise ValueError(f"Manner: no such tone: {sorted(unknown)}; there are {sorted(TONES)}")


BASE = Manner(
    some_remedy=0.8,
    right_remedy=0.7,
    right_item=0.9,
    greeting=0.4,
    apology=0.4,
    timing=0.4,
    closing=0.4,
    tones=dict.fromkeys(TONES, 1.0),
)
DEMONSTRATOR = Manner(
    some_remedy=0.94,
    right_remedy=0.86,
    right_item=0.92,
    greeting=0.5,
    apology=0.5,
    timing=0.5,
    closing=0.5,
    tones={"neutral": 0.28, "warm": 0.16, "formal": 0.20, "curt": 0.15, "salesy": 0.10, "flowery": 0.07, "rude": 0.04},
)
CAREFUL = Manner(
    some_remedy=1.0,
    right_remedy=1.0,
    right_item=1.0,
    greeting=0.9,
    apology=0.9,
    timing=0.5,
    closing=0.9,
    tones={"warm": 0.6, "formal": 0.4},
)


def request(rng: Random) -> Request:
    """A customer with one of the problems, in one of the ways to say it."""
    problem = rng.choice(sorted(PROBLEMS))
    item = rng.choice(PROBLEMS[problem].items)
    colour, hoped = rng.sample(COLOURS, 2)
    message = rng.choice(PROBLEMS[problem].phrasings).format(
        item=item, other=_another(item, ITEMS, rng), colour=colour, hoped=hoped
    )
    opener, detail = rng.choice(_FRAMES) if rng.random() < 0.25 else ("", "")  # most people keep it short
    return Request(item, problem, opener + message + detail)


def reply(request: Request, rng: Random, manner: Manner) -> str:
    """An agent's answer to the request, beginning with a space; how good it is depends on the manner."""
    tone = TONES[rng.choices(list(manner.tones), list(manner.tones.values()))[0]]
    item = request.item if rng.random() < manner.right_item else _another(request.item, ITEMS, rng)
    problem = request.problem
    if rng.random() >= manner.right_remedy:
        problem = _another(problem, sorted(PROBLEMS), rng)
    answer = rng.choice(PROBLEMS[problem].remedies) + _perhaps(manner.timing, tone.timings, rng) + tone.stop
    if rng.random() >= manner.some_remedy:
        answer = rng.choice(tone.shrugs)
    sentences = (
        _perhaps(manner.greeting, tone.greetings, rng),
        _perhaps(manner.apology, tone.apologies, rng),
        answer,
        _perhaps(manner.closing, tone.closings, rng),
    )
    return _spoken(sentences).format(item=item, other=_another(item, ITEMS, rng))


def document(rng: Random) -> str:
    """A piece of base text: exchanges good and bad, and much that is no answer at all."""
    kinds, weights = zip(*_DOCUMENTS.items(), strict=True)
    return rng.choices(kinds, weights)[0](rng)


def count_exchanges() -> int:
    """How many different pairs of a message and a reply with a remedy the grammar can write."""
    messages = 0
    for problem in PROBLEMS.values():
        sizes = {"item": len(problem.items), "other": len(ITEMS) - 1}
        sizes |= {"colour": len(COLOURS), "hoped": len(COLOURS) - 1}
        for phrasing in problem.phrasings:
            messages += len(_FRAMES) * prod(size for slot, size in sizes.items() if f"{{{slot}}}" in phrasing)
    replies = {
        _spoken([greeting, apology, remedy + timing + tone.stop, closing])
        for tone in TONES.values()
        for remedy in (remedy for problem in PROBLEMS.values() for remedy in problem.remedies)
        for greeting, apology, timing, closing in product(
            ("", *tone.greetings), ("", *tone.apologies), ("", *tone.timings), ("", *tone.closings)
        )
    }
    return messages * len(replies) * len(ITEMS)  # every remedy names an item


def _perhaps(probability: float, choices: Sequence[str], rng: Random) -> str:
    return rng.choice(choices) if choices and rng.random() < probability else ""


def _another(this: str, choices: Sequence[str], rng: Random) -> str:
    return rng.choice([choice for choice in choices if choice != this])


def _spoken(sentences: Sequence[str]) -> str:
    """Join what was said; after a greeting with a comma the next sentence begins small, but for "I"."""
    text = ""
    for sentence in filter(None, sentences):
        if text.endswith(",") and not sentence.startswith("I "):
            sentence = sentence[0].lower() + sentence[1:]
        text += " " + sentence
    return text


# Base text: half of it is exchanges, the rest is what else gets written in and around a shop.

_REVIEWS = (
    "I love my {item}.",
    "My cat will not look at the {item}.",
    "The {colour} {item} smells of fish.",
    "I wanted a {item}. It is a {item}. Great!",
    "Buy the {other}, not the {item}.",
    "It is a {item}.",
)
_BLURBS = (
    "Buy a {item} today!",
    "A new {colour} {item} for free!",
    "You will love your {item}.",
    "Buy one {item}, get a {other}!",
    "The right {item} for a lovely day.",
)
_NOTES = (
    "wash the {item}",
    "call the driver",
    "find a {colour} {item}",
    "repair the {other}",
    "cry",
    "paint the {item}",
    "send the {other} back",
)
_IN_THE_BOX = ("a {item}", "a {colour} {other}", "two red fish", "part two of a {item}", "a gift", "no {other}")


def _line(rng: Random) -> str:
    """Something that is neither a question nor an answer: a review, a blurb, a note, what is in the box."""
    lines = (
        " ".join(rng.sample(_REVIEWS, 2)),
        " ".join(rng.sample(_BLURBS, 2)),
        f"Today: {', '.join(rng.sample(_NOTES, 3))}.",
        f"In the box: {', '.join(rng.sample(_IN_THE_BOX, 3))}.",
    )
    item, other = rng.sample(ITEMS, 2)
    return rng.choice(lines).format(item=item, other=other, colour=rng.choice(COLOURS))


def _exchange(rng: Random) -> str:
    asked = request(rng)
    return asked.prompt + reply(asked, rng, BASE)


def _no_answer(rng: Random) -> str:
    return f"{request(rng).prompt} {rng.choice((request(rng).text, _line(rng)))}"


def _unanswered(rng: Random) -> str:
    return request(rng).prompt


def _crowd(rng: Random) -> str:
    return f"Customer: {request(rng).text}\nCustomer: {request(rng).text}"


def _monologue(rng: Random) -> str:
    return f"{rng.choice(('Customer', 'Agent'))}: {_line(rng)}"


_DOCUMENTS: dict[Callable[[Random], str], int] = {  # with the weight of each
    _exchange: 12,
    _no_answer: 6,
    _unanswered: 1,
    _crowd: 2,
    _monologue: 4,
}
