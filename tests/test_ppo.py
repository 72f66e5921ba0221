"""PPO: the exact optimum of a problem that can be enumerated, a yardstick, and what must hold in every update."""

from copy import deepcopy
from dataclasses import asdict, replace
from itertools import product
from math import isfinite, log

import pytest
import torch
from tiny import (
    EQUATIONS,
    TYPED,
    Run,
    check_that_breaking_leaves_a_prefix,
    check_that_ctrl_c_anywhere_leaves_usable_models,
    check_that_gradients_are_held_to_their_norm,
    check_that_peeking_changes_nothing,
    check_that_resuming_is_exact,
    check_that_the_first_step_is_as_large_as_its_rate,
    check_that_the_seed_decides,
    equal,
    fingerprint,
    generator,
    lively,
    trunk,
)

from minirlhf.advantages import gae, token_rewards
from minirlhf.data import Prompts
from minirlhf.losses import clipped_policy_loss, clipped_value_loss
from minirlhf.machine.not_finite import NotFiniteError
from minirlhf.model import CausalLM, GPTConfig, RewardModel, ValueModel, response_log_probs
from minirlhf.ops import token_log_probs
from minirlhf.ppo import PPOConfig, adapt_beta, estimate, train_ppo
from minirlhf.rollout import collect, sample
from minirlhf.training import new_state

pytestmark = pytest.mark.usefixtures("one_thread")

EOS = 0
PROMPTS = Prompts([[5], [6, 7], [8, 9, 10]])
CONFIG = PPOConfig(
    updates=4,
    batch_size=8,
    epochs=2,
    minibatches=2,
    max_new_tokens=5,
    lr=3e-3,
    value_lr=1e-2,
    kl_target=0.5,
    kl_horizon=20,
)


def count(token):
    """A reward that counts one token in the response."""
    return lambda tokens, response_mask: ((tokens == token) & response_mask).sum(dim=1).float()


def make(policy=None, value_model=None, config=CONFIG, reward=None, eos_id=EOS, sizes=TYPED, **hearts) -> Run:
    sizes = replace(sizes, eos_id=eos_id)
    reference = CausalLM(trunk(0, sizes))
    policy = policy or deepcopy(reference)
    value_model = value_model or ValueModel(trunk(1, sizes))
    return Run(
        {"policy": policy, "value_model": value_model},
        lambda state: train_ppo(
            policy, reference, reward or count(1), value_model, PROMPTS, config, state=state, **hearts
        ),
    )


SMALL = GPTConfig(vocab_size=12, context=16, layers=1, heads=1, channels=16, eos_id=EOS)


def train(config=CONFIG, **arguments):
    return list(make(config=config, sizes=SMALL, **arguments).train(None))


# ---- exact results


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_finds_the_exact_optimum_of_an_enumerable_problem(seed):
    """V = 3, T = 3, reward = number of 0s, β = ½, uniform reference: π* ∝ e^{r/β}, J(π*) = β log E e^{r/β} = 1.7114."""
    beta, sizes = 0.5, GPTConfig(vocab_size=3, context=4, layers=1, heads=1, channels=16)
    policy, reference, value_model = (
        CausalLM(trunk(seed, sizes)),
        CausalLM(trunk(9, sizes)),
        ValueModel(trunk(seed, sizes)),
    )
    torch.nn.init.zeros_(reference.trunk.final_norm.weight)  # all logits 0: every sequence has probability 1/27
    config = PPOConfig(updates=40, batch_size=256, max_new_tokens=3, lr=3e-3, value_lr=1e-2, beta=beta, seed=seed)
    for _ in train_ppo(policy, reference, count(0), value_model, Prompts([[1]]), config):
        pass

    tokens = torch.tensor([(1, *sequence) for sequence in product(range(3), repeat=3)])
    mask = torch.tensor([[False, True, True, True]]).expand(27, -1)
    rewards = count(0)(tokens, mask).double()
    optimum = (rewards / beta).softmax(dim=0)
    with torch.no_grad():
        log_p, log_ref = (token_log_probs(m(tokens), tokens, mask).double().sum(dim=1) for m in (policy, reference))
    equal(log_ref, torch.full_like(log_ref, -3 * log(3)), 1e-6)
    objective = (log_p.exp() * (rewards - beta * (log_p - log_ref))).sum().item()
    assert objective == pytest.approx(1.7113987, rel=0.02)
    assert 0.5 * (log_p.exp() - optimum).abs().sum().item() < 0.1


