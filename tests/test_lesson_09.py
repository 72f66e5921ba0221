"""Lesson 09's experiment measures what the text claims, on the same votes for every remedy."""

from math import sqrt

import pytest
import torch

from minirlhf.best_of_n import best_of_n_kl
from minirlhf.course.experiments import lesson_09
from minirlhf.course.experiments.lesson_09 import CLAIMS, SIZES, UPDATES, VOTES, Bench, arms
from minirlhf.course.overoptimisation import interpolate_gain, recorded_runs, t_interval, which_is_better
from minirlhf.course.recorded import read_recorded
from minirlhf.worlds.helpdesk import gold


@pytest.fixture(scope="module")
def bench():
    torch.set_num_threads(1)
    return Bench.of(0, votes=VOTES + 4)


@pytest.fixture(scope="module")
def rows():
    return read_recorded("over_optimisation")


def test_every_remedy_reads_votes_of_the_same_people(bench):
    assert len(bench.votes) == VOTES + 4
    replies, found = bench.replies, arms(bench)
    for name, (reward_model, beta) in found.items():
        scores = reward_model(replies.tokens, replies.response_mask)
        assert scores.shape == (len(replies.tokens),) and beta > 0, name
    many = found["ten times the votes"][0](replies.tokens, replies.response_mask)
    assert many.mean().item() == pytest.approx(0, abs=1e-4) and many.std().item() == pytest.approx(1, abs=1e-3)


def test_the_truth_as_a_reward_is_the_gold_score(bench):
    truth, _ = arms(bench)["control: the truth itself"]
    tokens, mask, tokenizer = (bench.replies.tokens[:5], bench.replies.response_mask[:5], bench.shipped.tokenizer)
    for score, prompt, ids, counted in zip(truth(tokens, mask), bench.customers.prompts, tokens, mask, strict=False):
        reply = tokenizer.decode(ids[counted].tolist()).strip()
        assert score.item() == pytest.approx(gold(tokenizer.decode(prompt), reply), abs=1e-6)


def test_the_recorded_runs_are_whole(rows):
    for seed in {row["seed"] for row in rows}:
        mine = [row for row in rows if row["seed"] == seed]
        assert [row["update"] for row in mine if row["method"] == "PPO"] == list(range(UPDATES + 1))
        drawn = [row for row in mine if row["method"] == "best-of-n"]
        assert [row["n"] for row in drawn] == list(SIZES)
        assert [row["kl"] for row in drawn] == pytest.approx([best_of_n_kl(n) for n in SIZES], rel=1e-4)
        assert all(-3 <= row["gold"] <= 3 for row in mine)


def test_the_recorded_runs_bear_out_what_the_text_claims(rows):
    ppo, drawn = recorded_runs(rows, "PPO"), recorded_runs(rows, "best-of-n")
    bands = {claim.name: claim for claim in CLAIMS}
    leads = []
    for run, proxy, best in zip(ppo, recorded_runs(rows, "PPO", "proxy"), drawn, strict=True):
        distance, gained = best[-1]
        leads.append(interpolate_gain(run, distance) - gained)
        assert bands["proxy_gain"].holds(proxy[-1][1])
        assert bands["best_gold_gain"].holds(max(gain for _, gain in run))
        assert bands["gold_lost"].holds(max(gain for _, gain in run) - run[-1][1])
        assert bands["best_of_64_gain"].holds(gained)
        assert bands["lead_of_best_of_64"].holds(-leads[-1])
        assert distance == pytest.approx(sqrt(best_of_n_kl(64)), abs=1e-3)
    assert len(leads) >= 4 and t_interval(leads)[2] < 0
    assert which_is_better("PPO", "best-of-n", leads) == "best-of-n"


def test_remedies_are_recorded_for_several_seeds_with_both_controls():
    tried = read_recorded("remedies")
    methods = {row["method"] for row in tried}
    assert {"control: votes by coin", "control: the truth itself"} < methods
    for method in methods:
        runs = recorded_runs(tried, method)
        assert len(runs) >= 3 and all(len(run) == 1 + UPDATES // 2 for run in runs)
    assert all(run[-1][1] > 1 for run in recorded_runs(tried, "control: the truth itself"))  # PPO is not to blame


def test_the_sweeps_say_what_they_are_about():
    assert set(lesson_09.SWEEPS) == {"over_optimisation", "remedies"}
    for name, sweep in lesson_09.SWEEPS.items():
        assert (sweep.__doc__ or "").strip(), name
