"""Supervised fine-tuning: it learns what it is shown, can be watched, broken off and resumed."""

from dataclasses import replace
from math import log

import pytest
import torch
from safetensors.torch import load_file
from tiny import (
    TYPED,
    Run,
    check_that_breaking_leaves_a_prefix,
    check_that_ctrl_c_anywhere_leaves_usable_models,
    check_that_gradients_are_held_to_their_norm,
    check_that_peeking_changes_nothing,
    check_that_resuming_is_exact,
    check_that_the_first_step_is_as_large_as_its_rate,
    check_that_the_seed_decides,
    fingerprint,
    generator,
    talker,
    trunk,
)

from minirlhf.data import Demonstrations
from minirlhf.losses import sft_loss
from minirlhf.machine.not_finite import NotFiniteError
from minirlhf.model import CausalLM
from minirlhf.rollout import sample
from minirlhf.sft import SFTConfig, train_sft
from minirlhf.training import new_state

pytestmark = pytest.mark.usefixtures("one_thread")

EOS = 0
CONFIG = SFTConfig(steps=6, batch_size=3, lr=1e-2, warmup=2)
SHOWN = Demonstrations(
    [[7], [8, 8], [9], [7, 9], [8], [9, 9, 9], [7, 7]],
    [[1, 2, EOS], [3, EOS], [4, 5, 6, EOS], [1, EOS], [2, 2, EOS], [5, EOS], [6, EOS]],
)


def make(policy=None, config=CONFIG, **hearts) -> Run:
    policy = policy or CausalLM(trunk(0, replace(TYPED, eos_id=EOS)))
    return Run({"policy": policy}, lambda state: train_sft(policy, SHOWN, config, state=state, **hearts))


def test_an_untrained_model_starts_at_ln_v():
    record = next(make().train(None))
    assert record.loss == pytest.approx(log(TYPED.vocab_size), abs=0.02)


def test_it_learns_to_say_what_it_was_shown_and_to_stop():
    run = make(config=SFTConfig(steps=120, batch_size=7, lr=1e-2, warmup=5))
    records = list(run.train(None))
    assert records[-1].loss < 0.05 and records[-1].accuracy == 1.0
    answers = sample(run.models["policy"], SHOWN.prompts, 6, generator(), temperature=0.1).responses()
    assert answers == SHOWN.responses


def test_a_record_says_what_was_done():
    records = list(make().train(None))
    assert [record.step for record in records] == [1, 2, 3, 4, 5, 6]
    assert max(record.lr for record in records) == CONFIG.lr and records[-1].lr > 0
    assert all(6 <= record.tokens <= 10 and record.grad_norm > 0 for record in records)


def test_the_padding_is_never_learned():
    run = make()
    before = run.models["policy"].trunk.token_embedding.weight[TYPED.vocab_size].clone()
    list(run.train(None))
    assert torch.equal(run.models["policy"].trunk.token_embedding.weight[TYPED.vocab_size], before)


def test_a_learners_own_loss_drives_the_training():
    lengths = []

    def my_loss(logits, tokens, mask):
        lengths.append(int(mask.sum()))
        loss, stats = sft_loss(logits, tokens, mask)
        return 0.0 * loss, stats

    run = make(loss=my_loss)
    before = fingerprint(run.models["policy"])
    records = list(run.train(None))
    assert [record.tokens for record in records] == lengths
    assert fingerprint(run.models["policy"]) == before, "a loss of 0 teaches nothing"


def test_peeking_changes_nothing():
    def peek(run):
        sample(run.models["policy"], SHOWN.prompts, 4, generator())
        run.models["policy"](torch.ones(2, 3, dtype=torch.long)).sum()

    check_that_peeking_changes_nothing(make, peek)


@pytest.mark.parametrize("k", [1, 4])
def test_breaking_leaves_a_prefix(k):
    check_that_breaking_leaves_a_prefix(make, k)


def test_resuming_from_disk_is_exact(tmp_path):
    check_that_resuming_is_exact(make, 3, tmp_path, CONFIG.seed)  # in the middle of an epoch


def test_the_seed_decides():
    assert list(make().train(None)) == list(make().train(None))
    assert list(make().train(None)) != list(make(config=replace(CONFIG, seed=1)).train(None))