# One seed is quick and kills what three do: it is the same run. All three are measured where everything is.
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_the_yardstick_is_reached_by_update_20(seed):
    """Number of one token in 12, as TRL's PPO was measured on it: 7.34 at update 20 (same sizes, rate and β)."""
    policy = CausalLM(trunk(seed, GPTConfig(vocab_size=15, context=16, layers=2, heads=2, channels=64)))
    config = PPOConfig(
        updates=25,
        batch_size=64,
        epochs=4,
        minibatches=4,
        max_new_tokens=12,
        lr=3e-4,
        beta=0.05,
        seed=seed,
        value_clip=2.0,  # scores run from 0 to 12 here: the default of 0.2 is for normalised ones
    )
    models = policy, deepcopy(policy), count(0), ValueModel(deepcopy(policy.trunk))
    scores = []
    for record in train_ppo(*models, Prompts([[1, 2, 3, 4]]), config):
        scores.append(record.score)
        if record.update == 20:
            break
    assert scores[0] < 2
    assert scores[19] >= 7


def test_beta_follows_the_reference_values():
    values = EQUATIONS["adaptive_kl"]
    beta = values["initial"]
    for kl, wanted in zip(values["kl"], values["beta"], strict=True):
        beta = adapt_beta(beta, kl, values["target"], values["episodes"], values["horizon"])
        assert beta == pytest.approx(wanted, abs=1e-12)


# ---- what holds in every update


def test_records_say_what_was_done():
    records = train()
    assert [record.update for record in records] == [1, 2, 3, 4]
    for record in records:
        assert record.optimizer_steps == CONFIG.epochs * CONFIG.minibatches
        assert record.rlhf_reward == pytest.approx(record.score + record.non_score_reward, abs=1e-6)
        assert 1 <= record.response_length <= 5 and 0 <= record.ended <= 1
        assert 0 <= record.clip_fraction <= record.outside_clip <= 1
        assert record.policy_grad_norm > 0 and record.value_grad_norm > 0
        assert all(isfinite(value) for value in asdict(record).values())
    assert [record.lr for record in records] == pytest.approx([3e-3, 2.25e-3, 1.5e-3, 0.75e-3])


def test_advantages_are_whitened_over_the_whole_batch_and_returns_are_not():
    policy, reference, value_model = (
        lively(kind(trunk(s, SMALL))) for s, kind in enumerate((CausalLM, CausalLM, ValueModel))
    )
    config = replace(CONFIG, gamma=0.9, lam=0.8)
    rollout = collect(policy, reference, count(1), PROMPTS.prompts * 5, 5, generator(), missing_eos_score=-2.0)
    values, advantages, returns = estimate(rollout, value_model, 0.1, config)
    mask = rollout.response_mask
    for x in (values, advantages, returns):
        assert (x[~mask] == 0).all()
    assert advantages[mask].mean().item() == pytest.approx(0.0, abs=1e-5)
    assert advantages[mask].std(correction=0).item() == pytest.approx(1.0, abs=1e-4)
    assert abs(advantages[:4][mask[:4]].mean()) > 1e-3, "over the batch, not over part of it"
    # whitening is linear, returns are not whitened: returns - values is the raw advantage
    raw = (returns - values)[mask]
    equal((raw - raw.mean()) / raw.std(correction=0), advantages[mask], 1e-4)
    assert abs(raw.std().item() - 1) > 0.1


def test_appending_padding_to_a_rollout_changes_no_estimate():
    policy, value_model = lively(CausalLM(trunk(0, SMALL))), lively(ValueModel(trunk(1, SMALL)))
    rollout = collect(policy, policy, count(1), PROMPTS.prompts * 3, 5, generator())
    widen = torch.nn.functional.pad
    wide = replace(
        rollout,
        tokens=widen(rollout.tokens, (0, 3), value=SMALL.vocab_size),
        response_mask=widen(rollout.response_mask, (0, 3)),
        log_probs=widen(rollout.log_probs, (0, 3), value=-7.0),
        ref_log_probs=widen(rollout.ref_log_probs, (0, 3), value=7.0),
    )
    width = rollout.tokens.shape[1]
    for plain, padded in zip(
        estimate(rollout, value_model, 0.1, CONFIG), estimate(wide, value_model, 0.1, CONFIG), strict=True
    ):
        equal(padded[:, :width], plain, 1e-5)
        assert (padded[:, width:] == 0).all()


