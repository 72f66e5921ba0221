"""Text to ids and back, for whatever anyone types."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tiny import TEXTS, small_tokenizer

from minirlhf.tokenizer import END_OF_TEXT, Tokenizer

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
