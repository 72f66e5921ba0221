"""A checkpoint comes back bit for bit, or with an error that says what is wrong with which file."""

import json
import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tiny import TEXTS, TYPED, fingerprint, lively, small_tokenizer, talker, trunk
from torch import nn

from minirlhf.additive import AdditiveReward, fit_additive
from minirlhf.checkpoint import fingerprint as print_of
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


# ---- what tells one model from another


def test_a_fingerprint_tells_weights_apart_whichever_number_differs():
    model = talker(1, TYPED)
    found, same = print_of(model), print_of(talker(1, TYPED))
    assert found == same and len(found) == 8
    others = set()
    for weight in model.state_dict().values():
        flat = weight.view(-1)
        for place in (0, len(flat) // 2, -1):
            before = flat[place].item()
            flat[place] = before + 1e-3
            others.add(print_of(model))
            flat[place] = before
    assert len(others) == 3 * len(model.state_dict()) and found not in others
    assert print_of(model) == found


def test_a_fingerprint_sees_the_order_of_the_numbers_their_places_and_what_is_no_parameter():
    linear = nn.Linear(2, 2, bias=False)
    turned, renamed = deepcopy(linear), nn.ModuleDict({"a": deepcopy(linear), "b": nn.Linear(2, 2, bias=False)})
    with torch.no_grad():
        turned.weight.copy_(linear.weight.flip(0))
        renamed["b"].weight.copy_(turned.weight)
    exchanged = nn.ModuleDict({"a": renamed["b"], "b": renamed["a"]})
    elsewhere = nn.ModuleDict({"a": renamed["a"], "c": renamed["b"]})
    assert len({print_of(model) for model in (linear, turned, renamed, exchanged, elsewhere)}) == 5
    reward_model = RewardModel(trunk(1, TYPED))
    before = print_of(reward_model)
    reward_model.mean.fill_(0.5)
    assert print_of(reward_model) != before, "a score in other units is another score"


# ---- what a folder held before


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.txt").write_text("two years of work")
    with pytest.raises(FileExistsError, match=r"thesis: holds something that is not a checkpoint.*Nothing was written"):
        save(folder, talker(1, TYPED), small_tokenizer())
    assert (folder / "chapter.txt").read_text() == "two years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis"]
    (folder / "chapter.txt").unlink()
    save(folder, model := talker(1, TYPED), small_tokenizer())  # an empty folder holds nothing
    assert fingerprint(load(folder)[0]) == fingerprint(model)


@pytest.mark.parametrize("found_as", ["policy", "policy.older"], ids=["whole", "stopped before"])
def test_stopped_at_any_moment_one_whole_checkpoint_stands_and_the_next_save_succeeds(
    tmp_path_factory, saved_files, monkeypatch, found_as
):
    """Ctrl-C before each step that a save takes on the disk, one after another, until a save comes through."""
    new, steps = talker(2, TYPED), 0
    state, known = stepped(new), {fingerprint(new)}
    while True:
        folder = tmp_path_factory.mktemp("stopped") / "policy"
        (folder.parent / found_as).mkdir()
        for name, content in saved_files.items():
            (folder.parent / found_as / name).write_bytes(content)
        known.add(fingerprint(load(folder.parent / found_as)[0]))
        with monkeypatch.context() as patch:
            _interrupt_before_step(patch, steps)
            try:
                save(folder, new, small_tokenizer(), state)
                break
            except KeyboardInterrupt:
                steps += 1
        standing = [path for path in (folder, folder.with_name("policy.older")) if path.exists()]
        assert standing, f"nothing left after {steps} steps"
        assert known >= {fingerprint(load(path)[0]) for path in standing}, "each whole, or not there at all"
        save(folder, new, small_tokenizer())
        assert fingerprint(load(folder)[0]) == fingerprint(new)
        assert [path.name for path in folder.parent.iterdir()] == ["policy"]
    assert steps >= 6, "this test needs steps to stop before"
    assert load_state(folder, policy=new).step == 7


def _interrupt_before_step(patch, n):
    """Let n steps on the disk pass, and stop before the next."""
    taken = []

    def counted(step):
        def counting(*args, **kwargs):
            if len(taken) == n:
                raise KeyboardInterrupt
            taken.append(step)
            return step(*args, **kwargs)

        return counting

    steps = ((shutil, "rmtree"), (shutil, "copyfile"), (Path, "rename"), (Path, "mkdir"), (Path, "write_text"))
    for owner, name in (*steps, (safetensors.torch, "save_model"), (safetensors.torch, "save_file")):
        patch.setattr(owner, name, counted(getattr(owner, name)))


def test_a_model_without_a_state_takes_the_place_of_one_with(folder):
    save(folder, talker(2, TYPED), small_tokenizer())
    with pytest.raises(FileNotFoundError, match=r"state\.json"):
        load_state(folder, policy=talker(2, TYPED))


# ---- what a config says


