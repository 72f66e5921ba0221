"""REINFORCE: unbiased to the last digit where everything can be enumerated, and the optimum of such a problem."""

from copy import deepcopy
from dataclasses import asdict, fields, replace
from itertools import product
from math import isfinite, log

import pytest
import torch
from tiny import (
    PROMPTS,
    SMALL,
    Run,
    check_that_breaking_leaves_a_prefix,
    check_that_ctrl_c_anywhere_leaves_usable_models,
    check_that_gradients_are_held_to_their_norm,
    check_that_peeking_changes_nothing,
    check_that_resuming_is_exact,
    check_that_the_first_step_is_as_large_as_its_rate,
    check_that_the_seed_decides,
    count,
    equal,
    fingerprint,
    generator,
    sampling_run,
    talker,
    trunk,
)

from minirlhf.advantages import leave_one_out
from minirlhf.bandit import Bandit, bandit_gradient, train_bandit
from minirlhf.data import Prompts
from minirlhf.losses import clipped_policy_loss, policy_gradient_loss
from minirlhf.machine.not_finite import NotFiniteError
from minirlhf.metrics import METRICS, explain, named
from minirlhf.model import CausalLM, GPTConfig
from minirlhf.ops import token_log_probs
from minirlhf.reinforce import ReinforceConfig, ReinforceRecord, train_reinforce
from minirlhf.rollout import sample
from minirlhf.training import new_state

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = ReinforceConfig(updates=4, batch_size=8, max_new_tokens=5, lr=3e-3)
THREE = GPTConfig(vocab_size=3, context=4, layers=1, heads=1, channels=16)
BANDIT = Bandit({"refund": 2.0, "sorry": 0.5, "wait": -1.0})


def make(policy=None, config=CONFIG, **arguments) -> Run:
    return sampling_run(train_reinforce, config, policy, **arguments)


def train(config=CONFIG, **arguments):
    return list(make(config=config, sizes=SMALL, **arguments).train(None))


# ---- the loss


def test_a_reply_that_beat_the_others_becomes_more_probable_and_the_rest_less():
    log_probs = torch.full((2, 3), -1.0, requires_grad=True)
    advantages, mask = torch.tensor([[1.0], [-1.0]]).expand(2, 3), torch.ones(2, 3, dtype=torch.bool)
    policy_gradient_loss(log_probs, advantages, mask)[0].backward()
    downhill = -log_probs.grad
    assert (downhill[0] > 0).all() and (downhill[1] < 0).all()


def test_at_ratio_one_it_has_the_same_gradient_as_the_clipped_loss():
    log_probs = -torch.rand(3, 5, generator=generator()).double()
    advantages = torch.randn(3, 5, generator=generator(1)).double()
    mask = torch.rand(3, 5, generator=generator(2)) > 0.3
    gradients = []
    for loss in (
        lambda now: policy_gradient_loss(now, advantages, mask)[0],
        lambda now: clipped_policy_loss(now, log_probs, advantages, mask, 0.2)[0],
    ):
        now = log_probs.clone().requires_grad_()
        gradients += torch.autograd.grad(loss(now), now)
    equal(*gradients)


def test_no_gradient_flows_through_what_was_earned_or_does_not_count():
    log_probs = torch.full((1, 2), -1.0, requires_grad=True)
    advantages = torch.tensor([[2.0, float("1e6")]], requires_grad=True)
    loss, stats = policy_gradient_loss(log_probs, advantages, torch.tensor([[True, False]]))
    loss.backward()
    assert (loss.item(), stats["nll"]) == (2.0, 1.0)
    assert advantages.grad is None and log_probs.grad.tolist() == [[-2.0, 0.0]]


def test_leave_one_out_compares_with_the_others_alone():
    equal(leave_one_out(torch.tensor([3.0, 1.0, 2.0])), torch.tensor([1.5, -1.5, 0.0]), 1e-6)
    rewards = torch.randn(7, generator=generator())
    equal(leave_one_out(rewards + 10.0), leave_one_out(rewards), 1e-5)
    equal(leave_one_out(rewards).sum(), torch.tensor(0.0), 1e-5)


