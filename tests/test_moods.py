"""The messages have a mood that their words alone do not give away, and keep their split."""

import json
import re
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from minirlhf.course.texts import held_out
from minirlhf.paths import data_folder
from minirlhf.tokenizer import Tokenizer
from minirlhf.worlds.moods import MOODS, labelled_message, message

DATA = Path(__file__).parent.parent / "data"
WORDS = re.compile(r"[a-z]+|[^\w\s]")


@pytest.fixture(scope="module")
def rows():
    return {
        half: [json.loads(line) for line in (DATA / f"moods_{half}.jsonl").read_text("utf-8").splitlines()]
        for half in ("train", "held_out")
    }


def test_the_card_names_the_files_with_their_rows(rows):
    card = (DATA / "README.md").read_text("utf-8")
    for half, found in rows.items():
        assert re.search(rf"`moods_{half}\.jsonl` *\| *{len(found):,} ", card)
    for folder in ("train", "held_out", "later"):
        assert f"sprites/{folder}/" in card


def test_every_mood_is_as_often_and_no_message_twice(rows):
    for found in rows.values():
        assert all(list(row) == ["text", "mood"] for row in found)
        assert set(Counter(row["mood"] for row in found).values()) == {len(found) // len(MOODS)}
        assert len({row["text"] for row in found}) == len(found)


def test_held_out_messages_are_in_one_file_only(rows):
    for half, found in rows.items():
        assert {held_out(row["text"]) for row in found} == {half == "held_out"}


def test_the_moods_take_turns():
    rng = Random(0)
    assert [labelled_message(n, rng)[1] for n in range(5)] == [*MOODS, next(iter(MOODS))]


def test_words_are_shared_between_moods():
    """Whoever looks for one word finds it in several moods; only a few belong to one."""
    rng = Random(0)
    said = {mood: Counter() for mood in MOODS}
    for mood in MOODS:
        for _ in range(2_000):
            said[mood].update(set(WORDS.findall(message(mood, rng).lower())))
    words = set().union(*said.values())
    shared = [word for word in words if sum(word in counts for counts in said.values()) > 1]
    assert len(shared) > 0.75 * len(words)
    for word in ("thank", "sorry", "sad", "mad", "please", "great", "money", "not"):
        assert sum(word in counts for counts in said.values()) > 1


def test_the_same_words_in_another_order_are_another_mood():
    """So no list of words, however weighted, can name every mood."""
    rng, moods = Random(0), {}
    for _ in range(4_000):
        for mood in MOODS:
            text = message(mood, rng)
            moods.setdefault(tuple(sorted(WORDS.findall(text.lower()))), set()).add(mood)
    assert sum(len(found) > 1 for found in moods.values()) > 100


def test_every_message_is_short_enough_to_read(rows):
    tokenizer = Tokenizer.load(data_folder() / "checkpoints" / "base" / "tokenizer.json")
    assert max(len(tokenizer.encode(row["text"])) for found in rows.values() for row in found) <= 32
