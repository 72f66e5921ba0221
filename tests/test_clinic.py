"""Every symptom is there in its sick run and absent in the healthy one, is found by its words, and shows itself; the
ward's patients have what was planted in them."""

import re
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest

from minirlhf import clinic, patient
from minirlhf.course.clinic import patients
from minirlhf.course.clinic.card import Card, Index
from minirlhf.course.clinic.patients import DIAGNOSES, Answer, Chart, Round, diagnosis_meant, planted, ward
from minirlhf.course.clinic.search import find
from minirlhf.course.clinic.symptom import symptom
from minirlhf.course.clinic.table import STAGES, SYMPTOMS
from minirlhf.course.experiments.lesson_13 import WARD

pytestmark = pytest.mark.usefixtures("one_thread")

each_symptom = pytest.mark.parametrize("one", SYMPTOMS, ids=lambda one: one.name)


@each_symptom
def test_the_sick_run_has_the_signature_and_the_healthy_one_has_not(one):
    sick, healthy = one.runs()
    assert one.present(sick) and not one.present(healthy)
    assert sick.keys() == healthy.keys() and all(len(values) for values in sick.values())


@each_symptom
def test_the_line_that_is_shown_is_in_the_function_that_runs(one):
    assert "sick" in one.line and len(one.line.splitlines()) <= 3
    assert all((one.sees, one.cause, one.sign, one.cure, one.axis)) and one.sees.endswith((".", "?"))
    assert all(re.fullmatch(r"[\w.-]+#\d+", thread) for thread in one.threads)


def test_there_are_symptoms_of_every_stage_and_all_twelve_bugs():
    assert len(SYMPTOMS) >= 40 and len({one.name for one in SYMPTOMS}) == len(SYMPTOMS)
    assert {one.stage for one in SYMPTOMS} == set(STAGES)
    assert {one.bug for one in SYMPTOMS} - {None} == set(range(1, 13))


@each_symptom
def test_a_symptom_is_found_by_each_of_its_words(one):
    assert find(one.name)[0] is one or one.name not in str(clinic(one.name))
    for words in (one.sees, *one.words.split(";")):
        assert one in find(words)[:3], words


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("loss is 0", "the loss is 0"),
        ("the lsos is zero in grpo", "the loss is 0"),
        ("logps/chosen goes down", "the chosen falls"),
        ("logps/chosne fallls", "the chosen falls"),
        ("frac_reward_zero_std", "dead groups"),
        ("KL is negative", "a negative kl"),
        ("negativ kl divergance", "a negative kl"),
        ("temparature", "another temperature"),  # no letters in another place, no beginning of a word: one is wrong
        ("completions/clipped_ratio is high", "a second end"),
        ("policy/clipfrac_avg is 0", "the old recomputed"),
        ("dpo loss stuck at .6931 and logps 0.0", "everything masked"),
        ("my model never stops", "never ends"),
        ("OpenRLHF#768", "the kl twice"),
    ],
)
def test_words_from_outside_find_it(words, name):
    found = clinic(words)
    assert isinstance(found, Card) and name in [found.symptom.name, *(near.name for near in found.near[:1])]


def test_words_that_nobody_has_are_told_so_and_the_list_is_shown():
    for words in ("xylophone quokka", "", "???", None):
        found = clinic(words)
        assert isinstance(found, Index) and SYMPTOMS[0].sees in str(found)
    assert "xylophone" in str(clinic("xylophone quokka"))
    assert "<script>" not in clinic("<script>qqq</script>")._repr_html_()


@pytest.mark.parametrize("name", ["an overflowing loss", "an empty answer", "the loss is 0", "an exponential of a gap"])
def test_a_card_shows_itself_everywhere(name):
    """With numbers that are not finite, one line or several, one number or many."""
    card = clinic(name)
    assert isinstance(card, Card)
    html = card._repr_html_()
    ElementTree.fromstring(re.sub(r"<img[^>]*>", "", html))
    assert 'alt="' in html and card.symptom.sees in unescape(html)
    for part in (card.symptom.line.splitlines()[0], card.symptom.call, card.symptom.cure.split(".")[0]):
        assert part in str(card).replace("\n  ", " ")


def test_the_line_that_is_promised_brings_it_about():
    card = clinic("dead groups")
    sick, healthy = eval(card.symptom.call, {"clinic": clinic})
    assert card.symptom.present(sick) and not card.symptom.present(healthy)


