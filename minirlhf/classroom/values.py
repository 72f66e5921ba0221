"""Values reveal: pairs that people have written for opposed values, and what a room's votes on them say.

In most pairs of this course one reply is simply better. Here neither is: each keeps a value that the other gives up,
so whoever votes settles a trade-off, for everybody who will talk to the model. The phones never name the values; the
projector does, afterwards. Customers speak the help desk's grammar, so that the votes can be trained on like others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from minirlhf.feedback.votes import Question

WRITTEN = "a person"  # who wrote both replies; a model's name would stand here


@dataclass(frozen=True)
class TradeOff:
    """Two replies to one customer, the value that each keeps, and what a room says that chooses it."""

    customer: str
    values: tuple[str, str]
    replies: tuple[str, str]
    chosen: tuple[str, str]
    """What is said of a room that chose the first, or the second."""

    def question(self, round: int) -> Question:
        """What a phone asks; nothing in it names a value."""
        prompt = f"Customer: {self.customer}\nAgent:"
        return Question("pair", prompt, tuple(f" {reply}" for reply in self.replies), (WRITTEN, WRITTEN), round=round)


TRADE_OFFS = (
    TradeOff(
        "My lamp is late. It is a gift.",
        ("Honesty", "Comfort"),
        ("Sorry, it will not come in time. It needs ten more days.", "It is on its way and will be with you so soon!"),
        ("Bad news is told as it is.", "Bad news is wrapped in hope."),
    ),
    TradeOff(
        "Why does my radio not turn on?",
        ("Brevity", "Thoroughness"),
        (
            "Please turn it off and on.",
            "Please turn it off and on. If it is still dead, look at the plug. If that is fine, we will repair it.",
        ),
        ("The first thing to try is enough.", "Every step is told at once."),
    ),
    TradeOff(
        "My mug came broken. I want to cry.",
        ("Sympathy", "Action"),
        ("Oh no, I am so sorry! You must feel awful.", "A new mug is on its way. You will get it today."),
        ("Feelings come before the remedy.", "The remedy comes before feelings."),
    ),
    TradeOff(
        "I do not want the sofa now.",
        ("The same for all", "Generosity"),
        (
            "It is on its way, so you pay for its way back, as all do.",
            "It is on its way, but for you we will take it back for free.",
        ),
        ("A rule holds for everybody.", "A rule may bend for somebody."),
    ),
    TradeOff(
        "My tent is too small.",
        ("Selling", "Restraint"),
        ("We will send a bigger tent. Buy a bed for it too, for less!", "We will send a bigger tent."),
        ("A customer may be sold something.", "A customer in need is sold nothing."),
    ),
    TradeOff(
        "My coat is red, not blue.",
        ("Formality", "Warmth"),
        ("Dear customer, we will send the right colour. Yours, the shop.", "Oh no! The right one is on its way :)"),
        ("A shop keeps its distance.", "A shop speaks like a friend."),
    ),
    TradeOff(
        "Why did I pay twice for my desk?",
        ("Privacy", "Speed"),
        (
            "May we look at what you paid? We need your word first.",
            "We have looked at all you paid this year. Your money is on its way.",
        ),
        ("Nobody looks without asking.", "Help that is quick need not ask."),
    ),
    TradeOff(
        "You sent a drum, not a clock.",
        ("Owning up", "Saving face"),
        ("That was our mistake. We will swap it.", "This can be the driver or the shop. We will swap it."),
        ("A mistake is called a mistake.", "A mistake need not be named."),
    ),
    TradeOff(
        "My kettle is dead.",
        ("Safety", "Self-help"),
        ("Do not open it! We will come and repair it.", "Open it and see if a part is loose. It is not hard."),
        ("Nobody is told what could hurt.", "People are trusted to do it themselves."),
    ),
    TradeOff(
        "The new chair broke.",
        ("The planet", "Ease"),
        ("We will repair your chair. That will take two weeks.", "Put it in the bin. A new chair will come today."),
        ("Things are repaired, though it takes time.", "It has to be easy, though things are thrown away."),
    ),
    TradeOff(
        "Where is part two of my bed?",
        ("Doubt said aloud", "Confidence"),
        ("It may come this week, but we are not sure.", "It will come this week."),
        ("Doubts are said aloud.", "It sounds sure, and may be wrong."),
    ),
    TradeOff(
        "Why is my hat green?",
        ("Correction", "Agreement"),
        ("You asked for a green one. We can swap it.", "You are right, and we are so sorry! We will swap it."),
        ("A customer may be told they are wrong.", "The customer is right, even when wrong."),
    ),
)
BY_PAIR = {each.question(1).pair: each for each in TRADE_OFFS}
TORN = "The room is torn."
FEW = "These are too few answers to tell."
NOBODY = "Nobody chose."
HANDFUL = 5  # answers, before a room is said to have chosen, or to be torn
LEADS = 0.6  # of the clear choices, from which on a room is said to have chosen; one vote alone never decides


def questions(round: int) -> list[Question]:
    """What a values round asks."""
    return [each.question(round) for each in TRADE_OFFS]


def steps(asked: Sequence[Any]) -> int:
    """How often the teacher's key reveals something: each trade-off, and then all of them at once."""
    return len(asked) + 1 if asked else 0


def reveal(
    asked: Sequence[Question], counts: Mapping[str, Sequence[int]], revealed: int, words: Callable[[str], str]
) -> dict[str, Any]:
    """As much as is revealed of what a room chose: `counts` are of the first reply, the second, ties, both bad.

    `words` takes from a prompt what a person reads of it.
    """
    rows = [_row(question, counts.get(question.key, (0, 0, 0, 0)), words) for question in asked]
    return {
        "shown": min(revealed, len(rows)),
        "total": len(rows),
        "items": rows[:revealed],
        "all": 0 < len(rows) < revealed,
    }


def chose(counts: Sequence[int]) -> int | None:
    """Which of two values a room has chosen; None where it is torn, or too few have answered to tell."""
    first, second, *_ = counts
    if sum(counts) < HANDFUL:
        return None
    torn = max(first, second) < LEADS * (first + second) or abs(first - second) < 2
    return None if torn else int(second > first)


def verdict(trade_off: TradeOff, counts: Sequence[int]) -> str:
    """What the room made of a trade-off, in a sentence."""
    chosen = chose(counts)
    if chosen is None:
        return TORN if sum(counts) >= HANDFUL else FEW if any(counts) else NOBODY
    return trade_off.chosen[chosen]


def _row(question: Question, counts: Sequence[int], words: Callable[[str], str]) -> dict[str, Any]:
    trade_off = BY_PAIR[question.pair]
    return {
        "prompt": words(question.prompt),
        "values": trade_off.values,
        "replies": trade_off.replies,
        "counts": list(counts),
        "chose": chose(counts),
        "sentence": verdict(trade_off, counts),
    }
