"""Symptoms of votes, judges and reward models."""

from math import log
from random import Random
from statistics import fmean

import torch
import torch.nn.functional as F

from minirlhf.course.clinic import tiny
from minirlhf.course.clinic.symptom import Run, symptom
from minirlhf.data import Comparisons, collate
from minirlhf.feedback.agreement import cohen_kappa
from minirlhf.losses import bradley_terry_loss
from minirlhf.model import RewardModel
from minirlhf.ops import pairwise_wins
from minirlhf.reward import RewardConfig, train_reward

VOTES = "votes and reward models"


def _trained(comparisons: Comparisons, steps: int = 40):
    """A reward model taught by these choices, and its records."""
    model = RewardModel(tiny.trunk())
    config = RewardConfig(steps=steps, batch_size=min(48, len(comparisons)), lr=1e-2, warmup=0)
    return model, list(train_reward(model, comparisons, config))


@torch.no_grad()
def _accuracy(model: RewardModel, comparisons: Comparisons) -> float:
    tokens, mask, _ = comparisons.batch(range(len(comparisons)), tiny.PAD)
    return pairwise_wins(*model(tokens, mask).chunk(2)).mean().item()


@symptom(
    VOTES,
    sees="The reward model's loss is 0.693 for ever.",
    words="rm loss 0.693; ln 2; stuck at 0.6931; reward model does not learn; accuracy 0.5; identical pairs; "
    "truncated pairs; chosen equals rejected",
    cause="Chosen and rejected are the same once they are cut to length, so there is nothing to tell apart.",
    sign="the loss stays within a thousandth of ln 2, step after step",
    present=lambda run: all(abs(loss - log(2)) < 1e-3 for loss in run["loss"]),
    cure="Cut less, or drop pairs that are equal after cutting. Count them before training.",
    axis="nats a choice",
    threads="rlhf-book#503 OpenRLHF#1311",
)
def equal_pairs(sick: bool) -> Run:
    votes, kept = tiny.votes(), 1 if sick else 8
    same = [[4, *reply] for reply in votes.chosen], [[4, *reply] for reply in votes.rejected]
    chosen, rejected = ([reply[:kept] for reply in side] for side in same)
    _, records = _trained(Comparisons(votes.prompts, chosen, rejected, votes.preference))
    return tiny.series(records, "loss")


@symptom(
    VOTES,
    sees="The reward model prefers the worse replies; its training looks perfect.",
    words="chosen and rejected swapped; reward model inverted; prefers bad answers; accuracy high but wrong; "
    "labels flipped; eval accuracy near 0",
    cause="The columns were swapped on the way in: the model learned exactly what it was shown.",
    sign="on pairs labelled apart from the training file it is right less than one time in five",
    present=lambda run: run["accuracy on fresh pairs"][0] < 0.2,
    cure="Score ten pairs whose better reply you know. Accuracy far below one half is a sign turned, never bad luck.",
    axis="share of pairs",
)
def swapped_columns(sick: bool) -> Run:
    votes = tiny.votes(96)
    model, _ = _trained(votes.swapped([sick] * len(votes)), steps=60)
    return {"accuracy on fresh pairs": [_accuracy(model, tiny.votes(200, seed=1))]}


@symptom(
    VOTES,
    sees="The accuracy is 0.0 before the first step, and not one half.",
    words="rewards/accuracies 0.0; accuracy zero at step 0; accuracy 0 at start; ties; strict greater than",
    cause="Ties count as lost: untrained, every pair is a tie, and `>` is False for all of them. TRL counts so too.",
    sign="an accuracy of exactly 0 where all scores are equal",
    present=lambda run: run["accuracy"][0] == 0.0,
    cure="Nothing is broken; count a tie as half a win, and it starts at one half.",
    axis="share of pairs",
    harmless=True,
)
def ties_count_as_lost(sick: bool) -> Run:
    tokens, mask, _ = tiny.votes().batch(range(48), tiny.PAD)
    with torch.no_grad():
        chosen, rejected = RewardModel(tiny.trunk())(tokens, mask).chunk(2)
    wins = (chosen > rejected).float() if sick else pairwise_wins(chosen, rejected)
    return {"accuracy": [wins.mean().item()]}


