"""As many threads as there are cores for them; threads that wait let others work; all decided before torch is there."""

import json
import os
import platform
import re
import subprocess
import sys
from math import inf
from pathlib import Path

import pytest
import torch
from tiny import trunk

from minirlhf.machine.runtime import (
    HUBS_OWN,
    ON_HUB,
    THREADS,
    WAITING,
    pin_threads,
    quotas,
    thread_count,
    usable_cpus,
    wait_policy,
)
from minirlhf.model import CausalLM
from minirlhf.training import new_state, optimizer_step

ROOT = Path(__file__).parents[1]


@pytest.fixture
def machine(tmp_path):
    """Writes the files in which Linux says what a process may use; gives where they are."""

    def write(groups: str, **files: str) -> Path:
        for name, content in {"proc/self/cgroup": groups, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content + "\n")
        return tmp_path

    return write


def test_a_machine_without_control_groups_sets_no_quota(tmp_path):
    assert not list(quotas(tmp_path))
    assert usable_cpus(tmp_path) >= 1


def test_a_quota_is_a_share_of_each_period(machine):
    root = machine("0::/", **{"sys/fs/cgroup/cpu.max": "50000 100000"})
    assert min(quotas(root)) == usable_cpus(root) == 0.5


def test_without_a_limit_the_cores_decide(machine, tmp_path):
    root = machine("0::/", **{"sys/fs/cgroup/cpu.max": "max 100000"})
    assert min(quotas(root)) == inf
    assert usable_cpus(root) == usable_cpus(tmp_path / "nowhere")


def test_the_tightest_of_the_groups_above_counts(machine):
    slices = "sys/fs/cgroup/system.slice"  # as a hub on one server makes them: a service for everybody who is there
    limits = {f"{slices}/jupyter-ada.service/cpu.max": "max 100000", f"{slices}/cpu.max": "75000 50000"}
    assert min(quotas(machine("0::/system.slice/jupyter-ada.service", **limits))) == 1.5


def test_another_ones_quota_does_not_count(machine):
    limits = {"sys/fs/cgroup/bob/cpu.max": "10000 100000", "sys/fs/cgroup/ada/cpu.max": "150000 100000"}
    assert min(quotas(machine("0::/ada", **limits))) == 1.5


@pytest.mark.parametrize("group, limit", [("-1", inf), ("25000", 0.25)])
def test_the_first_version_is_read_too(machine, group, limit):
    # A container is told its group's name on the host, and sees that group as the topmost.
    groups = "7:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/"
    here = "sys/fs/cgroup/cpu"
    root = machine(groups, **{f"{here}/cpu.cfs_quota_us": group, f"{here}/cpu.cfs_period_us": "100000"})
    assert min(quotas(root)) == limit


def test_files_that_say_something_else_set_no_limit(machine):
    assert min(quotas(machine("0::/", **{"sys/fs/cgroup/cpu.max": "soon"}))) == inf


@pytest.mark.parametrize("variable", HUBS_OWN)
@pytest.mark.parametrize("quota, threads", [(None, 1), ("max", 1), ("100000", 1), ("200000", 2), ("1600000", 2)])
def test_on_a_hub_everybody_has_one_thread_unless_a_quota_gives_them_more(
    machine, monkeypatch, variable, quota, threads
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8), raising=False)
    monkeypatch.delenv(THREADS, raising=False)
    monkeypatch.setenv(variable, "of a hub")
    root = machine("0::/", **({"sys/fs/cgroup/cpu.max": f"{quota} 100000"} if quota else {}))
    assert thread_count(2, usable_cpus(root)) == threads
    assert usable_cpus(root) <= 8
    monkeypatch.delenv(variable)
    assert thread_count(2, usable_cpus(root)) == (1 if quota == "100000" else 2)