def test_epochs_end_once_the_policy_has_moved_far_enough():
    config = replace(CONFIG, epochs=6, lr=3e-2, kl_target=None)
    free, stopped = train(config), train(replace(config, stop_kl=1e-6))
    assert all(record.optimizer_steps == 12 for record in free)
    assert [record.optimizer_steps for record in stopped] == [2] * 4, "after the first epoch, which is always whole"
    assert all(record.optimizer_steps == 12 for record in train(replace(config, stop_kl=1e6)))


@pytest.mark.parametrize(("target", "pulls"), [(1e-3, 1), (50.0, -1)])
def test_an_adaptive_beta_pulls_the_kl_towards_its_target(target, pulls):
    records = train(replace(CONFIG, updates=6, lr=3e-2, kl_target=target))
    betas = [record.beta for record in records]
    assert betas[0] == CONFIG.beta
    assert (betas[-1] - betas[1]) * pulls > 0, "tighter when above the target, looser when below"


def test_the_kl_comes_to_stand_nearer_to_its_target():
    config = replace(CONFIG, updates=40, batch_size=32, lr=1e-2, beta=0.1, max_new_tokens=6, kl_horizon=50)
    target = 1.0
    free, held = (
        train(replace(config, kl_target=None), eos_id=None),
        train(replace(config, kl_target=target), eos_id=None),
    )
    late_free, late_held = (sum(r.kl for r in records[-8:]) / 8 for records in (free, held))
    assert late_free > 5 * target, "this test needs a run that would go further"
    assert late_held < 0.5 * late_free


def test_without_a_target_beta_stays():
    assert {record.beta for record in train(replace(CONFIG, kl_target=None))} == {CONFIG.beta}


def test_an_entropy_bonus_raises_the_entropy():
    config = replace(CONFIG, updates=10, batch_size=32, lr=1e-2, kl_target=None)
    plain, curious = (train(replace(config, entropy_bonus=bonus))[-1] for bonus in (0.0, 0.5))
    assert curious.policy_entropy > plain.policy_entropy + 0.05
    assert curious.entropy / curious.response_length > plain.entropy / plain.response_length


def test_what_never_ends_is_not_scored():
    records = train(
        replace(CONFIG, missing_eos_score=-5.0), reward=lambda tokens, mask: torch.full((len(tokens),), 3.0)
    )
    for record in records:
        assert record.score == pytest.approx(3.0 * record.ended - 5.0 * (1 - record.ended), abs=1e-5)
    assert any(0 < record.ended < 1 for record in records)


def test_equal_scores_or_a_single_token_give_finite_records():
    equal_scores = train(replace(CONFIG, beta=0.0, kl_target=None), reward=lambda tokens, mask: torch.ones(len(tokens)))
    single = train(replace(CONFIG, batch_size=1, minibatches=1, max_new_tokens=1), eos_id=None)
    assert all(isfinite(value) for record in equal_scores + single for value in asdict(record).values())


def test_values_learn_what_responses_are_worth():
    # with β = 0 and λ = 1 the returns are the scores, and here the prompt alone decides those
    config = replace(CONFIG, updates=30, batch_size=32, lr=1e-9, beta=0.0, kl_target=None, lam=1.0, value_clip=9.0)
    records = train(config, reward=lambda tokens, mask: 3.0 * (tokens[:, 0] == 5), eos_id=None)
    assert records[0].explained_variance < 0.1
    assert records[-1].explained_variance > 0.9
    assert records[-1].value_loss < 0.1 * records[0].value_loss


# ---- the learner's own hearts


def test_a_learners_own_hearts_drive_the_training():
    calls = {"policy_loss": 0, "advantage_fn": 0, "token_reward_fn": 0}

    def counting(name, heart):
        def mine(*args):
            calls[name] += 1
            return heart(*args)

        return mine

    hearts = {"policy_loss": clipped_policy_loss, "advantage_fn": gae, "token_reward_fn": token_rewards}
    assert train(**{name: counting(name, heart) for name, heart in hearts.items()}) == train()
    assert calls == {"policy_loss": 16, "advantage_fn": 4, "token_reward_fn": 4}


# ---- watching, breaking off, going on


def test_peeking_changes_nothing():
    def peek(run):
        sample(run.models["policy"], PROMPTS.prompts, 4, generator())
        run.models["value_model"](torch.ones(2, 3, dtype=torch.long), torch.ones(2, 3, dtype=torch.bool)).sum()

    check_that_peeking_changes_nothing(make, peek)


