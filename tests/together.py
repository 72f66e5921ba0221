"""What torchrun starts for tests/test_together.py: every stage on a few rows, and the ways to come to grief.

torchrun --nproc-per-node 2 tests/together.py OUT [what goes wrong]
"""

import os
import sys
from copy import deepcopy
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import torch
from safetensors.torch import save_file

from minirlhf.checkpoint import save
from minirlhf.data import Comparisons, Demonstrations, Judgements, Prompts
from minirlhf.dpo import DPOConfig, train_dpo
from minirlhf.grpo import GRPOConfig, train_grpo
from minirlhf.kto import KTOConfig, train_kto
from minirlhf.machine import joining
from minirlhf.machine.pace import time_limited
from minirlhf.machine.shares import process, processes
from minirlhf.model import GPT, CausalLM, GPTConfig, RewardModel, ValueModel
from minirlhf.ppo import PPOConfig, train_ppo
from minirlhf.reinforce import ReinforceConfig, train_reinforce
from minirlhf.reward import RewardConfig, normalise_on, train_reward
from minirlhf.sft import SFTConfig, train_sft
from minirlhf.tokenizer import Tokenizer

SIZES = GPTConfig(vocab_size=300, context=32, layers=2, heads=2, channels=16, eos_id=256)


def talker(seed: int = 0) -> CausalLM:
    torch.manual_seed(seed)
    model = CausalLM(GPT(SIZES))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return model


def rows(n: int, longest: int, seed: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, longest + 1, (n,), generator=generator).tolist()
    return [torch.randint(0, 250, (length,), generator=generator).tolist() for length in lengths]


PROMPTS = Prompts(rows(7, 6, 0))
ASKED = [PROMPTS.prompts[n % 7] for n in range(23)]
SHOWN = Demonstrations(ASKED, rows(23, 9, 1))
PAIRS = Comparisons(ASKED, rows(23, 9, 2), rows(23, 9, 3), [1.0, 0.5, 1.0] * 7 + [1.0] * 2)
SETTINGS = {"steps": 8, "batch_size": 5, "lr": 1e-3, "warmup": 2}


def train(out: Path) -> None:
    """Every stage, with batches that no number of processes divides; what came of it, and what was said of it."""
    models, said = {}, {}
    sft = models["sft"] = talker()
    said["sft"] = list(train_sft(sft, SHOWN, SFTConfig(**SETTINGS)))
    reward_model = models["reward"] = RewardModel(deepcopy(sft.trunk))
    said["reward"] = list(train_reward(reward_model, PAIRS, RewardConfig(**SETTINGS)))
    normalise_on(reward_model, sft, PROMPTS, seed=0, replies=7, max_new_tokens=6)
    policy, value_model = deepcopy(sft), ValueModel(deepcopy(reward_model.trunk))
    config = PPOConfig(
        updates=3, batch_size=9, epochs=3, minibatches=3, max_new_tokens=8, lr=1e-3, kl_target=0.5, stop_kl=0.003
    )
    said["ppo"] = list(train_ppo(policy, sft, reward_model, value_model, PROMPTS, config))
    models |= {"ppo": policy, "value": value_model}
    policy = models["dpo"] = deepcopy(sft)
    direct = DPOConfig(**SETTINGS, patience=3)
    said["dpo"] = list(train_dpo(policy, sft, PAIRS, direct, held_out=PAIRS.take(5)))
    policy = models["grpo"] = deepcopy(sft)
    grouped = GRPOConfig(updates=3, prompts=3, group_size=3, minibatches=3, max_new_tokens=8, lr=4e-4)
    said["grpo"] = list(train_grpo(policy, sft, reward_model, PROMPTS, grouped))
    policy = models["reinforce"] = deepcopy(sft)
    plain = ReinforceConfig(updates=2, batch_size=2, max_new_tokens=8, lr=1e-4)  # fewer rows than three processes
    said["reinforce"] = list(train_reinforce(policy, sft, reward_model, PROMPTS, plain))
    policy = models["kto"] = deepcopy(sft)
    thumbs = Judgements(ASKED, rows(23, 9, 4), [n % 3 == 0 for n in range(23)])
    said["kto"] = list(train_kto(policy, sft, thumbs, KTOConfig(**SETTINGS)))
    if process() == 0:
        tensors = {f"{name}/{key}": x for name, model in models.items() for key, x in model.state_dict().items()}
        numbers = {
            f"said {stage}/{name}": torch.tensor([float(asdict(record)[name] or 0) for record in records])
            for stage, records in said.items()
            for name in asdict(records[0])
        }
        save_file({key: x.contiguous().clone() for key, x in (tensors | numbers).items()}, out)


