"""Lesson 06: its claims stand in its text, and its own numbers by hand are right."""

import ast
from pathlib import Path

import nbformat
import pytest
import torch

from minirlhf.advantages import gae
from minirlhf.bandit import Bandit
from minirlhf.course.experiments import lesson_06
from minirlhf.worlds import helpdesk

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "06_policy_gradients.ipynb"
CELLS = nbformat.read(NOTEBOOK, as_version=4).cells
LINES = [line for cell in CELLS if cell.cell_type == "markdown" for line in cell.source.splitlines()]


@pytest.mark.parametrize("claim", lesson_06.CLAIMS, ids=lambda claim: claim.name)
def test_a_claim_stands_in_the_text(claim):
    assert any(claim.says in line for line in LINES)


def test_the_experiment_measures_the_very_bandit_of_the_lesson():
    source = next(cell.source for cell in CELLS if "bandit = Bandit" in cell.source)
    names = {"helpdesk": helpdesk, "Bandit": Bandit}
    exec(compile(ast.parse(source), "the lesson", "exec"), names)
    assert names["lines"] == lesson_06.LINES and names["message"] == lesson_06.MESSAGE
    assert names["bandit"].best == lesson_06.LINES[0]


@pytest.mark.parametrize(("lam", "wanted"), [(0.0, [0.5, -0.8, 1.8]), (0.5, [0.55, 0.1, 1.8]), (1.0, [1.5, 1.0, 1.8])])
def test_the_three_tokens_worked_by_hand(lam, wanted):
    rewards, values = torch.tensor([[0.0, 0.0, 2.0]]), torch.tensor([[0.5, 1.0, 0.2]])
    advantages, _ = gae(rewards, values, torch.ones(1, 3, dtype=torch.bool), 1.0, lam)
    assert advantages[0].tolist() == pytest.approx(wanted, abs=1e-6)
