"""DPO and KTO: the optimum of a problem that can be enumerated, what TRL computes, and what every stage promises."""

import math
from copy import deepcopy
from dataclasses import asdict, replace
from itertools import islice, product

import pytest
import torch
from foreign import foreign, tiny_gpt2, tiny_words
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
    equation,
    fingerprint,
    generator,
    lively,
    small_tokenizer,
    talker,
    trunk,
)

from minirlhf.checkpoint import load_state, save
from minirlhf.data import Comparisons, Judgements, collate
from minirlhf.dpo import Best, DPOConfig, pair_log_probs, train_dpo
from minirlhf.kto import KTOConfig, kto_loss, train_kto
from minirlhf.losses import bradley_terry_loss, dpo_loss, implicit_reward
from minirlhf.metrics import METRICS, named
from minirlhf.model import CausalLM, GPTConfig, response_log_probs
from minirlhf.training import new_state

pytestmark = pytest.mark.usefixtures("one_thread")

A, B = 40, 50  # two token ids; whoever votes here likes A
CONFIG = DPOConfig(steps=6, batch_size=4, lr=3e-3, warmup=2)


def pairs(n=11, seed=0, preference=1.0):
    """Random replies of up to 5 tokens to prompts of up to 3; the chosen one has more of A."""
    numbers, found = generator(seed), ([], [], [])
    while len(found[0]) < n:
        lengths = torch.randint(1, 6, (2,), generator=numbers).tolist()
        one, other = ([(A, B)[int(x)] for x in torch.randint(2, (k,), generator=numbers)] for k in lengths)
        if one.count(A) != other.count(A):
            chosen, rejected = sorted((one, other), key=lambda ids: -ids.count(A))
            prompt = [3, 4, 5][: 1 + len(found[0]) % 3]
            for into, ids in zip(found, (prompt, chosen, rejected), strict=True):
                into.append(ids)
    return Comparisons(*found, [preference] * n)


def make(policy=None, config=CONFIG, comparisons=None, **more) -> Run:
    reference = CausalLM(trunk(0, TYPED))
    policy = policy or deepcopy(reference)
    comparisons = comparisons or pairs()
    return Run({"policy": policy}, lambda state: train_dpo(policy, reference, comparisons, config, state=state, **more))


THUMBS = Judgements(
    [[3, 4]] * 9,
    [[A, A], [B], [A], [B, B, A], [A, A, A], [B, B], [A, B, A], [B, B, B], [A]],
    [True, False] * 4 + [True],
)
THUMBS_CONFIG = KTOConfig(steps=6, batch_size=4, lr=3e-3, warmup=2)


def make_kto(policy=None, config=THUMBS_CONFIG) -> Run:
    reference = CausalLM(trunk(0, TYPED))
    policy = policy or deepcopy(reference)
    return Run({"policy": policy}, lambda state: train_kto(policy, reference, THUMBS, config, state=state))


# ---- the equations


def as_rows(*names):
    """Sums over replies, as a batch of replies of one token each: the chosen above, the rejected below."""
    chosen, rejected = equation(*names, of=EQUATIONS["preference"])
    return torch.cat([chosen, rejected]).unsqueeze(1)


