"""The prompt language: A1111's rules, and no input that breaks or stalls it."""

from __future__ import annotations

import itertools
import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.text.editing import schedule
from modules.text.grammar import (
    BREAK,
    WEIGHT_LIMIT,
    Piece,
    attention,
    extra_networks,
    remarks,
    split_and,
    strip_comments,
)

steadily = settings(derandomize=True, max_examples=300, deadline=None, database=None)
marks = st.text(alphabet="ab1.5-+:()[]\\|#<>= \n\ud800😀ע", max_size=60)
any_text = st.one_of(st.text(alphabet=st.characters(), max_size=60), marks, st.lists(
    st.sampled_from(["BREAK", "AND", "(", ")", "[", "]", ":1.2)", "[a:b:3]", "[a|b]", "<lora:x:1>", " ", "x"]),
    max_size=20).map("".join))  # fmt: skip


def weights(prompt: str) -> dict[str, float]:
    return {text.strip(): round(weight, 4) for text, weight in attention(prompt)}


def test_the_vector_of_a1111s_documentation_gives_its_weights() -> None:
    found = attention("a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).")
    assert [(text, round(weight, 6)) for text, weight in found] == [
        ("a ", 1.0),
        ("house", 1.573),
        (" ", 1.1),
        ("on", 1.0),
        (" a ", 1.1),
        ("hill", 0.55),
        (", sun, ", 1.1),
        ("sky", 1.4641),
        (".", 1.1),
    ]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("plain words", [("plain words", 1.0)]),
        ("(a)", [("a", 1.1)]),
        ("((a))", [("a", 1.21)]),
        ("[a]", [("a", 0.909091)]),
        ("[[a]]", [("a", 0.826446)]),
        ("(a:1.3)", [("a", 1.3)]),
        ("(a: 1.3 )", [("a", 1.3)]),
        ("(a:.5)", [("a", 0.5)]),
        ("(a:2.)", [("a", 2.0)]),
        ("(a:-1)", [("a", -1.0)]),
        ("(a:+0)", [("a", 0.0)]),
        ("(a:b:1.5)", [("a:b", 1.5)]),
        ("((a:2) b:0.5)", [("a", 1.0), (" b", 0.5)]),
        ("[(a:2)]", [("a", 1.818182)]),
        (r"\(a\) \[b\] \\", [(r"(a) [b] \ "[:-1], 1.0)]),
        (r"a\b", [("ab", 1.0)]),
        ("(unclosed", [("unclosed", 1.1)]),
        ("[unclosed", [("unclosed", 0.909091)]),
        ("unopened) here]", [("unopened) here]", 1.0)]),
        ("a:1.5)", [("a:1.5)", 1.0)]),
        ("[a:1.5]", [("a:1.5", 0.909091)]),
        ("(a [b) c]", [("a ", 1.1), ("b", 1.0), (" c", 0.909091)]),
        ("(a)(b)", [("ab", 1.1)]),
        ("a()[]b", [("ab", 1.0)]),
        ("(red:1.0)dish", [("reddish", 1.0)]),
        ("", []),
        ("()", []),
    ],
)
def test_attention_follows_a1111s_rules(prompt: str, expected: list[tuple[str, float]]) -> None:
    assert [(text, round(weight, 6)) for text, weight in attention(prompt)] == expected


def test_break_stands_alone_and_takes_the_white_space_around_it() -> None:
    assert attention("a cat, BREAK a dog") == [Piece("a cat,", 1.0), BREAK, Piece("a dog", 1.0)]
    assert attention("a\n BREAK \nBREAK b") == [Piece("a", 1.0), BREAK, BREAK, Piece("b", 1.0)]


def test_break_inside_brackets_still_ends_the_chunk() -> None:
    assert attention("(a BREAK b:1.5)") == [Piece("a", 1.5), BREAK, Piece("b", 1.5)]


def test_break_is_a_whole_word_in_capitals() -> None:
    assert attention("BREAKFAST break OUTBREAK") == [Piece("BREAKFAST break OUTBREAK", 1.0)]


@pytest.mark.parametrize("number", ["9" * 400, "1" + "0" * 50, "1001", "9" * 50_000])
def test_a_huge_weight_is_held_at_the_limit_and_said_so(number: str) -> None:
    assert attention(f"(a:{number})") == [Piece("a", WEIGHT_LIMIT)]
    assert attention(f"(a:-{number})") == [Piece("a", -WEIGHT_LIMIT)]
    assert "limit" in remarks(f"(a:{number})")[0]


@pytest.mark.parametrize("number", ["1e999", "nan", "inf", "-1e5", "1.2.3", "..", "1e3"])
def test_what_is_not_a_number_with_one_dot_is_text_and_said_so(number: str) -> None:
    assert attention(f"(a:{number})") == [Piece(f"a:{number}", 1.1)]
    assert "not a weight" in remarks(f"(a:{number})")[0]


def test_a_thousand_brackets_deep_stays_finite() -> None:
    assert attention("(" * 1000 + "a" + ")" * 1000) == [Piece("a", WEIGHT_LIMIT)]
    assert attention("[" * 10_000 + "a") == [Piece("a", pytest.approx(0.0))]


