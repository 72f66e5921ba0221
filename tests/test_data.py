"""Files come in whole and exact, or not at all; batches keep every token and mark the responses."""

import bz2
import csv
import gzip
import io
import json
import lzma
import warnings
from collections import Counter
from itertools import islice
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import small_tokenizer

from minirlhf.data import Comparisons, Demonstrations, Judgements, Prompts, collate, epochs
from minirlhf.feedback.meaning import Judgement, Preference
from minirlhf.feedback.simulated import SimulatedChoice
from minirlhf.jsonl import read_jsonl
from minirlhf.paths import data_folder
from minirlhf.tokenizer import Tokenizer

# Most texts here are as short as can be, and stand in no frame.
pytestmark = pytest.mark.filterwarnings("ignore:.*frame=:UserWarning")

CONTEXT = 64
TEXT = st.text(min_size=1, max_size=12).filter(lambda text: text.strip())
IDS = st.lists(st.integers(0, 9), max_size=6)
PAD = 10

LOADERS = {
    "prompts": (Prompts.load, ("prompt",)),
    "texts": (Demonstrations.load_texts, ("text",)),
    "demonstrations": (Demonstrations.load, ("prompt", "completion")),
    "comparisons": (Comparisons.load, ("prompt", "chosen", "rejected")),
}


def write(path, *lines):
    """Each line as it is if it is text, else as JSON."""
    path.write_text("".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines), "utf-8")
    return path


def good_row(columns, n=1):
    return {column: f"{column} {n}" for column in columns}


# ---- what is in a file comes out of it


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4), st.booleans())
def test_demonstrations_come_back_word_for_word_and_end(tmp_path_factory, pairs, escaped):
    path, tokenizer = tmp_path_factory.getbasetemp() / "demonstrations.jsonl", small_tokenizer()
    rows = [{"prompt": prompt, "completion": completion} for prompt, completion in pairs]
    path.write_bytes("\n".join(json.dumps(row, ensure_ascii=escaped) for row in rows).encode())
    found = Demonstrations.load(path, tokenizer, context=200)
    assert [
        (tokenizer.decode(p), tokenizer.decode(r)) for p, r in zip(found.prompts, found.responses, strict=True)
    ] == pairs
    for prompt, response in zip(found.prompts, found.responses, strict=True):
        assert (prompt + response).count(tokenizer.eos_id) == 1 and response[-1] == tokenizer.eos_id


def test_comparisons_keep_chosen_and_rejected_apart(tmp_path):
    path, tokenizer = write(tmp_path / "c.jsonl", good_row(LOADERS["comparisons"][1])), small_tokenizer()
    found = Comparisons.load(path, tokenizer, CONTEXT)
    assert tokenizer.decode(found.prompts[0]) == "prompt 1"
    assert tokenizer.decode(found.chosen[0]) == "chosen 1"
    assert tokenizer.decode(found.rejected[0]) == "rejected 1"
    assert found.chosen[0][-1] == found.rejected[0][-1] == tokenizer.eos_id
    assert found.preference == [1.0]


def test_a_prompt_does_not_end(tmp_path):
    path, tokenizer = write(tmp_path / "p.jsonl", {"prompt": "where is it?"}), small_tokenizer()
    assert Prompts.load(path, tokenizer, CONTEXT).prompts == [tokenizer.encode("where is it?")]


def test_of_a_text_all_but_the_first_token_is_learned(tmp_path):
    path, tokenizer = write(tmp_path / "t.jsonl", {"text": "a lamp"}), small_tokenizer()
    found = Demonstrations.load_texts(path, tokenizer, CONTEXT)
    assert len(found.prompts[0]) == 1
    assert found.prompts[0] + found.responses[0] == [*tokenizer.encode("a lamp"), tokenizer.eos_id]


def test_other_columns_and_blank_lines_do_no_harm(tmp_path):
    path = write(
        tmp_path / "p.jsonl", {"prompt": "a", "person": "simulated"}, "", {"person": None, "prompt": "b"}, "  "
    )
    assert [(n, row["prompt"]) for n, row in read_jsonl(path, ("prompt",))] == [(1, "a"), (3, "b")]


