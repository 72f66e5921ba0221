"""Where a policy stands, Gao's two curves, and intervals that promise no more than the seeds allow."""

from copy import deepcopy
from math import exp, inf, log

import pytest
import torch

from minirlhf.best_of_n import Candidates
from minirlhf.course.overoptimisation import (
    GaoFit,
    Snapshot,
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
from minirlhf.evaluate import exact_kl
from minirlhf.model import ValueModel
from minirlhf.ppo import PPOConfig, train_ppo
from minirlhf.rollout import sample

pytestmark = pytest.mark.usefixtures("one_thread")

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


# ---- where a policy stands


def a_snapshot(kl):
    return Snapshot(0, kl, 0.0, 0.0, 1.0, 1.0, [], [])


def test_the_distance_is_the_root_of_the_kl():
    assert [a_snapshot(kl).distance for kl in (0.0, 4.0, 9.0, -1e-9)] == [0.0, 2.0, 3.0, 0.0]


def test_a_standing_is_made_of_means_a_reply(shipped):
    prompts = shipped.prompts(first=6)
    models = shipped.sft, shipped.base
    seen = []

    def proxy(tokens, response_mask):
        seen.append((tokens, response_mask))
        return 10.0 + response_mask.sum(dim=1)

    found = measure_policy(*models, proxy, prompts, shipped.tokenizer, count_words, update=7, max_new_tokens=8, seed=2)
    ((tokens, mask),) = seen
    again = sample(shipped.sft, prompts.prompts, 8, torch.Generator().manual_seed(2))
    assert torch.equal(tokens, again.tokens), "the policy answers, with random numbers that are the seed's"
    assert found.update == 7 and found.length == mask.sum(dim=1).float().mean().item()
    assert found.proxy == pytest.approx(10.0 + found.length)
    assert found.gold == pytest.approx(sum(found.golds) / 6) != pytest.approx(found.proxy)
    assert found.golds == [len(text.split()) for text in found.texts]
    assert found.kl == pytest.approx(exact_kl(*models, tokens, mask).mean().item(), rel=1e-4)
    assert found.kl != pytest.approx(exact_kl(*models[::-1], tokens, mask).mean().item(), rel=0.05)
    said = [shipped.tokenizer.decode(row[m].tolist()).strip() for row, m in zip(tokens, mask, strict=True)]
    assert said == found.texts and int(mask.sum(dim=1).max()) <= 8


def test_replies_are_as_different_as_they_are(shipped):
    """One word each, so that many are the same: the share of different ones, and not their number."""
    customers = Prompts(list(shipped.prompts(first=2).prompts) * 20)
    found = measure_policy(
        shipped.sft, shipped.base, length, customers, shipped.tokenizer, count_words, max_new_tokens=1
    )
    assert found.distinct == len(set(found.texts)) / 40 < 0.5


def test_looks_come_before_the_first_update_and_then_after_every_so_many(shipped):
    few = Prompts(shipped.prompts(first=1).prompts)
    looks = track(range(7), shipped.sft, shipped.base, length, few, shipped.tokenizer, count_words, every=3)
    assert [look.update for look in looks] == [0, 3, 6]


# ---- curves and intervals


def test_a_steep_curve_has_its_peak_far_out_and_not_beyond_all_numbers():
    assert 1e300 < GaoFit("PPO", 1.0, 1e-9).peak < inf


def test_a_bootstrap_draws_whole_runs_as_often_as_asked_and_by_its_seed():
    runs = [[(d, GaoFit("PPO", alpha, 0.1)(d)) for d in DISTANCES] for alpha in (0.2, 0.5, 0.9, 1.4)]
    fits, same, other = (bootstrap_fits("PPO", runs, draws=30, seed=seed) for seed in (0, 0, 1))
    assert len(fits) == 30 and len(bootstrap_fits("PPO", runs)) == 400
    one, again, another = ([round(fit.alpha, 6) for fit in drawn] for drawn in (fits, same, other))
    assert one == again != another
    assert len(set(one)) > 10


def test_of_a_thousand_values_the_middle_95_in_100_are_inside():
    values = list(range(1001))
    assert percentile_interval(values) == percentile_interval(values[::-1]) == (500, 25, 975)


@pytest.mark.parametrize(("n", "t"), [(2, 12.706), (3, 4.303), (5, 2.776), (11, 2.228)])
def test_the_fewer_seeds_the_wider_the_interval_as_in_the_tables(n, t):
    values = [0.0] * (n - 1) + [float(n)]  # a mean of 1 and a variance of n
    mean, low, high = t_interval(values)
    assert mean == 1 and (high - mean, mean - low) == (pytest.approx(t), pytest.approx(t))


def test_the_table_of_students_t_ends_with_eleven_seeds():
    with pytest.raises(ValueError, match="not 12"):
        t_interval([1.0] * 12)


def test_replies_of_a_pool_are_judged_for_their_own_customers_and_as_they_are_read(shipped):
    prompts = shipped.prompts(first=2).prompts
    asked = [shipped.tokenizer.decode(prompt) for prompt in prompts]
    rows = [Candidates(prompt, [shipped.tokenizer.encode(" so kind ")], torch.tensor([0.0])) for prompt in prompts]
    seen = []

    def judge(prompt, reply):
        seen.append((prompt, reply))
        return 0.0

    score_pool(rows, shipped.tokenizer, judge)
    assert seen == [(prompt, "so kind") for prompt in asked]


def test_recorded_runs_tell_of_the_column_that_was_asked_for():
    rows = [
        {"method": "PPO", "seed": 0, "kl": kl, "gold": gold, "proxy": proxy}
        for kl, gold, proxy in ((0.0, 1.0, 5.0), (9.0, 0.5, 8.0))
    ]
    assert recorded_runs(rows, "PPO") == [[(0, 0), (3, -0.5)]]
    assert recorded_runs(rows, "PPO", "proxy") == [[(0, 0), (3, 3.0)]]
    assert recorded_runs(rows, "best-of-n") == []


def test_a_run_is_cut_where_it_is_farther_and_not_where_it_is_as_far():
    run = [(0.0, 0.0), (2.0, 0.3), (2.1, 0.4)]
    assert truncate(run, 2.0) == run[:2]


def test_a_quarter_of_the_way_a_quarter_is_gained():
    assert interpolate_gain([(0.0, 0.0), (4.0, 2.0)], 1.0) == 0.5
    assert interpolate_gain([(0.0, 0.0), (4.0, 2.0), (4.0, 2.0)], 3.0) == 1.5
