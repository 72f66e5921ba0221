"""One optimiser step, the learning rate, and stopping well."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from minirlhf.training import NotFiniteError, linear_lr, new_state, optimizer_step, require, resumable


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path, monkeypatch):
    """Batches that went wrong are saved under the current folder."""
    monkeypatch.chdir(tmp_path)


def model_of(*weights: float) -> nn.Linear:
    model = nn.Linear(len(weights), 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([weights]))
    return model


@pytest.mark.parametrize("warmup", [0, 1, 4])
def test_the_learning_rate_rises_to_its_peak_and_falls_in_a_line_to_0(warmup):
    rates = [linear_lr(0.5, step, 20, warmup) for step in range(21)]
    assert max(rates) == rates[warmup] == 0.5
    assert rates[20] == 0.0 and min(rates[:20]) > 0
    falls = {round(a - b, 12) for a, b in zip(rates[warmup:], rates[warmup + 1 :], strict=False)}
    assert len(falls) == 1 and falls.pop() > 0
    assert rates[: warmup + 1] == sorted(rates[: warmup + 1])


def test_warming_up_until_the_very_end_is_allowed():
    assert [linear_lr(1.0, step, 4, 4) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]


def test_a_step_returns_the_norm_and_leaves_no_gradient():
    model = model_of(0.0, 0.0)
    optimizer = new_state(0, model=model).optimizers["model"]
    norm = optimizer_step(model(torch.tensor([3.0, 4.0])).sum(), optimizer, lr=0.1)
    assert norm == pytest.approx(5.0)
    assert all(p.grad is None for p in model.parameters())


def test_adams_first_step_is_the_learning_rate_against_the_sign():
    model = model_of(1.0, 1.0, 1.0)
    optimizer = new_state(0, model=model).optimizers["model"]
    optimizer_step(model(torch.tensor([3.0, -4.0, 0.0])).sum(), optimizer, lr=0.1, max_grad_norm=1e9)
    assert model.weight.tolist() == [pytest.approx([0.9, 1.1, 1.0], abs=1e-5)]


def test_the_clip_bounds_what_the_optimiser_sees():
    model = model_of(0.0, 0.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    assert optimizer_step(
        model(torch.tensor([30.0, 40.0])).sum(), optimizer, lr=1.0, max_grad_norm=1.0
    ) == pytest.approx(50.0)
    assert model.weight.norm().item() == pytest.approx(1.0, abs=1e-5)
    small = model_of(0.0, 0.0)
    optimizer_step(
        small(torch.tensor([0.3, 0.4])).sum(), torch.optim.SGD(small.parameters(), lr=0.0), lr=1.0, max_grad_norm=1.0
    )
    assert small.weight.norm().item() == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_before_the_model_changes_and_keeps_the_batch(wrong):
    model = model_of(1.0, 2.0)
    state = new_state(0, model=model)
    batch = {"tokens": torch.tensor([[1, 2]]), "mask": torch.tensor([[True, False]])}
    with pytest.raises(NotFiniteError, match="lower learning rate") as stopped:
        optimizer_step(model(torch.tensor([wrong, 0.0])).sum(), state.optimizers["model"], 0.1, **batch)
    assert model.weight.tolist() == [[1.0, 2.0]] and model.weight.grad is None
    saved = load_file(re.search(r"in (\S+\.safetensors)", str(stopped.value))[1])
    assert saved.keys() == batch.keys()
    assert all(torch.equal(saved[name], batch[name]) for name in batch)


def test_a_gradient_that_is_no_number_stops_too():
    model = model_of(0.0)
    with pytest.raises(NotFiniteError, match=r"loss is 0\.0 and its gradient's norm (inf|nan)"):
        optimizer_step(model.weight.sum().sqrt(), new_state(0, model=model).optimizers["model"], 0.1)
    assert model.weight.item() == 0.0


def test_the_batch_is_saved_even_where_runs_cannot_be_written():
    Path("runs").write_text("a file, where a folder was wanted")
    model = model_of(1.0)
    with pytest.raises(NotFiniteError) as stopped:
        optimizer_step(
            model(torch.tensor([float("nan")])).sum(),
            new_state(0, model=model).optimizers["model"],
            0.1,
            x=torch.ones(2),
        )
    path = Path(re.search(r"in (\S+\.safetensors)", str(stopped.value))[1])
    assert torch.equal(load_file(path)["x"], torch.ones(2))
    path.unlink()


def test_whatever_stops_a_stage_leaves_a_word_and_no_gradient():
    model = model_of(1.0, 2.0)
    state = new_state(0, model=model)
    state.step = 6
    with pytest.raises(KeyboardInterrupt) as stopped, resumable("The stage", state, "update"):
        model(torch.ones(2)).sum().backward()
        raise KeyboardInterrupt
    assert model.weight.grad is None
    assert any("The stage stopped in update 7" in note and "state=" in note for note in stopped.value.__notes__)


def test_two_states_from_one_seed_draw_the_same_numbers_and_no_others():
    one, two = new_state(5, model=model_of(0.0)), new_state(5, model=model_of(0.0))
    torch.rand(3)
    assert torch.equal(torch.rand(4, generator=one.generator), torch.rand(4, generator=two.generator))
    assert one.step == 0 and one.numbers == {}


def test_adam_adds_what_ppo_has_always_had():
    assert new_state(0, model=model_of(0.0)).optimizers["model"].defaults["eps"] == 1e-5
    assert new_state(0, model=model_of(0.0)).optimizers["model"].defaults["weight_decay"] == 0


def test_require_says_what_is_wrong():
    require(True, "never seen")
    with pytest.raises(ValueError, match="lr is -1"):
        require(False, "lr is -1")
