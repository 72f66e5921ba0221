"""The exercises of lesson 11, votes that train a policy directly: exact_optimum, implicit_reward, dpo_loss."""

import torch
import torch.nn.functional as F

from minirlhf.bandit import exact_optimum
from minirlhf.course.exercises import in_words
from minirlhf.course.exercises.exercise import LARGE, RAGGED, Case, Exercise, normal, on_masks, rows
from minirlhf.losses import dpo_loss, implicit_reward
from minirlhf.ops import masked_sum

# ---- exact_optimum(ref_probs, rewards, beta)


def _optimum_cases() -> list[Case]:
    three, paid = torch.tensor([0.6, 0.3, 0.1]), torch.tensor([0.0, 1.0, 2.0])
    even, many = torch.full((4,), 0.25), normal(1, 50).softmax(dim=0)
    return [
        Case("three replies", "", (three, paid, 0.5)),
        Case("a long leash", "", (three, paid, 0.25)),
        Case("all rewards alike", "Where nothing pays more, the reference stays.", (three, torch.full((3,), 0.7), 0.5)),
        Case("all rewards 5 higher", "Adding 5 to every reward changes nothing.", (three, paid + 5, 0.5)),
        Case("an even reference", "", (even, torch.tensor([0.4, -0.3, 0.1, 0.9]), 0.3)),
        Case("a tight leash", "However dear it is to leave, it adds up to 1.", (three, paid, 20.0)),
        Case("fifty replies", "It works for any number of replies.", (many, normal(2, 50), 0.5), large=True),
    ]


EXACT_OPTIMUM = Exercise(
    exact_optimum,
    outputs=("probabilities",),
    cases=_optimum_cases,
    calls=20,
    formulas=(in_words.best_on_a_leash, in_words.best_on_a_leash_by_softmax),
)


@EXACT_OPTIMUM.mistake
def forgets_the_reference(ref_probs, rewards, beta):
    """The reference is not in it: this is the best policy for whoever starts from equal probabilities. Multiply e to
    the r/β by π_ref before you divide by the sum."""
    return (rewards / beta).softmax(dim=0)


@EXACT_OPTIMUM.mistake
def multiplies_by_beta(ref_probs, rewards, beta):
    """The reward is multiplied by β, so a dearer leash would carry the policy further. Divide by it."""
    return (ref_probs.log() + rewards * beta).softmax(dim=0)


@EXACT_OPTIMUM.mistake
def forgets_the_sum(ref_probs, rewards, beta):
    """These do not add up to 1 yet. Divide by their sum: that is the Z."""
    return ref_probs * (rewards / beta).exp()


@EXACT_OPTIMUM.mistake
def adds_the_reference(ref_probs, rewards, beta):
    """The probability itself was put into the exponent. What stands in front of e to the r/β is multiplied, and in an
    exponent it would be its logarithm."""
    return (ref_probs + rewards / beta).softmax(dim=0)


@EXACT_OPTIMUM.mistake
def forgets_beta(ref_probs, rewards, beta):
    """β is not used, so every leash has the same length. Divide the rewards by it."""
    return (ref_probs.log() + rewards).softmax(dim=0)


@EXACT_OPTIMUM.mistake
def divides_by_the_reference(ref_probs, rewards, beta):
    """The reference is divided by, so what it hardly ever says comes to be said most. Multiply by it."""
    return (rewards / beta - ref_probs.log()).softmax(dim=0)


@EXACT_OPTIMUM.mistake
def turns_the_reward_round(ref_probs, rewards, beta):
    """The reward has the wrong sign: the reply that is paid least gains most."""
    return (ref_probs.log() - rewards / beta).softmax(dim=0)


@EXACT_OPTIMUM.mistake
def takes_the_best_reply_alone(ref_probs, rewards, beta):
    """All is on the best reply. That is where it ends for β → 0; with a leash the others keep a share."""
    return F.one_hot(rewards.argmax(), len(rewards)).float()


@EXACT_OPTIMUM.mistake
def puts_beta_on_everything(ref_probs, rewards, beta):
    """The reference is raised to the power 1/β as well. Only the reward is divided by β."""
    return ((ref_probs.log() + rewards) / beta).softmax(dim=0)


