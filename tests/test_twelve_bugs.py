"""The twelve commonest bugs of RLHF code, each with the test that catches it."""

from copy import deepcopy
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import SIZES, V, equal, fingerprint, generator, lively, talker, trunk

from minirlhf.advantages import gae, token_rewards
from minirlhf.course.clinic.table import SYMPTOMS
from minirlhf.course.clinic.tiny import PROMPTS, count_ones
from minirlhf.data import Comparisons, Demonstrations, Prompts
from minirlhf.losses import clipped_policy_loss, sft_loss
from minirlhf.model import CausalLM, GPTConfig, RewardModel, ValueModel
from minirlhf.ops import last_true, masked_mean, masked_whiten, token_kl, token_log_probs
from minirlhf.ppo import PPOConfig, estimate, ppo_update, train_ppo
from minirlhf.reward import RewardConfig, train_reward
from minirlhf.rollout import collect, sample
from minirlhf.training import new_state

pytestmark = pytest.mark.usefixtures("one_thread")

EOS, PAD = 0, V
SMALL = GPTConfig(vocab_size=V, context=12, layers=1, heads=1, channels=16, eos_id=EOS)
CONFIG = PPOConfig(updates=3, batch_size=8, epochs=2, minibatches=2, max_new_tokens=5, lr=5e-3, value_lr=1e-2)


def doubles(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=generator(seed))


def actors(seed=0, reward=count_ones, eos_id=EOS):
    """policy, reference, reward, value model: a policy with opinions, beside an exact copy."""
    policy = lively(CausalLM(trunk(seed, replace(SMALL, eos_id=eos_id))), size=0.1)
    return policy, deepcopy(policy), reward, ValueModel(deepcopy(policy.trunk))


def run(config=CONFIG, eos_id=EOS, seed=0):
    return list(train_ppo(*actors(seed, eos_id=eos_id), Prompts(PROMPTS), config))


def test_bug_1_off_by_one_slice():
    model, row = talker(), torch.randint(V, (1, 9), generator=generator())
    mask = torch.tensor([[False] * 3 + [True] * 5 + [False]])
    with torch.no_grad():
        brute_force = [model(row[:, :t])[0, -1].log_softmax(0)[row[0, t]].item() for t in range(3, 8)]
        log_probs = token_log_probs(model(row), row, mask)
        surprise, _ = sft_loss(model(row), row, mask)
    assert log_probs[mask].tolist() == pytest.approx(brute_force, abs=1e-5)
    assert log_probs.sum().item() == pytest.approx(-5 * surprise.item(), abs=1e-5)


def test_bug_2_padding_that_is_the_end_of_text():
    shown = Demonstrations([[1], [2, 3, 4], [5, 6]], [[7, EOS], [EOS], [8, 9, 10, EOS]])
    tokens, mask = shown.batch([0, 1, 2], PAD)
    assert ((tokens == EOS) & mask).sum(dim=1).tolist() == [1, 1, 1], "the end is supervised exactly once a row"
    assert tokens[torch.arange(3), last_true(mask)].tolist() == [EOS] * 3
    assert not (mask & (tokens == PAD)).any() and (tokens == PAD).any()
    assert mask.sum(dim=1).tolist() == [2, 1, 4], "an answer that ends at once has one token, its end"
    logits = torch.zeros(*tokens.shape, V, requires_grad=True)
    sft_loss(logits, tokens, mask)[0].backward()
    assert (logits.grad[torch.arange(3), last_true(mask) - 1, EOS] < 0).all(), "and the model learns to stop"


def test_bug_3_padding_that_can_be_sampled():
    """That a run then reaches its score is the yardstick in test_ppo.py."""
    model = talker()
    with torch.no_grad():
        model.trunk.token_embedding.weight[PAD] = 1e3 * model.trunk.final_norm.bias  # what it would love to say
    samples = sample(model, [[1], [2, 3]] * 2_000, 6, generator())
    assert samples.tokens[samples.response_mask].max() < PAD
    assert samples.response_mask.sum(dim=1).eq(6).all()


