"""Lesson 04: what a lot that is not undone does to votes, and who agrees with whom."""

from dataclasses import replace
from itertools import combinations
from random import Random
from statistics import fmean

import torch

from minirlhf.additive import fit_additive
from minirlhf.course.experiments.claims import Claim
from minirlhf.data import Comparisons
from minirlhf.evaluate import pair_accuracy, score_pairs
from minirlhf.feedback.agreement import as_ratings, cohen_kappa
from minirlhf.feedback.asking import write_questions
from minirlhf.feedback.meaning import Preference
from minirlhf.feedback.pairs import chosen_and_rejected, clicks
from minirlhf.feedback.simulated import PATIENT, PEOPLE, simulate
from minirlhf.feedback.votes import Question, Stars
from minirlhf.recipes.pipeline import CONTEXT, Checkpoints, load_shipped

CLAIMS = (
    Claim("lot_undone", says="so anything from 55 to 75 % is good here", low=0.55, high=0.78),
    Claim("lot_ignored", says="whether it comes out at 40 or at 60 % is luck", low=0.36, high=0.64),
    Claim("strict_and_generous_alike", says="The strictness is gone", low=0.6),
    Claim("strict_alone_less_alike", says="agrees with themselves about as often", low=-0.17, high=0.17),
    Claim("strictness_in_stars", says="A three from the strict one is praise", low=1.5),
    Claim("agreement_with_the_careless", says="whoever clicks at random agrees with nobody", low=-0.15, high=0.15),
)


def measure(seed: int) -> dict[str, float]:
    """The lesson's questions written with another seed, and answered by the same simulated people."""
    shipped = load_shipped()
    questions = write_questions(shipped.sft, shipped.prompts("train"), shipped.tokenizer, 600, seed=6 + 100 * seed)
    strict, generous = (
        replace(PATIENT, name=f"{name} (simulated)", bar=bar) for name, bar in (("strict", 2.6), ("generous", 0.4))
    )
    alike, again = (
        fmean(
            strict.answer(question, Random(2 * i)) == other.answer(question, Random(2 * i + 1))
            for i, question in enumerate(questions[:60])
        )
        for other in (generous, strict)
    )
    single = write_questions(shipped.sft, shipped.prompts("train"), shipped.tokenizer, 60, "stars", seed=100 * seed)
    stars = []
    for person in (strict, generous):
        answers = [person.answer(question, Random(i)) for i, question in enumerate(single)]
        stars.append(fmean(answer.stars for answer in answers if isinstance(answer, Stars)))

    shown, side = clicks(simulate(questions, PATIENT, seed=seed))
    truth = _comparisons(shown[400:], side[400:], questions[400:], shipped)
    accuracy = {}
    for name, order in {"undone": shown, "ignored": torch.tensor([0, 1]).expand_as(shown)}.items():
        reward_model = fit_additive(_comparisons(order[:400], side[:400], questions[:400], shipped), shipped.tokenizer)
        accuracy[name] = pair_accuracy(*score_pairs(reward_model, truth, shipped.tokenizer.pad_id))

    ratings = as_ratings(vote for person in PEOPLE.values() for vote in simulate(questions, person, seed=seed))
    row = dict(zip(PEOPLE, ratings.rows, strict=True))
    with_careless = [cohen_kappa(row[a], row[b]) for a, b in combinations(PEOPLE, 2) if "careless" in (a, b)]
    return {
        "lot_undone": accuracy["undone"],
        "lot_ignored": accuracy["ignored"],
        "strict_and_generous_alike": alike,
        "strict_alone_less_alike": again - alike,
        "strictness_in_stars": stars[1] - stars[0],
        "agreement_with_the_careless": max(with_careless, key=abs),
    }


def _comparisons(shown: torch.Tensor, side: torch.Tensor, of: list[Question], shipped: Checkpoints) -> Comparisons:
    """What these clicks chose, if the replies stood where `shown` says."""
    rows = zip(of, *(x.tolist() for x in chosen_and_rejected(shown, side)), strict=True)
    choices = [Preference(q.prompt, q.replies[a], q.replies[b], p) for q, a, b, p in rows if p > 0]
    return Comparisons.of(choices, shipped.tokenizer, CONTEXT)
