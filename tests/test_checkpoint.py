"""A checkpoint comes back bit for bit, or with an error that says what is wrong with which file."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import TEXTS, TYPED, fingerprint, lively, small_tokenizer, talker, trunk

from minirlhf.additive import fit_additive
from minirlhf.checkpoint import load, load_policy, load_state, save
from minirlhf.data import Comparisons
from minirlhf.model import CausalLM, RewardModel, ValueModel
from minirlhf.tokenizer import Tokenizer
from minirlhf.training import new_state, optimizer_step


def additive():
    encode = small_tokenizer().encode
    return fit_additive(
        Comparisons([encode("hello")], [encode("so kind")], [encode("schön ✓")], [1.0]), small_tokenizer()
    )


KINDS = {
    "policy": lambda: talker(1, TYPED),
    "value_model": lambda: lively(ValueModel(trunk(1, TYPED))),
    "reward_model": lambda: lively(RewardModel(trunk(1, TYPED))),
    "additive": additive,
}


@pytest.fixture(scope="module")
def saved_files(tmp_path_factory):
    """The files of one good checkpoint, with a state."""
    folder = tmp_path_factory.mktemp("saved") / "policy"
    policy = talker(1, TYPED)
    save(folder, policy, small_tokenizer(), stepped(policy))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path, saved_files):
    folder = tmp_path / "policy"
    folder.mkdir()
    for name, content in saved_files.items():
        (folder / name).write_bytes(content)
    return folder


def stepped(policy):
    """A state after one step of the optimiser."""
    state = new_state(3, policy=policy)
    state.step, state.numbers["beta"] = 7, 0.1 + 0.2
    optimizer_step(policy(torch.tensor([[1, 2, 3]])).square().mean(), state.optimizers["policy"], 1e-3)
    torch.rand(5, generator=state.generator)
    return state


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_comes_back_bit_for_bit_with_its_tokenizer(tmp_path, kind):
    model = KINDS[kind]()
    if kind in ("reward_model", "additive"):
        model.mean.fill_(1 / 3)
        model.std.fill_(0.7)
    save(tmp_path / "deep" / "folder", model, small_tokenizer())
    found, tokenizer = load(tmp_path / "deep" / "folder")
    assert type(found) is type(model) and fingerprint(found) == fingerprint(model)
    assert tokenizer.encode(TEXTS[0]) == small_tokenizer().encode(TEXTS[0])
    inputs = [torch.tensor([[1, 2, 3, 4]])]
    if kind != "policy":
        inputs.append(torch.tensor([[False, True, True, True]]))
    assert torch.equal(found(*inputs), model(*inputs))
    if kind == "additive":
        assert found.word_weights() == model.word_weights() and found.count_length == model.count_length


def test_a_folder_holds_json_and_safetensors_and_nothing_else(folder):
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors"}
    assert [path.name for path in folder.parent.iterdir()] == ["policy"], "nothing is left over from writing"


def test_a_state_comes_back_whole(tmp_path):
    policy = talker(1, TYPED)
    state = stepped(policy)
    save(tmp_path / "policy", policy, small_tokenizer(), state)
    found = load_state(tmp_path / "policy", policy=policy)
    assert (found.step, found.numbers) == (state.step, state.numbers)
    assert torch.equal(torch.rand(9, generator=found.generator), torch.rand(9, generator=state.generator))
    wanted, got = (s.optimizers["policy"].state_dict()["state"] for s in (state, found))
    assert wanted.keys() == got.keys()
    for parameter, values in wanted.items():
        assert values.keys() == got[parameter].keys()
        assert all(torch.equal(value, got[parameter][name]) for name, value in values.items())


def test_saving_again_replaces_and_leaves_nothing_of_the_old(folder):
    (folder.parent / "policy.writing").mkdir()  # someone was interrupted here before
    (folder.parent / "policy.writing" / "rubbish").write_text("half a file")
    save(folder, model := talker(2, TYPED), small_tokenizer())
    assert fingerprint(load(folder)[0]) == fingerprint(model)
    assert {path.name for path in folder.iterdir()} == {"config.json", "tokenizer.json", "weights.safetensors"}
    assert [path.name for path in folder.parent.iterdir()] == ["policy"]


def test_an_interrupted_save_leaves_the_older_checkpoint(folder):
    class Interrupted(Tokenizer):
        def save(self, path):
            raise KeyboardInterrupt

    before = fingerprint(load(folder)[0])
    with pytest.raises(KeyboardInterrupt):
        save(folder, talker(2, TYPED), Interrupted(small_tokenizer()._bpe))
    assert fingerprint(load(folder)[0]) == before
    assert load_state(folder, policy=talker(1, TYPED)).step == 7


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "weights.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"policy.*({name}|no checkpoint here).*(anew|checkpoints)"):
        load(folder)


def test_where_there_is_no_checkpoint_it_says_what_makes_them(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere: no checkpoint here.*minirlhf checkpoints"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "weights.safetensors"])
@given(st.floats(0, 0.99))
def test_a_file_cut_short_anywhere_is_named(tmp_path_factory, saved_files, name, share):
    folder = tmp_path_factory.mktemp("cut") / "policy"
    folder.mkdir()
    for other, content in saved_files.items():
        cut = int(share * (len(content.rstrip()) - 1))
        (folder / other).write_bytes(content[:cut] if other == name else content)
    with pytest.raises(ValueError, match=rf"policy/{name}: (damaged|not a tokenizer|written by another)"):
        load(folder)


@pytest.mark.parametrize("name", ["state.json", "state.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_state_cut_short_is_named(folder, saved_files, name, share):
    (folder / name).write_bytes(saved_files[name][: int(share * len(saved_files[name]))])
    with pytest.raises(ValueError, match=rf"policy/{name}: damaged"):
        load_state(folder, policy=talker(1, TYPED))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"model_type": "gpt2", "n_embd": 768}, "another program"),
        ([1, 2], "another program"),
        ({"format": 1, "kind": "pony"}, "'pony' is no kind of model"),
        ({"format": 99, "kind": "causal_lm"}, "newer minirlhf"),
        ({"format": 1, "kind": "causal_lm"}, "config"),
        ({"format": 1, "kind": "causal_lm", "config": {"vocab_size": 300, "colour": "red"}}, "colour"),
        ({"format": 1, "kind": "causal_lm", "config": {"vocab_size": 300, "layers": 0}}, "layers"),
        ({"format": 1, "kind": "additive_reward"}, "words"),
    ],
)
def test_a_foreign_config_is_named(folder, content, says):
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"policy/config\.json: .*{says}"):
        load(folder)


def test_a_tokenizer_of_another_size_does_not_belong(folder):
    Tokenizer.train(TEXTS, vocab_size=290).save(folder / "tokenizer.json")
    with pytest.raises(ValueError, match=r"policy: the model speaks 300 tokens and its tokenizer 290.*checkpoints"):
        load(folder)


def test_weights_of_another_model_are_refused_with_the_first_that_differs(folder):
    other = folder.parent / "other"
    save(other, lively(RewardModel(trunk(0, TYPED))), small_tokenizer())
    (other / "weights.safetensors").rename(folder / "weights.safetensors")
    with pytest.raises(
        ValueError, match=r"weights\.safetensors: these weights are for another model.*'head\.bias'.*Nothing was loaded"
    ):
        load(folder)


def test_a_policy_is_asked_for_and_a_value_model_is_no_policy(tmp_path, folder):
    assert isinstance(load_policy(folder)[0], CausalLM)
    save(tmp_path / "value", ValueModel(trunk(0, TYPED)), small_tokenizer())
    with pytest.raises(ValueError, match=r"value: holds a ValueModel, and a CausalLM is needed"):
        load_policy(tmp_path / "value")


def test_without_a_state_a_run_cannot_go_on(tmp_path):
    save(tmp_path / "policy", policy := talker(1, TYPED), small_tokenizer())
    with pytest.raises(FileNotFoundError, match=r"state\.json.*saved without a state"):
        load_state(tmp_path / "policy", policy=policy)


def test_a_state_belongs_to_its_models(folder):
    with pytest.raises(ValueError, match=r"state\.json.*\['policy'\].*\['reward_model'\] were given"):
        load_state(folder, reward_model=RewardModel(trunk(0, TYPED)))
