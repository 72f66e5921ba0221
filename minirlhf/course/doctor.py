"""Is this installation fit for the lessons? `doctor()` looks, and says what to do about each problem.

Every check really does the thing: it writes the file, opens the checkpoint, trains the step. None uses the
network, because nothing in minirlhf does once it is installed.
"""

import importlib.metadata
import json
import os
import shutil
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from minirlhf import paths
from minirlhf.machine.runtime import WAITING, thread_count, usable_cpus, wait_policy

INSTALL = 'run `make lessons`, or `pip install -e ".[real]" -c constraints.txt` where there is no make'
LISTED = ("torch", "datasets", "tokenizers", "safetensors", "sqlalchemy", "matplotlib", "jupyterlab", "ipykernel")
WIDGETS = ("ipywidgets", "jupyterlab_widgets", "anywidget")
# What data/ ships for the lessons, by name, so that the doctor can say which is missing.
TEXTS = ("base", "comparisons_held_out", "comparisons_train", "demonstrations_held_out", "demonstrations_train")
TEXTS += ("kitchen", "moods_held_out", "moods_train", "prompts_held_out", "prompts_train")
RECORDED = (
    "bands",
    "by_answers",
    "checked",
    "dpo_steps",
    "equal_budgets",
    "leash",
    "lora_rates",
    "over_optimisation",
    "remedies",
    "ward",
)
RECORDED += ("reward_accuracy_by_votes", "reward_sees_remedy", "sft_steps", "ten_tastes", "wrong_labels")
MODELS = ("base", "reward_model", "rlhf", "sft")
SHIPPED = {
    "texts": tuple(f"{name}.jsonl" for name in TEXTS),
    "checkpoints": tuple(f"checkpoints/{name}/weights.safetensors" for name in MODELS),
    "settings of models": tuple(
        f"checkpoints/{name}/{file}.json" for name in MODELS for file in ("config", "tokenizer")
    ),
    "recorded runs": tuple(f"recorded/{name}.json" for name in RECORDED),
    "pictures": tuple(f"sprites/{name}/0001.png" for name in ("train/cat", "held_out/cat", "later/plane")),
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was found, whether it is fit, and, where it is not, what to do."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


def doctor() -> None:
    """Look at this installation and print what is fit, what is not, and what to do about it."""
    report(findings())


def report(findings: Iterable[Finding]) -> bool:
    """Print findings as they come, one row each, a remedy below what needs one; True if nothing does."""
    problems = 0
    for finding in findings:
        print(f"  {'ok ' if finding.ok else 'NOT'}  {finding.name:<20} {finding.found}", flush=True)
        if not finding.ok:
            problems += 1
            print(f"       {'':<20} -> {finding.remedy}", flush=True)
    print("All is well." if not problems else f"To mend: {problems}. Each arrow above says how.")
    return not problems


def findings() -> Iterator[Finding]:
    """Everything that is looked at, one finding at a time; a check that breaks is itself a finding."""
    for check in (python, packages, widgets, kernel, threads, load, folders, votes, data, training_step, disk):
        try:
            yield from check()
        except Exception as error:
            name, found = check.__name__.replace("_", " "), f"{type(error).__name__}: {error}"
            yield Finding(name, False, found, f"{INSTALL}; then ask doctor again")


def python() -> Iterator[Finding]:
    """Python itself."""
    fit = sys.version_info >= (3, 11)
    found = f"{sys.version.split()[0]} at {sys.prefix}"
    yield Finding("Python", fit, found, "install Python 3.11 or newer and set up .venv with it")


def packages() -> Iterator[Finding]:
    """Whether each package that is worth naming is there, and which pairs do not work together."""
    versions = {name: _version(name) for name in (*LISTED, *WIDGETS)}
    for name, version in versions.items():
        yield Finding(name, version is not None, version or "not installed", INSTALL)
    yield from bad_pairs({name: _release(version) for name, version in versions.items() if version})


def bad_pairs(releases: dict[str, tuple[int, ...]]) -> Iterator[Finding]:
    """Versions that are each fine, but are known to fail beside each other."""
    none: tuple[int, ...] = ()
    lab, widgets, lab_widgets, kernel = (
        releases.get(name, none) for name in ("jupyterlab", "ipywidgets", "jupyterlab_widgets", "ipykernel")
    )
    # ipywidgets 7 speaks with jupyterlab_widgets 1, and 8 with 3; other pairs show "Error displaying widget".
    if widgets and lab_widgets and widgets[0] - lab_widgets[0] != (6 if widgets[0] < 8 else 5):
        found = f"ipywidgets {widgets[0]} beside jupyterlab_widgets {lab_widgets[0]}"
        yield Finding("widget pair", False, found, "pip install 'ipywidgets>=8.1' 'jupyterlab_widgets>=3'")
    if lab and lab[0] < 4:
        yield Finding("anywidget's home", False, f"JupyterLab {lab[0]}", "pip install 'jupyterlab>=4.4'")
    if (7,) <= kernel < (7, 4):  # a click in its second thread may leave it deaf: ipykernel issue 1554
        found = f"ipykernel {'.'.join(map(str, kernel))}: may stop answering while widgets are clicked"
        yield Finding("kernel", False, found, "pip install 'ipykernel>=7.4'")
    if kernel == (6, 30, 0):
        yield Finding("kernel pair", False, "ipykernel 6.30.0: JupyterLab refuses it", INSTALL)


def widgets() -> Iterator[Finding]:
    """Whether JupyterLab finds the browser's half of the widgets, which must be in the same environment."""
    folder = Path(sysconfig.get_path("data"), "share", "jupyter", "labextensions")
    for name in ("@jupyter-widgets/jupyterlab-manager", "anywidget"):
        described = folder / name / "package.json"
        found = json.loads(described.read_text())["version"] if described.exists() else f"not in {folder}"
        remedy = f"{INSTALL}, in the environment that JupyterLab runs from; then start JupyterLab again"
        yield Finding(f"{name.split('/')[-1]} in Lab", described.exists(), found, remedy)


def kernel() -> Iterator[Finding]:
    """Whether a notebook's kernel is this Python, and not another one that happens to be registered."""
    from jupyter_client.kernelspec import KernelSpecManager

    program = KernelSpecManager().get_kernel_spec("python3").argv[0]
    here = program in ("python", "python3") or Path(program).absolute() == Path(sys.executable).absolute()
    remedy = f"`{sys.executable} -m ipykernel install --sys-prefix` makes it this Python"
    yield Finding("notebook kernel", here, "this Python" if here else program, remedy)


def threads() -> Iterator[Finding]:
    """Whether torch starts more threads than there are cores for them, and whether they sleep while they wait.

    Either can make a training ten times slower: the first always, the second beside another training.
    """
    import torch

    cpus, used = usable_cpus(), torch.get_num_threads()
    remedy = f"set the environment variable OMP_NUM_THREADS to {thread_count()} and start again"
    yield Finding("threads", used <= max(1, round(cpus)), f"{used}, on {cpus:g} cores", remedy)
    sleep = os.environ.get(WAITING, "").upper() == "PASSIVE"
    found = f"{'sleep' if sleep else 'spin'} ({WAITING} is {os.environ.get(WAITING) or 'not set'})"
    remedy = f"start JupyterLab with `minirlhf lessons`, or with the environment variable {WAITING}=PASSIVE"
    yield Finding("threads that wait", sleep or wait_policy(cpus, used) is None, found, remedy)


def load() -> Iterator[Finding]:
    """Whether other programs want the cores too; one more than there are is no crowd, for whoever asks works too."""
    if hasattr(os, "getloadavg"):  # Windows has none
        cores, wanted = os.cpu_count() or 1, os.getloadavg()[0]  # of the whole machine, and so are its cores
        remedy = (
            "another lesson is still running: shut down its kernel (in JupyterLab, Kernel > Shut Down Kernel), or wait"
        )
        yield Finding("load", wanted <= cores + 1, f"{wanted:.1f} threads at work, on {cores} cores", remedy)


def folders() -> Iterator[Finding]:
    """Whether the learner's folders can be written to."""
    # Who has only the wheel works where they are.
    home = Path.cwd() if paths.notebooks_folder().is_relative_to(paths.IN_WHEEL) else paths.notebooks_folder().parent
    for name in ("my_lessons", "runs"):
        folder = home / name
        try:
            folder.mkdir(exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder):
                yield Finding(f"folder {name}", True, "can be written to")
        except OSError as error:
            remedy = f"make {folder} yours, or move the whole repository to a folder that is"
            yield Finding(f"folder {name}", False, str(error), remedy)


def votes() -> Iterator[Finding]:
    """Where votes go, if to a database server: whether its driver is installed, and whether it answers."""
    where = os.environ.get(paths.VOTES_ELSEWHERE, "")
    if "://" not in where or where.startswith("sqlite"):
        return
    import sqlalchemy
    from sqlalchemy.exc import SQLAlchemyError

    otherwise = f"or unset {paths.VOTES_ELSEWHERE}: votes then lie in a file"
    try:
        address = sqlalchemy.make_url(where)
        shown = address.render_as_string(hide_password=True)
        with sqlalchemy.create_engine(address, connect_args={"connect_timeout": 5}).connect():
            yield Finding("votes", True, f"{shown} answers")
    except ModuleNotFoundError as missing:
        package = "psycopg[binary]" if missing.name in ("psycopg", "psycopg2") else missing.name
        remedy = f"pip install '{package}' and write postgresql+psycopg://…, {otherwise}"
        yield Finding("votes", False, f"are to go to {where.split('://')[0]}://…; {missing.name} is missing", remedy)
    except SQLAlchemyError as error:
        first, *_ = str(error).splitlines()
        yield Finding("votes", False, f"cannot be kept: {first}", f"start that server, mend its address, {otherwise}")


def data() -> Iterator[Finding]:
    """Whether all that is shipped is there, and can be read."""
    readers = {".jsonl": _read_first_row, ".safetensors": _read_weights, ".json": _read_json, ".png": _read_png}
    commands = {"texts": "data", "checkpoints": "checkpoints", "settings of models": "checkpoints"}
    folder = paths.data_folder()
    for kind, names in SHIPPED.items():
        wrong = []
        for name in names:
            path = folder / name
            try:
                readers[path.suffix](path)
            except FileNotFoundError:
                wrong.append(f"{name} is missing")
            except Exception as error:  # each kind of file has its own errors, and all of them mean the same
                wrong.append(f"{name} cannot be read: {error}")
        rebuilt = f", or rebuild them with `minirlhf {commands[kind]}`" if kind in commands else ""
        remedy = f"bring them back with `git checkout data`{rebuilt}"
        yield Finding(kind, not wrong, "; ".join(wrong) or f"all {len(names)} are there", remedy)


def _read_json(path: Path) -> None:
    if not isinstance(json.loads(path.read_text(encoding="utf-8")), dict):
        raise ValueError("it holds no object")


def _read_png(path: Path) -> None:
    with path.open("rb") as file:
        if not file.read(8).startswith(b"\x89PNG"):
            raise ValueError("it is no picture")


def _read_first_row(path: Path) -> None:
    with path.open(encoding="utf-8") as lines:
        row = json.loads(next(lines, "null"))
    if not isinstance(row, dict):
        raise ValueError("its first line is no row")


def _read_weights(path: Path) -> None:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 - it is no dict
            file.get_tensor(name)


def training_step() -> Iterator[Finding]:
    """Whether torch learns here: thirty steps must halve the loss of a fitted line, well within a second."""
    import torch

    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(256, 64, generator=generator)
    targets = inputs @ torch.randn(64, 1, generator=generator)
    weights = torch.zeros(64, 1, requires_grad=True)
    optimiser = torch.optim.AdamW([weights], lr=0.1)
    losses, started = [], time.perf_counter()
    for _ in range(30):
        loss = (inputs @ weights - targets).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    seconds = time.perf_counter() - started
    found = f"30 steps took {seconds:.2f} s, loss {losses[0]:.1f} to {losses[-1]:.1f}"
    remedy = f"close other programs; if it stays slow, set OMP_NUM_THREADS=1; if the loss rises, {INSTALL}"
    yield Finding("a training step", losses[-1] < losses[0] / 2 and seconds < 5, found, remedy)


def disk() -> Iterator[Finding]:
    """Room for checkpoints, figures and votes."""
    free = shutil.disk_usage(paths.REPOSITORY).free / 1e9
    yield Finding("disk space", free > 0.5, f"{free:.1f} GB free", "free at least half a gigabyte")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _release(version: str) -> tuple[int, ...]:
    """8.1.9 as (8, 1, 9); what is not a number ends it."""
    parts = version.split("+")[0].split(".")
    numbers = [int(part) if part.isdigit() else -1 for part in parts]
    return tuple(numbers[: numbers.index(-1)] if -1 in numbers else numbers)
