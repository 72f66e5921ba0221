"""The losses: reference values, other people's implementations, exact starts, finite differences, symmetries."""

from math import exp, log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import EQUATIONS, EXPECTED, PARAMETERS, V, equal, equation, generator
from transformers.loss.loss_utils import ForCausalLMLoss

from minirlhf.losses import (
    approval_loss,
    bradley_terry_loss,
    clipped_policy_loss,
    clipped_value_loss,
    cross_entropy,
    policy_gradient_loss,
    sft_loss,
)

pytestmark = pytest.mark.usefixtures("one_thread")

FLOATS = st.floats(-20, 20)


def doubles(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=generator(seed))


def one(*numbers):
    return torch.tensor([numbers], dtype=torch.float64)


@pytest.fixture
def batch():
    """Three rows with prompts of 2, 1 and 3 tokens and responses of 3, 4 and 1."""
    tokens = torch.randint(V, (3, 6), generator=generator())
    position = torch.arange(6)
    start, end = torch.tensor([[2], [1], [3]]), torch.tensor([[5], [5], [4]])
    return doubles(3, 6, V), tokens, (start <= position) & (position < end)


# ---- supervised fine-tuning


def test_sft_loss_is_the_one_of_transformers(batch):
    logits, tokens, mask = batch
    labels = torch.where(mask, tokens, -100)
    loss, _ = sft_loss(logits, tokens, mask)
    # transformers computes in float32 whatever it is given
    assert loss.item() == pytest.approx(ForCausalLMLoss(logits, labels, V).item(), abs=1e-6)


def test_a_model_that_knows_nothing_is_surprised_by_ln_v(batch):
    _, tokens, mask = batch
    assert sft_loss(torch.full((3, 6, V), 2.5), tokens, mask)[0].item() == pytest.approx(log(V), abs=1e-6)


def test_sft_looks_at_the_response_alone(batch):
    logits, tokens, mask = batch
    logits.requires_grad_()
    sft_loss(logits, tokens, mask)[0].backward()
    speaks = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
    assert (logits.grad[speaks].abs().sum(dim=-1) > 0).all()
    assert (logits.grad[~speaks] == 0).all()


def test_every_token_weighs_the_same_in_whatever_batch_it_stands(batch):
    logits, tokens, mask = batch
    alone = [sft_loss(logits[i : i + 1], tokens[i : i + 1], mask[i : i + 1])[0].item() for i in range(3)]
    together = sft_loss(logits, tokens, mask)[0].item()
    assert together == pytest.approx((3 * alone[0] + 4 * alone[1] + 1 * alone[2]) / 8, abs=1e-12)


def test_sft_accuracy_counts_first_guesses_in_the_response(batch):
    _, tokens, mask = batch
    right = torch.nn.functional.one_hot(tokens.roll(-1, dims=1), V).double()
    assert sft_loss(right, tokens, mask)[1]["accuracy"] == 1.0
    assert sft_loss(-right, tokens, mask)[1]["accuracy"] == 0.0
    right[1, 2] *= -1  # speaks about the token at 3, one of the 8 that count
    assert sft_loss(right, tokens, mask)[1]["accuracy"] == pytest.approx(7 / 8)


# ---- Bradley-Terry


def test_bradley_terry_of_the_reference_values_with_and_without_margin():
    values = EQUATIONS["bradley_terry"]
    chosen, rejected, margin = equation("chosen", "rejected", "margin", of=values)
    assert bradley_terry_loss(chosen, rejected)[0].item() == pytest.approx(values["loss"], abs=1e-12)
    with_margin = bradley_terry_loss(chosen, rejected, margin=margin)[0].item()
    assert with_margin == pytest.approx(values["loss_with_margin"], abs=1e-12)


def test_bradley_terry_starts_at_ln_2_and_half_right():
    loss, stats = bradley_terry_loss(torch.full((5,), 3.0), torch.full((5,), 3.0))
    assert loss.item() == pytest.approx(log(2), abs=1e-6)
    assert stats == {"accuracy": 0.5, "margin": 0.0}


@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=1, max_size=6), FLOATS)
def test_adding_a_constant_to_all_scores_changes_nothing(pairs, constant):
    chosen, rejected = torch.tensor(pairs, dtype=torch.float64).T
    loss, _ = bradley_terry_loss(chosen, rejected)
    shifted, _ = bradley_terry_loss(chosen + constant, rejected + constant)
    equal(shifted, loss)


