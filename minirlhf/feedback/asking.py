"""Questions about what models say, and what the answers tell about two of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch

from minirlhf.checkpoint import fingerprint
from minirlhf.data import Prompts
from minirlhf.evaluate import WinRate, win_rate
from minirlhf.feedback.identity import called
from minirlhf.feedback.votes import Better, Question, Skip, Vote
from minirlhf.files.messages import counted
from minirlhf.model import CausalLM
from minirlhf.rollout import sample
from minirlhf.tokenizer import Tokenizer

# How many replies a question of each mode is about, where its writer may choose.
REPLIES = {"pair": 2, "thumbs": 1, "stars": 1, "ranking": 3, "correction": 1, "demonstration": 0}
AT_ONCE = 512  # prompts in one batch of the sampler


def drafts(
    policies: Sequence[CausalLM], prompts: Prompts, tokenizer: Tokenizer, seed: int, max_new_tokens: int = 40
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Prompts at random, without end, each with one reply of every policy; name one twice for two replies.

    Prompts to which two of them reply the same are passed over: there would be nothing to compare.
    """
    generator = torch.Generator().manual_seed(seed)
    while True:
        rows = torch.randint(len(prompts), (AT_ONCE,), generator=generator).tolist()
        batch = [prompts.prompts[i] for i in rows]
        columns = [sample(policy, batch, max_new_tokens, generator).responses() for policy in policies]
        for ids, *responses in zip(batch, *columns, strict=True):
            replies = tuple(tokenizer.decode(response) for response in responses)
            if len(set(replies)) == len(replies) and all(reply.strip() for reply in replies):
                yield tokenizer.decode(ids), replies


def write_questions(
    policy: CausalLM,
    prompts: Prompts,
    tokenizer: Tokenizer,
    n: int,
    mode: str = "pair",
    model: str = "SFT",
    round: int = 1,
    seed: int = 0,
    max_new_tokens: int = 40,
) -> list[Question]:
    """n different questions of a mode, about what one policy says to customers drawn at random."""
    count, mark = REPLIES[mode], fingerprint(policy)
    drafted = drafts([policy] * count, prompts, tokenizer, seed, max_new_tokens)
    return _different(
        n, (Question(mode, prompt, replies, (model,) * count, (mark,) * count, round) for prompt, replies in drafted)
    )


def blind_test(
    models: Mapping[str, CausalLM], prompts: Prompts, tokenizer: Tokenizer, n: int = 20, round: int = 1, seed: int = 0
) -> list[Question]:
    """n pairs of replies to the same customer, one of each model, whose names the voter is not told."""
    names, marks = tuple(models), tuple(fingerprint(model) for model in models.values())
    drafted = drafts(list(models.values()), prompts, tokenizer, seed)
    return _different(n, (Question("pair", prompt, replies, names, marks, round) for prompt, replies in drafted))


def preferred(votes: Iterable[Vote], model: str) -> WinRate:
    """How often this model's reply was chosen over another model's; a tie and two bad replies are half a win."""
    judged = [
        vote
        for vote in votes
        if model in vote.question.models and len(set(vote.question.models)) == 2 and not isinstance(vote.answer, Skip)
    ]
    won = [_points(vote, model) for vote in judged]
    return win_rate(won, [1 - points for points in won])


def whose(votes: Iterable[Vote], enough: int = 0) -> str:
    """How many votes, by whom, and what to do where they are too few to go on: a line for the screen."""
    cast = [vote for vote in votes if not isinstance(vote.answer, Skip)]
    if not cast:
        return "No vote to go on with yet. Vote in the card above, then run this cell again."
    names = " and ".join(dict.fromkeys(called(vote.voter) for vote in cast))
    few = len(cast) < enough and any(vote.origin == "human" for vote in cast)
    more = f"; {enough} would be better. Vote on in the card above, then run this cell again." if few else "."
    return f"{counted(len(cast), 'vote')} by {names}{more}"


def _points(vote: Vote, model: str) -> float:
    if not isinstance(vote.answer, Better):
        return 0.5
    return float(vote.question.models[vote.answer.winner] == model)


def _different(n: int, questions: Iterable[Question]) -> list[Question]:
    """The first n questions of which none was asked before."""
    seen: dict[str, Question] = {}
    for question in questions:
        seen.setdefault(question.key, question)
        if len(seen) == n:
            break
    return list(seen.values())
