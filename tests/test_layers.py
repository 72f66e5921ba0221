"""The house keeps its shape: imports never point up, stages do not know each other, nothing is pickled."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import minirlhf

PACKAGE = Path(minirlhf.__file__).parent
MODULES = {
    ".".join(("minirlhf", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

# From the ground up. A name stands for a module, or for a folder with everything in it.
LAYERS = (
    ("ops", "intervals", "jsonl"),
    ("losses", "advantages"),
    ("tokenizer", "model", "data", "worlds", "paths", "runtime"),
    ("rollout", "training", "ensemble", "additive"),
    ("sft", "reward", "ppo", "classify", "best_of_n", "reinforce", "bandit"),
    ("evaluate", "checkpoint", "metrics", "feedback"),
    ("pipeline", "taste"),
    ("course",),
    ("cli",),
)
STAGES = LAYERS[4]


def layer(module):
    """The number of a module's layer; the package itself, which only fetches what is asked for, has none."""
    inside = module.removeprefix("minirlhf.")
    place = {name: number for number, names in enumerate(LAYERS) for name in names}
    for name in (inside, inside.split(".")[0]):  # a module named on its own may live below its folder
        if name in place:
            return place[name]
    raise AssertionError(f"{module} is in no layer: say in tests/test_layers.py where it belongs")


def imports(module, tree):
    """Every module of the package that this one imports, anywhere in it; `from minirlhf import gae` too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "minirlhf")
        if isinstance(node, ast.ImportFrom):
            is_package = MODULES[module].name == "__init__.py"
            up = module.split(".")[: len(module.split(".")) - node.level + is_package] if node.level else []
            source = ".".join([*up, *([node.module] if node.module else [])])
            if source.split(".")[0] == "minirlhf":
                for alias in node.names:
                    name = minirlhf.HOME_OF.get(alias.name, alias.name) if source == "minirlhf" else alias.name
                    full = f"{source}.{name}"
                    yield full if full in MODULES else source


TREES = {module: ast.parse(path.read_text(encoding="utf-8"), str(path)) for module, path in MODULES.items()}
IMPORTS = {module: {name for name in imports(module, TREES[module]) if name != module} for module in MODULES}
INSIDE = [module for module in MODULES if module != "minirlhf"]


@pytest.mark.parametrize("module", INSIDE)
def test_imports_never_point_up(module):
    for name in IMPORTS[module] - {"minirlhf"}:
        assert name in MODULES, f"{module} imports {name}, which does not exist"
        assert layer(name) <= layer(module), f"{module} (layer {layer(module)}) imports {name} (layer {layer(name)})"


def test_sideways_makes_no_cycle():
    # A package counts as using its modules only where its __init__ says so, and the reverse does not count.
    TopologicalSorter({module: IMPORTS[module] - {"minirlhf"} for module in INSIDE}).prepare()


def test_the_package_itself_imports_nothing_of_its_own():
    assert not IMPORTS["minirlhf"]


@pytest.mark.parametrize("stage", [module for module in INSIDE if module.split(".")[1] in STAGES])
def test_stages_do_not_know_each_other(stage):
    others = {f"minirlhf.{name}" for name in STAGES} - {stage}
    assert not IMPORTS[stage] & others


def test_no_file_is_named_after_nothing():
    assert not [module for module in MODULES if module.split(".")[-1] in ("utils", "util", "helpers", "base", "core")]


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_pickled(module):
    """A pickle runs code when it is opened; weights are safetensors and everything else is JSON."""
    for node in ast.walk(TREES[module]):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.split(".")[0] not in {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve"}
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert f"{node.value.id}.{node.attr}" not in {"torch.load", "torch.save"}, f"line {node.lineno}"
        if isinstance(node, ast.keyword):
            assert node.arg != "allow_pickle"


@pytest.mark.parametrize("module", MODULES)
def test_a_mask_says_what_counts(module):
    """`padding_mask` is banned: a mask is True where a token counts."""
    for node in ast.walk(TREES[module]):
        names = (getattr(node, field, None) for field in ("id", "attr", "arg", "name"))
        assert "padding_mask" not in names, f"line {getattr(node, 'lineno', '?')}"
