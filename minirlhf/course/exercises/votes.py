"""The exercise on what a click means: chosen_and_rejected."""

import torch

from minirlhf.course.exercises.exercise import Case, Exercise, mistake
from minirlhf.feedback.pairs import BOTH_BAD, LEFT, RIGHT, TIE, chosen_and_rejected


def _click_cases() -> list[Case]:
    in_order, swapped = torch.tensor([0, 1]), torch.tensor([1, 0])
    generator = torch.Generator().manual_seed(0)
    by_lot = torch.rand(1000, 2, generator=generator).argsort(dim=1)
    return [
        Case(
            "choices between replies in either order",
            "Left and right are places; who stood there is in `shown`.",
            (torch.stack([in_order, swapped] * 2), torch.tensor([LEFT, LEFT, RIGHT, RIGHT])),
        ),
        Case(
            "replies shown in their own order",
            "With nothing swapped, left is reply 0 and right is reply 1.",
            (torch.stack([in_order] * 3), torch.tensor([LEFT, RIGHT, RIGHT])),
        ),
        Case(
            "replies shown the other way round",
            "Whoever clicked left here chose reply 1, which stood there.",
            (torch.stack([swapped] * 3), torch.tensor([RIGHT, LEFT, RIGHT])),
        ),
        Case("a single vote", "A table may have one row.", (swapped.unsqueeze(0), torch.tensor([RIGHT]))),
        Case(
            "ties",
            "A tie is half a win each, preference ½; the left reply stands first.",
            (torch.stack([in_order, swapped]), torch.tensor([TIE, TIE])),
        ),
        Case(
            "both bad",
            "Both bad says nothing about which is better: preference 0; the left reply stands first.",
            (torch.stack([swapped, in_order]), torch.tensor([BOTH_BAD, BOTH_BAD])),
        ),
        Case(
            "as many votes as a class casts",
            "It works for every size.",
            (by_lot, torch.randint(4, (1000,), generator=generator)),
            large=True,
        ),
    ]


def _worth(side, tie=0.5, both_bad=0.0):
    """The preference of each row, with one's own opinion on ties and on both bad."""
    of_side = torch.tensor([1.0, 1.0, tie, both_bad])
    return of_side[side]


@mistake(
    "These are sides of the screen, not replies. The lot had put some replies the other way round: look up in `shown` "
    "who stood on that side."
)
def forgets_to_undo_the_lot(shown, side):
    chosen = (side == RIGHT).long()
    return chosen, 1 - chosen, _worth(side)


@mistake(
    "The chosen one is right; the rejected one is still a side of the screen, so that some replies lose against "
    "themselves. Both have to be looked up in `shown`."
)
def undoes_the_lot_for_the_chosen_only(shown, side):
    chosen, _, preference = chosen_and_rejected(shown, side)
    return chosen, (side != RIGHT).long(), preference


@mistake("Chosen and rejected have changed places: a model would learn to like what people rejected.")
def swaps_chosen_and_rejected(shown, side):
    chosen, rejected, preference = chosen_and_rejected(shown, side)
    return rejected, chosen, preference


@mistake("Left is taken for the choice, whatever was clicked. `side` says which it was: 0 is left, 1 is right.")
def never_looks_at_the_click(shown, side):
    return shown[:, 0], shown[:, 1], _worth(side)


@mistake(
    "A tie counts here as a whole win for the left reply, though nobody chose it: every left reply would look a little "
    "better than it is. A tie is half a win each: ½."
)
def takes_a_tie_for_a_win(shown, side):
    chosen, rejected, _ = chosen_and_rejected(shown, side)
    return chosen, rejected, _worth(side, tie=1.0)


@mistake(
    "Ties are dropped here like losses: preference 0. A tie says something, that the two are about equally good: ½."
)
def drops_ties(shown, side):
    chosen, rejected, _ = chosen_and_rejected(shown, side)
    return chosen, rejected, _worth(side, tie=0.0)


@mistake(
    "Both bad is taken for a tie. Equally bad and equally good would look the same, and a model would learn that the "
    "two are worth the same, which nobody said: preference 0."
)
def takes_both_bad_for_a_tie(shown, side):
    chosen, rejected, _ = chosen_and_rejected(shown, side)
    return chosen, rejected, _worth(side, both_bad=0.5)


@mistake("Both bad is taken for a win of the left reply, which nobody wanted. Its preference is 0.")
def takes_both_bad_for_a_win(shown, side):
    chosen, rejected, _ = chosen_and_rejected(shown, side)
    return chosen, rejected, _worth(side, both_bad=1.0)


@mistake(
    "Every row counts as a whole win here, also where nobody won. A tie is half a win each, ½; both bad is none, 0."
)
def takes_everything_for_a_win(shown, side):
    chosen, rejected, _ = chosen_and_rejected(shown, side)
    return chosen, rejected, _worth(side, tie=1.0, both_bad=1.0)


@mistake("Tie and both bad have changed places: 2 is a tie, worth ½, and 3 is both bad, worth 0.")
def mixes_up_tie_and_both_bad(shown, side):
    chosen, rejected, _ = chosen_and_rejected(shown, side)
    return chosen, rejected, _worth(side, tie=0.0, both_bad=0.5)


@mistake(
    "This would train the same model. Where neither won, either reply may stand first; so that two tables can be "
    "compared, the left one does: ask whether `side` is 1, and not whether it is 0."
)
def puts_the_right_one_first_where_neither_won(shown, side):
    left, right = shown.unbind(dim=1)
    return torch.where(side == LEFT, left, right), torch.where(side == LEFT, right, left), _worth(side)


@mistake(
    "Chosen and rejected are right, and the preference says once more which side was clicked. It says how far `chosen` "
    "won: 1 for a choice, left or right, ½ for a tie, 0 where both are bad."
)
def takes_the_preference_for_a_side(shown, side):
    chosen, rejected, _ = chosen_and_rejected(shown, side)
    return chosen, rejected, torch.tensor([1.0, 0.0, 0.5, 0.0])[side]


CHOSEN_AND_REJECTED = Exercise(
    chosen_and_rejected,
    outputs=("chosen", "rejected", "preference"),
    cases=_click_cases,
    calls=10,
    mistakes=(
        forgets_to_undo_the_lot,
        undoes_the_lot_for_the_chosen_only,
        swaps_chosen_and_rejected,
        never_looks_at_the_click,
        takes_a_tie_for_a_win,
        drops_ties,
        takes_both_bad_for_a_tie,
        takes_both_bad_for_a_win,
        takes_everything_for_a_win,
        mixes_up_tie_and_both_bad,
        puts_the_right_one_first_where_neither_won,
        takes_the_preference_for_a_side,
    ),
)
