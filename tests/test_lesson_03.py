"""The broken losses of lesson 03 are broken in the one way that they say, and its claims stand in its text."""

from pathlib import Path

import nbformat
import pytest
import torch
from tiny import TYPED, small_tokenizer, talker

from minirlhf.course.experiments import lesson_03
from minirlhf.course.experiments.lesson_02 import without_the_shift
from minirlhf.course.experiments.lesson_03 import (
    divided_by_all,
    end_left_out,
    held_out_loss,
    imitate,
    outcome,
    prompt_too,
    right_remedies,
    rude,
)
from minirlhf.data import Demonstrations, collate
from minirlhf.losses import sft_loss

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "03_supervised_fine_tuning.ipynb"
TOKENS, MASK = collate([[1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10]], pad_id=11)


def gradient(loss):
    """Which logits a loss asks."""
    logits = torch.randn(2, 5, 11, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss(logits, TOKENS, MASK)[0].backward()
    assert logits.grad is not None
    return logits.grad.abs().sum(dim=2) > 0


@pytest.mark.parametrize(
    ("loss", "asked"),
    [
        (sft_loss, [[0, 1, 1, 1, 0], [0, 0, 1, 1, 0]]),
        (prompt_too, [[1, 1, 1, 1, 0], [1, 1, 1, 1, 0]]),
        (end_left_out, [[0, 1, 1, 0, 0], [0, 0, 1, 0, 0]]),
        (divided_by_all, [[0, 1, 1, 1, 0], [0, 0, 1, 1, 0]]),
        (without_the_shift, [[0, 0, 1, 1, 1], [0, 0, 0, 1, 1]]),
    ],
)
def test_each_loss_asks_the_places_that_it_says(loss, asked):
    assert gradient(loss).int().tolist() == asked


def test_dividing_by_everything_only_makes_the_number_smaller():
    logits = torch.randn(2, 5, 11, generator=torch.Generator().manual_seed(1))
    right, smaller = sft_loss(logits, TOKENS, MASK)[0], divided_by_all(logits, TOKENS, MASK)[0]
    torch.testing.assert_close(smaller, right * 5 / 10)


@pytest.fixture(scope="module")
def demonstrations():
    tokenizer = small_tokenizer()
    pairs = [("Customer: My lamp is late.\nAgent:", " Hi."), ("Customer: My mug is broken.\nAgent:", " You again?")]
    ids = [(tokenizer.encode(asked), [*tokenizer.encode(said), tokenizer.eos_id]) for asked, said in pairs]
    return Demonstrations([p for p, _ in ids] * 3, [r for _, r in ids] * 3)


SMALL = {**vars(TYPED), "context": 128}


def test_imitating_leaves_the_base_model_alone_and_brings_the_loss_down(demonstrations):
    tokenizer = small_tokenizer()
    base = talker(config=type(TYPED)(**SMALL))
    before = held_out_loss(base, demonstrations, tokenizer)
    policy, last = imitate(base, demonstrations, steps=20)
    assert held_out_loss(base, demonstrations, tokenizer) == before > held_out_loss(policy, demonstrations, tokenizer)
    assert last < before


def test_what_is_counted_of_a_models_replies(demonstrations):
    base = talker(config=type(TYPED)(**SMALL))
    counted = outcome(base, demonstrations, small_tokenizer())
    assert 0 <= counted["ended (of 100)"] <= 100 and 1 <= counted["tokens a reply"] <= 40
    assert counted == outcome(base, demonstrations, small_tokenizer())


def test_only_keeps_rows_in_the_order_asked_for(demonstrations):
    kept = demonstrations.at([1, 0])
    assert [*kept.prompts] == [demonstrations.prompts[1], demonstrations.prompts[0]] and len(kept) == 2


def test_remedies_and_rudeness_are_counted_in_100():
    asked = ["Customer: My lamp is late.\nAgent:"] * 4
    replies = ["We will find your lamp.", "We will wash your lamp.", "Boo hoo.", ""]
    assert (right_remedies(asked, replies), rude(replies)) == (25.0, 25.0)


@pytest.mark.parametrize("claim", lesson_03.CLAIMS, ids=lambda claim: claim.name)
def test_a_claim_stands_in_the_text(claim):
    lines = [line for cell in nbformat.read(NOTEBOOK, as_version=4).cells for line in cell.source.splitlines()]
    assert any(claim.says in line for line in lines)
