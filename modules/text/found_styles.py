"""Styles found again in prompts that they were added to: in the text of a picture that was made with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.sections.prompt import FOUND_STYLES
from .styles import PLACE, Style, styled

IGNORE, APPLY, _, APPLY_IF_ANY = FOUND_STYLES
_OWN_WORDS = {  # the prompts, and what a style says of each
    "prompt": "prompt",
    "negative_prompt": "negative_prompt",
    "hr_prompt": "prompt",
    "hr_negative_prompt": "negative_prompt",
}


def take_out_styles(values: dict[str, Any], known: Sequence[Style], way: str) -> None:
    """Has `values`, request fields that were read from a text, name the styles in its prompts instead of their words.

    `way` is one of `FOUND_STYLES`: "Discard" takes the words out and chooses no style for them, "Apply" leaves no other
    style chosen, "Apply if any" does so only where one was found.
    """
    if way == IGNORE:
        return
    names, prompts = found_styles({name: str(values[name]) for name in _OWN_WORDS if values.get(name)}, known)
    values.update(prompts)
    if way == APPLY or (names and way == APPLY_IF_ANY):
        values["styles"] = "\n".join(names)


def found_styles(prompts: Mapping[str, str], known: Sequence[Style]) -> tuple[list[str], dict[str, str]]:
    """The names of the styles that were added to prompts (by request field), in the order in which they were, and the
    prompts before that. A style is found where adding it gives these very prompts again.
    """
    names: list[str] = []
    left, others = dict(prompts), list(known)
    while True:
        before = next(((style, found) for style in others if (found := _before(left, style))), None)
        if before is None:
            return names[::-1], left
        style, left = before
        others.remove(style)
        names.append(style.name)


def _before(prompts: Mapping[str, str], style: Style) -> dict[str, str] | None:
    """The prompts as they were before a style was added; None when it was not, or would have changed nothing."""
    found: dict[str, str] = {}
    for name, prompt in prompts.items():
        without = _without(prompt, getattr(style, _OWN_WORDS[name]))
        if without is None:
            return None
        found[name] = without
    said = [text.strip() for text in (style.prompt, style.negative_prompt)]
    everywhere = all(name in prompts for name, text in zip(("prompt", "negative_prompt"), said, strict=True) if text)
    return found if everywhere and found != prompts else None


def _without(prompt: str, addition: str) -> str | None:
    """What a prompt was before a style's words were added to it, if they were."""
    words = _read_again(addition)
    front, place, behind = words.partition(PLACE)
    if place:
        between = len(prompt) - len(front) - len(behind)
        fits = between >= 0 and prompt.startswith(front) and prompt.endswith(behind)
        without = prompt[len(front) : len(front) + between] if fits else None
    elif not words or prompt == words:
        without = "" if words else prompt
    else:
        without = prompt.removesuffix(f", {words}") if prompt.endswith(f", {words}") else None
    return without if without is not None and _read_again(styled(without, [addition])) == prompt else None


def _read_again(text: str) -> str:
    """A text as it comes back from a picture: there are no blanks at the ends of its lines."""
    return "\n".join(line.strip() for line in text.strip().splitlines())
