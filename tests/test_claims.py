"""What a lesson's text claims stands there to the letter, was measured with three seeds, and is measured anew when
what it rests on has changed."""

import inspect
import json
from pathlib import Path
from statistics import mean

import nbformat
import pytest

from minirlhf.course.experiments.bands import BANDS, SEEDS, WHOLE_LINE, changed_experiments, experiments, lesson_modules
from minirlhf.course.experiments.sweeps import sweeps
from minirlhf.course.recorded import read_recorded, recorded_folder
from minirlhf.machine.runtime import pin_threads

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
EXPERIMENTS = experiments()


@pytest.fixture(scope="module")
def changed():
    """The experiments whose numbers on record are no longer those of this code, data and these packages."""
    return changed_experiments()


@pytest.mark.parametrize("number", lesson_modules())
def test_the_text_says_it_word_for_word(number):
    (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
    text = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
    said = [claim.says for claim in EXPERIMENTS[number].claims]
    assert not [words for words in said if not any(words in cell for cell in text)]


@pytest.mark.parametrize("number", EXPERIMENTS)
def test_every_seed_on_record_keeps_to_the_band(number):
    rows = [row for row in read_recorded(BANDS) if row["lesson"] == number]
    found = {(row["claim"], row["seed"]) for row in rows}
    wanted = {(claim.name, seed) for claim in EXPERIMENTS[number].claims for seed in SEEDS}
    assert found >= wanted, f"`minirlhf bands {number}` measures {sorted(wanted - found)}"
    claims = {claim.name: claim for claim in EXPERIMENTS[number].claims}
    assert found <= {(name, seed) for name in claims for _, seed in found}, "on record, and nobody claims it"
    assert not [row for row in rows if not claims[row["claim"]].holds(row["value"])]


def test_nothing_is_on_record_of_a_lesson_that_there_is_not():
    assert {row["lesson"] for row in read_recorded(BANDS)} <= EXPERIMENTS.keys()


@pytest.mark.alone
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", EXPERIMENTS)
def test_what_has_changed_is_measured_anew_and_keeps_to_the_band(number, changed):
    """One seed of the three: `minirlhf bands` takes all. While nothing has changed, the record stands for it."""
    if number in changed:
        pin_threads()
        measured = EXPERIMENTS[number].run(SEEDS[-1])
        claims = {claim.name: claim for claim in EXPERIMENTS[number].claims}
        assert not {name: value for name, value in measured.items() if not claims[name].holds(value)}


def test_more_votes_make_a_better_reward_model_on_average():
    rows = [row for row in read_recorded(BANDS) if row["lesson"] == WHOLE_LINE]
    few, some, many = (
        mean(row["value"] for row in rows if row["claim"] == f"accuracy_{votes}") for votes in (192, 960, 3840)
    )
    assert few < some < many


def test_every_recorded_file_is_made_by_a_command():
    """What a figure calls recorded can be recorded again."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in recorded_folder().glob("*.json")}
    assert found.keys() == {BANDS, *sweeps()}
    for name, sweep in sweeps().items():
        assert found[name]["about"] == (inspect.getdoc(sweep) or "").splitlines()[0]
        assert found[name]["made_by"] == f"minirlhf sweeps {name}"
        seeds = {row["seed"] for row in found[name]["rows"]}
        assert len(seeds) >= 3, name
