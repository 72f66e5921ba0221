"""The shipped texts are what the code writes, keep their split, and fit the tokenizer and the context."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from minirlhf.course.texts import held_out
from minirlhf.worlds import helpdesk

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The texts written anew, in a process of its own: nothing may depend on what ran before."""
    folder = tmp_path_factory.mktemp("data")
    program = "import sys; from minirlhf.course.texts import write_texts; write_texts(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, folder], check=True, cwd=DATA.parent)
    return folder


@pytest.fixture(scope="module")
def rows(written):
    return {
        path.stem: [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        for path in written.glob("*.jsonl")
        if not path.stem.startswith(("moods", "kitchen"))  # other worlds: test_moods.py, test_kitchen.py
    }


@pytest.fixture(scope="module")
def length(rows):
    """The number of tokens in a text, under a tokenizer made as the package makes its own."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    texts = [row["text"] for row in rows["base"]]
    texts += [row["prompt"] + row["completion"] for row in rows["demonstrations_train"]]
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=["<|endoftext|>"],
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return lambda text: len(bpe.encode(text).ids)


def test_the_shipped_texts_are_rebuilt_bit_for_bit(written):
    texts = sorted(written.glob("*.jsonl"))
    assert [path.name for path in texts] == sorted(path.name for path in DATA.glob("*.jsonl"))
    for path in texts:
        same = path.read_bytes() == (DATA / path.name).read_bytes()
        assert same, f"{path.name} is not what the code writes now: run `make data`"


def test_the_files_have_the_promised_columns_and_size(written, rows):
    columns = {
        "base": ["text"],
        "demonstrations": ["prompt", "completion"],
        "prompts": ["prompt"],
        "comparisons": ["prompt", "chosen", "rejected", "probability", "person"],
    }
    for name, found in rows.items():
        assert all(list(row) == columns[name.split("_")[0]] for row in found)
    assert sum(path.stat().st_size for path in written.glob("*.jsonl")) < 4.5e6


def test_the_card_names_every_file_with_its_rows(rows):
    card = (DATA / "README.md").read_text("utf-8")
    for name, found in rows.items():
        assert re.search(rf"`{name}\.jsonl` *\| *{len(found):,} ", card), f"{name} has {len(found):,} rows"


def test_held_out_customers_are_in_no_other_file(rows):
    for name, found in rows.items():
        if name != "base":
            prompts = [row["prompt"] for row in found]
            assert {held_out(prompt) for prompt in prompts} == {name.endswith("held_out")}
            assert len(set(prompts)) == len(prompts)
    for row in rows["base"]:
        for line in re.findall(r"Customer: .*", row["text"]):
            assert not held_out(line + "\nAgent:")


def test_every_prompt_belongs_to_the_world(rows):
    for name, found in rows.items():
        for row in found[:100]:
            if name != "base":
                helpdesk.read(row["prompt"])


def test_comparisons_differ_and_say_that_they_are_simulated(rows):
    for row in rows["comparisons_train"] + rows["comparisons_held_out"]:
        assert row["chosen"] != row["rejected"]
        assert "simulated" in row["person"]
        assert 0 < row["probability"] < 1


def test_comparisons_are_informative_but_noisy(rows):
    for half in ("train", "held_out"):
        found = rows[f"comparisons_{half}"][:300]
        gaps = [helpdesk.gold(r["prompt"], r["chosen"]) - helpdesk.gold(r["prompt"], r["rejected"]) for r in found]
        assert 0.82 < sum(gap > 0 for gap in gaps) / sum(gap != 0 for gap in gaps) < 0.92
        assert sum(gap == 0 for gap in gaps) / len(gaps) < 0.1


def test_the_words_are_few(rows):
    texts = [" ".join(str(value) for key, value in row.items() if key != "person") for f in rows.values() for row in f]
    assert len(set(re.findall(r"[a-z]+", " ".join(texts).lower()))) < 180


def test_texts_fit_the_tokenizer_and_the_context(rows, length):
    prompts, replies, both = [], [], []
    for row in rows["demonstrations_train"] + rows["comparisons_train"][:2_000] + rows["comparisons_held_out"]:
        prompt = length(row["prompt"])
        for reply in (row[key] for key in ("completion", "chosen", "rejected") if key in row):
            said = length(reply)
            prompts.append(prompt)
            replies.append(said)
            both.append(prompt + said)
    assert sum(prompts) / len(prompts) <= 15.5 and max(prompts) <= 22
    assert sum(replies) / len(replies) <= 20 and sorted(replies)[len(replies) * 99 // 100] <= 36
    assert max(replies) <= 40 and max(both) <= 62
    assert max(length(row["text"]) for row in rows["base"]) <= 62
