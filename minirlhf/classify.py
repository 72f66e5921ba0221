"""Learning from labels: somebody says what each example is, and a model learns to say the same.

Pictures and texts go through one stage. What is left out: a validation set and early stopping, which would hide
what a lesson wants to see, a model that learns wrong labels by heart.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from minirlhf.data import collate
from minirlhf.losses import Stats, cross_entropy
from minirlhf.machine.require import require
from minirlhf.model import Classifier, zero_head
from minirlhf.ops import Scalar
from minirlhf.tokenizer import Tokenizer
from minirlhf.training import StepConfig, TrainState, linear_lr, minibatches, new_state, optimizer_step, resumable

if TYPE_CHECKING:
    from datasets import Dataset

LabelLoss = Callable[[Float[Tensor, "N K"], Int[Tensor, "N"]], tuple[Scalar, Stats]]
Pixels = Float[Tensor, "N 3 H W"]


@dataclass(frozen=True)
class Labelled:
    """Examples and what somebody called each of them: `labels` are places in `names`.

    `inputs` is what a model is called with: (pixels,) for pictures, (tokens, mask) for texts, one row an example.
    """

    inputs: tuple[Tensor, ...]
    labels: Int[Tensor, "N"]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def pictures(cls, read: "Dataset") -> "Labelled":
        """Pictures as `read_pictures` reads them; pixels run from 0 to 1."""
        images = [np.asarray(image.convert("RGB")) for image in read["image"]]
        return cls((to_pixels(images),), torch.tensor(read["label"]), tuple(read.features["label"].names))

    @classmethod
    def texts(cls, rows: Sequence[Mapping[str, str]], tokenizer: Tokenizer, label: str) -> "Labelled":
        """Rows with a `text`, and their label in the column of this name; names come in alphabetical order."""
        names = tuple(sorted({row[label] for row in rows}))
        inputs = encode_texts([row["text"] for row in rows], tokenizer)
        return cls(inputs, torch.tensor([names.index(row[label]) for row in rows]), names)

    def take(self, rows: Sequence[int] | Tensor) -> "Labelled":
        """These examples only: their row numbers in some order, or a mask. The names stay, even without examples."""
        rows = torch.as_tensor(rows)
        rows = rows if rows.dtype == torch.bool else rows.long()
        return Labelled(tuple(x[rows] for x in self.inputs), self.labels[rows], self.names)

    def called(self, name: str) -> "Labelled":
        """The examples with this label, which is then their only name."""
        found = self.take((self.labels == self.names.index(name)).nonzero().flatten())
        return Labelled(found.inputs, torch.zeros_like(found.labels), (name,))

    def under(self, names: Sequence[str]) -> "Labelled":
        """The same examples and labels, counted by other names, among which theirs must be."""
        places = torch.tensor([names.index(name) for name in self.names])
        return Labelled(self.inputs, places[self.labels], tuple(names))

    def join(self, others: "Labelled") -> "Labelled":
        """These and the others; names that are new here come last."""
        names = tuple(dict.fromkeys((*self.names, *others.names)))
        inputs = tuple(torch.cat(pair) for pair in zip(self.inputs, others.inputs, strict=True))
        return Labelled(inputs, torch.cat([self.labels, others.under(names).labels]), names)

    def relabelled(self, labels: Int[Tensor, "N"]) -> "Labelled":
        """The same examples with other labels."""
        return Labelled(self.inputs, labels, self.names)


def to_pixels(images: Sequence[np.ndarray]) -> Pixels:
    """Pictures of bytes, (H, W, 3) each, as one tensor of numbers from 0 to 1."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


def encode_texts(texts: Sequence[str], tokenizer: Tokenizer) -> tuple[Tensor, Tensor]:
    """Texts as (tokens, mask), padded on the right; the mask is True where there is text."""
    for text in texts:
        require(text.strip() != "", "One of the texts is empty: there is nothing to read its label from.")
    return collate([[] for _ in texts], [tokenizer.encode(text) for text in texts], tokenizer.pad_id)