@given(st.integers(0, V), st.integers(0, 4))
def test_bug_4_padding_that_matters(junk, columns):
    lengths, width = (7, 3, 10), 10 + columns
    rows = [torch.randint(V, (1, n), generator=generator(n)) for n in lengths]
    masks = [torch.arange(n).unsqueeze(0) >= 2 for n in lengths]
    tokens = torch.full((3, width), junk)
    mask = torch.zeros(3, width, dtype=torch.bool)
    for i, n in enumerate(lengths):
        tokens[i, :n], mask[i, :n] = rows[i], masks[i]
    language, values, reward = talker(), lively(ValueModel(trunk(1))), lively(RewardModel(trunk(2)))
    with torch.no_grad():
        log_probs, value, score = (
            token_log_probs(language(tokens), tokens, mask),
            values(tokens, mask),
            reward(tokens, mask),
        )
        for i, n in enumerate(lengths):
            equal(log_probs[i : i + 1, :n], token_log_probs(language(rows[i]), rows[i], masks[i]), 1e-5)
            equal(value[i : i + 1, :n], values(rows[i], masks[i]), 1e-5)
            equal(score[i : i + 1], reward(rows[i], masks[i]), 1e-5)
            assert (log_probs[i, n:] == 0).all() and (value[i, n:] == 0).all()


@given(st.lists(st.lists(st.integers(0, V - 1), min_size=1, max_size=6), min_size=1, max_size=9), st.integers(0, 99))
def test_bug_5_a_sampler_that_disagrees_with_the_log_probs_even_after_rows_have_left(prompts, seed):
    model = talker(1, replace(SIZES, eos_id=EOS))
    samples = sample(model, prompts * 3, 8, generator(seed))
    with torch.no_grad():
        again = token_log_probs(model(samples.tokens), samples.tokens, samples.response_mask)
    equal(samples.log_probs, again, 1e-5)


def test_bug_5_a_sampler_that_draws_from_something_else():
    model, n = talker(), 50_000
    drawn = sample(model, [[3, 1]] * n, 1, generator()).tokens[:, 2]
    every = torch.tensor([[3, 1, token] for token in range(V)])
    with torch.no_grad():
        p = (
            token_log_probs(model(every), every, torch.tensor([[False, False, True]]).expand(V, -1))[:, 2]
            .double()
            .exp()
        )
    assert p.sum().item() == pytest.approx(1, abs=1e-5) and n * p.min() > 5
    chi_square = ((drawn.bincount(minlength=V) - n * p).square() / (n * p)).sum().item()
    assert chi_square < 37.0  # with 10 degrees of freedom, exceeded by chance six times in 100,000


def test_bug_5_a_kl_before_anything_was_learned():
    first = run()[0]
    assert first.kl == pytest.approx(0.0, abs=1e-5)
    assert first.non_score_reward == pytest.approx(0.0, abs=1e-6)
    assert first.rlhf_reward == pytest.approx(first.score, abs=1e-6)


def test_bug_6_two_readings_of_one_text_that_differ():
    models = actors()
    for model in (models[0], models[1], models[3]):
        model.train()
    for record in train_ppo(*models, Prompts(PROMPTS), CONFIG):
        assert record.first_ratio == pytest.approx(1.0, abs=1e-5)
    for record in run(replace(CONFIG, lr=1e-12)):
        assert record.ratio == pytest.approx(1.0, abs=1e-5)
        assert record.approx_kl == pytest.approx(0.0, abs=1e-9)
        assert record.clip_fraction == record.outside_clip == 0.0


def test_bug_7_a_kl_of_the_wrong_sign_or_direction():
    logits, other = doubles(1, 2, 6), doubles(1, 2, 6, seed=1)
    every, mask = torch.tensor([[0, token] for token in range(6)]), torch.tensor([[False, True]])
    log_p, log_q = (token_log_probs(x.expand(6, -1, -1), every, mask.expand(6, -1))[:, 1] for x in (logits, other))
    expected_log_ratio = (log_p.exp() * (log_p - log_q)).sum()
    categorical = torch.distributions.Categorical
    exact = torch.distributions.kl_divergence(categorical(logits=logits[:, 0]), categorical(logits=other[:, 0]))
    equal(expected_log_ratio, exact.squeeze())
    equal(token_kl(logits, other, mask)[:, 1], exact)


