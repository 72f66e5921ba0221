"""Votes in and out of files: TRL takes what is written, nothing is lost on the way, and bad files are refused whole."""

import bz2
import csv
import gzip
import json
import lzma
import re
import shutil
import warnings
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path

import datasets
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from minirlhf.data import read_jsonl
from minirlhf.feedback.formats import (
    FORMATS,
    detect_format,
    export,
    import_votes,
    preference_dataset,
    read_votes,
    sft_dataset,
    unpaired_dataset,
)
from minirlhf.feedback.formats.conversation import to_content, to_messages, to_prompt, to_reply
from minirlhf.feedback.meaning import demonstrations, judgements, preferences
from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import (
    ORIGINS,
    Answer,
    Better,
    BothBad,
    Question,
    Ranking,
    Skip,
    Stars,
    Text,
    Thumb,
    Tie,
    Vote,
)
from minirlhf.paths import data_folder
from minirlhf.tokenizer import END_OF_TEXT, Tokenizer

SAMPLES = Path(__file__).parent / "samples"
HAT, LAMP = "Customer: My hat is too small.\nAgent:", "Customer: Where is my lamp?\nAgent:"
GOOD, POOR, OTHER = " We will send a bigger hat.", " Yes? Bye.", " Hi there! We will look."


def vote(mode: str, replies: tuple[str, ...], answer: Answer, voter: str = "you", prompt: str = HAT, **asked) -> Vote:
    shown = tuple(reversed(range(len(replies))))
    return Vote(Question(mode, prompt, replies, **asked), answer, shown, voter, response_ms=1234)


VOTES = [
    vote("pair", (GOOD, POOR), Better(0), models=("SFT", "RLHF"), checkpoints=("a1", "b2")),
    vote("pair", (OTHER, GOOD), Better(1), "Ada", round=2),
    vote("pair", (OTHER, GOOD), Tie()),
    vote("pair", (POOR, OTHER), BothBad(), "Ada"),
    vote("pair", (POOR, OTHER), Skip()),
    vote("pair", (GOOD, POOR), Better(0), purpose="gold", expected=0),
    vote("pair", (GOOD, POOR), Better(0), purpose="repeat"),
    vote("thumbs", (GOOD,), Thumb(True)),
    vote("stars", (GOOD,), Stars(5), prompt=LAMP),
    vote("stars", (POOR,), Stars(2), prompt=LAMP),
    vote("stars", (OTHER,), Stars(2), prompt=LAMP),
    vote("ranking", (POOR, GOOD, OTHER), Ranking((1, 2, 0)), "Ada"),
    vote("correction", (POOR,), Text(" We will swap it.")),
    vote("demonstration", (), Text("It will come “today” – 你好\u2028:)"), prompt=LAMP),
    replace(vote("pair", (GOOD, POOR), Better(0), "the patient one (simulated)"), origin="simulated"),
    replace(vote("thumbs", (POOR,), Thumb(False), "Label Studio 7"), origin="imported", response_ms=None),
    replace(
        vote("thumbs", (OTHER,), Thumb(False)),
        time=datetime(2026, 1, 2, 3, 4, 5, 678901, timezone(timedelta(hours=5, minutes=30))),
    ),
]


def words(preference) -> tuple:
    return preference.prompt, preference.chosen, preference.rejected


# ---- data sets


def test_the_columns_are_those_of_trl_and_stay_when_there_is_no_row():
    for votes in (VOTES, []):
        for conversational in (False, True):
            assert preference_dataset(votes, conversational).column_names == ["prompt", "chosen", "rejected"]
            assert unpaired_dataset(votes, conversational).column_names == ["prompt", "completion", "label"]
            assert sft_dataset(votes, conversational).column_names == ["prompt", "completion"]
        assert preference_dataset(votes, stars="pairs").column_names[3:] == ["margin"]
    assert unpaired_dataset([]).features == unpaired_dataset(VOTES).features
    assert unpaired_dataset([]).features["label"].dtype == "bool"


def test_every_row_is_a_text_that_somebody_judged():
    """Prompt and completion are the vote's own, to the letter, and a reply begins with its space."""
    rows = preference_dataset(VOTES).to_list()
    certain = [p for p in preferences(v for v in VOTES if v.question.mode != "stars") if p.preference == 1]
    assert [(row["prompt"], row["chosen"], row["rejected"]) for row in rows] == [words(p) for p in certain]
    assert {"prompt": HAT, "chosen": GOOD, "rejected": POOR} in rows
    assert all(row["prompt"].endswith("Agent:") and row["chosen"].startswith(" ") for row in rows)


def test_ties_have_no_row():
    assert len(preference_dataset([VOTES[2]])) == 0
    assert len(preference_dataset([v for v in VOTES if v.question.mode == "stars"], stars="pairs")) == 2


def test_stars_are_judgements_or_pairs_with_a_margin_and_never_both():
    starred = [v for v in VOTES if v.question.mode == "stars"]
    assert len(preference_dataset(starred)) == 0
    assert [row["label"] for row in unpaired_dataset(starred).to_list()] == [True, False, False]
    assert preference_dataset(starred, stars="pairs")["margin"][:] == [3.0, 3.0]
    assert len(unpaired_dataset(starred, stars="pairs")) == 0
    with pytest.raises(ValueError, match="judgements or pairs"):
        preference_dataset(starred, stars="stars")


# ---- conversations


@given(st.text(alphabet="Customer: Agent\n a!:", max_size=60))
def test_a_prompt_of_the_help_desk_survives_being_messages(text):
    prompt = f"Customer: {text}\nAgent:"
    messages = to_messages(prompt)
    assert to_prompt(messages) == prompt
    assert {message["role"] for message in messages} <= {"user", "assistant"}
    assert to_reply(to_content(f" {text}")) == f" {text}"


def test_a_dialogue_becomes_its_turns():
    assert to_messages("Customer: My hat!\nAgent: Yes?\nCustomer: It is small.\nAgent:") == [
        {"role": "user", "content": "My hat!"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "It is small."},
    ]
    assert to_messages("The sky is") == [{"role": "user", "content": "The sky is"}]


def test_conversational_rows_hold_only_the_reply():
    row = preference_dataset(VOTES, conversational=True)[0]
    assert row["prompt"] == [{"role": "user", "content": "My hat is too small."}]
    assert row["chosen"] == [{"role": "assistant", "content": GOOD.strip()}]
    assert row["rejected"] == [{"role": "assistant", "content": POOR.strip()}]


# ---- TRL itself

# What the help desk's texts look like, as a chat template: nothing but the two names.
TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'user' %}Customer: {{ m.content }}\nAgent:"
    "{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
)


@pytest.fixture(scope="module")
def hf_tokenizer():
    from transformers import PreTrainedTokenizerFast

    bpe = tokenizers.Tokenizer.from_file(str(data_folder() / "checkpoints" / "base" / "tokenizer.json"))
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token=END_OF_TEXT, pad_token="<|pad|>", chat_template=TEMPLATE
    )


