"""GRPO: unbiased where groups can be enumerated, the optimum of such a problem, TRL's loss, a stage's promises."""

from copy import deepcopy
from dataclasses import asdict, fields, replace
from functools import partial
from itertools import product
from math import comb, isfinite, log

import pytest
import torch
from foreign import foreign, tiny_gpt2, tiny_words
from tiny import (
    EOS,
    EQUATIONS,
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

from minirlhf.data import Prompts, collate
from minirlhf.groups import (
    centred_advantages,
    constant_mean,
    group_advantages,
    k1,
    k2,
    k3,
    sequence_mean,
    standardised_advantages,
)
from minirlhf.grpo import GRPOConfig, GRPORecord, train_grpo
from minirlhf.losses import clipped_policy_loss
from minirlhf.machine.not_finite import NotFiniteError
from minirlhf.metrics import METRICS, named
from minirlhf.model import CausalLM, GPTConfig, response_log_probs
from minirlhf.ops import masked_mean, masked_sum
from minirlhf.rollout import sample

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = GRPOConfig(updates=3, prompts=3, group_size=4, max_new_tokens=5, lr=3e-3)
THREE = GPTConfig(vocab_size=3, context=4, layers=1, heads=2, channels=32)
LOGITS = torch.tensor([0.3, -0.8, 1.1, 0.2], dtype=torch.float64)
WORTH = torch.tensor([1.0, -0.5, 0.25, 2.0], dtype=torch.float64)


def make(policy=None, config=CONFIG, **arguments) -> Run:
    return sampling_run(train_grpo, config, policy, **arguments)


def train(config=CONFIG, **arguments):
    return list(make(config=config, sizes=SMALL, **arguments).train(None))


# ---- what a group says of each reply


def test_the_reference_values():
    scores = torch.tensor(EQUATIONS["groups"]["scores"], dtype=torch.float64)
    equal(group_advantages(scores.flatten(), 4).view(3, 4), torch.tensor(EQUATIONS["groups"]["rloo"]).double(), 1e-6)
    wanted = torch.tensor(EQUATIONS["groups"]["grpo"]).double()
    equal(standardised_advantages(scores.flatten(), 4).view(3, 4), wanted, 1e-3)


def gradient(group, advantages):
    """What one group of one-token replies pushes the logits to: the mean of A · ∇log π."""
    chances = LOGITS.softmax(dim=0)
    pushed = [a * (torch.nn.functional.one_hot(y, 4) - chances) for y, a in zip(group, advantages, strict=True)]
    return torch.stack(pushed).mean(dim=0)


def over_all_groups(size, worth, advantage_fn):
    """The mean push over every group that can be drawn, each as often as it comes up."""
    chances, total = LOGITS.softmax(dim=0), torch.zeros(4, dtype=torch.float64)
    for group in torch.cartesian_prod(*[torch.arange(4)] * size):
        total += chances[group].prod() * gradient(group, advantage_fn(worth[group], size))
    return total


def slope(worth):
    return torch.autograd.functional.jacobian(lambda x: (x.softmax(dim=0) * worth).sum(), LOGITS)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_over_all_groups_the_push_is_the_slope_of_the_expected_score(size):
    equal(over_all_groups(size, WORTH, group_advantages), slope(WORTH), 1e-14)
    equal(over_all_groups(size, WORTH, centred_advantages), slope(WORTH) * (size - 1) / size, 1e-14)


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("right", [[0], [2], [0, 1, 2]])
def test_dividing_by_the_spread_weighs_prompts_by_their_difficulty(size, right):
    """√((G-1)/G³) · E √(K(G-K)) / (p(1-p)) times the slope of p, K right ones of G. Without it: once the slope."""
    worth = torch.zeros(4, dtype=torch.float64)
    worth[right] = 1.0
    p = LOGITS.softmax(dim=0)[right].sum().item()
    expected = sum(comb(size, k) * p**k * (1 - p) ** (size - k) * (k * (size - k)) ** 0.5 for k in range(size + 1))
    weight = ((size - 1) / size**3) ** 0.5 * expected / (p * (1 - p))
    # 1e-4 is added to a spread of about one half
    equal(over_all_groups(size, worth, standardised_advantages), weight * slope(worth), 3e-4 * weight)


def test_a_group_that_agrees_teaches_exactly_nothing():
    for score in (0.0, 1.0, 0.1, -2 / 3, 1e6):
        for advantage_fn in (group_advantages, centred_advantages, standardised_advantages):
            assert not advantage_fn(torch.full((8,), score), 4).any()


def test_groups_do_not_see_one_another():
    score = torch.randn(12, generator=generator())
    moved = score + torch.tensor([0.0, 5.0, -3.0]).repeat_interleave(4)
    for advantage_fn in (group_advantages, centred_advantages, standardised_advantages):
        equal(advantage_fn(moved, 4), advantage_fn(score, 4), 1e-5)
        equal(advantage_fn(score, 4)[:4], advantage_fn(score[:4], 4), 1e-6)


# ---- how tokens are averaged


def push_to_stop(aggregate):
    """What right replies push the stop's logit to, on average over all lengths that two replies may have.

    Right and wrong have nothing to do with length here, so on average nothing should push at all.
    """
    longest, z = 6, torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)
    goes, stops = torch.nn.functional.logsigmoid(-z), torch.nn.functional.logsigmoid(z)
    s = torch.sigmoid(z).item()
    chances = [s * (1 - s) ** (n - 1) for n in range(1, longest)] + [(1 - s) ** (longest - 1)]
    total = torch.zeros((), dtype=torch.float64)
    for mine, other in product(range(1, longest + 1), repeat=2):
        mask = torch.arange(longest) < torch.tensor([[mine], [other]])
        log_probs = torch.where(torch.arange(longest) == torch.tensor([[mine - 1], [other - 1]]), stops, goes)
        log_probs = torch.where((torch.arange(longest) == longest - 1) & mask, 0.0, log_probs)  # the cut is no choice
        advantages = torch.tensor([[1.0], [0.0]], dtype=torch.float64).expand(2, longest)  # only mine was right
        loss, _ = clipped_policy_loss(log_probs, log_probs.detach(), advantages, mask, 0.2, aggregate)
        total = total + chances[mine - 1] * chances[other - 1] * loss
    (slope,) = torch.autograd.grad(-total, z)
    return slope.item()


