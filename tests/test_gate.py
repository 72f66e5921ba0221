"""In CI a skipped test is a failed one, whether it is skipped while it runs or while its file is read."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FINE = "def test_fine():\n    pass"
SKIPS = "import pytest\ndef test_skips():\n    pytest.skip('no browser')"
SKIPS_WHOLE_FILE = "import pytest\npytest.skip('no server', allow_module_level=True)"
TELLS = """
import os, torch
def test_tells():
    print("told", os.environ["PYTEST_XDIST_WORKER"], os.environ["MINIRLHF_VOTES"], torch.get_num_threads())
"""


WORKERS = ("--dist", "worksteal", "--numprocesses")

each_way = pytest.mark.parametrize("how", [(), (*WORKERS, "1")], ids=["in one process", "by a worker"])


def run_pytest(folder, how, ci, **files):
    """Run a few small tests under this project's conftest.py, in processes of their own."""
    (folder / "conftest.py").write_text(Path(__file__).with_name("conftest.py").read_text())
    for name, code in files.items():
        (folder / f"{name}.py").write_text(code)
    inherited = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST_")}
    plugins = ["-p", "no:cacheprovider", *(["-p", "xdist"] if how else [])]
    command = [sys.executable, "-m", "pytest", "-q", *plugins, *how, str(folder)]
    # No other plugin: that of jaxtyping alone takes longer to import than all that is asked here.
    environment = inherited | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | ({"CI": "true"} if ci else {})
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@each_way
def test_a_skip_fails_the_gate_and_is_named(tmp_path, how):
    gate = run_pytest(tmp_path, how, ci=True, test_fine=FINE, test_skips=SKIPS)
    assert gate.returncode == 1
    assert "no browser" in gate.stdout


@each_way
def test_a_file_that_skips_itself_fails_the_gate_and_is_named(tmp_path, how):
    gate = run_pytest(tmp_path, how, ci=True, test_fine=FINE, test_whole_file=SKIPS_WHOLE_FILE)
    assert gate.returncode == 1
    assert "no server" in gate.stdout


@each_way
def test_without_a_skip_or_outside_the_gate_all_is_well(tmp_path, how):
    assert run_pytest(tmp_path, how, ci=True, test_fine=FINE).returncode == 0
    assert run_pytest(tmp_path, how, ci=False, test_skips=SKIPS, test_whole_file=SKIPS_WHOLE_FILE).returncode == 0


def test_every_worker_has_one_thread_and_files_of_its_own(tmp_path):
    """Two workers that shared two threads each would wait for one another, and mix up their votes."""
    gate = run_pytest(tmp_path, (*WORKERS, "2", "-rA"), ci=True, test_one=TELLS, test_two=TELLS)
    assert gate.returncode == 0
    told = set(re.findall(r"told (.+) (.+) (\d+)$", gate.stdout, re.M))
    workers, votes, threads = (set(each) for each in zip(*told, strict=True))
    assert workers == {"gw0", "gw1"} and len(votes) == 2 and threads == {"1"}
