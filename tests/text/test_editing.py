"""Prompts that change while sampling."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.text.editing import Span, schedule


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("still", [(10, "still")]),
        ("", [(10, "")]),
        ("a [cat:dog:4] here", [(4, "a cat here"), (10, "a dog here")]),
        ("a [hat:4]", [(4, "a "), (10, "a hat")]),
        ("a [hat::4]", [(4, "a hat"), (10, "a ")]),
        ("a [hat: 4 ]", [(4, "a "), (10, "a hat")]),
        ("[x:y:.5]", [(5, "x"), (10, "y")]),
        ("[x:y:0.39]", [(3, "x"), (10, "y")]),
        ("[x:y:1.0]", [(10, "x")]),
        ("[x:y:1]", [(1, "x"), (10, "y")]),
        ("[x:y:99]", [(10, "x")]),
        ("[x:y:0]", [(10, "y")]),
        ("[x:y:-3]", [(10, "y")]),
        ("[x:y:1e9999]", [(10, "x")]),
        ("[x:[y:z:6]:3]", [(3, "x"), (6, "y"), (10, "z")]),
        ("[(x:1.2):3]", [(3, ""), (10, "(x:1.2)")]),
        ("[[[x]]:3]", [(3, ""), (10, "[[x]]")]),
        ("(a [x:y:3]:1.4)", [(3, "(a x:1.4)"), (10, "(a y:1.4)")]),
        ("[x:y:3] [u:v:3]", [(3, "x u"), (10, "y v")]),
        ("[same:same:3]", [(10, "same")]),
    ],
)
def test_editing_switches_at_its_step(prompt: str, expected: list[tuple[int, str]]) -> None:
    assert schedule(prompt, 10) == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("[a|b]", ["a", "b", "a", "b", "a"]),
        ("[a|b|c]", ["a", "b", "c", "a", "b"]),
        ("[fe|]male", ["female", "male", "female", "male", "female"]),
        ("[a||]", ["a", "", "", "a", ""]),
        ("[a|[b|c]]", ["a", "c", "a", "c", "a"]),
        ("[a|(b:1.1)]", ["a", "(b:1.1)", "a", "(b:1.1)", "a"]),
        ("[[a|b]:c:2]", ["a", "b", "c", "c", "c"]),
    ],
)
def test_alternation_takes_one_option_a_step(prompt: str, expected: list[str]) -> None:
    texts: list[str] = []
    for until, text in schedule(prompt, 5):
        texts += [text] * (until - len(texts))
    assert texts == expected


@pytest.mark.parametrize(
    "prompt",
    ["[open", "shut]", "[a:b]", "[a:b:c:d:3]", "[a:b:c]", "[(a:3]", "[:)]", r"\[a:b:3\]", "a\\",
     "a | b [c:d:3]", "(a|b) [c:d:3]", "[[a:b]:c:3]", "[a|b:3]"],
)  # fmt: skip
def test_brackets_that_do_not_parse_are_literal(prompt: str) -> None:
    assert schedule(prompt, 10) == [(10, prompt)]


def test_stray_brackets_do_not_disturb_an_edit_beside_them() -> None:
    assert schedule("((a][:b:c [d:3]", 10) == [(3, "((a][:b:c "), (10, "((a][:b:c d")]


def test_in_the_hires_pass_fractions_count_from_one_and_steps_from_the_first_pass() -> None:
    assert schedule("[x:y:.5]", 10, first_pass_steps=20) == [(10, "y")]
    assert schedule("[x:y:1.5]", 10, first_pass_steps=20) == [(5, "x"), (10, "y")]
    assert schedule("[x:y:24]", 10, first_pass_steps=20) == [(4, "x"), (10, "y")]


@given(st.text(alphabet="ab123.:|()[]\\ ", max_size=80), st.integers(1, 12))
@settings(derandomize=True, max_examples=500, deadline=None, database=None)
def test_any_text_gives_ascending_spans_up_to_the_last_step(prompt: str, steps: int) -> None:
    spans = schedule(prompt, steps)
    ends = [span.until for span in spans]
    assert ends == sorted(set(ends))
    assert ends[0] >= 1
    assert ends[-1] == steps
    assert all(a.text != b.text for a, b in itertools.pairwise(spans))


def test_ten_thousand_levels_deep_is_no_trouble() -> None:
    deep = "[a:" * 10_000 + "b" + ":3]" * 10_000
    assert schedule(deep, 5) == [Span(3, "a"), Span(5, "b")]