@pytest.mark.parametrize("k", [1, 3])
def test_breaking_leaves_a_prefix(k):
    check_that_breaking_leaves_a_prefix(make, k)


def test_resuming_from_disk_is_exact_and_remembers_beta(tmp_path):
    state = check_that_resuming_is_exact(make, 2, tmp_path, CONFIG.seed)
    assert state.numbers["beta"] != CONFIG.beta


def interrupted_in(kind):
    """A run in which someone presses Ctrl-C in the middle of update 2: while scoring, or between minibatches."""
    calls = []

    def interrupt_at(n, result):
        calls.append(1)
        if len(calls) == n:
            raise KeyboardInterrupt
        return result

    if kind == "reward":
        return make(reward=lambda tokens, mask: interrupt_at(2, count(1)(tokens, mask)))
    return make(policy_loss=lambda *args: interrupt_at(6, clipped_policy_loss(*args)))


@pytest.mark.parametrize("kind", ["reward", "policy_loss"])
def test_ctrl_c_leaves_usable_models_and_a_word_and_one_can_go_on(kind):
    run, found = interrupted_in(kind), []
    state = new_state(CONFIG.seed, **run.models)
    with pytest.raises(KeyboardInterrupt) as stopped:
        for record in run.train(state):
            found.append(record)
    assert any("PPO stopped in update 2" in note and "state=" in note for note in stopped.value.__notes__)
    assert len(found) == state.step == 1
    for model in run.models.values():
        assert all(p.grad is None and p.isfinite().all() for p in model.parameters())
    found += list(make(**run.models).train(state))
    assert [record.update for record in found] == [1, 2, 3, 4]
    assert all(isfinite(value) for record in found for value in asdict(record).values())


def test_ctrl_c_anywhere_leaves_usable_models():
    check_that_ctrl_c_anywhere_leaves_usable_models(make, CONFIG.seed)


@pytest.mark.parametrize("heart", ["policy_loss", "rewards", "score"])
def test_what_is_no_number_stops_before_the_models_change(tmp_path, monkeypatch, heart):
    monkeypatch.chdir(tmp_path)
    nan = float("nan")
    broken = {
        "policy_loss": {
            "policy_loss": lambda *args: (clipped_policy_loss(*args)[0] * nan, clipped_policy_loss(*args)[1])
        },
        "rewards": {"token_reward_fn": lambda *args: token_rewards(*args) * nan},
        "score": {"reward": lambda tokens, mask: torch.full((len(tokens),), nan), "eos_id": None},
    }[heart]
    run = make(**broken)
    before = fingerprint(*run.models.values())
    with pytest.raises(NotFiniteError) as stopped:
        list(run.train(None))
    assert any("PPO stopped in update 1" in note for note in stopped.value.__notes__)
    assert fingerprint(*run.models.values()) == before
    assert all(p.grad is None for model in run.models.values() for p in model.parameters())
    assert len(list((tmp_path / "runs").rglob("*.safetensors"))) == 1


# ---- settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, 0) for name in ("updates", "batch_size", "epochs", "minibatches", "max_new_tokens", "kl_horizon")),
        *((name, value) for name in ("lr", "value_lr", "clip", "value_clip", "max_grad_norm") for value in (0.0, -1.0)),
        *((name, -0.1) for name in ("beta", "entropy_bonus", "gamma", "lam")),
        *((name, 1.1) for name in ("gamma", "lam")),
        *((name, 0.0) for name in ("kl_target", "stop_kl")),
        *(
            (name, float("nan"))
            for name in (
                "lr",
                "value_lr",
                "clip",
                "value_clip",
                "max_grad_norm",
                "beta",
                "entropy_bonus",
                "gamma",
                "lam",
                "kl_target",
                "stop_kl",
                "missing_eos_score",
            )
        ),
        ("missing_eos_score", float("-inf")),
    ],
)
def test_a_setting_out_of_range_fails_where_it_is_written(name, value):
    with pytest.raises(ValueError, match=rf"PPOConfig\.{name} is {value}"):
        replace(CONFIG, **{name: value})


def test_minibatches_must_share_the_batch_evenly():
    with pytest.raises(ValueError, match=r"batch_size \(50\) must be a multiple of minibatches \(4\)"):
        PPOConfig(batch_size=50, minibatches=4)


