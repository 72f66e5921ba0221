"""A model in a folder: weights, config, tokenizer, and what a run needs to go on. Safetensors and JSON, no pickle.

A folder is written beside its place and then moved there, so an interrupted save never leaves half a checkpoint.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import safetensors.torch
import torch
from pydantic import FiniteFloat, NonNegativeInt
from torch import nn

from minirlhf.additive import AdditiveReward
from minirlhf.files.contents import AnyPath, Unreadable, located
from minirlhf.files.messages import listed, printable, shown
from minirlhf.files.saved import AGAIN, Shape, not_saved_here, read_as, read_saved, read_tensors, require_fit
from minirlhf.machine.adam import MASTERS
from minirlhf.machine.digest import tensor_digest
from minirlhf.machine.shares import agreed, process
from minirlhf.model import GPT, CausalLM, GPTConfig, RewardModel, ValueModel
from minirlhf.tokenizer import Tokenizer
from minirlhf.training import TrainState, new_state

FORMAT = 1
KINDS = {"causal_lm": CausalLM, "value_model": ValueModel, "reward_model": RewardModel}
Model = CausalLM | ValueModel | RewardModel | AdditiveReward
FILES = {"config.json", "tokenizer.json", "weights.safetensors", "state.json", "state.safetensors"}


class _Header(Shape):
    format: int
    kind: str


class _Network(Shape):
    config: dict[str, int | None]


class _Words(Shape):
    words: list[str]
    count_length: bool


class _State(Shape):
    step: NonNegativeInt
    numbers: dict[str, FiniteFloat]
    optimizers: list[str]


def save(folder: AnyPath, model: Model, tokenizer: Tokenizer, state: TrainState | None = None) -> None:
    """Write a checkpoint, in the place of an older one if there is one."""
    folder = located(folder)
    if process() == 0 and (foreign := not_saved_here(folder, FILES)):
        raise FileExistsError(
            f"{printable(folder)}: holds something that is not a checkpoint's ({listed(foreign)}); "
            "name another folder. Nothing was written."
        )
    described = json.dumps(_describe(model), indent=1, ensure_ascii=False) + "\n"
    with replaced(folder) as fresh:
        if fresh is None:
            return
        safetensors.torch.save_model(model, str(fresh / "weights.safetensors"))
        (fresh / "config.json").write_text(described, encoding="utf-8")
        tokenizer.save(fresh / "tokenizer.json")
        if state is not None:
            save_state(fresh, state)


@contextmanager
def replaced(folder: Path) -> Iterator[Path | None]:
    """A new folder that takes this one's place once all is written; None on every process but the first, which wait."""
    if process() == 0:
        fresh, older = (folder.with_name(folder.name + ending) for ending in (".writing", ".older"))
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        yield fresh
        if folder.exists():  # at every moment one whole checkpoint stands under one of the two names
            shutil.rmtree(older, ignore_errors=True)
            folder.rename(older)
        fresh.rename(folder)
        shutil.rmtree(older, ignore_errors=True)
    else:
        yield None
    agreed(0.0)  # nobody goes on to read what is not there yet


def load(folder: AnyPath) -> tuple[Model, Tokenizer]:
    """Read the model and the tokenizer of a checkpoint; each error says what is wrong with which file."""
    folder = located(folder)
    described = _read_config(folder / "config.json")
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    path = folder / "weights.safetensors"
    tensors = read_tensors(path)
    with torch.device("meta"):  # nothing is made as large as a config says before the weights say so too
        sketch = _build(folder / "config.json", described, tokenizer, len(tensors))
    if not isinstance(sketch, AdditiveReward) and sketch.trunk.config.vocab_size != tokenizer.vocab_size:
        raise ValueError(
            f"{printable(folder)}: the model speaks {sketch.trunk.config.vocab_size} tokens and its tokenizer "
            f"{tokenizer.vocab_size}; they do not belong together. `minirlhf checkpoints` makes both anew."
        )
    require_fit(path, tensors, {name: tuple(tensor.shape) for name, tensor in sketch.state_dict().items()})
    model = _build(folder / "config.json", described, tokenizer, len(tensors))
    model.load_state_dict(tensors)
    return model, tokenizer


def load_policy(folder: AnyPath) -> tuple[CausalLM, Tokenizer]:
    """Read a checkpoint that must be a language model."""
    model, tokenizer = load(folder)
    if not isinstance(model, CausalLM):
        raise ValueError(
            f"{printable(folder)}: holds a {type(model).__name__}, and a CausalLM is needed here; name another folder."
        )
    return model, tokenizer


