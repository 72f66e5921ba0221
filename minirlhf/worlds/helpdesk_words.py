"""Everything that can be said at the help desk: items, problems, remedies and tones.

The tables are the world. Two things in them are deliberate. A remedy cures one problem only, because a
remedy that helps everywhere ("a refund") soon becomes a model's only answer. And the words are few, short
and used again and again, because the tokenizer has only some 250 merges to spend on them. Left out for the
same reason: plurals, numbers, names, and emoji beyond a plain smiley.
"""

from dataclasses import dataclass

PLUGGED = ("kettle", "lamp", "clock", "radio", "phone", "fan")
ITEMS = (
    *PLUGGED,
    "rug",
    "mug",
    "tent",
    "chair",
    "coat",
    "hat",
    "bed",
    "desk",
    "bag",
    "pan",
    "sofa",
    "drum",
    "kite",
    "bike",
)
COLOURS = ("red", "blue", "green", "pink")


@dataclass(frozen=True)
class Problem:
    """What can go wrong, how customers put it, and the remedies that cure this and nothing else."""

    phrasings: tuple[str, ...]
    remedies: tuple[str, ...]
    items: tuple[str, ...] = ITEMS


PROBLEMS: dict[str, Problem] = {
    "broken": Problem(
        ("My {item} came broken.", "My {item} is broken.", "The new {item} broke.", "My {item} broke today."),
        ("We will send a new {item}", "A new {item} is on its way", "You will get a new {item}"),
    ),
    "late": Problem(
        ("Where is my {item}?", "My {item} is late.", "Why is my {item} so late?", "The {item} did not come."),
        ("We will find your {item}", "We will call the driver of your {item}", "Your {item} will come"),
    ),
    "wrong item": Problem(
        (
            "I wanted a {item}, not a {other}.",
            "You sent a {other}, not a {item}.",
            "My {item} is a {other}!",
            "Why did I get a {other}, not a {item}?",
        ),
        ("We will swap it for a {item}", "We will swap it for your {item}", "You will get a {item} for it"),
    ),
    "missing part": Problem(
        (
            "A part of my {item} is missing.",
            "My {item} has a part missing.",
            "One part of my {item} did not come.",
            "Where is part two of my {item}?",
        ),
        (
            "We will send the missing part of your {item}",
            "The missing part of your {item} is on its way",
            "You will get the missing part of your {item}",
        ),
    ),
    "paid twice": Problem(
        (
            "I paid twice for my {item}.",
            "I paid for my {item} twice.",
            "Why did I pay twice for my {item}?",
            "Why pay twice for one {item}?",
        ),
        (
            "We will pay you back for the {item}",
            "Your money for the {item} is on its way",
            "You will get your money back for the {item}",
        ),
    ),
    "too small": Problem(
        (
            "My {item} is too small.",
            "The {item} is so small!",
            "My new {item} is too small.",
            "My {item} is too small for my cat.",
        ),
        ("We will send a bigger {item}", "A bigger {item} is on its way", "You will get a bigger {item}"),
    ),
    "wants to cancel": Problem(
        (
            "Please cancel my {item}.",
            "I do not want the {item} now.",
            "I want to cancel the {item}.",
            "Please cancel the {item} order.",
        ),
        ("We will cancel your {item}", "Your {item} order is off", "Your {item} will not come"),
    ),
    "does not turn on": Problem(
        (
            "My {item} does not turn on.",
            "My {item} is dead.",
            "The {item} will not turn on.",
            "Why does my {item} not turn on?",
        ),
        ("We will repair your {item}", "We will come and repair your {item}", "Please turn your {item} off and on"),
        PLUGGED,
    ),
    "wrong colour": Problem(
        (
            "My {item} is {colour}, not {hoped}.",
            "I wanted a {hoped} {item}, not {colour}.",
            "Why is my {item} {colour}?",
            "I do not want a {colour} {item}!",
        ),
        (
            "We will paint your {item}",
            "You will get your {item} in the right colour",
            "We will send the right colour of {item}",
        ),
    ),
    "smells": Problem(
        (
            "My {item} smells of fish.",
            "The {item} smells bad.",
            "Why does my {item} smell of fish?",
            "My {item} has a bad smell.",
        ),
        ("We will wash your {item}", "We will come and wash your {item}", "Your {item} will get a good wash"),
    ),
}

# A customer may begin with one of these or end with one of those, never both: messages stay short.
OPENERS = ("Hello. ", "Hi. ", "Help! ", "Oh no! ")
DETAILS = (" Please help.", " It is a gift.", " My cat is sad.", " I am so sad.", " I want to cry.")


@dataclass(frozen=True)
class Tone:
    """How an agent sounds; a shrug is what is said instead of a remedy."""

    greetings: tuple[str, ...]
    apologies: tuple[str, ...]
    timings: tuple[str, ...]
    closings: tuple[str, ...]
    shrugs: tuple[str, ...]
    stop: str = "."  # what ends the remedy

    def phrases(self) -> set[str]:
        """All that this tone adds to a remedy."""
        return {*self.greetings, *self.apologies, *self.timings, *self.closings, *self.shrugs}


TONES: dict[str, Tone] = {
    "neutral": Tone(
        ("Hello.", "Hi."),
        ("Sorry for this.", "Sorry for the trouble."),
        (" today", " this week", " now"),
        ("Thank you.", "Bye."),
        ("We will look at your {item}.", "We will call you."),
    ),
    "warm": Tone(
        ("Hi there!", "Hello there!"),
        ("I am so sorry!", "Oh no, I am so sorry!"),
        (" today", " this week"),
        ("Take care!", "Have a lovely day!", "Take care :)", "Have a lovely day :)"),
        ("I love your {item}!", "We will help you!"),
        "!",
    ),
    "formal": Tone(
        ("Good day.", "Dear customer,"),
        ("We are sorry.", "We are sorry for the trouble."),
        (" today", " this week"),
        ("Thank you for your order.", "Yours, the shop."),
        ("We will look at it this week.", "We will call you this week."),
    ),
    "curt": Tone(("Yes?",), ("Sorry.",), (" now",), ("Bye.",), ("No.", "We will look.")),
    "rude": Tone(
        ("You again?", "Oh, you."),
        ("Boo hoo.", "I am not sorry."),
        (" one day", ", not today"),
        ("Go and cry.", "Go call a fish."),
        ("No new {item} for you.", "We will not help.", "Go and cry on your {item}."),
    ),
    "flowery": Tone(
        ("Oh my sun,", "Oh my heart,"),
        ("I cry for you.", "I cry for this {item}."),
        (" like the sun", " like the moon"),
        ("You are my sun.", "You are my moon."),
        ("Your {item} is my moon.", "I love you like a {item}."),
    ),
    "salesy": Tone(
        ("Great!", "Oh great!"),
        ("No trouble!", "We love this!"),
        (" for free", " and a free gift"),
        ("Buy two today!", "Buy one, get two!"),
        ("Buy a new {item} today!", "Buy a {other} today!"),
        "!",
    ),
}

# The greetings and closings that a good reply may use.
KIND_TONES = ("neutral", "warm", "formal")
