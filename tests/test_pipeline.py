"""From end to end, over three seeds: every stage makes the model better, and no accuracy beats the voters' noise."""

from copy import deepcopy

import pytest
import torch

from minirlhf.data import Comparisons, read_jsonl
from minirlhf.evaluate import accuracy_ceiling, compare, pair_accuracy, score_pairs, win_rate
from minirlhf.model import RewardModel
from minirlhf.paths import data_folder
from minirlhf.pipeline import CONTEXT, Recipe, load_shipped, tune
from minirlhf.reward import RewardConfig, train_reward
from minirlhf.worlds import helpdesk

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def shipped():
    return load_shipped()


def gold(shipped, models):
    return compare(models, shipped.prompts("held_out"), shipped.tokenizer, helpdesk.gold)


def test_each_shipped_model_answers_better_than_the_one_before(shipped):
    columns = gold(shipped, shipped.models)
    assert columns["base"].mean < columns["SFT"].mean < columns["RLHF"].mean
    assert win_rate(columns["SFT"].scores, columns["base"].scores).low > 0.6


@pytest.mark.parametrize("seed", SEEDS)
def test_votes_make_the_model_better_than_its_demonstrators_did(shipped, seed):
    made = tune(shipped.base, shipped.tokenizer, data_folder(), Recipe().seeded(seed))
    columns = gold(shipped, {"base": made.base, "SFT": made.sft, "RLHF": made.rlhf})
    assert columns["base"].mean < columns["SFT"].mean < columns["RLHF"].mean
    rate = win_rate(columns["RLHF"].scores, columns["SFT"].scores)
    assert rate.rate >= 0.75 and rate.low > 0.6, rate
    # What the run must look like while it happens, beside what comes out of it.
    first, last = made.ppo_records[0], made.ppo_records[-1]
    assert abs(first.kl) < 1e-3 and last.kl > 1
    assert all(abs(record.first_ratio - 1) < 1e-5 for record in made.ppo_records)
    assert last.score > first.score + 1


def test_more_votes_make_a_better_reward_model_but_never_better_than_the_noise_allows(shipped):
    folder, tokenizer = data_folder(), shipped.tokenizer
    train = Comparisons.load(folder / "comparisons_train.jsonl", tokenizer, CONTEXT)
    held_out = Comparisons.load(folder / "comparisons_held_out.jsonl", tokenizer, CONTEXT)
    rows = read_jsonl(folder / "comparisons_held_out.jsonl", ("prompt", "chosen", "rejected"))
    ceiling, error = accuracy_ceiling([row["probability"] for _, row in rows])

    def accuracy(votes, seed):
        reward_model = RewardModel(deepcopy(shipped.sft.trunk))
        # Two epochs of whatever there is, so that a small set is not merely learned by heart.
        config = RewardConfig(steps=votes // 32, batch_size=64, seed=seed, warmup=5)
        for _ in train_reward(reward_model, train.take(votes), config):
            pass
        return pair_accuracy(*score_pairs(reward_model, held_out, tokenizer.pad_id))

    few, some, many = (torch.tensor([accuracy(n, seed) for seed in SEEDS]) for n in (192, 960, 3840))
    assert few.mean() < some.mean() < many.mean()
    assert (many > 0.65).all()
    assert (many < ceiling + 2 * error).all()
