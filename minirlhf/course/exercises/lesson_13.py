"""The exercises of lesson 13, two numbers to ask for first: first_ratio and frac_reward_zero_std."""

import torch

from minirlhf.course.clinic.signs import first_ratio
from minirlhf.course.exercises import in_words
from minirlhf.course.exercises.exercise import MASKS, Case, Exercise, normal, on_masks
from minirlhf.groups import frac_reward_zero_std
from minirlhf.ops import Mask, masked_mean

# ---- first_ratio(log_probs, old_log_probs, mask)


def _two_readings(mask: Mask) -> tuple[torch.Tensor, ...]:
    """Log-probabilities of the same tokens, read twice: 0 where the mask is False, as a rollout has them."""
    old = torch.where(mask, -1.5 + normal(1, *mask.shape), 0.0)
    return torch.where(mask, old + 0.5 * normal(2, *mask.shape), 0.0), old, mask


def _the_same(mask: Mask) -> tuple[torch.Tensor, ...]:
    _, old, _ = _two_readings(mask)
    return old, old.clone(), mask


FIRST_RATIO = Exercise(
    first_ratio,
    outputs=("ratio",),
    cases=lambda: on_masks(
        _two_readings,
        Case("two equal readings", "A policy beside itself has a ratio of 1.", _the_same(MASKS[0][2])),
        masks=MASKS,
    ),
    calls=100,
    formulas=(in_words.mean_of_ratios, in_words.mean_of_ratios_by_sums, in_words.mean_of_quotients),
)


@FIRST_RATIO.mistake
def counts_the_padding(log_probs, old_log_probs, mask):
    """The mean runs over every place, padding and prompt too. There both are 0 and the ratio 1, which hides what is
    wrong. Average where the mask is True."""
    return (log_probs - old_log_probs).exp().mean()


@FIRST_RATIO.mistake
def turns_the_ratio_over(log_probs, old_log_probs, mask):
    """The ratio stands on its head: π_old / π. What is now comes first: log_probs - old_log_probs."""
    return masked_mean((old_log_probs - log_probs).exp(), mask)


@FIRST_RATIO.mistake
def forgets_the_exponential(log_probs, old_log_probs, mask):
    """This is the mean log-ratio, which is 0 for equal readings. The ratio is its exponential, and 1 there."""
    return masked_mean(log_probs - old_log_probs, mask)


@FIRST_RATIO.mistake
def averages_before_the_exponential(log_probs, old_log_probs, mask):
    """Here the log-ratios are averaged and then taken to the exponential. Half above and half below would cancel: take
    the exponential token by token, and average last."""
    return masked_mean(log_probs - old_log_probs, mask).exp()


@FIRST_RATIO.mistake
def divides_the_logarithms(log_probs, old_log_probs, mask):
    """Logarithms were divided. A ratio of probabilities is the exponential of a *difference* of logarithms."""
    return masked_mean(log_probs / torch.where(mask, old_log_probs, 1.0), mask)


@FIRST_RATIO.mistake
def averages_row_by_row(log_probs, old_log_probs, mask):
    """This is the mean over rows of each row's own mean, so a token of a short reply weighs more. Take one mean over
    all tokens that count."""
    ratio = torch.where(mask, (log_probs - old_log_probs).exp(), 0.0)
    return (ratio.sum(dim=1) / mask.sum(dim=1).clamp(min=1)).mean()


@FIRST_RATIO.mistake
def multiplies_along_the_reply(log_probs, old_log_probs, mask):
    """This is the ratio of whole replies: the log-ratios are summed over a row first. Here it is a token's, and the
    mean over tokens."""
    return torch.where(mask, log_probs - old_log_probs, 0.0).sum(dim=1).exp().mean()


@FIRST_RATIO.mistake
def subtracts_the_probabilities(log_probs, old_log_probs, mask):
    """This is the difference of the probabilities, 0 for equal readings. The ratio divides them, and is 1 there."""
    return masked_mean(log_probs.exp() - old_log_probs.exp(), mask)


