"""The exercises of lesson 14: lora_linear, and mean_of_shares."""

import torch
import torch.nn.functional as F

from minirlhf.course.exercises import in_words
from minirlhf.course.exercises.exercise import Case, Exercise, normal
from minirlhf.machine.shares import mean_of_shares
from minirlhf.real.lora import lora_linear

# ---- lora_linear(x, weight, down, up, scale)


def _layer(
    seed: int, *rows: int, into: int, out: int, rank: int, scale: float = 2.0
) -> tuple[torch.Tensor | float, ...]:
    """x, and a layer's three matrices."""
    shapes = ((*rows, into), (out, into), (rank, into), (out, rank))
    return (*(normal(seed + n, *shape) for n, shape in enumerate(shapes)), scale)


def _layer_cases() -> list[Case]:
    x, weight, down, _, scale = _layer(5, 2, into=3, out=2, rank=2)
    many, *matrices = _layer(25, 96, 40, into=96, out=288, rank=8)[:4]
    small = [0.1 * matrix for matrix in matrices]
    return [
        Case("two rows", "", _layer(0, 2, into=3, out=2, rank=1)),
        Case(
            "B is zero, as at the start",
            "Where B is zero the layer does what it did before.",
            (x, weight, down, torch.zeros(2, 2), scale),
        ),
        Case("a batch of rows of tokens", "x may have any number of axes.", _layer(10, 2, 3, into=4, out=5, rank=2)),
        Case("a small scale", "", _layer(15, 3, into=4, out=3, rank=2, scale=0.25)),
        Case(
            "all of one size", "Nothing but the order says which matrix is which.", _layer(20, 3, into=3, out=3, rank=3)
        ),
        Case("as large as in training", "It works for every size.", (many, *small, 2.0), large=True),
    ]


LORA_LINEAR = Exercise(
    lora_linear,
    outputs=("y",),
    cases=_layer_cases,
    trains=("x", "down", "up"),
    calls=20_000,
    formulas=(in_words.layer_and_scaled_product, in_words.layer_of_the_moved_weight),
)


@LORA_LINEAR.mistake
def forgets_the_scale(x, weight, down, up, scale):
    """The scale is missing: the product of the two is added as it is. It is α/r, and keeps a step as large whatever the
    rank."""
    return F.linear(x, weight) + F.linear(F.linear(x, down), up)


@LORA_LINEAR.mistake
def scales_everything(x, weight, down, up, scale):
    """The scale is over the whole sum, so at the start the layer already does something else. Only the product of A and
    B is scaled."""
    return scale * (F.linear(x, weight) + F.linear(F.linear(x, down), up))


@LORA_LINEAR.mistake
def scales_the_layer(x, weight, down, up, scale):
    """The scale is at the wrong one: x Wᵀ is scaled, and the product of A and B is not."""
    return scale * F.linear(x, weight) + F.linear(F.linear(x, down), up)


@LORA_LINEAR.mistake
def forgets_the_layer(x, weight, down, up, scale):
    """This is the adapter alone. It stands *beside* the layer: x Wᵀ is added."""
    return scale * F.linear(F.linear(x, down), up)


@LORA_LINEAR.mistake
def forgets_the_adapter(x, weight, down, up, scale):
    """This is the layer as it was: the adapter is not added, and nothing can be learned."""
    return F.linear(x, weight)


@LORA_LINEAR.mistake
def scales_twice(x, weight, down, up, scale):
    """The scale is applied twice, once to each of the two products. Once is enough."""
    return F.linear(x, weight) + scale * F.linear(scale * F.linear(x, down), up)


@LORA_LINEAR.mistake
def divides_by_the_scale(x, weight, down, up, scale):
    """The product is divided by the scale; it is multiplied by it."""
    return F.linear(x, weight) + F.linear(F.linear(x, down), up) / scale


@LORA_LINEAR.mistake
def divides_by_the_rank_again(x, weight, down, up, scale):
    """The product is divided by the rank once more. `scale` is α/r already."""
    return F.linear(x, weight) + scale / len(down) * F.linear(F.linear(x, down), up)


@LORA_LINEAR.mistake
def multiplies_by_the_rank(x, weight, down, up, scale):
    """The product is multiplied by the rank. `scale` is α/r: the rank is in it already."""
    return F.linear(x, weight) + scale * len(down) * F.linear(F.linear(x, down), up)


@LORA_LINEAR.mistake
def subtracts_the_adapter(x, weight, down, up, scale):
    """The product is subtracted. It is added to x Wᵀ."""
    return F.linear(x, weight) - scale * F.linear(F.linear(x, down), up)


@LORA_LINEAR.mistake
def adds_the_scale(x, weight, down, up, scale):
    """The scale is added; it multiplies the product of A and B."""
    return F.linear(x, weight) + F.linear(F.linear(x, down), up) + scale


@LORA_LINEAR.mistake
def multiplies_layer_and_adapter(x, weight, down, up, scale):
    """The layer is multiplied by the adapter, so a zero adapter silences it. The two are added."""
    return F.linear(x, weight) * scale * F.linear(F.linear(x, down), up)


