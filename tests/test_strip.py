"""The token strip without a browser: what travels to the page, what is told in words, and that a text stays a text."""

import json
import re
import tomllib
from html import unescape
from math import inf, nan
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from traitlets import TraitError

from minirlhf.course import plots
from minirlhf.course.plots import TokenStrip
from minirlhf.course.plots.strip import ink_on, shaded, visible
from minirlhf.course.plots.style import luminance

HOSTILE = "<img src=x onerror=\"alert('taken')\"><script>alert('taken')</script>"
PIECES = ["Hi", " there", "\n", "Ye", "s."]
SHADES = {
    "advantage": [None, None, None, 0.5, -1.2],
    "probability": [None, None, None, 0.25, 1.0],
    "response": [False, False, False, True, True],
}
DETAILS = ["prompt", "prompt", "prompt", "A = 0.1 + 0.4\n  = 0.5", "A = -1.2"]


@pytest.fixture
def strip():
    return TokenStrip(PIECES, SHADES, DETAILS, title="A reply", notes={"advantage": "better than expected"})


def shade(strip, name=None):
    return next(each for each in strip.get_state()["view"]["shades"] if each["name"] == (name or strip.shading))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


# What is drawn.


def test_the_page_is_told_every_number(strip):
    assert shade(strip)["labels"] == ["", "", "", "+0.50", "−1.20"]
    assert shade(strip, "probability")["labels"] == ["", "", "", "0.25", "1.00"]
    assert shade(strip, "response")["labels"] == ["", "", "", "✓", "✓"]
    assert shade(strip)["note"] == "better than expected"


def test_two_sided_colours_are_white_at_nought_and_full_at_the_largest():
    two_sided = shaded([-2.0, 0.0, 2.0, -1.0])
    assert two_sided["tones"][:3] == ["#D55E00", "#FFFFFF", "#0072B2"]
    assert [text for _, text in two_sided["legend"]] == ["−2", "0", "+2"]
    assert shaded([0.0, 2.0])["tones"] == ["#FFFFFF", "#56B4E9"]
    assert shaded([0.0, 2.0])["legend"] == [["#FFFFFF", "0"], ["#56B4E9", "2"]]


def test_colours_do_not_know_the_unit():
    numbers = [0.3, -0.1, None, 0.02]
    in_thousandths = [None if number is None else 1000 * number for number in numbers]
    assert shaded(numbers)["tones"] == shaded(in_thousandths)["tones"]


@given(st.lists(st.one_of(st.none(), st.booleans(), st.floats(-1e30, 1e30)), min_size=1))
def test_every_text_can_be_read_on_its_background(numbers):
    look = shaded(numbers)
    for number, tone, ink, label in zip(numbers, look["tones"], look["inks"], look["labels"], strict=True):
        assert (tone is None) == (number is None)
        assert contrast(tone or "#EDEDED", ink) >= 4.5
        assert label or number is None or number is False, "nothing is said by colour alone"


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_black_or_white_can_be_read_on_any_colour(rgb):
    tone = "#{:02x}{:02x}{:02x}".format(*rgb)
    assert contrast(tone, ink_on(tone)) >= 4.5


def test_small_numbers_keep_two_figures():
    assert shaded([0.00042, 0.0001])["labels"] == ["0.00042", "0.00010"]
    assert shaded([3.0, -12.0])["labels"] == ["+3", "−12"]
    assert shaded([0.0, 0.0])["labels"] == ["0", "0"]
    assert shaded([-0.001, 1.5])["labels"] == ["0.00", "+1.50"], "no minus before nothing"


def test_what_cannot_be_seen_gets_a_sign():
    assert [visible(piece) for piece in [" a", "\n", "\t", "", "\x00", "é", "�"]] == [
        "␣a",
        "↵",
        "⇥",
        "∅",
        "�",
        "é",
        "�",
    ]


def test_tensors_are_taken_and_what_is_no_number_does_not_count():
    strip = TokenStrip("abc", {"x": torch.tensor([1.0, -inf, 2.0]), "yes": torch.tensor([1, 0, 1]) > 0}, "abc")
    assert shade(strip)["tones"][1] is None
    assert shade(strip, "yes")["labels"] == ["✓", "", "✓"]
    assert shaded([None, None])["tones"] == [None, None]
    assert TokenStrip("a", {"x": [nan]}, "a").view["shades"][0]["tones"] == [None]


def test_a_long_reply_with_many_numbers_is_one_light_message():
    generator = torch.Generator().manual_seed(0)
    shades = {f"shade {k}": torch.randn(64, generator=generator) for k in range(8)}
    strip = TokenStrip([" piece"] * 64, shades, ["log-ratio = -1.234 - (-2.345) = +1.111\n" * 6] * 64)
    assert len(json.dumps({key: strip.get_state()[key] for key in ("view", "chosen", "shading")})) < 50_000