@given(FLOATS, FLOATS)
def test_one_of_the_two_is_chosen(a, b):
    one_way = bradley_terry_loss(*torch.tensor([[a], [b]], dtype=torch.float64))[0].item()
    other_way = bradley_terry_loss(*torch.tensor([[b], [a]], dtype=torch.float64))[0].item()
    assert exp(-one_way) + exp(-other_way) == pytest.approx(1.0, abs=1e-12)


def test_what_the_chosen_gains_the_rejected_loses():
    chosen, rejected = doubles(6).requires_grad_(), doubles(6, seed=1).requires_grad_()
    bradley_terry_loss(chosen, rejected, torch.tensor([1.0, 0.5, 1.0, 0.5, 1.0, 1.0], dtype=torch.float64))[
        0
    ].backward()
    equal(chosen.grad, -rejected.grad)
    assert (chosen.grad[[0, 2, 4, 5]] < 0).all(), "a step down the gradient raises what was chosen"


def test_a_tie_pulls_the_two_scores_together():
    half = torch.tensor([0.5], dtype=torch.float64)
    better, worse = (
        torch.tensor([1.5], dtype=torch.float64).requires_grad_(),
        torch.tensor([0.2], dtype=torch.float64),
    )
    loss, _ = bradley_terry_loss(better, worse, half)
    loss.backward()
    assert better.grad.item() > 0
    equal(bradley_terry_loss(worse, better.detach(), half)[0], loss.detach())
    assert bradley_terry_loss(worse, worse, half)[0].item() == pytest.approx(log(2))


def test_a_hopeless_pair_costs_its_difference_and_not_infinity():
    low, high = torch.tensor([-500.0]).requires_grad_(), torch.tensor([500.0])
    loss, _ = bradley_terry_loss(low, high)
    loss.backward()
    assert loss.item() == 1000.0 and low.grad.item() == -1.0


def test_pair_accuracy_counts_ties_half():
    _, stats = bradley_terry_loss(torch.tensor([2.0, 1.0, 0.0, 5.0]), torch.tensor([1.0, 1.0, 3.0, 1.0]))
    assert stats["accuracy"] == 2.5 / 4


# ---- approval: thumbs


def approval(scores, labels, threshold=0.0):
    return approval_loss(torch.tensor(scores, dtype=torch.float64), torch.tensor(labels), threshold)


def test_a_score_at_the_threshold_is_a_coin():
    loss, stats = approval([1.5, 1.5], [True, False], 1.5)
    assert loss.item() == pytest.approx(log(2), abs=1e-12)
    assert stats == {"accuracy": 0.5, "margin": 0.0}


@given(FLOATS, FLOATS)
def test_a_thumb_is_up_or_down(score, threshold):
    up, down = (approval([score], [label], threshold)[0].item() for label in (True, False))
    assert exp(-up) + exp(-down) == pytest.approx(1.0, abs=1e-12)


@given(st.lists(st.tuples(FLOATS, st.booleans()), min_size=1, max_size=6), FLOATS)
def test_up_is_down_seen_from_the_other_side(judged, threshold):
    scores, labels = zip(*judged, strict=True)
    mirrored = approval([-s for s in scores], [not label for label in labels], -threshold)
    found = approval(list(scores), list(labels), threshold)
    assert mirrored[0].item() == pytest.approx(found[0].item(), abs=1e-12)
    assert mirrored[1] == pytest.approx(found[1])


@given(FLOATS, FLOATS)
def test_a_thumb_up_is_a_win_over_the_threshold(score, threshold):
    threshold_row = torch.tensor([threshold], dtype=torch.float64)
    pair, _ = bradley_terry_loss(torch.tensor([score], dtype=torch.float64), threshold_row)
    equal(approval([score], [True], threshold)[0], pair)


def test_the_surest_mistake_costs_its_distance_and_stays_finite():
    assert approval([1e6], [True])[0].item() == 0.0
    assert approval([1e6, -1e6], [False, True])[0].item() == pytest.approx(1e6)


def test_approval_pushes_scores_and_threshold_apart_as_finite_differences_say():
    scores, threshold = doubles(5).requires_grad_(), doubles(1, seed=1)[0].requires_grad_()
    labels = torch.tensor([True, False, True, True, False])
    assert torch.autograd.gradcheck(lambda s, t: approval_loss(s, labels, t)[0], (scores, threshold))
    approval_loss(scores, labels, threshold)[0].backward()
    assert ((scores.grad < 0) == labels).all(), "a step down the gradient raises what was liked"
    equal(scores.grad.sum(), -threshold.grad)  # only their distance counts


