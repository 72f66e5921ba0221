"""The table of metrics names every number once, and nothing else."""

from dataclasses import fields, replace

import pytest

from minirlhf.classify import ClassifierRecord
from minirlhf.metrics import METRICS, explain, named
from minirlhf.ppo import PPORecord
from minirlhf.reinforce import ReinforceRecord
from minirlhf.reward import RewardRecord
from minirlhf.sft import SFTRecord

# What TRL 1.12.0's PPOTrainer logs, but for eps (its speed).
TRL_PPO = {
    "objective/kl",
    "objective/entropy",
    "objective/non_score_reward",
    "objective/rlhf_reward",
    "objective/scores",
    "policy/approxkl_avg",
    "policy/clipfrac_avg",
    "policy/entropy_avg",
    "loss/policy_avg",
    "loss/value_avg",
    "val/clipfrac_avg",
    "val/ratio",
    "val/ratio_var",
    "val/num_eos_tokens",
    "lr",
    "episode",
}


def numbered(kind):
    """A record whose first number is 1, whose second is 2, and so on."""
    return kind(*(field.type(i) for i, field in enumerate(fields(kind), 1)))


@pytest.mark.parametrize("kind", [PPORecord, ReinforceRecord, SFTRecord, RewardRecord, ClassifierRecord])
def test_every_number_is_in_the_table(kind):
    assert list(METRICS[kind]) == [field.name for field in fields(kind)]


@pytest.mark.parametrize("kind", [PPORecord, ReinforceRecord, SFTRecord, RewardRecord, ClassifierRecord])
def test_no_name_is_given_twice_and_no_number_is_lost(kind):
    assert sorted(named(numbered(kind)).values()) == list(range(1, len(fields(kind)) + 1))


def test_every_number_says_what_it_is():
    for table in METRICS.values():
        for metric in table.values():
            assert metric.meaning.endswith(".") and metric.meaning[:-1].strip()
            assert metric.healthy and not metric.healthy.endswith(".")


def test_ppo_speaks_as_trl_does():
    record = replace(numbered(PPORecord), update=3, ended=0.75, kl=6.5, approx_kl=0.01)
    logged = named(record, batch_size=128)
    assert {name for name in logged if not name.startswith("minirlhf/")} == TRL_PPO
    assert (logged["objective/kl"], logged["policy/approxkl_avg"]) == (6.5, 0.01)
    assert (logged["val/num_eos_tokens"], logged["episode"]) == (96, 384)  # counts, where ours is a share
    assert logged["minirlhf/ended"] == 0.75


def test_the_other_stages_speak_as_trl_does():
    assert named(SFTRecord(1, 2.5, 0.4, 900, 0.7, 0.001)) == {
        "minirlhf/step": 1,
        "loss": 2.5,
        "mean_token_accuracy": 0.4,
        "minirlhf/tokens": 900,
        "grad_norm": 0.7,
        "learning_rate": 0.001,
    }
    assert {"loss", "accuracy", "margin", "grad_norm"} < set(named(numbered(RewardRecord)))


def test_explain_finds_a_number_by_either_name():
    by_ours, by_trl = explain("kl").splitlines(), explain("objective/kl").splitlines()
    assert by_trl == [line for line in by_ours if line.startswith(("PPORecord", "ReinforceRecord"))] != []
    assert "0 at update 1" in by_trl[0]
    stages = {line.partition(".")[0] for line in explain("loss").splitlines()}
    assert stages == {f"{stage}Record" for stage in ("SFT", "Reward", "Classifier", "DPO", "KTO", "GRPO")}


def test_explain_says_what_there_is():
    with pytest.raises(ValueError, match="approx_kl"):
        explain("klll")
