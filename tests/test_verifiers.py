"""Verifiers: what is right by the world's own truth, a reward that says so, and failures that are nobody's score."""

from typing import Any

import numpy as np
import pytest
import torch

from minirlhf.groups import dead_groups
from minirlhf.rollout import sample
from minirlhf.verifiers import mentions_remedy, right_remedy, score_by, well_formed
from minirlhf.worlds.helpdesk import PROBLEMS, gold_parts

pytestmark = pytest.mark.usefixtures("one_thread")

KETTLE = "Customer: My kettle is broken.\nAgent:"


@pytest.fixture(scope="module")
def drawn(shipped):
    generator = torch.Generator().manual_seed(0)
    return sample(shipped.base, shipped.prompts("held_out", first=64).prompts, 40, generator)


def test_right_is_what_the_gold_score_pays_for(shipped, drawn):
    score = score_by(right_remedy, shipped.tokenizer)(drawn.tokens, drawn.response_mask)
    paid = score_by(lambda prompt, reply: gold_parts(prompt, reply)["remedy"] > 0, shipped.tokenizer)(
        drawn.tokens, drawn.response_mask
    )
    assert torch.equal(score, paid) and 0 < score.mean() < 1


def test_each_verifier_says_yes_to_more_than_the_strict_one(shipped, drawn):
    strict, loose = (
        score_by(verifier, shipped.tokenizer)(drawn.tokens, drawn.response_mask)
        for verifier in (right_remedy, mentions_remedy)
    )
    assert bool((loose >= strict).all())


def test_two_remedies_are_mentioned_and_not_right():
    both = " We will send a new kettle. We will wash your kettle."
    assert mentions_remedy(KETTLE, both) and not right_remedy(KETTLE, both)
    assert well_formed(KETTLE, " Go away.") and not well_formed(KETTLE, "")


@pytest.mark.parametrize("n", range(1, 40))
def test_the_form_asks_for_two_to_thirty_words_and_an_end(n):
    for end in (".", "!", "?", " :)"):
        assert well_formed(KETTLE, " away" * n + end) == (n in range(2, 31))
    assert not well_formed(KETTLE, " away" * n) and not well_formed(KETTLE, " away" * n + ",")


@pytest.mark.parametrize("said", [None, 1, 0.5, "True", [], np.float64(1)])
def test_what_is_neither_true_nor_false_stops_the_run_and_shows_the_reply(shipped, drawn, said):
    with pytest.raises(TypeError, match="return True or False") as caught:
        score_by(lambda prompt, reply: said, shipped.tokenizer)(drawn.tokens, drawn.response_mask)
    assert "Customer: " in str(caught.value)


def test_a_crash_is_no_wrong_answer(shipped, drawn):
    def crashes(prompt, reply):
        raise ZeroDivisionError("no")

    with pytest.raises(ZeroDivisionError) as caught:
        score_by(crashes, shipped.tokenizer)(drawn.tokens, drawn.response_mask)
    assert "crashes" in caught.value.__notes__[0] and "Customer: " in caught.value.__notes__[0]


def test_numpys_true_is_true(shipped, drawn):
    numpys: Any = lambda prompt, reply: np.bool_(True)  # noqa: E731
    score = score_by(numpys, shipped.tokenizer)(drawn.tokens, drawn.response_mask)
    assert score.tolist() == [1.0] * len(drawn.tokens)


def test_every_problem_can_be_cured():
    for problem, told in PROBLEMS.items():
        item, phrasing = told.items[0], told.phrasings[0]
        prompt = f"Customer: {phrasing.format(item=item, other='rug', colour='red', hoped='blue')}\nAgent:"
        for other, table in PROBLEMS.items():
            for text in table.remedies:
                assert right_remedy(prompt, f" {text.format(item=item)}.") == (other == problem)


# ---- dead groups


@pytest.mark.parametrize("group_size", [1, 2, 4, 8])
def test_dead_groups_are_what_enumeration_counts(group_size):
    for p in (0.0, 0.05, 0.3, 0.5, 0.9, 1.0):
        total = 0.0
        for number in range(2**group_size):
            right = [bool(number >> i & 1) for i in range(group_size)]
            if len(set(right)) == 1:
                chance = 1.0
                for one in right:
                    chance *= p if one else 1 - p
                total += chance
        assert dead_groups(p, group_size) == pytest.approx(total, abs=1e-12)


@pytest.mark.parametrize(("p", "group_size"), [(-0.1, 2), (1.1, 2), (0.5, 0), (float("nan"), 2)])
def test_what_is_no_probability_or_no_group_is_refused(p, group_size):
    with pytest.raises(ValueError, match="group_size"):
        dead_groups(p, group_size)
