"""A trained pretrained model in a folder: its adapter and its head, and where the base is, which is not copied.

minirlhf.json                 what it is; the base's folder or name, and its fingerprint
adapter_*                     PEFT's files, where it learned by LoRA
head.safetensors              a reward or value model's head, and what `normalise` has measured
base/                         a whole model of `transformers`, only where its own numbers have changed
state.*                       what a run needs to go on, as in checkpoint.py
"""

import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from minirlhf.checkpoint import FORMAT, KINDS, replaced, save_state
from minirlhf.files.contents import AnyPath, located
from minirlhf.files.messages import listed, printable, shown
from minirlhf.files.saved import Shape, read_as, read_saved, read_tensors, require_fit
from minirlhf.model import CausalLM, RewardModel, ValueModel
from minirlhf.real.adapters import found_adapters, load_adapter, save_adapter
from minirlhf.real.chat import PretrainedTokenizer
from minirlhf.real.export import without_adapters
from minirlhf.real.pretrained import Pretrained, fingerprint, load_pretrained, no_bar
from minirlhf.training import TrainState

CARD = "minirlhf.json"
Model = CausalLM | ValueModel | RewardModel


class _Card(Shape):
    format: int
    kind: str
    base: str
    fingerprint: str
    adapter: bool
    chat: bool


def save(folder: AnyPath, model: Model, tokenizer: PretrainedTokenizer, state: TrainState | None = None) -> None:
    """Write what has been learned, in the place of an older checkpoint if there is one. The first process writes."""
    folder, trunk = located(folder), model.trunk
    if not isinstance(trunk, Pretrained):
        raise ValueError("This is one of this package's own models; `minirlhf.checkpoint.save` writes it.")
    if folder.exists() and any(folder.iterdir()) and not (folder / CARD).is_file():
        what = listed(sorted(path.name for path in folder.iterdir()))
        raise FileExistsError(f"{printable(folder)}: holds something else ({what}). Name another folder.")
    with replaced(folder) as fresh:
        if fresh is None:
            return
        now, adapted = fingerprint(trunk), bool(found_adapters(model))
        changed = now != trunk.as_loaded
        base = Path(trunk.config.base)
        card = {
            "format": FORMAT,
            "kind": next(name for name, cls in KINDS.items() if isinstance(model, cls)),
            "base": "base" if changed else str(base.resolve()) if base.is_dir() else trunk.config.base,
            "fingerprint": now,
            "adapter": adapted,
            "chat": tokenizer.chat,
        }
        (fresh / CARD).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        if changed:
            with no_bar():
                without_adapters(trunk).save_pretrained(str(fresh / "base"))
            tokenizer.theirs.save_pretrained(str(fresh / "base"))
        if adapted:
            save_adapter(fresh, model)
        if not isinstance(model, CausalLM):
            safetensors.torch.save_file(_head(model), str(fresh / "head.safetensors"))
        if state is not None:
            save_state(fresh, state)


def load(folder: AnyPath, base: CausalLM | AnyPath | None = None, **how: Any) -> tuple[Model, PretrainedTokenizer]:
    """Read what `save` wrote. Several share one base in memory where the first that was loaded is given as `base`.

    `base` may also say where the base lies now. Further keywords are those of `load_pretrained`.
    """
    folder = located(folder)
    if not (folder / CARD).is_file():
        raise FileNotFoundError(f"{printable(folder)}: no checkpoint of a pretrained model here ({CARD} is missing).")
    card = read_as(folder / CARD, read_saved(folder / CARD), _Card)
    if card.format > FORMAT or card.kind not in KINDS:
        raise ValueError(f"{printable(folder / CARD)}: of a newer minirlhf ({shown(card.kind)}); update this one.")
    place = base if isinstance(base, str | Path) else str(folder / "base") if card.base == "base" else card.base
    held, tokenizer = (
        load_pretrained(place, **{"chat": card.chat, **how})
        if not isinstance(base, CausalLM)
        else (base, _tokenizer(base, card))
    )
    trunk = held.trunk
    assert isinstance(trunk, Pretrained)
    if fingerprint(trunk) != card.fingerprint:
        raise ValueError(
            f"{printable(folder)}: it was trained on other weights than those of {printable(trunk.config.base)}. Give "
            "the base that it was trained on as base=…"
        )
    model: Model = held if card.kind == "causal_lm" else KINDS[card.kind](trunk)
    if card.adapter:
        model = load_adapter(model, folder)
    if not isinstance(model, CausalLM):
        tensors, wanted = read_tensors(folder / "head.safetensors"), _head(model)
        require_fit(folder / "head.safetensors", tensors, {name: tuple(x.shape) for name, x in wanted.items()})
        model.load_state_dict(tensors, strict=False)
    return model, tokenizer


def _head(model: ValueModel | RewardModel) -> dict[str, torch.Tensor]:
    """What a model has beside its trunk."""
    own = {name: x for name, x in model.state_dict().items() if not name.startswith("trunk.")}
    return {name: x.detach().cpu().contiguous() for name, x in own.items()}


def _tokenizer(base: CausalLM, card: _Card) -> PretrainedTokenizer:
    from minirlhf.real.chat import read_tokenizer

    return read_tokenizer(base.trunk.config.base, chat=card.chat)
