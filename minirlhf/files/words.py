"""What counts as a word, in whatever script it is written."""

import regex

UNSPACED = r"\p{Han}\p{Hiragana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"  # written without spaces between words
# Smileys; a character where no spaces are written; a word, with ’ inside it; and else whatever is seen as one.
WORDS = regex.compile(
    rf"[:;]-?[()D]|[{UNSPACED}]\p{{M}}*|(?:[[\w']--[{UNSPACED}]]|(?<=\w)’(?=\w))+|(?![\s\x1c-\x1f])\X", regex.V1
)


def split_words(text: str) -> list[str]:
    """The whole words, smileys and punctuation marks of a text, in lower case; of Chinese every character."""
    return WORDS.findall(text.lower())
