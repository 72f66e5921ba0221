"""What lesson 05 says holds exactly: half and no more, padding and constants that change nothing, one sign flipped."""

from functools import cache

import pytest
import torch

from minirlhf.additive import fit_additive
from minirlhf.course.experiments import lesson_05
from minirlhf.data import Comparisons
from minirlhf.evaluate import pair_accuracy, score_pairs
from minirlhf.recipes.pipeline import CONTEXT, load_shipped
from minirlhf.rollout import sample
from minirlhf.worlds.helpdesk import gold, gold_parts
from minirlhf.worlds.helpdesk_gold import REMEDY_WORTH


@cache
def shipped():
    return load_shipped()


@cache
def some_choices():
    return lesson_05.shipped_choices("train", shipped()).take(60)


def test_two_customers_differ_in_what_fits_and_in_nothing_else():
    choices = lesson_05.two_customers(40)
    for one, other in zip(choices[::2], choices[1::2], strict=True):
        assert {one.chosen, one.rejected} == {other.chosen, other.rejected} and one.chosen == other.rejected
        for choice in (one, other):
            good, poor = (gold_parts(choice.prompt, text) for text in (choice.chosen, choice.rejected))
            assert good["remedy"] == REMEDY_WORTH["right"] and poor["remedy"] == REMEDY_WORTH["wrong"]
            assert good["item"] == poor["item"] > 0 and good["greeting"] == poor["greeting"]


def test_word_weights_are_right_for_exactly_one_of_two_customers():
    words = fit_additive(some_choices(), shipped().tokenizer)
    crossed = Comparisons.of(lesson_05.two_customers(30), shipped().tokenizer, CONTEXT)
    assert pair_accuracy(*score_pairs(words, crossed, shipped().tokenizer.pad_id)) == pytest.approx(0.5)


def test_exchanged_labels_turn_every_weight_round():
    choices = some_choices()
    turned = Comparisons(choices.prompts, choices.rejected, choices.chosen, choices.preference)
    one, other = (fit_additive(c, shipped().tokenizer).weights for c in (choices, turned))
    assert one.abs().max() > 0.1
    torch.testing.assert_close(one, -other, atol=1e-2, rtol=0)


def test_an_apology_in_front_is_worth_nothing_to_the_truth():
    generator = torch.Generator().manual_seed(0)
    prompts = shipped().prompts("held_out", first=40).prompts
    samples = sample(shipped().sft, prompts, 40, generator)
    longer = lesson_05.equal_but_longer(samples, shipped())
    assert len(longer) > 5
    read = shipped().tokenizer.decode
    for prompt, with_it, without in zip(longer.prompts, longer.chosen, longer.rejected, strict=True):
        assert read(with_it) == lesson_05.APOLOGY + read(without)
        assert gold(read(prompt), read(with_it)) == pytest.approx(gold(read(prompt), read(without)))


def test_shuffled_votes_are_the_same_pairs():
    choices = some_choices()
    words = lesson_05.shuffled_votes(choices, shipped(), 0)
    assert set(words.words) == set(fit_additive(choices, shipped().tokenizer).words)


def test_the_last_column_hears_the_padding_and_the_last_token_does_not():
    tokens, mask, _ = lesson_05.shipped_choices("held_out", shipped()).batch(range(4), shipped().tokenizer.pad_id)
    model, pad = shipped().reward_model, shipped().tokenizer.pad_id
    wide = torch.nn.functional.pad(tokens, (0, 3), value=pad)
    wide_mask = torch.nn.functional.pad(mask, (0, 3))
    with torch.no_grad():
        torch.testing.assert_close(model(tokens, mask), model(wide, wide_mask), atol=1e-4, rtol=0)
    here, there = (lesson_05.read_at_the_last_column(model, *x) for x in ((tokens, mask), (wide, wide_mask)))
    assert (here - there).abs().max() > 0.01