def test_only_the_mean_of_each_reply_by_itself_makes_right_replies_shorter():
    fair, short = push_to_stop(partial(constant_mean, length=6)), push_to_stop(sequence_mean)
    assert abs(fair) < 1e-15
    assert short > push_to_stop(masked_mean) > 0.01


def test_micro_batches_of_unequal_lengths_are_one_batch_where_the_length_is_fixed():
    x = torch.randn(4, 6, generator=generator())
    mask = torch.arange(6) < torch.tensor([[1], [6], [2], [3]])
    for aggregate, same in ((partial(constant_mean, length=6), True), (sequence_mean, True), (masked_mean, False)):
        parts = torch.stack([aggregate(x[rows], mask[rows]) for rows in (slice(0, 2), slice(2, 4))]).mean()
        assert torch.isclose(parts, aggregate(x, mask), atol=1e-6).item() == same


def test_no_mean_sees_what_is_off_the_mask():
    x, mask = torch.randn(3, 5, generator=generator()), torch.arange(5) < torch.tensor([[2], [5], [0]])
    for aggregate in (sequence_mean, partial(constant_mean, length=5)):
        equal(aggregate(torch.where(mask, x, float("nan")), mask), aggregate(x, mask), 1e-7)


# ---- which KL is a leash


REF = torch.tensor([0.0, 0.5, -0.2, 0.9], dtype=torch.float64)


def kl(logits, other):
    p, q = logits.log_softmax(dim=0), other.log_softmax(dim=0)
    return (p.exp() * (p - q)).sum()


def as_loss(estimator):
    """The gradient that an estimator has as a loss, on average over samples of the policy, which are held fixed."""

    def expected(x):
        log_p, log_ref = x.log_softmax(dim=0), REF.log_softmax(dim=0)
        return (log_p.exp().detach() * estimator(log_p.unsqueeze(0), log_ref.unsqueeze(0)).squeeze(0)).sum()

    return torch.autograd.functional.jacobian(expected, LOGITS)


def test_as_a_loss_k1_is_none_k2_is_the_leash_and_k3_looks_from_the_other_side():
    towards = torch.autograd.functional.jacobian(lambda x: kl(x, REF), LOGITS)
    backwards = torch.autograd.functional.jacobian(lambda x: kl(REF, x), LOGITS)
    equal(as_loss(k1), torch.zeros(4).double(), 1e-15)
    equal(as_loss(k2), towards, 1e-15)
    equal(as_loss(k3), backwards, 1e-15)
    assert towards.abs().max() > 0.01 and not torch.allclose(towards, backwards, atol=1e-2)


