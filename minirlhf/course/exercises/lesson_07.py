"""The exercises of lesson 07, the parts of PPO: token_rewards, masked_whiten, clipped_value_loss, adapt_beta."""

import torch

from minirlhf.advantages import token_rewards
from minirlhf.course.exercises import in_words
from minirlhf.course.exercises.exercise import RAGGED, Case, Exercise, far_off_the_mask, normal, on_masks, rows
from minirlhf.losses import clipped_value_loss
from minirlhf.ops import last_true, masked_mean, masked_sum, masked_whiten
from minirlhf.ppo import adapt_beta

# ---- token_rewards(score, log_probs, ref_log_probs, mask, beta)


def _reward_cases() -> list[Case]:
    return on_masks(_scored, Case("β = 0", "Without a penalty only the score is left.", _scored(RAGGED, beta=0.0)))


def _scored(mask, beta=None):
    beta = BETAS.get(mask.shape[1], 0.3) if beta is None else beta
    return 3 * normal(1, len(mask)), normal(2, *mask.shape), normal(3, *mask.shape), mask, beta


BETAS = {8: 0.3, 7: 0.1, 6: 0.5, 5: 0.2}


def _penalty(log_probs, ref_log_probs, mask, beta):
    return torch.where(mask, -beta * (log_probs - ref_log_probs), 0.0)


def _is_last(mask):
    return torch.arange(mask.shape[1]) == last_true(mask).unsqueeze(1)


TOKEN_REWARDS = Exercise(
    token_rewards,
    outputs=("rewards",),
    cases=_reward_cases,
    calls=30,
    formulas=(in_words.pay_slip, in_words.pay_slip_by_difference),
)


@TOKEN_REWARDS.mistake
def pays_the_score_at_every_token(score, log_probs, ref_log_probs, mask, beta):
    """Here every token earns the whole score. It is paid once, at the last token that counts."""
    return torch.where(mask, _penalty(log_probs, ref_log_probs, mask, beta) + score.unsqueeze(1), 0.0)


@TOKEN_REWARDS.mistake
def pays_the_score_at_the_first_token(score, log_probs, ref_log_probs, mask, beta):
    """Here the first token of the response earns the score. Nobody can judge a reply before it is finished: pay at the
    last token that counts."""
    is_first = mask & (mask.cumsum(dim=1) == 1)
    return _penalty(log_probs, ref_log_probs, mask, beta) + torch.where(is_first, score.unsqueeze(1), 0.0)


@TOKEN_REWARDS.mistake
def pays_the_score_in_the_last_column(score, log_probs, ref_log_probs, mask, beta):
    """Here the score stands in the last column, which is padding in all but the longest rows. Find each row's last
    True: last_true(mask)."""
    rewards = _penalty(log_probs, ref_log_probs, mask, beta)
    rewards[:, -1] += score
    return rewards


@TOKEN_REWARDS.mistake
def pays_a_row_with_no_token(score, log_probs, ref_log_probs, mask, beta):
    """Right, but for a row with no token: its last index is -1, which Python reads as the last column."""
    rewards = _penalty(log_probs, ref_log_probs, mask, beta)
    rewards[torch.arange(len(mask)), last_true(mask)] += score
    return rewards


@TOKEN_REWARDS.mistake
def pays_for_leaving_the_reference(score, log_probs, ref_log_probs, mask, beta):
    """The penalty has the wrong sign: leaving the reference is paid for. It is -β (log π - log π_ref), where the policy
    comes first."""
    return token_rewards(score, log_probs, ref_log_probs, mask, -beta)


@TOKEN_REWARDS.mistake
def forgets_beta(score, log_probs, ref_log_probs, mask, beta):
    """The penalty is not multiplied by β, so it is always at full strength."""
    return token_rewards(score, log_probs, ref_log_probs, mask, 1.0)


@TOKEN_REWARDS.mistake
def charges_the_last_token_for_all(score, log_probs, ref_log_probs, mask, beta):
    """Here the last token pays the penalty of the whole response. Each token pays its own, where it stands: then credit
    and blame reach the token that earned them."""
    total = score + masked_sum(_penalty(log_probs, ref_log_probs, mask, beta), mask)
    return torch.where(_is_last(mask), total.unsqueeze(1), 0.0)


@TOKEN_REWARDS.mistake
def replaces_the_last_penalty(score, log_probs, ref_log_probs, mask, beta):
    """The last token earns the score and pays no penalty. Add the score there, do not put it in its place."""
    return torch.where(_is_last(mask), score.unsqueeze(1), _penalty(log_probs, ref_log_probs, mask, beta))


