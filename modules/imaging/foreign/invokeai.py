"""InvokeAI's pictures: a JSON in PNG's `invokeai_metadata` (from 3.0), or `sd-metadata` (before)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ...core.sampler_names import INVOKE_SAMPLERS
from .translation import Translation, mapping, parsed, words

NOTHING_HERE: Final = ("controlnets", "ipAdapters", "t2iAdapters", "seamless_x", "seamless_y", "regions")
MOST_LORAS: Final = 20
LONGEST_PROMPT: Final = 20_000
_NUMBERED = re.compile(r"\(([^()]{1,2000})\)(\d+(?:\.\d+)?)")
_SIGNED = re.compile(r"(?:\(([^()]{1,2000})\)|(?<![\w+-])(\w{1,100}))(\+{1,9}|-{1,9})(?=[\s,.;:)]|$)")
_NEGATIVE = re.compile(r"\[([^\[\]]{1,2000})\]")


def read(texts: Mapping[str, str], size: tuple[int, int]) -> Translation | None:
    """InvokeAI's settings; None when the picture is not InvokeAI's."""
    made = parsed(texts.get("invokeai_metadata"))
    if isinstance(made, Mapping):
        return _today(made, size)
    made = parsed(texts.get("sd-metadata"))
    return _before_3(made, size) if isinstance(made, Mapping) else None


def _today(made: Mapping[str, Any], size: tuple[int, int]) -> Translation:
    prompts = (words(made.get("positive_prompt")), words(made.get("negative_prompt")))
    found = Translation("InvokeAI", *map(weighted, prompts))
    model, skip = mapping(made.get("model")), made.get("clip_skip")
    found.entries = {
        "Steps": made.get("steps"),
        **_sampler(words(made.get("scheduler")), found),
        "CFG scale": made.get("cfg_scale"),
        "Seed": made.get("seed"),
        "Size": "{}x{}".format(*_size(made, size)),
        "Model": model.get("name") or model.get("model_name"),
        "VAE": _name(made.get("vae")),
        "Denoising strength": made.get("strength"),
        "Clip skip": skip + 1 if isinstance(skip, int) and 0 < skip < 12 else None,
        "RNG": "GPU" if made.get("rand_device") in ("cuda", "gpu") else "CPU",
        "CFG Rescale": made.get("cfg_rescale_multiplier") or None,
        "Refiner": _name(made.get("refiner_model")),
        "Refiner switch at": made.get("refiner_start"),
    }
    listed = made.get("loras")
    for one in listed[:MOST_LORAS] if isinstance(listed, list) else ():
        name = _name(mapping(one).get("model") or mapping(one).get("lora"))
        found.prompt += f" <lora:{name}:{str(mapping(one).get('weight', 1))[:12]}>" if name else ""
    for style in ("positive_style_prompt", "negative_style_prompt"):
        if made.get(style) and made[style] not in prompts:
            found.lose(f"InvokeAI's second prompt for SDXL is left out: {words(made[style])[:200]}")
    if made.get("init_image") or "img2img" in words(made.get("generation_mode")):
        found.lose("It was painted from a picture, which is not in the file.")
    for name in NOTHING_HERE:
        if made.get(name):
            found.lose(f"InvokeAI's {name} mean nothing here.")
    if made.get("hrf_enabled"):
        found.lose("InvokeAI enlarged it by its own high resolution fix.")
    return found


def _before_3(made: Mapping[str, Any], size: tuple[int, int]) -> Translation:
    """Before 3.0 the negative prompt stood within the prompt, in square brackets."""
    image = mapping(made.get("image"))
    listed = image.get("prompt")
    parts = listed[:20] if isinstance(listed, list) else [{"prompt": listed}]
    prompt = ", ".join(words(mapping(part).get("prompt"))[:LONGEST_PROMPT] for part in parts)
    negative = ", ".join(_NEGATIVE.findall(prompt))
    found = Translation("InvokeAI", weighted(_NEGATIVE.sub("", prompt)), weighted(negative))
    found.entries = {
        "Steps": image.get("steps"),
        **_sampler(words(image.get("sampler")).removeprefix("k_"), found),
        "CFG scale": image.get("cfg_scale"),
        "Seed": image.get("seed"),
        "Size": "{}x{}".format(*_size(image, size)),
        "Model": made.get("model_weights"),
        "Model hash": words(made.get("model_hash"))[:10] or None,
        "RNG": "CPU",
    }
    for name in ("threshold", "perlin", "postprocessing", "variations", "init_image_path"):
        if image.get(name):
            found.lose(f"InvokeAI's {name} means nothing here.")
    return found


def _sampler(scheduler: str, found: Translation) -> dict[str, str | None]:
    plain = scheduler.removesuffix("_k")
    karras = "Karras" if plain != scheduler else None
    if scheduler and plain not in INVOKE_SAMPLERS:
        found.lose(f"InvokeAI's scheduler {scheduler[:60]!r} is not known here.")
    return {"Sampler": INVOKE_SAMPLERS.get(plain), "Schedule type": karras}


def _size(made: Mapping[str, Any], size: tuple[int, int]) -> tuple[int, int]:
    sides = tuple(made.get(name) for name in ("width", "height"))
    return sides if all(isinstance(side, int) and 0 < side < 100_000 for side in sides) else size  # type: ignore


def _name(model: Any) -> str | None:
    return words(mapping(model).get("name") or mapping(model).get("model_name")) or None


def weighted(prompt: str) -> str:
    """Compel's `(words)1.2`, `word++` and `word-` (steps of 1.1 and 0.9) in A1111's signs."""
    prompt = prompt[:LONGEST_PROMPT]

    def signed(match: re.Match[str]) -> str:
        signs = match[3]
        return f"({match[1] or match[2]}:{(1.1 if signs[0] == '+' else 0.9) ** len(signs):.3g})"

    return _SIGNED.sub(signed, _NUMBERED.sub(r"(\1:\2)", prompt))