def test_bug_7_a_kl_that_is_a_mean_where_a_sum_was_meant():
    records = run()
    assert max(record.kl for record in records) > 1e-3
    for record in records:
        assert record.non_score_reward == pytest.approx(-CONFIG.beta * record.kl, abs=1e-9)
    # a policy that puts ln 2 more on each of five tokens has moved by five times that
    log_probs = torch.zeros(1, 6)
    mask = torch.tensor([[False] + [True] * 5])
    rewards = token_rewards(torch.zeros(1), log_probs, log_probs - 2.0, mask, beta=0.5)
    assert rewards.sum().item() == -5.0


def test_bug_7_a_leash_that_does_not_hold():
    config = replace(CONFIG, updates=20, batch_size=32, lr=1e-2)
    long, short = (run(replace(config, beta=beta), eos_id=None)[-4:] for beta in (0.01, 1.0))
    assert sum(r.kl for r in short) < 0.5 * sum(r.kl for r in long)


VALUES = [9.0, 0.5, 0.4, 0.3]  # the first stands before the prompt's token and must not matter
LOG_RATIOS = [7.0, 1.0, -2.0, 3.0]
# worked by hand with β = 0.1, γ = 1, λ = ½: (tokens, score, advantages, returns)
BY_HAND = {
    "ends with the last token": (3, 2.0, [0.2, 0.8, 1.4], [0.7, 1.2, 1.7]),
    "ends early": (2, 2.0, [0.7, 1.8, 0.0], [1.2, 2.2, 0.0]),
    "never ends": (3, -2.0, [-0.8, -1.2, -2.6], [-0.3, -0.8, -2.3]),
    "one token": (1, 2.0, [1.4, 0.0, 0.0], [1.9, 0.0, 0.0]),
}


@pytest.mark.parametrize("case", BY_HAND)
@pytest.mark.parametrize("columns", [0, 5])
def test_bug_8_a_reward_at_the_wrong_place(case, columns):
    length, score, wanted_advantages, wanted_returns = BY_HAND[case]
    filler = torch.full((1, columns), 1e6, dtype=torch.float64)
    mask = torch.tensor([[False] + [t < length for t in range(3 + columns)]])
    values, log_ratios = (
        torch.cat([torch.tensor([x], dtype=torch.float64), filler], dim=1) for x in (VALUES, LOG_RATIOS)
    )
    rewards = token_rewards(torch.tensor([score], dtype=torch.float64), log_ratios, 0 * log_ratios, mask, 0.1)
    advantages, returns = gae(rewards, values, mask, 1.0, 0.5)
    zeros = [0.0] * columns
    assert advantages.squeeze(0).tolist() == pytest.approx([0.0, *wanted_advantages, *zeros], abs=1e-9)
    assert returns.squeeze(0).tolist() == pytest.approx([0.0, *wanted_returns, *zeros], abs=1e-9)


def test_bug_8_lambda_1_is_all_that_followed_and_lambda_0_one_step_ahead():
    rewards, values, mask = (
        doubles(3, 5),
        doubles(3, 5, seed=1),
        torch.tensor([[True] * n + [False] * (5 - n) for n in (5, 3, 1)]),
    )
    followed = torch.where(mask, rewards, 0.0).flip(1).cumsum(1).flip(1)
    equal(gae(rewards, values, mask, 1.0, 1.0)[0], torch.where(mask, followed - values, 0.0))
    advantages, _ = gae(rewards, values, mask, 0.9, 0.0)
    for row, length in enumerate((5, 3, 1)):
        expected = [*values[row, :length].tolist(), 0.0]  # nothing is expected after the end
        for t, (now, then) in enumerate(pairwise(expected)):
            assert advantages[row, t].item() == pytest.approx(rewards[row, t].item() + 0.9 * then - now, abs=1e-9)


