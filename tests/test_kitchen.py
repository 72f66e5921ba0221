"""The kitchen is somebody else's data: other words, longer texts, and a file as other people's are."""

import json
from collections import Counter
from random import Random

from minirlhf import data_folder, import_votes
from minirlhf.course.plots import text_lengths
from minirlhf.worlds import kitchen

FILE = data_folder() / "kitchen.jsonl"


def transcripts():
    for line in FILE.read_text("utf-8").splitlines():
        row = json.loads(line)
        yield row["chosen"], row["rejected"]


def test_the_file_is_read_as_what_it_looks_like_and_only_what_is_no_choice_is_left_out():
    found = import_votes(FILE, on_bad_rows="skip")
    broken = [
        f"line {n}"
        for n, pair in enumerate(transcripts(), start=1)
        if pair[0] == pair[1] or any(text.endswith("Assistant:") for text in pair)
    ]
    assert [row.place for row in found.left_out] == broken != []
    assert len(found.votes) == found.rows - len(broken)
    assert all(vote.question.prompt.endswith("\n\nAssistant:") for vote in found.votes)


def test_hardly_a_text_fits_the_lessons_models(shipped):
    tokenizer = shipped.tokenizer
    lengths = [len(tokenizer.encode(text)) for pair in transcripts() for text in pair]
    assert sum(length < 64 for length in lengths) < 0.05 * len(lengths)
    assert text_lengths({"ours": lengths}, {"ours": 64}).axes[0].patches


def test_the_polite_one_chooses_as_their_rule_says_more_clearly_the_further_apart():
    rng, agreed, asked = Random(0), Counter(), Counter()
    for _ in range(2000):
        chosen, rejected = kitchen.compared(rng)
        trouble = next(t for t in kitchen.TROUBLES if t in chosen.rsplit("Human: ", 1)[1])
        answers = (text.rsplit("Assistant:", 1)[1] for text in (chosen, rejected))
        better, worse = (kitchen.score(kitchen.Exchange("", trouble), answer) for answer in answers)
        distance = min(2, round(abs(better - worse)))
        if better != worse:
            asked[distance] += 1
            agreed[distance] += better > worse
    shares = [agreed[distance] / asked[distance] for distance in (0, 1, 2)]
    assert 0.5 < shares[0] < shares[1] < shares[2] <= 1 - kitchen.LAPSE / 2 + 0.03


def test_a_dialogue_ends_with_a_question_and_a_reply_says_something():
    rng = Random(1)
    for _ in range(300):
        asked = kitchen.question(rng)
        assert asked.prompt.count("Human: ") - asked.prompt.count("Assistant: ") == 1
        assert asked.trouble in asked.prompt
        assert kitchen.reply(asked, rng).startswith(" ") and kitchen.reply(asked, rng).strip()
