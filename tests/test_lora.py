"""LoRA: begins where the model stands, moves nothing that is frozen, is shared and not copied, and is PEFT's."""

import json
from copy import deepcopy

import pytest
import torch
from pretrained import opened, write_model
from test_real import PROMPTS, likes_short, rows
from tiny import equal, fingerprint, generator, talker

from minirlhf import checkpoint
from minirlhf.data import Demonstrations, Prompts
from minirlhf.machine.require import require_own_weights
from minirlhf.model import RewardModel, ValueModel, fork, response_log_probs
from minirlhf.ppo import PPOConfig, train_ppo
from minirlhf.real import (
    adapted_share,
    export_merged,
    load,
    load_adapter,
    load_pretrained,
    lora_linear,
    merged,
    save,
    save_adapter,
    with_lora,
)
from minirlhf.real.lora import adapters
from minirlhf.sft import SFTConfig, train_sft
from minirlhf.training import new_state

pytestmark = pytest.mark.usefixtures("one_thread")


def learned(policy, tokenizer, steps=4):
    """The same policy after some steps: an adapter that is zero hides every mistake."""
    shown = Demonstrations([tokenizer.encode_prompt(text) for text in PROMPTS], [[5, 6, 7], [8], [9, 5], [6] * 5])
    for _ in train_sft(policy, shown, SFTConfig(steps=steps, batch_size=4, lr=2e-2, warmup=0)):
        pass
    return policy


def test_two_thin_products_are_the_sum_of_the_weights():
    x, weight, down, up = (
        torch.randn(shape, generator=generator(n), dtype=torch.float64)
        for n, shape in enumerate([(3, 4, 6), (5, 6), (2, 6), (5, 2)])
    )
    equal(lora_linear(x, weight, down, up, 0.7), x @ (weight + 0.7 * up @ down).T, 1e-12)


def test_it_begins_bit_for_bit_where_the_model_stands_and_shares_it(model):
    base, tokenizer = model
    policy = with_lora(base)
    tokens, mask = rows(base, tokenizer)
    assert torch.equal(response_log_probs(policy, tokens, mask)[0], response_log_probs(base, tokens, mask)[0])
    held = {p.data_ptr() for p in base.parameters()}
    assert {p.data_ptr() for p in policy.parameters() if not p.requires_grad} == held
    trained, every = adapted_share(policy)
    assert 0 < trained < every and trained == sum(p.numel() for p in policy.parameters() if p.data_ptr() not in held)
    require_own_weights(policy=policy, reference=base, value_model=ValueModel(fork(policy.trunk)))


def test_ppo_moves_the_adapter_and_not_a_bit_of_the_base(model):
    base, tokenizer = model
    before = fingerprint(base)
    policy, value_model = with_lora(base), ValueModel(with_lora(base.trunk))
    prompts = Prompts([tokenizer.encode_prompt(text) for text in PROMPTS])
    config = PPOConfig(updates=2, batch_size=8, epochs=1, max_new_tokens=6, lr=1e-2)
    for record in train_ppo(policy, base, likes_short, value_model, prompts, config):
        assert record.first_ratio == pytest.approx(1, abs=1e-5)
    assert fingerprint(base) == before
    assert any(layer.up.any() for layer in adapters(policy).values())
    assert any(layer.up.any() for layer in adapters(value_model).values())


def test_models_that_would_move_together_are_refused(model):
    base, _ = model
    policy = with_lora(base)
    with pytest.raises(ValueError, match="shares its weights"):
        require_own_weights(policy=policy, value_model=ValueModel(policy.trunk))
    for one, other in ((policy, fork(policy)), (policy, base)):
        require_own_weights(policy=one, reference=other)
    base.requires_grad_(True)  # now the base would move, and the policy with it
    with pytest.raises(ValueError, match="shares its weights"):
        require_own_weights(policy=policy, reference=base)


def test_what_is_all_frozen_cannot_be_trained(model):
    base, tokenizer = model
    with_lora(base)
    with pytest.raises(ValueError, match="nothing to learn with"):
        learned(base, tokenizer)


def test_merged_it_is_one_model_that_computes_the_same(model, tmp_path):
    base, tokenizer = model
    policy = learned(with_lora(base), tokenizer)
    tokens, mask = rows(base, tokenizer)
    wanted = response_log_probs(policy, tokens, mask)[0].detach()
    assert (wanted - response_log_probs(base, tokens, mask)[0]).abs().max() > 0.1
    before = fingerprint(base)
    whole = merged(policy)
    assert not adapters(whole) and fingerprint(base) == before
    equal(response_log_probs(whole, tokens, mask)[0].detach(), wanted, 1e-5)
    require_own_weights(policy=whole, reference=base)
    export_merged(tmp_path, policy, tokenizer)
    opened_again, words = load_pretrained(tmp_path)
    equal(response_log_probs(opened_again, tokens, mask)[0].detach(), wanted, 1e-5)
    assert words.encode_prompt("sorry") == tokenizer.encode_prompt("sorry")


