"""Runs side by side give what they give one after another, with one thread each, and leave nothing changed."""

import json
import math
import os

import pytest

from minirlhf.course.experiments import lesson_03
from minirlhf.course.experiments.bands import _run
from minirlhf.course.experiments.runs import side_by_side
from minirlhf.course.experiments.sweeps import record_sweeps
from minirlhf.machine.runtime import THREADS, WAITING


def test_what_is_found_comes_in_the_order_of_the_jobs():
    assert (
        list(side_by_side(math.sqrt, [9.0, 4.0, 1.0], 2))
        == list(side_by_side(math.sqrt, [9.0, 4.0, 1.0], 1))
        == [3, 2, 1]
    )


def test_each_run_has_one_thread_and_what_starts_them_keeps_its_own(monkeypatch):
    monkeypatch.setenv(THREADS, "2")
    monkeypatch.delenv(WAITING, raising=False)
    assert list(side_by_side(os.getenv, [THREADS, WAITING], 2)) == ["1", "PASSIVE"]
    assert os.environ[THREADS] == "2" and WAITING not in os.environ


def test_what_goes_wrong_in_one_is_raised_after_those_before_it():
    found = side_by_side(math.sqrt, [4.0, -1.0, 9.0], 2)
    assert next(found) == 2
    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        next(found)


def test_a_lessons_numbers_are_the_same_bit_for_bit(one_thread):
    jobs = [("00", 0), ("00", 1)]
    assert list(side_by_side(_run, jobs, 2)) == [_run(job) for job in jobs]


def test_what_depends_on_no_seed_is_recorded_once(tmp_path, monkeypatch):
    """A sweep is run seed by seed, and what it counts of people beside its runs comes with each."""

    def beside_people(seeds):
        """People's own row, and a run for each seed."""
        return [{"steps": 0, "seed": 0}, *({"steps": 1, "seed": seed} for seed in seeds)]

    monkeypatch.setitem(lesson_03.SWEEPS, "beside_people", beside_people)
    (path,) = record_sweeps(["beside_people"], (0, 1, 2), tmp_path)
    assert json.loads(path.read_text(encoding="utf-8"))["rows"] == beside_people((0, 1, 2))
