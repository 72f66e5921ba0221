"""What this machine can do: its matrix-product rate, the least time an update needs at it, a command's cost.

What is left out of the least time: attention's own products, softmax, GELU, LayerNorm, the optimiser. The
ratio to it says how much the rest costs.
"""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import NamedTuple

import torch

from minirlhf.machine.runtime import WAITING

THREADS = 2


@dataclass(frozen=True)
class Sizes:
    """The sizes of one comparison; what TRL and minirlhf both get. The defaults are those of design.md."""

    width: int = 96
    layers: int = 3
    heads: int = 4  # TRL's; ours may differ, for the number of heads changes no parameter count
    vocabulary: int = 512
    prompt: int = 12
    response: int = 28
    episodes: int = 128
    epochs: int = 4
    minibatches: int = 2
    learning_rate: float = 3e-4
    seed: int = 0
    count_a: bool = False  # the score: how often token A stands in the response, or else what a network says

    @property
    def parameters(self) -> int:
        """Those that enter matrix products: 12 width² a layer and the head, no embeddings, no biases."""
        return self.layers * 12 * self.width**2 + self.width * self.vocabulary

    @property
    def forward_flop(self) -> int:
        """One pass over every token of the batch: a product and a sum per parameter and token."""
        return 2 * self.parameters * self.episodes * (self.prompt + self.response)

    @property
    def training_flop(self) -> int:
        """Forward and backward: the backward pass has two products for the forward pass's one."""
        return 3 * self.forward_flop

    @property
    def ppo_flop(self) -> int:
        """Four passes (sampling, reference, scores, values), then every epoch for policy and value model."""
        return 4 * self.forward_flop + self.epochs * 2 * self.training_flop

    def as_json(self) -> str:
        """For another process's command line."""
        return json.dumps(asdict(self))


class Update(NamedTuple):
    """What one PPO update took, and the mean score of its episodes."""

    seconds: float
    score: float


A = 1  # the token that the yardstick counts


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def matmul_rate(repeats: int = 50) -> float:
    """This machine's float32 rate now, in FLOP/s: the median over (2560 × 96) · (96 × 384) products."""
    x, w, out = torch.randn(2560, 96), torch.randn(96, 384), torch.empty(2560, 384)
    return 2 * x.numel() * w.shape[1] / median(seconds(lambda: torch.mm(x, w, out=out)) for _ in range(repeats))


def facts() -> dict[str, str | int]:
    """What a reader of old measurements wants to know about where they came from."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "wait_policy": os.environ.get(WAITING, ""),
    }


# A process's peak counts the memory of the process that it was forked from. So a small Python stands between.
_LAUNCHER = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([code, time.perf_counter() - start, peak * (1 if sys.platform == "darwin" else 1024)]))
"""


class Cost(NamedTuple):
    seconds: float
    peak_bytes: int


def cost_of(*command: str) -> Cost:
    """Run a command to its end in a process of its own; how long it took and the most memory it held."""
    launcher = [sys.executable, "-c", _LAUNCHER, *command]
    code, wall, peak = json.loads(subprocess.run(launcher, stdout=subprocess.PIPE, check=True).stdout)
    if code:
        raise ChildProcessError(f"`{' '.join(command)}` ended with exit code {code}; what it said stands above.")
    return Cost(wall, peak)


def import_seconds(module: str) -> float:
    """How long `import module` takes in a fresh process that has imported torch already."""
    code = f"import torch, time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    return float(subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout)
