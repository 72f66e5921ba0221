"""In CI a skipped test is a failed one, whether it is skipped while it runs or while its file is read."""

import os
import subprocess
import sys
from pathlib import Path

FINE = "def test_fine():\n    pass"
SKIPS = "import pytest\ndef test_skips():\n    pytest.skip('no browser')"
SKIPS_WHOLE_FILE = "import pytest\npytest.skip('no server', allow_module_level=True)"


def run_pytest(folder, ci, **files):
    """Run a few small tests under this project's conftest.py, in a process of their own."""
    (folder / "conftest.py").write_text(Path(__file__).with_name("conftest.py").read_text())
    for name, code in files.items():
        (folder / f"{name}.py").write_text(code)
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | ({"CI": "true"} if ci else {})
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_a_skip_fails_the_gate_and_is_named(tmp_path):
    files = {"test_fine": FINE, "test_skips": SKIPS, "test_whole_file": SKIPS_WHOLE_FILE}
    assert run_pytest(tmp_path, ci=False, **files).returncode == 0
    gate = run_pytest(tmp_path, ci=True, **files)
    assert gate.returncode == 1
    assert "no browser" in gate.stdout
    assert "no server" in gate.stdout


def test_without_a_skip_the_gate_is_open(tmp_path):
    assert run_pytest(tmp_path, ci=True, test_fine=FINE).returncode == 0
