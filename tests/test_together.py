"""Several processes train as one does, to the fifth decimal; what stops one stops all, with one word and soon."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

HERE = Path(__file__).parent
SOON = 10  # seconds from what stops one process to the end of all


def start(processes, *arguments, script=HERE / "together.py", **environment):
    """The script under torchrun, in a session of its own, as a terminal would have it."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--standalone"]
    own = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)} | environment
    return subprocess.Popen(
        [*command, str(script), *map(str, arguments)],
        env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process makes of it."""
    out = tmp_path_factory.mktemp("alone") / "models.safetensors"
    own = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, str(HERE / "together.py"), str(out)], env=own, check=True)
    return load_file(out)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_give_what_one_gives(alone, tmp_path, processes):
    """SFT, reward and value model, PPO that stops early and steers β, DPO that stops, GRPO, REINFORCE, KTO."""
    out = tmp_path / "models.safetensors"
    run = start(processes, out)
    _, told = run.communicate()
    assert run.returncode == 0, told
    found = load_file(out)
    assert found.keys() == alone.keys()
    apart = {name: (found[name] - alone[name]).abs().max().item() for name in alone if not name.startswith("said")}
    assert max(apart.values()) < 1e-5, max(apart.items(), key=lambda pair: pair[1])
    said = {name for name in alone if name.startswith("said")}
    assert not {name for name in said if not torch.allclose(found[name], alone[name], atol=1e-4, rtol=1e-3)}
    assert alone["said ppo/optimizer_steps"].min() < 9, (
        "no pass was ever cut short, so nothing says that all stop alike"
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_models_that_are_cut_learn_what_whole_ones_learn(tmp_path):
    """SFT, reward model and DPO under PyTorch's `fully_shard`, by the same functions."""
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    own = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, str(HERE / "together.py"), str(whole), "sharded"], env=own, check=True)
    run = start(2, cut, "sharded")
    _, told = run.communicate()
    assert run.returncode == 0, told
    wanted, found = load_file(whole), load_file(cut)
    assert found.keys() == wanted.keys() and {key.split("/")[0] for key in found} == {"sft", "reward", "dpo"}
    assert max((found[name] - wanted[name]).abs().max().item() for name in found) < 1e-5


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_demo_of_two_processes_prints_the_table_of_one(tmp_path):
    """Through all stages, in float64 so that not a letter differs; and only one of them prints and writes."""
    small = ["--sft.steps", "12", "--votes", "64", "--reward.steps", "6", "--reward.warmup", "2", "--ppo.updates", "2"]
    small += ["--ppo.batch-size", "32", "--sft.warmup", "4", "--compare-on", "20", "--exact"]
    own = os.environ | {"OMP_NUM_THREADS": "1"}
    told = []
    for n, starter in enumerate(([], ["torch.distributed.run", "--nproc-per-node", "2", "--standalone", "-m"])):
        command = [sys.executable, "-m", *starter, "minirlhf", "demo", *small, "--out", str(tmp_path / str(n))]
        said = subprocess.run(command, env=own, check=True, capture_output=True, text=True).stdout
        told.append(said.replace(str(tmp_path / str(n)), ""))
    assert told[0] == told[1] and "Written to" in told[0]
    one, two = (load_file(tmp_path / str(n) / "rlhf/weights.safetensors") for n in range(2))
    assert max((one[name] - two[name]).abs().max().item() for name in one) < 1e-6


def ended(run, since):
    """What was said until all had ended, which must be soon."""
    _, told = run.communicate(timeout=60)
    assert time.monotonic() - since < SOON
    assert run.returncode != 0
    return [line for line in told.splitlines() if line.startswith("process ")]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "how, says",
    [
        ("fails", "the disk of this process is full"),
        ("nan", "The loss is"),
        ("apart", "policy begins with other weights on process 1"),
    ],
)
def test_what_stops_one_stops_all_and_is_said_once(tmp_path, how, says):
    run = start(2, tmp_path / "model", how)
    since = time.monotonic() + 15  # to start, and four steps
    lines = ended(run, since)
    assert len(lines) == 1 and says in lines[0], lines
    assert not (tmp_path / "model").exists()
    if how == "nan":
        assert {path.name for path in tmp_path.iterdir()} >= {"model.whole.0", "model.whole.1"}


@pytest.mark.timeout(120)
def test_a_process_that_dies_ends_the_others(tmp_path):
    run = start(2, tmp_path / "model", "dies")
    ended(run, time.monotonic() + 15)
    assert not (tmp_path / "model").exists()


@pytest.mark.timeout(120)
def test_ctrl_c_ends_all(tmp_path):
    run, out = start(2, tmp_path / "model", "interrupt"), tmp_path / "model"
    while not all(Path(f"{out}.{n}").exists() for n in range(2)):
        assert run.poll() is None, run.communicate()
        time.sleep(0.05)
    since = time.monotonic()
    os.killpg(run.pid, signal.SIGINT)
    ended(run, since)
    assert not out.exists()


@pytest.mark.timeout(120)
def test_the_first_process_decides_how_long_a_training_takes(tmp_path):
    run = start(2, tmp_path / "model", "clock")
    told, errors = run.communicate()
    assert run.returncode == 0, errors
    steps = [int(line.split()[1]) for line in told.splitlines() if line.startswith("steps:")]
    assert steps == [30, 30]
    assert (tmp_path / "model/config.json").is_file()
