"""From clicks to choices: what was clicked is a side of the screen, what is learned from is a reply.

Here as a table of numbers, a row for each vote, to see what happens; `meaning` says what every kind of vote means.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minirlhf.feedback.votes import Better, BothBad, Tie, Vote

LEFT, RIGHT, TIE, BOTH_BAD = range(4)  # what can be clicked below a pair


def chosen_and_rejected(
    shown: Int[Tensor, "N 2"], side: Int[Tensor, "N"]
) -> tuple[Int[Tensor, "N"], Int[Tensor, "N"], Float[Tensor, "N"]]:
    """Which reply was chosen, which rejected, and how much of a win that is, for each click on a side.

    `shown` lists the replies as they stood, left and right, which was drawn by lot for every vote. The preference is
    1 for a choice and ½ for a tie; the left reply stands first where neither won. It is 0 where both are bad: such a
    row does not say which is better, so leave it out before training (a loss would take 0 for "the other one won").
    """
    left, right = shown.unbind(dim=1)
    chosen = torch.where(side == RIGHT, right, left)
    rejected = torch.where(side == RIGHT, left, right)
    preference = torch.ones(len(side))
    preference[side == TIE] = 0.5
    preference[side == BOTH_BAD] = 0.0
    return chosen, rejected, preference


def clicks(votes: Sequence[Vote]) -> tuple[Int[Tensor, "N 2"], Int[Tensor, "N"]]:
    """Votes on pairs as they were cast on the screen, as `chosen_and_rejected` takes them: (shown, side)."""
    for vote in votes:
        if vote.question.mode != "pair" or not isinstance(vote.answer, Better | Tie | BothBad):
            raise ValueError(
                f"A {type(vote.answer).__name__} on a question of mode {vote.question.mode!r} is no click on a side. "
                "Give votes on pairs, without skips."
            )
    shown = torch.tensor([vote.shown for vote in votes], dtype=torch.long).reshape(-1, 2)
    return shown, torch.tensor([_side(vote) for vote in votes], dtype=torch.long)


def _side(vote: Vote) -> int:
    if isinstance(vote.answer, Better):
        return LEFT if vote.chose_left else RIGHT
    return TIE if isinstance(vote.answer, Tie) else BOTH_BAD