def train_sharded(out: Path) -> None:
    """What does not sample, with every model cut: each process holds a part of each matrix (FSDP2). Alone, none is."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
    from torch.distributed.fsdp import fully_shard

    def cut(model):
        if processes() == 1:
            return model
        for block in model.trunk.blocks:
            fully_shard(block)
        return fully_shard(model)

    def put_together(model):
        return get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))

    found = {}
    policy = cut(talker())
    list(train_sft(policy, SHOWN, SFTConfig(**SETTINGS)))
    sft = talker()
    found["sft"] = put_together(policy)
    sft.load_state_dict(found["sft"])
    reward_model = cut(RewardModel(deepcopy(sft.trunk)))
    list(train_reward(reward_model, PAIRS, RewardConfig(**SETTINGS)))
    found["reward"] = put_together(reward_model)
    policy = cut(deepcopy(sft))
    list(train_dpo(policy, sft, PAIRS, DPOConfig(**SETTINGS)))
    found["dpo"] = put_together(policy)
    if process() == 0:
        save_file({f"{name}/{key}": x.contiguous() for name, held in found.items() for key, x in held.items()}, out)


def go_wrong(out: Path, how: str) -> None:
    """One process, the last one, meets with something in the fourth step; nobody may go on, or wait."""
    model = talker(seed=process() if how == "apart" else 0)
    last = process() == processes() - 1
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    shown = Demonstrations(rows(7, 6, 0), rows(7, 6, 1))
    run = train_sft(model, shown, SFTConfig(steps=10**6, batch_size=4, lr=1e-9, warmup=0))
    if how == "clock":  # the last process has no time at all, and nothing to say in it
        os.environ["MINIRLHF_SECONDS"] = "0.01" if last else "600"
        run = time_limited(islice(run, 30))
    try:
        for record in run:
            if record.step == 4 and how == "dies" and last:
                os.kill(os.getpid(), 9)
            if record.step == 4 and how == "fails" and last:
                raise ValueError("the disk of this process is full")
            if record.step == 4 and how == "nan" and last:
                model.trunk.token_embedding.weight.register_hook(lambda gradient: gradient * float("nan"))
            if record.step == 4 and how == "interrupt":
                Path(f"{out}.{process()}").write_text("now", encoding="utf-8")
    except FloatingPointError:
        moved = max((x - before[name]).abs().max().item() for name, x in model.state_dict().items())
        assert moved < 1e-6 and all(x.isfinite().all() for x in model.state_dict().values())
        Path(f"{out}.whole.{process()}").write_text("as before", encoding="utf-8")
        raise
    tokenizer = Tokenizer.train(["a text"] * 3, vocab_size=300)
    save(out, model, tokenizer)
    assert (out / "config.json").is_file(), "nobody goes on before it is written"
    sys.stdout.write(f"steps: {record.step}\n")


def main(out: Path, how: str = "") -> None:
    try:
        with joining.joined():
            whole_runs = {"": train, "sharded": train_sharded}
            whole_runs[how](out) if how in whole_runs else go_wrong(out, how)
    except BaseException as error:
        if told := joining.word_for(error):
            print(f"process {os.environ['RANK']}: {told}", file=sys.stderr, flush=True)
        joining.leave(3)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), *sys.argv[2:])
