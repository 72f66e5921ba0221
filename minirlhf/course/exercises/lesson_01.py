"""The exercise of lesson 01, right answers: cross_entropy."""

import torch
import torch.nn.functional as F

from minirlhf.course.exercises import in_words
from minirlhf.course.exercises.exercise import Case, Exercise, normal
from minirlhf.losses import cross_entropy


def _log_probs(seed: int, rows: int, classes: int) -> torch.Tensor:
    """Log-probabilities: every row's exponentials add up to 1."""
    return F.log_softmax(2 * normal(seed, rows, classes), dim=1)


def _label_cases() -> list[Case]:
    some = torch.tensor([2, 0, 1, 1, 0])
    no_idea = torch.full((6, 3), 1 / 3).log()
    sure = F.log_softmax(80 * normal(4, 5, 3), dim=1)
    many = torch.randint(4, (32,), generator=torch.Generator().manual_seed(6))
    return [
        Case("five examples, three labels", "", (_log_probs(1, 5, 3), some)),
        Case("nobody has any idea", "Equal probabilities for K labels cost ln K.", (no_idea, torch.arange(6) % 3)),
        Case("a single example", "A batch may have one example.", (_log_probs(2, 1, 4), torch.tensor([3]))),
        Case(
            "as many labels as examples",
            "The label picks a column, in every row its own.",
            (_log_probs(3, 3, 3), torch.tensor([1, 1, 2])),
        ),
        Case("a model that is very sure", "Who is sure and wrong pays much, and not infinitely much.", (sure, some)),
        Case("a batch as large as in training", "It works for every size.", (_log_probs(5, 32, 4), many), large=True),
    ]


def _right(log_probs, labels):
    return log_probs.gather(1, labels.unsqueeze(1)).squeeze(1)


CROSS_ENTROPY = Exercise(
    cross_entropy,
    outputs=("loss",),
    cases=_label_cases,
    trains=("log_probs",),
    stats=True,
    calls=1000,
    formulas=(in_words.surprise_of_labels, in_words.surprise_as_quotient),
)


@CROSS_ENTROPY.mistake
def takes_the_entropy(log_probs, labels):
    """This weighs every column with its own probability, which is the model's entropy: what it expects to be surprised.
    What did happen is asked for, the label's column alone."""
    return -(log_probs.exp() * log_probs).sum(dim=1).mean()


@CROSS_ENTROPY.mistake
def forgets_the_minus(log_probs, labels):
    """The minus is missing. A log-probability is 0 or below; a loss is its negative, so that better is lower."""
    return _right(log_probs, labels).mean()


@CROSS_ENTROPY.mistake
def adds_up_the_examples(log_probs, labels):
    """This is the sum over the examples. The mean does not grow with the batch: divide by how many there are."""
    return -_right(log_probs, labels).sum()


@CROSS_ENTROPY.mistake
def divides_by_labels_as_well(log_probs, labels):
    """The sum is divided by the number of labels times the number of examples: `.mean()` over a whole table, most of it
    zeros. Each example counts once: divide by how many examples there are."""
    return -(F.one_hot(labels, log_probs.shape[1]) * log_probs).mean()


@CROSS_ENTROPY.mistake
def averages_every_label(log_probs, labels):
    """This averages every column, right and wrong labels alike. Pick the column of the right label in each row."""
    return -log_probs.mean()


@CROSS_ENTROPY.mistake
def asks_about_the_likeliest_label(log_probs, labels):
    """This asks about the likeliest label, and never looks at the right one: it praises the model for being sure. Pick
    the column that `labels` names."""
    return -log_probs.amax(dim=1).mean()


@CROSS_ENTROPY.mistake
def takes_every_column_from_every_row(log_probs, labels):
    """`log_probs[:, labels]` takes all those columns from every row: a square table. Rows and columns go together, one
    by one: `log_probs[torch.arange(len(labels)), labels]`, or gather."""
    return -log_probs[:, labels].mean()


@CROSS_ENTROPY.mistake
def uses_the_probability(log_probs, labels):
    """These are probabilities, not their logarithms: exp was taken and is not wanted. The logarithm is what makes being
    sure and wrong expensive."""
    return -_right(log_probs, labels).exp().mean()


@CROSS_ENTROPY.mistake
def takes_the_logarithm_twice(log_probs, labels):
    """The logarithm of a logarithm: `log_probs` are logarithms already. For 0 and below there is none, hence nan."""
    return -_right(log_probs, labels).log().mean()


@CROSS_ENTROPY.mistake
def averages_before_the_logarithm(log_probs, labels):
    """The mean probability is taken first, its logarithm last. Take the logarithm of each example, then the mean: one
    example that is sure and wrong must be felt."""
    return -_right(log_probs, labels).exp().mean().log()


@CROSS_ENTROPY.mistake
def one_minus_the_probability(log_probs, labels):
    """One minus the probability of the right label: it is 0 when all is well, and never above 1. Being sure and wrong
    must cost far more than that: take -log p."""
    return (1 - _right(log_probs, labels).exp()).mean()


@CROSS_ENTROPY.mistake
def normalises_once_more(log_probs, labels):
    """The value is right, and the gradient is that of another function: torch's own cross_entropy takes a log_softmax
    of what is one already. Pick the right label's column yourself, or use torch.nn.functional.nll_loss."""
    return F.cross_entropy(log_probs, labels)
