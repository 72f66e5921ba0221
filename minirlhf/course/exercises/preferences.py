"""The exercise on choices between two replies: bradley_terry_loss."""

import torch
import torch.nn.functional as F

from minirlhf.course.exercises.exercise import Case, Exercise, mistake, normal
from minirlhf.losses import bradley_terry_loss


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


@mistake("Chosen and rejected have changed places: this model would learn to like what people rejected.")
def swaps_chosen_and_rejected(chosen, rejected, preference=None, margin=0.0):
    return -F.logsigmoid(rejected - chosen).mean()


@mistake(
    "This is the mean probability of the choices, made negative. The loss is the mean of its logarithm: logsigmoid."
)
def forgets_the_logarithm(chosen, rejected, preference=None, margin=0.0):
    return -torch.sigmoid(chosen - rejected).mean()


@mistake("This is the sum over the pairs. The mean does not grow with the batch.")
def adds_up_the_pairs(chosen, rejected, preference=None, margin=0.0):
    return -F.logsigmoid(chosen - rejected).sum()


@mistake("The minus is missing. logsigmoid is never above 0; a loss is its negative.")
def forgets_the_minus(chosen, rejected, preference=None, margin=0.0):
    return F.logsigmoid(chosen - rejected).mean()


@mistake(
    "Each score is judged by itself, as if 0 were the line between good and bad. Nobody said how good a "
    "reply is, only which of two is better: take the difference first."
)
def judges_each_score_alone(chosen, rejected, preference=None, margin=0.0):
    return -(F.logsigmoid(chosen) + F.logsigmoid(-rejected)).mean()


@mistake("The scores are averaged before they are compared. Compare pair by pair, and take the mean last.")
def averages_before_comparing(chosen, rejected, preference=None, margin=0.0):
    return -F.logsigmoid(chosen.mean() - rejected.mean())


@mistake("This is a hinge: it asks for a lead of 1 and then stops caring. Bradley-Terry is -log σ(chosen - rejected).")
def asks_for_a_fixed_lead(chosen, rejected, preference=None, margin=0.0):
    return F.relu(1 - (chosen - rejected)).mean()


@mistake("The margin is added. It is the lead that is asked for, so it is taken off: chosen - rejected - margin.")
def adds_the_margin(chosen, rejected, preference=None, margin=0.0):
    return bradley_terry_loss(chosen, rejected, preference, -margin)[0]


@mistake("The preference is not used: a tie counts as a win for `chosen`. Weigh the two ways round by p and 1 - p.")
def forgets_ties(chosen, rejected, preference=None, margin=0.0):
    return bradley_terry_loss(chosen, rejected, None, margin)[0]


@mistake(
    "The sigmoid has rounded to 0, and its logarithm is minus infinity. F.logsigmoid does both at once and "
    "stays finite."
)
def takes_the_logarithm_of_zero(chosen, rejected, preference=None, margin=0.0):
    return -torch.sigmoid(chosen - rejected).log().mean()


@mistake(
    "This is the mean probability of having chosen the other one. It is bounded by 1, so a sure mistake costs hardly "
    "more than a doubtful one. Surprise is minus the logarithm: logsigmoid."
)
def takes_the_chance_of_the_other(chosen, rejected, preference=None, margin=0.0):
    return (1 - torch.sigmoid(chosen - rejected)).mean()


@mistake("The sigmoid was taken twice. F.logsigmoid holds one already: give it the difference itself.")
def squashes_twice(chosen, rejected, preference=None, margin=0.0):
    return -F.logsigmoid(torch.sigmoid(chosen - rejected)).mean()


BRADLEY_TERRY_LOSS = Exercise(
    bradley_terry_loss,
    outputs=("loss",),
    cases=_pair_cases,
    trains=("chosen", "rejected"),
    stats=True,
    calls=300,
    adapt=a_tie_is_a_win_each,
    mistakes=(
        swaps_chosen_and_rejected,
        forgets_the_logarithm,
        adds_up_the_pairs,
        forgets_the_minus,
        judges_each_score_alone,
        averages_before_comparing,
        asks_for_a_fixed_lead,
        adds_the_margin,
        forgets_ties,
        takes_the_logarithm_of_zero,
        takes_the_chance_of_the_other,
        squashes_twice,
    ),
)
