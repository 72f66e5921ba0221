"""An ensemble doubts what its members differ in."""

import pytest
import torch

from minirlhf.data import Comparisons
from minirlhf.ensemble import Ensemble, pessimistic, resample

SCORES = torch.tensor([[1.0, 5.0, 2.0], [1.0, -1.0, 2.0], [1.0, 2.0, 5.0]])


def test_what_all_say_is_believed_and_what_they_differ_in_is_not():
    careful = pessimistic(SCORES, 1.0)
    assert careful[0].item() == pytest.approx(1.0)
    assert (careful[1:] < SCORES.mean(dim=0)[1:]).all()
    assert torch.allclose(pessimistic(SCORES, 0.0), SCORES.mean(dim=0))


def test_two_members_with_caution_one_believe_the_lower():
    assert torch.allclose(pessimistic(SCORES[:2], 1.0), SCORES[:2].min(dim=0).values)


def test_it_moves_and_stretches_with_its_members():
    assert torch.allclose(pessimistic(3 * SCORES + 7, 0.5), 3 * pessimistic(SCORES, 0.5) + 7)


def test_the_order_of_the_members_and_doubling_each_change_nothing():
    assert torch.allclose(pessimistic(SCORES.flip(0), 1.0), pessimistic(SCORES, 1.0))
    assert torch.allclose(pessimistic(torch.cat([SCORES, SCORES]), 1.0), pessimistic(SCORES, 1.0))


def test_an_ensemble_is_a_reward_model_of_its_members():
    tokens, mask = torch.arange(12).reshape(3, 4), torch.ones(3, 4, dtype=torch.bool)

    def sums(tokens, response_mask):
        return (tokens * response_mask).sum(dim=1).float()

    def halves(tokens, response_mask):
        return sums(tokens, response_mask) / 2

    ensemble = Ensemble([sums, halves], caution=1.0)
    assert ensemble(tokens, mask).tolist() == pytest.approx(halves(tokens, mask).tolist())
    assert ensemble.member_scores(tokens, mask).shape == (2, 3)
    assert torch.equal(Ensemble([sums])(tokens, mask), sums(tokens, mask))
    boldest = Ensemble([sums, halves], combine=lambda scores, caution: scores.max(dim=0).values)
    assert torch.equal(boldest(tokens, mask), sums(tokens, mask))


def test_nobody_is_no_ensemble():
    with pytest.raises(ValueError, match="at least one"):
        Ensemble([])


def test_a_resample_keeps_rows_whole_and_leaves_about_a_third_out():
    n = 600
    votes = Comparisons([[i] for i in range(n)], [[i, 1] for i in range(n)], [[i, 2] for i in range(n)], [1.0] * n)
    drawn = resample(votes, seed=4)
    assert len(drawn) == n
    for prompt, chosen, rejected in zip(drawn.prompts, drawn.chosen, drawn.rejected, strict=True):
        assert (chosen, rejected) == ([prompt[0], 1], [prompt[0], 2])
    left_out = 1 - len({prompt[0] for prompt in drawn.prompts}) / n
    assert left_out == pytest.approx(1 / 2.71828, abs=0.05)  # (1 - 1/n)^n
    assert resample(votes, seed=4).prompts == drawn.prompts != resample(votes, seed=5).prompts


def test_a_member_alone_loses_nothing_and_doubt_is_paid_for_at_its_price():
    assert torch.equal(pessimistic(SCORES[:1], 5.0), SCORES[0])
    spread = torch.tensor([[0.0], [2.0]])  # a mean of 1, and both of them 1 away from it
    assert [pessimistic(spread, caution).item() for caution in (0, 1, 2.5)] == [1.0, 0.0, -1.5]
    assert pessimistic(spread).item() == 0.0


def test_caution_reaches_whoever_combines_and_nothing_is_left_to_differentiate():
    worth = torch.ones((), requires_grad=True)

    def member(tokens, response_mask):
        return worth * tokens.sum(dim=1)

    tokens, mask = torch.arange(6).reshape(2, 3), torch.ones(2, 3, dtype=torch.bool)
    ensemble = Ensemble([member, lambda t, m: 3 * member(t, m)], caution=0.25, combine=lambda scores, c: scores[0] + c)
    assert ensemble(tokens, mask).tolist() == [3.25, 12.25]
    assert not ensemble(tokens, mask).requires_grad
    assert Ensemble(ensemble.members, caution=0.5)(tokens, mask).tolist() == [4.5, 18.0]


def test_every_vote_may_be_drawn_and_every_seed_draws_otherwise():
    votes = Comparisons([[0], [1], [2]], [[1]] * 3, [[2]] * 3, [1.0, 0.5, 1.0])
    draws = [resample(votes, seed) for seed in range(60)]
    assert {prompt[0] for drawn in draws for prompt in drawn.prompts} == {0, 1, 2}
    assert len({tuple(prompt[0] for prompt in drawn.prompts) for drawn in draws}) > 15  # of the 27 that there are
    assert any(len({prompt[0] for prompt in drawn.prompts}) < 3 for drawn in draws), "some come twice"
    assert all(
        p == (0.5 if prompt == [1] else 1.0) for d in draws for prompt, p in zip(d.prompts, d.preference, strict=True)
    )
