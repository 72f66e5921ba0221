"""Lesson 14: how adapters begin, what models hold, shares of a batch, two processes, and its figures."""

from copy import deepcopy

import pytest
import torch
from readable import assert_readable

from minirlhf.course.experiments.lesson_14 import (
    FROZEN,
    RANK,
    TRAINED,
    WAYS,
    before_the_first_step,
    begun,
    gradients_apart,
    held,
    mean_of_means,
    memory,
    ppo_models,
)
from minirlhf.course.experiments.together import Trained, trained_by
from minirlhf.course.plots import memory_bars, rates_plot, same_curve, shares_plot
from minirlhf.course.plots.style import said_of
from minirlhf.machine.shares import mean_of_shares
from minirlhf.real.lora import lora_linear, with_lora

pytestmark = pytest.mark.usefixtures("one_thread")


# ---- adapters


@pytest.mark.parametrize("down, up", [(True, False), (False, False), (True, True)])
def test_one_of_the_two_matrices_has_to_begin_as_zero(shipped, down, up):
    reference = deepcopy(shipped.sft)
    found = before_the_first_step(begun(reference, down=down, up=up), reference, shipped)
    assert (found["kl"] == 0) == (not (down and up))
    assert (found["gradient"] > 0) == (down or up)
    assert all(p.requires_grad for p in reference.parameters()), "nothing of the lesson's models is frozen by this"


def test_a_learners_own_function_computes_every_adapted_layer(shipped):
    called = []

    def mine(*inputs):
        called.append(len(inputs))
        return lora_linear(*inputs)

    policy = with_lora(deepcopy(shipped.sft), linear=mine)
    tokens = torch.tensor([shipped.prompts("held_out", first=1).prompts[0]])
    torch.testing.assert_close(policy(tokens), shipped.sft(tokens))
    assert called == [5] * 4 * len(list(policy.trunk.blocks))


# ---- what is held


def test_what_is_shared_is_held_once(shipped):
    N = sum(p.numel() for p in shipped.sft.parameters())
    copies, adapters = (held(ppo_models(shipped.sft, way)) for way in WAYS)
    assert sum(copies.values()) == 2 * (FROZEN + TRAINED) * N
    width, layers = 96, 3
    own = RANK * layers * sum(out + into for out, into in ((3, 1), (1, 1), (4, 1), (1, 4))) * width
    assert adapters == {
        "reference": FROZEN * N,
        "policy": TRAINED * own,
        "value model": TRAINED * own,
        "reward model": FROZEN * own,
    }


def test_the_models_that_people_use_have_the_published_sizes():
    """134.5 and 494.0 million, as their model cards have it, in four bytes each."""
    held_by = {row["size"]: row["bytes"] / FROZEN for row in memory() if row["model"] == "reference"}
    assert held_by["SmolLM2-135M"] == 134_515_008 and held_by["Qwen2.5-0.5B"] == 494_032_768


# ---- shares


def test_the_mean_of_means_is_another_gradient_and_the_weighed_one_is_the_same(shipped):
    found = gradients_apart(shipped, {"means": mean_of_means, "shares": mean_of_shares}, [1, 5, 64])
    assert max(off for _, off in found["shares"]) < 1e-5
    one, *several = [off for _, off in found["means"]]
    assert one < 1e-6 and min(several) > 0.01


def test_a_share_without_a_token_counts_for_nothing():
    means, counts = torch.tensor([2.0, 0.0, 4.0]), torch.tensor([1, 0, 3])
    assert mean_of_shares(means, counts) == 3.5
    assert mean_of_shares(torch.zeros(2), torch.zeros(2)) == 0


# ---- two processes


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_processes_train_what_one_trains():
    one, two = trained_by(1), trained_by(2)
    assert one.apart(two) < 1e-6
    assert one.scores == pytest.approx(two.scores, abs=1e-6) and len(one.scores) == 3
    assert one.losses == pytest.approx(two.losses, abs=1e-9) and one.losses[-1] != one.losses[0]


def test_processes_that_cannot_train_say_why(monkeypatch, tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('torch is broken here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="torch is broken here"):
        trained_by(1)


# ---- figures


ROWS = [
    {"way": way, "lr": lr, "seed": seed, "score": 2.0 - abs(lr - best) * 100 + 0.1 * seed, "kl": 2000 * lr / scale}
    for way, best, scale in (("all numbers", 1e-3, 1.0), ("adapters", 1e-2, 10.0))
    for lr in (1e-4, 1e-3, 1e-2)
    for seed in range(3)
]


def test_the_rates_are_compared_at_the_usual_one():
    said = said_of(rates_plot(ROWS, usual=1e-3))
    assert said == "At the same rate of 0.001: all numbers +2.10, adapters +1.20"
    assert "ring" in rates_plot(ROWS, [{"way": "adapters", "lr": 1e-2, "score": 1.0, "kl": 2.0}], 1e-3).get_supxlabel()


def test_the_bars_are_as_high_as_what_is_held():
    rows = [
        {"size": size, "way": way, "model": model, "bytes": scale * (8 if way == "all numbers" else 0.2)}
        for size, scale in (("small", 1e6), ("large", 1e9))
        for way in WAYS
        for model in ("reference", "policy", "value model", "reward model")
    ]
    figure = memory_bars(rows)
    assert_readable(figure)
    assert said_of(figure) == "large: 32.0 GB by copies, 0.8 GB by adapters"
    written = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert written == ["32.0 MB", "0.8 MB", "32.0 GB", "0.8 GB"]


def test_shares_and_processes_say_how_far_they_are_apart():
    said = said_of(shares_plot({"mean of means": [(2, 0.01), (64, 0.42)], "yours": [(2, 1e-7), (64, 2e-7)]}))
    assert "mean of means: 42 %" in said and "yours: 0.00002 %" in said
    one = Trained([1.0, 0.5], [0.0, 0.1], {"w": torch.zeros(2)}, 4.0)
    two = Trained([1.0, 0.5], [0.0, 0.1], {"w": torch.full((2,), 2e-9)}, 6.0)
    assert "2e-09" in said_of(same_curve(one, two))
