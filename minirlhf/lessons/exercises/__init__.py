"""All exercises, in the order of the lessons. The solution of each is the package's own function."""

from minirlhf.lessons.exercises import (
    advantages,
    agreement,
    clipping,
    likelihood,
    means,
    preferences,
    rewards,
    votes,
)
from minirlhf.lessons.exercises.exercise import Case, Exercise, Mistake

EXERCISES = {
    exercise.name: exercise
    for exercise in (
        means.MASKED_MEAN,
        likelihood.TOKEN_LOG_PROBS,
        likelihood.SFT_LOSS,
        agreement.COHEN_KAPPA,
        votes.CHOSEN_AND_REJECTED,
        preferences.BRADLEY_TERRY_LOSS,
        advantages.GAE,
        clipping.CLIPPED_POLICY_LOSS,
        rewards.TOKEN_REWARDS,
        means.MASKED_WHITEN,
        clipping.CLIPPED_VALUE_LOSS,
    )
}

__all__ = ["EXERCISES", "Case", "Exercise", "Mistake"]
