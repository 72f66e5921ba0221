"""The three lists of dependencies agree, importing costs nothing, and the repository names no machine."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import minirlhf

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NEEDED = [Requirement(line) for line in PROJECT["dependencies"]]
NEEDED_BY_TESTS = [Requirement(line) for line in PROJECT["optional-dependencies"]["test"]]


def constraints():
    """constraints.txt as {name: version}, refusing any line that is not exactly name==version."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    pins = [re.fullmatch(r"([a-z0-9-]+)==([0-9][0-9a-z.]*)", line) for line in lines]
    assert all(pins), [line for line, pin in zip(lines, pins, strict=True) if not pin]
    assert len({pin[1] for pin in pins}) == len(pins), "a package is pinned twice"
    return {pin[1]: pin[2] for pin in pins}


def test_every_direct_dependency_is_pinned_to_a_version_that_pyproject_allows():
    pins = constraints()
    pinned = {requirement: pins.get(canonicalize_name(requirement.name)) for requirement in NEEDED + NEEDED_BY_TESTS}
    assert not [f"{name} is not pinned" for name, pin in pinned.items() if pin is None]
    assert not [f"{name} does not allow {pin}" for name, pin in pinned.items() if not name.specifier.contains(pin)]


def test_what_runs_these_tests_is_what_is_pinned():
    names = [canonicalize_name(requirement.name) for requirement in NEEDED + NEEDED_BY_TESTS]
    installed = {name: Version(importlib.metadata.version(name)).public for name in names}
    assert installed == {name: pin for name, pin in constraints().items() if name in installed}


def test_conda_gets_the_same_pytorch_and_leaves_the_rest_to_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    names = dict(re.fullmatch(r"([a-z]+)=?(.*)", line).groups() for line in conda)
    assert set(names) == {"python", "pip", "pytorch"}
    assert names["pytorch"] == f"{constraints()['torch']}=cpu*"
    assert f">={names['python']}" == PROJECT["requires-python"], "conda tests the oldest Python we promise"
    assert pip == {"pip": ["-c constraints.txt", "-e .[real]"]}


def test_the_version_stands_in_one_place():
    assert importlib.metadata.version("minirlhf") == minirlhf.__version__


def test_importing_minirlhf_loads_nothing_else():
    """Counted in a fresh process, because this one has everything loaded already."""
    code = "import sys; before = set(sys.modules); import minirlhf; print(*set(sys.modules) - before)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    outside = [name for name in loaded if name.split(".")[0] not in sys.stdlib_module_names]
    assert outside == ["minirlhf"]


def test_no_public_name_hides_a_module():
    assert not set(minirlhf.HOME_OF) & {path.stem for path in (ROOT / "minirlhf").iterdir()}
    names = [name for names in minirlhf.PUBLIC.values() for name in names.split()]
    assert len(names) == len(set(names)), "a name stands twice in the table"


def test_every_public_name_can_be_imported():
    assert not [name for name in minirlhf.__all__ if not hasattr(minirlhf, name)]
    assert set(minirlhf.__all__) <= set(dir(minirlhf))


def test_a_renamed_name_is_still_found_under_the_old_one():
    """Lessons that somebody has changed keep the names of the day they were copied."""
    assert not [old for old, new in minirlhf.RENAMED.items() if getattr(minirlhf, old) is not getattr(minirlhf, new)]


def test_a_wrong_name_is_an_attribute_error_that_helps():
    with pytest.raises(AttributeError, match=r"dir\(minirlhf\)"):
        minirlhf.gea  # noqa: B018


def tracked_files():
    """Every file that git has, or would have after `git add`."""
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, text=True)
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_the_repository_names_no_registry_and_no_machine():
    # Put together here, so that this file does not name them either.
    hosts = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("download", "pytorch", "org"))]
    hosts += [".".join(parts) for parts in (("anaconda", "org"), ("npmjs", "org"), ("debian", "org"))]
    paths = [f"/{folder}/" for folder in ("home", "Users", "root", "work", "opt")]
    # The Littlest JupyterHub is in one place on every machine that has it: notebooks/teaching/hub.md.
    unwanted = re.compile("|".join([*map(re.escape, hosts), *(rf"(?<![\w.}}*)]){path}(?!tljh/)\w" for path in paths)]))
    found = []
    for path in tracked_files():
        content = path.read_bytes()
        if b"\0" not in content[:4096]:
            match = unwanted.search(content.decode("utf-8", "replace"))
            found += [f"{path.relative_to(ROOT)}: {match[0]}"] if match else []
    assert not found


def test_no_lock_file_is_tracked():
    """A lock file names the registry it was made from."""
    assert not [path for path in tracked_files() if path.suffix == ".lock" or path.name == "package-lock.json"]