@EXACT_OPTIMUM.mistake
def multiplies_in_the_exponent(ref_probs, rewards, beta):
    """The product of probability and reward stands in the exponent. π_ref stands before the e; inside a softmax it is
    its logarithm, and is added: log π_ref + r/β."""
    return (ref_probs * rewards / beta).softmax(dim=0)


@EXACT_OPTIMUM.mistake
def takes_the_log_softmax(ref_probs, rewards, beta):
    """These are the logarithms of the probabilities. The probabilities themselves are asked for: exp, or softmax in
    place of log_softmax."""
    return (ref_probs.log() + rewards / beta).log_softmax(dim=0)


@EXACT_OPTIMUM.mistake
def divides_by_the_largest(ref_probs, rewards, beta):
    """It is divided by the largest, so the best one gets 1 and all together more. Divide by the sum."""
    weights = ref_probs * (rewards / beta).exp()
    return weights / weights.max()


@EXACT_OPTIMUM.mistake
def divides_before_the_reference(ref_probs, rewards, beta):
    """The factors were divided by their sum before the reference came in, so the result does not add up to 1.
    Multiply first, then divide by the sum of the products."""
    return ref_probs * (rewards / beta).softmax(dim=0)


@EXACT_OPTIMUM.mistake
def averages_the_two(ref_probs, rewards, beta):
    """The reference and the softmax of the rewards are averaged. They are multiplied, and divided by the sum."""
    return (ref_probs + (rewards / beta).softmax(dim=0)) / 2


# ---- implicit_reward(log_probs, ref_log_probs, mask, beta)

BETA = 0.1


def _reward_cases() -> list[Case]:
    def inputs(mask):
        log_probs, ref = (-normal(seed, *mask.shape).abs() for seed in (3, 4))
        return log_probs, ref, mask, BETA

    log_probs, ref, _, _ = inputs(RAGGED)
    far = torch.where(RAGGED, log_probs, -50.0)
    return on_masks(
        inputs,
        Case("a policy that is its reference", "It rewards nothing: 0.", (ref, ref.clone(), RAGGED, BETA)),
        Case("numbers where the mask is False", "What does not count can be anything.", (far, ref, RAGGED, BETA)),
        Case("a larger β", "", (log_probs, ref, RAGGED, 0.5)),
    )


IMPLICIT_REWARD = Exercise(
    implicit_reward,
    outputs=("reward",),
    cases=_reward_cases,
    trains=("log_probs",),
    calls=200,
    formulas=(in_words.how_much_likelier, in_words.how_much_likelier_by_product),
)


@IMPLICIT_REWARD.mistake
def takes_the_mean_over_tokens(log_probs, ref_log_probs, mask, beta):
    """This is the mean over the tokens. A reply is as probable as all its tokens together, so the logarithms are added
    up: the sum, whatever its length."""
    return beta * masked_sum(log_probs - ref_log_probs, mask) / mask.sum(dim=1).clamp(min=1)


@IMPLICIT_REWARD.mistake
def takes_the_mean_over_the_width(log_probs, ref_log_probs, mask, beta):
    """This divides by the width of the batch, so what a reply is worth depends on its longest neighbour. Add up, and
    divide by nothing."""
    return beta * masked_sum(log_probs - ref_log_probs, mask) / mask.shape[1]


@IMPLICIT_REWARD.mistake
def counts_what_is_off_the_mask(log_probs, ref_log_probs, mask, beta):
    """Prompt and padding are counted too. Only the response and its end are the policy's own words: use the mask."""
    return beta * (log_probs - ref_log_probs).sum(dim=1)


@IMPLICIT_REWARD.mistake
def leaves_out_the_end(log_probs, ref_log_probs, mask, beta):
    """The last token that counts is left out, and that is the end of text. A policy that is not paid for stopping
    forgets how to stop."""
    last = mask & (mask.flip(1).cumsum(dim=1).flip(1) == 1)
    return beta * masked_sum(log_probs - ref_log_probs, mask & ~last)


@IMPLICIT_REWARD.mistake
def forgets_beta_here(log_probs, ref_log_probs, mask, beta):
    """β is missing, so rewards are 1/β too large: ten times, as a rule."""
    return masked_sum(log_probs - ref_log_probs, mask)


