"""What every test shares: its threads, no hub, nothing of the learner's own, and in CI no silent skip."""

import gc
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

# Before torch and the tokenizers are imported, and for the processes that tests start. One thread for each of several
# workers; two where pytest runs on its own, as numbers were measured that are kept.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # workers share the cores: threads that wait sleep
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")
# Never the learner's own, and for every worker another: each has inherited the environment of the one that started it.
os.environ["MINIRLHF_OF_THIS_WORKER"] = tempfile.mkdtemp()
os.environ["MINIRLHF_PROGRESS"] = str(Path(os.environ["MINIRLHF_OF_THIS_WORKER"]) / "progress.json")
os.environ["MINIRLHF_VOTER"] = str(Path(os.environ["MINIRLHF_OF_THIS_WORKER"]) / "voter")
os.environ["MINIRLHF_VOTES"] = str(Path(os.environ["MINIRLHF_OF_THIS_WORKER"]) / "votes.db")

import pytest
from hypothesis import settings

# A busy machine is no bug, so no deadline; 25 examples where the default is 100, for a set that stays quick.
settings.register_profile("quick", deadline=None, max_examples=25)
settings.load_profile("quick")


def pytest_configure(config):
    """The package is not loaded yet, and what `--jaxtyping-packages` makes of it is to be quick."""
    if config.getoption("--jaxtyping-packages", default=None):
        import jaxtyping
        from shapes import checked

        jaxtyping.jaxtyped = checked


def pytest_unconfigure():
    """Tests leave no folder behind."""
    shutil.rmtree(os.environ["MINIRLHF_OF_THIS_WORKER"], ignore_errors=True)


@pytest.fixture
def one_thread():
    """Bit for bit is promised for one thread; and models this small are quicker on one."""
    import torch  # here, so that what only starts the workers need not load it

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


PRETRAINED = ("llama", "qwen2", "gpt2")


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """A small random model of each kind that people use, in the format of `transformers`."""
    from pretrained import written

    root = tmp_path_factory.mktemp("pretrained")
    return {kind: written(root, kind) for kind in PRETRAINED}


@pytest.fixture(params=PRETRAINED)
def model(request, folders):
    """One of them, opened as a learner would: a policy, and its tokenizer."""
    from pretrained import opened

    return opened(folders[request.param])


@pytest.fixture(scope="session")
def shipped():
    """The shipped models, loaded once, and customers that are read once. Who trains one trains a copy."""
    from tiny import fingerprint

    from minirlhf.recipes.pipeline import load_shipped

    shipped = load_shipped()
    vars(shipped)["prompts"] = cache(shipped.prompts)
    models = (*shipped.models.values(), shipped.reward_model)
    before = fingerprint(*models)
    yield shipped
    assert fingerprint(*models) == before, "a test has changed a model that others read"


@pytest.fixture(scope="module")
def chromium():
    """A browser, where a test asks for one."""
    from lab import browser

    with browser() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab as `minirlhf lessons` starts it, in a folder of its own."""
    from lab import running_lab

    with running_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def reader(chromium, lab):
    """Somebody at the screen, who sees at the end that nothing left the machine and no script failed."""
    from lab import Reader

    reader = Reader(chromium, lab)
    yield reader
    reader.page.close()
    assert not reader.strangers
    assert not reader.errors


def pytest_collection_modifyitems(items):
    """What takes longest comes first, so that no worker sits idle while another ends with it."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Hardly anything is garbage meanwhile, and to look for it takes a third of the time. What is there then stays: it
    is looked through no more, nor copied where a process forks and looks for garbage."""
    gc.disable()
    collected = yield
    gc.freeze()
    gc.enable()
    return collected


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
    """What was skipped, wherever it ran: a worker reports to the process that started it, and only that one counts."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return reporter.stats.get("skipped", []) if reporter else []