@pytest.mark.parametrize(("name", "preference"), [("dpo", 1.0), ("cdpo", 0.9)])
def test_the_loss_is_the_reference_value(name, preference):
    """A soft label is cDPO: the voter is wrong one time in ten."""
    log_probs, ref = as_rows("policy_chosen", "policy_rejected"), as_rows("ref_chosen", "ref_rejected")
    mask = torch.ones_like(log_probs, dtype=torch.bool)
    weights = torch.full((len(log_probs) // 2,), preference, dtype=torch.float64)
    loss, _ = dpo_loss(log_probs, ref, mask, EQUATIONS["preference"]["beta"], weights)
    equal(loss.item(), EQUATIONS["preference"][name])


def test_a_tie_pulls_towards_equal_rewards():
    ref, mask = torch.zeros(2, 1).double(), torch.ones(2, 1, dtype=torch.bool)
    for lead, sign in ((0.0, 0), (2.0, 1), (-2.0, -1)):
        log_probs = torch.tensor([[lead], [0.0]]).double().requires_grad_()
        dpo_loss(log_probs, ref, mask, 0.5, torch.tensor([0.5]).double())[0].backward()
        assert torch.sign(log_probs.grad[0]).item() == sign


def test_what_is_off_the_mask_counts_nowhere():
    log_probs, ref = -torch.rand(4, 6, generator=generator()), -torch.rand(4, 6, generator=generator(1))
    mask = torch.rand(4, 6, generator=generator(2)) < 0.5
    elsewhere = torch.where(mask, log_probs, 1e6)
    equal(dpo_loss(elsewhere, ref, mask, 0.1)[0], dpo_loss(log_probs, ref, mask, 0.1)[0])
    equal(implicit_reward(elsewhere, ref, mask, 0.1), implicit_reward(log_probs, ref, mask, 0.1))


def test_a_reply_said_twice_is_worth_twice_as_much():
    """A sum over the tokens, not a mean: otherwise length would be divided away."""
    x, mask = -torch.rand(3, 4, generator=generator()).double(), torch.ones(3, 4, dtype=torch.bool)
    once = implicit_reward(x, 2 * x, mask, 0.3)
    equal(
        implicit_reward(torch.cat([x, x], 1), torch.cat([2 * x, 2 * x], 1), torch.cat([mask, mask], 1), 0.3), 2 * once
    )


def test_kto_starts_at_one_half_and_moves_ups_and_downs_apart():
    log_probs = torch.full((2, 3), -1.0).requires_grad_()
    mask, label = torch.ones(2, 3, dtype=torch.bool), torch.tensor([True, False])
    loss, stats = kto_loss(log_probs, log_probs.detach(), mask, 0.1, label, torch.zeros(()))
    assert loss.item() == 0.5 and stats["accuracy"] == 0.5
    loss.backward()
    assert (log_probs.grad[0] < 0).all() and (log_probs.grad[1] > 0).all()


def test_kto_asks_more_of_an_up_the_farther_the_policy_has_gone():
    log_probs, mask = torch.full((2, 3), -1.0), torch.ones(2, 3, dtype=torch.bool)
    kl = torch.tensor(2.0, requires_grad=True)
    ups, downs = (kto_loss(log_probs, log_probs, mask, 0.5, torch.full((2,), up), kl)[0].item() for up in (True, False))
    assert ups > 0.5 > downs and ups + downs == pytest.approx(1.0)
    assert not kto_loss(log_probs, log_probs, mask, 0.5, torch.tensor([True, False]), kl)[0].requires_grad


# ---- the optimum: three tokens, replies of up to three, and every pair of them asked about

THREE = GPTConfig(vocab_size=3, context=4, layers=1, heads=2, channels=32)
REPLIES = [list(reply) for reply in product(range(3), repeat=2)]  # the prompt is one token
WORTH = torch.tensor([float(reply.count(1)) - 0.5 * reply.count(2) for reply in REPLIES])
BETA = 0.5


def probabilities(model):
    tokens, mask = collate([[0]] * len(REPLIES), REPLIES, 3)
    with torch.no_grad():
        return response_log_probs(model, tokens, mask)[0].sum(dim=1).exp()


def distance(p, q):
    return 0.5 * (p - q).abs().sum().item()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_finds_the_optimum_that_ppo_aims_at(seed):
    """π* ∝ π_ref · exp(r/β), from Bradley and Terry's choices between all pairs alone. (Rafailov et al., 2023.)"""
    reference = talker(seed, THREE)
    p_ref = probabilities(reference)
    wanted = (p_ref.log() + WORTH / BETA).softmax(dim=0)
    assert p_ref.sum().item() == pytest.approx(1, abs=1e-5) and distance(p_ref, wanted) > 0.15
    couples = [(i, j) for i in range(len(REPLIES)) for j in range(len(REPLIES)) if i < j]
    preference = [torch.sigmoid(WORTH[i] - WORTH[j]).item() for i, j in couples]
    comparisons = Comparisons(
        [[0]] * len(couples), [REPLIES[i] for i, _ in couples], [REPLIES[j] for _, j in couples], preference
    )
    policy, before = deepcopy(reference), distance(p_ref, wanted)
    config = DPOConfig(steps=400, batch_size=len(couples), lr=1e-2, warmup=10, beta=BETA, seed=seed)
    for _ in train_dpo(policy, reference, comparisons, config):
        pass
    assert distance(probabilities(policy), wanted) < 0.1 < before


def test_at_the_optimum_the_chosen_have_become_less_probable():
    """So a falling chosen is no sign of a fault: the mean of both implicit rewards is -β KL(ref ‖ π), below 0."""
    p_ref = torch.full((len(REPLIES),), 1 / len(REPLIES), dtype=torch.float64)
    best = (p_ref.log() + WORTH.double() / BETA).softmax(dim=0)
    reward = BETA * (best / p_ref).log()
    wins = torch.sigmoid(WORTH.double().unsqueeze(1) - WORTH.double()) * p_ref * p_ref.unsqueeze(1)  # i chosen over j
    chosen, rejected = 2 * (wins.sum(1) * reward).sum(), 2 * (wins.sum(0) * reward).sum()
    equal((chosen + rejected) / 2, -BETA * (p_ref * (p_ref / best).log()).sum())
    assert rejected < chosen < 0


def test_the_prompts_constant_drops_out():
    """Whatever is added to all replies to a prompt, the loss is the same: β log Z need not be known."""
    rewards = torch.randn(2, 5, generator=generator()).double()
    equal(bradley_terry_loss(*(rewards + 7.0))[0], bradley_terry_loss(*rewards)[0])


# ---- beside TRL


@pytest.mark.filterwarnings("ignore:::(transformers|trl|torch|accelerate)")
def test_trl_computes_the_same_loss_and_logs_the_same_numbers(tmp_path):
    """At a moved policy and with unequal lengths: at the start nearly every mistake gives ln 2 too."""
    import datasets
    import trl

    policy, reference, words = tiny_gpt2(1), tiny_gpt2(2), tiny_words()
    rows = [
        {"prompt": "w1 w2", "chosen": " w3 w4 w5 w6", "rejected": " w7"},
        {"prompt": "w1", "chosen": " w9 w9", "rejected": " w10 w11 w12"},
        {"prompt": "w5 w6 w7", "chosen": " w8", "rejected": " w1 w2 w3 w4 w5"},
    ]
    settings = {"per_device_train_batch_size": 3, "use_cpu": True, "report_to": [], "bf16": False, "max_length": 32}
    arguments = trl.DPOConfig(output_dir=str(tmp_path), beta=0.3, **settings)
    theirs = trl.DPOTrainer(
        model=policy,
        ref_model=reference,
        args=arguments,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=words,
    )
    policy.eval()
    batch = theirs.data_collator(list(theirs.train_dataset))
    loss = theirs.compute_loss(policy, batch).item()
    logged = {name: values[-1] for name, values in theirs._metrics["eval"].items()}

    ids = {side: [words.encode(row[side], add_special_tokens=False) for row in rows] for side in rows[0]}
    chosen, rejected = ([[*reply, words.eos_token_id] for reply in ids[side]] for side in ("chosen", "rejected"))
    comparisons = Comparisons(ids["prompt"], chosen, rejected, [1.0] * len(rows))
    ours = next(train_dpo(foreign(policy, 39), foreign(reference, 39), comparisons, DPOConfig(batch_size=3, beta=0.3)))
    numbers = named(ours)
    assert numbers["loss"] == pytest.approx(loss, abs=1e-5)
    names = (
        "rewards/chosen",
        "rewards/rejected",
        "rewards/margins",
        "rewards/accuracies",
        "logps/chosen",
        "logps/rejected",
    )
    assert {name: numbers[name] for name in names} == pytest.approx({name: logged[name] for name in names}, abs=1e-5)


# ---- the stages


def test_the_first_loss_is_ln_2_and_the_policy_rewards_nothing():
    record = next(make().train(None))
    assert record.loss == pytest.approx(math.log(2), abs=1e-6)
    assert record.accuracy == 0.5
    assert record.chosen_reward == record.rejected_reward == record.margin == 0.0


def test_what_is_chosen_comes_to_be_worth_more_than_what_is_rejected():
    first, *_, last = make(config=replace(CONFIG, steps=60, beta=0.5)).train(None)
    assert last.loss < 0.5 < first.loss and last.accuracy > 0.9
    assert last.margin == pytest.approx(last.chosen_reward - last.rejected_reward, abs=1e-5)
    assert last.rejected_log_prob < first.rejected_log_prob


def test_a_pair_alone_is_what_it_is_in_a_batch():
    """So padding counts nowhere, and the reference's log-probabilities stand where the policy's do."""
    model, comparisons = talker(0, TYPED), pairs()
    together = pair_log_probs(model, comparisons)
    for i in range(len(comparisons)):
        alone = pair_log_probs(model, comparisons.at([i]))
        equal(together[:, [i], : alone.shape[2]], alone, 1e-5)
        assert not together[:, i, alone.shape[2] :].any()


def test_the_reference_is_asked_once_a_pair():
    reference, asked = CausalLM(trunk(0, TYPED)), []
    reference.register_forward_pre_hook(lambda _, inputs: asked.append(len(inputs[0])))
    for _ in train_dpo(deepcopy(CausalLM(trunk(0, TYPED))), reference, pairs(11), replace(CONFIG, steps=9)):
        pass
    assert sum(asked) == 2 * 11


def test_it_stops_after_the_held_out_loss_has_turned_and_keeps_the_best():
    """Three votes are learned by heart, and what others chose comes out ever worse."""
    few, others = pairs(3, seed=5), pairs(20, seed=8).swapped([True] * 20)
    config = replace(CONFIG, steps=60, lr=1e-2, patience=4)
    run = make(config=config, comparisons=few, held_out=others)
    policy, seen = run.models["policy"], []
    losses = [(record.held_out_loss, seen.append(fingerprint(policy))) for record in run.train(None)]
    losses = [loss for loss, _ in losses]
    assert len(losses) < 60
    best = min(range(len(losses)), key=losses.__getitem__)
    assert len(losses) == best + 1 + 4
    assert seen[-1] == seen[best]
    assert all(value > losses[best] for value in losses[best + 1 :])


@pytest.mark.parametrize("broken_at", ["before the best", "after the best", "at the end"])
def test_a_resumed_run_remembers_its_best_step(broken_at, tmp_path):
    config = replace(CONFIG, steps=60, lr=1e-2, patience=4)
    hearts = {"config": config, "comparisons": pairs(3, seed=5), "held_out": pairs(20, seed=8).swapped([True] * 20)}
    whole = make(**hearts)
    records = list(whole.train(None))
    best = min(range(len(records)), key=lambda i: records[i].held_out_loss)
    steps = {"before the best": max(best, 1), "after the best": best + 3, "at the end": len(records)}[broken_at]
    first = make(**hearts)
    state = new_state(config.seed, **first.models)
    begun = list(islice(first.train(state), steps))
    save(tmp_path / "run", first.models["policy"], small_tokenizer(), state)
    again = make(**hearts)
    again.models["policy"].load_state_dict(first.models["policy"].state_dict())
    found = begun + list(again.train(load_state(tmp_path / "run", **again.models)))
    assert found == records and steps <= len(records) < config.steps
    assert fingerprint(again.models["policy"]) == fingerprint(whole.models["policy"])


def test_without_held_out_pairs_nothing_is_said_of_them():
    record = next(make().train(None))
    assert record.held_out_loss is None and "eval_loss" not in named(record)
    assert "eval_loss" in named(next(make(held_out=pairs(4, seed=1)).train(None)))


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"comparisons": Comparisons([], [], [], [])}, "no comparisons"),
        ({"held_out": Comparisons([], [], [], [])}, "held_out"),
        ({"config": replace(CONFIG, patience=3)}, "held_out"),
    ],
)
def test_what_cannot_work_is_refused_at_once(arguments, what):
    reference, comparisons = CausalLM(trunk(0, TYPED)), arguments.pop("comparisons", pairs())
    config = arguments.pop("config", CONFIG)
    with pytest.raises(ValueError, match=what):
        next(train_dpo(deepcopy(reference), reference, comparisons, config, **arguments))


