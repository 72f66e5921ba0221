"""The last exercise of lesson 06, what turned out better than expected: gae."""

import torch

from minirlhf.advantages import gae
from minirlhf.course.exercises.exercise import FROM_THE_START, MASKS, RAGGED, Case, Exercise, normal, on_masks
from minirlhf.ops import masked_whiten


def _gae_cases() -> list[Case]:
    anywhere = (normal(8, *RAGGED.shape), normal(9, *RAGGED.shape), RAGGED, 0.9, 0.8)
    return on_masks(
        _earned,
        Case("λ = 0", "Each advantage is its own surprise, δ_t, alone.", _earned(RAGGED, lam=0.0)),
        Case(
            "λ = 1 and γ = 1", "An advantage is all that is still earned, minus the value.", _earned(RAGGED, 1.0, 1.0)
        ),
        Case(
            "numbers in prompt and padding",
            "What stands where the mask is False changes nothing; the value after the last token is 0.",
            anywhere,
        ),
        Case("λ = 1 and γ below 1", "γ alone says how much less counts what comes later.", _earned(RAGGED, 0.7, 1.0)),
        Case("γ = 1 and λ below 1", "λ alone says how far a surprise is carried back.", _earned(RAGGED, 1.0, 0.6)),
        masks=(*MASKS, FROM_THE_START),
    )


def _earned(mask, gamma=0.9, lam=0.8):
    rewards, values = normal(5, *mask.shape), normal(6, *mask.shape)
    return torch.where(mask, rewards, 0.0), torch.where(mask, values, 0.0), mask, gamma, lam


def _later(x):
    """What stands one place to the right; 0 behind the end."""
    return torch.cat([x[:, 1:], torch.zeros_like(x[:, :1])], dim=1)


def _sweep(deltas, mask, decay):
    """A_t = δ_t + decay · A_{t+1}, from the last token to the first."""
    advantages, running = torch.zeros_like(deltas), torch.zeros_like(deltas[:, 0])
    for t in reversed(range(deltas.shape[1])):
        running = torch.where(mask[:, t], deltas[:, t] + decay * running, 0.0)
        advantages[:, t] = running
    return advantages


def _with_returns(advantages, values, mask):
    return advantages, torch.where(mask, advantages + values, 0.0)


GAE = Exercise(gae, outputs=("advantages", "returns"), cases=_gae_cases, calls=30)


@GAE.mistake
def reads_a_value_beyond_the_mask(rewards, values, mask, gamma, lam):
    """The last token's δ uses the value that stands behind it, in the padding. Nothing follows the last token that
    counts, so there the next value is 0."""
    deltas = torch.where(mask, rewards + gamma * _later(values) - values, 0.0)
    return _with_returns(_sweep(deltas, mask, gamma * lam), values, mask)


@GAE.mistake
def forgets_gamma_times_lam(rewards, values, mask, gamma, lam):
    """The sum of the surprises is not discounted: γλ is missing before A_{t+1}."""
    values = torch.where(mask, values, 0.0)
    deltas = torch.where(mask, rewards + gamma * _later(values) - values, 0.0)
    return _with_returns(_sweep(deltas, mask, 1.0), values, mask)


@GAE.mistake
def decays_by_lam_alone(rewards, values, mask, gamma, lam):
    """γ is missing in A_t = δ_t + γλ A_{t+1}: here λ stands alone."""
    values = torch.where(mask, values, 0.0)
    deltas = torch.where(mask, rewards + gamma * _later(values) - values, 0.0)
    return _with_returns(_sweep(deltas, mask, lam), values, mask)


@GAE.mistake
def forgets_gamma_before_the_next_value(rewards, values, mask, gamma, lam):
    """γ is missing before V_{t+1}: what comes later counts for less there too."""
    values = torch.where(mask, values, 0.0)
    deltas = torch.where(mask, rewards + _later(values) - values, 0.0)
    return _with_returns(_sweep(deltas, mask, gamma * lam), values, mask)


