"""One short training, by one process or by several that `torchrun` starts: SFT from the base model, then PPO.

torchrun --nproc-per-node 2 -m minirlhf.course.experiments.together OUT 0
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from torch import Tensor

from minirlhf.machine.runtime import THREADS

ROWS, REPLIES = 33, 34  # of SFT, and of PPO in minibatches of 17: two processes cannot halve them


@dataclass(frozen=True)
class Trained:
    """What came of it: SFT's loss at each step, PPO's score at each update, the weights, and how long it took."""

    losses: list[float]
    scores: list[float]
    weights: dict[str, Tensor]
    seconds: float  # from start to end, with the processes' own start

    def apart(self, other: "Trained") -> float:
        """The largest difference between any two weights."""
        return max((self.weights[name] - other.weights[name]).abs().max().item() for name in self.weights)


def trained_by(processes: int, seed: int = 0) -> Trained:
    """The training, in new processes with one thread each; RuntimeError with their last words where they fail."""
    from safetensors.torch import load_file

    module = [__name__] if processes == 1 else ["torch.distributed.run", "--standalone"]
    module += [] if processes == 1 else ["--nproc-per-node", str(processes), "-m", __name__]
    start = perf_counter()
    with TemporaryDirectory() as place:
        command = [sys.executable, "-m", *module, f"{place}/policy.safetensors", str(seed)]
        run = subprocess.run(command, env=os.environ | {THREADS: "1"}, capture_output=True, text=True)
        if run.returncode:
            raise RuntimeError(f"{processes} processes have not trained: {run.stderr.strip()[-600:]}")
        said = json.loads((Path(place) / "said.json").read_text(encoding="utf-8"))
        held = load_file(f"{place}/policy.safetensors")
        weights = {name: x.clone() for name, x in held.items()}  # the file is to go, and some systems hold on to it
        del held
    return Trained(said["losses"], said["scores"], weights, perf_counter() - start)


def train(out: Path, seed: int) -> None:
    """What each process does; the first one writes."""
    from copy import deepcopy

    from safetensors.torch import save_file

    from minirlhf.data import Demonstrations
    from minirlhf.machine.shares import process
    from minirlhf.model import ValueModel
    from minirlhf.paths import data_folder
    from minirlhf.ppo import PPOConfig, train_ppo
    from minirlhf.recipes.pipeline import CONTEXT, load_shipped
    from minirlhf.sft import SFTConfig, train_sft

    shipped = load_shipped()
    shown = Demonstrations.load(data_folder() / "demonstrations_train.jsonl", shipped.tokenizer, CONTEXT)
    policy = deepcopy(shipped.base).double()
    steps = list(train_sft(policy, shown, SFTConfig(steps=12, batch_size=ROWS, lr=1e-3, warmup=4, seed=seed)))
    reference, value_model = deepcopy(policy), ValueModel(deepcopy(shipped.reward_model.trunk)).double()
    config = PPOConfig(updates=3, batch_size=REPLIES, seed=seed)
    updates = list(train_ppo(policy, reference, shipped.reward_model, value_model, shipped.prompts("train"), config))
    if process() == 0:
        save_file({name: x.contiguous() for name, x in policy.state_dict().items()}, out)
        said = {"losses": [step.loss for step in steps], "scores": [update.score for update in updates]}
        out.with_name("said.json").write_text(json.dumps(said), encoding="utf-8")


if __name__ == "__main__":
    from minirlhf.machine.joining import joined

    with joined():
        train(Path(sys.argv[1]), int(sys.argv[2]))
