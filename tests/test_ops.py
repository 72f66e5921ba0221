"""Masks, the one shift and log-probabilities: reference values, invariances, exact cases."""

from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import EQUATIONS, EXPECTED, equal, equation, generator

from minirlhf.ops import (
    last_true,
    log_probs_and_entropy,
    masked_mean,
    masked_sum,
    masked_whiten,
    pairwise_wins,
    predicting_positions,
    to_positions,
    token_kl,
    token_log_probs,
)

pytestmark = pytest.mark.usefixtures("one_thread")

MASKS = st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=4)


def token_entropy(logits, mask):
    """The entropies of `log_probs_and_entropy`; which tokens were drawn does not matter to them."""
    return log_probs_and_entropy(logits[predicting_positions(mask)], torch.zeros_like(mask, dtype=torch.long), mask)[1]


def doubles(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=generator(seed))


def test_log_probs_of_prompts_and_responses_of_unequal_length():
    logits, tokens, mask, wanted = equation("logits", "tokens", "response_mask", "log_probs", of=EQUATIONS["aligned"])
    equal(token_log_probs(logits, tokens, mask), wanted)
    equal(log_probs_and_entropy(logits[predicting_positions(mask)], tokens, mask)[0], wanted)


def test_each_log_prob_comes_from_the_logits_one_place_before():
    logits, labels, wanted = equation("logits", "labels", "log_probs", of=EQUATIONS["gathered"])
    anything = torch.zeros_like(labels[:, :1])
    tokens, unread = torch.cat([anything, labels], dim=1), torch.full_like(logits[:, :1], 1e6)
    mask = torch.ones_like(tokens, dtype=torch.bool)
    found = token_log_probs(torch.cat([logits, unread], dim=1), tokens, mask)
    equal(found[:, 1:], wanted)
    assert (found[:, 0] == 0).all(), "nothing predicts a first token, so it counts for nothing"


def test_kl_over_the_whole_vocabulary():
    p, q = equation("p", "q", of=EQUATIONS["exact_kl"])
    logits, other = (torch.stack([x.log() + 3, torch.zeros_like(x)]).unsqueeze(0) for x in (p, q))
    found = token_kl(logits, other, torch.tensor([[False, True]]))
    equal(found, torch.tensor([[0.0, EQUATIONS["exact_kl"]["kl"]]], dtype=torch.float64))


def test_kl_is_0_to_itself_and_positive_to_anything_else():
    logits, mask = doubles(3, 6, 7), torch.ones(3, 6, dtype=torch.bool)
    equal(token_kl(logits, logits + 5.0, mask), torch.zeros(3, 6, dtype=torch.float64))
    assert (token_kl(logits, doubles(3, 6, 7, seed=1), mask)[:, 1:] > 0).all()


def test_the_mean_log_ratio_of_the_reference_values():
    log_probs, ref_log_probs, mask = equation("log_probs", "ref_log_probs", "mask")
    assert masked_mean(log_probs - ref_log_probs, mask).item() == pytest.approx(EXPECTED["k1"], abs=1e-12)


def test_whitened_advantages_of_the_reference_values():
    (advantages, wanted), (mask,) = equation("advantages", "whitened", of=EXPECTED), equation("mask")
    equal(masked_whiten(advantages, mask), wanted)


def test_entropy_is_ln_v_when_nothing_is_known_and_0_when_everything_is():
    mask = torch.tensor([[False, True, True]])
    sure = torch.zeros(1, 3, 9, dtype=torch.float64)
    sure[:, 1, 4] = 1e3
    equal(token_entropy(sure, mask), torch.tensor([[0.0, log(9), 0.0]], dtype=torch.float64))


def test_entropy_is_ln_v_less_the_kl_to_the_uniform_distribution():
    logits, mask = doubles(3, 6, 7), torch.ones(3, 6, dtype=torch.bool)
    entropy, kl = token_entropy(logits, mask), token_kl(logits, torch.zeros_like(logits), mask)
    equal((entropy + kl)[:, 1:], torch.full((3, 5), log(7), dtype=torch.float64))


@given(MASKS)
def test_a_prediction_stands_one_place_before_what_it_predicts(rows):
    mask = torch.tensor(rows)
    position = torch.arange(5.0).expand(mask.shape)
    came_from = to_positions(position[predicting_positions(mask)], mask)
    counted = mask.clone()
    counted[:, 0] = False  # nothing predicts a first token
    assert torch.equal(came_from[counted] + 1, position[counted])
    assert (came_from[~counted] == 0).all()


