"""Exercises on small steps: clipped_policy_loss, clipped_value_loss."""

import torch

from minirlhf.course.exercises.exercise import RAGGED, Case, Exercise, mistake, normal, on_masks
from minirlhf.losses import clipped_policy_loss, clipped_value_loss
from minirlhf.ops import masked_mean, masked_sum

# ---- clipped_policy_loss(log_probs, old_log_probs, advantages, mask, clip)


def _policy_cases() -> list[Case]:
    return on_masks(
        _moved,
        Case("nothing has moved yet", "Where ρ is 1 the loss is minus the mean advantage.", _moved(RAGGED, step=0.0)),
        Case(
            "steps far outside the range",
            "Once ρ has left the range the way A asks for, its gradient is 0; the other way it is not.",
            _moved(RAGGED, step=2.0),
        ),
    )


def _moved(mask, step=0.4):
    old = normal(1, *mask.shape) - 3
    return old + step * normal(2, *mask.shape), old, normal(3, *mask.shape), mask, 0.2


def _halves(log_probs, old_log_probs, advantages, clip):
    """The free and the clipped half of the loss, per token."""
    ratio = (log_probs - old_log_probs).exp()
    return -advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)


@mistake(
    "This takes the smaller of the two losses where the larger belongs. The paper's min is for something to "
    "be made large; with the minus it becomes torch.maximum. As it is, nothing holds a large step back."
)
def takes_the_smaller_loss(log_probs, old_log_probs, advantages, mask, clip):
    return masked_mean(torch.minimum(*_halves(log_probs, old_log_probs, advantages, clip)), mask)


@mistake(
    "Only the clipped half is used. A token that moved the wrong way, out of the range, then has no "
    "gradient to bring it back. Take the larger of the free and the clipped loss."
)
def uses_only_the_clipped_half(log_probs, old_log_probs, advantages, mask, clip):
    return masked_mean(_halves(log_probs, old_log_probs, advantages, clip)[1], mask)


@mistake("There is no clip here: this is -A·ρ alone, and nothing stops a large step.")
def forgets_the_clip(log_probs, old_log_probs, advantages, mask, clip):
    return masked_mean(_halves(log_probs, old_log_probs, advantages, clip)[0], mask)


@mistake("The minus is missing. Going down this loss makes good tokens less probable.")
def makes_good_tokens_less_probable(log_probs, old_log_probs, advantages, mask, clip):
    return -clipped_policy_loss(log_probs, old_log_probs, advantages, mask, clip)[0]


@mistake("The ratio is upside down. ρ = π / π_old: the new log-probability minus the old one, then exp.")
def turns_the_ratio_upside_down(log_probs, old_log_probs, advantages, mask, clip):
    return masked_mean(torch.maximum(*_halves(old_log_probs, log_probs, advantages, clip)), mask)


@mistake(
    "The logarithms were divided. The ratio of two probabilities is the exp of the difference of their logarithms: "
    "exp(log π now - log π then)."
)
def divides_the_logarithms(log_probs, old_log_probs, advantages, mask, clip):
    ratio = torch.where(mask, log_probs / old_log_probs, 1.0)
    free, clipped = -advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)
    return masked_mean(torch.maximum(free, clipped), mask)


@mistake(
    "The larger of the two ratios is taken where the larger of the two losses belongs. With a negative advantage "
    "they are in the other order: multiply first, then compare."
)
def takes_the_larger_ratio(log_probs, old_log_probs, advantages, mask, clip):
    ratio = torch.where(mask, log_probs - old_log_probs, 0.0).exp()
    return masked_mean(-advantages * torch.maximum(ratio, ratio.clamp(1 - clip, 1 + clip)), mask)


@mistake("This uses the difference of log-probabilities as it is. The ratio is its exp, and stands around 1, not 0.")
def forgets_the_exponential(log_probs, old_log_probs, advantages, mask, clip):
    ratio = log_probs - old_log_probs
    return masked_mean(torch.maximum(-advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)), mask)


@mistake("Here the log-ratio is clamped to ±ε. Take the exp first, then clamp ρ to 1 - ε … 1 + ε.")
def clamps_before_the_exponential(log_probs, old_log_probs, advantages, mask, clip):
    log_ratio = log_probs - old_log_probs
    free, clipped = -advantages * log_ratio.exp(), -advantages * log_ratio.clamp(-clip, clip).exp()
    return masked_mean(torch.maximum(free, clipped), mask)