def test_in_the_reward_k1_is_the_leash():
    log_ratio = LOGITS.log_softmax(dim=0) - REF.log_softmax(dim=0)
    towards = torch.autograd.functional.jacobian(lambda x: kl(x, REF), LOGITS)
    equal(over_all_groups(3, -log_ratio, group_advantages), -towards, 1e-14)


def test_k1_and_k3_are_right_on_average_and_k3_is_never_negative():
    log_p, log_ref = LOGITS.log_softmax(dim=0).unsqueeze(0), REF.log_softmax(dim=0).unsqueeze(0)
    for estimator in (k1, k3):
        equal((log_p.exp() * estimator(log_p, log_ref)).sum(), kl(LOGITS, REF), 1e-15)
    assert (k3(log_p, log_ref) >= 0).all() and (k1(log_p, log_ref) < 0).any()
    near = torch.full((1, 1), 1e-5)
    assert k3(near, torch.zeros(1, 1)).item() == pytest.approx(5e-11, rel=0.01)  # exp(d) - 1 - d would give 0


# ---- the optimum

REPLIES = [list(reply) for reply in product(range(3), repeat=2)]


def probabilities(model):
    tokens, mask = collate([[1]] * len(REPLIES), REPLIES, 3)
    with torch.no_grad():
        return masked_sum(response_log_probs(model, tokens, mask)[0], mask).exp()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_with_a_verifier_right_replies_gain_what_the_leash_allows_and_nothing_else_changes(seed):
    """π* ∝ π_ref · exp(r/β): logit p* = logit p + 1/β, and among right replies, and among wrong ones, all as before."""
    beta, reference = 0.5, talker(seed, THREE)
    right = torch.tensor([len(set(reply)) == 1 for reply in REPLIES])  # both tokens alike
    p_ref = probabilities(reference)
    wanted = (p_ref.log() + right / beta).softmax(dim=0)
    p, p_star = p_ref[right].sum().item(), wanted[right].sum().item()
    assert log(p_star / (1 - p_star)) == pytest.approx(log(p / (1 - p)) + 1 / beta, abs=1e-4)
    policy, before = deepcopy(reference), 0.5 * (p_ref - wanted).abs().sum().item()
    config = GRPOConfig(
        updates=160, prompts=32, group_size=8, epochs=2, minibatches=1, max_new_tokens=2, lr=5e-3, beta=beta, seed=seed
    )
    verifier = lambda tokens, _: (tokens[:, 1] == tokens[:, 2]).float()  # noqa: E731
    for _ in train_grpo(policy, reference, verifier, Prompts([[1]]), config):
        pass
    assert 0.5 * (probabilities(policy) - wanted).abs().sum().item() < 0.1 < before


# ---- beside TRL


@pytest.fixture(scope="module")
def their_trainer(tmp_path_factory):
    """A GRPOTrainer with these settings; its model does not matter, since each loss brings its own."""
    import datasets
    import trl

    def build(**settings):
        arguments = trl.GRPOConfig(
            output_dir=str(tmp_path_factory.mktemp("trl")),
            per_device_train_batch_size=4,
            num_generations=4,
            max_completion_length=7,
            use_cpu=True,
            report_to=[],
            bf16=False,
            epsilon=0.2,
            use_bias_correction_kl=False,
            **settings,
        )
        return trl.GRPOTrainer(
            model=tiny_gpt2(1),
            reward_funcs=lambda completions, **_: [0.0] * len(completions),
            args=arguments,
            train_dataset=datasets.Dataset.from_list([{"prompt": "w1 w2"}] * 4),
            processing_class=tiny_words(),
        )

    return build