@pytest.mark.parametrize("count_length", [True, False])
def test_an_additive_reward_comes_back_with_its_words_in_their_order_and_its_length_or_none(tmp_path, count_length):
    model = AdditiveReward(["zebra", "apple", "kind"], small_tokenizer(), count_length)
    with torch.no_grad():
        model.weights.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    model.threshold.fill_(0.25)
    save(tmp_path / "reward", model, small_tokenizer())
    found, _ = load(tmp_path / "reward")
    assert isinstance(found, AdditiveReward) and found.count_length is count_length
    texts = ["zebra", "apple kind", "a word that nobody knows"]
    assert torch.equal(found.score(texts), model.score(texts)) and found.threshold == 0.25
    assert found.word_weights() == model.word_weights()


def test_the_very_next_format_is_refused_whatever_else_is_right(folder):
    config = json.loads((folder / "config.json").read_text())
    for newer in (config["format"] + 1, config["format"] + 1000):
        (folder / "config.json").write_text(json.dumps(config | {"format": newer}))
        with pytest.raises(ValueError, match=rf"written by a newer minirlhf \(format {newer}\); update"):
            load(folder)
    (folder / "config.json").write_text(json.dumps({name: config[name] for name in ("kind", "config")}))
    with pytest.raises(ValueError, match="another program"):
        load(folder)


@pytest.mark.parametrize("eos_id", [None, 7])
def test_a_model_ends_where_it_ended_before(tmp_path, eos_id):
    save(tmp_path / "policy", talker(1, replace(TYPED, eos_id=eos_id)), small_tokenizer())
    assert load_policy(tmp_path / "policy")[0].trunk.config == replace(TYPED, eos_id=eos_id)


def test_a_config_from_before_it_said_what_ends_a_response_is_completed_by_its_tokenizer(folder):
    config = json.loads((folder / "config.json").read_text())
    del config["config"]["eos_id"]
    (folder / "config.json").write_text(json.dumps(config))
    assert load_policy(folder)[0].trunk.config.eos_id == small_tokenizer().eos_id


# ---- weights and state that belong to something else


@pytest.mark.parametrize(
    ("size", "tensor"),
    [({"context": 31}, "trunk.blocks|position"), ({"channels": 8}, "trunk"), ({"layers": 2}, "blocks.1")],
)
def test_weights_of_another_size_are_refused_by_name_and_shape(folder, size, tensor):
    config = json.loads((folder / "config.json").read_text())
    config["config"] |= size
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        ValueError, match=rf"weights are for another model.*'[^']*({tensor}).*wanted.*Nothing was loaded"
    ):
        load(folder)


@pytest.mark.parametrize("change", ["one is missing", "one too many", "another shape"])
def test_weights_that_do_not_fit_are_refused_however_little_they_differ(folder, change):
    path = folder / "weights.safetensors"
    tensors = load_file(path)
    name = "trunk.final_norm.bias"
    if change == "one is missing":
        del tensors[name]
    elif change == "one too many":
        tensors["trunk.final_norm.more"] = tensors[name].clone()
    else:
        tensors[name] = tensors[name].unsqueeze(0).contiguous()
    save_file(tensors, path)
    with pytest.raises(ValueError, match=r"weights\.safetensors: .*differ in 1 tensor, first in 'trunk\.final_norm\."):
        load(folder)


def test_each_model_gets_its_own_moments_back(tmp_path):
    models = {"policy": talker(1, TYPED), "reference": talker(1, TYPED)}  # twins, so that nothing else tells them apart
    state = new_state(0, **models)
    for name, model in models.items():
        target = 1.0 if name == "policy" else -1.0
        loss = (model(torch.tensor([[1, 2, 3]])) - target).square().mean()
        optimizer_step(loss, state.optimizers[name], 1e-3)
    save(tmp_path / "policy", models["policy"], small_tokenizer(), state)
    found = load_state(tmp_path / "policy", **models)
    for name in models:
        wanted, got = (s.optimizers[name].state_dict()["state"] for s in (state, found))
        assert all(torch.equal(got[i][what], value) for i, of in wanted.items() for what, value in of.items())
    for wrong in ({"policy": models["policy"]}, models | {"another": talker(2, TYPED)}):
        with pytest.raises(ValueError, match=r"holds optimisers for \['policy', 'reference'\]"):
            load_state(tmp_path / "policy", **wrong)


# ---- what others put there


def changed(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("names", "content"),
    [
        (["config.json", "model.safetensors"], {"format": 1, "kind": "causal_lm"}),
        (["config.json", "notes.txt"], {"format": 1, "kind": "causal_lm"}),
        (["config.json", "tokenizer.json"], {"model_type": "gpt2"}),
        (["config.json"], [1, 2]),
        (["tokenizer.json"], {}),
    ],
)
def test_a_folder_that_holds_more_than_a_checkpoint_is_left_alone(tmp_path, names, content):
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name in names:
        (folder / name).write_text(json.dumps(content))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(FileExistsError, match=r"theirs: holds something that is not a checkpoint's .*another folder"):
        save(folder, talker(1, TYPED), small_tokenizer())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "policy").write_text("two years of work")
    with pytest.raises(FileExistsError, match="another folder"):
        save(tmp_path / "policy", talker(1, TYPED), small_tokenizer())
    assert (tmp_path / "policy").read_text() == "two years of work"