def test_policy_and_reference_may_not_be_one():
    model = CausalLM(trunk(0, TYPED))
    with pytest.raises(ValueError, match="deepcopy"):
        next(train_dpo(model, model, pairs(), CONFIG))
    with pytest.raises(ValueError, match="deepcopy"):
        next(train_kto(model, model, THUMBS, THUMBS_CONFIG))


def test_a_learners_own_loss_drives_the_training():
    seen = []

    def own(log_probs, ref_log_probs, mask, beta, preference):
        seen.append(beta)
        return dpo_loss(log_probs, ref_log_probs, mask, beta, preference)

    assert list(make(loss=own).train(None)) == list(make().train(None))
    assert seen == [CONFIG.beta] * CONFIG.steps


def test_thumbs_lift_what_was_liked_above_what_was_not():
    first, *_, last = make_kto(config=replace(THUMBS_CONFIG, steps=40, batch_size=9, beta=0.5)).train(None)
    assert first.loss == 0.5 and first.kl == 0.0
    assert last.loss < 0.45 and last.kl > 0
    assert last.up_reward > 0 > last.down_reward


def test_one_kind_of_thumb_alone_is_learned_from_too():
    thumbs = Judgements([[3, 4]] * 3, [[A], [A, B], [B, A]], [True] * 3)
    reference = CausalLM(trunk(0, TYPED))
    records = list(train_kto(deepcopy(reference), reference, thumbs, THUMBS_CONFIG))
    assert all(math.isfinite(value) for record in records for value in asdict(record).values())
    assert records[-1].loss < 0.5


