"""Styles found again in the prompts of a picture that was made with them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.text.found_styles import found_styles, take_out_styles
from modules.text.styles import Style, styled

INK = Style("ink", "drawing of {prompt}, ink\n on paper ", "colour")
WARM = Style("warm", "warm light")
CLEAN = Style("clean", "", "dust")
KNOWN = (Style("empty"), Style("itself", "{prompt}"), INK, WARM, CLEAN)


def test_styles_are_named_in_the_order_in_which_they_were_added() -> None:
    prompts = {"prompt": "drawing of a cat, warm light, ink\non paper", "negative_prompt": "dog, colour"}
    assert found_styles(prompts, KNOWN) == (["warm", "ink"], {"prompt": "a cat", "negative_prompt": "dog"})


@pytest.mark.parametrize("prompt", ["a cat in warm light", "a cat, warm light, sun", "drawing of ink\non paper", ""])
def test_words_that_only_look_like_a_style_stay(prompt: str) -> None:
    prompts = {"prompt": prompt, "negative_prompt": "colour, sea"}
    assert found_styles(prompts, KNOWN) == ([], prompts)


def test_a_style_stands_in_all_prompts_or_in_none() -> None:
    assert found_styles({"prompt": "a cat, warm light", "hr_prompt": "a cat"}, KNOWN)[0] == []
    assert found_styles({"prompt": "drawing of a cat, ink\non paper"}, KNOWN)[0] == []
    assert found_styles({"prompt": "warm light", "hr_prompt": "fur, warm light"}, KNOWN) == (
        ["warm"],
        {"prompt": "", "hr_prompt": "fur"},
    )


@pytest.mark.parametrize(
    ("way", "prompt", "expected"),
    [
        ("Ignore", "a cat, warm light", {"prompt": "a cat, warm light"}),
        ("Apply", "a cat, warm light", {"prompt": "a cat", "styles": "warm"}),
        ("Apply", "a cat", {"prompt": "a cat", "styles": ""}),
        ("Discard", "a cat, warm light", {"prompt": "a cat"}),
        ("Apply if any", "a cat, warm light", {"prompt": "a cat", "styles": "warm"}),
        ("Apply if any", "a cat", {"prompt": "a cat"}),
    ],
)
def test_what_becomes_of_a_style_that_is_found_is_chosen_as_in_a1111(way, prompt, expected) -> None:
    values = {"prompt": prompt}
    take_out_styles(values, KNOWN, way)
    assert values == expected


@given(st.text("ab, ", max_size=8), st.lists(st.sampled_from([WARM, CLEAN, INK]), max_size=3, unique=True))
def test_added_again_the_found_styles_give_the_same_prompts(text: str, chosen: list[Style]) -> None:
    def added(prompt: str, negative: str, styles: list[Style]) -> dict[str, str]:
        both = styled(prompt, [one.prompt for one in styles]), styled(negative, [one.negative_prompt for one in styles])
        lines = ["\n".join(line.strip() for line in one.strip().splitlines()) for one in both]
        return dict(zip(("prompt", "negative_prompt"), lines, strict=True))

    prompts = added(text, "", chosen)
    names, left = found_styles(prompts, KNOWN)
    again = [next(style for style in KNOWN if style.name == name) for name in names]
    assert added(left["prompt"], left["negative_prompt"], again) == prompts