@pytest.mark.filterwarnings("ignore:::(transformers|trl|torch|accelerate)")
@pytest.mark.parametrize("beta", [0.0, 0.3])
@pytest.mark.parametrize(
    ("loss_type", "aggregate"),
    [("bnpo", masked_mean), ("grpo", sequence_mean), ("dr_grpo", partial(constant_mean, length=7))],
)
def test_trl_computes_the_same_loss(their_trainer, loss_type, aggregate, beta):
    """Away from where the replies were sampled, so that the clip bites; replies of unequal lengths."""
    theirs = their_trainer(loss_type=loss_type, beta=0.0)
    theirs.model.eval()
    theirs.beta = beta  # set afterwards, so that it loads no reference: the batch brings what one would say
    replies = torch.randint(1, 38, (4, 7), generator=generator())
    replies_mask = torch.arange(7) < torch.tensor([[7], [1], [3], [5]])
    prompts = torch.tensor([[1, 2]]).expand(4, 2)
    tokens = torch.cat([prompts, torch.where(replies_mask, replies, 39)], dim=1)
    mask = torch.cat([torch.zeros(4, 2, dtype=torch.bool), replies_mask], dim=1)
    with torch.no_grad():
        log_probs, _ = response_log_probs(foreign(theirs.model, 39), tokens, mask)
        ref, _ = response_log_probs(foreign(tiny_gpt2(2), 39), tokens, mask)
    old = torch.where(mask, log_probs + 0.4 * torch.randn(4, 9, generator=generator(3)), 0.0)
    advantages = torch.tensor([1.5, -0.5, 0.25, -1.25])
    batch = {
        "prompt_ids": prompts,
        "prompt_mask": torch.ones_like(prompts),
        "completion_ids": tokens[:, 2:],
        "completion_mask": replies_mask.long(),
        "advantages": advantages,
        "old_per_token_logps": old[:, 2:],
        "ref_per_token_logps": ref[:, 2:],
        "num_items_in_batch": replies_mask.sum(),
    }
    wanted = theirs._compute_loss(theirs.model, batch).item()
    loss, stats = clipped_policy_loss(log_probs, old, advantages.unsqueeze(1).expand(4, 9), mask, 0.2, aggregate)
    loss = loss + beta * aggregate(k3(log_probs, ref), mask)
    assert loss.item() == pytest.approx(wanted, abs=1e-5)
    clipped = theirs._metrics["eval"]["clip_ratio/region_mean"][-1]
    assert stats["clip_fraction"] == pytest.approx(clipped, abs=1e-6)
    assert clipped > 0.1


# ---- what holds in every update


def test_records_say_what_was_done():
    records = train()
    assert [record.update for record in records] == [1, 2, 3]
    assert records[0].kl == pytest.approx(0, abs=1e-5) and records[0].first_ratio == pytest.approx(1, abs=1e-5)
    for record in records:
        assert record.rlhf_reward == pytest.approx(record.score - CONFIG.beta * record.kl, abs=1e-6)
        assert record.kl_beyond_certainty == pytest.approx(record.kl - record.kl_of_certainty, abs=1e-6)
        assert all(isfinite(value) for value in asdict(record).values())
    assert list(METRICS[GRPORecord]) == [field.name for field in fields(GRPORecord)]
    assert named(records[0])["frac_reward_zero_std"] == records[0].frac_reward_zero_std


def test_a_record_tells_right_from_wrong():
    """Replies run on to their fifth token, and every second one is right."""
    seen = []

    def every_second(tokens, mask):
        seen.append(mask.sum(dim=1).float())
        return (torch.arange(len(tokens)) % 2).float()

    record = next(make(reward=every_second, eos_id=EOS, sizes=SMALL).train(None))
    lengths = seen[0]
    assert record.length_wrong == pytest.approx(lengths[::2].mean().item(), abs=2)  # less what never ended
    alone = next(make(reward=lambda t, m: torch.ones(len(t)), eos_id=None, sizes=SMALL).train(None))
    assert (alone.pass_at_1, alone.length_right, alone.length_wrong, alone.frac_reward_zero_std) == (1.0, 5.0, 0.0, 1.0)
    assert alone.kl_of_certainty == 0
    never = next(make(reward=lambda t, m: torch.zeros(len(t)), eos_id=None, sizes=SMALL).train(None))
    assert (never.pass_at_1, never.length_right, never.length_wrong) == (0.0, 0.0, 5.0)
    assert never.kl_of_certainty == pytest.approx(log(2 * 12))


@pytest.mark.parametrize("advantage_fn", [group_advantages, centred_advantages, standardised_advantages])
def test_where_every_group_agrees_nothing_moves(advantage_fn):
    config = replace(CONFIG, beta=0.0)
    run = make(reward=lambda t, m: torch.ones(len(t)), eos_id=None, config=config, advantage_fn=advantage_fn)
    before = fingerprint(run.models["policy"])
    assert all(record.grad_norm == 0 and record.policy_loss == 0 for record in run.train(None))
    assert fingerprint(run.models["policy"]) == before


def test_the_printed_loss_is_0_and_the_gradient_is_not():
    """One pass over replies of one length: the advantages of a group add up to 0, and their gradients do not."""
    record = train(replace(CONFIG, epochs=1, minibatches=1, beta=0.0), eos_id=None)[0]
    assert record.policy_loss == pytest.approx(0, abs=1e-6)
    assert record.grad_norm > 0.01 and record.ratio == pytest.approx(1, abs=1e-5)


