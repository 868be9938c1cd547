"""Rewrites a pickled checkpoint as safetensors: the same numbers, in a file that holds nothing but numbers."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from ..catalog.header import Header
from ..catalog.open import read_tensors
from ..core.errors import UserError

BLOCK = 8 << 20


def convert_to_safetensors(source: Path, target: Path, progress: Callable[[float], None] = lambda share: None) -> Path:
    """Writes the tensors of `source` to `target`, a new file, and gives its path back; `progress` is told 0 to 1.

    An exception out of `progress` cancels. Until all is written the file bears another name. Raises UserError when
    `source` is hostile or damaged, when `target` exists, or when the disk has no room.
    """
    header = read_tensors(source)
    if target.exists():
        raise UserError(f"{target.name} exists already.", hint="Move it away first, or choose another name.")
    table, size = _table(header)
    free = shutil.disk_usage(target.parent).free
    if free < size:
        raise UserError(
            f"{target.name} needs {size / 1e9:.1f} GB, but its disk has {free / 1e9:.1f} GB left.",
            hint="Free some space first.",
        )
    part = target.with_name(target.name + ".part")
    try:
        _write(header, table, size, part, progress)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _table(header: Header) -> tuple[bytes, int]:
    """The new file's head, padded to 8 bytes, and how many bytes of numbers follow it."""
    entries, position = {}, 0
    for name, entry in header.tensors.items():
        end = position + entry.end - entry.begin
        entries[name] = {"dtype": entry.dtype, "shape": list(entry.shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps({"__metadata__": {"format": "pt", **header.metadata}, **entries}).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, position


def _write(header: Header, table: bytes, size: int, part: Path, progress: Callable[[float], None]) -> None:
    written = 0
    with header.path.open("rb") as old, part.open("wb") as new:
        new.write(table)
        for entry in header.tensors.values():
            old.seek(header.data_start + entry.begin)
            left = entry.end - entry.begin
            while left:
                block = old.read(min(BLOCK, left))
                if not block:
                    raise UserError(f"{header.path.name} ended before it should.", hint="Is it still being written?")
                new.write(block)
                left, written = left - len(block), written + len(block)
                progress(written / size)