@pytest.mark.parametrize("stage", [make, make_kto])
class TestEveryStage:
    def test_peeking_changes_nothing(self, stage):
        check_that_peeking_changes_nothing(stage, lambda run: run.models["policy"](torch.tensor([[3, 4]])))

    def test_breaking_leaves_a_prefix(self, stage):
        check_that_breaking_leaves_a_prefix(stage, 2)

    def test_resuming_is_exact(self, stage, tmp_path):
        check_that_resuming_is_exact(stage, 3, tmp_path, seed=0)

    def test_ctrl_c_anywhere_leaves_usable_models(self, stage):
        check_that_ctrl_c_anywhere_leaves_usable_models(stage, seed=0, moments=8)

    def test_settings_are_heeded(self, stage):
        config = CONFIG if stage is make else THUMBS_CONFIG
        check_that_gradients_are_held_to_their_norm(stage, config)
        check_that_the_first_step_is_as_large_as_its_rate(stage, replace(config, warmup=0), config.lr)
        check_that_the_seed_decides(stage, config)

    def test_every_number_has_its_words(self, stage):
        record = next(stage().train(None))
        assert METRICS[type(record)].keys() == asdict(record).keys()


def test_the_state_can_be_made_beforehand():
    run = make()
    assert list(run.train(new_state(CONFIG.seed, **run.models))) == list(make().train(None))