def test_a_symptom_of_no_stage_or_of_another_form_is_refused():
    words = dict.fromkeys(("sees", "words", "cause", "sign", "cure", "axis"), "x")
    with pytest.raises(ValueError, match="SFT"):
        symptom("elsewhere", **words, present=bool)
    with pytest.raises(ValueError, match="sick"):
        symptom("SFT", **words, present=bool)(lambda: {})


def test_every_symptom_stands_on_the_page_of_the_book(tmp_path):
    from minirlhf.course.clinic.page import write_page

    few = [one for one in SYMPTOMS if one.name in ("dead groups", "an overflowing loss")]
    page = write_page(tmp_path, few)
    text = page.read_text(encoding="utf-8")
    for one in few:
        assert one.sees in text and one.cure.split("`")[0] in text
        assert all(way.strip() in text.replace("\\", "") for way in one.words.split(";"))
    pictures = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", text)
    assert len(pictures) == len(few) and all(alt and (page.parent / name).is_file() for alt, name in pictures)


# ---- the ward


@pytest.fixture
def fresh_round(monkeypatch):
    monkeypatch.setattr(patients, "_GUESSES", {})


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_patient_shows_what_was_planted_and_nothing_else(seed):
    charts = ward(seed)
    assert list(charts) == list(WARD) and len(charts) == 12
    for number, chart in charts.items():
        shown = [key for key, each in DIAGNOSES.items() if key != "healthy" and each.present(chart)]
        assert shown == [key for key in [planted(number)] if key != "healthy"], (number, shown)
        assert len(chart.replies) == 10


def test_some_are_healthy_of_every_method():
    assert {bed.method for bed in WARD.values() if bed.diagnosis == "healthy"} == {"PPO", "DPO", "GRPO"}
    assert {bed.diagnosis for bed in WARD.values()} < DIAGNOSES.keys()  # and some diagnoses nobody has


def test_a_wrong_guess_gets_a_test_that_does_not_name_the_truth(fresh_round):
    for number, chart in ward(0).items():
        truth = planted(number)
        for meant in DIAGNOSES.keys() - {truth}:
            test = patients.telling_test(chart, meant, truth)
            assert "Here: " in test and DIAGNOSES[truth].name not in test
            if meant != "healthy":
                assert not DIAGNOSES[meant].present(chart), "the test speaks against what was meant"


def test_a_diagnosis_is_understood_in_other_words():
    for key, each in DIAGNOSES.items():
        assert diagnosis_meant(each.name) == key
        for words in each.words.split(";"):
            assert diagnosis_meant(words) == key, words
    assert diagnosis_meant("quokka") is None


def test_a_round_counts_first_guesses(fresh_round):
    assert str(patient(1, "quokka")).startswith("✗") and not patients._GUESSES
    assert isinstance(patient(1), Chart)
    wrong, right = patient(1, "the sign of the KL penalty is turned"), patient(1, "nothing is wrong")
    assert isinstance(wrong, Answer) and isinstance(right, Answer)
    assert not wrong.right and right.right
    patient(1, "swapped")  # named already: it counts no more
    patient(3, "all well")
    told = patient()
    assert isinstance(told, Round) and told.score == (1, 2, 12)
    assert all(each.name in str(told) for each in DIAGNOSES.values())


@pytest.mark.parametrize("number", [0, 13])
def test_whoever_is_not_there_is_not_there(number):
    with pytest.raises(ValueError, match="12"):
        patient(number)
    with pytest.raises(ValueError, match="0, 1, 2"):
        patient(1, seed=7)


def test_a_chart_shows_itself_everywhere():
    for number in (1, 2, 3):
        chart = patient(number)
        html = chart._repr_html_()
        ElementTree.fromstring(re.sub(r"<img[^>]*>", "", html))
        assert 'alt="' in html and "recorded" in chart.figure().texts[-1].get_text() + str(chart.figure()._supxlabel)
        for _, said, _ in chart.replies[:2]:
            assert said.split(" ")[0] in str(chart)


def test_the_recorded_ward_gives_nothing_away():
    text = (Path(patients.__file__).parents[3] / "data" / "recorded" / "ward.json").read_text(encoding="utf-8")
    assert not [each.name for each in DIAGNOSES.values() if each.name in text]
