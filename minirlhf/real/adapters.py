"""Adapters in PEFT's files, under PEFT's names: other tools load ours, and theirs load here.

A LoRA that PEFT itself has put into a model (`peft.get_peft_model(policy.trunk.lm, …)`) trains and is saved as well.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import safetensors.torch
import torch
from torch import Tensor, nn

from minirlhf.files.contents import AnyPath, Unreadable, located
from minirlhf.files.messages import printable, shown
from minirlhf.files.saved import AGAIN, read_saved, read_tensors, require_fit
from minirlhf.machine.shares import process
from minirlhf.real.lora import LoRA, adapters, is_linear, linear_weight, output_layer, with_lora

M = TypeVar("M", bound=nn.Module)
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
# What an adapter may ask for and LoRA as it is written here has not; the values that mean no.
LEFT_OUT = (
    "use_dora",
    "rank_pattern",
    "alpha_pattern",
    "modules_to_save",
    "layer_replication",
    "lora_bias",
    "trainable_token_indices",
    "alora_invocation_tokens",
)
PLAIN_STARTS = (None, True, False, "gaussian", "orthogonal")  # others move the base as well


class Adapter(NamedTuple):
    """One layer's two matrices, and what scales their product."""

    down: Tensor  # (r, in)
    up: Tensor  # (out, r)
    scale: float
    transposed: bool  # a Conv1D of GPT-2


def found_adapters(model: nn.Module) -> dict[str, Adapter]:
    """The adapters in a model, ours or PEFT's, by the layer's name in the model of `transformers` (or in the GPT)."""
    found = {}
    for name, layer in model.named_modules():
        theirs: Any = layer  # PEFT's, perhaps
        if isinstance(layer, LoRA):
            found[_path(name)] = Adapter(layer.down, layer.up, layer.scale, not isinstance(layer.inner, nn.Linear))
        elif "default" in getattr(theirs, "lora_A", {}):
            down, up = theirs.lora_A["default"].weight, theirs.lora_B["default"].weight
            turned = bool(getattr(theirs, "fan_in_fan_out", False))
            found[_path(name)] = Adapter(down, up, theirs.scaling["default"], turned)
    return found


