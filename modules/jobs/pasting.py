"""The settings in a picture's text, made fit for the page: model names as they are here, and what is lost said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..core import infotext
from ..core.request import PARAMS
from .models import Models


@dataclass(frozen=True)
class PastedSettings:
    """Request fields read from a picture's text, and sentences about what could not be taken over."""

    values: dict[str, Any]
    problems: list[str] = field(default_factory=list)


def pasted_settings(text: str, models: Models, schedules: Iterable[str]) -> PastedSettings:
    """Reads a text. Models are found by their hash, else by their name; the one chosen stays when neither is here."""
    models.refresh()  # hashes become known while the program runs
    pasted = infotext.read(text, schedules)
    values, problems = dict(pasted.values), []
    for kind, (name, short_hash), files in (
        ("checkpoint", pasted.model, models.checkpoints()),
        ("vae", pasted.vae, models.vaes()),
    ):
        found = models.pasted(files, name, short_hash)
        if found:
            values[kind] = found
        elif name or short_hash:
            what = " ".join(part for part in (name, short_hash and f"[{short_hash}]") if part)
            problems.append(f"The {PARAMS[kind].label} {what} is not here: the one chosen now stays.")
    problems += [f"{key}: {value[:200]} could not be taken over." for key, value in pasted.unknown.items()]
    return PastedSettings(values, problems)
