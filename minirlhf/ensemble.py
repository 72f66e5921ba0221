"""Several reward models that were fitted to different draws of the same votes, and distrust where they disagree.

Choices: bagging (each member reads as many votes as there are, drawn with replacement), mean minus some deviations,
and members on one scale before they are compared. Left out: members with weights of their own start, as Coste et al.
(2023) have them, since an additive model has one best answer whatever its start.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from minirlhf.data import Comparisons
from minirlhf.ops import Mask, PerSequence, Tokens
from minirlhf.rollout import RewardFn

MemberScores = Float[Tensor, "K B"]  # what each of K members gives each reply


def pessimistic(scores: MemberScores, caution: float | int = 1.0) -> PerSequence:
    """The members' mean score of each reply, less `caution` standard deviations of what they say: (K, B) to (B,).

    A reply that all of them like keeps its score; one that only some like loses. The deviation is that of these
    members (divided by K), so a member alone loses nothing. (After Coste et al., 2023, section 3.2, who take the
    variance.)
    """
    mean = scores.mean(dim=0)
    deviation = (scores - mean).square().mean(dim=0).sqrt()
    return mean - caution * deviation


class Ensemble:
    """A reward model made of several: anything that scores (tokens, response_mask) can be a member."""

    def __init__(
        self,
        members: Sequence[RewardFn],
        caution: float | int = 1.0,
        combine: Callable[[MemberScores, float | int], PerSequence] = pessimistic,
    ) -> None:
        if not members:
            raise ValueError("An ensemble needs at least one member.")
        self.members, self.caution, self.combine = list(members), caution, combine

    def __call__(self, tokens: Tokens, response_mask: Mask) -> PerSequence:
        return self.combine(self.member_scores(tokens, response_mask), self.caution)

    @torch.no_grad()
    def member_scores(self, tokens: Tokens, response_mask: Mask) -> MemberScores:
        """What each member gives each response: (K, B)."""
        return torch.stack([member(tokens, response_mask) for member in self.members])


def resample(comparisons: Comparisons, seed: int) -> Comparisons:
    """As many comparisons as there are, drawn with replacement: about a third are left out, others come twice."""
    n, generator = len(comparisons), torch.Generator().manual_seed(seed)
    return comparisons.at(torch.randint(n, (n,), generator=generator).tolist())
