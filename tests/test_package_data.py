"""What is no Python goes along when the package is built: each such file is named in pyproject, and nothing else is."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_file_that_is_no_python_is_carried():
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    # data/ and notebooks/ travel as parts of the package without lying in it: tests/test_wheel.py
    named = {package: patterns for package, patterns in named.items() if not package.startswith("minirlhf.shipped.")}
    carried = {
        path
        for package, patterns in named.items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    assert all(list((ROOT / package.replace(".", "/")).glob(p)) for package in named for p in named[package])
    found = {path for path in (ROOT / "minirlhf").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {path for path in found if path.suffix != ".py"} == carried
    assert ROOT / "minirlhf" / "py.typed" in carried  # so that type checkers believe the annotations
