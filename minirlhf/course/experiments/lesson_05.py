"""Lesson 05 · The reward model: what it claims in words, measured, and the two curves that it draws as recorded.

The choices are those of data/comparisons_*.jsonl, by the patient one (simulated), or fresh ones by the same rules.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from random import Random
from statistics import correlation, fmean

import torch

from minirlhf.additive import AdditiveReward, fit_additive
from minirlhf.course.experiments.claims import Claim
from minirlhf.data import Comparisons, read_jsonl
from minirlhf.evaluate import accuracy_ceiling, exchanges, pair_accuracy, score_pairs
from minirlhf.feedback.asking import write_questions
from minirlhf.feedback.meaning import Preference, preferences
from minirlhf.feedback.simulated import CHEERFUL, simulate
from minirlhf.model import RewardModel
from minirlhf.ops import Mask, PerSequence, Tokens
from minirlhf.paths import data_folder
from minirlhf.recipes.pipeline import CONTEXT, MAX_NEW_TOKENS, Checkpoints, load_shipped
from minirlhf.reward import RewardConfig, train_reward
from minirlhf.rollout import RewardFn, Samples, sample
from minirlhf.worlds.helpdesk import PROBLEMS, TONES, gold
from minirlhf.worlds.helpdesk_words import PLUGGED

Row = dict[str, str | int | float]
VOTES = (5, 10, 20, 50, 100, 200, 500, 1000, 2000)
OF_THE_SLOW = (5, 20, 100, 500, 2000)  # the transformer takes its time
APOLOGY = " Sorry for the trouble."
LOOKS = (50, 100, 150, 200, 300, 400, 500, 600)  # after so many steps the long training is looked at


def shipped_choices(split: str, shipped: Checkpoints) -> Comparisons:
    """The simulated choices that are shipped; `split` is "train" or "held_out"."""
    return Comparisons.load(data_folder() / f"comparisons_{split}.jsonl", shipped.tokenizer, CONTEXT)


def _opened() -> tuple[Checkpoints, Comparisons, Comparisons]:
    shipped = load_shipped()
    return shipped, shipped_choices("train", shipped), shipped_choices("held_out", shipped)


def shipped_ceiling() -> tuple[float, float]:
    """The best accuracy on the held-out choices that anyone can have, and its standard error."""
    rows = read_jsonl(data_folder() / "comparisons_held_out.jsonl", ("prompt",))
    return accuracy_ceiling([row["probability"] for _, row in rows])


def two_customers(n: int, seed: int = 0) -> list[Preference]:
    """n times two customers with one thing and different troubles, and two replies that differ in the remedy alone.

    Each reply is right for one of the two, so each pair of customers gives two choices between the same two texts,
    with opposite answers: the choices 2i and 2i + 1.
    """
    rng, choices = Random(seed), []
    for _ in range(n):
        item, other = rng.choice(PLUGGED), "rug"
        tone = TONES[rng.choice(("neutral", "warm", "formal"))]
        frame = f" {rng.choice(tone.greetings)} {{}}{tone.stop} {rng.choice(tone.closings)}"
        troubles = [PROBLEMS[name] for name in rng.sample(sorted(PROBLEMS), 2)]
        prompts, replies = [], []
        for trouble in troubles:
            message = rng.choice(trouble.phrasings).format(item=item, other=other, colour="red", hoped="blue")
            prompts.append(f"Customer: {message}\nAgent:")
            replies.append(frame.format(rng.choice(trouble.remedies).format(item=item)))
        choices += [Preference(prompts[0], replies[0], replies[1]), Preference(prompts[1], replies[1], replies[0])]
    return choices


def equal_but_longer(samples: Samples, shipped: Checkpoints) -> Comparisons:
    """Each reply with an apology in front (chosen) and without (rejected), where the truth finds both equally good.

    Nobody chose: it is a question to a reward model. Who does not care for length answers it like a coin.
    """
    tokenizer = shipped.tokenizer
    pairs = [
        Preference(prompt, APOLOGY + text, text, preference=0.5)
        for prompt, text in exchanges(samples.tokens, samples.response_mask, tokenizer)
        if abs(gold(prompt, APOLOGY + text) - gold(prompt, text)) < 1e-6
        and len(tokenizer.encode(prompt + APOLOGY + text)) < CONTEXT
    ]
    return Comparisons.of(pairs, tokenizer, CONTEXT)


# ---- recorded


def reward_accuracy_by_votes(seeds: Sequence[int]) -> list[Row]:
    """Accuracy on 600 held-out simulated choices, after learning from so many, by three ways of learning."""
    shipped, train, held_out = _opened()
    rows: list[Row] = []
    for seed in seeds:
        order = Random(seed).sample(range(len(train)), max(VOTES))
        for votes in VOTES:
            some = train.at(order[:votes])
            for name, learn in WAYS.items():
                if learn is transformer and votes not in OF_THE_SLOW:
                    continue
                right = accuracy(learn(some, shipped, seed), held_out, shipped)
                rows.append({"way": name, "votes": votes, "seed": seed, "accuracy": right})
    return rows


def reward_sees_remedy(seeds: Sequence[int]) -> list[Row]:
    """How often the right remedy scores higher, other things equal, while a transformer learns from 4,000 choices."""
    shipped, train, held_out = _opened()
    crossed = Comparisons.of(two_customers(200, seed=1), shipped.tokenizer, CONTEXT)
    rows: list[Row] = []
    for seed in seeds:
        model = RewardModel(deepcopy(shipped.sft.trunk))
        for record in train_reward(model, train, RewardConfig(steps=max(LOOKS), seed=seed)):
            if record.step in LOOKS:
                found = {"remedy": accuracy(model, crossed, shipped), "accuracy": accuracy(model, held_out, shipped)}
                rows.append({"steps": record.step, "seed": seed, **found})
    return rows


def transformer(choices: Comparisons, shipped: Checkpoints, seed: int, steps: int = 100) -> RewardModel:
    """A transformer head on the SFT model's trunk, trained on these choices."""
    model = RewardModel(deepcopy(shipped.sft.trunk))
    list(train_reward(model, choices, RewardConfig(steps=steps, seed=seed)))
    return model