def test_where_most_was_liked_the_threshold_sinks_and_rests_at_the_odds():
    # With all scores alike the best threshold is minus the log-odds of a thumb up: 3 to 1 here.
    labels = torch.tensor([True, True, True, False])
    threshold = torch.tensor(-log(3), dtype=torch.float64, requires_grad=True)
    approval_loss(torch.zeros(4, dtype=torch.float64), labels, threshold)[0].backward()
    assert threshold.grad.item() == pytest.approx(0.0, abs=1e-12)


# ---- PPO's policy


def test_policy_loss_and_its_stats_of_the_reference_values():
    new, old, mask = equation("new_log_probs", "log_probs", "mask")
    (advantages,) = equation("whitened", of=EXPECTED)
    loss, stats = clipped_policy_loss(new, old, advantages, mask, PARAMETERS["clip"])
    assert loss.item() == pytest.approx(EXPECTED["policy_loss"], abs=1e-12)
    assert stats["clip_fraction"] == pytest.approx(EXPECTED["clipfrac"], abs=1e-6)
    assert stats["outside_clip"] == pytest.approx(EXPECTED["outside_clip"], abs=1e-6)


def test_approx_kl_is_half_the_squared_log_ratio():
    log_probs, ref_log_probs, mask = equation("log_probs", "ref_log_probs", "mask")
    _, stats = clipped_policy_loss(log_probs, ref_log_probs, torch.zeros_like(log_probs), mask, 0.2)
    assert stats["approx_kl"] == pytest.approx(EXPECTED["k2"], abs=1e-12)


def test_the_first_step_is_the_policy_gradient():
    log_probs, advantages, mask = (
        doubles(2, 4).requires_grad_(),
        doubles(2, 4, seed=1),
        torch.ones(2, 4, dtype=torch.bool),
    )
    loss, stats = clipped_policy_loss(log_probs, log_probs.detach().clone(), advantages, mask, 0.2)
    loss.backward()
    equal(log_probs.grad, -advantages / 8)
    assert stats == {"clip_fraction": 0.0, "outside_clip": 0.0, "approx_kl": 0.0, "ratio": 1.0, "ratio_variance": 0.0}


def test_the_mean_and_variance_of_the_ratio():
    ratios, nothing = one(0.5, 1.0, 1.5, 9.0), torch.zeros(1, 4, dtype=torch.float64)
    _, stats = clipped_policy_loss(ratios.log(), nothing, nothing, torch.tensor([[True, True, True, False]]), 0.2)
    assert stats["ratio"] == pytest.approx(1.0) and stats["ratio_variance"] == pytest.approx(1 / 6)


def test_only_the_share_that_is_held_back_counts_as_clipped():
    # four tokens outside the range; two of them moved where their advantage asked
    log_probs, old = one(1.5, 1.5, 0.5, 0.5).log(), torch.zeros(1, 4, dtype=torch.float64)
    _, stats = clipped_policy_loss(log_probs, old, one(1, -1, 1, -1), torch.ones(1, 4, dtype=torch.bool), 0.2)
    assert stats["outside_clip"] == 1.0 and stats["clip_fraction"] == 0.5


# ---- PPO's values


def test_value_loss_of_the_reference_values():
    new, old, mask = equation("new_values", "values", "mask")
    (returns,) = equation("returns", of=EXPECTED)
    loss, _ = clipped_value_loss(new, old, returns, mask, PARAMETERS["value_clip"])
    assert loss.item() == pytest.approx(EXPECTED["value_loss"], abs=1e-12)


def test_values_that_foresee_the_returns_have_nothing_to_learn():
    returns, mask = doubles(2, 3), torch.ones(2, 3, dtype=torch.bool)
    loss, stats = clipped_value_loss(returns, returns, returns, mask, 0.2)
    assert loss.item() == 0.0 and stats["clip_fraction"] == 0.0


