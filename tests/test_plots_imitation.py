"""The figures of lesson 03 show the numbers that they are given."""

import math

import pytest
import torch
from readable import assert_readable
from tiny import TYPED, small_tokenizer, talker

from minirlhf.course.plots import memorising_curve, more_steps, run_panels, shift_arrows, supervision_strip, tone_shares
from minirlhf.course.plots.style import said_of
from minirlhf.data import collate
from minirlhf.ops import predicting_positions

TOKENIZER = small_tokenizer()
IDS = TOKENIZER.encode(" We send it.")
TOKENS, MASK = collate(
    [TOKENIZER.encode("Hi"), TOKENIZER.encode("Where is it?")],
    [[*IDS, TOKENIZER.eos_id], [*IDS, *IDS, TOKENIZER.eos_id]],
    TOKENIZER.pad_id,
)
MEASURED = {"right": {"loss": 0.5, "ended (of 100)": 100.0}, "wrong": {"loss": 0.0, "ended (of 100)": 12.0}}
STEPS = [{"steps": 0, "seed": 0, "gold": 1.6, "right_remedy": 80.0, "rude": 4.0}] + [
    {"steps": steps, "seed": seed, "gold": 1.4, "right_remedy": 75.0, "rude": 3.0 + seed, "held_out": 0.5}
    for steps in (100, 300)
    for seed in (0, 1)
]
FIGURES = {
    "arrows": lambda: shift_arrows(TOKENS, MASK, predicting_positions(MASK), TOKENIZER, "the package's predictors"),
    "panels": lambda: run_panels(MEASURED),
    "one run below zero": lambda: run_panels({"only": {"gold score": -0.4}}),
    "tones": lambda: tone_shares({"demonstrators": ["Boo hoo.", "Hi there!"], "SFT": ["Hello."]}),
    "memorising": lambda: memorising_curve([(1, 0.6, 0.5), (11, 0.1, 0.9)], level_at=0.55),
    "one point": lambda: memorising_curve([(1, 0.6, 0.5)]),
    "steps": lambda: more_steps(STEPS),
}


def said(figure):
    return [text.get_text() for ax in figure.axes for text in ax.texts]


@pytest.mark.parametrize("name", FIGURES)
def test_it_is_drawn_without_a_warning_and_says_something(name):
    figure = FIGURES[name]()
    assert figure.get_suptitle()
    assert_readable(figure)
    assert all(math.isfinite(end) for ax in figure.axes for end in (*ax.get_xlim(), *ax.get_ylim()))


def test_the_strip_counts_what_the_loss_counts():
    """The costs of the supervised tokens average to the loss of SFT; nothing else has a cost."""
    model = talker(config=TYPED)
    strip = supervision_strip(model, TOKENS, MASK, TOKENIZER, row=0)
    supervised, cost = strip.view["shades"]
    assert [label == "✓" for label in supervised["labels"]] == MASK[0].tolist()
    assert [tone is not None for tone in cost["tones"]] == MASK[0].tolist()
    assert f"{int(MASK[0].sum())} of {TOKENS.shape[1]}" in strip.view["title"]


def test_the_strip_tells_the_arithmetic_of_a_token(capsys):
    model = talker(config=TYPED)
    strip = supervision_strip(model, TOKENS, MASK, TOKENIZER)
    last = int(MASK[0].nonzero()[-1])
    strip.tell(last)
    told = capsys.readouterr().out
    log_p = torch.log_softmax(model(TOKENS)[0, last - 1], dim=-1)[TOKENIZER.eos_id].item()
    assert "⟨end⟩" in told and f"= {-log_p:.2f} nats" in told and f"token {last - 1}" in told
    strip.tell(0)
    strip.tell(TOKENS.shape[1] - 1)
    told = capsys.readouterr().out
    assert "nobody asks for it" in told and "padding" in told


def test_above_each_place_stands_what_it_must_say():
    texts = said(FIGURES["arrows"]())
    assert texts.count("⟨end⟩") == 2  # read once, said once
    assert "the package's predictors" in said_of(FIGURES["arrows"]())


def test_a_wrong_shift_is_drawn_in_another_colour():
    def colours(asked):
        texts = shift_arrows(TOKENS, MASK, asked, TOKENIZER).axes[0].texts
        above = [text for text in texts if text.get_fontweight() == "bold" and text.get_position()[0] >= 0]
        return {text.get_color() for text in above}

    assert len(colours(predicting_positions(MASK))) == 1
    assert len(colours(MASK)) == 2  # the end of text is asked, and speaks about padding


def test_a_panel_for_each_number_and_a_bar_for_each_run():
    loss, ended = run_panels(MEASURED).axes
    widths = [[bar.get_extents().width for bar in ax.patches] for ax in (loss, ended)]
    assert widths[0][1] == 0 < widths[0][0]
    assert widths[1][1] / widths[1][0] == pytest.approx(0.12)
    assert [text.get_text() for text in ended.texts] == ["100", "12"]
    assert [text.get_text() for text in loss.texts] == ["0.50", "0.00"]
    assert loss.get_xlabel() == "loss"


def test_rude_replies_are_counted():
    figure = FIGURES["tones"]()
    assert figure.get_suptitle() == "Rude in 100 replies: demonstrators 50, SFT 0"


def test_what_is_recorded_says_so_and_names_the_demonstrators():
    figure = FIGURES["steps"]()
    assert "recorded, 2 seeds" in figure.get_suptitle()
    named = ["the demonstrators" in [text.get_text() for text in ax.texts] for ax in figure.axes]
    assert named == [True, True, True, False]  # nobody can say how surprised they are by themselves
