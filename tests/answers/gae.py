"""Wrong answers to gae, as learners write them; behind each stands what a good thought speaks of."""

import torch


def _sweep(rewards, values, mask, gamma, lam, d=None, decay=None):
    T = rewards.shape[1]
    values = values * mask
    adv = torch.zeros_like(rewards)
    a = torch.zeros(len(rewards))
    v = torch.zeros(len(rewards))
    for t in reversed(range(T)):
        delta = (d or (lambda r, nxt, now: r + gamma * nxt - now))(rewards[:, t], v, values[:, t])
        a = (delta + (gamma * lam if decay is None else decay) * a) * mask[:, t]
        adv[:, t] = a
        v = values[:, t]
    return adv, (adv + values) * mask


def no_gamma_lam(rewards, values, mask, gamma, lam):  # γλ|discount|lam
    return _sweep(rewards, values, mask, gamma, lam, decay=1.0)


def lam_only(rewards, values, mask, gamma, lam):  # γ
    return _sweep(rewards, values, mask, gamma, lam, decay=lam)


def gamma_only(rewards, values, mask, gamma, lam):  # λ|lam
    return _sweep(rewards, values, mask, gamma, lam, decay=gamma)


def no_gamma_next(rewards, values, mask, gamma, lam):  # γ
    return _sweep(rewards, values, mask, gamma, lam, d=lambda r, nxt, now: r + nxt - now)


def no_value(rewards, values, mask, gamma, lam):  # V_t|expected
    return _sweep(rewards, values, mask, gamma, lam, d=lambda r, nxt, now: r + gamma * nxt)


def no_next(rewards, values, mask, gamma, lam):  # next value|V_{t+1}
    return _sweep(rewards, values, mask, gamma, lam, d=lambda r, nxt, now: r - now)


def plus_value(rewards, values, mask, gamma, lam):  # sign
    return _sweep(rewards, values, mask, gamma, lam, d=lambda r, nxt, now: r - gamma * nxt + now)


def no_reward(rewards, values, mask, gamma, lam):  # reward
    return _sweep(rewards, values, mask, gamma, lam, d=lambda r, nxt, now: gamma * nxt - now)


def values_unmasked(rewards, values, mask, gamma, lam):  # padding|values
    T = rewards.shape[1]
    adv = torch.zeros_like(rewards)
    a = torch.zeros(len(rewards))
    v = torch.zeros(len(rewards))
    for t in reversed(range(T)):
        a = (rewards[:, t] + gamma * v - values[:, t] + gamma * lam * a) * mask[:, t]
        adv[:, t] = a
        v = values[:, t]
    return adv, (adv + values) * mask


def carries_through_padding(rewards, values, mask, gamma, lam):  # padding|mask
    T = rewards.shape[1]
    values = values * mask
    adv = torch.zeros_like(rewards)
    a = torch.zeros(len(rewards))
    v = torch.zeros(len(rewards))
    for t in reversed(range(T)):
        a = rewards[:, t] + gamma * v - values[:, t] + gamma * lam * a
        adv[:, t] = a
        v = values[:, t]
    return adv * mask, (adv + values) * mask


def no_mask_at_all(rewards, values, mask, gamma, lam):  # mask|padding
    T = rewards.shape[1]
    adv = torch.zeros_like(rewards)
    a, v = 0.0, 0.0
    for t in reversed(range(T)):
        a = rewards[:, t] + gamma * v - values[:, t] + gamma * lam * a
        adv[:, t] = a
        v = values[:, t]
    return adv, adv + values


def forwards(rewards, values, mask, gamma, lam):  # backwards|reverse
    values = values * mask
    nxt = torch.cat([values[:, 1:], torch.zeros(len(values), 1)], 1)
    delta = (rewards + gamma * nxt - values) * mask
    adv = torch.zeros_like(rewards)
    a = torch.zeros(len(rewards))
    for t in range(rewards.shape[1]):
        a = (delta[:, t] + gamma * lam * a) * mask[:, t]
        adv[:, t] = a
    return adv, (adv + values) * mask


def deltas_only(rewards, values, mask, gamma, lam):  # surprises|sum
    values = values * mask
    nxt = torch.cat([values[:, 1:], torch.zeros(len(values), 1)], 1)
    delta = (rewards + gamma * nxt - values) * mask
    return delta, (delta + values) * mask


def swapped_outputs(rewards, values, mask, gamma, lam):  # order|places
    adv, ret = _sweep(rewards, values, mask, gamma, lam)
    return ret, adv


def returns_are_rewards(rewards, values, mask, gamma, lam):  # A \+ V
    adv, _ret = _sweep(rewards, values, mask, gamma, lam)
    return adv, rewards * mask


def returns_minus(rewards, values, mask, gamma, lam):  # A \+ V|values|sign
    adv, _ret = _sweep(rewards, values, mask, gamma, lam)
    return adv, (adv - values) * mask


