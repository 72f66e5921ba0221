"""Win rates with published intervals, exact KL against enumeration, accuracy and calibration with known answers."""

from itertools import combinations, product
from math import sqrt

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import TEXTS, equal, generator, small_tokenizer, talker

from minirlhf.data import Comparisons, Prompts, collate
from minirlhf.evaluate import (
    Replies,
    accuracy_ceiling,
    calibration,
    compare,
    exact_kl,
    exchanges,
    pair_accuracy,
    pass_at_k,
    score_pairs,
    win_rate,
)
from minirlhf.model import GPTConfig
from minirlhf.ops import token_log_probs
from minirlhf.rollout import sample

pytestmark = pytest.mark.usefixtures("one_thread")

TALKS = GPTConfig(vocab_size=300, context=40, layers=1, heads=2, channels=16)
SCORES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("wins", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_the_published_one(wins, n, low, high):
    """Newcombe (1998), Statistics in Medicine 17, table I, method 3 (Wilson's score without correction)."""
    found = win_rate([1.0] * wins + [0.0] * (n - wins), [0.5] * n)
    assert (found.wins, found.losses, found.ties) == (wins, n - wins, 0)
    assert found.rate == pytest.approx(wins / n)
    assert (found.low, found.high) == (pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5))


@given(SCORES)
def test_who_wins_the_other_loses(pairs):
    one, other = ([float(score) for score in scores] for scores in zip(*pairs, strict=True))
    found, mirrored = win_rate(one, other), win_rate(other, one)
    assert found.rate + mirrored.rate == pytest.approx(1)
    assert found.low == pytest.approx(1 - mirrored.high) and found.wins == mirrored.losses
    assert 0 <= found.low <= found.rate <= found.high <= 1
    assert found.wins + found.ties + found.losses == len(pairs)