def test_bug_9_whitening_with_the_padding_or_without_the_mean():
    x, mask = 3 + 5 * doubles(4, 6), doubles(4, 6, seed=1) > -0.5
    white = masked_whiten(x, mask)
    assert abs(masked_mean(white, mask).item()) < 1e-12
    assert masked_mean(white.square(), mask).item() == pytest.approx(1.0, abs=1e-6)
    equal(masked_whiten(torch.where(mask, x, 1e6), mask), white)
    assert (white[~mask] == 0).all()
    one = torch.zeros_like(mask)
    one[2, 3] = True
    assert (masked_whiten(x, one) == 0).all(), "one token alone is neither better nor worse, and no 0/0"


def test_bug_9_whitening_before_the_returns_are_taken():
    policy, reference, reward, value_model = actors()
    lively(value_model)
    rollout = collect(policy, reference, reward, PROMPTS * 5, 5, generator())
    mask = rollout.response_mask
    values, advantages, returns = estimate(rollout, value_model, 0.1, CONFIG)
    rewards = token_rewards(rollout.score, rollout.log_probs, rollout.ref_log_probs, mask, 0.1)
    raw, _ = gae(rewards, values, mask, CONFIG.gamma, CONFIG.lam)
    equal(returns, raw + values, 1e-6)
    assert (advantages - raw)[mask].abs().max() > 0.1


def test_bug_10_old_quantities_that_are_alive():
    policy, reference, reward, value_model = actors()
    rollout = collect(policy, reference, reward, PROMPTS * 4, 5, generator())
    estimates = estimate(rollout, value_model, 0.1, CONFIG)
    everything = [*estimates, rollout.log_probs, rollout.ref_log_probs, rollout.score]
    assert not any(tensor.requires_grad for tensor in everything)
    state = new_state(0, policy=policy, value_model=value_model)
    config = replace(CONFIG, batch_size=12, minibatches=1, epochs=3, lr=3e-2)
    first, *later = ppo_update(policy, value_model, rollout, estimates, config, state)
    assert first["ratio"] == pytest.approx(1.0, abs=1e-5) and first["approx_kl"] < 1e-9
    for step in later:
        assert abs(step["ratio"] - 1) > 1e-4 and step["approx_kl"] > 1e-5, "the old is not computed anew"
    assert later[-1]["clip_fraction"] > 0


@pytest.mark.parametrize(
    ("ratio", "advantage", "learns"),
    [(1.5, 1.0, False), (0.5, -1.0, False), (1.5, -1.0, True), (0.5, 1.0, True), (1.1, 1.0, True), (0.9, -1.0, True)],
)
def test_bug_10_a_clip_on_the_wrong_side(ratio, advantage, learns):
    log_probs = torch.tensor([[ratio]]).log().requires_grad_()
    loss, stats = clipped_policy_loss(
        log_probs, torch.zeros(1, 1), torch.tensor([[advantage]]), torch.tensor([[True]]), 0.2
    )
    loss.backward()
    gradient = log_probs.grad.item()
    assert (gradient != 0.0) == learns
    assert gradient * advantage <= 0, "a step down the gradient makes what was good more probable"
    assert stats["clip_fraction"] == float(not learns)


def test_bug_11_the_arithmetic_of_minibatches():
    policy, reference, reward, value_model = actors()
    state = new_state(0, policy=policy, value_model=value_model)
    config = replace(CONFIG, batch_size=12, minibatches=3, epochs=4, updates=2)
    for record in train_ppo(policy, reference, reward, value_model, Prompts(PROMPTS), config, state=state):
        assert record.optimizer_steps == 4 * 3
    for optimizer in state.optimizers.values():
        assert {int(values["step"]) for values in optimizer.state.values()} == {4 * 3 * 2}