# ---- a bandit, exactly


@pytest.mark.parametrize("extra", [0, 10])
@pytest.mark.parametrize("advantages", [lambda rewards: rewards, leave_one_out], ids=["as paid", "left out"])
def test_over_all_batches_the_push_is_the_slope_of_the_expected_reward(advantages, extra):
    """All nine batches of two replies, each as often as it comes up."""
    worth = torch.tensor(list(BANDIT.worth.values())) + extra
    logits = torch.tensor([0.3, -0.4, 0.8])
    chances, pushed = logits.softmax(dim=0), torch.zeros(3)
    for said in torch.cartesian_prod(torch.arange(3), torch.arange(3)):
        pushed += chances[said].prod() * bandit_gradient(logits, said, advantages(worth[said]))
    slope = torch.autograd.functional.jacobian(lambda x: (x.softmax(dim=0) * worth).sum(), logits)
    equal(pushed, slope, 1e-5)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_bandit_learns_what_is_best_and_more_for_all_changes_nothing(seed):
    plain, richer = (list(train_bandit(b, lr=0.3, seed=seed)) for b in (BANDIT, BANDIT.plus(10)))
    assert plain[0].chances == pytest.approx(dict.fromkeys(BANDIT.replies, 1 / 3))
    assert plain[-1].chances["refund"] > 0.9 and BANDIT.best == "refund"
    assert richer[-1].chances == pytest.approx(plain[-1].chances, abs=1e-4)
    assert richer[-1].reward == pytest.approx(plain[-1].reward + 10, abs=1e-4)


def test_pay_is_worth_on_average_with_the_noise_that_was_asked_for():
    paid = BANDIT.pay(torch.zeros(20_000, dtype=torch.long), generator())
    assert paid.mean().item() == pytest.approx(2.0, abs=0.03)
    assert paid.std().item() == pytest.approx(1.0, abs=0.03)


# ---- a language model, exactly


def every_reply():
    """A prompt, and all 27 replies of three tokens out of three."""
    tokens = torch.tensor([(1, *sequence) for sequence in product(range(3), repeat=3)])
    return tokens, torch.tensor([[False, True, True, True]]).expand(27, -1)


def objective(policy, reference, beta):
    """Expected score minus β KL, in the open: every reply as often as it is said."""
    tokens, mask = every_reply()
    log_p, log_ref = (token_log_probs(m(tokens), tokens, mask).sum(dim=1) for m in (policy, reference))
    score = count(0)(tokens, mask)
    return (log_p.exp() * (score - beta * (log_p - log_ref))).sum()


def test_over_all_batches_the_gradient_is_the_true_one():
    """All 729 batches of two replies: their mean gradient is that of score - β KL, over 3, the tokens of a reply."""
    beta, policy, reference = 0.3, talker(0, THREE), talker(1, THREE)
    tokens, mask = every_reply()
    log_probs = token_log_probs(policy(tokens), tokens, mask)
    with torch.no_grad():
        said = log_probs.sum(dim=1)
        penalty = beta * (said - token_log_probs(reference(tokens), tokens, mask).sum(dim=1))
        rewards, chances = count(0)(tokens, mask) - penalty, said.exp()
    on_average = torch.zeros(())
    for pair in torch.cartesian_prod(torch.arange(27), torch.arange(27)):
        advantage = leave_one_out(rewards[pair]).unsqueeze(1).expand(2, 4)
        on_average = on_average + chances[pair].prod() * policy_gradient_loss(log_probs[pair], advantage, mask[pair])[0]
    parameters = list(policy.parameters())
    found = torch.autograd.grad(on_average, parameters)
    true = torch.autograd.grad(objective(policy, reference, beta), parameters)
    assert max(gradient.abs().max().item() for gradient in true) > 0.1, "a gradient of 0 would prove nothing"
    for mine, theirs in zip(found, true, strict=True):
        equal(-3 * mine, theirs, 1e-5)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_finds_the_exact_optimum_of_an_enumerable_problem(seed):
    """V = 3, T = 3, reward = number of 0s, β = ½, uniform reference: J(π*) = β log E e^{r/β} = 1.7114."""
    policy, reference = CausalLM(trunk(seed, THREE)), CausalLM(trunk(9, THREE))
    torch.nn.init.zeros_(reference.trunk.final_norm.weight)  # all logits 0: uniform
    config = ReinforceConfig(updates=100, batch_size=256, max_new_tokens=3, lr=1e-2, beta=0.5, seed=seed)
    for _ in train_reinforce(policy, reference, count(0), Prompts([[1]]), config):
        pass
    with torch.no_grad():
        assert objective(policy, reference, 0.5).item() == pytest.approx(1.7113987, rel=0.02)


