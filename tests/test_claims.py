"""What a lesson's text claims stands there to the letter, was measured with three seeds, and is measured anew."""

import inspect
import json
from pathlib import Path

import nbformat
import pytest

from minirlhf.course.experiments.claims import BANDS, SEEDS, experiments
from minirlhf.course.experiments.sweeps import sweeps
from minirlhf.course.recorded import read_recorded, recorded_folder
from minirlhf.runtime import pin_threads

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
EXPERIMENTS = experiments()
CLAIMS = [
    pytest.param(number, claim, id=f"{number}: {claim.name}")
    for number, experiment in EXPERIMENTS.items()
    for claim in experiment.claims
]


@pytest.mark.parametrize(("number", "claim"), CLAIMS)
def test_the_text_says_it_word_for_word(number, claim):
    (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    assert any(claim.says in cell.source for cell in cells if cell.cell_type == "markdown")


@pytest.mark.parametrize(("number", "claim"), CLAIMS)
def test_every_seed_on_record_keeps_to_the_band(number, claim):
    rows = [row for row in read_recorded(BANDS) if (row["lesson"], row["claim"]) == (number, claim.name)]
    assert {row["seed"] for row in rows} >= set(SEEDS), "run `minirlhf bands` for this lesson"
    for row in rows:
        assert claim.holds(row["value"]), row


def test_nothing_is_on_record_that_no_lesson_claims():
    claimed = {(number, claim.name) for number, lesson in EXPERIMENTS.items() for claim in lesson.claims}
    assert {(row["lesson"], row["claim"]) for row in read_recorded(BANDS)} == claimed


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", EXPERIMENTS)
def test_measured_anew_it_keeps_to_the_band(number):
    """One seed of the three: `make bands` takes all. How long it takes on a busy machine is not the question here."""
    pin_threads()
    measured = EXPERIMENTS[number].run(SEEDS[-1])
    outside = {
        claim.name: measured[claim.name]
        for claim in EXPERIMENTS[number].claims
        if not claim.holds(measured[claim.name])
    }
    assert not outside


def test_every_recorded_file_is_made_by_a_command():
    """What a figure calls recorded can be recorded again."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in recorded_folder().glob("*.json")}
    assert found.keys() == {BANDS, *sweeps()}
    for name, sweep in sweeps().items():
        assert found[name]["about"] == (inspect.getdoc(sweep) or "").splitlines()[0]
        assert found[name]["made_by"] == f"minirlhf sweeps {name}"
        seeds = {row["seed"] for row in found[name]["rows"]}
        assert len(seeds) >= 3, name