# ---- what is wrong with a file


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize(
    ("second_line", "says"),
    [
        ('{"prompt": "a"', "not valid JSON"),
        ("hello", "not valid JSON"),
        ("[1, 2]", "must be a JSON object"),
        ("3", "must be a JSON object"),
        ({"something": "else"}, "missing"),
        ("{}", "missing"),
        (None, "missing"),
    ],
)
def test_a_bad_line_is_named_with_the_remedy(tmp_path, kind, second_line, says):
    load, columns = LOADERS[kind]
    if second_line is None:
        second_line = dict.fromkeys(columns)
    path = write(tmp_path / "bad.jsonl", good_row(columns), second_line, good_row(columns))
    with pytest.raises(ValueError, match=rf"bad\.jsonl, line 2: .*{says}.*Nothing was loaded"):
        load(path, small_tokenizer(), CONTEXT)


@pytest.mark.parametrize("kind", LOADERS)
def test_each_missing_wrong_or_empty_column_is_named(tmp_path, kind):
    load, columns = LOADERS[kind]
    for column in columns:
        for value, says in ((None, "is missing"), (7, "must be text"), ("", "is empty"), (" \n", "is empty")):
            bad = good_row(columns) | {column: value}
            path = write(tmp_path / "bad.jsonl", good_row(columns), "", bad)
            says_all = rf"bad\.jsonl, line 3: .*'{column}' {says}.*drop the row.*Nothing was loaded"
            with pytest.raises(ValueError, match=says_all):
                load(path, small_tokenizer(), CONTEXT)


@pytest.mark.parametrize("kind", LOADERS)
def test_a_text_that_the_model_cannot_read_is_named(tmp_path, kind):
    load, columns = LOADERS[kind]
    path = write(tmp_path / "long.jsonl", good_row(columns), good_row(columns) | {columns[-1]: "zyx " * 50})
    with pytest.raises(ValueError, match=r"long\.jsonl, line 2: .* tokens long.*shorten.*Nothing was loaded"):
        load(path, small_tokenizer(), CONTEXT)


def test_the_longest_text_that_fits_is_loaded(tmp_path):
    tokenizer, columns = small_tokenizer(), ("prompt", "completion")
    path = write(tmp_path / "fits.jsonl", good_row(columns))
    needed = len(tokenizer.encode("prompt 1")) + len(tokenizer.encode("completion 1")) + 1
    assert len(Demonstrations.load(path, tokenizer, needed)) == 1
    with pytest.raises(ValueError, match=f"{needed} tokens long, the model reads {needed - 1}"):
        Demonstrations.load(path, tokenizer, needed - 1)


def test_nothing_is_chosen_between_two_equal_texts(tmp_path):
    columns = LOADERS["comparisons"][1]
    path = write(tmp_path / "same.jsonl", good_row(columns), {"prompt": "a", "chosen": "b", "rejected": "b"})
    with pytest.raises(ValueError, match=r"same\.jsonl, line 2: .*same text.*drop the row\. Nothing was loaded"):
        Comparisons.load(path, small_tokenizer(), CONTEXT)


def test_a_row_may_say_how_clearly_it_was_chosen(tmp_path):
    row = good_row(LOADERS["comparisons"][1])
    path = write(tmp_path / "c.jsonl", row | {"preference": 0.5}, row, row | {"preference": None})
    assert Comparisons.load(path, small_tokenizer(), CONTEXT).preference == [0.5, 1.0, 1.0]


@pytest.mark.parametrize("preference", ["a tie", 1.5, -0.5, float("nan")])
def test_a_preference_that_is_none_is_named_with_its_vote(preference):
    row = SimpleNamespace(**good_row(LOADERS["comparisons"][1]) | {"preference": preference})
    says = r"The vote on 'prompt 1': 'preference' is .*0\.5 for a tie.*Nothing was loaded"
    with pytest.raises(ValueError, match=says):
        Comparisons.of([row], small_tokenizer(), CONTEXT)


def test_a_preference_in_a_file_that_is_none_is_named_with_its_line(tmp_path):
    row = good_row(LOADERS["comparisons"][1])
    path = write(tmp_path / "c.jsonl", row, "", row | {"preference": 1.5})
    with pytest.raises(ValueError, match=r"c\.jsonl, line 3: 'preference' is 1\.5"):
        Comparisons.load(path, small_tokenizer(), CONTEXT)