@IMPLICIT_REWARD.mistake
def adds_the_reference_up(log_probs, ref_log_probs, mask, beta):
    """The reference is added. A reply is worth how much *more* probable it has become: take the reference off."""
    return beta * masked_sum(log_probs + ref_log_probs, mask)


@IMPLICIT_REWARD.mistake
def forgets_the_reference_model(log_probs, ref_log_probs, mask, beta):
    """The reference is not in it, so common replies are worth more than rare ones before anything was learned. Take
    its log-probabilities off."""
    return beta * masked_sum(log_probs, mask)


@IMPLICIT_REWARD.mistake
def takes_the_policy_off(log_probs, ref_log_probs, mask, beta):
    """This is the reference minus the policy: what has become rarer is worth more. Turn it round."""
    return beta * masked_sum(ref_log_probs - log_probs, mask)


@IMPLICIT_REWARD.mistake
def leaves_the_logarithm(log_probs, ref_log_probs, mask, beta):
    """The exp turns the log-ratios into ratios, and a product into a sum. Stay with logarithms: subtract, add up."""
    return beta * masked_sum((log_probs - ref_log_probs).exp(), mask)


@IMPLICIT_REWARD.mistake
def adds_up_the_whole_batch(log_probs, ref_log_probs, mask, beta):
    """All replies were added into one number. Each row is a reply with a reward of its own: dim=1."""
    return (beta * masked_sum(log_probs - ref_log_probs, mask)).sum().expand(len(mask))


@IMPLICIT_REWARD.mistake
def divides_by_beta(log_probs, ref_log_probs, mask, beta):
    """This divides by β. The more freely a policy may move, the less a move says: multiply by β."""
    return masked_sum(log_probs - ref_log_probs, mask) / beta


@IMPLICIT_REWARD.mistake
def divides_logarithms(log_probs, ref_log_probs, mask, beta):
    """The logarithms are divided. The logarithm of a quotient is the *difference* of the logarithms."""
    return beta * masked_sum(log_probs / ref_log_probs, mask)


@IMPLICIT_REWARD.mistake
def subtracts_probabilities(log_probs, ref_log_probs, mask, beta):
    """Here probabilities are subtracted. How much more probable is a quotient: the difference of the logarithms."""
    return beta * masked_sum(log_probs.exp() - ref_log_probs.exp(), mask)


# ---- dpo_loss(log_probs, ref_log_probs, mask, beta, preference)


def _dpo_cases() -> list[Case]:
    four = rows(8, (2, 6), (2, 8), (3, 5), (3, 8))  # two pairs: the chosen above, the rejected below

    def inputs(seed, mask, beta=BETA):
        log_probs, ref = (-3 * normal(seed + i, *mask.shape).abs() for i in (0, 1))
        return log_probs, ref, mask, beta

    log_probs, ref, _, _ = inputs(11, four)
    far = torch.where(four, torch.tensor([[-900.0], [0.0], [0.0], [-900.0]]), 0.0)
    ties = torch.tensor([0.5, 1.0])
    return [
        Case("two pairs", "Rows are pairs: the chosen in the upper half, the rejected below.", inputs(11, four)),
        Case("a single pair", "A batch may have one pair.", inputs(13, rows(6, (2, 5), (2, 6)))),
        Case("a policy that is its reference", "It begins at ln 2.", (ref, ref.clone(), four, BETA)),
        Case("a larger β", "", (log_probs, ref, four, 0.5)),
        Case(
            "numbers where the mask is False",
            "What does not count can be anything.",
            (torch.where(four, log_probs, -50.0), ref, four, BETA),
        ),
        Case("a policy far away", "The loss stays finite.", (far, ref, four, 1.0)),
        Case("a tie", "A tie, preference ½, is half a win each.", (log_probs, ref, four, BETA, ties), optional=True),
        Case("a batch as large as in training", "It works for every size.", inputs(15, LARGE), large=True),
    ]


def a_tie_is_a_win_each(answer):
    """Let a loss without ties learn from them: every pair is given twice, a tie once each way round."""

    def with_ties(log_probs, ref_log_probs, mask, beta, preference=None):
        if preference is None or bool((preference == 1).all()):
            return answer(log_probs, ref_log_probs, mask, beta)
        n, tie = len(preference), preference < 1
        pair = torch.arange(n)
        won, lost = torch.where(tie, pair + n, pair), torch.where(tie, pair, pair + n)
        order = torch.cat([pair, won, pair + n, lost])
        return answer(log_probs[order], ref_log_probs[order], mask[order], beta)

    return with_ties


