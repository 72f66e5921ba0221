"""Recorded runs come back as kept; claims and sweeps keep what they measure; a training can be cut short."""

import json
from itertools import count

import pytest

from minirlhf import read_recorded, write_recorded
from minirlhf.course.experiments import bands as bands_module
from minirlhf.course.experiments import sweeps as sweeps_module
from minirlhf.course.experiments.bands import Experiment, changed_experiments, measure_bands
from minirlhf.course.experiments.claims import Claim
from minirlhf.machine.pace import time_limited


def test_rows_come_back_and_the_file_says_what_it_is(tmp_path):
    rows = [{"seed": 0, "model": "PPO", "score": 1.25}, {"seed": 1, "model": "β = 0", "score": -3.0}]
    path = write_recorded("runs", rows, about="Two runs.", made_by="minirlhf sweeps runs", folder=tmp_path)
    assert read_recorded("runs", tmp_path) == rows
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert (kept["about"], kept["made_by"]) == ("Two runs.", "minirlhf sweeps runs")
    assert sum(line.startswith("  {") for line in path.read_text(encoding="utf-8").splitlines()) == 2


def test_no_rows_are_a_file_too(tmp_path):
    write_recorded("none", [], about="Nothing.", made_by="nobody", folder=tmp_path)
    assert read_recorded("none", tmp_path) == []


def test_what_is_not_finite_is_not_written(tmp_path):
    with pytest.raises(ValueError, match=r"runs, row 2: score is nan. Nothing was written."):
        write_recorded("runs", [{"score": 1.0}, {"score": float("nan")}], about="", made_by="", folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_missing_and_a_damaged_file_say_what_to_do(tmp_path):
    write_recorded("there", [], about="", made_by="", folder=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"there is there.*minirlhf sweeps"):
        read_recorded("absent", tmp_path)
    (tmp_path / "torn.json").write_text('{"rows": [', encoding="utf-8")
    with pytest.raises(ValueError, match="damaged"):
        read_recorded("torn", tmp_path)


@pytest.fixture
def one_lesson(monkeypatch):
    """A course of one lesson, whose experiment gives ten times the seed."""
    claim = Claim("score", says="between 0 and 15", low=0, high=15)
    lesson = Experiment("77", (claim,), lambda seed: {"score": 10.0 * seed}, "minirlhf.ops")
    monkeypatch.setattr(bands_module, "experiments", lambda: {"77": lesson})
    monkeypatch.setattr(bands_module, "digests", lambda modules: dict.fromkeys(modules, "as it was"))
    monkeypatch.delenv(bands_module.MEASURE, raising=False)


def test_bands_are_kept_and_what_leaves_them_is_told(one_lesson, tmp_path):
    assert measure_bands(["77"], seeds=(0, 1), folder=tmp_path) == []
    (outside,) = measure_bands(["77"], seeds=(0, 1, 2), folder=tmp_path)
    assert "lesson 77, score, seed 2: 20" in outside
    kept = read_recorded(bands_module.BANDS, tmp_path)
    assert [(row["seed"], row["value"]) for row in kept] == [(0, 0.0), (1, 10.0), (2, 20.0)]


def test_only_what_has_changed_is_measured_again_unless_everything_is_asked_for(one_lesson, tmp_path, monkeypatch):
    assert changed_experiments(tmp_path) == ["77"], "nothing is on record yet"
    measure_bands(folder=tmp_path)
    assert changed_experiments(tmp_path) == []
    monkeypatch.setenv(bands_module.MEASURE, "all")
    assert changed_experiments(tmp_path) == ["77"]
    monkeypatch.delenv(bands_module.MEASURE)
    monkeypatch.setattr(bands_module, "digests", lambda modules: dict.fromkeys(modules, "otherwise"))
    assert changed_experiments(tmp_path) == ["77"]
    kept = read_recorded(bands_module.BANDS, tmp_path)
    for row in kept[1:]:
        row["digest"] = "otherwise"  # a part that fits does not stand for the rest
    write_recorded(bands_module.BANDS, kept, about="", made_by="", folder=tmp_path)
    assert changed_experiments(tmp_path) == ["77"]


def test_a_lesson_that_ends_badly_costs_none_of_those_before(one_lesson, tmp_path, monkeypatch):
    def fails(seed):
        raise FloatingPointError(f"seed {seed}")

    (good,) = bands_module.experiments().values()
    bad = Experiment("78", good.claims, fails, "minirlhf.ops")
    monkeypatch.setattr(bands_module, "experiments", lambda: {"77": good, "78": bad})
    with pytest.raises(FloatingPointError):
        measure_bands(folder=tmp_path)
    assert {row["lesson"] for row in read_recorded(bands_module.BANDS, tmp_path)} == {"77"}
    assert changed_experiments(tmp_path) == ["78"]


def test_a_lesson_that_makes_no_claims_is_named(one_lesson, tmp_path):
    with pytest.raises(ValueError, match=r"No experiment for lesson \['78'\]; there are 77"):
        measure_bands(["78"], folder=tmp_path)


def test_an_experiment_measures_what_is_claimed():
    claim = Claim("score", says="above 0", low=0)
    with pytest.raises(ValueError, match=r"claims \['score'\] and measures \['kl'\]"):
        Experiment("77", (claim,), lambda seed: {"kl": 1.0}, "minirlhf.ops").run(0)


@pytest.mark.parametrize("band", [(1.0, 1.0), (2.0, 1.0), (float("-inf"), float("inf"))])
def test_a_claim_that_nothing_could_break_is_none(band):
    with pytest.raises(ValueError, match="is no band"):
        Claim("score", says="something", low=band[0], high=band[1])


def test_a_sweep_is_kept_under_its_name_with_what_it_is_about(monkeypatch, tmp_path):
    def twice(seeds):
        """The double of every seed.

        More is not kept.
        """
        return [{"seed": seed, "double": 2.0 * seed} for seed in seeds]

    monkeypatch.setattr(sweeps_module, "sweeps", lambda: {"twice": twice})
    (path,) = sweeps_module.record_sweeps(seeds=(0, 3), folder=tmp_path)
    assert json.loads(path.read_text(encoding="utf-8"))["about"] == "The double of every seed."
    assert read_recorded("twice", tmp_path)[1] == {"seed": 3, "double": 6.0}
    with pytest.raises(ValueError, match=r"No sweep is called \['thrice'\]; there are twice"):
        sweeps_module.record_sweeps(["thrice"], folder=tmp_path)


def test_a_training_is_cut_short_after_the_seconds_allowed_but_takes_one_step(monkeypatch):
    monkeypatch.setenv("MINIRLHF_SECONDS", "0.05")
    assert 1 <= len(list(time_limited(count()))) < 10_000_000
    monkeypatch.setenv("MINIRLHF_SECONDS", "1e-9")
    assert list(time_limited(count())) == [0]
    monkeypatch.delenv("MINIRLHF_SECONDS")
    assert list(time_limited(range(1000))) == list(range(1000))


@pytest.mark.parametrize("given", ["two", "0", "-1", "nan"])
def test_seconds_that_are_none_say_so(given, monkeypatch):
    monkeypatch.setenv("MINIRLHF_SECONDS", given)
    with pytest.raises(ValueError, match=r"MINIRLHF_SECONDS is .* a number of seconds above 0"):
        next(time_limited(range(3)))