# ---- votes that are in memory


def test_choices_in_memory_are_what_they_would_be_in_a_file(tmp_path):
    rows = [
        {"prompt": "p 1", "chosen": "a", "rejected": "b", "preference": 0.5},
        {"prompt": "p 2", "chosen": "b", "rejected": "a"},
    ]
    loaded = Comparisons.load(write(tmp_path / "c.jsonl", *rows), small_tokenizer(), CONTEXT)
    assert Comparisons.of([Preference(**row) for row in rows], small_tokenizer(), CONTEXT) == loaded
    simulated = SimulatedChoice("p 2", "b", "a", 0.8, "somebody (simulated)")
    assert Comparisons.of([simulated], small_tokenizer(), CONTEXT).preference == [1.0]
    assert len(Comparisons.of([], small_tokenizer(), CONTEXT)) == 0


def test_judgements_come_back_word_for_word_and_end():
    tokenizer = small_tokenizer()
    judged = [Judgement("where is it?", "so kind", True), Judgement("why?", "no", False)]
    found = Judgements.of(iter(judged), tokenizer, CONTEXT)
    assert [tokenizer.decode(ids) for ids in found.prompts] == ["where is it?", "why?"]
    assert [tokenizer.decode(ids) for ids in found.responses] == ["so kind", "no"]
    assert all(ids[-1] == tokenizer.eos_id for ids in found.responses)
    assert found.labels == [True, False] and len(found) == 2
    assert len(Judgements.of([], tokenizer, CONTEXT)) == 0


def test_a_vote_on_a_text_that_is_too_long_is_named():
    long, says = "zyx " * 50, r"The vote on 'why\?': prompt \+ {} is \d+ tokens long, the model reads 64"
    for column, vote in {"chosen": Preference("why?", long, "no"), "rejected": Preference("why?", "no", long)}.items():
        with pytest.raises(ValueError, match=says.format(column)):
            Comparisons.of([Preference("ok?", "yes", "no"), vote], small_tokenizer(), CONTEXT)
    with pytest.raises(ValueError, match=says.format("completion")):
        Judgements.of([Judgement("why?", long, True)], small_tokenizer(), CONTEXT)


def test_a_vote_between_two_equal_texts_is_named():
    with pytest.raises(ValueError, match=r"The vote on 'why\?': .*same text"):
        Comparisons.of([Preference("why?", "no", "no")], small_tokenizer(), CONTEXT)


@pytest.mark.parametrize("content", ["", "\n", " \n\n"])
def test_an_empty_file_is_called_empty(tmp_path, content):
    (tmp_path / "empty.jsonl").write_text(content)
    with pytest.raises(ValueError, match=r"empty\.jsonl: the file is empty.*Nothing was loaded"):
        read_jsonl(tmp_path / "empty.jsonl", ("prompt",))


def test_a_missing_file_and_a_folder_are_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.jsonl: no such file.*minirlhf data"):
        read_jsonl(tmp_path / "none.jsonl", ("prompt",))
    with pytest.raises(ValueError, match=rf"{tmp_path.name}: this is a folder; name.*Nothing was loaded"):
        read_jsonl(tmp_path, ("prompt",))


def test_line_numbers_are_those_of_an_editor(tmp_path):
    # U+2028 may stand inside a JSON text and ends no line; a blank line is none, but counts
    path = write(tmp_path / "odd.jsonl", '{"prompt": "a\u2028b\x85c"}', "", '{"prompt": ')
    with pytest.raises(ValueError, match=r"odd\.jsonl, line 3: not valid JSON"):
        read_jsonl(path, ("prompt",))


def test_two_rows_on_one_line_are_refused_and_one_on_two_is_a_row(tmp_path):
    with pytest.raises(ValueError, match=r"odd\.jsonl, line 1: .*a line of its own.*Nothing was loaded"):
        read_jsonl(write(tmp_path / "odd.jsonl", '{"prompt": "a"} {"prompt": "b"}'), ("prompt",))
    assert read_jsonl(write(tmp_path / "odd.jsonl", '{"prompt":', '"a"}'), ("prompt",)) == [(1, {"prompt": "a"})]