@symptom(
    VOTES,
    sees="The loss is infinite as soon as one pair is clearly lost.",
    words="inf loss; -inf; log(sigmoid); overflow; loss infinity; nan after inf; LogExpLoss; float32 underflow",
    cause="`log(sigmoid(x))` underflows in float32: the sigmoid is 0 from about −104 on, and its logarithm −∞.",
    sign="a loss that is not finite at a difference of −110",
    present=lambda run: run["loss"][-1] == float("inf"),
    cure="`logsigmoid(x)`, which never takes the sigmoid first.",
    axis="nats, at differences of 0, −50, −110",
)
def an_overflowing_loss(sick: bool) -> Run:
    differences = torch.tensor([0.0, -50.0, -110.0])
    losses = -torch.log(torch.sigmoid(differences)) if sick else -F.logsigmoid(differences)
    return {"loss": tiny.numbers(losses)}


@symptom(
    VOTES,
    sees="The reward model loves long replies, whatever they say.",
    words="length bias; verbosity; reward grows with length; longer is better; reward hacking length; padding answers",
    cause="In the votes the longer reply won, so length is what was learned.",
    sign="over random replies the score goes with the length: a correlation above 0.8",
    present=lambda run: run["score and length"][0] > 0.8,
    cure="Look at score against length on replies of equal worth; balance lengths in the pairs; a length penalty.",
    axis="correlation",
    threads="FastChat#3911",
)
def loves_length(sick: bool) -> Run:
    model, _ = _trained(tiny.votes(96, better=(lambda ids: float(len(ids))) if sick else None), steps=60)
    fresh = tiny.votes(200, seed=1)
    tokens, mask, _ = fresh.batch(range(200), tiny.PAD)
    with torch.no_grad():
        both = torch.stack([model(tokens, mask), mask.sum(dim=1).float()])
    return {"score and length": [torch.corrcoef(both)[0, 1].item()]}


@symptom(
    VOTES,
    sees="Accuracy 1.0 in training, hardly better than a coin on fresh pairs.",
    words="reward model overfits; eval accuracy low; train accuracy 1; few votes; not enough preference data; "
    "generalisation",
    cause="The votes are few and noisy, and a transformer can learn them by heart.",
    sign="training accuracy above 0.95, and a fifth more than on fresh pairs",
    present=lambda run: run["training"][0] > 0.95 and run["training"][0] - run["fresh"][0] > 0.2,
    cure="More votes; fewer steps; or a smaller model: lesson 05's word list needs sixty.",
    axis="share of pairs",
)
def too_few_votes(sick: bool) -> Run:
    n = 16 if sick else 400
    coin, votes = Random(0), tiny.votes(n)
    noisy = votes.swapped([coin.random() < 0.15 for _ in range(n)])
    model, _ = _trained(noisy, steps=120)
    return {"training": [_accuracy(model, noisy)], "fresh": [_accuracy(model, tiny.votes(200, seed=1))]}


@symptom(
    VOTES,
    sees="A reply's score changes when it is scored in another batch.",
    words="reward depends on padding; score differs alone and in a batch; wrong token; last token is pad; "
    "sequence_lengths; read-out index; pad_token_id not set",
    cause="The score is read in the last column, which is padding where the row is short.",
    sign="one reply's score alone and beside a longer one differ by more than rounding",
    present=lambda run: abs(run["score of one reply"][0] - run["score of one reply"][1]) > 1e-3,
    cure="Read where the row's last token that counts stands (`last_true`).",
    axis="score: alone, then beside a longer reply",
    bug=4,
)
def reads_the_padding(sick: bool) -> Run:
    model, found = tiny.lively(RewardModel(tiny.trunk())), []
    for neighbours in ([], [[1, 2, 3, 4, 1, 2, tiny.EOS]]):
        tokens, mask = collate([[5]] * (1 + len(neighbours)), [[1, 2, tiny.EOS], *neighbours], tiny.PAD)
        where = torch.arange(tokens.shape[1]) == tokens.shape[1] - 1 if sick else mask
        with torch.no_grad():
            found.append(model(tokens, where.expand_as(mask))[0].item())
    return {"score of one reply": found}