def test_it_learns_and_the_leash_holds():
    config = replace(CONFIG, updates=30, prompts=8, lr=1e-2)
    loose, held = (train(replace(config, beta=beta), eos_id=None) for beta in (0.0, 1.0))
    assert loose[-1].score > loose[0].score + 1
    assert held[-1].kl < 0.5 * loose[-1].kl


@pytest.mark.parametrize(("estimator", "holds"), [(k1, False), (k2, True), (k3, True)])
def test_in_the_loss_only_some_of_them_pull_a_policy_back(estimator, holds):
    """Nothing is paid for, and the policy starts away from its reference."""
    config = replace(CONFIG, updates=40, prompts=16, lr=3e-3, epochs=1, minibatches=1, beta=1.0)
    policy = talker(1, replace(SMALL, eos_id=None))
    paid = {"reward": lambda tokens, mask: torch.zeros(len(tokens)), "eos_id": None}
    first, *_, last = train(config, policy=policy, kl_in_loss=estimator, **paid)
    assert (last.kl < 0.5 * first.kl) == holds


def test_a_learners_own_hearts_drive_the_training():
    calls = []

    def compared(score, group_size):
        calls.append(("advantages", len(score), group_size))
        return group_advantages(score, group_size)

    def loss(*args):
        calls.append("loss")
        return clipped_policy_loss(*args)

    assert train(policy_loss=loss, advantage_fn=compared) == train()
    assert calls[:5] == [("advantages", 12, 4), "loss", "loss", "loss", "loss"]


def test_rows_of_a_group_answer_one_prompt():
    seen = []

    def reward(tokens, mask):
        starts = mask.long().argmax(dim=1)
        seen.extend(tuple(row[:start].tolist()) for row, start in zip(tokens, starts, strict=True))
        return torch.zeros(len(tokens))

    next(make(reward=reward, config=replace(CONFIG, prompts=6)).train(None))
    groups = [seen[i : i + 4] for i in range(0, 24, 4)]
    assert all(len(set(group)) == 1 for group in groups) and len(set(seen)) > 1


def test_peeking_changes_nothing():
    check_that_peeking_changes_nothing(make, lambda run: sample(run.models["policy"], PROMPTS.prompts, 4, generator()))


def test_breaking_leaves_a_prefix():
    check_that_breaking_leaves_a_prefix(make, 2)


def test_resuming_from_disk_is_exact(tmp_path):
    state = check_that_resuming_is_exact(make, 2, tmp_path, CONFIG.seed)
    assert "start" in state.numbers  # the share right at update 1, which update 3 still reports


def test_ctrl_c_anywhere_leaves_usable_models():
    check_that_ctrl_c_anywhere_leaves_usable_models(make, CONFIG.seed, moments=8)


def test_settings_are_heeded():
    once = replace(CONFIG, updates=1, prompts=8, group_size=8, epochs=1, minibatches=1)

    def small(policy=None, config=once):
        return make(policy, config, sizes=SMALL)

    check_that_gradients_are_held_to_their_norm(small, once)
    check_that_the_first_step_is_as_large_as_its_rate(small, once, once.lr)
    check_that_the_seed_decides(small, once)


def test_what_is_no_number_stops_before_the_model_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = make(reward=lambda tokens, mask: torch.full((len(tokens),), float("nan")), eos_id=None)
    before = fingerprint(run.models["policy"])
    with pytest.raises(NotFiniteError):
        list(run.train(None))
    assert fingerprint(run.models["policy"]) == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, 0) for name in ("updates", "prompts", "group_size", "epochs", "minibatches", "max_new_tokens")),
        *((name, value) for name in ("lr", "clip", "max_grad_norm") for value in (0.0, float("nan"))),
        ("beta", -0.1),
        ("missing_eos_score", float("-inf")),
        ("group_size", 1),
        ("minibatches", 5),
    ],
)
def test_a_setting_out_of_range_fails_where_it_is_written(name, value):
    with pytest.raises(ValueError, match=rf"GRPOConfig\.{name} .*{value}"):
        replace(CONFIG, **{name: value})


def test_there_must_be_prompts_and_a_reference_of_its_own():
    policy = CausalLM(trunk(0, SMALL))
    with pytest.raises(ValueError, match="no prompts"):
        next(train_grpo(policy, deepcopy(policy), count(1), Prompts([]), CONFIG))
    with pytest.raises(ValueError, match="shares its weights"):
        next(train_grpo(policy, policy, count(1), PROMPTS, CONFIG))
