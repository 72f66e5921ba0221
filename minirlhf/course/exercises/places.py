"""The exercise on where a score stands: last_true."""

import torch

from minirlhf.course.exercises.exercise import RAGGED, Case, Exercise, mistake, on_masks, rows
from minirlhf.ops import last_true


def _place_cases() -> list[Case]:
    padded = torch.cat([RAGGED, torch.zeros(3, 4, dtype=torch.bool)], dim=1)
    gap = rows(9, (2, 8), (1, 7), (3, 6))
    gap[:, 4] = False
    return on_masks(
        lambda mask: (mask,),
        Case("four columns of padding appended", "Appended padding changes nothing.", (padded,)),
        Case("a response with a gap in it", "What counts need not stand in one piece.", (gap,)),
    )


@mistake(
    "This counts the tokens of the response, less one. It is their last place only where nothing stands before "
    "them, and here the prompt does. Ask for the place, not for the number."
)
def counts_instead_of_looking(mask):
    return mask.sum(dim=1) - 1


@mistake(
    "This is the last column for every row. In a short row padding stands there, and a score read from it "
    "is read from nothing."
)
def takes_the_last_column(mask):
    return torch.full((len(mask),), mask.shape[1] - 1)


@mistake("This is the first True of each row: argmax stops at the first of equals. The last one is asked for.")
def finds_the_first(mask):
    return mask.long().argmax(dim=1)


@mistake(
    "This counts from the right end. flip turned the row round, so the place has to be turned back: T - 1 minus it."
)
def counts_from_the_end(mask):
    return mask.flip(1).long().argmax(dim=1)


@mistake(
    "This is one too far: the first place behind the response, where padding begins. The last token that counts "
    "stands one to the left."
)
def takes_the_first_padding(mask):
    return last_true(mask) + 1


@mistake(
    "This is one too early. The shift by one belongs to predicting the next token; a score is read where the last "
    "token itself stands, after the model has read it."
)
def shifts_by_one(mask):
    return last_true(mask) - 1


@mistake(
    "A row without any True gets its last column. Nothing counts there, so the answer is -1: replace the places "
    "that do not count by -1 before you take the largest."
)
def points_at_padding_in_an_empty_row(mask):
    return torch.where(mask.any(dim=1), last_true(mask), mask.shape[1] - 1)


@mistake(
    "A row without any True gets 0, as if its first token counted. So does a place times False, and so does argmax "
    "where all are alike. Take the largest of the places themselves: torch.where(mask, places, -1).amax(dim=1)."
)
def points_at_the_first_token_in_an_empty_row(mask):
    return last_true(mask).clamp(min=0)


@mistake("All rows get the place of the longest one. Take the largest place of each row: dim=1.")
def takes_one_place_for_all(mask):
    return last_true(mask).max().expand(len(mask))


LAST_TRUE = Exercise(
    last_true,
    outputs=("place",),
    cases=_place_cases,
    mistakes=(
        counts_instead_of_looking,
        takes_the_last_column,
        finds_the_first,
        counts_from_the_end,
        takes_the_first_padding,
        shifts_by_one,
        points_at_padding_in_an_empty_row,
        points_at_the_first_token_in_an_empty_row,
        takes_one_place_for_all,
    ),
)