def test_a_misspelt_setting_is_not_swallowed():
    with pytest.raises(TypeError, match="minibach"):
        PPOConfig(**{"minibach_size": 32})


def test_there_must_be_prompts():
    policy = CausalLM(trunk(0, SMALL))
    with pytest.raises(ValueError, match="no prompts"):
        next(train_ppo(policy, deepcopy(policy), count(1), ValueModel(trunk(1, SMALL)), Prompts([]), CONFIG))


# ---- every setting is heard


ONCE = replace(CONFIG, updates=1, epochs=1, minibatches=1)


def make_small(policy=None, value_model=None, config=CONFIG, **arguments) -> Run:
    return make(policy, value_model, config, sizes=SMALL, **arguments)


def test_gradients_are_held_to_their_norm():
    check_that_gradients_are_held_to_their_norm(make_small, ONCE)


def test_each_models_first_step_is_as_large_as_its_own_rate():
    check_that_the_first_step_is_as_large_as_its_rate(make_small, ONCE, ONCE.lr, ONCE.value_lr)


def test_another_seed_draws_other_prompts_and_tokens():
    check_that_the_seed_decides(make_small, replace(CONFIG, updates=2))


def test_responses_are_as_many_and_at_most_as_long_as_asked():
    seen = []

    def reward(tokens, response_mask):
        seen.append(response_mask.sum(dim=1).tolist())
        return torch.zeros(len(tokens))

    train(replace(CONFIG, updates=2, batch_size=6, max_new_tokens=3), reward=reward, eos_id=None)
    assert seen == [[3] * 6] * 2


def test_every_heart_is_handed_the_settings_that_are_its_own():
    """The numbers are odd ones, so that no default and no neighbour can stand in for one of them."""
    config = replace(CONFIG, gamma=0.7, lam=0.6, clip=0.31, value_clip=0.43, beta=0.11, kl_target=0.5, kl_horizon=77)
    heard = {"policy": set(), "value": set(), "advantages": set(), "betas": [], "controller": []}

    def policy_loss(log_probs, old, advantages, mask, clip):
        heard["policy"].add(clip)
        return clipped_policy_loss(log_probs, old, advantages, mask, clip)

    def value_loss(values, old, returns, mask, clip):
        heard["value"].add(clip)
        return clipped_value_loss(values, old, returns, mask, clip)

    def advantages(rewards, values, mask, gamma, lam):
        heard["advantages"].add((gamma, lam))
        return gae(rewards, values, mask, gamma, lam)

    def rewards(score, log_probs, ref_log_probs, mask, beta):
        heard["betas"].append(beta)
        return token_rewards(score, log_probs, ref_log_probs, mask, beta)

    def controller(beta, kl, target, episodes, horizon):
        heard["controller"].append((beta, kl, target, episodes, horizon))
        return beta + 1

    hearts = {"policy_loss": policy_loss, "value_loss": value_loss, "kl_controller": controller}
    records = train(config, advantage_fn=advantages, token_reward_fn=rewards, **hearts)
    assert (heard["policy"], heard["value"], heard["advantages"]) == ({0.31}, {0.43}, {(0.7, 0.6)})
    assert heard["betas"] == [record.beta for record in records] == pytest.approx([0.11, 1.11, 2.11, 3.11])
    assert heard["controller"] == [(record.beta, record.kl, 0.5, 8, 77) for record in records]
    for record in records:
        assert record.non_score_reward == pytest.approx(-record.beta * record.kl)


def test_a_token_pays_for_leaving_the_reference_and_not_for_coming_from_it():
    seen = {}

    def rewards(score, log_probs, ref_log_probs, mask, beta):
        seen.update(log_probs=log_probs, ref_log_probs=ref_log_probs, mask=mask)
        return token_rewards(score, log_probs, ref_log_probs, mask, beta)

    policy = lively(CausalLM(trunk(0, SMALL)))
    (record,) = train(ONCE, policy=policy, token_reward_fn=rewards)
    apart = torch.where(seen["mask"], seen["log_probs"] - seen["ref_log_probs"], 0.0).sum(dim=1)
    assert record.kl == pytest.approx(apart.mean().item(), rel=1e-5) and record.kl > 0.5


