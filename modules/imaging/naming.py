"""File names from patterns such as `[seed]-[prompt_words]`: A1111's tokens as a table of functions over plain facts.

Facts carry the names of request fields (prompt, steps, sampler, ...) and: seed, seed_first, seed_last, model,
model_hash, vae, styles, user, basename, pixels, time and job_time (datetime), index and pictures (in the job). A fact
that is absent makes its tokens meaningless: they vanish, and the text before them with them.
"""

from __future__ import annotations

import hashlib
import os
import re
import string
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from ..core.pictures import Picture

LONGEST_PART: Final = 128  # characters that one token, or one folder's name, may have
LONGEST_NAME: Final = 200  # bytes of a whole name; file systems take 255, and a number, suffix and ending are added
MOST_WORDS: Final = 8

Facts = Mapping[str, Any]
Token = Callable[..., str | None]

_TOKEN = re.compile(r"\[([^\[\]<>]+)((?:<[^<>]*>)*)\]")
_ARGUMENT = re.compile(r"<([^<>]*)>")
_NOT_ALLOWED = re.compile(r'[#<>:"/\\|?*\x00-\x1f\x7f\ud800-\udfff]')
_NOT_LETTERS = re.compile(rf"[\s{re.escape(string.punctuation)}]+")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)  # names that Windows keeps for itself


def expand(pattern: str, facts: Facts, folders: bool = False) -> str:
    """The name that a pattern makes of the facts, fit for any file system. May be empty.

    An unknown token stays as it is written. With `folders`, slashes in the pattern separate folders; the result is
    always relative and never leads upwards. Values cannot make folders.
    """
    pieces, position = [], 0
    for found in _TOKEN.finditer(pattern):
        before, position = pattern[position : found.start()], found.end()
        token = TOKENS.get(found[1].lower())
        value = token(facts, *_ARGUMENT.findall(found[2])) if token else found[0]
        if value is not None:
            pieces += [before, sanitised(value) if token else value]
    written = "".join([*pieces, pattern[position:]])
    if not folders:
        return fitting(sanitised(written, LONGEST_NAME))
    return "/".join(filter(None, (fitting(sanitised(part)) for part in re.split(r"[/\\]", written))))


def facts_of(picture: Picture, time: datetime | None = None) -> dict[str, Any]:
    """The facts of a picture, made at `time` (default: now)."""
    about = picture.facts
    named = {"seed": about.seed, "model": about.model, "model_hash": about.model_hash, "vae": about.vae}
    said = picture.request.styled  # before styles were added
    named["styles"] = [name for name in said.get("styles", "").split("\n") if name]
    named["prompt_no_styles"] = said.get("prompt", picture.request.prompt)
    return {**dict(picture.request), **named, "pixels": picture.pixels, "time": time or datetime.now()}


def next_number(folder: Path, prefix: str = "") -> int:
    """One more than the highest number that names in `folder` begin with (after `prefix-`, if given). 0 for none."""
    start = re.compile(rf"\.?{re.escape(prefix + '-' if prefix else '')}([0-9]{{1,12}})(?=[-.]|$)")
    try:
        found = [start.match(name) for name in os.listdir(folder)]
    except FileNotFoundError:
        return 0
    return max((int(match[1]) for match in found if match), default=-1) + 1


def sanitised(text: str, longest: int = LONGEST_PART) -> str:
    """The text with what file systems refuse replaced by `_`, cut to `longest` characters."""
    return _NOT_ALLOWED.sub("_", text).lstrip(" ")[:longest].rstrip(" .")


def fitting(name: str) -> str:
    """The name cut to LONGEST_NAME bytes between characters, and not one that Windows keeps for itself."""
    name = name.encode()[:LONGEST_NAME].decode(errors="ignore").rstrip(" .")
    return f"_{name}" if _DEVICE.fullmatch(name) else name


def _fact(name: str) -> Token:
    def token(facts: Facts) -> str | None:
        value = facts.get(name)
        return None if value is None else f"{value:g}" if isinstance(value, float) else str(value)

    return token


def _text(name: str, space: str = " ") -> Token:
    def token(facts: Facts) -> str | None:
        return None if name not in facts else str(facts[name]).replace(" ", space)

    return token


def _hash(*names: str) -> Token:
    def token(facts: Facts, length: str = "") -> str | None:
        if any(name not in facts for name in names):
            return None
        text = " ".join(str(facts[name]) for name in names)
        return hashlib.sha256(text.encode(errors="replace")).hexdigest()[: _length(length, 8)]

    return token