@symptom(
    VOTES,
    sees="Two voters agree nine times in ten, and κ is near 0.",
    words="kappa low but agreement high; cohen's kappa zero; raters agree; annotator agreement; kappa paradox",
    cause="Both say yes nearly always, so they would agree as often by chance; κ counts what goes beyond.",
    sign="agreement above 0.8 with a κ below 0.2",
    present=lambda run: run["agreement"][0] > 0.8 and run["κ"][0] < 0.2,
    cure="Report both, and how often each said what. Ask questions that divide people.",
    axis="share, and κ",
)
def agreement_by_chance(sick: bool) -> Run:
    coin, yes = Random(0), 0.94 if sick else 0.5
    one = [coin.random() < yes for _ in range(400)]
    other = [coin.random() < yes if sick else (vote if coin.random() < 0.9 else not vote) for vote in one]
    said = ["yes" if vote else "no" for vote in one], ["yes" if vote else "no" for vote in other]
    agreed = fmean(a == b for a, b in zip(*said, strict=True))
    return {"agreement": [agreed], "κ": [float(cohen_kappa(*said))]}


@symptom(
    VOTES,
    sees="The judge prefers whichever reply is shown first.",
    words="position bias; llm judge; first answer wins; order of answers; seat bias; left bias; win rate depends on "
    "order; gpt-4 judge",
    cause="The judge, a person or a model, leans to a seat; between near equals the seat decides.",
    sign="among pairs of equal worth the first wins more than six times in ten",
    present=lambda run: run["first wins"][0] > 0.6,
    cure="Ask in both orders; a verdict counts where both agree, and is a tie where they do not.",
    axis="share of pairs",
    threads="FastChat#3911",
)
def prefers_the_first_seat(sick: bool) -> Run:
    coin = Random(0)

    def first_wins() -> bool:
        return coin.gauss(0, 1) + 0.8 > coin.gauss(0, 1)

    wins = []
    for _ in range(400):
        once, swapped = first_wins(), not first_wins()
        wins.append(float(once) if sick else (once + swapped) / 2)
    return {"first wins": [fmean(wins)]}


@symptom(
    VOTES,
    sees="β hardly does anything: the policy runs away at a value that others find strict.",
    words="beta has no effect; kl coefficient too weak; reward scale; normalise reward; reward too large; "
    "scores not normalised; whiten rewards",
    cause="The scores were never brought to one scale: ten times as large, they make every nat ten times as cheap.",
    sign="more than three nats from the reference, where the same β on normalised scores holds it nearer",
    present=lambda run: run["kl"][-1] > 3.0,
    cure="Scale scores to mean 0 and deviation 1 on the reference's replies (`normalise`); then β means something.",
    axis="nats a reply",
)
def scores_of_another_scale(sick: bool) -> Run:
    scale = 20.0 if sick else 1.0
    reward = lambda tokens, mask: scale * tiny.count_ones(tokens, mask)  # noqa: E731
    records = tiny.ppo(reward=reward, beta=1.0, updates=20, batch_size=48)
    return tiny.series(records, "kl")


@symptom(
    VOTES,
    sees="The reward model's scores drift upwards without bound; accuracy is fine.",
    words="reward mean drifts; chosen_rewards and rejected_rewards both grow; center_rewards_coefficient; "
    "level of the scores means nothing; adding a constant",
    cause="Bradley–Terry sees differences alone: adding the same to all scores changes no loss, so nothing holds them.",
    sign="five more on every score, and the loss is the same to the sixth digit",
    present=lambda run: abs(run["loss"][0] - run["loss"][1]) < 1e-6,
    cure="Nothing is broken. Normalise after training, or add a small centring term to the loss.",
    axis="nats: before and after adding 5",
    harmless=True,
)
def the_level_is_free(sick: bool) -> Run:
    chosen, rejected = torch.tensor([1.0, 0.5, 0.2]), torch.tensor([0.1, 0.7, -0.4])
    shift = 5.0
    moved = chosen + shift, rejected + (shift if sick else 0.0)
    pairs = ((chosen, rejected), moved)
    return {"loss": [bradley_terry_loss(*scores)[0].item() for scores in pairs]}
