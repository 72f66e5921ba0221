"""The exercise on a leash that adjusts itself: adapt_beta."""

from minirlhf.course.exercises.exercise import Case, Exercise, mistake
from minirlhf.ppo import adapt_beta


def _cases() -> list[Case]:
    return [
        Case("a KL a little too high", "Above the target, β grows.", (0.15, 6.6, 6.0, 512, 10_000)),
        Case("a KL far too high", "Of any error, at most 0.2 counts.", (0.15, 48.0, 6.0, 512, 10_000)),
        Case("a KL a little too low", "Below the target, β shrinks.", (0.4, 5.4, 6.0, 96, 2_000)),
        Case("a KL of 0", "Before any training the KL is 0, and the error counts as -0.2.", (0.2, 0.0, 4.0, 96, 1_000)),
        Case("exactly on target", "On target, β stays as it is.", (0.05, 4.0, 4.0, 128, 10_000)),
        Case("no leash", "A β of 0 stays 0: there is nothing to multiply.", (0.0, 9.0, 4.0, 128, 10_000)),
        Case("many replies at once", "It works for every size.", (1.5, 9.0, 8.0, 5_000, 10_000), large=True),
    ]


def _error(kl, target):
    return min(max(kl / target - 1, -0.2), 0.2)


@mistake("The error is not limited. One wild batch would then move β a long way: clamp it to -0.2 … 0.2.")
def forgets_the_limit(beta, kl, target, episodes, horizon):
    return beta * (1 + (kl / target - 1) * episodes / horizon)


@mistake("The sign is turned: too much KL makes this leash longer. Above the target, β must grow.")
def turns_the_sign(beta, kl, target, episodes, horizon):
    return beta * (1 - _error(kl, target) * episodes / horizon)


@mistake("The fraction is upside down. The error is KL / target - 1: positive when the KL is too high.")
def divides_the_target_by_the_kl(beta, kl, target, episodes, horizon):
    return beta * (1 + min(max(target / max(kl, 1e-9) - 1, -0.2), 0.2) * episodes / horizon)


@mistake("This adds to β. The step is a share of β itself: multiply by 1 + …, so that β never turns negative.")
def adds_to_beta(beta, kl, target, episodes, horizon):
    return beta + _error(kl, target) * episodes / horizon


@mistake("Episodes and horizon are missing: β would move by up to 20 % with every batch, however small it is.")
def forgets_the_horizon(beta, kl, target, episodes, horizon):
    return beta * (1 + _error(kl, target))


@mistake(
    "Episodes and horizon have changed places. β moves by the whole error in `horizon` replies, so these are worth "
    "episodes / horizon of it."
)
def swaps_episodes_and_horizon(beta, kl, target, episodes, horizon):
    return beta * (1 + _error(kl, target) * horizon / episodes)


@mistake("The 1 is missing: β is multiplied by the small step itself, and is gone after one update.")
def forgets_the_one(beta, kl, target, episodes, horizon):
    return beta * _error(kl, target) * episodes / horizon


@mistake("The error is taken as a distance, KL - target. Divide by the target: 0.2 means 20 % off, for any target.")
def takes_the_distance(beta, kl, target, episodes, horizon):
    return beta * (1 + min(max(kl - target, -0.2), 0.2) * episodes / horizon)


@mistake("Here the ratio is clamped before the 1 is taken off, so that the error is never above -0.8. Subtract first.")
def clamps_the_ratio(beta, kl, target, episodes, horizon):
    return beta * (1 + (min(max(kl / target, -0.2), 0.2) - 1) * episodes / horizon)


@mistake("The clamp comes too late. It holds the error itself, before episodes / horizon makes it small.")
def clamps_the_step(beta, kl, target, episodes, horizon):
    return beta * (1 + min(max((kl / target - 1) * episodes / horizon, -0.2), 0.2))


ADAPT_BETA = Exercise(
    adapt_beta,
    outputs=("beta",),
    cases=_cases,
    calls=30,
    mistakes=(
        forgets_the_limit,
        turns_the_sign,
        divides_the_target_by_the_kl,
        adds_to_beta,
        forgets_the_horizon,
        swaps_episodes_and_horizon,
        forgets_the_one,
        takes_the_distance,
        clamps_the_ratio,
        clamps_the_step,
    ),
)
