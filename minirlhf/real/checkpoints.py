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
from minirlhf.machine.shares import process
from minirlhf.model import CausalLM, RewardModel, ValueModel
from minirlhf.real.adapters import CONFIG, WEIGHTS, found_adapters, load_adapter, require_nothing_else, save_adapter
from minirlhf.real.chat import PretrainedTokenizer, read_tokenizer
from minirlhf.real.export import without_adapters
from minirlhf.real.pretrained import Pretrained, fingerprint, load_pretrained, no_bar
from minirlhf.training import TrainState

CARD = "minirlhf.json"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}
FILES = {CARD, CONFIG, WEIGHTS, "head.safetensors", "base", "state.json", "state.safetensors"}
Model = CausalLM | ValueModel | RewardModel


class _Card(Shape):
    format: int
    kind: str
    base: str
    fingerprint: str
    adapter: bool
    chat: bool
    dtype: str
    context: int


def save(folder: AnyPath, model: Model, tokenizer: PretrainedTokenizer, state: TrainState | None = None) -> None:
    """Write what has been learned, in the place of an older checkpoint if there is one. The first process writes."""
    folder, trunk = located(folder), model.trunk
    if not isinstance(trunk, Pretrained):
        raise ValueError("This is one of this package's own models; `minirlhf.checkpoint.save` writes it.")
    require_nothing_else(model)
    if process() == 0 and folder.exists():
        others = sorted(path.name for path in folder.iterdir() if path.name not in FILES) if folder.is_dir() else ["it"]
        if others:
            what = listed(others)
            raise FileExistsError(f"{printable(folder)}: holds something else ({what}). Name another folder.")
    with replaced(folder) as fresh:
        if fresh is None:
            return
        now, adapted = fingerprint(trunk), bool(found_adapters(model))
        base = Path(trunk.config.base)
        # A base that lies in a checkpoint goes with that one, when it is written anew: so it is copied too.
        changed = now != trunk.as_loaded or (base.parent / CARD).is_file()
        card = {
            "format": FORMAT,
            "kind": next(name for name, cls in KINDS.items() if isinstance(model, cls)),
            "base": "base" if changed else trunk.config.base,
            "fingerprint": now,
            "adapter": adapted,
            "chat": tokenizer.chat,
            "dtype": str(trunk.lm.dtype).removeprefix("torch."),
            "context": trunk.config.context,
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
    if card.format > FORMAT or card.kind not in KINDS or card.dtype not in DTYPES:
        raise ValueError(f"{printable(folder / CARD)}: of a newer minirlhf ({shown(card.kind)}); update this one.")
    if isinstance(base, CausalLM):
        if how:
            raise ValueError(f"{', '.join(how)}: the base is loaded already, and is taken as it is.")
        held, tokenizer = base, read_tokenizer(base.trunk.config.base, chat=card.chat)
    else:
        place = base or (folder / "base" if card.base == "base" else card.base)
        asked = {"chat": card.chat, "dtype": DTYPES[card.dtype], "context": card.context, **how}
        held, tokenizer = load_pretrained(place, **asked)
    trunk = held.trunk
    assert isinstance(trunk, Pretrained)
    now = fingerprint(trunk) if isinstance(base, CausalLM) else trunk.as_loaded  # it may have learned since
    if now != card.fingerprint:
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