def test_the_tiny_model_learns_by_it_too(tmp_path):
    base = talker(3)
    policy = with_lora(base, rank=2)
    tokens = torch.randint(0, 10, (4, 9), generator=generator())
    mask = torch.arange(9) >= torch.tensor([[2]] * 4)
    assert torch.equal(response_log_probs(policy, tokens, mask)[0], response_log_probs(base, tokens, mask)[0])
    for layer in adapters(policy).values():
        torch.nn.init.normal_(layer.up, std=0.1)
    equal(response_log_probs(merged(policy), tokens, mask)[0], response_log_probs(policy, tokens, mask)[0], 1e-5)
    from tiny import small_tokenizer

    with pytest.raises(ValueError, match="merged"):
        checkpoint.save(tmp_path / "tiny", policy, small_tokenizer())
    assert not (tmp_path / "tiny").exists()


def test_a_second_adapter_and_senseless_sizes_are_refused(model):
    base, _ = model
    with pytest.raises(ValueError, match="has LoRA already"):
        with_lora(with_lora(base))
    for rank, alpha in ((0, 16.0), (8, 0.0), (8, float("nan"))):
        with pytest.raises(ValueError, match="rank"):
            with_lora(base, rank, alpha)


def test_a_head_learns_in_full_on_an_adapted_trunk(model):
    base, tokenizer = model
    reward_model = RewardModel(with_lora(base).trunk)
    assert reward_model.head.weight.requires_grad and reward_model.head.weight.dtype == torch.float32
    tokens, mask = rows(base, tokenizer)
    reward_model(tokens, mask).sum().backward()
    assert reward_model.head.weight.grad.any()


# ---- beside PEFT


def theirs_on(folder, said, **settings):
    """PEFT's own adapter on a model that was opened again."""
    import peft

    policy, tokenizer = opened(folder)
    config = peft.LoraConfig(target_modules=said, r=4, lora_alpha=12, **settings)
    return policy, tokenizer, peft.get_peft_model(policy.trunk.lm, config)


def test_peft_opens_our_adapter(model, tmp_path):
    import peft

    base, tokenizer = model
    policy = learned(with_lora(base, rank=4, alpha=12.0), tokenizer)
    save_adapter(tmp_path, policy)
    fresh, _ = opened(base.trunk.config.base)
    theirs = peft.PeftModel.from_pretrained(fresh.trunk.lm, str(tmp_path)).eval()
    tokens, _mask = rows(base, tokenizer)
    with torch.no_grad():
        logits = theirs(input_ids=tokens).logits
        equal(policy(tokens), logits, 1e-4)
    assert (logits - base(tokens)).abs().max() > 0.1


@pytest.mark.parametrize("rslora", [False, True])
def test_we_open_pefts_adapter(folders, tmp_path, rslora):
    for kind, layers in (("llama", ["q_proj", "v_proj"]), ("gpt2", ["c_attn"])):
        _policy, tokenizer, theirs = theirs_on(folders[kind], layers, use_rslora=rslora, fan_in_fan_out=kind == "gpt2")
        for name, parameter in theirs.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.2)
        theirs.save_pretrained(str(tmp_path / kind))
        base, _ = opened(folders[kind])
        ours = load_adapter(base, tmp_path / kind)
        tokens, _mask = rows(base, tokenizer)
        with torch.no_grad():
            equal(ours(tokens), theirs(input_ids=tokens).logits, 1e-4)
        assert {name.split(".")[-1] for name in adapters(ours)} == set(layers)


def test_an_adapter_that_peft_put_in_trains_and_is_saved(folders, tmp_path):
    policy, tokenizer, _ = theirs_on(folders["llama"], "all-linear")
    reference = deepcopy(policy)
    learned(policy, tokenizer)
    save_adapter(tmp_path, policy)
    base, _ = opened(folders["llama"])
    again = load_adapter(base, tmp_path)
    tokens, mask = rows(base, tokenizer)
    found = response_log_probs(policy, tokens, mask)[0].detach()
    equal(response_log_probs(again, tokens, mask)[0].detach(), found, 1e-5)
    assert (found - response_log_probs(reference, tokens, mask)[0]).abs().max() > 0.1


def test_what_peft_put_in_is_saved_whole_or_refused(folders, tmp_path):
    policy, tokenizer, theirs = theirs_on(folders["llama"], ["q_proj"])
    for name in (with_lora, merged):
        with pytest.raises(ValueError, match=r"LoRA already|merge_and_unload"):
            name(policy)
    theirs.add_adapter("another", theirs.peft_config["default"])
    with pytest.raises(ValueError, match="more than LoRA"):
        save(tmp_path / "two", policy, tokenizer)
    policy, tokenizer, _ = theirs_on(folders["llama"], ["q_proj"], use_dora=True)
    with pytest.raises(ValueError, match="more than LoRA"):
        save_adapter(tmp_path / "dora", policy)
    assert not any(tmp_path.iterdir())
    policy, tokenizer, _ = theirs_on(folders["llama"], ["q_proj"], lora_dropout=0.5)
    with pytest.raises(ValueError, match="has dropout"):
        learned(policy, tokenizer)