@FIRST_RATIO.mistake
def adds_up(log_probs, old_log_probs, mask):
    """The ratios are added up, and never divided by how many tokens count."""
    return torch.where(mask, (log_probs - old_log_probs).exp(), 0.0).sum()


@FIRST_RATIO.mistake
def divides_the_means(log_probs, old_log_probs, mask):
    """Both probabilities are averaged first, and the means divided. The ratio is each token's own: divide token by
    token, and take the mean last."""
    return masked_mean(log_probs.exp(), mask) / masked_mean(old_log_probs.exp(), mask)


@FIRST_RATIO.mistake
def takes_one_off(log_probs, old_log_probs, mask):
    """This is how far the ratio is from 1. The ratio itself is asked for: 1 for equal readings."""
    return masked_mean((log_probs - old_log_probs).exp() - 1, mask)


@FIRST_RATIO.mistake
def clips_the_ratio(log_probs, old_log_probs, mask):
    """The ratio is clipped to 0.8 and 1.2. The clip belongs to the loss; here one wants to see how far it is from 1."""
    return masked_mean((log_probs - old_log_probs).exp().clamp(0.8, 1.2), mask)


# ---- frac_reward_zero_std(score, group_size)


def _group_cases() -> list[Case]:
    def given(*numbers: float | int) -> torch.Tensor:
        return torch.tensor(numbers, dtype=torch.float32)

    large = (normal(3, 256) > 0.9).float()
    return [
        Case("two groups of four, one dead", "", (given(1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0), 4)),
        Case("all wrong is dead as well", "All wrong teaches no more than all right.", (given(0, 0, 0, 1.0, 1, 0), 3)),
        Case(
            "scores that are not 0 or 1",
            "Equal is equal, whatever the score.",
            (given(0.7, 0.7, -0.3, 0.4, 2.5, 2.5), 2),
        ),
        Case("no group dead", "", (given(1.0, 0, 0, 1, 1, 0, 0, 1), 2)),
        Case("all dead, at different scores", "", (given(1.0, 1, 0, 0, 0.5, 0.5), 2)),
        Case(
            "near is not equal", "Scores that differ a little still teach something.", (given(0.5, 0.5, 0.5, 0.51), 2)
        ),
        Case("one at its group's mean", "All of a group have to be equal.", (given(0.0, 0.5, 1, 0.5, 0.5, 0.5), 3)),
        Case("all replies alike", "Where everything is equal, every group is dead.", (given(0.5, 0.5, 0.5, 0.5), 2)),
        Case("two and nought", "They add up to 2, as two right ones do.", (given(2.0, 0, 1, 0.5), 2)),
        Case("a balanced batch", "", (given(1.0, 1, 0, 0, 0, 0, 1, 1), 4)),
        Case("as many as in training", "It works for every size.", (large, 8), large=True),
    ]


FRAC_REWARD_ZERO_STD = Exercise(
    frac_reward_zero_std,
    outputs=("share",),
    cases=_group_cases,
    calls=100,
    formulas=(
        in_words.share_of_equal_groups,
        in_words.share_of_groups_without_spread,
        in_words.share_of_groups_at_their_mean,
    ),
)


@FRAC_REWARD_ZERO_STD.mistake
def groups_the_wrong_way(score, group_size):
    """The rows were dealt out one to each group in turn: `view(G, -1)` makes columns of prompts. Rows of one prompt
    stand together: view(-1, G), and look along dim=1."""
    groups = score.view(group_size, -1) if len(score) % group_size == 0 else score.view(-1, group_size)
    return (groups == groups[:, :1]).all(dim=1).float().mean()


@FRAC_REWARD_ZERO_STD.mistake
def looks_at_the_whole_batch(score, group_size):
    """This asks whether the whole batch agrees. A batch can differ with every one of its groups dead: ask group by
    group."""
    return (score == score[0]).all().float()


@FRAC_REWARD_ZERO_STD.mistake
def counts_the_living(score, group_size):
    """This is the share of groups that differ, the living ones. Asked for are the dead: 1 minus that."""
    groups = score.view(-1, group_size)
    return (groups != groups[:, :1]).any(dim=1).float().mean()


