"""The whole line from end to end, which no lesson's text is about: every stage makes the model better, votes make
it better than its demonstrators did, and no accuracy beats the noise in the votes."""

from copy import deepcopy
from statistics import fmean

from minirlhf.course.experiments.claims import Claim
from minirlhf.data import Comparisons, read_jsonl
from minirlhf.evaluate import accuracy_ceiling, compare, pair_accuracy, score_pairs, win_rate
from minirlhf.model import RewardModel
from minirlhf.paths import data_folder
from minirlhf.recipes.pipeline import CONTEXT, Checkpoints, Recipe, load_shipped, tune
from minirlhf.reward import RewardConfig, train_reward
from minirlhf.worlds import helpdesk

VOTES = (192, 960, 3840)
REPLIES = 4  # to each customer: with one alone, luck moves a win rate over 300 by 2.5 points
BETTER = 1e-6  # more than nothing

CLAIMS = (
    Claim("gold_base_to_sft", says="SFT answers better than the base model", low=BETTER),
    Claim("gold_sft_to_rlhf", says="RLHF answers better than SFT", low=BETTER),
    Claim("win_rate", says="RLHF wins at least three times in four against SFT", low=0.75),
    Claim("win_rate_low", says="and that is no luck: the interval's lower end", low=0.6),
    # What the run of PPO must look like while it happens, beside what comes out of it.
    Claim("first_kl", says="PPO begins where its reference is", low=-1e-3, high=1e-3),
    Claim("last_kl", says="and goes somewhere", low=1),
    Claim("first_ratio_error", says="the first ratio of every update is 1, up to rounding", low=0, high=1e-5),
    Claim("score_gain", says="the score that PPO trains on rises by more than 1", low=1),
    Claim("accuracy_192", says="a reward model of few votes is no worse than a coin", low=0.5),
    Claim("accuracy_960", says="nor is one of some", low=0.5),
    Claim("accuracy_3840", says="one of many foresees more than 65 choices in 100", low=0.65),
    Claim("below_ceiling", says="but never more than the noise in the votes allows", low=0),
)


def measure(seed: int) -> dict[str, float]:
    """The whole line with this seed, and the reward models of more and more votes."""
    shipped = load_shipped()
    return _whole_line(shipped, seed) | _more_votes(shipped, seed)


def _whole_line(shipped: Checkpoints, seed: int) -> dict[str, float]:
    made = tune(shipped.base, shipped.tokenizer, data_folder(), Recipe().seeded(seed))
    models = {"base": made.base, "SFT": made.sft, "RLHF": made.rlhf}
    held_out = shipped.prompts("held_out")
    found = [compare(models, held_out, shipped.tokenizer, helpdesk.gold, seed=n) for n in range(REPLIES)]
    gold = {name: [score for replies in found for score in replies[name].scores] for name in models}
    rate, mean = win_rate(gold["RLHF"], gold["SFT"]), {name: fmean(scores) for name, scores in gold.items()}
    first, last = made.ppo_records[0], made.ppo_records[-1]
    return {
        "gold_base_to_sft": mean["SFT"] - mean["base"],
        "gold_sft_to_rlhf": mean["RLHF"] - mean["SFT"],
        "win_rate": rate.rate,
        "win_rate_low": rate.low,
        "first_kl": first.kl,
        "last_kl": last.kl,
        "first_ratio_error": max(abs(record.first_ratio - 1) for record in made.ppo_records),
        "score_gain": last.score - first.score,
    }


def _more_votes(shipped: Checkpoints, seed: int) -> dict[str, float]:
    folder, tokenizer = data_folder(), shipped.tokenizer
    train = Comparisons.load(folder / "comparisons_train.jsonl", tokenizer, CONTEXT)
    held_out = Comparisons.load(folder / "comparisons_held_out.jsonl", tokenizer, CONTEXT)
    rows = read_jsonl(folder / "comparisons_held_out.jsonl", ("prompt", "chosen", "rejected"))
    ceiling, error = accuracy_ceiling([row["probability"] for _, row in rows])
    found = {}
    for votes in VOTES:
        reward_model = RewardModel(deepcopy(shipped.sft.trunk))
        # Two epochs of whatever there is, so that a small set is not merely learned by heart.
        config = RewardConfig(steps=votes // 32, batch_size=64, seed=seed, warmup=5)
        for _ in train_reward(reward_model, train.take(votes), config):
            pass
        found[f"accuracy_{votes}"] = pair_accuracy(*score_pairs(reward_model, held_out, tokenizer.pad_id))
    return found | {"below_ceiling": ceiling + 2 * error - found["accuracy_3840"]}
