"""Judges: voters that are programs. Each votes under its own name, as simulated, and nobody takes it for a person.

    judge = Judge("three lines (a program)", {"names the right remedy": 2, "says sorry": 1, "is short": 0.5})
    store.extend(simulate(questions, judge))

A large model that judges has habits: it likes the reply that stands first, the longer one, its own family's. Here the
habits are dials, so that they can be seen and cured. The cure for the seat: ask in both orders, and count only what is
said twice (`BothOrders`). `ServedJudge` asks a model at an address of yours; no lesson needs one.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from http.client import HTTPException, HTTPResponse
from math import isfinite
from numbers import Real
from random import Random
from time import monotonic
from typing import Protocol, runtime_checkable
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from minirlhf.feedback.simulated import formality, hellos, promptness, shortness, smiles, sorrow, thanks, wordiness
from minirlhf.feedback.votes import Answer, Better, Question, Skip, Stars, Thumb, Tie, sides
from minirlhf.verifiers import right_remedy
from minirlhf.worlds import helpdesk
from minirlhf.worlds.helpdesk_gold import ITEMS, remedies_in, repeats, words

Line = Callable[[str, str], float]  # (prompt, reply) -> how far it holds, from -1 to 1

LINES: dict[str, Line] = {
    "names a remedy": lambda prompt, reply: float(bool(remedies_in(reply))),
    "names the right remedy": lambda prompt, reply: float(right_remedy(prompt, reply)),
    "names the item": lambda prompt, reply: float(helpdesk.read(prompt).item in words(reply)),
    "names no other item": lambda prompt, reply: float(
        not {word for word in words(reply) if word in ITEMS} - {helpdesk.read(prompt).item}
    ),
    "says sorry": lambda prompt, reply: sorrow(reply),
    "says hello": lambda prompt, reply: hellos(reply),
    "says thank you": lambda prompt, reply: thanks(reply),
    "says when": lambda prompt, reply: promptness(reply),
    "smiles": lambda prompt, reply: smiles(reply),
    "is short": lambda prompt, reply: shortness(reply),
    "is long": lambda prompt, reply: wordiness(reply),
    "is formal": lambda prompt, reply: formality(reply),
    "is kind": lambda prompt, reply: helpdesk.gold_parts(prompt, reply)["tone"],
    "is never rude": lambda prompt, reply: float("rude" not in helpdesk.tones_in(reply)),
    "repeats nothing": lambda prompt, reply: float(not repeats(reply)),
}
QUOTED = re.compile(r"says [\"“](.+)[\"”]")


def line(text: str) -> Line:
    """The line of a rubric that these words mean: one of LINES, `says "…"`, or the contrary of either, with "not "."""
    if text.startswith("not "):
        contrary = line(text.removeprefix("not "))
        return lambda prompt, reply: -contrary(prompt, reply)
    if found := QUOTED.fullmatch(text):
        said = found[1].lower()
        return lambda prompt, reply: float(said in reply.lower())
    if text in LINES:
        return LINES[text]
    near = get_close_matches(text, LINES, n=1, cutoff=0.4)
    raise ValueError(
        f"This judge cannot read the line {text!r}. "
        + (f"Did you mean {near[0]!r}? " if near else "")
        + f'It knows: {", ".join(LINES)}, says "…", and each of them after "not ".'
    )


@runtime_checkable
class Comparing(Protocol):
    """Who can say which of two replies is better, as they stand from left to right."""

    @property
    def name(self) -> str: ...

    def prefers_left(self, prompt: str, left: str, right: str) -> float | None:
        """1 for the left one, 0 for the right one, ½ for neither, None where nothing can be said."""
        ...


def _named(name: str) -> None:
    if "program" not in name:
        raise ValueError(f"{name!r}: a judge is named as what it is, such as 'three lines (a program)'.")


def _number(name: str, what: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value):
        raise ValueError(f"{name}: {what} is {value!r}; give it a finite number, such as 1.0.")


@dataclass(frozen=True)
class Judge:
    """A program that judges by a rubric: lines in words, each with its weight. The dials are its habits, 0 for none."""

    name: str
    rubric: Mapping[str, float]
    seat: float = 0.0  # what standing on the left is worth to it, in units of the weights
    length: float = 0.0  # what ten words more are worth
    yes: float = 0.0  # what it adds before it says whether a reply will do
    bar: float = 0.0  # from which score on a reply will do

    def __post_init__(self) -> None:
        _named(self.name)
        if not isinstance(self.rubric, Mapping) or not self.rubric or not all(isinstance(x, str) for x in self.rubric):
            told = "give it lines with weights, such as {'says sorry': 1.0}."
            raise ValueError(f"{self.name}: the rubric is {self.rubric!r}; {told}")
        for text, weight in self.rubric.items():
            line(text)
            _number(self.name, f"the weight of {text!r}", weight)
        for dial in ("seat", "length", "yes", "bar"):
            _number(self.name, dial, getattr(self, dial))

    def score(self, prompt: str, reply: str) -> float:
        """The weighted sum of the rubric's lines, and what the reply's length is worth to this judge."""
        lines = sum(weight * line(text)(prompt, reply) for text, weight in self.rubric.items())
        return lines + self.length * len(words(reply)) / 10

    def prefers_left(self, prompt: str, left: str, right: str) -> float:
        lead = self.score(prompt, left) + self.seat - self.score(prompt, right)
        return 0.5 if abs(lead) < 1e-9 else float(lead > 0)

    def answer(self, question: Question, rng: Random) -> Answer:
        """What the judge says to a pair, to one reply alone, or for stars; it skips what it cannot judge."""
        if question.mode == "pair":
            return answer_pair(self, question)
        if question.mode in ("thumbs", "stars"):
            above = self.score(question.prompt, question.replies[0]) + self.yes - self.bar
            if question.mode == "thumbs":
                return Thumb(above > 0)
            return Stars(min(max(3 + round(above), 1), 5))
        return Skip()


@dataclass(frozen=True)
class BothOrders:
    """Another judge, asked twice with the replies swapped: what it says both times counts, anything else is a tie."""

    judge: Comparing

    @property
    def name(self) -> str:
        return f"{self.judge.name}, asked in both orders"

    def prefers_left(self, prompt: str, left: str, right: str) -> float | None:
        said, swapped = self.judge.prefers_left(prompt, left, right), self.judge.prefers_left(prompt, right, left)
        if said is None or swapped is None:
            return None
        return said if said == 1 - swapped else 0.5

    def answer(self, question: Question, rng: Random) -> Answer:
        return answer_pair(self, question)


def answer_pair(judge: Comparing, question: Question) -> Answer:
    """What a judge says to a pair, shown to it in the order that the lot gave this judge and this question."""
    if question.mode != "pair":
        return Skip()
    shown = sides(judge.name, question)
    said = judge.prefers_left(question.prompt, *(question.replies[i] for i in shown))
    if said is None:
        return Skip()
    return Tie() if said == 0.5 else Better(shown[0] if said > 0.5 else shown[1])


A_DAY = 86_400  # seconds: nobody waits longer, and a socket cannot


def _names_a_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname and (parts.port is None or parts.port)) and re.fullmatch(r"[!-~]+", url) is not None
    except ValueError:  # a port that is no number, a bracket left open
        return False


def _read(response: HTTPResponse, seconds: float) -> bytes:
    """The whole answer; one that comes in drops is given up after so many seconds, since a socket waits for each."""
    until, found = monotonic() + seconds, b""
    while some := response.read1(65_536):
        found += some
        if monotonic() > until or len(found) > 1_000_000:
            raise TimeoutError(f"its answer has not ended after {seconds:g} s or a million bytes")
    return found


@dataclass(frozen=True)
class ServedJudge:
    """A model behind an address that speaks OpenAI's protocol, asked which of two replies keeps to your rubric better.

    Whatever it answers other than A, B or tie is no vote. What a reply says is quoted to it and may try to speak to it:
    never let such a judge decide something that matters alone.
    """

    name: str
    url: str  # such as "http://localhost:8000/v1"
    model: str
    rubric: str  # in your words
    key: str = field(default="", repr=False)
    seconds: float = 30.0  # to wait for an answer

    def __post_init__(self) -> None:
        _named(self.name)
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"{self.name}: {self.url!r} is no address; it begins with http:// or https://.")
        if not _names_a_host(self.url):
            raise ValueError(f"{self.name}: {self.url!r} is no address; write one like http://localhost:8000/v1.")
        if not re.fullmatch(r"[!-~]*", self.key):  # the key itself is shown nowhere
            raise ValueError(f"{self.name}: the key holds a space, a new line or a foreign letter; copy it once more.")
        _number(self.name, "seconds", self.seconds)
        if not 0 < self.seconds <= A_DAY:
            raise ValueError(f"{self.name}: seconds is {self.seconds!r}; wait more than 0 and up to {A_DAY} of them.")

    def prefers_left(self, prompt: str, left: str, right: str) -> float | None:
        found = re.fullmatch(r"[\W_]*(?:ANSWER[\W_]+)?(A|B|TIE)[\W_]*", self._ask(prompt, left, right).strip().upper())
        return {"A": 1.0, "B": 0.0, "TIE": 0.5}[found[1]] if found else None

    def answer(self, question: Question, rng: Random) -> Answer:
        return answer_pair(self, question)

    def _ask(self, prompt: str, left: str, right: str) -> str:
        system = f"Which reply is better? {self.rubric} Answer with one word: A, B or tie."
        content = json.dumps({"customer": prompt, "A": left, "B": right}, ensure_ascii=False)
        said = [{"role": "system", "content": system}, {"role": "user", "content": content}]
        body = json.dumps({"model": self.model, "messages": said, "temperature": 0, "max_tokens": 4}).encode()
        request = Request(f"{self.url.rstrip('/')}/chat/completions", body, {"Content-Type": "application/json"})
        if self.key:  # and if the address sends us on to another, that one is not shown the key
            request.add_unredirected_header("Authorization", f"Bearer {self.key}")
        try:
            with urlopen(request, timeout=self.seconds) as response:
                said = json.loads(_read(response, self.seconds))["choices"][0]["message"]["content"]
            if not isinstance(said, str | None):
                raise TypeError(f"its content is no text but {type(said).__name__}")
            return said or ""
        except HTTPError as error:
            why = f"it answers {error.code} ({error.reason}). Look at its key, the model's name, and the address"
        except (OSError, HTTPException) as error:
            why = f"it cannot be reached ({getattr(error, 'reason', error)}). Is it running, and is the address right?"
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            why = f"what it sends is no chat completion ({type(error).__name__}: {error}). Does the address end in /v1?"
        raise ConnectionError(f"{self.name} at {self.url}: {why}")
