"""Find a symptom by the words that somebody has for it: shared words, the rarer the better, typing errors forgiven."""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from math import log

from minirlhf.course.clinic.table import SYMPTOMS, Symptom

WEIGHTS = {"said": 3.0, "explained": 1.0, "met": 3.0}  # what people see and call it; why; where they met it
WHOLE = 8.0  # for a way to say it that is the question word for word
STOP = frozenset(
    word
    for words in (
        "a an the is are be am was of my our your i it its this that to and or in at on with for from by as but",
        "why what does do did how when there has have gets get getting keeps stays goes",
    )
    for word in words.split()
)
SAME = {"zero": "0", "kl_divergence": "kl", "logprob": "log", "logprobs": "logps", "nan": "nan", "infinite": "inf"}
CLOSE, LONG_ENOUGH = 0.8, 4  # how alike two words must be, and how long, to be one with a typing error


def find(question: str) -> list[Symptom]:
    """The symptoms that the words speak of, the likeliest first; none where no word is known."""
    asked = words_of(question)
    if not asked:
        return []
    scores = [(score, -number) for number, score in enumerate(_scores(asked))]
    return [SYMPTOMS[-number] for score, number in sorted(scores, reverse=True) if score > 0.3]


@lru_cache(maxsize=4096)
def words_of(text: str) -> tuple[str, ...]:
    """The words that count, each once; a metric's name, such as rewards/chosen, also in its parts."""
    found: list[str] = []
    for word in re.findall(r"[^\s,;:!?()\"“”…]+", text.lower().replace("−", "-")):
        word = word.strip(".'’`")
        parts = re.split(r"[/_]", word) if re.search(r"[/_]", word) else []
        found += [_plain(each) for each in (word, *parts) if each]
    return tuple(dict.fromkeys(word for word in found if word and word not in STOP))


def _plain(word: str) -> str:
    """One spelling: numbers to three digits (.6931 is 0.693), and 0 for zero."""
    if re.fullmatch(r"-?\d*\.?\d+", word):
        return f"{float(word):.3f}".rstrip("0").rstrip(".")
    return SAME.get(word, word)


@lru_cache(maxsize=1)
def _texts() -> list[tuple[dict[str, frozenset[str]], list[frozenset[str]]]]:
    """Of each symptom its words by kind, and the ways to say it."""
    found = []
    for one in SYMPTOMS:
        ways = [one.sees, one.name, *one.words.split(";")]
        said = frozenset(word for way in ways for word in words_of(way))
        explained = frozenset(words_of(f"{one.cause} {one.sign} {one.cure} {one.stage}"))
        kinds = {"said": said, "explained": explained, "met": frozenset(words_of(" ".join(one.threads)))}
        found.append((kinds, [frozenset(words_of(way)) for way in ways]))
    return found


@lru_cache(maxsize=4096)
def _rarity(word: str) -> float:
    """How much a word tells: the fewer symptoms have it, the more."""
    having = sum(any(word in words for words in kinds.values()) for kinds, _ in _texts())
    return log(1 + len(SYMPTOMS) / (1 + having))


def _scores(asked: Sequence[str]) -> Iterator[float]:
    """How much each symptom has to do with these words."""
    nearest = [_nearest(word) for word in asked]
    for number, (_, ways) in enumerate(_texts()):
        told = [each[number] for each in nearest]
        shared, whole = sum(telling for telling, _ in told), frozenset(said for _, said in told)
        closest = max(len(whole & way) / len(whole | way) for way in ways)
        yield shared / len(asked) + WHOLE * closest**2


@lru_cache(maxsize=4096)
def _nearest(word: str) -> list[tuple[float, str]]:
    """For each symptom how much this word tells of it, and which of the words that are said of it is the nearest."""
    near, found = _near(word, _vocabulary()), []
    for kinds, _ in _texts():
        nearest = {
            kind: max(((near[other], other) for other in near.keys() & words), default=(0.0, word))
            for kind, words in kinds.items()
        }
        telling = max(WEIGHTS[kind] * alike * _rarity(same) for kind, (alike, same) in nearest.items())
        found.append((telling, nearest["said"][1]))
    return found


def likeness(word: str, words: frozenset[str]) -> tuple[float, str]:
    """How near the nearest of these words is, from 0 to 1, and which it is."""
    return max(((alike, other) for other, alike in _near(word, words).items()), default=(0.0, word))


@lru_cache(maxsize=4096)
def _near(word: str, words: frozenset[str]) -> dict[str, float]:
    """Those of the words that may be meant by this one, and how near each is: itself at 1."""
    found, letters, in_order = dict[str, float](), set(word), sorted(word)
    for other in words:
        near = 0.7 if len(word) == len(other) > 2 and in_order == sorted(other) else 0.0  # two changed places
        if len(word) >= LONG_ENOUGH <= len(other):
            if word.startswith(other) or other.startswith(word):
                near = 0.8
            alike_in_length = len(word) + len(other) <= 3 * min(len(word), len(other))
            if alike_in_length and len(letters.intersection(other)) >= len(letters) / 2:
                matcher = SequenceMatcher(None, word, other)
                if matcher.quick_ratio() > CLOSE and (alike := matcher.ratio()) > CLOSE:
                    near = max(near, 0.8 * alike)
        if near or word == other:
            found[other] = 1.0 if word == other else near
    return found


@lru_cache(maxsize=1)
def _vocabulary() -> frozenset[str]:
    return frozenset(word for kinds, _ in _texts() for words in kinds.values() for word in words)