@FRAC_REWARD_ZERO_STD.mistake
def only_all_right(score, group_size):
    """Only groups in which all are right are counted. All wrong teaches no more: what matters is that they are
    equal."""
    return (score.view(-1, group_size) == 1).all(dim=1).float().mean()


@FRAC_REWARD_ZERO_STD.mistake
def only_all_wrong(score, group_size):
    """Only groups in which all are wrong are counted. All right teaches no more: what matters is that they are
    equal."""
    return (score.view(-1, group_size) == 0).all(dim=1).float().mean()


@FRAC_REWARD_ZERO_STD.mistake
def counts_and_does_not_divide(score, group_size):
    """This is how many groups are dead. Asked for is their share: divide by the number of groups."""
    groups = score.view(-1, group_size)
    return (groups == groups[:, :1]).all(dim=1).float().sum()


@FRAC_REWARD_ZERO_STD.mistake
def divides_by_the_replies(score, group_size):
    """The dead groups were divided by the number of replies. Divide by the number of groups, len(score) / G."""
    groups = score.view(-1, group_size)
    return (groups == groups[:, :1]).all(dim=1).float().sum() / len(score)


@FRAC_REWARD_ZERO_STD.mistake
def compares_neighbours(score, group_size):
    """This is the share of replies that score as the first of their group does. One that differs brings a whole group
    to life: ask whether *all* of a group are equal, then average over groups."""
    groups = score.view(-1, group_size)
    return (groups == groups[:, :1]).float().mean()


@FRAC_REWARD_ZERO_STD.mistake
def averages_the_deviations(score, group_size):
    """This is the mean of the groups' standard deviations. Asked for is in how many of them it is 0."""
    return score.view(-1, group_size).std(dim=1).mean()


@FRAC_REWARD_ZERO_STD.mistake
def asks_for_any(score, group_size):
    """This is 1 whatever the scores are: the first reply of a group is always equal to itself, so `any` finds one
    everywhere. Ask whether *all* are equal: .all(dim=1)."""
    return torch.ones(())


@FRAC_REWARD_ZERO_STD.mistake
def knows_nought_and_one_only(score, group_size):
    """Groups of zeros and groups of ones are counted, and no others. Scores may be any numbers: what matters is that
    all of a group are equal."""
    groups = score.view(-1, group_size)
    return ((groups == 0).all(dim=1) | (groups == 1).all(dim=1)).float().mean()


@FRAC_REWARD_ZERO_STD.mistake
def compares_first_and_last(score, group_size):
    """Only the first and the last reply of a group are compared. One in between may differ: ask for all of them."""
    groups = score.view(-1, group_size)
    return (groups[:, 0] == groups[:, -1]).float().mean()


@FRAC_REWARD_ZERO_STD.mistake
def compares_the_first_two(score, group_size):
    """Only the first two replies of a group are compared. Another one may differ: ask for all of them."""
    groups = score.view(-1, group_size)
    return (groups[:, 0] == groups[:, 1]).float().mean()


@FRAC_REWARD_ZERO_STD.mistake
def compares_rounded_scores(score, group_size):
    """Scores that are merely near each other are taken for equal: rounded, or within a tolerance. A small difference
    still teaches something."""
    groups = score.view(-1, group_size)
    return (groups.std(dim=1) < 0.1).float().mean()


@FRAC_REWARD_ZERO_STD.mistake
def weighs_by_their_sums(score, group_size):
    """The sum of a group is asked whether it is 0 or G. That holds for scores of 0 and 1 alone: compare the scores
    themselves."""
    total = score.view(-1, group_size).sum(dim=1)
    return ((total == 0) | (total == group_size)).float().mean()


@FRAC_REWARD_ZERO_STD.mistake
def compares_each_with_the_mean(score, group_size):
    """This is the share of replies at their group's mean, and one may stand there by chance. Ask whether *all* of a
    group are equal, then average over groups."""
    groups = score.view(-1, group_size)
    return (groups == groups.mean(dim=1, keepdim=True)).float().mean()
