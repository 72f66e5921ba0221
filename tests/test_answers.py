"""Answers to all exercises, written from the lessons' texts alone: the right pass, and the wrong are explained.

Each file in answers/ belongs to one exercise. Each public function is a wrong answer, and the comment behind its head
is a pattern: a thought that it fits speaks of what is wrong. Those named right_… are right in a style of their own.
"""

import ast
import re
from pathlib import Path
from runpy import run_path

import pytest
import torch

from minirlhf.course.check import checking, diagnoses
from minirlhf.course.check.checking import examine, examine_here
from minirlhf.course.check.comparing import UNKNOWN
from minirlhf.course.exercises import EXERCISES

FILES = sorted(Path(__file__).with_name("answers").glob("*.py"))
LEAST_NAMED, MOST_MISLED = 0.75, 0.06


def answers_of(path, right=False):
    """Each wrong answer and the pattern of a good thought, or the right ones."""
    text = path.read_text(encoding="utf-8")
    made = run_path(str(path))
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        if node.name.startswith("right_") == right:
            last = lines[node.body[0].lineno - 2]
            yield made[node.name], last.partition("  # ")[2]


def outcome(answer, pattern, exercise):
    """One of: named, helped, misled, nothing, accepted."""
    verdict = examine_here(answer, exercise)
    said = " ".join(str(verdict).split())
    if verdict.outcome != "wrong":
        return verdict.outcome, said
    thought = said.partition("The thought: ")[2].partition("Work it by hand")[0] or said
    if UNKNOWN not in said and re.search(pattern, thought, re.I):
        return "named", said
    if UNKNOWN in said or "The thought" not in said:
        return ("helped" if " = " in said else "nothing"), said
    return "misled", said


def held_to_the_rates(path, answers, monkeypatch):
    monkeypatch.setattr(diagnoses, "LONGEST_SEARCH", 0.1)
    monkeypatch.setattr(checking, "FORGIVEN", ())  # a fault of the search shows itself here
    exercise = EXERCISES[path.stem]
    found = {answer.__name__: outcome(answer, pattern, exercise) for answer, pattern in answers}
    kinds = [kind for kind, _ in found.values()]
    report = "\n".join(f"{kind:9}{name}: {said[:900]}" for name, (kind, said) in found.items() if kind != "named")
    print(f"\nRATE {path.stem}: {kinds.count('named')}/{len(kinds)} named, {kinds.count('misled')} misled\n{report}")
    assert not {"nothing", "right", "slow", "not tried"} & set(kinds), report
    assert kinds.count("named") >= LEAST_NAMED * len(kinds), report
    assert kinds.count("misled") <= MOST_MISLED * len(kinds), report


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_first_wrong_answers_get_their_thought(path, monkeypatch):
    held_to_the_rates(path, list(answers_of(path))[:4], monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_most_wrong_answers_get_their_thought_and_each_something_to_work_with(path, monkeypatch):
    held_to_the_rates(path, list(answers_of(path)), monkeypatch)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_right_answers_in_other_styles_are_never_refused(path):
    exercise = EXERCISES[path.stem]
    for answer, _ in answers_of(path, right=True):
        verdict = examine(answer, exercise)  # in a copy, which is not waited for where one batch takes it long
        assert verdict.outcome in ("right", "slow"), f"{answer.__name__}: {verdict}"


def test_every_exercise_has_been_answered():
    assert {path.stem for path in FILES} == EXERCISES.keys()
    for path in FILES:
        assert len(list(answers_of(path))) >= 12, path.stem


def test_every_exercise_knows_six_mistakes():
    assert {name: len(exercise.mistakes) for name, exercise in EXERCISES.items() if len(exercise.mistakes) < 6} == {}


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_the_formulas_that_are_quoted_are_right(exercise):
    """A thought says what "belongs" there, and quotes them."""
    for formula in exercise.formulas:
        for case in exercise.cases():
            if not case.optional:
                ours = exercise.solution(*case.inputs)
                ours = ours[0] if exercise.stats else ours
                theirs = formula(*case.inputs)
                theirs = theirs[0] if formula is exercise.solution and exercise.stats else theirs
                for x, y in zip(*(z if isinstance(z, tuple) else (z,) for z in (theirs, ours)), strict=True):
                    torch.testing.assert_close(torch.as_tensor(x), torch.as_tensor(y), equal_nan=True)