@LORA_LINEAR.mistake
def bends_in_between(x, weight, down, up, scale):
    """There is a ReLU between A and B. LoRA is a product of two matrices and nothing else: else it could not be added
    to W afterwards."""
    return F.linear(x, weight) + scale * F.linear(F.relu(F.linear(x, down)), up)


@LORA_LINEAR.mistake
def averages_the_two(x, weight, down, up, scale):
    """Layer and adapter are averaged, so at the start the layer does half of what it did. They are added."""
    return (F.linear(x, weight) + scale * F.linear(F.linear(x, down), up)) / 2


@LORA_LINEAR.mistake
def detaches_the_adapter(x, weight, down, up, scale):
    """The numbers are right, and A and B learn nothing: `.detach()`, `.data` or `no_grad` keeps the gradient from them.
    It is the base that is frozen, elsewhere."""
    return F.linear(x, weight) + scale * F.linear(F.linear(x, down.detach()), up.detach())


@LORA_LINEAR.mistake
def uses_the_first_of_the_rank(x, weight, down, up, scale):
    """Only the first row of A and the first column of B are used. All r of them count."""
    return F.linear(x, weight) + scale * F.linear(F.linear(x, down[:1]), up[:, :1])


# ---- mean_of_shares(means, counts)


def _share_cases() -> list[Case]:
    def given(means: tuple[float, ...], counts: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor(means), torch.tensor(counts)

    many = torch.randint(1, 900, (4096,), generator=torch.Generator().manual_seed(2))
    return [
        Case("two shares, one three times as long", "", given((1.0, 2.0), (3, 1))),
        Case(
            "as many tokens in each",
            "Where all are alike it is the mean of the means.",
            given((0.5, 1.5, 4.0), (2, 2, 2)),
        ),
        Case("a share with no token", "A share with no token changes nothing.", given((1.2, 0.0, 0.3), (4, 0, 6))),
        Case("a single share", "One share is the whole.", given((0.7,), (5,))),
        Case("four shares", "", given((2.1, 0.4, 1.3, 3.0), (11, 2, 7, 1))),
        Case("means below zero", "A mean may be below zero.", given((-0.5, 0.25, -2.0), (1, 6, 3))),
        Case("as many as there may be", "It works for every number.", (normal(1, 4096).abs(), many), large=True),
    ]


MEAN_OF_SHARES = Exercise(
    mean_of_shares,
    outputs=("mean",),
    cases=_share_cases,
    trains=("means",),
    calls=2_000,
    formulas=(in_words.sum_over_all_tokens, in_words.weighted_by_tokens),
)


@MEAN_OF_SHARES.mistake
def takes_the_mean_of_the_means(means, counts):
    """This is the mean of the means: a token of a short share weighs more than one of a long share. Weigh each mean by
    its tokens."""
    return means.mean()


@MEAN_OF_SHARES.mistake
def forgets_to_divide(means, counts):
    """This is the sum over all tokens. Divide by how many there are in all."""
    return (means * counts).sum()


@MEAN_OF_SHARES.mistake
def divides_by_the_shares(means, counts):
    """The sum over all tokens was divided by the number of shares. Divide by the number of tokens: counts.sum()."""
    return (means * counts).sum() / len(means)


@MEAN_OF_SHARES.mistake
def adds_up_the_means(means, counts):
    """The means are added up. Each has to be weighed by its share of the tokens."""
    return means.sum()


@MEAN_OF_SHARES.mistake
def divides_the_means_by_the_tokens(means, counts):
    """The means were added up and divided by the tokens. A mean has been divided by its tokens already: multiply it by
    them first."""
    return means.sum() / counts.sum()


@MEAN_OF_SHARES.mistake
def weighs_the_wrong_way_round(means, counts):
    """The weights stand on their head: long shares weigh less. A share weighs as much as it has tokens."""
    weights = torch.where(counts > 0, 1 / counts.clamp(min=1), 0.0)
    return (means * weights).sum() / weights.sum()


@MEAN_OF_SHARES.mistake
def takes_the_largest_share(means, counts):
    """This is the largest share's mean alone. All shares count, each by its tokens."""
    return means[counts.argmax()]


@MEAN_OF_SHARES.mistake
def drops_empty_shares_and_averages(means, counts):
    """Shares with no token are left out, and then the means are averaged: a token of a short share still weighs more.
    Weigh by the tokens."""
    return means[counts > 0].mean()


@MEAN_OF_SHARES.mistake
def weighs_by_a_softmax(means, counts):
    """The weights are a softmax of the counts, so the largest share is nearly alone. They are counts / counts.sum()."""
    return (counts.float().softmax(dim=0) * means).sum()


@MEAN_OF_SHARES.mistake
def averages_what_was_weighed(means, counts):
    """The weights add up to 1 already, and then a mean is taken over the shares. Add up what was weighed."""
    return (counts / counts.sum() * means).mean()


@MEAN_OF_SHARES.mistake
def divides_by_the_largest_count(means, counts):
    """The sum was divided by the largest count. Divide by all tokens: counts.sum()."""
    return (means * counts).sum() / counts.max()


@MEAN_OF_SHARES.mistake
def weighs_by_the_root(means, counts):
    """The weights grow with the root of the tokens. A mean over tokens gives every token the same weight."""
    weights = counts.sqrt()
    return (means * weights).sum() / weights.sum()