def test_beta_decides_how_far_it_goes():
    """The dearer it is to leave the reference, the nearer one stays."""
    gone = []
    for beta in (0.05, 5.0):
        run = make(config=replace(CONFIG, steps=120, beta=beta))
        last = list(run.train(None))[-1]
        gone.append(abs(last.chosen_reward - last.rejected_reward) / beta)
    assert gone[0] > 3 * gone[1]


def test_ties_alone_teach_that_nothing_matters():
    policy = lively(CausalLM(trunk(0, TYPED)), size=0.02)
    config = replace(CONFIG, steps=40, batch_size=11, lr=1e-2, beta=0.5)
    last = list(make(policy, config, pairs(preference=0.5)).train(None))[-1]
    assert last.loss == pytest.approx(math.log(2), abs=0.01)


def test_held_out_numbers_are_those_of_a_training_step_on_these_pairs():
    """One loss, one β, one preference: what is watched is what would be trained on, a tie among it."""
    policy, watched = lively(CausalLM(trunk(0, TYPED))), pairs(6, seed=3, preference=0.5)
    config = replace(CONFIG, steps=1, warmup=0, batch_size=6, beta=0.7, lr=1e-12)
    record = next(make(policy, config, watched, held_out=watched).train(None))
    assert record.held_out_loss == pytest.approx(record.loss, abs=1e-4) != pytest.approx(math.log(2), abs=1e-3)
    assert record.held_out_accuracy == pytest.approx(record.accuracy)


