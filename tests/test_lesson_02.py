"""What lesson 02 stands on: drawing a token by a number from 0 to 1, and a control that changes only the order."""

from collections import Counter
from copy import deepcopy
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import nbformat
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import generator, talker

from minirlhf.course.experiments.lesson_02 import shuffle, train, without_the_shift
from minirlhf.data import Demonstrations
from minirlhf.losses import sft_loss
from minirlhf.rollout import draw, inverse_cdf_sample, sample
from minirlhf.sft import SFTConfig

pytestmark = pytest.mark.usefixtures("one_thread")

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "02_a_tiny_language_model.ipynb"
CELLS = nbformat.read(NOTEBOOK, as_version=4).cells
PARTS = st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(any)


@given(PARTS, st.integers(0, 3))
def test_each_token_owns_as_much_of_the_line_as_it_is_probable(parts, power):
    """Asked at every 64th between 0 and 1, where floating point is exact, each is picked in proportion."""
    padded = [*parts, 64 - sum(parts) % 64]
    total = sum(padded)
    probabilities = torch.tensor(padded, dtype=torch.float32)  # whole numbers: running sums are exact
    u = (torch.arange(total, dtype=torch.float64) / total + 0.25 / total).float()
    for scale in (1.0, 0.5**power):  # what they add up to does not matter
        picked = inverse_cdf_sample((scale * probabilities).expand(total, -1), u)
        assert picked.bincount(minlength=len(padded)).tolist() == padded


@given(PARTS, st.floats(0, 1, exclude_max=True, width=32), st.floats(0, 1, exclude_max=True, width=32))
def test_a_larger_number_never_picks_an_earlier_token(parts, one, other):
    probabilities = torch.tensor(parts, dtype=torch.float32).expand(2, -1) / sum(parts)
    first, second = inverse_cdf_sample(probabilities, torch.tensor(sorted((one, other)))).tolist()
    assert 0 <= first <= second < len(parts)


@given(PARTS)
def test_nothing_of_probability_0_is_picked_at_either_end(parts):
    probabilities = torch.tensor(parts, dtype=torch.float32).expand(2, -1) / sum(parts)
    ends = torch.tensor([0.0, 1 - 2.0**-24])  # all that torch.rand can return lies between
    assert all(parts[i] > 0 for i in inverse_cdf_sample(probabilities, ends).tolist())


def test_the_sampler_draws_by_pick_with_one_number_a_row():
    logits = torch.randn(50, 11, generator=generator(3))
    numbers = torch.rand(50, generator=generator(4))
    assert torch.equal(draw(logits, numbers)[0], inverse_cdf_sample(logits.softmax(dim=-1), numbers))


def test_the_ten_lines_of_the_lesson_and_the_packages_sampler_draw_the_same(shipped):
    """`speak` as it stands in the notebook, beside `sample` with the same numbers; nothing ends a text in either."""
    (speak,) = (cell.source for cell in CELLS if cell.cell_type == "code" and "def speak(" in cell.source)
    assert len(speak[speak.index("def speak(") :].splitlines()) <= 10
    endless = deepcopy(shipped.base)
    endless.trunk.config = replace(endless.trunk.config, eos_id=None)
    world = {"torch": torch, "tokenizer": shipped.tokenizer, "my_inverse_cdf_sample": inverse_cdf_sample}
    exec(speak, world)
    customer = "Customer: My kettle smells of fish.\nAgent:"
    prompts = [shipped.tokenizer.encode(customer)] * 3
    for temperature in (1.0, 0.5):
        drawn = sample(endless, prompts, 30, generator(0), temperature).responses()
        assert all(len(ids) == 30 for ids in drawn)
        ended = [takewhile(lambda i: i != shipped.tokenizer.eos_id, ids) for ids in drawn]
        assert world["speak"](shipped.base, customer, temperature) == [shipped.tokenizer.decode(ids) for ids in ended]


def test_shuffling_keeps_every_piece_and_every_length():
    texts = Demonstrations([[1], [2]], [[3, 4, 4, 5], [6, 7]])
    pieces = [3, 4, 4, 5, 6, 7]
    dealt = shuffle(texts, seed=1)
    assert dealt.prompts == texts.prompts and [len(text) for text in dealt.responses] == [4, 2]
    assert Counter(piece for text in dealt.responses for piece in text) == Counter(pieces)
    assert any(shuffle(texts, seed).responses != texts.responses for seed in range(3))


def test_without_the_shift_nothing_but_the_token_itself_need_be_known():
    """A model whose logits name the token just read is perfect by the broken loss, and poor by the honest one."""
    tokens = torch.tensor([[1, 2, 3, 4, 5]])
    mask = torch.tensor([[False, True, True, True, True]])
    parrot = 40.0 * torch.nn.functional.one_hot(tokens, 11).float()
    assert without_the_shift(parrot, tokens, mask)[0] < 1e-6 < 10 < sft_loss(parrot, tokens, mask)[0]


def test_a_training_stopped_early_is_the_start_of_the_whole_one():
    texts = Demonstrations([[1]] * 6, [[2, 3, 0]] * 6)
    config = SFTConfig(steps=5, batch_size=3, lr=1e-2, warmup=1)
    (_, whole), (_, begun) = (train(talker(1), texts, config, seed=2, steps=n) for n in (None, 2))
    assert begun == whole[:2] and len(whole) == 5
