"""Models as `transformers` opens them: a pretrained one with what it has learned, and the tiny GPT as a GPT-2."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from minirlhf.files.contents import AnyPath, located
from minirlhf.files.messages import printable
from minirlhf.machine.shares import process
from minirlhf.model import GPT, CausalLM
from minirlhf.real.adapters import base_tensors
from minirlhf.real.chat import PretrainedTokenizer
from minirlhf.real.lora import adapters, merged
from minirlhf.real.pretrained import Pretrained, no_bar
from minirlhf.tokenizer import END_OF_TEXT, Tokenizer


def export_merged(folder: AnyPath, policy: CausalLM, tokenizer: PretrainedTokenizer) -> None:
    """Write a policy as a whole model of `transformers`: what its adapter has learned is added to its weights."""
    if not isinstance(policy.trunk, Pretrained):
        raise ValueError("This is one of this package's own models; `export_gpt2` writes it for transformers.")
    if not _may_write(folder):
        return
    whole: Any = merged(policy).trunk.get_submodule("lm")
    with no_bar():
        whole.save_pretrained(str(located(folder)))
    tokenizer.theirs.save_pretrained(str(located(folder)))


def export_gpt2(folder: AnyPath, policy: CausalLM, tokenizer: Tokenizer) -> None:
    """Write a tiny GPT as the GPT-2 that it is: the same logits, opened by `transformers` and all that stands on it.

    What ours has not is written as zeros: the biases of attention and of the two linear layers. Padding has a row
    here and no logit, and is left out: there the end of text fills rows.
    """
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    trunk = policy.trunk
    if not isinstance(trunk, GPT) or adapters(trunk):
        raise ValueError("Only a GPT of this package, without an adapter, is a GPT-2; `merged` makes one of the other.")
    if not _may_write(folder):
        return
    sizes = trunk.config
    config = GPT2Config(
        vocab_size=sizes.vocab_size,
        n_positions=sizes.context,
        n_embd=sizes.channels,
        n_layer=sizes.layers,
        n_head=sizes.heads,
        activation_function="relu",
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=tokenizer.eos_id,
        eos_token_id=tokenizer.eos_id,
    )
    theirs = GPT2LMHeadModel(config)
    theirs.load_state_dict(as_gpt2(trunk), strict=False)  # the last layer is the embedding
    folder = located(folder)
    with no_bar():
        theirs.save_pretrained(str(folder))
    tokenizer.save(folder / "tokenizer.json")
    PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), eos_token=END_OF_TEXT, model_max_length=sizes.context
    ).save_pretrained(str(folder))


def _may_write(folder: AnyPath) -> bool:
    """Only the first process writes, and only where nothing of anybody's stands."""
    if process() != 0:
        return False
    folder = located(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{printable(folder)}: something stands there already. Name a new or an empty folder.")
    return True


def as_gpt2(trunk: GPT) -> dict[str, Tensor]:
    """The weights of a GPT under the names of `transformers`, which stores linear layers the other way round."""
    weights = {
        "transformer.wte.weight": trunk.token_embedding.weight[: trunk.config.vocab_size],
        "transformer.wpe.weight": trunk.position_embedding.weight,
        **{f"transformer.ln_f.{name}": x for name, x in trunk.final_norm.named_parameters()},
    }
    for n, block in enumerate(trunk.blocks):
        names = {
            "ln_1": "attention_norm",
            "ln_2": "feed_forward_norm",
            "attn.c_attn": "query_key_value",
            "attn.c_proj": "attention_out",
            "mlp.c_fc": "expand",
            "mlp.c_proj": "contract",
        }
        for theirs, ours in names.items():
            layer: Any = block.get_submodule(ours)
            linear = isinstance(layer, nn.Linear)
            weights[f"transformer.h.{n}.{theirs}.weight"] = layer.weight.T if linear else layer.weight
            bias = layer.weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias
            weights[f"transformer.h.{n}.{theirs}.bias"] = bias
    return {name: x.detach().clone() for name, x in weights.items()}


def without_adapters(trunk: Pretrained) -> Any:
    """The model of `transformers` in a trunk, as it would be without an adapter."""
    lm: Any = trunk.lm
    with torch.device("meta"):
        whole = type(lm)(deepcopy(lm.config))
    whole.load_state_dict({name: x.detach() for name, x in base_tensors(trunk)}, strict=False, assign=True)
    whole.tie_weights()
    whole.generation_config = lm.generation_config
    return whole
