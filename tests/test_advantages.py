"""From a score to an advantage per token: reference values and what must hold whatever the numbers."""

import pytest
import torch
from tiny import EXPECTED, PARAMETERS, equal, equation, generator

from minirlhf.advantages import gae, leave_one_out, token_rewards

MASK = torch.tensor([[False, True, True, True], [False, False, True, False], [True, True, False, False]])


def doubles(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=generator(seed))


def test_rewards_of_the_reference_values():
    score, log_probs, ref_log_probs, mask = equation("scores", "log_probs", "ref_log_probs", "mask")
    (wanted,) = equation("rewards", of=EXPECTED)
    equal(token_rewards(score, log_probs, ref_log_probs, mask, PARAMETERS["beta"]), wanted)


def test_advantages_and_returns_of_the_reference_values():
    (rewards, wanted_advantages, wanted_returns) = equation("rewards", "advantages", "returns", of=EXPECTED)
    values, mask = equation("values", "mask")
    advantages, returns = gae(rewards, values, mask, PARAMETERS["gamma"], PARAMETERS["lam"])
    equal(advantages, wanted_advantages)
    equal(returns, wanted_returns)


def test_a_response_earns_its_score_less_what_leaving_the_reference_costs():
    score, log_probs, ref_log_probs = doubles(3), doubles(3, 4, seed=1), doubles(3, 4, seed=2)
    free = token_rewards(score, log_probs, ref_log_probs, MASK, beta=0.0)
    equal(free.sum(dim=1), score)
    paid = token_rewards(score, log_probs, ref_log_probs, MASK, beta=0.5)
    kl = torch.stack([(a - b)[m].sum() for a, b, m in zip(log_probs, ref_log_probs, MASK, strict=True)])
    equal(paid.sum(dim=1), score - 0.5 * kl)
    more_probable_than_before = torch.where(MASK, 1.0, 0.0).double()
    assert (token_rewards(score * 0, more_probable_than_before, 0 * log_probs, MASK, 0.5)[MASK] < 0).all()


def test_a_response_of_no_tokens_earns_nothing():
    mask = torch.tensor([[False, False, False], [False, True, True]])
    rewards = token_rewards(torch.tensor([7.0, 7.0]), torch.ones(2, 3), torch.zeros(2, 3), mask, 0.1)
    assert rewards[0].tolist() == [0.0, 0.0, 0.0]
    advantages, returns = gae(rewards, torch.ones(2, 3), mask)
    assert advantages[0].tolist() == returns[0].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 0.95), (0.9, 0.3), (0.5, 1.0), (1.0, 0.0)])
def test_nothing_is_better_than_expected_when_the_values_foresee_everything(gamma, lam):
    rewards = torch.where(MASK, doubles(3, 4), 0.0)
    foreseen = torch.zeros(3, 5, dtype=torch.float64)
    for t in (3, 2, 1, 0):
        foreseen[:, t] = torch.where(MASK[:, t], rewards[:, t] + gamma * foreseen[:, t + 1], 0.0)
    advantages, returns = gae(rewards, foreseen[:, :4], MASK, gamma, lam)
    equal(advantages, torch.zeros_like(advantages))
    equal(returns, foreseen[:, :4])


def test_advantages_are_linear_in_what_was_earned_and_expected():
    one, two = (doubles(3, 4), doubles(3, 4, seed=1)), (doubles(3, 4, seed=2), doubles(3, 4, seed=3))
    a, b, both = gae(*one, MASK)[0], gae(*two, MASK)[0], gae(one[0] + two[0], one[1] + two[1], MASK)[0]
    equal(both, a + b)


def test_gradients_through_rewards_and_advantages():
    score, log_probs, values = (x.requires_grad_() for x in (doubles(3), doubles(3, 4, seed=1), doubles(3, 4, seed=2)))
    assert torch.autograd.gradcheck(lambda s, p: token_rewards(s, p, doubles(3, 4), MASK, 0.3), (score, log_probs))
    assert torch.autograd.gradcheck(lambda r, v: gae(r, v, MASK, 0.9, 0.7), (log_probs, values))


def test_unless_told_otherwise_nothing_is_discounted_and_lambda_is_that_of_the_papers():
    rewards, values = doubles(3, 4), doubles(3, 4, seed=1)
    for found, wanted in zip(gae(rewards, values, MASK), gae(rewards, values, MASK, 1.0, 0.95), strict=True):
        equal(found, wanted)


@pytest.mark.parametrize("gamma", [1.0, 0.9, 0.5])
def test_with_lambda_1_a_return_is_what_was_really_earned_discounted_by_its_delay(gamma):
    """Whatever the values say; and with λ = 0 an advantage looks one token ahead and no further."""
    mask = torch.tensor([[False, True, True, True, False]])
    rewards, values = torch.where(mask, doubles(1, 5), 0.0), doubles(1, 5, seed=1)
    earned = [sum(gamma ** (s - t) * rewards[0, s].item() for s in range(t, 4)) for t in (1, 2, 3)]
    assert gae(rewards, values, mask, gamma, 1.0)[1][0, 1:4].tolist() == pytest.approx(earned)
    later = rewards.clone()
    later[0, 3] += 1.0
    change = gae(later, values, mask, gamma, 0.0)[0] - gae(rewards, values, mask, gamma, 0.0)[0]
    equal(change, torch.tensor([[0.0, 0.0, 0.0, 1.0, 0.0]], dtype=torch.float64))


@pytest.mark.parametrize("junk", [float("nan"), float("inf"), 1e6])
def test_nothing_leaks_from_where_the_mask_is_false(junk):
    score, *tensors = doubles(3), doubles(3, 4, seed=1), doubles(3, 4, seed=2)
    spoilt = [torch.where(MASK, x, junk) for x in tensors]
    wanted, found = (token_rewards(score, *x, MASK, 0.3) for x in (tensors, spoilt))
    assert torch.equal(found, wanted) and (found[~MASK] == 0).all()
    for one, other in zip(gae(*tensors, MASK, 0.9, 0.7), gae(*spoilt, MASK, 0.9, 0.7), strict=True):
        assert torch.equal(other, one) and (other[~MASK] == 0).all()


def test_no_advantage_passes_over_a_gap_in_the_mask():
    mask, rewards = torch.tensor([[True, False, True]]), torch.tensor([[0.0, 0.0, 8.0]])
    assert gae(rewards, torch.zeros(1, 3), mask, 1.0, 1.0)[0].tolist() == [[0.0, 0.0, 8.0]]


def test_a_reply_alone_has_nobody_to_be_compared_with():
    assert leave_one_out(torch.tensor([3.0])).tolist() == [3.0]


def test_in_a_batch_of_two_each_is_measured_by_the_other():
    assert leave_one_out(torch.tensor([5.0, 2.0])).tolist() == [3.0, -3.0]
    assert leave_one_out(torch.tensor([5.0, 2.0, 2.0])).tolist() == [3.0, -1.5, -1.5]
