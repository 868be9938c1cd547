"""A picture's settings as text, in A1111's grammar, both ways.

    prompt, over as many lines as it has
    Negative prompt: likewise, absent when empty
    Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 1, Size: 512x512, ...

Both directions loop over the declared parameters; only what is not one field = one key stands here by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .dialects import understood
from .errors import UserError
from .params import EXTENSION_PARAMS, Param, params_of
from .pictures import Facts
from .request import GenerationRequest
from .scripts import SCRIPTS
from .version import NAME, VERSION

# A key is looked for only where a run of its characters begins: a long line without colons is read once, not once for
# every character in it.
_ENTRY = re.compile(r'(?<![\w \-/])[ \-/]*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
# Facts about the picture that set nothing.
TOLD = (
    "Init image hash",
    "Lora hashes",
    "TI hashes",
    "Version",
    "Postprocess upscale to",
    "Postprocess crop to",
    "User",
    *("Diffusion in Low Bits", "Module 1", "Module 2", "Module 3", "Hires Module 1"),  # Forge's
)
OTHER_KEYS = {"Model hash", "VAE hash", *TOLD}  # written beside the parameters' own
# A1111's order. Whatever else is written follows in the order of its declaration.
ORDER = (
    *("Steps", "Sampler", "Schedule type", "CFG scale", "Distilled CFG Scale", "Image CFG scale"),
    *("Seed", "Face restoration", "Size"),
    *("Model hash", "Model", "FP8 weight", "VAE hash", "VAE"),
    *("Variation seed", "Variation seed strength", "Seed resize from"),
    *("Denoising strength", "Conditional mask weight", "Clip skip", "ENSD"),
    *("Token merging ratio", "Token merging ratio hr", "Init image hash", "RNG", "Tiling"),
)
# Two parameters that are written as one size, width first.
SIZES = {
    "Size": ("width", "height"),
    "Seed resize from": ("seed_resize_from_w", "seed_resize_from_h"),
    "Hires resize": ("hr_resize_x", "hr_resize_y"),
}
HIRES_KEYS = ("Hires upscaler", "Hires upscale")
_WIDTHS = {width: (key, height) for key, (width, height) in SIZES.items()}
_HEIGHTS = {height for _, height in SIZES.values()}
# Fields whose entries are not simply their values.
_SPECIAL = {"checkpoint", "vae", *_WIDTHS, *_HEIGHTS}
_SIZE = re.compile(r"^(\d+)x(\d+)$")
_NEGATIVE = "Negative prompt:"
_FEWEST_ENTRIES = 3


@dataclass(frozen=True)
class Pasted:
    """What a text said. `values` are request fields; `model` and `vae` are (name, hash) as written, "" when absent;
    `unknown` are the entries that mean nothing here, or do not fit: then `reasons` has a sentence of the same key.
    `program` is who wrote the text, "" when it does not say; `lost` are sentences about what that one could say and
    this one cannot, `differences` about what will look slightly different.
    """

    values: Mapping[str, Any]
    model: tuple[str, str] = ("", "")
    vae: tuple[str, str] = ("", "")
    unknown: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)
    program: str = ""
    lost: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()


def write(request: GenerationRequest, facts: Facts) -> str:
    """The text of one picture. `request` is the one that makes this picture alone."""
    entries: dict[str, Any] = {}
    for declared in params_of(type(request)).values():
        entries.update(_entries(declared, request, facts))
    for declared in EXTENSION_PARAMS:
        value = request.extra.get(declared.name, declared.default)
        if declared.key and (declared.written == "always" or value != declared.default):
            entries[declared.key] = value
    entries.update(facts.notes)
    entries = {key: entries[key] for key in sorted(entries, key=_place)}
    entries["Version"] = f"{NAME} {VERSION}"
    return composed(request.prompt, request.negative_prompt, entries)


def composed(prompt: str, negative_prompt: str, entries: Mapping[str, Any]) -> str:
    """The text that says this, in A1111's grammar. Entries that are None are left out."""
    line = ", ".join(_entry(key, value) for key, value in entries.items() if value is not None)
    negative = f"{_NEGATIVE} {negative_prompt}" if negative_prompt else ""
    return "\n".join(part for part in (prompt, negative, line) if part).strip()


def appended(text: str, entries: Mapping[str, Any]) -> str:
    """A picture's text with more entries behind its own; what it says stays as it is."""
    added = ", ".join(_entry(key, value) for key, value in entries.items())
    if split(text)[2]:
        return f"{text.rstrip()}, {added}"
    return "\n".join(part for part in (text.rstrip(), f"{added}, Version: {NAME} {VERSION}") if part)


def split(text: str) -> tuple[str, str, dict[str, str]]:
    """Prompt, negative prompt, and the entries as written. A `512x768` value is kept whole."""
    *lines, last = text.strip().split("\n")
    found = _ENTRY.findall(last)
    if len(found) < _FEWEST_ENTRIES:
        lines, found = [*lines, last], []
    prompt: list[str] = []
    negative: list[str] = []
    current = prompt
    for line in lines:
        line = line.strip()
        if line.startswith(_NEGATIVE):
            current, line = negative, line[len(_NEGATIVE) :].strip()
            if not line:
                continue
        current.append(line)
    entries = {key.strip(): _unquoted(value.strip()) for key, value in found}
    return "\n".join(prompt), "\n".join(negative), entries


