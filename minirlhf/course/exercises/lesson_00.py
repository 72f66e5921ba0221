"""The exercise of lesson 00, a mean over what counts: masked_mean."""

import torch

from minirlhf.course.exercises import in_words
from minirlhf.course.exercises.exercise import Case, Exercise, far_off_the_mask, normal, on_masks
from minirlhf.ops import masked_mean, masked_sum


def _mean_cases() -> list[Case]:
    return on_masks(lambda mask: (normal(1, *mask.shape), mask), far_off_the_mask())


MASKED_MEAN = Exercise(
    masked_mean,
    outputs=("mean",),
    cases=_mean_cases,
    trains=("x",),
    formulas=(in_words.mean_by_product, in_words.mean_by_picking),
)


@MASKED_MEAN.mistake
def divides_by_all_tokens(x, mask):
    """This is what comes out when the sum is divided by all tokens. Divide by how many the mask counts: mask.sum()."""
    return torch.where(mask, x, 0.0).mean()


@MASKED_MEAN.mistake
def mean_of_the_rows_means(x, mask):
    """This is the mean of the rows' means, where a token of a short row weighs more than one of a long row. Sum over
    the whole batch first, and divide once."""
    return (masked_sum(x, mask) / mask.sum(dim=1).clamp(min=1)).mean()


@MASKED_MEAN.mistake
def ignores_the_mask(x, mask):
    """This is the mean of everything: the mask is never used. It is True where a token counts."""
    return x.mean()


@MASKED_MEAN.mistake
def forgets_to_divide(x, mask):
    """This is the sum. A mean divides it by how many tokens count: mask.sum()."""
    return torch.where(mask, x, 0.0).sum()


@MASKED_MEAN.mistake
def reads_the_mask_the_wrong_way_round(x, mask):
    """This is the mean of the tokens that do not count. A mask is True where a token counts."""
    return torch.where(mask, 0.0, x).sum() / (~mask).sum().clamp(min=1)


@MASKED_MEAN.mistake
def adds_padding_to_the_sum(x, mask):
    """All tokens are added up, and only the number to divide by knows the mask. The sum needs it too."""
    return x.sum() / mask.sum()