def returns_unmasked(rewards, values, mask, gamma, lam):  # mask
    adv, _ret = _sweep(rewards, values, mask, gamma, lam)
    return adv, adv + values


def returns_twice(rewards, values, mask, gamma, lam):  # A \+ V
    adv, _ret = _sweep(rewards, values, mask, gamma, lam)
    return adv, adv


def overwritten_value(rewards, values, mask, gamma, lam):  # overwritten|before
    T = rewards.shape[1]
    values = values * mask
    adv = torch.zeros_like(rewards)
    a = torch.zeros(len(rewards))
    for t in reversed(range(T)):
        v = values[:, t]
        a = (rewards[:, t] + gamma * v - values[:, t] + gamma * lam * a) * mask[:, t]
        adv[:, t] = a
    return adv, (adv + values) * mask


def stops_before_column_0(rewards, values, mask, gamma, lam):  # column
    T = rewards.shape[1]
    values = values * mask
    adv = torch.zeros_like(rewards)
    a = torch.zeros(len(rewards))
    v = torch.zeros(len(rewards))
    for t in range(T - 1, 0, -1):
        a = (rewards[:, t] + gamma * v - values[:, t] + gamma * lam * a) * mask[:, t]
        adv[:, t] = a
        v = values[:, t]
    return adv, (adv + values) * mask


def skips_last_column(rewards, values, mask, gamma, lam):  # last
    T = rewards.shape[1]
    values = values * mask
    adv = torch.zeros_like(rewards)
    a = torch.zeros(len(rewards))
    for t in reversed(range(T - 1)):
        a = (rewards[:, t] + gamma * values[:, t + 1] - values[:, t] + gamma * lam * a) * mask[:, t]
        adv[:, t] = a
    return adv, (adv + values) * mask


def reversed_columns(rewards, values, mask, gamma, lam):  # reverse
    adv, ret = _sweep(rewards, values, mask, gamma, lam)
    return adv.flip(1), ret


def swapped_gamma_lam(rewards, values, mask, gamma, lam):  # places
    return _sweep(rewards, values, mask, lam, gamma)


def whitened(rewards, values, mask, gamma, lam):  # white
    adv, ret = _sweep(rewards, values, mask, gamma, lam)
    m = adv[mask]
    return ((adv - m.mean()) / (m.std(correction=0) + 1e-8)) * mask, ret


def constant_gamma(rewards, values, mask, gamma, lam):  # gamma
    return _sweep(rewards, values, mask, 1.0, lam)


def constant_lam(rewards, values, mask, gamma, lam):  # lam
    return _sweep(rewards, values, mask, gamma, 0.95)


def gamma_on_reward(rewards, values, mask, gamma, lam):  # reward|gamma
    return _sweep(rewards, values, mask, gamma, lam, d=lambda r, nxt, now: gamma * (r + nxt) - now)


def lists_instead(rewards, values, mask, gamma, lam):  # transposed|Rows
    adv, ret = _sweep(rewards, values, mask, gamma, lam)
    return torch.stack(list(adv.unbind(1))), torch.stack(list(ret.unbind(1)))


def lambda_on_delta(rewards, values, mask, gamma, lam):  # lam|λ
    values = values * mask
    adv = torch.zeros_like(rewards)
    a = v = torch.zeros(len(rewards))
    for t in reversed(range(rewards.shape[1])):
        a = (lam * (rewards[:, t] + gamma * v - values[:, t]) + gamma * lam * a) * mask[:, t]
        adv[:, t], v = a, values[:, t]
    return adv, (adv + values) * mask


def monte_carlo(rewards, values, mask, gamma, lam):  # lam|λ
    values = values * mask
    ret = torch.zeros_like(rewards)
    g = torch.zeros(len(rewards))
    for t in reversed(range(rewards.shape[1])):
        g = (rewards[:, t] + gamma * g) * mask[:, t]
        ret[:, t] = g
    return (ret - values) * mask, ret * mask


def gamma_twice(rewards, values, mask, gamma, lam):  # γ|gamma
    values = values * mask
    adv = torch.zeros_like(rewards)
    a = v = torch.zeros(len(rewards))
    for t in reversed(range(rewards.shape[1])):
        a = (rewards[:, t] + gamma * v - values[:, t] + gamma**2 * lam * a) * mask[:, t]
        adv[:, t], v = a, values[:, t]
    return adv, (adv + values) * mask


def returns_of_raw_rewards(rewards, values, mask, gamma, lam):  # returns|A \+ V|reward
    values = values * mask
    adv = torch.zeros_like(rewards)
    a = v = torch.zeros(len(rewards))
    for t in reversed(range(rewards.shape[1])):
        a = (rewards[:, t] + gamma * v - values[:, t] + gamma * lam * a) * mask[:, t]
        adv[:, t], v = a, values[:, t]
    return adv, (adv + rewards) * mask