# ---- what holds in every update


def test_records_say_what_was_done():
    records = train()
    assert [record.update for record in records] == [1, 2, 3, 4]
    assert records[0].kl == pytest.approx(0, abs=1e-5)
    for record in records:
        assert record.rlhf_reward == pytest.approx(record.score - CONFIG.beta * record.kl, abs=1e-6)
        assert 1 <= record.response_length <= 5 and 0 <= record.ended <= 1
        assert record.grad_norm > 0 and record.nll > 0
        assert all(isfinite(value) for value in asdict(record).values())
    assert [record.lr for record in records] == pytest.approx([3e-3, 2.25e-3, 1.5e-3, 0.75e-3])


def test_the_table_of_metrics_explains_every_number():
    assert list(METRICS[ReinforceRecord]) == [field.name for field in fields(ReinforceRecord)]
    assert named(train()[0])["objective/kl"] == pytest.approx(0, abs=1e-5)
    assert "ReinforceRecord.nll" in explain("nll")


def test_equal_rewards_teach_nothing():
    run = make(reward=lambda tokens, mask: torch.ones(len(tokens)), eos_id=None, config=replace(CONFIG, beta=0.0))
    before = fingerprint(run.models["policy"])
    records = list(run.train(None))
    assert all(record.grad_norm == 0 for record in records)
    assert fingerprint(run.models["policy"]) == before


def test_the_leash_holds():
    config = replace(CONFIG, updates=30, batch_size=32, lr=1e-2)
    loose, held = (train(replace(config, beta=beta), eos_id=None)[-1] for beta in (0.0, 1.0))
    assert held.kl < 0.5 * loose.kl
    assert loose.score > held.score


def test_a_learners_own_hearts_drive_the_training():
    calls = []

    def mine(*args):
        calls.append("loss")
        return policy_gradient_loss(*args)

    def compared(rewards):
        calls.append("advantages")
        return leave_one_out(rewards)

    assert train(loss=mine, advantage_fn=compared) == train()
    assert calls == ["advantages", "loss"] * 4


def test_peeking_changes_nothing():
    check_that_peeking_changes_nothing(make, lambda run: sample(run.models["policy"], PROMPTS.prompts, 4, generator()))


@pytest.mark.parametrize("k", [1, 3])
def test_breaking_leaves_a_prefix(k):
    check_that_breaking_leaves_a_prefix(make, k)


def test_resuming_from_disk_is_exact(tmp_path):
    check_that_resuming_is_exact(make, 2, tmp_path, CONFIG.seed)


def test_ctrl_c_leaves_a_usable_model_and_a_word():
    calls = []

    def pressed(*args):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return policy_gradient_loss(*args)

    run = make(loss=pressed)
    state = new_state(CONFIG.seed, **run.models)
    with pytest.raises(KeyboardInterrupt) as stopped:
        list(run.train(state))
    assert any("REINFORCE stopped in update 2" in note for note in stopped.value.__notes__)
    assert [record.update for record in make(**run.models).train(state)] == [2, 3, 4]