def _image_hash(facts: Facts, length: str = "") -> str | None:
    if "pixels" not in facts:
        return None
    return hashlib.sha256(facts["pixels"].tobytes()).hexdigest()[: _length(length, 64)]


def _length(written: str, default: int) -> int:
    return int(written) if written.isascii() and written.isdigit() and len(written) < 4 else default


def _words(facts: Facts) -> str | None:
    if "prompt" not in facts:
        return None
    words = [word for word in _NOT_LETTERS.split(facts["prompt"]) if word]
    return " ".join(words[:MOST_WORDS]) or "empty"


def _has_prompt(facts: Facts, *choices: str) -> str | None:
    """For every `<word|default>`: the word if the prompt has it, else the default."""
    prompt = str(facts.get("prompt", "")).lower()
    taken = ""
    for choice in choices:
        word, _, default = choice.partition("|")
        taken += word.lower() if word.lower() in prompt else default.partition("|")[0]
    return taken if choices else None


def _styles(facts: Facts) -> str:
    return ", ".join(style for style in facts.get("styles", ()) if style != "None") or "None"


def _sampler_and_schedule(facts: Facts) -> str | None:
    if "sampler" not in facts:
        return None
    schedule = facts.get("schedule", "Automatic")
    return facts["sampler"] if schedule == "Automatic" else f"{facts['sampler']} {schedule}"


def _time(facts: Facts, form: str = "", zone: str = "") -> str | None:
    """Local time, or that of a zone such as Europe/Rome. A form or zone that cannot be used gives the default."""
    if "time" not in facts:
        return None
    time: datetime = facts["time"]
    try:
        time = time.astimezone(ZoneInfo(zone)) if zone else time
    except (KeyError, ValueError, OSError):
        time = facts["time"]
    try:
        return time.strftime(form or "%Y%m%d%H%M%S")
    except ValueError:
        return time.strftime("%Y%m%d%H%M%S")


def _job_time(facts: Facts) -> str | None:
    return facts["job_time"].strftime("%Y%m%d%H%M%S") if "job_time" in facts else None


def _of_several(value: str, total: str) -> Token:
    """A fact that means nothing when there is only one picture."""
    return lambda facts: str(facts[value]) if facts.get(total, 1) > 1 and value in facts else None


def _denoising(facts: Facts) -> str | None:
    """The denoising strength, where something was only partly noised."""
    starts_partly_noised = facts.get("init_image") or facts.get("enable_hr") or "init_image" not in facts
    return _fact("denoising_strength")(facts) if starts_partly_noised else None


def _batch_number(facts: Facts) -> str | None:
    size = facts.get("batch_size", 1)
    return str(facts["index"] % size + 1) if size > 1 and "index" in facts else None


def _generation_number(facts: Facts) -> str | None:
    return str(facts["index"] + 1) if facts.get("pictures", 1) > 1 and "index" in facts else None


TOKENS: Final[dict[str, Token]] = {
    "basename": _text("basename"),
    "seed": _fact("seed"),
    "seed_first": lambda facts: _fact("seed_first")(facts) or _fact("seed")(facts),
    "seed_last": _of_several("seed_last", "pictures"),
    "steps": _fact("steps"),
    "cfg": _fact("cfg_scale"),
    "width": _fact("width"),
    "height": _fact("height"),
    "styles": _styles,
    "sampler": _text("sampler"),
    "sampler_scheduler": _sampler_and_schedule,
    "scheduler": _text("schedule"),
    "model_hash": _text("model_hash"),
    "model_name": _text("model"),
    "date": lambda facts: _time(facts, "%Y-%m-%d"),
    "datetime": _time,
    "job_timestamp": _job_time,
    "prompt_hash": _hash("prompt"),
    "negative_prompt_hash": _hash("negative_prompt"),
    "full_prompt_hash": _hash("prompt", "negative_prompt"),
    "prompt": _text("prompt", space="_"),
    "prompt_no_styles": _text("prompt_no_styles"),
    "prompt_spaces": _text("prompt"),
    "prompt_words": _words,
    "batch_number": _batch_number,
    "batch_size": _fact("batch_size"),
    "generation_number": _generation_number,
    "hasprompt": _has_prompt,
    "clip_skip": _fact("clip_skip"),
    "denoising": _denoising,
    "user": _text("user"),
    "vae_filename": _text("vae"),
    "none": lambda facts: "",
    "image_hash": _image_hash,
}