def trainer(name: str, rows: datasets.Dataset, hf_tokenizer, folder: Path):
    """One of TRL's trainers with a random model of 16 channels."""
    import transformers
    import trl

    config = transformers.GPT2Config(
        vocab_size=len(hf_tokenizer),
        n_positions=64,
        n_embd=16,
        n_layer=2,
        n_head=2,
        num_labels=1,
        bos_token_id=hf_tokenizer.eos_token_id,
        eos_token_id=hf_tokenizer.eos_token_id,
        pad_token_id=hf_tokenizer.pad_token_id,
    )
    kind = "GPT2ForSequenceClassification" if name == "Reward" else "GPT2LMHeadModel"
    model, reference = (getattr(transformers, kind)(config) for _ in range(2))
    arguments = getattr(trl, f"{name}Config")(
        output_dir=str(folder),
        max_steps=1,
        per_device_train_batch_size=2,
        max_length=64,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        save_strategy="no",
    )
    more = {"ref_model": reference} if name in ("DPO", "KTO") else {}
    return getattr(trl, f"{name}Trainer")(
        model=model, args=arguments, train_dataset=rows, processing_class=hf_tokenizer, **more
    )


@pytest.fixture(scope="module")
def our_ids():
    ours = Tokenizer.load(data_folder() / "checkpoints" / "base" / "tokenizer.json")
    return lambda text, end=True: ours.encode(text) + [ours.eos_id] * end


@pytest.mark.filterwarnings("ignore:::(transformers|trl|torch|accelerate)")
@pytest.mark.parametrize("conversational", [False, True], ids=["standard", "conversational"])
class TestTRL:
    """Its trainers prepare our rows without a complaint, into the very ids that our own model reads, and train."""

    def train(self, prepared):
        assert prepared.train().training_loss > 0  # and no NaN

    @pytest.mark.parametrize("stars", ["judgements", "pairs"])
    def test_dpo(self, conversational, stars, hf_tokenizer, our_ids, tmp_path):
        rows = preference_dataset(VOTES, conversational, stars)
        prepared = trainer("DPO", rows, hf_tokenizer, tmp_path)
        for row, wanted in zip(prepared.train_dataset, preference_dataset(VOTES, stars=stars), strict=True):
            assert row["prompt_ids"] == our_ids(wanted["prompt"], end=False)
            assert row["prompt_ids"] + row["chosen_ids"] == our_ids(wanted["prompt"] + wanted["chosen"])
            assert row["prompt_ids"] + row["rejected_ids"] == our_ids(wanted["prompt"] + wanted["rejected"])
        self.train(prepared)

    @pytest.mark.parametrize("stars", ["judgements", "pairs"])
    def test_reward(self, conversational, stars, hf_tokenizer, our_ids, tmp_path):
        rows = preference_dataset(VOTES, conversational, stars)
        prepared = trainer("Reward", rows, hf_tokenizer, tmp_path)
        for row, wanted in zip(prepared.train_dataset, preference_dataset(VOTES, stars=stars), strict=True):
            assert row["chosen_ids"] == our_ids(wanted["prompt"] + wanted["chosen"])
            assert row["rejected_ids"] == our_ids(wanted["prompt"] + wanted["rejected"])
        assert ("margin" in next(iter(prepared.get_train_dataloader()))) == (stars == "pairs")
        self.train(prepared)

    @pytest.mark.parametrize("choices", [False, True])
    def test_kto(self, conversational, choices, hf_tokenizer, our_ids, tmp_path):
        rows = unpaired_dataset(VOTES, conversational, choices=choices)
        prepared = trainer("KTO", rows, hf_tokenizer, tmp_path)
        found = {(*row["prompt_ids"], *row["completion_ids"], row["label"]) for row in prepared.train_dataset}
        wanted = unpaired_dataset(VOTES, choices=choices).to_list()
        assert found == {(*our_ids(row["prompt"] + row["completion"]), row["label"]) for row in wanted}
        self.train(prepared)

    def test_sft(self, conversational, hf_tokenizer, our_ids, tmp_path):
        # Without the Chinese and the quotes, which the sizes of these models have no room for.
        votes = [v for v in VOTES if "你" not in str(v.answer)]
        prepared = trainer("SFT", sft_dataset(votes, conversational), hf_tokenizer, tmp_path)
        for row, wanted in zip(prepared.train_dataset, sft_dataset(votes), strict=True):
            ids, prompt = (our_ids(wanted["prompt"] + wanted["completion"]), our_ids(wanted["prompt"], end=False))
            assert row["input_ids"] == ids
            assert row["labels"] == [-100] * len(prompt) + ids[len(prompt) :]  # the prompt is no one's lesson
        self.train(prepared)

    def test_its_own_helpers_see_what_we_mean(self, conversational):
        from trl.data_utils import extract_prompt, is_conversational, unpair_preference_dataset

        for rows in (preference_dataset, unpaired_dataset, sft_dataset):
            assert is_conversational(rows(VOTES, conversational)[0]) == conversational
        # Taken apart by TRL, our preferences are the yes and the no that we take them apart into.
        chosen = [v for v in VOTES if isinstance(v.answer, Better | Ranking)]
        apart = unpair_preference_dataset(preference_dataset(chosen, conversational))
        columns = ["prompt", "completion", "label"]
        assert (
            apart.select_columns(columns).to_list() == unpaired_dataset(chosen, conversational, choices=True).to_list()
        )
        # And the prompt that it finds where the column is missing is the one that stood there.
        if conversational:
            for row in preference_dataset(VOTES, conversational):
                whole = {side: row["prompt"] + row[side] for side in ("chosen", "rejected")}
                assert extract_prompt(whole) == row


# ---- files


def test_a_round_trip_changes_nothing(tmp_path):
    export(VOTES, tmp_path)
    assert read_votes(tmp_path / "votes.jsonl") == VOTES
    assert detect_format(tmp_path / "votes.jsonl") == "votes"


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize("conversational", [False, True], ids=["standard", "conversational"])
def test_what_was_written_says_the_same_when_it_is_read(kind, conversational, tmp_path):
    wrote = export(VOTES, tmp_path, (kind,), conversational)
    assert [path.name for path in wrote.paths] == [
        *(f"{name}.{kind}" for name in ("preference", "unpaired", "sft")),
        "votes.jsonl",
    ]
    rows = {name: read_votes(tmp_path / f"{name}.{kind}") for name in ("preference", "unpaired", "sft")}
    assert wrote.rows == {name: len(found) for name, found in rows.items()} | {"votes": len(VOTES)}
    assert list(map(words, preferences(rows["preference"]))) == [
        words(p) for p in preferences(v for v in VOTES if v.question.mode != "stars") if p.preference == 1
    ]
    assert [(j.prompt, j.completion, j.label) for j in judgements(rows["unpaired"])] == [
        (j.prompt, j.completion, j.label) for j in judgements(VOTES, every_star=True)
    ]
    assert [(d.prompt, d.completion) for d in demonstrations(rows["sft"])] == [
        (d.prompt, d.completion) for d in demonstrations(VOTES)
    ]


def test_the_files_say_what_the_data_sets_say(tmp_path):
    export(VOTES, tmp_path, ("jsonl", "parquet"), conversational=True)
    for name, rows in {"preference": preference_dataset, "unpaired": unpaired_dataset}.items():
        wanted = rows(VOTES, conversational=True).to_list()
        assert datasets.Dataset.from_parquet(str(tmp_path / f"{name}.parquet")).to_list() == wanted
        assert datasets.Dataset.from_json(str(tmp_path / f"{name}.jsonl")).to_list() == wanted