def load_state(folder: AnyPath, **models: nn.Module) -> TrainState:
    """Read where a run stood, with optimisers for the models as they are now (load those first)."""
    folder = located(folder)
    path, tensors_path = folder / "state.json", folder / "state.safetensors"
    if not path.is_file():
        raise FileNotFoundError(
            f"{printable(path)}: this checkpoint was saved without a state, so a run cannot go on from it; start anew."
        )
    saved = read_as(path, read_saved(path), _State)
    tensors = read_tensors(tensors_path)
    state = new_state(0, **models)
    if set(saved.optimizers) != set(models):
        raise ValueError(
            f"{printable(path)}: holds optimisers for {shown(sorted(saved.optimizers))}, and {sorted(models)} were "
            "given; give the models that were trained, under the names that they had."
        )
    wanted = {"generator": tuple(state.generator.get_state().shape)}
    for name, optimizer in state.optimizers.items():
        for n, parameter in enumerate(p for group in optimizer.param_groups for p in group["params"]):
            if any(key.startswith(f"{name}/{n}/") for key in tensors):  # what never had a gradient has no moments
                shapes = {"step": (), "exp_avg": tuple(parameter.shape), "exp_avg_sq": tuple(parameter.shape)}
                wanted |= {f"{name}/{n}/{what}": shape for what, shape in shapes.items()}
        if optimizer in MASTERS:
            wanted |= {f"{name}/{n}/master": tuple(master.shape) for n, (_, master) in enumerate(MASTERS[optimizer])}
    for name, model in models.items():
        if any(key.startswith(f"kept/{name}/") for key in tensors):
            frozen = {key for key, weights in model.named_parameters() if not weights.requires_grad}
            own = {key: tensor for key, tensor in model.state_dict().items() if key not in frozen}
            wanted |= {f"kept/{name}/{key}": tuple(tensor.shape) for key, tensor in own.items()}
    require_fit(tensors_path, tensors, wanted, whole=("generator",))
    for key in [key for key in tensors if key.startswith("kept/")]:
        _, name, weights = key.split("/")
        state.kept.setdefault(name, {})[weights] = tensors.pop(key)
    state.step, state.numbers = saved.step, dict(saved.numbers)
    try:
        state.generator.set_state(tensors.pop("generator"))
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"{printable(tensors_path)}: no generator can go on from it ({error}). {AGAIN}") from None
    for name, optimizer in state.optimizers.items():
        for n, (_, master) in enumerate(MASTERS.get(optimizer, ())):
            master.data.copy_(tensors.pop(f"{name}/{n}/master"))
        described = optimizer.state_dict()
        for key, tensor in tensors.items():
            owner, parameter, what = key.split("/")
            if owner == name:
                described["state"].setdefault(int(parameter), {})[what] = tensor
        optimizer.load_state_dict(described)
    return state


def fingerprint(model: nn.Module) -> str:
    """Eight characters that tell one set of weights from another: what a vote remembers a model by."""
    return tensor_digest(sorted(model.state_dict().items(), key=lambda named: named[0])).hex()[:8]


def _describe(model: Model) -> dict:
    if isinstance(model, AdditiveReward):
        return {"format": FORMAT, "kind": "additive_reward", "words": model.words, "count_length": model.count_length}
    kind, trunk = next(name for name, cls in KINDS.items() if isinstance(model, cls)), model.trunk
    if not isinstance(trunk, GPT):
        raise ValueError("This is a pretrained model, whose base is not copied: `minirlhf.real.save` writes it.")
    with torch.device("meta"):
        plain = KINDS[kind](GPT(trunk.config)).state_dict()
    if plain.keys() != model.state_dict().keys():
        raise ValueError(
            "This model has more layers than a GPT, such as LoRA's; `minirlhf.real.merged` makes one of it that can be "
            "saved. Nothing was written."
        )
    return {"format": FORMAT, "kind": kind, "config": asdict(trunk.config)}


def _read_config(path: Path) -> dict:
    if (path.parent / "minirlhf.json").is_file():
        raise ValueError(f"{printable(path.parent)}: belongs to a pretrained model; `minirlhf.real.load` opens it.")
    if not path.is_file():
        raise FileNotFoundError(
            f"{printable(path.parent)}: no checkpoint here (config.json is missing). `minirlhf checkpoints` makes them."
        )
    described = read_saved(path)
    if not isinstance(described, dict) or "kind" not in described or "format" not in described:
        raise ValueError(
            f"{printable(path)}: written by another program, for minirlhf's say 'format' and 'kind'; "
            "name a folder that `checkpoint.save` wrote, or open a model of transformers by `real.load_pretrained`."
        )
    if (found := read_as(path, described, _Header).format) > FORMAT:
        raise ValueError(f"{printable(path)}: written by a newer minirlhf (format {shown(found)}); update this one.")
    return described


def _build(path: Path, described: dict, tokenizer: Tokenizer, tensors: int) -> Model:
    """The model that a config describes, with fresh weights; as many tensors as there are is the most that it has."""
    kind = described["kind"]
    if kind == "additive_reward":
        saved = read_as(path, described, _Words)
        return AdditiveReward(saved.words, tokenizer, saved.count_length)
    if kind not in KINDS:
        raise ValueError(f"{printable(path)}: {shown(kind)} is no kind of model that this version knows; update it.")
    try:
        # Checkpoints from before the config held it: the tokenizer beside them knows.
        sizes: dict = {"eos_id": tokenizer.eos_id} | read_as(path, described, _Network).config
        config = GPTConfig(**sizes)
        if config.layers > tensors:
            raise ValueError(f"layers: {shown(config.layers)}, and there are weights for fewer")
        return KINDS[kind](GPT(config))
    except Unreadable:
        raise
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(f"{printable(path)}: does not describe a model ({shown(str(error), 200)}). {AGAIN}") from None


def save_state(folder: Path, state: TrainState) -> None:
    tensors = {"generator": state.generator.get_state()}
    for name, optimizer in state.optimizers.items():
        for parameter, values in optimizer.state_dict()["state"].items():
            tensors |= {f"{name}/{parameter}/{what}": value.contiguous() for what, value in values.items()}
        tensors |= {f"{name}/{n}/master": x.detach().clone() for n, (_, x) in enumerate(MASTERS.get(optimizer, ()))}
    for name, weights in state.kept.items():
        tensors |= {f"kept/{name}/{key}": tensor.contiguous() for key, tensor in weights.items()}
    safetensors.torch.save_file(tensors, str(folder / "state.safetensors"))
    saved = {"step": state.step, "numbers": state.numbers, "optimizers": sorted(state.optimizers)}
    (folder / "state.json").write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
