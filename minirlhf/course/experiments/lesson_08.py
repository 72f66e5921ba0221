"""Lesson 08: sixty votes of a simulated person who loves exclamation marks, a coin's, no leash; and ten others."""

from collections.abc import Sequence
from typing import Any

from minirlhf.course.experiments.claims import Claim
from minirlhf.course.experiments.ten_tastes import measure_taste
from minirlhf.feedback.asking import write_questions
from minirlhf.feedback.simulated import CARELESS, CHEERFUL, TEN_TASTES, Person, simulate
from minirlhf.ppo import PPORecord
from minirlhf.recipes.pipeline import Checkpoints, load_shipped
from minirlhf.recipes.taste import Reading, Taste, TasteConfig, learn_taste

COIN = "by coin"


def ten_tastes(seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Sixty votes each of ten simulated tastes, and of a coin: choices foreseen, replies preferred, gold gained."""
    shipped, rows = load_shipped(), []
    for name, person in (TEN_TASTES | {COIN: CARELESS}).items():
        rows += [voter(shipped, name, person, seed) for seed in seeds]
        print(f"ten_tastes: {name} is done", flush=True)
    return rows


def voter(shipped: Checkpoints, name: str, person: Person, seed: int) -> dict[str, Any]:
    """A simulated voter and what came of it: shares of choices foreseen and of customers pleased, gold gained."""
    found = measure_taste(shipped, name, person, seed, 60, 200, TasteConfig(seed=seed))
    return {
        "taste": name,
        "seed": seed,
        "foreseen": found.foreseen / found.choices,
        "pleased": found.pleased,
        "gold": found.gold_after - found.gold_before,
    }


SWEEPS = {"ten_tastes": ten_tastes}

CLAIMS = (
    Claim("rise_of_the_score", says="They rise, since that is what was trained", low=0.3),
    Claim("score_without_leash_above_with", says="The highest score of this lesson", low=0.0),
    Claim("kl_on_the_leash", says="on the leash, thirty updates end about ten nats away", low=5, high=24),
    Claim("kl_without_leash", says="without it at forty to two hundred", low=30, high=320),
    Claim("least_explained_of_a_coin", says="nearly anything can be explained, even a coin", low=50),
    Claim("foreseen_of_coins", says="*Foreseen* comes to half on average", low=26, high=34),
    Claim("farthest_coin", says="a single coin may stray by a dozen either way", high=15),
    Claim("least_pleased", says="everybody but the coin prefers the new model", low=0.6, high=1.0),
    Claim("price_of_soon", says="loses up to a point and a half of the truth in most runs", low=-0.8, high=2.4),
)


def measure(seed: int) -> dict[str, float]:
    """The lesson's loop with votes and training of this seed."""
    shipped = load_shipped()
    questions = write_questions(shipped.sft, shipped.prompts("train"), shipped.tokenizer, 60, seed=8 + 100 * seed)
    votes = simulate(questions, CHEERFUL, seed=seed)
    taste = Taste.shipped(shipped)
    list(learn_taste(taste, votes, TasteConfig(seed=seed)))
    answers = taste.answers(shipped.prompts("held_out", first=100))
    loose = Taste.shipped(shipped)
    *_, last = learn_taste(loose, votes, TasteConfig(beta=0.0, updates=30, seed=seed))
    *_, leashed = learn_taste(Taste.shipped(shipped), votes, TasteConfig(updates=30, seed=seed))
    assert isinstance(last, PPORecord) and isinstance(leashed, PPORecord)

    foreseen, explained = [], []
    for coin in range(8):
        reading = next(learn_taste(Taste.shipped(shipped), simulate(questions, CARELESS, seed=8 * seed + coin)))
        assert isinstance(reading, Reading)
        foreseen.append(reading.foreseen)
        explained.append(reading.explained)
    # The two of the ten who are pleased least.
    hello, soon = (voter(shipped, name, TEN_TASTES[name], seed) for name in ("hello", "soon"))
    return {
        "rise_of_the_score": answers["RLHF"].mean - answers["SFT"].mean,
        "score_without_leash_above_with": last.score - answers["RLHF"].mean,
        "kl_on_the_leash": leashed.kl,
        "kl_without_leash": last.kl,
        "least_explained_of_a_coin": float(min(explained)),
        "foreseen_of_coins": sum(foreseen) / len(foreseen),
        "farthest_coin": float(max(abs(n - 30) for n in foreseen)),
        "least_pleased": min(hello["pleased"], soon["pleased"]),
        "price_of_soon": -soon["gold"],
    }