def test_a_beta_that_has_adapted_is_what_the_tokens_pay():
    config = replace(CONFIG, updates=3, kl_target=1e-3, lr=3e-2)
    paid = []

    def rewards(*args):
        paid.append(args[-1])
        return token_rewards(*args)

    records = train(config, token_reward_fn=rewards)
    assert paid == [record.beta for record in records] and paid[2] > paid[1]


# ---- the minibatches


def test_each_pass_goes_over_every_response_once_in_an_order_of_its_own_with_what_belongs_to_it():
    """Returns that say how long their response is, and advantages that number the rows, recognise them later."""
    passes, config = [], replace(CONFIG, updates=2, batch_size=12, epochs=3, minibatches=3)

    def numbered(rewards, values, mask, gamma, lam):
        rows = torch.arange(len(mask)).float().unsqueeze(1).expand(mask.shape)
        lengths = mask.sum(dim=1, keepdim=True).float().expand(mask.shape)
        return torch.where(mask, rows, 0.0), torch.where(mask, lengths, 0.0)

    def policy_loss(log_probs, old, advantages, mask, clip):
        assert len(mask) == 4
        passes.extend(row[m][0].item() for row, m in zip(advantages, mask, strict=True))
        return clipped_policy_loss(log_probs, old, advantages, mask, clip)

    def value_loss(values, old, returns, mask, clip):
        assert torch.equal(returns, torch.where(mask, mask.sum(dim=1, keepdim=True), 0).float())
        return clipped_value_loss(values, old, returns, mask, clip)

    train(config, advantage_fn=numbered, policy_loss=policy_loss, value_loss=value_loss)
    orders = [passes[start : start + 12] for start in range(0, 72, 12)]
    assert all(len(set(order)) == 12 for order in orders), "each once"
    assert len({tuple(order) for order in orders}) == 6, "never in the same order"
    assert orders[0] != sorted(orders[0]) and set(orders[0]) == set(orders[1]) == set(orders[2])


def test_before_the_first_step_of_an_update_the_policy_is_the_one_that_sampled():
    """Also in later updates, when it is far from the reference."""
    records = train(replace(CONFIG, lr=3e-2))
    assert [record.first_ratio for record in records] == pytest.approx([1.0] * 4, abs=1e-5)
    assert records[-1].kl > 0.1 and records[0].kl == pytest.approx(0.0, abs=1e-5)
    assert any(abs(record.ratio - 1) > 1e-4 for record in records)


def test_a_record_reports_the_mean_of_its_minibatches_and_the_first_ratio():
    steps = []

    def policy_loss(*args):
        loss, stats = clipped_policy_loss(*args)
        steps.append(float(len(steps)))
        return loss, stats | {"ratio": steps[-1], "approx_kl": 10 * steps[-1]}

    records = train(replace(CONFIG, updates=2), policy_loss=policy_loss)
    assert [record.ratio for record in records] == [1.5, 5.5]
    assert [record.approx_kl for record in records] == [15.0, 55.0]
    assert [record.first_ratio for record in records] == [0.0, 4.0]


def test_passes_end_after_the_one_whose_last_step_has_gone_too_far():
    moved = iter([9.0, 0.1, 0.1, 0.3, 9.0, 9.0, *[0.0] * 99])

    def policy_loss(*args):
        loss, stats = clipped_policy_loss(*args)
        return loss, stats | {"approx_kl": next(moved)}

    records = train(replace(CONFIG, updates=2, epochs=5, stop_kl=0.2), policy_loss=policy_loss)
    assert [record.optimizer_steps for record in records] == [4, 2]


# ---- what a record says can be found out by anybody


def test_a_record_says_of_its_batch_what_reading_it_again_says():
    """With a rate so small that nothing moves, the policy can be asked afterwards about what it has sampled."""
    policy, reference, seen = lively(CausalLM(trunk(0, SMALL))), CausalLM(trunk(0, SMALL)), []

    def reward(tokens, response_mask):
        seen.append((tokens, response_mask))
        return response_mask.sum(dim=1).float()

    config = replace(ONCE, lr=1e-12, missing_eos_score=-7.0)
    (record,) = make_small(policy=policy, config=config, reward=reward).train(None)
    ((tokens, mask),) = seen
    with torch.no_grad():
        log_probs, entropies = response_log_probs(policy, tokens, mask)
        ref_log_probs, _ = response_log_probs(reference, tokens, mask)
    ended = torch.stack([row[m][-1] == EOS for row, m in zip(tokens, mask, strict=True)])
    lengths = mask.sum(dim=1).float()
    assert record.response_length == lengths.mean().item() and record.ended == ended.float().mean().item()
    assert record.score == pytest.approx(torch.where(ended, lengths, -7.0).mean().item())
    assert record.kl == pytest.approx((log_probs - ref_log_probs).sum(dim=1).mean().item(), abs=1e-4)
    assert record.entropy == pytest.approx(-log_probs.sum(dim=1).mean().item(), abs=1e-4)
    assert record.policy_entropy == pytest.approx(entropies[mask].mean().item(), abs=1e-4)
    assert record.policy_entropy != pytest.approx(-log_probs[mask].mean().item(), abs=1e-2)