def save_adapter(folder: AnyPath, model: nn.Module) -> None:
    """Write a model's adapter as PEFT does: adapter_config.json and adapter_model.safetensors."""
    folder, found = located(folder), found_adapters(model)
    if not found:
        raise ValueError("This model has no adapter to save; `with_lora` puts one in.")
    require_nothing_else(model)
    if process() != 0:
        return
    ranks, scales = {len(one.down) for one in found.values()}, {one.scale for one in found.values()}
    if len(ranks) > 1 or len(scales) > 1:
        raise ValueError("Its layers have adapters of several ranks or scales, which this file has no place for.")
    rank, scale = ranks.pop(), scales.pop()
    folder.mkdir(parents=True, exist_ok=True)
    described = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": getattr(_config(model), "base", None),
        "r": rank,
        "lora_alpha": rank * scale,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": any(one.transposed for one in found.values()),
        "target_modules": sorted({path.split(".")[-1] for path in found}),
        "inference_mode": True,
    }
    (folder / CONFIG).write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    tensors = {f"{PREFIX}{path}.lora_A.weight": one.down for path, one in found.items()}
    tensors |= {f"{PREFIX}{path}.lora_B.weight": one.up for path, one in found.items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    safetensors.torch.save_file(tensors, str(folder / WEIGHTS), metadata={"format": "pt"})


def load_adapter(model: M, folder: AnyPath) -> M:
    """`with_lora` of this model with the numbers of a saved adapter: ours, or of any tool that writes PEFT's files.

    The model is frozen and shared, as in `with_lora`. Refuses by name what is more than LoRA.
    """
    folder = located(folder)
    if not (folder / CONFIG).is_file():
        raise FileNotFoundError(f"{printable(folder)}: no adapter here ({CONFIG} is missing).")
    said, tensors = read_saved(folder / CONFIG), read_tensors(folder / WEIGHTS)
    rank, alpha = _require_lora(folder / CONFIG, said)
    body = getattr(model, "trunk", model)
    layers = {_path(name): layer for name, layer in body.named_modules() if is_linear(layer)}
    paths = {name.removeprefix(PREFIX).removesuffix(".weight").rpartition(".")[0]: 0 for name in tensors}
    wanted = {}
    for path in paths:
        if path not in layers or layers[path] is output_layer(body):
            raise Unreadable(folder / WEIGHTS, f"it adapts {shown(path)}, and here is no such layer to adapt.")
        out, into = linear_weight(layers[path]).shape
        wanted |= {f"{PREFIX}{path}.lora_A.weight": (rank, into), f"{PREFIX}{path}.lora_B.weight": (out, rank)}
    require_fit(folder / WEIGHTS, tensors, wanted)
    learner = with_lora(model, rank, alpha, only=paths)  # not before all is known to fit: it freezes what is given
    with torch.no_grad():
        for name, layer in adapters(learner).items():
            layer.down.copy_(tensors[f"{PREFIX}{_path(name)}.lora_A.weight"])
            layer.up.copy_(tensors[f"{PREFIX}{_path(name)}.lora_B.weight"])
    return learner


def _require_lora(path: Path, said: Any) -> tuple[int, float]:
    """The rank, and the alpha that gives this adapter's scale."""
    if not isinstance(said, Mapping) or said.get("peft_type") != "LORA":
        kind = said.get("peft_type") if isinstance(said, Mapping) else said
        raise Unreadable(path, f"this adapter is {shown(kind)} and not LORA, which alone can be held here.")
    more = [name for name in LEFT_OUT if said.get(name)] + (["bias"] if said.get("bias", "none") != "none" else [])
    more += ["init_lora_weights"] if said.get("init_lora_weights") not in PLAIN_STARTS else []
    if more:
        raise Unreadable(path, f"this adapter has {', '.join(more)}, which LoRA as it is written here has not.")
    rank, alpha = said.get("r"), said.get("lora_alpha")
    if not (isinstance(rank, int) and rank > 0 and isinstance(alpha, int | float) and alpha > 0):
        raise Unreadable(path, f"its rank is {shown(rank)} and its lora_alpha {shown(alpha)}. {AGAIN}")
    return rank, alpha * rank**0.5 if said.get("use_rslora") else float(alpha)


def require_nothing_else(model: nn.Module) -> None:
    """All that was put into a model is a matrix of LoRA that `found_adapters` finds; else something would be lost."""
    trunk = getattr(model, "trunk", model)
    found = {id(x) for one in found_adapters(model).values() for x in (one.down, one.up)}
    base = {name for name, _ in base_tensors(trunk)}
    put_in = {name: x for name, x in trunk.named_parameters() if _in_base(name) not in base}
    if lost := sorted(name for name, x in put_in.items() if id(x) not in found):
        raise ValueError(f"{shown(lost[0])} is more than LoRA's two matrices, and no file here has a place for it.")


def base_tensors(trunk: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The numbers of a trunk without its adapters, by the names that they had before there were any."""
    for name, tensor in trunk.state_dict().items():
        if not (name.endswith((".down", ".up")) or ".lora_" in name or ".modules_to_save." in name):
            yield _in_base(name), tensor


def _in_base(name: str) -> str:
    """What a tensor was called before there was an adapter."""
    return (
        name.removeprefix("lm.").replace(".inner.", ".").replace(".base_layer.", ".").replace(".original_module.", ".")
    )


def _path(name: str) -> str:
    """A layer's name inside the model of `transformers`, or inside the GPT."""
    return name.removeprefix("trunk.").removeprefix("lm.").removeprefix(PREFIX)


def _config(model: nn.Module) -> Any:
    return getattr(getattr(model, "trunk", model), "config", None)