@GAE.mistake
def runs_forwards(rewards, values, mask, gamma, lam):
    """The sum runs from the first token to the last. A token can only change what comes after it, so the sweep goes
    backwards: reversed(range(T))."""
    values = torch.where(mask, values, 0.0)
    deltas = torch.where(mask, rewards + gamma * _later(values) - values, 0.0)
    forwards = _sweep(deltas.flip(1), mask.flip(1), gamma * lam).flip(1)
    return _with_returns(forwards, values, mask)


@GAE.mistake
def runs_forwards_from_the_prompt(rewards, values, mask, gamma, lam):
    """The sum runs from the first token to the last, and begins in the prompt. A token can only change what comes after
    it: sweep backwards, reversed(range(T)), and start each row at its last token that counts."""
    advantages, running = torch.zeros_like(rewards), torch.zeros_like(rewards[:, 0])
    deltas = rewards + gamma * _later(values) - values
    for t in range(rewards.shape[1]):
        running = deltas[:, t] + gamma * lam * running
        advantages[:, t] = running
    return _with_returns(torch.where(mask, advantages, 0.0), values, mask)


@GAE.mistake
def sweeps_through_the_padding(rewards, values, mask, gamma, lam):
    """The sweep begins in the padding and carries what it finds there into the response. Where the mask is False, δ_t
    and the running sum are 0."""
    deltas = rewards + gamma * _later(values) - values
    advantages = _sweep(deltas, torch.ones_like(mask), gamma * lam)
    return _with_returns(torch.where(mask, advantages, 0.0), values, mask)


@GAE.mistake
def stops_at_the_surprises(rewards, values, mask, gamma, lam):
    """These are the surprises δ_t, not yet summed up: A_t = δ_t + γλ A_{t+1}."""
    values = torch.where(mask, values, 0.0)
    deltas = torch.where(mask, rewards + gamma * _later(values) - values, 0.0)
    return _with_returns(deltas, values, mask)


@GAE.mistake
def reads_values_one_place_late(rewards, values, mask, gamma, lam):
    """The values are read one place too late: V_t is the value before token t, and stands at t."""
    values = torch.where(mask, values, 0.0)
    late = _later(values)
    deltas = torch.where(mask, rewards + gamma * _later(late) - late, 0.0)
    return _with_returns(_sweep(deltas, mask, gamma * lam), values, mask)


@GAE.mistake
def forgets_what_was_expected(rewards, values, mask, gamma, lam):
    """V_t is not taken off: this says how much was earned, not how much more than expected."""
    deltas = torch.where(mask, rewards + gamma * _later(torch.where(mask, values, 0.0)), 0.0)
    return _with_returns(_sweep(deltas, mask, gamma * lam), values, mask)


@GAE.mistake
def returns_the_advantages_twice(rewards, values, mask, gamma, lam):
    """The advantages are right and the returns are the advantages again. What the value should have been is A + V."""
    advantages, _ = gae(rewards, values, mask, gamma, lam)
    return advantages, advantages.clone()


@GAE.mistake
def takes_returns_after_whitening(rewards, values, mask, gamma, lam):
    """The advantages are right; the returns were taken after whitening, so the value model would learn in units that
    change with every batch. Returns come first: A + V. Whitening is done later, elsewhere."""
    advantages, _ = gae(rewards, values, mask, gamma, lam)
    return advantages, torch.where(mask, masked_whiten(advantages, mask) + values, 0.0)


@GAE.mistake
def whitens_too_early(rewards, values, mask, gamma, lam):
    """These advantages are whitened already. Here they stay in the units of the reward; whitening comes later."""
    advantages, returns = gae(rewards, values, mask, gamma, lam)
    return masked_whiten(advantages, mask), returns


@GAE.mistake
def returns_what_was_earned(rewards, values, mask, gamma, lam):
    """The advantages are right; these returns are the rewards still to come. Here the return is A + V."""
    advantages, _ = gae(rewards, values, mask, gamma, lam)
    return advantages, _sweep(torch.where(mask, rewards, 0.0), mask, gamma)


