"""How torch uses this machine: how many threads, what they do while they wait for one another, and its memory.

Each operation ends with its threads waiting for the last one. OpenMP lets them spin: alone that is the quickest, but
beside a second training on the same two cores an update then takes 4 to 30 times as long, because what spins holds the
core that the other needs. With OMP_WAIT_POLICY=PASSIVE they sleep: everybody gets a fair share, and no bit of any
result changes. (Another number of threads does change the last bits, so the number follows the machine, never its
load.) OpenMP reads the variable when torch is loaded; afterwards nobody does. Hence no torch at the top of this file.

The commands set it for themselves and for the kernels that they start; on a hub, where `minirlhf lessons` starts a
learner's server, one thread for each of them too. Where a kernel starts otherwise it comes from outside: `make` writes
it into the kernel's spec, `start` exports it on Binder.
"""

import ctypes
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from math import inf
from pathlib import Path

WAITING = "OMP_WAIT_POLICY"
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
FEW_TOKENS = 640  # in a model of 96 channels: beside sleeping threads, one is up to three times as quick below
THREADS = "OMP_NUM_THREADS"
ON_HUB = "JUPYTERHUB_USER"  # set by every JupyterHub, and so on Binder
HUBS_OWN = (ON_HUB, "JUPYTERHUB_API_URL")  # a hub's service has no user


def pin_threads(threads: int = 2) -> None:
    """Use two threads: more do not help models this small, and on a busy machine they wait for one another.

    Fewer where there is less than a core for each, or where the environment variable OMP_NUM_THREADS asks for fewer.
    Freed memory is kept as well: see keep_freed_memory.
    """
    import torch

    torch.set_num_threads(thread_count(threads))
    keep_freed_memory()


@contextmanager
def one_thread() -> Iterator[None]:
    """Everything inside runs on one thread, also where `pin_threads` asked for two."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def threads_for(tokens: int) -> AbstractContextManager[None]:
    """Inside, a pass over this many tokens: on one thread where half of it is done before another one is awake."""
    return one_thread() if tokens < FEW_TOKENS else nullcontext()


def keep_freed_memory() -> None:
    """Let the process keep the memory that a tensor leaves behind, for the next one of its size.

    Linux's C library hands large blocks back to the system when they are freed, and the system clears every page
    again before it lends it anew: some 5,000 page faults in a PPO step of 64 responses, a seventh of its time. The
    peak stays the same. Other systems keep freed blocks by themselves, or cannot be asked; there nothing happens.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(M_MMAP_THRESHOLD, 2**25)  # the most that it takes


def thread_count(most: int = 2, cpus: float | None = None) -> int:
    """As many threads as there are CPUs for them, at most `most` and what OMP_NUM_THREADS asks for; at least one."""
    asked = os.environ.get(THREADS, "")
    limit = int(asked) if asked.isdigit() and int(asked) > 0 else most
    return min(most, limit, max(1, int((cpus or usable_cpus()) + 0.5)))  # a second one from 1.5 CPUs on


def wait_policy(cpus: float, threads: int, environment: Mapping[str, str] = os.environ) -> str | None:
    """PASSIVE where a second training would want the same cores: few of them, or a hub. None: spinning is quicker."""
    return "PASSIVE" if cpus <= 2 * threads or on_hub(environment) else None


def set_wait_policy() -> None:
    """Let waiting threads sleep where that is fairer, here and in what is started from here; before torch is loaded.

    On a hub say there too how many threads are this learner's. Whoever has set either variable keeps what they chose.
    """
    if policy := wait_policy(usable_cpus(), thread_count()):
        os.environ.setdefault(WAITING, policy)
    if on_hub():
        os.environ.setdefault(THREADS, str(thread_count()))


def on_hub(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a JupyterHub has started this: the machine is a class's, not one learner's."""
    return any(name in environment for name in HUBS_OWN)


def usable_cpus(root: Path = Path("/")) -> float:
    """How many CPUs this process may keep busy: the cores it may run on, or its quota where that is less.

    One on a hub that sets no quota, for the other cores are the other learners'.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    own = min(quotas(root), default=inf)
    return min(float(cores), 1.0 if on_hub() and own == inf else own)


def quotas(root: Path = Path("/")) -> Iterator[float]:
    """The limits, in CPUs, that Linux's control groups set: a hub's or container's, in either of their two versions."""
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # another system, which has none
        return
    for line in groups:
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):  # only the first version has separate ones
            continue
        mounted = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
        # Every group above this one limits it too. A container may see only the last of them, as if it were the first.
        folder = mounted / group.lstrip("/")
        for place in (folder, *folder.parents):
            if place.is_relative_to(mounted):
                yield quota(place)


def quota(group: Path) -> float:
    """One control group's share of each period, in CPUs; infinite where it has no limit, or does not exist."""
    try:
        if (group / "cpu.max").exists():
            share, period = (group / "cpu.max").read_text().split()
        else:
            share, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(share) / int(period) if int(share) > 0 else inf
    except (OSError, ValueError):  # the first version says -1 where there is no limit, the second says "max"
        return inf


if __name__ == "__main__":  # what the Makefile is to tell `ipykernel install`
    if policy := wait_policy(usable_cpus(), thread_count()):
        print("--env", WAITING, policy)
