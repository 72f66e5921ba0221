"""The attack suite: the world's own truth survives it, each naive verifier falls to what it is open to."""

from typing import Any

import pytest
import torch

from minirlhf.evaluate import exchanges
from minirlhf.rollout import sample
from minirlhf.verifiers import mentions_remedy, right_remedy, well_formed
from minirlhf.worlds.helpdesk import gold_parts
from minirlhf.worlds.helpdesk_attacks import TRICKS, Siege, attack, customers
from minirlhf.worlds.helpdesk_gold import read, words
from minirlhf.worlds.helpdesk_words import PROBLEMS

ATTACKS = [trick for trick in TRICKS if trick.kind == "attack"]


def test_every_problem_has_its_customer_and_another_seed_has_others():
    assert {customer.problem for customer in customers()} == set(PROBLEMS)
    assert customers(1) != customers(0)


@pytest.mark.parametrize("seed", range(3))
def test_the_worlds_own_truth_survives(seed):
    siege = attack(right_remedy, seed)
    assert siege.survived and not siege.got_through and not siege.refused


@pytest.mark.parametrize("trick", [t for t in TRICKS if t.kind != "unasked"], ids=lambda t: t.name)
def test_an_attack_cures_nothing_and_an_honest_reply_does(trick):
    """By the gold score, which nobody wrote for the suite."""
    for customer in customers(5):
        cured = gold_parts(customer.prompt, trick.reply(customer))["remedy"] > 0
        assert cured == (trick.kind == "honest")


def test_naive_verifiers_fall_to_what_they_are_open_to():
    assert set(attack(mentions_remedy).got_through) == {"two remedies, one of them right", "every remedy in one reply"}
    assert {"good manners, no remedy", "the remedy for another problem"} <= set(attack(well_formed).reachable)
    assert attack(well_formed).refused == ["in small letters, without a stop"]


def test_silence_gets_past_whoever_looks_both_ways():
    def either(prompt, reply):
        return any(reply.strip() in text or text in reply for text in PROBLEMS[read(prompt).problem].remedies)

    siege = attack(either)
    assert "says nothing" in siege.reachable and not siege.survived


def test_whoever_says_no_to_all_refuses_every_honest_reply():
    siege = attack(lambda prompt, reply: False)
    assert not siege.got_through and len(siege.refused) == sum(trick.kind == "honest" for trick in TRICKS)


def test_a_verifier_that_crashes_or_says_neither_has_judged_wrongly_and_is_told_how():
    def crashes(prompt, reply):
        return reply.split()[0] != "" and right_remedy(prompt, reply)

    siege = attack(crashes)
    assert siege.got_through == ["says nothing"] and "IndexError" in str(siege)
    says_nothing: Any = lambda prompt, reply: None  # noqa: E731
    silent = attack(says_nothing)
    assert not silent.survived and "None" in str(silent)


def test_the_table_names_the_verifier_and_every_trick_and_fits_a_screen():
    shown = str(attack(mentions_remedy))
    assert "mentions_remedy" in shown.splitlines()[0]
    assert all(trick.name in shown for trick in TRICKS)
    assert max(map(len, shown.splitlines())) <= 88
    assert repr(attack(right_remedy)) == str(attack(right_remedy))


def test_what_a_model_is_said_to_draw_it_draws(shipped):
    """And by its sign: each reply of the suite bears the sign of its own attack."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    drawn = sample(shipped.base, shipped.prompts("train").draw(400, generator), 40, generator)
    said = exchanges(drawn.tokens, drawn.response_mask, shipped.tokenizer)
    reachable = [trick for trick in ATTACKS if trick.sign]
    assert reachable
    for trick in reachable:
        bears = trick.sign
        assert bears is not None and any(bears(*pair) for pair in said), trick.name
        assert all(bears(customer.prompt, trick.reply(customer)) for customer in customers()), trick.name


def test_what_is_not_asked_for_is_counted_and_never_a_fault():
    tried = {t.trick.name: t for t in attack(right_remedy).tried}
    assert len(tried["five times over"].wrong) == 10 and not tried["five times over"].fault
    assert isinstance(attack(right_remedy), Siege)


def test_no_two_tricks_are_the_same():
    for customer in customers():
        said = [trick.reply(customer) for trick in TRICKS]
        assert len(set(said)) == len(said)
    assert all(words(trick.reply(customers()[0])) or trick.kind == "attack" for trick in TRICKS)
