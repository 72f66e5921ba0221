"""The pictures of lesson 02 show the numbers they are given: pieces, surprises, stretches of a line, losses."""

import math
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from readable import assert_readable
from tiny import TEXTS, TYPED, generator, talker

from minirlhf.course.plots import end_to_end, loss_curves, next_pieces, piece_strip, shift_map, style, surprise_strip
from minirlhf.course.plots.lesson_02 import percent, spelled
from minirlhf.ops import token_log_probs
from minirlhf.rollout import inverse_cdf_sample
from minirlhf.sft import SFTRecord
from minirlhf.tokenizer import Tokenizer

pytestmark = pytest.mark.usefixtures("one_thread")

TOKENIZER = Tokenizer.train(TEXTS, TYPED.vocab_size)
PIECES, ODDS = ["⟨end⟩", "a", " b", "$x^2$", "\n"], [0.0, 0.5, 0.25, 0.2, 0.05]
GUESSES = [("b", 0.9), ("c", 0.4), ("🐟", 0.001)]


def records(*losses):
    return [SFTRecord(step, loss, 0.5, 900, 1.0, 1e-3) for step, loss in enumerate(losses, start=1)]


FIGURES = {
    "shift": lambda: shift_map(["a", "b", "$x$"], GUESSES),
    "one piece": lambda: shift_map(["a"], GUESSES[:1]),
    "line": lambda: end_to_end(PIECES, ODDS, [0.1, 0.999]),
    "next": lambda: next_pieces(PIECES, ODDS, ["<b>$x$ \x07 🐟\n" + "a" * 300, "", "fine."]),
    "nothing said": lambda: next_pieces(PIECES, ODDS),
    "losses": lambda: loss_curves(
        {"base": records(6.2, 1.0), "shuffled": records(6.2)}, {"ln 512": 6.24, "low": 0.7}, 9
    ),
    "one step": lambda: loss_curves({"base": records(6.2), "not yet": []}),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_a_sentence_and_is_drawn_without_a_warning(name):
    figure = FIGURES[name]()
    assert figure.get_suptitle()
    assert_readable(figure)


def test_axes_say_their_unit():
    line, bars, losses = (FIGURES[name]().axes[0] for name in ("line", "next", "losses"))
    assert line.get_xlabel() == "running sum of the probabilities"
    assert bars.get_xlabel().startswith("probability")
    assert (losses.get_xlabel(), losses.get_ylabel()) == ("step", "loss (nats a piece)")


# ---- pieces


@given(st.text(min_size=1))
def test_whatever_is_typed_is_shown_byte_for_byte(text):
    ids = TOKENIZER.encode(text)
    sizes = [int(label) for label in piece_strip(TOKENIZER, text).view["shades"][0]["labels"]]
    assert len(spelled(TOKENIZER, ids)) == len(sizes) == len(ids)
    assert sum(sizes) == len(text.encode())


def test_the_bytes_of_a_strange_letter_are_named():
    assert spelled(TOKENIZER, TOKENIZER.encode("ü🙂")) == ["C3", "BC", "F0", "9F", "99", "82"]
    half = TOKENIZER.encode("ü")[:1]
    assert spelled(TOKENIZER, [*half, TOKENIZER.eos_id]) == ["�", style.END]


# ---- surprise


def test_the_strip_tells_what_the_model_computed():
    model, text = talker(3, TYPED), "my blue lamp"
    strip = surprise_strip(model, TOKENIZER, text)
    ids = [*TOKENIZER.encode(text), TOKENIZER.eos_id]
    tokens, labels = torch.tensor([ids]), strip.view["shades"][0]["labels"]
    with torch.no_grad():
        expected = model(tokens)[0].double().softmax(dim=-1)
    assert labels[0] == "" and strip.view["pieces"][-1] == style.END
    for t, detail in enumerate(strip.view["details"][1:], start=1):
        before = expected[t - 1]
        assert float(labels[t]) == pytest.approx(-math.log(before[ids[t]]), abs=0.006)
        assert float(re.findall(r"surprise (\S+) nats", detail)[0]) == pytest.approx(
            -math.log(before[ids[t]]), abs=0.006
        )
        first = detail.splitlines()[2].split()
        assert first == [percent(before.max().item()), spelled(TOKENIZER, [int(before.argmax())])[0]]


def test_the_strip_reads_with_the_function_it_is_given():
    def half(logits, tokens, mask):
        return token_log_probs(logits, tokens, mask) / 2

    strips = [surprise_strip(talker(3, TYPED), TOKENIZER, "lamp!", log_probs=read) for read in (token_log_probs, half)]
    whole, halved = ([float(x) for x in strip.view["shades"][0]["labels"][1:]] for strip in strips)
    assert halved == pytest.approx([x / 2 for x in whole], abs=0.011)


# ---- the shift


def test_a_guess_is_held_against_the_piece_after_it():
    figure = shift_map(["a", "b", "b"], [("b", 0.9), ("a", 0.4), ("b", 0.2)])
    assert "1 of 2 came true" in figure.get_suptitle()
    assert [text.get_text() for text in figure.axes[0].texts if "✓" in text.get_text()] == ["90% ✓"]
    with pytest.raises(ValueError, match="one guess a piece"):
        shift_map(["a"], GUESSES)


# ---- drawing one


def test_the_line_shows_what_pick_picks():
    us = [0.0, 0.499, 0.5, 0.75, 0.96]
    picked = inverse_cdf_sample(torch.tensor([ODDS] * len(us)), torch.tensor(us)).tolist()
    shown = end_to_end(["A", "B", "C", "D", "E"], ODDS, us).get_suptitle().replace("\n", " ")
    assert [part[-1] for part in shown.split(": ")[1].split(", ")] == ["ABCDE"[i] for i in picked]


def test_a_stretch_is_as_long_as_its_piece_is_probable():
    bars = end_to_end(PIECES, ODDS, [0.1]).axes[0].patches
    assert [bar.get_width() for bar in bars] == pytest.approx([0.5, 0.25, 0.2, 0.05])
    assert [bar.get_x() for bar in bars] == pytest.approx([0.0, 0.5, 0.75, 0.95])


def test_bars_are_ranked_and_the_rest_is_counted():
    probabilities = torch.randn(40, generator=generator(1)).softmax(0).tolist()
    ax = next_pieces([f"p{i}" for i in range(40)], probabilities).axes[0]
    widths = [bar.get_width() for bar in ax.patches]
    assert widths == sorted(probabilities, reverse=True)[:10]
    assert ax.get_xlabel() == f"probability (all others together: {percent(1 - sum(widths))})"


def test_what_was_said_stands_beside_the_bars_letter_for_letter():
    text = "We will send a new kettle. " * 8
    said = next_pieces(PIECES, ODDS, [text]).axes[1].texts[1].get_text()
    assert max(map(len, said.splitlines())) <= 84
    assert said.replace("\n", " ") == text.strip()


@pytest.mark.parametrize(
    ("p", "words"), [(1.0, "100%"), (0.5, "50%"), (0.0994, "9.9%"), (0.001, "0.1%"), (0.0001, "< 0.1%"), (0.0, "0%")]
)
def test_percentages_keep_the_digits_that_matter(p, words):
    assert percent(p) == words


# ---- losses


def test_every_run_is_drawn_from_its_first_step_and_named_with_its_end():
    figure = FIGURES["losses"]()
    ax = figure.axes[0]
    assert [tuple(line.get_ydata()) for line in ax.lines[:2]] == [(6.2, 1.0), (6.2,)]
    words = {text.get_text() for text in ax.texts}
    assert {"base 1.00", "shuffled 6.20", "ln 512", "low"} <= words
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()  # not told apart by colour alone
    assert ax.get_xlim() == (0, 9) and ax.get_ylim()[0] == 0 and ax.get_ylim()[1] > 6.24
    assert figure.get_suptitle() == "The last loss: base 1.00, shuffled 6.20"
    alone = loss_curves({"base": records(6.2, 1.0)})
    assert alone.get_suptitle() == "The loss, from 6.20 at step 1 to 1.00 at step 2"


def test_nothing_to_draw_is_said_in_words():
    with pytest.raises(ValueError, match="after the first step"):
        loss_curves({"base": []})
