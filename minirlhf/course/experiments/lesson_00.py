"""Lesson 00: what three states of one model have in common, and what not."""

from minirlhf.course.experiments.claims import Claim
from minirlhf.data import collate
from minirlhf.evaluate import compare, win_rate
from minirlhf.ops import masked_mean, token_log_probs
from minirlhf.recipes.pipeline import load_shipped
from minirlhf.worlds import helpdesk

CLAIMS = (
    Claim("least_fall_of_surprise", says="The numbers fall from base to SFT to RLHF", low=0.01),
    Claim("kind_replies_of_rlhf", says="and most are kind", low=0.6),
    Claim("wrong_or_no_remedy", says="Even the tuned model sometimes offers the wrong remedy", low=0.01, high=0.3),
    Claim("fall_of_poor_replies", says="But fewer of its answers are poor", low=0.01),
    Claim("wins_of_rlhf", says="for about four in five", low=0.7, high=0.9),
)


def measure(seed: int) -> dict[str, float]:
    """The lesson's hundred customers, answered with this seed; the surprise is a property of the shipped models."""
    shipped = load_shipped()
    customers = shipped.prompts("held_out", first=100)
    replies = compare(shipped.models, customers, shipped.tokenizer, helpdesk.gold, seed=seed)
    prompt_texts = [shipped.tokenizer.decode(ids) for ids in customers.prompts]
    parts = [helpdesk.gold_parts(*pair) for pair in zip(prompt_texts, replies["RLHF"].texts, strict=True)]
    poor = {name: sum(score < 0 for score in column.scores) / len(column.scores) for name, column in replies.items()}

    prompt = shipped.tokenizer.encode("Customer: My kettle smells of fish.\nAgent:")
    answer = shipped.tokenizer.encode(" Hi there! I am so sorry! We will wash your kettle today!")
    tokens, mask = collate([prompt], [[*answer, shipped.tokenizer.eos_id]], shipped.tokenizer.pad_id)
    surprise = [
        -masked_mean(token_log_probs(model(tokens), tokens, mask), mask).item() for model in shipped.models.values()
    ]
    return {
        "least_fall_of_surprise": min(surprise[0] - surprise[1], surprise[1] - surprise[2]),
        "kind_replies_of_rlhf": sum(part["tone"] > 0 for part in parts) / len(parts),
        "wrong_or_no_remedy": sum(part["remedy"] <= 0 for part in parts) / len(parts),
        "fall_of_poor_replies": poor["SFT"] - poor["RLHF"],
        "wins_of_rlhf": win_rate(replies["RLHF"].scores, replies["SFT"].scores).rate,
    }
