"""TRL 1.12.0's PPOTrainer, the last release that has one, made to run an update whenever it is asked to.

Two halves that talk over a pipe. `trl_updates` is the one that the bench calls; it starts this file as a
process of its own, the only one that sees the folder into which TRL is installed. The other half answers
every line that it reads with one update, so that both programs can take turns on one machine (partner.py).

TRL gets its fair best: the whole batch in one generate call, fused AdamW, no checkpointing, nothing saved or
logged, threads that spin while they wait. (Its `attn_implementation` "eager" is no faster than "sdpa" here.)
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import IO

import torch
from torch import nn

from minirlhf.course.bench.machine import THREADS, A, Sizes, Update
from minirlhf.course.bench.partner import partner, spinning
from minirlhf.paths import REPOSITORY

FOLDER = REPOSITORY / ".bench"
PACKAGES = ["trl==1.12.0", "accelerate==1.15.0"]  # all that is missing beside the package's test requirements


def install(folder: Path = FOLDER) -> None:
    """Put TRL into a folder of its own, once; without its dependencies, which would replace ours."""
    if (folder / "trl").is_dir():
        return
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *PACKAGES]
    if subprocess.run(pip).returncode:
        raise RuntimeError(f"pip could not install {' and '.join(PACKAGES)}; is there a network? Try again later.")


def trl_updates(sizes: Sizes, updates: int) -> Iterator[Update]:
    """Each next() is one PPO update of TRL: what it took and the mean score of its episodes."""
    install()
    quiet = {"TRL_EXPERIMENTAL_SILENCE": "1", "HF_HUB_OFFLINE": "1"}
    path = os.pathsep.join(filter(None, [str(FOLDER), os.environ.get("PYTHONPATH")]))
    environment = spinning() | quiet | {"PYTHONPATH": path}
    with (
        (FOLDER / "trl.log").open("w") as log,
        partner(__name__, sizes.as_json(), str(updates), environment=environment, log=log) as once,
    ):
        for _ in range(updates):
            yield Update(**once())


# The other half, which runs in TRL's process.


class CountReward(nn.Module):
    """As much of a model as TRL asks for a reward; the score is how many A the response has."""

    base_model_prefix = "count"

    def __init__(self, prompt: int) -> None:
        super().__init__()
        self.prompt = prompt
        self.score = nn.Identity()

    def count(self, input_ids: torch.Tensor, **_: object) -> SimpleNamespace:
        is_a = input_ids == A
        is_a[:, : self.prompt] = False
        return SimpleNamespace(hidden_states=[is_a.cumsum(1)[..., None].float()])


def trainer(sizes: Sizes, updates: int, folder: str):
    """A PPOTrainer with models, data and settings for these sizes, made from nothing but this file."""
    from datasets import Dataset
    from tokenizers import Tokenizer, models
    from transformers import GPT2Config, GPT2ForSequenceClassification, GPT2LMHeadModel, PreTrainedTokenizerFast
    from trl.experimental.ppo import PPOConfig, PPOTrainer  # pyright: ignore[reportMissingImports]

    config = GPT2Config(
        vocab_size=sizes.vocabulary,
        n_positions=sizes.prompt + sizes.response,
        n_embd=sizes.width,
        n_layer=sizes.layers,
        n_head=sizes.heads,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,  # the padding id lies outside the vocabulary, where this config would not have it
    )
    config.num_labels = 1
    policy, reference = GPT2LMHeadModel(config), GPT2LMHeadModel(config)
    reference.load_state_dict(policy.state_dict())
    words = {str(i): i for i in range(sizes.vocabulary)} | {"<pad>": sizes.vocabulary}
    prompts = torch.randint(sizes.vocabulary, (4 * sizes.episodes, sizes.prompt))
    return PPOTrainer(
        PPOConfig(
            output_dir=folder,
            seed=sizes.seed,
            total_episodes=updates * sizes.episodes,
            per_device_train_batch_size=sizes.episodes,
            local_rollout_forward_batch_size=sizes.episodes,
            num_ppo_epochs=sizes.epochs,
            num_mini_batches=sizes.minibatches,
            response_length=sizes.response,
            temperature=1.0,
            learning_rate=sizes.learning_rate,
            adam_epsilon=1e-5,
            use_cpu=True,
            bf16=False,  # TRL's default is True, and so is the next one's
            gradient_checkpointing=False,
            num_sample_generations=0,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        # Nothing ends a response; but TRL compares with the end's id, so there must be one.
        PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer(models.WordLevel(words)), pad_token="<pad>", eos_token="<pad>"
        ),
        policy,
        reference,
        CountReward(sizes.prompt) if sizes.count_a else GPT2ForSequenceClassification(config),
        Dataset.from_dict({"input_ids": prompts.tolist()}),
        GPT2ForSequenceClassification(config),
    )


def take_turns(trl, pipe: IO[str], steps: int = 1, score: str = "") -> None:
    """Train, but wait for a line before every turn of so many steps, and say afterwards in a line how long it took.

    `score` names the number that is logged and told too.
    """
    from transformers import PrinterCallback, TrainerCallback

    class TakeTurns(TrainerCallback):
        taken, found = 0, 0.0

        def wait(self) -> None:
            input()
            self.start = time.perf_counter()

        def on_train_begin(self, *_, **__) -> None:
            self.wait()

        def on_log(self, *_, logs: dict[str, float], **__) -> None:
            self.found = logs.get(score, 0.0)

        def on_step_end(self, *_, **__) -> None:
            self.taken += 1
            if self.taken % steps == 0:
                update = Update(time.perf_counter() - self.start, self.found)
                print(json.dumps(update._asdict()), file=pipe, flush=True)
                self.wait()

    trl.remove_callback(PrinterCallback)
    trl.add_callback(TakeTurns())
    trl.train()


def main(sizes: Sizes, updates: int) -> None:
    """Answer every line that comes in with one update and a line of JSON about it."""
    pipe = sys.stdout
    torch.set_num_threads(THREADS)
    torch.manual_seed(sizes.seed)
    with TemporaryDirectory() as folder, redirect_stdout(sys.stderr):  # TRL prints; the pipe is not for that
        take_turns(trainer(sizes, updates, folder), pipe, score="objective/scores")


if __name__ == "__main__":
    main(Sizes(**json.loads(sys.argv[1])), int(sys.argv[2]))
