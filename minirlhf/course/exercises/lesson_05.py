"""The exercises of lesson 05, choices between two replies and where a score stands: bradley_terry_loss, last_true."""

import torch
import torch.nn.functional as F

from minirlhf.course.exercises import in_words
from minirlhf.course.exercises.exercise import RAGGED, Case, Exercise, normal, on_masks
from minirlhf.losses import bradley_terry_loss
from minirlhf.ops import last_true

# ---- bradley_terry_loss(chosen, rejected, preference, margin)


def _pair_cases() -> list[Case]:
    chosen, rejected = normal(1, 6), normal(2, 6)
    ties, margin = torch.tensor([1.0, 0.5, 1.0, 1.0, 0.5, 1.0]), normal(3, 6).abs()
    many = (normal(4, 64), normal(5, 64))
    return [
        Case("six pairs", "", (chosen, rejected)),
        Case("equal scores", "Who cannot tell two replies apart is surprised by ln 2.", (chosen, chosen.clone())),
        Case("a single pair", "A batch may have one pair.", (normal(6, 1), normal(7, 1))),
        Case("all scores 5 higher", "Adding 5 to every score changes nothing.", (chosen + 5, rejected + 5)),
        Case("scores far apart", "Scores may be far apart and the loss stays finite.", (200 * chosen, 200 * rejected)),
        Case("three pairs", "", (normal(8, 3), normal(9, 3))),
        Case("a few ties", "A tie, preference ½, is half a win each.", (chosen, rejected, ties), optional=True),
        Case(
            "with a margin", "The margin is taken off the difference.", (chosen, rejected, None, margin), optional=True
        ),
        Case("a batch as large as in training", "It works for every size.", many, large=True),
    ]


def a_tie_is_a_win_each(answer):
    """Let a loss of (chosen, rejected) learn from ties: every pair is given twice, a tie once each way round."""

    def with_ties(chosen, rejected, preference=None, margin=0.0):
        if preference is None or bool((preference == 1).all()):
            return answer(chosen, rejected)
        tie = preference < 1
        won, lost = torch.where(tie, rejected, chosen), torch.where(tie, chosen, rejected)
        return answer(torch.cat([chosen, won]), torch.cat([rejected, lost]))

    return with_ties


BRADLEY_TERRY_LOSS = Exercise(
    bradley_terry_loss,
    outputs=("loss",),
    cases=_pair_cases,
    trains=("chosen", "rejected"),
    stats=True,
    calls=300,
    adapt=a_tie_is_a_win_each,
    formulas=(in_words.surprise_at_choices, bradley_terry_loss),
)


@BRADLEY_TERRY_LOSS.mistake
def swaps_chosen_and_rejected(chosen, rejected, preference=None, margin=0.0):
    """Chosen and rejected have changed places: this model would learn to like what people rejected."""
    return -F.logsigmoid(rejected - chosen).mean()


@BRADLEY_TERRY_LOSS.mistake
def forgets_the_logarithm(chosen, rejected, preference=None, margin=0.0):
    """This is the mean probability of the choices, made negative. The loss is the mean of its logarithm: logsigmoid."""
    return -torch.sigmoid(chosen - rejected).mean()


@BRADLEY_TERRY_LOSS.mistake
def adds_up_the_pairs(chosen, rejected, preference=None, margin=0.0):
    """This is the sum over the pairs. The mean does not grow with the batch."""
    return -F.logsigmoid(chosen - rejected).sum()


@BRADLEY_TERRY_LOSS.mistake
def forgets_the_minus(chosen, rejected, preference=None, margin=0.0):
    """The minus is missing. logsigmoid is never above 0; a loss is its negative."""
    return F.logsigmoid(chosen - rejected).mean()


@BRADLEY_TERRY_LOSS.mistake
def judges_each_score_alone(chosen, rejected, preference=None, margin=0.0):
    """Each score is judged by itself, as if 0 were the line between good and bad. Nobody said how good a reply is, only
    which of two is better: take the difference first."""
    return -(F.logsigmoid(chosen) + F.logsigmoid(-rejected)).mean()


@BRADLEY_TERRY_LOSS.mistake
def averages_before_comparing(chosen, rejected, preference=None, margin=0.0):
    """The scores are averaged before they are compared. Compare pair by pair, and take the mean last."""
    return -F.logsigmoid(chosen.mean() - rejected.mean())


@BRADLEY_TERRY_LOSS.mistake
def asks_for_a_fixed_lead(chosen, rejected, preference=None, margin=0.0):
    """This is a hinge: it asks for a lead of 1 and then stops caring. Bradley-Terry is -log σ(chosen - rejected)."""
    return F.relu(1 - (chosen - rejected)).mean()