def test_last_true_is_minus_one_where_there_is_none():
    mask = torch.tensor([[True, False, True, False], [False] * 4, [True] * 4, [False, False, False, True]])
    assert last_true(mask).tolist() == [2, -1, 3, 3]


def test_sums_are_per_row_and_means_over_the_batch():
    x, mask = (
        torch.tensor([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]]),
        torch.tensor([[True, False, True], [False, True, False]]),
    )
    assert masked_sum(x, mask).tolist() == [5.0, 16.0]
    assert masked_mean(x, mask).item() == 7.0
    assert masked_mean(x, torch.zeros_like(mask)).item() == 0.0


@given(MASKS, st.integers(0, 5))
def test_what_stands_where_the_mask_is_false_is_never_seen(rows, columns):
    mask = torch.tensor(rows)
    x = doubles(*mask.shape)
    wide_mask = torch.cat([mask, torch.zeros(len(rows), columns, dtype=torch.bool)], dim=1)
    wide = torch.cat([x, doubles(len(rows), columns)], dim=1)
    wide = torch.where(wide_mask, wide, 1e6)
    equal(masked_sum(wide, wide_mask), masked_sum(x, mask))
    equal(masked_mean(wide, wide_mask), masked_mean(x, mask))
    equal(masked_whiten(wide, wide_mask)[:, :5], masked_whiten(x, mask))


@given(MASKS, st.data())
def test_log_probs_do_not_depend_on_tokens_and_logits_that_do_not_count(rows, data):
    mask = torch.tensor(rows)
    tokens = torch.randint(7, mask.shape, generator=generator())
    logits = doubles(*mask.shape, 7)
    other_tokens = torch.where(mask, tokens, data.draw(st.integers(0, 6)))
    speaks = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1).unsqueeze(-1)
    other_logits = torch.where(speaks, logits, data.draw(st.sampled_from([-1e6, 0.0, 1e6])))
    equal(token_log_probs(other_logits, other_tokens, mask), token_log_probs(logits, tokens, mask))
    equal(token_entropy(other_logits, mask), token_entropy(logits, mask))
    equal(token_kl(other_logits, -other_logits, mask), token_kl(logits, -logits, mask))


def test_whitening_forgets_scale_and_shift():
    x, mask = doubles(4, 6), doubles(4, 6, seed=1) > 0
    equal(masked_whiten(50 * x - 7, mask), masked_whiten(x, mask), 1e-6)


def test_gradients_of_the_token_quantities():
    logits = doubles(2, 4, 5).requires_grad_()
    other, mask = (doubles(2, 4, 5, seed=1), torch.tensor([[False, True, True, False], [True, False, True, True]]))
    tokens = torch.randint(5, (2, 4), generator=generator())
    for quantity in (
        lambda x: token_log_probs(x, tokens, mask),
        lambda x: token_entropy(x, mask),
        lambda x: token_kl(x, other, mask),
        lambda x: token_kl(other, x, mask),
        lambda x: masked_whiten(x[:, :, 0], mask),
    ):
        assert torch.autograd.gradcheck(quantity, logits)


@pytest.mark.parametrize("junk", [float("nan"), float("inf"), -float("inf")])
def test_not_even_what_is_no_number_leaks_from_where_the_mask_is_false(junk):
    mask = torch.tensor([[False, True, True, False], [True, False, False, True]])
    x = doubles(2, 4)
    spoilt, clean = torch.where(mask, x, junk), torch.where(mask, x, 0.0)
    for of in (masked_sum, masked_mean, masked_whiten):
        assert torch.equal(of(spoilt, mask), of(clean, mask))
    logits, tokens = doubles(2, 4, 5), torch.zeros(2, 4, dtype=torch.long)
    speaks = predicting_positions(mask).unsqueeze(-1)
    spoilt_logits = torch.where(speaks, logits, junk)
    for of in (lambda x: token_log_probs(x, tokens, mask), lambda x: token_kl(x, -x, mask)):
        assert torch.equal(of(spoilt_logits), of(logits))


def test_a_single_number_or_equal_ones_are_whitened_to_nothing():
    for x, mask in ((doubles(1, 3), torch.tensor([[False, True, False]])), (torch.full((2, 3), 7.0), torch.ones(2, 3))):
        assert (masked_whiten(x, mask.bool()) == 0).all()


def test_a_win_counts_one_a_tie_half_and_a_defeat_nothing():
    scores, others = torch.tensor([2.0, 1.0, -3.0]), torch.tensor([1.0, 1.0, 0.0])
    assert pairwise_wins(scores, others).tolist() == [1.0, 0.5, 0.0]
    equal(pairwise_wins(scores, others) + pairwise_wins(others, scores), torch.ones(3))