def read(text: str, schedules: Iterable[str] = (), model: type[GenerationRequest] = GenerationRequest) -> Pasted:
    """The fields of a `model` that a text names. `schedules`: known schedule types, to split old names such as
    "DPM++ 2M Karras". Values that do not fit their parameter are left out and appear in `unknown`.

    Where there are entries, a parameter that is not always written has its default when its
    entry is absent, and the noise source is GPU, as in A1111. A text without entries is a prompt, nothing else.
    """
    prompt, negative, written = split(text)
    meant = understood(prompt, negative, written)
    entries = meant.entries
    values: dict[str, Any] = {"prompt": meant.prompt, "negative_prompt": negative}
    has_entries = bool(written)
    checkpoint = (entries.pop("Model", ""), entries.pop("Model hash", ""))
    vae = (entries.pop("VAE", ""), entries.pop("VAE hash", ""))
    told = {key: entries.pop(key) for key in TOLD if key in entries}
    scripts = _scripts(entries)
    values |= _sizes(entries, has_entries)
    if has_entries:
        values["noise_source"] = "GPU"
        values["enable_hr"] = any(key in entries for key in HIRES_KEYS) or bool(values["hr_resize_x"])
    params = params_of(model)
    own = [declared for name, declared in params.items() if name not in _SPECIAL]
    values |= _taken(own, entries, has_entries)
    extra = _taken(EXTENSION_PARAMS, entries, has_entries)
    values |= _split_sampler(values, schedules)
    fitting, rejected, reasons = _fitting(model, values, extra)
    unknown = {**entries, **rejected}
    fitting |= scripts
    return Pasted(fitting, checkpoint, vae, unknown, reasons, told, meant.program, meant.lost, meant.differences)


def _scripts(entries: dict[str, str]) -> dict[str, Any]:
    """The script that made a grid, with what its entries say of its fields; they are taken out of `entries`."""
    script = next((one for one in SCRIPTS if one.name == entries.get("Script")), None)
    if script is None:
        return {}
    fields = {one.name: entries.pop(one.key) for one in script.params if one.key in entries}
    return {"scripts": {entries.pop("Script"): fields}}


def _sizes(entries: dict[str, str], has_entries: bool) -> dict[str, int]:
    """The parameters that are two halves of one entry, which is taken out of `entries`."""
    found: dict[str, int] = {}
    for key, names in SIZES.items():
        size = _SIZE.match(entries.get(key, ""))
        if size:
            found |= dict(zip(names, map(int, size.groups()), strict=True))
            del entries[key]
        elif has_entries and key != "Size":
            found |= dict.fromkeys(names, 0)
    return found


def _taken(params: Iterable[Param], entries: dict[str, str], has_entries: bool) -> dict[str, Any]:
    """The parameters' values, taken out of `entries`."""
    found: dict[str, Any] = {}
    for declared in params:
        if declared.key and declared.key in entries:
            found[declared.name] = entries.pop(declared.key)
        elif has_entries and declared.key and declared.written in ("changed", "noted"):
            found[declared.name] = declared.default
    return found


def _entries(declared: Param, request: GenerationRequest, facts: Facts) -> dict[str, Any]:
    """The keys that one parameter writes."""
    value = getattr(request, declared.name)
    if declared.needs and not getattr(request, declared.needs):
        return {}
    if declared.name in _WIDTHS:
        key, height = _WIDTHS[declared.name]
        return {key: f"{value}x{getattr(request, height)}"}
    if declared.name == "seed":
        return {"Seed": facts.seed}
    if declared.name == "checkpoint":
        return {"Model hash": facts.model_hash or None, "Model": facts.model or None}
    if declared.name == "vae":
        return {"VAE hash": facts.vae_hash or None, "VAE": facts.vae or None}
    if not declared.key or declared.name in _HEIGHTS or (declared.name == "noise_source" and value == "GPU"):
        return {}
    if declared.written == "noted":
        return {}
    return {} if declared.written == "changed" and value == declared.default else {declared.key: value}


def _place(key: str) -> int:
    return ORDER.index(key) if key in ORDER else len(ORDER)


def _entry(key: str, value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
    if text == key:
        return key
    if any(mark in text for mark in ",\n:") or text != text.strip() or text.startswith('"'):
        text = json.dumps(text, ensure_ascii=False)
    return f"{key}: {text}"


def _unquoted(value: str) -> str:
    if not (value.startswith('"') and value.endswith('"') and len(value) > 1):
        return value
    try:
        text = str(json.loads(value))
        text.encode()  # an escape may be half of a character pair, which is no text
        return text
    except ValueError:
        return value


def _split_sampler(values: Mapping[str, Any], schedules: Iterable[str]) -> dict[str, str]:
    """`DPM++ 2M Karras` -> sampler `DPM++ 2M`, schedule `Karras`, as A1111 wrote them before version 1.9."""
    name = values.get("sampler", "")
    for schedule in schedules if "schedule" not in values else ():
        if name.endswith(f" {schedule}"):
            return {"sampler": name[: -len(schedule) - 1], "schedule": schedule}
    return {}


def _fitting(
    model: type[GenerationRequest], values: dict[str, Any], extra: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """Values in their types, and those that no request accepts, by key; then why, likewise."""
    fitting: dict[str, Any] = {}
    rejected: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for name, value in values.items():
        try:
            fitting[name] = getattr(model.checked({name: value}), name)
        except UserError as error:
            declared = params_of(model)[name]
            key = declared.key or declared.label
            rejected[key], reasons[key] = str(value), error.message
    for name, value in extra.items():
        try:
            fitting["extra"] = {**fitting.get("extra", {}), **model.checked({"extra": {name: value}}).extra}
        except UserError as error:
            declared = EXTENSION_PARAMS.get(name)
            key = declared.key if declared else name
            rejected[key], reasons[key] = str(value), error.message
    return fitting, rejected, reasons
