"""Lesson 10's contest is fair: one start, equal budgets, a control; its recorded runs are whole."""

import pytest
import torch

from minirlhf.best_of_n import best_of_n_kl
from minirlhf.course.experiments import lesson_10
from minirlhf.course.experiments.contest import (
    ASKED,
    BY_THE_BOOK,
    DEFINITE,
    SETTLED,
    TASKS,
    TASTE,
    Contest,
    N,
    half_wins,
    written,
)
from minirlhf.course.experiments.lesson_10 import (
    CLAIMS,
    LADDER,
    UNCHECKED,
    WAYS,
    claimed,
    imitate,
    liked,
    ppo_entry,
    size,
)
from minirlhf.course.plots.lesson_10 import shares_of
from minirlhf.course.recorded import read_recorded
from minirlhf.data import Demonstrations
from minirlhf.feedback.simulated import sorrow
from minirlhf.paths import data_folder
from minirlhf.recipes.pipeline import CONTEXT


@pytest.fixture(scope="module")
def contest():
    torch.set_num_threads(1)
    return Contest.of(TASTE, seed=5)


@pytest.fixture(scope="module")
def rows():
    return read_recorded("equal_budgets")


def said(demonstrations, tokenizer):
    prompts = [tokenizer.decode(ids) for ids in demonstrations.prompts]
    return list(zip(prompts, [tokenizer.decode(ids).strip() for ids in demonstrations.responses], strict=True))


def test_whoever_writes_by_the_book_gets_all_the_points(shipped):
    scores = {round(SETTLED.score(*pair), 6) for pair in said(written(BY_THE_BOOK, 60, shipped, 3), shipped.tokenizer)}
    assert scores == {2.1}


def test_nobody_has_demonstrated_what_the_second_task_wants(shipped):
    tokenizer = shipped.tokenizer
    old = Demonstrations.load(data_folder() / "demonstrations_train.jsonl", tokenizer, CONTEXT)
    sorry = [sorrow(reply) for _, reply in said(old, tokenizer)]
    assert max(sorry) == 0.5  # once, never twice
    assert 0.3 < sum(score > 0 for score in sorry) / len(sorry) < 0.5


def test_answers_are_counted_alike_and_the_same_for_one_seed(contest):
    assert len(contest.votes) == len(contest.demonstrations) == TASTE.answers
    again = Contest.of(TASTE, seed=5)
    assert again.votes.chosen == contest.votes.chosen
    assert again.demonstrations.responses == contest.demonstrations.responses


def test_the_best_answers_are_scored_highest_and_the_control_has_the_same_customers(contest):
    drawn = contest.draw()
    assert len(drawn) == ASKED and all(len(candidates.responses) == N for candidates in drawn)
    for candidates in drawn:
        best = candidates.responses.index(candidates.best)
        assert candidates.score[best] >= candidates.score.max() - 1e-6
    assert [c.prompt for c in drawn] == list(contest.customers.prompts[:ASKED])


def test_old_demonstrations_that_are_kept_say_sorry_more_often(contest):
    kept = said(liked(contest), contest.shipped.tokenizer)
    assert len(kept) == ASKED
    assert sum(sorrow(reply) > 0 for _, reply in kept) / ASKED > 0.7


def test_imitation_leaves_the_start_as_it_was(contest):
    start = contest.shipped.sft
    before = [parameter.clone() for parameter in start.parameters()]
    student = imitate(start, contest.demonstrations)
    assert all(torch.equal(a, b) for a, b in zip(before, start.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(before, student.parameters(), strict=True))


def test_ppo_holds_three_models_and_a_reward_model(contest):
    entry = ppo_entry(contest, contest.shipped.sft, 1.0)
    assert entry.parameters == 3 * size(contest.shipped.sft) + size(contest.reward_model)
    assert entry.sampled == ASKED * N


def test_a_tie_is_half_a_win_for_both():
    ours, theirs = [1.0, 2.0, 3.0, 0.1 + 0.2], [2.0, 1.0, 3.0, 0.3]
    assert half_wins(ours, theirs) == half_wins(theirs, ours) == 2.0
    assert half_wins([2.0], [1.0]) == 1 and half_wins([1.0], [2.0]) == 0


def test_the_recorded_budgets_are_equal(rows):
    for task in TASKS:
        mine = [row for row in rows if row["task"] == task.name]
        assert len({row["seed"] for row in mine}) >= 3
        assert {row["method"] for row in mine} == set(WAYS) - set(UNCHECKED.get(task.name, ()))
        for row in mine:
            asked = row["demonstrations"] + row["votes"]
            unaided = row["method"] in ("base", "SFT", "SFT, random answers", "GRPO, verifier")
            assert asked == (0 if unaided else task.answers), row
            assert row["sampled"] in (0, ASKED * N) and 0 <= row["wins"] <= row["n"] == 300


def test_the_recorded_controls_say_that_nothing_leans(rows):
    for row in rows:
        if row["method"] == "SFT":
            assert abs(row["kl"]) < 1e-4 and abs(row["wins"] / row["n"] - 0.5) < 0.09
        if row["method"] == "best-of-n":
            assert row["kl"] == pytest.approx(best_of_n_kl(N), rel=1e-4)


def test_the_recorded_runs_bear_out_what_the_text_claims(rows):
    both = [row for row in read_recorded("by_answers") if row["method"] != "PPO"] + rows
    for seed in {row["seed"] for row in rows}:
        values = claimed([row for row in both if row["seed"] == seed])
        for claim in CLAIMS:
            assert claim.holds(values[claim.name]), (seed, claim, values[claim.name])


def test_the_reward_model_would_have_crowned_another(rows):
    mine = [row for row in rows if row["task"] == DEFINITE.name]
    fair, flattering = shares_of(mine), shares_of(mine, "wins_by_reward")
    assert max(fair, key=lambda m: fair[m]) == "SFT, more demonstrations"
    first, second, *_ = sorted(flattering, key=lambda m: -flattering[m])
    assert (first, second) == ("SFT, best old demonstrations", "PPO")
    assert 0.2 < flattering["PPO"] - fair["PPO"] < 0.35


def test_ppo_pays_with_the_help_and_the_seeds_of_dpo_disagree_about_it(rows):
    gold = {
        method: [row["gold"] for row in rows if row["task"] == TASTE.name and row["method"] == method]
        for method in ("SFT", "PPO", "DPO")
    }
    start = sum(gold["SFT"]) / len(gold["SFT"])
    assert max(gold["PPO"]) < 0.75 * start, "a third of the help, or nearly, in every run"
    assert min(gold["DPO"]) < 0.5 * start and max(gold["DPO"]) > 0.95 * start


def test_fewer_answers_are_recorded_for_several_seeds():
    ladder = read_recorded("by_answers")
    for answers in LADDER:
        for method in ("SFT, more demonstrations", "PPO"):
            mine = [row for row in ladder if (row["answers"], row["method"]) == (answers, method)]
            assert len(mine) >= 3


def test_the_sweeps_say_what_they_are_about():
    assert set(lesson_10.SWEEPS) == {"equal_budgets", "by_answers"}
    for name, sweep in lesson_10.SWEEPS.items():
        assert (sweep.__doc__ or "").strip(), name