@TOKEN_REWARDS.mistake
def forgets_the_score(score, log_probs, ref_log_probs, mask, beta):
    """The score is missing: this is the penalty alone, and the best policy would be the reference."""
    return _penalty(log_probs, ref_log_probs, mask, beta)


@TOKEN_REWARDS.mistake
def charges_the_prompt(score, log_probs, ref_log_probs, mask, beta):
    """Prompt and padding pay a penalty too. The policy did not choose those tokens: 0 where the mask is False."""
    return -beta * (log_probs - ref_log_probs) + torch.where(_is_last(mask), score.unsqueeze(1), 0.0)


@TOKEN_REWARDS.mistake
def charges_the_ratio(score, log_probs, ref_log_probs, mask, beta):
    """Here each token pays for the ratio π / π_ref, so even a token that has not moved pays β. The penalty is on its
    logarithm, log π - log π_ref, which is 0 there."""
    penalty = torch.where(mask, -beta * (log_probs - ref_log_probs).exp(), 0.0)
    return penalty + torch.where(_is_last(mask), score.unsqueeze(1), 0.0)


# ---- masked_whiten(x, mask)


def _whiten_cases() -> list[Case]:
    alone = (normal(9, 2, 5), rows(5, (3, 4), (0, 0)))
    return on_masks(
        lambda mask: (1 + 2 * normal(7, *mask.shape), mask),
        far_off_the_mask(),
        Case("a single token in the whole batch", "One token alone becomes 0, not 0/0.", alone),
    )


def _centred(x, mask):
    return torch.where(mask, x - masked_mean(x, mask), 0.0)


def _variance(x, mask):
    return masked_mean(_centred(x, mask).square(), mask)


MASKED_WHITEN = Exercise(
    masked_whiten,
    outputs=("whitened",),
    cases=_whiten_cases,
    calls=30,
    formulas=(in_words.whitened, in_words.whitened_at_once, in_words.whitened_mean_by_mean),
)


@MASKED_WHITEN.mistake
def whitens_over_everything(x, mask):
    """Mean and variance are taken over everything, padding included. Use only what counts: masked_mean."""
    centred = x - x.mean()
    return torch.where(mask, centred * torch.rsqrt(centred.square().mean() + 1e-8), 0.0)


@MASKED_WHITEN.mistake
def keeps_the_mean(x, mask):
    """Only the spread is scaled. The mean has to go as well, or every token seems better than expected."""
    return torch.where(mask, x * torch.rsqrt(_variance(x, mask) + 1e-8), 0.0)


@MASKED_WHITEN.mistake
def adds_the_mean_back(x, mask):
    """The mean is added back at the end. Some code does that to rewards; advantages must have mean 0."""
    return torch.where(mask, masked_whiten(x, mask) + masked_mean(x, mask), 0.0)


@MASKED_WHITEN.mistake
def divides_by_the_variance(x, mask):
    """This divides by the variance. Divide by its square root, the standard deviation."""
    return _centred(x, mask) / (_variance(x, mask) + 1e-8)


@MASKED_WHITEN.mistake
def only_centres(x, mask):
    """The mean is gone and the spread is as it was. Divide by the standard deviation."""
    return _centred(x, mask)


@MASKED_WHITEN.mistake
def whitens_each_row(x, mask):
    """Each row is whitened by itself, so a good reply looks no better than a poor one. Take the whole batch."""
    return torch.cat([masked_whiten(row, counts) for row, counts in zip(x.split(1), mask.split(1), strict=True)])


@MASKED_WHITEN.mistake
def divides_by_n_minus_one(x, mask):
    """This divides by n - 1, as torch.std does unless told otherwise. With one token that is 0/0: divide by n."""
    n = mask.sum()
    return masked_whiten(x, mask) * ((n - 1) / n).sqrt() / (n > 1)


@MASKED_WHITEN.mistake
def leaves_numbers_in_the_padding(x, mask):
    """Prompt and padding are shifted and scaled too. Where the mask is False the answer is 0."""
    return (x - masked_mean(x, mask)) * torch.rsqrt(_variance(x, mask) + 1e-8)


@MASKED_WHITEN.mistake
def never_looks_at_the_mask(x, mask):
    """The mask is never used. Mean and variance belong to the tokens that count, masked_mean(x, mask), and where the
    mask is False the answer is 0. (And torch.var divides by n - 1, here it is n.)"""
    return (x - x.mean()) / torch.sqrt(x.var() + 1e-8)


