"""NovelAI's pictures: a JSON in the text `Comment`. A1111 reads them with clip skip 2 and ENSD 31337."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ...core.sampler_names import COMFY_SCHEDULES, NOVELAI_SAMPLERS
from .translation import Translation, mapping, parsed, words

NOTHING_HERE: Final = ("sm", "sm_dyn", "dynamic_thresholding", "controlnet_model", "reference_image_multiple")
LONGEST_PROMPT: Final = 20_000
STEP: Final = 1.05  # what a pair of braces multiplies a weight with
_NUMBERED = re.compile(r"(-?\d{1,3}(?:\.\d{1,4})?)::(.{1,2000}?)::", re.DOTALL)


def read(texts: Mapping[str, str], size: tuple[int, int]) -> Translation | None:
    """NovelAI's settings; None when the picture is not NovelAI's."""
    made = parsed(texts.get("Comment"))
    if texts.get("Software") != "NovelAI" or not isinstance(made, Mapping) or "steps" not in made:
        return None
    found = Translation("NovelAI", *_prompts(made, texts))
    sampler = words(made.get("sampler"))
    if sampler not in NOVELAI_SAMPLERS:
        found.lose(f"The sampler {sampler[:60]!r} is not known here; Euler a is the nearest.")
    found.entries = {
        "Steps": made.get("steps"),
        "Sampler": NOVELAI_SAMPLERS.get(sampler, "Euler a"),
        "Schedule type": COMFY_SCHEDULES.get(words(made.get("noise_schedule")), None),
        "CFG scale": made.get("scale"),
        "Seed": made.get("seed"),
        "Size": "{}x{}".format(*size),
        "Denoising strength": made.get("strength") if "strength" in made and made.get("image") else None,
        "Clip skip": 2,
        "ENSD": 31337,
        "CFG Rescale": made.get("cfg_rescale") or None,
    }
    for name in NOTHING_HERE:
        if made.get(name):
            found.lose(f"NovelAI's {name} means nothing here.")
    return found


def _prompts(made: Mapping[str, Any], texts: Mapping[str, str]) -> tuple[str, str]:
    """Both prompts, with weights in A1111's signs. From version 4 on, characters have captions of their own."""
    prompt = words(texts.get("Description")) or words(made.get("prompt"))
    both = []
    for plain, name in ((prompt, "v4_prompt"), (words(made.get("uc")), "v4_negative_prompt")):
        caption = mapping(mapping(made.get(name)).get("caption"))
        people = caption.get("char_captions")
        captions = [words(caption.get("base_caption"))]
        captions += [words(mapping(one).get("char_caption")) for one in people[:20]] if isinstance(people, list) else []
        spoken = ", ".join(filter(None, captions))
        both.append(weighted(spoken or plain))
    return both[0], both[1]


def weighted(prompt: str) -> str:
    """`{word}` and `[word]` as weights in steps of 1.05, `1.3::word::` as 1.3. Braces without a partner stay."""
    prompt = _NUMBERED.sub(r"(\2:\1)", prompt[:LONGEST_PROMPT])
    pieces, opened = [], []
    for letter in prompt:
        pieces.append(letter)
        if letter in "{[":
            opened.append(len(pieces) - 1)
        elif letter in "}]" and opened and pieces[opened[-1]] == {"}": "{", "]": "["}[letter]:
            start = opened.pop()
            weight = STEP if letter == "}" else 1 / STEP
            pieces[start], pieces[-1] = "(", f":{weight:.4g})"
    return "".join(pieces)