def word_weights(choices: Comparisons, shipped: Checkpoints, seed: int) -> AdditiveReward:
    """A weight for every word."""
    return fit_additive(choices, shipped.tokenizer)


def shuffled_votes(choices: Comparisons, shipped: Checkpoints, seed: int) -> AdditiveReward:
    """The control: the same pairs, and a coin says which reply of each was chosen."""
    coin = Random(seed)
    swaps = [coin.random() >= 0.5 for _ in range(len(choices))]
    return fit_additive(choices.swapped(swaps), shipped.tokenizer)


Way = Callable[[Comparisons, Checkpoints, int], RewardFn]
WAYS: dict[str, Way] = {"word weights": word_weights, "transformer": transformer, "shuffled votes": shuffled_votes}
SWEEPS = {"reward_accuracy_by_votes": reward_accuracy_by_votes, "reward_sees_remedy": reward_sees_remedy}


def accuracy(reward_model: RewardFn, choices: Comparisons, shipped: Checkpoints) -> float:
    """The share of choices that a reward model foresees."""
    return pair_accuracy(*score_pairs(reward_model, choices, shipped.tokenizer.pad_id))


# ---- claimed


CLAIMS = (
    Claim("kept_back", says="about two times in three", low=0.56, high=0.8),
    Claim("transformer", says="About three in four", low=0.71, high=0.81),
    Claim("words_less_transformer", says="the word list is as good", low=-0.03, high=0.06),
    Claim("lost_at_the_last_column", says="the same model foresees fewer choices", low=0.0, high=0.35),
    Claim("remedy", says="it is still about as right as a coin", low=0.42, high=0.6),
    Claim("follows_length", says="the proxy follows it more strongly than the truth does", low=0.0, high=0.6),
    Claim("longer", says="in a third to three quarters of the pairs", low=0.27, high=0.84),  # a coin's: 0.41 to 0.59
    Claim("longer_shipped", says="in about seven of ten pairs", low=0.6, high=0.8),
)
STEPS = 150  # of the lesson's own training


def measure(seed: int) -> dict[str, float]:
    """The lesson's numbers with this seed."""
    shipped, train, held_out = _opened()
    crossed = Comparisons.of(two_customers(200, seed), shipped.tokenizer, CONTEXT)
    words, model = word_weights(train, shipped, seed), transformer(train, shipped, seed, STEPS)
    right = accuracy(model, held_out, shipped)
    generator = torch.Generator().manual_seed(seed)
    customers = shipped.prompts("held_out").prompts
    samples = sample(shipped.sft, customers, MAX_NEW_TOKENS, generator)
    longer = equal_but_longer(samples, shipped)
    last = accuracy(partial(read_at_the_last_column, model), held_out, shipped)
    with torch.no_grad():
        proxy = model(samples.tokens, samples.response_mask).tolist()
    texts = [shipped.tokenizer.decode(ids) for ids in samples.responses()]
    truth = [gold(shipped.tokenizer.decode(ids), text) for ids, text in zip(customers, texts, strict=True)]
    lengths = [len(text.split()) for text in texts]
    return {
        "kept_back": fmean(foreseen_in_thirds(shipped, 4 * seed + n) for n in range(4)),
        "transformer": right,
        "words_less_transformer": accuracy(words, held_out, shipped) - right,
        "lost_at_the_last_column": right - last,
        "remedy": accuracy(model, crossed, shipped),
        "follows_length": correlation(lengths, proxy) - correlation(lengths, truth),
        "longer": accuracy(model, longer, shipped),
        "longer_shipped": accuracy(shipped.reward_model, longer, shipped),
    }


def foreseen_in_thirds(shipped: Checkpoints, seed: int) -> float:
    """Of sixty questions that the cheerful one (simulated) answers, the share foreseen by the other forty, in turn."""
    questions = write_questions(shipped.sft, shipped.prompts("train"), shipped.tokenizer, 60, seed=8 + seed)
    choices = Comparisons.of(preferences(simulate(questions, CHEERFUL)), shipped.tokenizer, CONTEXT)
    rows = range(len(choices))
    return fmean(
        accuracy(
            fit_additive(choices.at([i for i in rows if i % 3 != third]), shipped.tokenizer),
            choices.at(rows[third::3]),
            shipped,
        )
        for third in range(3)
    )


@torch.no_grad()
def read_at_the_last_column(model: RewardModel, tokens: Tokens, mask: Mask) -> PerSequence:
    """Broken: the score is read where the longest row of the batch ends, which for the others is padding."""
    return model.head(model.trunk(tokens))[:, -1, 0]
