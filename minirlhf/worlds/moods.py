"""Customers in four moods: angry, worried, friendly, neutral, for the first lesson's labels in a column.

A message says what happened to an order, as at the help desk, and how somebody feels about it. Nearly all words are
said in several moods: "thank you" in all four, "I am not sad, I am mad." and "I am not mad, I am sad." in two. So a
list of words does not do; their order matters.
"""

from dataclasses import dataclass
from random import Random

from minirlhf.worlds.helpdesk_words import COLOURS, ITEMS, PROBLEMS


@dataclass(frozen=True)
class Mood:
    """What may stand before or after the problem, and the word for how one feels."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    feels: str


MOODS: dict[str, Mood] = {
    "angry": Mood(
        (
            "Oh great.",
            "Great, a bad day!",
            "You again!",
            "I love this. Not!",
            "No, no, no!",
            "Hello? Help me now!",
            "I paid for this?",
        ),
        (
            "Thank you for nothing!",
            "I want my money back now!",
            "I will not buy here again!",
            "Do not say sorry!",
            "Please do your work!",
            "It is a bad joke!",
            "I am not your friend!",
            "Have a bad day!",
        ),
        "mad",
    ),
    "worried": Mood(
        (
            "Oh no!",
            "Oh no, please help me.",
            "What do I do?",
            "Sorry, I am so sad.",
            "Help, please!",
            "I hope you can help.",
        ),
        (
            "It is a gift for today!",
            "Will I get my money back?",
            "What can I do now?",
            "Will it be here in time?",
            "I hope it will be good again.",
            "Thank you, but what do I do?",
            "My friend will be so sad.",
            "Is this bad?",
            "Can you help me now?",
        ),
        "sad",
    ),
    "friendly": Mood(
        (
            "Hi there!",
            "Hello, my friend!",
            "I love your shop.",
            "Have a great day!",
            "Sorry for the work!",
            "Good day, me again!",
        ),
        (
            "No trouble, I can wait!",
            "Thank you so much!",
            "It is not so bad :)",
            "You are a great help!",
            "Do not be sad!",
            "I do not want my money back :)",
            "I know you can help!",
            "Have a lovely day!",
            "It is a good joke :)",
        ),
        "glad",
    ),
    "neutral": Mood(
        ("Hello.", "Good day.", "For your list:", "On my order:", "Sorry, one more thing.", "Hi."),
        (
            "Please send a new one.",
            "What do I do now?",
            "Thank you.",
            "I will be here today.",
            "I paid this week.",
            "Please call me back.",
            "It is not a gift.",
            "I want my money back, please.",
            "No more for today.",
        ),
        "fine",
    ),
}
FEELINGS = ("I am not {other}, I am {own}.", "I am {own}, not {other}.", "I am {own} now, no more {other}.")


def message(mood: str, rng: Random) -> str:
    """A customer's message in this mood; one in three says in a word how it feels, and how it does not."""
    problem = PROBLEMS[rng.choice(sorted(PROBLEMS))]
    item = rng.choice(problem.items)
    other = rng.choice([thing for thing in ITEMS if thing != item])
    colour, hoped = rng.sample(COLOURS, 2)
    told = rng.choice(problem.phrasings).format(item=item, other=other, colour=colour, hoped=hoped)
    said = MOODS[mood]
    if rng.random() < 1 / 3:
        unlike = rng.choice([others.feels for name, others in MOODS.items() if name != mood])
        return f"{told} {rng.choice(FEELINGS).format(own=said.feels, other=unlike)}"
    if rng.random() < 1 / 3:
        return f"{rng.choice(said.before)} {told}"
    return f"{told} {rng.choice(said.after)}"


def labelled_message(number: int, rng: Random) -> tuple[str, str]:
    """The message with this number, and its mood: the moods take turns."""
    mood = list(MOODS)[number % len(MOODS)]
    return message(mood, rng), mood