def test_ctrl_c_anywhere_leaves_usable_models():
    check_that_ctrl_c_anywhere_leaves_usable_models(make, CONFIG.seed)


@pytest.mark.parametrize("heart", ["loss", "advantages", "score"])
def test_what_is_no_number_stops_before_the_model_changes(tmp_path, monkeypatch, heart):
    monkeypatch.chdir(tmp_path)
    nan = float("nan")
    broken = {
        "loss": {"loss": lambda *args: (policy_gradient_loss(*args)[0] * nan, {"nll": nan})},
        "advantages": {"advantage_fn": lambda rewards: rewards * nan},
        "score": {"reward": lambda tokens, mask: torch.full((len(tokens),), nan), "eos_id": None},
    }[heart]
    run = make(**broken)
    before = fingerprint(run.models["policy"])
    with pytest.raises(NotFiniteError):
        list(run.train(None))
    assert fingerprint(run.models["policy"]) == before
    assert all(p.grad is None for p in run.models["policy"].parameters())


# ---- settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, 0) for name in ("updates", "batch_size", "max_new_tokens")),
        *((name, value) for name in ("lr", "max_grad_norm") for value in (0.0, -1.0, float("nan"))),
        ("beta", -0.1),
        ("beta", float("nan")),
        ("missing_eos_score", float("-inf")),
        ("batch_size", 1),
    ],
)
def test_a_setting_out_of_range_fails_where_it_is_written(name, value):
    with pytest.raises(ValueError, match=rf"ReinforceConfig\.{name} is {value}"):
        replace(CONFIG, **{name: value})


def test_there_must_be_prompts_and_a_reference_of_its_own():
    policy = CausalLM(trunk(0, SMALL))
    with pytest.raises(ValueError, match="no prompts"):
        next(train_reinforce(policy, deepcopy(policy), count(1), Prompts([]), CONFIG))
    with pytest.raises(ValueError, match="shares its weights"):
        next(train_reinforce(policy, policy, count(1), PROMPTS, CONFIG))


# ---- every setting is heard


ONCE = replace(CONFIG, updates=1)


def make_small(policy=None, config=CONFIG, **arguments) -> Run:
    return make(policy, config, sizes=SMALL, **arguments)


def test_gradients_are_held_to_their_norm():
    check_that_gradients_are_held_to_their_norm(make_small, ONCE)


def test_the_first_step_is_as_large_as_its_rate():
    check_that_the_first_step_is_as_large_as_its_rate(make_small, ONCE, ONCE.lr)


def test_another_seed_draws_other_prompts_and_tokens():
    check_that_the_seed_decides(make_small, replace(CONFIG, updates=2))


def test_responses_are_as_many_and_at_most_as_long_as_asked_and_what_never_ends_is_not_scored():
    seen = []

    def reward(tokens, response_mask):
        seen.append(response_mask.sum(dim=1).tolist())
        return torch.full((len(tokens),), 3.0)

    train(replace(CONFIG, updates=2, batch_size=6, max_new_tokens=3), reward=reward, eos_id=None)
    assert seen == [[3] * 6] * 2
    for record in train(replace(CONFIG, missing_eos_score=-5.0), reward=reward):
        assert record.score == pytest.approx(3.0 * record.ended - 5.0 * (1 - record.ended), abs=1e-5)


@pytest.mark.parametrize("beta", [0.0, 0.7])
def test_what_is_compared_is_the_score_less_what_leaving_the_reference_costs(beta):
    compared = []

    def advantage_fn(rewards):
        compared.append(rewards.mean().item())
        return leave_one_out(rewards)

    (record,) = train(replace(ONCE, beta=beta), policy=talker(0, SMALL), advantage_fn=advantage_fn)
    assert record.kl > 0.5 and record.rlhf_reward == pytest.approx(record.score - beta * record.kl)
    assert compared == [pytest.approx(record.rlhf_reward, abs=1e-4)]


