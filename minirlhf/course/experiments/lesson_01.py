"""Lesson 01, measured: what a classifier of pictures and of moods gets right, and what labels do to it."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cache
from random import Random

import torch

from minirlhf.classify import (
    ClassifierConfig,
    Labelled,
    PictureClassifier,
    add_labels,
    encode_texts,
    label_accuracy,
    label_probabilities,
    mislabel,
    to_pixels,
    train_classifier,
)
from minirlhf.course.experiments.claims import Claim
from minirlhf.data import read_jsonl
from minirlhf.model import Classifier
from minirlhf.paths import data_folder
from minirlhf.recipes.pipeline import load_shipped
from minirlhf.worlds.sprites import KNOWN, at_night, draw, read_pictures

CLAIMS = (
    Claim("held_out", says="nine in ten or more", low=0.9, high=1.0),
    Claim("plane_confidence", says="three quarters or more", low=0.7, high=1.0),
    Claim("planes_found_5", says="about half of the planes", low=0.35, high=0.68),
    Claim("planes_found_20", says="most of the planes", low=0.8, high=1.0),
    Claim("others_after_planes_alone", says="knows nothing else any more", low=0.0, high=0.1),
    Claim("moods_held_out", says="nineteen in twenty or more", low=0.95, high=1.0),
    Claim("odd_confidence", says="rarely below two thirds", low=0.66, high=1.0),
    Claim("a_fifth_wrong_of_150", says="about four in five", low=0.72, high=0.9),
    Claim("a_fifth_wrong_of_1200", says="hardly any damage", low=0.92, high=1.0),
    Claim("night_cats_system", says="hardly a cat at night", low=0.0, high=0.2),
    Claim("night_cats_random", says="most cats at night", low=0.7, high=1.0),
)
ODD = (
    "When do you open today?",
    "Why did the kettle cross the road?",
    "Hello, do you sell fish?",
    "The sun and the moon buy a sofa.",
)
MOODS = ClassifierConfig(steps=150, lr=1e-3)


def teach(labelled: Labelled, seed: int, steps: int = 150, model: PictureClassifier | None = None) -> PictureClassifier:
    """A picture classifier taught by these labels, or one that exists taught on, as the lesson does it."""
    torch.manual_seed(seed)
    model = model or PictureClassifier(len(labelled.names))
    list(train_classifier(model, labelled, ClassifierConfig(steps=steps, seed=seed)))
    return model


def _pictures(*folders: str) -> list[Labelled]:
    return [Labelled.pictures(read_pictures(data_folder() / "sprites" / folder)) for folder in folders]


def measure(seed: int) -> dict[str, float]:
    """The numbers that the lesson's text claims."""
    train, held_out, later = _pictures("train", "held_out", "later")
    return {**_planes(train, held_out, later.called("plane"), seed), **_moods(seed), **_wrong(train, held_out, seed)}


def _planes(train: Labelled, held_out: Labelled, planes: Labelled, seed: int) -> dict[str, float]:
    names = (*train.names, "plane")
    model, new = teach(train, seed), planes.take(range(20, 45)).under(names)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(seed))
    found = {
        f"planes_found_{n}": label_accuracy(
            teach(train.join(planes.take(order[:n].repeat(4))), seed, 60, add_labels(model)), new
        )
        for n in (5, 20)
    }
    alone = teach(planes.take(range(5)).under(names), seed, 60, add_labels(model))
    return found | {
        "held_out": label_accuracy(model, held_out),
        "plane_confidence": label_probabilities(model, *new.inputs).amax(dim=1).mean().item(),
        "others_after_planes_alone": label_accuracy(alone, held_out),
    }


def _moods(seed: int) -> dict[str, float]:
    shipped = load_shipped()
    read = [
        [row for _, row in read_jsonl(data_folder() / f"{name}.jsonl", ("text", "mood"))]
        for name in ("moods_train", "moods_held_out")
    ]
    train, held_out = (Labelled.texts(rows, shipped.tokenizer, label="mood") for rows in read)
    model = Classifier(deepcopy(shipped.base.trunk), len(train.names))
    list(train_classifier(model, train, replace(MOODS, seed=seed)))
    odd = label_probabilities(model, *encode_texts(ODD, shipped.tokenizer))
    return {"moods_held_out": label_accuracy(model, held_out), "odd_confidence": odd.amax(dim=1).mean().item()}


def _wrong(train: Labelled, held_out: Labelled, seed: int) -> dict[str, float]:
    cat = train.names.index("cat")
    system = at_night(train.inputs[0]) & (train.labels == cat)
    taught = torch.where(system, train.names.index("dog"), train.labels)
    by_lot = mislabel(train.labels, system.float().mean().item(), 3, seed)
    night_cats = held_out.take((at_night(held_out.inputs[0]) & (held_out.labels == cat)).nonzero().flatten())
    a_fifth = {f"a_fifth_wrong_of_{n}": _noisy(n, 0.2, seed, train, held_out)["kept_back"] for n in (150, 1200)}
    return a_fifth | {
        "night_cats_system": label_accuracy(teach(train.relabelled(taught), seed), night_cats),
        "night_cats_random": label_accuracy(teach(train.relabelled(by_lot), seed), night_cats),
    }


def wrong_labels(seeds: Sequence[int]) -> list[dict]:
    """Picture classifiers taught by 1,200 labels of which 0 to 40 % are wrong at random, and tested on new pictures."""
    train, held_out = _pictures("train", "held_out")
    return [_noisy(1200, wrong, seed, train, held_out) for wrong in (0.0, 0.1, 0.2, 0.3, 0.4) for seed in seeds]


def _noisy(pictures: int, wrong: float, seed: int, train: Labelled, held_out: Labelled) -> dict:
    clean = train if pictures == len(train) else drawn(pictures // len(KNOWN), seed)
    noisy = clean.relabelled(mislabel(clean.labels, wrong, len(clean.names), seed))
    model = teach(noisy, seed, steps=150 if clean is train else 600)
    return {
        "pictures": len(noisy),
        "wrong": wrong,
        "seed": seed,
        "taught": label_accuracy(model, noisy),
        "kept_back": label_accuracy(model, held_out),
    }


@cache
def drawn(each: int, seed: int) -> Labelled:
    """So many fresh pictures of each known kind, drawn and not read: two in five by night."""
    rng, names = Random(f"fresh {seed}"), tuple(sorted(KNOWN))
    images = [draw(name, rng, night=i % 5 in (2, 4)) for name in names for i in range(each)]
    return Labelled((to_pixels(images),), torch.arange(len(names)).repeat_interleave(each), names)


SWEEPS = {"wrong_labels": wrong_labels}
