"""One line of a list of prompts: a prompt as it stands, or options as of a command: `--prompt "a cat" --steps 20`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from modules.core.request import PARAMS
from modules.plugins.api import UserError

# A1111's options that are called otherwise here.
OTHER_NAMES = {"sd_model": "checkpoint", "sampler_name": "sampler", "scheduler": "schedule", "n_iter": "batch_count"}


def options_of(line: str) -> dict[str, str]:
    """Request fields and their values as written. A line without `--` in front is a prompt, whatever it holds.

    Raises UserError for an option that is none, or has no value.
    """
    if not line.startswith("--"):
        return {"prompt": line}
    words, found = _words(line), {}
    names = _names()
    at = 0
    while at < len(words):
        word = words[at]
        field = names.get(word[2:].casefold()) if word.startswith("--") else None
        if field is None:
            raise UserError(f"{word[:60]!r} is no option.", hint='For example: --prompt "a cat" --steps 20 --seed 7')
        at += 1
        taken = []
        while at < len(words) and not words[at].startswith("--"):  # a prompt may stand there without quotes
            taken.append(words[at])
            at += 1
        if not taken:
            raise UserError(f"The option {word} has no value.")
        found[field] = " ".join(taken)
    return found


def _words(line: str) -> list[str]:
    """The words of a line, those in quotes whole. Backslashes stay: prompts escape brackets with them."""
    reader = shlex.shlex(line, posix=True)
    reader.whitespace_split, reader.commenters, reader.escape = True, "", ""
    try:
        return list(reader)
    except ValueError as error:
        raise UserError("A quote is never closed.", hint='Write \\" for none, or close it.') from error


def _names() -> Mapping[str, str]:
    """Every spelling of an option, and the field it means."""
    names: dict[str, Any] = {declared.a1111.casefold(): name for name, declared in PARAMS.items()}
    return {**names, **{name.casefold(): name for name in PARAMS}, **OTHER_NAMES}
