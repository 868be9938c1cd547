"""Chunks of 77 tokens: A1111's rules for commas, BREAK and padding."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.text.chunks import LENGTH, ROOM, Chunk, chunk
from modules.text.grammar import attention
from modules.text.prompt import count
from modules.text.tokenizer import BOS, COMMA, EOS, encode

CAT, DOG = encode("cat dog")


def of(prompt: str, **options: int) -> list[Chunk]:
    return chunk(attention(prompt), **options)


def body(one: Chunk) -> list[int]:
    """The tokens between BOS and the first EOS."""
    return list(one.tokens[1 : one.tokens.index(EOS)])


def test_an_empty_prompt_is_one_chunk_of_padding() -> None:
    assert of("") == [Chunk((BOS, *[EOS] * 76), (1.0,) * 77)]
    assert chunk([]) == of("")


def test_tokens_stand_between_bos_and_eos_with_their_weights() -> None:
    (one,) = of("cat (dog:1.5)")
    assert one.tokens[:4] == (BOS, CAT, DOG, EOS)
    assert one.weights[:4] == (1.0, 1.0, 1.5, 1.0)


def test_seventy_five_tokens_fit_and_one_more_does_not() -> None:
    (full,) = of("cat " * 75)
    assert body(full) == [CAT] * 75
    assert [body(one) for one in of("cat " * 76)] == [[CAT] * 75, [CAT]]


def test_a_chunk_that_overflows_ends_at_a_near_comma() -> None:
    first, second = of("cat " * 60 + ", " + "(dog:1.3) " * 20)
    assert body(first) == [CAT] * 60 + [COMMA]
    assert body(second) == [DOG] * 20
    assert second.weights[1:21] == (1.3,) * 20
    assert first.weights[62:] == (1.0,) * 15


@pytest.mark.parametrize(("after", "moved"), [(19, True), (20, False)])
def test_the_comma_may_be_at_most_twenty_tokens_back(after: int, moved: bool) -> None:
    first, second = of("cat " * (74 - after) + ", " + "dog " * (after + 1))
    assert len(body(first)) == (75 - after if moved else 75)
    assert len(body(second)) == (after + 1 if moved else 1)


def test_without_backtracking_commas_do_not_matter() -> None:
    first, second = of("cat " * 70 + ", " + "dog " * 10, comma_backtrack=0)
    assert (len(body(first)), len(body(second))) == (75, 6)


def test_a_comma_that_itself_overflows_does_not_move_the_text_before_it() -> None:
    first, second = of("cat " * 70 + ", dog dog dog dog, cat")
    assert body(first) == [CAT] * 70 + [COMMA] + [DOG] * 4
    assert body(second) == [COMMA, CAT]


def test_a_comma_at_the_very_end_of_a_chunk_moves_nothing() -> None:
    first, second = of("cat " * 74 + ", dog")
    assert body(first) == [CAT] * 74 + [COMMA]
    assert body(second) == [DOG]


def test_break_ends_a_chunk_even_an_empty_one() -> None:
    assert [body(one) for one in of("cat BREAK dog")] == [[CAT], [DOG]]
    assert [body(one) for one in of("BREAK cat BREAK BREAK dog BREAK")] == [[], [CAT], [], [DOG]]
    assert [body(one) for one in of("cat " * 75 + "BREAK dog")] == [[CAT] * 75, [DOG]]


def test_another_padding_fills_up_after_the_first_eos() -> None:
    (one,) = of("cat", pad=0)
    assert one.tokens == (BOS, CAT, EOS, *[0] * 74)
    (cut,) = of("cat <|endoftext|> dog", pad=0)
    assert cut.tokens == (BOS, CAT, EOS, *[0] * 74)


def test_a_word_bracketed_in_parts_of_equal_weight_stays_one_word() -> None:
    assert of("(re)(d)") == of("(red)")


@given(st.lists(st.sampled_from(["cat", "dog,", ",", "(red:1.2)", "BREAK", "[x]", "été"]), max_size=300).map(" ".join))
@settings(derandomize=True, max_examples=100, deadline=None, database=None)
def test_every_chunk_is_whole_and_no_token_is_lost(prompt: str) -> None:
    chunks = of(prompt)
    assert all(len(one.tokens) == len(one.weights) == LENGTH for one in chunks)
    assert all(one.tokens[0] == BOS and one.tokens[-1] == EOS for one in chunks)
    words = [token for piece in attention(prompt) if piece.text != "BREAK" for token in encode(piece.text)]
    assert [token for one in chunks for token in body(one)] == words


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("", (0, 75)),
        ("a red cat", (3, 75)),
        ("cat " * 75, (75, 75)),
        ("cat " * 76, (76, 150)),
        ("cat BREAK dog", (76, 150)),
        ("cat BREAK", (75, 75)),
        ("cat <lora:thing:1> # a dog", (1, 75)),
        ("cat AND red dog", (2, 75)),
        ("[a:a red dog:3]", (3, 75)),
        ("(cat:1.2)", (1, 75)),
    ],
)
def test_the_counter_says_what_the_longest_text_takes(prompt: str, expected: tuple[int, int]) -> None:
    assert count(prompt) == expected


def test_the_counter_agrees_with_the_chunks() -> None:
    prompt = "cat, " * 300
    assert count(prompt)[1] == len(of(prompt)) * ROOM
