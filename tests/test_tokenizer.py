"""Text to ids and back, for whatever anyone types."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tiny import TEXTS, small_tokenizer

from minirlhf.tokenizer import END_OF_TEXT, Tokenizer, split_words

TEXT = st.text(max_size=60)


@given(TEXT)
@example(END_OF_TEXT)
@example(f"before{END_OF_TEXT}after")
@example("  two  spaces,\ttabs\r\nand lines\n\n")
@example("🙂 é e\u0301 \u200d \ufeff \x00 漢字 \ufffd")
def test_any_text_comes_back_as_it_was_typed(text):
    tokenizer = small_tokenizer()
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(st.one_of(TEXT, st.lists(st.sampled_from([END_OF_TEXT, "<", "|", "pad", " "])).map("".join)))
def test_nothing_typed_ends_a_text_or_becomes_padding(text):
    tokenizer = small_tokenizer()
    ids = tokenizer.encode(text)
    assert all(0 <= i < tokenizer.vocab_size for i in ids)
    assert tokenizer.eos_id not in ids and tokenizer.pad_id not in ids


def test_padding_comes_after_all_that_can_be_said_and_does_not_end_a_text():
    tokenizer = small_tokenizer()
    assert tokenizer.pad_id == tokenizer.vocab_size
    assert tokenizer.eos_id < tokenizer.vocab_size


def test_end_of_text_and_padding_say_nothing():
    tokenizer = small_tokenizer()
    ids = tokenizer.encode("a lamp")
    assert tokenizer.decode([*ids, tokenizer.eos_id, tokenizer.pad_id, tokenizer.pad_id]) == "a lamp"


def test_common_words_become_one_piece_and_unknown_ones_several():
    tokenizer = small_tokenizer()
    assert " lamp" in tokenizer.pieces(TEXTS[0])
    assert len(tokenizer.pieces("zyxqv")) > 1
    assert "".join(tokenizer.pieces(TEXTS[1])) == TEXTS[1]


def test_training_has_the_asked_size_and_the_same_result_each_time():
    again = Tokenizer.train(TEXTS, vocab_size=300)
    assert again.vocab_size == 300
    assert again.encode(" ".join(TEXTS)) == small_tokenizer().encode(" ".join(TEXTS))


@given(TEXT)
@example(END_OF_TEXT)
def test_a_saved_tokenizer_is_the_same_one(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "saved-tokenizer.json"
    if not path.exists():
        small_tokenizer().save(path)
    tokenizer = Tokenizer.load(path)
    assert tokenizer.encode(text) == small_tokenizer().encode(text)
    assert (tokenizer.eos_id, tokenizer.pad_id) == (small_tokenizer().eos_id, small_tokenizer().pad_id)


def test_errors_name_the_file_and_the_remedy(tmp_path):
    missing, damaged, endless = tmp_path / "none.json", tmp_path / "damaged.json", tmp_path / "endless.json"
    with pytest.raises(FileNotFoundError, match=r"none\.json: no tokenizer here.*minirlhf checkpoints"):
        Tokenizer.load(missing)
    small_tokenizer().save(damaged)
    damaged.write_text(damaged.read_text("utf-8")[:500], "utf-8")
    with pytest.raises(ValueError, match=r"damaged\.json: not a tokenizer file.*minirlhf checkpoints"):
        Tokenizer.load(damaged)
    small_tokenizer().save(endless)
    endless.write_text(endless.read_text("utf-8").replace("endoftext", "something"), "utf-8")
    with pytest.raises(ValueError, match=r"endless\.json.*endoftext"):
        Tokenizer.load(endless)


@given(st.text(st.characters(max_codepoint=127)))
def test_words_of_plain_english_are_letters_digits_and_apostrophes_or_one_mark(text):
    assert split_words(text) == re.findall(r"[:;]-?[()D]|[\w']+|[^\w\s]", text.lower())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("हिन्दी", ["हिन्दी"]),
        ("नमस्ते दुनिया!", ["नमस्ते", "दुनिया", "!"]),
        ("It’s", ["it’s"]),
        ("‘so’ it’s", ["‘", "so", "’", "it’s"]),
        ("我们会换", ["我", "们", "会", "换"]),
        ("我们 will 换", ["我", "们", "will", "换"]),
        ("ありがとう", ["あ", "り", "が", "と", "う"]),
        ("안녕 하세요", ["안녕", "하세요"]),
        ("cafe\u0301 CAFÉ", ["cafe\u0301", "café"]),
        ("🙂👍🏽 🇩🇪", ["🙂", "👍🏽", "🇩🇪"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
    ],
)
def test_a_word_is_a_word_in_every_script(text, words):
    assert split_words(text) == words


@given(TEXT)
def test_no_letter_is_lost_and_no_space_is_kept(text):
    # \x1c to \x1f are spaces too, for Python
    assert "".join(split_words(text)) == "".join(text.lower().split())


def test_a_tokenizer_file_is_found_by_text_and_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    small_tokenizer().save("~/t.json")
    for path in ("~/t.json", str(tmp_path / "t.json")):
        assert Tokenizer.load(path).encode(TEXTS[0]) == small_tokenizer().encode(TEXTS[0])


@pytest.mark.parametrize("content", ["[" * 100_000, '{"model": ' * 100_000, "{}", "[]", "null", '{"a": 1, "a": 2}'])
def test_no_file_of_a_tokenizer_ends_the_process(tmp_path, content):
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(ValueError, match=r"t\.json: not a tokenizer file.*minirlhf checkpoints"):
        Tokenizer.load(tmp_path / "t.json")


def test_one_text_is_not_taken_for_many():
    with pytest.raises(ValueError, match=r"one text.*list of texts"):
        Tokenizer.train("my_texts.txt")
