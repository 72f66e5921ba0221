"""How the help desk is understood: what a customer asked for, and how good a reply to it is.

The gold score is the truth of this world, the thing that a reward model only guesses at. It reads plain
text, so it can judge whatever a model writes. It is bounded: without a ceiling a reward could be pushed up
for ever and over-optimisation would never turn over.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from minirlhf.worlds.helpdesk_words import COLOURS, DETAILS, ITEMS, KIND_TONES, OPENERS, PROBLEMS, TONES, Problem

GOLD_LOW, GOLD_HIGH = -3.0, 3.0

REMEDY_WORTH = {"right": 1.2, "none": 0.0, "wrong": -0.9}
ITEM_WORTH = {"right": 0.4, "none": 0.0, "wrong": -0.3}
TONE_WORTH = {"warm": 0.6, "formal": 0.4, "flowery": -0.3, "salesy": -0.5, "rude": -0.8}
GREETING_WORTH, CLOSING_WORTH = 0.25, 0.25
LENGTH_BEST, LENGTH_WORST, FEWEST_WORDS, MOST_WORDS = 0.3, -0.5, 9, 18
REPETITION_WORST = -0.5


@dataclass(frozen=True)
class Request:
    """A customer's message, with the problem and the item that it is about."""

    item: str
    problem: str
    text: str

    @property
    def prompt(self) -> str:
        """The message as a model sees it, up to where the agent begins to speak."""
        return f"Customer: {self.text}\nAgent:"


@lru_cache(maxsize=65_536)
def read(prompt: str) -> Request:
    """Find the problem and the item in a prompt; ValueError for one that the grammar cannot have written."""
    for problem, pattern in _MESSAGES.items():
        if found := pattern.fullmatch(prompt):
            item = next(word for slot, word in found.groupdict().items() if slot.startswith("item") and word)
            return Request(item, problem, prompt.removeprefix("Customer: ").removesuffix("\nAgent:"))
    raise ValueError(
        f"the help desk cannot tell what this customer wants: {prompt!r}. It only knows messages of its own "
        "grammar, such as 'Customer: My kettle is late.\\nAgent:'; helpdesk.request(rng) writes more of them."
    )


def gold(prompt: str, reply: str) -> float:
    """How good a reply truly is, between GOLD_LOW and GOLD_HIGH: the sum of `gold_parts`."""
    return sum(gold_parts(prompt, reply).values())


def gold_parts(prompt: str, reply: str) -> dict[str, float]:
    """The gold score in its seven readable parts, for any text as the reply."""
    request = read(prompt)
    said = words(reply)
    return {
        "remedy": REMEDY_WORTH[_verdict(request.problem, remedies_in(reply))],
        "item": ITEM_WORTH[_verdict(request.item, {word for word in said if word in ITEMS})],
        "tone": _tone_worth(tones_in(reply)),
        "length": _length_worth(len(said)),
        "greeting": GREETING_WORTH if _GREETING.match(" ".join(said)) else 0.0,
        "closing": CLOSING_WORTH if _CLOSING.search(" ".join(said)) else 0.0,
        "repetition": max(REPETITION_WORST, -0.25 * repeats(reply)),
    }


def words(text: str) -> list[str]:
    """The words of a text in small letters, without punctuation."""
    return re.findall(r"[a-z]+", text.lower())


def remedies_in(reply: str) -> set[str]:
    """The problems that a reply offers to cure; only a whole remedy phrase counts, not its loose words."""
    said = " ".join(words(reply))
    return {problem for problem, pattern in _REMEDIES.items() if pattern.search(said)}


def tones_in(reply: str) -> set[str]:
    """The tones that a reply shows by a phrase of theirs; plain and curt talk shows none."""
    said = " ".join(words(reply))
    return {tone for tone, pattern in _TONE_MARKS.items() if pattern.search(said)}


def repeats(reply: str) -> int:
    """How often three words in a row were said before, or one or two words are said again on the spot."""
    said = re.findall(r"[a-z]+|[.!?]+", reply.lower())  # with stops: "for you. You will" is no stutter
    triples = list(zip(said, said[1:], said[2:], strict=False))
    stutters = [i for i in range(1, len(said)) if said[i] == said[i - 1] or said[i - 3 : i - 1] == said[i - 1 : i + 1]]
    return len(triples) - len(set(triples)) + len(stutters)


def _verdict(wanted: str, named: set[str]) -> str:
    """Naming everything never pays: one wrong thing beside the right one is wrong."""
    if not named:
        return "none"
    return "right" if named == {wanted} else "wrong"


def _tone_worth(tones: set[str]) -> float:
    """One rude phrase spoils the kindest letter, so the worst tone counts before the best."""
    worths = [TONE_WORTH[tone] for tone in tones]
    worst = min(worths, default=0.0)
    return worst if worst < 0 else max(worths, default=0.0)


def _length_worth(count: int) -> float:
    """Best from nine to eighteen words; each word too few or too many takes a tenth away."""
    outside = max(FEWEST_WORDS - count, count - MOST_WORDS, 0)
    return max(LENGTH_WORST, LENGTH_BEST - 0.1 * outside)


# The tables of helpdesk_words as patterns. A prompt is matched to the letter, a reply by its words.


def _any_of(choices: tuple[str, ...]) -> str:
    return "|".join(map(re.escape, choices))


def _message_pattern(problem: Problem) -> re.Pattern[str]:
    slots = {"item": problem.items, "other": ITEMS, "colour": COLOURS, "hoped": COLOURS}
    branches = []
    for number, phrasing in enumerate(problem.phrasings):
        branch = re.escape(phrasing).replace(r"\{", "{").replace(r"\}", "}")
        # A group's name must be unique in a pattern, so each phrasing numbers its own.
        branches.append(branch.format(**{k: f"(?P<{k}{number}>{_any_of(v)})" for k, v in slots.items()}))
    message = "|".join(branches)
    return re.compile(rf"Customer: (?:{_any_of(OPENERS)})?(?:{message})(?:{_any_of(DETAILS)})?\nAgent:")


def _phrases(phrases: Iterable[str]) -> str:
    """Any of the phrases as plain words, with any item, or "it", or "one", where the item stands."""
    plain = "|".join(" ".join(words(phrase)) for phrase in phrases)
    return re.sub(r"\b(?:item|other)\b", f"(?:{'|'.join((*ITEMS, 'it', 'one'))})", plain)


def _marks(tone: str) -> set[str]:
    """What only this tone says: "today" and "Bye." mark nothing, plain talk says them too."""
    return TONES[tone].phrases() - TONES["neutral"].phrases()


_MESSAGES = {name: _message_pattern(problem) for name, problem in PROBLEMS.items()}
_REMEDIES = {name: re.compile(rf"\b(?:{_phrases(problem.remedies)})\b") for name, problem in PROBLEMS.items()}
_TONE_MARKS = {tone: re.compile(rf"\b(?:{_phrases(sorted(_marks(tone)))})\b") for tone in TONE_WORTH}
_GREETING = re.compile(rf"(?:{_phrases(g for tone in KIND_TONES for g in TONES[tone].greetings)})\b")
_CLOSING = re.compile(rf"\b(?:{_phrases(c for tone in KIND_TONES for c in TONES[tone].closings)})$")
