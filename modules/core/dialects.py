"""Texts in A1111's grammar that older versions of it, or its relatives, wrote: their entries in today's words.

A1111's rules for old versions are those of its `infotext_versions.py` and of its reading of old hires fixes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from .sampler_names import COMFY_SCHEDULES, SDNEXT_SAMPLERS, comfy_sampler

LEFT_OUT, MADE_WITH = "Left out", "Made with"  # entries of texts that were translated from other programs' data
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:-(\d+))?(?:-.*)?$")
_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})$")
_OLD_FIRST_PASS = 512 * 512  # pixels
_ROUNDED = "The noise schedule was rounded to half precision by A1111 before version 1.7.0; here it is not."
# What comes out otherwise when settings of these programs are painted here.
_OTHERWISE = {
    "ComfyUI": "ComfyUI weighs words, and draws the noise between steps, otherwise than A1111.",
    "InvokeAI": "InvokeAI samples with diffusers' schedulers, and weighs words, otherwise than A1111.",
    "Fooocus": "Fooocus sharpens and bends the guidance while it samples, which is not done here.",
    "NovelAI": "NovelAI paints with models of its own on other machines.",
}

_SDNEXT_KEYS = {
    "Variation strength": "Variation seed strength",
    "CFG rescale": "CFG Rescale",
    "Hires scale": "Hires upscale",
    "HiRes scale": "Hires upscale",
    "HiRes upscaler": "Hires upscaler",
    "HiRes steps": "Hires steps",
    "HiRes sampler": "Hires sampler",
    "HiRes strength": "Denoising strength",
    "Hires strength": "Denoising strength",
    "CLIP skip": "Clip skip",
    "Sampler eta delta": "ENSD",
    "Mask weight": "Conditional mask weight",
}
_SDNEXT_FACTS = ("App", "Backend", "Pipeline", "Operations", "Index", "Batch", "Grid", "Second pass", "Hires size")
_SDNEXT_FACTS += ("HiRes size", "Init image size", "Hires force", "HiRes force", "Scheduler")
_FOOOCUS_FACTS = ("Raw prompt", "Raw negative prompt", "Refiner hash", "Performance", "User", "Lora weights")


@dataclass(frozen=True)
class Understood:
    """A text in today's words. `program` is who wrote it ("" when it does not say); `lost` are sentences about what
    cannot be said here, `differences` about what will look slightly different all the same.
    """

    prompt: str
    entries: dict[str, str]
    program: str = ""
    lost: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()


def understood(prompt: str, negative: str, entries: Mapping[str, str]) -> Understood:
    """The same settings in today's words, whoever wrote them."""
    found = dict(entries)
    version, translated = found.get("Version", ""), found.pop(MADE_WITH, "")
    lost = tuple(filter(None, found.pop(LEFT_OUT, "").split("\n")))
    if found.get("App") == "SD.Next":
        return _from_sdnext(prompt, found)
    if version.startswith("Fooocus"):
        return _from_fooocus(prompt, found)
    prompt = _with_hypernet(prompt, found)
    _first_pass(found)
    if found.get("Sampler") == "UniPC" and "UniPC order" in found:  # a setting there, an option of the sampler here
        found.setdefault("Sampler options", f"order={found.pop('UniPC order')}")
    release = _release(version)
    downcast = found.pop("Downcast alphas_cumprod", "") == "True"
    if release is not None:
        _as_before(release, prompt + negative, found)
        downcast = downcast or release < (1, 7, 0, 225)
    program = translated or (f"A1111 {version}" if release is not None else version)
    differences = [_ROUNDED] if downcast else []
    differences += [_OTHERWISE[translated]] if translated in _OTHERWISE else []
    return Understood(prompt, found, program, lost, tuple(differences))


def _release(version: str) -> tuple[int, ...] | None:
    """`v1.7.0-225-gabcdef0` -> (1, 7, 0, 225): release and commits since; None for what is no version of A1111."""
    match = _VERSION.match(version)
    return tuple(int(number or 0) for number in match.groups()) if match else None


