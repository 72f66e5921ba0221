"""A model in a folder: weights, config, tokenizer, and what a run needs to go on. Safetensors and JSON, no pickle.

A folder is written beside its place and then moved there, so an interrupted save never leaves half a checkpoint.
"""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from minirlhf.additive import AdditiveReward
from minirlhf.model import GPT, CausalLM, GPTConfig, RewardModel, ValueModel
from minirlhf.tokenizer import Tokenizer
from minirlhf.training import TrainState, new_state

FORMAT = 1
KINDS = {"causal_lm": CausalLM, "value_model": ValueModel, "reward_model": RewardModel}
Model = CausalLM | ValueModel | RewardModel | AdditiveReward


def save(folder: Path, model: Model, tokenizer: Tokenizer, state: TrainState | None = None) -> None:
    """Write a checkpoint, in the place of an older one if there is one."""
    if folder.exists() and any(folder.iterdir()) and not (folder / "config.json").exists():
        raise FileExistsError(
            f"{folder}: holds something that is not a checkpoint; name another folder. Nothing was written."
        )
    fresh, older = (folder.with_name(folder.name + ending) for ending in (".writing", ".older"))
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    safetensors.torch.save_model(model, str(fresh / "weights.safetensors"))
    (fresh / "config.json").write_text(
        json.dumps(_describe(model), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    tokenizer.save(fresh / "tokenizer.json")
    if state is not None:
        _save_state(fresh, state)
    if folder.exists():  # at every moment one whole checkpoint stands under one of the two names
        shutil.rmtree(older, ignore_errors=True)
        folder.rename(older)
    fresh.rename(folder)
    shutil.rmtree(older, ignore_errors=True)


def load(folder: Path) -> tuple[Model, Tokenizer]:
    """Read the model and the tokenizer of a checkpoint; each error says what is wrong with which file."""
    described = _read_config(folder / "config.json")
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    model = _build(folder / "config.json", described, tokenizer)
    if not isinstance(model, AdditiveReward) and model.trunk.config.vocab_size != tokenizer.vocab_size:
        raise ValueError(
            f"{folder}: the model speaks {model.trunk.config.vocab_size} tokens and its tokenizer "
            f"{tokenizer.vocab_size}; they do not belong together. `minirlhf checkpoints` makes both anew."
        )
    _load_weights(model, folder / "weights.safetensors")
    return model, tokenizer


def load_policy(folder: Path) -> tuple[CausalLM, Tokenizer]:
    """Read a checkpoint that must be a language model."""
    model, tokenizer = load(folder)
    if not isinstance(model, CausalLM):
        raise ValueError(f"{folder}: holds a {type(model).__name__}, and a CausalLM is needed here.")
    return model, tokenizer


def load_state(folder: Path, **models: nn.Module) -> TrainState:
    """Read where a run stood, with optimisers for the models as they are now (load those first)."""
    path = folder / "state.json"
    if not path.exists():
        raise FileNotFoundError(f"{path}: this checkpoint was saved without a state, so a run cannot go on from it.")
    saved = _read_json(path)
    tensors = _read_tensors(folder / "state.safetensors")
    state = new_state(0, **models)
    if set(saved["optimizers"]) != set(models):
        raise ValueError(f"{path}: holds optimisers for {saved['optimizers']}, and {sorted(models)} were given.")
    state.step, state.numbers = saved["step"], saved["numbers"]
    state.generator.set_state(tensors["generator"])
    for name, optimizer in state.optimizers.items():
        described = optimizer.state_dict()
        for key, tensor in tensors.items():
            owner, _, rest = key.partition("/")
            if owner == name:
                parameter, _, what = rest.partition("/")
                described["state"].setdefault(int(parameter), {})[what] = tensor
        optimizer.load_state_dict(described)
    return state


def fingerprint(model: nn.Module) -> str:
    """Eight characters that tell one set of weights from another: what a vote remembers a model by."""
    digest = hashlib.sha256()
    for name, weights in sorted(model.state_dict().items()):
        digest.update(name.encode() + weights.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:8]


def _describe(model: Model) -> dict:
    if isinstance(model, AdditiveReward):
        return {"format": FORMAT, "kind": "additive_reward", "words": model.words, "count_length": model.count_length}
    kind = next(name for name, cls in KINDS.items() if isinstance(model, cls))
    return {"format": FORMAT, "kind": kind, "config": asdict(model.trunk.config)}


def _read_config(path: Path) -> dict:
    if not path.exists():
        raise FileNotFoundError(
            f"{path.parent}: no checkpoint here (config.json is missing). `minirlhf checkpoints` makes them."
        )
    described = _read_json(path)
    if not isinstance(described, dict) or "kind" not in described or "format" not in described:
        raise ValueError(f"{path}: written by another program; minirlhf's say 'format' and 'kind'.")
    if described["format"] > FORMAT:
        raise ValueError(f"{path}: written by a newer minirlhf (format {described['format']}); update this one.")
    return described


def _build(path: Path, described: dict, tokenizer: Tokenizer) -> Model:
    kind = described["kind"]
    try:
        if kind == "additive_reward":
            return AdditiveReward(described["words"], tokenizer, described["count_length"])
        if kind in KINDS:
            # Checkpoints from before the config held it: the tokenizer beside them knows.
            return KINDS[kind](GPT(GPTConfig(**{"eos_id": tokenizer.eos_id} | described["config"])))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: does not describe a model ({type(error).__name__}: {error}). "
            "Make the checkpoint anew, or copy it again."
        ) from None
    raise ValueError(f"{path}: '{kind}' is no kind of model that this version knows.")


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: damaged ({error}). Make the checkpoint anew, or copy it again.") from None


def _load_weights(model: nn.Module, path: Path) -> None:
    tensors = _read_tensors(path)
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if wanted != found:
        odd = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise ValueError(
            f"{path}: these weights are for another model; they differ in {len(odd)} tensors, first in '{odd[0]}' "
            f"(here {found.get(odd[0], 'missing')}, wanted {wanted.get(odd[0], 'nothing')}). Nothing was loaded."
        )
    model.load_state_dict(tensors)


def _read_tensors(path: Path) -> dict[str, torch.Tensor]:
    if not path.exists():
        raise FileNotFoundError(f"{path}: missing, so the checkpoint is not whole. Copy it again or make it anew.")
    try:
        return safetensors.torch.load_file(str(path))
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path}: damaged or cut short ({error}). Copy it again or make it anew.") from None


def _save_state(folder: Path, state: TrainState) -> None:
    tensors = {"generator": state.generator.get_state()}
    for name, optimizer in state.optimizers.items():
        for parameter, values in optimizer.state_dict()["state"].items():
            tensors |= {f"{name}/{parameter}/{what}": value.contiguous() for what, value in values.items()}
    safetensors.torch.save_file(tensors, str(folder / "state.safetensors"))
    saved = {"step": state.step, "numbers": state.numbers, "optimizers": sorted(state.optimizers)}
    (folder / "state.json").write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
