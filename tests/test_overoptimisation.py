"""Where a policy stands, Gao's two curves, and intervals that promise no more than the seeds allow."""

from copy import deepcopy
from math import exp, inf, log

import pytest
import torch

from minirlhf.best_of_n import Candidates
from minirlhf.course.overoptimisation import (
    GaoFit,
    bootstrap_fits,
    fit_gao,
    interpolate_gain,
    measure_policy,
    percentile_interval,
    recorded_runs,
    score_pool,
    t_interval,
    track,
    truncate,
    which_is_better,
)
from minirlhf.data import Prompts
from minirlhf.model import ValueModel
from minirlhf.pipeline import load_shipped
from minirlhf.ppo import PPOConfig, train_ppo

DISTANCES = [0.0, 0.5, 1.0, 2.0, 3.0, 5.0]


@pytest.mark.parametrize("fit", [GaoFit("best-of-n", 0.8, 0.2), GaoFit("PPO", 0.6, 0.4), GaoFit("PPO", -0.1, 0.1)])
def test_a_curve_is_found_again_from_its_own_points(fit):
    found = fit_gao(fit.method, [(d, fit(d)) for d in DISTANCES])
    assert (found.alpha, found.beta) == (pytest.approx(fit.alpha), pytest.approx(fit.beta))


@pytest.mark.parametrize("fit", [GaoFit("best-of-n", 0.8, 0.2), GaoFit("PPO", 0.6, 0.4)])
def test_nothing_on_a_curve_is_higher_than_its_peak(fit):
    assert all(fit(fit.peak) > fit(fit.peak * share) for share in (0.5, 0.9, 0.99, 1.01, 1.1, 2.0))
    assert fit(0) == 0


def test_the_peaks_are_those_of_the_paper():
    assert GaoFit("best-of-n", 0.8, 0.2).peak == pytest.approx(2.0)  # α / 2β
    assert GaoFit("PPO", 0.6, 0.4).peak == pytest.approx(exp(0.5))  # e^(α/β - 1)


def test_a_curve_without_a_bend_has_no_peak():
    assert GaoFit("best-of-n", 0.5, 0.0).peak == GaoFit("best-of-n", 0.5, -0.1).peak == inf
    assert GaoFit("PPO", 0.5, -0.1).peak == inf
    assert GaoFit("best-of-n", -0.5, 0.1).peak == 0  # only ever down
    assert GaoFit("best-of-n", -0.5, 0.0).peak == 0


def test_one_distance_is_no_curve():
    with pytest.raises(ValueError, match="two different distances"):
        fit_gao("PPO", [(0.0, 0.0), (1.0, 0.3), (1.0, 0.4)])


def test_seeds_that_agree_leave_no_doubt_and_seeds_that_differ_do():
    curve = GaoFit("best-of-n", 0.8, 0.2)
    run = [(d, curve(d)) for d in DISTANCES]
    higher = [(d, 2 * gain) for d, gain in run]
    alphas = [fit.alpha for fit in bootstrap_fits("best-of-n", [run, run, run], draws=20)]
    assert min(alphas) == pytest.approx(max(alphas))
    _, low, high = percentile_interval(
        [fit.alpha for fit in bootstrap_fits("best-of-n", [run, run, higher], draws=200)]
    )
    assert low == pytest.approx(0.8) and high == pytest.approx(1.6)


def test_students_interval_is_that_of_the_tables():
    mean, low, high = t_interval([1.0, 2.0, 3.0])
    reach = 4.303 / 3**0.5
    assert mean == 2 and (low, high) == (pytest.approx(2 - reach, abs=1e-3), pytest.approx(2 + reach, abs=1e-3))
    with pytest.raises(ValueError, match="2 to 11"):
        t_interval([1.0])


def test_students_interval_holds_the_mean_as_often_as_it_says():
    drawn = torch.randn(4000, 4, generator=torch.Generator().manual_seed(0)).tolist()
    held = sum(low <= 0 <= high for _, low, high in map(t_interval, drawn)) / len(drawn)
    assert held == pytest.approx(0.95, abs=0.012)


def test_no_winner_is_named_that_the_interval_does_not_allow():
    assert which_is_better("PPO", "best-of-n", [0.5, 0.6, 0.4]) == "PPO"
    assert which_is_better("PPO", "best-of-n", [-0.5, -0.6, -0.4]) == "best-of-n"
    assert which_is_better("PPO", "best-of-n", [0.5, -0.4, 0.1]) == "cannot be told"


