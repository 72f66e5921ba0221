"""Wrong answers, written from the lessons' texts alone, get the thought that is missing in them.

Each file in answers/ belongs to one exercise, each public function is a wrong answer, and the comment behind its head
is a pattern: a thought that it fits speaks of what is wrong.
"""

import ast
import re
from pathlib import Path
from runpy import run_path

import pytest

from minirlhf.course.check import diagnoses
from minirlhf.course.check.checking import examine
from minirlhf.course.check.comparing import UNKNOWN
from minirlhf.course.check.mutants import of_exercise
from minirlhf.course.exercises import EXERCISES

FILES = sorted(Path(__file__).with_name("answers").glob("*.py"))
LEAST_NAMED, MOST_MISLED = 0.75, 0.05


def answers_of(path):
    """Each wrong answer, and the pattern of a good thought."""
    text = path.read_text(encoding="utf-8")
    made = run_path(str(path))
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            last = lines[node.body[0].lineno - 2]
            yield made[node.name], last.partition("  # ")[2]


def outcome(answer, pattern, exercise):
    """One of: named, helped, misled, nothing, accepted."""
    verdict = examine(answer, exercise)
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
    exercise = EXERCISES[path.stem]
    of_exercise(exercise)  # made once, for all
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