def test_bug_11_responses_that_are_used_twice_or_never():
    policy, reference, reward, value_model = actors()
    state, seen = new_state(0, policy=policy, value_model=value_model), []
    rollout = collect(policy, reference, reward, PROMPTS * 4, 5, generator())
    estimates = estimate(rollout, value_model, 0.1, CONFIG)

    def mine(log_probs, old_log_probs, advantages, mask, clip):
        seen.append(advantages)
        return clipped_policy_loss(log_probs, old_log_probs, advantages, mask, clip)

    ppo_update(policy, value_model, rollout, estimates, replace(CONFIG, batch_size=12, minibatches=3), state, mine)
    assert [len(rows) for rows in seen] == [4] * 6
    for epoch in (seen[:3], seen[3:]):
        assert sorted(torch.cat(epoch).tolist()) == sorted(estimates.advantages.tolist())
    assert not torch.equal(torch.cat(seen[:3]), torch.cat(seen[3:])), "and in another order each time"


def test_bug_12_a_reference_that_moves():
    reward_model = lively(RewardModel(trunk(3, SMALL)))
    policy, reference, _, value_model = models = actors(reward=reward_model)
    pointers = [{p.data_ptr() for p in model.parameters()} for model in models]
    assert all(a.isdisjoint(b) for i, a in enumerate(pointers) for b in pointers[:i])
    before, moving = fingerprint(reference, reward_model), fingerprint(policy, value_model)
    records = list(train_ppo(*models, Prompts(PROMPTS), replace(CONFIG, updates=5)))
    assert fingerprint(reference, reward_model) == before
    assert all(p.grad is None for model in (reference, reward_model) for p in model.parameters())
    assert fingerprint(policy, value_model) != moving
    assert records[-1].kl > 1e-3


def test_bug_12_a_reference_that_is_the_policy():
    policy, _, reward, value_model = actors()
    with pytest.raises(ValueError, match="reference shares its weights with policy"):
        next(train_ppo(policy, policy, reward, value_model, Prompts(PROMPTS), CONFIG))


def test_bug_12_a_value_model_on_the_policys_own_trunk():
    policy, reference, reward, _ = actors()
    with pytest.raises(ValueError, match="value_model shares its weights with policy"):
        next(train_ppo(policy, reference, reward, ValueModel(policy.trunk), Prompts(PROMPTS), CONFIG))


def test_bug_12_a_flipped_sign_from_the_votes_to_the_policy():
    a, b, numbers = 1, 2, generator()
    chosen, rejected = [], []
    while len(chosen) < 40:
        one, other = torch.randint(a, b + 1, (2, 4), generator=numbers).tolist()
        if one.count(a) != other.count(a):
            more, less = sorted((one, other), key=lambda ids: -ids.count(a))
            chosen.append(more)
            rejected.append(less)
    votes = Comparisons([[5]] * 40, chosen, rejected, [1.0] * 40)
    reward_model = RewardModel(trunk(3, SMALL))
    last = list(train_reward(reward_model, votes, RewardConfig(steps=60, batch_size=40, lr=1e-2)))[-1]
    assert last.accuracy > 0.9
    texts, mask = torch.tensor([[5, a, a, a, a], [5, b, b, b, b]]), torch.tensor([[False] + [True] * 4] * 2)
    all_a, all_b = reward_model(texts, mask).tolist()
    assert all_a > all_b + 1

    policy, reference, _, value_model = actors()
    config = replace(CONFIG, updates=15, batch_size=32, lr=1e-2, beta=0.01, max_new_tokens=4)
    records = list(train_ppo(policy, reference, reward_model, value_model, Prompts([[5]]), config))
    assert records[-1].score > records[0].score + 0.5

    def share(model):
        return (sample(model, [[5]] * 500, 4, generator()).tokens[:, 1:] == a).float().mean().item()

    assert share(policy) > 3 * share(reference)


def test_each_of_the_twelve_is_planted_in_the_clinic():
    """Here it is held that the package has none of them; there (test_clinic.py) each is planted, and its sign found."""
    held_here = {int(name.split("_")[2]) for name in globals() if name.startswith("test_bug_")}
    assert held_here == {one.bug for one in SYMPTOMS} - {None}
