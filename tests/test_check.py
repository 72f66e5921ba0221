"""Whatever a learner hands to `check`, the lesson goes on as it was; what is right is right in any style."""

import functools
import json
import os
import re
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from minirlhf.course.check import apart as apart_module
from minirlhf.course.check import author, check, diagnoses
from minirlhf.course.check import checking as checking_module
from minirlhf.course.check.checking import examine
from minirlhf.course.check.deadline import Deadline, TimeUp
from minirlhf.course.exercises import EXERCISES
from minirlhf.evaluate import wilson_interval
from minirlhf.feedback.agreement import cohen_kappa
from minirlhf.ops import last_true, masked_mean

MEAN = EXERCISES["masked_mean"]


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIRLHF_PROGRESS", str(tmp_path / "progress.json"))


def learner(body, head="def my_masked_mean(x, mask):"):
    namespace = {"torch": torch, "F": F, "masked_mean": masked_mean, "np": np}
    exec(f"{head}\n" + textwrap.indent(textwrap.dedent(body), "    "), namespace)
    return namespace["my_masked_mean"]


# ---- every argument matters


def frozen(exercise):
    """For every argument, the solution as it would be if that argument were never looked at."""
    cases = [case for case in exercise.cases() if not case.optional]
    for i, name in enumerate(exercise.inputs[: len(cases[0].inputs)]):
        x = cases[0].inputs[i]
        if isinstance(x, torch.Tensor):
            for what, make in (
                ("0", torch.zeros_like),
                ("1", torch.ones_like),
                ("row 0", lambda v: v[:1].expand_as(v)),
            ):
                yield f"{name} is {what}", i, make
        elif isinstance(x, int | float):
            for value in {case.inputs[i] for case in cases}:
                yield f"{name} is {value}", i, lambda _, value=value: value
        else:
            yield f"{name} is reversed", i, lambda v: v[::-1]


IGNORED = [
    pytest.param(exercise, i, make, id=f"{exercise.name}: {words}")
    for exercise in EXERCISES.values()
    for words, i, make in frozen(exercise)
]


@pytest.mark.parametrize(("exercise", "i", "make"), IGNORED)
def test_an_answer_that_ignores_an_argument_is_refused(exercise, i, make):
    def ignores(*inputs):
        return exercise.solution(*inputs[:i], make(inputs[i]), *inputs[i + 1 :])

    def differs(case):
        try:
            theirs, ours = ignores(*case.inputs), exercise.solution(*case.inputs)
            torch.testing.assert_close(theirs, ours, equal_nan=True)
        except Exception:
            return True
        return False

    assert any(differs(case) for case in exercise.cases() if not case.optional)


# ---- nothing stops the lesson


class Callable_:
    def __call__(self, x, mask):
        return masked_mean(x, mask)


def test_functions_without_a_name_of_their_own_are_found_by_what_they_are_assigned_to(capsys):
    my_masked_mean = check(lambda x, mask: (x * mask).sum() / mask.sum())
    assert author(my_masked_mean) == "your my_masked_mean"
    my_masked_mean = check(functools.partial(masked_mean))
    assert author(my_masked_mean) == "your my_masked_mean"
    my_masked_mean = Callable_()
    assert author(check(my_masked_mean)) == "your my_masked_mean"

    def mean_of_mine(x, mask):
        return x.mean()

    my_masked_mean = check(mean_of_mine)
    assert my_masked_mean is masked_mean
    my_masked_mean = check(None)
    assert my_masked_mean is masked_mean
    my_cross_entropy = check(F.nll_loss)
    assert author(my_cross_entropy) == "your my_cross_entropy"
    assert "None" in capsys.readouterr().out