def _as_before(release: tuple[int, ...], prompts: str, entries: dict[str, str]) -> None:
    """Adds the entries that say how a version before did what is done otherwise today."""
    before = {
        "Old prompt editing timelines": release < (1, 6, 0) and "[" in prompts,
        "Pad conds v0": release < (1, 6, 0) and entries.get("Sampler") in ("DDIM", "PLMS"),
        "Refiner switch by sampling steps": release < (1, 8, 0) and "Refiner" in entries,
    }
    for key, needed in before.items():
        if needed:
            entries.setdefault(key, "True")


def _with_hypernet(prompt: str, entries: dict[str, str]) -> str:
    """Before 1.5 a hypernetwork was an entry; since then it stands in the prompt."""
    name, strength = entries.pop("Hypernet", ""), entries.pop("Hypernet strength", "1")
    return f"{prompt}<hypernet:{name}:{strength}>" if name else prompt


def _first_pass(entries: dict[str, str]) -> None:
    """Before 1.0 `Size` was the enlarged picture's, and the first pass had an entry of its own; 0x0: chosen for one."""
    first, size = (_SIZE.match(entries.get(key, "")) for key in ("First pass size", "Size"))
    if not first or not size:
        return
    width, height = map(int, size.groups())
    small = tuple(map(int, first.groups()))
    if not all(small) and width and height:
        scale = math.sqrt(_OLD_FIRST_PASS / (width * height))
        small = tuple(math.ceil(scale * side / 64) * 64 for side in (width, height))
    del entries["First pass size"]
    entries["Size"], entries["Hires resize"] = "{}x{}".format(*small), f"{width}x{height}"


def _from_sdnext(prompt: str, entries: dict[str, str]) -> Understood:
    """SD.Next writes A1111's grammar with keys of its own."""
    lost = []
    program = f"SD.Next {entries.pop('Version', '')}".strip()
    for old, new in _SDNEXT_KEYS.items():
        if old in entries:
            entries.setdefault(new, entries.pop(old))
    parser = entries.pop("Parser", "A1111").casefold()
    if parser not in ("a1111", "a1111 parser"):
        lost.append(f"SD.Next read the prompt with its parser {parser[:40]!r}; here weights are read as A1111 does.")
    sigmas = entries.pop("Sampler sigma", "")
    if sigmas and sigmas != "default":
        entries.setdefault("Schedule type", COMFY_SCHEDULES.get(sigmas, sigmas))
    entries["Sampler"] = SDNEXT_SAMPLERS.get(entries.get("Sampler", ""), entries.get("Sampler", ""))
    if entries["Sampler"] in ("", "Default"):
        del entries["Sampler"]
        lost.append("SD.Next used the sampler that the model came with, and did not write which.")
    for key in _SDNEXT_FACTS:
        entries.pop(key, None)
    about = ("SD.Next samples with diffusers' schedulers, whose steps and noise differ from A1111's in detail.",)
    return Understood(prompt, entries, program, tuple(lost), about)


def _from_fooocus(prompt: str, entries: dict[str, str]) -> Understood:
    """Fooocus can write A1111's grammar; LoRAs and styles stand in entries of their own."""
    program = entries.pop("Version")
    tags = [part.rpartition(":") for part in entries.get("Lora weights", "").split(", ")]
    loras = "".join(f" <lora:{name.strip()}:{weight.strip()}>" for name, _, weight in tags if name)
    if "Scheduler" in entries:
        schedule = entries.pop("Scheduler")
        entries.setdefault("Schedule type", COMFY_SCHEDULES.get(schedule, schedule))
    if "Sampler" in entries:
        entries["Sampler"] = comfy_sampler(entries["Sampler"])
    lost = [
        f"Fooocus' {key}: {entries.pop(key)[:200]}"
        for key in ("Styles", "Sharpness", "ADM Guidance", "FreeU")
        if key in entries
    ]
    for key in _FOOOCUS_FACTS:
        entries.pop(key, None)
    entries.setdefault("RNG", "CPU")
    told = tuple(f"{sentence} means nothing here." for sentence in lost)
    return Understood(prompt + loras, entries, program, told, (_OTHERWISE["Fooocus"],))
