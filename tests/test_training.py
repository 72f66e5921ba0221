"""One optimiser step, the learning rate, and stopping well."""

import re
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from minirlhf.machine.not_finite import NotFiniteError
from minirlhf.machine.pace import seconds_allowed, time_limited
from minirlhf.machine.require import require, require_between, require_counts, require_own_weights, require_positive
from minirlhf.training import linear_lr, new_state, optimizer_step, resumable


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


# ---- models that must not move together

SHARED = {
    "the same": lambda weight: weight,
    "the same numbers": lambda weight: nn.Parameter(weight.detach()),
    "turned": lambda weight: nn.Parameter(weight.detach().T),
    "from the first row": lambda weight: nn.Parameter(weight.detach()[:1]),
    "from a later row": lambda weight: nn.Parameter(weight.detach()[2:]),
    "one number": lambda weight: nn.Parameter(weight.detach().view(-1)[-1:]),
}


def two_layers():
    return nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))


@pytest.mark.parametrize("way", SHARED)
@pytest.mark.parametrize("layer", [0, 1])
def test_models_that_share_a_number_are_refused_however_they_share_it(way, layer):
    one, other = two_layers(), two_layers()
    other[layer].weight = SHARED[way](one[1].weight)
    with pytest.raises(
        ValueError, match=r"reference shares its weights with policy, and they are to learn; give it a copy"
    ):
        require_own_weights(policy=one, reference=other)


def test_equal_weights_are_not_shared_weights_and_a_model_may_tie_its_own():
    one = two_layers()
    one[1].weight = one[0].weight
    require_own_weights(policy=one, reference=deepcopy(one), value_model=two_layers())


# ---- what every stage's settings are held to


@dataclass
class Settings:
    count: object = 1
    rate: float = 0.5
    share: float = 0.5


@pytest.mark.parametrize("count", [0, -1, 1.5, 2.0, "3", None])
def test_what_counts_something_is_a_whole_number_from_1(count):
    require_counts(Settings(), "count")
    with pytest.raises((ValueError, TypeError)):
        require_counts(Settings(count=count), "count")


@pytest.mark.parametrize("rate", [0.0, -0.1, float("inf"), float("nan")])
def test_a_rate_is_above_0_and_finite(rate):
    require_positive(Settings(rate=1e-30), "rate")
    with pytest.raises(ValueError, match=r"Settings\.rate is .*above 0 and finite"):
        require_positive(Settings(rate=rate), "rate")


def test_the_ends_of_a_range_belong_to_it():
    for share in (0, 0.5, 1):
        require_between(Settings(share=share), 0, 1, "share")
    for share in (-1e-9, 1 + 1e-9, float("nan")):
        with pytest.raises(ValueError, match=r"Settings\.share is .*from 0 to 1"):
            require_between(Settings(share=share), 0, 1, "share")


# ---- stopping


def test_what_is_no_ordinary_stop_passes_without_a_word():
    state = new_state(0, model=model_of(1.0))
    with pytest.raises(KeyError) as stopped, resumable("The stage", state):
        raise KeyError("a slip of the program")
    assert not getattr(stopped.value, "__notes__", [])


@pytest.mark.parametrize("stop", [KeyboardInterrupt, FloatingPointError])
def test_a_stop_is_told_with_its_step_and_never_swallowed(stop):
    state = new_state(0, model=model_of(1.0))
    with pytest.raises(stop) as stopped, resumable("The stage", state):
        raise stop
    assert any("in step 1" in note for note in stopped.value.__notes__)


def test_a_step_that_was_refused_leaves_no_gradient():
    model = model_of(1.0, 2.0)
    with pytest.raises(NotFiniteError):
        optimizer_step(
            model(torch.tensor([float("inf"), 0.0])).sum(), new_state(0, model=model).optimizers["model"], 0.1
        )
    assert model.weight.grad is None


def test_a_loss_that_is_no_number_is_refused_even_where_its_gradient_is_one():
    model = model_of(1.0)
    with pytest.raises(NotFiniteError):
        optimizer_step(
            model.weight.sum() + torch.tensor(float("inf")), new_state(0, model=model).optimizers["model"], 0.1
        )
    assert model.weight.item() == 1.0


def test_a_seed_is_the_states_own():
    numbers = [torch.rand(4, generator=new_state(seed, model=model_of(0.0)).generator).tolist() for seed in (0, 1, 2)]
    assert numbers[0] != numbers[1] != numbers[2]


# ---- trainings cut short


def test_a_time_limit_leaves_the_first_record_whatever_it_took_and_then_stops(monkeypatch):
    monkeypatch.setenv("MINIRLHF_SECONDS", "1e-9")
    made = []

    def records():
        for n in range(5):
            made.append(n)
            yield n

    assert list(time_limited(records())) == [0] and made == [0], "no step is taken whose record nobody sees"
    assert list(time_limited([])) == []
    monkeypatch.delenv("MINIRLHF_SECONDS")
    assert list(time_limited(range(5))) == [0, 1, 2, 3, 4]
    assert seconds_allowed() == float("inf")


@pytest.mark.parametrize("given", ["0", "-1", "soon", "nan"])
def test_a_time_limit_that_is_none_is_named(monkeypatch, given):
    monkeypatch.setenv("MINIRLHF_SECONDS", given)
    with pytest.raises(ValueError, match=r"MINIRLHF_SECONDS is .*a number of seconds above 0"):
        seconds_allowed()