@mistake(
    "This is the mean over every token: prompt and padding pull at the policy too. Average where the mask is True."
)
def averages_over_everything(log_probs, old_log_probs, advantages, mask, clip):
    return torch.maximum(*_halves(log_probs, old_log_probs, advantages, clip)).mean()


@mistake("This is the mean of the rows' means. Here every token weighs the same: sum over the batch, divide once.")
def averages_row_by_row(log_probs, old_log_probs, advantages, mask, clip):
    per_token = torch.maximum(*_halves(log_probs, old_log_probs, advantages, clip))
    return (masked_sum(per_token, mask) / mask.sum(dim=1).clamp(min=1)).mean()


CLIPPED_POLICY_LOSS = Exercise(
    clipped_policy_loss,
    outputs=("loss",),
    cases=_policy_cases,
    trains=("log_probs",),
    stats=True,
    calls=240,
    mistakes=(
        takes_the_smaller_loss,
        uses_only_the_clipped_half,
        forgets_the_clip,
        makes_good_tokens_less_probable,
        turns_the_ratio_upside_down,
        divides_the_logarithms,
        takes_the_larger_ratio,
        forgets_the_exponential,
        clamps_before_the_exponential,
        averages_over_everything,
        averages_row_by_row,
    ),
)

# ---- clipped_value_loss(values, old_values, returns, mask, clip)


def _value_cases() -> list[Case]:
    still = Case("nothing has moved yet", "Inside the range it is half the squared error.", _guessed(RAGGED, step=0.0))
    return on_masks(_guessed, still)


def _guessed(mask, step=0.4):
    old = normal(1, *mask.shape)
    return old + step * normal(2, *mask.shape), old, 1 + 2 * normal(3, *mask.shape), mask, 0.2


def _squares(values, old_values, returns, clip):
    """The free and the clipped squared error, per token."""
    near = old_values + (values - old_values).clamp(-clip, clip)
    return (values - returns).square(), (near - returns).square()


@mistake("The ½ is missing: this is twice the loss, and twice the gradient.")
def forgets_the_half(values, old_values, returns, mask, clip):
    return 2 * clipped_value_loss(values, old_values, returns, mask, clip)[0]


@mistake("This takes the smaller of the two errors. The larger holds a value back once it has moved by ε.")
def takes_the_smaller_error(values, old_values, returns, mask, clip):
    return 0.5 * masked_mean(torch.minimum(*_squares(values, old_values, returns, clip)), mask)


@mistake(
    "Only the clipped error is used, so a value that moved the wrong way cannot come back. Take the larger of both."
)
def uses_only_the_clipped_error(values, old_values, returns, mask, clip):
    return 0.5 * masked_mean(_squares(values, old_values, returns, clip)[1], mask)


@mistake("There is no clip here: this is the squared error alone.")
def forgets_the_value_clip(values, old_values, returns, mask, clip):
    return 0.5 * masked_mean(_squares(values, old_values, returns, clip)[0], mask)


@mistake("The range is taken as a share of the old value, as for a ratio. Here ε is a distance: old_values ± ε.")
def clips_by_a_share(values, old_values, returns, mask, clip):
    near = values.clamp(old_values * (1 - clip), old_values * (1 + clip))
    return 0.5 * masked_mean(torch.maximum((values - returns).square(), (near - returns).square()), mask)


@mistake("The value itself is clamped to ±ε. Clamp how far it has moved, and add the old value back.")
def clamps_the_value_itself(values, old_values, returns, mask, clip):
    near = values.clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum((values - returns).square(), (near - returns).square()), mask)


@mistake("The mean runs over every token, prompt and padding included. Average where the mask is True.")
def averages_errors_over_everything(values, old_values, returns, mask, clip):
    return 0.5 * torch.maximum(*_squares(values, old_values, returns, clip)).mean()


@mistake("This takes the larger of two means. Take the larger error token by token, and the mean last.")
def compares_the_means(values, old_values, returns, mask, clip):
    free, clipped = (masked_mean(x, mask) for x in _squares(values, old_values, returns, clip))
    return 0.5 * torch.maximum(free, clipped)


CLIPPED_VALUE_LOSS = Exercise(
    clipped_value_loss,
    outputs=("loss",),
    cases=_value_cases,
    trains=("values",),
    stats=True,
    calls=240,
    mistakes=(
        forgets_the_half,
        takes_the_smaller_error,
        uses_only_the_clipped_error,
        forgets_the_value_clip,
        clips_by_a_share,
        clamps_the_value_itself,
        averages_errors_over_everything,
        compares_the_means,
    ),
)