@BRADLEY_TERRY_LOSS.mistake
def adds_the_margin(chosen, rejected, preference=None, margin=0.0):
    """The margin is added. It is the lead that is asked for, so it is taken off: chosen - rejected - margin."""
    return bradley_terry_loss(chosen, rejected, preference, -margin)[0]


@BRADLEY_TERRY_LOSS.mistake
def forgets_ties(chosen, rejected, preference=None, margin=0.0):
    """The preference is not used: a tie counts as a win for `chosen`. Weigh the two ways round by p and 1 - p."""
    return bradley_terry_loss(chosen, rejected, None, margin)[0]


@BRADLEY_TERRY_LOSS.mistake
def takes_the_logarithm_of_zero(chosen, rejected, preference=None, margin=0.0):
    """The sigmoid has rounded to 0, and its logarithm is minus infinity. F.logsigmoid does both at once and stays
    finite."""
    return -torch.sigmoid(chosen - rejected).log().mean()


@BRADLEY_TERRY_LOSS.mistake
def takes_the_chance_of_the_other(chosen, rejected, preference=None, margin=0.0):
    """This is the mean probability of having chosen the other one. It is bounded by 1, so a sure mistake costs hardly
    more than a doubtful one. Surprise is minus the logarithm: logsigmoid."""
    return (1 - torch.sigmoid(chosen - rejected)).mean()


@BRADLEY_TERRY_LOSS.mistake
def squashes_twice(chosen, rejected, preference=None, margin=0.0):
    """The sigmoid was taken twice. F.logsigmoid holds one already: give it the difference itself."""
    return -F.logsigmoid(torch.sigmoid(chosen - rejected)).mean()


# ---- last_true(mask)


def _place_cases() -> list[Case]:
    padded = torch.cat([RAGGED, torch.zeros(3, 4, dtype=torch.bool)], dim=1)
    return on_masks(
        lambda mask: (mask,), Case("four columns of padding appended", "Appended padding changes nothing.", (padded,))
    )


LAST_TRUE = Exercise(last_true, outputs=("place",), cases=_place_cases, formulas=(in_words.largest_column,))


@LAST_TRUE.mistake
def counts_instead_of_looking(mask):
    """This counts the tokens of the response, less one. It is their last place only where nothing stands before them,
    and here the prompt does. Ask for the place, not for the number."""
    return mask.sum(dim=1) - 1


@LAST_TRUE.mistake
def takes_the_last_column(mask):
    """This is the last column for every row. In a short row padding stands there, and a score read from it is read from
    nothing."""
    return torch.full((len(mask),), mask.shape[1] - 1)


@LAST_TRUE.mistake
def finds_the_first(mask):
    """This is the first True of each row: argmax stops at the first of equals. The last one is asked for."""
    return mask.long().argmax(dim=1)


@LAST_TRUE.mistake
def counts_from_the_end(mask):
    """This counts from the right end. flip turned the row round, so the place has to be turned back: T - 1 minus it."""
    return mask.flip(1).long().argmax(dim=1)


@LAST_TRUE.mistake
def takes_the_first_padding(mask):
    """This is one too far: the first place behind the response, where padding begins. The last token that counts stands
    one to the left."""
    return last_true(mask) + 1


@LAST_TRUE.mistake
def shifts_by_one(mask):
    """This is one too early. The shift by one belongs to predicting the next token; a score is read where the last
    token itself stands, after the model has read it."""
    return last_true(mask) - 1


@LAST_TRUE.mistake
def points_at_padding_in_an_empty_row(mask):
    """A row without any True gets its last column. Nothing counts there, so the answer is -1: replace the places that
    do not count by -1 before you take the largest."""
    return torch.where(mask.any(dim=1), last_true(mask), mask.shape[1] - 1)


@LAST_TRUE.mistake
def points_at_the_first_token_in_an_empty_row(mask):
    """A row without any True gets 0, as if its first token counted. So does a place times False, and so does argmax
    where all are alike. Take the largest of the places themselves: torch.where(mask, places, -1).amax(dim=1)."""
    return last_true(mask).clamp(min=0)


@LAST_TRUE.mistake
def takes_one_place_for_all(mask):
    """All rows get the place of the longest one. Take the largest place of each row: dim=1."""
    return last_true(mask).max().expand(len(mask))


@LAST_TRUE.mistake
def stops_at_the_first_gap(mask):
    """It stops at the first False after a True. A mask may have a hole: go on to the end of the row."""
    begun = mask.cumsum(dim=1) > 0
    run = (mask | ~begun).cumprod(dim=1).bool() & mask
    return torch.where(run, torch.arange(mask.shape[1]), -1).max(dim=1).values