def test_remarks_name_each_kind_of_unpaired_bracket() -> None:
    assert remarks("a (fine:1.2) [prompt], done") == ()
    opened, closed, surrogate = remarks("((a b] \ud800")
    assert opened.startswith("2 opening “(” never closed")
    assert closed.startswith("1 closing bracket")
    assert "surrogate" in surrogate
    assert remarks(r"\( escaped \]") == ()


@given(any_text)
@steadily
def test_any_text_gives_finite_weights_and_no_two_neighbours_alike(prompt: str) -> None:
    pieces = attention(prompt)
    assert all(piece.text and math.isfinite(piece.weight) for piece in pieces)
    words = [(a, b) for a, b in itertools.pairwise(pieces) if BREAK not in (a, b)]
    assert all(a.weight != b.weight for a, b in words)
    assert all(sentence.endswith(".") for sentence in remarks(prompt))


@given(st.text(alphabet="abc de,.é😀", max_size=40))
@steadily
def test_text_without_marks_comes_back_as_it_is(text: str) -> None:
    assert "".join(piece.text for piece in attention(text)) == text
    assert schedule(text, 20) == [(20, text)]
    assert extra_networks(text) == (text, [])


@given(st.text(max_size=40))
@steadily
def test_escaping_every_mark_makes_any_text_plain(text: str) -> None:
    text = text.replace("BREAK", "")
    escaped = "".join("\\" + c if c in "()[]\\" else c for c in text)
    assert attention(escaped) == ([Piece(text, 1.0)] if text else [])


def test_and_splits_into_weighted_prompts() -> None:
    assert split_and("a cat") == [("a cat", 1.0)]
    assert split_and("a cat AND a dog :0.5 AND rain: -2") == [("a cat", 1.0), ("a dog", 0.5), ("rain", -2.0)]
    assert split_and("SAND ANDES and") == [("SAND ANDES and", 1.0)]
    assert split_and("(a:1.2) AND b:word") == [("(a:1.2)", 1.0), ("b:word", 1.0)]
    assert split_and("a:" + "9" * 400) == [("a", WEIGHT_LIMIT)]
    assert split_and("a :1. AND b :1e3") == [("a", 1.0), ("b :1e3", 1.0)]


def test_extra_networks_are_taken_out_with_their_arguments() -> None:
    text, tags = extra_networks("a <lora:some name:0.8:te=0.5>cat<hypernet:h:1>")
    assert text == "a cat"
    assert [tuple(tag) for tag in tags] == [("lora", ("some name", "0.8"), {"te": "0.5"}), ("hypernet", ("h", "1"), {})]


@pytest.mark.parametrize("text", ["a < b > c", "<lora>", "<lora:>", "<lora:x", "<>", "< lora:x>", "1 <3 :>"])
def test_what_is_not_quite_an_extra_network_stays(text: str) -> None:
    assert extra_networks(text) == (text, [])


def test_comments_go_and_lines_of_nothing_else_disappear() -> None:
    assert strip_comments("# title\na cat # black\n#gone\non a mat") == "a cat \non a mat"
    assert strip_comments("no comment") == "no comment"


@given(any_text)
@steadily
def test_no_text_breaks_the_other_readers(prompt: str) -> None:
    assert split_and(prompt)
    text, tags = extra_networks(strip_comments(prompt))
    assert isinstance(text, str)
    assert all(tag.kind for tag in tags)


LONG = 100_000
HOSTILE = {
    "opening": "(" * LONG,
    "closing": ")]" * (LONG // 2),
    "mixed": "([" * (LONG // 2),
    "paired": "(" * (LONG // 2) + ")" * (LONG // 2),
    "weighted": "(a" * 14_000 + ":1.1)" * 14_000,
    "colons": ":" * LONG,
    "spaces": ":" + " " * LONG,
    "digits": "(a:" + "1" * LONG,
    "numbers": ":1" * (LONG // 2),
    "breaks": "BREAK " * (LONG // 6),
    "ands": "AND :" * (LONG // 5),
    "tags": "<a:" * (LONG // 3),
    "tag names": "<a" * (LONG // 2),
    "comments": "#\n" * (LONG // 2),
    "bars": "[a|b" * (LONG // 4),
    "edits": "[a:b:3]" * (LONG // 7),
    "deep edits": "[a:" * 20_000 + ":3]" * 20_000,
    "spoilt edits": "([a:" * 10_000 + ":3])" * 10_000,
    "backslashes": "\\" * LONG,
    "surrogates": "\ud800" * LONG,
    "emoji": "👩‍👩‍👧" * (LONG // 5),
    "right to left": "שלום (" * (LONG // 6),
}


@pytest.mark.parametrize("prompt", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hundred_thousand_hostile_characters_take_time_in_proportion(prompt: str) -> None:
    began = time.process_time()
    attention(prompt)
    remarks(prompt)
    split_and(prompt)
    extra_networks(prompt)
    strip_comments(prompt)
    schedule(prompt, 20)
    assert time.process_time() - began < 5  # quadratic ones take minutes
