"""Write what is in data/: base text, demonstrations, prompts, simulated comparisons, moods and pictures, from one seed.

Held-out is decided by the prompt alone (a checksum of its text), so a customer who is kept back for one file
is kept back for all of them, whatever is written first.
"""

import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from minirlhf.feedback.simulated import PATIENT, vote
from minirlhf.worlds import kitchen
from minirlhf.worlds.helpdesk import BASE, CAREFUL, DEMONSTRATOR, Request, document, reply, request
from minirlhf.worlds.moods import labelled_message
from minirlhf.worlds.sprites import write_sprites

SEED = 7
Row = dict[str, str | float]


def write_texts(folder: str | Path) -> dict[str, int]:
    """Write every JSONL file into the folder, the same bytes each time, and the pictures; returns the rows in each."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    counts = {}
    for number, (name, (rows, count)) in enumerate(_FILES.items()):
        # Each file has its own generator, so that making one longer leaves the others as they are.
        made = rows(Random(SEED + number), name.endswith("held_out"), count)
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in made]
        (folder / f"{name}.jsonl").write_bytes("".join(lines).encode())
        counts[name] = len(lines)
    return counts | write_sprites(folder / "sprites")


def held_out(prompt: str) -> bool:
    """Whether a prompt is kept back: one in ten is, by a checksum that is the same on every machine."""
    return zlib.crc32(prompt.encode()) % 10 == 0


def _base(rng: Random, kept_back: bool, count: int) -> Iterator[Row]:
    while count:
        text = document(rng)
        asked = [f"{line}\nAgent:" for line in re.findall(r"Customer: .*", text)]
        if kept_back == any(map(held_out, asked)):
            count -= 1
            yield {"text": text}


def _requests(rng: Random, kept_back: bool, count: int) -> Iterator[Request]:
    """So many different customers from one side of the split."""
    seen = set()
    while len(seen) < count:
        asked = request(rng)
        if asked not in seen and held_out(asked.prompt) == kept_back:
            seen.add(asked)
            yield asked


def _prompts(rng: Random, kept_back: bool, count: int) -> Iterator[Row]:
    for asked in _requests(rng, kept_back, count):
        yield {"prompt": asked.prompt}


def _demonstrations(rng: Random, kept_back: bool, count: int) -> Iterator[Row]:
    for asked in _requests(rng, kept_back, count):
        yield {"prompt": asked.prompt, "completion": reply(asked, rng, DEMONSTRATOR)}


def _comparisons(rng: Random, kept_back: bool, count: int) -> Iterator[Row]:
    for choice in vote(list(_pairs(rng, kept_back, count)), PATIENT, rng):
        yield choice.row()


def _pairs(rng: Random, kept_back: bool, count: int) -> Iterator[tuple[str, str, str]]:
    """Two different replies to each customer; a judge has to have seen the best and the worst as well."""

    def answer(asked: Request) -> str:
        return reply(asked, rng, rng.choices((DEMONSTRATOR, BASE, CAREFUL), (6, 2, 2))[0])

    for asked in _requests(rng, kept_back, count):
        first = second = answer(asked)
        while second == first:
            second = answer(asked)
        yield asked.prompt, first, second


def _moods(rng: Random, kept_back: bool, count: int) -> Iterator[Row]:
    """So many different messages with the mood of each, every mood as often."""
    seen: set[str] = set()
    while len(seen) < count:
        text, mood = labelled_message(len(seen), rng)
        if text not in seen and held_out(text) == kept_back:
            seen.add(text)
            yield {"text": text, "mood": mood}


def _kitchen(rng: Random, kept_back: bool, count: int) -> Iterator[Row]:
    """Transcripts as other people have them: a few of the rows are no choice between two replies."""
    for number in range(count):
        chosen, rejected = kitchen.compared(rng)
        if number % 200 == 57:
            rejected = chosen  # somebody pressed twice
        elif number % 400 == 311:
            chosen = chosen[: chosen.rindex("Assistant:") + len("Assistant:")]  # the answer was lost
        yield {"chosen": chosen, "rejected": rejected}


_FILES: dict[str, tuple[Callable[[Random, bool, int], Iterator[Row]], int]] = {
    "base": (_base, 16_000),
    "demonstrations_train": (_demonstrations, 4_000),
    "demonstrations_held_out": (_demonstrations, 400),
    "prompts_train": (_prompts, 3_000),
    "prompts_held_out": (_prompts, 300),
    "comparisons_train": (_comparisons, 4_000),
    "comparisons_held_out": (_comparisons, 600),
    "moods_train": (_moods, 600),
    "moods_held_out": (_moods, 200),
    "kitchen": (_kitchen, 1_200),
}
