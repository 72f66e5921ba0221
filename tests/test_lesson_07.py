"""Lesson 07: its bugs are what they are called, and its own functions steer a run without changing a healthy one."""

from dataclasses import asdict

import pytest
import torch
from test_ppo import CONFIG, make

from minirlhf.advantages import gae, token_rewards
from minirlhf.course.exercises.exercise import RAGGED, normal
from minirlhf.course.experiments.lesson_07 import BUGS, CLAIMS, SWEEPS
from minirlhf.losses import clipped_policy_loss, clipped_value_loss
from minirlhf.ppo import adapt_beta

pytestmark = pytest.mark.usefixtures("one_thread")

OLD, VALUES = normal(1, *RAGGED.shape) - 3, normal(2, *RAGGED.shape)
SCORE = normal(3, len(RAGGED))


def train(**hearts):
    return list(make(**hearts).train(None))


def test_all_of_the_packages_own_functions_together_change_nothing():
    own = train(
        policy_loss=clipped_policy_loss,
        value_loss=clipped_value_loss,
        advantage_fn=gae,
        token_reward_fn=token_rewards,
        kl_controller=adapt_beta,
    )
    assert own == train()


def test_another_value_loss_steers_the_value_model_only_at_first():
    def none(values, old_values, returns, mask, clip):
        return 0.0 * values.sum(), {"clip_fraction": 0.0}

    still, healthy = train(value_loss=none), train()
    assert {record.value_loss for record in still} == {0.0}
    assert still[0].policy_loss == healthy[0].policy_loss
    assert still[-1].policy_loss != healthy[-1].policy_loss


def test_a_leash_that_always_says_the_same_holds_beta_there():
    betas = [record.beta for record in train(kl_controller=lambda *_: torch.tensor(0.125))]
    assert betas == [CONFIG.beta, *[0.125] * (CONFIG.updates - 1)]
    assert all(isinstance(beta, float) for beta in betas)


def test_bug_a_is_never_clipped_and_has_the_gradient_of_a_first_step():
    log_probs = (OLD + normal(4, *RAGGED.shape)).requires_grad_()
    loss, stats = BUGS["A"]["policy_loss"](log_probs, OLD, VALUES, RAGGED, 0.2)
    assert (stats["clip_fraction"], stats["ratio"]) == (0.0, 1.0)
    (gradient,) = torch.autograd.grad(loss, log_probs)
    still = OLD.clone().requires_grad_()
    (first,) = torch.autograd.grad(clipped_policy_loss(still, OLD, VALUES, RAGGED, 0.2)[0], still)
    torch.testing.assert_close(gradient, first)


def test_bug_b_pays_what_the_others_charge():
    ref_log_probs = normal(5, *RAGGED.shape) - 3
    given = (torch.zeros(len(RAGGED)), OLD, ref_log_probs, RAGGED, 0.2)
    torch.testing.assert_close(BUGS["B"]["token_reward_fn"](*given), -token_rewards(*given))


def test_bug_c_pays_the_score_once_a_token():
    paid = BUGS["C"]["token_reward_fn"](SCORE, OLD, OLD, RAGGED, 0.2)
    torch.testing.assert_close(paid.sum(dim=1), SCORE * RAGGED.sum(dim=1))


def test_bug_d_has_the_right_advantages_and_returns_that_forget_the_future():
    rewards = token_rewards(SCORE, OLD, OLD, RAGGED, 0.2)
    advantages, returns = BUGS["D"]["advantage_fn"](rewards, VALUES, RAGGED, 1.0, 0.95)
    torch.testing.assert_close(advantages, gae(rewards, VALUES, RAGGED, 1.0, 0.95)[0])
    assert (returns[RAGGED] != 0).sum() == len(RAGGED)


@pytest.mark.parametrize("name", BUGS)
def test_no_bug_raises_an_error(name):
    records = train(**BUGS[name])
    assert len(records) == CONFIG.updates
    assert [asdict(r) for r in records] != [asdict(r) for r in train()]


def test_claims_and_sweeps_have_names_of_their_own():
    assert len({claim.name for claim in CLAIMS}) == len(CLAIMS) >= 3
    assert list(SWEEPS) == ["leash"]