def test_a_finished_run_has_nothing_left_to_do():
    run = make()
    state = new_state(CONFIG.seed, **run.models)
    assert len(list(run.train(state))) == 6
    assert list(run.train(state)) == []


def test_ctrl_c_leaves_a_usable_model_and_a_word_and_one_can_go_on():
    calls = []

    def interrupted(logits, tokens, mask):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return sft_loss(logits, tokens, mask)

    whole, run = make(), make(loss=interrupted)
    records, state, found = list(whole.train(None)), new_state(CONFIG.seed, **run.models), []
    with pytest.raises(KeyboardInterrupt) as stopped:
        for record in run.train(state):
            found.append(record)
    assert any("SFT stopped in step 4" in note and "state=" in note for note in stopped.value.__notes__)
    policy = run.models["policy"]
    assert all(p.grad is None and p.isfinite().all() for p in policy.parameters())
    found += list(make(policy).train(state))
    assert found == records and fingerprint(policy) == fingerprint(whole.models["policy"])


def test_ctrl_c_anywhere_leaves_usable_models():
    check_that_ctrl_c_anywhere_leaves_usable_models(make, CONFIG.seed)


def test_a_loss_that_is_no_number_stops_and_says_where(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = make(loss=lambda *batch: (sft_loss(*batch)[0] * float("nan"), {"accuracy": 0.0}))
    before = fingerprint(run.models["policy"])
    with pytest.raises(NotFiniteError) as stopped:
        list(run.train(None))
    assert any("SFT stopped in step 1" in note for note in stopped.value.__notes__)
    assert fingerprint(run.models["policy"]) == before
    assert len(list((tmp_path / "runs").rglob("*.safetensors"))) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("batch_size", 0),
        ("lr", 0.0),
        ("lr", -1.0),
        ("lr", float("nan")),
        ("warmup", -1),
        ("warmup", 7),
        ("max_grad_norm", 0.0),
    ],
)
def test_a_setting_out_of_range_fails_where_it_is_written(name, value):
    with pytest.raises(ValueError, match=rf"SFTConfig\.{name} is {value}"):
        replace(CONFIG, **{name: value})


def test_there_must_be_something_to_learn_from():
    with pytest.raises(ValueError, match="no demonstrations"):
        next(train_sft(talker(), Demonstrations([], []), CONFIG))


# ---- every setting is heard


def test_gradients_are_held_to_their_norm():
    check_that_gradients_are_held_to_their_norm(make, CONFIG)


def test_the_first_step_is_warmed_up_and_without_warming_up_it_is_the_whole_rate():
    check_that_the_first_step_is_as_large_as_its_rate(make, CONFIG, CONFIG.lr / 2)
    check_that_the_first_step_is_as_large_as_its_rate(make, replace(CONFIG, warmup=0), CONFIG.lr)


def test_the_rate_of_each_step_is_in_its_record():
    assert [record.lr for record in make().train(None)] == pytest.approx([0.005, 0.01, 0.01, 0.0075, 0.005, 0.0025])


def test_another_seed_shows_other_demonstrations():
    check_that_the_seed_decides(make, CONFIG)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_minibatch_is_as_large_as_was_asked(size):
    seen = []

    def counted(logits, tokens, mask):
        seen.append((len(tokens), int(mask.sum())))
        return sft_loss(logits, tokens, mask)

    records = list(make(config=replace(CONFIG, batch_size=size), loss=counted).train(None))
    assert seen == [(size, record.tokens) for record in records]
    if size == 7:
        assert {record.tokens for record in records} == {sum(map(len, SHOWN.responses))}


def test_the_batch_that_went_wrong_is_kept_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = make(loss=lambda *batch: (sft_loss(*batch)[0] * float("nan"), {"accuracy": 0.0}))
    with pytest.raises(NotFiniteError):
        next(run.train(None))
    (path,) = (tmp_path / "runs").rglob("*.safetensors")
    kept = load_file(path)
    assert kept["tokens"].shape == kept["mask"].shape and len(kept["tokens"]) == 3


def test_warming_up_may_take_all_steps_and_no_more():
    for steps in (1, 3, 40):
        assert SFTConfig(steps=steps, warmup=steps).warmup == steps
        with pytest.raises(ValueError, match=rf"SFTConfig\.warmup is {steps + 1}; it must be from 0 to {steps}"):
            SFTConfig(steps=steps, warmup=steps + 1)
