"""The processes that `torchrun` has started become one training, and when something stops one of them, all stop.

    torchrun --nproc-per-node 2 -m minirlhf demo

`torchrun` belongs to PyTorch: it starts a process for each share, here or on several machines, and says in the
environment which is which. Gloo carries numbers between CPUs, NCCL between GPUs, a GPU to a process. When one process
dies, torchrun ends the others.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from minirlhf.machine.runtime import THREADS

PATIENCE = timedelta(minutes=30)  # so long may one process be busy with what the others wait for
WORD = timedelta(seconds=2)  # so long it waits to hear whether the first one has the same to say


def started_together() -> int:
    """How many processes torchrun has started with this one; 1 where it has not."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1  # a batch job may set the first


@contextmanager
def joined() -> Iterator[None]:
    """Inside, all processes that torchrun has started train together; alone, nothing changes."""
    if started_together() == 1:
        yield
        return
    import torch
    import torch.distributed as dist

    backend, mine = "gloo", int(os.environ["LOCAL_RANK"])
    if mine < torch.cuda.device_count():
        torch.cuda.set_device(mine)
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, timeout=PATIENCE)
    torch.set_num_threads(int(os.environ.get(THREADS, "1")))
    yield
    dist.destroy_process_group()


def word_for(error: BaseException) -> str | None:
    """What this process has to say of the error that stops it; None where another one has said it.

    Whoever stops first says why. One that meets the same, as all do where a loss is no number, is silent, and so is one
    that only finds the others gone.
    """
    import torch.distributed as dist

    told = "Stopped." if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__
    if not dist.is_initialized():
        return told
    alone, mine = _lost_the_others(error), f"{type(error).__name__} {dist.get_rank()}"
    store = dist.distributed_c10d._get_default_store()
    try:
        if alone:
            store.wait(["stopped"], WORD)
            return None
        first = store.compare_set("stopped", "", mine).decode()
        return told if first == mine or first.split()[0] != type(error).__name__ else None
    except (RuntimeError, OSError):  # nobody has said anything, or there is nobody left to ask
        return f"Another process of this training has ended, so this one stops. ({error})" if alone else told


def _lost_the_others(error: BaseException) -> bool:
    """Whether this is Gloo's or NCCL's way to say that nobody answers."""
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in ("gloo", "nccl", "peer"))


def leave(status: int) -> None:
    """End this process without waiting for the others, who may wait for it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
