"""People who ask how to cook, as transcripts: somebody else's data, in the form that Anthropic's hh-rlhf has.

    "\\n\\nHuman: My rice burns at the bottom.\\n\\nAssistant: Turn the heat down …"

Other words than the help desk's, longer than its models read, sometimes with an earlier turn. Whoever compared two
replies here is simulated: the polite one likes good manners, advice that fits, and no sermon.
"""

from dataclasses import dataclass
from math import exp
from random import Random

LAPSE = 0.1  # how often the polite one's choice is a coin's

DISHES = (
    "rice",
    "lentil soup",
    "tomato sauce",
    "omelette",
    "bean stew",
    "potato soup",
    "porridge",
    "fish curry",
    "mushroom sauce",
    "chicken broth",
    "noodle soup",
    "pumpkin soup",
    "spinach pie",
    "bread dough",
)

# What goes wrong, and what helps against it.
TROUBLES = {
    "burns at the bottom": (
        "Turn the heat down as soon as it boils.",
        "Use a pot with a thick bottom.",
        "Stir it every few minutes.",
    ),
    "is far too salty": (
        "Add some water and let it simmer for a while.",
        "A raw potato in the pot takes up some of the salt.",
        "A spoon of lemon juice hides the salt.",
    ),
    "tastes of nothing": (
        "Fry an onion with the spices before you add anything else.",
        "A pinch of salt at the end wakes up the taste.",
        "Some fresh herbs and a little vinegar will help.",
    ),
    "is too thin": (
        "Let it simmer without the lid until it thickens.",
        "Mix a spoon of flour with cold water and stir it in.",
        "Mash a part of it with a fork.",
    ),
    "takes forever": (
        "Cut everything into small pieces.",
        "Put the lid on, then it boils sooner.",
        "Soak it overnight, and the next day it is quick.",
    ),
    "falls apart": (
        "Stir it less, and only with a wooden spoon.",
        "Let it rest for ten minutes before you serve it.",
        "Add an egg, which holds it together.",
    ),
}
ASKS = ("What can I do?", "What am I doing wrong?", "Can it be saved?", "I have guests tonight!", "Any advice?")
FIRST = (
    ("Can you help me in the kitchen?", "Of course. What are you cooking?"),
    ("Do you know how to cook?", "A little. What is the matter?"),
    ("I am new to cooking.", "Then you have come to the right place."),
)
OPENINGS = {
    "polite": ("Good question!", "I am happy to help.", "Do not worry, that happens to everybody."),
    "plain": ("",),
    "rude": ("Seriously?", "Everybody knows that.", "You did it all wrong."),
}
CLOSINGS = {
    "polite": ("Enjoy your meal!", "Let me know how it goes.", "I am sure it will be delicious."),
    "plain": ("",),
    "rude": ("Read the recipe next time.", "Is that so hard?", "Or order a pizza."),
}
SERMON = (
    "Cooking has a long history, and people have argued about this for hundreds of years.",
    "There are many opinions on this, and I would not want to say which of them is right.",
    "Please remember that a balanced diet and regular exercise are important for everybody.",
)


@dataclass(frozen=True)
class Exchange:
    """A dialogue up to the assistant's turn, and what is wrong with the dish."""

    prompt: str
    trouble: str


def question(rng: Random) -> Exchange:
    """Somebody whose dish went wrong; one in four has talked to the assistant before."""
    trouble = rng.choice(list(TROUBLES))
    turns = [*rng.choice(FIRST)] if rng.random() < 0.25 else []
    turns.append(f"My {rng.choice(DISHES)} {trouble}. {rng.choice(ASKS)}")
    speakers = ("Human", "Assistant")
    said = "".join(f"\n\n{speakers[n % 2]}: {turn}" for n, turn in enumerate(turns))
    return Exchange(f"{said}\n\nAssistant:", trouble)


def reply(asked: Exchange, rng: Random) -> str:
    """An answer of some manner, mostly to the trouble that the person has, now and then with a sermon."""
    manner = rng.choice(list(OPENINGS))
    trouble = asked.trouble if rng.random() < 0.7 else rng.choice(list(TROUBLES))
    advice = rng.sample(TROUBLES[trouble], rng.choice((1, 2, 2, 3)))
    sermon = [rng.choice(SERMON)] if rng.random() < 0.3 else []
    sentences = [rng.choice(OPENINGS[manner]), *sermon, *advice, rng.choice(CLOSINGS[manner])]
    return " " + " ".join(filter(None, sentences))


def score(asked: Exchange, answer: str) -> float:
    """What the polite one thinks of a reply."""
    manners = sum(p in answer for p in (*OPENINGS["polite"], *CLOSINGS["polite"]))
    insults = sum(r in answer for r in (*OPENINGS["rude"], *CLOSINGS["rude"]))
    fits = sum(sentence in answer for sentence in TROUBLES[asked.trouble])
    return 0.8 * manners - 1.2 * insults + 0.8 * min(fits, 2) - 1.2 * sum(s in answer for s in SERMON)


def compared(rng: Random) -> tuple[str, str]:
    """Two transcripts that part at the last turn: with the reply that was chosen, and with the other one."""
    asked = question(rng)
    first = second = reply(asked, rng)
    while second == first:
        second = reply(asked, rng)
    lead = score(asked, first) - score(asked, second)
    prefers_first = LAPSE / 2 + (1 - LAPSE) / (1 + exp(-2 * lead))
    pair = (first, second) if rng.random() < prefers_first else (second, first)
    return asked.prompt + pair[0], asked.prompt + pair[1]