@pytest.mark.parametrize("stage", [make, make_kto])
def test_the_rate_rises_before_it_falls(stage):
    config = replace(CONFIG if stage is make else THUMBS_CONFIG, warmup=3)
    rates = [record.lr for record in stage(config=config).train(None)]
    assert 0 < rates[0] < rates[1] < max(rates) > rates[-1] > 0


def test_kto_counts_its_rare_thumb_as_much_as_the_many():
    """Eight ups and one down, one loss a reply: the down alone weighs as the eight together, whatever the order."""
    thumbs = Judgements([[3, 4]] * 9, [[A]] * 8 + [[B]], [True] * 8 + [False])
    reference = CausalLM(trunk(0, TYPED))
    config = replace(THUMBS_CONFIG, batch_size=1, steps=9, lr=1e-12)
    losses = sorted(record.loss for record in train_kto(deepcopy(reference), reference, thumbs, config))
    assert losses[-1] == pytest.approx(sum(losses[:-1]), rel=1e-3) and losses[0] == pytest.approx(losses[-2], rel=1e-3)


def test_kto_says_what_an_up_and_a_down_are_worth_one_by_one():
    """The rewards of a side are a mean over that side alone: the other side's number changes nothing."""
    reference, policy = CausalLM(trunk(0, TYPED)), lively(CausalLM(trunk(0, TYPED)))
    found = []
    for downs in (1, 5):
        thumbs = Judgements([[3, 4]] * (1 + downs), [[A]] + [[B]] * downs, [True] + [False] * downs)
        config = replace(THUMBS_CONFIG, batch_size=1 + downs, steps=1, warmup=0, lr=1e-12)
        record = next(train_kto(deepcopy(policy), reference, thumbs, config))
        found.append((record.up_reward, record.down_reward))
    assert found[0] == pytest.approx(found[1], rel=1e-4) and 0 not in found[0]


@pytest.mark.parametrize("losses", [[3.0, 2.0, 2.5, 2.2], [3.0, 2.0, 2.0, 2.0], [2.0, 2.1, 2.1]])
def test_the_policy_of_the_lowest_loss_comes_back_after_as_many_steps_as_patience_has(losses):
    """Each step moves every weight; a loss as low as the best is no better one."""
    policy = CausalLM(trunk(0, TYPED))
    best, seen = Best(policy, new_state(0)), []
    for i, loss in enumerate(losses):
        lively(policy, seed=i)
        seen.append(fingerprint(policy))
        best.note(loss, 2)
        assert best.is_long_ago(2) == (i == len(losses) - 1)
    assert len(set(seen)) == len(losses)
    assert fingerprint(policy) == seen[losses.index(2.0)]