def test_every_thread_has_most_of_a_core_and_there_is_one_at_least(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [thread_count(2, cpus) for cpus in (0.1, 1.0, 1.4, 1.5, 2.0, 64.0)] == [1, 1, 1, 2, 2, 2]
    assert [thread_count(8, cpus) for cpus in (1.0, 4.0, 64.0)] == [1, 4, 8]


@pytest.mark.parametrize("asked, threads", [("1", 1), ("64", 2), ("0", 2), ("many", 2), ("", 2)])
def test_whoever_asks_for_fewer_threads_gets_fewer(monkeypatch, asked, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert thread_count(2, 8.0) == threads


def test_torch_gets_this_number(monkeypatch):
    before = torch.get_num_threads()
    try:
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        pin_threads(2)
        assert torch.get_num_threads() == 1
        monkeypatch.delenv("OMP_NUM_THREADS")
        pin_threads(2)
        assert torch.get_num_threads() == thread_count(2)
    finally:
        torch.set_num_threads(before)


def test_waiting_threads_sleep_where_two_trainings_cannot_have_cores_of_their_own():
    alone: dict[str, str] = {}
    assert [wait_policy(cores, 2, alone) for cores in (0.5, 2.0, 4.0)] == ["PASSIVE"] * 3
    assert [wait_policy(cores, 2, alone) for cores in (6.0, 64.0)] == [None, None]
    assert wait_policy(64.0, 2, {ON_HUB: "ada"}) == "PASSIVE", "a hub's cores are everybody's"


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python code in a process of its own, where nobody has chosen how many threads there are, and how they wait."""
    own = {name: value for name, value in os.environ.items() if name not in (WAITING, THREADS)} | environment
    return subprocess.run([sys.executable, "-c", code], env=own, capture_output=True, text=True, check=True)


def test_openmp_itself_has_heard_it():
    code = "from minirlhf.machine import runtime; runtime.set_wait_policy(); import torch"
    said = run(code, OMP_DISPLAY_ENV="TRUE", **{ON_HUB: "ada"}).stderr
    assert re.search(r"OMP_WAIT_POLICY ?= ?'PASSIVE'", said)


@pytest.mark.parametrize("own, found", [({}, ["PASSIVE", None]), ({WAITING: "ACTIVE", THREADS: "3"}, ["ACTIVE", "3"])])
def test_every_command_says_so_before_torch_is_there_and_leaves_what_somebody_chose(monkeypatch, own, found):
    code = """
import os, sys
from minirlhf.course import cli

def command():
    print(os.environ["OMP_WAIT_POLICY"], os.environ["OMP_NUM_THREADS"], "torch" in sys.modules)

cli.COMMANDS["doctor"] = command
cli.main(["doctor"])
"""
    monkeypatch.setenv(ON_HUB, "ada")
    monkeypatch.delenv(THREADS, raising=False)
    *said, loaded = run(code, **own).stdout.split()
    assert said == [each or str(thread_count()) for each in found] and loaded == "False"


def test_a_kernels_spec_takes_what_the_makefile_gives_it(tmp_path):
    own = os.environ | {ON_HUB: "ada"}
    asked = subprocess.check_output([sys.executable, "-m", "minirlhf.machine.runtime"], env=own, text=True).split()
    install = [sys.executable, "-m", "ipykernel", "install", "--prefix", str(tmp_path), "--name", "python3", *asked]
    subprocess.run(install, check=True, capture_output=True)
    (spec,) = tmp_path.rglob("kernel.json")
    assert json.loads(spec.read_text())["env"] == {WAITING: "PASSIVE"}


def test_binder_starts_jupyter_with_it():
    code = f"import os; print(os.environ[{WAITING!r}])"
    start = [ROOT / "start", sys.executable, "-c", code]
    own = {name: value for name, value in os.environ.items() if name != WAITING}
    assert subprocess.check_output(start, env=own, text=True) == "PASSIVE\n"
    assert subprocess.check_output(start, env=own | {WAITING: "ACTIVE"}, text=True) == "ACTIVE\n"


HELD = """
import resource, sys, torch
from minirlhf.machine.runtime import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()

def held():
    with open("/proc/self/statm") as numbers:
        return int(numbers.read().split()[1]) * resource.getpagesize()

before = held()
tensors = [torch.ones(6_000_000) for _ in range(8)]  # 24 MB each
del tensors
print((held() - before) // 1_000_000)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep freed blocks by themselves")
def test_memory_that_was_freed_stays_with_the_process():
    def megabytes(how):
        return int(subprocess.check_output([sys.executable, "-c", HELD, how], text=True))

    assert megabytes("leave") < 96 < megabytes("keep"), "half of the 192 MB tells the two apart"


@pytest.mark.parametrize("rows, threads", [(1, 1), (63, 1), (64, 2), (90, 2)])
def test_a_pass_over_few_tokens_runs_on_one_thread_forwards_and_backwards(rows, threads):
    policy, used, before = CausalLM(trunk()), [], torch.get_num_threads()
    torch.set_num_threads(2)
    policy.trunk.final_norm.register_forward_hook(lambda *_: used.append(torch.get_num_threads()))
    policy.trunk.token_embedding.weight.register_hook(lambda _: used.append(torch.get_num_threads()))
    tokens = torch.zeros(rows, 10, dtype=torch.long)
    state = new_state(0, policy=policy)
    try:
        optimizer_step(policy(tokens).mean(), state.optimizers["policy"], lr=0.1, tokens=tokens)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert used == [threads, threads]
