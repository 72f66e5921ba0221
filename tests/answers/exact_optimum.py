"""Wrong answers to exact_optimum, as learners write them; behind each stands what a good thought speaks of."""

import torch


def not_divided_by_the_sum(ref_probs, rewards, beta):  # sum|add up to 1|normali|Z
    return ref_probs * (rewards / beta).exp()


def softmax_of_rewards(ref_probs, rewards, beta):  # ref
    return torch.softmax(rewards / beta, dim=0)


def times_beta(ref_probs, rewards, beta):  # β|beta|divided
    weights = ref_probs * (rewards * beta).exp()
    return weights / weights.sum()


def no_beta(ref_probs, rewards, beta):  # β|beta
    weights = ref_probs * rewards.exp()
    return weights / weights.sum()


def no_exp(ref_probs, rewards, beta):  # exp
    weights = ref_probs * rewards / beta
    return weights / weights.sum()


def minus_the_reward(ref_probs, rewards, beta):  # sign|minus
    weights = ref_probs * (-rewards / beta).exp()
    return weights / weights.sum()


def softmax_of_probabilities(ref_probs, rewards, beta):  # log
    return torch.softmax(ref_probs + rewards / beta, dim=0)


def softmax_of_a_product(ref_probs, rewards, beta):  # log|product|\+
    return torch.softmax(ref_probs * rewards / beta, dim=0)


def log_over_beta_too(ref_probs, rewards, beta):  # log|β|beta|bracket
    return torch.softmax((ref_probs.log() + rewards) / beta, dim=0)


def divided_by_the_mean(ref_probs, rewards, beta):  # sum|mean|times|add up to 1
    weights = ref_probs * (rewards / beta).exp()
    return weights / weights.mean()


def divided_by_the_largest(ref_probs, rewards, beta):  # sum|add up to 1|max|largest
    weights = ref_probs * (rewards / beta).exp()
    return weights / weights.max()


def best_one_only(ref_probs, rewards, beta):  # one-hot|best|largest|β|beta|leash|exp
    best = torch.zeros_like(ref_probs)
    best[rewards.argmax()] = 1.0
    return best


def sum_of_exponents_only(ref_probs, rewards, beta):  # sum|add up to 1|Z
    factors = (rewards / beta).exp()
    return ref_probs * factors / factors.sum()


def log_of_it(ref_probs, rewards, beta):  # log|exp
    return torch.log_softmax(ref_probs.log() + rewards / beta, dim=0)


def right_by_softmax(ref_probs, rewards, beta):
    return (ref_probs.log() + rewards / beta).softmax(0)


def right_by_loop(ref_probs, rewards, beta):
    weights = []
    for k in range(len(ref_probs)):
        weights.append(ref_probs[k] * torch.exp(rewards[k] / beta))
    total = sum(weights)
    return torch.stack([w / total for w in weights])


def right_with_the_best_taken_off(ref_probs, rewards, beta):
    e = torch.exp((rewards - rewards.max()) / beta)
    return (ref_probs * e) / torch.dot(ref_probs, e)


def right_by_einsum(ref_probs, rewards, beta):
    pi = torch.einsum("k,k->k", ref_probs, torch.exp(rewards / beta))
    pi /= pi.sum()
    return pi


def beta_on_the_reference(ref_probs, rewards, beta):  # β|beta|ref
    weights = ref_probs ** (1 / beta) * rewards.exp()
    return weights / weights.sum()


def exp_of_the_mean_reward_off(ref_probs, rewards, beta):  # ref|probab
    e = ((rewards - (ref_probs * rewards).sum()) / beta).exp()
    return e / e.sum()


def plus_for_times(ref_probs, rewards, beta):  # times|multipl|product|\*|sign
    w = ref_probs + (rewards / beta).exp()
    return w / w.sum()


def two_to_the_power(ref_probs, rewards, beta):  # exp|e to|log|factor|2
    w = ref_probs * 2 ** (rewards / beta)
    return w / w.sum()


def length_of_it(ref_probs, rewards, beta):  # sum|root|square|norm
    w = ref_probs * (rewards / beta).exp()
    return w / w.norm()


def softmax_twice(ref_probs, rewards, beta):  # softmax|once more|too often
    return torch.softmax(torch.softmax(ref_probs.log() + rewards / beta, 0), 0)


def beta_minus(ref_probs, rewards, beta):  # β|beta|divid|sign
    w = ref_probs * (rewards - beta).exp()
    return w / w.sum()


def divided_by_ref_sum(ref_probs, rewards, beta):  # sum|add up
    w = ref_probs * (rewards / beta).exp()
    return w / ref_probs.sum()


def exp_of_product(ref_probs, rewards, beta):  # log|exponent|ref|product
    w = (ref_probs * rewards / beta).exp()
    return w / w.sum()
