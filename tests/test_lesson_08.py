"""Lesson 08: what a figure calls yours is yours, nobody answers for somebody who was there, and round one stays."""

import re
from copy import deepcopy
from math import nan
from pathlib import Path

import nbformat
import pytest

from minirlhf import simulate, write_questions
from minirlhf.course.plots.lesson_08 import voters_compared
from minirlhf.course.plots.replies import largest
from minirlhf.feedback.simulated import CHEERFUL
from minirlhf.recipes.taste import Taste, TasteConfig, learn_taste

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"


def a_voter(taste, seed, pleased):
    return {"taste": taste, "seed": seed, "foreseen": 0.7, "pleased": pleased, "gold": 0.1}


def test_what_nobody_has_judged_yet_has_no_ring():
    rows = [a_voter("soon", seed, 0.9) for seed in (0, 1)]
    rings = []
    for pleased in (0.8, nan):
        axes = voters_compared(rows, a_voter("your model", 0, pleased)).axes
        rings.append([sum(line.get_ydata()[0] == 0 and line.get_marker() == "o" for line in ax.lines) for ax in axes])
    assert rings == [[1, 1, 1], [1, 0, 1]]


@pytest.mark.parametrize("sign", [1, -1])
def test_words_of_either_sign_are_shown_where_there_are_any(sign):
    """Somebody who loves few words punishes every word; the question which ones they liked still has an answer."""
    weights = {f"heavy {n}": -sign * (5.0 + n) for n in range(20)} | {
        f"light {n}": sign * (0.1 + n / 100) for n in range(9)
    }
    shown = largest(weights, 12)
    assert len(shown) == 12 and list(shown.values()) == sorted(shown.values())
    assert [name for name in shown if name.startswith("light")] and {"heavy 19", "light 8"} <= shown.keys()
    assert not [word for word in largest({"a": 1.0, "b": 2.0, "c": 0.0}, 2) if word == "c"]


@pytest.mark.parametrize("number", ["04", "05", "08", "11"])
def test_a_stand_in_answers_only_where_nobody_has_voted_at_all(number):
    (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    seated = [call for cell in cells for call in re.findall(r"let_vote\((.*?)\)", cell)]
    assert seated and all("unless=1" in call.split(", ") for call in seated)


@pytest.mark.parametrize("number", ["04", "05", "08", "11"])
def test_the_first_cards_cell_needs_no_other_cell(number):
    """After a restart it brings the card back by itself: every name in it is made or imported there."""
    (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    card = next(cell for cell in cells if "FeedbackCard(" in cell)
    names = {}
    exec(card, names)
    assert names["card"].view["total"] >= 16


def test_a_second_round_on_a_copy_leaves_the_first_as_it_was(shipped):
    asked = write_questions(shipped.sft, shipped.prompts("train"), shipped.tokenizer, 12, seed=8)
    votes, config = simulate(asked, CHEERFUL), TasteConfig(updates=1, batch_size=4)
    taste = Taste.shipped(shipped)
    list(learn_taste(taste, votes[:8], config))
    before = {name: value.clone() for name, value in taste.policy.state_dict().items()}
    weights = taste.reward_model.word_weights()
    later = deepcopy(taste)
    list(learn_taste(later, votes, config))
    assert all(value.equal(before[name]) for name, value in taste.policy.state_dict().items())
    assert taste.reward_model.word_weights() == weights != later.reward_model.word_weights()
    assert any(not value.equal(before[name]) for name, value in later.policy.state_dict().items())
