"""What every test shares: two threads, no hub, and in CI no silent skip."""

import os

# Before torch and the tokenizers are imported, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")

import pytest
import torch

torch.set_num_threads(2)


def pytest_sessionfinish(session):
    """In CI a skipped test is a failed one: a gate that quietly checks less is worse than none."""
    if os.environ.get("CI") and _skipped(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    if os.environ.get("CI") and _skipped(config):
        terminalreporter.section("skipped, which CI counts as failed", red=True)
        for report in _skipped(config):
            terminalreporter.line(f"{report.nodeid}: {report.longrepr[-1]}")


def _skipped(config):
    return config.pluginmanager.get_plugin("terminalreporter").stats.get("skipped", [])
