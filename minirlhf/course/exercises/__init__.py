"""All exercises, in the order of the lessons. The solution of each is the package's own function."""

from minirlhf.course.exercises import (
    advantages,
    agreement,
    best_of_n,
    clipping,
    gradients,
    intervals,
    labels,
    leash,
    likelihood,
    means,
    places,
    preferences,
    rewards,
    sampling,
    shifting,
    votes,
)
from minirlhf.course.exercises.exercise import Case, Exercise, Mistake

EXERCISES = {
    exercise.name: exercise
    for exercise in (
        means.MASKED_MEAN,
        labels.CROSS_ENTROPY,
        likelihood.TOKEN_LOG_PROBS,
        sampling.PICK,
        shifting.PREDICTORS,
        likelihood.SFT_LOSS,
        agreement.COHEN_KAPPA,
        votes.CHOSEN_AND_REJECTED,
        preferences.BRADLEY_TERRY_LOSS,
        places.LAST_TRUE,
        gradients.POLICY_GRADIENT_LOSS,
        clipping.CLIPPED_POLICY_LOSS,
        advantages.GAE,
        rewards.TOKEN_REWARDS,
        means.MASKED_WHITEN,
        clipping.CLIPPED_VALUE_LOSS,
        leash.ADAPT_BETA,
        best_of_n.BEST_OF_N_KL,
        best_of_n.BEST_OF_N_SCORE,
        best_of_n.PESSIMISTIC,
        intervals.WILSON_INTERVAL,
    )
}

__all__ = ["EXERCISES", "Case", "Exercise", "Mistake"]
