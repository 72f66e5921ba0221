"""A digest changes with all that a measurement rests on, and with nothing else."""

import shutil

import pytest

from minirlhf.course.experiments.bands import experiments
from minirlhf.course.experiments.digest import NOT_READ, digests
from minirlhf.course.imports import import_graph, needed_by, package_modules
from minirlhf.paths import REPOSITORY

FILES = {
    "minirlhf/__init__.py": '"""A table of names."""\n',
    "minirlhf/ops.py": 'def twice(x):\n    """Two times."""\n    return 2 * x  # not x + 2\n',
    "minirlhf/losses.py": "from minirlhf.ops import twice\n\nloss = twice(3)\n",
    "minirlhf/moods.py": "import minirlhf.ops\n",
    "minirlhf/worlds/__init__.py": "size = 3\n",
    "minirlhf/worlds/plain.py": "def tell():\n    from minirlhf.losses import loss\n\n    return loss\n",
    "data/texts.jsonl": '{"text": "once"}\n',
    "data/checkpoints/base/model.safetensors": "weights",
    "data/recorded/bands.json": "{}",
    "data/README.md": "What is here.",
    "constraints.txt": "# pinned\ntorch==2.13.0\n",
}
WORLD, LOSSES, MOODS = "minirlhf.worlds.plain", "minirlhf.losses", "minirlhf.moods"


@pytest.fixture
def house(tmp_path):
    """A small package with data and pins: worlds.plain imports losses, which imports ops."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def changed(house, name, text):
    """The modules whose digest is another when a file holds this text instead."""
    before = digests([WORLD, LOSSES, MOODS], house)
    (house / name).write_text(text)
    after = digests([WORLD, LOSSES, MOODS], house)
    return {module for module in before if before[module] != after[module]}


@pytest.mark.parametrize(
    ("name", "text", "those"),
    [
        ("minirlhf/ops.py", "def twice(x):\n    return x + 2\n", {WORLD, LOSSES, MOODS}),
        ("minirlhf/losses.py", "from minirlhf.ops import twice\n\nloss = twice(4)\n", {WORLD, LOSSES}),
        ("minirlhf/worlds/__init__.py", "size = 4\n", {WORLD}),
        ("minirlhf/moods.py", "import minirlhf.ops\n\nmood = 'kind'\n", {MOODS}),
        ("data/texts.jsonl", '{"text": "twice"}\n', {WORLD, LOSSES, MOODS}),
        ("data/more.jsonl", '{"text": "once"}\n', {WORLD, LOSSES, MOODS}),
        ("data/checkpoints/base/model.safetensors", "other weights", {WORLD, LOSSES, MOODS}),
        ("constraints.txt", "# pinned\ntorch==2.13.1\n", {WORLD, LOSSES, MOODS}),
        ("constraints.txt", "torch==2.13.0\npyarrow==25.0.0\n", {WORLD, LOSSES, MOODS}),  # which datasets brings
    ],
)
def test_it_changes_with_what_is_imported_however_far_off_with_data_and_with_pins(house, name, text, those):
    assert changed(house, name, text) == those


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("minirlhf/ops.py", 'def twice(x):\n    """Double."""\n\n    # as it should be\n    return (2 * x)\n'),
        ("minirlhf/ops.py", "def twice(x):\n    return 2 * x\n"),
        ("minirlhf/__init__.py", '"""Another table."""\nnames = 1\n'),
        ("minirlhf/tokenizer.py", "unknown = 1\n"),
        ("data/recorded/bands.json", '{"rows": []}'),
        ("data/README.md", "What is there."),
        ("constraints.txt", "# the pins\n\ntorch==2.13.0\n"),
        ("constraints.txt", "torch==2.13.0\n# the tests'\npytest==9.2.0\nplaywright==1.65.2\n"),
    ],
)
def test_it_does_not_change_with_words_nor_with_what_nobody_reads(house, name, text):
    assert not changed(house, name, text)


def test_a_text_that_is_no_docstring_counts(house):
    (house / "minirlhf/ops.py").write_text('def name():\n    return "kind"\n')
    assert changed(house, "minirlhf/ops.py", 'def name():\n    return "kinder"\n') == {WORLD, LOSSES, MOODS}


def test_a_digest_is_that_of_the_files_not_of_the_place_or_the_day(house, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(house, elsewhere)
    assert digests([WORLD], house) == digests([WORLD], elsewhere)


def test_no_experiment_reads_what_a_digest_does_not_see():
    """Runs on record are measured themselves; an experiment that read them would not notice when they change."""
    graph = import_graph(package_modules())
    readers = {module for module, imported in graph.items() if "minirlhf.course.recorded" in imported}
    for experiment in experiments().values():
        assert not needed_by(experiment.module, graph) & (readers | {"minirlhf.course.recorded"}), experiment.module
    assert {path.name for path in (REPOSITORY / "data").iterdir()} >= set(NOT_READ)
