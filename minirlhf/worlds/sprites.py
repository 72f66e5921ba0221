"""Tiny drawn pictures of a person, a cat, a dog, a plane and a car, 24 by 24 pixels, for the first lesson.

Every picture is drawn by rule, with a place, a size, a lean, colours and noise of its own, by day or by night.
Shapes are tested point by point on a grid four times as fine: no drawing library, whose next version would draw
another edge. What is left out: anything that a person could not name at a glance.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import cos, sin
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

if TYPE_CHECKING:
    from datasets import Dataset

SIDE, FINE = 24, 4  # pixels; points along a pixel's side
SEED = 2
KNOWN, LATER = ("person", "cat", "dog"), ("plane", "car")
# How many pictures of each kind stand in each folder.
FOLDERS = {"train": dict.fromkeys(KNOWN, 50), "held_out": dict.fromkeys(KNOWN, 25), "later": {"plane": 45, "car": 20}}
FURS = ((236, 226, 210), (214, 138, 62), (128, 88, 56), (150, 150, 156), (62, 58, 60))
SKINS = ((244, 206, 176), (214, 160, 118), (150, 100, 68), (98, 66, 48))
PAINTS = ((204, 60, 56), (60, 104, 190), (70, 150, 90), (228, 184, 64), (240, 240, 240), (150, 84, 160))
METALS = ((240, 240, 244), (186, 192, 200), (214, 84, 78), (84, 132, 204))
DAYS = ((196, 222, 240), (206, 226, 190), (236, 224, 198), (224, 214, 232))
NIGHTS = ((30, 36, 66), (26, 50, 52), (52, 36, 58))
DARK, GLASS, LIGHT = (40, 38, 44), (150, 200, 226), (250, 246, 230)

Colour = tuple[int, int, int]
Image = UInt8[np.ndarray, "24 24 3"]


def draw(kind: str, rng: Random, night: bool | None = None) -> Image:
    """A picture of this kind, unlike the last; by night four times in ten, unless you say."""
    night = rng.random() < 0.4 if night is None else night
    ground = rng.choice(NIGHTS if night else DAYS)
    canvas = _Canvas.fresh(ground, rng)
    _DRAWN[kind](canvas, rng)
    pixels = canvas.colours.reshape(SIDE, FINE, SIDE, FINE, 3).mean(axis=(1, 3))
    grain = np.array([rng.choice((-8, 0, 0, 8)) for _ in range(SIDE * SIDE)]).reshape(SIDE, SIDE, 1)
    coarse = np.round((pixels + grain) / 8) * 8  # few shades: small files, and no edge hangs on a last digit
    return coarse.clip(0, 255).astype(np.uint8)


def write_sprites(folder: str | Path) -> dict[str, int]:
    """Write every picture into the folder: train/cat/0001.png and so on; returns how many stand in each place."""
    from PIL import Image as Png

    counts = {}
    for place, number, kind, image in pictures():
        path = Path(folder) / place / kind / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Png.fromarray(image).save(path, optimize=True)
        counts[f"{place}/{kind}"] = number
    return counts


def pictures() -> Iterator[tuple[str, int, str, Image]]:
    """Every shipped picture: folder, number, kind and pixels, the same each time; two in five by night."""
    for place, kinds in FOLDERS.items():
        for kind, count in kinds.items():
            rng = Random(f"{SEED} {place} {kind}")  # a generator each: one folder more leaves the others as they are
            for number in range(1, count + 1):
                yield place, number, kind, draw(kind, rng, night=number % 5 in (2, 4))


def read_pictures(folder: str | Path) -> "Dataset":
    """The pictures below a folder, each with its label: the name of the folder that it lies in."""
    import datasets  # here and not above: it takes a second to import

    if not Path(folder).is_dir():
        raise FileNotFoundError(f"{folder}: no such folder. `minirlhf data` draws the pictures that lesson 01 reads.")
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as cache:  # never a stale copy from a shared cache
        read = datasets.load_dataset(
            "imagefolder", data_dir=str(folder), split="train", cache_dir=cache, keep_in_memory=True
        )
    return read


def at_night(pixels: Float[Tensor, "N 3 24 24"]) -> Bool[Tensor, "N"]:
    """Which pictures were taken at night: those with a dark upper edge."""
    return pixels[:, :, 0].mean(dim=(1, 2)) < 0.4


@dataclass
class _Canvas:
    """What has been painted, and where the figure stands on it: its own coordinates reach from -1 to 1."""

    colours: np.ndarray
    x: np.ndarray
    y: np.ndarray
    ground: Colour

    @classmethod
    def fresh(cls, ground: Colour, rng: Random) -> "_Canvas":
        """An empty ground, and a figure of some size, somewhere, leaning a little, looking left or right."""
        points = (np.arange(SIDE * FINE) + 0.5) / (SIDE * FINE) * 2 - 1
        right, down = np.meshgrid(points, points)
        size, lean = rng.uniform(0.66, 0.9), rng.uniform(-0.16, 0.16)
        room = 0.96 - size
        right, down = right - rng.uniform(-room, room), down - rng.uniform(-room, room)
        x = (cos(lean) * right + sin(lean) * down) / size * rng.choice((-1, 1))
        y = (cos(lean) * down - sin(lean) * right) / size
        n = SIDE * FINE
        return cls(np.broadcast_to(np.array(ground, float), (n, n, 3)).copy(), x, y, ground)

    def seen(self, colours: tuple[Colour, ...], rng: Random) -> Colour:
        """One of these colours that stands out from the ground, a little lighter or darker than the list says."""
        clear = [c for c in colours if abs(sum(c) - sum(self.ground)) > 130]
        shade = rng.uniform(0.9, 1.08)
        r, g, b = (min(255, round(part * shade)) for part in rng.choice(clear or list(colours)))
        return r, g, b

    def blob(self, x: float, y: float, wide: float, high: float, colour: Colour) -> None:
        """An ellipse around (x, y)."""
        self.colours[((self.x - x) / wide) ** 2 + ((self.y - y) / high) ** 2 < 1] = colour

    def shape(self, colour: Colour, *corners: tuple[float, float]) -> None:
        """A polygon with these corners: a point is inside when a ray from it crosses an odd number of sides."""
        inside = np.zeros(self.x.shape, dtype=bool)
        for (x1, y1), (x2, y2) in zip(corners, (*corners[1:], corners[0]), strict=True):
            if y1 != y2:
                crosses = (self.y < y1) != (self.y < y2)
                inside ^= crosses & (self.x < x1 + (self.y - y1) * (x2 - x1) / (y2 - y1))
        self.colours[inside] = colour

    def stroke(self, colour: Colour, width: float, *points: tuple[float, float]) -> None:
        """A line through these points, round at its ends."""
        for (x1, y1), (x2, y2) in pairwise(points):
            dx, dy = x2 - x1, y2 - y1
            along = ((self.x - x1) * dx + (self.y - y1) * dy) / (dx * dx + dy * dy)
            along = along.clip(0, 1)
            apart = (self.x - x1 - along * dx) ** 2 + (self.y - y1 - along * dy) ** 2
            self.colours[apart < (width / 2) ** 2] = colour


def _person(at: _Canvas, rng: Random) -> None:
    skin, shirt, trousers = (at.seen(SKINS, rng), at.seen(PAINTS, rng), at.seen((*PAINTS[:3], DARK, FURS[3]), rng))
    swing = rng.uniform(0.2, 0.5)
    for side in (-1, 1):
        at.stroke(trousers, 0.24, (0.1 * side, 0.2), (swing * side * 0.7, 0.92))
        at.stroke(skin, 0.17, (0.22 * side, -0.28), (0.34 * side + 0.25 * side * swing, rng.choice((0.2, -0.7))))
    at.shape(shirt, (-0.32, -0.4), (0.32, -0.4), (0.24, 0.3), (-0.24, 0.3))
    at.blob(0.0, -0.68, 0.27, 0.3, skin)
    hair = rng.choice((DARK, FURS[1], FURS[2]))
    at.shape(hair, (-0.27, -0.74), (-0.2, -0.98), (0.2, -0.98), (0.27, -0.74))


def _cat(at: _Canvas, rng: Random) -> None:
    fur = at.seen(FURS, rng)
    eyes = DARK if sum(fur) > 300 else LIGHT
    lift = rng.uniform(-0.2, 0.1)
    at.stroke(fur, 0.16, (0.3, 0.8), (0.75, 0.75), (0.86, 0.3), (0.68, lift))
    at.blob(0.0, 0.45, 0.46, 0.52, fur)
    at.blob(0.0, -0.32, 0.5, 0.42, fur)
    for side in (-1, 1):
        at.shape(fur, (0.1 * side, -0.6), (0.5 * side, -0.4), (0.44 * side, -1.0))
        at.blob(0.2 * side, -0.36, 0.08, 0.1, eyes)
    at.blob(0.0, -0.17, 0.08, 0.06, (226, 130, 130))


def _dog(at: _Canvas, rng: Random) -> None:
    fur = at.seen(FURS, rng)
    ear = tuple(round(0.62 * part) for part in fur) if sum(fur) > 300 else tuple(min(255, part + 60) for part in fur)
    step = rng.uniform(0.0, 0.14)
    at.stroke(fur, 0.14, (-0.6, -0.05), (-0.92, rng.uniform(-0.6, -0.3)))
    for x, way in ((-0.56, -1), (-0.36, 1), (0.18, -1), (0.38, 1)):
        at.stroke(fur, 0.17, (x, 0.2), (x + way * step, 0.82))
    at.blob(-0.1, 0.12, 0.6, 0.3, fur)
    at.blob(0.48, -0.3, 0.31, 0.3, fur)
    at.blob(0.76, -0.2, 0.24, 0.15, fur)
    at.blob(0.95, -0.25, 0.08, 0.08, DARK if sum(fur) > 300 else LIGHT)
    at.blob(0.32, -0.24, 0.13, 0.32, (ear[0], ear[1], ear[2]))
    at.blob(0.58, -0.4, 0.06, 0.06, DARK if sum(fur) > 300 else LIGHT)


def _plane(at: _Canvas, rng: Random) -> None:
    metal, sweep = at.seen(METALS, rng), rng.uniform(0.35, 0.45)
    for side in (-1, 1):
        at.shape(metal, (0.28, 0.08 * side), (-0.14, 0.08 * side), (-sweep, 0.95 * side), (-sweep + 0.26, 0.95 * side))
        at.shape(metal, (-0.62, 0.0), (-0.86, 0.0), (-0.98, 0.42 * side), (-0.8, 0.42 * side))
    at.blob(0.0, 0.0, 0.98, 0.16, metal)
    at.blob(0.72, 0.0, 0.12, 0.09, DARK)


def _car(at: _Canvas, rng: Random) -> None:
    paint = at.seen(PAINTS, rng)
    rear = rng.uniform(-0.75, -0.45)
    at.shape(paint, (rear, 0.08), (rear + 0.2, -0.4), (0.28, -0.4), (0.58, 0.08))
    at.shape(GLASS, (rear + 0.16, 0.02), (rear + 0.28, -0.28), (-0.08, -0.28), (-0.08, 0.02))
    at.shape(GLASS, (0.04, 0.02), (0.04, -0.28), (0.22, -0.28), (0.42, 0.02))
    at.shape(paint, (-0.95, 0.05), (0.8, 0.05), (0.96, 0.2), (0.96, 0.48), (-0.95, 0.48))
    for x in (-0.52, 0.54):
        at.blob(x, 0.5, 0.24, 0.24, DARK)
        at.blob(x, 0.5, 0.1, 0.1, METALS[1])


_DRAWN: dict[str, Callable[[_Canvas, Random], None]] = {
    "person": _person,
    "cat": _cat,
    "dog": _dog,
    "plane": _plane,
    "car": _car,
}
