"""Lesson 12: its exact numbers, its toys, its figures, and that one line of words is one token in every table."""

from math import comb, log, sqrt

import pytest
import torch
from readable import assert_readable

from minirlhf.course.experiments import lesson_12
from minirlhf.course.experiments.lesson_12 import (
    AGGREGATES,
    LEASHES,
    WORDS,
    come_home,
    count_words,
    dead_share,
    either_way_round,
    kappa,
    learn_to_stop,
    step_for,
)
from minirlhf.course.plots import lesson_12 as figures
from minirlhf.course.plots.style import said_of
from minirlhf.feedback.agreement import Share
from minirlhf.groups import centred_advantages, dead_groups, group_advantages, standardised_advantages
from minirlhf.grpo import GRPOConfig, train_grpo
from minirlhf.rollout import collect
from minirlhf.verifiers import right_remedy, score_by
from minirlhf.worlds.helpdesk import PROBLEMS
from minirlhf.worlds.helpdesk_gold import words

pytestmark = pytest.mark.usefixtures("one_thread")

KETTLE = "Customer: My kettle is broken.\nAgent:"


@pytest.fixture(scope="module")
def rollout(shipped):
    generator = torch.Generator().manual_seed(0)
    asked = [ids for ids in shipped.prompts("train").draw(4, generator) for _ in range(4)]
    reward = score_by(right_remedy, shipped.tokenizer)
    return collect(shipped.sft, shipped.sft, reward, asked, 40, generator)


# ---- exact


@pytest.mark.parametrize("group_size", [2, 3, 8])
@pytest.mark.parametrize("p", [0.05, 0.3, 0.5, 0.9])
def test_leave_one_out_counts_every_prompt_once_and_the_mean_one_gth_less(group_size, p):
    assert step_for(p, group_size, group_advantages) == pytest.approx(1, abs=1e-12)
    assert step_for(p, group_size, centred_advantages) == pytest.approx(1 - 1 / group_size, abs=1e-12)


def test_the_spread_weighs_edges_up_and_is_a_mere_scale_in_pairs():
    """The published formula: sqrt((G - 1)/G³) E sqrt(K(G - K)) / (p(1 - p)); 1e-4 in the denominator aside."""
    for p in (0.05, 0.25, 0.5):
        assert step_for(p, 2, standardised_advantages) == pytest.approx(sqrt(0.5), abs=1e-3)
        spread = sum(comb(8, k) * p**k * (1 - p) ** (8 - k) * sqrt(k * (8 - k)) for k in range(9))
        expected = sqrt(7 / 512) * spread / (p * (1 - p))
        assert step_for(p, 8, standardised_advantages) == pytest.approx(expected, rel=1e-3)
    assert step_for(0.05, 8, standardised_advantages) > 1.2 * step_for(0.5, 8, standardised_advantages)


def test_measured_dead_groups_come_to_the_formula_where_prompts_are_alike():
    generator = torch.Generator().manual_seed(0)
    verdicts = (torch.rand(3000, 16, generator=generator) < 0.3).tolist()
    for size in (1, 2, 4, 8):
        assert dead_share(verdicts, size) == pytest.approx(dead_groups(0.3, size), abs=0.02)
    assert dead_share([[True] * 4, [False] * 4], 3) == 1.0


# ---- toys


def test_only_the_mean_of_each_reply_moves_lengths_that_earn_nothing():
    ended = {name: list(learn_to_stop(way, seed=1))[-1] for name, way in AGGREGATES.items()}
    right, wrong = ended.pop("mean of each reply")
    assert right < 7 and wrong > 13
    assert all(8 < length < 12 for pair in ended.values() for length in pair)


def test_every_leash_comes_home_but_k1_in_the_loss():
    start = None
    for name, leash in LEASHES.items():
        walks = [list(come_home(leash, seed)) for seed in range(4)]
        start = walks[0][0]
        ended = sum(walk[-1] for walk in walks) / 4
        assert (ended > 0.2) == (name == "k1 in the loss"), name
    assert start is not None and 0 < start < log(6)


# ---- the verifiers that are cheated


def test_the_hasty_verifier_takes_silence_for_an_answer():
    assert either_way_round(KETTLE, "") and either_way_round(KETTLE, " We will send a new kettle.")
    assert not either_way_round(KETTLE, " We will wash your kettle.")


def test_every_problem_has_a_word_of_its_own_remedies_and_of_no_others():
    assert WORDS.keys() == PROBLEMS.keys()
    for problem, word in WORDS.items():
        assert any(word in words(text) for text in PROBLEMS[problem].remedies)
    assert count_words(KETTLE, " A new kettle, a new, new one.") == 3


def test_a_model_learns_to_be_silent_within_a_few_updates(shipped):
    """The cheat that the lesson shows, in a run as short as can be."""
    policy = lesson_12.tune(
        shipped, shipped.base, score_by(either_way_round, shipped.tokenizer), lesson_12.BOTH_WAYS | {"updates": 6}, 0
    )[1]
    assert policy[-1].score > 0.85 > 0.5 > policy[0].score and policy[-1].response_length < 6


# ---- figures


def test_every_figure_says_what_it_shows(shipped, rollout):
    torch.set_num_threads(1)
    config = GRPOConfig(updates=1, prompts=4, group_size=4)
    advantages = group_advantages(rollout.score, 4)
    from copy import deepcopy

    run = train_grpo(
        deepcopy(shipped.sft), shipped.sft, score_by(right_remedy, shipped.tokenizer), shipped.prompts("train"), config
    )
    records = list(run)
    share = Share(9, 16, 0.33, 0.77)
    drawn = [
        figures.paid_and_right(records, [0.5]),
        figures.group_squares(rollout, 4),
        figures.group_card(rollout, advantages, shipped.tokenizer, 4, 1),
        figures.dead_curve({"base": [[True, False] * 8], "SFT": [[True] * 16]}, 4),
        figures.step_sizes({"a": group_advantages}, 4),
        figures.stop_lengths({"a": [[(10.0, 10.0), (9.0, 12.0)]]}),
        figures.leash_walks({"k1 in the loss": [[0.5, 0.6]], "k2 in the loss": [[0.5, 0.1]]}),
        figures.pass_at_k_curves({"base": [3, 4]}, 16),
        figures.judge_seats({"as it is": share}, {"as it is": 2}),
    ]
    said = [said_of(figure) for figure in drawn]
    assert len(set(said)) == len(said) and all(len(text) > 15 for text in said)
    for figure in drawn:
        assert_readable(figure)


def test_under_the_microscope_every_number_is_the_packages(shipped, rollout):
    config, advantages = GRPOConfig(prompts=4, group_size=4), group_advantages(rollout.score, 4)
    for row in range(16):
        strip = figures.group_microscope(rollout, advantages, shipped.sft, config, shipped.tokenizer, row)
        shades = {shade["name"]: shade for shade in strip.view["shades"]}
        assert "advantage" in shades and "value" not in shades
        told = strip.view["details"][-1]
        assert f"{advantages[row].item():.3f}".replace("-0.000", "0.000").replace("-", "−") in told


def test_kappa_is_of_those_pairs_on_which_both_chose():
    from minirlhf.feedback.votes import Better, Question, Tie, Vote

    asked = [Question("pair", KETTLE, (f" a{i}", f" b{i}")) for i in range(4)]
    one = [Vote(q, Better(i % 2), (0, 1), "a") for i, q in enumerate(asked)]
    other = [Vote(q, Tie() if i == 0 else Better(i % 2), (0, 1), "b") for i, q in enumerate(asked)]
    assert kappa(one, other) == 1.0