@GAE.mistake
def overwrites_the_next_value(rewards, values, mask, gamma, lam):
    """V_{t+1} was overwritten before it was used, so γV_t - V_t stands in δ_t. Work out δ_t first, then carry V_t
    along."""
    values = torch.where(mask, values, 0.0)
    deltas = torch.where(mask, rewards + gamma * values - values, 0.0)
    return _with_returns(_sweep(deltas, mask, gamma * lam), values, mask)


@GAE.mistake
def leaves_the_columns_reversed(rewards, values, mask, gamma, lam):
    """The columns stand in reverse: the sweep goes from the last token to the first, and so were they put together.
    Turn them round again: flip(1)."""
    advantages, _ = gae(rewards, values, mask, gamma, lam)
    return advantages.flip(1), advantages.flip(1) + torch.where(mask, values, 0.0)


@GAE.mistake
def carries_what_is_paid_in_the_padding(rewards, values, mask, gamma, lam):
    """A reward that stands in the padding is carried into the response. Where the mask is False, the running A is 0."""
    values = torch.where(mask, values, 0.0)
    advantages = _sweep(rewards + gamma * _later(values) - values, torch.ones_like(mask), gamma * lam)
    return _with_returns(torch.where(mask, advantages, 0.0), values, mask)


@GAE.mistake
def returns_the_rewards(rewards, values, mask, gamma, lam):
    """The advantages are right and the returns are the rewards. What the value should have been is A + V."""
    return gae(rewards, values, mask, gamma, lam)[0], torch.where(mask, rewards, 0.0)


@GAE.mistake
def takes_the_value_off_the_returns(rewards, values, mask, gamma, lam):
    """The advantages are right; in the returns the value is taken off. What the value should have been is A + V, not
    A - V."""
    advantages, _ = gae(rewards, values, mask, gamma, lam)
    return advantages, torch.where(mask, advantages - values, 0.0)


@GAE.mistake
def turns_the_surprise_round(rewards, values, mask, gamma, lam):
    """The signs of the two values have changed places: δ_t is r_t + γ V_{t+1} - V_t, with plus before what comes and
    minus before what was expected."""
    values = torch.where(mask, values, 0.0)
    deltas = torch.where(mask, rewards - gamma * _later(values) + values, 0.0)
    return _with_returns(_sweep(deltas, mask, gamma * lam), values, mask)


@GAE.mistake
def discounts_the_reward_too(rewards, values, mask, gamma, lam):
    """γ stands before the reward as well. Only what comes later is discounted: r_t + γ V_{t+1} - V_t."""
    values = torch.where(mask, values, 0.0)
    deltas = torch.where(mask, gamma * (rewards + _later(values)) - values, 0.0)
    return _with_returns(_sweep(deltas, mask, gamma * lam), values, mask)


@GAE.mistake
def leaves_out_the_last_column(rewards, values, mask, gamma, lam):
    """The sweep leaves out the last column, where a row may have its last token. Begin there: reversed(range(T))."""
    values = torch.where(mask, values, 0.0)
    deltas = torch.where(mask, rewards + gamma * _later(values) - values, 0.0)
    deltas[:, -1] = 0.0
    return _with_returns(_sweep(deltas, mask, gamma * lam), values, mask)


@GAE.mistake
def leaves_out_the_first_column(rewards, values, mask, gamma, lam):
    """The sweep stops before column 0, where tokens may count too: range(T - 1, 0, -1) ends at 1, and
    reversed(range(T)) ends at 0."""
    advantages, _ = gae(rewards, values, mask, gamma, lam)
    advantages[:, 0] = 0.0
    return _with_returns(advantages, values, mask)


@GAE.mistake
def forgets_the_next_value(rewards, values, mask, gamma, lam):
    """γ V_{t+1} is missing in δ_t: the next value is never added. It stands for all that is still to come."""
    values = torch.where(mask, values, 0.0)
    deltas = torch.where(mask, rewards - values, 0.0)
    return _with_returns(_sweep(deltas, mask, gamma * lam), values, mask)
