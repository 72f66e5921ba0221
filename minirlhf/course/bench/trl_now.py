"""Today's TRL, made to run a DPO step or a GRPO update whenever it is asked to, as trl_ppo.py does with PPO.

It gets its fair best: the reference asked beforehand (DPO), the whole batch in one generate call (GRPO), fused AdamW,
no checkpointing, nothing saved, threads that spin while they wait.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from tempfile import TemporaryDirectory
from typing import Any

import torch

from minirlhf.course.bench.machine import THREADS, Sizes
from minirlhf.course.bench.ours import new_pairs, new_prompts
from minirlhf.course.bench.partner import Once, partner, spinning
from minirlhf.course.bench.trl_ppo import FOLDER, take_turns
from minirlhf.data import Ids

GROUP = 8  # replies to each prompt


@contextmanager
def trl(stage: str, sizes: Sizes, turns: int) -> Iterator[Once]:
    """TRL's "dpo" or "grpo" in a process of its own; each call is a step or an update of it, and how long it took."""
    FOLDER.mkdir(exist_ok=True)
    environment = spinning() | {"HF_HUB_OFFLINE": "1"}
    with (
        (FOLDER / f"{stage}.log").open("w") as log,
        partner(__name__, stage, sizes.as_json(), str(turns), environment=environment, log=log) as once,
    ):
        yield once


# The other half, which runs in TRL's process.


def words(ids: Ids) -> str:
    """Token ids as words that the tokenizer below reads back."""
    return " ".join(map(str, ids))


def tokenizer(sizes: Sizes):
    """A word for each number of the vocabulary, and padding outside of it, which also ends a text for TRL."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    found = Tokenizer(models.WordLevel({str(i): i for i in range(sizes.vocabulary)} | {"<pad>": sizes.vocabulary}))
    found.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # pyright: ignore[reportAttributeAccessIssue]
    return PreTrainedTokenizerFast(tokenizer_object=found, pad_token="<pad>", eos_token="<pad>")


def model(sizes: Sizes, folder: str):
    """A GPT-2 of these sizes, as one that was loaded from a folder: so TRL can load its reference there too."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=sizes.vocabulary + 1,  # with a row for what ends a text
        n_positions=sizes.prompt + sizes.response,
        n_embd=sizes.width,
        n_layer=sizes.layers,
        n_head=sizes.heads,
        bos_token_id=None,
        eos_token_id=sizes.vocabulary,
        pad_token_id=sizes.vocabulary,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    return GPT2LMHeadModel.from_pretrained(folder)


def settings(folder: str, sizes: Sizes, steps: int) -> dict[str, Any]:
    """What both trainers are told."""
    return {
        "output_dir": folder,
        "seed": sizes.seed,
        "max_steps": steps,
        "learning_rate": sizes.learning_rate,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "save_strategy": "no",
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
    }


def dpo(sizes: Sizes, steps: int, folder: str):
    """A DPOTrainer that takes this many steps on random pairs."""
    from datasets import Dataset
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    pairs = new_pairs(sizes)
    # TRL adds the end of text by itself.
    texts = [
        [words(prompt) for prompt in pairs.prompts],
        *([" " + words(r[:-1]) for r in side] for side in (pairs.chosen, pairs.rejected)),
    ]
    columns = dict(zip(("prompt", "chosen", "rejected"), texts, strict=True))
    return DPOTrainer(
        model=model(sizes, folder),
        args=DPOConfig(
            **settings(folder, sizes, steps),
            per_device_train_batch_size=sizes.episodes,
            precompute_ref_log_probs=True,
            max_length=None,
        ),
        train_dataset=Dataset.from_dict(columns),
        processing_class=tokenizer(sizes),
    )


def grpo(sizes: Sizes, updates: int, folder: str):
    """A GRPOTrainer that makes this many updates on random prompts; the score is how often a reply says 1."""
    from datasets import Dataset
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    def count(completions: list[str], **_: object) -> list[float | None]:
        return [float(text.split().count("1")) for text in completions]

    return GRPOTrainer(
        model=model(sizes, folder),
        reward_funcs=count,  # pyright: ignore[reportArgumentType]
        args=GRPOConfig(
            **settings(folder, sizes, updates * sizes.epochs * sizes.minibatches),
            per_device_train_batch_size=sizes.episodes // sizes.minibatches,
            steps_per_generation=sizes.minibatches,
            num_generations=GROUP,
            num_iterations=sizes.epochs,
            max_completion_length=sizes.response,
            beta=0.02,
            scale_rewards="none",
        ),
        train_dataset=Dataset.from_dict({"prompt": [words(prompt) for prompt in new_prompts(sizes, batches=4)]}),
        processing_class=tokenizer(sizes),
    )


def main(stage: str, sizes: Sizes, turns: int) -> None:
    """Answer every line that comes in with one step, or one update, and a line of JSON about it."""
    pipe = sys.stdout
    torch.set_num_threads(THREADS)
    torch.manual_seed(sizes.seed)
    with TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        if stage == "dpo":
            take_turns(dpo(sizes, turns, folder), pipe)
        else:
            take_turns(grpo(sizes, turns, folder), pipe, steps=sizes.epochs * sizes.minibatches)


if __name__ == "__main__":
    main(sys.argv[1], Sizes(**json.loads(sys.argv[2])), int(sys.argv[3]))
