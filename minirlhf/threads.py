"""How many threads torch may use here, and what they do while they wait for one another.

Each operation ends with its threads waiting for the last one. OpenMP lets them spin: alone that is the quickest, but
beside a second training on the same two cores an update then takes 4 to 30 times as long, because what spins holds the
core that the other needs. With OMP_WAIT_POLICY=PASSIVE they sleep: everybody gets a fair share, and no bit of any
result changes. (Another number of threads does change the last bits, so the number follows the machine, never its
load.) OpenMP reads the variable when torch is loaded; afterwards nobody does. Hence no torch at the top of this file.

The commands set it for themselves and for the kernels that they start. Where a kernel starts otherwise it comes from
outside: `make` writes it into the kernel's spec, `start` exports it on Binder, and a hub says, in its configuration,

    c.Spawner.environment = {"OMP_WAIT_POLICY": "PASSIVE"}
"""

import os
from collections.abc import Iterator, Mapping
from math import inf
from pathlib import Path

WAITING = "OMP_WAIT_POLICY"
ON_HUB = "JUPYTERHUB_USER"  # set by every JupyterHub, and so on Binder


def pin_threads(threads: int = 2) -> None:
    """Use two threads: more do not help models this small, and on a busy machine they wait for one another.

    Fewer where there is less than a core for each, or where the environment variable OMP_NUM_THREADS asks for fewer.
    """
    import torch

    torch.set_num_threads(thread_count(threads))


def thread_count(most: int = 2, cpus: float | None = None) -> int:
    """As many threads as there are CPUs for them, at most `most` and what OMP_NUM_THREADS asks for; at least one."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    limit = int(asked) if asked.isdigit() and int(asked) > 0 else most
    return min(most, limit, max(1, int((cpus or usable_cpus()) + 0.5)))  # a second one from 1.5 CPUs on


def wait_policy(cpus: float, threads: int, environment: Mapping[str, str] = os.environ) -> str | None:
    """PASSIVE where a second training would want the same cores: few of them, or a hub. None: spinning is quicker."""
    return "PASSIVE" if cpus <= 2 * threads or ON_HUB in environment else None


def set_wait_policy() -> None:
    """Let waiting threads sleep where that is fairer, here and in what is started from here; before torch is loaded.

    Whoever has set OMP_WAIT_POLICY keeps what they chose.
    """
    if policy := wait_policy(usable_cpus(), thread_count()):
        os.environ.setdefault(WAITING, policy)


def usable_cpus(root: Path = Path("/")) -> float:
    """How many CPUs this process may keep busy: the cores it may run on, or its quota where that is less."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([float(cores), *quotas(root)])


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
