"""The help desk's texts as chat messages, and back, to the letter.

    "Customer: My hat is late.\\nAgent:"     one message of the user      "My hat is late."
    " It will come today."                  one of the assistant         "It will come today."

A message cannot say whether its text ever had this form. So a prompt of another form goes into a message as it is,
and every message that comes in is put into the form, which is the only one that the help desk's models can read.
"""

import re
from collections.abc import Sequence

Message = dict[str, str]

NAMES = {"user": "Customer", "assistant": "Agent"}
ROLES = {name: role for role, name in NAMES.items()}
SPEAKS = "\nAgent:"  # how every prompt of the help desk ends: now it is the agent's turn
NEXT_TURN = re.compile(r"\n(?=(?:Customer|Agent): )")


def to_messages(prompt: str) -> list[Message]:
    """A prompt as the messages it is made of."""
    if not (prompt.startswith("Customer: ") and prompt.endswith(SPEAKS)):
        return [{"role": "user", "content": prompt}]
    turns = [turn.split(": ", 1) for turn in NEXT_TURN.split(prompt.removesuffix(SPEAKS))]
    return [{"role": ROLES[name], "content": text} for name, text in turns]


def to_prompt(messages: Sequence[Message]) -> str:
    """Messages as a prompt; ValueError for a turn that the help desk does not know."""
    for message in messages:
        if message["role"] not in NAMES:
            raise ValueError(
                f"a message has the role {message['role']!r}, and the help desk knows only user and assistant; "
                "drop that message."
            )
    return "\n".join(f"{NAMES[message['role']]}: {message['content']}" for message in messages) + SPEAKS


def to_content(reply: str) -> str:
    """A reply without the space that parts it from the prompt."""
    return reply.removeprefix(" ")


def to_reply(content: str) -> str:
    """The content of an assistant's message as a reply, which prompt + reply can be put together with."""
    return " " + content
