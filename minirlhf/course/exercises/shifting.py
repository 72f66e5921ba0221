"""The exercise on the one shift by one: predictors."""

import torch

from minirlhf.course.exercises.exercise import Case, Exercise, mistake, on_masks, rows
from minirlhf.ops import last_true, predicting_positions


def _mask_cases() -> list[Case]:
    whole = Case(
        "texts that count from their first token",
        "Nothing stands to the left of a row's first token, and behind the last one nothing follows.",
        (rows(6, (0, 4), (2, 6), (0, 6)),),
    )
    return on_masks(lambda mask: (mask,), whole)


def _behind(mask, last):
    """Everything one place to the left, and `last` in the column that this leaves empty."""
    return torch.cat([mask[:, 1:], last], dim=1)


@mistake(
    "This is one place to the right: there the model has already read the token that it should say. What "
    "speaks about token t stands at t - 1."
)
def looks_to_the_right(mask):
    return torch.cat([torch.zeros_like(mask[:, :1]), mask[:, :-1]], dim=1)


@mistake(
    "This is the mask as it was: each logit is asked about the token that it has just read. Logits at t "
    "speak about token t + 1, so everything moves one place to the left."
)
def does_not_shift(mask):
    return mask.clone()


@mistake("This is shifted by two. The logits that speak about a token stand right before it: one step.")
def shifts_twice(mask):
    return _behind(_behind(mask, torch.zeros_like(mask[:, :1])), torch.zeros_like(mask[:, :1]))


@mistake(
    "What falls out on the left comes in again on the right: torch.roll goes round. The last column speaks "
    "about nothing in the row, so it is False."
)
def goes_round(mask):
    return torch.roll(mask, -1, dims=1)


@mistake(
    "Without dims=1, torch.roll moves through the rows as if they were one long text, so a row's last place "
    "is asked about the next row's first token."
)
def runs_from_row_to_row(mask):
    return torch.roll(mask, -1)


@mistake("The rows have moved, not the tokens: rows are dimension 0, tokens are dimension 1.")
def moves_the_rows(mask):
    return torch.cat([mask[1:], torch.zeros_like(mask[:1])], dim=0)


@mistake(
    "The last column is True everywhere. Behind a row's last token there is nothing to say, so its last "
    "column is False."
)
def asks_the_last_column(mask):
    return _behind(mask, torch.ones_like(mask[:, :1]))


@mistake(
    "The last token that counts is asked too. It has read the whole reply, and what it says about the "
    "padding behind is nobody's business: the left shift alone is enough."
)
def asks_the_end_of_text_as_well(mask):
    return mask | predicting_positions(mask)


@mistake(
    "The token right before the reply is left out, so nobody is asked for the reply's first word. That "
    "token stands in the prompt, and it speaks about the response."
)
def never_asks_for_the_first_word(mask):
    return mask & predicting_positions(mask)


@mistake(
    "The prompt's tokens are asked for as well. Only those count for which the mask is True; the others are "
    "read, and nobody asks for them."
)
def asks_for_the_prompt(mask):
    position = torch.arange(mask.shape[1])
    return position < last_true(mask).unsqueeze(1)


@mistake("True and False have changed places. The answer is True where the model speaks about what counts.")
def turns_it_round(mask):
    return ~predicting_positions(mask)


@mistake("The last column stands there twice. Nothing comes in from the right: what the shift leaves empty is False.")
def repeats_the_last_column(mask):
    return _behind(mask, mask[:, -1:])


PREDICTORS = Exercise(
    predicting_positions,
    outputs=("predictors",),
    cases=_mask_cases,
    calls=300,
    mistakes=(
        looks_to_the_right,
        does_not_shift,
        shifts_twice,
        goes_round,
        runs_from_row_to_row,
        moves_the_rows,
        asks_the_last_column,
        asks_the_end_of_text_as_well,
        never_asks_for_the_first_word,
        asks_for_the_prompt,
        turns_it_round,
        repeats_the_last_column,
    ),
)