def test_our_own_loader_reads_what_was_written(tmp_path):
    export(VOTES, tmp_path)
    rows = [row for _, row in read_jsonl(tmp_path / "preference.jsonl", ("prompt", "chosen", "rejected"))]
    assert rows == preference_dataset(VOTES).to_list()


def test_nothing_is_overwritten_unless_asked(tmp_path):
    export(VOTES, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FileExistsError, match=r"preference\.jsonl is there already.*overwrite=True"):
        export(VOTES[:1], tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    # An old sft.jsonl beside new choices would be taken for a part of them.
    (tmp_path / "notes.txt").write_text("mine")
    export(VOTES[:1], tmp_path, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "preference.jsonl", "votes.jsonl"]
    with pytest.raises(FileExistsError):
        export(VOTES, tmp_path, ("parquet",))


def test_what_is_not_written_is_said(tmp_path):
    wrote = export([VOTES[0], VOTES[2], VOTES[5]], tmp_path / "new" / "folder")
    assert [path.name for path in wrote.paths] == ["preference.jsonl", "votes.jsonl"]
    assert wrote.rows == {"preference": 1, "unpaired": 0, "sft": 0, "votes": 3}
    said = str(wrote)
    for part in (
        "preference.jsonl: 1 row",
        "unpaired was not written",
        "sft was not written",
        "1 tie:",
        "1 attention check:",
    ):
        assert part in said
    nothing = export([], tmp_path / "none")
    assert nothing.paths == () and "there is no vote" in str(nothing)
    with pytest.raises(ValueError, match="no format csv; there are jsonl, parquet"):
        export(VOTES, tmp_path / "other", ("csv",))
    assert not (tmp_path / "other").exists()
    assert len(export(VOTES, tmp_path / "one", "parquet").paths) == 4


def test_anonymous_hides_people_and_keeps_simulated_ones_simulated(tmp_path):
    export(VOTES, tmp_path, anonymous=True)
    found = read_votes(tmp_path / "votes.jsonl")
    you, ada, again = (v.voter for v in found[:3])
    assert you == again != ada
    people = {v.voter for v in found} - {"the patient one (simulated)"}
    assert len(people) == 3 and all(re.fullmatch("p-[0-9a-f]{10}", name) for name in people)
    assert [replace(v, voter=w.voter) for v, w in zip(found, VOTES, strict=True)] == VOTES
    assert "Ada" not in (tmp_path / "votes.jsonl").read_text("utf-8")


# ---- other people's files

SAMPLE_FORMATS = {
    "hh_rlhf.jsonl": "hh-rlhf",
    "ultrafeedback.jsonl": "ultrafeedback",
    "label_studio.json": "label-studio",
    "argilla.jsonl": "argilla",
    "trl_preference.jsonl": "preference",
    "trl_preference_conversational.jsonl": "preference",
    "trl_preference_implicit.jsonl": "preference",
    "trl_unpaired.jsonl": "unpaired",
    "trl_sft_conversational.jsonl": "sft",
}


@pytest.mark.parametrize("name", SAMPLE_FORMATS)
def test_a_sample_is_recognised_and_reads_the_same_every_time(name, tmp_path):
    assert detect_format(SAMPLES / name) == SAMPLE_FORMATS[name]
    votes = read_votes(SAMPLES / name)
    shutil.copy(SAMPLES / name, tmp_path / "renamed.txt")
    assert votes == read_votes(tmp_path / "renamed.txt", SAMPLE_FORMATS[name])
    assert len({v.id for v in votes}) == len(votes)
    assert all(v.origin == "imported" and v.origin in ORIGINS for v in votes)
    assert [v.time for v in votes] == sorted(v.time for v in votes) or name == "label_studio.json"
    store = FeedbackStore(tmp_path / "votes.db")
    assert [store.append(v) for v in votes] == [True] * len(votes)
    assert [store.append(v) for v in read_votes(SAMPLES / name)] == [False] * len(votes)
    assert sorted(v.id for v in store.votes()) == sorted(v.id for v in votes)


def test_every_sample_belongs_to_a_test_and_every_format_has_a_sample():
    assert {path.name for path in SAMPLES.iterdir()} == set(SAMPLE_FORMATS)
    assert {*SAMPLE_FORMATS.values(), "votes"} == set(FORMATS)


def test_hh_rlhf_keeps_the_whole_dialogue_as_the_prompt():
    rows = [json.loads(line) for line in (SAMPLES / "hh_rlhf.jsonl").read_text("utf-8").splitlines()]
    found = preferences(read_votes(SAMPLES / "hh_rlhf.jsonl"))
    assert [(p.prompt + p.chosen, p.prompt + p.rejected) for p in found] == [
        (row["chosen"], row["rejected"]) for row in rows
    ]
    assert found[1].prompt.endswith("Human: In the snow.\n\nAssistant:") and found[1].rejected == " Yes."
    assert found[2].chosen == " The sky, on a good day."  # cut where the turn begins, not where the texts part


def test_ultrafeedback_takes_equal_scores_for_a_tie():
    first, second = preferences(read_votes(SAMPLES / "ultrafeedback.jsonl"))
    assert (first.preference, second.preference) == (1.0, 0.5)
    assert first.prompt == "Customer: Which is heavier, a drum or a kite?\nAgent:"
    assert (first.chosen, first.rejected) == (" A drum, by far.", " A kite.")


def test_label_studio_knows_sides_skips_people_and_times():
    votes = read_votes(SAMPLES / "label_studio.json")
    assert [(v.voter, v.answer) for v in votes] == [
        ("Label Studio 7", Better(0)),
        ("Label Studio 9", Better(1)),
        ("Label Studio 7", Skip()),
        ("Label Studio 9", Better(1)),
    ]
    assert [v.chose_left for v in votes] == [True, False, None, False]
    assert votes[0].response_ms == 4288
    assert votes[0].time == datetime(2026, 3, 9, 22, 16, 8, 728353, UTC)
    assert votes[1].time == datetime(2026, 3, 9, 22, 16, 8, tzinfo=UTC)
    assert "example.org" not in repr(votes) and "Niner" not in repr(votes)


def test_an_address_never_becomes_a_pseudonym(tmp_path):
    for who in ("nine@example.org", {"email": "nine@example.org"}, {"id": "nine@example.org"}):
        (found,) = read_votes(written(tmp_path, [annotated(completed_by=who)]))
        assert re.fullmatch(r"Label Studio( [0-9a-f]{8})?", found.voter)


def test_label_studio_projects_name_their_fields_as_they_like(tmp_path):
    tasks = (SAMPLES / "label_studio.json").read_text("utf-8")
    for ours, theirs in {"prompt": "question", "answer1": "text1", "answer2": "text2"}.items():
        tasks = tasks.replace(f'"{ours}":', f'"{theirs}":')
    (tmp_path / "tasks.json").write_text(tasks, "utf-8")
    found = read_votes(tmp_path / "tasks.json", prompt="question", left="text1", right="text2")
    assert found == read_votes(SAMPLES / "label_studio.json")
    with pytest.raises(ValueError, match=r"'prompt' is missing \(there is: question, text1, text2\).*left=…"):
        read_votes(tmp_path / "tasks.json")


def test_argilla_counts_what_was_submitted_and_ties_are_pairs():
    votes = read_votes(SAMPLES / "argilla.jsonl")
    assert len({v.voter for v in votes}) == 2  # the draft and the discarded one are nobody's vote
    assert votes[0].question.mode == "ranking" and votes[0].answer == Ranking((0, 2, 1))
    record = json.loads((SAMPLES / "argilla.jsonl").read_text("utf-8").split("\n")[0])
    replies = [record[f"response-{n}"] for n in (1, 2, 3)]
    said = {(p.chosen, p.rejected, p.preference) for p in preferences(votes[1:])}
    assert said == {(replies[0], replies[1], 1.0), (replies[0], replies[2], 1.0), (replies[1], replies[2], 0.5)}


def test_argilla_keeps_a_ranking_of_two_as_a_pair(tmp_path):
    def responses(first: int, second: int) -> list[dict]:
        value = [{"rank": first, "value": "a"}, {"rank": second, "value": "b"}]
        return [{"user_id": None, "value": value, "status": "submitted"}]

    record = {"prompt": HAT, "a": GOOD, "b": POOR, "helpful": responses(1, 2), "kind": responses(2, 2)}
    path = written(tmp_path, [record])
    assert read_votes(path, question="helpful")[0].answer == Better(0)
    assert read_votes(path, question="kind")[0].answer == Tie()
    with pytest.raises(ValueError, match=r"more than one ranking \(helpful, kind\).*question=…"):
        read_votes(path)


def test_the_shipped_choices_stay_simulated():
    votes = read_votes(data_folder() / "comparisons_held_out.jsonl")
    assert len(votes) == 600
    assert {(v.voter, v.origin) for v in votes} == {("the patient one (simulated)", "simulated")}


def test_no_side_is_favoured_where_the_file_knows_none():
    votes = read_votes(data_folder() / "comparisons_held_out.jsonl")
    left = sum(v.chose_left for v in votes)
    assert abs(left - 300) < 4 * 600**0.5 / 2  # four standard deviations of a coin
    # The lot looks at the texts alone: who thinks otherwise is asked the same question.
    flipped = [{"prompt": HAT, "chosen": POOR, "rejected": GOOD}, {"prompt": HAT, "chosen": GOOD, "rejected": POOR}]
    first, second = (FORMATS["preference"].votes(row, fields())[0] for row in flipped)
    assert first.question == second.question and first.answer != second.answer


def fields():
    from minirlhf.feedback.formats.trl_rows import Fields

    return Fields()


def test_ids_follow_what_is_said_and_not_where_it_stands(tmp_path):
    rows = [{"prompt": HAT, "chosen": GOOD, "rejected": f" {n}"} for n in range(3)]
    first = read_votes(written(tmp_path, rows))
    longer = read_votes(written(tmp_path, [{"prompt": LAMP, "chosen": GOOD, "rejected": POOR}, *rows]))
    assert [v.id for v in first] == [v.id for v in longer[1:]]
    # Who says the same twice has voted twice, and another class is another voter.
    twice = read_votes(written(tmp_path, [rows[0], *rows]))
    assert len({v.id for v in twice}) == 4 and twice[0].id == first[0].id
    other = read_votes(written(tmp_path, rows), voter="class B")
    assert not {v.id for v in first} & {v.id for v in other}
    assert {v.voter for v in other} == {"class B"}


# ---- bad files


def written(folder: Path, rows: list) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def message(role: str, content: str) -> dict:
    return {"role": role, "content": content}


PREFERENCE = {"prompt": HAT, "chosen": GOOD, "rejected": POOR}
UNPAIRED = {"prompt": HAT, "completion": GOOD, "label": True}
HH = {"chosen": "\n\nHuman: Hi\n\nAssistant: Yes.", "rejected": "\n\nHuman: Hi\n\nAssistant: No."}
TALK = {
    "prompt": [message("user", "Hi")],
    "chosen": [message("assistant", "Yes.")],
    "rejected": [message("assistant", "No.")],
}
ULTRA = {
    "prompt": "Hi",
    "chosen": [message("user", "Hi"), message("assistant", "Yes.")],
    "rejected": [message("user", "Hi"), message("assistant", "No.")],
    "score_chosen": 5.0,
    "score_rejected": 1.0,
}
TASK = {
    "data": {"prompt": HAT, "answer1": GOOD, "answer2": POOR},
    "annotations": [{"result": [{"type": "pairwise", "value": {"selected": "left"}}], "lead_time": 1.0}],
}
RECORD = {
    "prompt": HAT,
    "a": GOOD,
    "b": POOR,
    "best": [{"user_id": "1", "value": [{"rank": 1, "value": "a"}, {"rank": 2, "value": "b"}], "status": "submitted"}],
}


def own(**changed) -> dict:
    from minirlhf.feedback.votes import vote_to_row

    return vote_to_row(VOTES[0]) | changed


def annotated(**changed) -> dict:
    return TASK | {"annotations": [TASK["annotations"][0] | changed]}


def selected(value: object) -> dict:
    return annotated(result=[{"type": "pairwise", "value": {"selected": value}}])


def ranked(*options: tuple[object, str]) -> dict:
    value = [{"rank": rank, "value": name} for rank, name in options]
    return RECORD | {"best": [RECORD["best"][0] | {"value": value}]}


def without(row: dict, column: str) -> dict:
    return {name: value for name, value in row.items() if name != column}


BAD_ROWS = {
    "missing column": (PREFERENCE, without(PREFERENCE, "rejected"), "'rejected' is missing (there is: prompt, chosen)"),
    "null": (PREFERENCE, PREFERENCE | {"prompt": None}, "'prompt' is missing"),
    "wrong type": (PREFERENCE, PREFERENCE | {"chosen": 3}, "'chosen' must be text, and is 3"),
    "empty text": (PREFERENCE, PREFERENCE | {"chosen": "  "}, "'chosen' is empty"),
    "same text": (PREFERENCE, PREFERENCE | {"chosen": POOR}, "'chosen' and 'rejected' are the same text"),
    "half a character": (PREFERENCE, PREFERENCE | {"chosen": "\ud83d"}, "'chosen' holds half of a character"),
    "a row that is none": (PREFERENCE, ["prompt"], "a row must be a JSON object"),
    "label that is none": (UNPAIRED, UNPAIRED | {"label": 1}, "'label' must be true or false, and is 1"),
    "label missing": (UNPAIRED, without(UNPAIRED, "label"), "'label' is missing"),
    "empty talk": (TALK, TALK | {"chosen": []}, "'chosen' is empty"),
    "talk of texts": (TALK, TALK | {"chosen": ["Yes."]}, "'chosen' must be a list in which each item is an object"),
    "talk without a role": (TALK, TALK | {"chosen": [{"content": "Yes."}]}, "in a message of 'chosen', 'role' is"),
    "talk with parts": (TALK, TALK | {"chosen": [{"role": "assistant", "content": [{}]}]}, "'content' must be text"),
    "talk of a tool": (TALK, TALK | {"prompt": [message("tool", "Hi")]}, "role 'tool', and"),
    "talk that goes on": (
        TALK,
        TALK | {"chosen": [message("assistant", "Yes."), message("user", "Why?")]},
        "'chosen' must end in one message of the assistant, after the prompt, and holds: assistant, user",
    ),
    "half standard": (TALK, TALK | {"rejected": " No."}, "'rejected' must be a list"),
    "other prompt": (HH, HH | {"rejected": "\n\nHuman: Ho\n\nAssistant: No."}, "do not share a prompt"),
    "no prompt": (HH, {"chosen": "Yes.", "rejected": "No."}, "do not share a prompt"),
    "another turn": (HH, HH | {"rejected": HH["rejected"] + "\n\nHuman: Why?\n\nAssistant: So."}, "do not share"),
    "no answer": (HH, HH | {"rejected": "\n\nHuman: Hi\n\nAssistant: "}, "the last answer in 'rejected' is empty"),
    "same transcript": (HH, HH | {"rejected": HH["chosen"]}, "the same text"),
    "not a number": (ULTRA, ULTRA | {"score_chosen": float("nan")}, "'score_chosen' is nan, which is no number"),
    "infinite": (ULTRA, ULTRA | {"score_rejected": float("inf")}, "'score_rejected' is inf"),
    "no score": (ULTRA, ULTRA | {"score_rejected": None}, "'score_rejected' is missing"),
    "score as a text": (ULTRA, ULTRA | {"score_rejected": "5"}, "'score_rejected' must be a number"),
    "scores the wrong way": (ULTRA, ULTRA | {"score_rejected": 9.0}, "the chosen reply has the lower score"),
    "other prompt in talk": (
        ULTRA,
        ULTRA | {"rejected": [message("user", "Ho"), message("assistant", "No.")]},
        "do not share a prompt",
    ),
    "only replies": (ULTRA, ULTRA | {"chosen": [message("assistant", "Yes.")]}, "must end in one message"),
    "unknown side": (TASK, selected("middle"), "'selected' is 'middle', and must be left or right"),
    "no side": (TASK, selected(None), "must be left or right"),
    "a side of lists": (TASK, selected(["left"]), "must be left or right"),
    "no pairwise": (TASK, annotated(result=[{"type": "choices"}]), "0 results of type 'pairwise'"),
    "two pairwise": (TASK, annotated(result=TASK["annotations"][0]["result"] * 2), "2 results of type 'pairwise'"),
    "no result": (TASK, annotated(result=None), "'result' is missing"),
    "bad time": (TASK, annotated(created_at="yesterday"), "'created_at' is no time in ISO 8601"),
    "bad duration": (TASK, annotated(lead_time="long"), "'lead_time' must be a number"),
    "no data": (TASK, TASK | {"data": None}, "'data' is missing"),
    "same answers": (TASK, TASK | {"data": TASK["data"] | {"answer2": GOOD}}, "'answer1' and 'answer2' are the same"),
    "unknown option": (RECORD, ranked((1, "a"), (2, "c")), "a ranking of a, c must name two or more columns"),
    "one option": (RECORD, ranked((1, "a")), "must name two or more columns"),
    "an option twice": (RECORD, ranked((1, "a"), (2, "b"), (3, "b")), "must name two or more columns"),
    "rank that is none": (RECORD, ranked(("first", "a"), (2, "b")), "'rank' must be a whole number"),
    "empty reply": (RECORD, RECORD | {"b": None}, "'b' is missing"),
    "same replies": (RECORD, RECORD | {"b": GOOD}, "'a' and 'b' are the same text"),
    "own: no time zone": (own(), own(time="2026-01-01T00:00:00"), "time zone"),
    "own: no time": (own(), own(time="today"), "'today'"),
    "own: unknown answer": (own(), own(choice={"answer": "Best"}), "must be one of"),
    "own: answer without its part": (own(), own(choice={"answer": "Better"}), "'winner' is missing"),
    "own: part of another kind": (own(), own(choice={"answer": "Better", "winner": "0"}), "'winner' must be a whole"),
    "own: no such reply": (own(), own(choice={"answer": "Better", "winner": 2}), "There is no reply 2"),
    "own: unknown mode": (own(), own(mode="duel"), "'mode' must be one of pair"),
    "own: shown in part": (own(), own(shown=[0]), "shown must list every reply once"),
    "own: replies of numbers": (own(), own(replies=[1, 2]), "'replies' must be a list in which each item is text"),
    "own: expected without gold": (own(), own(expected=0), "A gold question"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_one_bad_row_refuses_the_whole_file(case, tmp_path):
    good, bad, what = BAD_ROWS[case]
    assert read_votes(written(tmp_path, [good]))
    path = written(tmp_path, [good, bad, good])
    with pytest.raises(ValueError, match=re.escape(what)) as refused:
        read_votes(path)
    assert str(refused.value).startswith(f"{path}, line 2: ")
    assert str(refused.value).endswith("Nothing was imported.")


def places(value: object, path: tuple = ()) -> list[tuple]:
    """Every place in a JSON value, as the way to it."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inside for place in places(item, (*path, key)))]


def changed(value: object, path: tuple, new: object) -> object:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], new)
    return copy


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.floats() | st.sampled_from(["", "a", HAT, "left", "\ud800"]),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from("ab"), inside, max_size=2),
    max_leaves=4,
)


@settings(max_examples=300)
@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # a note on what was read is no refusal
@given(
    row=st.sampled_from([PREFERENCE, UNPAIRED, HH, TALK, ULTRA, TASK, RECORD, own()]),
    data=st.data(),
    new=JSON,
    first=st.booleans(),
)
def test_whatever_stands_in_a_row_it_is_read_or_refused_in_words(row, data, new, first, tmp_path_factory):
    strange = changed(row, data.draw(st.sampled_from(places(row))), new)
    path = written(tmp_path_factory.getbasetemp(), [strange, row] if first else [row, strange])
    try:
        assert all(isinstance(v, Vote) for v in read_votes(path))
    except ValueError as refused:
        assert str(refused).startswith(str(path)) and "Nothing was imported." in str(refused)


def test_all_bad_rows_are_named_at_once(tmp_path):
    bad = PREFERENCE | {"chosen": POOR}
    with pytest.raises(ValueError, match=r"line 2: [\s\S]*line 3: [\s\S]*2 of 3 rows[\s\S]*Nothing was imported\.$"):
        read_votes(written(tmp_path, [PREFERENCE, bad, bad]))
    with pytest.raises(ValueError, match=r"line 2: [\s\S]*lines 3 to 20, line 22: "):
        read_votes(written(tmp_path, [PREFERENCE, *[bad] * 19, PREFERENCE, bad]))
    with pytest.raises(ValueError, match=r"400 of 800 rows") as refused:  # too many to be read are counted
        read_votes(written(tmp_path, [PREFERENCE, bad] * 400))
    assert len(str(refused.value)) < 3000 and "399 in all" in str(refused.value)


def test_a_list_counts_items_and_parquet_rows(tmp_path):
    bad = PREFERENCE | {"chosen": POOR}
    (tmp_path / "list.json").write_text(json.dumps([PREFERENCE, bad]))
    datasets.Dataset.from_list([PREFERENCE, bad]).to_parquet(str(tmp_path / "rows.parquet"))
    for name, place in {"list.json": "item 2", "rows.parquet": "row 2"}.items():
        with pytest.raises(ValueError, match=f"{name}, {place}: 'chosen' and 'rejected' are the same"):
            read_votes(tmp_path / name)


BAD_FILES = {
    "broken": (b'{"prompt": "a"}\n{"prompt": \n', "line 2: not valid JSON"),
    "broken list": (b'[\n{"prompt": "a"},\n{"prompt"}\n]', "line 3: not valid JSON"),
    "empty": (b"", "the file is empty"),
    "blank": (b"\n \n", "the file is empty"),
    "empty list": (b"[]", "there is no row in it"),
    "Latin-1": ('{"prompt": "a"}\n{"prompt": "ä"}'.encode("latin-1"), "line 2: not UTF-8; save the file as UTF-8"),
    "UTF-16": ('{"prompt": "a"}'.encode("utf-16"), "UTF-16; save the file as UTF-8"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00", "save it as text in UTF-8"),
    "half a Parquet": (b"PAR1 and no more", "a Parquet file that cannot be read"),
    "too deep": (b"[" * 100_000, "nested too deeply"),
    "texts": (b'"a"\n"b"\n', "line 1: a row must be a JSON object"),
    "other columns": (b'{"question": "a", "answer": "b"}', "the columns question, answer fit no format"),
    "no column": (b"{}", "the columns (none) fit no format"),
    "nobody submitted": (
        json.dumps(RECORD | {"best": [RECORD["best"][0] | {"status": "draft"}]}).encode(),
        "nobody has voted in it",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_refused_with_a_reason(case, tmp_path):
    content, what = BAD_FILES[case]
    path = tmp_path / "votes.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(what)) as refused:
        read_votes(path)
    assert str(refused.value).startswith(str(path)) and "Nothing was imported." in str(refused.value)


def test_an_unknown_format_lists_those_that_are_known(tmp_path):
    path = written(tmp_path, [{"question": "a", "answer": "b"}])
    for call in (detect_format, read_votes):
        with pytest.raises(ValueError) as refused:
            call(path)
        assert all(f"  {name}: " in str(refused.value) for name in FORMATS)
    with pytest.raises(ValueError, match="no format 'potato'; there are votes, label-studio"):
        read_votes(path, "potato")


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.jsonl: no such file.*Nothing was imported"):
        read_votes(tmp_path / "none.jsonl")
    with pytest.raises(ValueError, match="this is a folder"):
        read_votes(tmp_path)


def test_what_windows_and_editors_add_does_no_harm(tmp_path):
    text = json.dumps(PREFERENCE | {"chosen": " a\u2028b"}, ensure_ascii=False)
    (tmp_path / "rows.jsonl").write_bytes(b"\xef\xbb\xbf" + f"\r\n{text}\r\n\r\n".encode())
    assert preferences(read_votes(tmp_path / "rows.jsonl"))[0].chosen == " a\u2028b"


def test_rows_of_another_format_are_refused_when_the_format_is_said(tmp_path):
    path = written(tmp_path, [UNPAIRED])
    with pytest.raises(ValueError, match="line 1: 'chosen' is missing"):
        read_votes(path, "preference")
    assert [v.question.mode for v in read_votes(path, "sft")] == ["demonstration"]  # extra columns do no harm


# ---- what strangers' files do


def test_bad_rows_can_be_left_out_and_each_is_named(tmp_path):
    same, empty = PREFERENCE | {"chosen": POOR}, PREFERENCE | {"prompt": " "}
    path = written(tmp_path, [PREFERENCE, same, empty, PREFERENCE | {"prompt": LAMP}, ["no row"]])
    with path.open("ab") as file:
        file.write(b"{no JSON}\n" + json.dumps(PREFERENCE | {"chosen": "ä"}, ensure_ascii=False).encode("latin-1"))
    found = import_votes(path, on_bad_rows="skip")
    assert [v.question.prompt for v in found.votes] == [HAT, LAMP]
    assert [each.place for each in found.left_out] == ["line 2", "line 3", "line 5", "line 6", "line 7"]
    assert found.rows == 7
    for each, what in zip(found.left_out, ("same text", "empty", "object", "JSON", "UTF-8"), strict=True):
        assert what in each.reason and f"{each.place}: {each.reason}" in str(found)
    # What is left has the ids that it has in the mended file.
    assert [v.id for v in found.votes] == [
        v.id for v in read_votes(written(tmp_path, [PREFERENCE, PREFERENCE | {"prompt": LAMP}]))
    ]
    with pytest.raises(ValueError, match="line 1: "):  # where nothing is good, nothing is imported
        import_votes(written(tmp_path, [same, same]), on_bad_rows="skip")
    with pytest.raises(ValueError, match="refuse or skip"):
        read_votes(path, on_bad_rows="ignore")


SYSTEM = [message("system", "Be kind.\nCustomer: is king."), message("user", "Hi")]


def test_a_system_message_is_a_part_of_the_prompt_or_dropped_when_asked(tmp_path):
    for row in (TALK | {"prompt": SYSTEM}, {side: [*SYSTEM, *TALK[side]] for side in ("chosen", "rejected")}):
        path = written(tmp_path, [row])
        (kept,) = read_votes(path)
        assert "Be kind." in kept.question.prompt and kept.question.prompt.endswith("Hi\nAgent:")
        assert preference_dataset([kept], conversational=True)[0]["prompt"] == SYSTEM
        (dropped,) = read_votes(path, system="drop")
        assert dropped.question.prompt == "Customer: Hi\nAgent:"
    with pytest.raises(ValueError, match="only what the system said"):
        read_votes(written(tmp_path, [TALK | {"prompt": SYSTEM[:1]}]), system="drop")
    with pytest.raises(ValueError, match="keep or drop"):
        read_votes(path, system="shout")
    assert read_votes(written(tmp_path, [TALK | {"prompt": [message("system", "Be kind."), SYSTEM[1]]}]))[
        0
    ].question.prompt.startswith("System: Be kind.\nCustomer: Hi")


@pytest.mark.parametrize(
    ("preference", "answer"), [(0.5, None), (1, GOOD), (1.0, GOOD), (0, POOR), (None, GOOD)], ids=str
)
def test_a_preference_column_says_who_won(preference, answer, tmp_path):
    for row in (
        PREFERENCE,
        TALK | {"chosen": [message("assistant", GOOD[1:])], "rejected": [message("assistant", POOR[1:])]},
    ):
        (vote,) = read_votes(written(tmp_path, [row | {"preference": preference}]))
        won = vote.question.replies[vote.answer.winner] if isinstance(vote.answer, Better) else None
        assert won == answer and (won is not None or vote.answer == Tie())


@pytest.mark.parametrize("preference", [0.7, -0.5, 2, float("nan"), float("inf"), "left", True, 10**400])
def test_a_preference_that_no_vote_can_say_is_refused(preference, tmp_path):
    with pytest.raises(ValueError, match="line 1: 'preference' "):
        read_votes(written(tmp_path, [PREFERENCE | {"preference": preference}]))


def test_equal_replies_may_be_skipped_but_not_chosen_between(tmp_path):
    same = TASK["data"] | {"answer2": GOOD}
    for skipped in (annotated(result=[]), annotated(was_cancelled=True)):
        votes = read_votes(written(tmp_path, [TASK, skipped | {"data": same}]))
        assert [v.answer for v in votes] == [Better(0), Skip()]


def test_texts_with_scores_are_a_preference(tmp_path):
    rows = [PREFERENCE | {"score_chosen": 8.0, "score_rejected": score} for score in (3.0, 8.0, None)]
    path = written(tmp_path, rows)
    assert detect_format(path) == "preference"
    assert [p.preference for p in preferences(read_votes(path))] == [1.0, 0.5, 1.0]


def test_texts_and_messages_may_stand_beside_each_other(tmp_path):
    prompt, chosen, rejected = "Customer: Hi\nAgent:", " Yes.", " No."
    for row in (
        TALK | {"prompt": "Hi"},
        TALK | {"prompt": prompt},
        TALK | {"chosen": "Yes.", "rejected": "No."},
        TALK | {"chosen": " Yes.", "rejected": " No."},
    ):
        assert list(map(words, preferences(read_votes(written(tmp_path, [row]))))) == [(prompt, chosen, rejected)]
    row = {"prompt": "Hi", "completion": [message("assistant", "Yes.")]}
    assert demonstrations(read_votes(written(tmp_path, [row])))[0].prompt == prompt
    row = {"prompt": [message("user", "Hi")], "completion": "Yes.", "label": True}
    assert judgements(read_votes(written(tmp_path, [row])))[0].completion == chosen


def test_dates_numbers_and_truths_in_texts_stay_texts(tmp_path):
    odd = ["2026-01-02", "2026-01-02T03:04:05Z", "12", "1e5", "true", "null", "NaN", "=1+1", "01.02.2026"]
    rows = [{"prompt": f"{text} ", "chosen": f"{text}.", "rejected": text} for text in odd]
    paths = [written(tmp_path, rows), *(table(tmp_path, rows, between) for between in ",;\t")]
    for path in paths:
        assert [words(p) for p in preferences(read_votes(path))] == [tuple(row.values()) for row in rows]


@pytest.mark.parametrize(
    ("row", "noted"),
    [
        ({"prompt": "Customer: Hi\nAgent:", "chosen": "Yes.", "rejected": " No."}, True),
        ({"prompt": "Is it so?", "completion": "Yes.", "label": True}, True),
        ({"prompt": "Is it so?", "completion": "Yes."}, True),
        ({"prompt": "Is it so?", "completion": " Yes."}, False),
        ({"prompt": "Is it so?\n", "completion": "Yes."}, False),
        ({"prompt": "是吗？", "completion": "是的。"}, False),
        (TALK, False),
        (HH, False),
        (own(choice={"answer": "Better", "winner": 0}, replies=["Yes.", "No."]), False),  # were here before
    ],
)
def test_a_reply_that_runs_into_its_prompt_is_noted_with_place_and_remedy(row, noted, tmp_path):
    path = written(tmp_path, [row])
    notes = [note for note in import_votes(path).notes if "without a space" in note]
    assert len(notes) == noted
    assert all("line 1" in note and "space before each reply" in note for note in notes)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        read_votes(path)
    assert [str(warning.message).endswith(note) for warning, note in zip(told, notes, strict=True)] == [True] * noted


def test_votes_that_stand_twice_count_once_and_it_is_said(tmp_path):
    export(VOTES, tmp_path)
    path, count = tmp_path / "votes.jsonl", len(VOTES)
    path.write_bytes(path.read_bytes() * 2)
    with pytest.warns(UserWarning, match=rf"{count} votes out of {2 * count} rows[\s\S]*{count + 1} to {2 * count}"):
        assert read_votes(path) == VOTES
    # Two that share an id and say different things are no repetition: the store would keep only one of them.
    path = written(tmp_path, [own(), own(voter="Bob")])
    with pytest.raises(ValueError, match=r"line 2: its id .* line 1"):
        read_votes(path)
    assert [each.place for each in import_votes(path, on_bad_rows="skip").left_out] == ["line 2"]


# ---- conversations, letter for letter

QUOTE = "It says:\nCustomer: It broke.\nAgent: Sorry."
PIECES = (
    "Customer:|Agent:|System:|\n|\nCustomer: |\nAgent: |\nAgent:|\t|\t | |a|"
    "\nCustomer:\t |\nAgent:\t\t |\n\nHuman: |\n\nAssistant:|\r|\u2028|é"
)
TURNS = st.lists(
    st.builds(
        message,
        st.sampled_from(["user", "assistant", "system"]),
        st.lists(st.sampled_from(PIECES.split("|")), max_size=6).map("".join),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=400)
@given(TURNS)
def test_messages_come_back_as_they_were_whatever_they_say(messages):
    """Also where a message quotes a conversation, and where nobody takes turns."""
    prompt = to_prompt(messages)
    assert prompt.endswith("\nAgent:")
    assert to_messages(prompt) == messages
    assert all(message["content"] in prompt for message in messages)  # the model reads the letters that were written


@settings(max_examples=400)
@given(TURNS.map(lambda turns: "\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)))
def test_prompts_in_the_help_desks_form_come_back_too(text):
    named = text.replace("user:", "Customer:").replace("assistant:", "Agent:").replace("system:", "System:")
    prompt = f"Customer: {named}\nAgent:"
    assert to_prompt(to_messages(prompt)) == prompt


@pytest.mark.parametrize("quote", [QUOTE, "Look:\nAgent: Sorry.\nCustomer: It broke.", "\nAgent: x", "Customer: x"])
def test_a_quoted_conversation_is_one_message(quote, tmp_path):
    path = written(tmp_path, [TALK | {"prompt": [message("user", quote)]}])
    votes = read_votes(path)
    for again in (votes, exported_and_read(votes, tmp_path)):
        assert preference_dataset(again, conversational=True)[0]["prompt"] == [message("user", quote)]
    # And where only the text is known: nobody takes turns in it.
    assert to_messages(f"Customer: {QUOTE}\nAgent:") == [message("user", QUOTE)]


def exported_and_read(votes: list[Vote], folder: Path) -> list[Vote]:
    export(votes, folder / "again", conversational=True, overwrite=True)
    return read_votes(folder / "again" / "preference.jsonl")


def test_a_dialogue_of_hh_rlhf_is_exported_as_its_turns(tmp_path):
    dialogue = "\n\nHuman: Hi\nthere\n\nAssistant: Yes? \n\nHuman: Why: \n\nAssistant:"
    row = {"chosen": dialogue + " So.", "rejected": dialogue + " No."}
    exported = preference_dataset(read_votes(written(tmp_path, [row])), conversational=True)[0]
    turns = [message("user", "Hi\nthere"), message("assistant", "Yes? "), message("user", "Why: ")]
    assert exported["prompt"] == turns and exported["chosen"] == [message("assistant", "So.")]
    quoting = "\n\nHuman: He said:\n\nHuman: Hi\n\nAssistant: Yes.\n\nAssistant:"
    assert [turn["role"] for turn in to_messages(quoting)] == ["user"]


# ---- kinds of file


def table(folder: Path, rows: list[dict], between: str = ",") -> Path:
    path = folder / {",": "rows.csv", ";": "semicolons.csv", "\t": "rows.tsv"}[between]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=between)
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.parametrize(
    "kind", ["gz", "xz", "bz2", "list.gz", "csv.gz", "parquet.gz", "csv", "tsv", "semicolons", "list", "data"]
)
def test_what_holds_the_same_rows_reads_the_same_whatever_it_is_called(kind, tmp_path):
    rows = [PREFERENCE | {"prompt": f'{n}, "so"\n; \t– 你好'} for n in range(3)]
    wanted = read_votes(written(tmp_path, rows))
    datasets.Dataset.from_list(rows).to_parquet(str(tmp_path / "rows.parquet"))
    content = {
        "gz": json_lines(rows),
        "xz": json_lines(rows),
        "bz2": json_lines(rows),
        "list.gz": json.dumps(rows).encode(),
        "csv.gz": table(tmp_path, rows).read_bytes(),
        "parquet.gz": (tmp_path / "rows.parquet").read_bytes(),
        "csv": b"\xef\xbb\xbf" + table(tmp_path, rows).read_bytes(),
        "tsv": table(tmp_path, rows, "\t").read_bytes(),
        "semicolons": table(tmp_path, rows, ";").read_bytes(),
        "list": json.dumps(rows, indent=2).encode(),
        "data": json.dumps({"version": 1, "data": rows}, indent=2).encode(),
    }[kind]
    packed = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}.get(kind.split(".")[-1], bytes)
    (tmp_path / "votes").write_bytes(packed(content))
    assert read_votes(tmp_path / "votes") == wanted


def json_lines(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def test_a_table_knows_labels_numbers_and_messages(tmp_path):
    rows = [UNPAIRED | {"label": label} for label in ("True", "false", "1", "0")]
    assert [v.answer.up for v in read_votes(table(tmp_path, rows))] == [True, False, True, False]
    rows = [PREFERENCE | {"preference": given} for given in ("", "1", "0.5")]
    assert [p.preference for p in preferences(read_votes(table(tmp_path, rows)))] == [1.0, 1.0, 0.5]
    rows = [{name: json.dumps(turns) for name, turns in TALK.items()}]
    assert preferences(read_votes(table(tmp_path, rows)))[0].prompt == "Customer: Hi\nAgent:"
    bad = [PREFERENCE, PREFERENCE | {"chosen": "[{'role': 'assistant', 'content': 'x'}]"}]
    with pytest.raises(ValueError, match="line 4: 'chosen' holds messages as Python prints them"):
        read_votes(table(tmp_path, bad))


BAD_TABLES = {
    "a cell too many": ("prompt,chosen,rejected\na,b,c\na,b,c,d\n", "line 3: 4 cells"),
    "a cell too few": ("prompt,chosen,rejected\na,b\n", "line 2: 2 cells"),
    "open quote": ('prompt,chosen,rejected\na,b,c\na,"b,c\na,b,c\n', "line 3: not valid CSV"),
    "a column twice": ("prompt,chosen,chosen,rejected\na,b,c,d\n", "'chosen' stands there twice"),
    "no row": ("prompt,chosen,rejected\n", "no row"),
    "bad number": ("prompt,chosen,rejected,preference\na,b,c,much\n", "line 2: 'preference' must be a number"),
    "bad label": ("prompt,completion,label\na,b,maybe\n", "line 2: 'label' must be true or false"),
    "empty cell": ("prompt,chosen,rejected\na,b,c\na,,c\n", "line 3: 'chosen' is empty"),
    "Latin-1": ("prompt,chosen,rejected\na,b,c\nä,b,c\n", "line 3: not UTF-8"),
    "other names": ("question,answer\na,b\n", "the columns question, answer fit no format"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_bad_table_is_refused_with_its_line(case, tmp_path):
    content, what = BAD_TABLES[case]
    path = tmp_path / "rows.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=re.escape(what)) as refused:
        read_votes(path)
    assert str(refused.value).startswith(str(path))


def columns_twice() -> bytes:
    import pyarrow
    from pyarrow import parquet

    buffer = BytesIO()
    text = pyarrow.array(["a"])
    parquet.write_table(pyarrow.table([text, text, text], names=["prompt", "chosen", "chosen"]), buffer)
    return buffer.getvalue()


OTHER_KINDS = {
    "Python": (b"{'prompt': 'a'}\n{'prompt': 'b'}\n", "line 1: .*json.dumps|double quotes"),
    "twice in Parquet": (columns_twice(), "'chosen' stands there twice; rename"),
    "twice in JSON": (b'{"prompt": "a", "chosen": "b", "chosen": "c", "rejected": "d"}', "line 1: 'chosen' stands"),
    "long number": (b'{"prompt": "a", "chosen": "b", "rejected": "d", "n": ' + b"9" * 5000 + b"}", "line 1: .*5,000"),
    "deep line": (b'{"prompt": "a"}\n' + b'{"a":' * 100_000, "line 2: nested too deeply"),
    "too deep to be printed": (b'{"prompt": "a", "completion": ' + b"[" * 500 + b"]" * 500 + b"}", "line 1: nested"),
}


@pytest.mark.parametrize("case", OTHER_KINDS)
def test_another_kind_of_file_is_named_in_a_line_that_mends_it(case, tmp_path):
    content, what = OTHER_KINDS[case]
    path = tmp_path / "votes.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"(?i){what}") as refused:
        read_votes(path)
    told = str(refused.value)
    assert told.startswith(str(path)) and "\n" not in told and len(told) < 500


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(tmp_path, monkeypatch):
    from minirlhf.files import contents

    monkeypatch.setattr(contents, "LARGEST", 10_000)
    path = tmp_path / "votes.jsonl.gz"
    path.write_bytes(gzip.compress(json_lines([PREFERENCE] * 999)))
    with pytest.raises(ValueError, match=r"holds more than .*; split it"):
        read_votes(path)


@pytest.mark.parametrize("half", ["\ud83d", "\ude00 and so on", "a\ud83db"])
def test_messages_can_be_printed_and_show_no_more_than_a_line_of_a_text(half, tmp_path):
    for row in (
        PREFERENCE | {"chosen": half},
        PREFERENCE | {"chosen": half * 500},
        PREFERENCE | {"chosen": [half * 500]},
        PREFERENCE | {half: 1, "chosen": None},
        {half * 500: 1, **{f"{half}{n}": 1 for n in range(500)}},
        TALK | {"prompt": [message(half * 500, "Hi")]},
        own(mode=half * 500),
        own(id=half),
        own(choice={"answer": half * 500}),
        own(time=half * 500),
        selected(half * 500),
    ):
        path = written(tmp_path, [row])
        with pytest.raises(ValueError) as refused:
            read_votes(path)
        told = str(refused.value)
        assert told.encode() and len(told) < 3000


# ---- paths as everywhere in Python


def test_a_path_may_be_text_and_begin_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    wrote = export(VOTES, "~/files")
    assert all(path.is_relative_to(tmp_path / "files") for path in wrote.paths)
    for path in ("~/files/votes.jsonl", str(tmp_path / "files" / "votes.jsonl"), Path("~/files/votes.jsonl")):
        assert read_votes(path) == VOTES
        assert detect_format(path) == "votes"
    assert not Path("~").exists()
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_votes("~nobody-of-this-name/votes.jsonl")
