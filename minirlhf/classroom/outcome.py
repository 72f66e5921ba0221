"""What a training has made of a model, as plain values for the screens: answers, word weights, receipts."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from minirlhf.feedback.meaning import preferences
from minirlhf.feedback.votes import Vote

REVEALED = 6  # customers answered by both models
CANDIDATES = 48  # among which those are


def answers(shipped: Any, taste: Any, models: Mapping[str, Any]) -> list[dict[str, str]]:
    """Some customers whom two models answer otherwise, or any where there are none: {"prompt": …, name: …, name: …}."""
    from minirlhf.data import Prompts
    from minirlhf.evaluate import compare
    from minirlhf.feedback.formats.conversation import to_messages

    prompts, tokenizer = Prompts(shipped.prompts("held_out").prompts[:CANDIDATES]), shipped.tokenizer
    said = compare(models, prompts, tokenizer, taste.judge)
    texts = zip(prompts.prompts, *(said[name].texts for name in models), strict=True)
    found = [
        {"prompt": to_messages(tokenizer.decode(ids))[0]["content"].strip(), **dict(zip(models, replies, strict=True))}
        for ids, *replies in texts
    ]
    return sorted(found, key=lambda each: len({each[name] for name in models}) == 1)[:REVEALED]


def top_weights(taste: Any, highest: int, lowest: int) -> list[list[Any]]:
    """The words that are worth most and least to the reward model of a taste, as [word, weight]."""
    weights = [[word, round(worth, 3)] for word, worth in taste.reward_model.word_weights().items()]
    return [each for each in weights[:highest] if each[1] > 0] + [each for each in weights[-lowest:] if each[1] < 0]


def receipts(shipped: Any, before: Any, after: Any, votes: Sequence[Vote]) -> dict[str, list[int]]:
    """For each voter: how many clear choices, and to how many of them the model leaned before and leans now.

    It leans to the reply that it would rather say itself: whose tokens together are more probable.
    """
    from minirlhf.data import Comparisons
    from minirlhf.dpo import pair_log_probs
    from minirlhf.recipes.pipeline import CONTEXT

    whose = {vote.id: vote.voter for vote in votes}
    clear = [one for one in preferences(votes) if one.preference == 1]
    if not clear:
        return {}
    pairs = Comparisons.of(clear, shipped.tokenizer, CONTEXT)
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    leans = []
    for model in (before, after):
        chosen, rejected = pair_log_probs(model, pairs).sum(dim=2)
        leans.append((chosen > rejected).tolist())
    for one, old, new in zip(clear, *leans, strict=True):
        row = found[whose[one.votes[0]]]
        for place, counts in enumerate((True, old, new)):
            row[place] += counts
    return dict(found)
