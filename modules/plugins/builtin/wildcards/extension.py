"""Wildcards in prompts: `__name__` is a line of wildcards/name.txt, `{a|b}` one of two; the seed draws."""

from __future__ import annotations

from pathlib import Path

from modules.plugins.api import Setting, hook
from modules.text.wildcards import expand, has_wildcards

NOTE = "Wildcard prompt"
ROOT = Path(__file__).resolve().parents[4]

Setting(
    "wildcards_folder",
    "wildcards",
    label="Folder of wildcards",
    help="Text files, one option a line; # begins a comment. Relative to the program's folder, or absolute.",
    section="Prompts",
)


@hook
def batch_starting(run, batch):
    folder = ROOT / run.settings["wildcards_folder"]
    for texts in (batch.prompts, batch.negative_prompts):
        for i, (text, seed) in enumerate(zip(texts, batch.seeds, strict=True)):
            if has_wildcards(text):
                run.notes[NOTE] = run.request.prompt
                texts[i] = expand(text, seed, lambda name: _lines(folder, name))


def _lines(folder: Path, name: str) -> list[str]:
    """The options in a wildcard's file; none when there is no such file inside the folder."""
    path = (folder / f"{name}.txt").resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        return []
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    return [line for raw in text.splitlines() if (line := raw.split("#", 1)[0].strip())]