def test_a_damaged_checkpoint_may_be_saved_over(folder):
    (folder / "config.json").write_text("{")
    save(folder, model := talker(2, TYPED), small_tokenizer())
    assert fingerprint(load(folder)[0]) == fingerprint(model)


def test_folders_are_found_by_text_and_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    save("~/policy", policy := talker(1, TYPED), small_tokenizer(), stepped(policy))
    for path in ("~/policy", str(tmp_path / "policy")):
        assert fingerprint(load(path)[0]) == fingerprint(load_policy(path)[0]) == fingerprint(policy)
        assert load_state(path, policy=policy).step == 7


SHAPES = [
    ({"step": -1}, "step"),
    ({"step": "7"}, "step"),
    ({"step": None}, "step"),
    ({"numbers": [0.3]}, "numbers"),
    ({"numbers": {"beta": "0.3"}}, "numbers.beta"),
    ({"numbers": {"beta": float("nan")}}, "numbers.beta"),
    ({"optimizers": "policy"}, "optimizers"),
    ({"optimizers": [["policy"]]}, "optimizers"),
]


@pytest.mark.parametrize(("values", "where"), SHAPES)
def test_a_state_of_another_shape_is_named_by_its_place(folder, values, where):
    changed(folder / "state.json", **values)
    with pytest.raises(ValueError, match=rf"policy/state\.json: .*{where}.*[Mm]ake the checkpoint anew"):
        load_state(folder, policy=talker(1, TYPED))


@pytest.mark.parametrize("name", ["step", "numbers", "optimizers"])
def test_a_state_that_lacks_something_is_named(folder, name):
    saved = json.loads((folder / "state.json").read_text())
    del saved[name]
    for content in (saved, [saved], None, 3):
        (folder / "state.json").write_text(json.dumps(content))
        with pytest.raises(ValueError, match=rf"policy/state\.json: .*({name}|all of it).*anew"):
            load_state(folder, policy=talker(1, TYPED))


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors.pop("generator"),
        lambda tensors: tensors.update(generator=tensors["generator"][:9].clone()),
        lambda tensors: tensors.update(generator=tensors["generator"].float()),
        lambda tensors: tensors.update({"policy/0/exp_avg": tensors["policy/0/exp_avg"][:1].clone()}),
        lambda tensors: tensors.pop("policy/0/exp_avg_sq"),
        lambda tensors: tensors.update({"policy/99/step": torch.zeros(())}),
        lambda tensors: tensors.update({"policy/x/step": torch.zeros(())}),
        lambda tensors: tensors.update({"policy": torch.zeros(())}),
        lambda tensors: tensors.update({"policy/0/step": torch.zeros((), dtype=torch.int64)}),
    ],
)
def test_a_state_whose_tensors_do_not_fit_its_models_is_refused(folder, change):
    tensors = load_file(folder / "state.safetensors")
    change(tensors)
    save_file(tensors, folder / "state.safetensors")
    with pytest.raises(ValueError, match=r"policy/state\.safetensors: .*(anew|copy it again)"):
        load_state(folder, policy=talker(1, TYPED))


@pytest.mark.parametrize(
    "size",
    [
        {"vocab_size": 10**12},
        {"layers": 10**9},
        {"channels": 10**8},
        {"context": 10**7},
        {"heads": "2"},
        {"eos_id": 1.5},
    ],
)
def test_no_size_is_believed_before_the_weights_have_it(folder, size):
    """A config may say anything: what it says is not made before something else says so too."""
    changed(folder / "config.json", config=json.loads((folder / "config.json").read_text())["config"] | size)
    with pytest.raises(ValueError, match=r"policy.*(anew|copy it again)"):
        load(folder)


@pytest.mark.parametrize(
    "values", [{"format": "1"}, {"format": None}, {"kind": 3}, {"kind": ["causal_lm"]}, {"config": []}]
)
def test_a_config_of_another_shape_is_named_by_its_place(folder, values):
    changed(folder / "config.json", **values)
    with pytest.raises(ValueError, match=rf"policy/config\.json: .*{next(iter(values))}.*anew"):
        load(folder)


def test_words_that_are_none_are_named(tmp_path):
    save(tmp_path / "words", AdditiveReward(["so"], small_tokenizer()), small_tokenizer())
    for values in ({"words": "so"}, {"words": [1]}, {"count_length": "yes"}, {"words": ["so", "kind"]}):
        changed(tmp_path / "words" / "config.json", **{"words": ["so"], "count_length": True} | values)
        with pytest.raises(ValueError, match=r"words/(config\.json: .*anew|weights\.safetensors: .*another model)"):
            load(tmp_path / "words")


@pytest.mark.parametrize("name", ["config.json", "state.json"])
@pytest.mark.parametrize(
    "content", ["[" * 100_000, '{"a": ' * 100_000, '{"format": ' + "9" * 5000 + "}", '{"step": 1, "step": 2}']
)
def test_no_bytes_end_the_process(folder, name, content):
    (folder / name).write_text(content)
    with pytest.raises(ValueError, match=rf"policy/{name}.*anew"):
        load_state(folder, policy=load(folder)[0])