def test_a_model_against_itself_stands_at_one_half():
    found = win_rate([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert found.rate == 0.5 and found.ties == 3
    assert found.low < 0.5 < found.high


def test_more_pairs_make_surer():
    few, many = (win_rate([1.0, 1.0, 0.0], [0.0, 0.0, 1.0]), win_rate([1.0, 1.0, 0.0] * 100, [0.0, 0.0, 1.0] * 100))
    assert many.rate == few.rate and many.high - many.low < 0.2 * (few.high - few.low)
    assert str(many) == "67% [61%, 72%]"


def test_win_rates_need_pairs():
    with pytest.raises(ValueError, match="at least one pair"):
        win_rate([], [])
    with pytest.raises(ValueError, match="zip"):
        win_rate([1.0], [])


def test_exact_kl_is_in_expectation_the_kl_of_whole_responses():
    """Over all 64 responses of 3 tokens from 4: E[Σ_t KL_t] = Σ p log(p / q), by enumeration."""
    sizes = GPTConfig(vocab_size=4, context=8, layers=1, heads=1, channels=8)
    policy, reference = talker(1, sizes), talker(2, sizes)
    tokens = torch.tensor([(2, 1, *response) for response in product(range(4), repeat=3)])
    mask = torch.tensor([[False, False, True, True, True]]).expand(64, -1)
    with torch.no_grad():
        log_p, log_q = (token_log_probs(m(tokens), tokens, mask).sum(1).double() for m in (policy, reference))
    along = exact_kl(policy, reference, tokens, mask).double()
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-5)
    wanted = (log_p.exp() * (log_p - log_q)).sum().item()
    assert (log_p.exp() * along).sum().item() == pytest.approx(wanted, abs=1e-5) and wanted > 0.1
    estimates = log_p - log_q
    assert _variance(along, log_p) < _variance(estimates, log_p), "and with less variance than the log-ratio"
    equal(exact_kl(policy, policy, tokens, mask), torch.zeros(64), 1e-6)


def _variance(x, log_p):
    mean = (log_p.exp() * x).sum()
    return (log_p.exp() * (x - mean).square()).sum().item()


def shortness(prompt: str, reply: str) -> float:
    return -float(len(reply))


def test_everyone_answers_the_same_prompts_and_is_read_by_the_same_judge():
    tokenizer, asked = small_tokenizer(), [text.split("\n")[0] for text in TEXTS]
    prompts, seen = Prompts([tokenizer.encode(text) for text in asked]), []

    def judge(prompt, reply):
        seen.append((prompt, reply))
        return shortness(prompt, reply)

    models = {"one": talker(1, TALKS), "two": talker(2, TALKS), "one again": talker(1, TALKS)}
    found = compare(models, prompts, tokenizer, judge, max_new_tokens=5)
    assert list(found) == list(models)
    assert [prompt for prompt, _ in seen] == asked * 3
    assert [reply for _, reply in seen] == [text for replies in found.values() for text in replies.texts]
    assert found["one"] == found["one again"] != found["two"]
    assert found["one"].mean == pytest.approx(sum(found["one"].scores) / 3)
    assert all(text == text.strip() for replies in found.values() for text in replies.texts)
    assert compare(models, prompts, tokenizer, judge, max_new_tokens=5, seed=1) != found


def test_scores_of_pairs_do_not_depend_on_the_batch():
    encode = small_tokenizer().encode
    comparisons = Comparisons(
        [encode("hello")] * 5,
        [encode("so " * n) for n in range(1, 6)],
        [encode("no " * n) for n in range(5, 0, -1)],
        [1.0] * 5,
    )

    def length(tokens, response_mask):
        return response_mask.sum(dim=1).float()

    for batch_size in (1, 2, 5, 100):
        chosen, rejected = score_pairs(length, comparisons, pad_id=300, batch_size=batch_size)
        assert chosen.tolist() == [len(ids) for ids in comparisons.chosen]
        assert rejected.tolist() == [len(ids) for ids in comparisons.rejected]


def test_who_knows_nothing_stands_at_one_half():
    same = torch.full((7,), 2.0)
    assert pair_accuracy(same, same) == 0.5
    assert pair_accuracy(torch.tensor([3.0, 2.0, 1.0]), torch.tensor([1.0, 2.0, 3.0])) == 0.5
    assert pair_accuracy(torch.tensor([3.0, 2.0]), torch.tensor([1.0, 0.0])) == 1.0


def test_nobody_beats_the_ceiling_and_who_knows_the_probabilities_reaches_it():
    p = torch.rand(20_000, generator=generator())
    votes = torch.rand(20_000, generator=generator(1)) < p  # True: the first reply was chosen
    ceiling, error = accuracy_ceiling(p.tolist())
    assert ceiling == pytest.approx(0.75, abs=0.01)  # E[max(p, 1 - p)] of a uniform p
    hits = (votes == (p > 0.5)).float().mean().item()
    assert abs(hits - ceiling) < 4 * error
    # E[p(1 - p)] = 1/6 for a uniform p: the error that counting cannot escape
    assert error == pytest.approx(sqrt(1 / 6 / 20_000), rel=0.02)
    assert accuracy_ceiling([1.0, 0.0, 1.0]) == (1.0, 0.0)
    assert accuracy_ceiling([0.5] * 4) == (0.5, 0.25)


def test_a_calibrated_model_is_right_as_often_as_it_says():
    difference = 3 * torch.randn(50_000, generator=generator())
    votes = torch.rand(50_000, generator=generator(1)) < torch.sigmoid(difference)
    signed = torch.where(votes, difference, -difference)  # chosen - rejected
    bins = calibration(signed)
    assert sum(b.count for b in bins) == 50_000 and len(bins) == 5
    for b in bins:
        assert 0.5 <= b.predicted <= 1
        assert abs(b.predicted - b.observed) < 4 * sqrt(0.25 / b.count)
    overconfident = calibration(3 * signed)
    assert all(b.observed < b.predicted - 0.02 for b in overconfident[:4])


def test_calibration_leaves_empty_bins_out_and_counts_ties_half():
    assert [(b.predicted, b.observed, b.count) for b in calibration(torch.zeros(3))] == [(0.5, 0.5, 3)]
    assert [(b.predicted, b.observed) for b in calibration(torch.tensor([1e3, -1e3]))] == [(1.0, 0.5)]


def test_exchanges_are_what_was_asked_and_what_was_said():
    tokenizer = small_tokenizer()
    asked, said = ["where is it?", "hello"], ["so kind", "we will send a new lamp"]
    tokens, mask = collate(
        [tokenizer.encode(text) for text in asked],
        [[*tokenizer.encode(text), tokenizer.eos_id] for text in said],
        tokenizer.pad_id,
    )
    assert exchanges(tokens, mask, tokenizer) == list(zip(asked, said, strict=True))
    assert exchanges(tokens.where(mask | (tokens != tokenizer.pad_id), 7), mask, tokenizer) == list(
        zip(asked, said, strict=True)
    ), "what stands in the padding was not said"


def test_measuring_leaves_nothing_to_differentiate():
    sizes = GPTConfig(vocab_size=300, context=40, layers=1, heads=2, channels=16)
    policy, worth = talker(1, sizes), torch.ones((), requires_grad=True)
    tokens = torch.tensor([[1, 2, 3, 4]])
    assert not exact_kl(policy, talker(2, sizes), tokens, tokens > 2).requires_grad
    comparisons = Comparisons([[1]] * 3, [[2]] * 3, [[3]] * 3, [1.0] * 3)
    assert not any(x.requires_grad for x in score_pairs(lambda t, m: worth * t[:, 1], comparisons, 300))


def test_how_far_is_measured_where_the_policy_goes_and_not_where_it_comes_from():
    """A policy that always says one word is ln(1/p) away, p the reference's chance of it; the way back is longer."""
    sizes = GPTConfig(vocab_size=4, context=8, layers=1, heads=1, channels=8)
    policy, reference = talker(1, sizes), talker(2, sizes)
    with torch.no_grad():
        policy.trunk.final_norm.weight.zero_()
        policy.trunk.final_norm.bias.copy_(1e3 * policy.trunk.token_embedding.weight[3])
        tokens, mask = torch.tensor([[1, 3, 3]]), torch.tensor([[False, True, True]])
        surprise = -token_log_probs(reference(tokens), tokens, mask).sum(dim=1)
    equal(exact_kl(policy, reference, tokens, mask), surprise, 1e-4)
    assert exact_kl(reference, policy, tokens, mask).item() > 100


def test_everyone_is_asked_with_the_same_random_numbers_in_whatever_order():
    tokenizer, prompts = small_tokenizer(), Prompts([small_tokenizer().encode("hello")] * 4)
    one, two = talker(1, TALKS), talker(2, TALKS)
    together = compare({"one": one, "two": two}, prompts, tokenizer, shortness, max_new_tokens=5, seed=3)
    turned = compare({"two": two, "one": one}, prompts, tokenizer, shortness, max_new_tokens=5, seed=3)
    assert together == turned
    longer = compare({"one": one}, prompts, tokenizer, shortness, max_new_tokens=20, seed=3)["one"]
    assert min(longer.scores) < min(together["one"].scores)


def test_the_mean_of_replies_is_no_median():
    assert Replies(["a", "b", "c"], [0.0, 0.0, 3.0]).mean == 1.0


@pytest.mark.parametrize("bins", [1, 2, 4, 10])
def test_bins_of_calibration_are_as_many_as_asked_and_equally_wide(bins):
    difference = torch.linspace(0, 8, 2000)
    found = calibration(difference, bins)
    assert len(found) == bins and sum(b.count for b in found) == 2000
    for i, b in enumerate(found):
        assert 0.5 + i / (2 * bins) <= b.predicted + 1e-6 and b.predicted <= 0.5 + (i + 1) / (2 * bins) + 1e-6


def test_a_reply_is_read_without_the_spaces_around_it():
    tokenizer, model = small_tokenizer(), talker(1, TALKS)
    prompts = Prompts([tokenizer.encode("hello")] * 60)
    said = sample(model, prompts.prompts, 2, generator()).responses()
    raw = [tokenizer.decode(ids) for ids in said]
    assert any(text != text.strip() for text in raw), "this test needs a space at an end"
    found = compare({"one": model}, prompts, tokenizer, shortness, max_new_tokens=2)["one"]
    assert found.texts == [text.strip() for text in raw] and found.scores == [-len(text.strip()) for text in raw]


@pytest.mark.parametrize(("n", "right"), [(1, 0), (1, 1), (4, 1), (5, 2), (6, 6), (6, 0)])
def test_pass_at_k_is_the_share_of_draws_that_hold_a_right_reply(n, right):
    replies = [i < right for i in range(n)]
    for k in range(1, n + 1):
        draws = [any(drawn) for drawn in combinations(replies, k)]
        assert pass_at_k(n, right, k) == pytest.approx(sum(draws) / len(draws))


@pytest.mark.parametrize(("n", "right", "k"), [(4, 5, 1), (4, -1, 1), (4, 1, 0), (4, 1, 5), (0, 0, 1), (4, 1, -1)])
def test_pass_at_k_of_more_than_was_drawn_is_refused_with_its_numbers(n, right, k):
    with pytest.raises(ValueError, match=rf"{k}\D+{n}\D+{right}"):
        pass_at_k(n, right, k)