DPO_LOSS = Exercise(
    dpo_loss,
    outputs=("loss",),
    cases=_dpo_cases,
    trains=("log_probs",),
    stats=True,
    calls=200,
    adapt=a_tie_is_a_win_each,
    formulas=(in_words.surprise_at_pairs, in_words.surprise_at_pairs_parted_first, in_words.surprise_at_pairs_of_four),
)


def _lead(log_probs, ref_log_probs, mask, beta):
    """By how much the chosen's implicit reward is above the rejected's, pair by pair."""
    chosen, rejected = implicit_reward(log_probs, ref_log_probs, mask, beta).chunk(2)
    return chosen - rejected


@DPO_LOSS.mistake
def swaps_the_pair(log_probs, ref_log_probs, mask, beta, preference=None):
    """Chosen and rejected have changed places. The loss begins at ln 2 and falls as it should, and the policy learns
    what people rejected: the upper half is the chosen."""
    return -F.logsigmoid(-_lead(log_probs, ref_log_probs, mask, beta)).mean()


@DPO_LOSS.mistake
def has_no_reference(log_probs, ref_log_probs, mask, beta, preference=None):
    """The reference is not in it. Then the loss does not begin at ln 2, and whichever reply is the likelier one counts
    as preferred already."""
    return -F.logsigmoid(_lead(log_probs, torch.zeros_like(ref_log_probs), mask, beta)).mean()


@DPO_LOSS.mistake
def adds_the_reference_to_it(log_probs, ref_log_probs, mask, beta, preference=None):
    """The reference is added. It is what the policy is compared with: take it off."""
    return -F.logsigmoid(_lead(log_probs, -ref_log_probs, mask, beta)).mean()


@DPO_LOSS.mistake
def puts_beta_outside(log_probs, ref_log_probs, mask, beta, preference=None):
    """β stands before the logarithm. There it is nothing but a smaller learning rate; inside, it says how far a choice
    may carry the policy: -log σ(β · …)."""
    return -beta * F.logsigmoid(_lead(log_probs, ref_log_probs, mask, 1.0)).mean()


@DPO_LOSS.mistake
def adds_up_the_pairs(log_probs, ref_log_probs, mask, beta, preference=None):
    """This is the sum over the pairs. The mean does not grow with the batch."""
    return -F.logsigmoid(_lead(log_probs, ref_log_probs, mask, beta)).sum()


@DPO_LOSS.mistake
def judges_each_reply_alone(log_probs, ref_log_probs, mask, beta, preference=None):
    """Each reply is judged by itself, as if 0 were the line between good and bad. Nobody said that a reply was good,
    only that it was the better one: subtract first."""
    chosen, rejected = implicit_reward(log_probs, ref_log_probs, mask, beta).chunk(2)
    return -(F.logsigmoid(chosen) + F.logsigmoid(-rejected)).mean()


@DPO_LOSS.mistake
def averages_the_leads_first(log_probs, ref_log_probs, mask, beta, preference=None):
    """The leads are averaged before the sigmoid. Then a pair that is won by far pays for one that is lost: compare pair
    by pair, and take the mean last."""
    return -F.logsigmoid(_lead(log_probs, ref_log_probs, mask, beta).mean())


@DPO_LOSS.mistake
def takes_means_for_sums(log_probs, ref_log_probs, mask, beta, preference=None):
    """The log-ratios are averaged over the tokens, so a reply's reward shrinks with its length, and at this β next to
    nothing is learned. Add them up."""
    per_token = implicit_reward(log_probs, ref_log_probs, mask, beta) / mask.sum(dim=1).clamp(min=1)
    chosen, rejected = per_token.chunk(2)
    return -F.logsigmoid(chosen - rejected).mean()


