"""Fooocus' pictures: a JSON in PNG's `parameters` or EXIF's comment. (Its other scheme is A1111's text.)"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PureWindowsPath
from typing import Any, Final

from ...core.sampler_names import COMFY_SCHEDULES, comfy_sampler
from .translation import Translation, parsed, words

NOTHING_HERE: Final = {
    "sharpness": "sharpness",
    "adm_guidance": "ADM guidance",
    "adaptive_cfg": "CFG mimicking from TSNR",
    "freeu": "FreeU",
    "refiner_swap_method": "refiner swap method",
}
MOST_LORAS: Final = 20
_NUMBERS = re.compile(r"\d{2,5}")


def read(texts: Mapping[str, str], size: tuple[int, int]) -> Translation | None:
    """Fooocus' settings; None when the picture is not Fooocus'."""
    made = parsed(texts.get("parameters")) or parsed(texts.get("UserComment")) or parsed(texts.get("Comment"))
    if not isinstance(made, Mapping):
        return None
    said = {str(key).casefold().replace(" ", "_"): value for key, value in made.items()}
    if "base_model" not in said or not {"performance", "metadata_scheme", "guidance_scale"} & set(said):
        return None
    found = Translation("Fooocus", _joined(said, "prompt"), _joined(said, "negative_prompt"))
    width, height = (*_NUMBERS.findall(str(said.get("resolution"))[:60]), *map(str, size))[:2]
    refiner = words(said.get("refiner_model"))
    refines = refiner not in ("", "None")
    schedule = words(said.get("scheduler"))
    found.entries = {
        "Steps": said.get("steps"),
        "Sampler": comfy_sampler(words(said.get("sampler"))) or None,
        "Schedule type": COMFY_SCHEDULES.get(schedule, schedule) or None,
        "CFG scale": said.get("guidance_scale"),
        "Seed": said.get("seed"),
        "Size": f"{width}x{height}",
        "Model hash": said.get("base_model_hash"),
        "Model": _stem(said["base_model"]),
        "VAE": _vae(words(said.get("vae"))),
        "Clip skip": said.get("clip_skip"),
        "RNG": "CPU",
        "Refiner": _stem(refiner) if refines else None,
        "Refiner switch at": said.get("refiner_switch") if refines else None,
    }
    found.prompt += _loras(said)
    for name, label in NOTHING_HERE.items():
        if said.get(name):
            found.lose(f"Fooocus' {label} means nothing here.")
    return found


def _joined(said: Mapping[str, Any], name: str) -> str:
    """The prompt as it was painted, styles and all, where that is written; else as it was typed."""
    full = said.get(f"full_{name}")
    spoken = ", ".join(words(part) for part in full[:100]) if isinstance(full, list) else ""
    return spoken or words(said.get(name))


def _loras(said: Mapping[str, Any]) -> str:
    """` <lora:name:weight>` for each, from whichever of the two ways it is written in."""
    tags = []
    listed = said.get("loras")
    for one in listed[:MOST_LORAS] if isinstance(listed, list) else ():
        if isinstance(one, list) and len(one) > 1:
            tags.append((one[0], one[1]))
    for number in range(1, MOST_LORAS) if not tags else ():
        parts = words(said.get(f"lora_combined_{number}", said.get(f"lora_{number}"))).split(" : ")
        if len(parts) > 1 and parts[0] != "False":
            tags.append((parts[-2], parts[-1]))
    return "".join(f" <lora:{_stem(name)}:{str(weight)[:12]}>" for name, weight in tags if name != "None")


def _stem(path: Any) -> str:
    return PureWindowsPath(words(path)).name.rsplit(".", 1)[0]


def _vae(name: str) -> str | None:
    return None if name.startswith("Default") else _stem(name) or None