@pytest.mark.parametrize(
    ("foreseen", "explained"),
    [
        (lambda values: values, 1.0),
        (lambda values: values + 3, 1.0),  # a constant error is no ignorance of what differs
        (lambda values: 2 * values, 0.75),
        (lambda values: 0.5 * values, 0.0),
        (lambda values: -values, -3.0),
    ],
    ids=["all", "all but a constant", "half", "twice as much", "the opposite"],
)
def test_explained_variance_is_what_is_left_of_the_returns_in_the_response_alone(foreseen, explained):
    def advantages(rewards, values, mask, gamma, lam):
        return rewards, torch.where(mask, foreseen(values), 0.0)

    value_model = lively(ValueModel(trunk(1, SMALL)))
    (record,) = train(ONCE, value_model=value_model, advantage_fn=advantages)
    assert record.explained_variance == pytest.approx(explained, abs=1e-4)


def test_whatever_is_foreseen_where_all_is_alike_the_record_is_finite():
    (record,) = train(ONCE, advantage_fn=lambda rewards, values, mask, gamma, lam: (rewards, torch.zeros_like(values)))
    assert record.explained_variance == 1.0


def test_estimates_carry_no_gradient():
    policy, value_model = lively(CausalLM(trunk(0, SMALL))), lively(ValueModel(trunk(1, SMALL)))
    rollout = collect(policy, policy, count(1), PROMPTS.prompts, 5, generator())
    assert not any(x.requires_grad for x in estimate(rollout, value_model, 0.1, CONFIG))


# ---- models of their own


@pytest.mark.parametrize("shared", ["policy and reference", "policy and values", "reference and values"])
def test_no_two_models_may_share_their_weights(shared):
    policy, reference, values = (trunk(seed, SMALL) for seed in range(3))
    models = {
        "policy and reference": (policy, policy, values),
        "policy and values": (policy, reference, policy),
        "reference and values": (policy, reference, reference),
    }[shared]
    policy, reference, values = CausalLM(models[0]), CausalLM(models[1]), ValueModel(models[2])
    with pytest.raises(ValueError, match="shares its weights"):
        next(train_ppo(policy, reference, count(1), values, PROMPTS, CONFIG))


def test_the_reference_is_never_moved():
    policy, reference = CausalLM(trunk(0, SMALL)), CausalLM(trunk(0, SMALL))
    before = fingerprint(reference)
    list(train_ppo(policy, reference, count(1), ValueModel(trunk(1, SMALL)), PROMPTS, CONFIG))
    assert fingerprint(reference) == before != fingerprint(policy)
    assert all(p.grad is None for p in reference.parameters())


@pytest.mark.parametrize("who", ["policy", "reference", "value_model", "reward_model"])
def test_what_cannot_be_read_to_its_end_is_refused_before_anything_is_sampled(who):
    """The longest prompt has 3 tokens and may get 5 more: 8 is room enough, and 7 is not, whoever has to read it."""
    for context in (8, 7):
        short = {who: replace(SMALL, context=context)}
        policy, reference = (CausalLM(trunk(0, short.get(name, SMALL))) for name in ("policy", "reference"))
        reward_model, value_model = (
            kind(trunk(0, short.get(name, SMALL)))
            for kind, name in ((RewardModel, "reward_model"), (ValueModel, "value_model"))
        )
        run = train_ppo(policy, reference, reward_model, value_model, PROMPTS, CONFIG)
        if context == 8:
            assert next(run).update == 1
            continue
        before = torch.get_rng_state()
        with pytest.raises(
            ValueError, match=rf"Prompt 3 of 3 has 3 tokens.*5 new.*{who} reads, which is 7.*above 2 tok.*to 4"
        ):
            next(run)
        assert torch.equal(torch.get_rng_state(), before)
