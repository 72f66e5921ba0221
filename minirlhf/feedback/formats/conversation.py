"""Prompts as chat messages, and back, to the letter.

    "Customer: My hat is late.\nAgent:"     one message of the user      "My hat is late."
    " It will come today."                  one of the assistant         "It will come today."

A prompt of the help desk is read as turns where two people take turns and the agent is to speak next; where they do
not, somebody quotes a conversation, and it is one message. Messages that this reading would take for others are
written with a tab (or as many as it takes) after each name, so that messages always come back as they were. The
texts of hh-rlhf ("\n\nHuman: …\n\nAssistant:") are read in the same way.

A message cannot say whether its text ever had such a form. So a prompt of another form goes into a message as it is,
and every message that comes in is put into the help desk's form, the only one that its models can read.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import count

from minirlhf.files.messages import shown

Message = dict[str, str]

NAMES = {"system": "System", "user": "Customer", "assistant": "Agent"}
TRANSCRIPT = {"user": "Human", "assistant": "Assistant"}  # as hh-rlhf calls them
SPEAKS = "\nAgent:"  # how every prompt of the help desk ends: now it is the agent's turn
HUMAN, ASSISTANT = "\n\nHuman:", "\n\nAssistant:"
FIRST = re.compile(r"(?:System|Customer|Agent):(\t*) ")


def to_messages(prompt: str) -> list[Message]:
    """A prompt as the messages it is made of."""
    alone = [{"role": "user", "content": prompt}]
    if prompt.endswith(SPEAKS) and (first := FIRST.match(prompt)):
        turns = _turns("\n" + prompt.removesuffix(SPEAKS), "\n", f":{first[1]} ", NAMES)
        if first[1]:
            return turns if to_prompt(turns) == prompt else alone
        return _in_turn(turns, "\n", ": ", NAMES) or alone
    if prompt.endswith(ASSISTANT) and prompt.startswith(HUMAN):
        turns = _turns(prompt.removesuffix(ASSISTANT), "\n\n", ":", TRANSCRIPT)
        turns = _in_turn(turns, "\n\n", ":", TRANSCRIPT) or alone
        return [turn | {"content": turn["content"].removeprefix(" ")} for turn in turns]
    return alone


def to_prompt(messages: Sequence[Message]) -> str:
    """Messages as a prompt of the help desk; ValueError for a turn that it does not know."""
    for message in messages:
        if message["role"] not in NAMES:
            raise ValueError(
                f"a message has the role {shown(message['role'])}, and the help desk knows only {', '.join(NAMES)}; "
                "take that message out, or drop the row."
            )
    wanted = [{name: message[name] for name in ("role", "content")} for message in messages]
    for tabs in count():
        mark = f":{tabs * chr(9)} "
        turns = "".join(f"\n{NAMES[message['role']]}{mark}{message['content']}" for message in wanted)
        read = _turns(turns, "\n", mark, NAMES)
        if wanted == (read if tabs else _in_turn(read, "\n", mark, NAMES)):
            return turns[1:] + SPEAKS
    raise AssertionError("no text holds every number of tabs")


def to_content(reply: str) -> str:
    """A reply without the space that parts it from the prompt."""
    return reply.removeprefix(" ")


def to_reply(content: str) -> str:
    """The content of an assistant's message as a reply, which prompt + reply can be put together with."""
    return " " + content


def _turns(text: str, between: str, mark: str, names: Mapping[str, str]) -> list[Message]:
    """Whatever stands behind a name, up to the next one."""
    roles = {name: role for role, name in names.items()}
    _, *found = re.split(f"{between}({'|'.join(roles)}){mark}", text)
    return [{"role": roles[name], "content": said} for name, said in zip(found[::2], found[1::2], strict=True)]


def _in_turn(turns: Sequence[Message], between: str, mark: str, names: Mapping[str, str]) -> list[Message] | None:
    """The turns if two people take turns and the user spoke last; as one message if they only seem to be turns."""
    start = 1 if turns and turns[0]["role"] == "system" else 0
    said = [turn["role"] for turn in turns[start:]]
    roles = ("user", "assistant")
    if said and all(role == roles[n % 2] for n, role in enumerate(reversed(said))):
        return list(turns)
    if not said or said[0] != "user":
        return None
    rest = between.join(f"{names[turn['role']]}{mark}{turn['content']}" for turn in turns[start:])
    return [*turns[:start], {"role": "user", "content": rest.removeprefix(f"{names['user']}{mark}")}]