def test_an_installed_package_brings_script_and_style():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    listed = project["tool"]["setuptools"]["package-data"]["minirlhf.course.plots"]
    folder = Path(plots.__file__).parent
    assert sorted(listed) == sorted(path.name for path in folder.iterdir() if path.suffix in (".js", ".css"))
    state = TokenStrip("a", {"x": [1]}, "a").get_state()
    assert "export default" in state["_esm"]
    assert ".minirlhf-strip" in state["_css"]
    assert not re.search(r"innerHTML|https?:", state["_esm"] + state["_css"]), "nothing is fetched, nothing can run"


# What one does with it.


def test_the_page_chooses_and_so_does_code(strip):
    strip.set_state({"chosen": 4, "shading": "response"})  # what a click in the browser sends
    assert (strip.chosen, strip.shading) == (4, "response")
    strip.choose(3)
    strip.shade("advantage")
    assert strip.get_state()["chosen"] == 3
    assert strip.get_state()["shading"] == "advantage"
    strip.choose(None)
    assert strip.chosen is None


def test_in_words(strip, capsys):
    assert str(strip).splitlines() == [
        "A reply (advantage)",
        "   0  Hi      does not count",
        "   1  ␣there  does not count",
        "   2  ↵       does not count",
        "   3  Ye      +0.50",
        "   4  s.      −1.20",
    ]
    strip.shade("response")
    assert str(strip).splitlines()[1:5:3] == ["   0  Hi      no", "   3  Ye      yes"]
    strip.tell(3)
    assert capsys.readouterr().out == "token 3: Ye\nA = 0.1 + 0.4\n  = 0.5\n"


def test_another_text_in_the_same_place_keeps_what_was_chosen(strip):
    strip.choose(4)
    strip.shade("response")
    strip.become(TokenStrip(PIECES, {"x": range(5), "response": [True] * 5}, DETAILS))
    assert (strip.chosen, strip.shading) == (4, "response")
    strip.become(TokenStrip(["a"], {"x": [1.0]}, [""]))
    assert (strip.chosen, strip.shading) == (0, "x")


def test_another_text_is_never_told_at_a_place_that_does_not_count_in_it():
    """The third token of a reply may be the prompt's in the next one: then its first token is told."""
    strip = TokenStrip("abcd", {"x": [None, 1.0, 2.0, 3.0]}, "abcd")
    strip.choose(1)
    strip.become(TokenStrip("efgh", {"x": [None, None, 2.0, 3.0]}, "efgh"))
    assert strip.chosen == 2
    strip.become(TokenStrip("ij", {"x": [None, None]}, "ij"))
    assert strip.chosen is None


# Mistakes.


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"details": DETAILS[:4]}, "'details' has 4 entries, and there are 5 tokens"),
        ({"shades": {"x": [1.0]}}, "'x' has 1 entry, and there are 5 tokens"),
        ({"shades": {}}, "one shade"),
        ({"pieces": [], "details": [], "shades": {"x": []}}, "at least one token"),
        ({"notes": {"advantages": "?"}}, "'advantages', but no such shade"),
    ],
)
def test_a_mistake_is_told_with_what_to_do(arguments, says):
    with pytest.raises(ValueError, match=says):
        TokenStrip(**{"pieces": PIECES, "shades": SHADES, "details": DETAILS} | arguments)


def test_no_such_token_and_no_such_shade(strip):
    for act in (strip.choose, strip.tell):
        for i in (5, -1):
            with pytest.raises(IndexError, match=f"There is no token {i}; choose one from 0 to 4"):
                act(i)
    with pytest.raises(ValueError, match="no shade 'values'; there are: advantage, probability, response"):
        strip.shade("values")
    with pytest.raises(TraitError):
        strip.chosen = "Hi"
    assert (strip.chosen, strip.shading) == (None, "advantage")


# Where no script runs.


def test_a_page_without_scripts_shows_the_strip(strip):
    bundle, _ = strip._repr_mimebundle_()
    page = bundle["text/html"]
    text = unescape(re.sub("<[^>]*>", " ", page))
    for piece in ("A reply", "better than expected", "Hi", "␣there", "+0.50", "−1.20"):
        assert piece in text
    assert "A = 0.1 + 0.4" in text, "the first token that counts"
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "print(strip)" in bundle["text/plain"]
    strip.choose(4)
    assert "A = -1.2" in strip._repr_html_()


def test_what_a_model_wrote_stays_a_text():
    page = TokenStrip([HOSTILE], {HOSTILE: [0.5]}, [HOSTILE], HOSTILE, {HOSTILE: HOSTILE})._repr_html_()
    assert "<img" not in page
    assert "<script" not in page
    assert page.count("&lt;img") == 6