@pytest.mark.parametrize(
    ("value", "moves"),
    [(0.5, False), (-0.5, True), (0.1, True), (1.5, True)],
    ids=["past the clip, towards the return", "past the clip, away from it", "within the clip", "overshooting by less"],
)
def test_a_value_gains_nothing_by_moving_further_than_the_clip(value, moves):
    # the old value is 0, the return 1, the clip 0.2
    values = one(value).requires_grad_()
    target = 1.0 if value < 1 else 3.0
    loss, stats = clipped_value_loss(values, one(0.0 if value < 1 else 1.4), one(target), torch.tensor([[True]]), 0.2)
    loss.backward()
    assert (values.grad.item() != 0) == moves
    assert stats["clip_fraction"] == float(not moves)


# ---- all of them


def test_finite_differences_of_every_loss(batch):
    logits, tokens, mask = batch
    generous = 10.0  # a clip that nothing reaches, and below a tight one: kinks lie where the two meet
    check = torch.autograd.gradcheck
    new, old, advantages = doubles(3, 6), doubles(3, 6, seed=1), doubles(3, 6, seed=2)
    new.requires_grad_()
    assert check(lambda x: sft_loss(x, tokens, mask)[0], logits.requires_grad_())
    for clip in (0.2, generous):
        ratio = (new - old).exp()[mask]
        assert ((ratio - 1).abs() - clip).abs().min() > 1e-3, "the test must stay away from the kinks"
        assert check(lambda x, clip=clip: clipped_policy_loss(x, old, advantages, mask, clip)[0], new)
        assert check(lambda x, clip=clip: clipped_value_loss(x, old, advantages, mask, clip)[0], new)
    pairs = [doubles(5, seed=s).requires_grad_() for s in (3, 4)]
    preference = torch.tensor([1.0, 0.5, 1.0, 0.0, 0.5], dtype=torch.float64)
    assert check(lambda c, r: bradley_terry_loss(c, r, preference, margin=0.3)[0], pairs)


@given(st.sampled_from([-1e6, -1.0, 0.0, 1e6, float("nan"), float("inf")]), st.integers(0, 3))
def test_what_stands_in_padding_changes_neither_losses_nor_gradients(junk, columns):
    new, old, advantages, returns = (doubles(3, 4, seed=s) for s in range(4))
    mask = torch.tensor([[True] * 4, [True] * 3 + [False], [False, True, False, False]])

    def pad(x, filler):
        return torch.cat([torch.where(mask, x, filler), torch.full((3, columns), filler, dtype=x.dtype)], dim=1)

    wide_mask = torch.cat([mask, torch.zeros(3, columns, dtype=torch.bool)], dim=1)
    for loss_function, others in ((clipped_policy_loss, (old, advantages)), (clipped_value_loss, (old, returns))):
        plain, padded = new.clone().requires_grad_(), pad(new, junk).requires_grad_()
        wanted, wanted_stats = loss_function(plain, *others, mask, 0.2)
        found, stats = loss_function(padded, *(pad(x, -junk) for x in others), wide_mask, 0.2)
        wanted.backward()
        found.backward()
        equal(found, wanted)
        equal(padded.grad[:, :4], torch.where(mask, plain.grad, 0.0))
        assert stats == pytest.approx(wanted_stats, abs=1e-12)


@pytest.mark.parametrize("junk", [float("nan"), float("inf"), -float("inf")])
def test_not_even_what_is_no_number_leaks_from_padding_into_a_loss_or_its_gradient(junk):
    mask = torch.tensor([[True, True, False], [False, True, False]])
    new, *others = (doubles(2, 3, seed=s) for s in range(3))
    for loss_function, given_with in (
        (lambda *x: clipped_policy_loss(*x, 0.2), others),
        (lambda *x: clipped_value_loss(*x, 0.2), others),
        (policy_gradient_loss, others[:1]),
    ):
        clean, spoilt = new.clone().requires_grad_(), torch.where(mask, new, junk).requires_grad_()
        wanted, wanted_stats = loss_function(clean, *given_with, mask)
        found, stats = loss_function(spoilt, *(torch.where(mask, x, junk) for x in given_with), mask)
        wanted.backward()
        found.backward()
        assert torch.equal(found, wanted) and stats == wanted_stats
        assert torch.equal(spoilt.grad[mask], clean.grad[mask])