class PictureClassifier(nn.Module):
    """One logit for every label, (N, K): look at patches, at their neighbours, and keep what was clearest."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv2d(3, 24, kernel_size=4, stride=4),
            nn.ReLU(),  # 6 by 6 patches
            nn.Conv2d(24, 48, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(48, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(2),
            nn.Flatten(),
        )
        self.head = zero_head(4 * 32, classes)

    def forward(self, pixels: Pixels) -> Float[Tensor, "N K"]:
        return self.head(self.look(pixels - 0.5))


AnyClassifier = PictureClassifier | Classifier
Model = TypeVar("Model", PictureClassifier, Classifier)


@dataclass(frozen=True)
class ClassifierConfig(StepConfig):
    """How to learn from labels; a row is an example."""

    steps: int = 150
    batch_size: int = 32
    lr: float = 3e-3
    warmup: int = 10


@dataclass(frozen=True)
class ClassifierRecord:
    """What one step did. metrics.py says what healthy looks like."""

    step: int
    """Its number, from 1."""
    loss: float
    """-log p of the given label, mean over the minibatch, in nats."""
    accuracy: float
    """The share of the minibatch whose likeliest label was the given one."""
    grad_norm: float
    """Before clipping."""
    lr: float
    """The learning rate of this step."""


def train_classifier(
    model: AnyClassifier,
    labelled: Labelled,
    config: ClassifierConfig,
    *,
    loss: LabelLoss = cross_entropy,
    state: TrainState | None = None,
) -> Iterator[ClassifierRecord]:
    """Make the given label of each example more probable; one record a step."""
    require(len(labelled) > 0, "There are no labels to learn from.")
    state = state or new_state(config.seed, classifier=model)
    device = next(model.parameters()).device
    with resumable("The classifier", state):
        for rows in minibatches(len(labelled), config, state):
            inputs, labels = (tuple(x[rows].to(device) for x in labelled.inputs), labelled.labels[rows].to(device))
            mean, stats = loss(model(*inputs).log_softmax(dim=1), labels)
            lr = linear_lr(config.lr, state.step, config.steps, config.warmup)
            batch = {"inputs": inputs[0], "labels": labels}
            norm = optimizer_step(mean, state.optimizers["classifier"], lr, config.max_grad_norm, **batch)
            state.step += 1
            yield ClassifierRecord(state.step, mean.item(), stats["accuracy"], norm, lr)


def add_labels(model: Model, more: int = 1) -> Model:
    """A copy of a classifier that has more labels to choose from; what it knew, it still knows."""
    wider, old = deepcopy(model), model.head
    wider.head = zero_head(old.in_features, old.out_features + more)
    with torch.no_grad():
        wider.head.weight[: old.out_features] = old.weight
        wider.head.bias[: old.out_features] = old.bias
    return wider


@torch.no_grad()
def label_probabilities(model: AnyClassifier, *inputs: Tensor) -> Float[Tensor, "N K"]:
    """How probable a classifier finds each label; each row adds up to 1."""
    device = next(model.parameters()).device
    return model(*(x.to(device) for x in inputs)).softmax(dim=1).cpu()


def label_accuracy(model: AnyClassifier, labelled: Labelled) -> float:
    """The share of examples whose likeliest label is the given one."""
    return (label_probabilities(model, *labelled.inputs).argmax(dim=1) == labelled.labels).float().mean().item()


def mislabel(labels: Int[Tensor, "N"], share: float | int, classes: int, seed: int) -> Int[Tensor, "N"]:
    """The labels with this share of them, drawn by lot, changed into another one."""
    generator = torch.Generator().manual_seed(seed)
    wrong = torch.randperm(len(labels), generator=generator)[: round(share * len(labels))]
    steps = torch.randint(1, classes, (len(wrong),), generator=generator)  # 1 or more: never the same again
    return labels.index_put((wrong,), (labels[wrong] + steps) % classes)
