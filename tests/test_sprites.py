"""The shipped pictures are what the code draws, lie in folders that are labels, and show what they are called."""

from collections import Counter
from itertools import product
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image

from minirlhf.classify import Labelled
from minirlhf.worlds.sprites import FOLDERS, KNOWN, at_night, draw, pictures, read_pictures, write_sprites

SPRITES = Path(__file__).parent.parent / "data" / "sprites"


@pytest.fixture(scope="module")
def drawn():
    """Every shipped picture, drawn anew."""
    return {f"{place}/{kind}/{number:04}.png": image for place, number, kind, image in pictures()}


def test_the_shipped_pictures_are_redrawn_pixel_for_pixel(drawn):
    """Pixels, not bytes: another version of zlib packs the same picture differently."""
    shipped = {path.relative_to(SPRITES).as_posix(): path for path in SPRITES.rglob("*.png")}
    assert shipped.keys() == drawn.keys()
    for name, path in shipped.items():
        same = np.array_equal(np.asarray(Image.open(path)), drawn[name])
        assert same, f"{name} is not what the code draws now: run `make data`"


def test_they_are_few_and_small(drawn):
    assert len(drawn) <= 300
    assert sum(path.stat().st_size for path in SPRITES.rglob("*.png")) < 400_000
    assert {image.shape for image in drawn.values()} == {(24, 24, 3)}


def test_no_two_pictures_are_alike(drawn):
    assert len({image.tobytes() for image in drawn.values()}) == len(drawn)


def test_what_is_written_is_counted(tmp_path):
    counts = write_sprites(tmp_path)
    assert counts == {f"{place}/{kind}": n for place, kinds in FOLDERS.items() for kind, n in kinds.items()}
    found = Counter(path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert found == counts


def test_the_folders_name_is_the_label():
    read = Labelled.pictures(read_pictures(SPRITES / "train"))
    assert read.names == tuple(sorted(KNOWN))
    for name, count in FOLDERS["train"].items():
        found = read.called(name)
        assert len(found) == count
        first = torch.from_numpy(np.asarray(Image.open(SPRITES / "train" / name / "0001.png")).copy())
        assert torch.equal((found.inputs[0][0] * 255).round().byte(), first.permute(2, 0, 1))


def test_two_in_five_of_every_kind_are_by_night():
    for place in FOLDERS:
        read = Labelled.pictures(read_pictures(SPRITES / place))
        for name in read.names:
            assert at_night(read.called(name).inputs[0]).float().mean().item() == pytest.approx(0.4)


def test_night_is_what_the_ground_says_whatever_stands_on_it():
    for kind, night in product(_KINDS, (True, False)):
        images = np.stack([draw(kind, Random(seed), night) for seed in range(40)])
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        assert (at_night(pixels) == night).all()


def test_the_figure_stands_out_and_stays_on_the_picture():
    for kind in _KINDS:
        for seed in range(40):
            image = draw(kind, Random(seed)).astype(float)
            ground = np.median(np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]]), axis=0)
            figure = np.abs(image - ground).sum(axis=2) > 70
            assert 0.05 < figure.mean() < 0.5
            edge = np.concatenate([figure[0], figure[-1], figure[:, 0], figure[:, -1]])
            assert edge.mean() < 0.12


def test_a_folder_that_is_not_there_says_what_writes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="minirlhf data"):
        read_pictures(tmp_path / "nowhere")


_KINDS = ("person", "cat", "dog", "plane", "car")
