"""Verifiers: programs that say whether a reply is right. They cannot be trained, and so cannot be worn down; they can
only be wrong, and a policy finds out where.

A verifier is any function (prompt, reply) -> bool; `score_by` makes a reward model of it. Three of them come with the
help desk. There a reply is right that offers the remedy for this customer's problem, and no other: `right_remedy` reads
it as the world's own truth does, `mentions_remedy` is what one writes first, `well_formed` looks at the form alone.
"""

from collections.abc import Callable

import numpy as np
import torch

from minirlhf.evaluate import exchanges
from minirlhf.ops import Mask, PerSequence, Tokens
from minirlhf.rollout import RewardFn
from minirlhf.tokenizer import Tokenizer
from minirlhf.worlds.helpdesk import read
from minirlhf.worlds.helpdesk_gold import remedies_in, words

Verifier = Callable[[str, str], bool]  # (prompt, reply) -> whether the reply is right


def score_by(verifier: Verifier, tokenizer: Tokenizer) -> RewardFn:
    """A reward model that gives 1 where the verifier says yes and 0 where it says no.

    A verifier that fails, or says neither, stops the run and shows the reply: a crash is no wrong answer.
    """

    def score(tokens: Tokens, response_mask: Mask) -> PerSequence:
        return torch.tensor([_verdict(verifier, *pair) for pair in exchanges(tokens, response_mask, tokenizer)])

    return score


def _verdict(verifier: Verifier, prompt: str, reply: str) -> float:
    name = getattr(verifier, "__name__", type(verifier).__name__)
    try:
        said = verifier(prompt, reply)
    except Exception as error:
        error.add_note(
            f"{name} failed on the prompt {prompt!r} with the reply {reply!r}; call it with these two to see."
        )
        raise
    if not isinstance(said, bool | np.bool_):
        raise TypeError(f"{name} says {said!r} to the prompt {prompt!r} and the reply {reply!r}: return True or False.")
    return float(said)


def right_remedy(prompt: str, reply: str) -> bool:
    """Whether a reply offers the remedy for this customer's problem, and no other."""
    return remedies_in(reply) == {read(prompt).problem}


def mentions_remedy(prompt: str, reply: str) -> bool:
    """Whether the remedy for this customer's problem stands in the reply, whatever else does: easily cheated."""
    return read(prompt).problem in remedies_in(reply)


def well_formed(prompt: str, reply: str) -> bool:
    """Whether a reply has the form of an answer, from two words to thirty and a stop at the end; never what it says."""
    return 2 <= len(words(reply)) <= 30 and reply.rstrip().endswith((".", "!", "?", ":)"))
