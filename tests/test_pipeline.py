"""From end to end: every shipped model is better than the one before. The same over three seeds, trained anew, is an
experiment with claims: minirlhf/course/experiments/pipeline.py, held by tests/test_claims.py."""

from minirlhf.evaluate import compare, win_rate
from minirlhf.worlds import helpdesk


def test_each_shipped_model_answers_better_than_the_one_before(shipped):
    columns = compare(shipped.models, shipped.prompts("held_out"), shipped.tokenizer, helpdesk.gold)
    assert columns["base"].mean < columns["SFT"].mean < columns["RLHF"].mean
    assert win_rate(columns["SFT"].scores, columns["base"].scores).low > 0.6
