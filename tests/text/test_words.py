"""Words that somebody taught: found as A1111 finds them, and never cut in two."""

from __future__ import annotations

import pytest

from modules.text.chunks import ROOM, chunk, tokens_of
from modules.text.grammar import attention
from modules.text.tokenizer import BOS, EOS, encode
from modules.text.words import NO_WORDS, Vocabulary, Word

STYLE, LONG, SHORT = Word("my-style", 4), Word("house plant", 2), Word("house", 1)
VOCABULARY = Vocabulary.of([STYLE, SHORT, LONG])


def test_a_words_tokens_give_place_to_its_vectors() -> None:
    (one,) = chunk(attention("a (my-style:1.5), red"), vocabulary=VOCABULARY)
    a, comma, red = encode("a , red")
    assert one.tokens[:8] == (BOS, a, 0, 0, 0, 0, comma, red)
    assert one.words == ((2, STYLE),)
    assert one.weights[:8] == (1, 1, 1.5, 1.5, 1.5, 1.5, 1, 1)


@pytest.mark.parametrize("written", ["My-Style", "MY-STYLE", "my-style"])
def test_case_does_not_matter(written: str) -> None:
    assert VOCABULARY.in_text(f"a {written} house") == [STYLE, SHORT]


def test_the_longest_name_counts() -> None:
    (one,) = chunk(attention("house plant house"), vocabulary=VOCABULARY)
    assert one.words == ((1, LONG), (3, SHORT))


@pytest.mark.parametrize("before", range(ROOM - 5, ROOM + 1))
def test_a_word_is_never_cut_in_two(before: int) -> None:
    chunks = chunk(attention("cat " * before + "my-style"), vocabulary=VOCABULARY)
    places = [(number, place) for number, one in enumerate(chunks) for place, _ in one.words]
    assert places == [(0, before + 1)] if before + 4 <= ROOM else places == [(1, 1)]
    assert all(len(one.tokens) == ROOM + 2 for one in chunks)


@pytest.mark.parametrize("after", range(60, 75))
def test_a_word_after_the_last_comma_moves_whole(after: int) -> None:
    chunks = chunk(attention("cat " * after + ", my-style" + " dog" * 12), vocabulary=VOCABULARY)
    (found,) = [(one, place) for one in chunks for place, _ in one.words]
    one, place = found
    assert one.tokens[place : place + 4] == (0, 0, 0, 0)
    assert sum(token == 0 for token in one.tokens) == 4


def test_vectors_count_as_tokens() -> None:
    assert tokens_of(attention("a my-style"), vocabulary=VOCABULARY) == 5
    assert tokens_of(attention("a my-style")) == 1 + len(encode("my-style"))


def test_without_words_nothing_changes() -> None:
    assert chunk(attention("my-style house"), vocabulary=NO_WORDS) == chunk(attention("my-style house"))
    assert EOS in chunk([])[0].tokens


def test_chunks_with_other_vectors_are_told_apart() -> None:
    other = Vocabulary.of([Word("my-style", 4, "another file")])
    (one,), (two,) = (chunk(attention("my-style"), vocabulary=words) for words in (VOCABULARY, other))
    assert one.tokens == two.tokens
    assert one.seen != two.seen