def test_text_that_is_not_utf8_says_so(tmp_path):
    (tmp_path / "latin.jsonl").write_bytes('{"prompt": "a"}\n{"prompt": "é"}\n'.encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin\.jsonl, line 2: not UTF-8; save the file as UTF-8"):
        read_jsonl(tmp_path / "latin.jsonl", ("prompt",))


def test_a_file_is_read_anew_each_time(tmp_path):
    for text in ("first", "second"):
        assert read_jsonl(write(tmp_path / "p.jsonl", {"prompt": text}), ("prompt",))[0][1]["prompt"] == text


# ---- batches


@given(st.lists(st.tuples(IDS.filter(len), IDS), min_size=1, max_size=5))
def test_collating_keeps_every_token_and_marks_the_responses(rows):
    prompts, responses = [p for p, _ in rows], [r for _, r in rows]
    tokens, mask = collate(prompts, responses, PAD)
    assert tokens.shape == mask.shape == (len(rows), max(len(p) + len(r) for p, r in rows))
    for row, row_mask, prompt, response in zip(tokens.tolist(), mask, prompts, responses, strict=True):
        length = len(prompt) + len(response)
        assert row[:length] == prompt + response
        assert set(row[length:]) <= {PAD}
        assert [row[t] for t in row_mask.nonzero().flatten()] == response
        assert not row_mask[: len(prompt)].any() and not row_mask[length:].any()


def test_prompts_and_responses_must_be_as_many():
    with pytest.raises(ValueError, match="zip"):
        collate([[1], [2]], [[3]], PAD)


def test_a_batch_of_comparisons_has_the_chosen_above_the_rejected():
    comparisons = Comparisons([[1], [2, 2], [3]], [[4], [5], [6]], [[7, 7], [8], [9]], [1.0, 0.5, 1.0])
    tokens, mask, preference = comparisons.batch([1, 0], PAD)
    assert tokens.tolist() == [[2, 2, 5], [1, 4, PAD], [2, 2, 8], [1, 7, 7]]
    assert mask.sum(dim=1).tolist() == [1, 1, 1, 2]
    assert preference.tolist() == [0.5, 1.0]
    assert comparisons.take(2) == Comparisons([[1], [2, 2]], [[4], [5]], [[7, 7], [8]], [1.0, 0.5])


def test_swapping_exchanges_two_replies_and_nothing_else():
    comparisons = Comparisons([[1], [2, 2]], [[4], [5]], [[7, 7], [8]], [1.0, 0.5])
    swapped = comparisons.swapped([False, True])
    assert swapped == Comparisons([[1], [2, 2]], [[4], [8]], [[7, 7], [5]], [1.0, 0.5])
    assert swapped.swapped([False, True]) == comparisons


@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 99))
def test_in_an_epoch_each_row_comes_once(n, batch_size, seed):
    batches, minibatches = max(n // batch_size, 1), epochs(n, batch_size, seed)
    for _ in range(3):
        epoch = list(islice(minibatches, batches))
        assert all(len(batch) == min(batch_size, n) for batch in epoch)
        seen = Counter(row for batch in epoch for row in batch)
        assert set(seen.values()) == {1} and set(seen) <= set(range(n))


def test_the_order_is_the_seeds_and_differs_between_epochs():
    one, two = (list(islice(epochs(20, 5, seed=3), 8)) for _ in range(2))
    assert one == two and one[:4] != one[4:]
    assert one != list(islice(epochs(20, 5, seed=4), 8))


def test_looking_at_randomness_elsewhere_does_not_change_the_order():
    wanted, found = list(islice(epochs(20, 5, seed=3), 8)), []
    for batch in islice(epochs(20, 5, seed=3), 8):
        torch.rand(7)
        found.append(batch)
    assert found == wanted


# ---- drawing, taking, choosing rows


def test_prompts_are_drawn_with_replacement_each_as_often_as_any_other():
    prompts = Prompts([[i] for i in range(5)])
    drawn = Counter(ids[0] for ids in prompts.draw(5000, torch.Generator().manual_seed(0)))
    assert drawn.total() == 5000 and all(abs(drawn[i] - 1000) < 5 * 28.3 for i in range(5))
    few = [tuple(ids[0] for ids in prompts.draw(5, torch.Generator().manual_seed(seed))) for seed in range(40)]
    assert any(len(set(five)) < 5 for five in few), "the same one may come twice"


def test_the_generator_alone_decides_which_prompts_are_drawn():
    prompts = Prompts([[i] for i in range(100)])
    one = prompts.draw(8, torch.Generator().manual_seed(3))
    torch.rand(5)
    assert prompts.draw(8, torch.Generator().manual_seed(3)) == one
    assert prompts.draw(8, torch.Generator().manual_seed(4)) != one
    generator = torch.Generator().manual_seed(3)
    assert prompts.draw(8, generator) == one != prompts.draw(8, generator), "and it goes on from where it stands"


def test_rows_are_taken_whole_in_the_order_asked_and_as_often():
    shown = Demonstrations([[1], [2], [3]], [[4], [5, 5], [6]])
    assert shown.at([2, 1, 1]) == Demonstrations([[3], [2], [2]], [[6], [5, 5], [5, 5]])
    tokens, mask = shown.batch([2, 1], PAD)
    assert tokens.tolist() == [[3, 6, PAD], [2, 5, 5]]
    assert mask.tolist() == [[False, True, False], [False, True, True]]
    compared = Comparisons([[1], [2], [3]], [[4], [5], [6]], [[7], [8], [9]], [1.0, 0.5, 0.0])
    assert compared.at([2, 1, 2]) == Comparisons([[3], [2], [3]], [[6], [5], [6]], [[9], [8], [9]], [0.0, 0.5, 0.0])
    assert compared.batch([2, 1], PAD)[2].tolist() == [0.0, 0.5]


@pytest.mark.parametrize(("n", "left"), [(0, 0), (1, 1), (3, 3), (99, 3)])
def test_the_first_n_are_at_most_all(n, left):
    compared = Comparisons([[1], [2], [3]], [[4], [5], [6]], [[7], [8], [9]], [1.0, 0.5, 0.0])
    assert compared.take(n).prompts == [[1], [2], [3]][:left] and len(compared.take(n)) == left


# ---- what just fits


def test_behind_a_prompt_there_must_be_room_for_one_token(tmp_path):
    """A prompt that fills the context could never be answered."""
    tokenizer = small_tokenizer()
    needed = len(tokenizer.encode("where is it?")) + 1
    for load, column in ((Prompts.load, "prompt"), (Demonstrations.load_texts, "text")):
        path = write(tmp_path / f"{column}.jsonl", {column: "where is it?"})
        assert len(load(path, tokenizer, needed)) == 1
        with pytest.raises(ValueError, match=f"{needed} tokens long, the model reads {needed - 1}"):
            load(path, tokenizer, needed - 1)


@pytest.mark.parametrize("longer", ["chosen", "rejected"])
def test_either_reply_may_be_the_one_that_just_fits(longer, tmp_path):
    tokenizer = small_tokenizer()
    row = {"prompt": "where is it?", "chosen": "no", "rejected": "so"} | {longer: "it comes tomorrow, so kind of you"}
    needed = len(tokenizer.encode(row["prompt"])) + len(tokenizer.encode(row[longer])) + 1
    path = write(tmp_path / "rows.jsonl", row)
    assert len(Comparisons.load(path, tokenizer, needed)) == 1
    with pytest.raises(ValueError, match=rf"prompt \+ {longer} is {needed} tokens"):
        Comparisons.load(path, tokenizer, needed - 1)


@pytest.mark.parametrize(("prompts", "responses"), [([[1], [2]], [[3]]), ([[1]], [[2], [3]])])
def test_neither_prompts_nor_responses_may_be_left_over(prompts, responses):
    with pytest.raises(ValueError, match="zip"):
        collate(prompts, responses, PAD)


def test_a_ragged_rest_waits_for_the_next_epoch_and_over_many_every_row_comes():
    assert [len(batch) for batch in islice(epochs(7, 3, seed=0), 4)] == [3, 3, 3, 3]
    assert {row for batch in islice(epochs(7, 3, seed=0), 20) for row in batch} == set(range(7))
    assert len({tuple(next(epochs(7, 7, seed))) for seed in range(5)}) == 5


# ---- files as other people write them

ROWS = [
    {"prompt": "Where is it, and why?", "completion": ' "So kind",\nhe said; 我们'},
    {"prompt": "b", "completion": " c"},
]
PAIRS = [(row["prompt"], row["completion"]) for row in ROWS]


def as_csv(delimiter):
    out = io.StringIO()
    writer = csv.DictWriter(out, ["id", "completion", "prompt"], delimiter=delimiter)
    writer.writeheader()
    writer.writerows({"id": n, **row} for n, row in enumerate(ROWS))
    return out.getvalue()


WAYS = {
    "lines": "\n".join(json.dumps(row) for row in ROWS),
    "windows": "\ufeff" + "\r\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\r\n",
    "list": json.dumps(ROWS),
    "pretty list": json.dumps(ROWS, indent=2),
    "data": json.dumps({"version": 1, "data": ROWS}),
    "pretty data": json.dumps({"data": ROWS}, indent=2),
    "one row": json.dumps(ROWS[0]),
    "csv": as_csv(","),
    "semicolons": as_csv(";"),
    "tabs": as_csv("\t"),
    "Excel's": "sep=;\r\n" + as_csv(";"),
}


@pytest.mark.parametrize("packed", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("way", WAYS)
def test_rows_come_back_word_for_word_however_they_were_written_and_packed(tmp_path, way, packed):
    path = tmp_path / "anything"  # what is in a file counts, and not its name
    path.write_bytes(packed(WAYS[way].encode()))
    found = Demonstrations.load(path, small_tokenizer(), None)
    decoded = [tuple(map(small_tokenizer().decode, pair)) for pair in zip(found.prompts, found.responses, strict=True)]
    assert decoded == (PAIRS[:1] if way == "one row" else PAIRS)


BAD = {
    "[" * 100_000: "nested",
    '{"prompt": ' * 100_000: "nested",
    '{"prompt": "a", "more": ' + "[" * 5000 + "]" * 5000 + "}": "nested",
    '{"prompt": "a", "id": ' + "9" * 5000 + "}": "digits",
    '{"prompt": "a", "prompt": "b"}': "'prompt' stands twice",
    '{"prompt": "\\ud83d"}': "half of a character",
    '{"prompt": NaN, "\\ud83d": 1}': "must be text",
}


@pytest.mark.parametrize("line", BAD, ids=BAD.values())
def test_what_no_parser_likes_is_refused_by_place_and_can_be_printed(tmp_path, line):
    path = write(tmp_path / "odd.jsonl", {"prompt": "a"}, line)
    with pytest.raises(ValueError, match=rf"odd\.jsonl, line 2: .*{BAD[line]}.*Nothing was loaded") as refused:
        Prompts.load(path, small_tokenizer(), CONTEXT)
    assert str(refused.value).encode("utf-8") and len(str(refused.value)) < 400


def test_numbers_dates_and_odd_values_elsewhere_do_no_harm(tmp_path):
    lines = '{"prompt": "2024-01-31", "x": 1e999}', '{"prompt": "b", "x": NaN, "y": "\\ud83d", "z": [[[]]]}'
    path = write(tmp_path / "p.jsonl", *lines)
    assert [row["prompt"] for _, row in read_jsonl(path, ("prompt",))] == ["2024-01-31", "b"]


def test_a_csv_with_a_comma_too_many_or_a_column_twice_is_named_by_its_line(tmp_path):
    for text, line in (("prompt,x\na,1\nb,c,2\n", 3), ("prompt,prompt\na,b\n", 1), ('prompt,x\n"a\n\n', 2)):
        (tmp_path / "p.csv").write_text(text)
        with pytest.raises(ValueError, match=rf"p\.csv, line {line}: .*Nothing was loaded"):
            Prompts.load(tmp_path / "p.csv", small_tokenizer(), CONTEXT)


def test_in_a_csv_a_preference_is_a_number_too(tmp_path):
    (tmp_path / "c.csv").write_text("prompt,chosen,rejected,preference\na, b, c,0.5\na, b, c,\na, b, c,1\n")
    assert Comparisons.load(tmp_path / "c.csv", small_tokenizer(), CONTEXT).preference == [0.5, 1.0, 1.0]


@pytest.mark.parametrize("kind", LOADERS)
def test_a_path_may_be_text_and_begin_at_home(tmp_path, monkeypatch, kind):
    load, columns = LOADERS[kind]
    path = write(tmp_path / "rows.jsonl", good_row(columns))
    monkeypatch.setenv("HOME", str(tmp_path))
    wanted = load(path, small_tokenizer(), CONTEXT)
    assert load(str(path), small_tokenizer(), CONTEXT) == load("~/rows.jsonl", small_tokenizer(), CONTEXT) == wanted


def test_a_message_shows_the_beginning_of_a_text_and_no_more():
    long = "zyx " * 1300
    with pytest.raises(ValueError, match="zyx zyx") as refused:
        Comparisons.of([Preference(long, "yes", "no")], small_tokenizer(), CONTEXT)
    assert len(str(refused.value)) < 300
    assert len(Comparisons.of([Preference(long, "yes", "no")], small_tokenizer(), None)) == 1, "None is no limit"


# ---- the frame in which a model reads

FRAME = "Customer: {prompt}\nAgent: {reply}"


@pytest.mark.parametrize("kind", ["prompts", "demonstrations", "comparisons"])
def test_a_frame_puts_rows_as_the_shipped_files_have_them(tmp_path, kind):
    load, columns = LOADERS[kind]
    bare, full = {"prompt": "Why {reply}?"}, {"prompt": "Customer: Why {reply}?\nAgent:"}
    replies = {name: f"So {n} kind." for n, name in enumerate(columns[1:])}
    spaced = {name: f" {text}" for name, text in replies.items()}
    wanted = load(write(tmp_path / "full.jsonl", full | spaced), small_tokenizer(), CONTEXT)
    for written in (bare | replies, bare | spaced):  # a space that is there already is not doubled
        found = load(write(tmp_path / "bare.jsonl", written), small_tokenizer(), CONTEXT, frame=FRAME)
        assert found == wanted
    for wrong in ("{prompt}", "{reply}", "{reply} {prompt}", "{prompt} {reply}.", ""):
        with pytest.raises(ValueError, match=r"frame.*\{prompt\}.*\{reply\}"):
            load(tmp_path / "full.jsonl", small_tokenizer(), CONTEXT, frame=wrong)


def notes(path, tokenizer, load=Demonstrations.load):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        load(path, tokenizer, CONTEXT)
    return [str(note.message) for note in found]


@pytest.mark.parametrize(
    ("prompt", "completion", "joined"),
    [
        ("Agent:", "We", True),
        ("and so", "on", True),
        ("Agent:", " We", False),
        ("Agent:\n", "We", False),
        ("Agent: ", "We", False),
        ("so", "...", False),
        ("问题：我们", "我们会换", False),
        ("問:", "はい", False),
        ("[/INST]", "We", False),
    ],
)
def test_a_reply_that_runs_into_its_prompt_is_noted_with_place_and_remedy(tmp_path, prompt, completion, joined):
    path = write(
        tmp_path / "d.jsonl", {"prompt": prompt, "completion": completion}, {"prompt": "a:", "completion": " b"}
    )
    found = notes(path, small_tokenizer())
    assert len(found) == joined
    assert all("d.jsonl" in note and "1 of 2" in note and "line 1" in note and "frame=" in note for note in found)


def test_only_the_shipped_models_frame_is_missed_and_nothing_in_the_shipped_files(tmp_path):
    shipped = Tokenizer.load(data_folder() / "checkpoints" / "base" / "tokenizer.json")
    path = write(tmp_path / "d.jsonl", {"prompt": "Where is it?", "completion": " Here."})
    assert not notes(path, small_tokenizer())
    (note,) = notes(path, shipped)
    assert "Customer: {prompt}" in note and "1 of 1" in note
    for name, load in (
        ("prompts", Prompts.load),
        ("demonstrations", Demonstrations.load),
        ("comparisons", Comparisons.load),
    ):
        assert not notes(data_folder() / f"{name}_held_out.jsonl", shipped, load)


def test_parquet_is_read_whatever_it_is_called_and_a_damaged_one_is_named(tmp_path):
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "rows.data")
    found = Demonstrations.load(tmp_path / "rows.data", small_tokenizer(), None)
    assert [small_tokenizer().decode(ids) for ids in found.prompts] == [prompt for prompt, _ in PAIRS]
    (tmp_path / "rows.data").write_bytes((tmp_path / "rows.data").read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"rows\.data: a Parquet file that cannot be read.*Nothing was loaded"):
        Demonstrations.load(tmp_path / "rows.data", small_tokenizer(), None)