def test_saying_everything_twice_changes_no_loss(batch):
    """So all of them are means and none is a sum, and a learning rate means the same for every batch."""
    logits, tokens, mask = batch
    new, old, advantages = (doubles(3, 6, seed=s) for s in range(3))
    labels, up = torch.tensor([0, 4, 2]), torch.tensor([True, False, True])
    losses = {
        lambda *x: cross_entropy(x[0].log_softmax(dim=1), x[1]): (logits[:, 0], labels),
        sft_loss: (logits, tokens, mask),
        lambda c, r: bradley_terry_loss(c, r, margin=0.3): (new[0], old[0]),
        lambda s, label: approval_loss(s, label, 0.1): (new[:, 0], up),
        policy_gradient_loss: (new, advantages, mask),
        lambda *x: clipped_policy_loss(*x, 0.2): (new, old, advantages, mask),
        lambda *x: clipped_value_loss(*x, 0.2): (new, old, advantages, mask),
    }
    for loss, inputs in losses.items():
        (once, stats), (twice, stats_twice) = loss(*inputs), loss(*(torch.cat([x, x]) for x in inputs))
        equal(twice, once)
        assert stats_twice == pytest.approx(stats)


def test_where_nothing_counts_nothing_is_lost(batch):
    logits, tokens, mask = batch
    none = torch.zeros_like(mask)
    assert sft_loss(logits, tokens, none)[0].item() == 0.0
    assert policy_gradient_loss(logits[:, :, 0], logits[:, :, 1], none)[0].item() == 0.0


def test_the_margin_asks_for_more_and_is_not_what_was_won():
    chosen, rejected = torch.tensor([3.0, 1.0]), torch.tensor([1.0, 2.0])
    losses = [bradley_terry_loss(chosen, rejected, margin=margin) for margin in (-1.0, 0.0, 1.0)]
    assert losses[0][0] < losses[1][0] < losses[2][0]
    assert {stats["margin"] for _, stats in losses} == {0.5}
    assert {stats["accuracy"] for _, stats in losses} == {0.5}


def test_no_gradient_flows_through_what_was_earned():
    log_probs, advantages = doubles(2, 3).requires_grad_(), doubles(2, 3, seed=1).requires_grad_()
    mask = torch.tensor([[True, True, False], [False, True, True]])
    loss, stats = policy_gradient_loss(log_probs, advantages, mask)
    loss.backward()
    assert advantages.grad is None
    equal(log_probs.grad, torch.where(mask, -advantages.detach() / 4, 0.0))
    assert stats["nll"] == pytest.approx(-log_probs[mask].mean().item())


@pytest.mark.parametrize("clip", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("way", [1, -1])
def test_a_token_stops_pulling_just_where_the_clip_says(clip, way):
    """On either side of 1 ± ε, in the direction that the advantage asks for; the other way, it is pulled back."""
    edge = 1 + way * clip
    ratios = one(edge - way * 0.01, edge + way * 0.01, 1 - way * 0.9 * clip, 1 - way * 1.1 * clip)
    log_probs, nothing = ratios.log().requires_grad_(), torch.zeros_like(ratios)
    mask = torch.ones_like(ratios, dtype=torch.bool)
    loss, stats = clipped_policy_loss(log_probs, nothing, way * torch.ones_like(ratios), mask, clip)
    loss.backward()
    assert (log_probs.grad != 0).tolist() == [[True, False, True, True]]
    assert stats["clip_fraction"] == 0.25 and stats["outside_clip"] == 0.5


@given(FLOATS, FLOATS, st.floats(0, 1))
def test_half_a_preference_is_half_of_either_choice(a, b, share):
    chosen, rejected = torch.tensor([[a], [b]], dtype=torch.float64)
    p = torch.tensor([share], dtype=torch.float64)
    one_way, other_way = bradley_terry_loss(chosen, rejected)[0], bradley_terry_loss(rejected, chosen)[0]
    equal(bradley_terry_loss(chosen, rejected, p)[0], share * one_way + (1 - share) * other_way)


def test_accuracy_is_the_share_of_likeliest_labels_that_are_right():
    log_probs = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]).log()
    assert cross_entropy(log_probs, torch.tensor([0, 2, 1, 0]))[1]["accuracy"] == 0.75


def test_the_variance_of_the_ratio_is_around_its_own_mean():
    ratios, nothing = one(0.5, 1.5, 2.5, 9.0), torch.zeros(1, 4, dtype=torch.float64)
    _, stats = clipped_policy_loss(ratios.log(), nothing, nothing, torch.tensor([[True, True, True, False]]), 0.2)
    assert stats["ratio"] == pytest.approx(1.5) and stats["ratio_variance"] == pytest.approx(2 / 3)
