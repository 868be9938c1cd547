"""Wildcards in prompts: `__name__` is a line of wildcards/name.txt, `{a|b}` one of two; the seed draws."""

from __future__ import annotations

from collections.abc import Iterable
from glob import glob
from pathlib import Path
from typing import Any

from modules.plugins.api import Setting, hook
from modules.text.wildcards import expand, has_wildcards

ROOT = Path(__file__).resolve().parents[4]

Setting(
    "wildcards_folder",
    "wildcards; extensions/*/wildcards",
    label="Folders of wildcards",
    help="Text files, one option a line; # begins a comment. Several with ; between, * for any name. Relative to the "
    "program's folder, or absolute.",
    section="Prompts",
)


@hook
def batch_starting(run: Any, batch: Any) -> None:
    """Draws each picture's prompts by its own seed; as they were written, they are noted in the pictures' text."""
    for note, texts in (("Wildcard prompt", batch.prompts), ("Wildcard negative prompt", batch.negative_prompts)):
        for text in _drawn(run, batch, texts):
            run.notes[note] = text


@hook
def prompts_ready(run: Any, batch: Any) -> None:
    """Draws the prompts that the second pass has of its own."""
    for texts in (batch.prompts, batch.negative_prompts):
        _drawn(run, batch, texts)


def _drawn(run: Any, batch: Any, texts: list[str]) -> list[str]:
    """Draws the texts in place; gives those that had marks, as they were."""
    found = [text for text in texts if has_wildcards(text)]
    folders = _folders(run.settings["wildcards_folder"]) if found else []
    for i, (text, seed) in enumerate(zip(texts, batch.seeds, strict=True)):
        if has_wildcards(text):
            texts[i] = expand(text, seed, lambda name: _lines(folders, name))
    return found


def _folders(patterns: str) -> list[Path]:
    wanted = [str(ROOT / pattern.strip()) for pattern in patterns.split(";") if pattern.strip()]
    return [Path(found) for pattern in wanted for found in sorted(glob(pattern))]


def _lines(folders: Iterable[Path], name: str) -> list[str]:
    """The options in a wildcard's file, the first there is; none when there is no such file inside the folders."""
    for folder in folders:
        try:
            path = (folder / f"{name}.txt").resolve()
            if not path.is_relative_to(folder.resolve()):
                continue
            text = path.read_text(encoding="utf-8-sig", errors="replace")
        except OSError:  # no such file, a name longer than the system allows, a folder
            continue
        return [line for raw in text.splitlines() if (line := raw.split("#", 1)[0].strip())]
    return []
