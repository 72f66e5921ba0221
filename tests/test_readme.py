"""The tree that README and package show is the tree that is there, in an order in which it can be read."""

import re
from pathlib import Path

from test_layers import IMPORTS

import minirlhf

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINE = re.compile(r"^ *([a-z_]+/?) {2,}(\S.*)$", re.M)


def section(title):
    """What stands below a heading of the README."""
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", README, re.M | re.S)
    return found


def rooms():
    """The flat modules, and the folders with a slash."""
    found = [path for path in (ROOT / "minirlhf").iterdir() if not path.name.startswith("_")]
    return {f"{path.name}/" if path.is_dir() else path.stem for path in found if path.is_dir() or path.suffix == ".py"}


def test_readme_and_package_show_one_tree_and_it_is_there():
    tree = LINE.findall(minirlhf.__doc__)
    assert LINE.findall(section("Reading the code")) == tree
    assert sorted(name for name, _ in tree) == sorted(rooms())


def test_each_file_needs_only_those_above_it():
    order = [name.rstrip("/") for name, _ in LINE.findall(minirlhf.__doc__)]
    for module, imported in IMPORTS.items():
        for name in imported - {"minirlhf"}:
            reader, read = module.split(".")[1], name.split(".")[1]
            if reader == "__main__":  # the door, and no room
                continue
            assert order.index(read) <= order.index(reader), f"{module} needs {name}, which is named below it"


def test_how_to_read_comes_before_the_list_of_commands():
    titles = re.findall(r"^## (.+)$", README, re.M)
    assert titles.index("The lessons") < titles.index("Reading the code") < titles.index("The other commands")


def test_every_command_that_is_named_can_be_made():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(" ".join(re.findall(r"^([a-z][a-z -]*):", makefile, re.M)).split())
    pages = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\bmake ([a-z-]+)(?=`| {2,}| *$)", pages, re.M)) <= targets


def test_the_page_for_contributors_is_short():
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) <= 60