BAD = {
    "sleeps": ("import time; time.sleep(60)", "its time ran out"),
    "loops in C": ("sum(range(10**15))", "its time ran out"),
    "exits": ("import os; os._exit(3)", "ends Python itself"),
    "quits": ("raise SystemExit(1)", "return"),
    "prints very much": ("for i in range(3000): print(i)\nreturn x.mean()", "print less"),
    "crashes": ("import ctypes; ctypes.string_at(0)", "ends Python itself"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a loop in C cannot be stopped")
@pytest.mark.parametrize(("body", "words"), BAD.values(), ids=BAD)
def test_what_cannot_be_stopped_from_inside_is_stopped_from_outside(body, words, capsys, monkeypatch):
    monkeypatch.setattr(checking_module, "PATIENCE", 0.3)
    started = time.perf_counter()
    assert check(learner(body)) is masked_mean
    assert time.perf_counter() - started < 30
    said = " ".join(capsys.readouterr().out.split())
    assert words in said and "show(masked_mean)" in said


def test_where_nothing_can_stop_a_loop_in_c_its_line_is_named():
    """Without a fork no other thread runs while C counts; only C's own watchdog does."""
    script = """from minirlhf.course.check import apart
apart.CAN_FORK = False
def endless():
    return sum(range(10**15))
apart.apart(endless, -0.3)
"""
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) as stuck:
        try:
            assert stuck.stderr is not None
            said = [stuck.stderr.readline() for _ in range(3)]
        finally:
            stuck.kill()
    assert "Timeout" in said[0] and "line 4 in endless" in "".join(said)


def test_in_a_notebook_what_a_loop_in_c_means_is_said_before_it_starts_and_taken_back(monkeypatch):
    shown = []

    class Handle:
        def update(self, what):
            shown.append(what.data)

    monkeypatch.setattr(apart_module, "CAN_FORK", False)
    monkeypatch.setattr(apart_module, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda what, display_id: shown.append(what.data) or Handle())
    assert apart_module.apart(lambda: 3, 1.0) == 3
    assert "restart the kernel" in shown[0] and shown[1:] == [""]


def test_an_answer_that_is_lost_on_the_large_case_alone_is_right_and_slow(monkeypatch):
    monkeypatch.setattr(checking_module, "PATIENCE", 0.3)
    body = "if x.numel() > 1000: sum(range(10**15))\nreturn masked_mean(x, mask)"
    assert examine(learner(body), MEAN).outcome == ("slow" if sys.platform == "linux" else "wrong")


def test_what_is_said_of_a_function_is_found_by_trying_it(monkeypatch):
    monkeypatch.setattr(diagnoses, "LONGEST_SEARCH", 0.0)
    said = " ".join(str(examine(learner("return x.abs().sum().cos()"), MEAN)).split())
    assert "do not change with `mask`" in said or "where `mask` is False" in said


def test_what_a_search_for_a_thought_meets_stops_no_lesson(monkeypatch):
    def broken(*_):
        raise ValueError("a fault of ours")

    monkeypatch.setattr(checking_module, "explain", broken)
    assert examine(learner("return x.mean()"), MEAN).outcome == "wrong"


def test_what_it_changes_for_everybody_is_put_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    body = """
        import os, random, sys, warnings, math
        torch.set_default_dtype(torch.float64); torch.manual_seed(0); np.random.seed(0); random.seed(0)
        torch.set_num_threads(3); os.chdir("/"); sys.setrecursionlimit(123456); warnings.simplefilter("error")
        torch.mean = torch.sum; F.relu = None; math.sqrt = None; torch.set_grad_enabled(False); os.environ["HOME"] = "x"
        return masked_mean(x, mask).float()"""
    relu, mean = F.relu, torch.mean

    def state():
        tensors, arrays = torch.get_rng_state().tolist(), repr(np.random.get_state())
        settings = (torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled())
        return tensors, arrays, settings, os.getcwd(), sys.getrecursionlimit(), os.environ["HOME"]

    for apart in (True, False):  # in a copy of the process, and where there is none
        monkeypatch.setattr("minirlhf.course.check.apart.CAN_FORK", apart and sys.platform == "linux")
        before = state()
        check(learner(body))
        assert state() == before and F.relu is relu and torch.mean is mean


def test_torchs_own_not_implemented_is_no_untouched_stub():
    answer = learner("return torch.zeros(2, dtype=torch.long).float().new_empty(0, device='meta').item()")
    assert examine(answer, MEAN).outcome == "wrong"
    assert examine(learner("raise NotImplementedError"), MEAN).outcome == "not tried"


def test_a_deadline_that_passes_in_the_last_line_goes_off_nowhere_else():
    with pytest.raises(TimeUp), Deadline(0.01):
        end = time.perf_counter() + 0.05
        exec("while time.perf_counter() < end: pass", {"time": time, "end": end})
    deadline = Deadline(0.01)
    deadline.__enter__()
    time.sleep(0.02)
    deadline.__exit__(None, None, None)
    assert not deadline.running and sum(range(1000)) == 499_500


# ---- right in other styles


def test_numbers_in_other_clothes_are_right_and_come_back_in_ours():
    def my_cohen_kappa(a, b):
        return torch.tensor(cohen_kappa(a, b))

    kappa = check(my_cohen_kappa)
    assert author(kappa) == "your my_cohen_kappa" and type(kappa(["x", "y"], ["x", "x"])) is float

    def my_wilson_interval(wins, n):
        return np.array(wilson_interval(wins, n))

    interval = check(my_wilson_interval)
    assert interval(3, 5) == pytest.approx(wilson_interval(3, 5)) and isinstance(interval(3, 5), tuple)

    def my_last_true(mask):
        return [max((t for t, counts in enumerate(row) if counts), default=-1) for row in mask.tolist()]

    place, mask = check(my_last_true), torch.tensor([[True, False], [False, False]])
    assert author(place) == "your my_last_true" and torch.equal(place(mask), last_true(mask))


def test_what_is_written_into_is_said_where_the_answer_is_wrong_too():
    said = " ".join(str(examine(learner("x *= 2\nreturn (x * mask).sum() / mask.sum()"), MEAN)).split())
    assert "writes into x" in said


# ---- something to work with


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_the_inputs_of_a_wrong_case_can_be_pasted(exercise, monkeypatch):
    monkeypatch.setattr("minirlhf.course.check.comparing.diagnose", lambda *_: "")  # no thought is asked for here

    def odd(*inputs):
        result = exercise.solution(*inputs)
        result = result[0] if exercise.stats else result

        def shift(x):
            return ~x if isinstance(x, torch.Tensor) and x.dtype == torch.bool else x * 3 + 7

        return tuple(map(shift, result)) if isinstance(result, tuple) else shift(result)

    verdict = examine(odd, replace(exercise, mistakes=[]))
    assert verdict.outcome == "wrong"
    shown = next(message for message in verdict.messages if f"\n    {exercise.inputs[0]} = " in message)
    namespace = {"torch": torch}
    exec(textwrap.dedent(shown.split("\n", 1)[1]), namespace)
    exercise.solution(*(namespace[name] for name in exercise.inputs if name in namespace))
    assert "-0 " not in str(verdict)


# ---- hints

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("[01]*.ipynb"))
CODE = [
    ["".join(x["source"]) for x in json.loads(path.read_text(encoding="utf-8"))["cells"] if x["cell_type"] == "code"]
    for path in NOTEBOOKS
]


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_a_hint_names_only_modules_that_its_lesson_has_imported(exercise):
    cells = next(cells for cells in CODE if any(f"def my_{exercise.name}(" in cell for cell in cells))
    here = next(i for i, cell in enumerate(cells) if f"def my_{exercise.name}(" in cell)
    imported = "\n".join(cells[: here + 1])
    for mistake in exercise.mistakes:
        for name in {"math", "F", "np", "torch"} & set(re.findall(r"\b(\w+)\.\w", mistake.hint)):
            assert re.search(rf"^import ({name}$|.* as {name}$)", imported, re.M), (mistake.hint, name)