def test_between_two_points_a_run_is_straight_and_beyond_its_end_unknown():
    run = [(0.0, 0.0), (2.0, 1.0), (1.0, 0.0)]  # a run may step back
    assert interpolate_gain(run, 1.5) == pytest.approx(0.5)
    assert interpolate_gain(run, 2) == 1.0
    with pytest.raises(ValueError, match="outside"):
        interpolate_gain(run, 2.1)


def test_a_stopped_run_never_goes_on_even_if_it_would_come_back():
    run = [(0.0, 0.0), (1.0, 0.2), (2.5, 0.1), (1.5, 0.4)]
    assert truncate(run, 2.0) == run[:2]
    assert truncate(run, 9.0) == run
    assert truncate(run[2:], 2.0) == [(2.5, 0.1)]  # something is left to look at


def test_recorded_rows_become_runs_that_start_at_nothing_gained():
    rows = [
        {"method": method, "seed": seed, "kl": kl, "gold": gold}
        for method, seed, kl, gold in [
            ("PPO", 1, 0.0, 0.2),
            ("PPO", 0, -1e-9, 1.0),
            ("PPO", 0, 4.0, 1.5),
            ("other", 0, 1.0, 9.0),
            ("PPO", 1, 9.0, -0.3),
        ]
    ]
    assert recorded_runs(rows, "PPO") == [[(0, 0), (2, 0.5)], [(0, 0), (3, pytest.approx(-0.5))]]


@pytest.fixture(scope="module")
def shipped():
    torch.set_num_threads(1)
    return load_shipped()


def length(tokens, response_mask):
    return response_mask.sum(dim=1).float()


def count_words(prompt, reply):
    assert prompt.startswith("Customer: ") and prompt.endswith("Agent:")
    return float(len(reply.split()))


def test_a_pool_is_judged_reply_by_reply(shipped):
    prompts = shipped.prompts(first=2).prompts
    said = [shipped.tokenizer.encode(text) for text in (" one", " one two", " one two three")]
    rows = [Candidates(prompt, said, torch.tensor([5.0, 6.0, 7.0])) for prompt in prompts]
    proxy, gold = score_pool(rows, shipped.tokenizer, count_words)
    assert proxy.tolist() == [[5.0, 6.0, 7.0]] * 2
    assert gold.tolist() == [[1.0, 2.0, 3.0]] * 2


def test_the_start_stands_at_no_distance_and_looking_changes_nothing(shipped):
    few, customers = shipped.prompts(first=3), Prompts(shipped.prompts("train").prompts[:8])
    config = PPOConfig(updates=2, batch_size=4, max_new_tokens=6, epochs=1, seed=1)

    def run(look):
        policy, value_model = deepcopy(shipped.base), ValueModel(deepcopy(shipped.base.trunk))
        records = train_ppo(policy, shipped.base, length, value_model, customers, config)
        seen = track(records, policy, shipped.base, length, few, shipped.tokenizer, count_words) if look else records
        return list(seen), policy

    standings, watched = run(look=True)
    records, alone = run(look=False)
    assert [s.update for s in standings] == [0, 1, 2] and len(records) == 2
    assert standings[0].kl == pytest.approx(0.0, abs=1e-5) and standings[0].distance < 0.01
    assert standings[2].kl > 1e-4
    for one, other in zip(watched.parameters(), alone.parameters(), strict=True):
        assert torch.equal(one, other)
    for standing in standings:
        assert standing.gold == pytest.approx(sum(standing.golds) / 3) and len(standing.texts) == 3
        assert 1 / 3 <= standing.distinct <= 1
        assert standing.proxy == pytest.approx(standing.length)


def test_two_looks_with_one_seed_are_the_same(shipped):
    def look(seed):
        return measure_policy(
            shipped.base,
            shipped.sft,
            length,
            shipped.prompts(first=4),
            shipped.tokenizer,
            count_words,
            max_new_tokens=8,
            seed=seed,
        )

    assert look(0) == look(0)
    assert look(0).texts != look(1).texts
    assert look(0).kl > 0.1


def test_the_form_for_ppo_bends_with_the_logarithm():
    fit = GaoFit("PPO", 1.0, 0.5)
    assert fit(4.0) / 4 - fit(2.0) / 2 == pytest.approx(-0.5 * log(2))
