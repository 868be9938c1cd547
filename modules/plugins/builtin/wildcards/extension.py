"""Wildcards in prompts: `__name__` is a line of wildcards/name.txt, `{a|b}` one of two; the seed draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modules.plugins.api import Setting, hook
from modules.text.wildcards import expand, has_wildcards

ROOT = Path(__file__).resolve().parents[4]

Setting(
    "wildcards_folder",
    "wildcards",
    label="Folder of wildcards",
    help="Text files, one option a line; # begins a comment. Relative to the program's folder, or absolute.",
    section="Prompts",
)


@hook
def batch_starting(run: Any, batch: Any) -> None:
    folder = ROOT / run.settings["wildcards_folder"]
    for note, texts in (("Wildcard prompt", batch.prompts), ("Wildcard negative prompt", batch.negative_prompts)):
        for i, (text, seed) in enumerate(zip(texts, batch.seeds, strict=True)):
            if has_wildcards(text):
                run.notes[note] = text
                texts[i] = expand(text, seed, lambda name: _lines(folder, name))


def _lines(folder: Path, name: str) -> list[str]:
    """The options in a wildcard's file; none when there is no such file inside the folder."""
    try:
        path = (folder / f"{name}.txt").resolve()
        if not path.is_relative_to(folder.resolve()):
            return []
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:  # no such file, a name longer than the system allows, a folder
        return []
    return [line for raw in text.splitlines() if (line := raw.split("#", 1)[0].strip())]