@MASKED_WHITEN.mistake
def counts_the_zeros(x, mask):
    """The tokens that do not count are set to 0 and then counted all the same, in the mean and in the variance. Divide
    by how many the mask counts: masked_mean."""
    centred = x * mask - (x * mask).mean()
    return torch.where(mask, centred * torch.rsqrt(centred.square().mean() + 1e-8), 0.0)


# ---- clipped_value_loss(values, old_values, returns, mask, clip)


def _value_cases() -> list[Case]:
    still = Case("nothing has moved yet", "Inside the range it is half the squared error.", _guessed(RAGGED, step=0.0))
    wide = Case("a wide range", "ε is what `clip` says, whatever is usual.", _guessed(RAGGED, step=1.0, clip=0.6))
    return on_masks(_guessed, still, wide)


def _guessed(mask, step=0.4, clip=None):
    old = normal(1, *mask.shape)
    clip = CLIPS.get(mask.shape[1], 0.2) if clip is None else clip
    return old + step * normal(2, *mask.shape), old, 1 + 2 * normal(3, *mask.shape), mask, clip


CLIPS = {8: 0.2, 7: 0.1, 6: 0.3, 5: 0.15}


def _squares(values, old_values, returns, clip):
    """The free and the clipped squared error, per token."""
    near = old_values + (values - old_values).clamp(-clip, clip)
    return (values - returns).square(), (near - returns).square()


def _in_words(values, old_values, returns, mask, clip):
    near = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum((values - returns).square(), (near - returns).square()), mask)


CLIPPED_VALUE_LOSS = Exercise(
    clipped_value_loss,
    outputs=("loss",),
    cases=_value_cases,
    trains=("values",),
    stats=True,
    calls=240,
    formulas=(_in_words,),
)


@CLIPPED_VALUE_LOSS.mistake
def forgets_the_half(values, old_values, returns, mask, clip):
    """The ½ is missing: this is twice the loss, and twice the gradient."""
    return 2 * clipped_value_loss(values, old_values, returns, mask, clip)[0]


@CLIPPED_VALUE_LOSS.mistake
def takes_the_smaller_error(values, old_values, returns, mask, clip):
    """This takes the smaller of the two errors. The larger holds a value back once it has moved by ε."""
    return 0.5 * masked_mean(torch.minimum(*_squares(values, old_values, returns, clip)), mask)


@CLIPPED_VALUE_LOSS.mistake
def uses_only_the_clipped_error(values, old_values, returns, mask, clip):
    """Only the clipped error is used, so a value that moved the wrong way cannot come back. Take the larger of both."""
    return 0.5 * masked_mean(_squares(values, old_values, returns, clip)[1], mask)


@CLIPPED_VALUE_LOSS.mistake
def forgets_the_value_clip(values, old_values, returns, mask, clip):
    """The clip changes nothing here: this is the squared error alone, which is also what comes out if the value is held
    near the return. Hold it near its old value, old_values ± ε, and take the larger error."""
    return 0.5 * masked_mean(_squares(values, old_values, returns, clip)[0], mask)


@CLIPPED_VALUE_LOSS.mistake
def clips_by_a_share(values, old_values, returns, mask, clip):
    """The range is taken as a share of the old value, as for a ratio. Here ε is a distance: old_values ± ε."""
    near = values.clamp(old_values * (1 - clip), old_values * (1 + clip))
    return 0.5 * masked_mean(torch.maximum((values - returns).square(), (near - returns).square()), mask)


@CLIPPED_VALUE_LOSS.mistake
def clamps_the_value_itself(values, old_values, returns, mask, clip):
    """The value itself is clamped to ±ε. Clamp how far it has moved, and add the old value back."""
    near = values.clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum((values - returns).square(), (near - returns).square()), mask)


@CLIPPED_VALUE_LOSS.mistake
def averages_errors_over_everything(values, old_values, returns, mask, clip):
    """The mean runs over every token, prompt and padding included. Average where the mask is True."""
    return 0.5 * torch.maximum(*_squares(values, old_values, returns, clip)).mean()


@CLIPPED_VALUE_LOSS.mistake
def compares_the_means(values, old_values, returns, mask, clip):
    """This takes the larger of two means. Take the larger error token by token, and the mean last."""
    free, clipped = (masked_mean(x, mask) for x in _squares(values, old_values, returns, clip))
    return 0.5 * torch.maximum(free, clipped)


@CLIPPED_VALUE_LOSS.mistake
def takes_the_absolute_error(values, old_values, returns, mask, clip):
    """The errors are not squared. Half the mean of a square is asked for: (V - R)²."""
    free, clipped = (x.sqrt() for x in _squares(values, old_values, returns, clip))
    return 0.5 * masked_mean(torch.maximum(free, clipped), mask)