def test_an_adapter_that_is_refused_leaves_the_model_as_it_was(folders, tmp_path):
    base, _ = opened(folders["llama"])
    save_adapter(tmp_path, with_lora(fork(base)))
    other, tokenizer = opened(folders["gpt2"])
    with pytest.raises(ValueError, match="no such layer"):
        load_adapter(other, tmp_path)
    learned(other, tokenizer, steps=1)


@pytest.mark.parametrize(
    "said, names",
    [
        ({"use_dora": True}, "use_dora"),
        ({"bias": "all"}, "bias"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"rank_pattern": {"q_proj": 2}}, "rank_pattern"),
        ({"peft_type": "LOHA"}, "LOHA"),
        ({"r": 0}, "rank"),
        ({"r": 3}, "wanted"),
    ],
)
def test_more_than_lora_is_refused_by_name(folders, tmp_path, said, names):
    base, _ = opened(folders["llama"])
    save_adapter(tmp_path, with_lora(base, rank=4))
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | said), encoding="utf-8")
    with pytest.raises(ValueError, match=names):
        load_adapter(base, tmp_path)


def test_an_adapter_for_another_model_is_refused(folders, tmp_path):
    base, _ = opened(folders["llama"])
    save_adapter(tmp_path, with_lora(base))
    other, _ = opened(folders["gpt2"])
    with pytest.raises(ValueError, match="no such layer"):
        load_adapter(other, tmp_path)
    with pytest.raises(FileNotFoundError, match="no adapter here"):
        load_adapter(other, tmp_path / "nowhere")


# ---- in sixteen bits


def test_a_base_of_sixteen_bits_learns_by_an_adapter_of_thirty_two(folders):
    base, tokenizer = opened(folders["llama"], dtype=torch.bfloat16)
    policy = with_lora(base)
    assert all(layer.up.dtype == torch.float32 for layer in adapters(policy).values())
    before = fingerprint(base.trunk.lm.lm_head)
    learned(policy, tokenizer)
    assert fingerprint(base.trunk.lm.lm_head) == before and any(layer.up.any() for layer in adapters(policy).values())


def test_steps_too_small_for_sixteen_bits_add_up_in_a_master(folders):
    """A step of 1e-5 on a weight near 1 is lost in bfloat16, however many there are."""
    policy, tokenizer = opened(folders["llama"], dtype=torch.bfloat16)
    weight = policy.trunk.get_parameter("lm.model.norm.weight")
    with torch.no_grad():
        weight.fill_(1.0)
    shown = Demonstrations([tokenizer.encode_prompt("sorry")], [[5, 6, 7]])
    config = SFTConfig(steps=150, batch_size=1, lr=1e-4, warmup=0)
    for _ in train_sft(policy, shown, config):
        pass
    assert weight.dtype == torch.bfloat16 and (weight - 1).abs().max() > 0.005


def test_sixteen_bits_learn_in_one_stage_after_another_and_go_on_from_a_folder(folders, tmp_path):
    """A second stage begins with masters of its own; a resumed one with those that it had, below the eighth bit too."""
    policy, tokenizer = opened(folders["llama"], dtype=torch.bfloat16)
    learned(policy, tokenizer, steps=2)
    whole, config = deepcopy(policy), SFTConfig(steps=6, batch_size=2, lr=1e-3, warmup=0)
    shown = Demonstrations([tokenizer.encode_prompt(text) for text in PROMPTS], [[5, 6, 7], [8], [9, 5], [6] * 5])
    for _ in train_sft(whole, shown, config):
        pass
    state = new_state(config.seed, policy=policy)
    run = train_sft(policy, shown, config, state=state)
    for _ in range(3):
        next(run)
    run.close()
    save(tmp_path / "run", policy, tokenizer, state)
    again, _ = load(tmp_path / "run")
    for _ in train_sft(again, shown, config, state=checkpoint.load_state(tmp_path / "run", policy=again)):
        pass
    assert fingerprint(again) == fingerprint(whole)


def test_a_reader_of_the_files_finds_pefts_names(model, tmp_path):
    import safetensors.torch

    base, _ = model
    save_adapter(tmp_path, with_lora(base))
    names = safetensors.torch.load_file(tmp_path / "adapter_model.safetensors").keys()
    assert all(name.startswith("base_model.model.") and ".lora_" in name for name in names)
    said = json.loads((tmp_path / "adapter_config.json").read_text("utf-8"))
    assert said["r"] == 8 and said["lora_alpha"] == 16 and said["base_model_name_or_path"]


def test_only_the_layers_that_are_named(folders, tmp_path):
    base, _ = opened(write_model(tmp_path))
    policy = with_lora(base, only={"model.layers.1.mlp.up_proj"})
    assert list(adapters(policy)) == ["trunk.lm.model.layers.1.mlp.up_proj"]
