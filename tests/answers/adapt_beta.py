"""Answers to adapt_beta, as learners write them; behind each wrong one stands what a good thought speaks of."""


def _held(x):
    return min(max(x, -0.2), 0.2)


def not_held(beta, kl, target, episodes, horizon):  # held|clip|clamp|0.2|max|min
    return beta * (1 + (kl / target - 1) * episodes / horizon)


def turned_round(beta, kl, target, episodes, horizon):  # sign|minus
    return beta * (1 - _held(kl / target - 1) * episodes / horizon)


def no_minus_one(beta, kl, target, episodes, horizon):  # 1|one
    return beta * (1 + _held(kl / target) * episodes / horizon)


def target_by_kl(beta, kl, target, episodes, horizon):  # places|head|kl
    return beta * (1 + _held(target / kl - 1) * episodes / horizon)


def no_episodes(beta, kl, target, episodes, horizon):  # episodes
    return beta * (1 + _held(kl / target - 1))


def horizon_by_episodes(beta, kl, target, episodes, horizon):  # places|horizon
    return beta * (1 + _held(kl / target - 1) * horizon / episodes)


def added_to_beta(beta, kl, target, episodes, horizon):  # times|beta|bracket|multipl
    return beta + _held(kl / target - 1) * episodes / horizon


def no_one(beta, kl, target, episodes, horizon):  # 1|beta|missing
    return beta * (_held(kl / target - 1) * episodes / horizon)


def difference_for_quotient(beta, kl, target, episodes, horizon):  # divi|target
    return beta * (1 + _held(kl - target) * episodes / horizon)


def min_and_max_swapped(beta, kl, target, episodes, horizon):  # min|max|0.2
    return beta * (1 + max(min(kl / target - 1, -0.2), 0.2) * episodes / horizon)


def held_above_only(beta, kl, target, episodes, horizon):  # side|below|-0.2|max
    return beta * (1 + min(kl / target - 1, 0.2) * episodes / horizon)


def held_at_the_end(beta, kl, target, episodes, horizon):  # held|error|0.2
    return beta * (1 + _held((kl / target - 1) * episodes / horizon))


def wider(beta, kl, target, episodes, horizon):  # 0.2|0.5
    return beta * (1 + min(max(kl / target - 1, -0.5), 0.5) * episodes / horizon)


def horizon_forgotten(beta, kl, target, episodes, horizon):  # horizon|episodes
    return beta * (1 + _held(kl / target - 1) * episodes)


def only_the_factor(beta, kl, target, episodes, horizon):  # beta
    return 1 + _held(kl / target - 1) * episodes / horizon


def brackets(beta, kl, target, episodes, horizon):  # bracket|multipl|adds to
    return beta * 1 + _held(kl / target - 1) * episodes / horizon


def kl_by_target_less_one(beta, kl, target, episodes, horizon):  # bracket|target
    return beta * (1 + _held(kl / (target - 1)) * episodes / horizon)


def doubled_or_halved(beta, kl, target, episodes, horizon):  # work|horizon|episodes|=
    return beta * 1.5 if kl > 1.5 * target else beta / 1.5 if kl < target / 1.5 else beta


def whole_division(beta, kl, target, episodes, horizon):  # //|whole
    return beta * (1 + _held(kl // target - 1) * episodes / horizon)


def right_by_cases(beta, kl, target, episodes, horizon):
    error = kl / target - 1
    if error > 0.2:
        error = 0.2
    elif error < -0.2:
        error = -0.2
    return beta + beta * error * episodes / horizon


def right_by_sorting(beta, kl, target, episodes, horizon):
    error = sorted([-0.2, (kl - target) / target, 0.2])[1]
    return beta * (horizon + error * episodes) / horizon


def error_squared(beta, kl, target, episodes, horizon):  # square
    e = min(max(kl / target - 1, -0.2), 0.2)
    return beta * (1 + e**2 * episodes / horizon)


def exponential(beta, kl, target, episodes, horizon):  # exp|1 \+
    from math import exp

    return beta * exp(min(max(kl / target - 1, -0.2), 0.2) * episodes / horizon)


def horizon_times_episodes(beta, kl, target, episodes, horizon):  # divid|horizon|sign
    return beta * (1 + min(max(kl / target - 1, -0.2), 0.2) / (episodes * horizon))


def beta_inside(beta, kl, target, episodes, horizon):  # β|beta|bracket|factor
    return 1 + beta * min(max(kl / target - 1, -0.2), 0.2) * episodes / horizon
