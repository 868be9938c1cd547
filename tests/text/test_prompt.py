"""A whole prompt: its parts, their texts in time, and what is counted and remarked of it."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.core.request import GenerationRequest
from modules.core.sections.language import EMPHASIS
from modules.text.grammar import BREAK, Piece
from modules.text.prompt import Timing, count, emphasises, parts, pieces, remarks_of

any_text = st.lists(
    st.sampled_from(["AND", " ", "(", ")", "[", "]", ":1.2)", "[a:b:3]", "[a|b]", "<lora:x:1>", ":-0.5", "x", "BREAK"]),
    max_size=25,
).map("".join) | st.text(st.characters(), max_size=50)
timings = st.builds(
    Timing, st.integers(1, 30), st.none() | st.integers(1, 30), old=st.booleans(), begins_anew=st.booleans()
)


def test_a_prompt_is_its_parts_each_with_weight_and_texts_in_time() -> None:
    cat, dog = parts("a [cat:fox:2] AND dog <lora:x:1>:-0.5", Timing(10))
    assert ([cat.at(call) for call in range(5)], cat.weight) == (["a cat", "a cat", "a cat", "a fox", "a fox"], 1.0)
    assert (dog.at(0).strip(), dog.weight, dog.changes) == ("dog", -0.5, [])


def test_in_a_negative_prompt_and_and_networks_are_words() -> None:
    (part,) = parts("cat AND [dog:1] <lora:x:1>", Timing(4), negative=True)
    assert part.at(0) == "cat AND  <lora:x:1>"
    assert part.at(2) == "cat AND dog <lora:x:1>"


def test_the_network_is_called_once_more_with_a_text_than_its_step_says() -> None:
    """A1111 counts calls from 0 and steps from 1; an alternation's first text therefore shows twice."""
    (part,) = parts("[a|b]", Timing(6))
    assert [part.at(call) for call in range(6)] == ["a", "a", "b", "a", "b", "a"]


def test_beyond_the_last_call_the_last_text_stays_or_the_first_comes_again() -> None:
    (stays,) = parts("[a:b:2]", Timing(4))
    assert (stays.at(9), stays.changes) == ("b", [3])
    (again,) = parts("[a:b:2]", Timing(4, begins_anew=True))
    assert (again.at(4), again.at(5), again.changes) == ("b", "a", [3, 5])


@pytest.mark.parametrize(
    ("when", "old", "first_pass", "switch"),
    [
        ("0.5", True, None, 5),
        ("1.0", True, None, 1),
        ("3", True, None, 3),
        ("0.5", True, 20, 5),
        ("1.0", False, None, 10),
        ("1.5", False, 20, 5),
    ],
)
def test_the_old_rule_takes_numbers_below_one_for_parts(
    when: str, old: bool, first_pass: int | None, switch: int
) -> None:
    (part,) = parts(f"[a:b:{when}]", Timing(10, first_pass, old))
    assert part.spans[0].until == switch


@given(any_text, timings, st.booleans())
@settings(derandomize=True, max_examples=100, deadline=None, database=None)
def test_any_prompt_has_a_text_for_every_call(prompt: str, timing: Timing, negative: bool) -> None:
    for part in parts(prompt, timing, negative=negative):
        moments = [0, *part.changes, timing.calls + 3]
        assert moments == sorted(set(moments))
        for moment, following in itertools.pairwise(moments):
            assert part.at(moment) == part.at(following - 1)


def test_emphasis_modes_say_what_brackets_are() -> None:
    assert pieces("(a) BREAK b") == [Piece("a", 1.1), BREAK, Piece("b", 1.0)]
    assert pieces("(a) BREAK b", "No norm") == pieces("(a) BREAK b")
    assert pieces("(a) BREAK b", "Ignore") == [Piece("a", 1.0), BREAK, Piece("b", 1.0)]
    assert pieces("(a) BREAK b", "None") == [Piece("(a) BREAK b", 1.0)]
    assert pieces("", "None") == []
    assert emphasises(["a", "[b"])
    assert not emphasises(["a", "b"])


def test_counting_follows_what_the_request_says() -> None:
    assert count("(cat)", GenerationRequest(emphasis="None"))[0] == 3
    assert count("cat # dog", GenerationRequest(enable_prompt_comments=False))[0] == 3
    assert count("[a:a red dog:9]", GenerationRequest(steps=5))[0] == 1
    assert count("red " * 70 + ", " + "cat " * 10, GenerationRequest(comma_padding_backtrack=0))[0] == 81
    assert count("red " * 70 + ", " + "cat " * 10)[0] == 85


def test_remarks_are_made_only_where_brackets_mean_something() -> None:
    assert remarks_of("(cat # (")
    assert not remarks_of("cat # (")
    assert remarks_of("cat # (", GenerationRequest(enable_prompt_comments=False))
    assert not remarks_of("(cat", GenerationRequest(emphasis="None"))


@given(any_text, st.sampled_from(EMPHASIS), st.booleans())
@settings(derandomize=True, max_examples=100, deadline=None, database=None)
def test_any_prompt_can_be_counted(prompt: str, emphasis: str, negative: bool) -> None:
    tokens, room = count(prompt, GenerationRequest(emphasis=emphasis), negative=negative)
    assert 0 <= tokens <= room
    assert room % 75 == 0


@pytest.mark.parametrize(
    "prompt", ["(" * 1000 + "a" + ")" * 1000, "AND " * 25_000, "[a|b]" * 20_000], ids=["deep", "and", "alternating"]
)
def test_hostile_prompts_of_100_000_characters_are_read_in_a_moment(prompt: str) -> None:
    began = time.process_time()
    parts(prompt, Timing(20))
    count(prompt, negative=True)
    assert time.process_time() - began < 8  # quadratic ones take minutes