@DPO_LOSS.mistake
def averages_all_tokens_together(log_probs, ref_log_probs, mask, beta, preference=None):
    """The mean over all tokens of all chosen replies is held against that of all rejected. A reply is the *sum* of
    its tokens, and each pair is compared by itself: masked_sum, and the mean last."""
    moved = [
        (log_probs[half] - ref_log_probs[half])[mask[half]].mean()
        for half in (slice(None, len(mask) // 2), slice(len(mask) // 2, None))
    ]
    return -F.logsigmoid(beta * (moved[0] - moved[1]))


@DPO_LOSS.mistake
def compares_before_the_sigmoid_only(log_probs, ref_log_probs, mask, beta, preference=None):
    """This is minus the mean lead itself. It has no bottom: a pair that is won already goes on pushing. Bradley and
    Terry have the surprise -log σ(lead): logsigmoid."""
    return -_lead(log_probs, ref_log_probs, mask, beta).mean()


@DPO_LOSS.mistake
def forgets_the_mask_of_it(log_probs, ref_log_probs, mask, beta, preference=None):
    """Prompt and padding are counted too. Only the response and its end count: use the mask."""
    return -F.logsigmoid(_lead(log_probs, ref_log_probs, torch.ones_like(mask), beta)).mean()


@DPO_LOSS.mistake
def turns_the_loss_round(log_probs, ref_log_probs, mask, beta, preference=None):
    """The minus before the logarithm is missing: this is what one wants to be large, and a loss is made small."""
    return F.logsigmoid(_lead(log_probs, ref_log_probs, mask, beta)).mean()


@DPO_LOSS.mistake
def forgets_beta_in_the_loss(log_probs, ref_log_probs, mask, beta, preference=None):
    """β is missing: an implicit reward is β times the sum of the log-ratios."""
    return -F.logsigmoid(_lead(log_probs, ref_log_probs, mask, 1.0)).mean()


@DPO_LOSS.mistake
def lets_the_reference_off_the_rejected(log_probs, ref_log_probs, mask, beta, preference=None):
    """The reference is taken off the chosen alone. Both replies are held against what the reference said of them."""
    won, lost = (beta * masked_sum(log_probs, mask)).chunk(2)
    return -F.logsigmoid(won - (beta * masked_sum(ref_log_probs, mask)).chunk(2)[0] - lost).mean()


@DPO_LOSS.mistake
def squares_the_distance_from_one(log_probs, ref_log_probs, mask, beta, preference=None):
    """This is the square of how far the lead is from 1, much as in IPO. Bradley and Terry's surprise is asked for:
    minus the logsigmoid of the lead."""
    return (_lead(log_probs, ref_log_probs, mask, beta) - 1).square().mean()


@DPO_LOSS.mistake
def takes_ratios(log_probs, ref_log_probs, mask, beta, preference=None):
    """These are ratios of probabilities, not their logarithms. They begin at ln 2 too, and vanish for long replies.
    Leave out the exp."""
    chosen, rejected = masked_sum(log_probs - ref_log_probs, mask).exp().chunk(2)
    return -F.logsigmoid(beta * (chosen - rejected)).mean()


@DPO_LOSS.mistake
def takes_the_logarithm_of_zero(log_probs, ref_log_probs, mask, beta, preference=None):
    """The sigmoid has rounded to 0, and its logarithm is minus infinity. F.logsigmoid does both at once and stays
    finite."""
    return -torch.sigmoid(_lead(log_probs, ref_log_probs, mask, beta)).log().mean()


@DPO_LOSS.mistake
def forgets_the_logarithm(log_probs, ref_log_probs, mask, beta, preference=None):
    """This is the mean probability of the choices, made negative. The loss is the mean of its logarithm: logsigmoid."""
    return -torch.sigmoid(_lead(log_probs, ref_log_probs, mask, beta)).mean()


@DPO_LOSS.mistake
def pairs_neighbouring_rows(log_probs, ref_log_probs, mask, beta, preference=None):
    """Rows 0 and 1 were taken as a pair, and 2 and 3. Here all chosen stand in the upper half and all rejected in the
    lower: chunk(2) parts them."""
    reward = implicit_reward(log_probs, ref_log_probs, mask, beta)
    return -F.logsigmoid(reward[::2] - reward[1::2]).mean()


@DPO_LOSS.mistake
def forgets_ties(log_probs, ref_log_probs, mask, beta, preference=None):
    """The preference is not used: a tie counts as a win for the upper one. Weigh the two ways round by p and 1 - p."""
    return dpo_loss(log_probs, ref_log_probs, mask, beta)[0]