@CLIPPED_VALUE_LOSS.mistake
def holds_the_old_value_near_the_new(values, old_values, returns, mask, clip):
    """The two values have changed places in the clip: it is the new value that is held near the old one, old_values +
    (values - old_values).clamp(-ε, ε)."""
    _, held = _squares(old_values, values, returns, clip)
    return 0.5 * masked_mean(torch.maximum((values - returns).square(), held), mask)


@CLIPPED_VALUE_LOSS.mistake
def clamps_the_quotient(values, old_values, returns, mask, clip):
    """The value is held by a ratio, V / V_old, as the policy is. Here ε is a distance: old_values ± ε."""
    near = old_values * (values / old_values).clamp(1 - clip, 1 + clip)
    return 0.5 * masked_mean(torch.maximum((values - returns).square(), (near - returns).square()), mask)


@CLIPPED_VALUE_LOSS.mistake
def squares_the_larger(values, old_values, returns, mask, clip):
    """The larger of the two differences is taken first and squared afterwards. Square both, then take the
    larger: a difference of -3 is a larger error than one of 1."""
    near = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum(values - returns, near - returns).square(), mask)


@CLIPPED_VALUE_LOSS.mistake
def squares_the_mean(values, old_values, returns, mask, clip):
    """The mean is taken first and squared afterwards. Square each error, and take the mean last."""
    free, clipped = (x.sqrt() for x in _squares(values, old_values, returns, clip))
    return 0.5 * masked_mean(torch.maximum(free, clipped), mask).square()


# ---- adapt_beta(beta, kl, target, episodes, horizon)


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


ADAPT_BETA = Exercise(adapt_beta, outputs=("beta",), cases=_cases, calls=30)


@ADAPT_BETA.mistake
def forgets_the_limit(beta, kl, target, episodes, horizon):
    """The error is not limited. One wild batch would then move β a long way: clamp it to -0.2 … 0.2."""
    return beta * (1 + (kl / target - 1) * episodes / horizon)


@ADAPT_BETA.mistake
def turns_the_sign(beta, kl, target, episodes, horizon):
    """The sign is turned: too much KL makes this leash longer. Above the target, β must grow."""
    return beta * (1 - _error(kl, target) * episodes / horizon)


@ADAPT_BETA.mistake
def divides_the_target_by_the_kl(beta, kl, target, episodes, horizon):
    """The fraction is upside down. The error is KL / target - 1: positive when the KL is too high."""
    return beta * (1 + min(max(target / max(kl, 1e-9) - 1, -0.2), 0.2) * episodes / horizon)


@ADAPT_BETA.mistake
def adds_to_beta(beta, kl, target, episodes, horizon):
    """This adds to β. The step is a share of β itself: multiply by 1 + …, so that β never turns negative."""
    return beta + _error(kl, target) * episodes / horizon


@ADAPT_BETA.mistake
def forgets_the_horizon(beta, kl, target, episodes, horizon):
    """Episodes and horizon are missing: β would move by up to 20 % with every batch, however small it is."""
    return beta * (1 + _error(kl, target))


@ADAPT_BETA.mistake
def swaps_episodes_and_horizon(beta, kl, target, episodes, horizon):
    """Episodes and horizon have changed places. β moves by the whole error in `horizon` replies, so these are worth
    episodes / horizon of it."""
    return beta * (1 + _error(kl, target) * horizon / episodes)


@ADAPT_BETA.mistake
def forgets_the_one(beta, kl, target, episodes, horizon):
    """The 1 is missing: β is multiplied by the small step itself, and is gone after one update."""
    return beta * _error(kl, target) * episodes / horizon


@ADAPT_BETA.mistake
def takes_the_distance(beta, kl, target, episodes, horizon):
    """The error is taken as a distance, KL - target. Divide by the target: 0.2 means 20 % off, for any target."""
    return beta * (1 + min(max(kl - target, -0.2), 0.2) * episodes / horizon)


@ADAPT_BETA.mistake
def clamps_the_ratio(beta, kl, target, episodes, horizon):
    """Here the ratio is clamped before the 1 is taken off, so that the error is never above -0.8. Subtract first."""
    return beta * (1 + (min(max(kl / target, -0.2), 0.2) - 1) * episodes / horizon)


@ADAPT_BETA.mistake
def clamps_the_step(beta, kl, target, episodes, horizon):
    """The clamp comes too late. It holds the error itself, before episodes / horizon makes it small."""
    return beta * (1 + min(max((kl / target - 1) * episodes / horizon, -0.2), 0.2))
