"""While tests run, whatever enters or leaves a function of the package is of the kind and shape that it says."""

import pytest
import torch
from beartype import beartype
from beartype.roar import BeartypeException
from jaxtyping import TypeCheckError
from shapes import checked

from minirlhf.data import Prompts
from minirlhf.feedback.votes import Question
from minirlhf.files.messages import counted
from minirlhf.ops import PerToken, masked_mean

MASK = torch.ones(2, 3, dtype=torch.bool)


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        (lambda: masked_mean(torch.ones(2, 3), torch.ones(2, 4, dtype=torch.bool)), "mask"),  # another shape than x
        (lambda: masked_mean(torch.ones(2, 3), torch.ones(2, 3)), "mask"),  # numbers, and no mask
        (lambda: counted("three", "vote"), "three"),
        (lambda: Question("pair", 3, ("yes", "no")), "prompt"),  # a dataclass
        (lambda: Prompts([[5]]).draw("1", torch.Generator()), "'1'"),  # a method
    ],
    ids=["a shape", "a dtype", "a type", "a field", "a method"],
)
def test_what_enters_is_held_to_its_annotation(call, fault):
    with pytest.raises((BeartypeException, TypeCheckError), match=fault):
        call()
    masked_mean(torch.ones(2, 3), MASK)
    counted(3, "vote")


def test_what_leaves_is_held_to_its_annotation_and_to_the_shape_that_entered():
    @checked(typechecker=beartype)
    def rows_of(x: PerToken, n: int) -> PerToken:
        return x[:n]

    assert rows_of(torch.ones(2, 3), 2).shape == (2, 3)
    with pytest.raises(BeartypeException, match="return"):
        rows_of(torch.ones(2, 3), 1)
