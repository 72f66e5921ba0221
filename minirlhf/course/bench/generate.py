"""`generate` of transformers, in a process of its own that answers every line it reads with one batch of responses."""

import json
import sys
from functools import partial

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from minirlhf.course.bench.machine import THREADS, Sizes, seconds
from minirlhf.course.bench.ours import new_prompts
from minirlhf.course.bench.partner import answer


def main(sizes: Sizes) -> None:
    """Answer every line that comes in with one batch, sampled from a GPT-2 of these sizes."""
    torch.set_num_threads(THREADS)
    config = GPT2Config(
        vocab_size=sizes.vocabulary,
        n_positions=sizes.prompt + sizes.response,
        n_embd=sizes.width,
        n_layer=sizes.layers,
        n_head=sizes.heads,
        bos_token_id=None,
        eos_token_id=None,
    )
    gpt2, tokens = GPT2LMHeadModel(config).eval(), torch.tensor(new_prompts(sizes))
    generate = partial(
        gpt2.generate,  # pyright: ignore[reportAttributeAccessIssue]
        tokens,
        attention_mask=torch.ones_like(tokens),
        max_new_tokens=sizes.response,
        do_sample=True,
        top_k=0,
        pad_token_id=0,
    )
    answer(lambda: {"seconds": seconds(generate)})


if __name__ == "__main__":
    main(Sizes(**json.loads(sys.argv[1])))