def test_every_token_of_a_reply_gets_its_advantage_and_no_token_of_a_prompt():
    def loss(log_probs, advantages, mask):
        assert not mask[:, 0].any() and (log_probs[~mask] == 0).all() and (log_probs[mask] < 0).all()
        assert (advantages == advantages[:, :1]).all() and advantages[:, 0].tolist() == list(range(8))
        return policy_gradient_loss(log_probs, advantages, mask)

    records = train(loss=loss, advantage_fn=lambda rewards: torch.arange(8.0))
    assert len(records) == 4


# ---- a bandit, every setting


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_the_noise_is_as_large_as_asked_and_its_generators(noise):
    bandit = Bandit({"a": 1.0, "b": -1.0}, noise)
    said = torch.tensor([0, 1] * 10_000)
    paid = bandit.pay(said, generator(1))
    assert torch.equal(paid, bandit.pay(said, generator(1)))
    assert paid[0::2].mean().item() == pytest.approx(1.0, abs=0.1) and paid[0::2].std().item() == pytest.approx(
        noise, abs=0.1
    )
    assert paid[1::2].mean().item() == pytest.approx(-1.0, abs=0.1)
    richer = bandit.plus(2)
    assert richer == Bandit({"a": 3.0, "b": 1.0}, noise) and richer.best == bandit.best == "a"


def test_a_bandit_takes_as_many_steps_of_such_a_size_as_asked():
    records = list(train_bandit(BANDIT, steps=7, seed=3))
    assert [record.step for record in records] == [1, 2, 3, 4, 5, 6, 7]
    assert records == list(train_bandit(BANDIT, steps=7, seed=3)) != list(train_bandit(BANDIT, steps=7, seed=4))
    still = list(train_bandit(BANDIT, steps=7, lr=0.0))
    assert all(record.chances == pytest.approx(dict.fromkeys(BANDIT.replies, 1 / 3)) for record in still)
    one, two = (list(train_bandit(BANDIT, steps=2, lr=lr, seed=3))[1].chances for lr in (0.1, 0.2))
    away = [[log(chances[reply] * 3) for reply in BANDIT.replies] for chances in (one, two)]
    for a, b in zip(*([[x[0] - x[1], x[1] - x[2]] for x in away]), strict=True):
        assert b == pytest.approx(2 * a, rel=1e-3), "twice the rate, twice as far from where all began"


def test_a_bandits_batch_and_its_hearts_are_those_that_were_given():
    seen = []

    def advantage_fn(rewards):
        seen.append((len(rewards), rewards.mean().item()))
        return leave_one_out(rewards)

    def against(log_probs, advantages, mask):
        loss, stats = policy_gradient_loss(log_probs, advantages, mask)
        return -loss, stats

    records = list(train_bandit(BANDIT, steps=60, batch_size=20, advantage_fn=advantage_fn, loss=against))
    assert seen == [(20, record.reward) for record in records]
    assert records[-1].chances["wait"] > 0.9, "who goes downhill learns what is worst"
    flat = list(train_bandit(BANDIT, steps=5, advantage_fn=lambda rewards: 0 * rewards))
    assert flat[-1].chances == pytest.approx(flat[0].chances)


def test_a_bandit_says_what_its_chances_let_it_say():
    """Without noise, the mean of what a large batch was paid is the expectation over its chances."""
    records = list(train_bandit(Bandit(BANDIT.worth, 0.0), steps=30, batch_size=4000, lr=0.3))
    for record in records:
        expected = sum(chance * BANDIT.worth[reply] for reply, chance in record.chances.items())
        assert record.reward == pytest.approx(expected, abs=0.12)


def test_what_cannot_be_read_to_its_end_is_refused_before_anything_is_sampled():
    assert len(train(replace(CONFIG, max_new_tokens=13))) == 4  # a context of 16, and a prompt of 3
    with pytest.raises(ValueError, match=r"Prompt 3 of 3 has 3 tokens.*14 new.*16.*to 13 or less"):
        train(replace(CONFIG, max_new_tokens=14))
