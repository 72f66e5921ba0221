"""The house keeps its shape: imports never point up, stages do not know each other, the subject stays small."""

import ast
from graphlib import TopologicalSorter

from minirlhf.course.imports import PACKAGE, import_graph, needed_by, package_modules, syntax_tree

# From the ground up. A name stands for a module, or for a folder with everything in it.
LAYERS = (
    ("ops", "intervals", "jsonl", "files"),
    ("losses", "advantages", "groups"),
    ("tokenizer", "model", "data", "worlds", "paths", "machine"),
    ("rollout", "training", "ensemble", "additive"),
    ("sft", "reward", "ppo", "dpo", "kto", "grpo", "classify", "best_of_n", "reinforce", "bandit"),
    ("evaluate", "verifiers", "checkpoint", "real", "metrics", "feedback"),
    ("recipes",),
    ("classroom",),
    ("course", "__main__"),
)
STAGES = {f"minirlhf.{name}" for name in LAYERS[4]}
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}

MOST_LINES_OF_THE_SUBJECT = 4_000
MOST_LINES_OF_SFT_REWARD_MODEL_AND_PPO = 1_500
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "base", "core"}
PICKLES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve"}

MODULES = package_modules()
IMPORTS = import_graph(MODULES)
INSIDE = [module for module in MODULES if module != "minirlhf"]


def top(module):
    """The module or folder at the top of the package in which a module lies."""
    return module.split(".")[1]


def nodes():
    """Every node of every module's syntax tree, and where it stands."""
    for module, path in MODULES.items():
        for node in ast.walk(syntax_tree(path)):
            yield f"{module}, line {getattr(node, 'lineno', '?')}", node


def lines(modules):
    """Lines as `wc -l` counts them: code, comments, docstrings and blank lines alike, for a reader scrolls by all."""
    return sum(MODULES[module].read_text(encoding="utf-8").count("\n") for module in modules)


def test_every_module_is_in_a_layer():
    assert {top(module) for module in INSIDE} == LAYER.keys()


def test_what_is_imported_exists():
    assert not {f"{module} imports {name}" for module in INSIDE for name in IMPORTS[module] - MODULES.keys()}


def test_imports_never_point_up():
    assert not [
        f"{module} (layer {LAYER[top(module)]}) imports {name} (layer {LAYER[top(name)]})"
        for module in INSIDE
        for name in sorted(IMPORTS[module] - {"minirlhf"})
        if LAYER[top(name)] > LAYER[top(module)]
    ]


def test_sideways_makes_no_cycle():
    # A package counts as using its modules only where its __init__ says so, and the reverse does not count.
    TopologicalSorter({module: IMPORTS[module] - {"minirlhf"} for module in INSIDE}).prepare()


def test_the_package_itself_imports_nothing_of_its_own():
    assert not IMPORTS["minirlhf"]


def test_stages_do_not_know_each_other():
    assert not {f"{stage} imports {name}" for stage in STAGES for name in IMPORTS[stage] & STAGES}


def test_the_subject_is_small():
    """What lies flat at the top is what these lessons are about; whatever serves something else has a folder."""
    flat = [module for module, path in MODULES.items() if path.parent == PACKAGE]
    assert lines(flat) < MOST_LINES_OF_THE_SUBJECT


def test_sft_reward_model_and_ppo_are_small():
    """The methods' own files as they are; and with all that they import, text and machine included, as code alone.

    But for what other people's files need: no method is easier to read where they are refused.
    """
    needed = set().union(*(needed_by(f"minirlhf.{name}", IMPORTS) for name in ("sft", "reward", "ppo")))
    own = {module for module in needed if top(module) not in ("tokenizer", "files", "jsonl", "data", "machine")}
    counted = {module: (lines([module]), lines_of_code(module)) for module in sorted(needed) if top(module) != "files"}
    assert sum(counted[module][0] for module in own) < MOST_LINES_OF_SFT_REWARD_MODEL_AND_PPO, counted
    assert sum(code for _, code in counted.values()) < MOST_LINES_OF_SFT_REWARD_MODEL_AND_PPO, counted


def lines_of_code(module):
    """Neither blank nor comment nor docstring: nobody is to save on explanations."""
    docstrings = {
        line
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None
        for line in range(node.body[0].lineno, node.body[0].end_lineno + 1)
    }
    source = enumerate(MODULES[module].read_text(encoding="utf-8").splitlines(), start=1)
    return sum(bool(text.strip()) and text.strip()[0] != "#" and n not in docstrings for n, text in source)


TREES = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in MODULES.items()}

# A heart is read whole, in one cell: what it takes and what it says of itself stand above and do not count.
HEARTS = """losses.sft_loss losses.bradley_terry_loss losses.clipped_policy_loss losses.clipped_value_loss
    losses.policy_gradient_loss losses.approval_loss losses.implicit_reward losses.dpo_loss kto.kto_loss
    dpo.train_dpo dpo.dpo_step kto.train_kto grpo.train_grpo grpo.grpo_update groups.group_advantages
    advantages.gae advantages.token_rewards advantages.leave_one_out
    training.optimizer_step rollout.sample rollout.write_responses rollout.collect sft.train_sft reward.train_reward
    ppo.train_ppo ppo.estimate ppo.ppo_update ppo.policy_step ppo.value_step reinforce.train_reinforce
    reinforce.reinforce_update classify.train_classifier bandit.train_bandit additive.fit_additive"""


def test_a_heart_fits_a_cell():
    bodies = {}
    for heart in HEARTS.split():
        module, name = heart.split(".")
        tree = TREES[f"minirlhf.{module}"]
        (node,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name)
        bodies[heart] = node.end_lineno - node.body[1].lineno + 1  # body[0] is the docstring
    assert not {heart: n for heart, n in bodies.items() if n > 25}


def test_no_file_is_named_after_nothing():
    assert not [module for module in MODULES if module.split(".")[-1] in NAMES_THAT_SAY_NOTHING]


def test_nothing_is_pickled():
    """A pickle runs code when it is opened; weights are safetensors and everything else is JSON."""
    found = []
    for place, node in nodes():
        if isinstance(node, ast.Import):
            found += [f"{place}: {alias.name}" for alias in node.names if alias.name.split(".")[0] in PICKLES]
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PICKLES:
            found.append(f"{place}: {node.module}")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            called = f"{node.value.id}.{node.attr}"
            found += [f"{place}: {called}"] if called in {"torch.load", "torch.save"} else []
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            found.append(f"{place}: allow_pickle")
    assert not found


def test_a_mask_says_what_counts():
    """`padding_mask` is banned: a mask is True where a token counts."""
    named = ((place, getattr(node, field, None)) for place, node in nodes() for field in ("id", "attr", "arg", "name"))
    assert not [place for place, name in named if name == "padding_mask"]
